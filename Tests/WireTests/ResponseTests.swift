import Core
import Foundation
import Testing
import Wire

private func head(_ change: (inout HTTPResponse) -> Void = { _ in }, length: Int = 2) -> String {
    var writer = ByteWriter()
    var response = HTTPResponse(status: 200)
    change(&response)
    writer.append(http: response, contentLength: length)
    return writer.string
}

@Test func aPlainAnswerIsShort() {
    #expect(head() == "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n")
}

@Test func everyFieldIsWrittenOnceAndInOrder() {
    let id = bytes("r-1")
    let key = bytes("k 1")
    let origin = bytes("http://localhost:3000")
    let text = id.withUnsafeBytes { id in
        key.withUnsafeBytes { key in
            origin.withUnsafeBytes { origin in
                head {
                    $0.status = 503
                    $0.persistence = .close
                    $0.requestID = id
                    $0.idempotencyKey = key
                    $0.retryAfter = 7
                    $0.allow = "GET, POST"
                    $0.allowOrigin = origin
                    $0.allowCredentials = true
                    $0.isPreflight = true
                    $0.extra = "x-a: b\r\n"
                }
            }
        }
    }
    #expect(
        text == "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\nx-request-id: r-1\r\n"
            + "idempotency-key: k 1\r\nretry-after: 7\r\nallow: GET, POST\r\n"
            + "access-control-allow-origin: http://localhost:3000\r\nvary: origin\r\n"
            + "access-control-allow-credentials: true\r\naccess-control-expose-headers: Idempotency-Key, X-Request-ID, Retry-After\r\n"
            + "access-control-allow-methods: GET, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
            + "access-control-allow-headers: Authorization, Content-Type, X-API-Key, X-Requested-With, "
            + "Idempotency-Key, X-Idempotency-Key\r\n"
            + "access-control-max-age: 600\r\nx-a: b\r\ncontent-length: 2\r\n\r\n"
    )
}

@Test(arguments: [
    (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
    (-86_400 * 8, "Wed, 24 Dec 1969 00:00:00 GMT"),
])
func aDateIsWrittenAsHTTPWantsIt(_ second: Int64, _ expected: String) {
    var writer = ByteWriter()
    writer.append(httpDate: Timestamp(nanoseconds: second * 1_000_000_000))
    #expect(writer.string == expected)
    writer.reset()
    writer.append(httpDate: Timestamp(nanoseconds: second * 1_000_000_000 + 999_999_999))
    #expect(writer.string == expected)
    let date = bytes(expected)
    #expect(date.withUnsafeBytes { text in head { $0.date = text } }.hasPrefix("HTTP/1.1 200 OK\r\ndate: \(expected)\r\n"))
}

@Test func noContentHasNeitherTypeNorLength() {
    #expect(
        head {
            $0.status = 204; $0.content = .none
        } == "HTTP/1.1 204 No Content\r\n\r\n")
}

@Test func http10IsToldThatItIsKept() {
    #expect(head { $0.persistence = .keepAlive }.contains("\r\nconnection: keep-alive\r\n"))
}

@Test func anEchoedValueCannotSplitTheAnswer() {
    for hostile in ["a\r\nset-cookie: x", "a\nb", "a\u{0}b", "a\u{7F}b", "a\u{E9}b"] {
        let value = bytes(hostile)
        let text = value.withUnsafeBytes { value in head { $0.requestID = value } }
        #expect(text.components(separatedBy: "\r\n").count == 6, "\(hostile.debugDescription)")
        #expect(!text.contains("\r\nset-cookie"))
        #expect(text.utf8.allSatisfy { $0 < 0x7F })
    }
}

@Test func aLengthIsFilledInBehindTheBody() {
    for size in [0, 1, 9, 10, 99, 12_345, 4_194_304] {
        var writer = ByteWriter()
        writer.append("before")
        let mark = writer.beginHTTP(HTTPResponse(status: 201))
        for _ in 0..<size { writer.append(0x7B) }
        writer.endHTTP(mark)
        let all = writer.string
        let parts = all.components(separatedBy: "\r\n\r\n")
        #expect(parts.count == 2 && parts[1].utf8.count == size)
        let line = parts[0].components(separatedBy: "\r\n").last ?? ""
        #expect(line == "content-length: \(size)")
    }
}

