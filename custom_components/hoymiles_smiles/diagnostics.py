"""What a report of a problem needs, without what is nobody's business."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.const import CONF_HOST, CONF_TOKEN
from homeassistant.core import HomeAssistant

from .coordinator import SmilesConfigEntry
from .models import Dtu, Totals

TO_REDACT = {CONF_HOST, CONF_TOKEN, "unique_id", "title", "serial", "address", "bridge_id"}


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: SmilesConfigEntry) -> dict[str, Any]:
    """Return everything the integration knows."""
    coordinator = entry.runtime_data
    data = coordinator.data
    health = asdict(data.health)
    health["dtus"] = {name: _dtu(dtu) for name, dtu in data.health.dtus.items()}
    # Serial numbers name things elsewhere, so things are numbered here instead.
    summed = (data.totals.inverters if data.totals else None) or {}
    serials = list(dict.fromkeys([*(data.inverters or {}), *(of for of, _ in data.energies or {}), *summed]))
    diagnostics = {
        "entry": {
            "title": entry.title,
            "unique_id": entry.unique_id,
            "data": dict(entry.data),
            "options": dict(entry.options),
        },
        "bridge": {
            "version": coordinator.version,
            "pushed": coordinator.pushed,
            "update_interval": str(coordinator.update_interval),
            "last_update_success": coordinator.last_update_success,
            "last_exception": type(coordinator.last_exception).__name__ if coordinator.last_exception else None,
        },
        "health": health,
        "stats": asdict(data.stats) if data.stats else None,
        "totals": _totals(data.totals, serials) if data.totals else None,
        "inverters": {
            _number(serials, serial): asdict(inverter) for serial, inverter in (data.inverters or {}).items()
        },
        "energies": {
            f"{_number(serials, serial)} port {port}": asdict(energy)
            for (serial, port), energy in (data.energies or {}).items()
        },
    }
    return async_redact_data(diagnostics, TO_REDACT)


def _number(serials: list[str], serial: str) -> str:
    return f"inverter {serials.index(serial) + 1}"


def _totals(totals: Totals, serials: list[str]) -> dict[str, Any]:
    values = asdict(totals)
    if totals.inverters is not None:
        values["inverters"] = {_number(serials, serial): asdict(sum_) for serial, sum_ in totals.inverters.items()}
    return values


def _dtu(dtu: Dtu) -> dict[str, Any]:
    """Return a DTU, its address cut out of what it failed with as well."""
    values = asdict(dtu)
    if dtu.last_error and dtu.address:
        authority = dtu.address.partition("://")[2].split(" ")[0]
        host = authority.rpartition(":")[0] or authority
        values["last_error"] = dtu.last_error.replace(authority, REDACTED).replace(host, REDACTED)
    return values
