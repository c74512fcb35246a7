// A commit is one durable write of whole blocks, and changes nothing that was durable before.

import Core
import Journal
import Testing

@Test func aCommitIsOneWriteOfWholeBlocksThatChangesNothingBeforeIt() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    var seen = 0
    for n in 0..<60 {
        let before = scribe.writer.tail
        try scribe.commitSamples(n * 3..<n * 3 + 1 + n % 3)
        let writes = storage.durableWrites[seen...]
        seen += writes.count
        let begins = scribe.writer.tail.segment != before.segment || before.offset == 4096
        #expect(writes.count == (begins ? 2 : 1))
        for write in writes {
            #expect(write.offset % 4096 == 0 && write.bytes.count % 4096 == 0 && write.isAligned)
            #expect(write.before.count == write.bytes.count, "the segment is that long already")
        }
        let write = try #require(writes.last)
        let start = begins ? 4096 : Int(before.offset)
        let lead = start - write.offset
        #expect((0..<4096).contains(lead))
        #expect(write.bytes.prefix(lead) == write.before.prefix(lead))
        let end = Int(scribe.writer.tail.offset) - write.offset
        #expect(write.bytes.count - end < 4096)
        #expect(write.bytes[end...].allSatisfy { $0 == 0 })
    }
    #expect(scribe.writer.tail.segment > 2)
}

@Test func aWriterThatGoesOnAfterAStartKeepsTheBlockItGoesOnIn() throws {
    let storage = MemoryStorage()
    for n in 0..<30 {
        // A start for each batch: what stands in the block before the tail comes from the disk.
        var scribe = try Scribe(storage)
        try scribe.commitSamples(n * 2..<n * 2 + 2)
    }
    let (journal, batches) = try recover(storage)
    #expect(batches.count == 30 && journal.events == 60 && journal.cutBytes == 0)
}

@Test func aTornRewriteOfABlockLosesNothingThatWasInIt() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<3)
    let durable = storage.image
    let file = SegmentFormat.fileName(1)
    try scribe.commitSamples(3..<7)
    let write = try #require(storage.durableWrites.last)
    // Every choice of new and old among the sectors of the blocks that were written.
    let sectors = min(write.bytes.count / 512, 9)
    for choice in 0..<(1 << sectors) {
        var bytes = try #require(durable[file])
        for sector in 0..<sectors where choice >> sector & 1 == 1 {
            let at = sector * 512
            bytes.replaceSubrange(write.offset + at..<write.offset + at + 512, with: write.bytes[at..<at + 512])
        }
        let (journal, batches) = try recover(MemoryStorage([file: bytes]))
        #expect(batches.count == 1 || batches.count == 2)
        #expect(journal.events == 3 || journal.events == 7)
    }
}

@Test func aBatchThatWasBegunIsTheOneThatWouldHaveBeenCommitted() throws {
    let (committed, begun) = (MemoryStorage(), MemoryStorage())
    var plain = try Scribe(committed)
    var byHand = try Scribe(begun)
    byHand.byHand = true
    for n in 0..<60 {
        try plain.commitSamples(n * 3..<n * 3 + 1 + n % 3)
        try byHand.commitSamples(n * 3..<n * 3 + 1 + n % 3)
        let tails = (plain.writer.tail, byHand.writer.tail)
        #expect(tails.0 == tails.1)
    }
    #expect(committed.image == begun.image)
    // All but the first of a segment, and the first after a start.
    let (count, segments) = (byHand.begun, plain.writer.tail.segment)
    #expect(count > 40 && count < 60 && segments > 2)
}

@Test func afterAWriteThatFailedNothingIsBegunAndNothingCommitted() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<3)
    try scribe.open()
    let durable = scribe.writer.durableEnd
    let write = scribe.writer.begin(&scribe.builder)
    #expect(write != nil)
    let failure = StorageError(operation: .write, errno: 5, file: "00000001.segment")
    var errors: [StorageError] = []
    do { try scribe.writer.end(failure) } catch { errors.append(error) }
    let again = scribe.writer.begin(&scribe.builder)
    #expect(again == nil)
    do { try scribe.writer.commit(&scribe.builder) } catch { errors.append(error) }
    #expect(errors == [failure, failure])
    let (ended, end) = (scribe.writer.failure, scribe.writer.durableEnd)
    #expect(ended == failure && end == durable)
}
