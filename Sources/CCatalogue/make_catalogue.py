#!/usr/bin/env python3
"""Makes the built-in price catalogue from two packages of the Python package index.

    python3 -m venv venv && venv/bin/pip install genai-prices==0.2.3
    pip download --no-deps litellm==1.109.1
    venv/bin/python make_catalogue.py --litellm litellm-1.109.1-*.whl --date 2026-11-23

Input:  genai-prices, imported (providers, models, match rules, dated rates, variants), and the price file inside the
        litellm wheel (region multipliers, and the rows that genai-prices does not have).
Output: catalogue/<provider>.txt, one provider a file; catalogue/DISAGREEMENTS, the base rates that the packages do not agree
        on; catalogue/LEFT-OUT, what they say and the catalogue does not; CCatalogue.c, which embeds the first two. The
        formats are described in protocol/pricing.md. The output depends on nothing but the input: the same packages and date
        give the same bytes.

What neither package can say is stated in tables, each with its reason; nothing else is made up, and no rate is ever derived
from another one.
"""

import argparse
import datetime
import importlib.metadata
from pathlib import Path

from genai_prices.data import providers as upstream
from genai_prices.types import ClauseOr

import genai_rows
import litellm_rows
import merge
from catalogue_names import clause_globs
from catalogue_providers import ALIASES, DOTTED, MAKERS, TITLES

HERE = Path(__file__).resolve().parent


def one_line(value):
    return ' '.join(str(value).split())


def alias_words(provider):
    words = ALIASES.get(provider.id, '').split()
    globs = []
    match = provider.provider_match
    if match is not None and not provider.id.startswith('huggingface_'):
        for clause in (match.or_ if isinstance(match, ClauseOr) else [match]):
            globs += [glob.lower() for glob in clause_globs(clause)]
    if provider.id.startswith('huggingface_'):
        host = provider.id.removeprefix('huggingface_')
        words += [f'huggingface/{host}', f'huggingface-{host}']
    words += [glob for glob in globs if '*' not in glob]
    wild = [glob for glob in globs if '*' in glob]
    return list(dict.fromkeys(words)), wild


def head(identifier, title, source, words, globs):
    out = [f'provider {identifier}', f'title {title}', f'source {source}']
    if identifier in MAKERS:
        out.append('maker ' + MAKERS[identifier])
    if identifier in DOTTED:
        out.append('dotted')
    if words:
        out.append('alias ' + ' '.join(words))
    if globs:
        out.append('aliaslike ' + ' '.join(globs))
    return out


def genai_text(provider, regions, source, together):
    words, globs = alias_words(provider)
    out = head(provider.id, one_line(provider.name), source, words, globs)
    if provider.fallback_model_providers:
        out.append('fallback ' + ' '.join(provider.fallback_model_providers))
    for model in provider.models:
        if merge.unknown(provider, model):
            merge.left_out(f'{provider.id}/{model.id}', 'no rates, and not said to be free', 'genai-prices')
            continue
        out += ['', f'model {model.id}']
        exact, likes = merge.names(provider, model)
        if exact:
            out.append('names ' + ' '.join(exact))
        out += ['like ' + ' '.join(line) for line in likes]
        minimum = genai_rows.MINIMUM.get((provider.id, model.id))
        if minimum:
            out.append(f'minimum {minimum[0]}={minimum[1]}')
        if (provider.id, model.id) in regions:
            out.append('region ' + ' '.join(regions[provider.id, model.id]))
        lines = genai_rows.lines_of(provider, model)
        calls = together.added_calls(provider, model)
        if calls:
            out.append('also litellm ' + ' '.join(sorted(calls)))
        for line in lines:
            line.rates = {**calls, **line.rates}
        out += [str(line) for line in lines]
    return out


def region_table(offers):
    """(provider, row of genai-prices) -> words of its `region` line, from litellm."""
    table = {}
    for offer in offers:
        listed = merge.BY_ID.get(offer.provider)
        model = listed and offer.regions and listed.find_model(offer.name)
        if not model or offer.provider not in ('openai', 'anthropic', 'google'):
            continue
        key = (offer.provider, model.id)
        if table.setdefault(key, offer.regions) != offer.regions:
            raise SystemExit(f'{offer.key}: region multipliers differ within {key}')
    return table


