// DedupIndex: which idempotency keys were recorded, and where.
//
// An entry is a 64-bit fingerprint of the key and the journal position of its event. A fingerprint that matches proves nothing;
// the caller reads the record at the position and compares the key. So the answer is exact, a retry gets the original back, and
// a different payload under the same key is seen.
//
// The newest keys are in a table in memory (`KeyTable`). When it has `hotKeys` of them it is sealed, and once its events are durable
// it is written to disk as a run (`RunFormat`): sorted entries, and a filter (`FuseFilter`) that says of nearly all other
// fingerprints that they are not in it. Neighbouring runs are merged in the background, and what has left the window is dropped.
//
// In memory stay, for each key, 1.5 bytes of a large run's filter (11 bits in 1.09 times as many) and 4/255 of a byte for where
// its block begins, and the tables. Why the filters are in memory and nothing else is: a key never seen, by far the usual
// case, must not cost a system call a run (300 ns each, and a disk access when the page is not cached), and a filter of 11 bits
// keeps all but one in two thousand of them away from the disk; while an entry is wanted for a real retry only, and then one
// read of 4 KiB finds it. There are few runs (each is more than four times the sum of those after it, a large one sixteen times), and
// small ones have more bits, so that the chance of a needless read over all runs stays below one in a thousand.
//
// A look-up of a key never seen: no read, but for that one in a thousand. At worst it is two reads of 4 KiB for each run whose
// filter lets it through, the second when the fingerprint falls on the edge of a block.
//
// Everything on disk can be made again from the journal and is checked before it is believed (`KeyStore`). Deciding is here,
// doing is there: `nextWork` says what to do next, `finished` hears what came of it.

public import Core
public import Journal

public struct DedupIndex: ~Copyable {
    var hot = KeyTable()
    let sealed: UnsafeMutablePointer<SealedKeys>
    private(set) var sealedCount = 0
    /// A table that was written down and becomes the next open one.
    private var spare: UnsafeMutablePointer<KeyTable>?
    let runs: UnsafeMutablePointer<LoadedRun>
    private(set) var runCount = 0
    /// Entries before this position have left the window.
    public var expiredBefore = JournalPosition.start {
        didSet { if expiredBefore != oldValue { isSettled = false } }
    }

    /// Nil: everything stays in memory.
    let store: KeyStore?
    /// Keys that the open table takes before it is sealed.
    let hotKeys: Int
    /// Keys that tables hold at most, about: without a disk that takes them, they would fill the memory.
    public var memoryLimit = Limits.dedupMemoryKeys
    /// Where the events of the open table begin: all before it are in sealed tables and runs.
    private(set) var hotFrom = JournalPosition.start
    private(set) var lastPosition = JournalPosition.start
    var lastBatch = JournalPosition.start

    /// What `nextWork` gave out and `finished` did not yet take back.
    var work: KeyWork?
    /// Nothing is to be merged, and nothing has changed since that was found.
    var isSettled = false
    /// A merge that was begun: the numbers of the runs it reads.
    var merging: [UInt32] = []
    /// A merged run that takes the place of its inputs: its number, theirs, and the sections that it has already.
    var handover: (run: UInt32, inputs: [UInt32], done: Int)?
    /// Runs to be removed from the disk.
    var retired: [UInt32] = []
    /// Monotonic time before which nothing is tried after a failure.
    var retryAt: UInt64 = 0
    /// The last attempt to write a table down failed.
    var hasFailed = false
    public internal(set) var counters = DedupCounters()

    /// What `probe` found of each fingerprint of the block.
    private var maybe: UnsafeMutablePointer<DedupHint>
    private var maybeCapacity = 1024
    private let page = UnsafeMutableRawBufferPointer.allocate(byteCount: RunFormat.pageBytes, alignment: 4096)

    /// An index in memory alone, or over a store, whose runs it takes over.
    public init(store: KeyStore? = nil, hotKeys: Int = Limits.dedupHotKeys) {
        self.store = store
        self.hotKeys = max(1, hotKeys)
        sealed = .allocate(capacity: Limits.dedupSealedTables)
        runs = .allocate(capacity: Limits.dedupRuns + 1)
        maybe = .allocate(capacity: maybeCapacity)
        guard let store else { return }
        for opened in store.opened {
            var run = LoadedRun(opened.header)
            run.install(opened.sections, from: 0)
            (runs + runCount).initialize(to: run)
            runCount += 1
            hotFrom = opened.header.to
        }
        store.opened = []
    }

    deinit {
        for i in 0..<sealedCount { sealed[i].free() }
        sealed.deallocate()
        spare?.deinitialize(count: 1)
        spare?.deallocate()
        for i in 0..<runCount { runs[i].free() }
        runs.deinitialize(count: runCount)
        runs.deallocate()
        maybe.deallocate()
        page.deallocate()
    }

    // MARK: Sizes

