"""A disk that says no: chosen calls of the real daemon fail, stop short, wait, or are its last; real small disks fill up.

`failing_calls.c` is put between the daemon and libc, so what is tried is the binary as it is. Every run is judged the same way:
what was acknowledged is in the journal once, what was sent and not acknowledged at most once, and in the end, when everything
was sent again, every event is there once and every total is right to the last digit.
"""

import os
import pathlib
import random
import shutil
import subprocess
import time

import frames
import load
import oracle
from harness import HERE, Closed, Skip, encode, eventually
from http_scenarios import EVENTS, event
from key_scenarios import metric

SMALL = 'segment_size = "1MiB"\n'


def faults(case, *rules):
    """The environment in which a daemon meets `rules`."""
    library = case.folder / "failing_calls.so"
    if not library.exists():
        compiler = next((found for found in map(shutil.which, ("cc", "clang", "gcc")) if found), None)
        if compiler is None:
            raise Skip("there is no C compiler")
        source = HERE / "failing_calls.c"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library), "PURSER_FAULTS": " ".join(rules)}


class Series:
    """Events in an order, sent over frames, each written down before it leaves and when it is acknowledged."""

    def __init__(self, case, name, seed=1):
        self.case, self.name = case, name
        self.log = load.Log(case.folder / f"{name}.log")
        self.events, self.acked = [], set()
        self.random = random.Random(seed)

    def make(self, count, padding=0):
        made = []
        for _ in range(count):
            number = len(self.events) + len(made)
            cents = self.random.randrange(1, 10**13)
            made.append(
                {
                    "eventName": "stored",
                    "eventIdempotencyKey": f"{self.name}-{number}",
                    "occurredAt": f"2026-09-{number % 28 + 1:02d}T12:00:00Z",
                    "customerReferenceId": f"customer-{number % 7}",
                    "costAmount": f"{cents // 10**12}.{cents % 10**12:012d}",
                    **({"meta": {"text": "x" * padding}} if padding else {}),
                }
            )
        for one in made:
            self.log.write("sent", one)
        self.log.file.flush()
        self.events += made
        return made

    def send(self, daemon, batch, client=None):
        """Sends a batch and notes what is acknowledged; False when the daemon is gone or refuses some."""
        own = client is None
        try:
            client = client or frames.Client(daemon)
            answer = client.record([oracle.read(encode(e)) for e in batch])
        except (OSError, Closed):
            return False
        finally:
            if own and client is not None:
                client.close()
        if answer.kind != frames.EVENTS_REPLY:
            return False
        for index, one in enumerate(batch):
            outcome = answer.results.get(index, {"outcome": "recorded"})["outcome"]
            key = one["eventIdempotencyKey"]
            if outcome in ("recorded", "duplicate"):
                self.case.expect(outcome == "duplicate" or key not in self.acked, f"{key} was acknowledged and counted anew")
                self.acked.add(key)
                self.log.write("acked", key)
            else:
                self.case.expect(outcome in ("storage_full", "overloaded"), f"{key} is {outcome}")
        return all(one["eventIdempotencyKey"] in self.acked for one in batch)

    def only_acknowledged(self, count):
        """Goes back to when the first `count` events were acknowledged and everything else was not."""
        self.acked = {one["eventIdempotencyKey"] for one in self.events[:count]}
        self.log.close()
        self.log.path.unlink()
        self.log = load.Log(self.log.path)
        for one in self.events:
            self.log.write("sent", one)
        for key in self.acked:
            self.log.write("acked", key)

    def judge(self, daemon, what, margins=True):
        """The verdict as it is, then everything is sent again and has to be there once."""
        self.log.file.flush()
        dump = self.case.tool("journal", "dump", "--state", daemon.state).decode()
        problems, _ = oracle.verdict(dump, [self.log.path])
        for start in range(0, len(self.events), 50):
            self.case.expect(self.send(daemon, self.events[start : start + 50]), f"{what}: sending again from {start}")
        self.log.file.flush()
        dump = self.case.tool("journal", "dump", "--state", daemon.state).decode()
        more, counted = oracle.verdict(dump, [self.log.path])
        for problem in (problems + more)[:5]:
            self.case.expect(False, f"{what}: {problem}")
        self.case.equal(len(counted), len(self.events), f"{what}: events in the end")
        if margins:
            load.compare_margins(self.case, daemon, counted, (("customer",), ("day",)))
        if self.case.problems:
            self.case.problems.append(f"in: {what}")


