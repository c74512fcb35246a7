// The reading of a request head.
//
// One pass when the head is there at once. When it is not, only the bytes that are new are looked at until the empty line
// (or a control character that breaks a line) has come, and then the pass is made: arrival byte by byte costs twice the
// work, not its square. What is refused, and with which status, never depends on how the bytes were split: the pass looks at
// them in order and stops at the first that is wrong.

import CSimdjson
import Core

extension HTTPRequestHead {
    /// Reads the head that starts at the first of `bytes` (after one empty line, if there is one).
    ///
    /// `scanned` is 0 for a new request; hand the same variable in again with more bytes after `needMore`.
    public static func parse(_ bytes: UnsafeRawBufferPointer, scanned: inout Int) -> HTTPHeadResult {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return .needMore }
        if scanned > 0, bytes.count < Limits.httpHeadBytes, !mayBeComplete(base, bytes.count, &scanned) { return .needMore }
        var parser = HeadParser(base, min(bytes.count, Limits.httpHeadBytes))
        let fault = parser.parse()
        switch fault {
        case .none: return .head(parser.head, consumed: parser.at)
        case .short:
            if bytes.count < Limits.httpHeadBytes {
                // A carriage return at the end is looked at again, with what follows it.
                scanned = HTTPGrammar.byte(base, bytes.count - 1) == 0x0D ? bytes.count - 1 : bytes.count
                return .needMore
            }
            return .refused(parser.overlong.refusal)
        default: return .refused(fault.refusal)
        }
    }

    /// Whether the bytes from `scanned` on end the head, or hold a control character that breaks it.
    private static func mayBeComplete(_ base: UnsafeRawPointer, _ count: Int, _ scanned: inout Int) -> Bool {
        var i = scanned
        while i < count {
            i = purser_scan_control(base, i, count)
            guard i < count else { break }
            let c = HTTPGrammar.byte(base, i)
            if c == 0x09 {
                i += 1
                continue
            }
            guard c == 0x0D else { return true }
            guard i + 1 < count else { break }
            // A bare carriage return, or the empty line.
            if HTTPGrammar.byte(base, i + 1) != 0x0A || (i > 0 && HTTPGrammar.byte(base, i - 1) == 0x0A) { return true }
            i += 2
        }
        scanned = i
        return false
    }
}

private struct HeadParser {
    let base: UnsafeRawPointer
    let end: Int
    var at = 0
    var inRequestLine = true
    var head = HTTPRequestHead()
    var connectionClose = false
    var connectionKeepAlive = false
    /// The body is said to be compressed, or otherwise not what it is.
    var isCoded = false
    /// The authority of a target in absolute form.
    var authority = HTTPRange.absent

    init(_ base: UnsafeRawPointer, _ end: Int) {
        self.base = base
        self.end = end
    }

    @inline(__always) func byte(_ offset: Int) -> UInt8 { HTTPGrammar.byte(base, offset) }

    /// What is too long when a head of the largest size has not ended: no method is that long, so without the space after it
    /// this is no request line.
    var overlong: HTTPFault { !inRequestLine ? .headLong : head.methodName.isEmpty ? .requestLineStart : .targetLong }

    mutating func parse() -> HTTPFault {
        // RFC 9112 section 2.2: an empty line before the request line is skipped, once.
        if byte(0) == 0x0D {
            guard end >= 2 else { return .short }
            guard byte(1) == 0x0A else { return .bareCarriageReturn }
            at = 2
            guard end > 2 else { return .short }
        }
        let fault = requestLine()
        guard fault == .none else { return fault }
        inRequestLine = false
        var fields = 0
        while true {
            guard at < end else { return .short }
            if byte(at) == 0x0D {
                guard at + 1 < end else { return .short }
                guard byte(at + 1) == 0x0A else { return .bareCarriageReturn }
                at += 2
                return finish()
            }
            fields += 1
            if fields > Limits.httpHeaders {
                return .fieldsMany
            }
            let fault = field()
            guard fault == .none else { return fault }
        }
    }

    // MARK: the request line

