"""What an owner sends along with a report."""

from __future__ import annotations

import json

from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.json import JSONEncoder
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion
from syrupy.filters import props

from custom_components.hoymiles_smiles.diagnostics import async_get_config_entry_diagnostics

from .conftest import set_up, until
from .fake_bridge import BRIDGE_ID, FakeBridge
from .test_entities import BARN, ROOF


async def test_diagnostics(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, snapshot: SnapshotAssertion
) -> None:
    """Everything is in it but what names the owner's machines and devices, or opens them."""
    bridge.token = "sesame"
    hass.config_entries.async_update_entry(entry, data=entry.data | {CONF_TOKEN: "sesame"})
    bridge.health["dtus"]["roof"]["last_error"] = "127.0.0.1:15021: connection refused"
    await set_up(hass, entry)
    await until(lambda: bridge.lines, "following")
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(diagnostics, cls=JSONEncoder)
    for secret in ("sesame", "127.0.0.1", ROOF, BARN, BRIDGE_ID):
        assert secret not in text, secret
    assert diagnostics == snapshot(exclude=props("port"))


async def test_diagnostics_while_little_is_known(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Trouble is when they are wanted."""
    bridge.status = dict.fromkeys(
        ("/stats", "/api/inverters", "/api/production/current", "/api/production/totals"), 503
    )
    await set_up(hass, entry)
    bridge.status = {"/health": 500}
    await entry.runtime_data.async_refresh()
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["stats"] is None
    assert diagnostics["bridge"]["last_update_success"] is False
    assert diagnostics["bridge"]["last_exception"] == "UpdateFailed"
