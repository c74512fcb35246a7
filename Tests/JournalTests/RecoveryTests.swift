// What recovery makes of a journal that was cut, flipped or torn, tried at every place.

import Core
import Journal
import Testing

@Test func theLongestPrefixOfWholeBatchesSurvivesACutAtEveryByte() throws {
    // 64 KiB in eight segments. Those well before the cut are condensed, as retention does it: they cannot matter.
    let golden = try goldenJournal(segments: 8, inLast: 5)
    for segment in 1...UInt32(8) {
        let name = SegmentFormat.fileName(segment)
        let whole = golden.files[name]!
        let kept = golden.batches.filter { $0.info.position.segment == segment || $0.info.position.segment + 1 == segment }
        let before = kept.count { $0.info.position.segment < segment }
        let ends = kept[before...].map { Int($0.info.end.offset) }
        var files: [String: [UInt8]] = [:]
        if segment > 1 { files[SegmentFormat.fileName(segment - 1)] = golden.files[SegmentFormat.fileName(segment - 1)] }
        if segment > 2 {
            let condensed = MemoryStorage(golden.files)
            let range = try condense(condensed, 1, segment - 2)
            files[range.fileName] = condensed.image[range.fileName]
        }
        for cut in 0...whole.count {
            files[name] = Array(whole[0..<cut])
            let storage = MemoryStorage(files)
            let (journal, all) = try recover(storage)
            let seen = all.filter { !$0.info.isCondensed }
            let expected = before + ends.count { $0 <= cut }
            guard seen == Array(kept.prefix(expected)) else {
                Issue.record("cut at \(cut) of \(name): \(seen.count) batches instead of \(expected)")
                return
            }
            // Trying again at every eleventh place is enough to see that the second time changes nothing.
            guard cut % 11 == 0 else { continue }
            let image = storage.image
            let (again, seenAgain) = try recover(storage)
            #expect(seenAgain == all && storage.image == image)
            #expect(again.cutBytes == 0 && again.extendedBytes == 0 && again.removed.isEmpty && again.tail == journal.tail)
        }
    }
}

@Test func everyFlippedBitIsFoundOrCutsOnlyTheLastBatch() throws {
    let golden = try goldenJournal(segments: 2, inLast: 3)
    let count = golden.batches.count
    let lastInfo = golden.batches[count - 1].info
    #expect(lastInfo.position.segment == 2)
    var refused = 0
    var cut = 0
    for (name, window) in [
        (SegmentFormat.fileName(1), 0..<96), (SegmentFormat.fileName(1), 4096..<5632), (SegmentFormat.fileName(1), 8000..<8192),
        (SegmentFormat.fileName(2), 0..<96), (SegmentFormat.fileName(2), 4096..<6272),
    ] {
        for byte in window {
            for bit in 0..<8 {
                var files = golden.files
                files[name]![byte] ^= 1 << UInt8(bit)
                let storage = MemoryStorage(files)
                do {
                    var seen: [SeenBatch] = []
                    _ = try Recovery.run(storage, segmentBytes: 8192, newID: testID) { info, body in
                        seen.append(SeenBatch(info: info, body: [UInt8](body)))
                    }
                    let isInLast = name == SegmentFormat.fileName(2) && byte >= Int(lastInfo.position.offset)
                    let isWhole = seen == golden.batches
                    let isAllButLast = seen == Array(golden.batches.dropLast())
                    guard isInLast, byte >= Int(lastInfo.end.offset) ? isWhole : isAllButLast else {
                        Issue.record("bit \(bit) of byte \(byte) of \(name) was not found")
                        return
                    }
                    cut += 1
                } catch {
                    guard error.isDamage else {
                        Issue.record("bit \(bit) of byte \(byte) of \(name): \(error)")
                        return
                    }
                    #expect(storage.image == files)
                    refused += 1
                }
            }
        }
    }
    #expect(refused > 20_000 && cut > 1000)
}

@Test func aMarkAfterTheLastBatchTurnsAGuessIntoARefusal() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<4)
    let place = Int(scribe.builder.offset)
    try scribe.open()
    try scribe.commit()
    let (journal, batches) = try recover(storage)
    #expect(journal.events == 4 && batches.count == 2 && batches[1].info.isMark && batches[1].body.isEmpty)
    storage.edit(SegmentFormat.fileName(1)) { $0[place + 200] ^= 1 }
    #expect(throws: JournalError.self) { try recover(storage) }
}

@Test func aTornBatchIsCutWhateverPiecesOfItSurvived() throws {
    var random = SeededRandom(7)
    for round in 0..<300 {
        let storage = MemoryStorage()
        var scribe = try Scribe(storage)
        let whole = Int.random(in: 0..<12, using: &random)
        for n in 0..<whole { try scribe.commitSamples(n * 3..<n * 3 + 3) }
        let before = try recover(storage).batches
        // The machine stops inside the next commit: at its first, second, third … call.
        storage.fail(
            at: Int.random(in: 1...5, using: &random), code: 5, persistent: true, shortWrite: Int.random(in: 0..<900, using: &random))
        var acknowledged = whole
        do {
            try scribe.commitSamples(whole * 3..<whole * 3 + 3)
            acknowledged += 1
        } catch {}
        storage.fail(at: 0, code: 0)
        let survivor = storage.afterPowerLoss { Bool.random(using: &random) }
        let (journal, seen) = try recover(survivor)
        #expect(seen.count >= acknowledged && seen.count <= whole + 1, "round \(round)")
        #expect(Array(seen.prefix(whole)) == before)
        // The journal goes on from there.
        var next = Scribe(survivor, journal, segmentBytes: 8192)
        try next.commitSamples(500..<502)
        #expect(try recover(survivor).batches.count == seen.count + 1)
    }
}

@Test func aBatchThatOnlyTheCacheKnewIsMadeDurableBeforeItCounts() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<4)
    // The write gets through, the sync fails: readers see the batch, the disk does not have it and never will.
    storage.fail(at: 2, code: 5)
    #expect(throws: StorageError.self) { try scribe.commitSamples(4..<8) }
    #expect(storage.hasFailed)
    storage.fail(at: 0, code: 0)
    #expect(try recover(storage.afterPowerLoss { false }).batches.count == 1)
    #expect(try recover(storage).batches.count == 2)
    #expect(try recover(storage.afterPowerLoss { false }).batches.count == 2)
}

@Test func anInspectionChangesNothing() throws {
    let golden = try goldenJournal(segments: 2, inLast: 3)
    var files = golden.files
    let last = try #require(golden.batches.last?.info)
    let name = SegmentFormat.fileName(last.position.segment)
    files[name]!.removeLast(files[name]!.count - Int(last.end.offset) + 9)
    files["notes.txt"] = [1]
    let storage = MemoryStorage(files)
    let (inspected, seen) = try recover(storage, repairs: false)
    #expect(storage.image == files && storage.writes == 0 && storage.syncs == 0)
    let (repaired, _) = try recover(storage)
    #expect(inspected == repaired)
    #expect(inspected.cutBytes > 0 && inspected.extendedBytes > 0 && inspected.ignored == ["notes.txt"])
    #expect(seen == Array(golden.batches.dropLast()))
    #expect(storage.image[name]!.count == 8192)
}
