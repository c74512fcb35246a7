// Startup: the books brought up from the disk, in the order that `purserd` and the simulator share: files of keys, checkpoint, the rest
// of the journal.

public import Core
public import Journal
public import Ledger
public import Pricing

/// What a start is given.
public struct StartupOptions: Sendable {
    public var segmentBytes = Limits.segmentBytes
    public var dedupWindow: Int64
    public var journalRetention: Int64?
    public var hotKeys = Limits.dedupHotKeys
    public var eventBytes = Limits.largestEventBytes
    public var dedupMemoryKeys = Limits.dedupMemoryKeys

    public init(dedupWindow: Int64) { self.dedupWindow = dedupWindow }
}

/// Why a start is not possible.
public enum StartupError: Error {
    /// The files of keys, or the journal's name for them, cannot be read.
    case keys(StorageError)
    case journal(JournalError)
}

/// The books as the journal tells them.
public struct StartedBooks: ~Copyable {
    public var ledger: Ledger
    public var window: DedupWindow
    public var retention: RetentionPlan
    public let keys: KeyStore
    public let recovered: RecoveredJournal
    /// What the books were taken from before the journal was read on; nil: it was read from its beginning.
    public let checkpoint: JournalPlace?
    /// What was wrong with files that are not used, for the log.
    public let complaints: [String]
}

public enum Startup {
    /// Reads what there is. `newID` is what the journal is called when it has not begun, `wall` the time now; `visit` is told of
    /// each batch before it counts, and may throw.
    public static func run<S: Storage>(
        _ journal: S, keys folder: any Storage, checkpoint: any Storage, book: PriceBook, options: StartupOptions, newID: JournalID,
        wall: Timestamp, random: () -> UInt64, visit: (BatchInfo) throws -> Void = { _ in }
    ) throws(StartupError) -> StartedBooks {
        let files = Files(journal: journal, keys: folder, checkpoint: checkpoint)
        let attempt = Attempt(book: book, options: options, newID: newID, wall: wall, newSeed: random(), secret: random())
        var isFromCheckpoint = false
        do throws(StartupError) {
            return try run(files, attempt, &isFromCheckpoint, visit)
        } catch {
            guard isFromCheckpoint, case .journal(.damage(_, _, .facts)) = error else { throw error }
            // What follows does not go with what the checkpoint says: the journal is the one that is right.
            Checkpoint.remove(checkpoint)
            return try run(files, attempt, &isFromCheckpoint, visit)
        }
    }

    private struct Files<S: Storage> {
        let journal: S
        let keys: any Storage
        let checkpoint: any Storage
    }

    private struct Attempt {
        let book: PriceBook
        let options: StartupOptions
        let newID: JournalID
        let wall: Timestamp
        let newSeed: UInt64
        let secret: UInt64
    }

    private static func run<S: Storage>(
        _ files: Files<S>, _ attempt: Attempt, _ isFromCheckpoint: inout Bool, _ visit: (BatchInfo) throws -> Void
    ) throws(StartupError) -> StartedBooks {
        let (journal, options) = (files.journal, attempt.options)
        let batches = JournalBatches(journal)
        let id = try journalID(journal) ?? attempt.newID
        var keys = try open(files.keys, id, batches, Checkpoint.seed(files.checkpoint, journal: id) ?? attempt.newSeed)
        var complaints = keys.complaints.map { "keys: \($0); what it held comes from the journal" }
        var ledger = ledger(attempt.book, keys, attempt.secret, options)
        var window = DedupWindow(length: options.dedupWindow)
        var retention = RetentionPlan(length: options.journalRetention)
        var place: JournalPlace?

        var windows = [window, retention.clock]
        switch Checkpoint.restore(files.checkpoint, into: &ledger, windows: &windows, journal: id, batches: batches) {
        case .none: break
        case .restored(let found):
            place = found
            window = windows[0]
            retention.clock = windows[1]
        case .refused(let reason, let untouched):
            complaints.append("the checkpoint is not used: \(reason); the whole journal is read")
            if !untouched {
                // The index took the files' filters along.
                keys = try open(files.keys, id, batches, keys.seed)
                ledger = Startup.ledger(attempt.book, keys, attempt.secret, options)
            }
        }

        isFromCheckpoint = place != nil
        let recovered: RecoveredJournal
        var keyTrouble: StorageError?
        do throws(JournalError) {
            recovered = try Recovery.run(journal, segmentBytes: options.segmentBytes, newID: attempt.newID, after: place) { info, body in
                try visit(info)
                window.replayed(info.openedAt, at: info.position)
                retention.replayed(info.openedAt, at: info.position)
                ledger.dedup.expiredBefore = window.start()
                let offset = info.position.offset
                if let bad = ledger.replay(body, segment: info.position.segment, batchOffset: offset, inWindow: true) {
                    throw JournalError.damage(
                        file: SegmentFormat.fileName(info.position.segment), offset: Int(offset) + BatchBuilder.headerBytes + bad,
                        reason: .facts)
                }
                // Keys that are not on disk go there as they are read: there may be more of them than memory has room for.
                while let work = ledger.dedup.nextWork(durableEnd: info.end, now: 0, mayMerge: false) {
                    keyTrouble = ledger.dedup.finished(keys.perform(work), now: 0)?.failure ?? keyTrouble
                }
                if let keyTrouble, !ledger.dedup.hasRoom { throw keyTrouble }
            }
        } catch {
            throw .journal(error)
        }
        keys.removeLeftOver()
        window.started(attempt.wall)
        retention.started(attempt.wall, recovered, segmentBytes: segmentBytes(journal))
        window.forget(before: retention.keptFrom)
        ledger.dedup.expiredBefore = window.start()
        ledger.forgetResponses(before: retention.keptFrom)
        return StartedBooks(
            ledger: ledger, window: window, retention: retention, keys: keys, recovered: recovered, checkpoint: place,
            complaints: complaints)
    }

