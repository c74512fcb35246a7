// Folder: adds the facts of a batch to the delta, the chunk log and the lookups.
//
// A correction adds to the cell of its event what it changes, so figures of the delta may be negative; with the rows they are
// added to they never are.
//
// One decode, one probe of a flat table, a few bits of the chunk's filter for each event. Names and customers are looked at only
// when they are met for the first time. A batch that cannot be read is never folded in part and kept:
// the caller throws the delta away.

internal import Core
internal import Journal

/// Why a batch was not folded.
enum FoldError: Error {
    /// The fact at this offset of the body does not decode.
    case badFact(Int)
    case sqlite(SQLiteError)
    /// The batch does not go on from the last one folded.
    case otherJournal
}

struct Folder: ~Copyable {
    var delta = DeltaTable()
    var chunks = ChunkLog()
    var corrections = CorrectionLog()
    /// Of all events folded ever, nanoseconds; `earliest` above `latest` before the first.
    var earliest = Int64.max
    var latest = Int64.min
    var events: UInt64 = 0
    /// Events whose cell is not looked up yet. Looking up many at once hides the cache misses: the slots of all are asked
    /// for, then the cells they name, and only then the sums are touched.
    private let staged: UnsafeMutablePointer<Staged>
    private static let stageSize = 32
    private var stagedCount = 0

    private struct Staged {
        var customer: StringID
        var bucket: UInt32
        var hash: UInt64
        var sums: EventSums
    }
    /// Of the last event: what follows is often alike, and then filter and customer know it.
    private var previous = CellKey()
    private var previousBucket: UInt32 = 0
    private var previousHash: UInt64 = 0

    init() { staged = .allocate(capacity: Folder.stageSize) }

    deinit { staged.deallocate() }

    /// Drops everything that is not in the file.
    mutating func reset() {
        delta = DeltaTable()
        chunks.reset()
        corrections.removeAll()
        earliest = .max
        latest = .min
        events = 0
        stagedCount = 0
    }

    /// A flush begins: the delta goes along with it, and a new one begins.
    mutating func takeDelta() -> DeltaTable {
        var taken = DeltaTable()
        swap(&taken, &delta)
        return taken
    }

    mutating func fold(_ batch: BatchInfo, _ body: UnsafeRawBufferPointer, into lookups: Lookups) throws(FoldError) {
        guard !batch.isCondensed else { return try fold(condensed: batch, body, into: lookups) }
        chunks.begin(at: batch.position, firstSequence: batch.firstSequence)
        stagedCount = 0
        // No event is in this hour: the first one is like no other.
        previous.hour = .min
        var reader = FactReader(body)
        var counted: UInt64 = 0
        var first = Int64.max
        var last = Int64.min
        while let fact = reader.next() {
            switch fact.rawType {
            case FactType.event.rawValue:
                let time = try stage(fact, at: batch.position(ofBodyOffset: fact.offset), lookups)
                counted += 1
                first = min(first, time)
                last = max(last, time)
            case FactType.string.rawValue: try lookups.fold(string: fact)
            case FactType.customer.rawValue:
                try lookups.fold(customer: fact, origin: batch.position(ofBodyOffset: fact.offset))
            case FactType.correction.rawValue:
                guard let correction = Correction(fact.payload) else { throw .badFact(fact.offset) }
                corrections.add(CorrectionMark(correction, at: batch.position(ofBodyOffset: fact.offset)))
                delta.add(Figures(correction), CellKey(correction))
            default: break
            }
        }
        if reader.failed { throw .badFact(body.count) }
        drain()
        events += counted
        earliest = min(earliest, first)
        latest = max(latest, last)
        chunks.end(at: batch.end, events: counted, earliest: first, latest: last)
    }

    /// A batch of a condensed file: sums in the place of events. No chunk describes it, because no event can be read there.
    private mutating func fold(
        condensed batch: BatchInfo, _ body: UnsafeRawBufferPointer, into lookups: Lookups
    ) throws(FoldError) {
        var reader = FactReader(body)
        var stood: JournalPosition?
        while let fact = reader.next() {
            let origin = stood ?? batch.position(ofBodyOffset: fact.offset)
            stood = nil
            switch fact.type {
            case .string: try lookups.fold(string: fact)
            case .customer: try lookups.fold(customer: fact, origin: origin)
            case .place: stood = PlaceFact.read(fact.payload)
            case .met:
                guard let met = MetFact(fact.payload), NumberSet.isNumber(met.reference) else { throw .badFact(fact.offset) }
                lookups.met(customer: met.reference, origin: origin, at: met.at)
            case .sums:
                guard let sums = SumsFact(fact.payload) else { throw .badFact(fact.offset) }
                delta.add(Figures(sums), CellKey(sums))
            case .dropped:
                guard let dropped = DroppedFact(fact.payload) else { throw .badFact(fact.offset) }
                events += dropped.events
                earliest = min(earliest, dropped.earliest.nanoseconds)
                latest = max(latest, dropped.latest.nanoseconds)
            default: break
            }
        }
        if reader.failed { throw .badFact(body.count) }
    }

