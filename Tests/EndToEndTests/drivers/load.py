"""Clients that keep sending, write down what they sent and what was acknowledged, and resend what was not.

Each client is a thread with its own keys and its own log: {"sent": event} before an event leaves, {"acked": key} after its
acknowledgement arrived. The logs are all that the oracle is told.
"""

import threading
import time

import frames
import oracle
from harness import Closed, Failure, encode
from workload import Workload


class Log:
    def __init__(self, path):
        self.path = path
        self.file = open(path, "a", encoding="utf-8", buffering=1 << 16)

    def write(self, what, value):
        self.file.write('{"%s":%s}\n' % (what, encode(value)))

    def close(self):
        self.file.close()


class LoadClient(threading.Thread):
    """`target()` gives the daemon to talk to now; `speak` is http, http-batch, ndjson or binary."""

    def __init__(self, case, seed, speak, target, unix=False, repeat=0.0, limit=None):
        super().__init__(daemon=True, name=f"{speak}-{seed}")
        self.case, self.speak, self.target, self.unix, self.repeat, self.limit = case, speak, target, unix, repeat, limit
        self.workload = Workload(seed, prefix=f"{speak}{seed}")
        self.random = self.workload.random
        self.log = Log(case.folder / f"{speak}-{seed}.log")
        self.stopping = threading.Event()
        self.acked = 0
        self.known = set()
        self.problem = None
        self.history = []
        self.connection = None

    def run(self):
        try:
            while not self.stopping.is_set() and (self.limit is None or self.acked < self.limit):
                batch = self.workload.events(1 if self.speak == "http" else self.random.choice((1, 3, 20, 60)))
                for event in batch:
                    self.log.write("sent", event)
                self.log.file.flush()
                if self.history and self.random.random() < self.repeat:
                    batch = batch + self.random.sample(self.history, min(len(self.history), 5))
                    if self.speak == "http":
                        batch = batch[-1:] + batch[:1]
                self.history = (self.history + batch)[-200:]
                self.deliver(batch)
        except Exception as error:  # noqa: BLE001 - the scenario reports it
            self.problem = f"{self.name}: {error!r}"
        finally:
            self.drop()
            self.log.close()

    def finish(self, seconds=60):
        self.stopping.set()
        self.join(seconds)
        if self.is_alive():
            self.problem = f"{self.name} did not finish"

    def drop(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def deliver(self, batch):
        """Sends until every event is acknowledged, over as many connections as it takes."""
        end = time.monotonic() + 60
        while True:
            try:
                self.attempt(batch)
                return
            except (OSError, Closed) as error:
                self.drop()
                if time.monotonic() > end:
                    raise Failure(f"no acknowledgement within a minute: {error!r}") from error
                time.sleep(0.005)

    def ack(self, event, outcome):
        key = event["eventIdempotencyKey"]
        if outcome not in ("recorded", "duplicate"):
            raise Failure(f"{key} is {outcome}")
        if outcome == "recorded" and key in self.known:
            raise Failure(f"{key} was acknowledged before and counted anew")
        self.known.add(key)
        self.acked += 1
        self.log.write("acked", key)

    def attempt(self, batch):
        daemon = self.target()
        if self.speak == "binary":
            if self.connection is None:
                self.connection = frames.Client(daemon, self.unix)
            # Several frames at once, so that commits hold more than one.
            parts = [batch[i : i + 25] for i in range(0, len(batch), 25)]
            first = self.connection.request + 1
            self.connection.request += len(parts)
            self.connection.send(
                b"".join(frames.events([oracle.read(encode(e)) for e in part], first + i) for i, part in enumerate(parts))
            )
            for i, part in enumerate(parts):
                answer = self.connection.answer()
                if answer.kind == frames.ERROR and answer.error == "shutting_down":
                    raise Closed("shutting down")
                if answer.kind != frames.EVENTS_REPLY or answer.request != first + i:
                    raise Failure(f"frame {first + i} was answered with {answer}")
                for index, event in enumerate(part):
                    self.ack(event, answer.results.get(index, {"outcome": "recorded"})["outcome"])
            return
        if self.connection is None:
            self.connection = daemon.connect(self.unix)
        if self.speak == "http":
            for event in batch:
                self.connection.request("POST", "/api/v1/client/events", event)
                reply = self.connection.response("POST", "/api/v1/client/events")
                if reply.status == 503:
                    raise Closed("busy")
                if reply.status not in (201, 409) or reply.status == 409 and reply.data.get("conflict"):
                    raise Failure(f"{event['eventIdempotencyKey']} was answered with {reply}")
                self.ack(event, "recorded" if reply.status == 201 else "duplicate")
            return
        headers = {}
        body = batch
        if self.speak == "ndjson":
            headers["Content-Type"] = "application/x-ndjson"
            body = "\n".join(encode(event) for event in batch) + "\n"
        self.connection.request("POST", "/api/v1/client/events/batch", body, headers)
        reply = self.connection.response("POST", "/api/v1/client/events/batch")
        if reply.status == 503:
            raise Closed("busy")
        if reply.status != 200:
            raise Failure(f"a batch was answered with {reply}")
        others = {item["index"]: item["status"] for item in reply.data["results"]}
        for index, event in enumerate(batch):
            self.ack(event, others.get(index, "recorded"))


def judge(case, daemon, clients, dump=None):
    """The verdict on a stopped or running daemon's journal; the events that count."""
    for client in clients:
        if client.problem:
            case.expect(False, client.problem)
    if dump is None:
        dump = case.tool("journal", "dump", "--state", daemon.state).decode()
    problems, counted = oracle.verdict(dump, [client.log.path for client in clients])
    for problem in problems:
        case.expect(False, problem)
    return counted


def compare_margins(case, daemon, counted, groups=(("customer",), ("model", "provider"), ("feature", "eventName"), ("day",))):
    """The daemon's margins against the oracle, once they include every event."""

    def fresh():
        reply = daemon.call("GET", "/api/v1/client/margins?groupBy=customer")
        # Books that somebody locked a moment ago are opened within a fifth of a second.
        return reply.status == 200 and reply.data["totals"]["events"] == len(counted)

    try:
        from harness import eventually

        eventually(f"margins over {len(counted)} events", fresh, seconds=10)
    except Failure as error:
        case.expect(False, str(error))
    for by in groups:
        reply = daemon.call("GET", "/api/v1/client/margins?groupBy=" + ",".join(by))
        if case.equal(reply.status, 200, f"margins by {by}"):
            for difference in oracle.differences(reply.data, counted, by):
                case.expect(False, f"margins by {','.join(by)}: {difference}")
