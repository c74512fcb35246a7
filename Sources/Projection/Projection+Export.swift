// Exports: all rows of a list, a page at a time, as fast as whoever reads takes them.
//
// Lists of events and customers go on from a place that stays what it is. Margins are sums as of one moment: when there are more groups
// than one page holds they are kept, one such answer at a time, until all were taken or nobody asks for more of them.

internal import Core
internal import Journal

/// The groups of a margins export that was begun.
final class OpenExport {
    let id: UInt64
    let groups: MarginGroups
    let order: [Int]
    let freshAsOf: Timestamp
    var used = monotonicNanoseconds()

    init(_ id: UInt64, _ groups: consuming MarginGroups, _ order: [Int], _ freshAsOf: Timestamp) {
        self.id = id
        self.groups = groups
        self.order = order
        self.freshAsOf = freshAsOf
    }
}

extension Projection {
    func export(_ query: ExportQuery, freshAsOf: Timestamp) throws(QueryError) -> QueryAnswer {
        switch query.subject {
        case .margins(let margins): try exportMargins(margins, query, freshAsOf: freshAsOf)
        case .events(let filter): try exportEvents(filter, query)
        case .customers(let search): try exportCustomers(search, query)
        case .models(let models): try exportModels(models, query)
        case .own(let models): try exportOwn(models, query)
        case .unpriced(let unpriced): try exportUnpriced(unpriced, query)
        case .disagreements(let models): try exportDisagreements(models, query)
        }
    }

    /// Nobody reads this export any more.
    func endExport(_ id: UInt64) { if openExport?.id == id { openExport = nil } }

    // MARK: - Margins

    private func exportMargins(_ query: MarginsQuery, _ export: ExportQuery, freshAsOf: Timestamp)
        throws(QueryError) -> QueryAnswer
    {
        guard let books else { throw QueryError.unavailable }
        let open: OpenExport
        if let place = export.place {
            guard let kept = openExport, kept.id == export.id, place <= UInt64(kept.order.count) else {
                throw .refused(status: 503, code: "overloaded", message: "This export waited too long")
            }
            open = kept
        } else {
            let groups = try marginGroups(query)
            let order = groups.sorted()
            open = OpenExport(export.id, groups, order, freshAsOf)
        }
        open.used = monotonicNanoseconds()
        var rows = ItemRows(
            export.format, columns: Projection.columns(of: query.groupBy), isFirst: export.place == nil)
        var next = Int(export.place ?? 0)
        while next < open.order.count, rows.text.count < Limits.exportPageBytes {
            try rows.add { (json) throws(QueryError) in
                try MarginsJSON.item(
                    open.order[next], open.groups, books.lookups, freshAsOf: open.freshAsOf, to: &json)
            }
            next += 1
        }
        var answer = QueryAnswer(data: rows.text.array)
        if next < open.order.count {
            if export.place == nil { try keep(open) }
            answer.next = UInt64(next)
        } else {
            endExport(export.id)
        }
        return answer
    }

    private func keep(_ open: OpenExport) throws(QueryError) {
        let patience = Int64(Limits.exportIdleSeconds) * 1_000_000_000
        if let other = openExport, monotonicNanoseconds() - other.used < patience {
            throw .refused(
                status: 503, code: "overloaded",
                message: "Another export of many groups is being read; try again")
        }
        openExport = open
    }

    private static func columns(of groupBy: [Grouping]) -> [String] {
        var columns: [String] = []
        for grouping in groupBy {
            switch grouping {
            case .customer:
                columns += [
                    "customerReferenceId", "customer.firstName", "customer.lastName", "customer.email",
                ]
            case .feature: columns.append("featureKey")
            case .model: columns.append("model")
            case .provider: columns.append("modelProvider")
            case .eventName: columns.append("eventName")
            case .hour: columns.append("hour")
            case .day: columns.append("day")
            case .month: columns.append("month")
            }
        }
        return columns + [
            "events", "usageUnits", "inputTokens", "outputTokens", "costAmount", "revenueAmount",
            "marginAmount", "marginRatio",
            "unpricedEvents",
        ]
    }

    // MARK: - Events

    private static let eventColumns = [
        "sequence", "eventIdempotencyKey", "eventName", "customerReferenceId", "featureKey", "model",
        "modelProvider", "region",
        "serviceTier", "occurredAt", "recordedAt", "position", "usageUnits", "inputTokens",
        "outputTokens", "costAmount", "revenueAmount",
        "marginAmount", "unpriced", "unpricedReason", "priceSource", "voided", "voidReason", "flowId",
        "usage", "meta",
    ]

    /// `place` is the sequence below which to go on.
    private func exportEvents(_ query: EventFilter, _ export: ExportQuery) throws(QueryError)
        -> QueryAnswer
    {
        guard let books else { throw QueryError.unavailable }
        var rows = ItemRows(
            export.format, columns: Projection.eventColumns, isFirst: export.place == nil)
        let (found, rest) = try page(query, below: export.place ?? .max, limit: Limits.queryLimit)
        var next = rest
        var buffer = ByteWriter(capacity: 1024)
        for (index, place) in found.enumerated() {
            if rows.text.count >= Limits.exportPageBytes {
                next = found[index - 1].sequence
                break
            }
            guard let event = try readEvent(at: place.position, into: &buffer),
                event.sequence == place.sequence
            else {
                throw QueryError.unreadable(place.position)
            }
            let past = try history(of: event, place.state)
            try rows.add { (json) throws(QueryError) in
                try EventJSON.write(event, at: place.position, past, books.lookups, to: &json)
            }
        }
        var answer = QueryAnswer(data: rows.text.array)
        answer.next = next
        return answer
    }

    // MARK: - Customers

    private static let customerColumns = [
        "customerReferenceId", "firstName", "lastName", "email", "phoneNumber", "source", "createdAt",
        "modifiedAt", "events", "usageUnits",
        "inputTokens", "outputTokens", "costAmount", "revenueAmount", "marginAmount", "marginRatio",
        "unpricedEvents",
    ]

    /// `place` is how many were taken.
    private func exportCustomers(_ search: [UInt8]?, _ export: ExportQuery) throws(QueryError)
        -> QueryAnswer
    {
        let offset = Int(clamping: export.place ?? 0)
        var rows = ItemRows(
            export.format, columns: Projection.customerColumns, isFirst: export.place == nil)
        let total = try forEachCustomer(search: search, limit: Limits.queryLimit, offset: offset) {
            (write) throws(QueryError) in
            try rows.add(write)
        }
        var answer = QueryAnswer(data: rows.text.array)
        if rows.count > 0, offset + rows.count < total { answer.next = UInt64(offset + rows.count) }
        return answer
    }
}
