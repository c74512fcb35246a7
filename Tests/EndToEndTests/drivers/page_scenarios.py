"""The page, by a browser: the first five minutes of somebody who has just started the daemon, every figure against the oracle."""

import csv
import io
import json
import shutil
import subprocess
import sys
import time
from decimal import Decimal

import oracle
from browser import PAGES, Browser, address, decimal_of
from harness import ROOT, decode, encode, eventually

BASE = "/api/v1/client"
HOSTILE = [
    "<img src=x onerror=\"window.hostile='image'\">",
    "</script><script>window.hostile='script'</script>",
    "\"><svg onload=\"window.hostile='svg'\">",
    "javascript:window.hostile='link'",
    "=HYPERLINK(\"http://127.0.0.1\")",
    "{{7*7}} ${7*7} \u202egnp.exe",
]
# What the client library is made of.
SWIFT_ROOMS = ("Client", "Frames", "Core", "CHash", "CVersion")
NEW_MODEL = "acme-llm-7b"
NEW_RATE = ("0.50", None, "1.50", None, None)


def events_of_the_story():
    """A profitable crowd, one customer that loses money on one model, one model without a price, hostile names."""
    for index in range(60):
        yield {
            "eventName": "chat.completion",
            "eventIdempotencyKey": f"good-{index}",
            "customerReferenceId": f"cust-{index % 6}",
            "featureKey": "ai.chat" if index % 3 else "search",
            "revenueAmount": f"0.0{index + 11}",
            "costInput": {"model": "gpt-4o-mini", "modelProvider": "openai", "inputTokens": 1200 + 7 * index, "outputTokens": 300 + index},
        }
    for index in range(7):
        yield {
            "eventName": "chat.completion",
            "eventIdempotencyKey": f"loss-{index}",
            "customerReferenceId": "globex",
            "featureKey": "ai.agents",
            "revenueAmount": "0.01",
            "costInput": {"model": "gpt-4o", "modelProvider": "openai", "inputTokens": 90_000 + index, "outputTokens": 4_000},
        }
    for index in range(5):
        yield {
            "eventName": "chat.completion",
            "eventIdempotencyKey": f"new-{index}",
            "customerReferenceId": "cust-1",
            "featureKey": "ai.chat",
            "revenueAmount": "0.05",
            "costInput": {"model": NEW_MODEL, "modelProvider": "acme", "inputTokens": 10_001 + index, "outputTokens": 1_003},
        }
    for index, name in enumerate(HOSTILE):
        yield {
            "eventName": name,
            "eventIdempotencyKey": f"hostile-{index}",
            "customerReferenceId": name,
            "featureKey": name,
            "revenueAmount": "0.000000000001",
            "meta": {"note": name, "digits": 1.5},
            "costInput": {"model": name[:64], "modelProvider": "nobody", "inputTokens": 3},
        }


def figures(browser):
    """The figures at the top of a page: (cost, revenue, margin)."""
    texts = browser.run("return [...document.querySelectorAll('.cards .figure')].slice(0, 3).map((one) => one.textContent)")
    return tuple(decimal_of(text) for text in texts)


def shows(browser, events, what, **members):
    """Waits until the figures at the top are the oracle's for these events."""
    chosen = [e for e in events if all(oracle.member(e, path) == value for path, value in members.items())]
    _, sums = oracle.totals(chosen, ())
    wanted = (sums.cost, sums.revenue, sums.revenue - sums.cost)
    last = []

    def same():
        last[:] = [figures(browser)] if browser.all(".cards .figure") else []
        return last == [wanted]

    try:
        eventually(what, same, seconds=12)
    except AssertionError:
        browser.case.equal(last, [wanted], what)
    return sums


def rows(browser, panel):
    """The cells of a table's body and foot, as they are read."""
    script = """return [...document.querySelectorAll(`#panel-${arguments[0]} tbody tr, #panel-${arguments[0]} tfoot tr`)]
        .map((line) => [...line.cells].map((cell) => cell.textContent.trim()))"""
    return browser.wait_for(f"the table {panel}", f"const rows = (() => {{ {script} }})(); return rows.length ? rows : null", panel)


