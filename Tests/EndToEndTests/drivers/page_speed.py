#!/usr/bin/env python3
"""How long every page of the dashboard takes with a long history behind it, while events pour in.

    page_speed.py --bin .build/release [--events 10000000] [--customers 10000] [--days 30] [--rate 100000] [--rounds 5] [--at DIR] [--fill]

fills a daemon with `purser bench`, a day of history at a time, then keeps `purser bench --rate` sending what happens now. Meanwhile a
browser goes to every page, and to the pages of the largest customer, feature and model, as a click does it; taken is the time until it
has drawn everything, charts included. Every question that a page asked on the way is asked again by a plain client, on
a connection of its own: that is the daemon's part. Printed are the median and the slowest of both.

Exit status 1 when a page or a question took longer than --most milliseconds, the events did not come in at their rate, or the books do
not agree with what was sent. With --at DIR the daemon's directory is DIR and stays, so that it is filled once (--fill) and measured
when the machine is quiet. `.ci/measure-page` is this with a release build.
"""

import argparse
import json
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from browser import PAGES, Browser, address  # noqa: E402
from growth import bench, metric, rest, say, table  # noqa: E402
from harness import Case, Daemon, Failure  # noqa: E402

BASE = "/api/v1/client/"
LARGEST = ("customers/cust-00000000", "features/support-chat", "models/gpt-5-mini?provider=openai")
# Where a page is looked at over another period than its own of 7 days.
PERIODS = ("overview?period=24h", "overview?period=30d", "customers?period=30d", "overview?customer=cust-00000000")
# Since the questions of a page began: until nothing is to be drawn any more.
DRAWN = """const [path, done] = arguments;
    const main = document.getElementById("main");
    delete main.dataset.shown;
    performance.clearResourceTimings();
    const link = document.createElement("a");
    link.href = path;
    document.body.append(link);
    const began = performance.now();
    link.click();
    link.remove();
    const wanted = path.split("?")[0];
    const look = () => {
        const drawn = main.dataset.shown === wanted && [...document.querySelectorAll(".canvas")].every((one) => one.dataset.drawn);
        if (!drawn) return requestAnimationFrame(look);
        const asked = performance.getEntriesByType("resource").filter((one) => one.name.includes("/api/v1/client/"));
        return done([performance.now() - began, asked.map((one) => [one.name, one.duration])]);
    };
    look();"""


def filled(case, daemon, options):
    """The history: each day as many events, the oldest first."""
    before = metric(daemon, "purser_dedup_keys")
    if before >= options.events:
        return
    for ago in range(options.days, 0, -1):
        began = time.monotonic()
        share = options.events // options.days + (options.events % options.days if ago == 1 else 0)
        bench(
            case, daemon, "--events", share, "--customers", options.customers, "--ago", ago,
            "--seconds", 3600, "--warm-up", 0, "--duplicates", 0,
        )  # fmt: skip
        say(f"day {ago}: {share:,} events in {time.monotonic() - began:.1f} s")
    for rank in range(0, 200):
        body = {"customerReferenceId": f"cust-{rank:08}", "firstName": "Ada", "lastName": f"No. {rank}", "email": f"ada.{rank}@example.com"}
        daemon.call("POST", BASE + "customers", body)
    rest(daemon)


class Arriving:
    """Events that come in at a steady rate for as long as somebody looks."""

    def __init__(self, case, daemon, options, seconds):
        self.wanted = options.rate
        command = [case.binaries / "purser", "--to", f"unix:{daemon.socket}", "bench", "--json", "--pid", daemon.pid]
        command += ["--rate", options.rate, "--seconds", seconds, "--customers", options.customers, "--batch", options.batch]
        self.process = subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        case.children.append(self.process)
        time.sleep(2)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        said, trouble = self.process.communicate(timeout=120)
        if self.process.returncode not in (0, 130):
            raise Failure(f"the events that arrived: {trouble.decode()[-500:]}{said.decode()[-500:]}")
        report = json.loads(said)
        if not report["verdict"]["ok"]:
            raise Failure(f"the books do not agree: {report['verdict']}")
        return report


def called(url):
    """A question as a person would name it."""
    parts = urllib.parse.urlsplit(url)
    values = {}
    for key, value in urllib.parse.parse_qsl(parts.query):
        values[key] = f"{values[key]}; {value}" if key in values else value
    name = re.sub(r"^/api/v1/client/", "", parts.path)
    by = " by " + "; ".join(values[key] for key in ("groupBy", "also") if key in values) if "groupBy" in values else ""
    of = [k for k in ("customerReferenceId", "featureKey", "model") if k in values]
    return name + by + (f" of one {of[0]}" if of else "")


def days(url):
    values = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    if "from" not in values:
        return "-"
    read = lambda text: time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))  # noqa: E731
    end = read(values["to"]) if "to" in values else time.mktime(time.gmtime())
    return f"{(end - read(values['from'])) / 86400:.1f} d"


