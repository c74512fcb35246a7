// BooksWriter: the one connection that writes books.db and checkpoints it.
//
// A flush is one transaction. Single customers' rows are written by the hour; their days, months and totals are summed up from
// closed hours later, in slices of some thousand rows (`Rolled` says how far that has come), because an hour that goes on would
// touch each of them again with every flush. An event of an hour that is summed up already is written to all of them at once. Rows
// of all customers together are few: they are written for every span with every flush.

internal import CSQLite
internal import Core
internal import Journal

/// Which rows by the hour are in those of days, months and totals, too: those before this customer of this hour.
struct Rolled: Equatable, Sendable {
    var hour: Int32 = 0
    var customer: StringID = 0

    @inline(__always) func holds(_ hour: Int32, _ customer: StringID) -> Bool {
        hour < self.hour || hour == self.hour && customer < self.customer
    }
}

final class BooksWriter {
    /// Rows by the hour that are summed up in one transaction.
    private static let rolledRows = 16384

    let database: Database
    private let upsert: Statement
    private let putChunk: Statement
    private let putCorrection: Statement
    private let putMeta: Statement
    private let putName: Statement
    private let putCustomer: Statement
    private let readUnrolled: Statement
    private(set) var rolled = Rolled()

    /// `database` is the file, prepared.
    init(_ database: Database, rolled: Rolled) throws(SQLiteError) {
        self.database = database
        self.rolled = rolled
        upsert = try Statement(database, Schema.upsert)
        putChunk = try Statement(database, "INSERT OR REPLACE INTO chunks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        putCorrection = try Statement(database, "INSERT OR REPLACE INTO corrections VALUES(?1, ?2, ?3, ?4)")
        putMeta = try Statement(database, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)")
        putName = try Statement(database, "INSERT OR REPLACE INTO names VALUES(?1, ?2)")
        putCustomer = try Statement(database, "INSERT OR REPLACE INTO customers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
        readUnrolled = try Statement(
            database,
            Schema.readRollups + """
                 WHERE span = 0 AND (start, customer) >= (?1, ?2) AND start < ?3
                ORDER BY start, customer, feature, model, provider, event_name
                """)
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
        // Of hours that are summed up already.
        var late = CellTable()
        let rolled = self.rolled
        upsert.bind(1, Schema.Span.hour.rawValue)
        try delta.forEachSorted { (key, figures) throws(SQLiteError) in
            try write(key, figures)
            if rolled.holds(key.hour, key.customer) { late.add(figures, to: late.find(key)) }
        }
        delta.forEachTogether { together.add($1, to: together.find($0)) }
        try write(together, .hour, .together)
        try writeCoarse(together, .together)
        try writeCoarse(late, .each)
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
        bind(figures.usageUnits, 10)
        bind(figures.inputTokens, 12)
        bind(figures.outputTokens, 14)
        bind(figures.cost, 16)
        bind(figures.revenue, 18)
        try upsert.run()
    }

    private func bind(_ total: Int128, _ index: Int32) {
        let split = SplitSum(total)
        upsert.bind(index, split.high)
        upsert.bind(index + 1, split.low)
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

    /// Sums up the hours before `end`, slice by slice, until `mustEnd`.
    func roll(to end: Int32, _ mustEnd: () -> Bool) throws(SQLiteError) {
        while rolled.hour < end, !mustEnd() {
            var next = rolled
            try transaction { () throws(SQLiteError) in next = try rollSlice(to: end) }
            rolled = next
            database.checkpoint()
        }
    }

    private func rollSlice(to end: Int32) throws(SQLiteError) -> Rolled {
        var hours = CellTable(capacity: 1024)
        var next = Rolled(hour: end, customer: 0)
        var last = Rolled()
        var rows = 0
        readUnrolled.bind(1, Int64(rolled.hour))
        readUnrolled.bind(2, Int64(rolled.customer))
        readUnrolled.bind(3, Int64(end))
        defer { readUnrolled.reset() }
        while try readUnrolled.step() {
            var key = Books.key(readUnrolled)
            let place = Rolled(hour: key.hour, customer: key.customer)
            // A slice ends where a customer of an hour does.
            if rows >= BooksWriter.rolledRows, place != last {
                next = place
                break
            }
            last = place
            rows += 1
            key.hour = key.hour / 24 * 24
            hours.add(Books.figures(readUnrolled), to: hours.find(key))
        }
        readUnrolled.reset()
        try writeCoarse(hours, .each)
        try put("rolled_hour", Int64(next.hour))
        try put("rolled_customer", Int64(next.customer))
        return next
    }
}
