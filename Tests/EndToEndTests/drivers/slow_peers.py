#!/usr/bin/env python3
"""Ten thousand slow peers, and what a healthy client notices of them.

    slow_peers.py --bin .build/release [--peers 10000] [--rounds 2] [--windows 2] [--seconds 4]

starts two daemons and measures a healthy client of each, in turns, for a few seconds at a time: first alone, then while
`purser bench --slow-peers` keeps a crowd at the second; and that again in each round. What the machine does besides, and what the
crowd takes by being made on the same processors, meets the client of the first daemon just as well: it is the control. A
client waits for each answer before it sends the next event (closed), or sends at a steady rate and counts from when each event was
due (open). Printed are the medians of the windows' p99, how often the crowd multiplied them at both daemons, and the crowded
daemon's most resident memory against its own bound.

Exit status 1 when a client of the crowded daemon has twice the p99 it has alone, or the memory is over the bound. `.ci/slow-peers` is
this with a release build. As a module it gives the end-to-end scenarios the crowd, and what they count.
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
# Heads are ended after ten seconds: from then on the crowd comes and goes at one pace.
SETTLED = 12.0


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def figure(daemon, name, connection=None):
    for line in daemon.call("GET", "/metrics", connection=connection).body.decode().split("\n"):
        if line.startswith(name + " "):
            return float(line.split(" ")[1])
    raise RuntimeError(f"/metrics has no {name}")


def spent(pid):
    """Processor seconds of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loop_spent(pid):
    """Processor seconds of a daemon's loop, which is its first thread, to the nanosecond."""
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def loop_between(daemon, connections, seconds, pause=0.005):
    """Asks `/healthz` on the connections in turns; for each answer the processor time, in milliseconds, that the loop used between question
    and answer. That is what others put before this client's turn, and it does not grow when the machine is busy with something else."""
    used = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = connections[len(used) % len(connections)]
        before = loop_spent(daemon.pid)
        connection.request("GET", "/healthz")
        status = connection.response().status
        if status != 200:
            raise AssertionError(f"a healthy client got {status}")
        used.append((loop_spent(daemon.pid) - before) * 1000)
        time.sleep(pause)
    return used


def raise_limit(count):
    """Whether that many files can be open, here and in processes started from here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard == resource.RLIM_INFINITY or hard >= count


class Crowd:
    """Slow peers at a daemon, by `purser bench` in a process of its own, which sends one event a second besides."""

    def __init__(self, binaries, daemon, count):
        command = [str(pathlib.Path(binaries) / "purser"), "--to", f"tcp:127.0.0.1:{daemon.port}", "bench", "--json"]
        command += ["--slow-peers", str(count), "--batch", "1", "--in-flight", "1", "--rate", "1", "--seconds", "3600"]
        self.daemon, self.started = daemon, time.monotonic()
        environment = {**os.environ, "PURSER_API_KEY": daemon.key}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        wanted, patience = count * 0.98, time.monotonic() + 60
        while figure(daemon, "purser_connections") < wanted:
            if self.process.poll() is not None or time.monotonic() > patience:
                raise RuntimeError(f"the slow peers did not come up: {self.kill()}")
            time.sleep(0.2)

    def settle(self):
        time.sleep(max(0.0, SETTLED + 2 - (time.monotonic() - self.started)))

    def end(self):
        """What became of it while the run's window was open."""
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=60)
        if not output:
            raise RuntimeError(f"the crowd ended with {self.process.returncode}: {errors.decode()}")
        return json.loads(output)["crowd"]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate()[1].decode()


# The measurement -------------------------------------------------------------------------------------------------


