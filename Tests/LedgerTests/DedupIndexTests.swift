// The dedup index alone: nothing inside the window is ever lost, nothing outside it is ever found.

import Core
import Journal
import Ledger
import Testing

/// Every position kept under a fingerprint, in the order found.
private func candidates(_ index: inout DedupIndex, _ fingerprint: UInt64) throws -> [UInt64] {
    var cursor = DedupCursor()
    var found: [UInt64] = []
    while let position = try index.candidate(fingerprint, cursor: &cursor) { found.append(position.raw) }
    return found
}

@Test func growthKeepsEveryEntry() throws {
    var index = DedupIndex()
    var dice = Dice(3)
    let fingerprints = (0..<60_000).map { _ in dice.next() }
    for (i, fingerprint) in fingerprints.enumerated() { index.insert(fingerprint, JournalPosition(raw: UInt64(i + 1)), batch: .start) }
    #expect(index.count == fingerprints.count)
    for (i, fingerprint) in fingerprints.enumerated() {
        #expect(try candidates(&index, fingerprint).contains(UInt64(i + 1)))
    }
    for _ in 0..<10_000 { #expect(try candidates(&index, dice.next()).isEmpty) }
    #expect(index.byteCount <= 60_000 * 16 * 4)
}

@Test func fingerprintsThatMeetAreAllCandidates() throws {
    // One shard, one slot, and equal fingerprints: the longest walk there is.
    var index = DedupIndex()
    let same: UInt64 = 0xAB00_0000_0000_0001
    for i in 1...200 as ClosedRange<UInt64> {
        index.insert(same, JournalPosition(raw: i * 2), batch: .start)
        index.insert(same &+ i << 32, JournalPosition(raw: i * 2 + 1), batch: .start)
    }
    #expect(try candidates(&index, same).sorted() == (1...200).map { UInt64($0 * 2) })
    for i in 1...200 as ClosedRange<UInt64> { #expect(try candidates(&index, same &+ i << 32) == [i * 2 + 1]) }
    #expect(try candidates(&index, same &+ 999 << 32).isEmpty)
    #expect(try candidates(&index, 0).isEmpty)
}

@Test func onlyEntriesBeforeTheWindowExpire() throws {
    var index = DedupIndex()
    var dice = Dice(9)
    var fingerprints: [UInt64] = []
    // Several windows' worth of keys, the window moving all the time: tables stay small and the living stay.
    let window: UInt64 = 5_000
    for position in 1...60_000 as ClosedRange<UInt64> {
        let fingerprint = dice.next()
        fingerprints.append(fingerprint)
        if position > window { index.expiredBefore = JournalPosition(raw: position - window) }
        index.insert(fingerprint, JournalPosition(raw: position), batch: .start)
    }
    let first = index.expiredBefore.raw
    for (i, fingerprint) in fingerprints.enumerated() {
        let position = UInt64(i + 1)
        #expect(try candidates(&index, fingerprint).contains(position) == (position >= first))
    }
    #expect(index.count >= Int(window) && index.count < 30_000)
    #expect(index.byteCount < 60_000 * 16)
}

@Test func anExpiredKeyCountsAgainAndTheNewEntryIsFound() throws {
    let books = Books(try book())
    let event = Sent(key: "k", cost: 4)
    #expect(try books.admit([event])[0].outcome == .recorded)
    books.turnPage()
    books.ledger.dedup.expiredBefore = books.batch.position(of: 0)
    #expect(try books.admit([event])[0] == Result(outcome: .recorded, sequence: 2, cost: 4, unpriced: .none, field: .none))
    #expect(try books.admit([event])[0] == Result(outcome: .duplicate, sequence: 2, cost: 4, unpriced: .none, field: .eventIdempotencyKey))
    #expect(books.ledger.totalCost.picodollars == 8)
}

@Test func replayOutsideTheWindowCountsButDoesNotRemember() throws {
    let books = Books(try book())
    try books.admit([Sent(key: "old", customer: "c", cost: 4)])
    books.turnPage(newSegment: true)
    try books.admit([Sent(key: "new", customer: "c", cost: 5)])
    books.turnPage()
    let fresh = Books(try book(), seed: 5)
    for (page, inWindow) in zip(books.pages.list, [false, true]) {
        let bad = page.body.withUnsafeBytes {
            fresh.ledger.replay($0, segment: page.segment, batchOffset: page.offset, inWindow: inWindow)
        }
        #expect(bad == nil)
    }
    fresh.pages = books.pages
    #expect(fresh.ledger.dedup.count == 1)
    #expect(fresh.ledger.totalEvents == 2 && fresh.ledger.totalCost.picodollars == 9)
}
