"""Every sensor: keys, units and classes are those of the earlier component, so that history goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfFrequency,
    UnitOfInformation,
    UnitOfPower,
    UnitOfTemperature,
    UnitOfTime,
)

from . import codes
from .entity import Target
from .models import Code, Dtu, Energy, Inverter, Port, Production, SmilesData
from .sums import error_count, latest_failure, query_count, seconds_since_last_query

type Value = str | int | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class SmilesSensorDescription(SensorEntityDescription):
    """A sensor, and where its value is."""

    value: Callable[[SmilesData, Target], Value]
    attributes: Callable[[SmilesData, Target], Mapping[str, Any]] | None = None
    # A value that is None says that the bridge or the device did not say: unavailable. Where None is itself an answer
    # (a DTU that was never heard has no last success), the state is unknown.
    none_is_an_answer: bool = False


# --- the bridge and the plant ---------------------------------------------------------------------------------


def _size(data: SmilesData, _: Target) -> Value:
    size = data.stats.database_size_bytes if data.stats else None
    return None if size is None else round(size / 1024**2, 2)


def _failure(data: SmilesData, _: Target) -> Mapping[str, Any]:
    dtu = latest_failure(data)
    return {
        "last_error": dtu.last_error if dtu else None,
        "last_error_time": dtu.last_error_time if dtu else None,
    }


def _plant(value: Callable[[Production], Value]) -> Callable[[SmilesData, Target], Value]:
    return lambda data, _: value(data.totals.plant) if data.totals else None


def _kwh(watt_hours: int | None) -> float | None:
    # Three decimals are every watt-hour there is.
    return None if watt_hours is None else round(watt_hours / 1000, 3)


BRIDGE_SENSORS: Final = (
    SmilesSensorDescription(
        key="uptime",
        translation_key="uptime",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda data, _: data.health.uptime_seconds,
    ),
    SmilesSensorDescription(
        key="dtu_query_count",
        translation_key="dtu_query_count",
        native_unit_of_measurement="queries",
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda data, _: query_count(data),
    ),
    SmilesSensorDescription(
        key="dtu_error_count",
        translation_key="dtu_error_count",
        native_unit_of_measurement="errors",
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda data, _: error_count(data),
        attributes=_failure,
    ),
    SmilesSensorDescription(
        key="dtu_last_query",
        translation_key="dtu_last_query",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        value=lambda data, _: seconds_since_last_query(data),
        none_is_an_answer=True,
    ),
    SmilesSensorDescription(
        key="database_size",
        translation_key="database_size",
        native_unit_of_measurement=UnitOfInformation.MEGABYTES,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_size,
    ),
    SmilesSensorDescription(
        key="cached_records",
        translation_key="cached_records",
        native_unit_of_measurement="records",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda data, _: data.stats.total_records if data.stats else None,
    ),
    SmilesSensorDescription(
        key="plant_power",
        translation_key="plant_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=_plant(lambda plant: plant.power),
    ),
    SmilesSensorDescription(
        key="plant_today_production",
        translation_key="plant_today_production",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value=_plant(lambda plant: _kwh(plant.today)),
    ),
    SmilesSensorDescription(
        key="plant_total_production",
        translation_key="plant_total_production",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value=_plant(lambda plant: _kwh(plant.total)),
    ),
)


# --- a DTU ----------------------------------------------------------------------------------------------------


def _dtu(value: Callable[[Dtu], Value]) -> Callable[[SmilesData, Target], Value]:
    def read(data: SmilesData, target: Target) -> Value:
        dtu = data.health.dtus.get(target.dtu or "")
        return value(dtu) if dtu else None

    return read


def _dtu_failure(data: SmilesData, target: Target) -> Mapping[str, Any]:
    dtu = data.health.dtus.get(target.dtu or "")
    return {
        "last_error": dtu.last_error if dtu else None,
        "last_error_time": dtu.last_error_time if dtu else None,
    }


def _dtu_power(data: SmilesData, target: Target) -> Value:
    dtu = data.health.dtus.get(target.dtu or "")
    production = data.totals.dtus.get(target.dtu or "") if data.totals else None
    return production.power if dtu and dtu.heard and production else None


def _inverter_count(data: SmilesData, target: Target) -> Value:
    if data.inverters is None:
        return None
    return sum(inverter.dtu == target.dtu for inverter in data.inverters.values())


DTU_SENSORS: Final = (
    SmilesSensorDescription(
        key="inverter_count",
        translation_key="inverter_count",
        native_unit_of_measurement="inverters",
        state_class=SensorStateClass.MEASUREMENT,
        value=_inverter_count,
    ),
    SmilesSensorDescription(
        key="last_query_time",
        translation_key="last_query_time",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_dtu(lambda dtu: dtu.last_success),
        none_is_an_answer=True,
    ),
    SmilesSensorDescription(
        key="query_count",
        translation_key="query_count",
        native_unit_of_measurement="queries",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=_dtu(lambda dtu: dtu.query_count),
    ),
    SmilesSensorDescription(
        key="error_count",
        translation_key="error_count",
        native_unit_of_measurement="errors",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=_dtu(lambda dtu: dtu.error_count),
        attributes=_dtu_failure,
    ),
    SmilesSensorDescription(
        key="communication_status",
        translation_key="communication_status",
        device_class=SensorDeviceClass.ENUM,
        options=list(codes.COMMUNICATION_STATUS.values()),
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_dtu(lambda dtu: codes.COMMUNICATION_STATUS.get(dtu.status)),
    ),
    SmilesSensorDescription(
        key="total_power",
        translation_key="total_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=_dtu_power,
    ),
)


# --- an inverter ----------------------------------------------------------------------------------------------


def _inverter(value: Callable[[Inverter], Value]) -> Callable[[SmilesData, Target], Value]:
    def read(data: SmilesData, target: Target) -> Value:
        inverter = data.inverter(target.serial or "")
        return value(inverter) if inverter else None

    return read


def _code(key: str, code: Callable[[Inverter], Code]) -> Callable[[SmilesData, Target], Mapping[str, Any]]:
    def read(data: SmilesData, target: Target) -> Mapping[str, Any]:
        inverter = data.inverter(target.serial or "")
        return {key: code(inverter) if inverter else None}

    return read


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _inverter_energy(value: Callable[[Energy], Value]) -> Callable[[SmilesData, Target], Value]:
    def read(data: SmilesData, target: Target) -> Value:
        energy = data.inverter_energy(target.serial or "")
        return value(energy) if energy else None

    return read


INVERTER_SENSORS: Final = (
    SmilesSensorDescription(
        key="grid_voltage",
        translation_key="grid_voltage",
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=_inverter(lambda inverter: _round(inverter.grid_voltage, 2)),
    ),
    SmilesSensorDescription(
        key="grid_frequency",
        translation_key="grid_frequency",
        device_class=SensorDeviceClass.FREQUENCY,
        native_unit_of_measurement=UnitOfFrequency.HERTZ,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        value=_inverter(lambda inverter: _round(inverter.grid_frequency, 2)),
    ),
    SmilesSensorDescription(
        key="temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=_inverter(lambda inverter: _round(inverter.temperature, 1)),
    ),
    SmilesSensorDescription(
        key="operating_status",
        translation_key="operating_status",
        device_class=SensorDeviceClass.ENUM,
        options=codes.options(codes.OPERATING_STATUS, "unknown_state"),
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_inverter(lambda i: codes.spell(i.operating_status, codes.OPERATING_STATUS, "unknown_state")),
        attributes=_code("status_code", lambda inverter: inverter.operating_status),
    ),
    SmilesSensorDescription(
        key="link_status",
        translation_key="link_status",
        device_class=SensorDeviceClass.ENUM,
        options=codes.options(codes.LINK_STATUS, "unknown_state"),
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_inverter(lambda i: codes.spell(i.link_status, codes.LINK_STATUS, "unknown_state")),
        attributes=_code("link_code", lambda inverter: inverter.link_status),
    ),
    SmilesSensorDescription(
        key="alarm_code",
        translation_key="alarm_code",
        device_class=SensorDeviceClass.ENUM,
        options=codes.options(codes.ALARM),
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_inverter(lambda inverter: codes.spell(inverter.alarm_code, codes.ALARM)),
        attributes=_code("alarm_code", lambda inverter: inverter.alarm_code),
    ),
    SmilesSensorDescription(
        key="alarm_count",
        translation_key="alarm_count",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=_inverter(lambda inverter: inverter.alarm_count),
    ),
    SmilesSensorDescription(
        key="total_power",
        translation_key="total_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda data, target: _round(data.inverter_power(target.serial or ""), 2),
    ),
    SmilesSensorDescription(
        key="total_today_production",
        translation_key="total_today_production",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=0,
        value=_inverter_energy(lambda energy: energy.today),
    ),
    SmilesSensorDescription(
        key="total_lifetime_production",
        translation_key="total_lifetime_production",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value=_inverter_energy(lambda energy: _kwh(energy.total)),
    ),
)


# --- a port ---------------------------------------------------------------------------------------------------


def _port(value: Callable[[Port], Value]) -> Callable[[SmilesData, Target], Value]:
    def read(data: SmilesData, target: Target) -> Value:
        port = data.port(target.serial or "", target.port or 0)
        return value(port) if port else None

    return read


def _port_energy(value: Callable[[Energy], Value]) -> Callable[[SmilesData, Target], Value]:
    def read(data: SmilesData, target: Target) -> Value:
        energy = data.energy(target.serial or "", target.port or 0)
        return value(energy) if energy else None

    return read


PORT_SENSORS: Final = (
    SmilesSensorDescription(
        key="pv_voltage",
        translation_key="pv_voltage",
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=_port(lambda port: _round(port.pv_voltage, 2)),
    ),
    SmilesSensorDescription(
        key="pv_current",
        translation_key="pv_current",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        value=_port(lambda port: _round(port.pv_current, 3)),
    ),
    SmilesSensorDescription(
        key="pv_power",
        translation_key="pv_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=_port(lambda port: _round(port.pv_power, 2)),
    ),
    SmilesSensorDescription(
        key="today_production",
        translation_key="today_production",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=0,
        value=_port_energy(lambda energy: energy.today),
    ),
    SmilesSensorDescription(
        key="total_production",
        translation_key="total_production",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value=_port_energy(lambda energy: _kwh(energy.total)),
    ),
)
