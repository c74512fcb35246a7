"""A disk that stops for seconds while as much is sent as the daemon takes: nothing that was acknowledged is lost, what waits for the
disk is bounded, and it goes on as before when the disk does.

The disk is real as far as the daemon can tell: ext4 on a loop device, whose file lies on another file system. While that one is frozen
every write to the device waits, as on a disk behind a cable that was pulled for a moment. `failing_calls.c` delays calls of libc; here
it is the kernel that stands: journal, books, files of keys and the file system's own journal at once.
"""

import os
import pathlib
import shutil
import subprocess
import threading
import time
from decimal import Decimal

from harness import Failure, Skip, decode, eventually

STALL = 3.0
# Name, events that wait for an answer, options.
LOADS = [
    ("batches of 1,000", 8_000, ["--batch", "1000"]),
    # A few events a commit, which the loop gives to the kernel itself.
    ("10,000 singles a second, open loop", 4096, ["--batch", "1", "--in-flight", "4096", "--rate", "10000"]),
    ("200,000 singles a second, open loop", 4096, ["--batch", "1", "--in-flight", "4096", "--rate", "200000"]),
    ("batches of 1,000, a million events waiting", 1_024_000, ["--batch", "1000", "--connections", "16", "--in-flight", "64"]),
]
# What waits for a commit and what is being committed (`pendingJournalBytes`, 8 x `batchBytes` in protocol/limits.md).
WAITING = 64 << 20


class StallingDisk:
    def __init__(self, case, size):
        if os.geteuid() != 0:
            raise Skip("only root may make a disk that stalls")
        if shutil.disk_usage(case.folder).free < 2 * size:
            raise Skip(f"a disk that stalls needs {2 * size >> 30} GB below {case.folder}")
        self.case, self.outer, self.path = case, case.folder / "outer", case.folder / "disk"
        self.mounts, self.devices = [], []
        try:
            with open(case.folder / "outer.image", "wb") as image:
                image.truncate(size)
            self.mount(case.folder / "outer.image", self.outer)
            # With its blocks, so that the inner disk never needs any of the frozen one.
            with open(self.outer / "image", "wb") as image:
                os.posix_fallocate(image.fileno(), 0, size * 15 // 16)
            self.mount(self.outer / "image", self.path)
        except (OSError, subprocess.CalledProcessError) as error:
            self.remove()
            said = getattr(error, "stderr", b"") or b""
            raise Skip(f"a disk that stalls cannot be made here: {error} {said.decode(errors='replace')}") from None

    def mount(self, image, path):
        def run(*command):
            return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout.decode().strip()

        run("mkfs.ext4", "-q", "-F", "-E", "nodiscard", image)
        self.devices.append(run("losetup", "--find", "--show", "--direct-io=on", image))
        path.mkdir()
        run("mount", self.devices[-1], path)
        self.mounts.append(path)

    def stall(self, seconds):
        """Stops the disk; when it stood and when it went on. A process of its own lets it go, whatever becomes of this one: ^C ends
        neither it nor its sleep."""
        script = 'trap "" HUP INT PIPE TERM; fsfreeze --freeze "$1" && echo && sleep "$2"; fsfreeze --unfreeze "$1"'
        with subprocess.Popen(["sh", "-c", script, "stall", self.outer, str(seconds)], stdout=subprocess.PIPE) as child:
            if not child.stdout.readline():
                raise Failure("the disk could not be stopped")
            stood = time.monotonic()
            child.stdout.read()
        if child.returncode:
            raise Failure("the disk could not be let go")
        return stood, time.monotonic()

    def remove(self):
        for daemon in self.case.daemons:
            daemon.end()
        for path in reversed(self.mounts):
            subprocess.run(["umount", "-l", path], check=False)
        for device in reversed(self.devices):
            subprocess.run(["losetup", "-d", device], check=False)


class Watch:
    """What the daemon says about itself, twenty times a second: (time, bytes durable, resident bytes)."""

    def __init__(self, daemon):
        self.daemon, self.looks, self.longest = daemon, [], 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(0.05):
            asked = time.monotonic()
            page = metrics(self.daemon)
            self.longest = max(self.longest, time.monotonic() - asked)
            self.looks.append((asked, page["purser_journal_bytes_total"], self.daemon.rss))

    def end(self):
        self.over.set()
        self.thread.join(30)

    def between(self, start, end):
        """Bytes a second that became durable; 0 when the daemon could not be asked."""
        inside = [look for look in self.looks if start <= look[0] <= end]
        if len(inside) < 2:
            return 0
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])

    def first_after(self, time):
        """How long after `time` the next batch was durable."""
        at = max(index for index, look in enumerate(self.looks) if look[0] <= time)
        return next((look[0] - time for look in self.looks[at:] if look[1] > self.looks[at][1]), float("inf"))

    def resident(self, start, end):
        return max(look[2] for look in self.looks if start <= look[0] <= end)


