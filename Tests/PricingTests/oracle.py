#!/usr/bin/env python3
"""An independent judge of costs: reads `derivation<TAB>kind=millionths,...` lines, writes one cost in picodollars each.

Shares nothing with the engine but the definition: a request is a heap of single tokens, each with a cache state and a
modality; every token is charged at the most particular rate there is for it. Decimal arithmetic, rounded once, half-even.
"""

import sys
from decimal import ROUND_HALF_EVEN, Decimal, getcontext

getcontext().prec = 80

INPUT_MODALITIES = {'inputAudioTokens': 'cacheReadAudioTokens', 'inputImageTokens': 'cacheReadImageTokens',
                    'inputVideoTokens': 'cacheReadVideoTokens'}
OUTPUT_PARTS = ['outputAudioTokens', 'outputImageTokens', 'outputVideoTokens', 'reasoningTokens']
TOKENS = {'inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens', 'cacheWrite1hTokens', 'toolTokens',
          *INPUT_MODALITIES, *INPUT_MODALITIES.values(), *OUTPUT_PARTS}


def first(rates, *kinds):
    for kind in kinds:
        if kind in rates:
            return rates[kind]
    raise KeyError(kinds)


def charge(rates, usage, minimum):
    use = dict.fromkeys(TOKENS, 0)
    use.update(usage)
    heap = []  # (count, kinds whose rate it may have, most particular first)
    cached_parts = 0
    for modality, cached in INPUT_MODALITIES.items():
        heap.append((use[cached], [cached, 'cacheReadTokens', modality, 'inputTokens']))
        heap.append((use[modality] - use[cached], [modality, 'inputTokens']))
        cached_parts += use[cached]
    heap.append((use['cacheReadTokens'] - cached_parts, ['cacheReadTokens', 'inputTokens']))
    heap.append((use['cacheWriteTokens'], ['cacheWriteTokens', 'inputTokens']))
    heap.append((use['cacheWrite1hTokens'], ['cacheWrite1hTokens', 'cacheWriteTokens', 'inputTokens']))
    heap.append((use['inputTokens'] - sum(count for count, _ in heap), ['inputTokens']))
    outputs = [(use[part], [part, 'outputTokens']) for part in OUTPUT_PARTS]
    outputs.append((use['outputTokens'] - sum(count for count, _ in outputs), ['outputTokens']))
    heap += outputs
    if 'requests' in rates and 'requests' not in usage:
        usage = {**usage, 'requests': 1000000}
    for kind, count in usage.items():
        if kind not in TOKENS:
            if kind in minimum and count > 0:
                count = max(count, minimum[kind])
            heap.append((count, [kind]))
    total = Decimal(0)
    for count, kinds in heap:
        if count < 0:
            raise ValueError(f'negative {kinds}')
        if count:
            total += Decimal(count) / 1000000 * first(rates, *kinds) / Decimal(1000)
    return int(total.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


for line in sys.stdin:
    derivation, usage = line.rstrip('\n').split('\t')
    rates, minimum = {}, {}
    for field in derivation.split('|')[1:]:
        if field.startswith('minimum:'):
            _, kind, quantity = field.split(':')
            minimum[kind] = int(Decimal(quantity) * 1000000)
        elif '=' in field and ':' not in field:
            kind, rate = field.split('=')
            rates[kind] = Decimal(rate)
    pairs = [pair.split('=') for pair in usage.split(',')]
    print(charge(rates, {kind: int(count) for kind, count in pairs}, minimum))
