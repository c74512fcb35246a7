// What-if and previews: cases worked by hand, and how long queries take turns.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

private func text(_ answer: QueryAnswer) -> String { String(decoding: answer.data, as: UTF8.self) }

private typealias Substitution = SimulationQuery.Substitution

extension Substitution {
    fileprivate init(_ model: String, _ provider: String? = nil, as other: String, _ otherProvider: String? = nil) {
        self.init(
            model: Array(model.utf8), provider: provider.map { Array($0.utf8) }, asModel: Array(other.utf8),
            asProvider: otherProvider.map { Array($0.utf8) })
    }
}

/// Five events of one customer: two of one model by different names, one with a given cost, one unpriced, one void.
private func smallJournal() throws -> (TestJournal, Projection) {
    let journal = try TestJournal()
    var given = pricedEvent("given")
    given.derivation = nil
    given.cost = 5_000_000_000
    var unpriced = pricedEvent("unpriced", model: "x", provider: "anthropic")
    unpriced.cost = nil
    unpriced.derivation = nil
    try journal.commit([
        pricedEvent("a"), pricedEvent("b", model: "openai/GPT-5.5-2026-04-23", provider: nil, at: "2026-05-31T23:00:00Z"), given, unpriced,
        pricedEvent("void"),
    ])
    let projection = try openProjection(journal)
    #expect(projection.catchUp(through: journal.end))
    let void = try projection.corrections { _ in .void(key: Array("void".utf8), position: nil, reason: [0x78]) }
    _ = try journal.commit(void, run: 0)
    #expect(projection.catchUp(through: journal.end))
    return (journal, projection)
}

private func simulate(
    _ projection: Projection, _ prices: TestPrices, _ substitutions: [Substitution] = [], groupBy: [Grouping] = [.customer],
    own: String = "", given: Bool = false, zone: String = ""
) -> QueryAnswer {
    var texts = prices.texts
    if !own.isEmpty { texts.own = [PriceTexts.Text(name: "own.toml", bytes: Array(own.utf8))] }
    var query = SimulationQuery(prices: texts, filter: EventFilter(), groupBy: groupBy)
    query.substitutions = substitutions
    query.repricesGiven = given
    query.timezone = Array(zone.utf8)
    return projection.answer(.simulation(query), now: late)
}

private func totals(_ answer: QueryAnswer) -> String {
    String(text(answer).components(separatedBy: "\"totals\":{").last!.prefix { $0 != "}" })
}

private struct Case {
    var prices: TestPrices
    var substitutions: [Substitution]
    var own: String
    var given: Bool
    /// Of all four events in the simulation.
    var cost: String
    var changed: Int
    var unpriced: Int

    init(
        _ prices: TestPrices = .first, _ substitutions: [Substitution] = [], own: String = "", given: Bool = false, cost: String,
        changed: Int, unpriced: Int
    ) {
        self.prices = prices
        self.substitutions = substitutions
        self.own = own
        self.given = given
        self.cost = cost
        self.changed = changed
        self.unpriced = unpriced
    }

    init(_ substitutions: [Substitution], own: String = "", given: Bool = false, cost: String, changed: Int, unpriced: Int) {
        self.init(.first, substitutions, own: own, given: given, cost: cost, changed: changed, unpriced: unpriced)
    }
}

@Suite struct SimulationTests {
    /// Costs now: 0.00225 twice, 0.005 given, one unpriced: 0.0095.
    fileprivate static let cases = [
        // The same prices: nothing changes.
        Case(cost: "0.0095", changed: 0, unpriced: 1),
        // As if the model were the other maker's: 0.0045 each; given costs stay. By whichever name.
        Case([Substitution("gpt-5.5", as: "claude")], cost: "0.014", changed: 2, unpriced: 1),
        Case([Substitution("OPENAI/gpt-5.5", as: "claude")], cost: "0.014", changed: 2, unpriced: 1),
        // Only of one provider: the second event names none.
        Case([Substitution("gpt-5.5", "OpenAI", as: "claude", "anthropic")], cost: "0.01175", changed: 1, unpriced: 1),
        Case([Substitution("gpt-5.5", "anthropic", as: "claude")], cost: "0.0095", changed: 0, unpriced: 1),
        // Given costs too.
        Case([Substitution("gpt-5.5", as: "claude")], given: true, cost: "0.0135", changed: 3, unpriced: 1),
        // What finds no price has none, and its cost is left out.
        Case([Substitution("gpt-5.5", as: "nothing")], cost: "0.005", changed: 2, unpriced: 3),
        Case([Substitution("gpt-5.5", as: "claude", "openai")], cost: "0.005", changed: 2, unpriced: 3),
        // The first that fits counts.
        Case([Substitution("gpt-5.5", as: "nothing"), Substitution("gpt-5.5", as: "claude")], cost: "0.005", changed: 2, unpriced: 3),
        // Other prices: 1000 x 7 picodollars for the one that had none.
        Case(.second, cost: "0.009500009", changed: 3, unpriced: 0),
        // A price of one's own for everything does not make every model the same one.
        Case([Substitution("claude", as: "nothing")], own: "per_unit = \"0.000001\"", cost: "0.0083", changed: 3, unpriced: 0),
        // One for a model holds for all its names.
        Case(own: "model = \"gpt-5.5\"\nrates = { input = \"1/M\", output = \"1/M\" }", cost: "0.0072", changed: 2, unpriced: 1),
    ]

