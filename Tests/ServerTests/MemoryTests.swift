// What connections hold together is bounded, and nobody is shut out by those who hold the most of it.

import Core
import Frames
import Journal
import Server
import Testing

private func head(_ length: Int, _ fields: [String] = []) -> String {
    "POST /api/v1/client/events/batch HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n"
        + fields.map { $0 + "\r\n" }.joined() + "\r\n"
}

/// A figure of the metrics page.
private func metric(_ name: String, _ host: Host) throws -> Int {
    let client = host.connect()
    let page = Reply.all(try host.exchange(client, request("GET /metrics")))[0].body
    host.drop(client)
    let line = try #require(page.split(separator: "\n").first { $0.hasPrefix(name + " ") })
    return try #require(Int(line.dropFirst(name.count + 1)))
}

@Test func largeBodiesAreRefusedBeforeSmallOnesAre() throws {
    let host = try Host(connections: 4_000)
    var holding: [Int] = []
    // All but the last byte. What is only announced holds nothing.
    let most = "[" + String(repeating: " ", count: Limits.httpBodyBytes - 2)
    for _ in 0..<100 {
        let client = host.connect()
        host.send(client, head(Limits.httpBodyBytes))
        host.turn()
        #expect(!host.clients[client].closed)
    }
    #expect(try metric("purser_input_bytes", host) == 0)
    while holding.count < 100 {
        let client = host.connect()
        host.send(client, head(Limits.httpBodyBytes))
        host.send(client, most)
        host.turn()
        let reply = Reply.all(host.take(client))
        guard reply.isEmpty else {
            #expect(reply.map(\.status) == [503] && reply[0].fields["retry-after"] == "1" && reply[0].fields["connection"] == "close")
            #expect(reply[0].body.contains("\"overloaded\"") && host.clients[client].closed)
            break
        }
        holding.append(client)
    }
    #expect(holding.count == Limits.inputBytes * 3 / 4 / (Limits.httpBodyBytes + 4096))
    #expect(try metric("purser_input_bytes", host) <= Limits.inputBytes)
    #expect(try metric("purser_refused_for_memory_total", host) == 1)
    // A body of moderate length, and one that comes at once, still find room.
    let small = host.connect()
    let body = "[" + String(repeating: " ", count: 30_000)
    host.send(small, head(30_002) + body)
    host.turn()
    host.send(small, "]" + post("a"))
    try host.settle()
    #expect(statuses(host.take(small)) == [200, 201])
    // Who has room finishes, and gives it back.
    host.send(holding[0], "]")
    try host.settle()
    #expect(statuses(host.take(holding[0])) == [200])
    let next = host.connect()
    host.send(next, head(Limits.httpBodyBytes))
    host.send(next, most)
    host.turn()
    #expect(host.take(next).isEmpty && !host.clients[next].closed)
    for client in holding + [next] { host.drop(client) }
    #expect(try metric("purser_input_bytes", host) == 0)
}

@Test func aBodyInChunksIsRefusedWhereTheRoomEnds() throws {
    let host = try Host(connections: 4_000)
    let piece = String(repeating: " ", count: 100_000)
    var refused = 0
    var clients: [Int] = []
    for _ in 0..<40 {
        let client = host.connect()
        clients.append(client)
        host.send(client, "POST /api/v1/client/events/batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<40 where !host.clients[client].closed {
            host.send(client, "186a0\r\n" + piece + "\r\n")
            host.turn()
        }
        refused += statuses(host.take(client)) == [503] ? 1 : 0
    }
    #expect(refused > 5 && refused < 35)
    // One read may go beyond: it is there before it is asked about.
    #expect(try metric("purser_input_bytes", host) <= Limits.inputBytes + 2 * Limits.turnBytes)
    for client in clients { host.drop(client) }
    #expect(try metric("purser_input_bytes", host) == 0)
}

