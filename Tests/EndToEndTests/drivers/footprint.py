#!/usr/bin/env python3
"""Prints what a release build of the daemon weighs: `footprint.py [--bin .build/release]`.

Start to ready on an empty state directory, on an old one, and resident memory when idle. Judged by a person, because a
shared machine's clock is nobody's measure: the goals are 50 ms and 16 MiB.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
sys.dont_write_bytecode = True

import harness  # noqa: E402
from http_scenarios import BATCH  # noqa: E402
from workload import Workload  # noqa: E402


def started(case, **options):
    daemon = harness.Daemon(case, **options)
    while not daemon.ready.wait(0.001):
        if daemon.process.poll() is not None:
            raise SystemExit(daemon.said())
    return daemon, (time.monotonic() - daemon.started) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=str(harness.ROOT / ".build" / "release"))
    options = parser.parse_args()
    case = harness.Case(options.bin, "footprint")
    try:
        times = []
        for _ in range(9):
            daemon, milliseconds = started(case)
            times.append(milliseconds)
            daemon.stop()
        print(f"start to ready, empty state: median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms of {len(times)}")
        daemon, _ = started(case)
        time.sleep(1)
        print(f"resident when idle: {daemon.rss / (1 << 20):.1f} MiB")
        workload = Workload(1, customers=1000)
        for _ in range(20):
            daemon.call("POST", BATCH, workload.events(5000))
        print(f"resident after 100,000 events: {daemon.rss / (1 << 20):.1f} MiB")
        daemon.kill()
        daemon, milliseconds = started(case, state=daemon.state)
        print(f"start to ready, 100,000 events: {milliseconds:.1f} ms")
        binary = pathlib.Path(options.bin) / "purserd"
        print(f"binary: {binary.stat().st_size / (1 << 20):.1f} MiB")
        print(subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout.rstrip())
    finally:
        case.close()


main()
