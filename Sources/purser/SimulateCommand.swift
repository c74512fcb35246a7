// `purser simulate`: what past events would have cost at other prices, or as another model, side by side with what they cost.
// Nothing is changed.

import ArgumentParser
import Core

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "What past events would have cost at other prices, or with another model.",
        discussion: """
            Changes nothing. --prices FILE holds prices of your own as in prices.d/, which come before those in force. \
            --as-if gpt-5.5=claude-opus-4-6 prices the events of one model as if another had served them; after @ the provider: \
            gpt-5.5=gpt-5.5@azure. Costs that came with their event stay, unless --reprice-given is given.
            """
    )

    @Option(help: ArgumentHelp("Prices to try out, TOML; - for standard input. May be given several times.", valueName: "file"))
    var prices: [String] = []

    @Option(help: ArgumentHelp("One model as if it were another. May be given several times.", valueName: "model=other[@provider]"))
    var asIf: [String] = []

    @Option(
        help: ArgumentHelp(
            "Group by \(MarginsCommand.Grouping.allCases.map(\.rawValue).joined(separator: ", ")); several with commas.",
            valueName: "group"))
    var by = "customer,model"

    @Flag(help: "Work costs out that came with their event, too.")
    var repriceGiven = false

    @Option(help: ArgumentHelp("Where a day or a month begins, as Europe/Berlin; UTC without it.", valueName: "zone"))
    var timezone: String?

    @OptionGroup(title: "Events") var filter: EventFilterOptions

    @OptionGroup(title: "Connection") var options: SharedOptions

    func validate() throws {
        guard !prices.isEmpty || !asIf.isEmpty else { throw ValidationError("simulate needs --prices FILE or --as-if MODEL=OTHER") }
    }

    func run() throws {
        let groups = try MarginsCommand.groups(by)
        let body = try body(groups)
        var service = try Service(options, seconds: Service.longSeconds)
        let data = try service.data(HTTPRequest("POST", Service.base + "/simulations", body: Array(body.json.utf8)))
        if options.json { return Terminal.print(data.json) }
        Terminal.print(SimulationTable.text(data, by: groups, style: Terminal.style))
    }

    func body(_ groups: [MarginsCommand.Grouping]) throws -> Value {
        var members = try filter.resolved(now: Instant.now).members
        func add(_ name: String, _ value: Value?) { if let value { members.append(Value.Member(name: name, value: value)) } }
        add("groupBy", .array(groups.map { .string($0.parameter) }))
        add("timezone", timezone.map { .string($0) })
        add("pricesToml", try texts().map { .string($0) })
        add("substitutions", asIf.isEmpty ? nil : .array(try asIf.map { try Substitution($0).json }))
        if repriceGiven { add("repriceGiven", .bool(true)) }
        return .object(members)
    }

    /// The files one after another: each is a list of prices, and so is the whole.
    private func texts() throws -> String? {
        guard !prices.isEmpty else { return nil }
        var text = ""
        for path in prices {
            guard let bytes = readFile(path, limit: Limits.httpBodyBytes / 2) else {
                throw Failure.usage("cannot read \(path.printable): \(systemError())")
            }
            guard let file = String(validating: bytes, as: UTF8.self) else { throw Failure.usage("\(path.printable) is not UTF-8") }
            text += file.hasSuffix("\n") ? file : file + "\n"
        }
        return text
    }

    /// `MODEL[@PROVIDER]=OTHER[@PROVIDER]`.
    struct Substitution: Equatable {
        var model: Name
        var other: Name

        /// A model's name, and whose it is.
        struct Name: Equatable {
            var model: String
            var provider: String?

            /// What stands after the last `@` is a provider unless it is a version, as in `claude-sonnet-4@20250514`.
            init?(_ text: Substring) {
                guard !text.isEmpty else { return nil }
                model = String(text)
                guard let at = text.lastIndex(of: "@"), at > text.startIndex else { return }
                let rest = text[text.index(after: at)...]
                guard !rest.isEmpty, !rest.utf8.allSatisfy({ $0 &- 0x30 < 10 }), rest != "latest", rest != "default" else { return }
                model = String(text[..<at])
                provider = String(rest)
            }
        }

        init(_ text: String) throws {
            let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, let model = Name(sides[0]), let other = Name(sides[1]) else {
                throw Failure.usage("--as-if takes MODEL=OTHER or MODEL=OTHER@PROVIDER, not \(text.printable)")
            }
            self.model = model
            self.other = other
        }

        var json: Value {
            .fields(
                ("model", .string(model.model)), ("provider", model.provider.map { .string($0) }), ("asModel", .string(other.model)),
                ("asProvider", other.provider.map { .string($0) })
            )
        }
    }
}

