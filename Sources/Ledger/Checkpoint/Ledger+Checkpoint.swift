// What the ledger writes into a checkpoint, and takes out of one. The bytes were checked by CRC, yet nothing here trusts them: what
// does not follow from the records before it is refused.

internal import Core
internal import Journal

extension Ledger {
    /// Of the fingerprints of keys.
    var fingerprintSeed: UInt64 { strings.seed }

    // MARK: Writing

    /// `segment` holds the last batch that counts.
    borrowing func save(to writer: inout CheckpointWriter, segment: UInt32) throws(StorageError) {
        var payload = ByteWriter(capacity: 1024)
        try strings.forEach { (id, text, definedIn) throws(StorageError) in
            try writer.add {
                $0.append(CheckpointRecord.string.rawValue)
                $0.append(varint: UInt64(1 + varintBytes(UInt64(id)) + text.count))
                $0.append(definedIn == segment ? UInt8(1) : 0)
                $0.append(varint: UInt64(id))
                $0.append(bytes: text)
            }
        }
        for index in 0..<accounts.count {
            let row = accounts.rows[index]
            payload.reset()
            payload.append(varint: UInt64(row.reference))
            payload.append(row.registered ? UInt8(1) : 0)
            payload.append(varint: row.events)
            payload.append(varint: row.unpriced)
            payload.append(wide: row.cost)
            payload.append(wide: row.revenue)
            try writer.add { $0.append(.account, payload.bytes) }
        }
        try saveKeyRing(to: &writer)
        try savePrices(to: &writer)
        for run in runs { try save(run, to: &writer) }
        try responses.save(to: &writer)
        try dedup.save(to: &writer)
        try writer.add {
            $0.append(.totals) {
                $0.append(hasPricedAll ? UInt8(1) : 0)
                $0.append(littleEndian: nextSequence)
                $0.append(littleEndian: totalEvents)
                $0.append(littleEndian: totalUnpriced)
                $0.append(wide: totalCost.picodollars)
                $0.append(wide: totalRevenue.picodollars)
            }
        }
    }

    private borrowing func saveKeyRing(to writer: inout CheckpointWriter) throws(StorageError) {
        for record in keys.records {
            var fact = KeyFact(operation: .created, id: record.id, at: record.createdAt)
            fact.digest = record.digest.bytes
            fact.hint = record.hint
            fact.name = record.name
            fact.scopes = record.scopes
            try writer.add { $0.append(fact) }
            guard let revokedAt = record.revokedAt else { continue }
            try writer.add { $0.append(KeyFact(operation: .revoked, id: record.id, at: revokedAt)) }
        }
    }

    /// As the journal would tell it to a reader of all of it: the catalogue that was announced, and prices in the order they were set.
    private borrowing func savePrices(to writer: inout CheckpointWriter) throws(StorageError) {
        if let announced = shelf.announced {
            if let loaded = shelf.loaded, announced.loadedBytes == UInt64(loaded.bundle.count), announced.catalogue == loaded.digest {
                let piece = Limits.checkpointRecordBytes / 2
                for start in stride(from: 0, to: loaded.bundle.count, by: piece) {
                    try writer.add { frame in
                        loaded.bundle[start..<min(start + piece, loaded.bundle.count)].withUnsafeBytes {
                            frame.append(CataloguePartFact(offset: UInt64(start), text: $0))
                        }
                    }
                }
            }
            try writer.add { $0.append(announced) }
        }
        for price in shelf.own {
            var fact = OwnPriceFact(operation: .set, at: price.at, id: price.id)
            fact.text = price.text
            try writer.add { $0.append(fact) }
        }
    }

    private borrowing func save(_ run: CorrectionRun, to writer: inout CheckpointWriter) throws(StorageError) {
        try writer.add { $0.append(run.begun) }
        try writer.add {
            $0.append(.run) {
                $0.append(littleEndian: run.begin.raw)
                $0.append(littleEndian: run.end?.raw ?? 0)
                $0.append(littleEndian: run.endedAt?.nanoseconds ?? 0)
                $0.append(varint: UInt64(run.reversedBy))
                $0.append(varint: run.events)
                $0.append(varint: run.newlyPriced)
                $0.append(wide: run.before.picodollars)
                $0.append(wide: run.after.picodollars)
            }
        }
    }

    // MARK: Reading

    /// Makes room for so many names and customers, so that nothing has to grow while they are taken up.
    mutating func reserve(strings names: Int, accounts customers: Int) {
        reserveStrings(names)
        reserveAccounts(customers)
    }

