"""The daemon as a service: what its manager is told, how it stops, what it says when something is wrong, clocks that jump,
a process that is suspended, users of the socket, and where its keys are not."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import frames
import load
from durability_scenarios import clients_of
from harness import Daemon, Skip, eventually
from http_scenarios import BATCH, EVENTS, event
from slow_peers import figure

STOPS = int(os.environ.get("PURSER_STOPS", "20"))
SUSPENSIONS = int(os.environ.get("PURSER_SUSPENSIONS", "4"))
LONGEST = float(os.environ.get("PURSER_SUSPENDED_SECONDS", "2"))


class Manager:
    """Listens where a service manager would."""

    def __init__(self, case, abstract=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if abstract:
            self.name = f"@purser-{os.getpid()}-{random.random()}"
            self.socket.bind("\0" + self.name[1:])
        else:
            self.name = str(case.folder / "notify")
            pathlib.Path(self.name).unlink(missing_ok=True)
            self.socket.bind(self.name)
        self.socket.settimeout(0.05)
        self.heard = []

    def listen(self, seconds=0.0):
        """Everything heard so far: (time, {name: value})."""
        end = time.monotonic() + seconds
        while True:
            try:
                text = self.socket.recv(65536).decode()
                self.heard.append((time.monotonic(), dict(line.split("=", 1) for line in text.split("\n"))))
            except TimeoutError:
                if time.monotonic() >= end:
                    return self.heard

    def wait_for(self, name, seconds=20.0, since=0):
        def found():
            return [(at, said) for at, said in self.listen()[since:] if name in said]

        return eventually(f"{name} to be said", found, seconds)[0]

    @property
    def names(self):
        return [name for _, said in self.listen() for name in said]


def manager_is_told(case):
    """READY when it listens, RELOADING and READY on SIGHUP, STOPPING before the end; on a path and on an abstract name."""
    for abstract in (False, True):
        manager = Manager(case, abstract)
        daemon = Daemon(case, config="", env={"NOTIFY_SOCKET": manager.name})
        _, said = manager.wait_for("READY")
        case.equal(daemon.call("GET", "/readyz").status, 200, "ready means ready")
        case.equal(said["READY"], "1", "READY")
        case.expect("ready on" in said["STATUS"], f"the status says where: {said}")
        heard = len(manager.heard)
        os.kill(daemon.pid, signal.SIGHUP)
        _, said = manager.wait_for("RELOADING", since=heard)
        case.expect(said["MONOTONIC_USEC"].isdigit(), f"RELOADING says when: {said}")
        manager.wait_for("READY", since=heard)
        order = [name for _, s in manager.heard[heard:] for name in s if name in ("RELOADING", "READY")]
        case.equal(order, ["RELOADING", "READY"], "the order of a reload")
        case.expect("WATCHDOG" not in manager.names, "no sign of life is sent that nobody asked for")
        case.equal(daemon.stop(), 0, "exit status")
        manager.wait_for("STOPPING")
        case.equal(manager.names.count("STOPPING"), 1, "STOPPING once")
    # A name that leads nowhere harms nobody.
    for name in ("/nowhere/at/all", "relative", "@", "/" + "x" * 200):
        daemon = case.daemon(env={"NOTIFY_SOCKET": name})
        case.equal(daemon.stop(), 0, f"NOTIFY_SOCKET={name}")


def catches(pid, number):
    """Whether a process has a handler for a signal."""
    mask = re.search(r"SigCgt:\s*([0-9a-f]+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]
    return int(mask, 16) >> (number - 1) & 1 == 1


def start_takes_its_time(case):
    """While a long journal is read the manager is told to wait; READY comes after, and not when the start fails."""
    if shutil.which("strace") is None:
        raise Skip("needs strace")
    daemon = case.daemon()
    for _ in range(60):
        daemon.call("POST", BATCH, [event() for _ in range(50)])
    # It leaves no checkpoint, so all of the journal is read.
    daemon.kill()
    manager = Manager(case)
    wrap = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=40000"]
    slow = Daemon(case, state=daemon.state, env={"NOTIFY_SOCKET": manager.name}, wrap=wrap)
    ready, _ = manager.wait_for("READY", 60)
    extended = [(at, said) for at, said in manager.heard if "EXTEND_TIMEOUT_USEC" in said]
    case.expect(len(extended) >= 1, f"more time was asked for: {manager.heard}")
    case.expect(all(at < ready and int(said["EXTEND_TIMEOUT_USEC"]) >= 10_000_000 for at, said in extended), f"before READY: {extended}")
    case.expect(any("journal" in said["STATUS"] for _, said in extended), f"the status says what takes its time: {extended}")
    slow.end()
    # A start that fails never says READY.
    manager = Manager(case)
    status, said = case.refused(state=daemon.state, listen=["unix:/nowhere/at/all"], env={"NOTIFY_SOCKET": manager.name})
    case.equal(status, 2, f"exit status ({said})")
    case.expect("READY" not in manager.names, f"READY was said: {manager.heard}")
    # SIGTERM while the journal is read ends it, as cleanly as at any other time.
    manager = Manager(case)
    slow = Daemon(case, state=daemon.state, env={"NOTIFY_SOCKET": manager.name}, wrap=wrap)
    eventually("the daemon to run", lambda: slow.pid != slow.process.pid, 10)
    eventually("it to hear signals", lambda: catches(slow.pid, signal.SIGTERM), 20)
    started = time.monotonic()
    os.kill(slow.pid, signal.SIGTERM)
    case.equal(slow.wait_exit(20), 0, "exit status of a stop during recovery")
    case.expect(time.monotonic() - started < 10, "TERM during recovery takes too long")
    case.expect("stopped while the journal was read" in slow.said(), f"the log says so: {slow.said()}")
    manager.listen()
    case.expect("STOPPING" in manager.names and "READY" not in manager.names, f"what the manager heard: {manager.heard}")
    again = daemon.again()
    case.equal(figure(again, "purser_ready"), 1, "the journal is as it was")
    case.equal(again.stop(), 0, "exit status")


def signs_of_life(case):
    """WATCHDOG=1 while loop and journal get on; none once a sync hangs, and none once the loop does."""
    if shutil.which("strace") is None:
        raise Skip("needs strace")
    manager = Manager(case)
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "2000000"}
    daemon = case.daemon(env=environment)
    manager.listen(2.6)
    beats = [at for at, said in manager.heard if "WATCHDOG" in said]
    case.expect(len(beats) >= 2 and all(b - a < 2.0 for a, b in zip(beats, beats[1:])), f"a sign of life in time: {beats}")
    # The loop stands still: suspended is the most that can be done to it from outside.
    os.kill(daemon.pid, signal.SIGSTOP)
    time.sleep(0.2)
    manager.listen()
    heard = len(manager.heard)
    manager.listen(2.0)
    case.equal(len(manager.heard), heard, "nothing is said by a process that stands still")
    os.kill(daemon.pid, signal.SIGCONT)
    manager.wait_for("WATCHDOG", 5, since=heard)
    case.equal(daemon.stop(), 0, "exit status")
    # A sync that hangs, and a loop that turns.
    manager = Manager(case)
    environment["NOTIFY_SOCKET"] = manager.name
    wrap = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwritev2", "-e", "inject=pwritev2:delay_enter=14000000:when=2"]
    daemon = case.daemon(env=environment, wrap=wrap)
    waiting = [daemon.connect() for _ in range(2)]
    for connection in waiting:
        connection.request("POST", EVENTS, event())
        time.sleep(0.5)
    hung = time.monotonic()
    manager.listen(4.0)
    late = [at - hung for at, said in manager.heard if "WATCHDOG" in said and at - hung > 1.6]
    case.equal(late, [], "signs of life after the sync hung")
    case.equal(daemon.call("GET", "/healthz").status, 200, "the loop turns meanwhile")
    # Nobody is told that all is well.
    reply = eventually("readiness to say so", lambda: (r := daemon.call("GET", "/readyz")).status == 503 and r, 12)
    case.equal(reply.data["reason"], "journal_stalled", "the reason")
    eventually("the status to say so", lambda: any("journal_stalled" in s.get("STATUS", "") for _, s in manager.listen()), 5)
    for connection in waiting:
        case.equal(connection.response().status, 201, "answered once the sync came back")
    eventually("all to be well again", lambda: daemon.call("GET", "/readyz").status == 200, 5)
    manager.wait_for("WATCHDOG", 5, since=len(manager.heard) - 1)
    case.equal(daemon.stop(), 0, "exit status")


def stopped_again_and_again(case):
    """SIGTERM at random under load, sometimes twice: exit 0 soon, every acknowledgement kept."""
    dice = random.Random(7)
    current = [case.daemon()]
    clients = clients_of(case, lambda: current[0])
    for client in clients:
        client.start()
    for cycle in range(STOPS):
        time.sleep(dice.uniform(0.02, 0.3))
        daemon = current[0]
        started = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        if cycle % 3 == 2:
            time.sleep(dice.uniform(0, 0.02))
            try:
                os.kill(daemon.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        case.equal(daemon.wait_exit(20), 0, f"cycle {cycle}: exit status")
        case.expect(time.monotonic() - started < 12, f"cycle {cycle}: stopping took {time.monotonic() - started:.1f} s")
        current[0] = daemon.again()
        case.expect(all(client.problem is None for client in clients), f"cycle {cycle}: {[c.problem for c in clients if c.problem]}")
        if case.problems:
            break
    acked = sum(client.acked for client in clients)
    eventually("progress after the last stop", lambda: sum(c.acked for c in clients) > acked, 20)
    for client in clients:
        client.finish()
    counted = load.judge(case, current[0], clients)
    load.compare_margins(case, current[0], counted)
    print(f"  {STOPS} stops, {sum(client.acked for client in clients)} acknowledgements")
    case.equal(current[0].stop(), 0, "exit status")


def sick_is_visible(case):
    """Books that cannot be opened, and keys that cannot be written: events are recorded, and /readyz says what is wrong."""
    state = case.folder / "sick"
    daemon = case.daemon(state=state)
    daemon.call("POST", EVENTS, event())
    daemon.stop()
    for name in ("books.db", "books.db-wal", "books.db-shm"):
        (state / name).unlink(missing_ok=True)
    (state / "books.db").mkdir()
    daemon = case.daemon(state=state)
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "events are recorded without books")
    reply = eventually("readiness to say so", lambda: (r := daemon.call("GET", "/readyz")).status == 503 and r, 20)
    case.equal((reply.data["status"], reply.data["reason"]), ("not_ready", "projection_stalled"), "readiness")
    case.equal(daemon.call("GET", "/healthz").status, 200, "health: a new start would not help")
    case.equal(figure(daemon, "purser_ready"), 0, "the metric")
    eventually("a line in the log", lambda: any("not ready: projection_stalled" in line for line in daemon.lines), 5)
    case.equal(daemon.stop(), 0, "exit status")


# Clocks ----------------------------------------------------------------------------------------------------------


def faketime():
    found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Skip("needs libfaketime")
    return str(found[0])


def batch_times(state):
    """When each batch of the journal was opened, by the layout in protocol/journal.md."""
    times = []
    for path in sorted((state / "journal").iterdir()):
        data = path.read_bytes()
        place = 4096
        while place + 80 <= len(data) and data[place : place + 4] == b"\xffPB1":
            length, opened = struct.unpack_from("<I", data, place + 8)[0], struct.unpack_from("<q", data, place + 40)[0]
            times.append(opened)
            place += (length + 7) // 8 * 8
    return times


def clocks_jump(case):
    """The wall clock jumps: an hour back, a year on, to 1970, to 2106, back every second. Deadlines hold, events count, times in
    the journal never go back, and a metric tells."""
    library = faketime()
    stamp = case.folder / "clock"

    def jump(text):
        fresh = case.folder / "clock.new"
        fresh.write_text(text + "\n")
        fresh.rename(stamp)

    jump("+0")
    state = case.folder / "clocks"

    def start():
        """Sockets and state by the environment: under libfaketime a debug build does not see its arguments."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        spare = os.dup(listener.fileno())

        def hand_over():
            os.dup2(spare, 3)

        daemon = case.daemon(
            state=state,
            listen=[],
            pass_fds=(3,),
            preexec=hand_over,
            wrap=["sh", "-c", f'LISTEN_PID=$$ LD_PRELOAD={library} exec "$0" "$@"'],
            env={
                "LISTEN_FDS": "1",
                "STATE_DIRECTORY": str(state),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_TIMESTAMP_FILE": str(stamp),
                "FAKETIME_NO_CACHE": "1",
            },
        )
        daemon.port = listener.getsockname()[1]
        listener.close()
        os.close(spare)
        return daemon

    daemon = start()
    connection = daemon.connect()
    half = daemon.connect()
    half.send("GET /healthz HTTP/1.1\r\nHost: a\r\n")
    began = time.monotonic()
    sent = 0

    def record(what):
        nonlocal sent
        connection.request("POST", EVENTS, event())
        reply = connection.response()
        sent += 1
        case.equal(reply.status, 201, what)
        return reply

    record("before")
    for text in ("-3600", "+365d", "@1970-01-01 00:00:10", "@2106-02-07 06:28:16", "+0"):
        jump(text)
        time.sleep(0.15)
        record(f"at {text}")
        record(f"at {text}")
        case.equal(daemon.call("GET", "/healthz").status, 200, f"at {text}")
    for second in range(20):
        jump(f"-{second * 5 + 5}")
        time.sleep(0.1)
        record(f"{second * 5 + 5} s back")
    case.expect(figure(daemon, "purser_clock_steps_back_total") >= 20, "steps back were counted")
    case.expect(figure(daemon, "purser_clock_behind_seconds") > 86_400 * 300, "the clock is known to be behind")
    # A half request is ended by a clock that does not jump: after ten seconds, not before and not much later.
    half.socket.settimeout(20)
    reply = half.response()
    took = time.monotonic() - began
    case.equal(reply.status, 408, "half a request")
    case.expect(9.5 < took < 14, f"a deadline of 10 s took {took:.1f} s")
    case.equal(daemon.stop(), 0, "exit status")
    dump = [json.loads(line) for line in case.tool("journal", "dump", "--state", daemon.state).decode().splitlines()]
    case.expect(len([entry for entry in dump if entry.get("eventName")]) == sent, f"{sent} events were sent")
    times = batch_times(daemon.state)
    case.expect(len(times) >= sent and times == sorted(times), f"times of {len(times)} batches never go back")
    # The next start has the clock of a machine without a battery, and reads all of it.
    jump("@1970-01-01 00:00:10")
    again = start()
    connection = again.connect()
    record("in 1970")
    case.expect(figure(again, "purser_clock_behind_seconds") > 86_400 * 300, "after a start, too")
    case.equal(again.stop(), 0, "exit status")


