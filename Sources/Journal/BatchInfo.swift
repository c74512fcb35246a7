// BatchInfo: the header of a batch, as it stands in front of the facts.
//
//   offset  size  field
//   0       4     magic: FF 50 42 31
//   4       4     CRC of the batch: the header's CRC continued over the facts and their padding
//   8       4     length of header and facts in bytes, without padding
//   12      4     CRC of the batch before this one; 0 for the first of a journal
//   16      4     segment number
//   20      4     offset of this header in its segment
//   24      8     sequence of the first event
//   32      4     number of events
//   36      2     format version, 1
//   38      2     flags; bit 0: a mark, there are no facts; bit 1: in a condensed file; bit 2: the last one there
//   40      8     opened at, nanoseconds since the epoch; never goes back
//   48      8     earliest occurredAt of its events
//   56      8     latest occurredAt; before the earliest when there are no events
//   64      4     of the last batch of a condensed file: the CRC of the batch it stands for; else 0
//   68      8     zeros
//   76      4     CRC of the header: bytes 8 to 75, started from the segment's seed (`JournalID.seed`)
//
// The header has a CRC of its own for two reasons: batches can be skipped without reading them, and a header that checks
// out proves that everything before it was durable, because one batch is written at a time. The batch's CRC goes on from
// it without the four bytes at 76: a CRC run over its own value forgets everything before.

public import Core

/// Bits of `BatchInfo.flags`.
public enum BatchFlag {
    /// No facts: written when idle, to prove that the batch before it is durable.
    public static let mark: UInt16 = 1
    /// Of a condensed file: the batch has no events.
    public static let condensed: UInt16 = 2
    /// The last one of a condensed file: it stands for all events that were dropped, and for the batch that came last.
    public static let standsFor: UInt16 = 4
}

/// What the header of a batch says.
public struct BatchInfo: Equatable, Sendable {
    /// Of the header.
    public var position: JournalPosition
    /// Header and facts in bytes, without padding.
    public var length: Int
    public var crc: UInt32
    public var previousCRC: UInt32
    public var firstSequence: UInt64
    public var eventCount: UInt32
    public var version: UInt16
    public var flags: UInt16
    public var openedAt: Timestamp
    public var earliest: Timestamp
    public var latest: Timestamp
    /// CRC of the batch that this one stands for; 0 when it stands for none.
    var stoodCRC: UInt32
    /// What the batch's CRC goes on from.
    var headerCRC: UInt32

    /// Bytes it takes in the segment.
    public var paddedLength: Int { SegmentFormat.padded(length) }
    /// Bytes of its facts.
    public var bodyLength: Int { length - BatchBuilder.headerBytes }
    /// Where the next batch of this segment starts.
    public var end: JournalPosition {
        JournalPosition(segment: position.segment, offset: position.offset + UInt32(truncatingIfNeeded: paddedLength))
    }
    /// Place of the fact at `offset` of the body.
    public func position(ofBodyOffset offset: Int) -> JournalPosition {
        JournalPosition(
            segment: position.segment, offset: position.offset + UInt32(truncatingIfNeeded: BatchBuilder.headerBytes + offset))
    }
    /// Sequence of the first event after this batch.
    public var nextSequence: UInt64 { firstSequence &+ UInt64(eventCount) }
    public var isMark: Bool { flags & BatchFlag.mark != 0 }
    /// In a condensed file.
    public var isCondensed: Bool { flags & BatchFlag.condensed != 0 }
    /// The last one of a condensed file.
    public var endsCondensed: Bool { isCondensed && flags & BatchFlag.standsFor != 0 }
    /// What the next batch names as the CRC of the batch before it.
    public var chainCRC: UInt32 { endsCondensed ? stoodCRC : crc }
}

/// Reading and writing the header, and checking a batch.
enum BatchHeader {
    static let magic: UInt32 = 0x3142_50FF
    static let version: UInt16 = 1

    enum Check: Equatable {
        case good(BatchInfo)
        /// Zeros, or no room for a header: nothing was written here.
        case none
        /// Something, but not a header that belongs here.
        case badHeader
        /// The header checks out, what follows does not.
        case badBody(BatchInfo)
        case unsupported(UInt32)
    }

