#!/usr/bin/env python3
"""Makes the built-in price catalogue from two packages of the Python package index.

    python3 -m venv venv && venv/bin/pip install genai-prices==0.2.3
    pip download --no-deps litellm==1.109.1
    venv/bin/python make_catalogue.py --litellm litellm-1.109.1-*.whl --date 2026-11-23

Input:  genai-prices, imported (providers, models, match rules, dated rates, variants), and the price file inside the
        litellm wheel (region multipliers, minimum billables and the providers that genai-prices does not have).
Output: catalogue/<provider>.txt, one provider a file, and CCatalogue.c, which embeds them. The format is described in
        protocol/pricing.md. The output depends on nothing but the input: the same packages and date give the same bytes.

What neither package can say is stated in the tables below, each with its reason; nothing else is made up here, and no
rate is ever derived from another one.
"""

import argparse
import datetime
import importlib.metadata
import json
import zipfile
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from genai_prices.data import providers as upstream
from genai_prices.types import ClauseOr, ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from catalogue_names import clause_globs, names_of

HERE = Path(__file__).resolve().parent

# genai-prices' price key -> (our usage kind, the unit suffix of the rate). None: no usage kind of ours meters it.
KEYS = {
    'input_mtok': ('input', '/M'),
    'output_mtok': ('output', '/M'),
    'cache_read_mtok': ('cacheRead', '/M'),
    'cache_write_mtok': ('cacheWrite', '/M'),
    'cache_write_1h_mtok': ('cacheWrite1h', '/M'),
    'output_reasoning_mtok': ('reasoning', '/M'),
    'input_audio_mtok': ('inputAudio', '/M'),
    'input_image_mtok': ('inputImage', '/M'),
    'input_video_mtok': ('inputVideo', '/M'),
    'cache_audio_read_mtok': ('cacheReadAudio', '/M'),
    'cache_image_read_mtok': ('cacheReadImage', '/M'),
    'cache_video_read_mtok': ('cacheReadVideo', '/M'),
    'output_audio_mtok': ('outputAudio', '/M'),
    'output_image_mtok': ('outputImage', '/M'),
    'output_video_mtok': ('outputVideo', '/M'),
    'audio_hours': ('seconds', '/h'),
    'input_audio_hours': ('seconds', '/h'),
    'input_mchars': ('characters', '/M'),
    'input_document_kpages': ('pages', '/k'),
    'web_searches_kcount': ('webSearches', '/k'),
    'storage_searches_kcount': ('toolCalls', '/k'),
    'requests_kcount': ('requests', '/k'),
    'output_citation_mtok': None,
    'input_annotated_document_kpages': None,
    'input_text_messages_kcount': None,
}
ORDER = [
    'input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h', 'reasoning', 'inputAudio', 'inputImage', 'inputVideo',
    'cacheReadAudio', 'outputAudio', 'outputImage', 'cacheReadImage', 'cacheReadVideo', 'outputVideo',
    'seconds', 'outputSeconds', 'characters', 'images', 'pages', 'webSearches', 'requests', 'toolCalls', 'inputImages',
    'searchUnits',
]
TIERS = {
    ('processing', 'batch'): 'batch',
    ('service_tier', 'flex'): 'flex',
    ('service_tier', 'priority'): 'priority',
    ('service_tier', 'fast'): 'fast',
    ('speed', 'fast'): 'fast',
}
TIER_ORDER = ['standard', 'batch', 'flex', 'priority', 'fast']

# The companies that make models, and the names of theirs: a name given without a provider belongs to its maker. Some of
# them host other makers' models as well, so the names are given where not all rows are their own.
MAKERS = {
    'anthropic': '*', 'arcee': '* !*/*', 'aws': '*amazon.* nova-* titan-*', 'cohere': '*', 'cursor': 'composer*',
    'dashscope': 'qwen* qwq* qvq*', 'deepseek': '*', 'elevenlabs': '*', 'google': '* !*claude*', 'meta': '*', 'minimax': '*',
    'mistral': '*', 'moonshotai': '*', 'openai': '*', 'perplexity': 'sonar* pplx* perplexity/*', 'typesafe': '*',
    'voyageai': '*', 'x-ai': '*', 'zhipuai': '*',
}

# Providers whose own names carry region and maker prefixes (`us.anthropic.…`) that decide the price: never stripped there.
DOTTED = {'aws'}

