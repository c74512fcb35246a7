// Queries over HTTP: parameters become a `Query`; whoever holds the rollups answers it.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

extension Server {
    /// A query's parameters, decoded. `bad` names the first that could not be read.
    private struct Parameters {
        var filter = EventFilter()
        var groupBy: [Grouping] = []
        var also: [[Grouping]] = []
        var timezone: [UInt8] = []
        var search: [UInt8]?
        var cursor: [UInt8]?
        var limit = Limits.queryDefaultLimit
        var offset = 0
        var after: UInt64?
        var format: ExportFormat?
        /// `format=json` was said: what `Accept` says does not matter.
        var isJSON = false
        var bad: StaticString?
    }

    /// What `read` knows: a value that cannot be decoded is named by it, one of another name is ignored as ever.
    private static let parameterNames: [StaticString] = [
        "customerReferenceId", "customer", "featureKey", "feature", "model", "modelProvider", "provider", "eventName", "flowId", "from",
        "to",
        "unpriced", "timezone", "search", "cursor", "limit", "offset", "groupBy", "also", "after", "format",
    ]

    private mutating func parameters(_ query: UnsafeRawBufferPointer) -> Parameters {
        var result = Parameters()
        var pairs = HTTPQuery(query)
        while let pair = pairs.next() {
            targetText.reset()
            guard HTTPTarget.decode(pair.value, plusIsSpace: true, into: &targetText) != nil, isValidUTF8(targetText.bytes) else {
                guard let name = Self.parameterNames.first(where: pair.isNamed) else { continue }
                result.bad = name
                return result
            }
            read(pair, &result)
            if result.bad != nil { return result }
        }
        return result
    }

    private func read(_ pair: HTTPQuery.Pair, _ result: inout Parameters) {
        let value = targetText.array
        if pair.isNamed("customerReferenceId") || pair.isNamed("customer") {
            result.filter.customer = value
        } else if pair.isNamed("featureKey") || pair.isNamed("feature") {
            result.filter.feature = value
        } else if pair.isNamed("model") {
            result.filter.model = value
        } else if pair.isNamed("modelProvider") || pair.isNamed("provider") {
            result.filter.provider = value
        } else if pair.isNamed("eventName") {
            result.filter.eventName = value
        } else if pair.isNamed("flowId") {
            result.filter.flowId = value
        } else if pair.isNamed("from") {
            result.filter.from = Timestamp(rfc3339: targetText.bytes)
            if result.filter.from == nil { result.bad = "from" }
        } else if pair.isNamed("to") {
            result.filter.to = Timestamp(rfc3339: targetText.bytes)
            if result.filter.to == nil { result.bad = "to" }
        } else if pair.isNamed("unpriced") {
            switch String(decoding: value, as: UTF8.self) {
            case "true": result.filter.unpriced = true
            case "false": result.filter.unpriced = false
            default: result.bad = "unpriced"
            }
        } else if pair.isNamed("timezone") {
            result.timezone = value
        } else if pair.isNamed("search") {
            result.search = value
        } else if pair.isNamed("cursor") {
            result.cursor = value
        } else if pair.isNamed("limit") {
            guard let limit = number(value), limit >= 1, limit <= Limits.queryLimit else {
                result.bad = "limit"
                return
            }
            result.limit = limit
        } else if pair.isNamed("offset") {
            guard let offset = number(value) else {
                result.bad = "offset"
                return
            }
            result.offset = offset
        } else if pair.isNamed("after") {
            guard let after = Server.sequence(targetText.bytes) else {
                result.bad = "after"
                return
            }
            result.after = after
        } else if pair.isNamed("format") {
            switch String(decoding: value, as: UTF8.self) {
            case "csv": result.format = .csv
            case "ndjson": result.format = .ndjson
            case "json": result.isJSON = true
            default: result.bad = "format"
            }
        } else if pair.isNamed("groupBy") {
            if !Server.read(groupings: value, &result.groupBy) { result.bad = "groupBy" }
        } else if pair.isNamed("also") {
            var groupings: [Grouping] = []
            guard result.also.count < Limits.marginsAlso, Server.read(groupings: value, &groupings) else {
                result.bad = "also"
                return
            }
            result.also.append(groupings)
        }
    }

    /// Names between commas, each once; false when there is another.
    private static func read(groupings value: [UInt8], _ groupBy: inout [Grouping]) -> Bool {
        for name in value.split(separator: 0x2C, omittingEmptySubsequences: false) {
            guard let grouping = Grouping(name: String(decoding: name, as: UTF8.self)), !groupBy.contains(grouping) else { return false }
            groupBy.append(grouping)
        }
        return true
    }

