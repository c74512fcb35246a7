// Server: everything the daemon decides, without a socket, a clock or a file. Bytes come in per connection; what is said back
// waits in the connection's output until its batch is durable; batches and queries are handed out to whoever runs the journal
// thread and the projection.
//
// One tick: every readable connection is `received`; then, once, `startCommit` hands out the batch that filled meanwhile. When it
// is durable, `committed` releases the replies that waited for it. Nothing here blocks but the read of a single fact to verify a
// duplicate.

public import Core
internal import Frames
public import Journal
public import Ledger
internal import Wire

/// The two clocks, read once per callback.
@frozen
public struct Instant: Sendable {
    public var wall: Timestamp
    /// Nanoseconds from a clock that never jumps.
    public var monotonic: UInt64
    public init(wall: Timestamp, monotonic: UInt64) {
        self.wall = wall
        self.monotonic = monotonic
    }
}

/// Names one connection for as long as it lives; a slot used again has another generation.
@frozen
public struct ConnectionID: Equatable, Hashable, Sendable {
    public var index: UInt32
    public var generation: UInt32
    public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// A query to be answered elsewhere, and for whom.
public struct PendingQuery: Sendable {
    public var connection: ConnectionID
    public var query: Query
    /// Whose it is: a key, or a user of a Unix socket. Principals take turns.
    public var principal: UInt64

    public init(connection: ConnectionID, query: Query, principal: UInt64 = 0) {
        self.connection = connection
        self.query = query
        self.principal = principal
    }
}

/// What the operator decides.
public struct ServerOptions: Sendable {
    public var corsOrigins: [String] = []
    public var version = "0"
    public var batchBytes = Limits.batchBytes
    public var segmentBytes = Limits.segmentBytes
    /// Nanoseconds that an idempotency key is remembered.
    public var dedupWindow = Int64(Limits.dedupWindowDays) * 86_400 * 1_000_000_000
    /// Who may use the Unix sockets; nil leaves it to their owner and mode.
    public var socketRules: SocketRules?
    /// Where a browser may find the dashboard besides this machine's own names: `https://billing.example.com`, behind a proxy.
    public var dashboardOrigins: [String] = []
    public init() {}
}

public struct Server: ~Copyable {
    public var ledger: Ledger
    let pipelineBox: UnsafeMutablePointer<CommitPipeline>
    /// Bytes that can be read (their values do not matter) behind any input.
    static let inputPadding = 64
    let storage: any Storage
    public internal(set) var options: ServerOptions
    public var window: DedupWindow
    /// Writes and merges idempotency keys on disk, on a thread of its own; nil when they stay in memory.
    let keys: KeyStore?
    /// How long events are kept, and the dropping of those that are not.
    public var retention = RetentionPlan(length: nil)
    /// Drops segments, on the same thread; nil: nothing is ever dropped.
    let retainer: Retainer?
    var jobIsOut = false
    /// Whether the last piece of work was on the files of keys.
    var keysHadTurn = false
    /// How far the projection's file goes, and where the projection begins to read.
    var booksDurable = JournalPosition.start
    var booksKeptFrom = JournalPosition.start
    public var firstKey: FirstKey?

    let slots: UnsafeMutablePointer<Connection>
    var generations: [UInt32]
    var freeSlots: [UInt32] = []
    var nextSlot: UInt32 = 0
    /// The most connections at a time.
    public let capacity: Int
    public internal(set) var connectionCount = 0
    /// When to look whether a connection's time is up.
    var deadlines = DeadlineWheel()
    /// What the buffers of all connections hold; at an address of its own, because connections point to it.
    let budgets: UnsafeMutablePointer<Budgets>

