// HTTPTarget: the parts of a request target, taken apart and percent-decoded.
//
// Strict: a `%` without two hexadecimal digits, a decoded NUL and decoded bytes that are not UTF-8 give nil, never a guess.
// In a path `+` is a plus; in a query it is a space, as every form encoder writes it.

public import Core

public enum HTTPTarget {
    /// Appends the decoded bytes of `text` to `out`; nil (and nothing appended) when they are malformed.
    public static func decode(_ text: UnsafeRawBufferPointer, plusIsSpace: Bool = false, into out: inout ByteWriter) -> TextRef? {
        let start = out.count
        var i = 0
        var plain = true
        while i < text.count {
            let byte = text[i]
            if byte == 0x25 {
                guard i + 2 < text.count, let high = HTTPGrammar.hexValue(text[i + 1]), let low = HTTPGrammar.hexValue(text[i + 2]),
                    high << 4 | low != 0
                else {
                    out.truncate(to: start)
                    return nil
                }
                plain = false
                out.append(high << 4 | low)
                i += 3
            } else {
                if byte >= 0x80 { plain = false }
                out.append(byte == 0x2B && plusIsSpace ? 0x20 : byte)
                i += 1
            }
        }
        let length = out.count - start
        if !plain, !isValidUTF8(UnsafeRawBufferPointer(start: out.base + start, count: length)) {
            out.truncate(to: start)
            return nil
        }
        return TextRef(offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length))
    }
}

/// The `name=value` pairs of a query, in order, as they came. `a` and `a=` differ in `hasValue`; empty pairs are skipped.
public struct HTTPQuery {
    public struct Pair {
        public let name: UnsafeRawBufferPointer
        public let value: UnsafeRawBufferPointer
        public let hasValue: Bool

        /// Whether the name is `other`, byte for byte (the names Purser knows need no encoding).
        public func isNamed(_ other: StaticString) -> Bool {
            sameBytes(name, UnsafeRawBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
        }
    }

    private let text: UnsafeRawBufferPointer
    private var at = 0

    /// Over the bytes after the `?`.
    public init(_ query: UnsafeRawBufferPointer) { text = query }

    public mutating func next() -> Pair? {
        while at < text.count {
            let start = at
            var equals = -1
            while at < text.count, text[at] != 0x26 {
                if text[at] == 0x3D, equals < 0 { equals = at }
                at += 1
            }
            let end = at
            if at < text.count { at += 1 }
            guard end > start else { continue }
            let nameEnd = equals < 0 ? end : equals
            return Pair(
                name: UnsafeRawBufferPointer(rebasing: text[start..<nameEnd]),
                value: UnsafeRawBufferPointer(rebasing: text[(equals < 0 ? end : equals + 1)..<end]),
                hasValue: equals >= 0
            )
        }
        return nil
    }
}

/// The segments of a path, in order, as they came: `/a//b/` gives `a`, ``, `b`, ``.
public struct HTTPPathSegments {
    private let text: UnsafeRawBufferPointer
    private var at = 0

    public init(_ path: UnsafeRawBufferPointer) { text = path }

    public mutating func next() -> UnsafeRawBufferPointer? {
        guard at < text.count else { return nil }
        if text[at] == 0x2F { at += 1 }
        let start = at
        while at < text.count, text[at] != 0x2F { at += 1 }
        return UnsafeRawBufferPointer(rebasing: text[start..<at])
    }
}
