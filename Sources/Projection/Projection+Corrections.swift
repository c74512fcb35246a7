// Corrections as they are computed for whoever writes them down: the next ones of pricing again, the next ones that take a run
// back, and the one that voids an event. Nothing here changes anything.
//
// A block goes on where the one before it ended, in journal order. It ends for certain: corrections are no events, and what is
// recorded meanwhile is priced already, maybe by newer prices than the run has, and is left alone.

internal import Core
internal import Journal
internal import Pricing

extension Projection {
    /// The next corrections that pricing again makes. Their `next` is a place of the journal.
    func repriceBlock(_ query: RepriceQuery, from place: JournalPosition) throws(QueryError) -> CorrectionBlock {
        guard let lookups = books?.lookups else { throw QueryError.unavailable }
        let filter = try ResolvedFilter(query.filter, lookups)
        if !query.passesDropped { try refuseDropped("pricing again", filter) }
        let pricer = try pricer(query.prices)
        var block = CorrectionBlock()
        var derivations: [Int32: StringID] = [:]
        let step = try scan(filter, from: place, to: position) { (event, position, state) throws(QueryError) in
            guard event.sequence < query.below else { return true }
            guard case .change(let cost, let match, let card) = try pricer.reprice(event, state, lookups) else { return true }
            guard block.corrections.count < Limits.correctionBlock else { return false }
            var correction = Correction(kind: .reprice, of: event, at: position)
            let history = try self.history(of: event, state, limit: 1)
            correction.before = history.state
            correction.previous = state.correction ?? .start
            if derivations[card] == nil {
                var text = ByteWriter(capacity: 256)
                pricer.book.derivation(card: card, into: &text)
                block.derivations.append(text.array)
                derivations[card] = StringID(block.derivations.count)
            }
            correction.after = CostState(cost: cost, price: derivations[card] ?? noString, match: match)
            block.corrections.append(correction)
            return true
        }
        block.scanned = step.scanned
        block.next = step.next?.raw
        return block
    }

    /// The next corrections that take run `run` back: of its corrections from `place` to `end` those that are still the last of
    /// their event. `scanned` counts all of the run's.
    func reverseBlock(_ run: UInt32, from place: JournalPosition, to end: JournalPosition) throws(QueryError) -> CorrectionBlock {
        guard place >= dropped.keptFrom else {
            throw .refused(
                status: 409, code: "events_dropped",
                message: "Run \(run) corrected events that are no longer kept (journal_retention): it stays as it is")
        }
        let end = min(end, position)
        var block = CorrectionBlock()
        block.pricesAreIndexes = false
        var stopped: JournalPosition?
        let (list, next) = try stretches(from: place, to: end) { _ in true }
        let cursor = try correctionCursor()
        for stretch in list where stopped == nil {
            try forEachCorrection(from: stretch.from, to: stretch.to) { (taken, position) throws(QueryError) in
                guard position >= place, position < end, taken.run == run, taken.kind != .void else { return true }
                guard block.corrections.count < Limits.correctionBlock else {
                    stopped = position
                    return false
                }
                block.scanned += 1
                // A later correction, or a void, has the last word.
                let last = try QueryError.wrap { () throws(SQLiteError) in try cursor.mark(of: taken.sequence) }
                guard last?.position == position else { return true }
                var correction = taken
                correction.kind = .reverse
                correction.run = 0
                correction.at = Timestamp(nanoseconds: 0)
                correction.previous = position
                correction.before = taken.after
                correction.after = taken.before
                block.corrections.append(correction)
                return true
            }
        }
        block.next = (stopped ?? next)?.raw
        return block
    }

    /// The correction that voids the event of a key, with members of a JSON object that say which event it is.
    func void(_ key: [UInt8], at position: JournalPosition?, reason: [UInt8]) throws(QueryError) -> QueryAnswer {
        var buffer = ByteWriter(capacity: 1024)
        let place = try find(key, at: position, into: &buffer)
        guard let event = try readEvent(at: place, into: &buffer) else { throw QueryError.unreadable(place) }
        let state = try correctionCursor().state(of: event)
        guard !state.isVoid else { throw .refused(status: 409, code: "conflict", message: "This event is void already") }
        var correction = Correction(kind: .void, of: event, at: place)
        correction.before = try history(of: event, state, limit: 1).state
        correction.after = correction.before
        correction.previous = state.correction ?? .start
        correction.counts = EventCounts(event)
        correction.reason = reason
        var block = CorrectionBlock()
        block.pricesAreIndexes = false
        block.corrections = [correction]
        block.scanned = 1
        var answer = QueryAnswer(corrections: block)
        var json = ByteWriter(capacity: 256)
        EventJSON.appendIdentity(of: event, to: &json)
        answer.data = json.array
        return answer
    }
}

extension Correction {
    /// A correction of an event that stands at `position`, without states, run and time.
    init(kind: CorrectionKind, of event: borrowing EventFact, at position: JournalPosition) {
        self.init(kind: kind, run: 0, at: Timestamp(nanoseconds: 0), sequence: event.sequence, event: position)
        occurredAt = event.occurredAt
        eventName = event.eventName
        customer = event.customer
        feature = event.feature
        model = event.model
        provider = event.provider
    }
}

extension EventCounts {
    init(_ event: borrowing EventFact) {
        self.init()
        usageUnits = event.usageUnits
        inputTokens = event.inputTokens
        outputTokens = event.outputTokens
        revenue = event.revenue
    }
}
