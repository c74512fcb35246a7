// What remembering keys costs, in memory and in processor time. Not part of a usual run:
//
//   PURSER_MEASURE_KEYS=100000000 swift test -c release -Xswiftc -enable-testing --filter measuredKeys
//
// It needs about 45 bytes of disk a key in the temporary directory (TMPDIR), and memory for what it measures.

import Core
import FileStorage
import Foundation
import Journal
import Testing

@testable import Ledger

private let wanted = ProcessInfo.processInfo.environment["PURSER_MEASURE_KEYS"].flatMap { Int($0) }

/// A journal that has every batch.
private struct AnyBatch: BatchSource {
    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        (1, JournalPosition(raw: .max))
    }
}

/// A figure of this process, in bytes.
private func memory(_ name: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    for line in status.split(separator: "\n") where line.hasPrefix(name) {
        return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
    }
    return 0
}

/// Processor time of this thread, the kernel's part included: what else the machine does is left out.
private func seconds(_ body: () throws -> Void) rethrows -> Double {
    func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    let start = now()
    try body()
    return now() - start
}

/// The fingerprint of key `i`, and where its event is: a hundred bytes each, in segments of 64 MiB.
private func fingerprint(_ i: Int) -> UInt64 { FuseFilter.mix(UInt64(bitPattern: Int64(i)) &* 0x9E37_79B9_7F4A_7C15 &+ 1) }
private func position(_ i: Int) -> JournalPosition {
    let byte = i * 100
    return JournalPosition(segment: UInt32(1 + byte / (1 << 26)), offset: UInt32(4096 + byte % (1 << 26)))
}

private func say(_ text: String) { print("  " + text) }
private func digits(_ value: Double, _ places: Int = 2) -> String { String(format: "%.\(places)f", value) }

@Test(.enabled(if: wanted != nil), .timeLimit(.minutes(60))) func measuredKeys() throws {
    let count = wanted ?? 0
    let directory = NSTemporaryDirectory() + "purser-keys-\(getpid())"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let id = JournalID(high: 1, low: 2)
    let before = memory("VmRSS")
    do {
        let store = try KeyStore(FileStorage(directory: directory), journal: id, batches: AnyBatch(), newSeed: 5)
        var index = DedupIndex(store: store)
        try fill(&index, store, count, before)
        try look(&index, count)
    }
    var index = DedupIndex()
    let start = try seconds {
        let store = try KeyStore(FileStorage(directory: directory), journal: id, batches: AnyBatch(), newSeed: 6)
        index = DedupIndex(store: store)
        #expect(store.complaints.isEmpty)
    }
    say("opened again, every checksum looked at: \(digits(start)) s")
    #expect(index.count >= count - index.hotKeys * 2)
}

private func fill(_ index: inout DedupIndex, _ store: KeyStore, _ count: Int, _ before: Int) throws {
    var working = 0.0
    var longest = 0.0
    var pieces = 0
    var peak = 0
    let all = seconds {
        for i in 0..<count {
            index.insert(fingerprint(i), position(i), batch: position(i))
            guard i % 1_000 == 999 || i == count - 1 else { continue }
            while let work = index.nextWork(durableEnd: JournalPosition(raw: .max), now: 1) {
                var result = KeyResult.retired
                let took = seconds { result = store.perform(work) }
                working += took
                longest = max(longest, took)
                pieces += 1
                if let trouble = index.finished(result, now: 1) { Issue.record("\(trouble.failure)") }
                peak = max(peak, index.byteCount)
                // A daemon takes new keys between two pieces of work; here they come as fast as tables are written.
                if index.memoryKeys < index.hotKeys, i != count - 1 { break }
            }
        }
    }
    let resident = memory("VmRSS") - before
    let keys = Double(count)
    say("\(count) keys in \(digits(all)) s, of it \(digits(working)) s writing and merging")
    say("\(pieces) pieces of that work, the longest \(digits(longest, 3)) s")
    let sizes = (0..<index.runCount).map { index.runs[$0].header.entries }
    say("runs of \(sizes), filters of \(sizes.map { RunWriter.bits(for: $0) }) bits")
    say("memory of the index: \(digits(Double(index.byteCount) / keys)) bytes a key now, \(digits(Double(peak) / keys)) at the peak")
    say("resident: \(digits(Double(resident) / keys)) bytes a key now, \(digits(Double(memory("VmHWM") - before) / keys)) at the peak")
    say("disk: \(digits(Double(index.diskBytes) / keys)) bytes a key; \(index.counters.merges) merges")
    #expect(index.count == count)
}

private func look(_ index: inout DedupIndex, _ count: Int) throws {
    let asked = 4_000_000
    var block = [UInt64](repeating: 0, count: 32)
    let reads = index.counters.reads
    var found = 0
    let new = try seconds {
        for start in stride(from: 0, to: asked, by: 32) {
            for k in 0..<32 { block[k] = fingerprint(-1 - start - k) }
            block.withUnsafeBufferPointer { index.probe($0.baseAddress!, count: 32) }
            for k in 0..<32 {
                var cursor = index.cursor(k)
                if try index.candidate(block[k], cursor: &cursor) != nil { found += 1 }
            }
        }
    }
    let needless = Double(index.counters.reads - reads) / Double(asked)
    say("a new key: \(digits(new * 1e9 / Double(asked), 0)) ns in blocks of 32; \(digits(needless * 100, 3)) % of them read a block")
    let alone = try seconds {
        for i in 0..<asked / 4 {
            var cursor = DedupCursor()
            if try index.candidate(fingerprint(-1 - i), cursor: &cursor) != nil { found += 1 }
        }
    }
    say("a new key: \(digits(alone * 4e9 / Double(asked), 0)) ns one at a time")
    let retries = 500_000
    var dice = Dice(4)
    var wrong = 0
    let old = try seconds {
        for _ in 0..<retries {
            let i = dice.below(count)
            var cursor = DedupCursor()
            if try index.candidate(fingerprint(i), cursor: &cursor) != position(i) { wrong += 1 }
        }
    }
    say("a retry: \(digits(old * 1e9 / Double(retries), 0)) ns until its candidate is known, from the page cache")
    #expect(wrong == 0 && found == 0)
}
