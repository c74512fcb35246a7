// QueryError: why a query has no data: it asks for something that is not to be had, or the file or the journal failed.

internal import Core
internal import Journal

enum QueryError: Error, SQLiteFailure {
    case sqlite(SQLiteError)
    case journal(JournalError)
    /// The answer itself: 400 or 404.
    case refused(status: UInt16, code: String, message: String)

    init(_ error: SQLiteError) { self = .sqlite(error) }

    /// There is no file to ask, for the moment.
    static let unavailable = QueryError.refused(status: 500, code: "internal_error", message: "Internal Server Error")

    static func invalid(_ parameter: String) -> QueryError {
        .refused(status: 400, code: "validation_failed", message: "Invalid value for parameter: \(parameter)")
    }

    static func notFound(_ what: String) -> QueryError { .refused(status: 404, code: "not_found", message: "\(what) not found") }

    /// An event that was there a moment ago is not.
    static func unreadable(_ position: JournalPosition) -> QueryError {
        .journal(
            .damage(file: SegmentFormat.fileName(position.segment), offset: Int(position.offset), reason: .facts))
    }

    /// Runs what may fail in SQLite.
    @inline(__always) static func wrap<T>(_ body: () throws(SQLiteError) -> T) throws(QueryError) -> T {
        do { return try body() } catch { throw .sqlite(error) }
    }
}
