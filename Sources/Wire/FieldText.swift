// FieldText: the checks that text from outside must pass before it becomes a name, a key or an identifier.

public import Core

enum FieldText {
    /// Whether UTF-8 `text` has more than `limit` scalars. Most texts are answered by their length in bytes.
    @inline(__always) static func isLonger(_ text: UnsafeRawBufferPointer, than limit: Int) -> Bool {
        text.count > limit && (text.count > limit * 4 || scalarCount(text) > limit)
    }

    /// Whether there is a byte below 0x20 or 0x7F.
    @inline(__always) static func hasControl(_ text: UnsafeRawBufferPointer) -> Bool {
        let n = text.count
        guard n > 0, let base = text.baseAddress else { return false }
        if n >= 8 {
            var hits: UInt64 = 0
            var i = 0
            while i + 8 < n {
                hits |= HTTPGrammar.controls(HTTPGrammar.word(base, i))
                i += 8
            }
            return hits | HTTPGrammar.controls(HTTPGrammar.word(base, n - 8)) != 0
        }
        for i in 0..<n {
            let byte = HTTPGrammar.byte(base, i)
            if byte < 0x20 || byte == 0x7F { return true }
        }
        return false
    }

    /// Whether there is nothing but spaces.
    static func isBlank(_ text: UnsafeRawBufferPointer) -> Bool {
        for byte in text where byte != 0x20 { return false }
        return true
    }

    /// 8-4-4-4-12 hexadecimal digits, in either case.
    static func isUUID(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == 36 else { return false }
        for i in 0..<36 {
            if i == 8 || i == 13 || i == 18 || i == 23 {
                if text[i] != 0x2D { return false }
            } else if HTTPGrammar.hexValue(text[i]) == nil {
                return false
            }
        }
        return true
    }
}

/// The checks on keys that come in a header.
public enum KeyHeader {
    /// `X-Idempotency-Key`, which replaces the event's own key: `.recorded` when it may, `.fieldMissing` when it is blank and
    /// the event's own key counts, else why it is refused.
    public static func event(_ value: UnsafeRawBufferPointer) -> Outcome {
        if FieldText.isBlank(value) { return .fieldMissing }
        return check(value, Limits.idempotencyKeyScalars)
    }

    /// `Idempotency-Key`, which names a request: `.recorded`, or why it is refused. It may not be empty.
    public static func request(_ value: UnsafeRawBufferPointer) -> Outcome {
        if value.isEmpty { return .fieldInvalid }
        return check(value, Limits.headerKeyScalars)
    }

    /// Whether an `X-Request-ID` is echoed; otherwise the server makes one. Visible ASCII and spaces, at most
    /// `Limits.identifierScalars`, not blank.
    public static func isUsableRequestID(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.count <= Limits.identifierScalars, !FieldText.isBlank(value) else { return false }
        for byte in value where byte < 0x20 || byte >= 0x7F { return false }
        return true
    }

    private static func check(_ value: UnsafeRawBufferPointer, _ limit: Int) -> Outcome {
        guard isValidUTF8(value) else { return .fieldInvalid }
        if FieldText.isLonger(value, than: limit) { return .fieldTooLong }
        return FieldText.hasControl(value) ? .fieldInvalid : .recorded
    }
}
