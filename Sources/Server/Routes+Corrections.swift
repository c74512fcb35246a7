// Voids, runs of corrections and simulations over HTTP.

internal import Core
internal import Journal
internal import Ledger
internal import Wire

extension Server {
    mutating func voidEvent(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) {
        guard let key = decoded(segment) else {
            fail(&context, 400, "validation_failed", "Invalid value for parameter: eventIdempotencyKey")
            return
        }
        guard let reason = Server.reason(body) else {
            fail(&context, 400, "validation_failed", "reason is required: a text of 1 to 256 characters")
            return
        }
        guard let position = recordedPosition(of: key, &context) else { return }
        submit(.void(key: key, position: position, reason: reason), &context)
    }

    private static func reason(_ body: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let document = try? JSONDocument(body, uniqueKeys: true), document.root.kind == .object,
            let value = document.root["reason"], value.kind == .string
        else { return nil }
        let text = value.bytes
        let count = text.withUnsafeBytes { scalarCount($0) }
        guard count >= 1, count <= Limits.reasonScalars, text.contains(where: { $0 > 0x20 && $0 != 0x7F }) else { return nil }
        return text
    }

    // MARK: Runs

    mutating func postReprice(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer) {
        var input = FilterInput(body, taking: ["apply"])
        let applies = input.flag("apply")
        guard accept(&context, input) else { return }
        let query = RepriceQuery(prices: ledger.shelf.texts, filter: input.filter)
        guard applies else {
            ask(&context, .repricePreview(query), afterCommit: true)
            return
        }
        guard mayBegin(&context) else { return }
        submit(.reprice(query, .reprice, filter: input.text), &context)
    }

    private mutating func mayBegin(_ context: inout RequestContext) -> Bool {
        guard ledger.runs.count + lane.count < Limits.correctionRuns else {
            fail(&context, 409, "conflict", "There are as many runs as there may be")
            return false
        }
        return true
    }

    private mutating func accept(_ context: inout RequestContext, _ input: FilterInput) -> Bool {
        guard let refusal = input.refusal else { return true }
        fail(&context, 400, "validation_failed", "") { output in
            output.append(jsonContents: refusal)
        }
        return false
    }

    mutating func listReprices(_ context: inout RequestContext) {
        let runs = ledger.runs
        let current = lane.currentRun
        answer(&context, 200, wait: true) { output in
            output.append("{\"data\":{\"items\":[")
            for (index, run) in runs.reversed().prefix(Limits.queryLimit).enumerated() {
                if index > 0 { output.append(0x2C) }
                Server.append(&output, run, current: current)
            }
            output.append("]},\"success\":true}")
        }
    }

    private mutating func run(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) -> CorrectionRun? {
        guard let id = UInt32(String(decoding: segment, as: UTF8.self)), id >= 1, Int(id) <= ledger.runs.count else {
            fail(&context, 404, "not_found", "There is no such run")
            return nil
        }
        return ledger.runs[Int(id) - 1]
    }

    mutating func getReprice(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) {
        guard let run = run(&context, segment) else { return }
        let current = lane.currentRun
        answer(&context, 200, wait: true) { output in
            output.append("{\"data\":")
            Server.append(&output, run, current: current)
            output.append(",\"success\":true}")
        }
    }

    mutating func reverseReprice(_ context: inout RequestContext, _ segment: UnsafeRawBufferPointer) {
        guard let run = run(&context, segment) else { return }
        let id = run.begun.id
        guard id != lane.currentRun else {
            fail(&context, 409, "conflict", "This run is not over yet")
            return
        }
        guard run.reversedBy == 0, !lane.reverses(id) else {
            fail(&context, 409, "conflict", "This run was taken back already")
            return
        }
        guard mayBegin(&context) else { return }
        // A run that was cut short ends where the journal now ends.
        let end = run.end ?? pipelineBox.pointee.durableEnd
        submit(.reverse(id, begin: run.begin, end: end, filter: run.begun.filter), &context)
    }

    // MARK: Simulations

