"""Both packages together: which of litellm's offers become rows, and where the two disagree.

genai-prices comes first: it has dated history and says for which names a row holds. An offer of litellm becomes a row only
where genai-prices knows no row for the name; where it does, their base rates are compared.
"""

import re
from decimal import Decimal

from genai_prices.data import providers as upstream
from genai_prices.types import ModelPrice

import genai_rows
from catalogue_names import names_of
from litellm_rows import Offer

BASE_KINDS = ['input', 'output', 'cacheRead', 'cacheWrite']
BY_ID = {provider.id: provider for provider in upstream}

# How rates by each kind are written; by the token and the character a million, by the second one.
UNITS = {'pages': 'k', 'webSearches': 'k', 'toolCalls': 'k', 'searchUnits': 'k', 'seconds': '', 'outputSeconds': '', 'images': '',
         'inputImages': '', 'requests': ''}
SCALE = {'M': Decimal(1000000), 'k': Decimal(1000), '': Decimal(1), 'h': 1 / Decimal(3600)}

# Calls beside tokens, which a row of genai-prices gets from litellm where it has none.
CALLS = {'webSearches', 'toolCalls'}

# A region in front of a name, as litellm spells it. genai-prices' patterns do not see it, its rates are those of no region.
REGIONAL = re.compile(r'(us|eu|apac|global|global-standard|[a-z]{2}(-gov)?-[a-z]+-\d)/')

# Rows that genai-prices leaves without rates and that are free of charge; its comments on them say so. The others without
# rates are unknown and left out: no row is better than a silent 0.
FREE = re.compile(r'(.*:free|github-copilot/.*|google/gemma-.*|openai/moderation|openrouter/.*-exp(-\d\d-\d\d)?)$')

_left_out = {}


def left_out(where, reason, source='litellm'):
    _left_out.setdefault((source, reason), set()).add(where)


def left_out_text():
    out = [
        '# What the packages say and this catalogue does not, by reason: the package, the reason, how many rows, then the rows.',
        '# A row that is named here may still be in the catalogue with its other rates.',
    ]
    for (source, reason), rows in sorted(_left_out.items()):
        out += ['', f'{source}: {reason} ({len(rows)})']
        line = '   '
        for row in sorted(rows):
            if len(line) + len(row) > 138:
                out.append(line)
                line = '   '
            line += ' ' + row
        out.append(line)
    return '\n'.join(out) + '\n'


def written(kind, rate):
    unit = UNITS.get(kind, 'M')
    value = genai_rows.text(rate * SCALE[unit])
    return f'{value}/{unit}' if unit else value


def read(text):
    """A written rate in USD a unit, without what is below 1e-15."""
    value, _, unit = text.partition('/')
    return (Decimal(value) / SCALE[unit]).quantize(Decimal('1e-15'))


def lines_of(offer):
    lines = []
    for hours, days, zone, rates in offer.windows:
        words = [f'days={days}', f'hours={hours}'] + ([f'zone=+{zone:02d}:00'] if zone else [])
        lines.append((words, 'standard', None, rates))
    lines += [(None, *card) for card in offer.cards]
    return [genai_rows.Line(None, window, tier, above and f'{inclusive(offer)}={above}',
                            {kind: written(kind, rate) for kind, rate in rates.items()})
            for window, tier, above, rates in lines]


def inclusive(offer):
    """litellm counts the threshold itself as above it for one provider."""
    return 'reaching' if offer.provider == 'x-ai' else 'above'


def unknown(provider, model):
    prices = [model.prices] if isinstance(model.prices, ModelPrice) else [each.prices for each in model.prices]
    return not any(genai_rows.plain(price) for price in prices) and not FREE.match(f'{provider.id}/{model.id}')


def names(provider, model):
    """(exact names, lines of patterns) of a row."""
    exact, likes = names_of(model.match)
    # An identifier of a row is a name too, unless the row's own rules leave it out.
    if provider.find_model(model.id) is model or provider.id == 'fireworks' and provider.find_model(model.id) is None:
        exact = [model.id] + exact
    return list(dict.fromkeys(exact)), likes


def find(provider, name):
    model = BY_ID[provider].find_model(name)
    return None if model is None or unknown(BY_ID[provider], model) else model


def known(provider, name):
    """genai-prices' row for a name and the provider it belongs to; the providers it falls back to count."""
    if provider in BY_ID:
        for other in [provider, *(BY_ID[provider].fallback_model_providers or [])]:
            model = find(other, name)
            if model is not None:
                return model, other
    return None, None


def rates_at(provider, model, day):
    """A row's standard rates of a day below every threshold, without windows, in USD a unit."""
    price = genai_rows.standard_at(model, day)
    silent = genai_rows.left_out[:]
    rates = genai_rows.rates_of('', price, 0)
    genai_rows.left_out[:] = silent
    return {kind: read(text) for kind, text in rates.items()}


