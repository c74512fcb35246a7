#!/usr/bin/env python3
"""The binary protocol of purserd, read and written from protocol/binary.md alone.

    purser_frames.py check              every vector: decode, compare, encode again, compare the bytes
    purser_frames.py decode HEX         the frames of a stream as JSON
    purser_frames.py encode < JSON      frames as JSON to hexadecimal

It shares no code with the Swift targets: where the two disagree, one of them or the page is wrong.
"""

import json
import pathlib
import re
import struct
import sys
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOCOL = ROOT / "protocol"

MAGIC = 0xF5
HEADER = struct.Struct("<BBHIQ")
U64 = 1 << 64
INT64_MAX = (1 << 63) - 1
YEAR_2200 = 7_258_118_400 * 10**9

TYPES = {
    0x01: "hello", 0x02: "events", 0x03: "customer", 0x04: "ping",
    0x81: "helloReply", 0x82: "eventsReply", 0x83: "customerReply", 0x84: "pong", 0xFF: "error",
}
TYPE_CODES = {name: code for code, name in TYPES.items()}
KNOWN_FLAGS = {"events": 1, "eventsReply": 1, "error": 1}

ERRORS = {
    1: "malformed_frame", 2: "frame_too_large", 3: "unsupported_version", 4: "unauthorized", 5: "forbidden",
    6: "hello_required", 7: "unknown_type", 8: "overloaded", 9: "storage_full", 10: "unexpected_hello",
    11: "timeout", 12: "shutting_down", 13: "internal_error",
}
OUTCOMES = [
    "recorded", "malformed", "field_missing", "field_too_long", "field_invalid", "amount_out_of_range",
    "usage_inconsistent", "duplicate", "conflict", "storage_full", "overloaded",
]
FIELDS = [
    "event", "eventName", "eventIdempotencyKey", "customerReferenceId", "stripeCustomerId", "customerId", "featureKey",
    "featureId", "subscriptionId", "entitlementId", "invoiceId", "occurredAt", "flowId", "usageUnits", "costAmount",
    "revenueAmount", "costInput", "costInput.model", "costInput.modelProvider", "costInput.inputTokens",
    "costInput.outputTokens", "costInput.costUnits", "costInput.cacheReadTokens", "costInput.cacheWriteTokens",
    "costInput.cacheWrite1hTokens", "costInput.reasoningTokens", "costInput.usage", "costInput.usageFormat",
    "costInput.serviceTier", "costInput.batch", "costInput.region", "meta",
]
KINDS = {
    1: "inputTokens", 2: "outputTokens", 3: "cacheReadTokens", 4: "cacheWriteTokens", 5: "cacheWrite1hTokens",
    6: "reasoningTokens", 7: "inputAudioTokens", 8: "inputImageTokens", 9: "inputVideoTokens", 10: "cacheReadAudioTokens",
    11: "toolTokens", 12: "outputAudioTokens", 13: "outputImageTokens", 14: "cacheReadImageTokens",
    15: "cacheReadVideoTokens", 16: "outputVideoTokens", 24: "seconds", 25: "outputSeconds", 26: "characters",
    27: "images", 28: "pages", 29: "webSearches", 30: "requests", 31: "toolCalls", 32: "inputImages", 33: "searchUnits",
}
KIND_CODES = {name: code for code, name in KINDS.items()}
KIND_FIELDS = {code: "costInput." + KINDS[code] for code in range(1, 7)}
TIERS = ["standard", "batch", "flex", "priority", "fast"]
EXTRAS = [
    None, "stripeCustomerId", "customerId", "featureId", "subscriptionId", "entitlementId", "invoiceId", "flowId", "meta",
    "usage", "usageFormat",
]
EXTRA_FIELDS = {"usage": "costInput.usage", "usageFormat": "costInput.usageFormat"}
# The event fields in the order of their mask bits.
BITS = [
    "keyUUID", "keyText", "name", "customer", "feature", "model", "provider", "occurredAt", "usageUnits", "cost",
    "revenue", "usage", "region", "tier", "extras",
]
NAMES = {
    "name": ("eventName", "eventNameScalars"),
    "customer": ("customerReferenceId", "customerReferenceScalars"),
    "feature": ("featureKey", "featureKeyScalars"),
    "model": ("costInput.model", "modelScalars"),
    "provider": ("costInput.modelProvider", "modelProviderScalars"),
    "region": ("costInput.region", "regionScalars"),
}
CUSTOMER_OPERATIONS = {1: "register", 2: "change"}
CUSTOMER_FIELDS = ["customerReferenceId", "email", "firstName", "lastName", "phoneNumber"]
CUSTOMER_OUTCOMES = {1: "created", 2: "updated", 3: "conflict", 4: "not_found", 5: "validation_failed"}
LIMIT_IDS = {
    1: "framePayloadBytes", 2: "frameEvents", 3: "frameStrings", 4: "eventNameScalars", 5: "idempotencyKeyScalars",
    6: "customerReferenceScalars", 7: "featureKeyScalars", 8: "modelScalars", 9: "modelProviderScalars",
    10: "regionScalars", 11: "flowIdScalars", 12: "identifierScalars", 13: "metaBytes", 14: "usageObjectBytes",
    15: "usageLines", 16: "customerFieldScalars", 17: "emailScalars", 18: "pingBytes", 19: "idleSeconds",
}


