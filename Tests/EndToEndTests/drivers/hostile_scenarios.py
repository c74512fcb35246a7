"""Values where others are due, and text that would like to be something else: every field of every message, generated.

The promises: no status from 500 on, no trap, nothing that is not described; what is refused names its field; what is stored is
stored byte for byte; the log and the metrics never show what a client wrote.
"""

import json
import re
import urllib.parse

from harness import Raw, encode, eventually
from http_scenarios import recorded
from naughty import naughty_texts

BASE = "/api/v1/client"
EVENTS = BASE + "/events"

# What stands in the place of a value. `None` as a name leaves the field out; `twice` gives it two times.
OTHERS = {
    "null": Raw("null"),
    "true": Raw("true"),
    "false": Raw("false"),
    "zero": Raw("0"),
    "minus one": Raw("-1"),
    "a fraction": Raw("0.5"),
    "2^63": Raw("9223372036854775808"),
    "2^64": Raw("18446744073709551616"),
    "1e999": Raw("1e999"),
    "1e-999": Raw("1e-999"),
    "an empty text": "",
    "a text": "x",
    "a text NaN": "NaN",
    "a text -1": "-1",
    "a text 1e999": "1e999",
    "a long text": "y" * 70_000,
    "a NUL": "\0",
    "an empty array": [],
    "an array": [1, "a", None],
    "arrays in arrays": [[[]]],
    "an empty object": {},
    "an object": {"a": 1},
    "NaN": Raw("NaN"),
    "Infinity": Raw("-Infinity"),
}

EVENT = {
    "eventName": "test.event",
    "eventIdempotencyKey": "k",
    "customerReferenceId": "c",
    "stripeCustomerId": "cus_1",
    "customerId": "6f1c2a8e-6f0b-4b3e-9a75-0d6a4a1f6c11",
    "featureKey": "f",
    "featureId": "6f1c2a8e-6f0b-4b3e-9a75-0d6a4a1f6c12",
    "subscriptionId": "6f1c2a8e-6f0b-4b3e-9a75-0d6a4a1f6c13",
    "entitlementId": "6f1c2a8e-6f0b-4b3e-9a75-0d6a4a1f6c14",
    "invoiceId": "6f1c2a8e-6f0b-4b3e-9a75-0d6a4a1f6c15",
    "occurredAt": "2026-08-06T00:00:00Z",
    "flowId": "flow",
    "usageUnits": Raw("1"),
    "costAmount": Raw("0.5"),
    "revenueAmount": Raw("1"),
    "costInput": {
        "model": "gpt-4o",
        "modelProvider": "openai",
        "inputTokens": Raw("10"),
        "outputTokens": Raw("2"),
        "costUnits": Raw("1"),
        "cacheReadTokens": Raw("1"),
        "cacheWriteTokens": Raw("1"),
        "cacheWrite1hTokens": Raw("1"),
        "reasoningTokens": Raw("1"),
        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        "usageFormat": "openai",
        "serviceTier": "standard",
        "batch": Raw("false"),
        "region": "eu",
    },
    "meta": {"a": [1, {"b": None}]},
}
BODIES = {
    "/customers": {"email": "a@b.c", "customerReferenceId": "cust", "firstName": "A", "lastName": "B", "phoneNumber": "1"},
    "/keys": {"name": "n", "scopes": ["read"]},
    "/prices": {
        "id": "deal",
        "provider": "openai",
        "model": "gpt-4o",
        "feature": "f",
        "from": "2026-01-01",
        "until": "2026-12-31",
        "rates": {"input": "2.50/M", "output": "10/M"},
        "variants": [{"tier": "batch", "above": Raw("1000"), "rates": {"input": "1/M"}}],
    },
    "/reprices": {
        "model": "gpt-4o",
        "customerReferenceId": "c",
        "from": "2026-08-01T00:00:00Z",
        "unpriced": Raw("true"),
        "apply": Raw("false"),
    },
    "/simulations": {
        "substitutions": [{"model": "gpt-4o", "asModel": "gpt-4o-mini", "provider": "openai", "asProvider": "openai"}],
        "prices": [{"id": "try", "model": "m", "rates": {"input": "1/M"}}],
        "model": "gpt-4o",
        "groupBy": ["day"],
        "from": "2026-08-01T00:00:00Z",
        "timezone": "Europe/Berlin",
    },
    "/events/none/void": {"reason": "wrong"},
}
QUERIES = {
    "/events": {
        "customerReferenceId": "c",
        "featureKey": "f",
        "model": "m",
        "modelProvider": "p",
        "eventName": "e",
        "flowId": "f",
        "from": "2026-08-01T00:00:00Z",
        "to": "2026-08-02T00:00:00Z",
        "unpriced": "true",
        "limit": "5",
    },
    "/customers": {"search": "x", "limit": "5", "offset": "0"},
    "/margins": {
        "groupBy": "customer",
        "from": "2026-08-01T00:00:00Z",
        "to": "2026-08-02T00:00:00Z",
        "timezone": "Europe/Berlin",
        "model": "m",
    },
}


