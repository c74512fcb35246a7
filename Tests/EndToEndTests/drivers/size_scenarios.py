"""Sizes: eight steps to each side of every limit, and what has no end, with an eye on the daemon's memory.

At a limit a request is taken and the connection goes on in order, also after a full-sized one; one step beyond it is refused
with the code of limits.md. Floods are sent until the daemon refuses them; its memory may grow by no more than `BUDGET`.
"""

import struct
import threading

import frames
from harness import Raw, encode
from http_scenarios import recorded
from wire_scenarios import EVENTS, Wire, replies

BUDGET = 24 << 20
AROUND = (-8, -1, 0, 1, 8)


def limits_of_the_page():
    """Name and value of every limit, from protocol/limits.md."""
    import re

    from harness import ROOT

    text = (ROOT / "protocol" / "limits.md").read_text()
    return {m[1]: int(m[2]) for m in re.finditer(r"^\| `(\w+)` \| (\d+) \|", text, re.M)}


def around_every_limit(case):
    """Each size of a request at its limit, up to eight less and up to eight more."""
    daemon = case.daemon()
    limit = limits_of_the_page()
    event = b'{"eventName":"size"}'
    post = f"POST {EVENTS} HTTP/1.1\r\nHost: h\r\n".encode()
    length = b"Content-Length: %d\r\n"
    small = post + length % len(event) + b"\r\n" + event

    def padded(total, before, after, fill=b"x"):
        return before + fill * (total - len(before) - len(after)) + after

    def head_size(total):
        return padded(total, post + length % len(event) + b"X: ", b"\r\n\r\n") + event

    def fields(count):
        return post + length % len(event) + b"".join(b"F%d: x\r\n" % i for i in range(count - 2)) + b"\r\n" + event

    def target(total):
        # A path that does not exist: what is asked is whether it is read.
        return b"GET " + padded(total, b"/", b"") + b" HTTP/1.1\r\nHost: h\r\n\r\n"

    def chunk_line(total):
        size = b"%x;" % len(event)
        return post + b"Transfer-Encoding: chunked\r\n\r\n" + padded(total, size, b"") + b"\r\n" + event + b"\r\n0\r\n\r\n"

    def trailer(total):
        chunk = b"%x\r\n%s\r\n0\r\n" % (len(event), event)
        # The empty line behind the fields is not counted.
        return post + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + padded(total, b"T: ", b"\r\n") + b"\r\n"

    def body(total):
        return post + length % total + b"\r\n" + padded(total, event, b"", b" ")

    def chunked_body(total):
        data = padded(total, event, b"", b"\n")
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (data[i : i + 65_521] for i in range(0, total, 65_521)))
        return post + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"

    for name, make, most, accepted, refused in (
        ("httpHeadBytes", head_size, None, 201, 431),
        ("httpHeaders", fields, None, 201, 431),
        ("httpTargetBytes", target, None, 404, 414),
        ("httpChunkLineBytes", chunk_line, None, 201, 400),
        ("httpTrailerBytes", trailer, None, 201, 431),
        ("httpBodyBytes", body, None, 201, 413),
        ("httpBodyBytes", chunked_body, None, 201, 413),
    ):
        for difference in range(-8, 9) if limit[name] < 100_000 else AROUND:
            request = make(limit[name] + difference)
            # Whole, and in two pieces that part inside what is counted.
            for pieces in ([request], [request[: len(request) // 2], request[len(request) // 2 :]]):
                what = f"{name} {difference:+} in {len(pieces)}"
                wire = Wire(daemon)
                for piece in pieces:
                    wire.send(piece)
                if difference > 0:
                    answer = replies(wire.until(lambda _: False))
                    case.equal([(r[0], r[1].get("connection")) for r in answer], [(refused, "close")], what)
                    case.expect(wire.ended and not wire.reset, f"{what}: the connection must end")
                else:
                    # The buffers that held it serve the next one.
                    wire.send(small)
                    answer = replies(wire.until(lambda data: data.count(b"HTTP/1.1 ") == 2 and data.endswith(b"}")))
                    case.equal([r[0] for r in answer], [accepted, 201], what)
                wire.close()
    # Fields of an event, in characters of one, two, three and four bytes.
    connection = daemon.connect(unix=True)

    def ask(path, body, status, what):
        connection.request("POST", path, body)
        reply = connection.response("POST", path)
        case.equal(reply.status, status, f"{what}: {reply}")

    for field, name in {
        "eventName": "eventNameScalars",
        "eventIdempotencyKey": "idempotencyKeyScalars",
        "customerReferenceId": "customerReferenceScalars",
        "featureKey": "featureKeyScalars",
        "flowId": "flowIdScalars",
        "stripeCustomerId": "identifierScalars",
        "model": "modelScalars",
        "modelProvider": "modelProviderScalars",
        "region": "regionScalars",
    }.items():
        for character in ("a", "\u00e9", "\u20ac", "\U0001f600"):
            for difference in range(-8, 9):
                text = character * (limit[name] + difference)
                event = {"eventName": "e", field: text}
                if field in ("model", "modelProvider", "region"):
                    event = {"eventName": "e", "costInput": {field: text}}
                if field == "eventIdempotencyKey":
                    event[field] = f"{difference + 10:02}" + text[2:]
                    status = 201 if difference <= 0 else 400
                else:
                    status = 201 if difference <= 0 else 400
                ask(EVENTS, encode(event), status, f"{field} of {character!r} {difference:+}")
    for difference in AROUND:
        status = 201 if difference <= 0 else 400
        meta = '{"a":"' + "x" * (limit["metaBytes"] + difference - 8) + '"}'
        ask(EVENTS, '{"eventName":"e","meta":' + meta + "}", status, f"metaBytes {difference:+}")
        usage = '{"prompt_tokens":1,"a":"' + "x" * (limit["usageObjectBytes"] + difference - 26) + '"}'
        ask(EVENTS, '{"eventName":"e","costInput":{"usage":' + usage + "}}", status, f"usageObjectBytes {difference:+}")
        depth = limit["jsonDepth"] + difference
        ask(EVENTS, '{"eventName":"e","a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}", status, f"jsonDepth {difference:+}")
        values = limit["jsonValues"] + difference
        # The object, the name and the array are values too.
        array = "[" + ",".join(["1"] * (values - 3)) + "]"
        ask(EVENTS, '{"eventName":"e","a":' + array + "}", status, f"jsonValues {difference:+}")
        unknown = {f"u{i}": i for i in range(limit["jsonUnknownFields"] + difference)}
        ask(EVENTS, encode({"eventName": "e", **unknown}), status, f"jsonUnknownFields {difference:+}")
        count = limit["batchEvents"] + difference
        ask(
            EVENTS + "/batch",
            "[" + ",".join(['{"eventName":"e"}'] * count) + "]",
            200 if difference <= 0 else 413,
            f"batch {difference:+}",
        )
        reason = encode({"reason": "r" * (limit["reasonScalars"] + difference)})
        ask(EVENTS + "/none/void", reason, 404 if difference <= 0 else 400, f"reasonScalars {difference:+}")
        for field, name in {"email": "emailScalars", "firstName": "customerFieldScalars"}.items():
            customer = {"email": "a@b", "customerReferenceId": f"{field}{difference}", field: "x" * (limit[name] + difference)}
            ask("/api/v1/client/customers", encode(customer), status, f"{name} {difference:+}")
    connection.close()
    # Frames.
    for name, make in (
        ("framePayloadBytes", lambda size: frames.frame(frames.EVENTS, 2, b"\0" * size)),
        ("pingBytes", lambda size: frames.frame(frames.PING, 2, b"p" * size)),
    ):
        for difference in AROUND:
            client = frames.Client(daemon)
            try:
                client.send(make(limit[name] + difference))
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = client.answer()
            if name == "framePayloadBytes":
                wanted = "frame_too_large" if difference > 0 else "malformed_frame"
                case.equal((answer.kind, answer.error), (frames.ERROR, wanted), f"{name} {difference:+}")
            elif difference > 0:
                case.equal((answer.kind, answer.error), (frames.ERROR, "malformed_frame"), f"{name} {difference:+}")
            else:
                case.equal(answer.kind, frames.PONG, f"{name} {difference:+}")
            client.close()
    for name, make in (
        ("helloKeyBytes", lambda size: frames.hello(key="k" * size)),
        ("helloNameBytes", lambda size: frames.hello(name="n" * size)),
    ):
        for difference in AROUND:
            client = frames.Client(daemon, greet=False)
            client.send(make(limit[name] + difference))
            answer = client.answer()
            if name == "helloNameBytes" and difference <= 0:
                case.equal(answer.kind, frames.HELLO_REPLY, f"{name} {difference:+}")
            else:
                wanted = "unauthorized" if difference <= 0 else "malformed_frame"
                case.equal((answer.kind, answer.error), (frames.ERROR, wanted), f"{name} {difference:+}")
            client.close()
    case.equal(daemon.call("GET", "/healthz").status, 200, "the daemon is well")


def without_end(case):
    """Heads, bodies and frames that do not end, in pieces too small to matter or too large to keep."""
    daemon = case.daemon()
    # What a busy daemon holds anyway: the one reader of JSON, after one body of the largest size with as much in it as may be.
    for body in ('{"a":"' + "\\n" * 2_090_000 + '"}', "[" + "[]," * 1_300_000 + "[]]"):
        daemon.call("POST", EVENTS, body)
    daemon.call("POST", EVENTS + "/batch", [{"eventName": "warm"} for _ in range(5000)])
    before, start = recorded(daemon), daemon.rss
    post = f"POST {EVENTS} HTTP/1.1\r\nHost: h\r\n".encode()
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    most = start

    def watch():
        nonlocal most
        most = max(most, daemon.rss)

    def flood(what, head, piece, times, statuses, tail=b""):
        """Sends until it is refused; the daemon must answer with one of `statuses`, once, and end the connection."""
        wire = Wire(daemon)
        wire.send(head)
        sent = 0
        for _ in range(times):
            try:
                wire.socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
            sent += len(piece)
            if sent & 0xFFFFF < len(piece):
                watch()
        wire.send(tail)
        watch()
        answer = replies(wire.until(lambda _: False))
        case.expect(len(answer) <= 1 and all(r[0] in statuses for r in answer), f"{what}: {answer}")
        # A peer that goes on sending for long after its answer may have that answer reset on the way.
        case.expect(answer or wire.reset, f"{what}: neither answered nor reset")
        case.expect(wire.ended, f"{what}: the connection must end")
        wire.close()
        case.equal(daemon.call("GET", "/healthz").status, 200, f"a stranger after {what}")

    megabyte = b"x" * (1 << 20)
    flood("a million tiny fields", post, b"a: b\r\n" * 10_000, 100, (431,))
    flood("a field of a gigabyte", post + b"X: ", megabyte, 1024, (431,))
    flood("a name of a gigabyte", post, megabyte, 1024, (431,))
    flood("a target of a gigabyte", b"GET /", megabyte, 1024, (414,))
    flood("a method of a gigabyte", b"", megabyte, 1024, (400,))
    flood("a million empty lines", b"", b"\r\n" * 10_000, 100, (400,))
    flood("a body of a gigabyte", chunked, b"100000\r\n" + megabyte + b"\r\n", 1024, (413,))
    flood("a million last chunks", chunked, b"0\r\n" * 10_000, 100, (400,))
    flood("a chunk extension of 64 KiB", chunked, b"1;" + b"x" * 65_536 + b"\r\nx\r\n", 1, (400,))
    flood("a million chunks with extensions", chunked, b"1;abcdefgh=ij\r\nx\r\n" * 1000, 1000, (413,))
    flood("a million trailers", chunked + b"0\r\n", b"a: b\r\n" * 10_000, 100, (431,))
    # A million chunks of one byte are a body like any other.
    event = b'{"eventName":"in a million"}'
    wire = Wire(daemon)
    wire.send(
        chunked + b"1\r\n \r\n" * (1_000_000 - len(event)) + b"".join(b"1\r\n%c\r\n" % byte for byte in event) + b"0\r\n\r\n"
    )
    watch()
    answer = replies(wire.until(lambda data: data.endswith(b"}")))
    case.equal([r[0] for r in answer], [201], "a million chunks of one byte")
    wire.close()
    # JSON without end.
    for what, body in (
        ("arrays a million deep", "[" * 1_000_000),
        ("arrays a million deep, closed", "[" * 1_000_000 + "]" * 1_000_000),
        ("objects 600,000 deep", '{"a":' * 600_000),
        ("arrays a million deep in meta", '{"eventName":"e","meta":{"a":' + "[" * 1_000_000),
        ("as many keys as fit", "{" + ",".join(f'"{i:x}":0' for i in range(390_000)) + "}"),
        ("as many equal keys as fit", "{" + ",".join(['"":0'] * 800_000) + "}"),
        ("as many empty arrays as fit", "[" + ",".join(["[]"] * 1_300_000) + "]"),
        ("a string of four megabytes", '{"eventName":"' + "x" * 4_190_000 + '"}'),
        ("a key of four megabytes", '{"' + "x" * 4_190_000 + '":1,"eventName":5}'),
        ("a number of four megabytes", '{"eventName":"e","costAmount":' + "9" * 4_190_000 + "}"),
        ("four megabytes of escapes", '{"eventName":"' + "\\u0041" * 690_000 + '"}'),
    ):
        for path in (EVENTS, EVENTS + "/batch"):
            reply = daemon.call("POST", path, body)
            watch()
            whole = path.endswith("/batch") and reply.status == 413
            each = path.endswith("/batch") and reply.status == 200 and reply.data["recorded"] == 0
            case.expect(reply.status in (400, 422) or whole or each, f"{what} to {path}: {reply}")
    # Frames.
    for length in (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, (1 << 20) + 1):
        client = frames.Client(daemon)
        client.send(struct.pack("<BBHIQ", frames.MAGIC, frames.EVENTS, 0, length, 7))
        answer = client.answer()
        case.equal((answer.kind, answer.error), (frames.ERROR, "frame_too_large"), f"a frame of {length} bytes")
        case.expect(client.ended(), f"a frame of {length} bytes must end the connection")
        client.close()
    client = frames.Client(daemon, greet=False)
    client.send(struct.pack("<BBHIQ", frames.MAGIC, frames.HELLO, 0, 0xFFFFFFFF, 1))
    case.equal(client.answer().error, "frame_too_large", "a hello of 4 GiB")
    client.close()
    client = frames.Client(daemon, timeout=60)
    count, ping = 200_000, frames.frame(frames.PING, 3)
    sender = threading.Thread(target=lambda: [client.send(ping * 1000) for _ in range(count // 1000)])
    sender.start()
    for _ in range(count):
        if client.answer().kind != frames.PONG:
            case.expect(False, "a ping without a payload was not answered by a pong")
            break
    watch()
    sender.join()
    client.close()
    for kind in (frames.EVENTS, frames.CUSTOMER, frames.HELLO, 0x00, 0x7F, 0xFE):
        client = frames.Client(daemon, timeout=30)
        try:
            client.send(frames.frame(kind, 9) * 20_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = client.answer()
        case.expect(answer.kind == frames.ERROR, f"frames of type {kind:#x} without a payload: {answer}")
        client.close()
    case.equal(recorded(daemon) - before, 1, "events recorded")
    case.expect(most - start < BUDGET, f"memory grew by {(most - start) >> 10} KiB")
    case.equal(daemon.call("POST", EVENTS, {"eventName": "after", "costAmount": Raw("1")}).status, 201, "an event afterwards")


SCENARIOS = {"around_every_limit": around_every_limit, "without_end": without_end}
