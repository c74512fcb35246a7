// Flattens what toml++ parsed. Floats and dates keep their source text: an amount must not pass through a double.

// A text may come from a stranger. toml++ takes its trees apart by recursion, so how deep one gets is bounded before it is made:
// by the nesting of values and by the dots of a line, since a key ends with its line. Every value is given its whole path, so
// what is given out is bounded by the size of the text.

// toml++ asserts what it takes for granted of a text, and is wrong about some: `[*` ended the process, and with NDEBUG it would be
// undefined what follows. So its assertions stay on whatever the build, and throw: the text is refused.

#include "CToml.h"

#undef NDEBUG
namespace {
struct Unsound {};
} // namespace
#define TOML_ASSERT(condition) (static_cast<bool>(condition) ? static_cast<void>(0) : throw Unsound{})

#define TOML_MAX_NESTED_VALUES 16
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <vector>

struct PurserToml {
    std::vector<PurserTomlItem> items;
    std::string text;
    std::string message;
    bool failed = false;
    uint32_t line = 0;
    uint32_t column = 0;
};

namespace {

/// With 16 nested values some 4,000 tables inside one another: a fraction of a thread's stack.
constexpr size_t most_dots = 256;
/// The shortest price, `[[price]]` and `id=1`, is given out twice as long as it came.
constexpr size_t most_text_per_byte = 16;

/// The first line, from 1, with more dots than a price needs; 0 when there is none.
uint32_t dotted_line(std::string_view source) {
    uint32_t line = 1;
    size_t dots = 0;
    for (char c : source) {
        if (c == '\n') {
            line++;
            dots = 0;
        } else if (c == '.' && ++dots > most_dots) {
            return line;
        }
    }
    return 0;
}

/// Whether toml++ comes to an end that it foresaw.
bool is_sound(std::string_view source) {
    try {
        return toml::parse(source) || true;
    } catch (const Unsound &) {
        return false;
    }
}

/// The line, from 1, at which toml++ trips: texts that end before it are read.
uint32_t unsound_line(std::string_view source) {
    std::vector<size_t> ends;
    for (size_t at = 0; at < source.size(); at++) {
        if (source[at] == '\n') ends.push_back(at + 1);
    }
    ends.push_back(source.size());
    size_t low = 0;
    size_t high = ends.size() - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_sound(source.substr(0, ends[middle]))) low = middle + 1;
        else high = middle;
    }
    return static_cast<uint32_t>(low) + 1;
}

class Flattener {
public:
    Flattener(PurserToml &document, std::string_view source) : document(document) {
        most_text = source.size() * most_text_per_byte + 65536;
        size_t start = 0;
        for (size_t i = 0; i <= source.size(); i++) {
            if (i == source.size() || source[i] == '\n') {
                begin(source.substr(start, i - start));
                start = i + 1;
            }
        }
    }

    void table(const toml::table &table) {
        for (auto &&[key, value] : table) {
            path.emplace_back(key.str());
            node(value);
            path.pop_back();
        }
    }

private:
    PurserToml &document;
    struct Line {
        std::string_view text;
        /// The place in `marks` of its first column.
        size_t mark;
    };

    /// Columns from one mark to the next.
    static constexpr size_t stride = 256;

    std::vector<Line> lines;
    /// The byte at which every 256th column of a line begins: long lines are not walked again for each value.
    std::vector<uint32_t> marks;
    std::vector<std::string> path;
    size_t most_text;

    void begin(std::string_view text) {
        lines.push_back({text, marks.size()});
        marks.push_back(0);
        size_t columns = 0;
        for (size_t at = 0; at < text.size(); at++) {
            if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
            if (columns > 0 && columns % stride == 0) marks.push_back(static_cast<uint32_t>(at));
            columns++;
        }
    }

    void node(const toml::node &node) {
        switch (node.type()) {
        case toml::node_type::table:
            if (node.as_table()->empty()) add(node, PURSER_TOML_EMPTY_TABLE, "");
            table(*node.as_table());
            break;
        case toml::node_type::array: {
            const auto &array = *node.as_array();
            if (array.empty()) add(node, PURSER_TOML_EMPTY_ARRAY, "");
            for (size_t i = 0; i < array.size(); i++) {
                path.push_back(std::to_string(i));
                this->node(array[i]);
                path.pop_back();
            }
            break;
        }
        case toml::node_type::string: add(node, PURSER_TOML_STRING, node.as_string()->get()); break;
        case toml::node_type::integer: add(node, PURSER_TOML_INTEGER, std::to_string(node.as_integer()->get())); break;
        case toml::node_type::boolean: add(node, PURSER_TOML_BOOLEAN, node.as_boolean()->get() ? "true" : "false"); break;
        case toml::node_type::floating_point: {
            std::string digits;
            for (char c : source(node)) {
                if (c != '_') digits += c;
            }
            if (!digits.empty() && digits[0] == '+') digits.erase(0, 1);
            add(node, PURSER_TOML_FLOAT, digits);
            break;
        }
        default: add(node, PURSER_TOML_DATETIME, source(node)); break;
        }
    }

