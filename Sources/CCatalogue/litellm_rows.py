"""litellm's price file as offers: whose model, under which name, at which rates for which tier and threshold.

An offer says only what a usage kind of ours can meter. Whatever else a row says is reported with the reason, so that the
file LEFT-OUT is complete: every key of the price file that holds a rate is either in an offer or counted there.
"""

import json
import re
import zipfile
from decimal import ROUND_HALF_EVEN, Decimal

# litellm's provider name -> the provider of the catalogue. What is not here is a provider of its own, of the same name.
# The order decides which of two rows with one name has it; the other one keeps litellm's own key as its name.
PROVIDERS = {
    'anthropic': 'anthropic',
    'openai': 'openai', 'text-completion-openai': 'openai', 'chatgpt': 'openai',
    'azure': 'azure', 'azure_text': 'azure', 'azure_ai': 'azure',
    'bedrock_converse': 'aws', 'bedrock': 'aws', 'bedrock_mantle': 'aws', 'amazon_nova': 'aws', 'sagemaker': 'aws',
    'gemini': 'google', 'vertex_ai': 'google', 'vertex_ai-language-models': 'google', 'vertex_ai-text-models': 'google',
    'vertex_ai-embedding-models': 'google', 'vertex_ai-video-models': 'google', 'vertex_ai-anthropic_models': 'google',
    'vertex_ai-mistral_models': 'google', 'vertex_ai-llama_models': 'google', 'vertex_ai-ai21_models': 'google',
    'vertex_ai-deepseek_models': 'google', 'vertex_ai-qwen_models': 'google', 'vertex_ai-zai_models': 'google',
    'vertex_ai-openai_models': 'google', 'vertex_ai-minimax_models': 'google', 'vertex_ai-moonshot_models': 'google',
    'xai': 'x-ai',
    'mistral': 'mistral', 'codestral': 'mistral', 'text-completion-codestral': 'mistral',
    'cohere': 'cohere', 'cohere_chat': 'cohere',
    'together_ai': 'together',
    'fireworks_ai': 'fireworks', 'fireworks_ai-embedding-models': 'fireworks',
    'moonshot': 'moonshotai', 'voyage': 'voyageai', 'bigmodel': 'zhipuai', 'github_copilot': 'github-copilot',
    'meta': 'meta', 'meta_llama': 'meta',
    'dashscope': 'dashscope', 'qwen_ai_platform': 'dashscope', 'qwencloud': 'dashscope',
    'inception': 'inception', 'text-completion-inception': 'inception',
}

# What stands before the name in litellm's key, beside the provider's own name.
KEY_PREFIXES = {
    'azure': ['azure_ai/', 'azure/'], 'google': ['vertex_ai/', 'gemini/'], 'aws': ['bedrock/', 'amazon-nova/', 'sagemaker/'],
    'mistral': ['text-completion-codestral/', 'codestral/'], 'dashscope': ['qwen_ai_platform/', 'qwencloud/'],
    'inception': ['text-completion-inception/'],
}

# Base keys of rates by the token, with the kinds they are.
TOKEN_KEYS = {
    'input_cost_per_token': 'input',
    'output_cost_per_token': 'output',
    'cache_read_input_token_cost': 'cacheRead',
    'cache_creation_input_token_cost': 'cacheWrite',
    'cache_creation_input_token_cost_above_1hr': 'cacheWrite1h',
    'output_cost_per_reasoning_token': 'reasoning',
    'input_cost_per_audio_token': 'inputAudio',
    'input_cost_per_image_token': 'inputImage',
    'input_cost_per_video_token': 'inputVideo',
    'cache_read_input_audio_token_cost': 'cacheReadAudio',
    'cache_read_input_image_token_cost': 'cacheReadImage',
    'output_cost_per_audio_token': 'outputAudio',
    'output_cost_per_image_token': 'outputImage',
    'output_cost_per_video_token': 'outputVideo',
}
TIERS = {None: 'standard', 'batches': 'batch', 'flex': 'flex', 'priority': 'priority'}
KEY = re.compile(r'^(?P<base>.*?)(?:_above_(?P<above>\d+k?)_tokens)?(?:_(?P<tier>batches|flex|priority|balanced|ultrafast|decisions))?$')

# Modes whose models make no text: a 0 for their output is the absence of a rate.
NO_TEXT_OUT = {'embedding', 'rerank', 'audio_speech', 'audio_transcription', 'image_generation', 'image_edit',
               'video_generation', 'moderation', 'search', 'ocr', None}

# Rows whose rates are all 0 and whose makers document that the use is free. Every other such row is an unknown.
FREE = re.compile(r'^(omni-moderation-.*|zai/glm-4\.[57]-flash|opencode_go/.*-free)$')

