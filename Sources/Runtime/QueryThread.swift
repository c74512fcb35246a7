// QueryThread: the thread of the projection. It folds what became durable, at its own pace, and answers queries after catching
// up, so that a reader sees every event that was acknowledged before it asked. Long queries are worked off a step at a time, one
// after another; whoever comes meanwhile is answered first.

internal import CLinux
internal import CUV
public import Core
internal import Glibc
internal import Server

/// The projection as the runtime sees it; made and used on the query thread only.
public protocol QueryEngine: AnyObject {
    /// Folds durable facts up to `end`, for about a tenth of a second. True when `end` is reached, or cannot be for now.
    func catchUp(through end: JournalPosition) -> Bool
    /// nil: not done; it is asked again with the same token until it is.
    func answer(_ query: Query, token: UInt64) -> QueryAnswer?
    /// Called when there is nothing else to do; writes out what has waited long enough.
    func idle()
    var position: JournalPosition { get }
    /// Everything before it is stored: it is not read again unless what was stored is lost.
    var durablePosition: JournalPosition { get }
    /// Nothing before it is read.
    var keptFrom: JournalPosition { get }
    /// Segments were condensed: lets go of them.
    func segmentsCondensed()
    /// The process is about to end: writes out what can be at once, once it has come up to `end`.
    func settle(through end: JournalPosition)
}

struct Answered {
    var connection: ConnectionID
    var answer: QueryAnswer
}

/// A query on the query thread.
private struct OpenQuery {
    var pending: PendingQuery
    /// Of this query alone, for as long as the thread runs.
    var token: UInt64
}

final class QueryThread {
    private var thread = uv_thread_t()
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<uv_cond_t>.allocate(capacity: 1)
    private let async: UnsafeMutablePointer<uv_async_t>
    private let make: @Sendable () -> any QueryEngine

    // Under the mutex.
    private var durableEnd: JournalPosition
    private var foldedTo = JournalPosition.start
    private var storedTo = JournalPosition.start
    private var readsFrom = JournalPosition.start
    /// Segments before it are condensed.
    private var condensedBefore = JournalPosition.start
    private var asked = FairQueue()
    private var answered: [Answered] = []
    /// Bytes of those answers: the loop takes them at once, unless it has no time; then they do not pile up.
    private var answeredBytes = 0
    private var sleeping = false
    /// It has nothing in hand.
    private var resting = false
    private var stopping = false
    private var stopped = false

    init(durableEnd: JournalPosition, async: UnsafeMutablePointer<uv_async_t>, make: @escaping @Sendable () -> any QueryEngine) {
        self.durableEnd = durableEnd
        self.async = async
        self.make = make
        uv_mutex_init(mutex)
        uv_cond_init(condition)
    }

    /// False when the system has no thread to give.
    func start() -> Bool {
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = uv_thread_create(
            &thread, { argument in Unmanaged<QueryThread>.fromOpaque(argument!).takeRetainedValue().run() }, context)
        return status == 0
    }

    /// More is durable. Wakes the thread only when it waits for that.
    func advance(to end: JournalPosition) {
        uv_mutex_lock(mutex)
        durableEnd = end
        if sleeping { uv_cond_signal(condition) }
        uv_mutex_unlock(mutex)
    }

    func ask(_ queries: [PendingQuery], durableEnd end: JournalPosition) {
        uv_mutex_lock(mutex)
        durableEnd = end
        for query in queries { asked.append(query) }
        uv_cond_signal(condition)
        uv_mutex_unlock(mutex)
    }

    func takeAnswers() -> [Answered] {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        let list = answered
        answered = []
        answeredBytes = 0
        uv_cond_signal(condition)
        return list
    }

    var folded: JournalPosition {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return foldedTo
    }

    /// How far the projection is stored, and from where on it reads.
    var books: (durable: JournalPosition, keptFrom: JournalPosition) {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return (storedTo, readsFrom)
    }

    /// Segments before `position` are condensed; `books` says when nobody here reads them any more.
    func letGo(before position: JournalPosition) {
        uv_mutex_lock(mutex)
        condensedBefore = position
        uv_mutex_unlock(mutex)
    }

