// JournalVerify: reads a whole journal as recovery would, changes nothing, and looks deeper: into every fact, at every
// sequence and every string. Works while a daemon writes to it.

public import Core

public struct JournalVerify: Sendable {
    /// What recovery would do; nil when it would refuse.
    public var recovered: RecoveredJournal?
    /// The first thing that is wrong.
    public var problem: JournalError?
    public var batches: UInt64 = 0
    public var events: UInt64 = 0
    public var facts: UInt64 = 0
    /// Everything before this position was checked.
    public var checkedTo = JournalPosition.start

    public var isGood: Bool { problem == nil }

    /// Reads everything. `segmentBytes` is the size of new segments; `progress` hears of every batch.
    public static func run<S: Storage>(
        _ storage: S, segmentBytes: Int = Limits.segmentBytes, progress: (BatchInfo) -> Void = { _ in }
    ) -> JournalVerify {
        var report = JournalVerify()
        var strings = SegmentStrings()
        var lastOpened = Timestamp(nanoseconds: .min)
        do throws(JournalError) {
            report.recovered = try Recovery.run(storage, segmentBytes: segmentBytes, repairs: false) { info, body in
                if info.openedAt < lastOpened { throw JournalError.facts(info, offset: -BatchBuilder.headerBytes, .time) }
                lastOpened = info.openedAt
                report.facts += try check(info, body, &strings)
                report.batches += 1
                report.events += UInt64(info.eventCount)
                report.checkedTo = info.end
                progress(info)
            }
        } catch {
            report.problem = error
        }
        return report
    }

    /// Checks the facts of one batch; the result is how many there are.
    private static func check(
        _ info: BatchInfo, _ body: UnsafeRawBufferPointer, _ strings: inout SegmentStrings
    ) throws(JournalError) -> UInt64 {
        strings.enter(segment: info.position.segment)
        var reader = FactReader(body)
        var count: UInt64 = 0
        var events: UInt64 = 0
        var end = 0
        var earliest = Timestamp(nanoseconds: .max)
        var latest = Timestamp(nanoseconds: .min)
        while let fact = reader.next() {
            count += 1
            end = fact.offset + fact.headerBytes + fact.payload.count
            let isReadable: Bool
            switch fact.type {
            case .string: isReadable = strings.add(fact.payload)
            case .event:
                guard let event = EventFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
                guard event.sequence == info.firstSequence + events else { throw .facts(info, offset: fact.offset, .eventSequence) }
                guard event.names.allSatisfy({ $0 == noString || strings.isDefined($0) }), event.eventName != noString else {
                    throw .facts(info, offset: fact.offset, .string)
                }
                events += 1
                earliest = min(earliest, event.occurredAt)
                latest = max(latest, event.occurredAt)
                isReadable = true
            case .customer:
                guard let customer = CustomerFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
                isReadable = customer.reference == noString || strings.isDefined(customer.reference)
            case .key: isReadable = KeyFact(fact.payload) != nil
            case .response: isReadable = ResponseFact(fact.payload) != nil
            case .correction:
                guard let correction = Correction(fact.payload) else { throw .facts(info, offset: fact.offset) }
                isReadable = strings.areDefined(correction)
            case .run: isReadable = RunFact(fact.payload) != nil
            case .ownPrice: isReadable = OwnPriceFact(fact.payload) != nil
            case .cataloguePart: isReadable = CataloguePartFact(fact.payload) != nil
            case .priceBook: isReadable = PriceBookFact(fact.payload) != nil
            case .place: isReadable = info.isCondensed && PlaceFact.read(fact.payload) != nil
            case .met:
                guard let met = MetFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
                isReadable = info.isCondensed && strings.isDefined(met.reference)
            case .sums:
                guard let sums = SumsFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
                isReadable = info.isCondensed && sums.names.allSatisfy { $0 == noString || strings.isDefined($0) }
            case .runSums: isReadable = info.isCondensed && RunSumsFact(fact.payload) != nil
            case .dropped:
                guard let dropped = DroppedFact(fact.payload) else { throw .facts(info, offset: fact.offset) }
                isReadable = info.endsCondensed && dropped.events == UInt64(info.eventCount)
                events += dropped.events
                earliest = dropped.earliest
                latest = dropped.latest
            case .catalogue, nil: isReadable = true
            }
            guard isReadable else { throw .facts(info, offset: fact.offset) }
        }
        if reader.failed { throw .facts(info, offset: end) }
        if info.isMark != (count == 0) { throw .facts(info, offset: 0) }
        guard events == UInt64(info.eventCount), events == 0 || (earliest == info.earliest && latest == info.latest) else {
            throw .facts(info, offset: -BatchBuilder.headerBytes, .summary)
        }
        return count
    }
}

extension EventFact {
    /// The strings it names; `noString` where it names none.
    var names: [StringID] { [eventName, customer, feature, model, provider, region, price] }
}
