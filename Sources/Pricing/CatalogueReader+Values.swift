// The small values of a catalogue line: words, dates, days, hours, zones.

internal import Core

/// The words of a line, split at spaces and tabs.
struct Words {
    private let line: Text
    private var at = 0

    init(_ line: Text) { self.line = line }

    mutating func next() -> Text? {
        skip()
        guard let base = line.baseAddress else { return nil }
        let start = at
        while at < line.count {
            let byte = base.load(fromByteOffset: at, as: UInt8.self)
            if byte == 0x20 || byte == 0x09 || byte == 0x0D { break }
            at += 1
        }
        return at > start ? Text(rebasing: line[start..<at]) : nil
    }

    /// What is left of the line.
    var rest: Text {
        var copy = self
        copy.skip()
        return Text(rebasing: line[copy.at...])
    }

    private mutating func skip() {
        while at < line.count, line[at] == 0x20 || line[at] == 0x09 || line[at] == 0x0D { at += 1 }
    }

    /// `key=value`, at the last `=`, so that a key may hold one.
    static func split(_ word: Text) -> (key: Text, value: Text)? {
        guard let equals = word.lastIndex(of: 0x3D), equals > 0, equals + 1 < word.count else { return nil }
        return (Text(rebasing: word[..<equals]), Text(rebasing: word[(equals + 1)...]))
    }
}

extension CatalogueReader {
    /// `2026-08-17` (midnight UTC) or an RFC 3339 time, in nanoseconds.
    static func time(_ text: Text) -> Int64? {
        if text.count == 10 {
            var full = [UInt8](text)
            full += Array("T00:00:00Z".utf8)
            return full.withUnsafeBytes { Timestamp(rfc3339: $0)?.nanoseconds }
        }
        return Timestamp(rfc3339: text)?.nanoseconds
    }

    /// `1-5` or `6,7`, Monday is 1; as bits, Monday is bit 0.
    static func days(_ text: Text) -> UInt32? {
        var mask: UInt32 = 0
        for part in text.split(separator: 0x2C) {
            let bytes = Array(part)
            func day(_ byte: UInt8) -> Int? { byte >= 0x31 && byte <= 0x37 ? Int(byte - 0x31) : nil }
            if bytes.count == 1, let one = day(bytes[0]) {
                mask |= 1 << UInt32(one)
            } else if bytes.count == 3, bytes[1] == 0x2D, let first = day(bytes[0]), let last = day(bytes[2]), first <= last {
                for one in first...last { mask |= 1 << UInt32(one) }
            } else {
                return nil
            }
        }
        return mask == 0 ? nil : mask
    }

    /// `01:00-04:00,06:00-10:00`.
    static func hours(_ text: Text, into spans: inout GrowingBuffer<Span>) -> Bool {
        for part in text.split(separator: 0x2C) {
            let bytes = Array(part)
            guard bytes.count == 11, bytes[5] == 0x2D, let start = clock(bytes[0..<5]), let end = clock(bytes[6..<11]) else { return false }
            spans.append(Span(start: Int32(start % 1440), end: Int32(end % 1440)))
        }
        return true
    }

    /// `+08:00`, in seconds.
    static func zone(_ text: Text) -> Int32? {
        let bytes = Array(text)
        guard bytes.count == 6, bytes[0] == 0x2B || bytes[0] == 0x2D, let minutes = clock(bytes[1..<6]) else { return nil }
        return Int32(bytes[0] == 0x2B ? minutes * 60 : -minutes * 60)
    }

    /// Minutes of `hh:mm`, up to 24:00.
    private static func clock(_ bytes: ArraySlice<UInt8>) -> Int? {
        let b = Array(bytes)
        guard b[2] == 0x3A else { return nil }
        var digits: [Int] = []
        for i in [0, 1, 3, 4] {
            guard b[i] &- 0x30 < 10 else { return nil }
            digits.append(Int(b[i] - 0x30))
        }
        let hours = digits[0] * 10 + digits[1]
        let minutes = digits[2] * 10 + digits[3]
        guard minutes < 60, hours * 60 + minutes <= 1440 else { return nil }
        return hours * 60 + minutes
    }
}
