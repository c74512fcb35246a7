// Seeds: journals, facts and key files as the daemon's own code writes them, small. Written anew when a format changes:
// `purser-fuzz --seeds Tests/Fuzz/seeds`; the other seeds are texts and frames that somebody wrote.

import Core
import Glibc

@testable import Journal
@testable import Ledger

private func write(_ bytes: [UInt8], _ path: String) {
    guard let file = fopen(path, "w") else {
        print("\(path): \(String(cString: strerror(errno)))")
        exit(1)
    }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}

/// A journal that is written as the loop and the journal thread do it together.
private struct Scribe: ~Copyable {
    let disk = FuzzDisk()
    var plan: SegmentPlan
    var writer: JournalWriter<FuzzDisk>
    var batch = BatchBuilder(capacity: 4096)
    var place: SegmentPlan.Place
    var bodies: [[UInt8]] = []
    var time: Int64 = 1_790_000_000_000_000_000

    init() throws {
        let recovered = try Recovery.run(disk, segmentBytes: 8192, newID: testJournal) { _, _ in }
        plan = SegmentPlan(recovered, segmentBytes: 8192, batchBytes: 2048, minimum: 3 << 20)
        writer = JournalWriter(storage: disk, tail: recovered.tail, segmentBytes: 8192)
        place = plan.nextPlace(after: 0)
    }

    mutating func commit(_ fill: (inout BatchBuilder) -> Void) throws {
        if case .needsSegment(let number) = place {
            plan.preparing(number)
            try SegmentPreparer.prepare(disk, number, size: 8192)
            plan.prepared(number)
            place = plan.nextPlace(after: 0)
        }
        guard case .at(let segment, let offset, let limit) = place else { throw Finding("no place for a batch") }
        time += 1_000_000
        batch.open(
            segment: segment, offset: offset, limit: min(limit, 4096), firstSequence: writer.tail.nextSequence,
            at: Timestamp(nanoseconds: time))
        fill(&batch)
        let length = batch.writer.count
        bodies.append(Array(batch.writer.bytes[BatchBuilder.headerBytes...]))
        try writer.commit(&batch)
        place = plan.nextPlace(after: length)
    }
}

private func add(_ event: (inout EventRecord, inout EventBlock) -> Void, to batch: inout BatchBuilder) {
    func text(_ text: String, _ block: inout EventBlock) -> TextRef { Array(text.utf8).withUnsafeBytes { block.add(text: $0) } }
    for (id, name) in [(1, "chat"), (2, "acme"), (3, "gpt-4o"), (4, "2026-09-01|2.5/M")] as [(StringID, String)] {
        Array(name.utf8).withUnsafeBytes { batch.writer.append(stringFact: id, $0) }
    }
    var block = EventBlock(events: 1)
    var record = EventRecord()
    record.key = text("order-17", &block)
    record.eventName = block.add(name: text("chat", &block))
    record.customer = block.add(name: text("acme", &block))
    record.model = block.add(name: text("gpt-4o", &block))
    for id in 1...3 { block.nameIDs[id] = StringID(id) }
    block.add(usage: UsageLine(kind: .inputTokens, quantity: Quantity(whole: 1000) ?? .zero))
    record.usageCount = 1
    record.occurredAt = Timestamp(nanoseconds: 1_789_999_999_000_000_000)
    record.flags = EventRecord.hasOccurredAt
    record.cost = Money(picodollars: 2_500_000_000)
    record.match = .exact
    record.price = 4
    event(&record, &block)
    record.sequence = batch.firstSequence + UInt64(batch.eventCount)
    _ = batch.writer.append(event: record, of: block, recordedAt: batch.openedAt)
    batch.eventCount += 1
    batch.earliest = min(batch.earliest, record.occurredAt)
    batch.latest = max(batch.latest, record.occurredAt)
}

