// What is shown of an event after corrections, and what they do to sums: cases worked by hand.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

private func text(_ answer: QueryAnswer) -> String { String(decoding: answer.data, as: UTF8.self) }

/// An event of 1000 tokens in and 100 out: 0.00225 USD by the first prices.
func pricedEvent(_ key: String, model: String = "gpt-5.5", provider: String? = "openai", at time: String = "2026-05-01T10:30:00Z")
    -> TestEvent
{
    var event = TestEvent(key: key, customer: "acme", model: model, provider: provider, occurredAt: instant(time))
    event.inputTokens = 1_000_000_000
    event.outputTokens = 100_000_000
    event.derivation = "catalogue:2026-01-01:openai/gpt-5.5|inputTokens=1250000000|outputTokens=10000000000"
    event.cost = 2_250_000_000
    event.revenue = 10_000_000_000
    return event
}

extension Projection {
    fileprivate func event(_ key: String) -> String { text(answer(.event(key: Array(key.utf8), position: nil), now: late)) }

    /// Everything that margins say, in every way they are put together.
    fileprivate func everything() -> [[UInt8]] {
        var filter = EventFilter()
        filter.from = Timestamp(nanoseconds: instant("2026-04-30T10:10:00Z"))
        filter.to = Timestamp(nanoseconds: instant("2026-07-30T10:40:00Z"))
        var unpriced = EventFilter()
        unpriced.unpriced = true
        return [
            margins([.customer]), margins([.model, .provider]), margins([.day]), margins([.hour], filter),
            margins([.month, .eventName], filter),
            margins([.feature], unpriced), answer(.events(EventFilter(), limit: 1000, cursor: nil), now: late),
            answer(.customers(search: nil, limit: 100, offset: 0), now: late),
        ].map(\.data)
    }
}

@Suite struct HistoryTests {
    @Test func anEventShowsWhatItCountsForAndWhatItCountedForBefore() throws {
        let journal = try TestJournal()
        var late = pricedEvent("late", model: "claude", provider: "anthropic")
        late.cost = nil
        late.derivation = nil
        try journal.commit([pricedEvent("k"), late])
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        #expect(!projection.event("k").contains("corrections"))
        let position = journal.positions[0]
        #expect(projection.event("k").contains("\"position\":\"\(position.segment):\(position.offset)\""))
        var places: [JournalPosition] = []
        var times: [String] = []
        func commit(_ query: @escaping (UInt64) -> Query, run: UInt32) throws {
            let block = try projection.corrections(query)
            times.append(Timestamp(nanoseconds: journal.clock).description)
            places += try journal.commit(block, run: run).places
            #expect(projection.catchUp(through: journal.end))
        }
        let query = RepriceQuery(prices: TestPrices.second.texts, filter: EventFilter())
        try commit({ .repriceBlock(query, from: $0) }, run: 7)
        // 1000 x 1.250001 + 100 x 10 dollars a million.
        var line = projection.event("k")
        for part in [
            "\"costAmount\":0.002250001,", "\"marginAmount\":0.007749999,", "\"priceSource\":\"catalogue:2026-02-02:openai/gpt-5.5\"",
            "\"rate\":0.000001250001,", "\"match\":\"exact\"",
            """
            "corrections":[{"kind":"reprice","run":7,"at":"\(times[0])","position":"1:\(places[0].offset)","costBefore":0.00225,\
            "costAfter":0.002250001,"priceSource":"catalogue:2026-02-02:openai/gpt-5.5"}]
            """,
        ] {
            #expect(line.contains(part), "\(part) is not in \(line)")
        }
        let begin = JournalPosition(segment: 1, offset: 4096)
        try commit({ .reverseBlock(run: 7, begin: begin, end: journal.end, from: $0) }, run: 8)
        line = projection.event("k")
        for part in [
            "\"costAmount\":0.00225,", "\"priceSource\":\"catalogue:2026-01-01:openai/gpt-5.5\"", "\"rate\":0.00000125,",
            """
            },{"kind":"reverse","run":8,"at":"\(times[1])","position":"1:\(places[1].offset)","costBefore":0.002250001,\
            "costAfter":0.00225,"priceSource":"catalogue:2026-01-01:openai/gpt-5.5"}]
            """,
        ] {
            #expect(line.contains(part), "\(part) is not in \(line)")
        }
        // An event without a cost gets one, is voided, and shows both.
        let first = RepriceQuery(prices: TestPrices.first.texts, filter: EventFilter())
        try commit({ .repriceBlock(first, from: $0) }, run: 9)
        try commit({ _ in .void(key: Array("late".utf8), position: nil, reason: Array("\"test\"".utf8)) }, run: 0)
        line = projection.event("late")
        for part in [
            "\"costAmount\":0.0045,", "\"revenueAmount\":0.01,", "\"unpriced\":false,",
            "\"voided\":true,\"voidReason\":\"\\\"test\\\"\",\"voidedAt\":\"\(times[3])\"",
            """
            "corrections":[{"kind":"reprice","run":9,"at":"\(times[2])","position":"1:\(places[2].offset)",\
            "unpricedReasonBefore":"unknown_model","costAfter":0.0045,"priceSource":"catalogue:2026-01-01:anthropic/claude"},\
            {"kind":"void","at":"\(times[3])","position":"1:\(places[3].offset)","costBefore":0.0045,"reason":"\\\"test\\\""}]
            """,
        ] {
            #expect(line.contains(part), "\(part) is not in \(line)")
        }
        // And from the file.
        #expect(projection.flush() && projection.event("late") == line)
    }

