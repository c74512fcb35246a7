// A start from a checkpoint ends where a start from the whole journal ends, and whatever is wrong with the checkpoint makes no
// difference but in time.

import Core
import Journal
import Ledger
import Pricing
import Testing

@testable import Server

private let base = "/api/v1/client"

/// The disks of a daemon that has met everything a ledger keeps.
private struct State {
    var journal: MemoryDisk
    var keys: MemoryDisk
    var state: MemoryDisk

    static let window: Int64 = 35 * 86_400 * 1_000_000_000

    func start(withCheckpoint: Bool = true, hotKeys: Int = 10) throws -> StartedBooks {
        var options = StartupOptions(dedupWindow: State.window)
        options.segmentBytes = Host.segmentBytes
        options.hotKeys = hotKeys
        let book = try Array(plainPrices.utf8).withUnsafeBytes {
            try PriceBook(catalogue: [], own: [PriceBook.Source(name: "test.toml", bytes: $0)])
        }
        var random: UInt64 = 400
        return try Startup.run(
            MemoryDisk(journal.files), keys: MemoryDisk(keys.files), checkpoint: withCheckpoint ? state : MemoryDisk(), book: book,
            options: options, newID: .random(), wall: Host.start.wall,
            random: {
                random += 1
                return random
            })
    }
}

private let plainPrices = """
    [[price]]
    id = "plain"
    model = "plain"
    rates = { input = "3/M", output = "7/M" }
    """

/// Everything a ledger keeps, as text: a checkpoint's records, the keys of each table sorted. Where keys are (memory or files) may
/// differ, so they are taken from the index itself.
private func picture(_ books: borrowing StartedBooks) throws -> [String] {
    let disk = MemoryDisk()
    guard let place = books.recovered.last else { return [] }
    try Checkpoint.write(disk, books.ledger, windows: [], after: place, at: Host.start.wall)
    guard let bytes = disk.files[Checkpoint.file] else { return [] }
    var lines: [String] = []
    var at = 4096
    while at < bytes.count {
        let length = bytes[(at + 4)..<(at + 8)].reversed().reduce(0) { $0 << 8 | Int($1) }
        Array(bytes[(at + 8)..<(at + 8 + length)]).withUnsafeBytes {
            var facts = FactReader($0)
            while let fact = facts.next() {
                // Keys and their tables.
                guard fact.rawType != 0x44, fact.rawType != 0x45 else { continue }
                // Whether all was priced is known to who did it only.
                lines.append("\(fact.rawType) \([UInt8](fact.payload).dropFirst(fact.rawType == 0x46 ? 1 : 0))")
            }
        }
        at += 8 + length
    }
    // Strings come in the order of their hashes, and tables may have other sizes.
    return lines.sorted()
}