def suspended(case):
    """SIGSTOP under load, then SIGCONT: nobody whose bytes had come is cut off, overdue deadlines fire once, the books are exact."""
    dice = random.Random(11)
    daemon = case.daemon()
    clients = clients_of(case, lambda: daemon)
    for client in clients:
        client.start()
    idle = [daemon.connect() for _ in range(50)]
    for connection in idle:
        connection.request("GET", "/healthz")
        connection.response()
    for cycle in range(SUSPENSIONS):
        time.sleep(dice.uniform(0.05, 0.3))
        # Half a request before, the other half while it stands still: it is not late.
        halves = [daemon.connect() for _ in range(10)]
        for connection in halves:
            connection.send("GET /healthz HTTP/1.1\r\nHo")
        time.sleep(0.05)
        os.kill(daemon.pid, signal.SIGSTOP)
        for connection in halves:
            connection.send("st: a\r\n\r\n")
        time.sleep(dice.uniform(0.3, LONGEST) if cycle < SUSPENSIONS - 1 else 12.0)
        os.kill(daemon.pid, signal.SIGCONT)
        for connection in halves:
            case.equal(connection.response().status, 200, f"cycle {cycle}: a request that had come")
            connection.close()
    before = figure(daemon, "purser_timeouts_total")
    case.equal(before, 0, "deadlines that fired")
    # One that is truly late is ended, once.
    late = daemon.connect()
    late.send("GET /healthz HTTP/1.1\r\nHo")
    time.sleep(0.1)
    os.kill(daemon.pid, signal.SIGSTOP)
    time.sleep(11)
    os.kill(daemon.pid, signal.SIGCONT)
    case.equal(late.response().status, 408, "a request that did not come")
    case.expect(late.ended(5), "and its connection ends")
    case.equal(figure(daemon, "purser_timeouts_total"), 1, "deadlines that fired")
    for connection in idle:
        connection.request("GET", "/healthz")
        case.equal(connection.response().status, 200, "an idle connection")
    case.expect(all(client.problem is None for client in clients), f"{[c.problem for c in clients if c.problem]}")
    for client in clients:
        client.finish()
    counted = load.judge(case, daemon, clients)
    load.compare_margins(case, daemon, counted)
    case.equal(daemon.stop(), 0, "exit status")