    @Test func takingARunBackRestoresEveryFigure() throws {
        let journal = try TestJournal()
        for batch in 0..<20 {
            try journal.commit(
                (0..<40).map { number in
                    var event = pricedEvent("\(batch)-\(number)", model: ["gpt-5.5", "claude", "x"][number % 3])
                    if event.model != "gpt-5.5" { event.provider = "anthropic" }
                    if number % 4 == 0 {
                        event.cost = nil
                        event.derivation = nil
                    }
                    event.occurredAt += Int64(batch * 5_000_000_000_000 + number)
                    return event
                })
        }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        func withoutHistory(_ data: [[UInt8]]) -> [String] {
            data.map { String(decoding: $0, as: UTF8.self).replacing(/,"corrections":\[[^\]]*\]/, with: "") }
        }
        let before = projection.everything()
        let query = RepriceQuery(prices: TestPrices.third.texts, filter: EventFilter())
        let block = try projection.corrections { .repriceBlock(query, from: $0) }
        #expect(block.corrections.count > 400)
        let run = try journal.commit(block, run: 1)
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        let between = projection.everything()
        for (one, other) in zip(before, between) { #expect(one != other) }
        let back = try projection.corrections { .reverseBlock(run: 1, begin: run.begin, end: run.end, from: $0) }
        #expect(back.corrections.count == block.corrections.count && Int(back.scanned) == block.corrections.count)
        _ = try journal.commit(back, run: 2)
        #expect(projection.catchUp(through: journal.end))
        #expect(withoutHistory(projection.everything()) == withoutHistory(before))
        #expect(projection.flush())
        #expect(withoutHistory(projection.everything()) == withoutHistory(before))
        // Another time there is nothing to take back.
        let again = try projection.corrections { .reverseBlock(run: 1, begin: run.begin, end: run.end, from: $0) }
        #expect(again.corrections.isEmpty && Int(again.scanned) == block.corrections.count)
    }

