// JSONObjectText: whether bytes are one JSON object (RFC 8259), nothing before or after it, no key twice in one object.
//
// `meta` and a provider's usage object travel as their JSON text and come back inside JSON replies, so text that is no
// JSON, or that two readers would read differently, must not get in; the reader of HTTP bodies judges the same way. No values
// are built, and nesting is bounded by `Limits.jsonDepth`. Keys are noted with the object they are of, and compared at the end.

internal import Core

struct JSONObjectText {
    private let text: UnsafeRawBufferPointer
    private var at = 0
    /// Keys as they were written, between their quotes.
    private var keys: [Key] = []

    private struct Key {
        /// Objects are numbered as they begin.
        var object: UInt32
        var start: Int
        var end: Int
    }

    private init(_ text: UnsafeRawBufferPointer) { self.text = text }

    static func isObject(_ text: UnsafeRawBufferPointer) -> Bool {
        guard isValidUTF8(text) else { return false }
        var scan = JSONObjectText(text)
        return scan.object() && !scan.repeatsKey()
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
        // The objects around this place, by depth.
        var open = [UInt32](repeating: 0, count: Limits.jsonDepth + 1)
        var objects: UInt32 = 0
        while true {
            // At the start of a value.
            skipSpace()
            var opened = false
            switch next {
            case 0x7B, 0x5B:
                let isArray = next == 0x5B
                depth += 1
                guard depth <= Limits.jsonDepth else { return false }
                objects += 1
                open[depth] = objects
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
                let start = at + 1
                guard next == 0x22, string() else { return false }
                keys.append(Key(object: open[depth], start: start, end: at - 1))
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
                // Surrogates come in pairs or not at all: alone they are no text.
                guard let unit = unit(at), unit & 0xFC00 != 0xDC00 else { return false }
                at += 4
                guard unit & 0xFC00 == 0xD800 else { break }
                guard text.count - at >= 6, text[at] == 0x5C, text[at + 1] == 0x75, let low = self.unit(at + 2), low & 0xFC00 == 0xDC00
                else { return false }
                at += 6
            default: return false
            }
        }
        return false
    }

    /// The four hexadecimal digits at `place`.
    private func unit(_ place: Int) -> UInt32? {
        guard text.count - place >= 4 else { return nil }
        var value: UInt32 = 0
        for i in place..<place + 4 {
            let digit = text[i]
            if digit &- 0x30 < 10 {
                value = value << 4 | UInt32(digit &- 0x30)
            } else {
                guard (digit | 0x20) &- 0x61 < 6 else { return nil }
                value = value << 4 | UInt32((digit | 0x20) &- 0x61 &+ 10)
            }
        }
        return value
    }

    /// Whether an object has a key twice, after unescaping.
    private func repeatsKey() -> Bool {
        guard keys.count > 1 else { return false }
        var plain = ByteWriter(capacity: text.count + keys.count * 4)
        var ends: [Int] = []
        for key in keys {
            plain.append(littleEndian: key.object)
            unescape(key.start, key.end, into: &plain)
            ends.append(plain.count)
        }
        let all = plain.bytes
        var start = 0
        var texts: [UnsafeRawBufferPointer] = []
        for end in ends {
            texts.append(UnsafeRawBufferPointer(rebasing: all[start..<end]))
            start = end
        }
        return holdsRepeatedText(&texts)
    }

    /// The text that was found to be a string, without its escapes.
    private func unescape(_ start: Int, _ end: Int, into plain: inout ByteWriter) {
        var i = start
        while i < end {
            guard text[i] == 0x5C else {
                plain.append(text[i])
                i += 1
                continue
            }
            i += 2
            switch text[i - 1] {
            case 0x62: plain.append(0x08)
            case 0x66: plain.append(0x0C)
            case 0x6E: plain.append(0x0A)
            case 0x72: plain.append(0x0D)
            case 0x74: plain.append(0x09)
            case 0x75:
                var scalar = unit(i) ?? 0
                i += 4
                if scalar & 0xFC00 == 0xD800, let low = unit(i + 2) {
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + low & 0x3FF
                    i += 6
                }
                for byte in String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8 { plain.append(byte) }
            case let byte: plain.append(byte)
            }
        }
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
