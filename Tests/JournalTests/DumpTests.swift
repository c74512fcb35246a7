// Statistics, verification and the dump, the last against another program: Python reads the lines, adds up the amounts as
// decimals and must find the same totals.

import Core
import Foundation
import Journal
import Testing

private func dump(_ storage: MemoryStorage, fromSegment: UInt32 = 0, eventsOnly: Bool = false) throws -> String {
    var text = [UInt8]()
    try JournalDump.run(storage, fromSegment: fromSegment, eventsOnly: eventsOnly) { text += $0 }
    return String(decoding: text, as: UTF8.self)
}

/// A journal with every kind of fact and many shapes of event.
private func variedJournal() throws -> MemoryStorage {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage, segmentBytes: 32768, batchBytes: 16384)
    var random = SeededRandom(5)
    var n = 0
    for batch in 0..<60 {
        try scribe.open()
        let names: [(StringID, String)] = [
            (1, "chat \"quoted\"\n"), (2, "gpt-4o"), (3, "openai"), (4, "customer-ä"), (5, "feature"), (6, "eu-west-1"),
            (7, "catalogue 2026-09-01|input 2.5/M × 10"),
        ]
        for (id, text) in names { scribe.define(id, text) }
        if batch == 0 {
            scribe.builder.writer.append(catalogueFact: "2026-09-01")
            var customer = CustomerFact(operation: .registered, reference: 4, at: testStart)
            customer.email = Array("a@b.example".utf8)
            scribe.builder.writer.append(customer)
            var key = KeyFact(operation: .created, id: 1, at: testStart)
            key.digest = [UInt8](repeating: 0xAB, count: 32)
            key.hint = Array("sk_live_…00ff".utf8)
            key.scopes = KeyScope.all
            scribe.builder.writer.append(key)
            scribe.builder.writer.append(KeyFact(operation: .revoked, id: 1, at: testStart))
            let digests = [UInt8](repeating: 1, count: 64)
            digests.withUnsafeBytes { digests in
                [UInt8]("{\"a\":\"\u{e9}\"}".utf8).withUnsafeBytes { body in
                    scribe.builder.writer.append(ResponseFact(scope: .max, digests: digests, at: testStart, status: 201, body: body))
                }
            }
            scribe.builder.writer.append(99)
            scribe.builder.writer.append(varint: 2)
            scribe.builder.writer.append("??")
        }
        var block = EventBlock()
        for _ in 0..<7 {
            var event = EventRecord()
            event.key = Array("key-\(n)".utf8).withUnsafeBytes { block.add(text: $0) }
            for id in 1...6 {
                let index = block.add(name: TextRef.empty)
                block.nameIDs[Int(index)] = StringID(id)
                guard id == 1 || Bool.random(using: &random) else { continue }
                switch id {
                case 1: event.eventName = index
                case 2: event.model = index
                case 3: event.provider = index
                case 4: event.customer = index
                case 5: event.feature = index
                default: event.region = index
                }
            }
            event.occurredAt = Timestamp(
                nanoseconds: testStart.nanoseconds + Int64.random(in: -1_000_000_000_000...1_000_000_000_000, using: &random))
            event.usageStart = UInt32(block.usageCount)
            for kind in UsageKind.allCases where Int.random(in: 0..<8, using: &random) == 0 {
                block.add(
                    usage: UsageLine(kind: kind, quantity: Quantity(millionths: Int64.random(in: 0...10_000_000_000, using: &random))))
                event.usageCount += 1
            }
            if Int.random(in: 0..<4, using: &random) == 0 {
                event.unpriced = UnpricedReason.allCases.dropFirst().randomElement(using: &random)!
            } else {
                event.cost = Money(picodollars: n % 9 == 0 ? Int64.max : Int64.random(in: 0...1_000_000_000_000, using: &random))
                event.price = 7
                event.match = .exact
            }
            if Bool.random(using: &random) {
                event.flags |= EventRecord.hasRevenue
                event.revenue = Money(picodollars: Int64.random(in: 0...Int64.max, using: &random))
            }
            if Int.random(in: 0..<5, using: &random) == 0 {
                var extras = ByteWriter()
                extras.append(EventExtra.flowId.rawValue)
                extras.append(varint: 4)
                extras.append("flow")
                let meta: StaticString = "{\n \"plan\": \"pro\",\r\n \"deep\": {\"x\": [1, 2.50]}\n}"
                extras.append(EventExtra.meta.rawValue)
                extras.append(varint: UInt64(meta.utf8CodeUnitCount))
                extras.append(meta)
                event.extras = block.add(text: extras.bytes)
            }
            block.add(event)
            n += 1
        }
        _ = scribe.add(&block)
        try scribe.commit()
    }
    try scribe.open()
    try scribe.commit()
    return storage
}

