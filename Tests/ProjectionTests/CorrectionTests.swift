// Corrections: what events count for after any of them, against a list kept by hand.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

/// Later than anything in a test journal, so that answers differ only in what they say.
let late = Timestamp(nanoseconds: 4_000_000_000_000_000_000)

func json(of answer: QueryAnswer) throws -> [String: Any] {
    try #require(answer.status == 200, "\(answer.message)")
    return try #require(try JSONSerialization.jsonObject(with: Data(answer.data)) as? [String: Any])
}

extension Projection {
    /// All blocks of a query that asks for corrections, as one.
    func corrections(_ make: (UInt64) -> Query) throws -> CorrectionBlock {
        var all = CorrectionBlock()
        var from: UInt64 = 0
        while true {
            let answer = answer(make(from), now: late)
            let block = try #require(answer.corrections, "\(answer.message)")
            all.pricesAreIndexes = block.pricesAreIndexes
            all.scanned += block.scanned
            for var correction in block.corrections {
                if block.pricesAreIndexes, correction.after.price > 0 {
                    correction.after.price += StringID(all.derivations.count)
                }
                all.corrections.append(correction)
            }
            all.derivations += block.derivations
            guard let next = block.next else { return all }
            #expect(next > from)
            from = next
        }
    }

    func margins(_ groupBy: [Grouping], _ filter: EventFilter = EventFilter()) -> QueryAnswer {
        answer(.margins(MarginsQuery(groupBy: groupBy, filter: filter, timezone: Array("Asia/Kolkata".utf8))), now: late)
    }
}

/// Every amount of this name in a JSON text, in picodollars, in order: read from its digits, because a Double has too few.
func amounts(_ name: String, in answer: QueryAnswer) -> [Int128] {
    String(decoding: answer.data, as: UTF8.self).components(separatedBy: "\"\(name)\":").dropFirst().map { rest in
        let text = rest.prefix { $0.isNumber || $0 == "." || $0 == "-" }
        let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        let digits = parts[0] + (parts.count > 1 ? parts[1] : "").padding(toLength: 12, withPad: "0", startingAt: 0)
        return (text.hasPrefix("-") ? -1 : 1) * Int128(digits)!
    }
}

@Suite struct CorrectionTests {
    /// Events of every kind: given costs, costs by a price, unpriced ones.
    private func randomBatch(_ random: inout Seeded, from number: Int) -> [TestEvent] {
        (0..<Int.random(in: 1...60, using: &random)).map { offset in
            var event = randomEvent(&random, number + offset, around: interestingTimes)
            if event.cost != nil, Int.random(in: 0..<4, using: &random) > 0 {
                event.derivation = "catalogue:old:\(event.model ?? "none")|inputTokens=\(number % 7)"
                if Bool.random(using: &random), let cost = TestPrices.first.cost(of: event) { event.cost = cost }
            }
            return event
        }
    }

