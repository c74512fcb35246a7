// Answers that come bit by bit: an export goes as fast as it is read, a stream never waits for its reader.

import Core
import Journal
import Server
import Testing

private let secret = "sk_live_0123456789abcdef0123456789abcdef"

/// The head of an answer, and its body out of the chunks; nil for a body that has not ended.
private func taken(_ bytes: [UInt8]) throws -> (head: String, body: String, isWhole: Bool) {
    let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
    let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
    var rest = bytes[end.upperBound...]
    guard head.contains("transfer-encoding: chunked") else {
        return (head, String(decoding: rest, as: UTF8.self), false)
    }
    var body: [UInt8] = []
    while let line = rest.firstRange(of: [0x0D, 0x0A]) {
        let length = try #require(
            Int(String(decoding: rest[..<line.lowerBound], as: UTF8.self), radix: 16))
        rest = rest[line.upperBound...]
        if length == 0 {
            return (head, String(decoding: body, as: UTF8.self), rest.elementsEqual([0x0D, 0x0A]))
        }
        body += rest.prefix(length)
        rest = rest.dropFirst(length + 2)
    }
    return (head, String(decoding: body, as: UTF8.self), false)
}

/// The pages asked for and not answered yet.
private func pages(_ host: Host) -> [ExportQuery] {
    host.asked.compactMap { pending in
        if case .export(let query) = pending.query { return query }
        return nil
    }
}

private func page(_ text: String, next: UInt64? = nil) -> QueryAnswer {
    var answer = QueryAnswer(data: Array(text.utf8))
    answer.next = next
    return answer
}

@Test func anExportIsOneAnswerHoweverManyPages() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    host.send(client, request("GET /api/v1/client/events?format=csv&customer=acme"))
    host.turn()
    for (number, text) in ["a,b\r\n1,2\r\n", "3,4\r\n", "5,6\r\n"].enumerated() {
        let asked = pages(host)
        #expect(
            asked.count == 1 && asked[0].format == .csv
                && asked[0].place == (number == 0 ? nil : UInt64(number)))
        let id = host.asked.removeFirst().connection
        host.server.answered(id, page(text, next: number < 2 ? UInt64(number + 1) : nil), at: host.now)
        host.turn()
        host.turn()
    }
    let answer = try taken(host.take(client))
    #expect(answer.isWhole && answer.body == "a,b\r\n1,2\r\n3,4\r\n5,6\r\n")
    for field in ["200 OK", "text/csv; charset=utf-8", "filename=\"events.csv\"", "nosniff"] {
        #expect(answer.head.contains(field), "\(field)")
    }
    // The connection goes on.
    host.answersQueries = true
    #expect(statuses(try host.exchange(client, request("GET /healthz"))) == [200])
}

@Test func anExportIsMadeNoFasterThanItIsRead() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    host.clients[client].reads = false
    host.send(
        client,
        request("GET /api/v1/client/margins?groupBy=customer", "", ["Accept: application/x-ndjson"]))
    host.turn()
    let line = String(repeating: "x", count: Limits.exportPageBytes)
    let id = host.asked.removeFirst().connection
    host.server.answered(id, page(line, next: 1), at: host.now)
    for _ in 0..<5 {
        host.wait(1)
        host.server.sweep(at: host.now)
        host.turn()
    }
    #expect(pages(host).isEmpty)
    host.readAgain(client)
    host.turn()
    host.turn()
    #expect(pages(host).count == 1)
}

@Test func whatGoesWrongInTheMiddleHasNoEnd() throws {
    let host = try Host()
    host.answersQueries = false
    let client = host.connect()
    host.send(client, request("GET /api/v1/client/customers?format=ndjson"))
    host.turn()
    let id = host.asked.removeFirst().connection
    host.server.answered(id, page("{}\n", next: 1), at: host.now)
    host.turn()
    host.asked.removeAll()
    host.server.answered(
        id, QueryAnswer(status: 503, code: "overloaded", message: "late"), at: host.now)
    host.turn()
    let answer = try taken(host.take(client))
    #expect(!answer.isWhole && answer.body == "{}\n" && host.clients[client].closed)
    // At the beginning it is an answer like any other.
    let other = host.connect()
    host.send(other, request("GET /api/v1/client/customers?format=ndjson"))
    host.turn()
    host.server.answered(
        host.asked.removeFirst().connection,
        QueryAnswer(status: 503, code: "overloaded", message: "busy"), at: host.now)
    host.turn()
    #expect(statuses(host.take(other)) == [503])
}

