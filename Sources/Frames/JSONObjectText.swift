// JSONObjectText: whether bytes are one JSON object (RFC 8259), nothing before or after it.
//
// `meta` and a provider's usage object travel as their JSON text and come back inside JSON replies, so text that is no
// JSON must not get in. No values are built, nothing is allocated, and nesting is bounded by `Limits.jsonDepth`: two bits
// of state a level, kept in one word each.

internal import Core

struct JSONObjectText {
    private let text: UnsafeRawBufferPointer
    private var at = 0

    private init(_ text: UnsafeRawBufferPointer) { self.text = text }

    static func isObject(_ text: UnsafeRawBufferPointer) -> Bool {
        guard isValidUTF8(text) else { return false }
        var scan = JSONObjectText(text)
        return scan.object()
    }

    private var next: UInt8 { at < text.count ? text[at] : 0 }

    private mutating func skipSpace() {
        while at < text.count, text[at] == 0x20 || text[at] == 0x0A || text[at] == 0x0D || text[at] == 0x09 { at += 1 }
    }

    private mutating func object() -> Bool {
        skipSpace()
        guard next == 0x7B else { return false }
        // Bit `depth` of `arrays` is set where the container at that depth is an array.
        var arrays: UInt64 = 0
        var depth = 0
        while true {
            // At the start of a value.
            skipSpace()
            var opened = false
            switch next {
            case 0x7B, 0x5B:
                let isArray = next == 0x5B
                depth += 1
                guard depth <= Limits.jsonDepth else { return false }
                arrays = isArray ? arrays | 1 << UInt64(depth) : arrays & ~(1 << UInt64(depth))
                at += 1
                skipSpace()
                if next == (isArray ? 0x5D : 0x7D) {
                    at += 1
                    depth -= 1
                } else {
                    opened = true
                }
            case 0x22: guard string() else { return false }
            case 0x74: guard literal("true") else { return false }
            case 0x66: guard literal("false") else { return false }
            case 0x6E: guard literal("null") else { return false }
            default: guard number() else { return false }
            }
            if !opened {
                // After a value: close what ends here, stop at the outermost, else expect a comma.
                while depth > 0 {
                    skipSpace()
                    let isArray = arrays >> UInt64(depth) & 1 == 1
                    guard next == (isArray ? 0x5D : 0x7D), at < text.count else { break }
                    at += 1
                    depth -= 1
                }
                if depth == 0 {
                    skipSpace()
                    return at == text.count
                }
                guard next == 0x2C else { return false }
                at += 1
            }
            if arrays >> UInt64(depth) & 1 == 0 {
                skipSpace()
                guard next == 0x22, string() else { return false }
                skipSpace()
                guard next == 0x3A else { return false }
                at += 1
            }
        }
    }

    private mutating func string() -> Bool {
        at += 1
        while at < text.count {
            let byte = text[at]
            at += 1
            if byte == 0x22 { return true }
            if byte < 0x20 { return false }
            guard byte == 0x5C else { continue }
            let escape = next
            at += 1
            switch escape {
            case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: break
            case 0x75:
                guard text.count - at >= 4 else { return false }
                for _ in 0..<4 {
                    let digit = text[at]
                    guard digit &- 0x30 < 10 || (digit | 0x20) &- 0x61 < 6 else { return false }
                    at += 1
                }
            default: return false
            }
        }
        return false
    }

    private mutating func literal(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard text.count - at >= count else { return false }
        for i in 0..<count where text[at + i] != word.utf8Start[i] { return false }
        at += count
        return true
    }

    private mutating func digits() -> Bool {
        let start = at
        while next &- 0x30 < 10 { at += 1 }
        return at > start
    }

    private mutating func number() -> Bool {
        if next == 0x2D { at += 1 }
        let leadingZero = next == 0x30
        let start = at
        guard digits(), !(leadingZero && at - start > 1) else { return false }
        if next == 0x2E {
            at += 1
            guard digits() else { return false }
        }
        if next | 0x20 == 0x65 {
            at += 1
            if next == 0x2B || next == 0x2D { at += 1 }
            guard digits() else { return false }
        }
        return true
    }
}
