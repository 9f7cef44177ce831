"""The real bridge announces itself, and Home Assistant is offered it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from homeassistant.config_entries import SOURCE_ZEROCONF
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import pytest
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import until
from .world import World, ask, free_port

SERVICE = "_hoymiles-smiles._tcp.local."


@pytest.fixture
def world(tmp_path: Path, socket_enabled: None) -> Iterator[World]:
    """Give a world and end it."""
    world = World(tmp_path)
    yield world
    world.end()


async def test_an_announcement(hass: HomeAssistant, world: World) -> None:
    """It says what the config flow needs, leads to an entry, and is taken back when the bridge stops."""
    dtu, port = free_port(), free_port()
    # A machine may have other bridges: this one is known by its port.
    name = f"Test {port}.{SERVICE}"
    seen: dict[str, ServiceStateChange] = {}

    def notice(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        seen[name] = state_change

    network = AsyncZeroconf(interfaces=["127.0.0.1"])
    browser = AsyncServiceBrowser(network.zeroconf, SERVICE, handlers=[notice])
    try:
        await world.simulator(dtu, 1)
        bridge = await world.bridge(dtu, port, DISCOVERY_INTERFACE="lo", DISCOVERY_NAME=f"Test {port}")
        await until(lambda: seen.get(name) is ServiceStateChange.Added, "the announcement")
        info = AsyncServiceInfo(SERVICE, name)
        assert await info.async_request(network.zeroconf, 3000)
        properties = info.decoded_properties
        assert (info.port, info.parsed_addresses()) == (port, ["127.0.0.1"])
        assert properties == {
            "id": ask(port, "/health")["bridge"]["id"],
            "version": ask(port, "/health")["bridge"]["version"],
            "auth": "0",
            "name": f"Test {port}",
        }
        assert len(properties["id"] or "") == 32

        found = ZeroconfServiceInfo(
            ip_address=ip_address("127.0.0.1"),
            ip_addresses=[ip_address("127.0.0.1")],
            hostname=info.server or "",
            name=name,
            port=port,
            properties=properties,
            type=SERVICE,
        )
        flow = hass.config_entries.flow
        result = await flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=found)
        assert (result["type"], result.get("step_id")) == (FlowResultType.FORM, "zeroconf_confirm")
        result = await flow.async_configure(result["flow_id"], {})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert result["result"].unique_id == properties["id"]
        await hass.async_block_till_done()

        world.stop(bridge)
        await until(lambda: seen[name] is ServiceStateChange.Removed, "the farewell")
    finally:
        await browser.async_cancel()
        await network.async_close()


async def test_silence(world: World) -> None:
    """A bridge that is told to be quiet announces nothing, nor does one that only this machine reaches."""
    dtu = free_port()
    seen: set[str] = set()

    def notice(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        seen.add(name)

    network = AsyncZeroconf(interfaces=["127.0.0.1"])
    browser = AsyncServiceBrowser(network.zeroconf, SERVICE, handlers=[notice])
    try:
        await world.simulator(dtu, 1)
        names = [f"{what} {dtu}" for what in ("Quiet", "Loopback", "Heard")]
        for name, variables in zip(
            names,
            ({"DISCOVERY_INTERFACE": "lo", "DISCOVERY_ENABLED": "false"}, {}, {"DISCOVERY_INTERFACE": "lo"}),
            strict=True,
        ):
            data = str(world.folder / name)
            await world.bridge(dtu, free_port(), DISCOVERY_NAME=name, **variables, DATA_DIR=data)
        # The last one is heard, and it began last.
        await until(lambda: f"{names[2]}.{SERVICE}" in seen, "the announcement")
        assert not seen & {f"{name}.{SERVICE}" for name in names[:2]}
    finally:
        await browser.async_cancel()
        await network.async_close()
