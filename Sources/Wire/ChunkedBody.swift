// ChunkedBody: the chunked transfer coding (RFC 9112 section 7.1), taken apart strictly.
//
// Guarantees: the same bytes give the same body however they were split; a line is consumed whole or not at all, so the
// caller keeps at most `Limits.httpTrailerBytes` of it. Bounds: the body, each chunk line with its extensions, the trailer.
// Extensions must follow the grammar (without white space) and are ignored. Trailer fields must follow the header grammar
// and are ignored, but a field that frames, routes or authenticates a request is refused there.
// Refuses: a size with a sign, a prefix, white space or more than 16 digits; a line or chunk that does not end in CR LF.

public import Core

/// What `ChunkedBody.feed` left to do.
@frozen
public enum ChunkedState: Sendable {
    case needMore
    /// The body is complete; what was not consumed belongs to the next request.
    case done
    case refused(HTTPRefusal)
}

/// A decoder of one chunked body.
@frozen
public struct ChunkedBody: Sendable {
    @frozen @usableFromInline enum Phase: UInt8, Sendable {
        case size, data, dataEnd, trailer, done
    }

    var phase = Phase.size
    /// Of the chunk, still to come.
    var remaining = 0
    var total = 0
    var trailerBytes = 0

    public init() {}

    /// Bytes of the body decoded so far.
    public var count: Int { total }

    /// Decodes what it can of `bytes`, appends it to `body`, and says how many bytes it has consumed. Hand the rest in again,
    /// with more after it.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer, into body: inout ByteWriter) -> (consumed: Int, state: ChunkedState) {
        guard let base = bytes.baseAddress else { return (0, phase == .done ? .done : .needMore) }
        let end = bytes.count
        var at = 0
        while true {
            switch phase {
            case .size:
                switch line(base, at, end, limit: Limits.httpChunkLineBytes) {
                case .short: return (at, .needMore)
                case .tooLong: return (at, .refused(.bad("A chunk line is too long")))
                case .bad: return (at, .refused(.bad("A chunk line does not end in carriage return and line feed")))
                case .end(let lineEnd):
                    switch size(base, at, lineEnd) {
                    case .bad: return (at, .refused(.bad("A chunk line is not a hexadecimal size and extensions")))
                    case .tooLarge: return (at, .refused(HTTPFault.bodyLarge.refusal))
                    case .size(let value):
                        remaining = value
                        phase = value == 0 ? .trailer : .data
                    }
                    at = lineEnd + 2
                }
            case .data:
                let part = min(remaining, end - at)
                guard part > 0 else { return (at, .needMore) }
                body.append(bytes: UnsafeRawBufferPointer(start: base + at, count: part))
                at += part
                remaining -= part
                total += part
                if remaining == 0 { phase = .dataEnd }
            case .dataEnd:
                guard at < end else { return (at, .needMore) }
                let message: StaticString = "A chunk does not end in carriage return and line feed"
                guard HTTPGrammar.byte(base, at) == 0x0D else { return (at, .refused(.bad(message))) }
                guard at + 1 < end else { return (at, .needMore) }
                guard HTTPGrammar.byte(base, at + 1) == 0x0A else { return (at, .refused(.bad(message))) }
                at += 2
                phase = .size
            case .trailer:
                switch line(base, at, end, limit: Limits.httpTrailerBytes - trailerBytes) {
                case .short: return (at, .needMore)
                case .tooLong:
                    return (at, .refused(HTTPRefusal(status: 431, code: "headers_too_large", message: "The trailer is too large")))
                case .bad: return (at, .refused(.bad("A trailer line does not end in carriage return and line feed")))
                case .end(let lineEnd):
                    if lineEnd == at {
                        phase = .done
                    } else if let refusal = trailer(base, at, lineEnd) {
                        return (at, .refused(refusal))
                    }
                    trailerBytes += lineEnd + 2 - at
                    at = lineEnd + 2
                }
            case .done: return (at, .done)
            }
        }
    }

    private enum Line {
        case short, tooLong, bad
        /// Where its carriage return is.
        case end(Int)
    }

    /// Looks for the end of the line that starts at `start`, at most `limit` bytes on.
    private func line(_ base: UnsafeRawPointer, _ start: Int, _ end: Int, limit: Int) -> Line {
        var i = start
        while i < end, i - start <= limit {
            let c = HTTPGrammar.byte(base, i)
            if c == 0x0D {
                guard i + 1 < end else { return .short }
                return HTTPGrammar.byte(base, i + 1) == 0x0A ? .end(i) : .bad
            }
            if c == 0x0A { return .bad }
            i += 1
        }
        return i - start > limit ? .tooLong : .short
    }

    private enum Size {
        case bad, tooLarge
        case size(Int)
    }

    private func size(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Size {
        var i = start
        var value: UInt64 = 0
        while i < end, let digit = HTTPGrammar.hexValue(HTTPGrammar.byte(base, i)) {
            guard i - start < 16 else { return .bad }
            value = value << 4 | UInt64(digit)
            i += 1
        }
        // Beyond 60 bits not every reader holds it: one that wraps around sees another chunk.
        guard i > start, value >> 60 == 0, extensions(base, i, end) else { return .bad }
        if value > UInt64(Limits.httpBodyBytes - total) { return .tooLarge }
        return .size(Int(value))
    }

    /// `*( ";" name [ "=" ( token / quoted-string ) ] )` from `start` to `end`.
    private func extensions(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var i = start
        func token() -> Bool {
            let first = i
            while i < end, HTTPGrammar.isToken(HTTPGrammar.byte(base, i)) { i += 1 }
            return i > first
        }
        while i < end {
            guard HTTPGrammar.byte(base, i) == 0x3B else { return false }
            i += 1
            guard token() else { return false }
            guard i < end, HTTPGrammar.byte(base, i) == 0x3D else { continue }
            i += 1
            guard i < end, HTTPGrammar.byte(base, i) == 0x22 else {
                guard token() else { return false }
                continue
            }
            i += 1
            while i < end, HTTPGrammar.byte(base, i) != 0x22 {
                if HTTPGrammar.byte(base, i) == 0x5C { i += 1 }
                guard i < end, isText(HTTPGrammar.byte(base, i)) else { return false }
                i += 1
            }
            guard i < end else { return false }
            i += 1
        }
        return true
    }

    private func isText(_ byte: UInt8) -> Bool { byte == 0x09 || (byte >= 0x20 && byte != 0x7F) }

    private func trailer(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> HTTPRefusal? {
        var i = start
        while i < end, HTTPGrammar.isToken(HTTPGrammar.byte(base, i)) { i += 1 }
        guard i > start, i < end, HTTPGrammar.byte(base, i) == 0x3A else { return .bad("A trailer line is not a header field") }
        let length = i - start
        for j in i + 1..<end where !isText(HTTPGrammar.byte(base, j)) { return .bad("A trailer value holds a control character") }
        let name = base + start
        if HTTPGrammar.isShort(name, length, "content-length") || HTTPGrammar.isShort(name, length, "transfer-encoding")
            || HTTPGrammar.isShort(name, length, "host") || HTTPGrammar.isShort(name, length, "authorization")
            || HTTPGrammar.isShort(name, length, "x-api-key") || HTTPGrammar.isShort(name, length, "connection")
        {
            return .bad("The trailer holds a field that belongs in the head")
        }
        return nil
    }
}
