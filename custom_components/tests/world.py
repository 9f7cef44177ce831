"""The real thing: bridges and simulated DTUs as processes, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import re
import signal
import socket
import struct
import subprocess
from typing import Any
import urllib.error
import urllib.request

from .conftest import PATIENCE, smiles_binary

REPOSITORY = Path(__file__).parents[2]
# A register holds one byte of the device, and an inverter's port has 40 of them (pipelines/hoymiles/device.yaml).
FIRST, STEP, REGISTERS = 0x1000, 40, 20


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class World:
    """Processes that live as long as a test, and their folder."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    # Put before each program, for example to give it another clock.
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the program under test."""
        log = (self.folder / f"{len(self.processes)}-{arguments[0]}.log").open("wb")
        process = subprocess.Popen(
            [smiles_binary(), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "TZ": "UTC", **self.environment, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.processes.append(process)
        return process

    @staticmethod
    def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
        """End one process and wait until it is gone."""
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                self.stop(process, signal.SIGKILL)

    # --- the two programs ---------------------------------------------------------------------------------

    async def simulator(self, port: int, inverters: int, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a simulated DTU and wait until it can be reached."""
        process = self.start(
            "simulate", f"--listen=127.0.0.1:{port}", f"--inverters={inverters}", "--ports=2", *arguments
        )
        await listening(port, process)
        return process

    async def bridge(
        self, dtu: int, port: int, pipeline: Sequence[str] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a bridge and wait until it has heard the DTU."""
        process = self.start(
            "run",
            *pipeline,
            DTU_HOST="127.0.0.1",
            DTU_PORT=str(dtu),
            DTU_MIN_DELAY="0ms",
            QUERY_PERIOD="5",
            HEALTH_HOST="127.0.0.1",
            HEALTH_PORT=str(port),
            **{"DATA_DIR": str(self.folder / "data")} | environment,
        )
        await listening(port, process)
        return process


async def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens; a process that ends instead fails the test."""
    for _ in range(int(PATIENCE / 0.02)):
        assert process.poll() is None, f"the process ended with {process.returncode}"
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody listens on port {port}")


def ask(port: int, path: str) -> Any:
    """Ask the bridge past Home Assistant."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def truth(port: int) -> dict[tuple[str, int], tuple[int, int]]:
    """Read today and total of every port from the DTU's registers: what the simulated devices really say."""
    found: dict[tuple[str, int], tuple[int, int]] = {}
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        for index in range(99):
            line.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, FIRST + STEP * index, REGISTERS))
            header = _receive(line, 7)
            record = _receive(line, struct.unpack(">H", header[4:6])[0] - 1)[2:]
            serial = record[1:7].hex()
            if not serial.strip("0"):
                return found
            today, total = struct.unpack(">HI", record[18:24])
            found[serial, record[7]] = (today, total)
    raise AssertionError("the DTU's list has no end")


def _receive(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = line.recv(size - len(data))
        assert part, "the DTU hung up"
        data += part
    return data


def fast_pipeline(folder: Path) -> Path:
    """Write the stock pipeline, polling four times a second, which the variables do not allow."""
    stock = (REPOSITORY / "pipelines" / "hoymiles-sqlite.yaml").read_text()
    fast, changes = re.subn(r"^    every: .*$", "    every: 250ms", stock, flags=re.MULTILINE)
    assert changes == 1
    path = folder / "fast.yaml"
    path.write_text(fast)
    return path
