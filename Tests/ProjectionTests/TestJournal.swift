// TestJournal: a real journal in a temporary directory, written event by event, and the same events as a list that an
// independent judge can read.

import Core
import FileStorage
import Foundation
import Journal

/// An event as a test wants it.
struct TestEvent {
    var key = ""
    var eventName = "call"
    var customer: String?
    var feature: String?
    var model: String?
    var provider: String?
    /// Nanoseconds.
    var occurredAt: Int64 = 0
    /// Millionths.
    var usageUnits: Int64?
    var inputTokens: Int64?
    var outputTokens: Int64?
    /// Picodollars; nil is unpriced.
    var cost: Int64?
    var revenue: Int64?
    var flow: String?
    var meta: String?
    var derivation: String?
    /// Whole input tokens inside the total, read from a cache.
    var cacheRead: Int64?
    var tier = ServiceTier.standard
    var region: String?
    var sequence: UInt64 = 0
    var recordedAt: Int64 = 0
}

final class TestJournal {
    static let segmentBytes = 256 * 1024

    let directory: String
    let storage: FileStorage
    let id: JournalID
    private var writer: JournalWriter<FileStorage>
    private var builder = BatchBuilder(capacity: 256 * 1024)
    private var block = EventBlock()
    private(set) var numbers: [String: StringID] = [:]
    private var defined: Set<StringID> = []
    private var prepared: UInt32 = 0
    private var texts: [StringID: String] = [:]
    private(set) var events: [TestEvent] = []
    /// Where the event with this sequence stands: one less is the index.
    private(set) var positions: [JournalPosition] = []
    /// Wall clock of the next batch, nanoseconds.
    var clock: Int64 = 1_780_000_000_000_000_000

