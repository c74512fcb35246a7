import Core
import Journal
import Testing

@testable import Server

@Suite struct RecentJournalTests {
    /// Against the journal as it is, segment by segment, with batches of all sizes up to more than the ring holds, and often room
    /// behind them.
    @Test func whatItHandsOutIsTheJournalAndAlwaysTheNewestOfIt() {
        for capacity in [1, 64, 1000, 4096] {
            var dice = Dice(UInt64(capacity))
            let recent = RecentJournal(capacity: capacity)
            // Of each byte how many were added before it; nil is what was not added.
            var segments: [[(byte: UInt8, before: Int)?]] = [[]]
            var added = 0
            for _ in 0..<400 {
                if dice.oneIn(20) { segments.append([]) }
                let segment = segments.count - 1
                let count = dice.below((dice.oneIn(4) ? capacity * 3 / 2 : capacity / 20) + 1)
                let batch = (0..<count).map { _ in UInt8(dice.below(256)) }
                batch.withUnsafeBytes { recent.add($0, segment: UInt32(segment), offset: segments[segment].count) }
                for byte in batch {
                    segments[segment].append((byte, added))
                    added += 1
                }
                if dice.oneIn(2) { for _ in 0..<dice.below(40) { segments[segment].append(nil) } }
                for _ in 0..<20 {
                    let segment = dice.below(segments.count)
                    let offset = dice.below(segments[segment].count + 1)
                    let wanted = 1 + dice.below(600)
                    let there = segments[segment][offset...].prefix(wanted).prefix { $0 != nil }.compactMap { $0 }
                    let expected = there.first.map { added - $0.before <= capacity } == true ? there.map(\.byte) : []
                    #expect(read(recent, segment, offset, wanted) == expected)
                }
            }
            #expect(added > 4 * capacity)
        }
    }

    @Test func afterItsMemoryWasGivenBackItKnowsNothing() {
        let recent = RecentJournal(capacity: 256)
        [UInt8](repeating: 7, count: 100).withUnsafeBytes { recent.add($0, segment: 1, offset: 4096) }
        var given: [Int] = []
        recent.clear { memory, count in
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
            given.append(count)
        }
        #expect(given == [256] && read(recent, 1, 4096, 10) == [])
        [UInt8](repeating: 9, count: 100).withUnsafeBytes { recent.add($0, segment: 1, offset: 4196) }
        #expect(read(recent, 1, 4195, 10) == [] && read(recent, 1, 4290, 10) == [UInt8](repeating: 9, count: 6))
    }

    @Test func withoutRoomItKeepsNothing() {
        let recent = RecentJournal(capacity: 0)
        [UInt8](repeating: 7, count: 100).withUnsafeBytes { recent.add($0, segment: 0, offset: 0) }
        #expect(read(recent, 0, 0, 10) == [])
    }

    /// However small they are: what has to be gone through for each commit does not grow with their number.
    @Test func batchesThatFollowEachOtherAreOneStretch() throws {
        let host = try Host()
        let client = host.connect()
        _ = try host.exchange(client, Frame.hello())
        let start = host.server.pipeline.durableEnd
        for i in 1...20 { _ = try host.exchange(client, Frame.events([String(repeating: "k", count: i)], requestID: UInt64(i))) }
        let end = host.server.pipeline.durableEnd
        #expect(host.server.metrics.commits >= 20 && start.segment == end.segment)
        let kept = [UInt8](unsafeUninitializedCapacity: 1 << 16) { memory, count in
            count = host.server.pipeline.readRecent(start, into: UnsafeMutableRawBufferPointer(memory))
        }
        let file = try #require(host.disk.files[SegmentFormat.fileName(start.segment)])
        let isWhole = kept == Array(file[Int(start.offset)..<Int(end.offset)])
        #expect(isWhole)
    }

    /// Whatever is in memory of it: what is read is the file, and what is in memory is not read from the file.
    @Test func whatIsReadThroughItIsTheFile() throws {
        var dice = Dice(7)
        let file = SegmentFormat.fileName(3)
        let bytes = (0..<20_000).map { _ in UInt8(dice.below(256)) }
        let disk = MemoryDisk([file: bytes, "other": Array(bytes.reversed())])
        let recent = TestRecent(capacity: 6_000)
        let storage = RecentStorage(disk, recent)
        for end in stride(from: 4_096, to: 20_000, by: 700) {
            bytes[(end - 700)..<end].withUnsafeBytes { recent.add($0, segment: 3, offset: end - 700) }
            for _ in 0..<50 {
                let name = dice.oneIn(5) ? "other" : file
                let offset = dice.below(20_000)
                let wanted = 1 + dice.below(5_000)
                let got = try [UInt8](unsafeUninitializedCapacity: wanted) { memory, count in
                    let buffer = UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: wanted)
                    count = try storage.read(name, at: offset, into: buffer)
                }
                let expected = disk.files[name]![offset...].prefix(wanted)
                #expect(got == Array(expected))
            }
        }
        try disk.remove(file)
        var last = [UInt8](repeating: 0, count: 100)
        let count = try last.withUnsafeMutableBytes { try storage.read(file, at: 19_000, into: $0) }
        #expect(count == 100 && last == Array(bytes[19_000..<19_100]))
    }

    private func read(_ recent: RecentJournal, _ segment: Int, _ offset: Int, _ wanted: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: wanted) { memory, count in
            count = recent.read(
                JournalPosition(segment: UInt32(segment), offset: UInt32(offset)), into: UnsafeMutableRawBufferPointer(memory))
        }
    }
}

/// The tests have one thread each.
private final class TestRecent: JournalKeeper, @unchecked Sendable {
    private let recent: RecentJournal

    init(capacity: Int) { recent = RecentJournal(capacity: capacity) }

    func add(_ bytes: UnsafeRawBufferPointer, segment: UInt32, offset: Int) { recent.add(bytes, segment: segment, offset: offset) }
    func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int { recent.read(position, into: output) }
    func clear(_ body: (UnsafeMutableRawPointer, Int) -> Void) { recent.clear(body) }
}
