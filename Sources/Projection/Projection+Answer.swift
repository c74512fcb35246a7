// Answering: a query in, the JSON of `data` or an error out.

public import Core
internal import Journal

extension Projection {
    /// Answers from every fact before `position`: catch up first. `now` is the wall clock when the journal's durable end, up to
    /// which `catchUp` went, was taken; the answer says that it is true as of then, or, when not everything was folded, as
    /// of the last batch that was.
    ///
    /// A failure is an answer of status 500 and shows in `stats`. A file found damaged is made anew: catch up and ask again.
    public func answer(_ query: Query, now: Timestamp) -> QueryAnswer {
        guard foldError == nil else { return Projection.failure }
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
            case .catalogueCheck(let current, let bundle, let force):
                return CatalogueCheck.answer(current: current, bundle: bundle, force: force)
            case .repricePreview, .repriceBlock, .reverseBlock, .void, .simulation: return Projection.failure
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

    private static let failure = QueryAnswer(status: 500, code: "internal_error", message: "Internal Server Error")
}
