// PriceDetail: how a cost came about, line by line: count x rate = amount.

internal import Core
internal import Pricing

enum PriceDetail {
    /// Appends `,"lines":[…]` and `,"flags":[…]` for a derivation and the usage it was applied to.
    static func append(_ derivation: UnsafeRawBufferPointer, usage: UnsafeBufferPointer<UsageLine>, to output: inout ByteWriter) {
        guard let lines = PriceBook.lines(derivation: derivation, usage: [UsageLine](usage)) else { return }
        output.append(",\"lines\":[")
        for (i, line) in lines.enumerated() {
            if i > 0 { output.append(0x2C) }
            output.append("{\"kind\":\"")
            output.append(line.kind.name)
            output.append("\",\"count\":")
            output.append(decimal: line.count)
            output.append(",\"rate\":")
            output.appendDecimal(Int128(line.rate), places: 15)
            output.append(",\"amount\":")
            output.appendDecimal(line.amount, places: 21)
            output.append("}")
        }
        output.append("],\"flags\":[")
        // Between the source and the first rate, the derivation names what was special: parts without `=`.
        var first = true
        for part in derivation.split(separator: 0x7C).dropFirst() where !part.contains(0x3D) {
            if !first { output.append(0x2C) }
            first = false
            output.append(jsonString: UnsafeRawBufferPointer(rebasing: part))
        }
        output.append("]")
    }
}
