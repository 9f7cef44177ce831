"""Whether the bridge hears its DTUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SmilesConfigEntry
from .entity import BRIDGE, SmilesEntity
from .sums import error_count, query_count, seconds_since_last_query

# The coordinator asks, entities do not.
PARALLEL_UPDATES = 0

HEALTHY = BinarySensorEntityDescription(
    key="healthy",
    translation_key="healthy",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
)


async def async_setup_entry(
    hass: HomeAssistant, entry: SmilesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the one binary sensor."""
    async_add_entities([SmilesHealthy(entry.runtime_data, BRIDGE, HEALTHY)])


class SmilesHealthy(SmilesEntity, BinarySensorEntity):
    """On while at least one DTU is heard."""

    # They change with every reading, and sensors have the history of each.
    _unrecorded_attributes = frozenset({"uptime", "dtu_last_query", "dtu_query_count"})

    @property
    @override
    def is_on(self) -> bool:
        """Return what the bridge says of itself."""
        return self.coordinator.data.health.healthy

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return what the earlier component showed here."""
        data = self.coordinator.data
        statuses = {name: dtu.status for name, dtu in data.health.dtus.items()}
        return {
            "uptime": data.health.uptime_seconds,
            "start_time": data.health.start_time,
            "dtu_status": next(iter(statuses.values())) if len(statuses) == 1 else statuses,
            "dtu_last_query": seconds_since_last_query(data),
            "dtu_query_count": query_count(data),
            "dtu_error_count": error_count(data),
        }
