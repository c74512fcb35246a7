"""Prices that change, and what past events count for afterwards: each total judged by the oracle with the rates of the day."""

import contextlib
import threading
import time
from decimal import Decimal

import load
import oracle
from durability_scenarios import remove_books
from harness import Closed, encode, eventually
from http_scenarios import refused
from workload import Workload

BASE = "/api/v1/client"
BATCH = BASE + "/events/batch"
GROUPS = (("customer",), ("model", "provider"), ("feature", "eventName"), ("day",), ("hour",))


@contextlib.contextmanager
def rates(**changes):
    """The oracle with other rates: `provider__model=(input, cached, output, write, hour)`, None for no price."""
    before = dict(oracle.RATES)
    try:
        for name, value in changes.items():
            key = tuple(part.replace("_", "-") for part in name.split("__"))
            if value is None:
                oracle.RATES.pop(key, None)
            else:
                oracle.RATES[key] = value
        yield
    finally:
        oracle.RATES.clear()
        oracle.RATES.update(before)


def send(case, daemon, workload, count):
    events = workload.events(count)
    for start in range(0, count, 1000):
        part = events[start : start + 1000]
        case.equal(daemon.call("POST", BATCH, part).data["recorded"], len(part), "a batch")
    return [oracle.read(encode(e)) for e in events]


def runs(daemon):
    return daemon.call("GET", BASE + "/reprices").data["items"]


def settled(daemon, count):
    """The runs, once there are `count` and none goes on."""
    return eventually(
        f"{count} runs", lambda: (lambda all: all if len(all) == count and all[0]["status"] != "running" else None)(runs(daemon))
    )


def total(events):
    return sum((oracle.cost_of(e) or Decimal(0) for e in events), Decimal(0))


DEAL = ("1", "0.25", "4", None, None)


def set_price(case, daemon, identifier, model, price, provider="openai"):
    body = {"id": identifier, "provider": provider, "model": model}
    body["rates"] = {"input": price[0] + "/M", "cacheRead": price[1] + "/M", "output": price[2] + "/M"}
    case.equal(daemon.call("POST", BASE + "/prices", body).status, 201, f"the price {identifier}")


def corrections(case):
    daemon = case.daemon()
    workload = Workload(31, customers=40)
    events = send(case, daemon, workload, 4000)
    load.compare_margins(case, daemon, events, GROUPS)

    # A price arrives: what had waited for it is priced, and nothing else changes.
    waiting = [e for e in events if oracle.cost_of(e) is None]
    set_price(case, daemon, "late", "gpt-none-such", DEAL)
    oracle.RATES[("openai", "gpt-none-such")] = DEAL
    first = settled(daemon, 1)[0]
    priced = [e for e in waiting if oracle.cost_of(e) is not None]
    case.equal(
        (first["kind"], first["events"], first["newlyPriced"], Decimal(first["costAfter"])),
        ("pricing", len(priced), len(priced), total(priced)),
        "the run of what had waited",
    )
    load.compare_margins(case, daemon, events, GROUPS)

    # A price was wrong: the preview says what applying it does, to the last digit.
    set_price(case, daemon, "deal", "gpt-4o", DEAL)
    load.compare_margins(case, daemon, events, GROUPS[:2])
    preview = daemon.call("POST", BASE + "/reprices", {"model": "gpt-4o"}).data
    before = total(events)
    with rates(openai__gpt_4o=DEAL):
        after = total(events)
    case.equal(Decimal(preview["costDifference"]), after - before, "the preview")
    load.compare_margins(case, daemon, events, GROUPS[:2])
    run = daemon.call("POST", BASE + "/reprices", {"model": "gpt-4o", "apply": True})
    case.equal(run.status, 201, "applying")
    case.equal(
        (run.data["events"], run.data["costDifference"]), (preview["changed"], preview["costDifference"]), "the run and its preview"
    )
    again = daemon.call("POST", BASE + "/reprices", {"model": "gpt-4o", "apply": True})
    case.equal((again.status, again.data["status"]), (200, "unchanged"), "the same once more")
    with rates(openai__gpt_4o=DEAL):
        load.compare_margins(case, daemon, events, GROUPS)
        daemon.kill()
        daemon = daemon.again()
        load.compare_margins(case, daemon, events, GROUPS)
        daemon.stop()
        remove_books(daemon.state)
        daemon = daemon.again()
        load.compare_margins(case, daemon, events, GROUPS)

    # Taken back: every figure is what it was, and both are to be read.
    identifier = run.data["id"]
    case.equal(daemon.call("DELETE", BASE + "/prices/deal").status, 200, "removing the price")
    back = daemon.call("POST", f"{BASE}/reprices/{identifier}/reverse")
    case.equal((back.status, back.data["events"]), (201, run.data["events"]), "taking back")
    refused(case, daemon.call("POST", f"{BASE}/reprices/{identifier}/reverse"), 409, "conflict", "taking back twice")
    load.compare_margins(case, daemon, events, GROUPS)
    one = next(
        e
        for e in events
        if (oracle.member(e, "costInput.modelProvider"), oracle.member(e, "costInput.model")) == ("openai", "gpt-4o")
        and "costAmount" not in e
        and (oracle.cost_of(e) or 0) > 0
    )
    item = daemon.call("GET", f"{BASE}/events/{one['eventIdempotencyKey']}").data
    case.equal([c["kind"] for c in item.get("corrections", [])], ["reprice", "reverse"], "the chain of corrections")
    case.equal(Decimal(item["costAmount"]), oracle.cost_of(one), "the cost after both")

    # Void: out of every sum, still there, its key still taken.
    gone = events[::300]
    for event in gone:
        path = f"{BASE}/events/{event['eventIdempotencyKey']}/void"
        case.equal(daemon.call("POST", path, {"reason": "sent by mistake"}).status, 200, "a void")
    refused(case, daemon.call("POST", path, {"reason": "again"}), 409, "conflict", "voiding twice")
    refused(case, daemon.call("POST", BASE + "/events/nobody/void", {"reason": "x"}), 404, "not_found", "voiding nothing")
    reply = daemon.call("POST", BASE + "/events", {"eventName": "other", "eventIdempotencyKey": gone[0]["eventIdempotencyKey"]})
    case.equal(reply.status, 409, "the key of a void event")
    item = daemon.call("GET", f"{BASE}/events/{gone[0]['eventIdempotencyKey']}").data
    case.equal((item.get("voided"), item.get("voidReason")), (True, "sent by mistake"), "a void event")
    kept = [e for e in events if e not in gone]
    load.compare_margins(case, daemon, kept, GROUPS)
    daemon.kill()
    remove_books(daemon.state)
    daemon = daemon.again()
    load.compare_margins(case, daemon, kept, GROUPS)
    case.expect(len(runs(daemon)) == 3, "the runs are remembered")
    oracle.RATES.pop(("openai", "gpt-none-such"), None)