    private mutating func requestLine() -> HTTPFault {
        let start = at
        while at < end, HTTPGrammar.isToken(byte(at)) { at += 1 }
        guard at < end else { return .short }
        guard byte(at) == 0x20, at > start else { return .requestLineStart }
        head.methodName = HTTPRange(from: start, to: at)
        head.method = method(start, at - start)
        at += 1

        let target = at
        var question = -1
        while true {
            at = purser_scan_target(base, at, end)
            guard at < end else { break }
            let c = byte(at)
            if c == 0x20 { break }
            if c == 0x23 { return .targetFragment }
            guard c == 0x3F else { return .targetByte }
            if question < 0 { question = at }
            at &+= 1
        }
        let targetEnd = at
        if targetEnd - target > Limits.httpTargetBytes {
            return .targetLong
        }
        guard at < end else { return .short }
        guard targetEnd > target else { return .targetEmpty }
        at += 1

        // HTTP/1.1 CR LF: ten bytes, looked at one by one only when they are something else.
        if end - at >= 10, HTTPGrammar.word(base, at) == 0x312E_312F_5054_5448 {
            head.minorVersion = 1
        } else {
            let fault = oddVersion()
            guard fault == .none else { return fault }
        }
        at += 8
        guard at < end else { return .short }
        guard byte(at) == 0x0D else { return .requestLineEnd }
        guard at + 1 < end else { return .short }
        guard byte(at + 1) == 0x0A else { return .bareCarriageReturn }
        at += 2
        return splitTarget(target, targetEnd, question < 0 ? targetEnd : question)
    }

    /// Anything but a plain `HTTP/1.1` at `at`: HTTP/1.0, another version, an incomplete or a broken one.
    private mutating func oddVersion() -> HTTPFault {
        let name: StaticString = "HTTP/"
        for i in 0..<5 {
            guard at + i < end else { return .short }
            guard byte(at + i) == HTTPGrammar.byte(UnsafeRawPointer(name.utf8Start), i) else {
                return .versionMissing
            }
        }
        guard at + 5 < end else { return .short }
        guard HTTPGrammar.isDigit(byte(at + 5)) else { return .versionForm }
        guard at + 6 < end else { return .short }
        guard byte(at + 6) == 0x2E else { return .versionForm }
        guard at + 7 < end else { return .short }
        guard HTTPGrammar.isDigit(byte(at + 7)) else { return .versionForm }
        guard at + 8 < end else { return .short }
        guard byte(at + 8) == 0x0D else { return .requestLineEnd }
        guard byte(at + 5) == 0x31, byte(at + 7) & 0xFE == 0x30 else {
            return .version
        }
        head.minorVersion = byte(at + 7) & 1
        return .none
    }

    private func method(_ start: Int, _ length: Int) -> HTTPMethod {
        let name = base + start
        func matches(_ other: StaticString) -> Bool {
            for i in 0..<length where HTTPGrammar.byte(name, i) != HTTPGrammar.byte(UnsafeRawPointer(other.utf8Start), i) { return false }
            return true
        }
        // Methods are case-sensitive (RFC 9110 section 9.1).
        switch length {
        case 3: return matches("GET") ? .get : matches("PUT") ? .put : .other
        case 4: return matches("POST") ? .post : matches("HEAD") ? .head : .other
        case 5: return matches("PATCH") ? .patch : .other
        case 6: return matches("DELETE") ? .delete : .other
        case 7: return matches("OPTIONS") ? .options : .other
        default: return .other
        }
    }

    private mutating func splitTarget(_ start: Int, _ end: Int, _ question: Int) -> HTTPFault {
        var path = start
        if byte(start) != 0x2F {
            if end - start == 1, byte(start) == 0x2A {
                guard head.method == .options else { return .targetStar }
                head.path = HTTPRange(from: start, to: end)
                return .none
            }
            guard question - start > 7, HTTPGrammar.isShort(base + start, 7, "http://") else {
                return .targetForm
            }
            path = start + 7
            while path < question, byte(path) != 0x2F { path += 1 }
            guard HTTPGrammar.isHost(base, start + 7, path - start - 7, readable: self.end) else { return .targetHost }
            authority = HTTPRange(from: start + 7, to: path)
        }
        // RFC 9110 section 4.2.3: no path is the path `/`; there is one in the `http://` before it.
        head.path = path < question ? HTTPRange(from: path, to: question) : HTTPRange(from: start + 6, to: start + 7)
        if question < end { head.query = HTTPRange(from: question + 1, to: end) }
        return .none
    }

