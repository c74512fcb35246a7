// The TOML reader: exact text, paths and lines, and errors that name the place.

import Testing
import Toml

private func parse(_ text: String) throws(TomlError) -> [TomlItem] { try TomlDocument.parse(Array(text.utf8), name: "file.toml") }

@Test func aValueKeepsItsPathKindTextAndLine() throws {
    let items = try parse(
        """
        listen = ["unix:/run/a.sock", "tcp:127.0.0.1:7787"]
        empty = []

        [[price]]
        id = "x"
        [price.rates]
        input = 2.50
        on = true
        """)
    #expect(
        items == [
            TomlItem(path: ["empty"], kind: .emptyArray, text: "", line: 2),
            TomlItem(path: ["listen", "0"], kind: .string, text: "unix:/run/a.sock", line: 1),
            TomlItem(path: ["listen", "1"], kind: .string, text: "tcp:127.0.0.1:7787", line: 1),
            TomlItem(path: ["price", "0", "id"], kind: .string, text: "x", line: 5),
            TomlItem(path: ["price", "0", "rates", "input"], kind: .float, text: "2.50", line: 7),
            TomlItem(path: ["price", "0", "rates", "on"], kind: .boolean, text: "true", line: 8),
        ])
    #expect(items[4].dotted == "price.0.rates.input")
}

@Test(arguments: [
    ("0.1", "0.1"), ("0.10000000000000000555", "0.10000000000000000555"), ("1_000.000_1", "1000.0001"), ("+2.5", "2.5"),
    ("1e-7", "1e-7"), ("-3.25", "-3.25"),
])
func aFloatIsTheCharactersOfTheFile(_ written: String, _ text: String) throws {
    #expect(try parse("a = \(written)").first?.text == text)
    #expect(try parse("a = \(written) # behind").first?.text == text)
    #expect(try parse("b = { \"grün €\" = 'äöü', a = \(written), c = [1] }").first { $0.path == ["b", "a"] }?.text == text)
    #expect(try parse("a = [1.5, \(written), 2.5]\r\n").first { $0.path == ["a", "1"] }?.text == text)
}

@Test(arguments: ["2026-08-17", "2026-08-17T01:02:03Z", "2026-08-17T01:02:03.5+08:00", "2026-08-17 01:02:03Z"])
func aDateIsTheCharactersOfTheFile(_ written: String) throws {
    let item = try parse("# comment\n  from = \(written)   # behind").first
    #expect(item == TomlItem(path: ["from"], kind: .datetime, text: written, line: 2))
}

@Test func anIntegerIsDecimalHoweverItIsWritten() throws {
    #expect(try parse("a = 0x1F\nb = 1_000\nc = -7").map(\.text) == ["31", "1000", "-7"])
}

@Test func whatIsNotTomlIsRefusedWithItsLine() {
    #expect(throws: TomlError.self) { try parse("a = 1\nb = \n") }
    do {
        _ = try parse("a = 1\na = 2\n")
        Issue.record("a key given twice was taken")
    } catch {
        #expect(error.line == 2)
        #expect(error.name == "file.toml")
        #expect(error.description.hasPrefix("file.toml:2:"))
    }
}

@Test func bytesThatAreNotUTF8AreRefused() {
    #expect(throws: TomlError.self) { try TomlDocument.parse([0x61, 0x3D, 0x22, 0xFF, 0x22], name: "x") }
}

@Test func nestingBeyondTheParsersBoundIsRefused() {
    #expect(throws: TomlError.self) { try parse("a = " + String(repeating: "[", count: 10_000)) }
}

@Test func keysThatNestTooDeepAreRefusedBeforeTheyAreRead() {
    let deep = String(repeating: "a.", count: 500_000)
    #expect(throws: TomlError.self) { try parse(deep + "a = 1") }
    #expect(throws: TomlError.self) { try parse("[" + deep + "a]\n") }
}

@Test func aLongNameIsNotGivenOutForEveryValueBelowIt() {
    let values = (0..<10_000).map { "k\($0) = 1\n" }.joined()
    #expect(throws: TomlError.self) { try parse("[" + String(repeating: "n", count: 1_000_000) + "]\n" + values) }
}

@Test func aLongLineIsReadOnce() throws {
    let items = try parse("a = [\"ä\", " + String(repeating: "1e5, ", count: 200_000) + "2026-01-02]")
    #expect(items.count == 200_002 && items.last?.text == "2026-01-02" && items[200_000].text == "1e5")
}

@Test func anEmptyDocumentHasNoValues() throws {
    #expect(try parse("").isEmpty)
    #expect(try parse("[table]\n") == [TomlItem(path: ["table"], kind: .emptyTable, text: "", line: 1)])
}

/// toml++ takes for granted that a key follows a bracket.
@Test(arguments: ["[*", "[[*]]", "[=]", "a = 1\n[.]\n", "a = \"\"\"\n[*\n\"\"\"\nb = 1\n[ ?x]\nc = 2"])
func aTextThatItsReaderDidNotForeseeIsRefusedWithItsLine(_ text: String) {
    let error = #expect(throws: TomlError.self) { try parse(text) }
    let line = 1 + (text.split(separator: "\n").lastIndex { $0.hasPrefix("[") } ?? 0)
    #expect(error?.line == line)
}
