// Judge: collects queries and their answers and has Python compare them with the events.

import Core
import Foundation
import Projection
import Testing

final class Judge {
    private var cases: [String] = []

    /// Asks and keeps the answer for the judge.
    func margins(
        _ projection: Projection, groupBy: [Grouping], filter: EventFilter = EventFilter(), timezone: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let query = MarginsQuery(groupBy: groupBy, filter: filter, timezone: Array(timezone.utf8))
        let answer = projection.answer(.margins(query), now: Timestamp(nanoseconds: 0))
        #expect(answer.status == 200, "\(answer.message)", sourceLocation: sourceLocation)
        guard answer.status == 200 else { return }
        keep("margins", ["groupBy": groupBy.map { "\($0)" }, "filter": Judge.json(filter), "timezone": timezone], answer.data)
    }

    /// Asks for every page and keeps them together as one answer.
    func events(
        _ projection: Projection, filter: EventFilter = EventFilter(), limit: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var items: [String] = []
        var cursor: [UInt8]?
        repeat {
            let answer = projection.answer(.events(filter, limit: limit, cursor: cursor), now: Timestamp(nanoseconds: 0))
            #expect(answer.status == 200, "\(answer.message)", sourceLocation: sourceLocation)
            guard answer.status == 200, let page = Page(answer.data) else { return }
            #expect(page.count <= limit, sourceLocation: sourceLocation)
            items.append(page.itemsText)
            cursor = page.cursor
        } while cursor != nil
        let joined = "{\"items\":[" + items.filter { !$0.isEmpty }.joined(separator: ",") + "]}"
        keep("events", ["filter": Judge.json(filter)], Array(joined.utf8))
    }

    private func keep(_ kind: String, _ query: [String: Any], _ answer: [UInt8]) {
        let entry: [String: Any] = ["kind": kind, "number": cases.count, "query": query, "answer": String(decoding: answer, as: UTF8.self)]
        let data = try? JSONSerialization.data(withJSONObject: entry)
        cases.append(String(decoding: data ?? Data(), as: UTF8.self))
    }

    private static func json(_ filter: EventFilter) -> [String: Any] {
        var json: [String: Any] = [:]
        for (name, text) in [
            ("customer", filter.customer), ("feature", filter.feature), ("model", filter.model), ("provider", filter.provider),
            ("eventName", filter.eventName), ("flow", filter.flowId),
        ] {
            if let text { json[name] = String(decoding: text, as: UTF8.self) }
        }
        json["from"] = filter.from?.nanoseconds
        json["to"] = filter.to?.nanoseconds
        json["unpriced"] = filter.unpriced
        return json
    }

    /// Has Python compare every answer with the events of the journal, as they count now.
    func verdict(
        on journal: TestJournal, voided: Set<UInt64> = [], events current: [TestEvent]? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let folder = URL(fileURLWithPath: journal.directory).appendingPathComponent("judge")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let events = try (current ?? journal.events).map { event in
            var json: [String: Any] = [
                "key": event.key, "eventName": event.eventName, "occurredAt": event.occurredAt, "sequence": event.sequence,
                "void": voided.contains(event.sequence),
            ]
            for (name, text) in [
                ("customer", event.customer), ("feature", event.feature), ("model", event.model), ("provider", event.provider),
                ("flow", event.flow), ("meta", event.meta),
            ] {
                json[name] = text
            }
            for (name, number) in [
                ("usageUnits", event.usageUnits), ("inputTokens", event.inputTokens), ("outputTokens", event.outputTokens),
                ("cost", event.cost), ("revenue", event.revenue),
            ] {
                json[name] = number
            }
            return String(decoding: try JSONSerialization.data(withJSONObject: json), as: UTF8.self)
        }
        try (events.joined(separator: "\n") + "\n").write(
            to: folder.appendingPathComponent("events.jsonl"), atomically: false, encoding: .utf8)
        try (cases.joined(separator: "\n") + "\n").write(
            to: folder.appendingPathComponent("cases.jsonl"), atomically: false, encoding: .utf8)
        try JSONSerialization.data(withJSONObject: journal.numbers).write(to: folder.appendingPathComponent("numbers.json"))
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("oracle/projection_oracle.py")
        let (status, output) = try run("/usr/bin/python3", ["-I", script.path, folder.path])
        #expect(status == 0, "\(output)", sourceLocation: sourceLocation)
    }
}

/// One page of events.
struct Page {
    var sequences: [UInt64] = []
    var cursor: [UInt8]?
    /// The items without their brackets, byte for byte.
    var itemsText: String
    var count: Int { sequences.count }

    init?(_ data: [UInt8]) {
        guard let json = try? JSONSerialization.jsonObject(with: Data(data)) as? [String: Any],
            let items = json["items"] as? [[String: Any]]
        else { return nil }
        sequences = items.compactMap { ($0["sequence"] as? NSNumber)?.uint64Value }
        cursor = (json["nextCursor"] as? String).map { Array($0.utf8) }
        let text = String(decoding: data, as: UTF8.self).dropFirst("{\"items\":[".count)
        let tail = cursor.map { "],\"nextCursor\":\"\(String(decoding: $0, as: UTF8.self))\"}" } ?? "]}"
        guard text.hasSuffix(tail) else { return nil }
        itemsText = String(text.dropLast(tail.count))
    }
}

/// Runs a program to its end: exit status and what it wrote to standard output.
func run(_ program: String, _ arguments: [String]) throws -> (Int32, String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}
