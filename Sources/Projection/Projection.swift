// Projection: what the journal adds up to, kept in a SQLite file for queries.
//
// It follows the journal from a stored position and never decides anything. Guarantees: the file holds exactly the facts
// before its position (both are written in one transaction), so a crash at any moment repeats or loses nothing; an answer
// covers every fact before `position`, stored or not yet; sums are exact. Deleting the file costs a rebuild and nothing else,
// and that is what happens by itself when it is missing, damaged, of another version, of another journal, or ahead of it.
//
// Runs on one thread of its own: the type is not Sendable. A second one, when it is asked for, writes to the file (`Flush`), so that
// no query waits until that is done. Failures of SQLite stay here: they show in `stats`, are tried
// again, and never reach those who write the journal.

public import Core
internal import Glibc
public import Journal
internal import Pricing

/// Why there is no projection.
public struct ProjectionError: Error, CustomStringConvertible {
    public var description: String
}

/// Figures for metrics and health.
public struct ProjectionStats: Sendable {
    /// Facts before this position are folded.
    public var position: JournalPosition
    /// Facts before this position are in the file.
    public var storedPosition: JournalPosition
    public var events: UInt64
    /// Cells of the delta: rollup rows waiting for the next flush.
    public var deltaCells: Int
    public var flushes: Int
    public var lastFlushNanoseconds: Int64
    /// Times the file was made anew since start, and why the last time.
    public var rebuilds: Int
    public var rebuildReason: String?
    /// Why folding or flushing does not work now; nil when it does.
    public var lastError: String?
    /// Why the last query failed; nil when it did not.
    public var lastQueryError: String?
    public var failedFlushes: Int
    public var failedQueries: Int
}

public final class Projection {
    /// A flush is due after this time even when little has changed, in nanoseconds.
    static let flushInterval: Int64 = 10_000_000_000
    /// Time before what failed is tried again, in nanoseconds.
    var retryInterval: Int64 = 1_000_000_000

    let path: String
    let journal: JournalID
    /// Reads on from `position`.
    var follower: JournalReader<AnyStorage>
    /// Reads anywhere, for queries.
    var scanner: JournalReader<AnyStorage>
    /// Reads single facts, also while `scanner` walks.
    var finder: JournalReader<AnyStorage>
    /// nil only while a new file cannot be made.
    var books: Books?
    /// There as long as `books` is. Whoever lets go of both lets go of `books` first: the last connection tidies up the file.
    var writer: BooksWriter?
    /// nil: flushes are done by whoever asks for them.
    private(set) var thread: FlushThread?
    /// What the file is being given, or could not be given so far; it counts beside the file.
    var flushing: Flush?
    /// What the thread was given and has not been asked about yet.
    var handed: Flush?
    var folder = Folder()
    var dropped = Dropped()
    /// Whether condensed files may have come since the last look.
    var looksForDropped = true
    var zones = ZoneCache()
    /// The price book asked for last, and the pricer of the last block of corrections.
    var lastBook: (texts: PriceTexts, book: PriceBook)?
    var lastPricer: Pricer?
    /// Long queries that were begun, by their tokens.
    var inHand: [UInt64: any LongQuery] = [:]
    /// A margins export of more groups than one page holds.
    var openExport: OpenExport?
    var body = ByteWriter(capacity: 64 * 1024)
    /// For tests: journal one page of events may read.
    var eventScanBytes = Limits.eventScanBytes
    /// For tests: journal that one step of a long query reads.
    var scanBytes = Limits.correctionScanBytes
    var scanBody = ByteWriter(capacity: 64 * 1024)

    /// Facts before it are folded; `JournalPosition.start` when nothing is.
    public internal(set) var position = JournalPosition.start
    var storedPosition = JournalPosition.start
    /// CRC of the last batch folded, which the next one names: proves that this is still the same journal.
    var lastCRC: UInt32 = 0
    /// When the last batch folded was opened.
    var foldedAt = Timestamp(nanoseconds: 0)
    /// Whether a batch was read since the file was opened: the file's position is a place of this journal.
    var isVerified = false
    /// Whether the last `catchUp` reached the end it was given.
    var caughtUp = false

    var lastFlush = monotonicNanoseconds()
    var retryAfter = Int64.min
    var flushes = 0
    var lastFlushNanoseconds: Int64 = 0
    var rebuilds = 0
    var rebuildReason: String?
    var flushError: String?
    var foldError: String?
    var queryError: String?
    var failedFlushes = 0
    var failedQueries = 0

    /// Opens the file at `path`, or makes it anew where it cannot be used. `storage` holds the segments of `journal`. With a
    /// `flushThread` flushes that are due are written beside everything else.
    public init(path: String, storage: any Storage, journal: JournalID, flushThread: Bool = false) throws(ProjectionError) {
        self.path = path
        self.journal = journal
        follower = JournalReader(AnyStorage(storage))
        scanner = JournalReader(AnyStorage(storage))
        finder = JournalReader(AnyStorage(storage))
        do {
            let (opened, reason) = try Books.openOrCreate(path, journal: journal)
            books = opened.books
            writer = opened.writer
            rebuildReason = reason
            if reason != nil { rebuilds = 1 }
            try load(opened.books)
        } catch {
            throw ProjectionError(description: "\(path): \(error.message) (SQLite \(error.code))")
        }
        if flushThread { thread = FlushThread() }
    }

    deinit {
        thread?.stop()
        books = nil
        writer = nil
    }

    /// Lets go of both connections.
    func closeBooks() {
        thread?.wait()
        handed = nil
        flushing = nil
        books = nil
        writer = nil
    }

    /// Every cell that counts and is not in the file; a key may come more than once.
    @inline(__always) func forEachUnstored(_ visit: (CellKey, borrowing Figures) -> Void) {
        flushing?.delta.forEach(visit)
        folder.delta.forEach(visit)
    }

    /// The same of what a question by these names needs: of one customer, or of all customers together, or all.
    @inline(__always)
    func forEachUnstored(of customer: StringID, byCustomer: Bool, _ visit: (CellKey, borrowing Figures) -> Void) {
        if customer != noString {
            flushing?.delta.forEach(of: customer, visit)
            folder.delta.forEach(of: customer, visit)
        } else if byCustomer {
            forEachUnstored(visit)
        } else {
            flushing?.delta.forEachTogether(visit)
            folder.delta.forEachTogether(visit)
        }
    }

    /// Takes up what the file says.
    func load(_ books: Books) throws(SQLiteError) {
        folder.reset()
        let state = try books.state()
        position = state.position
        storedPosition = state.position
        flushing = nil
        lastCRC = state.lastCRC
        foldedAt = state.foldedAt
        folder.earliest = state.earliest
        folder.latest = state.latest
        folder.events = state.events
        dropped = try books.dropped()
        looksForDropped = true
        if let chunk = try books.lastChunk(), chunk.isUnfinished { folder.chunks.resume(chunk) }
        caughtUp = false
        isVerified = false
        lastFlush = monotonicNanoseconds()
    }

    /// Figures as of now.
    public func stats() -> ProjectionStats {
        ProjectionStats(
            position: position, storedPosition: storedPosition, events: folder.events,
            deltaCells: folder.delta.count + (flushing?.delta.count ?? 0), flushes: flushes,
            lastFlushNanoseconds: lastFlushNanoseconds, rebuilds: rebuilds, rebuildReason: rebuildReason,
            lastError: foldError ?? flushError, lastQueryError: queryError, failedFlushes: failedFlushes, failedQueries: failedQueries)
    }
}

/// The monotonic clock: for intervals between flushes, never for what is stored.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