# Users and keys --------------------------------------------------------------------------------------------------

AS_OTHER = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect(sys.argv[1])
connection.sendall(sys.stdin.buffer.read())
connection.shutdown(socket.SHUT_WR)
while piece := connection.recv(65536):
    sys.stdout.buffer.write(piece)
"""


def users_of_the_socket(case):
    """`unix_allow` by user and group: scopes, refusals that say why, a reload that holds at once."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise Skip("needs root and setpriv")

    def as_user(user, group, data, daemon, groups=None):
        groups = f"--groups={groups}" if groups else "--clear-groups"
        result = subprocess.run(
            ["setpriv", f"--reuid={user}", f"--regid={group}", groups, "/usr/bin/python3", "-I", "-c", AS_OTHER, str(daemon.socket)],
            input=data,
            capture_output=True,
            timeout=60,
            check=True,
        )
        return result.stdout

    def post(number):
        body = b'{"eventName":"x","eventIdempotencyKey":"u%d","costAmount":1}' % number
        return f"POST {EVENTS} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    margins = b"GET /api/v1/client/margins?groupBy=day HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    os.chmod(case.folder, 0o755)
    rules = 'unix_allow = ["uid:0", "user:daemon=ingest", "group:games=read,admin"]\n'
    daemon = case.daemon(config=rules)
    # Owner and mode come first: whoever they keep out does not even get a refusal.
    os.chmod(daemon.socket, 0o666)
    games = int(subprocess.run(["getent", "group", "games"], capture_output=True, text=True, check=True).stdout.split(":")[2])
    one = int(subprocess.run(["id", "-u", "daemon"], capture_output=True, text=True, check=True).stdout)

    def status(data):
        return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else data

    case.equal(daemon.call("POST", EVENTS, event(), unix=True).status, 201, "root, as uid:0")
    case.equal(status(as_user(one, 65534, post(1), daemon)), 201, "user:daemon records")
    case.equal(status(as_user(one, 65534, margins, daemon)), 403, "and does not read")
    case.equal(status(as_user(12345, games, margins, daemon)), 200, "a first group")
    case.equal(status(as_user(12345, 12345, margins, daemon, groups=f"{games},7")), 200, "a further group")
    case.equal(status(as_user(12345, games, post(2), daemon)), 403, "which does not record")
    case.equal(status(as_user(one, games, post(3), daemon)), 201, "both rules together")
    refused = as_user(12345, 12345, post(4), daemon)
    case.equal(status(refused), 403, "nobody's")
    case.expect(b"unix_allow" in refused and b"connection: close" in refused, f"it says why: {refused[-300:]}")
    refused = as_user(12345, 12345, frames.hello(""), daemon)
    case.equal((refused[1], refused[16:18]), (frames.ERROR, (5).to_bytes(2, "little")), f"a frame error: {refused}")
    case.equal(figure(daemon, "purser_peers_refused_total"), 2, "both are counted")
    # A reload holds at once, for an open connection as well.
    there = daemon.connect(unix=True)
    there.request("GET", "/healthz")
    case.equal(there.response().status, 200, "before the reload")
    daemon.config.write_text('unix_allow = ["user:daemon"]\n')
    os.kill(daemon.pid, signal.SIGHUP)
    eventually("the reload", lambda: any("reloaded" in line for line in daemon.lines), 10)
    there.request("GET", "/healthz")
    case.equal(there.response().status, 403, "after the reload")
    case.equal(status(as_user(one, 65534, margins, daemon)), 200, "all scopes now")
    # Bad lists are refused with their line; a bad reload changes nothing.
    said = len(daemon.lines)
    daemon.config.write_text('unix_allow = ["user:nobody-of-this-name"]\n')
    os.kill(daemon.pid, signal.SIGHUP)
    eventually("a word about it", lambda: len(daemon.lines) > said, 10)
    case.expect("toml:1" in daemon.lines[said] and "nobody-of-this-name" in daemon.lines[said], daemon.lines[said])
    case.equal(status(as_user(one, 65534, margins, daemon)), 200, "as before")
    case.equal(daemon.stop(), 0, "exit status")
    for bad in ("uid:x", "uid:-1", "uid:4294967295", "user:", "daemon", "user:daemon=", "user:daemon=write", "group:games=read,", 5):
        text = f"unix_allow = [{bad!r}]\n".replace("'", '"')
        code, said = case.refused(config=text)
        case.equal(code, 2, f"{text}: {said}")
        case.expect("toml:1" in said and "unix_allow" in said, f"{text}: {said}")
    daemon = case.daemon(config="unix_allow = []\n")
    case.equal(daemon.call("GET", "/healthz", unix=True).status, 403, "an empty list is nobody")
    case.equal(daemon.call("GET", "/healthz").status, 200, "TCP is another matter")
    case.equal(daemon.stop(), 0, "exit status")