def read_limits():
    """The values of protocol/limits.md."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", (PROTOCOL / "limits.md").read_text(), re.M)
    return {name: int(value.replace(",", "")) for name, value in rows}


LIMITS = read_limits()


class Refused(Exception):
    """The frame is not acceptable; the argument is the error code's name."""


def code_of(table, name):
    """A code from its name, or the number itself where a vector needs one that has no name."""
    if isinstance(name, int):
        return name
    if isinstance(table, list):
        return table.index(name)
    return next(code for code, known in table.items() if known == name)


def name_of(table, code):
    if isinstance(table, list):
        return table[code] if 0 <= code < len(table) and table[code] is not None else code
    return table.get(code, code)


def text_out(raw):
    """Bytes as JSON: a string where they are UTF-8, else {"hex": …}."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"hex": raw.hex()}


def text_in(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode("utf-8")


# Writing


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return varint(((value << 1) ^ (value >> 63)) & (U64 - 1))


def prefixed(raw):
    return varint(len(raw)) + raw


def quantity(text):
    """Decimal text with up to six places to a quantity."""
    whole, _, fraction = text.partition(".")
    millionths = int(whole) * 10**6 + int((fraction + "000000")[:6])
    return varint(millionths // 10**6 << 1 if millionths % 10**6 == 0 else millionths << 1 | 1)


# Reading


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left:
            raise Refused("malformed_frame")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.take(1)[0]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= U64 or (byte == 0 and shift > 0):
                    raise Refused("malformed_frame")
                return value
            shift += 7
            if shift > 63:
                raise Refused("malformed_frame")

    def zigzag(self):
        raw = self.varint()
        return raw >> 1 ^ -(raw & 1)

    def prefixed(self):
        return self.take(self.varint())

    def quantity(self):
        """Millionths; may be beyond the range."""
        raw = self.varint()
        if raw & 1 == 0:
            return (raw >> 1) * 10**6
        if (raw >> 1) % 10**6 == 0:
            raise Refused("malformed_frame")
        return raw >> 1

    def end(self):
        if self.left:
            raise Refused("malformed_frame")


def decimal(millionths):
    whole, rest = divmod(millionths, 10**6)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


# What text may be


def scalars(raw):
    return sum(byte & 0xC0 != 0x80 for byte in raw)


def is_clean(raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(ord(c) >= 0x20 and ord(c) != 0x7F for c in text)


def is_blank(raw):
    return raw.strip(b" ") == b""


def is_uuid(raw):
    return re.fullmatch(rb"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", raw) is not None


def is_object(raw):
    def pairs(items):
        return items

    def constant(name):
        raise ValueError(name)

    def depth(value):
        if isinstance(value, dict):
            return 1 + max((depth(v) for v in value.values()), default=0)
        if isinstance(value, list):
            return 1 + max((depth(v) for v in value), default=0)
        return 0

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=constant)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and depth(value) <= LIMITS["jsonDepth"]


class Verdict:
    """The outcome of an event: the first line of the ladder, then the lowest field code."""

    def __init__(self):
        self.reasons = []

    def refuse(self, outcome, field):
        self.reasons.append((OUTCOMES.index(outcome), FIELDS.index(field)))

    def result(self):
        if not self.reasons:
            return {}
        outcome, field = min(self.reasons)
        return {"outcome": OUTCOMES[outcome], "field": FIELDS[field]}


# The payloads


def decode_hello(reader):
    frame = {"lowest": reader.number("H"), "highest": reader.number("H"), "capabilities": reader.number("I")}
    key, name = reader.prefixed(), reader.prefixed()
    if len(key) > LIMITS["helloKeyBytes"] or len(name) > LIMITS["helloNameBytes"] or not is_clean(name):
        raise Refused("malformed_frame")
    frame |= {"key": text_out(key), "name": text_out(name)}
    if reader.left:
        frame["more"] = reader.take(reader.left).hex()
    return frame


def encode_hello(frame):
    head = struct.pack("<HHI", frame["lowest"], frame["highest"], frame["capabilities"])
    return head + prefixed(text_in(frame["key"])) + prefixed(text_in(frame["name"])) + bytes.fromhex(frame.get("more", ""))


def decode_hello_reply(reader):
    frame = {
        "version": reader.number("H"), "capabilities": reader.number("I"), "principal": reader.byte(),
        "scopes": reader.byte(), "server": text_out(reader.prefixed()),
    }
    frame["limits"] = {str(name_of(LIMIT_IDS, reader.byte())): reader.varint() for _ in range(reader.varint())}
    if reader.left:
        frame["more"] = reader.take(reader.left).hex()
    return frame


def encode_hello_reply(frame):
    out = struct.pack("<HIBB", frame["version"], frame["capabilities"], frame["principal"], frame["scopes"])
    out += prefixed(text_in(frame["server"])) + varint(len(frame["limits"]))
    for name, value in frame["limits"].items():
        out += bytes([int(name) if name.isdigit() else code_of(LIMIT_IDS, name)]) + varint(value)
    return out + bytes.fromhex(frame.get("more", ""))


def decode_events(reader):
    if reader.byte() != 1:
        raise Refused("malformed_frame")
    count = reader.varint()
    if count > LIMITS["frameStrings"]:
        raise Refused("malformed_frame")
    strings = [reader.prefixed() for _ in range(count)]
    frame = {"strings": [text_out(s) for s in strings], "baseTime": reader.number("q")}
    count = reader.varint()
    if not 1 <= count <= LIMITS["frameEvents"]:
        raise Refused("malformed_frame")
    frame["events"] = [decode_record(Reader(reader.prefixed()), strings, frame["baseTime"]) for _ in range(count)]
    reader.end()
    return frame


def encode_events(frame):
    out = b"\x01" + varint(len(frame["strings"]))
    for text in frame["strings"]:
        out += prefixed(text_in(text))
    out += struct.pack("<q", frame["baseTime"]) + varint(len(frame["events"]))
    for event in frame["events"]:
        out += prefixed(encode_record(event))
    return out


def decode_record(reader, strings, base):
    mask = reader.varint()
    if mask >= 1 << len(BITS):
        return {"mask": mask, "rest": reader.take(reader.left).hex(), "outcome": "malformed", "field": "event"}
    verdict = Verdict()
    event = {}
    for bit, field in enumerate(BITS):
        if mask >> bit & 1:
            event[field] = decode_field(field, reader, strings, base, verdict)
    reader.end()
    if "name" not in event:
        verdict.refuse("field_missing", "eventName")
    if "keyUUID" in event and "keyText" in event:
        verdict.refuse("field_invalid", "eventIdempotencyKey")
    return event | verdict.result()


def decode_field(field, reader, strings, base, verdict):
    if field == "keyUUID":
        return str(uuid.UUID(bytes=reader.take(16)))
    if field == "keyText":
        key = reader.prefixed()
        if not is_clean(key) or is_blank(key):
            verdict.refuse("field_invalid", "eventIdempotencyKey")
        if scalars(key) > LIMITS["idempotencyKeyScalars"]:
            verdict.refuse("field_too_long", "eventIdempotencyKey")
        return text_out(key)
    if field in NAMES:
        index = reader.varint()
        if not 1 <= index <= len(strings):
            raise Refused("malformed_frame")
        path, limit = NAMES[field]
        text = strings[index - 1]
        if not is_clean(text) or (not text and field != "name"):
            verdict.refuse("field_invalid", path)
        if scalars(text) > LIMITS[limit]:
            verdict.refuse("field_too_long", path)
        return index
    if field == "occurredAt":
        delta = reader.zigzag()
        if not 0 <= base + delta < YEAR_2200:
            verdict.refuse("field_invalid", "occurredAt")
        return delta
    if field == "usageUnits":
        return decode_quantity(reader, "usageUnits", verdict)
    if field in ("cost", "revenue"):
        amount = reader.varint()
        if amount > INT64_MAX:
            verdict.refuse("amount_out_of_range", field + "Amount")
        return amount
    if field == "usage":
        return decode_usage(reader, verdict)
    if field == "tier":
        tier = reader.byte()
        if tier >= len(TIERS):
            verdict.refuse("field_invalid", "costInput.serviceTier")
        return name_of(TIERS, tier)
    return decode_extras(Reader(reader.prefixed()), verdict)


def decode_quantity(reader, path, verdict):
    millionths = reader.quantity()
    if millionths > INT64_MAX:
        verdict.refuse("amount_out_of_range", path)
    return decimal(millionths)


def decode_usage(reader, verdict):
    lines = []
    last = 0
    count = reader.byte()
    if count > LIMITS["usageLines"]:
        verdict.refuse("field_invalid", "costInput.usage")
    for _ in range(count):
        kind = reader.byte()
        if kind not in KINDS or kind <= last:
            verdict.refuse("field_invalid", "costInput.usage")
        if kind in KINDS:
            last = kind
        lines.append([name_of(KINDS, kind), decode_quantity(reader, KIND_FIELDS.get(kind, "costInput.usage"), verdict)])
    return lines


def decode_extras(reader, verdict):
    extras = []
    last = 0
    while reader.left:
        tag, value = reader.byte(), reader.prefixed()
        name = name_of(EXTRAS, tag)
        extras.append([name, text_out(value)])
        if isinstance(name, int):
            verdict.refuse("malformed", "event")
            continue
        path = EXTRA_FIELDS.get(name, name)
        if tag <= last:
            verdict.refuse("field_invalid", path)
        last = tag
        if name in ("meta", "usage"):
            if len(value) > LIMITS["metaBytes" if name == "meta" else "usageObjectBytes"]:
                verdict.refuse("field_too_long", path)
            elif not is_object(value):
                verdict.refuse("field_invalid", path)
        elif name in ("stripeCustomerId", "flowId", "usageFormat"):
            if scalars(value) > LIMITS["flowIdScalars" if name == "flowId" else "identifierScalars"]:
                verdict.refuse("field_too_long", path)
            if not value or not is_clean(value):
                verdict.refuse("field_invalid", path)
        elif not is_uuid(value):
            verdict.refuse("field_invalid", path)
    return extras


def encode_record(event):
    if "mask" in event:
        return varint(event["mask"]) + bytes.fromhex(event["rest"])
    mask = sum(1 << bit for bit, field in enumerate(BITS) if field in event)
    return varint(mask) + b"".join(encode_field(field, event[field]) for field in BITS if field in event)


def encode_field(field, value):
    if field == "keyUUID":
        return uuid.UUID(value).bytes
    if field == "keyText":
        return prefixed(text_in(value))
    if field in NAMES or field in ("cost", "revenue"):
        return varint(value)
    if field == "occurredAt":
        return zigzag(value)
    if field == "usageUnits":
        return quantity(value)
    if field == "usage":
        return bytes([len(value)]) + b"".join(bytes([code_of(KINDS, kind)]) + quantity(amount) for kind, amount in value)
    if field == "tier":
        return bytes([code_of(TIERS, value)])
    return prefixed(b"".join(bytes([code_of(EXTRAS, tag)]) + prefixed(text_in(text)) for tag, text in value))


def decode_events_reply(reader, flags):
    frame = {
        "recorded": reader.number("I"), "duplicates": reader.number("I"), "rejected": reader.number("I"),
        "firstSequence": reader.number("Q"),
    }
    results = []
    total = frame["recorded"] + frame["duplicates"] + frame["rejected"]
    after = -1
    for _ in range(reader.number("I")):
        index, outcome, field, parts = reader.varint(), reader.byte(), reader.byte(), reader.byte()
        if outcome >= len(OUTCOMES) or field >= len(FIELDS) or parts > 15 or not after < index < total:
            raise Refused("malformed_frame")
        after = index
        result = {"index": index, "outcome": OUTCOMES[outcome], "field": FIELDS[field]}
        if parts & 1:
            result["sequence"] = reader.varint()
        if parts & 2:
            result["occurredAt"] = reader.number("q")
        if parts & 4:
            result["cost"] = reader.zigzag()
        if parts & 8:
            result["revenue"] = reader.zigzag()
        results.append(result)
    reader.end()
    listed = [r["outcome"] for r in results]
    duplicates = listed.count("duplicate") + listed.count("conflict")
    recorded = listed.count("recorded")
    if duplicates != frame["duplicates"] or len(listed) - duplicates - recorded != frame["rejected"]:
        raise Refused("malformed_frame")
    if recorded > frame["recorded"] or (flags & 1 and recorded != frame["recorded"]):
        raise Refused("malformed_frame")
    return frame | {"results": results}


def encode_events_reply(frame):
    out = struct.pack("<IIIQ", frame["recorded"], frame["duplicates"], frame["rejected"], frame["firstSequence"])
    out += struct.pack("<I", len(frame["results"]))
    for result in frame["results"]:
        parts = [key in result for key in ("sequence", "occurredAt", "cost", "revenue")]
        out += varint(result["index"]) + bytes([OUTCOMES.index(result["outcome"]), FIELDS.index(result["field"])])
        out += bytes([sum(1 << bit for bit, there in enumerate(parts) if there)])
        if parts[0]:
            out += varint(result["sequence"])
        if parts[1]:
            out += struct.pack("<q", result["occurredAt"])
        if parts[2]:
            out += zigzag(result["cost"])
        if parts[3]:
            out += zigzag(result["revenue"])
    return out


def decode_customer(reader):
    operation, mask = reader.byte(), reader.varint()
    if operation not in CUSTOMER_OPERATIONS or mask >= 1 << len(CUSTOMER_FIELDS):
        raise Refused("malformed_frame")
    frame = {"operation": CUSTOMER_OPERATIONS[operation]}
    wrong = []
    for bit, field in enumerate(CUSTOMER_FIELDS):
        if mask >> bit & 1:
            raw = reader.prefixed()
            limit = {"customerReferenceId": "customerReferenceScalars", "email": "emailScalars"}.get(field, "customerFieldScalars")
            blank = field in ("email", "customerReferenceId") and is_blank(raw)
            if not is_clean(raw) or scalars(raw) > LIMITS[limit] or blank:
                wrong.append(field)
            frame[field] = text_out(raw)
    reader.end()
    required = "email" if frame["operation"] == "register" else "customerReferenceId"
    if not wrong and required not in frame:
        wrong.append(required)
    return frame | ({"invalid": wrong[0]} if wrong else {})


def encode_customer(frame):
    mask = sum(1 << bit for bit, field in enumerate(CUSTOMER_FIELDS) if field in frame)
    out = bytes([code_of(CUSTOMER_OPERATIONS, frame["operation"])]) + varint(mask)
    return out + b"".join(prefixed(text_in(frame[field])) for field in CUSTOMER_FIELDS if field in frame)


def decode_customer_reply(reader):
    outcome, field = reader.byte(), reader.byte()
    reader.end()
    if outcome not in CUSTOMER_OUTCOMES or field > len(CUSTOMER_FIELDS):
        raise Refused("malformed_frame")
    return {"outcome": CUSTOMER_OUTCOMES[outcome], "field": CUSTOMER_FIELDS[field - 1] if field else "customer"}


def encode_customer_reply(frame):
    field = 0 if frame["field"] == "customer" else CUSTOMER_FIELDS.index(frame["field"]) + 1
    return bytes([code_of(CUSTOMER_OUTCOMES, frame["outcome"]), field])


def decode_error(reader):
    frame = {"code": name_of(ERRORS, reader.number("H")), "retryAfterMilliseconds": reader.number("I")}
    frame["message"] = text_out(reader.prefixed())
    if reader.left:
        frame["more"] = reader.take(reader.left).hex()
    return frame


def encode_error(frame):
    head = struct.pack("<HI", code_of(ERRORS, frame["code"]), frame["retryAfterMilliseconds"])
    return head + prefixed(text_in(frame["message"])) + bytes.fromhex(frame.get("more", ""))


def decode_payload(name, payload, flags):
    reader = Reader(payload)
    if name in ("ping", "pong"):
        if len(payload) > LIMITS["pingBytes"]:
            raise Refused("malformed_frame")
        return {"payload": payload.hex()}
    if name == "eventsReply":
        return decode_events_reply(reader, flags)
    return {
        "hello": decode_hello, "helloReply": decode_hello_reply, "events": decode_events, "customer": decode_customer,
        "customerReply": decode_customer_reply, "error": decode_error,
    }[name](reader)


def encode_payload(name, frame):
    if name in ("ping", "pong"):
        return bytes.fromhex(frame["payload"])
    return {
        "hello": encode_hello, "helloReply": encode_hello_reply, "events": encode_events, "eventsReply": encode_events_reply,
        "customer": encode_customer, "customerReply": encode_customer_reply, "error": encode_error,
    }[name](frame)


# Streams of frames


def decode_stream(data, limit=None):
    """The frames of a stream; raises `Refused` at the first that is not acceptable or not known, or at a cut-short end."""
    limit = LIMITS["framePayloadBytes"] if limit is None else limit
    frames = []
    at = 0
    while at < len(data):
        if data[at] != MAGIC:
            raise Refused("malformed_frame")
        if len(data) - at < HEADER.size:
            raise Refused("cut_short")
        _, code, flags, length, request = HEADER.unpack_from(data, at)
        name = TYPES.get(code)
        if name and flags & ~KNOWN_FLAGS.get(name, 0):
            raise Refused("malformed_frame")
        if length > limit:
            raise Refused("frame_too_large")
        payload = data[at + HEADER.size : at + HEADER.size + length]
        if len(payload) < length:
            raise Refused("cut_short")
        if not name:
            raise Refused("unknown_type")
        frames.append({"type": name, "flags": flags, "requestId": request} | decode_payload(name, payload, flags))
        at += HEADER.size + length
    return frames


def encode_stream(frames):
    out = b""
    for frame in frames:
        payload = encode_payload(frame["type"], frame)
        out += HEADER.pack(MAGIC, TYPE_CODES[frame["type"]], frame["flags"], len(payload), frame["requestId"]) + payload
    return out


def check(vector):
    """What is wrong with a vector; None when nothing is."""
    data = bytes.fromhex(vector["hex"])
    limit = LIMITS["helloBytes"] if vector.get("beforeHello") else None
    try:
        frames = decode_stream(data, limit)
    except Refused as refusal:
        if str(refusal) != vector.get("error"):
            return f"refused with {refusal}, not {vector.get('error')}"
        return None
    if "error" in vector:
        return f"accepted, not refused with {vector['error']}"
    if frames != vector["frames"]:
        return f"decoded as {json.dumps(frames)}"
    again = encode_stream(vector["frames"])
    if again != data:
        return f"encoded as {again.hex()}"
    return None


def main(arguments):
    if arguments[:1] == ["decode"] and len(arguments) == 2:
        print(json.dumps(decode_stream(bytes.fromhex(arguments[1])), indent=2, ensure_ascii=False))
        return 0
    if arguments == ["encode"]:
        print(encode_stream(json.load(sys.stdin)).hex())
        return 0
    if arguments != ["check"]:
        print(__doc__, file=sys.stderr)
        return 2
    count = failures = 0
    for path in sorted((PROTOCOL / "vectors").glob("frames-*.json")):
        for vector in json.loads(path.read_text())["vectors"]:
            count += 1
            wrong = check(vector)
            if wrong:
                failures += 1
                print(f"{path.name}: {vector['name']}: {wrong}", file=sys.stderr)
    print(f"{count} vectors, {failures} failures")
    return 1 if failures or count == 0 else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
