// What the index decides about its runs: when a table is written, what is merged, what is thrown away. One piece of work is
// out at a time; tables that wait in memory go first, between any two steps of a merge.

public import Core
public import Journal

extension DedupIndex {
    /// What to do next; nil when there is nothing, or the last piece is still being worked at. Events before `durableEnd` are
    /// durable; `now` is monotonic, in nanoseconds. `mayMerge` false leaves the runs as they
    /// are, unless they have become very many.
    public mutating func nextWork(durableEnd: JournalPosition, now: UInt64, mayMerge: Bool = true) -> KeyWork? {
        guard store != nil, work == nil, now >= retryAt else { return nil }
        sealIfFull()
        work = writeWork(durableEnd) ?? (mayMerge || runCount >= 4 * Limits.dedupMergeRuns ? mergeWork() : nil)
        return work
    }

    private func writeWork(_ durableEnd: JournalPosition) -> KeyWork? {
        guard sealedCount > 0, sealed[0].to <= durableEnd, runCount < Limits.dedupRuns else { return nil }
        return .write(sealed[0])
    }

    private mutating func mergeWork() -> KeyWork? {
        if let handover {
            guard let run = place(of: handover.run) else { return nil }
            // About 4 MiB of filters at a time: what is there twice for a moment is little.
            let each = max(1, runs[run].header.entries * 2 / RunFormat.sections)
            let count = min(RunFormat.sections - handover.done, max(1, (4 << 20) / each))
            return .load(handover.run, handover.done..<(handover.done + count))
        }
        if !merging.isEmpty { return .continueMerge }
        if !retired.isEmpty { return .retire(retired) }
        // Asked every turn of the loop, and the answer seldom changes.
        guard !isSettled else { return nil }
        dropExpiredRuns()
        if !retired.isEmpty { return .retire(retired) }
        guard let range = MergePlan.choose(shapes, expiredBefore: expiredBefore) else {
            isSettled = true
            return nil
        }
        merging = range.map { runs[$0].header.number }
        return .merge(merging, expiredBefore: expiredBefore)
    }

    private var shapes: [MergePlan.Run] {
        (0..<runCount).map { MergePlan.Run(entries: runs[$0].header.entries, from: runs[$0].header.from, to: runs[$0].header.to) }
    }

    /// Runs of which every key has left the window are the oldest.
    private mutating func dropExpiredRuns() {
        while runCount > 0, runs[0].header.to <= expiredBefore {
            retired.append(runs[0].header.number)
            removeRun(at: 0)
        }
    }

    /// The lowest segment that files or tables of keys need a batch of: a run is only believed with the batch it ends with.
    public var oldestBatch: UInt32 {
        // Files of runs that are gone are still named by the manifest until they are retired.
        guard retired.isEmpty else { return 0 }
        var oldest = hot.count > 0 ? lastBatch.segment : .max
        for i in 0..<runCount { oldest = min(oldest, runs[i].header.batch.segment) }
        for i in 0..<sealedCount { oldest = min(oldest, sealed[i].batch.segment) }
        return oldest
    }

    private func place(of number: UInt32) -> Int? { (0..<runCount).first { runs[$0].header.number == number } }

    /// What came of the piece of work given out last. The result is a failure worth a line in the log, and whether nothing may be
    /// answered any more because a run that was good is not.
    public mutating func finished(_ result: KeyResult, now: UInt64) -> (failure: StorageError, isFatal: Bool)? {
        guard let done = work else { return nil }
        work = nil
        switch result {
        case .wrote(let header, let sections):
            replaceSealed(header, sections)
            counters.sealed += 1
            hasFailed = false
        case .merging: break
        case .merged(let header):
            beginHandover(header)
            counters.merges += 1
        case .loaded(let sections):
            handOver(sections)
        case .retired:
            retired = []
        case .failed(let error):
            counters.failures += 1
            retryAt = now &+ UInt64(Limits.dedupRetrySeconds) * 1_000_000_000
            switch done {
            case .write: hasFailed = true
            case .merge, .continueMerge: merging = []
            case .load, .retire: break
            }
            return (error, false)
        case .damaged(let error):
            merging = []
            return (error, true)
        }
        return nil
    }

    /// The new run comes to stand before its inputs, without a section yet.
    private mutating func beginHandover(_ header: RunHeader) {
        let first = merging.first.flatMap { place(of: $0) } ?? runCount
        insert(LoadedRun(header), at: first)
        handover = (header.number, merging, 0)
        merging = []
    }

    /// Sections of the new run take the place of the same ones of its inputs.
    private mutating func handOver(_ sections: LoadedSections) {
        guard let current = handover, let target = place(of: current.run) else { return }
        let end = current.done + sections.count
        runs[target].install(sections, from: current.done)
        for number in current.inputs {
            guard let input = place(of: number) else { continue }
            for section in current.done..<end { runs[input].install(.none, at: section) }
        }
        handover?.done = end
        guard end == RunFormat.sections else { return }
        handover = nil
        for number in current.inputs {
            if let input = place(of: number) { removeRun(at: input) }
            retired.append(number)
        }
    }
}

/// Which runs to merge.
public enum MergePlan {
    public struct Run: Sendable {
        public var entries: Int
        public var from: JournalPosition
        public var to: JournalPosition

        public init(entries: Int, from: JournalPosition, to: JournalPosition) {
            self.entries = entries
            self.from = from
            self.to = to
        }
    }

    /// Neighbouring runs to merge into one, given all, oldest first; nil when they are well as they are. A run and all newer
    /// ones become one when the newer ones together have half of its entries, or when an eighth of its keys have left the window
    /// (by place in the journal, which is about right). At most `Limits.dedupMergeRuns` at a time, the newest.
    ///
    /// Half, because each key is then written about seven times until there are a hundred million, into three runs on average; a
    /// quarter, and a sixteenth of large runs, would write it seventeen times, and save 0.002 bytes a key and one look-up of a filter.
    public static func choose(_ runs: [Run], expiredBefore: JournalPosition) -> Range<Int>? {
        var newer = runs.reduce(0) { $0 + $1.entries }
        // How long a segment is, as far as these positions tell: they step from the end of one to the next.
        let length = runs.reduce(expiredBefore.offset) { max($0, $1.from.offset, $1.to.offset) }
        func place(_ position: JournalPosition) -> UInt64 { UInt64(position.segment) * UInt64(length) + UInt64(position.offset) }
        for (i, run) in runs.enumerated() {
            newer -= run.entries
            let hasNewer = i + 1 < runs.count && newer * 2 >= run.entries
            guard hasNewer || run.entries > 0 && hasExpired(place(run.from), place(run.to), place(expiredBefore)) else { continue }
            return max(i, runs.count - Limits.dedupMergeRuns)..<runs.count
        }
        return nil
    }

    /// Whether an eighth of what lies between two places is before a third.
    private static func hasExpired(_ from: UInt64, _ to: UInt64, _ expiredBefore: UInt64) -> Bool {
        guard expiredBefore > from, to > from else { return false }
        let (gone, all) = (min(expiredBefore, to) - from, to - from)
        return gone >= all / 8 && gone > 0
    }
}
