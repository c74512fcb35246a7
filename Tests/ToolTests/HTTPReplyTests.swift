import Testing

@testable import purser

@Suite struct HTTPReplyTests {
    /// The reply read whole, and read byte by byte; both must agree.
    private func read(_ text: String, closes: Bool = false) throws -> HTTPReply? {
        var whole = HTTPReplyReader()
        try Array(text.utf8).withUnsafeBytes { try whole.feed($0) }
        if closes { try whole.close() }
        var split = HTTPReplyReader()
        for byte in text.utf8 { try [byte].withUnsafeBytes { try split.feed($0) } }
        if closes { try split.close() }
        #expect(whole.reply == split.reply)
        return whole.reply
    }

    @Test func aReplyWithALengthEndsThere() throws {
        let reply = try read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-ID:  abc \r\n\r\nhello")
        #expect(reply?.status == 200)
        #expect(reply?.reason == "OK")
        #expect(reply?.body == Array("hello".utf8))
        #expect(reply?["x-request-id"] == "abc")
        #expect(reply?.keepsAlive == true)
        #expect(try read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell") == nil)
    }

    @Test func chunksAreJoined() throws {
        let reply = try read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: 1\r\n\r\n")
        #expect(reply?.body == Array("Wikipedia".utf8))
    }

    @Test func aReplyWithoutALengthEndsWithTheConnection() throws {
        let reply = try read("HTTP/1.1 200 OK\r\n\r\nall of it", closes: true)
        #expect(reply?.body == Array("all of it".utf8))
        #expect(reply?.keepsAlive == false)
    }

    @Test func interimRepliesAndEmptyOnesAreUnderstood() throws {
        #expect(try read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")?.status == 201)
        #expect(try read("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?.keepsAlive == false)
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nNoColon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ])
    func whatIsNotAReplyIsRefused(text: String) {
        #expect(throws: HTTPReplyError.self) {
            var reader = HTTPReplyReader()
            try Array(text.utf8).withUnsafeBytes { try reader.feed($0) }
        }
    }

    @Test func anEndlessHeadIsRefused() {
        #expect(throws: HTTPReplyError.self) {
            var reader = HTTPReplyReader()
            let line = Array("X-Filler: \(String(repeating: "x", count: 1000))\r\n".utf8)
            try Array("HTTP/1.1 200 OK\r\n".utf8).withUnsafeBytes { try reader.feed($0) }
            for _ in 0..<100 { try line.withUnsafeBytes { try reader.feed($0) } }
        }
    }

    @Test func aConnectionThatBreaksOffIsAnError() throws {
        var reader = HTTPReplyReader()
        try Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".utf8).withUnsafeBytes { try reader.feed($0) }
        #expect(reader.reply == nil)
        #expect(throws: HTTPReplyError.self) { try reader.close() }
    }

    @Test func aRequestSaysWhatItMustAndEncodesWhatItCarries() {
        var request = HTTPRequest("GET", "/api/v1/client/customers/\(percentEncoded("a/b?ü"))")
        request.query = [("groupBy", "customer,day"), ("from", "2026-08-06T00:00:00Z")]
        let text = String(decoding: request.bytes(authority: "localhost", key: APIKey("sk_test_1")), as: UTF8.self)
        #expect(
            text.hasPrefix(
                "GET /api/v1/client/customers/a%2Fb%3F%C3%BC?groupBy=customer%2Cday&from=2026-08-06T00%3A00%3A00Z HTTP/1.1\r\n"
                    + "Host: localhost\r\n"
            ))
        #expect(text.contains("\r\nAuthorization: Bearer sk_test_1\r\n"))
        #expect(text.hasSuffix("\r\n\r\n"))
        let post = HTTPRequest("POST", "/x", body: Array("{}".utf8))
        let posted = String(decoding: post.bytes(authority: "h", key: nil), as: UTF8.self)
        #expect(posted.hasSuffix("Content-Length: 2\r\n\r\n{}"))
        #expect(!posted.contains("Authorization"))
    }
}
