"""The requests of so many polls by pymodbus: PORT PASSES RECORDS; prints CPU ms per poll."""

import asyncio
import sys
import time

from pymodbus.client import AsyncModbusTcpClient


async def poll(port: int, records: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    assert await client.connect()
    for record in range(records):
        answer = await client.read_holding_registers(0x1000 + 40 * record, count=20, device_id=1)
        assert not answer.isError() and len(answer.registers) == 20
    client.close()


async def main() -> None:
    port, passes, records = map(int, sys.argv[1:])
    await poll(port, records)
    before = time.process_time()
    for _ in range(passes):
        await poll(port, records)
    print((time.process_time() - before) * 1e3 / passes)


asyncio.run(main())
