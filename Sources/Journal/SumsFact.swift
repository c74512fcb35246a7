// Sums and what else stands for events that are no longer kept: the facts of condensed files.
//
//   size    field of sums: to be added to what is there
//   varint  hour since the epoch
//   varint  customer, feature, model, provider, event name: string numbers, 0 for none
//   zigzag  events, events without a cost
//   …       usage units, input tokens, output tokens (millionths), cost, revenue (picodollars): zigzag whole 10^12, varint rest
//
//   size    field of run sums: what dropped corrections of a run add to it
//   varint  run, events, events that had no cost before and got one
//   16      before, after: picodollars, low half first

public import Core

/// What events, and corrections of events, of one hour and one combination of names add up to. May be negative: a correction may be
/// summed up apart from its event.
public struct SumsFact: Equatable, Sendable {
    /// Hours since the epoch.
    public var hour: Int32 = 0
    public var customer = noString
    public var feature = noString
    public var model = noString
    public var provider = noString
    public var eventName = noString
    public var events: Int64 = 0
    public var unpriced: Int64 = 0
    /// Millionths.
    public var usageUnits: Int128 = 0
    public var inputTokens: Int128 = 0
    public var outputTokens: Int128 = 0
    /// Picodollars.
    public var cost: Int128 = 0
    public var revenue: Int128 = 0

    public init() {}

    /// What an event adds as it was recorded.
    init(_ event: borrowing EventFact) {
        hour = SumsFact.hour(of: event.occurredAt)
        customer = event.customer
        feature = event.feature
        model = event.model
        provider = event.provider
        eventName = event.eventName
        events = 1
        unpriced = event.isPriced ? 0 : 1
        usageUnits = Int128(event.usageUnits.millionths)
        inputTokens = Int128(event.inputTokens.millionths)
        outputTokens = Int128(event.outputTokens.millionths)
        cost = Int128(event.cost.picodollars)
        revenue = Int128(event.revenue.picodollars)
    }

    /// What a correction changes.
    public init(_ correction: borrowing Correction) {
        hour = SumsFact.hour(of: correction.occurredAt)
        customer = correction.customer
        feature = correction.feature
        model = correction.model
        provider = correction.provider
        eventName = correction.eventName
        cost = Int128(correction.costDelta)
        let wasUnpriced: Int64 = correction.before.cost == nil ? 1 : 0
        guard correction.kind == .void else {
            unpriced = (correction.after.cost == nil ? 1 : 0) - wasUnpriced
            return
        }
        events = -1
        unpriced = -wasUnpriced
        usageUnits = -Int128(correction.counts.usageUnits.millionths)
        inputTokens = -Int128(correction.counts.inputTokens.millionths)
        outputTokens = -Int128(correction.counts.outputTokens.millionths)
        revenue = -Int128(correction.counts.revenue.picodollars)
    }

    private static func hour(of time: Timestamp) -> Int32 {
        Int32(truncatingIfNeeded: time.nanoseconds / Timestamp.nanosecondsPerHour)
    }

    /// The strings it names.
    public var names: [StringID] { [customer, feature, model, provider, eventName] }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        let hour = reader.varint()
        guard hour <= UInt64(Int32.max) else { return nil }
        self.hour = Int32(hour)
        customer = reader.stringID()
        feature = reader.stringID()
        model = reader.stringID()
        provider = reader.stringID()
        eventName = reader.stringID()
        events = reader.zigzag()
        unpriced = reader.zigzag()
        usageUnits = reader.sum()
        inputTokens = reader.sum()
        outputTokens = reader.sum()
        cost = reader.sum()
        revenue = reader.sum()
        if reader.failed || !reader.atEnd { return nil }
    }
}

/// What corrections of a run that are no longer kept add to it.
public struct RunSumsFact: Equatable, Sendable {
    public var run: UInt32
    public var events: UInt64 = 0
    public var newlyPriced: UInt64 = 0
    public var before = MoneyTotal.zero
    public var after = MoneyTotal.zero

    init(run: UInt32) { self.run = run }

    mutating func add(_ correction: borrowing Correction) {
        events += 1
        if correction.before.cost == nil, correction.after.cost != nil { newlyPriced += 1 }
        if let cost = correction.before.cost { before += cost }
        if let cost = correction.after.cost { after += cost }
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        let run = reader.varint()
        guard run > 0, run <= UInt64(UInt32.max) else { return nil }
        self.init(run: UInt32(run))
        events = reader.varint()
        newlyPriced = reader.varint()
        before = MoneyTotal(picodollars: reader.total())
        after = MoneyTotal(picodollars: reader.total())
        if reader.failed || !reader.atEnd { return nil }
    }
}

