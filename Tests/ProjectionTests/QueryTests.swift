// Events and customers: paging, single events, limits, and what a person finds in the file.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

private func text(_ answer: QueryAnswer) -> String { String(decoding: answer.data, as: UTF8.self) }

private func json(_ answer: QueryAnswer) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(answer.data)) as? [String: Any])
}

private let epoch = Timestamp(nanoseconds: 0)

extension EventFilter {
    fileprivate init(customer: String) {
        self.init()
        self.customer = Array(customer.utf8)
    }
}

@Suite struct QueryTests {
    @Test func pagesStayWhatTheyAreWhileEventsArrive() throws {
        let journal = try filledJournal(batches: 10, seed: 21)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        var seen: [UInt64] = []
        var cursor: [UInt8]?
        var random = Seeded(22)
        repeat {
            let page = try #require(Page(projection.answer(.events(EventFilter(), limit: 7, cursor: cursor), now: epoch).data))
            seen += page.sequences
            cursor = page.cursor
            try journal.commit([randomEvent(&random, 1000 + seen.count, around: interestingTimes)])
            #expect(projection.catchUp(through: journal.end))
        } while cursor != nil
        #expect(seen == Array((1...200).reversed()))
    }

    @Test func aLongSearchIsAnsweredInParts() throws {
        let journal = try filledJournal(batches: 60, seed: 23)
        var random = Seeded(24)
        for batch in 0..<200 { try journal.commit((0..<60).map { randomEvent(&random, 5000 + batch * 60 + $0, around: interestingTimes) }) }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        projection.eventScanBytes = 1
        let judge = Judge()
        judge.events(projection, filter: EventFilter(customer: "acme"), limit: 1000)
        judge.events(projection, limit: 1000)
        try judge.verdict(on: journal)
        let first = try #require(Page(projection.answer(.events(EventFilter(), limit: 1000, cursor: nil), now: epoch).data))
        #expect(first.cursor != nil)
        #expect(projection.stats().events == 13_200)
    }

