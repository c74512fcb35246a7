// The rows of the catalogue as values, for whoever lists, shows or tests them. Not for the data path.

internal import Core

/// A row of the catalogue.
public struct CatalogueRow: Equatable, Sendable {
    /// The provider's canonical identifier.
    public var provider: String
    public var id: String
    /// The package it was made from, with its version and licence; empty when the catalogue does not say.
    public var source: String
    /// Exact names, in no order; patterns are not among them.
    public var names: [String]
    /// The derivation texts of its cards, in the order of the catalogue: `PriceBook.derivation`.
    public var derivations: [String]
}

extension PriceBook {
    private func source(of entry: Entry) -> Text {
        entry.source == 0
            ? tables.pointee.providers[Int(entry.provider)].source : tables.pointee.sources[Int(entry.source) - 1]
    }

    /// Every row, in the catalogue's order: by provider, then as its file has them.
    public func rows() -> [CatalogueRow] {
        var names: [Int32: [String]] = [:]
        for index in 0..<tables.pointee.names.records.count {
            let record = tables.pointee.names.records[index]
            names[record.entry, default: []].append(String(decoding: record.text, as: UTF8.self))
        }
        return (0..<rowCount).map { index in
            let entry = tables.pointee.entries[index]
            let cards = Int(entry.cardFirst)..<Int(entry.cardFirst) + Int(entry.cardCount) * (1 + Int(entry.variants))
            return CatalogueRow(
                provider: String(decoding: tables.pointee.providers[Int(entry.provider)].id, as: UTF8.self),
                id: String(decoding: entry.id, as: UTF8.self), source: String(decoding: source(of: entry), as: UTF8.self),
                names: names[Int32(index)] ?? [],
                derivations: cards.map { card in
                    var writer = ByteWriter(capacity: 256)
                    derivation(card: Int32(card << PriceBook.flagBits), into: &writer)
                    return writer.string
                })
        }
    }
}
