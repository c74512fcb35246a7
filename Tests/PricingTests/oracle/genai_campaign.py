"""Random questions to the engine and to genai-prices, where both know the model.

Every difference has to be one of those that are named in `judge`, each with its own check; what is left is unexplained.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint
from genai_prices.units import _get_registry as registry

from questions import TIERS, Outcome, Question, rounded

CONTEXT = {'standard': None, 'batch': {'processing': 'batch'}, 'flex': {'service_tier': 'flex'},
           'priority': {'service_tier': 'priority'}, 'fast': {'service_tier': 'fast', 'speed': 'fast'}}

# Our kinds as genai-prices reports them. Its total of cache writes holds those of an hour.
KINDS = {
    'input': 'input_tokens', 'output': 'output_tokens', 'cacheRead': 'cache_read_tokens', 'cacheWrite1h': 'cache_write_1h_tokens',
    'reasoning': 'output_reasoning_tokens', 'inputAudio': 'input_audio_tokens', 'inputImage': 'input_image_tokens',
    'inputVideo': 'input_video_tokens', 'cacheReadAudio': 'cache_audio_read_tokens', 'cacheReadImage': 'cache_image_read_tokens',
    'cacheReadVideo': 'cache_video_read_tokens', 'outputAudio': 'output_audio_tokens', 'outputImage': 'output_image_tokens',
    'outputVideo': 'output_video_tokens', 'characters': 'input_characters', 'pages': 'input_document_pages',
    'webSearches': 'web_searches', 'toolCalls': 'storage_searches',
}
UNIT_PRICES = {'seconds': ['audio_hours', 'input_audio_hours'], 'characters': ['input_mchars'], 'pages': ['input_document_kpages'],
               'webSearches': ['web_searches_kcount'], 'toolCalls': ['storage_searches_kcount']}

# Rows with hours of their own, which genai-prices applies on every day and date: from when they hold, and from when
# weekends (in Beijing) are without them. Written down here a second time: make_catalogue.py has its own.
HOURS = {
    ('deepseek', 'deepseek-v4-flash'): ('2026-08-17', '2026-08-23'),
    ('deepseek', 'deepseek-v4-pro'): ('2026-08-17', '2026-08-23'),
    ('deepseek', 'deepseek-flash'): (None, None),
}
# A region in front of a name, as only litellm spells it.
REGIONAL = re.compile(r'(us|eu|apac|global|global-standard|[a-z]{2}(-gov)?-[a-z]+-\d)/')

# Rows without rates that are not said to be free. genai-prices charges nothing for them.
NO_RATES = re.compile(r'(cerebras/qwen-3-coder-480b|huggingface_together/(ServiceNow|prism).*|openrouter/google/lyria-.*'
                      r'|openrouter/stealth/crouton-alpha)$')


def prices_of(model):
    standard = [model.prices] if isinstance(model.prices, ModelPrice) else [each.prices for each in model.prices]
    return standard + [variant.prices for variant in model.price_variants or []]


def keys_of(model):
    return {key for price in prices_of(model) for key, value in price.__dict__.items() if value is not None}


def names_of(provider, others):
    """Names that lead to a model of the provider: its own, in other cases, behind a gateway's name, and what litellm calls it."""
    names = set(others.get(provider.id, []))
    for model in provider.models:
        names.add(model.id)
        for text in re.findall(r"(?:equals|starts_with|contains)='([^']+)'", repr(model.match)):
            names |= {text, text + '-2025-09-29', text + '-20250929', text.upper()}
    found = []
    for name in sorted(names):
        if '\t' in name or not name.strip():
            continue
        model = provider.find_model(name, all_providers=providers)
        if model is not None:
            owner = next(each for each in providers if any(model is row for row in each.models))
            found.append((name, owner, model))
    return found


def times_of(model):
    """Moments at which something changes, and a second before each; and any other."""
    days = {'2024-03-01', '2026-08-17', '2026-08-23'}
    for each in [] if isinstance(model.prices, ModelPrice) else model.prices:
        if isinstance(each.constraint, StartDateConstraint):
            days.add(each.constraint.start_date.isoformat())
    for variant in model.price_variants or []:
        if variant.constraint is not None:
            days.add(variant.constraint.start_date.isoformat())
    return sorted(days)


