// CondensedFile: what takes the place of segments whose events are no longer kept, as far as its name and its header block go.
// `protocol/retention.md` says what is in it and when it is made.
//
//   offset  size  field
//   0       8     magic: FF 50 75 72 73 65 72 43
//   8       4     CRC-32C of bytes 12 to 4095
//   12      4     format version, 1
//   16      16    journal id
//   32      4     the first segment it stands for
//   36      4     CRC of the last batch before that segment; 0 when there is none
//   40      8     sequence of the first event of that segment
//   48      8     when that segment's first batch was opened
//   56      8     size of the file in bytes
//   64      4     the last segment it stands for
//   68      4028  zeros

public import Core

/// The segments that one file stands for. Lowest numbers come first; of the same first one the longer range.
public struct CondensedRange: Equatable, Comparable, Hashable, Sendable {
    public var first: UInt32
    public var last: UInt32

    public init(first: UInt32, last: UInt32) {
        self.first = first
        self.last = last
    }

    static let suffix = ".condensed"
    /// What a file is called until it is whole.
    public static let unfinishedFile = "condensed.new"

    /// `00000001-00000007.condensed`
    public var fileName: String { hexText(UInt64(first), digits: 8) + "-" + hexText(UInt64(last), digits: 8) + CondensedRange.suffix }

    /// The range a file's name gives; nil when it is not the name of a condensed file.
    public init?(file name: String) {
        guard name.hasSuffix(CondensedRange.suffix) else { return nil }
        let parts = name.dropLast(CondensedRange.suffix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = SegmentFormat.number(ofFile: parts[0] + SegmentFormat.suffix),
            let last = SegmentFormat.number(ofFile: parts[1] + SegmentFormat.suffix), first <= last
        else { return nil }
        self.init(first: first, last: last)
    }

    public func covers(_ segment: UInt32) -> Bool { segment >= first && segment <= last }

    public static func < (a: CondensedRange, b: CondensedRange) -> Bool { a.first != b.first ? a.first < b.first : a.last > b.last }

    /// The condensed files among these names, in order.
    public static func all(in names: [String]) -> [CondensedRange] { names.compactMap { CondensedRange(file: $0) }.sorted() }
}

extension JournalID {
    /// What the checksums of a condensed file start from: never those of the segment whose number it begins with.
    func seed(condensedFrom segment: UInt32) -> UInt32 {
        withUnsafeBytes(of: UInt8(0x43)) { crc32c($0, continuing: seed(segment: segment)) }
    }
}

/// What the header block of a condensed file says.
public struct CondensedHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x4372_6573_7275_50FF

    public var id: JournalID
    public var range: CondensedRange
    public var previousCRC: UInt32
    public var firstSequence: UInt64
    public var createdAt: Timestamp
    public var fileBytes: Int

    /// Reads the first 4096 bytes of the file of a range.
    static func read(_ block: UnsafeRawBufferPointer, of range: CondensedRange) throws(JournalError) -> CondensedHeader {
        let damage = JournalError.damage(file: range.fileName, offset: 0, reason: .header)
        guard block.count >= SegmentFormat.headerBytes else { throw damage }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: block[0..<SegmentFormat.headerBytes]))
        let magic = reader.integer(UInt64.self)
        let crc = reader.integer(UInt32.self)
        guard magic == CondensedHeader.magic, crc == crc32c(UnsafeRawBufferPointer(rebasing: block[12..<SegmentFormat.headerBytes])) else {
            throw damage
        }
        let version = reader.integer(UInt32.self)
        guard version != 0 else { throw damage }
        guard version == SegmentFormat.version else { throw .unsupported(file: range.fileName, offset: 0, version: version) }
        let id = JournalID(high: reader.integer(UInt64.self).byteSwapped, low: reader.integer(UInt64.self).byteSwapped)
        let first = reader.integer(UInt32.self)
        let previousCRC = reader.integer(UInt32.self)
        let firstSequence = reader.integer(UInt64.self)
        let createdAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        let size = reader.integer(UInt64.self)
        let last = reader.integer(UInt32.self)
        guard size <= UInt64(SegmentFormat.largestSegment), SegmentFormat.isValid(size: Int(size)) else { throw damage }
        guard first == range.first, last == range.last else { throw .damage(file: range.fileName, offset: 0, reason: .number) }
        return CondensedHeader(
            id: id, range: range, previousCRC: previousCRC, firstSequence: firstSequence, createdAt: createdAt, fileBytes: Int(size))
    }

    /// Replaces what `writer` holds by the 4096 bytes of this header.
    func write(to writer: inout ByteWriter) {
        writer.reset()
        writer.append(littleEndian: CondensedHeader.magic)
        writer.append(littleEndian: UInt32(0))
        writer.append(littleEndian: SegmentFormat.version)
        writer.append(littleEndian: id.high.byteSwapped)
        writer.append(littleEndian: id.low.byteSwapped)
        writer.append(littleEndian: range.first)
        writer.append(littleEndian: previousCRC)
        writer.append(littleEndian: firstSequence)
        writer.append(littleEndian: createdAt.nanoseconds)
        writer.append(littleEndian: UInt64(fileBytes))
        writer.append(littleEndian: range.last)
        writer.appendUninitialized(SegmentFormat.headerBytes - writer.count).initializeMemory(as: UInt8.self, repeating: 0)
        writer.store(littleEndian: crc32c(UnsafeRawBufferPointer(rebasing: writer.bytes[12...])), at: 8)
    }
}
