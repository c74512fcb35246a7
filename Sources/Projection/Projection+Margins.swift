// Margins: sums of events by what was asked for.
//
// Taken from rollup rows, from the delta, and for hours that a boundary goes through from the journal's events: the three
// never overlap, and together they are exact.

internal import Core
internal import Journal

extension Projection {
    func margins(_ query: MarginsQuery, freshAsOf: Timestamp) throws(QueryError) -> ByteWriter {
        guard let books else { throw QueryError.unavailable }
        var json = ByteWriter(capacity: 4096)
        try MarginsJSON.write(try marginGroups(query), books.lookups, freshAsOf: freshAsOf, to: &json)
        guard !query.also.isEmpty else { return json }
        json.truncate(to: json.count - 1)
        json.append(",\"also\":[")
        for (place, groupBy) in query.also.enumerated() {
            if place > 0 { json.append(0x2C) }
            let groups = try marginGroups(MarginsQuery(groupBy: groupBy, filter: query.filter, timezone: query.timezone))
            try MarginsJSON.write(groups, books.lookups, freshAsOf: freshAsOf, to: &json)
        }
        json.append("]}")
        return json
    }

    /// The sums by what was asked for.
    func marginGroups(_ query: MarginsQuery) throws(QueryError) -> MarginGroups {
        guard let books else { throw QueryError.unavailable }
        let rules = try rules(query.groupBy, query.timezone)
        let filter = try ResolvedFilter(query.filter, books.lookups)
        var groups = MarginGroups(query.groupBy)
        if !filter.matchesNothing {
            let needsDates = query.groupBy.contains(.day) || query.groupBy.contains(.month)
            let plan = MarginsPlan(
                filter, groupBy: query.groupBy, zone: needsDates ? rules : nil, earliest: folder.earliest, latest: folder.latest)
            groups.dates = plan.dates
            for run in plan.runs { try books.read(run, filter, into: &groups) }
            if filter.customer != noString || groups.needsCustomers {
                try QueryError.wrap { () throws(SQLiteError) in try books.readRecent(plan, filter, into: &groups) }
            }
            forEachUnstored(of: filter.customer, byCustomer: groups.needsCustomers) { key, figures in
                guard plan.takesHour(key.hour), filter.matches(key) else { return }
                groups.add(key, at: Int64(key.hour) * Timestamp.nanosecondsPerHour, figures)
            }
            try addEvents(plan, filter, &groups)
        }
        guard !groups.isFull else { throw MarginGroups.tooMany }
        return groups
    }

    private func addEvents(_ plan: MarginsPlan, _ filter: ResolvedFilter, _ groups: inout MarginGroups) throws(QueryError) {
        guard plan.readsEverything || !plan.eventHours.isEmpty else { return }
        let gone = plan.readsEverything ? dropped.lastHour(from: plan.from, to: plan.to) : plan.eventHours.last { dropped.holds($0) }
        if let gone { throw QueryError.eventsDropped(plan.readsEverything ? "this filter" : "a bound inside an hour", after: gone) }
        let from = plan.readsEverything ? plan.from : Int64(plan.eventHours[0]) * Timestamp.nanosecondsPerHour
        let to = plan.readsEverything ? plan.to : Int64(plan.eventHours.last! + 1) * Timestamp.nanosecondsPerHour
        // Stretches of journal, newest first; chunks that follow each other are read as one.
        var stretches: [(from: JournalPosition, to: JournalPosition)] = []
        try forEachChunk(from: from, to: to, probes: filter.probes) { (chunk) throws(QueryError) in
            guard plan.readsEvents(from: chunk.earliest, to: chunk.latest) else { return true }
            if let last = stretches.indices.last, stretches[last].from == chunk.end {
                stretches[last].from = chunk.position
            } else {
                stretches.append((chunk.position, chunk.end))
            }
            return true
        }
        for stretch in stretches {
            let cursor = try correctionCursor()
            try forEachEvent(from: stretch.from, to: stretch.to) { (event, _) throws(QueryError) in
                let time = event.occurredAt.nanoseconds
                guard time >= plan.from, time < plan.to, filter.matches(event) else { return true }
                let key = CellKey(event)
                guard plan.readsEvents(of: key.hour) else { return true }
                let state = try cursor.state(of: event)
                guard !state.isVoid, filter.accepts(state) else { return true }
                groups.add(key, at: time, Figures(event, cost: state.cost))
                return true
            }
        }
    }
}