    @Test func wrongParametersAreRefused() throws {
        let journal = try filledJournal(batches: 1, seed: 25)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        func status(_ query: Query) -> UInt16 { projection.answer(query, now: epoch).status }
        for limit in [-1, 0, 1001, .max, .min] { #expect(status(.events(EventFilter(), limit: limit, cursor: nil)) == 400) }
        for cursor in ["", "e", "x0000000000000001", "e000000000000000g", "e00000000000000001"] {
            #expect(status(.events(EventFilter(), limit: 1, cursor: Array(cursor.utf8))) == 400)
        }
        #expect(status(.events(EventFilter(), limit: 1, cursor: Array("effffffffffffffff".utf8))) == 200)
        for limit in [-1, 1001, .max, .min] { #expect(status(.customers(search: nil, limit: limit, offset: 0)) == 400) }
        #expect(status(.customers(search: nil, limit: 1, offset: -1)) == 400)
        #expect(status(.customers(search: nil, limit: 1000, offset: .max)) == 200)
        #expect(status(.margins(MarginsQuery(groupBy: [], filter: EventFilter(), timezone: []))) == 400)
        #expect(status(.margins(MarginsQuery(groupBy: [.day, .day], filter: EventFilter(), timezone: []))) == 400)
    }

    @Test func anEventIsFoundByItsKey() throws {
        let journal = try filledJournal(batches: 60, seed: 26)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        for event in [journal.events[0], journal.events[599], journal.events[1199], journal.events[3]] {
            let answer = projection.answer(.event(key: Array(event.key.utf8), position: nil), now: epoch)
            #expect(try json(answer)["sequence"] as? UInt64 == event.sequence)
            // A position that holds something else is no answer.
            let wrong = projection.answer(
                .event(key: Array(event.key.utf8), position: JournalPosition(segment: 1, offset: 4176)), now: epoch)
            #expect(try json(wrong)["sequence"] as? UInt64 == event.sequence)
        }
        let missing = projection.answer(.event(key: Array("no such key".utf8), position: nil), now: epoch)
        #expect(missing.status == 404 && missing.code == "not_found" && missing.message == "Event not found")
    }

    @Test func anEventShowsHowItsCostCameAbout() throws {
        let journal = try TestJournal()
        let derivation =
            "catalogue:2026-11-23:openai/gpt-5.5|tier:flex|inputTokens=2500000000|cacheReadTokens=250000000|outputTokens=15000000000"
        var event = TestEvent(key: "k", model: "gpt-5.5", provider: "openai", occurredAt: instant("2026-11-01T00:00:00.5Z"))
        event.inputTokens = 1_000_000_000
        event.cacheRead = 400
        event.outputTokens = 10_000_000
        event.derivation = derivation
        event.cost = 1_750_000_000
        event.revenue = 2_000_000_000
        event.meta = "{\"a\": [1, \"x\"]}"
        try journal.commit([event, TestEvent(key: "bare", occurredAt: instant("2026-11-01T00:00:01Z"))])
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let first = projection.answer(.event(key: [0x6B], position: nil), now: epoch)
        #expect(first.status == 200)
        let line = text(first)
        for part in [
            "\"eventId\":\"1\"", "\"occurredAt\":\"2026-11-01T00:00:00.5Z\"", "\"costAmount\":0.00175", "\"revenueAmount\":0.002",
            "\"marginAmount\":0.00025", "\"priceSource\":\"catalogue:2026-11-23:openai/gpt-5.5\"", "\"flags\":[\"tier:flex\"]",
            "\"match\":\"exact\"", "{\"kind\":\"inputTokens\",\"count\":600,\"rate\":0.0000025,\"amount\":0.0015}",
            "{\"kind\":\"cacheReadTokens\",\"count\":400,\"rate\":0.00000025,\"amount\":0.0001}",
            "{\"kind\":\"outputTokens\",\"count\":10,\"rate\":0.000015,\"amount\":0.00015}", "\"meta\":{\"a\": [1, \"x\"]}",
            "\"usage\":{\"inputTokens\":1000,\"outputTokens\":10,\"cacheReadTokens\":400}",
        ] {
            #expect(line.contains(part), "\(part) is not in \(line)")
        }
        let bare = text(projection.answer(.event(key: Array("bare".utf8), position: nil), now: epoch))
        #expect(bare.contains("\"unpriced\":true,\"unpricedReason\":\"unknown_model\",\"priceSource\":\"none\""))
        #expect(!bare.contains("Amount\""))
        #expect(bare.contains("\"customerReferenceId\":null"))
    }

    @Test func customersExistFromTheirFirstFact() throws {
        let journal = try TestJournal()
        let projection = try openProjection(journal)
        for round in 0..<2 {
            if round == 0 {
                try journal.commit([
                    TestEvent(key: "1", customer: "Ärger GmbH", occurredAt: instant("2026-01-01T00:00:00Z"), cost: 3, revenue: 5),
                    TestEvent(key: "2", customer: "bolt", occurredAt: instant("2026-01-01T00:00:00Z"), cost: 1),
                ])
                var fact = CustomerFact(
                    operation: .registered, reference: journal.number("bolt"), at: Timestamp(nanoseconds: journal.clock))
                fact.email = Array("Ann@Example.com".utf8)
                fact.firstName = Array("Ann".utf8)
                try journal.commit(customer: fact)
                var alone = CustomerFact(operation: .registered, reference: noString, at: Timestamp(nanoseconds: journal.clock))
                alone.email = Array("nobody@example.com".utf8)
                try journal.commit(customer: alone)
                var change = CustomerFact(operation: .changed, reference: journal.number("bolt"), at: Timestamp(nanoseconds: journal.clock))
                change.lastName = Array("O'Neil\"; --".utf8)
                try journal.commit(customer: change)
                #expect(projection.catchUp(through: journal.end))
            } else {
                // The same from the file.
                #expect(projection.flush())
            }
            let all = try json(projection.answer(.customers(search: nil, limit: 2, offset: 0), now: epoch))
            let items = try #require(all["items"] as? [[String: Any]])
            #expect(items.map { $0["customerReferenceId"] as? String } == ["Ärger GmbH", "bolt"])
            #expect(items.map { $0["source"] as? String } == ["EVENT_AUTO_CREATED", "MANUAL"])
            #expect(items[1]["email"] as? String == "Ann@Example.com" && items[1]["lastName"] as? String == "O'Neil\"; --")
            #expect(items[0]["createdAt"] as? String == items[1]["createdAt"] as? String)
            #expect((items[0]["events"] as? Int) == 1)
            let paging = try #require(all["pagination"] as? [String: Any])
            #expect(paging["total"] as? Int == 3 && paging["hasMore"] as? Bool == true)
            for (search, count) in [
                ("ärger", 1), ("ÄRGER", 1), ("EXAMPLE.com", 2), ("ann", 1), ("o'NEIL", 1), ("%", 0), ("zzz", 0), ("", 3),
            ] {
                let found = try json(projection.answer(.customers(search: Array(search.utf8), limit: 50, offset: 0), now: epoch))
                #expect((found["pagination"] as? [String: Any])?["total"] as? Int == count, "\(search)")
                #expect((found["items"] as? [Any])?.count == count, "\(search)")
            }
            let one = text(projection.answer(.customer(reference: Array("bolt".utf8)), now: epoch))
            #expect(one.hasSuffix("\"subscriptions\":[]}") && one.contains("\"firstName\":\"Ann\""))
            let missing = projection.answer(.customer(reference: Array("nobody".utf8)), now: epoch)
            #expect(missing.status == 404 && missing.message == "Customer not found")
            // A name that is not a customer's is none.
            #expect(projection.answer(.customer(reference: Array("call".utf8)), now: epoch).status == 404)
            let margins = text(
                projection.answer(.margins(MarginsQuery(groupBy: [.customer], filter: EventFilter(), timezone: [])), now: epoch))
            #expect(margins.contains("\"customer\":{\"firstName\":\"Ann\",\"lastName\":\"O'Neil\\\"; --\",\"email\":\"Ann@Example.com\"}"))
        }
    }

    @Test func sumsBeyondSixtyFourBitsAreExact() throws {
        let journal = try TestJournal()
        let projection = try openProjection(journal)
        for round in 0..<4 {
            try journal.commit(
                (0..<400).map { number in
                    TestEvent(
                        key: "\(round)-\(number)", customer: "c\(number % 3)",
                        occurredAt: instant("2026-01-01T00:00:00Z") + Int64(number) * 3_600_000_000_000,
                        usageUnits: .max, inputTokens: .max / 1_000_000 * 1_000_000, outputTokens: .max - 7, cost: .max, revenue: .max - 1)
                })
            #expect(projection.catchUp(through: journal.end))
            if round % 2 == 0 { #expect(projection.flush()) }
        }
        let judge = Judge()
        judge.margins(projection, groupBy: [.customer])
        judge.margins(projection, groupBy: [.month])
        judge.margins(projection, groupBy: [.model])
        judge.margins(projection, groupBy: [.day], timezone: "Asia/Kathmandu")
        try judge.verdict(on: journal)
        #expect(projection.flush())
        let (status, output) = try run(
            "/usr/bin/sqlite3",
            [journal.books, "SELECT usage_units, cost, revenue FROM totals WHERE customer = 'c0'; PRAGMA integrity_check"])
        #expect(status == 0)
        let events: Int128 = 4 * 134
        let units = DecimalText.text(events * Int128(Int64.max), places: 6)
        let cost = DecimalText.text(events * Int128(Int64.max), places: 12)
        let revenue = DecimalText.text(events * Int128(Int64.max - 1), places: 12)
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.count == 2 && lines[1] == "ok")
        #expect(lines[0].hasPrefix(units) && lines[0].contains(cost) && lines[0].contains(revenue), "\(output)")
    }

    @Test func aPersonCanReadTheFile() throws {
        let journal = try filledJournal(batches: 20, seed: 27)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end) && projection.flush())
        for view in ["hourly", "daily", "monthly", "totals"] {
            let (status, output) = try run("/usr/bin/sqlite3", [journal.books, "SELECT sum(events), typeof(max(cost)) FROM \(view)"])
            #expect(status == 0 && output == "400|text\n", "\(view): \(output)")
        }
        let (status, output) = try run("/usr/bin/sqlite3", [journal.books, "SELECT count(*), count(created_at) FROM customer_list"])
        #expect(status == 0 && output == "9|9\n", "\(output)")
    }

