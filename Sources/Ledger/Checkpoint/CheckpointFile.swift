// CheckpointFile: the file that a start takes the books from instead of reading the whole journal. `protocol/checkpoint.md` is the
// page for it.
//
//   header block, 4096 bytes                           a frame, one behind the other from byte 4096
//   0    8   magic: FF 50 75 72 73 65 72 43            0   4   CRC-32C of bytes 4 to the end, from that of the frame before
//   8    4   CRC-32C of bytes 12 to 4095               4   4   bytes of its records
//   12   4   format version, 1                         8   ..  records
//   16   16  journal id, as in a segment
//   32   8   seed of the fingerprints, secret           a record, like a fact of the journal
//   40   8   position of the last batch that counts    0   1       type
//   48   4   CRC of that batch                         1   varint  length of the payload
//   52   4   frames                                            …       payload
//   56   8   bytes of the file
//   64   4   CRC of the last frame
//   68   8   XXH3-64 of the program's version
//   76   4   strings
//   80   4   accounts
//   84   ..  zeros
//
// The first frame's checksum goes on from that of the header's bytes 16 to 51: nothing of another journal or another moment checks out.
// Written under another name and renamed, never synced: what a power loss leaves of it either checks out or is not used.

internal import Core
internal import Journal

/// What the header block says.
struct CheckpointHeader: Equatable {
    static let magic: UInt64 = 0x4372_6573_7275_50FF
    static let version: UInt32 = 1
    static let bytes = 4096
    static let frameHeadBytes = 8

    var place: JournalPlace
    var seed: UInt64
    var frames: UInt32 = 0
    var fileBytes: UInt64 = 0
    var lastCRC: UInt32 = 0
    /// How many of them there are, for the memory they need.
    var strings: UInt32 = 0
    var accounts: UInt32 = 0
    /// Of the program that wrote it: another version may know facts that this one skipped, or skip some that it knew.
    var program = CheckpointHeader.program
    static let program = Array(Version.text.utf8).withUnsafeBytes { hashBytes($0, seed: 0) }

    init(_ place: JournalPlace, seed: UInt64) {
        self.place = place
        self.seed = seed
    }

    /// Nil when the block is not one of this version that checks out.
    init?(_ block: UnsafeRawBufferPointer) {
        guard block.count == CheckpointHeader.bytes else { return nil }
        var reader = ByteReader(block)
        guard reader.integer(UInt64.self) == CheckpointHeader.magic else { return nil }
        let crc = reader.integer(UInt32.self)
        guard crc32c(UnsafeRawBufferPointer(rebasing: block[12...])) == crc, reader.integer(UInt32.self) == CheckpointHeader.version else {
            return nil
        }
        let high = UInt64(bigEndian: reader.integer(UInt64.self))
        let id = JournalID(high: high, low: UInt64(bigEndian: reader.integer(UInt64.self)))
        seed = reader.integer(UInt64.self)
        let batch = JournalPosition(raw: reader.integer(UInt64.self))
        place = JournalPlace(id: id, batch: batch, crc: reader.integer(UInt32.self))
        frames = reader.integer(UInt32.self)
        fileBytes = reader.integer(UInt64.self)
        lastCRC = reader.integer(UInt32.self)
        program = reader.integer(UInt64.self)
        strings = reader.integer(UInt32.self)
        accounts = reader.integer(UInt32.self)
    }

    /// What the checksum of the first frame starts from.
    var frameSeed: UInt32 {
        var bytes = ByteWriter(capacity: 64)
        appendIdentity(to: &bytes)
        return crc32c(bytes.bytes)
    }

    private func appendIdentity(to output: inout ByteWriter) {
        output.append(littleEndian: place.id.high.bigEndian)
        output.append(littleEndian: place.id.low.bigEndian)
        output.append(littleEndian: seed)
        output.append(littleEndian: place.batch.raw)
        output.append(littleEndian: place.crc)
    }

    func write(to output: inout ByteWriter) {
        output.reset()
        output.append(littleEndian: CheckpointHeader.magic)
        output.append(littleEndian: UInt32(0))
        output.append(littleEndian: CheckpointHeader.version)
        appendIdentity(to: &output)
        output.append(littleEndian: frames)
        output.append(littleEndian: fileBytes)
        output.append(littleEndian: lastCRC)
        output.append(littleEndian: program)
        output.append(littleEndian: strings)
        output.append(littleEndian: accounts)
        output.appendUninitialized(CheckpointHeader.bytes - output.count).initializeMemory(as: UInt8.self, repeating: 0)
        output.store(littleEndian: crc32c(UnsafeRawBufferPointer(rebasing: output.bytes[12...])), at: 8)
    }
}

/// Writes a checkpoint, a frame at a time. It counts with `finish`, and not before.
struct CheckpointWriter: ~Copyable {
    static let newFile = "checkpoint.new"
    /// A frame is written when it has this many bytes.
    private static let frameBytes = 256 * 1024

