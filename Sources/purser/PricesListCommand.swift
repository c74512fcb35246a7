// `purser prices list`: prices of one's own, then every model of the catalogue with its standard rates.

import ArgumentParser
import Core
import Pricing

extension PricesCommand {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Your own prices, and every model with its standard rates of today.",
            discussion: """
                The daemon's prices when it can be reached, else those built into this program; standard error says which. Token \
                rates are in USD per million; what `prices show` says about a model is complete.
                """
        )

        @Option(help: ArgumentHelp("Only this provider.", valueName: "name"))
        var provider: String?

        @Option(help: ArgumentHelp("Only models whose name holds this text.", valueName: "text"))
        var search: String?

        @Flag(help: "Only prices of your own.")
        var own = false

        @Flag(name: .customLong("builtin"), help: "The prices built into this program, whatever a daemon has.")
        var isBuiltIn = false

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let prices = try PricesInForce.load(options, builtIn: isBuiltIn)
            prices.announce()
            let book = prices.book
            let list = PriceList(book, at: Instant.now)
            let wanted = try provider.map { try list.canonical($0, in: book) }
            let needle = search?.lowercased()
            let mine = book.ownRows().filter { row in
                (provider.map { [$0.lowercased(), wanted].contains(row.provider) } ?? true)
                    && (needle.map { (row.model ?? "").contains($0) } ?? true)
            }
            let rows =
                own
                ? []
                : list.rows.filter { row in
                    (wanted.map { $0 == row.provider } ?? true) && (needle.map { row.model.lowercased().contains($0) } ?? true)
                }
            if options.json {
                Terminal.print(
                    Value.fields(
                        ("version", .string(book.version)), ("prices", prices.json),
                        ("own", .array(mine.map(\.json))), ("items", .array(rows.map(\.json)))
                    ).json)
                if mine.isEmpty, rows.isEmpty { throw Failure.refused("") }
                return
            }
            var parts: [String] = []
            if !mine.isEmpty { parts.append(OwnPriceTable.render(mine, at: Instant.now, style: Terminal.style)) }
            if !rows.isEmpty { parts.append(PriceList.render(rows, version: book.version, style: Terminal.style)) }
            Terminal.print(parts.isEmpty ? (own ? "No prices of your own." : "No such model.") : parts.joined(separator: "\n\n"))
            if parts.isEmpty, !own { throw Failure.refused("") }
        }
    }
}

/// Prices of one's own as a table.
enum OwnPriceTable {
    static func render(_ rows: [OwnPriceRow], at time: Timestamp, style: Style) -> String {
        var table = Table(["id", "for", "when", "price", "from"].map { Table.Column(title: $0, alignment: .left) })
        table.rows = rows.map { row in
            let isOff = !row.holds(at: time)
            return [row.id, row.whose, row.when, row.price, row.file].map { Table.Cell($0, isFaint: isOff) }
        }
        let count = RepricePreview.count(rows.count, "price")
        return table.render(style) + "\n" + style.dim("\(count) of your own, before the catalogue's; tokens per million")
    }
}

extension OwnPriceRow {
    /// `gpt-5.5 by openai, feature chat`.
    var whose: String {
        var text = model ?? "every model"
        if let provider { text += " by \(provider)" }
        if let feature { text += ", feature \(feature)" }
        return text
    }

    /// `always`, `from …`, `until …`.
    var when: String {
        let span = [from.map { "from \(OwnPriceRow.day($0))" }, until.map { "until \(OwnPriceRow.day($0))" }].compactMap(\.self)
        return span.isEmpty ? "always" : span.joined(separator: " ")
    }

    /// An instant; a date alone where it is a midnight, UTC.
    static func day(_ time: Timestamp) -> String {
        let text = "\(time)"
        return text.hasSuffix("T00:00:00Z") ? String(text.dropLast(10)) : text
    }

    /// `12.5% off`, or the standard rates, and how many sets of others there are.
    var price: String {
        if let discount { return DecimalText.text(Int128(discount), places: 4) + "% off" }
        let cards = derivations.compactMap { PriceCard(derivation: $0) }
        guard let first = cards.first(where: { $0.conditions.isEmpty }) ?? cards.first else { return "-" }
        // One rate for the total of every kind is a price per unit.
        let isPerUnit = first.rates.count > 4 && first.rates.allSatisfy { $0.rate == first.rates[0].rate }
        var text =
            isPerUnit
            ? DecimalText.text(first.rates[0].rate, places: 15) + " a unit"
            : first.rates.map { "\(OwnPriceRow.short($0.kind)) \(PriceCard.shown($0.kind, $0.rate).rate)" }.joined(separator: ", ")
        if cards.count > 1 { text += "; \(cards.count - 1) more for tiers and thresholds" }
        return text
    }

    private static func short(_ kind: String) -> String { kind.hasSuffix("Tokens") ? String(kind.dropLast(6)) : kind }

    var json: Value {
        .fields(
            ("id", .string(id)), ("modelProvider", provider.map { .string($0) }), ("model", model.map { .string($0) }),
            ("featureKey", feature.map { .string($0) }), ("from", from.map { .string("\($0)") }), ("until", until.map { .string("\($0)") }),
            ("discountPercent", discount.map { .number(DecimalText.text(Int128($0), places: 4)) }),
            ("cards", discount == nil ? .array(derivations.compactMap { PriceCard(derivation: $0)?.json }) : nil),
            ("source", .string(file == PricesInForce.apiName ? "api" : "file"))
        )
    }
}
