"""Events past their retention: what is dropped, what stays, and that no crash on the way changes a total.

A journal of years is made from one of seconds: `age` moves the times at which its batches were written into the past and
computes the checksums anew, as protocol/journal.md has them. What the events say of themselves stays, so the oracle knows
every total. The daemon then finds a journal as it would be had it been written over all that time.
"""

import pathlib
import random
import shutil
import struct
import time

import frames
import oracle
from harness import decode, encode, eventually
from http_scenarios import BATCH, EVENTS, MARGINS, refused
from key_scenarios import metric
from workload import Workload

DAY = 86_400 * 10**9
KEEPS = 'segment_size = "1MiB"\ndedup_window = "1d"\nseal_after = "never"\n'
DROPS = KEEPS + 'journal_retention = "60d"\n'

# Checksums ------------------------------------------------------------------------------------------------------------

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data, continuing=0):
    crc = continuing ^ 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def batches(data, size):
    """Offset and length (with padding) of the batches of a segment."""
    offset = 4096
    while offset + 80 <= size and data[offset : offset + 4] == b"\xffPB1":
        length = struct.unpack_from("<I", data, offset + 8)[0]
        yield offset, length + 7 & ~7
        offset += length + 7 & ~7


def age(state, days):
    """Spreads the batches of a journal over so many days, up to now."""
    paths = sorted((pathlib.Path(state) / "journal").glob("*.segment"))
    files = [bytearray(path.read_bytes()) for path in paths]
    places = [(i, at, length) for i, data in enumerate(files) for at, length in batches(data, len(data))]
    now = time.time_ns()
    last, moments = 0, {}
    for n, (i, at, length) in enumerate(places):
        data = files[i]
        moment = now - (len(places) - 1 - n) * days * DAY // len(places)
        if at == 4096:
            struct.pack_into("<I", data, 36, last)
            struct.pack_into("<q", data, 48, moment)
            struct.pack_into("<I", data, 8, crc32c(data[12:4096]))
        number = struct.unpack_from("<I", data, 32)[0]
        seed = crc32c(bytes(data[16:32]) + struct.pack("<I", number))
        struct.pack_into("<I", data, at + 12, last)
        struct.pack_into("<q", data, at + 40, moment)
        header = crc32c(data[at + 8 : at + 76], seed)
        struct.pack_into("<I", data, at + 76, header)
        last = crc32c(data[at + 80 : at + length], header)
        struct.pack_into("<I", data, at + 4, last)
        moments[(number, at)] = moment
    for path, data in zip(paths, files):
        path.write_bytes(data)
    # They are made from the journal, which is another one now.
    shutil.rmtree(pathlib.Path(state) / "keys")
    for suffix in ("", "-wal", "-shm"):
        (pathlib.Path(state) / f"books.db{suffix}").unlink(missing_ok=True)
    return len(places)


# The past -------------------------------------------------------------------------------------------------------------


def lasting(keys):
    """What a listing of keys says but for when each was last used, which is known since the start only."""
    return [{name: value for name, value in key.items() if name != "lastUsedAt"} for key in keys]


