// Books: the file books.db as queries read it, and how it is opened, or made anew when it cannot be trusted.
//
// There are two connections. This one only reads, on the thread of the queries: within `reading` it sees the file as it was at one
// moment, between two transactions of the other one (`BooksWriter`), which alone writes and checkpoints.
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
    let readRange: Statement
    let readCustomer: Statement
    let nextStart: Statement
    private let readChunks: Statement
    private let readChunksOnward: Statement
    let readCorrections: Statement
    private let readMeta: Statement
    let readRecent: Statement
    /// Raised whenever they change; as of the last `reading`.
    private var bucketsVersion: Int64 = 0
    private var buckets: (version: Int64, table: RecentBuckets)?

    private init(_ path: String, faults: Faults) throws(SQLiteError) {
        database = try Database(path: path, isReader: true, faults: faults)
        // Other programs' reasons to wait are none of ours, and nothing here is read twice soon: a small cache will do.
        try database.execute(
            "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
        lookups = try Lookups(database)
        readMeta = try Statement(database, "SELECT value FROM meta WHERE key = ?1")
        readCorrections = try Statement(database, Schema.readCorrections)
        readRange = try Statement(database, Schema.readRollups + " WHERE span = ?1 AND start >= ?2 AND start < ?3")
        readCustomer = try Statement(database, Schema.readRollups + " WHERE span = ?1 AND start = ?2 AND customer = ?3")
        readRecent = try Statement(database, Schema.readRecent)
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

    /// The two connections.
    typealias Pair = (books: Books, writer: BooksWriter)

    /// Opens the file when it can be trusted, else makes it anew; the second value is then why.
    static func openOrCreate(_ path: String, journal: JournalID) throws(SQLiteError) -> (Pair, String?) {
        let exists = access(path, F_OK) == 0
        guard exists else { return (try create(path, journal: journal), nil) }
        do {
            return (try open(path, journal: journal, isNew: false), nil)
        } catch {
            guard error.meansDamage else { throw error }
            return (try create(path, journal: journal), error.message)
        }
    }

    /// Deletes what is there and makes an empty file.
    static func create(_ path: String, journal: JournalID) throws(SQLiteError) -> Pair {
        for suffix in ["", "-wal", "-shm", "-journal"] where unlink(path + suffix) != 0 && errno != ENOENT {
            throw SQLiteError(code: SQLITE_CANTOPEN, message: "cannot delete \(path + suffix): errno \(errno)")
        }
        return try open(path, journal: journal, isNew: true)
    }

    private static func open(_ path: String, journal: JournalID, isNew: Bool) throws(SQLiteError) -> Pair {
        let faults = Faults()
        let database = try Database(path: path, faults: faults)
        try prepare(database, journal: journal, isNew: isNew)
        return (try Books(path, faults: faults), try BooksWriter(database))
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

    /// Reads the file as it is now, and goes on seeing it so until `body` returns. The value is how far it goes.
    func reading<R, E>(_ body: (JournalPosition) throws(E) -> R) throws(E) -> R where E: SQLiteFailure {
        do throws(SQLiteError) {
            try database.execute("BEGIN")
        } catch {
            throw E(error)
        }
        defer { sqlite3_exec(database.handle, "COMMIT", nil, nil, nil) }
        let position: JournalPosition
        do throws(SQLiteError) {
            position = JournalPosition(raw: UInt64(bitPattern: try meta("position")))
            bucketsVersion = try meta("buckets")
        } catch {
            throw E(error)
        }
        return try body(position)
    }

    private func meta(_ key: StaticString) throws(SQLiteError) -> Int64 {
        readMeta.bind(1, text: UnsafeRawBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        defer { readMeta.reset() }
        return try readMeta.step() ? readMeta.integer(0) : 0
    }

    /// What rows of `recent` are counted by. Within `reading`.
    func recentBuckets() throws(SQLiteError) -> RecentBuckets {
        if let buckets, buckets.version == bucketsVersion { return buckets.table }
        let table = try RecentBuckets(database)
        buckets = (bucketsVersion, table)
        return table
    }

    /// First hour of the month that an hour (not before 1970) is in.
    static func monthStart(_ hour: Int32) -> Int32 {
        let date = CivilDate(daysSinceEpoch: Int(hour / 24))
        return Int32(CivilDate(year: date.year, month: date.month, day: 1).daysSinceEpoch * 24)
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

    /// Stored chunks that start before `position`, may hold events of this time and all of `probes` and start below this sequence,
    /// newest first, until `visit` returns false. Their filters are asked where they stand in the file's memory and not handed on.
    func forEachChunk(
        before position: JournalPosition, from: Int64, to: Int64, below sequence: UInt64, probes: [ChunkProbe],
        _ visit: (Chunk) throws(QueryError) -> Bool
    ) throws(QueryError) {
        readChunks.bind(1, Int64(bitPattern: position.raw))
        readChunks.bind(2, from)
        readChunks.bind(3, to)
        readChunks.bind(4, Int64(clamping: sequence))
        defer { readChunks.reset() }
        while try QueryError.wrap({ () throws(SQLiteError) in try readChunks.step() }) {
            guard probes.isEmpty || Books.mayHold(readChunks, probes) else { continue }
            guard try visit(Books.chunk(readChunks, withFilter: false)) else { return }
        }
    }

    private static func mayHold(_ row: Statement, _ probes: [ChunkProbe]) -> Bool {
        let filter = row.bytes(6)
        return probes.allSatisfy { $0.isIn(filter) }
    }

    func lastChunk() throws(SQLiteError) -> Chunk? {
        let last = try Statement(
            database,
            """
            SELECT position, end_position, first_sequence, events, earliest, latest, filter FROM chunks ORDER BY position DESC LIMIT 1
            """)
        return try last.step() ? Books.chunk(last) : nil
    }

    private static func chunk(_ row: Statement, withFilter: Bool = true) -> Chunk {
        var chunk = Chunk(
            at: JournalPosition(raw: UInt64(bitPattern: row.integer(0))), firstSequence: UInt64(bitPattern: row.integer(2)))
        chunk.end = JournalPosition(raw: UInt64(bitPattern: row.integer(1)))
        chunk.events = UInt64(bitPattern: row.integer(3))
        chunk.earliest = row.integer(4)
        chunk.latest = row.integer(5)
        if withFilter { chunk.filter = [UInt8](row.bytes(6)) }
        return chunk
    }
}
