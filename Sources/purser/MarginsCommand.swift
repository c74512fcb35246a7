// `purser margins`: cost, revenue and margin by customer, feature, model, time.

import ArgumentParser

struct MarginsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "margins",
        abstract: "Cost, revenue and margin in USD, grouped.",
        discussion: "An event without a price is counted, its cost is not: see the column `unpriced`."
    )

    enum Grouping: String, CaseIterable, ExpressibleByArgument {
        case customer, feature, model, provider, event, hour, day, month

        /// As the HTTP interface has it.
        var parameter: String { self == .event ? "eventName" : rawValue }

        /// Members of an item that may hold the group's name.
        var members: [String] {
            switch self {
            case .customer: ["customerReferenceId", "customer"]
            case .feature: ["featureKey", "feature"]
            case .model: ["model"]
            case .provider: ["modelProvider", "provider"]
            case .event: ["eventName"]
            case .hour, .day, .month: [rawValue]
            }
        }

        var isTime: Bool { self == .hour || self == .day || self == .month }
    }

    @Option(
        help: ArgumentHelp(
            "Group by \(Grouping.allCases.map(\.rawValue).joined(separator: ", ")); several with commas.", valueName: "group"))
    var by = "customer"

    @OptionGroup(title: "Events") var filter: EventFilterOptions

    @Option(help: ArgumentHelp("Where a day or a month begins, as Europe/Berlin; UTC without it.", valueName: "zone"))
    var timezone: String?

    @OptionGroup(title: "Connection") var options: SharedOptions

    func run() throws {
        var service = try Service(options)
        let groups = try MarginsCommand.groups(by)
        var request = HTTPRequest("GET", Service.base + "/margins")
        request.query = [("groupBy", groups.map(\.parameter).joined(separator: ","))] + (try filter.query(now: Instant.now))
        if let timezone { request.query.append(("timezone", timezone)) }
        let data = try service.data(request)
        if options.json {
            Terminal.print(data.json)
        } else {
            Terminal.print(MarginsTable.render(data, by: groups, style: Terminal.style))
        }
    }

    static func groups(_ list: String) throws -> [Grouping] {
        var groups: [Grouping] = []
        for name in list.split(separator: ",", omittingEmptySubsequences: false) {
            guard let group = Grouping(rawValue: String(name)), !groups.contains(group) else {
                let names = Grouping.allCases.map(\.rawValue).joined(separator: ", ")
                throw Failure.usage("--by takes one or more of \(names), each once, with commas: \(list.printable)")
            }
            groups.append(group)
        }
        return groups
    }
}

/// The data of a margins reply as a table.
enum MarginsTable {
    static func render(_ data: Value, by groups: [MarginsCommand.Grouping], style: Style) -> String {
        var items = data["items"]?.elements ?? []
        if items.isEmpty { return "No events." }
        // The best margin first, unless time runs down the table.
        if !groups.contains(where: \.isTime) {
            items = items.enumerated().sorted { a, b in
                let (x, y) = (margin(a.element), margin(b.element))
                let (p, q) = (isUnpriced(a.element), isUnpriced(b.element))
                if p != q { return q }
                return x == y ? a.offset < b.offset : x > y
            }.map(\.element)
        }
        let totals = data["totals"] ?? .null
        let everything = items + [totals]
        let hasUnpriced = everything.contains { ($0["unpricedEvents"]?.amount ?? .zero) > .zero }

        var columns = groups.map { Table.Column(title: $0.rawValue, alignment: .left) }
        for title in ["events", "cost", "revenue", "margin", "margin %"] { columns.append(Table.Column(title: title, alignment: .point)) }
        if hasUnpriced { columns.append(Table.Column(title: "unpriced", alignment: .point)) }
        let hasBars = style.width != nil
        if hasBars { columns.append(Table.Column(title: "", alignment: .bar)) }

        // The same for all three, so that a row can be added up by eye.
        let amounts = ["costAmount", "revenueAmount", "marginAmount"]
        let places = Amount.places(for: everything.flatMap { item in amounts.compactMap { item[$0]?.amount } })
        let widest = items.map { isUnpriced($0) ? 0 : margin($0).scaled.magnitude }.max() ?? 0
        func cells(_ item: Value, names: [String]) -> [Table.Cell] {
            let loses = margin(item) < .zero
            let isKnown = !isUnpriced(item)
            let amount: (String) -> String = { item[$0]?.amount?.shown(places) ?? "-" }
            var row = names.map { Table.Cell($0) }
            row.append(Table.Cell(item["events"]?.amount?.fixed(0) ?? "-"))
            row.append(Table.Cell(isKnown ? amount("costAmount") : "-"))
            row.append(Table.Cell(amount("revenueAmount")))
            row.append(Table.Cell(isKnown ? amount("marginAmount") : "-", isLoss: loses))
            row.append(Table.Cell(isKnown ? item["marginRatio"]?.amount?.percent ?? "-" : "-", isLoss: loses))
            if hasUnpriced { row.append(Table.Cell(item["unpricedEvents"]?.amount?.fixed(0) ?? "0")) }
            return row
        }
        var table = Table(columns)
        table.rows = items.map { item in
            var row = cells(item, names: groups.map { name(of: item, $0) })
            let margin = isUnpriced(item) ? .zero : margin(item)
            if hasBars { row.append(Table.Cell("", isLoss: margin < .zero, share: Table.share(margin, of: widest))) }
            return row
        }
        table.totals = cells(totals, names: ["total"] + Array(repeating: "", count: groups.count - 1))
        return table.render(style)
    }

    /// Whether anything is known about the cost of a group: without it a margin of 100 % would be a claim. `unpriced` names the
    /// count of events without a cost.
    static func hasCost(_ item: Value, _ unpriced: String = "unpricedEvents") -> Bool {
        guard let events = item["events"]?.amount, let count = item[unpriced]?.amount else { return true }
        return count == .zero || count != events
    }

    private static func isUnpriced(_ item: Value) -> Bool { !hasCost(item) }

    private static func margin(_ item: Value) -> Amount { item["marginAmount"]?.amount ?? .zero }

    /// What an item calls itself in a group; `-` for events without such a name.
    static func name(of item: Value, _ group: MarginsCommand.Grouping) -> String {
        for member in group.members {
            if case .string(let text)? = item[member] { return text }
        }
        return "-"
    }
}
