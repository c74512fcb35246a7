"""`purser` as a person uses it: prices of one's own, corrections and simulations, against what the daemon says over HTTP."""

import datetime
import json
import os
import pty
import re
import select
import subprocess
from decimal import Decimal

from event_scenarios import readme_block
from harness import decode, eventually
from http_scenarios import event
from price_scenarios import BASE, settled

EVENTS = BASE + "/events"


def used(key, model, provider="openai", feature=None, **usage):
    given = {"inputTokens": 1200, "outputTokens": 300, "modelProvider": provider, "model": model, **usage}
    return event(
        eventIdempotencyKey=key, customerReferenceId="cust-42", featureKey=feature, revenueAmount="0.01", costInput=given,
        occurredAt="2026-11-20T10:00:00Z",
    )


def record(case, daemon, sent):
    reply = daemon.call("POST", EVENTS, sent)
    case.equal(reply.status, 201, f"recording {sent}")
    return reply.data


def total(daemon):
    return daemon.call("GET", BASE + "/margins?groupBy=month").data["totals"]


def prices_of_the_readme(case):
    """The README's section on prices, as it stands, in a shell."""
    daemon = case.daemon()
    for key, model in (("chat-7f0c", "gpt-4o"), ("chat-7f0d", "gpt-4o-mini"), ("chat-7f0e", "acme-llm-7b")):
        record(case, daemon, used(key, model))
    purser = f'purser() {{ "{case.binaries}/purser" --to "unix:{daemon.socket}" "$@"; }}\n'
    shell = subprocess.run(
        ["sh", "-euc", purser + readme_block("sh", "purser reprice")],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False,
    )
    case.equal(shell.returncode, 0, f"the commands: {shell.stdout[-3000:]}{shell.stderr[-2000:]}")
    for words in ("acme-llm-7b", "Nothing was changed. To do it:", "Run 2: 2 events", "Run 3 took run 2 back", "VOID"):
        case.expect(words in shell.stdout, f"{words!r} is not in {shell.stdout}")
    listed = daemon.call("GET", BASE + "/reprices").data["items"]
    became = [(r["kind"], r["status"]) for r in listed]
    case.equal(became, [("reverse", "applied"), ("reprice", "reversed"), ("pricing", "applied")], "runs")
    # 0.0060 of gpt-4o and 0.00105 of acme-llm-7b; chat-7f0d is void.
    case.equal((total(daemon)["costAmount"], total(daemon)["events"]), (Decimal("0.00705"), 2), "what is left")