def simulated(case):
    daemon = case.daemon()
    events = send(case, daemon, Workload(32, customers=10), 3000)
    cheaper = oracle.RATES[("openai", "gpt-4o-mini")]
    body = {"substitutions": [{"model": "gpt-4o", "provider": "openai", "asModel": "gpt-4o-mini"}], "groupBy": ["customer"]}
    data = daemon.call("POST", BASE + "/simulations", body).data
    with rates(openai__gpt_4o=cheaper):
        wanted, everything = oracle.totals(events, ["customer"])
    for item in data["items"]:
        case.equal(Decimal(item["simulatedCostAmount"]), wanted[(item.get("customerReferenceId"),)].cost, "a simulated customer")
    case.equal(Decimal(data["totals"]["simulatedCostAmount"]), everything.cost, "the simulated total")
    case.equal(Decimal(data["totals"]["costAmount"]), total(events), "the total beside it")
    text = '[[price]]\nid = "try"\nprovider = "openai"\nmodel = "gpt-4o"\nrates = { input = "1/M", cacheRead = "0.25/M", output = "4/M" }\n'
    data = daemon.call("POST", BASE + "/simulations", {"pricesToml": text, "model": "gpt-4o", "groupBy": ["day"]}).data
    chosen = [e for e in events if oracle.member(e, "costInput.model") == "gpt-4o"]
    with rates(openai__gpt_4o=DEAL):
        case.equal(Decimal(data["totals"]["simulatedCostAmount"]), total(chosen), "simulated prices")
    load.compare_margins(case, daemon, events)
    refused(case, daemon.call("POST", BASE + "/simulations", {"pricesToml": "[[price]]\nid = 7"}), 400, "invalid_prices", "bad prices")


def reprice_killed(case):
    """A run cut short by a crash: what it corrected counts, the rest is as it was, and asking again does the rest."""
    daemon = case.daemon()
    events = send(case, daemon, Workload(33, customers=40), 10_000)
    set_price(case, daemon, "deal", "gpt-4o", DEAL)
    outcomes = []
    for pause in (0.02, 0.08, 0.2):

        def apply(target=daemon):
            with contextlib.suppress(Closed, OSError):
                outcomes.append(target.call("POST", BASE + "/reprices", {"apply": True}).status)

        thread = threading.Thread(target=apply)
        thread.start()
        time.sleep(pause)
        daemon.kill()
        thread.join(20)
        daemon = daemon.again()
        case.expect(all(r["status"] in ("applied", "interrupted") for r in runs(daemon)), f"runs after a crash: {runs(daemon)}")
        dump = case.tool("journal", "dump", "--state", daemon.state)
        difference = Decimal(0)
        for entry in map(oracle.read, dump.splitlines()):
            if entry["fact"] == "correction":
                difference += Decimal(entry["after"].get("costAmount", 0)) - Decimal(entry["before"].get("costAmount", 0))
        totals = daemon.call("GET", BASE + "/margins?groupBy=month").data["totals"]
        case.equal(Decimal(totals["costAmount"]), total(events) + difference, "totals are the events and the corrections")
    last = daemon.call("POST", BASE + "/reprices", {"apply": True})
    case.expect(last.status in (200, 201), f"the rest: {last.status}")
    with rates(openai__gpt_4o=DEAL):
        load.compare_margins(case, daemon, events, GROUPS)


SCENARIOS = {"corrections": corrections, "simulated": simulated, "reprice_killed": reprice_killed}
