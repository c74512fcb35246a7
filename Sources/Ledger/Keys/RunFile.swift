// RunFile: reads a run back: whole, to find out whether it may be trusted; entry by entry, to merge it; its filters, to have
// them in memory. Nothing is used whose checksum was not looked at.

internal import Core
internal import Journal

/// Why a run is not used.
struct RunFault: Error, Equatable {
    /// For the log: what is wrong, and where in the file.
    var reason: String
}

/// The front of a run.
struct RunFile {
    var header: RunHeader
    var sections: [RunSection]
    let seed: UInt32

    /// Reads the front of run `number`, whose header block must have this checksum.
    init(_ storage: any Storage, _ number: UInt32, crc: UInt32, id: JournalID, seedMark: UInt64) throws {
        let file = RunFormat.fileName(number)
        let front = UnsafeMutableRawBufferPointer.allocate(byteCount: RunFormat.frontBytes, alignment: 4096)
        defer { front.deallocate() }
        guard try storage.read(file, at: 0, into: front) == front.count else { throw RunFault(reason: "is cut short") }
        let bytes = UnsafeRawBufferPointer(front)
        guard let header = RunHeader(UnsafeRawBufferPointer(rebasing: bytes[..<RunFormat.pageBytes])) else {
            throw RunFault(reason: "has a damaged header")
        }
        guard header.number == number, header.crc == crc else { throw RunFault(reason: "is not the one the manifest names") }
        guard header.id == id else { throw RunFault(reason: "is of another journal") }
        guard header.seedMark == seedMark else { throw RunFault(reason: "is of another seed") }
        let table = UnsafeRawBufferPointer(rebasing: bytes[RunFormat.pageBytes...])
        guard crc32c(table) == header.tableCRC else { throw RunFault(reason: "has a damaged section table") }
        guard try storage.size(file) == header.fileBytes else { throw RunFault(reason: "has not the length its header says") }
        var reader = ByteReader(table)
        var sections: [RunSection] = []
        var end = RunFormat.frontBytes
        var entries = 0
        for _ in 0..<RunFormat.sections {
            guard let section = RunSection(&reader) else { throw RunFault(reason: "has a section that cannot be") }
            sections.append(section)
            entries += section.entries
            guard section.blocks > 0 else { continue }
            guard section.offset == end else { throw RunFault(reason: "has a section out of place") }
            end = section.tailOffset + section.paddedTailBytes
        }
        guard end == header.fileBytes, entries == header.entries, header.from <= header.to else {
            throw RunFault(reason: "contradicts its header")
        }
        self.header = header
        self.sections = sections
        seed = RunFormat.seed(id, number)
    }

    /// Reads every block and every tail.
    func verify(_ storage: any Storage) throws {
        var entries = RunCursor(self, storage)
        for index in sections.indices where sections[index].blocks > 0 {
            let loaded = try load(storage, index)
            defer { loaded.free() }
            for block in 0..<sections[index].blocks {
                guard let first = try entries.next() else { throw RunFault(reason: "is cut short") }
                guard loaded.first(ofBlock: block) == UInt32(truncatingIfNeeded: first.fingerprint >> 32) else {
                    throw RunFault(reason: "has a block that its index does not expect")
                }
                try check(first, index)
                while entries.isInsideBlock {
                    guard let entry = try entries.next() else { break }
                    try check(entry, index)
                }
            }
        }
        guard try entries.next() == nil else { throw RunFault(reason: "has entries left over") }
    }

    private func check(_ entry: KeyEntry, _ section: Int) throws(RunFault) {
        guard Int(entry.fingerprint >> 56) == section, entry.position >= header.from.raw, entry.position < header.to.raw else {
            throw RunFault(reason: "has an entry out of place")
        }
    }

    /// Reads the tails of some sections. When one cannot be read, those before it are freed.
    func load(_ storage: any Storage, _ range: Range<Int>) throws -> LoadedSections {
        let loaded = LoadedSections()
        for index in range { loaded.append(try load(storage, index)) }
        return loaded
    }

