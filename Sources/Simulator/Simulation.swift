// Simulation: one world, one seed. A daemon on a fake disk, clients on a fake network, a fake clock, and an auditor.
//
// Safety phase: anything may go wrong at any moment, and whatever is acknowledged must hold. Liveness phase: nothing goes wrong
// any more, and everything that is still open must come to an end by itself within a bounded time. Then the books are compared,
// power is lost once more, and they are compared again.

internal import Core
internal import Journal
internal import Ledger
internal import Server

/// What to run.
public struct SimulationOptions: Sendable {
    public var seed: UInt64
    /// Events that clients make, retries not counted.
    public var events: Int
    public var canary: Canary?
    /// Called with every line of the event log.
    public var follow: (@Sendable (String) -> Void)?

    public init(seed: UInt64, events: Int, canary: Canary? = nil, follow: (@Sendable (String) -> Void)? = nil) {
        self.seed = seed
        self.events = events
        self.canary = canary
        self.follow = follow
    }
}

/// How it ended.
public struct SimulationResult: Sendable {
    public var seed: UInt64
    /// Of everything that happened, in order.
    public var hash: UInt64
    /// The first promise that was broken; nil: none was.
    public var failure: String?
    public var coverage: Coverage
    /// The last lines of the event log.
    public var trace: [String]
    public var isTiny: Bool
    public var steps: Int
    /// Simulated.
    public var nanoseconds: UInt64
}

public final class Simulation {
    private let options: SimulationOptions
    private var plan: Plan
    private let record = Record()
    private let auditor: Auditor
    private let disk: FakeDisk
    private var dice: Dice
    private var clock = FakeClock()
    private var workload: Workload
    private var clients: [Client] = []
    private var connections = 0
    /// Connections nobody has accepted yet.
    private var calling: [FakeConnection] = []
    private var daemon: Daemon?
    /// When the next life begins.
    private var startAt: UInt64 = 0
    private var isCalm = false
    private var steps = 0
    /// When the disk is full until.
    private var fullUntil: UInt64 = 0

    /// Steps of the safety phase at most, for each event; nothing needs as many.
    private static let stepsPerEvent = 60
    /// Simulated time in which everything must have come to an end once nothing goes wrong any more: the longest deadline of a
    /// connection (300 s) and then some.
    private static let patience: UInt64 = 3600 * FakeClock.second

    public init(_ options: SimulationOptions) {
        self.options = options
        plan = Plan(seed: options.seed, events: options.events)
        dice = Dice(options.seed)
        auditor = Auditor(record)
        disk = FakeDisk(plan, dice.fork(), record)
        workload = Workload(plan, dice.fork())
        record.follow = options.follow
        disk.skipsSyncs = options.canary == .skipSync ? 4 : 0
        disk.skipsDirectorySyncs = options.canary == .skipDirectorySync
        for (number, kind) in plan.clients.enumerated() {
            clients.append(Client(number, kind, plan, dice.fork(), auditor, record, canary: options.canary))
        }
    }

    public func run() -> SimulationResult {
        safety()
        if record.failure == nil { liveness() }
        if record.failure == nil { finish() }
        return SimulationResult(
            seed: options.seed, hash: record.hash, failure: record.failure, coverage: record.coverage,
            trace: record.failure == nil ? [] : record.trace, isTiny: plan.isTiny, steps: steps, nanoseconds: record.time)
    }

    // MARK: Phases

    private func safety() {
        let most = Simulation.stepsPerEvent * options.events + 2_000
        while record.failure == nil, steps < most, workload.left > 0 {
            workload.allow(1 + steps * 100 / plan.pace)
            misfortune()
            step()
        }
    }

