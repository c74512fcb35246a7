// What HTTP and the binary protocol answer: heads, keys, scopes, limits.

import Core
import Frames
import Ledger
import Server
import Testing

private let secret = "sk_live_0123456789abcdef0123456789abcdef"
private let bearer = ["Authorization: Bearer \(secret)"]

@Test func headHasTheHeadOfGetAndNoBody() throws {
    let host = try Host()
    let client = host.connect()
    _ = try host.exchange(client, post("a"))
    for path in [
        "/healthz", "/metrics", "/api/v1/client/margins?groupBy=day", "/api/v1/client/customers", "/api/v1/client/events/none", "/nowhere",
    ] {
        let fixed = ["X-Request-ID: fixed"]
        let get = Reply.all(try host.exchange(client, request("GET \(path)", "", fixed)))
        let head = Reply.all(try host.exchange(client, request("HEAD \(path)", "", fixed)), heads: [0])
        #expect(head.map(\.status) == get.map(\.status) && head.map(\.body) == [""])
        // The metrics page counts the request itself.
        if path != "/metrics" { #expect(head.map(\.fields) == get.map(\.fields), "\(path)") }
        #expect(head[0].fields["content-length"] != "0")
    }
    let kept = Reply.all(
        try host.exchange(client, request("HEAD /healthz") + request("GET /healthz")), heads: [0])
    #expect(kept.map(\.status) == [200, 200] && kept[1].body.contains("ok"))
}

@Test func hundredContinueIsSaidOnceAndOnlyWhenTheBodyIsAwaited() throws {
    let host = try Host()
    let client = host.connect()
    let body = "{\"eventName\":\"a\",\"eventIdempotencyKey\":\"k\"}"
    let head = "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    #expect(statuses(try host.exchange(client, head)) == [100])
    #expect(try host.exchange(client, String(body.prefix(5))).isEmpty)
    #expect(statuses(try host.exchange(client, String(body.dropFirst(5)))) == [201])
    #expect(statuses(try host.exchange(client, head + body)) == [409])
    // Behind an answer that waits for the disk, it waits too.
    host.send(client, post("b") + head)
    host.turn()
    #expect(host.take(client).isEmpty)
    try host.settle()
    #expect(statuses(host.take(client)) == [201, 100])
    // Who may not send a body is not asked for one.
    let remote = host.connect(.remote)
    #expect(statuses(try host.exchange(remote, head)) == [401])
}

@Test func connectionsAreKeptOrClosedAsHTTPSays() throws {
    let host = try Host()
    func connection(_ text: String) throws -> (String?, Bool) {
        let client = host.connect()
        let replies = Reply.all(try host.exchange(client, text))
        #expect(replies.count == 1)
        return (replies.first?.fields["connection"], host.clients[client].closed)
    }
    #expect(try connection(request("GET /healthz")) == (nil, false))
    #expect(try connection(request("GET /healthz", "", ["Connection: close"])) == ("close", true))
    #expect(try connection(request("GET /healthz", "", ["Connection: close"]) + request("GET /healthz")) == ("close", true))
    #expect(try connection("GET /healthz HTTP/1.0\r\n\r\n") == ("close", true))
    #expect(try connection("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == ("keep-alive", false))
    #expect(try connection(post("a", ["Connection: close"])) == ("close", true))
    #expect(try connection(request("GET /api/v1/client/customers", "", ["Connection: close"])) == ("close", true))
    #expect(try connection(request(eventsPath, "{")) == (nil, false))
    #expect(try connection("nonsense\r\n\r\n") == ("close", true))
}

@Test func aRemotePeerNeedsAKeyAndALocalOneMayHaveNone() throws {
    let host = try Host(key: secret)
    let calls = [
        request("GET /api/v1/client/events"), request("GET /api/v1/client/margins?groupBy=day"), request("GET /api/v1/client/keys"),
        request("DELETE /api/v1/client/keys/1"), request("GET /api/v1/client/customers/c"),
    ]
    for call in calls {
        let remote = host.connect(.remote)
        let replies = Reply.all(try host.exchange(remote, call))
        #expect(replies.map(\.status) == [401] && replies[0].body.contains("\"code\":\"unauthorized\""))
        #expect(!host.clients[remote].closed)
    }
    let remote = host.connect(.remote)
    #expect(statuses(try host.exchange(remote, request("GET /healthz") + request("GET /metrics"))) == [200, 200])
    #expect(statuses(try host.exchange(remote, request("GET /api/v1/client/events", "", bearer))) == [200])
    #expect(statuses(try host.exchange(remote, request("GET /api/v1/client/events", "", ["X-API-Key: \(secret)"]))) == [200])
    #expect(statuses(try host.exchange(remote, post("a", bearer))) == [201])
    #expect(statuses(try host.exchange(remote, request("GET /api/v1/client/events", "", ["X-API-Key: \(secret)0"]))) == [401])
    // A body without a key is not waited for.
    #expect(
        statuses(try host.exchange(remote, "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n")) == [401])
    #expect(host.clients[remote].closed && host.events == 1)
    let local = host.connect()
    #expect(statuses(try host.exchange(local, post("b"))) == [201])
    // A key that is given must be a good one, here too.
    #expect(statuses(try host.exchange(local, request("GET /api/v1/client/events", "", ["X-API-Key: x"]))) == [401])
    #expect(host.server.metrics.unauthorized >= 7)
}