# What applications call a provider, beyond its own identifier: litellm's provider names, OpenTelemetry's
# gen_ai.provider.name, and the names of the common SDKs. Compared case-folded.
ALIASES = {
    'openai': 'open_ai openai_chat openai.chat openai.responses openai-responses text-completion-openai chatgpt',
    'azure': 'azure_openai azure-openai azureopenai azure.ai.openai azure.ai.inference azure_ai azure-ai azure_text '
             'az.ai.openai az.ai.inference azure-openai.chat azure_foundry microsoft.foundry',
    'anthropic': 'claude anthropic.messages',
    'aws': 'bedrock aws_bedrock aws-bedrock aws.bedrock bedrock_converse bedrock_mantle amazon-bedrock amazon_bedrock amazon '
           'amazon.bedrock aws_bedrock_converse',
    'google': 'gemini vertex vertexai vertex_ai vertex-ai vertex_ai_beta google-vertex google_vertexai google-gla google_genai '
              'google-genai google_ai google-ai gcp gcp.gemini gcp.vertex_ai gcp.gen_ai google.generative-ai google.vertex.chat '
              'vertex_ai-language-models vertex_ai-text-models vertex_ai-anthropic_models vertex_ai-embedding-models palm',
    'x-ai': 'xai x_ai xai.chat grok',
    'mistral': 'mistralai mistral_ai mistral-ai mistral.chat codestral text-completion-codestral',
    'deepseek': 'deep_seek deepseek-ai deepseek_ai deepseek.chat',
    'cohere': 'cohere_chat cohere.chat',
    'groq': 'groqcloud groq.chat',
    'together': 'together_ai together-ai togetherai',
    'fireworks': 'fireworks_ai fireworks-ai fireworksai',
    'perplexity': 'perplexity_ai perplexity-ai pplx',
    'moonshotai': 'moonshot moonshot_ai kimi',
    'voyageai': 'voyage voyage_ai',
    'zhipuai': 'zhipu bigmodel',
    'zai': 'z-ai z.ai z_ai',
    'openrouter': 'open_router',
    'github-copilot': 'github_copilot copilot',
    'dashscope': 'alibaba alibabacloud alibaba_cloud qwen qwencloud aliyun',
    'meta': 'meta_llama meta-llama llama-api',
    'huggingface_together': '',
}

# genai-prices cannot combine a date, a weekday and a time of day (its issue 582; its comments on these rows say which
# dates are meant). DeepSeek's time-of-day prices exist since `since`; from `weekdays_since` weekends are off-peak all day
# in Beijing time. Chinese public holidays are off-peak too and are not known here, so on those the peak rate is an upper
# bound. Peak rates of deepseek-v4-flash before 2026-09-10 are not in either package: the later peak rates stand in.
WINDOWS = {
    ('deepseek', 'deepseek-v4-flash'): dict(since='2026-08-17', weekdays_since='2026-08-23'),
    ('deepseek', 'deepseek-v4-pro'): dict(since='2026-08-17', weekdays_since='2026-08-23'),
    ('deepseek', 'deepseek-flash'): dict(since=None, weekdays_since=None, weekdays=True),
}

# Thresholds that genai-prices writes one token early because it only knows ">": the provider's page says ">=".
INCLUSIVE = {('x-ai', 199999)}

# Smallest quantity that is billed when there is any at all. Stated in the code of both packages, not in their data.
MINIMUM = {
    ('groq', 'whisper-large-v3'): ('seconds', '10'),
    ('groq', 'whisper-large-v3-turbo'): ('seconds', '10'),
}

# Providers taken whole from litellm: its provider names, and the prefix of its keys.
FROM_LITELLM = {'dashscope': ('Alibaba Cloud Model Studio', 'dashscope/')}
LITELLM_KEYS = {
    'input_cost_per_token': 'input',
    'output_cost_per_token': 'output',
    'cache_read_input_token_cost': 'cacheRead',
    'cache_creation_input_token_cost': 'cacheWrite',
    'cache_creation_input_token_cost_above_1hr': 'cacheWrite1h',
    'output_cost_per_reasoning_token': 'reasoning',
}

left_out = []


def text(value):
    """A decimal without exponent and trailing zeros."""
    result = format(value, 'f')
    if '.' in result:
        result = result.rstrip('0').rstrip('.')
    return result or '0'


