// Flattens what toml++ parsed. Floats and dates keep their source text: an amount must not pass through a double.

#include "CToml.h"

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

class Flattener {
public:
    Flattener(PurserToml &document, std::string_view source) : document(document) {
        size_t start = 0;
        for (size_t i = 0; i <= source.size(); i++) {
            if (i == source.size() || source[i] == '\n') {
                lines.push_back(source.substr(start, i - start));
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
    std::vector<std::string_view> lines;
    std::vector<std::string> path;

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
        std::string_view line = lines[region.begin.line - 1];
        size_t begin = byte(line, region.begin.column);
        size_t end = byte(line, region.end.column);
        std::string_view found = line.substr(begin, std::max(begin, end) - begin);
        while (!found.empty() && (found.back() == ' ' || found.back() == '\t' || found.back() == '\r')) found.remove_suffix(1);
        return found;
    }

    static size_t byte(std::string_view line, size_t column) {
        size_t at = 0;
        for (size_t seen = 1; at < line.size(); at++) {
            if ((static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) continue;
            if (seen == column) return at;
            seen++;
        }
        return at;
    }

    void add(const toml::node &node, PurserTomlKind kind, std::string_view value) {
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
    auto result = toml::parse(source);
    if (!result) {
        document->failed = true;
        document->message = std::string(result.error().description());
        document->line = result.error().source().begin.line;
        document->column = result.error().source().begin.column;
        return document;
    }
    Flattener(*document, source).table(result.table());
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