    var block = EventBlock()
    var json = EventJSON()
    var usage = UsageReader()
    // Connections that are gone stay on these lists until they are walked: taking ten thousand out one by one would take the
    // square of it.
    /// Connections with marks, to look at when a batch is durable.
    var waiting: [ConnectionID] = []
    /// Connections with output to write or a state to act on; the transport takes them once per tick.
    public internal(set) var dirty: [ConnectionID] = []
    /// The list that is being taken, while `dirty` collects the next: two that change places, so that neither is made anew each turn.
    private var taken: [ConnectionID] = []
    var stalledConnections: [ConnectionID] = []
    public var queries: [PendingQuery] = []
    /// Queries asked and not answered yet, those of peers that are gone included.
    var askedQueries = AskedQueries()
    /// Queries that must see facts which are not durable yet, with the batch they wait for.
    var heldQueries: [(batch: UInt64, query: PendingQuery)] = []
    var lane = CorrectionLane()
    var page = Page()
    /// Exports and streams, and who watches; connections that are gone stay on the list until it is walked.
    var exports = 0
    var streams = 0
    var watching: [ConnectionID] = []
    var activity = Activity()
    public var startedAt = Timestamp(nanoseconds: 0)
    /// When the batch that is being written was opened, and its events.
    var committing: (openedAt: Timestamp, events: UInt64) = (Timestamp(nanoseconds: 0), 0)
    /// By the place of a key among the records: when it was used last.
    var keyUse: [Timestamp] = []
    var sessions = Sessions()
    /// `http://127.0.0.1:7787`, where this machine's browsers reach the daemon; nil when they do not.
    public var pageAddress: String?
    /// What the operator should know; the runtime logs it.
    var notices: [Notice] = []
    /// What is unpriced has been looked at since the start.
    var pricedAtStart = false
    /// Monotonic time from which pricing what is unpriced is tried again; 0 when nothing failed.
    var pricingRetry: UInt64 = 0
    var scratch = ByteWriter(capacity: 4096)
    var requestIDText = ByteWriter(capacity: 64)
    /// The second that `dateText` says.
    var dateSecond: Int64 = 0
    var dateText = ByteWriter(capacity: 32)
    var targetText = ByteWriter(capacity: 1024)
    var frames: [PendingFrame] = []
    public internal(set) var metrics = ServerMetrics()
    public internal(set) var failure: StorageError?
    var now = Instant(wall: Timestamp(nanoseconds: 0), monotonic: 0) {
        didSet { if now.wall < oldValue.wall { metrics.clockStepsBack += 1 } }
    }
    public internal(set) var draining = false
    var projectionPosition = JournalPosition.start
    /// Since when the projection has not come nearer to the journal's end; 0 while it does, or is there.
    var projectionSince: UInt64 = 0
    /// When the batch being written was handed out; 0 when none is.
    var commitSince: UInt64 = 0
    /// Monotonic time of the last commit.
    var lastCommit: UInt64 = 0
    /// The last commit when buffers were given back.
    var lastGivenBack: UInt64 = 0
    var random: UInt64
    /// Of the tags of keys that were shown.
    let secret = (SystemRandom.next(), SystemRandom.next())

    public init(
        ledger: consuming Ledger, pipeline: consuming CommitPipeline, storage: any Storage, options: ServerOptions,
        keys: KeyStore? = nil, followers: (any Storage)? = nil, connections: Int = Limits.connections, random: UInt64
    ) {
        self.ledger = ledger
        self.keys = keys
        retainer = Retainer(storage, followers.map { Followers($0) })
        window = DedupWindow(length: options.dedupWindow)
        pipelineBox = .allocate(capacity: 1)
        pipelineBox.initialize(to: pipeline)
        self.storage = storage
        self.options = options
        self.random = random
        capacity = connections
        slots = .allocate(capacity: connections)
        budgets = .allocate(capacity: 1)
        budgets.initialize(
            to: Budgets(input: BufferBudget(limit: Limits.inputBytes), output: BufferBudget(limit: Limits.outputBytes)))
        generations = []
    }

    deinit {
        for index in 0..<nextSlot where generations[Int(index)] & 1 == 1 { (slots + Int(index)).deinitialize(count: 1) }
        slots.deallocate()
        budgets.deallocate()
        pipelineBox.deinitialize(count: 1)
        pipelineBox.deallocate()
    }

