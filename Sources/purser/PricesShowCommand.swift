// `purser prices show`: everything that decides what one model costs: prices of one's own, one after another in time, and the
// catalogue's rates by date, tier, length of input, region and hour.

import ArgumentParser
import Core
import Pricing

extension PricesCommand {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All rates of one model: by date, tier, length of input, region and hour.",
            discussion: "The daemon's prices when it can be reached, else those built into this program; standard error says which."
        )

        @Argument(help: "The model's name, as an application sends it.")
        var model: String

        @Option(help: ArgumentHelp("Whose model.", valueName: "name"))
        var provider: String?

        @Option(help: ArgumentHelp("As used by this feature.", valueName: "key"))
        var feature: String?

        @Flag(help: "Show the rates of the past too.")
        var history = false

        @Flag(name: .customLong("builtin"), help: "The prices built into this program, whatever a daemon has.")
        var isBuiltIn = false

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            let prices = try PricesInForce.load(options, builtIn: isBuiltIn)
            prices.announce()
            let now = Instant.now
            let request = PriceRequest(provider: provider ?? "", model: model, feature: feature ?? "", at: now)
            let found = request.resolve(in: prices.book)
            let sections = PriceSection.all(of: found, in: prices.book, at: now, history: history)
            guard !sections.isEmpty else { throw Failure.refused("\(model.printable): no price (\(found.unpriced.name))") }
            if options.json {
                Terminal.print(
                    Value.fields(
                        ("row", .string(sections[0].row)), ("match", .string("\(found.match.name)")), ("prices", prices.json),
                        ("cards", .array(sections[0].cards.map(\.json))),
                        ("others", sections.count == 1 ? nil : .array(sections.dropFirst().map(\.json)))
                    ).json)
            } else {
                let style = Terminal.style
                let matched = found.match == .exact ? "" : "  (name matched: \(found.match.name))"
                let parts = sections.enumerated().map { index, section in section.render(style, note: index == 0 ? matched : "") }
                Terminal.print(parts.joined(separator: "\n\n") + "\n" + style.dim("USD per million tokens, per one of anything else"))
            }
        }
    }
}

/// The rates of one source: a price of one's own, or a row of the catalogue.
struct PriceSection {
    var row: String
    var cards: [PriceCard]
    /// The price of one's own that it is.
    var own: OwnPriceRow?

    /// The sources that count for a model, the one in force first, then those that begin later or, with `history`, began
    /// earlier. Empty when there is no price.
    static func all(of found: Resolution, in book: PriceBook, at now: Timestamp, history: Bool) -> [PriceSection] {
        let own = book.ownRows()
        var instants = [now]
        let edges = own.flatMap { [$0.from, $0.until] }.compactMap(\.self).sorted()
        instants += edges.filter { $0 > now }
        if history, let first = edges.first {
            instants += edges.filter { $0 <= now }.reversed() + [Timestamp(nanoseconds: max(0, first.nanoseconds - 1))]
        }
        var sections: [PriceSection] = []
        for instant in instants {
            guard let current = PriceCard.current(found, book, at: instant), !sections.contains(where: { $0.row == current.row }) else {
                continue
            }
            var cards = PriceCard.all(of: current.row, in: book)
            if !history { cards = cards.filter { $0.from >= current.from } }
            sections.append(PriceSection(row: current.row, cards: cards, own: own.first { current.row == "custom:\($0.id)" }))
        }
        return sections
    }

    var json: Value { .fields(("row", .string(row)), ("cards", .array(cards.map(\.json)))) }

    func render(_ style: Style, note: String) -> String {
        var kinds: [String] = []
        for card in cards {
            for rate in card.rates where !kinds.contains(rate.kind) { kinds.append(rate.kind) }
        }
        var table = Table([Table.Column(title: "when", alignment: .left)])
        for kind in kinds { table.columns.append(Table.Column(title: kind, alignment: .point)) }
        // What all of them have in common stands above them.
        let shared = (cards.first?.conditions ?? []).filter { condition in cards.allSatisfy { $0.conditions.contains(condition) } }
        table.rows = cards.map { card in
            let others = card.conditions.filter { !shared.contains($0) }
            let when = others.isEmpty ? "always" : others.joined(separator: " ")
            return [Table.Cell(when)] + kinds.map { Table.Cell(card.rate($0) ?? "-") }
        }
        // Conditions are the point of this table: they are never cut.
        var wide = style
        wide.width = nil
        var head = style.bold(row.printable) + note
        if let own { head += "\n  \(own.whose.printable), \(own.when)" }
        for condition in shared { head += "\n  " + condition.printable }
        return head + "\n\n" + table.render(wide)
    }
}
