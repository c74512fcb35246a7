// Names: numbers never change, and every segment can be read alone.

import Core
import Journal
import Ledger
import Pricing
import Testing

private func intern(_ table: inout StringTable, _ text: String, segment: UInt32) -> (StringID, Bool) {
    var defines = false
    let id = Array(text.utf8).withUnsafeBytes { table.intern($0, segment: segment, defines: &defines) }
    return (id, defines)
}

private func restore(_ table: inout StringTable, _ id: StringID, _ text: String, segment: UInt32 = 1) -> Bool {
    Array(text.utf8).withUnsafeBytes { table.restore(id, $0, segment: segment) }
}

@Test func aStringHasOneNumberForEverAndIsDefinedOncePerSegment() {
    var table = StringTable(seed: 4)
    var numbers: [String: StringID] = [:]
    for segment in 1...3 as ClosedRange<UInt32> {
        for i in 0..<5_000 {
            let text = "name-\(i)" + String(repeating: "x", count: i % 70)
            let (id, defines) = intern(&table, text, segment: segment)
            #expect(defines)
            #expect(numbers[text, default: id] == id)
            numbers[text] = id
            #expect(intern(&table, text, segment: segment) == (id, false))
            let definesAgain = table.define(id, in: segment)
            #expect(!definesAgain)
        }
    }
    #expect(table.count == 5_000 && Set(numbers.values).count == 5_000)
    for (text, id) in numbers {
        #expect(String(decoding: table.text(of: id), as: UTF8.self) == text)
        #expect(Array(text.utf8).withUnsafeBytes { table.find($0) } == id)
    }
    let absent = Array("never".utf8).withUnsafeBytes { table.find($0) }
    #expect(absent == noString)
    for id in [5_001, noString, .max] { #expect(table.text(of: id).count == 0) }
}

@Test func aDefinitionThatContradictsAnotherIsRefused() {
    var table = StringTable(seed: 4)
    #expect(restore(&table, 1, "a"))
    #expect(restore(&table, 7, "b"))
    #expect(table.nextID == 8)
    #expect(restore(&table, 1, "a", segment: 2))
    #expect(!restore(&table, 2, "a"))
    #expect(!restore(&table, 1, "b"))
    #expect(!restore(&table, 7, "c"))
    #expect(!restore(&table, noString, "d"))
    #expect(!restore(&table, StringID(Limits.internedStrings), "e"))
    #expect(!restore(&table, .max, "f"))
    #expect(String(decoding: table.text(of: 7), as: UTF8.self) == "b")
    #expect(intern(&table, "g", segment: 2).0 == 8)
}

@Test func restoredStringsSurviveGrowth() {
    var table = StringTable(seed: 4)
    for id in (1...3_000 as ClosedRange<StringID>).reversed() { #expect(restore(&table, id, "s\(id)")) }
    for id in 1...3_000 as ClosedRange<StringID> { #expect(intern(&table, "s\(id)", segment: 1) == (id, false)) }
    #expect(table.nextID == 3_001)
}

@Test func everySegmentDefinesEveryNameItUsesBeforeItsFirstUse() throws {
    var dice = Dice(21)
    let books = Books(try wholeBook())
    for round in 0..<40 {
        var events: [Sent] = []
        for _ in 0..<dice.below(60) + 1 {
            events.append(
                Sent(
                    name: "event-\(dice.below(20))", customer: "customer-\(dice.below(200))",
                    feature: dice.oneIn(2) ? "f\(dice.below(9))" : nil,
                    model: dice.pick(["plain", "gpt-4o", "claude-sonnet-4-5", "unknown"]), provider: dice.oneIn(3) ? "openai" : nil,
                    region: dice.oneIn(4) ? "eu" : nil, input: 5, output: 2))
        }
        try books.admit(events)
        if round % 7 == 3 { _ = books.ledger.register(reference: Array("registered-\(round)".utf8), details(), into: &books.batch) }
        if dice.oneIn(2) { books.turnPage(newSegment: dice.oneIn(2)) }
    }
    books.turnPage()
    let (segments, events) = books.expectSegmentsStandAlone()
    #expect(segments > 5 && events == Int(books.ledger.totalEvents))
}

private func details() -> CustomerFact {
    var fact = CustomerFact(operation: .registered, reference: noString, at: Books.now)
    fact.email = Array("a@b.example".utf8)
    return fact
}
