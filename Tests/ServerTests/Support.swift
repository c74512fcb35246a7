// What the server's tests share: a disk in memory, and a host that does what the event loop and the journal thread do, one
// step at a time, so that a test can look between any two of them.

import Core
import Journal
import Ledger
import Pricing
import Server
import Synchronization
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed on every machine.
struct Dice {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    mutating func oneIn(_ limit: Int) -> Bool { below(limit) == 0 }
    mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
}

/// Files in memory that never fail by themselves.
final class MemoryDisk: Storage {
    private struct State {
        var files: [String: [UInt8]] = [:]
        /// Every read fails with this.
        var readFailure: StorageError?
        /// No file can be made.
        var isFull = false
    }

    private let state: Mutex<State>

    init(_ files: [String: [UInt8]] = [:]) { state = Mutex(State(files: files)) }

    var files: [String: [UInt8]] { state.withLock { $0.files } }
    func fill(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }
    func failReads(_ error: StorageError?) { state.withLock { $0.readFailure = error } }

    private func missing(_ operation: StorageError.Operation, _ file: String) -> StorageError {
        StorageError(operation: operation, errno: 2, file: file)
    }

    func list() throws(StorageError) -> [String] { Array(files.keys) }

    func size(_ file: String) throws(StorageError) -> Int {
        guard let size = state.withLock({ $0.files[file]?.count }) else { throw missing(.read, file) }
        return size
    }

    func createZeroed(_ file: String, size: Int) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            guard !state.isFull else { throw StorageError(operation: .create, errno: 28, file: file) }
            state.files[file] = [UInt8](repeating: 0, count: size)
        }
    }

    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try state.withLock { (state) throws(StorageError) in
            if let failure = state.readFailure { throw failure }
            guard let bytes = state.files[file] else { throw StorageError(operation: .read, errno: 2, file: file) }
            guard offset < bytes.count else { return 0 }
            let length = min(buffer.count, bytes.count - offset)
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + length]))
            }
            return length
        }
    }

    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        state.withLock { state in
            guard var found = state.files.removeValue(forKey: file) else { return }
            found += [UInt8](repeating: 0, count: max(0, offset + bytes.count - found.count))
            found.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            state.files[file] = found
        }
    }

    func sync(_ file: String) throws(StorageError) {}
    func truncate(_ file: String, to size: Int) throws(StorageError) {
        state.withLock { state in
            guard let bytes = state.files[file] else { return }
            state.files[file] = Array(bytes.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - bytes.count))
        }
    }
    func rename(_ from: String, to: String) throws(StorageError) {
        state.withLock { $0.files[to] = $0.files.removeValue(forKey: from) }
    }
    func remove(_ file: String) throws(StorageError) { state.withLock { $0.files[file] = nil } }
    func syncDirectory() throws(StorageError) {}
}

/// One peer as the host sees it.
struct Client {
    var id: ConnectionID
    /// What came back so far.
    var received: [UInt8] = []
    /// What the peer sent and the host has not read yet, because the server does not want it.
    var unread: [UInt8] = []
    /// The host closed the connection, because everything was said or nothing can be.
    var closed = false
    /// The peer does not take any bytes.
    var reads = true
    var ended = false
}

/// A server, its disk and its journal thread, driven by hand.
final class Host {
    static let start = Instant(wall: Timestamp(nanoseconds: 1_780_000_000_000_000_000), monotonic: 1_000_000_000_000)
    static let segmentBytes = 1 << 20
    static let batchBytes = 256 * 1024

