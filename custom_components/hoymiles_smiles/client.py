"""A typed asynchronous client of the bridge's HTTP API. Nothing of Home Assistant is in here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
import json
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from .models import (
    Energy,
    Health,
    Inverter,
    NotSmilesError,
    Reader,
    SmilesError,
    SmilesResponseError,
    Stats,
    Totals,
    check_version,
    parse_energies,
    parse_health,
    parse_inverters,
    parse_stats,
    parse_totals,
)

ANSWER_SECONDS: Final = 10.0
# The bridge sends a comment every 15 s: three missing ones mean that nobody is there any more.
SILENCE_SECONDS: Final = 45.0

EVENT_OPEN: Final = "open"
EVENT_BATCH: Final = "batch"
EVENT_GAP: Final = "gap"


class SmilesConnectionError(SmilesError):
    """Nobody answers at this address."""


class SmilesTimeoutError(SmilesConnectionError):
    """Somebody is there, but takes too long to answer."""


class SmilesAuthError(SmilesError):
    """The bridge wants a token, or another one."""


class SmilesNameError(SmilesError):
    """The bridge has no token, and does not answer to the name it is called by."""


class SmilesUnavailableError(SmilesError):
    """The bridge is well but cannot say this just now, for example because its store is down."""


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event. One named `open` is made here when the line stands."""

    name: str
    id: str | None = None


@dataclass(slots=True)
class EventParser:
    """Makes events of lines, as the HTML standard says (9.2.6)."""

    name: str = ""
    id: str | None = None
    _data: bool = field(default=False)

    def feed(self, line: str) -> Event | None:
        """Take one line; an empty one ends an event."""
        if not line:
            event = Event(self.name or "message", self.id) if self._data else None
            self.name, self._data = "", False
            return event
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            self.name = value
        elif key == "id" and "\0" not in value:
            self.id = value
        elif key == "data":
            self._data = True
        return None


class SmilesClient:
    """One bridge."""

    def __init__(self, session: ClientSession, host: str, port: int, token: str | None = None) -> None:
        """Take a session that somebody else owns."""
        self._session = session
        self._host = host
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def url(self) -> str:
        """Where people find the bridge's own page."""
        return str(self._url("/"))

    def _url(self, path: str) -> URL:
        return URL.build(scheme="http", host=self._host, port=self._port, path=path)

    async def health(self) -> Health:
        """Return how the bridge and its DTUs are. A bridge whose DTU sleeps answers with 503 and the same body."""
        return await self._get("/health", parse_health, also=HTTPStatus.SERVICE_UNAVAILABLE)

    async def stats(self) -> Stats:
        """Return size and row counts of the store."""
        return await self._get("/stats", parse_stats)

    async def inverters(self) -> dict[str, Inverter]:
        """Return every inverter with its latest reading."""
        return await self._get("/api/inverters", parse_inverters)

    async def energies(self) -> dict[tuple[str, int], Energy]:
        """Return the production of every port ever known."""
        return await self._get("/api/production/current", parse_energies)

    async def totals(self) -> Totals:
        """Return power and production of the plant and of each DTU."""
        return await self._get("/api/production/totals", parse_totals)

    async def version(self) -> str:
        """Return the version from the API's own description: for bridges whose `/health` does not say."""
        return await self._get("/openapi.json", _version)

    async def _get[T](self, path: str, parse: Callable[[object], T], also: int = HTTPStatus.OK) -> T:
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._session.get(self._url(path), headers=self._headers, allow_redirects=False) as response,
            ):
                self._check(response, path, also)
                text = await response.text()
        except TimeoutError as error:
            raise SmilesTimeoutError(f"{path} took longer than {ANSWER_SECONDS:.0f} s") from error
        except (ClientError, OSError, ValueError) as error:
            # ValueError: a host that is none, or text in an encoding that it is not in.
            raise SmilesConnectionError(f"{path}: {error}") from error
        try:
            value = json.loads(text)
        except ValueError as error:
            raise SmilesResponseError(f"{path} answered with invalid JSON: {error}") from error
        return parse(value)

    def _check(self, response: ClientResponse, path: str, also: int) -> None:
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise SmilesAuthError(f"{path} needs a token, or another one")
        if response.status == HTTPStatus.MISDIRECTED_REQUEST:
            raise SmilesNameError(f"the bridge does not answer to {self._host}")
        if path == "/health":
            if response.status not in (HTTPStatus.OK, also) or response.content_type != "application/json":
                raise NotSmilesError(f"{path} answered {response.status} with {response.content_type}")
        elif response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
            # 404: a pipeline without this route, or without a store.
            raise SmilesUnavailableError(f"{path} answered {response.status}")
        elif response.status != HTTPStatus.OK:
            raise SmilesResponseError(f"{path} answered {response.status}")

    async def events(self, last_event_id: str | None = None) -> AsyncIterator[Event]:
        """Follow the bridge. Ends with an error, or when the bridge closes the line."""
        headers = {**self._headers, "Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=SILENCE_SECONDS)
        path = "/api/events"
        try:
            async with self._session.get(
                self._url(path), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                self._check(response, path, HTTPStatus.OK)
                yield Event(EVENT_OPEN)
                parser = EventParser()
                async for line in response.content:
                    if event := parser.feed(line.decode("utf-8", "replace").rstrip("\r\n")):
                        yield event
        except TimeoutError as error:
            raise SmilesTimeoutError(f"{path} is silent") from error
        except (ClientError, OSError, ValueError) as error:
            raise SmilesConnectionError(f"{path}: {error}") from error


def _version(value: object) -> str:
    info = Reader(Reader(value, "/openapi.json").value.get("info"), "info in /openapi.json")
    version = info.required("version", info.text("version"))
    check_version(version)
    return version