@Test func aFrameThatFindsNoRoomIsSkippedAndItsConnectionGoesOn() throws {
    let host = try Host(connections: 4_000)
    let bodies = (0..<24).map { _ in host.connect() }
    let most = "[" + String(repeating: " ", count: Limits.httpBodyBytes - 4_096)
    for client in bodies {
        host.send(client, head(Limits.httpBodyBytes))
        host.send(client, most)
    }
    let client = host.connect()
    _ = try host.exchange(client, Frame.hello())
    // The room left is less than this frame may have, and more than the small one behind it.
    let large = Frame.events((0..<8_000).map { "key-of-an-event-\($0)-" + String(repeating: "x", count: 40) }, requestID: 7)
    #expect(large.count > Limits.largeBodyBytes)
    host.send(client, Array(large.prefix(5_000)))
    host.turn()
    #expect(Answer.all(host.take(client)) == [.error(.overloaded, 7)])
    host.send(client, Array(large.dropFirst(5_000)) + Frame.events(["small"], requestID: 8))
    try host.settle()
    let answers = Answer.all(host.take(client))
    #expect(answers.count == 1 && host.events == 1 && !host.clients[client].closed)
    if case .events(let reply)? = answers.first { #expect(reply.requestID == 8) } else { Issue.record("\(answers)") }
    // What is skipped has to come in its time, too.
    host.send(client, Array(large.prefix(5_000)))
    host.wait(Double(Limits.bodySeconds) + 1)
    host.server.sweep(at: host.now)
    host.turn()
    #expect(Answer.all(host.take(client)) == [.error(.overloaded, 7), .error(.timeout, 0)])
}

@Test func anOverlongHeadIsCalledOverlongHoweverItArrives() throws {
    // A first part that is kept and then as much as one read may bring: more at once than a small body, from a peer with no key.
    for first in [1, 60, 118, 2_000, 16_000] {
        let host = try Host(key: "sk_live_0123456789abcdef0123456789abcdef")
        let client = host.connect(.remote)
        let start = "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nX-Filler: " + String(repeating: "x", count: 16_000)
        host.send(client, String(start.prefix(first)))
        host.send(client, String(start.dropFirst(first)) + String(repeating: "x", count: Limits.turnBytes - start.count + first))
        host.turn()
        #expect(statuses(host.take(client)) == [431], "after \(first) bytes")
        #expect(try metric("purser_refused_for_memory_total", host) == 0)
    }
}

@Test func peersWithoutAKeyShareTheirOwnRoom() throws {
    let host = try Host(connections: 4_000, key: "sk_live_0123456789abcdef0123456789abcdef")
    let filler = "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Filler: " + String(repeating: "x", count: 8_000)
    var refused = 0
    var clients: [Int] = []
    for _ in 0..<3_000 {
        let client = host.connect(.remote)
        clients.append(client)
        host.send(client, filler)
        host.turn()
        refused += statuses(host.take(client)) == [503] ? 1 : 0
    }
    #expect(refused > 500)
    #expect(try metric("purser_input_bytes", host) <= Limits.strangerBytes)
    // Whoever comes with a whole request is served, with a key or without.
    let other = host.connect(.remote)
    let key = "Authorization: Bearer sk_live_0123456789abcdef0123456789abcdef"
    #expect(statuses(try host.exchange(other, request("GET /healthz") + post("a", [key]))) == [200, 201])
    // And one with a key may send a long one.
    host.send(other, head(Limits.httpBodyBytes, [key]) + "[")
    host.turn()
    #expect(host.take(other).isEmpty && !host.clients[other].closed)
}

@Test func aStrangerThatDoesNotReadIsSoonNotReadFrom() throws {
    let host = try Host()
    let client = host.connect(.remote)
    host.clients[client].reads = false
    let page = request("GET /metrics")
    for _ in 0..<200 { host.send(client, page) }
    let owed = host.server.connection(host.clients[client].id)?.pointee.output.count ?? 0
    #expect(!host.wantsInput(client) && owed >= Limits.strangerHighWater && owed < Limits.strangerHighWater + 32_768)
}

@Test func answersThatNobodyTakesAreBoundedInAll() throws {
    let host = try Host(connections: 4_000)
    let page = request("GET /metrics")
    var deaf: [Int] = []
    // Each may be owed its high water, all together less.
    for _ in 0..<40 {
        let client = host.connect()
        host.clients[client].reads = false
        deaf.append(client)
        for _ in 0..<400 where host.wantsInput(client) { host.send(client, String(repeating: page, count: 10)) }
    }
    let held = deaf.reduce(0) { $0 + (host.server.connection(host.clients[$1].id)?.pointee.output.capacity ?? 0) }
    #expect(held > Limits.outputBytes / 2 && held < Limits.outputBytes + deaf.count * 64 * 1024)
    // Short answers are still given; long ones are refused, and so is a batch, before anything of it is recorded.
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("a"))) == [201])
    let batch = request("POST /api/v1/client/events/batch", "[{\"eventName\":\"x\",\"eventIdempotencyKey\":\"b\"}]")
    let refused = Reply.all(try host.exchange(client, batch + request("GET /api/v1/client/prices/catalogue")))
    #expect(statuses(try host.exchange(client, page)) == [200])
    #expect(refused.map(\.status) == [503, 503] && refused.allSatisfy { $0.fields["retry-after"] == "1" })
    #expect(host.events == 1)
    let binary = host.connect()
    _ = try host.exchange(binary, Frame.hello())
    #expect(Answer.all(try host.exchange(binary, Frame.events(["c"], requestID: 5))) == [.error(.overloaded, 5)])
    // They read, and everything is as before.
    for client in deaf { host.readAgain(client) }
    for _ in 0..<50 { try host.settle() }
    #expect(statuses(try host.exchange(client, batch + page)) == [200, 200])
    #expect(try metric("purser_output_bytes", host) == 0)
}

