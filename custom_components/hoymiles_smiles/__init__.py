"""Hoymiles S-Miles: solar inverters by way of an S-Miles bridge."""

from __future__ import annotations

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry

from . import issues
from .coordinator import SmilesConfigEntry, SmilesCoordinator
from .devices import async_remove_stale, bridge_info, is_known

PLATFORMS = (Platform.BINARY_SENSOR, Platform.SENSOR)


async def async_setup_entry(hass: HomeAssistant, entry: SmilesConfigEntry) -> bool:
    """Set up one bridge."""
    coordinator = SmilesCoordinator(hass, entry)
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator

    @callback
    def keep_devices() -> None:
        # Here rather than with its entities: every other device names the bridge as the one it is reached by, and
        # its version may change while this runs.
        registry = dr.async_get(hass)
        registry.async_get_or_create(config_entry_id=entry.entry_id, **bridge_info(coordinator))
        async_remove_stale(hass, entry)

    keep_devices()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(coordinator.async_add_listener(keep_devices))
    entry.async_create_background_task(hass, coordinator.async_follow(), f"{entry.title}: events")
    return True


async def async_unload_entry(hass: HomeAssistant, entry: SmilesConfigEntry) -> bool:
    """Unload one bridge."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: SmilesConfigEntry) -> None:
    """Clear what an entry leaves behind."""
    issues.async_forget(hass, entry)


async def async_remove_config_entry_device(hass: HomeAssistant, entry: SmilesConfigEntry, device: DeviceEntry) -> bool:
    """Let the owner remove a device that the bridge does not speak of any more."""
    return not is_known(entry, entry.runtime_data.data, device)
