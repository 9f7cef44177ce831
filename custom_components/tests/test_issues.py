"""Repairs issues come with their cause and go with it."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import set_up
from .fake_bridge import FakeBridge
from .test_entities import refresh

DAY = 24 * 3600


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return our issues by their ids."""
    return {key: issue for (domain, key), issue in ir.async_get(hass).issues.items() if domain == DOMAIN}


async def test_a_bridge_in_python(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Whoever updates the integration first is told to update the bridge; then all is well by itself."""
    body = bridge.answers["/health"]
    bridge.answers["/health"] = {key: body[key] for key in ("healthy", "uptime_seconds", "start_time")} | {"dtus": {}}
    await set_up(hass, entry)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    [issue] = issues(hass).values()
    assert (issue.translation_key, issue.severity) == ("bridge_too_old", ir.IssueSeverity.ERROR)
    assert issue.translation_placeholders == {"bridge": "Bridge", "version": "2"}
    bridge.answers["/health"] = body
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == {}


async def test_a_dtu_that_is_silent_for_long(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Longer than any night."""
    await set_up(hass, entry)
    roof = bridge.health["dtus"]["roof"]
    roof.update(seconds_since_last_success=DAY, last_error="no route", last_error_time="2026-11-26T10:00:00+00:00")
    await refresh(hass, entry)
    assert issues(hass) == {}
    roof["seconds_since_last_success"] = DAY + 1
    await refresh(hass, entry)
    [(key, issue)] = issues(hass).items()
    assert key == "dtu_offline_entry_roof"
    assert issue.translation_placeholders == {"bridge": "Bridge", "dtu": "roof", "hours": "24", "error": "no route"}
    roof["seconds_since_last_success"] = 3
    await refresh(hass, entry)
    assert issues(hass) == {}


async def test_a_dtu_that_was_never_heard(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """Counts from the start of the bridge, and goes with the DTU, and with the entry."""
    bridge.health["uptime_seconds"] = DAY + 1
    for dtu in bridge.health["dtus"].values():
        dtu.update(last_successful_query=None, seconds_since_last_success=None)
    await set_up(hass, entry)
    assert set(issues(hass)) == {"dtu_offline_entry_roof", "dtu_offline_entry_barn"}
    del bridge.health["dtus"]["barn"]
    await refresh(hass, entry)
    assert set(issues(hass)) == {"dtu_offline_entry_roof"}
    await hass.config_entries.async_remove(entry.entry_id)
    assert issues(hass) == {}
