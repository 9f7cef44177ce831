"""A DTU served by pymodbus: byte-addressed port records, so that our client meets a server that is not ours.

Prints `listening PORT` on stdout once it accepts connections and exits when its stdin ends.
Everything on the wire (framing, sockets, exceptions) is pymodbus; this file only says what stands in the registers.

A DTU addresses bytes where Modbus addresses registers: record i starts at address 0x1000 + 40*i and is
read as 20 registers. So the register at an address depends on where the read began, and the registers of each
read are filled in by the device's action just before pymodbus copies them into the reply.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from pathlib import Path

import yaml
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

READ_HOLDING_REGISTERS = 3
RECORDS_AT = 0x1000
RECORD_BYTES = 40
RECORDS_MAX = 99
SERIAL_AT = 0x2000
SERIAL_BYTES = 6
TODAY_OFFSET = 18
TOTAL_OFFSET = 20
# What a real DTU answers after its last record: the data type, zeros, the fixed 0x07, zeros.
TERMINATOR = "0c" + "00" * 32 + "07" + "00" * 6

DEFAULT_IMAGE = {
    "serial": "10f871600831",
    "records": [
        # captured from DTUs: an MI inverter, then the same bytes under an HM and an unknown serial
        "0c103332416355" "01" "015e0002094d1388006602ef00012447002b00030000000001" "07000000000000",
        "0c113332416355" "01" "015e0002094d1388006602ef00012447002b00030000000001" "07000000000000",
        "0c123332416355" "01" "015e0002094d1388006602ef00012447002b00030000000001" "07000000000000",
        # the wire trace of the earlier system: a four-port HM and an MI below freezing with an alarm
        "0c116182800001" "01" "015f006608fd1389016604d20008aa5201af00030000000001" "07000000000000",
        "0c116182800001" "02" "015d006308fd1389015904b0000849ea01af00030000000001" "07000000000000",
        "0c116182800001" "03" "0160006508fe1389016304c600087a2301ae00030000000001" "07000000000000",
        "0c116182800001" "04" "015e006408fe1389015e04bb000852ae01ae00030000000001" "07000000000000",
        "0c102162804827" "01" "0154000808fb1387011003840004950cffc900030007000201" "07000000000000",
    ],
}


class Passes:
    """Numbers the passes of a client and writes a line for each that was served to its end.

    A pass begins with a read of record 0, which is when the number grows; it is complete when its
    terminator was sent and every record before it had been asked for.
    """

    def __init__(self, records: int, log: Path | None):
        self.number = 0
        self._records = records
        self._asked: set[int] = set()
        self._log = log.open("a", encoding="ascii", buffering=1) if log else None

    def asked(self, index: int) -> None:
        """Note that record `index` was asked for (the terminator counts as one more record)."""
        if index == 0:
            self.number += 1
            self._asked.clear()
        self._asked.add(index)
        if index == self._records and len(self._asked) == self._records + 1:
            # The reply leaves in this turn of the event loop; what is called soon runs after it left.
            asyncio.get_running_loop().call_soon(self._served, self.number)

    def _served(self, number: int) -> None:
        if self._log:
            self._log.write(f"pass {number} {time.time_ns() // 1000}\n")

    def stamp(self, record: bytes) -> bytes:
        """The record with the pass number as its counters."""
        today = (self.number & 0xFFFF).to_bytes(2, "big")
        total = (self.number & 0xFFFFFFFF).to_bytes(4, "big")
        return record[:TODAY_OFFSET] + today + total + record[TOTAL_OFFSET + 4 :]


class Dtu:
    """The byte image behind the registers."""

    def __init__(self, image: dict, passes: Passes | None):
        self._serial = hex_bytes(image["serial"], SERIAL_BYTES)
        self._records = [hex_bytes(record, RECORD_BYTES) for record in image["records"]]
        self._terminator = hex_bytes(image.get("terminator", TERMINATOR), RECORD_BYTES)
        self._passes = passes

    async def answer(self, function_code, start_address, address, count, registers, values):
        """Puts the registers of this read in place, or refuses it: pymodbus calls it before every access."""
        if function_code != READ_HOLDING_REGISTERS or values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        data = self._bytes_at(address, count * 2)
        if data is None:
            return ExcCodes.ILLEGAL_ADDRESS
        first = address - start_address
        registers[first : first + count] = [
            int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)
        ]
        return None

    def _bytes_at(self, address: int, length: int) -> bytes | None:
        if SERIAL_AT <= address and address + length <= SERIAL_AT + SERIAL_BYTES:
            return self._serial[address - SERIAL_AT :][:length]
        offset = address - RECORDS_AT
        if offset < 0 or offset + length > RECORDS_MAX * RECORD_BYTES:
            return None
        first, last = offset // RECORD_BYTES, (offset + length - 1) // RECORD_BYTES
        data = b"".join(self._record(index) for index in range(first, last + 1))
        return data[offset - first * RECORD_BYTES :][:length]

    def _record(self, index: int) -> bytes:
        known = index < len(self._records)
        if self._passes is None:
            return self._records[index] if known else self._terminator
        self._passes.asked(index)
        return self._passes.stamp(self._records[index]) if known else self._terminator


def hex_bytes(text: str, length: int) -> bytes:
    """The bytes of a hex text (blanks allowed), which must be `length` long."""
    data = bytes.fromhex(text)
    if len(data) != length:
        raise SystemExit(f"image: {text!r} has {len(data)} bytes, {length} are needed")
    return data


def read_image(path: Path | None) -> dict:
    """The image of a file: a mapping with `serial`, `records` (hex) and, if it differs, `terminator`."""
    if path is None:
        return DEFAULT_IMAGE
    text = path.read_text(encoding="utf-8")
    # BaseLoader keeps every scalar as text: a serial of decimal digits must not become a number.
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.BaseLoader)


async def serve(options: argparse.Namespace) -> None:
    """Serves until stdin ends."""
    image = read_image(options.image)
    passes = Passes(len(image["records"]), options.log) if options.sequence else None
    registers = SimData(0, count=0x10000, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(options.unit, simdata=[registers], action=Dtu(image, passes).answer)
    server = ModbusTcpServer(device, address=("127.0.0.1", options.port))
    await server.serve_forever(background=True)
    print("listening", server.transport.sockets[0].getsockname()[1], flush=True)

    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait_for_end_of_stdin() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end_of_stdin, daemon=True).start()
    await ended.wait()
    await server.shutdown()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="a DTU on 127.0.0.1, served by pymodbus until stdin ends")
    parser.add_argument("--image", type=Path, help="YAML or JSON with `serial` and `records` as hex")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--unit", type=int, default=1, help="unit id; others get an exception")
    parser.add_argument("--sequence", action="store_true", help="put the number of the pass in both counters")
    parser.add_argument("--log", type=Path, help="append `pass N unix_us` after each complete pass (--sequence)")
    options = parser.parse_args()
    if options.log and not options.sequence:
        parser.error("--log needs --sequence")
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
