// The life of a connection: it may end in any state, its place is used again, and no answer ever goes to somebody else.

import Core
import Frames
import Journal
import Server
import Testing

@Test func aPeerThatLeavesWhileItsBatchIsOnItsWayStaysCounted() throws {
    let host = try Host()
    let client = host.connect()
    host.send(client, post("a"))
    host.turn()
    host.drop(client)
    #expect(host.server.connectionCount == 0)
    try host.settle()
    let again = host.connect()
    #expect(host.clients[again].id.index == host.clients[client].id.index)
    #expect(host.clients[again].id != host.clients[client].id)
    host.turn()
    #expect(host.take(again).isEmpty)
    #expect(statuses(try host.exchange(again, post("a"))) == [409])
}

@Test func anAnswerNeverReachesTheNextPeerInTheSamePlace() throws {
    let host = try Host(connections: 1)
    host.answersQueries = false
    let first = host.connect()
    host.send(first, post("a") + request("GET /api/v1/client/margins?groupBy=day"))
    host.turn()
    #expect(host.asked.count == 1)
    host.drop(first)
    let second = host.connect()
    host.send(second, request("GET /api/v1/client/customers"))
    host.turn()
    #expect(host.asked.count == 2)
    try host.sync()
    let late = host.asked.removeFirst()
    host.server.answered(late.connection, Host.answer(late.query), at: host.now)
    host.turn()
    #expect(host.take(second).isEmpty)
    host.answerQueries()
    try host.settle()
    let replies = Reply.all(host.take(second))
    #expect(replies.map(\.status) == [200] && replies[0].body.contains("offset"))
    #expect(host.server.connected(.local, at: host.now) == nil)
    #expect(host.server.metrics.connectionsRefused == 1)
}

@Test func aHalfClosedPeerGetsAllItsAnswers() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    let margins = request("GET /api/v1/client/margins?groupBy=day")
    host.send(client, post("a") + margins + post("b") + margins + post("c") + "GET /heal")
    host.end(client)
    for _ in 0..<6 {
        host.turn()
        try host.sync()
        host.answerQueries()
    }
    host.turn()
    #expect(statuses(host.take(client)) == [201, 200, 201, 200, 201])
    #expect(host.clients[client].closed && host.events == 3)
}

@Test func aHalfClosedPeerThatWaitsForRoomGetsItsAnswer() throws {
    let host = try Host()
    host.preparesSegments = false
    let filler = host.connect()
    for i in 0..<200 { host.send(filler, bulky("k\(i)")) }
    for _ in 0..<20 {
        host.turn()
        try host.sync()
    }
    let client = host.connect()
    host.send(client, post("a"))
    host.end(client)
    host.turn()
    #expect(host.take(client).isEmpty && !host.clients[client].closed)
    host.preparesSegments = true
    host.prepare()
    for _ in 0..<20 { try host.settle() }
    #expect(statuses(host.take(client)) == [201])
    #expect(host.clients[client].closed)
}

@Test func aPeerThatEndsWithNothingOwedIsLetGo() throws {
    let host = try Host()
    for text in ["", "GET /heal", "\u{1}"] {
        let client = host.connect()
        if !text.isEmpty { host.send(client, text) }
        host.end(client)
        try host.settle()
        #expect(host.clients[client].closed)
    }
    let binary = host.connect()
    _ = try host.exchange(binary, Frame.hello() + Array(Frame.ping("x", requestID: 1).dropLast()))
    host.end(binary)
    try host.settle()
    #expect(host.clients[binary].closed && host.server.connectionCount == 0)
}

