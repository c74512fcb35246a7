"""What the package promises of the service, tried as root in a systemd that was really booted (`.ci/service`).

The checks run in the order they are written in: one installs, the last one purges. Each prints what it saw. The state directory is
on this machine's disk (/out/state): memory would be charged to the daemon's control group, and a sync to it costs nothing.
"""

import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "EndToEndTests" / "drivers"))

import harness  # noqa: E402
import load  # noqa: E402
from harness import Closed, Failure, eventually  # noqa: E402
from http_scenarios import BATCH, EVENTS, event  # noqa: E402

STATE = pathlib.Path("/var/lib/purser")
CONFIG = pathlib.Path("/etc/purser/purser.toml")
DROP_IN = pathlib.Path("/run/systemd/system/purserd.service.d/checks.conf")
DISK = pathlib.Path("/out/state")
PACKAGES = sorted(pathlib.Path("/opt/checks").glob("*.deb"))
MILLION = int(os.environ.get("PURSER_BOOTED_EVENTS", "1000000"))


class Unit:
    """The service, in the shape that clients and judges of the end-to-end scenarios know a daemon."""

    socket = pathlib.Path("/run/purser/purser.sock")
    port = 7787
    state = STATE

    def __init__(self, case):
        self.case = case

    @property
    def key(self):
        return (STATE / "api-key").read_text().strip()

    def connect(self, unix=False, timeout=20.0):
        return harness.Connection(self, unix, timeout)

    call = harness.Daemon.call


