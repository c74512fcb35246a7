"""`purser bench`: each way of sending against a real daemon, a daemon that loses events, and a measurement that is cut short."""

import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from decimal import Decimal

from harness import decode, eventually

EVENTS_FRAME, EVENTS_REPLY = 0x02, 0x82


def bench(case, *arguments, daemon=None, status=0):
    return decode(case.tool("bench", "--json", "--warm-up", "50", *arguments, daemon=daemon, status=status))


def measured_by_the_tool(case):
    """Every way of sending ends with the verdict that the books agree, and the daemon's own totals are those it names."""
    daemon = case.daemon()
    table = [
        ["--batch", "1000", "--events", "20000"],
        ["--batch", "1", "--in-flight", "64", "--events", "2000", "--duplicates", "200"],
        ["--batch", "100", "--rate", "20000", "--connections", "2", "--duplicates", "0"],
        ["--encoding", "json", "--batch", "1", "--connections", "8", "--in-flight", "1", "--events", "800", "--duplicates", "100"],
        ["--encoding", "json", "--batch", "50", "--in-flight", "2", "--events", "4000"],
        ["--encoding", "ndjson", "--batch", "50", "--rate", "5000", "--readers", "2"],
    ]
    events, cost = 0, Decimal(0)
    for options in table:
        report = bench(case, "--seconds", "1", *options, daemon=daemon)
        what = " ".join(options)
        verdict = report["verdict"]
        case.expect(verdict["ok"] and not verdict["mismatches"], f"{what}: {verdict}")
        case.expect(report["events"] > 0 and report["eventsPerSecond"] > 0, f"{what}: nothing was measured: {report}")
        answer = report["answer"]
        case.expect(answer["count"] > 0 and 0 < answer["p50"] <= answer["p999"], f"{what}: {answer}")
        case.expect(report["serverNanosecondsPerEvent"] > 0 and report["residentBytes"] > 0, f"{what}: what the daemon used")
        case.expect(report["commits"] > 0 and report["journalBytesPerEvent"] > 20, f"{what}: the journal")
        case.expect("--rate" not in options or report["loop"] == "open" and "sentLate" in report, f"{what}: an open loop")
        wanted = int(options[options.index("--duplicates") + 1]) if "--duplicates" in options else 10
        share = verdict["duplicates"] * 1000 / (verdict["duplicates"] + verdict["recorded"])
        case.expect(abs(share - wanted) <= 4 + wanted / 3, f"{what}: {share} of a thousand were sent twice")
        if "--readers" in options:
            case.expect(report["marginsQueries"]["count"] > 0 and report["eventsQueries"]["count"] > 0, f"{what}: readers")
        events += verdict["recorded"]
        cost += Decimal(str(verdict["costAmount"]))
    totals = daemon.call("GET", "/api/v1/client/margins?groupBy=eventName").data["totals"]
    case.equal((totals["events"], totals["costAmount"]), (events, cost), "the books after all of them")
    # For a person.
    text = case.tool("bench", "--seconds", "1", "--events", "3000", "--warm-up", "0", "--state", daemon.state, daemon=daemon).decode()
    for word in ("events/s", "server CPU", "client CPU", "journal", "bare disk", "verdict: ok"):
        case.expect(word in text, f"{word!r} is not in {text}")


class Loser:
    """A proxy in front of a daemon that keeps one frame of events to itself and says that they were recorded."""

    def __init__(self, case, daemon, lose):
        self.daemon, self.lose, self.seen = daemon, lose, 0
        self.path = case.folder / "loser.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.daemon.socket))
            threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()

    @staticmethod
    def pump(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass  # The other direction ended first.

    def forward(self, client, server):
        data = b""
        while more := client.recv(1 << 16):
            data += more
            while data and data[0] == 0xF5 and len(data) >= 16 and len(data) >= 16 + struct.unpack_from("<I", data, 4)[0]:
                size = 16 + struct.unpack_from("<I", data, 4)[0]
                whole, data = data[:size], data[size:]
                self.seen += whole[1] == EVENTS_FRAME
                if whole[1] == EVENTS_FRAME and self.seen == self.lose:
                    request = struct.unpack_from("<Q", whole, 8)[0]
                    payload = struct.pack("<IIIQI", 10, 0, 0, 1, 0)
                    client.sendall(struct.pack("<BBHIQ", 0xF5, EVENTS_REPLY, 0, len(payload), request) + payload)
                else:
                    server.sendall(whole)
            if data and data[0] != 0xF5:
                server.sendall(data)
                data = b""
        server.close()

    def close(self):
        self.listener.close()


def bench_finds_a_loss(case):
    """Ten of four thousand acknowledged events that are not in the books: the verdict says so, and so does the exit status."""
    daemon = case.daemon()
    loser = Loser(case, daemon, lose=7)
    try:
        command = [str(case.binaries / "purser"), "--to", f"unix:{loser.path}", "bench", "--json", "--warm-up", "50", "--seconds", "1"]
        command += ["--batch", "10", "--duplicates", "0", "--events", "4000"]
        result = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
        case.equal(result.returncode, 1, f"the exit status: {result.stdout!r} {result.stderr!r}")
        verdict = json.loads(result.stdout)["verdict"]
        case.equal((verdict["ok"], verdict["recorded"]), (False, 4000), "the verdict")
        said = "\n".join(verdict["mismatches"])
        for words in ("events in the margins: the daemon says 3990, acknowledged was 4000: 10 too little", "cost in USD", "revenue in USD"):
            case.expect(words in said, f"{words!r} is not in {said}")
    finally:
        loser.close()


def recorded(folder):
    """Events that the private daemon of a measurement in `folder` has recorded, by its own counter."""
    for path in folder.glob("purser-bench-*/purser.sock"):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(path))
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                page = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except OSError:
            continue
        found = re.search(rb'purser_events_total\{outcome="recorded"\} (\d+)', page)
        return int(found.group(1)) if found else 0
    return 0


