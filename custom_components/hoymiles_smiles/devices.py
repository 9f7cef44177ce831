"""The devices of a bridge: their identifiers, which are those of the earlier component, and their coming and going."""

from __future__ import annotations

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry, DeviceInfo

from .const import DOMAIN, MANUFACTURER
from .coordinator import SmilesConfigEntry, SmilesCoordinator
from .models import SmilesData


def bridge_info(coordinator: SmilesCoordinator) -> DeviceInfo:
    """Describe the bridge."""
    return DeviceInfo(
        identifiers={(DOMAIN, coordinator.config_entry.entry_id)},
        name="Hoymiles S-Miles",
        manufacturer=MANUFACTURER,
        model="S-Miles Bridge",
        sw_version=coordinator.version,
        configuration_url=coordinator.client.url,
    )


def dtu_info(coordinator: SmilesCoordinator, dtu: str) -> DeviceInfo:
    """Describe a DTU."""
    return DeviceInfo(
        identifiers={(DOMAIN, f"dtu_{dtu}")},
        name=f"DTU {dtu}",
        manufacturer=MANUFACTURER,
        model="DTU",
        via_device=(DOMAIN, coordinator.config_entry.entry_id),
    )


def inverter_info(coordinator: SmilesCoordinator, serial: str) -> DeviceInfo:
    """Describe an inverter."""
    inverter = (coordinator.data.inverters or {}).get(serial)
    return DeviceInfo(
        identifiers={(DOMAIN, serial)},
        name=f"Inverter {serial}",
        manufacturer=MANUFACTURER,
        model=inverter.model if inverter else None,
        serial_number=serial,
        via_device=(DOMAIN, coordinator.config_entry.entry_id),
    )


def port_info(serial: str, port: int) -> DeviceInfo:
    """Describe a port of an inverter."""
    return DeviceInfo(
        identifiers={(DOMAIN, f"{serial}_port{port}")},
        name=f"Inverter {serial} Port {port}",
        manufacturer=MANUFACTURER,
        model=f"Port {port}",
        via_device=(DOMAIN, serial),
    )


def _known(entry: SmilesConfigEntry, data: SmilesData) -> set[str]:
    """Return the identifiers of every device that the bridge speaks of."""
    known = {entry.entry_id} | {f"dtu_{name}" for name in data.health.dtus}
    for serial, inverter in (data.inverters or {}).items():
        known |= {serial, f"dtu_{inverter.dtu}"}
        known |= {f"{serial}_port{port}" for port in data.port_numbers(serial)}
    return known


def is_known(entry: SmilesConfigEntry, data: SmilesData, device: DeviceEntry) -> bool:
    """Return whether the bridge speaks of this device."""
    known = _known(entry, data)
    return any(domain == DOMAIN and name in known for domain, name in device.identifiers)


@callback
def async_remove_stale(hass: HomeAssistant, entry: SmilesConfigEntry) -> None:
    """Remove devices that the bridge does not speak of any more.

    Only while it knows everything there is: after a start it may not have read its store, or not have heard each DTU yet,
    and a device that is only late must not lose its place.
    """
    coordinator = entry.runtime_data
    if not coordinator.last_update_success or not coordinator.data.complete:
        return
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if not is_known(entry, coordinator.data, device):
            registry.async_update_device(device.id, remove_config_entry_id=entry.entry_id)
