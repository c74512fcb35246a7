#!/usr/bin/env python3
"""A second opinion on page_checks.js: axe-core on every page of the dashboard, with the events of the pictures.

    page_axe.py --bin .build/release AXE.MIN.JS

AXE.MIN.JS is axe-core as one file (MPL 2.0), from wherever it may be had; nothing of it is kept here. Every page, dialogs included, light
and dark, 1280 and 390 wide, is held against the rules for WCAG 2.2 A and AA and against axe's best practices. Exit status 1 when there is a
violation, whatever its impact. What axe cannot decide is counted.
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from browser import Browser, address  # noqa: E402
from harness import Case  # noqa: E402
from screenshots import furnish, pages  # noqa: E402

RUN = """const done = arguments[0];
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations", "incomplete"]}).then((result) => done({
        version: axe.version,
        passes: result.passes.length,
        unsure: result.incomplete.map((one) => one.id + " x" + one.nodes.length),
        violations: result.violations.map((one) => [one.id, one.impact, one.help,
            one.nodes.slice(0, 3).map((node) => node.target.join(" ") + ": " + (node.any[0]?.message ?? node.all[0]?.message ?? ""))]),
    }), (problem) => done({problem: String(problem)}))"""


def main():
    parser = argparse.ArgumentParser(description="Holds every page of the dashboard against axe-core.")
    parser.add_argument("axe", type=pathlib.Path)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    library = options.axe.read_text()
    case = Case(options.bin, "page_axe")
    looked, unsure, seen = 0, {}, set()
    try:
        daemon = case.daemon()
        with Browser(case) as browser:
            browser.driver.set_script_timeout(120)

            def look(where):
                nonlocal looked
                if not browser.run("return typeof axe === 'object'"):
                    browser.run(library)
                result = browser.driver.execute_async_script(RUN)
                looked += 1
                if case.expect("problem" not in result, f"{where}: {result.get('problem')}"):
                    for one in result["unsure"]:
                        unsure[one.split()[0]] = unsure.get(one.split()[0], 0) + 1
                    for rule, impact, text, nodes in result["violations"]:
                        case.expect(False, f"{where}: {rule} ({impact}): {text}\n    " + "\n    ".join(nodes))
                seen.add(result.get("version"))

            browser.open(address(daemon) + "/sign-in")
            browser.one("input[name=key]")
            look("sign-in")
            browser.sign_in(daemon)
            look("fresh")
            furnish(daemon)
            for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)):
                browser.scheme(scheme)
                browser.size(width, 900)
                for name, go in pages(case, daemon, browser):
                    go()
                    look(f"{name} at {width}, {scheme}")
                browser.run("for (const one of document.querySelectorAll('dialog')) one.close()")
    finally:
        case.close()
    for problem in case.problems:
        print(problem, file=sys.stderr)
    version = ", ".join(filter(None, seen))
    print(f"axe-core {version}: {looked} pages, {len(case.problems)} violations; undecided on so many pages: {unsure}")
    return 1 if case.problems else 0


if __name__ == "__main__":
    sys.exit(main())
