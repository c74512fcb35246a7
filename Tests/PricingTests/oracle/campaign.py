#!/usr/bin/env python3
"""Asks the engine and the two packages the same random questions and counts how the answers differ. `.ci/oracle` runs it.

    campaign.py --wheel litellm-1.109.1-*.whl --seed 20261123 [--genai 60000] [--litellm 8000] [--record]

Prints a table of counts by class for each package and exits with 1 when a difference is in none of the classes. `--record`
writes a slice of both campaigns to recorded.tsv, which the tests replay without either package.
"""

import argparse
import datetime
import random
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / 'Sources' / 'CCatalogue'))

import genai_campaign
import litellm_campaign
import litellm_rows
import merge
import questions

RECORDED = {'genai-prices': 2900, 'litellm': 500}


def judged(asked, answers, judge):
    table, outcomes = questions.Table(), []
    for question, answer in zip(asked, answers):
        outcomes.append(judge(question, answer))
        table.add(outcomes[-1], question, answer)
    return table, outcomes


def recorded(package, picked, asked, answers, outcomes):
    """Lines of recorded.tsv: package, its answer, what ours is to it, then the question. Ours is `=`, `~` and how much they may
    differ, or the answer itself: an amount or why there is none."""
    classes = {}
    for index, outcome in enumerate(outcomes):
        classes.setdefault(outcome.kind, []).append(index)
    # Every class is there, the rare ones with all that they have, up to a tenth each.
    kept = set()
    for indices in classes.values():
        kept.update(picked.sample(indices, min(len(indices), RECORDED[package] // 20)))
    left = [index for index in range(len(asked)) if index not in kept]
    kept.update(picked.sample(left, max(0, RECORDED[package] - len(kept))))
    lines = []
    for index in sorted(kept):
        said, ours, bound = outcomes[index].said, answers[index], outcomes[index].bound
        amount = ours.reason if ours.usd is None else f'{ours.usd.normalize():f}'
        word = f'~{questions.rounded(bound) + questions.PICO:f}' if bound else '=' if ours.usd == questions.rounded(said) else amount
        lines.append('\t'.join([package[0], f'{questions.rounded(said).normalize():f}', word, asked[index].line()]))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--wheel', required=True, help='the litellm wheel that the catalogue was made from')
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument('--date', default='2026-11-23', help='the version of the catalogue')
    parser.add_argument('--genai', type=int, default=60000)
    parser.add_argument('--litellm', type=int, default=8000)
    parser.add_argument('--record', action='store_true')
    arguments = parser.parse_args()

    offers = litellm_rows.offers(litellm_rows.read(arguments.wheel), lambda key, reason: None)
    together = merge.merged(offers, datetime.date.fromisoformat(arguments.date))
    calls = {row: [(kind, rate) for kind, rates in kinds.items() for rate in rates] for row, kinds in together.calls.items()}
    others = {}
    for offer in offers:
        others.setdefault(offer.provider, []).append(offer.name)

    chance = random.Random(arguments.seed)
    first = genai_campaign.questions(chance, arguments.genai, others)
    second, passed = litellm_campaign.questions(chance, arguments.litellm, together.rows)
    with tempfile.TemporaryDirectory() as folder:
        answers = questions.ask(first + second, Path(folder))
    tables = [
        ('genai-prices', first, answers[:len(first)], lambda question, answer: genai_campaign.judge(question, answer, calls)),
        ('litellm', second, answers[len(first):], litellm_campaign.judge),
    ]
    failed, lines = False, []
    for package, asked, given, judge in tables:
        table, outcomes = judged(asked, given, judge)
        print(table.text(f'{package}, seed {arguments.seed}'))
        failed = failed or bool(table.unexplained)
        lines += recorded(package, chance, asked, given, outcomes)
    print(f'rows of litellm whose units its code does not price, not asked: {len(passed)}')
    if arguments.record:
        (HERE / 'recorded.tsv').write_text('\n'.join(lines) + '\n')
    sys.exit(failed)


if __name__ == '__main__':
    main()