    /// Keys that are remembered, those included that have left the window and were not dropped yet.
    public var count: Int {
        var total = memoryKeys
        for i in 0..<runCount where handover?.run != runs[i].header.number { total += runs[i].header.entries }
        return total
    }

    /// Keys in tables.
    public var memoryKeys: Int {
        var total = hot.count
        for i in 0..<sealedCount { total += sealed[i].count }
        return total
    }

    /// Bytes of memory.
    public var byteCount: Int {
        var total = tableBytes
        for i in 0..<runCount { total += runs[i].memory }
        return total
    }

    /// Of them those of tables: the newest keys, with or without room for more.
    public var tableBytes: Int {
        var total = hot.byteCount + (spare?.pointee.byteCount ?? 0)
        for i in 0..<sealedCount { total += sealed[i].table.pointee.byteCount }
        return total
    }

    /// Bytes of all runs on disk.
    public var diskBytes: Int {
        var total = 0
        for i in 0..<runCount { total += runs[i].header.fileBytes }
        return total
    }

    public var runsOnDisk: Int { runCount }
    public var sealedTables: Int { sealedCount }

    /// Whether tables have room for more keys.
    public var hasRoom: Bool { store == nil || memoryKeys < memoryLimit }

    /// Whether tables are not written down for a reason that may last.
    public var isFailing: Bool { hasFailed || runCount >= Limits.dedupRuns }

    /// Whether the runs hold the keys of all events at `position` and before; then a replay need not bring them.
    @inline(__always) public func covers(_ position: JournalPosition) -> Bool { position < hotFrom }

    // MARK: Look-up

    @inline(__always) public func prefetchSlot(_ fingerprint: UInt64) { hot.prefetchSlot(fingerprint) }

    /// Asks the sealed tables and the filters about a block of fingerprints, one after the other and a few ahead, so that cache
    /// misses wait for each other as little as can be. `cursor` gives each its answer. No table is sealed between the two.
    mutating func probe(_ fingerprints: UnsafePointer<UInt64>, count: Int) {
        if count > maybeCapacity {
            maybe.deallocate()
            maybeCapacity = count
            maybe = .allocate(capacity: maybeCapacity)
        }
        maybe.initialize(repeating: DedupHint(), count: count)
        for s in 0..<sealedCount { sealed[s].table.pointee.probe(fingerprints, count: count, into: maybe) }
        for r in 0..<runCount { runs[r].probe(fingerprints, count: count, into: maybe) }
    }

    /// Where the walk over the candidates of fingerprint `i` of the last `probe` starts.
    @inline(__always) func cursor(_ i: Int) -> DedupCursor { DedupCursor(maybe[i]) }

    /// Walks the entries that carry `fingerprint` and are inside the window, the tables' first. The result is the position of
    /// the next candidate, or nil when there is none. May read from disk, when a filter lets the fingerprint through.
    @inline(__always)
    public mutating func candidate(_ fingerprint: UInt64, cursor: inout DedupCursor) throws(StorageError) -> JournalPosition? {
        if cursor.stage == 0 {
            if let found = hot.candidate(fingerprint, cursor: &cursor.slot, expiredBefore: expiredBefore.raw) { return found }
            if !cursor.hint.isAnywhere { return nil }
            cursor.stage = cursor.hint.isSealed ? 1 : sealedCount + 1
            cursor.slot = 0
        }
        return try olderCandidate(fingerprint, &cursor)
    }

    @inline(never) private mutating func olderCandidate(_ fingerprint: UInt64, _ cursor: inout DedupCursor) throws(StorageError)
        -> JournalPosition?
    {
        while cursor.stage <= sealedCount {
            let table = sealed[sealedCount - cursor.stage].table
            if let found = table.pointee.candidate(fingerprint, cursor: &cursor.slot, expiredBefore: expiredBefore.raw) { return found }
            cursor.stage += 1
            cursor.slot = 0
        }
        guard cursor.hint.isInRuns else { return nil }
        while cursor.stage - sealedCount <= runCount {
            let run = runs[runCount - (cursor.stage - sealedCount)]
            if let found = try candidate(fingerprint, in: run, &cursor) { return found }
            cursor.stage += 1
            cursor.block = -1
            cursor.entry = -1
        }
        return nil
    }

