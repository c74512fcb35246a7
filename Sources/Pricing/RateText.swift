// RateText: the text of a rate, `2.5/M`, as an integer of 1e-15 USD per unit.
//
// Catalogue and own price files write rates as the providers' price pages do: per million tokens, per thousand searches,
// per hour of audio. Every rate is brought to one unit and one scale here, rounded half-even once; only hours and minutes
// ever need the rounding. Refused: negative rates, rates above 1,000 USD a unit, rates that would round to 0, any
// other suffix.

internal import Core

enum RateText {
    /// Digits after the decimal point of a rate.
    static let scale = 15
    /// 1,000 USD a unit: 60 bits, so that a count times a rate is always inside Int128.
    static let largest: Int64 = 1_000_000_000_000_000_000

    /// Reads `decimal` or `decimal/unit` with unit M (million), k (thousand), h (hour of seconds) or min; nil when it is none.
    static func read(_ text: UnsafeRawBufferPointer) -> Int64? {
        var number = text
        var places = scale
        var divisor: Int128 = 1
        if let slash = text.lastIndex(of: 0x2F) {
            number = UnsafeRawBufferPointer(rebasing: text[..<slash])
            let unit = UnsafeRawBufferPointer(rebasing: text[(slash + 1)...])
            if unit.equals("M") {
                places = 9
            } else if unit.equals("k") {
                places = 12
            } else if unit.equals("h") {
                divisor = 3600
            } else if unit.equals("min") {
                divisor = 60
            } else {
                return nil
            }
        }
        guard case .value(let scaled) = DecimalText.read(number, places: places), scaled >= 0 else { return nil }
        let rate = divisor == 1 ? scaled : Int64(truncatingIfNeeded: divideHalfEven(Int128(scaled), by: divisor))
        // What is too small to be kept is not free.
        if rate == 0, RateText.isMore(number) { return nil }
        return rate <= largest ? rate : nil
    }

    /// Whether a decimal is more than 0, however little.
    private static func isMore(_ number: UnsafeRawBufferPointer) -> Bool {
        for byte in number {
            if byte | 0x20 == 0x65 { return false }
            if byte >= 0x31, byte <= 0x39 { return true }
        }
        return false
    }

    /// `rate` x `millionths` / 1,000,000, rounded half-even; nil beyond the largest rate.
    static func scaled(_ rate: Int64, byMillionths millionths: Int64) -> Int64? {
        let product = divideHalfEven(Int128(rate) * Int128(millionths), by: 1_000_000)
        return product >= 0 && product <= Int128(largest) ? Int64(product) : nil
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these bytes are the literal's.
    func equals(_ literal: StaticString) -> Bool {
        sameBytes(self, UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }
}
