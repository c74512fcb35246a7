// Mix: what the events of a run are like: whose, which model, how much, for what. Made once, as a pool that the run repeats with
// fresh keys and fresh customers, so that making events costs the client next to nothing while it measures.
//
// The shape is that of an application reselling models: customers by Zipf's law, eight models of six providers with the token
// counts such calls have, a share of cached input, some events whose cost the application knows itself, some of a model that
// has no price anywhere, and a share of events sent a second time.

import Core

/// What a model costs for 1,000 tokens of a kind, in picodollars. The run's own arithmetic starts from these.
public struct ModelRates: Equatable, Sendable {
    public var input: Int64
    public var cacheRead: Int64
    public var output: Int64

    public init(input: Int64, cacheRead: Int64, output: Int64) {
        self.input = input
        self.cacheRead = cacheRead
        self.output = output
    }

    /// The cost of one event: exact, rounded half to even once.
    public func cost(input: Int, cached: Int, output: Int) -> Int64 {
        let sum =
            Int128(input - cached) * Int128(self.input) + Int128(cached) * Int128(cacheRead) + Int128(output) * Int128(self.output)
        return Int64(divideHalfEven(sum, by: 1000))
    }
}

/// A line of business: which model for which feature, how large, what it earns.
public struct Business: Sendable {
    public var provider: String
    public var model: String
    public var feature: String
    var input: ClosedRange<Int>
    var output: ClosedRange<Int>
    public var hasOutput: Bool { output.upperBound > 0 }
    /// Percent of the input that a cache held.
    var cachedPercent = 0
    /// Picodollars.
    var revenue: Int64
    var weight: Int
    /// The application says itself what it cost.
    var givesCost = false

    /// What a run sends, most frequent first.
    public static let all: [Business] = [
        Business(
            provider: "openai", model: "gpt-5-mini", feature: "support-chat", input: 900...4200, output: 120...700, cachedPercent: 60,
            revenue: 20_000_000_000, weight: 30),
        Business(
            provider: "openai", model: "text-embedding-3-small", feature: "semantic-search", input: 7...900, output: 0...0,
            revenue: 200_000_000, weight: 18),
        Business(
            provider: "anthropic", model: "claude-sonnet-4-5", feature: "code-review", input: 6000...24_000, output: 600...2400,
            cachedPercent: 70, revenue: 250_000_000_000, weight: 14),
        Business(
            provider: "google", model: "gemini-2.5-flash", feature: "summaries", input: 4000...30_000, output: 300...1500,
            cachedPercent: 20, revenue: 12_000_000_000, weight: 12),
        Business(
            provider: "mistral", model: "mistral-small-latest", feature: "semantic-search", input: 800...3000, output: 80...400,
            revenue: 4_000_000_000, weight: 10),
        Business(
            provider: "openai", model: "gpt-4.1", feature: "contract-review", input: 1500...5000, output: 200...800, cachedPercent: 40,
            revenue: 150_000_000_000, weight: 8),
        Business(
            provider: "own-gpu", model: "bench-llm-7b", feature: "support-chat", input: 500...2500, output: 100...600,
            revenue: 3_000_000_000, weight: 5, givesCost: true),
        Business(
            provider: "own-gpu", model: "bench-unpriced-22b", feature: "summaries", input: 500...2500, output: 100...600,
            revenue: 3_000_000_000, weight: 3),
    ]
}

/// What a run may choose about its events.
public struct MixOptions: Equatable, Sendable {
    public var customers = 100_000
    /// Zipf's exponent.
    public var skew = 1.0
    /// Of a thousand events so many are sent a second time.
    public var duplicatesPerMille = 10
    /// Events occurred on one day, so many days before the base time; 0: within a second of it.
    public var daysAgo = 0
    public var seed: UInt64 = 7787
    public init() {}

    /// Bounds of what may be chosen: the customers' names have eight digits, and the pool lies in memory.
    public static let mostCustomers = 10_000_000
    public static let mostDaysAgo = 3650

