import Client
import Core
import Testing
import Wire

@testable import Frames
@testable import purser

/// A daemon that lives in memory: it knows every key it recorded, and breaks when told to.
private final class FakeServer {
    var keys: Set<EventKey> = []
    /// How many more frames arrive before a connection breaks, without an answer; -1: never.
    var framesUntilBreak = -1
    /// Whether the frame that breaks the connection is recorded before.
    var recordsBeforeBreak = true
    var refusesConnections = 0
    var connections = 0
    /// Outcomes to give instead of recording, by customer.
    var outcomes: [String: Outcome] = [:]
    /// Frames to refuse as overloaded before any is taken.
    var overloadedFrames = 0
    /// Events per frame.
    var capacity = 1000
    var most = 0

    func record(_ events: [UsageEvent], id: UInt64) -> EventsReply {
        var reply = EventsReply(requestID: id, recorded: 0, duplicates: 0, rejected: 0, firstSequence: 1, results: [], detail: false)
        for (index, event) in events.enumerated() {
            if let outcome = outcomes[event.customer ?? ""] {
                if outcome == .overloaded { outcomes[event.customer ?? ""] = nil }
                if outcome == .conflict { reply.duplicates += 1 } else { reply.rejected += 1 }
                reply.results.append(EventResult(index: index, outcome: outcome, field: .model))
            } else if keys.insert(event.key).inserted {
                reply.recorded += 1
            } else {
                reply.duplicates += 1
                reply.results.append(EventResult(index: index, outcome: .duplicate))
            }
        }
        return reply
    }
}

private struct FakeChannel: EventChannel, ~Copyable {
    let server: FakeServer
    var pending: [UsageEvent] = []
    var answers: [PurserClient.Reply] = []
    var isBroken = false
    var lastID: UInt64 = 0
    var inFlight: Int { answers.count }

    init(_ server: FakeServer) throws(ClientError) {
        server.connections += 1
        if server.refusesConnections > 0 {
            server.refusesConnections -= 1
            throw .system(errno: 111, operation: "connect")
        }
        self.server = server
    }

    mutating func add(_ event: borrowing UsageEvent) -> EventsEncoder.Addition {
        if event.customer == "too-large" { return .refused(.fieldTooLong, .none) }
        if pending.count >= server.capacity { return .full }
        pending.append(copy event)
        return .added
    }

    mutating func submit(detail: Bool) throws(ClientError) -> UInt64 {
        defer { pending = [] }
        if isBroken { throw .closed }
        lastID += 1
        if server.framesUntilBreak == 0 {
            server.framesUntilBreak = -1
            isBroken = true
            // What was in flight is recorded; its answers never come.
            if server.recordsBeforeBreak { _ = server.record(pending, id: lastID) }
            answers = []
            throw .closed
        }
        if server.framesUntilBreak > 0 { server.framesUntilBreak -= 1 }
        if server.overloadedFrames > 0 {
            server.overloadedFrames -= 1
            let code = FrameError.overloaded.rawValue
            answers.append(
                .refused(ErrorFrame(code: code, retryAfterMilliseconds: 20, message: "busy", closes: false, requestID: lastID)))
        } else {
            answers.append(.events(server.record(pending, id: lastID)))
        }
        server.most = max(server.most, answers.count)
        return lastID
    }

    mutating func receive() throws(ClientError) -> PurserClient.Reply {
        if isBroken || answers.isEmpty { throw .closed }
        return answers.removeFirst()
    }
}

@Suite struct EventSenderTests {
    private func batch(_ range: Range<Int>, customer: String? = nil) -> EventBatch {
        EventBatch(
            events: range.map { UsageEvent(key: .text("k\($0)"), name: "e", customer: customer) }, lines: range.map { $0 + 1 })
    }

    private func sender(_ server: FakeServer, paused: @escaping (Int) -> Void = { _ in }) throws -> EventSender<FakeChannel> {
        try EventSender(connect: { () throws(ClientError) in try FakeChannel(server) }, pause: paused)
    }

