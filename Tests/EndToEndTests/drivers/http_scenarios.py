"""The HTTP face: keys, envelopes, limits, framing, replays. Everything here is one request at a time, byte by byte."""

import re
import time
import uuid

from harness import Closed, Raw, encode

EVENTS = "/api/v1/client/events"
BATCH = EVENTS + "/batch"
MARGINS = "/api/v1/client/margins"


def recorded(daemon):
    """Events in the books, by the books' own count."""
    page = daemon.call("GET", "/metrics").body.decode()
    return int(re.search(r'^purser_events_total\{outcome="recorded"\} (\d+)$', page, re.M).group(1))


def event(**fields):
    return {"eventName": "test.event", **fields}


def refused(case, reply, status, code, what):
    case.equal(reply.status, status, f"{what}: status")
    case.equal(reply.code, code, f"{what}: code")
    try:
        case.equal(reply.json.get("success"), False, f"{what}: success")
    except ValueError:
        case.expect(False, f"{what}: not JSON: {reply}")


def keys_and_scopes(case):
    daemon = case.daemon()
    key = daemon.key
    case.expect(re.fullmatch(r"sk_live_[0-9a-f]{32}", key), "the first key's form")
    case.equal((daemon.state / "api-key").stat().st_mode & 0o777, 0o600, "mode of the key's file")
    case.expect(key not in daemon.said(), "the key must not be in the log")
    case.expect("api-key" in daemon.said(), "the log says where the key is")
    unknown = "sk_live_" + "0" * 32
    for headers, use, status, message in (
        ({}, None, 401, "Authentication required"),
        ({"Authorization": "Bearer nonsense"}, None, 401, "Authentication required"),
        ({"Authorization": "Basic " + key}, None, 401, "Authentication required"),
        ({"Authorization": "Bearer " + unknown}, None, 401, "Invalid API key"),
        ({"X-API-Key": unknown}, None, 401, "Invalid API key"),
        ({"X-API-Key": key}, None, 201, None),
        ({"Authorization": "bearer " + key}, None, 201, None),
        ({"Authorization": "BEARER   " + key + "  "}, None, 201, None),
        ({"Authorization": "Bearer " + key[:-1]}, None, 401, "Invalid API key"),
        ({"Authorization": "Bearer " + key + "0"}, None, 401, "Invalid API key"),
        # A bearer wins, also when it is wrong.
        ({"Authorization": "Bearer " + unknown, "X-API-Key": key}, None, 401, "Invalid API key"),
        ({"Authorization": "Bearer " + key, "X-API-Key": unknown}, None, 201, None),
    ):
        reply = daemon.call("POST", EVENTS, event(), headers, key=use)
        case.equal(reply.status, status, f"{headers}")
        if status == 401:
            case.equal(reply.json, {"success": False, "error": {"code": "unauthorized", "message": message}}, f"{headers}")
    for path in ("/healthz", "/readyz", "/metrics"):
        case.equal(daemon.call("GET", path, key=None).status, 200, path)
    case.equal(daemon.call("GET", "/readyz", key=None).json, {"data": {"status": "ok"}, "success": True}, "/readyz")
    case.equal(daemon.call("GET", "/api/v1/client/margins?groupBy=customer", key=None).status, 401, "margins without a key")
    # On the Unix socket the socket's permissions decide; a wrong key is still wrong.
    case.equal(daemon.call("POST", EVENTS, event(), unix=True).status, 201, "Unix socket without a key")
    case.equal(daemon.call("POST", EVENTS, event(), unix=True, key=unknown).status, 401, "Unix socket with a wrong key")

    made = daemon.call("POST", "/api/v1/client/keys", {"name": "only ingest", "scopes": ["ingest"]})
    case.equal(made.status, 201, "making a key")
    ingest = made.data["apiKey"]
    case.equal(daemon.call("POST", EVENTS, event(), key=ingest).status, 201, "ingest with an ingest key")
    refused(case, daemon.call("GET", EVENTS, key=ingest), 403, "forbidden", "reading with an ingest key")
    refused(case, daemon.call("GET", "/api/v1/client/keys", key=ingest), 403, "forbidden", "keys with an ingest key")
    refused(case, daemon.call("POST", "/api/v1/client/keys", {"scopes": ["root"]}), 400, "validation_failed", "an unknown scope")
    least = daemon.call("POST", "/api/v1/client/keys", {})
    case.equal((least.status, least.data["scopes"]), (201, ["ingest"]), "a key without a word about its scopes")
    case.equal(daemon.call("DELETE", f"/api/v1/client/keys/{least.data['id']}").status, 200, "revoking that")
    listed = daemon.call("GET", "/api/v1/client/keys")
    case.expect(key not in listed.body.decode() and ingest not in listed.body.decode(), "keys are not listed in clear")
    case.equal(len(listed.data), 3, "keys listed")
    daemon = restart(case, daemon)
    case.equal(daemon.call("POST", EVENTS, event(), key=ingest).status, 201, "the new key after a restart")
    case.equal(daemon.call("DELETE", f"/api/v1/client/keys/{made.data['id']}").status, 200, "revoking")
    case.equal(daemon.call("POST", EVENTS, event(), key=ingest).status, 401, "a revoked key")
    refused(case, daemon.call("DELETE", "/api/v1/client/keys/99"), 404, "not_found", "revoking an unknown key")
    daemon = restart(case, daemon)
    case.equal(daemon.call("POST", EVENTS, event(), key=ingest).status, 401, "a revoked key after a restart")
    case.equal(daemon.call("POST", EVENTS, event(), key=key).status, 201, "the first key after restarts")
    for path in daemon.state.rglob("*"):
        if path.is_file() and path.name != "api-key":
            data = path.read_bytes()
            case.expect(key.encode() not in data and ingest.encode() not in data, f"a key is in clear in {path.name}")


