// PriceRequest: what the price list is asked, read from an event as an application would send it.

import Core
import Journal
import Pricing
import Wire

struct PriceRequest {
    var provider: [UInt8]
    var model: [UInt8]
    var feature: [UInt8]
    var region: [UInt8]
    var tier: ServiceTier
    var at: Timestamp
    var usage: [UsageLine]

    /// A model alone, without usage.
    init(provider: String, model: String, feature: String = "", at: Timestamp) {
        self.provider = Array(provider.utf8)
        self.model = Array(model.utf8)
        self.feature = Array(feature.utf8)
        self.at = at
        region = []
        tier = .standard
        usage = []
    }

    /// Takes usage, tier and region from the provider's own object.
    private mutating func readUsage(_ object: UnsafeRawBufferPointer, format: UnsafeRawBufferPointer?) throws {
        var reader = UsageObject()
        var normaliser = UsageNormaliser()
        var geography: [UInt8] = []
        let outcome = reader.read(
            object,
            number: { normaliser.add(path: $0, quantity: $1) },
            text: { name, value in
                normaliser.add(path: name, text: value)
                if name.elementsEqual("inference_geo".utf8) { geography = [UInt8](value) }
            })
        guard outcome == .recorded else { throw Failure.usage("\(outcome.name): costInput.usage") }
        let named = format ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let found = provider.withUnsafeBytes { normaliser.normalise(format: named, provider: $0) }
        switch found.refusal {
        case nil: break
        case .unrecognised: throw Failure.usage("the usage object has no key that is known; say whose it is with --usage-format")
        case .unknownFormat: throw Failure.usage("--usage-format: no such format")
        case .outOfRange: throw Failure.usage("amount_out_of_range: costInput.usage")
        case .inconsistent(let part, let total):
            throw Failure.usage("usage_inconsistent: more \(part.name) than \(total.name)")
        }
        usage = found.lines
        if tier == .standard, let served = found.tier { tier = served }
        if region.isEmpty { region = geography }
    }

    /// Whose price it is.
    func resolve(in book: PriceBook) -> Resolution {
        provider.withUnsafeBytes { provider in
            model.withUnsafeBytes { model in
                feature.withUnsafeBytes { book.resolve(provider: provider, model: model, feature: $0) }
            }
        }
    }

    /// An event's `costInput` as of `at`, or now.
    init(_ costInput: Value, feature: String?, at: Value?) throws {
        let event = Value.fields(
            ("eventName", .string("price")), ("featureKey", feature.map { .string($0) }), ("occurredAt", at ?? .string("\(Instant.now)")),
            ("costInput", costInput))
        try self.init(json: Array(event.json.utf8))
    }

    /// Reads one event; a usage error names the field that is wrong.
    init(json: [UInt8]) throws {
        var reader = EventJSON()
        var block = EventBlock(events: 1)
        let reading = json.withUnsafeBytes { reader.read($0, shape: .single, into: &block) }
        guard case .ok = reading, block.count == 1 else { throw Failure.usage("this is not an event") }
        let event = block.events[0]
        guard event.outcome == .recorded else { throw Failure.usage("\(event.outcome.name): \(event.field.name)") }
        func name(_ index: UInt32) -> [UInt8] { index == 0 ? [] : [UInt8](block.name(index)) }
        provider = name(event.provider)
        model = name(event.model)
        feature = name(event.feature)
        region = name(event.region)
        tier = event.tier
        at = event.occurredAt
        usage = Array(block.usage(of: event))
        if let object = extraBytes(.usage, in: block.text(event.extras)) {
            try readUsage(object, format: extraBytes(.usageFormat, in: block.text(event.extras)))
        }
        if let wrong = usage.withUnsafeBufferPointer({ UsageRules.inconsistent($0) }) {
            throw Failure.usage("usage_inconsistent: more \(wrong.name) than the total they are part of")
        }
    }
}
