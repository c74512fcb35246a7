"""Match rules of genai-prices as the names and patterns of the catalogue: `*` any run of characters, `#` one digit."""

import re

from genai_prices.types import ClauseAnd, ClauseContains, ClauseEndsWith, ClauseEquals, ClauseOr, ClauseRegex, ClauseStartsWith


def regex_globs(regex):
    """The globs (`*` any run, `#` a digit) that match what this regular expression matches; None when it cannot be said."""
    body = regex
    start = body.startswith('^')
    body = body[1:] if start else body
    end = body.endswith('$')
    body = body[:-1] if end else body
    alternatives = ['' if start else '*']
    i = 0
    while i < len(body):
        optional = False
        if body.startswith('\\d', i):
            i += 2
            count = 1
            repeat = re.match(r'\{(\d+)\}', body[i:])
            if repeat:
                count = int(repeat[1])
                i += repeat.end()
            choices = ['#' * count]
        elif body[i] == '\\':
            choices = [body[i + 1]]
            i += 2
        elif body[i] == '[':
            close = body.index(']', i)
            choices = list(body[i + 1:close])
            i = close + 1
        elif body[i] == '(':
            close = body.index(')', i)
            inner = regex_globs('^' + body[i + 1:close] + '$')
            if inner is None or body[i + 1] == '?':
                return None
            choices = inner
            i = close + 1
            if body[i:i + 1] == '?':
                optional = True
                i += 1
        elif body[i] in '.*+?{}|^$':
            return None
        else:
            choices = [body[i]]
            i += 1
        alternatives = [a + c for a in alternatives for c in (choices + [''] if optional else choices)]
    return [a if end else a + '*' for a in alternatives]


def clause_globs(clause):
    if isinstance(clause, ClauseStartsWith):
        return [clause.starts_with + '*']
    if isinstance(clause, ClauseEndsWith):
        return ['*' + clause.ends_with]
    if isinstance(clause, ClauseContains):
        return ['*' + clause.contains + '*']
    if isinstance(clause, ClauseEquals):
        return [clause.equals]
    if isinstance(clause, ClauseRegex):
        globs = regex_globs(clause.regex)
        if globs is not None:
            return globs
    raise SystemExit(f'no glob says {clause}')


def negative_globs(clause):
    """`(?!.*-tts(?:$|-))` and its like: the globs of what must not match."""
    if isinstance(clause, ClauseRegex) and clause.regex == '^(?!.*-[tT][tT][sS](?:$|-))':
        return ['*-tts', '*-tts-*']
    return None


def names_of(match):
    """(exact names, lines of globs): a line is a list of globs, the ones with `!` exclude."""
    exact, lines = [], []
    loose = []
    for clause in (match.or_ if isinstance(match, ClauseOr) else [match]):
        if isinstance(clause, ClauseEquals):
            exact.append(clause.equals)
        elif isinstance(clause, ClauseAnd):
            positive, excluded = [], []
            for part in clause.and_:
                negative = negative_globs(part)
                if negative is not None:
                    excluded += ['!' + glob for glob in negative]
                else:
                    positive.append(clause_globs(part))
            if len(positive) != 1:
                raise SystemExit(f'cannot write {clause}')
            lines.append([glob.lower() for glob in positive[0]] + excluded)
        elif isinstance(clause, ClauseOr):
            inner_exact, inner_lines = names_of(clause)
            exact += inner_exact
            lines += inner_lines
        else:
            loose += [glob.lower() for glob in clause_globs(clause)]
    if loose:
        lines.insert(0, loose)
    return exact, lines
