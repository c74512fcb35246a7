"""Answers questions about decimals, instants, ratios and UTF-8 with Python's own arithmetic.

    core_oracle.py MODE QUESTIONS ANSWERS

One question a line, one answer a line. Only the standard library; shares nothing with what it judges.
"""

import datetime
import decimal
import json
import re
import sys

NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
CONTEXT = decimal.Context(prec=5000, rounding=decimal.ROUND_HALF_EVEN, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
INT64 = 2**63 - 1


def reading(line):
    """`PLACES TEXT` -> the scaled integer, `malformed` or `range`."""
    places, text = line.split(b" ", 1)
    if not NUMBER.match(text):
        return "malformed"
    number = CONTEXT.create_decimal(text.decode())
    if number == 0:
        return "0"
    if number.is_infinite():
        return "range"
    # Far outside every range: no need to write out a thousand zeros.
    if number.adjusted() > 60:
        return "range"
    if number.adjusted() < -200:
        return "0"
    scaled = CONTEXT.scaleb(number, int(places)).to_integral_value(decimal.ROUND_HALF_EVEN, CONTEXT)
    value = int(scaled)
    return str(value) if abs(value) <= INT64 else "range"


def writing(line):
    """`PLACES SCALED` -> plain decimal text without trailing zeros."""
    places, scaled = line.split()
    value = CONTEXT.scaleb(CONTEXT.create_decimal(scaled.decode()), -int(places))
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text != "-0" else "0"


def ratio(line):
    """`NUMERATOR DENOMINATOR` -> the quotient as an integer, half-even."""
    numerator, denominator = (int(part) for part in line.split())
    quotient = CONTEXT.divide(decimal.Decimal(numerator), decimal.Decimal(denominator))
    return str(int(quotient.to_integral_value(decimal.ROUND_HALF_EVEN, CONTEXT)))


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def instant(line):
    """RFC 3339 text -> nanoseconds since the epoch, or `no`."""
    match = re.match(rb"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))\Z", line)
    if not match or len(line) > 64:
        return "no"
    year, month, day, hour, minute, second = (int(match.group(i)) for i in range(1, 7))
    leap = second == 60
    fraction = int(((match.group(7) or b"0") + b"0" * 9)[:9])
    try:
        moment = datetime.datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=datetime.timezone.utc)
    except ValueError:
        return "no"
    offset = 0
    if match.group(9):
        hours, minutes = int(match.group(10)), int(match.group(11))
        if hours > 23 or minutes > 59:
            return "no"
        offset = (hours * 3600 + minutes * 60) * (1 if match.group(9) == b"+" else -1)
    since = moment - EPOCH
    seconds = since.days * 86400 + since.seconds + (1 if leap else 0) - offset
    value = seconds * 10**9 + fraction
    if not -(2**63) <= value <= INT64:
        return "saturated"
    return str(value)


def moment(line):
    """Nanoseconds -> RFC 3339 in UTC."""
    nanoseconds = int(line)
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = (EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if fraction:
        text += "." + ("%09d" % fraction).rstrip("0")
    return text + "Z"


def utf8(line):
    """Hexadecimal bytes -> yes or no."""
    try:
        bytes.fromhex(line.decode()).decode("utf-8", "strict")
    except UnicodeDecodeError:
        return "no"
    return "yes"


def quoted(line):
    """`HEX-OF-TEXT JSON` -> yes when the JSON string reads as the text."""
    wanted, text = line.split(b" ", 1)
    return "yes" if json.loads(bytes.fromhex(text.decode())) == bytes.fromhex(wanted.decode()).decode() else "no"


def main():
    mode, questions, answers = sys.argv[1:]
    answer = {
        "reading": reading,
        "writing": writing,
        "ratio": ratio,
        "instant": instant,
        "moment": moment,
        "utf8": utf8,
        "quoted": quoted,
    }[mode]
    with open(questions, "rb") as source, open(answers, "w") as target:
        for line in source:
            target.write(answer(line.rstrip(b"\n")) + "\n")


main()
