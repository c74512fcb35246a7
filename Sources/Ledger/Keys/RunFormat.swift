// RunFormat: a run on disk. `protocol/dedup.md` is the page for it.
//
//   front     16,384 bytes: header block, then the section table; written last
//   sections  256, one for each top byte of a fingerprint: blocks of entries, then a tail
//
//   header block, 4096 bytes                           a section in the table, 40 bytes, 256 times
//   0    8   magic: FF 50 75 72 73 65 72 4B            0    8   where its first block is in the file
//   8    4   CRC-32C of bytes 12 to 4095               8    4   blocks
//   12   4   format version, 1                         12   4   entries
//   16   16  journal id, as in a segment               16   8   seed of the filter
//   32   4   number of the run, as in the file's name  24   4   places of the filter's first segment
//   36   4   CRC of the section table                  28   1   log2 of a segment's slots
//   40   8   mark of the fingerprints' seed            29   1   bits of a slot
//   48   8   first position covered                    30   2   zeros
//   56   8   position after the last one covered       32   4   bytes of the tail without padding
//   64   8   position of the batch that ends it        36   4   CRC of the tail with padding
//   72   4   CRC of that batch
//   76   4   zeros                                     block, 4096 bytes
//   80   8   entries                                   0    4   CRC of bytes 4 to 4095, from the block's own seed
//   88   8   bytes of the file                         4    2   entries in use, 1 to 255
//   96   ..  zeros                                     6    10  zeros
//                                                      16   ..  16 bytes an entry: fingerprint, position; then zeros
//
// The tail holds the upper half of the first fingerprint of each block (4 bytes each), then the filter, and zeros up to the
// next multiple of 4096. The checksum of a block starts from the journal id, the run's number and the block's place, and that
// of a tail from its section's place: nothing of another run, another journal or another place checks out.

public import Core
public import Journal

enum RunFormat {
    static let version: UInt32 = 1
    static let magic: UInt64 = 0x4B72_6573_7275_50FF
    static let pageBytes = 4096
    static let sections = 256
    static let sectionBytes = 40
    /// Header block and section table.
    static let frontBytes = 4 * pageBytes
    static let blockEntries = 255
    static let blockHeaderBytes = 16
    static let suffix = ".run"

    /// `00000001.run`
    static func fileName(_ number: UInt32) -> String { hexText(UInt64(number), digits: 8) + suffix }

    /// The number of a run's file; nil when the name is not one a run has.
    static func number(ofFile name: String) -> UInt32? {
        guard name.utf8.count == 8 + suffix.utf8.count, name.hasSuffix(suffix), let number = UInt32(name.prefix(8), radix: 16) else {
            return nil
        }
        return fileName(number) == name && number != 0 ? number : nil
    }

    static func padded(_ bytes: Int) -> Int { (bytes + pageBytes - 1) & ~(pageBytes - 1) }

    /// What the checksums of one run start from.
    static func seed(_ id: JournalID, _ number: UInt32) -> UInt32 {
        var bytes = (id.high.bigEndian, id.low.bigEndian, number.littleEndian, UInt32(0x4B))
        return withUnsafeBytes(of: &bytes) { crc32c($0) }
    }

    /// What the checksum of the block or tail at `offset` starts from.
    static func seed(_ runSeed: UInt32, at offset: Int) -> UInt32 {
        var bytes = UInt64(offset).littleEndian
        return withUnsafeBytes(of: &bytes) { crc32c($0, continuing: runSeed) }
    }

    /// Tells one seed of fingerprints from another without telling the seed.
    static func mark(ofSeed seed: UInt64, _ id: JournalID) -> UInt64 {
        var bytes = (id.high.bigEndian, id.low.bigEndian)
        return withUnsafeBytes(of: &bytes) { hashBytes($0, seed: seed) }
    }

