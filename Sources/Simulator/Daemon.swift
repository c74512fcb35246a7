// Daemon: one life of the daemon's process, from start to end. What `purserd` is made of is here as it is: recovery, ledger,
// key store, server, pipeline, journal writer. What is stood in for is what makes it run: the event loop and its threads
// (Sources/Runtime), and the order of the start (Sources/purserd/Daemon.swift), which this file follows line by line.
//
// A thread's work is done at one moment between the moment it was handed over and the moment the loop hears of it; either
// gap may be long, and the process may die in it.

internal import Core
internal import Journal
internal import Ledger
internal import Pricing
internal import Server

/// Why a life ended before it began.
enum StartFailure: Error {
    case storage(StorageError)
    case refused(JournalError)
}

/// Something a thread has in hand.
struct Job<Work> {
    var work: Work
    /// When it is done, and when the loop hears of it.
    var doneAt: UInt64
    var heardAt: UInt64
    var isDone = false
}

/// The loop's side of one connection.
struct Peer {
    var connection: FakeConnection
    var id: ConnectionID
    var isReading = true
    /// Output that the kernel has not taken yet.
    var writing: [UInt8] = []
    var stuckSince: UInt64 = 0
    var lingerUntil: UInt64 = 0
    var hasEnded = false
}

final class Daemon {
    enum End: Equatable { case clean, storage(StorageError) }

    let disk: FakeDisk
    let record: Record
    let plan: Plan
    var dice: Dice
    let canary: Canary?
    private let journal: FakeFolder
    private let state: FakeFolder
    /// What the start began with.
    private let checkpoint: JournalPlace?
    var server: Server
    private var writer: JournalWriter<FakeFolder>
    var books: Books
    private let recent: SimulatedRecent
    let recovered: RecoveredJournal
    var peers: [Peer] = []
    private(set) var end: End?
    private var now: Instant
    var turnInstant: Instant { now }
    var turnTime: UInt64 { now.monotonic }

    private var commit: Job<UnsafeMutablePointer<BatchBuilder>>?
    private var commitFailure: StorageError?
    private var preparation: Job<UInt32>?
    private var preparationFailure: StorageError?
    private var keyJob: Job<KeyJob>?
    private var asked: [Job<PendingQuery>] = []
    private var bookJob: Job<JournalPosition>?
    private var lastSweep: UInt64 = 0
    private var lastRetry: UInt64 = 0
    private var lastTick: UInt64 = 0
    private var drainDeadline: UInt64 = 0
    private var rolledSegment: UInt32 = 0
    private let sequenceAtStart: UInt64

    // MARK: Start

