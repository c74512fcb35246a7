// The remembered keys: a manifest and two runs of any bytes, next to a journal that holds whatever they say. Opening them, asking
// for keys and merging never trap; what is not used is removed; what is used is used again.

import Core

@testable import Journal
@testable import Ledger

/// A journal in which every batch is there, with the checksum that runs in these inputs carry.
private struct AnyBatches: BatchSource {
    static let crc: UInt32 = 0x1234_5678

    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        (AnyBatches.crc, JournalPosition(raw: .max))
    }
}

private func names(_ set: FileSet) -> [String] {
    ["manifest", RunFormat.fileName(1), set.choices & 1 == 0 ? RunFormat.fileName(2) : "manifest.new"]
}

extension FuzzEntry {
    static let seedOfKeys: UInt64 = 42

    static let keys = FuzzEntry("keys", repair: repairRuns) { input in
        let set = FileSet(input, count: 3)
        var files: [String: FuzzDisk.File] = [:]
        for (name, bytes) in zip(names(set), set.files) where !bytes.isEmpty { files[name] = FuzzDisk.File(bytes) }
        let disk = FuzzDisk(files)
        let before = disk.files
        let store = try KeyStore(disk, journal: testJournal, batches: AnyBatches(), newSeed: seedOfKeys)
        try demand(disk.files == before, "opening changed a file")
        let used = store.opened.map(\.header)
        var index = DedupIndex(store: store, hotKeys: 16)
        try ask(&index, set)
        store.removeLeftOver()
        // What was good is good again.
        let again = try KeyStore(disk, journal: testJournal, batches: AnyBatches(), newSeed: seedOfKeys)
        try demand(again.opened.map(\.header) == used, "other runs the second time: \(again.complaints)")
        again.opened = []
        // New keys are written down beside the old ones, and all are merged.
        var dice = UInt64(set.choices)
        let place = UInt64.max - 1000
        for n in 0..<20 as Range<UInt64> where !index.covers(JournalPosition(raw: place)) {
            dice = dice &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            index.insert(dice, JournalPosition(raw: place + n), batch: JournalPosition(raw: place))
        }
        for _ in 0..<32 {
            guard let work = index.nextWork(durableEnd: JournalPosition(raw: .max), now: 1) else { break }
            if let trouble = index.finished(store.perform(work), now: 1), trouble.isFatal {
                throw Finding("a run that was good is damaged")
            }
        }
        try ask(&index, set)
    }

    /// Fingerprints out of the input, and some that are not in it.
    private static func ask(_ index: inout DedupIndex, _ set: FileSet) throws {
        var fingerprints: [UInt64] = [0, .max, 0x1100_0000_0000_0000]
        for file in set.files.dropFirst() {
            for n in 0..<8 { fingerprints.append(file.integer(UInt64.self, at: RunFormat.frontBytes + 16 + n * 16)) }
        }
        for fingerprint in fingerprints {
            var cursor = DedupCursor()
            var found = 0
            while try index.candidate(fingerprint, cursor: &cursor) != nil { found += 1 }
            try demand(found <= 2 * RunFormat.blockEntries * 64, "\(found) candidates")
        }
    }

    /// 1 manifest, 2 header block, 4 section table, 8 blocks, 16 tails, 32 names and ids, 64 what the manifest says of the runs.
    @Sendable private static func repairRuns(_ input: inout [UInt8]) {
        var set = FileSet(input, count: 3)
        var crcs: [UInt32] = []
        for index in 1...2 where set.files[index].count >= RunFormat.frontBytes {
            repairRun(&set.files[index], UInt32(index), set.repairs)
            crcs.append(set.files[index].integer(UInt32.self, at: 8))
        }
        var manifest = set.files[0]
        if manifest.count >= KeyManifest.headBytes {
            if set.repairs & 32 != 0 {
                manifest.store(KeyManifest.magic, at: 0)
                manifest.store(KeyManifest.version, at: 12)
                manifest.store(testJournal.high.bigEndian, at: 16)
                manifest.store(testJournal.low.bigEndian, at: 24)
                manifest.store(seedOfKeys, at: 32)
            }
            if set.repairs & 64 != 0 {
                for (index, crc) in crcs.enumerated() { manifest.store(crc, at: KeyManifest.headBytes + 8 * index + 4) }
            }
            if set.repairs & 1 != 0 { manifest.store(manifest[12...].withUnsafeBytes { crc32c($0) }, at: 8) }
            set.files[0] = manifest
        }
        input = set.input
    }

    private static func repairRun(_ file: inout [UInt8], _ number: UInt32, _ repairs: UInt8) {
        let seed = RunFormat.seed(testJournal, number)
        for section in 0..<RunFormat.sections {
            let row = RunFormat.pageBytes + section * RunFormat.sectionBytes
            let offset = Int(truncatingIfNeeded: file.integer(UInt64.self, at: row))
            let blocks = Int(file.integer(UInt32.self, at: row + 8))
            guard offset >= RunFormat.frontBytes, offset < file.count, blocks > 0, blocks < 16 else { continue }
            if repairs & 8 != 0 {
                for block in 0..<blocks {
                    let at = offset + block * RunFormat.pageBytes
                    guard at + RunFormat.pageBytes <= file.count else { break }
                    let crc = file[(at + 4)..<(at + RunFormat.pageBytes)].withUnsafeBytes {
                        crc32c($0, continuing: RunFormat.seed(seed, at: at))
                    }
                    file.store(crc, at: at)
                }
            }
            let tail = offset + blocks * RunFormat.pageBytes
            let length = RunFormat.padded(Int(file.integer(UInt32.self, at: row + 32)))
            if repairs & 16 != 0, tail + length <= file.count {
                let crc = file[tail..<tail + length].withUnsafeBytes { crc32c($0, continuing: RunFormat.seed(seed, at: tail)) }
                file.store(crc, at: row + 36)
            }
        }
        if repairs & 32 != 0 {
            file.store(RunFormat.magic, at: 0)
            file.store(RunFormat.version, at: 12)
            file.store(testJournal.high.bigEndian, at: 16)
            file.store(testJournal.low.bigEndian, at: 24)
            file.store(number, at: 32)
            file.store(RunFormat.mark(ofSeed: seedOfKeys, testJournal), at: 40)
            file.store(AnyBatches.crc, at: 72)
            file.store(UInt64(file.count), at: 88)
        }
        if repairs & 4 != 0 {
            file.store(file[RunFormat.pageBytes..<RunFormat.frontBytes].withUnsafeBytes { crc32c($0) }, at: 36)
        }
        if repairs & 2 != 0 { file.store(file[12..<RunFormat.pageBytes].withUnsafeBytes { crc32c($0) }, at: 8) }
    }
}
