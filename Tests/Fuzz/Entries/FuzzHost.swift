// FuzzHost: a server with one peer, driven as the event loop and the journal thread drive it, on a disk in memory. It starts the
// same way every time, so that two of them given the same bytes must say the same.

import Core
import Frames
import Journal
import Ledger
import Pricing

@testable import Server

final class FuzzHost {
    static let key = "sk_live_00112233445566778899aabbccddeeff"
    // Small, because memory is what starting a server takes time for; an input is far below an event's bytes.
    private static let segmentBytes = 1 << 17
    private static let eventBytes = 1 << 14
    private static let now = Instant(wall: Timestamp(nanoseconds: 1_780_000_000_000_000_000), monotonic: 1_000_000_000_000)
    private static let newID = JournalID(high: 1, low: 2)

    private var server: Server
    private let disk = FuzzDisk()
    private var writer: JournalWriter<FuzzDisk>
    private var writing: UnsafeMutablePointer<BatchBuilder>?
    private var peer: ConnectionID
    private var unread: [UInt8] = []
    private var ended = false
    private(set) var closed = false
    /// What came back.
    private(set) var received: [UInt8] = []

    init(_ kind: PeerKind) throws {
        let ledger = Ledger(book: smallBook, seed: 5, random: 6, eventBytes: FuzzHost.eventBytes)
        let recovered = try Recovery.run(disk, segmentBytes: FuzzHost.segmentBytes, newID: FuzzHost.newID) { _, _ in }
        writer = JournalWriter(storage: disk, tail: recovered.tail, segmentBytes: FuzzHost.segmentBytes)
        let pipeline = CommitPipeline(
            tail: recovered.tail, prepared: recovered.lastPrepared, segmentBytes: FuzzHost.segmentBytes,
            batchBytes: 3 * FuzzHost.eventBytes,
            eventBytes: FuzzHost.eventBytes)
        server = Server(
            ledger: ledger, pipeline: pipeline, storage: disk, options: ServerOptions(), connections: 2, random: 7)
        let key = Array(FuzzHost.key.utf8)
        server.firstKey = FirstKey(digest: key.withUnsafeBytes { Digest(sha256: $0) }, hint: ApiKey.hint(key))
        guard let id = server.connected(kind, at: FuzzHost.now) else { throw Finding("no room for a connection") }
        peer = id
        try prepare()
    }

    /// Everything at once.
    static func answer(_ kind: PeerKind, _ pieces: [ArraySlice<UInt8>], ends: Bool) throws -> FuzzHost {
        let host = try FuzzHost(kind)
        for piece in pieces {
            host.unread += piece
            try host.settle()
        }
        if ends {
            host.ended = true
            try host.settle()
        }
        return host
    }

    var events: UInt64 { server.ledger.totalEvents }
    var cost: MoneyTotal { server.ledger.totalCost }

    private func deliver() {
        guard !closed else { return }
        if !unread.isEmpty, server.connection(peer)?.pointee.wantsInput == true {
            let bytes = unread
            unread = []
            exactly(bytes, padding: Server.inputPadding) { server.received(peer, $0, at: FuzzHost.now) }
        }
        if ended, unread.isEmpty { server.peerEnded(peer) }
    }

    private func flush() {
        var list: [ConnectionID] = []
        server.takeDirty { id, _ in list.append(id) }
        guard !closed, let connection = server.connection(peer) else { return }
        if connection.pointee.hasReleasable {
            let range = connection.pointee.written..<connection.pointee.releasable
            received += connection.pointee.output.bytes[range]
            connection.pointee.didWrite(range.count)
        }
        if connection.pointee.isFinished {
            closed = true
            server.disconnected(peer)
            return
        }
        if connection.pointee.wantsInput, connection.pointee.hasUnreadInput { server.resume(peer, at: FuzzHost.now) }
        deliver()
    }

    private func prepare() throws {
        guard let number = server.pipeline.segmentToPrepare() else { return }
        try SegmentPreparer.prepare(disk, number, size: FuzzHost.segmentBytes)
        server.segmentPrepared(number, succeeded: true, at: FuzzHost.now)
    }

