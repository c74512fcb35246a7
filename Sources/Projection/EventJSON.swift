// EventJSON: one event with everything the journal knows of it.
//
// What is absent or unknown is left out: an amount of 0 would be a claim. `meta` and the
// provider's usage object are the bytes that came in, which were JSON objects when they were taken.

internal import Core
internal import Journal
internal import Pricing

enum EventJSON {
    static func write(_ event: EventFact, _ lookups: Lookups, to json: inout ByteWriter) throws(QueryError) {
        var key = ByteWriter(capacity: 64)
        event.appendKey(to: &key)
        json.append("{\"eventId\":\"")
        json.append(unsigned: event.sequence)
        json.append("\",\"sequence\":")
        json.append(unsigned: event.sequence)
        json.append(",\"eventIdempotencyKey\":")
        json.append(jsonString: key.bytes)
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
        json.append(0x22)
        usage(event, &json)
        amounts(event, &json)
        try price(event, lookups, &json)
        extras(event, &json)
        json.append(0x7D)
    }

    private static func name(_ label: StaticString, _ id: StringID, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        json.append(label)
        if let text = try QueryError.wrap({ () throws(SQLiteError) in try lookups.text(id) }) {
            json.append(jsonString: text)
        } else {
            json.append("null")
        }
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

    private static func amounts(_ event: EventFact, _ json: inout ByteWriter) {
        if event.isPriced {
            json.append(",\"costAmount\":")
            json.append(money: event.cost)
        }
        if event.hasRevenue {
            json.append(",\"revenueAmount\":")
            json.append(money: event.revenue)
        }
        if event.isPriced, event.hasRevenue {
            json.append(",\"marginAmount\":")
            json.append(money: MoneyTotal(event.revenue) - MoneyTotal(event.cost))
        }
        json.append(",\"unpriced\":")
        json.append(!event.isPriced)
        if !event.isPriced {
            json.append(",\"unpricedReason\":\"")
            json.append(event.unpriced.name)
            json.append(0x22)
        }
    }

    /// `priceSource`: `client`, `none`, or the derivation up to its first bar. `priceDetail`: how the model was matched, the
    /// lines that add up to the cost, and what else the derivation says.
    private static func price(_ event: EventFact, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        guard event.isPriced else {
            json.append(",\"priceSource\":\"none\",\"priceDetail\":{\"unpricedReason\":\"")
            json.append(event.unpriced.name)
            json.append("\"}")
            return
        }
        guard event.flags & EventFlag.costGiven == 0 else {
            json.append(",\"priceSource\":\"client\",\"priceDetail\":{}")
            return
        }
        let derivation = try QueryError.wrap { () throws(SQLiteError) in try lookups.text(event.price) } ?? []
        derivation.withUnsafeBytes { PriceDetail.append($0, match: event.match, usage: Array(UsageIterator(event)), to: &json) }
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
    mutating func append(_ flag: Bool) {
        if flag { append("true") } else { append("false") }
    }
}