def moment(random, model):
    if random.random() < 0.4:
        day = datetime.fromisoformat(random.choice(times_of(model))).replace(tzinfo=UTC)
        return day - timedelta(seconds=random.choice([0, 0, 1, 60, 86400]))
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(3 * 365 * 86400))


def thresholds(model):
    return [tier.start for price in prices_of(model) for value in price.__dict__.values() if isinstance(value, TieredPrices)
            for tier in value.tiers]


def usage(random, model):
    keys = keys_of(model)

    def part(whole):
        return random.randint(0, whole) if whole > 0 and random.random() < 0.5 else 0

    def count():
        edges = thresholds(model)
        if edges and random.random() < 0.4:
            return random.choice(edges) + random.choice([-1, 0, 1, 2, 40_000])
        return random.choice([0, *(random.randint(0, most) for most in (9, 5_000, 400_000, 2_000_000))])

    found = {}
    tokens = 'input_mtok' in keys or 'output_mtok' in keys or random.random() < 0.05
    if tokens:
        total = count()
        read = part(total)
        short = part(total - read)
        long = part(total - read - short)
        left = total - read - short - long
        audio = part(left)
        image = part(left - audio)
        video = part(left - audio - image) if random.random() < 0.3 else 0
        cached_audio = part(read)
        cached_image = part(read - cached_audio)
        cached_video = part(read - cached_audio - cached_image) if random.random() < 0.3 else 0
        found |= {'input': total, 'cacheRead': read, 'cacheWrite': short, 'cacheWrite1h': long, 'inputAudio': audio + cached_audio,
                  'inputImage': image + cached_image, 'inputVideo': video + cached_video, 'cacheReadAudio': cached_audio,
                  'cacheReadImage': cached_image, 'cacheReadVideo': cached_video}
        made = count() if 'output_mtok' in keys or random.random() < 0.05 else 0
        heard = part(made) if random.random() < 0.5 else 0
        drawn = part(made - heard) if random.random() < 0.5 else 0
        found |= {'output': made, 'outputAudio': heard, 'outputImage': drawn, 'reasoning': part(made - heard - drawn)}
    for kind, price_keys in UNIT_PRICES.items():
        if keys & set(price_keys) and random.random() < 0.6 or random.random() < 0.01:
            found[kind] = random.choice([0, 1, 3, random.randint(1, 5000)])
            if kind == 'seconds' and random.random() < 0.5:
                found[kind] = Decimal(random.randint(0, 200_000)) / 100
    return {kind: Decimal(value) for kind, value in found.items() if value or kind in ('input', 'output') or not tokens}


def questions(random, count, others):
    """`count` questions: every name once, then names at random."""
    names = [(provider, *found) for provider in providers for found in names_of(provider, others)]
    timed = [name for name in names if (name[2].id, name[3].id) in HOURS]
    asked = []
    for index in range(count):
        some = timed if random.random() < 0.03 else names
        provider, name, owner, model = names[index] if index < len(names) else random.choice(some)
        tier = 'standard' if random.random() < 0.5 else random.choice(TIERS)
        time = moment(random, model)
        asked.append(Question(provider.id, name, time.strftime('%Y-%m-%dT%H:%M:%SZ'), tier, usage(random, model), (owner, model, time)))
    return asked


# --- what genai-prices says ------------------------------------------------------------------------------------------

def reported(usage):
    values = {name: usage.get(kind, Decimal(0)) for kind, name in KINDS.items()}
    values['cache_write_tokens'] = usage.get('cacheWrite', Decimal(0)) + usage.get('cacheWrite1h', Decimal(0))
    for name in ('audio_seconds', 'input_audio_seconds'):
        values[name] = usage.get('seconds', Decimal(0))
    return {name: int(value) if value == int(value) else value for name, value in values.items()}


def said(provider, model, time, tier, usage):
    """Its price and the rates it used. Every overlap is reported, so that it never has to guess one."""
    result = model.calc_price(Usage(**reported(usage)), provider, genai_request_timestamp=time, price_context=CONTEXT[tier])
    return result.total_price, result.model_price


def without_hours(model, time):
    """The price of a moment outside every hour of its own: the newest of the dated and the unconditional ones."""
    found = None
    for each in model.prices:
        if each.constraint is None or isinstance(each.constraint, StartDateConstraint) and each.constraint.active(time):
            found = each.prices
    return found or model.prices[0].prices


