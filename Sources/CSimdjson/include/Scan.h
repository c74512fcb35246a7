// Scan: the first byte of a kind, sixteen at a time. For the request parser, whose time goes into finding where names, values
// and targets end. Nothing at or after `end` is read.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline int purser_is_name_like(uint8_t byte) {
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10 || byte == '-';
}

// The first position in [at, end) that is not a letter, a digit or a hyphen; `end` when there is none.
static inline size_t purser_scan_name(const void *bytes, size_t at, size_t end) {
    const uint8_t *base = (const uint8_t *)bytes;
#if defined(__SSE2__)
    while (at + 16 <= end) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(base + at));
        const __m128i letter = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        const __m128i digit = _mm_sub_epi8(block, _mm_set1_epi8('0'));
        const __m128i known = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter),
                         _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit)),
            _mm_cmpeq_epi8(block, _mm_set1_epi8('-')));
        const unsigned stops = 0xFFFFu ^ (unsigned)_mm_movemask_epi8(known);
        if (stops != 0) return at + (size_t)__builtin_ctz(stops);
        at += 16;
    }
#endif
    while (at < end && purser_is_name_like(base[at])) at++;
    return at;
}

// The first position in [at, end) with a byte below 0x20 or 0x7F; `end` when there is none.
static inline size_t purser_scan_control(const void *bytes, size_t at, size_t end) {
    const uint8_t *base = (const uint8_t *)bytes;
#if defined(__SSE2__)
    while (at + 16 <= end) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(base + at));
        const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
        const unsigned stops = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7F))));
        if (stops != 0) return at + (size_t)__builtin_ctz(stops);
        at += 16;
    }
#endif
    while (at < end && base[at] >= 0x20 && base[at] != 0x7F) at++;
    return at;
}

// The first position in [at, end) with a byte that is not visible ASCII, or with `?` or `#`; `end` when there is none.
static inline size_t purser_scan_target(const void *bytes, size_t at, size_t end) {
    const uint8_t *base = (const uint8_t *)bytes;
#if defined(__SSE2__)
    while (at + 16 <= end) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(base + at));
        const __m128i past = _mm_sub_epi8(block, _mm_set1_epi8(0x21));
        const __m128i visible = _mm_cmpeq_epi8(_mm_min_epu8(past, _mm_set1_epi8(0x5D)), past);
        const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('?')), _mm_cmpeq_epi8(block, _mm_set1_epi8('#')));
        const unsigned stops = 0xFFFFu ^ (unsigned)_mm_movemask_epi8(_mm_andnot_si128(marks, visible));
        if (stops != 0) return at + (size_t)__builtin_ctz(stops);
        at += 16;
    }
#endif
    while (at < end && base[at] > 0x20 && base[at] < 0x7F && base[at] != '?' && base[at] != '#') at++;
    return at;
}
