// Condenser: writes the file that takes the place of segments whose events are no longer kept, in steps, in memory that does not
// grow with them. `protocol/retention.md` says what becomes of which fact.
//
// It guarantees: the file counts (has its name) only when it is whole and durable, and the segments are removed only after that.
// What it reads is checked as recovery checks it; when anything does not check out nothing is dropped. Whether segments may be
// dropped at all is decided elsewhere.

internal import Core

/// How far condensing has come.
public enum CondenserProgress: Equatable, Sendable {
    /// There is more to read.
    case goesOn
    /// The file is whole and durable and stands for these segments, which may be removed.
    case condensed(CondensedRange, droppedEvents: UInt64, fileBytes: Int)
}

/// Condensing under way, whatever the disk.
public protocol Condensing: AnyObject {
    /// Reads on for a step. After an error there is nothing to go on with.
    func step() throws(JournalError) -> CondenserProgress
}

/// Condenses the segments from one on, up to a last one or as many as one file takes.
public final class Condenser<S: Storage>: Condensing {

    /// Journal that one step reads at least.
    static var stepBytes: Int { 2 << 20 }
    /// A file is ended with the segment in which it gets this long, or stands for this many events.
    static var enoughBytes: Int { 256 << 20 }
    static var enoughEvents: UInt64 { 1 << 30 }
    /// Cells whose sums are held before they are written.
    static var heldCells: Int { Limits.condensedCells }
    /// Written before it is synced, so that little of it is in the way of the journal.
    private static var syncBytes: Int { 8 << 20 }

    private let storage: S
    private var reader: JournalReader<S>
    private let first: UInt32
    private let last: UInt32
    private let id: JournalID
    private let header: SegmentHeader
    private var position: JournalPosition
    private let end: JournalPosition
    /// The last batch read.
    private var lastRead: BatchInfo?

    private var batch = BatchBuilder(capacity: Limits.batchBytes)
    private var isOpen = false
    private let seed: UInt32
    private var offset = SegmentFormat.headerBytes
    private var crc: UInt32
    private var unsynced = 0

    private var cells: [SumsFact] = []
    private var cellOf: [SumsKey: Int] = [:]
    private var runs: [RunSumsFact] = []
    private var strings = StringSet()
    private var customers = StringSet()
    private var dropped: DroppedFact

    /// Makes the unfinished file. Segments `first` to `last` are durable, and so is a batch of a later one.
    public init(_ storage: S, from first: UInt32, through last: UInt32) throws(JournalError) {
        self.storage = storage
        self.first = first
        self.last = last
        reader = JournalReader(storage)
        guard let info = try reader.segments().first(where: { $0.number == first }) else {
            throw .damage(file: SegmentFormat.fileName(first), offset: 0, reason: .missingSegment)
        }
        header = info.header
        id = header.id
        seed = id.seed(condensedFrom: first)
        crc = header.previousCRC
        position = info.start
        end = JournalPosition(segment: last + 1, offset: UInt32(SegmentFormat.headerBytes))
        dropped = DroppedFact(firstSequence: header.firstSequence)
        do throws(StorageError) {
            if try storage.list().contains(CondensedRange.unfinishedFile) { try storage.remove(CondensedRange.unfinishedFile) }
            try storage.createZeroed(CondensedRange.unfinishedFile, size: 0)
        } catch {
            throw .storage(error)
        }
    }

    public func step() throws(JournalError) -> CondenserProgress {
        var left = Condenser.stepBytes
        var isEnough = false
        let visit: (BatchInfo, UnsafeRawBufferPointer) throws -> Bool = { [self] info, body in
            if lastRead == nil, info.previousCRC != header.previousCRC || info.firstSequence != header.firstSequence {
                throw JournalError.facts(info, offset: -BatchBuilder.headerBytes, .chain)
            }
            if let before = lastRead, before.position.segment != info.position.segment,
                offset >= Condenser.enoughBytes || dropped.events >= Condenser.enoughEvents
            {
                isEnough = true
                return false
            }
            try take(info, body)
            lastRead = info
            left -= info.paddedLength
            return left > 0
        }
        let reached = try reader.forEachBatch(from: position, durableEnd: end, visit)
        if left <= 0, !isEnough {
            position = reached
            return .goesOn
        }
        do {
            return try finish()
        } catch {
            throw JournalError(error)
        }
    }

