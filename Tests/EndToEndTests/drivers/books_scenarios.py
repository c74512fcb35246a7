"""books.db never decides anything: whatever SQLite or its file meets, events are recorded, and the totals come back exact."""

import contextlib
import os
import pathlib
import random
import re
import sqlite3
import threading
import time

import load
import oracle
from harness import Closed, Daemon, encode, eventually
from key_scenarios import metric
from storage_scenarios import Series, faults

MARGINS = "/api/v1/client/margins?groupBy=customer"


def pages_answer(case, daemon, what):
    """Whatever is wrong with the books, the daemon records; at most it says that the books do not follow."""
    for page in ("/healthz", "/metrics"):
        case.equal(daemon.call("GET", page).status, 200, f"{what}: {page}")
    ready = daemon.call("GET", "/readyz")
    case.expect(ready.status == 200 or ready.json["data"]["reason"] == "projection_stalled", f"{what}: /readyz: {ready}")


def counted(series):
    return [oracle.read(encode(one)) for one in series.events]


def failing_books(case):
    """The Nth write, sync, open or truncation of books.db fails, once or for good: ingestion does not notice."""
    state = case.folder / "s"
    series = Series(case, "b")
    rules = [f"write@books.db@{nth}={what}" for nth, what in zip(range(1, 26, 2), (5, 28, "cut:100:5", 5, 28, "cut:24:28") * 3)]
    rules += ["write@books.db@1+=5", "write@books.db@9+=28", "sync@books.db@1=5", "sync@books.db@2=5", "sync@books.db@1+=28"]
    rules += ["open@books.db@1=24", "open@books.db@2=13", "open@books.db-wal@1=5", "open@books.db@1+=24", "truncate@books.db@1=5"]
    seen = 0
    for number, rule in enumerate(rules):
        if number % 3 == 0:
            # From nothing: the tables are made anew under the fault.
            for path in state.glob("books.db*"):
                path.unlink()
        daemon = case.daemon(state=state, env=faults(case, rule))
        case.expect(series.send(daemon, series.make(20)), f"{rule}: recording")
        for _ in range(3):
            case.expect(daemon.call("GET", MARGINS).status in (200, 500, 503), f"{rule}: margins")
        pages_answer(case, daemon, rule)
        case.expect(series.send(daemon, series.make(20)), f"{rule}: recording after a query")
        case.equal(daemon.stop(), 0, f"{rule}: exit status")
        seen += "fault:" in daemon.said()
        daemon = daemon.again()
        load.compare_margins(case, daemon, counted(series), (("customer",), ("day",)))
        case.equal(daemon.stop(), 0, f"{rule}: exit status after")
        if case.problems:
            case.problems.append(f"in: {rule}")
            return
    case.expect(seen >= len(rules) - 3, f"only {seen} of {len(rules)} faults happened")
    daemon = case.daemon(state=state)
    series.judge(daemon, "in the end")
    print(f"  {seen} failures of books.db")