    /// Takes up one record; the result is why it cannot be.
    mutating func restore(_ record: Fact, _ restoring: inout Restoring) -> CheckpointFault? {
        guard !restoring.isComplete else { return .record }
        restoring.hasBegun = true
        if let type = record.type { return restore(type, record.payload) ? nil : .record }
        var reader = ByteReader(record.payload)
        var isGood = false
        switch CheckpointRecord(rawValue: record.rawType) {
        case .string:
            let isDefined = reader.byte() == 1
            let id = reader.varint()
            guard !reader.failed, id <= UInt64(StringID.max) else { return .record }
            isGood = restoreString(
                StringID(id), reader.bytes(reader.remaining), segment: isDefined ? restoring.place.batch.segment : 0)
        case .account: isGood = restoreAccount(&reader)
        case .response:
            let scope = reader.integer(UInt64.self)
            let position = JournalPosition(raw: reader.integer(UInt64.self))
            storeResponse(scope, position, at: Timestamp(nanoseconds: reader.integer(Int64.self)))
            isGood = true
        case .run: isGood = restoreRun(&reader)
        case .keys: isGood = dedup.restoreKeys(&reader, before: restoring.end)
        case .table:
            let isSealed = reader.byte() == 1
            let from = JournalPosition(raw: reader.integer(UInt64.self))
            let to = JournalPosition(raw: reader.integer(UInt64.self))
            let batch = JournalPosition(raw: reader.integer(UInt64.self))
            guard !reader.failed, reader.atEnd, to <= restoring.end, batch <= restoring.place.batch else { return .record }
            return dedup.restoreTable(isSealed: isSealed, from: from, to: to, batch: batch)
        case .totals:
            isGood = restoreTotals(&reader)
            restoring.isComplete = true
        case .window, nil: return .record
        }
        return isGood && !reader.failed && reader.atEnd ? nil : .record
    }

    /// Facts that say in a checkpoint what they say in the journal.
    private mutating func restore(_ type: FactType, _ payload: UnsafeRawBufferPointer) -> Bool {
        switch type {
        case .key: return KeyFact(payload).map { applyKey($0) } ?? false
        case .ownPrice:
            guard let price = OwnPriceFact(payload) else { return false }
            shelf.apply(price)
            return true
        case .cataloguePart: return CataloguePartFact(payload).map { shelf.apply($0) } ?? false
        case .priceBook:
            guard let book = PriceBookFact(payload) else { return false }
            shelf.apply(book)
            return true
        case .run:
            guard let run = RunFact(payload), run.operation == .begun else { return false }
            return replay(run, at: .start)
        default: return false
        }
    }

    private mutating func restoreAccount(_ reader: inout ByteReader) -> Bool {
        let reference = reader.varint()
        guard !reader.failed, reference != UInt64(noString), reference <= UInt64(StringID.max), isKnown(StringID(reference)),
            accounts.account(StringID(reference)) == nil
        else { return false }
        let row = row(of: StringID(reference))
        row.pointee.registered = reader.byte() == 1
        row.pointee.events = reader.count()
        row.pointee.unpriced = reader.count()
        row.pointee.cost = reader.wide()
        row.pointee.revenue = reader.wide()
        return true
    }

    /// What is known of the run that the record before it began.
    private mutating func restoreRun(_ reader: inout ByteReader) -> Bool {
        guard let last = runs.indices.last, runs[last].begin == .start else { return false }
        runs[last].begin = JournalPosition(raw: reader.integer(UInt64.self))
        let end = reader.integer(UInt64.self)
        let endedAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        if end != 0 {
            runs[last].end = JournalPosition(raw: end)
            runs[last].endedAt = endedAt
        }
        runs[last].reversedBy = UInt32(clamping: reader.varint())
        runs[last].events = reader.count()
        runs[last].newlyPriced = reader.count()
        runs[last].before = MoneyTotal(picodollars: reader.wide())
        runs[last].after = MoneyTotal(picodollars: reader.wide())
        return true
    }

    private mutating func restoreTotals(_ reader: inout ByteReader) -> Bool {
        hasPricedAll = reader.byte() == 1
        let sequence = reader.integer(UInt64.self)
        guard sequence >= 1, sequence < .max else { return false }
        continueSequences(at: sequence)
        totalEvents = reader.fixedCount()
        totalUnpriced = reader.fixedCount()
        totalCost = MoneyTotal(picodollars: reader.wide())
        totalRevenue = MoneyTotal(picodollars: reader.wide())
        return true
    }

    /// Whether what records say of each other holds.
    var isSound: Bool { runs.allSatisfy { Int($0.reversedBy) <= runs.count && $0.begin != .start } }
}

