// Segments leave the journal of a running server, and nobody can tell from what the books say: not while it runs, not after it
// starts again from any moment in between.

import Core
import Journal
import Ledger
import Server
import Testing

private let hour: Int64 = 3_600 * 1_000_000_000
private let dedup = 48 * hour
private let retention = 96 * hour
/// Small, yet with room for the largest event.
private let segmentSize = 256 * 1024

/// Everything the ledger knows that must outlive its events.
private struct Known: Equatable {
    var events: UInt64
    var cost: MoneyTotal
    var revenue: MoneyTotal
    var unpriced: UInt64
    var nextSequence: UInt64
    var customers: [String]
    var keys: [UInt32]
    var names: Int
    var prices: [[UInt8]]
    var runs: [String]

    init(_ host: Host) {
        events = host.server.ledger.totalEvents
        cost = host.server.ledger.totalCost
        revenue = host.server.ledger.totalRevenue
        unpriced = host.server.ledger.totalUnpriced
        nextSequence = host.server.ledger.nextSequence
        keys = host.server.ledger.keys.records.map(\.id)
        names = host.server.ledger.strings.count
        prices = host.server.ledger.shelf.own.map(\.text)
        runs = host.server.ledger.runs.map { "\($0.begun.id) \($0.events) \($0.newlyPriced) \($0.before) \($0.after) \($0.end != nil)" }
        customers = []
        for id in 1..<StringID(host.server.ledger.strings.count + 1) {
            guard let account = host.server.ledger.accounts.account(id) else { continue }
            let name = String(decoding: host.server.ledger.strings.text(of: id), as: UTF8.self)
            customers.append("\(name) \(account.cost) \(account.revenue) \(account.events) \(account.unpriced) \(account.registered)")
        }
    }
}

extension Host {
    /// One request on a connection of its own: an hour later it would be idle for too long.
    fileprivate func once(_ text: String) throws -> [UInt8] {
        let client = connect()
        defer { drop(client) }
        return try exchange(client, text)
    }
}

/// A server that drops, or one that keeps everything; the same happens to both.
private final class World {
    var host: Host
    /// Whether the projection follows at once.
    var projects = true

    init(drops: Bool) throws {
        host = try Host(
            key: "sk_live_0123456789abcdef0123456789abcdef", segmentBytes: segmentSize, keyDisk: MemoryDisk(), hotKeys: 12,
            windows: (dedup, drops ? retention : nil))
        host.server.sweep(at: host.now)
        try host.settle()
    }

    func restart() throws {
        host = try host.restarted(segmentBytes: segmentSize)
    }

    /// Time passes, as the loop sees it.
    func pass() throws {
        host.wait(3_600)
        host.server.sweep(at: host.now)
        if projects { host.server.recordBooks(durable: host.durableEnd, keptFrom: host.server.keptFrom) }
        try host.settle()
    }

    func ask(_ text: String) throws -> Reply? { Reply.all(try host.once(text)).first }

    /// Two corrections of an event, written as a run.
    func correct(_ sequence: UInt64, _ position: JournalPosition) throws {
        _ = host.server.pipeline.makeRoom(firstSequence: host.server.ledger.nextSequence, now: host.now.wall)
        let batch = host.server.pipeline.openBatch()
        let run = host.server.ledger.beginRun(.reprice, reverses: 0, filter: [], at: host.now.wall, into: &batch.pointee)
        var correction = Correction(kind: .reprice, run: run, at: host.now.wall, sequence: sequence, event: position)
        correction.occurredAt = host.now.wall
        correction.customer = Array("c1".utf8).withUnsafeBytes { host.server.ledger.strings.find($0) }
        correction.eventName = Array("call".utf8).withUnsafeBytes { host.server.ledger.strings.find($0) }
        correction.before = CostState(cost: Money(picodollars: 9))
        correction.after = CostState(cost: Money(picodollars: 11))
        host.server.ledger.correct(correction, derivation: nil, into: &batch.pointee)
        correction.before = correction.after
        correction.after = CostState(cost: Money(picodollars: 4))
        host.server.ledger.correct(correction, derivation: nil, into: &batch.pointee)
        host.server.ledger.endRun(run, at: host.now.wall, into: &batch.pointee)
        try host.settle()
    }
}

@Suite struct RetentionTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func whatIsDroppedIsNotMissedByTheBooks(seed: UInt64) throws {
        var dice = Dice(seed)
        let (dropping, keeping) = (try World(drops: true), try World(drops: false))
        var young: [(body: String, sequence: UInt64, at: Int)] = []
        var retries = 0
        for step in 0..<420 {
            var request = ""
            var wanted: (status: Int, text: String)?
            switch dice.below(12) {
            case 0:
                request = post("/api/v1/client/customers", "{\"email\":\"a@b.example\",\"customerReferenceId\":\"r\(step)\"}")
            case 1:
                request = post("/api/v1/client/keys", "{\"name\":\"k\(step)\",\"scopes\":[\"read\"]}")
            case 2 where !young.isEmpty:
                let old = young[dice.below(young.count)]
                request = post("/api/v1/client/events", old.body)
                wanted = (409, "\"sequence\":\(old.sequence)")
                retries += 1
            default:
                let cost = dice.oneIn(3) ? "" : ",\"costAmount\":0.00000000\(1 + dice.below(9))"
                let padding = String(repeating: "x", count: 1000 + dice.below(6000))
                let body = """
                    {"eventName":"call","eventIdempotencyKey":"k\(step)","customerReferenceId":"c\(dice.below(4))"\(cost),\
                    "revenueAmount":0.0\(dice.below(10)),"costInput":{"model":"m\(dice.below(3))"},"meta":{"p":"\(padding)"}}
                    """
                request = post("/api/v1/client/events", body)
                young.append((body, keeping.host.server.ledger.nextSequence, step))
                wanted = (201, "")
            }
            let (one, other) = (try dropping.ask(request), try keeping.ask(request))
            #expect(one?.status == other?.status, "step \(step)")
            if let wanted, let one {
                #expect(one.status == wanted.status && one.body.contains(wanted.text), "step \(step): \(one.body)")
            }
            if step % 90 == 40 {
                for world in [dropping, keeping] { try world.correct(1 + UInt64(step / 90), JournalPosition(segment: 1, offset: 4096)) }
            }
            dropping.projects = !dice.oneIn(8)
            for world in [dropping, keeping] { try world.pass() }
            young.removeAll { step - $0.at > 46 }
            if dice.oneIn(40) {
                // Between two pieces of work as well: what is out is lost.
                dropping.host.worksOnKeys = dice.oneIn(2)
                try dropping.pass()
                try keeping.pass()
                for world in [dropping, keeping] { try world.restart() }
            }
            if step % 20 == 0 { #expect(Known(dropping.host) == Known(keeping.host), "step \(step)") }
        }
        for world in [dropping, keeping] { try world.restart() }
        #expect(Known(dropping.host) == Known(keeping.host))
        let files = dropping.host.disk.files
        let condensed = files.keys.filter { CondensedRange(file: $0) != nil }
        #expect(condensed.count > 1 && retries > 5 && dropping.host.keyTroubles.isEmpty)
        let (kept, all) = (segments(dropping), segments(keeping))
        #expect(kept.count * 2 < all.count, "\(kept.count) of \(all.count)")
        #expect(JournalVerify.run(dropping.host.disk, segmentBytes: segmentSize).isGood)
        #expect(dropping.host.server.retention.firstSegment == kept[0])
    }

    private func post(_ path: String, _ body: String) -> String { request("POST \(path)", body) }

    private func segments(_ world: World) -> [UInt32] {
        world.host.disk.files.keys.compactMap { SegmentFormat.number(ofFile: $0) }.sorted()
    }

    /// Fills some segments over ten days; nothing holds them but what the test says.
    private func filled(followers: MemoryDisk? = nil) throws -> Host {
        let host = try Host(
            segmentBytes: segmentSize, keyDisk: MemoryDisk(), hotKeys: 4, windows: (dedup, retention), followers: followers)
        for step in 0..<240 {
            let padding = String(repeating: "x", count: 9000)
            let body = "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"k\(step)\",\"costAmount\":1,\"meta\":{\"p\":\"\(padding)\"}}"
            _ = try host.once(post("/api/v1/client/events", body))
            host.wait(3_600)
            host.server.sweep(at: host.now)
        }
        try host.settle()
        return host
    }