def keys_are_nowhere(case):
    """A key's text is in the reply that made it and in `api-key`, and nowhere else: not on disk, not in the log, not in metrics.
    Revoked, it ends what it may do at once, on open connections of both protocols, for requests that had begun as well."""
    daemon = case.daemon()
    made = daemon.call("POST", "/api/v1/client/keys", {"name": "app", "scopes": ["ingest"]}).data
    other = daemon.call("POST", "/api/v1/client/keys", {"name": "eyes", "scopes": ["read"]}).data
    first, key, reading = daemon.key, made["apiKey"], other["apiKey"]
    case.equal(daemon.call("POST", EVENTS, event(), key=key).status, 201, "it records")
    case.equal(daemon.call("GET", "/api/v1/client/margins?groupBy=day", key=key).status, 403, "and does not read")
    case.equal(daemon.call("POST", EVENTS, event(), key=reading).status, 403, "the other does not record")
    case.equal(daemon.call("GET", "/api/v1/client/keys", key=reading).status, 403, "nor see keys")
    # Wrong ones, also such that differ in one character or in length.
    for wrong in (key[:-1], key + "0", key[:-1] + ("0" if key[-1] != "0" else "1"), "x", key.upper(), first[:20] + key[20:]):
        case.equal(daemon.call("POST", EVENTS, event(), key=wrong).status, 401, f"a wrong key of {len(wrong)} characters")
    # Open connections, one in the middle of a body.
    http, half = daemon.connect(), daemon.connect()
    http.request("POST", EVENTS, event(), key=key)
    case.equal(http.response().status, 201, "an open connection")
    body = b'{"eventName":"late","costAmount":1}'
    half.send(half.head("POST", EVENTS, {"Content-Length": str(len(body))}, key).encode() + b"\r\n" + body[:10])
    binary = frames.Client(daemon, unix=False, greet=False)
    binary.send(frames.hello(key))
    case.equal(binary.answer().kind, frames.HELLO_REPLY, "hello")
    case.equal(binary.record([event()]).kind, frames.EVENTS_REPLY, "frames")
    case.equal(daemon.call("DELETE", f"/api/v1/client/keys/{made['id']}").status, 200, "revoked")
    http.request("POST", EVENTS, event(), key=key)
    case.equal(http.response().status, 401, "HTTP after the revocation")
    half.send(body[10:])
    case.equal(half.response().status, 401, "a request that had begun")
    binary.send(frames.events([event()], 9))
    case.equal(binary.answer().kind, frames.ERROR, "a frame after the revocation")
    case.expect(binary.ended(), "and the connection ends")
    daemon.call("GET", "/metrics", key=first)
    page = daemon.call("GET", "/metrics").body.decode()
    listed = daemon.call("GET", "/api/v1/client/keys").body.decode()
    os.kill(daemon.pid, signal.SIGHUP)
    time.sleep(0.3)
    case.equal(daemon.stop(), 0, "exit status")
    again = daemon.again()
    case.equal(again.call("POST", EVENTS, event(), key=key).status, 401, "revoked after a restart")
    case.equal(again.call("GET", "/api/v1/client/margins?groupBy=day", key=reading).status, 200, "the other works after a restart")
    case.equal(again.stop(), 0, "exit status")
    said = daemon.said() + again.said()
    for name, text in (("first", first), ("app", key), ("eyes", reading)):
        # All of it, and the part that is secret.
        for part in (text, text[8:], text[8:24]):
            case.expect(part not in said, f"the log has the key {name}")
            case.expect(part not in page and part not in listed, f"a page has the key {name}")
            for path in sorted(daemon.state.rglob("*")):
                if path.is_file() and path.name != "api-key":
                    case.expect(part.encode() not in path.read_bytes(), f"{path.name} has the key {name}")
    case.equal((daemon.state / "api-key").stat().st_mode & 0o777, 0o600, "mode of api-key")


SCENARIOS = {
    "manager": manager_is_told,
    "slow_start": start_takes_its_time,
    "signs_of_life": signs_of_life,
    "stopped_again": stopped_again_and_again,
    "sick": sick_is_visible,
    "clocks": clocks_jump,
    "suspended": suspended,
    "socket_users": users_of_the_socket,
    "keys_nowhere": keys_are_nowhere,
}