    @Test func everyEventIsSentOnceAndAtMostEightFramesAreInFlight() throws {
        let server = FakeServer()
        var sender = try sender(server)
        for start in stride(from: 0, to: 20_000, by: 1000) { try sender.send(batch(start..<start + 1000)) }
        try sender.drain()
        #expect(sender.tally.sent == 20_000)
        #expect(sender.tally.recorded == 20_000)
        #expect(server.keys.count == 20_000)
        #expect(server.most == 8)
        #expect(server.connections == 1)
    }

    @Test(arguments: [true, false], [0, 1, 5, 11])
    func aLostConnectionLosesNothingAndCountsNothingTwice(recorded: Bool, frames: Int) throws {
        let server = FakeServer()
        server.framesUntilBreak = frames
        server.recordsBeforeBreak = recorded
        server.refusesConnections = 0
        var sender = try sender(server)
        server.refusesConnections = 2
        for start in stride(from: 0, to: 12_000, by: 1000) { try sender.send(batch(start..<start + 1000)) }
        try sender.drain()
        let tally = sender.tally
        #expect(server.keys.count == 12_000)
        #expect(tally.recorded + tally.duplicates == 12_000)
        #expect(tally.sent == 12_000)
        #expect(sender.reconnections == 1)
        #expect(recorded ? tally.duplicates >= 1000 : tally.duplicates % 1000 == 0)
    }

    @Test func itGivesUpWhenNobodyComesBackAndSaysWhatIsUnknown() throws {
        let server = FakeServer()
        server.framesUntilBreak = 1
        var pauses: [Int] = []
        var sender = try sender(server, paused: { pauses.append($0) })
        server.refusesConnections = .max
        try sender.send(batch(0..<1000))
        do {
            try sender.send(batch(1000..<2000))
            Issue.record("nobody answered, yet it went on")
        } catch let failure as Failure {
            #expect(failure.status == ExitStatus.unreachable)
            #expect(failure.message.contains("2000 events from line 1 on"))
        }
        #expect(pauses.count == EventSender<FakeChannel>.patience)
        #expect(pauses == pauses.sorted() && pauses.reduce(0, +) < 30_000)
    }

    @Test func aServerThatIsNotThereIsStatusThree() {
        let server = FakeServer()
        server.refusesConnections = 1
        #expect(throws: Failure.unreachable("connect: Connection refused")) { _ = try self.sender(server).tally }
    }

    @Test func rejectedEventsAreNamedByTheirLine() throws {
        let server = FakeServer()
        server.outcomes = ["bad": .usageInconsistent, "other": .conflict]
        var sender = try sender(server)
        try sender.send(batch(0..<3))
        try sender.send(batch(7..<8, customer: "bad"))
        try sender.send(batch(8..<9, customer: "other"))
        try sender.send(batch(9..<10, customer: "too-large"))
        try sender.drain()
        let tally = sender.tally
        #expect(tally.sent == 6)
        #expect(tally.recorded == 3)
        #expect(tally.rejected == 2)
        #expect(tally.duplicates == 1)
        #expect(tally.conflicts == 1)
        #expect(
            tally.first.sorted { $0.line < $1.line }.map(\.text) == [
                "line 8: usage_inconsistent: costInput.model", "line 9: conflict: costInput.model", "line 10: field_too_long",
            ])
    }

    @Test func whatWasTooMuchIsSentAgainLater() throws {
        let server = FakeServer()
        server.outcomes = ["soon": .overloaded]
        server.overloadedFrames = 2
        var pauses = 0
        var sender = try sender(server, paused: { _ in pauses += 1 })
        try sender.send(batch(0..<10, customer: "soon"))
        try sender.drain()
        #expect(sender.tally.recorded == 10)
        #expect(sender.tally.rejected == 0)
        #expect(pauses == 3)
    }

    @Test func whatDoesNotFitOneFrameGoesInSeveral() throws {
        let server = FakeServer()
        server.capacity = 7
        var sender = try sender(server)
        try sender.send(batch(0..<100))
        try sender.drain()
        #expect(sender.tally.recorded == 100)
        #expect(server.keys.count == 100)
    }
}

