// Runs that are not what was written: found, not used, and made again from the journal. The answer is never wrong.

import Core
import Journal
import Testing

@testable import Ledger

/// Three runs and an open table, of keys in few sections.
private func threeRuns() throws -> Keys {
    var dice = Dice(3)
    let keys = try Keys(hotKeys: 20)
    for _ in 0..<3 {
        keys.record((0..<20).map { _ in 0x1100_0000_0000_0000 | dice.next() >> 8 })
        keys.work(mayMerge: false)
    }
    keys.record((0..<5).map { _ in dice.next() })
    #expect(keys.runs == [20, 20, 20] && keys.index.memoryKeys == 5)
    return keys
}

/// Opens the files, expects a complaint or none and this many runs left, and looks every key up.
private func open(
    _ keys: Keys, _ files: [String: [UInt8]], runs: Int, complaint: String?, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let fresh = try keys.restarted(KeyDisk(files))
    let said = fresh.store.complaints.joined(separator: "; ")
    if let complaint {
        #expect(said.contains(complaint), "\(said)", sourceLocation: sourceLocation)
    } else {
        #expect(said == "", sourceLocation: sourceLocation)
    }
    // What was rebuilt was written down again while the journal was read.
    #expect(fresh.runs == [20, 20, 20] && fresh.index.memoryKeys == 5, sourceLocation: sourceLocation)
    #expect(fresh.index.counters.sealed == UInt64(3 - runs), sourceLocation: sourceLocation)
    try fresh.check(sourceLocation: sourceLocation)
    let again = try fresh.restarted()
    #expect(again.store.complaints.isEmpty && again.index.counters.sealed == 0, sourceLocation: sourceLocation)
    // Nothing is left of what was not used.
    #expect(again.disk.files.keys.filter { $0.hasSuffix(".run") }.count == 3, sourceLocation: sourceLocation)
}

@Test func everyBitOfARunIsLookedAt() throws {
    let keys = try threeRuns()
    let files = keys.disk.files
    let manifest = try #require(try KeyManifest.read(keys.disk, Array(files.keys)))
    let good = files["00000002.run"]!
    let mark = RunFormat.mark(ofSeed: 42, Keys.id)
    let disk = KeyDisk(files)
    func isUsed() -> Bool {
        do {
            let run = try RunFile(disk, 2, crc: manifest.runs[1].crc, id: Keys.id, seedMark: mark)
            try run.verify(disk)
            return true
        } catch {
            return false
        }
    }
    #expect(isUsed())
    var bytes = good
    for at in good.indices {
        for bit in 0..<8 where bit == at % 8 || at < 256 || good[at] != 0 {
            bytes[at] ^= 1 << UInt8(bit)
            disk.replace("00000002.run", bytes)
            if isUsed() { Issue.record("bit \(bit) of byte \(at)") }
            bytes[at] = good[at]
        }
    }
    for length in 0..<good.count {
        disk.replace("00000002.run", Array(good[..<length]))
        if isUsed() { Issue.record("\(length) bytes of \(good.count)") }
    }
    disk.replace("00000002.run", good + [0])
    #expect(!isUsed())
}

@Test func aDamagedRunAndWhatFollowsItIsMadeAgain() throws {
    let keys = try threeRuns()
    let files = keys.disk.files
    try open(keys, files, runs: 3, complaint: nil)
    for (index, name) in ["00000001.run", "00000002.run", "00000003.run"].enumerated() {
        for at in stride(from: 0, to: files[name]!.count, by: 1_237) {
            var damaged = files
            damaged[name]![at] ^= 0x10
            try open(keys, damaged, runs: index, complaint: name)
        }
        var changed = files
        changed[name] = Array(files[name]!.dropLast(4096))
        try open(keys, changed, runs: index, complaint: name)
        changed[name] = []
        try open(keys, changed, runs: index, complaint: "\(name) is cut short")
        changed[name] = nil
        try open(keys, changed, runs: index, complaint: "\(name) cannot be read")
    }
}

