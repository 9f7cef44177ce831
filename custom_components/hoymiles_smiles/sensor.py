"""The sensors of a bridge, its DTUs, inverters and ports; those that appear later as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, override

from homeassistant.components.sensor import SensorEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SmilesConfigEntry
from .descriptions import (
    BRIDGE_SENSORS,
    DTU_SENSORS,
    INVERTER_SENSORS,
    PORT_SENSORS,
    SmilesSensorDescription,
    Value,
)
from .entity import BRIDGE, SmilesEntity, Target
from .models import SmilesData

# The coordinator asks, entities do not.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: SmilesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add sensors for whatever the bridge speaks of, now and later."""
    coordinator = entry.runtime_data
    present: set[Target] = set()

    @callback
    def add_new() -> None:
        targets = dict(_targets(coordinator.data))
        # What is gone and comes back gets its entities anew.
        if coordinator.last_update_success and coordinator.data.complete:
            present.intersection_update(targets)
        new = [target for target in targets if target not in present]
        present.update(new)
        if new:
            async_add_entities(
                SmilesSensor(coordinator, target, description) for target in new for description in targets[target]
            )

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new))


def _targets(
    data: SmilesData,
) -> Iterator[tuple[Target, tuple[SmilesSensorDescription, ...]]]:
    """Name everything there is, each after what it is reached by."""
    yield BRIDGE, BRIDGE_SENSORS
    for name in data.health.dtus:
        yield Target(dtu=name), DTU_SENSORS
    for serial in data.inverters or {}:
        yield Target(serial=serial), INVERTER_SENSORS
        for port in sorted(data.port_numbers(serial)):
            yield Target(serial=serial, port=port), PORT_SENSORS


class SmilesSensor(SmilesEntity, SensorEntity):
    """One number or word that the bridge says."""

    entity_description: SmilesSensorDescription

    @property
    @override
    def known(self) -> bool:
        """Return whether the bridge and the device said it."""
        return self.entity_description.none_is_an_answer or self.native_value is not None

    @property
    @override
    def native_value(self) -> Value:
        """Return what was said last."""
        return self.entity_description.value(self.coordinator.data, self.target)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """Return what stands beside it."""
        attributes = self.entity_description.attributes
        return attributes(self.coordinator.data, self.target) if attributes else None
