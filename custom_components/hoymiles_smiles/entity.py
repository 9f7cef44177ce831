"""What all entities share: whom they speak of, and when they can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import SmilesCoordinator
from .devices import bridge_info, dtu_info, inverter_info, port_info


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an entity speaks of: the bridge, or a DTU, an inverter, or a port of one."""

    dtu: str | None = None
    serial: str | None = None
    port: int | None = None

    @property
    def prefix(self) -> str:
        """Return the part of unique ids that names it; it is that of the earlier component."""
        if self.dtu is not None:
            return f"dtu_{self.dtu}_"
        if self.port is not None:
            return f"{self.serial}_port{self.port}_"
        return f"{self.serial}_" if self.serial is not None else ""

    def device_info(self, coordinator: SmilesCoordinator) -> DeviceInfo:
        """Describe its device."""
        if self.dtu is not None:
            return dtu_info(coordinator, self.dtu)
        if self.serial is None:
            return bridge_info(coordinator)
        if self.port is not None:
            return port_info(self.serial, self.port)
        return inverter_info(coordinator, self.serial)


BRIDGE = Target()


class SmilesEntity(CoordinatorEntity[SmilesCoordinator]):
    """An entity of a bridge."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: SmilesCoordinator, target: Target, description: EntityDescription) -> None:
        """Take its place in the registries."""
        super().__init__(coordinator)
        self.target = target
        self.entity_description = description
        entry_id = coordinator.config_entry.entry_id
        self._attr_unique_id = f"{entry_id}_{target.prefix}{description.key}"
        self._attr_device_info = target.device_info(coordinator)

    @property
    @override
    def available(self) -> bool:
        """Return whether the bridge answers and knows."""
        return super().available and self.known

    @property
    def known(self) -> bool:
        """Return whether there is something to show."""
        return True
