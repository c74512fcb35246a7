// Checkpoint: the books written down as they are after one batch, so that a start reads the journal from there and not from its
// beginning. Written when the daemon stops, and when a start had to read much.
//
// It is made from the journal and never needed: whatever is wrong with it, the start reads the whole journal, as it would without. It
// is believed when every checksum in it is right and the journal still has the batch it ends with, checksum included: the journal
// chains its batches' checksums, so all that came before is the same too.

public import Core
public import Journal

public enum Checkpoint {
    public static let file = "checkpoint"

    /// Writes the books down as they are after the batch at `place`, nothing more and nothing less; `windows` in the order in which
    /// they are restored, `wall` is the time now. The result is the file's length.
    @discardableResult
    public static func write(
        _ storage: any Storage, _ ledger: borrowing Ledger, windows: [DedupWindow], after place: JournalPlace, at wall: Timestamp
    ) throws(StorageError) -> Int {
        do throws(StorageError) {
            var header = CheckpointHeader(place, seed: ledger.fingerprintSeed)
            header.strings = UInt32(clamping: ledger.strings.count)
            header.accounts = UInt32(clamping: ledger.accounts.count)
            var writer = try CheckpointWriter(storage, header)
            for window in windows { try writer.add { $0.append(.window) { window.save(to: &$0, at: wall) } } }
            try ledger.save(to: &writer, segment: place.batch.segment)
            return try writer.finish()
        } catch {
            // Room for the journal is worth more than what there is of it.
            prepare(storage)
            throw error
        }
    }

    /// Makes an empty file that the next one is written into, or takes away what an attempt left there; best effort.
    public static func prepare(_ storage: any Storage) {
        do throws(StorageError) { try CheckpointWriter.makeEmpty(storage) } catch {
            // It is made when it is needed.
        }
    }

    /// The next start reads the whole journal; best effort.
    public static func remove(_ storage: any Storage) { remove(file, storage) }

    private static func remove(_ file: String, _ storage: any Storage) {
        do throws(StorageError) {
            guard try storage.list().contains(file) else { return }
            try storage.remove(file)
            try storage.syncDirectory()
        } catch {
            // What stays is looked at by the next start, and replaced.
        }
    }

    /// The seed of the fingerprints in it, so that files of keys that do not exist yet have the same; nil when there is no checkpoint
    /// of this journal. Nothing else of it is looked at.
    public static func seed(_ storage: any Storage, journal id: JournalID) -> UInt64? {
        guard let names = try? storage.list(), names.contains(file), let reader = try? CheckpointReader(storage),
            reader.header.place.id == id
        else { return nil }
        return reader.header.seed
    }

    /// What became of an attempt to take the books from a checkpoint.
    public enum Outcome: Equatable, Sendable {
        /// There is none.
        case none
        /// The books are as they were after this batch.
        case restored(JournalPlace)
        /// It is not used, for this reason. When `untouched` is false the ledger was changed, and is of no use either.
        case refused(String, untouched: Bool)
    }

    /// Fills a new ledger, and windows of its own lengths, from the checkpoint in `storage`.
    public static func restore(
        _ storage: any Storage, into ledger: inout Ledger, windows: inout [DedupWindow], journal id: JournalID, batches: any BatchSource
    ) -> Outcome {
        var untouched = true
        do {
            guard try storage.list().contains(file) else { return .none }
            var reader = try CheckpointReader(storage)
            let place = reader.header.place
            guard reader.header.program == CheckpointHeader.program else { throw CheckpointFault.otherProgram }
            guard place.id == id else { throw CheckpointFault.otherJournal }
            guard reader.header.seed == ledger.fingerprintSeed else { throw CheckpointFault.otherSeed }
            guard let batch = try batches.batch(at: place.batch), batch.crc == place.crc else { throw CheckpointFault.otherBatch }
            untouched = false
            // Each takes more than eight bytes of the file.
            let most = min(Int(clamping: reader.header.fileBytes / 8), Limits.internedStrings)
            ledger.reserve(strings: min(Int(reader.header.strings), most), accounts: min(Int(reader.header.accounts), most))
            var restoring = Restoring(place: place, end: batch.end)
            while let records = try reader.next() {
                var facts = FactReader(records)
                while let record = facts.next() {
                    if let fault = take(record, into: &ledger, &windows, &restoring) { throw fault }
                }
                guard !facts.failed else { throw CheckpointFault.record }
            }
            guard batches.nextSequence(after: place.batch).map({ $0 == ledger.nextSequence }) ?? true else {
                throw CheckpointFault.otherBatch
            }
            guard restoring.isComplete, restoring.windows == windows.count, ledger.isSound else { throw CheckpointFault.record }
            return .restored(place)
        } catch let fault as CheckpointFault {
            return .refused(fault.rawValue, untouched: untouched)
        } catch {
            return .refused("it cannot be read", untouched: untouched)
        }
    }