    /// The pipeline lives at an address of its own: duplicates are looked up in it while a batch of it is being filled.
    public var pipeline: CommitPipeline {
        _read { yield pipelineBox.pointee }
        _modify { yield &pipelineBox.pointee }
    }

    // MARK: Connections

    /// Takes in a new peer; nil when there are as many connections as the limit allows. `credentials`: of a Unix socket's.
    public mutating func connected(_ peer: PeerKind, from credentials: PeerCredentials? = nil, at instant: Instant) -> ConnectionID? {
        let index: UInt32
        if let reused = freeSlots.popLast() {
            index = reused
        } else {
            guard Int(nextSlot) < capacity else {
                metrics.connectionsRefused += 1
                return nil
            }
            index = nextSlot
            nextSlot += 1
            generations.append(0)
        }
        let scopes = socketScopes(of: credentials)
        (slots + Int(index)).initialize(to: Connection(peer: peer, credentials: credentials, scopes: scopes, budgets: budgets))
        slots[Int(index)].lastActivity = instant.monotonic
        generations[Int(index)] &+= 1
        deadlines.arrive(index, at: instant.monotonic)
        connectionCount += 1
        metrics.connectionsAccepted += 1
        return ConnectionID(index: index, generation: generations[Int(index)])
    }

    /// The peer is gone; whatever it was owed is dropped, what it sent stays counted.
    public mutating func disconnected(_ id: ConnectionID) {
        guard isCurrent(id) else { return }
        abandonFlows(of: slots + Int(id.index))
        generations[Int(id.index)] &+= 1
        (slots + Int(id.index)).deinitialize(count: 1)
        freeSlots.append(id.index)
        connectionCount -= 1
    }

    func isCurrent(_ id: ConnectionID) -> Bool {
        Int(id.index) < generations.count && generations[Int(id.index)] == id.generation && generations[Int(id.index)] & 1 == 1
    }

    /// The connection's state; the pointer is valid until the next `disconnected`.
    public func connection(_ id: ConnectionID) -> UnsafeMutablePointer<Connection>? {
        isCurrent(id) ? slots + Int(id.index) : nil
    }

    public func identify(_ index: UInt32) -> ConnectionID { ConnectionID(index: index, generation: generations[Int(index)]) }

    // MARK: Bytes

    /// Bytes from a peer. At least 64 readable bytes follow them in memory (the JSON reader looks ahead).
    public mutating func received(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer, at instant: Instant) {
        guard let connection = connection(id), !connection.pointee.closing else { return }
        now = instant
        metrics.bytesReceived += UInt64(bytes.count)
        // Who watches has nothing to say.
        guard connection.pointee.stream == nil else { return }
        connection.pointee.lastActivity = instant.monotonic
        if connection.pointee.isOwed { pipelineBox.pointee.peerSentMore() }
        if connection.pointee.requestSince == 0 { connection.pointee.requestSince = instant.monotonic }
        var bytes = bytes
        if connection.pointee.skipping > 0 {
            let skipped = min(connection.pointee.skipping, bytes.count)
            connection.pointee.skipping -= skipped
            bytes = UnsafeRawBufferPointer(rebasing: bytes[skipped...])
        }
        if connection.pointee.input.count == 0 {
            let consumed = process(id.index, bytes)
            if consumed < bytes.count, !connection.pointee.closing {
                _ = keep(id.index, UnsafeRawBufferPointer(rebasing: bytes[consumed...]))
            }
        } else if keep(id.index, bytes) {
            processInput(id.index)
        }
        settle(id.index)
    }

    /// Goes on with input that was put aside, once there is reason to.
    public mutating func resume(_ id: ConnectionID, at instant: Instant) {
        guard let connection = connection(id), connection.pointee.wantsInput, connection.pointee.input.count > 0 else { return }
        now = instant
        // The time it waited for us is not the peer's.
        connection.pointee.requestSince = instant.monotonic
        processInput(id.index)
        settle(id.index)
    }

    private mutating func processInput(_ index: UInt32) {
        let connection = slots + Int(index)
        let consumed = process(index, connection.pointee.input.bytes)
        connection.pointee.input.removeFirst(consumed)
    }

    /// Processes whole requests from the front of `bytes`; the result is how many bytes were used.
    private mutating func process(_ index: UInt32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let connection = slots + Int(index)
        guard let first = bytes.first else { return 0 }
        if connection.pointee.dialect == .unknown { connection.pointee.dialect = first == binaryFirstByte ? .binary : .http }
        guard connection.pointee.peer == .remote || connection.pointee.socketScopes != nil else {
            refusePeer(index)
            return bytes.count
        }
        return connection.pointee.dialect == .binary ? processFrames(index, bytes) : processHTTP(index, bytes)
    }

    /// Puts the connection on the lists it belongs on after something changed.
    mutating func settle(_ index: UInt32) {
        let connection = slots + Int(index)
        if connection.pointee.input.count == 0, connection.pointee.chunked == nil, connection.pointee.skipping == 0 {
            connection.pointee.requestSince = 0
        }
        if !connection.pointee.marks.isEmpty, !connection.pointee.isWaiting {
            connection.pointee.isWaiting = true
            waiting.append(identify(index))
        }
        // A peer that has ended is owed answers to all it sent whole; half a request is all that may be left of it.
        if connection.pointee.ended, !connection.pointee.hasUnreadInput { connection.pointee.closing = true }
        if connection.pointee.closing { connection.pointee.dropInput() } else { connection.pointee.giveBack() }
        connection.pointee.tally()
        markDirty(index)
    }

    mutating func markDirty(_ index: UInt32) {
        if !slots[Int(index)].isDirty {
            slots[Int(index)].isDirty = true
            dirty.append(identify(index))
        }
    }

    /// The connections to look at since the last call: output to write, reading to stop or start, closing.
    public mutating func takeDirty(_ body: (ConnectionID, UnsafeMutablePointer<Connection>) -> Void) {
        guard !dirty.isEmpty else { return }
        swap(&dirty, &taken)
        for i in 0..<taken.count {
            guard let connection = connection(taken[i]) else { continue }
            connection.pointee.isDirty = false
            body(taken[i], connection)
        }
        taken.removeAll(keepingCapacity: true)
    }

    // MARK: Commit

    /// A peer that was owed answers sent more. `received` sees that by itself where a peer is read at once.
    public mutating func sentOn() { pipelineBox.pointee.peerSentMore() }

    /// The next batch to write, if none is being written and it is not to wait for more: then `pipeline.pacedUntil` says when
    /// to ask again, at the latest.
    public mutating func startCommit(at instant: Instant) -> UnsafeMutablePointer<BatchBuilder>? {
        now = instant
        guard let batch = pipelineBox.pointee.startCommit(at: instant.monotonic) else { return nil }
        commitSince = instant.monotonic
        committing = (batch.pointee.openedAt, UInt64(batch.pointee.eventCount))
        return batch
    }

    /// The batch handed out is durable: its replies may go, and whoever waited for room goes on.
    public mutating func committed(at instant: Instant) {
        now = instant
        let number = pipelineBox.pointee.committed()
        metrics.commits += 1
        commitSince = 0
        lastCommit = instant.monotonic
        if committing.events > 0 {
            let waited = max(0, instant.wall.nanoseconds - committing.openedAt.nanoseconds)
            activity.committed(events: committing.events, after: UInt64(waited), at: instant.monotonic)
        }
        var kept = 0
        for k in 0..<waiting.count {
            let id = waiting[k]
            guard let connection = connection(id) else { continue }
            connection.pointee.release(through: number, at: instant.monotonic, &metrics.answerLatency)
            markDirty(id.index)
            if connection.pointee.marks.isEmpty {
                connection.pointee.isWaiting = false
            } else {
                waiting[kept] = id
                kept += 1
            }
        }
        waiting.removeLast(waiting.count - kept)
        while let held = heldQueries.first, held.batch <= number {
            queries.append(held.query)
            heldQueries.removeFirst()
        }
        resumeStalled(at: instant)
        writeCorrections()
        lookForEvents()
    }

