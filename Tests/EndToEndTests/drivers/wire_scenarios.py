"""Bytes from outside against the real daemon: every vector of protocol/vectors, generated texts, sizes and floods.

The judge is simple on purpose: it counts replies. For one request there is one reply or a closed connection; what is
refused is refused with its code and the connection closed; what is accepted leaves the connection in order, so that the next
request on it gets its own answer; and after each case a stranger on a new connection is served.
"""

import json
import re
import socket
import time

import frames
from harness import ROOT, Failure, eventually
from http_scenarios import event, recorded
from network_scenarios import reset, sockets

EVENTS = "/api/v1/client/events"
CANARY = b"GET /nowhere-%d HTTP/1.1\r\nHost: canary\r\nX-Request-ID: canary-%d\r\n\r\n"


def vectors(name, key):
    with open(ROOT / "protocol" / "vectors" / name, encoding="utf-8") as file:
        return json.load(file)[key]


def raw(parts):
    """The bytes of a vector's text: characters are bytes, `repeat` stands there `times` times."""
    if isinstance(parts, str):
        return parts.encode("latin-1")
    return b"".join(p.encode("latin-1") if isinstance(p, str) else p["repeat"].encode("latin-1") * p["times"] for p in parts)


class Wire:
    """One bare connection: sends bytes, collects all that comes back until it ends or nothing comes any more."""

    def __init__(self, daemon, unix=True):
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.settimeout(20)
        self.socket.connect(str(daemon.socket) if unix else ("127.0.0.1", daemon.port))
        self.received = b""
        self.ended = False
        self.reset = False

    def send(self, data):
        """What the daemon takes: a refused request may be answered before it was sent."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def until(self, done, seconds=20):
        """Reads until `done(received)`, the end, or `seconds` are over."""
        end = time.monotonic() + seconds
        while not self.ended and not done(self.received):
            left = end - time.monotonic()
            if left <= 0:
                break
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                break
            except ConnectionResetError:
                self.reset = self.ended = True
                break
            if not data:
                self.ended = True
            self.received += data
        return self.received

    def close(self):
        self.socket.close()


def replies(data, methods=()):
    """The replies in `data`: (status, fields, body) each; fails where something else stands. HEAD's have no body."""
    found = []
    at = 0
    while at < len(data):
        end = data.find(b"\r\n\r\n", at)
        match = re.match(rb"HTTP/1\.1 (\d{3}) [ -~]*\r\n", data[at:])
        if end < 0 or not match:
            raise Failure(f"no reply: {data[at:at + 200]!r}")
        status = int(match.group(1))
        fields = {}
        # An interim reply has no fields.
        for line in filter(None, data[at + match.end() : end].split(b"\r\n")):
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[a-z-]+", name) or name in fields:
                raise Failure(f"not a field: {line!r}")
            fields[name.decode()] = value.strip().decode("latin-1")
        at = end + 4
        if status < 200:
            continue
        body = b""
        if status not in (204, 304) and (methods[len(found)] if len(found) < len(methods) else "GET") != "HEAD":
            length = int(fields["content-length"])
            body = data[at : at + length]
            if len(body) != length:
                raise Failure(f"a reply of {length} bytes has {len(body)}")
            at += length
        found.append((status, fields, body))
    return found


def served(case, daemon, what):
    """A stranger's request gets its own answer."""
    reply = daemon.call("GET", "/healthz", headers={"X-Request-ID": "stranger"}, key=None, unix=True)
    case.equal((reply.status, reply.header("x-request-id")), (200, "stranger"), f"a stranger after {what}")


def request_vectors(case):
    """Every request of the vectors, on the Unix socket where no key is asked for, and over TCP without one."""
    daemon = case.daemon()
    poison = b"GET /poison HTTP/1.1\r\nHost: h\r\nX-Request-ID: poison\r\n\r\n"
    counts = {"accept": 0, "refuse": 0, "wait": 0}
    for number, vector in enumerate(vectors("http-requests.json", "requests")):
        name, request, verdict = vector["name"], raw(vector["request"]), vector["verdict"]
        counts[verdict] += 1
        method = request.lstrip(b"\r\n").split(b" ")[0].decode("latin-1")
        for unix in (True, False):
            what = f"{name} ({'unix' if unix else 'tcp'})"
            wire = Wire(daemon, unix)
            try:
                if verdict == "refuse":
                    wire.send(request + poison)
                    answer = replies(wire.until(lambda _: False, 10), (method,))
                    case.expect(wire.ended and not wire.reset, f"{what}: the connection must end, without a reset")
                    # Without a key a body is not looked at, and so not found wrong.
                    statuses = [[vector["status"]]] if unix else [[vector["status"]], [401]]
                    case.expect([r[0] for r in answer] in statuses, f"{what}: {answer}, wanted {vector['status']}")
                    for status, fields, body in answer:
                        case.equal(fields.get("connection"), "close", f"{what}: connection")
                        case.expect((method == "HEAD" or b'"success":false' in body) and b"poison" not in body, f"{what}: {body!r}")
                elif verdict == "accept":
                    canary = CANARY % (number, number)
                    wire.send(request + canary)
                    mark = b'(errorId=canary-%d)","detail":null},"success":false}' % number
                    answer = replies(wire.until(lambda data: mark in data, 10), (method,))
                    # Over TCP a body on a path that asks for a key is not read.
                    unread = not unix and bool(
                        vector.get("body") or (b"chunked\r\n\r\n" in request and answer and answer[0][0] == 401)
                    )
                    closes = vector.get("closes") or unread
                    case.equal(len(answer), 1 if closes else 2, f"{what}: replies {answer}")
                    if answer:
                        case.equal(answer[0][1].get("connection") == "close", bool(closes), f"{what}: closes")
                        case.expect(answer[0][0] < 500, f"{what}: {answer[0]}")
                        case.expect(unix or answer[0][0] != 201, f"{what}: recorded without a key")
                    if len(answer) == 2:
                        case.equal(
                            answer[1][:1] + (answer[1][1]["x-request-id"],), (404, f"canary-{number}"), f"{what}: the canary"
                        )
                    if closes:
                        case.expect(wire.ended, f"{what}: the connection must end")
                else:
                    wire.send(request)
                    wire.socket.shutdown(socket.SHUT_WR)
                    answer = replies(wire.until(lambda _: False, 10))
                    case.expect(wire.ended, f"{what}: half a request must end with its sender")
                    case.expect(all(r[0] in (400, 401, 408) for r in answer) and len(answer) <= 1, f"{what}: {answer}")
            except Failure as failure:
                case.expect(False, f"{what}: {failure}")
            finally:
                wire.close()
        served(case, daemon, name)
    case.expect(counts["accept"] >= 140 and counts["refuse"] >= 450, f"the vectors are there: {counts}")
    case.expect(daemon.alive, "the daemon is alive")


