// PriceCard: one set of rates, read from its derivation, which is all that is kept with an event.

import Core
import Pricing

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
        for number in book.plainCards {
            guard let card = read(Int32(number), book), card.row == row, !cards.contains(card) else { continue }
            cards.append(card)
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
