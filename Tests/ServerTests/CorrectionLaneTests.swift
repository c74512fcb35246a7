// The lane of corrections: one at a time, each after the one before is durable, voids between the blocks of a run.

import Core
import Journal
import Ledger
import Testing

@testable import Server

/// Answers the lane's questions from a list, keeping what was asked.
private final class Desk {
    let host: Host
    /// Events that can be corrected, by sequence.
    let events: [UInt64]
    var questions: [String] = []
    /// Prices of one's own that a block of a run is to be made with, and the sequence its events are below.
    var bounds: [String] = []

    init(_ host: Host, events: [UInt64]) {
        self.host = host
        self.events = events
        host.answersQueries = false
    }

    func correction(_ sequence: UInt64, kind: CorrectionKind, to cost: Int64?) -> Correction {
        var correction = Correction(
            kind: kind, run: 0, at: Timestamp(nanoseconds: 0), sequence: sequence, event: JournalPosition(segment: 1, offset: 4176))
        correction.occurredAt = Host.start.wall
        correction.eventName = 1
        correction.before = CostState(cost: Money(picodollars: 1_000_000_000_000))
        correction.after = CostState(cost: cost.map { Money(picodollars: $0) }, unpriced: cost == nil ? .noRate : .none)
        return correction
    }

    /// Two corrections a block.
    func answer(_ query: Query) -> QueryAnswer {
        switch query {
        case .repriceBlock(_, let from), .reverseBlock(_, _, _, let from):
            questions.append("block \(from)")
            if case .repriceBlock(let run, _) = query { bounds.append("\(run.prices.own.count) below \(run.below)") }
            var block = CorrectionBlock()
            let rest = events.dropFirst(Int(from))
            let isReverse = if case .reverseBlock = query { true } else { false }
            block.corrections = rest.prefix(2).map { correction($0, kind: isReverse ? .reverse : .reprice, to: 2_000_000_000_000) }
            if rest.count > 2 { block.next = from + 2 }
            return QueryAnswer(corrections: block)
        case .void(let key, _, _):
            let text = String(decoding: key, as: UTF8.self)
            questions.append("void \(text)")
            guard text != "void" else { return QueryAnswer(status: 409, code: "conflict", message: "This event is void already") }
            var block = CorrectionBlock()
            block.corrections = [correction(1, kind: .void, to: 1)]
            var answer = QueryAnswer(corrections: block)
            answer.data = Array("\"sequence\":1".utf8)
            return answer
        case .catalogueCheck: return QueryAnswer(data: Array("\"rows\":1".utf8))
        default: return Host.answer(query)
        }
    }

    /// Answers what was asked so far; false when nothing was.
    func serve() -> Bool {
        let asked = host.asked
        host.asked = []
        for pending in asked { host.server.answered(pending.connection, answer(pending.query), at: host.now) }
        return !asked.isEmpty
    }

    func settle() throws {
        for _ in 0..<200 {
            host.turn()
            try host.sync()
            if !serve(), !host.isWriting, host.server.pipeline.isIdle, host.server.dirty.isEmpty, host.server.queries.isEmpty { return }
        }
        Issue.record("it does not come to rest")
    }
}

private let base = "/api/v1/client"

@Suite struct CorrectionLaneTests {
    /// A host with events 1...count recorded, and its desk.
    private func desk(_ count: Int) throws -> (Host, Desk, Int) {
        let host = try Host()
        let client = host.connect()
        for index in 0..<count { _ = try host.exchange(client, post("k\(index)")) }
        return (host, Desk(host, events: Array(1...UInt64(count))), client)
    }