def rounded(value, unit):
    """Away with what is below 1e-15 USD a unit. Hours do not divide evenly; the reader rounds those."""
    places = {'/M': 9, '/k': 12, '/h': 15}[unit]
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def per_million(per_token):
    """litellm's float per token as a decimal per million tokens, rounded at 1e-15 per token."""
    exact = Decimal(repr(per_token)).quantize(Decimal('1e-15'), rounding=ROUND_HALF_EVEN)
    return exact * 1000000


# --- rates -----------------------------------------------------------------------------------------------------------

class Line:
    """One `rate` line: conditions and rates."""

    def __init__(self, since, window, tier, above, rates):
        self.since, self.window, self.tier, self.above, self.rates = since, window, tier, above, rates

    def __str__(self):
        words = ['rate']
        if self.since:
            words.append(f'from={self.since}')
        if self.window:
            words += self.window
        if self.tier != 'standard':
            words.append(f'tier={self.tier}')
        if self.above:
            words.append(self.above)
        words += [f'{kind}={self.rates[kind]}' for kind in ORDER if kind in self.rates]
        return ' '.join(words)


def rates_of(where, price, total):
    """The rates of a ModelPrice for a request of `total` input tokens, as {kind: text}."""
    rates = {}
    for key, value in price.items():
        target = KEYS[key]
        if target is None:
            left_out.append(f'{where}: {key}')
            continue
        if isinstance(value, TieredPrices):
            chosen = value.base
            for tier in value.tiers:
                if total > tier.start:
                    chosen = tier.price
            value = chosen
        kind, unit = target
        written = text(rounded(value, unit)) + unit
        if kind in rates and rates[kind] != written:
            raise SystemExit(f'{where}: two rates for {kind}')
        rates[kind] = written
    if not rates:
        rates = {'input': '0/M', 'output': '0/M'}
    return rates


def plain(price):
    return {key: value for key, value in price.__dict__.items() if value is not None}


def bands(price):
    """The input totals at which a rate of this price changes, descending, then -1 for the base."""
    starts = {tier.start for value in price.values() if isinstance(value, TieredPrices) for tier in value.tiers}
    return sorted(starts, reverse=True) + [-1]


def standard_at(model, day):
    """The price of a day without time-of-day windows, as genai-prices finds it."""
    if isinstance(model.prices, ModelPrice):
        return plain(model.prices)
    result = None
    for conditional in model.prices:
        if conditional.constraint is None:
            result = result or plain(conditional.prices)
        elif isinstance(conditional.constraint, StartDateConstraint):
            if day is not None and day >= conditional.constraint.start_date:
                result = plain(conditional.prices)
    return result if result is not None else plain(model.prices[0].prices)


def windows_of(model):
    """Windows with the same price together: [([start-end, …], price)]."""
    found = []
    for conditional in model.prices if isinstance(model.prices, list) else []:
        constraint = conditional.constraint
        if isinstance(constraint, TimeOfDateConstraint):
            price = plain(conditional.prices)
            span = (constraint.start_time, constraint.end_time)
            for spans, other in found:
                if other == price:
                    spans.append(span)
                    break
            else:
                found.append(([span], price))
    return found


def window_words(spans, beijing, weekdays):
    shift = 8 if beijing else 0
    def clock(value):
        return f'{(value.hour + shift) % 24:02d}:{value.minute:02d}'
    words = []
    if weekdays:
        words.append('days=1-5')
    words.append('hours=' + ','.join(f'{clock(a)}-{clock(b)}' for a, b in sorted(spans)))
    if beijing:
        words.append('zone=+08:00')
    return words


def overlay(base, model, tier, day):
    """The price of a tier on a day, or None when the row has none: genai-prices' rule, first variant wins per key."""
    result = None
    for variant in model.price_variants or []:
        if len(variant.when) != 1:
            raise SystemExit(f'{model.id}: a variant with several conditions')
        if TIERS.get(next(iter(variant.when.items()))) != tier:
            continue
        if variant.constraint is not None and (day is None or day < variant.constraint.start_date):
            continue
        prices = plain(variant.prices)
        if result is None:
            result = {}
        for key, value in prices.items():
            result.setdefault(key, value)
    if result is None:
        return None
    return {**base, **result}


