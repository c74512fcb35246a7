"""What stands under the dashboard: its files, signing in, and the queries made for it."""

import csv
import gzip
import http.cookies
import io
import os
import re
import socket
import threading
import time
import urllib.parse
from decimal import Decimal

from harness import Failure, decode, eventually
from http_scenarios import BATCH, EVENTS, MARGINS, event, refused
from workload import Workload

SESSION = "/dashboard/session"
LINK = "/dashboard/link"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Browser:
    """As much of a browser as signing in takes: a host, one cookie, and what every request of a page says of itself."""

    def __init__(self, case, daemon, name="127.0.0.1"):
        self.case = case
        self.daemon = daemon
        self.host = f"{name}:{daemon.port}"
        self.cookies = {}

    def call(self, method, path, body=None, headers=None, site="same-origin"):
        fields = {"Host": self.host}
        if site:
            fields["Sec-Fetch-Site"] = site
        if method not in ("GET", "HEAD") and site == "same-origin":
            fields["Origin"] = "http://" + self.host
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        fields.update(headers or {})
        reply = self.daemon.call(method, path, body, fields, key=None)
        for name, value in reply.headers:
            if name == "set-cookie":
                self.keep(value)
        return reply

    def keep(self, text):
        jar = http.cookies.SimpleCookie()
        jar.load(text)
        for name, morsel in jar.items():
            self.case.expect(morsel["httponly"] and morsel["samesite"] == "Strict" and morsel["path"] == "/", f"the cookie's rules: {text}")
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    def sign_in(self, key=None):
        reply = self.call("POST", SESSION, {"key": key or self.daemon.key})
        if reply.status != 201:
            raise Failure(f"signing in: {reply}")
        return reply


def signing_in(case):
    daemon = case.daemon()
    # The log of the first start has a link; the key is not in it.
    links = re.findall(r"http://\S+/dashboard/link\?token=[0-9a-f]{64}", daemon.said())
    case.equal(len(links), 1, "links in the log of the first start")
    link = urllib.parse.urlsplit(links[0])
    case.equal(link.netloc, f"127.0.0.1:{daemon.port}", "where the link leads")
    first = Browser(case, daemon)
    case.equal(first.call("GET", SESSION).json, {"data": None, "success": True}, "before signing in")
    reply = first.call("GET", f"{link.path}?{link.query}", site="none")
    case.equal((reply.status, reply.header("location")), (303, "/"), "the link")
    session = first.call("GET", SESSION)
    case.equal((session.status, session.data["scopes"]), (200, ["ingest", "read", "admin"]), "signed in by the link")
    case.expect(daemon.key not in session.body.decode(), "a session does not hold its key")
    again = Browser(case, daemon).call("GET", f"{link.path}?{link.query}", site="none")
    case.equal((again.status, again.header("location"), again.header("set-cookie")), (303, "/sign-in?link=expired", None), "used up")

    # `purser dashboard`, over the socket without a key and over TCP with one.
    for target, key in ((f"unix:{daemon.socket}", None), (f"tcp:127.0.0.1:{daemon.port}", daemon.key)):
        made = case.tool("--to", target, "dashboard", environment={"PURSER_API_KEY": key or ""}).decode().strip()
        parts = urllib.parse.urlsplit(made)
        browser = Browser(case, daemon)
        case.equal(browser.call("GET", f"{parts.path}?{parts.query}", site="none").header("location"), "/", f"purser dashboard, {target}")
        who = browser.call("GET", SESSION).data
        case.equal((who["key"] or {}).get("name"), "first" if key else None, f"whose session it is, {target}")
        case.equal(browser.call("POST", LINK).status, 403, "a session makes no links")
    case.equal(daemon.call("POST", LINK, key=None).status, 401, "a link for nobody")

    # With a key.
    browser = Browser(case, daemon)
    refused(case, browser.call("POST", SESSION, {"key": "sk_live_" + "0" * 32}), 401, "unauthorized", "a wrong key")
    browser.sign_in()
    case.equal(browser.call("POST", EVENTS, event(eventIdempotencyKey="by-the-page")).status, 201, "an event with the cookie")
    case.equal(browser.call("GET", EVENTS + "/by-the-page").status, 200, "read with the cookie")
    for site in ("cross-site", "same-site"):
        refused(case, browser.call("GET", EVENTS, site=site), 403, "forbidden", f"asked by {site}")
        refused(case, browser.call("POST", EVENTS, event(), site=site), 403, "forbidden", f"sent by {site}")
    refused(case, browser.call("POST", EVENTS, event(), site=None), 403, "forbidden", "sent by who knows whom")
    stolen = Browser(case, daemon, "localhost")
    stolen.cookies = dict(browser.cookies)
    case.equal(stolen.call("GET", SESSION).data, None, "the cookie on another name of this host")
    stolen.host = f"purser.example:{daemon.port}"
    case.equal(stolen.call("GET", SESSION).status, 421, "the cookie on a name of somebody else's")
    case.equal(stolen.call("GET", EVENTS).status, 403, "the API with it there")

    # A key that may less, and its end.
    made = browser.call("POST", "/api/v1/client/keys", {"name": "reader", "scopes": ["read"]}).data
    reader = Browser(case, daemon)
    case.equal(reader.sign_in(made["apiKey"]).data["key"]["name"], "reader", "the reader's session")
    case.equal(reader.call("GET", EVENTS).status, 200, "the reader reads")
    refused(case, reader.call("POST", EVENTS, event()), 403, "forbidden", "the reader sends")
    refused(case, reader.call("POST", "/api/v1/client/keys", {}), 403, "forbidden", "the reader makes a key")
    case.equal(browser.call("DELETE", f"/api/v1/client/keys/{made['id']}").status, 200, "revoking")
    case.equal(reader.call("GET", EVENTS).status, 401, "the reader's session after that")
    case.equal(browser.call("DELETE", SESSION).status, 200, "signing out")
    case.equal((browser.cookies, browser.call("GET", EVENTS).status), ({}, 401), "after signing out")

    # Wrong keys, until there is a pause.
    statuses = [browser.call("POST", SESSION, {"key": "wrong"}).status for _ in range(20)]
    case.expect(statuses[0] == 401 and statuses[-1] == 429, f"wrong keys: {statuses}")
    # A restart signs everybody out and prints no other link.
    case.expect(first.call("GET", SESSION).data, "before the restart")
    daemon.stop()
    daemon = daemon.again()
    case.expect("token=" not in daemon.said(), "a second start prints no link")
    first.daemon = daemon
    first.host = f"127.0.0.1:{daemon.port}"
    case.equal(first.call("GET", SESSION).data, None, "after the restart")