    init(_ disk: FakeDisk, _ plan: Plan, _ dice: Dice, _ record: Record, canary: Canary?, at now: Instant) throws(StartFailure) {
        self.disk = disk
        self.plan = plan
        self.record = record
        self.canary = canary
        self.now = now
        var dice = dice
        let book = Daemon.makeBook()
        let journal = FakeFolder(disk, .journal)
        let keyFolder = FakeFolder(disk, .keys)
        let newID = JournalID(high: dice.next(), low: dice.next())
        let state = FakeFolder(disk, .state)
        var options = ServerOptions()
        options.dedupWindow = Int64(plan.window)
        options.segmentBytes = plan.segmentBytes
        var startup = StartupOptions(dedupWindow: options.dedupWindow)
        startup.segmentBytes = plan.segmentBytes
        startup.hotKeys = plan.hotKeys
        startup.eventBytes = plan.eventBytes
        startup.dedupMemoryKeys = plan.memoryKeys
        var started: StartedBooks
        do throws(StartupError) {
            started = try Startup.run(
                journal, keys: keyFolder, checkpoint: state, book: book, options: startup, newID: newID, wall: now.wall,
                random: { dice.next() })
        } catch {
            switch error {
            case .keys(let cause), .journal(.storage(let cause)): throw .storage(cause)
            case .journal(.visitor(let cause as StorageError)): throw .storage(cause)
            case .journal(.visitor(let cause as JournalError)), .journal(let cause): throw .refused(cause)
            }
        }
        recovered = started.recovered
        checkpoint = started.checkpoint
        if checkpoint != nil { record.coverage[.checkpointsUsed] += 1 }
        for complaint in started.complaints {
            record.coverage[complaint.hasPrefix("keys") ? .keyRunsRefused : .checkpointsRefused] += 1
            record.note("not used", complaint)
        }
        do throws(PriceBookError) { try started.ledger.usePrices(files: [], builtIn: book) } catch { record.fail("prices: \(error)") }
        do throws(StorageError) {
            try started.saveCheckpoint(state, ifMoreThan: plan.checkpointBytes, at: now.wall)
        } catch {
            record.coverage[.checkpointsFailed] += 1
        }
        recent = SimulatedRecent(capacity: plan.customers % 2 == 0 ? 0 : 4 * plan.batchBytes)
        let pipeline = CommitPipeline(
            tail: recovered.tail, last: recovered.last, prepared: recovered.lastPrepared, segmentBytes: plan.segmentBytes,
            batchBytes: plan.batchBytes, eventBytes: plan.eventBytes, pendingBytes: plan.pendingBytes,
            // In every other world originals are read from the disk at once.
            recent: recent)
        sequenceAtStart = recovered.tail.nextSequence
        server = Server(
            started, pipeline: pipeline, storage: journal, options: options, connections: plan.connections, random: dice.next())
        if server.ledger.keys.records.isEmpty {
            // The file that holds the key is written before anything else and outlives all.
            let text = Array(Daemon.apiKey.utf8)
            server.firstKey = FirstKey(digest: text.withUnsafeBytes { Digest(sha256: $0) }, hint: ApiKey.hint(text))
        }
        writer = JournalWriter(storage: journal, tail: recovered.tail, segmentBytes: plan.segmentBytes)
        books = Books(disk, record)
        self.journal = journal
        self.state = state
        self.dice = dice
        lastTick = now.monotonic
        rolledSegment = recovered.tail.segment
        books.savesOldPosition = canary == .foldTwice
        books.rounds = canary == .roundSums
        note()
        prepareSegment()
    }

    /// The key that the first start made.
    static let apiKey = "sk_live_simulatedsimulatedsimulatedsimul"

    /// The price book of every life of every run: prices are not what is tried here, and it is never changed.
    static func makeBook() -> PriceBook {
        do {
            return try Array(Payload.prices.utf8).withUnsafeBytes {
                try PriceBook(catalogue: [], own: [PriceBook.Source(name: "plain.toml", bytes: $0)])
            }
        } catch {
            preconditionFailure("the prices of the simulator are wrong: \(error)")
        }
    }

    private func note() {
        record.coverage[.starts] += 1
        record.coverage[.batchesReplayed] += recovered.batches
        record.coverage[.eventsReplayed] += recovered.events
        if recovered.cutBytes > 0 { record.coverage[.recoveriesWithCut] += 1 }
        if recovered.cutBytes > 0, recovered.tail.offset == UInt32(SegmentFormat.headerBytes) { record.coverage[.cutHeaders] += 1 }
        if recovered.extendedBytes > 0 { record.coverage[.extended] += 1 }
        if !recovered.removed.isEmpty { record.coverage[.blankRemoved] += 1 }
        record.note("started", "segment \(recovered.tail.segment)", Int(recovered.events), recovered.cutBytes)
    }

    // MARK: The loop

    var isDraining: Bool { drainDeadline != 0 }

    /// One turn: timers, what threads report, what peers sent, and then, once, what goes out.
    func turn(_ clock: FakeClock) {
        now = clock.instant
        guard end == nil else { return }
        if now.monotonic - lastTick >= 500_000_000 {
            lastTick = now.monotonic
            tick()
        }
        work()
        hear()
        guard end == nil, !disk.isDead else { return }
        read()
        guard end == nil, !disk.isDead else { return }
        beforeSleep()
    }

