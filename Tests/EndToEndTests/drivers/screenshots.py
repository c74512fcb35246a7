#!/usr/bin/env python3
"""Pictures of every page, with a month of events of a made-up company: `.ci/screenshots FOLDER [PAGE…]`."""

import argparse
import datetime
import pathlib
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from browser import PAGES, Browser, address  # noqa: E402
from harness import ROOT, Case  # noqa: E402

BASE = "/api/v1/client"
PEOPLE = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Katherine Johnson", "Barbara Liskov", "Edsger Dijkstra", "Donald Knuth"]
CUSTOMERS = [f"cust-{i:03d}" for i in range(40)] + ["<img src=x onerror=alert(1)>", "Grüße GmbH & Söhne", "x" * 200, None]
FEATURES = ["ai.chat", "search", "summaries", "agents.code-review", None]
# Provider, model, how much it costs beside gpt-4o, how often.
MODELS = [
    ("openai", "gpt-4o", 1.0, 30),
    ("openai", "gpt-4o-mini", 0.06, 25),
    ("anthropic", "claude-sonnet-4-5", 1.3, 20),
    ("google", "gemini-2.5-pro", 0.8, 8),
    ("acme", "acme-llm-7b", 0.02, 2),
    ("together", "</script><script>alert(2)</script>", 0.02, 0.5),
]
LOSING = ("cust-003", "cust-007", "cust-019")


def month(count=5000, seed=7):
    """Events over forty days, more by day than by night, a few customers far ahead of the rest."""
    chance = random.Random(seed)
    now = datetime.datetime.now(datetime.timezone.utc)
    events = []
    while len(events) < count:
        at = now - datetime.timedelta(days=40 * chance.random() ** 1.4)
        if chance.random() > (1.0 if 8 <= at.hour <= 20 else 0.35):
            continue
        customer = chance.choices(CUSTOMERS, weights=[(1 + i) ** -0.7 for i in range(len(CUSTOMERS))])[0]
        provider, model, weight, _ = chance.choices(MODELS, weights=[row[3] for row in MODELS])[0]
        given, made = int(chance.lognormvariate(7.5, 1)), int(chance.lognormvariate(6, 1))
        cost = (given * 2.5 + made * 10) / 1e6 * weight
        revenue = cost * (0.6 if customer in LOSING else chance.uniform(1.3, 4))
        events.append({
            "eventName": chance.choice(("chat.completion", "embedding", "workflow.finished")),
            "eventIdempotencyKey": f"k-{len(events)}",
            "customerReferenceId": customer,
            "featureKey": chance.choice(FEATURES),
            "occurredAt": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "revenueAmount": f"{revenue:.6f}",
            "costInput": {"model": model, "modelProvider": provider, "usage": {"prompt_tokens": given, "completion_tokens": made}},
            "meta": {"trace": f"t-{len(events)}", "weights": [1, 2.5], "plan": {"name": "pro"}},
        })
    return sorted(events, key=lambda event: event["occurredAt"])


def furnish(daemon):
    events = month()
    for start in range(0, len(events), 1000):
        daemon.call("POST", BASE + "/events/batch", events[start : start + 1000])
    for index, person in enumerate(PEOPLE):
        first, last = person.split()
        body = {"customerReferenceId": f"cust-{index:03d}", "firstName": first, "lastName": last, "email": f"{first}@example.com".lower()}
        daemon.call("POST", BASE + "/customers", body)
    daemon.call("POST", BASE + "/events", {"eventName": "chat", "costAmount": "99999999999999"})
    started = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3)).strftime("%Y-%m-%dT00:00:00Z")
    daemon.call("POST", BASE + "/keys", {"name": "billing, read only", "scopes": ["read"]})
    price = {"id": "deal-2026", "provider": "openai", "model": "gpt-4o", "from": started}
    price["rates"] = {"input": "2.00/M", "output": "8.00/M", "cacheRead": "1.00/M"}
    daemon.call("POST", BASE + "/prices", price)
    daemon.call("POST", f"{BASE}/events/k-5/void", {"reason": "sent by a load test"})


def pages(case, daemon, browser):
    """Name of the picture and what to do to get there."""
    for name in PAGES:
        yield name.replace("/", "-"), lambda name=name: browser.go("/" + name)
    yield "customer", lambda: browser.go("/customers/cust-003")
    yield "feature", lambda: browser.go("/features/ai.chat")
    yield "model", lambda: browser.go("/models/gpt-4o?provider=openai")
    yield "overview-today", lambda: browser.go("/overview?period=today")

    def drawer():
        browser.go("/events?event=k-4990")
        browser.wait_for("the drawer", "return document.querySelector('dialog.drawer .pairs') !== null")

    def form():
        browser.run("for (const one of document.querySelectorAll('dialog')) one.close()")
        browser.go("/prices/own?newModel=acme-llm-7b&newProvider=acme")
        browser.wait_for("the form", "return document.querySelector('dialog form') !== null")

    def reprice():
        browser.run("for (const one of document.querySelectorAll('dialog')) one.close()")
        browser.go("/prices/reprice?model=gpt-4o")
        browser.click(browser.named("main button", "Show what would change"))
        browser.wait_for("the preview", "return document.querySelector('.canvas[data-drawn], .canvas canvas') !== null")

    def simulate():
        browser.go("/prices/simulate")
        fields = browser.all("main form input[type=text]")
        browser.type(fields[0], "gpt-4o")
        browser.type(fields[1], "gpt-4o-mini")
        browser.click(browser.named("main button", "Simulate"))
        browser.wait_for("the result", "return document.querySelector('.canvas canvas') !== null")

    yield "drawer", drawer
    yield "price-form", form
    yield "reprice-preview", reprice
    yield "simulation", simulate


def main():
    parser = argparse.ArgumentParser(description="Takes pictures of every page of the dashboard.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("only", nargs="*", help="names of pictures; all, if none is given")
    parser.add_argument("--bin", default=str(ROOT / ".build" / "debug"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    case = Case(options.bin, "screenshots")
    wanted = lambda name: not options.only or name in options.only  # noqa: E731
    try:
        daemon = case.daemon()
        with Browser(case) as browser:

            def take(name, scheme, width):
                path = options.folder / f"{name}-{width}{'-dark' if scheme == 'dark' else ''}.png"
                browser.picture(path, width)
                print(path)

            browser.open(address(daemon) + "/sign-in")
            browser.one("input[name=key]")
            if wanted("sign-in"):
                take("sign-in", "light", 1280)
                take("sign-in", "light", 390)
            browser.sign_in(daemon)
            for width in (1280, 390):
                if wanted("fresh"):
                    take("fresh", "light", width)
            furnish(daemon)
            for scheme, width in (("light", 1280), ("light", 390), ("dark", 1280), ("dark", 390)):
                browser.scheme(scheme)
                for name, go in pages(case, daemon, browser):
                    if not wanted(name) or (scheme == "dark" and width == 390 and not options.only):
                        continue
                    browser.size(width, 900)
                    go()
                    take(name, scheme, width)
            browser.clean_console()
        for problem in case.problems:
            print(problem, file=sys.stderr)
        return 1 if case.problems else 0
    finally:
        case.close()


if __name__ == "__main__":
    sys.exit(main())
