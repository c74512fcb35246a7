// Quantity: a count of tokens, seconds, characters, images, requests or a customer's own units, in millionths.
//
// Why this unit: tokens are whole, but audio is metered in fractional seconds and Tanso's usage units carry four decimal
// places. Six places hold both exactly. Totals are Int128.

/// A count in millionths of a unit (1e-6). Range: +-9,223,372,036,854.775807 units.
@frozen
public struct Quantity: Equatable, Comparable, Hashable, Sendable {
    public var millionths: Int64

    @inlinable public init(millionths: Int64) { self.millionths = millionths }
    /// A whole number of units; nil when it does not fit.
    @inlinable public init?(whole: Int64) {
        let (value, overflow) = whole.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return nil }
        millionths = value
    }

    @inlinable public static var zero: Quantity { Quantity(millionths: 0) }
    /// Digits after the decimal point.
    public static let scale = 6
    public static let unit: Int64 = 1_000_000

    @inlinable public static func < (a: Quantity, b: Quantity) -> Bool { a.millionths < b.millionths }
}

/// A sum of quantities, in millionths.
@frozen
public struct QuantityTotal: Equatable, Hashable, Sendable {
    public var millionths: Int128

    @inlinable public init(millionths: Int128) { self.millionths = millionths }
    public static let zero = QuantityTotal(millionths: 0)
    @inlinable public static func += (total: inout QuantityTotal, amount: Quantity) { total.millionths += Int128(amount.millionths) }
    @inlinable public static func += (total: inout QuantityTotal, amount: QuantityTotal) { total.millionths += amount.millionths }
}
