"""A second bookkeeper: what events cost and what the totals must be, in Python's decimal, sharing no code with Purser.

It knows the rates of a handful of models from their makers' price pages and prices what the workload makes: token counts,
OpenAI's and Anthropic's usage objects, units that stand for input tokens. Everything is exact; rounding happens where the
protocol says it does: half-even, once per event, to a picodollar, and to a millionth for quantities.
"""

import datetime
import decimal
import json
import zoneinfo
from decimal import Decimal

CONTEXT = decimal.Context(
    prec=60, rounding=decimal.ROUND_HALF_EVEN, traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow]
)
decimal.setcontext(CONTEXT)

PICO = Decimal("1e-12")
MICRO = Decimal("1e-6")
MILLION = Decimal(1_000_000)

# USD per million tokens: input, cached input, output, cache write of 5 minutes, of 1 hour. None: there is no such rate.
RATES = {
    ("openai", "gpt-4o"): ("2.5", "1.25", "10", None, None),
    ("openai", "gpt-4o-mini"): ("0.15", "0.075", "0.6", None, None),
    ("openai", "text-embedding-3-small"): ("0.02", None, None, None, None),
    ("anthropic", "claude-sonnet-4-5"): ("3", "0.3", "15", "3.75", "6"),
    ("anthropic", "claude-sonnet-4-5-20250929"): ("3", "0.3", "15", "3.75", "6"),
}

# Grouping -> (member of an event, member of a margins item).
GROUPS = {
    "customer": ("customerReferenceId", "customerReferenceId"),
    "feature": ("featureKey", "featureKey"),
    "model": ("costInput.model", "model"),
    "provider": ("costInput.modelProvider", "modelProvider"),
    "eventName": ("eventName", "eventName"),
    "hour": (None, "hour"),
    "day": (None, "day"),
    "month": (None, "month"),
}


