// Following the journal: reading on from the position, and flushing what was read.

public import Core
internal import Journal

extension Projection {
    /// Folds batches up to `durableEnd`, at most about `bytes` of journal. True when everything before `durableEnd` is folded.
    ///
    /// False means call again: the budget is spent, or a failure is in the way (see `stats`), then not before a second is
    /// over. When the file turns out to be ahead of the journal, or the journal is not the one it was made from, it is made
    /// anew and reading starts over.
    public func catchUp(through durableEnd: JournalPosition, bytes: Int = 16 * 1024 * 1024) -> Bool {
        caughtUp = false
        if foldError != nil {
            guard monotonicNanoseconds() >= retryAfter else { return false }
            // Whatever was in the way, the file is the last state known to be good.
            guard reload() else { return false }
        }
        if looksForDropped {
            do { try lookForDropped() } catch {
                fail("\(error)")
                return false
            }
        }
        if position > durableEnd { rebuild(because: "it was ahead of the journal") }
        var budget = bytes
        while position < durableEnd {
            if budget <= 0 { return false }
            if !makeRoom() { return false }
            guard step(through: durableEnd, &budget) else { return false }
        }
        caughtUp = true
        return true
    }

    /// Whether `catchUp` cannot go on before what `stats` calls `lastError` is over; otherwise false from it means call again.
    public var isBlocked: Bool { foldError != nil || flushError != nil && isFull }

    /// Whether what is folded has to go before more is.
    private var isFull: Bool {
        guard thread != nil else {
            return holds(cells: Limits.projectionCells, names: Limits.projectionNames, chunks: Limits.projectionChunks)
        }
        return holds(cells: Limits.projectionCellsMost, names: Limits.projectionNamesMost, chunks: Limits.projectionChunks)
    }

    /// Whether a flush is worth while, if none is under way.
    private var wantsFlush: Bool {
        holds(cells: Limits.projectionCells, names: Limits.projectionNames, chunks: Limits.projectionChunks / 2)
    }

    private func holds(cells: Int, names: Int, chunks: Int) -> Bool {
        folder.delta.count >= cells || folder.chunks.closed.count >= chunks || folder.corrections.count >= names
            || books.map { $0.lookups.pending >= names } ?? false
    }

    /// Flushes what there is too much of. Waits only when there would be more than may be. False when it could not be flushed.
    private func makeRoom() -> Bool {
        guard thread != nil else { return !isFull || flush() }
        collectFlush()
        if wantsFlush, handed == nil { _ = beginFlush() }
        guard isFull else { return true }
        thread?.wait()
        collectFlush()
        _ = beginFlush()
        return !isFull
    }

    /// Folds a run of batches; false when that failed.
    private func step(through durableEnd: JournalPosition, _ budget: inout Int) -> Bool {
        guard let lookups = books?.lookups else { return false }
        var left = budget
        let before = position
        let flushesSoon = thread != nil && flushing == nil && handed == nil
        var failure: FoldError?
        do {
            try follower.read(from: position, through: durableEnd, body: &body) { batch, body in
                if batch.previousCRC != lastCRC && position != .start || position > batch.position {
                    failure = .otherJournal
                    return false
                }
                failure = foldOrFail(batch, body, lookups)
                guard failure == nil else { return false }
                isVerified = true
                position = batch.end
                lastCRC = batch.chainCRC
                foldedAt = batch.openedAt
                left -= batch.paddedLength
                return left > 0 && !isFull && !(flushesSoon && wantsFlush)
            }
        } catch {
            if error.isDamage, !isVerified, position != .start {
                rebuild(because: "its position is no place of the journal")
            } else {
                fail("\(error)")
            }
            return false
        }
        budget = left
        switch failure {
        case nil: break
        case .otherJournal:
            rebuild(because: "the journal is not the one it was made from")
            return false
        case .badFact(let offset):
            // It will not decode later either: what the file holds is worth keeping, trying again is not.
            fail("a fact does not decode, \(offset) bytes into the batch at \(position.segment):\(position.offset)")
            retryAfter = .max
            return false
        case .sqlite(let error):
            if error.meansDamage { rebuild(because: error.message) } else { fail(error.message) }
            return false
        }
        if position == before {
            // The rest of the last segment is empty: there was nothing left to fold.
            position = durableEnd
        }
        return true
    }

    private func foldOrFail(_ batch: BatchInfo, _ body: UnsafeRawBufferPointer, _ lookups: Lookups) -> FoldError? {
        do {
            try folder.fold(batch, body, into: lookups)
            return nil
        } catch {
            return error
        }
    }

    private func fail(_ message: String) {
        foldError = message
        retryAfter = monotonicNanoseconds() + retryInterval
    }

    /// Goes back to what the file holds.
    private func reload() -> Bool {
        // Closed before it is opened again: there is never a second one that writes.
        closeBooks()
        do {
            let (opened, reason) = try Books.openOrCreate(path, journal: journal)
            if let reason { noteRebuild(reason) }
            try load(opened.books)
            books = opened.books
            writer = opened.writer
            foldError = nil
            return true
        } catch {
            fail("\(path): \(error.message) (SQLite \(error.code))")
            return false
        }
    }

    /// Throws the file away and starts from the journal's beginning. When that fails it is tried again by `catchUp`.
    func rebuild(because reason: String) {
        noteRebuild(reason)
        closeBooks()
        do {
            let created = try Books.create(path, journal: journal)
            try load(created.books)
            books = created.books
            writer = created.writer
            foldError = nil
            flushError = nil
        } catch {
            fail("\(path): \(error.message) (SQLite \(error.code))")
        }
    }

    private func noteRebuild(_ reason: String) {
        rebuilds += 1
        rebuildReason = reason
    }
}
