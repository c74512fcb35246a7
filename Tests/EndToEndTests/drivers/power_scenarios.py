"""Power loss of the real binary: every write and sync of a run is written down, and disks are made as they may be afterwards.

A disk after the moment k holds, of everything before k: what was synced; of the rest of each file any of its pieces of 512
bytes, old or new; of the names made, renamed or removed since their folder was synced, the first few or none. A daemon is started
on each such disk, and what was acknowledged before the moment has to be there, once, and all totals right in the end.
"""

import os
import random
import shutil
import struct
import time

import frames
import oracle
from storage_scenarios import SMALL, Series, faults

HEAD = struct.Struct("<cQQQHb")
PIECE = 512


def records(path):
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, moment, offset, length, name, follows = HEAD.unpack_from(data, at)
        at += HEAD.size
        file = data[at : at + name].decode()
        at += name
        content = data[at : at + length] if follows else bytes(length) if kind == b"w" else b""
        at += length if follows else 0
        yield kind.decode(), moment, file, offset, content


class Inode:
    def __init__(self):
        self.durable = bytearray()
        self.pending = []

    @staticmethod
    def apply(data, kind, offset, content):
        if kind == "t":
            del data[offset:]
            data.extend(bytes(offset - len(data)))
            return
        if len(data) < offset + len(content):
            data.extend(bytes(offset + len(content) - len(data)))
        data[offset : offset + len(content)] = content

    def sync(self):
        for change in self.pending:
            self.apply(self.durable, *change)
        self.pending = []

    def after_loss(self, dice):
        """What of it survives: pieces of what was not synced, each with the same luck."""
        data, luck = bytearray(self.durable), dice.choice((0, 0.2, 0.5, 0.9, 1))
        for kind, offset, content in self.pending:
            if kind == "t":
                if dice.random() < luck:
                    self.apply(data, kind, offset, content)
                continue
            for start in range(0, len(content), PIECE):
                if dice.random() < luck:
                    self.apply(data, "w", offset + start, content[start : start + PIECE])
        return data


class Disk:
    """Folders of names over inodes, as they are and as they are for certain."""

    def __init__(self, root):
        self.root = str(root)
        self.live, self.durable, self.pending = {}, {}, {}

    def play(self, kind, file, offset, content):
        if kind in "cur":
            folder = os.path.dirname(file)
            change = (kind, file, content[:-1].decode() if kind == "r" else Inode() if kind == "c" else None)
            self.rename(self.live, change)
            self.pending.setdefault(folder, []).append(change)
        elif kind == "s" and file in self.live:
            self.live[file].sync()
        elif kind == "s":
            for change in self.pending.pop(file, []):
                self.rename(self.durable, change)
        elif file in self.live:
            self.live[file].pending.append((kind, offset, content))

    @staticmethod
    def rename(names, change):
        kind, file, what = change
        if kind == "c":
            names[file] = what
        elif kind == "u":
            names.pop(file, None)
        elif file in names:
            names[what] = names.pop(file)

    def made(self, dice, parent, name):
        """A state directory as it may be when power is lost now."""
        folder = parent / f"after-{name}"
        for below in ("journal", "keys"):
            (folder / below).mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
        self.after_loss(dice, folder)
        shutil.copy(f"{self.root}/api-key", folder)
        return folder

    def after_loss(self, dice, folder):
        names = dict(self.durable)
        for changes in self.pending.values():
            for change in changes[: dice.choice((0, len(changes), dice.randrange(len(changes) + 1)))]:
                self.rename(names, change)
        for file, inode in names.items():
            if file.endswith("-shm") or "/api-key" in file:
                # Shared memory is gone after power loss; the key is written by calls that are not traced.
                continue
            path = folder / os.path.relpath(file, self.root)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(inode.after_loss(dice))


CONFIG = SMALL + "dedup_memory_keys = 100\n"


def lives(case, name, count, dice, *rules):
    """A journal over some lives, ended cleanly and by a crash in turn: its events, when they were acknowledged, what happened."""
    state, trace = case.folder / name, case.folder / f"{name}.trace"
    environment = {**faults(case, *rules), "PURSER_TRACE": f"{trace},{state}"}
    series, moments = Series(case, name), []
    for life in range(count):
        daemon = case.daemon(state=state, config=CONFIG, env=environment)
        client = frames.Client(daemon)
        for turn in range(30):
            batch = series.make(dice.choice((1, 5, 16)), padding=8000 if turn % 3 == 0 else 0)
            case.expect(series.send(daemon, batch, client), f"life {life}, turn {turn}")
            moments.append((time.monotonic_ns(), len(series.events)))
        daemon.call("GET", "/api/v1/client/margins?groupBy=day")
        client.close()
        if life % 2:
            daemon.kill()
        else:
            case.equal(daemon.stop(), 0, "exit status")
    return series, moments, list(records(trace))


def power_lost(case):
    points = int(os.environ.get("PURSER_POWER_LOSSES", "24"))
    seed = int(os.environ.get("PURSER_POWER_SEED", "1"))
    dice = random.Random(seed)
    series, moments, history = lives(case, "p", 3, dice)
    syncs = [index for index, record in enumerate(history) if record[0] == "s"]
    # Around syncs, where the interesting moments are, and anywhere.
    chosen = {0, len(history)}
    while len(chosen) < min(points, len(history)):
        chosen.add(max(0, dice.choice(syncs) + dice.randrange(-2, 3)) if dice.random() < 0.6 else dice.randrange(len(history)))
    disk = Disk(case.folder / "p")
    for index in range(len(history) + 1):
        if index in chosen:
            folder = disk.made(dice, case.folder, index)
            now = history[index][1] if index < len(history) else 2**63
            acknowledged = max((count for moment, count in moments if moment < now), default=0)
            daemon = case.daemon(state=folder, config=CONFIG)
            found = oracle.entries(case.tool("journal", "dump", "--state", folder).decode())
            what = f"seed {seed}, power lost after {index} of {len(history)} calls"
            # At most the batch that was in flight is there besides.
            case.expect(len(found) - acknowledged <= 16, f"{what}: {len(found)} events, {acknowledged} acknowledged")
            series.only_acknowledged(acknowledged)
            series.judge(daemon, what, margins=len(chosen) < 100 or index % 10 == 0)
            case.equal(daemon.stop(), 0, f"{what}: exit status")
            shutil.rmtree(folder)
            if case.problems:
                return
        if index < len(history):
            kind, _, file, offset, content = history[index]
            disk.play(kind, file, offset, content)
    # The judge itself: with a disk that says "synced" and does nothing, something acknowledged must be found missing.
    series, _, history = lives(case, "liar", 1, dice, "sync@.segment@5+=lie")
    disk = Disk(case.folder / "liar")
    for kind, _, file, offset, content in history:
        disk.play(kind, file, offset, content)
    left = []
    for number in range(8):
        folder = disk.made(dice, case.folder, f"liar{number}")
        left.append(len(oracle.entries(case.tool("journal", "dump", "--state", folder, status=None).decode())))
    case.expect(min(left) < len(series.acked), f"a disk that lies was not found out: {left}")
    print(f"  seed {seed}: {len(chosen)} disks after power loss among {len(syncs)} syncs, all exact; one that lies was found out")


SCENARIOS = {"power_lost": power_lost}