    @Test func aRunAsksOnOnlyWhenWhatItWroteIsDurable() throws {
        let (host, desk, client) = try desk(5)
        host.send(client, request("POST \(base)/reprices", "{\"apply\":true,\"model\":\"m\"}"))
        host.turn()
        #expect(host.asked.count == 1)
        _ = desk.serve()
        // The first block is written, not synced: no question, no answer.
        host.turn()
        #expect(host.isWriting && host.asked.isEmpty && host.take(client).isEmpty)
        try host.sync()
        host.turn()
        #expect(host.asked.count == 1)
        try desk.settle()
        #expect(desk.questions == ["block 0", "block 2", "block 4"])
        let reply = Reply.all(host.take(client))
        #expect(reply.map(\.status) == [201])
        let text = reply[0].body
        #expect(text.contains("\"id\":1,\"kind\":\"reprice\",\"status\":\"applied\""))
        #expect(text.contains("\"filter\":{\"model\":\"m\"}"))
        #expect(text.contains("\"events\":5,\"newlyPriced\":0,\"costBefore\":5,\"costAfter\":10,\"costDifference\":5"))
        #expect(host.server.ledger.totalCost.picodollars == 10_000_000_000_000)
        let again = try host.restarted()
        #expect(again.server.ledger.totalCost == host.server.ledger.totalCost && again.server.ledger.runs.count == 1)
        #expect(again.server.ledger.runs[0].end != nil)
    }

    @Test func aVoidGoesBetweenTheBlocksOfARun() throws {
        let (host, desk, client) = try desk(6)
        let other = host.connect()
        host.send(client, request("POST \(base)/reprices", "{\"apply\":true}"))
        host.turn()
        host.send(other, request("POST \(base)/events/k1/void", "{\"reason\":\"sent twice\"}"))
        try desk.settle()
        #expect(desk.questions == ["block 0", "void k1", "block 2", "block 4"])
        #expect(statuses(host.take(other)) == [200] && statuses(host.take(client)) == [201])
    }

    @Test func aRunHasThePricesOfItsBeginningAndNoEventsSince() throws {
        let (host, desk, client) = try desk(3)
        let (second, third) = (host.connect(), host.connect())
        host.send(client, request("POST \(base)/reprices", "{\"apply\":true}"))
        host.send(second, request("POST \(base)/reprices", "{\"apply\":true}"))
        host.turn()
        host.send(third, request("POST \(base)/prices", "{\"id\":\"deal\",\"model\":\"custom-1\",\"perUnit\":1}"))
        host.send(third, post("late"))
        try desk.settle()
        #expect(desk.bounds == ["0 below 4", "0 below 4", "1 below 5", "1 below 5"])
        #expect(statuses(host.take(client)) == [201] && statuses(host.take(second)) == [201])
    }

    @Test func aRunThatChangesNothingLeavesNoTrace() throws {
        let (host, _, client) = try desk(1)
        let empty = Desk(host, events: [])
        host.send(client, request("POST \(base)/reprices", "{\"apply\":true}"))
        try empty.settle()
        let reply = Reply.all(host.take(client))
        #expect(reply.map(\.status) == [200] && host.server.ledger.runs.isEmpty)
        #expect(reply[0].body.contains("\"id\":null,\"status\":\"unchanged\""))
    }

    @Test func aRunIsTakenBackOnce() throws {
        let (host, desk, client) = try desk(3)
        host.send(client, request("POST \(base)/reprices", "{\"apply\":true}"))
        try desk.settle()
        host.send(client, request("POST \(base)/reprices/1/reverse"))
        try desk.settle()
        host.send(client, request("POST \(base)/reprices/1/reverse"))
        host.send(client, request("POST \(base)/reprices/9/reverse"))
        host.send(client, request("GET \(base)/reprices/1"))
        try desk.settle()
        let replies = Reply.all(host.take(client))
        #expect(replies.map(\.status) == [201, 201, 409, 404, 200])
        #expect(replies[4].body.contains("\"status\":\"reversed\""))
    }

    @Test func whatCannotBeVoidedIsRefusedAndNothingIsWritten() throws {
        let (host, desk, client) = try desk(1)
        let before = host.durableEnd
        for body in [
            "", "{}", "{\"reason\":\"\"}", "{\"reason\":\"  \"}", "{\"reason\":7}",
            "{\"reason\":\"\(String(repeating: "x", count: 257))\"}",
        ] {
            host.send(client, request("POST \(base)/events/k0/void", body))
            try desk.settle()
            #expect(statuses(host.take(client)) == [400])
        }
        host.send(client, request("POST \(base)/events/void/void", "{\"reason\":\"again\"}"))
        try desk.settle()
        #expect(statuses(host.take(client)) == [409])
        #expect(host.durableEnd == before)
    }

