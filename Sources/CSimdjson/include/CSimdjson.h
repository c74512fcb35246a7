// CSimdjson: JSON text flattened into one array of fixed-size records, for Swift to walk.
//
// simdjson (Debian's 3.0.1) finds the tokens: its vectorised first stage checks UTF-8, quotes and control characters and
// writes down where every token starts. The walk over those tokens is ours, because nothing in simdjson's on-demand front
// validates what the caller does not ask for, keeps number text and subtree extents, and refuses without allocating. So
// after a successful call every byte of the value has been checked against RFC 8259.
//
// Promises: no exception leaves, no allocation once the buffers have grown to the largest document seen, no byte at or
// after `data + length` is read, the input is never written to. Not thread-safe: one reader, one thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    purser_json_object = 1,
    purser_json_array = 2,
    purser_json_string = 3,
    purser_json_number = 4,
    purser_json_true = 5,
    purser_json_false = 6,
    purser_json_null = 7,
};

// Bits of `flags`: where the text is.
enum {
    // The string had escapes: its text is at `value_offset` of `scratch`, not of the input.
    purser_json_value_in_scratch = 1,
    // The same for the key.
    purser_json_key_in_scratch = 2,
};

enum {
    purser_json_ok = 0,
    purser_json_empty = -1,
    purser_json_syntax = -2,
    purser_json_bad_utf8 = -3,
    purser_json_unclosed_string = -4,
    purser_json_control_character = -5,
    purser_json_bad_escape = -6,
    purser_json_bad_number = -7,
    purser_json_too_deep = -8,
    purser_json_too_many_values = -9,
    purser_json_trailing = -10,
    purser_json_no_memory = -11,
    purser_json_too_large = -12,
    purser_json_not_an_array = -13,
};

// One value. Values are in document order; an object's or array's members follow it and end before node `end`.
typedef struct purser_json_node {
    // Objects, arrays, numbers and literals: the raw text in the input. Strings: the text between the quotes, unescaped.
    uint32_t value_offset;
    uint32_t value_length;
    // Only inside objects, as for strings; both 0 elsewhere.
    uint32_t key_offset;
    uint32_t key_length;
    // Index of the first node that is not part of this value.
    uint32_t end;
    // Containers around this value, within what was flattened.
    uint16_t depth;
    uint8_t kind;
    uint8_t flags;
} purser_json_node;

typedef struct purser_json_reader {
    const purser_json_node *nodes;
    const uint8_t *scratch;
    uint32_t node_count;
    // Where the last refusal was noticed.
    uint32_t error_offset;
} purser_json_reader;

// NULL when there is no memory.
purser_json_reader *purser_json_create(void);
void purser_json_destroy(purser_json_reader *reader);

// Finds the tokens of a document and stands before the first. `data` must stay until the last call about it.
int32_t purser_json_index(purser_json_reader *reader, const uint8_t *data, size_t length);

// The same for documents that are a line each, and stands before the first line. When it refuses, one line may be to blame alone.
int32_t purser_json_index_lines(purser_json_reader *reader, const uint8_t *data, size_t length);

// Stands before the next line that is not blank, and takes its end for that of the document: 1, or 0 when there is none.
int32_t purser_json_next_line(purser_json_reader *reader);

// Flattens the value the reader stands before into `nodes` (which it empties first) and stands after it. Refused: more than
// `max_depth` containers inside each other, more than `max_nodes` values.
int32_t purser_json_flatten(purser_json_reader *reader, uint32_t max_depth, uint32_t max_nodes);

// Steps into an array: 1 when it stands before the first element, 0 when it stands after an empty one, else negative.
int32_t purser_json_enter_array(purser_json_reader *reader);

// After an element: 1 when it stands before the next, 0 when it stands after the array, else negative.
int32_t purser_json_next_element(purser_json_reader *reader);

// Refuses anything but white space after the value.
int32_t purser_json_finish(purser_json_reader *reader);

#ifdef __cplusplus
}
#endif
