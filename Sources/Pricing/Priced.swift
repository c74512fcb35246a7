// Priced: the answers of the price book.

public import Core

/// Whose price a provider, model and feature have. It does not depend on time or usage: keep it as long as the book.
@frozen
public struct Resolution {
    /// Index into the book; -1 when nothing matched.
    public var entry: Int32
    /// How the model's name was matched.
    public var match: MatchRule
    /// `.none` when `entry` is not -1.
    public var unpriced: UnpricedReason
    /// The row belongs to a provider that the named one falls back to: only its standard rates count.
    public var viaFallback: Bool
    /// The canonical identifier of the provider whose price list was used, empty when none was. Points into the book.
    public var provider: UnsafeRawBufferPointer

    /// Nothing: no model was named.
    public init() { self.init(entry: -1, match: .none, unpriced: .noModel, viaFallback: false, provider: .init(start: nil, count: 0)) }

    public init(entry: Int32, match: MatchRule, unpriced: UnpricedReason, viaFallback: Bool, provider: UnsafeRawBufferPointer) {
        self.entry = entry
        self.match = match
        self.unpriced = unpriced
        self.viaFallback = viaFallback
        self.provider = provider
    }
}

/// What is worth knowing about a price beyond its card. The three bits are part of the card's number.
@frozen
public struct PriceFlags: OptionSet, Equatable, Sendable {
    public var rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The event is older than the row's first rate, which was used.
    public static let beforeFirstRate = PriceFlags(rawValue: 1)
    /// The row has no rates for the service tier; the standard ones were used.
    public static let tierNotPriced = PriceFlags(rawValue: 2)
    /// The provider has no row of its own; the maker's standard rates were used.
    public static let providerFallback = PriceFlags(rawValue: 4)
}

/// The cost of one event.
@frozen
public struct Priced: Equatable, Sendable {
    /// Valid when `unpriced` is `.none`.
    public var cost: Money
    public var unpriced: UnpricedReason
    public var flags: PriceFlags
    /// The rates that were used; -1 when none were. Numbers below `PriceBook.cardCount`.
    public var card: Int32

    @inlinable public init(cost: Money, unpriced: UnpricedReason, flags: PriceFlags, card: Int32) {
        self.cost = cost
        self.unpriced = unpriced
        self.flags = flags
        self.card = card
    }
}

/// One line of a cost: a count at a rate.
public struct PriceLine: Equatable, Sendable {
    /// The kind whose rate was used; for `inputTokens` and `outputTokens` the rest that has no rate of its own.
    public var kind: UsageKind
    public var count: Quantity
    /// 1e-15 USD a unit.
    public var rate: Int64
    /// count x rate, exact, at 1e-21 USD.
    public var amount: Int128

    public init(kind: UsageKind, count: Quantity, rate: Int64, amount: Int128) {
        self.kind = kind
        self.count = count
        self.rate = rate
        self.amount = amount
    }
}

/// Why a price list was refused: nothing of it was taken.
public struct PriceBookError: Error, Equatable, Sendable, CustomStringConvertible {
    public var file: String
    /// 1-based; 0 when it is about the whole file.
    public var line: Int
    public var message: String

    public init(file: String, line: Int, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    public var description: String { line > 0 ? "\(file):\(line): \(message)" : "\(file): \(message)" }
}
