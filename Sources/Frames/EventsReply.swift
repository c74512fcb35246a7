// EventsReply: the answer to an `events` frame as a client reads it. The layout stands in EventsReplyWriter.swift.

public import Core

/// What became of one event of a frame.
public struct EventResult: Equatable, Sendable {
    /// Place in the frame, from 0.
    public var index: Int
    public var outcome: Outcome
    /// What the outcome is about.
    public var field: EventField
    /// Of this event, or of the original of a duplicate or conflict.
    public var sequence: UInt64?
    /// The original's time, for a duplicate or conflict.
    public var occurredAt: Timestamp?
    /// The cost that was recorded; nil when the event has none or it was not asked for.
    public var cost: Money?
    public var revenue: Money?

    public init(index: Int, outcome: Outcome, field: EventField = .none, sequence: UInt64? = nil) {
        self.index = index
        self.outcome = outcome
        self.field = field
        self.sequence = sequence
    }
}

/// The answer to one `events` frame. When it is there, what it says is on disk.
public struct EventsReply: Equatable, Sendable {
    public var requestID: UInt64
    public var recorded: Int
    /// Conflicts included.
    public var duplicates: Int
    public var rejected: Int
    /// Sequence of the first event not in `results`; the others follow one by one. 0 when there is none.
    public var firstSequence: UInt64
    /// Every event when detail was asked for; otherwise those that were not simply recorded. Ascending by index.
    public var results: [EventResult]
    public var detail: Bool

    /// Events in the frame.
    public var count: Int { recorded + duplicates + rejected }

    /// Reads an events reply; nil when it is malformed or does not add up.
    public static func decode(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> EventsReply? {
        var reader = ByteReader(payload)
        let recorded = Int(reader.integer(UInt32.self))
        let duplicates = Int(reader.integer(UInt32.self))
        let rejected = Int(reader.integer(UInt32.self))
        let first = reader.integer(UInt64.self)
        let listed = Int(reader.integer(UInt32.self))
        guard !reader.failed, listed <= reader.remaining / 4 else { return nil }
        var reply = EventsReply(
            requestID: header.requestID,
            recorded: recorded,
            duplicates: duplicates,
            rejected: rejected,
            firstSequence: first,
            results: [],
            detail: header.hasDetail
        )
        reply.results.reserveCapacity(listed)
        var next: UInt64 = 0
        var tally = (recorded: 0, duplicates: 0, rejected: 0)
        for _ in 0..<listed {
            guard let result = reader.eventResult(), UInt64(result.index) >= next, result.index < reply.count else { return nil }
            next = UInt64(result.index) + 1
            switch result.outcome {
            case .recorded: tally.recorded += 1
            case .duplicate, .conflict: tally.duplicates += 1
            default: tally.rejected += 1
            }
            reply.results.append(result)
        }
        guard reader.atEnd, !reader.failed, tally.duplicates == duplicates, tally.rejected == rejected, tally.recorded <= recorded,
            !reply.detail || tally.recorded == recorded
        else { return nil }
        return reply
    }
}

extension ByteReader {
    /// One listed event; nil when it is malformed.
    fileprivate mutating func eventResult() -> EventResult? {
        let index = varint()
        let outcome = Outcome(rawValue: byte())
        let field = EventField(rawValue: byte())
        let parts = byte()
        guard !failed, let outcome, let field, index < 1 << 32, parts & 0xF0 == 0 else { return nil }
        var result = EventResult(index: Int(index), outcome: outcome, field: field)
        if parts & ResultPart.sequence != 0 { result.sequence = varint() }
        if parts & ResultPart.occurredAt != 0 { result.occurredAt = Timestamp(nanoseconds: integer(Int64.self)) }
        if parts & ResultPart.cost != 0 { result.cost = Money(picodollars: zigzag()) }
        if parts & ResultPart.revenue != 0 { result.revenue = Money(picodollars: zigzag()) }
        return failed ? nil : result
    }
}