def lines_of(provider, model):
    where = f'{provider.id}/{model.id}'
    days = set()
    for conditional in model.prices if isinstance(model.prices, list) else []:
        if isinstance(conditional.constraint, StartDateConstraint):
            days.add(conditional.constraint.start_date)
    for variant in model.price_variants or []:
        when = next(iter(variant.when.items()))
        if when not in TIERS:
            if when != ('service_tier', 'default') and plain(variant.prices):
                left_out.append(f'{where}: variant {when[0]}={when[1]}')
            continue
        if variant.constraint is not None:
            days.add(variant.constraint.start_date)
    windows = windows_of(model)
    rule = WINDOWS.get((provider.id, model.id), {})
    for key in ('since', 'weekdays_since'):
        if rule.get(key):
            days.add(datetime.date.fromisoformat(rule[key]))
    lines = []
    previous = None
    for day in [None] + sorted(days):
        base = standard_at(model, day)
        block = []
        applicable = windows
        if rule.get('since') and (day is None or day < datetime.date.fromisoformat(rule['since'])):
            applicable = []
        weekdays = rule.get('weekdays') or (
            rule.get('weekdays_since') and day is not None and day >= datetime.date.fromisoformat(rule['weekdays_since']))
        cases = [(window_words(spans, bool(rule), weekdays), price) for spans, price in applicable] + [(None, base)]
        for window, price in cases:
            for tier in TIER_ORDER:
                tiered = price if tier == 'standard' else overlay(price, model, tier, day)
                if tiered is None:
                    continue
                for start in bands(tiered):
                    above = None
                    if start >= 0:
                        above = f'above={start}'
                        if (provider.id, start) in INCLUSIVE:
                            above = f'reaching={start + 1}'
                    block.append((window, tier, above, rates_of(where, tiered, start + 1)))
        if block != previous:
            lines += [Line(day and day.isoformat(), *entry) for entry in block]
        previous = block
    return lines


# --- the files -------------------------------------------------------------------------------------------------------

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


def provider_text(provider, regions, arguments):
    out = [f'provider {provider.id}', f'title {one_line(provider.name)}']
    if provider.id in MAKERS:
        out.append('maker ' + MAKERS[provider.id])
    if provider.id in DOTTED:
        out.append('dotted')
    words, globs = alias_words(provider)
    if words:
        out.append('alias ' + ' '.join(words))
    if globs:
        out.append('aliaslike ' + ' '.join(globs))
    if provider.fallback_model_providers:
        out.append('fallback ' + ' '.join(provider.fallback_model_providers))
    for model in provider.models:
        out.append('')
        out.append(f'model {model.id}')
        exact, likes = names_of(model.match)
        # An identifier of a row is a name too, unless the row's own rules leave it out.
        if provider.find_model(model.id) is model or provider.id == 'fireworks' and provider.find_model(model.id) is None:
            exact = [model.id] + exact
        exact = list(dict.fromkeys(exact))
        if exact:
            out.append('names ' + ' '.join(exact))
        out += ['like ' + ' '.join(line) for line in likes]
        minimum = MINIMUM.get((provider.id, model.id))
        if minimum:
            out.append(f'minimum {minimum[0]}={minimum[1]}')
        if (provider.id, model.id) in regions:
            out.append('region ' + ' '.join(regions[provider.id, model.id]))
        out += [str(line) for line in lines_of(provider, model)]
    return out


def region_table(prices):
    """(provider, row) -> words of its `region` line."""
    by_id = {provider.id: provider for provider in upstream}
    table = {}

    def put(provider, name, words):
        model = by_id[provider].find_model(name)
        if model is None:
            left_out.append(f'litellm {name}: region multiplier, no row')
            return
        key = (provider, model.id)
        if table.setdefault(key, words) != words:
            raise SystemExit(f'{name}: region multipliers differ within {key}')

    for name, row in prices.items():
        provider = row.get('litellm_provider')
        words = []
        for region in ('eu', 'us'):
            value = row.get(f'regional_processing_uplift_multiplier_{region}')
            if value is not None:
                words.append(f'{region}={text(Decimal(repr(value)))}')
        if words and provider == 'openai':
            put('openai', name, words)
        value = row.get('regional_endpoint_uplift_multiplier')
        if value is not None and name.startswith('vertex_ai/'):
            put('google', name.removeprefix('vertex_ai/'), ['global=1', f'*={text(Decimal(repr(value)))}'])
        value = (row.get('provider_specific_entry') or {}).get('us')
        if value is not None and provider == 'anthropic':
            put('anthropic', name, [f'us={text(Decimal(repr(value)))}'])
    return table


