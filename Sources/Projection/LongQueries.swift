// LongQueries: queries that read so much journal that they are worked off in steps, so that others get their answers in between.
//
// A query is known by a token that whoever asks chose. Only a few keep state at a time; the others are told to come again, and
// begin when one is done. What is in hand is dropped when it is done, and when it fails.

internal import Core
internal import Journal

/// A long query in hand.
protocol LongQuery: AnyObject {
    /// Events before this place are looked at.
    var end: JournalPosition { get }
    /// Works for about one step; true when everything was looked at.
    func step(_ projection: Projection) throws(QueryError) -> Bool
    /// The JSON of `data`, once everything was looked at.
    func data(_ lookups: Lookups) throws(QueryError) -> ByteWriter
}

extension Projection {
    /// Goes on with a query, or begins it when there is room. nil: not done, ask again.
    func work(on token: UInt64, _ begin: () throws(QueryError) -> any LongQuery) throws(QueryError) -> [UInt8]? {
        guard let books else { throw QueryError.unavailable }
        if inHand[token] == nil {
            guard inHand.count < Limits.longQueries else { return nil }
            inHand[token] = try begin()
        }
        guard let query = inHand[token] else { return nil }
        var failed = true
        defer { if failed { inHand[token] = nil } }
        // The file was made anew meanwhile, and what it had is on its way back.
        guard query.end <= position else {
            guard !isBlocked else { throw QueryError.unavailable }
            failed = false
            return nil
        }
        if try !query.step(self) {
            failed = false
            return nil
        }
        return try query.data(books.lookups).array
    }
}