    private func liveness() {
        isCalm = true
        record.note("calm")
        workload.allow(.max)
        plan.calm()
        disk.plan = plan
        disk.capacity = .max
        disk.heal()
        for client in clients { client.isCalm = true }
        let end = clock.monotonic + Simulation.patience
        // What runs has the plan of the time before, and may have been stopped by a fault already: it gets a calm life of its own.
        if daemon != nil { die(loses: dice.flip()) }
        startAt = clock.monotonic
        while record.failure == nil, clock.monotonic < end {
            step()
            if clients.allSatisfy(\.isSettled), daemon?.isQuiet == true, workload.left == 0 || !hasWriters { return }
        }
        guard record.failure == nil else { return }
        for client in clients where !client.isSettled {
            record.note("unsettled", "client \(client.number) \(client.kind)  \(client.waits)")
        }
        let state = daemon == nil ? "down" : daemon?.isQuiet == true ? "quiet" : "busy"
        record.fail("liveness: not everything came to an end; the daemon is \(state)")
    }

    private var hasWriters: Bool { clients.contains { $0.kind != .garbage } }

    /// Everything stands still: what there is must be right, and still be right after one more loss of power.
    private func finish() {
        guard let daemon else { return record.fail("no daemon at the end") }
        let fold = audit()
        guard record.failure == nil else { return }
        check(daemon, fold, "at the end")
        for index in auditor.keys.indices where !auditor.keys[index].mustNotCount && auditor.keys[index].text != nil {
            let key = auditor.keys[index]
            if !key.isForsaken, key.acknowledged == nil, key.wasSent[0], key.conflict == nil {
                record.fail("liveness: \(auditor.name(index)) was never answered")
            }
        }
        checkReplays(fold)
        guard record.failure == nil else { return }
        die(loses: true)
        startAt = clock.monotonic
        start()
        guard record.failure == nil else { return }
        guard let last = self.daemon else { return record.fail("the daemon does not start on a good disk") }
        checkCounts(last)
    }

    /// Z7: in a life in which no answer is lost, the daemon counts what its clients count.
    private func checkCounts(_ daemon: Daemon) {
        plan.events = 30
        (plan.duplicateRate, plan.conflictRate, plan.invalidRate, plan.keylessRate) = (250_000, 200_000, 150_000, 100_000)
        (plan.headerRate, plan.queryRate) = (0, 0)
        workload.begin(plan)
        clients = [ClientKind.binary, .array, .single].enumerated().map { number, kind in
            Client(100 + number, kind, plan, dice.fork(), auditor, record, canary: options.canary)
        }
        for client in clients { client.isCalm = true }
        let before = record.coverage
        let end = clock.monotonic + Simulation.patience
        while record.failure == nil, workload.left > 0 || !clients.allSatisfy(\.isSettled) {
            step()
            if clock.monotonic > end { return record.fail("liveness: thirty events were not answered on a good disk") }
        }
        func heard(_ what: Occurrence) -> UInt64 { record.coverage[what] - before[what] }
        let counters = daemon.server.ledger.counters
        guard record.failure == nil, daemon.end == nil else { return }
        // Of requests that found no room at all the daemon says so in one answer; of events in one each.
        guard heard(.storageFull) + heard(.overloaded) == daemon.server.metrics.refusedForRoom else { return }
        let told = (
            heard(.recorded), heard(.duplicate), heard(.conflict), heard(.refused) + heard(.storageFull) + heard(.overloaded)
        )
        let counted = (counters.recorded, counters.duplicates, counters.conflicts, counters.rejected.reduce(0, +))
        if told != counted { record.fail("Z7: clients heard \(told), the daemon counted \(counted)") }
    }

    // MARK: One step

