// EventDetail: one event for a person to read: what it was, what it costs and why, line by line, and every correction since it
// was recorded.

import Core
import Pricing

enum EventDetail {
    static func text(_ event: Value, style: Style) -> String {
        let key = event["eventIdempotencyKey"]?.string?.printable ?? "event"
        var parts = [style.bold(key) + mark(event, style)]
        parts.append(render(fields: .object(facts(event))))
        if let lines = price(event) { parts.append(lines.render(style)) }
        if let corrections = corrections(event) {
            parts.append(style.bold("Corrections") + "\n" + corrections.render(style))
            if EventsTable.isVoid(event) {
                parts.append("Void: it counts in no total any more. The amounts above are what it counted for before.")
            }
        }
        return parts.joined(separator: "\n\n")
    }

    private static func mark(_ event: Value, _ style: Style) -> String {
        let note = EventsTable.note(event)
        if note.isEmpty { return "" }
        return "  " + (EventsTable.isVoid(event) ? style.red("VOID") : style.yellow(note))
    }

    /// Names and values, one a line; what the event does not have is left out.
    private static func facts(_ event: Value) -> [Value.Member] {
        var members: [Value.Member] = []
        func add(_ name: String, _ text: String?) { if let text { members.append(Value.Member(name: name, value: .string(text))) } }
        func amount(_ name: String) -> String? { event[name]?.amount.map { "\($0.exact) USD" } }
        add("event", event["eventName"]?.string)
        add("number", event["sequence"]?.shown)
        add("occurred", event["occurredAt"]?.string)
        add("recorded", event["recordedAt"]?.string)
        add("customer", event["customerReferenceId"]?.string)
        add("feature", event["featureKey"]?.string)
        add("model", model(event))
        add("flow", event["flowId"]?.string)
        add("units", event["usageUnits"]?.shown)
        if case .object(let usage)? = event["usage"], !usage.isEmpty {
            add("usage", usage.map { "\($0.name) \($0.value.shown)" }.joined(separator: ", "))
        }
        add("revenue", amount("revenueAmount"))
        let reason = event["unpricedReason"]?.string.map { " (\($0))" } ?? ""
        add("cost", amount("costAmount") ?? "unpriced" + reason)
        add("margin", amount("marginAmount"))
        add("priced by", source(event))
        return members
    }

    private static func model(_ event: Value) -> String? {
        guard let model = event["model"]?.string else { return nil }
        var text = model
        if let provider = event["modelProvider"]?.string { text += " by \(provider)" }
        if let tier = event["serviceTier"]?.string, tier != "standard" { text += ", \(tier)" }
        if let region = event["region"]?.string { text += ", in \(region)" }
        return text
    }

    private static func source(_ event: Value) -> String? {
        guard let source = event["priceSource"]?.string, source != "none" else { return nil }
        if source == "client" { return "the cost came with the event" }
        var text = [source]
        let detail = event["priceDetail"]
        if let match = detail?["match"]?.string, match != "none", match != "exact" { text.append("name matched: \(match)") }
        text += (detail?["flags"]?.elements ?? []).compactMap(\.string)
        return text.joined(separator: ", ")
    }

    // MARK: - The price

    /// Count times rate, and their sum; nil when the cost was not worked out here.
    private static func price(_ event: Value) -> Table? {
        guard let items = event["priceDetail"]?["lines"]?.elements, !items.isEmpty, let cost = event["costAmount"]?.amount else {
            return nil
        }
        let lines = items.compactMap(PriceLine.init)
        guard lines.count == items.count, let picodollars = Int64(exactly: cost.scaled) else { return nil }
        return PriceQuote.table(lines, cost: Money(picodollars: picodollars))
    }

    // MARK: - Corrections

    private static func corrections(_ event: Value) -> Table? {
        let items = event["corrections"]?.elements ?? []
        guard !items.isEmpty else { return nil }
        var table = Table([
            Table.Column(title: "at", alignment: .left), Table.Column(title: "what", alignment: .left),
            Table.Column(title: "cost before", alignment: .point), Table.Column(title: "cost after", alignment: .point),
            Table.Column(title: "difference", alignment: .point), Table.Column(title: "by", alignment: .left),
        ])
        let places = Amount.places(for: items.flatMap { item in ["costBefore", "costAfter"].compactMap { item[$0]?.amount } })
        table.rows = items.map { item in
            let isVoid = item["kind"]?.string == "void"
            let before = item["costBefore"]?.amount
            let after = isVoid ? Amount.zero : item["costAfter"]?.amount
            let difference = Amount(scaled: (after ?? .zero).scaled - (before ?? .zero).scaled)
            return [
                Table.Cell(item["at"]?.string.map(EventsTable.wholeSeconds) ?? "-"), Table.Cell(what(item)),
                Table.Cell(before?.shown(places) ?? "unpriced"),
                Table.Cell(isVoid ? "void" : after?.shown(places) ?? "unpriced"),
                Table.Cell(difference.signed(places), isLoss: difference > .zero),
                Table.Cell((isVoid ? item["reason"] : item["priceSource"])?.string ?? "-"),
            ]
        }
        return table
    }

    private static func what(_ correction: Value) -> String {
        let run = correction["run"]?.shown ?? "-"
        switch correction["kind"]?.string {
        case "reprice": return "priced again, run \(run)"
        case "reverse": return "taken back, run \(run)"
        case "void": return "voided"
        case let other: return other ?? "-"
        }
    }
}

extension PriceLine {
    /// Reads `{"kind","count","rate",…}`; nil when it is not one. The amount is worked out.
    init?(_ value: Value) {
        guard let name = value["kind"]?.string, let kind = UsageKind.allCases.first(where: { "\($0.name)" == name }),
            case .number(let countText)? = value["count"], case .number(let rateText)? = value["rate"],
            case .value(let count) = Array(countText.utf8).withUnsafeBytes({ DecimalText.read($0, places: Quantity.scale) }),
            case .value(let rate) = Array(rateText.utf8).withUnsafeBytes({ DecimalText.read($0, places: 15) })
        else { return nil }
        self.init(kind: kind, count: Quantity(millionths: count), rate: rate, amount: Int128(count) * Int128(rate))
    }
}