# What does not name a model.
NOT_MODELS = {'sample_spec', 'fallback_generalizations'}


class Offer:
    """One row of litellm: `cards` is a list of (tier, threshold or None, {kind: USD per unit}), `windows` of
    (hours, days, zone, {kind: USD per unit}) of rates that replace the standard ones at some hours."""

    def __init__(self, key, provider, name, row):
        self.key, self.provider, self.name, self.row = key, provider, name, row
        self.cards, self.windows, self.regions = [], [], []

    def base(self):
        """The standard rates below every threshold."""
        for tier, above, rates in self.cards:
            if tier == 'standard' and above is None:
                return rates
        return {}

    def same(self, other):
        return self.cards == other.cards and self.windows == other.windows and self.regions == other.regions


def read(wheel_path):
    """The price file of a litellm wheel, numbers as they are written."""
    with zipfile.ZipFile(wheel_path) as wheel:
        text = wheel.read('litellm/model_prices_and_context_window_backup.json')
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def per_unit(value):
    """A rate without what is below 1e-15 USD a unit."""
    return Decimal(value).quantize(Decimal('1e-15'), rounding=ROUND_HALF_EVEN).normalize()


def name_of(key, litellm_provider, provider):
    """litellm's key without the name of the provider in front, and without what Fireworks puts before every model."""
    for prefix in [litellm_provider + '/', *KEY_PREFIXES.get(provider, [])]:
        if key.startswith(prefix) and len(key) > len(prefix):
            key = key[len(prefix):]
            break
    return key.removeprefix('accounts/fireworks/models/')


def number(value):
    return isinstance(value, Decimal)


def threshold(words):
    return int(words[:-1]) * 1000 if words.endswith('k') else int(words)


def token_cards(row, report):
    """The cards by tier and threshold. What a tier or a band does not say is as without it, as litellm charges it."""
    table = {}
    for key, value in row.items():
        if not number(value) or 'cost' not in key:
            continue
        match = KEY.match(key)
        base, above, tier = match['base'], match['above'], match['tier']
        kind = TOKEN_KEYS.get(base)
        if kind is None:
            continue
        if tier not in TIERS:
            report(f'rates of the tier {tier}')
            continue
        table.setdefault((TIERS[tier], above and threshold(above)), {})[kind] = per_unit(value)
    hit = row.get('input_cost_per_token_cache_hit')
    base = table.get(('standard', None), {})
    if number(hit) and base and 'cacheRead' not in base:
        base['cacheRead'] = per_unit(hit)
    if ('standard', None) not in table:
        if table:
            report('rates of a tier or a band without standard ones')
        return []
    base = table[('standard', None)]

    def band(tier, start):
        """What a tier's bands at or below this threshold say, the higher one last."""
        rates = {}
        for above in sorted(other for name, other in table if name == tier and other is not None):
            if start is not None and above <= start:
                rates.update(table[(tier, above)])
        return rates

    starts = sorted({above for _, above in table if above is not None}, reverse=True)
    cards = []
    for tier in ['standard', 'batch', 'flex', 'priority']:
        if not any(name == tier for name, _ in table):
            continue
        own = table.get((tier, None), {})
        for start in starts + [None]:
            # A batch has only its own rates: a part without one is charged with its total. The other tiers have the standard
            # ones where they have none, but for reasoning, which follows the output's.
            totals = {kind: base[kind] for kind in ('input', 'output') if kind in base}
            below = [totals, own] if tier == 'batch' else [base, own, band('standard', start)]
            rates = {kind: rate for some in [*below, band(tier, start)] for kind, rate in some.items()}
            if tier != 'standard' and 'output' in own and 'reasoning' not in own:
                rates.pop('reasoning', None)
            cards.append((tier, start, rates))
    if all(rates.get('reasoning') in (None, rates.get('output')) for tier, start, rates in cards if start is None):
        # Said twice: a band that raises the output raises it too.
        for _, _, rates in cards:
            rates.pop('reasoning', None)
    return cards


def ranges(row):
    """The cards of `tiered_pricing`: a band from above the lower end of its range. None when it is by something else."""
    tiers = row['tiered_pricing']
    if any('range' not in tier or 'input_cost_per_token' not in tier for tier in tiers):
        return None
    cards = []
    for tier in sorted(tiers, key=lambda tier: tier['range'][0], reverse=True):
        rates = {kind: per_unit(tier[key]) for key, kind in TOKEN_KEYS.items() if number(tier.get(key))}
        if 'output' not in rates and number(row.get('output_cost_per_token')):
            rates['output'] = per_unit(row['output_cost_per_token'])
        start = int(tier['range'][0])
        cards.append(('standard', start or None, rates))
    return cards


