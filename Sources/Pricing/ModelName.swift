// ModelName: the other spellings a model's name can have, in the order in which they are tried.
//
// Gateways put their own name, the maker's or a region before a model (`openai/gpt-4o`, `models/gemini-2.5-pro`,
// `us.anthropic.claude-…`); providers put a date or a version behind it (`-20250929`, `@20250929`, `-v1:0`, `-latest`).
// Nothing here guesses: a spelling counts only where the catalogue has that exact name. No prefix is ever matched by length.

internal import Core

enum ModelName {
    /// Words that gateways and clouds put before a slash; the names of providers count as well. Regions (`azure/eu/…`) are not
    /// among them: there the same model costs more.
    private static let gatewayWords: Set<[UInt8]> = Set(
        [
            "models", "model", "google", "litellm_proxy", "litellm", "proxy", "vercel", "vercel_ai_gateway", "portkey", "helicone",
            "requesty", "unify", "eden", "invoke", "converse", "converse_like", "messages", "chat", "responses", "global",
            "global-standard", "publishers", "tuned_models", "foundation-model",
            "inference-profile", "openai-compatible", "openai_like", "text-completion", "default", "online", "byok",
        ].map { Array($0.utf8) })

    private static let regions = ["us", "eu", "apac", "global", "jp", "au", "in", "ca", "sa", "us-gov", "ap", "me", "af"].map {
        Array($0.utf8)
    }

    private static let makers = [
        "anthropic", "amazon", "meta", "mistral", "cohere", "ai21", "deepseek", "openai", "qwen", "google", "stability", "writer",
        "moonshot", "moonshotai", "minimax", "nvidia", "zai", "xai",
    ].map { Array($0.utf8) }

