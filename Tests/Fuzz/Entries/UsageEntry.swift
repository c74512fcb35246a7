// Usage objects as providers write them: flattened, recognised, priced.

import Core
import Pricing
import Wire

extension FuzzEntry {
    /// Two texts, each behind a byte of length, then the object.
    static let usage = FuzzEntry("usage") { input in
        var choices = Choices(input)
        let format = choices.take(Int(choices.byte()) & 31)
        let provider = choices.take(Int(choices.byte()) & 31)
        let text = choices.data
        var object = UsageObject()
        var normaliser = UsageNormaliser()
        let outcome = exactly(text, padding: 64) { text in
            object.read(text) { path, quantity in
                normaliser.add(path: path, quantity: quantity)
            } text: { path, value in
                normaliser.add(path: path, text: value)
            }
        }
        guard outcome == .recorded else { return }
        try demand(StrictJSON.accepts(text), "taken, and no JSON")
        let usage = format.withUnsafeBytes { format in
            provider.withUnsafeBytes { normaliser.normalise(format: format, provider: $0) }
        }
        guard usage.refusal == nil else { return }
        try demand(usage.lines.count <= Limits.usageLines, "\(usage.lines.count) lines")
        try demand(Set(usage.lines.map(\.kind)).count == usage.lines.count, "a kind twice")
        for line in usage.lines { try demand(line.quantity.millionths >= 0, "a negative quantity of \(line.kind)") }
        let inconsistent = usage.lines.withUnsafeBufferPointer { UsageRules.inconsistent($0) }
        try demand(inconsistent == nil, "more \(inconsistent, default: "") than the total it is inside")
    }
}
