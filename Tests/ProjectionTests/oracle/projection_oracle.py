"""Judges answers of the projection against the events they are about.

Reads a folder: `events.jsonl` (one event a line, amounts as integers), `numbers.json` (the order in which names appeared)
and `cases.jsonl` (a query and the text of its answer a line). Shares no code with what it judges: sums are Python integers, local
dates come from zoneinfo, JSON from the standard library. Prints every difference; ends with 1 when there is one.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

HOUR = 3_600_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIELDS = {
    "customer": ("customer", "customerReferenceId"),
    "feature": ("feature", "featureKey"),
    "model": ("model", "model"),
    "provider": ("provider", "modelProvider"),
    "eventName": ("eventName", "eventName"),
}


def exact(value):
    return Decimal(value) if isinstance(value, int) else value


def scaled(value, places):
    with localcontext() as context:
        context.prec = 80
        return Decimal(value).scaleb(-places)


def local_date(nanoseconds, zone):
    return (EPOCH + timedelta(seconds=nanoseconds // 1_000_000_000)).astimezone(zone).date()


def matches(event, spec):
    for name in ("customer", "feature", "model", "provider", "eventName", "flow"):
        if spec.get(name) is not None and event.get(name) != spec[name]:
            return False
    if spec.get("from") is not None and event["occurredAt"] < spec["from"]:
        return False
    if spec.get("to") is not None and event["occurredAt"] >= spec["to"]:
        return False
    if event["void"] and spec.get("unpriced") is not None:
        return False
    unpriced = event.get("cost") is None
    return spec.get("unpriced") is None or spec["unpriced"] == unpriced


def sums(events):
    def total(name):
        return sum(event.get(name) or 0 for event in events)

    return {
        "events": len(events),
        "usageUnits": scaled(total("usageUnits"), 6),
        "inputTokens": scaled(total("inputTokens"), 6),
        "outputTokens": scaled(total("outputTokens"), 6),
        "costAmount": scaled(total("cost"), 12),
        "revenueAmount": scaled(total("revenue"), 12),
        "marginAmount": scaled(total("revenue") - total("cost"), 12),
        "unpricedEvents": sum(1 for event in events if event.get("cost") is None),
        "ratio": (total("revenue") - total("cost"), total("revenue")),
    }


def ratio(pair):
    margin, revenue = pair
    if revenue == 0:
        return None
    return Decimal(round(Fraction(margin * 10_000, revenue))).scaleb(-4)


def compare_figures(expected, actual, where, problems):
    for name, value in expected.items():
        if name == "ratio":
            wanted = ratio(value)
            if (wanted is None) != ("marginRatio" not in actual) or (wanted is not None and exact(actual["marginRatio"]) != wanted):
                problems.append(f"{where}: marginRatio {actual.get('marginRatio')} instead of {wanted}")
        elif name not in actual or exact(actual[name]) != exact(value):
            problems.append(f"{where}: {name} {actual.get(name)} instead of {value}")


def judge_margins(case, events, numbers, problems):
    where = f"case {case['number']} {json.dumps(case['query'])[:300]}"
    query = case["query"]
    zone = ZoneInfo(query["timezone"] or "UTC")
    groups = {}
    chosen = [event for event in events if matches(event, query["filter"]) and not event["void"]]
    for event in chosen:
        key = []
        for name in query["groupBy"]:
            if name in FIELDS:
                key.append(event.get(FIELDS[name][0]))
            elif name == "hour":
                start = EPOCH + timedelta(seconds=event["occurredAt"] // HOUR * 3600)
                key.append(start.strftime("%Y-%m-%dT%H:%M:%SZ"))
            elif name == "day":
                key.append(local_date(event["occurredAt"], zone).isoformat())
            else:
                key.append(local_date(event["occurredAt"], zone).strftime("%Y-%m"))
        groups.setdefault(tuple(key), []).append(event)

    def order(entry):
        key, figures = entry
        named = dict(zip(query["groupBy"], key))
        place = [named.get(time, "") for time in ("month", "day", "hour")]
        place.append(-figures["costAmount"])
        place += [numbers.get(named.get(name), 0) if named.get(name) is not None else 0 for name in FIELDS]
        return place

    expected = sorted(((key, sums(group)) for key, group in groups.items()), key=order)
    data = case["data"]
    compare_figures(sums(chosen), data["totals"], where + " totals", problems)
    if len(data["items"]) != len(expected):
        problems.append(f"{where}: {len(data['items'])} items instead of {len(expected)}")
        return
    for (key, figures), item in zip(expected, data["items"]):
        found = tuple(item[FIELDS[name][1] if name in FIELDS else name] for name in query["groupBy"])
        if found != key:
            problems.append(f"{where}: group {found} where {key} belongs")
            return
        compare_figures(figures, item, f"{where} {key}", problems)


def judge_events(case, events, problems):
    where = f"case {case['number']} {json.dumps(case['query'])[:300]}"
    expected = [event for event in reversed(events) if matches(event, case["query"]["filter"])]
    found = case["data"]["items"]
    if [item["sequence"] for item in found] != [event["sequence"] for event in expected]:
        problems.append(f"{where}: {len(found)} events instead of {len(expected)}, or in another order")
        return
    for event, item in zip(expected, found):
        pairs = [
            ("eventIdempotencyKey", event["key"]), ("eventName", event["eventName"]), ("customerReferenceId", event.get("customer")),
            ("featureKey", event.get("feature")), ("model", event.get("model")), ("modelProvider", event.get("provider")),
            ("eventId", str(event["sequence"])), ("unpriced", event.get("cost") is None), ("voided", True if event["void"] else None),
        ]
        pairs += [("flowId", event["flow"])] if event.get("flow") is not None else []
        pairs += [("meta", json.loads(event["meta"]))] if event.get("meta") is not None else []
        for name, value in pairs:
            if item.get(name) != value:
                problems.append(f"{where}: {name} {item.get(name)} instead of {value}")
        for name, source, places in (
            ("costAmount", "cost", 12), ("revenueAmount", "revenue", 12), ("usageUnits", "usageUnits", 6),
        ):
            value = event.get(source)
            if (value is None) != (name not in item) or (value is not None and exact(item[name]) != scaled(value, places)):
                problems.append(f"{where}: {name} {item.get(name)} instead of {value}e-{places}")


def main():
    folder = Path(sys.argv[1])
    events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    numbers = json.loads((folder / "numbers.json").read_text())
    problems = []
    count = 0
    for line in (folder / "cases.jsonl").open():
        case = json.loads(line)
        case["data"] = json.loads(case.pop("answer"), parse_float=Decimal)
        count += 1
        if case["kind"] == "margins":
            judge_margins(case, events, numbers, problems)
        else:
            judge_events(case, events, problems)
    for problem in problems[:20]:
        print(problem)
    print(f"{count} cases, {len(events)} events, {len(problems)} differences")
    sys.exit(1 if problems or count == 0 else 0)


if __name__ == "__main__":
    main()
