"""Events as applications send them: costs with the noise of floating point, tokens in several shapes, names in several
scripts, some without a price, some without a customer. The same seed makes the same events.
"""

import datetime
import random

from harness import Raw

CUSTOMERS = ["acme", "globex", "Grüße GmbH", "日本商事", "o'brien & sons", "cust-\"quoted\"", "x" * 64, None]
FEATURES = ["ai.chat", "search", "résumé", None]
NAMES = ["chat.completion", "embedding", "audio.transcription", "workflow.finished"]
PRICED = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
]
UNPRICED = [("openai", "gpt-none-such"), ("nobody", "gpt-4o"), ("anthropic", "gpt-4o-mini"), (None, None)]


class Workload:
    """Makes events for ever. `customers`: how many besides the fixed ones. `days`: how far back they happened."""

    def __init__(self, seed, prefix="", customers=5, days=9, now=None):
        self.random = random.Random(seed)
        self.prefix = prefix or f"w{seed}"
        self.customers = CUSTOMERS + [f"customer-{i:05d}" for i in range(customers)]
        self.days = days
        self.now = now or datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.count = 0

    def key(self):
        self.count += 1
        if self.random.random() < 0.3:
            return "%08x-%04x-4%03x-8%03x-%012x" % (
                self.random.getrandbits(32),
                self.random.getrandbits(16),
                self.random.getrandbits(12),
                self.random.getrandbits(12),
                self.random.getrandbits(48),
            )
        return f"{self.prefix}-{self.count}"

    def occurred(self):
        back = datetime.timedelta(seconds=self.random.randrange(self.days * 86400 + 1))
        moment = self.now - back
        form = self.random.randrange(4)
        fraction = "" if form == 0 else "." + str(self.random.randrange(10**9)).zfill(9)[: self.random.choice((3, 6, 9))]
        if form == 3:
            zone = datetime.timezone(datetime.timedelta(minutes=self.random.choice((-480, -30, 60, 345, 840))))
            text = moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")
            return text[:-5] + fraction + text[-5:-2] + ":" + text[-2:]
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"

    def amount(self):
        choice = self.random.randrange(8)
        tokens = self.random.randrange(1, 200_000)
        if choice < 3:
            return Raw(repr(tokens * 0.00003))  # What JavaScript sends.
        if choice == 3:
            return Raw(f"0.{self.random.randrange(10**12):012d}5")  # A tie.
        if choice == 4:
            return f"{self.random.randrange(100)}.{self.random.randrange(10**9):09d}"
        if choice == 5:
            return Raw(f"{self.random.randrange(1, 10**6)}e-{self.random.randrange(1, 16)}")
        if choice == 6:
            return self.random.choice([0, Raw("0.0"), 1, Raw("0.000000000001"), Raw("0.00000014"), Raw("4.9e-13")])
        return Raw(f"{self.random.randrange(10**4)}.{self.random.randrange(10**15):015d}")

    def tokens(self, most):
        count = self.random.randrange(most)
        return self.random.choice([count, count, count, str(count), Raw(f"{count}.0")])

    def cost_input(self, event):
        r = self.random
        kind = r.randrange(20)
        if kind < 2:
            provider, model = r.choice(UNPRICED)
        else:
            provider, model = r.choice(PRICED)
        cost_input = {}
        if model:
            cost_input["model"] = model
        if provider:
            cost_input["modelProvider"] = provider
        # A model without output or cache rates is only given input.
        embedding = model == "text-embedding-3-small"
        if kind < 9:
            cost_input["inputTokens"] = self.tokens(50_000)
            if not embedding:
                cost_input["outputTokens"] = self.tokens(4_000)
                if r.random() < 0.3:
                    total = int(float(str(cost_input["inputTokens"])))
                    cost_input["cacheReadTokens"] = r.randrange(total + 1)
        elif kind < 12 and provider == "openai" and not embedding:
            total = r.randrange(1, 100_000)
            cost_input["usage"] = {
                "prompt_tokens": total,
                "completion_tokens": r.randrange(3_000),
                "total_tokens": total,
                "prompt_tokens_details": {"cached_tokens": r.randrange(total + 1)},
            }
        elif kind < 16 and provider == "anthropic":
            write, hour = r.randrange(5_000), r.randrange(3_000)
            cost_input["usage"] = {
                "input_tokens": r.randrange(20_000),
                "output_tokens": r.randrange(2_000),
                "cache_read_input_tokens": r.randrange(30_000),
                "cache_creation_input_tokens": write + hour,
                "cache_creation": {"ephemeral_5m_input_tokens": write, "ephemeral_1h_input_tokens": hour},
            }
        elif kind < 18:
            event["usageUnits"] = Raw(f"{r.randrange(10**4)}.{r.randrange(10**4):04d}")
        return cost_input

    def event(self):
        r = self.random
        event = {"eventName": r.choice(NAMES), "eventIdempotencyKey": self.key(), "occurredAt": self.occurred()}
        for name, choices in (("customerReferenceId", self.customers), ("featureKey", FEATURES)):
            value = r.choice(choices)
            if value is not None:
                event[name] = value
        kind = r.randrange(10)
        if kind < 5:
            event["costAmount"] = self.amount()
            provider, model = r.choice(PRICED + UNPRICED)
            if model:
                event["costInput"] = {"model": model, "modelProvider": provider}
            if r.random() < 0.7:
                event["usageUnits"] = r.choice([r.randrange(10_000), Raw(f"{r.randrange(1000)}.{r.randrange(10**6):06d}")])
        elif kind < 9:
            cost_input = self.cost_input(event)
            if cost_input:
                event["costInput"] = cost_input
        if r.random() < 0.7:
            event["revenueAmount"] = self.amount()
        if r.random() < 0.1:
            event["flowId"] = f"flow-{r.randrange(50)}"
        if r.random() < 0.05:
            event["meta"] = {"note": "\u00e9\n\"", "n": r.randrange(10**9), "deep": {"list": [1, None, True]}}
        return event

    def events(self, count):
        return [self.event() for _ in range(count)]
