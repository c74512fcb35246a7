// Flush: what goes into the file in one transaction, frozen as it was when the flush began; and the thread that writes it.
//
// While a flush is under way its figures are counted beside those of the file and of what was folded since, until the file is seen
// to have it (by the position it says). So a query waits for no flush, and nothing is counted twice or left out.

internal import Core
internal import Glibc

/// Handed to the thread and taken back; who hands it over sees to it that each sees what the other did.
final class Flush: @unchecked Sendable {
    let delta: DeltaTable
    let lookups: LookupDelta
    /// The closed ones, and the open one as it was.
    let chunks: [Chunk]
    let closedChunks: Int
    let corrections: CorrectionLog
    /// nil when nothing of it is new.
    let dropped: Dropped?
    let state: BooksState
    /// Where the file was when it began.
    let from: JournalPosition
    let startedAt = monotonicNanoseconds()
    /// The file has it. Set by whoever wrote it.
    var isCommitted = false
    var error: SQLiteError?

    init(
        delta: consuming DeltaTable, lookups: LookupDelta, chunks: [Chunk], closedChunks: Int, corrections: CorrectionLog,
        dropped: Dropped?, state: BooksState, from: JournalPosition
    ) {
        self.delta = delta
        self.lookups = lookups
        self.chunks = chunks
        self.closedChunks = closedChunks
        self.corrections = corrections
        self.dropped = dropped
        self.state = state
        self.from = from
    }
}

/// Writes flushes, one at a time, and sums older hours up while there is none. The writer's connection is used on this thread only
/// while `isBusy`.
final class FlushThread: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var thread = pthread_t()

    // Under the mutex.
    private var given: (Flush, BooksWriter)?
    private var isWorking = false
    private var isWanted = false
    private var isStopping = false

    /// nil when the system has no thread to give.
    init?() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        let context = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<FlushThread>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if status != 0 {
            context.release()
            return nil
        }
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    func give(_ flush: Flush, to writer: BooksWriter) {
        pthread_mutex_lock(mutex)
        given = (flush, writer)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    var isBusy: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return given != nil || isWorking
    }

    /// Leaves for later what may be done later.
    func hurry() {
        pthread_mutex_lock(mutex)
        isWanted = true
        pthread_mutex_unlock(mutex)
    }

    /// Waits until nothing is under way.
    func wait() {
        pthread_mutex_lock(mutex)
        isWanted = true
        while given != nil || isWorking { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Ends the thread after what it has in hand.
    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        isWanted = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
        pthread_join(thread, nil)
    }

    private func run() {
        // Behind the loop, the journal and the queries when there is not enough of the machine, but never without any of it: what is
        // folded waits in memory that is bounded.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
        while let (flush, writer) = next() {
            writer.perform(flush) { self.mustEnd }
            pthread_mutex_lock(mutex)
            isWorking = false
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
    }

    private func next() -> (Flush, BooksWriter)? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while given == nil, !isStopping { pthread_cond_wait(condition, mutex) }
        guard let work = given else { return nil }
        given = nil
        isWorking = true
        isWanted = isStopping
        return work
    }

    /// Whether somebody waits: then what may be done later is done later.
    private var mustEnd: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isWanted
    }
}
