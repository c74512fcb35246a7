// PriceList: the rows of a catalogue with the rates of one instant.

import Core
import Pricing

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
