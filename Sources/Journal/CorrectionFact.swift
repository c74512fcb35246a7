// Corrections in the journal: what an event counts for from here on, and the runs that corrections come in.
//
//   size    field of a correction
//   1       kind (CorrectionKind)
//   varint  run; 0 for a void
//   8       when
//   varint  sequence of the event
//   8       place of the event
//   8       place of the correction of this event before it; 0 for none
//   8       occurredAt of the event
//   …       event name, customer, feature, model, provider: string numbers
//   …       state before, state after
//   …       of a void: usage units, input tokens, output tokens (quantities), revenue (varint), varint length and reason
//
//   size    field of a state
//   1       flags: 1 there is a cost, 2 there is a derivation, 4 there is a match rule
//   varint  cost in picodollars, or 1 byte reason for having none
//   varint  derivation (string number), when its flag is set
//   1       match rule, when its flag is set

public import Core

extension ByteWriter {
    /// Appends a correction whose derivations are numbered. The result is the fact's offset in this buffer.
    public mutating func append(_ correction: Correction) -> Int {
        let start = count
        appendFact(.correction) { writer in
            writer.append(correction.kind.rawValue)
            writer.append(varint: UInt64(correction.run))
            writer.append(littleEndian: correction.at.nanoseconds)
            writer.append(varint: correction.sequence)
            writer.append(littleEndian: correction.event.raw)
            writer.append(littleEndian: correction.previous.raw)
            writer.append(littleEndian: correction.occurredAt.nanoseconds)
            for id in correction.names { writer.append(varint: UInt64(id)) }
            writer.append(correction.before)
            writer.append(correction.after)
            guard correction.kind == .void else { return }
            writer.append(quantity: correction.counts.usageUnits)
            writer.append(quantity: correction.counts.inputTokens)
            writer.append(quantity: correction.counts.outputTokens)
            writer.append(varint: UInt64(bitPattern: correction.counts.revenue.picodollars))
            writer.append(varint: UInt64(correction.reason.count))
            writer.append(correction.reason)
        }
        return start
    }

    private mutating func append(_ state: CostState) {
        var flags: UInt8 = 0
        if state.cost != nil { flags |= 1 }
        if state.price != noString { flags |= 2 }
        if state.match != .none { flags |= 4 }
        append(flags)
        if let cost = state.cost { append(varint: UInt64(bitPattern: cost.picodollars)) } else { append(state.unpriced.rawValue) }
        if state.price != noString { append(varint: UInt64(state.price)) }
        if state.match != .none { append(state.match.rawValue) }
    }
}

extension Correction {
    /// The names of the event, in the order they are written.
    public var names: [StringID] { [eventName, customer, feature, model, provider] }

    /// Reads the payload of a `correction` fact; nil when it is not one.
    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let kind = CorrectionKind(rawValue: reader.byte()) else { return nil }
        let run = reader.varint()
        let at = Timestamp(nanoseconds: reader.integer(Int64.self))
        let sequence = reader.varint()
        let event = JournalPosition(raw: reader.integer(UInt64.self))
        guard run <= UInt64(UInt32.max), sequence > 0, event != .start else { return nil }
        self.init(kind: kind, run: UInt32(run), at: at, sequence: sequence, event: event)
        previous = JournalPosition(raw: reader.integer(UInt64.self))
        occurredAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        eventName = reader.stringID()
        customer = reader.stringID()
        feature = reader.stringID()
        model = reader.stringID()
        provider = reader.stringID()
        guard let before = Correction.state(&reader), let after = Correction.state(&reader) else { return nil }
        self.before = before
        self.after = after
        if kind == .void {
            counts.usageUnits = reader.quantity()
            counts.inputTokens = reader.quantity()
            counts.outputTokens = reader.quantity()
            counts.revenue = reader.money()
            reason = [UInt8](reader.lengthPrefixed())
        }
        if reader.failed || !reader.atEnd || !occurredAt.isAccepted { return nil }
    }

    private static func state(_ reader: inout ByteReader) -> CostState? {
        let flags = reader.byte()
        guard flags < 8 else { return nil }
        var state = CostState(cost: nil)
        if flags & 1 != 0 {
            state.cost = reader.money()
        } else {
            guard let reason = UnpricedReason(rawValue: reader.byte()) else { return nil }
            state.unpriced = reason
        }
        if flags & 2 != 0 { state.price = reader.stringID() }
        if flags & 4 != 0 {
            guard let rule = MatchRule(rawValue: reader.byte()) else { return nil }
            state.match = rule
        }
        return reader.failed ? nil : state
    }
}

