"""What the units rely on, without a systemd: lines for the journal, the line of status, credentials, sockets by name, the example
configuration, and a backup while the daemon writes. `.ci/service` tries the same in a systemd that is really booted."""

import json
import os
import re
import shutil
import socket
import time

import load
from durability_scenarios import clients_of
from harness import ROOT, eventually
from http_scenarios import BATCH, EVENTS, event
from process_scenarios import run
from service_scenarios import Manager

# Standard error is what JOURNAL_STREAM says, as under a service manager; there is no journal to speak to here.
JOURNALED = ["sh", "-c", 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$0" "$@"']


def log_lines(case):
    """Levels where the journal reads, plain text elsewhere; request ids; repetitions cut off and counted; a last line with the status."""
    daemon = case.daemon(wrap=JOURNALED)
    reply = daemon.call("POST", EVENTS, event(), key="sk_live_wrong", headers={"X-Request-Id": "the-request-1"})
    case.equal(reply.status, 401, "a wrong key")
    line = eventually("a line", lambda: [text for text in daemon.lines if "the-request-1" in text], 5)[0]
    case.equal(line, "<5>purserd: request the-request-1 was answered 401 unauthorized", "the line")
    for number in range(120):
        daemon.call("POST", EVENTS, event(), key="sk_live_wrong", headers={"X-Request-Id": f"again-{number}"})
        if number % 10 == 0:
            time.sleep(0.3)
    said = [text for text in daemon.lines if "unauthorized" in text]
    case.expect(1 < len(said) <= 20, f"{len(said)} lines of 121 like it in ten seconds")
    os.kill(daemon.pid, 1)
    eventually("a reload", lambda: any("reloaded" in text for text in daemon.lines), 5)
    case.equal(daemon.stop(), 0, "exit status")
    for text in daemon.lines:
        case.expect(re.match(r"<[3-6]>\S", text), f"no level: {text}")
    case.expect("sk_live" not in daemon.said().replace("/api-key", ""), "no key in the log")
    # A file or a terminal reads no levels; and a stream that is somebody else's is not the journal.
    for environment in ({}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": "x"}, {"JOURNAL_STREAM": ""}):
        other = case.daemon(env=environment)
        other.stop()
        case.expect(all(not text.startswith("<") for text in other.lines), f"{environment}: {other.lines}")
    for arguments, status in (
        (["--config", case.folder / "missing.toml"], 2),
        (["--nonsense"], 2),
        (["--state", "/proc/nowhere"], 3),
    ):
        got, _, errors = run(case, *arguments)
        last = errors.strip().splitlines()[-1]
        case.equal((got, last.startswith(f"purserd: exit status {status}: ")), (status, True), f"{arguments}: the last line is {last!r}")


def status_figures(case):
    """The service manager is shown what the daemon does: as it is, and no oftener than it changes."""
    manager = Manager(case)
    daemon = case.daemon(env={"NOTIFY_SOCKET": manager.name})
    daemon.call("POST", BATCH, [event() for _ in range(37)])

    def shown():
        return [said["STATUS"] for _, said in manager.listen() if "37 recorded, 0 duplicate, 0 refused" in said.get("STATUS", "")]

    line = eventually("the figures", shown, 10)[0]
    case.expect(re.fullmatch(r"(\d+ events/s; )?37 recorded.* since start; \d connections?(; \d+ commits of [\d.]+ ms)?", line), line)
    manager.listen(5)
    heard = len(manager.heard)
    manager.listen(5)
    case.expect(len(manager.heard) - heard <= 1, f"an idle daemon says nothing new: {manager.heard[heard:]}")
    case.equal(daemon.stop(), 0, "exit status")
    # A daemon that could not start leaves the reason.
    manager = Manager(case)
    status, _ = case.refused(state="/proc/nowhere", env={"NOTIFY_SOCKET": manager.name})
    case.equal(status, 3, "exit status")
    case.expect(any("exit status 3" in said.get("STATUS", "") for _, said in manager.listen()), f"the reason: {manager.heard}")


def credential_key(case):
    """A key that comes as a credential is taken over at any start, never written down and never shown."""
    store = case.folder / "credentials"
    store.mkdir()
    file, first, second = store / "purser.api-key", "sk_live_" + "a1" * 16, "sk_live_" + "b2" * 16
    file.write_text(first + "\n")
    daemon = case.daemon(env={"CREDENTIALS_DIRECTORY": str(store)})
    case.equal(daemon.call("POST", EVENTS, event(), key=first).status, 201, "the key of the credential")
    case.equal(daemon.call("POST", EVENTS, event(), key=second).status, 401, "another key")
    case.expect(not (daemon.state / "api-key").exists(), "no key is written down")
    daemon.stop()
    said = [daemon.said()]
    # Another one at a later start is another key; the one before stays.
    file.write_text(second)
    daemon = daemon.again(env={"CREDENTIALS_DIRECTORY": str(store)})
    for key in (first, second):
        case.equal(daemon.call("POST", EVENTS, event(), key=key).status, 201, "both keys")
    keys = daemon.call("GET", "/api/v1/client/keys", key=second).data
    case.equal([key["name"] for key in keys], ["credential", "credential"], "their names")
    daemon.call("DELETE", f"/api/v1/client/keys/{keys[1]['id']}", key=first)
    daemon.stop()
    said.append(daemon.said())
    # Revoked is revoked, whatever the credential says.
    daemon = daemon.again(env={"CREDENTIALS_DIRECTORY": str(store)})
    case.equal(daemon.call("POST", EVENTS, event(), key=second).status, 401, "a revoked key")
    case.expect("revoked" in daemon.said(), "it is said")
    daemon.stop()
    # Without a credential all goes on; one that is no key is refused, and not shown.
    daemon = daemon.again(env={"CREDENTIALS_DIRECTORY": str(case.folder)})
    case.equal(daemon.call("POST", EVENTS, event(), key=first).status, 201, "without the credential")
    daemon.stop()
    for text in ("sk_live_short", "hunter2-hunter2", "", "sk_live_" + "A1" * 16):
        file.write_text(text)
        status, errors = case.refused(state=daemon.state, env={"CREDENTIALS_DIRECTORY": str(store)})
        case.equal(status, 2, f"credential {text!r}: {errors}")
        said.append(errors)
    for secret in (first, second, "hunter2", "A1A1"):
        case.expect(secret not in "\n".join(said), "a key in the log")


def sockets_by_name(case):
    """Inherited sockets are told apart by their names; what is no listening socket is refused by its name."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(8)
    address = listening.getsockname()
    connected = socket.socketpair()[0]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pipe = os.pipe()[0]

    def start(descriptors, names):
        copies = [os.dup(d) for d in descriptors]
        targets = list(range(3, 3 + len(copies)))

        def hand_over():
            high = [os.dup2(copy, 100 + i) for i, copy in enumerate(copies)]
            for place, target in zip(high, targets):
                os.dup2(place, target)

        environment = {"LISTEN_FDS": str(len(copies)), "LISTEN_FDNAMES": names}
        wrap = ["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"']
        return dict(listen=[], pass_fds=targets, preexec=hand_over, env=environment, wrap=wrap)

    daemon = case.daemon(**start([listening.fileno()], "purser"))
    case.expect(f"tcp:127.0.0.1:{address[1]}" in daemon.said(), f"the address is the socket's own: {daemon.said()}")
    daemon.port = address[1]
    case.equal(daemon.call("GET", "/readyz").status, 200, "it is served")
    case.equal(daemon.stop(), 0, "exit status")
    for what in (connected.fileno(), udp.fileno(), pipe):
        status, said = case.refused(**start([listening.fileno(), what], "purser:other"))
        case.equal(status, 2, f"exit status: {said}")
        case.expect("(other)" in said and "no stream socket that listens" in said, said)


def example_configuration(case):
    """The configuration that the package installs is right as it is, and with every line of it in force."""
    text = (ROOT / "systemd" / "purser.toml").read_text()
    every = re.sub(r"(?m)^#([a-z_]+ = )", r"\1", text)
    prices = case.folder / "prices.d"
    prices.mkdir()
    every = every.replace('"/etc/purser/prices.d"', f'"{prices}"').replace("group:purser", "gid:4711")
    case.expect(every.count("\n#") < text.count("\n#") - 5, "lines in force")
    for name, content in (("as-it-is", text), ("every-line", every)):
        path = case.folder / f"{name}.toml"
        path.write_text(content)
        status, out, errors = run(case, "--check", "--config", path)
        case.equal(status, 0, f"{name}: {errors}")
        case.expect("configuration ok" in out, out)


def journal_copied(case):
    """A copy made while clients write holds every event acknowledged before it began, and a daemon starts on it."""
    daemon = case.daemon(config='segment_size = "1MiB"\n')
    clients = clients_of(case, lambda: daemon)
    for client in clients:
        client.start()
    copies = []
    for number in range(5):
        time.sleep(0.5)
        acked = {key for client in clients for key in client.known.copy()}
        target = case.folder / f"copy-{number}"
        said = case.tool("journal", "copy", "--state", daemon.state, target).decode()
        case.expect("it is intact" in said, said)
        copies.append((target, acked))
    for client in clients:
        client.finish()
        case.expect(client.problem is None, client.problem)
    load.judge(case, daemon, clients)
    daemon.stop()
    for target, acked in copies:
        dump = case.tool("journal", "dump", "--events", "--state", target).decode()
        copied = {json.loads(line).get("eventIdempotencyKey") for line in dump.splitlines()}
        case.equal(sorted(acked - copied)[:3], [], f"{target.name}: acknowledged and not in the copy, of {len(acked)}")
    # Restored: the copy in the place of the state.
    target, acked = copies[-1]
    restored = case.daemon(state=target, config='segment_size = "1MiB"\n')
    total = restored.call("GET", "/api/v1/client/margins?groupBy=customer", unix=True, key=None).data["totals"]["events"]
    case.expect(total >= len(acked), f"{total} events restored, {len(acked)} were acknowledged")
    case.equal(restored.call("GET", "/readyz", key=None).status, 200, "ready")
    restored.stop()
    # Never over something that is there.
    case.tool("journal", "copy", "--state", daemon.state, copies[0][0], status=2)
    shutil.rmtree(copies[0][0])


SCENARIOS = {
    "log_lines": log_lines,
    "status_figures": status_figures,
    "credential_key": credential_key,
    "sockets_by_name": sockets_by_name,
    "example_configuration": example_configuration,
    "journal_copied": journal_copied,
}