# A failing journal ------------------------------------------------------------------------------------------------------

ONE, TWO = "@00000001.segment@", "@00000002.segment@"
# The first write and sync of a segment make it, the next are its header's, then come the batches, written and synced in one call.
# Interrupted, such a call is not made again: it may have taken an error of the disk along.
ENDS = (
    [f"sync{ONE}{nth}={code}" for nth, code in zip(range(2, 22), (5, 28, 4, 24, 122) * 4)]
    + [f"write{ONE}{nth}={code}" for nth, code in zip((2, 3, 5, 7, 9, 12), (5, 28, 24, 4, 5, 28))]
    + [f"write{ONE}{nth}+=28" for nth in (3, 8)]
    + [f"write{ONE}{nth}=cut:{most}:{code}" for nth, most, code in ((3, 1, 5), (4, 79, 28), (6, 80, 5), (9, 81, 28), (11, 4000, 5))]
    + [f"write{TWO}1=5", f"sync{TWO}1=5", f"sync{TWO}2=5", f"write{TWO}2=cut:100:28"]
)
GOES_ON = (
    [f"write{ONE}1=4"]
    + [f"write{ONE}{nth}=short:{most}" for nth, most in ((1, 4097), (2, 1), (3, 79), (4, 80), (6, 1), (9, 200))]
    + [f"write{ONE}3=short:7 write{ONE}4=short:4096 write{ONE}5=short:9", f"open{ONE}1=4", f"read{ONE}2=4"]
    + [f"write{TWO}1=28", f"sync{TWO}1=28", f"write{TWO}1=short:70000", f"write{TWO}1=cut:70000:28", f"open{TWO}1=24"]
)
KILLS = [f"write{ONE}{nth}=die:{most}" for nth, most in ((1, 500000), (2, 20), (2, 4096), (3, 0), (4, 77), (5, 80), (8, 300), (12, 9000))]
KILLS += [f"sync{ONE}{nth}=die" for nth in (1, 2, 3, 7)] + [f"write{TWO}{nth}=die:64" for nth in (1, 2, 3)]


def failing_journal(case):
    """The Nth write, sync or open of a segment fails: exit 5 within a second and nothing acknowledged after, or it goes on."""
    late = 0.0
    for number, rule in enumerate(ENDS + GOES_ON + KILLS):
        state = case.folder / f"f{number}"
        series = Series(case, f"f{number}", number)
        daemon = case.daemon(state=state, config=SMALL, env=faults(case, *rule.split()))
        client, begun = None, time.monotonic()
        for turn in range(30):
            batch = series.make(1) if turn % 3 else series.make(16, padding=8000)
            for _ in range(40):
                try:
                    client = client or frames.Client(daemon)
                except OSError:
                    break
                begun = time.monotonic()
                if series.send(daemon, batch, client) or not daemon.alive:
                    break
                # The daemon ends, or the disk is full for a moment.
                if rule not in GOES_ON:
                    time.sleep(0.02)
                    break
                time.sleep(0.1)
            if not set(e["eventIdempotencyKey"] for e in batch) <= series.acked:
                break
        if client is not None:
            client.close()
        case.expect("fault:" in eventually(f"{rule}: the fault", lambda: "fault:" in daemon.said() and daemon.said(), 5), rule)
        if rule in GOES_ON:
            case.expect(daemon.alive and len(series.acked) == 180, f"{rule}: {len(series.acked)} acknowledged; {daemon.said()}")
            case.equal(daemon.call("GET", "/readyz").status, 200, f"{rule}: /readyz")
            case.equal(daemon.stop(), 0, f"{rule}: exit status")
        else:
            status = daemon.wait_exit(10)
            late = max(late, time.monotonic() - begun)
            case.equal(status, -9 if rule in KILLS else 5, f"{rule}: exit status ({daemon.said()})")
            case.expect(rule in KILLS or "nothing is acknowledged any more" in daemon.said(), f"{rule}: said {daemon.said()}")
            case.expect(len(series.acked) < 180, f"{rule}: everything was acknowledged")
        daemon = case.daemon(state=state, config=SMALL)
        series.judge(daemon, rule, margins=number % 6 == 0)
        daemon.end()
        shutil.rmtree(state)
        if case.problems:
            return
    case.expect(late < 1, f"ending took {late:.2f} s")
    print(f"  {len(ENDS)} failures ended the daemon within {late:.2f} s, {len(GOES_ON)} were gone on from, {len(KILLS)} kills")


