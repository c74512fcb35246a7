"""SIGKILL again and again under every kind of load, with a bookkeeper that reads along: `.ci/crash-cycles` runs hundreds.

The journal is kept from cycle to cycle. Clients of both protocols send singles and batches and resend; one sends other
payloads under keys it used, one voids. After every few cycles the journal's new entries are held against the clients' logs; in
the end every total is, to the last digit, and once more from books made anew.
"""

import contextlib
import hashlib
import os
import pathlib
import random
import subprocess
import time
from decimal import Decimal

import load
import oracle
from durability_scenarios import remove_books
from harness import Closed, Failure, eventually
from http_scenarios import EVENTS

CYCLES = int(os.environ.get("PURSER_CRASH_CYCLES", "8"))
JUDGED_EVERY = 4 if CYCLES < 50 else 20
GROUPS = (("customer",), ("model", "provider"), ("feature", "eventName"), ("day",))


class Pacer(load.LoadClient):
    """Sends with pauses, so that hundreds of cycles stay within what one machine can judge."""

    def deliver(self, batch):
        super().deliver(batch)
        time.sleep(self.random.uniform(0, 0.05))


class Single(load.LoadClient):
    """One event at a time over HTTP, and what is done to it afterwards; tried until it is answered, through any crash."""

    def __init__(self, case, seed, target):
        super().__init__(case, seed, "http", target)
        self.done = 0

    def until_answered(self, path, body, wanted):
        # A void looks the event up in the books, which a process that lives half a second on a busy machine may not finish reading.
        end = time.monotonic() + 600
        while True:
            try:
                if self.connection is None:
                    self.connection = self.target().connect()
                self.connection.request("POST", path, body)
                reply = self.connection.response("POST", path)
                if reply.status in wanted:
                    return reply
                if reply.status != 503:
                    raise Failure(f"{path} was answered with {reply}")
            except (OSError, Closed) as error:
                self.drop()
                if time.monotonic() > end:
                    raise Failure(f"{path}: no answer within ten minutes: {error!r}") from error
            time.sleep(0.005)


class Disputer(Single):
    """The same key with another payload: always `conflict`, never counted."""

    def deliver(self, batch):
        super().deliver(batch)
        event = batch[0]
        changed = {**event, "revenueAmount": "123.456"}
        reply = self.until_answered(EVENTS, changed, (409,))
        if not reply.data.get("conflict"):
            raise Failure(f"another payload under {event['eventIdempotencyKey']} was answered with {reply}")
        self.done += 1
        time.sleep(0.02)


class Voider(Single):
    """Takes its events out again: each exactly once, whatever became of the first try."""

    def __init__(self, case, seed, target):
        super().__init__(case, seed, target)
        self.voided = set()

    def deliver(self, batch):
        super().deliver(batch)
        key = batch[0]["eventIdempotencyKey"]
        self.until_answered(f"{EVENTS}/{key}/void", {"reason": "a test"}, (200, 409))
        self.voided.add(key)
        self.done += 1
        time.sleep(0.02)


class Bookkeeper:
    """Reads logs and dumps as they grow; keeps sums and keys, not events."""

    def __init__(self, case, clients):
        self.case = case
        self.logs = {client.log.path: 0 for client in clients}
        self.voiders = {c.log.path for c in clients if isinstance(c, Voider)}
        self.sent, self.acked, self.refused, self.found = {}, set(), set(), set()
        self.voidable, self.voided = {}, set()
        self.sums = {by: {} for by in GROUPS}
        self.everything = oracle.Sums()
        self.lines = self.last = 0

    def read_logs(self):
        for path in self.logs:
            with open(path, "rb") as file:
                file.seek(self.logs[path])
                text = file.read()
            # The last line may be on its way, cut inside a character.
            text = text[: text.rfind(b"\n") + 1]
            self.logs[path] += len(text)
            for line in text.decode().split("\n")[:-1]:
                entry = oracle.read(line)
                if "sent" in entry:
                    self.sent.setdefault(entry["sent"]["eventIdempotencyKey"], (entry["sent"], path in self.voiders))
                elif "acked" in entry:
                    self.acked.add(entry["acked"])
                else:
                    self.refused.add(entry["refused"])

    def read_journal(self, state):
        """What is new in the dump; its digest."""
        digest = hashlib.sha256()
        command = [self.case.binaries / "purser", "journal", "dump", "--state", state]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as dump:
            number = 0
            for number, line in enumerate(dump.stdout, 1):
                digest.update(line)
                if number > self.lines:
                    self.enter(oracle.read(line))
            self.lines = max(self.lines, number)
        self.case.equal(dump.returncode, 0, "purser journal dump")
        return digest.hexdigest()

    def enter(self, entry):
        if entry["fact"] == "correction":
            key = next((k for k, (_, sequence) in self.voidable.items() if sequence == entry["sequence"]), None)
            self.case.expect(key is not None and key not in self.voided, f"a void of nothing, or twice: {entry}")
            self.voided.add(key)
            self.fold(self.voidable[key][0], -1)
        if entry["fact"] != "event":
            return
        key = entry["eventIdempotencyKey"]
        self.case.expect(key not in self.found, f"{key} is in the journal twice")
        self.case.expect(entry["sequence"] == self.last + 1, f"sequence {entry['sequence']} follows {self.last}")
        self.last = entry["sequence"]
        self.found.add(key)
        if key not in self.sent:
            # The clients go on while the journal is read; what they send is logged before it leaves.
            self.read_logs()
        if key not in self.sent:
            self.case.expect(False, f"{key} is in the journal and nobody sent it")
            return
        event, is_voidable = self.sent.pop(key)
        for difference in oracle.entry_differences(entry, event):
            self.case.expect(False, f"{key} {difference}")
        event = {**event, "occurredAt": entry["occurredAt"]}
        self.fold(event, 1)
        if is_voidable:
            self.voidable[key] = (event, entry["sequence"])

    def fold(self, event, sign):
        one = oracle.Sums()
        one.add(event)
        for by, sums in self.sums.items():
            add(sums.setdefault(tuple(oracle.group_of(event, name) for name in by), oracle.Sums()), one, sign)
        add(self.everything, one, sign)

    def judge(self, state):
        self.read_logs()
        acked = self.acked - self.found
        digest = self.read_journal(state)
        lost = acked - self.found
        self.case.expect(not lost, f"{len(lost)} acknowledged events are not in the journal: {sorted(lost)[:5]}")
        wrong = self.refused & self.found
        self.case.expect(not wrong, f"{len(wrong)} refused events are in the journal: {sorted(wrong)[:5]}")
        return digest

    def compare_margins(self, daemon):
        def fresh():
            # An answer waits until the books have what was acknowledged before; new books of a long journal take a while.
            with contextlib.closing(daemon.connect(timeout=300)) as connection:
                reply = daemon.call("GET", "/api/v1/client/margins?groupBy=customer", connection=connection)
            return reply.data["totals"]["events"] == self.everything.events

        eventually(f"margins over {self.everything.events} events", fresh, 60 + self.everything.events / 10_000)
        for by, wanted in self.sums.items():
            data = daemon.call("GET", "/api/v1/client/margins?groupBy=" + ",".join(by)).data
            seen = set()
            for item in data["items"]:
                key = tuple(item.get(oracle.GROUPS[name][1]) for name in by)
                seen.add(key)
                for difference in oracle.sum_differences(item, wanted.get(key, oracle.Sums()), key):
                    self.case.expect(False, f"margins by {by}: {difference}")
            missing = [key for key, sums in wanted.items() if sums.events and key not in seen]
            self.case.expect(not missing, f"margins by {by}: {missing} are missing")
            for difference in oracle.sum_differences(data["totals"], self.everything, "totals"):
                self.case.expect(False, f"margins by {by}: {difference}")


