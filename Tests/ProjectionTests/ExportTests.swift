// Exports and the stream of new events: every row once, whatever the pages; CSV and NDJSON say the same.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

private let epoch = Timestamp(nanoseconds: 0)

/// All pages of an export as one text.
private func export(
    _ projection: Projection, _ subject: ExportQuery.Subject, _ format: ExportFormat
) -> String {
    var query = ExportQuery(subject: subject, format: format, id: 7)
    var bytes: [UInt8] = []
    for _ in 0..<10_000 {
        let answer = projection.answer(.export(query), now: epoch)
        guard answer.status == 200 else {
            Issue.record("\(answer.status) \(answer.message)")
            break
        }
        bytes += answer.data
        guard let next = answer.next else { break }
        query.place = next
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// A plain reader of RFC 4180.
private func rows(_ text: String) -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var field = ""
    var isQuoted = false
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
        switch scalar {
        case "\"" where isQuoted && scalars.first == "\"":
            field.unicodeScalars.append("\"")
            scalars.removeFirst()
        case "\"": isQuoted.toggle()
        case "," where !isQuoted:
            row.append(field)
            field = ""
        case "\r" where !isQuoted && scalars.first == "\n":
            scalars.removeFirst()
            rows.append(row + [field])
            row = []
            field = ""
        default: field.unicodeScalars.append(scalar)
        }
    }
    #expect(field.isEmpty && row.isEmpty, "the last line has an end")
    return rows
}

private func lines(_ text: String) throws -> [[String: Any]] {
    try text.split(separator: "\n").map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
}

@Suite struct ExportTests {
    @Test func everyEventIsExportedOnceInOrder() throws {
        let journal = try filledJournal(batches: 150, seed: 31)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let table = rows(export(projection, .events(EventFilter()), .csv))
        #expect(table.count == 3001 && table.allSatisfy { $0.count == table[0].count })
        #expect(table.dropFirst().map { $0[0] } == (1...3000).reversed().map { "\($0)" })
        let items = try lines(export(projection, .events(EventFilter()), .ndjson))
        #expect(items.count == 3000)
        let cost = try #require(table[0].firstIndex(of: "costAmount"))
        let key = try #require(table[0].firstIndex(of: "eventIdempotencyKey"))
        for (row, item) in zip(table.dropFirst(), items) {
            #expect(row[key] == item["eventIdempotencyKey"] as? String)
            #expect(row[cost].isEmpty == (item["costAmount"] == nil))
        }
    }