    /// Removes the segments that a condensed file stands for, lowest first, and the unfinished file of an attempt that failed.
    /// The result is how many bytes they had.
    @discardableResult
    public static func removeCovered(_ storage: S, _ range: CondensedRange) throws(StorageError) -> Int {
        let numbers = try storage.list().compactMap(SegmentFormat.number(ofFile:)).filter { range.covers($0) }.sorted()
        var bytes = 0
        for number in numbers {
            let file = SegmentFormat.fileName(number)
            bytes += try storage.size(file)
            try storage.remove(file)
        }
        if !numbers.isEmpty { try storage.syncDirectory() }
        return bytes
    }

    /// Removes what is there of a file that will not be finished.
    public static func discard(_ storage: S) {
        // What stays is removed by the next attempt, or at the next start.
        do throws(StorageError) { try storage.remove(CondensedRange.unfinishedFile) } catch {}
    }

    // MARK: - Taking facts

    private func take(_ info: BatchInfo, _ body: UnsafeRawBufferPointer) throws {
        var facts = FactReader(body)
        var events: UInt64 = 0
        while let fact = facts.next() {
            let position = info.position(ofBodyOffset: fact.offset)
            switch fact.type {
            case .event:
                guard let event = EventFact(fact.payload), event.sequence == dropped.nextSequence, event.occurredAt.isAccepted else {
                    throw JournalError.facts(info, offset: fact.offset)
                }
                if event.customer != noString, customers.insert(event.customer) {
                    try open(info, room: 64)
                    batch.writer.append(placeFact: position)
                    batch.writer.append(MetFact(event.customer, at: event.recordedAt))
                }
                dropped.events += 1
                dropped.earliest = min(dropped.earliest, event.occurredAt)
                dropped.latest = max(dropped.latest, event.occurredAt)
                events += 1
                try add(SumsFact(event), info)
            case .correction:
                guard let correction = Correction(fact.payload) else { throw JournalError.facts(info, offset: fact.offset) }
                try add(SumsFact(correction), info)
                if correction.run > 0 { add(toRun: correction) }
            case .response, .catalogue: break
            case .string:
                var reader = ByteReader(fact.payload)
                let number = reader.varint()
                guard !reader.failed, number < UInt64(Limits.internedStrings) else { throw JournalError.facts(info, offset: fact.offset) }
                if strings.insert(StringID(number)) { try keep(fact, info) }
            case .customer:
                guard let customer = CustomerFact(fact.payload) else { throw JournalError.facts(info, offset: fact.offset) }
                if customer.reference != noString { _ = customers.insert(customer.reference) }
                try open(info, room: 32 + fact.payload.count + fact.headerBytes)
                batch.writer.append(placeFact: position)
                try keep(fact, info)
            case .key, .run, .ownPrice, .cataloguePart, .priceBook, nil: try keep(fact, info)
            case .place, .met, .sums, .runSums, .dropped: throw JournalError.facts(info, offset: fact.offset)
            }
        }
        guard !facts.failed, events == UInt64(info.eventCount) else { throw JournalError.facts(info, offset: body.count) }
    }

    /// Writes a fact as it is.
    private func keep(_ fact: Fact, _ info: BatchInfo) throws {
        try open(info, room: fact.headerBytes + fact.payload.count)
        batch.writer.append(fact.rawType)
        batch.writer.append(varint: UInt64(fact.payload.count))
        batch.writer.append(bytes: fact.payload)
    }

    private func add(_ sums: SumsFact, _ info: BatchInfo) throws {
        let key = SumsKey(sums)
        if let known = cellOf[key] {
            cells[known].add(sums)
            return
        }
        if cells.count >= Condenser.heldCells { try writeCells(info) }
        cellOf[key] = cells.count
        cells.append(sums)
    }

    private func add(toRun correction: Correction) {
        // Corrections of a run follow each other.
        let known = runs.lastIndex { $0.run == correction.run }
        if known == nil { runs.append(RunSumsFact(run: correction.run)) }
        runs[known ?? runs.count - 1].add(correction)
    }

    private func writeCells(_ info: BatchInfo) throws {
        // In an order of their own, so that the same segments make the same file.
        for cell in cells.sorted(by: { SumsKey($0) < SumsKey($1) }) {
            try open(info, room: 256)
            batch.writer.append(cell)
        }
        cells.removeAll(keepingCapacity: true)
        cellOf.removeAll(keepingCapacity: true)
    }

    // MARK: - Writing

    /// Makes room for so many bytes in the open batch.
    private func open(_ info: BatchInfo, room: Int) throws {
        if isOpen, batch.writer.count + room > 256 * 1024, !batch.isEmpty { try close() }
        guard !isOpen else { return }
        guard offset + Limits.batchBytes <= SegmentFormat.largestSegment else {
            throw StorageError(operation: .write, errno: StorageError.noSpace, file: CondensedRange.unfinishedFile)
        }
        batch.open(
            segment: first, offset: UInt32(offset), limit: Limits.batchBytes, firstSequence: header.firstSequence, at: info.openedAt)
        isOpen = true
    }

