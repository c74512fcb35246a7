// Where batches go, and when a segment must be there.

import Core
import Journal
import Testing

private func plan(segmentBytes: Int = 8192, minimum: Int = 3 << 20, batchBytes: Int = 4096) throws -> SegmentPlan {
    let recovered = try Recovery.run(MemoryStorage(), segmentBytes: segmentBytes) { _, _ in }
    return SegmentPlan(recovered, segmentBytes: segmentBytes, batchBytes: batchBytes, minimum: minimum)
}

@Test func theFirstSegmentIsAskedForBeforeAnythingIsPlaced() throws {
    var plan = try plan()
    #expect(plan.wanted == 1 && plan.room == 0)
    #expect(plan.nextPlace(after: 0) == .needsSegment(1))
    plan.preparing(1)
    #expect(plan.wanted == nil)
    plan.preparationFailed(1)
    #expect(plan.wanted == 1)
    plan.preparing(1)
    plan.prepared(1)
    #expect(plan.nextPlace(after: 0) == .at(segment: 1, offset: 4096, limit: 4096))
    #expect(plan.wanted == 2 && !plan.nextIsReady && plan.room == 4096)
}

@Test func lengthsAreRoundedUpAndTheEndOfASegmentIsLeftUnused() throws {
    var plan = try plan()
    plan.prepared(1)
    _ = plan.nextPlace(after: 0)
    #expect(plan.nextPlace(after: 81) == .at(segment: 1, offset: 4096 + 88, limit: 4096 - 88))
    // The minimum of 3 MiB is clamped to a quarter of what a small segment holds.
    #expect(plan.nextPlace(after: 4096 - 88 - 1024) == .at(segment: 1, offset: 7168, limit: 1024))
    #expect(plan.nextPlace(after: 8) == .needsSegment(2))
    plan.prepared(2)
    #expect(plan.nextIsReady)
    #expect(plan.nextPlace(after: 0) == .at(segment: 2, offset: 4096, limit: 4096))
    #expect(plan.wanted == 3)
}

@Test func aLargeSegmentRollsAtTheMinimumGiven() throws {
    let size = Limits.segmentBytes
    var plan = try plan(segmentBytes: size, minimum: 3 << 20, batchBytes: Limits.batchBytes)
    plan.prepared(1)
    plan.prepared(2)
    #expect(plan.nextPlace(after: 0) == .at(segment: 1, offset: 4096, limit: Limits.batchBytes))
    var placed = 0
    while case .at(1, let offset, let limit) = plan.nextPlace(after: placed == 0 ? 0 : 1 << 20) {
        placed += 1
        #expect(limit >= 3 << 20 && Int(offset) + limit <= size)
    }
    #expect(placed == 61)
}

@Test func aPlanGoesOnFromARecoveredJournal() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    for n in 0..<5 { try scribe.commitSamples(n * 4..<n * 4 + 4) }
    let tail = scribe.writer.tail
    try SegmentPreparer.prepare(storage, tail.segment + 1, size: 8192)
    let recovered = try recover(storage).journal
    var plan = SegmentPlan(recovered, segmentBytes: 8192, batchBytes: 4096, minimum: 512)
    #expect(plan.nextIsReady && plan.wanted == nil)
    #expect(plan.nextPlace(after: 0) == .at(segment: tail.segment, offset: tail.offset, limit: 8192 - Int(tail.offset)))
}

@Test func anotherSegmentSizeTakesEffectWithTheNextSegment() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    for n in 0..<5 { try scribe.commitSamples(n * 4..<n * 4 + 4) }
    try SegmentPreparer.prepare(storage, scribe.builder.segment + 1, size: 8192)
    let before = try recover(storage, segmentBytes: 16384)
    // The prepared one has the old size: it is made anew.
    #expect(before.journal.removed.count == 1 && before.journal.tail.segmentBytes == 8192)
    var next = Scribe(storage, before.journal, segmentBytes: 16384)
    for n in 5..<20 { try next.commitSamples(n * 4..<n * 4 + 4) }
    let after = try recover(storage, segmentBytes: 16384)
    #expect(after.batches.count == 20 && after.journal.tail == next.writer.tail && after.journal.tail.segmentBytes == 16384)
}
