// When batches go: at once when nothing else is to come, in company when it is.

import Core
import Frames
import Server
import Testing

/// A host whose disk takes `commitTime` for a batch, in steps of ten microseconds.
private struct Bench {
    let host: Host
    let client: Int
    var commitTime: UInt64 = 120_000
    private var writingSince: UInt64?
    private var number: UInt64 = 2
    /// When each event without an answer was sent, oldest first.
    private var sent: [UInt64] = []
    /// The peer is read only when the pace says so: what it sent since.
    var isPolled = false
    private(set) var looks = 0
    private var lastLook: UInt64 = 0
    private var unread: [UInt8] = []
    private(set) var longest: UInt64 = 0
    private(set) var answered = 0

    init() throws {
        host = try Host()
        host.waitsForPace = false
        client = host.connect()
        _ = try host.exchange(client, Frame.hello())
    }

    var now: UInt64 { host.now.monotonic }
    var commits: UInt64 { host.server.metrics.commits }
    var outstanding: Int { sent.count }
    var isPaced: Bool { host.server.pipeline.isPaced }

    /// Frames of one event, or of so many.
    mutating func send(_ count: Int = 1, eventsEach: Int = 1) {
        for _ in 0..<count {
            let frame = Frame.events((0..<eventsEach).map { "k\(number)-\($0)" }, requestID: number)
            if isPolled { unread += frame } else { host.send(client, frame) }
            number += 1
            sent.append(now)
        }
    }

    /// So many steps, with an event at each tenth.
    mutating func keepSending(_ steps: Int) throws {
        for step in 0..<steps {
            if step % 10 == 0 { send() }
            try self.step()
        }
    }

    mutating func step() throws {
        if isPolled, now >= host.server.pipeline.nextLook(after: lastLook) {
            lastLook = now
            looks += 1
            if !unread.isEmpty {
                host.server.sentOn()
                host.send(client, unread)
                unread = []
            }
        }
        host.turn()
        if host.isWriting, writingSince == nil { writingSince = now }
        if let since = writingSince, now - since >= commitTime {
            writingSince = nil
            try host.sync()
            host.turn()
            if host.isWriting { writingSince = now }
        }
        let answers = Answer.all(host.take(client)).count
        for at in sent.prefix(answers) { longest = max(longest, now - at) }
        sent.removeFirst(answers)
        answered += answers
        host.now.monotonic += 10_000
    }
}

@Test func whoeverWaitsForTheAnswerHasItAfterOneCommit() throws {
    var bench = try Bench()
    for _ in 0..<200 {
        bench.send()
        while bench.outstanding > 0 { try bench.step() }
    }
    #expect(bench.answered == 200)
    #expect(bench.longest <= bench.commitTime + 20_000)
    #expect(bench.host.pacedTurns == 0)
}

@Test func smallCommitsShareTheirCostWhileEventsKeepComing() throws {
    var bench = try Bench()
    let began = bench.now
    let before = bench.commits
    try bench.keepSending(20_000)
    // Two thousand events, one each tenth of a millisecond.
    let intervals = (bench.now - began) / UInt64(Limits.paceMicroseconds * 1000)
    #expect(bench.commits - before <= intervals + 4)
    #expect(bench.commits - before >= intervals * 3 / 4)
    // Nobody waits longer than for the next commit and its end.
    #expect(bench.longest <= UInt64(Limits.paceMicroseconds * 1000) + 2 * bench.commitTime + 40_000)
    #expect(bench.answered >= 1_990)
}

@Test func whoeverIsPolledIsReadWhenItsBatchGoes() throws {
    var bench = try Bench()
    try bench.keepSending(1_000)
    #expect(bench.isPaced)
    bench.isPolled = true
    let (began, before) = (bench.now, bench.commits)
    try bench.keepSending(20_000)
    #expect(bench.isPaced)
    let intervals = (bench.now - began) / UInt64(Limits.paceMicroseconds * 1000)
    #expect(bench.commits - before <= intervals + 1)
    #expect(bench.commits - before >= intervals * 9 / 10)
    // One look for each batch, and now and then one before.
    #expect(bench.looks <= Int(intervals) * 9 / 8)
    #expect(bench.longest <= UInt64(Limits.paceMicroseconds * 1000) + 2 * bench.commitTime + 40_000)
    #expect(bench.answered >= 2_080)
}

@Test func aPolledPeerWithAllItEverHasUnderWayIsFoundOut() throws {
    var bench = try Bench()
    try bench.keepSending(1_000)
    while bench.outstanding > 0 { try bench.step() }
    bench.isPolled = true
    // From now on eight at a time, and no more until all are answered.
    var commits = 0
    while bench.isPaced, commits < 100 {
        bench.send(8)
        while bench.outstanding > 0 { try bench.step() }
        commits += 1
    }
    #expect(commits <= 20)
}

@Test func aBatchOfSomeSizeDoesNotWait() throws {
    var bench = try Bench()
    // As many bytes as need no company, again and again, while answers are owed.
    let before = bench.commits
    for step in 0..<600 {
        // An event takes more than thirty bytes in the journal.
        if step % 10 == 0 { bench.send(eventsEach: Limits.paceBytes / 30) }
        try bench.step()
    }
    #expect(bench.host.pacedTurns == 0)
    #expect(bench.commits - before > 40)
}

@Test func aPeerWithAllItEverHasUnderWayIsNotKeptWaiting() throws {
    var bench = try Bench()
    // Eight at a time, which do not come in one piece, and no more until all are answered.
    let began = bench.now
    for _ in 0..<1_000 {
        bench.send(3)
        try bench.step()
        bench.send(5)
        while bench.outstanding > 0 { try bench.step() }
    }
    #expect(bench.answered == 8_000)
    // Two commits at most for each eight, and one wait in some sixty for nothing.
    let rounds = 1_000 * 2 * (bench.commitTime + 30_000) + 1_000 / 30 * UInt64(Limits.paceMicroseconds * 1000)
    #expect(bench.now - began < rounds)
}

@Test func aCommitThatHasJustBegunIsNoStall() throws {
    let host = try Host()
    let client = host.connect()
    _ = try host.exchange(client, Frame.hello() + Frame.events(["a"], requestID: 2))
    host.send(client, Frame.events(["b"], requestID: 3))
    // The turn ends later than the bytes came.
    host.now.monotonic += 3_000_000
    host.turn()
    #expect(host.isWriting)
    #expect(host.server.unreadiness == nil)
    host.now.monotonic += UInt64(Limits.stallSeconds + 1) * 1_000_000_000
    host.server.sweep(at: host.now)
    #expect(host.server.unreadiness != nil)
}