    private func step() {
        steps += 1
        var due = clock.monotonic + 500_000_000
        if let daemon { due = min(due, daemon.nextDue) } else { due = min(due, startAt) }
        for client in clients { due = min(due, client.nextDue(clock.monotonic, workload)) }
        let hurry = dice.duration(1_000...2_000_000)
        clock.pass(max(hurry, min(due > clock.monotonic ? due - clock.monotonic : 0, 500_000_000)))
        record.time = clock.monotonic
        for client in clients {
            client.step(clock.monotonic, &workload) { [self] in call() }
            if record.failure != nil { return }
        }
        guard let daemon else {
            if clock.monotonic >= startAt { start() }
            return
        }
        for connection in calling where !daemon.accept(connection, at: clock) { connection.reset() }
        calling = []
        daemon.turn(clock)
        if disk.isDead { die(loses: daemon.diesWriting || dice.flip()) } else if daemon.end != nil { ended(daemon) }
    }

    private func call() -> FakeConnection? {
        guard let daemon, !daemon.isDraining else { return nil }
        connections += 1
        let connection = FakeConnection(connections)
        calling.append(connection)
        return connection
    }

    /// What befalls the world besides what its parts do by themselves.
    private func misfortune() {
        if dice.happens(plan.clockRate) {
            let isLater = clock.jump(&dice)
            record.coverage[isLater ? .clockForward : .clockBack] += 1
            record.note("wall clock", clock.wall.description)
        }
        if dice.happens(plan.sleepRate) {
            let second = FakeClock.second
            let length = plan.isWindowed ? UInt64(dice.within(60...400)) * second : dice.duration(second...400 * second)
            clock.pass(length)
            record.coverage[.sleeps] += 1
            record.note("sleeps", "", Int(length / FakeClock.second))
        }
        if fullUntil != 0, clock.monotonic > fullUntil {
            fullUntil = 0
            disk.capacity = .max
            record.note("disk has room")
        } else if dice.happens(plan.fillRate) {
            fullUntil = clock.monotonic + dice.duration(FakeClock.second / 10...60 * FakeClock.second)
            disk.capacity = disk.usedBytes + dice.below(2 * plan.segmentBytes)
            record.coverage[.diskFilled] += 1
            record.note("disk fills up", "", disk.capacity)
        }
        guard let daemon else { return }
        if disk.deathIn == nil, dice.happens(plan.deathInCallRate) { disk.deathIn = dice.below(30) }
        if dice.happens(plan.killRate) { return die(loses: false) }
        if dice.happens(plan.powerRate) {
            // More often than chance would have it, while something is being written.
            if dice.flip() {
                daemon.diesWriting = true
                return
            }
            if dice.flip() { daemon.workUntilDeath(after: dice.below(5)) }
            return die(loses: true)
        }
        if !daemon.isDraining, dice.happens(plan.stopRate) { daemon.drain() }
        for peer in daemon.peers where !peer.connection.isReset {
            if dice.happens(plan.resetRate) {
                record.coverage[.resets] += 1
                record.note("reset", "connection \(peer.connection.number)")
                peer.connection.reset()
            }
        }
        for client in clients {
            if let connection = client.connection, dice.happens(plan.halfOpenRate) {
                record.coverage[.halfOpen] += 1
                record.note("vanishes", "client \(client.number)")
                connection.isAbandoned = true
                client.lost(clock.monotonic)
            }
        }
    }

    // MARK: Lives

    /// The process is gone from one moment to the next, or the whole machine is.
    private func die(loses power: Bool) {
        record.coverage[power ? .powerLosses : .kills] += 1
        record.note(power ? "power lost" : "killed")
        daemon.map { $0.hangUp(reads: !power, &dice) }
        daemon = nil
        if power { disk.powerLost() } else { disk.processDied() }
        if power || dice.flip() { disk.heal() }
        rest()
    }

    private func ended(_ daemon: Daemon) {
        daemon.hangUp(reads: true, &dice)
        self.daemon = nil
        disk.processDied()
        if dice.flip() { disk.heal() }
        rest()
    }

    private func rest() {
        for connection in calling { connection.reset() }
        calling = []
        startAt = clock.monotonic + (isCalm ? 1 : dice.duration(1_000_000...20 * FakeClock.second))
    }

