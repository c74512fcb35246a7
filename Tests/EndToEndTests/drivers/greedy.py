#!/usr/bin/env python3
"""A greedy client: `greedy.py PORT`, the key on standard input. It pipelines frames of events as fast as the daemon takes them,
reading the answers, and on forty other connections asks for margins without a pause, until it is killed."""

import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import frames  # noqa: E402


def drain(connection):
    while connection.recv(1 << 20):
        pass


def ask(port, key):
    connection = socket.create_connection(("127.0.0.1", port), 30)
    request = f"GET /api/v1/client/margins?groupBy=customer HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    while True:
        connection.sendall(request)
        if not connection.recv(1 << 20):
            return


def main():
    port, key = int(sys.argv[1]), sys.stdin.readline().strip()
    for _ in range(40):
        threading.Thread(target=ask, args=(port, key), daemon=True).start()
    connection = socket.create_connection(("127.0.0.1", port), 30)
    connection.settimeout(None)
    connection.sendall(frames.hello(key))
    threading.Thread(target=drain, args=(connection,), daemon=True).start()
    # The same events again and again: decoding, looking up and answering cost as much, and the disk stays small.
    burst = b"".join(
        frames.events([{"eventName": "greedy", "eventIdempotencyKey": f"g{k}-{i}", "costAmount": 1} for i in range(1000)], k + 2)
        for k in range(20)
    )
    while True:
        connection.sendall(burst)


if __name__ == "__main__":
    main()