    private func number(_ text: [UInt8]) -> Int? {
        guard !text.isEmpty, text.count <= 12, text.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    /// A sequence as `Last-Event-ID` has it.
    private static func sequence(_ text: UnsafeRawBufferPointer) -> UInt64? {
        guard !text.isEmpty, text.count <= 18, text.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        return text.reduce(0) { $0 * 10 + UInt64($1 - 0x30) }
    }

    /// The form in which all rows are wanted; nil for a page of JSON.
    private func format(_ parameters: Parameters, _ claim: Claim) -> ExportFormat? {
        if parameters.format != nil || parameters.isJSON { return parameters.format }
        guard let accept = claim.accept else { return nil }
        if Route.isType(accept, "text/csv") { return .csv }
        return Route.isType(accept, "application/x-ndjson") ? .ndjson : nil
    }

    private mutating func refuse(_ context: inout RequestContext, _ parameter: StaticString) {
        fail(&context, 400, "validation_failed", "Invalid value for parameter: ") { $0.append(parameter) }
    }

    mutating func margins(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        guard !parameters.groupBy.isEmpty else {
            fail(&context, 400, "validation_failed", "Missing required parameter: groupBy")
            return
        }
        var wanted = MarginsQuery(groupBy: parameters.groupBy, filter: parameters.filter, timezone: parameters.timezone)
        wanted.also = parameters.also
        if let format = format(parameters, claim) { return begin(.margins(wanted), format, name: "margins", &context) }
        ask(&context, .margins(wanted))
    }

    mutating func listEvents(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        if let format = format(parameters, claim) { return begin(.events(parameters.filter), format, name: "events", &context) }
        ask(&context, .events(parameters.filter, limit: parameters.limit, cursor: parameters.cursor))
    }

    mutating func listCustomers(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        if let format = format(parameters, claim) {
            return begin(.customers(search: parameters.search), format, name: "customers", &context)
        }
        ask(&context, .customers(search: parameters.search, limit: parameters.limit, offset: parameters.offset))
    }

    // MARK: - For people who look

    mutating func openStream(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        var after = parameters.after
        if let last = claim.lastEventID, !last.isEmpty {
            guard let sequence = Server.sequence(last) else { return refuse(&context, "Last-Event-ID") }
            after = sequence
        }
        var filter = parameters.filter
        filter.from = nil
        filter.to = nil
        streamEvents(&context, filter, claim, after: after)
    }

    private func modelsQuery(_ parameters: Parameters) -> ModelsQuery {
        var query = ModelsQuery(prices: ledger.shelf.texts, at: now.wall)
        query.search = parameters.search
        query.provider = parameters.filter.provider
        query.limit = parameters.limit
        query.offset = parameters.offset
        return query
    }

    mutating func listModels(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        let wanted = modelsQuery(parameters)
        if let format = format(parameters, claim) { return begin(.models(wanted), format, name: "models", &context) }
        ask(&context, .models(wanted))
    }

    mutating func getModel(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer, _ query: UnsafeRawBufferPointer) {
        guard let model = decoded(segment), model.withUnsafeBytes({ scalarCount($0) }) <= Limits.modelScalars else {
            return refuse(&context, "model")
        }
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        var wanted = ModelQuery(prices: ledger.shelf.texts, model: model)
        wanted.provider = parameters.filter.provider ?? []
        wanted.feature = parameters.filter.feature ?? []
        ask(&context, .model(wanted))
    }

    mutating func listUnpriced(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        var wanted = UnpricedQuery(prices: ledger.shelf.texts)
        wanted.from = parameters.filter.from
        wanted.to = parameters.filter.to
        if let format = format(parameters, claim) { return begin(.unpriced(wanted), format, name: "unpriced", &context) }
        ask(&context, .unpriced(wanted))
    }

    mutating func listDisagreements(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) {
        let parameters = parameters(query)
        if let bad = parameters.bad { return refuse(&context, bad) }
        let wanted = modelsQuery(parameters)
        if let format = format(parameters, claim) { return begin(.disagreements(wanted), format, name: "disagreements", &context) }
        ask(&context, .disagreements(wanted))
    }

    /// Prices of one's own as rows of a table; false when they are wanted as JSON, with their texts.
    mutating func exportPrices(_ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ claim: Claim) -> Bool {
        let parameters = parameters(query)
        if let bad = parameters.bad {
            refuse(&context, bad)
            return true
        }
        guard let format = format(parameters, claim) else { return false }
        begin(.own(modelsQuery(parameters)), format, name: "prices", &context)
        return true
    }

    /// A path segment, decoded; nil when it is malformed.
    mutating func decoded(_ segment: UnsafeRawBufferPointer) -> [UInt8]? {
        targetText.reset()
        guard HTTPTarget.decode(segment, into: &targetText) != nil, isValidUTF8(targetText.bytes) else { return nil }
        return targetText.array
    }

    mutating func getEvent(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) {
        guard let key = decoded(segment) else { return refuse(&context, "eventIdempotencyKey") }
        guard let position = recordedPosition(of: key, &context) else { return }
        ask(&context, .event(key: key, position: position), afterCommit: position.map { $0 >= pipelineBox.pointee.durableEnd } ?? false)
    }

    /// Where the event of a key is, as far as the dedup index knows; the outer nil after a failure that was answered.
    mutating func recordedPosition(of key: [UInt8], _ context: inout RequestContext) -> JournalPosition?? {
        do throws(StorageError) {
            let source = FactLookup(pipeline: pipelineBox, storage: storage)
            return .some(
                try key.withUnsafeBytesTyped { bytes throws(StorageError) in
                    try ledger.position(ofKey: bytes, source: source)
                })
        } catch {
            failure = error
            fail(&context, 500, "internal_error", "Internal Server Error")
            return nil
        }
    }

    mutating func getCustomer(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) {
        guard let reference = decoded(segment) else { return refuse(&context, "customerReferenceId") }
        ask(&context, .customer(reference: reference))
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` with a typed error.
    func withUnsafeBytesTyped<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        let result: Result<R, E> = withUnsafeBytes { bytes in
            do throws(E) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
