"""Devices that appear, vanish and come back."""

from __future__ import annotations

from copy import deepcopy

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import set_up
from .fake_bridge import BRIDGE_ID, FakeBridge
from .test_entities import BARN, ROOF, refresh, states

NEW = "116122269999"


def names(hass: HomeAssistant, entry: MockConfigEntry) -> set[str]:
    """Return the identifiers of the entry's devices."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {name for device in devices for _, name in device.identifiers}


def add_inverter(bridge: FakeBridge, serial: str = NEW) -> None:
    """Let the bridge hear another inverter like that on the roof."""
    inverter = deepcopy(bridge.inverter(ROOF))
    inverter["serial_number"] = serial
    bridge.answers["/api/inverters"].append(inverter)
    ports = [deepcopy(p) for p in bridge.answers["/api/production/current"] if p["serial_number"] == ROOF]
    for port in ports:
        port["serial_number"] = serial
    bridge.answers["/api/production/current"] += ports


async def test_new_devices_need_no_reload(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """An inverter, a port, a DTU."""
    await set_up(hass, entry)
    before = states(hass, entry)
    add_inverter(bridge)
    port = deepcopy(bridge.inverter(BARN)["ports"][0]) | {"port_number": 2}
    bridge.inverter(BARN)["ports"].append(port)
    bridge.health["dtus"]["shed"] = deepcopy(bridge.health["dtus"]["barn"])
    after = await refresh(hass, entry)
    added = set(after) - set(before)
    assert {f"{NEW}_temperature", f"{NEW}_port1_pv_power", f"{NEW}_port2_pv_power"} <= added
    assert f"{BARN}_port2_pv_power" in added
    assert "dtu_shed_communication_status" in added
    assert {NEW, f"{NEW}_port1", f"{NEW}_port2", f"{BARN}_port2", "dtu_shed"} <= names(hass, entry)
    assert set(await refresh(hass, entry)) == set(after)


async def test_an_entry_that_begins_with_nothing(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Added while the bridge could not even read its store."""
    bridge.status = {"/api/inverters": 503, "/api/production/current": 503, "/api/production/totals": 503}
    await set_up(hass, entry)
    assert names(hass, entry) == {"entry", "dtu_roof", "dtu_barn"}
    bridge.status.clear()
    assert f"{ROOF}_temperature" in await refresh(hass, entry)


async def test_what_the_bridge_forgot_is_removed(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """And comes back when it comes back, with its own entity ids."""
    await set_up(hass, entry)
    before = names(hass, entry)
    answers = deepcopy(bridge.answers)
    bridge.forget(BARN)
    del bridge.health["dtus"]["barn"]
    after = await refresh(hass, entry)
    assert before - names(hass, entry) == {BARN, f"{BARN}_port1", "dtu_barn"}
    assert not any(key.startswith((BARN, "dtu_barn")) for key in after)
    bridge.answers = answers
    assert f"{BARN}_temperature" in await refresh(hass, entry)
    assert names(hass, entry) == before
    assert hass.states.get(f"sensor.inverter_{BARN}_temperature") is not None


@pytest.mark.parametrize("doubt", ["store", "dtu", "answer", "down"])
async def test_what_is_only_late_is_kept(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, doubt: str
) -> None:
    """A bridge that just started may not have read its store or heard each DTU; or it does not answer at all."""
    await set_up(hass, entry)
    before = names(hass, entry)
    bridge.forget(BARN)
    if doubt == "store":
        bridge.answers["/api/production/totals"]["plant"].update(today_production=None, total_production=None)
    elif doubt == "dtu":
        bridge.health["dtus"]["roof"].update(last_successful_query=None, seconds_since_last_success=None)
    elif doubt == "answer":
        bridge.status["/api/inverters"] = 503
    else:
        bridge.status["/health"] = 500
    await refresh(hass, entry)
    assert names(hass, entry) == before


async def test_the_owner_removes_a_device(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    """Only one that the bridge does not speak of."""
    assert await async_setup_component(hass, "config", {})
    await set_up(hass, entry)
    bridge.health["dtus"]["roof"].update(last_successful_query=None, seconds_since_last_success=None)
    bridge.forget(BARN)
    await refresh(hass, entry)
    client = await hass_ws_client(hass)
    registry = dr.async_get(hass)
    for name, allowed in ((ROOF, False), ("entry", False), ("dtu_roof", False), (f"{BARN}_port1", True), (BARN, True)):
        device = registry.async_get_device(identifiers={(DOMAIN, name)})
        assert device is not None, name
        answer = await client.remove_device(device.id, entry.entry_id)  # type: ignore[attr-defined]
        assert answer["success"] is allowed, name
        assert (registry.async_get(device.id) is None) is allowed


async def test_the_version_is_followed(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """A bridge that is updated while this runs."""
    await set_up(hass, entry)
    bridge.health["bridge"]["version"] = "3.1.0"
    await refresh(hass, entry)
    device = dr.async_get(hass).async_get_device(identifiers={(DOMAIN, "entry")})
    assert device is not None
    assert device.sw_version == "3.1.0"


async def test_a_bridge_whose_health_says_no_version(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """The description of its API does, and is asked once."""
    del bridge.health["bridge"]
    hass.config_entries.async_update_entry(entry, unique_id=f"127.0.0.1:{bridge.server.port}")
    bridge.answers["/openapi.json"]["info"]["version"] = "3.0.1"
    await set_up(hass, entry)
    await refresh(hass, entry)
    assert entry.runtime_data.version == "3.0.1"
    assert bridge.asked["/openapi.json"] == 1
    assert entry.unique_id == f"127.0.0.1:{bridge.server.port}"


async def test_another_bridge_at_this_address(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Its numbers never enter the history of this one."""
    await set_up(hass, entry)
    bridge.health["bridge"]["id"] = "9f3c1d52-11aa-4c0e-8a53-0c6f0d3d1f77"
    assert set((await refresh(hass, entry)).values()) == {"unavailable"}
    assert entry.runtime_data.last_exception.translation_key == "wrong_bridge"
    bridge.health["bridge"]["id"] = BRIDGE_ID
    assert "unavailable" not in (await refresh(hass, entry)).values()


async def test_an_id_that_another_entry_has(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """An earlier entry by host and port beside a newer one by id: both go on as they are."""
    earlier = MockConfigEntry(
        domain=DOMAIN, unique_id=f"127.0.0.1:{bridge.server.port}", data=dict(entry.data), title="Earlier"
    )
    earlier.add_to_hass(hass)
    await set_up(hass, entry)
    await hass.async_block_till_done()
    assert earlier.state is ConfigEntryState.LOADED
    assert earlier.unique_id == f"127.0.0.1:{bridge.server.port}"