def read(text):
    """An event from its JSON, every number as a Decimal from its digits."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def number(value, step):
    """A number, or a string that holds one, rounded half-even to `step`; None stays None."""
    if value is None:
        return None
    return Decimal(value).quantize(step, decimal.ROUND_HALF_EVEN)


class Usage:
    def __init__(self, input=None, output=None, read=None, write=None, write_hour=None):
        self.input, self.output, self.read, self.write, self.write_hour = input, output, read, write, write_hour

    @property
    def given(self):
        return any(v is not None for v in (self.input, self.output, self.read, self.write, self.write_hour))


def usage_of(event):
    """Token counts of an event, totals inclusive of their parts."""
    cost_input = event.get("costInput") or {}
    usage = cost_input.get("usage")
    if usage is not None:
        if "prompt_tokens" in usage:
            details = usage.get("prompt_tokens_details") or {}
            return Usage(usage["prompt_tokens"], usage.get("completion_tokens"), details.get("cached_tokens"))
        creation = usage.get("cache_creation_input_tokens") or Decimal(0)
        hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or Decimal(0)
        cached = usage.get("cache_read_input_tokens") or Decimal(0)
        return Usage(usage["input_tokens"] + creation + cached, usage.get("output_tokens"), cached, creation - hour, hour)
    given = Usage(
        *(
            number(cost_input.get(name), MICRO)
            for name in ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cacheWrite1hTokens")
        )
    )
    if not given.given and event.get("usageUnits") is not None and cost_input.get("model"):
        return Usage(number(event["usageUnits"], MICRO))
    return given


def cost_of(event):
    """The cost in USD; None for an event that has no price."""
    given = number(event.get("costAmount"), PICO)
    if given is not None:
        return given
    cost_input = event.get("costInput") or {}
    rates = RATES.get((cost_input.get("modelProvider"), cost_input.get("model")))
    usage = usage_of(event)
    if rates is None or not usage.given:
        return None
    rate = [None if r is None else Decimal(r) / MILLION for r in rates]
    zero = Decimal(0)
    read, write, hour = usage.read or zero, usage.write or zero, usage.write_hour or zero
    plain = (usage.input or zero) - read - write - hour
    total = zero
    for count, price in ((plain, rate[0]), (read, rate[1]), (usage.output or zero, rate[2]), (write, rate[3]), (hour, rate[4])):
        if count:
            if price is None:
                return None
            total += count * price
    return total.quantize(PICO, decimal.ROUND_HALF_EVEN)


def instant(text):
    """RFC 3339 to (seconds since the epoch, nanoseconds)."""
    text = text.replace("z", "Z").replace("t", "T")
    date, rest = text[:19], text[19:]
    fraction = ""
    if rest.startswith("."):
        digits = rest[1:]
        while digits and digits[0].isdigit():
            fraction, digits = fraction + digits[0], digits[1:]
        rest = digits
    moment = datetime.datetime.fromisoformat(date + ("+00:00" if rest == "Z" else rest))
    return int(moment.timestamp()), int((fraction + "000000000")[:9])


class Sums:
    FIELDS = (
        "events",
        "usageUnits",
        "inputTokens",
        "outputTokens",
        "costAmount",
        "revenueAmount",
        "marginAmount",
        "unpricedEvents",
    )

    def __init__(self):
        self.events = self.unpriced = 0
        self.units = self.input = self.output = self.cost = self.revenue = Decimal(0)

    def add(self, event):
        zero = Decimal(0)
        cost, usage = cost_of(event), usage_of(event)
        self.events += 1
        self.unpriced += cost is None
        self.cost += cost or zero
        self.revenue += number(event.get("revenueAmount"), PICO) or zero
        self.units += number(event.get("usageUnits"), MICRO) or zero
        self.input += usage.input or zero
        self.output += usage.output or zero

    def values(self):
        return dict(
            zip(
                Sums.FIELDS,
                (
                    self.events,
                    self.units,
                    self.input,
                    self.output,
                    self.cost,
                    self.revenue,
                    self.revenue - self.cost,
                    self.unpriced,
                ),
            )
        )


def member(event, path):
    for name in path.split("."):
        event = (event or {}).get(name)
    return event


def group_of(event, by, zone="UTC"):
    path, _ = GROUPS[by]
    if path:
        return member(event, path)
    seconds, _ = instant(event["occurredAt"])
    moment = datetime.datetime.fromtimestamp(seconds, zoneinfo.ZoneInfo(zone if by != "hour" else "UTC"))
    if by == "hour":
        return moment.strftime("%Y-%m-%dT%H:00:00Z")
    return moment.strftime("%Y-%m-%d" if by == "day" else "%Y-%m")


def totals(events, group_by, zone="UTC"):
    """Group values -> Sums, and the Sums of all."""
    groups, everything = {}, Sums()
    for event in events:
        key = tuple(group_of(event, by, zone) for by in group_by)
        groups.setdefault(key, Sums()).add(event)
        everything.add(event)
    return groups, everything


def differences(data, events, group_by, zone="UTC"):
    """Where a margins reply differs from the oracle, in words."""
    wanted, everything = totals(events, group_by, zone)
    seen = set()
    for item in data["items"]:
        key = tuple(item.get(GROUPS[by][1]) for by in group_by)
        if key in seen:
            yield f"{key} is listed twice"
        seen.add(key)
        if key not in wanted:
            yield f"{key} should not be there: {item}"
        else:
            yield from sum_differences(item, wanted[key], key)
    for key in wanted.keys() - seen:
        yield f"{key} is missing"
    yield from sum_differences(data["totals"], everything, "totals")


def sum_differences(item, sums, where):
    values = sums.values()
    for name in Sums.FIELDS:
        if Decimal(item.get(name, "NaN")) != values[name]:
            yield f"{where} {name}: {item.get(name)}, the oracle says {values[name]}"
    ratio = item.get("marginRatio")
    if sums.revenue == 0:
        if ratio is not None:
            yield f"{where} has a margin ratio without revenue"
    elif ratio is None:
        yield f"{where} has no margin ratio"
    else:
        places = max(4, -Decimal(ratio).as_tuple().exponent)
        wanted = values["marginAmount"] / sums.revenue
        if abs(Decimal(ratio) - wanted) > Decimal(10) ** -places:
            yield f"{where} marginRatio: {ratio}, the oracle says {wanted}"


# The journal ---------------------------------------------------------------------------------------------------------


def entries(dump):
    """The events of `purser journal dump`, by key; the order of their sequences is checked."""
    found, last = {}, 0
    for line in dump.splitlines():
        entry = read(line)
        if entry["fact"] != "event":
            continue
        key = entry["eventIdempotencyKey"]
        if key in found:
            raise AssertionError(f"{key} is in the journal twice")
        if entry["sequence"] != last + 1:
            raise AssertionError(f"sequence {entry['sequence']} follows {last}")
        last = entry["sequence"]
        found[key] = entry
    return found


def entry_differences(entry, event):
    """Where an event of the journal differs from what its client sent."""
    for name in ("eventName", "customerReferenceId", "featureKey", "flowId"):
        if entry.get(name) != event.get(name):
            yield f"{name}: {entry.get(name)!r}, sent {event.get(name)!r}"
    for name, wanted in (
        ("costAmount", cost_of(event)),
        ("revenueAmount", number(event.get("revenueAmount"), PICO)),
        ("usageUnits", number(event.get("usageUnits"), MICRO)),
    ):
        got = entry.get(name)
        if (None if got is None else Decimal(got)) != wanted:
            yield f"{name}: {got}, the oracle says {wanted}"
    if event.get("occurredAt") and instant(entry["occurredAt"]) != instant(event["occurredAt"]):
        yield f"occurredAt: {entry['occurredAt']}, sent {event['occurredAt']}"


def verdict(dump, logs):
    """Judges a journal against the clients' own logs; (problems, events that count).

    A log line is {"sent": event}, {"acked": key} or {"refused": key}. Every acknowledged key is in the journal, once; every
    key of the journal was sent; what was never acknowledged is there at most once; every entry says what was sent.
    """
    sent, acked, refused, problems = {}, set(), set(), []
    for path in logs:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                entry = read(line)
                if "sent" in entry:
                    sent.setdefault(entry["sent"]["eventIdempotencyKey"], entry["sent"])
                elif "acked" in entry:
                    acked.add(entry["acked"])
                else:
                    refused.add(entry["refused"])
    try:
        found = entries(dump)
    except AssertionError as error:
        return [str(error)], []
    for key in sorted(acked - found.keys()):
        problems.append(f"{key} was acknowledged and is not in the journal")
    for key in sorted(found.keys() - sent.keys()):
        problems.append(f"{key} is in the journal and nobody sent it")
    for key in sorted(refused & found.keys()):
        problems.append(f"{key} was refused and is in the journal")
    for key, entry in found.items():
        if key in sent:
            problems += [f"{key} {difference}" for difference in entry_differences(entry, sent[key])]
    counted = [{**sent[key], "occurredAt": entry["occurredAt"]} for key, entry in found.items() if key in sent]
    return problems, counted
