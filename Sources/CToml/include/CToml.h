// TOML, flattened: one item per value, in the order of the document's keys. A thin shim over toml++ (header only, no
// exceptions leave it).
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    PURSER_TOML_STRING = 0,
    PURSER_TOML_INTEGER = 1,
    PURSER_TOML_FLOAT = 2,
    PURSER_TOML_BOOLEAN = 3,
    PURSER_TOML_DATETIME = 4,
    PURSER_TOML_EMPTY_ARRAY = 5,
    PURSER_TOML_EMPTY_TABLE = 6,
} PurserTomlKind;

/// Offsets into the document's text.
typedef struct {
    /// Segments, each a little-endian u32 length and that many bytes; array indices are decimal digits.
    uint32_t path_offset;
    uint32_t path_segments;
    /// A string's value; an integer in decimal; a float's and a date's own characters in the source; true or false.
    uint32_t text_offset;
    uint32_t text_length;
    /// 1-based.
    uint32_t line;
    uint32_t column;
    uint32_t kind;
} PurserTomlItem;

typedef struct PurserToml PurserToml;

/// Parses `length` bytes. NULL only when there is no memory. Free with purser_toml_free.
PurserToml *purser_toml_parse(const char *bytes, size_t length);
void purser_toml_free(PurserToml *document);

/// NULL when the document was parsed; else what is wrong, at which line and column.
const char *purser_toml_error(const PurserToml *document, uint32_t *line, uint32_t *column);
size_t purser_toml_count(const PurserToml *document);
const PurserTomlItem *purser_toml_item(const PurserToml *document, size_t index);
const char *purser_toml_text(const PurserToml *document);

#ifdef __cplusplus
}
#endif
