#!/usr/bin/env python3
"""Slow peers by the thousand, and what a healthy client notices of them.

    slow_peers.py --bin .build/release [--peers 10000] [--seconds 600] [--processes 4]

starts a daemon, measures a healthy client's round trips alone, then with the slow peers there (the daemon takes more
connections than these, so that some are left for those who are healthy), and prints both with the daemon's resident size
against its own bound. Exit status 1 when a promise of protocol/limits.md was not kept. `.ci/slow-peers` is this with a release
build. As a module it gives the end-to-end scenarios a smaller run of the same.

A slow peer is one of four, in turns: it sends a byte of a request's head every five seconds; or of a body; or of a frame; or it
asks for a long answer again and again and takes a byte of it every five seconds through the smallest window there is. When the
daemon ends it, another takes its place.
"""

import argparse
import json
import os
import pathlib
import selectors
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
PAUSE = 5.0
# Between the last connection and the measurement.
SETTLE = 3.0
PAGE = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


# One healthy client ----------------------------------------------------------------------------------------------


def join(port):
    connection = socket.create_connection(("127.0.0.1", port), 60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def healthy(connection, key, seconds, rate=100.0, records=True):
    """Round trips of one event each (or without `records` of a question that no disk is asked for) at a steady rate, in milliseconds;
    a late one is not made up for by fewer."""
    times = []
    end = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < end:
        body = b'{"eventName":"healthy","costAmount":1}'
        head = f"POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        if not records:
            head, body = f"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n", b""
        started = time.monotonic()
        connection.sendall(head.encode() + body)
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"}"):
            piece = connection.recv(65536)
            if not piece:
                raise RuntimeError(f"the healthy client was closed: {data!r}")
            data += piece
        if not data.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(f"the healthy client was refused: {data!r}")
        times.append((time.monotonic() - started) * 1000)
        due = max(due + 1 / rate, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    return times


# Many slow ones --------------------------------------------------------------------------------------------------


class Slow:
    def __init__(self, port, key, kind, now):
        self.kind, self.sent, self.answer = kind, 0, b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if kind == "reader":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        auth = f"Authorization: Bearer {key}\r\n"
        if kind == "head":
            self.script = ("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Filler: " + "x" * 8000).encode()
            self.first = 30
        elif kind == "body":
            head = f"POST /api/v1/client/events/batch HTTP/1.1\r\nHost: a\r\n{auth}Content-Length: 60000\r\n\r\n".encode()
            self.script, self.first = head + b"[" + b" " * 59998, len(head) + 20
        elif kind == "frame":
            import frames

            hello = frames.hello(key)
            frame = frames.frame(frames.EVENTS, 2, b"\0" * 50000)
            self.script, self.first = hello + frame, len(hello) + 20
        else:
            self.script, self.first = PAGE * 200, len(PAGE) * 200
        self.due = now + 0.5

    def step(self, now):
        """Sends what is due; False when the connection is gone."""
        self.due = now + PAUSE
        size = self.first if self.sent == 0 else 1
        try:
            self.sent += self.socket.send(self.script[self.sent : self.sent + size])
            if self.kind == "reader":
                return self.socket.recv(1) != b""
        except BlockingIOError:
            self.due = now + 0.5 if self.sent == 0 else self.due
        except OSError:
            return False
        return True


def crowd(port, key, count, seconds, kinds):
    """Keeps `count` slow peers for a while; what became of them."""
    selector = selectors.DefaultSelector()
    now = time.monotonic()
    end = now + seconds
    peers, result = {}, {"opened": 0, "ended": 0, "timed_out": 0, "refused": 0}

    def start(number):
        peer = Slow(port, key, kinds[number % len(kinds)], time.monotonic())
        peers[number] = peer
        result["opened"] += 1
        if peer.kind != "reader":
            selector.register(peer.socket, selectors.EVENT_READ, number)

    def over(number):
        peer = peers.pop(number)
        if peer.kind != "reader":
            selector.unregister(peer.socket)
        peer.socket.close()
        result["ended"] += 1
        result["timed_out"] += b" 408 " in peer.answer or b"took too long" in peer.answer
        result["refused"] += b" 503 " in peer.answer
        again.append(number)

    again = list(range(count))
    ready = False
    while time.monotonic() < end:
        for number in again[:200]:
            start(number)
        del again[:200]
        if not ready and not again:
            ready = True
            print("ready", flush=True)
        for key_, _ in selector.select(0.02):
            peer = peers[key_.data]
            try:
                data = peer.socket.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            peer.answer += data
            if not data:
                over(key_.data)
        now = time.monotonic()
        for number in [n for n, peer in peers.items() if peer.due <= now]:
            if not peers[number].step(now):
                over(number)
    for peer in peers.values():
        peer.socket.close()
    print(json.dumps(result), flush=True)


class Crowd:
    """Slow peers in processes of their own."""

    def __init__(self, port, key, count, seconds, processes, kinds="head,body,frame,reader"):
        self.workers = []
        for index in range(processes):
            share = count // processes + (index < count % processes)
            command = [sys.executable, str(HERE), "--worker", f"{port},{share},{seconds},{kinds}"]
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            worker.stdin.write(key + "\n")
            worker.stdin.close()
            self.workers.append(worker)

    def wait_there(self):
        for worker in self.workers:
            if worker.stdout.readline().strip() != "ready":
                raise RuntimeError("the slow peers did not come up")

    def end(self):
        """What became of all of them, once their time is over."""
        total = {}
        for worker in self.workers:
            lines = worker.stdout.read().split("\n")
            worker.wait()
            for name, value in json.loads([line for line in lines if line.startswith("{")][-1]).items():
                total[name] = total.get(name, 0) + value
        return total

    def kill(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()


# The measurement -------------------------------------------------------------------------------------------------


def figure(daemon, name, connection=None):
    for line in daemon.call("GET", "/metrics", connection=connection).body.decode().split("\n"):
        if line.startswith(name + " "):
            return float(line.split(" ")[1])
    raise RuntimeError(f"/metrics has no {name}")


def spent(pid):
    """Processor seconds of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(daemon, peers, seconds, processes, alone=10.0, note=lambda text: None, records=True):
    """Round trips alone, and with slow peers there; the resident size and the bound, looked at all the while."""
    # It was there before the crowd, and stays.
    connection = join(daemon.port)
    watcher = daemon.connect(timeout=60.0)
    before = healthy(connection, daemon.key, alone, records=records)
    note(f"alone: {len(before)} round trips, p50 {percentile(before, 0.5):.2f} ms, p99 {percentile(before, 0.99):.2f} ms")
    crowd_ = Crowd(daemon.port, daemon.key, peers, seconds + SETTLE + 4, processes)
    try:
        crowd_.wait_there()
        time.sleep(SETTLE)
        with_them, most, least_bound, open_ = [], 0, float("inf"), 0
        cpu, started = spent(daemon.pid), time.monotonic()
        while time.monotonic() - started < seconds:
            with_them += healthy(connection, daemon.key, min(5.0, seconds), records=records)
            most = max(most, daemon.rss)
            least_bound = min(least_bound, figure(daemon, "purser_memory_bound_bytes", watcher))
            open_ = max(open_, figure(daemon, "purser_connections", watcher))
            worst = percentile(with_them, 0.99)
            note(f"{time.monotonic() - started:6.0f} s: {open_:.0f} open, p99 {worst:.2f} ms, {most >> 20} MiB of {int(least_bound) >> 20}")
        cpu = (spent(daemon.pid) - cpu) / (time.monotonic() - started)
        timeouts = figure(daemon, "purser_timeouts_total", watcher)
        became = crowd_.end()
    finally:
        crowd_.kill()
    connection.close()
    watcher.close()
    return {
        "before": before,
        "with": with_them,
        "rss": most,
        "bound": least_bound,
        "open": open_,
        "cpu": cpu,
        "timeouts": timeouts,
        "crowd": became,
    }


def main():
    sys.path.insert(0, str(HERE.parent))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", default=".build/release")
    parser.add_argument("--peers", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        port, count, seconds, kinds = options.worker.split(",", 3)
        crowd(int(port), sys.stdin.readline().strip(), int(count), float(seconds), kinds.split(","))
        return 0
    from harness import Case

    case = Case(options.bin, "slow_peers")
    try:
        daemon = case.daemon()
        result = measure(daemon, options.peers, options.seconds, options.processes, alone=30.0, note=lambda text: print(text, flush=True))
        alone, crowded = percentile(result["before"], 0.99), percentile(result["with"], 0.99)
        print(f"p99 alone {alone:.2f} ms, with {options.peers} slow peers {crowded:.2f} ms: {crowded / alone:.2f} times")
        print(f"resident at most {result['rss'] >> 20} MiB, bound {int(result['bound']) >> 20} MiB; {result['cpu'] * 100:.1f} % of a core")
        print(f"{result['crowd']}; {result['timeouts']:.0f} deadlines fired")
        kept = crowded < 2 * alone and result["rss"] < result["bound"] and result["timeouts"] > 0
        print("kept" if kept else "NOT KEPT")
        return 0 if kept else 1
    finally:
        case.close()


if __name__ == "__main__":
    sys.exit(main())