    init(id: JournalID = .random()) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("purser-projection-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        self.id = id
        storage = FileStorage(directory: directory)
        writer = JournalWriter(
            storage: storage, tail: JournalTail(new: id, segmentBytes: TestJournal.segmentBytes), segmentBytes: TestJournal.segmentBytes)
        try open()
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    var end: JournalPosition { writer.durableEnd }
    /// The file of the projection.
    var books: String { directory + "/books.db" }

    private func open() throws {
        var segment = writer.tail.segment
        var offset = writer.tail.offset
        if TestJournal.segmentBytes - Int(offset) < 32 * 1024 {
            segment += 1
            offset = UInt32(SegmentFormat.headerBytes)
            defined = []
        }
        while prepared < segment {
            prepared += 1
            try SegmentPreparer.prepare(storage, prepared, size: TestJournal.segmentBytes)
        }
        builder.open(
            segment: segment, offset: offset, limit: TestJournal.segmentBytes - Int(offset), firstSequence: writer.tail.nextSequence,
            at: Timestamp(nanoseconds: clock))
    }

    /// The number of a name; its definition goes before its first use in a segment.
    func number(_ text: String) -> StringID {
        let id = numbers[text] ?? StringID(numbers.count + 1)
        numbers[text] = id
        texts[id] = text
        if defined.insert(id).inserted {
            Array(text.utf8).withUnsafeBytes { builder.writer.append(stringFact: id, $0) }
        }
        return id
    }

    /// Journals events as one batch.
    func commit(_ batch: [TestEvent]) throws {
        for event in batch { add(event) }
        try commit()
    }

    /// Journals a customer fact as one batch.
    func commit(customer fact: CustomerFact) throws {
        builder.writer.append(fact)
        try commit()
    }

    /// Journals corrections as `run`, between the two facts of the run (without them when it is 0); places of both and of the
    /// corrections.
    func commit(_ block: CorrectionBlock, run: UInt32) throws -> (begin: JournalPosition, end: JournalPosition, places: [JournalPosition]) {
        let begin = batchPosition
        if run > 0 { builder.writer.append(RunFact(operation: .begun, id: run, at: Timestamp(nanoseconds: clock))) }
        var places: [JournalPosition] = []
        for (index, computed) in block.corrections.enumerated() {
            // Other facts in between, and several batches.
            if index % 64 == 63 { try commit() }
            var correction = computed
            correction.run = correction.kind == .void ? 0 : run
            correction.at = Timestamp(nanoseconds: clock)
            if block.pricesAreIndexes, correction.after.price > 0 {
                correction.after.price = number(String(decoding: block.derivations[Int(correction.after.price) - 1], as: UTF8.self))
            }
            for id in correction.names + [correction.before.price, correction.after.price] where id != noString {
                _ = number(texts[id]!)
            }
            places.append(batchPosition)
            _ = builder.writer.append(correction)
        }
        let end = batchPosition
        if run > 0 { builder.writer.append(RunFact(operation: .ended, id: run, at: Timestamp(nanoseconds: clock))) }
        try commit()
        return (begin, end, places)
    }

    private var batchPosition: JournalPosition { builder.position(of: builder.writer.count) }

    /// Journals a fact of any type and content.
    func commit(raw type: FactType, _ payload: [UInt8]) throws {
        builder.writer.append(type.rawValue)
        builder.writer.append(varint: UInt64(payload.count))
        builder.writer.append(payload)
        try commit()
    }

    func commit() throws {
        try writer.commit(&builder)
        clock += 1_000_000_000
        try open()
    }

    private func add(_ sent: TestEvent) {
        var event = sent
        event.sequence = writer.tail.nextSequence + UInt64(builder.eventCount)
        event.recordedAt = clock
        block.reset()
        var record = EventRecord()
        record.sequence = event.sequence
        record.key = text(event.key)
        let names: [(String?, WritableKeyPath<EventRecord, UInt32>)] = [
            (event.eventName, \.eventName), (event.customer, \.customer), (event.feature, \.feature), (event.model, \.model),
            (event.provider, \.provider), (event.region, \.region),
        ]
        for case (let .some(name), let field) in names {
            let index = block.add(name: Array(name.utf8))
            block.nameIDs[Int(index)] = number(name)
            record[keyPath: field] = index
        }
        record.occurredAt = Timestamp(nanoseconds: event.occurredAt)
        record.flags |= EventRecord.hasOccurredAt
        record.tier = event.tier
        if let units = event.usageUnits {
            record.usageUnits = Quantity(millionths: units)
            record.flags |= EventRecord.hasUsageUnits
        }
        let lines: [(UsageKind, Int64?)] = [
            (.inputTokens, event.inputTokens), (.outputTokens, event.outputTokens),
            (.cacheReadTokens, event.cacheRead.map { $0 * 1_000_000 }),
        ]
        for case (let kind, .some(let millionths)) in lines {
            block.add(usage: UsageLine(kind: kind, quantity: Quantity(millionths: millionths)))
            record.usageCount += 1
        }
        if let cost = event.cost {
            record.cost = Money(picodollars: cost)
            if let derivation = event.derivation {
                record.price = number(derivation)
                record.match = .exact
            } else {
                record.flags |= EventRecord.hasCost
            }
        } else {
            record.unpriced = .unknownModel
        }
        if let revenue = event.revenue {
            record.revenue = Money(picodollars: revenue)
            record.flags |= EventRecord.hasRevenue
        }
        var extras = ByteWriter()
        for case (let tag, .some(let bytes)) in [(EventExtra.flowId, event.flow), (EventExtra.meta, event.meta)] {
            extras.append(tag.rawValue)
            extras.append(varint: UInt64(bytes.utf8.count))
            extras.append(string: bytes)
        }
        record.extras = block.add(text: extras.bytes)
        let offset = builder.writer.append(event: record, of: block, recordedAt: Timestamp(nanoseconds: event.recordedAt))
        positions.append(builder.position(of: offset))
        builder.eventCount += 1
        builder.earliest = min(builder.earliest, record.occurredAt)
        builder.latest = max(builder.latest, record.occurredAt)
        events.append(event)
    }

    private func text(_ string: String) -> TextRef { Array(string.utf8).withUnsafeBytes { block.add(text: $0) } }
}

extension EventBlock {
    fileprivate mutating func add(name: [UInt8]) -> UInt32 { name.withUnsafeBytes { add(name: $0) } }
}

/// A generator with a fixed seed (SplitMix64), so that a failure is the same failure next time.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// `2026-03-29T01:00:00Z` in nanoseconds.
func instant(_ text: String) -> Int64 { Timestamp(rfc3339: text)!.nanoseconds }