def by_the_calendar(owner, model, time, usage):
    """What genai-prices would say if it knew dates and weekdays of hours; None when the row has no such hours."""
    if (owner.id, model.id) not in HOURS:
        return None
    since, weekdays = HOURS[(owner.id, model.id)]
    inside = [each.prices for each in model.prices if isinstance(each.constraint, TimeOfDateConstraint) and each.constraint.active(time)]
    price = inside[-1] if inside else without_hours(model, time)
    begun = since is None or time >= datetime.fromisoformat(since).replace(tzinfo=UTC)
    counts = weekdays is None or time >= datetime.fromisoformat(weekdays).replace(tzinfo=UTC)
    if not begun or counts and time.astimezone(timezone(timedelta(hours=8))).isoweekday() > 5:
        price = without_hours(model, time)
    return price.calc_price(Usage(**reported(usage)))['total_price']


def counted_for_nothing(usage, price):
    """Kinds that count and that neither have a rate nor are inside one that has: genai-prices charges nothing for them."""
    keys = {key for key, value in price.__dict__.items() if value is not None}
    found = []
    for kind, count in usage.items():
        if not count:
            continue
        if kind in UNIT_PRICES:
            if not keys & set(UNIT_PRICES[kind]):
                found.append(kind)
            continue
        name = KINDS.get(kind, 'cache_write_tokens')
        units = registry().units
        above = [units[name].price_key] + [units[each].price_key for each in registry().ancestor_usage_keys(name)]
        if not keys & set(above):
            found.append(kind)
    return found


def finest(price, usage):
    """How much our rates, rounded at 1e-15 USD a unit, may add up to; nothing where every rate of the row has so few digits."""
    places = 0
    for key, value in price.__dict__.items():
        tiered = isinstance(value, TieredPrices)
        values = [] if value is None else [value.base, *(tier.price for tier in value.tiers)] if tiered else [value]
        per = registry().unit_for_price_key(key).per if values else 1
        for each in values:
            unit = each / per
            places = max(places, -unit.normalize().as_tuple().exponent)
    if places <= 15:
        return Decimal(0)
    return sum(usage.values(), Decimal(0)) * Decimal('5e-16') + Decimal('5e-13')


def judge(question, answer, calls):
    """`calls` is what the catalogue has from litellm for rows of genai-prices: (provider, row) -> [(kind, rate)]."""
    owner, model, time = question.context
    provider = next(each for each in providers if each.id == question.provider)
    price, rates = said(provider, model, time, question.tier, question.usage)
    if NO_RATES.match(f'{owner.id}/{model.id}'):
        return Outcome('no rates, not said to be free: unpriced here, or litellm\'s; genai-prices says 0', price)
    if answer.row and answer.row != f'{owner.id}/{model.id}':
        if REGIONAL.match(question.model) and answer.row == f'{question.provider}/{question.model}':
            return Outcome('a region in the name: litellm\'s row here, genai-prices\' pattern takes the one of no region', price)
        return Outcome('UNEXPLAINED: another row', price)
    if answer.usd is None:
        if answer.reason == 'no_rate' and counted_for_nothing(question.usage, rates):
            return Outcome('a kind without a rate: unpriced here, genai-prices leaves it out of the sum', price)
        if answer.reason == 'no_usage' and not question.usage:
            return Outcome('no usage at all: unpriced here, genai-prices says 0', price)
        return Outcome(f'UNEXPLAINED: {answer.reason}', price)
    if answer.usd == rounded(price):
        return Outcome('equal to the picodollar', price)
    called = answer.usd - price
    if called > 0 and any(called == rounded(question.usage.get(kind, 0) * rate) for kind, rate in calls.get((owner.id, model.id), [])):
        return Outcome('web searches and tool calls that only litellm prices', price)
    bound = finest(rates, question.usage)
    if abs(answer.usd - price) <= bound:
        return Outcome('a rate with more than 15 decimals a unit, rounded', price, bound)
    dated = by_the_calendar(owner, model, time, question.usage)
    if dated is not None and answer.usd == rounded(dated):
        return Outcome('hours of the day without their dates and weekdays in genai-prices', dated)
    return Outcome('UNEXPLAINED: another cost', price)