def odd_books(case):
    """books.db is a folder, is locked by someone else, is of another state: said, waited for, or made anew."""
    daemon = case.daemon()
    series = Series(case, "o")
    case.expect(series.send(daemon, series.make(100)), "recording")
    case.equal(daemon.stop(), 0, "exit status")
    books = daemon.state / "books.db"
    for path in daemon.state.glob("books.db*"):
        path.unlink()
    books.mkdir()
    daemon = daemon.again()
    case.expect(series.send(daemon, series.make(10)), "recording with a folder in the place of books.db")
    reply = daemon.call("GET", MARGINS)
    case.equal((reply.status, reply.code), (500, "internal_error"), "margins with a folder in the place of books.db")
    pages_answer(case, daemon, "a folder")
    case.expect(metric(daemon, "purser_projection_lag_bytes") > 0, "the metric says that the books lag behind")
    case.expect("books:" in daemon.said(), f"nothing was said about the folder: {daemon.said()}")
    case.equal(daemon.stop(), 0, "exit status with a folder")
    books.rmdir()
    daemon = daemon.again()
    load.compare_margins(case, daemon, counted(series), (("customer",),))
    case.equal(daemon.stop(), 0, "exit status")
    # Locked for writing by someone else, at the start and while it runs.
    for when in ("before", "while it runs"):
        if when == "while it runs":
            daemon = daemon.again()
        with contextlib.closing(sqlite3.connect(books, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            if when == "before":
                daemon = daemon.again()
            case.expect(series.send(daemon, series.make(10)), f"locked {when}: recording")
            case.expect(daemon.call("GET", MARGINS).status in (200, 500, 503), f"locked {when}: margins")
            pages_answer(case, daemon, f"locked {when}")
            other.execute("ROLLBACK")
        load.compare_margins(case, daemon, counted(series), (("customer",),))
        case.equal(daemon.stop(), 0, f"locked {when}: exit status")
    # Ahead of the journal: an older journal was put back. The log says so, for it may be the only trace of a loss.
    journal = daemon.state / "journal" / "00000001.segment"
    older = journal.read_bytes()
    daemon = daemon.again()
    later = Series(case, "later")
    case.expect(later.send(daemon, later.make(50)), "recording")
    case.equal(daemon.stop(), 0, "exit status")
    # A stop does not wait for the books; the next one may find them written.
    for _ in range(20):
        with contextlib.closing(sqlite3.connect(books)) as other:
            if other.execute("SELECT value FROM meta WHERE key = 'events'").fetchone()[0] == len(series.events) + len(later.events):
                break
        daemon = daemon.again()
        daemon.call("GET", MARGINS)
        case.equal(daemon.stop(), 0, "exit status")
    journal.write_bytes(older)
    daemon = daemon.again()
    load.compare_margins(case, daemon, counted(series), (("customer",),))
    case.expect("books: made anew from the journal: it was ahead of the journal" in daemon.said(), f"said: {daemon.said()}")
    case.expect("keys:" not in daemon.said(), "the keys are of what the journal holds")


def killed_in_the_books(case):
    """Killed inside a write or sync of books.db, flush after flush: what it holds and how far are one, so nothing counts twice."""
    kills = int(os.environ.get("PURSER_BOOKS_KILLS", "16"))
    dice = random.Random(8)
    state = case.folder / "s"
    series = Series(case, "x")
    died, largest = 0, 40
    for number in range(kills):
        nth = dice.randrange(1, largest)
        rule = dice.choice([f"write@books.db@{nth}=die:{dice.choice((0, 1, 24, 100, 2048, 4096))}", f"sync@books.db@{nth % 4 + 1}=die"])
        daemon = Daemon(case, state=state, env=faults(case, rule))
        try:
            # Some end where the file is opened, before anything is served.
            if eventually("ready, or the end", lambda: daemon.ready.is_set() or not daemon.alive, 20) and daemon.alive:
                series.send(daemon, series.make(dice.choice((1, 10, 60))))
                daemon.call("GET", MARGINS)
            status = daemon.stop()
        except (Closed, OSError):
            status = daemon.wait_exit()
        case.expect(status in (0, -9), f"{rule}: exit status {status}")
        died += status == -9
        if number % 4 == 3 or number == kills - 1:
            # Events that were sent and not acknowledged count or not; they do when they are sent again.
            daemon = case.daemon(state=state)
            for start in range(0, len(series.events), 500):
                case.expect(series.send(daemon, series.events[start : start + 500]), "sending again")
            load.compare_margins(case, daemon, counted(series), (("customer",), ("day",)))
            daemon.kill()
        if case.problems:
            case.problems.append(f"in: {rule}, kill {number}")
            return
    case.expect(died > kills // 2, f"only {died} of {kills} died")
    daemon = case.daemon(state=state)
    series.judge(daemon, "in the end")
    case.equal(daemon.stop(), 0, "exit status")
    print(f"  {kills} starts, {died} kills inside a call on books.db, {len(series.events)} events exact")


def read_meanwhile(case):
    """Others read books.db while it is written and checkpointed: it is whole each time, and only one connection ever writes."""
    seconds = 60 * float(os.environ.get("PURSER_BOOKS_MINUTES", "0.25"))
    daemon = case.daemon()
    clients = [load.LoadClient(case, 1, "binary", lambda: daemon, unix=True, repeat=0.2), load.LoadClient(case, 2, "http", lambda: daemon)]
    for client in clients:
        client.start()
    books = daemon.state / "books.db"
    eventually("books.db", books.exists)
    events = "SELECT total(events) FROM (SELECT events FROM rollups UNION ALL SELECT events FROM recent)"
    checks, problems = [0, 0], []
    ending = threading.Event()

    def read(which):
        """One reader holds a snapshot for a second at a time, the other comes and goes."""
        while not ending.is_set():
            try:
                with contextlib.closing(sqlite3.connect(f"file:{books}?mode=ro", uri=True, timeout=5)) as reader:
                    reader.execute("BEGIN")
                    result = reader.execute("PRAGMA integrity_check").fetchall()
                    if result != [("ok",)]:
                        problems.append(str(result[:3]))
                    before = reader.execute(events).fetchone()
                    if which:
                        ending.wait(1)
                    if reader.execute(events).fetchone() != before:
                        problems.append("a snapshot changed")
                    checks[which] += 1
            except sqlite3.OperationalError as error:
                # Not made yet, or locked for the moment of a switch.
                if "locked" not in str(error) and "no such table" not in str(error) and "unable to open" not in str(error):
                    problems.append(str(error))
            ending.wait(0.05)

    readers = [threading.Thread(target=read, args=(which,), daemon=True) for which in (0, 1)]
    for reader in readers:
        reader.start()
    end = time.monotonic() + seconds
    most = {}
    while time.monotonic() < end:
        found = {}
        for descriptor in pathlib.Path(f"/proc/{daemon.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.path.basename(os.readlink(descriptor))
                if target == "books.db":
                    said = descriptor.parent.with_name("fdinfo").joinpath(descriptor.name).read_text()
                    flags = int(re.search(r"flags:\s+(\d+)", said)[1], 8)
                    target += " read" if flags & os.O_ACCMODE == os.O_RDONLY else " written"
                if target.startswith("books.db"):
                    found[target] = found.get(target, 0) + 1
        for name, count in found.items():
            most[name] = max(most.get(name, 0), count)
        time.sleep(0.05)
    ending.set()
    for thread in readers:
        thread.join(10)
    for client in clients:
        client.finish()
    case.expect(not problems, f"{len(problems)} problems: {problems[:3]}")
    case.expect(min(checks) > 3, f"checks: {checks}")
    # One connection writes, one reads; the log of changes is open in both.
    case.expect(most.get("books.db written") == 1 and most.get("books.db read") == 1, f"descriptors of the daemon, at most: {most}")
    case.expect("books.db-wal" in most, f"descriptors of the daemon, at most: {most}")
    verdict = load.judge(case, daemon, clients)
    load.compare_margins(case, daemon, verdict)
    case.equal(daemon.stop(), 0, "exit status")
    with contextlib.closing(sqlite3.connect(books)) as reader:
        case.equal(reader.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity in the end")
    print(f"  {sum(checks)} integrity checks in {seconds:.0f} s, {len(verdict)} events")


SCENARIOS = {
    "failing_books": failing_books,
    "odd_books": odd_books,
    "killed_in_the_books": killed_in_the_books,
    "read_meanwhile": read_meanwhile,
}
