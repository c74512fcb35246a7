// Retention: which segments may go, and the steps in which they do. What is decided here is done on the thread of the keys' files;
// `protocol/retention.md` has the conditions and their reasons.

public import Core
public import Journal
public import Ledger

/// A piece of work for the thread that may wait for the disk. The loop gives it away, the thread performs it, the loop takes it
/// back; who hands it over sees to it that each sees what the other did.
public protocol BackgroundJob: AnyObject, Sendable {
    /// Whether memory is waiting for it. What is not urgent may be done at leisure.
    var isUrgent: Bool { get }
    /// Does the work. May take some tenths of a second.
    func perform()
}

/// When segments leave the journal; lives on the loop.
public struct RetentionPlan: Sendable {
    enum Stage: Sendable, Equatable {
        /// Nothing is under way.
        case idle
        /// Segments are being read.
        case condensing(UInt32)
        /// The file counts; the projection has to let go of the segments.
        case letGo(CondensedRange)
        case removing(CondensedRange)
    }

    /// In nanoseconds; nil: events are kept for good.
    public var length: Int64? {
        didSet { clock.length = max(length ?? RetentionPlan.idleLength, 64) }
    }
    /// Measures it, as the dedup window is measured.
    public internal(set) var clock: DedupWindow
    private static let idleLength: Int64 = 400 * 86_400 * 1_000_000_000
    /// The lowest segment that is kept.
    public private(set) var firstSegment: UInt32 = 1
    public private(set) var droppedEvents: UInt64 = 0
    public private(set) var condensedBytes: Int = 0
    /// Of the segments' files, prepared ones included.
    public internal(set) var segmentBytes: Int = 0
    /// What sealed segments take less than that.
    public var savedBytes: Int = 0
    public private(set) var failures: UInt64 = 0
    private(set) var stage = Stage.idle
    /// Whether a piece of work is out.
    private(set) var isOut = false
    private var retryAt: UInt64 = 0
    private var lastTrouble = ""

    public init(length: Int64?) {
        self.length = length
        let all = length ?? RetentionPlan.idleLength
        // Fine enough to drop in some hundred parts, coarse enough to cost nothing.
        clock = DedupWindow(length: all, spacing: max(1, all / 256))
    }

    /// A batch of the journal, in order, while it is read at start.
    public mutating func replayed(_ openedAt: Timestamp, at position: JournalPosition) { clock.replayed(openedAt, at: position) }

    /// The journal was read to its end; `wall` is the time now.
    public mutating func started(_ wall: Timestamp, _ recovered: RecoveredJournal, segmentBytes bytes: Int) {
        clock.started(wall)
        firstSegment = (recovered.condensed.last?.last ?? 0) + 1
        droppedEvents = recovered.droppedEvents
        condensedBytes = recovered.condensedBytes
        segmentBytes = bytes
    }

    mutating func passed(_ monotonic: UInt64, end: JournalPosition) { clock.passed(monotonic, end: end) }

    /// Where the kept segments begin.
    public var keptFrom: JournalPosition {
        firstSegment == 1 ? .start : JournalPosition(segment: firstSegment, offset: UInt32(SegmentFormat.headerBytes))
    }

    /// What to do next; nil when there is nothing, or the last piece is out. Segments from `needed` on are needed by others,
    /// `released` is where the projection begins to read.
    mutating func next(needed: UInt32, released: JournalPosition, now: UInt64) -> RetentionWork? {
        guard !isOut else { return nil }
        switch stage {
        case .idle:
            guard length != nil, now >= retryAt else { return nil }
            let end = min(clock.start().segment, needed)
            guard end > firstSegment else { return nil }
            stage = .condensing(end - 1)
            isOut = true
            return .begin(firstSegment, through: end - 1)
        case .condensing:
            isOut = true
            return .goOn
        case .letGo(let range):
            guard released.segment > range.last else { return nil }
            stage = .removing(range)
            isOut = true
            return .remove(range)
        case .removing(let range):
            guard now >= retryAt else { return nil }
            isOut = true
            return .remove(range)
        }
    }

    /// What came of the piece given out last; a line for the log, when there is something to say.
    mutating func finished(_ result: RetentionResult, now: UInt64) -> String? {
        isOut = false
        switch result {
        case .goesOn: return nil
        case .condensed(let range, let events, let bytes):
            stage = .letGo(range)
            firstSegment = range.last + 1
            droppedEvents += events
            condensedBytes += bytes
            lastTrouble = ""
            return "journal: segments \(range.first) to \(range.last) are condensed; \(events) events stand in sums only from here on"
        case .removed(let bytes):
            stage = .idle
            segmentBytes -= bytes
            return nil
        case .failed(let trouble):
            failures += 1
            retryAt = now &+ UInt64(Limits.retentionRetrySeconds) * 1_000_000_000
            if case .condensing = stage { stage = .idle }
            return say("segments cannot be dropped: \(trouble)")
        case .held(let holder):
            stage = .idle
            retryAt = now &+ UInt64(Limits.retentionRetrySeconds) * 1_000_000_000
            return say("events past their retention are kept for \(holder)")
        }
    }

    /// The same thing is said once.
    private mutating func say(_ trouble: String) -> String? {
        guard trouble != lastTrouble else { return nil }
        lastTrouble = trouble
        return "journal: " + trouble
    }
}

