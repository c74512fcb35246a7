// The walk from simdjson's token positions to flat nodes. See the header for what is promised.
//
// What the first stage leaves in `structural_indexes`: the position of every `{ } [ ] : ,`, of every opening quote, and of
// the first byte of every run of other characters; it also lets 0x0C and 0x1A through as if they were punctuation. What it
// has checked: UTF-8, that quotes pair up, that no byte below 0x20 is inside quotes. Everything else is checked here.
// The first byte after a closing quote always starts a token of its own unless it is white space, so the last byte before
// the next token that is not white space is the closing quote.

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "CSimdjson.h"

namespace {

constexpr uint32_t hard_depth = 64;
constexpr uint32_t no_tokens[2] = {0, 0};
constexpr size_t hard_length = size_t(1) << 30;

struct reader : purser_json_reader {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
    const uint8_t *data = nullptr;
    // `token_count` positions, and behind them where what follows begins: the next line, or the end of the document.
    const uint32_t *tokens = no_tokens;
    uint32_t token_count = 0;
    // Those of the lines after this one.
    uint32_t tokens_ahead = 0;
    uint32_t cursor = 0;
    uint32_t length = 0;
    size_t capacity = 0;
    purser_json_node *node_memory = nullptr;
    uint32_t node_capacity = 0;
    uint8_t *scratch_memory = nullptr;
    size_t scratch_capacity = 0;
    uint32_t scratch_used = 0;
    // The first backslash that is not before the string that was read last; `length` when there is none.
    uint32_t backslash = 0;

    int32_t refuse(int32_t code, uint32_t offset) {
        error_offset = offset;
        return code;
    }

