// An index over a store over a disk, with a journal that is nothing but batches of fingerprints, and a dictionary that knows
// better.

import Core
import Journal
import Synchronization
import Testing

@testable import Ledger

/// The batches of a journal: where each is, its checksum, and what is in it.
final class FakeJournal: BatchSource {
    struct Batch {
        var position: JournalPosition
        var end: JournalPosition
        var crc: UInt32
        var entries: [KeyEntry]
    }

    private let state = Mutex<[Batch]>([])

    init(_ batches: [Batch] = []) { state.withLock { $0 = batches } }

    var batches: [Batch] { state.withLock { $0 } }
    var end: JournalPosition { batches.last?.end ?? JournalPosition(segment: 1, offset: 4096) }

    func append(_ fingerprints: [UInt64]) -> Batch {
        state.withLock { list in
            var start = list.last?.end ?? JournalPosition(segment: 1, offset: 4096)
            if start.offset > 1 << 16 { start = JournalPosition(segment: start.segment + 1, offset: 4096) }
            let entries = fingerprints.enumerated().map { i, fingerprint in
                KeyEntry(fingerprint: fingerprint, position: start.raw + 80 + UInt64(i) * 50)
            }
            var words = (UInt64(list.last?.crc ?? 1), start.raw, fingerprints.first ?? 0)
            let crc = withUnsafeBytes(of: &words) { crc32c($0) }
            let end = JournalPosition(raw: start.raw + 80 + UInt64(fingerprints.count) * 50)
            list.append(Batch(position: start, end: end, crc: crc, entries: entries))
            return list[list.count - 1]
        }
    }

    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        state.withLock { list in list.first { $0.position == position }.map { ($0.crc, $0.end) } }
    }
}

final class Keys {
    static let id = JournalID(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF)

    var disk: KeyDisk
    var journal: FakeJournal
    var store: KeyStore
    var index: DedupIndex
    let hotKeys: Int
    /// Where each fingerprint was recorded.
    var known: [UInt64: [UInt64]] = [:]
    var now: UInt64 = 1

    init(_ disk: KeyDisk = KeyDisk(), _ journal: FakeJournal = FakeJournal(), hotKeys: Int = 64, id: JournalID = Keys.id) throws {
        self.disk = disk
        self.journal = journal
        self.hotKeys = hotKeys
        store = try KeyStore(disk, journal: id, batches: journal, newSeed: 42)
        index = DedupIndex(store: store, hotKeys: hotKeys)
        for batch in journal.batches {
            for entry in batch.entries {
                known[entry.fingerprint, default: []].append(entry.position)
                let position = JournalPosition(raw: entry.position)
                if !index.covers(position) { index.insert(entry.fingerprint, position, batch: batch.position) }
            }
            // As a daemon does while it replays.
            while let work = index.nextWork(durableEnd: batch.end, now: now, mayMerge: false) { take(store.perform(work)) }
        }
        store.removeLeftOver()
    }

    private func take(_ result: KeyResult) {
        if let trouble = index.finished(result, now: now), trouble.isFatal { Issue.record("a run is damaged") }
    }

    /// The same journal and what `disk` holds, as a new process finds them.
    func restarted(_ disk: KeyDisk? = nil) throws -> Keys {
        let fresh = try Keys(disk ?? KeyDisk(self.disk.files), journal, hotKeys: hotKeys)
        fresh.index.expiredBefore = index.expiredBefore
        return fresh
    }

    func record(_ fingerprints: [UInt64]) {
        let batch = journal.append(fingerprints)
        for entry in batch.entries {
            index.insert(entry.fingerprint, JournalPosition(raw: entry.position), batch: batch.position)
            known[entry.fingerprint, default: []].append(entry.position)
        }
    }

    /// Does up to `limit` pieces of work; the result is how many there were.
    @discardableResult
    func work(_ limit: Int = .max, mayMerge: Bool = true) -> Int {
        var done = 0
        while done < limit, let work = index.nextWork(durableEnd: journal.end, now: now, mayMerge: mayMerge) {
            take(store.perform(work))
            done += 1
        }
        return done
    }

    func candidates(_ fingerprint: UInt64) throws -> [UInt64] {
        var cursor = DedupCursor()
        var found: [UInt64] = []
        while let position = try index.candidate(fingerprint, cursor: &cursor) { found.append(position.raw) }
        return found.sorted()
    }

    /// Every fingerprint is found where it was recorded inside the window, and nowhere else.
    func check(every step: Int = 1, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let expired = index.expiredBefore.raw
        for (i, fingerprint) in known.keys.sorted().enumerated() where i % step == 0 {
            let wanted = known[fingerprint]!.filter { $0 >= expired }
            let found = try candidates(fingerprint)
            guard found != wanted else { continue }
            Issue.record("\(hexText(fingerprint, digits: 16)): \(found), not \(wanted)", sourceLocation: sourceLocation)
            return
        }
    }

    var runs: [Int] { (0..<index.runCount).map { index.runs[$0].header.entries } }
}