@Test func aReaderThatGoesEndsItsExport() throws {
    let host = try Host()
    host.answersQueries = false
    for _ in 0..<Limits.exports {
        let client = host.connect()
        host.send(client, request("GET /api/v1/client/events?format=csv"))
    }
    host.turn()
    #expect(pages(host).count == Limits.exports)
    let late = host.connect()
    host.send(late, request("GET /api/v1/client/events?format=csv"))
    host.turn()
    #expect(statuses(host.take(late)) == [503])
    for client in 0..<Limits.exports { host.drop(client) }
    host.turn()
    let ended = host.asked.filter { pending in
        if case .endExport = pending.query { return true }
        return false
    }
    #expect(ended.count == Limits.exports)
    host.send(late, request("GET /api/v1/client/events?format=csv"))
    host.turn()
    #expect(pages(host).count == Limits.exports + 1)
    // Answers to those that are gone harm nobody.
    host.answersQueries = true
    host.answerQueries()
    try host.settle()
}

@Test func whoSaysNothingGetsJSONAndNonsenseIsRefused() throws {
    let host = try Host()
    let client = host.connect()
    #expect(
        statuses(try host.exchange(client, request("GET /api/v1/client/events?format=xml"))) == [400])
    let json = try #require(
        Reply.all(
            try host.exchange(
                client, request("GET /api/v1/client/events?format=json", "", ["Accept: text/csv"]))
        ).first)
    #expect(json.status == 200 && json.fields["content-type"] == "application/json")
    let browser = try #require(
        Reply.all(try host.exchange(client, request("GET /api/v1/client/events", "", ["Accept: */*"])))
            .first)
    #expect(browser.fields["content-type"] == "application/json")
}

// MARK: - Streams

/// The looks asked for and not answered yet.
private func looks(_ host: Host) -> [TailQuery] {
    host.asked.compactMap { pending in
        if case .tail(let query) = pending.query { return query }
        return nil
    }
}

private func look(_ text: String, sequence: UInt64, at end: JournalPosition, skipped: UInt64 = 0)
    -> QueryAnswer
{
    var answer = QueryAnswer(data: Array(text.utf8))
    answer.tail = TailMark(position: end, sequence: sequence, skipped: skipped)
    return answer
}

/// A host with one stream that had its first look.
private func watching(_ fields: [String] = [], path: String = "") throws -> (
    host: Host, client: Int
) {
    let host = try Host(key: secret)
    host.answersQueries = false
    // The first key is written down.
    host.server.sweep(at: host.now)
    host.turn()
    try host.sync()
    let client = host.connect(.remote)
    host.send(
        client,
        request(
            "GET /api/v1/client/events/stream\(path)", "", ["Authorization: Bearer \(secret)"] + fields))
    host.turn()
    try host.sync()
    return (host, client)
}

private func answerLook(_ host: Host, _ answer: QueryAnswer) {
    host.server.answered(host.asked.removeFirst().connection, answer, at: host.now)
    host.turn()
}

@Test func aStreamShowsWhatBecameDurable() throws {
    let (host, client) = try watching()
    #expect(looks(host).count == 1 && looks(host)[0].from == nil && !looks(host)[0].isResumed)
    answerLook(host, look("", sequence: 3, at: host.durableEnd))
    let begun = try taken(host.take(client))
    #expect(
        begun.head.contains("content-type: text/event-stream")
            && begun.head.contains("connection: close") && begun.body == "retry: 2000\n\n")
    #expect(!host.clients[client].closed)
    // An event comes; it is looked for once it is on disk.
    let sender = host.connect()
    host.send(sender, post("a"))
    host.wait(1)
    host.turn()
    #expect(looks(host).isEmpty)
    try host.sync()
    host.turn()
    let asked = looks(host)
    #expect(
        asked.count == 1 && asked[0].after == 3 && asked[0].from != nil
            && asked[0].limit == Limits.streamEvents)
    answerLook(
        host, look("id: 4\nevent: event\ndata: {}\n\n", sequence: 4, at: host.durableEnd, skipped: 2))
    #expect(
        String(decoding: host.take(client), as: UTF8.self)
            == "event: skipped\ndata: {\"events\":2}\n\nid: 4\nevent: event\ndata: {}\n\n")
    // Nothing new: nothing is asked.
    host.wait(1)
    host.server.watch(at: host.now)
    host.turn()
    #expect(looks(host).isEmpty)
}

