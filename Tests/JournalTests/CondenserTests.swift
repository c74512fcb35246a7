// What becomes of segments whose events are no longer kept: everything that counts stays, at every crash, and what is damaged
// is found.

import Core
import Testing

@testable import Journal

/// Condenses segments in one go.
func condense(_ storage: MemoryStorage, _ first: UInt32, _ last: UInt32, removes: Bool = true) throws -> CondensedRange {
    let condenser = try Condenser(storage, from: first, through: last)
    while true {
        guard case .condensed(let range, _, _) = try condenser.step() else { continue }
        if removes { try Condenser.removeCovered(storage, range) }
        return range
    }
}

/// A journal of eight segments with events of three customers, a correction, a customer's details, a key, a reply and a run.
private func mixedJournal() throws -> MemoryStorage {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    var n = 0
    var places: [JournalPosition] = []
    while scribe.builder.segment < 8 {
        places += try scribe.commitSamples(n..<n + 4)
        if n == 8 { try scribe.commitOthers(of: 5, at: places[5]) }
        n += 4
    }
    return storage
}

extension Scribe {
    /// One batch of facts that are no events.
    fileprivate mutating func commitOthers(of n: Int, at place: JournalPosition) throws {
        try open()
        define(1, "chat.completion")
        define(2, "gpt-4o")
        define(11, "customer-2")
        let time = builder.openedAt
        var details = CustomerFact(operation: .registered, reference: noString, at: time)
        details.email = Array("a@example.com".utf8)
        builder.writer.append(details)
        var key = KeyFact(operation: .created, id: 1, at: time)
        key.digest = [UInt8](repeating: 7, count: 32)
        builder.writer.append(key)
        builder.writer.append(RunFact(operation: .begun, id: 1, at: time))
        var correction = Correction(kind: .reprice, run: 1, at: time, sequence: UInt64(n + 1), event: place)
        correction.occurredAt = Timestamp(nanoseconds: testStart.nanoseconds + Int64(n) * 1_000_000_000)
        correction.eventName = 1
        correction.customer = StringID(10 + n % 3)
        correction.model = 2
        correction.before = CostState(cost: Money(picodollars: Int64(n) * 1_234_567 + 140_000))
        correction.after = CostState(cost: Money(picodollars: 5))
        define(correction.customer, "customer-\(n % 3)")
        _ = builder.writer.append(correction)
        builder.writer.append(RunFact(operation: .ended, id: 1, at: time))
        [UInt8](repeating: 1, count: 64).withUnsafeBytes { digests in
            Array("{}".utf8).withUnsafeBytes { body in
                builder.writer.append(ResponseFact(scope: 9, digests: digests, at: time, status: 200, body: body))
            }
        }
        try commit()
    }
}

/// Everything the journal adds up to, whether it stands in events or in sums.
private struct Totals: Equatable {
    var cells: [SumsFact] = []
    var strings: [StringID: [UInt8]] = [:]
    var customers: [StringID: JournalPosition] = [:]
    var details: [JournalPosition] = []
    var keys: [UInt32] = []
    var runs: [UInt32] = []
    var runEvents: UInt64 = 0
    var runAfter = MoneyTotal.zero
    var sequence: UInt64 = 1
    var replies = 0

    mutating func add(_ sums: SumsFact) {
        let known = cells.firstIndex {
            $0.hour == sums.hour && $0.customer == sums.customer && $0.feature == sums.feature && $0.model == sums.model
                && $0.provider == sums.provider && $0.eventName == sums.eventName
        }
        if let known { cells[known].add(sums) } else { cells.append(sums) }
    }

    init(_ storage: MemoryStorage) throws {
        _ = try Recovery.run(storage, segmentBytes: 8192, repairs: false) { info, body in
            try take(info, body)
            sequence = info.nextSequence
        }
        cells.sort { ($0.hour, $0.customer) < ($1.hour, $1.customer) }
    }