@Test func oneKeyCannotAskForEverybody() throws {
    let host = try Host(connections: 2_000)
    host.answersQueries = false
    let ask = request("GET /api/v1/client/margins?groupBy=day")
    var refused = 0
    for _ in 0..<Limits.pendingQueriesPerKey + 50 {
        let client = host.connect(from: PeerCredentials(user: 1, groups: [1]))
        host.send(client, ask)
        host.turn()
        refused += statuses(host.take(client)) == [503] ? 1 : 0
    }
    #expect(refused == 50)
    let polite = host.connect(from: PeerCredentials(user: 2, groups: [2]))
    host.send(polite, ask)
    host.turn()
    #expect(host.take(polite).isEmpty && host.asked.count == Limits.pendingQueriesPerKey + 1)
    host.answerQueries()
    try host.settle()
    #expect(statuses(host.take(polite)) == [200])
}

@Test func whatQueriesHoldIsBounded() throws {
    let host = try Host(connections: 2_000)
    host.answersQueries = false
    let body = "{\"substitutions\":[{\"model\":\"a\",\"asModel\":\"b\"}]}" + String(repeating: " ", count: 2_000_000)
    var replies: [Int] = []
    for user in 0..<8 {
        let client = host.connect(from: PeerCredentials(user: UInt32(user / 4), groups: []))
        host.send(client, request("POST /api/v1/client/simulations", body))
        host.turn()
        replies.append(statuses(host.take(client)).first ?? 0)
    }
    // Two of each user, which is half of the whole for each; then none.
    #expect(replies == [0, 503, 503, 503, 0, 503, 503, 503] || replies == [0, 0, 503, 503, 0, 0, 503, 503])
    let client = host.connect(from: PeerCredentials(user: 9, groups: []))
    host.send(client, request("GET /api/v1/client/margins?groupBy=day"))
    host.turn()
    #expect(host.take(client).isEmpty)
}

@Test func queriesTakeTurnsByWhoAsked() throws {
    var queue = FairQueue()
    func query(_ principal: UInt64, _ number: UInt32) -> PendingQuery {
        PendingQuery(
            connection: ConnectionID(index: number, generation: 1), query: .customer(reference: []), principal: principal)
    }
    for number in 0..<6 { queue.append(query(1, UInt32(number))) }
    #expect(queue.popFirst()?.connection.index == 0)
    queue.append(query(2, 100))
    queue.append(query(3, 200))
    queue.append(query(2, 101))
    var order: [UInt32] = []
    while let next = queue.popFirst() { order.append(next.connection.index) }
    #expect(order == [1, 100, 200, 2, 101, 3, 4, 5])
    #expect(queue.isEmpty && queue.count == 0)
    // Whatever is asked and taken, everything comes once, and each principal's in its order.
    var dice = Dice(3)
    var asked = 0
    var seen: [UInt32] = []
    var last: [UInt64: UInt32] = [:]
    while asked < 2_000 || !queue.isEmpty {
        if asked < 2_000, dice.oneIn(2) {
            queue.append(query(UInt64(dice.below(5)), UInt32(asked)))
            asked += 1
        } else if let next = queue.popFirst() {
            #expect(last[next.principal].map { $0 < next.connection.index } ?? true)
            last[next.principal] = next.connection.index
            seen.append(next.connection.index)
        }
    }
    #expect(seen.sorted() == (0..<2_000).map { UInt32($0) })
}