def json_vectors(case):
    """Every JSON text of the vectors, as a value inside an event and alone, to every route that reads JSON."""
    daemon = case.daemon()
    texts = vectors("json-texts.json", "texts")
    connection = daemon.connect(unix=True)
    before = recorded(daemon)
    wanted = 0
    for vector in texts:
        name, text, accepted = vector["name"], raw(vector["text"]), vector["verdict"] == "accept"
        if not vector.get("alone"):
            for what, body, status in (
                ("an unknown field", b'{"eventName":"v","unknown":' + text + b"}", 201 if accepted else 400),
                ("meta", b'{"eventName":"v","meta":{"x":' + text + b"}}", 201 if accepted and "depth: 15" not in name else 400),
            ):
                connection.request("POST", EVENTS, body)
                reply = connection.response("POST", EVENTS)
                case.equal(reply.status, status, f"{name}, in {what}")
                case.expect(status == 201 or reply.code == "validation_failed", f"{name}, in {what}: {reply}")
                wanted += status == 201
        for path in (EVENTS, EVENTS + "/batch", *OTHERS):
            connection.request("POST", path, text)
            reply = connection.response("POST", path)
            case.expect(reply.status < 500, f"{name} to {path}: {reply}")
            if accepted or (not text and path in OTHERS):
                continue
            # What is no event, but an element of an array all the same, is rejected by itself.
            by_itself = (
                path.endswith("/batch") and reply.status == 200 and reply.data["recorded"] == 0 and reply.data["rejected"] > 0
            )
            case.expect(reply.status == 400 or by_itself, f"{name} to {path}: {reply}")
    case.equal(recorded(daemon) - before, wanted, "events recorded")
    case.expect(len(texts) >= 580 and wanted > 200, f"the vectors are there: {len(texts)}, {wanted}")
    connection.close()


OTHERS = [f"/api/v1/client/{name}" for name in ("customers", "keys", "prices", "reprices", "simulations")]

def peers_that_go_on_sending(case):
    """Whoever sends on while it is owed answers is read at intervals: what it does in between, all of it is answered."""
    daemon = case.daemon()

    def one(number):
        return {"eventName": "on", "eventIdempotencyKey": f"on-{number}", "costAmount": 1}

    def stream(client, first, count=300):
        """Frames of one event, some each millisecond."""
        for number in range(first, first + count):
            client.send(frames.events([one(number)], number))
            time.sleep(0.0003)

    def answers(client, first, count):
        for number in range(first, first + count):
            answer = client.answer()
            case.equal((answer.kind, answer.request), (frames.EVENTS_REPLY, number), "the answers, in order")

    client = frames.Client(daemon)
    stream(client, 1000)
    last = frames.events([one(1300)], 1300)
    client.send(last[:40])
    time.sleep(0.05)
    client.send(last[40:])
    answers(client, 1000, 301)
    stream(client, 2000)
    for number in range(50):
        client.send(frames.frame(frames.PING, 5000 + number, b"x"))
    answers(client, 2000, 300)
    for number in range(50):
        case.equal(client.answer().request, 5000 + number, "a ping behind events")
    stream(client, 3000)
    client.socket.shutdown(socket.SHUT_WR)
    answers(client, 3000, 300)
    case.expect(client.ended(), "its end was not noticed")
    # One that is gone in the middle, and one that breaks the rules.
    vanishing, broken = frames.Client(daemon, unix=False), frames.Client(daemon)
    stream(vanishing, 10000)
    reset(vanishing.socket)
    stream(broken, 20000)
    broken.send(b"\0" * 64)
    answers(broken, 20000, 300)
    case.equal(broken.answer().kind, frames.ERROR, "after what is no frame")
    case.expect(broken.ended(), "a broken connection goes on")
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "somebody else")
    eventually("their descriptors to be given back", lambda: sockets(daemon) <= 3)


SCENARIOS = {"request_vectors": request_vectors, "json_vectors": json_vectors, "sending_on": peers_that_go_on_sending}
