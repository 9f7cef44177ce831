"""Every way into, around in and out of the config flow."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_USER, SOURCE_ZEROCONF, ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import CONF_SCAN_INTERVAL, DOMAIN

from .conftest import set_up
from .fake_bridge import BRIDGE_ID, FakeBridge

OTHER_ID = "9f3c1d52-11aa-4c0e-8a53-0c6f0d3d1f77"


def address(bridge: FakeBridge) -> dict[str, Any]:
    """Return what an owner types."""
    return {CONF_HOST: "127.0.0.1", CONF_PORT: bridge.server.port}


async def user(hass: HomeAssistant, data: dict[str, Any]) -> Any:
    """Begin by hand and fill the form in."""
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "user", {})
    return await hass.config_entries.flow.async_configure(form["flow_id"], data)


async def finish(hass: HomeAssistant, result: Any, data: dict[str, Any]) -> None:
    """Fill a form in that came back with an error: whoever mends the cause gets on."""
    result = await hass.config_entries.flow.async_configure(result["flow_id"], data)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_by_hand(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """The plain case; blanks around the host are forgiven."""
    result = await user(hass, address(bridge) | {CONF_HOST: " 127.0.0.1 "})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Hoymiles S-Miles Bridge (127.0.0.1)"
    assert result["data"] == address(bridge)
    assert result["result"].unique_id == BRIDGE_ID
    await hass.async_block_till_done()
    assert result["result"].state is ConfigEntryState.LOADED


async def test_while_the_dtu_sleeps(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """A bridge that hears no DTU, and has no sums yet, is a bridge."""
    bridge.health["healthy"] = False
    bridge.status = {"/health": 503, "/api/production/totals": 503}
    result = await user(hass, address(bridge))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["result"].state is ConfigEntryState.LOADED


async def test_a_bridge_without_an_id(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """Then it is known by what the earlier component took for an id."""
    del bridge.health["bridge"]
    result = await user(hass, address(bridge))
    assert result["result"].unique_id == f"127.0.0.1:{bridge.server.port}"
    await hass.async_block_till_done()


async def test_nobody_there(hass: HomeAssistant, bridge: FakeBridge, unused_tcp_port: int) -> None:
    """A wrong port."""
    result = await user(hass, address(bridge) | {CONF_PORT: unused_tcp_port})
    assert result["errors"] == {"base": "cannot_connect"}
    await finish(hass, result, address(bridge))


@pytest.mark.parametrize("host", ["http://127.0.0.1/", "no host", "127.0.0.1:8080"])
async def test_a_host_that_is_none(hass: HomeAssistant, bridge: FakeBridge, host: str) -> None:
    """What is no host cannot be connected to; the text says how to write one."""
    result = await user(hass, address(bridge) | {CONF_HOST: host})
    assert result["errors"] == {"base": "cannot_connect"}
    await finish(hass, result, address(bridge))


async def test_a_slow_bridge(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """One that answers too late."""
    bridge.delay["/health"] = 5
    with patch("custom_components.hoymiles_smiles.client.ANSWER_SECONDS", 0.05):
        result = await user(hass, address(bridge))
    assert result["errors"] == {"base": "timeout"}
    bridge.delay.clear()
    await finish(hass, result, address(bridge))


@pytest.mark.parametrize(
    ("path", "text", "error"),
    [
        ("/health", "{", "invalid_response"),
        ("/health", "[]", "not_smiles"),
        ("/health", '{"status": "ok"}', "not_smiles"),
        ("/health", '{"healthy": true, "dtus": []}', "too_old"),
        ("/health", '{"healthy": true, "dtus": [], "journal": {}, "uptime_seconds": 1}', "invalid_response"),
        ("/health", '{"healthy": true, "dtus": {}, "journal": {}}', "invalid_response"),
        ("/health", '{"healthy": true, "dtus": {}, "bridge": {"version": "x"}}', "invalid_response"),
        ("/health", '{"healthy": true, "dtus": {}, "bridge": {"version": "2.9.9"}}', "too_old"),
        (
            "/health",
            '{"healthy": true, "dtus": {}, "uptime_seconds": 5, "start_time": "2026-11-23T19:43:12"}',
            "too_old",
        ),
        ("/api/production/totals", "[]", "invalid_response"),
        ("/api/production/totals", '{"plant": {"power": "much"}}', "invalid_response"),
    ],
)
async def test_odd_answers(hass: HomeAssistant, bridge: FakeBridge, path: str, text: str, error: str) -> None:
    """What is not JSON, not a bridge, not new enough, or not what was promised."""
    bridge.text[path] = text
    result = await user(hass, address(bridge))
    assert result["errors"] == {"base": error}
    bridge.text.clear()
    await finish(hass, result, address(bridge))


async def test_a_web_page(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """Something else that speaks HTTP, such as Home Assistant itself."""
    bridge.text["/health"] = "<html></html>"
    bridge.content_type = "text/html"
    assert (await user(hass, address(bridge)))["errors"] == {"base": "not_smiles"}
    bridge.content_type = "application/json"
    bridge.status["/health"] = 404
    assert (await user(hass, address(bridge)))["errors"] == {"base": "not_smiles"}


async def test_a_name_that_might_be_anybodys(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """A bridge without a token answers to names of the local network and those it was told."""
    bridge.status["/health"] = 421
    assert (await user(hass, address(bridge)))["errors"] == {"base": "unknown_name"}


async def test_a_bridge_that_fails(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """A status that this API does not know."""
    bridge.status["/api/production/totals"] = 500
    assert (await user(hass, address(bridge)))["errors"] == {"base": "invalid_response"}


async def test_a_token(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """None, a wrong one, the right one."""
    bridge.token = "sesame"
    result = await user(hass, address(bridge))
    assert result["errors"] == {CONF_TOKEN: "invalid_auth"}
    flow = hass.config_entries.flow
    result = await flow.async_configure(result["flow_id"], address(bridge) | {CONF_TOKEN: "open"})
    assert result["errors"] == {CONF_TOKEN: "invalid_auth"}
    await finish(hass, result, address(bridge) | {CONF_TOKEN: "sesame"})


async def test_the_unexpected(hass: HomeAssistant, bridge: FakeBridge, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake of ours is logged with where it is."""
    with patch("custom_components.hoymiles_smiles.client.SmilesClient.health", side_effect=KeyError("oops")):
        result = await user(hass, address(bridge))
    assert result["errors"] == {"base": "unknown"}
    assert caplog.text.count("oops") == 1
    await finish(hass, result, address(bridge))