def story(case):
    daemon = case.daemon()
    with Browser(case) as browser:
        sent = first_event(case, daemon, browser)
        sent += arriving(case, daemon, browser, len(sent))
        losing_customer(case, browser, sent)
        unpriced_model(case, browser, sent)
        voided(case, browser, sent)
        same_as_the_tool(case, daemon, browser, sent)
        exported(case, daemon, browser, sent)
        keyboard(case, browser)
        everywhere(case, daemon, browser)
        case.equal(browser.run("return window.hostile ?? null"), None, "a hostile name ran")
        browser.clean_console()


def first_event(case, daemon, browser):
    """Signs in, makes a key, runs the snippet as it is copied; the overview turns up by itself."""
    browser.open(address(daemon) + "/")
    key = browser.one("input[name=key]")
    browser.type(key, daemon.key)
    browser.click(browser.named("button", "Sign in"))
    browser.settled("/overview")
    case.expect("Three steps" in browser.text("main"), "a fresh daemon says how the first event gets there")
    paint = browser.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    browser.run("performance.setResourceTimingBufferSize(20000)")
    browser.go("/sources")
    browser.click(browser.named("button", "Make a key"))
    browser.type(browser.one("dialog input[type=text]"), "snippet")
    browser.click(browser.named("dialog button", "Make the key"))
    made = browser.text("#new-key")
    case.expect(made.startswith("sk_live_") and len(made) == 40, f"a key: {made!r}")
    browser.click(browser.named("dialog button", "I have it"))
    texts = {}
    for language in ("Swift", "Python", "Node", "curl"):
        browser.click(browser.named("[role=tab]", language))
        texts[language] = browser.text("#snippet code")
        case.expect(made in texts[language], f"the snippet for {language} has the key that was just made")
        case.expect(f"127.0.0.1:{daemon.port}" in texts[language], f"the snippet for {language} has this daemon's address")
    browser.go("/overview")
    reply = subprocess.run(["sh", "-c", texts["curl"]], capture_output=True, check=True, timeout=20)
    answered = time.monotonic()
    browser.wait_for("the first event on the overview", "return document.querySelector('.cards .figure') !== null", seconds=10)
    print(f"  first paint {paint:.0f} ms; the first event was shown {time.monotonic() - answered:.2f} s after its answer")
    data = decode(reply.stdout)["data"]
    item = daemon.call("GET", f"{BASE}/events/{data['eventIdempotencyKey']}").data
    event = {"customerReferenceId": "cust-42", "featureKey": "ai.chat", "revenueAmount": Decimal("0.01"), "occurredAt": item["occurredAt"]}
    event["costInput"] = {"model": "gpt-4o-mini", "modelProvider": "openai", "inputTokens": Decimal(1200), "outputTokens": Decimal(300)}
    sent = [event]
    shows(browser, sent, "the figures of the first event")
    for language in ("Node", "Python", "Swift"):
        said = run_snippet(case, language, texts[language])
        if said is None:
            print(f"  the snippet for {language} was not run: there is no compiler or no module to compile it with")
            continue
        case.expect("0.00036" in said, f"the snippet for {language} shows the cost: {said}")
        sent.append(event)
        shows(browser, sent, f"the figures with the event of the snippet for {language}")
    return sent


def run_snippet(case, language, text):
    """Runs a snippet as it is copied; what it printed, or None when this machine cannot."""
    if language == "Node":
        command = ["node", "--input-type=module", "-e", text]
    elif language == "Python":
        command = [sys.executable, "-c", text]
    else:
        command = compiled(case, text)
    if command is None or shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    case.expect(done.returncode == 0, f"the snippet for {language} failed: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode()


def compiled(case, text):
    """The Swift snippet as a program, from the modules of the build under test."""
    if not (case.binaries / "Modules" / "Client.swiftmodule").exists() or shutil.which("swiftc") is None:
        return None
    source, program = case.folder / "main.swift", case.folder / "snippet"
    source.write_text(text)
    maps = [case.binaries / f"{room}.build" / "module.modulemap" for room in SWIFT_ROOMS] + [ROOT / "Sources/CSodium/module.modulemap"]
    flags = [word for one in maps if one.exists() for word in ("-Xcc", f"-fmodule-map-file={one}")]
    objects = [str(one) for room in SWIFT_ROOMS for one in sorted((case.binaries / f"{room}.build").glob("**/*.o"))]
    command = ["swiftc", "-I", str(case.binaries / "Modules"), *flags, str(source), *objects, "-lsodium", "-lxxhash", "-o", str(program)]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120)
    case.expect(made.returncode == 0, f"the Swift snippet does not compile: {made.stderr.decode()[-3000:]}")
    return [str(program)] if made.returncode == 0 else None


