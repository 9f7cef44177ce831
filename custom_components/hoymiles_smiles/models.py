"""What the bridge says, typed. Pure: no I/O, and nothing of Home Assistant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
import re
from typing import Any

# A reading is as good as new for three polls of its DTU, and never for less than this, because polls take time too.
POLLS_OF_PATIENCE = 3
PATIENCE_SECONDS = 30.0


# A code of a device; a text where the bridge's device file has a word for it.
type Code = int | str | None


class SmilesError(Exception):
    """The bridge did not give what was asked of it."""


class SmilesResponseError(SmilesError):
    """The answer is not what this bridge's API promises."""


class NotSmilesError(SmilesError):
    """Something answered, but it is no S-Miles bridge."""


class SmilesTooOldError(SmilesError):
    """The bridge is of a version that lacks what is needed."""

    def __init__(self, version: str) -> None:
        """Remember which version it is."""
        super().__init__(f"bridge version {version} is too old")
        self.version = version


@dataclass(frozen=True, slots=True)
class Dtu:
    """A DTU as `/health` sees it."""

    name: str
    status: str
    address: str | None
    last_success: datetime | None
    seconds_since_success: int | None
    query_count: int
    error_count: int
    last_error: str | None
    last_error_time: datetime | None
    every_seconds: float | None

    @property
    def patience(self) -> float:
        """How many seconds a reading of this DTU may be old."""
        return max(POLLS_OF_PATIENCE * (self.every_seconds or 0.0), PATIENCE_SECONDS)

    @property
    def heard(self) -> bool:
        """Whether it answered lately, by the bridge's own clock."""
        return self.seconds_since_success is not None and self.seconds_since_success <= self.patience


@dataclass(frozen=True, slots=True)
class Health:
    """`/health`."""

    healthy: bool
    uptime_seconds: int
    start_time: str | None
    dtus: Mapping[str, Dtu]
    bridge_id: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Stats:
    """`/stats`, as far as it is shown."""

    database_size_bytes: int | None
    total_records: int | None


@dataclass(frozen=True, slots=True)
class Port:
    """The latest reading of a port; what the device did not say is None."""

    number: int
    timestamp: datetime | None
    pv_voltage: float | None
    pv_current: float | None
    pv_power: float | None


@dataclass(frozen=True, slots=True)
class Inverter:
    """The latest reading of an inverter and its ports."""

    serial: str
    dtu: str | None
    model: str | None
    timestamp: datetime | None
    grid_voltage: float | None
    grid_frequency: float | None
    temperature: float | None
    operating_status: Code
    alarm_code: Code
    alarm_count: int | None
    link_status: Code
    ports: Mapping[int, Port]


@dataclass(frozen=True, slots=True)
class Energy:
    """Production of a port in Wh."""

    today: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Production:
    """Power in W and production in Wh of the plant or of a DTU."""

    power: float | None
    today: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """`/api/production/totals`."""

    plant: Production
    dtus: Mapping[str, Production]
    # By serial number; None of a bridge that does not say.
    inverters: Mapping[str, Energy] | None = None