    @Test(arguments: cases) fileprivate func casesWorkedByHand(_ one: Case) throws {
        let (_, projection) = try smallJournal()
        let answer = simulate(
            projection, one.prices, one.substitutions, own: one.own.isEmpty ? "" : "[[price]]\nid = \"own\"\n\(one.own)\n", given: one.given
        )
        #expect(answer.status == 200, "\(answer.message)")
        let whole = totals(answer)
        #expect(
            whole.hasPrefix("\"events\":4,\"costAmount\":0.0095,\"revenueAmount\":0.04,\"marginAmount\":0.0305,\"marginRatio\":0.7625,"))
        #expect(whole.contains("\"simulatedCostAmount\":\(one.cost),"), "\(whole)")
        #expect(
            whole.hasSuffix("\"changedEvents\":\(one.changed),\"unpricedEvents\":1,\"simulatedUnpricedEvents\":\(one.unpriced)"), "\(whole)"
        )
        let cost = amounts("simulatedCostAmount", in: answer)[0]
        #expect(amounts("costDifference", in: answer)[0] == cost - 9_500_000_000)
        #expect(amounts("simulatedMarginAmount", in: answer)[0] == 40_000_000_000 - cost)
        // Four places, of which these cases need all.
        let ratio = (40_000_000_000 - cost) * 10_000 / 40_000_000_000 * 100_000_000
        #expect(abs(amounts("simulatedMarginRatio", in: answer)[0] - ratio) <= 100_000_000)
        // One customer: the group is the whole.
        #expect(text(answer).contains("{\"customerReferenceId\":\"acme\",\(whole)}"))
    }

    @Test func groupsKeepTheNamesOfTheEvents() throws {
        let (_, projection) = try smallJournal()
        let answer = simulate(
            projection, .first, [Substitution("gpt-5.5", as: "claude")], groupBy: [.month, .model], zone: "Asia/Tokyo")
        let items = try #require(try json(of: answer)["items"] as? [[String: Any]])
        #expect(
            items.map { "\($0["month"]!) \($0["model"]!) \($0["events"]!) \($0["changedEvents"]!)" } == [
                "2026-05 gpt-5.5 2 1", "2026-05 x 1 0", "2026-06 openai/GPT-5.5-2026-04-23 1 1",
            ])
        for groupBy in [[], [.day, .day]] as [[Grouping]] {
            #expect(simulate(projection, .first, groupBy: groupBy).status == 400)
        }
        #expect(simulate(projection, .first, groupBy: [.day], zone: "Mars/Olympus").status == 400)
    }

    @Test func aPreviewSaysWhyNothingWasDone() throws {
        let (_, projection) = try smallJournal()
        let preview = text(
            projection.answer(.repricePreview(RepriceQuery(prices: TestPrices.second.texts, filter: EventFilter())), now: late))
        #expect(
            preview == """
                {"scanned":5,"matched":5,"changed":3,"newlyPriced":1,"unchanged":0,"givenByClient":1,"noLongerPriced":0,\
                "stillUnpriced":0,"voided":1,"costBefore":0.0045,"costAfter":0.004500009,"costDifference":0.000000009,"items":[\
                {"customerReferenceId":"acme","modelProvider":"anthropic","model":"x","events":1,"newlyPriced":1,"costBefore":0,\
                "costAfter":0.000000007,"costDifference":0.000000007},\
                {"customerReferenceId":"acme","modelProvider":"openai","model":"gpt-5.5","events":1,"newlyPriced":0,"costBefore":0.00225,\
                "costAfter":0.002250001,"costDifference":0.000000001},\
                {"customerReferenceId":"acme","modelProvider":null,"model":"openai/GPT-5.5-2026-04-23","events":1,"newlyPriced":0,\
                "costBefore":0.00225,"costAfter":0.002250001,"costDifference":0.000000001}],"reasons":{},"freshAsOf":"\(late)"}
                """)
        // Nothing has a price any more: everything is left as it is.
        var filter = EventFilter()
        filter.provider = Array("anthropic".utf8)
        let first = text(projection.answer(.repricePreview(RepriceQuery(prices: TestPrices.first.texts, filter: filter)), now: late))
        #expect(first.contains("\"matched\":1,\"changed\":0,") && first.contains("\"reasons\":{\"unknown_model\":1}"))
        let other = TestPrices(version: "2026-06-06", rates: ["other": ("openai", 1, 1), "more": ("anthropic", 1, 1)])
        let none = text(projection.answer(.repricePreview(RepriceQuery(prices: other.texts, filter: EventFilter())), now: late))
        #expect(none.contains("\"changed\":0,") && none.contains("\"noLongerPriced\":2,\"stillUnpriced\":1,\"voided\":1,\"costBefore\":0,"))
        filter.customer = Array("nobody".utf8)
        #expect(
            text(projection.answer(.repricePreview(RepriceQuery(prices: other.texts, filter: filter)), now: late)).contains(
                "\"matched\":0,"))
    }

    /// Tier, region, time and feature count as they did when the event came.
    @Test func eventsArePricedAsTheyWere() throws {
        let journal = try TestJournal()
        var events: [TestEvent] = []
        for number in 0..<16 {
            var event = pricedEvent("\(number)", at: number & 1 == 0 ? "2026-05-01T10:30:00Z" : "2026-07-01T10:30:00Z")
            if number & 2 != 0 { event.tier = .batch }
            if number & 4 != 0 { event.region = "eu-west-1" }
            if number & 8 != 0 { event.feature = "chat" }
            events.append(event)
        }
        try journal.commit(events)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        var texts = PriceTexts()
        texts.catalogue = Array(
            """
            version 2026-07-07
            provider openai
            title OpenAI
            maker *

            model gpt-5.5
            names gpt-5.5
            region eu*=1.5
            rate tier=batch input=1/M output=1/M
            rate input=2/M output=2/M
            rate from=2026-06-01 tier=batch input=3/M output=3/M
            rate from=2026-06-01 input=4/M output=4/M

            """.utf8)
        texts.own = [
            PriceTexts.Text(name: "own.toml", bytes: Array("[[price]]\nid = \"chat\"\nfeature = \"chat\"\nper_unit = \"0.000001\"\n".utf8))
        ]
        let block = try projection.corrections { .repriceBlock(RepriceQuery(prices: texts, filter: EventFilter()), from: $0) }
        #expect(block.corrections.count == 16)
        for (number, correction) in block.corrections.enumerated() {
            let rate = number & 8 != 0 ? 10 : [20, 40, 10, 30][number & 3] * (number & 4 != 0 ? 3 : 2) / 2
            #expect(correction.after.cost?.picodollars == Int64(1100 * rate * 100_000), "\(number)")
            let derivation = String(decoding: block.derivations[Int(correction.after.price) - 1], as: UTF8.self)
            #expect(derivation.hasPrefix(number & 8 != 0 ? "custom:chat" : "catalogue:2026-07-07:openai/gpt-5.5"), "\(derivation)")
            #expect(correction.after.match == .exact)
        }
        #expect(Set(block.derivations).count == block.derivations.count && block.derivations.count == 10)
    }

    @Test func blocksAreBoundedAndGoOnWhereTheyEnded() throws {
        let journal = try TestJournal()
        for batch in 0..<12 { try journal.commit((0..<400).map { pricedEvent("\(batch)-\($0)") }) }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let query = RepriceQuery(prices: TestPrices.second.texts, filter: EventFilter())
        let first = try #require(projection.answer(.repriceBlock(query, from: 0), now: late).corrections)
        #expect(first.corrections.count == Limits.correctionBlock && Int(first.scanned) == Limits.correctionBlock)
        let more = try #require(first.next)
        let second = try #require(projection.answer(.repriceBlock(query, from: more), now: late).corrections)
        #expect(second.corrections.count == 4800 - Limits.correctionBlock && second.next == nil)
        #expect((first.corrections + second.corrections).map(\.sequence) == Array(1...4800))
        let run = try journal.commit(CorrectionBlock(first, second), run: 1)
        #expect(projection.catchUp(through: journal.end))
        let back = try #require(projection.answer(.reverseBlock(run: 1, begin: run.begin, end: run.end, from: 0), now: late).corrections)
        #expect(back.corrections.count == Limits.correctionBlock)
        let middle = try #require(back.next)
        let rest = try #require(
            projection.answer(.reverseBlock(run: 1, begin: run.begin, end: run.end, from: middle), now: late).corrections)
        #expect((back.corrections + rest.corrections).map(\.sequence) == Array(1...4800) && rest.next == nil)
    }

    @Test func longQueriesTakeTurns() throws {
        let journal = try TestJournal()
        for batch in 0..<60 { try journal.commit((0..<400).map { pricedEvent("\(batch)-\($0)") }) }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let query = Query.repricePreview(RepriceQuery(prices: TestPrices.second.texts, filter: EventFilter()))
        let whole = projection.answer(query, now: late).data
        projection.scanBytes = 1
        // One step of each in turn: two are in hand, the third waits for one of them.
        var turns: [UInt64: Int] = [:]
        var done: [UInt64] = []
        while done.count < 3 {
            for token in UInt64(1)...3 where !done.contains(token) {
                turns[token, default: 0] += 1
                guard let answer = projection.answer(query, token: token, now: late) else { continue }
                // The third began when there was more.
                #expect(token < 3 ? answer.data == whole : answer.status == 200 && answer.data != whole)
                done.append(token)
            }
            #expect(projection.inHand.count <= Limits.longQueries)
            // Others are answered meanwhile, and what arrives meanwhile is not in it.
            #expect(projection.margins([.customer]).status == 200)
            try journal.commit([pricedEvent("more-\(turns[3] ?? 0)")])
            #expect(projection.catchUp(through: journal.end))
            if done.isEmpty, turns[1] == 2 { #expect(projection.flush()) }
        }
        #expect(done.prefix(2) == [1, 2] && projection.inHand.isEmpty)
        #expect(turns[1]! >= 3 && turns[3]! > turns[1]!)
    }

    @Test func aLongQueryWaitsForAFileThatIsMadeAnew() throws {
        let journal = try TestJournal()
        for batch in 0..<60 { try journal.commit((0..<400).map { pricedEvent("\(batch)-\($0)") }) }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let query = Query.simulation(SimulationQuery(prices: TestPrices.second.texts, filter: EventFilter(), groupBy: [.model]))
        let whole = projection.answer(query, now: late).data
        projection.scanBytes = 1
        for _ in 0..<2 { #expect(projection.answer(query, token: 1, now: late)?.status == nil) }
        projection.rebuild(because: "a test wants it")
        #expect(projection.answer(query, token: 1, now: late)?.status == nil)
        var answer: QueryAnswer?
        while answer == nil {
            _ = projection.catchUp(through: journal.end, bytes: 1)
            answer = projection.answer(query, token: 1, now: late)
        }
        #expect(answer?.data == whole && projection.inHand.isEmpty)
    }

    @Test func pricesThatAreNoneAreRefused() throws {
        let (_, projection) = try smallJournal()
        var texts = PriceTexts()
        texts.own = [PriceTexts.Text(name: "own.toml", bytes: Array("[[price]]\nid = 3\n".utf8))]
        let query = RepriceQuery(prices: texts, filter: EventFilter())
        for query in [
            Query.repricePreview(query), .repriceBlock(query, from: 0),
            .simulation(SimulationQuery(prices: texts, filter: EventFilter(), groupBy: [.day])),
        ] {
            let answer = projection.answer(query, now: late)
            #expect(answer.status == 400 && answer.code == "invalid_prices" && answer.message.hasPrefix("own.toml:"), "\(answer.message)")
        }
        #expect(projection.inHand.isEmpty)
        // The book of the last texts is kept, with the names that were resolved.
        #expect(try projection.pricer(TestPrices.first.texts) === projection.pricer(TestPrices.first.texts))
        #expect(try projection.pricer(TestPrices.first.texts) !== projection.pricer(TestPrices.second.texts))
    }

    /// From anything less than the whole journal a correction would be wrong.
    @Test func correctionsAreComputedFromTheWholeJournalOnly() throws {
        let journal = try filledJournal(batches: 20, seed: 31)
        let projection = try openProjection(journal)
        #expect(!projection.catchUp(through: journal.end, bytes: 1))
        let query = RepriceQuery(prices: TestPrices.first.texts, filter: EventFilter())
        for query in [
            Query.repriceBlock(query, from: 0), .void(key: Array("key-1".utf8), position: nil, reason: [0x78]),
            .reverseBlock(run: 1, begin: .start, end: journal.end, from: 0),
        ] {
            #expect(projection.answer(query, now: late).status == 500)
        }
        #expect(projection.catchUp(through: journal.end))
        #expect(projection.answer(.repriceBlock(query, from: 0), now: late).status == 200)
    }
}

extension CorrectionBlock {
    /// Two blocks as one.
    fileprivate init(_ first: CorrectionBlock, _ second: CorrectionBlock) {
        self = first
        for var correction in second.corrections {
            correction.after.price += StringID(first.derivations.count)
            corrections.append(correction)
        }
        derivations += second.derivations
    }
}
