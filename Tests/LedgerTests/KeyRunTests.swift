// Keys on disk against a dictionary: sealing, merging, expiry, restarts, and a machine that stops anywhere.

import Core
import Journal
import Testing

@testable import Ledger

@Test func keysAreFoundWhereverTheyAreInTheMiddleOfAnything() throws {
    for seed in 1...6 as ClosedRange<UInt64> {
        var dice = Dice(seed)
        var keys = try Keys(hotKeys: 40 + dice.below(60))
        for _ in 0..<250 {
            switch dice.below(20) {
            case 0..<11:
                keys.record((0..<(1 + dice.below(40))).map { _ in dice.next() >> UInt64(dice.below(2) * 8) })
            case 11:
                // Fingerprints that were there before, as of keys that expired or that collide.
                let old = keys.known.keys.sorted()
                if !old.isEmpty { keys.record((0..<3).map { _ in dice.pick(old) }) }
            case 12..<16: keys.work(1 + dice.below(6))
            case 16: keys.index.dropSpare()
            case 17: keys = try keys.restarted()
            case 18: keys = try keys.restarted(keys.disk.afterPowerLoss { dice.oneIn(2) })
            default:
                let all = keys.journal.batches
                if let batch = all.dropFirst(all.count / 2).first, batch.position > keys.index.expiredBefore, dice.oneIn(2) {
                    keys.index.expiredBefore = batch.position
                }
            }
            try keys.check(every: 7)
        }
        keys.work()
        try keys.check()
        #expect(keys.index.counters.failures == 0 && keys.store.complaints.isEmpty)
    }
}

@Test func runsStayFewAndTheDiskHoldsNothingElse() throws {
    var dice = Dice(8)
    let keys = try Keys(hotKeys: 50)
    for i in 0..<400 {
        keys.record((0..<50).map { _ in dice.next() })
        if i % 7 == 0 { keys.work() }
    }
    keys.work()
    try keys.check(every: 11)
    #expect(keys.index.count == 20_000)
    #expect(keys.runs.reduce(0, +) + keys.index.memoryKeys == 20_000)
    // Each is more than twice all that are newer.
    #expect(keys.runs.count <= 5)
    #expect(keys.disk.files.keys.filter { $0.hasSuffix(".run") }.count == keys.runs.count)
    #expect(keys.disk.files.count == keys.runs.count + 1)
    // A table that was written down is kept for the next keys, until it is asked back.
    let kept = keys.index.tableBytes
    keys.index.dropSpare()
    #expect(keys.index.tableBytes <= kept / 2)
    try keys.check(every: 11)
    #expect(keys.index.diskBytes == keys.disk.files.filter { $0.key.hasSuffix(".run") }.reduce(0) { $0 + $1.value.count })
}

@Test func whatLeftTheWindowLeavesTheDisk() throws {
    var dice = Dice(12)
    let keys = try Keys(hotKeys: 50)
    for i in 0..<600 {
        keys.record((0..<20).map { _ in dice.next() })
        let all = keys.journal.batches
        if all.count > 100 { keys.index.expiredBefore = all[all.count - 100].position }
        if i % 5 == 0 { keys.work() }
    }
    keys.work()
    try keys.check()
    // 2,000 keys are inside the window; an eighth more may still be there, and the table that is open.
    #expect(keys.index.count >= 2_000 && keys.index.count < 2_600, "\(keys.runs)")
    keys.index.expiredBefore = keys.journal.end
    keys.work()
    #expect(keys.runs.isEmpty && keys.disk.files.keys.sorted() == ["manifest"])
    let fresh = try keys.restarted()
    try fresh.check()
}

@Test func aRestartNeedsOnlyWhatCameAfterTheRuns() throws {
    var dice = Dice(4)
    let keys = try Keys(hotKeys: 100)
    for _ in 0..<30 {
        keys.record((0..<20).map { _ in dice.next() })
        keys.work()
    }
    keys.record((0..<20).map { _ in dice.next() })
    let fresh = try keys.restarted()
    #expect(fresh.store.complaints.isEmpty && fresh.store.seed == 42)
    #expect(fresh.runs == keys.runs && fresh.index.memoryKeys == keys.index.memoryKeys && fresh.index.memoryKeys == 20)
    try fresh.check()
}

