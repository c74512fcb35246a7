// RepricePreview: what pricing past events again would change, by customer and model, without changing anything. And the
// judgement itself, which the corrections that are then made share: what a preview says is what applying it does.

internal import Core
internal import Journal
internal import Pricing

/// What pricing an event again comes to.
enum RepriceOutcome {
    case void
    /// The client gave the cost.
    case given
    case unchanged
    /// It has a cost, and by the book it would have none: it is left as it is.
    case noLongerPriced
    case stillUnpriced(UnpricedReason)
    case change(cost: Money, match: MatchRule, card: Int32)
}

extension Pricer {
    func reprice(_ event: borrowing EventFact, _ state: CurrentState, _ lookups: Lookups) throws(QueryError) -> RepriceOutcome {
        if state.isVoid { return .void }
        if event.flags & EventFlag.costGiven != 0 { return .given }
        let outcome = try price(event, lookups)
        guard outcome.priced.unpriced == .none else {
            return state.cost == nil ? .stillUnpriced(outcome.priced.unpriced) : .noLongerPriced
        }
        // The same cost by another version of the prices is no change.
        guard state.cost != outcome.priced.cost else { return .unchanged }
        return .change(cost: outcome.priced.cost, match: outcome.match, card: outcome.priced.card)
    }
}

final class RepricePreview: LongQuery {
    private struct Sums {
        var events: Int64 = 0
        var newlyPriced: Int64 = 0
        var before: Int128 = 0
        var after: Int128 = 0
        var difference: Int128 { after - before }

        mutating func add(before cost: Money?, after: Money) {
            events += 1
            if cost == nil { newlyPriced += 1 }
            before += Int128(cost?.picodollars ?? 0)
            self.after += Int128(after.picodollars)
        }
    }

    private let filter: ResolvedFilter
    private let pricer: Pricer
    private let freshAsOf: Timestamp
    let end: JournalPosition
    private var place = JournalPosition.start

    private var groups = CellTable()
    /// Of the group with the same number.
    private var sums: [Sums] = []
    private var totals = Sums()
    private var scanned: UInt64 = 0
    private var matched: Int64 = 0
    private var unchanged: Int64 = 0
    private var given: Int64 = 0
    private var noLongerPriced: Int64 = 0
    private var voided: Int64 = 0
    /// By reason.
    private var stillUnpriced = [Int64](repeating: 0, count: UnpricedReason.allCases.count)

    init(_ query: RepriceQuery, _ projection: Projection, freshAsOf: Timestamp) throws(QueryError) {
        guard let books = projection.books else { throw QueryError.unavailable }
        filter = try ResolvedFilter(query.filter, books.lookups)
        try projection.refuseDropped("pricing again", filter)
        pricer = Pricer(try projection.priceBook(query.prices))
        self.freshAsOf = freshAsOf
        end = projection.position
    }

    func step(_ projection: Projection) throws(QueryError) -> Bool {
        guard let lookups = projection.books?.lookups else { throw QueryError.unavailable }
        let step = try projection.scan(filter, from: place, to: end) { (event, _, state) throws(QueryError) in
            try add(event, state, lookups)
            return true
        }
        scanned += step.scanned
        guard groups.count <= Limits.marginGroups else { throw MarginGroups.tooMany }
        guard let next = step.next else { return true }
        place = next
        return false
    }

    private func add(_ event: borrowing EventFact, _ state: CurrentState, _ lookups: Lookups) throws(QueryError) {
        matched += 1
        switch try pricer.reprice(event, state, lookups) {
        case .void: voided += 1
        case .given: given += 1
        case .unchanged: unchanged += 1
        case .noLongerPriced: noLongerPriced += 1
        case .stillUnpriced(let reason): stillUnpriced[Int(reason.rawValue)] += 1
        case .change(let cost, _, _):
            totals.add(before: state.cost, after: cost)
            var key = CellKey()
            key.customer = event.customer
            key.provider = event.provider
            key.model = event.model
            let number = groups.find(key)
            if number == sums.count { sums.append(Sums()) }
            sums[number].add(before: state.cost, after: cost)
        }
    }

    // MARK: - JSON

    func data(_ lookups: Lookups) throws(QueryError) -> ByteWriter {
        var json = ByteWriter(capacity: 4096)
        let counts: [(StaticString, Int64)] = [
            ("{\"scanned\":", Int64(clamping: scanned)), (",\"matched\":", matched), (",\"changed\":", totals.events),
            (",\"newlyPriced\":", totals.newlyPriced), (",\"unchanged\":", unchanged), (",\"givenByClient\":", given),
            (",\"noLongerPriced\":", noLongerPriced), (",\"stillUnpriced\":", stillUnpriced.reduce(0, +)), (",\"voided\":", voided),
        ]
        for (label, count) in counts {
            json.append(label)
            json.append(integer: count)
        }
        RepricePreview.append(totals, to: &json)
        json.append(",\"items\":[")
        let order = sorted()
        var listed = 0
        for (place, number) in order.prefix(Limits.marginItems).enumerated() where json.count < Limits.answerBytes {
            listed += 1
            let key = groups.all[number].key
            json.append(place > 0 ? ",{" : "{")
            let names: [(StaticString, StringID)] = [
                ("\"customerReferenceId\":", key.customer), (",\"modelProvider\":", key.provider), (",\"model\":", key.model),
            ]
            for (label, id) in names {
                json.append(label)
                try lookups.append(name: id, to: &json)
            }
            json.append(",\"events\":")
            json.append(integer: sums[number].events)
            json.append(",\"newlyPriced\":")
            json.append(integer: sums[number].newlyPriced)
            RepricePreview.append(sums[number], to: &json)
            json.append(0x7D)
        }
        json.append("]")
        if order.count > listed { json.append(",\"truncated\":true") }
        json.append(",\"reasons\":{")
        var isFirst = true
        for reason in UnpricedReason.allCases where stillUnpriced[Int(reason.rawValue)] > 0 {
            json.append(isFirst ? "\"" : ",\"")
            isFirst = false
            json.append(reason.name)
            json.append("\":")
            json.append(integer: stillUnpriced[Int(reason.rawValue)])
        }
        json.append("},\"freshAsOf\":\"")
        json.append(rfc3339: freshAsOf)
        json.append("\"}")
        return json
    }

    private static func append(_ sums: Sums, to json: inout ByteWriter) {
        json.append(",\"costBefore\":")
        json.append(money: MoneyTotal(picodollars: sums.before))
        json.append(",\"costAfter\":")
        json.append(money: MoneyTotal(picodollars: sums.after))
        json.append(",\"costDifference\":")
        json.append(money: MoneyTotal(picodollars: sums.difference))
    }

    /// The largest difference first, then in the order in which the names first appeared.
    private func sorted() -> [Int] {
        let cells = groups.all
        return cells.indices.sorted { a, b in
            let (x, y) = (sums[a].difference.magnitude, sums[b].difference.magnitude)
            if x != y { return x > y }
            if cells[a].key.customer != cells[b].key.customer { return cells[a].key.customer < cells[b].key.customer }
            if cells[a].key.model != cells[b].key.model { return cells[a].key.model < cells[b].key.model }
            return cells[a].key.provider < cells[b].key.provider
        }
    }
}