enum RetentionWork: Sendable {
    case begin(UInt32, through: UInt32)
    case goOn
    case remove(CondensedRange)
}

enum RetentionResult: Sendable {
    case goesOn
    case condensed(CondensedRange, droppedEvents: UInt64, fileBytes: Int)
    case removed(bytes: Int)
    /// Nothing came of it; it is tried again.
    case failed(String)
    /// Somebody has not read that far.
    case held(String)
}

/// What is under way on the other thread. Not thread-safe: whoever has the job has it.
final class Retainer: @unchecked Sendable {
    private let storage: any Storage
    private let followers: Followers?
    private var condenser: (any Condensing)?

    init(_ storage: any Storage, _ followers: Followers?) {
        self.storage = storage
        self.followers = followers
    }

    func perform(_ work: RetentionWork) -> RetentionResult {
        do {
            switch work {
            case .begin(let first, let through):
                var last = through
                if let lowest = try followers?.lowest(), lowest.position.segment <= through {
                    guard lowest.position.segment > first else { return .held("the follower \(lowest.name)") }
                    last = lowest.position.segment - 1
                }
                condenser = try Retainer.condenser(storage, first, last)
                return .goesOn
            case .goOn:
                guard let condenser else { return .failed("condensing was not begun") }
                guard case .condensed(let range, let events, let bytes) = try condenser.step() else { return .goesOn }
                self.condenser = nil
                return .condensed(range, droppedEvents: events, fileBytes: bytes)
            case .remove(let range): return .removed(bytes: try Retainer.remove(storage, range))
            }
        } catch {
            if condenser != nil { Retainer.discard(storage) }
            condenser = nil
            if let unreadable = error as? Followers.Unreadable {
                return .held("the follower \(unreadable.file), whose file cannot be read")
            }
            return .failed(Retainer.text(error))
        }
    }

    private static func text(_ error: any Error) -> String {
        if let error = error as? JournalError { return error.description }
        if let error = error as? StorageError { return JournalError.storage(error).description }
        return "\(error)"
    }

    private static func condenser(_ storage: some Storage, _ first: UInt32, _ last: UInt32) throws(JournalError) -> any Condensing {
        try Condenser(storage, from: first, through: last)
    }

    private static func remove<S: Storage>(_ storage: S, _ range: CondensedRange) throws(StorageError) -> Int {
        try Condenser<S>.removeCovered(storage, range)
    }

    private static func discard<S: Storage>(_ storage: S) { Condenser<S>.discard(storage) }
}

/// A piece of work on segments whose events are no longer kept.
final class RetentionJob: BackgroundJob, @unchecked Sendable {
    private let retainer: Retainer
    private let work: RetentionWork
    fileprivate var result = RetentionResult.goesOn
    let isUrgent = false

    init(_ retainer: Retainer, _ work: RetentionWork) {
        self.retainer = retainer
        self.work = work
    }

    func perform() { result = retainer.perform(work) }
}

extension Server {
    /// The next piece of work for the thread that may wait for the disk; nil when there is none or the last one is not back.
    /// Called once a turn. Keys that wait in memory go first; merging them and dropping segments take turns.
    public mutating func startJob(at instant: Instant) -> (any BackgroundJob)? {
        guard !jobIsOut else { return nil }
        if keysHadTurn, let job = startRetentionJob(at: instant) {
            keysHadTurn = false
            jobIsOut = true
            return job
        }
        if let job = startKeyJob(at: instant) {
            keysHadTurn = true
            jobIsOut = true
            return job
        }
        guard let job = startRetentionJob(at: instant) else { return nil }
        keysHadTurn = false
        jobIsOut = true
        return job
    }

    /// Takes a piece of work back; see `finishKeyJob` for the result.
    public mutating func finishJob(_ job: any BackgroundJob, at instant: Instant) -> StorageError? {
        jobIsOut = false
        if let job = job as? KeyJob { return finishKeyJob(job, at: instant) }
        guard let job = job as? RetentionJob else { return nil }
        let before = retention.firstSegment
        if let line = retention.finished(job.result, now: instant.monotonic) { notices.append(Notice("retention", line)) }
        guard retention.firstSegment != before else { return nil }
        // From here on nothing of the loop looks into them; the projection is told by whoever asks `keptFrom`.
        ledger.forgetResponses(before: retention.keptFrom)
        window.forget(before: retention.keptFrom)
        ledger.dedup.expiredBefore = max(ledger.dedup.expiredBefore, window.start())
        return nil
    }

    /// Where the kept segments begin: the projection must not read before it.
    public var keptFrom: JournalPosition { retention.keptFrom }

    /// How far the projection's file goes, and where the projection begins to read.
    public mutating func recordBooks(durable: JournalPosition, keptFrom: JournalPosition) {
        booksDurable = durable
        booksKeptFrom = keptFrom
    }

    private mutating func startRetentionJob(at instant: Instant) -> RetentionJob? {
        guard retention.length != nil || retention.stage != .idle, let retainer else { return nil }
        let needed = min(
            pipelineBox.pointee.durableEnd.segment, booksDurable.segment, ledger.dedup.expiredBefore.segment, ledger.dedup.oldestBatch)
        return retention.next(needed: needed, released: booksKeptFrom, now: instant.monotonic).map { RetentionJob(retainer, $0) }
    }
}