def no_ring(case):
    """Without a ring, or with one that stops taking writes, a thread makes every commit: all counts, and the log says so once."""
    for rule in ("ring@ring@1=1", "ring@ring@1=38", "submit@ring@1=11", "submit@ring@9=12"):
        state = case.folder / rule
        series = Series(case, rule)
        daemon = case.daemon(state=state, config=SMALL, env=faults(case, rule))
        client = frames.Client(daemon)
        for turn in range(40):
            case.expect(series.send(daemon, series.make(1) if turn % 3 else series.make(16, padding=8000), client), f"{rule}: turn {turn}")
        client.close()
        case.expect("fault:" in daemon.said(), f"{rule}: the fault")
        case.equal(daemon.said().count("a thread makes every commit"), 1, f"{rule}: said {daemon.said()}")
        case.equal(daemon.call("GET", "/readyz").status, 200, f"{rule}: /readyz")
        daemon.kill()
        daemon = case.daemon(state=state, config=SMALL)
        series.judge(daemon, rule)
        case.equal(daemon.stop(), 0, f"{rule}: exit status")


def failing_recovery(case):
    """A failure while starting: exit 3 that names the file, and the next start is as if it had not been."""
    state = case.folder / "s"
    series = Series(case, "r")
    daemon = case.daemon(state=state, config=SMALL)
    for _ in range(12):
        series.send(daemon, series.make(16, padding=8000))
    daemon.kill()
    journal = state / "journal"
    runs = 0
    # Torn in the last batch, so that there is something to repair.
    for torn in (False, True):
        for rule in (
            [f"read@.segment@{nth}=5" for nth in (1, 2, 3, 4)]
            + [f"open@.segment@{nth}={code}" for nth, code in ((1, 24), (2, 5))]
            + [f"write@.segment@{nth}={what}" for nth, what in ((1, 5), (1, "cut:10:28"), (2, "cut:4000:5"))]
            + [f"sync@.segment@{nth}={code}" for nth, code in ((1, 5), (1, 28), (1, 4))]
            + ["open@/journal@1=13", "open@/lock@1=28", "write@.segment@1=die:100", "sync@.segment@1=die"]
        ):
            if torn:
                last = max(path for path in journal.iterdir() if path.read_bytes()[:8].strip(b"\0"))
                data = bytearray(last.read_bytes())
                used = len(data.rstrip(b"\0"))
                with open(last, "r+b") as file:
                    file.seek(used - 40)
                    file.write(bytes(40))
            status, said = case.refused(state=state, config=SMALL, env=faults(case, rule))
            if "fault:" not in said:
                # This start had no such call.
                case.expect(False, f"{rule}: the fault did not happen")
            case.equal(status, -9 if "die" in rule else 3, f"{rule}: exit status ({said})")
            case.expect("die" in rule or "purserd: /" in said, f"{rule}: the file is named: {said}")
            daemon = case.daemon(state=state, config=SMALL)
            if torn:
                # That was an acknowledged batch: the disk was tampered with. It counts again when it is sent again.
                series.only_acknowledged(0)
            series.judge(daemon, f"{rule}, torn {torn}", margins=False)
            daemon.kill()
            runs += 1
            if case.problems:
                return
    print(f"  {runs} failures while starting")


