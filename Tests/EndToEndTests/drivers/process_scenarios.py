"""The daemon as a process: its command line, its configuration, its sockets, its exit statuses, and what it is made of."""

import os
import pathlib
import re
import signal
import socket
import subprocess

import openapi
from harness import ROOT, LIBC, eventually, free_port
from http_scenarios import EVENTS, event


def run(case, *arguments, environment=None, seconds=20):
    """Runs purserd to its end; (exit status, output, errors)."""
    result = subprocess.run(
        [case.binaries / "purserd", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def command_line(case):
    status, out, _ = run(case, "--version")
    case.expect(status == 0 and re.match(r"purserd? \d+\.\d+\.\d+", out), f"--version: {status} {out!r}")
    status, out, _ = run(case, "--help")
    case.equal(status, 0, "--help")
    for option in ("--config", "--state", "--listen", "--check", "--version"):
        case.expect(option in out, f"--help names {option}")
    for arguments in (
        ["--nonsense"],
        ["--config"],
        ["--state"],
        ["--listen", "udp:1"],
        ["--listen", "tcp:127.0.0.1"],
        ["--listen", "tcp:127.0.0.1:99999"],
        ["--listen", "unix:"],
        ["extra"],
        ["--listen", f"unix:/{'x' * 200}"],
    ):
        status, _, errors = run(case, *arguments)
        case.equal(status, 2, f"{arguments}: exit status")
        case.expect(errors.strip(), f"{arguments}: says why")
    status, _, errors = run(case, "--config", case.folder / "missing.toml")
    case.equal(status, 2, "a missing configuration")
    case.expect("missing.toml" in errors, f"names the file: {errors}")
    # The state directory: not there and not to be made, a file, unusable.
    file = case.folder / "file"
    file.write_text("x")
    for state in (file, file / "below", "/proc/nowhere"):
        status, _, errors = run(case, "--state", state, "--listen", f"unix:{case.folder}/x.sock")
        case.equal(status, 3, f"state {state}: exit status ({errors})")
        case.expect(errors.strip(), f"state {state}: says why")
    # Defaults: from the service manager's directories.
    runtime, state = case.folder / "run", case.folder / "lib"
    runtime.mkdir()
    daemon = case.daemon(listen=["unix:" + str(runtime / "purser.sock")], env={"STATE_DIRECTORY": str(state)}, state=state)
    case.expect((state / "api-key").exists(), "the key's file is in the state directory")
    daemon.socket = runtime / "purser.sock"
    case.equal(daemon.call("GET", "/readyz", unix=True).status, 200, "on the Unix socket")
    case.expect(runtime.joinpath("purser.sock").is_socket(), "the socket is there")
    daemon.stop()
    case.expect(not runtime.joinpath("purser.sock").exists(), "the socket is removed at the end")


def configuration(case):
    port = free_port()
    good = f'state = "{case.folder}/cfg"\nlisten = ["tcp:127.0.0.1:{port}", "unix:{case.folder}/cfg.sock"]\ndedup_window = "35d"\n'
    path = case.folder / "purser.toml"
    path.write_text(good)
    status, _, errors = run(case, "--config", path, "--check")
    case.equal(status, 0, f"--check of a good configuration: {errors}")
    case.expect(not (case.folder / "cfg").exists(), "--check makes nothing")
    for line, bad in enumerate(
        (
            'listen = "tcp:127.0.0.1:1"',
            "listen = [5]",
            'listen = ["tcp:localhost"]',
            'dedup_window = "soon"',
            "dedup_window = -1",
            'allow_remote = "yes"',
            "cors_origins = 5",
            "unknown_key = 1",
            "state = 5",
            "listen = [",
            "[section",
            'state = "a"\nstate = "b"',
        ),
        start=1,
    ):
        path.write_text("# one\n" * line + bad + "\n")
        for arguments in (["--config", path, "--check"], ["--config", path, "--state", case.folder / "never"]):
            status, _, errors = run(case, *arguments)
            case.equal(status, 2, f"{bad!r} {arguments[-1]}: exit status ({errors})")
            case.expect("purser.toml" in errors, f"{bad!r}: names the file: {errors}")
            lines = {line + 1, line + bad.count("\n") + 1, line + 2}
            case.expect(
                any(re.search(rf"\b{n}\b", errors.replace(str(case.folder), "")) for n in lines),
                f"{bad!r}: names the line {line + 1}: {errors}",
            )
    case.expect(not (case.folder / "never").exists(), "a bad configuration makes nothing")


def second_daemon(case):
    daemon = case.daemon()
    status, said = case.refused(state=daemon.state)
    case.equal(status, 3, f"the second daemon's exit status ({said})")
    case.expect(said.strip(), "it says why")
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "the first goes on")
    other = case.folder / "other"
    # A socket in use is not taken away; one left behind by a crash is.
    status, said = case.refused(state=other, listen=[f"unix:{daemon.socket}"])
    case.expect(status in (2, 3), f"a socket in use: {status} ({said})")
    case.equal(daemon.call("GET", "/readyz", unix=True).status, 200, "the first keeps its socket")
    path = daemon.socket
    daemon.kill()
    case.expect(path.exists(), "a crash leaves the socket behind")
    daemon = case.daemon(state=daemon.state, listen=[f"unix:{path}"])
    daemon.socket = path
    case.equal(daemon.call("GET", "/readyz", unix=True).status, 200, "the socket left behind is replaced")
    # A file that is not a socket is not replaced.
    precious = case.folder / "precious"
    precious.write_text("x")
    status, said = case.refused(state=case.folder / "third", listen=[f"unix:{precious}"])
    case.expect(status in (2, 3), f"a file in the socket's place: {status} ({said})")
    case.equal(precious.read_text(), "x", "the file is as it was")


def remote_listener(case):
    for address in (f"tcp:0.0.0.0:{free_port()}", f"tcp:[::]:{free_port()}", f"tcp:192.0.2.1:{free_port()}"):
        status, said = case.refused(listen=[address])
        case.equal(status, 2, f"{address}: exit status ({said})")
        case.expect("allow_remote" in said, f"{address}: names the setting: {said}")
    port = free_port()
    daemon = case.daemon(listen=[f"tcp:0.0.0.0:{port}"], config="allow_remote = true\n")
    daemon.port = port
    case.equal(daemon.call("GET", "/readyz").status, 200, "with allow_remote")
    port = free_port()
    daemon = case.daemon(listen=[f"tcp:127.0.0.1:{port}"])
    daemon.port = port
    case.equal(daemon.call("GET", "/readyz").status, 200, "loopback")


def reloaded(case):
    daemon = case.daemon(config='cors_origins = ["https://one.example"]\n')

    def allowed(origin):
        reply = daemon.call("OPTIONS", EVENTS, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}, key=None)
        return reply.header("access-control-allow-origin") == origin

    case.expect(allowed("https://one.example") and not allowed("https://two.example"), "as configured")
    connection = daemon.connect()
    connection.request("GET", "/healthz")
    connection.response()
    daemon.config.write_text('cors_origins = ["https://two.example"]\n')
    os.kill(daemon.pid, signal.SIGHUP)
    eventually("the new configuration", lambda: allowed("https://two.example") and not allowed("https://one.example"), 10)
    connection.request("GET", "/healthz")
    case.equal(connection.response().status, 200, "connections survive a reload")
    said = len(daemon.lines)
    daemon.config.write_text("cors_origins = 5\n")
    os.kill(daemon.pid, signal.SIGHUP)
    eventually("a word about the bad configuration", lambda: len(daemon.lines) > said, 10)
    case.expect(".toml" in "\n".join(daemon.lines[said:]), f"the bad file is named: {daemon.lines[said:]}")
    case.expect(allowed("https://two.example"), "the old configuration stays")
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "and it works on")
    case.equal(daemon.stop(), 0, "exit status")


