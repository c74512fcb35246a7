// What is answered when single events are no longer kept: all that can be said from sums is what a journal says that kept
// everything, and the rest is refused by name.

import Core
import FileStorage
import Foundation
import Journal
import Testing

@testable import Projection

/// Two journals with the same past: one of them drops events.
private final class Twins {
    let journal: TestJournal
    private let directory: String

    init(seed: UInt64) throws {
        journal = try filledJournal(batches: 130, seed: seed)
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("purser-whole-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var person = CustomerFact(operation: .registered, reference: noString, at: Timestamp(nanoseconds: journal.clock))
        person.firstName = Array("No".utf8)
        person.lastName = Array("Name".utf8)
        try journal.commit(customer: person)
        var known = CustomerFact(operation: .changed, reference: journal.number("acme"), at: Timestamp(nanoseconds: journal.clock))
        known.email = Array("acme@example.com".utf8)
        try journal.commit(customer: known)
        try correct(journal)
        try add(290, seed &+ 1)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func add(_ batches: Int, _ seed: UInt64) throws {
        var random = Seeded(seed)
        let count = journal.events.count
        for batch in 0..<batches {
            try journal.commit((0..<20).map { randomEvent(&random, count + batch * 20 + $0, around: interestingTimes) })
        }
        try copy()
    }

    private func copy() throws {
        for name in try journal.storage.list() where name.hasSuffix(".segment") {
            let target = directory + "/" + name
            try? FileManager.default.removeItem(atPath: target)
            try FileManager.default.copyItem(atPath: journal.directory + "/" + name, toPath: target)
        }
    }

    /// Condenses, tells the projection as the daemon does, and removes.
    func drop(_ first: UInt32, _ last: UInt32, _ live: Projection) throws {
        #expect(live.catchUp(through: journal.end) && live.flush() && live.durablePosition.segment > last)
        let condenser = try Condenser(journal.storage, from: first, through: last)
        var progress = try condenser.step()
        while progress == .goesOn { progress = try condenser.step() }
        guard case .condensed(let range, _, _) = progress else { return }
        live.segmentsCondensed()
        #expect(live.catchUp(through: journal.end) && live.keptFrom.segment == last + 1)
        try Condenser.removeCovered(journal.storage, range)
    }

    func open(_ name: String) throws -> Projection {
        let projection = try Projection(path: journal.directory + "/" + name, storage: journal.storage, journal: journal.id)
        #expect(projection.catchUp(through: journal.end))
        return projection
    }

    func openWhole() throws -> Projection {
        let path = directory + "/whole.db"
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        // Its files were replaced: descriptors of the old ones must not be used.
        let storage = FileStorage(directory: directory)
        let projection = try Projection(path: path, storage: storage, journal: journal.id)
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        return projection
    }
}

extension Projection {
    /// Every answer that sums can give.
    fileprivate func sums() -> [QueryAnswer] {
        var filter = EventFilter()
        filter.from = Timestamp(nanoseconds: instant("2026-03-01T10:00:00Z"))
        filter.to = Timestamp(nanoseconds: instant("2026-10-25T01:00:00Z"))
        filter.model = Array("claude".utf8)
        var list: [QueryAnswer] = []
        for groups in [[.customer], [.model, .provider], [.day], [.hour], [.month, .eventName], [.feature, .customer]] as [[Grouping]] {
            for filter in [EventFilter(), filter] {
                let query = MarginsQuery(groupBy: groups, filter: filter, timezone: Array("Europe/Berlin".utf8))
                list.append(answer(.margins(query), now: late))
            }
        }
        list.append(answer(.customers(search: nil, limit: 100, offset: 0), now: late))
        list.append(answer(.customers(search: Array("acme@".utf8), limit: 100, offset: 0), now: late))
        list.append(answer(.events(EventFilter(), limit: 100, cursor: nil), now: late))
        return list
    }
}

@Suite struct DroppedTests {
    @Test(arguments: [1, 4] as [UInt64]) func sumsAreThoseOfAJournalThatKeptEverything(seed: UInt64) throws {
        let twins = try Twins(seed: seed &* 100)
        let live = try twins.open("books.db")
        let old = try twins.open("old.db")
        #expect(old.flush())
        var random = Seeded(seed)
        var first: UInt32 = 1
        for round in 0..<3 {
            let open = twins.journal.end.segment
            guard open > first else { break }
            let last = round == 2 ? open - 1 : UInt32.random(in: first..<open, using: &random)
            try twins.drop(first, last, live)
            first = last + 1
            try twins.add(50, seed &+ UInt64(round) &* 7)
            #expect(live.catchUp(through: twins.journal.end) && live.flush())
            let whole = try twins.openWhole()
            let kept = live.keptFrom.raw
            func comparable(_ projection: Projection) throws -> [String] {
                try dump(projection).filter { line in
                    guard line.hasPrefix("corrections") else { return true }
                    return UInt64(line.split(separator: "|")[1])! > kept
                }
            }
            let expected = try comparable(whole)
            let answers = whole.sums().map(\.data)
            #expect(expected.count > 500 && whole.sums().allSatisfy { $0.status == 200 })
            // The one that was there, one that starts from nothing, and one that comes from a backup.
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: twins.journal.directory + "/fresh.db" + suffix)
            }
            let fresh = try twins.open("fresh.db")
            let restored = round == 0 ? try twins.open("old.db") : nil
            for (name, projection) in [("live", live), ("fresh", fresh), ("old", restored)] {
                guard let projection else { continue }
                #expect(projection.flush())
                #expect(try comparable(projection) == expected, "\(name), round \(round)")
                for (found, wanted) in zip(projection.sums(), answers) { #expect(found.data == wanted, "\(name), round \(round)") }
                let stats = projection.stats()
                #expect(stats.events == UInt64(twins.journal.events.count) && stats.lastError == nil)
            }
        }
        #expect(first > 2)
    }

    @Test func whatNeedsDroppedEventsIsRefusedByName() throws {
        let twins = try Twins(seed: 9)
        let live = try twins.open("books.db")
        let whole = try twins.openWhole()
        try twins.drop(1, 2, live)
        #expect(live.flush())
        // The same once more from the file alone.
        for projection in [live, try twins.open("books.db")] {
            func refused(_ query: Query) -> Bool {
                let answer = projection.answer(query, now: late)
                return answer.status == 409 && answer.code == "events_dropped" && answer.message.contains("journal_retention")
            }
            var filter = EventFilter()
            filter.flowId = Array("flow-3".utf8)
            #expect(refused(.margins(MarginsQuery(groupBy: [.customer], filter: filter, timezone: Array("UTC".utf8)))))
            let everything = RepriceQuery(prices: TestPrices.first.texts, filter: EventFilter())
            #expect(refused(.repricePreview(everything)) && refused(.repriceBlock(everything, from: 0)))
            #expect(refused(.reverseBlock(run: 1, begin: JournalPosition(segment: 1, offset: 9000), end: twins.journal.end, from: 0)))
            // What nobody asked for goes over what is kept.
            var silent = everything
            silent.passesDropped = true
            #expect(projection.answer(.repriceBlock(silent, from: 0), now: late).status == 200)

            // A bound inside an hour: refused where the hour has dropped events, exact where it has none.
            var counts = (refused: 0, exact: 0)
            let kept = projection.dropped.nextSequence
            let hour = Timestamp.nanosecondsPerHour
            let gone = Set(twins.journal.events.filter { $0.sequence < kept }.map { $0.occurredAt / hour })
            let times = Set(twins.journal.events.map { $0.occurredAt / hour }).sorted()
            for (index, number) in times.enumerated() where index % 5 == 0 || !gone.contains(number) {
                var part = EventFilter()
                part.from = Timestamp(nanoseconds: number * hour + 1)
                let query = Query.margins(MarginsQuery(groupBy: [.customer], filter: part, timezone: Array("UTC".utf8)))
                let answer = projection.answer(query, now: late)
                if gone.contains(number) {
                    #expect(answer.status == 409 && answer.code == "events_dropped")
                    counts.refused += 1
                } else {
                    #expect(answer.data == whole.answer(query, now: late).data)
                    counts.exact += 1
                }
            }
            #expect(counts.refused > 10 && counts.exact > 10)

            // Single events.
            let (lost, there) = (twins.journal.events[3], twins.journal.events[Int(kept)])
            let key = Array(lost.key.utf8)
            for position in [nil, twins.journal.positions[3]] {
                let missing = projection.answer(.event(key: key, position: position), now: late)
                #expect(missing.status == 404 && missing.code == "not_found")
                #expect(missing.message.contains("up to sequence \(kept - 1) are no longer kept"))
                #expect(projection.answer(.void(key: key, position: position, reason: [0x78]), now: late).status == 404)
            }
            #expect(projection.answer(.event(key: Array(there.key.utf8), position: nil), now: late).status == 200)

            // A listing ends with the first event that is kept, and says so.
            var cursor: [UInt8]?
            var listed = 0
            var last = ""
            repeat {
                let page = projection.answer(.events(EventFilter(), limit: 1000, cursor: cursor), now: late)
                #expect(page.status == 200)
                last = String(decoding: page.data, as: UTF8.self)
                listed += last.components(separatedBy: "\"eventIdempotencyKey\":").count - 1
                cursor = last.range(of: "\"nextCursor\":\"").map { Array(last[$0.upperBound...].prefix { $0 != "\"" }.utf8) }
            } while cursor != nil
            #expect(listed == twins.journal.events.count - Int(kept) + 1)
            #expect(last.hasSuffix("],\"dropped\":{\"events\":\(kept - 1),\"throughSequence\":\(kept - 1)}}"))
        }
    }
}
