// RunWriter: makes one run from entries in the order of their fingerprints, section by section, in memory that does not grow
// with the run. The front goes in last: until `finish` the file is not a run, and until the manifest names it, it does not count.

internal import Core
internal import Journal

struct RunWriter: ~Copyable {
    private let storage: any Storage
    private var header: RunHeader
    private let file: String
    private let seed: UInt32
    private let bits: Int
    private var sections = [RunSection](repeating: RunSection(), count: RunFormat.sections)
    /// Section being filled.
    private var current = -1
    private var output = ByteWriter(capacity: RunWriter.writeBytes + 64 * 1024)
    /// Where `output` goes in the file.
    private var offset = RunFormat.frontBytes
    private var unsynced = 0
    /// Entries in the block at the end of `output`; 0 when none is open.
    private var open = 0
    private var firsts = ByteWriter(capacity: 4096)
    /// Distinct fingerprints of the section, for its filter.
    private var members: UnsafeMutablePointer<UInt64>
    private var memberCapacity = 4096
    private var memberCount = 0
    private var builder = FuseBuilder()
    /// Bytes given to the disk so far.
    private(set) var bytesWritten = 0

    /// What goes to the file with one call.
    static let writeBytes = 1 << 20
    /// What is written before it is synced: never more than this much of a run waits in the kernel, where it would be in the
    /// way of the journal.
    static let syncBytes = 8 << 20

    /// Creates the file. `expected` is how many entries come at most; the filter's precision follows from it.
    init(_ storage: any Storage, _ header: RunHeader, expected: Int) throws(StorageError) {
        self.storage = storage
        self.header = header
        file = header.fileName
        seed = RunFormat.seed(header.id, header.number)
        bits = RunWriter.bits(for: expected)
        members = .allocate(capacity: memberCapacity)
        try storage.createZeroed(file, size: 0)
    }

    deinit { members.deallocate() }

    /// The larger a run, the fewer bits: there is one large run at most and several small ones, and what counts is the chance
    /// that any filter lets a new key through, and the memory of all.
    static func bits(for entries: Int) -> Int {
        entries >= 16_000_000 ? 11 : entries >= 4_000_000 ? 12 : entries >= 1_000_000 ? 14 : 16
    }

    /// Adds an entry; its fingerprint is not below the one before.
    mutating func append(_ entry: KeyEntry) throws(StorageError) {
        let section = Int(entry.fingerprint >> 56)
        if section != current { try begin(section) }
        if open == 0 {
            firsts.append(littleEndian: UInt32(truncatingIfNeeded: entry.fingerprint >> 32))
            output.appendUninitialized(RunFormat.blockHeaderBytes).initializeMemory(as: UInt8.self, repeating: 0)
        }
        output.append(littleEndian: entry.fingerprint)
        output.append(littleEndian: entry.position)
        open += 1
        sections[section].entries += 1
        if memberCount == 0 || members[memberCount - 1] != entry.fingerprint { remember(entry.fingerprint) }
        if open == RunFormat.blockEntries { try endBlock() }
    }

    private mutating func remember(_ fingerprint: UInt64) {
        if memberCount == memberCapacity {
            let wider = UnsafeMutablePointer<UInt64>.allocate(capacity: memberCapacity * 2)
            wider.update(from: members, count: memberCount)
            members.deallocate()
            members = wider
            memberCapacity *= 2
        }
        members[memberCount] = fingerprint
        memberCount += 1
    }

    private mutating func begin(_ section: Int) throws(StorageError) {
        try endSection()
        current = section
        sections[section].offset = offset + output.count
    }

    private mutating func endBlock() throws(StorageError) {
        let start = output.count - RunFormat.blockHeaderBytes - open * 16
        pad()
        output.store(littleEndian: UInt16(open), at: start + 4)
        let sum = crc32c(
            UnsafeRawBufferPointer(rebasing: output.bytes[(start + 4)..<(start + RunFormat.pageBytes)]),
            continuing: RunFormat.seed(seed, at: offset + start))
        output.store(littleEndian: sum, at: start)
        sections[current].blocks += 1
        open = 0
        if output.count >= RunWriter.writeBytes { try flush() }
    }

    /// Zeros up to the next page.
    private mutating func pad() {
        let rest = RunFormat.padded(output.count) - output.count
        if rest > 0 { output.appendUninitialized(rest).initializeMemory(as: UInt8.self, repeating: 0) }
    }

    private mutating func endSection() throws(StorageError) {
        guard current >= 0 else { return }
        if open > 0 { try endBlock() }
        let start = output.count
        output.append(bytes: firsts.bytes)
        let shape = builder.build(UnsafeBufferPointer(start: members, count: memberCount), bits: bits, into: &output)
        sections[current].filter = shape
        sections[current].tailBytes = output.count - start
        pad()
        sections[current].tailCRC = crc32c(
            UnsafeRawBufferPointer(rebasing: output.bytes[start...]), continuing: RunFormat.seed(seed, at: offset + start))
        firsts.reset()
        memberCount = 0
        if output.count >= RunWriter.writeBytes { try flush() }
    }

    private mutating func flush() throws(StorageError) {
        guard output.count > 0 else { return }
        try storage.write(file, at: offset, output.bytes)
        offset += output.count
        unsynced += output.count
        bytesWritten += output.count
        output.reset()
        if unsynced >= RunWriter.syncBytes {
            try storage.sync(file)
            unsynced = 0
        }
    }

    /// Writes what is left and the front, and makes the file and its name durable.
    mutating func finish() throws(StorageError) -> RunHeader {
        try endSection()
        try flush()
        header.fileBytes = max(offset, RunFormat.frontBytes)
        var table = ByteWriter(capacity: RunFormat.frontBytes)
        header.entries = 0
        for section in sections {
            section.write(to: &table)
            header.entries += section.entries
        }
        let rest = RunFormat.frontBytes - RunFormat.pageBytes - table.count
        table.appendUninitialized(rest).initializeMemory(as: UInt8.self, repeating: 0)
        header.tableCRC = crc32c(table.bytes)
        var front = ByteWriter(capacity: RunFormat.frontBytes)
        header.write(to: &front)
        front.append(bytes: table.bytes)
        try storage.write(file, at: 0, front.bytes)
        bytesWritten += front.count
        try storage.sync(file)
        try storage.syncDirectory()
        return header
    }
}
