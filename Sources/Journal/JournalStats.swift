// JournalStats: what is in a journal, counted in one pass. Works while a daemon writes to it.

public import Core

public struct JournalStats: Equatable, Sendable {
    public var segments = 0
    /// Of the segments' files, prepared ones not included.
    public var fileBytes: UInt64 = 0
    /// What sealed segments take less than that; for whoever knows, because a sealed segment reads like any other.
    public var savedBytes: UInt64 = 0
    /// The lowest segment that was begun; 0 when there is none.
    public var firstSegment: UInt32 = 0
    /// Files that stand for segments before it.
    public var condensedFiles = 0
    public var condensedBytes: UInt64 = 0
    /// Events that are no longer there. Nothing else here counts them.
    public var droppedEvents: UInt64 = 0
    public var batches: UInt64 = 0
    /// Batches without facts.
    public var marks: UInt64 = 0
    /// Headers, facts and padding.
    public var batchBytes: UInt64 = 0
    public var events: UInt64 = 0
    /// Sequence of the first event; 0 when there is none.
    public var firstSequence: UInt64 = 0
    public var lastSequence: UInt64 = 0
    /// When the first and the last batch were opened.
    public var firstTime: Timestamp?
    public var lastTime: Timestamp?
    /// Of the events.
    public var earliest: Timestamp?
    public var latest: Timestamp?
    public var pricedEvents: UInt64 = 0
    public var unpricedEvents: UInt64 = 0
    public var costGivenEvents: UInt64 = 0
    public var cost = MoneyTotal.zero
    public var revenue = MoneyTotal.zero
    /// By raw type.
    private var facts = [UInt64](repeating: 0, count: 256)
    private var factBytes = [UInt64](repeating: 0, count: 256)

    public init() {}

    public func count(of type: FactType) -> UInt64 { facts[Int(type.rawValue)] }
    /// Bytes of the facts of one type, their type and length included.
    public func bytes(of type: FactType) -> UInt64 { factBytes[Int(type.rawValue)] }
    public var stringFacts: UInt64 { count(of: .string) }
    /// Facts of types this program does not know.
    public var unknownFacts: UInt64 {
        facts.enumerated().reduce(0) { $0 + (FactType(rawValue: UInt8($1.offset)) == nil ? $1.element : 0) }
    }

    /// Bytes of batches per event, rounded down to a millionth; nil without events.
    public var bytesPerEvent: Quantity? {
        guard events > 0, batchBytes < UInt64(Int64.max) / 1_000_000 else { return nil }
        return Quantity(millionths: Int64(batchBytes * 1_000_000 / events))
    }

    /// Counts the whole journal.
    public static func run<S: Storage>(_ storage: S) throws(JournalError) -> JournalStats {
        var stats = JournalStats()
        var reader = JournalReader(storage)
        for segment in try reader.segments() {
            if stats.segments == 0 { stats.firstSegment = segment.number }
            stats.segments += 1
            stats.fileBytes += UInt64(segment.fileBytes)
        }
        for file in try reader.condensed() {
            stats.condensedFiles += 1
            stats.condensedBytes += UInt64(file.fileBytes)
        }
        try reader.forEachBatch { info, body in
            try stats.add(info, body)
            return true
        }
        return stats
    }

    /// Counts one batch.
    public mutating func add(_ info: BatchInfo, _ body: UnsafeRawBufferPointer) throws(JournalError) {
        batches += 1
        if info.isMark { marks += 1 }
        batchBytes += UInt64(info.paddedLength)
        if firstTime == nil { firstTime = info.openedAt }
        lastTime = info.openedAt
        if info.isCondensed {
            droppedEvents += UInt64(info.eventCount)
        } else if info.eventCount > 0 {
            if events == 0 { firstSequence = info.firstSequence }
            lastSequence = info.nextSequence - 1
            events += UInt64(info.eventCount)
            earliest = min(earliest ?? info.earliest, info.earliest)
            latest = max(latest ?? info.latest, info.latest)
        }
        var reader = FactReader(body)
        var start = 0
        while let fact = reader.next() {
            facts[Int(fact.rawType)] += 1
            let end = fact.payload.count + fact.headerBytes
            factBytes[Int(fact.rawType)] += UInt64(end)
            start = fact.offset + end
            guard fact.type == .event else { continue }
            guard let event = EventFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
            if event.isPriced {
                pricedEvents += 1
                cost += event.cost
            } else {
                unpricedEvents += 1
            }
            if event.flags & EventFlag.costGiven != 0 { costGivenEvents += 1 }
            if event.hasRevenue { revenue += event.revenue }
        }
        if reader.failed { throw .facts(info, offset: start) }
    }
}

extension Fact {
    /// Bytes of type and length in front of the payload.
    var headerBytes: Int {
        var length = 2
        var rest = payload.count >> 7
        while rest > 0 {
            length += 1
            rest >>= 7
        }
        return length
    }
}

extension JournalError {
    /// The facts of a good batch make no sense at `offset` of its body.
    static func facts(_ info: BatchInfo, offset: Int, _ reason: DamageReason = .facts) -> JournalError {
        .damage(
            file: (info.isCondensed ? "the condensed file of " : "") + SegmentFormat.fileName(info.position.segment),
            offset: Int(info.position.offset) + BatchBuilder.headerBytes + offset, reason: reason)
    }
}
