"""Random device files with registers, and what each point is worth: decoded with struct and decimal alone.

    datasheets.py VALUES SEED

One device a line: {"device": ..., "registers": {table: {address: word}}, "expected": {name: value or null}}. A number is given
in the unit without its scale, as decimal text; everything else as the text that is stored.
"""

import datetime
import decimal
import json
import random
import struct
import sys
import zoneinfo

decimal.getcontext().prec = 60
D = decimal.Decimal
POINTS = 40

# Letters of an order: where each byte of the big-endian number stands among those sent.
ORDERS_2 = {"abcd": "ab", "cdab": "ab", "badc": "ba", "dcba": "ba"}
ORDERS_4 = {"abcd": "abcd", "cdab": "cdab", "badc": "badc", "dcba": "dcba"}
ORDERS_6 = {"abcd": "abcdef", "cdab": "efcdab", "badc": "badcfe", "dcba": "fedcba"}
ORDERS_8 = {
    "abcd": "abcdefgh", "cdab": "ghefcdab", "badc": "badcfehg", "dcba": "hgfedcba",
    **{name: name for name in (
        "abcdefgh", "ghefcdab", "badcfehg", "hgfedcba", "efghabcd", "cdabghef", "fehgbadc", "dcbahgfe")},
}
ORDERS = {1: ORDERS_2, 2: ORDERS_4, 3: ORDERS_6, 4: ORDERS_8}

