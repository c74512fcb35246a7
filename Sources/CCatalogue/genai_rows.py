"""genai-prices' models as `rate` lines: dated history, tiers as variants, thresholds, hours of the day."""

import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint


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
            left_out.append((where, key))
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
                left_out.append((where, f'rates for {when[0]}={when[1]}'))
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
