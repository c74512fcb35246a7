// Amount: the numbers of a reply, exact, and how they are shown in a table.
//
// Replies carry decimals as JSON numbers written out. They are read into 128-bit integers of 1e-12, never through a
// Double. A table shows a column exactly when six digits do, else rounds it half-even to what a person can compare; `--json`
// shows every digit.

import Core

/// A decimal in units of 1e-12: an amount in USD, a count or a ratio.
struct Amount: Equatable, Comparable {
    var scaled: Int128

    static let places = 12
    static let zero = Amount(scaled: 0)

    init(scaled: Int128) { self.scaled = scaled }

    /// Reads `-? digits (. digits)?`, as the server writes numbers. Digits past the twelfth place must be zero, the number
    /// must have at most 38 digits; otherwise nil.
    init?(_ text: String) {
        var value: Int128 = 0
        var negative = false
        var fraction: Int?
        var digits = 0
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case 0x2D where index == 0: negative = true
            case 0x2E where fraction == nil && digits > 0: fraction = 0
            case 0x30...0x39:
                digits += 1
                if let places = fraction {
                    if places == Amount.places {
                        guard byte == 0x30 else { return nil }
                        continue
                    }
                    fraction = places + 1
                }
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(Int128(byte - 0x30))
                guard !overflow, !carry else { return nil }
                value = sum
            default: return nil
            }
        }
        guard digits > 0, fraction != 0 else { return nil }
        for _ in (fraction ?? 0)..<Amount.places {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            value = product
        }
        scaled = negative ? -value : value
    }

    static func < (a: Amount, b: Amount) -> Bool { a.scaled < b.scaled }

    /// The exact text: no exponent, no trailing zeros.
    var exact: String { DecimalText.text(scaled, places: Amount.places) }

    /// With `places` (0...12) digits after the point, rounded half-even, thousands apart: `-1,234.50`.
    func fixed(_ places: Int) -> String {
        let rounded = divideHalfEven(scaled, by: power(10, Amount.places - places))
        let unit = power(10, places)
        let magnitude = rounded.magnitude
        let whole = grouped(String(magnitude / UInt128(unit)))
        let sign = rounded < 0 ? "-" : ""
        guard places > 0 else { return sign + whole }
        let rest = String(magnitude % UInt128(unit))
        return sign + whole + "." + String(repeating: "0", count: places - rest.count) + rest
    }

    /// Whether `places` digits show it as zero although it is not.
    func vanishes(at places: Int) -> Bool {
        scaled != 0 && divideHalfEven(scaled, by: power(10, Amount.places - places)) == 0
    }

    /// Digits after the point that show it exactly.
    var exactPlaces: Int {
        var rest = scaled.magnitude
        var places = 12
        while places > 0, rest % 10 == 0 {
            rest /= 10
            places -= 1
        }
        return places
    }

    /// Digits after the point for a column of amounts: as many as show every one exactly when six do; else two when all are at
    /// least a dollar, else enough for two significant digits of the smallest, at most six. An amount that even six digits show
    /// as zero is written out by `shown`.
    static func places(for column: [Amount]) -> Int {
        let exact = column.map(\.exactPlaces).max() ?? 0
        if exact <= 6 { return max(2, exact) }
        var places = 2
        for amount in column where amount.scaled != 0 {
            var needed = 2
            while needed < 6, amount.scaled.magnitude < UInt128(power(10, Amount.places - needed + 1)) { needed += 1 }
            places = max(places, needed)
        }
        return places
    }

    func shown(_ places: Int) -> String { vanishes(at: places) ? exact : fixed(places) }

    /// With its sign also when it is above zero: a difference.
    func signed(_ places: Int) -> String { (scaled > 0 ? "+" : "") + shown(places) }

    /// A ratio as a percentage with one digit.
    var percent: String {
        let (hundredfold, overflow) = scaled.multipliedReportingOverflow(by: 100)
        return overflow ? exact : Amount(scaled: hundredfold).fixed(1)
    }
}

/// `digits` with a comma before every third digit from the right.
func grouped(_ digits: String) -> String {
    var result = ""
    let count = digits.utf8.count
    for (index, digit) in digits.enumerated() {
        if index > 0, (count - index) % 3 == 0 { result.append(",") }
        result.append(digit)
    }
    return result
}

private func power(_ base: Int128, _ exponent: Int) -> Int128 {
    var result: Int128 = 1
    for _ in 0..<exponent { result *= base }
    return result
}
