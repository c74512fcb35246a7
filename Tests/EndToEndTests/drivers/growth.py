#!/usr/bin/env python3
"""What an event costs the daemon when there is more of everything: remembered keys, connections, customers.

    growth.py --bin .build/release [--state DIR] [--keys 1,10,100] [--seconds 20] [--json] [keys] [connections] [customers]

Every figure is from `purser bench` against a daemon of its own, which also holds the daemon's books against what was sent; a run whose
verdict is not ok ends this one. `.ci/measure-growth` is this with a release build.

keys         one daemon, filled with batches of 1,000 as fast as it takes them. At each number of remembered keys (in millions)
             it is left until it has nothing more to do, keys merged and segments sealed, then measured at a steady 200,000 events a
             second: the same work each time, four million keys more in the end. At the last number it is measured once before that,
             too, while it still merges. In the end a new daemon is measured with the first number: a host that became slower
             meanwhile shows there. `filling` is the cost of all events since the row before, merges of keys included. With --at DIR
             the daemon's directory is DIR and stays there, so that a large one is filled once (--fill) and measured when the
             machine is quiet.
connections  single events over HTTP at a steady 10,000 a second, spread over 1, 100 and 10,000 connections.
customers    a new daemon each time with five million events of 1,000, 100,000 and 1,000,000 customers, then as for keys.

`CPU/event` is of the seconds measured, long enough for some flushes of the rollups, of which one more or less falls into them; `x` is that
against the first row of the table. `in all` counts from rest to rest: with everything that follows the events, and all of a merge of
keys that these events only set off.
"""

import argparse
import json
import pathlib
import resource
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import Case, Daemon, Failure  # noqa: E402

STEADY, SINGLES, CROWD = 200_000, 10_000, 5_000_000
# What protocol/performance.md aims at: an event at the largest number of keys against one at the smallest.
MOST = 1.5


def bench(case, daemon, *arguments, to=None):
    """What `purser bench` says about a daemon; it must be its books' opinion too."""
    address = to or f"unix:{daemon.socket}"
    said = case.tool("--to", address, "bench", "--json", "--pid", daemon.pid, "--state", daemon.state, *arguments, seconds=3600)
    report = json.loads(said)
    if not report["verdict"]["ok"]:
        raise Failure(f"the books do not agree: {report['verdict']}")
    return report


def metric(daemon, name):
    page = daemon.call("GET", "/metrics", key=None).body.decode()
    return next(int(float(line.split()[1])) for line in page.splitlines() if line.startswith(name + " "))


def processor(daemon):
    fields = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def rest(daemon, seconds=900):
    """Until the daemon uses less than 3 % of a processor for two seconds: keys are merged, rollups written, segments sealed."""
    end, quiet = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        before = processor(daemon)
        time.sleep(1)
        quiet = quiet + 1 if processor(daemon) - before <= 3 else 0
        if quiet == 2:
            return
    raise Failure(f"the daemon did not come to rest within {seconds} s")


def measure(case, daemon, label, options, *arguments, filling=None, rate=STEADY, tries=3, to=None):
    """A row; measured once more when something else had the machine or its disk. The daemon is at rest before, and after unless it is
    measured only once."""
    for left in reversed(range(tries)):
        used = processor(daemon)
        report = bench(case, daemon, "--rate", rate, "--seconds", options.seconds, *arguments, to=to)
        if tries > 1:
            rest(daemon)
        used = processor(daemon) - used
        if report["eventsPerSecond"] > 0.95 * rate or left == 0:
            break
        say(f"{label}: {report['eventsPerSecond']:,.0f} events/s; once more ...")
    sent, disk = report["verdict"]["recorded"] + report["verdict"]["duplicates"], report["allocatedBytes"]
    threads = dict.fromkeys(("loop", "books", "keys"), 0)
    for thread in report["serverThreads"]:
        if thread["name"] in threads:
            threads[thread["name"]] += thread["nanoseconds"]
    say(f"{label}: {time_text(report['serverNanosecondsPerEvent'])} an event")
    return {
        "what": label,
        "events/s": f"{report['eventsPerSecond']:,.0f}",
        "CPU/event": report["serverNanosecondsPerEvent"],
        **{name: time_text(spent / report["events"]) for name, spent in threads.items()},
        "in all": time_text(used * 10_000_000 / sent) if tries > 1 else "-",
        "filling": "-" if filling is None else time_text(filling),
        "answer p50": time_text(report["answer"]["p50"]),
        "p99": time_text(report["answer"]["p99"]),
        "memory": f"{report['residentBytes'] / 1e6:,.0f} MB",
        "keys on disk": f"{disk['keys'] / 1e6:,.0f} MB",
        "names": f"{metric(daemon, 'purser_names'):,}",
    }


def time_text(nanoseconds):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1)):
        if nanoseconds >= scale:
            break
    return f"{nanoseconds / scale:.3g} {unit}"