class Past:
    """Events in several segments, customers, a key, a price, a correction: and what all of it comes to."""

    def __init__(self, case, count=6000):
        self.case = case
        self.folder = case.folder / "past"
        daemon = case.daemon(state=self.folder, config=KEEPS)
        events = Workload(31, customers=9).events(count)
        for event in events:
            event["meta"] = {"padding": "x" * 300}
        self.events = [oracle.read(encode(e)) for e in events]
        case.equal(
            daemon.call("POST", "/api/v1/client/customers", {"customerReferenceId": "quiet", "email": "q@example.com"}).status,
            201,
            "a customer without events",
        )
        case.equal(daemon.call("POST", "/api/v1/client/customers", {"email": "nameless@example.com"}).status, 201, "one without a name")
        answer = daemon.call("POST", "/api/v1/client/keys", {"name": "reader", "scopes": ["read"]})
        case.equal(answer.status, 201, "a second key")
        self.reader = answer.data["apiKey"]
        client = frames.Client(daemon)
        for start in range(0, count, 30):
            case.equal(client.record(self.events[start : start + 30]).recorded, 30, f"events from {start}")
        client.close()
        self.customers = daemon.call("GET", "/api/v1/client/customers?limit=100").data
        self.keys = lasting(daemon.call("GET", "/api/v1/client/keys").data)
        case.equal(daemon.stop(), 0, "exit status")
        self.batches = age(self.folder, 500)

    def copy(self, name):
        target = self.case.folder / name
        shutil.copytree(self.folder, target)
        return target

    def check(self, daemon, where):
        """Every total, customer and key is what it was."""
        case = self.case
        for by in ("customer", "model", "feature,eventName", "day", "hour,customer"):
            data = daemon.call("GET", f"{MARGINS}?groupBy={by}").data
            for difference in list(oracle.differences(data, self.events, by.split(",")))[:3]:
                case.expect(False, f"{where}, by {by}: {difference}")
        case.equal(daemon.call("GET", "/api/v1/client/customers?limit=100").data, self.customers, f"{where}: customers")
        case.equal(lasting(daemon.call("GET", "/api/v1/client/keys").data), self.keys, f"{where}: keys")
        reply = daemon.call("GET", f"{MARGINS}?groupBy=customer", key=self.reader)
        case.equal(reply.status, 200, f"{where}: the second key works")

    def kept(self, daemon, where):
        """What is kept is listed, what is not is missed by name; the number of the first event that is kept."""
        case = self.case
        items, cursor = [], None
        while True:
            page = daemon.call("GET", f"{EVENTS}?limit=1000" + (f"&cursor={cursor}" if cursor else "")).data
            items += page["items"]
            cursor = page.get("nextCursor")
            if not cursor:
                break
        dropped = page.get("dropped", {"events": 0, "throughSequence": 0})
        case.equal([i["sequence"] for i in items], list(range(len(self.events), dropped["throughSequence"], -1)), f"{where}: listed")
        case.equal(dropped["events"], dropped["throughSequence"], f"{where}: events dropped")
        if dropped["events"]:
            reply = daemon.call("GET", f"{EVENTS}/{self.events[5]['eventIdempotencyKey']}")
            refused(case, reply, 404, "not_found", f"{where}: a dropped event")
            case.expect("journal_retention" in reply.json["error"]["message"], f"{where}: {reply.json}")
            refused(case, daemon.call("GET", f"{MARGINS}?groupBy=customer&flowId=flow-7"), 409, "events_dropped", f"{where}: by flow")
        newest = self.events[-1]
        case.equal(daemon.call("GET", f"{EVENTS}/{newest['eventIdempotencyKey']}").data["sequence"], len(self.events), f"{where}: newest")
        return dropped["throughSequence"] + 1

    def retries(self, daemon, where):
        """Keys inside the window are known, by their record."""
        client = frames.Client(daemon)
        part = self.events[-300:]
        results = client.record(part, detail=True).results
        wanted = [("duplicate", len(self.events) - 299 + i) for i in range(300)]
        self.case.equal([(results[i]["outcome"], results[i]["sequence"]) for i in range(300)], wanted, f"{where}: retries")
        changed = [{**e, "eventName": "another"} for e in part]
        results = client.record(changed, detail=True).results
        self.case.equal({results[i]["outcome"] for i in range(300)}, {"conflict"}, f"{where}: other payloads")
        client.close()


def is_dropped(daemon):
    """Everything that is past its retention has been condensed, and its segments are gone."""
    first = metric(daemon, "purser_journal_first_segment")
    names = sorted(path.name for path in (pathlib.Path(daemon.state) / "journal").iterdir())
    segments = [int(name[:8], 16) for name in names if name.endswith(".segment")]
    return first > 1 and segments[0] == first and "condensed.new" not in names