    @Test func aVoidEventLeavesNothingInSums() throws {
        let journal = try TestJournal()
        var other = pricedEvent("other")
        other.customer = "bolt"
        other.flow = "flow"
        other.usageUnits = 1_500_000
        var projection = try openProjection(journal)
        try journal.commit([pricedEvent("k")])
        #expect(projection.catchUp(through: journal.end))
        var filter = EventFilter()
        filter.from = Timestamp(nanoseconds: instant("2026-05-01T10:29:00Z"))
        func sums() -> [String] {
            [projection.margins([.customer]), projection.margins([.day], filter), projection.margins([.model])].map { text($0) }
        }
        let alone = sums()
        try journal.commit([other])
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        #expect(sums() != alone)
        let answer = projection.answer(.void(key: Array("other".utf8), position: journal.positions[1], reason: [0x78]), now: late)
        #expect(text(answer) == "\"eventId\":\"2\",\"sequence\":2,\"eventIdempotencyKey\":\"other\"")
        let block = try #require(answer.corrections)
        #expect(block.corrections[0].counts.usageUnits.millionths == 1_500_000 && block.next == nil && !block.pricesAreIndexes)
        _ = try journal.commit(block, run: 0)
        #expect(projection.catchUp(through: journal.end))
        #expect(sums() == alone)
        #expect(projection.flush() && sums() == alone)
        projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end) && sums() == alone)
        // It is shown, but neither as priced nor as unpriced.
        for (unpriced, count) in [(nil, 2), (true, 0), (false, 1)] as [(Bool?, Int)] {
            var filter = EventFilter()
            filter.unpriced = unpriced
            let page = try #require(Page(projection.answer(.events(filter, limit: 10, cursor: nil), now: late).data))
            #expect(page.count == count)
        }
        var flow = EventFilter()
        flow.flowId = Array("flow".utf8)
        #expect(try json(of: projection.margins([.customer], flow))["items"] as? [String] == [])
        let missing = projection.answer(.void(key: Array("nobody".utf8), position: nil, reason: [0x78]), now: late)
        #expect(missing.status == 404 && missing.message == "Event not found")
        let again = projection.answer(.void(key: Array("other".utf8), position: nil, reason: [0x78]), now: late)
        #expect(again.status == 409 && again.message == "This event is void already")
    }

    @Test func onlyTheNewestCorrectionsOfALongChainAreShown() throws {
        let journal = try TestJournal()
        try journal.commit([pricedEvent("k")])
        let projection = try openProjection(journal)
        let prices = [TestPrices.second, .first].map { RepriceQuery(prices: $0.texts, filter: EventFilter()) }
        for run in 1...UInt32(Limits.correctionsShown + 3) {
            #expect(projection.catchUp(through: journal.end))
            let block = try projection.corrections { .repriceBlock(prices[Int(run + 1) % 2], from: $0) }
            #expect(block.corrections.count == 1)
            _ = try journal.commit(block, run: run)
        }
        #expect(projection.catchUp(through: journal.end))
        let event = try json(of: projection.answer(.event(key: [0x6B], position: nil), now: late))
        let shown = try #require(event["corrections"] as? [[String: Any]])
        #expect(shown.compactMap { $0["run"] as? Int } == Array(4...Limits.correctionsShown + 3))
    }

    @Test func aCorrectionThatIsNoneStopsTheProjection() throws {
        let journal = try TestJournal()
        try journal.commit([pricedEvent("k")])
        let projection = try openProjection(journal)
        projection.retryInterval = 0
        #expect(projection.catchUp(through: journal.end))
        try journal.commit(raw: .correction, [9, 0, 0])
        #expect(!projection.catchUp(through: journal.end) && projection.isBlocked)
        #expect(projection.stats().lastError?.contains("does not decode") == true)
    }

    /// A chain that does not go back would never end.
    @Test func aChainThatLeadsAstrayIsAnError() throws {
        let journal = try TestJournal()
        try journal.commit([pricedEvent("a"), pricedEvent("b")])
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let query = RepriceQuery(prices: TestPrices.second.texts, filter: EventFilter())
        var block = try projection.corrections { .repriceBlock(query, from: $0) }
        block.corrections[0].previous = JournalPosition(segment: 9, offset: 9)
        block.corrections[1].previous = journal.positions[0]
        _ = try journal.commit(block, run: 1)
        #expect(projection.catchUp(through: journal.end))
        for key in ["a", "b"] {
            #expect(projection.answer(.event(key: Array(key.utf8), position: nil), now: late).status == 500)
            #expect(projection.stats().lastQueryError != nil)
        }
        #expect(projection.margins([.customer]).status == 200)
    }
}