@Test func aReaderThatComesBackGoesOnWhereItWas() throws {
    for (fields, path, after) in [
        (["Last-Event-ID: 41"], "", UInt64(41)), ([], "?after=17", 17),
        (["Last-Event-ID: 9"], "?after=3", 9),
    ] {
        let (host, _) = try watching(fields, path: path)
        #expect(
            looks(host).count == 1 && looks(host)[0].after == after && looks(host)[0].isResumed,
            "\(fields) \(path)")
    }
    let host = try Host()
    let client = host.connect()
    for bad in ["?after=x", "?after=", "?after=-1", "?after=9999999999999999999999"] {
        #expect(
            statuses(try host.exchange(client, request("GET /api/v1/client/events/stream\(bad)"))) == [
                400
            ], "\(bad)")
    }
}

@Test func aQuietStreamGivesSignsOfLife() throws {
    let (host, client) = try watching()
    answerLook(host, look("", sequence: 0, at: host.durableEnd))
    _ = host.take(client)
    for _ in 0..<31 {
        host.wait(1)
        host.server.sweep(at: host.now)
        host.turn()
    }
    #expect(String(decoding: host.take(client), as: UTF8.self) == ": heartbeat\n\n: heartbeat\n\n")
    // Also for longer than a connection may say nothing.
    for _ in 0..<(Limits.idleSeconds + 60) {
        host.wait(1)
        host.server.sweep(at: host.now)
        host.turn()
    }
    #expect(!host.clients[client].closed)
}

@Test func aReaderThatTakesNothingIsTold() throws {
    let (host, client) = try watching()
    answerLook(host, look("", sequence: 0, at: host.durableEnd))
    _ = host.take(client)
    host.clients[client].reads = false
    let sender = host.connect()
    host.send(sender, post("a"))
    host.wait(1)
    host.turn()
    try host.sync()
    host.turn()
    answerLook(
        host, look(String(repeating: "x", count: Limits.streamBytes), sequence: 1, at: host.durableEnd))
    for number in 0..<(Limits.streamSeconds + 3) {
        host.send(sender, post("b\(number)"))
        host.wait(1)
        host.turn()
        try host.sync()
        host.server.sweep(at: host.now)
        host.turn()
        #expect(looks(host).isEmpty, "nothing more is asked for it")
    }
    host.readAgain(client)
    host.turn()
    #expect(
        String(decoding: host.take(client), as: UTF8.self).hasSuffix(
            "event: overrun\ndata: {\"reason\":\"slow_reader\"}\n\n"))
    #expect(host.clients[client].closed)
}

@Test func aStreamEndsWithTheRightToRead() throws {
    let (host, client) = try watching()
    answerLook(host, look("", sequence: 0, at: host.durableEnd))
    let admin = host.connect()
    host.send(admin, request("DELETE /api/v1/client/keys/1"))
    host.turn()
    try host.sync()
    host.wait(1)
    host.server.sweep(at: host.now)
    host.turn()
    #expect(host.clients[client].closed)
}

@Test func whoGoesMakesRoomForOthers() throws {
    let host = try Host()
    host.answersQueries = false
    for _ in 0..<Limits.streams {
        host.send(host.connect(), request("GET /api/v1/client/events/stream"))
    }
    let late = host.connect()
    host.send(late, request("GET /api/v1/client/events/stream"))
    host.turn()
    #expect(statuses(host.take(late)) == [503])
    host.end(0)
    host.turn()
    #expect(host.clients[0].closed)
    host.send(late, request("GET /api/v1/client/events/stream"))
    host.turn()
    #expect(
        !host.clients[late].closed
            && String(decoding: host.take(late), as: UTF8.self).contains("text/event-stream"))
}