def arriving(case, daemon, browser, before):
    """Events are seen on the live page within a second of their answer, and a pause holds them back."""
    browser.go("/events")
    browser.wait_for("the stream", "return document.getElementById('stream-state').textContent.startsWith('Live')")
    events = list(events_of_the_story())
    best = 60.0
    for index in range(3):
        daemon.call("POST", BASE + "/events", events[index])
        answered = time.monotonic()
        seen = "return [...document.querySelectorAll('#panel-events tbody a')].some((one) => one.href.includes(arguments[0]))"
        browser.wait_for("a live event", seen, "event=" + events[index]["eventIdempotencyKey"])
        best = min(best, time.monotonic() - answered)
    case.expect(best < 1, f"an event was seen {best:.2f} s after its answer")
    print(f"  a live event was seen {best:.2f} s after its answer")
    browser.click(browser.named("button", "Pause"))
    case.equal(daemon.call("POST", BASE + "/events/batch", events[3:]).data["recorded"], len(events) - 3, "the rest")
    browser.wait_for("what waits", "return /[1-9][0-9]* waiting/.test(document.getElementById('stream-state').textContent)")
    case.equal(len(rows(browser, "events")), before + 3, "events shown while it is paused")
    browser.click(browser.named("button", "Go on"))
    body = {"customerReferenceId": HOSTILE[0], "email": "x@example.com", "firstName": HOSTILE[1][:100], "lastName": "<b>B</b>"}
    case.equal(daemon.call("POST", BASE + "/customers", body).status, 201, "registering a hostile name")
    names = {"customerReferenceId": "globex", "email": "ann@globex.example", "firstName": "Ann", "lastName": "Globex"}
    case.equal(daemon.call("POST", BASE + "/customers", names).status, 201, "registering a customer")
    return [oracle.read(encode({**e, "occurredAt": "2026-01-01T00:00:00Z"})) for e in events]


def losing_customer(case, browser, sent):
    browser.go("/overview?period=24h")
    sums = shows(browser, sent, "the overview")
    table = rows(browser, "margin-by-customer")
    case.expect("Ann Globex" in table[0][0] and "Loss" in table[0][0], f"the worst customer comes first, marked: {table[0]}")
    groups, _ = oracle.totals(sent, ("customer",))
    loss = groups[("globex",)]
    case.equal([decimal_of(table[0][i]) for i in (2, 3, 4)], [loss.cost, loss.revenue, loss.revenue - loss.cost], "the losing customer")
    for panel, cost in (("margin-by-customer", 2), ("cost-by-model", 2), ("cost-by-provider", 2)):
        case.equal(decimal_of(rows(browser, panel)[-1][cost]), sums.cost, f"the total of {panel}")
    color = "return getComputedStyle(document.querySelector('#panel-margin-by-customer tbody .negative')).color"
    case.equal(browser.run(color), "rgb(179, 38, 30)", "a negative margin is red")
    browser.click(browser.named("#panel-margin-by-customer tbody a", "Ann Globex"))
    browser.settled("/customers/globex")
    case.expect("period=24h" in browser.driver.current_url, "the period is kept in the address")
    shows(browser, sent, "the customer's page", customerReferenceId="globex")
    by_model = rows(browser, "of-customer-model")
    case.expect("gpt-4o" in by_model[0][0] and "Loss" in by_model[0][0], f"why: {by_model}")
    browser.click(browser.one("#panel-recent tbody a"))
    eventually("the drawer", lambda: len(browser.all("dialog.drawer table.lines tbody tr")) == 2)
    drawer = browser.run("return document.querySelector('dialog.drawer table.lines').textContent")
    case.expect("inputTokens" in drawer and "outputTokens" in drawer, f"the price, line by line: {drawer}")
    key = browser.run("return new URL(location.href).searchParams.get('event')")
    event = next(e for e in sent if e.get("eventIdempotencyKey") == key)
    shown = browser.text("dialog.drawer table.lines tfoot td:last-child")
    case.equal(decimal_of(shown), oracle.cost_of(event), "the sum of the lines is the cost")