@Test func aKeyDoesWhatItsScopesSayUntilItIsRevoked() throws {
    let host = try Host(key: secret)
    let admin = host.connect(.remote)
    func make(_ scopes: String) throws -> (id: String, key: String) {
        let reply = Reply.all(try host.exchange(admin, request("POST /api/v1/client/keys", "{\"scopes\":[\(scopes)]}", bearer)))
        #expect(reply.map(\.status) == [201])
        let body = reply[0].body
        let key = body.components(after: "\"apiKey\":\"", upTo: "\"")
        return (body.components(after: "\"id\":", upTo: ","), key)
    }
    let ingest = try make("\"ingest\"")
    let read = try make("\"read\"")
    func status(_ key: String, _ line: String, _ body: String = "") throws -> [Int] {
        let client = host.connect(.remote)
        defer { host.drop(client) }
        return statuses(try host.exchange(client, request(line, body, ["Authorization: bearer  \(key)"])))
    }
    let event = "{\"eventName\":\"a\"}"
    #expect(try status(ingest.key, eventsPath, event) == [201] && status(read.key, eventsPath, event) == [403])
    #expect(try status(ingest.key, "GET /api/v1/client/events") == [403] && status(read.key, "GET /api/v1/client/events") == [200])
    #expect(try status(ingest.key, "GET /api/v1/client/keys") == [403] && status(read.key, "POST /api/v1/client/keys") == [403])
    // What is not asked for is not given.
    for body in ["", "{}", "{\"name\":\"a\"}", "{\"scopes\":null}"] {
        let reply = Reply.all(try host.exchange(admin, request("POST /api/v1/client/keys", body, bearer)))
        #expect(reply.map(\.status) == [201] && reply[0].body.contains("\"scopes\":[\"ingest\"]"), "\(body)")
    }
    for body in ["{\"scopes\":[]}", "{\"scopes\":\"read\"}", "{\"scopes\":[\"all\"]}"] {
        #expect(statuses(try host.exchange(admin, request("POST /api/v1/client/keys", body, bearer))) == [400], "\(body)")
    }
    // A binary connection of the key, open while the key is revoked.
    let binary = host.connect(.remote)
    let forbidden = host.connect(.remote)
    #expect(Answer.all(try host.exchange(binary, Frame.hello(key: ingest.key))) == [.hello(scopes: 1)])
    #expect(Answer.all(try host.exchange(forbidden, Frame.hello(key: read.key))) == [.hello(scopes: 2)])
    #expect(Answer.all(try host.exchange(binary, Frame.events(["b"], requestID: 2))).map(\.recorded) == [1])
    #expect(
        Answer.all(try host.exchange(forbidden, Frame.events(["c"], requestID: 2) + Frame.ping("x", requestID: 3)))
            == [.error(.forbidden, 2), .pong(3, Array("x".utf8))])
    #expect(statuses(try host.exchange(admin, request("DELETE /api/v1/client/keys/\(ingest.id)", "", bearer))) == [200])
    #expect(statuses(try host.exchange(admin, request("DELETE /api/v1/client/keys/\(ingest.id)", "", bearer))) == [409])
    #expect(try status(ingest.key, eventsPath, event) == [401])
    #expect(Answer.all(try host.exchange(binary, Frame.events(["d"], requestID: 4))) == [.error(.unauthorized, 0)])
    #expect(host.clients[binary].closed && !host.clients[forbidden].closed)
    #expect(host.events == 2)
    let again = try host.restarted()
    let records = again.server.ledger.keys.records
    #expect(records.filter { $0.revokedAt == nil }.count == 6)
}

