// PriceDetail: how a cost came about, as JSON: how the model was matched, count x rate = amount line by line, and what else the
// price depended on. One writer for the reply to an event and for the events that are read back, so that the two agree. It is
// written for each event that is answered alone, so straight from the text of the derivation: nothing is allocated.

public import Core

public enum PriceDetail {
    /// Appends `,"priceSource":…,"priceDetail":{"match":…,"lines":[…],"flags":[…]}` for a derivation and the usage it was
    /// applied to. The source is the derivation up to its first bar.
    public static func append(
        _ derivation: UnsafeRawBufferPointer, match: MatchRule, usage: UnsafeBufferPointer<UsageLine>, to json: inout ByteWriter
    ) {
        var parts = DerivationParts(derivation)
        json.append(",\"priceSource\":\"")
        if let source = parts.next() { json.append(jsonText: source) }
        json.append("\",\"priceDetail\":{\"match\":\"")
        json.append(match.name)
        json.append("\",\"lines\":[")
        if let parsed = DerivationText(derivation), let cells = PriceBook.cells(parsed, usage) {
            for i in 0..<cells.count { append(PriceBook.line(cells[i]), isFirst: i == 0, to: &json) }
        }
        json.append("],\"flags\":[")
        // Between the source and the first rate, the derivation names what was special: parts without `=`.
        var first = true
        while let part = parts.next() {
            if part.contains(0x3D) { continue }
            if !first { json.append(0x2C) }
            first = false
            json.append(jsonString: part)
        }
        json.append("]}")
    }

    /// The same for usage that is in an array.
    public static func append(_ derivation: UnsafeRawBufferPointer, match: MatchRule, usage: [UsageLine], to json: inout ByteWriter) {
        usage.withUnsafeBufferPointer { append(derivation, match: match, usage: $0, to: &json) }
    }

    private static func append(_ line: PriceLine, isFirst: Bool, to json: inout ByteWriter) {
        if !isFirst { json.append(0x2C) }
        json.append("{\"kind\":\"")
        json.append(line.kind.name)
        json.append("\",\"count\":")
        json.append(decimal: line.count)
        json.append(",\"rate\":")
        json.appendDecimal(Int128(line.rate), places: 15)
        json.append(",\"amount\":")
        json.appendDecimal(line.amount, places: 21)
        json.append(0x7D)
    }
}
