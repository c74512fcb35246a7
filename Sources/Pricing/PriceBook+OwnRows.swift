// The prices of one's own as values, for whoever lists or shows them. Not for the data path.

public import Core

/// A price of one's own, as its text has it.
public struct OwnPriceRow: Equatable, Sendable {
    public var id: String
    /// The text it was read from: a file's path, or what else `PriceTexts.Text.name` said.
    public var file: String
    /// Whose it is, lower case; nil for everyone's. The same for model, a pattern when it holds `*`.
    public var provider: String?
    public var model: String?
    public var feature: String?
    /// The first instant it holds; nil for always.
    public var from: Timestamp?
    /// The first instant it does not hold any more; nil for never.
    public var until: Timestamp?
    /// Millionths that are taken off the catalogue's rates; nil for a price with rates.
    public var discount: Int64?
    /// The derivation texts of its rates, standard ones first; empty for a discount.
    public var derivations: [String]

    /// Whether it holds at an instant.
    public func holds(at time: Timestamp) -> Bool { (from.map { $0 <= time } ?? true) && (until.map { time < $0 } ?? true) }
}

extension PriceBook {
    /// The numbers of all cards, each once, without flags: what `derivation(card:into:)` takes.
    public var plainCards: StrideTo<Int> { stride(from: 0, to: cardCount, by: 1 << PriceBook.flagBits) }

    /// The prices of one's own in the order of their texts.
    public func ownRows() -> [OwnPriceRow] {
        tables.pointee.rules.map { rule in
            func text(_ bytes: [UInt8]) -> String? { bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self) }
            var derivations: [String] = []
            if rule.entry >= 0 {
                let entry = tables.pointee.entries[rule.entry]
                derivations = (Int(entry.cardFirst)..<Int(entry.cardFirst + entry.cardCount)).map { card in
                    var writer = ByteWriter(capacity: 256)
                    derivation(card: Int32(card << PriceBook.flagBits), into: &writer)
                    return writer.string
                }
            }
            return OwnPriceRow(
                id: String(decoding: rule.id, as: UTF8.self), file: rule.file, provider: text(rule.provider), model: text(rule.model),
                feature: text(rule.feature), from: rule.from == .min ? nil : Timestamp(nanoseconds: rule.from),
                until: rule.until == .max ? nil : Timestamp(nanoseconds: rule.until),
                discount: rule.entry >= 0 ? nil : rule.discountMillionths, derivations: derivations)
        }
    }
}