    private func beforeSleep() {
        flushDirty()
        if commit == nil {
            if let batch = server.startCommit(at: now) {
                commit = Job(work: batch, doneAt: due(), heardAt: 0)
            } else if server.pipeline.pacedUntil != nil {
                record.coverage[.pacedTurns] += 1
            }
        }
        for query in server.queries { asked.append(Job(work: query, doneAt: due(), heardAt: 0)) }
        server.queries.removeAll(keepingCapacity: true)
        prepareSegment()
        if drainDeadline == 0, keyJob == nil, let job = server.startKeyJob(at: now) { keyJob = Job(work: job, doneAt: due(), heardAt: 0) }
        if let failure = server.failure { stop(.storage(failure)) }
        if drainDeadline != 0, isDrained || now.monotonic > drainDeadline { stop(.clean) }
        forgetAtRoll()
    }

    private var isDrained: Bool { server.connectionCount == 0 && server.pipeline.isIdle }

    func drain() {
        drainDeadline = now.monotonic + 10_000_000_000
        record.note("asked to stop")
        server.drain()
    }

    private func stop(_ why: End) {
        guard end == nil else { return }
        end = why
        if case .storage(let error) = why {
            record.coverage[.storageStops] += 1
            record.note("stops", "\(error.operation.rawValue) \(error.file)", Int(error.errno))
        } else {
            record.coverage[.cleanStops] += 1
            record.note("stopped")
            saveCheckpoint()
        }
    }

    private func saveCheckpoint() {
        do throws(StorageError) {
            if canary == .forgetAtCheckpoint { server.window.forget(before: server.pipeline.durableEnd) }
            if try server.saveCheckpoint(state, startedFrom: checkpoint, at: now.wall) {
                record.coverage[.checkpointsWritten] += 1
            }
        } catch {
            record.coverage[.checkpointsFailed] += 1
        }
    }

    private func tick() {
        if now.monotonic - lastSweep > 900_000_000 {
            lastSweep = now.monotonic
            server.keepTime(at: now)
            server.recordProjection(position: books.position)
        }
        let timeouts = server.metrics.timeouts
        server.endLate(at: now, by: now.monotonic, most: 2)
        record.coverage[.timeouts] += server.metrics.timeouts - timeouts
        if server.pipeline.isFull, now.monotonic - lastRetry > 1_000_000_000 {
            lastRetry = now.monotonic
            server.pipeline.retryPreparing()
        }
        _ = server.takeNotices()
        for index in peers.indices where !peers[index].writing.isEmpty && peers[index].stuckSince != 0 {
            if now.monotonic - peers[index].stuckSince > UInt64(Limits.writeSeconds) * FakeClock.second { close(index) }
        }
        for index in peers.indices where peers[index].lingerUntil != 0 && now.monotonic > peers[index].lingerUntil { close(index) }
        peers.removeAll { $0.connection.isClosed }
    }

    // MARK: Threads

    /// When work handed over now is done; later than that when the disk stalls.
    private func due() -> UInt64 {
        if dice.happens(plan.diskStallRate) {
            record.coverage[.diskStalls] += 1
            return now.monotonic + dice.duration(FakeClock.second...30 * FakeClock.second)
        }
        return now.monotonic + dice.duration(20_000...8_000_000)
    }

    private func heard() -> UInt64 { now.monotonic + dice.duration(1_000...4_000_000) }

    /// Does what is due: each thread by itself, in an order that is left to chance.
    private func work() {
        let first = dice.below(4)
        for k in 0..<4 where !disk.isDead {
            switch (first + k) % 4 {
            case 0: writeBatch()
            case 1: fillSegment()
            case 2: workOnKeys()
            default: keepBooks()
            }
        }
    }

