// Flushing: taking what is folded, giving it to the file, and noticing that the file has it.

public import Core

extension Projection {
    /// Whether anything is folded that is not in the file.
    public var isDirty: Bool { position != storedPosition || dropped.isDirty || flushing != nil }

    /// Flushes when ten seconds are over since the last flush. True unless a flush that was due failed.
    @discardableResult
    public func flushIfDue() -> Bool {
        if let open = openExport, monotonicNanoseconds() - open.used > Int64(Limits.exportIdleSeconds) * 1_000_000_000 { openExport = nil }
        guard thread != nil else {
            guard isDirty, monotonicNanoseconds() - lastFlush >= Projection.flushInterval else { return true }
            return flush()
        }
        collectFlush()
        guard isDirty, monotonicNanoseconds() - (flushing?.startedAt ?? lastFlush) >= Projection.flushInterval else {
            return flushError == nil
        }
        _ = beginFlush()
        return flushError == nil
    }

    /// Writes everything folded to the file, and returns when it is there. False when that failed: everything stays in memory and
    /// is tried again, but not before a second is over.
    @discardableResult
    public func flush() -> Bool {
        thread?.wait()
        collectFlush()
        while isDirty {
            guard let flush = nextFlush(), let writer else { return false }
            writer.perform(flush) { false }
            guard finish(flush) else { return false }
        }
        guard foldError == nil, let writer else { return false }
        // So that the file of a journal is the same however it came about.
        do { try writer.roll(to: BooksWriter.openHour(foldedAt)) { false } } catch { return true }
        return true
    }

    /// Writes out what little there is before the process ends; a lot is left to the next start, which folds it again. False when it
    /// failed.
    public func settle(through end: JournalPosition) -> Bool {
        collectFlush()
        guard flushing == nil, position.segment == end.segment, position.raw + Projection.settledBytes >= end.raw,
            catchUp(through: end), folder.delta.count + folder.corrections.count <= Projection.settledCells
        else { return true }
        if isDirty {
            guard let flush = nextFlush(), let writer else { return false }
            // Hours are summed up below, for as long as that may take.
            writer.perform(flush) { true }
            guard finish(flush) else { return false }
        }
        let start = monotonicNanoseconds()
        do {
            try writer?.roll(to: BooksWriter.openHour(foldedAt)) { monotonicNanoseconds() - start > Projection.settledNanoseconds }
        } catch {
            return true
        }
        return true
    }

    /// What is little: journal that is not folded, and rows that are not written; and how long hours may be summed up.
    private static let settledBytes: UInt64 = 1 << 20
    private static let settledCells = 8192
    private static let settledNanoseconds: Int64 = 10_000_000

    /// Gives the thread a flush, or once more the one that failed. False when that cannot be now.
    func beginFlush() -> Bool {
        guard let thread, handed == nil || !thread.isBusy else {
            thread?.hurry()
            return false
        }
        collectFlush()
        guard let flush = nextFlush(), let writer else { return false }
        handed = flush
        thread.give(flush, to: writer)
        return true
    }

    /// The flush to be done: the one that failed, or what is folded.
    private func nextFlush() -> Flush? {
        guard foldError == nil, let books, monotonicNanoseconds() >= retryAfter else { return nil }
        if let flushing { return flushing }
        guard isDirty else { return nil }
        var state = BooksState()
        state.position = position
        state.lastCRC = lastCRC
        state.foldedAt = foldedAt
        state.earliest = folder.earliest
        state.latest = folder.latest
        state.events = folder.events
        folder.corrections.settle()
        let flush = Flush(
            delta: folder.takeDelta(), lookups: books.lookups.freeze(), chunks: folder.chunks.unstored,
            closedChunks: folder.chunks.closed.count, corrections: folder.corrections, dropped: dropped.isDirty ? dropped : nil,
            state: state, from: storedPosition)
        folder.corrections.removeAll()
        flushing = flush
        return flush
    }

    /// Takes back what the thread has done.
    func collectFlush() {
        guard let thread, let flush = handed, !thread.isBusy else { return }
        handed = nil
        _ = finish(flush)
    }

    /// What came of a flush; false when it failed.
    private func finish(_ flush: Flush) -> Bool {
        if let error = flush.error {
            flush.error = nil
            failedFlushes += 1
            flushError = "\(path): \(error.message) (SQLite \(error.code))"
            retryAfter = monotonicNanoseconds() + retryInterval
            if error.meansDamage { rebuild(because: error.message) }
            return false
        }
        retire(flush)
        flushError = nil
        retryAfter = .min
        flushes += 1
        lastFlush = monotonicNanoseconds()
        lastFlushNanoseconds = lastFlush - flush.startedAt
        return true
    }

    /// The file has this flush, as a reader sees it: from here on it counts there and nowhere else.
    func retire(_ flush: Flush) {
        guard flushing === flush else { return }
        storedPosition = flush.state.position
        folder.chunks.stored(flush.closedChunks)
        books?.lookups.stored()
        if let stored = flush.dropped { dropped.stored(stored) }
        flushing = nil
    }
}