    /// Reads the tail of one section into memory of its own.
    func load(_ storage: any Storage, _ index: Int) throws -> LoadedSection {
        let section = sections[index]
        guard section.blocks > 0 else { return .none }
        let padded = UnsafeMutableRawBufferPointer.allocate(byteCount: section.paddedTailBytes, alignment: 16)
        defer { padded.deallocate() }
        guard try storage.read(header.fileName, at: section.tailOffset, into: padded) == padded.count,
            crc32c(UnsafeRawBufferPointer(padded), continuing: RunFormat.seed(seed, at: section.tailOffset)) == section.tailCRC
        else { throw RunFault(reason: "is damaged at \(section.tailOffset)") }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: section.tailBytes, alignment: 16)
        memory.copyMemory(from: padded.baseAddress!, byteCount: section.tailBytes)
        return LoadedSection(
            filter: FuseFilter(section.filter, slots: UnsafeRawPointer(memory + section.firstsBytes)), memory: memory,
            blocks: section.blocks, offset: section.offset, byteCount: section.tailBytes)
    }
}

/// What look-ups need of a section: its filter and where each block begins. The memory is its own until `free`.
struct LoadedSection {
    var filter: FuseFilter
    /// The tail as in the file: first fingerprints, then slots.
    private let memory: UnsafeMutableRawPointer?
    let blocks: Int
    let offset: Int
    let byteCount: Int

    init(filter: FuseFilter, memory: UnsafeMutableRawPointer?, blocks: Int, offset: Int, byteCount: Int) {
        self.filter = filter
        self.memory = memory
        self.blocks = blocks
        self.offset = offset
        self.byteCount = byteCount
    }

    /// Lets nothing through.
    static var none: LoadedSection { LoadedSection(filter: .none, memory: nil, blocks: 0, offset: 0, byteCount: 0) }

    /// The upper half of a block's first fingerprint.
    @inline(__always) func first(ofBlock block: Int) -> UInt32 {
        UInt32(littleEndian: memory!.loadUnaligned(fromByteOffset: block * 4, as: UInt32.self))
    }

    /// The first block that may hold `fingerprint`.
    func block(of fingerprint: UInt64) -> Int {
        let wanted = UInt32(truncatingIfNeeded: fingerprint >> 32)
        var low = 0
        var high = blocks
        while low < high {
            let middle = (low + high) / 2
            if first(ofBlock: middle) < wanted { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    func free() { memory?.deallocate() }
}

/// Walks the entries of a run in order, 64 KiB at a time.
struct RunCursor: ~Copyable {
    private let run: RunFile
    private let storage: any Storage
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 * RunFormat.pageBytes, alignment: 4096)
    private var section = -1
    /// Of the section: the next block to read.
    private var block = 0
    private var buffered = 0
    /// The next block in the buffer.
    private var at = 0
    private var base = UnsafeRawPointer(bitPattern: 16)!
    private var index = 0
    private var count = 0
    private var last: UInt64 = 0

    init(_ run: RunFile, _ storage: any Storage) {
        self.run = run
        self.storage = storage
    }

    deinit { buffer.deallocate() }

    /// Whether the next entry is in the same block as the last.
    var isInsideBlock: Bool { index < count }

    /// The next entry; nil after the last.
    mutating func next() throws -> KeyEntry? {
        if index == count {
            guard try nextBlock() else { return nil }
        }
        let entry = RunFormat.entry(index, ofBlock: base)
        index += 1
        guard entry.fingerprint >= last else { throw RunFault(reason: "is out of order") }
        last = entry.fingerprint
        return entry
    }

    private mutating func nextBlock() throws -> Bool {
        if at == buffered {
            while section < 0 || block == run.sections[section].blocks {
                section += 1
                block = 0
                guard section < RunFormat.sections else {
                    section = RunFormat.sections - 1
                    block = run.sections[section].blocks
                    return false
                }
            }
            buffered = min(16, run.sections[section].blocks - block)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(buffered * RunFormat.pageBytes)])
            let place = run.sections[section].offset + block * RunFormat.pageBytes
            guard try storage.read(run.header.fileName, at: place, into: part) == part.count else { throw RunFault(reason: "is cut short") }
            at = 0
        }
        let place = run.sections[section].offset + block * RunFormat.pageBytes
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[(at * RunFormat.pageBytes)..<((at + 1) * RunFormat.pageBytes)])
        guard let found = RunFormat.entries(inBlock: bytes, at: place, runSeed: run.seed) else {
            throw RunFault(reason: "is damaged at \(place)")
        }
        base = bytes.baseAddress!
        at += 1
        block += 1
        index = 0
        count = found
        return true
    }
}
