// Room: connections wait while the next segment is made ready, are told when there is no disk left, and go on afterwards.

import Core
import Frames
import Journal
import Ledger
import Server
import Testing

/// An event of about 15 KB.
func bulky(_ key: String) -> String {
    let meta = "{\"text\":\"" + String(repeating: "m", count: 15_000) + "\"}"
    return request(eventsPath, "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"\(key)\",\"costAmount\":1,\"meta\":\(meta)}")
}

/// Fills the disk up: what is prepared is used up and no more can be.
func fill(_ host: Host) throws {
    host.diskIsFull = true
    let client = host.connect()
    for i in 0..<400 {
        let replies = statuses(try host.exchange(client, bulky("fill-\(i)")))
        if replies == [507] {
            host.drop(client)
            return
        }
        #expect(replies == [201])
    }
    Issue.record("the disk does not fill")
}

@Test func withoutASegmentRequestsWaitAndThenGoOn() throws {
    let host = try Host()
    host.preparesSegments = false
    let http = host.connect()
    let binary = host.connect()
    _ = try host.exchange(binary, Frame.hello())
    for i in 0..<200 { host.send(http, bulky("k\(i)")) }
    for _ in 0..<20 {
        host.turn()
        try host.sync()
    }
    host.turn()
    let before = statuses(host.take(http))
    #expect(before.count < 200 && before.allSatisfy { $0 == 201 })
    #expect(!host.wantsInput(http))
    host.send(binary, Frame.events(["b1"], requestID: 5))
    try host.settle()
    #expect(host.take(binary).isEmpty && !host.wantsInput(binary))
    // Reads are answered meanwhile.
    let reader = host.connect()
    #expect(statuses(try host.exchange(reader, request("GET /healthz") + request("GET /api/v1/client/customers"))) == [200, 200])
    // A waiting connection is not called slow.
    host.wait(100)
    host.server.sweep(at: host.now)
    host.preparesSegments = true
    host.prepare()
    for _ in 0..<20 { try host.settle() }
    #expect(before.count + statuses(host.take(http)).count == 200)
    #expect(Answer.all(host.take(binary)).map(\.recorded) == [1])
    #expect(host.events == 201 && host.server.metrics.stalls > 0)
}

@Test func aFullDiskIsSaidToEverySubmissionAndReadsGoOn() throws {
    let host = try Host()
    try fill(host)
    let http = host.connect()
    let binary = host.connect()
    _ = try host.exchange(binary, Frame.hello())
    let counted = host.events
    #expect(statuses(try host.exchange(http, post("x") + request("GET /healthz") + request("GET /readyz"))) == [507, 200, 503])
    let events = Answer.all(try host.exchange(binary, Frame.events(["y", "z"], requestID: 5)))
    guard case .events(let reply) = events.first else {
        Issue.record("no events reply")
        return
    }
    #expect(reply.rejected == 2 && reply.results.allSatisfy { $0.outcome == .storageFull })
    let customer = Frame.customer(.register, CustomerDetails(reference: "r", email: "a@b.example"), requestID: 6)
    #expect(Answer.all(try host.exchange(binary, customer)) == [.error(.storageFull, 6)])
    // A duplicate cannot be told from a new event without a batch to look in: it is refused too, and nothing counts.
    #expect(host.events == counted)
    // Room again: no restart is needed.
    host.diskIsFull = false
    host.server.pipeline.retryPreparing()
    host.prepare()
    #expect(statuses(try host.exchange(http, post("x") + request("GET /readyz"))) == [201, 200])
    #expect(Answer.all(try host.exchange(binary, Frame.events(["y"], requestID: 7))).map(\.recorded) == [1])
    #expect(try host.restarted().events == counted + 2)
}

@Test func whatFindsNoRoomIsCountedByItsOutcome() throws {
    let host = try Host()
    try fill(host)
    func rejected(_ outcome: Outcome) -> UInt64 { host.server.ledger.counters.rejected[Int(outcome.rawValue)] }
    #expect(rejected(.storageFull) == 1)
    // The ledger gets to see neither: there is no batch to admit them into.
    let tooLong = String(repeating: "k", count: 65)
    let batch = "[{\"eventName\":\"a\"},{\"eventName\":\"b\",\"eventIdempotencyKey\":\"\(tooLong)\"}]"
    #expect(statuses(try host.exchange(host.connect(), request("POST /api/v1/client/events/batch", batch))) == [200])
    #expect(rejected(.storageFull) == 2 && rejected(.fieldTooLong) == 1)
}

