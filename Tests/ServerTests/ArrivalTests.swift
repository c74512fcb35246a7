// How bytes arrive decides nothing: whole, cut in two at every byte, one by one, or one request glued to the next.

import Core
import Frames
import Server
import Testing

private let fixed = ["X-Request-ID: fixed"]

/// Requests of every kind. Each may be sent again and again and has the same answer from the second time on.
private let requests: [(String, [Int])] = [
    (request("GET /healthz", "", fixed), [200]),
    (request("HEAD /healthz", "", fixed), [200]),
    (post("key-1", fixed), [409]),
    (request("POST /api/v1/client/events/batch", "[{\"eventName\":\"a\",\"eventIdempotencyKey\":\"b1\"},5]", fixed), [200]),
    (
        request(
            "POST /api/v1/client/events/batch?results=all", "{\"eventName\":\"a\",\"eventIdempotencyKey\":\"b2\"}\n{}\n",
            fixed + ["Content-Type: application/x-ndjson"]), [200]
    ),
    (
        "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nX-Request-ID: fixed\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "5\r\n{\"eve\r\n26;x=\"y\"\r\nntName\":\"a\",\"eventIdempotencyKey\":\"c1\"\r\n1\r\n}\r\n0\r\nX-Trailer: z\r\n\r\n", [409]
    ),
    (request("GET /api/v1/client/margins?groupBy=customer,day", "", fixed), [200]),
    (request("GET /api/v1/client/events/key-1", "", fixed), [200]),
    (request("GET /api/v1/client/events?limit=0", "", fixed), [400]),
    (request("PATCH /api/v1/client/customers/c", "{\"firstName\":\"A\"}", fixed), [200]),
    (request("POST /api/v1/client/customers", "{\"email\":5}", fixed), [400]),
    (request("DELETE /api/v1/client/events", "", fixed), [405]),
    (request("GET /nowhere", "", fixed), [404]),
    (request("POST /nowhere", "body", fixed), [404]),
    (request(eventsPath, "not json", fixed), [400]),
    (request(eventsPath, "{}", fixed + ["Content-Type: text/html"]), [415]),
    (request(eventsPath, "{\"eventName\":\"a\",\"eventIdempotencyKey\":\"e1\"}", fixed + ["Expect: 100-continue"]), [409]),
    (request("OPTIONS /api/v1/client/events", "", fixed + ["Origin: http://a"]), [204]),
    ("GET /healthz HTTP/1.0\r\nX-Request-ID: fixed\r\n\r\n", [200]),
    (request("GET /healthz", "", fixed + ["Connection: close"]), [200]),
    ("GET  /healthz HTTP/1.1\r\n\r\n", [400]),
    ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", [400]),
    ("POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", [400]),
]

/// What a fresh connection is told, with the interim answer and the random ids of broken requests left out.
private func answers(_ host: Host, _ pieces: [[UInt8]], head: Bool) throws -> [Reply] {
    let client = host.connect()
    for piece in pieces {
        host.send(client, piece)
        if pieces.count > 2 { continue }
        try host.settle()
    }
    try host.settle()
    defer { host.drop(client) }
    return Reply.all(host.take(client), heads: head ? [0] : []).filter { $0.status != 100 }.map { reply in
        guard reply.fields["x-request-id"] != "fixed" else { return reply }
        return Reply(status: reply.status, fields: reply.plain.fields, body: "")
    }
}

@Test(arguments: requests.indices)
func aRequestMeansTheSameHoweverItsBytesArrive(_ number: Int) throws {
    let (text, expected) = requests[number]
    let bytes = Array(text.utf8)
    let isHead = text.hasPrefix("HEAD")
    let host = try Host()
    let setup = host.connect()
    _ = try host.exchange(setup, post("key-1"))
    _ = try answers(host, [bytes], head: isHead)
    let whole = try answers(host, [bytes], head: isHead)
    #expect(whole.map(\.status) == expected)
    for cut in 1..<bytes.count {
        let parts = [Array(bytes[..<cut]), Array(bytes[cut...])]
        let answer = try answers(host, parts, head: isHead)
        #expect(answer == whole, "cut at \(cut)")
    }
    #expect(try answers(host, bytes.map { [$0] }, head: isHead) == whole)
    #expect(host.server.connectionCount == 1)
}

@Test func requestsGluedTogetherAreAnsweredOneByOne() throws {
    let host = try Host()
    let setup = host.connect()
    _ = try host.exchange(setup, post("key-1"))
    let open = requests.filter {
        !$0.0.hasPrefix("HEAD") && !$0.0.contains("close") && !$0.0.contains("HTTP/1.0") && !$0.0.contains("nowhere")
    }
    .filter { !$0.0.contains("Expect") && !$0.0.contains("GET  /") && !$0.0.contains("/x HTTP") && !$0.0.contains("zz\r\n") }
    #expect(open.count > 10)
    for (text, _) in open { _ = try answers(host, [Array(text.utf8)], head: false) }
    let glued = open.map(\.0).joined() + open.map(\.0).joined()
    let whole = try answers(host, [Array(glued.utf8)], head: false)
    #expect(whole.map(\.status) == open.flatMap(\.1) + open.flatMap(\.1))
    var dice = Dice(8)
    for _ in 0..<20 {
        var pieces: [[UInt8]] = []
        var rest = Array(glued.utf8)[...]
        while !rest.isEmpty {
            let length = min(rest.count, dice.below(700) + 1)
            pieces.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        #expect(try answers(host, pieces, head: false) == whole)
    }
}

@Test func nothingIsReadBehindABrokenRequest() throws {
    let host = try Host()
    for (text, expected) in requests.suffix(3) {
        let client = host.connect()
        #expect(statuses(try host.exchange(client, text + post("poison"))) == expected)
        #expect(host.clients[client].closed)
        host.send(client, post("poison"))
    }
    #expect(host.events == 0)
}

@Test func framesMeanTheSameHoweverTheyArrive() throws {
    let host = try Host()
    var bytes = Frame.hello() + Frame.events(["k1", "k2"], requestID: 2) + Frame.ping("ping", requestID: 3)
    bytes += Frame.events([UsageEvent(key: .text("k3"), name: "call", model: "plain", usage: [])], requestID: 4, detail: true)
    bytes += Frame.customer(.register, CustomerDetails(reference: "r", email: "a@b.example"), requestID: 5)
    bytes += Frame.customer(.change, CustomerDetails(reference: "nobody", firstName: "A"), requestID: 6)
    bytes += Frame.customer(.register, CustomerDetails(reference: "", email: "x"), requestID: 7)
    func answers(_ pieces: [[UInt8]]) throws -> [Answer] {
        let client = host.connect()
        for piece in pieces {
            host.send(client, piece)
            if pieces.count < 3 { try host.settle() }
        }
        try host.settle()
        defer { host.drop(client) }
        return Answer.all(host.take(client))
    }
    _ = try answers([bytes])
    let whole = try answers([bytes])
    #expect(whole.count == 7)
    #expect(whole[4] == .customer(CustomerReply(.conflict)) && whole[5] == .customer(CustomerReply(.notFound)))
    #expect(whole[6] == .customer(CustomerReply(.validationFailed, field: .customerReferenceId)))
    for cut in 1..<bytes.count { #expect(try answers([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "cut at \(cut)") }
    #expect(try answers(bytes.map { [$0] }) == whole)
    #expect(host.events == 3)
}

@Test func aLongRunOfFramesIsNotASlowOne() throws {
    // A busy connection always holds the front of the next frame; the time of one frame begins when the one before has ended.
    let host = try Host()
    let client = host.connect()
    var bytes = Frame.hello()
    for i in 0..<200 { bytes += Frame.events(["k\(i)"], requestID: UInt64(i)) }
    var rest = bytes[...]
    while !rest.isEmpty {
        host.send(client, Array(rest.prefix(97)))
        rest = rest.dropFirst(97)
        host.wait(2)
        host.server.sweep(at: host.now)
        try host.settle()
    }
    let answers = Answer.all(host.take(client))
    #expect(answers.count == 201 && answers.dropFirst().allSatisfy { $0.recorded == 1 })
    #expect(host.server.metrics.timeouts == 0)
}