    @Test func aFullDiskStopsAVoidAndAnsweringGoesOn() throws {
        let host = try Host(segmentBytes: 1 << 20)
        let client = host.connect()
        _ = try host.exchange(client, post("k0"))
        let desk = Desk(host, events: [1])
        host.diskIsFull = true
        let filler = host.connect()
        let note = String(repeating: "x", count: 8000)
        for index in 0..<400 where !host.server.pipeline.isFull {
            host.send(
                filler,
                request(
                    eventsPath,
                    "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"f\(index)\",\"costAmount\":1,\"meta\":{\"a\":\"\(note)\"}}"))
            try desk.settle()
        }
        let isFull = host.server.pipeline.isFull
        #expect(isFull)
        _ = host.take(filler)
        var last = 0
        for _ in 0..<200 where last != 507 {
            host.send(filler, request(eventsPath, "{\"eventName\":\"call\",\"costAmount\":1,\"meta\":{\"a\":\"\(note)\"}}"))
            try desk.settle()
            last = statuses(host.take(filler)).last ?? 0
        }
        #expect(last == 507)
        host.send(client, request("POST \(base)/events/k0/void", "{\"reason\":\"x\"}"))
        try desk.settle()
        #expect(statuses(host.take(client)) == [507])
        host.send(client, request("GET \(base)/reprices"))
        try desk.settle()
        #expect(statuses(host.take(client)) == [200])
    }

    @Test func whoWaitsIsToldThatTheDaemonStops() throws {
        let (host, desk, client) = try desk(3)
        host.send(client, request("POST \(base)/reprices", "{\"apply\":true}"))
        host.turn()
        host.server.drain()
        try desk.settle()
        #expect(statuses(host.take(client)) == [503])
    }

    @Test func correctingNeedsTheAdminScope() throws {
        let host = try Host(key: "sk_live_00112233445566778899aabbccddeeff")
        let client = host.connect(.remote)
        let all = "Authorization: Bearer sk_live_00112233445566778899aabbccddeeff"
        let made = Reply.all(try host.exchange(client, request("POST \(base)/keys", "{\"scopes\":[\"ingest\",\"read\"]}", [all])))
        let body = made[0].body
        let start = try #require(body.firstRange(of: "sk_live_")).lowerBound
        let key = String(body[start...].prefix(40))
        let poor = "Authorization: Bearer \(key)"
        for line in [
            "POST \(base)/events/k/void", "POST \(base)/reprices", "POST \(base)/reprices/1/reverse", "POST \(base)/prices",
            "DELETE \(base)/prices/x", "PUT \(base)/prices/catalogue",
        ] { #expect(statuses(try host.exchange(client, request(line, "", [poor]))) == [403]) }
        for line in ["GET \(base)/reprices", "GET \(base)/prices", "GET \(base)/prices/catalogue"] {
            #expect(statuses(try host.exchange(client, request(line, "", [poor]))) == [200])
        }
    }

    @Test func pricingWhatWaitedIsTriedAgainAfterItFailed() throws {
        let host = try Host()
        let client = host.connect()
        _ = try host.exchange(client, request(eventsPath, "{\"eventName\":\"c\",\"costInput\":{\"model\":\"none\",\"inputTokens\":1}}"))
        host.answersQueries = false
        host.server.sweep(at: host.now)
        func refuse() throws -> Int {
            host.turn()
            try host.sync()
            host.turn()
            let asked = host.asked
            host.asked = []
            for pending in asked {
                host.server.answered(pending.connection, QueryAnswer(status: 500, code: "internal_error", message: "x"), at: host.now)
            }
            return asked.count
        }
        #expect(try refuse() == 1)
        host.wait(30)
        host.server.sweep(at: host.now)
        #expect(try refuse() == 0)
        host.wait(31)
        host.server.sweep(at: host.now)
        #expect(try refuse() == 1)
    }
}
