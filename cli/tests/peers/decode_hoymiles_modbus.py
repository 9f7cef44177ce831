"""Random port records decoded by the hoymiles-modbus package: the reference our decoder is compared with.

Usage: decode_hoymiles_modbus.py COUNT SEED. Writes one JSON line per record to stdout:
{"hex": 80 digits, "fields": {name: value}}, decimals as text in the shortest form (`35`, not `35.0`): compare them as numbers.
"""

import json
import random
import sys

from hoymiles_modbus.datatypes import InverterData

RECORD_BYTES = 40
SERIAL_AT = 1
DECIMALS = ("pv_voltage", "pv_current", "grid_voltage", "grid_frequency", "pv_power", "temperature")
OTHERS = (
    "serial_number",
    "port_number",
    "today_production",
    "total_production",
    "operating_status",
    "alarm_code",
    "alarm_count",
    "link_status",
)


def random_record(source: random.Random, index: int) -> bytes:
    """Uniform bytes; every other record has a serial of the MI (10) or the HM (11) series."""
    record = bytearray(source.randbytes(RECORD_BYTES))
    if index % 2:
        record[SERIAL_AT] = source.choice((0x10, 0x11))
    return bytes(record)


def decode(record: bytes) -> dict:
    """The fields as the package's own client would hand them out."""
    data = InverterData.unpack(record)
    fields = {name: getattr(data, name) for name in OTHERS}
    fields.update((name, str(getattr(data, name))) for name in DECIMALS)
    return fields


def main() -> None:
    """Reads COUNT and SEED from the command line."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    count, source = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    for index in range(count):
        record = random_record(source, index)
        print(json.dumps({"hex": record.hex(), "fields": decode(record)}))


if __name__ == "__main__":
    main()
