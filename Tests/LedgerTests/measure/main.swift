// What remembering keys costs: see `.ci/measure-keys`.

import Core
import FileStorage
import Glibc
import Journal
import Pricing

@testable import Ledger

/// Files that are counted as they are written.
final class CountedStorage: Storage, @unchecked Sendable {
    private let base: FileStorage
    private(set) var written = 0

    init(_ directory: String) { base = FileStorage(directory: directory) }

    func list() throws(StorageError) -> [String] { try base.list() }
    func size(_ file: String) throws(StorageError) -> Int { try base.size(file) }
    func createZeroed(_ file: String, size: Int) throws(StorageError) { try base.createZeroed(file, size: size) }
    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try base.read(file, at: offset, into: buffer)
    }
    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        written += bytes.count
        try base.write(file, at: offset, bytes)
    }
    func sync(_ file: String) throws(StorageError) { try base.sync(file) }
    func truncate(_ file: String, to size: Int) throws(StorageError) { try base.truncate(file, to: size) }
    func rename(_ from: String, to: String) throws(StorageError) { try base.rename(from, to: to) }
    func remove(_ file: String) throws(StorageError) { try base.remove(file) }
    func syncDirectory() throws(StorageError) { try base.syncDirectory() }
}

/// A journal that has every batch.
struct AnyBatch: BatchSource {
    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        (1, JournalPosition(raw: .max))
    }
}

/// Resident memory of this process, in bytes.
func resident() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let pages = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
    return (pages.count > 1 ? Int(pages[1]) ?? 0 : 0) * 4096
}

/// Processor time of this thread, the kernel's part included: what else the machine does is left out.
func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// The fingerprint of key `i`, and where its event is: a hundred bytes each, in segments of 64 MiB.
func fingerprint(_ i: Int) -> UInt64 { FuseFilter.mix(UInt64(bitPattern: Int64(i)) &* 0x9E37_79B9_7F4A_7C15 &+ 1) }
func position(_ i: Int) -> JournalPosition {
    let byte = i * 100
    return JournalPosition(segment: UInt32(1 + byte / (1 << 26)), offset: UInt32(4096 + byte % (1 << 26)))
}

func say(_ text: String) {
    print("  " + text)
    fflush(nil)
}

/// With so many digits behind the point.
func digits(_ value: Double, _ places: Int = 2) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let whole = Int((value * scale).rounded())
    guard places > 0 else { return "\(whole)" }
    let fraction = String(whole % Int(scale))
    return "\(whole / Int(scale))." + String(repeating: "0", count: places - fraction.count) + fraction
}

func fail(_ text: String) -> Never {
    print("measure-keys: " + text)
    exit(1)
}

func emptyDirectory(_ name: String) -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let directory = "\(base)/purser-\(name)-\(getpid())"
    removeDirectory(directory)
    guard mkdir(directory, 0o700) == 0 else { fail("cannot make \(directory)") }
    return directory
}

func removeDirectory(_ directory: String) {
    let storage = FileStorage(directory: directory)
    for file in (try? storage.list()) ?? [] { unlink(directory + "/" + file) }
    rmdir(directory)
}