class Measurement:
    def __init__(self, options, control, crowded):
        self.options, self.daemons = options, {"control": control, "crowded": crowded}
        # p99 of each window, milliseconds, by daemon, loop and whether the crowd is there.
        self.windows = {}
        self.crowd = {}
        self.resident, self.bound = 0, 0
        self.spent, self.elapsed = 0.0, 0.0

    def window(self, which, loop, there):
        daemon = self.daemons[which]
        command = [str(pathlib.Path(self.options.bin) / "purser"), "--to", f"tcp:127.0.0.1:{daemon.port}", "bench", "--json"]
        command += ["--encoding", "json", "--batch", "1", "--in-flight", "1", "--seconds", str(self.options.seconds)]
        command += ["--warm-up", "200", "--pid", str(daemon.pid)] + (["--rate", str(self.options.rate)] if loop == "open" else [])
        environment = {**os.environ, "PURSER_API_KEY": daemon.key}
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)
        answer = {name: report["answer"][name] / 1e6 for name in ("p50", "p99", "p999", "most")}
        self.windows.setdefault((which, loop, there), []).append(answer)
        figures = ", ".join(f"{name} {value:.3f}" for name, value in answer.items())
        who = "with the crowd" if there else "alone"
        print(f"  {which:8} {loop:6} {who:14} {report['answer']['count']:6} answers: {figures} ms", flush=True)
        if which == "crowded" and there:
            self.resident = max(self.resident, report["peakResidentBytes"])
            self.bound = report["memoryBoundBytes"]

    def windows_of(self, there):
        for _ in range(self.options.windows):
            for loop in ("closed", "open"):
                for which in ("control", "crowded"):
                    self.window(which, loop, there)

    def run(self):
        for number in range(self.options.rounds):
            print(f"round {number + 1} of {self.options.rounds}", flush=True)
            self.windows_of(False)
            daemon = self.daemons["crowded"]
            crowd = Crowd(self.options.bin, daemon, self.options.peers)
            try:
                crowd.settle()
                fired, cpu, begun = figure(daemon, "purser_timeouts_total"), spent(daemon.pid), time.monotonic()
                self.windows_of(True)
                self.elapsed += time.monotonic() - begun
                self.spent += spent(daemon.pid) - cpu
                became = crowd.end() | {"deadlines": figure(daemon, "purser_timeouts_total") - fired}
            finally:
                crowd.kill()
            for name, value in became.items():
                self.crowd[name] = self.crowd.get(name, 0) + value
            while figure(daemon, "purser_connections") > 10:
                time.sleep(0.1)

    def typical(self, which, loop, there, name="p99"):
        return statistics.median(window[name] for window in self.windows[which, loop, there])

    def factor(self, which, loop):
        return self.typical(which, loop, True) / self.typical(which, loop, False)


def main():
    sys.path.insert(0, str(HERE.parent))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", default=".build/release")
    parser.add_argument("--peers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--windows", type=int, default=2, help="of each kind, in each half of a round")
    parser.add_argument("--seconds", type=int, default=4, help="of a window")
    parser.add_argument("--rate", type=int, default=500, help="events a second of the open loop")
    options = parser.parse_args()
    from harness import Case

    if not raise_limit(options.peers + 200):
        print(f"{options.peers} peers need {options.peers + 200} open files (ulimit -n)")
        return 2
    case = Case(options.bin, "slow_peers")
    try:
        measured = Measurement(options, case.daemon(), case.daemon())
        measured.run()
        crowd = measured.crowd
        ends = f"{crowd['ended']} ended, {crowd['deadlines']:.0f} deadlines fired, {crowd['refused']} refused"
        print(f"{options.peers} slow peers: {ends},")
        share = crowd["processorShare"] / options.rounds * 100
        print(f"{crowd['failed']} could not connect; making them took {share:.1f} % of a processor,")
        print(f"the daemon {measured.spent / measured.elapsed * 100:.1f} % with its healthy client's events")
        kept = crowd["deadlines"] > 0 and 0 < measured.resident < measured.bound
        for loop in ("closed", "open"):
            for which in ("control", "crowded"):
                before, after = measured.typical(which, loop, False), measured.typical(which, loop, True)
                factor = measured.factor(which, loop)
                print(f"p99 {loop:6} loop, {which:8}: alone {before:.3f} ms, with the crowd {after:.3f} ms: factor {factor:.2f}")
                kept = kept and (which == "control" or factor < 2)
        print(f"resident at most {measured.resident >> 20} MiB, bound {measured.bound >> 20} MiB")
        print("kept" if kept else "NOT KEPT")
        return 0 if kept else 1
    finally:
        case.close()


if __name__ == "__main__":
    sys.exit(main())