@Test func aStartWithoutRunsMakesThemWithinBounds() throws {
    var dice = Dice(14)
    let keys = try Keys(hotKeys: 4)
    for _ in 0..<200 { keys.record((0..<4).map { _ in dice.next() >> 4 }) }
    keys.work()
    // As many tables as there are keys for, and no more runs than are looked through quickly.
    let fresh = try keys.restarted(KeyDisk())
    #expect(fresh.index.counters.sealed == 200 && fresh.index.counters.merges > 0)
    #expect(fresh.runs.count <= 4 * Limits.dedupMergeRuns && fresh.index.memoryKeys == 0)
    try fresh.check()
    fresh.work()
    #expect(fresh.runs.count <= 5)
    try fresh.check()
}

@Test func aTableWaitsUntilItsEventsAreDurable() throws {
    let keys = try Keys(hotKeys: 4)
    let batch = keys.journal.append([1, 2, 3, 4])
    for entry in batch.entries { keys.index.insert(entry.fingerprint, JournalPosition(raw: entry.position), batch: batch.position) }
    #expect(keys.index.nextWork(durableEnd: batch.position, now: 1) == nil)
    #expect(keys.index.sealedTables == 1)
    #expect(try keys.candidates(3) == [batch.entries[2].position])
    #expect(keys.index.nextWork(durableEnd: batch.end, now: 1) != nil)
}

