// Tail: the events that came last, for whoever watches. Reads what is new since the last look and no more than
// `Limits.streamScanBytes` of it: what a burst leaves behind is counted, not read.

internal import Core
internal import Journal

extension Projection {
    /// The newest events that fit, oldest first, as server-sent events; how many others there were; and where to go on.
    func tail(_ query: TailQuery) throws(QueryError) -> QueryAnswer {
        guard let books else { throw QueryError.unavailable }
        let filter = try ResolvedFilter(query.filter, books.lookups)
        var answer = QueryAnswer(data: [])
        var mark = TailMark(position: position, sequence: query.after, skipped: 0)
        guard let start = try start(of: query, &mark) else {
            answer.tail = mark
            return answer
        }
        var matches: [(sequence: UInt64, position: JournalPosition, state: CurrentState)] = []
        var first: UInt64?
        let cursor = try correctionCursor()
        try forEachEvent(from: start, to: position) { (event, position) throws(QueryError) in
            guard event.sequence > query.after else { return true }
            if first == nil { first = event.sequence }
            mark.sequence = max(mark.sequence, event.sequence)
            guard !filter.matchesNothing, filter.matches(event) else { return true }
            let state = try cursor.state(of: event)
            guard filter.accepts(state) else { return true }
            matches.append((event.sequence, position, state))
            return true
        }
        // What lies before the first event that was read was passed over unread.
        if let first { mark.skipped += first - min(first, query.after + 1) }
        mark.skipped += UInt64(max(0, matches.count - query.limit))
        var out = ByteWriter(capacity: 4096)
        var buffer = ByteWriter(capacity: 1024)
        var json = ByteWriter(capacity: 1024)
        for match in matches.suffix(query.limit) {
            guard let event = try readEvent(at: match.position, into: &buffer),
                event.sequence == match.sequence
            else {
                throw QueryError.unreadable(match.position)
            }
            json.reset()
            try EventJSON.write(
                event, at: match.position, try history(of: event, match.state), books.lookups, to: &json)
            out.append("id: ")
            out.append(unsigned: match.sequence)
            out.append("\nevent: event\ndata: ")
            out.appendLine(json.bytes)
            out.append("\n\n")
        }
        answer.data = out.array
        answer.tail = mark
        return answer
    }

    /// Where to begin to read; nil when there is nothing to read.
    private func start(of query: TailQuery, _ mark: inout TailMark) throws(QueryError)
        -> JournalPosition?
    {
        // A stream that begins now shows what comes from now on.
        guard query.from != nil || query.isResumed else {
            mark.sequence = try lastSequence()
            return nil
        }
        if let from = query.from {
            guard from < position else { return nil }
            if from.segment == position.segment,
                position.offset - from.offset <= UInt32(Limits.streamScanBytes)
            {
                return from
            }
        }
        var place: JournalPosition?
        var budget = Limits.streamScanBytes
        try forEachChunk(from: .min, to: .max, probes: []) { (chunk) throws(QueryError) in
            place = max(chunk.position, query.from ?? chunk.position)
            budget -= chunk.bytes
            return budget > 0 && chunk.firstSequence > query.after + 1
        }
        return place
    }

    private func lastSequence() throws(QueryError) -> UInt64 {
        var last: UInt64 = 0
        try forEachChunk(from: .min, to: .max, probes: []) { (chunk) throws(QueryError) in
            last = chunk.firstSequence + chunk.events
            last -= min(last, 1)
            return chunk.events == 0
        }
        return last
    }
}
