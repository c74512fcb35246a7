"""The binary protocol from its page, `protocol/binary.md`, written a second time: nothing here comes from the daemon."""

import re
import socket
import struct
import uuid

import oracle
from harness import Closed, Failure, encode

MAGIC = 0xF5
HELLO, EVENTS, CUSTOMER, PING = 0x01, 0x02, 0x03, 0x04
HELLO_REPLY, EVENTS_REPLY, CUSTOMER_REPLY, PONG, ERROR = 0x81, 0x82, 0x83, 0x84, 0xFF
OUTCOMES = [
    "recorded",
    "malformed",
    "field_missing",
    "field_too_long",
    "field_invalid",
    "amount_out_of_range",
    "usage_inconsistent",
    "duplicate",
    "conflict",
    "storage_full",
    "overloaded",
]
ERRORS = {
    1: "malformed_frame",
    2: "frame_too_large",
    3: "unsupported_version",
    4: "unauthorized",
    5: "forbidden",
    6: "hello_required",
    7: "unknown_type",
    8: "overloaded",
    9: "storage_full",
    10: "unexpected_hello",
    11: "timeout",
    12: "shutting_down",
    13: "internal_error",
}
KINDS = {
    "inputTokens": 1,
    "outputTokens": 2,
    "cacheReadTokens": 3,
    "cacheWriteTokens": 4,
    "cacheWrite1hTokens": 5,
    "reasoningTokens": 6,
}
EXTRAS = {
    "stripeCustomerId": 1,
    "customerId": 2,
    "featureId": 3,
    "subscriptionId": 4,
    "entitlementId": 5,
    "invoiceId": 6,
    "flowId": 7,
    "meta": 8,
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def prefixed(data):
    return varint(len(data)) + data


def quantity(value):
    millionths = int(oracle.number(value, oracle.MICRO) * 10**6)
    whole, rest = divmod(millionths, 10**6)
    return varint(whole << 1) if rest == 0 else varint(millionths << 1 | 1)


def picodollars(value):
    return varint(int(oracle.number(value, oracle.PICO) * 10**12))


def frame(kind, request, payload=b"", flags=0):
    return struct.pack("<BBHIQ", MAGIC, kind, flags, len(payload), request) + payload


def hello(key="", low=1, high=1, request=1, name="oracle/1"):
    return frame(HELLO, request, struct.pack("<HHI", low, high, 0) + prefixed(key.encode()) + prefixed(name.encode()))


def events(batch, request, detail=False):
    """An events frame of events as JSON objects (`oracle.read`)."""
    table = {}

    def name(text):
        return varint(table.setdefault(text, len(table) + 1))

    base = None
    records = []
    for event in batch:
        fields, mask = b"", 0
        cost_input = event.get("costInput") or {}

        def put(bit, data):
            nonlocal fields, mask
            fields += data
            mask |= 1 << bit

        key = event.get("eventIdempotencyKey")
        if key:
            if UUID.match(key):
                put(0, uuid.UUID(key).bytes)
            else:
                put(1, prefixed(key.encode()))
        put(2, name(event["eventName"]))
        for bit, value in (
            (3, event.get("customerReferenceId")),
            (4, event.get("featureKey")),
            (5, cost_input.get("model")),
            (6, cost_input.get("modelProvider")),
        ):
            if value:
                put(bit, name(value))
        if event.get("occurredAt"):
            seconds, nanoseconds = oracle.instant(event["occurredAt"])
            instant = seconds * 10**9 + nanoseconds
            base = instant if base is None else base
            put(7, zigzag(instant - base))
        if event.get("usageUnits") is not None:
            put(8, quantity(event["usageUnits"]))
        for bit, field in ((9, "costAmount"), (10, "revenueAmount")):
            if event.get(field) is not None:
                put(bit, picodollars(event[field]))
        lines = [(KINDS[k], v) for k, v in cost_input.items() if k in KINDS and v is not None]
        if lines:
            put(11, bytes([len(lines)]) + b"".join(bytes([k]) + quantity(v) for k, v in sorted(lines)))
        extras = [(tag, event[k]) for k, tag in EXTRAS.items() if event.get(k) is not None]
        if cost_input.get("usage") is not None:
            extras.append((9, cost_input["usage"]))
        if extras:
            put(
                14,
                prefixed(
                    b"".join(
                        bytes([tag]) + prefixed((v if isinstance(v, str) else encode(v)).encode())
                        for tag, v in sorted(extras, key=lambda e: e[0])
                    )
                ),
            )
        record = varint(mask) + fields
        records.append(prefixed(record))
    payload = b"\x01" + varint(len(table)) + b"".join(prefixed(text.encode()) for text in table)
    payload += struct.pack("<q", base or 0) + varint(len(records)) + b"".join(records)
    return frame(EVENTS, request, payload, 1 if detail else 0)


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Failure("a reply frame is too short")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self):
        raw = self.varint()
        return raw >> 1 if raw & 1 == 0 else -(raw + 1 >> 1)

    def unpack(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))