def page_files(case):
    daemon = case.daemon()
    browser = Browser(case, daemon)
    index = browser.call("GET", "/", site=None)
    case.equal((index.status, index.header("content-type")), (200, "text/html; charset=utf-8"), "the page")
    names = re.findall(r'<(?:link|script)[^>]*(?:src|href)="(/[^"]+)"', index.body.decode())
    total = 0
    for path in ["/", "/assets/chart.js", *names]:
        plain = browser.call("GET", path, site=None)
        case.equal(plain.status, 200, path)
        case.equal(plain.header("content-security-policy"), POLICY, f"{path}: what may be loaded")
        case.equal(plain.header("x-content-type-options"), "nosniff", path)
        case.equal(plain.header("referrer-policy"), "no-referrer", path)
        packed = browser.call("GET", path, headers={"Accept-Encoding": "gzip, deflate"}, site=None)
        body = gzip.decompress(packed.body) if packed.header("content-encoding") == "gzip" else packed.body
        case.expect(body == plain.body, f"{path}: compressed, it is the same")
        case.expect(packed.header("etag") != plain.header("etag") or packed.body == plain.body, f"{path}: tags differ where bytes do")
        known = browser.call("GET", path, headers={"If-None-Match": plain.header("etag")}, site=None)
        case.equal((known.status, known.body), (304, b""), f"{path}: known already")
        total += len(packed.body)
    case.expect(total < 250_000, f"the page and what it names travel in {total} bytes")
    case.expect(not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", index.body.decode()), "nothing inline in the page")
    for path in ("/overview", "/customers/acme", "/models/openai%2Fgpt-4o", "/sign-in?link=expired"):
        case.expect(browser.call("GET", path, site=None).body == index.body, f"{path} is the page")
    browser.host = "purser.example"
    for path in ("/", "/assets/chart.js"):
        refused(case, browser.call("GET", path, site=None), 421, "misdirected_request", f"{path} on a name of somebody else's")
    # Under a name that the operator lists it is there.
    listed = case.daemon(config='dashboard_origins = ["https://purser.example"]\n')
    browser = Browser(case, listed)
    browser.host = "purser.example"
    case.equal(browser.call("GET", "/", site=None).status, 200, "under the listed name")
    reply = browser.call("POST", SESSION, {"key": listed.key}, headers={"Origin": "https://purser.example"})
    case.expect(reply.status == 201 and "; Secure" in reply.header("set-cookie"), f"signing in there: {reply.headers}")
    case.expect("https://purser.example/dashboard/link?token=" in listed.said(), "the first link leads there")


# The queries behind the pages ----------------------------------------------------------------------------------------


def table(reply):
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


def lines(reply):
    return [decode(line.encode()) for line in reply.body.decode().splitlines()]


def number(text):
    return Decimal(text) if text else None


def exported(case):
    """Every export holds what the pages of JSON hold, and adds up to the same totals, to the last digit."""
    daemon = case.daemon()
    events = Workload(41, customers=60, days=40).events(3000)
    formulas = ("=cmd|'/c calc'!A0", "+1", "-1", "@x")
    events += [event(customerReferenceId=name, costAmount="0.000000000001") for name in (*formulas, 'a"b,c')]
    for start in range(0, len(events), 500):
        daemon.call("POST", BATCH, events[start : start + 500])
    for by in ("customer", "model,day", "provider,month,feature"):
        path = f"{MARGINS}?groupBy={by}&timezone=Asia/Kathmandu"
        json = daemon.call("GET", path).data
        rows = table(daemon.call("GET", path + "&format=csv"))
        items = lines(daemon.call("GET", path, headers={"Accept": "application/x-ndjson"}))
        case.equal((len(rows), len(items)), (len(json["items"]), len(json["items"])), f"groups by {by}")
        for field in ("costAmount", "revenueAmount", "marginAmount", "events", "inputTokens", "unpricedEvents"):
            case.equal(sum((number(r[field]) for r in rows), Decimal(0)), json["totals"][field], f"{field} by {by}, CSV")
            case.equal(sum((i[field] for i in items), Decimal(0)), json["totals"][field], f"{field} by {by}, NDJSON")
        for row, item in zip(rows, json["items"]):
            case.equal(number(row["costAmount"]), item["costAmount"], f"a row by {by}")
    several = daemon.call("GET", f"{MARGINS}?groupBy=day&also=customer&also=model,provider").data
    case.equal([part["totals"] for part in several["also"]], [several["totals"]] * 2, "totals of one moment")
    alone = daemon.call("GET", f"{MARGINS}?groupBy=customer").data["items"]
    case.equal([i["costAmount"] for i in several["also"][0]["items"]], [i["costAmount"] for i in alone], "customers, also")
    for bad in ("also=customer,customer", "also=", "also=cost", "&".join(["also=day"] * 5)):
        refused(case, daemon.call("GET", f"{MARGINS}?groupBy=customer&{bad}"), 400, "validation_failed", bad)
    rows = table(daemon.call("GET", f"{MARGINS}?groupBy=customer&format=csv"))
    names = {row["customerReferenceId"] for row in rows}
    for name in formulas:
        case.expect("'" + name in names and name not in names, f"{name} is text to a spreadsheet")
    case.expect('a"b,c' in names, "quotes and commas stay what they are")

    seen, cursor = [], None
    while True:
        page = daemon.call("GET", EVENTS + "?limit=1000" + (f"&cursor={cursor}" if cursor else "")).data
        seen += page["items"]
        cursor = page.get("nextCursor")
        if not cursor:
            break
    rows = table(daemon.call("GET", EVENTS + "?format=csv&limit=3"))
    items = lines(daemon.call("GET", EVENTS + "?format=ndjson"))
    case.equal([int(r["sequence"]) for r in rows], [i["sequence"] for i in seen], "events, CSV")
    case.equal(items, seen, "events, NDJSON")
    for row, item in zip(rows, seen):
        for field in ("costAmount", "marginAmount"):
            case.equal(number(row[field]), item.get(field), f"{field} of an event")
    mine = table(daemon.call("GET", EVENTS + "?format=csv&customerReferenceId=acme"))
    case.expect(mine and all(r["customerReferenceId"] == "acme" for r in mine), "a filter holds for an export")
    customers = daemon.call("GET", "/api/v1/client/customers?limit=1000").data["items"]
    rows = table(daemon.call("GET", "/api/v1/client/customers?format=csv"))
    case.equal(
        [(r["customerReferenceId"].removeprefix("'") or None, number(r["costAmount"])) for r in rows],
        [(c["customerReferenceId"], c["costAmount"]) for c in customers],
        "customers, CSV",
    )
    models = table(daemon.call("GET", "/api/v1/client/models?format=csv&modelProvider=openai"))
    case.expect(len(models) > 100 and all(r["modelProvider"] == "openai" and r["rate"] != "" for r in models), "models, CSV")
    exported_prices(case, daemon, events)
    reply = daemon.call("GET", EVENTS + "?format=csv")
    case.equal(reply.header("transfer-encoding"), "chunked", "how it is sent")
    case.equal(reply.header("content-disposition"), 'attachment; filename="events.csv"', "what it is called")
    refused(case, daemon.call("GET", EVENTS + "?format=xml"), 400, "validation_failed", "an unknown format")
    # A reader that stops reading costs the daemon a page or two, not the list.
    big = [event(eventIdempotencyKey=f"big-{i}", meta={"text": "x" * 2000}) for i in range(10_000)]
    for start in range(0, len(big), 1000):
        daemon.call("POST", BATCH, big[start : start + 1000])
    before = daemon.rss
    idle = []
    for place in range(8):
        connection = daemon.connect()
        # Not the one that is read on: through so small a window its 25 MB would take a quarter of an hour.
        if place > 0:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.request("GET", EVENTS + "?format=ndjson")
        idle.append(connection)
    time.sleep(2)
    grown = daemon.rss - before
    case.expect(grown < 40 << 20, f"eight exports of 25 MB that nobody reads take {grown >> 20} MiB")
    case.equal(daemon.call("POST", EVENTS, event()).status, 201, "recording goes on")
    case.equal(len(lines(idle[0].response("GET"))), len(events) + len(big), "one that is read on is whole")
    for connection in idle:
        connection.close()


def exported_prices(case, daemon, sent):
    """What is listed about prices, as rows: of one's own, what is missing, where the sources differ."""
    base = "/api/v1/client/"
    for name in ("=1+1", "acme-2"):
        sent.append(event(costInput={"model": name, "modelProvider": "acme", "inputTokens": 7}))
        daemon.call("POST", EVENTS, sent[-1])
    unpriced = daemon.call("GET", base + "unpriced").data["items"]
    rows = table(daemon.call("GET", base + "unpriced?format=csv"))
    wanted = [("'" * (u["model"] or "").startswith("=") + (u["model"] or ""), u["events"], u["reason"] or "") for u in unpriced]
    case.equal([(r["model"], int(r["events"]), r["reason"]) for r in rows], wanted, "without a price, CSV")
    case.equal(lines(daemon.call("GET", base + "unpriced?format=ndjson")), unpriced, "without a price, NDJSON")
    own = [{"id": "deal", "provider": "openai", "discountPercent": "12.5"}]
    own.append({"id": "house", "model": "acme-2", "from": "2026-01-01T00:00:00Z", "rates": {"input": "1/M", "output": "2/M"}})
    for price in own:
        case.equal(daemon.call("POST", base + "prices", price).status, 201, "a price of one's own")
    listed = daemon.call("GET", base + "models?limit=1").data["own"]
    case.equal(lines(daemon.call("GET", base + "prices", headers={"Accept": "application/x-ndjson"})), listed, "own prices, NDJSON")
    rows = {row["id"]: row for row in table(daemon.call("GET", base + "prices?format=csv"))}
    case.equal(
        [(rows[i]["discountPercent"], rows[i]["from"], rows[i]["source"]) for i in ("deal", "house")],
        [("12.5", "", "api"), ("", "2026-01-01T00:00:00Z", "api")],
        "own prices, CSV",
    )
    case.expect('"outputTokens","rate":0.000002' in rows["house"]["cards"], f"its rates: {rows['house']['cards']}")
    case.equal([r["id"] for r in table(daemon.call("GET", base + "prices?format=csv&search=hou"))], ["house"], "own prices, narrowed")
    case.equal(len(daemon.call("GET", base + "prices?format=json").data["own"]), 2, "own prices, with their texts")
    total = daemon.call("GET", base + "disagreements?limit=1").data["pagination"]["total"]
    rows = table(daemon.call("GET", base + "disagreements?format=csv&limit=3"))
    items = lines(daemon.call("GET", base + "disagreements?format=ndjson"))
    case.equal((len(rows), len(items)), (total, total), "disagreements")
    case.equal([r["otherRate"] for r in rows], [i["otherRate"] for i in items], "disagreements, CSV beside NDJSON")


class Watcher:
    """Reads a stream of events on a thread of its own."""

    def __init__(self, daemon, query="", headers=None):
        self.connection = daemon.connect(timeout=60)
        self.connection.request("GET", EVENTS + "/stream" + query, headers=headers)
        self.connection.line_block()
        self.messages = []
        self.comments = 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        buffer = b""
        while True:
            try:
                data = self.connection.socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            buffer += data
            while b"\n\n" in buffer:
                block, buffer = buffer.split(b"\n\n", 1)
                fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
                if "data" in fields:
                    fields["data"] = decode(fields["data"].encode())
                    fields["at"] = time.monotonic()
                    self.messages.append(fields)
                elif not fields:
                    self.comments += 1

    @property
    def ids(self):
        return [int(m["id"]) for m in self.messages if m["event"] == "event"]

    @property
    def skipped(self):
        return sum(m["data"]["events"] for m in self.messages if m["event"] == "skipped")

    def close(self):
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.connection.close()


def streamed(case):
    daemon = case.daemon()
    daemon.call("POST", EVENTS, event(eventIdempotencyKey="before"))
    all_, acme = Watcher(daemon), Watcher(daemon, "?customerReferenceId=acme")
    time.sleep(0.5)
    sent = time.monotonic()
    daemon.call("POST", EVENTS, event(customerReferenceId="acme", eventIdempotencyKey="first", costAmount="0.5"))
    daemon.call("POST", EVENTS, event(customerReferenceId="other"))
    eventually("both watchers see it", lambda: all_.ids == [2, 3] and acme.ids == [2], 10)
    took = all_.messages[0]["at"] - sent
    case.expect(took < 2, f"an event is shown after {took:.2f} s")
    case.equal(acme.messages[0]["data"], daemon.call("GET", EVENTS + "/first").data, "what is shown is the event")
    # Gone and back.
    acme.close()
    for i in range(3):
        daemon.call("POST", EVENTS, event(customerReferenceId="acme", eventIdempotencyKey=f"missed-{i}"))
    back = Watcher(daemon, "?customerReferenceId=acme", headers={"Last-Event-ID": "2"})
    eventually("what was missed", lambda: back.ids == [4, 5, 6], 10)
    # A burst: few are shown, all are counted, and nobody waits.
    for start in range(0, 20_000, 5000):
        daemon.call("POST", BATCH, [event(customerReferenceId="burst") for _ in range(5000)])
    eventually("the end of the burst", lambda: all_.ids and all_.ids[-1] == 20_006, 20)
    case.equal(len(all_.ids) + all_.skipped, 20_005, "shown and skipped make all")
    case.expect(len(all_.ids) < 1000, f"{len(all_.ids)} of a burst are shown")
    case.equal(back.ids, [4, 5, 6], "a filter holds")
    # One that does not read ends, and harms nobody.
    slow = daemon.connect()
    # Some segments of the loopback (64 KiB): below that the window stays shut until the sender probes it, after two minutes of reading.
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    slow.request("GET", EVENTS + "/stream")
    until = time.monotonic() + 22
    while time.monotonic() < until:
        daemon.call("POST", BATCH, [event(meta={"text": "x" * 15_000}) for _ in range(60)])
        time.sleep(0.3)
    taken = bytearray()
    while data := slow.socket.recv(1 << 20):
        taken += data
    end = b'event: overrun\ndata: {"reason":"slow_reader"}\n\n'
    case.expect(taken.endswith(end), f"a stream that nobody reads is ended: {bytes(taken[-200:])!r}")
    slow.close()
    eventually("the last event", lambda: all_.ids[-1] == daemon.call("GET", EVENTS + "?limit=1").data["items"][0]["sequence"], 20)
    case.equal(daemon.stop(), 0, "stopping with streams open")


def looked_at(case):
    daemon = case.daemon()
    for i in range(3):
        daemon.call("POST", EVENTS, event(eventIdempotencyKey=f"k{i}", costInput={"model": "acme-llm-7b", "inputTokens": 10}))
    daemon.call("POST", EVENTS, event(eventIdempotencyKey="k0", costInput={"model": "acme-llm-7b", "inputTokens": 10}))
    daemon.call("POST", EVENTS, event(costAmount=-1, meta={"secret": "hunter2"}))
    daemon.call("POST", EVENTS, event(costAmount=1), unix=True)
    time.sleep(1.5)
    reply = daemon.call("GET", "/api/v1/client/status")
    status = reply.data
    case.equal(status["events"], {"recorded": 4, "duplicates": 1, "rejected": 1}, "what was counted")
    case.expect(status["ready"] and status["reason"] is None, "it is ready")
    seen = {s["listener"]: (s["protocol"], (s["key"] or {}).get("name"), s["user"], s["events"]) for s in status["sources"]}
    case.equal(seen, {"tcp": ("http", "first", None, 3), "unix": ("http", None, os.getuid(), 1)}, "who sent what")
    refusal = status["rejections"][0]
    case.equal((refusal["code"], refusal["events"], refusal["examples"][0]["field"]), ("amount_out_of_range", 1, "costAmount"), "refused")
    case.expect(b"hunter2" not in reply.body, "nothing of what was sent is shown")
    case.expect(0 < status["disk"]["freeBytes"] <= status["disk"]["totalBytes"] and status["disk"]["journalBytes"] > 0, "the disk")
    case.expect(status["answers"]["count"] == 4 and 0 < status["answers"]["p50Seconds"] <= status["answers"]["p99Seconds"], "waiting times")
    case.equal(daemon.call("GET", "/api/v1/client/keys").data[0].get("lastUsedAt", "")[:10], status["now"][:10], "the key was used today")

    base = "/api/v1/client/"
    found = daemon.call("GET", base + "models?search=gpt-4o-mini&modelProvider=openai").data
    case.expect(any(i["model"] == "gpt-4o-mini" for i in found["items"]), f"a model by a part of its name: {found}")
    rates = {r["kind"]: r["rate"] for i in found["items"] if i["model"] == "gpt-4o-mini" for r in i["rates"]}
    unpriced = daemon.call("GET", base + "unpriced").data["items"]
    case.equal([(u["model"], u["events"], u["hasPrice"]) for u in unpriced], [("acme-llm-7b", 3, False)], "without a price")
    own = {"id": "house", "model": "acme-llm-7b", "rates": {"input": "1/M"}}
    case.equal(daemon.call("POST", base + "prices", own).status, 201, "a price for it")
    eventually("it prices what had none", lambda: not daemon.call("GET", base + "unpriced").data["items"], 20)
    deal = {"id": "deal", "model": "gpt-4o-mini", "provider": "openai", "from": "2030-01-01T00:00:00Z"}
    deal["rates"] = {"input": "1/M", "output": "2/M"}
    case.equal(daemon.call("POST", base + "prices", deal).status, 201, "a price from later on")
    changes = daemon.call("GET", base + "models/gpt-4o-mini?modelProvider=openai").data["changes"]
    case.equal((changes[-1]["from"], changes[-1]["source"]), ("2030-01-01T00:00:00Z", "custom:deal"), "the last change")
    case.equal({r["kind"]: r["rate"] for r in changes[-2]["rates"]}, rates, "the rates until then are those of now")
    mine = {o["id"]: o for o in daemon.call("GET", base + "models").data["own"]}
    case.equal((mine["deal"]["inForce"], mine["house"]["inForce"], mine["house"]["source"]), (False, True, "api"), "own prices")
    case.equal(daemon.call("GET", base + "models/nobody-has-this").data["unpricedReason"], "unknown_model", "an unknown model")
    others = daemon.call("GET", base + "disagreements?limit=5").data
    case.expect(others["pagination"]["total"] > 0 and len(others["items"]) == min(5, others["pagination"]["total"]), "second opinions")


SCENARIOS = {
    "signing_in": signing_in,
    "page_files": page_files,
    "exported": exported,
    "streamed": streamed,
    "looked_at": looked_at,
}
