// Nothing is said before it is on disk, and everything is said in the order it was asked.

import Core
import Frames
import Journal
import Ledger
import Server
import Testing

@Test func noReplyLeavesBeforeItsBatchIsDurable() throws {
    let host = try Host()
    let http = host.connect()
    let binary = host.connect()
    _ = try host.exchange(binary, Frame.hello())
    host.send(http, post("a"))
    host.send(binary, Frame.events(["b"], requestID: 2))
    host.turn()
    host.turn()
    #expect(host.isWriting)
    #expect(host.take(http).isEmpty && host.take(binary).isEmpty)
    // What comes while the first batch is written waits for the second.
    host.send(http, post("c"))
    host.turn()
    try host.sync()
    host.turn()
    #expect(statuses(host.take(http)) == [201])
    #expect(Answer.all(host.take(binary)).map(\.recorded) == [1])
    #expect(host.isWriting)
    try host.sync()
    host.turn()
    #expect(statuses(host.take(http)) == [201])
    #expect(host.events == 3)
}

@Test func aDuplicateOfWhatIsNotDurableYetWaitsToo() throws {
    let host = try Host()
    let (first, second) = (host.connect(), host.connect())
    host.send(first, post("a"))
    host.turn()
    host.send(second, post("a") + post("a", cost: "2"))
    host.turn()
    #expect(host.take(second).isEmpty)
    try host.sync()
    host.turn()
    let replies = Reply.all(host.take(second))
    #expect(replies.map(\.status) == [409, 409])
    #expect(replies[0].body.contains("\"conflict\":false") && replies[1].body.contains("\"conflict\":true"))
    #expect(replies.allSatisfy { $0.body.contains("\"sequence\":1") && $0.body.contains("\"costAmount\":1") })
    #expect(statuses(host.take(first)) == [201])
}

@Test func aDuplicateIsFoundInEveryBatchOnItsWay() throws {
    let host = try Host()
    let client = host.connect()
    for i in 0..<40 { host.send(client, bulky("k\(i)")) }
    host.turn()
    for i in 0..<40 { host.send(client, bulky("k\(i)") + post("k\(i)")) }
    // One batch is being written, several are sealed behind it, one is open.
    #expect(host.isWriting && host.server.pipeline.pendingBytes > Host.batchBytes && host.server.pipeline.durable == 0)
    try host.settle()
    let replies = Reply.all(host.take(client))
    #expect(replies.count == 120 && replies.prefix(40).allSatisfy { $0.status == 201 })
    for (i, reply) in replies.dropFirst(40).enumerated() {
        #expect(reply.status == 409 && reply.body.contains("\"sequence\":\(i / 2 + 1),"))
        #expect(reply.body.contains(i % 2 == 0 ? "\"conflict\":false" : "\"conflict\":true"))
    }
    #expect(host.events == 40)
}

@Test func repliesKeepTheOrderOfRequestsWhateverTheyWaitFor() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    let margins = request("GET /api/v1/client/margins?groupBy=day")
    host.send(
        client, post("a") + request("GET /healthz") + margins + post("b") + request("GET /healthz") + margins + request("GET /healthz"))
    host.turn()
    // The first query is out; nothing behind it was looked at, and the health page behind the event waits for it.
    #expect(host.asked.count == 1 && host.events == 1)
    #expect(host.take(client).isEmpty)
    try host.sync()
    host.turn()
    #expect(statuses(host.take(client)) == [201, 200])
    host.answerQueries()
    host.turn()
    #expect(host.events == 2 && host.asked.count == 1)
    let answered = Reply.all(host.take(client))
    #expect(answered.map(\.status) == [200] && answered[0].body.contains("margins"))
    host.answerQueries()
    try host.settle()
    let rest = Reply.all(host.take(client))
    #expect(rest.map(\.status) == [201, 200, 200, 200])
    #expect(rest[2].body.contains("margins") && rest[1].body.contains("ok") && rest[3].body.contains("ok"))
}

@Test func framesAreAnsweredInOrderAndEventsThatArriveTogetherShareABatch() throws {
    let host = try Host()
    let client = host.connect()
    var bytes = Frame.hello()
    for i in 0..<50 { bytes += Frame.events(["k\(i)"], requestID: UInt64(100 + i)) }
    bytes += Frame.ping("x", requestID: 7) + Frame.events(["k0", "new"], requestID: 8)
    bytes += Frame.customer(.register, CustomerDetails(reference: "r", email: "a@b.example"), requestID: 9)
    host.send(client, bytes)
    host.turn()
    try host.sync()
    host.turn()
    let answers = Answer.all(host.take(client))
    #expect(host.server.metrics.commits == 1)
    #expect(answers.count == 54)
    #expect(answers[0] == .hello(scopes: 7))
    for i in 0..<50 {
        guard case .events(let reply) = answers[1 + i] else {
            Issue.record("no events reply")
            continue
        }
        #expect(reply.requestID == UInt64(100 + i) && reply.firstSequence == UInt64(i + 1) && reply.recorded == 1)
    }
    #expect(answers[51] == .pong(7, Array("x".utf8)))
    guard case .events(let reply) = answers[52] else {
        Issue.record("no events reply")
        return
    }
    #expect(reply.recorded == 1 && reply.duplicates == 1 && reply.results[0].sequence == 1)
    #expect(answers[53] == .customer(CustomerReply(.created)))
}

