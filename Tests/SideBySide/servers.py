"""The systems of a side-by-side run: how each is started durable, takes the events, and says what they came to."""

import hashlib
import json
import os
import shutil
import signal
import subprocess

import events as made
from harness import Case, eventually
from programs import HERE, Trouble, connect


class Purser:
    name, does, durable = "purserd", "unique key, price, sums", "yes"
    protocol = "http"

    def __init__(self, run):
        self.case = Case(run.options.bin, "side-by-side")
        # Of its own directories it is to use one on the disk under test.
        shutil.rmtree(self.case.folder)
        self.case.folder = run.place.folder / "purserd"
        prices = self.case.folder / "prices.d"
        prices.mkdir(parents=True)
        text = ""
        for (provider, model), (rates, *_) in made.MODELS.items():
            per_million = (made.dollars(rate * 10**6) for rate in rates)
            rates = ", ".join(f'{kind} = "{rate}/M"' for kind, rate in zip(("input", "cacheRead", "output"), per_million))
            text += f'[[price]]\nid = "{model}"\nprovider = "{provider}"\nmodel = "{model}"\nrates = {{ {rates} }}\n'
        (prices / "house.toml").write_text(text)
        self.daemon = self.case.daemon(config=f'prices_dir = "{prices}"\n')
        self.pid, self.port = self.daemon.pid, self.daemon.port

    def greeting(self):
        return b"", 0, []

    def messages(self, events, size):
        return made.http_messages(events, size, self.daemon.key)

    def totals(self, wanted):
        """Rollups follow within a second or so of the answers; what that costs belongs to the events."""
        shown = None

        def same():
            nonlocal shown
            sums = self.daemon.call("GET", "/api/v1/client/margins?groupBy=provider").data["totals"]
            shown = int(sums["events"]), int(sums["costAmount"] * 10**12), int(sums["revenueAmount"] * 10**12)
            return shown == wanted

        try:
            eventually("the totals", same, seconds=60, pause=0.1)
        except AssertionError:
            pass
        return shown

    def close(self):
        self.daemon.stop()
        self.case.close()


class PurserFrames(Purser):
    name = "purserd, binary"
    protocol = "frames"

    def greeting(self):
        import frames

        return frames.hello(self.daemon.key), 1, []

    def messages(self, events, size):
        return made.frame_messages(events, size)