def add(sums, one, sign):
    for name in ("events", "unpriced", "units", "input", "output", "cost", "revenue"):
        setattr(sums, name, getattr(sums, name) + sign * getattr(one, name))


def crash_cycles(case, cycles=CYCLES, **options):
    seed = int(os.environ.get("PURSER_CRASH_SEED", "4"))
    dice = random.Random(seed)
    current = [case.daemon(**options)]
    target = lambda: current[0]  # noqa: E731
    base = 1000 * seed
    clients = [
        Pacer(case, base + 1, "http", target, repeat=0.3),
        Pacer(case, base + 2, "http-batch", target, repeat=0.3),
        Pacer(case, base + 3, "ndjson", target, unix=True, repeat=0.3),
        Pacer(case, base + 4, "binary", target, unix=True, repeat=0.3),
        Pacer(case, base + 5, "binary", target, repeat=0.3),
        Disputer(case, base + 6, target),
        Voider(case, base + 7, target),
    ]
    keeper = Bookkeeper(case, clients)
    for client in clients:
        client.start()
    slowest, started = 0.0, time.monotonic()
    for cycle in range(cycles):
        time.sleep(dice.uniform(0.001, 0.5))
        current[0].kill()
        begun = time.monotonic()
        current[0] = current[0].again(**options)
        slowest = max(slowest, time.monotonic() - begun)
        for client in clients:
            case.expect(client.problem is None, f"cycle {cycle}: {client.problem}")
        if cycle % JUDGED_EVERY == JUDGED_EVERY - 1:
            keeper.judge(current[0].state)
        if case.problems:
            case.problems.append(f"seed {seed}, cycle {cycle}")
            return
        if cycles > 50 and cycle % 50 == 49:
            print(f"  {cycle + 1} cycles, {len(keeper.found)} events, {time.monotonic() - started:.0f} s", flush=True)
    acked = sum(client.acked for client in clients)
    eventually("progress after the last crash", lambda: sum(c.acked for c in clients) > acked, 20)
    for client in clients:
        client.finish()
        case.expect(client.problem is None, client.problem)
    daemon = current[0]
    case.expect(sum(client.acked for client in clients) > 20 * cycles, "the clients got hardly anything through")
    case.expect(all(client.done > cycles // 4 for client in clients if isinstance(client, Single)), "hardly a conflict or a void")
    running = keeper.judge(daemon.state)
    case.equal(keeper.voided, set().union(*(c.voided for c in clients if isinstance(c, Voider))), "voided events")
    keeper.compare_margins(daemon)
    case.equal(daemon.stop(), 0, "exit status after SIGTERM")
    case.equal(keeper.read_journal(daemon.state), running, "the dump, twice")
    case.tool("journal", "verify", "--state", daemon.state)
    remove_books(daemon.state)
    daemon = daemon.again(**options)
    keeper.compare_margins(daemon)
    size = sum(path.stat().st_size for path in (pathlib.Path(daemon.state) / "journal").iterdir())
    case.equal(daemon.stop(), 0, "exit status in the end")
    print(
        f"  seed {seed}: {cycles} crashes in {time.monotonic() - started:.0f} s; {len(keeper.found)} events, "
        f"{sum(c.acked for c in clients)} acknowledgements, {clients[5].done} conflicts, {len(keeper.voided)} voids; lost 0, "
        f"double 0, cost {plain(keeper.everything.cost)} USD to the last digit; {size >> 20} MiB of journal, slowest start {slowest:.2f} s"
    )


def plain(amount):
    return format(Decimal(amount).normalize(), "f")


SCENARIOS = {"crash_cycles": crash_cycles}
