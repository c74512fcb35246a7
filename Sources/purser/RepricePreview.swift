// RepricePreview: what pricing again would change, for a person to judge: by customer and model, with what is left as it is
// and why.

struct RepricePreview {
    private let data: Value

    /// Groups that are shown; the rest are counted. They come by the size of their difference.
    static let rows = 40

    init(_ data: Value) { self.data = data }

    /// Events whose cost would change.
    var changed: Int { data["changed"]?.integer ?? 0 }

    /// `toApply` is the line that would do it; nil when it is about to be done.
    func text(_ style: Style, toApply: String?) -> String {
        let matched = data["matched"]?.integer ?? 0
        guard matched > 0 else { return "No events." }
        var parts: [String] = []
        if changed > 0 { parts.append(table(style)) }
        var summary =
            changed == 0
            ? "Nothing to change." : "\(RepricePreview.count(changed, "event")) of \(grouped(String(matched))) would cost something else"
        if changed > 0 {
            let fresh = data["newlyPriced"]?.integer ?? 0
            summary += fresh > 0 ? "; \(grouped(String(fresh))) of them have no cost so far." : "."
        }
        parts.append(summary + leftAlone)
        if let toApply {
            parts.append(changed > 0 ? "Nothing was changed. To do it:  " + toApply : style.dim("Nothing was changed."))
        }
        return parts.joined(separator: "\n\n")
    }

    private func table(_ style: Style) -> String {
        let all = data["items"]?.elements ?? []
        let items = all.prefix(RepricePreview.rows)
        var table = Table([
            Table.Column(title: "customer", alignment: .left), Table.Column(title: "provider", alignment: .left),
            Table.Column(title: "model", alignment: .left), Table.Column(title: "events", alignment: .point),
            Table.Column(title: "newly priced", alignment: .point), Table.Column(title: "cost before", alignment: .point),
            Table.Column(title: "cost after", alignment: .point), Table.Column(title: "difference", alignment: .point),
        ])
        if style.width != nil { table.columns.append(Table.Column(title: "", alignment: .bar)) }
        let amounts = ["costBefore", "costAfter", "costDifference"]
        let places = Amount.places(for: (items + [data]).flatMap { item in amounts.compactMap { item[$0]?.amount } })
        let widest = items.compactMap { $0["costDifference"]?.amount?.scaled.magnitude }.max() ?? 0
        func numbers(_ item: Value, events: Value?) -> [Table.Cell] {
            let difference = item["costDifference"]?.amount ?? .zero
            return [
                Table.Cell(events?.amount?.fixed(0) ?? "-"), Table.Cell(item["newlyPriced"]?.amount?.fixed(0) ?? "-"),
                Table.Cell(item["costBefore"]?.amount?.shown(places) ?? "-"), Table.Cell(item["costAfter"]?.amount?.shown(places) ?? "-"),
                Table.Cell(difference.signed(places), isLoss: difference > .zero),
            ]
        }
        table.rows = items.map { item in
            let names = ["customerReferenceId", "modelProvider", "model"].map { Table.Cell(item[$0]?.string ?? "-") }
            // What costs more takes from the margin.
            let effect = Amount(scaled: -(item["costDifference"]?.amount?.scaled ?? 0))
            let bar = Table.Cell("", isLoss: effect < .zero, share: Table.share(effect, of: widest))
            return names + numbers(item, events: item["events"]) + [bar]
        }
        table.totals = [Table.Cell("total"), Table.Cell(""), Table.Cell("")] + numbers(data, events: data["changed"])
        var text = table.render(style)
        if all.count > items.count { text += "\n" + style.dim("and \(all.count - items.count) smaller groups: --json has all") }
        return text
    }

    /// What is left as it is, a line for each reason.
    private var leftAlone: String {
        let kinds = [
            ("unchanged", "the same cost"), ("givenByClient", "a cost that came with the event"), ("voided", "void"),
            ("noLongerPriced", "a cost for which there is no price any more"), ("stillUnpriced", "no price" + reasons),
        ]
        let lines = kinds.compactMap { name, words in
            data[name]?.integer.flatMap { $0 > 0 ? (grouped(String($0)), words) : nil }
        }
        guard !lines.isEmpty else { return "" }
        let width = lines.map(\.0.cells).max() ?? 0
        return " Left as they are:\n"
            + lines.map { count, words in "  " + String(repeating: " ", count: width - count.cells) + count + "  " + words }
            .joined(separator: "\n")
    }

    private var reasons: String {
        guard case .object(let members)? = data["reasons"], !members.isEmpty else { return "" }
        return ": " + members.map { "\($0.name.printable) \($0.value.shown)" }.joined(separator: ", ")
    }

    /// `1 event`, `1,204 events`.
    static func count(_ number: Int, _ noun: String) -> String { grouped(String(number)) + " " + noun + (number == 1 ? "" : "s") }
}