private let checker = """
    import json, sys
    from decimal import Decimal, getcontext
    getcontext().prec = 60
    cost = revenue = Decimal(0)
    events = unpriced = facts = 0
    last = 0
    usage = {}
    for line in sys.stdin.buffer:
        fact = json.loads(line.decode("utf-8"), parse_float=Decimal, parse_int=Decimal)
        facts += 1
        if fact["fact"] != "event":
            continue
        events += 1
        assert fact["sequence"] == last + 1, fact
        last = fact["sequence"]
        assert fact["eventIdempotencyKey"] == "key-%d" % (events - 1), fact
        assert fact["eventName"] == 'chat "quoted"\\n', fact
        if "costAmount" in fact:
            cost += fact["costAmount"]
            assert fact["priceSource"] == "catalogue 2026-09-01", fact
            assert fact["priceDerivation"].startswith("catalogue 2026-09-01|input 2.5/M"), fact
            assert "unpricedReason" not in fact
        else:
            unpriced += 1
            assert fact["unpricedReason"]
        revenue += fact.get("revenueAmount", Decimal(0))
        if "meta" in fact:
            assert fact["meta"] == {"plan": "pro", "deep": {"x": [1, Decimal("2.50")]}}, fact
            assert fact["flowId"] == "flow"
        for kind, amount in fact["usage"].items():
            usage[kind] = usage.get(kind, Decimal(0)) + amount
    print(facts, events, unpriced, "%f" % 0 and format(cost, "f"), format(revenue, "f"), format(sum(usage.values()), "f"))
    """

private func decimal(_ total: MoneyTotal) -> String {
    var writer = ByteWriter()
    writer.append(money: total)
    return writer.string
}

private let hasPython = ["/usr/bin/python3", "/usr/local/bin/python3"].contains { FileManager.default.isExecutableFile(atPath: $0) }

@Test(.enabled(if: hasPython)) func pythonFindsTheSameTotalsInTheDump() throws {
    let storage = try variedJournal()
    let stats = try JournalStats.run(storage)
    let text = try dump(storage)

    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", checker]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data(text.utf8))
    try input.fileHandleForWriting.close()
    let answer = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)

    let fields = answer.split(whereSeparator: \.isWhitespace).map(String.init)
    try #require(fields.count == 6)
    let lines = text.split(separator: "\n").count
    #expect(fields[0] == "\(lines)")
    #expect(fields[1] == "\(stats.events)" && stats.events == 420)
    #expect(fields[2] == "\(stats.unpricedEvents)" && stats.unpricedEvents > 0)
    // Python keeps the zeros of its operands; compare the numbers, not their zeros.
    #expect(Decimal(string: fields[3]) == Decimal(string: decimal(stats.cost)))
    #expect(Decimal(string: fields[4]) == Decimal(string: decimal(stats.revenue)))
    #expect(stats.cost > MoneyTotal(picodollars: Int128(Int64.max)))
}

@Test func statisticsCountEverything() throws {
    let storage = try variedJournal()
    let stats = try JournalStats.run(storage)
    #expect(stats.batches == 61 && stats.marks == 1 && stats.segments > 1)
    #expect(stats.fileBytes == UInt64(stats.segments * 32768))
    #expect(stats.firstSequence == 1 && stats.lastSequence == 420)
    #expect(stats.stringFacts == UInt64(stats.segments) * 7)
    #expect(stats.count(of: .catalogue) == 1 && stats.count(of: .customer) == 1 && stats.count(of: .key) == 2)
    #expect(stats.count(of: .response) == 1 && stats.unknownFacts == 1 && stats.count(of: .event) == 420)
    #expect(stats.pricedEvents + stats.unpricedEvents == 420)
    let perEvent = try #require(stats.bytesPerEvent)
    #expect(perEvent.millionths == Int64(stats.batchBytes * 1_000_000 / 420))
    #expect(stats.firstTime != nil && stats.firstTime! < stats.lastTime! && stats.earliest! < stats.latest!)
    let empty = try JournalStats.run(MemoryStorage())
    #expect(empty == JournalStats() && empty.bytesPerEvent == nil)
}

