// Golden: small journals with known contents, for tests to break.

import Core
import Journal
import Testing

/// A batch as a test sees it.
struct SeenBatch: Equatable {
    var info: BatchInfo
    var body: [UInt8]
}

let testID = JournalID(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF)
let testStart = Timestamp(nanoseconds: 1_790_000_000_000_000_000)

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededRandom: RandomNumberGenerator {
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

/// Writes batches the way the loop and the journal thread do together.
struct Scribe: ~Copyable {
    let storage: MemoryStorage
    let segmentBytes: Int
    var plan: SegmentPlan
    var writer: JournalWriter<MemoryStorage>
    var builder: BatchBuilder
    var place: SegmentPlan.Place
    var time: Int64
    /// Strings defined in the open segment.
    var definedIn: UInt32 = 0
    /// Whether batches are begun and ended where that can be, and how many were.
    var byHand = false
    var begun = 0
    var defined: Set<StringID> = []

    init(_ storage: MemoryStorage, segmentBytes: Int = 8192, batchBytes: Int = 4096, id: JournalID = testID) throws {
        let recovered = try Recovery.run(storage, segmentBytes: segmentBytes, newID: id) { _, _ in }
        self.init(storage, recovered, segmentBytes: segmentBytes, batchBytes: batchBytes)
    }

    init(_ storage: MemoryStorage, _ recovered: RecoveredJournal, segmentBytes: Int, batchBytes: Int = 4096) {
        self.storage = storage
        self.segmentBytes = segmentBytes
        plan = SegmentPlan(recovered, segmentBytes: segmentBytes, batchBytes: batchBytes, minimum: 3 << 20)
        writer = JournalWriter(storage: storage, tail: recovered.tail, segmentBytes: segmentBytes)
        builder = BatchBuilder(capacity: batchBytes)
        place = plan.nextPlace(after: 0)
        time = max(testStart.nanoseconds, recovered.tail.lastTime.nanoseconds)
    }

    /// Opens the next batch, preparing a segment when one is needed.
    mutating func open() throws {
        if case .needsSegment(let number) = place {
            plan.preparing(number)
            do {
                try SegmentPreparer.prepare(storage, number, size: segmentBytes)
            } catch {
                plan.preparationFailed(number)
                throw error
            }
            plan.prepared(number)
            place = plan.nextPlace(after: 0)
        }
        guard case .at(let segment, let offset, let limit) = place else { fatalError("a prepared segment must be used") }
        time += 1_000_000
        builder.open(
            segment: segment, offset: offset, limit: limit, firstSequence: writer.tail.nextSequence, at: Timestamp(nanoseconds: time))
        if definedIn != segment {
            definedIn = segment
            defined = []
        }
    }

    /// Adds a string once per segment.
    mutating func define(_ id: StringID, _ text: String) {
        guard defined.insert(id).inserted else { return }
        Array(text.utf8).withUnsafeBytes { builder.writer.append(stringFact: id, $0) }
    }

    /// Adds the events of a block; names must have their identifiers.
    mutating func add(_ block: inout EventBlock) -> [JournalPosition] {
        var positions: [JournalPosition] = []
        for index in 0..<block.count {
            block.events[index].sequence = builder.firstSequence + UInt64(builder.eventCount)
            let at = builder.writer.append(event: block.events[index], of: block, recordedAt: builder.openedAt)
            positions.append(builder.position(of: at))
            builder.eventCount += 1
            builder.earliest = min(builder.earliest, block.events[index].occurredAt)
            builder.latest = max(builder.latest, block.events[index].occurredAt)
        }
        return positions
    }

    mutating func commit() throws {
        let length = builder.writer.count
        if let write = byHand ? writer.begin(&builder) : nil {
            begun += 1
            try end(write)
        } else {
            try writer.commit(&builder)
        }
        place = plan.nextPlace(after: length)
    }

    /// What stands in for the kernel: it writes all, or a part and the writer does it again, or nothing at all and the writer does it.
    private mutating func end(_ write: DurableWrite) throws {
        if begun % 3 == 0 {
            let part = UnsafeRawBufferPointer(rebasing: write.bytes[..<(begun % 2 == 0 ? 0 : 512)])
            try storage.write(write.file, at: write.offset, part)
            try writer.commit(&builder)
        } else {
            try storage.writeDurably(write.file, at: write.offset, write.bytes)
            try writer.end(nil)
        }
    }

    /// One batch of raw catalogue facts, `bytes` long in all.
    mutating func commitFiller(bytes: Int, fill: UInt8 = 0x61) throws {
        try open()
        builder.writer.append(FactType.catalogue.rawValue)
        builder.writer.append(varint: UInt64(bytes))
        builder.writer.append([UInt8](repeating: fill, count: bytes))
        builder.eventCount = 1
        try commit()
    }
}

/// One event with fixed contents that depend on `n`.
func sampleEvent(_ n: Int, in block: inout EventBlock) {
    func text(_ s: String) -> TextRef { Array(s.utf8).withUnsafeBytes { block.add(text: $0) } }
    var event = EventRecord()
    event.key = text("key-\(n)")
    event.eventName = block.add(name: text("chat.completion"))
    block.nameIDs[Int(event.eventName)] = 1
    event.customer = block.add(name: text("customer-\(n % 3)"))
    block.nameIDs[Int(event.customer)] = UInt32(10 + n % 3)
    event.model = block.add(name: text("gpt-4o"))
    block.nameIDs[Int(event.model)] = 2
    event.occurredAt = Timestamp(nanoseconds: testStart.nanoseconds + Int64(n) * 1_000_000_000)
    event.flags = EventRecord.hasOccurredAt
    event.usageStart = UInt32(block.usageCount)
    block.add(usage: UsageLine(kind: .inputTokens, quantity: Quantity(whole: Int64(n) * 7 + 1)!))
    block.add(usage: UsageLine(kind: .outputTokens, quantity: Quantity(whole: Int64(n) + 1)!))
    event.usageCount = 2
    event.cost = Money(picodollars: Int64(n) * 1_234_567 + 140_000)
    event.match = .exact
    event.price = 3
    block.add(event)
}

extension Scribe {
    /// One batch of sample events, with the strings they need.
    @discardableResult
    mutating func commitSamples(_ range: Range<Int>) throws -> [JournalPosition] {
        try open()
        define(1, "chat.completion")
        define(2, "gpt-4o")
        define(3, "catalogue 2026-09-01|input 0.0000025|output 0.00001")
        for customer in 0..<3 { define(StringID(10 + customer), "customer-\(customer)") }
        var block = EventBlock()
        for n in range { sampleEvent(n, in: &block) }
        let positions = add(&block)
        try commit()
        return positions
    }
}

/// Recovers and keeps what was visited.
func recover(
    _ storage: MemoryStorage, segmentBytes: Int = 8192, repairs: Bool = true
) throws -> (journal: RecoveredJournal, batches: [SeenBatch]) {
    var batches: [SeenBatch] = []
    let journal = try Recovery.run(storage, segmentBytes: segmentBytes, repairs: repairs, newID: testID) { info, body in
        batches.append(SeenBatch(info: info, body: [UInt8](body)))
    }
    return (journal, batches)
}

/// A journal of several segments with `inLast` batches in the last one, and what is in it.
func goldenJournal(
    segments: UInt32, inLast: Int, events: Int = 4, segmentBytes: Int = 8192
) throws -> (files: [String: [UInt8]], batches: [SeenBatch]) {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage, segmentBytes: segmentBytes)
    var n = 0
    var left = inLast
    while left > 0 {
        try scribe.commitSamples(n * events..<(n + 1) * events)
        n += 1
        if scribe.builder.segment == segments { left -= 1 }
    }
    let (_, seen) = try recover(storage, segmentBytes: segmentBytes)
    return (storage.image, seen)
}
