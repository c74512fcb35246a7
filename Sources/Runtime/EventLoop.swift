// EventLoop: libuv around the server. One thread owns every connection, the sessions and the ledger; the journal thread, the query
// thread and the thread of the keys' files ring it, one handle each.
//
// One turn: readable sockets are read and their bytes given to the server; then, before sleeping, `beforeSleep` writes what may
// go out and has the batch that filled meanwhile made durable (`Commits`), unless it is to fill for a moment longer (`CommitPace`). So
// a quiet event is committed at once and a burst shares one commit.
//
// Ownership: libuv keeps the pointers it is given until the close callback. Every handle is a heap allocation that ends there
// and nowhere else; `data` points to the loop or to the peer.

internal import CLinux
internal import CUV
public import Core
internal import FileStorage
internal import Glibc
public import Journal
public import Server

/// What the runtime needs from the program around it.
public struct RuntimeOptions {
    public var listen: [Address] = []
    /// Listening sockets inherited from the service manager.
    public var inherited: [InheritedSocket] = []
    public var segmentBytes = Limits.segmentBytes
    /// Bytes that sealed segments take less than segments do.
    public var savedBytes: () -> Int = { 0 }
    /// A line for the log.
    public var log: (LogLine) -> Void = { _ in }
    /// Called for SIGHUP; changes what can be changed in the running server.
    public var reload: (inout Server) -> Void = { _ in }
    /// Free and all bytes of the file system that holds the state; asked now and then.
    public var disk: () -> (free: UInt64, total: UInt64)? = { nil }
    /// What the metrics say of process, disk and log; called about once a second.
    public var host: () -> HostFigures = { HostFigures() }
    /// Something slow that is done now and then.
    public var periodic: PeriodicWork?
    /// Where the service manager listens.
    public var notifier = ServiceNotifier()
    /// Whether the process was told to stop before the loop listened for signals.
    public var isStopped: () -> Bool = { false }
    /// Called once when the loop has ended and nothing was in its way: what was acknowledged is on disk.
    public var stopped: (inout Server) -> Void = { _ in }
    /// Called once when everything listens.
    public var ready: (inout Server, [Address]) -> Void = { _, _ in }
    public init() {}
}

/// Why the loop ended.
public enum RuntimeEnd: Error, Equatable, Sendable {
    case clean
    /// A listener could not be opened.
    case listen(String)
    /// The system does not give what is needed to run at all.
    case resources(String)
    /// The journal could not be written or synced: nothing may be acknowledged any more.
    case storage(StorageError)
}

/// One peer's socket. Freed in the close callback.
struct Peer {
    var handle: UnsafeMutablePointer<uv_stream_t>
    var id: ConnectionID
    var reading = false
    /// Bytes read in turn number `turn`; more than `Limits.turnBytes` wait for the next one.
    var readInTurn = 0
    var turn: UInt64 = 0
    /// Reads in a row while it was owed an answer, counted up to `overlapsToPoll`.
    var overlaps = 0
    /// Its place among those that are looked at now and then, and the looks in a row that found nothing.
    var polledAt: Int?
    var misses = 0
    var isPolled: Bool { polledAt != nil }
    /// Bytes handed to `uv_write` and not yet written.
    var writing = 0
    /// Bytes given to the kernel so far; how many they were when a stretch of `Limits.writeSeconds` began, and when that was; 0
    /// when nothing is owed.
    var taken: UInt64 = 0
    var takenBefore: UInt64 = 0
    var owedSince: UInt64 = 0
    var closing = false
    /// Output is ended; input is read and thrown away until the peer ends too, or until this time.
    var lingerUntil: UInt64 = 0
    /// The peers that linger are a list, oldest first.
    var nextLingering: UnsafeMutablePointer<Peer>?
    var previousLingering: UnsafeMutablePointer<Peer>?
    var ended = false
}

struct WriteRequest {
    var request: UnsafeMutablePointer<uv_write_t>
    var bytes: UnsafeMutableRawPointer
    var count: Int
    var peer: UnsafeMutablePointer<Peer>
}