    private static func ledger(_ book: PriceBook, _ keys: KeyStore, _ random: UInt64, _ options: StartupOptions) -> Ledger {
        var ledger = Ledger(
            book: book, seed: keys.seed, random: random, keys: keys, hotKeys: options.hotKeys, eventBytes: options.eventBytes)
        ledger.dedup.memoryLimit = options.dedupMemoryKeys
        return ledger
    }

    private static func open(
        _ folder: any Storage, _ id: JournalID, _ batches: any BatchSource, _ seed: UInt64
    ) throws(StartupError) -> KeyStore {
        do throws(StorageError) {
            return try KeyStore(folder, journal: id, batches: batches, newSeed: seed)
        } catch {
            throw .keys(error)
        }
    }

    /// The id of a journal that has begun. A damaged journal is refused by its recovery, which has more to say about it; but a disk
    /// that fails must not make the keys' files look like those of another journal.
    private static func journalID(_ journal: some Storage) throws(StartupError) -> JournalID? {
        do throws(JournalError) {
            return try JournalReader(journal).firstHeader()?.id
        } catch {
            guard case .storage(let cause) = error else { return nil }
            throw .keys(cause)
        }
    }

    /// Bytes of all segments, for the metrics; what cannot be asked is left out.
    private static func segmentBytes(_ journal: some Storage) -> Int {
        let names = (try? journal.list()) ?? []
        return names.filter { SegmentFormat.number(ofFile: $0) != nil }.reduce(0) { $0 + ((try? journal.size($1)) ?? 0) }
    }
}

extension StartedBooks {
    /// Spares the next start what this one had to read, when it was much. Nothing has been admitted yet. A failure costs the next start
    /// its time.
    public mutating func saveCheckpoint(_ storage: any Storage, ifMoreThan bytes: Int, at wall: Timestamp) throws(StorageError) {
        guard recovered.bytes > UInt64(bytes), let last = recovered.last else { return }
        try Checkpoint.write(storage, ledger, windows: [window, retention.clock], after: last, at: wall)
    }
}

extension Server {
    /// A server that goes on with the books as they are.
    public init(
        _ books: consuming StartedBooks, pipeline: consuming CommitPipeline, storage: any Storage, options: ServerOptions,
        followers: (any Storage)? = nil, connections: Int = Limits.connections, random: UInt64
    ) {
        let (window, retention) = (books.window, books.retention)
        self.init(
            ledger: books.ledger, pipeline: pipeline, storage: storage, options: options, keys: books.keys, followers: followers,
            connections: connections, random: random)
        self.window = window
        self.retention = retention
    }

    /// Writes the books down for the next start, when all that was admitted is durable. False when there is nothing to write, or it is
    /// there already.
    public mutating func saveCheckpoint(_ storage: any Storage, startedFrom place: JournalPlace?, at wall: Timestamp) throws(StorageError)
        -> Bool
    {
        guard failure == nil, pipelineBox.pointee.isIdle, let last = pipelineBox.pointee.last, last != place else { return false }
        try Checkpoint.write(storage, ledger, windows: [window, retention.clock], after: last, at: wall)
        return true
    }
}