extension String {
    /// The text between two others; empty when they are not there.
    fileprivate func components(after first: String, upTo last: String) -> String {
        guard let start = firstRange(of: first) else { return "" }
        let rest = self[start.upperBound...]
        return String(rest[..<(rest.firstRange(of: last)?.lowerBound ?? rest.endIndex)])
    }
}

@Test func theFirstKeyIsRecordedAndWorksAfterARestart() throws {
    let host = try Host(key: secret)
    let call = request("GET /api/v1/client/keys", "", bearer)
    let before = host.connect(.remote)
    #expect(statuses(try host.exchange(before, call)) == [200])
    host.server.sweep(at: host.now)
    try host.settle()
    let again = try host.restarted()
    let after = again.connect(.remote)
    #expect(statuses(try again.exchange(after, call + request("GET /api/v1/client/keys"))) == [200, 401])
}

@Test func whatIsTooLargeIsRefusedBeforeItIsStored() throws {
    let host = try Host()
    func answer(_ text: String) throws -> ([Int], Bool) {
        let client = host.connect()
        defer { host.drop(client) }
        return (statuses(try host.exchange(client, text)), host.clients[client].closed)
    }
    #expect(try answer(request("GET /healthz", "", ["X-Long: " + String(repeating: "x", count: Limits.httpHeadBytes)])) == ([431], true))
    #expect(try answer(request("GET /healthz", "", (0...Limits.httpHeaders).map { "X-\($0): y" })) == ([431], true))
    #expect(try answer(request("GET /" + String(repeating: "x", count: Limits.httpTargetBytes + 1))) == ([414], true))
    let head = "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\n"
    #expect(try answer(head + "Content-Length: \(Limits.httpBodyBytes + 1)\r\n\r\n") == ([413], true))
    #expect(try answer(head + "Content-Length: 99999999999999999999999999\r\n\r\n").0.count == 1)
    #expect(try answer(head + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n") == ([413], true))
    let events = "[" + Array(repeating: "{}", count: Limits.batchEvents + 1).joined(separator: ",") + "]"
    #expect(try answer(request("POST /api/v1/client/events/batch", events)) == ([413], false))
    #expect(host.events == 0)
}

