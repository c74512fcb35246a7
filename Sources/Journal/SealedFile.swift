// SealedFile: what takes the place of a segment that was left, with the same bytes in fewer. `protocol/journal.md` has the layout.
//
// A sealed file is a header block, frames, and an index of the frames. A frame stands for about 128 KiB of the segment and is read
// without the others, so a reader gets to any place with one small read. It is written once and whole: it has its name only when it
// is durable.

public import Core

/// Compresses and expands pieces of memory: zstd, outside of this room.
public protocol FrameCodec: Sendable {
    /// Appends the bytes compressed; false, and nothing appended, when that would not be shorter.
    func compress(_ bytes: UnsafeRawBufferPointer, into output: inout ByteWriter) -> Bool
    /// Fills all of `output`; false when these are not bytes that do.
    func expand(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool
}

/// Names of sealed files.
public enum SealedFormat {
    static let suffix = ".sealed"
    static let unfinishedSuffix = ".sealing"
    /// Of the segment a frame stands for: it ends with the fact that makes it so long.
    public static let frameBytes = 128 * 1024
    static let entryBytes = 20

    /// `00000001.sealed`
    public static func fileName(_ number: UInt32) -> String { hexText(UInt64(number), digits: 8) + suffix }
    /// What it is called while it is written.
    public static func unfinishedFile(_ number: UInt32) -> String { hexText(UInt64(number), digits: 8) + unfinishedSuffix }

    /// The number of the segment that a sealed file stands for; nil for other names.
    public static func number(ofFile name: String) -> UInt32? {
        guard name.hasSuffix(suffix) else { return nil }
        return SegmentFormat.number(ofFile: String(name.dropLast(suffix.count)) + SegmentFormat.suffix)
    }

    public static func isUnfinished(_ name: String) -> Bool { name.hasSuffix(unfinishedSuffix) }
}

/// What the header block of a sealed file says.
public struct SealedHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x5A72_6573_7275_50FF

    /// Of the segment.
    public var segment: SegmentHeader
    /// Of this file.
    public var fileBytes: Int
    /// Where the last batch of the segment ends; zeros follow.
    public var usedEnd: Int
    public var events: UInt64
    public var frames: Int
    public var indexOffset: Int
    public var indexCRC: UInt32

    /// Reads the first 4096 bytes of the file; nil when they are not the header of segment `number`.
    public static func read(_ block: UnsafeRawBufferPointer, number: UInt32) -> SealedHeader? {
        guard block.count >= SegmentFormat.headerBytes else { return nil }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: block[0..<SegmentFormat.headerBytes]))
        let magic = reader.integer(UInt64.self)
        let crc = reader.integer(UInt32.self)
        let version = reader.integer(UInt32.self)
        guard magic == SealedHeader.magic, version == SegmentFormat.version,
            crc == crc32c(UnsafeRawBufferPointer(rebasing: block[12..<SegmentFormat.headerBytes]))
        else { return nil }
        let id = JournalID(high: reader.integer(UInt64.self).byteSwapped, low: reader.integer(UInt64.self).byteSwapped)
        let found = reader.integer(UInt32.self)
        let previousCRC = reader.integer(UInt32.self)
        let firstSequence = reader.integer(UInt64.self)
        let createdAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        let segmentBytes = reader.integer(UInt64.self)
        let fileBytes = reader.integer(UInt64.self)
        let usedEnd = reader.integer(UInt64.self)
        let events = reader.integer(UInt64.self)
        let indexOffset = reader.integer(UInt64.self)
        let frames = reader.integer(UInt32.self)
        let indexCRC = reader.integer(UInt32.self)
        let most = UInt64(SegmentFormat.largestSegment)
        guard found == number, segmentBytes <= most, SegmentFormat.isValid(size: Int(segmentBytes)), usedEnd <= segmentBytes,
            usedEnd >= UInt64(SegmentFormat.headerBytes), fileBytes <= 2 * most, indexOffset <= fileBytes,
            indexOffset + UInt64(frames) * UInt64(SealedFormat.entryBytes) == fileBytes
        else { return nil }
        let segment = SegmentHeader(
            id: id, number: number, previousCRC: previousCRC, firstSequence: firstSequence, createdAt: createdAt,
            segmentBytes: Int(segmentBytes))
        return SealedHeader(
            segment: segment, fileBytes: Int(fileBytes), usedEnd: Int(usedEnd), events: events, frames: Int(frames),
            indexOffset: Int(indexOffset), indexCRC: indexCRC)
    }

    /// Replaces what `writer` holds by the 4096 bytes of this header.
    func write(to writer: inout ByteWriter) {
        writer.reset()
        writer.append(littleEndian: SealedHeader.magic)
        writer.append(littleEndian: UInt32(0))
        writer.append(littleEndian: SegmentFormat.version)
        writer.append(littleEndian: segment.id.high.byteSwapped)
        writer.append(littleEndian: segment.id.low.byteSwapped)
        writer.append(littleEndian: segment.number)
        writer.append(littleEndian: segment.previousCRC)
        writer.append(littleEndian: segment.firstSequence)
        writer.append(littleEndian: segment.createdAt.nanoseconds)
        writer.append(littleEndian: UInt64(segment.segmentBytes))
        writer.append(littleEndian: UInt64(fileBytes))
        writer.append(littleEndian: UInt64(usedEnd))
        writer.append(littleEndian: events)
        writer.append(littleEndian: UInt64(indexOffset))
        writer.append(littleEndian: UInt32(frames))
        writer.append(littleEndian: indexCRC)
        writer.appendUninitialized(SegmentFormat.headerBytes - writer.count).initializeMemory(as: UInt8.self, repeating: 0)
        writer.store(littleEndian: crc32c(UnsafeRawBufferPointer(rebasing: writer.bytes[12...])), at: 8)
    }

    /// The header block of the segment, byte for byte.
    public func segmentBlock() -> [UInt8] {
        var block = ByteWriter(capacity: SegmentFormat.headerBytes)
        segment.write(to: &block)
        return block.array
    }
}