    private let storage: any Storage
    private var header: CheckpointHeader
    private var crc: UInt32
    private var offset = CheckpointHeader.bytes
    private var frame = ByteWriter(capacity: CheckpointWriter.frameBytes + 64 * 1024)

    init(_ storage: any Storage, _ header: CheckpointHeader) throws(StorageError) {
        self.storage = storage
        self.header = header
        crc = header.frameSeed
        // Making a file durable takes longer than filling it, so one is kept ready (`Checkpoint.prepare`).
        try CheckpointWriter.makeEmpty(storage)
        beginFrame()
    }

    /// Makes the new file, or takes away what an attempt left in it.
    static func makeEmpty(_ storage: any Storage) throws(StorageError) {
        if try storage.list().contains(newFile) {
            try storage.truncate(newFile, to: 0)
        } else {
            try storage.createZeroed(newFile, size: 0)
        }
    }

    private mutating func beginFrame() {
        frame.reset()
        frame.append(littleEndian: UInt64(0))
    }

    /// Hands out the frame to write records to, when what it has was written if it was full. A record takes at most
    /// `Limits.checkpointRecordBytes`.
    mutating func add(_ body: (inout ByteWriter) -> Void) throws(StorageError) {
        if frame.count >= CheckpointWriter.frameBytes { try writeFrame() }
        body(&frame)
    }

    private mutating func writeFrame() throws(StorageError) {
        frame.store(littleEndian: UInt32(truncatingIfNeeded: frame.count - CheckpointHeader.frameHeadBytes), at: 4)
        crc = crc32c(UnsafeRawBufferPointer(rebasing: frame.bytes[4...]), continuing: crc)
        frame.store(littleEndian: crc, at: 0)
        try storage.write(CheckpointWriter.newFile, at: offset, frame.bytes)
        offset += frame.count
        header.frames += 1
        beginFrame()
    }

    /// Puts the file in the place of the one before. The result is its length in bytes.
    consuming func finish() throws(StorageError) -> Int {
        if frame.count > CheckpointHeader.frameHeadBytes { try writeFrame() }
        header.fileBytes = UInt64(offset)
        header.lastCRC = crc
        header.write(to: &frame)
        try storage.write(CheckpointWriter.newFile, at: 0, frame.bytes)
        try storage.rename(CheckpointWriter.newFile, to: Checkpoint.file)
        return offset
    }
}

/// Reads a checkpoint, a frame at a time.
struct CheckpointReader: ~Copyable {
    private let storage: any Storage
    let header: CheckpointHeader
    private var crc: UInt32
    private var offset = CheckpointHeader.bytes
    private var framesLeft: UInt32
    private var frame = ByteWriter(capacity: 512 * 1024)

    /// Throws what is wrong with it.
    init(_ storage: any Storage) throws {
        self.storage = storage
        let size = try storage.size(Checkpoint.file)
        let memory = frame.appendUninitialized(CheckpointHeader.bytes)
        let count = try storage.read(Checkpoint.file, at: 0, into: memory)
        guard count == CheckpointHeader.bytes, let header = CheckpointHeader(frame.bytes) else { throw CheckpointFault.header }
        guard header.fileBytes == UInt64(size) else { throw CheckpointFault.length }
        self.header = header
        crc = header.frameSeed
        framesLeft = header.frames
    }

    /// The records of the next frame, valid until the next call; nil after the last.
    mutating func next() throws -> UnsafeRawBufferPointer? {
        guard framesLeft > 0 else {
            guard crc == header.lastCRC, UInt64(offset) == header.fileBytes else { throw CheckpointFault.frame }
            return nil
        }
        framesLeft -= 1
        let headBytes = CheckpointHeader.frameHeadBytes
        var head: UInt64 = 0
        let count = try withUnsafeMutableBytes(of: &head) { try storage.read(Checkpoint.file, at: offset, into: $0) }
        let length = Int(UInt64(littleEndian: head) >> 32)
        guard count == headBytes, length <= Limits.checkpointFrameBytes, UInt64(offset + headBytes + length) <= header.fileBytes else {
            throw CheckpointFault.frame
        }
        frame.reset()
        let memory = frame.appendUninitialized(4 + length)
        guard try storage.read(Checkpoint.file, at: offset + 4, into: memory) == 4 + length else { throw CheckpointFault.frame }
        crc = crc32c(frame.bytes, continuing: crc)
        guard crc == UInt32(truncatingIfNeeded: UInt64(littleEndian: head)) else { throw CheckpointFault.frame }
        offset += headBytes + length
        return UnsafeRawBufferPointer(rebasing: frame.bytes[4...])
    }
}

/// Why a checkpoint is not used.
enum CheckpointFault: String, Error {
    case header = "its header does not check out"
    case length = "it is not as long as its header says"
    case otherProgram = "another version of the program wrote it"
    case otherJournal = "it is of another journal"
    case otherSeed = "its keys have other fingerprints"
    case otherBatch = "the journal does not have the batch it ends with"
    case frame = "a frame does not check out"
    case record = "a record does not decode or does not follow from those before it"
    case keys = "the files of keys do not reach to where its own begin"
}
