// `purser price`: what an event with this usage would cost, line by line, by the price list built into this binary.
//
// No daemon is asked; negotiated prices that a daemon was given do not count here.

import ArgumentParser
import Core
import Pricing

struct PriceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "price",
        abstract: "What an event with this usage would cost, line by line.",
        discussion: """
            Computed here, with the built-in price list: no daemon is asked, and prices of your own do not count. \
            Exit status 1 when there is no price.
            """
    )

    @OptionGroup(title: "Model and usage") var usage: UsageOptions
    @OptionGroup(title: "Connection") var options: SharedOptions

    func validate() throws {
        guard usage.model != nil else { throw ValidationError("price needs --model") }
    }

    func run() throws {
        let quote = try PriceQuote(try usage.costInput(), at: try usage.occurredAt())
        Terminal.print(options.json ? quote.json.json : quote.text(Terminal.style))
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

    /// Prices an event's `costInput` as of `at`, or now.
    init(_ costInput: Value, at: Value?) throws {
        let event = Value.fields(("eventName", .string("price")), ("occurredAt", at ?? .string("\(Instant.now)")), ("costInput", costInput))
        let request = try PriceRequest(json: Array(event.json.utf8))
        self.init(request, try PriceList.builtIn())
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
        table.totals = [Table.Cell("cost in USD"), Table.Cell(""), Table.Cell(""), Table.Cell(""), Table.Cell("\(cost)")]
        return table
    }

    var json: Value {
        .fields(
            ("model", .string(model)),
            ("modelProvider", provider.isEmpty ? nil : .string(provider)),
            ("costAmount", cost.map { .number("\($0)") }),
            ("unpriced", cost == nil ? .string("\(unpriced.name)") : nil),
            ("match", match == .none ? nil : .string("\(match.name)")),
            ("priceDetail", derivation.isEmpty ? nil : .string(derivation)),
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
