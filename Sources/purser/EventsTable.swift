// EventsTable: events for a person to read, as a table, and line by line as they come in. A void event is faint and says so; one
// that was priced again says how often.

/// Events as a table.
enum EventsTable {
    static func render(_ items: [Value], style: Style) -> String {
        var table = Table([
            Table.Column(title: "occurred", alignment: .left), Table.Column(title: "customer", alignment: .left),
            Table.Column(title: "feature", alignment: .left), Table.Column(title: "event", alignment: .left),
            Table.Column(title: "model", alignment: .left), Table.Column(title: "input", alignment: .point),
            Table.Column(title: "output", alignment: .point), Table.Column(title: "cost", alignment: .point),
            Table.Column(title: "revenue", alignment: .point), Table.Column(title: "margin", alignment: .point),
        ])
        let notes = items.map(note)
        let hasNotes = notes.contains { !$0.isEmpty }
        if hasNotes { table.columns.append(Table.Column(title: "", alignment: .left)) }
        let amounts = ["costAmount", "revenueAmount", "marginAmount"]
        let places = Amount.places(for: items.flatMap { item in amounts.compactMap { item[$0]?.amount } })
        table.rows = zip(items, notes).map { item, note in
            let loses = (item["marginAmount"]?.amount ?? .zero) < .zero
            let isVoid = isVoid(item)
            var row = names(item).map { Table.Cell($0, isFaint: isVoid) }
            func add(_ text: String, isLoss: Bool = false) { row.append(Table.Cell(text, isLoss: isLoss, isFaint: isVoid)) }
            add(tokens(item, "inputTokens"))
            add(tokens(item, "outputTokens"))
            add(item["costAmount"]?.amount?.shown(places) ?? "unpriced")
            add(item["revenueAmount"]?.amount?.shown(places) ?? "-")
            add(item["marginAmount"]?.amount?.shown(places) ?? "-", isLoss: loses)
            if hasNotes { row.append(Table.Cell(note)) }
            return row
        }
        return table.render(style)
    }

    static func isVoid(_ item: Value) -> Bool { item["voided"] == .bool(true) }

    /// What became of an event since it was recorded; empty for nothing.
    static func note(_ item: Value) -> String {
        if isVoid(item) { return "void" }
        let count = (item["corrections"]?.elements ?? []).filter { $0["kind"]?.string != "void" }.count
        switch count {
        case 0: return ""
        case 1: return "repriced"
        default: return "repriced \(count) times"
        }
    }

    static func names(_ item: Value) -> [String] {
        [
            item["occurredAt"]?.string.map(wholeSeconds) ?? "-", item["customerReferenceId"]?.string ?? "-",
            item["featureKey"]?.string ?? "-",
            item["eventName"]?.string ?? "-", (item["model"] ?? item["costInput"]?["model"])?.string ?? "-",
        ]
    }

    /// An instant without its fraction: `2026-08-06T12:00:00Z`.
    static func wholeSeconds(_ instant: String) -> String {
        guard let point = instant.firstIndex(of: ".") else { return instant }
        return instant[..<point] + "Z"
    }

    private static func tokens(_ item: Value, _ name: String) -> String {
        (item[name] ?? item["costInput"]?[name])?.amount?.fixed(0) ?? "-"
    }

    /// Lines that come one at a time: columns grow with what was seen and never shrink.
    struct Following {
        var style: Style
        private var widths = [20, 12, 12, 12, 16]

        init(style: Style) { self.style = style }

        mutating func line(_ item: Value) -> String {
            var text = ""
            for (index, name) in EventsTable.names(item).enumerated() {
                let shown = name.printable.cut(toCells: Table.textCells, mark: style.unicode ? "…" : "~")
                widths[index] = max(widths[index], shown.cells)
                text += shown + String(repeating: " ", count: widths[index] - shown.cells + 2)
            }
            let cost = item["costAmount"]?.amount?.shown(6) ?? "unpriced"
            let revenue = item["revenueAmount"]?.amount?.shown(6) ?? "-"
            let note = EventsTable.note(item)
            return text + style.dim("cost ") + cost + style.dim("  revenue ") + revenue + (note.isEmpty ? "" : "  " + note)
        }
    }
}
