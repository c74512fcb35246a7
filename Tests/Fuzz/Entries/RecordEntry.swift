// The facts of one batch, any bytes: reading them, writing again what was read, printing them, and replaying them into the books.

import Core
import Pricing

@testable import Journal
@testable import Ledger

/// No catalogue and one price, made once: making a book takes longer than everything else an entry does. Nothing changes it.
nonisolated(unsafe) let smallBook: PriceBook = {
    let prices = """
        [[price]]
        id = "plain"
        model = "plain"
        rates = { input = "3/M", output = "7/M" }
        """
    do {
        return try Array(prices.utf8).withUnsafeBytes {
            try PriceBook(catalogue: [], own: [PriceBook.Source(name: "test.toml", bytes: $0)])
        }
    } catch {
        fatalError("the price of the fuzz targets: \(error)")
    }
}()

/// The payload of the only fact that `write` writes.
private func payload(_ write: (inout ByteWriter) -> Void) throws -> [UInt8] {
    var writer = ByteWriter()
    write(&writer)
    var reader = FactReader(writer.bytes)
    guard let fact = reader.next() else { throw Finding("what was written is no fact") }
    try demand(reader.next() == nil && !reader.failed, "what was written is more than one fact")
    return [UInt8](fact.payload)
}

extension FuzzEntry {
    static let record = FuzzEntry("record") { bytes in
        try exactly(bytes) { body in
            var reader = FactReader(body)
            while let fact = reader.next() {
                try demand(fact.offset + fact.payload.count <= bytes.count, "a fact beyond the end")
                try rewrite(fact)
            }
            try print(body)
            try replay(body)
        }
    }

