"""Random questions to the engine and to litellm, for every row that was taken from litellm.

litellm computes in binary floating point, so equality is to fifteen digits. Every larger difference has to be one of those
that are named in `judge`, each with its own check; what is left is unexplained.
"""

import os
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'

import litellm
from litellm import cost_per_token
from litellm._internal_context import _billing_time
from litellm.cost_calculator import default_image_cost_calculator, default_video_cost_calculator, ocr_batch_cost
from litellm.constants import FIREWORKS_AI_DEFAULT_CACHE_READ_RATE_RATIO
from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import StandardBuiltInToolCostTracking as Tools
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.llms.base_llm.ocr.transformation import OCRResponse, OCRUsageInfo
from litellm.exceptions import ModelNotMappedError
from litellm.types.utils import CacheCreationTokenDetails, CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage

from questions import Outcome, Question, rounded

litellm.suppress_debug_info = True

# litellm's code names a provider differently from its price file here and there.
CALLED = {'bedrock_converse': 'bedrock', 'cohere_chat': 'cohere', 'azure_text': 'azure'}
TOKENS = {'input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h', 'reasoning', 'inputAudio', 'inputImage', 'inputVideo',
          'outputAudio', 'outputImage', 'outputVideo', 'cacheReadAudio', 'cacheReadImage'}
# Units beside tokens that litellm's code prices for the modes below; for others its price file has rates that it never reads.
UNITS = {'seconds': {'audio_transcription'}, 'characters': {'audio_speech'}, 'images': {'image_generation', 'image_edit'},
         'outputSeconds': {'video_generation'}, 'searchUnits': {'rerank', 'search'}, 'pages': {'ocr'}}


def called(offer):
    name = offer.row['litellm_provider']
    return CALLED.get(name, name.split('-')[0] if name.startswith(('vertex_ai-', 'fireworks_ai-')) else name)


def usage(random, rates, edges, plain):
    """Consistent usage of the kinds that the row prices; `plain` has no modalities, which litellm's batches ignore."""
    def part(whole):
        return random.randint(0, whole) if whole > 0 and random.random() < 0.5 else 0

    def count():
        if edges and random.random() < 0.4:
            return random.choice(edges) + random.choice([-1, 0, 1, 40_000])
        return random.choice([random.randint(1, 9), random.randint(1, 5_000), random.randint(1, 400_000), random.randint(1, 2_000_000)])

    found = {}
    if 'input' in rates:
        total = count()
        read, short, long = part(total), 0, 0
        if 'cacheWrite' in rates:
            short = part(total - read)
            long = part(total - read - short)
        left = total - read - short - long
        audio = part(left) if 'inputAudio' in rates and not plain else 0
        image = part(left - audio) if 'inputImage' in rates and not plain else 0
        found |= {'input': total, 'cacheRead': read, 'cacheWrite': short, 'cacheWrite1h': long, 'inputAudio': audio, 'inputImage': image}
    if 'output' in rates:
        made = count()
        audio = part(made) if 'outputAudio' in rates and not plain else 0
        image = part(made - audio) if 'outputImage' in rates and not plain else 0
        reasoning = part(made - audio - image) if not plain else 0
        found |= {'output': made, 'outputAudio': audio, 'outputImage': image, 'reasoning': reasoning}
    if 'webSearches' in rates and 'input' in rates:
        found['webSearches'] = random.choice([0, 1, 7])
    return {kind: Decimal(value) for kind, value in found.items() if value or kind in ('input', 'output')}


def unit_usage(random, offer):
    for kind, modes in UNITS.items():
        if kind in offer.base() and offer.row.get('mode') in modes and not (TOKENS & set(offer.base())):
            count = random.choice([1, 2, 3, random.randint(1, 4000)])
            return {kind: Decimal(count) if kind not in ('seconds', 'outputSeconds') else Decimal(random.randint(1, 400_000)) / 100}
    return None