extension StoredResponses {
    borrowing func save(to writer: inout CheckpointWriter) throws(StorageError) {
        try forEach { (scope, position, at) throws(StorageError) in
            try writer.add {
                $0.append(.response) {
                    $0.append(littleEndian: scope)
                    $0.append(littleEndian: position.raw)
                    $0.append(littleEndian: at.nanoseconds)
                }
            }
        }
    }
}

extension DedupIndex {
    /// Keys that are in memory: those on disk stay there.
    borrowing func save(to writer: inout CheckpointWriter) throws(StorageError) {
        for i in 0..<sealedCount {
            let table = sealed[i]
            try DedupIndex.save(table.table.pointee, isSealed: true, table.from, table.to, table.batch, to: &writer)
        }
        try DedupIndex.save(
            hot, isSealed: false, hotFrom, JournalPosition(raw: max(lastPosition.raw + 1, hotFrom.raw)), lastBatch, to: &writer)
    }

    private static func save(
        _ table: borrowing KeyTable, isSealed: Bool, _ from: JournalPosition, _ to: JournalPosition, _ batch: JournalPosition,
        to writer: inout CheckpointWriter
    ) throws(StorageError) {
        var keys = ByteWriter(capacity: 16 * 1024)
        for shard in 0..<KeyTable.shardCount {
            keys.reset()
            table.forEach(inShard: shard) {
                keys.append(littleEndian: $0.fingerprint)
                keys.append(littleEndian: $0.position)
            }
            let piece = Limits.checkpointRecordBytes / 2
            for start in stride(from: 0, to: keys.count, by: piece) {
                let part = UnsafeRawBufferPointer(rebasing: keys.bytes[start..<min(start + piece, keys.count)])
                try writer.add { $0.append(.keys, part) }
            }
        }
        try writer.add {
            $0.append(.table) {
                $0.append(isSealed ? UInt8(1) : 0)
                $0.append(littleEndian: from.raw)
                $0.append(littleEndian: to.raw)
                $0.append(littleEndian: batch.raw)
            }
        }
    }

    /// Keys of the next table; those that a file has already are left out.
    mutating func restoreKeys(_ reader: inout ByteReader, before end: JournalPosition) -> Bool {
        guard reader.remaining % 16 == 0 else { return false }
        var isFirst = true
        let count = reader.remaining / 16
        while !reader.atEnd {
            let fingerprint = reader.integer(UInt64.self)
            let position = JournalPosition(raw: reader.integer(UInt64.self))
            guard position.raw != 0, position < end else { return false }
            // A record has keys of one shard.
            if isFirst { hot.reserve(count, shardOf: fingerprint) }
            isFirst = false
            if !covers(position) { hot.insert(fingerprint, position, expiredBefore: expiredBefore.raw) }
        }
        return true
    }

    /// The keys restored so far make up this table.
    mutating func restoreTable(isSealed: Bool, from: JournalPosition, to: JournalPosition, batch: JournalPosition) -> CheckpointFault? {
        guard from <= to else { return .record }
        guard from <= max(hotFrom, expiredBefore) else { return .keys }
        skipTables(to: from)
        guard isSealed else {
            guard !covers(to) || hot.count == 0 else { return .record }
            continueTable(to: to, batch: batch)
            return nil
        }
        guard hot.count > 0 else {
            // Its keys are in files, or have left the window.
            guard to <= max(hotFrom, expiredBefore) else { return .record }
            skipTables(to: to)
            return nil
        }
        guard to > hotFrom, store != nil, sealedCount < Limits.dedupSealedTables else { return .record }
        seal(to: to, batch: batch)
        return nil
    }
}

extension DedupWindow {
    /// `wall` is the time now: what passes until a start counts as the time between two batches does.
    func save(to output: inout ByteWriter, at wall: Timestamp) {
        output.append(littleEndian: clock)
        output.append(littleEndian: wall.nanoseconds)
        output.append(littleEndian: reached.raw)
        for mark in marks {
            output.append(littleEndian: mark.at)
            output.append(littleEndian: mark.position.raw)
        }
    }

    /// False when the bytes are not those of a window.
    mutating func restore(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var reader = ByteReader(bytes)
        clock = reader.integer(Int64.self)
        lastBatch = Timestamp(nanoseconds: reader.integer(Int64.self))
        reached = JournalPosition(raw: reader.integer(UInt64.self))
        guard !reader.failed, reader.remaining % 16 == 0, clock >= 0, clock < Int64.max / 2 else { return false }
        marks = []
        while !reader.atEnd {
            let mark = Mark(at: reader.integer(Int64.self), position: JournalPosition(raw: reader.integer(UInt64.self)))
            if let last = marks.last, mark.at < last.at || mark.position < last.position { return false }
            guard mark.at >= 0, mark.at <= clock else { return false }
            marks.append(mark)
        }
        return true
    }
}
