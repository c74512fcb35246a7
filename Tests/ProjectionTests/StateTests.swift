// The file's life: stored positions, restarts, and every reason to throw it away and start over.

import Core
import FileStorage
import Foundation
import Journal
import Testing

@testable import Projection

/// A journal with some batches of random events.
func filledJournal(batches: Int, seed: UInt64, id: JournalID = .random()) throws -> TestJournal {
    var random = Seeded(seed)
    let journal = try TestJournal(id: id)
    for batch in 0..<batches {
        try journal.commit((0..<20).map { randomEvent(&random, batch * 20 + $0, around: interestingTimes) })
    }
    return journal
}

/// Prices what is unpriced, and voids one of those and another one.
func correct(_ journal: TestJournal) throws {
    let projection = try Projection(path: journal.directory + "/first.db", storage: journal.storage, journal: journal.id)
    #expect(projection.catchUp(through: journal.end))
    let query = RepriceQuery(prices: TestPrices.third.texts, filter: EventFilter())
    let block = try projection.corrections { .repriceBlock(query, from: $0) }
    let first = try #require(block.corrections.first)
    _ = try journal.commit(block, run: 1)
    for event in [journal.events[Int(first.sequence) - 1], journal.events[1]] {
        #expect(projection.catchUp(through: journal.end))
        let void = try projection.corrections { _ in .void(key: Array(event.key.utf8), position: nil, reason: [0x78]) }
        _ = try journal.commit(void, run: 0)
    }
}

/// Every row of every table that queries read, as text.
func dump(_ projection: Projection) throws -> [String] {
    let database = try #require(projection.books).database
    var lines: [String] = []
    // Buckets have numbers in the order they were met, and sums are carried over or not by when they were written.
    let unit = SplitSum.unit
    let sums = Schema.sumColumns.map { "\($0)_hi + \($0)_lo / \(unit), \($0)_lo % \(unit)" }.joined(separator: ", ")
    let recent = """
        (SELECT r.id >> 31, b.start, b.feature, b.model, b.provider, b.event_name, r.events, r.unpriced_events, \(sums)
        FROM recent r JOIN buckets b ON b.id = r.id & 2147483647)
        """
    for (table, order) in [
        ("rollups", "1, 2, 3, 4, 5, 6, 7"), (recent, "1, 2, 3, 4, 5, 6"), ("names", "1"), ("customers", "1"), ("corrections", "1"),
    ] {
        let rows = try Statement(database, "SELECT * FROM \(table) ORDER BY \(order)")
        while try rows.step() {
            lines.append(table + (0..<19).map { String(decoding: rows.bytes($0), as: UTF8.self) }.joined(separator: "|"))
        }
    }
    return lines
}

/// What a projection makes of the journal when it starts from nothing.
func freshDump(_ journal: TestJournal) throws -> [String] {
    let path = journal.directory + "/fresh.db"
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    let fresh = try Projection(path: path, storage: journal.storage, journal: journal.id)
    #expect(fresh.catchUp(through: journal.end) && fresh.flush())
    return try dump(fresh)
}

@Suite struct StateTests {
    @Test func restartGoesOnFromTheStoredPosition() throws {
        let journal = try filledJournal(batches: 10, seed: 1)
        do {
            let projection = try openProjection(journal)
            #expect(projection.catchUp(through: journal.end) && projection.flush())
        }
        let middle = journal.end
        try journal.commit([TestEvent(key: "late", customer: "new customer", occurredAt: instant("2026-05-05T05:05:05Z"), cost: 7)])
        let projection = try openProjection(journal)
        #expect(projection.position == middle && projection.stats().rebuilds == 0)
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        #expect(try dump(projection) == freshDump(journal))
    }

    @Test func whatWasNotFlushedIsReadAgain() throws {
        let journal = try filledJournal(batches: 10, seed: 2)
        do {
            let projection = try openProjection(journal)
            #expect(projection.catchUp(through: journal.end, bytes: 1) == false && projection.flush())
            #expect(projection.catchUp(through: journal.end))
            #expect(projection.isDirty)
        }
        let projection = try openProjection(journal)
        #expect(projection.position < journal.end)
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        #expect(try dump(projection) == freshDump(journal))
    }

    @Test func aSmallBudgetStopsEarlyAndGoesOn() throws {
        let journal = try filledJournal(batches: 20, seed: 3)
        let projection = try openProjection(journal)
        var calls = 1
        while !projection.catchUp(through: journal.end, bytes: 1) { calls += 1 }
        #expect(calls == 20)
        #expect(projection.position == journal.end)
    }

