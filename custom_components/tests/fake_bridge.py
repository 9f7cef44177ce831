"""A bridge that answers what a test tells it to: an HTTP server on loopback, with recorded answers of a real bridge.

What a real bridge does is the matter of test_end_to_end.py; this one can also be broken in ways a real one is not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

DAY = json.loads((Path(__file__).parent / "fixtures" / "day.json").read_text())
BRIDGE_ID = "0b5d4f0e-8a35-4d5e-9d0f-3a1c5a6e7b21"
MEASURED = (
    "grid_voltage",
    "grid_frequency",
    "temperature",
    "alarm_count",
    "pv_voltage",
    "pv_current",
    "pv_power",
)


@dataclass
class FakeBridge:
    """The answers, by path, and what was asked."""

    answers: dict[str, Any] = field(default_factory=lambda: deepcopy(DAY))
    token: str | None = None
    # By path: a status, a text that is no JSON, or seconds to wait.
    status: dict[str, int] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    content_type: str = "application/json"
    asked: Counter[str] = field(default_factory=Counter)
    last_event_ids: list[str | None] = field(default_factory=list)
    lines: list[asyncio.Queue[bytes | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the server; it does not listen yet."""
        self.answers["/health"]["bridge"] = {
            "id": BRIDGE_ID,
            "version": "3.0.0",
            "pipeline": "hoymiles",
        }
        self.answers["/openapi.json"] = {"info": {"version": "3.0.0"}}
        app = web.Application()
        app.router.add_get("/api/events", self._events)
        app.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")

    @property
    def health(self) -> dict[str, Any]:
        """Return the answer of /health, to be changed."""
        answer: dict[str, Any] = self.answers["/health"]
        return answer

    def inverter(self, serial: str) -> dict[str, Any]:
        """Return the answer for one inverter, to be changed."""
        return next(i for i in self.answers["/api/inverters"] if i["serial_number"] == serial)

    def night(self) -> None:
        """Let every inverter be silent; their DTUs still answer."""
        for inverter in self.answers["/api/inverters"]:
            inverter.update(operating_status=0, link_status=0, alarm_code=9)
            for reading in (inverter, *inverter["ports"]):
                reading.update({key: None for key in MEASURED if key in reading})
        for production in (
            self.answers["/api/production/totals"]["plant"],
            *self.answers["/api/production/totals"]["dtus"].values(),
        ):
            production["power"] = 0.0

    def forget(self, serial: str) -> None:
        """Know nothing of an inverter any more."""
        for path in ("/api/inverters", "/api/production/current"):
            self.answers[path] = [i for i in self.answers[path] if i["serial_number"] != serial]

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path
        self.asked[path] += 1
        if path in self.delay:
            await asyncio.sleep(self.delay[path])
        if not self._admitted(request):
            if path != "/health":
                return web.json_response({"status": 401}, status=401)
            return web.json_response(self._in_short(), status=self.status.get(path, 200))
        if path not in self.answers and path not in self.text:
            return web.json_response({"status": 404}, status=404)
        text = self.text.get(path) or json.dumps(self.answers[path])
        return web.Response(text=text, status=self.status.get(path, 200), content_type=self.content_type)

    def _in_short(self) -> dict[str, Any]:
        """Return what strangers are told of the health of a guarded bridge."""
        told = {key: self.health[key] for key in ("healthy", "uptime_seconds")}
        return told | {"dtus": {}, "bridge": {"version": "3.0.0", "auth": "bearer"}}

    def _admitted(self, request: web.Request) -> bool:
        return self.token is None or request.headers.get("Authorization") == f"Bearer {self.token}"

    # --- events -------------------------------------------------------------------------------------------

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if request.path in self.status:
            return web.json_response({}, status=self.status[request.path])
        if not self._admitted(request):
            return web.json_response({"status": 401}, status=401)
        self.last_event_ids.append(request.headers.get("Last-Event-ID"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        line: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.lines.append(line)
        await response.write(b"retry: 3000\n\n")
        while (event := await line.get()) is not None:
            await response.write(event)
        return response

    def push(self, name: str = "batch", event_id: str = "run-1") -> None:
        """Tell every follower."""
        for line in self.lines:
            line.put_nowait(f'event: {name}\nid: {event_id}\ndata: {{"rows": 3}}\n\n'.encode())

    def hang_up(self) -> None:
        """Close every line."""
        for line in self.lines:
            line.put_nowait(None)
        self.lines.clear()