    private mutating func candidate(_ fingerprint: UInt64, in run: LoadedRun, _ cursor: inout DedupCursor) throws(StorageError)
        -> JournalPosition?
    {
        let section = run.sections[Int(truncatingIfNeeded: fingerprint >> 56)]
        if cursor.block < 0 {
            guard section.filter.mightContain(fingerprint) else { return nil }
            cursor.block = section.block(of: fingerprint)
        }
        let half = UInt32(truncatingIfNeeded: fingerprint >> 32)
        while cursor.block < section.blocks {
            if cursor.entry < 0 {
                // The first block that may hold it may also end before it; later ones must begin at or before it.
                if cursor.block > 0, section.first(ofBlock: cursor.block) > half { return nil }
                cursor.entries = try read(run, section, cursor.block)
                cursor.entry = RunFormat.lowerBound(fingerprint, inBlock: page.baseAddress!, count: cursor.entries)
            }
            while cursor.entry < cursor.entries {
                let entry = RunFormat.entry(cursor.entry, ofBlock: page.baseAddress!)
                guard entry.fingerprint == fingerprint else { return nil }
                cursor.entry += 1
                if entry.position >= expiredBefore.raw { return JournalPosition(raw: entry.position) }
            }
            cursor.block += 1
            cursor.entry = -1
        }
        return nil
    }

    /// Reads a block into `page`. One that does not check out is an error like a disk's: an answer without it would be a guess.
    private mutating func read(_ run: LoadedRun, _ section: LoadedSection, _ block: Int) throws(StorageError) -> Int {
        guard let store else { return 0 }
        counters.reads += 1
        let place = section.offset + block * RunFormat.pageBytes
        let count = try store.storage.read(run.file, at: place, into: page)
        guard count == page.count, let entries = RunFormat.entries(inBlock: UnsafeRawBufferPointer(page), at: place, runSeed: run.seed)
        else {
            throw StorageError(operation: .read, errno: StorageError.badMessage, file: run.file)
        }
        return entries
    }

    // MARK: Change

    /// Adds an entry; the caller has made sure that the key is not there. Positions ascend. `batch` is the batch of the event.
    @inline(__always) public mutating func insert(_ fingerprint: UInt64, _ position: JournalPosition, batch: JournalPosition) {
        hot.insert(fingerprint, position, expiredBefore: expiredBefore.raw)
        lastPosition = position
        lastBatch = batch
    }

    /// Seals the open table when it is full.
    mutating func sealIfFull() {
        guard store != nil, hot.count >= hotKeys, sealedCount < Limits.dedupSealedTables else { return }
        seal(to: JournalPosition(raw: lastPosition.raw + 1), batch: lastBatch)
    }

    /// Seals the open table, whose events stand before `to`, the last of them in `batch`.
    mutating func seal(to: JournalPosition, batch: JournalPosition) {
        let table = spare ?? newTable()
        spare = nil
        swap(&table.pointee, &hot)
        let keys = table.pointee.count
        (sealed + sealedCount).initialize(to: SealedKeys(table: table, from: hotFrom, to: to, batch: batch, count: keys))
        sealedCount += 1
        hotFrom = to
    }

    /// Events from here on, up to the open table's own, are in no table and no file: they have left the window.
    mutating func skipTables(to position: JournalPosition) { hotFrom = max(hotFrom, position) }

    /// The open table goes on as it was: its last event stands before `to`, in `batch`.
    mutating func continueTable(to: JournalPosition, batch: JournalPosition) {
        lastPosition = JournalPosition(raw: max(to.raw, 1) - 1)
        lastBatch = batch
    }

    private func newTable() -> UnsafeMutablePointer<KeyTable> {
        let table = UnsafeMutablePointer<KeyTable>.allocate(capacity: 1)
        table.initialize(to: KeyTable())
        return table
    }

    /// The oldest sealed table was written down as this run.
    mutating func replaceSealed(_ header: RunHeader, _ sections: LoadedSections) {
        var run = LoadedRun(header)
        run.install(sections, from: 0)
        insert(run, at: runCount)
        if spare == nil {
            spare = sealed[0].table
            spare?.pointee.reuse()
        } else {
            sealed[0].free()
        }
        sealedCount -= 1
        for i in 0..<sealedCount { sealed[i] = sealed[i + 1] }
    }

    /// Gives up the table that is kept for the next time.
    public mutating func dropSpare() {
        spare?.deinitialize(count: 1)
        spare?.deallocate()
        spare = nil
    }

    mutating func insert(_ run: LoadedRun, at place: Int) {
        for i in stride(from: runCount, to: place, by: -1) { (runs + i).moveInitialize(from: runs + i - 1, count: 1) }
        (runs + place).initialize(to: run)
        runCount += 1
        isSettled = false
    }

    mutating func removeRun(at place: Int) {
        runs[place].free()
        (runs + place).deinitialize(count: 1)
        runCount -= 1
        isSettled = false
        for i in place..<runCount { (runs + i).moveInitialize(from: runs + i + 1, count: 1) }
    }
}

/// What the index did since the start of the process.
public struct DedupCounters: Sendable {
    /// Blocks of runs that were read to look a key up.
    public var reads: UInt64 = 0
    /// Tables written down.
    public var sealed: UInt64 = 0
    /// Merges that were finished.
    public var merges: UInt64 = 0
    /// Pieces of work that failed and were or will be tried again.
    public var failures: UInt64 = 0
    public init() {}
}