    // The first byte of a token; 0 after the last one, which is no valid token.
    uint8_t first(uint32_t token) const { return token < token_count ? data[tokens[token]] : 0; }
};

inline bool is_space(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }
inline bool is_digit(uint8_t byte) { return uint8_t(byte - '0') < 10; }

// Where the token that starts at `start` ends, given where the next one starts.
inline uint32_t token_end(const uint8_t *data, uint32_t start, uint32_t next) {
    uint32_t end = next;
    while (end > start + 1 && is_space(data[end - 1])) end--;
    return end;
}

// The first backslash at `from` or after it.
inline uint32_t find_backslash(const reader *r, uint32_t from) {
    const void *found = std::memchr(r->data + from, '\\', r->length - from);
    return found == nullptr ? r->length : uint32_t(static_cast<const uint8_t *>(found) - r->data);
}

// RFC 8259 section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
inline bool is_number(const uint8_t *text, uint32_t size) {
    uint32_t i = text[0] == '-' ? 1 : 0;
    if (i >= size || !is_digit(text[i])) return false;
    if (text[i] == '0') {
        i++;
    } else {
        while (i < size && is_digit(text[i])) i++;
    }
    if (i < size && text[i] == '.') {
        uint32_t start = ++i;
        while (i < size && is_digit(text[i])) i++;
        if (i == start) return false;
    }
    if (i < size && (text[i] | 0x20) == 'e') {
        i++;
        if (i < size && (text[i] == '+' || text[i] == '-')) i++;
        uint32_t start = i;
        while (i < size && is_digit(text[i])) i++;
        if (i == start) return false;
    }
    return i == size;
}

// Four hexadecimal digits; -1 when they are not.
inline int32_t hex4(const uint8_t *text) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = text[i];
        int32_t digit;
        if (is_digit(byte)) {
            digit = byte - '0';
        } else if (uint8_t((byte | 0x20) - 'a') < 6) {
            digit = (byte | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

inline uint8_t *put_scalar(uint8_t *out, uint32_t scalar) {
    if (scalar < 0x80) {
        *out++ = uint8_t(scalar);
    } else if (scalar < 0x800) {
        *out++ = uint8_t(0xC0 | scalar >> 6);
        *out++ = uint8_t(0x80 | (scalar & 0x3F));
    } else if (scalar < 0x10000) {
        *out++ = uint8_t(0xE0 | scalar >> 12);
        *out++ = uint8_t(0x80 | (scalar >> 6 & 0x3F));
        *out++ = uint8_t(0x80 | (scalar & 0x3F));
    } else {
        *out++ = uint8_t(0xF0 | scalar >> 18);
        *out++ = uint8_t(0x80 | (scalar >> 12 & 0x3F));
        *out++ = uint8_t(0x80 | (scalar >> 6 & 0x3F));
        *out++ = uint8_t(0x80 | (scalar & 0x3F));
    }
    return out;
}

// Unescapes `data[start..<end]` into the scratch buffer, which is as long as the document: text never grows by unescaping.
int32_t unescape(reader *r, uint32_t start, uint32_t end, uint32_t *offset, uint32_t *size) {
    if (r->scratch_capacity < r->capacity) {
        void *memory = std::malloc(r->capacity);
        if (memory == nullptr) return r->refuse(purser_json_no_memory, start);
        if (r->scratch_used > 0) std::memcpy(memory, r->scratch_memory, r->scratch_used);
        std::free(r->scratch_memory);
        r->scratch_memory = static_cast<uint8_t *>(memory);
        r->scratch_capacity = r->capacity;
        r->scratch = r->scratch_memory;
    }
    uint8_t *out = r->scratch_memory + r->scratch_used;
    uint8_t *const begin = out;
    const uint8_t *data = r->data;
    uint32_t i = start;
    while (i < end) {
        uint8_t byte = data[i];
        if (byte != '\\') {
            *out++ = byte;
            i++;
            continue;
        }
        if (end - i < 2) return r->refuse(purser_json_bad_escape, i);
        switch (data[i + 1]) {
        case '"': *out++ = '"'; break;
        case '\\': *out++ = '\\'; break;
        case '/': *out++ = '/'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            if (end - i < 6) return r->refuse(purser_json_bad_escape, i);
            int32_t unit = hex4(data + i + 2);
            if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return r->refuse(purser_json_bad_escape, i);
            uint32_t scalar = uint32_t(unit);
            if (unit >= 0xD800 && unit <= 0xDBFF) {
                if (end - i < 12 || data[i + 6] != '\\' || data[i + 7] != 'u') return r->refuse(purser_json_bad_escape, i);
                int32_t low = hex4(data + i + 8);
                if (low < 0xDC00 || low > 0xDFFF) return r->refuse(purser_json_bad_escape, i);
                scalar = 0x10000 + (uint32_t(unit - 0xD800) << 10) + uint32_t(low - 0xDC00);
                i += 6;
            }
            out = put_scalar(out, scalar);
            i += 4;
            break;
        }
        default: return r->refuse(purser_json_bad_escape, i);
        }
        i += 2;
    }
    *offset = r->scratch_used;
    *size = uint32_t(out - begin);
    r->scratch_used += *size;
    return purser_json_ok;
}

// The rare half of `read_string`: a string that may have escapes.
[[gnu::noinline]] int32_t read_escaped(
    reader *r, uint32_t start, uint32_t end, uint32_t *offset, uint32_t *size, uint8_t *flags, uint8_t flag
) {
    if (r->backslash < start) r->backslash = find_backslash(r, start);
    if (r->backslash >= end) {
        *offset = start;
        *size = end - start;
        return purser_json_ok;
    }
    r->backslash = find_backslash(r, end);
    *flags |= flag;
    return unescape(r, start, end, offset, size);
}

// Reads the string between the opening quote at `start` and the next token. `flag` is set in `flags` when the text went to
// the scratch buffer. Strings come in order, so one position tells for nearly all of them that they have no escapes.
[[gnu::always_inline]] inline int32_t read_string(
    reader *r, const uint8_t *data, uint32_t start, uint32_t next, uint32_t *offset, uint32_t *size, uint8_t *flags, uint8_t flag
) {
    uint32_t end = next - 1;
    while (data[end] != '"' && is_space(data[end])) end--;
    if (end <= start || data[end] != '"') return r->refuse(purser_json_syntax, start);
    start++;
    if (r->backslash < end) return read_escaped(r, start, end, offset, size, flags, flag);
    *offset = start;
    *size = end - start;
    return purser_json_ok;
}

inline int32_t read_literal(reader *r, uint32_t start, uint32_t next, const char *text, uint32_t size) {
    uint32_t end = token_end(r->data, start, next);
    if (end - start != size || std::memcmp(r->data + start, text, size) != 0) return r->refuse(purser_json_syntax, start);
    return purser_json_ok;
}

bool grow_nodes(reader *r, uint32_t max_nodes) {
    uint32_t wanted = r->node_capacity == 0 ? 64 : r->node_capacity * 2;
    if (wanted > max_nodes) wanted = max_nodes;
    void *memory = std::realloc(r->node_memory, size_t(wanted) * sizeof(purser_json_node));
    if (memory == nullptr) return false;
    r->node_memory = static_cast<purser_json_node *>(memory);
    r->node_capacity = wanted;
    r->nodes = r->node_memory;
    return true;
}

// Where the first stage's refusal lies; walks byte by byte, which only refused documents pay for. RFC 3629, section 4.
uint32_t find_bad_utf8(const uint8_t *data, uint32_t length) {
    uint32_t i = 0;
    while (i < length) {
        const uint8_t lead = data[i];
        if (lead < 0x80) {
            i++;
            continue;
        }
        const uint32_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (lead < 0xC2 || lead > 0xF4 || length - i < size) return i;
        const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (data[i + 1] < low || data[i + 1] > high) return i;
        for (uint32_t k = 2; k < size; k++) {
            if ((data[i + k] & 0xC0) != 0x80) return i;
        }
        i += size;
    }
    return length;
}

uint32_t find_bad_string(const uint8_t *data, uint32_t length, bool unclosed) {
    uint32_t opened = 0;
    bool inside = false;
    for (uint32_t i = 0; i < length; i++) {
        if (data[i] == '"') {
            inside = !inside;
            opened = i;
        } else if (inside && data[i] == '\\') {
            i++;
        } else if (inside && !unclosed && data[i] < 0x20) {
            return i;
        }
    }
    return opened;
}

struct open_container {
    uint32_t node;
    bool is_object;
};

} // namespace

extern "C" purser_json_reader *purser_json_create(void) {
    reader *r = new (std::nothrow) reader();
    if (r == nullptr) return nullptr;
    r->nodes = nullptr;
    r->scratch = nullptr;
    r->node_count = 0;
    r->error_offset = 0;
    return r;
}

extern "C" void purser_json_destroy(purser_json_reader *base) {
    reader *r = static_cast<reader *>(base);
    if (r == nullptr) return;
    std::free(r->node_memory);
    std::free(r->scratch_memory);
    delete r;
}

extern "C" int32_t purser_json_index(purser_json_reader *base, const uint8_t *data, size_t length) {
    reader *r = static_cast<reader *>(base);
    r->cursor = 0;
    r->tokens = no_tokens;
    r->token_count = 0;
    r->tokens_ahead = 0;
    r->length = 0;
    r->node_count = 0;
    r->error_offset = 0;
    if (length == 0 || data == nullptr) return purser_json_empty;
    if (length > hard_length) return purser_json_too_large;
    if (length > r->capacity) {
        size_t capacity = 4096;
        while (capacity < length) capacity *= 2;
        r->stage.reset();
        r->capacity = 0;
        // The depth is for simdjson's second stage, which is not used.
        if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, r->stage) != simdjson::SUCCESS) {
            r->stage.reset();
            return purser_json_no_memory;
        }
        r->capacity = capacity;
    }
    r->data = data;
    r->length = uint32_t(length);
    switch (r->stage->stage1(data, length, simdjson::stage1_mode::regular)) {
    case simdjson::SUCCESS: break;
    case simdjson::EMPTY: return purser_json_empty;
    case simdjson::UTF8_ERROR: return r->refuse(purser_json_bad_utf8, find_bad_utf8(data, r->length));
    case simdjson::UNCLOSED_STRING: return r->refuse(purser_json_unclosed_string, find_bad_string(data, r->length, true));
    case simdjson::UNESCAPED_CHARS: return r->refuse(purser_json_control_character, find_bad_string(data, r->length, false));
    case simdjson::MEMALLOC: return purser_json_no_memory;
    default: return purser_json_syntax;
    }
    // The array has room for more than one position behind the last.
    r->token_count = r->stage->n_structural_indexes;
    r->stage->structural_indexes[r->token_count] = r->length;
    r->tokens = r->stage->structural_indexes.get();
    r->backslash = find_backslash(r, 0);
    return r->token_count == 0 ? purser_json_empty : purser_json_ok;
}

