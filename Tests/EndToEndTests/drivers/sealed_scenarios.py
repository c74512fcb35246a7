"""Sealed segments under the real daemon: every byte comes back, whoever reads, whatever fails or is killed meanwhile."""

import pathlib
import random
import shutil
import time

import journal_reader
from harness import eventually
from storage_scenarios import SMALL, Series, faults

SEALS = SMALL + 'seal_after = "at once"\n'


def names(state, suffix):
    return sorted(path.name for path in (pathlib.Path(state) / "journal").glob(f"*{suffix}"))


def sealed(case):
    """Killed while it seals, again and again; retries are verified in what was sealed, and two readers find the same."""
    state = case.folder / "s"
    series, dice = Series(case, "z"), random.Random(61)
    kills = 0
    for _ in range(8):
        daemon = case.daemon(state=state, config=SEALS)
        for _ in range(4):
            case.expect(series.send(daemon, series.make(16, padding=dice.choice((0, 8000, 8000)))), "recording")
            for start in range(0, len(series.events), 400):
                case.expect(series.send(daemon, series.events[start : start + 20]), "retries from any time before")
        eventually("a sealed segment", lambda: len(names(state, ".segment")) <= 2 + dice.randrange(2), 20)
        if dice.random() < 0.7:
            daemon.kill()
            kills += 1
        else:
            case.equal(daemon.stop(), 0, "exit status")
    daemon = case.daemon(state=state, config=SEALS)
    series.judge(daemon, "in the end")
    eventually("all is sealed that was left", lambda: len(names(state, ".segment")) <= 2, 30)
    page = daemon.call("GET", "/api/v1/client/events?limit=1000").data
    case.expect(len(page["items"]) > 0, "a page of events")
    first = series.events[0]["eventIdempotencyKey"]
    case.equal(daemon.call("GET", f"/api/v1/client/events/{first}").status, 200, "the first event, from a sealed segment")
    case.equal(daemon.stop(), 0, "exit status")
    report = case.tool("journal", "verify", "--state", state).decode()
    case.expect(report.startswith("intact"), f"verify: {report}")
    read = [fact["key"] for kind, fact in journal_reader.read(state / "journal") if kind == "event"]
    case.equal(sorted(read), sorted(one["eventIdempotencyKey"] for one in series.events), "keys read by the page")
    # Without books and keys: both are made again from sealed segments.
    for path in state.glob("books.db*"):
        path.unlink()
    shutil.rmtree(state / "keys")
    daemon = case.daemon(state=state, config=SMALL + 'seal_after = "never"\n')
    series.judge(daemon, "made anew from sealed segments")
    case.equal(daemon.stop(), 0, "exit status")
    small = sum((state / "journal" / name).stat().st_size for name in names(state, ".sealed"))
    print(f"  {len(read)} events, {kills} kills, {len(names(state, '.sealed'))} sealed segments in {small >> 10} KiB")


def failing_seals(case):
    """Calls on the files of sealing fail, once or for good, or are the process's last: nothing but the sealing is affected."""
    whats = ("5", "28", "die", "cut:100:28")
    rules = [f"write@.sealing@{nth}={what}" for nth, what in zip((1, 1, 2, 2), whats)]
    rules += [f"sync@.sealing@1={what}" for what in ("5", "die")] + ["write@.sealing@1+=28", "open@.sealing@1+=5"]
    rules += ["rename@.sealing@1=5", "rename@.sealing@1=die", "unlink@00000001.segment@1=5", "unlink@00000001.segment@1=die"]
    seen = 0
    for number, rule in enumerate(rules):
        state = case.folder / f"f{number}"
        series = Series(case, f"f{number}")
        daemon = case.daemon(state=state, config=SEALS, env=faults(case, rule))
        for _ in range(18):
            series.send(daemon, series.make(16, padding=8000))
        end = time.monotonic() + 15
        while time.monotonic() < end and daemon.process.poll() is None and "is not sealed" not in daemon.said():
            time.sleep(0.1)
        died = daemon.process.poll() is not None
        case.expect(died == ("die" in rule), f"{rule}: the daemon {'died' if died else 'lives'}")
        seen += died or "is not sealed" in daemon.said()
        if not died:
            daemon.kill()
        daemon = case.daemon(state=state, config=SEALS)
        series.judge(daemon, rule)
        eventually(f"{rule}: sealed after all", lambda: names(state, ".sealed") and not names(state, ".sealing"), 20)
        case.equal(daemon.stop(), 0, "exit status")
        case.expect(case.tool("journal", "verify", "--state", state).startswith(b"intact"), f"{rule}: verify")
    case.expect(seen >= len(rules) - 2, f"only {seen} of {len(rules)} faults happened")
    print(f"  {seen} failures of sealing")


SCENARIOS = {"sealed": sealed, "failing_seals": failing_seals}
