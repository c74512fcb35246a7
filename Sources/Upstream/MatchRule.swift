// MatchRule: genai-prices' rules of which names mean a model, as the names and patterns of the catalogue.
//
// Said exactly or not at all: a rule that names and patterns cannot express gives nil, and the caller decides what then.

internal import Pricing
internal import Wire

/// What a rule says.
struct MatchedNames {
    var names: [String] = []
    var likes: [[String]] = []
    /// Rules that could not be said, as they stand.
    var unsaid: [String] = []
}

enum MatchRule {
    /// Most ways of writing one regular expression as patterns.
    private static let mostPatterns = 64

    /// The names and patterns of a rule. Throws when it is none.
    static func read(_ value: JSONValue, at place: String) throws(UpstreamError) -> MatchedNames {
        var found = MatchedNames()
        var loose: [String] = []
        let (kind, content) = try clause(value, at: place)
        for part in kind == "or" ? Array(content.elements) : [value] {
            let (kind, content) = try clause(part, at: place)
            switch kind {
            case "equals":
                let name = try text(content, at: place)
                if CatalogueWord.isWord(name) { found.names.append(name) } else { found.unsaid.append("equals \(name)") }
            case "and":
                if let line = try all(content, at: place) {
                    found.likes.append(line)
                } else {
                    found.unsaid.append("a rule of several parts")
                }
            case "or":
                let inner = try read(part, at: place)
                found.names += inner.names
                found.likes += inner.likes
                found.unsaid += inner.unsaid
            default:
                if let patterns = try patterns(kind, content, at: place) {
                    loose += patterns
                } else {
                    found.unsaid.append("\(kind) \(content.string ?? "")")
                }
            }
        }
        if !loose.isEmpty { found.likes.insert(loose, at: 0) }
        return found
    }

    /// The patterns of the alternatives of a rule; names count as patterns too. What cannot be said is left out.
    static func words(_ value: JSONValue, at place: String) throws(UpstreamError) -> [String] {
        let found = try read(value, at: place)
        return found.names.map { $0.lowercased() } + found.likes.filter { line in !line.contains { $0.hasPrefix("!") } }.flatMap { $0 }
    }

    private static func clause(_ value: JSONValue, at place: String) throws(UpstreamError) -> (kind: String, content: JSONValue) {
        var members = value.members
        guard let first = members.next() else { throw UpstreamError(place: place, message: "a rule is an object with one key") }
        if first.key == "or" || first.key == "and", first.value.kind != .array {
            throw UpstreamError(place: place, message: "\(first.key) takes a list of rules")
        }
        return (first.key, first.value)
    }

    private static func text(_ value: JSONValue, at place: String) throws(UpstreamError) -> String {
        guard let text = value.string, !text.isEmpty else { throw UpstreamError(place: place, message: "a rule takes a text") }
        return text
    }

    /// One positive part and parts that exclude.
    private static func all(_ content: JSONValue, at place: String) throws(UpstreamError) -> [String]? {
        var positive: [String]?
        var excluded: [String] = []
        for part in content.elements {
            let (kind, content) = try clause(part, at: place)
            if kind == "regex", let negative = negative(try text(content, at: place)) {
                excluded += negative.map { "!" + $0 }
            } else if positive == nil, kind != "or", kind != "and",
                let found = try kind == "equals" ? pattern(text(content, at: place), "", "") : patterns(kind, content, at: place)
            {
                positive = found
            } else {
                return nil
            }
        }
        return positive.map { $0 + excluded }
    }

    private static func patterns(_ kind: String, _ content: JSONValue, at place: String) throws(UpstreamError) -> [String]? {
        switch kind {
        case "starts_with": return pattern(try text(content, at: place), "", "*")
        case "ends_with": return pattern(try text(content, at: place), "*", "")
        case "contains": return pattern(try text(content, at: place), "*", "*")
        case "regex": return expression(Array(try text(content, at: place).utf8)[...])
        default: return nil
        }
    }