    var server: Server
    let disk: MemoryDisk
    private let segmentBytes: Int
    private var writer: JournalWriter<MemoryDisk>
    var now = Host.start
    var clients: [Client] = []
    /// The batch the journal thread has; nil when it waits.
    private var writing: UnsafeMutablePointer<BatchBuilder>?
    /// A batch that is left to fill for a moment is asked for again after that moment, in the same turn.
    var waitsForPace = true
    /// Turns in which a batch was left to fill.
    var pacedTurns = 0
    /// Segments are zero-filled as soon as they are asked for.
    var preparesSegments = true
    /// Zero-filling fails for lack of space.
    var diskIsFull = false
    private var askedSegment: UInt32?
    /// Queries are answered in the turn they are asked.
    var answersQueries = true
    var asked: [PendingQuery] = []
    /// Where keys go when they leave the memory, and after how many.
    let keyDisk: MemoryDisk?
    private let hotKeys: Int
    /// Work on the keys' files is done as soon as it is given out.
    var worksOnKeys = true
    private var keyJob: (any BackgroundJob)?
    private let windows: (dedup: Int64, retention: Int64?)?
    /// What the log would say of it.
    var keyTroubles: [StorageError] = []

    /// A tcp peer's key, with all scopes, when `key` is given.
    init(
        _ disk: MemoryDisk = MemoryDisk(), connections: Int = 64, key: String? = nil, random: UInt64 = 5,
        segmentBytes: Int = Host.segmentBytes, keyDisk: MemoryDisk? = nil, hotKeys: Int = 10,
        windows: (dedup: Int64, retention: Int64?)? = nil, followers: MemoryDisk? = nil, at start: Instant = Host.start
    ) throws {
        self.disk = disk
        self.windows = windows
        now = start
        var options = ServerOptions()
        options.segmentBytes = segmentBytes
        if let windows { options.dedupWindow = windows.dedup }
        var window = DedupWindow(length: options.dedupWindow)
        var retention = RetentionPlan(length: windows?.retention)
        self.keyDisk = keyDisk
        self.hotKeys = hotKeys
        self.segmentBytes = segmentBytes
        let prices = """
            [[price]]
            id = "plain"
            model = "plain"
            rates = { input = "3/M", output = "7/M" }
            """
        let book = try Array(prices.utf8).withUnsafeBytes {
            try PriceBook(catalogue: [], own: [PriceBook.Source(name: "test.toml", bytes: $0)])
        }
        let newID = try JournalReader(disk).segments().first?.header.id ?? JournalID.random()
        let keys = try keyDisk.map { try KeyStore($0, journal: newID, batches: JournalBatches(disk), newSeed: random) }
        var ledger = Ledger(book: book, seed: keys?.seed ?? random, random: random &+ 1, keys: keys, hotKeys: hotKeys)
        let recovered = try Recovery.run(disk, segmentBytes: segmentBytes, newID: newID) { info, body in
            if windows != nil { window.replayed(info.openedAt, at: info.position) }
            retention.replayed(info.openedAt, at: info.position)
            ledger.dedup.expiredBefore = window.start()
            if let bad = ledger.replay(body, segment: info.position.segment, batchOffset: info.position.offset, inWindow: true) {
                throw Contradiction(offset: bad)
            }
        }
        keys?.removeLeftOver()
        writer = JournalWriter(storage: disk, tail: recovered.tail, segmentBytes: segmentBytes)
        let pipeline = CommitPipeline(
            tail: recovered.tail, prepared: recovered.lastPrepared, segmentBytes: segmentBytes, batchBytes: Host.batchBytes)
        server = Server(
            ledger: ledger, pipeline: pipeline, storage: disk, options: options, keys: keys, followers: followers,
            connections: connections, random: random)
        if windows != nil {
            window.started(now.wall)
            retention.started(now.wall, recovered, segmentBytes: 0)
            window.forget(before: retention.keptFrom)
            server.window = window
            server.retention = retention
        }
        if let key {
            let text = Array(key.utf8)
            server.firstKey = FirstKey(digest: text.withUnsafeBytes { Digest(sha256: $0) }, hint: ApiKey.hint(text))
        }
        prepare()
    }

    struct Contradiction: Error { var offset: Int }