    /// Segment `number` is zero-filled, or could not be.
    public mutating func segmentPrepared(_ number: UInt32, succeeded: Bool, at instant: Instant) {
        now = instant
        if succeeded { retention.segmentBytes += options.segmentBytes }
        pipelineBox.pointee.prepared(number, succeeded: succeeded)
        resumeStalled(at: instant)
        writeCorrections()
    }

    mutating func resumeStalled(at instant: Instant) {
        guard !stalledConnections.isEmpty else { return }
        let list = stalledConnections
        stalledConnections.removeAll(keepingCapacity: true)
        for id in list {
            guard let connection = connection(id) else { continue }
            connection.pointee.stalled = false
            resume(id, at: instant)
            markDirty(id.index)
        }
    }

    mutating func stall(_ index: UInt32) {
        metrics.stalls += 1
        slots[Int(index)].stalled = true
        stalledConnections.append(identify(index))
    }

    /// Whether a request that records facts can be taken; false puts the connection aside until there is room.
    mutating func mayAdmit(_ index: UInt32) -> Bool {
        if pipelineBox.pointee.hasHeadroom, ledger.dedup.hasRoom || ledger.dedup.isFailing { return true }
        stall(index)
        return false
    }

    // MARK: Admission

    /// Admits the whole block. Events that found no room get `storageFull` or `overloaded`.
    mutating func admitBlock() {
        var next = 0
        guard ledger.dedup.hasRoom || !ledger.dedup.isFailing else {
            refuse(from: 0, .storageFull)
            return
        }
        while next < block.count {
            switch pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) {
            case .ready:
                let source = FactLookup(pipeline: pipelineBox, storage: storage)
                do {
                    next = try ledger.admit(
                        &block, next..<block.count, into: &pipelineBox.pointee.openBatch().pointee, now: now.wall, source: source)
                } catch {
                    failure = error
                    refuse(from: next, .overloaded)
                    return
                }
            case .wait:
                refuse(from: next, .overloaded)
                return
            case .storageFull:
                refuse(from: next, .storageFull)
                return
            }
        }
    }

    private mutating func refuse(from start: Int, _ outcome: Outcome) {
        for i in start..<block.count {
            if block.events[i].outcome == .recorded {
                block.events[i].outcome = outcome
                metrics.refusedForRoom += 1
            }
            // The ledger does not get to see them, those that are refused for what they say included.
            ledger.countRefusal(block.events[i].outcome)
        }
    }

    /// Usage objects that came as the provider made them become usage lines.
    mutating func normaliseUsage(from start: Int) {
        for i in start..<block.count where block.events[i].outcome == .recorded && !block.events[i].extras.isEmpty {
            guard let object = extraBytes(.usage, in: block.text(block.events[i].extras)) else { continue }
            usage.normalise(object, event: i, in: &block)
        }
    }

    // MARK: Time

    /// What is done about once a second, and every end that is due.
    public mutating func sweep(at instant: Instant) {
        keepTime(at: instant)
        endLate(at: instant, by: instant.monotonic)
    }

    /// What is to be done about once a second, whoever is connected.
    public mutating func keepTime(at instant: Instant) {
        now = instant
        activity.sample(recorded: ledger.counters.recorded, at: instant.monotonic)
        sweepFlows()
        moveWindow()
        recordStart()
        if pricingRetry != 0, instant.monotonic >= pricingRetry {
            pricingRetry = 0
            priceUnpriced()
        }
        if instant.monotonic &- lastCommit > 1_000_000_000 {
            _ = pipelineBox.pointee.sealMark(firstSequence: ledger.nextSequence, now: instant.wall)
        }
    }

