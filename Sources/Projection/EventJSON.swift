// EventJSON: one event with everything the journal knows of it, as it counts now, and what it counted for before.
//
// What is absent or unknown is left out: an amount of 0 would be a claim. `meta` and the
// provider's usage object are the bytes that came in, which were JSON objects when they were taken.

internal import Core
internal import Journal
internal import Pricing

enum EventJSON {
    /// An event that stands at `position`, as it counts now.
    static func write(
        _ event: EventFact, at position: JournalPosition, _ history: EventHistory, _ lookups: Lookups, to json: inout ByteWriter
    ) throws(QueryError) {
        json.append(0x7B)
        appendIdentity(of: event, to: &json)
        json.append(",\"keyGenerated\":")
        json.append(event.flags & EventFlag.keyGenerated != 0)
        try name(",\"eventName\":", event.eventName, lookups, &json)
        try name(",\"customerReferenceId\":", event.customer, lookups, &json)
        try name(",\"featureKey\":", event.feature, lookups, &json)
        try name(",\"model\":", event.model, lookups, &json)
        try name(",\"modelProvider\":", event.provider, lookups, &json)
        try name(",\"region\":", event.region, lookups, &json)
        json.append(",\"serviceTier\":\"")
        json.append(event.tier.name)
        json.append("\",\"occurredAt\":\"")
        json.append(rfc3339: event.occurredAt)
        json.append("\",\"recordedAt\":\"")
        json.append(rfc3339: event.recordedAt)
        json.append("\",\"position\":\"")
        json.append(position)
        json.append(0x22)
        usage(event, &json)
        amounts(event, history.state, &json)
        try price(event, history.state, lookups, &json)
        try corrections(history, lookups, &json)
        extras(event, &json)
        json.append(0x7D)
    }

    /// The members that say which event it is, without braces.
    static func appendIdentity(of event: EventFact, to json: inout ByteWriter) {
        var key = ByteWriter(capacity: 64)
        event.appendKey(to: &key)
        json.append("\"eventId\":\"")
        json.append(unsigned: event.sequence)
        json.append("\",\"sequence\":")
        json.append(unsigned: event.sequence)
        json.append(",\"eventIdempotencyKey\":")
        json.append(jsonString: key.bytes)
    }

    private static func name(_ label: StaticString, _ id: StringID, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        json.append(label)
        try lookups.append(name: id, to: &json)
    }

    private static func usage(_ event: EventFact, _ json: inout ByteWriter) {
        if event.flags & EventFlag.usageUnits != 0 {
            json.append(",\"usageUnits\":")
            json.append(decimal: event.usageUnits)
        }
        json.append(",\"usage\":{")
        var isFirst = true
        for line in UsageIterator(event) {
            if !isFirst { json.append(0x2C) }
            isFirst = false
            json.append(0x22)
            json.append(line.kind.name)
            json.append("\":")
            json.append(decimal: line.quantity)
        }
        json.append("},\"unitsAsInput\":")
        json.append(event.flags & EventFlag.unitsAsInput != 0)
        json.append(",\"inputTokens\":")
        json.append(decimal: event.inputTokens)
        json.append(",\"outputTokens\":")
        json.append(decimal: event.outputTokens)
    }

    private static func amounts(_ event: EventFact, _ state: CostState, _ json: inout ByteWriter) {
        if let cost = state.cost {
            json.append(",\"costAmount\":")
            json.append(money: cost)
        }
        if event.hasRevenue {
            json.append(",\"revenueAmount\":")
            json.append(money: event.revenue)
        }
        if let cost = state.cost, event.hasRevenue {
            json.append(",\"marginAmount\":")
            json.append(money: MoneyTotal(event.revenue) - MoneyTotal(cost))
        }
        json.append(",\"unpriced\":")
        json.append(state.cost == nil)
        if state.cost == nil {
            json.append(",\"unpricedReason\":\"")
            json.append(state.unpriced.name)
            json.append(0x22)
        }
    }