@dataclass(frozen=True, slots=True)
class SmilesData:
    """Everything that is shown. A part that the bridge could not give is None: unavailable, not empty."""

    health: Health
    stats: Stats | None
    inverters: Mapping[str, Inverter] | None
    energies: Mapping[tuple[str, int], Energy] | None
    totals: Totals | None

    def inverter(self, serial: str) -> Inverter | None:
        """Return the inverter if the bridge knows it and its DTU answers for it."""
        inverter = (self.inverters or {}).get(serial)
        return inverter if inverter and self._fresh(inverter, inverter.timestamp) else None

    def port(self, serial: str, number: int) -> Port | None:
        """Return the port if it was part of a poll lately."""
        inverter = self.inverter(serial)
        port = inverter.ports.get(number) if inverter else None
        return port if inverter and port and self._fresh(inverter, port.timestamp) else None

    def _fresh(self, inverter: Inverter, timestamp: datetime | None) -> bool:
        # Both times are of the bridge's clock, so that a wrong one (or ours) does no harm.
        dtu = self.health.dtus.get(inverter.dtu or "")
        if dtu is None or not dtu.heard or dtu.last_success is None or timestamp is None:
            return False
        return (dtu.last_success - timestamp).total_seconds() <= dtu.patience

    def energy(self, serial: str, number: int) -> Energy | None:
        """Return what the port has produced, heard or not."""
        return (self.energies or {}).get((serial, number))

    def port_numbers(self, serial: str) -> set[int]:
        """Return every port of the inverter that was ever heard of."""
        inverter = (self.inverters or {}).get(serial)
        numbers = set(inverter.ports) if inverter else set()
        return numbers | {number for of, number in self.energies or {} if of == serial}

    def inverter_power(self, serial: str) -> float | None:
        """Return the sum over the ports that were heard."""
        ports = (self.port(serial, number) for number in self.port_numbers(serial))
        powers = [port.pv_power for port in ports if port and port.pv_power is not None]
        return sum(powers) if powers else None

    def inverter_energy(self, serial: str) -> Energy | None:
        """Return the inverter's own sum as the bridge made it, or None where a part would pass for the whole."""
        if self.totals is None:
            return None
        if self.totals.inverters is not None:
            return self.totals.inverters.get(serial)
        # A bridge of 3.0 sums nothing but DTUs. Before it has read its store, it knows only of the ports in its first
        # polls; its own sums are null for as long. A part shown as the whole is lost energy now, and new production a
        # moment later.
        if self.totals.plant.total is None:
            return None
        energies = [energy for (of, _), energy in (self.energies or {}).items() if of == serial]
        if not energies:
            return None
        return Energy(_sum([e.today for e in energies]), _sum([e.total for e in energies]))

    @property
    def complete(self) -> bool:
        """Whether whatever is missing here does not exist, rather than not being known yet."""
        return (
            self.inverters is not None
            and self.energies is not None
            and self.totals is not None
            and self.totals.plant.total is not None
            and all(dtu.last_success is not None for dtu in self.health.dtus.values())
        )


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


# --- reading --------------------------------------------------------------------------------------------------


class Reader:
    """Reads members of a JSON object, and says which one is wrong."""

    def __init__(self, value: object, where: str) -> None:
        """Take an object that was found at `where`."""
        if not isinstance(value, dict):
            raise SmilesResponseError(f"{where} is not an object")
        self.value: dict[str, Any] = value
        self.where = where

    def _typed[T](self, key: str, *types: type[T]) -> T | None:
        value = self.value.get(key)
        if value is None:
            return None
        # True is an int to Python, but not to anybody who reads a meter.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise SmilesResponseError(f"{self.where} has a {key} of {value!r}")
        return value

    def text(self, key: str) -> str | None:
        """Return a text or None."""
        return self._typed(key, str)

    def number(self, key: str) -> float | None:
        """Return a number or None."""
        value = self._typed(key, int, float)
        return None if value is None else float(value)

    def integer(self, key: str) -> int | None:
        """Return a whole number or None."""
        value = self._typed(key, int, float)
        return None if value is None else int(value)

    def code(self, key: str) -> Code:
        """Return a code, or the bridge's word for it."""
        return self.text(key) if isinstance(self.value.get(key), str) else self.integer(key)

    def time(self, key: str) -> datetime | None:
        """Return an instant or None; one without an offset is UTC."""
        value = self.text(key)
        if value is None:
            return None
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError as error:
            raise SmilesResponseError(f"{self.where} has a {key} of {value!r}") from error
        return parsed if parsed.tzinfo else datetime.fromisoformat(f"{value}+00:00")

    def required[T](self, key: str, value: T | None) -> T:
        """Return what was read, or say that it is missing."""
        if value is None:
            raise SmilesResponseError(f"{self.where} has no {key}")
        return value

    def objects(self, key: str) -> Mapping[str, object]:
        """Return an object of objects; a missing one is empty."""
        return self._typed(key, dict) or {}

    def elements(self, key: str) -> list[object]:
        """Return a list; a missing one is empty."""
        return self._typed(key, list) or []


def items(value: object, where: str) -> list[Reader]:
    """Return the objects of a list."""
    if not isinstance(value, list):
        raise SmilesResponseError(f"{where} is not a list")
    return [Reader(item, where) for item in value]


MIN_VERSION = (3, 0, 0)