def shorter(name):
    """The name without version, date or alias at its end: what the engine tries when it does not know the name."""
    found = []
    base = re.sub(r'(-v\d+)?:\d+$', '', name)
    if base != name:
        found.append(base)
    for _ in range(2):
        cut = re.sub(r'(-latest|@latest|@default|-20\d\d-[01]\d-[0-3]\d|[-@]20\d\d[01]\d[0-3]\d|-[01]\d-[0-3]\d|-[0-4]\d[0-3]\d'
                     r'|-00\d)$', '', base)
        if cut == base:
            break
        found.append(cut)
        base = cut
    return found


def agree(ours, theirs):
    both = [kind for kind in BASE_KINDS if kind in ours and kind in theirs]
    return bool(both) and all(ours[kind] == theirs[kind] for kind in both)


class Merged:
    """What the two packages make together."""

    def __init__(self):
        # provider -> [(name, offer)], the offers that become rows.
        self.rows = {}
        # Lines of DISAGREEMENTS.
        self.disagreements = set()
        # (provider, row of genai-prices) -> {kind: {rate, …}}: what litellm has for calls that the row does not price.
        self.calls = {}

    def added_calls(self, provider, model):
        """{kind: rate} of calls, where litellm has one rate for the row."""
        return {kind: written(kind, next(iter(rates))) for kind, rates in self.calls.get((provider.id, model.id), {}).items()
                if len(rates) == 1}


def merged(offers, day):
    result = Merged()
    taken = {(provider.id, name.lower()): model for provider in upstream for model in provider.models
             if not unknown(provider, model) for name in names(provider, model)[0]}
    for offer in offers:
        theirs = offer.base()
        name, model, owner = offer.name, *known(offer.provider, offer.name)
        if model is None and offer.provider == 'fireworks':
            name = f'accounts/fireworks/models/{offer.name}'
            model, owner = known(offer.provider, name)
        named = taken.get((offer.provider, offer.name.lower()))
        if model is None and named is not None and not isinstance(named, Offer):
            # An identifier that is a name though its row's own rules leave it out.
            name, model, owner = offer.name, named, offer.provider
        if model is not None:
            ours = rates_at(owner, model, day)
            if not REGIONAL.match(name) or taken.get((owner, name.lower())) is model or agree(ours, theirs):
                compare(offer, name, ours, peak_rates(model), result.disagreements)
                complete(offer, owner, model, ours, result.calls)
                continue
        dated = [find(offer.provider, name) for name in shorter(offer.name)] if offer.provider in BY_ID else []
        if any(row is not None and agree(rates_at(offer.provider, row, day), theirs) for row in dated):
            continue
        place(offer, result.rows.setdefault(offer.provider, []), taken)
    for (provider, row), calls in result.calls.items():
        for kind, rates in calls.items():
            if len(rates) > 1:
                left_out(f'{provider}/{row}', f'{kind} at several rates, for a row that genai-prices has without it')
    return result


def peak_rates(model):
    """The rates of a row's hours of the day, in USD a unit."""
    return [{kind: read(text) for kind, text in genai_rows.rates_of('', price, 0).items()} for _, price in genai_rows.windows_of(model)]


def compare(offer, name, ours, peaks, lines):
    """The base rates that differ. Where a row has hours of its own, litellm's rate may be that of either."""
    theirs = offer.base()
    free = not any(theirs.values())
    for kind in BASE_KINDS:
        if kind in ours and kind in theirs and not free and theirs[kind] not in [each.get(kind) for each in [ours, *peaks]]:
            lines.add(f'{offer.provider} {name} {kind} genai-prices {written(kind, ours[kind])}'
                      f' litellm {written(kind, theirs[kind])}')


def complete(offer, owner, model, ours, calls):
    """Calls that only litellm prices, for a row of genai-prices: without them an event with a web search would have no cost."""
    for kind, rate in offer.base().items():
        if kind in ours or kind in BASE_KINDS or kind in ('cacheWrite1h', 'reasoning'):
            continue
        if kind in CALLS and owner == offer.provider:
            calls.setdefault((owner, model.id), {}).setdefault(kind, set()).add(rate)
        elif kind not in CALLS:
            left_out(offer.key, f'{kind}, for a row that genai-prices has without it')


def place(offer, rows, taken):
    """Adds the offer under its name; where another offer with other rates has the name, under litellm's key, or behind the
    name of litellm's provider."""
    family = offer.row['litellm_provider'].split('-')[0]
    for name in [offer.name, offer.key, f'{family}/{offer.name}']:
        at = (offer.provider, name.lower())
        if at not in taken:
            rows.append((name, offer))
            taken[at] = offer
            return
        if isinstance(taken[at], Offer) and taken[at].same(offer):
            return
    raise SystemExit(f'{offer.key}: no name left')
