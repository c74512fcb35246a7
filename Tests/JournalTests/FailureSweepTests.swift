// Every storage call of a workload over three segments fails, with every kind of failure, once or for good, and the machine
// then either restarts the process or loses power; recovery may fail in its turn. What was acknowledged is there, once, in
// order; nothing else but the batch that was in flight.

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

private let batches = 40
/// EIO, ENOSPC, EINTR, EMFILE: the storage below retried what may be retried, so each of them is final here.
private let codes: [Int32] = [5, 28, 4, 24]

/// One failure: the `call`th call of an operation, or that one and all after it.
private struct Fault: CustomStringConvertible {
    var operation: StorageError.Operation
    var call: Int
    var code: Int32
    var isPersistent: Bool
    /// Of a failing write, how many bytes get through.
    var through = 0

    var description: String {
        "\(operation) \(call)\(isPersistent ? " on" : ""), errno \(code)\(operation == .write ? ", \(through) bytes" : "")"
    }
}

/// Every call of the workload with every errno, once and for good; writes with several lengths that get through.
private func faults(in counts: [StorageError.Operation: Int]) -> [Fault] {
    var list: [Fault] = []
    for (operation, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        // A batch has about 600 bytes; its header 80, a segment's header block 4096. The last length is all of any of them.
        let lengths = operation == .write ? [0, 1, 8, 79, 80, 100, 333, 512, 4095, 8192] : [0]
        for call in 1...count {
            for code in codes {
                for isPersistent in [false, true] {
                    for through in lengths {
                        list.append(Fault(operation: operation, call: call, code: code, isPersistent: isPersistent, through: through))
                    }
                }
            }
        }
    }
    return list
}

/// What is left after the failure: the process restarts, or power is lost and of the unsynced bytes none, all or some survive.
private func survivors(of storage: MemoryStorage, _ random: inout SeededRandom) -> [MemoryStorage] {
    var dice = random
    let list = [
        storage, storage.afterPowerLoss { false }, storage.afterPowerLoss { true }, storage.afterPowerLoss { Bool.random(using: &dice) },
    ]
    random = dice
    return list
}

/// What was acknowledged is there, once and in order, and besides it at most the batch that was in flight; the client then
/// sends the rest again and everything is there once. False, with an issue, when not.
private func judge(
    _ survivor: MemoryStorage, acknowledged: Int, _ expected: [String], goOn: Bool, _ what: @autoclosure () -> String
) -> Bool {
    do {
        let seen = keys(try recover(survivor).batches)
        guard seen.count >= acknowledged * 3, seen.count <= (acknowledged + 1) * 3, seen == Array(expected.prefix(seen.count)) else {
            Issue.record("\(what()): \(acknowledged) acknowledged, \(seen.count / 3) found")
            return false
        }
        guard goOn else { return true }
        let rest = run(survivor, batches: batches, from: seen.count / 3)
        guard rest.stopped == nil, keys(try recover(survivor).batches) == expected else {
            Issue.record("\(what()): it does not go on")
            return false
        }
    } catch {
        Issue.record("\(what()): \(error)")
        return false
    }
    return true
}

@Test func everyCallMayFailInEveryWay() throws {
    let clean = MemoryStorage()
    clean.fail(at: 0, code: 0)
    #expect(run(clean, batches: batches).acknowledged == batches)
    let counts = clean.counts
    let (journal, all) = try recover(clean)
    let expected = keys(all)
    #expect(expected == (0..<batches * 3).map { "key-\($0)" })
    #expect(journal.tail.segment >= 3 && counts[.write]! > 40 && counts[.sync]! > 40 && counts[.create]! >= 3)

    var random = SeededRandom(3)
    var runs = 0
    for fault in faults(in: counts) {
        let storage = MemoryStorage()
        storage.fail(
            at: fault.call, of: fault.operation, code: fault.code, persistent: fault.isPersistent, shortWrite: fault.through)
        let result = run(storage, batches: batches)
        #expect(storage.hasFailed, "\(fault)")
        storage.fail(at: 0, code: 0)
        let left = survivors(of: storage, &random)
        for (kind, survivor) in left.enumerated().reversed() {
            // Going on costs as much as all the rest; one survivor of each failure does.
            let goesOn = runs % 4 == 0
            guard judge(survivor, acknowledged: result.acknowledged, expected, goOn: goesOn, "\(fault), survivor \(kind)") else { return }
            runs += 1
        }
    }
    print("storage sweep: \(runs) runs over \(counts.values.reduce(0, +)) calls")
    #expect(runs > 15_000)
}