@Test func whatWasAcknowledgedIsThereAfterARestartAndWhatWasNotMayBe() throws {
    var host = try Host()
    var dice = Dice(6)
    var acknowledged: Set<String> = []
    var sent: [String] = []
    for round in 0..<6 {
        let client = host.connect()
        for _ in 0..<40 {
            let key = "k\(dice.below(120))"
            sent.append(key)
            host.send(client, post(key))
            if dice.oneIn(3) { host.turn() }
            if dice.oneIn(4) { try host.sync() }
        }
        host.turn()
        let answered = Reply.all(host.take(client))
        for (key, reply) in zip(sent.suffix(40), answered) {
            #expect(reply.status == 201 || reply.status == 409)
            if reply.status == 201 { #expect(!acknowledged.contains(key), "round \(round)") }
            acknowledged.insert(key)
        }
        // The machine stops here, with a batch on its way and one that fills.
        host = try host.restarted()
        let after = host.connect()
        for key in acknowledged.sorted() { #expect(statuses(try host.exchange(after, post(key))) == [409]) }
    }
    #expect(acknowledged.count > 30)
}

@Test func aRecordThatTheDiskNoLongerHasAsItWasIsNotCountedAgain() throws {
    var host = try Host()
    let client = host.connect()
    #expect(statuses(try host.exchange(client, post("first-key") + post("other-key"))) == [201, 201])
    // Read from the disk from now on, as after the start of another day.
    host = try host.restarted()
    var after = host.connect()
    #expect(statuses(try host.exchange(after, post("first-key"))) == [409])

    let file = SegmentFormat.fileName(1)
    var bytes = [UInt8](repeating: 0, count: try host.disk.size(file))
    _ = try bytes.withUnsafeMutableBytes { try host.disk.read(file, at: 0, into: $0) }
    let key = Array("first-key".utf8)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: key) })
    try [key[0] ^ 1].withUnsafeBytes { try host.disk.write(file, at: place, $0) }

    after = host.connect()
    host.send(after, post("first-key"))
    host.turn()
    #expect(host.server.failure == StorageError(operation: .read, errno: StorageError.badMessage, file: file))
    #expect(host.server.ledger.totalEvents == 2)
    #expect(!Reply.all(host.take(after)).contains { $0.status == 201 })
}

@Test func aQueryThatMustSeeAChangeIsAskedAfterTheChangeIsDurable() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    let body = "{\"customerReferenceId\":\"r\",\"email\":\"a@b.example\",\"firstName\":\"A\",\"lastName\":\"B\"}"
    #expect(statuses(try host.exchange(client, request("POST /api/v1/client/customers", body))) == [201])
    host.send(client, request("PATCH /api/v1/client/customers/r", "{\"firstName\":\"C\"}"))
    host.turn()
    #expect(host.asked.isEmpty && host.isWriting)
    try host.sync()
    host.turn()
    #expect(host.asked.count == 1)
    host.answerQueries()
    host.turn()
    let reply = Reply.all(host.take(client))
    #expect(reply.map(\.status) == [200] && reply[0].body.contains("\"customer\":\"r\""))
    // An event just recorded is found by its key before it is durable, and shown after.
    host.send(client, post("fresh") + request("GET /api/v1/client/events/fresh"))
    host.turn()
    #expect(host.asked.isEmpty)
    try host.sync()
    host.turn()
    #expect(host.asked.count == 1)
    host.answerQueries()
    try host.settle()
    #expect(statuses(host.take(client)) == [201, 200])
}

@Test func segmentsRollWithoutLosingPlace() throws {
    let host = try Host()
    let client = host.connect()
    let meta = "{\"text\":\"" + String(repeating: "m", count: 15_000) + "\"}"
    for i in 0..<300 {
        let body = "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"k\(i)\",\"costAmount\":1,\"meta\":\(meta)}"
        host.send(client, request(eventsPath, body))
        if i % 7 == 0 { try host.settle() }
    }
    try host.settle()
    #expect(statuses(host.take(client)) == Array(repeating: 201, count: 300))
    #expect(host.durableEnd.segment >= 4)
    let again = try host.restarted()
    #expect(again.events == 300)
    let after = again.connect()
    let body = "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"k3\",\"costAmount\":1,\"meta\":{}}"
    let reply = Reply.all(try again.exchange(after, request(eventsPath, body)))
    #expect(reply.map(\.status) == [409] && reply[0].body.contains("\"conflict\":false"))
    #expect(statuses(try again.exchange(after, post("new"))) == [201])
    #expect(again.events == 301)
}