@Test func chunksThatAreMostlyTheirOwnFramingAreRefused() throws {
    let host = try Host()
    let client = host.connect()
    host.send(client, "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    let chunk = "1;" + String(repeating: "x", count: 60) + "\r\n \r\n"
    let piece = Array(String(repeating: chunk, count: 4_000).utf8)
    var sent = 0
    while !host.clients[client].closed, sent < 2 * Limits.httpChunkedBytes {
        host.send(client, piece)
        sent += piece.count
        host.turn()
    }
    #expect(statuses(host.take(client)) == [413])
    #expect(sent <= Limits.httpChunkedBytes + 2 * piece.count)
}

@Test func framesThatMayNotBeAreRefused() throws {
    let host = try Host(key: secret)
    func answers(_ bytes: [UInt8], _ peer: PeerKind = .local) throws -> ([Answer], Bool) {
        let client = host.connect(peer)
        defer { host.drop(client) }
        return (Answer.all(try host.exchange(client, bytes)), host.clients[client].closed)
    }
    func frame(_ type: UInt8, _ payload: [UInt8], flags: UInt16 = 0, length: UInt32? = nil) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(FrameHeader.magic)
        writer.append(type)
        writer.append(littleEndian: flags)
        writer.append(littleEndian: length ?? UInt32(payload.count))
        writer.append(littleEndian: UInt64(9))
        writer.append(payload)
        return writer.array
    }
    let hello = Frame.hello()
    #expect(try answers(Frame.hello(key: secret), .remote) == ([.hello(scopes: 7)], false))
    #expect(try answers(hello, .remote) == ([.error(.unauthorized, 1)], true))
    #expect(try answers(Frame.hello(key: "sk_live_wrong"), .remote) == ([.error(.unauthorized, 1)], true))
    #expect(try answers(Frame.events(["a"], requestID: 2)) == ([.error(.helloRequired, 2)], true))
    #expect(try answers(Frame.ping("x", requestID: 2)) == ([.error(.helloRequired, 2)], true))
    #expect(try answers(frame(0x77, [])) == ([.error(.helloRequired, 9)], true))
    #expect(try answers(frame(1, [], length: UInt32(Limits.helloBytes + 1))) == ([.error(.frameTooLarge, 9)], true))
    #expect(try answers(frame(1, [1, 2, 3])) == ([.error(.malformedFrame, 9)], true))
    #expect(try answers(hello + hello).0.last == .error(.unexpectedHello, 1))
    #expect(
        try answers(hello + frame(0x77, [1, 2, 3]) + Frame.ping("x", requestID: 3))
            == ([.hello(scopes: 7), .error(.unknownType, 9), .pong(3, Array("x".utf8))], false))
    #expect(try answers(hello + frame(0x82, [])).0.last == .error(.unknownType, 9))
    #expect(try answers(hello + frame(2, [], length: UInt32(Limits.framePayloadBytes + 1))).0.last == .error(.frameTooLarge, 9))
    #expect(try answers(hello + frame(2, [], length: .max)).0.last == .error(.frameTooLarge, 9))
    #expect(try answers(hello + frame(2, [9, 9, 9]) + Frame.events(["late"], requestID: 3)).0.last == .error(.malformedFrame, 9))
    #expect(try answers(hello + frame(4, [UInt8](repeating: 1, count: Limits.pingBytes + 1))).0.last == .error(.malformedFrame, 9))
    #expect(try answers(hello + [0x47]).0.last == .error(.malformedFrame, 0))
    #expect(host.events == 0)
    // Good events in front of a broken frame count and are answered.
    let mixed = try answers(hello + Frame.events(["good"], requestID: 2) + frame(2, [9]))
    #expect(mixed.0.count == 3 && mixed.0[1].recorded == 1 && mixed.0[2] == .error(.malformedFrame, 9) && mixed.1)
    #expect(host.events == 1)
}

@Test func aRefusalOfMetaSaysWhatIsWrongWithIt() throws {
    let host = try Host()
    let client = host.connect()
    for meta in ["{\"a\":1,\"a\":2}", "{\"b\":[{\"a\":1,\"\\u0061\":2}]}", "5"] {
        let body = "{\"eventName\":\"x\",\"meta\":\(meta)}"
        let reply = Reply.all(try host.exchange(client, request("POST /api/v1/client/events", body)))
        #expect(reply.map(\.status) == [400])
        #expect(reply[0].body.contains("meta: must be an object, in which no key may come twice at any depth"), "\(reply[0].body)")
    }
}