@Test func aNewKeyCostsNoReadAndARetryOne() throws {
    var dice = Dice(21)
    let keys = try Keys(hotKeys: 4_000)
    for _ in 0..<60 { keys.record((0..<500).map { _ in dice.next() }) }
    keys.work()
    for _ in 0..<8 { keys.record((0..<500).map { _ in dice.next() }) }
    keys.work()
    #expect(keys.runs.count >= 2 && keys.index.memoryKeys == 0)
    let before = keys.disk.reads
    for _ in 0..<20_000 { #expect(try keys.candidates(dice.next()).isEmpty) }
    // Filters of 16 bits: 0.6 expected over two runs.
    #expect(keys.disk.reads - before <= 6)
    let known = keys.known.keys.sorted()
    let start = keys.disk.reads
    for fingerprint in known { #expect(try keys.candidates(fingerprint).count == 1) }
    #expect(keys.disk.reads - start >= known.count && keys.disk.reads - start < known.count + known.count / 50)
}

@Test func equalFingerprintsFillBlocksAndAreAllFound() throws {
    let keys = try Keys(hotKeys: 1_000)
    let same: UInt64 = 0x5A00_0000_1234_5678
    keys.record([same - 1] + [UInt64](repeating: same, count: 700) + [same + 1] + (0..<400).map { same &+ $0 << 40 })
    keys.work()
    #expect(keys.runs == [1_102])
    try keys.check()
    #expect(try keys.candidates(same + 2).isEmpty)
    try keys.restarted().check()
}

@Test func theFirstAndTheLastFingerprintAreKeysLikeOthers() throws {
    let keys = try Keys(hotKeys: 6)
    keys.record([0, .max, .max - 1, 1, 1 << 63, 0])
    keys.work()
    keys.record([.max, 0, 7, 8, 9, .max])
    keys.work()
    #expect(keys.runs == [12])
    try keys.check()
    try keys.restarted().check()
}

/// Keys whose next work is a table to write and runs to merge.
private func prepared() throws -> Keys {
    var fixed = Dice(17)
    let keys = try Keys(hotKeys: 30)
    for _ in 0..<4 {
        // In four sections: the files are small, and so are the calls between two syncs.
        keys.record((0..<30).map { _ in fixed.next() >> 6 })
        keys.work()
    }
    keys.record((0..<30).map { _ in fixed.next() >> 6 })
    return keys
}

@Test func anyCallOfTheStoreMayFailInEveryWay() throws {
    var dice = Dice(41)
    let whole = try prepared()
    let before = whole.disk.calls
    whole.work()
    let calls = whole.disk.calls - before
    var runs = 0
    for call in 1...calls {
        for code in [5, 28, 4, 24] as [Int32] {
            for persistent in [false, true] {
                let keys = try prepared()
                keys.disk.fail(at: call, code: code, persistent: persistent)
                keys.work(60)
                #expect(keys.index.counters.failures > 0, "call \(call)")
                let left = keys.disk.afterPowerLoss { dice.oneIn(2) }
                // The same process: what it could not write it still knows, and writes later.
                keys.disk.heal()
                try keys.check()
                keys.now += 60_000_000_000
                keys.work()
                try keys.check()
                #expect(keys.index.memoryKeys == 0 && !keys.index.isFailing)
                // The next one, with the power gone at the failure.
                let fresh = try keys.restarted(left)
                try fresh.check()
                fresh.work()
                try fresh.check()
                runs += 1
            }
        }
    }
    print("key store sweep: \(runs) runs over \(calls) calls")
    #expect(runs == calls * 8 && calls > 30)
}

@Test func aFailureWhileOpeningTheRunsIsRefusedOrMadeUpFor() throws {
    var dice = Dice(43)
    let keys = try prepared()
    keys.work(2)
    let files = keys.disk.files
    let probe = KeyDisk(files)
    _ = try keys.restarted(probe)
    var (refused, opened) = (0, 0)
    for call in 1...probe.calls {
        for code in [5, 28, 4, 24] as [Int32] {
            for persistent in [false, true] {
                let disk = KeyDisk(files)
                disk.fail(at: call, code: code, persistent: persistent)
                do {
                    // What could not be read comes from the journal.
                    let fresh = try keys.restarted(disk)
                    disk.heal()
                    try fresh.check()
                    opened += 1
                } catch is StorageError {
                    refused += 1
                }
                disk.heal()
                let after = try keys.restarted(dice.oneIn(2) ? disk : disk.afterPowerLoss { dice.oneIn(2) })
                try after.check()
            }
        }
    }
    print("key store, opening: \(opened) opened, \(refused) refused")
    #expect(opened > 100 && refused > 0)
}

@Test func aCrashAnywhereLosesNothing() throws {
    var dice = Dice(31)
    let whole = try prepared()
    let before = whole.disk.calls
    whole.work()
    let calls = whole.disk.calls - before
    #expect(calls > 30)
    for call in 1...calls + 1 {
        for _ in 0..<4 {
            let keys = try prepared()
            keys.disk.stop(at: call)
            keys.work(40)
            let fresh = try keys.restarted(keys.disk.afterPowerLoss { dice.oneIn(2) })
            try fresh.check()
            fresh.work()
            try fresh.check()
            let again = try fresh.restarted()
            #expect(again.store.complaints.isEmpty)
            try again.check()
        }
    }
}

@Test func aFullDiskIsWaitedFor() throws {
    var dice = Dice(5)
    for call in 1...60 {
        let keys = try Keys(hotKeys: 30)
        for _ in 0..<4 {
            keys.record((0..<30).map { _ in dice.next() >> 6 })
            keys.work()
        }
        keys.disk.fail(at: call)
        keys.record((0..<30).map { _ in dice.next() >> 6 })
        keys.work()
        keys.disk.heal()
        try keys.check()
        if keys.index.counters.failures > 0 { #expect(keys.index.nextWork(durableEnd: keys.journal.end, now: keys.now) == nil) }
        keys.now += 60_000_000_000
        keys.work()
        try keys.check()
        #expect(keys.index.memoryKeys == 0 && !keys.index.isFailing)
        let fresh = try keys.restarted()
        #expect(fresh.store.complaints.isEmpty)
        try fresh.check()
        fresh.work()
        try fresh.check()
        #expect(fresh.disk.files.keys.filter { $0.hasSuffix(".run") }.count == fresh.runs.count)
    }
}