PATHS = ("/events/%s", "/customers/%s", "/prices/%s", "/reprices/%s", "/keys/%s", "/events/%s/void", "/reprices/%s/reverse")


def variants(value, path=()):
    """Every (path, word, text): JSON of `value` in which the field at `path` is something else, missing or twice."""

    def text(node, at=()):
        if isinstance(node, dict) and not isinstance(node, Raw):
            members = []
            for key, inner in node.items():
                here = at + (key,)
                if here == path:
                    for replacement in replacements:
                        members.append(json.dumps(key) + ":" + encode(replacement))
                else:
                    members.append(json.dumps(key) + ":" + text(inner, here))
            return "{" + ",".join(members) + "}"
        if isinstance(node, list):
            return "[" + ",".join(text(inner, at + (index,)) for index, inner in enumerate(node)) + "]"
        return encode(node)

    def inside(node, at=()):
        if isinstance(node, dict):
            for key, inner in node.items():
                yield at + (key,), inner
                yield from inside(inner, at + (key,))
        elif isinstance(node, list):
            for index, inner in enumerate(node):
                yield from inside(inner, at + (index,))

    for path, original in list(inside(value)):
        for word, other in OTHERS.items():
            replacements = [other]
            yield path, word, text(value)
        replacements = []
        yield path, "nothing", text(value)
        replacements = [original, original]
        yield path, "itself twice", text(value)


def grouped(every):
    """The variants of each path together: (path, [(word, text)])."""
    groups = {}
    for path, word, text in every:
        groups.setdefault(path, []).append((word, text))
    return groups.items()


def dotted(path):
    return ".".join(map(str, path))


def names_field(message, path):
    """Whether a message names the field, or one around it."""
    return any(str(part).lower() in message.lower() for part in path if isinstance(part, str))


class Line:
    """A connection on which requests are sent eight at a time, each judged as any must be: no 5xx, as described, kept open."""

    def __init__(self, case, daemon):
        self.case = case
        self.connection = daemon.connect(unix=True, timeout=60)
        self.counts = {}

    def ask_all(self, requests):
        """The replies to (method, target, body, headers, what) each."""
        answers = []
        for start in range(0, len(requests), 8):
            for method, target, body, headers, _ in requests[start : start + 8]:
                self.connection.request(method, BASE + target, body, headers)
            answers += [self.judged(method, target, what) for method, target, _, _, what in requests[start : start + 8]]
        return answers

    def judged(self, method, target, what):
        reply = self.connection.response(method, BASE + target)
        self.counts[reply.status] = self.counts.get(reply.status, 0) + 1
        self.case.expect(reply.status < 500, f"{what}: {reply}")
        self.case.expect(reply.header("connection") != "close", f"{what}: the connection was closed: {reply}")
        return reply

    def close(self):
        self.connection.close()