    /// How long after the earliest of them events may occur, in milliseconds: what an application's clock says.
    var milliseconds: Int { daysAgo > 0 ? 86_400_000 : 1000 }
}

/// One event of the pool.
struct PoolEvent {
    var business: Int
    var customer: Int
    var input: Int
    var cached: Int
    var output: Int
    /// Given with the event, picodollars.
    var givenCost: Int64?
    /// Nanoseconds after the base time.
    var offset: Int64
}

/// Exact sums of events, in the units of the wire: picodollars and whole tokens.
public struct Sums: Equatable, Sendable {
    public var events: Int128 = 0
    public var units: Int128 = 0
    public var inputTokens: Int128 = 0
    public var outputTokens: Int128 = 0
    public var cost: Int128 = 0
    public var revenue: Int128 = 0
    public var unpriced: Int128 = 0

    public init() {}

    static func += (a: inout Sums, b: Sums) {
        a.events += b.events
        a.units += b.units
        a.inputTokens += b.inputTokens
        a.outputTokens += b.outputTokens
        a.cost += b.cost
        a.revenue += b.revenue
        a.unpriced += b.unpriced
    }

    public static func -= (a: inout Sums, b: Sums) {
        a.events -= b.events
        a.units -= b.units
        a.inputTokens -= b.inputTokens
        a.outputTokens -= b.outputTokens
        a.cost -= b.cost
        a.revenue -= b.revenue
        a.unpriced -= b.unpriced
    }
}

/// The events that a run repeats.
struct Mix {
    let options: MixOptions
    /// Rates by business; nil where there is no price.
    let rates: [ModelRates?]
    /// Every event of the run has this name, so that its sums can be asked for among anybody else's.
    let eventName: String
    let baseTime: Timestamp
    let zipf: Zipf
    let tail: ZipfTail?
    private var chance: Chance
    private let weight: Int

    /// Customers of these ranks keep their place in the pool; the others are drawn anew each time it is sent.
    static let fixedCustomers = 256

    init(_ options: MixOptions, rates: [ModelRates?], eventName: String, baseTime: Timestamp) {
        self.options = options
        self.rates = rates
        self.eventName = eventName
        self.baseTime = baseTime
        zipf = Zipf(count: max(1, options.customers), exponent: options.skew)
        tail = options.customers > Mix.fixedCustomers ? ZipfTail(zipf, from: Mix.fixedCustomers) : nil
        chance = Chance(seed: options.seed)
        weight = Business.all.reduce(0) { $0 + $1.weight }
    }

    mutating func next() -> PoolEvent {
        var left = chance.below(weight)
        var index = 0
        while left >= Business.all[index].weight {
            left -= Business.all[index].weight
            index += 1
        }
        let business = Business.all[index]
        let input = chance.pick(business.input)
        return PoolEvent(
            business: index, customer: zipf.rank(&chance), input: input, cached: input * business.cachedPercent / 100,
            output: chance.pick(business.output), givenCost: business.givesCost ? Int64(chance.pick(1...9000)) * 1_000_003 : nil,
            offset: Int64(chance.below(options.milliseconds)) * 1_000_000)
    }

    mutating func chooses(perMille: Int) -> Bool { chance.below(1000) < perMille }
    mutating func below(_ bound: Int) -> Int { chance.below(bound) }

    /// What one event adds to the books.
    func sums(of event: PoolEvent) -> Sums {
        var sums = Sums()
        sums.events = 1
        sums.units = 1
        sums.inputTokens = Int128(event.input)
        sums.outputTokens = Int128(event.output)
        sums.revenue = Int128(Business.all[event.business].revenue)
        if let given = event.givenCost {
            sums.cost = Int128(given)
        } else if let rates = rates[event.business] {
            sums.cost = Int128(rates.cost(input: event.input, cached: event.cached, output: event.output))
        } else {
            sums.unpriced = 1
        }
        return sums
    }

    /// A customer's reference: its length is the same for all, so that it can be overwritten in place.
    static func customerName(_ rank: Int) -> String {
        let digits = String(rank)
        return "cust-" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