/// Inserts keys, and does the work on the files as it comes up.
func fill(_ index: inout DedupIndex, _ store: KeyStore, _ storage: CountedStorage, _ count: Int, _ before: Int) throws {
    var (working, longestPiece, longestTurn, pieces, peak) = (0.0, 0.0, 0.0, 0, 0)
    let start = seconds()
    for first in stride(from: 0, to: count, by: 1_000) {
        for i in first..<min(first + 1_000, count) { index.insert(fingerprint(i), position(i), batch: position(i)) }
        while true {
            var turn = seconds()
            let work = index.nextWork(durableEnd: JournalPosition(raw: .max), now: 1)
            longestTurn = max(longestTurn, seconds() - turn)
            guard let work else { break }
            let began = seconds()
            let result = store.perform(work)
            let took = seconds() - began
            working += took
            longestPiece = max(longestPiece, took)
            pieces += 1
            turn = seconds()
            if let trouble = index.finished(result, now: 1) { fail("\(trouble.failure)") }
            longestTurn = max(longestTurn, seconds() - turn)
            peak = max(peak, index.byteCount)
            // A daemon takes new keys between two pieces of work; here they come as fast as tables are written.
            if index.memoryKeys < index.hotKeys, first + 1_000 < count { break }
        }
    }
    let all = seconds() - start
    let (keys, onDisk) = (Double(count), Double(count - index.memoryKeys))
    guard index.count == count else { fail("\(index.count) keys instead of \(count)") }
    let sizes = (0..<index.runCount).map { index.runs[$0].header.entries }
    let filters = (0..<index.runCount).reduce(0) { $0 + index.runs[$1].memory }
    say(
        "memory: \(digits(Double(filters) / onDisk, 3)) bytes a key on disk; "
            + "all of the index \(digits(Double(index.byteCount) / keys, 3)), "
            + "\(digits(Double(peak) / keys, 3)) at the peak; resident \(digits(Double(max(0, resident() - before)) / keys))")
    say(
        "disk: \(digits(Double(index.diskBytes) / keys, 1)) bytes a key; runs of \(sizes), "
            + "filters of \(sizes.map { RunWriter.bits(for: $0) }) bits"
    )
    say(
        "insert: \(digits((all - working) * 1e9 / keys, 0)) ns a key on the loop, \(digits(working * 1e9 / keys, 0)) ns writing and merging"
    )
    say("longest on the loop: \(digits(longestTurn * 1e6, 0)) us; longest of \(pieces) pieces elsewhere: \(digits(longestPiece, 3)) s")
    say("written: \(digits(Double(storage.written) / keys, 1)) bytes a key; \(index.counters.merges) merges")
}

func look(_ index: inout DedupIndex, _ count: Int) throws {
    let asked = 2_000_000
    var block = [UInt64](repeating: 0, count: 32)
    let reads = index.counters.reads
    var found = 0
    var start = seconds()
    for first in stride(from: 0, to: asked, by: 32) {
        for k in 0..<32 { block[k] = fingerprint(-1 - first - k) }
        block.withUnsafeBufferPointer { index.probe($0.baseAddress!, count: 32) }
        for k in 0..<32 {
            var cursor = index.cursor(k)
            if try index.candidate(block[k], cursor: &cursor) != nil { found += 1 }
        }
    }
    let new = seconds() - start
    let needless = Double(index.counters.reads - reads) / Double(asked)
    let retries = 200_000
    var (dice, wrong) = (UInt64(4), 0)
    start = seconds()
    for _ in 0..<retries {
        dice = FuseFilter.mix(dice &+ 0x9E37_79B9_7F4A_7C15)
        let i = Int(dice % UInt64(count))
        var cursor = DedupCursor()
        if try index.candidate(fingerprint(i), cursor: &cursor) != position(i) { wrong += 1 }
    }
    let old = seconds() - start
    guard wrong == 0, found == 0 else { fail("\(wrong) keys were not found, \(found) were that are not there") }
    say(
        "look-up: \(digits(new * 1e9 / Double(asked), 0)) ns for a new key, \(digits(needless * 100, 3)) % of them read a block; "
            + "\(digits(old * 1e9 / Double(retries), 0)) ns for a known one, from the page cache")
}

func index(_ count: Int) throws {
    let directory = emptyDirectory("keys")
    defer { removeDirectory(directory) }
    let id = JournalID(high: 1, low: 2)
    let before = resident()
    do {
        let storage = CountedStorage(directory)
        let store = try KeyStore(storage, journal: id, batches: AnyBatch(), newSeed: 5)
        var index = DedupIndex(store: store)
        try fill(&index, store, storage, count, before)
        try look(&index, count)
    }
    let start = seconds()
    let store = try KeyStore(FileStorage(directory: directory), journal: id, batches: AnyBatch(), newSeed: 6)
    let opened = DedupIndex(store: store)
    guard store.complaints.isEmpty, opened.count >= count - opened.hotKeys * 2 else { fail("\(store.complaints)") }
    say("start with the files: \(digits(seconds() - start)) s, every checksum looked at")
}

