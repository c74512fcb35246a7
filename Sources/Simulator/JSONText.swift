// JSONText: what of JSON the simulator's clients have to read in replies. A second reader on purpose: the daemon's own would not
// see what it writes wrong.

indirect enum JSONText {
    case object([String: JSONText])
    case array([JSONText])
    case string(String)
    /// As it stands there.
    case number(String)
    case word(String)

    /// One value that takes up all of `bytes`.
    init?(_ bytes: [UInt8]) {
        var at = 0
        guard let value = JSONText.read(bytes, &at, depth: 0), at == bytes.count else { return nil }
        self = value
    }

    subscript(_ name: String) -> JSONText? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    var items: [JSONText]? { if case .array(let items) = self { items } else { nil } }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    var isTrue: Bool { if case .word("true") = self { true } else { false } }

    private static func read(_ bytes: [UInt8], _ at: inout Int, depth: Int) -> JSONText? {
        guard at < bytes.count, depth < 32 else { return nil }
        switch bytes[at] {
        case 0x7B:
            var members: [String: JSONText] = [:]
            let whole = list(bytes, &at, end: 0x7D) { at in
                guard case .string(let name) = read(bytes, &at, depth: depth + 1), at < bytes.count, bytes[at] == 0x3A else { return false }
                at += 1
                guard let value = read(bytes, &at, depth: depth + 1), members[name] == nil else { return false }
                members[name] = value
                return true
            }
            return whole ? .object(members) : nil
        case 0x5B:
            var items: [JSONText] = []
            let whole = list(bytes, &at, end: 0x5D) { at in
                guard let value = read(bytes, &at, depth: depth + 1) else { return false }
                items.append(value)
                return true
            }
            return whole ? .array(items) : nil
        case 0x22: return string(bytes, &at)
        default:
            let start = at
            while at < bytes.count, bytes[at] > 0x20, ![0x2C, 0x5D, 0x7D, 0x3A].contains(bytes[at]) { at += 1 }
            let text = String(decoding: bytes[start..<at], as: UTF8.self)
            if ["true", "false", "null"].contains(text) { return .word(text) }
            return text.isEmpty || !text.utf8.allSatisfy({ 0x30...0x39 ~= $0 || [0x2D, 0x2E].contains($0) }) ? nil : .number(text)
        }
    }

    private static func list(_ bytes: [UInt8], _ at: inout Int, end: UInt8, _ item: (inout Int) -> Bool) -> Bool {
        at += 1
        if at < bytes.count, bytes[at] == end {
            at += 1
            return true
        }
        while item(&at), at < bytes.count {
            defer { at += 1 }
            if bytes[at] == end { return true }
            guard bytes[at] == 0x2C else { return false }
        }
        return false
    }

    private static func string(_ bytes: [UInt8], _ at: inout Int) -> JSONText? {
        var text: [UInt8] = []
        at += 1
        while at < bytes.count, bytes[at] != 0x22 {
            guard bytes[at] >= 0x20 else { return nil }
            // Escapes are kept as they stand: nothing that is compared has any.
            if bytes[at] == 0x5C, at + 1 < bytes.count {
                text.append(bytes[at])
                at += 1
            }
            text.append(bytes[at])
            at += 1
        }
        guard at < bytes.count else { return nil }
        at += 1
        return .string(String(decoding: text, as: UTF8.self))
    }
}