def failing_keys(case):
    """The files of keys cannot be written: acknowledgements go on, keys stay in memory, nothing counts twice."""
    config = SMALL + "dedup_memory_keys = 100\n"
    rules = [f"write@.run@{nth}={what}" for nth, what in ((1, 5), (2, 28), (3, "cut:9:28"), (1, "short:50"), (2, 4))]
    rules += ["write@.run@1+=28", "sync@.run@1=5", "sync@/keys@1+=5", "open@.run@1=24", "rename@manifest@1=5", "write@manifest@1=28"]
    rules += ["rename@manifest@1=die", "sync@/keys@2=die", "write@.run@2=die:4000", "unlink@.run@1=5"]
    shown = 0
    for number, rule in enumerate(rules):
        state = case.folder / f"k{number}"
        series = Series(case, f"k{number}", number)
        daemon = case.daemon(state=state, config=config, env=faults(case, rule))
        for _ in range(20):
            if not series.send(daemon, series.make(50)):
                break
        if "die" in rule:
            case.equal(daemon.wait_exit(10), -9, rule)
        else:
            eventually(f"{rule}: the fault", lambda: "fault:" in daemon.said(), 10)
            case.equal(len(series.acked), 1000, f"{rule}: acknowledged")
            # A retry finds the original, wherever its key is.
            case.expect(series.send(daemon, series.events[:500]), f"{rule}: sent again")
            case.equal(metric(daemon, "purser_dedup_keys"), 1000, f"{rule}: keys")
            # That keys stay in memory is shown until they are written down.
            ready = daemon.call("GET", "/readyz")
            case.expect(ready.status == 200 or ready.json["data"]["reason"] == "keys_not_written", f"{rule}: /readyz: {ready}")
            shown += ready.status == 503
            daemon.kill()
        daemon = case.daemon(state=state, config=config)
        series.judge(daemon, rule, margins=False)
        daemon.end()
        if case.problems:
            return
    case.expect(shown > 3, f"only {shown} failures were shown by /readyz")
    print(f"  {len(rules)} failures of the files of keys, {shown} shown by /readyz")


# A slow disk ------------------------------------------------------------------------------------------------------------


def slow_disk(case):
    """A sync that takes its time: nothing is acknowledged early, memory is bounded, reads are answered, everything arrives."""
    waits = [10, 100, 300, 1000, 3000, *map(int, os.environ.get("PURSER_SLOW_MS", "").split())]
    for number, wait in enumerate(waits):
        state = case.folder / f"w{number}"
        series = Series(case, f"w{number}", number)
        slow = case.folder / f"slow{number}"
        daemon = case.daemon(state=state, env=faults(case, f"sync@.segment@?{slow}=wait:{wait}"))
        for _ in range(3):
            case.expect(series.send(daemon, series.make(1)), f"{wait} ms: before")
        start = daemon.rss
        clients = [frames.Client(daemon, timeout=wait / 1000 + 30) for _ in range(4)]
        batches = [series.make(50, padding=1000) for _ in range(80)]
        # Every sync is slow up to a tenth of a second; of longer ones there is one.
        slow.touch()
        sent = time.monotonic()
        for index, batch in enumerate(batches):
            client = clients[index % 4]
            client.request += 1
            client.send(frames.events([oracle.read(encode(e)) for e in batch], client.request))
        longest = 0.0
        while time.monotonic() - sent < wait / 1000 * 0.8:
            if wait > 100 and "fault:" in daemon.said():
                slow.unlink(missing_ok=True)
            asked = time.monotonic()
            case.equal(daemon.call("GET", "/healthz").status, 200, f"{wait} ms: /healthz")
            case.equal(daemon.call("GET", "/metrics").status, 200, f"{wait} ms: /metrics")
            longest = max(longest, time.monotonic() - asked)
            time.sleep(0.02)
        answered = []
        for index, batch in enumerate(batches):
            answer = clients[index % 4].answer()
            answered.append(time.monotonic())
            case.equal(answer.recorded, len(batch), f"{wait} ms: batch {index}")
            for one in batch:
                series.acked.add(one["eventIdempotencyKey"])
                series.log.write("acked", one["eventIdempotencyKey"])
        # No batch is answered before a sync that began after it was sent.
        case.expect(answered[0] - sent > wait / 1000, f"{wait} ms: answered after {answered[0] - sent:.3f} s")
        case.expect(longest < 1, f"{wait} ms: a page took {longest:.2f} s")
        case.expect(daemon.rss - start < 64 << 20, f"{wait} ms: memory grew by {daemon.rss - start >> 20} MiB")
        for client in clients:
            client.close()
        series.judge(daemon, f"{wait} ms", margins=number == 0)
        case.equal(daemon.stop(), 0, f"{wait} ms: exit status")
        if case.problems:
            return
    print(f"  syncs of {', '.join(map(str, waits))} ms")


