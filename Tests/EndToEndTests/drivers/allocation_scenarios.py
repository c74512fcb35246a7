"""Memory that is asked for per event, against a budget: after warm-up the data path asks for none.

`counted_memory.c` is put between the daemon and malloc, so what is counted is the binary as it is. The budgets stand in
`allocations.json`: allocations of the loop's thread for one message of each kind. Whoever needs more than is there has to write
it down; whoever needs much less is told to. What is promised is said of a release build. A debug build asks for memory where an
optimised one does not, about once an event; its budget only notices what is new.
"""

import json
import shutil
import struct
import subprocess
import uuid

import frames
import oracle
from harness import HERE, Skip, encode

BUDGET = HERE / "allocations.json"
WARM, STRETCHES, MESSAGES = 300, 5, 150


def counting(case):
    """The environment in which a daemon counts, and how to read the loop's count."""
    library, counts = case.folder / "counted_memory.so", case.folder / "counts"
    compiler = next((found for found in map(shutil.which, ("cc", "clang", "gcc")) if found), None)
    if compiler is None:
        raise Skip("there is no C compiler")
    source = HERE / "counted_memory.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library), "PURSER_ALLOCATIONS": str(counts)}, lambda: struct.unpack("<QQ", counts.read_bytes())[1]


def one(number):
    return {
        "eventName": "counted",
        "eventIdempotencyKey": str(uuid.uuid5(uuid.NAMESPACE_OID, f"counted-{number}")),
        "occurredAt": "2026-09-21T12:00:00Z",
        "customerReferenceId": f"customer-{number % 50}",
        "model": "gpt-4o",
        "modelProvider": "openai",
        "usageUnits": "1200",
    }


def allocations(case):
    """Allocations of the loop for each message, after warm-up, are within the budget."""
    environment, loop = counting(case)
    daemon = case.daemon(env=environment)
    client = frames.Client(daemon)
    made = 0

    def batch(size):
        nonlocal made
        made += size
        return [one(n) for n in range(made - size, made)]

    def frame(size):
        answer = client.record([oracle.read(encode(e)) for e in batch(size)])
        case.equal((answer.kind, answer.results), (frames.EVENTS_REPLY, {}), "all recorded")

    def pipelined():
        requests = []
        for event in batch(32):
            client.request += 1
            requests.append(frames.events([oracle.read(encode(event))], client.request))
        client.send(b"".join(requests))
        for _ in requests:
            case.equal(client.answer().kind, frames.EVENTS_REPLY, "answer")

    kinds = {
        "frame of 1 event": lambda: frame(1),
        "frame of 100 events": lambda: frame(100),
        "32 frames of 1 event at once": pipelined,
    }
    build = "debug" if case.binaries.resolve().name == "debug" else "release"
    budget = json.loads(BUDGET.read_text())[build]
    case.equal(set(budget), set(kinds), "kinds of messages")
    for kind, send in kinds.items():
        for _ in range(WARM):
            send()
        # What the loop does once a second, whoever sends, falls on few messages where the host is busy: the least of several stretches
        # is what a message takes.
        stretches = []
        for _ in range(STRETCHES):
            before = loop()
            for _ in range(MESSAGES):
                send()
            stretches.append((loop() - before) / MESSAGES)
        each = min(stretches)
        print(f"  {kind}: {each:.2f} allocations, budget {budget[kind]}")
        case.expect(each <= budget[kind], f"{kind}: {each:.2f} allocations, the budget is {budget[kind]}")
        case.expect(each >= budget[kind] / 4 - 0.5, f"{kind}: {each:.2f} allocations: lower the budget of {budget[kind]}")
    client.close()
    case.equal(daemon.stop(), 0, "exit status")


SCENARIOS = {"allocations": allocations}