/// Where a frame is, and what it stands for.
public struct SealedFrame: Equatable, Sendable {
    public enum Method: UInt8, Sendable {
        /// As they are.
        case plain = 0
        case compressed = 1
        /// In columns, each compressed: `FactColumns`.
        case columns = 2
    }

    /// Offsets in the segment.
    public var start: Int
    public var end: Int
    /// In the file.
    public var offset: Int
    public var stored: Int
    public var crc: UInt32
    public var method: Method

    /// Reads the index; nil when it is not that of `header`.
    public static func readIndex(_ bytes: UnsafeRawBufferPointer, of header: SealedHeader) -> [SealedFrame]? {
        guard bytes.count == header.frames * SealedFormat.entryBytes, crc32c(bytes) == header.indexCRC else { return nil }
        var reader = ByteReader(bytes)
        var frames: [SealedFrame] = []
        frames.reserveCapacity(header.frames)
        var start = SegmentFormat.headerBytes
        var offset = SegmentFormat.headerBytes
        for _ in 0..<header.frames {
            let from = Int(reader.integer(UInt32.self))
            let length = Int(reader.integer(UInt32.self))
            let stored = Int(reader.integer(UInt32.self))
            let crc = reader.integer(UInt32.self)
            let method = Method(rawValue: UInt8(truncatingIfNeeded: reader.integer(UInt32.self)))
            let most = SealedFormat.frameBytes + Limits.batchBytes
            guard let method, from == start, length > 0, length <= most, start + length <= header.usedEnd,
                offset + stored <= header.indexOffset
            else { return nil }
            frames.append(SealedFrame(start: start, end: start + length, offset: offset, stored: stored, crc: crc, method: method))
            start += length
            offset += stored
        }
        guard start == header.usedEnd, offset == header.indexOffset else { return nil }
        return frames
    }

    func append(to index: inout ByteWriter) {
        index.append(littleEndian: UInt32(start))
        index.append(littleEndian: UInt32(end - start))
        index.append(littleEndian: UInt32(stored))
        index.append(littleEndian: crc)
        index.append(littleEndian: UInt32(method.rawValue))
    }

    /// Makes the bytes of the segment from those of the file; false when they are not what was written.
    public func restore(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, _ codec: some FrameCodec) -> Bool {
        guard bytes.count == stored, output.count == end - start, crc32c(bytes) == crc else { return false }
        switch method {
        case .plain:
            guard stored == output.count else { return false }
            output.copyMemory(from: bytes)
            return true
        case .compressed: return codec.expand(bytes, into: output)
        case .columns: return FactColumns.join(bytes, into: output, codec)
        }
    }
}
