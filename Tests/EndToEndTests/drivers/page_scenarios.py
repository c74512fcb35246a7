"""The page's own arithmetic, without a browser."""

import json
import subprocess
from decimal import Decimal

from harness import ROOT


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


SCENARIOS = {"page_decimals": decimals}