def offer_text(offers, source):
    out = []
    for name, offer in offers:
        out += ['', f'model {name}']
        if source:
            out.append(f'source {source}')
        out.append(f'names {name}')
        if name.startswith('ft:'):
            out.append(f'like {name}:*')
        if offer.regions:
            out.append('region ' + ' '.join(offer.regions))
        out += [str(line) for line in merge.lines_of(offer)]
    return out


def code(files):
    out = [
        '// Made by make_catalogue.py. The catalogue as text, embedded in the binary: see protocol/pricing.md.',
        '#include "CCatalogue.h"',
        '',
        '#pragma clang diagnostic ignored "-Wc23-extensions"',
        '',
    ]
    for index, name in enumerate(files):
        out += [f'static const unsigned char file{index}[] = {{', f'#embed "catalogue/{name}"', '};']
    out += ['', 'static const PurserCatalogueFile files[] = {']
    for index, name in enumerate(files[:-1]):
        out.append(f'    {{"{name}", file{index}, sizeof file{index}}},')
    last = len(files) - 1
    out += [
        '};', '',
        f'static const PurserCatalogueFile disagreements = {{"{files[last]}", file{last}, sizeof file{last}}};', '',
        'size_t purser_catalogue_count(void) { return sizeof files / sizeof files[0]; }', '',
        'const PurserCatalogueFile *purser_catalogue_file(size_t index) { return &files[index]; }', '',
        'const PurserCatalogueFile *purser_catalogue_disagreements(void) { return &disagreements; }', '',
    ]
    return '\n'.join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--litellm', required=True, help='the litellm wheel')
    parser.add_argument('--date', required=True, help='the day the packages were fetched; the version of the catalogue')
    arguments = parser.parse_args()
    day = datetime.date.fromisoformat(arguments.date)
    genai = f'genai-prices {importlib.metadata.version("genai-prices")} (MIT)'
    litellm = f'litellm {Path(arguments.litellm).name.split("-")[1]} (MIT)'

    offers = litellm_rows.offers(litellm_rows.read(arguments.litellm), merge.left_out)
    together = merge.merged(offers, day)
    added = together.rows
    regions = region_table(offers)
    files = {}
    for provider in upstream:
        rows = added.pop(provider.id, [])
        files[provider.id] = genai_text(provider, regions, genai, together) + offer_text(rows, 'litellm')
    for identifier, rows in added.items():
        words = ALIASES.get(identifier, '').split()
        out = head(identifier, TITLES.get(identifier, identifier), litellm, words, [])
        if identifier not in MAKERS:
            out.append('secondary')
        files[identifier] = out + offer_text(rows, None)

    folder = HERE / 'catalogue'
    folder.mkdir(exist_ok=True)
    for old in folder.glob('*.txt'):
        old.unlink()
    for identifier, lines in sorted(files.items()):
        first = ['# Made by make_catalogue.py. Do not edit.', f'version {arguments.date}']
        if any(line.startswith(('source litellm', 'also litellm')) for line in lines[3:]):
            first.insert(1, f'# What a row says is from litellm is from {litellm}.')
        (folder / f'{identifier}.txt').write_text('\n'.join(first + lines) + '\n')
    (folder / 'DISAGREEMENTS').write_text('\n'.join([
        f'# Made by make_catalogue.py from {genai} and {litellm}.',
        '# provider model kind: source and rate in the catalogue, the other source and its rate',
        *sorted(together.disagreements)]) + '\n')
    for line in genai_rows.left_out:
        merge.left_out(*line, 'genai-prices')
    (folder / 'LEFT-OUT').write_text(merge.left_out_text())
    (HERE / 'CCatalogue.c').write_text(code([f'{name}.txt' for name in sorted(files)] + ['DISAGREEMENTS']))
    rows = sum(line.startswith('model ') for lines in files.values() for line in lines)
    rates = sum(line.startswith('rate ') for lines in files.values() for line in lines)
    size = sum(path.stat().st_size for path in folder.glob('*.txt'))
    print(f'{len(files)} providers, {rows} rows, {rates} rate lines, {size} bytes, {len(together.disagreements)} disagreements')


if __name__ == '__main__':
    main()
