// RateCard: one set of rates, read from its derivation (`Derivation.swift` of Pricing), which is all that is kept with an event.

internal import Core
internal import Pricing

struct RateCard: Equatable {
    struct Rate: Equatable {
        var kind: String
        /// 1e-15 USD a unit.
        var rate: Int128
    }

    /// `catalogue:VERSION:PROVIDER/MODEL`, `custom:ID`.
    var row: String
    var conditions: [String] = []
    var rates: [Rate] = []

    init?(_ derivation: String) {
        let parts = derivation.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        guard let source = parts.first, !source.isEmpty else { return nil }
        row = source
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            if pair.count == 2, let rate = Int128(pair[1]) {
                rates.append(Rate(kind: String(pair[0]), rate: rate))
            } else {
                conditions.append(part)
            }
        }
    }

    /// The standard rates that count at an instant; nil when there are none.
    init?(_ found: Resolution, _ book: PriceBook, at time: Timestamp) {
        guard found.entry >= 0 else { return nil }
        // Without usage there is no cost, but the rates are chosen all the same.
        let nothing = UnsafeBufferPointer<UsageLine>(start: nil, count: 0)
        let region = UnsafeRawBufferPointer(start: nil, count: 0)
        let card = book.price(found, usage: nothing, at: time, tier: .standard, region: region).card
        guard card >= 0 else { return nil }
        var text = ByteWriter(capacity: 256)
        book.derivation(card: card, into: &text)
        self.init(text.string)
    }

    /// When its dated rates begin; nil for rates without a date.
    var from: Timestamp? {
        guard let text = conditions.first(where: { $0.hasPrefix("from:") })?.dropFirst(5) else {
            return nil
        }
        return Array(text.utf8).withUnsafeBytes { Timestamp(rfc3339: $0) }
    }
}

extension ByteWriter {
    mutating func append(_ rates: [RateCard.Rate]) {
        append(0x5B)
        for (place, rate) in rates.enumerated() {
            if place > 0 { append(0x2C) }
            append("{\"kind\":")
            append(jsonString: rate.kind)
            append(",\"rate\":")
            appendDecimal(rate.rate, places: 15)
            append(0x7D)
        }
        append(0x5D)
    }

    /// `{"from":…,"conditions":[…],"rates":[…]}`
    mutating func append(_ card: RateCard) {
        append("{\"from\":")
        append(instant: card.from)
        append(",\"conditions\":[")
        var isFirst = true
        for condition in card.conditions where !condition.hasPrefix("from:") {
            if !isFirst { append(0x2C) }
            isFirst = false
            append(jsonString: condition)
        }
        append("],\"rates\":")
        append(card.rates)
        append(0x7D)
    }

    /// An instant in quotes; null when there is none.
    mutating func append(instant: Timestamp?) {
        guard let instant else { return append("null") }
        append(0x22)
        append(rfc3339: instant)
        append(0x22)
    }
}
