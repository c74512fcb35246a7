// CorrectionLane: one thing at a time that changes what past events count for.
//
// A correction says what an event counted for before it, so whoever computes one must have seen the one before. The lane is
// how: a job asks the query thread for corrections, writes them down, and the next question is asked only when these are
// durable. A run is many such rounds; a void is one, and goes between the rounds of a run rather than behind it.

internal import Core
internal import Journal

/// What is to be done, and for whom.
struct CorrectionJob {
    enum Work {
        case void(key: [UInt8], position: JournalPosition?, reason: [UInt8])
        case reprice(RepriceQuery, RunKind, filter: [UInt8])
        /// Of the run with this number; `filter` is what is recorded for the new one.
        case reverse(UInt32, begin: JournalPosition, end: JournalPosition, filter: [UInt8])
        /// No correction, yet here, so that of two catalogues each is compared with the one before it.
        case catalogue(current: [UInt8]?, bundle: [UInt8], force: Bool, dryRun: Bool)
    }

    var work: Work
    /// nil for what the daemon does of its own accord.
    var requester: ConnectionID?
    /// The number of its run; 0 until the first correction is written.
    var run: UInt32 = 0
    /// Where the next round goes on.
    var cursor: UInt64 = 0

    /// Whether it is one round only, and may go between the rounds of a run.
    var isShort: Bool {
        switch work {
        case .void, .catalogue: true
        case .reprice, .reverse: false
        }
    }

    /// Takes what the job stands on as it is when its first round begins: prices may have changed while it waited. Events from
    /// `nextSequence` on are priced when they are recorded, by these prices or by newer ones, and are left to that.
    mutating func takePrices(_ prices: PriceTexts, catalogue: [UInt8]?, nextSequence: UInt64) {
        guard cursor == 0 else { return }
        switch work {
        case .reprice(var query, let kind, let filter):
            query.prices = prices
            query.below = nextSequence
            work = .reprice(query, kind, filter: filter)
        case .catalogue(_, let bundle, let force, let dryRun):
            work = .catalogue(current: catalogue, bundle: bundle, force: force, dryRun: dryRun)
        case .void, .reverse: break
        }
    }

    var query: Query {
        switch work {
        case .void(let key, let position, let reason): .void(key: key, position: position, reason: reason)
        case .reprice(let query, _, _): .repriceBlock(query, from: cursor)
        case .reverse(let run, let begin, let end, _): .reverseBlock(run: run, begin: begin, end: end, from: cursor)
        case .catalogue(let current, let bundle, let force, _): .catalogueCheck(current: current, bundle: bundle, force: force)
        }
    }
}

struct CorrectionLane {
    /// The job whose round is on; the rounds of others wait.
    var active: CorrectionJob?
    /// A run that a void was let past.
    var paused: CorrectionJob?
    var waiting: [CorrectionJob] = []
    /// An answer whose corrections are not all written yet, for want of room.
    var pending: (answer: QueryAnswer, written: Int)?

    /// As a connection: where answers to the lane's own queries go.
    static let id = ConnectionID(index: .max, generation: .max)

    var isIdle: Bool { active == nil && paused == nil && waiting.isEmpty }

    /// The run that is going on.
    var currentRun: UInt32 { max(active?.run ?? 0, paused?.run ?? 0) }

    /// Whether this run is about to be taken back.
    func reverses(_ run: UInt32) -> Bool {
        (waiting + [active, paused].compactMap(\.self)).contains { job in
            if case .reverse(run, _, _, _) = job.work { return true }
            return false
        }
    }

    /// Jobs that wait or run.
    var count: Int { waiting.count + (active == nil ? 0 : 1) + (paused == nil ? 0 : 1) }

    /// Whether pricing what is unpriced is asked for already and has not begun.
    var expectsPricing: Bool {
        waiting.contains { job in
            if case .reprice(_, .pricing, _) = job.work { return true }
            return false
        }
    }

    /// The job whose next round is due; it becomes the active one.
    mutating func next() -> CorrectionJob? {
        guard active == nil else { return nil }
        if let index = waiting.firstIndex(where: { $0.isShort }) {
            active = waiting.remove(at: index)
        } else if let run = paused {
            active = run
            paused = nil
        } else if !waiting.isEmpty {
            active = waiting.removeFirst()
        }
        return active
    }

    /// The round is over and the job is not: it goes on, or lets a void past.
    mutating func goOn(_ job: CorrectionJob) {
        active = nil
        paused = job
    }
}
