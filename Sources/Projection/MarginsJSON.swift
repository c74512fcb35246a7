// MarginsJSON: the `data` of a margins answer. Amounts and quantities are exact decimal numbers.

internal import Core

enum MarginsJSON {
    /// Lists groups until the answer, with what is in it already, has `Limits.answerBytes`.
    static func write(
        _ groups: borrowing MarginGroups, _ lookups: Lookups, freshAsOf: Timestamp, to json: inout ByteWriter
    ) throws(QueryError) {
        json.append("{\"items\":[")
        let order = groups.sorted()
        var listed = 0
        for (place, number) in order.prefix(Limits.marginItems).enumerated() where json.count < Limits.answerBytes {
            listed += 1
            if place > 0 { json.append(0x2C) }
            try item(number, groups, lookups, freshAsOf: freshAsOf, to: &json)
        }
        json.append("],\"totals\":{")
        json.append(groups.totals)
        json.append(",\"freshAsOf\":\"")
        json.append(rfc3339: freshAsOf)
        json.append("\"}")
        if order.count > listed { json.append(",\"truncated\":true") }
        json.append(",\"freshAsOf\":\"")
        json.append(rfc3339: freshAsOf)
        json.append("\"}")
    }

    /// One group as an object.
    static func item(
        _ number: Int, _ groups: borrowing MarginGroups, _ lookups: Lookups, freshAsOf: Timestamp, to json: inout ByteWriter
    ) throws(QueryError) {
        json.append(0x7B)
        let cell = groups.table.all[number]
        for grouping in groups.groupBy { try write(grouping, of: cell.key, lookups, to: &json) }
        json.append(cell.figures)
        json.append(",\"freshAsOf\":\"")
        json.append(rfc3339: freshAsOf)
        json.append("\"}")
    }

    /// The members that name a group, each with a comma behind it.
    static func write(_ grouping: Grouping, of key: CellKey, _ lookups: Lookups, to json: inout ByteWriter) throws(QueryError) {
        switch grouping {
        case .customer:
            try name("\"customerReferenceId\":", key.customer, lookups, &json)
            try customer(key.customer, lookups, &json)
        case .feature: try name("\"featureKey\":", key.feature, lookups, &json)
        case .model: try name("\"model\":", key.model, lookups, &json)
        case .provider: try name("\"modelProvider\":", key.provider, lookups, &json)
        case .eventName: try name("\"eventName\":", key.eventName, lookups, &json)
        case .hour:
            json.append("\"hour\":\"")
            json.append(rfc3339: Timestamp(nanoseconds: Int64(key.hour) * Timestamp.nanosecondsPerHour))
            json.append(0x22)
        case .day:
            let date = CivilDate(daysSinceEpoch: Int(key.day))
            json.append("\"day\":\"")
            json.append(year: date.year, month: date.month)
            json.append(0x2D)
            json.appendPadded(UInt64(date.day), digits: 2)
            json.append(0x22)
        case .month:
            json.append("\"month\":\"")
            json.append(year: Int(key.month / 12), month: Int(key.month % 12) + 1)
            json.append(0x22)
        }
        json.append(0x2C)
    }

    private static func name(_ label: StaticString, _ id: StringID, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        json.append(label)
        try lookups.append(name: id, to: &json)
    }

    private static func customer(_ id: StringID, _ lookups: Lookups, _ json: inout ByteWriter) throws(QueryError) {
        guard let customer = try QueryError.wrap({ () throws(SQLiteError) in try lookups.customer(id) }) else { return }
        let fields: [(StaticString, [UInt8]?)] = [
            ("\"firstName\":", customer.firstName), ("\"lastName\":", customer.lastName), ("\"email\":", customer.email),
        ]
        guard fields.contains(where: { $0.1 != nil }) else { return }
        json.append(",\"customer\":{")
        var isFirst = true
        for case (let label, .some(let text)) in fields {
            if !isFirst { json.append(0x2C) }
            isFirst = false
            json.append(label)
            json.append(jsonString: text)
        }
        json.append(0x7D)
    }
}

extension ByteWriter {
    /// The figures of a group as members of an object, without braces.
    mutating func append(_ figures: Figures) {
        append("\"events\":")
        append(integer: figures.events)
        append(",\"usageUnits\":")
        append(decimal: QuantityTotal(millionths: figures.usageUnits))
        append(",\"inputTokens\":")
        append(decimal: QuantityTotal(millionths: figures.inputTokens))
        append(",\"outputTokens\":")
        append(decimal: QuantityTotal(millionths: figures.outputTokens))
        append(amountsOf: figures)
        append(",\"unpricedEvents\":")
        append(integer: figures.unpriced)
    }

    /// `,"costAmount":…,"revenueAmount":…,"marginAmount":…` and, when there is revenue, `,"marginRatio":…`.
    mutating func append(amountsOf figures: Figures) {
        let cost = MoneyTotal(picodollars: figures.cost)
        let revenue = MoneyTotal(picodollars: figures.revenue)
        append(",\"costAmount\":")
        append(money: cost)
        append(",\"revenueAmount\":")
        append(money: revenue)
        append(",\"marginAmount\":")
        append(money: revenue - cost)
        if let ratio = (revenue - cost).ratio(to: revenue, places: 4) {
            append(",\"marginRatio\":")
            appendDecimal(ratio, places: 4)
        }
    }

    fileprivate mutating func append(year: Int, month: Int) {
        appendPadded(UInt64(max(0, year)), digits: 4)
        append(0x2D)
        appendPadded(UInt64(month), digits: 2)
    }
}

extension Lookups {
    /// A name as a JSON string; null when there is none.
    func append(name id: StringID, to json: inout ByteWriter) throws(QueryError) {
        if let text = try QueryError.wrap({ () throws(SQLiteError) in try text(id) }) {
            json.append(jsonString: text)
        } else {
            json.append("null")
        }
    }
}
