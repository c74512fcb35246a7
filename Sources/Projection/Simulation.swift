// Simulation: what past events would have cost at other prices, or with other models, beside what they cost.
//
// Every event that fits is priced again as it was, at its own time, with its tier and region; a substitution only changes whose
// price it gets, so it stays in the group of the model it named. Void events do not count, as in margins.

internal import Core
internal import Journal
internal import Pricing

final class Simulation: LongQuery {
    /// What a group comes to in the simulation; the rest is in its figures.
    private struct Sums {
        /// Picodollars, of the events that have a cost there.
        var cost: Int128 = 0
        /// Events that have another cost there, or one only here or only there.
        var changed: Int64 = 0
        var unpriced: Int64 = 0

        mutating func add(_ simulated: Money?, instead actual: Money?) {
            cost += Int128(simulated?.picodollars ?? 0)
            if simulated != actual { changed += 1 }
            if simulated == nil { unpriced += 1 }
        }
    }

    private let filter: ResolvedFilter
    private let pricer: Pricer
    private let repricesGiven: Bool
    private let freshAsOf: Timestamp
    let end: JournalPosition
    private var place = JournalPosition.start
    private var groups: MarginGroups
    /// Of the group with the same number.
    private var sums: [Sums] = []
    private var totals = Sums()

    init(_ query: SimulationQuery, _ projection: Projection, freshAsOf: Timestamp) throws(QueryError) {
        guard let books = projection.books else { throw QueryError.unavailable }
        groups = MarginGroups(query.groupBy)
        filter = try ResolvedFilter(query.filter, books.lookups)
        try projection.refuseDropped("a simulation", filter)
        pricer = Pricer(try projection.priceBook(query.prices), substitutions: query.substitutions)
        repricesGiven = query.repricesGiven
        self.freshAsOf = freshAsOf
        end = projection.position
        groups.dates = try projection.dates(query.groupBy, filter, query.timezone)
    }

    func step(_ projection: Projection) throws(QueryError) -> Bool {
        guard let lookups = projection.books?.lookups else { throw QueryError.unavailable }
        let step = try projection.scan(filter, from: place, to: end) { (event, _, state) throws(QueryError) in
            if !state.isVoid { try add(event, state.cost, lookups) }
            return true
        }
        guard !groups.isFull else { throw MarginGroups.tooMany }
        guard let next = step.next else { return true }
        place = next
        return false
    }

    private func add(_ event: borrowing EventFact, _ cost: Money?, _ lookups: Lookups) throws(QueryError) {
        var simulated = cost
        let isGiven = event.flags & EventFlag.costGiven != 0
        if repricesGiven || !isGiven {
            let priced = try pricer.price(event, lookups).priced
            simulated = priced.unpriced == .none ? priced.cost : nil
        }
        totals.add(simulated, instead: cost)
        let number = groups.add(CellKey(event), at: event.occurredAt.nanoseconds, Figures(event, cost: cost))
        guard number >= 0 else { return }
        if number == sums.count { sums.append(Sums()) }
        sums[number].add(simulated, instead: cost)
    }

    // MARK: - JSON

    func data(_ lookups: Lookups) throws(QueryError) -> ByteWriter {
        var json = ByteWriter(capacity: 4096)
        json.append("{\"items\":[")
        let order = groups.sorted()
        var listed = 0
        for (place, number) in order.prefix(Limits.marginItems).enumerated() where json.count < Limits.answerBytes {
            listed += 1
            json.append(place > 0 ? ",{" : "{")
            let cell = groups.table.all[number]
            for grouping in groups.groupBy { try MarginsJSON.write(grouping, of: cell.key, lookups, to: &json) }
            Simulation.append(cell.figures, sums[number], to: &json)
            json.append(0x7D)
        }
        json.append("],\"totals\":{")
        Simulation.append(groups.totals, totals, to: &json)
        json.append("}")
        if order.count > listed { json.append(",\"truncated\":true") }
        json.append(",\"freshAsOf\":\"")
        json.append(rfc3339: freshAsOf)
        json.append("\"}")
        return json
    }

    private static func append(_ figures: Figures, _ sums: Sums, to json: inout ByteWriter) {
        let actual = MoneyTotal(picodollars: figures.cost)
        let simulated = MoneyTotal(picodollars: sums.cost)
        let revenue = MoneyTotal(picodollars: figures.revenue)
        json.append("\"events\":")
        json.append(integer: figures.events)
        json.append(amountsOf: figures)
        json.append(",\"simulatedCostAmount\":")
        json.append(money: simulated)
        json.append(",\"costDifference\":")
        json.append(money: simulated - actual)
        json.append(",\"simulatedMarginAmount\":")
        json.append(money: revenue - simulated)
        if let ratio = (revenue - simulated).ratio(to: revenue, places: 4) {
            json.append(",\"simulatedMarginRatio\":")
            json.appendDecimal(ratio, places: 4)
        }
        json.append(",\"changedEvents\":")
        json.append(integer: sums.changed)
        json.append(",\"unpricedEvents\":")
        json.append(integer: figures.unpriced)
        json.append(",\"simulatedUnpricedEvents\":")
        json.append(integer: sums.unpriced)
    }
}

extension Projection {
    /// Checks what to group by. The result are the local dates of the events there may be, when days or months are asked for.
    func dates(_ groupBy: [Grouping], _ filter: ResolvedFilter, _ timezone: [UInt8]) throws(QueryError) -> LocalDates? {
        let rules = try rules(groupBy, timezone)
        guard groupBy.contains(.day) || groupBy.contains(.month), folder.earliest <= folder.latest else { return nil }
        let (from, to) = (max(filter.from, folder.earliest), min(filter.to, folder.latest + 1))
        return from < to ? LocalDates(from: from, to: to, in: rules) : nil
    }

    /// Checks what to group by. The result is the zone.
    func rules(_ groupBy: [Grouping], _ timezone: [UInt8]) throws(QueryError) -> TimeZoneRules {
        guard !groupBy.isEmpty, Set(groupBy).count == groupBy.count else { throw QueryError.invalid("groupBy") }
        guard let rules = zones.rules(timezone) else { throw QueryError.invalid("timezone") }
        return rules
    }
}