    /// A new daemon on what this one made durable.
    func restarted(segmentBytes: Int = Host.segmentBytes) throws -> Host {
        let host = try Host(
            MemoryDisk(disk.files), random: 99, segmentBytes: segmentBytes, keyDisk: keyDisk.map { MemoryDisk($0.files) }, hotKeys: hotKeys,
            windows: windows, at: now)
        return host
    }

    // MARK: Peers

    func connect(_ peer: PeerKind = .local, from credentials: PeerCredentials? = nil) -> Int {
        guard let id = server.connected(peer, from: credentials, at: now) else {
            Issue.record("no room for a connection")
            return -1
        }
        clients.append(Client(id: id))
        return clients.count - 1
    }

    /// Bytes arrive from a peer: they reach the server in one piece if it wants any, else they stay in the kernel.
    func send(_ client: Int, _ bytes: [UInt8]) {
        clients[client].unread += bytes
        deliver(client)
    }

    func send(_ client: Int, _ text: String) { send(client, Array(text.utf8)) }

    private func deliver(_ client: Int) {
        guard !clients[client].closed, !clients[client].unread.isEmpty, wantsInput(client) else { return }
        // The last 64 bytes are what the server may look at behind its input.
        var padded = clients[client].unread + [UInt8](repeating: 0xAA, count: 64)
        clients[client].unread = []
        padded.withUnsafeMutableBytes { memory in
            server.received(clients[client].id, UnsafeRawBufferPointer(rebasing: memory[..<(memory.count - 64)]), at: now)
            // Whatever the server keeps of its input must be a copy.
            memory.initializeMemory(as: UInt8.self, repeating: 0x58)
        }
    }

    /// The peer ends its side.
    func end(_ client: Int) {
        clients[client].ended = true
        if clients[client].unread.isEmpty { server.peerEnded(clients[client].id) }
    }

    /// The connection is gone.
    func drop(_ client: Int) {
        guard !clients[client].closed else { return }
        clients[client].closed = true
        server.disconnected(clients[client].id)
    }

    func wantsInput(_ client: Int) -> Bool { server.connection(clients[client].id)?.pointee.wantsInput ?? false }

    /// What the peer could have read since the last call.
    func take(_ client: Int) -> [UInt8] {
        defer { clients[client].received = [] }
        return clients[client].received
    }

    // MARK: Steps

    /// One turn of the loop: what may go out goes out, the batch that filled goes to the journal thread, queries are asked.
    func turn() {
        flush()
        startCommit()
        let queries = server.queries
        server.queries = []
        asked += queries
        if answersQueries { answerQueries() }
        prepare()
        workOnKeys()
    }

    private func startCommit() {
        guard writing == nil else { return }
        writing = server.startCommit(at: now)
        // What is left to fill for a moment is asked for again when that is over.
        guard writing == nil, let later = server.pipeline.pacedUntil else { return }
        pacedTurns += 1
        guard waitsForPace else { return }
        now.monotonic = max(now.monotonic, later)
        writing = server.startCommit(at: now)
    }

    /// Does what there is to do on the keys' files, or keeps the first of it.
    func workOnKeys() {
        while true {
            if keyJob == nil { keyJob = server.startJob(at: now) }
            guard worksOnKeys, let job = keyJob else { return }
            job.perform()
            keyJob = nil
            if let trouble = server.finishJob(job, at: now) { keyTroubles.append(trouble) }
        }
    }

    private func flush() {
        var list: [ConnectionID] = []
        server.takeDirty { id, _ in list.append(id) }
        for id in list { flush(id) }
    }

    /// The peer takes bytes again: the kernel has room for more.
    func readAgain(_ client: Int) {
        clients[client].reads = true
        flush(clients[client].id)
    }