def prices_by_the_tool(case):
    """What `purser price` says is what the daemon books, whatever the price; and a price set is the price sent."""
    daemon = case.daemon()

    def tool(*arguments, status=0):
        return case.tool(*arguments, daemon=daemon, status=status)

    tool("prices", "set", "rates", "--model", "gpt-4o", "--rate", "input=2.125/M", "--rate", "output=8.5/M", "--rate", "cacheRead=1/M",
         "--tier", "batch:input=1/M,output=4/M", "--tier", "standard:above=1000000,input=9/M,output=9/M")
    tool("prices", "set", "off", "--provider", "anthropic", "--discount", "12.34")
    tool("prices", "set", "unit", "--feature", "lookup", "--per-unit", "0.0000001234567")
    tool("prices", "set", "old", "--model", "gpt-5.5", "--rate", "input=7/M", "--until", "2026-11-01")
    own = daemon.call("GET", BASE + "/prices").data["own"]
    case.equal([p["id"] for p in own], ["rates", "off", "unit", "old"], "the prices there are")
    table = [
        ("gpt-4o", "openai", None, {"cacheReadTokens": 1000}),
        ("gpt-4o", "openai", None, {"serviceTier": "batch"}),
        ("gpt-4o", "openai", None, {"inputTokens": 1_000_001}),
        ("openai/gpt-4o-2024-08-06", None, None, {}),
        ("claude-opus-4-6", "anthropic", None, {"cacheReadTokens": 333, "cacheWriteTokens": 77}),
        ("claude-opus-4-6", "anthropic", "lookup", {}),
        ("gpt-5.5", "openai", None, {}),
        ("gemini-2.5-pro", "google", None, {"outputTokens": 12345, "reasoningTokens": 1000}),
        ("no-such-model", "openai", None, {}),
        ("no-such-model", "openai", "lookup", {}),
    ]
    options = {"inputTokens": "--input", "outputTokens": "--output", "cacheReadTokens": "--cache-read", "cacheWriteTokens": "--cache-write",
               "reasoningTokens": "--reasoning", "serviceTier": "--tier"}
    for index, (model, provider, feature, usage) in enumerate(table):
        sent = used(f"k{index}", model, provider, feature, **usage)
        booked = record(case, daemon, sent)
        words = ["--at", sent["occurredAt"], "--json"]
        for name, value in sent["costInput"].items():
            if name in options:
                words += [options[name], str(value)]
        words += ["--model", model] + (["--provider", provider] if provider else []) + (["--feature", feature] if feature else [])
        quote = decode(tool("price", *words, status=None).strip())
        what = f"{model} by {provider} for {feature} with {usage}"
        case.equal(quote.get("costAmount"), booked.get("costAmount"), what)
        if "costAmount" in booked:
            case.equal(quote["priceDetail"].split("|")[0], booked["priceSource"], what)
            amounts = [Decimal(str(line["amount"])) for line in quote["lines"]]
            for line, amount in zip(quote["lines"], amounts):
                case.equal(amount, Decimal(str(line["count"])) * Decimal(str(line["rate"])), f"{what}: {line}")
            case.equal(sum(amounts), Decimal(str(quote["sumAmount"])), f"{what}: the sum")
            case.expect(abs(sum(amounts) - Decimal(str(quote["costAmount"]))) <= Decimal("5e-13"), f"{what}: rounded once")
    case.expect(b"no-such-model" in tool("prices", "unpriced"), "unpriced models")
    shown = tool("prices", "list", "--own").decode()
    for words in ("12.34% off", "0.0000001234567 a unit", "until 2026-11-01", "input 2.125, output 8.5, cacheRead 1; 2 more"):
        case.expect(words in shown, f"{words!r} is not in {shown}")
    tool("prices", "remove", "off")
    tool("prices", "remove", "off", status=1)
    tool("prices", "set", "x", "--model", "gpt-4o", "--rate", "input=-1", status=1)
    # Another catalogue in force is the tool's too.
    bundle = daemon.call("GET", BASE + "/prices/catalogue").body.decode()
    version = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d-00000000")
    later = re.sub(r"^version \S+$", f"version {version}", bundle, flags=re.M)
    reply = daemon.call("PUT", BASE + "/prices/catalogue", later, {"Content-Type": "text/plain"})
    case.equal(reply.status, 200, "another catalogue")
    quote = decode(tool("price", "--model", "gpt-5.5", "--provider", "openai", "--input", "9", "--json").strip())
    case.expect(quote["priceDetail"].startswith(f"catalogue:{version}:openai/gpt-5.5|"), f"the loaded catalogue: {quote}")
    case.equal(quote["prices"], {"from": "daemon", "version": version}, "whose prices")


