"""What the tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
import os

from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

from custom_components.hoymiles_smiles.const import DOMAIN

from .fake_bridge import BRIDGE_ID, FakeBridge

# Nobody waits longer than this for anything to come about.
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration."""


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Write what differs from run to run as `<ANY>`, as Home Assistant's own snapshots do."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
async def bridge(socket_enabled: None) -> AsyncIterator[FakeBridge]:
    """Give a bridge that listens."""
    fake = FakeBridge()
    await fake.server.start_server()
    yield fake
    fake.hang_up()
    await fake.server.close()


@pytest.fixture
def entry(hass: HomeAssistant, bridge: FakeBridge) -> MockConfigEntry:
    """Give the entry of that bridge, not set up yet."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        entry_id="entry",
        title="Bridge",
        unique_id=BRIDGE_ID,
        data={CONF_HOST: "127.0.0.1", CONF_PORT: bridge.server.port},
    )
    entry.add_to_hass(hass)
    return entry


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Set the entry up, whatever becomes of it."""
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Let the loop run until something holds. Bounded; what never comes about fails the test, by name."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"{what} did not come about within {PATIENCE:.0f} s")
        await asyncio.sleep(0.01)


def smiles_binary() -> str:
    """Return the program under test; without one there is nothing to test."""
    path = os.environ.get("SMILES_BIN", "")
    if not os.access(path, os.X_OK):
        pytest.fail(f"SMILES_BIN={path!r} names no program: build it (cargo build), then name target/debug/smiles")
    return path
