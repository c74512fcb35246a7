"""Once, and the same everywhere: retries by the hundred thousand, leftovers that block nothing, one journal in many processes."""

import contextlib
import hashlib
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
from decimal import Decimal

import frames
import journal_reader
import load
import oracle
from books_scenarios import counted
from harness import encode, eventually
from http_scenarios import BATCH
from storage_scenarios import SMALL, Series
from workload import Workload


def retries(case):
    """Three in ten are retries: at once, after a reconnect, a restart, a crash, over many segments, with keys on disk. Each is
    answered with the original's sequence; another payload with `conflict`."""
    ids = int(os.environ.get("PURSER_RETRY_IDS", "200000"))
    config = SMALL + "dedup_memory_keys = 20000\n"
    dice = random.Random(30)
    daemon = case.daemon(config=config)
    client = frames.Client(daemon)
    amounts, sequences = [], []
    duplicates = conflicts = reconnects = restarts = 0
    at = ["2026-10-01T00:00:00Z", "2026-10-02T00:00:00.5Z"]

    def one(number, changed=False):
        return {
            "eventName": "retried",
            "eventIdempotencyKey": f"r-{number}",
            "occurredAt": at[number % 2],
            "customerReferenceId": f"c{number % 50}",
            "costAmount": amounts[number] + oracle.PICO if changed else amounts[number],
        }

    def again(numbers, where):
        nonlocal duplicates, conflicts
        changed = [dice.random() < 0.1 for _ in numbers]
        answer = client.record([one(n, c) for n, c in zip(numbers, changed)], detail=True)
        for index, (number, other) in enumerate(zip(numbers, changed)):
            result = answer.results[index]
            wanted = ("conflict" if other else "duplicate", sequences[number])
            if (result["outcome"], result.get("sequence")) != wanted:
                case.expect(False, f"{where}: r-{number} is {result}, not {wanted}")
                return
            conflicts += other
            duplicates += not other

    while len(amounts) < ids and not case.problems:
        start = len(amounts)
        count = min(200, ids - start)
        amounts += [Decimal(dice.randrange(10**12)) * oracle.PICO for _ in range(count)]
        answer = client.record([one(number) for number in range(start, start + count)])
        case.equal((answer.recorded, answer.first), (count, start + 1), f"events from {start}")
        sequences += range(answer.first, answer.first + count)
        step = start // 200
        again([dice.randrange(start, start + count) for _ in range(30)], "at once")
        if step % 10 == 3:
            client.close()
            client = frames.Client(daemon, unix=dice.random() < 0.5)
            reconnects += 1
        if step % 60 == 59:
            client.close()
            if dice.random() < 0.5:
                daemon.kill()
            else:
                case.equal(daemon.stop(), 0, "exit status")
            daemon = daemon.again(config=config)
            client = frames.Client(daemon)
            restarts += 1
            again([dice.randrange(len(amounts)) for _ in range(500)], "after a restart")
        again([dice.randrange(len(amounts)) for _ in range(57)], "from any time before")
    client.close()
    total = sum(amounts, Decimal(0))

    def fresh():
        data = daemon.call("GET", "/api/v1/client/margins?groupBy=customer").data
        return data if data["totals"]["events"] == ids else None

    data = eventually("margins", fresh, 30)
    case.equal(Decimal(data["totals"]["costAmount"]), total, "the cost of all")
    segments = len(list((daemon.state / "journal").glob("*.segment")))
    case.expect(segments > ids // 25_000, f"only {segments} segments")
    events = case.tool("journal", "dump", "--events", "--state", daemon.state, seconds=600).count(b"\n")
    case.equal(events, ids, "events in the journal")
    print(
        f"  {ids} ids, {duplicates} duplicates, {conflicts} conflicts, {reconnects} reconnects, {restarts} restarts, {segments} segments"
    )


def leftovers(case):
    """What a crash, an operator or another program left in the state directory blocks nothing that is not damage."""
    state = case.folder / "s"
    series = Series(case, "l")
    daemon = case.daemon(state=state, config=SMALL)
    for _ in range(12):
        series.send(daemon, series.make(16, padding=8000))
    daemon.kill()
    journal = state / "journal"
    last = max(path.name for path in journal.glob("*.segment") if any(path.read_bytes()[:4096]))
    number = int(last.split(".")[0], 16)

    def name(ahead):
        return f"{number + ahead:08x}.segment"

    def started(what, then=None):
        daemon = case.daemon(state=state, config=SMALL)
        if then:
            then(daemon)
        series.judge(daemon, what, margins=False)
        daemon.kill()

    # Made ahead by a process that was killed: whole, half, empty, and two of them.
    for what, files in (
        ("an empty next segment", {1: b""}),
        ("half a next segment", {1: bytes(300_000)}),
        ("two segments ahead", {1: bytes(1 << 20), 2: bytes(1 << 20)}),
        ("a next segment with half a header", {1: b"\xffPurser" + bytes(4000)}),
    ):
        for ahead in (1, 2):
            (journal / name(ahead)).unlink(missing_ok=True)
        for ahead, data in files.items():
            (journal / name(ahead)).write_bytes(data)
        started(what, lambda daemon: case.expect(not (journal / name(2)).exists(), "the second one ahead is removed"))
    # Files of others, and of a process that was killed: passed over, kept.
    others = ["notes.txt", f"{name(1)}.tmp", "core", ".hidden", "manifest.new", "1.segment"]
    for other in others:
        (journal / other).write_bytes(b"\xff" * 100)
    (journal / "folder").mkdir()
    (state / "api-key.new").write_bytes(b"half")
    (state / "lock").write_text("4194304\n")
    (state / "keys" / "manifest.new").write_bytes(b"half")
    (state / "keys" / "00000099.run").write_bytes(b"half")
    started("files of others")
    case.expect(all((journal / other).read_bytes() == b"\xff" * 100 for other in others), "files of others are kept")
    case.expect(not (state / "keys" / "00000099.run").exists(), "a run that nothing names is removed")
    for other in others:
        (journal / other).unlink()
    (journal / "folder").rmdir()

    def refused(what, status, *said):
        before = {path: path.read_bytes() for path in journal.iterdir() if path.is_file()}
        got, text = case.refused(state=state, config=SMALL)
        case.equal(got, status, f"{what}: exit status ({text})")
        case.expect(any(part in text for part in said), f"{what}: said {text}")
        after = {path: path.read_bytes() for path in journal.iterdir() if path.is_file()}
        case.expect(before == after, f"{what}: files were changed")

    # What is not harmless is refused by name, and nothing is touched.
    orphan = journal / name(3)
    orphan.write_bytes((journal / last).read_bytes())
    refused("an orphan with a later number", 4, name(1), name(2))
    orphan.unlink()
    middle = journal / "00000002.segment"
    kept = middle.read_bytes()
    if number > 2:
        middle.unlink()
        refused("a gap", 4, middle.name)
        middle.write_bytes(kept)
    first = journal / "00000001.segment"
    kept = first.read_bytes()
    first.unlink()
    first.mkdir()
    refused("a folder in the place of a segment", 3, first.name)
    first.rmdir()
    os.mkfifo(first)
    refused("a pipe in the place of a segment", 3, first.name)
    first.unlink()
    first.write_bytes(kept)
    first.chmod(0o600)
    started("put right again")
    # A folder that is not ours or cannot be written.
    if os.geteuid() == 0:
        case.folder.chmod(0o755)
        for what, owner, mode in (("another's folder", 0, 0o700), ("a read-only folder", 65534, 0o500)):
            for path in (state, journal, state / "keys"):
                os.chown(path, owner, owner)
                path.chmod(mode)
            got, text = case.refused(state=state, config=SMALL, preexec=lambda: os.setuid(65534))
            case.equal(got, 3, f"{what}: exit status ({text})")
            case.expect("Permission denied" in text and str(state) in text, f"{what}: said {text}")
        for path in (state, journal, state / "keys"):
            os.chown(path, 0, 0)
            path.chmod(0o700)
    # A second daemon is refused while the first serves, and takes over when that one was killed.
    daemon = case.daemon(state=state, config=SMALL)
    got, text = case.refused(state=state, config=SMALL)
    case.equal(got, 3, f"a second daemon: exit status ({text})")
    case.expect(str(daemon.pid) in text, f"a second daemon: the first is named: {text}")
    daemon.kill()
    started("in the end", lambda daemon: load.compare_margins(case, daemon, counted(series), (("customer",),)))


def books_digest(state):
    """What books.db holds, row by row in order: the rollups through their views, for how far hours were summed up at the end is the
    clock's affair. Left out is where the file ends: each process writes a key of its own into its copy of the journal."""
    ends = {"position", "last_crc", "folded_at", "buckets"}
    digest = hashlib.sha256()
    with contextlib.closing(sqlite3.connect(f"file:{state}/books.db?mode=ro", uri=True)) as books:
        tables = [row[0] for row in books.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")]
        tables = [table for table in tables if table not in ("rollups", "recent", "buckets")]
        for table in tables:
            columns = len(books.execute(f"SELECT * FROM {table} LIMIT 0").description)
            order = ", ".join(str(column + 1) for column in range(columns))
            for row in books.execute(f"SELECT * FROM {table} ORDER BY {order}"):
                if table == "meta" and row[0] in ends:
                    continue
                if table == "chunks":
                    row = (row[0], *row[2:])
                digest.update(repr((table, row)).encode())
    return digest.hexdigest()


def books_hold(state, events, corrections):
    """Whether books.db has this many of both."""
    with contextlib.closing(sqlite3.connect(f"file:{state}/books.db?mode=ro", uri=True)) as books:
        held = dict(books.execute("SELECT * FROM meta")).get("events", 0)
        return held == events and books.execute("SELECT count(*) FROM corrections").fetchone()[0] == corrections


def same_everywhere(case):
    """One journal read by many processes, whose hash tables have other seeds, and by other builds: one digest of everything."""
    processes = int(os.environ.get("PURSER_DIGEST_PROCESSES", "10"))
    builds = [case.binaries] + [pathlib.Path(folder) for folder in os.environ.get("PURSER_OTHER_BIN", "").split(":") if folder]
    daemon = case.daemon()
    events = Workload(77, customers=60, now=None).events(1500)
    for start in range(0, 1500, 500):
        daemon.call("POST", BATCH, events[start : start + 500])
    for one in events[:40]:
        daemon.call("POST", f"/api/v1/client/events/{one['eventIdempotencyKey']}/void", {"reason": "a test"})
    case.equal(daemon.stop(), 0, "exit status")
    digests, written = {"dump": set(), "books": set(), "margins": set(), "events": set()}, 0
    for process in range(processes):
        build = builds[process % len(builds)]
        state = case.folder / f"copy{process}"
        shutil.copytree(daemon.state, state)
        for path in state.glob("books.db*"):
            path.unlink()
        shutil.rmtree(state / "keys")
        dump = subprocess.run([build / "purser", "journal", "dump", "--state", state], capture_output=True, check=True).stdout
        digests["dump"].add(hashlib.sha256(dump).hexdigest())
        kept, case.binaries = case.binaries, build
        try:
            fresh = case.daemon(state=state)
        finally:
            case.binaries = kept
        for what, path in (("margins", "margins?groupBy=customer,model,day"), ("events", "events?limit=1000")):
            body = re.sub(rb'"freshAsOf":"[^"]*"', b"", fresh.call("GET", "/api/v1/client/" + path).body)
            digests[what].add(hashlib.sha256(body).hexdigest())
        # A stop does not wait for the books, and on a busy host none of ten would have them written: two are waited for. What they say is
        # compared, not how far they are.
        if process < 2:
            eventually("the books to be written", lambda state=state: books_hold(state, 1500, 40), 40, 0.2)
        case.equal(fresh.stop(), 0, "exit status")
        if books_hold(state, 1500, 40):
            digests["books"].add(books_digest(state))
            written += 1
        shutil.rmtree(state)
    for what, found in digests.items():
        case.equal(len(found), 1, f"digests of {what} in {processes} processes")
    case.equal(len(oracle.entries(dump.decode())), len({encode(e["eventIdempotencyKey"]) for e in events}), "events")
    print(f"  {processes} processes, {len(builds)} builds: one digest each of dump, books ({written} written), margins and listing")


def read_by_the_page(case):
    """A reader made from protocol/journal.md alone finds in the files what the daemon says is there."""
    daemon = case.daemon(config=SMALL)
    events = Workload(78, customers=30).events(3000)
    for start in range(0, 3000, 250):
        daemon.call("POST", BATCH, events[start : start + 250])
    big = Series(case, "big")
    for _ in range(12):
        big.send(daemon, big.make(16, padding=8000))
    customer = {"customerReferenceId": "r", "email": "a@b.example", "firstName": "A", "lastName": "B"}
    daemon.call("POST", "/api/v1/client/customers", customer)
    daemon.call("POST", f"/api/v1/client/events/{events[0]['eventIdempotencyKey']}/void", {"reason": "a test"})
    # The first key and the prices are recorded with the first look at the clock, about a second after the start.
    eventually("the first key", lambda: daemon.call("GET", "/api/v1/client/keys").data, 10)
    case.equal(daemon.stop(), 0, "exit status")
    entries = oracle.entries(case.tool("journal", "dump", "--state", daemon.state).decode())
    kinds, names = {}, ("eventName", "customerReferenceId", "featureKey", "model", "modelProvider", "flowId")
    for kind, fact in journal_reader.read(daemon.state / "journal"):
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind != "event":
            continue
        entry = entries.pop(fact["key"])
        said = {name: entry.get(name) for name in names}
        case.equal({name: fact.get(name) for name in names}, said, f"names of {fact['key']}")
        seconds, nanoseconds = oracle.instant(entry["occurredAt"])
        case.equal(fact["occurredAt"], seconds * 10**9 + nanoseconds, f"time of {fact['key']}")
        for name, member, places in (("cost", "costAmount", 12), ("revenue", "revenueAmount", 12), ("usageUnits", "usageUnits", 6)):
            wanted = entry.get(member)
            got = fact.get(name)
            got, wanted = (None if got is None else Decimal(got).scaleb(-places)), (None if wanted is None else Decimal(wanted))
            case.equal(got, wanted, f"{name} of {fact['key']}")
        if case.problems:
            return
    case.equal(entries, {}, "events that the reader did not find")
    case.expect({"string", "event", "customer", "key", "correction", "price-book"} <= kinds.keys(), f"facts: {kinds}")
    segments = len(list((daemon.state / "journal").glob("*.segment")))
    print(f"  {kinds['event']} events and {sum(kinds.values())} facts in {segments} segments read by the page alone")


SCENARIOS = {"retries": retries, "leftovers": leftovers, "same_everywhere": same_everywhere, "read_by_the_page": read_by_the_page}