public final class EventLoop {
    let loop: UnsafeMutablePointer<uv_loop_t>
    let server: UnsafeMutablePointer<Server>
    var options: RuntimeOptions
    private let commits: Commits
    private var queryThread: QueryThread
    private var keyThread: KeyThread
    private let bell = Bell()
    private let queryAsync: UnsafeMutablePointer<uv_async_t>
    private let keyAsync: UnsafeMutablePointer<uv_async_t>
    private let prepare: UnsafeMutablePointer<uv_prepare_t>
    private let timer: UnsafeMutablePointer<uv_timer_t>
    /// For a batch that is left to fill.
    private let alarm = Alarm()
    let acceptTimer: UnsafeMutablePointer<uv_timer_t>
    private var signals: [UnsafeMutablePointer<uv_signal_t>] = []
    var listeners: [Listener] = []
    /// Given up to close peers that no descriptor is left for; -1 when there is none.
    var spareDescriptor: Int32 = -1
    var socketPaths: [String] = []
    var listening: [Address] = []
    var peers: [UnsafeMutablePointer<Peer>?] = []
    /// Those to flush this turn; kept for its memory.
    var flushed: [UnsafeMutablePointer<Peer>] = []
    /// Those that are looked at now and then, and when they were.
    var polled: [UnsafeMutablePointer<Peer>] = []
    var lastLook: UInt64 = 0
    var firstLingering: UnsafeMutablePointer<Peer>?
    var lastLingering: UnsafeMutablePointer<Peer>?
    /// Counts turns.
    var turn: UInt64 = 1
    private let storage: any Storage
    let readBuffer: UnsafeMutableRawPointer
    static let readBytes = 256 * 1024
    private var end: RuntimeEnd?
    var drainDeadline: UInt64 = 0
    /// When the batch that is being written was handed over; 0 when none is.
    private var commitStarted: UInt64 = 0
    private var lastAlive: UInt64 = 0
    /// Why the daemon is not ready, as it was told last.
    private var trouble: String?
    private var figures = StatusFigures()
    private var lastStatus: UInt64 = 0
    private var lastTick: UInt64 = 0
    /// The last tick that found the process running: whose time was up by then is ended, a few peers a turn.
    private var lateBy: UInt64 = 0
    private var hasLate = false
    /// Where `closeStuck` goes on.
    var stuckCursor = 0
    private var lastSweep: UInt64 = 0
    private var lastRetry: UInt64 = 0
    private var lastDisk: UInt64 = 0
    private var lastTrim: UInt64 = 0
    private var trimsLeft = 0
    var periodicDue: UInt64 = 0
    var periodicIsRunning = false

    public init(
        server: consuming Server, storage: any Storage, committer: any BatchCommitter, options: RuntimeOptions,
        durableEnd: JournalPosition, makeQueryEngine: @escaping @Sendable () -> any QueryEngine
    ) {
        signal(SIGPIPE, SIG_IGN)
        // Whoever started the process may have blocked signals: a daemon that cannot be asked to stop is none.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        loop = .allocate(capacity: 1)
        uv_loop_init(loop)
        self.server = .allocate(capacity: 1)
        self.server.initialize(to: server)
        self.storage = storage
        self.options = options
        queryAsync = .allocate(capacity: 1)
        keyAsync = .allocate(capacity: 1)
        prepare = .allocate(capacity: 1)
        timer = .allocate(capacity: 1)
        acceptTimer = .allocate(capacity: 1)
        readBuffer = .allocate(byteCount: EventLoop.readBytes + 4096, alignment: 64)
        commits = Commits(committer: committer, bell: bell)
        queryThread = QueryThread(durableEnd: durableEnd, async: queryAsync, make: makeQueryEngine)
        keyThread = KeyThread(async: keyAsync)
    }

    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static func of(_ data: UnsafeMutableRawPointer?) -> EventLoop { Unmanaged<EventLoop>.fromOpaque(data!).takeUnretainedValue() }

    var instant: Instant { EventLoop.instant }