    private func dropped(_ host: Host) -> Bool { host.disk.files.keys.contains { CondensedRange(file: $0) != nil } }

    @Test func nothingGoesThatTheProjectionHasNotStored() throws {
        let host = try filled()
        #expect(!dropped(host) && host.durableEnd.segment > 6)
        host.server.recordBooks(durable: JournalPosition(segment: 3, offset: 4096), keptFrom: .start)
        try host.settle()
        #expect(host.server.retention.firstSegment == 3)
        // Nor is a file removed that the projection may still read.
        #expect(host.disk.files[SegmentFormat.fileName(1)] != nil)
        host.server.recordBooks(durable: JournalPosition(segment: 3, offset: 4096), keptFrom: host.server.keptFrom)
        try host.settle()
        #expect(host.disk.files[SegmentFormat.fileName(1)] == nil && host.disk.files[SegmentFormat.fileName(2)] == nil)
        #expect(host.disk.files[SegmentFormat.fileName(3)] != nil)
    }

    @Test func nothingGoesThatAFollowerHasNotRead() throws {
        for (text, first) in [("1:9000", 1), ("4:4096\n", 4), ("", 1), ("4", 1), ("-1:0", 1), ("4:99999999999", 1)] as [(String, UInt32)] {
            let host = try filled(followers: MemoryDisk(["warehouse": Array(text.utf8), "other": Array("99:0\n".utf8), "new.tmp": [0x78]]))
            host.server.recordBooks(durable: host.durableEnd, keptFrom: .start)
            try host.settle()
            #expect(host.server.retention.firstSegment == first, "\(text)")
        }
    }

    @Test func nothingGoesBeforeItsTimeWhateverTheWallClockSays() throws {
        let host = try Host(segmentBytes: segmentSize, keyDisk: MemoryDisk(), hotKeys: 4, windows: (dedup, retention))
        func fill(_ host: Host, _ from: Int) throws {
            for step in from..<from + 60 {
                let padding = String(repeating: "x", count: 9000)
                let body = "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"k\(step)\",\"costAmount\":1,\"meta\":{\"p\":\"\(padding)\"}}"
                _ = try host.once(post("/api/v1/client/events", body))
            }
        }
        try fill(host, 0)
        // A year ahead at once, and back, and ahead while the daemon is down: for each it is one step of a 32nd.
        host.now.wall = Timestamp(nanoseconds: host.now.wall.nanoseconds + 365 * 24 * hour)
        try fill(host, 100)
        host.server.sweep(at: host.now)
        host.server.recordBooks(durable: host.durableEnd, keptFrom: .start)
        try host.settle()
        #expect(!dropped(host) && host.server.retention.firstSegment == 1)
        host.now.wall = Timestamp(nanoseconds: host.now.wall.nanoseconds + 365 * 24 * hour)
        let again = try host.restarted(segmentBytes: segmentSize)
        try fill(again, 200)
        again.server.sweep(at: again.now)
        again.server.recordBooks(durable: again.durableEnd, keptFrom: .start)
        try again.settle()
        #expect(!dropped(again))
        // When the time has really passed, it goes.
        for _ in 0..<110 {
            again.wait(3_600)
            again.server.sweep(at: again.now)
        }
        again.server.recordBooks(durable: again.durableEnd, keptFrom: .start)
        try again.settle()
        #expect(dropped(again))
    }

    @Test func aPlanSaysTheSameTroubleOnceAndTriesAgain() throws {
        let host = try filled()
        host.disk.fill(true)
        host.server.recordBooks(durable: host.durableEnd, keptFrom: .start)
        try host.settle()
        var notices = host.server.takeNotices().filter { $0.text.contains("cannot be dropped") }
        #expect(notices.count == 1 && !dropped(host))
        host.wait(61)
        try host.settle()
        #expect(host.server.takeNotices().isEmpty && host.server.retention.failures == 2)
        host.disk.fill(false)
        host.wait(61)
        try host.settle()
        notices = host.server.takeNotices()
        #expect(dropped(host) && notices.contains { $0.text.contains("are condensed") })
    }
}
