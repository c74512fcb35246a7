"""What an acknowledgement is worth: crashes, clean stops, damage, a disk that fails, books that are gone, a million events."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time
from decimal import Decimal

import frames
import load
import oracle
from harness import Closed, Failure, Raw, Skip, encode, eventually
from http_scenarios import BATCH, EVENTS, event, recorded
from workload import Workload

CYCLES = int(os.environ.get("PURSER_KILL_CYCLES", "20"))


def clients_of(case, target, seeds=1):
    made = []
    for seed in range(seeds):
        made += [
            load.LoadClient(case, 10 * seed + 1, "http", target, repeat=0.3),
            load.LoadClient(case, 10 * seed + 2, "http-batch", target, repeat=0.3),
            load.LoadClient(case, 10 * seed + 3, "ndjson", target, unix=True, repeat=0.3),
            load.LoadClient(case, 10 * seed + 4, "binary", target, unix=True, repeat=0.3),
            load.LoadClient(case, 10 * seed + 5, "binary", target, repeat=0.3),
        ]
    return made


def killed_under_load(case, **options):
    """SIGKILL at random moments, again and again, while clients of both protocols keep sending and resending."""
    dice = random.Random(20)
    current = [case.daemon(**options)]
    clients = clients_of(case, lambda: current[0])
    for client in clients:
        client.start()
    for cycle in range(CYCLES):
        time.sleep(dice.uniform(0.02, 0.5))
        current[0].kill()
        current[0] = current[0].again(**options)
        case.expect(
            all(client.problem is None for client in clients), f"cycle {cycle}: {[c.problem for c in clients if c.problem]}"
        )
        if case.problems:
            break
    acked = sum(client.acked for client in clients)
    eventually("progress after the last crash", lambda: sum(c.acked for c in clients) > acked, 20)
    for client in clients:
        client.finish()
    daemon = current[0]
    case.expect(sum(client.acked for client in clients) > 20 * CYCLES, "the clients got hardly anything through")
    counted = load.judge(case, daemon, clients)
    load.compare_margins(case, daemon, counted)
    running = case.tool("journal", "dump", "--state", daemon.state)
    case.equal(daemon.stop(), 0, "exit status after SIGTERM")
    stopped = case.tool("journal", "dump", "--state", daemon.state)
    case.equal(hashlib.sha256(stopped).hexdigest(), hashlib.sha256(running).hexdigest(), "the dump, twice")
    case.tool("journal", "verify", "--state", daemon.state)
    # The books are thrown away and made again from the journal.
    remove_books(daemon.state)
    daemon = daemon.again(**options)
    load.compare_margins(case, daemon, counted)
    print(f"  {CYCLES} crashes, {len(counted)} events, {sum(c.acked for c in clients)} acknowledgements")


def remove_books(state):
    found = list(pathlib.Path(state).rglob("books.db*"))
    if not found:
        raise Failure("there is no books.db in the state directory")
    for path in found:
        path.unlink()


def stopped_under_load(case):
    """SIGTERM under load: exit 0, every acknowledgement kept, every open request answered or closed."""
    for round_ in range(4):
        current = [case.daemon()]
        clients = clients_of(case, lambda: current[0])
        for client in clients:
            client.start()
        eventually("load", lambda: all(client.acked > 20 for client in clients), 30)
        daemon = current[0]
        started = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        if round_ == 3:
            time.sleep(0.01)
            try:
                os.kill(daemon.process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        case.equal(daemon.wait_exit(20), 0, f"round {round_}: exit status")
        case.expect(time.monotonic() - started < 10, f"round {round_}: stopping took {time.monotonic() - started:.1f} s")
        current[0] = daemon.again()
        for client in clients:
            client.finish()
        counted = load.judge(case, current[0], clients)
        if round_ == 0:
            load.compare_margins(case, current[0], counted, (("customer", "model"),))
        case.equal(current[0].stop(), 0, f"round {round_}: exit status, idle")
        for client in clients:
            client.log.path.unlink()
        if case.problems:
            return


def replies_after_stop(case):
    """A request that is being answered when SIGTERM comes gets its answer; an idle connection is closed."""
    daemon = case.daemon()
    idle = daemon.connect()
    idle.request("GET", "/healthz")
    idle.response()
    busy = daemon.connect()
    for i in range(50):
        busy.request("POST", EVENTS, event(eventIdempotencyKey=f"last-{i}"))
    os.kill(daemon.pid, signal.SIGTERM)
    answered = 0
    try:
        while answered < 50:
            case.expect(busy.response("POST", EVENTS).status in (201, 503), "an answer while stopping")
            answered += 1
    except (Closed, ConnectionResetError):
        pass
    case.expect(idle.ended(10), "an idle connection is closed")
    case.equal(daemon.wait_exit(), 0, "exit status")
    found = oracle.entries(case.tool("journal", "dump", "--state", daemon.state).decode())
    case.expect(len(found) >= answered - 0, f"{answered} answers, {len(found)} events")


def books_deleted(case):
    """books.db missing, damaged, or from before: rebuilt, and the totals are the same to the last digit."""
    daemon = case.daemon()
    events = Workload(5, customers=30).events(4000)
    for start in range(0, 4000, 1000):
        daemon.call("POST", BATCH, events[start : start + 1000])
    counted = [oracle.read(encode(e)) for e in events]
    load.compare_margins(case, daemon, counted)
    daemon.stop()
    books = next(iter(pathlib.Path(daemon.state).rglob("books.db")))
    old = case.folder / "old.db"
    shutil.copy(books, old)
    daemon = daemon.again()
    more = Workload(6, customers=30).events(1000)
    daemon.call("POST", BATCH, more)
    counted += [oracle.read(encode(e)) for e in more]
    load.compare_margins(case, daemon, counted)
    for how in ("deleted", "truncated", "overwritten", "of an earlier day", "deleted while it runs"):
        if how == "deleted while it runs":
            remove_books(daemon.state)
            daemon.call("POST", EVENTS, events[0])
            daemon.kill()
        else:
            daemon.stop()
            if how == "deleted":
                remove_books(daemon.state)
            elif how == "of an earlier day":
                remove_books(daemon.state)
                shutil.copy(old, books)
            else:
                data = bytearray(books.read_bytes())
                for extra in books.parent.glob("books.db-*"):
                    extra.unlink()
                if how == "truncated":
                    data = data[: len(data) // 2]
                else:
                    middle = len(data) // 2
                    data[middle : middle + 8192] = os.urandom(min(8192, len(data) - middle))
                    data[:16] = b"not a database.."
                books.write_bytes(data)
        daemon = daemon.again()
        load.compare_margins(case, daemon, counted)
        if case.problems:
            case.problems.append(f"books {how}")
            return


def damaged_journal(case):
    """A bad record with good ones after it: refuse to start, name file and offset, change nothing. A torn tail: cut."""
    daemon = case.daemon()
    client = frames.Client(daemon)
    workload = Workload(9)
    for _ in range(40):
        client.record([oracle.read(encode(e)) for e in workload.events(30)])
    client.close()
    daemon.stop()
    # What a start from a checkpoint makes of damage is in `old_damage`.
    (daemon.state / "checkpoint").unlink()
    journal = daemon.state / "journal"
    segment = sorted(path for path in journal.iterdir() if path.is_file() and path.stat().st_size > 4096)[0]
    good = segment.read_bytes()
    used = len(good.rstrip(b"\0"))
    case.expect(used > 40_000, f"only {used} bytes of journal")
    dice = random.Random(4)
    for round_ in range(6):
        damaged = bytearray(good)
        at = dice.randrange(8192, used // 2)
        if round_ % 3 == 0:
            damaged[at] ^= 1 << dice.randrange(8)
        elif round_ % 3 == 1:
            damaged[at : at + 512] = bytes(512)
        else:
            damaged[at : at + 64] = os.urandom(64)
        if damaged == good:
            continue
        segment.write_bytes(damaged)
        status, said = case.refused(state=daemon.state)
        case.equal(status, 4, f"damage at {at}: exit status ({said})")
        case.expect(segment.name in said, f"damage at {at}: the file is named: {said}")
        case.expect(any(char.isdigit() for char in said.replace(segment.name, "")), f"damage at {at}: the offset is named: {said}")
        case.equal(segment.read_bytes() == damaged, True, f"damage at {at}: nothing is changed")
        verify = subprocess.run(
            [case.binaries / "purser", "journal", "verify", "--state", daemon.state],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        case.equal(verify.returncode, 1, f"damage at {at}: purser journal verify ({verify.stdout} {verify.stderr})")
        case.expect(segment.name in verify.stdout + verify.stderr, f"damage at {at}: verify names the file")
    # Torn in the last batch: everything before it is there.
    torn = bytearray(good)
    torn[used - 40 :] = bytes(len(good) - used + 40)
    segment.write_bytes(torn)
    daemon = daemon.again()
    left = oracle.entries(case.tool("journal", "dump", "--state", daemon.state).decode())
    case.expect(1200 - 30 * 8 <= len(left) < 1200, f"{len(left)} events after a torn tail")
    case.equal(daemon.call("POST", EVENTS, event()).data["sequence"], len(left) + 1, "it goes on")
    daemon.stop()
    segment.write_bytes(good)
    daemon = daemon.again()
    case.equal(len(oracle.entries(case.tool("journal", "dump", "--state", daemon.state).decode())), 1200, "the good journal again")


def failing_sync(case):
    """A durable write fails once: no acknowledgement for that batch or any later one, exit 5; a restart keeps what was acknowledged."""
    if shutil.which("strace") is None:
        raise Skip("strace is not here")
    probe = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        raise Skip("strace may not trace here")
    for nth in (2, 5):
        state = case.folder / f"sync{nth}"
        daemon = case.daemon(
            state=state,
            wrap=[
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fdatasync,fsync,sync_file_range,pwritev2,io_uring_setup",
                "-e",
                "inject=io_uring_setup:error=ENOSYS",
                "-e",
                f"inject=pwritev2:error=EIO:when={nth}",
            ],
        )
        acked, silent = [], 0
        for i in range(40):
            try:
                reply = daemon.call("POST", EVENTS, event(eventIdempotencyKey=f"s{i}"))
                case.expect(reply.status in (201, 500, 503), f"when={nth}: {reply}")
                if reply.status == 201:
                    case.equal(silent, 0, f"when={nth}: acknowledged after the failure")
                    acked.append(f"s{i}")
                else:
                    silent += 1
            except (Closed, OSError):
                silent += 1
                if not daemon.alive:
                    break
        status = daemon.wait_exit(10)
        case.equal(status, 5, f"when={nth}: exit status ({daemon.said()})")
        case.expect(silent > 0, f"when={nth}: nothing failed")
        daemon = case.daemon(state=state)
        found = oracle.entries(case.tool("journal", "dump", "--state", state).decode())
        case.expect(set(acked) <= found.keys(), f"when={nth}: lost {sorted(set(acked) - found.keys())}")
        for i in range(40):
            status = daemon.call("POST", EVENTS, event(eventIdempotencyKey=f"s{i}")).status
            case.equal(status, 409 if f"s{i}" in found else 201, f"when={nth}: s{i} sent again")
        case.equal(
            len(oracle.entries(case.tool("journal", "dump", "--state", state).decode())), 40, f"when={nth}: each counted once"
        )
        daemon.stop()


def full_disk(case):
    """No room: 507 and nothing recorded, reads go on, and it recovers by itself when there is room."""
    if os.geteuid() != 0:
        raise Skip("only root may mount a small disk")
    disk = case.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", disk], capture_output=True, check=False).returncode != 0:
        raise Skip("a small disk cannot be mounted here")
    try:
        filler = disk / "filler"
        daemon = case.daemon(state=disk / "state")
        case.equal(daemon.call("POST", EVENTS, event(eventIdempotencyKey="before")).status, 201, "while there is room")
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass
        meta = {"padding": "x" * 8000}
        statuses, keys = set(), []
        for i in range(200):
            batch = [event(eventIdempotencyKey=f"full-{i}-{j}", meta=meta) for j in range(100)]
            reply = daemon.call("POST", BATCH, batch)
            if reply.status == 200:
                others = {r["index"]: r["status"] for r in reply.data["results"]}
                keys += [e["eventIdempotencyKey"] for j, e in enumerate(batch) if others.get(j, "recorded") == "recorded"]
                statuses |= set(others.values())
            else:
                statuses.add(reply.status)
            if "storage_full" in statuses or 507 in statuses:
                break
        case.expect("storage_full" in statuses or 507 in statuses, f"no refusal: {statuses}")
        reply = daemon.call("POST", EVENTS, event(eventIdempotencyKey="refused"))
        case.equal((reply.status, reply.code), (507, "storage_full"), "one event on a full disk")
        case.equal(daemon.call("GET", "/readyz").status, 503, "/readyz on a full disk")
        case.equal(daemon.call("GET", EVENTS + "/before").status, 200, "reads on a full disk")
        filler.unlink()
        eventually("recovery", lambda: daemon.call("POST", EVENTS, event(eventIdempotencyKey="refused")).status == 201, 20, 0.2)
        case.equal(daemon.call("GET", "/readyz").status, 200, "/readyz after recovery")
        found = oracle.entries(case.tool("journal", "dump", "--state", daemon.state).decode())
        case.equal(found.keys(), {"before", "refused", *keys}, "what was recorded")
        daemon.end()
    finally:
        for daemon in case.daemons:
            daemon.end()
        subprocess.run(["umount", "-l", disk], check=False)


def sent_by_the_tool(case, count=50_000):
    """`purser send` of a file: margins equal the oracle; after SIGKILL; after books.db is deleted; sent twice, counted once."""
    count = int(os.environ.get("PURSER_SEND_EVENTS", count))
    workload = Workload(1_000, customers=500, days=30)
    path, wanted = case.folder / "events.jsonl", []
    groups = ("customer", "model")
    sums, everything = {}, oracle.Sums()
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            text = encode(workload.event())
            file.write(text + "\n")
            parsed = oracle.read(text)
            sums.setdefault(tuple(oracle.group_of(parsed, by) for by in groups), oracle.Sums()).add(parsed)
            everything.add(parsed)
            if count <= 50_000:
                wanted.append(parsed)
    daemon = case.daemon()
    started = time.monotonic()
    case.tool("send", path, daemon=daemon, seconds=900)
    seconds = time.monotonic() - started

    def check(where):
        def fresh():
            # While a million events are folded into new books, the tool may give up waiting; the books are asked again.
            text = case.tool("margins", "--by", "customer,model", "--json", daemon=daemon, status=None, seconds=60 + count / 2_000)
            data = json.loads(text, parse_float=Decimal, parse_int=Decimal) if text else {"totals": {"events": 0}}
            return data if data["totals"]["events"] == count else None

        data = eventually(f"margins over {count} events {where}", fresh, 60 + count / 20_000, 0.2)
        seen = set()
        for item in data["items"]:
            key = tuple(item.get(oracle.GROUPS[by][1]) for by in groups)
            seen.add(key)
            for difference in oracle.sum_differences(item, sums.get(key, oracle.Sums()), key):
                case.expect(False, f"{where}: {difference}")
        case.equal(len(seen), len(sums), f"{where}: groups")
        for difference in oracle.sum_differences(data["totals"], everything, "totals"):
            case.expect(False, f"{where}: {difference}")

    check("as sent")
    daemon.kill()
    daemon = daemon.again()
    check("after SIGKILL")
    daemon.kill()
    remove_books(daemon.state)
    daemon = daemon.again()
    check("without books.db")
    if wanted:
        found = oracle.entries(case.tool("journal", "dump", "--state", daemon.state, seconds=600).decode())
        case.equal(len(found), count, "events in the journal")
        for parsed in wanted:
            for difference in oracle.entry_differences(found[parsed["eventIdempotencyKey"]], parsed):
                case.expect(False, f"{parsed['eventIdempotencyKey']}: {difference}")
    case.tool("send", path, daemon=daemon, seconds=900)
    check("sent twice")
    print(f"  {count} events sent in {seconds:.1f} s, all totals exact; {daemon.rss >> 20} MiB resident")


def bad_frames(case):
    """Frames that are not frames: the documented error or the end of the connection; nothing counts; others are served."""
    daemon = case.daemon()
    before, start = recorded(daemon), daemon.rss
    good = [oracle.read(encode(event(eventIdempotencyKey="bf", occurredAt="2026-08-01T00:00:00Z", costAmount=Raw("1"))))]
    frame = frames.events(good, 7)
    header, payload = frame[:16], frame[16:]

    def expect_error(name, data, error, greet=True, unix=True, closes=True):
        client = frames.Client(daemon, unix, greet=greet)
        try:
            client.send(data)
            answer = client.answer()
            case.equal((hex(answer.kind), answer.error), (hex(frames.ERROR), error), name)
            if closes:
                case.expect(client.ended(5), f"{name}: the connection must end")
            else:
                case.equal(client.record([oracle.read(encode(event()))]).recorded, 1, f"{name}: the connection goes on")
        except (Closed, ConnectionResetError):
            case.expect(error is None, f"{name}: closed without an error")
        client.close()
        case.expect(daemon.alive, f"{name}: the daemon died")

    expect_error("no hello", frame, "hello_required", greet=False)
    expect_error("a second hello", frames.hello(), "unexpected_hello")
    expect_error("a version of tomorrow", frames.hello(low=2, high=9), "unsupported_version", greet=False)
    expect_error("a range upside down", frames.hello(low=2, high=1), "unsupported_version", greet=False)
    expect_error("no key over TCP", frames.hello(), "unauthorized", greet=False, unix=False)
    expect_error("a wrong key over TCP", frames.hello("sk_live_" + "0" * 32), "unauthorized", greet=False, unix=False)
    expect_error("a wrong key over the socket", frames.hello("sk_live_" + "0" * 32), "unauthorized", greet=False)
    expect_error("an oversize frame", frames.frame(frames.EVENTS, 9)[:4] + b"\xff\xff\xff\xff" + bytes(8), "frame_too_large")
    expect_error(
        "just over the limit",
        frames.frame(frames.EVENTS, 9)[:4] + (1024 * 1024 + 1).to_bytes(4, "little") + bytes(8),
        "frame_too_large",
    )
    expect_error("an oversize hello", frames.frame(frames.HELLO, 9, bytes(2000)), "frame_too_large", greet=False)
    expect_error("an unknown type", frames.frame(0x42, 9, b"abc"), "unknown_type", closes=False)
    expect_error("a type of the daemon", frames.frame(frames.EVENTS_REPLY, 9, b"abc"), "unknown_type", closes=False)
    expect_error("unknown flags", frames.frame(frames.EVENTS, 9, payload, flags=0x8000), "malformed_frame")
    expect_error("a wrong magic", b"\x00" + frame[1:], "malformed_frame")
    expect_error("an empty payload", frames.frame(frames.EVENTS, 9), "malformed_frame")
    expect_error("another record format", frames.frame(frames.EVENTS, 9, b"\x02" + payload[1:]), "malformed_frame")
    expect_error("bytes left over", frames.frame(frames.EVENTS, 9, payload + b"\x00"), "malformed_frame")
    expect_error("no event", frames.frame(frames.EVENTS, 9, b"\x01\x00" + bytes(8) + b"\x00"), "malformed_frame")
    expect_error("a count of strings beyond the frame", frames.frame(frames.EVENTS, 9, b"\x01\xff\xff\xff\x7f"), "malformed_frame")
    expect_error("an endless varint", frames.frame(frames.EVENTS, 9, b"\x01" + b"\xff" * 20), "malformed_frame")
    for cut in range(len(payload)):
        expect_error(f"cut at {cut}", frames.frame(frames.EVENTS, 9, payload[:cut]), "malformed_frame")
    # Frames whose bytes are changed at random: an error, a refusal or an event, never a crash.
    dice = random.Random(1)
    for round_ in range(300):
        mutated = bytearray(payload)
        for _ in range(dice.randrange(1, 4)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        client = frames.Client(daemon)
        # Under another key, so that what happens to be well-formed does not hide the test event.
        client.send(frames.frame(frames.EVENTS, 9, bytes(mutated)))
        try:
            answer = client.answer()
            case.expect(answer.kind in (frames.EVENTS_REPLY, frames.ERROR), f"mutation {round_}: {answer}")
        except (Closed, ConnectionResetError):
            pass
        client.close()
    # Half a frame, left open: it hangs alone.
    half = frames.Client(daemon)
    half.send(header + payload[:5])
    other = frames.Client(daemon)
    case.equal(
        other.record([oracle.read(encode(event(eventIdempotencyKey="while half")))]).recorded, 1, "others while half a frame hangs"
    )
    # A batch with good and bad events: each by itself. Negative amounts cannot be written; beyond the range can.
    records = [oracle.read(encode(event(eventIdempotencyKey=f"mix-{i}"))) for i in range(3)]
    records[1]["eventName"] = "x" * 129
    answer = other.record(records, detail=True)
    case.equal([answer.results[i]["outcome"] for i in range(3)], ["recorded", "field_too_long", "recorded"], "a mixed frame")
    case.expect(recorded(daemon) >= before + 3, "the good ones count")
    case.expect(daemon.rss - start < 32 << 20, f"memory grew by {daemon.rss - start >> 20} MiB")
    half.close()
    other.close()


SCENARIOS = {
    "killed_under_load": killed_under_load,
    "stopped_under_load": stopped_under_load,
    "replies_after_stop": replies_after_stop,
    "books_deleted": books_deleted,
    "damaged_journal": damaged_journal,
    "failing_sync": failing_sync,
    "full_disk": full_disk,
    "sent_by_the_tool": sent_by_the_tool,
    "bad_frames": bad_frames,
}
