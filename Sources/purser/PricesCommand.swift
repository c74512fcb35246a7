// `purser prices`: the price list built into this binary; newer ones into the daemon are in PricesUpdateCommand.

import ArgumentParser
import Core
import Pricing

struct PricesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices",
        abstract: "Look into the price list, and take over newer ones.",
        subcommands: [List.self, Show.self, Update.self, DisagreementList.self]
    )

    @OptionGroup var options: SharedOptions

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every model with its standard rates of today.",
            discussion: "Token rates are in USD per million; what `prices show` says about a model is complete."
        )

        @Option(help: ArgumentHelp("Only this provider.", valueName: "name"))
        var provider: String?

        @Option(help: ArgumentHelp("Only models whose name holds this text.", valueName: "text"))
        var search: String?

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let book = try PriceList.builtIn()
            let list = PriceList(book, at: Instant.now)
            let wanted = try provider.map { try list.canonical($0, in: book) }
            let needle = search?.lowercased()
            let rows = list.rows.filter { row in
                (wanted.map { $0 == row.provider } ?? true) && (needle.map { row.model.lowercased().contains($0) } ?? true)
            }
            if options.json {
                Terminal.print(Value.fields(("version", .string(book.version)), ("items", .array(rows.map(\.json)))).json)
            } else {
                Terminal.print(rows.isEmpty ? "No such model." : PriceList.render(rows, version: book.version, style: Terminal.style))
            }
            if rows.isEmpty { throw Failure.refused("") }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All rates of one model: by date, tier, length of input, region and hour.")

        @Argument(help: "The model's name, as an application sends it.")
        var model: String

        @Option(help: ArgumentHelp("Whose model.", valueName: "name"))
        var provider: String?

        @Flag(help: "Show the rates of the past too.")
        var history = false

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let book = try PriceList.builtIn()
            let request = PriceRequest(provider: provider ?? "", model: model, at: Instant.now)
            let found = request.resolve(in: book)
            guard let current = PriceCard.current(found, book, at: Instant.now) else {
                throw Failure.refused("\(model.printable): no price (\(found.unpriced.name))")
            }
            var cards = PriceCard.all(of: current.row, in: book)
            if !history { cards = cards.filter { $0.from >= current.from } }
            if options.json {
                Terminal.print(
                    Value.fields(
                        ("row", .string(current.row)), ("match", .string("\(found.match.name)")),
                        ("cards", .array(cards.map(\.json)))
                    ).json)
            } else {
                Terminal.print(Show.render(current.row, cards, match: found.match, style: Terminal.style))
            }
        }

        static func render(_ row: String, _ cards: [PriceCard], match: MatchRule, style: Style) -> String {
            var kinds: [String] = []
            for card in cards {
                for rate in card.rates where !kinds.contains(rate.kind) { kinds.append(rate.kind) }
            }
            var table = Table([Table.Column(title: "when", alignment: .left)])
            for kind in kinds { table.columns.append(Table.Column(title: kind, alignment: .point)) }
            table.rows = cards.map { card in
                let when = card.conditions.isEmpty ? "always" : card.conditions.joined(separator: " ")
                return [Table.Cell(when)] + kinds.map { Table.Cell(card.rate($0) ?? "-") }
            }
            // Conditions are the point of this table: they are never cut.
            var wide = style
            wide.width = nil
            let matched = match == .exact ? "" : "  (name matched: \(match.name))"
            return style.bold(row.printable) + matched + "\n\n" + table.render(wide) + "\n"
                + style.dim("USD per million tokens, per one of anything else")
        }
    }
}

/// One set of rates of the price list, and when it counts. Read from its derivation, which is all that is kept with an event.
struct PriceCard: Equatable {
    /// `catalogue:VERSION:PROVIDER/MODEL`.
    var row: String
    var conditions: [String] = []
    /// Kind and rate in 1e-15 USD a unit, in the list's order.
    var rates: [(kind: String, rate: Int128)] = []

    static func == (a: PriceCard, b: PriceCard) -> Bool {
        a.row == b.row && a.conditions == b.conditions && a.rates.elementsEqual(b.rates) { $0.kind == $1.kind && $0.rate == $1.rate }
    }