def unpriced_model(case, browser, sent):
    browser.driver.switch_to.active_element.send_keys("\ue00c")  # Escape
    eventually("the drawer closed", lambda: not browser.all("dialog"))
    browser.go("/overview?period=24h")
    browser.click(browser.named(".fixes a", f"Set a price for {NEW_MODEL}"))
    browser.settled("/prices/own")
    form = "return [...document.querySelectorAll('dialog input[type=text]')].map((one) => one.value)"
    case.expect({"acme", NEW_MODEL} <= set(browser.wait_for("the form", form)), "the form knows the model")
    for label, value in (("Input, $ per million", NEW_RATE[0]), ("Output, $ per million", NEW_RATE[2])):
        field = browser.run("return document.getElementById(arguments[0].htmlFor)", browser.named("dialog label", label))
        browser.type(field, value)
    browser.click(browser.named("dialog button", "Set the price"))
    oracle.RATES[("acme", NEW_MODEL)] = NEW_RATE
    try:
        priced = sum((oracle.cost_of(e) for e in sent if oracle.member(e, "costInput.model") == NEW_MODEL), Decimal(0))
        read = "const said = document.getElementById('priced')?.textContent; return /event.* that had no price/.test(said) && said"
        said = browser.wait_for("what it did", read)
        wanted = f"5 events that had no price have one now: cost ${priced.normalize():f}."
        case.expect(wanted in said.replace(",", ""), f"what the price did: {said}, wanted {wanted}")
        browser.click(browser.named("dialog button", "Done"))
        browser.go("/overview?period=24h")
        shows(browser, sent, "the overview with the new price")
    finally:
        del oracle.RATES[("acme", NEW_MODEL)]
    oracle.RATES[("acme", NEW_MODEL)] = NEW_RATE


def voided(case, browser, sent):
    """An event is taken out with a reason, and the totals are without it."""
    browser.go("/events?period=24h&event=loss-0")
    browser.click(browser.named("dialog.drawer button", "Void this event"))
    browser.type(browser.one("dialog.box input"), "sent twice by a test")
    browser.click(browser.named("dialog.box button", "Void it"))
    said = "return document.querySelector('dialog.drawer .notice')?.textContent.includes('sent twice by a test')"
    browser.wait_for("the drawer says so", said)
    browser.driver.switch_to.active_element.send_keys("\ue00c")
    sent[:] = [e for e in sent if e.get("eventIdempotencyKey") != "loss-0"]
    browser.go("/overview?period=24h")
    shows(browser, sent, "the overview without the void event")


def same_as_the_tool(case, daemon, browser, sent):
    """The page and `purser margins` over the same range say the same, to the last digit."""
    browser.go("/overview?period=custom&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z")
    sums = shows(browser, sent, "everything there ever was")
    members = ("costAmount", "revenueAmount", "marginAmount")
    for by, panel in (("customer", "margin-by-customer"), ("model,provider", "cost-by-model"), ("provider", "cost-by-provider")):
        told = decode(case.tool("margins", "--by", by, "--json", daemon=daemon))
        told = told.get("data", told)
        case.equal([told["totals"][m] for m in members], [sums.cost, sums.revenue, sums.revenue - sums.cost], f"purser margins --by {by}")
        for more in browser.all(f"#panel-{panel} .more button"):
            browser.click(more)
        table = rows(browser, panel)
        columns = [2, 4, 5] if panel != "margin-by-customer" else [2, 3, 4]
        case.equal([decimal_of(table[-1][i]) for i in columns], [told["totals"][m] for m in members], f"the total of {panel}")
        # A cost that nobody knows is a dash, and adds nothing.
        shown = sorted(tuple(decimal_of("0" if line[i].startswith("\u2013") else line[i]) for i in columns) for line in table[:-1])
        case.equal(shown, sorted(tuple(item[m] for m in members) for item in told["items"]), f"the rows of {panel}")
    browser.go("/overview?period=24h")


