// Database: one connection to one SQLite file, and its statements.
//
// Guarantees: every failure is a typed error with SQLite's own code; every value reaches SQL as a bound parameter, never as
// text of the statement. Refuses nothing by itself: what an error means is decided by `Projection`.
//
// One connection both writes and checkpoints: SQLite before 3.52 can damage a WAL that two connections write and checkpoint at
// once. All others are readers, which SQLite itself keeps from doing either.

internal import CSQLite
internal import Core

/// What SQLite refused, with its (extended) result code.
struct SQLiteError: Error {
    var code: Int32
    var message: String

    /// The file is not what it was, or (the statements being fixed, that is what a plain error means) has not our tables: it
    /// has to be made anew.
    var meansDamage: Bool {
        let primary = code & 0xFF
        return primary == SQLITE_ERROR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_SCHEMA
            || primary == SQLITE_FORMAT
            || primary == SQLITE_MISMATCH
    }
}

/// For tests: a failure to come, of whatever connection meets it.
final class Faults {
    /// After this many more steps one fails with `code`. Negative: never.
    var countdown = -1
    var code: Int32 = SQLITE_IOERR
}

/// An error type that can say what SQLite refused.
protocol SQLiteFailure: Error {
    init(_ error: SQLiteError)
}

extension SQLiteError: SQLiteFailure {
    init(_ error: SQLiteError) { self = error }
}

/// A connection. Used on one thread at a time.
final class Database {
    let handle: OpaquePointer
    let faults: Faults

    /// Opens the file; creates it unless it is only to be read.
    init(path: String, isReader: Bool = false, faults: Faults = Faults()) throws(SQLiteError) {
        self.faults = faults
        var opened: OpaquePointer?
        let access = isReader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw SQLiteError(code: code, message: message)
        }
        handle = opened
    }

    deinit { sqlite3_close_v2(handle) }

    func error(_ code: Int32) -> SQLiteError { SQLiteError(code: code, message: String(cString: sqlite3_errmsg(handle))) }

    /// Runs statements without parameters or results.
    func execute(_ sql: String) throws(SQLiteError) {
        if let fault = injectedFault() { throw fault }
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw error(code) }
    }

    /// The first column of the first row; nil without a row.
    func integer(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try Statement(self, sql)
        return try statement.step() ? statement.integer(0) : nil
    }

    var changes: Int { Int(sqlite3_changes(handle)) }
    /// Whether a transaction is open.
    var inTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Moves the WAL into the file and empties it, as far as readers outside allow.
    func checkpoint() {
        _ = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
    }

    func injectedFault() -> SQLiteError? {
        guard faults.countdown >= 0 else { return nil }
        faults.countdown -= 1
        return faults.countdown < 0 ? SQLiteError(code: faults.code, message: "injected fault") : nil
    }
}

/// A prepared statement. Parameters count from 1, columns from 0.
final class Statement {
    private let database: Database
    private let handle: OpaquePointer

    init(_ database: Database, _ sql: String) throws(SQLiteError) {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw database.error(code) }
        handle = prepared
        self.database = database
    }

    deinit { sqlite3_finalize(handle) }

    func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(handle, index, value) }
    func bindNull(_ index: Int32) { sqlite3_bind_null(handle, index) }

    /// The bytes must stay where they are until `reset`.
    func bind(_ index: Int32, text: UnsafeRawBufferPointer) {
        let start = text.baseAddress?.assumingMemoryBound(to: CChar.self)
        if let start, text.count > 0 {
            sqlite3_bind_text(handle, index, start, Int32(truncatingIfNeeded: text.count), nil)
        } else {
            sqlite3_bind_text(handle, index, "", 0, nil)
        }
    }

    /// Copied by SQLite.
    func bind(_ index: Int32, copying text: [UInt8]) {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        text.withUnsafeBytes { bytes in
            let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            if let start, bytes.count > 0 {
                _ = sqlite3_bind_text(handle, index, start, Int32(truncatingIfNeeded: bytes.count), transient)
            } else {
                _ = sqlite3_bind_text(handle, index, "", 0, nil)
            }
        }
    }

    /// Copied by SQLite.
    func bind(_ index: Int32, blob: [UInt8]) {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        _ = blob.withUnsafeBytes { sqlite3_bind_blob(handle, index, $0.baseAddress, Int32(truncatingIfNeeded: $0.count), transient) }
    }

    /// True when there is a row to read. After false or an error the statement is ready to be bound and run again.
    func step() throws(SQLiteError) -> Bool {
        if let fault = database.injectedFault() {
            sqlite3_reset(handle)
            throw fault
        }
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        let failure = code == SQLITE_DONE ? nil : database.error(code)
        sqlite3_reset(handle)
        if let failure { throw failure }
        return false
    }

    /// Runs to the end, dropping rows.
    func run() throws(SQLiteError) {
        while try step() {}
    }

    func reset() { sqlite3_reset(handle) }

    @inline(__always) func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    /// Text or blob of a column; valid until the next `step` or `reset`.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }
}
