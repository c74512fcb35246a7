// The rows of the decision table, one by one: what was done to a journal, and which file, byte and reason recovery names.

import Core
import Journal
import Testing

private let first = SegmentFormat.fileName(1)
private let second = SegmentFormat.fileName(2)
private let third = SegmentFormat.fileName(3)

/// Three segments in use and a prepared fourth.
private func files() throws -> (files: [String: [UInt8]], batches: [SeenBatch]) {
    let golden = try goldenJournal(segments: 3, inLast: 3)
    #expect(golden.batches.last?.info.position.segment == 3)
    return golden
}

private func problem(of files: [String: [UInt8]]) -> JournalError? {
    let storage = MemoryStorage(files)
    do {
        _ = try recover(storage)
        return nil
    } catch let error as JournalError {
        #expect(storage.image == files, "a refused journal must stay as it is")
        return error
    } catch {
        Issue.record("\(error)")
        return nil
    }
}

private func expect(
    _ files: [String: [UInt8]], _ file: String, _ offset: Int, _ reason: DamageReason, at location: SourceLocation = #_sourceLocation
) {
    let found = problem(of: files)
    guard case .damage(let foundFile, let foundOffset, let foundReason) = found else {
        Issue.record("not refused: \(String(describing: found))", sourceLocation: location)
        return
    }
    #expect(foundFile == file && foundOffset == offset && foundReason == reason, sourceLocation: location)
}

@Test func rowAOtherNamesAreIgnored() throws {
    let golden = try files()
    let others = ["lock", "00000001.segment.bak", "1.segment", "0000000A.segment", "00000000.segment", "000000001.segment", "00000002.run"]
    var files = golden.files
    for name in others { files[name] = [0xFF, 1, 2] }
    let storage = MemoryStorage(files)
    let (journal, seen) = try recover(storage)
    #expect(seen == golden.batches && journal.ignored == others.sorted() && journal.removed.isEmpty)
    #expect(storage.image == files)
}

@Test func rowBNoSegmentsIsANewJournal() throws {
    let (journal, batches) = try recover(MemoryStorage(["readme": [1, 2, 3]]))
    #expect(journal.tail == JournalTail(new: testID, segmentBytes: 8192))
    #expect(journal.lastPrepared == 0 && batches.isEmpty && journal.ignored == ["readme"])
}

@Test func rowCAGapInTheNumbersIsDamage() throws {
    var golden = try files()
    golden.files[second] = nil
    expect(golden.files, second, 0, .missingSegment)
    // The lowest one counts too: without it, and without a file that stands for it, every total would be wrong.
    golden = try files()
    golden.files[first] = nil
    expect(golden.files, first, 0, .missingSegment)
}

@Test func rowDANewerSegmentVersionIsUnsupported() throws {
    var golden = try files()
    golden.files[third]![12] = 2
    let crc = golden.files[third]!.withUnsafeBytes { crc32c(UnsafeRawBufferPointer(rebasing: $0[12..<4096])) }
    golden.files[third]!.withUnsafeMutableBytes { $0.storeBytes(of: crc.littleEndian, toByteOffset: 8, as: UInt32.self) }
    guard case .unsupported(let file, 0, 2) = problem(of: golden.files) else {
        Issue.record("not refused")
        return
    }
    #expect(file == third)
}

@Test func rowEADamagedHeaderWithBatchesIsDamage() throws {
    for (name, offset) in [(first, 20), (second, 40), (third, 4000)] {
        var golden = try files()
        golden.files[name]![offset] ^= 0x80
        expect(golden.files, name, 0, .header)
        golden = try files()
        golden.files[name]!.replaceSubrange(0..<4096, with: [UInt8](repeating: 0, count: 4096))
        expect(golden.files, name, 0, .header)
    }
}

@Test func rowEABlankSegmentBetweenOthersIsDamage() throws {
    var golden = try files()
    golden.files[second] = [UInt8](repeating: 0, count: 8192)
    expect(golden.files, second, 0, .header)
}

@Test func rowFAMissingHeaderBehindACondensedFileIsDamage() throws {
    let storage = MemoryStorage(try files().files)
    let range = try condense(storage, 1, 2)
    let condensed = storage.image[range.fileName]
    expect([range.fileName: condensed!, third: [UInt8](repeating: 0, count: 8192)], third, 0, .header)
    expect([range.fileName: condensed!, third: [0xFF]], third, 0, .header)
}

