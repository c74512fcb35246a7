// Recovery from a batch on: the same end as from the beginning, what is behind the batch visited, nothing else believed.

import Core
import Testing

@testable import Journal

private func recover(_ files: [String: [UInt8]], after place: JournalPlace) throws -> (journal: RecoveredJournal, batches: [SeenBatch]) {
    var batches: [SeenBatch] = []
    let journal = try Recovery.run(MemoryStorage(files), segmentBytes: 8192, newID: testID, after: place) { info, body in
        batches.append(SeenBatch(info: info, body: [UInt8](body)))
    }
    return (journal, batches)
}

private func place(_ batch: SeenBatch) -> JournalPlace {
    JournalPlace(id: testID, batch: batch.info.position, crc: batch.info.crc)
}

@Test func recoveryFromAnyBatchOnEndsWhereAllOfItEnds() throws {
    let (files, batches) = try goldenJournal(segments: 3, inLast: 3)
    let whole = try recover(MemoryStorage(files)).journal
    for (index, batch) in batches.enumerated() {
        let (journal, seen) = try recover(files, after: place(batch))
        #expect(seen == Array(batches[(index + 1)...]))
        #expect(journal.tail == whole.tail && journal.last == whole.last && journal.events == whole.events)
        #expect(journal.lastPrepared == whole.lastPrepared && journal.firstSegment == whole.firstSegment)
        #expect(journal.batches == whole.batches - UInt64(index) - 1)
    }
}

@Test func aTornTailIsCutAllTheSame() throws {
    let (files, batches) = try goldenJournal(segments: 2, inLast: 3)
    guard let last = batches.last, let before = batches.dropLast().last else { return }
    let file = SegmentFormat.fileName(last.info.position.segment)
    let from = Int(last.info.position.offset)
    for length in stride(from: 1, to: last.info.paddedLength, by: 5) {
        var torn = files
        for at in (from + length)..<(from + last.info.paddedLength) { torn[file]?[at] = 0 }
        guard torn != files else { continue }
        let whole = try recover(MemoryStorage(torn)).journal
        let (journal, seen) = try recover(torn, after: place(before))
        #expect(seen.isEmpty && journal.tail == whole.tail && journal.cutBytes == whole.cutBytes)
    }
}

@Test func aBatchThatIsNotAsItWasIsRefused() throws {
    let (files, batches) = try goldenJournal(segments: 2, inLast: 2)
    let batch = batches[batches.count - 2]
    let file = SegmentFormat.fileName(batch.info.position.segment)
    for at in stride(from: 0, to: batch.info.length, by: 9) {
        var harmed = files
        harmed[file]?[Int(batch.info.position.offset) + at] ^= 0x10
        #expect(throws: JournalError.self) { try recover(harmed, after: place(batch)) }
    }
    var wrong = place(batch)
    wrong.crc ^= 1
    #expect(throws: JournalError.self) { try recover(files, after: wrong) }
    wrong = place(batch)
    wrong.id.low ^= 1
    #expect(throws: JournalError.self) { try recover(files, after: wrong) }
    wrong = place(batch)
    wrong.batch = JournalPosition(segment: wrong.batch.segment + 7, offset: wrong.batch.offset)
    #expect(throws: JournalError.self) { try recover(files, after: wrong) }
    var gap = files
    gap[SegmentFormat.fileName(1)] = nil
    #expect(throws: JournalError.self) { try recover(gap, after: place(batch)) }
}