    mutating func postSimulation(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer) {
        var input = FilterInput(body, taking: ["prices", "pricesToml", "substitutions", "groupBy", "timezone", "repriceGiven"])
        let repricesGiven = input.flag("repriceGiven")
        guard accept(&context, input) else { return }
        func refuse(_ field: StaticString) {
            fail(&context, 400, "validation_failed", "Invalid value for field: ") { $0.append(field) }
        }
        var groupBy: [Grouping] = [.customer, .model]
        if let value = input.others["groupBy"] {
            let names = value.kind == .array ? value.elements.map(\.string) : [value.string]
            groupBy = []
            for name in names {
                guard let name, let grouping = Grouping(name: name), !groupBy.contains(grouping) else { return refuse("groupBy") }
                groupBy.append(grouping)
            }
            guard !groupBy.isEmpty else { return refuse("groupBy") }
        }
        var texts = ledger.shelf.texts
        var own: [PriceTexts.Text] = []
        if let value = input.others["pricesToml"] {
            guard value.kind == .string else { return refuse("pricesToml") }
            own.append(PriceTexts.Text(name: "pricesToml", bytes: value.bytes))
        }
        if let value = input.others["prices"] {
            guard value.kind == .array else { return refuse("prices") }
            for element in value.elements {
                let price = PriceInput(element)
                if let refusal = price.refusal {
                    invalidPrices(&context, refusal)
                    return
                }
                own.append(PriceTexts.Text(name: "prices", bytes: price.toml.array))
            }
        }
        var substitutions: [SimulationQuery.Substitution] = []
        if let value = input.others["substitutions"] {
            guard value.kind == .array else { return refuse("substitutions") }
            for element in value.elements {
                guard substitutions.count < Limits.queryLimit, let substitution = SimulationQuery.Substitution(element) else {
                    return refuse("substitutions")
                }
                substitutions.append(substitution)
            }
        }
        guard !own.isEmpty || !substitutions.isEmpty else {
            fail(&context, 400, "validation_failed", "One of prices, pricesToml and substitutions is required")
            return
        }
        // What is tried out comes first: it would be pointless behind a price in force.
        texts.own = own + texts.own
        var query = SimulationQuery(prices: texts, filter: input.filter, groupBy: groupBy)
        query.substitutions = substitutions
        query.repricesGiven = repricesGiven
        if let zone = input.others["timezone"] {
            guard zone.kind == .string else { return refuse("timezone") }
            query.timezone = zone.bytes
        }
        ask(&context, .simulation(query), afterCommit: true)
    }

    mutating func invalidPrices(_ context: inout RequestContext, _ message: String) {
        fail(&context, 400, "invalid_prices", "") { $0.append(jsonContents: message) }
    }
}

extension SimulationQuery.Substitution {
    fileprivate init?(_ value: JSONValue) {
        guard value.kind == .object, let model = value["model"], model.kind == .string, let other = value["asModel"],
            other.kind == .string
        else { return nil }
        func optional(_ name: String) -> [UInt8]?? {
            guard let given = value[name], !given.isNull else { return .some(nil) }
            return given.kind == .string ? .some(given.bytes) : nil
        }
        guard let provider = optional("provider"), let asProvider = optional("asProvider") else { return nil }
        self.init(model: model.bytes, provider: provider, asModel: other.bytes, asProvider: asProvider)
        guard !model.bytes.isEmpty, !other.bytes.isEmpty else { return nil }
    }
}

extension Grouping {
    /// The name it has in requests.
    init?(name: String) {
        switch name {
        case "customer": self = .customer
        case "feature": self = .feature
        case "model": self = .model
        case "provider": self = .provider
        case "eventName", "event": self = .eventName
        case "hour": self = .hour
        case "day": self = .day
        case "month": self = .month
        default: return nil
        }
    }
}

extension ByteWriter {
    /// A text inside a JSON string that is open already.
    mutating func append(jsonContents text: String) {
        var copy = text
        copy.withUTF8 { append(jsonText: UnsafeRawBufferPointer($0)) }
    }
}