@Test func rowGAHeaderThatWasBeingWrittenIsCleared() throws {
    var golden = try files()
    let fourth = SegmentFormat.fileName(4)
    golden.files[fourth] = Array(golden.files[third]![0..<50]) + [UInt8](repeating: 0, count: 8192 - 50)
    let storage = MemoryStorage(golden.files)
    let (journal, seen) = try recover(storage)
    #expect(seen == golden.batches && journal.tail.segment == 3 && journal.cutBytes == 50)
    #expect(storage.image[fourth] == [UInt8](repeating: 0, count: 8192))
    #expect(journal.lastPrepared == 4)

    let torn = MemoryStorage([first: [0xFF] + [UInt8](repeating: 0, count: 8191)])
    let fresh = try recover(torn).journal
    #expect(fresh.tail == JournalTail(new: testID, segmentBytes: 8192) && fresh.lastPrepared == 1 && fresh.cutBytes == 1)
}

@Test func rowHARenamedSegmentIsDamage() throws {
    var golden = try files()
    golden.files[second] = golden.files[third]
    golden.files[third] = nil
    golden.files[SegmentFormat.fileName(4)] = nil
    expect(golden.files, second, 0, .number)
}

@Test func rowIAForeignSegmentIsDamage() throws {
    var golden = try files()
    let other = MemoryStorage()
    var scribe = try Scribe(other, id: JournalID(high: 1, low: 2))
    var n = 0
    while scribe.builder.segment < 3 {
        try scribe.commitSamples(n..<n + 4)
        n += 4
    }
    golden.files[third] = other.image[third]
    expect(golden.files, third, 0, .foreign)
}

@Test func rowJBatchesMissingBeforeTheNextSegmentAreDamage() throws {
    var golden = try files()
    let last = try #require(golden.batches.last { $0.info.position.segment == 1 }?.info)
    golden.files[first]!.replaceSubrange(
        Int(last.position.offset)..<Int(last.end.offset), with: [UInt8](repeating: 0, count: last.paddedLength))
    expect(golden.files, first, Int(last.position.offset), .missingBatches)
}

@Test func rowKALongSegmentIsDamage() throws {
    var golden = try files()
    golden.files[second]! += [0]
    expect(golden.files, second, 8192, .longSegment)
}

/// Makes the checksums of a changed batch right again, from the page's description of them.
private func reseal(_ file: inout [UInt8], at place: Int, segment: UInt8, end: Int) {
    file.withUnsafeMutableBytes { bytes in
        var seed: [UInt8] = []
        withUnsafeBytes(of: testID.high.bigEndian) { seed += $0 }
        withUnsafeBytes(of: testID.low.bigEndian) { seed += $0 }
        seed += [segment, 0, 0, 0]
        let start = seed.withUnsafeBytes { crc32c($0) }
        let header = crc32c(UnsafeRawBufferPointer(rebasing: bytes[place + 8..<place + 76]), continuing: start)
        bytes.storeBytes(of: header.littleEndian, toByteOffset: place + 76, as: UInt32.self)
        let body = crc32c(UnsafeRawBufferPointer(rebasing: bytes[place + 80..<end]), continuing: header)
        bytes.storeBytes(of: body.littleEndian, toByteOffset: place + 4, as: UInt32.self)
    }
}

@Test func rowLANewerBatchVersionIsUnsupported() throws {
    var golden = try files()
    let last = try #require(golden.batches.last?.info)
    let place = Int(last.position.offset)
    golden.files[third]![place + 36] = 2
    // A newer program would have sealed it so.
    reseal(&golden.files[third]!, at: place, segment: 3, end: Int(last.end.offset))
    guard case .unsupported(let file, let offset, 2) = problem(of: golden.files) else {
        Issue.record("not refused")
        return
    }
    #expect(file == third && offset == place)
}

/// Two journals that part after six batches: the same id, the same places, other contents.
private func fork() throws -> (one: MemoryStorage, other: MemoryStorage, place: Int) {
    let one = MemoryStorage()
    var scribe = try Scribe(one, segmentBytes: 16384)
    for _ in 0..<3 { try scribe.commitFiller(bytes: 500) }
    let other = MemoryStorage(one.image)
    var fork = try Scribe(other, segmentBytes: 16384)
    fork.time = scribe.time
    for _ in 0..<3 { try scribe.commitFiller(bytes: 500, fill: 0x62) }
    for _ in 0..<3 { try fork.commitFiller(bytes: 500, fill: 0x63) }
    return (one, other, Int(scribe.builder.offset))
}

@Test func rowMAnOlderButValidBatchIsDamage() throws {
    let (one, other, place) = try fork()
    var files = one.image
    files[first]!.replaceSubrange(place..<place + 600, with: other.image[first]![place..<place + 600])
    let storage = MemoryStorage(files)
    do {
        _ = try recover(storage, segmentBytes: 16384)
        Issue.record("not refused")
    } catch let error as JournalError {
        guard case .damage(first, place, .chain) = error else {
            Issue.record("\(error)")
            return
        }
    }
}

