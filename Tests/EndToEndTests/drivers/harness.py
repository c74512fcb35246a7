"""What every scenario stands on: a directory of its own, daemons that always end, and a plain HTTP client.

A `Case` is one scenario's world. Daemons are started as children, are told by the kernel to die when this process dies,
and are ended by their own process id in every case. The HTTP client is written on bare sockets, so that a scenario decides
about every byte; each reply to a described route is checked against protocol/openapi.yaml.
"""

import ctypes
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal

import openapi

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


class Failure(AssertionError):
    """Something was not as promised."""


def eventually(what, probe, seconds=10.0, pause=0.02):
    """The first true value of `probe()`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"{what} did not happen within {seconds} s")
        time.sleep(pause)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Raw(str):
    """Text that stands in JSON as it is: `Raw("1e-5")` is that number, digit for digit."""


def encode(value):
    """JSON text of a value; `Raw` and `Decimal` keep every digit."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + encode(v) for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(encode(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def exact(text):
    """A JSON number of a reply: plain decimal text, never an exponent."""
    if "e" in text or "E" in text:
        raise Failure(f"a number is written with an exponent: {text}")
    return Decimal(text)


def decode(body):
    return json.loads(body, parse_float=exact)


class Case:
    def __init__(self, binaries, name):
        self.binaries = pathlib.Path(binaries)
        self.name = name
        # Short, because the path of a Unix socket is.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pu-"))
        self.daemons = []
        self.children = []
        self.problems = []
        self.kinds = set()
        self.description = openapi.Description(ROOT / "protocol" / "openapi.yaml")
        self.random = random.Random(name)

    # Judging -----------------------------------------------------------------------------------------------------

    def expect(self, condition, message):
        """Notes a problem and goes on, so that one run shows all of them."""
        if not condition:
            self.problems.append(str(message))
        return bool(condition)

    def equal(self, got, wanted, what):
        return self.expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")

    def against_description(self, what, problem, body):
        """Notes a reply that does not follow the description, once for each kind of problem."""
        kind = re.sub(r"\d+", "N", problem)
        if kind not in self.kinds:
            self.kinds.add(kind)
            self.expect(False, f"{what}: {problem}: {body[:300]!r}")

    def close(self):
        for daemon in self.daemons:
            daemon.end()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        if not os.environ.get("PURSER_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # Programs ----------------------------------------------------------------------------------------------------

    def daemon(self, **options):
        """A running daemon that said it is ready."""
        daemon = Daemon(self, **options)
        daemon.wait_ready()
        return daemon

    def refused(self, **options):
        """A daemon that is expected to end by itself: (exit status, what it said)."""
        daemon = Daemon(self, **options)
        status = daemon.wait_exit(20)
        return status, daemon.said()

    def tool(self, *arguments, status=0, stdin=None, seconds=120, daemon=None, environment=None):
        """Runs `purser`; its standard output. Fails on another exit status than `status`."""
        command = [str(self.binaries / "purser")]
        if daemon is not None:
            command += ["--to", f"unix:{daemon.socket}"]
        result = subprocess.run(
            command + [str(a) for a in arguments],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env={**os.environ, **(environment or {})},
            check=False,
        )
        if status is not None and result.returncode != status:
            raise Failure(
                f"purser {' '.join(map(str, arguments))} ended with {result.returncode}, not {status}:\n"
                f"{result.stdout[-2000:].decode(errors='replace')}\n{result.stderr[-2000:].decode(errors='replace')}"
            )
        return result.stdout


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Daemon:
    """One process of `purserd` on a state directory.

    `listen`: None for a Unix socket and a free TCP port of its own; a list gives `--listen` values as they are; an empty
    list gives none. `wrap`: a command in front of it. `state`: share it to restart on the same directory.
    """

    def __init__(self, case, state=None, listen=None, config=None, args=(), env=None, wrap=(), pass_fds=(), preexec=None):
        self.case = case
        number = len(case.daemons)
        self.state = pathlib.Path(state) if state else case.folder / f"s{number}"
        self.socket = case.folder / f"{number}.sock"
        self.port = 0
        command = [*wrap, str(case.binaries / "purserd")]
        if config is not None:
            self.config = case.folder / f"{number}.toml"
            self.config.write_text(config)
            command += ["--config", str(self.config)]
        command += ["--state", str(self.state)]
        if listen is None:
            self.port = free_port()
            listen = [f"unix:{self.socket}", f"tcp:127.0.0.1:{self.port}"]
        for address in listen:
            command += ["--listen", address]
        command += list(args)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LISTEN_", "NOTIFY_", "STATE_DIR", "RUNTIME_DIR"))}
        environment.update(env or {})

        def before():
            die_with_parent()
            if preexec:
                preexec()

        self.lines = []
        self.ready = threading.Event()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            preexec_fn=before,
            pass_fds=pass_fds,
        )
        self.reader = threading.Thread(target=self.listen_to, daemon=True)
        self.reader.start()
        case.daemons.append(self)

    def listen_to(self):
        for line in self.process.stderr:
            text = line.decode(errors="replace").rstrip("\n")
            self.lines.append(text)
            if re.search(r"\bready\b", text):
                self.ready.set()

    def said(self):
        return "\n".join(self.lines)

    @property
    def pid(self):
        """The daemon itself, also behind a wrapping command."""
        pid = self.process.pid
        while True:
            try:
                if "purserd" in os.path.basename(os.readlink(f"/proc/{pid}/exe")):
                    return pid
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            except FileNotFoundError:
                # A child that the command had for a moment.
                return self.process.pid
            if not children:
                return self.process.pid
            pid = int(children[0])

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while not self.ready.wait(0.005):
            if self.process.poll() is not None:
                self.reader.join(5)
                raise Failure(f"purserd ended with {self.process.returncode} before it was ready:\n{self.said()}")
            if time.monotonic() > end:
                raise Failure(f"purserd was not ready within {seconds} s:\n{self.said()}")

    def wait_exit(self, seconds=20):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failure(f"purserd did not end within {seconds} s:\n{self.said()}") from None
        self.reader.join(5)
        return status

    def stop(self, seconds=20):
        """SIGTERM; the exit status. A daemon that nobody talks to has nothing to wait for."""
        os.kill(self.pid, signal.SIGTERM)
        started = time.monotonic()
        status = self.wait_exit(seconds)
        took = time.monotonic() - started
        self.case.expect(took < 8, f"stopping took {took:.1f} s")
        return status

    def kill(self):
        """SIGKILL, as a crash would."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait_exit()

    def end(self):
        if self.process.poll() is None:
            pid = self.process.pid
            try:
                pid = self.pid
                if pid != self.process.pid:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
            self.process.kill()
            if pid != self.process.pid:
                # It holds the lock of its directory until the last of its threads has had its turn to end.
                end = time.monotonic() + 10
                while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
                    time.sleep(0.01)
        self.process.wait()

    def again(self, **options):
        """Another daemon on the same state directory."""
        return self.case.daemon(state=self.state, **options)

    @property
    def alive(self):
        return self.process.poll() is None

    @property
    def key(self):
        return (self.state / "api-key").read_text().strip()

    @property
    def rss(self):
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    # HTTP --------------------------------------------------------------------------------------------------------

    def connect(self, unix=False, timeout=20.0):
        return Connection(self, unix, timeout)

    def call(self, method, path, body=None, headers=None, key=True, unix=False, connection=None, chunked=False):
        """One request, one reply. `body`: bytes or str as they are, anything else as JSON. `key`: True for the first key
        (none on the Unix socket), None for none, or a text."""
        own = connection is None
        connection = connection or self.connect(unix)
        try:
            connection.request(method, path, body, headers, key, chunked)
            return connection.response(method, path)
        finally:
            if own:
                connection.close()


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        for key, value in self.headers:
            if key == name.lower():
                return value
        return None

    @property
    def json(self):
        return decode(self.body)

    @property
    def data(self):
        return self.json["data"]

    @property
    def code(self):
        """The error's code, or None."""
        try:
            return self.json["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return None

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Closed(Exception):
    """The daemon closed the connection where a reply should begin."""


class Connection:
    def __init__(self, daemon, unix=False, timeout=20.0):
        self.daemon = daemon
        self.unix = unix
        if unix:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(daemon.socket))
        else:
            self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def send_all_or_refused(self, data):
        """Sends what the daemon takes before it closes; False when it closed on the way."""
        try:
            self.send(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def head(self, method, path, headers, key):
        fields = {"Host": "localhost"}
        if key is True:
            if not self.unix:
                fields["Authorization"] = "Bearer " + self.daemon.key
        elif key is not None:
            fields["Authorization"] = "Bearer " + key
        for name, value in (headers or {}).items():
            if value is None:
                fields.pop(name, None)
            else:
                fields[name] = value
        return f"{method} {path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields.items())

    def request(self, method, path, body=None, headers=None, key=True, chunked=False):
        headers = dict(headers or {})
        if body is not None:
            if not isinstance(body, (bytes, str)):
                body = encode(body)
                headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else body.encode()
            if chunked:
                headers["Transfer-Encoding"] = "chunked"
                pieces = [body[i : i + 37] for i in range(0, len(body), 37)]
                body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
            else:
                headers.setdefault("Content-Length", str(len(body)))
        self.send(self.head(method, path, headers, key).encode() + b"\r\n" + (body or b""))

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed("closed inside a reply" if self.buffer else "closed")
        self.buffer += data

    def line_block(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        block, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return block.decode("latin-1").split("\r\n")

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def chunks(self):
        """A body in chunks, to its last one."""
        body = bytearray()
        while True:
            while b"\r\n" not in self.buffer:
                self.fill()
            size, self.buffer = self.buffer.split(b"\r\n", 1)
            data = self.take(int(size, 16) + 2)
            if data[-2:] != b"\r\n":
                raise Failure("a chunk without its end")
            if len(data) == 2:
                return bytes(body)
            body += data[:-2]

    def response(self, method="GET", path=None, interim=False):
        """The next reply; interim ones are skipped unless asked for. `path` has it checked against the description."""
        while True:
            first, *rest = self.line_block()
            match = re.fullmatch(r"HTTP/1\.1 (\d{3})(?: [\x20-\x7e]*)?", first)
            if not match:
                raise Failure(f"not a status line: {first!r}")
            status = int(match.group(1))
            headers = []
            for line in rest:
                name, colon, value = line.partition(":")
                if not colon or name != name.strip() or not name:
                    raise Failure(f"not a header line: {line!r}")
                headers.append((name.lower(), value.strip()))
            if status < 200:
                if interim:
                    return Reply(status, headers, b"")
                continue
            break
        names = [name for name, _ in headers]
        body = b""
        if dict(headers).get("transfer-encoding") == "chunked" and method != "HEAD":
            body = self.chunks()
        elif status not in (204, 304) and method != "HEAD":
            if names.count("content-length") != 1:
                raise Failure(f"a reply needs exactly one content-length: {headers}")
            body = self.take(int(dict(headers)["content-length"]))
        reply = Reply(status, headers, body)
        if path is not None:
            for problem in self.daemon.case.description.problems(method, path, reply):
                self.daemon.case.against_description(f"{method} {path.split('?')[0]} -> {status}", problem, body)
        return reply

    def ended(self, seconds=20):
        """Whether the daemon closes the connection, within `seconds`, with nothing more to read."""
        self.socket.settimeout(seconds)
        try:
            if self.buffer:
                return False
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def main(scenarios):
    """`run.py --bin FOLDER NAME… | --list`: runs scenarios one after the other. Exit status 0, 1 failed, 77 skipped."""
    import argparse
    import traceback

    parser = argparse.ArgumentParser(description="Runs end-to-end scenarios against built binaries.")
    parser.add_argument("names", nargs="*", choices=[[], *scenarios], metavar="NAME")
    parser.add_argument("--bin", default=os.environ.get("PURSER_BIN", str(ROOT / ".build" / "debug")))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--limit", type=int, default=0, metavar="SECONDS", help="how long one scenario may take; 0 for ever")
    options = parser.parse_args()
    # Whoever starts this may have blocked signals, as the threads of a test runner do; daemons would inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    if options.list:
        print("\n".join(scenarios))
        return 0
    def too_long(number, frame):
        raise Failure(f"not done within {options.limit} s")

    signal.signal(signal.SIGALRM, too_long)
    worst = 0
    for name in options.names or list(scenarios):
        started = time.monotonic()
        case = Case(options.bin, name)
        signal.alarm(options.limit)
        try:
            scenarios[name](case)
            for daemon in case.daemons:
                for line in daemon.lines:
                    if re.search(r"Fatal error|Illegal instruction|AddressSanitizer|Stack dump", line):
                        case.expect(False, f"the daemon said: {line}")
            verdict = "ok" if not case.problems else "FAILED"
        except Skip as reason:
            verdict = f"skipped: {reason}"
            if len(options.names) == 1:
                worst = 77
        except Exception:  # noqa: BLE001 - everything is reported and makes the run fail
            case.problems.append(traceback.format_exc())
            verdict = "FAILED"
        finally:
            signal.alarm(0)
            case.close()
        if case.problems:
            worst = 1
            for problem in case.problems[:20]:
                print("  - " + problem[:4000].replace("\n", "\n    "))
            if len(case.problems) > 20:
                print(f"  … and {len(case.problems) - 20} more")
            for daemon in case.daemons[-4:]:
                if daemon.lines:
                    print("  daemon said: " + "\n               ".join(daemon.lines[-20:]))
        print(f"{name}: {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit("run.py runs scenarios")