def units(row, rates, report):
    """Rates by anything but the token, for the standard card. Adds to `rates`."""
    mode = row.get('mode')
    made = mode in {'image_generation', 'image_edit'}

    def value(key):
        found = row.get(key)
        return per_unit(found) if number(found) and found > 0 else None

    def put(kind, key, why=None):
        found = value(key)
        if found is None:
            return
        if why:
            report(why)
        elif rates.setdefault(kind, found) != found:
            report(f'two rates for {kind}')

    tokens = bool(rates.get('input') or rates.get('output'))
    alternate = 'a unit that stands for tokens which have a rate'
    heard = tokens and mode not in {'embedding'}
    if row.get('cost_per_second') is not None:
        report('capacity by the hour')
    else:
        put('seconds', 'input_cost_per_second', alternate if heard else None)
    put('characters', 'input_cost_per_character', alternate if tokens else None)
    if value('output_cost_per_character') is not None:
        report(alternate if tokens else 'characters made')
        if not tokens:
            rates.pop('characters', None)
    resolutions = {key: per_unit(found) for key, found in row.items() if re.match(r'output_cost_per_second_', key)}
    if mode == 'video_generation':
        spoken = value('output_cost_per_second') or value('output_cost_per_video_per_second')
        if any(found != spoken for found in resolutions.values()):
            report('seconds of video by resolution')
        else:
            put('outputSeconds', 'output_cost_per_second')
            put('outputSeconds', 'output_cost_per_video_per_second')
    elif value('output_cost_per_second') is not None:
        same = value('output_cost_per_second') == value('input_cost_per_second')
        put('outputSeconds', 'output_cost_per_second', alternate if heard or same else None)
    sizes = [key for key in row if re.match(r'output_cost_per_image_[0-9.]+K?$', key)]
    if sizes:
        report('images by size')
    elif mode == 'audio_speech' or 'audio' in (row.get('supported_output_modalities') or []):
        if value('output_cost_per_image') is not None:
            report('songs by the piece')
    else:
        put('images', 'output_cost_per_image', alternate if tokens and not made or rates.get('outputImage') else None)
    if made and value('output_cost_per_image') is None and not sizes and not rates.get('outputImage'):
        put('images', 'input_cost_per_image', alternate if tokens else None)
    else:
        put('inputImages', 'input_cost_per_image', alternate if tokens and mode not in {'embedding', 'video_generation'} else None)
    if not any(kind in rates for kind in ('images', 'outputImage')):
        if value('input_cost_per_pixel') is not None or value('output_cost_per_pixel') is not None:
            report('images by the pixel')
    heard_and_seen = {value('input_cost_per_audio_per_second'), value('input_cost_per_video_per_second')} - {None}
    steps = [key for key in row if 'interval' in key]
    if len(heard_and_seen) == 1 and not steps and not rates.get('seconds') and not (tokens and mode == 'realtime'):
        rates['seconds'] = heard_and_seen.pop()
    elif heard_and_seen:
        report('seconds of audio and of video at two rates')
    put('searchUnits', 'input_cost_per_query', 'requests for an embedding of text' if mode == 'embedding' else None)
    put('requests', 'input_cost_per_request')
    put('pages', 'ocr_cost_per_page')
    put('toolCalls', 'google_maps_grounding_cost_per_query')
    put('toolCalls', 'code_interpreter_cost_per_session')
    if value('annotation_cost_per_page') is not None:
        report('annotated pages')
    if value('ocr_cost_per_credit') is not None:
        report('credits')
    if value('input_cost_per_text_message') is not None:
        report('messages')
    if value('citation_cost_per_token') is not None:
        report('citation tokens')
    context = row.get('search_context_cost_per_query')
    if isinstance(context, dict):
        prices = {per_unit(price) for price in context.values() if number(price)}
        if len(prices) == 1 and prices != {Decimal(0)}:
            rates['webSearches'] = prices.pop()
        elif prices != {Decimal(0)}:
            report('web searches by the size of their context')


def without_zeros(rates, row, report):
    """Drops a 0 that is no price: text of a model that makes none, cache writes that cost less than not caching, and what
    stands beside the unit that is really metered."""
    mode = row.get('mode')
    kept = {}
    for kind, rate in rates.items():
        if rate != 0 or kind == 'cacheRead':
            kept[kind] = rate
        elif kind == 'output' and mode not in NO_TEXT_OUT and any(rates.get(other) for other in ('input', 'requests')):
            kept[kind] = rate
        elif kind == 'input' and rates.get('requests'):
            kept[kind] = rate
        elif kind in ('cacheWrite', 'cacheWrite1h'):
            report('a cache write at 0, less than the same tokens not cached')
    return kept