    private mutating func take(_ info: BatchInfo, _ body: UnsafeRawBufferPointer) throws {
        var facts = FactReader(body)
        var stood: JournalPosition?
        while let fact = facts.next() {
            let place = stood ?? info.position(ofBodyOffset: fact.offset)
            stood = nil
            switch fact.type {
            case .string:
                var reader = ByteReader(fact.payload)
                let id = StringID(reader.varint())
                strings[id] = [UInt8](reader.bytes(reader.remaining))
            case .event:
                let event = try #require(EventFact(fact.payload))
                add(SumsFact(event))
                if customers[event.customer] == nil { customers[event.customer] = place }
            case .customer: details.append(place)
            case .key: keys.append(try #require(KeyFact(fact.payload)).id)
            case .run: runs.append(try #require(RunFact(fact.payload)).id)
            case .correction:
                let correction = try #require(Correction(fact.payload))
                add(SumsFact(correction))
                runEvents += 1
                runAfter += try #require(correction.after.cost)
            case .place: stood = PlaceFact.read(fact.payload)
            case .met:
                let met = try #require(MetFact(fact.payload))
                if customers[met.reference] == nil { customers[met.reference] = place }
            case .sums: add(try #require(SumsFact(fact.payload)))
            case .runSums:
                let sums = try #require(RunSumsFact(fact.payload))
                runEvents += sums.events
                runAfter += sums.after
            case .response: replies += 1
            default: break
            }
        }
        #expect(!facts.failed)
    }
}

@Test func whatIsCondensedAddsUpToTheSame() throws {
    let whole = try mixedJournal()
    let (before, _) = try recover(whole, repairs: false)
    let expected = try Totals(whole)
    #expect(expected.cells.count == 3 && expected.runEvents == 1 && expected.replies == 1 && expected.details.count == 1)
    for (ranges, replies) in [([(1, 1)], 1), ([(1, 7)], 0), ([(1, 3), (4, 4), (5, 7)], 0)] as [([(UInt32, UInt32)], Int)] {
        let storage = MemoryStorage(whole.image)
        var dropped: UInt64 = 0
        for (first, last) in ranges {
            let range = try condense(storage, first, last)
            #expect(range == CondensedRange(first: first, last: last))
            let report = JournalVerify.run(storage, segmentBytes: 8192)
            #expect(report.isGood, "\(String(describing: report.problem))")
            dropped = try #require(report.recovered).droppedEvents
        }
        var found = try Totals(storage)
        #expect(found.replies <= replies)
        found.replies = expected.replies
        #expect(found == expected)
        let (after, _) = try recover(storage)
        #expect(after.tail == before.tail && after.events == before.events && after.droppedEvents == dropped && dropped > 0)
        #expect(after.firstSegment == ranges.last!.1 + 1 && after.condensed.count == ranges.count)
        let stats = try JournalStats.run(storage)
        #expect(stats.events + stats.droppedEvents == before.events && stats.droppedEvents == dropped)
        #expect(stats.firstSegment == after.firstSegment && stats.condensedFiles == ranges.count)
        #expect(stats.condensedBytes == UInt64(after.condensedBytes))
        // The journal goes on from there.
        var scribe = Scribe(storage, after, segmentBytes: 8192)
        try scribe.commitSamples(900..<902)
        #expect(try recover(storage).journal.events == before.events + 2)
    }
}

@Test func condensedRowsHToIAWholeFileIsVisitedAndWhatItStandsForIsRemoved() throws {
    let storage = try mixedJournal()
    let (before, _) = try recover(storage)
    _ = try condense(storage, 1, 6, removes: false)
    try storage.createZeroed(CondensedRange.unfinishedFile, size: 5)
    let image = storage.image
    let inspected = try recover(storage, repairs: false).journal
    #expect(storage.image == image)
    let (after, seen) = try recover(storage)
    #expect(inspected == after && after.events == before.events && after.tail == before.tail && seen.contains { $0.info.endsCondensed })
    #expect(after.removed == (1...6).map { SegmentFormat.fileName($0) } + [CondensedRange.unfinishedFile])
    #expect(storage.image.count == 1 + Int(after.lastPrepared) - 6)
}

@Test func aReaderComesThroughACondensedFileFromEveryPlaceThatIsOne() throws {
    let storage = try mixedJournal()
    var last: [JournalPosition] = []
    let (whole, batches) = try recover(storage)
    for segment in 1...UInt32(7) { last.append(batches.last { $0.info.position.segment == segment }!.info.end) }
    _ = try condense(storage, 1, 3)
    _ = try condense(storage, 4, 6)
    var reader = JournalReader(storage)
    var seen: [BatchInfo] = []
    let end = try reader.forEachBatch { info, _ in
        seen.append(info)
        return true
    }
    #expect(end == whole.tail.position && seen.count { $0.endsCondensed } == 2)
    for (before, after) in zip(seen, seen.dropFirst()) {
        #expect(after.previousCRC == before.chainCRC && after.firstSequence == before.nextSequence && after.position > before.position)
    }
    // Whoever had read a file's segments to their end goes on behind the file; inside them there is no place to go on from.
    for (place, segment) in [(last[2], UInt32(4)), (last[5], 7), (last[6], 8)] {
        var reader = JournalReader(storage)
        #expect(try reader.readHeader(at: place, durableEnd: whole.tail.position)?.position.segment == segment)
    }
    // Leftovers of a removal that was cut short make no difference.
    let again = try mixedJournal()
    _ = try condense(again, 1, 6, removes: false)
    try again.remove(SegmentFormat.fileName(1))
    try again.remove(SegmentFormat.fileName(2))
    var other = JournalReader(again)
    var count: UInt64 = 0
    try other.forEachBatch { info, _ in
        count += UInt64(info.eventCount)
        return true
    }
    #expect(count == whole.events)
    let (recovered, _) = try recover(again)
    #expect(recovered.removed == (3...6).map { SegmentFormat.fileName($0) } && recovered.firstSegment == 7)
    #expect(try recover(again).journal.removed.isEmpty)
}

@Test func aCrashAtEveryCallLeavesOneOrTheOther() throws {
    let whole = try mixedJournal()
    let expected = try Totals(whole)
    let (before, _) = try recover(whole, repairs: false)
    var random = SeededRandom(11)
    var outcomes: Set<Int> = []
    var call = 0
    var isOver = false
    while !isOver {
        call += 1
        for short in [0, 100, 5000] {
            let storage = MemoryStorage(whole.image)
            storage.fail(at: call, code: 5, persistent: true, shortWrite: short)
            do {
                _ = try condense(storage, 1, 6)
                isOver = true
            } catch {}
            storage.fail(at: 0, code: 0)
            let survivor = storage.afterPowerLoss { Bool.random(using: &random) }
            let (after, _) = try recover(survivor)
            #expect(after.tail == before.tail && after.events == before.events, "call \(call)")
            outcomes.insert(after.condensed.count)
            #expect(!survivor.image.keys.contains(CondensedRange.unfinishedFile))
            var found = try Totals(survivor)
            found.replies = expected.replies
            #expect(found == expected, "call \(call)")
            // The same once more, without failures: it begins anew, or is done.
            let (twice, _) = try recover(survivor)
            #expect(twice.removed.isEmpty && twice.tail == before.tail)
            if after.condensed.isEmpty { _ = try condense(survivor, 1, 6) }
            #expect(try recover(survivor).journal.firstSegment == 7)
        }
    }
    #expect(outcomes == [0, 1] && call > 20)
}

@Test func aFailedAttemptLeavesTheJournalAsItWas() throws {
    let whole = try mixedJournal()
    for call in 1...60 {
        let storage = MemoryStorage(whole.image)
        storage.fail(at: call, code: 28)
        do { _ = try condense(storage, 1, 6, removes: false) } catch { Condenser.discard(storage) }
        guard storage.hasFailed else { break }
        storage.fail(at: 0, code: 0)
        if !storage.image.keys.contains(where: { CondensedRange(file: $0) != nil }) { #expect(storage.image == whole.image) }
        #expect(try Totals(storage).cells == Totals(whole).cells)
    }
}

@Test func everyFlippedBitOfACondensedFileIsFound() throws {
    let storage = try mixedJournal()
    let range = try condense(storage, 1, 6)
    let files = storage.image
    let size = files[range.fileName]!.count
    let used = files[range.fileName]!.lastIndex { $0 != 0 }!
    for byte in Array(0..<72) + Array(4096...used) + [used + 1, size - 1] {
        for bit in 0..<8 {
            var damaged = files
            damaged[range.fileName]![byte] ^= 1 << UInt8(bit)
            let broken = MemoryStorage(damaged)
            do {
                _ = try recover(broken)
                Issue.record("bit \(bit) of byte \(byte) was not found")
                return
            } catch let error as JournalError {
                if case .unsupported = error { continue }
                #expect(error.isDamage, "\(error)")
                #expect(broken.image == damaged)
            }
        }
    }
}

@Test func condensedRowsAToGWhatIsNotTheFileThatWasWrittenIsRefused() throws {
    let storage = try mixedJournal()
    let (_, _) = try recover(storage)
    let first = try condense(storage, 1, 3)
    let second = try condense(storage, 4, 6)
    let files = storage.image
    func reason(_ change: (inout [String: [UInt8]]) -> Void) -> (String, DamageReason)? {
        var damaged = files
        change(&damaged)
        do {
            _ = try recover(MemoryStorage(damaged))
            return nil
        } catch JournalError.damage(let file, _, let reason) {
            return (file, reason)
        } catch {
            return nil
        }
    }
    let segment = SegmentFormat.fileName
    #expect(reason { $0[first.fileName] = nil } ?? ("", .time) == (segment(1), .missingSegment))
    #expect(reason { $0[second.fileName] = nil } ?? ("", .time) == (segment(4), .missingSegment))
    #expect(reason { $0[segment(7)] = nil } ?? ("", .time) == (segment(7), .missingSegment))
    let onward = (7...9).map { segment($0) }
    #expect(reason { files in for name in onward { files[name] = nil } } ?? ("", .time) == (segment(7), .missingSegment))
    #expect(reason { $0[first.fileName]!.removeLast(4096) } ?? ("", .time) == (first.fileName, .shortSegment))
    #expect(reason { $0[first.fileName]!.append(0) } ?? ("", .time) == (first.fileName, .longSegment))
    #expect(reason { $0[second.fileName] = $0[first.fileName] } ?? ("", .time) == (second.fileName, .number))
    // Of another journal, and of the same one in another time.
    let other = MemoryStorage()
    var scribe = try Scribe(other, id: JournalID(high: 9, low: 9))
    var n = 0
    while scribe.builder.segment < 8 {
        try scribe.commitSamples(n..<n + 4)
        n += 4
    }
    _ = try condense(other, 1, 3)
    _ = try condense(other, 4, 6)
    #expect(reason { $0[second.fileName] = other.image[second.fileName] } ?? ("", .time) == (second.fileName, .foreign))
    let twin = MemoryStorage()
    var writer = try Scribe(twin)
    n = 50
    while writer.builder.segment < 8 {
        try writer.commitSamples(n..<n + 4)
        n += 4
    }
    _ = try condense(twin, 1, 3)
    #expect(reason { $0[first.fileName] = twin.image[first.fileName] } ?? ("", .time) == (second.fileName, .missingBatches))
    // Batches: one damaged in front of others, its header gone, the last one gone, one from elsewhere, and something behind it.
    #expect(reason { $0[first.fileName]![4096 + 90] ^= 1 } ?? ("", .time) == (first.fileName, .batchBody))
    #expect(reason { $0[first.fileName]![4096 + 9] ^= 1 } ?? ("", .time) == (first.fileName, .batchHeader))
    let end = files[first.fileName]!.lastIndex { $0 != 0 }!
    #expect(
        reason { $0[first.fileName]!.replaceSubrange(4096...end, with: [UInt8](repeating: 0, count: end - 4095)) } ?? ("", .time)
            == (first.fileName, .missingBatch))
    #expect(
        reason { $0[first.fileName]!.replaceSubrange(4096..., with: twin.image[first.fileName]![4096...]) } ?? ("", .time)
            == (second.fileName, .missingBatches))
    #expect(reason { $0[first.fileName]![$0[first.fileName]!.count - 1] = 1 } ?? ("", .time) == (first.fileName, .residue))
    // A newer version is named, not called damage.
    var newer = files
    newer[first.fileName]![12] = 2
    newer[first.fileName]!.withUnsafeMutableBytes { bytes in
        let crc = crc32c(UnsafeRawBufferPointer(rebasing: bytes[12..<4096]))
        bytes.storeBytes(of: crc.littleEndian, toByteOffset: 8, as: UInt32.self)
    }
    guard case .unsupported(first.fileName, 0, 2)? = JournalVerify.run(MemoryStorage(newer), segmentBytes: 8192).problem else {
        Issue.record("not refused")
        return
    }
}

@Test func damageInASegmentKeepsItFromBeingDropped() throws {
    let storage = try mixedJournal()
    storage.edit(SegmentFormat.fileName(2)) { $0[4300] ^= 1 }
    let before = storage.image
    #expect(throws: JournalError.self) { _ = try condense(storage, 1, 6) }
    Condenser.discard(storage)
    #expect(storage.image == before)
}

@Test func aDumpShowsWhatACondensedFileHolds() throws {
    let storage = try mixedJournal()
    _ = try condense(storage, 1, 7)
    var text = ""
    try JournalDump.run(storage) { text += String(decoding: $0, as: UTF8.self) }
    let lines = text.split(separator: "\n")
    let sums = lines.filter { $0.hasPrefix("{\"fact\":\"sums\"") }
    #expect(sums.count == 3 && sums.allSatisfy { $0.contains("\"customerReferenceId\":\"customer-") && $0.contains("\"costAmount\":0.0") })
    #expect(lines.contains { $0.hasPrefix("{\"fact\":\"dropped\"") && $0.contains("\"firstSequence\":1,") })
    #expect(lines.contains { $0.hasPrefix("{\"fact\":\"met\"") } && lines.contains { $0.contains("\"fact\":\"runSums\"") })
}