@Test func everyStatusThatIsSentHasItsOwnLine() {
    var lines = Set<String>()
    let statuses: [UInt16] = [
        200, 201, 202, 204, 304, 400, 401, 402, 403, 404, 405, 406, 408, 409, 411, 413, 414, 415, 417, 422, 429, 431, 500, 501, 503, 505,
        507,
    ]
    for status in statuses {
        let line = "\(HTTPStatus.line(status))"
        #expect(line.hasPrefix("HTTP/1.1 \(status) ") && line.hasSuffix("\r\n"))
        lines.insert(line)
    }
    #expect(lines.count == statuses.count)
    for outcome in Outcome.allCases { #expect("\(HTTPStatus.line(outcome.httpStatus))".contains(" \(outcome.httpStatus) ")) }
}

// MARK: targets

private func decode(_ text: String, plus: Bool = false) -> [UInt8]? {
    var out = ByteWriter()
    out.append("kept")
    let input = bytes(text)
    guard let ref = input.withUnsafeBytes({ HTTPTarget.decode($0, plusIsSpace: plus, into: &out) }) else {
        #expect(out.string == "kept")
        return nil
    }
    #expect(ref.offset == 4 && Int(ref.length) == out.count - 4)
    return Array(out.array[4...])
}

@Test func percentEncodingIsDecodedStrictly() {
    #expect(decode("") == [])
    #expect(decode("a-b") == bytes("a-b"))
    #expect(decode("%41%6a%6A") == bytes("Ajj"))
    #expect(decode("a%20b") == bytes("a b"))
    #expect(decode("a+b") == bytes("a+b"))
    #expect(decode("a+b", plus: true) == bytes("a b"))
    #expect(decode("%2B", plus: true) == bytes("+"))
    #expect(decode("%2e%2e%2f") == bytes("../"))
    #expect(decode("%25%32%35") == bytes("%25"))
    #expect(decode("caf%C3%A9") == bytes("caf\u{E9}"))
    for bad in [
        "%", "%4", "a%", "%zz", "%4g", "%g4", "%%41", "%+1", "%-1", "%0x", "%00", "a%00b", "%ff", "%C3", "%C3%28", "%C0%AF", "%ED%A0%80",
    ] {
        #expect(decode(bad) == nil, "\(bad)")
    }
}

@Test func aQueryIsTakenApartInOrder() {
    func pairs(_ text: String) -> [String] {
        let input = bytes(text)
        return input.withUnsafeBytes { input in
            var query = HTTPQuery(input)
            var result: [String] = []
            while let pair = query.next() {
                result.append(
                    "\(String(decoding: pair.name, as: UTF8.self))|\(String(decoding: pair.value, as: UTF8.self))|\(pair.hasValue)")
            }
            return result
        }
    }
    #expect(pairs("") == [])
    #expect(pairs("&&&") == [])
    #expect(pairs("a") == ["a||false"])
    #expect(pairs("a=") == ["a||true"])
    #expect(pairs("=b") == ["|b|true"])
    #expect(pairs("a=b&c=d=e&&f&a=x&") == ["a|b|true", "c|d=e|true", "f||false", "a|x|true"])
}

@Test func aPathIsTakenApartInOrder() {
    func segments(_ text: String) -> [String] {
        let input = bytes(text)
        return input.withUnsafeBytes { input in
            var path = HTTPPathSegments(input)
            var result: [String] = []
            while let segment = path.next() { result.append(String(decoding: segment, as: UTF8.self)) }
            return result
        }
    }
    #expect(segments("/") == [""])
    #expect(segments("/a") == ["a"])
    #expect(segments("/a/b") == ["a", "b"])
    #expect(segments("/a//b/") == ["a", "", "b", ""])
}

// MARK: keys in headers

private func check(_ value: [UInt8], _ body: (UnsafeRawBufferPointer) -> Outcome) -> Outcome { value.withUnsafeBytes(body) }

@Test func keysInHeadersAreJudgedLikeKeysInBodies() {
    #expect(check(bytes("k-1"), KeyHeader.event) == .recorded)
    #expect(check([], KeyHeader.event) == .fieldMissing)
    #expect(check(bytes("   "), KeyHeader.event) == .fieldMissing)
    #expect(check(bytes("a\tb"), KeyHeader.event) == .fieldInvalid)
    #expect(check([0x61, 0xFF], KeyHeader.event) == .fieldInvalid)
    #expect(check(bytes(String(repeating: "a", count: 64)), KeyHeader.event) == .recorded)
    #expect(check(bytes(String(repeating: "\u{1F600}", count: 64)), KeyHeader.event) == .recorded)
    #expect(check(bytes(String(repeating: "a", count: 65)), KeyHeader.event) == .fieldTooLong)
    #expect(check(bytes(String(repeating: "\u{E9}", count: 65)), KeyHeader.event) == .fieldTooLong)
    #expect(check([], KeyHeader.request) == .fieldInvalid)
    #expect(check(bytes(String(repeating: "a", count: 255)), KeyHeader.request) == .recorded)
    #expect(check(bytes(String(repeating: "a", count: 256)), KeyHeader.request) == .fieldTooLong)
}

@Test func onlyAHarmlessRequestIDIsEchoed() {
    func usable(_ text: String) -> Bool { bytes(text).withUnsafeBytes { KeyHeader.isUsableRequestID($0) } }
    #expect(usable("a"))
    #expect(usable("req 1/2"))
    #expect(usable(String(repeating: "a", count: 128)))
    #expect(!usable(""))
    #expect(!usable("  "))
    #expect(!usable(String(repeating: "a", count: 129)))
    #expect(!usable("a\tb"))
    #expect(!usable("\u{E9}"))
}