@Test func everySegmentCanBeDumpedAlone() throws {
    let storage = try variedJournal()
    let all = try dump(storage, eventsOnly: true).split(separator: "\n")
    #expect(all.count == 420)
    for segment in try JournalReader(storage).segments() {
        let part = try dump(storage, fromSegment: segment.number, eventsOnly: true).split(separator: "\n")
        #expect(part.elementsEqual(all.suffix(part.count)) && part.count == 421 - Int(segment.firstSequence))
    }
}

@Test func aDumpedLineReadsAsExpected() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<1)
    #expect(
        try dump(storage, eventsOnly: true)
            == """
            {"fact":"event","position":"1:4296","sequence":1,"eventIdempotencyKey":"key-0","eventName":"chat.completion",\
            "customerReferenceId":"customer-0","model":"gpt-4o","occurredAt":"2026-09-21T14:13:20Z",\
            "recordedAt":"2026-09-21T14:13:20.001Z","usage":{"inputTokens":1,"outputTokens":1},"costAmount":0.00000014,\
            "priceSource":"catalogue 2026-09-01","priceDerivation":"catalogue 2026-09-01|input 0.0000025|output 0.00001",\
            "match":"exact","timeGiven":true}

            """)
    let lines = try dump(storage).split(separator: "\n")
    #expect(lines.count == 7)
    #expect(lines[1] == "{\"fact\":\"string\",\"position\":\"1:4194\",\"id\":2,\"text\":\"gpt-4o\"}")
}

@Test func verificationAgreesWithRecoveryAndLooksDeeper() throws {
    let storage = try variedJournal()
    var heard = 0
    let report = JournalVerify.run(storage, segmentBytes: 32768) { _ in heard += 1 }
    #expect(report.isGood && report.events == 420 && report.batches == 61 && heard == 61)
    #expect(report.facts == 420 + 1 + 1 + 2 + 1 + 1 + 7 * UInt64(try JournalStats.run(storage).segments))
    #expect(storage.writes > 0 && report.recovered?.tail.nextSequence == 421)

    // A writer that is wrong: each batch checks out, yet what it says does not.
    func problem(_ build: (inout Scribe) -> Void) throws -> DamageReason? {
        let storage = MemoryStorage()
        var scribe = try Scribe(storage)
        try scribe.commitSamples(0..<2)
        try scribe.open()
        build(&scribe)
        try scribe.commit()
        guard case .damage(_, _, let reason) = JournalVerify.run(storage, segmentBytes: 8192).problem else { return nil }
        return reason
    }
    func event(_ scribe: inout Scribe, sequence: UInt64, name: StringID) {
        var block = EventBlock()
        sampleEvent(1, in: &block)
        block.nameIDs[1] = name
        block.events[0].sequence = sequence
        _ = scribe.builder.writer.append(event: block.events[0], of: block, recordedAt: testStart)
        scribe.builder.eventCount += 1
        (scribe.builder.earliest, scribe.builder.latest) = (block.events[0].occurredAt, block.events[0].occurredAt)
    }
    #expect(try problem { event(&$0, sequence: 3, name: 1) } == nil)
    #expect(try problem { event(&$0, sequence: 4, name: 1) } == .eventSequence)
    #expect(try problem { event(&$0, sequence: 3, name: 55) } == .string)
    #expect(try problem { $0.builder.eventCount = 1 } == .summary)
    #expect(try problem { scribe in scribe.builder.writer.append([2, 3, 1, 1, 1]) } == .facts)
    #expect(try problem { scribe in scribe.builder.writer.append([2, 30, 1]) } == .facts)
    #expect(
        try problem { scribe in
            event(&scribe, sequence: 3, name: 1)
            scribe.builder.latest = Timestamp(nanoseconds: scribe.builder.latest.nanoseconds + 1)
        } == .summary)
}

@Test func textThatIsNotUTF8StillMakesValidLines() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.open()
    [UInt8]([0x61, 0xFF, 0x0A, 0x22]).withUnsafeBytes { scribe.builder.writer.append(stringFact: 1, $0) }
    try scribe.commit()
    #expect(try dump(storage) == "{\"fact\":\"string\",\"position\":\"1:4176\",\"id\":1,\"text\":\"a\u{FFFD}\\n\\\"\"}\n")
}
