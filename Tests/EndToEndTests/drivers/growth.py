#!/usr/bin/env python3
"""What an event costs the daemon when there is more of everything: remembered keys, connections, customers.

    growth.py --bin .build/release [--state DIR] [--keys 1,10,100] [--seconds 5] [--json] [keys] [connections] [customers]

Every figure is from `purser bench` against a daemon of its own, which also holds the daemon's books against what was sent; a run whose
verdict is not ok ends this one. `.ci/measure-growth` is this with a release build.

keys         one daemon, filled with batches of 1,000 as fast as it takes them. At each number of remembered keys (in millions)
             it is left until it has nothing more to do, then measured at a steady 200,000 events a second: the same work each time.
             `filling` is the cost of all events since the row before, merges of keys included. With --at DIR the daemon's
             directory is DIR and stays there, so that a large one is filled once (--fill) and measured when the machine is quiet.
connections  single events over HTTP at a steady 10,000 a second, spread over 1, 100 and 10,000 connections.
customers    batches of 1,000 as fast as they are taken, of 1,000, 100,000 and 1,000,000 customers, a new daemon each time.
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

STEADY, SINGLES = 200_000, 10_000


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


def rest(daemon, seconds=120):
    """Until the daemon uses less than 3 % of a processor for a second: sealed keys are merged, rollups are written."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = processor(daemon)
        time.sleep(1)
        if processor(daemon) - before <= 3:
            return
    raise Failure(f"the daemon did not come to rest within {seconds} s")


def row(case, daemon, label, report, filling=None):
    loop = [t["nanoseconds"] for t in report["serverThreads"] if t["name"] == "loop"]
    disk = report["allocatedBytes"]
    return {
        "what": label,
        "events/s": f"{report['eventsPerSecond']:,.0f}",
        "CPU/event": time_text(report["serverNanosecondsPerEvent"]),
        "of it loop": time_text(sum(loop) / report["events"]) if loop and report["events"] else "-",
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


def by_keys(case, options):
    # One that was filled before is read again at the start, which takes its time.
    daemon = Daemon(case, state=options.at)
    daemon.wait_ready(600)
    rest(daemon)
    for target in options.keys:
        filling, before = None, metric(daemon, "purser_dedup_keys")
        if before < target:
            used = processor(daemon)
            say(f"filling from {before:,} to {target:,} keys ...")
            bench(case, daemon, "--events", target - before, "--seconds", 3600, "--warm-up", 0, "--duplicates", 0)
            rest(daemon)
            filling = (processor(daemon) - used) * 10_000_000 / (metric(daemon, "purser_dedup_keys") - before)
        if options.fill:
            say(f"{metric(daemon, 'purser_dedup_keys'):,} keys, {filling or 0:.0f} ns an event")
            continue
        keys = metric(daemon, "purser_dedup_keys")
        report = bench(case, daemon, "--rate", STEADY, "--seconds", options.seconds)
        yield row(case, daemon, f"{keys / 1e6:,.1f} M keys", report, filling)
    daemon.stop()


def by_connections(case, options):
    for connections, in_flight in ((1, 256), (100, 16), (10_000, 1)):
        daemon = case.daemon()
        address = f"tcp:127.0.0.1:{daemon.port}"
        key = case.folder / "key"
        key.write_text(daemon.key)
        arguments = ["--encoding", "json", "--batch", 1, "--rate", SINGLES, "--connections", connections, "--in-flight", in_flight]
        report = bench(case, daemon, "--key-file", key, *arguments, "--seconds", options.seconds, to=address)
        yield row(case, daemon, f"{connections:,} connections", report)
        daemon.stop()
        shutil.rmtree(daemon.state)


def by_customers(case, options):
    for customers in (1000, 100_000, 1_000_000):
        daemon = case.daemon()
        report = bench(case, daemon, "--customers", customers, "--seconds", options.seconds)
        yield row(case, daemon, f"{customers:,} customers", report)
        daemon.stop()
        shutil.rmtree(daemon.state)


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(rows):
    columns = [name for name in rows[0] if any(row[name] != "-" for row in rows)]
    lines = [columns] + [[row[name] for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))) for line in lines)


PARTS = {"keys": by_keys, "connections": by_connections, "customers": by_customers}


def main():
    parser = argparse.ArgumentParser(description="What an event costs when there is more of everything.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="keys, connections, customers; all unless named")
    parser.add_argument("--bin", required=True)
    parser.add_argument("--state", help="a directory on the disk under test")
    parser.add_argument("--keys", default="1,10,100", help="millions")
    parser.add_argument("--at", help="the daemon's directory for keys; it stays")
    parser.add_argument("--fill", action="store_true", help="fill --at and measure nothing")
    parser.add_argument("--seconds", type=int, default=5)
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
                say("  ".join(f"{k} {v}" for k, v in measured.items()))
    except Failure as failure:
        say(f"growth: {failure}")
        return 1
    finally:
        case.close()
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n\n".join(table(rows) for rows in found.values() if rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