    /// Both clocks.
    public static var instant: Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(wall: Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)), monotonic: uv_hrtime())
    }

    /// The wall clock.
    public static var now: Timestamp { instant.wall }

    // MARK: Life

    /// Listens, serves until told to stop, and says how it ended.
    public func run() -> RuntimeEnd {
        loop.pointee.data = context
        uv_async_init(loop, queryAsync) { EventLoop.of($0!.pointee.data).queriesAnswered() }
        queryAsync.pointee.data = context
        uv_async_init(loop, keyAsync) { EventLoop.of($0!.pointee.data).keyJobDone() }
        keyAsync.pointee.data = context
        uv_prepare_init(loop, prepare)
        prepare.pointee.data = context
        uv_prepare_start(prepare) { EventLoop.of($0!.pointee.data).beforeSleep() }
        uv_timer_init(loop, timer)
        timer.pointee.data = context
        uv_timer_start(timer, { EventLoop.of($0!.pointee.data).tick() }, EventLoop.restTick, EventLoop.restTick)
        uv_timer_init(loop, acceptTimer)
        acceptTimer.pointee.data = context
        openSpareDescriptor()
        for number in [SIGTERM, SIGINT, SIGHUP] {
            let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)
            uv_signal_init(loop, handle)
            handle.pointee.data = context
            uv_signal_start(handle, { handle, number in EventLoop.of(handle!.pointee.data).signalled(number) }, number)
            signals.append(handle)
        }
        if options.isStopped() {
            options.notifier.stopping()
            return .clean
        }
        guard alarm.start(loop) else { return .resources("no timer can be had") }
        guard bell.start(loop, { [unowned self] in commitDone() }) else { return .resources("no descriptor can be had") }
        guard commits.start(loop, { [unowned self] in commitDone() }), queryThread.start(), keyThread.start() else {
            return .resources("no thread can be started")
        }
        if let failed = openListeners() { return .listen(failed) }
        prepareSegment()
        options.ready(&server.pointee, listening)
        server.pointee.recordHost(options.host())
        options.notifier.ready("ready on " + listening.map(\.description).joined(separator: ", "))
        lastStatus = uv_hrtime()
        uv_run(loop, UV_RUN_DEFAULT)
        for path in socketPaths { unlink(path) }
        // The process ends at once. Nobody waits for the files of keys, and for the books no longer than a moment: what they lack is made
        // from the journal after the next start.
        guard end == .clean else { return end ?? .clean }
        commits.stop()
        let patience = queryThread.beginStop()
        options.stopped(&server.pointee)
        queryThread.awaitStop(until: patience)
        return .clean
    }

    private func signalled(_ number: Int32) {
        if number == SIGHUP {
            options.notifier.reloading()
            options.reload(&server.pointee)
            options.notifier.ready(figures.text)
            return
        }
        guard drainDeadline == 0 else {
            finish(.clean)
            return
        }
        options.log(LogLine(.info, "stopping", "purserd: stopping"))
        options.notifier.stopping()
        drainDeadline = uv_hrtime() + 10_000_000_000
        uv_timer_stop(acceptTimer)
        for listener in listeners { listener.close() }
        listeners = []
        server.pointee.drain()
    }

    func finish(_ reason: RuntimeEnd) {
        if end == nil { end = reason }
        uv_stop(loop)
    }

    func closeHandle(_ raw: UnsafeMutableRawPointer) {
        let handle = raw.assumingMemoryBound(to: uv_handle_t.self)
        guard uv_is_closing(handle) == 0 else { return }
        uv_close(handle) { UnsafeMutableRawPointer($0!).deallocate() }
    }

    // MARK: The turn

    /// Once per turn, before the loop sleeps.
    private func beforeSleep() {
        turn += 1
        if hasLate { endLate() }
        lookAtPolled()
        // What the kernel has done by now need not wake the loop.
        if commits.isInRing { commitDone() }
        flushDirty()
        let now = instant
        if let batch = server.pointee.startCommit(at: now) {
            commitStarted = now.monotonic
            commits.commit(batch)
            if !server.pointee.pipeline.isPaced { stopPolling() }
        }
        if !polled.isEmpty {
            alarm.set(server.pointee.pipeline.nextLook(after: lastLook))
        } else if let later = server.pointee.pipeline.pacedUntil {
            alarm.set(later)
        }
        if !server.pointee.queries.isEmpty {
            let queries = server.pointee.queries
            server.pointee.queries.removeAll(keepingCapacity: true)
            queryThread.ask(queries, durableEnd: server.pointee.pipeline.durableEnd)
        }
        prepareSegment()
        if drainDeadline == 0, let job = server.pointee.startJob(at: now) { keyThread.give(job) }
        if let failure = server.pointee.failure { fail(failure) }
        // What was resumed while output went out may have more to say: turn again instead of sleeping on it.
        if hasLate || !server.pointee.dirty.isEmpty { bell.ring() }
        if drainDeadline != 0, isDrained || now.monotonic > drainDeadline { finish(.clean) }
    }

    private var isDrained: Bool { server.pointee.connectionCount == 0 && server.pointee.pipeline.isIdle }

    private func commitDone() {
        guard let result = commits.takeResult() else { return }
        commitStarted = 0
        if let error = result.error {
            fail(error)
            return
        }
        server.pointee.committed(at: instant)
        server.pointee.recordCommit(nanoseconds: result.nanoseconds)
        queryThread.advance(to: server.pointee.pipeline.durableEnd)
    }

    private func keyJobDone() {
        guard let job = keyThread.takeDone() else { return }
        let error = server.pointee.finishJob(job, at: instant)
        queryThread.letGo(before: server.pointee.keptFrom)
        guard let error else { return }
        let cause = String(cString: strerror(error.errno))
        let text = "keys: \(error.operation) of \(error.file) failed: \(cause); tried again in \(Limits.dedupRetrySeconds) s"
        options.log(LogLine(.warning, "keys_failed", "purserd: \(text)", fields(error)))
    }

    private func fail(_ error: StorageError) {
        let cause = String(cString: strerror(error.errno))
        let place = error.file.hasSuffix(".run") || error.file == "keys" ? "keys" : "journal"
        let text = "\(place): \(error.operation) of \(error.file) failed: \(cause); nothing is acknowledged any more"
        options.log(LogLine(.error, "storage_failed", "purserd: \(text)", fields(error)))
        finish(.storage(error))
    }

    private func fields(_ error: StorageError) -> [(name: String, value: String)] {
        [("FILE", error.file), ("OPERATION", "\(error.operation)"), ("ERRNO", "\(error.errno)")]
    }

    private func queriesAnswered() {
        let now = instant
        for item in queryThread.takeAnswers() {
            server.pointee.answered(item.connection, item.answer, at: now)
        }
    }

    private func tick() {
        let now = instant
        // After the process stood still (suspended, or starved) what peers sent meanwhile is still to be read: nobody is late before
        // that, so the deadlines wait for the next tick.
        let stoodStill = lastTick != 0 && now.monotonic - lastTick > 2_000_000_000
        lastTick = now.monotonic
        if !stoodStill, now.monotonic - lastSweep > 900_000_000 {
            lastSweep = now.monotonic
            server.pointee.keepTime(at: now)
            let folded = queryThread.folded
            server.pointee.recordProjection(position: folded)
            let books = queryThread.books
            server.pointee.recordBooks(durable: books.durable, keptFrom: books.keptFrom)
            server.pointee.recordHost(options.host())
            server.pointee.retention.savedBytes = options.savedBytes()
        }
        if server.pointee.pipeline.isFull, now.monotonic - lastRetry > 1_000_000_000 {
            lastRetry = now.monotonic
            server.pointee.pipeline.retryPreparing()
        }
        if lastDisk == 0 || now.monotonic - lastDisk > 5_000_000_000, let disk = options.disk() {
            lastDisk = now.monotonic
            server.pointee.recordDisk(free: disk.free, total: disk.total)
        }
        giveBack(now.monotonic)
        server.pointee.watch(at: now)
        for notice in server.pointee.takeNotices() {
            let fields = notice.requestID.map { [(name: "REQUEST_ID", value: $0)] } ?? []
            options.log(LogLine(notice.isWarning ? .warning : .notice, notice.kind, "purserd: \(notice.text)", fields))
        }
        tellManager(now)
        startPeriodic(now)
        let interval = server.pointee.connectionCount > EventLoop.manyPeers ? EventLoop.crowdedTick : EventLoop.restTick
        uv_timer_set_repeat(timer, interval)
        if !stoodStill {
            closeStuck(now, share: interval)
            lateBy = now.monotonic
            hasLate = true
        }
    }

    /// Gives back what a burst needed, once it is over: the buffers, and what the books and the files of keys let go of in the seconds
    /// after.
    private func giveBack(_ now: UInt64) {
        if server.pointee.afterBurst(at: now, { purser_give_back($0, $1) }) {
            trimsLeft = 4
            lastTrim = 0
        }
        guard trimsLeft > 0, now - lastTrim > 1_000_000_000 else { return }
        trimsLeft -= 1
        lastTrim = now
        purser_trim()
    }

    /// Milliseconds between two ticks: often when there are many peers, so that each has few to look at.
    private static let restTick: UInt64 = 500
    private static let crowdedTick: UInt64 = 50
    private static let manyPeers = 256

    /// Ends those whose time was up at the last tick, `Limits.endsPerTurn` at a time: each takes some system calls, and whoever
    /// else has something to say would wait for all of them.
    private func endLate() {
        hasLate = server.pointee.endLate(at: instant, by: lateBy, most: Limits.endsPerTurn)
        var count = 0
        while let peer = firstLingering, lateBy > peer.pointee.lingerUntil {
            guard count < Limits.endsPerTurn else {
                hasLate = true
                break
            }
            count += 1
            close(peer)
        }
    }

    /// Once when readiness changes its reason; and a sign of life, as long as the loop turns, which it does here, and the journal
    /// thread has not been at one batch for longer than the time between two signs.
    private func tellManager(_ now: Instant) {
        let reason = server.pointee.unreadiness.map { "\($0)" }
        if reason != trouble {
            trouble = reason
            if let reason {
                options.log(LogLine(.warning, "not_ready", "purserd: not ready: \(reason)", [("REASON", reason)]))
            } else {
                options.log(LogLine(.notice, "ready_again", "purserd: ready again"))
            }
            tellStatus(now)
        } else if now.monotonic - lastStatus >= EventLoop.statusInterval {
            tellStatus(now)
        }
        let interval = options.notifier.watchdogInterval
        guard interval > 0, now.monotonic - lastAlive >= min(interval, 5_000_000_000) else { return }
        guard commitStarted == 0 || now.monotonic - commitStarted < interval else { return }
        lastAlive = now.monotonic
        options.notifier.alive()
    }

    /// Often enough to be looked at, seldom enough to cost the manager nothing.
    private static let statusInterval: UInt64 = 2_000_000_000

    /// The line of `systemctl status`, when it changed.
    private func tellStatus(_ now: Instant) {
        lastStatus = now.monotonic
        guard options.notifier.isHeard, drainDeadline == 0 else { return }
        let before = figures.text
        figures.look(at: server.pointee, now)
        if figures.text != before { options.notifier.status(figures.text) }
    }

    /// Closes peers that take what they are owed too slowly: each holds a place and memory. In every stretch of
    /// `Limits.writeSeconds` it must be `Limits.writeBytes` or all of it, so a peer that takes a byte now and then ends, too. Every
    /// peer is looked at once a second; `share` is how many milliseconds' worth of them are looked at now.
    func closeStuck(_ now: Instant, share: UInt64) {
        let count = min(peers.count, peers.count * Int(share) / 1000 + 1)
        for _ in 0..<count {
            stuckCursor = stuckCursor + 1 < peers.count ? stuckCursor + 1 : 0
            guard let peer = peers[stuckCursor], peer.pointee.writing > 0 else { continue }
            if peer.pointee.owedSince == 0 || peer.pointee.taken - peer.pointee.takenBefore >= UInt64(Limits.writeBytes) {
                peer.pointee.takenBefore = peer.pointee.taken
                peer.pointee.owedSince = now.monotonic
            }
            if now.monotonic - peer.pointee.owedSince > UInt64(Limits.writeSeconds) * 1_000_000_000 {
                server.pointee.writeTimedOut()
                close(peer)
            }
        }
    }

    // MARK: Segments

    private struct Preparation {
        var request: UnsafeMutablePointer<uv_work_t>
        var owner: EventLoop
        var number: UInt32
        var error: StorageError?
    }

    private func prepareSegment() {
        guard let number = server.pointee.pipeline.segmentToPrepare() else { return }
        let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
        let preparation = UnsafeMutablePointer<Preparation>.allocate(capacity: 1)
        preparation.initialize(to: Preparation(request: request, owner: self, number: number, error: nil))
        request.pointee.data = UnsafeMutableRawPointer(preparation)
        uv_queue_work(
            loop, request,
            { request in
                purser_name_thread("zeros")
                let preparation = request!.pointee.data.assumingMemoryBound(to: Preparation.self)
                do throws(StorageError) {
                    try SegmentPreparer.prepare(
                        preparation.pointee.owner.storage, preparation.pointee.number, size: preparation.pointee.owner.options.segmentBytes)
                } catch {
                    preparation.pointee.error = error
                }
            },
            { request, _ in
                let preparation = request!.pointee.data.assumingMemoryBound(to: Preparation.self)
                preparation.pointee.owner.segmentPrepared(preparation.pointee.number, preparation.pointee.error)
                preparation.deinitialize(count: 1)
                preparation.deallocate()
                request!.deallocate()
            })
    }

    private func segmentPrepared(_ number: UInt32, _ error: StorageError?) {
        if let error {
            if !server.pointee.pipeline.isFull {
                let text = "journal: no room for segment \(number): \(String(cString: strerror(error.errno)))"
                options.log(LogLine(.warning, "no_room", "purserd: \(text)", fields(error)))
            }
            // Nothing was promised yet: it is tried again, as when there is no space. Without a descriptor or memory, too.
            guard [ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM].contains(error.errno) else {
                fail(error)
                return
            }
        }
        server.pointee.segmentPrepared(number, succeeded: error == nil, at: instant)
    }
}