/// A daemon with events of several customers, keys of the API, customers, prices, kept replies and more keys than memory takes.
private func busyHost() throws -> Host {
    let host = try Host(key: "sk_live_0123456789abcdef0123456789abcdef", keyDisk: MemoryDisk())
    let client = host.connect()
    func post(_ path: String, _ body: String, _ fields: [String] = []) throws {
        let reply = try host.exchange(client, request("POST \(base)/\(path)", body, fields))
        #expect(Reply.all(reply).allSatisfy { $0.status < 300 }, "\(String(decoding: reply, as: UTF8.self))")
    }
    for i in 0..<45 {
        try post(
            "events",
            """
            {"eventName":"e\(i % 3)","eventIdempotencyKey":"k\(i)","customerReferenceId":"c\(i % 7)","revenueAmount":0.0\(i + 1),
            "costInput":{"model":"\(i % 4 == 0 ? "unknown" : "plain")","inputTokens":\(i * 10),"outputTokens":\(i)}}
            """, i % 5 == 0 ? ["Idempotency-Key: reply-\(i)"] : [])
    }
    try post("customers", #"{"customerReferenceId":"registered","email":"a@example.com"}"#)
    try post("keys", #"{"name":"reader","scopes":["read"]}"#)
    try post("prices", #"{"id":"deal","model":"special","perUnit":1}"#)
    try host.settle()
    return host
}

private func checkpointed(_ host: Host) throws -> State {
    let state = MemoryDisk()
    #expect(try host.server.saveCheckpoint(state, startedFrom: nil, at: host.now.wall))
    return State(journal: MemoryDisk(host.disk.files), keys: MemoryDisk(host.keyDisk?.files ?? [:]), state: state)
}

private func remembers(_ books: inout StartedBooks, _ key: String, _ disk: MemoryDisk) throws -> Bool {
    try Array(key.utf8).withUnsafeBytes { try books.ledger.position(ofKey: $0, source: DiskFacts(disk)) } != nil
}

private struct DiskFacts: FactSource {
    let disk: MemoryDisk
    init(_ disk: MemoryDisk) { self.disk = disk }
    func eventPayload(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Bool {
        try factPayload(at: position, into: &buffer) { (memory) throws(StorageError) in
            try disk.read(SegmentFormat.fileName(position.segment), at: Int(position.offset), into: memory)
        }
    }
    func verify(_ position: JournalPosition) throws(StorageError) {}
}

@Suite struct CheckpointTests {
    @Test func aStartFromACheckpointEndsWhereAStartFromTheWholeJournalEnds() throws {
        let host = try busyHost()
        var state = try checkpointed(host)
        for round in 0..<3 {
            var whole = try state.start(withCheckpoint: false)
            var short = try state.start()
            #expect(whole.checkpoint == nil && short.checkpoint != nil && short.complaints.isEmpty)
            #expect(short.recovered.tail == whole.recovered.tail && short.recovered.last == whole.recovered.last)
            #expect(short.recovered.events == whole.recovered.events && short.recovered.lastPrepared == whole.recovered.lastPrepared)
            #expect(short.recovered.batches < whole.recovered.batches)
            let (one, other) = (try picture(whole), try picture(short))
            #expect(one == other && one.count > 20)
            for i in 0..<45 + round * 12 {
                #expect(try remembers(&short, "k\(i)", state.journal), "k\(i)")
                #expect(try remembers(&whole, "k\(i)", state.journal), "k\(i)")
            }
            #expect(try !remembers(&short, "k\(45 + round * 12)", state.journal))
            // The daemon goes on and dies: its checkpoint is as old as before, the journal is longer, more keys are in files.
            let client = host.connect()
            for i in 0..<12 {
                let event =
                    "{\"eventName\":\"later\",\"eventIdempotencyKey\":\"k\(45 + round * 12 + i)\",\"customerReferenceId\":\"new\(i)\"}"
                _ = try host.exchange(client, request("POST \(base)/events", event))
            }
            try host.settle()
            state.journal = MemoryDisk(host.disk.files)
            state.keys = MemoryDisk(host.keyDisk?.files ?? [:])
        }
    }

    @Test func filesOfKeysThatAreGoneMakeTheStartReadTheWholeJournal() throws {
        let state = try checkpointed(try busyHost())
        #expect(!state.keys.files.isEmpty)
        var lost = state
        lost.keys = MemoryDisk()
        var books = try lost.start()
        #expect(books.checkpoint == nil && books.complaints.contains { $0.contains("files of keys") })
        for i in 0..<45 { #expect(try remembers(&books, "k\(i)", state.journal)) }
    }

    @Test func aChangedByteAnywhereIsSeenAndCostsNothingButTime() throws {
        let state = try checkpointed(try busyHost())
        let bytes = state.state.files[Checkpoint.file] ?? []
        let whole = try picture(try state.start(withCheckpoint: false))
        var refused = 0
        for at in stride(from: 0, to: bytes.count, by: bytes.count < 40_000 ? 3 : 7) {
            var changed = bytes
            changed[at] ^= 1 << UInt8(at % 8)
            let books = try State(journal: state.journal, keys: state.keys, state: MemoryDisk([Checkpoint.file: changed])).start()
            if books.checkpoint == nil { refused += 1 } else { Issue.record("byte \(at) is not seen") }
            #expect(books.complaints.count == 1)
            if at % 100 == 0 { #expect(try picture(books) == whole) }
        }
        #expect(refused > 500)
    }

    @Test func aFileThatIsCutShortIsNotUsed() throws {
        let state = try checkpointed(try busyHost())
        let bytes = state.state.files[Checkpoint.file] ?? []
        for length in stride(from: 0, to: bytes.count, by: 41) {
            let cut = MemoryDisk([Checkpoint.file: Array(bytes[..<length])])
            let books = try State(journal: state.journal, keys: state.keys, state: cut).start()
            #expect(books.checkpoint == nil && books.recovered.events == 45)
        }
    }

    @Test func aJournalThatIsAnotherOneOrWentAnotherWayIsReadWhole() throws {
        let host = try busyHost()
        let before = MemoryDisk(host.disk.files)
        let client = host.connect()
        _ = try host.exchange(client, request("POST \(base)/events", #"{"eventName":"e","eventIdempotencyKey":"late"}"#))
        try host.settle()
        var state = try checkpointed(host)
        // A journal brought back from before the checkpoint.
        state.journal = before
        let older = try state.start()
        #expect(older.checkpoint == nil && older.recovered.events == 45)
        // One that went on differently from there.
        let other = try Host(MemoryDisk(before.files), keyDisk: MemoryDisk())
        let second = other.connect()
        _ = try other.exchange(second, request("POST \(base)/events", #"{"eventName":"e","eventIdempotencyKey":"else"}"#))
        try other.settle()
        state.journal = MemoryDisk(other.disk.files)
        var books = try state.start()
        #expect(books.checkpoint == nil && books.recovered.events == 46)
        #expect(try remembers(&books, "else", state.journal))
        #expect(try !remembers(&books, "late", state.journal))
        state.journal = MemoryDisk(try Host(keyDisk: MemoryDisk()).disk.files)
        #expect(try state.start().checkpoint == nil)
    }

    @Test func aCheckpointInASegmentThatIsCondensedMeanwhileIsNotUsed() throws {
        let state = try checkpointed(try busyHost())
        // The condensed file counts, and the segment it stands for is not removed yet: what is in it does not matter here.
        let name = CondensedRange(first: 1, last: 1).fileName
        let batches = JournalBatches(MemoryDisk(state.journal.files.merging([name: []]) { old, _ in old }))
        var place: JournalPosition?
        _ = try Recovery.run(state.journal, segmentBytes: Host.segmentBytes, repairs: false) { info, _ in place = info.position }
        let position = try #require(place)
        #expect(try JournalBatches(state.journal).batch(at: position) != nil)
        #expect(try batches.batch(at: position) == nil)
    }

    @Test func aCheckpointThatCannotBeWrittenTakesNoRoom() throws {
        let host = try busyHost()
        let state = MemoryDisk()
        state.fill(true)
        #expect(throws: StorageError.self) { try host.server.saveCheckpoint(state, startedFrom: nil, at: host.now.wall) }
        #expect(state.files.values.allSatisfy { $0.isEmpty })
    }

    @Test func whatIsNotDurableIsInNoCheckpoint() throws {
        let host = try busyHost()
        let state = MemoryDisk()
        let last = host.server.pipeline.last
        #expect(try !host.server.saveCheckpoint(state, startedFrom: last, at: host.now.wall), "nothing is new")
        let client = host.connect()
        host.waitsForPace = false
        host.send(client, request("POST \(base)/events", #"{"eventName":"e","eventIdempotencyKey":"open"}"#))
        #expect(try !host.server.saveCheckpoint(state, startedFrom: nil, at: host.now.wall) && state.files.isEmpty)
        try host.settle()
        #expect(try host.server.saveCheckpoint(state, startedFrom: nil, at: host.now.wall))
    }
}
