// Prices for tests: small catalogues that differ where it matters, and a cost worked out without the price book.

import Core
import Foundation
import Journal
import Pricing

@testable import Projection

/// Rates of `model`s, micro-dollars a million tokens, for input and output.
struct TestPrices {
    var version: String
    var rates: [String: (provider: String, input: Int64, output: Int64)]

    /// `x` has no price here, and nor has `claude` in the second.
    static let first = TestPrices(
        version: "2026-01-01", rates: ["gpt-5.5": ("openai", 1_250_000, 10_000_000), "claude": ("anthropic", 3_000_000, 15_000_000)])
    static let second = TestPrices(version: "2026-02-02", rates: ["gpt-5.5": ("openai", 1_250_001, 10_000_000), "x": ("anthropic", 7, 0)])
    static let third = TestPrices(
        version: "2026-03-03",
        rates: ["gpt-5.5": ("openai", 1_250_000, 10_000_000), "claude": ("anthropic", 0, 0), "x": ("anthropic", 333_333, 1)])

    var texts: PriceTexts {
        var text = ""
        for provider in ["openai", "anthropic"] {
            text += "version \(version)\nprovider \(provider)\ntitle \(provider)\nmaker *\n\n"
            for (model, rate) in rates.sorted(by: { $0.key < $1.key }) where rate.provider == provider {
                text += "model \(model)\nnames \(model)\nrate input=\(rate.input)/M output=\(rate.output)/M\n\n"
                    .replacingOccurrences(of: "\(rate.input)/M", with: "\(TestPrices.decimal(rate.input))/M")
                    .replacingOccurrences(of: "output=\(rate.output)/M", with: "output=\(TestPrices.decimal(rate.output))/M")
            }
        }
        var texts = PriceTexts()
        texts.catalogue = Array(text.utf8)
        return texts
    }

    private static func decimal(_ micro: Int64) -> String { DecimalText.text(Int128(micro), places: 6) }

    /// What an event costs; nil for nothing. Micro-dollars a million units are picodollars a unit: no rounding is left but that
    /// of parts of a token, of which tests have none.
    func cost(of event: TestEvent) -> Int64? {
        guard let model = event.model, let rate = rates[model], event.provider == rate.provider else { return nil }
        guard event.inputTokens != nil || event.outputTokens != nil else { return nil }
        return (event.inputTokens ?? 0) / 1_000_000 * rate.input + (event.outputTokens ?? 0) / 1_000_000 * rate.output
    }
}

/// What the journal's events count for, kept by hand.
struct Ledgerless {
    var journal: TestJournal
    /// As they count now.
    var events: [TestEvent] = []
    var voided: Set<UInt64> = []
    /// Costs before each run, by index of the event; and whether the run was the last to touch it.
    var runs: [Run] = []
    /// The last run that corrected an event: 0 none.
    var lastRun: [UInt32] = []

    struct Run {
        var number: UInt32
        var before: [Int: Int64?] = [:]
        var begin: JournalPosition
        var end: JournalPosition
    }

    init(_ journal: TestJournal) { self.journal = journal }

    mutating func commit(_ batch: [TestEvent]) throws {
        try journal.commit(batch)
        while events.count < journal.events.count {
            events.append(journal.events[events.count])
            lastRun.append(0)
        }
    }

    func isGiven(_ index: Int) -> Bool { journal.events[index].cost != nil && journal.events[index].derivation == nil }

    func fits(_ index: Int, _ filter: EventFilter) -> Bool {
        let event = events[index]
        func same(_ wanted: [UInt8]?, _ name: String?) -> Bool { wanted == nil || wanted == name.map { Array($0.utf8) } }
        guard same(filter.customer, event.customer), same(filter.feature, event.feature), same(filter.model, event.model),
            same(filter.provider, event.provider), same(filter.eventName, event.eventName), same(filter.flowId, event.flow)
        else { return false }
        if let from = filter.from?.nanoseconds, event.occurredAt < from { return false }
        if let to = filter.to?.nanoseconds, event.occurredAt >= to { return false }
        guard let unpriced = filter.unpriced else { return true }
        return !voided.contains(event.sequence) && unpriced == (event.cost == nil)
    }

    /// Costs after pricing again, of the events that change.
    func repriced(_ filter: EventFilter, _ prices: TestPrices) -> [Int: Int64] {
        var changes: [Int: Int64] = [:]
        for index in events.indices where fits(index, filter) && !voided.contains(events[index].sequence) && !isGiven(index) {
            if let cost = prices.cost(of: events[index]), cost != events[index].cost { changes[index] = cost }
        }
        return changes
    }

    /// Takes over what a run did.
    mutating func apply(_ changes: [Int: Int64?], run: UInt32, _ begin: JournalPosition, _ end: JournalPosition) {
        var made = Run(number: run, begin: begin, end: end)
        for (index, cost) in changes {
            made.before[index] = .some(events[index].cost)
            events[index].cost = cost
            lastRun[index] = run
        }
        runs.append(made)
    }

    /// Costs after a run is taken back, of the events that change.
    func reversed(_ run: Run) -> [Int: Int64?] {
        run.before.filter { index, _ in lastRun[index] == run.number && !voided.contains(events[index].sequence) }
    }
}
