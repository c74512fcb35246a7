// FrameText: what text in a frame may be. UTF-8 by RFC 3629, without U+0000-U+001F and U+007F, which can only confuse the
// terminals, logs and pages the text ends on. The same text is acceptable over HTTP.

internal import Core

enum FrameText {
    /// Whether `text` is well-formed UTF-8 without control characters. Eight bytes a step while it is ASCII.
    static func isClean(_ text: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let n = text.count
        guard n > 0, let base = text.baseAddress else { return true }
        var i = 0
        while i + 8 <= n {
            let word = base.loadUnaligned(fromByteOffset: i, as: UInt64.self)
            // The borrow of "less than 0x20" and the carry of "equal to 0x7F" are exact for bytes below 0x80 only, and a
            // byte of 0x80 or more leaves by the first term.
            let below = (word &- ones &* 0x20) & ~word
            let delete = (word &+ ones)
            if (word | below | delete) & highs != 0 { return isCleanSlowly(text, from: i) }
            i += 8
        }
        while i < n {
            let byte = base.load(fromByteOffset: i, as: UInt8.self)
            if byte &- 0x20 >= 0x5F { return isCleanSlowly(text, from: i) }
            i += 1
        }
        return true
    }

    @inline(never)
    private static func isCleanSlowly(_ text: UnsafeRawBufferPointer, from start: Int) -> Bool {
        let rest = UnsafeRawBufferPointer(rebasing: text[start...])
        for byte in rest where byte < 0x20 || byte == 0x7F { return false }
        return isValidUTF8(rest)
    }

    /// Whether there is nothing but spaces.
    static func isBlank(_ text: UnsafeRawBufferPointer) -> Bool {
        for byte in text where byte != 0x20 { return false }
        return true
    }

    /// 8-4-4-4-12 hexadecimal digits, in either case.
    static func isUUID(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == 36 else { return false }
        for (i, byte) in text.enumerated() {
            if i == 8 || i == 13 || i == 18 || i == 23 {
                guard byte == 0x2D else { return false }
            } else {
                guard byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6 else { return false }
            }
        }
        return true
    }
}