private func fillWithFacts(_ batch: inout BatchBuilder) {
    let now = batch.openedAt
    add({ _, _ in }, to: &batch)
    add(
        { record, block in record.key = Array("00112233-4455-6677-8899-aabbccddeeff".utf8).withUnsafeBytes { block.add(text: $0) } },
        to: &batch)
    add({ record, _ in (record.unpriced, record.price, record.match) = (.unknownModel, noString, .none) }, to: &batch)
    add(
        { record, block in
            record.extras = ([8, 2, 0x7B, 0x7D] as [UInt8]).withUnsafeBytes { block.add(text: $0) }
            record.tier = .batch
        }, to: &batch)
    var customer = CustomerFact(operation: .registered, reference: 2, at: now)
    customer.email = Array("a@b.example".utf8)
    batch.writer.append(customer)
    var key = KeyFact(operation: .created, id: 1, at: now)
    (key.digest, key.scopes, key.hint, key.name) = ([UInt8](repeating: 7, count: 32), 7, Array("sk_live_…abcd".utf8), Array("a".utf8))
    batch.writer.append(key)
    batch.writer.append(KeyFact(operation: .revoked, id: 1, at: now))
    [UInt8](repeating: 9, count: 64).withUnsafeBytes { digests in
        batch.writer.append(
            ResponseFact(scope: 5, digests: digests, at: now, status: 201, body: UnsafeRawBufferPointer(start: nil, count: 0)))
    }
    batch.writer.append(catalogueFact: "2026-09-01")
    var run = RunFact(operation: .begun, id: 1, at: now)
    (run.filter, run.prices) = (Array("{}".utf8), Array("1".utf8))
    batch.writer.append(run)
    var correction = Correction(
        kind: .reprice, run: 1, at: now, sequence: 1, event: JournalPosition(segment: 1, offset: 4300))
    (correction.eventName, correction.customer, correction.model) = (1, 2, 3)
    correction.occurredAt = now
    _ = batch.writer.append(correction)
    correction.kind = .void
    correction.run = 0
    _ = batch.writer.append(correction)
    batch.writer.append(RunFact(operation: .ended, id: 1, at: now))
    var price = OwnPriceFact(operation: .set, at: now, id: Array("x".utf8))
    price.text = Array("[[price]]\nid = \"x\"\nmodel = \"m\"\nrates = { input = \"3/M\" }\n".utf8)
    batch.writer.append(price)
    batch.writer.append(OwnPriceFact(operation: .removed, at: now, id: Array("x".utf8)))
    Array("version 1\n".utf8).withUnsafeBytes { batch.writer.append(CataloguePartFact(offset: 0, text: $0)) }
    let digest = Array("a".utf8).withUnsafeBytes { Digest(sha256: $0) }
    batch.writer.append(PriceBookFact(at: now, loadedBytes: 10, catalogue: digest, own: digest, version: Array("1".utf8)))
}

private func journalSeeds(_ folder: String) throws {
    var scribe = try Scribe()
    try scribe.commit { add({ _, _ in }, to: &$0) }
    try scribe.commit(fillWithFacts)
    try scribe.commit { _ in }
    for (index, body) in scribe.bodies.enumerated() where !body.isEmpty { write(body, "\(folder)/record/facts-\(index + 1)") }
    func segments(_ count: Int) -> [[UInt8]] {
        (1...count).map { scribe.disk.files[SegmentFormat.fileName(UInt32($0))]?.bytes ?? [] }
    }
    write(FileSet(choices: 0, files: [segments(1)[0], []]).input, "\(folder)/recovery/one-segment")
    while scribe.batch.segment < 2 || scribe.bodies.count < 8 { try scribe.commit { add({ _, _ in }, to: &$0) } }
    try scribe.commit { add({ _, _ in }, to: &$0) }
    let files = segments(2)
    write(FileSet(choices: 0, files: files).input, "\(folder)/recovery/two-segments")
    write(FileSet(choices: 0x10, files: files).input, "\(folder)/recovery/one-prepared")
    write(FileSet(choices: 0, files: [files[0], Array(files[1].dropLast(9))]).input, "\(folder)/recovery/torn")
    write(FileSet(choices: 0, files: [files[0], Array(files[1].prefix(40))]).input, "\(folder)/recovery/torn-header")
    write(FileSet(choices: 0x80, files: files).input, "\(folder)/recovery/condensed")
}

/// The batches of any journal, as runs in the seeds name them.
private struct SeedBatches: BatchSource {
    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        (0x1234_5678, JournalPosition(raw: .max))
    }
}

private func keySeeds(_ folder: String) throws {
    for (name, count, spread) in [("few", 5, false), ("two-blocks", 300, false), ("spread", 12, true)] {
        let disk = FuzzDisk()
        let store = try KeyStore(disk, journal: testJournal, batches: SeedBatches(), newSeed: FuzzEntry.seedOfKeys)
        var index = DedupIndex(store: store, hotKeys: count)
        var dice: UInt64 = 1
        for run in 0..<2 as Range<UInt64> {
            for n in 0..<UInt64(count) {
                dice = dice &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let fingerprint = spread ? dice & ~(0xFC << 56) : 0x11 << 56 | dice >> 8
                index.insert(
                    fingerprint, JournalPosition(raw: 1 << 32 | run << 20 | n), batch: JournalPosition(raw: 1 << 32 | run << 20))
            }
            index.insert(run, JournalPosition(raw: 1 << 32 | (run + 1) << 20), batch: JournalPosition(raw: 1 << 32 | (run + 1) << 20))
            while let work = index.nextWork(durableEnd: JournalPosition(raw: .max), now: 1, mayMerge: false) {
                _ = index.finished(store.perform(work), now: 1)
            }
        }
        let files = ["manifest", "00000001.run", "00000002.run"].map {
            disk.files[$0].map { $0.bytes + [UInt8](repeating: 0, count: $0.size - $0.bytes.count) } ?? []
        }
        write(FileSet(choices: 0, files: files).input, "\(folder)/keys/\(name)")
    }
}

