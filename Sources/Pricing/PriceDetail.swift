// PriceDetail: how a cost came about, as JSON: how the model was matched, count x rate = amount line by line, and what else the
// price depended on. One writer for the reply to an event and for the events that are read back, so that the two agree.

public import Core

public enum PriceDetail {
    /// Appends `,"priceSource":…,"priceDetail":{"match":…,"lines":[…],"flags":[…]}` for a derivation and the usage it was
    /// applied to. The source is the derivation up to its first bar.
    public static func append(
        _ derivation: UnsafeRawBufferPointer, match: MatchRule, usage: [UsageLine], to json: inout ByteWriter
    ) {
        let parts = derivation.split(separator: 0x7C, omittingEmptySubsequences: false)
        json.append(",\"priceSource\":\"")
        if let source = parts.first { json.append(jsonText: UnsafeRawBufferPointer(rebasing: source)) }
        json.append("\",\"priceDetail\":{\"match\":\"")
        json.append(match.name)
        json.append("\",\"lines\":[")
        for (i, line) in (PriceBook.lines(derivation: derivation, usage: usage) ?? []).enumerated() {
            if i > 0 { json.append(0x2C) }
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
        json.append("],\"flags\":[")
        // Between the source and the first rate, the derivation names what was special: parts without `=`.
        var first = true
        for part in parts.dropFirst() where !part.contains(0x3D) {
            if !first { json.append(0x2C) }
            first = false
            json.append(jsonString: UnsafeRawBufferPointer(rebasing: part))
        }
        json.append("]}")
    }
}
