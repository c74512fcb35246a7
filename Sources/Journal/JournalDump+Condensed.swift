// The dump's lines for what stands in condensed files.

internal import Core

extension JournalDump {
    /// False when the fact cannot be read.
    func append(condensed fact: Fact, to writer: inout ByteWriter) -> Bool {
        switch fact.type {
        case .place:
            guard let position = PlaceFact.read(fact.payload) else { return false }
            writer.member("of", position: position)
        case .met:
            guard let met = MetFact(fact.payload) else { return false }
            name("customerReferenceId", met.reference, to: &writer)
            writer.member("at", time: met.at)
        case .sums:
            guard let sums = SumsFact(fact.payload) else { return false }
            append(sums, to: &writer)
        case .runSums:
            guard let sums = RunSumsFact(fact.payload) else { return false }
            writer.member("id", unsigned: UInt64(sums.run))
            writer.member("events", unsigned: sums.events)
            writer.member("newlyPriced", unsigned: sums.newlyPriced)
            writer.member("costBefore")
            writer.append(money: sums.before)
            writer.member("costAfter")
            writer.append(money: sums.after)
        case .dropped:
            guard let dropped = DroppedFact(fact.payload) else { return false }
            writer.member("firstSequence", unsigned: dropped.firstSequence)
            writer.member("events", unsigned: dropped.events)
            guard dropped.events > 0 else { return true }
            writer.member("earliest", time: dropped.earliest)
            writer.member("latest", time: dropped.latest)
        default: return false
        }
        return true
    }

    private func append(_ sums: SumsFact, to writer: inout ByteWriter) {
        writer.member("hour", time: Timestamp(nanoseconds: Int64(sums.hour) * Timestamp.nanosecondsPerHour))
        name("eventName", sums.eventName, to: &writer)
        name("customerReferenceId", sums.customer, to: &writer)
        name("featureKey", sums.feature, to: &writer)
        name("model", sums.model, to: &writer)
        name("modelProvider", sums.provider, to: &writer)
        writer.member("events", decimal: Int128(sums.events), places: 0)
        writer.member("unpricedEvents", decimal: Int128(sums.unpriced), places: 0)
        writer.member("usageUnits", decimal: sums.usageUnits, places: 6)
        writer.member("inputTokens", decimal: sums.inputTokens, places: 6)
        writer.member("outputTokens", decimal: sums.outputTokens, places: 6)
        writer.member("costAmount", decimal: sums.cost, places: 12)
        writer.member("revenueAmount", decimal: sums.revenue, places: 12)
    }
}

extension ByteWriter {
    fileprivate mutating func member(_ name: StaticString, decimal value: Int128, places: Int) {
        member(name)
        appendDecimal(value, places: places)
    }
}
