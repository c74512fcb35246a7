// protocol/journal.md against the code: the example there is what is written, byte for byte, and its decision table is the
// one in Recovery.swift, each row of which has a test with the row's letter in its name.

import Core
import Foundation
import Journal
import Testing

private func source(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
}

/// Lines of sixteen bytes: offset, then the bytes in hexadecimal.
private func hexLines(_ bytes: ArraySlice<UInt8>) -> [String] {
    stride(from: bytes.startIndex, to: bytes.endIndex, by: 16).map { start in
        let row = bytes[start..<min(start + 16, bytes.endIndex)]
        return String(format: "%08x ", start) + row.map { String(format: " %02x", $0) }.joined()
    }
}

@Test func theExampleOnThePageIsWhatIsWritten() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    scribe.time = 1_790_000_000_000_000_000 - 1_000_000 + 250_000_000
    try scribe.open()
    scribe.define(1, "chat")
    scribe.define(2, "acme")
    scribe.define(3, "gpt-4o")
    scribe.define(4, "2026-09-01|2.5/M")
    var block = EventBlock()
    var event = EventRecord()
    event.key = Array("order-17".utf8).withUnsafeBytes { block.add(text: $0) }
    for id in 1...3 {
        let index = block.add(name: TextRef.empty)
        block.nameIDs[Int(index)] = StringID(id)
    }
    (event.eventName, event.customer, event.model) = (1, 2, 3)
    event.occurredAt = Timestamp(nanoseconds: 1_790_000_000_000_000_000)
    event.flags = EventRecord.hasOccurredAt
    block.add(usage: UsageLine(kind: .inputTokens, quantity: Quantity(whole: 1000)!))
    event.usageCount = 1
    event.cost = Money(picodollars: 2_500_000_000)
    event.price = 4
    event.match = .exact
    block.add(event)
    _ = scribe.add(&block)
    try scribe.commit()
    let file = try #require(storage.image[SegmentFormat.fileName(1)])
    let page = try source("protocol/journal.md")
    for line in hexLines(file[0..<80]) + hexLines(file[4096..<Int(scribe.writer.tail.offset)]) {
        #expect(page.contains(line), "\(line)")
    }
}

@Test func theDecisionTableOnThePageIsTheOneInTheCode() throws {
    let page = try source("protocol/journal.md")
    var letters: [Character] = []
    for line in try source("Sources/Journal/Recovery.swift").split(separator: "\n") {
        guard line.hasPrefix("//   "), line.dropFirst(6).hasPrefix("  "), let letter = line.dropFirst(5).first else { continue }
        let cells = line.dropFirst(8).replacingOccurrences(of: "  +", with: "\t", options: .regularExpression).split(separator: "\t")
        try #require(cells.count == 2, "\(line)")
        letters.append(letter)
        #expect(page.contains("| \(letter) | \(cells[0]) | \(cells[1]) |"), "row \(letter)")
    }
    #expect(letters == Array("ABCabcdefghiDEFGHIJKLMNOPQRSTUVWX"))

    var tested: Set<Character> = []
    for line in try source("Tests/JournalTests/DamageTests.swift").split(separator: "\n") {
        if let name = line.firstMatch(of: /@Test func rows([A-Z])([A-Z])?And([A-Z])/) {
            tested.formUnion([name.1, name.2, name.3].compactMap { $0?.first })
        } else if let name = line.firstMatch(of: /@Test func row([A-Z])/) {
            tested.formUnion(name.1)
        }
    }
    for line in try source("Tests/JournalTests/CondenserTests.swift").split(separator: "\n") {
        guard let name = line.firstMatch(of: /@Test func condensedRows([A-I])To([A-I])/) else { continue }
        let rows: [Character] = Array("abcdefghi")
        guard let from = rows.firstIndex(of: Character(name.1.lowercased())), let to = rows.firstIndex(of: Character(name.2.lowercased()))
        else { continue }
        tested.formUnion(rows[from...to])
    }
    #expect(tested == Set(letters))
}

/// The grammar names every type of fact by its number, and its headers are as long as their offset tables say.
@Test func theGrammarOnThePageIsWhole() throws {
    let page = try source("protocol/journal.md")
    let start = try #require(page.range(of: "## Grammar"))
    let end = try #require(page.range(of: "## Files"))
    let grammar = String(page[start.upperBound..<end.lowerBound])
    var named: [UInt8] = []
    for match in grammar.matches(of: /(?m)^    ([a-z-]+) += %x([0-9A-F]{2}) length/) {
        let number = try #require(UInt8(match.2, radix: 16))
        named.append(number)
        let name = "\(try #require(FactType(rawValue: number)).name)"
        #expect(match.1.filter { $0 != "-" } == name.lowercased(), "type \(number)")
    }
    // What stands in condensed files only is on the page of retention.
    #expect(named == FactType.allCases.map(\.rawValue).filter { $0 < FactType.place.rawValue })
    let sizes = ["crc": 4, "u16": 2, "u32": 4, "u64": 8, "time": 8, "journal-id": 16, "%xFF": 1, "%s\"PurserJ\"": 7, "%s\"PB1\"": 3]
    for (rule, length) in [("header-block", SegmentFormat.headerBytes), ("batch-header", BatchBuilder.headerBytes)] {
        let line = try #require(grammar.split(separator: "\n").first { $0.hasPrefix("    \(rule) ") })
        var sum = 0
        for field in line.split(separator: "=")[1].split(separator: " ") {
            if let zeros = field.wholeMatch(of: /([0-9]+)%x00/) {
                sum += Int(zeros.1) ?? 0
            } else {
                sum += try #require(sizes[String(field)], "\(field)")
            }
        }
        #expect(sum == length, "\(rule)")
    }
}