def fill(case, daemon, target, *arguments):
    """Fills up to so many keys. The result gives the processor time of an event since then, for when all that follows is done."""
    before, used = metric(daemon, "purser_dedup_keys"), processor(daemon)
    if before >= target:
        return lambda: None
    say(f"filling from {before:,} to {target:,} keys ...")
    bench(case, daemon, "--events", target - before, "--seconds", 3600, "--warm-up", 0, "--duplicates", 0, *arguments)
    return lambda: (processor(daemon) - used) * 10_000_000 / (metric(daemon, "purser_dedup_keys") - before)


def millions(daemon):
    return f"{metric(daemon, 'purser_dedup_keys') / 1e6:,.1f} M keys"


def by_keys(case, options):
    # One that was filled before is read again at the start, which takes its time.
    daemon = Daemon(case, state=options.at)
    daemon.wait_ready(600)
    rest(daemon)
    for target in options.keys:
        filling = fill(case, daemon, target)
        if target == options.keys[-1] > options.keys[0] and not options.fill:
            yield measure(case, daemon, f"{millions(daemon)}, merging", options, tries=1)
        rest(daemon)
        if options.fill:
            say(f"{millions(daemon)}, {filling() or 0:.0f} ns an event")
            continue
        yield measure(case, daemon, millions(daemon), options, filling=filling())
    daemon.stop(60)
    if options.fill or options.keys[-1] == options.keys[0]:
        return
    daemon = case.daemon()
    filling = fill(case, daemon, options.keys[0])
    rest(daemon)
    yield measure(case, daemon, f"{millions(daemon)}, at the end", options, filling=filling())
    daemon.stop(60)


def by_connections(case, options):
    for connections, in_flight in ((1, 256), (100, 16), (10_000, 1)):
        daemon = case.daemon()
        address = f"tcp:127.0.0.1:{daemon.port}"
        key = case.folder / "key"
        key.write_text(daemon.key)
        arguments = ["--key-file", key, "--encoding", "json", "--batch", 1, "--connections", connections, "--in-flight", in_flight]
        label = f"{connections:,} connection{'s' * (connections > 1)}"
        yield measure(case, daemon, label, options, *arguments, rate=SINGLES, to=address)
        daemon.stop()
        shutil.rmtree(daemon.state)


def by_customers(case, options):
    for customers in (1000, 100_000, 1_000_000):
        daemon = case.daemon()
        filling = fill(case, daemon, CROWD, "--customers", customers)
        rest(daemon)
        yield measure(case, daemon, f"{customers:,} customers", options, "--customers", customers, filling=filling())
        daemon.stop()
        shutil.rmtree(daemon.state)


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(rows):
    """Lines of text, with the ratio of each row to the first."""
    shown = []
    for row in rows:
        shown.append({})
        for name, value in row.items():
            shown[-1][name] = time_text(value) if name == "CPU/event" else value
            if name == "CPU/event":
                shown[-1]["x"] = f"{value / rows[0][name]:.2f}"
    columns = [name for name in shown[0] if any(row[name] not in ("-", "0 ns") for row in shown)]
    lines = [columns] + [[row[name] for name in columns] for row in shown]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))) for line in lines)


def judge(rows):
    """Whether the last number of keys costs little more than the first, as it was measured before and after it."""
    first, last, again = rows[0], rows[-2], rows[-1]
    ratios = [last["CPU/event"] / other["CPU/event"] for other in (first, again)]
    word = "holds" if max(ratios) <= MOST else "does not hold" if min(ratios) > MOST else "holds against one of them: the host changed"
    said = f"CPU per event at {last['what']} is {ratios[0]:.2f} x that at {first['what']}"
    return f"{said}, and {ratios[1]:.2f} x that of a new daemon with as few at the end; at most {MOST}: {word}"


PARTS = {"keys": by_keys, "connections": by_connections, "customers": by_customers}


def main():
    parser = argparse.ArgumentParser(description="What an event costs when there is more of everything.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="keys, connections, customers; all unless named")
    parser.add_argument("--bin", required=True)
    parser.add_argument("--state", help="a directory on the disk under test")
    parser.add_argument("--keys", default="1,10,100", help="millions")
    parser.add_argument("--at", help="the daemon's directory for keys; it stays")
    parser.add_argument("--fill", action="store_true", help="fill --at and measure nothing")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.keys = [int(float(text) * 1e6) for text in options.keys.split(",")]
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = {}
    case = Case(options.bin, "growth")
    if options.state:
        shutil.rmtree(case.folder)
        case.folder = pathlib.Path(options.state) / case.folder.name
        case.folder.mkdir(parents=True)
    try:
        for name in options.parts or PARTS:
            found[name] = []
            for measured in PARTS[name](case, options):
                found[name].append(measured)
    except Failure as failure:
        say(f"growth: {failure}")
        return 1
    finally:
        case.close()
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n\n".join(table(rows) for rows in found.values() if rows))
        if len(found.get("keys", [])) > 2:
            print("\n" + judge(found["keys"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
