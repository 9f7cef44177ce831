"""What the entities show, and when they show nothing."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import PropertyMock, patch

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from custom_components.hoymiles_smiles import descriptions
from custom_components.hoymiles_smiles.const import DOMAIN
from custom_components.hoymiles_smiles.diagnostics import async_get_config_entry_diagnostics

from .conftest import set_up
from .fake_bridge import FakeBridge

ROOF, BARN = "116122263001", "116101465001"


@pytest.fixture
def _all_enabled() -> Iterator[None]:
    """Enable what is disabled by default."""
    with patch("homeassistant.helpers.entity.Entity.entity_registry_enabled_default", PropertyMock(return_value=True)):
        yield


def states(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Return every state by the part of the unique id that the entry does not name."""
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    found = {entity.unique_id.removeprefix("entry_"): hass.states.get(entity.entity_id) for entity in entities}
    return {key: state.state for key, state in found.items() if state}


async def refresh(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Ask the bridge once more."""
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    return states(hass, entry)


@pytest.mark.usefixtures("_all_enabled")
async def test_every_entity(hass: HomeAssistant, entry: MockConfigEntry, snapshot: SnapshotAssertion) -> None:
    """Registry and state of each."""
    await set_up(hass, entry)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert len(entities) == 10 + 2 * 6 + 2 * 10 + 3 * 5
    for entity in sorted(entities, key=lambda entity: entity.unique_id):
        assert entity == snapshot(name=f"{entity.unique_id}-registry")
        assert hass.states.get(entity.entity_id) == snapshot(name=f"{entity.unique_id}-state")


async def test_every_device(hass: HomeAssistant, entry: MockConfigEntry, snapshot: SnapshotAssertion) -> None:
    """Identifiers and names are those of the earlier component."""
    await set_up(hass, entry)
    registry = dr.async_get(hass)
    devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
    by_id = {device.id: next(iter(device.identifiers))[1] for device in devices}
    assert {
        by_id[device.id]: {
            "name": device.name,
            "model": device.model,
            "manufacturer": device.manufacturer,
            "sw_version": device.sw_version,
            "serial_number": device.serial_number,
            "via": by_id.get(device.via_device_id or ""),
        }
        for device in devices
    } == snapshot


async def test_what_is_disabled_by_default(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Counters for whoever looks for a fault."""
    await set_up(hass, entry)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    disabled = {entity.unique_id.removeprefix("entry_") for entity in entities if entity.disabled}
    assert disabled == {
        *(f"dtu_{dtu}_{key}" for dtu in ("roof", "barn") for key in ("query_count", "error_count")),
        *(f"{serial}_alarm_count" for serial in (ROOF, BARN)),
    }


def energies() -> Iterator[str]:
    """Name every sensor of energy."""
    yield from ("plant_today_production", "plant_total_production")
    for serial, ports in ((ROOF, (1, 2)), (BARN, (1,))):
        yield from (f"{serial}_total_today_production", f"{serial}_total_lifetime_production")
        for port in ports:
            yield from (f"{serial}_port{port}_today_production", f"{serial}_port{port}_total_production")


async def test_a_night(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Measurements are unavailable, neither zero nor frozen; energy stays, and power of the plant is truly 0."""
    await set_up(hass, entry)
    day = states(hass, entry)
    bridge.night()
    night = await refresh(hass, entry)
    kept = set(energies())
    for key in kept:
        assert night[key] == day[key]
    said = {f"{serial}_{key}" for serial in (ROOF, BARN) for key in ("operating_status", "link_status", "alarm_code")}
    for key, state in night.items():
        if key.startswith((ROOF, BARN)) and key not in kept | said:
            assert state == STATE_UNAVAILABLE, key
    assert {night[key] for key in said} == {"offline", "disconnected", "not_heard"}
    assert float(night["plant_power"]) == float(night["dtu_roof_total_power"]) == 0
    assert night["healthy"] == "on"


async def test_a_dtu_that_is_silent(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """One failed poll changes nothing; three periods of silence do, for that DTU alone."""
    await set_up(hass, entry)
    day = states(hass, entry)
    roof = bridge.health["dtus"]["roof"]
    roof.update(status="error", error_count=1, last_error="no answer", seconds_since_last_success=70)
    after = await refresh(hass, entry)
    assert after[f"{ROOF}_grid_voltage"] == day[f"{ROOF}_grid_voltage"]
    assert after["dtu_roof_communication_status"] == "error"
    assert after["dtu_error_count"] == "1"
    roof["seconds_since_last_success"] = 181
    after = await refresh(hass, entry)
    for key in (f"{ROOF}_grid_voltage", f"{ROOF}_operating_status", f"{ROOF}_port1_pv_power", "dtu_roof_total_power"):
        assert after[key] == STATE_UNAVAILABLE
    for key in (f"{BARN}_grid_voltage", *energies()):
        assert after[key] == day[key]


async def test_an_inverter_that_the_dtu_lists_no_more(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Its last reading grows old although the DTU is heard; so does that of one port."""
    await set_up(hass, entry)
    bridge.inverter(BARN)["timestamp"] = "2026-11-26T01:00:00.000000+00:00"
    bridge.inverter(ROOF)["ports"][0]["timestamp"] = "2026-11-26T01:00:00.000000+00:00"
    after = await refresh(hass, entry)
    assert after[f"{BARN}_temperature"] == STATE_UNAVAILABLE
    assert after[f"{ROOF}_temperature"] != STATE_UNAVAILABLE
    stale = bridge.inverter(ROOF)["ports"][0]["port_number"]
    assert after[f"{ROOF}_port{stale}_pv_power"] == STATE_UNAVAILABLE
    assert after[f"{ROOF}_port{3 - stale}_pv_power"] == after[f"{ROOF}_total_power"]


async def test_a_bridge_that_is_down(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything is unavailable, and the log says so once; then that it is back, once."""
    await set_up(hass, entry)
    bridge.status["/health"] = 500
    for _ in range(3):
        assert set((await refresh(hass, entry)).values()) == {STATE_UNAVAILABLE}
    bridge.status.clear()
    for _ in range(2):
        assert STATE_UNAVAILABLE not in (await refresh(hass, entry)).values()
    ours = [r.message for r in caplog.records if r.name.startswith("custom_components") and r.levelname != "DEBUG"]
    assert [message.partition(" data")[0] for message in ours] == ["Error fetching Bridge", "Fetching Bridge"]


@pytest.mark.parametrize("status", [503, 404])
async def test_a_store_that_is_down(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, status: int
) -> None:
    """What the bridge cannot say is unavailable; what it can is shown."""
    paths = ("/stats", "/api/inverters", "/api/production/current", "/api/production/totals")
    await set_up(hass, entry)
    day = states(hass, entry)
    bridge.status = dict.fromkeys(paths, status)
    entry.runtime_data._stats_due = 0.0
    after = await refresh(hass, entry)
    assert after["healthy"] == "on"
    assert after["uptime"] == day["uptime"]
    for key in ("database_size", "cached_records", "plant_power", f"{ROOF}_grid_voltage", *energies()):
        assert after[key] == STATE_UNAVAILABLE
    bridge.status.clear()
    assert await refresh(hass, entry) == day


async def test_a_part_is_never_shown_for_the_whole(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """A bridge of 3.0 that has not read its store yet knows some ports only: the sum over them would be a false drop."""
    del bridge.answers["/api/production/totals"]["inverters"]
    await set_up(hass, entry)
    current = bridge.answers["/api/production/current"]
    bridge.answers["/api/production/current"] = [p for p in current if p["port_number"] == 1]
    bridge.answers["/api/production/totals"]["plant"].update(today_production=None, total_production=None)
    after = await refresh(hass, entry)
    assert after["plant_total_production"] == STATE_UNAVAILABLE
    assert after[f"{ROOF}_total_lifetime_production"] == STATE_UNAVAILABLE
    assert after[f"{ROOF}_total_today_production"] == STATE_UNAVAILABLE
    bridge.answers["/api/production/totals"]["plant"].update(today_production=1, total_production=2)
    bridge.answers["/api/production/current"] = current
    current[0]["total_production"] = None
    after = await refresh(hass, entry)
    assert after[f"{current[0]['serial_number']}_total_lifetime_production"] == STATE_UNAVAILABLE


async def test_an_inverter_shows_the_sum_of_the_bridge(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Which need not be what its ports sum to now: a port that joined late added nothing."""
    sums = {
        ROOF: {"today_production": 7, "total_production": 1500, "timestamp": None},
        BARN: {"today_production": None, "total_production": None, "timestamp": None},
    }
    bridge.answers["/api/production/totals"]["inverters"] = sums
    bridge.answers["/api/production/totals"]["plant"].update(today_production=None, total_production=None)
    await set_up(hass, entry)
    shown = states(hass, entry)
    assert float(shown[f"{ROOF}_total_lifetime_production"]) == 1.5
    assert float(shown[f"{ROOF}_total_today_production"]) == 7
    assert shown[f"{BARN}_total_lifetime_production"] == STATE_UNAVAILABLE
    report = await async_get_config_entry_diagnostics(hass, entry)
    assert {"today": 7, "total": 1500} in report["totals"]["inverters"].values()
    assert ROOF not in str(report)


async def test_a_dtu_that_was_never_heard(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """There is no last time, which is not the same as not knowing."""
    for dtu in bridge.health["dtus"].values():
        dtu.update(status="unknown", last_successful_query=None, seconds_since_last_success=None)
    bridge.health["healthy"] = False
    bridge.status["/health"] = 503
    await set_up(hass, entry)
    after = states(hass, entry)
    assert after["dtu_roof_last_query_time"] == after["dtu_last_query"] == STATE_UNKNOWN
    assert after["dtu_roof_communication_status"] == "waiting"
    assert after["healthy"] == "off"
    assert after[f"{ROOF}_temperature"] == STATE_UNAVAILABLE


async def test_codes_that_nobody_knows(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """They have a state, and the code stands beside it."""
    bridge.inverter(ROOF).update(operating_status=42, link_status=42, alarm_code=4242)
    await set_up(hass, entry)
    after = states(hass, entry)
    assert (after[f"{ROOF}_operating_status"], after[f"{ROOF}_link_status"]) == ("unknown_state", "unknown_state")
    assert after[f"{ROOF}_alarm_code"] == "other"
    state = hass.states.get(f"sensor.inverter_{ROOF}_alarm_code")
    assert state is not None
    assert state.attributes["alarm_code"] == 4242


async def test_codes_that_the_bridge_has_words_for(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """A word of ours is the state; any other stands beside it, and nothing is lost with it."""
    bridge.inverter(ROOF).update(operating_status="on grid", link_status="connected", alarm_code="")
    await set_up(hass, entry)
    after = states(hass, entry)
    assert (after[f"{ROOF}_operating_status"], after[f"{ROOF}_link_status"]) == ("unknown_state", "connected")
    assert after[f"{ROOF}_alarm_code"] == "other"
    assert after[f"{ROOF}_temperature"] != STATE_UNAVAILABLE
    state = hass.states.get(f"sensor.inverter_{ROOF}_operating_status")
    assert state is not None
    assert state.attributes["status_code"] == "on grid"


async def test_the_newest_failure_of_several_dtus(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """The bridge's own error count says which was last."""
    bridge.health["dtus"]["roof"].update(last_error="roof", last_error_time="2026-11-26T10:00:00+00:00", error_count=2)
    bridge.health["dtus"]["barn"].update(last_error="barn", last_error_time="2026-11-26T12:00:00+02:00", error_count=3)
    bridge.health["dtus"]["roof"]["last_error_time"] = "2026-11-26T11:00:00+00:00"
    await set_up(hass, entry)
    state = hass.states.get("sensor.hoymiles_s_miles_dtu_error_count")
    assert state is not None
    assert (state.state, state.attributes["last_error"]) == ("5", "roof")


def test_no_key_twice() -> None:
    """Unique ids are made of keys."""
    for sensors in (
        descriptions.BRIDGE_SENSORS,
        descriptions.DTU_SENSORS,
        descriptions.INVERTER_SENSORS,
        descriptions.PORT_SENSORS,
    ):
        assert len({sensor.key for sensor in sensors}) == len(sensors)


# --- coming from the earlier component ------------------------------------------------------------------------

EARLIER = {
    "binary_sensor": ["healthy"],
    "sensor": [
        "uptime",
        "dtu_query_count",
        "dtu_error_count",
        "dtu_last_query",
        "database_size",
        "cached_records",
        *(f"{ROOF}_{key}" for key in ("grid_voltage", "grid_frequency", "temperature", "operating_status")),
        *(f"{ROOF}_{key}" for key in ("link_status", "alarm_code", "alarm_count", "total_power")),
        *(f"{ROOF}_{key}" for key in ("total_today_production", "total_lifetime_production")),
        *(f"{ROOF}_port1_{key}" for key in ("pv_voltage", "pv_current", "pv_power")),
        *(f"{ROOF}_port1_{key}" for key in ("today_production", "total_production")),
        *(
            f"dtu_roof_{key}"
            for key in (
                "inverter_count",
                "last_query_time",
                "query_count",
                "error_count",
                "communication_status",
                "total_power",
            )
        ),
    ],
}


async def test_entities_of_the_earlier_component_are_taken_over(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Same unique ids: entity ids, names and so history stay; the entry learns the bridge's id without being added anew."""
    hass.config_entries.async_update_entry(
        entry, unique_id=f"127.0.0.1:{bridge.server.port}", options={"scan_interval": 30}
    )
    entities, devices = er.async_get(hass), dr.async_get(hass)
    device = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={(DOMAIN, ROOF)}, name="Old name")
    devices.async_update_device(device.id, name_by_user="South")
    nameless = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={(DOMAIN, "dtu_None")})
    for domain, keys in EARLIER.items():
        for key in keys:
            entities.async_get_or_create(
                domain,
                DOMAIN,
                f"{entry.entry_id}_{key}",
                suggested_object_id=f"earlier_{key}",
                config_entry=entry,
                device_id=device.id if key.startswith(f"{ROOF}_") and "_port" not in key else None,
            )
    await set_up(hass, entry)
    for domain, keys in EARLIER.items():
        for key in keys:
            state = hass.states.get(f"{domain}.earlier_{key.lower()}")
            assert state is not None, key
            assert state.state != STATE_UNAVAILABLE, key
    assert devices.async_get_device(identifiers={(DOMAIN, ROOF)}).id == device.id  # type: ignore[union-attr]
    assert devices.async_get(device.id).name_by_user == "South"  # type: ignore[union-attr]
    # The device of a DTU whose name the earlier bridge forgot.
    assert devices.async_get(nameless.id) is None
    assert entry.unique_id == bridge.health["bridge"]["id"]
    assert entry.options == {"scan_interval": 30}