    /// Ends requests that took too long and connections that said nothing, as seen at the monotonic time `time`: at most `most` of
    /// them, since an answer, a write and a shutdown each keep everybody else waiting. True when there are more to look at.
    @discardableResult
    public mutating func endLate(at instant: Instant, by time: UInt64, most: Int = .max) -> Bool {
        now = instant
        deadlines.advance(to: time)
        var ended = 0
        while ended < most, let index = deadlines.take() {
            guard generations[Int(index)] & 1 == 1, !slots[Int(index)].closing else { continue }
            if let next = nextLook(index, time) {
                deadlines.put(index, at: next, now: time)
            } else {
                ended += 1
            }
        }
        return deadlines.hasDue
    }

    /// When the connection's time will be up, as things are; nil when it was, and the connection is being ended.
    private mutating func nextLook(_ index: UInt32, _ time: UInt64) -> UInt64? {
        let connection = slots + Int(index)
        if connection.pointee.requestSince != 0 {
            let limit = connection.pointee.head == nil && connection.pointee.dialect != .binary ? Limits.headSeconds : Limits.bodySeconds
            let end = connection.pointee.requestSince &+ UInt64(limit) * 1_000_000_000
            if connection.pointee.wantsInput {
                guard time > end else { return end }
                timeOut(index)
                return nil
            }
            // It waits for us, or does not take its answers. The time may go on at once when that changes.
            if time <= end { return end }
        }
        let end = connection.pointee.lastActivity &+ UInt64(Limits.idleSeconds) * 1_000_000_000
        if time > end, connection.pointee.marks.isEmpty, !connection.pointee.awaitsAnswer, !connection.pointee.stalled {
            connection.pointee.closing = true
            markDirty(index)
            return nil
        }
        return connection.pointee.requestSince != 0 || time > end ? time &+ 1_000_000_000 : end
    }

    private mutating func timeOut(_ index: UInt32) {
        metrics.timeouts += 1
        if slots[Int(index)].dialect == .binary { refuseFrame(index, .timeout) } else { refuseSlowRequest(index) }
        settle(index)
    }

    /// The peer will send nothing more.
    public mutating func peerEnded(_ id: ConnectionID) {
        guard let connection = connection(id) else { return }
        connection.pointee.ended = true
        settle(id.index)
    }

    /// What the operator should know since the last call.
    public mutating func takeNotices() -> [Notice] {
        guard !notices.isEmpty else { return [] }
        defer { notices = [] }
        return notices
    }

    public mutating func recordCommit(nanoseconds: UInt64) { metrics.commitLatency.observe(nanoseconds) }

    public mutating func recordHost(_ figures: HostFigures) { metrics.host = figures }

    public mutating func recordProjection(position: JournalPosition) {
        let moves = position != projectionPosition || position >= pipelineBox.pointee.durableEnd
        if moves { projectionSince = 0 } else if projectionSince == 0 { projectionSince = now.monotonic }
        projectionPosition = position
    }

    /// A peer could not be accepted, for want of a descriptor or of memory.
    public mutating func acceptFailed() { metrics.acceptFailures += 1 }

    /// A peer was accepted only to be closed, for want of a descriptor.
    public mutating func connectionShed() { metrics.connectionsShed += 1 }

    /// A peer was closed because it took what it was owed too slowly.
    public mutating func writeTimedOut() { metrics.writeTimeouts += 1 }

    /// No more requests are read; connections close when what they are owed has been written.
    public mutating func drain() {
        if firstKey?.isLent == true { recordStart() }
        draining = true
        stopLane()
        for index in 0..<nextSlot where generations[Int(index)] & 1 == 1 && !slots[Int(index)].closing {
            if slots[Int(index)].greeted { sayStopping(index) }
            abandonFlows(of: slots + Int(index))
            slots[Int(index)].closing = true
            settle(index)
        }
    }

    /// SplitMix64, seeded from the kernel: request ids.
    mutating func nextRandom() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var z = random
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
