#!/usr/bin/env python3
"""Writes the entries of some of litellm's providers from the price file inside its wheel.

    pip download --no-deps litellm==1.109.1
    python3 litellm_json.py litellm-1.109.1-*.whl dashscope deepgram deepseek qwen_ai_platform qwencloud voyage xai \\
        > fixtures/litellm-1.109.1.json

Fields that have to do with neither rates nor regions are left out; the others stand there as in the wheel.
"""

import json
import sys
import zipfile
from decimal import Decimal

FIELDS = ('litellm_provider', 'mode', 'tiered_pricing', 'off_peak_pricing', 'supported_output_modalities', 'provider_specific_entry')


def written(value):
    """JSON with numbers as their text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return '{' + ','.join(f'{json.dumps(key)}:{written(item)}' for key, item in value.items()) + '}'
    if isinstance(value, list):
        return '[' + ','.join(written(item) for item in value) + ']'
    return json.dumps(value, ensure_ascii=False)


with zipfile.ZipFile(sys.argv[1]) as wheel:
    text = wheel.read('litellm/model_prices_and_context_window_backup.json')
entries = json.loads(text, parse_float=Decimal, parse_int=Decimal)
rows = []
for key, entry in entries.items():
    if entry.get('litellm_provider') in sys.argv[2:]:
        kept = {name: value for name, value in entry.items() if 'cost' in name or 'uplift' in name or name in FIELDS}
        rows.append(f'{json.dumps(key)}:{written(kept)}')
print('{' + ',\n'.join(rows) + '}')
