// UsageEvent: one usage event as an application states it. The library's side of the protocol: the daemon never makes one.

public import Core

/// What makes an event count once. Sending the same event again with the same key counts nothing and says so.
public enum EventKey: Equatable, Hashable, Sendable {
    /// Sixteen bytes of a UUID, most significant first. The cheapest form: 16 bytes in a frame.
    case uuid(high: UInt64, low: UInt64)
    /// Any other text of 1 to 64 Unicode scalars. The lower-case text of a UUID names the same key as `.uuid`.
    case text(String)
    /// The server makes one. Such an event cannot be sent again safely: after a lost connection nobody knows whether it counted.
    case none

    /// A key nobody else has. Costs a system call; where millions are made, use a `KeyMaker`.
    public static func unique() -> EventKey {
        var maker = KeyMaker()
        return maker.next()
    }
}

/// Makes keys from one random start: 122 random bits, then counting. Two makers meet with a probability of about 2^-80
/// after 2^40 keys each. The keys are UUIDs of version 8 (RFC 9562).
public struct KeyMaker: Sendable {
    private static let lowMask: UInt64 = (1 << 62) - 1
    private static let highMask: UInt64 = (1 << 60) - 1
    private var high: UInt64
    private var low: UInt64

    public init() {
        high = SystemRandom.next() & KeyMaker.highMask
        low = SystemRandom.next() & KeyMaker.lowMask
    }

    public mutating func next() -> EventKey {
        low = (low &+ 1) & KeyMaker.lowMask
        if low == 0 { high = (high &+ 1) & KeyMaker.highMask }
        return .uuid(high: (high >> 12) << 16 | 0x8000 | high & 0xFFF, low: 1 << 63 | low)
    }
}

/// One usage event. Everything but `name` is optional; an empty text counts as absent.
public struct UsageEvent: Equatable, Sendable {
    public var key: EventKey
    /// What happened, in the application's words: `chat.completion`.
    public var name: String
    /// The application's own reference of the customer.
    public var customer: String?
    public var feature: String?
    public var model: String?
    public var provider: String?
    public var region: String?
    /// Absent: the server's clock when it arrives.
    public var occurredAt: Timestamp?
    public var usageUnits: Quantity?
    /// What it cost; absent: computed from the model and the usage. Not negative.
    public var cost: Money?
    /// What the customer pays for it. Not negative.
    public var revenue: Money?
    /// Each kind at most once.
    public var usage: [UsageLine]
    /// Absent: standard.
    public var tier: ServiceTier?
    /// Rare fields as text.
    public var extras: [EventExtra: String]

    public init(
        key: EventKey = .unique(),
        name: String,
        customer: String? = nil,
        feature: String? = nil,
        model: String? = nil,
        provider: String? = nil,
        region: String? = nil,
        occurredAt: Timestamp? = nil,
        usageUnits: Quantity? = nil,
        cost: Money? = nil,
        revenue: Money? = nil,
        usage: [UsageLine] = [],
        tier: ServiceTier? = nil,
        extras: [EventExtra: String] = [:]
    ) {
        self.key = key
        self.name = name
        self.customer = customer
        self.feature = feature
        self.model = model
        self.provider = provider
        self.region = region
        self.occurredAt = occurredAt
        self.usageUnits = usageUnits
        self.cost = cost
        self.revenue = revenue
        self.usage = usage
        self.tier = tier
        self.extras = extras
    }
}
