// Answering: a query in, the JSON of `data` or an error out.

public import Core
internal import Journal

extension Projection {
    /// Answers from every fact before `position`: catch up first. `now` is the wall clock when the journal's durable end, up to
    /// which `catchUp` went, was taken; the answer says that it is true as of then, or, when not everything was folded, as
    /// of the last batch that was.
    ///
    /// nil: it is a long query and not done; ask again, with the same `token` and with no other query of this token in between.
    /// Corrections are computed only when everything was folded: from anything less they would be wrong.
    ///
    /// A failure is an answer of status 500 and shows in `stats`. A file found damaged is made anew: catch up and ask again.
    public func answer(_ query: Query, token: UInt64, now: Timestamp) -> QueryAnswer? {
        guard foldError == nil else {
            inHand[token] = nil
            return Projection.failure
        }
        let freshAsOf = caughtUp ? max(now, foldedAt) : foldedAt
        do {
            guard let answer = try readingBooks({ () throws(QueryError) in try data(query, token, freshAsOf, now) }) else { return nil }
            queryError = nil
            return answer
        } catch {
            switch error {
            case .refused(let status, let code, let message): return QueryAnswer(status: status, code: code, message: message)
            case .journal(let error): queryError = "\(error)"
            case .sqlite(let error):
                queryError = "\(path): \(error.message) (SQLite \(error.code))"
                if error.meansDamage { rebuild(because: error.message) }
            }
            failedQueries += 1
            return Projection.failure
        }
    }

    /// Sees the file as it is at one moment, and counts a flush under way either in it or beside it.
    private func readingBooks(_ body: () throws(QueryError) -> QueryAnswer?) throws(QueryError) -> QueryAnswer? {
        guard let books else { return try body() }
        return try books.reading { (stored) throws(QueryError) in
            // One that moves no position holds no figures either.
            if let flushing, flushing.from != stored, flushing.state.position == stored { retire(flushing) }
            return try body()
        }
    }

    /// nil: not done.
    private func data(_ query: Query, _ token: UInt64, _ freshAsOf: Timestamp, _ now: Timestamp) throws(QueryError) -> QueryAnswer? {
        switch query {
        case .margins(let query): return QueryAnswer(data: try margins(query, freshAsOf: freshAsOf).array)
        case .events(let filter, let limit, let cursor):
            return QueryAnswer(data: try events(filter, limit: limit, cursor: cursor).array)
        case .event(let key, let position): return QueryAnswer(data: try event(key: key, position: position).array)
        case .customers(let search, let limit, let offset):
            return QueryAnswer(data: try customers(search: search, limit: limit, offset: offset).array)
        case .customer(let reference): return QueryAnswer(data: try customer(reference).array)
        case .repricePreview(let query):
            let done = try work(on: token) { () throws(QueryError) -> any LongQuery in
                try RepricePreview(query, self, freshAsOf: freshAsOf)
            }
            return done.map { QueryAnswer(data: $0) }
        case .simulation(let query):
            let done = try work(on: token) { () throws(QueryError) -> any LongQuery in
                try Simulation(query, self, freshAsOf: freshAsOf)
            }
            return done.map { QueryAnswer(data: $0) }
        case .repriceBlock, .reverseBlock, .void:
            guard caughtUp else { throw QueryError.unavailable }
            return try corrections(query)
        case .export(let query): return try export(query, freshAsOf: freshAsOf)
        case .endExport(let id):
            endExport(id)
            return QueryAnswer(data: [])
        case .tail(let query): return try tail(query)
        case .models(let query): return QueryAnswer(data: try models(query, at: now).array)
        case .model(let query): return QueryAnswer(data: try model(query).array)
        case .unpriced(let query): return QueryAnswer(data: try unpriced(query, freshAsOf: freshAsOf).array)
        case .disagreements(let query): return QueryAnswer(data: try disagreements(query).array)
        case .catalogueCheck(let current, let bundle, let force):
            return CatalogueCheck.answer(current: current, bundle: bundle, force: force, now: now)
        }
    }

    private func corrections(_ query: Query) throws(QueryError) -> QueryAnswer {
        switch query {
        case .repriceBlock(let query, let from): QueryAnswer(corrections: try repriceBlock(query, from: JournalPosition(raw: from)))
        case .reverseBlock(let run, let begin, let end, let from):
            QueryAnswer(corrections: try reverseBlock(run, from: max(begin, JournalPosition(raw: from)), to: end))
        case .void(let key, let position, let reason): try void(key, at: position, reason: reason)
        default: Projection.failure
        }
    }

    private static let failure = QueryAnswer(status: 500, code: "internal_error", message: "Internal Server Error")
}