    @Test func groupsAreBoundedAndTotalsAreNot() throws {
        let journal = try TestJournal()
        for batch in 0..<30 {
            try journal.commit(
                (0..<400).map {
                    TestEvent(key: "\(batch)-\($0)", customer: "c\(batch * 400 + $0)", occurredAt: instant("2026-01-01T00:00:00Z"), cost: 1)
                })
        }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let answer = try json(
            projection.answer(.margins(MarginsQuery(groupBy: [.customer], filter: EventFilter(), timezone: [])), now: epoch))
        #expect((answer["items"] as? [Any])?.count == Limits.marginItems)
        #expect(answer["truncated"] as? Bool == true)
        #expect((answer["totals"] as? [String: Any])?["events"] as? Int == 12_000)
    }

    @Test func answersSayAsOfWhen() throws {
        let journal = try filledJournal(batches: 20, seed: 28)
        let projection = try openProjection(journal)
        let query = Query.margins(MarginsQuery(groupBy: [.model], filter: EventFilter(), timezone: []))
        let now = Timestamp(nanoseconds: journal.clock + 5_000_000_000)
        #expect(!projection.catchUp(through: journal.end, bytes: 1))
        #expect(
            try json(projection.answer(query, now: now))["freshAsOf"] as? String
                == Timestamp(nanoseconds: 1_780_000_000_000_000_000).description)
        #expect(projection.catchUp(through: journal.end))
        #expect(try json(projection.answer(query, now: now))["freshAsOf"] as? String == now.description)
    }
}