    @Test func whatASpreadsheetWouldRunIsText() throws {
        let journal = try TestJournal()
        let names = [
            "=1+1", "+1", "-1", "@x", "\t=1", "a,b", "a\"b", "  = 1", "plain", "ünïcödé 🙂", "'=1",
        ]
        try journal.commit(
            names.enumerated().map { index, name in
                var event = TestEvent()
                event.key = "k\(index)"
                event.customer = name
                event.cost = 1_500_000_000_000
                event.revenue = 500_000_000_000
                return event
            })
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let query = MarginsQuery(groupBy: [.customer], filter: EventFilter(), timezone: [])
        let table = rows(export(projection, .margins(query), .csv))
        let wanted = names.map {
            ["=", "+", "-", "@", "\t"].contains(String($0.prefix(1))) ? "'" + $0 : $0
        }
        #expect(Set(table.dropFirst().map { $0[0] }) == Set(wanted))
        // Numbers are never touched, a loss included.
        let margin = try #require(table[0].firstIndex(of: "marginAmount"))
        #expect(table.dropFirst().allSatisfy { $0[margin] == "-1" })
        #expect(
            Set(
                try lines(export(projection, .margins(query), .ndjson)).compactMap {
                    $0["customerReferenceId"] as? String
                }) == Set(names))
    }

    @Test func marginsOfManyPagesAreAsOfOneMoment() throws {
        let journal = try TestJournal()
        for batch in 0..<60 {
            try journal.commit(
                (0..<100).map { index in
                    var event = TestEvent()
                    event.key = "k\(batch)-\(index)"
                    event.customer = "customer with a rather long name \(batch)-\(index)"
                    event.cost = Int64(batch * 100 + index)
                    return event
                })
        }
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        var query = ExportQuery(
            subject: .margins(MarginsQuery(groupBy: [.customer], filter: EventFilter(), timezone: [])),
            format: .ndjson, id: 1)
        let first = projection.answer(.export(query), now: epoch)
        let second: UInt64 = try #require(first.next)
        query.place = second
        // What comes meanwhile is not in it.
        var late = TestEvent()
        late.key = "late"
        late.customer = "late"
        late.cost = 1_000_000_000_000
        try journal.commit([late])
        #expect(projection.catchUp(through: journal.end))
        // Another one has to wait; this one goes on.
        var other = query
        other.id = 2
        other.place = nil
        #expect(projection.answer(.export(other), now: epoch).status == 503)
        var text = first.data
        var pages = 1
        while true {
            let answer = projection.answer(.export(query), now: epoch)
            #expect(answer.status == 200)
            text += answer.data
            pages += 1
            guard let next = answer.next else { break }
            query.place = next
        }
        let items = try lines(String(decoding: text, as: UTF8.self))
        #expect(pages > 2 && items.count == 6000)
        #expect(Set(items.compactMap { $0["customerReferenceId"] as? String }).count == 6000)
        #expect(projection.answer(.export(other), now: epoch).next != nil)
        _ = projection.answer(.endExport(2), now: epoch)
        query.place = 5
        #expect(projection.answer(.export(query), now: epoch).status == 503)
    }

    @Test func everyCustomerIsExportedOnce() throws {
        let journal = try filledJournal(batches: 20, seed: 32)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        let table = rows(export(projection, .customers(search: nil), .csv))
        let items = try lines(export(projection, .customers(search: nil), .ndjson))
        #expect(table.count == items.count + 1 && items.count > 2)
        #expect(
            table.dropFirst().map { $0[0] } == items.map { $0["customerReferenceId"] as? String ?? "" })
    }

    // MARK: - What comes last

    @Test func aTailShowsWhatIsNewAndCountsTheRest() throws {
        let journal = try filledJournal(batches: 3, seed: 33)
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        var query = TailQuery(filter: EventFilter(), after: 0)
        // The first look shows nothing: it says where to go on.
        var answer = projection.answer(.tail(query), now: epoch)
        #expect(answer.data.isEmpty && answer.tail?.sequence == 60 && answer.tail?.skipped == 0)
        query.from = answer.tail?.position
        query.after = 60
        answer = projection.answer(.tail(query), now: epoch)
        #expect(answer.data.isEmpty && answer.tail?.skipped == 0)
        var random = Seeded(34)
        try journal.commit((0..<20).map { randomEvent(&random, 900 + $0, around: interestingTimes) })
        #expect(projection.catchUp(through: journal.end))
        query.limit = 5
        answer = projection.answer(.tail(query), now: epoch)
        let text = String(decoding: answer.data, as: UTF8.self)
        let ids = text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.map {
            String($0.dropFirst(4))
        }
        #expect(
            ids == ["76", "77", "78", "79", "80"] && answer.tail?.skipped == 15
                && answer.tail?.sequence == 80)
        #expect(
            text.components(separatedBy: "\n\n").dropLast().allSatisfy {
                $0.hasPrefix("id: ") && $0.contains("\nevent: event\ndata: {")
            })
        // Somebody who comes back gets what was missed.
        var resumed = TailQuery(filter: EventFilter(), after: 77)
        resumed.isResumed = true
        resumed.limit = 50
        answer = projection.answer(.tail(resumed), now: epoch)
        let missed = String(decoding: answer.data, as: UTF8.self).split(separator: "\n").filter {
            $0.hasPrefix("id: ")
        }
        #expect(missed == ["id: 78", "id: 79", "id: 80"] && answer.tail?.skipped == 0)
    }

    @Test func aTailReadsNoMoreThanALittleOfABurst() throws {
        let journal = try TestJournal()
        let projection = try openProjection(journal)
        #expect(projection.catchUp(through: journal.end))
        var query = TailQuery(filter: EventFilter(), after: 0)
        query.from = projection.answer(.tail(query), now: epoch).tail?.position
        var random = Seeded(35)
        for batch in 0..<400 {
            try journal.commit(
                (0..<60).map { randomEvent(&random, batch * 60 + $0, around: interestingTimes) })
        }
        #expect(projection.catchUp(through: journal.end))
        query.limit = 10
        let answer = projection.answer(.tail(query), now: epoch)
        let shown = String(decoding: answer.data, as: UTF8.self).split(separator: "\n").filter {
            $0.hasPrefix("id: ")
        }
        #expect(shown.last == "id: 24000" && shown.count == 10)
        #expect(answer.tail?.sequence == 24_000 && answer.tail?.skipped == 23_990)
    }
}