def wrong_types(case):
    """Each field of each message replaced by each other kind of value."""
    daemon = case.daemon()
    line = Line(case, daemon)
    ask_all, counts = line.ask_all, line.counts

    def ask(method, target, body, what, headers=None):
        return ask_all([(method, target, body, headers, what)])[0]

    before, expected = recorded(daemon), 0
    number = 0
    for path, group in grouped(variants(EVENT)):
        # One by one on one connection, sent together.
        singles = []
        for word, text in group:
            number += 1
            singles.append((word, text.replace('"eventIdempotencyKey":"k"', f'"eventIdempotencyKey":"s{number}"')))
        answers = ask_all([("POST", "/events", text, None, f"event, {dotted(path)} is {word}") for word, text in singles])
        good = []
        for (word, text), reply in zip(singles, answers):
            what = f"event, {dotted(path)} is {word}"
            grammar = word in ("NaN", "Infinity")
            expected += reply.status == 201
            case.expect(reply.status in ((400,) if grammar else (201, 400, 409, 422)), f"{what}: {reply}")
            # What is in `meta` and `usage` beyond its own grammar is not looked into; the field around it is named.
            if reply.status in (400, 422) and not grammar:
                case.expect(names_field(reply.json["error"]["message"], path), f"{what}: no field is named: {reply}")
            if not grammar:
                good.append(reply.status == 201)
        # All of them once more in a batch and as lines, between neighbours that count: the same ones are recorded.
        for shape in ("a batch", "lines"):
            events = []
            for word, text in group:
                number += 1
                if word not in ("NaN", "Infinity"):
                    events.append(text.replace('"eventIdempotencyKey":"k"', f'"eventIdempotencyKey":"s{number}"'))
            everyone = ['{"eventName":"neighbour"}', *events, '{"eventName":"neighbour"}']
            what = f"{dotted(path)} in {shape}"
            if shape == "lines":
                reply = ask("POST", "/events/batch", "\n".join(everyone), what, {"Content-Type": "application/x-ndjson"})
            else:
                reply = ask("POST", "/events/batch", "[" + ",".join(everyone) + "]", what)
            if case.equal(reply.status, 200, what):
                expected += reply.data["recorded"]
                # A key that was sent as it is was recorded the first time.
                wanted = sum(good) + 2 - (reply.data["duplicates"] if path == ("eventIdempotencyKey",) else 0)
                case.equal(reply.data["recorded"], wanted, f"{what}: {reply}")
    case.equal(recorded(daemon) - before, expected, "events recorded")
    for target, body in BODIES.items():
        for path, group in grouped(variants(body)):
            # A price that is taken makes a price book of thousands of cards: a third of the values is enough there.
            group = group[::3] if target in ("/prices", "/simulations") else group
            answers = ask_all([("POST", target, text, None, f"{target}, {dotted(path)} is {word}") for word, text in group])
            for (word, text), reply in zip(group, answers):
                # Tanso's clients know one message for a customer of the wrong types.
                plain = word in ("NaN", "Infinity", "itself twice") or "Malformed" in reply.body.decode()
                if reply.status in (400, 422) and not plain:
                    named = names_field(reply.json["error"]["message"], path)
                    case.expect(named, f"{target}, {dotted(path)} is {word}: no field is named: {reply}")
    for path, word, text in variants({"email": "a@b.c", "firstName": "A", "lastName": "B", "phoneNumber": "1"}):
        ask("PATCH", "/customers/c", text, f"PATCH customers, {path} is {word}")
    values = [
        "",
        "0",
        "-1",
        "1e9",
        "9223372036854775808",
        "18446744073709551616",
        "NaN",
        "null",
        "true",
        "x" * 4000,
        "%00",
        "%ff",
        "%",
        "%zz",
        "%c0%af",
        "a,b",
        "[]",
        "{}",
        "%0d%0a",
        "../..",
        "'",
        "%22",
        "%F0%9F%98%80",
        "+",
        "1 ".strip() + "%20",
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2026-08-01T00:00:00+99:99",
    ]
    for target, parameters in QUERIES.items():
        for name in parameters:
            requests = []
            for value in values:
                query = "&".join(f"{n}={value if n == name else urllib.parse.quote(v, safe='')}" for n, v in parameters.items())
                requests.append(("GET", f"{target}?{query}", None, None, f"{target}?{name}={value[:40]}"))
            for (_, _, _, _, what), reply in zip(requests, ask_all(requests)):
                if reply.status == 400:
                    case.expect(name.lower() in reply.json["error"]["message"].lower(), f"{what}: no field: {reply}")
            twice = (
                "&".join(f"{n}={urllib.parse.quote(v, safe='')}" for n, v in parameters.items()) + f"&{name}={parameters[name]}"
            )
            ask("GET", f"{target}?{twice}", None, f"{target}?{name} twice")
    for target in PATHS:
        places = [target % value for value in values if value]
        for method in ("GET", "POST", "PATCH"):
            ask_all([(method, place, None, None, f"{method} {place[:60]}") for place in places])
    case.expect(sum(counts.values()) > 2500, f"requests made: {counts}")
    line.close()


