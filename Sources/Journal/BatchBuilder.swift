// BatchBuilder: the batch that is being filled on the loop while the one before it is written and synced.
//
// The first `headerBytes` of the buffer are left for the header; facts follow. `position(of:)` gives the place a fact will
// have in the journal, which is known before it is written: batches are written in order, each where the last one ended.

public import Core

/// One batch under construction. Never grows beyond its capacity: the owner asks `hasRoom` first.
public struct BatchBuilder: ~Copyable {
    /// Bytes of the batch header, in front of the facts.
    public static let headerBytes = 80

    public var writer: ByteWriter
    public private(set) var segment: UInt32 = 0
    /// Where the header goes, in bytes from the start of the segment.
    public private(set) var offset: UInt32 = 0
    /// Bytes this batch may have, header included.
    public private(set) var limit = 0
    public var firstSequence: UInt64 = 0
    public var eventCount: UInt32 = 0
    public var earliest = Timestamp(nanoseconds: .max)
    public var latest = Timestamp(nanoseconds: .min)
    /// Wall clock when the batch was opened; never before that of the batch before it.
    public var openedAt = Timestamp(nanoseconds: 0)

    public init(capacity: Int) {
        writer = ByteWriter(capacity: capacity, alignment: 4096)
    }

    /// Starts over at a place in the journal.
    public mutating func open(segment: UInt32, offset: UInt32, limit: Int, firstSequence: UInt64, at time: Timestamp) {
        precondition(limit <= writer.capacity && limit > BatchBuilder.headerBytes)
        writer.reset()
        let header = writer.appendUninitialized(BatchBuilder.headerBytes)
        header.initializeMemory(as: UInt8.self, repeating: 0)
        self.segment = segment
        self.offset = offset
        self.limit = limit
        self.firstSequence = firstSequence
        openedAt = time
        eventCount = 0
        earliest = Timestamp(nanoseconds: .max)
        latest = Timestamp(nanoseconds: .min)
    }

    @inlinable public var isEmpty: Bool { writer.count <= BatchBuilder.headerBytes }
    @inlinable public func hasRoom(for bytes: Int) -> Bool { writer.count + bytes <= limit }

    /// The CRC that the writer put into the header; of no meaning before that.
    @inlinable public var sealedCRC: UInt32 { UInt32(littleEndian: writer.base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) }

    /// The journal position of the fact that starts at `factOffset` of the buffer.
    @inlinable public func position(of factOffset: Int) -> JournalPosition {
        JournalPosition(segment: segment, offset: offset + UInt32(truncatingIfNeeded: factOffset))
    }
}
