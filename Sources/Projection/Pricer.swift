// Pricer: prices recorded events by a price book: their names are resolved once each, their usage is taken from the facts.
//
// It prices as the ledger did when the event came: at the event's own time, with its tier and its region. Whether the cost was
// given, and what the event costs now, is the caller's to know.

internal import Core
internal import Journal
internal import Pricing

final class Pricer {
    /// What an event costs by the book.
    struct Outcome {
        var priced: Priced
        var match: MatchRule
    }

    /// Names come from outside: beyond this many combinations the answers kept are dropped.
    private static let keptResolutions = 65_536
    /// A fact says the number of its lines in one byte.
    private static let mostLines = 255

    let book: PriceBook
    private let substitutions: [SimulationQuery.Substitution]
    private let dependsOnFeature: Bool
    /// Number of a key is the place of its resolution.
    private var names = CellTable()
    private var resolutions: [Resolution] = []
    private let usage: UnsafeMutablePointer<UsageLine>

    init(_ book: PriceBook, substitutions: [SimulationQuery.Substitution] = []) {
        self.book = book
        self.substitutions = substitutions
        dependsOnFeature = book.hasOwnPrices
        usage = .allocate(capacity: Pricer.mostLines)
    }

    deinit { usage.deallocate() }

    func price(_ event: borrowing EventFact, _ lookups: Lookups) throws(QueryError) -> Outcome {
        let resolution = try resolution(of: event, lookups)
        guard resolution.entry >= 0 else {
            let reason = resolution.unpriced == .none ? UnpricedReason.unknownModel : resolution.unpriced
            return Outcome(priced: Priced(cost: .zero, unpriced: reason, flags: [], card: -1), match: resolution.match)
        }
        var count = 0
        for line in UsageIterator(copy event) {
            (usage + count).initialize(to: line)
            count += 1
        }
        let lines = UnsafeBufferPointer(start: usage, count: count)
        guard event.region != noString else {
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            return Outcome(
                priced: book.price(resolution, usage: lines, at: event.occurredAt, tier: event.tier, region: none), match: resolution.match)
        }
        let region = try Pricer.text(event.region, lookups)
        let (time, tier) = (event.occurredAt, event.tier)
        let priced = region.withUnsafeBytes { book.price(resolution, usage: lines, at: time, tier: tier, region: $0) }
        return Outcome(priced: priced, match: resolution.match)
    }

    private func resolution(of event: borrowing EventFact, _ lookups: Lookups) throws(QueryError) -> Resolution {
        var key = CellKey()
        key.provider = event.provider
        key.model = event.model
        if dependsOnFeature { key.feature = event.feature }
        if let known = names.existing(key) { return resolutions[known] }
        if names.count >= Pricer.keptResolutions {
            names.reset()
            resolutions = []
        }
        var provider = try Pricer.text(key.provider, lookups)
        var model = try Pricer.text(key.model, lookups)
        let feature = try Pricer.text(key.feature, lookups)
        substitute(&provider, &model)
        let found = provider.withUnsafeBytes { provider in
            model.withUnsafeBytes { model in
                feature.withUnsafeBytes { book.resolve(provider: provider, model: model, feature: $0) }
            }
        }
        _ = names.find(key)
        resolutions.append(found)
        return found
    }

    private static func text(_ id: StringID, _ lookups: Lookups) throws(QueryError) -> [UInt8] {
        try QueryError.wrap { () throws(SQLiteError) in try lookups.text(id) } ?? []
    }

    // MARK: - Substitutions

    /// The names of the model that stands in for this one; the first substitution that fits counts.
    private func substitute(_ provider: inout [UInt8], _ model: inout [UInt8]) {
        guard !model.isEmpty, let found = substitutions.first(where: { fits($0, provider, model) }) else { return }
        model = found.asModel
        if let other = found.asProvider {
            provider = other
        } else if !provider.isEmpty, row(provider, model) < 0, row([], model) >= 0 {
            provider = []
        }
    }

    private func fits(_ substitution: SimulationQuery.Substitution, _ provider: [UInt8], _ model: [UInt8]) -> Bool {
        if let wanted = substitution.provider, !same(wanted, provider, book.isSameProvider) { return false }
        if same(substitution.model, model, PriceBook.isSameName) { return true }
        let own = row(provider, model)
        return own >= 0 && own == row(provider, substitution.model)
    }

    private func row(_ provider: [UInt8], _ model: [UInt8]) -> Int32 {
        provider.withUnsafeBytes { provider in model.withUnsafeBytes { book.catalogueRow(provider: provider, model: $0) } }
    }

    private func same(
        _ a: [UInt8], _ b: [UInt8], _ test: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        a.withUnsafeBytes { first in b.withUnsafeBytes { test(first, $0) } }
    }
}

extension Projection {
    /// The book of these texts; the one asked for last is kept. Texts that make none are refused with 400.
    func priceBook(_ texts: PriceTexts) throws(QueryError) -> PriceBook {
        if let lastBook, lastBook.texts == texts { return lastBook.book }
        do {
            let book = try PriceBook.make(texts)
            lastBook = (texts, book)
            return book
        } catch {
            throw .refused(status: 400, code: "invalid_prices", message: error.description)
        }
    }

    /// The pricer of these texts, without substitutions; the one asked for last is kept, with the names it knows.
    func pricer(_ texts: PriceTexts) throws(QueryError) -> Pricer {
        let book = try priceBook(texts)
        if let lastPricer, lastPricer.book === book { return lastPricer }
        let pricer = Pricer(book)
        lastPricer = pricer
        return pricer
    }
}