def questions(random, count, added):
    """`count` questions: every row once, then rows at random. `added` is what merge.merged says of the rows."""
    rows = [row for rows in added.values() for row in rows]
    asked, index, passed = [], 0, set()
    while len(asked) < count:
        name, offer = rows[index] if index < len(rows) else random.choice(rows)
        index += 1
        rates = offer.base()
        tiers = sorted({tier for tier, _, _ in offer.cards})
        tier = 'standard' if random.random() < 0.4 else random.choice(tiers)
        found = unit_usage(random, offer)
        if found is None:
            if not {'input', 'output'} & set(rates):
                passed.add(offer.key)
                continue
            edges = [above for _, above, _ in offer.cards if above]
            found = usage(random, rates, edges, tier == 'batch')
        region = ''
        if offer.regions and random.random() < 0.5:
            region = random.choice(['eu', 'us', 'us-east5', 'global', 'mars'])
        time = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(20 * 86400))
        asked.append(Question(offer.provider, name, time.strftime('%Y-%m-%dT%H:%M:%SZ'), tier, found, (offer, name, time), region))
    return asked, passed


# --- what litellm says -----------------------------------------------------------------------------------------------

def block(usage):
    get = lambda kind: int(usage.get(kind, 0))
    cached, short, long = get('cacheRead'), get('cacheWrite'), get('cacheWrite1h')
    left = get('input') - cached - short - long - get('inputAudio') - get('inputImage')
    prompt = PromptTokensDetailsWrapper(
        cached_tokens=cached, cache_creation_tokens=short + long, audio_tokens=get('inputAudio'), image_tokens=get('inputImage'),
        text_tokens=left, cache_creation_token_details=CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=short, ephemeral_1h_input_tokens=long))
    text = get('output') - get('outputAudio') - get('outputImage') - get('reasoning')
    made = CompletionTokensDetailsWrapper(
        audio_tokens=get('outputAudio'), image_tokens=get('outputImage'), reasoning_tokens=get('reasoning'), text_tokens=text)
    return Usage(prompt_tokens=get('input'), completion_tokens=get('output'), total_tokens=get('input') + get('output'),
                 prompt_tokens_details=prompt, completion_tokens_details=made)


def said(offer, question):
    """litellm's own sum, as a decimal of its float."""
    usage, provider, key = question.usage, called(offer), offer.key
    units = set(usage) - TOKENS - {'webSearches'}
    if 'images' in units:
        # A key may hold the quality and the size, which its calculator wants apart.
        parts = re.fullmatch(r'(?:(\w+)/)?(\d+-x-\d+)/([^/]+)', key)
        quality, size, model = parts.groups() if parts else (None, None, key)
        return Decimal(default_image_cost_calculator(model, provider, quality, int(usage['images']), size))
    if 'outputSeconds' in units:
        return Decimal(default_video_cost_calculator(key, float(usage['outputSeconds']), provider))
    arguments = dict(model=key, custom_llm_provider=provider)
    if 'seconds' in units:
        arguments |= dict(call_type='transcription', audio_transcription_file_duration=float(usage['seconds']))
    elif 'characters' in units:
        arguments |= dict(call_type='speech', prompt_characters=int(usage['characters']))
    elif 'searchUnits' in units and offer.row['mode'] == 'search':
        arguments |= dict(call_type='search', number_of_queries=int(usage['searchUnits']))
    elif 'searchUnits' in units:
        arguments |= dict(call_type='rerank', rerank_billed_units={'search_units': int(usage['searchUnits'])})
    elif 'pages' in units:
        read = OCRUsageInfo(pages_processed=int(usage['pages']))
        if question.tier == 'batch':
            return sum(map(Decimal, ocr_batch_cost(key, provider, read)))
        arguments |= dict(call_type='ocr', response=OCRResponse(pages=[], model=key, usage_info=read))
    else:
        found = block(usage)
        if question.region and offer.row.get('provider_specific_entry'):
            found.inference_geo = question.region
        arguments |= dict(usage_object=found, prompt_tokens=found.prompt_tokens, completion_tokens=found.completion_tokens)
        if question.region and provider == 'openai':
            arguments |= dict(data_residency=question.region)
        if question.region and provider == 'vertex_ai':
            arguments |= dict(vertex_location=question.region)
        if question.tier == 'batch':
            arguments |= dict(call_type='retrieve_batch')
        elif question.tier != 'standard':
            arguments |= dict(service_tier=question.tier)
    total = sum(Decimal(part) for part in cost_per_token(**arguments))
    if usage.get('webSearches'):
        total += usage['webSearches'] * Decimal(Tools.get_cost_for_web_search(model_info=offer.row))
    return total