def restart(case, daemon):
    case.equal(daemon.stop(), 0, "exit status after SIGTERM")
    return daemon.again()


def paths_and_methods(case):
    daemon = case.daemon()
    for path in (
        "/nothing",
        "/dashboard",
        "/dashboard/",
        "/assets/",
        "/api",
        "/api/v1/client",
        "/api/v1/client/",
        "/api/v1/client/eventz",
        "/api/v1/client/events/a/b",
        "/api/v1/client/customers/a/keys/b",
        "/healthz/",
        "/api/v2/client/events",
        "/..",
        "/api/v1/client/%2e%2e/events",
        "//healthz",
        "/HEALTHZ",
    ):
        refused(case, daemon.call("GET", path), 404, "not_found", f"GET {path}")
    for method, path, allowed in (
        ("PUT", EVENTS, "GET POST"),
        ("DELETE", EVENTS, "GET POST"),
        ("GET", BATCH, "POST"),
        ("PATCH", EVENTS, "GET POST"),
        ("POST", "/healthz", "GET"),
        ("POST", "/api/v1/client/margins", "GET"),
        ("BREW", EVENTS, "GET POST"),
        ("DELETE", "/api/v1/client/customers/x", "GET PATCH"),
        ("GET", "/api/v1/client/keys/1", "DELETE"),
    ):
        reply = daemon.call(method, path)
        case.equal(reply.status, 405, f"{method} {path}")
        case.equal(reply.code, "method_not_allowed", f"{method} {path}")
        named = set(re.split(r",\s*", reply.header("allow") or ""))
        case.expect(set(allowed.split()) <= named and method not in named, f"{method} {path}: Allow names {named}")
    # HEAD is GET without its body; the connection goes on.
    connection = daemon.connect()
    for path in ("/healthz", "/metrics", "/api/v1/client/margins?groupBy=customer", EVENTS, "/nowhere"):
        connection.request("HEAD", path)
        head = connection.response("HEAD")
        connection.request("GET", path)
        get = connection.response("GET")
        case.equal(head.status, get.status, f"HEAD {path}")
        case.equal(head.header("content-type"), get.header("content-type"), f"HEAD {path}: type")
        case.expect(not connection.buffer, f"HEAD {path} has a body")
    connection.close()
    for type_, status in (
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("Application/JSON", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("application/x-ndjson", 415),
        ("multipart/form-data; boundary=x", 415),
    ):
        reply = daemon.call("POST", EVENTS, encode(event()), {"Content-Type": type_})
        case.equal(reply.status, status, f"content type {type_}")
        if status == 415:
            case.equal(reply.code, "unsupported_media_type", type_)
    reply = daemon.call("POST", EVENTS, encode(event()))
    case.equal(reply.status, 201, "no content type")


def framing(case):
    daemon = case.daemon()
    key = daemon.key
    before = recorded(daemon)
    # Pipelining: one write, all answers, in order.
    connection = daemon.connect()
    for i in range(30):
        connection.request("POST", EVENTS, event(eventIdempotencyKey=f"pipe-{i}"), {"X-Request-ID": f"r{i}"})
    for i in range(30):
        reply = connection.response("POST", EVENTS)
        case.equal((reply.status, reply.header("x-request-id")), (201, f"r{i}"), f"pipelined {i}")
        case.equal(reply.data["eventIdempotencyKey"], f"pipe-{i}", f"pipelined {i}")
    # Chunked, and after it an ordinary one on the same connection.
    connection.request("POST", EVENTS, event(eventIdempotencyKey="chunked"), chunked=True)
    case.equal(connection.response("POST", EVENTS).status, 201, "chunked")
    body = encode(event(eventIdempotencyKey="chunked-2"))
    connection.send(
        connection.head("POST", EVENTS, {"Transfer-Encoding": "chunked"}, True)
        + "\r\n"
        + f"{len(body):X};name=\"v\"\r\n{body}\r\n000\r\nTrailer-Field: ignored\r\n\r\n"
    )
    case.equal(connection.response("POST", EVENTS).status, 201, "chunked with an extension and a trailer")
    # Byte by byte.
    request = (connection.head("POST", EVENTS, {"Content-Length": len(body)}, True) + "\r\n" + body).encode()
    for byte in request:
        connection.send(bytes([byte]))
    case.equal(connection.response("POST", EVENTS).status, 409, "byte by byte")
    # Expect: 100-continue.
    body = encode(event(eventIdempotencyKey="expected")).encode()
    connection.send(connection.head("POST", EVENTS, {"Expect": "100-continue", "Content-Length": len(body)}, True) + "\r\n")
    case.equal(connection.response(interim=True).status, 100, "Expect: 100-continue")
    connection.send(body)
    case.equal(connection.response("POST", EVENTS).status, 201, "after 100")
    connection.close()
    # Keep-alive and close, as asked.
    connection = daemon.connect()
    connection.request("GET", "/healthz", headers={"Connection": "close"})
    reply = connection.response()
    case.equal(reply.header("connection"), "close", "Connection: close")
    case.expect(connection.ended(5), "Connection: close must close")
    connection = daemon.connect()
    connection.send("GET /healthz HTTP/1.0\r\n\r\n")
    case.equal(connection.response().status, 200, "HTTP/1.0")
    case.expect(connection.ended(5), "HTTP/1.0 must close")
    # X-Request-ID: echoed, else made; never split.
    case.equal(daemon.call("GET", "/healthz", headers={"X-Request-ID": "abc 1"}).header("x-request-id"), "abc 1", "X-Request-ID")
    made = daemon.call("GET", "/healthz").header("x-request-id")
    case.expect(made and uuid.UUID(made), "X-Request-ID is made")
    # What has no single reading is refused, and the connection with it.
    body = encode(event(eventIdempotencyKey="smuggled"))
    n = len(body)
    auth = f"Host: x\r\nAuthorization: Bearer {key}\r\n"
    for name, head in {
        "two lengths": f"Content-Length: {n}\r\nContent-Length: {n + 1}\r\n",
        "length and chunked": f"Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
        "list of lengths": f"Content-Length: {n}, {n}\r\n",
        "signed length": f"Content-Length: +{n}\r\n",
        "negative length": "Content-Length: -1\r\n",
        "hexadecimal length": f"Content-Length: 0x{n:x}\r\n",
        "huge length": "Content-Length: 99999999999999999999999\r\n",
        "space before colon": f"Content-Length : {n}\r\n",
        "folded": f"Content-Length: {n}\r\n folded\r\n",
        "unknown coding": "Transfer-Encoding: gzip, chunked\r\n",
        "chunked not last": "Transfer-Encoding: chunked, identity\r\n",
        "bare line feed": f"Content-Length: {n}\n",
        "control in value": f"X-A: a\x00b\r\nContent-Length: {n}\r\n",
        "no host twice": "Host: y\r\n",
    }.items():
        connection = daemon.connect()
        connection.send_all_or_refused(f"POST {EVENTS} HTTP/1.1\r\n{auth}{head}\r\n{body}")
        try:
            reply = connection.response()
            case.expect(reply.status in (400, 413, 501), f"{name}: {reply}")
            case.equal(reply.header("connection"), "close", f"{name}: Connection")
            case.expect(connection.ended(5), f"{name}: the connection must end, once")
        except (Closed, ConnectionResetError):
            pass
        connection.close()
    for line in (
        "GET  /healthz HTTP/1.1",
        "GET /healthz",
        "GET /healthz HTTP/2.0",
        "GET healthz HTTP/1.1",
        "/healthz",
        "G\x01T / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /healthz http/1.1",
        "GET /healthz#f HTTP/1.1",
        "\x16\x03\x01\x02\x00\x01\x00",
    ):
        connection = daemon.connect()
        connection.send_all_or_refused(line.encode("latin-1") + b"\r\nHost: x\r\n\r\n")
        try:
            case.expect(connection.response().status in (400, 505), f"{line!r} was accepted")
            case.expect(connection.ended(5), f"{line!r}: the connection must end")
        except (Closed, ConnectionResetError):
            pass
        connection.close()
    for chunks in (
        "5\r\nhello",
        "z\r\n",
        "-1\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "5 \r\nhelloX",
        "1\r\nab\r\n0\r\n\r\n",
        "0\r\nbad header\r\n\r\n",
    ):
        connection = daemon.connect(timeout=15)
        connection.send_all_or_refused(
            f"POST {EVENTS} HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\n{chunks}\r\n\r\n\r\n\r\n"
        )
        try:
            case.expect(connection.response().status in (400, 413), f"chunks {chunks!r}")
        except (Closed, ConnectionResetError):
            pass
        connection.close()
    case.equal(daemon.call("GET", EVENTS + "/smuggled").status, 404, "nothing of a refused request is recorded")
    case.equal(recorded(daemon) - before, 33, "events recorded")


def cross_origin(case):
    daemon = case.daemon(config='cors_origins = ["https://app.example"]\n')
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    reply = daemon.call("OPTIONS", EVENTS, headers=preflight, key=None)
    case.expect(reply.status in (200, 204), f"preflight: {reply.status}")
    case.equal(reply.header("access-control-allow-origin"), "https://app.example", "preflight: origin")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        case.expect(method in (reply.header("access-control-allow-methods") or ""), f"preflight: {method}")
    for name in ("Authorization", "Content-Type", "X-API-Key", "Idempotency-Key"):
        case.expect(name.lower() in (reply.header("access-control-allow-headers") or "").lower(), f"preflight: {name}")
    reply = daemon.call("POST", EVENTS, event(), {"Origin": "https://app.example"})
    case.equal(reply.header("access-control-allow-origin"), "https://app.example", "origin on a reply")
    for name in ("Idempotency-Key", "X-Request-ID", "Retry-After"):
        case.expect(name.lower() in (reply.header("access-control-expose-headers") or "").lower(), f"exposed: {name}")
    case.expect("origin" in (reply.header("vary") or "").lower(), "Vary names Origin")
    reply = daemon.call("GET", "/api/v1/client/margins?groupBy=customer", headers={"Origin": "https://app.example"})
    case.equal(reply.header("access-control-allow-origin"), "https://app.example", "origin on a query's reply")
    for origin in ("https://evil.example", "https://app.example.evil", "null", "http://app.example"):
        reply = daemon.call("OPTIONS", EVENTS, headers={**preflight, "Origin": origin}, key=None)
        case.equal(reply.header("access-control-allow-origin"), None, f"preflight of {origin}")
        reply = daemon.call("POST", EVENTS, event(), {"Origin": origin})
        case.equal(reply.header("access-control-allow-origin"), None, f"reply to {origin}")


def limits(case):
    daemon = case.daemon()
    before, start = recorded(daemon), daemon.rss
    auth = f"Host: x\r\nAuthorization: Bearer {daemon.key}\r\n"
    megabyte = "x" * (1 << 20)

    def attempt(name, data, statuses, more=None):
        connection = daemon.connect(timeout=15)
        went = connection.send_all_or_refused(data)
        if more is not None:
            for piece in more:
                went = went and connection.send_all_or_refused(piece)
        try:
            reply = connection.response("POST", EVENTS)
            case.expect(reply.status in statuses, f"{name}: {reply}")
            case.equal(reply.header("connection"), "close", f"{name}: Connection")
        except (Closed, ConnectionResetError):
            case.expect(more is not None, f"{name}: closed without a reply")
        connection.close()
        case.expect(daemon.alive and daemon.call("GET", "/healthz").status == 200, f"{name}: others are served")

    attempt("1 GiB promised", f"POST {EVENTS} HTTP/1.1\r\n{auth}Content-Length: {1 << 30}\r\n\r\n{{", {413})
    attempt(
        "1 GiB promised, with Expect",
        f"POST {EVENTS} HTTP/1.1\r\n{auth}Expect: 100-continue\r\nContent-Length: {1 << 30}\r\n\r\n",
        {413},
    )
    attempt("just over the body's limit", f"POST {EVENTS} HTTP/1.1\r\n{auth}Content-Length: {4 * 1024 * 1024 + 1}\r\n\r\n{{", {413})
    attempt(
        "endless chunks",
        f"POST {EVENTS} HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\n",
        {413},
        more=(f"100000\r\n{megabyte}\r\n" for _ in range(10)),
    )
    attempt("a header of 10 MB", f"POST {EVENTS} HTTP/1.1\r\n{auth}X-Long: ", {431}, more=(megabyte for _ in range(10)))
    attempt("a header just over the limit", f"POST {EVENTS} HTTP/1.1\r\n{auth}X-Long: {'x' * 16 * 1024}\r\n\r\n", {431})
    attempt("many headers", f"POST {EVENTS} HTTP/1.1\r\n{auth}" + "".join(f"X-{i}: a\r\n" for i in range(100)) + "\r\n", {431})
    attempt("a long target", f"GET /{'a' * 9000} HTTP/1.1\r\n{auth}\r\n", {414})
    attempt("a request line without end", f"GET /{'a' * 20000}", {414})
    attempt(
        "a long chunk line", f"POST {EVENTS} HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\n1;{'a' * 70000}\r\n", {400, 413}
    )
    attempt(
        "endless trailers",
        f"POST {EVENTS} HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\n0\r\n",
        {400, 413, 431},
        more=("A: b\r\n" * 10000 for _ in range(10)),
    )
    reply = daemon.call("POST", BATCH, [event() for _ in range(10_001)])
    refused(case, reply, 413, "payload_too_large", "10,001 events")
    deep = "[" * 100_000
    refused(case, daemon.call("POST", EVENTS, deep, {"Content-Type": "application/json"}), 400, "validation_failed", "deep JSON")
    deep = '{"eventName":"x","meta":' + '{"a":' * 100_000 + "1" + "}" * 100_001
    refused(case, daemon.call("POST", EVENTS, deep), 400, "validation_failed", "deep meta")
    case.equal(recorded(daemon) - before, 0, "events recorded by refused requests")
    case.expect(daemon.rss - start < 48 << 20, f"memory grew by {daemon.rss - start >> 20} MiB")
    # At the limit, not over it.
    reply = daemon.call("POST", BATCH, [event() for _ in range(10_000)])
    case.equal((reply.status, reply.data["recorded"]), (200, 10_000), "10,000 events")


def half_open_requests(case):
    """Requests that never end: the whole head has ten seconds, the whole body thirty, however it trickles."""
    daemon = case.daemon()
    auth = f"Host: x\r\nAuthorization: Bearer {daemon.key}\r\n"
    started = time.monotonic()
    head = daemon.connect(timeout=40)
    head.send(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nX-Half")
    trickle = daemon.connect(timeout=40)
    trickle.send(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nX-Trickle: ")
    body = daemon.connect(timeout=60)
    body.send(f"POST {EVENTS} HTTP/1.1\r\n{auth}Content-Length: 100\r\n\r\n{{\"eventName\"")
    idle = daemon.connect(timeout=60)
    # While they hang, everyone else is served.
    while time.monotonic() - started < 8:
        case.equal(daemon.call("POST", EVENTS, event()).status, 201, "others while requests hang")
        trickle.send_all_or_refused("x")
        time.sleep(0.5)
    for name, connection in (("a half head", head), ("a trickling head", trickle)):
        reply = connection.response("POST", EVENTS)
        refused(case, reply, 408, "request_timeout", name)
        case.expect(connection.ended(5), f"{name}: the connection must end")
    case.expect(8 < time.monotonic() - started < 20, f"heads ended after {time.monotonic() - started:.1f} s")
    reply = body.response("POST", EVENTS)
    refused(case, reply, 408, "request_timeout", "a half body")
    case.expect(25 < time.monotonic() - started < 50, f"the body ended after {time.monotonic() - started:.1f} s")
    idle.request("GET", "/healthz")
    case.equal(idle.response().status, 200, "a connection that said nothing yet")
    case.expect(daemon.alive, "the daemon lives")


def replayed_requests(case):
    daemon = case.daemon()
    one = {"Idempotency-Key": "order-1"}
    first = daemon.call("POST", EVENTS, event(costAmount=Raw("0.25")), one)
    case.equal(first.status, 201, "first")
    case.equal(first.header("idempotency-key"), "order-1", "the key comes back")
    count = recorded(daemon)
    for attempt in range(2):
        again = daemon.call("POST", EVENTS, event(costAmount=Raw("0.25")), one)
        case.equal((again.status, again.body), (201, first.body), f"replay {attempt}")
        case.equal(again.header("content-type"), "application/json", "type of a replay")
        case.equal(again.header("idempotency-key"), "order-1", "key of a replay")
    refused(case, daemon.call("POST", EVENTS, event(costAmount=Raw("0.26")), one), 409, "idempotency_conflict", "another body")
    # The scope is method and path: the same key elsewhere is another key.
    batch = daemon.call("POST", BATCH, [event(), event()], one)
    case.equal(batch.status, 200, "the same key on another path")
    case.equal(daemon.call("POST", BATCH, [event(), event()], one).body, batch.body, "a replayed batch")
    # Refusals are kept too; a key that is no key is refused.
    bad = daemon.call("POST", EVENTS, {"eventName": 5}, {"Idempotency-Key": "bad"})
    case.equal(bad.status, 400, "a refused request with a key")
    case.equal(daemon.call("POST", EVENTS, {"eventName": 5}, {"Idempotency-Key": "bad"}).body, bad.body, "a replayed refusal")
    for key in ("", "x" * 256):
        refused(
            case, daemon.call("POST", EVENTS, event(), {"Idempotency-Key": key}), 400, "validation_failed", f"a key of {len(key)}"
        )
    case.equal(daemon.call("POST", EVENTS, event(), {"Idempotency-Key": "k" * 255}).status, 201, "a key of 255")
    case.equal(daemon.call("POST", EVENTS, event(), {"Idempotency-Key": "new"}, key=None).status, 401, "unauthenticated first")
    case.equal(daemon.call("POST", EVENTS, event(), {"Idempotency-Key": "new"}).status, 201, "not a replay of a 401")
    case.equal(recorded(daemon) - count, 4, "events recorded")
    for how in ("stop", "kill"):
        getattr(daemon, how)()
        daemon = daemon.again()
        again = daemon.call("POST", EVENTS, event(costAmount=Raw("0.25")), one)
        case.equal((again.status, again.body), (201, first.body), f"a replay after {how}")
        refused(case, daemon.call("POST", EVENTS, event(costAmount=Raw("0.26")), one), 409, "idempotency_conflict", f"after {how}")
        case.equal(daemon.call("POST", BATCH, [event(), event()], one).body, batch.body, f"a replayed batch after {how}")
    # X-Idempotency-Key is the event's key, and wins over the one in the body.
    reply = daemon.call("POST", EVENTS, event(eventIdempotencyKey="in-body"), {"X-Idempotency-Key": "in-header"})
    case.equal((reply.status, reply.data["eventIdempotencyKey"]), (201, "in-header"), "X-Idempotency-Key")
    case.equal(daemon.call("POST", EVENTS, event(eventIdempotencyKey="in-header")).status, 409, "the header's key is the event's")
    case.equal(daemon.call("POST", EVENTS, event(eventIdempotencyKey="in-body")).status, 201, "the body's key was not used")
    reply = daemon.call("POST", EVENTS, event(eventIdempotencyKey="spared"), {"X-Idempotency-Key": "   "})
    case.equal((reply.status, reply.data["eventIdempotencyKey"]), (201, "spared"), "a blank X-Idempotency-Key")
    refused(
        case,
        daemon.call("POST", EVENTS, event(), {"X-Idempotency-Key": "x" * 65}),
        400,
        "validation_failed",
        "a long X-Idempotency-Key",
    )
    reply = daemon.call("POST", EVENTS, event())
    case.expect(uuid.UUID(reply.data["eventIdempotencyKey"]), "a made key is a UUID")
    reply = daemon.call("POST", EVENTS, event(eventIdempotencyKey=" "))
    case.expect(reply.status == 201 and uuid.UUID(reply.data["eventIdempotencyKey"]), "a blank key is replaced")


SCENARIOS = {
    "keys_and_scopes": keys_and_scopes,
    "paths_and_methods": paths_and_methods,
    "framing": framing,
    "cross_origin": cross_origin,
    "limits": limits,
    "half_open_requests": half_open_requests,
    "replayed_requests": replayed_requests,
}
