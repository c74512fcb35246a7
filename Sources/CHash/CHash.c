#include "CHash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t purser_xxh3(const void *bytes, size_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, length, seed);
}

// Slicing by eight over the reflected polynomial 0x82F63B78; the tables are made on first use.
static uint32_t tables[8][256];
static int tables_ready;

static void make_tables(void) {
    uint32_t made[8][256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1)));
        made[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++) made[t][i] = (made[t - 1][i] >> 8) ^ made[0][made[t - 1][i] & 0xff];
    memcpy(tables, made, sizeof made);
    __atomic_store_n(&tables_ready, 1, __ATOMIC_RELEASE);
}

uint32_t purser_crc32c_portable(uint32_t crc, const void *bytes, size_t length) {
    if (!__atomic_load_n(&tables_ready, __ATOMIC_ACQUIRE)) make_tables();
    const uint8_t *p = bytes;
    crc = ~crc;
    for (; length >= 8; p += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word ^= crc;
        crc = tables[7][word & 0xff] ^ tables[6][(word >> 8) & 0xff] ^ tables[5][(word >> 16) & 0xff] ^
              tables[4][(word >> 24) & 0xff] ^ tables[3][(word >> 32) & 0xff] ^ tables[2][(word >> 40) & 0xff] ^
              tables[1][(word >> 48) & 0xff] ^ tables[0][word >> 56];
    }
    for (; length > 0; p++, length--) crc = tables[0][(crc ^ *p) & 0xff] ^ (crc >> 8);
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *p = bytes;
    uint64_t state = ~crc;
    for (; length >= 8; p += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; length > 0; p++, length--) rest = _mm_crc32_u8(rest, *p);
    return ~rest;
}

uint32_t purser_crc32c(uint32_t crc, const void *bytes, size_t length) {
    static int known;  // 0 not asked, 1 has the instruction, 2 has not
    int state = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (state == 0) {
        __builtin_cpu_init();
        state = __builtin_cpu_supports("sse4.2") ? 1 : 2;
        __atomic_store_n(&known, state, __ATOMIC_RELAXED);
    }
    return state == 1 ? crc32c_sse42(crc, bytes, length) : purser_crc32c_portable(crc, bytes, length);
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t purser_crc32c(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *p = bytes;
    uint32_t state = ~crc;
    for (; length >= 8; p += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = __crc32cd(state, word);
    }
    for (; length > 0; p++, length--) state = __crc32cb(state, *p);
    return ~state;
}
#else
uint32_t purser_crc32c(uint32_t crc, const void *bytes, size_t length) { return purser_crc32c_portable(crc, bytes, length); }
#endif

typedef uint8_t nibbles __attribute__((vector_size(16)));

void purser_uuid_text(const void *raw, void *text) {
    nibbles bytes, high, low, first, second;
    memcpy(&bytes, raw, 16);
    high = bytes >> 4;
    low = bytes & 15;
    first = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    second = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    // 39 lie between '9' and 'a'.
    first += '0' + (39 & (nibbles)(first > 9));
    second += '0' + (39 & (nibbles)(second > 9));
    uint64_t words[4];
    memcpy(words, &first, 16);
    memcpy(words + 2, &second, 16);
    char *out = text;
    memcpy(out, words, 8);
    memcpy(out + 9, (char *)words + 8, 4);
    memcpy(out + 14, (char *)words + 12, 4);
    memcpy(out + 19, (char *)words + 16, 4);
    memcpy(out + 24, (char *)words + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
}
