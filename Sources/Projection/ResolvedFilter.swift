// ResolvedFilter: an event filter with names as numbers, tested on events and on rollup rows.

internal import Core
internal import Journal

struct ResolvedFilter {
    var customer = noString
    var feature = noString
    var model = noString
    var provider = noString
    var eventName = noString
    var flow: [UInt8]?
    var unpriced: Bool?
    /// Nanoseconds, inclusive.
    var from: Int64
    /// Nanoseconds, exclusive.
    var to: Int64
    /// A name is asked for that no fact uses, or the range is empty.
    private(set) var matchesNothing = false
    /// What a chunk's filter must hold.
    private(set) var probes: [ChunkProbe] = []

    init(_ filter: EventFilter, _ lookups: Lookups) throws(QueryError) {
        from = max(0, filter.from?.nanoseconds ?? 0)
        to = min(Timestamp.end.nanoseconds, filter.to?.nanoseconds ?? .max)
        flow = filter.flowId
        unpriced = filter.unpriced
        matchesNothing = from >= to
        func number(_ text: [UInt8]?, _ field: ChunkField, _ filter: inout ResolvedFilter) throws(QueryError) -> StringID {
            guard let text else { return noString }
            guard let id = try QueryError.wrap({ () throws(SQLiteError) in try lookups.number(text) }) else {
                filter.matchesNothing = true
                return noString
            }
            filter.probes.append(ChunkProbe(field, UInt64(id)))
            return id
        }
        customer = try number(filter.customer, .customer, &self)
        feature = try number(filter.feature, .feature, &self)
        model = try number(filter.model, .model, &self)
        provider = try number(filter.provider, .provider, &self)
        eventName = try number(filter.eventName, .eventName, &self)
        if let flow { probes.append(flow.withUnsafeBytes { ChunkProbe.text(.flow, $0) }) }
        if unpriced == true { probes.append(ChunkProbe(.unpriced, 1)) }
    }

    /// Whether rollups cannot answer it, because they do not know flows or single events.
    var needsEvents: Bool { flow != nil || unpriced != nil }

    /// Whether another name than a customer's is asked for.
    var hasOtherNames: Bool { feature != noString || model != noString || provider != noString || eventName != noString }

    /// Whether the names fit; times are the caller's.
    @inline(__always) func matches(_ key: CellKey) -> Bool {
        (customer == noString || customer == key.customer) && (feature == noString || feature == key.feature)
            && (model == noString || model == key.model) && (provider == noString || provider == key.provider)
            && (eventName == noString || eventName == key.eventName)
    }

    /// Whether names, time and flow fit; what never changes.
    @inline(__always) func matches(_ event: EventFact) -> Bool {
        guard event.occurredAt.nanoseconds >= from, event.occurredAt.nanoseconds < to else { return false }
        guard customer == noString || customer == event.customer, feature == noString || feature == event.feature,
            model == noString || model == event.model, provider == noString || provider == event.provider,
            eventName == noString || eventName == event.eventName
        else { return false }
        guard let flow else { return true }
        guard let found = event.extra(.flowId) else { return false }
        return flow.withUnsafeBytes { sameBytes($0, found) }
    }

    /// Whether what the event counts for now fits. A void event is neither priced nor unpriced.
    @inline(__always) func accepts(_ state: CurrentState) -> Bool {
        guard let unpriced else { return true }
        return !state.isVoid && unpriced == (state.cost == nil)
    }
}