    /// The name without what gateways put before it, step by step. `isProvider` knows the names of providers; `keepsDots`
    /// leaves region and maker prefixes alone.
    static func withoutPrefixes(_ name: [UInt8], keepsDots: Bool, isProvider: ([UInt8]) -> Bool) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var rest = name[...]
        func add() { if !rest.isEmpty { found.append(Array(rest)) } }
        if let tail = after("/models/", in: rest) {
            rest = tail
            add()
        } else if rest.starts(with: "arn:".utf8), let slash = rest.lastIndex(of: 0x2F) {
            rest = rest[(slash + 1)...]
            add()
        }
        while let slash = rest.firstIndex(of: 0x2F) {
            let head = Array(rest[..<slash])
            guard gatewayWords.contains(head) || isProvider(head) else { break }
            rest = rest[(slash + 1)...]
            add()
        }
        if !keepsDots {
            for heads in [regions, makers] {
                guard let dot = rest.firstIndex(of: 0x2E), heads.contains(Array(rest[..<dot])) else { continue }
                rest = rest[(dot + 1)...]
                add()
            }
        }
        return found
    }

    /// What stands before the first slash or dot, when something stands behind it.
    static func head(of name: [UInt8]) -> (head: [UInt8], rest: [UInt8])? {
        guard let slash = name.firstIndex(of: 0x2F), slash > 0, slash + 1 < name.count else { return nil }
        return (Array(name[..<slash]), Array(name[(slash + 1)...]))
    }

    /// Whether the name has the shape of a cloud's: a region or a maker, then a dot.
    static func isDotted(_ name: [UInt8]) -> Bool {
        guard let dot = name.firstIndex(of: 0x2E) else { return false }
        let head = Array(name[..<dot])
        return regions.contains(head) || makers.contains(head)
    }

    /// The name with its date spelled the other way, then without version, without date, without both.
    static func withoutSuffixes(_ name: [UInt8]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        func add(_ candidate: [UInt8]?) {
            if let candidate, !candidate.isEmpty, candidate != name, !found.contains(candidate) { found.append(candidate) }
        }
        add(otherDate(name))
        let unversioned = withoutVersion(name)
        add(unversioned)
        if let unversioned { add(otherDate(unversioned)) }
        var base = unversioned ?? name
        for _ in 0..<2 {
            guard let shorter = withoutDate(base) else { break }
            add(shorter)
            base = shorter
        }
        return found
    }

    private static func after(_ marker: String, in text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let needle = Array(marker.utf8)
        guard text.count > needle.count else { return nil }
        for start in text.indices.reversed() where text.endIndex - start > needle.count {
            if text[start...].starts(with: needle) { return text[(start + needle.count)...] }
        }
        return nil
    }

    private static func digits(_ text: ArraySlice<UInt8>) -> Bool { !text.isEmpty && text.allSatisfy { $0 &- 0x30 < 10 } }

    private static func number(_ text: ArraySlice<UInt8>) -> Int { text.reduce(0) { $0 * 10 + Int($1 &- 0x30) } }

    private static func isDate(_ year: ArraySlice<UInt8>, _ month: ArraySlice<UInt8>, _ day: ArraySlice<UInt8>) -> Bool {
        guard digits(year), digits(month), digits(day) else { return false }
        return (2020...2099).contains(number(year)) && (1...12).contains(number(month)) && (1...31).contains(number(day))
    }

    /// `-20251211` for `-2025-12-11` and the other way round, at the end of the name.
    private static func otherDate(_ name: [UInt8]) -> [UInt8]? {
        let n = name.count
        if n > 11, name[n - 11] == 0x2D, name[n - 6] == 0x2D, name[n - 3] == 0x2D,
            isDate(name[(n - 10)..<(n - 6)], name[(n - 5)..<(n - 3)], name[(n - 2)...])
        {
            return Array(name[..<(n - 6)]) + name[(n - 5)..<(n - 3)] + name[(n - 2)...]
        }
        if n > 9, name[n - 9] == 0x2D, isDate(name[(n - 8)..<(n - 4)], name[(n - 4)..<(n - 2)], name[(n - 2)...]) {
            return Array(name[..<(n - 4)]) + [0x2D] + name[(n - 4)..<(n - 2)] + [0x2D] + name[(n - 2)...]
        }
        return nil
    }

    /// Without `:0` or `-v1:0`.
    private static func withoutVersion(_ name: [UInt8]) -> [UInt8]? {
        guard let colon = name.lastIndex(of: 0x3A), colon > 0, digits(name[(colon + 1)...]) else { return nil }
        let head = name[..<colon]
        if let dash = head.lastIndex(of: 0x2D), dash + 2 < colon, head[dash + 1] == 0x76, digits(head[(dash + 2)...]) {
            return Array(head[..<dash])
        }
        return Array(head)
    }

    private static let words = ["-latest", "@latest", "@default"].map { Array($0.utf8) }

    /// Without a date or a version number at the end: `-20250929`, `@20250929`, `-2025-09-29`, `-09-29`, `-0613`, `-001`,
    /// `-latest`, `@latest`, `@default`.
    private static func withoutDate(_ name: [UInt8]) -> [UInt8]? {
        let n = name.count
        for word in words where n > word.count && name.suffix(word.count).elementsEqual(word) {
            return Array(name.dropLast(word.count))
        }
        if n > 11, name[n - 11] == 0x2D, name[n - 6] == 0x2D, name[n - 3] == 0x2D,
            isDate(name[(n - 10)..<(n - 6)], name[(n - 5)..<(n - 3)], name[(n - 2)...])
        {
            return Array(name[..<(n - 11)])
        }
        if n > 9, name[n - 9] == 0x2D || name[n - 9] == 0x40,
            isDate(name[(n - 8)..<(n - 4)], name[(n - 4)..<(n - 2)], name[(n - 2)...])
        {
            return Array(name[..<(n - 9)])
        }
        if n > 6, name[n - 6] == 0x2D, name[n - 3] == 0x2D, digits(name[(n - 5)..<(n - 3)]), digits(name[(n - 2)...]),
            (1...12).contains(number(name[(n - 5)..<(n - 3)])), (1...31).contains(number(name[(n - 2)...]))
        {
            return Array(name[..<(n - 6)])
        }
        if n > 5, name[n - 5] == 0x2D, digits(name[(n - 4)...]) {
            let high = number(name[(n - 4)..<(n - 2)])
            let low = number(name[(n - 2)...])
            let yearMonth = (20...49).contains(high) && (1...12).contains(low)
            let monthDay = (1...12).contains(high) && (1...31).contains(low)
            if yearMonth || monthDay { return Array(name[..<(n - 5)]) }
        }
        if n > 4, name[n - 4] == 0x2D, name[n - 3] == 0x30, name[n - 2] == 0x30, digits(name[(n - 1)...]) {
            return Array(name[..<(n - 4)])
        }
        return nil
    }
}