    @Test(arguments: ["deleted", "empty", "text", "truncated", "pages", "version", "foreign", "renamed"])
    func aFileThatCannotBeTrustedIsMadeAnew(_ fault: String) throws {
        let journal = try filledJournal(batches: 30, seed: 4)
        do {
            let projection = try openProjection(journal)
            #expect(projection.catchUp(through: journal.end) && projection.flush())
            if fault == "version" { try #require(projection.writer).database.execute("PRAGMA user_version = 1") }
            if fault == "foreign" { try #require(projection.writer).database.execute("UPDATE meta SET value = 'x' WHERE key = 'journal'") }
            if fault == "renamed" { try #require(projection.writer).database.execute("ALTER TABLE chunks RENAME TO other") }
        }
        let path = journal.books
        switch fault {
        case "deleted": try FileManager.default.removeItem(atPath: path)
        case "empty": #expect(FileManager.default.createFile(atPath: path, contents: Data()))
        case "text": #expect(FileManager.default.createFile(atPath: path, contents: Data(repeating: 0x61, count: 20_000)))
        case "truncated":
            let file = try #require(FileHandle(forWritingAtPath: path))
            try file.truncate(atOffset: file.seekToEnd() / 2 / 4096 * 4096)
            try file.close()
        case "pages":
            let file = try #require(FileHandle(forWritingAtPath: path))
            let size = try file.seekToEnd()
            for page in stride(from: 4096, to: size, by: 8192) {
                try file.seek(toOffset: page)
                file.write(Data(repeating: 0xA5, count: 512))
            }
            try file.close()
        default: break
        }
        let projection = try openProjection(journal)
        #expect(projection.position == .start)
        #expect(projection.stats().rebuilds == (fault == "deleted" ? 0 : 1), "\(projection.stats().rebuildReason ?? "")")
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        #expect(try dump(projection) == freshDump(journal))
    }

    @Test func aFileThatIsAheadOfTheJournalIsMadeAnew() throws {
        let id = JournalID(high: 1, low: 2)
        let long = try filledJournal(batches: 20, seed: 5, id: id)
        do {
            let projection = try openProjection(long)
            #expect(projection.catchUp(through: long.end) && projection.flush())
        }
        let short = try filledJournal(batches: 5, seed: 5, id: id)
        try FileManager.default.copyItem(atPath: long.books, toPath: short.books)
        let projection = try openProjection(short)
        #expect(projection.position > short.end)
        while !projection.catchUp(through: short.end) { #expect(projection.stats().lastError == nil) }
        #expect(projection.stats().rebuildReason == "it was ahead of the journal")
        #expect(projection.flush())
        #expect(try dump(projection) == freshDump(short))
    }

    /// The same id and a position inside, but not the batches the file was made from: a journal restored from a copy.
    @Test(arguments: [5, 6]) func aFileOfAnotherHistoryIsMadeAnew(seed: UInt64) throws {
        let id = JournalID(high: 1, low: 2)
        let first = try filledJournal(batches: 8, seed: 5, id: id)
        do {
            let projection = try openProjection(first)
            #expect(projection.catchUp(through: first.end) && projection.flush())
        }
        let other = try TestJournal(id: id)
        if seed == 5 { other.clock += 1 }
        var random = Seeded(seed)
        for batch in 0..<20 { try other.commit((0..<20).map { randomEvent(&random, batch * 20 + $0, around: interestingTimes) }) }
        try FileManager.default.copyItem(atPath: first.books, toPath: other.books)
        let projection = try openProjection(other)
        var calls = 0
        while !projection.catchUp(through: other.end), calls < 5 { calls += 1 }
        #expect(projection.position == other.end)
        #expect(projection.stats().rebuilds == 1)
        #expect(projection.flush())
        #expect(try dump(projection) == freshDump(other))
    }

    @Test func damageFoundWhileAnsweringMakesTheFileAnew() throws {
        let journal = try filledJournal(batches: 10, seed: 7)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        let database = try #require(projection.books).database
        database.faults.code = 11
        database.faults.countdown = 0
        let query = Query.margins(MarginsQuery(groupBy: [.customer], filter: EventFilter(), timezone: []))
        #expect(projection.answer(query, now: Timestamp(nanoseconds: 0)).status == 500)
        #expect(projection.stats().rebuilds == 1 && projection.stats().failedQueries == 1)
        #expect(projection.stats().lastQueryError != nil && !projection.isBlocked)
        #expect(projection.catchUp(through: journal.end))
        #expect(projection.answer(query, now: Timestamp(nanoseconds: 0)).status == 200)
    }

    @Test func aDamagedJournalStopsTheProjectionAndSaysSo() throws {
        let journal = try filledJournal(batches: 10, seed: 8)
        let projection = try openProjection(journal)
        projection.retryInterval = 0
        #expect(projection.catchUp(through: journal.end, bytes: 1) == false && projection.flush())
        let file = try #require(FileHandle(forWritingAtPath: journal.directory + "/00000001.segment"))
        try file.seek(toOffset: UInt64(projection.position.offset) + 100)
        file.write(Data([0xFF, 0xFE, 0xFD]))
        try file.close()
        #expect(projection.catchUp(through: journal.end) == false)
        #expect(projection.stats().lastError?.contains("damaged") == true && projection.isBlocked)
        #expect(projection.stats().rebuilds == 0)
        let query = Query.margins(MarginsQuery(groupBy: [.customer], filter: EventFilter(), timezone: []))
        #expect(projection.answer(query, now: Timestamp(nanoseconds: 0)).status == 500)
    }

    /// Fails the Nth use of SQLite, for the first 24 and then every so many until none fails: nothing is lost, counted twice, or in
    /// the way afterwards. `PURSER_SQLITE_STEP=1` tries every N.
    @Test(arguments: [10, 13, 5, 11] as [Int32]) func anySingleFailureOfSQLiteIsSurvived(code: Int32) throws {
        let journal = try filledJournal(batches: 3, seed: 9)
        try correct(journal)
        let expected = try freshDump(journal)
        let query = Query.margins(MarginsQuery(groupBy: [.customer, .day], filter: EventFilter(), timezone: []))
        var healthy: [UInt8] = []
        do {
            let fresh = try Projection(path: journal.directory + "/fresh.db", storage: journal.storage, journal: journal.id)
            #expect(fresh.catchUp(through: journal.end))
            healthy = fresh.answer(query, now: Timestamp(nanoseconds: 0)).data
        }
        let step = ProcessInfo.processInfo.environment["PURSER_SQLITE_STEP"].flatMap { Int($0) } ?? 23
        var failed = true
        var (countdown, runs) = (0, 0)
        while failed {
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: journal.books + suffix) }
            let projection = try openProjection(journal)
            projection.retryInterval = 0
            let database = try #require(projection.books).database
            database.faults.code = code
            database.faults.countdown = countdown
            _ = projection.catchUp(through: journal.end, bytes: 4096)
            _ = projection.flush()
            _ = projection.catchUp(through: journal.end)
            _ = projection.answer(query, now: Timestamp(nanoseconds: 0))
            _ = projection.flush()
            failed = database.faults.countdown < 0
            database.faults.countdown = -1
            var calls = 0
            while !projection.catchUp(through: journal.end), calls < 5 { calls += 1 }
            let answer = projection.answer(query, now: Timestamp(nanoseconds: 0))
            try #require(answer.status == 200 && answer.data == healthy, "code \(code), call \(countdown): \(answer.message)")
            try #require(projection.flush() || !projection.isDirty)
            try #require(try dump(projection) == expected, "code \(code), call \(countdown)")
            try #require(projection.stats().lastError == nil)
            // Each errno has other places.
            countdown += countdown < 24 ? 1 : countdown == 24 ? 1 + Int(code) % step : step
            runs += 1
        }
        print("SQLite \(code): \(runs) runs, up to call \(countdown)")
        #expect(countdown > 100)
    }

    /// A full disk: the delta stays, answers stay right, and the flush succeeds when there is room again.
    @Test func aFullDiskKeepsAnswersRight() throws {
        let journal = try filledJournal(batches: 60, seed: 10)
        let projection = try openProjection(journal)
        projection.retryInterval = 0
        try #require(projection.writer).database.execute("PRAGMA max_page_count = 20")
        #expect(projection.catchUp(through: journal.end))
        #expect(projection.flush() == false)
        #expect(projection.stats().lastError?.contains("full") == true)
        #expect(projection.stats().storedPosition == .start && projection.stats().deltaCells > 0)
        let judge = Judge()
        judge.margins(projection, groupBy: [.customer, .model])
        judge.margins(projection, groupBy: [.day], timezone: "Asia/Kolkata")
        judge.events(projection, limit: 1000)
        try #require(projection.writer).database.execute("PRAGMA max_page_count = 1000000")
        #expect(projection.flush())
        #expect(projection.stats().lastError == nil)
        judge.margins(projection, groupBy: [.customer, .model])
        try judge.verdict(on: journal)
        #expect(try dump(projection) == freshDump(journal))
    }
}