    private func flush(_ id: ConnectionID) {
        guard let client = clients.lastIndex(where: { $0.id == id }), let connection = server.connection(id) else { return }
        #expect(connection.pointee.written <= connection.pointee.releasable || connection.pointee.releasable == 0)
        #expect(connection.pointee.releasable <= connection.pointee.output.count)
        if connection.pointee.hasReleasable, clients[client].reads {
            let range = connection.pointee.written..<connection.pointee.releasable
            clients[client].received += connection.pointee.output.bytes[range]
            connection.pointee.didWrite(range.count)
            if connection.pointee.hasMore { server.drained(id) }
        }
        if connection.pointee.isFinished {
            drop(client)
            return
        }
        if connection.pointee.wantsInput, connection.pointee.hasUnreadInput { server.resume(id, at: now) }
        deliver(client)
        if clients[client].ended, clients[client].unread.isEmpty, !clients[client].closed { server.peerEnded(id) }
    }

    /// The journal thread has written and synced what it had.
    func sync() throws {
        guard let batch = writing else { return }
        writing = nil
        try writer.commit(&batch.pointee)
        server.committed(at: now)
    }

    var isWriting: Bool { writing != nil }
    /// Events that count, durable or not.
    var events: UInt64 { server.ledger.totalEvents }
    var durableEnd: JournalPosition { writer.durableEnd }

    /// Zero-fills the segment the server asks for.
    func prepare() {
        if askedSegment == nil { askedSegment = server.pipeline.segmentToPrepare() }
        guard preparesSegments, let number = askedSegment else { return }
        askedSegment = nil
        if diskIsFull {
            server.segmentPrepared(number, succeeded: false, at: now)
            return
        }
        do {
            try SegmentPreparer.prepare(disk, number, size: segmentBytes)
            server.segmentPrepared(number, succeeded: true, at: now)
        } catch {
            Issue.record("\(error)")
        }
    }

    /// Gives every query asked so far an answer that says what was asked.
    func answerQueries() {
        let list = asked
        asked = []
        for pending in list { server.answered(pending.connection, Host.answer(pending.query), at: now) }
    }

    static func answer(_ query: Query) -> QueryAnswer {
        switch query {
        case .margins(let margins): QueryAnswer(data: Array("{\"margins\":\(margins.groupBy.count)}".utf8))
        case .events(let filter, let limit, _): QueryAnswer(data: Array("{\"limit\":\(limit),\"filtered\":\(filter.customer != nil)}".utf8))
        case .event(let key, let position):
            position == nil
                ? QueryAnswer(status: 404, code: "not_found", message: "No such event")
                : QueryAnswer(data: Array("{\"key\":\"\(String(decoding: key, as: UTF8.self))\"}".utf8))
        case .customers(_, let limit, let offset): QueryAnswer(data: Array("{\"limit\":\(limit),\"offset\":\(offset)}".utf8))
        case .customer(let reference): QueryAnswer(data: Array("{\"customer\":\"\(String(decoding: reference, as: UTF8.self))\"}".utf8))
        case .repricePreview, .simulation, .catalogueCheck: QueryAnswer(data: Array("{}".utf8))
        case .export, .endExport, .tail, .models, .model, .unpriced, .disagreements: QueryAnswer(data: Array("{}".utf8))
        case .repriceBlock, .reverseBlock, .void: QueryAnswer(corrections: CorrectionBlock())
        }
    }

    /// Turns until nothing moves any more.
    func settle() throws {
        for _ in 0..<200 {
            turn()
            try sync()
            if writing == nil, server.dirty.isEmpty, server.queries.isEmpty, asked.isEmpty, server.pipeline.isIdle { return }
        }
        Issue.record("the host does not come to rest")
    }

    /// Time passes; a negative number sets the wall clock back.
    func wait(_ seconds: Double) {
        let nanoseconds = Int64(seconds * 1e9)
        now.wall = Timestamp(nanoseconds: now.wall.nanoseconds + nanoseconds)
        now.monotonic += UInt64(max(nanoseconds, 1))
    }

    /// Sends and brings everything to rest; the result is what came back.
    func exchange(_ client: Int, _ bytes: [UInt8]) throws -> [UInt8] {
        send(client, bytes)
        try settle()
        return take(client)
    }

    func exchange(_ client: Int, _ text: String) throws -> [UInt8] { try exchange(client, Array(text.utf8)) }
}