    /// Lets the thread come to an end. The result is until when to wait for that: not at all when it has something else in hand, and what
    /// it has not written out is folded again after the next start.
    func beginStop() -> UInt64 {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        stopping = true
        guard resting else { return 0 }
        uv_cond_broadcast(condition)
        return uv_hrtime() + QueryThread.patience
    }

    func awaitStop(until end: UInt64) {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        while !stopped {
            let now = uv_hrtime()
            guard now < end else { return }
            _ = uv_cond_timedwait(condition, mutex, end - now)
        }
    }

    private static let patience: UInt64 = 25_000_000

    private static let pace: UInt64 = 50_000_000
    /// Queries that are answered between two looks at who else asks.
    private static let turn = 4

    private func run() {
        purser_name_thread("books")
        let engine = make()
        // In the order in which they came; each was asked at least once.
        var unfinished: [OpenQuery] = []
        var tokens: UInt64 = 0
        while true {
            uv_mutex_lock(mutex)
            foldedTo = engine.position
            storedTo = engine.durablePosition
            readsFrom = engine.keptFrom
            while asked.isEmpty, unfinished.isEmpty, durableEnd <= foldedTo, !stopping {
                // Nothing to fold: wait, but wake now and then to write out what was folded.
                (sleeping, resting) = (true, true)
                let timedOut = uv_cond_timedwait(condition, mutex, 1_000_000_000) != 0
                (sleeping, resting) = (false, false)
                if timedOut { break }
            }
            let end = durableEnd
            // A few at a time, in turns: what comes meanwhile is not behind all of a long line.
            var fresh: [PendingQuery] = []
            while fresh.count < QueryThread.turn, let query = asked.popFirst() { fresh.append(query) }
            let stop = stopping
            let isCondensed = condensedBefore > readsFrom
            uv_mutex_unlock(mutex)

            if stop {
                engine.settle(through: end)
                uv_mutex_lock(mutex)
                stopped = true
                uv_cond_broadcast(condition)
                uv_mutex_unlock(mutex)
                return
            }
            if isCondensed { engine.segmentsCondensed() }
            if fresh.isEmpty {
                if end > engine.position { _ = engine.catchUp(through: end) }
                engine.idle()
                if unfinished.isEmpty { pauseForQueries() }
            } else {
                // A reader waits: whatever was durable when it asked is folded first.
                while !engine.catchUp(through: end), !isStopping {}
            }
            var queries: [OpenQuery] = []
            for pending in fresh {
                tokens += 1
                queries.append(OpenQuery(pending: pending, token: tokens))
            }
            unfinished = work(on: queries, then: unfinished, engine)
        }
    }

    /// One turn for each query: those that just came, then those that are unfinished. The result is what is unfinished now.
    private func work(on fresh: [OpenQuery], then old: [OpenQuery], _ engine: any QueryEngine) -> [OpenQuery] {
        let waiting = turn(for: fresh, engine)
        return turn(for: old, engine) + waiting
    }

    private func turn(for queries: [OpenQuery], _ engine: any QueryEngine) -> [OpenQuery] {
        var unfinished: [OpenQuery] = []
        for query in queries where !isStopping {
            if let answer = engine.answer(query.pending.query, token: query.token) {
                give(Answered(connection: query.pending.connection, answer: answer))
            } else {
                unfinished.append(query)
            }
        }
        return unfinished
    }

    /// Hands an answer to the loop, once there is room for it among those that were not taken yet.
    private func give(_ item: Answered) {
        uv_mutex_lock(mutex)
        while answeredBytes > Limits.answersWaitingBytes, !stopping { uv_cond_wait(condition, mutex) }
        answered.append(item)
        answeredBytes += item.answer.data.count
        uv_mutex_unlock(mutex)
        uv_async_send(async)
    }

    private var isStopping: Bool {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return stopping
    }

    /// Lets facts gather, unless a query comes.
    private func pauseForQueries() {
        uv_mutex_lock(mutex)
        if asked.isEmpty, !stopping {
            resting = true
            _ = uv_cond_timedwait(condition, mutex, QueryThread.pace)
            resting = false
        }
        uv_mutex_unlock(mutex)
    }
}