extern "C" int32_t purser_json_index_lines(purser_json_reader *base, const uint8_t *data, size_t length) {
    reader *const r = static_cast<reader *>(base);
    const int32_t code = purser_json_index(base, data, length);
    r->tokens_ahead = r->token_count;
    r->token_count = 0;
    return code;
}

extern "C" int32_t purser_json_next_line(purser_json_reader *base) {
    reader *const r = static_cast<reader *>(base);
    if (r->tokens_ahead == 0) return 0;
    // Lines without a token are passed over.
    const uint32_t *const tokens = r->tokens + r->token_count;
    const uint32_t start = tokens[0];
    const void *const newline = std::memchr(r->data + start, '\n', r->length - start);
    const uint32_t end = newline == nullptr ? r->length : uint32_t(static_cast<const uint8_t *>(newline) - r->data);
    // Lines that follow each other are alike: from where this one ends if it is like the last, it is a step or two.
    uint32_t count = r->token_count == 0 ? 1 : r->token_count;
    if (count > r->tokens_ahead) count = r->tokens_ahead;
    while (count < r->tokens_ahead && tokens[count] < end) count++;
    while (tokens[count - 1] > end) count--;
    r->tokens = tokens;
    r->token_count = count;
    r->tokens_ahead -= count;
    r->cursor = 0;
    return 1;
}

