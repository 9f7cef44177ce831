"""Keeps the latest answers of one bridge: on its events, and by asking when those stay away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from . import issues
from .client import (
    EVENT_BATCH,
    EVENT_GAP,
    EVENT_OPEN,
    SmilesAuthError,
    SmilesClient,
    SmilesNameError,
    SmilesTimeoutError,
    SmilesUnavailableError,
)
from .const import (
    CONF_SCAN_INTERVAL,
    DEFAULT_SCAN_INTERVAL,
    DOMAIN,
    LOGGER,
    MAX_SCAN_INTERVAL,
    PUSH_COOLDOWN,
    RECONNECT_MAX,
    RECONNECT_MIN,
    STATS_INTERVAL,
)
from .models import (
    NotSmilesError,
    SmilesData,
    SmilesError,
    SmilesResponseError,
    SmilesTooOldError,
    Stats,
)

type SmilesConfigEntry = ConfigEntry[SmilesCoordinator]

# What went wrong, in words of the translations; the first that fits.
_FAILURES: tuple[tuple[type[SmilesError], str], ...] = (
    (SmilesTimeoutError, "timeout"),
    (SmilesTooOldError, "too_old"),
    (SmilesNameError, "unknown_name"),
    (NotSmilesError, "not_smiles"),
    (SmilesResponseError, "invalid_response"),
)


def failure_key(error: SmilesError) -> str:
    """Return the key under which translations speak of this error."""
    return next((key for kind, key in _FAILURES if isinstance(error, kind)), "cannot_connect")


def async_client(hass: HomeAssistant, host: str, port: int, token: str | None) -> SmilesClient:
    """Return a client on Home Assistant's own session."""
    return SmilesClient(async_get_clientsession(hass), host, port, token)


class SmilesCoordinator(DataUpdateCoordinator[SmilesData]):
    """The one coordinator of a config entry."""

    config_entry: SmilesConfigEntry

    def __init__(self, hass: HomeAssistant, entry: SmilesConfigEntry) -> None:
        """Prepare; nothing is asked yet."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=timedelta(seconds=entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)),
            request_refresh_debouncer=Debouncer(hass, LOGGER, cooldown=PUSH_COOLDOWN, immediate=True),
        )
        self.client = async_client(hass, entry.data[CONF_HOST], entry.data[CONF_PORT], entry.data.get(CONF_TOKEN))
        self.version: str | None = None
        self.pushed = False
        self._stats: Stats | None = None
        self._stats_due = 0.0

    # --- asking -------------------------------------------------------------------------------------------

    @override
    async def _async_update_data(self) -> SmilesData:
        try:
            data = await self._read()
        except SmilesAuthError as error:
            raise ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key="invalid_auth") from error
        except SmilesError as error:
            if isinstance(error, SmilesTooOldError):
                issues.async_bridge_too_old(self.hass, self.config_entry, error.version)
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=failure_key(error),
                translation_placeholders={
                    "host": f"{self.config_entry.data[CONF_HOST]}:{self.config_entry.data[CONF_PORT]}",
                    "error": str(error),
                },
            ) from error
        self._learn_id(data.health.bridge_id)
        issues.async_judge(self.hass, self.config_entry, data.health)
        self.update_interval = self._interval(data)
        return data

    async def _read(self) -> SmilesData:
        health = await self.client.health()
        if self.version is None or health.version is not None:
            self.version = health.version or await self._if_it_can(self.client.version())
        # Everything but /health may be what the bridge cannot say just now; the rest is shown meanwhile.
        return SmilesData(
            health=health,
            stats=await self._read_stats(),
            inverters=await self._if_it_can(self.client.inverters()),
            energies=await self._if_it_can(self.client.energies()),
            totals=await self._if_it_can(self.client.totals()),
        )

    async def _read_stats(self) -> Stats | None:
        now = self.hass.loop.time()
        if now >= self._stats_due:
            self._stats = await self._if_it_can(self.client.stats())
            # What is not known is asked again with the next reading.
            self._stats_due = now + STATS_INTERVAL.total_seconds() if self._stats else now
        return self._stats

    @staticmethod
    async def _if_it_can[T](answer: Awaitable[T]) -> T | None:
        try:
            return await answer
        except SmilesUnavailableError:
            return None

    def _interval(self, data: SmilesData) -> timedelta:
        """Return when to ask if nothing is heard until then."""
        asked: int = self.config_entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
        if not self.pushed:
            return timedelta(seconds=asked)
        # Every event puts this off. It comes when polls of the DTU stay away, which no event tells.
        slowest = max((dtu.every_seconds or 0.0 for dtu in data.health.dtus.values()), default=0.0)
        return timedelta(seconds=max(asked, min(2 * slowest, MAX_SCAN_INTERVAL)))

    def _learn_id(self, bridge_id: str | None) -> None:
        """Hold the bridge against what is known of it, and learn who it is when that is not known yet."""
        entry = self.config_entry
        if bridge_id is None or entry.unique_id == bridge_id:
            return
        others = self.hass.config_entries.async_entries(DOMAIN)
        taken = any(other.unique_id == bridge_id for other in others if other is not entry)
        # Entries of the earlier component are known by host and port.
        if not taken and (entry.unique_id is None or ":" in entry.unique_id):
            self.hass.config_entries.async_update_entry(entry, unique_id=bridge_id)
        elif not taken:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="wrong_bridge",
                translation_placeholders={"host": f"{entry.data[CONF_HOST]}:{entry.data[CONF_PORT]}"},
            )

    # --- being told ---------------------------------------------------------------------------------------

    async def async_follow(self) -> None:
        """Follow the bridge's events for ever. Runs as a background task of the entry."""
        last_id: str | None = None
        delay = RECONNECT_MIN
        while True:
            try:
                async for event in self.client.events(last_id):
                    last_id = event.id or last_id
                    if event.name == EVENT_OPEN:
                        delay = RECONNECT_MIN
                        self.pushed = True
                    elif event.name == EVENT_GAP:
                        self._stats_due = 0.0
                    if event.name in (EVENT_OPEN, EVENT_BATCH, EVENT_GAP):
                        await self.async_request_refresh()
            except SmilesError as error:
                # The next reading says what is wrong, once; this line would say it at every attempt.
                LOGGER.debug("%s: events: %s", self.name, error)
            if self.pushed:
                self.pushed = False
                # Tells a restart from an outage at once, and goes back to asking.
                await self.async_request_refresh()
            await asyncio.sleep(delay)
            delay = min(2 * delay, RECONNECT_MAX)
