// StrictJSON: whether bytes are one JSON text by RFC 8259, in well-formed UTF-8, read in the simplest way there is. What the
// daemon's reader takes, this one must take; what the daemon writes, too.

struct StrictJSON {
    private let bytes: [UInt8]
    private var at = 0
    private let depth: Int

    /// Whether `bytes` are one value with nothing but white space around it, nested at most `depth` deep.
    static func accepts(_ bytes: [UInt8], depth: Int = 64) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var reader = StrictJSON(bytes: bytes, depth: depth)
        reader.skipSpace()
        guard reader.value(0) else { return false }
        reader.skipSpace()
        return reader.at == bytes.count
    }

    private init(bytes: [UInt8], depth: Int) {
        self.bytes = bytes
        self.depth = depth
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        at += 1
        return true
    }

    private mutating func word(_ text: String) -> Bool {
        guard bytes[at...].starts(with: text.utf8) else { return false }
        at += text.utf8.count
        return true
    }

    private mutating func value(_ level: Int) -> Bool {
        guard level <= depth, let byte = next else { return false }
        switch byte {
        case 0x7B: return list("{", "}", level) { reader in reader.member(level) }
        case 0x5B: return list("[", "]", level) { reader in reader.value(level + 1) }
        case 0x22: return string()
        case 0x74: return word("true")
        case 0x66: return word("false")
        case 0x6E: return word("null")
        default: return number()
        }
    }

    private mutating func list(_ open: Character, _ close: Character, _ level: Int, _ item: (inout StrictJSON) -> Bool) -> Bool {
        guard take(open) else { return false }
        skipSpace()
        if take(close) { return true }
        while true {
            skipSpace()
            guard item(&self) else { return false }
            skipSpace()
            if take(close) { return true }
            guard take(",") else { return false }
        }
    }

    private mutating func member(_ level: Int) -> Bool {
        guard string() else { return false }
        skipSpace()
        guard take(":") else { return false }
        skipSpace()
        return value(level + 1)
    }

    private mutating func string() -> Bool {
        guard take("\"") else { return false }
        while let byte = next {
            at += 1
            switch byte {
            case 0x22: return true
            case 0..<0x20: return false
            case 0x5C:
                guard let escape = next else { return false }
                at += 1
                if escape == 0x75 {
                    for _ in 0..<4 {
                        guard let digit = next, Character(Unicode.Scalar(digit)).isHexDigit, digit < 0x80 else { return false }
                        at += 1
                    }
                } else if !"\"\\/bfnrt".utf8.contains(escape) {
                    return false
                }
            default: break
            }
        }
        return false
    }

    private mutating func digits() -> Int {
        let start = at
        while let byte = next, byte >= 0x30, byte <= 0x39 { at += 1 }
        return at - start
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0"), digits() == 0 { return false }
        if take("."), digits() == 0 { return false }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            if digits() == 0 { return false }
        }
        return true
    }
}