extern "C" int32_t purser_json_flatten(purser_json_reader *base, uint32_t max_depth, uint32_t max_nodes) {
    reader *const r = static_cast<reader *>(base);
    // Kept in registers: what is stored through `node` could otherwise be any of them.
    const uint8_t *const data = r->data;
    const uint32_t *const tokens = r->tokens;
    const uint32_t token_count = r->token_count;
    const auto first = [=](uint32_t token) -> uint8_t { return token < token_count ? data[tokens[token]] : 0; };
    if (max_depth > hard_depth) max_depth = hard_depth;
    open_container stack[hard_depth];
    uint32_t depth = 0;
    uint32_t count = 0;
    uint32_t room = r->node_capacity < max_nodes ? r->node_capacity : max_nodes;
    purser_json_node *nodes = r->node_memory;
    uint32_t token = r->cursor;
    uint32_t key_offset = 0;
    uint32_t key_length = 0;
    uint8_t flags = 0;
    r->node_count = 0;
    r->scratch_used = 0;

    for (;;) {
        // One value.
        if (token >= token_count) return r->refuse(purser_json_syntax, r->length);
        const uint32_t start = tokens[token];
        const uint32_t next = tokens[token + 1];
        if (count >= room) {
            if (count >= max_nodes) return r->refuse(purser_json_too_many_values, start);
            if (!grow_nodes(r, max_nodes)) return r->refuse(purser_json_no_memory, start);
            nodes = r->node_memory;
            room = r->node_capacity < max_nodes ? r->node_capacity : max_nodes;
        }
        purser_json_node *const node = nodes + count;
        uint32_t value_offset = start;
        uint32_t value_length = 0;
        uint8_t kind;
        count++;
        token++;
        const uint8_t lead = data[start];
        switch (lead) {
        case '"': {
            kind = purser_json_string;
            int32_t code = read_string(r, data, start, next, &value_offset, &value_length, &flags, purser_json_value_in_scratch);
            if (code != purser_json_ok) return code;
            break;
        }
        case '{':
        case '[': {
            const bool is_object = lead == '{';
            kind = is_object ? purser_json_object : purser_json_array;
            if (depth >= max_depth) return r->refuse(purser_json_too_deep, start);
            if (first(token) == (is_object ? '}' : ']')) {
                value_length = tokens[token] + 1 - start;
                token++;
                break;
            }
            *node = {start, 0, key_offset, key_length, 0, uint16_t(depth), kind, flags};
            stack[depth].node = count - 1;
            stack[depth].is_object = is_object;
            depth++;
            if (is_object) goto key;
            key_offset = key_length = flags = 0;
            continue;
        }
        case 't': {
            kind = purser_json_true;
            value_length = 4;
            int32_t code = read_literal(r, start, next, "true", 4);
            if (code != purser_json_ok) return code;
            break;
        }
        case 'f': {
            kind = purser_json_false;
            value_length = 5;
            int32_t code = read_literal(r, start, next, "false", 5);
            if (code != purser_json_ok) return code;
            break;
        }
        case 'n': {
            kind = purser_json_null;
            value_length = 4;
            int32_t code = read_literal(r, start, next, "null", 4);
            if (code != purser_json_ok) return code;
            break;
        }
        default: {
            if (lead != '-' && !is_digit(lead)) return r->refuse(purser_json_syntax, start);
            kind = purser_json_number;
            value_length = token_end(data, start, next) - start;
            if (!is_number(data + start, value_length)) return r->refuse(purser_json_bad_number, start);
        }
        }
        *node = {value_offset, value_length, key_offset, key_length, count, uint16_t(depth), kind, flags};

        // What follows it: the ends of the containers it closes, then a comma or the end.
        for (;;) {
            if (depth == 0) {
                r->node_count = count;
                r->cursor = token;
                return purser_json_ok;
            }
            const open_container open = stack[depth - 1];
            const uint8_t after = first(token);
            if (after == ',') {
                token++;
                if (open.is_object) goto key;
                key_offset = key_length = flags = 0;
                break;
            }
            if (after != (open.is_object ? '}' : ']')) return r->refuse(purser_json_syntax, tokens[token]);
            purser_json_node *const closed = nodes + open.node;
            closed->end = count;
            closed->value_length = tokens[token] + 1 - closed->value_offset;
            token++;
            depth--;
        }
        continue;

    key:
        if (first(token) != '"') return r->refuse(purser_json_syntax, tokens[token]);
        flags = 0;
        {
            int32_t code =
                read_string(r, data, tokens[token], tokens[token + 1], &key_offset, &key_length, &flags, purser_json_key_in_scratch);
            if (code != purser_json_ok) return code;
        }
        token++;
        if (first(token) != ':') return r->refuse(purser_json_syntax, tokens[token]);
        token++;
    }
}

extern "C" int32_t purser_json_enter_array(purser_json_reader *base) {
    reader *r = static_cast<reader *>(base);
    if (r->first(r->cursor) != '[') return r->refuse(purser_json_not_an_array, r->tokens[r->cursor]);
    r->cursor++;
    if (r->first(r->cursor) != ']') return 1;
    r->cursor++;
    return 0;
}

extern "C" int32_t purser_json_next_element(purser_json_reader *base) {
    reader *r = static_cast<reader *>(base);
    const uint8_t next = r->first(r->cursor);
    if (next != ',' && next != ']') return r->refuse(purser_json_syntax, r->tokens[r->cursor]);
    r->cursor++;
    return next == ',' ? 1 : 0;
}

extern "C" int32_t purser_json_finish(purser_json_reader *base) {
    reader *r = static_cast<reader *>(base);
    if (r->cursor < r->token_count) return r->refuse(purser_json_trailing, r->tokens[r->cursor]);
    return purser_json_ok;
}