    // MARK: header fields

    private mutating func field() -> HTTPFault {
        let name = at
        let end = end
        var i = at
        // Letters, digits and hyphens make nearly every name.
        i = purser_scan_name(base, i, end)
        while i < end, HTTPGrammar.isToken(byte(i)) { i &+= 1 }
        guard i < end else { return .short }
        let nameLength = i &- name
        guard byte(i) == 0x3A, nameLength > 0 else { return Self.badName(byte(i), nameLength) }
        i &+= 1
        while i < end, byte(i) == 0x20 || byte(i) == 0x09 { i &+= 1 }
        let value = i
        while true {
            i = purser_scan_control(base, i, end)
            guard i < end else { return .short }
            let c = byte(i)
            if c == 0x0D { break }
            if c == 0x0A { return .bareLineFeed }
            guard c == 0x09 else { return .valueByte }
            i &+= 1
        }
        guard i &+ 1 < end else { return .short }
        guard byte(i &+ 1) == 0x0A else { return .bareCarriageReturn }
        var valueEnd = i
        while valueEnd > value, byte(valueEnd &- 1) == 0x20 || byte(valueEnd &- 1) == 0x09 { valueEnd &-= 1 }
        at = i &+ 2
        return note(name, nameLength, value, valueEnd)
    }

    private static func badName(_ byte: UInt8, _ length: Int) -> HTTPFault {
        switch byte {
        case 0x20, 0x09: length == 0 ? .nameFolded : .nameSpace
        case 0x3A: .nameEmpty
        case 0x0A: .bareLineFeed
        default: .nameByte
        }
    }

    private mutating func note(_ name: Int, _ length: Int, _ value: Int, _ end: Int) -> HTTPFault {
        let start = base + name
        let range = HTTPRange(from: value, to: end)
        switch length {
        case 4:
            if HTTPGrammar.isMiddle(start, 4, "host") {
                if head.host.isPresent { return .hostTwice }
                guard HTTPGrammar.isHost(base, value, end - value, readable: self.end) else { return .hostForm }
                head.host = range
            }
        case 6:
            if HTTPGrammar.isMiddle(start, 6, "accept") {
                if !head.accept.isPresent { head.accept = range }
            } else if HTTPGrammar.isMiddle(start, 6, "origin") {
                return Self.once(&head.origin, range)
            } else if HTTPGrammar.isMiddle(start, 6, "cookie") {
                // RFC 6265 section 5.4: there is one. Of two nobody knows which is meant, so neither is.
                head.cookie = head.cookie.isPresent ? HTTPRange(from: value, to: value) : range
            } else if HTTPGrammar.isMiddle(start, 6, "expect") {
                guard HTTPGrammar.isShort(base + value, end - value, "100-continue") else {
                    return .expectation
                }
                head.expectContinue = true
            }
        case 9:
            if HTTPGrammar.isLong(start, 9, "x-api-key") { return Self.once(&head.apiKey, range) }
        case 10:
            if HTTPGrammar.isLong(start, 10, "connection") { connection(value, end) }
        case 12:
            if HTTPGrammar.isLong(start, 12, "content-type") { return Self.once(&head.contentType, range) }
            if HTTPGrammar.isLong(start, 12, "x-request-id") { return Self.once(&head.requestID, range) }
        case 13:
            if HTTPGrammar.isLong(start, 13, "authorization") { return Self.once(&head.authorization, range) }
            if HTTPGrammar.isLong(start, 13, "last-event-id") { return Self.once(&head.lastEventID, range) }
            if HTTPGrammar.isLong(start, 13, "if-none-match"), !head.ifNoneMatch.isPresent { head.ifNoneMatch = range }
        case 14:
            if HTTPGrammar.isLong(start, 14, "content-length") { return contentLength(value, end) }
            if HTTPGrammar.isLong(start, 14, "sec-fetch-site") { return Self.once(&head.fetchSite, range) }
            if HTTPGrammar.isShort(start, 14, "content_length") { return .nameUnderscore }
        case 15:
            if HTTPGrammar.isLong(start, 15, "idempotency-key") { return Self.once(&head.idempotencyKey, range) }
            if HTTPGrammar.isLong(start, 15, "accept-encoding"), !head.acceptEncoding.isPresent { head.acceptEncoding = range }
        case 16:
            if HTTPGrammar.isLong(start, 16, "content-encoding") {
                isCoded = isCoded || (end > value && !HTTPGrammar.isShort(base + value, end - value, "identity"))
            }
        case 17:
            if HTTPGrammar.isLong(start, 17, "x-idempotency-key") { return Self.once(&head.eventKey, range) }
            if HTTPGrammar.isLong(start, 17, "transfer-encoding") { return transferEncoding(value, end) }
            if HTTPGrammar.isShort(start, 17, "transfer_encoding") { return .nameUnderscore }
        case 29:
            if HTTPGrammar.isLong(start, 29, "access-control-request-method") { return Self.once(&head.accessControlRequestMethod, range) }
        default: break
        }
        return .none
    }

