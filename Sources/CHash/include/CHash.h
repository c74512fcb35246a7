// Checksums, hashes and hexadecimal with a C face: XXH3 from xxHash (header only), CRC-32C from the CPU's own instruction.
#ifndef PURSER_CHASH_H
#define PURSER_CHASH_H

#include <stddef.h>
#include <stdint.h>

/// XXH3-64 of `length` bytes under `seed` (https://github.com/Cyan4973/xxHash).
uint64_t purser_xxh3(const void *bytes, size_t length, uint64_t seed);

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `length` bytes continued from `crc`; start with 0.
uint32_t purser_crc32c(uint32_t crc, const void *bytes, size_t length);

/// The same by table, on every CPU; kept visible so that a test can compare the two.
uint32_t purser_crc32c_portable(uint32_t crc, const void *bytes, size_t length);

/// The 36 characters of the UUID whose 16 bytes are at `raw`, lower-case. Vector types, because Swift's interleave does not
/// become instructions: a quarter of the time.
void purser_uuid_text(const void *raw, void *text);

/// Hint that the cache line at `address` will be read and written soon.
static inline void purser_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

#endif