def general(offer, question):
    """litellm's general calculator on the very row, with what its price file says for requests, searches and the region."""
    row, usage, tier = offer.row, question.usage, question.tier
    floats = {key: float(value) if isinstance(value, Decimal) else value for key, value in row.items()}
    total = sum(map(Decimal, generic_cost_per_token(
        offer.key, block(usage), called(offer), service_tier=None if tier == 'standard' else tier, model_info=floats)))
    place = (row.get('provider_specific_entry') or {}).get(question.region, 1)
    searches = usage.get('webSearches', 0) * Decimal(Tools.get_cost_for_web_search(model_info=row))
    return total * Decimal(place) + searches + (row.get('input_cost_per_request') or 0)


def judge(question, answer):
    offer, name, time = question.context
    token = _billing_time.set(time)
    try:
        price = said(offer, question)
    except ModelNotMappedError:
        price = general(offer, question)
    finally:
        _billing_time.reset(token)
    if answer.row and answer.row != f'{question.provider}/{name}':
        return Outcome('UNEXPLAINED: another row', price)
    if answer.usd is None:
        return Outcome(f'UNEXPLAINED: {answer.reason}', price)
    if answer.usd == rounded(price):
        return Outcome('equal to the picodollar', price)
    bound = abs(price) * Decimal('2e-15') * (len(question.usage) + 2) + Decimal('1e-12')
    if abs(answer.usd - price) <= bound:
        return Outcome('equal to fifteen digits, as far as a float goes', price, bound)
    finest = sum(question.usage.values(), Decimal(0)) * Decimal('5e-16') + bound
    if abs(answer.usd - price) <= finest:
        return Outcome('a rate with more than 15 decimals a unit, rounded', price, finest)
    return differs(offer, question, answer, price)


def differs(offer, question, answer, price):
    """Differences that are known, each computed anew from litellm's own numbers."""
    row, usage = offer.row, question.usage
    count = lambda *kinds: sum((usage.get(kind, Decimal(0)) for kind in kinds), Decimal(0))
    near = lambda said: abs(answer.usd - said) <= abs(said) * Decimal('1e-13') + Decimal('1e-12')
    if offer.provider == 'fireworks' and 'cache_read_input_token_cost' not in row:
        if near(price + count('cacheRead') * row['input_cost_per_token'] * (1 - Decimal(str(FIREWORKS_AI_DEFAULT_CACHE_READ_RATE_RATIO)))):
            return Outcome('Fireworks: litellm derives a rate for cached tokens, here they are input', price)
    if question.tier == 'batch' and 'output_cost_per_token_batches' not in row and row.get('output_cost_per_token'):
        if near(price + count('output') * row['output_cost_per_token'] / 2):
            return Outcome('batch: litellm halves a rate that has no batch rate, here it is the standard one', price)
    place = (row.get('provider_specific_entry') or {}).get(question.region)
    if question.tier == 'batch' and place is not None:
        searches = count('webSearches') * Decimal(Tools.get_cost_for_web_search(model_info=row))
        if near((price - searches) * place + searches):
            return Outcome('batch: litellm leaves out the region of a Claude', price)
    if not set(usage) - TOKENS - {'webSearches'} and question.tier != 'batch':
        if near(general(offer, question)):
            return Outcome('litellm looks up another row, or its calculator for the provider leaves out caches, tiers, requests or '
                           'regions; its general one on this row agrees', price)
    if row.get('cache_creation_input_token_cost') == 0 and near(price + count('cacheWrite', 'cacheWrite1h') * row['input_cost_per_token']):
        return Outcome('a cache write at 0 in litellm, charged as input here', price)
    if row.get('input_cost_per_image') == 0 and price == 0 and near(usage['images'] * row['output_cost_per_image']):
        return Outcome('images: litellm takes a 0 for what goes in before the rate of what is made', price)
    if offer.provider == 'parallel_ai' and near(usage['searchUnits'] * row['input_cost_per_query']):
        return Outcome('Parallel: litellm takes the number of searches from the provider\'s own record', price)
    return Outcome('UNEXPLAINED: another cost', price)
