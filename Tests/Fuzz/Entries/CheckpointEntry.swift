// A checkpoint of any records, in a file whose checksums are right. Taking it up never traps and asks for no more memory than it has
// bytes for; what was taken up is written again, taken up again and the same; and the books go on from there.

import Core
import Journal
import Pricing

@testable import Ledger

/// A journal that has the batch the checkpoint names, and nothing to say about what is in it.
private struct OneBatch: BatchSource {
    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        position == FuzzEntry.placeOfCheckpoint.batch
            ? (FuzzEntry.placeOfCheckpoint.crc, JournalPosition(segment: 3, offset: 1 << 20)) : nil
    }
}

extension FuzzEntry {
    static let placeOfCheckpoint = JournalPlace(id: testJournal, batch: JournalPosition(segment: 3, offset: 4096), crc: 0x1234_5678)
    private static let wall = Timestamp(nanoseconds: 1_790_000_000_000_000_000)

    static let checkpoint = FuzzEntry("checkpoint") { input in
        guard let first = try restored(from: file(ofRecords: input)) else { return }
        // Written again: everything that was taken up is there, and taken up as it was.
        let (one, other) = (FuzzDisk(), FuzzDisk())
        try Checkpoint.write(one, first.ledger, windows: first.windows, after: placeOfCheckpoint, at: wall)
        guard let second = try restored(from: one) else { throw Finding("a checkpoint of a checkpoint is refused") }
        try Checkpoint.write(other, second.ledger, windows: second.windows, after: placeOfCheckpoint, at: wall)
        try demand(one.files[Checkpoint.file]?.size == other.files[Checkpoint.file]?.size, "it changes when it is written again")
        try goOn(second)
    }

    /// What a start has of a checkpoint.
    private final class Restored {
        var ledger: Ledger
        var windows: [DedupWindow]
        init(_ ledger: consuming Ledger, _ windows: [DedupWindow]) {
            self.ledger = ledger
            self.windows = windows
        }
    }

    /// The records in frames of a file that checks out.
    private static func file(ofRecords records: [UInt8]) -> FuzzDisk {
        var header = CheckpointHeader(placeOfCheckpoint, seed: seedOfKeys)
        // How many there are is only a hint; a wrong one must do no harm.
        header.strings = records.isEmpty ? 0 : UInt32(records[0]) << 24 | 7
        header.accounts = header.strings
        var bytes = ByteWriter(capacity: 8192)
        var frame = ByteWriter(capacity: records.count + 8)
        frame.append(littleEndian: UInt32(0))
        frame.append(littleEndian: UInt32(records.count))
        frame.append(records)
        header.lastCRC = crc32c(UnsafeRawBufferPointer(rebasing: frame.bytes[4...]), continuing: header.frameSeed)
        frame.store(littleEndian: header.lastCRC, at: 0)
        header.frames = 1
        header.fileBytes = UInt64(CheckpointHeader.bytes + frame.count)
        header.write(to: &bytes)
        return FuzzDisk([Checkpoint.file: FuzzDisk.File(bytes.array + frame.array)])
    }

    private static func restored(from disk: FuzzDisk) throws -> Restored? {
        let store = try KeyStore(FuzzDisk(), journal: testJournal, batches: OneBatch(), newSeed: seedOfKeys)
        var ledger = Ledger(book: smallBook, seed: store.seed, random: 6, keys: store, hotKeys: 16)
        var windows = [DedupWindow(length: 1 << 50), DedupWindow(length: 1 << 51)]
        let outcome = Checkpoint.restore(disk, into: &ledger, windows: &windows, journal: testJournal, batches: OneBatch())
        switch outcome {
        case .restored(let place):
            try demand(place == placeOfCheckpoint, "another place")
            return Restored(ledger, windows)
        case .refused(let reason, let untouched):
            try demand(!untouched || reason == "it cannot be read", "refused before it was read: \(reason)")
            return nil
        case .none: throw Finding("no checkpoint")
        }
    }

    /// What a daemon does next: time passes, the segment goes on, an event of each customer that is known counts.
    private static func goOn(_ books: Restored) throws {
        for index in books.windows.indices {
            books.windows[index].started(wall)
            books.windows[index].passed(1, end: JournalPosition(segment: 3, offset: 1 << 20))
            books.windows[index].passed(1 << 52, end: JournalPosition(segment: 3, offset: 1 << 20))
            books.ledger.dedup.expiredBefore = max(books.ledger.dedup.expiredBefore, books.windows[index].start())
        }
        var batch = BatchBuilder(capacity: 1 << 20)
        batch.open(segment: 3, offset: 1 << 20, limit: 1 << 20, firstSequence: books.ledger.nextSequence, at: wall)
        var block = EventBlock()
        var names = [[UInt8]("someone".utf8)]
        for id in 1..<min(books.ledger.strings.nextID, 8) { names.append([UInt8](books.ledger.strings.text(of: id))) }
        for name in names where !name.isEmpty {
            var event = EventRecord()
            event.customer = name.withUnsafeBytes { block.add(name: $0) }
            event.eventName = Array("call".utf8).withUnsafeBytes { block.add(name: $0) }
            event.usageStart = UInt32(block.usageCount)
            event.cost = Money(picodollars: 1)
            event.revenue = Money(picodollars: .max)
            event.flags |= EventRecord.hasCost | EventRecord.hasRevenue
            block.add(event)
        }
        let before = books.ledger.nextSequence
        _ = try books.ledger.admit(&block, 0..<block.count, into: &batch, now: wall, source: NoFacts())
        try demand(books.ledger.nextSequence >= before, "sequences went back")
        _ = books.ledger.dedup.nextWork(durableEnd: JournalPosition(segment: 3, offset: 1 << 20), now: 1)
    }
}

private struct NoFacts: FactSource {
    func eventPayload(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Bool { false }
    func verify(_ position: JournalPosition) throws(StorageError) {}
}