    /// Reads `source|condition|…|kind=rate|…`; nil without a source.
    init?(derivation: String) {
        var parts = derivation.split(separator: "|", omittingEmptySubsequences: false).map(String.init)[...]
        guard let source = parts.popFirst(), !source.isEmpty else { return nil }
        row = source
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1)
            if pair.count == 2, let rate = Int128(pair[1]) {
                rates.append((String(pair[0]), rate))
            } else {
                conditions.append(part)
            }
        }
    }

    /// The provider and the model that the row is named after.
    var names: (provider: String, model: String) {
        let name = row.split(separator: ":", maxSplits: 2).last ?? ""
        guard let slash = name.firstIndex(of: "/") else { return ("", String(name)) }
        return (String(name[..<slash]), String(name[name.index(after: slash)...]))
    }

    /// A rate as people write it: USD per million tokens, USD per anything else.
    static func shown(_ kind: String, _ rate: Int128) -> (rate: String, per: String) {
        kind.hasSuffix("Tokens") ? (DecimalText.text(rate, places: 9), "1M") : (DecimalText.text(rate, places: 15), "1")
    }

    /// The rate of a kind as people write it.
    func rate(_ kind: String) -> String? {
        rates.first { $0.kind == kind }.map { PriceCard.shown($0.kind, $0.rate).rate }
    }

    /// When its dated rates begin; empty for rates without a date, which sorts before every date.
    var from: String { conditions.first { $0.hasPrefix("from:") } ?? "" }

    var json: Value {
        .fields(
            ("conditions", .array(conditions.map { .string($0) })),
            ("rates", .object(rates.map { Value.Member(name: $0.kind, value: .number(DecimalText.text($0.rate, places: 15))) }))
        )
    }

    // MARK: - From a book

    /// The standard rates that count at an instant; nil when there are none.
    static func current(_ resolution: Resolution, _ book: PriceBook, at time: Timestamp) -> PriceCard? {
        guard resolution.entry >= 0 else { return nil }
        // Without usage there is no cost, but the rates are chosen all the same.
        let nothing = UnsafeBufferPointer<UsageLine>(start: nil, count: 0)
        let region = UnsafeRawBufferPointer(start: nil, count: 0)
        return read(book.price(resolution, usage: nothing, at: time, tier: .standard, region: region).card, book)
    }

    /// Every set of rates of one row.
    static func all(of row: String, in book: PriceBook) -> [PriceCard] {
        var cards: [PriceCard] = []
        for number in 0..<book.cardCount {
            guard let card = read(Int32(number), book), card.row == row else { continue }
            // The same rates stand under several numbers, which differ in flags.
            let isFlagged = card.conditions.contains { ["beforeFirstRate", "tierNotPriced", "providerFallback"].contains($0) }
            if !isFlagged, !cards.contains(card) { cards.append(card) }
        }
        return cards
    }

    private static func read(_ number: Int32, _ book: PriceBook) -> PriceCard? {
        guard number >= 0 else { return nil }
        var text = ByteWriter(capacity: 256)
        book.derivation(card: number, into: &text)
        return PriceCard(derivation: text.string)
    }
}

/// The rows of a price list with their standard rates at one instant.
struct PriceList {
    struct Row {
        var provider: String
        var model: String
        var card: PriceCard

        var json: Value {
            .fields(
                ("modelProvider", .string(provider)), ("model", .string(model)),
                ("rates", .object(card.rates.map { Value.Member(name: $0.kind, value: .number(DecimalText.text($0.rate, places: 15))) }))
            )
        }
    }

    private(set) var rows: [Row] = []

    static func builtIn() throws -> PriceBook {
        do throws(PriceBookError) { return try PriceBook.builtIn() } catch { throw Failure.usage("the built-in price list: \(error)") }
    }

    /// The catalogue's rows are a book's first entries.
    init(_ book: PriceBook, at time: Timestamp) {
        for index in 0..<book.rowCount {
            let resolution = Resolution(
                entry: Int32(index), match: .exact, unpriced: .none, viaFallback: false,
                provider: UnsafeRawBufferPointer(start: nil, count: 0))
            guard let card = PriceCard.current(resolution, book, at: time) else { continue }
            let names = card.names
            rows.append(Row(provider: names.provider, model: names.model, card: card))
        }
        rows.sort { ($0.provider, $0.model) < ($1.provider, $1.model) }
    }

    /// The list's own name of a provider.
    func canonical(_ provider: String, in book: PriceBook) throws -> String {
        if rows.contains(where: { $0.provider == provider }) { return provider }
        let found = PriceRequest(provider: provider, model: "-", at: Instant.now).resolve(in: book)
        guard !found.provider.isEmpty else { throw Failure.refused("\(provider.printable): no such provider") }
        return String(decoding: found.provider, as: UTF8.self)
    }

    static func render(_ rows: [Row], version: String, style: Style) -> String {
        var table = Table([
            Table.Column(title: "provider", alignment: .left), Table.Column(title: "model", alignment: .left),
            Table.Column(title: "input", alignment: .point), Table.Column(title: "output", alignment: .point),
            Table.Column(title: "cache read", alignment: .point), Table.Column(title: "cache write", alignment: .point),
            Table.Column(title: "other", alignment: .left),
        ])
        let columns: [UsageKind] = [.inputTokens, .outputTokens, .cacheReadTokens, .cacheWriteTokens]
        let known = columns.map { "\($0.name)" }
        table.rows = rows.map { row in
            let others = row.card.rates.filter { !known.contains($0.kind) }.map(\.kind)
            return [Table.Cell(row.provider), Table.Cell(row.model)] + known.map { Table.Cell(row.card.rate($0) ?? "-") }
                + [Table.Cell(others.joined(separator: ","))]
        }
        return table.render(style) + "\n" + style.dim("\(rows.count) models, USD per million tokens, price list of \(version)")
    }
}