def run(*command, status=0, **options):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)
    if status is not None and result.returncode != status:
        raise Failure(f"{' '.join(map(str, command))} ended with {result.returncode}, not {status}:\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def show(name, unit="purserd.service"):
    return run("systemctl", "show", "--value", "--property", name, unit).strip()


def main_pid():
    return int(show("MainPID"))


def is_active(unit):
    return subprocess.run(["systemctl", "--quiet", "is-active", unit], check=False).returncode == 0


def drop_in(*lines):
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    if lines:
        DROP_IN.write_text("[Service]\n" + "".join(f"{line}\n" for line in lines))
    else:
        DROP_IN.unlink(missing_ok=True)
    run("systemctl", "daemon-reload")


def journal(*matches):
    """Lines of the daemon since the boot, as the journal keeps them."""
    run("journalctl", "--sync")
    text = run("journalctl", "--output=json", "--unit=purserd.service", *matches)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def happenings():
    return [entry["PURSER_HAPPENING"] for entry in journal() if "PURSER_HAPPENING" in entry]


def reload():
    """Reloads, and waits until the daemon says that it did."""
    before = happenings().count("reloaded")
    run("systemctl", "reload", "purserd.service")
    eventually("the reload", lambda: happenings().count("reloaded") > before, 10, 0.1)


def fresh(unit):
    """A daemon without any state."""
    run("systemctl", "stop", "purserd.service")
    for path in STATE.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run("systemctl", "start", "purserd.service")


def restarted(before, seconds=20):
    """Waits until the unit runs as another process than `before`."""
    return eventually("a restart", lambda: is_active("purserd.service") and main_pid() not in (0, before) and main_pid(), seconds)


class Load:
    """Clients over every way in, and the verdict on what they were told."""

    def __init__(self, case, unit, seed=1):
        ways = [("http", False), ("http-batch", True), ("ndjson", False), ("binary", True)]
        self.clients = [load.LoadClient(case, seed * 10 + i, way, lambda: unit, unix=local) for i, (way, local) in enumerate(ways)]
        self.case, self.unit = case, unit
        for client in self.clients:
            client.start()
        self.progress("the first")

    @property
    def acked(self):
        return sum(client.acked for client in self.clients)

    def progress(self, what, seconds=30):
        """Every client gets another acknowledgement."""
        before = [client.acked for client in self.clients]
        eventually(
            f"acknowledgements after {what}",
            lambda: all(c.acked > b or c.problem for c, b in zip(self.clients, before)),
            seconds,
        )

    def finish(self):
        for client in self.clients:
            client.finish()
        counted = load.judge(self.case, self.unit, self.clients)
        load.compare_margins(self.case, self.unit, counted)
        return f"{self.acked} acknowledgements, {len(counted)} events counted, none lost and none twice"


class Knocker(threading.Thread):
    """Opens connections one after the other and asks each for an answer: none may be refused."""

    def __init__(self, unit, unix):
        super().__init__(daemon=True)
        self.unit, self.unix, self.stopping = unit, unix, threading.Event()
        self.answered, self.resent, self.refused, self.longest = 0, 0, [], 0.0

    def run(self):
        while not self.stopping.is_set():
            started = time.monotonic()
            try:
                connection = self.unit.connect(self.unix)
            except OSError as error:
                self.refused.append(repr(error))
                time.sleep(0.01)
                continue
            try:
                connection.request("GET", "/healthz", key=None)
                connection.response("GET")
                self.answered += 1
                self.longest = max(self.longest, time.monotonic() - started)
            except (Closed, OSError):
                # Taken in by the one that ended: a client sends again.
                self.resent += 1
            connection.close()
            time.sleep(0.002)

    def finish(self, case, what):
        self.stopping.set()
        self.join(30)
        case.equal(self.refused, [], f"{what}: connections refused over {'Unix' if self.unix else 'TCP'}")
        return f"{self.answered} connections over {'Unix' if self.unix else 'TCP'}, none refused, longest {self.longest * 1000:.0f} ms"


# The checks, in their order ---------------------------------------------------------------------------------------


def installed(case, unit):
    """The package puts everything where it belongs; the socket listens, and nothing runs."""
    if os.path.ismount(STATE) is False:
        DISK.mkdir(mode=0o700, exist_ok=True)
        for path in DISK.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    run("dpkg", "--install", str(PACKAGES[-1]))
    case.expect(is_active("purserd.socket"), "the socket is active")
    case.expect(not is_active("purserd.service"), "the daemon is idle")
    owner = os.stat(unit.socket)
    case.equal((owner.st_uid, owner.st_gid, oct(owner.st_mode & 0o7777)), (0, pwd.getpwnam("purser").pw_gid, "0o660"), "the socket")
    case.equal(run("systemctl", "is-enabled", "purserd.socket").strip(), "enabled", "the socket starts with the host")
    state = os.stat(STATE)
    case.equal((pwd.getpwuid(state.st_uid).pw_name, oct(state.st_mode & 0o7777)), ("purser", "0o700"), "the state directory")
    shutil.chown(DISK, "purser", "purser")
    DISK.chmod(0o700)
    run("mount", "--bind", str(DISK), str(STATE))
    for page in ("purserd.8", "purser.1", "purser.toml.5"):
        path = f"/usr/share/man/man{page[-1]}/{page}.gz"
        case.expect(pathlib.Path(path).exists(), f"{page} is installed")
    return run("dpkg-query", "--show", "purser").strip()


def judged_by_systemd(case, unit):
    """systemd itself finds nothing wrong with the units, and little that the daemon could do."""
    said = run("systemd-analyze", "verify", "--man=no", "purserd.service", "purserd.socket")
    case.equal([line for line in said.splitlines() if "purser" in line], [], "systemd-analyze verify")
    offline = ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=10"]
    exposure = run(*offline, "/lib/systemd/system/purserd.service").splitlines()[-1]
    return exposure.strip().lstrip("→ ")


def first_connections(case, unit):
    """The first connection starts the daemon, over Unix and over TCP, and is answered."""
    said = []
    for unix in (True, False):
        started = time.monotonic()
        reply = unit.call("GET", "/readyz", key=None, unix=unix)
        took = time.monotonic() - started
        case.equal(reply.status, 200, "the first answer")
        case.expect(is_active("purserd.service"), "the daemon runs")
        said.append(f"{'Unix' if unix else 'TCP'} answered after {took * 1000:.0f} ms")
        run("systemctl", "stop", "purserd.service")
        case.expect(not is_active("purserd.service") and is_active("purserd.socket"), "stopped, and the socket stays")
    listening = [entry["MESSAGE"] for entry in journal("PURSER_HAPPENING=ready")]
    case.expect("unix:/run/purser/purser.sock" in listening[-1] and "tcp:127.0.0.1:7787" in listening[-1], listening[-1])
    return ", ".join(said)


def live_figures(case, unit):
    """`systemctl status` shows what the daemon does."""
    run("systemctl", "start", "purserd.service")
    unit.call("POST", BATCH, [event() for _ in range(500)])
    text = eventually("the figures", lambda: (t := show("StatusText")) if "500 recorded" in show("StatusText") else None, 10)
    case.expect("connection" in text, text)
    case.expect(text in run("systemctl", "status", "--no-pager", "purserd.service"), "status shows it")
    return text


def confined(case, unit):
    """The running process has no more than the unit gives it."""
    pid = main_pid()
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    case.equal(status["NoNewPrivs"], "1", "no new privileges")
    case.equal(status["Seccomp"], "2", "a filter of system calls")
    case.equal(int(status["CapEff"], 16) | int(status["CapBnd"], 16), 0, "capabilities")
    case.equal(pwd.getpwuid(int(status["Uid"].split()[0])).pw_name, "purser", "the user")
    for name in ("net", "mnt", "ipc"):
        own = os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
        case.expect(own, f"a {name} namespace of its own")
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    for name, value in (("Max open files", "16384"), ("Max core file size", "0")):
        case.expect(any(line.startswith(name) and line[len(name) :].split()[:2] == [value, value] for line in limits.splitlines()), limits)
    tasks = os.listdir(f"/proc/{pid}/task")
    nice = [int(pathlib.Path(f"/proc/{pid}/task/{t}/stat").read_text().rsplit(")", 1)[1].split()[16]) for t in tasks]
    case.expect(10 in nice, f"the thread of the keys' files gives way to the others: {nice}")
    return f"user purser, {len(tasks)} threads, no capability, system calls filtered, no network but its sockets"


def logged(case, unit):
    """The journal has levels, kinds and fields, and no key."""
    ready = journal("PURSER_HAPPENING=ready")[-1]
    case.equal((ready["PRIORITY"], ready["SYSLOG_IDENTIFIER"]), ("6", "purserd"), "level and name")
    case.expect(ready["PURSER_VERSION"] == run("/usr/sbin/purserd", "--version").split()[1], f"the version: {ready}")
    case.expect(unit.key not in json.dumps(journal()), "no key in the journal")
    return f"{len(journal())} lines; kinds: {', '.join(sorted(set(happenings())))}"


def credential(case, unit):
    """A key that is a credential is taken over, and none is written down."""
    store = pathlib.Path("/etc/credstore")
    store.mkdir(mode=0o700, exist_ok=True)
    key = "sk_live_" + "0123456789abcdef" * 2
    (store / "purser.api-key").write_text(key + "\n")
    fresh(unit)
    case.equal(unit.call("POST", EVENTS, event(), key=key).status, 201, "the key of the credential")
    case.expect(not (STATE / "api-key").exists(), "no key is written down")
    (store / "purser.api-key").write_text("sk_live_wrong\n")
    run("systemctl", "restart", "purserd.service", status=1)
    case.equal(show("ExecMainStatus"), "2", "exit status of a wrong credential")
    case.expect("sk_live_wrong" not in json.dumps(journal()), "what is wrong is not shown")
    (store / "purser.api-key").unlink()
    run("systemctl", "start", "purserd.socket", "purserd.service")
    case.equal(unit.call("GET", "/api/v1/client/margins?groupBy=customer", key=key).status, 200, "still known without the credential")
    fresh(unit)
    return "taken over, kept, not written down; a wrong one is refused unseen"


def users_of_the_socket(case, unit):
    """Users are told apart by the kernel: the group's members get in, others do not, and `unix_allow` knows them by name."""
    for name, groups in (("member", "purser"), ("stranger", "nogroup")):
        run("useradd", "--system", "--groups", groups, name)
    before = CONFIG.read_text()

    def ask(user):
        command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--unix-socket", str(unit.socket)]
        body = '{"eventName":"x"}'
        url = "http://localhost" + EVENTS
        return run("runuser", "-u", user, "--", *command, "-H", "Content-Type: application/json", "-d", body, url, status=None).strip()

    case.equal((ask("member"), ask("stranger"), ask("root")), ("201", "000", "201"), "without a list")
    CONFIG.write_text(before + 'unix_allow = ["user:root=read", "user:member=ingest"]\n')
    reload()
    case.equal((ask("member"), ask("root")), ("201", "403"), "with a list that lets root only read")
    CONFIG.write_text(before + 'unix_allow = ["group:nogroup"]\n')
    reload()
    case.equal((ask("member"), ask("root")), ("403", "403"), "with a list that names others")
    CONFIG.write_text(before)
    reload()
    for name in ("member", "stranger"):
        run("userdel", name)
    return "members of group purser get in, others do not; unix_allow tells users apart"


def killed(case, unit):
    """SIGKILL under load: started again, nothing lost, nothing counted twice."""
    fresh(unit)
    work = Load(case, unit, 1)
    times = []
    for _ in range(3):
        time.sleep(0.4)
        pid, started = main_pid(), time.monotonic()
        os.kill(pid, 9)
        restarted(pid)
        work.progress("SIGKILL")
        times.append(f"{(time.monotonic() - started) * 1000:.0f}")
    case.equal(show("NRestarts"), "3", "restarts")
    return f"{work.finish()}; all clients went on after {', '.join(times)} ms"


def hung(case, unit):
    """A process that stands still is ended by the watchdog and started again."""
    drop_in("WatchdogSec=2s")
    run("systemctl", "restart", "purserd.service")
    unit.call("POST", EVENTS, event())
    pid, started = main_pid(), time.monotonic()
    os.kill(pid, 19)
    restarted(pid, 30)
    took = time.monotonic() - started
    case.equal(unit.call("POST", EVENTS, event()).status, 201, "an event after it")
    text = run("journalctl", "--unit=purserd.service", "--lines=50", "--output=cat")
    case.expect("Watchdog timeout" in text, f"systemd says so: {text[-600:]}")
    drop_in()
    return f"started again {took:.1f} s after it stood still, with WatchdogSec=2s"


def reloaded(case, unit):
    """A good configuration is taken over; a wrong one fails the reload and changes nothing."""
    run("systemctl", "restart", "purserd.service")
    pid, before = main_pid(), CONFIG.read_text()
    CONFIG.write_text(before + 'cors_origins = ["https://app.example.com"]\n')
    reload()
    reply = unit.call("GET", "/healthz", key=None, headers={"Origin": "https://app.example.com"})
    case.equal(reply.header("access-control-allow-origin"), "https://app.example.com", "the new setting holds")
    CONFIG.write_text(before + "cors_origin = 1\n")
    said = run("systemctl", "reload", "purserd.service", status=1)
    os.kill(pid, 1)
    eventually("the refusal", lambda: "not_reloaded" in happenings(), 10)
    entry = journal("PURSER_HAPPENING=not_reloaded")[-1]
    case.expect("purser.toml:" in entry["MESSAGE"] and "unknown key" in entry["MESSAGE"], f"it says where: {entry['MESSAGE']}")
    reply = unit.call("GET", "/healthz", key=None, headers={"Origin": "https://app.example.com"})
    case.equal(reply.header("access-control-allow-origin"), "https://app.example.com", "the old setting still holds")
    CONFIG.write_text(before)
    reload()
    case.equal((main_pid(), show("NRestarts")), (pid, "0"), "the same process all along")
    return f"good one taken over, wrong one refused ({entry['MESSAGE'].split(': ', 2)[2]}), {said.splitlines()[0][:60]}"


def out_of_memory(case, unit):
    """At MemoryMax the daemon is ended and started again, and what was acknowledged is there."""
    drop_in("MemoryMax=72M", "MemorySwapMax=0")
    run("systemctl", "restart", "purserd.service")
    unit.call("POST", BATCH, [event() for _ in range(100)])
    before = unit.call("GET", "/api/v1/client/margins?groupBy=customer").data["totals"]["events"]
    pid, greedy = main_pid(), []
    try:
        # Bodies that never end, from peers with a key: more of them than the group may hold.
        for _ in range(60):
            connection = unit.connect(timeout=2)
            connection.send(connection.head("POST", BATCH, {"Content-Length": "4000000"}, True) + "\r\n")
            greedy.append(connection)
            connection.send(b" " * 3_900_000)
    except OSError:
        pass
    restarted(pid, 30)
    for connection in greedy:
        connection.close()
    text = run("journalctl", "--unit=purserd.service", "--lines=60", "--output=cat")
    # Where the kernel's groups of processes do not tell systemd of it, all it knows is the signal.
    why = "oom" in text.lower() or "status=9/KILL" in text
    case.expect(why, f"systemd says why: {text[-800:]}")
    reply = unit.call("GET", "/api/v1/client/margins?groupBy=customer")
    case.equal(reply.data["totals"]["events"], before, "events afterwards")
    drop_in()
    return f"ended at 72 MB with {len(greedy)} greedy peers, started again, {before} events as before"


def stopped(case, unit):
    """A stop under load keeps every acknowledgement, and ends soon."""
    run("systemctl", "restart", "purserd.service")
    fresh(unit)
    work = Load(case, unit, 2)
    times = []
    for _ in range(5):
        time.sleep(0.3)
        started = time.monotonic()
        # Clients connect again at once, which starts it again.
        run("systemctl", "stop", "purserd.service")
        times.append(f"{(time.monotonic() - started) * 1000:.0f}")
        case.equal(show("ExecMainStatus"), "0", "exit status")
        work.progress("a stop")
    return f"{work.finish()}; stops took {', '.join(times)} ms"


def never_refused(case, unit):
    """Restarts refuse no connection."""
    knockers = [Knocker(unit, True), Knocker(unit, False)]
    for knocker in knockers:
        knocker.start()
    for _ in range(5):
        time.sleep(0.2)
        run("systemctl", "restart", "purserd.service")
    time.sleep(0.2)
    return "5 restarts; " + "; ".join(knocker.finish(case, "restarts") for knocker in knockers)


def fast_restart(case, unit):
    """From `systemctl restart` to the next acknowledged event, with a million events in the books."""
    fresh(unit)
    to = f"unix:{unit.socket}"
    size = ["--events", str(MILLION), "--batch", "1000", "--seconds", "60", "--warm-up", "0"]
    run("purser", "--to", to, "bench", *size, "--state", str(STATE))
    held = unit.call("GET", "/api/v1/client/margins?groupBy=day").data["totals"]["events"]
    # A hundredth of what it sends are retries.
    case.expect(held >= MILLION * 0.98, f"{held} events in the books")
    times, starts = [], []
    for _ in range(7):
        pid = main_pid()
        connection = unit.connect(unix=True)
        connection.request("POST", EVENTS, event())
        connection.response("POST", EVENTS)
        started = time.monotonic()
        command = subprocess.Popen(["systemctl", "restart", "purserd.service"], stdin=subprocess.DEVNULL)
        # The old one hangs up when it stops; from then on the next connection is the new one's.
        connection.socket.settimeout(20)
        while connection.socket.recv(1024):
            pass
        connection.close()
        while True:
            connection = unit.connect(unix=True)
            try:
                connection.request("POST", EVENTS, event())
                reply = connection.response("POST", EVENTS)
                break
            except (Closed, OSError):
                connection.close()
        took = time.monotonic() - started
        connection.close()
        command.wait()
        case.equal(reply.status, 201, "the next event")
        case.expect(main_pid() != pid, "another process")
        times.append(took * 1000)
        line = journal("PURSER_HAPPENING=ready")[-1]
        stop = journal("PURSER_HAPPENING=stopping")[-1]
        starts.append((int(line["__REALTIME_TIMESTAMP"]) - int(stop["__REALTIME_TIMESTAMP"])) / 1000)
    times.sort()
    starts.sort()
    case.figures = {"restart_ms": times, "stopping_to_ready_ms": starts}
    return (
        f"{held} events: median {times[3]:.0f} ms, fastest {times[0]:.0f}, slowest {times[-1]:.0f}; "
        f"of it from stopping to ready {starts[3]:.0f} ms (target 100 ms)"
    )


def ends_that_need_a_person(case, unit):
    """Statuses 2 and 4 are not tried again, and the last line says what to do."""
    said = []
    before = CONFIG.read_text()
    CONFIG.write_text(before + "listen = 7\n")
    run("systemctl", "restart", "purserd.service", status=1)
    case.equal((show("ExecMainStatus"), show("ActiveState")), ("2", "failed"), "a wrong configuration")
    said.append(journal()[-1 if "MESSAGE" in journal()[-1] else -2])
    CONFIG.write_text(before)
    run("systemctl", "start", "purserd.socket", "purserd.service")
    run("systemctl", "stop", "purserd.service")
    # A start from the checkpoint would find it behind the start.
    (STATE / "checkpoint").unlink(missing_ok=True)
    segment = sorted((STATE / "journal").iterdir())[0]
    with open(segment, "r+b") as file:
        file.seek(4096 + 100)
        byte = file.read(1)
        file.seek(4096 + 100)
        file.write(bytes([byte[0] ^ 1]))
    run("systemctl", "start", "purserd.service", status=1)
    case.equal((show("ExecMainStatus"), show("ActiveState")), ("4", "failed"), "a damaged journal")
    last = [entry for entry in journal("PURSER_HAPPENING=exit")]
    case.equal([entry["PURSER_EXIT_STATUS"] for entry in last[-2:]], ["2", "4"], "the last lines")
    case.expect("exit status 4" in show("StatusText"), f"status: {show('StatusText')}")
    with open(segment, "r+b") as file:
        file.seek(4096 + 100)
        file.write(byte)
    run("systemctl", "start", "purserd.socket", "purserd.service")
    return last[-1]["MESSAGE"]


def upgraded(case, unit):
    """An upgrade from an earlier package, with its journal, under load; nobody is refused. And back again."""
    run("systemctl", "stop", "purserd.socket", "purserd.service")
    run("dpkg", "--install", str(PACKAGES[0]))
    fresh(unit)
    work = Load(case, unit, 3)
    knockers = [Knocker(unit, True), Knocker(unit, False)]
    for knocker in knockers:
        knocker.start()
    pid = main_pid()
    run("dpkg", "--install", str(PACKAGES[-1]))
    case.expect(main_pid() != pid, "the new program runs")
    work.progress("the upgrade")
    version = run("dpkg-query", "--show", "--showformat=${Version}", "purser")
    run("dpkg", "--install", str(PACKAGES[0]))
    work.progress("the downgrade")
    run("dpkg", "--install", str(PACKAGES[-1]))
    work.progress("the second upgrade")
    said = "; ".join(knocker.finish(case, "upgrade") for knocker in knockers)
    return f"{PACKAGES[0].name} to {version}; {work.finish()}; {said}"


def removed(case, unit):
    """Removing leaves state and configuration; purging leaves what was asked to be kept, or nothing."""
    before = unit.call("GET", "/api/v1/client/margins?groupBy=customer").data["totals"]["events"]
    run("dpkg", "--remove", "purser")
    case.expect(not is_active("purserd.socket") and not is_active("purserd.service"), "nothing runs")
    case.expect((STATE / "journal").exists() and CONFIG.exists(), "state and configuration stay")
    run("dpkg", "--install", str(PACKAGES[-1]))
    after = unit.call("GET", "/api/v1/client/margins?groupBy=customer").data["totals"]["events"]
    case.equal(after, before, "events after it was installed again")
    (STATE / "keep-on-purge").touch()
    run("dpkg", "--purge", "purser")
    case.expect((STATE / "journal").exists(), "what was asked to be kept is kept")
    case.equal(pwd.getpwnam("purser").pw_name, "purser", "and so is its owner")
    case.expect(not pathlib.Path("/etc/purser").exists(), "the configuration is gone")
    run("dpkg", "--install", str(PACKAGES[-1]))
    after = unit.call("GET", "/api/v1/client/margins?groupBy=customer").data["totals"]["events"]
    case.equal(after, before, "events after purge and another installation")
    run("systemctl", "stop", "purserd.socket", "purserd.service")
    run("umount", str(STATE))
    run("dpkg", "--purge", "purser")
    left = run("find", "/etc", "/var/lib", "/run", "/usr", "/lib/systemd", "-xdev", "-name", "*purser*", "-not", "-path", "/run/systemd/*")
    case.equal([line for line in left.splitlines() if "/var/lib/dpkg" not in line], [], "files left over")
    for database in ("/etc/passwd", "/etc/group"):
        case.expect("purser" not in pathlib.Path(database).read_text(), f"nothing is left in {database}")
    return f"{before} events kept as asked; then nothing is left"


CHECKS = [
    installed,
    judged_by_systemd,
    first_connections,
    live_figures,
    confined,
    logged,
    credential,
    users_of_the_socket,
    killed,
    hung,
    reloaded,
    out_of_memory,
    stopped,
    never_refused,
    fast_restart,
    ends_that_need_a_person,
    upgraded,
    removed,
]


def main():
    names = sys.argv[1:]
    worst = 0
    for check in CHECKS:
        if names and check.__name__ not in names and check is not installed:
            continue
        case = harness.Case("/usr/bin", check.__name__)
        unit = Unit(case)
        started = time.monotonic()
        said = ""
        try:
            said = check(case, unit)
        except Exception as error:  # noqa: BLE001 - everything is reported and makes the run fail
            case.problems.append(f"{type(error).__name__}: {error}")
        took = time.monotonic() - started
        print(f"{'FAILED' if case.problems else 'ok':6} {check.__name__} ({took:.1f} s): {said}", flush=True)
        for problem in case.problems[:10]:
            print("       - " + problem[:3000].replace("\n", "\n         "), flush=True)
        if case.problems:
            worst = 1
            print(run("journalctl", "--unit=purserd*", "--lines=15", "--output=short-precise", "--no-pager", status=None), flush=True)
        case.close()
    return worst


if __name__ == "__main__":
    sys.exit(main())