    private static func pattern(_ text: String, _ before: String, _ after: String) -> [String]? {
        guard CatalogueWord.isWord(text), !text.contains("*"), !text.contains("#"), !text.hasPrefix("!") else { return nil }
        return [before + text.lowercased() + after]
    }

    // Regular expressions

    /// The one negative rule there is: a name must not have `-tts` as a part of its own.
    private static func negative(_ regex: String) -> [String]? {
        regex == "^(?!.*-[tT][tT][sS](?:$|-))" ? ["*-tts", "*-tts-*"] : nil
    }

    /// The patterns that fit what a regular expression finds; nil when patterns cannot say it. Understood are literals,
    /// escaped signs, `\d` with a count, sets of single characters, groups of those, and a group that may be absent.
    static func expression(_ regex: ArraySlice<UInt8>) -> [String]? {
        var body = regex
        let start = body.first == UInt8(ascii: "^")
        if start { body = body.dropFirst() }
        let end = body.last == UInt8(ascii: "$") && body.dropLast().last != UInt8(ascii: "\\")
        if end { body = body.dropLast() }
        guard let found = sequence(body) else { return nil }
        return found.map { (start ? "" : "*") + String(decoding: $0, as: UTF8.self).lowercased() + (end ? "" : "*") }
    }

    private static func sequence(_ text: ArraySlice<UInt8>) -> [[UInt8]]? {
        var found: [[UInt8]] = [[]]
        var rest = text
        while let byte = rest.popFirst() {
            var choices: [[UInt8]]
            switch byte {
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                if escaped == UInt8(ascii: "d") {
                    guard let count = repetition(&rest) else { return nil }
                    choices = [[UInt8](repeating: UInt8(ascii: "#"), count: count)]
                } else {
                    guard let literal = literal(escaped), !isLetterOrDigit(escaped) else { return nil }
                    choices = [[literal]]
                }
            case UInt8(ascii: "["):
                guard let close = rest.firstIndex(of: UInt8(ascii: "]")) else { return nil }
                let set = rest[..<close]
                rest = rest[(close + 1)...]
                // No ranges, no complements, no escapes.
                guard !set.isEmpty, set.first != UInt8(ascii: "^"), !set.contains(UInt8(ascii: "\\")),
                    !set.dropFirst().dropLast().contains(UInt8(ascii: "-"))
                else { return nil }
                choices = []
                for one in set {
                    guard let literal = literal(one) else { return nil }
                    choices.append([literal])
                }
            case UInt8(ascii: "("):
                guard rest.first != UInt8(ascii: "?"), let close = rest.firstIndex(of: UInt8(ascii: ")")),
                    let inner = sequence(rest[..<close])
                else { return nil }
                rest = rest[(close + 1)...]
                choices = inner
                if rest.first == UInt8(ascii: "?") {
                    rest = rest.dropFirst()
                    choices.append([])
                }
            default:
                guard !Array(".*+?{}|^$)]".utf8).contains(byte), let literal = literal(byte) else { return nil }
                choices = [[literal]]
            }
            // A sign that repeats what stands before it.
            if let next = rest.first, Array("*+?{".utf8).contains(next) { return nil }
            guard found.count * choices.count <= mostPatterns else { return nil }
            found = found.flatMap { head in choices.map { head + $0 } }
        }
        return found
    }

    /// The `{8}` behind `\d`; 1 without one.
    private static func repetition(_ rest: inout ArraySlice<UInt8>) -> Int? {
        guard rest.first == UInt8(ascii: "{") else { return 1 }
        guard let close = rest.firstIndex(of: UInt8(ascii: "}")),
            let count = Int(String(decoding: rest[(rest.startIndex + 1)..<close], as: UTF8.self)), (1...32).contains(count)
        else { return nil }
        rest = rest[(close + 1)...]
        return count
    }

    /// A byte that stands for itself in a pattern.
    private static func literal(_ byte: UInt8) -> UInt8? {
        byte > 0x20 && byte != 0x7F && byte != UInt8(ascii: "*") && byte != UInt8(ascii: "#") ? byte : nil
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool { byte | 0x20 &- 0x61 < 26 || byte &- 0x30 < 10 }
}