    /// Checks the 80 bytes at `offset` of `segment`; `good` says nothing about the body yet. `end` is the segment's size.
    static func check(_ bytes: UnsafeRawBufferPointer, seed: UInt32, segment: UInt32, offset: Int, end: Int) -> Check {
        let size = BatchBuilder.headerBytes
        guard offset + size <= end else { return .none }
        let header = UnsafeRawBufferPointer(rebasing: bytes.prefix(size))
        guard firstNonZero(header) != nil else { return .none }
        var reader = ByteReader(header)
        let magic = reader.integer(UInt32.self)
        let crc = reader.integer(UInt32.self)
        guard header.count == size, magic == BatchHeader.magic else { return .badHeader }
        let headerCRC = headerCRC(header, seed: seed)
        guard header.loadUnaligned(fromByteOffset: 76, as: UInt32.self).littleEndian == headerCRC else { return .badHeader }
        let length = Int(reader.integer(UInt32.self))
        let previousCRC = reader.integer(UInt32.self)
        let number = reader.integer(UInt32.self)
        let place = reader.integer(UInt32.self)
        let firstSequence = reader.integer(UInt64.self)
        let eventCount = reader.integer(UInt32.self)
        let version = reader.integer(UInt16.self)
        let flags = reader.integer(UInt16.self)
        let openedAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        let earliest = Timestamp(nanoseconds: reader.integer(Int64.self))
        let latest = Timestamp(nanoseconds: reader.integer(Int64.self))
        let stoodCRC = reader.integer(UInt32.self)
        guard number == segment, Int(place) == offset else { return .badHeader }
        guard version == BatchHeader.version else { return version == 0 ? .badHeader : .unsupported(UInt32(version)) }
        guard length >= size, length <= SegmentFormat.largestSegment, offset + SegmentFormat.padded(length) <= end,
            !firstSequence.addingReportingOverflow(UInt64(eventCount)).overflow
        else { return .badHeader }
        return .good(
            BatchInfo(
                position: JournalPosition(segment: segment, offset: place), length: length, crc: crc, previousCRC: previousCRC,
                firstSequence: firstSequence, eventCount: eventCount, version: version, flags: flags, openedAt: openedAt,
                earliest: earliest, latest: latest, stoodCRC: stoodCRC, headerCRC: headerCRC))
    }

    static func headerCRC(_ header: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
        crc32c(UnsafeRawBufferPointer(rebasing: header[8..<76]), continuing: seed)
    }

    /// Pads the batch and fills in its header; the result is its CRC.
    /// `flags` and `standsFor` are those of a condensed file.
    static func seal(
        _ batch: inout BatchBuilder, previousCRC: UInt32, seed: UInt32, flags condensed: UInt16 = 0, standsFor: UInt32 = 0
    ) -> UInt32 {
        let length = batch.writer.count
        let flags = (batch.isEmpty ? BatchFlag.mark : 0) | condensed
        let padding = SegmentFormat.padded(length) - length
        if padding > 0 { batch.writer.appendUninitialized(padding).initializeMemory(as: UInt8.self, repeating: 0) }
        batch.writer.store(littleEndian: magic, at: 0)
        batch.writer.store(littleEndian: UInt32(truncatingIfNeeded: length), at: 8)
        batch.writer.store(littleEndian: previousCRC, at: 12)
        batch.writer.store(littleEndian: batch.segment, at: 16)
        batch.writer.store(littleEndian: batch.offset, at: 20)
        batch.writer.store(littleEndian: batch.firstSequence, at: 24)
        batch.writer.store(littleEndian: batch.eventCount, at: 32)
        batch.writer.store(littleEndian: version, at: 36)
        batch.writer.store(littleEndian: flags, at: 38)
        batch.writer.store(littleEndian: batch.openedAt.nanoseconds, at: 40)
        batch.writer.store(littleEndian: batch.earliest.nanoseconds, at: 48)
        batch.writer.store(littleEndian: batch.latest.nanoseconds, at: 56)
        batch.writer.store(littleEndian: standsFor, at: 64)
        let headerCRC = headerCRC(batch.writer.bytes, seed: seed)
        batch.writer.store(littleEndian: headerCRC, at: 76)
        let crc = crc32c(UnsafeRawBufferPointer(rebasing: batch.writer.bytes[BatchBuilder.headerBytes...]), continuing: headerCRC)
        batch.writer.store(littleEndian: crc, at: 4)
        return crc
    }
}