/// A journal of so many events, in segments of 64 MiB.
func write(_ count: Int, to storage: FileStorage) throws -> UInt64 {
    var writer = JournalWriter(
        storage: storage, tail: JournalTail(new: JournalID(high: 3, low: 4), segmentBytes: 1 << 26), segmentBytes: 1 << 26)
    var batch = BatchBuilder(capacity: 1 << 20)
    var block = EventBlock()
    var (prepared, sequence, bytes) = (UInt32(0), UInt64(0), UInt64(0))
    while sequence < UInt64(count) {
        var place = writer.durableEnd
        if Int(place.offset) + (1 << 20) > 1 << 26 { place = JournalPosition(segment: place.segment + 1, offset: 4096) }
        if place.segment > prepared {
            try SegmentPreparer.prepare(storage, place.segment, size: 1 << 26)
            prepared = place.segment
        }
        let time = Timestamp(nanoseconds: 1_790_000_000_000_000_000 + Int64(sequence) * 1_000)
        batch.open(segment: place.segment, offset: place.offset, limit: 1 << 20, firstSequence: sequence + 1, at: time)
        for (id, text) in [(StringID(1), "chat.completion"), (2, "acme"), (3, "gpt-4o")] {
            Array(text.utf8).withUnsafeBytes { batch.writer.append(stringFact: id, $0) }
        }
        block.reset()
        var event = EventRecord()
        for id in 1...3 { block.nameIDs[Int(block.add(name: TextRef.empty))] = StringID(id) }
        (event.eventName, event.customer, event.model) = (1, 2, 3)
        event.flags = EventRecord.hasOccurredAt | EventRecord.hasCost
        event.cost = Money(picodollars: 2_500_000_000)
        event.occurredAt = time
        var key = ByteWriter(capacity: 32)
        while batch.writer.count < 1_000_000, sequence < UInt64(count) {
            sequence += 1
            key.reset()
            key.append("key-")
            key.append(unsigned: fingerprint(Int(sequence)))
            event.key = block.add(text: key.bytes)
            event.sequence = sequence
            _ = batch.writer.append(event: event, of: block, recordedAt: time)
            batch.eventCount += 1
        }
        (batch.earliest, batch.latest) = (time, time)
        bytes += UInt64(batch.writer.count)
        try writer.commit(&batch)
    }
    return bytes
}

func rebuild(_ count: Int) throws {
    let (journal, keys) = (emptyDirectory("journal"), emptyDirectory("keys"))
    defer {
        removeDirectory(journal)
        removeDirectory(keys)
    }
    let storage = FileStorage(directory: journal)
    let bytes = try write(count, to: storage)
    let book = try PriceBook(catalogue: [], own: [])
    let start = seconds()
    let store = try KeyStore(
        FileStorage(directory: keys), journal: JournalID(high: 3, low: 4), batches: JournalBatches(storage), newSeed: 7)
    var ledger = Ledger(book: book, seed: store.seed, random: 8, keys: store)
    _ = try Recovery.run(storage, segmentBytes: 1 << 26) { info, body in
        if ledger.replay(body, segment: info.position.segment, batchOffset: info.position.offset, inWindow: true) != nil {
            fail("a bad fact")
        }
        while let work = ledger.dedup.nextWork(durableEnd: info.end, now: 0, mayMerge: false) {
            if let trouble = ledger.dedup.finished(store.perform(work), now: 0) { fail("\(trouble.failure)") }
        }
    }
    let took = seconds() - start
    guard ledger.dedup.count == count else { fail("\(ledger.dedup.count) keys instead of \(count)") }
    say(
        "made again from \(bytes >> 20) MiB of journal: \(digits(took)) s, "
            + "\(digits(took * 1e9 / Double(count), 0)) ns an event, the books included"
    )
}

let wanted = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let most = getenv("REBUILD").flatMap { Int(String(cString: $0)) } ?? 10_000_000
for count in wanted.isEmpty ? [1_000_000, 10_000_000] : wanted {
    print("\(count) keys")
    try index(count)
    if count <= most { try rebuild(count) }
}
