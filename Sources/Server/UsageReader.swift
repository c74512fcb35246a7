// UsageReader: a provider's own usage object becomes the event's usage lines.

internal import Core
internal import Journal
internal import Pricing
internal import Wire

struct UsageReader: ~Copyable {
    private var object = UsageObject()
    private var normaliser = UsageNormaliser()
    private var raw = ByteWriter(capacity: 1024)

    /// Reads `bytes` (in the block's arena) and gives event `i` the usage lines they stand for. An object that contradicts itself
    /// refuses the event; one that nobody recognises leaves it without usage, which makes it unpriced, not lost.
    mutating func normalise(_ bytes: UnsafeRawBufferPointer, event i: Int, in block: inout EventBlock) {
        raw.reset()
        raw.append(bytes: bytes)
        raw.reserve(Server.inputPadding)
        normaliser.reset()
        let outcome = object.read(raw.bytes) { path, quantity in
            normaliser.add(path: path, quantity: quantity)
        } text: { name, value in
            normaliser.add(path: name, text: value)
        }
        guard outcome == .recorded else { return refuse(&block.events[i], outcome) }

        let extras = block.text(block.events[i].extras)
        let format = extraBytes(.usageFormat, in: extras) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let provider = block.name(block.events[i].provider)
        let usage = normaliser.normalise(format: format, provider: provider)
        switch usage.refusal {
        case .none: break
        case .unrecognised: return
        case .some: return refuse(&block.events[i], .usageInconsistent)
        }
        block.events[i].usageStart = UInt32(truncatingIfNeeded: block.usageCount)
        block.events[i].usageCount = UInt8(truncatingIfNeeded: min(usage.lines.count, Limits.usageLines))
        for line in usage.lines.prefix(Limits.usageLines) { block.add(usage: line) }
        // What the object says of how it was served holds unless the event says so itself.
        if let tier = usage.tier, block.events[i].tier == .standard { block.events[i].tier = tier }
    }

    private func refuse(_ event: inout EventRecord, _ outcome: Outcome) {
        event.outcome = outcome
        event.field = .usage
    }
}
