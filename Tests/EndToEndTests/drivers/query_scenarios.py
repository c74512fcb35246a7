"""What is asked about events: lists, single events, customers, margins by every grouping and filter."""

import datetime
import json
from decimal import Decimal

import load
import oracle
from harness import encode
from http_scenarios import BATCH, EVENTS, MARGINS, refused
from workload import Workload


def events_and_customers(case):
    daemon = case.daemon()
    workload = Workload(21, days=3)
    sent = workload.events(400)
    for start in range(0, 400, 100):
        case.equal(daemon.call("POST", BATCH, sent[start : start + 100]).data["recorded"], 100, "a batch")
    parsed = {e["eventIdempotencyKey"]: oracle.read(encode(e)) for e in sent}
    seen, cursor, pages = [], None, 0
    while True:
        page = daemon.call("GET", EVENTS + "?limit=90" + (f"&cursor={cursor}" if cursor else "")).data
        seen += page["items"]
        pages += 1
        cursor = page.get("nextCursor")
        if not cursor or pages > 20:
            break
    case.equal((pages, len(seen)), (5, 400), "pages and events")
    case.equal([item["sequence"] for item in seen], list(range(400, 0, -1)), "newest first")
    for item in seen:
        for difference in oracle.entry_differences(item, parsed[item["eventIdempotencyKey"]]):
            case.expect(False, f"{item['eventIdempotencyKey']}: {difference}")
    one = sent[123]
    reply = daemon.call("GET", EVENTS + "/" + one["eventIdempotencyKey"])
    case.equal((reply.status, reply.data["sequence"]), (200, 124), "one event by its key")
    refused(case, daemon.call("GET", EVENTS + "/nobody-sent-this"), 404, "not_found", "an unknown event")
    middle = (workload.now - datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query, holds in (
        ("customerReferenceId=acme", lambda e: e.get("customerReferenceId") == "acme"),
        (
            "model=gpt-4o&modelProvider=openai",
            lambda e: (e.get("costInput") or {}).get("model") == "gpt-4o" and e["costInput"].get("modelProvider") == "openai",
        ),
        ("eventName=embedding&featureKey=search", lambda e: e["eventName"] == "embedding" and e.get("featureKey") == "search"),
        ("flowId=flow-7", lambda e: e.get("flowId") == "flow-7"),
        (f"from={middle}", lambda e: oracle.instant(e["occurredAt"]) >= oracle.instant(middle)),
        (f"to={middle}", lambda e: oracle.instant(e["occurredAt"]) < oracle.instant(middle)),
        ("unpriced=true", lambda e: oracle.cost_of(e) is None),
        ("unpriced=false", lambda e: oracle.cost_of(e) is not None),
    ):
        items = daemon.call("GET", EVENTS + "?limit=1000&" + query).data["items"]
        case.equal({i["eventIdempotencyKey"] for i in items}, {k for k, e in parsed.items() if holds(e)}, f"events with {query}")
    for query in ("limit=0", "limit=1001", "limit=x", "from=x", "to=", "unpriced=maybe", "cursor=%00", "cursor=zzz"):
        refused(case, daemon.call("GET", EVENTS + "?" + query), 400, "validation_failed", query)

    customers = "/api/v1/client/customers"
    reply = daemon.call(
        "POST", customers, {"email": "ada@example.com", "customerReferenceId": "acme", "firstName": "Ada", "lastName": "L"}
    )
    case.equal((reply.status, reply.data["email"]), (201, "ada@example.com"), "a customer that events created")
    refused(
        case, daemon.call("POST", customers, {"email": "b@example.com", "customerReferenceId": "acme"}), 409, "conflict", "again"
    )
    case.equal(
        daemon.call("POST", customers, {"email": "new@example.com", "customerReferenceId": "new one"}).status, 201, "a new customer"
    )
    case.equal(daemon.call("GET", customers + "/new%20one").data["email"], "new@example.com", "it is there")
    case.equal(daemon.call("PATCH", customers + "/acme", {"firstName": "Augusta"}).data["firstName"], "Augusta", "changed")
    case.equal(daemon.call("GET", customers + "/acme").data["lastName"], "L", "unchanged fields stay")
    refused(case, daemon.call("GET", customers + "/nobody"), 404, "not_found", "an unknown customer")
    refused(case, daemon.call("PATCH", customers + "/nobody", {"firstName": "x"}), 404, "not_found", "changing an unknown customer")
    for body in ({}, {"email": ""}, {"email": None}, {"email": 5}, {"email": "a@b", "firstName": "x" * 101}, "[]", "{"):
        refused(case, daemon.call("POST", customers, body), 400, "validation_failed", f"customer {str(body)[:40]}")
    listed = daemon.call("GET", customers + "?limit=5").data
    total = len({e.get("customerReferenceId") for e in parsed.values()} - {None}) + 1
    case.equal(
        (len(listed["items"]), listed["pagination"]),
        (5, {"total": total, "limit": 5, "offset": 0, "hasMore": True}),
        "customers, paged",
    )
    case.equal(
        [c["customerReferenceId"] for c in daemon.call("GET", customers + "?search=august").data["items"]],
        ["acme"],
        "customers, searched",
    )
    daemon.kill()
    daemon = daemon.again()
    case.equal(daemon.call("GET", customers + "/acme").data["firstName"], "Augusta", "a change after a crash")
    item = [i for i in daemon.call("GET", MARGINS + "?groupBy=customer").data["items"] if i["customerReferenceId"] == "acme"]
    case.equal(item and item[0].get("customer", {}).get("email"), "ada@example.com", "margins name the customer")


def margins(case):
    """Every grouping and filter, against the oracle, to the last digit; within a second of the acknowledgement."""
    daemon = case.daemon()
    workload = Workload(77, customers=40, days=75)
    events = workload.events(3000)
    for start in range(0, 3000, 500):
        daemon.call("POST", BATCH, events[start : start + 500])
    counted = [oracle.read(encode(e)) for e in events]
    load.compare_margins(
        case,
        daemon,
        counted,
        (
            ("customer",),
            ("feature",),
            ("model",),
            ("provider",),
            ("eventName",),
            ("hour",),
            ("day",),
            ("month",),
            ("customer", "model"),
            ("month", "customer", "feature"),
            ("day", "provider", "model", "eventName"),
        ),
    )
    for zone in ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "UTC"):
        for by in (["day"], ["month", "customer"]):
            reply = daemon.call("GET", f"{MARGINS}?groupBy={','.join(by)}&timezone={zone}")
            for difference in oracle.differences(reply.data, counted, by, zone):
                case.expect(False, f"{by} in {zone}: {difference}")
    ends = [(workload.now - datetime.timedelta(days=d)).replace(minute=0, second=0) for d in (40, 11)]
    early, late = (e.strftime("%Y-%m-%dT%H:%M:%SZ") for e in ends)
    odd = (ends[1] + datetime.timedelta(seconds=1234.5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def within(start, end):
        return lambda e: (start is None or oracle.instant(e["occurredAt"]) >= oracle.instant(start)) and (
            end is None or oracle.instant(e["occurredAt"]) < oracle.instant(end)
        )

    for query, holds in (
        (f"from={early}&to={late}", within(early, late)),
        (f"from={late}", within(late, None)),
        (f"to={early}", within(None, early)),
        (f"from={early}&to={odd}", within(early, odd)),
        (f"from={odd}", within(odd, None)),
        ("customerReferenceId=acme", lambda e: e.get("customerReferenceId") == "acme"),
        ("model=gpt-4o-mini", lambda e: (e.get("costInput") or {}).get("model") == "gpt-4o-mini"),
        (
            "modelProvider=anthropic&featureKey=ai.chat",
            lambda e: (e.get("costInput") or {}).get("modelProvider") == "anthropic" and e.get("featureKey") == "ai.chat",
        ),
        ("eventName=embedding", lambda e: e["eventName"] == "embedding"),
        ("unpriced=true", lambda e: oracle.cost_of(e) is None),
        ("customerReferenceId=nobody", lambda e: False),
    ):
        for by in (["customer"], ["model", "day"]):
            reply = daemon.call("GET", f"{MARGINS}?groupBy={','.join(by)}&{query}")
            if case.equal(reply.status, 200, query):
                for difference in oracle.differences(reply.data, [e for e in counted if holds(e)], by):
                    case.expect(False, f"{by} with {query}: {difference}")
    for query in (
        "",
        "groupBy=",
        "groupBy=customer,customer",
        "groupBy=customer&from=x",
        "groupBy=day&timezone=Mars/Base",
        "groupBy=day&timezone=../../etc/passwd",
        "groupBy=customer&unpriced=1",
    ):
        refused(case, daemon.call("GET", MARGINS + "?" + query), 400, "validation_failed", f"margins?{query}")
    # The tool shows the same.
    shown = json.loads(
        case.tool("margins", "--by", "customer,model", "--json", daemon=daemon), parse_float=Decimal, parse_int=Decimal
    )
    for difference in oracle.differences(shown, counted, ("customer", "model")):
        case.expect(False, f"purser margins: {difference}")
    table = case.tool("margins", "--by", "customer", daemon=daemon).decode()
    case.expect("acme" in table and "日本商事" in table, "the table names customers")


SCENARIOS = {
    "events_and_customers": events_and_customers,
    "margins": margins,
}
