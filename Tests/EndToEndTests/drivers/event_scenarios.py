"""Events and what is asked about them: the quickstart, bad events, batches, duplicates, queries, customers, margins."""

import json
import os
import re
import shutil
import subprocess
from decimal import Decimal

import frames
import oracle
from harness import ROOT, Raw, Skip, encode, eventually
from http_scenarios import BATCH, EVENTS, MARGINS, event, recorded, refused


def readme_block(language, holding):
    """The code block of README.md in `language` that holds a text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```" + language + r"\n(.*?)^```$", text, re.M | re.S):
        if holding in block:
            return block
    raise AssertionError(f"README.md has no {language} block with {holding!r}")


def quickstart(case):
    """The README's own snippets, run by node, python3 and curl against the daemon's TCP port."""
    daemon = case.daemon()
    script = case.folder / "quickstart.mjs"
    script.write_text(readme_block("js", "await fetch("))
    environment = {**os.environ, "PURSER_URL": f"http://127.0.0.1:{daemon.port}", "PURSER_API_KEY": daemon.key}

    def run(command):
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
        )

    if shutil.which("node") is None:
        raise Skip("node is not here")
    for attempt in range(2):
        result = run(["node", str(script)])
        case.equal(result.returncode, 0, f"node, attempt {attempt}: {result.stderr}")
        status, body = result.stdout.strip().split(" ", 1)
        reply = json.loads(body)
        if attempt == 0:
            case.equal((status, reply["success"]), ("201", True), "the snippet's first answer")
        else:
            case.equal((status, reply["success"], reply["error"]["code"]), ("409", False, "duplicate_event"), "the second")
            case.equal(reply["data"]["original"]["sequence"], 1, "the original's sequence")
    # 1235 * 0.00003 is 0.037050000000000005 in JavaScript, and 0.03705 was meant.
    item = daemon.call("GET", EVENTS).data["items"][0]
    case.equal(item["costAmount"], Decimal("0.03705"), "cost of the snippet's event")
    python = run(["/usr/bin/python3", "-c", readme_block("python", "urllib")])
    case.equal((python.returncode, python.stdout.strip()), (0, "0.0003369"), f"python: {python.stderr}")
    if shutil.which("curl"):
        posted = run(["sh", "-euc", readme_block("sh", "/events")])
        case.equal(posted.returncode, 0, f"curl: {posted.stderr}")
        case.equal(json.loads(posted.stdout, parse_float=Decimal)["data"]["costAmount"], Decimal("0.00000014"), "the smallest cost")
        counted = 3
    else:
        counted = 2

    def fresh():
        return daemon.call("GET", MARGINS + "?groupBy=customer").data["totals"]["events"] == counted

    eventually("margins over all events", fresh)
    if shutil.which("curl"):
        shown = run(["sh", "-euc", readme_block("sh", "margins?")])
        case.equal(json.loads(shown.stdout, parse_float=Decimal)["data"]["totals"]["events"], 3, "margins by curl")
    wanted = oracle.read(
        encode(
            {
                "eventName": "chat.completion",
                "customerReferenceId": "cust-42",
                "costAmount": Raw("0.037050000000000005"),
                "revenueAmount": Raw("0.12"),
                "usageUnits": 1235,
                "costInput": {"model": "gpt-4o", "modelProvider": "openai"},
            }
        )
    )
    reply = daemon.call("GET", MARGINS + "?groupBy=customer&model=gpt-4o&eventName=chat.completion")
    for difference in oracle.differences(reply.data, [wanted], ["customer"]):
        case.expect(False, f"margins of the snippet: {difference}")


def bad_events(case):
    """Whatever is wrong with an event: its code, its field, and nothing recorded."""
    daemon = case.daemon()
    connection = daemon.connect()
    good = encode(event())
    table = [
        ("", 400),
        ("{", 400),
        ("{]", 400),
        ("[]", 400),
        ("null", 400),
        ("5", 400),
        ('"x"', 400),
        ("{}", 400),
        (good + good, 400),
        (good + "x", 400),
        (good.replace("{", "{,"), 400),
        ("\ufeff" + good, 400),
        (good[:-1] + ",}", 400),
        ('{"eventName":"x","eventName":"y"}', 400),
        ("{'eventName':'x'}", 400),
        ('{"eventName":"x","meta":{"a":01}}', 400),
        ('{"eventName":"x","meta":{"a":NaN}}', 400),
        ('{"eventName":"x\\q"}', 400),
        ('{"eventName":"\\ud800"}', 400),
        ('{"eventName":"a\tb"}', 400),
        ('{"eventName":"a\\u0000b"}', 400),
        ('{"eventName":"a\\nb"}', 400),
        (b'{"eventName":"\xff"}', 400),
        (b'{"eventName":"\xed\xa0\x80"}', 400),
        (b'{"eventName":"\xc0\xaf"}', 400),
        ('{"eventName":null}', 400),
        ('{"eventname":"x"}', 400),
        ('{"costAmount":1}', 400),
        ('{"eventName":"' + "x" * 129 + '"}', 400),
        ('{"eventName":5}', 400),
        ('{"eventName":["x"]}', 400),
    ]
    amounts = [
        ("-1", 422),
        ("-0.000000000001", 422),
        ("1e999", 422),
        ("9223372.036854775808", 422),
        ("1e7", 422),
        ("NaN", 400),
        ("Infinity", 400),
        ("-Infinity", 400),
        ('"NaN"', 400),
        ('"-1"', 422),
        ('"1e999"', 422),
        ('""', 400),
        ('" 1"', 400),
        ('"0x1"', 400),
        ("true", 400),
        ("[]", 400),
        ("{}", 400),
        ('"1,5"', 400),
        ("+1", 400),
        ("01", 400),
        (".5", 400),
        ("1.", 400),
    ]
    for name in ("costAmount", "revenueAmount"):
        table += [('{"eventName":"x","%s":%s}' % (name, text), status) for text, status in amounts]
    counts = [
        ("-1", 422),
        ("1e13", 422),
        ("9223372036854775807", 422),
        ('"x"', 400),
        ("false", 400),
        ("1e999999999", 422),
        ("NaN", 400),
    ]
    table += [('{"eventName":"x","usageUnits":%s}' % text, status) for text, status in counts]
    for name in (
        "inputTokens",
        "outputTokens",
        "cacheReadTokens",
        "cacheWriteTokens",
        "cacheWrite1hTokens",
        "reasoningTokens",
        "costUnits",
    ):
        table += [('{"eventName":"x","costInput":{"model":"gpt-4o","%s":%s}}' % (name, text), status) for text, status in counts]
    for name, size in (("eventIdempotencyKey", 64), ("customerReferenceId", 256), ("featureKey", 128), ("flowId", 64)):
        table += [
            ('{"eventName":"x","%s":%s}' % (name, text), 400)
            for text in ("5", "true", "[]", "{}", '"' + "é" * (size + 1) + '"', '"a\\u0007"', '"\\ud800"')
        ]
    for name in ("customerId", "featureId", "subscriptionId", "entitlementId", "invoiceId"):
        table += [
            ('{"eventName":"x","%s":%s}' % (name, text), 400) for text in ("5", '"x"', '"00000000-0000-0000-0000-00000000000g"')
        ]
    for text in (
        "5",
        '"yesterday"',
        '"2026-13-01T00:00:00Z"',
        '"2026-08-06"',
        '"2026-08-06T00:00:00"',
        '"1969-12-31T23:59:59Z"',
        '"2200-01-01T00:00:00Z"',
        '"2026-02-30T00:00:00Z"',
        "1786000000",
        '""',
    ):
        table.append(('{"eventName":"x","occurredAt":%s}' % text, 400))
    table += [
        ('{"eventName":"x","costInput":%s}' % text, 400)
        for text in (
            "5",
            "[]",
            '"x"',
            '{"model":5}',
            '{"model":"%s"}' % ("m" * 129),
            '{"modelProvider":"%s"}' % ("m" * 65),
            '{"usage":[]}',
            '{"usage":"x"}',
            '{"serviceTier":"gold"}',
            '{"batch":"yes"}',
            '{"model":"a","model":"b"}',
        )
    ]
    table += [('{"eventName":"x","meta":%s}' % text, 400) for text in ("5", "[]", '"x"', '{"a":"%s"}' % ("x" * 17_000))]
    table.append(
        ('{"eventName":"x","costInput":{"model":"gpt-4o","modelProvider":"openai","inputTokens":5,"cacheReadTokens":6}}', 422)
    )
    table.append(
        (
            '{"eventName":"x","costInput":{"model":"gpt-4o","modelProvider":"openai","usage":{"prompt_tokens":5,'
            '"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":6}}}}',
            422,
        )
    )
    for text, status in table:
        connection.request("POST", EVENTS, text if text != "" else b"", {"Content-Type": "application/json"})
        reply = connection.response("POST", EVENTS)
        shown = text if len(text) < 120 else text[:120]
        case.equal(reply.status, status, f"{shown}")
        if status == 400:
            case.equal(reply.code, "validation_failed", shown)
        else:
            case.expect(reply.code in ("amount_out_of_range", "usage_inconsistent"), f"{shown}: {reply.code}")
        case.equal(reply.json["success"], False, shown)
        if reply.header("connection") == "close":
            connection = daemon.connect()
    case.equal(recorded(daemon), 0, "events recorded")
    # And what looks odd but is fine.
    for text in (
        '{"eventName":""}',
        '{"eventName":"x","costAmount":null,"costInput":null,"meta":null,"occurredAt":null}',
        '{"eventName":"x","costAmount":-0.0}',
        '{"eventName":"x","costAmount":9223372.036854775807}',
        '{"eventName":"x","unknown":[{}]}',
        '{"eventName":"x","costAmount":"0.1","usageUnits":"1e3"}',
        '{"eventName":"\\u65e5\\ud83d\\ude00"}',
        '{"eventName":"x","properties":5}',
        '{"eventName":"%s"}' % ("\U0001f600" * 128),
        ' \n{"eventName":"x"}\t',
    ):
        case.equal(daemon.call("POST", EVENTS, text).status, 201, text[:100])
    case.equal(daemon.call("GET", MARGINS + "?groupBy=nothing").status, 400, "an unknown grouping")


def hostile_names(case):
    """Text is data: it comes back byte for byte and gets into no path, query, log line or metric."""
    daemon = case.daemon()
    names = [
        "../../../etc/passwd",
        "'; DROP TABLE events; --",
        "%s%n%x",
        "a/b?c=d&e#f",
        "<script>alert(1)</script>",
        "\\u0000",
        "\u202e\u200b",
        "label=\"x\",{}",
        "日本語 😀",
        "a%2Fb",
        "%",
        "+ +",
        "\"",
        "\\",
        "null",
        "Robert'); --",
        "\u0085\u2028",
        "é" * 256,
        "*",
        "%_",
        "A",
        "a",
    ]
    for index, name in enumerate(names):
        reply = daemon.call(
            "POST",
            EVENTS,
            {
                "eventName": name[:128],
                "customerReferenceId": name,
                "featureKey": name[:128],
                "eventIdempotencyKey": name[:63] or "x",
                "costAmount": Raw(f"0.0{index + 1}"),
                "costInput": {"model": name[:128], "modelProvider": name[:64]},
            },
        )
        case.equal(reply.status, 201, f"{name!r}: {reply}")

    def listed():
        items = daemon.call("GET", MARGINS + "?groupBy=customer,model,provider,feature,eventName").data["items"]
        return items if sum(item["events"] for item in items) == len(names) else None

    seen = {item["customerReferenceId"]: item for item in eventually("margins", listed)}
    import urllib.parse

    for index, name in enumerate(names):
        item = seen.get(name)
        if not case.expect(item, f"{name!r} is not among the customers"):
            continue
        case.equal(
            (item["model"], item["modelProvider"], item["featureKey"], item["eventName"], item["costAmount"]),
            (name[:128], name[:64], name[:128], name[:128], Decimal(f"0.0{index + 1}")),
            f"{name!r}",
        )
        quoted = urllib.parse.quote(name, safe="")
        reply = daemon.call("GET", MARGINS + "?groupBy=customer&customerReferenceId=" + quoted)
        case.equal([i["customerReferenceId"] for i in reply.data["items"]], [name], f"filter by {name!r}")
        case.equal(daemon.call("GET", "/api/v1/client/customers/" + quoted).data["customerReferenceId"], name, f"customer {name!r}")
        case.equal(
            daemon.call("GET", EVENTS + "/" + urllib.parse.quote(name[:63], safe="")).data["eventName"],
            name[:128],
            f"event {name!r}",
        )
    page = daemon.call("GET", "/metrics").body.decode()
    for name in names[:6]:
        case.expect(name not in page and name not in daemon.said(), f"{name!r} got into metrics or the log")
    for line in page.splitlines():
        case.expect(
            re.fullmatch(r'(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"\\]*"(,\w+="[^"\\]*")*\})? [0-9.e+-]+)', line), f"metrics: {line!r}"
        )
    for path in ("%00", "%ff", "%c0%af", "%zz", "%2"):
        case.equal(daemon.call("GET", EVENTS + "/" + path).status, 400, f"path {path}")


def batches(case):
    daemon = case.daemon()
    good = [event(eventIdempotencyKey=f"b{i}", costAmount=Raw("0.5")) for i in range(4)]
    mixed = [
        good[0],
        {"eventName": 5},
        good[1],
        event(eventIdempotencyKey="b0", costAmount=Raw("0.5")),
        event(eventIdempotencyKey="b1", costAmount=Raw("0.6")),
        event(costAmount=-1),
        good[2],
        {},
        event(eventName="x" * 129),
    ]
    reply = daemon.call("POST", BATCH, mixed)
    case.equal(reply.status, 200, "a mixed batch")
    data = reply.data
    case.equal((data["recorded"], data["duplicates"], data["rejected"]), (3, 2, 4), "its counts")
    case.equal(
        [(r["index"], r["status"]) for r in data["results"]],
        [
            (1, "field_invalid"),
            (3, "duplicate"),
            (4, "conflict"),
            (5, "amount_out_of_range"),
            (7, "field_missing"),
            (8, "field_too_long"),
        ],
        "its results",
    )
    case.equal(
        [r.get("error", {}).get("code") for r in data["results"]],
        [
            "validation_failed",
            "duplicate_event",
            "duplicate_event",
            "amount_out_of_range",
            "validation_failed",
            "validation_failed",
        ],
        "its codes",
    )
    for query in ("?results=all", "?x=1&results=all"):
        reply = daemon.call("POST", BATCH + query, [good[3], good[0]] if query == "?results=all" else [good[3]])
        case.equal(
            [r["status"] for r in reply.data["results"]],
            ["recorded", "duplicate"] if query == "?results=all" else ["duplicate"],
            query,
        )
    lines = "\n".join(
        [encode(event(eventIdempotencyKey=f"n{i}")) for i in range(3)]
        + ["", "  ", "{broken", "5", '{"eventName":"x"} trailing', encode(event(eventIdempotencyKey="n0"))]
    )
    for end in ("", "\n", "\r\n"):
        reply = daemon.call(
            "POST", BATCH, lines.replace("\n", "\r\n" if end == "\r\n" else "\n") + end, {"Content-Type": "application/x-ndjson"}
        )
        wanted = (3, 1, 3) if end == "" else (0, 4, 3)
        case.equal((reply.data["recorded"], reply.data["duplicates"], reply.data["rejected"]), wanted, f"lines ending in {end!r}")
    case.equal(daemon.call("POST", BATCH, []).data["recorded"], 0, "an empty batch")
    for text in ("{}", "[", "[{}", '[{"eventName":"x"},]', '[{"eventName":"x"}] x', "null"):
        refused(case, daemon.call("POST", BATCH, text), 400, "validation_failed", f"batch {text}")
    case.equal(recorded(daemon), 7, "events recorded")


def duplicates(case):
    """Within a batch, across connections and protocols, across restarts; the same payload and another one."""
    daemon = case.daemon()
    base = event(
        eventIdempotencyKey="dup-1",
        customerReferenceId="acme",
        costAmount=Raw("0.1"),
        revenueAmount=1,
        occurredAt="2026-08-01T10:00:00Z",
    )
    first = daemon.call("POST", EVENTS, base)
    sequence = first.data["sequence"]

    def check(where):
        for name, again, conflict in (
            ("the same", base, False),
            ("the same in other words", {**base, "costAmount": "1e-1", "occurredAt": "2026-08-01T12:00:00.000+02:00"}, False),
            ("another cost", {**base, "costAmount": Raw("0.2")}, True),
            ("another customer", {**base, "customerReferenceId": "b"}, True),
        ):
            reply = daemon.call("POST", EVENTS, again)
            case.equal((reply.status, reply.code, reply.json["success"]), (409, "duplicate_event", False), f"{name} {where}")
            case.equal(reply.data["original"]["sequence"], sequence, f"{name} {where}: original")
            case.equal(reply.data["original"].get("costAmount"), Decimal("0.1"), f"{name} {where}: cost")
            case.equal(bool(reply.data.get("conflict")), conflict, f"{name} {where}: conflict")
        client = frames.Client(daemon)
        answer = client.record([oracle.read(encode(base)), oracle.read(encode({**base, "revenueAmount": 2}))])
        case.equal([answer.results[i]["outcome"] for i in range(2)], ["duplicate", "conflict"], f"by frames {where}")
        case.equal([answer.results[i]["sequence"] for i in range(2)], [sequence] * 2, f"by frames {where}: sequences")
        client.close()

    check("at once")
    # In one frame, in frames sent together, in one batch, in parallel: one of them counts.
    client = frames.Client(daemon)
    parsed = [oracle.read(encode(event(eventIdempotencyKey=f"f{i % 7}", occurredAt="2026-08-01T10:00:00Z"))) for i in range(50)]
    answer = client.record(parsed)
    case.equal((answer.recorded, answer.duplicates), (7, 43), "within a frame")
    client.send(b"".join(frames.events(parsed[i : i + 1], 100 + i) for i in range(50)))
    case.equal(sum(client.answer().duplicates for _ in range(50)), 50, "across frames sent together")
    fresh = [oracle.read(encode(event(eventIdempotencyKey=f"g{i % 3}", occurredAt="2026-08-01T10:00:00Z"))) for i in range(30)]
    client.send(b"".join(frames.events([e], 200 + i) for i, e in enumerate(fresh)))
    case.equal(sum(client.answer().recorded for _ in range(30)), 3, "across frames not yet durable")
    client.close()
    connections = [daemon.connect() for _ in range(20)]
    for connection in connections:
        connection.request("POST", EVENTS, event(eventIdempotencyKey="race"))
    case.equal(
        sorted(connection.response("POST", EVENTS).status for connection in connections), [201] + [409] * 19, "twenty at once"
    )
    total = recorded(daemon)
    case.equal(total, 1 + 7 + 3 + 1, "events recorded")
    for how in ("stop", "kill"):
        getattr(daemon, how)()
        daemon = daemon.again()
        check(f"after {how}")
        case.equal(daemon.call("POST", EVENTS, event(eventIdempotencyKey="race")).status, 409, f"race after {how}")
    case.equal(len(oracle.entries(case.tool("journal", "dump", "--state", daemon.state).decode())), total, "events in the journal")


SCENARIOS = {
    "quickstart": quickstart,
    "bad_events": bad_events,
    "hostile_names": hostile_names,
    "batches": batches,
    "duplicates": duplicates,
}
