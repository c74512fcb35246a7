// SegmentPlan: decides where the next batch goes. It lives on the loop, does no I/O, and knows only lengths and which
// segments exist; the segments themselves are zero-filled elsewhere by `SegmentPreparer`.
//
// One segment is kept ready ahead. Having it means having its room: running out of space is met while preparing, before
// any event that would need that room was admitted.

public struct SegmentPlan: Sendable {
    public enum Place: Equatable, Sendable {
        /// Open the batch here; it may have `limit` bytes, header included.
        case at(segment: UInt32, offset: UInt32, limit: Int)
        /// This segment must be prepared first; ask again, with a length of 0, after `prepared`.
        case needsSegment(UInt32)
    }

    /// Where the next batch goes, while there is room.
    public private(set) var segment: UInt32
    public private(set) var offset: Int
    /// Of the segment above.
    private var currentBytes: Int
    /// The highest segment that exists.
    public private(set) var lastPrepared: UInt32
    /// The segment that is being prepared now; 0 when none is.
    public private(set) var inPreparation: UInt32 = 0

    private let segmentBytes: Int
    private let minimum: Int
    private let batchBytes: Int

    /// Goes on from a recovered journal. `segmentBytes` is the size of new segments, `batchBytes` the most a batch may
    /// have, `minimum` the room below which the rest of a segment is left unused (clamped for small segments).
    public init(_ recovered: RecoveredJournal, segmentBytes: Int, batchBytes: Int, minimum: Int) {
        precondition(SegmentFormat.isValid(size: segmentBytes))
        self.segmentBytes = segmentBytes
        self.batchBytes = batchBytes & ~7
        self.minimum = max(256, min(minimum, batchBytes, (segmentBytes - SegmentFormat.headerBytes) / 4)) & ~7
        segment = recovered.tail.segment
        offset = Int(recovered.tail.offset)
        currentBytes = recovered.tail.segmentBytes
        lastPrepared = recovered.lastPrepared
    }

    /// Bytes left in the current segment; none while it does not exist.
    public var room: Int { lastPrepared >= segment ? currentBytes - offset : 0 }

    /// Whether the segment after the current one exists.
    public var nextIsReady: Bool { lastPrepared > segment }

    /// The segment to prepare now, off the loop; nil when one is ready or on its way. Say `preparing` when it starts.
    public var wanted: UInt32? {
        guard inPreparation == 0 else { return nil }
        return lastPrepared < segment ? segment : lastPrepared == segment ? segment + 1 : nil
    }

    public mutating func preparing(_ number: UInt32) { inPreparation = number }

    /// `number` now exists, zero-filled and durable.
    public mutating func prepared(_ number: UInt32) {
        precondition(number == lastPrepared + 1 || lastPrepared == 0)
        inPreparation = 0
        lastPrepared = number
    }

    /// `number` could not be prepared; `wanted` names it again.
    public mutating func preparationFailed(_ number: UInt32) { inPreparation = 0 }

    /// Counts a closed batch of `length` bytes (0 for none) and says where the next one goes.
    public mutating func nextPlace(after length: Int) -> Place {
        offset += SegmentFormat.padded(length)
        precondition(offset <= currentBytes)
        guard lastPrepared >= segment else { return .needsSegment(segment) }
        if currentBytes - offset < minimum {
            guard nextIsReady else { return .needsSegment(segment + 1) }
            segment += 1
            offset = SegmentFormat.headerBytes
            currentBytes = segmentBytes
        }
        return .at(segment: segment, offset: UInt32(truncatingIfNeeded: offset), limit: min(batchBytes, currentBytes - offset))
    }
}