/// Why a run was made. The numbers are stored.
public enum RunKind: UInt8, Sendable, CaseIterable {
    /// Somebody asked for it.
    case reprice = 1
    /// Prices arrived that unpriced events had waited for.
    case pricing = 2
    /// It takes another run back.
    case reverse = 3

    public var name: StaticString {
        switch self {
        case .reprice: "reprice"
        case .pricing: "pricing"
        case .reverse: "reverse"
        }
    }
}

/// A run of corrections begins or ends. Between the two stand its corrections, and whatever else happened meanwhile; a run
/// without an end was cut short by the end of the process.
public struct RunFact: Sendable, Equatable {
    public enum Operation: UInt8, Sendable {
        case begun = 1
        case ended = 2
    }

    public var operation: Operation
    /// From 1, in order.
    public var id: UInt32
    public var at: Timestamp
    /// Only for `begun`, as the next three.
    public var kind = RunKind.reprice
    /// The run taken back; 0 for none.
    public var reverses: UInt32 = 0
    /// The events asked for, as JSON.
    public var filter: [UInt8] = []
    /// The version of the prices.
    public var prices: [UInt8] = []
    /// Events corrected; only for `ended`, as the next three.
    public var events: UInt64 = 0
    /// Of those, the ones that had no cost before and have one now.
    public var newlyPriced: UInt64 = 0
    /// What the corrected events cost before and cost now.
    public var before = MoneyTotal.zero
    public var after = MoneyTotal.zero

    public init(operation: Operation, id: UInt32, at: Timestamp) {
        self.operation = operation
        self.id = id
        self.at = at
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let operation = Operation(rawValue: reader.byte()) else { return nil }
        let id = reader.varint()
        let at = Timestamp(nanoseconds: reader.integer(Int64.self))
        guard id > 0, id <= UInt64(UInt32.max) else { return nil }
        self.init(operation: operation, id: UInt32(id), at: at)
        switch operation {
        case .begun:
            guard let kind = RunKind(rawValue: reader.byte()) else { return nil }
            self.kind = kind
            let reverses = reader.varint()
            guard reverses <= UInt64(UInt32.max) else { return nil }
            self.reverses = UInt32(reverses)
            filter = [UInt8](reader.lengthPrefixed())
            prices = [UInt8](reader.lengthPrefixed())
        case .ended:
            events = reader.varint()
            newlyPriced = reader.varint()
            before = MoneyTotal(picodollars: reader.total())
            after = MoneyTotal(picodollars: reader.total())
        }
        if reader.failed || !reader.atEnd { return nil }
    }
}

extension ByteWriter {
    public mutating func append(_ fact: RunFact) {
        appendFact(.run) { writer in
            writer.append(fact.operation.rawValue)
            writer.append(varint: UInt64(fact.id))
            writer.append(littleEndian: fact.at.nanoseconds)
            switch fact.operation {
            case .begun:
                writer.append(fact.kind.rawValue)
                writer.append(varint: UInt64(fact.reverses))
                writer.append(varint: UInt64(fact.filter.count))
                writer.append(fact.filter)
                writer.append(varint: UInt64(fact.prices.count))
                writer.append(fact.prices)
            case .ended:
                writer.append(varint: fact.events)
                writer.append(varint: fact.newlyPriced)
                writer.append(total: fact.before)
                writer.append(total: fact.after)
            }
        }
    }
}
