// JournalTail: where a journal ends, which is all a writer needs to go on.

public import Core

/// The end of a journal.
public struct JournalTail: Equatable, Sendable {
    public var id: JournalID
    /// The segment that the next batch goes into while there is room.
    public var segment: UInt32
    /// Where in it; `SegmentFormat.headerBytes` when it has no batch yet, and then its header may not be written either.
    public var offset: UInt32
    /// Size of that segment in bytes.
    public var segmentBytes: Int
    /// Of the next event; the first event of a journal has 1.
    public var nextSequence: UInt64
    /// CRC of the last batch; 0 when there is none.
    public var lastCRC: UInt32
    /// When the last batch was opened; the next one must not be earlier.
    public var lastTime: Timestamp

    public init(
        id: JournalID, segment: UInt32, offset: UInt32, segmentBytes: Int, nextSequence: UInt64, lastCRC: UInt32, lastTime: Timestamp
    ) {
        self.id = id
        self.segment = segment
        self.offset = offset
        self.segmentBytes = segmentBytes
        self.nextSequence = nextSequence
        self.lastCRC = lastCRC
        self.lastTime = lastTime
    }

    /// The end of a journal that does not exist yet.
    public init(new id: JournalID, segmentBytes: Int) {
        self.init(
            id: id, segment: 1, offset: UInt32(SegmentFormat.headerBytes), segmentBytes: segmentBytes, nextSequence: 1, lastCRC: 0,
            lastTime: Timestamp(nanoseconds: 0))
    }

    /// Everything before this position is durable.
    public var position: JournalPosition { JournalPosition(segment: segment, offset: offset) }
}
