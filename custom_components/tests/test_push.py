"""Being told, asking when nobody tells, and coming back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.hoymiles_smiles.client import Event, EventParser

from .conftest import set_up, until
from .fake_bridge import FakeBridge
from .test_entities import ROOF

VOLTAGE = f"sensor.inverter_{ROOF}_grid_voltage"


@pytest.fixture(autouse=True)
def _impatient() -> Any:
    """Reconnect without waiting: the waits themselves are not under test."""
    module = "custom_components.hoymiles_smiles.coordinator"
    with patch(f"{module}.RECONNECT_MIN", 0.02), patch(f"{module}.RECONNECT_MAX", 0.05):
        yield


def voltage(hass: HomeAssistant) -> str:
    """Return the state that is watched."""
    state = hass.states.get(VOLTAGE)
    assert state is not None
    return state.state


async def test_an_event_brings_the_values(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """No clock moves here: only the event can have done it."""
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    stats = bridge.asked["/stats"]
    for number, volts in enumerate((201.5, 202.5, 203.5)):
        bridge.inverter(ROOF)["grid_voltage"] = volts
        bridge.push(event_id=f"run-{number}")
        await until(lambda volts=volts: voltage(hass) == str(volts), f"{volts} V")
    assert bridge.asked["/stats"] == stats


async def test_several_events_at_once_are_one_reading(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Each DTU tells of its poll at about the same time."""
    await set_up(hass, entry)
    await until(lambda: entry.runtime_data.pushed and bridge.lines, "following")
    before = bridge.asked["/api/inverters"]
    bridge.inverter(ROOF)["grid_voltage"] = 204.5
    for number in range(50):
        bridge.push(event_id=f"run-{number}")
    await until(lambda: voltage(hass) == "204.5", "the value")
    assert bridge.asked["/api/inverters"] - before <= 3


async def test_the_line_is_taken_up_where_it_broke(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """With the id of the last event; what changed meanwhile is read."""
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    assert bridge.last_event_ids == [None]
    bridge.push(event_id="run-7")
    bridge.hang_up()
    bridge.inverter(ROOF)["grid_voltage"] = 205.5
    await until(lambda: len(bridge.last_event_ids) == 2, "the second line")
    assert bridge.last_event_ids[1] == "run-7"
    await until(lambda: voltage(hass) == "205.5", "the value")


async def test_a_gap_reads_everything(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Also what moves slowly and is otherwise left alone."""
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    before = bridge.asked["/stats"]
    bridge.push("gap", "run-9")
    await until(lambda: bridge.asked["/stats"] == before + 1, "another look at the store")
    bridge.hang_up()
    await until(lambda: len(bridge.last_event_ids) == 2, "the second line")
    assert bridge.last_event_ids[1] == "run-9"


async def test_without_events_it_asks(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """A bridge behind something that holds events back is asked as often as the option says."""
    bridge.status["/api/events"] = 503
    await set_up(hass, entry)
    await until(lambda: bridge.asked["/api/events"] > 2, "attempts to follow")
    assert entry.runtime_data.update_interval == timedelta(seconds=60)
    bridge.inverter(ROOF)["grid_voltage"] = 206.5
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=62))
    await until(lambda: voltage(hass) == "206.5", "the value")


async def test_with_events_it_asks_seldom(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """No event tells that the DTU is silent: twice its period without one, and the bridge is asked."""
    await set_up(hass, entry)
    await until(lambda: entry.runtime_data.update_interval == timedelta(seconds=120), "the longer interval")
    bridge.health["dtus"]["roof"]["seconds_since_last_success"] = 1000
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=122))
    await until(lambda: voltage(hass) == "unavailable", "the silence")


async def test_a_line_that_breaks_shows_at_once_that_the_bridge_is_gone(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for the next question; attempts to follow are not logged."""
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    bridge.status = {"/health": 500, "/api/events": 503}
    bridge.hang_up()
    await until(lambda: voltage(hass) == "unavailable", "the outage")
    attempts = bridge.asked["/api/events"]
    await until(lambda: bridge.asked["/api/events"] > attempts + 3, "more attempts")
    bridge.status.clear()
    await until(lambda: voltage(hass) != "unavailable", "the return")
    ours = [r for r in caplog.records if r.name.startswith("custom_components") and r.levelname != "DEBUG"]
    assert len(ours) == 2


async def test_a_token_that_is_refused_later(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """The owner is asked, once."""
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    bridge.token = "sesame"
    bridge.hang_up()
    await until(lambda: hass.config_entries.flow.async_progress(), "the question for a token")
    attempts = bridge.asked["/api/events"]
    await until(lambda: bridge.asked["/api/events"] > attempts + 3, "more attempts")
    [flow] = hass.config_entries.flow.async_progress()
    assert (flow["step_id"], flow["context"]["source"]) == ("reauth_confirm", "reauth")
    assert voltage(hass) == "unavailable"
    ours = [r for r in caplog.records if r.name.startswith("custom_components") and r.levelname != "DEBUG"]
    assert len(ours) == 1


async def test_unloading_ends_the_line(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Nothing is left running, and nothing is asked any more."""
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.NOT_LOADED
    before = bridge.asked.copy()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=1))
    await hass.async_block_till_done()
    assert bridge.asked == before


async def test_a_silent_line_is_given_up(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """A line on which not even comments come is dead."""
    with patch("custom_components.hoymiles_smiles.client.SILENCE_SECONDS", 0.05):
        await set_up(hass, entry)
        await until(lambda: len(bridge.last_event_ids) > 2, "new lines")


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("event: batch\nid: a-1\ndata: {}\n\n", [Event("batch", "a-1")]),
        ("event:batch\nid:a-1\ndata:{}\n\n", [Event("batch", "a-1")]),
        (": a comment\n\nretry: 3000\n\n", []),
        ("data\n\n", [Event("message", None)]),
        ("event: batch\n\ndata: x\n\n", [Event("message", None)]),
        ("id: a-1\ndata: x\n\nevent: gap\ndata: x\n\n", [Event("message", "a-1"), Event("gap", "a-1")]),
        ("id: a\0b\ndata: x\n\n", [Event("message", None)]),
        ("event: batch\nid: a-1\ndata: {}\n", []),
    ],
)
def test_lines_become_events(text: str, events: list[Event]) -> None:
    """As the standard says."""
    parser = EventParser()
    assert [event for line in text.split("\n")[:-1] if (event := parser.feed(line))] == events