def check_version(version: str) -> None:
    """Refuse a bridge that is too old for what is asked of it here."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        raise SmilesResponseError(f"the bridge has a version of {version!r}")
    if tuple(int(part) for part in found.groups()) < MIN_VERSION:
        raise SmilesTooOldError(version)


def parse_health(value: object) -> Health:
    """Read `/health`, and tell bridges of other kinds and of earlier days apart."""
    if not isinstance(value, dict) or not isinstance(value.get("healthy"), bool) or "dtus" not in value:
        raise NotSmilesError("the answer of /health is not that of a bridge")
    health = Reader(value, "/health")
    bridge = Reader(value.get("bridge") or {}, "bridge in /health")
    version = bridge.text("version")
    if version is not None:
        check_version(version)
    elif "journal" not in value:
        # The bridges in Python had neither a version nor a journal to speak of.
        raise SmilesTooOldError("2")
    return Health(
        healthy=value["healthy"],
        uptime_seconds=health.required("uptime_seconds", health.integer("uptime_seconds")),
        start_time=health.text("start_time"),
        dtus={name: _dtu(name, dtu) for name, dtu in health.objects("dtus").items()},
        bridge_id=bridge.text("id"),
        version=version,
    )


def _dtu(name: str, value: object) -> Dtu:
    dtu = Reader(value, f"DTU {name} in /health")
    return Dtu(
        name=name,
        status=dtu.required("status", dtu.text("status")),
        address=dtu.text("address"),
        last_success=dtu.time("last_successful_query"),
        seconds_since_success=dtu.integer("seconds_since_last_success"),
        query_count=dtu.integer("query_count") or 0,
        error_count=dtu.integer("error_count") or 0,
        last_error=dtu.text("last_error"),
        last_error_time=dtu.time("last_error_time"),
        every_seconds=dtu.number("every_seconds"),
    )


def parse_stats(value: object) -> Stats:
    """Read `/stats`."""
    stats = Reader(value, "/stats")
    return Stats(stats.integer("database_size_bytes"), stats.integer("total_records"))


def parse_inverters(value: object) -> dict[str, Inverter]:
    """Read `/api/inverters`."""
    inverters = (_inverter(inverter) for inverter in items(value, "/api/inverters"))
    return {inverter.serial: inverter for inverter in inverters}


def _inverter(inverter: Reader) -> Inverter:
    serial = inverter.required("serial_number", inverter.text("serial_number"))
    ports = (_port(Reader(port, f"port of {serial} in /api/inverters")) for port in inverter.elements("ports"))
    return Inverter(
        serial=serial,
        dtu=inverter.text("dtu_name"),
        model=inverter.text("inverter_type"),
        timestamp=inverter.time("timestamp"),
        grid_voltage=inverter.number("grid_voltage"),
        grid_frequency=inverter.number("grid_frequency"),
        temperature=inverter.number("temperature"),
        operating_status=inverter.code("operating_status"),
        alarm_code=inverter.code("alarm_code"),
        alarm_count=inverter.integer("alarm_count"),
        link_status=inverter.code("link_status"),
        ports={port.number: port for port in ports},
    )


def _port(port: Reader) -> Port:
    return Port(
        number=port.required("port_number", port.integer("port_number")),
        timestamp=port.time("timestamp"),
        pv_voltage=port.number("pv_voltage"),
        pv_current=port.number("pv_current"),
        pv_power=port.number("pv_power"),
    )


def parse_energies(value: object) -> dict[tuple[str, int], Energy]:
    """Read `/api/production/current`."""
    return {
        (
            item.required("serial_number", item.text("serial_number")),
            item.required("port_number", item.integer("port_number")),
        ): Energy(item.integer("today_production"), item.integer("total_production"))
        for item in items(value, "/api/production/current")
    }


def parse_totals(value: object) -> Totals:
    """Read `/api/production/totals`."""
    totals = Reader(value, "/api/production/totals")
    plant: object = totals.required("plant", totals.value.get("plant"))
    dtus = totals.objects("dtus").items()
    inverters = totals.objects("inverters") if "inverters" in totals.value else None
    return Totals(
        _production(plant),
        {name: _production(dtu) for name, dtu in dtus},
        None if inverters is None else {serial: _energy(energy) for serial, energy in inverters.items()},
    )


def _energy(value: object) -> Energy:
    energy = Reader(value, "the sum of an inverter in /api/production/totals")
    return Energy(energy.integer("today_production"), energy.integer("total_production"))


def _production(value: object) -> Production:
    production = Reader(value, "a sum in /api/production/totals")
    return Production(
        power=production.number("power"),
        today=production.integer("today_production"),
        total=production.integer("total_production"),
    )