    /// The number of entries of a block that checks out; nil for any other.
    static func entries(inBlock block: UnsafeRawBufferPointer, at offset: Int, runSeed: UInt32) -> Int? {
        guard block.count == pageBytes else { return nil }
        let stored = UInt32(littleEndian: block.loadUnaligned(as: UInt32.self))
        guard crc32c(UnsafeRawBufferPointer(rebasing: block[4...]), continuing: seed(runSeed, at: offset)) == stored else { return nil }
        let count = Int(UInt16(littleEndian: block.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
        return count >= 1 && count <= blockEntries ? count : nil
    }

    @inline(__always) static func entry(_ index: Int, ofBlock block: UnsafeRawPointer) -> KeyEntry {
        let at = blockHeaderBytes + index * 16
        return KeyEntry(
            fingerprint: UInt64(littleEndian: block.loadUnaligned(fromByteOffset: at, as: UInt64.self)),
            position: UInt64(littleEndian: block.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)))
    }

    /// Index of the first of `count` entries whose fingerprint is not below `fingerprint`.
    static func lowerBound(_ fingerprint: UInt64, inBlock block: UnsafeRawPointer, count: Int) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if entry(middle, ofBlock: block).fingerprint < fingerprint { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// One row of the section table.
struct RunSection: Equatable {
    var offset = 0
    var blocks = 0
    var entries = 0
    var filter = FuseFilter.Shape()
    var tailBytes = 0
    var tailCRC: UInt32 = 0

    var tailOffset: Int { offset + blocks * RunFormat.pageBytes }
    var paddedTailBytes: Int { RunFormat.padded(tailBytes) }
    /// Bytes of the first fingerprints in front of the filter.
    var firstsBytes: Int { blocks * 4 }

    func write(to output: inout ByteWriter) {
        output.append(littleEndian: UInt64(offset))
        output.append(littleEndian: UInt32(blocks))
        output.append(littleEndian: UInt32(entries))
        output.append(littleEndian: filter.seed)
        output.append(littleEndian: filter.segments)
        output.append(filter.segmentLog)
        output.append(filter.bits)
        output.append(littleEndian: UInt16(0))
        output.append(littleEndian: UInt32(tailBytes))
        output.append(littleEndian: tailCRC)
    }

    init() {}

    /// A row of the table; nil when it cannot be one.
    init?(_ reader: inout ByteReader) {
        let place = reader.integer(UInt64.self)
        blocks = Int(reader.integer(UInt32.self))
        entries = Int(reader.integer(UInt32.self))
        filter.seed = reader.integer(UInt64.self)
        filter.segments = reader.integer(UInt32.self)
        filter.segmentLog = reader.byte()
        filter.bits = reader.byte()
        let zeros = reader.integer(UInt16.self)
        tailBytes = Int(reader.integer(UInt32.self))
        tailCRC = reader.integer(UInt32.self)
        guard !reader.failed, zeros == 0, place <= UInt64(Int32.max) << 16 else { return nil }
        offset = Int(place)
        guard filter.isValid, tailBytes == firstsBytes + filter.byteCount, entries >= blocks,
            entries <= blocks * RunFormat.blockEntries, (blocks == 0) == (filter.segments == 0)
        else { return nil }
    }
}

/// What the header block of a run says.
public struct RunHeader: Equatable, Sendable {
    public var id: JournalID
    public var number: UInt32
    var tableCRC: UInt32 = 0
    var seedMark: UInt64
    /// The keys of all events from here on, as far as they were inside the window when the run was written, ...
    public var from: JournalPosition
    /// ... and before here are in the run.
    public var to: JournalPosition
    /// The batch that holds the last of those events, and its checksum, which the batches before it went into.
    public var batch: JournalPosition
    public var batchCRC: UInt32
    public var entries: Int
    public var fileBytes: Int
    /// Of the header block itself.
    var crc: UInt32 = 0

    var fileName: String { RunFormat.fileName(number) }

    init(
        id: JournalID, number: UInt32, seedMark: UInt64, from: JournalPosition, to: JournalPosition, batch: JournalPosition,
        batchCRC: UInt32
    ) {
        self.id = id
        self.number = number
        self.seedMark = seedMark
        self.from = from
        self.to = to
        self.batch = batch
        self.batchCRC = batchCRC
        entries = 0
        fileBytes = 0
    }

    /// Appends the header block and notes its checksum.
    mutating func write(to output: inout ByteWriter) {
        let start = output.count
        output.append(littleEndian: RunFormat.magic)
        output.append(littleEndian: UInt32(0))
        output.append(littleEndian: RunFormat.version)
        output.append(littleEndian: id.high.bigEndian)
        output.append(littleEndian: id.low.bigEndian)
        output.append(littleEndian: number)
        output.append(littleEndian: tableCRC)
        output.append(littleEndian: seedMark)
        output.append(littleEndian: from.raw)
        output.append(littleEndian: to.raw)
        output.append(littleEndian: batch.raw)
        output.append(littleEndian: batchCRC)
        output.append(littleEndian: UInt32(0))
        output.append(littleEndian: UInt64(entries))
        output.append(littleEndian: UInt64(fileBytes))
        let rest = RunFormat.pageBytes - (output.count - start)
        output.appendUninitialized(rest).initializeMemory(as: UInt8.self, repeating: 0)
        crc = crc32c(UnsafeRawBufferPointer(rebasing: output.bytes[(start + 12)...]))
        output.store(littleEndian: crc, at: start + 8)
    }

    /// Reads a header block; nil when it is not one of this version that checks out.
    init?(_ block: UnsafeRawBufferPointer) {
        guard block.count == RunFormat.pageBytes else { return nil }
        var reader = ByteReader(block)
        guard reader.integer(UInt64.self) == RunFormat.magic else { return nil }
        crc = reader.integer(UInt32.self)
        guard crc32c(UnsafeRawBufferPointer(rebasing: block[12...])) == crc, reader.integer(UInt32.self) == RunFormat.version else {
            return nil
        }
        let high = UInt64(bigEndian: reader.integer(UInt64.self))
        id = JournalID(high: high, low: UInt64(bigEndian: reader.integer(UInt64.self)))
        number = reader.integer(UInt32.self)
        tableCRC = reader.integer(UInt32.self)
        seedMark = reader.integer(UInt64.self)
        from = JournalPosition(raw: reader.integer(UInt64.self))
        to = JournalPosition(raw: reader.integer(UInt64.self))
        batch = JournalPosition(raw: reader.integer(UInt64.self))
        batchCRC = reader.integer(UInt32.self)
        guard reader.integer(UInt32.self) == 0 else { return nil }
        let (count, size) = (reader.integer(UInt64.self), reader.integer(UInt64.self))
        guard count <= UInt64(Int32.max) << 8, size <= UInt64(Int32.max) << 16 else { return nil }
        entries = Int(count)
        fileBytes = Int(size)
    }
}