@Test func aBatchThatMeetsTheEndOfTheDiskCountsWhatItSaysItCounts() throws {
    let host = try Host()
    host.diskIsFull = true
    let client = host.connect()
    let meta = "{\"text\":\"" + String(repeating: "m", count: 15_000) + "\"}"
    let events = (0..<150).map { "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"k\($0)\",\"costAmount\":1,\"meta\":\(meta)}" }
    let body = "[" + events.joined(separator: ",") + "]"
    let reply = Reply.all(try host.exchange(client, request("POST /api/v1/client/events/batch", body)))
    #expect(reply.map(\.status) == [200])
    #expect(reply[0].body.contains("\"recorded\":\(host.events),"))
    #expect(reply[0].body.contains("\"status\":\"storage_full\"") || reply[0].body.contains("\"status\":\"overloaded\""))
    #expect(host.events > 0 && host.events < 150)
    #expect(try host.restarted().events == host.events)
}

@Test func batchesGoToTheWriterInTheOrderAndPlaceItExpects() throws {
    // The writer traps when a batch does not continue the journal; here batches of every size do, over many segments and restarts.
    var dice = Dice(12)
    var host = try Host()
    var expected: UInt64 = 0
    for round in 0..<12 {
        let clients = (0..<3).map { _ in host.connect() }
        for i in 0..<60 {
            let client = dice.pick(clients)
            if dice.oneIn(3) { host.send(client, bulky("r\(round)-\(i)")) } else { host.send(client, post("r\(round)-\(i)")) }
            expected += 1
            if dice.oneIn(2) { host.turn() }
            if dice.oneIn(3) { try host.sync() }
            // The wall clock goes back; the journal's does not.
            if dice.oneIn(9) { host.wait(dice.oneIn(2) ? -30 : 3) }
        }
        for _ in 0..<5 { try host.settle() }
        #expect(host.events == expected)
        host = try host.restarted()
        #expect(host.events == expected)
    }
    #expect(host.durableEnd.segment > 3)
}

@Test(arguments: [512 * 1024, 2 << 20])
func segmentsOfAnotherSizeAreGoneOnWith(_ size: Int) throws {
    let host = try Host()
    let client = host.connect()
    for i in 0..<20 { #expect(statuses(try host.exchange(client, bulky("k\(i)"))) == [201]) }
    let later = try host.restarted(segmentBytes: size)
    let after = later.connect()
    for i in 0..<300 { #expect(statuses(try later.exchange(after, bulky("k\(i)"))) == [i < 20 ? 409 : 201]) }
    #expect(later.durableEnd.segment > 2)
    #expect(try later.restarted(segmentBytes: size).events == 300)
}

@Test func anIdleJournalIsMarkedOnce() throws {
    let host = try Host()
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("a"))) == [201])
    let end = host.durableEnd
    for _ in 0..<5 {
        host.wait(2)
        host.server.sweep(at: host.now)
        try host.settle()
    }
    #expect(host.durableEnd.offset == end.offset + UInt32(BatchBuilder.headerBytes))
    #expect(statuses(try host.exchange(client, post("a") + post("b"))) == [409, 201])
    #expect(try host.restarted().events == 2)
}

@Test func aKeyIsRememberedForTheWindowAndForgottenSoonAfter() throws {
    var host = try Host()
    let day = 86_400.0
    func pass(_ seconds: Double) throws {
        host.wait(seconds)
        host.server.sweep(at: host.now)
        try host.settle()
    }
    try pass(1)
    var client = host.connect()
    #expect(statuses(try host.exchange(client, post("a"))) == [201])
    for _ in 0..<10 { try pass(300) }
    try pass(Double(Limits.dedupWindowDays) * day - 3_005)
    #expect(statuses(try host.exchange(host.connect(), post("a"))) == [409])
    // It is kept for one step of the clock longer, and then until the next mark.
    let step = Double(Limits.dedupWindowDays) * day / 32
    try pass(step - 10)
    #expect(statuses(try host.exchange(host.connect(), post("a"))) == [409])
    try pass(1_500)
    #expect(statuses(try host.exchange(host.connect(), post("a"))) == [201])
    #expect(statuses(try host.exchange(host.connect(), post("a"))) == [409])
    host = try host.restarted()
    client = host.connect()
    #expect(host.events == 2)
    #expect(statuses(try host.exchange(client, post("a"))) == [409])
}