def offers(prices, report):
    """Every row that says something, in the order of litellm's providers, then of the keys. `report(key, reason)`."""
    order = {name: index for index, name in enumerate(PROVIDERS)}
    found = []
    for key in sorted(prices, key=lambda key: (order.get(prices[key].get('litellm_provider'), 99), key)):
        row = prices[key]
        if key in NOT_MODELS:
            continue
        litellm_provider = row['litellm_provider']
        provider = PROVIDERS.get(litellm_provider, litellm_provider)
        offer = Offer(key, provider, name_of(key, litellm_provider, provider), row)
        seen = []

        def note(reason):
            if reason not in seen:
                seen.append(reason)
                report(key, reason)

        fill(offer, row, note)
        if offer.cards:
            found.append(offer)
        elif not seen:
            report(key, 'no rates' if not any(number(value) and 'cost' in name for name, value in row.items())
                   else 'no rate of a kind that is metered')
    return found


def fill(offer, row, note):
    numbers = [value for name, value in row.items() if number(value) and 'cost' in name]
    numbers += [value for name in ('search_context_cost_per_query',) for value in (row.get(name) or {}).values() if number(value)]
    if numbers and not any(numbers):
        if FREE.match(offer.key):
            offer.cards = [('standard', None, {'input': Decimal(0), 'output': Decimal(0)})]
        else:
            note('all rates are 0, which stands for free and for unknown')
        return
    if row.get('tiered_pricing'):
        cards = ranges(row)
        if cards is None:
            note('rates by the number of results')
            return
    else:
        cards = token_cards(row, note)
    if not cards:
        cards = [('standard', None, {})]
    extra = dict(cards[-1][2]) if cards[-1][0] == 'standard' else dict(next(c[2] for c in cards if c[:2] == ('standard', None)))
    known = set(extra)
    units(row, extra, note)
    for kind in list(extra):
        if kind in known:
            del extra[kind]
    batch = dict(extra)
    if number(row.get('ocr_cost_per_page_batches')):
        batch['pages'] = per_unit(row['ocr_cost_per_page_batches'])
        if not any(tier == 'batch' for tier, _, _ in cards):
            cards.append(('batch', None, {}))
    for tier, above, rates in cards:
        full = without_zeros({**rates, **(batch if tier == 'batch' else extra)}, row, note)
        if full:
            offer.cards.append((tier, above, full))
    if not any(tier == 'standard' and above is None for tier, above, _ in offer.cards):
        offer.cards = []
        return
    for name, words in (('cache_creation_input_audio_token_cost', 'cache writes of audio'),
                        ('cache_creation_input_token_cost_above_12hr', 'cache writes of twelve hours'),
                        ('explicit_cache_read_input_token_cost', 'reads of an explicit cache')):
        if any(key.startswith(name) and number(value) and value for key, value in row.items()):
            note(words)
    off_peak(offer, row, note)
    region(offer, row)


def off_peak(offer, row, note):
    block = row.get('off_peak_pricing')
    if block is None:
        return
    if 'hours_utc' in block or any(tier != 'standard' or above for tier, above, _ in offer.cards):
        note('off-peak hours')
        return
    rates = {**offer.base(), **{TOKEN_KEYS[key]: per_unit(value) for key, value in block.items() if key in TOKEN_KEYS}}
    zone = {'Asia/Shanghai': 8, None: 0}[block.get('weekday_timezone')]
    for rule in block['windows']:
        hours = rule['hours_utc']
        spans = []
        for span in [hours] if isinstance(hours, str) else hours:
            ends = [f'{(int(end[:2]) + zone) % 24:02d}{end[2:]}' for end in span.split('-')]
            spans.append('-'.join(ends))
        days = ','.join(str(int(day)) for day in rule['weekdays'])
        offer.windows.append((','.join(sorted(spans)), days, zone, rates))


def region(offer, row):
    """Multipliers by region, as the words of a `region` line."""
    for name in ('eu', 'us'):
        value = row.get(f'regional_processing_uplift_multiplier_{name}')
        if value is not None:
            offer.regions.append(f'{name}={value.normalize():f}')
    value = row.get('regional_endpoint_uplift_multiplier')
    if value is not None and offer.key.startswith('vertex_ai/'):
        offer.regions += ['global=1', f'*={value.normalize():f}']
    value = (row.get('provider_specific_entry') or {}).get('us')
    if value is not None and number(value):
        offer.regions.append(f'us={value.normalize():f}')
