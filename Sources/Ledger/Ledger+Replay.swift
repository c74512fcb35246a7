// Replay: the fold over the journal that rebuilds the books at start.

internal import Core
internal import Journal

extension Ledger {
    /// Applies the facts of one batch. `inWindow` says whether its events' keys still count as remembered. Returns the offset
    /// of the first fact that does not follow from those before it; nil when all do.
    public mutating func replay(_ body: UnsafeRawBufferPointer, segment: UInt32, batchOffset: UInt32, inWindow: Bool) -> Int? {
        var facts = FactReader(body)
        let batch = JournalPosition(segment: segment, offset: batchOffset)
        let base = batchOffset + UInt32(BatchBuilder.headerBytes)
        while let fact = facts.next() {
            let position = JournalPosition(segment: segment, offset: base + UInt32(truncatingIfNeeded: fact.offset))
            guard apply(fact, at: position, batch: batch, inWindow: inWindow) else { return fact.offset }
        }
        return facts.failed ? body.count : nil
    }

    private mutating func apply(_ fact: Fact, at position: JournalPosition, batch: JournalPosition, inWindow: Bool) -> Bool {
        switch fact.type {
        case .string:
            var reader = ByteReader(fact.payload)
            let id = reader.varint()
            guard !reader.failed, id <= UInt64(StringID.max) else { return false }
            return restoreString(StringID(id), reader.bytes(reader.remaining), segment: position.segment)
        case .event:
            guard let event = EventFact(fact.payload) else { return false }
            return replay(event, at: position, batch: batch, inWindow: inWindow)
        case .customer:
            guard let customer = CustomerFact(fact.payload), isKnown(customer.reference) else { return false }
            guard customer.reference != noString else { return true }
            let row = row(of: customer.reference)
            if customer.operation == .registered { row.pointee.registered = true }
            return true
        case .key:
            guard let key = KeyFact(fact.payload) else { return false }
            return applyKey(key)
        case .response:
            guard let response = ResponseFact(fact.payload) else { return false }
            storeResponse(response.scope, position, at: response.at)
            return true
        case .correction:
            guard let correction = Correction(fact.payload) else { return false }
            return replay(correction)
        case .run:
            guard let run = RunFact(fact.payload) else { return false }
            return replay(run, at: position)
        case .ownPrice:
            guard let price = OwnPriceFact(fact.payload) else { return false }
            shelf.apply(price)
            hasPricedAll = false
            return true
        case .cataloguePart:
            guard let part = CataloguePartFact(fact.payload) else { return false }
            return shelf.apply(part)
        case .priceBook:
            guard let book = PriceBookFact(fact.payload) else { return false }
            shelf.apply(book)
            hasPricedAll = false
            return true
        case .met:
            guard let met = MetFact(fact.payload), isKnown(met.reference) else { return false }
            _ = row(of: met.reference)
            return true
        case .sums:
            guard let sums = SumsFact(fact.payload), isKnown(sums.customer) else { return false }
            count(sums)
            return true
        case .runSums:
            guard let sums = RunSumsFact(fact.payload), Int(sums.run) <= runs.count else { return false }
            runs[Int(sums.run) - 1].add(sums)
            return true
        case .dropped:
            guard let dropped = DroppedFact(fact.payload) else { return false }
            return skip(dropped)
        case .catalogue, .place:
            return true
        case nil:
            return true
        }
    }
}
