#!/usr/bin/env python3
"""Purser, PostgreSQL, Redis and NATS JetStream on the same events, on this machine, in one run.

    side_by_side.py --bin .build/release [--seconds 4] [--state DIR] [--json] [--only NAME,NAME]

`.ci/side-by-side` is this with a release build. Servers run one after the other, each on a new directory below --state and a free
port of the loopback, and are ended when their turn is over. The events are made once: ten thousand customers by Zipf's law, four
models with prices, 1 % of the events sent twice; every system gets them in the same order in the form it takes, from the same
client (`replay.c`), and must then show the same totals, or the run fails.

PostgreSQL and Redis do in SQL and Lua (`books.sql`, `books.lua`) what Purser does to an event: unique key, price, sums by the
hour. They are set to be durable before they answer: `fsync`, `synchronous_commit`; `appendfsync always`. JetStream only drops
duplicates and stores; version 2.9 of Debian has no setting by which it syncs before it answers, which the column of disk flushes shows.
"""

import argparse
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import events as made  # noqa: E402
import servers  # noqa: E402
from programs import Place, Trouble, build_client, find_programs, flushes, memory, processor_seconds  # noqa: E402

POOL = 20_000
# Events a request, connections: each keeps one request waiting. With one event a request it matters how many there are to share a
# sync, so there are two rows of it.
SHAPES = [(1, 16), (1, 64), (1000, 16)]
# JetStream takes no batches: it gets as many single messages at a time as each connection may leave unanswered.
UNANSWERED = 64


class Run:
    def __init__(self, options, place):
        self.options, self.place = options, place
        self.client = build_client(place)
        self.programs = find_programs(place)
        self.events = made.make_events(POOL)
        self.expected = made.Totals(self.events)

    def port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def measure(self, system, size, connections):
        """One system and one kind of load on a new directory: a row of the table."""
        say(f"{system.name}, {size} a request, {connections} connections ...")
        server = system(self)
        try:
            messages, greeting = self.place.folder / "messages", self.place.folder / "greeting"
            made.write_messages(messages, server.messages(self.events, size))
            text, answers, patches = server.greeting()
            made.write_messages(greeting, [(text, [], patches)])
            events_a_message, in_flight = size, 1
            if system is servers.JetStream and size > 1:
                events_a_message, in_flight = 1, UNANSWERED
            command = [self.client, system.protocol, server.port, connections, in_flight, self.options.seconds, greeting, answers, messages]
            # Files that a server makes ready at its start are not what an event costs, nor is writing back what the one before left.
            os.sync()
            time.sleep(1)
            cpu, flushed = processor_seconds(server.pid), flushes(self.place.folder)
            result = subprocess.run([str(c) for c in command], capture_output=True, check=False, timeout=120)
            if result.returncode != 0:
                raise Trouble(f"{system.name}: {result.stderr.decode(errors='replace')}")
            client = json.loads(result.stdout)
            flushed = None if flushed is None else flushes(self.place.folder) - flushed
            sent = client["messages"] * events_a_message
            wanted = self.expected.of(sent)
            got = server.totals(wanted)
            if got != wanted:
                raise Trouble(f"{system.name}: its totals are {got}, the events sent come to {wanted}")
            # What follows the answers is over now, or never will be seen.
            cpu = processor_seconds(server.pid) - cpu
            return {
                "system": system.name,
                "a request": f"{size:,}" if in_flight == 1 else f"1, {in_flight} waiting",
                "connections": connections,
                "events": sent,
                "events/s": sent / client["seconds"],
                "cpu": cpu / sent,
                "p50": client["p50"] / 1e6,
                "p99": client["p99"] / 1e6,
                "memory": memory(server.pid),
                "flushes": flushed,
                "client cpu": client["cpu"] / sent,
                "durable": system.durable,
                "does": system.does,
            }
        finally:
            server.close()


def say(text):
    print(text, file=sys.stderr, flush=True)


def time_text(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            break
    return f"{seconds / scale:.3g} {unit}"


COLUMNS = ["system", "a request", "connections", "events/s", "CPU/event", "answer p50", "p99", "memory", "flushes", "durable"]
COLUMNS += ["events/s x", "CPU x"]
LEGEND = """
events/s x, CPU x: how many times as many events purserd takes over HTTP in requests of this kind, and how many times as much processor
time an event costs the system of the row. CPU/event: of all the server's processes, until its totals were right. flushes: of the
whole disk, while it ran."""


def table(rows):
    lines, base = [COLUMNS], None
    for row in rows:
        if row["system"] == servers.Purser.name:
            base = row
        ratios = ["", ""]
        if base is not None and base is not row:
            ratios = [f"{base['events/s'] / row['events/s']:.1f}", f"{row['cpu'] / base['cpu']:.1f}"]
        times = [time_text(row["cpu"]), time_text(row["p50"]), time_text(row["p99"])]
        flushed = "-" if row["flushes"] is None else f"{row['flushes']:,}"
        cells = [row["system"], row["a request"], str(row["connections"]), f"{row['events/s']:,.0f}", *times]
        lines.append([*cells, f"{row['memory'] / 1e6:.0f} MB", flushed, row["durable"], *ratios])
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))) for line in lines)


def host():
    models = {line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")}  # noqa: SIM115
    return f"{', '.join(models)}, {os.cpu_count()} processors, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"


def main():
    parser = argparse.ArgumentParser(description="Purser, PostgreSQL, Redis and NATS JetStream on the same events, side by side.")
    parser.add_argument("--bin", default=str(made.ROOT / ".build" / "release"))
    parser.add_argument("--seconds", type=float, default=4, help="for each row")
    parser.add_argument("--state", default=None, help="a directory on the disk under test")
    parser.add_argument("--only", default=None, help="some of: " + ",".join(s.name.split()[0].rstrip(",").lower() for s in servers.ALL))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not 0.5 <= options.seconds <= 15:
        parser.error("--seconds: 0.5 to 15")
    chosen = [s for s in servers.ALL if options.only is None or s.name.split()[0].rstrip(",").lower() in options.only.split(",")]
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    started = time.monotonic()
    place = Place(options.state)
    rows = []
    try:
        run = Run(options, place)
        for size, connections in SHAPES:
            for system in chosen:
                rows.append(run.measure(system, size, connections))
    except (Trouble, subprocess.SubprocessError) as trouble:
        say(f"side by side: {trouble}")
        return 1
    finally:
        place.close()
    if options.json:
        print(json.dumps({"host": host(), "rows": rows}, indent=1))
        return 0
    print(f"{host()}; over TCP, the client on the same processors; {time.monotonic() - started:.0f} s\n")
    print(table(rows))
    print(LEGEND)
    return 0


if __name__ == "__main__":
    sys.exit(main())
