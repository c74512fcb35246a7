// The names that providers, gateways and applications give a service tier.

public import Core

extension ServiceTier {
    /// The tier of a name as a provider reports it; nil for a name that is none. Case and `-` or `_` do not matter. An empty
    /// name is the standard tier.
    public init?(name: UnsafeRawBufferPointer) {
        guard name.count <= 32 else { return nil }
        var folded: [UInt8] = []
        for byte in name { folded.append(byte == 0x2D ? 0x5F : NameIndex.fold(byte)) }
        guard let tier = ServiceTier.names.first(where: { folded.elementsEqual($0.name.utf8) })?.tier else { return nil }
        self = tier
    }

    private static let names: [(name: String, tier: ServiceTier)] = [
        ("", .standard), ("default", .standard), ("standard", .standard), ("auto", .standard), ("on_demand", .standard),
        ("standard_only", .standard), ("scale", .standard), ("performance", .standard), ("on_demand_priority", .priority),
        ("on_demand_flex", .flex),
        ("batch", .batch), ("batches", .batch), ("flex", .flex), ("priority", .priority), ("service_tier_default", .standard),
        ("service_tier_flex", .flex), ("service_tier_priority", .priority), ("provisioned_throughput", .standard),
        ("fast", .fast), ("normal", .standard), ("traffic_type_unspecified", .standard),
    ]
}
