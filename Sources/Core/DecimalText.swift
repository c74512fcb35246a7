// DecimalText: decimal numbers read from and written to their text, exactly, never through a Double.
//
// Reading accepts the JSON number grammar (RFC 8259 section 6): `-? int frac? exp?`, no leading plus, no leading zeros.
// The value is scaled by 10^places and rounded half-even once, from every digit of the text: JavaScript sends
// 0.037050000000000005 where 0.03705 was meant, and 12 places make it 0.037050000000.

/// What reading a decimal gave.
@frozen
public enum DecimalReading: Equatable, Sendable {
    /// The value times 10^places.
    case value(Int64)
    /// Not a number in the JSON grammar.
    case malformed
    /// A number, but beyond Int64 at this scale.
    case outOfRange
}

public enum DecimalText {
    /// Reads a JSON number, scaled by 10^`places`, rounded half-even. Time is linear in the text; an exponent of any size
    /// is handled without loops proportional to its value.
    @inlinable public static func read(_ text: UnsafeRawBufferPointer, places: Int) -> DecimalReading {
        if let value = readShort(text, places: places) { return .value(value) }
        return readAny(text, places: places)
    }

    /// The value of nearly every number there is: up to eighteen digits, no sign, no exponent, and nothing to round. Nil for
    /// any other text.
    @inlinable static func readShort(_ text: UnsafeRawBufferPointer, places: Int) -> Int64? {
        let n = text.count
        guard n > 0, n <= 19 else { return nil }
        var value: UInt64 = 0
        var i = 0
        while i < n {
            let digit = text[i] &- 0x30
            if digit >= 10 { break }
            value = value &* 10 &+ UInt64(digit)
            i += 1
        }
        guard i > 0, i == 1 || text[0] != 0x30 else { return nil }
        var missing = places
        if i < n {
            guard text[i] == 0x2E, i + 1 < n else { return nil }
            missing -= n - i - 1
            i += 1
            while i < n {
                let digit = text[i] &- 0x30
                guard digit < 10 else { return nil }
                value = value &* 10 &+ UInt64(digit)
                i += 1
            }
        } else if n == 19 {
            return nil
        }
        guard let power = power(missing) else { return nil }
        let (scaled, overflow) = value.multipliedReportingOverflow(by: power)
        return overflow ? nil : Int64(exactly: scaled)
    }

    /// Ten to the power of 0 to 12; nil for any other.
    @inlinable @inline(__always) static func power(_ exponent: Int) -> UInt64? {
        switch exponent {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1000
        case 4: 10_000
        case 5: 100_000
        case 6: 1_000_000
        case 7: 10_000_000
        case 8: 100_000_000
        case 9: 1_000_000_000
        case 10: 10_000_000_000
        case 11: 100_000_000_000
        case 12: 1_000_000_000_000
        default: nil
        }
    }

    @usableFromInline static func readAny(_ text: UnsafeRawBufferPointer, places: Int) -> DecimalReading {
        var i = 0
        let n = text.count
        var negative = false
        if i < n, text[i] == 0x2D {
            negative = true
            i += 1
        }
        let integerStart = i
        while i < n, isDigit(text[i]) { i += 1 }
        let integerEnd = i
        guard integerEnd > integerStart else { return .malformed }
        if integerEnd - integerStart > 1, text[integerStart] == 0x30 { return .malformed }
        var fractionStart = i
        var fractionEnd = i
        if i < n, text[i] == 0x2E {
            i += 1
            fractionStart = i
            while i < n, isDigit(text[i]) { i += 1 }
            fractionEnd = i
            guard fractionEnd > fractionStart else { return .malformed }
        }
        var exponent = 0
        if i < n, text[i] | 0x20 == 0x65 {
            i += 1
            var exponentNegative = false
            if i < n, text[i] == 0x2B || text[i] == 0x2D {
                exponentNegative = text[i] == 0x2D
                i += 1
            }
            let digitsStart = i
            while i < n, isDigit(text[i]) {
                // Beyond a million the sign alone decides; texts are far shorter than that.
                if exponent < 1_000_000 { exponent = exponent * 10 + Int(text[i] - 0x30) }
                i += 1
            }
            guard i > digitsStart else { return .malformed }
            if exponentNegative { exponent = -exponent }
        }
        guard i == n else { return .malformed }

        // The digits, integer part then fraction, with the decimal point after `point` of them (may be negative or beyond).
        let integerDigits = integerEnd - integerStart
        let digits = integerDigits + (fractionEnd - fractionStart)
        // `keep` digits make the scaled integer; the rest decide the rounding.
        let keep = integerDigits + exponent + places
        func digit(_ index: Int) -> UInt8 {
            index < integerDigits ? text[integerStart + index] - 0x30 : text[fractionStart + index - integerDigits] - 0x30
        }
        var magnitude: UInt64 = 0
        if keep > 0 {
            var index = 0
            let present = min(keep, digits)
            while index < present {
                let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(digit(index)))
                if overflow || carry { return .outOfRange }
                magnitude = sum
                index += 1
            }
            if magnitude != 0 {
                var zeros = keep - present
                if zeros > 19 { return .outOfRange }
                while zeros > 0 {
                    let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
                    if overflow { return .outOfRange }
                    magnitude = product
                    zeros -= 1
                }
            }
        }
        if keep >= 0, keep < digits {
            let first = digit(keep)
            var roundUp = first > 5
            if first == 5 {
                var beyond = false
                var index = keep + 1
                while index < digits, !beyond {
                    beyond = digit(index) != 0
                    index += 1
                }
                roundUp = beyond || magnitude & 1 == 1
            }
            if roundUp {
                let (sum, overflow) = magnitude.addingReportingOverflow(1)
                if overflow { return .outOfRange }
                magnitude = sum
            }
        }
        if magnitude > UInt64(Int64.max) { return .outOfRange }
        return .value(negative ? -Int64(magnitude) : Int64(magnitude))
    }

    /// Reads a decimal from a string; for tools and tests.
    public static func read(_ text: String, places: Int) -> DecimalReading {
        var copy = text
        return copy.withUTF8 { read(UnsafeRawBufferPointer($0), places: places) }
    }

    /// The shortest exact decimal text of `scaled` / 10^`places`: no exponent, no trailing zeros, no `-0`.
    public static func text(_ scaled: Int128, places: Int) -> String {
        var writer = ByteWriter(capacity: 64)
        writer.appendDecimal(scaled, places: places)
        return writer.string
    }

    @inlinable static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
}

extension Money: CustomStringConvertible {
    public var description: String { DecimalText.text(Int128(picodollars), places: Money.scale) }
}

extension MoneyTotal: CustomStringConvertible {
    public var description: String { DecimalText.text(picodollars, places: Money.scale) }
}

extension Quantity: CustomStringConvertible {
    public var description: String { DecimalText.text(Int128(millionths), places: Quantity.scale) }
}

extension QuantityTotal: CustomStringConvertible {
    public var description: String { DecimalText.text(millionths, places: Quantity.scale) }
}