WHOLE = {
    "u8": (1, False), "i8": (1, True), "u16": (2, False), "i16": (2, True), "u24": (3, False), "i24": (3, True),
    "u32": (4, False), "i32": (4, True), "u48": (6, False), "i48": (6, True), "u64": (8, False), "i64": (8, True),
}
FLOATS = {"f16": (2, ">e"), "f32": (4, ">f"), "f64": (8, ">d")}
UNITS = ["V", "W", "A", "Wh", "Hz", "°C", "kWh"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
NUMBERINGS = {"zero": 0, "one": 1, "modicon6": None}
FIRST = {"holding": 400001, "input": 300001}


def arranged(words, letters):
    """The bytes of registers as a big-endian number has them."""
    sent = b"".join(word.to_bytes(2, "big") for word in words)
    return bytes(sent[letters.index(letter)] for letter in sorted(letters))


def shortest(number, pack):
    """The decimal of the fewest digits that means this number; of two that are equally near the greater one, of halves the even."""
    rounding = decimal.ROUND_HALF_EVEN if pack == ">e" else decimal.ROUND_HALF_UP
    for digits in range(1, 18):
        short = decimal.Context(prec=digits, rounding=rounding).create_decimal(D(number))
        try:
            if struct.pack(pack, float(short)) == struct.pack(pack, number):
                return short
        except OverflowError:
            pass
    raise AssertionError(number)


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def words(self, count):
        """Registers: random ones, and those that devices are fond of."""
        special = [0, 0xFFFF, 0x8000, 0x7FFF, 1]
        rng = self.rng
        if rng.random() < 0.15:
            return [rng.choice(special)] * count
        return [rng.choice(special) if rng.random() < 0.1 else rng.getrandbits(16) for _ in range(count)]

    def device(self):
        rng = self.rng
        self.order = rng.choice(["abcd", "cdab", "badc", "dcba"])
        self.zone = rng.choice(ZONES)
        self.numbering = rng.choice(list(NUMBERINGS))
        self.registers = {"holding": {}, "input": {}}
        self.points, self.expected, self.next = {}, {}, {"holding": rng.randrange(50), "input": rng.randrange(50)}
        for number in range(POINTS):
            self.point(f"p{number}")
        device = {
            "order": self.order, "timezone": self.zone, "numbering": self.numbering, "points": self.points,
            "max_registers": rng.choice([125, 60, 20]),
        }
        if rng.random() < 0.5:
            device["gap"] = rng.randrange(20)
        return {"device": device, "registers": self.registers, "expected": self.expected}

    def number_of(self, table, address):
        step = NUMBERINGS[self.numbering]
        return FIRST[table] + address if step is None else address + step

    def place(self, words, point, apart=False):
        """Puts registers into a table: in a row, or each somewhere. `words` are as a reader of the manual lists them."""
        rng = self.rng
        table = rng.choice(["holding", "input"])
        point["read"] = table
        addresses = []
        for index in range(len(words)):
            if apart or index == 0:
                self.next[table] += rng.choice([0, 0, 1, 3, 150 if apart else 7])
            addresses.append(self.next[table])
            self.next[table] += 1
        if apart:
            rng.shuffle(addresses)
        for address, word in zip(addresses, words):
            self.registers[table][address] = word
        numbers = [self.number_of(table, address) for address in addresses]
        if apart:
            point["registers"] = numbers
        else:
            point["register"] = numbers[0]
        if self.numbering == "modicon6" and rng.random() < 0.5:
            del point["read"]

    def bytes_of(self, width, point, text=False):
        """Registers for so many bytes, and the bytes in big-endian order."""
        rng = self.rng
        count = (width + 1) // 2
        words = self.words(count)
        order = None
        if rng.random() < 0.5:
            names = [name for name in ORDERS.get(count, ORDERS_4) if width == 8 or len(name) == 4]
            order = rng.choice(names)
        apart = count > 1 and not text and rng.random() < 0.25
        if apart and order is not None and len(order) == 8:
            order = None
        if order is not None:
            point["order"] = order
        self.place(words, point, apart)
        holds = order or ("abcd" if text else self.order)
        if apart:
            # The words stand as they are listed; the order is that of the bytes within each.
            big = b"".join(arranged([word], ORDERS_2[holds]) for word in words)
        elif count in ORDERS:
            big = arranged(words, ORDERS[count][holds])
        else:
            pairs = [arranged([word], ORDERS_2[holds]) for word in words]
            big = b"".join(reversed(pairs) if holds in ("cdab", "dcba") else pairs)
        return big

    def point(self, name):
        kinds = ["whole"] * 8 + ["float"] * 3 + ["bcd", "mod10k", "bool", "bits", "hex", "text", "ascii", "clock", "codes", "scaled"]
        point = {}
        value = getattr(self, self.rng.choice(kinds))(name, point)
        self.points[name] = point
        self.expected[name] = value

    def measured(self, point, raw, decimals=True):
        """What a raw number is worth, with unit, sign, offset and limits."""
        rng = self.rng
        value = D(raw)
        if rng.random() < 0.3:
            point["negate"] = True
            value = -value
        way = rng.random()
        if way < 0.5:
            scale = rng.choice(["", "0.1 ", "0.01 ", "10 ", "0.5 "]) if decimals else ""
            unit = rng.choice(UNITS)
            point["unit"] = scale + unit
            value *= D(scale.strip() or "1")
            if rng.random() < 0.4 and decimals:
                offset = D(rng.randrange(-5000, 5000)) / rng.choice([1, 10, 100])
                point["offset"] = f"{offset} {unit}"
                value += offset
        elif way < 0.75 and decimals:
            scale = rng.choice([D("0.1"), D("2"), D("0.25"), D("100")])
            point["scale"] = float(scale) if scale % 1 else int(scale)
            value *= scale
            if rng.random() < 0.4:
                offset = rng.randrange(-500, 500)
                point["offset"] = offset
                value += offset
        if rng.random() < 0.2:
            least, most = sorted(rng.sample(range(-30000, 30000), 2))
            point["valid"] = rng.choice([f"{least} .. {most}", f"{least} ..", f".. {most}"])
            text = point["valid"].split("..")
            if (text[0].strip() and value < int(text[0])) or (text[1].strip() and value > int(text[1])):
                return None
        return format(value.normalize() if value else D(0), "f")

    def nulls(self, point, raw, bits):
        """Raw values that mean nothing: true if this is one of them."""
        rng = self.rng
        if rng.random() > 0.3:
            return False
        listed = [rng.getrandbits(bits)]
        hit = rng.random() < 0.5
        if hit:
            pattern = raw & ((1 << bits) - 1)
            listed.append(raw if rng.random() < 0.5 else pattern)
        point["null_when"] = listed
        return raw & ((1 << bits) - 1) in [number & ((1 << bits) - 1) for number in listed]

    def whole(self, name, point):
        kind = self.rng.choice(list(WHOLE))
        width, signed = WHOLE[kind]
        point["type"] = kind
        big = self.bytes_of(width, point)
        raw = int.from_bytes(big[-width:], "big", signed=signed)
        if self.nulls(point, raw, width * 8):
            return None
        worth = self.measured(point, raw, decimals=width < 8)
        if width == 8 and worth is not None and "negate" in point and not -(2**63) <= int(worth) < 2**63:
            return None
        return worth

    def float(self, name, point):
        kind = self.rng.choice(list(FLOATS))
        width, pack = FLOATS[kind]
        point["type"] = kind
        number = struct.unpack(pack, self.bytes_of(width, point)[-width:])[0]
        if number != number or number in (float("inf"), float("-inf")):
            return None
        # The shortest decimal that means it, but a half that is whole is what it is.
        exact = D(number) if kind == "f16" and number.is_integer() else shortest(number, pack)
        return self.measured(point, exact, decimals=kind != "f64" and 1e-3 < abs(number) < 1e6)

    def bcd(self, name, point):
        width = self.rng.choice([2, 4, 6])
        point |= {"type": "bcd", "length": width}
        digits = self.bytes_of(width, point)[-width:].hex()
        return self.measured(point, int(digits)) if digits.isdigit() else None

    def mod10k(self, name, point):
        rng = self.rng
        count = rng.choice([1, 2, 3])
        sign = rng.choice([1, 1, 1, -1])
        parts = [sign * rng.randrange(10000) for _ in range(count)]
        if rng.random() < 0.1:
            parts[-1] = 10000
        point |= {"type": "mod10k", "length": count * 2, "order": "abcd"}
        self.place([part & 0xFFFF for part in parts], point, apart=count > 1 and rng.random() < 0.3)
        if parts[-1] == 10000:
            return None
        number = 0
        for part in parts:
            number = number * 10000 + part
        return self.measured(point, number)

    def of(self, point):
        width = self.rng.choice([2, 4, 6, 8])
        if width > 2 or self.rng.random() < 0.5:
            point["of"] = f"u{width * 8}"
        return int.from_bytes(self.bytes_of(width, point), "big"), width * 8

    def bool(self, name, point):
        point["type"] = "bool"
        number, bits = self.of(point)
        bit = self.rng.randrange(bits)
        if bit or self.rng.random() < 0.5:
            point["bit"] = bit
        return "true" if number >> bit & 1 else "false"

    def bits(self, name, point):
        point["type"] = "bits"
        number, bits = self.of(point)
        bit = self.rng.randrange(bits)
        length = self.rng.randrange(1, bits - bit + 1)
        point |= {"bit": bit, "length": length}
        raw = number >> bit & ((1 << length) - 1)
        return None if self.nulls(point, raw, length) else str(raw)

    def hex(self, name, point):
        width = self.rng.randrange(1, 13)
        point |= {"type": "hex", "length": width}
        return self.bytes_of(width, point, text=True)[:width].hex()

    def text(self, name, point):
        """A text that somebody wrote, with what stands behind it in memory."""
        rng = self.rng
        encoding = rng.choice([None, "ascii", "utf8", "latin1", "utf16"])
        letters = "ABCxyz019-. " + ("" if encoding == "ascii" else "äß°é")
        text = "".join(rng.choice(letters) for _ in range(rng.randrange(0, 9)))
        coded = text.encode({None: rng.choice(["utf-8", "latin-1"]), "utf8": "utf-8", "latin1": "latin-1", "utf16": "utf-16-be", "ascii": "ascii"}[encoding])
        width = len(coded) + rng.randrange(0, 6)
        width = max(2, width + width % 2)
        end = b"\xff" if encoding == "utf16" and rng.random() < 0.5 else rng.choice([b"\0", b"\xff"])
        if encoding == "utf16":
            padded = (coded + end * 2 * width)[:width]
        else:
            padded = (coded + (b" " * width if rng.random() < 0.2 else end + rng.randbytes(width)))[:width]
        point |= {"type": "text", "length": width}
        if encoding is not None:
            point["encoding"] = encoding
        swapped = rng.random() < 0.3
        words = [int.from_bytes(padded[at:at + 2], "little" if swapped else "big") for at in range(0, width, 2)]
        if swapped:
            point["order"] = "badc"
        self.place(words, point)
        if encoding is None:
            try:
                text = coded.decode("utf-8")
            except UnicodeDecodeError:
                pass
        return text.strip() or None

    def ascii(self, name, point):
        rng = self.rng
        text = "".join(rng.choice("ABCxyz019-") for _ in range(rng.randrange(0, 9)))
        width = max(2, len(text) + len(text) % 2)
        point |= {"type": "ascii", "length": width}
        padded = text.encode().ljust(width, rng.choice([b"\0", b" "]) if text else b"\0")
        self.place([int.from_bytes(padded[at:at + 2], "big") for at in range(0, width, 2)], point)
        return text or None

    def clock(self, name, point):
        rng = self.rng
        kind = rng.choice(["unix_seconds", "seconds_since_2000", "datetime", "datetime", "date"])
        point |= {"type": kind, "order": "abcd"}
        if kind.endswith("00") or kind == "unix_seconds":
            year = 1970 if kind == "unix_seconds" else 2000
            seconds = rng.getrandbits(32)
            self.place([seconds >> 16, seconds & 0xFFFF], point)
            local = datetime.datetime(year, 1, 1) + datetime.timedelta(seconds=seconds)
        else:
            parts = [rng.randrange(2000, 2100), rng.randrange(1, 13), rng.randrange(1, 32), rng.randrange(24), rng.randrange(60), rng.randrange(60)]
            parts = parts[:3] if kind == "date" else parts
            if rng.random() < 0.3:
                short = bytes([parts[0] % 100, *parts[1:]])
                point["length"] = len(short)
                short = short.ljust(len(short) + len(short) % 2, b"\x63")
                self.place([int.from_bytes(short[at:at + 2], "big") for at in range(0, len(short), 2)], point)
            else:
                self.place(parts, point)
            try:
                local = datetime.datetime(*parts)
            except ValueError:
                return None
            if kind == "date":
                return local.date().isoformat()
        utc = local.replace(tzinfo=zoneinfo.ZoneInfo(self.zone)).astimezone(datetime.timezone.utc)
        return f"{(utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(seconds=1)} s"

    def codes(self, name, point):
        rng = self.rng
        point |= {"type": "u16", "order": "abcd"}
        raw = rng.randrange(6)
        if rng.random() < 0.5:
            words = {code: f"state {code}" for code in range(4)}
            point["values"] = {hex(code) if rng.random() < 0.5 else str(code): word for code, word in words.items()}
            said = words.get(raw, str(raw))
        else:
            words = {bit: f"flag {bit}" for bit in range(2)}
            point["flags"] = {str(bit): word for bit, word in words.items()}
            said = ",".join(words.get(bit, str(bit)) for bit in range(16) if raw >> bit & 1)
        self.place([raw], point)
        if rng.random() < 0.5:
            point["as"] = "word"
            return said
        return str(raw)

    def scaled(self, name, point):
        """A number with a scale factor somewhere."""
        rng = self.rng
        kind = rng.choice(["u16", "i16", "i32", "u48"])
        width, signed = WHOLE[kind]
        point |= {"type": kind, "scale_by": f"{name}_sf", "unit": rng.choice(UNITS)}
        raw = int.from_bytes(self.bytes_of(width, point)[-width:], "big", signed=signed)
        power = rng.choice([*range(-10, 11), 11, -32768])
        factor = {"type": "i16", "order": "abcd"}
        if rng.random() < 0.5:
            factor["null_when"] = [0x8000]
        self.place([power & 0xFFFF], factor)
        self.points[f"{name}_sf"] = factor
        self.expected[f"{name}_sf"] = None if power == -32768 and "null_when" in factor else str(power)
        if not -10 <= power <= 10:
            return None
        value = D(raw).scaleb(power)
        return format(value.normalize() if value else D(0), "f")


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    maker, values = Maker(seed), 0
    while values < count:
        made = maker.device()
        values += len(made["expected"])
        print(json.dumps(made))


main()
