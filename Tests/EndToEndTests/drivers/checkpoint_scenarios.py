"""What a daemon writes down when it stops spares the next one the journal, and whatever is wrong with it costs time and nothing else."""

import json
import random

from harness import eventually
from storage_scenarios import Series

SMALL = 'segment_size = "1MiB"\ndedup_memory_keys = 1000\n'
UNUSED = "the checkpoint is not used"


def sums(daemon):
    """The totals as the books have them, and as the ledger has them."""
    totals = daemon.call("GET", "/api/v1/client/margins?groupBy=customer").data["totals"]
    del totals["freshAsOf"]
    lines = daemon.call("GET", "/metrics").body.decode().split("\n")
    kept = [line for line in lines if line.startswith(("purser_dedup_keys ", "purser_customers "))]
    return json.dumps(totals, default=str, sort_keys=True), kept


def checkpoint(case):
    """Stopped and started, killed and started: from the checkpoint on. A checkpoint that is harmed or gone is not missed."""
    series = Series(case, "checkpoint")
    daemon = case.daemon(config=SMALL)
    for _ in range(45):
        case.expect(series.send(daemon, series.make(50, padding=600)), "sending")
    before = sums(daemon)
    case.equal(daemon.stop(), 0, "exit status")
    file = daemon.state / "checkpoint"
    case.equal(file.stat().st_mode & 0o777, 0o600, "the file's mode")
    good = file.read_bytes()

    daemon = daemon.again(config=SMALL)
    case.expect("from the checkpoint" in daemon.said(), f"a start from the checkpoint: {daemon.said()}")
    case.equal(sums(daemon), before, "what is known after a start from the checkpoint")
    series.judge(daemon, "after a start from the checkpoint")
    # Killed: the same checkpoint, and the journal behind it.
    case.expect(series.send(daemon, series.make(40)), "sending more")
    after = sums(daemon)
    daemon.kill()
    case.equal(file.read_bytes(), good, "the checkpoint of a daemon that was killed")
    daemon = daemon.again(config=SMALL)
    case.expect("from the checkpoint" in daemon.said(), "a start after SIGKILL")
    case.equal(sums(daemon), after, "what is known after SIGKILL")
    series.judge(daemon, "after SIGKILL")
    case.equal(daemon.stop(), 0, "exit status")

    good = file.read_bytes()
    case.expect(good != bytes(len(good)), "a new checkpoint")
    dice = random.Random(3)
    harms = [("flipped", dice.randrange(len(good))) for _ in range(6)] + [("cut", dice.randrange(len(good))) for _ in range(3)]
    for what, at in harms + [("gone", 0), ("empty", 0)]:
        harmed = bytearray(good)
        if what == "flipped":
            harmed[at] ^= 1 << dice.randrange(8)
        elif what == "cut":
            del harmed[at:]
        elif what == "empty":
            harmed.clear()
        file.write_bytes(harmed)
        if what == "gone":
            file.unlink()
        daemon = daemon.again(config=SMALL)
        case.equal(UNUSED in daemon.said(), what != "gone", f"{what} at {at}: {daemon.said()}")
        case.equal(sums(daemon), after, f"{what} at {at}")
        daemon.kill()
    daemon = daemon.again(config=SMALL)
    series.judge(daemon, "at the end")
    case.equal(daemon.stop(), 0, "exit status")


def old_damage(case):
    """Damage to what was written before the checkpoint: events are recorded, it is said with file and byte, and the next start refuses."""
    series = Series(case, "old")
    daemon = case.daemon(config=SMALL)
    for _ in range(45):
        case.expect(series.send(daemon, series.make(50, padding=600)), "sending")
    before = sums(daemon)
    case.equal(daemon.stop(), 0, "exit status")
    segment = daemon.state / "journal" / "00000001.segment"
    with segment.open("r+b") as file:
        file.seek(300_000)
        byte = file.read(1)[0]
        file.seek(300_000)
        file.write(bytes([byte ^ 4]))
    # The batch that the checkpoint ends with is looked at by the start itself. Without the checkpoint it could be a torn one.
    last = sorted((daemon.state / "journal").glob("*.segment"))
    last = [path for path in last if path.read_bytes().strip(b"\0")][-1]
    good = last.read_bytes()
    used = len(good.rstrip(b"\0"))
    last.write_bytes(good[: used - 8] + bytes(len(good) - used + 8))
    status, said = case.refused(state=daemon.state, config=SMALL)
    case.equal(status, 4, f"a last batch that is not as it was acknowledged ({said})")
    case.expect(last.name in said, f"the file is named: {said}")
    last.write_bytes(good)

    daemon = daemon.again(config=SMALL)
    eventually("the damage to be found", lambda: "journal damaged" in daemon.said(), 30)
    case.expect("00000001.segment" in daemon.said(), f"the file is named: {daemon.said()}")
    eventually("/readyz to say so", lambda: daemon.call("GET", "/readyz", key=None).status == 503, 10)
    reply = daemon.call("GET", "/readyz", key=None)
    case.equal(reply.data["reason"], "journal_damaged", "the reason")
    case.expect(series.send(daemon, series.make(20)), "recording goes on")
    case.equal(sums(daemon)[0] != before[0], True, "what was recorded counts")
    case.equal(daemon.stop(), 0, "exit status")
    case.expect(not (daemon.state / "checkpoint").exists(), "no checkpoint is left")
    status, said = case.refused(state=daemon.state, config=SMALL)
    case.equal(status, 4, f"the next start ({said})")
    case.expect("00000001.segment" in said, f"the file is named: {said}")


SCENARIOS = {"checkpoint": checkpoint, "old_damage": old_damage}