# A full disk ------------------------------------------------------------------------------------------------------------


class Disk:
    """A small file system of one's own."""

    def __init__(self, case, size):
        if os.geteuid() != 0:
            raise Skip("only root may mount a small disk")
        self.case = case
        self.path = pathlib.Path(case.folder / f"disk{size}")
        self.path.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path], capture_output=True, check=False).returncode:
            raise Skip("a small disk cannot be mounted here")

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)

    def fill(self):
        with open(self.path / "filler", "ab") as file:
            for piece in (1 << 16, 4096):
                try:
                    while True:
                        os.write(file.fileno(), bytes(piece))
                except OSError:
                    pass

    def free(self):
        (self.path / "filler").unlink()

    def remove(self):
        for daemon in self.case.daemons:
            daemon.end()
        subprocess.run(["umount", "-l", self.path], check=False)


def until_full(case, series, daemon, what):
    """Sends until the daemon says that there is no room; then everything else has to work."""
    client = frames.Client(daemon)
    for _ in range(400):
        if not series.send(daemon, series.make(8, padding=8000), client):
            break
    else:
        case.expect(False, f"{what}: it never filled")
    client.close()
    reply = daemon.call("POST", EVENTS, event(eventIdempotencyKey="refused"))
    case.equal((reply.status, reply.code), (507, "storage_full"), f"{what}: one event")
    ready = daemon.call("GET", "/readyz")
    case.equal((ready.status, ready.json["data"]["reason"]), (503, "storage_full"), f"{what}: /readyz")
    case.equal(daemon.call("GET", "/healthz").status, 200, f"{what}: /healthz")
    case.equal(metric(daemon, "purser_storage_full"), 1, f"{what}: the metric")
    if series.acked:
        key = min(series.acked)
        case.equal(daemon.call("GET", f"{EVENTS}/{key}").status, 200, f"{what}: a read")
        case.equal(daemon.call("GET", "/api/v1/client/margins?groupBy=day").status, 200, f"{what}: margins")


def goes_on(case, series, daemon, what):
    eventually(f"{what}: recovery", lambda: series.send(daemon, series.make(1)), 20, 0.1)
    case.equal(daemon.call("GET", "/readyz").status, 200, f"{what}: /readyz with room")


def full_disks(case):
    """No room, then room, again and again without a restart; filled by another file, by the journal itself, or too small at first."""
    cycles = int(os.environ.get("PURSER_FULL_CYCLES", "15"))
    disk = Disk(case, f"{24 + cycles * 3}m")
    try:
        series = Series(case, "full")
        daemon = case.daemon(state=disk.path / "state", config=SMALL)
        series.send(daemon, series.make(10))
        for cycle in range(cycles):
            disk.fill()
            until_full(case, series, daemon, f"cycle {cycle}")
            disk.free()
            goes_on(case, series, daemon, f"cycle {cycle}")
            if cycle % 5 == 4:
                # A crash while full costs nothing either.
                disk.fill()
                daemon.kill()
                disk.free()
                daemon = daemon.again(config=SMALL)
            if case.problems:
                return
        series.judge(daemon, "filled by another file")
        case.equal(daemon.stop(), 0, "exit status")
    finally:
        disk.remove()
    for size in ("256k", "1m", "3m", "4m", "8m"):
        disk = Disk(case, size)
        try:
            series = Series(case, f"full{size}")
            daemon = case.daemon(state=disk.path / "state", config=SMALL)
            until_full(case, series, daemon, size)
            disk.resize("40m")
            goes_on(case, series, daemon, size)
            series.judge(daemon, f"a disk of {size}")
            case.equal(daemon.stop(), 0, f"{size}: exit status")
        finally:
            disk.remove()
        if case.problems:
            return
    print(f"  {cycles} times full and free again, disks of 256 KiB to 8 MiB")


SCENARIOS = {
    "failing_journal": failing_journal,
    "no_ring": no_ring,
    "failing_recovery": failing_recovery,
    "failing_keys": failing_keys,
    "slow_disk": slow_disk,
    "full_disks": full_disks,
}
