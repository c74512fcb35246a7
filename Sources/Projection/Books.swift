// Books: the file books.db: opening it, or making it anew when it cannot be trusted, and the one transaction that changes it.
//
// A stored file is used only when it is whole (`PRAGMA quick_check`), of this schema and of this journal; anything else is
// deleted with its `-wal` and `-shm`. WAL with synchronous=NORMAL: after a power loss the file may be older than its last
// flush, never torn, and what is missing is read again from the journal.

internal import CSQLite
internal import Core
import Glibc
internal import Journal

/// What the file says it holds.
struct BooksState {
    var position = JournalPosition.start
    var lastCRC: UInt32 = 0
    var foldedAt = Timestamp(nanoseconds: 0)
    var earliest = Int64.max
    var latest = Int64.min
    var events: UInt64 = 0
}

final class Books {
    /// Result code of a file that is sound but of no use: another version or another journal.
    private static let useless: Int32 = SQLITE_MISMATCH

    let database: Database
    let lookups: Lookups
    private let upsert: Statement
    private let putChunk: Statement
    private let putCorrection: Statement
    private let putMeta: Statement
    let readRange: Statement
    let readCustomer: Statement
    let nextStart: Statement
    private let readChunks: Statement
    private let readChunksOnward: Statement
    let readCorrections: Statement
    private let path: String

