// Correction: one change to what an event counts for. The event's fact stays as it was recorded; the last correction of an
// event says what it counts for now. Whoever computes a correction reads prices and journal; whoever writes it down only
// numbers the derivation's text.

/// What an event costs, and why.
@frozen
public struct CostState: Sendable, Equatable {
    /// nil when the event is unpriced.
    public var cost: Money?
    /// `noString` when there is none: the client gave the cost, or there is no cost.
    public var price: StringID
    public var match: MatchRule
    /// `.none` when there is a cost.
    public var unpriced: UnpricedReason

    @inlinable public init(cost: Money?, price: StringID = noString, match: MatchRule = .none, unpriced: UnpricedReason = .none) {
        self.cost = cost
        self.price = price
        self.match = match
        self.unpriced = unpriced
    }
}

/// Why an event was corrected. The numbers are stored.
@frozen
public enum CorrectionKind: UInt8, Sendable, CaseIterable {
    /// Priced again, by what is known of the prices now.
    case reprice = 1
    /// An earlier run is taken back.
    case reverse = 2
    /// The event counts for nothing any more.
    case void = 3
}

/// What an event adds to the sums, besides its cost.
@frozen
public struct EventCounts: Sendable, Equatable {
    public var usageUnits = Quantity.zero
    public var inputTokens = Quantity.zero
    public var outputTokens = Quantity.zero
    public var revenue = Money.zero

    @inlinable public init() {}
}

/// One correction. It names all that the rollups group by, so that it is folded without looking for its event.
public struct Correction: Sendable, Equatable {
    public var kind: CorrectionKind
    /// The run it belongs to; 0 for a void.
    public var run: UInt32
    public var at: Timestamp
    /// The event.
    public var sequence: UInt64
    public var event: JournalPosition
    /// The correction of the same event before this one; `JournalPosition.start` for the first.
    public var previous: JournalPosition
    public var occurredAt: Timestamp
    public var eventName: StringID
    public var customer: StringID
    public var feature: StringID
    public var model: StringID
    public var provider: StringID
    public var before: CostState
    /// Of a void: the state before it, which stays readable.
    public var after: CostState
    /// Of a void: what is taken out of the sums, besides the cost before. Otherwise nothing.
    public var counts = EventCounts()
    /// Of a void: why.
    public var reason: [UInt8] = []

    public init(kind: CorrectionKind, run: UInt32, at: Timestamp, sequence: UInt64, event: JournalPosition) {
        self.kind = kind
        self.run = run
        self.at = at
        self.sequence = sequence
        self.event = event
        previous = .start
        occurredAt = Timestamp(nanoseconds: 0)
        eventName = noString
        customer = noString
        feature = noString
        model = noString
        provider = noString
        before = CostState(cost: nil)
        after = CostState(cost: nil)
    }

    /// What it adds to the cost of everything.
    public var costDelta: Int64 {
        let taken = before.cost?.picodollars ?? 0
        return kind == .void ? -taken : (after.cost?.picodollars ?? 0) - taken
    }
}

/// Corrections as computed, before they are written: `after.price` of each is 0 or one more than an index into `derivations`
/// when `pricesAreIndexes`, and a string number otherwise.
public struct CorrectionBlock: Sendable {
    public var corrections: [Correction] = []
    public var derivations: [[UInt8]] = []
    public var pricesAreIndexes = true
    /// Where to go on; nil when everything was looked at. Its meaning belongs to whoever computes the blocks.
    public var next: UInt64?
    /// Events looked at for this block.
    public var scanned: UInt64 = 0

    public init() {}
}

/// The texts a price book is made of, wherever they came from.
public struct PriceTexts: Sendable, Equatable {
    public struct Text: Sendable, Equatable {
        /// The file's name, or where else it is from; for messages.
        public var name: String
        public var bytes: [UInt8]

        public init(name: String, bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
        }
    }

    /// A bundle; nil for the built-in catalogue.
    public var catalogue: [UInt8]?
    /// Prices of one's own, TOML, in the order of their rank.
    public var own: [Text] = []

    public init() {}

    /// What messages call a price that was set through the API.
    public static func name(ofSet id: [UInt8]) -> String { "price " + String(decoding: id, as: UTF8.self) }
}