def looked_at(browser, rounds):
    """Name of a page to its times in milliseconds, and to what it asked for."""
    pages, asked = {}, {}
    for turn in range(rounds + 1):
        for page in PAGES + LARGEST + PERIODS:
            took, questions = browser.driver.execute_async_script(DRAWN, "/" + page)
            # The first time its module is loaded, too: that is not what is measured.
            if turn > 0:
                pages.setdefault(page, []).append(took)
                asked[page] = [url for url, _ in questions]
                waited = max((duration for _, duration in questions), default=0)
                if took > 400:
                    say(f"{page}: {took:.0f} ms, of them {waited:.0f} ms for the slowest answer")
    return pages, asked


def asked_again(daemon, asked, rounds):
    """Milliseconds of every question, asked one at a time."""
    urls = list(dict.fromkeys(url for list_ in asked.values() for url in list_ if "stream" not in url))
    times, sizes = {url: [] for url in urls}, {}
    connection = daemon.connect(timeout=60)
    for _ in range(rounds):
        for url in urls:
            parts = urllib.parse.urlsplit(url)
            began = time.perf_counter()
            connection.request("GET", parts.path + ("?" + parts.query if parts.query else ""))
            reply = connection.response("GET")
            times[url].append((time.perf_counter() - began) * 1000)
            sizes[url] = len(reply.body)
            if reply.status != 200:
                raise Failure(f"{url}: {reply}")
    connection.close()
    return times, sizes


def milliseconds(values):
    return f"{statistics.median(values):.0f}", f"{max(values):.0f}"


def measure(case, daemon, options):
    with Browser(case) as browser:
        browser.driver.set_script_timeout(120)
        browser.run("performance.setResourceTimingBufferSize(20000)")
        browser.sign_in(daemon)
        began = time.monotonic()
        arriving = Arriving(case, daemon, options, 3600)
        pages, asked = looked_at(browser, options.rounds)
        times, sizes = asked_again(daemon, asked, options.rounds)
        report = arriving.end()
        say(f"measured for {time.monotonic() - began:.0f} s")
        browser.clean_console()
    shown = []
    for page in pages:
        urls = [url for url in asked[page] if url in times]
        slowest = max(urls, key=lambda url: max(times[url]), default=None)
        p50, most = milliseconds(pages[page])
        row = {"page": page, "drawn p50": p50, "max": most, "questions": str(len(urls))}
        row["slowest question"] = called(slowest) if slowest else "-"
        row["p50 "], row["max "] = milliseconds(times[slowest]) if slowest else ("-", "-")
        shown.append(row)
    questions = {}
    for url in times:
        values, size = questions.setdefault((called(url), days(url)), ([], 0))
        questions[called(url), days(url)] = (values + times[url], max(size, sizes[url]))
    listed = [
        dict(zip(("question", "span", "p50", "max", "KB"), (name, span, *milliseconds(values), f"{size / 1000:,.0f}"), strict=True))
        for (name, span), (values, size) in sorted(questions.items(), key=lambda one: -max(one[1][0]))
    ]
    print(table(shown), table(listed), sep="\n\n")
    arrived = f"arriving {report['eventsPerSecond']:,.0f}/s, answers p99 {report['answer']['p99'] / 1e6:.1f} ms"
    print(f"\nevents {metric(daemon, 'purser_dedup_keys'):,}, {arrived}")
    slow = [f"{page}: {max(values):.0f} ms" for page, values in pages.items() if max(values) > options.most]
    slow += [f"{called(url)} over {days(url)}: {max(values):.0f} ms" for url, values in times.items() if max(values) > options.most]
    for line in dict.fromkeys(slow):
        case.expect(False, f"longer than {options.most} ms: {line}")
    case.expect(report["eventsPerSecond"] > 0.95 * options.rate, f"only {report['eventsPerSecond']:,.0f} events a second came in")


def main():
    parser = argparse.ArgumentParser(description="How long every page takes.")
    parser.add_argument("--bin", required=True)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=100, help="events of a message that arrives")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=500, help="milliseconds that a page may take")
    parser.add_argument("--at", help="the daemon's directory; it stays")
    parser.add_argument("--fill", action="store_true", help="fill it and measure nothing")
    options = parser.parse_args()
    case = Case(options.bin, "page_speed")
    try:
        daemon = Daemon(case, state=options.at)
        daemon.wait_ready(600)
        filled(case, daemon, options)
        if not options.fill:
            rest(daemon)
            measure(case, daemon, options)
        # What waits to be folded into the books is written first.
        daemon.stop(120)
    except Failure as failure:
        case.expect(False, str(failure))
    finally:
        case.close()
    for problem in case.problems:
        say(f"page_speed: {problem}")
    return 1 if case.problems else 0


if __name__ == "__main__":
    sys.exit(main())