    /// What is read, written and read again is the same.
    private static func rewrite(_ fact: Fact) throws {
        switch fact.type {
        case .event: try rewrite(EventFact(fact.payload))
        case .customer:
            guard let read = CustomerFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { CustomerFact($0) } == read, "\(read) changes")
        case .key:
            guard let read = KeyFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { KeyFact($0) } == read, "\(read) changes")
        case .response:
            guard let read = ResponseFact(fact.payload) else { return }
            try demand(payload { $0.append(read) } == [UInt8](fact.payload), "a response changes")
        case .correction:
            guard let read = Correction(fact.payload) else { return }
            try demand(payload { _ = $0.append(read) }.withUnsafeBytes { Correction($0) } == read, "\(read) changes")
        case .run:
            guard let read = RunFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { RunFact($0) } == read, "\(read) changes")
        case .ownPrice:
            guard let read = OwnPriceFact(fact.payload) else { return }
            try demand(payload { $0.append(read) } == [UInt8](fact.payload), "a price changes")
        case .cataloguePart:
            guard let read = CataloguePartFact(fact.payload) else { return }
            try demand(payload { $0.append(read) } == [UInt8](fact.payload), "a part of a catalogue changes")
        case .priceBook:
            guard let read = PriceBookFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { PriceBookFact($0) } == read, "\(read) changes")
        case .sums:
            guard let read = SumsFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { SumsFact($0) } == read, "\(read) changes")
        case .runSums:
            guard let read = RunSumsFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { RunSumsFact($0) } == read, "\(read) changes")
        case .met:
            guard let read = MetFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { MetFact($0) } == read, "\(read) changes")
        case .dropped:
            guard let read = DroppedFact(fact.payload) else { return }
            try demand(payload { $0.append(read) }.withUnsafeBytes { DroppedFact($0) } == read, "\(read) changes")
        case .string, .catalogue, .place, nil: break
        }
    }

    private static func rewrite(_ read: EventFact?) throws {
        // The writer is only given times inside the range, from which the delay cannot overflow.
        guard let read, read.occurredAt.isAccepted, read.recordedAt.isAccepted, !read.keyBytes.isEmpty else { return }
        var block = EventBlock(events: 1)
        var event = EventRecord()
        var key = ByteWriter()
        read.appendKey(to: &key)
        event.key = block.add(text: key.bytes)
        func name(_ id: StringID) -> UInt32 {
            let index = block.add(name: UnsafeRawBufferPointer(start: nil, count: 0))
            block.nameIDs[Int(index)] = id
            return index
        }
        func name(_ id: StringID, _ flag: UInt32) -> UInt32 { read.flags & flag == 0 ? 0 : name(id) }
        event.eventName = name(read.eventName)
        event.customer = name(read.customer, EventFlag.customer)
        event.feature = name(read.feature, EventFlag.feature)
        event.model = name(read.model, EventFlag.model)
        event.provider = name(read.provider, EventFlag.provider)
        event.region = name(read.region, EventFlag.region)
        event.sequence = read.sequence
        event.occurredAt = read.occurredAt
        let flags: [(UInt32, UInt32)] = [
            (EventFlag.usageUnits, UInt32(EventRecord.hasUsageUnits)), (EventFlag.costGiven, UInt32(EventRecord.hasCost)),
            (EventFlag.revenue, UInt32(EventRecord.hasRevenue)), (EventFlag.timeGiven, UInt32(EventRecord.hasOccurredAt)),
            (EventFlag.keyGenerated, UInt32(EventRecord.keyGenerated)), (EventFlag.unitsAsInput, UInt32(EventRecord.unitsAsInput)),
        ]
        for (stored, recorded) in flags where read.flags & stored != 0 { event.flags |= .init(truncatingIfNeeded: recorded) }
        event.usageUnits = read.usageUnits
        for line in UsageIterator(read) {
            block.add(usage: line)
            event.usageCount += 1
        }
        (event.cost, event.revenue, event.price) = (read.cost, read.revenue, read.price)
        (event.match, event.tier, event.unpriced) = (read.match, read.tier, read.unpriced)
        event.extras = block.add(text: read.extras)
        let written = try payload { _ = $0.append(event: event, of: block, recordedAt: read.recordedAt) }
        try written.withUnsafeBytes { bytes in
            guard let again = EventFact(bytes) else { throw Finding("an event that was read cannot be written") }
            try demand(
                again.sequence == read.sequence && again.occurredAt == read.occurredAt && again.recordedAt == read.recordedAt
                    && again.eventName == read.eventName && again.customer == read.customer && again.region == read.region
                    && again.usageUnits == read.usageUnits && again.cost == read.cost && again.revenue == read.revenue
                    && again.price == read.price && again.tier == read.tier && again.unpriced == read.unpriced
                    && again.inputTokens == read.inputTokens && again.outputTokens == read.outputTokens
                    && again.extras.elementsEqual(read.extras),
                "an event changes: \(read)\n\(again)")
            var key = ByteWriter()
            again.appendKey(to: &key)
            try demand(key.bytes.elementsEqual(block.text(event.key)), "a key changes")
        }
    }

    /// Every line that is printed is one JSON text.
    private static func print(_ body: UnsafeRawBufferPointer) throws {
        var dump = JournalDump()
        var lines = ByteWriter()
        var length: [Int] = []
        do {
            try dump.append(batch(of: body), body, to: &lines) { length.append($0.count) }
        } catch is JournalError {
            lines.truncate(to: length.last ?? 0)
        }
        for line in lines.array.split(separator: 0x0A) {
            try demand(StrictJSON.accepts(Array(line)), "no JSON: \(String(decoding: line, as: UTF8.self))")
        }
    }

    /// A batch with these facts, as the first of a journal.
    private static func batch(of body: UnsafeRawBufferPointer) throws -> BatchInfo {
        var builder = BatchBuilder(capacity: 4096)
        builder.open(segment: 1, offset: 4096, limit: 4096, firstSequence: 1, at: Timestamp(nanoseconds: 0))
        builder.writer.append(bytes: body)
        _ = BatchHeader.seal(&builder, previousCRC: 0, seed: 0)
        guard case .good(let info) = BatchHeader.check(builder.writer.bytes, seed: 0, segment: 1, offset: 4096, end: 1 << 24) else {
            throw Finding("a batch that was sealed does not check out")
        }
        return info
    }

    /// The same facts lead to the same books, or to the same refusal.
    private static func replay(_ body: UnsafeRawBufferPointer) throws {
        var first = Ledger(book: smallBook, seed: 1, random: 2)
        var second = Ledger(book: smallBook, seed: 3, random: 4)
        let bad = first.replay(body, segment: 1, batchOffset: 4096, inWindow: true)
        try demand(bad == second.replay(body, segment: 1, batchOffset: 4096, inWindow: true), "one replay refuses, the other does not")
        try demand(bad.map { $0 >= 0 && $0 <= body.count } ?? true, "refused beyond the end")
        try demand(first.totalEvents == second.totalEvents && first.totalCost == second.totalCost, "two replays differ")
    }
}
