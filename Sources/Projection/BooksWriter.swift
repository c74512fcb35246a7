// BooksWriter: the one connection that writes books.db and checkpoints it.
//
// A flush is one transaction. Single customers' rows are written by the hour, to a table of their own (`Recent`). When an hour is over
// they are moved to the rollups, and summed up into days, months and totals, in slices of some thousand rows: an hour that goes on would
// touch each of them again with every flush. An event of an hour that is over already is written to all of them at once. Rows
// of all customers together are few: they are written for every span with every flush.

internal import CSQLite
internal import Core
internal import Journal

final class BooksWriter {
    /// Rows that are moved and summed up in one transaction, and rows that are looked at for it. Less in tests.
    var rolledRows = 16384
    var searchedRows = 262_144
    /// Rows that are summed up at once, because their hours are over or there are too many buckets, in one go.
    var lateRows = 16384
    var mostBuckets = Limits.projectionBuckets

    let database: Database
    private let upsert: Statement
    private let putChunk: Statement
    private let putCorrection: Statement
    private let putMeta: Statement
    private let putName: Statement
    private let putCustomer: Statement
    private let addRecent: Statement
    private let readRecent: Statement
    private let deleteRecent: Statement
    private let putBucket: Statement
    /// What the file says, and whatever this transaction adds; nil when that is to be read again.
    private var buckets: RecentBuckets?
    /// Hours before it are over: nothing is added to their recent rows any more.
    private var closedBefore: Int32 = 0
    /// Recent rows before it are not of hours before `searchedFor`: what was over when the search for them began.
    private var searched: Int64 = 0
    private var searchedFor: Int32 = 0