    private func start() {
        if !isCalm, dice.happens(plan.harmRate) { disk.harm(dice.pick([.books, .keys, .keys, .state])) }
        if !isCalm, plan.deathInCallRate > 0, dice.below(4) == 0 { disk.deathIn = dice.below(120) }
        if options.canary == .cutTooMuch { disk.withoutFaults { cutLastBatch() } }
        do throws(StartFailure) {
            let fresh = try Daemon(disk, plan, dice.fork(), record, canary: options.canary, at: clock.instant)
            if disk.isDead {
                record.coverage[.deathsInStart] += 1
                die(loses: dice.flip())
                return
            }
            daemon = fresh
            let fold = audit()
            guard record.failure == nil else { return }
            check(fresh, fold, "after a start")
        } catch {
            switch error {
            case .refused(let cause): record.fail("a good journal was refused: \(cause)")
            case .storage(let cause):
                record.coverage[disk.isDead ? .deathsInStart : .failedStarts] += 1
                record.note("does not start", "\(cause.operation.rawValue) \(cause.file)", Int(cause.errno))
                if isCalm, !disk.isDead { record.fail("the daemon does not start on a good disk: \(cause)") }
            }
            if disk.isDead { return die(loses: dice.flip()) }
            disk.processDied()
            if dice.flip() { disk.heal() }
            rest()
        }
    }

    // MARK: Audits

    /// The auditor reads the journal, without disturbing the disk.
    private func audit() -> JournalFold { disk.withoutFaults { JournalFold(FakeFolder(disk, .journal), auditor) } }

    private func check(_ daemon: Daemon, _ fold: JournalFold, _ when: String) {
        fold.check(daemon.server.ledger, when, record)
        daemon.checkCounters()
        if daemon.books.position > fold.end { record.fail("Z5: the books are ahead of the journal \(when)") }
        disk.withoutFaults {
            fold.checkKeys(&daemon.server.ledger, FakeFolder(disk, .journal), auditor, window: plan.window)
            if daemon.books.position >= fold.end || isCalm {
                guard daemon.closeBooks() else { return record.fail("Z5: the books do not catch up") }
                if daemon.books.events != fold.total.events || daemon.books.cost != fold.total.cost
                    || daemon.books.revenue != fold.total.revenue
                {
                    record.fail("Z5: the books have \(daemon.books.events) events, the journal \(fold.total.events) \(when)")
                }
            }
        }
    }

    /// Z6: whoever replays the journal arrives at the same state, whatever seeds its tables.
    private func checkReplays(_ fold: JournalFold) {
        for seed: UInt64 in [1, 0x9E37_79B9_7F4A_7C15] {
            var ledger = Ledger(book: Daemon.makeBook(), seed: seed, random: seed, eventBytes: plan.eventBytes)
            let folder = FakeFolder(disk, .journal)
            disk.withoutFaults {
                var reader = JournalReader(folder)
                do throws(JournalError) {
                    try reader.forEachBatch { info, body in
                        ledger.replay(body, segment: info.position.segment, batchOffset: info.position.offset, inWindow: true) == nil
                    }
                } catch {
                    record.fail("Z6: the journal cannot be replayed: \(error)")
                }
                fold.check(ledger, "a replay", record)
                fold.checkKeys(&ledger, folder, auditor, window: plan.window)
            }
        }
    }

    /// The planted bug of a recovery that cuts too much.
    private func cutLastBatch() {
        let folder = FakeFolder(disk, .journal)
        var reader = JournalReader(folder)
        var last: BatchInfo?
        do {
            try reader.forEachBatch { info, _ in
                last = info
                return true
            }
            guard let last else { return }
            let zeros = [UInt8](repeating: 0, count: last.paddedLength)
            try zeros.withUnsafeBytes {
                try folder.write(SegmentFormat.fileName(last.position.segment), at: Int(last.position.offset), $0)
            }
        } catch {
            record.note("nothing to cut")
        }
    }
}