@Test func aConnectionMayEndInEveryState() throws {
    var dice = Dice(17)
    let script = Array(
        (post("a") + request("GET /api/v1/client/margins?groupBy=day") + post("b")
            + request("PATCH /api/v1/client/customers/c", "{\"firstName\":\"A\"}")
            + request(eventsPath, "{\"eventName\":\"x\"}", ["Idempotency-Key: k", "Expect: 100-continue"])).utf8)
    let frames = Frame.hello() + Frame.events(["f1", "f2"], requestID: 2) + Frame.ping("x", requestID: 3)
    let host = try Host(connections: 8)
    host.answersQueries = false
    for cut in 0...script.count {
        let client = host.connect()
        let other = host.connect()
        host.send(client, Array(script[..<cut]))
        host.send(other, Array(frames[..<min(cut, frames.count)]))
        for _ in 0..<dice.below(5) {
            if dice.oneIn(2) { host.turn() }
            if dice.oneIn(3) { try host.sync() }
            if dice.oneIn(3) { host.answerQueries() }
        }
        if dice.oneIn(3) { host.end(client) }
        host.drop(client)
        host.drop(other)
    }
    host.answersQueries = true
    try host.settle()
    #expect(host.server.connectionCount == 0)
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("a") + post("b"))) == [409, 409])
}

@Test func manyMayLeaveAtOnce() throws {
    let host = try Host(connections: 3_000)
    let clients = (0..<3_000).map { _ in host.connect() }
    for (i, client) in clients.enumerated() { host.send(client, post("k\(i)")) }
    host.turn()
    for client in clients { host.drop(client) }
    try host.settle()
    #expect(host.server.connectionCount == 0 && host.events == 3_000)
}

// MARK: - Time

@Test func aHeadMustComeWithinItsTimeHoweverItDrips() throws {
    let host = try Host()
    let client = host.connect()
    let text = Array(request("GET /healthz", "", ["X-Filler: " + String(repeating: "x", count: 400)]).utf8)
    for byte in text.prefix(Limits.headSeconds + 2) {
        host.send(client, [byte])
        host.wait(1)
        host.server.sweep(at: host.now)
        try host.settle()
    }
    #expect(statuses(host.take(client)) == [408])
    #expect(host.clients[client].closed && host.server.metrics.timeouts == 1)
}

@Test func aBodyMustComeWithinItsTimeHoweverItDrips() throws {
    for chunked in [false, true] {
        let host = try Host()
        let client = host.connect()
        let coding = chunked ? "Transfer-Encoding: chunked" : "Content-Length: 4000"
        host.send(client, "POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\n\(coding)\r\n\r\n")
        for second in 0..<Limits.bodySeconds + 2 {
            #expect(host.clients[client].closed == (second > Limits.bodySeconds))
            host.send(client, chunked ? "1\r\n \r\n" : " ")
            host.wait(1)
            host.server.sweep(at: host.now)
            try host.settle()
        }
        #expect(statuses(host.take(client)) == [408])
        #expect(host.clients[client].closed)
    }
}

@Test func aFrameMustComeWithinItsTimeHoweverItDrips() throws {
    let host = try Host()
    let client = host.connect()
    _ = try host.exchange(client, Frame.hello())
    for byte in Frame.events(["k"], requestID: 2).prefix(Limits.bodySeconds + 2) {
        host.send(client, [byte])
        host.wait(1)
        host.server.sweep(at: host.now)
        try host.settle()
    }
    #expect(Answer.all(host.take(client)) == [.error(.timeout, 0)])
    #expect(host.clients[client].closed && host.events == 0)
}

@Test func theTimeARequestWaitsForUsIsNotThePeers() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    host.send(client, request("GET /api/v1/client/margins?groupBy=day") + "GET /heal")
    host.turn()
    for _ in 0..<40 {
        host.wait(1)
        host.server.sweep(at: host.now)
    }
    host.answerQueries()
    host.wait(5)
    host.server.sweep(at: host.now)
    host.send(client, "thz HTTP/1.1\r\nHost: a\r\n\r\n")
    try host.settle()
    #expect(statuses(host.take(client)) == [200, 200])
}

@Test func anIdleConnectionIsClosedAndABusyOneIsNot() throws {
    let host = try Host()
    host.answersQueries = false
    let idle = host.connect()
    let silent = host.connect()
    let asking = host.connect()
    _ = try host.exchange(idle, request("GET /healthz"))
    host.send(asking, request("GET /api/v1/client/margins?groupBy=day"))
    host.turn()
    host.wait(Double(Limits.idleSeconds) - 1)
    host.server.sweep(at: host.now)
    host.turn()
    #expect(!host.clients[idle].closed && !host.clients[silent].closed)
    host.wait(2)
    host.server.sweep(at: host.now)
    host.turn()
    #expect(host.clients[idle].closed && host.clients[silent].closed && !host.clients[asking].closed)
}

