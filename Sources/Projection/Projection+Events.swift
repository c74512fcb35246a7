// Events: single events as the journal keeps them, newest first or one by its key.
//
// Order and paging go by sequence, which never changes: pages stay what they are while new events arrive. A page that would
// have to read more than `Limits.eventScanBytes` of journal is answered as it is, with a cursor to go on from.

internal import Core
internal import Journal

extension Projection {
    func events(_ query: EventFilter, limit: Int, cursor: [UInt8]?) throws(QueryError) -> ByteWriter {
        guard let books else { throw QueryError.unavailable }
        guard limit >= 1, limit <= Limits.queryLimit else { throw QueryError.invalid("limit") }
        var below = UInt64.max
        if let cursor {
            guard let sequence = EventCursor.read(cursor) else { throw QueryError.invalid("cursor") }
            below = sequence
        }
        var (found, next) = try page(query, below: below, limit: limit)
        var json = ByteWriter(capacity: 4096)
        json.append("{\"items\":[")
        var buffer = ByteWriter(capacity: 1024)
        for (index, place) in found.enumerated() {
            if json.count >= Limits.answerBytes {
                next = found[index - 1].sequence
                break
            }
            if index > 0 { json.append(0x2C) }
            guard let event = try readEvent(at: place.position, into: &buffer), event.sequence == place.sequence else {
                throw QueryError.unreadable(place.position)
            }
            try EventJSON.write(event, at: place.position, try history(of: event, place.state), books.lookups, to: &json)
        }
        json.append("]")
        if let next {
            json.append(",\"nextCursor\":\"")
            EventCursor.write(next, to: &json)
            json.append(0x22)
        } else if !dropped.isEmpty {
            json.append(",\"dropped\":{\"events\":")
            json.append(unsigned: dropped.events)
            json.append(",\"throughSequence\":")
            json.append(unsigned: dropped.nextSequence - 1)
            json.append(0x7D)
        }
        json.append(0x7D)
        return json
    }

    /// A page of events below a sequence, newest first, and the sequence below which the next one begins.
    func page(_ query: EventFilter, below: UInt64, limit: Int) throws(QueryError) -> (found: [FoundEvent], next: UInt64?) {
        guard let books else { throw QueryError.unavailable }
        let filter = try ResolvedFilter(query, books.lookups)
        var found: [FoundEvent] = []
        guard !filter.matchesNothing else { return (found, nil) }
        var next = try find(filter, below: below, wanted: limit + 1, &found)
        if found.count > limit {
            found.removeLast(found.count - limit)
            next = found[limit - 1].sequence
        }
        return (found, next)
    }

    /// Appends up to `wanted` events below a sequence, newest first. The result is a sequence to go on from when the scan
    /// was cut short.
    private func find(
        _ filter: ResolvedFilter, below: UInt64, wanted: Int, _ found: inout [FoundEvent]
    ) throws(QueryError) -> UInt64? {
        var budget = eventScanBytes
        var rest: UInt64?
        try forEachChunk(from: filter.from, to: filter.to, below: below, probes: filter.probes) { (chunk) throws(QueryError) in
            guard budget > 0 else {
                rest = min(below, chunk.firstSequence + chunk.events)
                return false
            }
            budget -= chunk.bytes
            var matches: [FoundEvent] = []
            let cursor = try correctionCursor()
            try forEachEvent(from: chunk.position, to: chunk.end) { (event, position) throws(QueryError) in
                guard event.sequence < below, filter.matches(event) else { return true }
                let state = try cursor.state(of: event)
                if filter.accepts(state) { matches.append(FoundEvent(sequence: event.sequence, position: position, state: state)) }
                return true
            }
            found += matches.reversed().prefix(wanted - found.count)
            return found.count < wanted
        }
        return rest
    }

    func event(key: [UInt8], position: JournalPosition?) throws(QueryError) -> ByteWriter {
        guard let books else { throw QueryError.unavailable }
        var buffer = ByteWriter(capacity: 1024)
        var json = ByteWriter(capacity: 1024)
        let place = try find(key, at: position, into: &buffer)
        guard let event = try readEvent(at: place, into: &buffer) else { throw QueryError.unreadable(place) }
        let state = try correctionCursor().state(of: event)
        try EventJSON.write(event, at: place, try history(of: event, state), books.lookups, to: &json)
        return json
    }

    /// Where the event of a key stands: at `position` if that is right, else wherever it is found.
    func find(_ key: [UInt8], at position: JournalPosition?, into buffer: inout ByteWriter) throws(QueryError) -> JournalPosition {
        let wanted = EventKey(key)
        if let position, position >= dropped.keptFrom, let event = try readEvent(at: position, into: &buffer), wanted.isKey(of: event) {
            return position
        }
        var place: JournalPosition?
        try forEachChunk(from: 0, to: .max, probes: [wanted.probe]) { (chunk) throws(QueryError) in
            try forEachEvent(from: chunk.position, to: chunk.end) { (event, position) throws(QueryError) in
                if wanted.isKey(of: event) { place = position }
                return true
            }
            return place == nil
        }
        guard let place else { throw noSuchEvent }
        return place
    }

    /// The event at a position; nil when none stands there. Points into `buffer`.
    func readEvent(at position: JournalPosition, into buffer: inout ByteWriter) throws(QueryError) -> EventFact? {
        do {
            guard let fact = try scanner.readFact(at: position, into: &buffer), fact.type == .event else { return nil }
            return EventFact(fact.payload)
        } catch {
            throw .journal(.storage(error))
        }
    }
}

/// An event of a page, before it is read again to be shown.
struct FoundEvent {
    var sequence: UInt64
    var position: JournalPosition
    var state: CurrentState
}

/// An idempotency key as the journal keeps it: sixteen bytes when it is a UUID, else its text.
private struct EventKey {
    private var bytes: [UInt8]
    private var isUUID: Bool

    init(_ text: [UInt8]) {
        var words: (UInt64, UInt64) = (0, 0)
        isUUID = text.withUnsafeBytes { parseUUID($0, into: &words) }
        bytes = isUUID ? withUnsafeBytes(of: words) { [UInt8]($0) } : text
    }

    func isKey(of event: EventFact) -> Bool {
        (event.flags & EventFlag.keyIsUUID != 0) == isUUID && bytes.withUnsafeBytes { sameBytes($0, event.keyBytes) }
    }

    var probe: ChunkProbe { bytes.withUnsafeBytes { ChunkProbe.text(.key, $0) } }
}

/// Where a page ended: only events of a lower sequence follow.
private enum EventCursor {
    private static let digits = 16

    static func write(_ sequence: UInt64, to json: inout ByteWriter) {
        json.append(0x65)
        for place in stride(from: digits - 1, through: 0, by: -1) {
            json.append(hexDigit(UInt8(truncatingIfNeeded: sequence >> UInt64(place * 4)) & 15))
        }
    }

    static func read(_ text: [UInt8]) -> UInt64? {
        guard text.count == digits + 1, text[0] == 0x65 else { return nil }
        var sequence: UInt64 = 0
        for byte in text.dropFirst() {
            switch byte {
            case 0x30...0x39: sequence = sequence << 4 | UInt64(byte - 0x30)
            case 0x61...0x66: sequence = sequence << 4 | UInt64(byte - 0x57)
            default: return nil
            }
        }
        return sequence
    }
}
