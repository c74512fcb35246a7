// ModelDate: the date at the end of a model's name, written the way that genai-prices' rules expect it.

import Core

enum ModelDate {
    /// `gpt-5.2-20251211` as `gpt-5.2-2025-12-11`; nil when there is no such date behind a dash, before a dash, a colon or
    /// the end.
    static func dashed(_ name: String) -> String? {
        let bytes = Array(name.utf8)
        var result: [UInt8] = []
        var changed = false
        var at = 0
        while at < bytes.count {
            result.append(bytes[at])
            at += 1
            guard result.last == UInt8(ascii: "-"), at + 8 <= bytes.count else { continue }
            let digits = bytes[at..<(at + 8)]
            guard digits.allSatisfy({ $0 &- 0x30 < 10 }), digits.starts(with: Array("20".utf8)) else { continue }
            if at + 8 < bytes.count, bytes[at + 8] != UInt8(ascii: "-"), bytes[at + 8] != UInt8(ascii: ":") { continue }
            let dash = UInt8(ascii: "-")
            let date = Array(digits.prefix(4)) + [dash] + Array(digits.dropFirst(4).prefix(2)) + [dash] + Array(digits.suffix(2))
            guard Timestamp(rfc3339: String(decoding: date, as: UTF8.self) + "T00:00:00Z") != nil else { continue }
            result += date
            at += 8
            changed = true
        }
        return changed ? String(decoding: result, as: UTF8.self) : nil
    }
}