@Test func aJumpOfTheWallClockClosesNobody() throws {
    let host = try Host()
    let client = host.connect()
    host.send(client, "GET /heal")
    host.now.wall = Timestamp(nanoseconds: host.now.wall.nanoseconds + 86_400 * 365 * 1_000_000_000)
    host.server.sweep(at: host.now)
    host.now.wall = Timestamp(nanoseconds: 0)
    host.server.sweep(at: host.now)
    #expect(statuses(try host.exchange(client, "thz HTTP/1.1\r\nHost: a\r\n\r\n" + post("a"))) == [200, 201])
}

// MARK: - Slow readers and the end

@Test func aPeerThatDoesNotReadIsNotReadFrom() throws {
    let host = try Host()
    let client = host.connect()
    host.clients[client].reads = false
    let page = request("GET /metrics")
    var sent = 0
    while host.wantsInput(client), sent < 100_000 {
        host.send(client, String(repeating: page, count: 50))
        host.turn()
        sent += 50
    }
    #expect(sent < 100_000)
    let output = host.server.connection(host.clients[client].id)?.pointee.output.count ?? 0
    #expect(output >= Limits.outputHighWater && output < Limits.outputHighWater + 200_000)
    // It reads again: everything it asked for comes, in order.
    host.send(client, post("last"))
    host.readAgain(client)
    for _ in 0..<20 { try host.settle() }
    let replies = statuses(host.take(client))
    #expect(replies.count == sent + 1 && replies.last == 201)
}

@Test func drainingAnswersWhatWasTakenAndTakesNothingMore() throws {
    let host = try Host()
    host.answersQueries = false
    let posting = host.connect()
    let asking = host.connect()
    let half = host.connect()
    let idle = host.connect()
    let binary = host.connect()
    _ = try host.exchange(binary, Frame.hello())
    host.send(posting, post("a"))
    host.send(asking, request("GET /api/v1/client/margins?groupBy=day"))
    host.send(half, "POST /api/v1/client/ev")
    host.send(binary, Frame.events(["b"], requestID: 2))
    host.turn()
    host.server.drain()
    host.turn()
    #expect(host.clients[idle].closed && host.clients[half].closed)
    #expect(!host.clients[posting].closed && !host.clients[asking].closed && !host.clients[binary].closed)
    host.send(posting, post("late"))
    try host.sync()
    host.turn()
    #expect(statuses(host.take(posting)) == [201])
    #expect(Answer.all(host.take(binary)).last == .error(.shuttingDown, 0))
    host.answerQueries()
    host.turn()
    #expect(statuses(host.take(asking)) == [200])
    #expect(host.server.connectionCount == 0 && host.events == 2)
    #expect(try host.restarted().events == 2)
}

@Test func queriesThatWaitAreBounded() throws {
    let host = try Host(connections: Limits.pendingQueries + 10)
    host.answersQueries = false
    let ask = request("GET /api/v1/client/margins?groupBy=day")
    for _ in 0..<Limits.pendingQueries {
        let client = host.connect()
        host.send(client, ask)
        host.drop(client)
    }
    host.turn()
    let client = host.connect()
    host.send(client, ask)
    host.turn()
    let refused = Reply.all(host.take(client))
    #expect(refused.map(\.status) == [503] && refused[0].fields["retry-after"] == "1")
    host.answerQueries()
    host.answersQueries = true
    #expect(statuses(try host.exchange(client, ask)) == [200])
}

@Test func aReadThatFailsIsReportedAndNothingIsGuessed() throws {
    let host = try Host()
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("a"))) == [201])
    host.disk.failReads(StorageError(operation: .read, errno: 5, file: "x"))
    // What was written last is in memory; it is read again when that was given back.
    #expect(statuses(try host.exchange(client, post("a"))) == [409])
    #expect(host.server.afterBurst(at: host.now.monotonic + 4_000_000_000) { _, _ in })
    host.send(client, post("a"))
    host.turn()
    #expect(host.server.failure?.errno == 5)
    #expect(host.events == 1)
}
