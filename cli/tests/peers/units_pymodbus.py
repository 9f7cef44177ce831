"""Three units behind one address, served by pymodbus, for one client at a time.

Prints `listening PORT` on stdout once it accepts connections and exits when its stdin ends. Holding register N of unit U
holds 1000 * U + N, N below 100; what is beyond is refused with exception 2.
"""

import asyncio
import sys
import threading

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNITS = (1, 2, 3)
REGISTERS = 100


def device(unit: int) -> SimDevice:
    """One unit."""
    values = [1000 * unit + register for register in range(REGISTERS)]
    return SimDevice(unit, simdata=[SimData(0, values=values, datatype=DataType.REGISTERS)])


async def serve() -> None:
    """Serves until stdin ends."""
    server = ModbusTcpServer([device(unit) for unit in UNITS], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    print("listening", server.transport.sockets[0].getsockname()[1], flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait_for_end_of_stdin() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end_of_stdin, daemon=True).start()
    await ended.wait()
    await server.shutdown()


asyncio.run(serve())
