"""Writes purser(1): `purser.1.py HELP VERSION EPOCH`, HELP being what `purser --experimental-dump-help` prints.

Every command and option of the page is the program's own word, so the page cannot say anything else than `purser help`.
"""

import datetime
import json
import sys

PREAMBLE = """\
.SH EXAMPLES
.nf
purser send events.jsonl
purser margins --by customer,model
purser prices unpriced
purser keys create --name billing --scope read
purser \\-\\-to tcp:10.0.0.5:7787 \\-\\-key\\-file key margins \\-\\-by day
sudo purser journal verify \\-\\-state /var/lib/purser
.fi
.SH ENVIRONMENT
.TP
.B PURSER_API_KEY
The API key, unless
.B \\-\\-key\\-file
names a file with it. Over the Unix socket none is needed.
.TP
.BR RUNTIME_DIRECTORY ", " XDG_RUNTIME_DIR
Where the socket is looked for without
.BR \\-\\-to .
.SH FILES
.TP
.I /run/purser/purser.sock
Where
.BR purserd (8)
listens. Root and the members of group
.I purser
may connect.
.SH SEE ALSO
.BR purserd (8),
.BR purser.toml (5)
"""


def text(words):
    """Text as roff: nothing in it is a request or an escape."""
    words = " ".join((words or "").split())
    words = words.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + words if words[:1] in (".", "'") else words


def paragraphs(words):
    return "\n.PP\n".join(text(part) for part in (words or "").split("\n\n"))


def flag(argument):
    names = [("\\-\\-" if n["kind"] == "long" else "\\-") + text(n["name"]) for n in argument.get("names") or []]
    names.sort(key=len)
    shown = ", ".join(f"\\fB{name}\\fR" for name in names)
    value = argument.get("valueName") or "value"
    if argument["kind"] == "positional":
        return f"\\fI{text(value)}\\fR" + (" ..." if argument.get("isRepeating") else "")
    return shown + (f" \\fI{text(value)}\\fR" if argument["kind"] == "option" else "")


def arguments(command, skip=()):
    for argument in command.get("arguments") or []:
        names = {n["name"] for n in argument.get("names") or []}
        if not argument.get("shouldDisplay", True) or names & set(skip):
            continue
        print(".TP")
        print(flag(argument))
        parts = [text(argument.get("abstract")), text(argument.get("discussion"))]
        if argument.get("defaultValue") and argument["kind"] != "flag":
            parts.append(f"Default: {text(argument['defaultValue'])}.")
        print(" ".join(part for part in parts if part) or "\\&")


def walk(command, path, shared):
    for sub in command.get("subcommands") or []:
        if not sub.get("shouldDisplay", True) or sub["commandName"] == "help":
            continue
        name = f"{path} {sub['commandName']}"
        print(".SS " + text(name))
        print(text(sub.get("abstract")))
        if sub.get("discussion"):
            print(".PP")
            print(paragraphs(sub["discussion"]))
        arguments(sub, shared)
        walk(sub, name, shared)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        root = json.load(file)["command"]
    day = datetime.datetime.fromtimestamp(int(sys.argv[3]), datetime.timezone.utc).date()
    print(f'.TH PURSER 1 "{day}" "purser {sys.argv[2]}" "User Commands"')
    print(".SH NAME")
    print("purser \\- send AI usage events to purserd and see what they cost and earn")
    print(".SH SYNOPSIS")
    print("\\fBpurser\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIargument\\fR ...]")
    print(".SH DESCRIPTION")
    print(text(root.get("abstract")))
    print(".PP")
    print(paragraphs(root.get("discussion")))
    print(".SH OPTIONS")
    print("They may stand before or after the command's name.")
    arguments(root)
    print(".SH COMMANDS")
    shared = [n["name"] for a in root.get("arguments") or [] for n in a.get("names") or []]
    walk(root, "purser", shared)
    print(PREAMBLE, end="")


main()
