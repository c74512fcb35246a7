// Dropped: which events are no longer kept single, and what that means for an answer. `protocol/retention.md` has the table.
//
// It is read from the condensed files, once each, and kept in the file beside the rollups. Hours are enough to know: whatever
// needs the single events of an hour that has dropped ones cannot be answered, everything else is as exact as before.

public import Core
internal import Journal

struct Dropped: Sendable {
    /// Events before it are gone; `start` while nothing was dropped.
    var keptFrom = JournalPosition.start
    var events: UInt64 = 0
    /// Sequence of the first event that is kept.
    var nextSequence: UInt64 = 1
    /// Hours since the epoch that have dropped events, ascending.
    private(set) var hours: [Int32] = []
    /// Those of them that are not in the file yet.
    private(set) var unstored: [Int32] = []
    private(set) var isDirty = false

    var isEmpty: Bool { keptFrom == .start }

    /// From the file.
    mutating func load(hours: [Int32]) { self.hours = hours }

    /// Takes what one condensed file says.
    mutating func add(_ dropped: DroppedFact, hours more: Set<Int32>, keptFrom place: JournalPosition) {
        let fresh = more.subtracting(hours)
        unstored += fresh.sorted()
        hours = (hours + fresh).sorted()
        events += dropped.events
        nextSequence = dropped.nextSequence
        keptFrom = place
        isDirty = true
    }

    /// It is in the file as it was.
    mutating func stored(_ before: Dropped) {
        guard keptFrom == before.keptFrom else { return }
        unstored = []
        isDirty = false
    }

    /// The last hour with dropped events that a range of nanoseconds reaches into; nil when it reaches into none.
    func lastHour(from: Int64, to: Int64) -> Int32? {
        let hour = Timestamp.nanosecondsPerHour
        guard from < to else { return nil }
        let found = hours.last { Int64($0) * hour < to }
        guard let found, (Int64(found) + 1) * hour > from else { return nil }
        return found
    }

    func holds(_ hour: Int32) -> Bool {
        var low = 0
        var high = hours.count
        while low < high {
            let middle = (low + high) / 2
            if hours[middle] < hour { low = middle + 1 } else { high = middle }
        }
        return low < hours.count && hours[low] == hour
    }
}

extension QueryError {
    /// Single events of an hour are needed that are no longer kept.
    static func eventsDropped(_ what: String, after hour: Int32) -> QueryError {
        let from = Timestamp(nanoseconds: (Int64(hour) + 1) * Timestamp.nanosecondsPerHour)
        return .refused(
            status: 409, code: "events_dropped",
            message: "\(what) needs single events, and some of these are no longer kept (journal_retention); from \(from) on it works")
    }
}

extension Projection {
    /// Segments may have been condensed: looks before the next answer. Long queries begin anew.
    public func segmentsCondensed() {
        looksForDropped = true
        inHand.removeAll()
    }

    /// Nothing before it is read any more.
    public var keptFrom: JournalPosition { dropped.keptFrom }
    /// Everything before it is in the file: whatever happens, it is not read again unless the file is lost.
    public var durablePosition: JournalPosition { storedPosition }

    /// Reads the condensed files that came since the last look.
    func lookForDropped() throws(JournalError) {
        for file in try follower.condensed() where file.range.last >= dropped.keptFrom.segment {
            var hours: Set<Int32> = []
            var end: DroppedFact?
            try follower.forEachBatch(of: file) { _, body in
                var facts = FactReader(body)
                while let fact = facts.next() {
                    if fact.type == .sums, let sums = SumsFact(fact.payload) { hours.insert(sums.hour) }
                    if fact.type == .dropped { end = DroppedFact(fact.payload) }
                }
                return true
            }
            guard let end else { continue }
            dropped.add(
                end, hours: hours,
                keptFrom: JournalPosition(segment: file.range.last + 1, offset: UInt32(SegmentFormat.headerBytes)))
        }
        looksForDropped = false
    }

    /// Refuses what needs the single events of a range that has dropped ones.
    func refuseDropped(_ what: String, _ filter: ResolvedFilter) throws(QueryError) {
        guard !filter.matchesNothing, let hour = dropped.lastHour(from: filter.from, to: filter.to) else { return }
        throw QueryError.eventsDropped(what, after: hour)
    }

    /// There is no such event, or it is no longer kept.
    var noSuchEvent: QueryError {
        guard !dropped.isEmpty else { return QueryError.notFound("Event") }
        return .refused(
            status: 404, code: "not_found",
            message: "Event not found; events up to sequence \(dropped.nextSequence - 1) are no longer kept (journal_retention)")
    }
}