@pytest.mark.parametrize("error", ["cannot_connect", "timeout", "invalid_response", "too_old", "not_smiles"])
async def test_what_is_wrong_is_shown_and_not_logged(
    hass: HomeAssistant, bridge: FakeBridge, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """The owner sits before the form: the log gains nothing."""
    answers = {"invalid_response": "{", "too_old": '{"healthy": true, "dtus": {}}', "not_smiles": "{}"}
    data = address(bridge)
    if error in answers:
        bridge.text["/health"] = answers[error]
    elif error == "timeout":
        bridge.delay["/health"] = 5
    else:
        data[CONF_PORT] = 1
    caplog.clear()
    with patch("custom_components.hoymiles_smiles.client.ANSWER_SECONDS", 0.05):
        assert (await user(hass, data))["errors"] == {"base": error}
    assert [record for record in caplog.records if "smiles" in record.name] == []


async def test_twice(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """The same address is known; the same bridge elsewhere moves the entry there."""
    result = await user(hass, address(bridge))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    hass.config_entries.async_update_entry(entry, data={CONF_HOST: "192.0.2.7", CONF_PORT: 8080})
    result = await user(hass, address(bridge))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == address(bridge)


# --- discovery ----------------------------------------------------------------------------------------------


def announcement(bridge: FakeBridge, **properties: str) -> ZeroconfServiceInfo:
    """Return how a bridge announces itself."""
    return ZeroconfServiceInfo(
        ip_address=ip_address("127.0.0.1"),
        ip_addresses=[ip_address("127.0.0.1")],
        hostname="smiles.local.",
        name="S-Miles._hoymiles-smiles._tcp.local.",
        port=bridge.server.port,
        type="_hoymiles-smiles._tcp.local.",
        properties={"id": BRIDGE_ID, "version": "3.0.0", "auth": "0", "name": "Roof"} | properties,
    )


async def discover(hass: HomeAssistant, info: ZeroconfServiceInfo) -> Any:
    """Announce a bridge."""
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)


async def test_discovered(hass: HomeAssistant, bridge: FakeBridge) -> None:
    """The owner only has to agree."""
    result = await discover(hass, announcement(bridge))
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "zeroconf_confirm")
    assert result["description_placeholders"] == {"host": "127.0.0.1", "port": str(bridge.server.port)}
    assert result["data_schema"].schema == {}
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {"name": "Roof"}
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert (result["type"], result["data"]) == (FlowResultType.CREATE_ENTRY, address(bridge))
    assert result["result"].unique_id == BRIDGE_ID
    await hass.async_block_till_done()