    @Test(arguments: [1, 2, 3]) func anyCorrectionsAgreeWithAListKeptByHand(seed: Int) throws {
        var random = Seeded(UInt64(seed) &+ 900)
        let journal = try TestJournal()
        var list = Ledgerless(journal)
        var projection = try openProjection(journal)
        projection.scanBytes = [1, 40_000, 8 << 20][seed % 3]
        var number = 0
        for round in 0..<40 {
            let batch = randomBatch(&random, from: number)
            number += batch.count
            try list.commit(batch)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: #expect(projection.catchUp(through: journal.end) && (projection.flush() || !projection.isDirty))
            // What was not flushed is forgotten and read again.
            case 1:
                let bytes = projection.scanBytes
                projection = try openProjection(journal)
                projection.scanBytes = bytes
            default: break
            }
            #expect(projection.catchUp(through: journal.end))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: try void(&list, projection, &random)
            case 1 where !list.runs.isEmpty: try reverse(&list, projection, &random, UInt32(round + 1))
            default: try reprice(&list, projection, &random, UInt32(round + 1))
            }
        }
        #expect(projection.catchUp(through: journal.end))
        #expect(!list.voided.isEmpty && list.runs.count > 10)
        for _ in 0..<2 {
            let judge = Judge()
            for _ in 0..<60 {
                let groupings = Grouping.allCases.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
                judge.margins(
                    projection, groupBy: Array(groupings), filter: randomFilter(&random),
                    timezone: interestingZones.randomElement(using: &random)!)
            }
            for _ in 0..<20 { judge.events(projection, filter: randomFilter(&random), limit: Int.random(in: 1...300, using: &random)) }
            try judge.verdict(on: journal, voided: list.voided, events: list.events)
            #expect(projection.flush() || !projection.isDirty)
        }
        #expect(try dump(projection) == freshDump(journal))
        #expect(projection.stats().rebuilds == 0)
    }

    private func reprice(_ list: inout Ledgerless, _ projection: Projection, _ random: inout Seeded, _ run: UInt32) throws {
        let prices = [TestPrices.first, .second, .third].randomElement(using: &random)!
        let filter = randomFilter(&random)
        let expected = list.repriced(filter, prices)
        let query = RepriceQuery(prices: prices.texts, filter: filter)
        let answer = projection.answer(.repricePreview(query), now: late)
        let preview = try json(of: answer)
        let block = try projection.corrections { .repriceBlock(query, from: $0) }
        let found = Dictionary(uniqueKeysWithValues: block.corrections.map { (Int($0.sequence) - 1, $0.after.cost?.picodollars) })
        #expect(found == expected.mapValues { .some($0) })
        for correction in block.corrections {
            let index = Int(correction.sequence) - 1
            #expect(correction.before.cost?.picodollars == list.events[index].cost && correction.event == list.journal.positions[index])
            #expect(correction.after.price > 0 && Int(correction.after.price) <= block.derivations.count)
        }
        // To the last digit what the preview said.
        let before = expected.keys.reduce(Int128(0)) { $0 + Int128(list.events[$1].cost ?? 0) }
        let after = expected.values.reduce(Int128(0)) { $0 + Int128($1) }
        #expect(preview["changed"] as? Int == expected.count)
        #expect(preview["newlyPriced"] as? Int == expected.keys.count { list.events[$0].cost == nil })
        // The whole first, then item by item.
        for (name, sum) in [("costBefore", before), ("costAfter", after), ("costDifference", after - before)] {
            let found = amounts(name, in: answer)
            #expect(found[0] == sum && found.dropFirst().reduce(0, +) == sum)
        }
        let matched = list.events.indices.count { list.fits($0, filter) }
        let counts = ["changed", "unchanged", "givenByClient", "noLongerPriced", "stillUnpriced", "voided"].map {
            preview[$0] as? Int ?? -1
        }
        #expect(preview["matched"] as? Int == matched && counts.reduce(0, +) == matched && counts.allSatisfy { $0 >= 0 })

        let places = try list.journal.commit(block, run: run)
        list.apply(expected.mapValues { $0 }, run: run, places.begin, places.end)
        #expect(projection.catchUp(through: list.journal.end))
        // Applied once, there is nothing left to do.
        #expect(try projection.corrections { .repriceBlock(query, from: $0) }.corrections.isEmpty)
    }

    private func reverse(_ list: inout Ledgerless, _ projection: Projection, _ random: inout Seeded, _ run: UInt32) throws {
        let taken = list.runs.randomElement(using: &random)!
        let expected = list.reversed(taken)
        let block = try projection.corrections { .reverseBlock(run: taken.number, begin: taken.begin, end: taken.end, from: $0) }
        let found = Dictionary(uniqueKeysWithValues: block.corrections.map { (Int($0.sequence) - 1, $0.after.cost?.picodollars) })
        #expect(found == expected)
        #expect(Int(block.scanned) == taken.before.count)
        let places = try list.journal.commit(block, run: run)
        list.apply(expected, run: run, places.begin, places.end)
        #expect(projection.catchUp(through: list.journal.end))
    }

    private func void(_ list: inout Ledgerless, _ projection: Projection, _ random: inout Seeded) throws {
        let index = Int.random(in: list.events.indices, using: &random)
        let event = list.events[index]
        let position = Bool.random(using: &random) ? list.journal.positions[index] : nil
        let answer = projection.answer(.void(key: Array(event.key.utf8), position: position, reason: Array("twice".utf8)), now: late)
        guard !list.voided.contains(event.sequence) else {
            #expect(answer.status == 409 && answer.code == "conflict" && answer.corrections == nil)
            return
        }
        let block = try #require(answer.corrections)
        let correction = try #require(block.corrections.first)
        #expect(correction.before == correction.after && correction.before.cost?.picodollars == event.cost)
        _ = try list.journal.commit(block, run: 0)
        list.voided.insert(event.sequence)
        list.lastRun[index] = 0
        #expect(projection.catchUp(through: list.journal.end))
    }
}