    @inline(__always) private static func once(_ place: inout HTTPRange, _ range: HTTPRange) -> HTTPFault {
        if place.isPresent { return .repeated }
        place = range
        return .none
    }

    private mutating func contentLength(_ value: Int, _ end: Int) -> HTTPFault {
        if head.contentLength != nil { return .lengthTwice }
        if head.chunked { return .lengthAndCoding }
        guard end > value else { return .lengthForm }
        var length: UInt64 = 0
        for i in value..<end {
            guard HTTPGrammar.isDigit(byte(i)) else { return .lengthForm }
            // Beyond this the number can only be too large; the digits after it are still checked.
            if length <= UInt64(Limits.httpBodyBytes) { length = length &* 10 &+ UInt64(byte(i) &- 0x30) }
        }
        if byte(value) == 0x30, end - value > 1 { return .lengthZero }
        // Not every reader holds it: one that wraps around sees another body.
        if end - value > 18 { return .lengthForm }
        if length > UInt64(Limits.httpBodyBytes) { return .bodyLarge }
        head.contentLength = length
        return .none
    }

    private mutating func transferEncoding(_ value: Int, _ end: Int) -> HTTPFault {
        if head.chunked { return .codingTwice }
        if head.contentLength != nil { return .lengthAndCoding }
        if head.minorVersion == 0 { return .codingOld }
        guard HTTPGrammar.isShort(base + value, end - value, "chunked") else { return .codingUnknown }
        head.chunked = true
        return .none
    }

    /// RFC 9110 section 7.6.1: a list of options; the two that matter are looked for, the others mean nothing here.
    private mutating func connection(_ value: Int, _ end: Int) {
        var start = value
        while start < end {
            while start < end, byte(start) == 0x20 || byte(start) == 0x09 || byte(start) == 0x2C { start += 1 }
            var stop = start
            while stop < end, byte(stop) != 0x2C { stop += 1 }
            var last = stop
            while last > start, byte(last - 1) == 0x20 || byte(last - 1) == 0x09 { last -= 1 }
            if HTTPGrammar.isShort(base + start, last - start, "close") { connectionClose = true }
            if HTTPGrammar.isShort(base + start, last - start, "keep-alive") { connectionKeepAlive = true }
            start = stop
        }
    }

    private mutating func finish() -> HTTPFault {
        if !head.host.isPresent {
            if head.minorVersion == 1 { return .hostMissing }
        } else if authority.isPresent, !sameHost(authority, head.host) {
            return .otherHost
        }
        if isCoded, head.hasBody { return .contentCoding }
        head.keepAlive = !connectionClose && (head.minorVersion == 1 || connectionKeepAlive)
        if head.minorVersion == 0 { head.expectContinue = false }
        return .none
    }

    private func sameHost(_ a: HTTPRange, _ b: HTTPRange) -> Bool {
        guard a.length == b.length else { return false }
        for i in 0..<Int(a.length) {
            let x = byte(Int(a.offset) + i)
            let y = byte(Int(b.offset) + i)
            if x == y { continue }
            guard x ^ y == 0x20, (x | 0x20) &- 0x61 < 26 else { return false }
        }
        return true
    }
}