@Test func rowNABatchThatCountsFromElsewhereIsDamage() throws {
    // The chain fits, the first sequence does not: no crash makes that, so the batch is sealed by hand.
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<4)
    try scribe.commitSamples(4..<8)
    let place = Int(try #require(try recover(storage).batches.last).info.position.offset)
    storage.edit(first) { bytes in
        bytes[place + 24] += 1
        reseal(&bytes, at: place, segment: 1, end: Int(scribe.writer.tail.offset))
    }
    expect(storage.image, first, place, .sequence)
}

@Test func rowsOSAndUAWholeJournalIsReadToItsEndAndStaysAsItIs() throws {
    let golden = try files()
    let storage = MemoryStorage(golden.files)
    let (journal, seen) = try recover(storage)
    let last = try #require(golden.batches.last?.info)
    #expect(seen == golden.batches && Set(seen.map(\.info.position.segment)) == [1, 2, 3])
    #expect(journal.tail.position == last.end && journal.tail.nextSequence == last.nextSequence && journal.tail.lastCRC == last.crc)
    #expect(journal.cutBytes == 0 && journal.extendedBytes == 0 && storage.image == golden.files)
}

@Test func rowTATornBatchIsZeroedToTheEnd() throws {
    var golden = try files()
    let last = try #require(golden.batches.last?.info)
    let from = Int(last.position.offset)
    golden.files[third]![from + 30] ^= 1
    golden.files[third]![8190] = 7
    let storage = MemoryStorage(golden.files)
    let (journal, seen) = try recover(storage)
    #expect(seen == Array(golden.batches.dropLast()) && journal.cutBytes == 8191 - from && journal.tail.offset == UInt32(from))
    #expect(storage.image[third]![from...].allSatisfy { $0 == 0 } && storage.syncs >= 2)
    #expect(try recover(storage.afterPowerLoss { false }).batches == seen)
}

@Test func rowVAShortLastSegmentIsExtended() throws {
    let golden = try files()
    let end = Int(try #require(golden.batches.last?.info).end.offset)
    for length in [end, end + 1, 8191] {
        var files = golden.files
        files[third]!.removeLast(8192 - length)
        let storage = MemoryStorage(files)
        let (journal, seen) = try recover(storage)
        #expect(seen == golden.batches && journal.extendedBytes == 8192 - length && journal.cutBytes == 0)
        #expect(storage.image[third] == golden.files[third])
    }
}

@Test func rowPABadBatchWithAGoodOneAnywhereAfterItIsDamage() throws {
    let golden = try files()
    for (index, batch) in golden.batches.enumerated().dropLast() {
        let name = SegmentFormat.fileName(batch.info.position.segment)
        let place = Int(batch.info.position.offset)
        let isLastOfSegment = golden.batches[index + 1].info.position.segment != batch.info.position.segment
        var files = golden.files
        files[name]![place + 81] ^= 4
        expect(files, name, place, .batchBody)
        files = golden.files
        files[name]![place + 30] ^= 4
        expect(files, name, place, .batchHeader)
        // Zeroed.
        files = golden.files
        files[name]!.replaceSubrange(place..<place + batch.info.paddedLength, with: [UInt8](repeating: 0, count: batch.info.paddedLength))
        expect(files, name, place, isLastOfSegment ? .missingBatches : .batchHeader)
    }
}

@Test func rowPABadBatchWithAnythingAfterItIsDamage() throws {
    // The header of the last batch but one says where it ends; that anything stands there proves it was durable.
    var golden = try files()
    let (bad, last) = (golden.batches[golden.batches.count - 2].info, try #require(golden.batches.last).info)
    golden.files[third]![Int(bad.position.offset) + 90] ^= 1
    golden.files[third]![Int(last.position.offset) + 10] ^= 1
    expect(golden.files, third, Int(bad.position.offset), .batchBody)
}

@Test func rowPMoreThanABatchCanHoldIsDamage() throws {
    // The only batch of a large segment is gone, and bytes stand where no torn batch could have reached.
    let size = 2 * Limits.batchBytes
    for (at, isDamage) in [(Limits.batchBytes - 1, false), (Limits.batchBytes, true)] {
        let storage = MemoryStorage()
        var scribe = try Scribe(storage, segmentBytes: size)
        try scribe.commitSamples(0..<4)
        storage.edit(first) { bytes in
            bytes[4096 + 20] ^= 1
            bytes[4096 + at] = 9
        }
        do {
            let journal = try recover(storage, segmentBytes: size).journal
            #expect(!isDamage && journal.cutBytes == at + 1 && journal.batches == 0)
        } catch let error as JournalError {
            guard case .damage(first, 4096, .batchHeader) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(isDamage)
        }
    }
}

@Test func swappedBatchesAreDamage() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage, segmentBytes: 16384)
    for n in 0..<4 { try scribe.commitFiller(bytes: 500, fill: UInt8(0x61 + n)) }
    var files = storage.image
    let size = SegmentFormat.padded(80 + 503)
    let (a, b) = (4096..<4096 + size, 4096 + size..<4096 + 2 * size)
    let kept = Array(files[first]![a])
    files[first]!.replaceSubrange(a, with: files[first]![b])
    files[first]!.replaceSubrange(b, with: kept)
    #expect(throws: JournalError.self) { try recover(MemoryStorage(files), segmentBytes: 16384) }
    // A copy of the last batch after it belongs elsewhere: it is cut, and nothing is counted twice.
    files = storage.image
    let last = 4096 + 3 * size..<4096 + 4 * size
    files[first]!.replaceSubrange(4096 + 4 * size..<4096 + 5 * size, with: files[first]![last])
    let (journal, seen) = try recover(MemoryStorage(files), segmentBytes: 16384)
    #expect(seen.count == 4 && journal.cutBytes > 0)
}