@Test func aSecondFailureWhileRecoveringFromTheFirstIsSurvived() throws {
    let clean = MemoryStorage()
    clean.fail(at: 0, code: 0)
    _ = run(clean, batches: batches)
    let counts = clean.counts
    let expected = keys(try recover(clean).batches)
    var random = SeededRandom(4)
    var runs = 0
    for operation in [StorageError.Operation.write, .sync, .create] {
        for call in stride(from: 1, through: counts[operation]!, by: 3) {
            let storage = MemoryStorage()
            storage.fail(at: call, of: operation, code: 5, persistent: true, shortWrite: call * 37 % 700)
            let acknowledged = run(storage, batches: batches).acknowledged
            storage.fail(at: 0, code: 0)
            for first in survivors(of: storage, &random) {
                let probe = MemoryStorage(first.image)
                probe.fail(at: 0, code: 0)
                _ = try recover(probe)
                // Reads fail alike; what recovery changes fails at each of its calls, and reads at every seventh.
                for second in 1...probe.calls where second > probe.calls - 8 || second % 7 == 0 {
                    let again = MemoryStorage(first.image)
                    again.fail(at: second, code: codes[second % 4], persistent: second % 2 == 0, shortWrite: second * 53 % 900)
                    #expect(throws: JournalError.self) { try recover(again) }
                    again.fail(at: 0, code: 0)
                    let last = second % 3 == 0 ? again : again.afterPowerLoss { Bool.random(using: &random) }
                    let what = "\(operation) \(call), then \(second)"
                    guard judge(last, acknowledged: acknowledged, expected, goOn: runs % 16 == 0, what) else { return }
                    runs += 1
                }
            }
        }
    }
    print("second failures: \(runs) runs")
    #expect(runs > 1_000)
}

@Test func aWriteCutAtEveryByteHidesNothing() throws {
    let before = MemoryStorage()
    var scribe = try Scribe(before)
    for n in 0..<3 { try scribe.commitSamples(n * 3..<n * 3 + 3) }
    let place = Int(scribe.writer.tail.offset)
    let base = before.image
    let golden = try recover(MemoryStorage(base)).batches
    let whole = MemoryStorage(base)
    var next = try Scribe(whole)
    try next.commitSamples(9..<12)
    let length = Int(next.writer.tail.offset) - place
    #expect(length > 300)
    var runs = 0
    for through in 0...length {
        for goesOn in [false, true] {
            let storage = MemoryStorage(base)
            var scribe = try Scribe(storage)
            // The write begins with what is there already, in the same block.
            storage.fail(at: 1, of: .write, code: 28, shortWrite: place % 4096 + through)
            #expect(throws: StorageError.self) { try scribe.commitSamples(9..<12) }
            // The same process goes on: nothing more reaches the disk, so no record can follow the gap.
            let calls = storage.calls
            if goesOn {
                #expect(throws: StorageError.self) { try scribe.commitSamples(12..<15) }
                #expect(storage.calls == calls)
            }
            storage.fail(at: 0, code: 0)
            // The last bytes are padding: without them the batch is whole all the same.
            let isWhole = storage.image == whole.image
            let (journal, seen) = try recover(storage)
            guard seen.count == golden.count + (isWhole ? 1 : 0), Array(seen.prefix(golden.count)) == golden,
                journal.cutBytes > 0 || isWhole || through == 0
            else {
                Issue.record("\(through) of \(length) bytes: \(seen.count) batches, \(journal.cutBytes) bytes cut")
                return
            }
            // The place is used again and what is written there counts.
            var fresh = Scribe(storage, journal, segmentBytes: segmentBytes)
            try fresh.commitSamples(12..<15)
            let after = try recover(storage).batches
            #expect(after.count == seen.count + 1 && Array(after.dropLast()) == seen)
            runs += 1
        }
    }
    print("writes cut: \(runs)")
    #expect(runs == 2 * (length + 1))
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

/// Blank segments that recovery does not keep are removed one by one. Whichever removal fails, and whatever a power loss makes of those
/// before it, the next start finds no gap.
@Test func removingBlankSegmentsMayStopAnywhere() throws {
    let golden = try goldenJournal(segments: 2, inLast: 2)
    var files = golden.files
    for number in 3...UInt32(7) { files[SegmentFormat.fileName(number)] = [UInt8](repeating: 0, count: number == 5 ? 4096 : 8192) }
    let clean = MemoryStorage(files)
    clean.fail(at: 0, code: 0)
    let (_, all) = try recover(clean)
    let calls = clean.calls
    // The names that are there are made durable first, and each removal by itself.
    #expect(clean.image.count == 3 && clean.counts[.remove] == 4 && clean.counts[.syncDirectory] == 5)
    var random = SeededRandom(3618)
    var stopped = 0
    for call in 1...calls {
        for round in 0..<16 {
            var storage = MemoryStorage(files)
            // Two starts fail, one after the other, and then one succeeds.
            for at in [call, Int.random(in: 1...calls, using: &random)] {
                storage.fail(at: at, code: 5, persistent: round % 2 == 0)
                do throws(JournalError) {
                    _ = try Recovery.run(storage, segmentBytes: 8192, newID: testID) { _, _ in }
                } catch {
                    #expect(!error.isDamage, "call \(call), then \(at): \(error)")
                    stopped += 1
                }
                if round % 4 < 2 { storage = storage.afterPowerLoss { Bool.random(using: &random) } }
            }
            storage.fail(at: 0, code: 0)
            let (journal, seen) = try recover(storage)
            #expect(seen == all && journal.lastPrepared == 3 && storage.image.count == 3, "call \(call)")
        }
    }
    #expect(stopped > 100)
}