def metrics(daemon):
    page = daemon.call("GET", "/metrics", unix=True).body.decode()
    return {words[0]: float(words[1]) for words in map(str.split, page.splitlines()) if len(words) == 2}


def high_water(daemon):
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def stalled_disk(case):
    """A stall under the first load; with PURSER_STALLS so many under each."""
    stalls = int(os.environ.get("PURSER_STALLS", "0"))
    disk = StallingDisk(case, 2 + max(1, stalls) << 30)
    try:
        for number, load in enumerate(LOADS if stalls else LOADS[:2]):
            daemon = case.daemon(state=disk.path / f"s{number}")
            under(case, disk, daemon, max(1, stalls), *load)
            if case.problems:
                return
            shutil.rmtree(daemon.state)
    finally:
        disk.remove()


def under(case, disk, daemon, stalls, name, waiting, options):
    seconds = int(4 + stalls * (STALL + 4))
    watch, said = Watch(daemon), []

    def load():
        try:
            said.append(decode(case.tool("bench", "--json", "--pid", daemon.pid, "--seconds", seconds, *options, daemon=daemon)))
        except Failure as failure:
            said.append(failure)

    loading = threading.Thread(target=load)
    loading.start()
    stops = []
    try:
        eventually(f"{name}: the first events", lambda: watch.looks and watch.looks[-1][1] > 1 << 20, 30)
        for _ in range(stalls):
            time.sleep(2)
            began = time.monotonic()
            stops.append((began, *disk.stall(STALL)))
            time.sleep(2)
    finally:
        loading.join()
        watch.end()
    report = said[0]
    if isinstance(report, Failure):
        raise report
    case.expect(daemon.alive, f"{name}: the daemon ended: {daemon.said()}")
    case.expect(report["verdict"]["ok"], f"{name}: {report['verdict']}")
    figures = []
    for began, stood, went in stops:
        before, after = watch.between(began - 2, began), watch.between(went + 0.5, went + 2)
        again = watch.first_after(went)
        # The commit that was on its way may still end.
        case.equal(watch.between(stood + 0.2, went - 0.2), 0, f"{name}: bytes a second that became durable while the disk stood")
        case.expect(again < 1, f"{name}: the next batch was durable after {again:.2f} s")
        case.expect(after > before / 4, f"{name}: {before / 1e6:.1f} MB/s before, {after / 1e6:.1f} MB/s after")
        grown = watch.resident(stood, went) - watch.resident(began - 2, began)
        case.expect(grown < WAITING, f"{name}: {grown >> 20} MiB more while the disk stood")
        figures.append((before, after, again, grown))
    most, bound = high_water(daemon), metrics(daemon)["purser_memory_bound_bytes"]
    case.expect(most < bound, f"{name}: {most / 1e6:.0f} MB of memory, the bound is {bound / 1e6:.0f} MB")
    # The loop itself waits when it has to read the original of a retry from a disk that stands.
    case.expect(watch.longest < STALL + 1, f"{name}: /metrics took {watch.longest:.2f} s")
    # The stall, and what waited before it.
    per = float(report["journalBytesPerEvent"])
    longest = int(report["answer"]["most"]) / 1e9
    turn = waiting * per / max(1, min(before for before, *_ in figures))
    case.expect(STALL - 0.5 < longest < STALL + 2 + 2 * turn, f"{name}: the longest answer took {longest:.2f} s")
    # What was acknowledged is there, also after a crash.
    verdict = report["verdict"]
    daemon.kill()
    daemon = daemon.again()

    def totals():
        shown = daemon.call("GET", "/api/v1/client/margins?groupBy=eventName").data["totals"]
        return (shown["events"], shown["costAmount"]) == (verdict["recorded"], Decimal(str(verdict["costAmount"])))

    eventually(f"{name}: the totals after a crash", totals, 60, 0.2)
    daemon.kill()
    print(f"  {name}: {verdict['recorded']:,} events, all there; the longest answer {longest:.2f} s;", end=" ")
    print(f"{most / 1e6:.0f} of {bound / 1e6:.0f} MB; /metrics at most {watch.longest * 1000:.0f} ms")
    for number, (before, after, again, grown) in enumerate(figures, 1):
        print(f"    stall {number}: {before / per:,.0f} events/s before, {after / per:,.0f} after, the first after {again:.2f} s,", end=" ")
        print(f"{grown / 1e6:+.0f} MB while it stood", flush=True)


SCENARIOS = {"stalled_disk": stalled_disk}