    /// Does what threads have in hand, but dies at a call to the disk after so many.
    func workUntilDeath(after calls: Int) {
        disk.deathIn = calls
        if let job = commit, !job.isDone { writeNow(job.work) }
        if !disk.isDead { preparation?.doneAt = 0 }
        fillSegment()
        if !disk.isDead { keyJob?.doneAt = 0 }
        workOnKeys()
        if !disk.isDead { books.save() }
    }

    private func writeBatch() {
        guard var job = commit, !job.isDone, now.monotonic >= job.doneAt else { return }
        job.isDone = true
        job.heardAt = heard()
        commit = job
        if canary == .acknowledgeEarly { return }
        writeNow(job.work)
    }

    /// The process dies while it writes the next batch.
    var diesWriting = false

    private func writeNow(_ batch: UnsafeMutablePointer<BatchBuilder>) {
        if diesWriting { disk.deathIn = dice.below(4) }
        record.note("commit", "\(batch.pointee.segment):\(batch.pointee.offset)", Int(batch.pointee.eventCount), batch.pointee.writer.count)
        if batch.pointee.isEmpty { record.coverage[.marks] += 1 }
        do throws(StorageError) {
            try writer.commit(&batch.pointee)
        } catch {
            commitFailure = error
            if canary == .retrySync, error.operation == .sync { retrySync(batch.pointee.segment, batch.pointee.offset) }
        }
    }

    /// A planted bug: the kernel has dropped the pages, and the second sync reports success.
    private func retrySync(_ segment: UInt32, _ offset: UInt32) {
        do {
            try journal.sync(SegmentFormat.fileName(segment))
            var reader = JournalReader(journal)
            guard let info = try reader.readHeader(at: JournalPosition(segment: segment, offset: offset)) else { return }
            let tail = JournalTail(
                id: writer.tail.id, segment: segment, offset: info.end.offset, segmentBytes: plan.segmentBytes,
                nextSequence: info.nextSequence, lastCRC: info.crc, lastTime: info.openedAt)
            writer = JournalWriter(storage: journal, tail: tail, segmentBytes: plan.segmentBytes)
            commitFailure = nil
        } catch {
            record.note("fails again")
        }
    }

    private func fillSegment() {
        guard let job = preparation, !job.isDone, now.monotonic >= job.doneAt else { return }
        preparation?.isDone = true
        preparation?.heardAt = heard()
        preparationFailure = nil
        do throws(StorageError) {
            try SegmentPreparer.prepare(journal, job.work, size: plan.segmentBytes)
            record.coverage[.segments] += 1
        } catch {
            preparationFailure = error
        }
    }

    private func workOnKeys() {
        guard let job = keyJob, !job.isDone, now.monotonic >= job.doneAt else { return }
        keyJob?.isDone = true
        keyJob?.heardAt = heard()
        job.work.perform()
    }

    private func keepBooks() {
        let end = server.pipeline.durableEnd
        if let job = bookJob {
            guard now.monotonic >= job.doneAt else { return }
            bookJob = nil
            if books.catchUp(through: job.work, recent), dice.below(3) == 0 { books.save() }
        } else if books.position < end {
            bookJob = Job(work: end, doneAt: due(), heardAt: 0)
        }
    }

