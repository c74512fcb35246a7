// `Idempotency-Key`: a retry gets the first answer, byte for byte, and only when that answer is on disk.

import Core
import Server
import Testing

private func keyed(_ key: String, _ body: String, path: String = eventsPath) -> String {
    request(path, body, ["Idempotency-Key: \(key)", "X-Request-ID: same"])
}

private let event = "{\"eventName\":\"call\",\"customerReferenceId\":\"c\",\"costAmount\":1}"

@Test func aRetryGetsTheKeptReplyAlsoAfterARestart() throws {
    var host = try Host()
    var client = host.connect()
    let first = Reply.all(try host.exchange(client, keyed("k", event)))
    #expect(first.map(\.status) == [201] && first[0].fields["idempotency-key"] == "k")
    #expect(try Reply.all(host.exchange(client, keyed("k", event))) == first)
    #expect(host.events == 1)
    host = try host.restarted()
    client = host.connect()
    #expect(try Reply.all(host.exchange(client, keyed("k", event))) == first)
    #expect(host.events == 1)
    // Another path or key is another request.
    #expect(statuses(try host.exchange(client, keyed("l", event))) == [201])
    #expect(host.events == 2)
}

@Test func aRetryWhileTheFirstIsOnItsWayWaitsForTheSameBatch() throws {
    let host = try Host()
    let (first, second) = (host.connect(), host.connect())
    host.send(first, keyed("k", event))
    host.turn()
    host.send(second, keyed("k", event))
    host.turn()
    #expect(host.take(first).isEmpty && host.take(second).isEmpty)
    try host.sync()
    host.turn()
    #expect(Reply.all(host.take(second)) == Reply.all(host.take(first)))
    #expect(host.events == 1)
}

@Test func theSameKeyForAnotherBodyIsAConflict() throws {
    let host = try Host()
    let client = host.connect()
    #expect(statuses(try host.exchange(client, keyed("k", event))) == [201])
    let other = Reply.all(try host.exchange(client, keyed("k", event + " ")))
    #expect(other.map(\.status) == [409] && other[0].body.contains("idempotency_conflict"))
    #expect(host.events == 1)
}

@Test func aKeptReplyThatCountsNothingWaitsForItsRecordAndIsSaidOnce() throws {
    let host = try Host()
    let client = host.connect()
    host.send(client, keyed("k", "{\"eventName\":5}"))
    host.turn()
    #expect(host.take(client).isEmpty)
    try host.settle()
    let replies = Reply.all(host.take(client))
    #expect(replies.map(\.status) == [400])
    for _ in 0..<3 {
        host.send(client, post("after"))
        try host.settle()
        host.turn()
    }
    #expect(statuses(host.take(client)) == [201, 409, 409])
    #expect(try Reply.all(host.exchange(client, keyed("k", "{\"eventName\":5}"))) == replies)
}

@Test func aReplyThatSaysTryAgainIsNotKept() throws {
    let host = try Host()
    let client = host.connect()
    try fill(host)
    #expect(statuses(try host.exchange(client, keyed("k", event))) == [507])
    host.diskIsFull = false
    host.server.pipeline.retryPreparing()
    host.prepare()
    #expect(statuses(try host.exchange(client, keyed("k", event))) == [201])
}

@Test func aBatchOfWhichSomeFoundNoRoomIsFinishedByTheSameRequest() throws {
    let host = try Host()
    host.diskIsFull = true
    let client = host.connect()
    let meta = "{\"text\":\"" + String(repeating: "m", count: 15_000) + "\"}"
    // No keys of their own: they follow from the request's.
    let batch = "[" + (0..<150).map { "{\"eventName\":\"call \($0)\",\"meta\":\(meta)}" }.joined(separator: ",") + "]"
    let path = "POST /api/v1/client/events/batch"
    #expect(statuses(try host.exchange(client, keyed("k", batch, path: path))) == [200])
    let counted = host.events
    #expect(counted > 0 && counted < 150)
    host.diskIsFull = false
    host.server.pipeline.retryPreparing()
    for _ in 0..<4 {
        host.prepare()
        #expect(statuses(try host.exchange(client, keyed("k", batch, path: path))) == [200])
    }
    #expect(host.events == 150)
}

@Test func aBatchUnderAKeyIsCountedOnceEvenWhenItsReplyIsForgotten() throws {
    let host = try Host()
    let client = host.connect()
    let batch = "[\(event),\(event),\(event)]"
    let path = "POST /api/v1/client/events/batch"
    let first = Reply.all(try host.exchange(client, keyed("k", batch, path: path)))
    #expect(first.map(\.status) == [200] && first[0].body.contains("\"recorded\":3"))
    host.wait(25 * 3600)
    // The kept reply is a day old and gone; the keys that followed from it are not.
    let late = Reply.all(try host.exchange(client, keyed("k", batch, path: path)))
    #expect(late.map(\.status) == [200] && late[0].body.contains("\"recorded\":0,\"duplicates\":3"))
    #expect(host.events == 3)
}

@Test(arguments: ["", String(repeating: "k", count: 256), "a\u{7F}b"])
func anUnusableKeyIsRefused(_ key: String) throws {
    let host = try Host()
    let client = host.connect()
    let replies = statuses(try host.exchange(client, keyed(key, event)))
    #expect(replies == [400])
    #expect(host.events == 0)
}
