"""What both campaigns share: a question to the engine as a line of text, its answer, and the count of each kind of outcome.

Numbers are decimals from end to end; the only floats are those that litellm itself computes with.
"""

import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from pathlib import Path

getcontext().prec = 60

ROOT = Path(__file__).resolve().parents[3]
PICO = Decimal('1e-12')
TIERS = ['standard', 'batch', 'flex', 'priority', 'fast']


@dataclass
class Question:
    provider: str
    model: str
    time: str
    tier: str
    usage: dict  # kind, as the catalogue writes it -> Decimal
    context: object = None  # what the campaign remembers of it
    region: str = ''

    def line(self):
        usage = ','.join(f'{kind}={count}' for kind, count in self.usage.items())
        return '\t'.join([self.provider, self.model, self.time, self.tier, self.region, usage])


@dataclass
class Answer:
    """`usd` is None when the engine has no cost; then `reason` says why. `row` is provider/row of the catalogue."""
    usd: Decimal | None
    reason: str
    row: str
    rule: str


@dataclass
class Outcome:
    """One comparison: the class it falls in, what the package said, and by how much ours may differ from it."""
    kind: str
    said: Decimal | None
    bound: Decimal = Decimal(0)


@dataclass
class Table:
    counts: Counter = field(default_factory=Counter)
    unexplained: list = field(default_factory=list)

    def add(self, outcome, question, answer):
        self.counts[outcome.kind] += 1
        if outcome.kind.startswith('UNEXPLAINED'):
            self.unexplained.append((outcome, question, answer))

    def text(self, title):
        width = max(len(kind) for kind in self.counts)
        lines = [f'{title}: {sum(self.counts.values()):,} cases']
        lines += [f'  {kind:<{width}}  {count:>7,}' for kind, count in sorted(self.counts.items(), key=lambda item: -item[1])]
        for outcome, question, answer in self.unexplained[:20]:
            lines.append(f'  ? {outcome.kind}: {question.line()} -> {answer}, not {outcome.said}')
        return '\n'.join(lines)


def rounded(usd):
    return usd.quantize(PICO, rounding=ROUND_HALF_EVEN)


def ask(questions, folder):
    """The engine's answers, by way of a test that reads one file and writes another."""
    asked, answered = folder / 'questions.tsv', folder / 'answers.tsv'
    asked.write_text(''.join(question.line() + '\n' for question in questions))
    answered.unlink(missing_ok=True)
    environment = {**os.environ, 'PURSER_ORACLE_QUESTIONS': str(asked), 'PURSER_ORACLE_ANSWERS': str(answered)}
    command = ['swift', 'test', '--package-path', str(ROOT), '--filter', 'questionsOfAFileAreAnsweredInAnother']
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode or not answered.exists():
        raise SystemExit(done.stdout + done.stderr)
    lines = answered.read_text().splitlines()
    if len(lines) != len(questions):
        raise SystemExit(f'{len(lines)} answers to {len(questions)} questions')
    return [answer(line) for line in lines]


def answer(line):
    cost, reason, row, rule = line.split('\t')
    return Answer(Decimal(cost) * PICO if reason == 'none' else None, reason, row, rule)