@Suite struct EventBatchTests {
    private func read(_ text: String, _ numbers: [Int]) throws -> (EventBatch, [Rejection], Int) {
        var reader = EventBatchReader()
        var rejections: [Rejection] = []
        let batch = try Array(text.utf8).withUnsafeBytes {
            try reader.read($0, shape: .ndjson, numbers: numbers, rejections: &rejections)
        }
        return (batch, rejections, reader.withoutKey)
    }

    @Test func everythingAnEventSaysGoesIntoItsFrame() throws {
        let line = """
            {"eventName":"chat","eventIdempotencyKey":"k1","customerReferenceId":"acme","featureKey":"f",\
            "occurredAt":"2026-08-06T00:00:00Z",\
            "usageUnits":2.5,"revenueAmount":"0.02","costAmount":0.00000014,"flowId":"flow","meta":{"a":[1]},"costInput":{"model":"m",\
            "modelProvider":"p","region":"eu","serviceTier":"flex","inputTokens":10,"outputTokens":3,"cacheReadTokens":4}}
            """
        let (batch, rejections, _) = try read(line, [1])
        #expect(rejections.isEmpty)
        let event = try #require(batch.events.first)
        #expect(event.key == .text("k1"))
        #expect(event.name == "chat")
        #expect(event.customer == "acme")
        #expect(event.feature == "f")
        #expect(event.model == "m")
        #expect(event.provider == "p")
        #expect(event.region == "eu")
        #expect(event.tier == .flex)
        #expect(event.occurredAt == Timestamp(rfc3339: "2026-08-06T00:00:00Z"))
        #expect(event.usageUnits == Quantity(millionths: 2_500_000))
        #expect(event.cost == Money(picodollars: 140_000))
        #expect(event.revenue == Money(picodollars: 20_000_000_000))
        #expect(event.extras == [.flowId: "flow", .meta: "{\"a\":[1]}"])
        #expect(event.usage.map(\.kind) == [.inputTokens, .outputTokens, .cacheReadTokens])
    }

    @Test func theProvidersOwnUsageGoesAsItCame() throws {
        let (batch, _, _) = try read(
            "{\"eventName\":\"e\",\"costInput\":{\"model\":\"m\",\"usage\":{\"prompt_tokens\":9, \"completion_tokens\":1}}}", [1])
        #expect(batch.events.first?.extras[.usage] == "{\"prompt_tokens\":9, \"completion_tokens\":1}")
        #expect(batch.events.first?.usage.isEmpty == true)
    }

    @Test func unitsThatStandForTokensGoAsUnits() throws {
        let (batch, _, _) = try read("{\"eventName\":\"e\",\"usageUnits\":5,\"costInput\":{\"model\":\"m\"}}", [1])
        #expect(batch.events.first?.usageUnits == Quantity(whole: 5))
        #expect(batch.events.first?.usage.isEmpty == true)
    }

    @Test func linesWithoutAKeyGetOneOfTheirOwn() throws {
        let (batch, _, withoutKey) = try read("{\"eventName\":\"a\"}\n{\"eventName\":\"b\"}\n", [1, 2])
        #expect(withoutKey == 2)
        #expect(batch.events.count == 2)
        #expect(batch.events[0].key != batch.events[1].key)
        #expect(!batch.events.contains { $0.key == .none })
    }

    @Test func aUUIDKeyIsTheSameKeyAsItsText() throws {
        let (batch, _, _) = try read("{\"eventName\":\"a\",\"eventIdempotencyKey\":\"01020304-0506-0708-090a-0b0c0d0e0f10\"}", [1])
        #expect(batch.events.first?.key == .uuid(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10))
    }

    @Test func badLinesAreNamedAndTheirNeighboursCount() throws {
        let (batch, rejections, _) = try read("{\"eventName\":\"a\"}\nnot json\n{}\n{\"eventName\":7}\n", [1, 3, 4, 9])
        #expect(batch.lines == [1])
        #expect(rejections.map(\.text) == ["line 3: malformed", "line 4: field_missing: eventName", "line 9: field_invalid: eventName"])
    }
}
