// `purser price`: what an event with this usage would cost, line by line, by the prices that the daemon has in force, or by those
// built into this binary when there is no daemon.

import ArgumentParser
import Core
import Pricing

struct PriceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "price",
        abstract: "What an event with this usage would cost, line by line.",
        discussion: """
            Computed here, with the daemon's prices when it can be reached, your own among them, else with those built into this \
            program; standard error says which. Exit status 1 when there is no price.
            """
    )

    @Option(help: ArgumentHelp("As used by this feature, which may have prices of its own.", valueName: "key"))
    var feature: String?

    @Flag(name: .customLong("builtin"), help: "By the prices built into this program, whatever a daemon has.")
    var isBuiltIn = false

    @OptionGroup(title: "Model and usage") var usage: UsageOptions
    @OptionGroup(title: "Connection") var options: SharedOptions

    func validate() throws {
        guard usage.model != nil else { throw ValidationError("price needs --model") }
    }

    func run() throws {
        // What is typed is judged before anybody is asked.
        let request = try PriceRequest(try usage.costInput(), feature: feature, at: try usage.occurredAt())
        let prices = try PricesInForce.load(options, builtIn: isBuiltIn)
        prices.announce()
        let quote = PriceQuote(request, prices.book)
        Terminal.print(options.json ? quote.json(prices).json : quote.text(Terminal.style))
        if quote.cost == nil { throw Failure.refused("") }
    }
}

/// A price worked out: its lines, and where the rates come from.
struct PriceQuote {
    var provider: String
    var model: String
    var match: MatchRule
    /// nil when there is no price; then `unpriced` says why.
    var cost: Money?
    var unpriced: UnpricedReason
    /// Where the rates came from, as it is stored with an event.
    var derivation: String
    var lines: [PriceLine]

    /// Prices an event's `costInput` as of `at`, or now, by the built-in prices.
    init(_ costInput: Value, at: Value?) throws {
        self.init(try PriceRequest(costInput, feature: nil, at: at), try PriceList.builtIn())
    }

    init(_ request: PriceRequest, _ book: PriceBook) {
        let found = request.resolve(in: book)
        let priced = request.usage.withUnsafeBufferPointer { usage in
            request.region.withUnsafeBytes { book.price(found, usage: usage, at: request.at, tier: request.tier, region: $0) }
        }
        var text = ByteWriter(capacity: 256)
        if priced.card >= 0 { book.derivation(card: priced.card, into: &text) }
        let providerName = found.provider.isEmpty ? request.provider[...] : [UInt8](found.provider)[...]
        provider = String(decoding: providerName, as: UTF8.self)
        model = String(decoding: request.model, as: UTF8.self)
        match = found.match
        unpriced = priced.unpriced
        cost = priced.unpriced == .none ? priced.cost : nil
        derivation = text.string
        lines = cost == nil ? [] : PriceBook.lines(derivation: text.bytes, usage: request.usage) ?? []
    }

    // MARK: - Showing

    func text(_ style: Style) -> String {
        var head = model.printable
        if !provider.isEmpty { head += " by \(provider.printable)" }
        guard let cost else { return "\(head): no price (\(unpriced.name))" }
        var text = style.bold(head) + "\n" + notes.map { "  " + $0.printable + "\n" }.joined() + "\n"
        text += PriceQuote.table(lines, cost: cost).render(style)
        return text
    }

    /// The derivation without its rates, in words.
    private var notes: [String] {
        var notes = PriceQuote.conditions(derivation)
        if match != .none, match != .exact { notes.append("name matched: \(match.name)") }
        return notes
    }

    /// The parts of a derivation that are not rates.
    static func conditions(_ derivation: String) -> [String] {
        derivation.split(separator: "|").map(String.init).filter { !$0.contains("=") }
    }

    /// Count, rate and amount of each line, and their sum as it is booked.
    static func table(_ lines: [PriceLine], cost: Money) -> Table {
        var table = Table([
            Table.Column(title: "usage", alignment: .left), Table.Column(title: "count", alignment: .point),
            Table.Column(title: "rate", alignment: .point), Table.Column(title: "per", alignment: .left),
            Table.Column(title: "amount", alignment: .point),
        ])
        table.rows = lines.map { line in
            let isToken = "\(line.kind.name)".hasSuffix("Tokens")
            // Rates are in 1e-15 USD a unit; tokens are priced by the million.
            let rate = DecimalText.text(Int128(line.rate), places: isToken ? 9 : 15)
            return [
                Table.Cell("\(line.kind.name)"), Table.Cell(Amount("\(line.count)")?.exact ?? "\(line.count)"),
                Table.Cell(rate), Table.Cell(isToken ? "1M" : "1"), Table.Cell(DecimalText.text(line.amount, places: 21)),
            ]
        }
        // The cost is rounded once, to 1e-12; where that changes it, what the lines add up to is shown too.
        let sum = PriceQuote.sum(lines)
        if sum != Int128(cost.picodollars) * 1_000_000_000 {
            table.subtotals = [
                Table.Cell("sum"), Table.Cell(""), Table.Cell(""), Table.Cell(""), Table.Cell(DecimalText.text(sum, places: 21)),
            ]
        }
        table.totals = [Table.Cell("cost in USD"), Table.Cell(""), Table.Cell(""), Table.Cell(""), Table.Cell("\(cost)")]
        return table
    }

    /// What the lines add up to, exactly, at 1e-21 USD.
    static func sum(_ lines: [PriceLine]) -> Int128 { lines.reduce(0) { $0 + $1.amount } }

    var json: Value { json(nil) }

    /// As JSON, with whose prices they are.
    func json(_ prices: PricesInForce?) -> Value {
        .fields(
            ("model", .string(model)),
            ("modelProvider", provider.isEmpty ? nil : .string(provider)),
            ("costAmount", cost.map { .number("\($0)") }),
            ("sumAmount", cost == nil ? nil : .number(DecimalText.text(PriceQuote.sum(lines), places: 21))),
            ("unpriced", cost == nil ? .string("\(unpriced.name)") : nil),
            ("match", match == .none ? nil : .string("\(match.name)")),
            ("priceDetail", derivation.isEmpty ? nil : .string(derivation)),
            ("prices", prices?.json),
            (
                "lines",
                .array(
                    lines.map { line in
                        .fields(
                            ("kind", .string("\(line.kind.name)")),
                            ("count", .number("\(line.count)")),
                            ("rate", .number(DecimalText.text(Int128(line.rate), places: 15))),
                            ("amount", .number(DecimalText.text(line.amount, places: 21)))
                        )
                    })
            )
        )
    }
}
