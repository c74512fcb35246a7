"""Makes operations on amounts with the results that Python's decimal gives them, for a test to do again.

    operations.py OUT SEED COUNT          COUNT random operations
    operations.py OUT decimaltestdata DIR the rows of CPython's decimaltestdata that are within the range of an amount

One operation a line: a name, its operands, the result. Only the standard library; shares nothing with what it judges.
"""

import decimal
import pathlib
import random
import re
import sys

INT64 = 2**63 - 1
CONTEXT = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_EVEN, Emax=99999, Emin=-99999, traps=[decimal.Inexact])
ROUND = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_EVEN, Emax=99999, Emin=-99999, traps=[])
# Where nothing is too small or too long: a number of the test data that is next to nothing must not look like zero.
WIDE = decimal.Context(prec=20000, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.Inexact])
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def scaled(value, places):
    return decimal.Decimal(value).scaleb(-places, CONTEXT)


def whole(value, places):
    """The value in units of 1e-places, half-even."""
    return int(ROUND.scaleb(value, places).to_integral_value(decimal.ROUND_HALF_EVEN, ROUND))


def plain(value):
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def some(dice):
    """An amount: at zero, one, the limit and their neighbours, or of any size."""
    kind = dice.randrange(8)
    if kind == 0:
        return dice.choice((0, 1, -1, INT64, -INT64, INT64 - 1, 1 - INT64, 10**12, -(10**12)))
    if kind == 1:
        return dice.randrange(-(10**6), 10**6)
    return dice.randrange(-INT64, INT64 + 1) >> dice.randrange(63)


def operation(dice):
    kind = dice.randrange(10)
    a, b = some(dice), some(dice)
    if kind < 2:
        return "add", a, b, int(CONTEXT.add(scaled(a, 12), scaled(b, 12)).scaleb(12, CONTEXT))
    if kind < 4:
        return "subtract", a, b, int(CONTEXT.subtract(scaled(a, 12), scaled(b, 12)).scaleb(12, CONTEXT))
    if kind == 4:
        return "compare", a, b, int(scaled(a, 12).compare(scaled(b, 12)))
    if kind < 7:
        # Units in millionths times a rate of 1e-15 USD, to a picodollar; half of them ties.
        if kind == 6:
            b = (2 * (b >> 32) + 1) * 5 * 10**8
            a = 2 * (a >> 40) + 1
        return "multiply", a, b, whole(CONTEXT.multiply(scaled(a, 6), scaled(b, 15)), 12)
    if kind == 7:
        if b == 0:
            b = 7
        return "ratio", a, b, whole(ROUND.divide(scaled(a, 12), scaled(b, 12)), 4)
    if kind == 8:
        places = dice.choice((6, 12))
        text = plain(scaled(a * 10**7 + dice.choice((0, 1, 5 * 10**6, 5 * 10**6 - 1, 5 * 10**6 + 1, dice.randrange(10**7))), places + 7))
        value = whole(decimal.Decimal(text), places)
        return "read", places, text, value if abs(value) <= INT64 else "range"
    value = a * (10 ** dice.randrange(19))
    places = dice.choice((0, 4, 6, 12, 15))
    return "write", places, value, plain(scaled(value, places))


def within(text, places):
    """The number in units of 1e-places, when it is one exactly and in range."""
    if not NUMBER.match(text):
        return None
    value = WIDE.scaleb(decimal.Decimal(text), places)
    return int(value) if -INT64 <= value <= INT64 and value == value.to_integral_value(context=WIDE) else None


def rows(folder):
    """Usable rows: add, subtract, compare of exact amounts, multiply of units by rates, quantize to places, half-even."""
    for path in sorted(pathlib.Path(folder).glob("*.decTest")):
        rounding = "half_even"
        for line in path.read_text(encoding="latin-1").splitlines():
            line = line.split("--")[0].strip()
            directive = re.match(r"rounding\s*:\s*(\w+)", line, re.IGNORECASE)
            if directive:
                rounding = directive.group(1).lower()
            match = re.match(r"(\S+)\s+(\w+)\s+(\S+)\s+(\S+)\s+->\s+(\S+)(.*)\Z", line)
            if not match:
                continue
            name, operation_, a, b, result = match.group(2).lower(), match.group(2).lower(), *(
                part.strip("'\"") for part in match.group(3, 4, 5)
            )
            flags = match.group(6).lower()
            if name in ("add", "subtract"):
                wanted = within(result, 12)
                if None not in (within(a, 12), within(b, 12)) and wanted is not None and "inexact" not in flags:
                    yield f"{operation_}Text", a, b, wanted
            elif name == "compare":
                if None not in (within(a, 12), within(b, 12)) and result in ("-1", "0", "1"):
                    yield "compareText", a, b, result
            elif name == "multiply":
                wanted = within(result, 12)
                if None not in (within(a, 6), within(b, 15)) and wanted is not None and "inexact" not in flags:
                    yield "multiply", within(a, 6), within(b, 15), wanted
            elif name == "quantize" and rounding == "half_even" and NUMBER.match(a) and NUMBER.match(b) and NUMBER.match(result):
                places = -decimal.Decimal(b).as_tuple().exponent
                if 0 <= places <= 15 and within(result, places) is not None:
                    yield "read", places, a, within(result, places)


def main():
    out, seed, count = sys.argv[1:]
    if seed == "decimaltestdata":
        made = rows(count)
    else:
        dice = random.Random(int(seed))
        made = (operation(dice) for _ in range(int(count)))
    with open(out, "w", encoding="ascii") as file:
        for one in made:
            file.write("%s %s %s %s\n" % one)


main()