@Test func staleBatchesOfAnotherJournalAreCutLikeAnyRemains() throws {
    let other = MemoryStorage()
    var scribe = try Scribe(other, id: JournalID(high: 1, low: 2))
    for n in 0..<5 { try scribe.commitSamples(n * 4..<n * 4 + 4) }
    let storage = MemoryStorage()
    var mine = try Scribe(storage)
    try mine.commitSamples(0..<4)
    let place = Int(mine.writer.tail.offset)
    storage.edit(first) { $0.replaceSubrange(place..., with: other.image[first]![place...]) }
    let (journal, seen) = try recover(storage)
    #expect(seen.count == 1 && journal.cutBytes > 0)
}

@Test func rowQBytesInTheUnusedEndOfAFullSegmentAreDamage() throws {
    var golden = try files()
    golden.files[second]![8191] = 1
    let last = try #require(golden.batches.last { $0.info.position.segment == 2 }?.info)
    expect(golden.files, second, Int(last.end.offset), .residue)

    // A header is written only after the last batch before it was durable: both torn at once cannot be.
    golden = try files()
    let end = Int(try #require(golden.batches.last?.info.end.offset))
    golden.files[third]![end + 3] = 1
    golden.files[SegmentFormat.fileName(4)] = [0xFF] + [UInt8](repeating: 0, count: 8191)
    expect(golden.files, third, end, .batchHeader)
}

@Test func rowRAShortSegmentBeforeAnotherIsDamage() throws {
    var golden = try files()
    let last = try #require(golden.batches.last { $0.info.position.segment == 2 }?.info)
    golden.files[second]!.removeLast(8192 - Int(last.end.offset))
    expect(golden.files, second, Int(last.end.offset), .shortSegment)
}

@Test func rowsWAndXLeftoversAreKeptOrRemoved() throws {
    var golden = try files()
    let (fourth, fifth) = (SegmentFormat.fileName(4), SegmentFormat.fileName(5))
    golden.files[fourth] = [UInt8](repeating: 0, count: 8192)
    golden.files[fifth] = []
    var storage = MemoryStorage(golden.files)
    var journal = try recover(storage).journal
    #expect(journal.lastPrepared == 4 && journal.removed == [fifth] && storage.image[fifth] == nil)
    golden.files[fourth] = [UInt8](repeating: 0, count: 100)
    golden.files[fifth] = nil
    storage = MemoryStorage(golden.files)
    journal = try recover(storage).journal
    #expect(journal.lastPrepared == 3 && journal.removed == [fourth] && storage.image[fourth] == nil)
    golden.files[fourth]![99] = 1
    #expect(try recover(MemoryStorage(golden.files)).journal.cutBytes == 100)
}

@Test func whatComesAfterDamageIsNeverVisited() throws {
    var golden = try files()
    let broken = golden.batches[5].info
    golden.files[SegmentFormat.fileName(broken.position.segment)]![Int(broken.position.offset) + 90] ^= 1
    var seen = 0
    #expect(throws: JournalError.self) {
        _ = try Recovery.run(MemoryStorage(golden.files), segmentBytes: 8192) { _, _ in seen += 1 }
    }
    #expect(seen == 5)
}

@Test func randomFilesNeverTrapAndNeverYieldABatch() throws {
    var random = SeededRandom(99)
    for _ in 0..<400 {
        var files: [String: [UInt8]] = [:]
        for number in 1...UInt32.random(in: 1...3, using: &random) {
            let size = Int.random(in: 0...9000, using: &random)
            files[SegmentFormat.fileName(number)] = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        var seen = 0
        _ = try? Recovery.run(MemoryStorage(files), segmentBytes: 8192) { _, _ in seen += 1 }
        #expect(seen == 0)
    }
}
