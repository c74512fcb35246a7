"""A reader of the journal made from protocol/journal.md alone: every checksum, every chain, every field of an event.

It shares no code with Purser; where the two disagree, the page or the program is wrong. Condensed files are passed over.
"""

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


def segments(folder):
    """(number, bytes) of every segment that was begun, in order."""
    names = sorted(path.name for path in folder.iterdir() if re.fullmatch(r"[0-9a-f]{8}\.segment", path.name))
    for name in names:
        data = (folder / name).read_bytes()
        if any(data[:4096]):
            yield int(name[:8], 16), data


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