def events_past_their_retention(case):
    past = Past(case)
    if case.problems:
        return
    # Without the option nothing is ever dropped.
    state = past.copy("kept")
    daemon = case.daemon(state=state, config=KEEPS)
    past.check(daemon, "forever")
    case.equal(past.kept(daemon, "forever"), 1, "forever: the first event")
    case.equal(metric(daemon, "purser_journal_first_segment"), 1, "forever: the first segment")
    case.equal(daemon.stop(), 0, "exit status")
    backup = case.folder / "backup.db"
    shutil.copy(state / "books.db", backup)

    # A follower that has read nothing keeps everything; one whose file makes no sense, too.
    followers = state / "followers"
    followers.mkdir()
    for text, holder in (("1:4096\n", "the follower warehouse"), ("soon\n", "warehouse, whose file cannot be read")):
        (followers / "warehouse").write_text(text)
        daemon = case.daemon(state=state, config=DROPS)
        eventually("the log says who holds it", lambda: holder in daemon.said(), 30)
        case.equal(metric(daemon, "purser_journal_first_segment"), 1, "held: the first segment")
        case.equal(daemon.stop(), 0, "exit status")
    (followers / "warehouse").write_text("99:4096\n")

    daemon = case.daemon(state=state, config=DROPS)
    eventually("segments are dropped", lambda: is_dropped(daemon), 60)
    case.expect("are condensed" in daemon.said(), f"the log says nothing: {daemon.said()}")
    where = "dropped"
    past.check(daemon, where)
    first = past.kept(daemon, where)
    case.expect(len(past.events) * 3 // 10 < first < len(past.events) * 9 // 10, f"the first kept event is {first}")
    past.retries(daemon, where)
    case.equal(metric(daemon, "purser_journal_dropped_events"), first - 1, "events dropped, by the metrics")
    sizes = [path.stat().st_size for path in (state / "journal").glob("*.segment")]
    case.equal(metric(daemon, "purser_journal_bytes"), sum(sizes), "bytes of segments, by the metrics")
    stats = decode(case.tool("journal", "stats", "--json", "--state", state))
    case.equal((stats["events"], stats["droppedEvents"]), (len(past.events) - first + 1, first - 1), "journal stats")
    case.expect(case.tool("journal", "verify", "--state", state).startswith(b"intact"), "journal verify")
    for body in ({"from": "2020-01-01T00:00:00Z", "apply": True}, {"from": "2020-01-01T00:00:00Z"}):
        refused(case, daemon.call("POST", "/api/v1/client/reprices", body), 409, "events_dropped", f"a reprice of all time: {body}")

    # A crash, books that are lost, and books from a backup.
    for how in ("killed", "books lost", "books from before"):
        daemon.kill()
        if how != "killed":
            for suffix in ("", "-wal", "-shm"):
                (state / f"books.db{suffix}").unlink(missing_ok=True)
        if how == "books from before":
            shutil.copy(backup, state / "books.db")
        daemon = case.daemon(state=state, config=DROPS)
        past.check(daemon, how)
        case.equal(past.kept(daemon, how), first, f"{how}: the first event")
        past.retries(daemon, how)
        if case.problems:
            return
    # What was dropped is forgotten: sent again it counts again, under a new sequence.
    client = frames.Client(daemon)
    again = past.events[0:30]
    case.equal(client.record(again).recorded, 30, "dropped events, sent again")
    client.close()
    past.events += again
    for by in ("customer", "day"):
        data = daemon.call("GET", f"{MARGINS}?groupBy={by}").data
        case.equal(list(oracle.differences(data, past.events, [by]))[:3], [], f"after that, by {by}")
    case.equal(daemon.stop(), 0, "exit status")

    # A condensed file that is missing or damaged is not guessed around.
    victim = sorted((state / "journal").glob("*.condensed"))[0]
    (state / "checkpoint").unlink()
    whole = victim.read_bytes()
    for how in ("flipped", "missing"):
        if how == "missing":
            victim.unlink()
        else:
            victim.write_bytes(whole[:4200] + bytes([whole[4200] ^ 1]) + whole[4201:])
        said = case.refused(state=state, config=DROPS)
        case.expect("journal damaged" in str(said), f"{how}: {said}")
        victim.write_bytes(whole)


def killed_while_dropping(case):
    """Crashes at random moments of the dropping; then it goes on, and everything is what it was."""
    past = Past(case, 4500)
    dice = random.Random(3)
    cut = 0
    for cycle in range(2):
        state = past.copy(f"c{cycle}")
        for attempt in range(3):
            daemon = case.daemon(state=state, config=DROPS)
            time.sleep(dice.uniform(0, 1.2) if attempt else 0.9)
            names = [path.name for path in (state / "journal").iterdir()]
            daemon.kill()
            cut += "condensed.new" in names
        daemon = case.daemon(state=state, config=DROPS)
        eventually("segments are dropped", lambda: is_dropped(daemon), 60)
        past.check(daemon, f"cycle {cycle}")
        past.kept(daemon, f"cycle {cycle}")
        past.retries(daemon, f"cycle {cycle}")
        case.equal(daemon.stop(), 0, "exit status")
        if case.problems:
            return


SCENARIOS = {"events_past_their_retention": events_past_their_retention, "killed_while_dropping": killed_while_dropping}