def naughty_strings(case, texts=None):
    """Texts in every field that takes one: stored as they are or refused, and shown nowhere else."""
    daemon = case.daemon()
    texts = texts or naughty_texts()
    case.expect(len(texts) >= 500, f"there are {len(texts)}")
    line = Line(case, daemon)
    fields = ["eventName", "customerReferenceId", "featureKey", "flowId", "stripeCustomerId", "model", "modelProvider", "region"]
    kept = []
    for number, text in enumerate(texts):
        quoted = urllib.parse.quote(text, safe="")
        has_control = any(ord(c) < 0x20 or ord(c) == 0x7F for c in text)
        named = {field: text for field in fields if field in EVENT}
        named |= {"eventIdempotencyKey": text[:64], "costInput": {"model": text, "modelProvider": text, "region": text}}
        requests = [
            ("POST", "/events", {"eventName": "e", "eventIdempotencyKey": f"n-{number}", "meta": {text: [text]}}, None, "meta"),
            ("GET", f"/events/n-{number}", None, None, "meta again"),
            ("POST", "/events", named, None, "names"),
            (
                "POST",
                "/customers",
                {**dict.fromkeys(BODIES["/customers"], text), "customerReferenceId": f"n{number}"},
                None,
                "customer",
            ),
            ("POST", "/keys", {"name": text, "scopes": ["read" if number % 8 == 0 else text]}, None, "key"),
            ("POST", "/reprices", {"model": text, "customerReferenceId": text}, None, "reprice"),
            ("POST", f"/events/n-{number - number % 4}/void", {"reason": text}, None, "void"),
            ("GET", f"/events/{quoted}", None, None, "path of an event"),
            ("GET", f"/customers/{quoted}", None, None, "path of a customer"),
            ("GET", f"/customers?search={quoted}", None, None, "search"),
            ("GET", f"/margins?groupBy=model&model={quoted}", None, None, "margins"),
        ]
        if number % 16 == 0:
            requests.append(("POST", "/prices", {"id": text, "model": text, "rates": {"input": text}}, None, "price"))
            requests.append(("POST", "/prices", {"id": f"p{number}", "feature": text, "rates": {"input": "1/M"}}, None, "price"))
        if has_control:
            # One field at a time, so that a field that lets through what the others refuse is seen.
            for field in fields:
                alone = {"eventName": "e", field: text} if field in EVENT else {"eventName": "e", "costInput": {field: text}}
                requests.append(("POST", "/events", alone, None, f"{field} alone"))
        answers = line.ask_all([(*request[:4], f"{text!r} as {request[4]}") for request in requests])
        case.equal(answers[0].status, 201, f"{text!r} in meta: {answers[0]}")
        case.equal(answers[1].data.get("meta"), {text: [text]}, f"{text!r} in meta")
        if has_control:
            refused = [answers[2], *answers[-len(fields) :]]
            codes = {(reply.status, reply.code) for reply in refused}
            case.equal(codes, {(400, "validation_failed")}, f"{text!r} as a name")
        elif case.equal(answers[2].status, 201, f"{text!r} as a name: {answers[2]}"):
            own = answers[2].data["eventIdempotencyKey"]
            case.expect(own == text[:64] or not text.strip(" "), f"{text!r} as a key came back as {own!r}")
            kept.append((text, own))
    # What was kept is found, byte for byte.
    found = line.ask_all([("GET", "/events/" + urllib.parse.quote(own, safe=""), None, None, repr(text)) for text, own in kept])
    for (text, own), reply in zip(kept, found):
        for field in ("eventName", "customerReferenceId", "featureKey", "flowId", "model", "modelProvider"):
            wanted = text or (None if field != "eventName" else "")
            case.equal(reply.data.get(field), wanted, f"{text!r} as {field}")
    # Headers: echoed as they are, replaced, or refused; never a line of their own.
    plain = [text for text in texts if not any(ord(c) < 0x20 and c != "\t" or ord(c) == 0x7F for c in text)]
    for number, text in enumerate(plain):
        names = ("X-Request-ID", "Idempotency-Key", "X-Idempotency-Key", "Origin", "User-Agent")[: 5 if number % 4 == 0 else 2]
        for name in names:
            head = f"POST {EVENTS} HTTP/1.1\r\nHost: h\r\n{name}: {text}\r\nContent-Length: 17\r\n\r\n"
            line.connection.send(head.encode() + b'{"eventName":"h"}')
        for name in names:
            reply = line.connection.response("POST", EVENTS)
            case.expect(reply.status in (201, 400, 409), f"{text!r} in {name}: {reply}")
            case.expect(len(reply.headers) <= 6, f"{text!r} in {name}: {reply.headers}")
    page = eventually("metrics", lambda: daemon.call("GET", "/metrics").body.decode())
    said = daemon.said()
    marks = [t for t in texts if len(t) >= 6 and t not in ("purserd: forged",)]
    for text in marks:
        case.expect(text not in page and text not in said, f"{text!r} is in the metrics or the log")
    case.expect("forged" not in said and "\x1b" not in said, f"the log shows what a client wrote: {said[-2000:]}")
    check_metrics(case, page)
    line.close()
    # All of it is read again from the journal.
    count = recorded(daemon)
    case.expect(count > 2 * len(texts), f"events recorded: {count}")
    case.equal(daemon.stop(), 0, "stopping")
    again = daemon.again()
    case.expect(re.search(rf"\b{count} events\b", again.said()), f"{count} events after a restart: {again.said()}")