/// The data of a simulation as a table.
enum SimulationTable {
    static func text(_ data: Value, by groups: [MarginsCommand.Grouping], style: Style) -> String {
        let items = data["items"]?.elements ?? []
        let totals = data["totals"] ?? .null
        guard !items.isEmpty else { return "No events." }
        var text = render(items, totals, by: groups, style: style) + "\n\n"
        let number: (String) -> Int = { totals[$0]?.integer ?? 0 }
        text +=
            "\(grouped(String(number("changedEvents")))) of \(RepricePreview.count(number("events"), "event")) would cost something else."
        let (now, then) = (number("unpricedEvents"), number("simulatedUnpricedEvents"))
        if then > 0 {
            let note = "\(RepricePreview.count(then, "event")) without a price in the simulation (now: \(grouped(String(now)))): "
            let words = note + "no cost of theirs is in the simulated columns."
            text += "\n" + (then > now ? style.yellow(words) : words)
        }
        if data["truncated"] == .bool(true) { text += "\n" + style.dim("Not all groups are listed; the totals hold all of them.") }
        return text + "\n" + style.dim("A simulation: nothing was changed.")
    }

    private static func render(_ items: [Value], _ totals: Value, by groups: [MarginsCommand.Grouping], style: Style) -> String {
        var columns = groups.map { Table.Column(title: $0.rawValue, alignment: .left) }
        let titles = ["events", "cost", "simulated", "difference", "margin", "simulated", "margin %", "simulated"]
        columns += titles.map { Table.Column(title: $0, alignment: .point) }
        let everything = items + [totals]
        let counts = ["unpricedEvents", "simulatedUnpricedEvents"]
        let hasUnpriced = everything.contains { item in counts.contains { (item[$0]?.amount ?? .zero) > .zero } }
        if hasUnpriced {
            for title in ["unpriced", "simulated"] { columns.append(Table.Column(title: title, alignment: .point)) }
        }
        let amounts = ["costAmount", "simulatedCostAmount", "costDifference", "marginAmount", "simulatedMarginAmount"]
        let places = Amount.places(for: everything.flatMap { item in amounts.compactMap { item[$0]?.amount } })
        let widest = items.compactMap { $0["costDifference"]?.amount?.scaled.magnitude }.max() ?? 0
        func cells(_ item: Value, names: [String]) -> [Table.Cell] {
            func loss(_ name: String) -> Bool { (item[name]?.amount ?? .zero) < .zero }
            let (isKnown, wouldBeKnown) = (MarginsTable.hasCost(item, counts[0]), MarginsTable.hasCost(item, counts[1]))
            func amount(_ name: String, if isKnown: Bool, isLoss: Bool = false) -> Table.Cell {
                Table.Cell(isKnown ? item[name]?.amount?.shown(places) ?? "-" : "-", isLoss: isKnown && isLoss)
            }
            func percent(_ name: String, if isKnown: Bool, isLoss: Bool) -> Table.Cell {
                Table.Cell(isKnown ? item[name]?.amount?.percent ?? "-" : "-", isLoss: isKnown && isLoss)
            }
            let difference = item["costDifference"]?.amount ?? .zero
            let (isLoss, wouldLose) = (loss("marginAmount"), loss("simulatedMarginAmount"))
            var row =
                names.map { Table.Cell($0) } + [
                    Table.Cell(item["events"]?.amount?.fixed(0) ?? "-"), amount("costAmount", if: isKnown),
                    amount("simulatedCostAmount", if: wouldBeKnown),
                    Table.Cell(isKnown || wouldBeKnown ? difference.signed(places) : "-", isLoss: difference > .zero),
                    amount("marginAmount", if: isKnown, isLoss: isLoss),
                    amount("simulatedMarginAmount", if: wouldBeKnown, isLoss: wouldLose),
                    percent("marginRatio", if: isKnown, isLoss: isLoss),
                    percent("simulatedMarginRatio", if: wouldBeKnown, isLoss: wouldLose),
                ]
            if hasUnpriced { row += counts.map { Table.Cell(item[$0]?.amount?.fixed(0) ?? "0") } }
            return row
        }
        var table = Table(columns)
        table.rows = items.map { item in cells(item, names: groups.map { MarginsTable.name(of: item, $0) }) }
        table.totals = cells(totals, names: ["total"] + Array(repeating: "", count: groups.count - 1))
        // A bar of what the margin would win or lose, where the line has room for it.
        guard let width = style.width, table.width(style) + Table.barCells + 2 <= width else { return table.render(style) }
        table.columns.append(Table.Column(title: "", alignment: .bar))
        for (index, item) in items.enumerated() {
            let effect = Amount(scaled: -(item["costDifference"]?.amount?.scaled ?? 0))
            table.rows[index].append(Table.Cell("", isLoss: effect < .zero, share: Table.share(effect, of: widest)))
        }
        return table.render(style)
    }
}
