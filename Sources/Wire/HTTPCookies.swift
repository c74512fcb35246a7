// HTTPCookies: one cookie out of a `Cookie` field (RFC 6265 section 4.2.1), and the parts of a `Host`.
//
// Strict where two readers could differ: a name that comes twice has no value, quotes are part of it, and nothing is decoded.

internal import Core

public enum HTTPCookies {
    /// The value of the cookie called `name`; nil when it is not there, or there twice.
    public static func value(named name: UnsafeRawBufferPointer, in field: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        var at = 0
        while at < field.count {
            while at < field.count, field[at] == 0x20 || field[at] == 0x09 || field[at] == 0x3B { at += 1 }
            let start = at
            while at < field.count, field[at] != 0x3B { at += 1 }
            var end = at
            while end > start, field[end - 1] == 0x20 || field[end - 1] == 0x09 { end -= 1 }
            guard end - start > name.count, field[start + name.count] == 0x3D,
                sameBytes(UnsafeRawBufferPointer(rebasing: field[start..<start + name.count]), name)
            else { continue }
            guard found == nil else { return nil }
            found = UnsafeRawBufferPointer(rebasing: field[(start + name.count + 1)..<end])
        }
        return found
    }
}

/// A `Host` that the request head accepted, taken apart. The pointers are into it.
public struct HTTPAuthority {
    /// With its brackets, when it is an IPv6 address.
    public let host: UnsafeRawBufferPointer
    /// Digits; empty when none is said.
    public let port: UnsafeRawBufferPointer

    public init(_ text: UnsafeRawBufferPointer) {
        var end = text.count
        while end > 0, text[end - 1] &- 0x30 < 10 { end -= 1 }
        if end > 0, text[end - 1] == 0x3A {
            host = UnsafeRawBufferPointer(rebasing: text[..<(end - 1)])
            port = UnsafeRawBufferPointer(rebasing: text[end...])
        } else {
            host = text
            port = UnsafeRawBufferPointer(rebasing: text[text.count...])
        }
    }

    /// Whether the name can only mean this machine: `localhost` and what ends in `.localhost` (RFC 6761 section 6.3), `127.0.0.0/8`
    /// with four plain decimal parts, `[::1]`. Any other name can be pointed here by whoever owns it.
    public var isLoopback: Bool {
        let text = host.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
        if text.elementsEqual("[::1]".utf8) || text.elementsEqual("localhost".utf8) { return true }
        if text.count > 10, text.suffix(10).elementsEqual(".localhost".utf8) { return true }
        let parts = text.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].elementsEqual("127".utf8) else { return false }
        return parts.allSatisfy { part in
            guard (1...3).contains(part.count), part.allSatisfy({ $0 &- 0x30 < 10 }) else { return false }
            return part.reduce(0) { $0 * 10 + Int($1 - 0x30) } < 256
        }
    }
}