@pytest.mark.parametrize("auth", ["0", "1"])
async def test_discovered_with_a_token(hass: HomeAssistant, bridge: FakeBridge, auth: str) -> None:
    """One that says so is asked for at once; one that does not, when it is refused."""
    bridge.token = "sesame"
    result = await discover(hass, announcement(bridge, auth=auth))
    assert (CONF_TOKEN in result["data_schema"].schema) is (auth == "1")
    flow = hass.config_entries.flow
    result = await flow.async_configure(result["flow_id"], {CONF_TOKEN: "open"} if auth == "1" else {})
    assert result["errors"] == {CONF_TOKEN: "invalid_auth"}
    await finish(hass, result, {CONF_TOKEN: "sesame"})
    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert entry.data == address(bridge) | {CONF_TOKEN: "sesame"}


async def test_rediscovered_elsewhere(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """A bridge that moved is followed."""
    hass.config_entries.async_update_entry(entry, data={CONF_HOST: "192.0.2.7", CONF_PORT: 8080, CONF_TOKEN: "t"})
    result = await discover(hass, announcement(bridge))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == address(bridge) | {CONF_TOKEN: "t"}


async def test_an_entry_of_the_earlier_component_is_no_discovery(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """It knows only host and port."""
    hass.config_entries.async_update_entry(entry, unique_id=f"127.0.0.1:{bridge.server.port}")
    result = await discover(hass, announcement(bridge))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [({"id": ""}, "not_smiles"), ({"version": "2.9.0"}, "too_old"), ({"version": ""}, "invalid_response")],
)
async def test_odd_announcements(
    hass: HomeAssistant, bridge: FakeBridge, properties: dict[str, str], reason: str
) -> None:
    """What cannot be a bridge of ours is not offered."""
    result = await discover(hass, announcement(bridge, **properties))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)


# --- later --------------------------------------------------------------------------------------------------


async def test_reauthentication(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """A bridge that begins to want a token asks for it, and goes on with it."""
    bridge.token = "sesame"
    await set_up(hass, entry)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "reauth_confirm"
    configure = hass.config_entries.flow.async_configure
    result = await configure(flow["flow_id"], {CONF_TOKEN: "open"})
    assert result["errors"] == {CONF_TOKEN: "invalid_auth"}
    result = await configure(flow["flow_id"], {CONF_TOKEN: "sesame"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data[CONF_TOKEN] == "sesame"


async def test_a_bridge_that_wants_no_token_any_more(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """An empty field takes the token away."""
    hass.config_entries.async_update_entry(entry, data=entry.data | {CONF_TOKEN: "old"})
    result = await entry.start_reauth_flow(hass)
    await hass.config_entries.flow.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    assert CONF_TOKEN not in entry.data


async def test_reconfigure(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, unused_tcp_port: int
) -> None:
    """Another address, and even another bridge in the place of this one."""
    hass.config_entries.async_update_entry(entry, unique_id=OTHER_ID, data={CONF_HOST: "192.0.2.7", CONF_PORT: 8080})
    result = await entry.start_reconfigure_flow(hass)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "reconfigure")
    configure = hass.config_entries.flow.async_configure
    result = await configure(result["flow_id"], address(bridge) | {CONF_PORT: unused_tcp_port})
    assert result["errors"] == {"base": "cannot_connect"}
    result = await configure(result["flow_id"], address(bridge))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert (entry.data, entry.unique_id) == (address(bridge), BRIDGE_ID)
    assert entry.state is ConfigEntryState.LOADED


async def test_reconfigure_to_a_bridge_of_another_entry(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    """Two entries never share a bridge."""
    other = MockConfigEntry(domain=DOMAIN, unique_id=OTHER_ID, data={CONF_HOST: "192.0.2.7", CONF_PORT: 8080})
    other.add_to_hass(hass)
    result = await other.start_reconfigure_flow(hass)
    result = await hass.config_entries.flow.async_configure(result["flow_id"], address(bridge))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert other.unique_id == OTHER_ID


async def test_options(hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry) -> None:
    """The interval is bounded, kept, and in force at once."""
    await set_up(hass, entry)
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "init")
    configure = hass.config_entries.options.async_configure
    for wrong in (9, 301):
        with pytest.raises(InvalidData):
            await configure(result["flow_id"], {CONF_SCAN_INTERVAL: wrong})
    before = entry.runtime_data
    result = await configure(result["flow_id"], {CONF_SCAN_INTERVAL: 300})
    assert (result["type"], entry.options) == (FlowResultType.CREATE_ENTRY, {CONF_SCAN_INTERVAL: 300})
    await hass.async_block_till_done()
    assert entry.runtime_data is not before
    assert entry.runtime_data.update_interval.total_seconds() == 300
