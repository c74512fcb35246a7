"""The events of a side-by-side run, what they come to, and the bytes in which each system takes them."""

import bisect
import itertools
import pathlib
import random
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "EndToEndTests" / "drivers"))

import frames  # noqa: E402
import harness  # noqa: E402

CUSTOMERS = 10_000
# In a patch: the number of the connection is written there, not that of the round.
OF_CONNECTION = 1 << 31
# Picodollars a token: input, read from a cache, output; the share of input that a cache held; tokens in and out; revenue.
MODELS = {
    ("house", "small-chat"): ((250_000, 25_000, 2_000_000), 60, (900, 4200), (120, 700), 20_000_000_000),
    ("house", "embedding"): ((20_000, 2_000, 0), 0, (7, 900), (0, 0), 200_000_000),
    ("other", "large-chat"): ((3_000_000, 300_000, 15_000_000), 70, (6000, 24_000), (600, 2400), 250_000_000_000),
    ("other", "summaries"): ((300_000, 30_000, 2_500_000), 20, (4000, 30_000), (300, 1500), 12_000_000_000),
}
FEATURES = ["support-chat", "semantic-search", "code-review", "summaries"]

# Events --------------------------------------------------------------------------------------------------------------

class Event:
    """`key` has four digits for the round, in which `replay` writes; the rest tells events of a round apart."""

    __slots__ = ("at", "cached", "customer", "feature", "input", "key", "model", "output", "provider", "revenue")

    @property
    def cost(self):
        rates = MODELS[self.provider, self.model][0]
        return (self.input - self.cached) * rates[0] + self.cached * rates[1] + self.output * rates[2]

    @property
    def iso(self):
        seconds, milliseconds = divmod(self.at, 1000)
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03}Z"

    def json(self):
        tokens = {"inputTokens": self.input, "cacheReadTokens": self.cached, "outputTokens": self.output}
        return {
            "eventName": "completion",
            "eventIdempotencyKey": self.key,
            "customerReferenceId": self.customer,
            "featureKey": self.feature,
            "occurredAt": self.iso,
            "revenueAmount": dollars(self.revenue),
            "costInput": {"model": self.model, "modelProvider": self.provider, **tokens},
        }

    def values(self):
        return [self.key, self.customer, self.feature, self.provider, self.model, self.input, self.cached, self.output]

def dollars(picodollars):
    whole, rest = divmod(picodollars, 10**12)
    return f"{whole}.{rest:012}".rstrip("0").rstrip(".")

def make_events(count):
    chance = random.Random(7787)
    zipf = list(itertools.accumulate(1 / rank for rank in range(1, CUSTOMERS + 1)))
    start = (int(time.time()) - 1800) * 1000
    events = []
    for number in range(count):
        if number > 100 and chance.random() < 0.01:
            events.append(events[number - chance.randrange(1, 100)])
            continue
        event = Event()
        event.provider, event.model = chance.choice(list(MODELS))
        _, cached, tokens, output, event.revenue = MODELS[event.provider, event.model]
        event.key = f"0000-{number:09}"
        event.customer = f"cust-{bisect.bisect_left(zipf, chance.random() * zipf[-1]) + 1:08}"
        event.feature = chance.choice(FEATURES)
        event.input = chance.randint(*tokens)
        event.cached = event.input * cached // 100
        event.output = chance.randint(*output)
        event.at = start + chance.randrange(60_000)
        events.append(event)
    return events

class Totals:
    """What the first `sent` events of a stream that begins again after each round come to."""

    def __init__(self, events):
        self.sums, self.seen = [(0, 0, 0)], set()
        for event in events:
            count, cost, revenue = self.sums[-1]
            if event.key not in self.seen:
                self.seen.add(event.key)
                count, cost, revenue = count + 1, cost + event.cost, revenue + event.revenue
            self.sums.append((count, cost, revenue))

    def of(self, sent):
        rounds, rest = divmod(sent, len(self.sums) - 1)
        return tuple(rounds * whole + part for whole, part in zip(self.sums[-1], self.sums[rest]))

# Messages ------------------------------------------------------------------------------------------------------------

def write_messages(path, messages):
    """`messages` yields (bytes, events in it, patches of other kinds); see `replay.c` for the form."""
    with open(path, "wb") as file:
        for data, events, more in messages:
            patches, at = list(more), 0
            for event in events:
                at = data.index(event.key.encode(), at)
                patches.append(at)
                at += len(event.key)
            file.write(struct.pack(f"<II{len(patches)}I", len(data), len(patches), *patches) + data + bytes(-len(data) % 4))

def groups(events, size):
    return [events[i : i + size] for i in range(0, len(events), size)]

def http_messages(events, size, key):
    path = "/api/v1/client/events" + ("" if size == 1 else "/batch")
    kind = "application/json" if size == 1 else "application/x-ndjson"
    for group in groups(events, size):
        body = "\n".join(harness.encode(event.json()) for event in group).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\n"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, group, ()

def frame_messages(events, size):
    for number, group in enumerate(groups(events, size)):
        yield frames.events([event.json() for event in group], number + 1), group, ()

def postgres_message(kind, payload):
    return kind + struct.pack(">I", len(payload) + 4) + payload

def postgres_messages(events, size):
    for group in groups(events, size):
        rows = [[e.key, e.iso, *e.values()[1:], dollars(e.revenue)] for e in group]
        values = rows[0] if size == 1 else ["{" + ",".join(str(row[i]) for row in rows) + "}" for i in range(10)]
        texts = [str(value).encode() for value in values]
        bind = b"\0s\0" + struct.pack(">HH", 0, len(texts)) + b"".join(struct.pack(">I", len(t)) + t for t in texts) + struct.pack(">H", 0)
        execute = b"\0" + struct.pack(">I", 0)
        yield postgres_message(b"B", bind) + postgres_message(b"E", execute) + postgres_message(b"S", b""), group, ()

def redis_command(*arguments):
    texts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(t), t) for t in texts)

def redis_messages(events, size, script):
    for group in groups(events, size):
        values = []
        for event in group:
            values += [event.key, event.at, *event.values()[1:], event.revenue]
        yield redis_command("EVALSHA", script, 1, "prices", *values), group, ()

def nats_messages(events):
    for event in events:
        body = harness.encode(event.json()).encode()
        head = f"NATS/1.0\r\nNats-Msg-Id: {event.key}\r\n\r\n".encode()
        line = f"HPUB events.usage answers.0000 {len(head)} {len(head) + len(body)}\r\n".encode()
        # The key stands twice: in the header, by which duplicates are found, and in the event.
        yield line + head + body + b"\r\n", [event, event], (line.index(b"0000") | OF_CONNECTION,)
