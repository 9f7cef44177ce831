"""The registers of so many records as values, by pymodbus and struct: RECORDS; prints registers per second."""

import struct
import sys
import time

from pymodbus.client.mixin import ModbusClientMixin

TYPE = ModbusClientMixin.DATATYPE
POINTS = [*[(at, TYPE.UINT16, 1) for at in range(6)], (6, TYPE.INT32, 2), (8, TYPE.INT32, 2), (10, TYPE.INT32, 2),
          (12, TYPE.UINT32, 2), (14, TYPE.UINT64, 4), (18, TYPE.INT16, 1), (19, TYPE.FLOAT32, 2), (21, TYPE.UINT16, 1)]
REGISTERS = 22


def main() -> None:
    count = int(sys.argv[1])
    data = bytes(byte * 31 % 251 for byte in range(count * REGISTERS * 2))
    begin, decoded = time.perf_counter(), 0
    while time.perf_counter() - begin < 2:
        # What a client hands over: the registers of an answer.
        registers = struct.unpack(f">{count * REGISTERS}H", data)
        for record in range(0, count * REGISTERS, REGISTERS):
            for at, kind, length in POINTS:
                first = record + at
                ModbusClientMixin.convert_from_registers(list(registers[first:first + length]), kind)
        decoded += count * REGISTERS
    print(decoded / (time.perf_counter() - begin))


main()
