// Every storage call of a workload over three segments fails once, with every kind of failure, and the machine then either
// restarts the process or loses power. What was acknowledged is there, once, in order; nothing else but the batch that was
// in flight.

import Core
import Journal
import Testing

private let segmentBytes = 8192

/// What the workload is about to write, in the order it is acknowledged.
private struct Workload {
    /// Bodies are compared by their first sequence and length; contents follow from the sequence.
    var acknowledged = 0
    var stopped: StorageError?
}

/// Runs until `batches` are acknowledged, or storage stops it. Running out of space while preparing is survived, as the
/// daemon does: nothing was admitted.
private func run(_ storage: MemoryStorage, batches: Int, from start: Int = 0) -> Workload {
    var result = Workload()
    do {
        var scribe = try Scribe(storage, segmentBytes: segmentBytes)
        for n in start..<batches {
            do { try scribe.open() } catch let error as StorageError {
                guard scribe.writer.failure == nil, error.errno == StorageError.noSpace else { throw error }
                try scribe.open()
            }
            scribe.define(1, "chat.completion")
            scribe.define(2, "gpt-4o")
            scribe.define(3, "catalogue|x")
            for customer in 0..<3 { scribe.define(StringID(10 + customer), "customer-\(customer)") }
            var block = EventBlock()
            for k in 0..<3 { sampleEvent(n * 3 + k, in: &block) }
            _ = scribe.add(&block)
            do {
                try scribe.commit()
                result.acknowledged += 1
            } catch {
                // The first error ends it: no call reaches the disk again.
                let calls = storage.calls
                #expect(throws: StorageError.self) { try scribe.writer.commit(&scribe.builder) }
                #expect(storage.calls == calls)
                throw error
            }
        }
    } catch let error as JournalError {
        if case .storage(let inner) = error { result.stopped = inner } else { Issue.record("\(error)") }
    } catch let error as StorageError {
        result.stopped = error
    } catch {
        Issue.record("\(error)")
    }
    return result
}

/// Keys of all events in order.
private func keys(_ batches: [SeenBatch]) -> [String] {
    var keys: [String] = []
    for batch in batches {
        batch.body.withUnsafeBytes { bytes in
            var reader = FactReader(bytes)
            while let fact = reader.next() {
                guard let event = fact.type == .event ? EventFact(fact.payload) : nil else { continue }
                var key = ByteWriter()
                event.appendKey(to: &key)
                keys.append(key.string)
            }
        }
    }
    return keys
}

@Test func anySingleFailureOfTheDiskIsSurvived() throws {
    let batches = 40
    let clean = MemoryStorage()
    clean.fail(at: 0, code: 0)
    #expect(run(clean, batches: batches).acknowledged == batches)
    let calls = clean.calls
    let expected = keys(try recover(clean).batches)
    #expect(expected == (0..<batches * 3).map { "key-\($0)" })
    #expect(calls > 60)

    var random = SeededRandom(3)
    var runs = 0
    for call in 1...calls {
        for (code, persistent, short) in [
            (Int32(5), false, 0), (5, true, 0), (28, false, 0), (28, true, 100), (4, false, 333), (24, true, 80),
        ] {
            let storage = MemoryStorage()
            storage.fail(at: call, code: code, persistent: persistent, shortWrite: short)
            let result = run(storage, batches: batches)
            #expect(storage.hasFailed)
            storage.fail(at: 0, code: 0)
            let survivors = [
                storage, storage.afterPowerLoss { false }, storage.afterPowerLoss { true },
                storage.afterPowerLoss { Bool.random(using: &random) },
            ]
            for (kind, survivor) in survivors.enumerated().reversed() {
                do {
                    let seen = keys(try recover(survivor).batches)
                    guard seen.count >= result.acknowledged * 3, seen.count <= (result.acknowledged + 1) * 3,
                        seen == Array(expected.prefix(seen.count))
                    else {
                        Issue.record(
                            "call \(call), errno \(code), survivor \(kind): \(result.acknowledged) acknowledged, \(seen.count / 3) found")
                        return
                    }
                    // The client retries what was not acknowledged; in the end everything is there once.
                    let rest = run(survivor, batches: batches, from: seen.count / 3)
                    #expect(rest.stopped == nil)
                    #expect(keys(try recover(survivor).batches) == expected)
                } catch {
                    Issue.record("call \(call), errno \(code), survivor \(kind): \(error)")
                    return
                }
                runs += 1
            }
        }
    }
    #expect(runs > 1500)
}

@Test func aFailureDuringRecoveryChangesNothingThatMatters() throws {
    let golden = try goldenJournal(segments: 3, inLast: 3)
    let last = try #require(golden.batches.last?.info)
    let name = SegmentFormat.fileName(3)
    var torn = golden.files
    // Half of the last batch, a short file, a leftover.
    torn[name] = Array(torn[name]![0..<Int(last.end.offset) - 20])
    torn[SegmentFormat.fileName(4)] = [0, 0, 0]
    let counted = MemoryStorage(torn)
    counted.fail(at: 0, code: 0)
    let (expected, expectedBatches) = try recover(counted)
    for call in 1...counted.calls {
        for persistent in [false, true] {
            let storage = MemoryStorage(torn)
            storage.fail(at: call, code: 5, persistent: persistent, shortWrite: call % 70)
            #expect(throws: JournalError.self) { try recover(storage) }
            storage.fail(at: 0, code: 0)
            for survivor in [storage.afterPowerLoss { false }, storage] {
                let (journal, seen) = try recover(survivor)
                #expect(seen == expectedBatches && journal.tail == expected.tail, "call \(call)")
                #expect(survivor.image == counted.image, "call \(call)")
            }
        }
    }
}

@Test func aSegmentThatCannotBePreparedLeavesNothingBehind() throws {
    let storage = MemoryStorage()
    storage.fail(at: 2, code: StorageError.noSpace)
    #expect(throws: StorageError(operation: .create, errno: 28, file: SegmentFormat.fileName(1))) {
        try SegmentPreparer.prepare(storage, 1, size: segmentBytes)
    }
    #expect(storage.image.isEmpty)
    try SegmentPreparer.prepare(storage, 1, size: segmentBytes)
    #expect(storage.image[SegmentFormat.fileName(1)]?.count == segmentBytes)
    // Again is nothing; a blank one of another size is replaced; one in use is left alone.
    try SegmentPreparer.prepare(storage, 1, size: segmentBytes)
    try SegmentPreparer.prepare(storage, 1, size: 2 * segmentBytes)
    #expect(storage.image[SegmentFormat.fileName(1)]?.count == 2 * segmentBytes)
    storage.edit(SegmentFormat.fileName(1)) { $0[9000] = 1 }
    #expect(throws: StorageError(operation: .create, errno: 17, file: SegmentFormat.fileName(1))) {
        try SegmentPreparer.prepare(storage, 1, size: segmentBytes)
    }
    #expect(storage.image[SegmentFormat.fileName(1)]?[9000] == 1)
}
