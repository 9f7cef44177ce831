"""What Home Assistant's statistics make of a day and a night, from the real bridge and a simulated DTU."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from freezegun import api as freezegun, freeze_time
from homeassistant.components.recorder import Recorder, get_instance
from homeassistant.components.recorder.statistics import StatisticsRow, statistics_during_period
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import async_capture_events
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import until
from .test_end_to_end import add, number
from .world import World, ask, fast_pipeline, free_port, truth

# From noon over the night to noon: a day takes half a minute.
BEGIN, HOURS, SCALE = datetime(2026, 6, 21, 12, tzinfo=UTC), 24, 2880
INTERVAL = timedelta(minutes=5)
# More than the two ports of the simulated inverter ever give.
PLANT_MAX_W = 2 * 500
# Home Assistant shows kWh with two digits.
ROUNDING_WH = 10


def produced_by(dtu: int) -> int:
    """Return what the devices have produced in all, as they say it; 0 at night."""
    return sum(total for _, total in truth(dtu).values())


@pytest.fixture(autouse=True)
def _custom_integrations(recorder_mock: Recorder, enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration; the recorder comes first, since Home Assistant starts with it."""


@pytest.fixture
def world(tmp_path: Path, socket_enabled: None) -> Iterator[World]:
    """Give a world and end it."""
    world = World(tmp_path)
    yield world
    world.end()


async def test_a_day_and_a_night(world: World, hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """No negative step, no spike, and the sum is what the devices produced."""
    # The kit lets the loop go by the clock of Home Assistant, which will stand; the bridge is waited for by a real one.
    monkeypatch.setattr(hass.loop, "time", freezegun.real_monotonic)
    dtu, port = free_port(), free_port()
    await world.simulator(dtu, 1, f"--start={BEGIN:%Y-%m-%dT%H:%M:%SZ}", f"--time-scale={SCALE}")
    began = freezegun.real_monotonic()
    # The bridge lives by the real clock: no day of its may end while the simulated one passes.
    reset_hour = str((datetime.now(UTC).hour + 12) % 24)
    await world.bridge(dtu, port, [str(fast_pipeline(world.folder))], RESET_HOUR=reset_hour)
    await until(lambda: ask(port, "/api/production/totals")["plant"]["total_production"], "the first poll")

    with freeze_time(BEGIN) as clock:
        states = async_capture_events(hass, EVENT_STATE_CHANGED)
        entry = await add(hass, port)
        await until(lambda: entry.runtime_data.pushed, "the line of events")
        # What the recorder counts from: the first value, which is older than what is shown by now.
        total_id = er.async_get(hass).async_get_entity_id("sensor", DOMAIN, f"{entry.entry_id}_plant_total_production")
        first = (
            next(float(event.data["new_state"].state) for event in states if event.data["entity_id"] == total_id) * 1000
        )
        interval, dark = BEGIN, False
        # How often the DTU was polled, since when that is known, and the longest time that nothing new was.
        polls, heard, silence = 0.0, 0.0, 0.0

        async def step() -> None:
            """Let an interval end: whatever was heard so far was heard in it."""
            nonlocal interval
            clock.move_to(interval + INTERVAL - timedelta(seconds=1))
            await hass.async_block_till_done()
            await async_wait_recording_done(hass)
            do_adhoc_statistics(hass, start=interval)
            interval += INTERVAL

        while interval < BEGIN + timedelta(hours=HOURS):
            elapsed = freezegun.real_monotonic() - began
            if number(hass, entry, "dtu_query_count") != polls:
                polls, heard, silence = number(hass, entry, "dtu_query_count"), elapsed, max(silence, elapsed - heard)
            now = BEGIN + timedelta(seconds=elapsed * SCALE)
            while interval + INTERVAL <= now:
                await step()
            dark = dark or number(hass, entry, "plant_power") == 0
            await asyncio.sleep(0.02)
        assert dark, "there was no night"

        # On a busy machine it may be night again by now, when the devices say nothing.
        await until(lambda: produced_by(dtu), "the day")
        before = produced_by(dtu)
        polls = number(hass, entry, "dtu_query_count")
        await until(lambda: number(hass, entry, "dtu_query_count") >= polls + 2, "two more polls")
        await step()
        await async_wait_recording_done(hass)
        await until(lambda: produced_by(dtu), "the next day")
        after = produced_by(dtu)
        rows = await get_instance(hass).async_add_executor_job(
            statistics_during_period,
            hass,
            BEGIN - INTERVAL,
            None,
            energy_sensors(hass, entry.entry_id),
            "5minute",
            {"energy": "Wh"},
            {"sum"},
        )

    # What may be produced in the longest time between two values, and in the interval that the next one comes late.
    judge(rows, PLANT_MAX_W * (2 * silence * SCALE + INTERVAL.total_seconds()) / 3600)
    for key in ("plant_total_production", "plant_today_production"):
        entity_id = er.async_get(hass).async_get_entity_id("sensor", DOMAIN, f"{entry.entry_id}_{key}")
        assert entity_id is not None
        produced = rows[entity_id][-1]["sum"]
        assert produced is not None
        assert before - first - ROUNDING_WH <= produced <= after - first + ROUNDING_WH, key
        assert produced > 1000, "a summer's day"


def energy_sensors(hass: HomeAssistant, entry_id: str) -> set[str]:
    """Name everything the Energy dashboard could be given."""
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry_id)
    return {entity.entity_id for entity in entities if entity.original_device_class == SensorDeviceClass.ENERGY}


def judge(rows: dict[str, list[StatisticsRow]], leap: float) -> None:
    """Hold every interval of every energy sensor against the one before."""
    assert len(rows) == 2 + 2 + 2 * 2
    for name, intervals in rows.items():
        sums = [row["sum"] for row in intervals if row["sum"] is not None]
        steps = [later - earlier for earlier, later in pairwise(sums)]
        assert len(steps) > HOURS * 10, name
        assert min(steps) >= 0, f"{name} fell: {min(steps)} Wh"
        assert max(steps) <= leap, f"{name} leapt: {max(steps)} Wh"