def litellm_text(provider, title, prefix, prices):
    out = [f'provider {provider}', f'title {title}']
    if provider in MAKERS:
        out.append('maker ' + MAKERS[provider])
    words = ALIASES.get(provider, '').split()
    if words:
        out.append('alias ' + ' '.join(words))

    def rates(row):
        found = {kind: text(per_million(row[key])) + '/M' for key, kind in LITELLM_KEYS.items() if row.get(key) is not None}
        return found

    for name in sorted(prices):
        row = prices[name]
        if row.get('litellm_provider') != provider or not name.startswith(prefix) or '/' in name.removeprefix(prefix):
            continue
        short = name.removeprefix(prefix)
        lines = []
        tiers = row.get('tiered_pricing')
        if tiers:
            for tier in reversed(tiers):
                start = tier['range'][0]
                above = f'above={int(start)}' if start else None
                lines.append(Line(None, None, 'standard', above, rates(tier)))
        elif rates(row):
            lines.append(Line(None, None, 'standard', None, rates(row)))
        if not lines:
            left_out.append(f'litellm {name}: no rate of a kind that is metered here')
            continue
        out += ['', f'model {short}', f'names {short}'] + [str(line) for line in lines]
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--litellm', required=True, help='the litellm wheel')
    parser.add_argument('--date', required=True, help='the day the packages were fetched; the version of the catalogue')
    arguments = parser.parse_args()
    datetime.date.fromisoformat(arguments.date)
    with zipfile.ZipFile(arguments.litellm) as wheel:
        prices = json.loads(wheel.read('litellm/model_prices_and_context_window_backup.json'))
    litellm_version = Path(arguments.litellm).name.split('-')[1]
    genai_version = importlib.metadata.version('genai-prices')

    regions = region_table(prices)
    files = {}
    for provider in upstream:
        source = f'genai-prices {genai_version} (MIT)'
        files[provider.id] = (source, provider_text(provider, regions, arguments))
    for provider, (title, prefix) in FROM_LITELLM.items():
        files[provider] = (f'litellm {litellm_version} (MIT)', litellm_text(provider, title, prefix, prices))

    folder = HERE / 'catalogue'
    folder.mkdir(exist_ok=True)
    for old in folder.glob('*.txt'):
        old.unlink()
    for identifier, (source, lines) in sorted(files.items()):
        head = [f'# Made by make_catalogue.py from {source}. Do not edit.', f'version {arguments.date}']
        (folder / f'{identifier}.txt').write_text('\n'.join(head + lines) + '\n')

    dropped = sorted(set(left_out))
    (folder / 'LEFT-OUT').write_text(
        '# What the packages say and this catalogue does not, because no usage kind or tier of ours stands for it.\n'
        + '\n'.join(dropped) + '\n')

    code = [
        '// Made by make_catalogue.py. The catalogue as text, embedded in the binary: see protocol/pricing.md.',
        '#include "CCatalogue.h"',
        '',
        '#pragma clang diagnostic ignored "-Wc23-extensions"',
        '',
    ]
    names = sorted(files)
    for index, identifier in enumerate(names):
        code.append(f'static const unsigned char file{index}[] = {{')
        code.append(f'#embed "catalogue/{identifier}.txt"')
        code.append('};')
    code += ['', 'static const PurserCatalogueFile files[] = {']
    for index, identifier in enumerate(names):
        code.append(f'    {{"{identifier}.txt", file{index}, sizeof file{index}}},')
    code += ['};', '', 'size_t purser_catalogue_count(void) { return sizeof files / sizeof files[0]; }', '',
             'const PurserCatalogueFile *purser_catalogue_file(size_t index) { return &files[index]; }', '']
    (HERE / 'CCatalogue.c').write_text('\n'.join(code))
    rows = sum(line.startswith('model ') for _, lines in files.values() for line in lines)
    rates = sum(line.startswith('rate ') for _, lines in files.values() for line in lines)
    print(f'{len(files)} providers, {rows} rows, {rates} rate lines, {len(dropped)} left out')


if __name__ == '__main__':
    main()
