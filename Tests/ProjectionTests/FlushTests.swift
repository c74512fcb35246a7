// Flushes beside queries: whatever the thread that writes has come to, an answer counts every event once.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

private let epoch = Timestamp(nanoseconds: 0)

private func queries() -> [Query] {
    let hour = instant("2026-06-01T05:00:00Z")
    var filters = [EventFilter(), EventFilter(), EventFilter(), EventFilter()]
    filters[1].customer = Array("acme".utf8)
    filters[2].from = Timestamp(nanoseconds: hour)
    filters[3].model = Array("claude".utf8)
    filters[3].to = Timestamp(nanoseconds: hour + 1_800_000_000_000)
    var all: [Query] = []
    let groupings: [[Grouping]] = [
        [.customer, .model], [.day], [.month, .customer], [.hour, .feature], [.provider], [.eventName, .customer],
    ]
    for filter in filters {
        for groups in groupings {
            all.append(.margins(MarginsQuery(groupBy: groups, filter: filter, timezone: [])))
        }
    }
    all.append(.customers(search: nil, limit: 1000, offset: 0))
    all.append(.customers(search: nil, limit: 2, offset: 3))
    all.append(.customers(search: Array("e".utf8), limit: 3, offset: 1))
    all.append(.customer(reference: Array("acme".utf8)))
    return all
}

