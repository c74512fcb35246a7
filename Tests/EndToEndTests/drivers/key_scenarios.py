"""Idempotency keys that went to disk: crashes, damage and loss of their files change no answer."""

import json
import pathlib
import random
import re
import shutil
import struct

import durability_scenarios
import frames
import oracle
from harness import encode, eventually
from workload import Workload

# So few keys stay in memory that thousands of events make dozens of files.
CONFIG = "dedup_memory_keys = 200\n"


def metric(daemon, name):
    page = daemon.call("GET", "/metrics").body.decode()
    return int(re.search(rf"^{name} (\d+)$", page, re.M).group(1))


def keys_on_disk(case):
    """Retries of keys in files: `duplicate` with the original's sequence, `conflict` for another payload, nothing counted."""
    dice = random.Random(7)
    events = [oracle.read(encode(e)) for e in Workload(11).events(6000)]
    daemon = case.daemon(config=CONFIG)
    sent = 0

    def send(count):
        nonlocal sent
        client = frames.Client(daemon)
        for start in range(sent, sent + count, 50):
            answer = client.record(events[start : start + 50])
            case.equal(answer.recorded, 50, f"events {start} on")
        sent += count
        client.close()

    def check(where):
        dump = case.tool("journal", "dump", "--state", daemon.state).decode()
        found = oracle.entries(dump)
        case.equal(len(found), sent, f"{where}: events in the journal")
        sequences = {}
        for line in dump.splitlines():
            entry = json.loads(line)
            if "eventIdempotencyKey" in entry:
                sequences[entry["eventIdempotencyKey"]] = entry["sequence"]
        client = frames.Client(daemon)
        for start in range(0, sent, 500):
            part = events[start : min(start + 500, sent)]
            changed = [{**e, "eventName": e["eventName"] + "-other"} for e in part]
            for batch, wanted in ((part, "duplicate"), (changed, "conflict")):
                results = client.record(batch, detail=True).results
                bad = [i for i in range(len(batch)) if results[i]["outcome"] != wanted]
                case.expect(not bad, f"{where}: event {start + (bad or [0])[0]} is {results[(bad or [0])[0]]}, not {wanted}")
                bad = [i for i, e in enumerate(batch) if results[i]["sequence"] != sequences[e["eventIdempotencyKey"]]]
                case.expect(not bad, f"{where}: {len(bad)} of {len(batch)} have another sequence than the original")
            if case.problems:
                return
        client.close()

    for cycle in range(6):
        send(1000)
        if cycle % 2:
            eventually("files of keys", lambda: metric(daemon, "purser_dedup_memory_keys") < 600, 20)
        check(f"cycle {cycle}")
        if case.problems:
            return
        if cycle == 3:
            eventually("a merge", lambda: metric(daemon, "purser_dedup_merges_total") > 0, 20)
        daemon.kill()
        daemon = daemon.again(config=CONFIG)
        check(f"after crash {cycle}")
        if case.problems:
            return
    case.expect("keys:" not in daemon.said(), f"a file was not used: {daemon.said()}")
    case.equal(metric(daemon, "purser_dedup_keys"), 6000, "keys remembered")
    case.expect(metric(daemon, "purser_dedup_runs") > 0, "no files")
    keys = pathlib.Path(daemon.state) / "keys"
    for path in keys.iterdir():
        case.equal(path.stat().st_mode & 0o777, 0o600, f"mode of {path.name}")

    for how in ("flipped", "cut", "removed", "copied", "manifest gone", "manifest damaged", "all gone"):
        eventually("files of keys", lambda: metric(daemon, "purser_dedup_memory_keys") < 600, 20)
        daemon.kill()
        # Those that count: others may be left over from a merge that the crash ended.
        manifest = (keys / "manifest").read_bytes()
        numbers = struct.iter_unpack("<II", manifest[56:])
        runs = sorted((keys / f"{number:08x}.run" for number, _ in numbers), key=lambda path: path.stat().st_size)
        victim = dice.choice(runs)
        data = bytearray(victim.read_bytes())
        if how == "flipped":
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            victim.write_bytes(data)
        elif how == "cut":
            victim.write_bytes(data[: dice.randrange(len(data))])
        elif how == "removed":
            victim.unlink()
        elif how == "copied":
            shutil.copy(runs[0], runs[0].with_name("00ffff00.run"))
            if len(runs) > 1:
                shutil.copy(runs[0], runs[-1])
        elif how == "manifest gone":
            (keys / "manifest").unlink()
        elif how == "manifest damaged":
            manifest = bytearray(manifest)
            manifest[dice.randrange(len(manifest))] ^= 1 << dice.randrange(8)
            (keys / "manifest").write_bytes(manifest)
        else:
            shutil.rmtree(keys)
        daemon = daemon.again(config=CONFIG)
        if how in ("flipped", "cut", "removed", "manifest damaged"):
            case.expect("keys:" in daemon.said(), f"{how}: the log says nothing: {daemon.said()}")
        check(how)
        if case.problems:
            return
    case.equal(daemon.stop(), 0, "exit status")


def killed_with_keys_on_disk(case):
    """Crashes at random moments while keys go to disk all the time."""
    durability_scenarios.killed_under_load(case, config="dedup_memory_keys = 100\n")


SCENARIOS = {"keys_on_disk": keys_on_disk, "killed_with_keys_on_disk": killed_with_keys_on_disk}