    /// `database` is the file, prepared.
    init(_ database: Database) throws(SQLiteError) {
        self.database = database
        upsert = try Statement(database, Schema.upsert)
        putChunk = try Statement(database, "INSERT OR REPLACE INTO chunks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        putCorrection = try Statement(database, "INSERT OR REPLACE INTO corrections VALUES(?1, ?2, ?3, ?4)")
        putMeta = try Statement(database, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)")
        putName = try Statement(database, "INSERT OR REPLACE INTO names VALUES(?1, ?2)")
        putCustomer = try Statement(database, "INSERT OR REPLACE INTO customers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
        addRecent = try Statement(database, Schema.addRecent)
        readRecent = try Statement(database, Schema.readRecent)
        deleteRecent = try Statement(database, "DELETE FROM recent WHERE id = ?1")
        putBucket = try Statement(database, "INSERT INTO buckets VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
    }

    private func put(_ key: String, _ value: Int64) throws(SQLiteError) {
        putMeta.bind(1, copying: Array(key.utf8))
        putMeta.bind(2, value)
        try putMeta.run()
    }

    /// All or nothing.
    private func transaction(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
        try database.execute("BEGIN IMMEDIATE")
        do {
            try body()
            try database.execute("COMMIT")
        } catch {
            if database.inTransaction { sqlite3_exec(database.handle, "ROLLBACK", nil, nil, nil) }
            buckets = nil
            throw error
        }
    }

    // MARK: - Flushing

    /// Writes a flush, moves the WAL into the file, and sums up hours that are over until `mustEnd`. After an error nothing of
    /// the flush is in the file.
    func perform(_ flush: Flush, _ mustEnd: () -> Bool) {
        if !flush.isCommitted {
            do {
                try transaction { () throws(SQLiteError) in try write(flush) }
                flush.isCommitted = true
            } catch {
                flush.error = error
                return
            }
        }
        database.checkpoint()
        do {
            try roll(to: BooksWriter.openHour(flush.state.foldedAt), mustEnd)
        } catch {
            // Nothing is missing without it. The next flush has more to say when it fails as well.
            return
        }
    }

    private func write(_ flush: Flush) throws(SQLiteError) {
        // A commit that said it failed may have been one: once is enough.
        let stored = try database.integer("SELECT value FROM meta WHERE key = 'position'") ?? 0
        guard stored == Int64(bitPattern: flush.from.raw) else { return }
        closedBefore = max(closedBefore, BooksWriter.openHour(flush.state.foldedAt))
        try write(flush.delta)
        try write(flush.lookups)
        for chunk in flush.chunks { try write(chunk) }
        for mark in flush.corrections.marks { try write(mark) }
        if let dropped = flush.dropped { try write(dropped) }
        let state = flush.state
        try put("position", Int64(bitPattern: state.position.raw))
        try put("last_crc", Int64(state.lastCRC))
        try put("folded_at", state.foldedAt.nanoseconds)
        try put("earliest", state.earliest)
        try put("latest", state.latest)
        try put("events", Int64(bitPattern: state.events))
    }

    private func write(_ delta: borrowing DeltaTable) throws(SQLiteError) {
        var together = CellTable()
        // Of hours that are over, or without a number.
        var late = CellTable()
        let numbers = try numbers(delta.allBuckets)
        try delta.forEachRecent(numbers) { (id, figures) throws(SQLiteError) in try write(id, figures) }
        try delta.forEachLate(numbers) { (key, figures) throws(SQLiteError) in
            late.add(figures, to: late.find(key))
            if late.count >= lateRows { try writeLate(&late) }
        }
        try delta.forEachWide { (key, figures) throws(SQLiteError) in
            if let number = buckets?.number(Bucket(key)), key.hour >= closedBefore {
                return try write(RecentKey.id(key.customer, number), figures)
            }
            late.add(figures, to: late.find(key))
            if late.count >= lateRows { try writeLate(&late) }
        }
        try writeLate(&late)
        delta.forEachTogether { together.add($1, to: together.find($0)) }
        try write(together, .hour, .together)
        try writeCoarse(together, .together)
    }

    /// Writes rows of every span, and empties the table.
    private func writeLate(_ late: inout CellTable) throws(SQLiteError) {
        try write(late, .hour, .each)
        try writeCoarse(late, .each)
        late.reset()
    }

    /// Adds to days, months and totals. Each is summed in memory first: fewer rows to touch than the one before.
    private func writeCoarse(_ hours: borrowing CellTable, _ rows: Schema.Rows) throws(SQLiteError) {
        guard !hours.isEmpty else { return }
        var days = CellTable(capacity: min(hours.count, 4096))
        for cell in hours.all { days.merge(cell, start: cell.key.hour / 24 * 24) }
        try write(days, .day, rows)
        var months = CellTable(capacity: min(days.count, 4096))
        for cell in days.all { months.merge(cell, start: Books.monthStart(cell.key.hour)) }
        try write(months, .month, rows)
        var totals = CellTable(capacity: min(months.count, 4096))
        for cell in months.all { totals.merge(cell, start: 0) }
        try write(totals, .all, rows)
        guard rows == .each else { return }
        try writeCustomers(days, .day)
        try writeCustomers(months, .month)
        try writeCustomers(totals, .all)
    }

    /// The same whatever the events were for: a question by customer alone then reads one row of each.
    private func writeCustomers(_ table: borrowing CellTable, _ span: Schema.Span) throws(SQLiteError) {
        var customers = CellTable(capacity: min(table.count, 4096))
        for cell in table.all {
            var key = CellKey()
            key.hour = cell.key.hour
            key.customer = cell.key.customer
            customers.add(cell.figures, to: customers.find(key))
        }
        try write(customers, span, .customers)
    }

    /// The numbers of buckets among the recent ones; `none` for those of hours that are over, and when there are too many.
    private func numbers(_ all: [Bucket]) throws(SQLiteError) -> [UInt32] {
        var known = try knownBuckets()
        // One owner: no copy when it grows.
        buckets = nil
        var numbers = [UInt32](repeating: RecentBuckets.none, count: all.count)
        var isNew = false
        for (place, bucket) in all.enumerated() where bucket.hour >= closedBefore {
            if let number = known.number(bucket) {
                numbers[place] = number
                continue
            }
            guard known.count < mostBuckets else { continue }
            let number = known.add(bucket)
            numbers[place] = number
            isNew = true
            putBucket.bind(1, Int64(number))
            putBucket.bind(2, Int64(bucket.hour))
            putBucket.bind(3, Int64(bucket.feature))
            putBucket.bind(4, Int64(bucket.model))
            putBucket.bind(5, Int64(bucket.provider))
            putBucket.bind(6, Int64(bucket.eventName))
            try putBucket.run()
        }
        if isNew { try bucketsChanged(known) } else { buckets = known }
        return numbers
    }

    private func knownBuckets() throws(SQLiteError) -> RecentBuckets {
        if let buckets { return buckets }
        let known = try RecentBuckets(database)
        buckets = known
        return known
    }

    /// So that readers see it, too.
    private func bucketsChanged(_ known: RecentBuckets) throws(SQLiteError) {
        buckets = known
        try database.execute("UPDATE meta SET value = value + 1 WHERE key = 'buckets'")
    }

    private func write(_ id: Int64, _ figures: borrowing Figures) throws(SQLiteError) {
        addRecent.bind(1, id)
        addRecent.bind(2, figures.events)
        addRecent.bind(3, figures.unpriced)
        addRecent.bind(figures.usageUnits, 4)
        addRecent.bind(figures.inputTokens, 6)
        addRecent.bind(figures.outputTokens, 8)
        addRecent.bind(figures.cost, 10)
        addRecent.bind(figures.revenue, 12)
        try addRecent.run()
    }

    private func write(_ table: borrowing CellTable, _ span: Schema.Span, _ rows: Schema.Rows) throws(SQLiteError) {
        upsert.bind(1, span.code(rows))
        // In the order of the primary key, so that neighbours share pages.
        for number in table.sortedByKey() { try write(table.all[number].key, table.all[number].figures) }
    }

    private func write(_ key: CellKey, _ figures: borrowing Figures) throws(SQLiteError) {
        upsert.bind(2, Int64(key.hour))
        upsert.bind(3, Int64(key.customer))
        upsert.bind(4, Int64(key.feature))
        upsert.bind(5, Int64(key.model))
        upsert.bind(6, Int64(key.provider))
        upsert.bind(7, Int64(key.eventName))
        upsert.bind(8, figures.events)
        upsert.bind(9, figures.unpriced)
        upsert.bind(figures.usageUnits, 10)
        upsert.bind(figures.inputTokens, 12)
        upsert.bind(figures.outputTokens, 14)
        upsert.bind(figures.cost, 16)
        upsert.bind(figures.revenue, 18)
        try upsert.run()
    }

    private func write(_ lookups: LookupDelta) throws(SQLiteError) {
        try lookups.forEachName { (id, text) throws(SQLiteError) in
            putName.bind(1, Int64(id))
            putName.bind(2, copying: text)
            try putName.run()
        }
        for customer in lookups.newCustomers { try write(customer) }
        for origin in lookups.changed.keys.sorted() {
            if let customer = lookups.changed[origin] { try write(customer) }
        }
    }

    private func write(_ customer: Customer) throws(SQLiteError) {
        putCustomer.bind(1, customer.origin)
        if customer.reference == noString { putCustomer.bindNull(2) } else { putCustomer.bind(2, Int64(customer.reference)) }
        putCustomer.bind(3, customer.source)
        putCustomer.bind(4, customer.createdAt.nanoseconds)
        putCustomer.bind(5, customer.modifiedAt.nanoseconds)
        for (place, text) in [customer.firstName, customer.lastName, customer.email, customer.phoneNumber].enumerated() {
            if let text { putCustomer.bind(Int32(place) + 6, copying: text) } else { putCustomer.bindNull(Int32(place) + 6) }
        }
        try putCustomer.run()
    }

    private func write(_ chunk: Chunk) throws(SQLiteError) {
        putChunk.bind(1, Int64(bitPattern: chunk.position.raw))
        putChunk.bind(2, Int64(bitPattern: chunk.end.raw))
        putChunk.bind(3, Int64(bitPattern: chunk.firstSequence))
        putChunk.bind(4, Int64(bitPattern: chunk.events))
        putChunk.bind(5, chunk.earliest)
        putChunk.bind(6, chunk.latest)
        putChunk.bind(7, blob: chunk.filter)
        try putChunk.run()
    }

    private func write(_ mark: CorrectionMark) throws(SQLiteError) {
        putCorrection.bind(1, Int64(bitPattern: mark.sequence))
        putCorrection.bind(2, Int64(bitPattern: mark.position.raw))
        putCorrection.bind(3, mark.flags)
        putCorrection.bind(4, mark.cost)
        try putCorrection.run()
    }

    private func write(_ dropped: Dropped) throws(SQLiteError) {
        let insert = try Statement(database, "INSERT OR IGNORE INTO dropped_hours VALUES(?1)")
        for hour in dropped.unstored {
            insert.bind(1, Int64(hour))
            try insert.run()
        }
        try put("dropped_kept_from", Int64(bitPattern: dropped.keptFrom.raw))
        try put("dropped_events", Int64(bitPattern: dropped.events))
        try put("dropped_next_sequence", Int64(bitPattern: dropped.nextSequence))
        // Nobody asks for them any more.
        for (table, column) in [("chunks", "end_position"), ("corrections", "position")] {
            let delete = try Statement(database, "DELETE FROM \(table) WHERE \(column) <= ?1")
            delete.bind(1, Int64(bitPattern: dropped.keptFrom.raw))
            try delete.run()
        }
    }

    // MARK: - Summing up

    /// The first hour that is not summed up when the journal has come to `time`: the one that goes on, and the one before it for
    /// what comes late.
    static func openHour(_ time: Timestamp) -> Int32 { Int32(max(0, time.nanoseconds / Timestamp.nanosecondsPerHour - 1)) }

    /// Moves the hours before `end` and sums them up, slice by slice, until `mustEnd`.
    func roll(to end: Int32, _ mustEnd: () -> Bool) throws(SQLiteError) {
        closedBefore = max(closedBefore, end)
        while try knownBuckets().firstHour < closedBefore, !mustEnd() {
            var next = (searched, searchedFor)
            try transaction { () throws(SQLiteError) in next = try rollSlice() }
            (searched, searchedFor) = next
            database.checkpoint()
        }
    }

    /// The result is where the next slice begins, and for which hours.
    private func rollSlice() throws(SQLiteError) -> (Int64, Int32) {
        var known = try knownBuckets()
        let end = searched == 0 ? closedBefore : searchedFor
        let closed = known.all.map { $0.map { $0.hour < end } ?? false }
        var hours = CellTable(capacity: 1024)
        var moved: [Int64] = []
        var looked = 0
        var next: Int64?
        readRecent.bind(1, searched)
        readRecent.bind(2, Int64.max)
        defer { readRecent.reset() }
        while try readRecent.step() {
            let id = readRecent.integer(0)
            if moved.count >= rolledRows || looked >= searchedRows {
                next = id
                break
            }
            looked += 1
            let number = RecentKey.bucket(id)
            guard number < closed.count, closed[number], let bucket = known.all[number] else { continue }
            var key = CellKey(bucket)
            key.customer = RecentKey.customer(id)
            hours.add(Books.figures(readRecent, at: 1), to: hours.find(key))
            moved.append(id)
        }
        readRecent.reset()
        for id in moved {
            deleteRecent.bind(1, id)
            try deleteRecent.run()
        }
        try write(hours, .hour, .each)
        try writeCoarse(hours, .each)
        if let next { return (next, end) }
        // All of them are moved.
        buckets = nil
        known.remove(before: end)
        try database.execute("DELETE FROM buckets WHERE start < \(end)")
        try bucketsChanged(known)
        return (0, end)
    }
}

extension Statement {
    /// A sum in two columns.
    fileprivate func bind(_ total: Int128, _ index: Int32) {
        let split = SplitSum(total)
        bind(index, split.high)
        bind(index + 1, split.low)
    }
}