    private func hear() {
        if let job = commit, job.isDone, now.monotonic >= job.heardAt {
            if canary == .acknowledgeEarly {
                server.committed(at: now)
                flushDirty()
                writeNow(job.work)
                commit = nil
                if let commitFailure { stop(.storage(commitFailure)) }
                return
            }
            commit = nil
            if let commitFailure, canary != .ignoreFailure {
                stop(.storage(commitFailure))
                return
            }
            record.coverage[.commits] += 1
            server.committed(at: now)
            server.recordCommit(nanoseconds: 1)
        }
        if let job = preparation, job.isDone, now.monotonic >= job.heardAt {
            preparation = nil
            if let error = preparationFailure {
                record.coverage[.preparationsRefused] += 1
                guard error.errno == 28 || error.errno == 122 || error.errno == 27 else {
                    stop(.storage(error))
                    return
                }
            }
            server.segmentPrepared(job.work, succeeded: preparationFailure == nil, at: now)
        }
        if let job = keyJob, job.isDone, now.monotonic >= job.heardAt {
            keyJob = nil
            let before = server.ledger.dedup.counters
            if server.finishKeyJob(job.work, at: now) != nil { record.coverage[.keyFailures] += 1 }
            record.coverage[.keyRunsWritten] += server.ledger.dedup.counters.sealed - before.sealed
            record.coverage[.keyRunsMerged] += server.ledger.dedup.counters.merges - before.merges
        }
        while let index = asked.firstIndex(where: { now.monotonic >= $0.doneAt }) {
            let query = asked.remove(at: index).work
            let shows = canary == .staleAnswer || books.catchUp(through: server.pipeline.durableEnd, recent)
            if disk.isDead { return }
            answer(query, shows)
        }
    }

    private func answer(_ query: PendingQuery, _ shows: Bool) {
        guard shows else {
            let busy = QueryAnswer(status: 503, code: "overloaded", message: "The books cannot be read")
            server.answered(query.connection, busy, at: now)
            return
        }
        if case .repriceBlock = query.query {
            // Nothing that was unpriced has a price: the prices of a run never change.
            var answer = QueryAnswer(data: [])
            answer.corrections = CorrectionBlock()
            server.answered(query.connection, answer, at: now)
            return
        }
        server.answered(query.connection, QueryAnswer(data: Array("{\"events\":\(books.events)}".utf8)), at: now)
    }

    private func prepareSegment() {
        guard preparation == nil, let number = server.pipeline.segmentToPrepare() else { return }
        preparation = Job(work: number, doneAt: due(), heardAt: 0)
    }

    /// A planted bug: keys are forgotten when a segment is begun.
    private func forgetAtRoll() {
        guard canary == .forgetAtRoll, server.pipeline.currentSegment > rolledSegment else { return }
        server.ledger.dedup.expiredBefore = JournalPosition(segment: server.pipeline.currentSegment, offset: 0)
    }

    /// Z7: every event that was looked at has one outcome; what was recorded is what the sequences say.
    func checkCounters() {
        let counters = server.ledger.counters
        if counters.recorded != server.ledger.nextSequence - max(sequenceAtStart, 1) {
            record.fail("Z7: \(counters.recorded) counted as recorded, \(server.ledger.nextSequence - sequenceAtStart) have sequences")
        }
    }

    /// Gives memory back that a process which ends leaves to the kernel.
    func forgetWork() {
        if let job = keyJob, job.isDone { _ = server.finishKeyJob(job.work, at: now) }
        keyJob = nil
    }

    /// Nothing is under way.
    var isQuiet: Bool {
        commit == nil && preparation == nil && keyJob == nil && asked.isEmpty && bookJob == nil && server.pipeline.isIdle
            && books.position >= server.pipeline.durableEnd && server.queries.isEmpty
    }

    /// The next moment at which something is due, as far as this side knows.
    var nextDue: UInt64 {
        var due = lastTick + 500_000_000
        func wait(_ done: Bool, _ doneAt: UInt64, _ heardAt: UInt64) { due = min(due, done ? heardAt : doneAt) }
        if let job = commit { wait(job.isDone, job.doneAt, job.heardAt) }
        if let job = preparation { wait(job.isDone, job.doneAt, job.heardAt) }
        if let job = keyJob { wait(job.isDone, job.doneAt, job.heardAt) }
        if let job = bookJob { due = min(due, job.doneAt) }
        for job in asked { due = min(due, job.doneAt) }
        if commit == nil, let paced = server.pipeline.pacedUntil { due = min(due, paced) }
        return due
    }

    /// The books as they end.
    func closeBooks() -> Bool { books.catchUp(through: server.pipeline.durableEnd, recent) }
}