def bench_is_interrupted(case):
    """Ctrl-C ends a measurement early: with a report, a verdict, no daemon and no directory left behind."""
    command = [str(case.binaries / "purser"), "bench", "--start", "--state", str(case.folder), "--seconds", "60", "--batch", "10"]
    command += ["--warm-up", "50", "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    case.children.append(child)

    def daemons():
        found = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        return [int(pid) for pid in found if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "purserd"]

    started = eventually("a private daemon", daemons)
    eventually("a thousand events", lambda: recorded(case.folder) >= 1000, seconds=30)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=40)
    case.equal(child.returncode, 130, f"the exit status: {err[-1000:]!r}")
    report = json.loads(out)
    case.expect(report["interrupted"] and report["verdict"]["ok"] and report["events"] > 0, f"the report: {report}")
    case.expect(not any(os.path.exists(f"/proc/{pid}") for pid in started), "the daemon is still there")
    case.equal([p.name for p in case.folder.iterdir() if "bench" in p.name], [], "what is left behind")


def bench_of_every_target(case):
    """The suite has a row for every target, and a row that was measured says what it found and what it was measured on."""
    rows = "start,batch,single,stall,check,sealing,growth"
    suite = decode(case.tool("bench", "--suite", "--rows", rows, "--seconds", "1", "--state", case.folder, "--json"))
    case.expect(suite["ok"] and suite["events"] > 0 and suite["processors"] > 0 and suite["fileSystem"], f"the suite: {suite}")
    case.equal(
        [row["row"] for row in suite["rows"]],
        ["start", "start", "batch", "batch", "batch", "single", "stall", "check", "sealing", "growth"],
        "the rows",
    )
    for row in suite["rows"]:
        measured = row["row"] in ("start", "batch", "single")
        case.expect((row["word"] in ("reached", "missed")) == measured, f"{row['what']}: {row['word']}")
        case.expect(not measured or re.search(r"\d", row["measured"]) and row["figures"], f"{row['what']}: {row}")
    case.equal([p.name for p in case.folder.iterdir() if "bench" in p.name], [], "what is left behind")
    case.tool("bench", "--suite", "--rows", "start,nonsense", status=2)


def bench_beside_a_crowd(case):
    """Connections that say nothing are there while it is measured, are counted, and are gone afterwards; the daemon's bound is named."""
    daemon = case.daemon()
    there, stop = [0], threading.Event()

    def watch():
        connection = daemon.connect()
        while not stop.wait(0.05):
            connection.request("GET", "/metrics")
            page = connection.response().body.decode()
            there[0] = max(there[0], int(re.search(r"^purser_connections (\d+)$", page, re.MULTILINE)[1]))
        connection.close()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        options = ["--seconds", "1", "--batch", "1", "--in-flight", "1", "--idle-connections", "300"]
        report = bench(case, *options, daemon=daemon)
    finally:
        stop.set()
        watching.join()
    case.expect(report["verdict"]["ok"], report["verdict"])
    crowd = report["crowd"]
    case.equal((crowd["open"], crowd["ended"], crowd["refused"], crowd["failed"]), (300, 0, 0, 0), "the crowd")
    case.expect(there[0] >= 302, f"{there[0]} connections were there")
    case.expect(0 < report["peakResidentBytes"] < report["memoryBoundBytes"], "memory and its bound")
    text = case.tool("bench", *options, "--warm-up", "0", daemon=daemon).decode()
    case.expect("300 connections; 0 ended" in text, f"the crowd is not in {text}")
    refused = case.tool("bench", "--slow-peers", "20001", daemon=daemon, status=2)
    case.equal(refused, b"", "a crowd beyond the bound")
    eventually("them to be gone", lambda: b"purser_connections 1\n" in daemon.call("GET", "/metrics").body, 5)


SCENARIOS = {
    "bench_beside_a_crowd": bench_beside_a_crowd,
    "measured_by_the_tool": measured_by_the_tool,
    "bench_finds_a_loss": bench_finds_a_loss,
    "bench_of_every_target": bench_of_every_target,
    "bench_is_interrupted": bench_is_interrupted,
}