    private func close(flags: UInt16 = 0, standsFor: UInt32 = 0) throws {
        let before = crc
        crc = BatchHeader.seal(&batch, previousCRC: before, seed: seed, flags: BatchFlag.condensed | flags, standsFor: standsFor)
        try storage.write(CondensedRange.unfinishedFile, at: offset, batch.writer.bytes)
        offset += batch.writer.count
        unsynced += batch.writer.count
        isOpen = false
        if unsynced >= Condenser.syncBytes {
            try storage.sync(CondensedRange.unfinishedFile)
            unsynced = 0
        }
    }

    private func finish() throws -> CondenserProgress {
        guard let info = lastRead else { throw JournalError.damage(file: SegmentFormat.fileName(first), offset: 0, reason: .missingBatch) }
        let range = CondensedRange(first: first, last: max(first, info.position.segment))
        try refuseGap(info, after: range)
        try writeCells(info)
        for run in runs {
            try open(info, room: 128)
            batch.writer.append(run)
        }
        if isOpen { try close() }
        try open(info, room: 64)
        batch.writer.append(dropped)
        batch.eventCount = UInt32(dropped.events)
        batch.earliest = dropped.earliest
        batch.latest = dropped.latest
        try close(flags: BatchFlag.standsFor, standsFor: info.crc)
        let size = (offset + 4095) & ~4095
        var block = ByteWriter(capacity: SegmentFormat.headerBytes)
        if size > offset {
            block.appendUninitialized(size - offset).initializeMemory(as: UInt8.self, repeating: 0)
            try storage.write(CondensedRange.unfinishedFile, at: offset, block.bytes)
        }
        CondensedHeader(
            id: id, range: range, previousCRC: header.previousCRC, firstSequence: header.firstSequence, createdAt: header.createdAt,
            fileBytes: size
        ).write(to: &block)
        try storage.write(CondensedRange.unfinishedFile, at: 0, block.bytes)
        try storage.sync(CondensedRange.unfinishedFile)
        try storage.rename(CondensedRange.unfinishedFile, to: range.fileName)
        try storage.syncDirectory()
        return .condensed(range, droppedEvents: dropped.events, fileBytes: size)
    }

    /// The next segment must go on where the last batch ended: were it to go on elsewhere, batches would be missing.
    private func refuseGap(_ info: BatchInfo, after range: CondensedRange) throws {
        let next = try reader.segments().first { $0.number == range.last + 1 }
        guard let next else {
            throw JournalError.damage(file: SegmentFormat.fileName(range.last + 1), offset: 0, reason: .missingSegment)
        }
        guard next.header.previousCRC == info.crc, next.header.firstSequence == info.nextSequence,
            info.nextSequence == dropped.nextSequence
        else {
            throw JournalError.facts(info, offset: -BatchBuilder.headerBytes, .missingBatches)
        }
    }
}

/// What is summed up apart.
private struct SumsKey: Hashable, Comparable {
    var hour: Int32
    var customer: StringID
    var feature: StringID
    var model: StringID
    var provider: StringID
    var eventName: StringID

    init(_ sums: SumsFact) {
        hour = sums.hour
        customer = sums.customer
        feature = sums.feature
        model = sums.model
        provider = sums.provider
        eventName = sums.eventName
    }

    static func < (a: SumsKey, b: SumsKey) -> Bool {
        (a.hour, a.customer, a.feature, a.model, a.provider, a.eventName)
            < (b.hour, b.customer, b.feature, b.model, b.provider, b.eventName)
    }
}

extension SumsFact {
    mutating func add(_ other: borrowing SumsFact) {
        events += other.events
        unpriced += other.unpriced
        usageUnits += other.usageUnits
        inputTokens += other.inputTokens
        outputTokens += other.outputTokens
        cost += other.cost
        revenue += other.revenue
    }
}

/// String numbers that were seen, one bit each: at most 2 MiB of them.
private struct StringSet {
    private var words: [UInt64] = []

    /// False when it was in already, or is no number at all.
    mutating func insert(_ id: StringID) -> Bool {
        guard id < StringID(Limits.internedStrings) else { return false }
        let word = Int(id >> 6)
        if word >= words.count { words.append(contentsOf: [UInt64](repeating: 0, count: word - words.count + 1)) }
        let bit: UInt64 = 1 << UInt64(id & 63)
        defer { words[word] |= bit }
        return words[word] & bit == 0
    }
}
