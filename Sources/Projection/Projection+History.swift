// What an event counts for now, in full, and the corrections that made it so: read from the journal, from the last correction
// back along the places they name.

internal import Core
internal import Journal

/// A correction and where it stands.
struct PlacedCorrection {
    var correction: Correction
    var position: JournalPosition
}

/// An event's corrections and what they come to.
struct EventHistory {
    /// What the event costs, and why. Of a void event what it was before.
    var state: CostState
    var isVoid = false
    /// Newest first, at most `Limits.correctionsShown`.
    var corrections: [PlacedCorrection] = []

    init(_ event: borrowing EventFact) {
        state = CostState(cost: event.isPriced ? event.cost : nil, price: event.price, match: event.match, unpriced: event.unpriced)
    }
}

extension Projection {
    /// The history of an event: with `limit` 1 only what it counts for now.
    func history(
        of event: borrowing EventFact, _ current: CurrentState, limit: Int = Limits.correctionsShown
    ) throws(QueryError) -> EventHistory {
        var history = EventHistory(event)
        guard var place = current.correction else { return history }
        var buffer = ByteWriter(capacity: 512)
        while history.corrections.count < limit {
            let correction = try correction(at: place, of: event.sequence, into: &buffer)
            history.corrections.append(PlacedCorrection(correction: correction, position: place))
            // Places in a chain go back; anything else is not a chain and would not end.
            guard correction.previous != .start else { break }
            guard correction.previous < place else { throw QueryError.unreadable(place) }
            place = correction.previous
        }
        history.state = history.corrections[0].correction.after
        history.isVoid = current.isVoid
        return history
    }

    private func correction(
        at position: JournalPosition, of sequence: UInt64, into buffer: inout ByteWriter
    ) throws(QueryError) -> Correction {
        do {
            if let fact = try finder.readFact(at: position, into: &buffer), fact.type == .correction,
                let correction = Correction(fact.payload), correction.sequence == sequence
            {
                return correction
            }
        } catch {
            throw .journal(.storage(error))
        }
        throw QueryError.unreadable(position)
    }
}