    /// The characters of a value in the document. toml++ counts columns in code points and has an end behind the last one.
    std::string_view source(const toml::node &node) const {
        const auto &region = node.source();
        if (region.begin.line == 0 || region.begin.line > lines.size() || region.begin.line != region.end.line) return {};
        const Line &line = lines[region.begin.line - 1];
        size_t begin = byte(line, region.begin.column);
        size_t end = byte(line, region.end.column);
        std::string_view found = line.text.substr(begin, std::max(begin, end) - begin);
        while (!found.empty() && (found.back() == ' ' || found.back() == '\t' || found.back() == '\r')) found.remove_suffix(1);
        return found;
    }

    size_t byte(const Line &line, size_t column) const {
        size_t next = &line == &lines.back() ? marks.size() : (&line + 1)->mark;
        size_t mark = std::min((std::max<size_t>(column, 1) - 1) / stride, next - line.mark - 1);
        size_t at = marks[line.mark + mark];
        for (size_t seen = mark * stride + 1; at < line.text.size(); at++) {
            if ((static_cast<unsigned char>(line.text[at]) & 0xC0) == 0x80) continue;
            if (seen == column) return at;
            seen++;
        }
        return at;
    }

    void add(const toml::node &node, PurserTomlKind kind, std::string_view value) {
        if (document.failed) return;
        size_t length = value.size();
        for (const auto &segment : path) length += segment.size() + 4;
        if (document.text.size() + length > most_text) {
            document.failed = true;
            document.message = "keys that are too long for what they hold";
            document.line = node.source().begin.line;
            document.column = node.source().begin.column;
            return;
        }
        PurserTomlItem item{};
        item.path_offset = static_cast<uint32_t>(document.text.size());
        item.path_segments = static_cast<uint32_t>(path.size());
        for (const auto &segment : path) {
            uint32_t length = static_cast<uint32_t>(segment.size());
            for (int shift = 0; shift < 32; shift += 8) document.text += static_cast<char>(length >> shift & 255);
            document.text += segment;
        }
        item.text_offset = static_cast<uint32_t>(document.text.size());
        item.text_length = static_cast<uint32_t>(value.size());
        document.text += value;
        item.line = node.source().begin.line;
        item.column = node.source().begin.column;
        item.kind = kind;
        document.items.push_back(item);
    }
};

} // namespace

PurserToml *purser_toml_parse(const char *bytes, size_t length) {
    auto *document = new (std::nothrow) PurserToml;
    if (!document) return nullptr;
    std::string_view source(bytes ? bytes : "", bytes ? length : 0);
    if (uint32_t line = dotted_line(source)) {
        document->failed = true;
        document->message = "more than " + std::to_string(most_dots) + " dots in one line";
        document->line = line;
        document->column = 1;
        return document;
    }
    try {
        auto result = toml::parse(source);
        if (!result) {
            document->failed = true;
            document->message = std::string(result.error().description());
            document->line = result.error().source().begin.line;
            document->column = result.error().source().begin.column;
            return document;
        }
        Flattener(*document, source).table(result.table());
    } catch (const Unsound &) {
        document->failed = true;
        document->message = "no key, value or table can be read here";
        document->line = unsound_line(source);
        document->column = 1;
    }
    return document;
}

void purser_toml_free(PurserToml *document) { delete document; }

const char *purser_toml_error(const PurserToml *document, uint32_t *line, uint32_t *column) {
    if (!document->failed) return nullptr;
    *line = document->line;
    *column = document->column;
    return document->message.c_str();
}

size_t purser_toml_count(const PurserToml *document) { return document->items.size(); }

const PurserTomlItem *purser_toml_item(const PurserToml *document, size_t index) { return &document->items[index]; }

const char *purser_toml_text(const PurserToml *document) { return document->text.data(); }