    private init(_ path: String, journal: JournalID, isNew: Bool) throws(SQLiteError) {
        self.path = path
        database = try Database(path: path)
        try Books.prepare(database, journal: journal, isNew: isNew)
        lookups = try Lookups(database)
        upsert = try Statement(database, Schema.upsert)
        putChunk = try Statement(database, "INSERT OR REPLACE INTO chunks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        putCorrection = try Statement(database, "INSERT OR REPLACE INTO corrections VALUES(?1, ?2, ?3, ?4)")
        readCorrections = try Statement(database, Schema.readCorrections)
        putMeta = try Statement(database, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)")
        readRange = try Statement(database, Schema.readRollups + " WHERE span = ?1 AND start >= ?2 AND start < ?3")
        readCustomer = try Statement(database, Schema.readRollups + " WHERE span = ?1 AND start = ?2 AND customer = ?3")
        nextStart = try Statement(
            database, "SELECT start FROM rollups WHERE span = ?1 AND start >= ?2 AND start < ?3 ORDER BY start LIMIT 1")
        readChunks = try Statement(
            database,
            """
            SELECT position, end_position, first_sequence, events, earliest, latest, filter FROM chunks
            WHERE position < ?1 AND latest >= ?2 AND earliest < ?3 AND first_sequence < ?4 ORDER BY position DESC
            """)
        readChunksOnward = try Statement(
            database,
            """
            SELECT position, end_position, first_sequence, events, earliest, latest, filter FROM chunks
            WHERE position >= coalesce((SELECT max(position) FROM chunks WHERE position <= ?1), 0) AND position < ?2 ORDER BY position
            """)
    }

    /// Opens the file when it can be trusted, else makes it anew; the second value is then why.
    static func openOrCreate(_ path: String, journal: JournalID) throws(SQLiteError) -> (Books, String?) {
        let exists = access(path, F_OK) == 0
        guard exists else { return (try create(path, journal: journal), nil) }
        do {
            return (try Books(path, journal: journal, isNew: false), nil)
        } catch {
            guard error.meansDamage else { throw error }
            return (try create(path, journal: journal), error.message)
        }
    }

    /// Deletes what is there and makes an empty file.
    static func create(_ path: String, journal: JournalID) throws(SQLiteError) -> Books {
        for suffix in ["", "-wal", "-shm", "-journal"] where unlink(path + suffix) != 0 && errno != ENOENT {
            throw SQLiteError(code: SQLITE_CANTOPEN, message: "cannot delete \(path + suffix): errno \(errno)")
        }
        return try Books(path, journal: journal, isNew: true)
    }

    private static func prepare(_ database: Database, journal: JournalID, isNew: Bool) throws(SQLiteError) {
        try database.execute(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;
            PRAGMA cache_size = -4096; PRAGMA journal_size_limit = 16777216; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON
            """)
        if isNew {
            try database.execute("BEGIN IMMEDIATE; \(Schema.create); COMMIT")
            try database.execute("INSERT INTO meta VALUES('journal', '\(journal.description)')")
            return
        }
        let version = try database.integer("PRAGMA user_version")
        guard version == Schema.version, try database.integer("PRAGMA application_id") == Schema.applicationID else {
            throw SQLiteError(code: useless, message: "schema version \(version ?? 0) instead of \(Schema.version)")
        }
        let owner = try Statement(database, "SELECT value FROM meta WHERE key = 'journal'")
        guard try owner.step(), String(decoding: owner.bytes(0), as: UTF8.self) == journal.description else {
            throw SQLiteError(code: useless, message: "made from another journal")
        }
        let check = try Statement(database, "PRAGMA quick_check(1)")
        guard try check.step(), String(decoding: check.bytes(0), as: UTF8.self) == "ok" else {
            throw SQLiteError(code: SQLITE_CORRUPT, message: "the quick check found damage")
        }
    }

    // MARK: - State

    func state() throws(SQLiteError) -> BooksState {
        var state = BooksState()
        let rows = try Statement(database, "SELECT key, value FROM meta")
        while try rows.step() {
            let value = rows.integer(1)
            switch String(decoding: rows.bytes(0), as: UTF8.self) {
            case "position": state.position = JournalPosition(raw: UInt64(bitPattern: value))
            case "last_crc": state.lastCRC = UInt32(truncatingIfNeeded: value)
            case "folded_at": state.foldedAt = Timestamp(nanoseconds: value)
            case "earliest": state.earliest = value
            case "latest": state.latest = value
            case "events": state.events = UInt64(bitPattern: value)
            default: break
            }
        }
        return state
    }

    private func put(_ key: String, _ value: Int64) throws(SQLiteError) {
        putMeta.bind(1, copying: Array(key.utf8))
        putMeta.bind(2, value)
        try putMeta.run()
    }

    // MARK: - Flushing

    /// Writes everything since the last flush in one transaction. After an error nothing of it is in the file.
    func flush(_ folder: borrowing Folder, _ dropped: Dropped, _ state: BooksState) throws(SQLiteError) {
        try database.execute("BEGIN IMMEDIATE")
        do {
            try write(folder.delta)
            try lookups.flush()
            for chunk in folder.chunks.unstored { try write(chunk) }
            for mark in folder.corrections.marks { try write(mark) }
            if dropped.isDirty { try write(dropped) }
            try put("position", Int64(bitPattern: state.position.raw))
            try put("last_crc", Int64(state.lastCRC))
            try put("folded_at", state.foldedAt.nanoseconds)
            try put("earliest", state.earliest)
            try put("latest", state.latest)
            try put("events", Int64(bitPattern: state.events))
            try database.execute("COMMIT")
        } catch {
            if database.inTransaction { sqlite3_exec(database.handle, "ROLLBACK", nil, nil, nil) }
            throw error
        }
        lookups.flushed()
    }

    private func write(_ delta: borrowing CellTable) throws(SQLiteError) {
        try writeSpans(delta, allCustomers: false)
        var together = CellTable()
        for cell in delta.all {
            var key = cell.key
            key.customer = noString
            together.add(cell.figures, to: together.find(key))
        }
        try writeSpans(together, allCustomers: true)
    }

    private func writeSpans(_ hours: borrowing CellTable, allCustomers: Bool) throws(SQLiteError) {
        try write(hours, .hour, allCustomers)
        // Each coarser table is summed in memory first: fewer rows to touch than the one before.
        var days = CellTable(capacity: min(hours.count, 4096))
        for cell in hours.all { days.merge(cell, start: cell.key.hour / 24 * 24) }
        try write(days, .day, allCustomers)
        var months = CellTable(capacity: min(days.count, 4096))
        for cell in days.all { months.merge(cell, start: Books.monthStart(cell.key.hour)) }
        try write(months, .month, allCustomers)
        var totals = CellTable(capacity: min(months.count, 4096))
        for cell in months.all { totals.merge(cell, start: 0) }
        try write(totals, .all, allCustomers)
    }

    /// First hour of the month that an hour (not before 1970) is in.
    static func monthStart(_ hour: Int32) -> Int32 {
        let date = CivilDate(daysSinceEpoch: Int(hour / 24))
        return Int32(CivilDate(year: date.year, month: date.month, day: 1).daysSinceEpoch * 24)
    }

    private func write(_ table: borrowing CellTable, _ span: Schema.Span, _ allCustomers: Bool) throws(SQLiteError) {
        upsert.bind(1, span.code(allCustomers: allCustomers))
        // In the order of the primary key, so that neighbours share pages.
        for number in table.sortedByKey() {
            let cell = table.all[number]
            upsert.bind(2, Int64(cell.key.hour))
            upsert.bind(3, Int64(cell.key.customer))
            upsert.bind(4, Int64(cell.key.feature))
            upsert.bind(5, Int64(cell.key.model))
            upsert.bind(6, Int64(cell.key.provider))
            upsert.bind(7, Int64(cell.key.eventName))
            upsert.bind(8, cell.figures.events)
            upsert.bind(9, cell.figures.unpriced)
            bind(cell.figures.usageUnits, 10)
            bind(cell.figures.inputTokens, 12)
            bind(cell.figures.outputTokens, 14)
            bind(cell.figures.cost, 16)
            bind(cell.figures.revenue, 18)
            try upsert.run()
        }
    }

    private func bind(_ total: Int128, _ index: Int32) {
        let split = SplitSum(total)
        upsert.bind(index, split.high)
        upsert.bind(index + 1, split.low)
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

    // MARK: - What was dropped

    func dropped() throws(SQLiteError) -> Dropped {
        var dropped = Dropped()
        let rows = try Statement(database, "SELECT key, value FROM meta WHERE key LIKE 'dropped%'")
        while try rows.step() {
            let value = UInt64(bitPattern: rows.integer(1))
            switch String(decoding: rows.bytes(0), as: UTF8.self) {
            case "dropped_kept_from": dropped.keptFrom = JournalPosition(raw: value)
            case "dropped_events": dropped.events = value
            case "dropped_next_sequence": dropped.nextSequence = value
            default: break
            }
        }
        var hours: [Int32] = []
        let stored = try Statement(database, "SELECT hour FROM dropped_hours ORDER BY hour")
        while try stored.step() { hours.append(Int32(truncatingIfNeeded: stored.integer(0))) }
        dropped.load(hours: hours)
        return dropped
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

    // MARK: - Chunks

    /// Stored chunks before `end`, from the one that holds `place` on, in journal order, until `visit` returns false.
    func forEachChunk(
        from place: JournalPosition, before end: JournalPosition, _ visit: (Chunk) throws(QueryError) -> Bool
    ) throws(QueryError) {
        readChunksOnward.bind(1, Int64(bitPattern: place.raw))
        readChunksOnward.bind(2, Int64(bitPattern: end.raw))
        defer { readChunksOnward.reset() }
        while try QueryError.wrap({ () throws(SQLiteError) in try readChunksOnward.step() }) {
            guard try visit(Books.chunk(readChunksOnward)) else { return }
        }
    }

    /// Stored chunks that start before `position`, may hold events of this time and start below this sequence, newest first,
    /// until `visit` returns false.
    func forEachChunk(
        before position: JournalPosition, from: Int64, to: Int64, below sequence: UInt64,
        _ visit: (Chunk) throws(QueryError) -> Bool
    ) throws(QueryError) {
        readChunks.bind(1, Int64(bitPattern: position.raw))
        readChunks.bind(2, from)
        readChunks.bind(3, to)
        readChunks.bind(4, Int64(clamping: sequence))
        defer { readChunks.reset() }
        while try QueryError.wrap({ () throws(SQLiteError) in try readChunks.step() }) {
            guard try visit(Books.chunk(readChunks)) else { return }
        }
    }

    func lastChunk() throws(SQLiteError) -> Chunk? {
        let last = try Statement(
            database,
            """
            SELECT position, end_position, first_sequence, events, earliest, latest, filter FROM chunks ORDER BY position DESC LIMIT 1
            """)
        return try last.step() ? Books.chunk(last) : nil
    }

    private static func chunk(_ row: Statement) -> Chunk {
        var chunk = Chunk(
            at: JournalPosition(raw: UInt64(bitPattern: row.integer(0))), firstSequence: UInt64(bitPattern: row.integer(2)))
        chunk.end = JournalPosition(raw: UInt64(bitPattern: row.integer(1)))
        chunk.events = UInt64(bitPattern: row.integer(3))
        chunk.earliest = row.integer(4)
        chunk.latest = row.integer(5)
        chunk.filter = [UInt8](row.bytes(6))
        return chunk
    }
}
