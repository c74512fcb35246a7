// Derivation: where a cost came from, as one line of text that is stored with the event.
//
//     catalogue:2026-11-23:openai/gpt-5.5|from:2026-10-12|tier:flex|above:272000|inputTokens=5000000000|outputTokens=22500000000
//     source                             |flags …                              |kind=rate at 1e-15 USD a unit …
//
// With the event's usage lines it is enough to work the cost out again, without the book: flags that change the count
// (`minimum`) are in it, and everything that changed a rate is in the rates.

public import Core

extension PriceBook {
    /// Appends the derivation of `Priced.card`. Nothing for a card that is not this book's.
    public func derivation(card: Int32, into writer: inout ByteWriter) {
        let index = Int(card) >> PriceBook.flagBits
        guard card >= 0, index < tables.pointee.cards.count else { return }
        let flags = PriceFlags(rawValue: UInt8(Int(card) & 7))
        let note = tables.pointee.cards.notes[index]
        let entry = tables.pointee.entries[Int(note.entry)]
        if note.rule >= 0 {
            writer.append("custom:")
            writer.append(tables.pointee.rules[Int(note.rule)].id)
            if note.discounted {
                writer.append("|discount:")
                writer.appendDecimal(Int128(tables.pointee.rules[Int(note.rule)].discountMillionths), places: 4)
                writer.append("%|base:")
                row(entry, &writer)
            }
        } else {
            writer.append("catalogue:")
            writer.append(tables.pointee.version)
            writer.append(0x3A)
            row(entry, &writer)
        }
        conditions(note, &writer)
        if flags.contains(.beforeFirstRate) { writer.append("|beforeFirstRate") }
        if flags.contains(.tierNotPriced) { writer.append("|tierNotPriced") }
        if flags.contains(.providerFallback) { writer.append("|providerFallback") }
        if note.minimumTag >= 0 {
            writer.append("|minimum:")
            writer.append(Tags.kinds[Int(note.minimumTag)].name)
            writer.append(0x3A)
            writer.append(decimal: Quantity(millionths: note.minimum))
        }
        for i in 0..<Int(note.rateCount) {
            let rate = tables.pointee.cards.rates[Int(note.rateStart) + i]
            writer.append(0x7C)
            writer.append(Tags.kinds[Int(rate.tag)].name)
            writer.append(0x3D)
            writer.append(integer: rate.rate)
        }
    }

    private func row(_ entry: Entry, _ writer: inout ByteWriter) {
        if entry.provider >= 0 {
            writer.append(bytes: tables.pointee.providers[Int(entry.provider)].id)
            writer.append(0x2F)
        }
        writer.append(bytes: entry.id)
    }

    private func conditions(_ note: CardNote, _ writer: inout ByteWriter) {
        let selector = tables.pointee.selectors[Int(note.selector)]
        let from = tables.pointee.periods[Int(selector.period)].from
        if from != .min {
            writer.append("|from:")
            writer.append(rfc3339: Timestamp(nanoseconds: from))
        }
        if selector.window >= 0 { writer.append("|window") }
        if selector.tier != 0, let tier = ServiceTier(rawValue: selector.tier) {
            writer.append("|tier:")
            writer.append(tier.name)
        }
        if selector.above >= 0 {
            writer.append("|above:")
            writer.append(decimal: Quantity(millionths: selector.above))
        }
        if note.region >= 0 {
            let region = tables.pointee.regions[Int(note.region)]
            writer.append("|region:")
            writer.append(bytes: region.pattern)
            writer.append("*")
            writer.appendDecimal(Int128(region.multiplier), places: 6)
        }
    }

    /// The lines of a cost, from its derivation and the event's usage; nil when the text is not a derivation or the usage has
    /// no price under it. Their sum is the cost before rounding.
    public static func lines(derivation: UnsafeRawBufferPointer, usage: [UsageLine]) -> [PriceLine]? {
        guard let parsed = DerivationText(derivation) else { return nil }
        return usage.withUnsafeBufferPointer { lines(parsed, $0) }
    }

    /// The cost that the lines add up to, rounded half-even once; nil beyond `Money`.
    public static func cost(of lines: [PriceLine]) -> Money? {
        var sum: Int128 = 0
        for line in lines {
            let (next, overflow) = sum.addingReportingOverflow(line.amount)
            guard !overflow else { return nil }
            sum = next
        }
        return picodollars(sum)
    }

    private static func lines(_ parsed: DerivationText, _ usage: UnsafeBufferPointer<UsageLine>) -> [PriceLine]? {
        guard let cells = cells(parsed, usage) else { return nil }
        return (0..<cells.count).map { line(cells[$0]) }
    }

    static func line(_ cell: UsageCell) -> PriceLine {
        let amount = Int128(cell.count) * Int128(cell.rate)
        return PriceLine(kind: Tags.kinds[cell.tag], count: Quantity(millionths: cell.count), rate: cell.rate, amount: amount)
    }

    /// The parts of the usage that a derivation charges, each at its rate; nil when the usage has no price under it.
    static func cells(_ parsed: DerivationText, _ usage: UnsafeBufferPointer<UsageLine>) -> UsageCells? {
        var totals = InlineArray<26, Int64>(repeating: 0)
        guard UsageTotals.add(usage, into: &totals) else { return nil }
        if parsed.minimumTag >= 0 { UsageTotals.raise(parsed.minimumTag, to: parsed.minimum, in: &totals) }
        if parsed.rates.has(Tags.requests) { UsageTotals.countRequest(usage, in: &totals) }
        let cells = UsageCells(totals, rates: parsed.rates)
        return cells.failure == nil ? cells : nil
    }
}

/// What stands between the bars of a derivation, one after the other.
struct DerivationParts {
    private var rest: UnsafeRawBufferPointer?

    init(_ text: UnsafeRawBufferPointer) { rest = text }

    mutating func next() -> UnsafeRawBufferPointer? {
        guard let text = rest else { return nil }
        guard let bar = text.firstIndex(of: 0x7C) else {
            rest = nil
            return text
        }
        rest = UnsafeRawBufferPointer(rebasing: text[(bar + 1)...])
        return UnsafeRawBufferPointer(rebasing: text[..<bar])
    }
}

/// The parts of a derivation that a cost depends on.
struct DerivationText {
    var rates = RateTable()
    var minimumTag = -1
    var minimum: Int64 = 0

    init?(_ text: UnsafeRawBufferPointer) {
        var parts = DerivationParts(text)
        guard let source = parts.next(), !source.isEmpty else { return nil }
        var any = false
        while let field = parts.next() {
            if let pair = Words.split(field), let tag = Tags.named(pair.key) {
                guard case .value(let rate) = DecimalText.read(pair.value, places: 0), rate >= 0, rate <= RateText.largest, !rates.has(tag)
                else { return nil }
                rates[tag] = rate
                any = true
            } else if field.count > 8, UnsafeRawBufferPointer(rebasing: field[..<8]).equals("minimum:") {
                let rest = UnsafeRawBufferPointer(rebasing: field[8...])
                guard let colon = rest.lastIndex(of: 0x3A), let tag = Tags.named(UnsafeRawBufferPointer(rebasing: rest[..<colon])),
                    case .value(let quantity) = DecimalText.read(
                        UnsafeRawBufferPointer(rebasing: rest[(colon + 1)...]), places: Quantity.scale)
                else { return nil }
                minimumTag = tag
                minimum = quantity
            }
        }
        guard any else { return nil }
    }
}