def inherited_sockets(case):
    """Socket activation: LISTEN_FDS sockets, Unix and TCP, replace the listeners of the configuration."""
    path = case.folder / "inherited.sock"
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    unix.listen(16)
    tcp = socket.socket()
    tcp.bind(("127.0.0.1", 0))
    tcp.listen(16)
    # A client that came before the daemon is served too.
    early = socket.create_connection(tcp.getsockname(), 20)
    early.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    def hand_over():
        # The daemon finds them at 3 and 4; LISTEN_PID is its own.
        first, second = os.dup(unix.fileno()), os.dup(tcp.fileno())
        os.dup2(first, 3)
        os.dup2(second, 4)
        LIBC.setenv(b"LISTEN_PID", str(os.getpid()).encode(), 1)

    # Popen executes with an environment of its own, so a shell names the process it becomes.
    daemon = case.daemon(
        listen=[],
        pass_fds=(3, 4),
        preexec=hand_over,
        env={"LISTEN_FDS": "2", "LISTEN_FDNAMES": "unix:tcp"},
        wrap=["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"'],
    )
    daemon.socket, daemon.port = path, tcp.getsockname()[1]
    case.equal(daemon.call("GET", "/readyz", unix=True).status, 200, "the inherited Unix socket")
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "the inherited TCP socket")
    data = b""
    while piece := early.recv(4096):
        data += piece
    case.expect(data.startswith(b"HTTP/1.1 200"), f"a client from before: {data[:100]}")
    case.equal(daemon.stop(), 0, "exit status")
    case.expect(path.exists(), "an inherited socket is not removed")
    # Meant for another process: not taken.
    unix.close()
    tcp.close()
    port = free_port()
    daemon = case.daemon(listen=[f"tcp:127.0.0.1:{port}"], env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    daemon.port = port
    case.equal(daemon.call("GET", "/readyz").status, 200, "LISTEN_FDS of another process")


def vanishing_peers(case):
    """Peers that reset, stop reading or leave at every byte: no crash, no leak of descriptors, others are served."""
    daemon = case.daemon()
    daemon.call("POST", EVENTS, event())
    before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    request = daemon.connect()
    data = (request.head("POST", EVENTS, {"Content-Length": "23"}, True) + '\r\n{"eventName":"vanished"').encode() + b"}"
    request.close()
    for cut in range(0, len(data) + 1, 3):
        connection = daemon.connect()
        connection.send(data[:cut])
        if cut % 2:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()
    # One that asks for ever and never reads.
    deaf = daemon.connect()
    deaf.socket.settimeout(0.5)
    try:
        while True:
            deaf.request("GET", "/metrics")
    except TimeoutError:
        pass
    memory = daemon.rss
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "others while one never reads")
    case.expect(memory < 160 << 20, f"{memory >> 20} MiB for one that never reads")
    deaf.close()
    eventually("descriptors to be returned", lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before, 10)
    many = [daemon.connect() for _ in range(200)]
    case.equal(daemon.call("GET", "/healthz").status, 200, "with 200 idle connections")
    for connection in many:
        connection.close()
    eventually("descriptors to be returned again", lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before, 10)
    case.equal(daemon.stop(), 0, "exit status")


def no_foundation(case):
    """The daemon links no Foundation: that is its size and its start."""
    linked = subprocess.run(["ldd", case.binaries / "purserd"], capture_output=True, text=True, check=True).stdout
    case.expect("libuv" in linked, f"ldd lists what is linked: {linked}")
    for name in ("Foundation", "libicu", "libicuuc"):
        case.expect(name not in linked, f"purserd links {name}")
    binary = pathlib.Path(case.binaries / "purserd").read_bytes()
    case.expect(b"$s10Foundation" not in binary and b"FoundationEssentials" not in binary, "purserd holds symbols of Foundation")


def description(case):
    """protocol/openapi.yaml is sound in itself."""
    for fault in openapi.Description(ROOT / "protocol" / "openapi.yaml").faults():
        case.expect(False, fault)


SCENARIOS = {
    "command_line": command_line,
    "configuration": configuration,
    "second_daemon": second_daemon,
    "remote_listener": remote_listener,
    "reloaded": reloaded,
    "inherited_sockets": inherited_sockets,
    "vanishing_peers": vanishing_peers,
    "no_foundation": no_foundation,
    "description": description,
}