class Answer:
    """One frame of the daemon: `kind`, `request`, `flags`, and what its payload says."""

    def __init__(self, kind, flags, request, payload):
        self.kind, self.flags, self.request = kind, flags, request
        cursor = Cursor(payload)
        self.error = None
        if kind == ERROR:
            code, self.wait = cursor.unpack("HI")
            self.error = ERRORS.get(code, code)
            self.message = cursor.take(cursor.varint()).decode()
            self.closes = bool(flags & 1)
        elif kind == HELLO_REPLY:
            self.version, self.capabilities, self.principal, self.scopes = cursor.unpack("HIBB")
            self.server = cursor.take(cursor.varint()).decode()
        elif kind == EVENTS_REPLY:
            self.recorded, self.duplicates, self.rejected, self.first, listed = cursor.unpack("IIIQI")
            self.results = {}
            for _ in range(listed):
                index = cursor.varint()
                outcome, field, parts = cursor.take(3)
                result = {"outcome": OUTCOMES[outcome], "field": field}
                if parts & 1:
                    result["sequence"] = cursor.varint()
                if parts & 2:
                    result["occurredAt"] = cursor.unpack("q")[0]
                if parts & 4:
                    result["cost"] = cursor.zigzag() * oracle.PICO
                if parts & 8:
                    result["revenue"] = cursor.zigzag() * oracle.PICO
                self.results[index] = result
            if cursor.at != len(payload):
                raise Failure("bytes are left over in an events reply")

    def __repr__(self):
        return f"<frame {self.kind:#x} {vars(self)}>"


class Client:
    """A connection that speaks frames."""

    def __init__(self, daemon, unix=True, timeout=20.0, greet=True):
        if unix:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(daemon.socket))
        else:
            self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout)
        self.buffer = b""
        self.request = 1
        if greet:
            self.send(hello("" if unix else daemon.key))
            reply = self.answer()
            if reply.kind != HELLO_REPLY:
                raise Failure(f"hello was answered with {reply}")

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise Closed("the daemon closed the connection")
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def answer(self):
        magic, kind, flags, length, request = struct.unpack("<BBHIQ", self.read(16))
        if magic != MAGIC or length > 16 * 1024 * 1024:
            raise Failure(f"not a frame of the daemon: {magic:#x}, {length} bytes")
        return Answer(kind, flags, request, self.read(length))

    def record(self, batch, detail=False):
        """Sends one events frame and waits for its answer."""
        self.request += 1
        self.send(events(batch, self.request, detail))
        answer = self.answer()
        if answer.request != self.request:
            raise Failure(f"the answer to {self.request} names {answer.request}")
        return answer

    def ended(self, seconds=20):
        """Whether the daemon closes the connection with nothing more to say."""
        self.socket.settimeout(seconds)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
