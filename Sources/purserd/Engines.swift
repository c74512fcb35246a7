// The journal writer and the projection, in the shapes the runtime asks for.

import Core
import FileStorage
import Glibc
import Journal
import Projection
import Runtime
import Server

/// The journal writer, for the runtime.
final class Committer: BatchCommitter {
    private var writer: JournalWriter<FileStorage>
    private let storage: FileStorage
    private var lent: (file: FileStorage.LentFile, write: DurableWrite)?
    private var saidSlower = false

    init(_ storage: FileStorage, _ tail: JournalTail, segmentBytes: Int) {
        self.storage = storage
        writer = JournalWriter(storage: storage, tail: tail, segmentBytes: segmentBytes)
    }

    func commit(_ batch: UnsafeMutablePointer<BatchBuilder>) throws(StorageError) {
        try writer.commit(&batch.pointee)
        guard !storage.writesDirectly, !saidSlower else { return }
        saidSlower = true
        Log.notice("writes", "journal: the file system takes no direct writes: each commit goes through the page cache and an fdatasync")
    }

    func begin(_ batch: UnsafeMutablePointer<BatchBuilder>) -> KernelWrite? {
        guard let write = writer.begin(&batch.pointee), let file = storage.lend(write.file) else { return nil }
        lent = (file, write)
        return KernelWrite(descriptor: file.descriptor, offset: write.offset, bytes: write.bytes)
    }

    func end(_ written: Int) throws(StorageError) -> Bool {
        guard let (file, write) = lent else { return false }
        lent = nil
        storage.giveBack(file)
        // Some of it, or what the file system or the kernel does not do: `commit` writes all of it, the same bytes to the same place.
        let trouble = written < 0 ? Int32(-written) : 0
        guard written == write.bytes.count || trouble != 0, ![EINVAL, EOPNOTSUPP, EAGAIN].contains(trouble) else { return false }
        try writer.end(trouble == 0 ? nil : StorageError(operation: .write, errno: trouble, file: write.file))
        return true
    }

    func announce(_ trouble: Int32) {
        Log.info("ring", "journal: the kernel gives no ring (\(String(cString: strerror(trouble)))): a thread makes every commit")
    }
}

/// The projection, for the query thread. Without a usable file every query says so, nothing else is affected, and it is tried again.
final class Books: QueryEngine {
    private static let retryNanoseconds: UInt64 = 200_000_000

    private let path: String
    private let storage: RecentStorage
    private let journal: JournalID
    private var projection: Projection?
    private var triedAt: UInt64 = 0
    private var reported: String?
    private var rebuilds = 0

    init(state: String, storage: RecentStorage, journal: JournalID) {
        path = state + "/books.db"
        self.storage = storage
        self.journal = journal
        open()
    }

    private func open() {
        triedAt = EventLoop.instant.monotonic
        do throws(ProjectionError) {
            projection = try Projection(path: path, storage: storage, journal: journal, flushThread: true)
            if let reason = projection?.stats().rebuildReason { Log.warning("books", "books: made anew from the journal: \(reason)") }
            rebuilds = projection?.stats().rebuilds ?? 0
        } catch {
            if error.description != reported { Log.error("books", "books: \(error.description)") }
            reported = error.description
        }
    }

    var position: JournalPosition { projection?.position ?? .start }
    var durablePosition: JournalPosition { projection?.durablePosition ?? .start }
    var keptFrom: JournalPosition { projection?.keptFrom ?? .start }

    func segmentsCondensed() {
        guard let projection else { return }
        projection.segmentsCondensed()
        _ = projection.catchUp(through: projection.position)
        report()
    }

    func catchUp(through end: JournalPosition) -> Bool {
        if projection == nil, EventLoop.instant.monotonic - triedAt > Books.retryNanoseconds { open() }
        guard let projection else { return true }
        let done = projection.catchUp(through: end)
        report()
        // When a failure is in the way the query is answered with what there is, or says so, instead of waiting.
        return done || projection.isBlocked
    }

    /// One line when something new is wrong with the books, and one when they were thrown away: that they knew more than the
    /// journal holds may be all that is left of what a disk lost.
    private func report() {
        let stats = projection?.stats()
        if let stats, stats.rebuilds != rebuilds {
            rebuilds = stats.rebuilds
            Log.warning("books", "books: made anew from the journal: \(stats.rebuildReason ?? "")")
        }
        let error = stats?.lastError
        if let error, error != reported { Log.error("books", "books: \(error)") }
        reported = error
    }

    func answer(_ query: Query, token: UInt64) -> QueryAnswer? {
        guard let projection else { return QueryAnswer(status: 500, code: "internal_error", message: "The books cannot be opened") }
        return projection.answer(query, token: token, now: EventLoop.now)
    }

    func idle() {
        if projection?.flushIfDue() == false { report() }
    }

    func settle(through end: JournalPosition) {
        guard projection?.settle(through: end) == false else {
            // The last one to let go of the file tidies it up.
            projection = nil
            return
        }
        report()
    }
}