/// A customer was known from here on.
public struct MetFact: Equatable, Sendable {
    public var reference: StringID
    public var at: Timestamp

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        reference = reader.stringID()
        at = Timestamp(nanoseconds: reader.integer(Int64.self))
        if reader.failed || !reader.atEnd || reference == noString { return nil }
    }

    init(_ reference: StringID, at: Timestamp) {
        self.reference = reference
        self.at = at
    }
}

/// Which events a condensed file stands for.
public struct DroppedFact: Equatable, Sendable {
    /// Of the first event, or of the next one when there is none.
    public var firstSequence: UInt64
    public var events: UInt64 = 0
    /// Of the events' own times; the earliest is above the latest when there is none.
    public var earliest = Timestamp(nanoseconds: .max)
    public var latest = Timestamp(nanoseconds: .min)

    init(firstSequence: UInt64) { self.firstSequence = firstSequence }

    /// Sequence of the first event that is kept.
    public var nextSequence: UInt64 { firstSequence &+ events }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        firstSequence = reader.varint()
        events = reader.varint()
        earliest = Timestamp(nanoseconds: reader.integer(Int64.self))
        latest = Timestamp(nanoseconds: reader.integer(Int64.self))
        let overflows = firstSequence.addingReportingOverflow(events).overflow
        if reader.failed || !reader.atEnd || firstSequence == 0 || overflows { return nil }
    }
}

/// Where the fact behind it stood before.
public enum PlaceFact {
    public static func read(_ payload: UnsafeRawBufferPointer) -> JournalPosition? {
        var reader = ByteReader(payload)
        let position = JournalPosition(raw: reader.integer(UInt64.self))
        return reader.failed || !reader.atEnd || position == .start ? nil : position
    }
}

extension ByteWriter {
    mutating func append(_ fact: borrowing SumsFact) {
        let fact = copy fact
        appendFact(.sums) { writer in
            writer.append(varint: UInt64(UInt32(bitPattern: fact.hour)))
            for id in fact.names { writer.append(varint: UInt64(id)) }
            writer.append(zigzag: fact.events)
            writer.append(zigzag: fact.unpriced)
            for sum in [fact.usageUnits, fact.inputTokens, fact.outputTokens, fact.cost, fact.revenue] { writer.append(sum: sum) }
        }
    }

    mutating func append(_ fact: RunSumsFact) {
        appendFact(.runSums) { writer in
            writer.append(varint: UInt64(fact.run))
            writer.append(varint: fact.events)
            writer.append(varint: fact.newlyPriced)
            writer.append(total: fact.before)
            writer.append(total: fact.after)
        }
    }

    mutating func append(_ fact: MetFact) {
        appendFact(.met) { writer in
            writer.append(varint: UInt64(fact.reference))
            writer.append(littleEndian: fact.at.nanoseconds)
        }
    }

    mutating func append(_ fact: DroppedFact) {
        appendFact(.dropped) { writer in
            writer.append(varint: fact.firstSequence)
            writer.append(varint: fact.events)
            writer.append(littleEndian: fact.earliest.nanoseconds)
            writer.append(littleEndian: fact.latest.nanoseconds)
        }
    }

    mutating func append(placeFact position: JournalPosition) {
        appendFact(.place) { $0.append(littleEndian: position.raw) }
    }

    /// A sum as whole 10^12 (rounded down) and the rest.
    private mutating func append(sum: Int128) {
        var (whole, rest) = sum.quotientAndRemainder(dividingBy: sumUnit)
        if rest < 0 {
            rest += sumUnit
            whole -= 1
        }
        append(zigzag: Int64(clamping: whole))
        append(varint: UInt64(rest))
    }

    /// A 128-bit sum: low half, then high half.
    mutating func append(total: MoneyTotal) {
        append(littleEndian: UInt64(truncatingIfNeeded: total.picodollars))
        append(littleEndian: Int64(truncatingIfNeeded: total.picodollars >> 64))
    }
}

private let sumUnit: Int128 = 1_000_000_000_000

extension ByteReader {
    fileprivate mutating func sum() -> Int128 {
        let whole = zigzag()
        let rest = varint()
        if rest >= UInt64(sumUnit) { fail() }
        return Int128(whole) * sumUnit + Int128(rest)
    }

    /// A 128-bit sum: low half, then high half.
    mutating func total() -> Int128 {
        let low = integer(UInt64.self)
        let high = integer(Int64.self)
        return Int128(high) << 64 | Int128(low)
    }
}