def exported(case, daemon, browser, sent):
    groups, _ = oracle.totals(sent, ("customer",))
    links = browser.run(
        """return Object.fromEntries([...document.querySelectorAll("#panel-margin-by-customer .exports a")]
            .map((one) => [one.textContent, one.getAttribute("href")]))"""
    )
    status, kind, text = browser.fetch(links["CSV"])
    case.equal((status, kind.split(";")[0]), (200, "text/csv"), "margins as CSV")
    lines = list(csv.DictReader(io.StringIO(text)))
    got = {line["customerReferenceId"]: Decimal(line["costAmount"]) for line in lines}
    case.equal(got.get("globex"), groups[("globex",)].cost, "a cost in the CSV")
    case.equal(sum(got.values()), sum(group.cost for group in groups.values()), "the sum of the CSV")
    case.expect(all(not line[:1] == "=" for line in got), "a formula in the CSV")
    status, kind, text = browser.fetch(links["NDJSON"])
    case.equal((status, kind.split(";")[0]), (200, "application/x-ndjson"), "margins as NDJSON")
    items = [decode(line) for line in text.splitlines()]
    case.equal(sum(Decimal(item["costAmount"]) for item in items), sum(group.cost for group in groups.values()), "the sum of the NDJSON")
    browser.settled("/overview")
    browser.click(browser.named(".chart button", "PNG"))
    picture = browser.downloaded("trend.png")
    case.expect(picture.startswith(b"\x89PNG\r\n") and len(picture) > 2000, f"a chart as PNG: {len(picture)} bytes")