@Test func everyBitOfTheManifestIsLookedAt() throws {
    let keys = try threeRuns()
    let files = keys.disk.files
    let good = files["manifest"]!
    for at in good.indices {
        for bit in 0..<8 {
            var damaged = good
            damaged[at] ^= 1 << UInt8(bit)
            #expect(damaged.withUnsafeBytes { KeyManifest($0) } == nil, "bit \(bit) of byte \(at)")
        }
    }
    for length in 0..<good.count { #expect(good[..<length].withUnsafeBytes { KeyManifest($0) } == nil) }
    #expect((good + [0]).withUnsafeBytes { KeyManifest($0) } == nil)
    var damaged = files
    damaged["manifest"]![50] ^= 1
    try open(keys, damaged, runs: 0, complaint: "the manifest is damaged")
    damaged["manifest"] = nil
    try open(keys, damaged, runs: 0, complaint: nil)
    damaged["manifest"] = [UInt8](repeating: 0, count: 1 << 20)
    try open(keys, damaged, runs: 0, complaint: "the manifest is damaged")
}

@Test func filesOfOthersAndLeftoversAreNotUsed() throws {
    let keys = try threeRuns()
    let files = keys.disk.files
    // One run in the place of another, under its name.
    var changed = files
    changed["00000002.run"] = files["00000001.run"]
    try open(keys, changed, runs: 1, complaint: "00000002.run is not the one the manifest names")
    // Half-written files of a process that was killed, and an older manifest that was never renamed.
    changed = files
    changed["00000009.run"] = Array(files["00000001.run"]!.prefix(5_000))
    changed["manifest.new"] = [1, 2, 3]
    try open(keys, changed, runs: 3, complaint: nil)
    // A manifest of another journal, with its runs.
    let other = try Keys(KeyDisk(), FakeJournal(keys.journal.batches), hotKeys: 20, id: JournalID(high: 1, low: 2))
    try open(keys, other.disk.files, runs: 0, complaint: "the manifest is of another journal")
    // A run of another seed, named by a manifest that was put together by hand.
    var manifest = try #require(files["manifest"]!.withUnsafeBytes { KeyManifest($0) })
    manifest.seed = 43
    var bytes = ByteWriter()
    manifest.write(to: &bytes)
    changed = files
    changed["manifest"] = bytes.array
    try open(keys, changed, runs: 0, complaint: "00000001.run is of another seed")
    // Runs in another order: what the first does not cover would be forgotten.
    manifest = try #require(files["manifest"]!.withUnsafeBytes { KeyManifest($0) })
    manifest.runs.swapAt(0, 1)
    manifest.write(to: &bytes)
    changed["manifest"] = bytes.array
    try open(keys, changed, runs: 0, complaint: "00000002.run does not go on from the run before it")
}

@Test func runsOfAJournalThatWasSetBackAreNotUsed() throws {
    let keys = try threeRuns()
    let files = keys.disk.files
    let batches = keys.journal.batches
    // A backup of the journal that ends before the runs do.
    let behind = try Keys(KeyDisk(files), FakeJournal(Array(batches.prefix(2))), hotKeys: 20)
    #expect(behind.store.complaints.count == 1 && behind.store.complaints[0].hasPrefix("00000003.run is not of what the journal holds"))
    try behind.check()
    for entry in batches[2].entries { #expect(try behind.candidates(entry.fingerprint).isEmpty) }
    // The same, gone on with other events: places that the old runs cover hold new keys.
    let forked = FakeJournal(Array(batches.prefix(2)))
    for start in [1, 2] as [UInt64] { _ = forked.append((0..<20).map { 0x2200_0000_0000_0000 + $0 + start * 100 }) }
    let other = try Keys(KeyDisk(files), forked, hotKeys: 20)
    #expect(other.runs == [20, 20, 20, 20] && other.index.counters.sealed == 2)
    try other.check()
    for entry in batches[2].entries { #expect(try other.candidates(entry.fingerprint).isEmpty) }
    // A journal that was begun anew under the same id holds nothing of them.
    let empty = try Keys(KeyDisk(files), FakeJournal(), hotKeys: 20)
    #expect(empty.runs.isEmpty && empty.disk.files.keys.filter { $0.hasSuffix(".run") }.isEmpty)
}

@Test func aBlockThatRotsWhileRunningEndsTheAnswersInsteadOfGuessing() throws {
    let keys = try threeRuns()
    let first = keys.journal.batches[0].entries[0].fingerprint
    #expect(try keys.candidates(first).count == 1)
    var bytes = keys.disk.files["00000001.run"]!
    bytes[RunFormat.frontBytes + 100] ^= 4
    keys.disk.replace("00000001.run", bytes)
    #expect(throws: StorageError(operation: .read, errno: 74, file: "00000001.run")) { try keys.candidates(first) }
    // A merge finds it too, and says that it is no passing failure.
    while let work = keys.index.nextWork(durableEnd: keys.journal.end, now: 1) {
        if let trouble = keys.index.finished(keys.store.perform(work), now: 1) {
            #expect(trouble.isFatal)
            break
        }
    }
    let fresh = try keys.restarted()
    #expect(fresh.store.complaints.count == 1)
    try fresh.check()
}
