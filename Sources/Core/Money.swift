// Money: an amount of US dollars in whole picodollars (1e-12 USD).
//
// Why this unit: a 7-token embedding costs 0.00000014 USD, so micro-dollars lose it; a Double loses the last digits of
// a sum. One value fits Int64 up to 9,223,372.036854775807 USD; totals are Int128 and cannot overflow in practice
// (1.7e26 USD). Division exists nowhere here: whoever divides names the rounding.

/// An amount of money in picodollars (1e-12 USD). Range: +-9,223,372.036854775807 USD.
@frozen
public struct Money: Equatable, Comparable, Hashable, Sendable {
    public var picodollars: Int64

    @inlinable public init(picodollars: Int64) { self.picodollars = picodollars }

    @inlinable public static var zero: Money { Money(picodollars: 0) }
    /// Digits after the decimal point.
    public static let scale = 12

    @inlinable public static func < (a: Money, b: Money) -> Bool { a.picodollars < b.picodollars }
}

/// A sum of amounts in picodollars.
@frozen
public struct MoneyTotal: Equatable, Comparable, Hashable, Sendable {
    public var picodollars: Int128

    @inlinable public init(picodollars: Int128) { self.picodollars = picodollars }
    @inlinable public init(_ money: Money) { picodollars = Int128(money.picodollars) }

    public static let zero = MoneyTotal(picodollars: 0)

    @inlinable public static func < (a: MoneyTotal, b: MoneyTotal) -> Bool { a.picodollars < b.picodollars }
    @inlinable public static func += (total: inout MoneyTotal, amount: Money) { total.picodollars += Int128(amount.picodollars) }
    @inlinable public static func += (total: inout MoneyTotal, amount: MoneyTotal) { total.picodollars += amount.picodollars }
    @inlinable public static func - (a: MoneyTotal, b: MoneyTotal) -> MoneyTotal { MoneyTotal(picodollars: a.picodollars - b.picodollars) }

    /// `self / divisor` as a decimal fraction with `places` digits, rounded half-even; nil when `divisor` is zero.
    /// The result is scaled by 10^places: margin 0.64 with 4 places is 6400.
    public func ratio(to divisor: MoneyTotal, places: Int) -> Int128? {
        guard divisor.picodollars != 0 else { return nil }
        var scale: Int128 = 1
        for _ in 0..<places { scale *= 10 }
        let (numerator, overflow) = picodollars.multipliedReportingOverflow(by: scale)
        guard !overflow else { return nil }
        return divideHalfEven(numerator, by: divisor.picodollars)
    }
}

/// `numerator / divisor` rounded to the nearest integer, ties to the even one. `divisor` must not be zero.
@inlinable
public func divideHalfEven(_ numerator: Int128, by divisor: Int128) -> Int128 {
    let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: divisor)
    if remainder == 0 { return quotient }
    let twice = remainder.magnitude * 2
    let size = divisor.magnitude
    let awayFromZero: Int128 = (numerator < 0) == (divisor < 0) ? 1 : -1
    if twice > size || (twice == size && quotient & 1 != 0) { return quotient + awayFromZero }
    return quotient
}
