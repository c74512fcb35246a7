#!/usr/bin/env python3
"""Writes the price list of the installed package genai-prices in the JSON that it is published in (prices/data.json).

    python3 -m venv venv && venv/bin/pip install genai-prices==0.2.3
    venv/bin/python genai_json.py > genai.json
    purser prices update --from genai.json --base builtin --dry-run      # says: No change.

    venv/bin/python genai_json.py anthropic deepseek groq perplexity x-ai > fixtures/genai-prices-0.2.3.json

With names of providers only those are written. Prices are written digit by digit as the package has them; what has to do
with neither names nor prices (descriptions, rules that read a provider's answers) is left out.
"""

import json
import sys
from decimal import Decimal

from genai_prices.data import providers
from genai_prices.types import ClauseAnd, ClauseOr, ModelPrice, StartDateConstraint, TieredPrices


def written(value):
    """JSON with decimals as their text, which the json module has no way to write."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return '{' + ','.join(f'{json.dumps(key)}:{written(item)}' for key, item in value.items()) + '}'
    if isinstance(value, list):
        return '[' + ','.join(written(item) for item in value) + ']'
    return json.dumps(value, ensure_ascii=False)


def prices(price):
    found = {}
    for key, value in price.__dict__.items():
        if isinstance(value, TieredPrices):
            value = {'base': value.base, 'tiers': [{'start': tier.start, 'price': tier.price} for tier in value.tiers]}
        if value is not None:
            found[key] = value
    return found


def clause(rule):
    if isinstance(rule, ClauseOr):
        return {'or': [clause(part) for part in rule.or_]}
    if isinstance(rule, ClauseAnd):
        return {'and': [clause(part) for part in rule.and_]}
    return dict(rule.__dict__)


def constraint(rule):
    if isinstance(rule, StartDateConstraint):
        return {'start_date': rule.start_date.isoformat()}
    return {'start_time': rule.start_time.isoformat(), 'end_time': rule.end_time.isoformat()}


def conditional(entry, first):
    found = dict(first)
    if entry.constraint is not None:
        found['constraint'] = constraint(entry.constraint)
    return found | {'prices': prices(entry.prices)}


def model(entry):
    found = {'id': entry.id, 'match': clause(entry.match)}
    if isinstance(entry.prices, ModelPrice):
        found['prices'] = prices(entry.prices)
    else:
        found['prices'] = [conditional(each, {}) for each in entry.prices]
    if entry.price_variants:
        found['price_variants'] = [conditional(each, {'when': each.when}) for each in entry.price_variants]
    return found


def provider(entry):
    found = {'id': entry.id, 'name': entry.name, 'api_pattern': entry.api_pattern}
    if entry.provider_match:
        found['provider_match'] = clause(entry.provider_match)
    if entry.fallback_model_providers:
        found['fallback_model_providers'] = entry.fallback_model_providers
    return found | {'models': [model(each) for each in entry.models]}


wanted = sys.argv[1:]
rows = [written(provider(entry)) for entry in providers if not wanted or entry.id in wanted]
print('[' + ',\n'.join(rows) + ']')