@Suite struct FlushTests {
    /// A projection that is flushed by its thread, now and then, against one that keeps everything in memory.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func answersAreTheSameWhileAFlushIsUnderWay(seed: UInt64) throws {
        var random = Seeded(seed)
        let journal = try TestJournal()
        journal.clock = instant("2026-06-01T00:10:00Z")
        let live = try Projection(path: journal.books, storage: journal.storage, journal: journal.id, flushThread: true)
        let still = try Projection(path: journal.directory + "/still.db", storage: journal.storage, journal: journal.id)
        let now = Timestamp(nanoseconds: Int64.max / 2)
        // So that hours are over while others are still being moved.
        live.writer?.rolledRows = Int(seed) * 3
        live.writer?.searchedRows = Int(seed) * 7
        live.writer?.lateRows = Int(seed) * 5
        // And some rows find no number for their bucket.
        if seed == 4 { live.writer?.mostBuckets = 9 }
        var begun = 0
        for round in 0..<40 {
            // Hours go by, so that some are summed up while others go on and late events come.
            journal.clock += Int64.random(in: 0...5_000_000_000_000, using: &random)
            try journal.commit((0..<20).map { randomEvent(&random, round * 20 + $0, around: [journal.clock]) })
            #expect(live.catchUp(through: journal.end) && still.catchUp(through: journal.end))
            if Int.random(in: 0..<3, using: &random) > 0, live.beginFlush() { begun += 1 }
            for query in queries().shuffled(using: &random).prefix(6) {
                let (got, wanted) = (live.answer(query, now: now), still.answer(query, now: now))
                try #require(got.status == wanted.status && got.data == wanted.data, "round \(round): \(query)")
                if Int.random(in: 0..<4, using: &random) == 0 { usleep(UInt32.random(in: 0...3000, using: &random)) }
            }
        }
        #expect(begun > 10 && live.flush() && !live.isDirty)
        #expect(live.stats().storedPosition == journal.end && live.stats().deltaCells == 0)
        if seed != 4 { #expect(try dump(live) == freshDump(journal)) }
        for query in queries() { #expect(live.answer(query, now: now).data == still.answer(query, now: now).data) }
    }

    /// The thread fails: everything goes on counting, once, and is written when it can be.
    @Test func aFlushThatFailsBesideQueriesIsTriedAgain() throws {
        let journal = try filledJournal(batches: 20, seed: 5)
        let live = try Projection(path: journal.books, storage: journal.storage, journal: journal.id, flushThread: true)
        live.retryInterval = 0
        #expect(live.catchUp(through: journal.end))
        let query = Query.margins(MarginsQuery(groupBy: [.customer, .day], filter: EventFilter(), timezone: []))
        let before = live.answer(query, now: epoch).data
        try #require(live.writer).database.execute("PRAGMA max_page_count = 20")
        for _ in 0..<5 {
            #expect(live.beginFlush())
            live.thread?.wait()
            live.collectFlush()
            #expect(live.stats().lastError?.contains("full") == true && live.stats().storedPosition == .start)
            #expect(live.answer(query, now: epoch).data == before)
        }
        try #require(live.writer).database.execute("PRAGMA max_page_count = 1000000")
        try journal.commit([TestEvent(key: "late", customer: "new", occurredAt: instant("2026-05-05T05:05:05Z"), cost: 7)])
        #expect(live.catchUp(through: journal.end))
        #expect(live.flush() && live.stats().lastError == nil && live.stats().storedPosition == journal.end)
        #expect(try dump(live) == freshDump(journal))
    }

    /// Sums beyond 64 bits, and the buckets of many events, in the table of what waits.
    @Test func whatWaitsHoldsSumsOfAnySize() {
        var table = DeltaTable()
        var expected: [String: Figures] = [:]
        var random = Seeded(9)
        for number in 0..<20_000 {
            var key = CellKey()
            key.customer = StringID(Int.random(in: 0..<50, using: &random))
            key.hour = Int32.random(in: -2...2, using: &random)
            key.feature = StringID(Int.random(in: 0..<40, using: &random))
            key.model = StringID(Int.random(in: 0..<3, using: &random))
            let large = number % 50 == 0 ? Int64.max : Int64.random(in: 0...1_000_000, using: &random)
            let sums = EventSums(
                unpriced: Int64(number & 1), usageUnits: large, inputTokens: large, outputTokens: 1, cost: large, revenue: large)
            if number % 7 == 0 {
                var figures = Figures()
                figures.add(sums)
                figures.cost = number % 14 == 0 ? -figures.cost : figures.cost
                expected[name(key), default: Figures()].add(figures)
                table.add(figures, key)
            } else {
                expected[name(key), default: Figures()].add(sums)
                let bucket = table.bucket(Bucket(key))
                table.add(sums, customer: key.customer, bucket: bucket, hash: DeltaTable.hash(key.customer, bucket))
            }
        }
        var got: [String: Figures] = [:]
        table.forEach { key, figures in got[name(key), default: Figures()].add(figures) }
        #expect(got == expected && table.count >= expected.count)
        var together: [String: Figures] = [:]
        table.forEach { key, figures in
            var all = key
            all.customer = noString
            together[name(all), default: Figures()].add(figures)
        }
        table.forEachTogether { key, figures in #expect(together.removeValue(forKey: name(key)) == figures) }
        #expect(together.isEmpty)
        // The last of these has no cell.
        for customer in 0...50 as ClosedRange<StringID> {
            var ofOne: [String: Figures] = [:]
            table.forEach(of: customer) { key, figures in ofOne[name(key), default: Figures()].add(figures) }
            #expect(ofOne == expected.filter { $0.key.split(separator: " ")[1] == "\(customer)" } && ofOne.isEmpty == (customer == 50))
        }
        // As a flush takes it: some buckets are recent, in any order of their numbers.
        let buckets = table.allBuckets
        let numbers = buckets.indices.map { $0 % 5 == 0 ? RecentBuckets.none : UInt32($0 * 7919 % 100_003) }
        var taken: [String: Figures] = [:]
        var last: Int64 = -1
        table.forEachRecent(numbers) { id, figures in
            #expect(id > last)
            last = id
            guard let bucket = numbers.firstIndex(of: UInt32(RecentKey.bucket(id))) else { return #expect(Bool(false)) }
            var key = CellKey(buckets[bucket])
            key.customer = RecentKey.customer(id)
            taken[name(key), default: Figures()].add(figures)
        }
        #expect(!taken.isEmpty)
        let recent = taken.count
        table.forEachLate(numbers) { key, figures in taken[name(key), default: Figures()].add(figures) }
        #expect(taken.count > recent)
        table.forEachWide { key, figures in taken[name(key), default: Figures()].add(figures) }
        #expect(taken == expected)
    }

    /// Sums of a recent row are added to without carrying, those of the others with it: every view says the exact sum, before the hour
    /// is over and after, also when what came is taken out again.
    @Test(arguments: [1, 2, 3] as [UInt64]) func sumsCarryHoweverOftenARowIsAddedTo(seed: UInt64) throws {
        var random = Seeded(seed)
        let journal = try TestJournal()
        journal.clock = instant("2026-06-01T05:10:00Z")
        let live = try openProjection(journal)
        var cost: Int128 = 0
        var units: Int128 = 0
        var count = 0
        func check(_ round: Int) throws {
            #expect(live.catchUp(through: journal.end) && live.flush())
            let database = try #require(live.books).database
            for view in ["hourly", "daily", "monthly", "totals"] {
                let rows = try Statement(database, "SELECT events, cost, usage_units FROM \(view)")
                #expect(try rows.step())
                let got = (0..<3).map { String(decoding: rows.bytes($0), as: UTF8.self) }
                #expect(got == ["\(count)", decimal(cost, 12), decimal(units, 6)], "round \(round): \(view)")
                #expect(try !rows.step())
            }
        }
        var given: [TestEvent] = []
        for round in 0..<60 {
            var event = TestEvent(key: "k\(round)", customer: "acme", feature: "chat", occurredAt: instant("2026-06-01T05:00:00Z"))
            event.cost = round % 9 == 8 ? .max : Int64.random(in: 999_999_999_000...1_000_000_000_001, using: &random)
            event.usageUnits = round % 7 == 6 ? .max : Int64.random(in: 999_999_999_990...1_000_000_000_009, using: &random)
            given.append(event)
            try journal.commit([event])
            cost += Int128(event.cost ?? 0)
            units += Int128(event.usageUnits ?? 0)
            count += 1
            if round % 4 == 3 {
                let gone = given.remove(at: Int.random(in: 0..<given.count, using: &random))
                #expect(live.catchUp(through: journal.end))
                let void = try live.corrections { _ in .void(key: Array(gone.key.utf8), position: nil, reason: [0x78]) }
                _ = try journal.commit(void, run: 0)
                cost -= Int128(gone.cost ?? 0)
                units -= Int128(gone.usageUnits ?? 0)
                count -= 1
            }
            // Two and a half hours in all: the last events come when the hour is summed up.
            journal.clock += 150_000_000_000
            try check(round)
        }
        let database = try #require(live.books).database
        #expect(try database.integer("SELECT count(*) FROM recent") == 0 && database.integer("SELECT count(*) FROM buckets") == 0)
        #expect(try dump(live) == freshDump(journal))
    }

    private func decimal(_ value: Int128, _ places: Int) -> String {
        let digits = String(value)
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        return padded.dropLast(places) + "." + padded.suffix(places)
    }

    @Test func aChunkEndsWithItsMebibyteOrTheEventsThatItsFilterIsGoodFor() {
        for (bytes, events, batches) in [(200_000, 100, 6), (60_000, 2_500, 4), (3_000_000, 1, 1)] as [(UInt32, UInt64, Int)] {
            var log = ChunkLog()
            for batch in 1...batches {
                #expect(log.closed.isEmpty)
                let start = JournalPosition(segment: 0, offset: 4096 + UInt32(batch - 1) * bytes)
                log.begin(at: start, firstSequence: UInt64(batch - 1) * events + 1)
                log.end(
                    at: JournalPosition(segment: 0, offset: start.offset + bytes), events: events, earliest: Int64(batch),
                    latest: Int64(batch))
            }
            #expect(log.closed.count == 1 && !log.isOpen)
            #expect(log.closed[0].events == events * UInt64(batches) && log.closed[0].latest == Int64(batches))
        }
    }

    private func name(_ key: CellKey) -> String { "\(key.hour) \(key.customer) \(key.feature) \(key.model)" }
}