def at_a_terminal(case, daemon, answer, *arguments):
    """Runs `purser` on a terminal of its own and answers its question: (exit status, what it showed)."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="dumb", LANG="C.UTF-8")
        os.execv(case.binaries / "purser", ["purser", "--to", f"unix:{daemon.socket}", *arguments])
    shown = b""
    answered = False
    try:
        while select.select([terminal], [], [], 60)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
            if not answered and b"[y/N]" in shown:
                os.write(terminal, answer.encode() + b"\n")
                answered = True
    finally:
        os.close(terminal)
        _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def corrections_by_the_tool(case):
    """A person is shown what will change and asked; `no` changes nothing; the data is the daemon's as it is."""
    daemon = case.daemon()
    for index in range(20):
        record(case, daemon, used(f"k{index}", "gpt-4o", "openai" if index % 2 else None))
    case.tool("prices", "set", "deal", "--model", "gpt-4o", "--rate", "input=1/M", "--rate", "output=4/M", daemon=daemon)
    before = total(daemon)["costAmount"]

    said = decode(case.tool("reprice", "--json", daemon=daemon).strip())
    asked = daemon.call("POST", BASE + "/reprices", {}).data
    said.pop("freshAsOf"), asked.pop("freshAsOf")
    case.equal(said, asked, "the preview")
    status, shown = at_a_terminal(case, daemon, "n", "reprice", "--apply")
    case.equal(status, 1, "declined")
    case.expect(str(asked["costDifference"]) in shown and "Correct 20 events?" in shown, f"the preview is not in {shown}")
    runs = daemon.call("GET", BASE + "/reprices").data["items"]
    case.equal((total(daemon)["costAmount"], runs), (before, []), "nothing was changed")
    status, shown = at_a_terminal(case, daemon, "y", "reprice", "--apply")
    case.equal(status, 0, f"agreed: {shown}")
    case.equal(total(daemon)["costAmount"], before + asked["costDifference"], "applied")
    run = settled(daemon, 1)[0]
    status, shown = at_a_terminal(case, daemon, "", "reprice", "--reverse", str(run["id"]))
    case.equal(status, 1, "an empty line is no")
    case.equal(decode(case.tool("reprice", "--list", "--json", daemon=daemon))["items"], [run], "the runs")
    case.tool("reprice", "--reverse", run["id"], daemon=daemon)
    case.equal(total(daemon)["costAmount"], before, "taken back")
    case.tool("reprice", "--reverse", run["id"], daemon=daemon, status=1)

    arguments = ("simulate", "--as-if", "gpt-4o=gpt-4o-mini", "--by", "provider,day", "--customer", "cust-42", "--json")
    said = decode(case.tool(*arguments, daemon=daemon).strip())
    body = {
        "substitutions": [{"model": "gpt-4o", "asModel": "gpt-4o-mini"}], "groupBy": ["provider", "day"], "customerReferenceId": "cust-42",
    }
    asked = daemon.call("POST", BASE + "/simulations", body).data
    said.pop("freshAsOf"), asked.pop("freshAsOf")
    case.equal(said, asked, "the simulation")

    status, shown = at_a_terminal(case, daemon, "no", "void", "k3", "--reason", "a test")
    case.equal((status, total(daemon)["events"]), (1, 20), "not voided")
    status, shown = at_a_terminal(case, daemon, "yes", "void", "k3", "--reason", "a test")
    case.equal((status, total(daemon)["events"]), (0, 19), f"voided: {shown}")
    case.tool("void", "k3", "--reason", "again", daemon=daemon, status=1)
    case.tool("void", "k99", "--reason", "x", daemon=daemon, status=1)
    item = daemon.call("GET", EVENTS + "/k3").data
    case.equal([c["kind"] for c in item["corrections"]], ["reprice", "reverse", "void"], "the history")
    case.equal(json.loads(case.tool("events", "show", "k3", "--json", daemon=daemon))["voidReason"], "a test", "the reason")
    case.expect("VOID" in case.tool("events", "show", "k3", daemon=daemon).decode(), "the event shows it")
    listed = case.tool("events", "--limit", "20", daemon=daemon).decode()
    case.equal(listed.count("repriced 2 times"), 19, f"the list shows it: {listed}")
    eventually("margins without it", lambda: total(daemon)["events"] == 19)


SCENARIOS = {
    "prices_of_the_readme": prices_of_the_readme,
    "prices_by_the_tool": prices_by_the_tool,
    "corrections_by_the_tool": corrections_by_the_tool,
}