    private func settle() throws {
        deliver()
        for _ in 0..<10_000 {
            flush()
            if writing == nil {
                writing = server.startCommit(at: FuzzHost.now)
                // The clock stands still here: what is to fill for a moment longer has had it.
                if writing == nil, let later = server.pipeline.pacedUntil {
                    writing = server.startCommit(at: Instant(wall: FuzzHost.now.wall, monotonic: later))
                }
            }
            let queries = server.queries
            server.queries = []
            for pending in queries { server.answered(pending.connection, FuzzHost.answer(pending.query), at: FuzzHost.now) }
            try prepare()
            if let batch = writing {
                writing = nil
                try writer.commit(&batch.pointee)
                server.committed(at: FuzzHost.now)
            }
            if server.dirty.isEmpty, server.queries.isEmpty, server.pipeline.isIdle { return }
        }
        throw Finding("the server does not come to rest")
    }

    private static func answer(_ query: Query) -> QueryAnswer {
        switch query {
        case .repriceBlock, .reverseBlock, .void: QueryAnswer(corrections: CorrectionBlock())
        default: QueryAnswer(data: Array("{\"a\":1}".utf8))
        }
    }

    /// Whoever reads the journal arrives at the same books.
    func checkBooks() throws {
        try demand(server.failure == nil, "the server failed: \(server.failure, default: "")")
        var ledger = Ledger(book: smallBook, seed: 8, random: 9)
        _ = try Recovery.run(disk, segmentBytes: FuzzHost.segmentBytes, newID: FuzzHost.newID) { info, body in
            let bad = ledger.replay(body, segment: info.position.segment, batchOffset: info.position.offset, inWindow: true)
            try demand(bad == nil, "the journal contradicts itself at \(bad ?? 0) of \(info.position)")
        }
        try demand(ledger.totalEvents == events && ledger.totalCost == cost, "the journal holds other books")
    }
}

/// Bytes, and how they arrive: the front of an input says who sends them and how they are cut.
struct Arrival {
    var kind: PeerKind
    var ends: Bool
    var bytes: [UInt8]
    var pieces: [ArraySlice<UInt8>] = []

    init(_ input: [UInt8]) {
        var choices = Choices(input)
        let first = choices.byte()
        kind = first & 1 == 0 ? .local : .remote
        ends = first & 2 == 0
        let sizes = choices.take(Int(first >> 4)).map { Int($0) + 1 }
        bytes = choices.data
        var at = 0
        for turn in 0... {
            guard at < bytes.count else { break }
            let size = sizes.isEmpty ? bytes.count : sizes[turn % sizes.count]
            let end = min(bytes.count, at + size)
            pieces.append(bytes[at..<end])
            at = end
        }
    }

    /// The answers to the bytes, which do not depend on how they are cut.
    func answers() throws -> FuzzHost {
        let whole = try FuzzHost.answer(kind, [bytes[...]], ends: ends)
        try whole.checkBooks()
        var others = [pieces]
        if bytes.count <= 256 { others.append(bytes.indices.map { bytes[$0...$0] }) }
        for pieces in others {
            var cut = try FuzzHost.answer(kind, pieces, ends: ends)
            if whole.closed, plain(cut.received) != plain(whole.received) {
                // A head that has not ended may be refused for what is there or waited for: once it ends there is no choice.
                cut = try FuzzHost.answer(kind, pieces + [Array("\r\n\r\n".utf8)[...]], ends: ends)
            }
            try demand(
                plain(cut.received) == plain(whole.received),
                "in \(pieces.count) pieces: \(String(decoding: cut.received, as: UTF8.self))\nwhole: "
                    + String(decoding: whole.received, as: UTF8.self))
            try demand(cut.closed == whole.closed, "closed \(whole.closed), in \(pieces.count) pieces \(cut.closed)")
            try demand(cut.events == whole.events && cut.cost == whole.cost, "other books in \(pieces.count) pieces")
        }
        return whole
    }

    /// Without what differs by design: `100 Continue` is said only to who has not sent the body yet, metrics count pieces, and a
    /// new key is random.
    private func plain(_ received: [UInt8]) -> [UInt8] {
        guard received.first("# HELP purser_") == nil else { return [] }
        var plain = received
        while let range = plain.first("HTTP/1.1 100 Continue\r\n\r\n") { plain.removeSubrange(range) }
        for range in plain.all("\"sk_live_") {
            var at = range.upperBound
            while at < plain.count, plain[at] != 0x22 {
                plain[at] = 0x2A
                at += 1
            }
        }
        return plain
    }
}