    /// Decodes an event and puts it on the stage; the result is its time in nanoseconds. Decoded here and nowhere passed on:
    /// copying the decoded event costs as much as adding it up.
    @inline(__always)
    private mutating func stage(_ fact: Fact, at position: JournalPosition, _ lookups: Lookups) throws(FoldError) -> Int64 {
        let decoded = EventFact(fact.payload)
        guard decoded != nil else { throw .badFact(fact.offset) }
        let event = decoded.unsafelyUnwrapped
        guard event.occurredAt.isAccepted else { throw .badFact(fact.offset) }
        let key = CellKey(event)
        if key != previous {
            if key.customer != noString, !lookups.knownCustomers.contains(key.customer) {
                guard NumberSet.isNumber(key.customer) else { throw .badFact(fact.offset) }
                lookups.met(customer: key.customer, origin: position, at: event.recordedAt)
            }
            let bucket = Bucket(key)
            if previous.hour == .min || bucket != Bucket(previous) {
                previousBucket = delta.bucket(bucket)
                chunks.insert(ChunkProbe(.feature, UInt64(key.feature)))
                chunks.insert(ChunkProbe(.model, UInt64(key.model)))
                chunks.insert(ChunkProbe(.provider, UInt64(key.provider)))
                chunks.insert(ChunkProbe(.eventName, UInt64(key.eventName)))
            }
            chunks.insert(ChunkProbe(.customer, UInt64(key.customer)))
            previousHash = DeltaTable.hash(key.customer, previousBucket)
            previous = key
        }
        chunks.insert(event.keyProbe)
        if event.flags & EventFlag.extras != 0, let flow = event.extra(.flowId) { chunks.insert(ChunkProbe.text(.flow, flow)) }
        if !event.isPriced { chunks.insert(ChunkProbe(.unpriced, 1)) }
        staged.advanced(by: stagedCount).initialize(
            to: Staged(customer: key.customer, bucket: previousBucket, hash: previousHash, sums: event.sums))
        stagedCount += 1
        if stagedCount == Folder.stageSize { drain() }
        return event.occurredAt.nanoseconds
    }

    /// Adds what is staged to the delta.
    private mutating func drain() {
        for i in 0..<stagedCount { delta.prefetchSlot(staged[i].hash) }
        for i in 0..<stagedCount { delta.prefetchCell(staged[i].hash) }
        for i in 0..<stagedCount {
            delta.add(staged[i].sums, customer: staged[i].customer, bucket: staged[i].bucket, hash: staged[i].hash)
        }
        stagedCount = 0
    }
}

extension Lookups {
    fileprivate func fold(string fact: Fact) throws(FoldError) {
        var text = ByteReader(fact.payload)
        let id = text.varint()
        guard !text.failed, let number = StringID(exactly: id), NumberSet.isNumber(number) else { throw .badFact(fact.offset) }
        let bytes = text.bytes(text.remaining)
        add(name: number, bytes)
    }

    fileprivate func fold(customer fact: Fact, origin: JournalPosition) throws(FoldError) {
        guard let customer = CustomerFact(fact.payload) else { throw .badFact(fact.offset) }
        guard customer.reference == noString || NumberSet.isNumber(customer.reference) else { throw .badFact(fact.offset) }
        do { try apply(customer, origin: origin) } catch { throw .sqlite(error) }
    }
}

extension EventFact {
    @inline(__always) var sums: EventSums {
        EventSums(
            unpriced: isPriced ? 0 : 1, usageUnits: usageUnits.millionths, inputTokens: inputTokens.millionths,
            outputTokens: outputTokens.millionths, cost: cost.picodollars, revenue: revenue.picodollars)
    }

    /// Raw bytes of a UUID and text of anything else: whoever searches has to make the same of the key asked for.
    @inline(__always) var keyProbe: ChunkProbe { ChunkProbe.text(.key, keyBytes) }
}

extension CellKey {
    /// The cell of an event, or of a correction of it.
    @inline(__always) init(_ event: borrowing EventFact) {
        self.init()
        customer = event.customer
        feature = event.feature
        model = event.model
        provider = event.provider
        eventName = event.eventName
        hour = Int32(truncatingIfNeeded: event.occurredAt.nanoseconds / Timestamp.nanosecondsPerHour)
    }

    init(_ sums: SumsFact) {
        self.init()
        customer = sums.customer
        feature = sums.feature
        model = sums.model
        provider = sums.provider
        eventName = sums.eventName
        hour = sums.hour
    }

    init(_ correction: borrowing Correction) {
        self.init()
        customer = correction.customer
        feature = correction.feature
        model = correction.model
        provider = correction.provider
        eventName = correction.eventName
        hour = Int32(truncatingIfNeeded: correction.occurredAt.nanoseconds / Timestamp.nanosecondsPerHour)
    }
}

extension Figures {
    /// What a correction changes.
    init(_ correction: borrowing Correction) {
        self.init(SumsFact(correction))
    }

    /// What sums come to.
    init(_ sums: SumsFact) {
        self.init()
        events = sums.events
        unpriced = sums.unpriced
        usageUnits = sums.usageUnits
        inputTokens = sums.inputTokens
        outputTokens = sums.outputTokens
        cost = sums.cost
        revenue = sums.revenue
    }

    /// What an event adds at its current cost.
    init(_ event: borrowing EventFact, cost current: Money?) {
        self.init()
        events = 1
        unpriced = current == nil ? 1 : 0
        usageUnits = Int128(event.usageUnits.millionths)
        inputTokens = Int128(event.inputTokens.millionths)
        outputTokens = Int128(event.outputTokens.millionths)
        cost = Int128(current?.picodollars ?? 0)
        revenue = Int128(event.revenue.picodollars)
    }
}