class PostgreSQL:
    name, does, durable = "PostgreSQL 15", "unique key, price, sums", "yes"
    protocol = "postgres"
    settings = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "512MB",
        "max_wal_size": "4GB",
        "max_connections": "80",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
    }

    def __init__(self, run):
        self.run, self.port = run, run.port()
        self.programs = run.programs["postgres"].parent
        self.folder = run.place.folder / "postgres"
        self.folder.mkdir()
        # PostgreSQL does not run as root.
        self.as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        if self.as_nobody:
            subprocess.run(["chown", "nobody:nogroup", self.folder], check=True)
        self.call("initdb", "-D", self.folder / "data", "-U", "books", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-instructions")
        settings = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [*self.as_nobody, self.programs / "postgres", "-D", self.folder / "data", "-p", self.port, *settings]
        self.child = run.place.start(command, "postgres")
        self.pid = self.child.pid
        connect(self.port, self.child).close()
        eventually("PostgreSQL", lambda: self.sql("SELECT 1", check=False) == "1", seconds=20, pause=0.1)
        self.call("psql", *self.target(), "-q", "-v", "ON_ERROR_STOP=1", "-f", HERE / "books.sql")
        for (provider, model), (rates, *_) in made.MODELS.items():
            self.sql(f"INSERT INTO prices VALUES ('{provider}', '{model}', {', '.join(map(made.dollars, rates))})")

    def call(self, program, *arguments, check=True):
        command = [*self.as_nobody, self.programs / program, *arguments]
        result = subprocess.run(
            [str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, env=self.run.place.environment, cwd="/", check=False
        )
        if check and result.returncode != 0:
            raise Trouble(f"{program}: {result.stderr.decode(errors='replace')}")
        return result.stdout.decode()

    def target(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "books", "-d", "postgres", "-X", "-A", "-t"]

    def sql(self, text, check=True):
        return self.call("psql", *self.target(), "-v", "ON_ERROR_STOP=1", "-c", text, check=check).strip()

    def greeting(self):
        startup = (3 << 16).to_bytes(4, "big") + b"user\0books\0database\0postgres\0\0"
        array = "[]" if self.batched else ""
        kinds = ["text", "timestamptz", "text", "text", "text", "text", "bigint", "bigint", "bigint", "numeric"]
        call = f"SELECT record_event{'s' if self.batched else ''}({', '.join(f'${i + 1}::{k}{array}' for i, k in enumerate(kinds))})"
        parse = made.postgres_message(b"P", b"s\0" + call.encode() + b"\0\0\0")
        return (len(startup) + 4).to_bytes(4, "big") + startup + parse + made.postgres_message(b"S", b""), 2, []

    def messages(self, events, size):
        self.batched = size > 1
        return made.postgres_messages(events, size)

    def totals(self, wanted):
        text = self.sql("SELECT sum(events), (sum(cost) * 1e12)::bigint, (sum(revenue) * 1e12)::bigint FROM rollup")
        return tuple(int(number) for number in text.split("|"))

    def close(self):
        # SIGINT is a fast shutdown: it does not wait for clients.
        self.run.place.end(self.child, self.folder, signal.SIGINT)


class Redis:
    name, does, durable = "Redis 7", "unique key, price, sums", "yes"
    protocol = "resp"

    def __init__(self, run):
        self.run, self.port = run, run.port()
        self.folder = run.place.folder / "redis"
        self.folder.mkdir()
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "appendonly": "yes", "appendfsync": "always"}
        settings["auto-aof-rewrite-percentage"] = "0"
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.child = run.place.start([run.programs["redis-server"], *words], "redis")
        self.pid = self.child.pid
        self.socket = connect(self.port, self.child)
        self.file = self.socket.makefile("rb")
        self.script = self.ask("SCRIPT", "LOAD", (HERE / "books.lua").read_bytes()).decode()
        if self.script != hashlib.sha1((HERE / "books.lua").read_bytes()).hexdigest():  # noqa: S324 - Redis names scripts so
            raise Trouble("Redis did not take the script")
        for (provider, model), (rates, *_) in made.MODELS.items():
            self.ask("HSET", "prices", f"{provider}/{model}", " ".join(map(str, rates)))

    def ask(self, *arguments):
        self.socket.sendall(made.redis_command(*arguments))
        return self.answer()

    def answer(self):
        line = self.file.readline().rstrip()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise Trouble(f"Redis: {rest.decode()}")
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest

    def greeting(self):
        return b"", 0, []

    def messages(self, events, size):
        return made.redis_messages(events, size, self.script)

    def totals(self, wanted):
        sums, cursor = [0, 0, 0], b"0"
        while True:
            cursor, keys = self.ask("SCAN", cursor, "MATCH", "sums:*", "COUNT", 10000)
            self.socket.sendall(b"".join(made.redis_command("HMGET", key, "events", "cost", "revenue") for key in keys))
            for _ in keys:
                sums = [a + int(b) for a, b in zip(sums, self.answer())]
            if cursor == b"0":
                return tuple(sums)

    def close(self):
        self.file.close()
        self.socket.close()
        self.run.place.end(self.child, self.folder)


class JetStream:
    name, does, durable = "NATS JetStream 2.9", "unique key within two minutes", "no"
    protocol = "nats"

    def __init__(self, run):
        self.run, self.port = run, run.port()
        self.folder = run.place.folder / "nats"
        self.folder.mkdir()
        command = [run.programs["nats-server"], "-a", "127.0.0.1", "-p", self.port, "-js", "-sd", self.folder]
        self.child = run.place.start(command, "nats")
        self.pid = self.child.pid
        self.socket = connect(self.port, self.child)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB answers.tool 1\r\n')
        stream = {"name": "EVENTS", "subjects": ["events.usage"], "storage": "file", "retention": "limits", "duplicate_window": 120 * 10**9}
        self.ask("$JS.API.STREAM.CREATE.EVENTS", json.dumps(stream))

    def ask(self, subject, body=""):
        self.socket.sendall(f"PUB {subject} answers.tool {len(body)}\r\n{body}\r\n".encode())
        while True:
            line = self.file.readline()
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                answer = json.loads(self.file.read(int(line.split()[-1]) + 2))
                if "error" in answer:
                    raise Trouble(f"NATS: {answer}")
                return answer
            elif not line:
                raise Trouble("NATS closed the connection")

    def greeting(self):
        text = b'CONNECT {"verbose":false,"headers":true}\r\nSUB answers.0000 1\r\nPING\r\n'
        return text, 1, [text.index(b"0000") | made.OF_CONNECTION]

    def messages(self, events, size):
        return made.nats_messages(events)

    def totals(self, wanted):
        count = self.ask("$JS.API.STREAM.INFO.EVENTS")["state"]["messages"]
        # It keeps no sums.
        return count, *wanted[1:]

    def close(self):
        self.file.close()
        self.socket.close()
        self.run.place.end(self.child, self.folder)


ALL = [Purser, PurserFrames, PostgreSQL, Redis, JetStream]
