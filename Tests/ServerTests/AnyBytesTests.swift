// Any bytes: whatever comes in, the process is there afterwards, and what it said it counted is what it counted.

import Core
import Frames
import Ledger
import Server
import Testing

private let fragments: [String] = [
    "GET ", "POST ", "HEAD ", "/healthz", "/api/v1/client/events", "/api/v1/client/events/batch", "/api/v1/client/customers",
    "/api/v1/client/keys",
    "?limit=99999999999999", "?from=2026-13-45", "&groupBy=day,day", "%", "%zz", "%00", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: a\r\n",
    "Content-Length: ", "0", "5", "99999999999999999999", "-1", "\r\n", "\r\n\r\n", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n",
    "0\r\n\r\n",
    "FFFFFFFFFFFFFFFF\r\n", "{\"eventName\":\"a\"", ",\"costAmount\":1e999", ",\"costAmount\":9223372.036854775807", ",\"usageUnits\":-1",
    "}", "[",
    "]", ",", "null", "\"\\ud800\"", "\u{0}", "Idempotency-Key: k\r\n", "Expect: 100-continue\r\n", "Connection: close\r\n", "\u{F5}",
]

private func randomBytes(_ dice: inout Dice) -> [UInt8] {
    var bytes: [UInt8] = []
    switch dice.below(4) {
    case 0:
        for _ in 0..<dice.below(400) { bytes.append(UInt8(truncatingIfNeeded: dice.next())) }
    case 1:
        for _ in 0..<dice.below(30) { bytes += Array(dice.pick(fragments).utf8) }
    case 2:
        // A good request or two, then a few bytes changed.
        bytes = Array((post("k\(dice.below(50))") + request("POST /api/v1/client/events/batch", "[{\"eventName\":\"a\"},{}]")).utf8)
        for _ in 0...dice.below(4) { bytes[dice.below(bytes.count)] = UInt8(truncatingIfNeeded: dice.next()) }
    default:
        bytes = Frame.hello() + Frame.events(["k\(dice.below(50))", "x"], requestID: 2)
        bytes += Frame.customer(.register, CustomerDetails(reference: "r\(dice.below(9))", email: "a@b.example"), requestID: 3)
        for _ in 0...dice.below(4) {
            bytes[dice.oneIn(4) ? dice.below(bytes.count) : 45 + dice.below(bytes.count - 45)] = UInt8(truncatingIfNeeded: dice.next())
        }
    }
    return bytes
}

@Test(arguments: [1, 2, 3, 4] as [UInt64])
func noBytesEndTheProcessOrSpoilTheBooks(_ seed: UInt64) throws {
    var dice = Dice(seed)
    let host = try Host(connections: 16)
    for _ in 0..<1_500 {
        let client = host.connect(dice.oneIn(8) ? .remote : .local)
        var rest = randomBytes(&dice)[...]
        while !rest.isEmpty {
            let length = dice.oneIn(2) ? rest.count : min(rest.count, dice.below(60) + 1)
            host.send(client, Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
            if dice.oneIn(3) { host.turn() }
            if dice.oneIn(5) { try host.sync() }
        }
        if dice.oneIn(3) { host.end(client) }
        if dice.oneIn(10) {
            host.wait(40)
            host.server.sweep(at: host.now)
        }
        try host.settle()
        host.drop(client)
    }
    #expect(host.server.connectionCount == 0)
    #expect(host.server.failure == nil)
    // Another process that reads the journal arrives at the same books.
    let again = try host.restarted()
    #expect(again.events == host.events && host.events > 20)
    #expect(again.server.ledger.totalCost == host.server.ledger.totalCost)
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("after") + request("GET /healthz"))) == [201, 200])
}