    private static func take(
        _ record: Fact, into ledger: inout Ledger, _ windows: inout [DedupWindow], _ restoring: inout Restoring
    ) -> CheckpointFault? {
        guard record.rawType == CheckpointRecord.window.rawValue else { return ledger.restore(record, &restoring) }
        guard restoring.windows < windows.count, !restoring.hasBegun, windows[restoring.windows].restore(record.payload) else {
            return .record
        }
        if restoring.windows == 0 {
            ledger.dedup.expiredBefore = windows[0].start()
        } else {
            // Events that were held back may stay when the retention has become longer.
            windows[restoring.windows].reached = .start
        }
        restoring.windows += 1
        return nil
    }
}

/// Records besides facts; their numbers are none of a fact's.
enum CheckpointRecord: UInt8 {
    /// 1 byte: whether the segment of the last batch defines it; varint number; text to the end.
    case string = 0x40
    /// varint number of the reference; 1 byte: registered; varint events, varint unpriced, 16 bytes cost, 16 bytes revenue.
    case account = 0x41
    /// 8 bytes scope, 8 bytes position, 8 bytes time: a kept reply.
    case response = 0x42
    /// After the fact that began a run: 8 bytes where it stands; 8 bytes where its end stands, 0 for none; 8 bytes when it ended; varint
    /// number of the run that took it back; varint events, varint of them newly priced, 16 bytes before, 16 bytes after.
    case run = 0x43
    /// Keys of one table: 8 bytes fingerprint, 8 bytes position each.
    case keys = 0x44
    /// Ends a table: 1 byte: sealed; 8 bytes each: from, to, position of its last batch.
    case table = 0x45
    /// The last one. 1 byte: nothing unpriced is left that could be priced; 8 bytes each: next sequence, events, unpriced; 16 bytes each:
    /// cost, revenue.
    case totals = 0x46
    /// A window: 8 bytes its clock, 8 bytes wall clock, 8 bytes where it starts; then 16 bytes each mark: clock, position.
    case window = 0x47
}

/// What a restore knows between two records.
struct Restoring {
    let place: JournalPlace
    /// Where the batch ends.
    let end: JournalPosition
    var windows = 0
    /// A record behind the windows was read.
    var hasBegun = false
    var isComplete = false
}

extension ByteWriter {
    mutating func append(_ type: CheckpointRecord, _ payload: (inout ByteWriter) -> Void) {
        var inner = ByteWriter(capacity: 256)
        payload(&inner)
        append(type, inner.bytes)
    }

    mutating func append(_ type: CheckpointRecord, _ payload: UnsafeRawBufferPointer) {
        append(type.rawValue)
        append(varint: UInt64(payload.count))
        append(bytes: payload)
    }

    mutating func append(wide value: Int128) {
        append(littleEndian: UInt64(truncatingIfNeeded: value))
        append(littleEndian: UInt64(truncatingIfNeeded: value >> 64))
    }
}

extension ByteReader {
    /// A sum, which has room above and below: what is added to it later does not overflow.
    mutating func wide() -> Int128 {
        let low = integer(UInt64.self)
        let value = Int128(integer(Int64.self)) << 64 | Int128(low)
        if value.magnitude >> 120 != 0 { fail() }
        return value
    }

    /// A count, which has room above.
    mutating func count() -> UInt64 { bounded(varint()) }

    /// The same in eight bytes.
    mutating func fixedCount() -> UInt64 { bounded(integer(UInt64.self)) }

    private mutating func bounded(_ value: UInt64) -> UInt64 {
        if value > UInt64(Int64.max) / 2 { fail() }
        return value
    }
}

/// Bytes of a number as a varint.
func varintBytes(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }
