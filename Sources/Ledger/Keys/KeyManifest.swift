// KeyManifest: which runs make up the index, oldest first, and the seed of the fingerprints in them. It is replaced as a whole
// (`manifest.new`, synced, renamed, directory synced): before the rename the old runs count, after it the new ones, never a mix.
//
//   0    8   magic: FF 50 75 72 73 65 72 4D     32   8   seed of the fingerprints, secret
//   8    4   CRC-32C of bytes 12 to the end     40   4   number of the next run
//   12   4   format version, 1                  44   4   runs
//   16   16  journal id                         48   8   first position the runs cover; what was before has expired
//                                               56   ..  8 bytes a run: number, CRC of its header block

internal import Core
internal import Journal

struct KeyManifest: Equatable {
    struct Run: Equatable {
        var number: UInt32
        var crc: UInt32
    }

    static let magic: UInt64 = 0x4D72_6573_7275_50FF
    static let version: UInt32 = 1
    static let file = "manifest"
    static let newFile = "manifest.new"

    var id: JournalID
    var seed: UInt64
    var nextNumber: UInt32 = 1
    /// The first run covers the journal from here on, each later one from where the one before it ends.
    var start = JournalPosition.start
    var runs: [Run] = []
    static let headBytes = 56

    init(id: JournalID, seed: UInt64) {
        self.id = id
        self.seed = seed
    }

    /// Reads a manifest; nil when the bytes are not one of this version that checks out.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= KeyManifest.headBytes else { return nil }
        var reader = ByteReader(bytes)
        guard reader.integer(UInt64.self) == KeyManifest.magic else { return nil }
        let crc = reader.integer(UInt32.self)
        guard crc32c(UnsafeRawBufferPointer(rebasing: bytes[12...])) == crc, reader.integer(UInt32.self) == KeyManifest.version else {
            return nil
        }
        let high = UInt64(bigEndian: reader.integer(UInt64.self))
        id = JournalID(high: high, low: UInt64(bigEndian: reader.integer(UInt64.self)))
        seed = reader.integer(UInt64.self)
        nextNumber = reader.integer(UInt32.self)
        let count = Int(reader.integer(UInt32.self))
        start = JournalPosition(raw: reader.integer(UInt64.self))
        guard count <= Limits.dedupRuns, bytes.count == KeyManifest.headBytes + 8 * count, nextNumber > 0 else { return nil }
        for _ in 0..<count {
            let run = Run(number: reader.integer(UInt32.self), crc: reader.integer(UInt32.self))
            guard run.number > 0, run.number < nextNumber, !runs.contains(where: { $0.number == run.number }) else { return nil }
            runs.append(run)
        }
    }

    /// The bytes of the file.
    func write(to output: inout ByteWriter) {
        output.reset()
        output.append(littleEndian: KeyManifest.magic)
        output.append(littleEndian: UInt32(0))
        output.append(littleEndian: KeyManifest.version)
        output.append(littleEndian: id.high.bigEndian)
        output.append(littleEndian: id.low.bigEndian)
        output.append(littleEndian: seed)
        output.append(littleEndian: nextNumber)
        output.append(littleEndian: UInt32(runs.count))
        output.append(littleEndian: start.raw)
        for run in runs {
            output.append(littleEndian: run.number)
            output.append(littleEndian: run.crc)
        }
        output.store(littleEndian: crc32c(UnsafeRawBufferPointer(rebasing: output.bytes[12...])), at: 8)
    }

    /// Reads the manifest of a directory; nil when there is none that can be used.
    static func read(_ storage: any Storage, _ names: [String]) throws(StorageError) -> KeyManifest? {
        guard names.contains(file) else { return nil }
        let size = try storage.size(file)
        guard size <= headBytes + 8 * Limits.dedupRuns else { return nil }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 16)
        defer { memory.deallocate() }
        let count = try storage.read(file, at: 0, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<size]))
        return KeyManifest(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }

    /// Puts it in the place of the one before.
    func save(_ storage: any Storage) throws(StorageError) {
        if try storage.list().contains(KeyManifest.newFile) { try storage.remove(KeyManifest.newFile) }
        var bytes = ByteWriter(capacity: 1024)
        write(to: &bytes)
        try storage.createZeroed(KeyManifest.newFile, size: 0)
        try storage.write(KeyManifest.newFile, at: 0, bytes.bytes)
        try storage.sync(KeyManifest.newFile)
        try storage.rename(KeyManifest.newFile, to: KeyManifest.file)
        try storage.syncDirectory()
    }
}