def keyboard(case, browser):
    from selenium.webdriver.common.keys import Keys

    active = "return document.activeElement.id || document.activeElement.tagName"
    browser.run("document.activeElement.blur()")
    body = browser.one("body")
    body.send_keys("/")
    case.equal(browser.run(active), "jump-input", "the key / leads to the search")
    browser.one("#jump-input").send_keys("globex")
    browser.wait_for("what was found", "return document.querySelector('#jump-results a')?.textContent.includes('globex')")
    browser.one("#jump-input").send_keys(Keys.ENTER)
    browser.settled("/customers/globex")
    case.equal(browser.run(active), "H1", "a new page begins at its heading")
    opener = browser.one("#panel-recent tbody a")
    browser.run("arguments[0].focus()", opener)
    opener.send_keys(Keys.ENTER)
    browser.wait_for("the drawer", "return document.querySelector('dialog.drawer .pairs') !== null")
    for _ in range(40):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        inside = browser.run("return document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
        if not case.expect(inside, "the focus left the drawer"):
            break
    browser.one("dialog.drawer h2").send_keys(Keys.ESCAPE)
    eventually("Escape closes the drawer", lambda: not browser.all("dialog"))
    case.equal(browser.run("return document.activeElement.closest('#panel-recent') !== null"), True, "the focus comes back")
    chart = browser.one(".canvas[role=application]")
    browser.run("arguments[0].focus()", chart)
    chart.send_keys(Keys.ARROW_LEFT)
    eventually("a step is read", lambda: "Revenue" in browser.text("#live"))
    chart.send_keys(Keys.SHIFT + Keys.ARROW_LEFT)
    chart.send_keys(Keys.ENTER)
    browser.wait_for("zoomed in", "return location.search.includes('period=custom')")


def everywhere(case, daemon, browser):
    """Every page, light and dark, wide and narrow: rules, no overflow, the names inert."""
    hostile = "/models/" + "%3C%2Fscript%3E%3Cscript%3Ewindow.hostile%3D%27script%27%3C%2Fscript%3E"
    for scheme, width in (("light", 1280), ("dark", 390)):
        browser.scheme(scheme)
        browser.size(width, 900)
        for page in ("/" + name for name in PAGES + ("customers/globex",)):
            browser.go(page + "?period=24h")
            browser.check(f"{page} at {width}, {scheme}")
        browser.go("/events?period=24h&event=hostile-0")
        browser.wait_for("the drawer", "return document.querySelector('dialog.drawer .pairs') !== null")
        browser.go(hostile)
        case.equal(len(browser.all("dialog")), 0, "dialogs that stayed behind when their page was left")
    # Everything that the page can load was loaded on the way here.
    loaded = """return performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
        .filter((one) => one.entryType === "navigation" || one.name.includes("/assets/")).map((one) => one.encodedBodySize)"""
    sizes = browser.run(loaded)
    case.expect(len(sizes) > 20 and 60_000 < sum(sizes) < 250_000, f"{len(sizes)} files, {sum(sizes)} bytes in total")
    print(f"  {len(sizes)} files, {sum(sizes)} bytes")
    odd = "return document.querySelectorAll('main img, main script, main iframe, [onload], [onerror], a[href^=\"javascript:\"]').length"
    case.equal(browser.run(odd), 0, "elements that a name made")
    browser.size(1280, 900)
    browser.click(browser.named("#sign-out", "Sign out"))
    browser.one("input[name=key]")
    case.equal(browser.fetch(f"{BASE}/margins?groupBy=month")[0], 401, "after signing out")
    browser.listen()
    # The one refusal that was asked for.
    browser.console = [line for line in browser.console if "margins?groupBy=month" not in line]


def decimals(case):
    """The page's arithmetic, asked by node, against Python's decimal."""
    module = ROOT / "Sources" / "Dashboard" / "page" / "decimal.js"
    random = case.random

    def number():
        places = random.randrange(13)
        digits = random.choice((1, 3, 9, 20))
        value = Decimal(random.randrange(-(10**digits), 10**digits)).scaleb(-places)
        return format(value, "f")

    def plain(value):
        text = format(value, "f")
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return "0" if text in ("-0", "") else text

    questions, wanted = [], []
    for _ in range(3000):
        a, b, places = number(), number(), random.randrange(7)
        x, y = Decimal(a), Decimal(b)
        step = Decimal(1).scaleb(-places)
        cases = {
            "add": ([a, b], plain(x + y)),
            "subtract": ([a, b], plain(x - y)),
            "multiply": ([a, b], plain(x * y)),
            "compare": ([a, b], (x > y) - (x < y)),
            "round": ([a, places], plain(x.quantize(step))),
            "divide": ([a, b, places], None if y == 0 else plain((x / y).quantize(step))),
            "sum": ([[a, b, a]], plain(x + y + x)),
            "isNegative": ([a], x < 0),
            "grouped": ([a, 2], group(a)),
        }
        name = random.choice(list(cases))
        questions.append([name, *cases[name][0]])
        wanted.append(cases[name][1])
    program = """import * as decimal from %s;
        let text = ""; for await (const chunk of process.stdin) text += chunk;
        const answers = JSON.parse(text).map(([name, ...rest]) => decimal[name](...rest));
        const taken = (one) => { try { decimal.add(one, "0"); return true; } catch { return false; } };
        const refused = ["", "1e5", "NaN", "0x1", "1.", ".5", "--1", "1,000", " 1"].filter(taken);
        console.log(JSON.stringify({ answers, refused }));""" % json.dumps(module.as_uri())
    reply = subprocess.run(
        ["node", "--input-type=module", "-e", program], input=json.dumps(questions).encode(), capture_output=True, check=False, timeout=60
    )
    if not case.expect(reply.returncode == 0, reply.stderr.decode()[-2000:]):
        return
    reply = json.loads(reply.stdout)
    case.equal(reply["refused"], [], "texts that are no decimals")
    for question, got, want in zip(questions, reply["answers"], wanted, strict=True):
        case.equal(got, want, f"{question}")


def group(text):
    sign = "\u2212" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("-").partition(".")
    fraction = fraction.rstrip("0").ljust(2, "0")
    return f"{sign}{int(whole):,}.{fraction}"


SCENARIOS = {"page_story": story, "page_decimals": decimals}
