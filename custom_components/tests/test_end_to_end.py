"""A real Home Assistant core, the real bridge, a simulated DTU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import signal
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import until
from .world import World, ask, free_port

NOON, MIDNIGHT = "--start=2026-06-21T12:00:00Z", "--start=2026-06-21T00:00:00Z"


@pytest.fixture
def world(tmp_path: Path, socket_enabled: None) -> Iterator[World]:
    """Give a world and end it."""
    world = World(tmp_path)
    yield world
    world.end()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the line up again soon."""
    monkeypatch.setattr("custom_components.hoymiles_smiles.coordinator.RECONNECT_MIN", 0.2)
    monkeypatch.setattr("custom_components.hoymiles_smiles.coordinator.RECONNECT_MAX", 0.2)


async def add(hass: HomeAssistant, port: int, **data: str) -> Any:
    """Add the bridge as an owner does."""
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {"host": "127.0.0.1", "port": port} | data)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await hass.async_block_till_done()
    assert result["result"].state is ConfigEntryState.LOADED
    return result["result"]


def find(hass: HomeAssistant, entry: Any, key: str, platform: str = "sensor") -> str | None:
    """Return the state of an entity by its unique id."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{entry.entry_id}_{key}")
    state = hass.states.get(entity_id) if entity_id else None
    return state.state if state else None


def number(hass: HomeAssistant, entry: Any, key: str) -> float:
    """Return the state of an entity as a number; one that has none is less than all."""
    try:
        return float(find(hass, entry, key) or "-inf")
    except ValueError:
        return float("-inf")


async def test_a_life(hass: HomeAssistant, world: World) -> None:
    """Entities appear, values follow, the bridge dies and comes back, an inverter is added, night falls."""
    dtu, port = free_port(), free_port()
    simulator = await world.simulator(dtu, 2, NOON, "--time-scale=60")
    bridge = await world.bridge(dtu, port)
    # An answer of the DTU is known a moment before its rows are shown.
    await until(lambda: ask(port, "/api/production/totals")["plant"]["power"], "the first poll")
    entry = await add(hass, port)

    # Entities appear, and say what the bridge says.
    first, second = (inverter["serial_number"] for inverter in ask(port, "/api/inverters"))
    total = f"{first}_total_lifetime_production"
    assert find(hass, entry, "healthy", "binary_sensor") == "on"
    assert number(hass, entry, "plant_power") > 0
    assert find(hass, entry, f"{first}_operating_status") == "normal_operation"
    assert number(hass, entry, f"{second}_port2_pv_power") > 0

    # Values follow, because the bridge tells: its period is 5 s, and nobody here would ask for a minute.
    await until(lambda: entry.runtime_data.pushed, "the line of events")
    before = number(hass, entry, total), number(hass, entry, "dtu_query_count")
    await until(lambda: number(hass, entry, "dtu_query_count") > before[1], "another poll")
    await until(lambda: number(hass, entry, total) > before[0], "more energy")
    current = ask(port, "/api/production/current")
    said = sum(item["total_production"] for item in current if item["serial_number"] == first)
    assert number(hass, entry, total) <= said / 1000

    # The bridge is killed: nothing is shown. It comes back: so do the values, and no total has fallen.
    last = number(hass, entry, total)
    world.stop(bridge, signal.SIGKILL)
    await until(lambda: find(hass, entry, total) == STATE_UNAVAILABLE, "the outage")
    assert find(hass, entry, "healthy", "binary_sensor") == STATE_UNAVAILABLE
    bridge = await world.bridge(dtu, port)
    await until(lambda: number(hass, entry, f"{first}_port1_pv_power") > 0, "the return")
    assert number(hass, entry, total) >= last
    await until(lambda: entry.runtime_data.pushed, "the line of events")

    # Another inverter: its entities come without a reload.
    world.stop(simulator)
    simulator = await world.simulator(dtu, 3, NOON, "--time-scale=60")
    await until(lambda: len(ask(port, "/api/inverters")) == 3, "the third inverter")
    [third] = {i["serial_number"] for i in ask(port, "/api/inverters")} - {first, second}
    await until(lambda: number(hass, entry, f"{third}_port2_pv_power") > 0, "its entities")
    assert number(hass, entry, "dtu_DTU_inverter_count") == 3

    # Night: measurements are unavailable, energy stays, the plant gives 0 W, and the bridge is well.
    last = number(hass, entry, total)
    world.stop(simulator)
    simulator = await world.simulator(dtu, 3, MIDNIGHT)
    await until(lambda: find(hass, entry, f"{first}_temperature") == STATE_UNAVAILABLE, "the night")
    await until(lambda: number(hass, entry, "plant_power") == 0, "no power")
    assert find(hass, entry, f"{first}_link_status") == "disconnected"
    assert number(hass, entry, total) >= last
    assert find(hass, entry, "healthy", "binary_sensor") == "on"

    # Morning.
    world.stop(simulator)
    await world.simulator(dtu, 3, NOON)
    await until(lambda: number(hass, entry, f"{first}_temperature") > 0, "the morning")
    assert number(hass, entry, total) >= last
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_bridge_without_a_dtu_and_with_a_token(hass: HomeAssistant, world: World) -> None:
    """It can be added while nobody answers it, its token is asked for, and inverters come when the DTU does."""
    dtu, port = free_port(), free_port()
    await world.bridge(dtu, port, API_TOKEN="sesame-open-please")
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {"host": "127.0.0.1", "port": port})
    assert result["errors"] == {"token": "invalid_auth"}
    entry = await add(hass, port, token="sesame-open-please")
    assert find(hass, entry, "healthy", "binary_sensor") == "off"
    await world.simulator(dtu, 1, NOON)
    await until(lambda: number(hass, entry, "plant_power") > 0, "power")
    assert find(hass, entry, "healthy", "binary_sensor") == "on"
    assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("path", ["/health", "/api/inverters", "/api/production/current", "/api/production/totals"])
async def test_what_the_fake_bridge_answers_is_what_a_real_one_does(world: World, path: str) -> None:
    """The recorded answers have the members and types of today."""
    from .fake_bridge import DAY  # noqa: PLC0415

    dtu, port = free_port(), free_port()
    await world.simulator(dtu, 1, NOON)
    await world.bridge(dtu, port)
    await until(lambda: ask(port, "/api/production/totals")["plant"]["total_production"], "sums")
    # Rows that the store does not have yet lack what only it can say.
    await until(lambda: ask(port, "/api/inverters")[0]["id"], "stored rows")

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(member) for key, member in value.items()}
        return shape(value[0]) if isinstance(value, list) and value else type(value).__name__

    def one_dtu(value: Any) -> Any:
        for group in ("dtus", "inverters"):
            if isinstance(value, dict) and group in value:
                value = value | {group: next(iter(value[group].values()))}
        if isinstance(value, dict):
            value.pop("bridge", None)
        return shape(value)

    assert one_dtu(ask(port, path)) == one_dtu(dict(DAY)[path])