def check_metrics(case, page, before=None):
    """The page as the text format has it: types once and first, labels closed, values numbers, counters never smaller."""
    types, values, last = {}, {}, None
    case.expect(page.endswith("\n"), "metrics: the last line ends")
    for line in page.splitlines():
        if match := re.fullmatch(r"# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)", line):
            if match[1] == "TYPE":
                case.expect(match[2] not in types, f"metrics: {match[2]} has two types")
                case.expect(match[3] in ("counter", "gauge", "histogram"), f"metrics: {line}")
                types[match[2]] = match[3]
            last = match[2]
            continue
        match = re.fullmatch(
            r'([a-z_:][a-z0-9_:]*)(\{[a-z_]+="(?:[a-z0-9_.]*|\+Inf)"(?:,[a-z_]+="[a-z0-9_.]*")*\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)', line
        )
        if not case.expect(match, f"metrics: {line!r}"):
            continue
        family = re.sub(r"_(bucket|sum|count)$", "", match[1]) if match[1] not in types else match[1]
        case.expect(family in types and family == last, f"metrics: {line!r} stands apart from its type")
        case.expect((match[1], match[2]) not in values, f"metrics: {line!r} comes twice")
        values[(match[1], match[2])] = float(match[3])
        if types.get(family) == "counter":
            case.expect(match[1].endswith("_total"), f"metrics: the counter {match[1]}")
    for place, value in (before or {}).items():
        if types.get(place[0]) == "counter":
            case.expect(values.get(place, 0) >= value, f"metrics: {place} went from {value} to {values.get(place)}")
    case.expect(len(values) > 20, f"metrics: {len(values)} values")
    return values


def metrics_page(case):
    """The metrics idle, under load, and with hostile names: well formed, counters grow, and no label comes from outside."""
    daemon = case.daemon()
    idle = check_metrics(case, daemon.call("GET", "/metrics", key=None).body.decode())
    for number in range(300):
        name = f'hostile-{number}"}} 1\u2028{{x="'
        body = [
            {"eventName": name, "customerReferenceId": name, "costInput": {"model": name, "modelProvider": name}}
            for _ in range(3)
        ]
        daemon.call(
            "POST",
            EVENTS + "/batch",
            body,
            headers={"User-Agent": name.encode().decode("latin-1").replace("\x80", "").replace("\xa8", "")},
        )
        daemon.call("GET", f"/{number}/nowhere")
        if number % 60 == 0:
            idle = check_metrics(case, daemon.call("GET", "/metrics", key=None).body.decode(), idle)
    after = check_metrics(case, daemon.call("GET", "/metrics", key=None).body.decode(), idle)
    case.equal(set(after), set(idle), "the set of labels is the same whatever came")


SCENARIOS = {"wrong_types": wrong_types, "naughty_strings": naughty_strings, "metrics_page": metrics_page}
