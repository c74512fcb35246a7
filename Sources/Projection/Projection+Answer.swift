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
            let data: [UInt8]
            switch query {
            case .margins(let query): data = try margins(query, freshAsOf: freshAsOf).array
            case .events(let filter, let limit, let cursor): data = try events(filter, limit: limit, cursor: cursor).array
            case .event(let key, let position): data = try event(key: key, position: position).array
            case .customers(let search, let limit, let offset):
                data = try customers(search: search, limit: limit, offset: offset).array
            case .customer(let reference): data = try customer(reference).array
            case .repricePreview(let query):
                let done = try work(on: token) { () throws(QueryError) -> any LongQuery in
                    try RepricePreview(query, self, freshAsOf: freshAsOf)
                }
                guard let done else { return nil }
                data = done.array
            case .simulation(let query):
                let done = try work(on: token) { () throws(QueryError) -> any LongQuery in
                    try Simulation(query, self, freshAsOf: freshAsOf)
                }
                guard let done else { return nil }
                data = done.array
            case .repriceBlock, .reverseBlock, .void:
                guard caughtUp else { return Projection.failure }
                let answer = try corrections(query)
                queryError = nil
                return answer
            case .export(let query):
                let answer = try export(query, freshAsOf: freshAsOf)
                queryError = nil
                return answer
            case .endExport(let id):
                endExport(id)
                return QueryAnswer(data: [])
            case .tail(let query):
                let answer = try tail(query)
                queryError = nil
                return answer
            case .models(let query): data = try models(query, at: now).array
            case .model(let query): data = try model(query).array
            case .unpriced(let query): data = try unpriced(query, freshAsOf: freshAsOf).array
            case .disagreements(let query): data = try disagreements(query).array
            case .catalogueCheck(let current, let bundle, let force):
                return CatalogueCheck.answer(current: current, bundle: bundle, force: force, now: now)
            }
            queryError = nil
            return QueryAnswer(data: data)
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