    /// `priceSource`: `client`, `none`, or the derivation up to its first bar. `priceDetail`: how the model was matched, the
    /// lines that add up to the cost, and what else the derivation says.
    private static func price(
        _ event: EventFact, _ state: CostState, _ lookups: Lookups, _ json: inout ByteWriter
    ) throws(QueryError) {
        guard state.cost != nil else {
            json.append(",\"priceSource\":\"none\",\"priceDetail\":{\"unpricedReason\":\"")
            json.append(state.unpriced.name)
            json.append("\"}")
            return
        }
        guard event.flags & EventFlag.costGiven == 0 else {
            json.append(",\"priceSource\":\"client\",\"priceDetail\":{}")
            return
        }
        let derivation = try QueryError.wrap { () throws(SQLiteError) in try lookups.text(state.price) } ?? []
        derivation.withUnsafeBytes { PriceDetail.append($0, match: state.match, usage: Array(UsageIterator(event)), to: &json) }
    }

    /// Nothing when there are none; else when and why the event was voided, and every correction, oldest first.
    private static func corrections(_ history: EventHistory, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        guard let last = history.corrections.first?.correction else { return }
        if history.isVoid {
            json.append(",\"voided\":true,\"voidReason\":")
            last.reason.withUnsafeBytes { json.append(jsonString: $0) }
            json.append(",\"voidedAt\":\"")
            json.append(rfc3339: last.at)
            json.append(0x22)
        }
        json.append(",\"corrections\":[")
        for (index, placed) in history.corrections.reversed().enumerated() {
            if index > 0 { json.append(0x2C) }
            try correction(placed, lookups, &json)
        }
        json.append("]")
    }

    private static func correction(_ placed: PlacedCorrection, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        let correction = placed.correction
        json.append("{\"kind\":\"")
        json.append(correction.kind.name)
        json.append(0x22)
        if correction.run != 0 {
            json.append(",\"run\":")
            json.append(unsigned: UInt64(correction.run))
        }
        json.append(",\"at\":\"")
        json.append(rfc3339: correction.at)
        json.append("\",\"position\":\"")
        json.append(placed.position)
        json.append(0x22)
        if let cost = correction.before.cost {
            json.append(",\"costBefore\":")
            json.append(money: cost)
        } else {
            json.append(",\"unpricedReasonBefore\":\"")
            json.append(correction.before.unpriced.name)
            json.append(0x22)
        }
        if correction.kind == .void {
            json.append(",\"reason\":")
            correction.reason.withUnsafeBytes { json.append(jsonString: $0) }
        } else {
            if let cost = correction.after.cost {
                json.append(",\"costAfter\":")
                json.append(money: cost)
            }
            json.append(",\"priceSource\":\"")
            let derivation = try QueryError.wrap { () throws(SQLiteError) in try lookups.text(correction.after.price) }
            if let derivation, correction.after.cost != nil {
                derivation.prefix { $0 != 0x7C }.withUnsafeBytes { json.append(jsonText: $0) }
            } else {
                json.append("none")
            }
            json.append(0x22)
        }
        json.append(0x7D)
    }

    private static func extras(_ event: EventFact, _ json: inout ByteWriter) {
        guard event.flags & EventFlag.extras != 0 else { return }
        for tag in EventExtra.allCases {
            guard let bytes = event.extra(tag) else { continue }
            switch tag {
            case .stripeCustomerId: json.append(",\"stripeCustomerId\":")
            case .customerId: json.append(",\"customerId\":")
            case .featureId: json.append(",\"featureId\":")
            case .subscriptionId: json.append(",\"subscriptionId\":")
            case .entitlementId: json.append(",\"entitlementId\":")
            case .invoiceId: json.append(",\"invoiceId\":")
            case .flowId: json.append(",\"flowId\":")
            case .meta: json.append(",\"meta\":")
            case .usage: json.append(",\"usageObject\":")
            case .usageFormat: json.append(",\"usageFormat\":")
            }
            if tag == .meta || tag == .usage { json.append(bytes: bytes) } else { json.append(jsonString: bytes) }
        }
    }
}

extension ByteWriter {
    /// `segment:offset`.
    mutating func append(_ position: JournalPosition) {
        append(unsigned: UInt64(position.segment))
        append(0x3A)
        append(unsigned: UInt64(position.offset))
    }

    mutating func append(_ flag: Bool) {
        if flag { append("true") } else { append("false") }
    }
}
