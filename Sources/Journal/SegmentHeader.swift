// SegmentHeader: the first 4096 bytes of a segment, and how segments are named.
//
// It says whose journal the segment belongs to and which batch it goes on from, so that a segment can be read alone and a
// segment of another journal, or one that was renamed, is refused. It is written and synced before the first batch of its
// segment: bytes after a header that is not there are damage, never a crash.
//
//   offset  size  field
//   0       8     magic: FF 50 75 72 73 65 72 4A
//   8       4     CRC-32C of bytes 12 to 4095
//   12      4     format version, 1
//   16      16    journal id, random, the same in every segment
//   32      4     segment number, as in the file's name
//   36      4     CRC of the last batch of the segment before; 0 when there is none
//   40      8     sequence of the first event in this segment
//   48      8     time of the first batch, nanoseconds since the epoch
//   56      8     size of the segment in bytes, this block included
//   64      4032  zeros
//
// Place and range of magic, CRC and version stay the same in every version, so an older program can tell a newer journal
// from a damaged one.

public import Core

/// Who a journal is: sixteen random bytes, drawn when its first segment is begun.
@frozen
public struct JournalID: Equatable, Hashable, Sendable, CustomStringConvertible {
    public var high: UInt64
    public var low: UInt64

    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static func random() -> JournalID { JournalID(high: SystemRandom.next(), low: SystemRandom.next()) }

    /// 32 lower-case hexadecimal digits.
    public var description: String { hexText(high, digits: 16) + hexText(low, digits: 16) }

    /// What every checksum of one segment starts from: the CRC-32C of the id (big-endian) and the segment's number
    /// (little-endian). A block of another segment or another journal therefore never checks out.
    func seed(segment: UInt32) -> UInt32 {
        var bytes = (high.bigEndian, low.bigEndian, segment.littleEndian)
        return withUnsafeBytes(of: &bytes) { crc32c(UnsafeRawBufferPointer(rebasing: $0[0..<20])) }
    }
}

/// Names and sizes of segments.
public enum SegmentFormat {
    public static let version: UInt32 = 1
    /// Bytes of the header block; the first batch follows.
    public static let headerBytes = 4096
    /// Batches start at multiples of this.
    public static let alignment = 8
    /// A header block and room for one small batch.
    public static let smallestSegment = 8192
    /// Offsets and lengths stay in 31 bits.
    public static let largestSegment = 1 << 31

    static let suffix = ".segment"

    /// `00000001.segment`
    public static func fileName(_ number: UInt32) -> String { hexText(UInt64(number), digits: 8) + suffix }

    /// The number of a segment's file; nil when the name is not one a segment has.
    public static func number(ofFile name: String) -> UInt32? {
        let bytes = Array(name.utf8)
        guard bytes.count == 8 + suffix.utf8.count, name.hasSuffix(suffix) else { return nil }
        var number: UInt32 = 0
        for byte in bytes[0..<8] {
            switch byte {
            case 0x30...0x39: number = number << 4 | UInt32(byte - 0x30)
            case 0x61...0x66: number = number << 4 | UInt32(byte - 0x57)
            default: return nil
            }
        }
        return number == 0 ? nil : number
    }

    /// Length rounded up to where the next batch may start.
    @inlinable public static func padded(_ length: Int) -> Int { (length + 7) & ~7 }

    /// Whether segments may have this size.
    public static func isValid(size: Int) -> Bool {
        size >= smallestSegment && size <= largestSegment && size % 4096 == 0
    }
}

/// What the header block of a segment says.
public struct SegmentHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x4A72_6573_7275_50FF

    public var id: JournalID
    public var number: UInt32
    public var previousCRC: UInt32
    public var firstSequence: UInt64
    public var createdAt: Timestamp
    /// Of the whole segment, in bytes.
    public var segmentBytes: Int

    public init(id: JournalID, number: UInt32, previousCRC: UInt32, firstSequence: UInt64, createdAt: Timestamp, segmentBytes: Int) {
        self.id = id
        self.number = number
        self.previousCRC = previousCRC
        self.firstSequence = firstSequence
        self.createdAt = createdAt
        self.segmentBytes = segmentBytes
    }

    /// What a header block turned out to be.
    enum Reading: Equatable {
        case valid(SegmentHeader)
        /// Nothing but zeros, or nothing at all.
        case blank
        /// Something, but not a header.
        case broken
        case unsupported(UInt32)
    }

    /// Reads a block of 4096 bytes; a shorter one is never valid.
    static func read(_ block: UnsafeRawBufferPointer) -> Reading {
        guard firstNonZero(block) != nil else { return .blank }
        guard block.count >= SegmentFormat.headerBytes else { return .broken }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: block[0..<SegmentFormat.headerBytes]))
        let magic = reader.integer(UInt64.self)
        let crc = reader.integer(UInt32.self)
        guard magic == SegmentHeader.magic,
            crc == crc32c(UnsafeRawBufferPointer(rebasing: block[12..<SegmentFormat.headerBytes]))
        else { return .broken }
        let version = reader.integer(UInt32.self)
        guard version == SegmentFormat.version else { return version == 0 ? .broken : .unsupported(version) }
        let id = JournalID(high: reader.integer(UInt64.self).byteSwapped, low: reader.integer(UInt64.self).byteSwapped)
        let number = reader.integer(UInt32.self)
        let previousCRC = reader.integer(UInt32.self)
        let firstSequence = reader.integer(UInt64.self)
        let createdAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        let size = reader.integer(UInt64.self)
        guard size <= UInt64(SegmentFormat.largestSegment), SegmentFormat.isValid(size: Int(size)) else { return .broken }
        return .valid(
            SegmentHeader(
                id: id, number: number, previousCRC: previousCRC, firstSequence: firstSequence, createdAt: createdAt,
                segmentBytes: Int(size)))
    }

    /// Replaces what `writer` holds by the 4096 bytes of this header.
    func write(to writer: inout ByteWriter) {
        writer.reset()
        writer.append(littleEndian: SegmentHeader.magic)
        writer.append(littleEndian: UInt32(0))
        writer.append(littleEndian: SegmentFormat.version)
        writer.append(littleEndian: id.high.byteSwapped)
        writer.append(littleEndian: id.low.byteSwapped)
        writer.append(littleEndian: number)
        writer.append(littleEndian: previousCRC)
        writer.append(littleEndian: firstSequence)
        writer.append(littleEndian: createdAt.nanoseconds)
        writer.append(littleEndian: UInt64(segmentBytes))
        writer.appendUninitialized(SegmentFormat.headerBytes - writer.count).initializeMemory(as: UInt8.self, repeating: 0)
        writer.store(littleEndian: crc32c(UnsafeRawBufferPointer(rebasing: writer.bytes[12...])), at: 8)
    }
}

/// Lower-case hexadecimal of the lowest `digits` digits.
public func hexText(_ value: UInt64, digits: Int) -> String {
    var writer = ByteWriter(capacity: 16)
    for place in stride(from: digits - 1, through: 0, by: -1) {
        writer.append(hexDigit(UInt8(truncatingIfNeeded: value >> UInt64(place * 4)) & 15))
    }
    return writer.string
}
