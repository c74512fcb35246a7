// EventsReplyWriter: the answer to an `events` frame, written while the results are walked.
//
//     0   u32  recorded
//     4   u32  duplicates, conflicts included
//     8   u32  rejected
//     12  u64  first sequence: the k-th event that is not listed below has first sequence + k (from 0)
//     20  u32  listed events
//     24       the listed events, in the order of the frame
//
// A listed event:
//
//     varint  index in the frame, from 0
//     u8      outcome
//     u8      field
//     u8      what is there: bit 0 sequence, bit 1 occurredAt, bit 2 cost, bit 3 revenue
//     varint  sequence                        i64  occurredAt, nanoseconds
//     zigzag  cost, picodollars            zigzag  revenue, picodollars
//
// Without `detail` only what the counts do not say is listed: refused events, duplicates and conflicts with the original's
// sequence, time and cost, and a recorded event whose sequence is not the next one. With it every event is listed.

public import Core

/// What is there of a listed event.
enum ResultPart {
    static let sequence: UInt8 = 1
    static let occurredAt: UInt8 = 2
    static let cost: UInt8 = 4
    static let revenue: UInt8 = 8
}

/// Writes one events reply. Make it, `add` every event of the frame in order, `finish`. It keeps no reference to the writer.
@frozen
public struct EventsReplyWriter {
    static let headSize = 24

    @usableFromInline let start: Int
    @usableFromInline let detail: Bool
    @usableFromInline var index: UInt64 = 0
    @usableFromInline var recorded: UInt32 = 0
    @usableFromInline var duplicates: UInt32 = 0
    @usableFromInline var rejected: UInt32 = 0
    @usableFromInline var listed: UInt32 = 0
    @usableFromInline var first: UInt64 = 0
    @usableFromInline var next: UInt64 = 0

    /// `detail` as the request's header had it.
    public init(requestID: UInt64, detail: Bool, into writer: inout ByteWriter) {
        self.detail = detail
        start = writer.beginFrame(.eventsReply, flags: detail ? FrameHeader.detail : 0, requestID: requestID)
        let head = writer.appendUninitialized(EventsReplyWriter.headSize)
        head.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// The next event of the frame, as the ledger left it. For `duplicate` and `conflict`, `sequence`, `occurredAt`, `cost` and
    /// `unpriced` of `event` are the original's.
    @inlinable
    public mutating func add(_ event: borrowing EventRecord, into writer: inout ByteWriter) {
        switch event.outcome {
        case .recorded:
            recorded &+= 1
            if !detail {
                if first == 0 {
                    first = event.sequence
                    next = first
                }
                if event.sequence == next {
                    next &+= 1
                    index &+= 1
                    return
                }
            }
        case .duplicate, .conflict: duplicates &+= 1
        default: rejected &+= 1
        }
        list(event, into: &writer)
        index &+= 1
    }

    @usableFromInline
    mutating func list(_ event: borrowing EventRecord, into writer: inout ByteWriter) {
        listed &+= 1
        writer.append(varint: index)
        writer.append(event.outcome.rawValue)
        writer.append(event.field.rawValue)
        var parts: UInt8 = 0
        switch event.outcome {
        case .recorded:
            parts = ResultPart.sequence
            if detail {
                if event.unpriced == .none { parts |= ResultPart.cost }
                if event.flags & EventRecord.hasRevenue != 0 { parts |= ResultPart.revenue }
            }
        case .duplicate, .conflict:
            parts = ResultPart.sequence | ResultPart.occurredAt
            if event.unpriced == .none { parts |= ResultPart.cost }
        default: break
        }
        writer.append(parts)
        if parts & ResultPart.sequence != 0 { writer.append(varint: event.sequence) }
        if parts & ResultPart.occurredAt != 0 { writer.append(littleEndian: event.occurredAt.nanoseconds) }
        if parts & ResultPart.cost != 0 { writer.append(zigzag: event.cost.picodollars) }
        if parts & ResultPart.revenue != 0 { writer.append(zigzag: event.revenue.picodollars) }
    }

    /// Completes the frame.
    public consuming func finish(into writer: inout ByteWriter) {
        let head = start + FrameHeader.size
        writer.store(littleEndian: recorded, at: head)
        writer.store(littleEndian: duplicates, at: head + 4)
        writer.store(littleEndian: rejected, at: head + 8)
        writer.store(littleEndian: first, at: head + 12)
        writer.store(littleEndian: listed, at: head + 20)
        writer.endFrame(start)
    }
}
