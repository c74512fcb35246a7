"""What stands under the dashboard: its files, signing in, and the queries made for it."""

import gzip
import http.cookies
import re
import urllib.parse

from harness import Failure
from http_scenarios import EVENTS, event, refused

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


SCENARIOS = {"signing_in": signing_in, "page_files": page_files}