private let seedTime = Timestamp(nanoseconds: 1_790_000_000_000_000_000)

/// Records of a checkpoint: next to nothing, and some of each kind.
private func checkpointSeeds(_ folder: String) throws {
    func records(_ isFull: Bool) throws -> [UInt8] {
        var output = ByteWriter(capacity: 4096)
        var window = DedupWindow(length: 1 << 50)
        window.passed(1, end: JournalPosition(segment: 1, offset: 4096))
        window.passed(1 << 48, end: JournalPosition(segment: 2, offset: 4096))
        for _ in 0..<2 { output.append(.window) { window.save(to: &$0, at: seedTime) } }
        if isFull {
            for (id, text) in [(1, "customer"), (2, "call"), (3, "model")] {
                output.append(.string) {
                    $0.append(id == 2 ? UInt8(1) : 0)
                    $0.append(varint: UInt64(id))
                    $0.append(string: text)
                }
            }
            output.append(.account) {
                $0.append(varint: 1)
                $0.append(UInt8(1))
                $0.append(varint: 5)
                $0.append(varint: 1)
                $0.append(wide: 123_456)
                $0.append(wide: -7)
            }
            var key = KeyFact(operation: .created, id: 1, at: seedTime)
            key.digest = [UInt8](repeating: 7, count: 32)
            key.hint = Array("sk_live_…0000".utf8)
            key.scopes = KeyScope.all
            output.append(key)
            output.append(KeyFact(operation: .revoked, id: 1, at: seedTime))
            var price = OwnPriceFact(operation: .set, at: seedTime, id: Array("x".utf8))
            price.text = Array("[[price]]\nid = \"x\"\nmodel = \"m\"\nrates = { input = \"3/M\" }\n".utf8)
            output.append(price)
            var run = RunFact(operation: .begun, id: 1, at: seedTime)
            run.filter = Array("{}".utf8)
            output.append(run)
            output.append(.run) {
                $0.append(littleEndian: JournalPosition(segment: 2, offset: 5000).raw)
                $0.append(littleEndian: JournalPosition(segment: 2, offset: 6000).raw)
                $0.append(littleEndian: seedTime.nanoseconds)
                $0.append(varint: 0)
                $0.append(varint: 2)
                $0.append(varint: 1)
                $0.append(wide: 10)
                $0.append(wide: 20)
            }
            output.append(.response) {
                $0.append(littleEndian: UInt64(99))
                $0.append(littleEndian: JournalPosition(segment: 2, offset: 7000).raw)
                $0.append(littleEndian: seedTime.nanoseconds)
            }
        }
        for isSealed in isFull ? [true, false] : [false] {
            let segment: UInt32 = isSealed ? 1 : 2
            output.append(.keys) {
                for n in 0..<3 as Range<UInt64> {
                    $0.append(littleEndian: n << 56 | 5)
                    $0.append(littleEndian: JournalPosition(segment: segment, offset: 4200).raw + n)
                }
            }
            output.append(.table) {
                $0.append(isSealed ? UInt8(1) : 0)
                $0.append(littleEndian: isSealed || !isFull ? 0 : JournalPosition(segment: 2, offset: 4096).raw)
                $0.append(littleEndian: JournalPosition(segment: segment + 1, offset: 4096).raw)
                $0.append(littleEndian: JournalPosition(segment: segment, offset: 4096).raw)
            }
        }
        output.append(.totals) {
            $0.append(UInt8(1))
            for count in [6, 5, 1] as [UInt64] { $0.append(littleEndian: count) }
            $0.append(wide: 123_456)
            $0.append(wide: -7)
        }
        return output.array
    }
    write(try records(false), "\(folder)/checkpoint/small")
    write(try records(true), "\(folder)/checkpoint/all")
}

func writeSeeds(to folder: String) throws {
    try journalSeeds(folder)
    try keySeeds(folder)
    try checkpointSeeds(folder)
}
