"""A reader of the journal made from protocol/journal.md alone: every checksum, every chain, every field of an event.

It shares no code with Purser; where the two disagree, the page or the program is wrong. Condensed files are passed over.
"""

import ctypes
import re
import struct
import uuid

from harness import Failure

POLYNOMIAL = 0x82F63B78
TABLE = []
for byte in range(256):
    value = byte
    for _ in range(8):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    TABLE.append(value)

TYPES = {
    1: "string",
    2: "event",
    3: "customer",
    4: "key",
    5: "response",
    6: "catalogue",
    7: "correction",
    8: "run",
    9: "own-price",
    10: "catalogue-part",
    11: "price-book",
}
RARE = {7: "flowId", 8: "meta", 9: "usage", 10: "usageFormat"}
# Bits of an event's flags.
UUID_KEY, UNITS, PRICED, REVENUE, PRICE, MATCH, TIER, EXTRAS = 0, 6, 7, 9, 10, 11, 12, 13
NAMES = ((1, "customerReferenceId"), (2, "featureKey"), (3, "model"), (4, "modelProvider"), (5, "region"))


def crc(data, before=0):
    value = before ^ 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def check(condition, what):
    if not condition:
        raise Failure(what)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        check(self.at + count <= len(self.data), "a fact ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                check(byte or shift == 7, "a varint ends with a zero byte")
                check(shift <= 70, "a varint of more than ten bytes")
                return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 if value & 1 == 0 else -(value + 1 >> 1)

    def quantity(self):
        """In millionths."""
        value = self.varint()
        if value & 1 == 0:
            return (value >> 1) * 10**6
        check(value >> 1 & 1 or (value >> 1) % 10**6, "a whole number is written in millionths")
        return value >> 1

    def text(self):
        return self.take(self.varint())

    @property
    def is_done(self):
        return self.at == len(self.data)


def event(payload, strings):
    reader = Reader(payload)
    found = {"sequence": reader.varint()}
    found["occurredAt"] = struct.unpack("<q", reader.take(8))[0]
    found["recordedAfter"] = reader.zigzag()
    flags = reader.varint()

    def bit(number):
        return flags >> number & 1

    found["key"] = str(uuid.UUID(bytes=reader.take(16))) if bit(UUID_KEY) else reader.text().decode()
    found["eventName"] = strings[reader.varint()]
    for number, name in NAMES:
        if bit(number):
            found[name] = strings[reader.varint()]
    if bit(UNITS):
        found["usageUnits"] = reader.quantity()
    found["lines"] = [(reader.take(1)[0], reader.quantity()) for _ in range(reader.take(1)[0])]
    if bit(PRICED):
        found["cost"] = reader.varint()
    if bit(REVENUE):
        found["revenue"] = reader.varint()
    if bit(PRICE):
        found["price"] = strings[reader.varint()]
    if bit(MATCH):
        found["match"] = reader.take(1)[0]
    if not bit(PRICED):
        found["unpriced"] = reader.take(1)[0]
    if bit(TIER):
        found["tier"] = reader.take(1)[0]
    if bit(EXTRAS):
        rare, last = Reader(reader.text()), 0
        while not rare.is_done:
            tag = rare.take(1)[0]
            check(tag > last, "tags do not ascend")
            last = tag
            found[RARE.get(tag, tag)] = rare.text().decode()
    check(reader.is_done, "bytes are left over in an event")
    return found


def expand(data, size):
    """A zstd frame, by the library itself."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    room = ctypes.create_string_buffer(max(size, 1))
    check(library.ZSTD_decompress(room, size, data, len(data)) == size, "a frame of zstd")
    return room.raw[:size]


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value):
    """Modulo 2^64."""
    return (value + 2**63) % 2**64 - 2**63


def zigzag(value):
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


class Column(Reader):
    def number(self):
        """A varint as it stands."""
        start = self.at
        self.varint()
        return self.data[start : self.at]

    def words(self):
        """A length and as many bytes."""
        start = self.at
        self.text()
        return self.data[start : self.at]


def columns(frame):
    """Facts, headers and padding of a frame in columns, put together again."""
    head = Reader(frame)
    opened = struct.unpack("<q", head.take(8))[0]
    check(head.take(1)[0] == 25, "25 columns")
    lengths = [(head.varint(), head.varint()) for _ in range(25)]
    column = [Column(expand(head.take(stored), raw) if stored else head.take(raw)) for raw, stored in lengths]
    check(head.is_done, "bytes are left over in a frame")
    out, sequence, occurred = bytearray(), 0, 0
    while not column[0].is_done:
        item = column[0].take(1)[0]
        if item == 1:
            header = column[1].take(80)
            opened = struct.unpack_from("<q", header, 40)[0]
            out += header
        elif item == 2:
            start = column[2].at
            column[2].take(1)
            column[2].text()
            out += column[2].data[start : column[2].at]
        elif item == 4:
            out += bytes(column[2].take(1)[0])
        else:
            check(item in (0, 3), f"an item {item}")
            sequence = column[2].varint() if item == 3 else sequence + 1
            occurred = signed(occurred + column[3].zigzag())
            age = signed(opened - occurred)
            expected = abs(age) // 1000 * (1 if age >= 0 else -1)
            fact = varint(sequence) + struct.pack("<q", occurred) + zigzag(signed(column[4].zigzag() + expected))
            start = column[5].at
            flags = column[5].varint()
            fact += column[5].data[start : column[5].at]
            fact += column[6].take(16) if flags & 1 else column[7].words()
            fact += column[8].number()
            fact += b"".join(column[8 + bit].number() for bit in range(1, 6) if flags >> bit & 1)
            if flags >> UNITS & 1:
                fact += column[14].number()
            lines = column[15].take(1)
            fact += lines
            for _ in range(lines[0]):
                kind = column[16].take(1)
                fact += kind + column[{1: 17, 2: 18, 3: 19}.get(kind[0], 20)].number()
            fact += b"".join(column[place].number() for bit, place in ((PRICED, 21), (REVENUE, 22), (PRICE, 23)) if flags >> bit & 1)
            fact += column[24].take((flags >> MATCH & 1) + (not flags >> PRICED & 1) + (flags >> TIER & 1))
            if flags >> EXTRAS & 1:
                fact += column[24].words()
            out += b"\x02" + varint(len(fact)) + fact
    check(all(one.is_done for one in column), "bytes are left over in a column")
    return bytes(out)


def unseal(data, number):
    """The segment that a sealed file holds."""
    check(data[:8] == b"\xffPurserZ", f"sealed {number}: the magic")
    stored, version, name, own, before, first, created, size, file, used, _, index, count, index_crc = struct.unpack(
        "<II16sIIQqQQQQQII", data[8:104]
    )
    check(stored == crc(data[12:4096]) and not any(data[104:4096]), f"sealed {number}: the header")
    check((version, own, file, index + 20 * count) == (1, number, len(data), len(data)), f"sealed {number}: number or sizes")
    check(index_crc == crc(data[index:]), f"sealed {number}: the index")
    block = struct.pack("<I16sIIQqQ", 1, name, number, before, first, created, size) + bytes(4032)
    out, at = bytearray(b"\xffPurserJ" + struct.pack("<I", crc(block)) + block), 4096
    for entry in range(index, len(data), 20):
        start, length, packed, frame_crc, method = struct.unpack_from("<IIIII", data, entry)
        frame = data[at : at + packed]
        check(start == len(out) and frame_crc == crc(frame), f"sealed {number}: the frame at {at}")
        out += frame if method == 0 else expand(frame, length) if method == 1 else columns(frame)
        check(len(out) == start + length, f"sealed {number}: the length of the frame at {at}")
        at += packed
    check((at, len(out)) == (index, used), f"sealed {number}: the frames' end")
    return bytes(out) + bytes(size - used)


def segments(folder):
    """(number, bytes) of every segment that was begun, in order."""
    names = sorted(path.name for path in folder.iterdir() if re.fullmatch(r"[0-9a-f]{8}\.(segment|sealed)", path.name))
    for name in names:
        number, data = int(name[:8], 16), (folder / name).read_bytes()
        if name.endswith("sealed"):
            if f"{name[:8]}.segment" not in names:
                yield number, unseal(data, number)
        elif any(data[:4096]):
            yield number, data


def read(folder):
    """Every fact: (type, payload or event). Raises where the journal is not as the page says."""
    journal, last, sequence, opened = None, 0, None, 0
    for number, data in segments(folder):
        check(data[:8] == b"\xffPurserJ", f"segment {number}: the magic")
        stored, version, name, own, before, first, created, size = struct.unpack("<II16sIIQqQ", data[8:64])
        check(stored == crc(data[12:4096]), f"segment {number}: the header's CRC")
        check((version, own, size) == (1, number, len(data)), f"segment {number}: version, number or size")
        check(not any(data[64:4096]), f"segment {number}: zeros of the header block")
        check(journal in (None, name), f"segment {number}: the journal's id")
        if journal is not None:
            check((before, first) == (last, sequence), f"segment {number} does not go on from the one before")
        journal, last, sequence = name, before, first
        seed = crc(name + struct.pack("<I", number))
        strings, at, begun = {}, 4096, False
        while at + 80 <= len(data) and data[at : at + 4] == b"\xffPB1":
            header = data[at : at + 80]
            fields = struct.unpack("<IIIIIQIHHqqq", header[4:64])
            batch, length, before, own, place, first, count, version, flags, time, early, late = fields
            sealed = struct.unpack("<I", header[76:])[0]
            check(sealed == crc(header[8:76], seed), f"{number}:{at}: the header's CRC")
            end = at + (length + 7 & ~7)
            check(batch == crc(data[at + 80 : end], sealed), f"{number}:{at}: the batch's CRC")
            check((before, own, place, first, version) == (last, number, at, sequence, 1), f"{number}:{at}: chain, place or sequence")
            check(not any(header[64:76]) and not any(data[at + length : end]), f"{number}:{at}: zeros")
            check(time >= opened and (begun or time == created), f"{number}:{at}: when it was opened")
            reader, events = Reader(data[at + 80 : at + length]), []
            check(flags == (1 if reader.is_done else 0), f"{number}:{at}: flags")
            while not reader.is_done:
                kind = reader.take(1)[0]
                payload = reader.text()
                if kind == 1:
                    fact = Reader(payload)
                    string = fact.varint()
                    strings[string] = payload[fact.at :].decode()
                elif kind == 2:
                    events.append(event(payload, strings))
                    payload = events[-1]
                    check(payload["sequence"] == sequence + len(events) - 1, f"{number}:{at}: an event's sequence")
                yield TYPES[kind], payload
            times = [one["occurredAt"] for one in events] or [2**63 - 1, -(2**63)]
            wanted = (min(times), max(times)) if events else tuple(times)
            check((len(events), early, late) == (count, *wanted), f"{number}:{at}: what the header says of the events")
            last, sequence, opened, begun, at = batch, sequence + count, time, True, end
        check(not any(data[at:]), f"{number}:{at}: what is not a batch must be zeros")
