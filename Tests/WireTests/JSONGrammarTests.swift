// JSON is read one way: two tables of our own, Python's reader as a second opinion, and what the nodes say.

import Core
import Foundation
import Testing
import Wire

private let valid: [String] = [
    "{}", "[]", "0", "-0", "1", "-1", "1.5", "-0.0", "1e1", "1E1", "1e+1", "1e-1", "1.0e0", "0e0", "0E+00", "1e999", "-1e-999",
    "123456789012345678901234567890", "0.000000000000000000000000000001", "true", "false", "null", "\"\"", "\"a\"", " 1 ",
    "\t\n\r 1\r\n\t ",
    "[1]", "[1,2]", "[[]]", "[[],[]]", "[{}]", "[null,true,false]", "[ ]", "{ }", "[1 ,2 ]", "[ 1, 2]", "{\"a\":1}", "{\"a\" : 1}",
    "{\"a\":1,\"b\":2}",
    "{\"a\":{\"b\":{\"c\":[]}}}", "{\"\":0}", "{\"a\":1,\"a\":2}", "{\"a\":[1,{\"b\":2},[3]],\"c\":\"d\"}", "[\"a\",\"b\"]",
    "[\"a\" ,\"b\" ]",
    "\"\\\"\"", "\"\\\\\"", "\"\\/\"", "\"\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\u0041\"", "\"\\u00e9\\u00E9\"", "\"\\uD83D\\uDE00\"",
    "\"\\ud83d\\ude00\"",
    "\"\\uFFFF\"", "\"\\uDBFF\\uDFFF\"", "\"\\uD800\\uDC00\"", "\"\u{7F}\"", "\"\u{80}\u{9F}\"", "\"\u{E9}\"", "\"\u{2028}\u{2029}\"",
    "\"\u{FEFF}\"",
    "\"\u{1F600}\"", "\"\u{10FFFF}\"", "\"\u{FFFF}\"", "\"a/b\"", "\"{}[],:\"", "\"\\\\\\\"\\\\\"", "\"\\\\\"", "[\"\\\\\",\"\\\\\"]",
    "[\"\\\\\\\\\",1]",
    "[\"\\\"\",\"\\\"\"]", "{\"\\u0061\":1}", "{\"\\\"\":\"\\\"\"}", "[\"x\\u0020y\",\"plain\",\"z\\tw\"]",
    "\"" + String(repeating: "a", count: 300) + "\"",
    "\"" + String(repeating: "\\n", count: 200) + "\"", "[" + String(repeating: "1,", count: 200) + "1]",
    "[" + String(repeating: " ", count: 200) + "]",
    String(repeating: "[", count: 60) + String(repeating: "]", count: 60), "[\"" + String(repeating: "\\\\", count: 63) + "\"]",
    "[1,\n2\n,3]\n",
]

private let invalid: [String] = [
    "", " ", "\n", "{", "}", "[", "]", ",", ":", "\"", "'a'", "{]", "[}", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1]]",
    "[[1]", "[1}", "{1}",
    "{\"a\"}", "{\"a\":}", "{:1}", "{\"a\":1,}", "{,\"a\":1}", "{\"a\":1,,\"b\":2}", "{\"a\":1 \"b\":2}", "{\"a\" 1}", "{\"a\"::1}",
    "{\"a\":1:2}", "{a:1}", "{'a':1}",
    "{1:1}", "{null:1}", "{\"a\":1", "{\"a\":[}", "{\"a\":1]", "{[]:1}", "{\"a\",1}", "[\"a\":1]", "[:]", "{\"a\":1}}", "{}{}", "[][]",
    "1 2", "1,2", "{},", "[1],", "nul", "nulll",
    "Null", "NULL", "tru", "truee", "True", "fals", "falsee", "nan", "NaN", "Infinity", "-Infinity", "inf", "undefined", "None",
    "truefalse", "true false", "nullnull", "true,",
    "+1", "-", "--1", "+", "01", "-01", "00", "0123", "1.", ".1", "-.1", "1.e1", "1.5.5", "1e", "1e+", "1e-", "1E", "e1", "1ee1", "1e1.5",
    "1e1e1", "0x1", "0x", "1_000", "1,5", "- 1",
    "1 .5", "1a", "1f", "1L", "0b1", "0o7", "1/2", "\u{0661}", "\u{FF11}", "-a", "[-]", "[1.]", "[.5]", "[01]", "[1e]", "[0.1.2]", "[1+2]",
    "[1-2]", "2e\u{0661}",
    "\"a", "a\"", "\"a\"b", "\"a\" \"b\"", "\"a\"\"b\"", "\"a\"1", "1\"a\"", "true\"a\"", "\"a\"true", "[\"a\"\"b\"]", "[\"a\"1]",
    "[1\"a\"]", "{\"a\"\"b\":1}", "{\"a\"1:1}",
    "\"\\\"", "\"\\", "\"\\x41\"", "\"\\a\"", "\"\\0\"", "\"\\'\"", "\"\\v\"", "\"\\U0041\"", "\"\\u\"", "\"\\u0\"", "\"\\u00\"",
    "\"\\u004\"", "\"\\u004g\"", "\"\\u 041\"",
    "\"\\u-041\"", "\"\\u+041\"", "\"\\u00 1\"", "\"\\ \"", "\"\\\u{E9}\"", "\"\\uD800\"", "\"\\uDC00\"", "\"\\uD800\\uD800\"",
    "\"\\uDC00\\uD800\"", "\"\\uD800a\"", "\"\\uD800\\n\"",
    "\"\\uD800\\u0041\"", "\"\\uD83D\\uDE0\"", "\"\\uD83Dx\\uDE00\"", "\"\\uDFFF\"", "[\"\\uD834\\\\uDD1E\"]", "\"a\nb\"", "\"a\tb\"",
    "\"a\rb\"", "\"\u{0}\"", "\"\u{1F}\"", "\"\u{1}\"",
    "{\"a\nb\":1}", "[\"a\u{0}\"]", "\u{FEFF}1", "\u{FEFF}{}", "1\u{FEFF}", "\u{A0}1", "1\u{A0}", "\u{2028}1", "\u{B}1", "\u{C}1", "1\u{C}",
    "[1\u{C}]", "[\u{C}1]", "[1,\u{C}2]", "\u{1A}", "[\u{1A}1]",
    "{\"a\"\u{1A}1}", "{\"a\"\u{C}:1}", "[\u{0}]", "\u{0}", "1\u{0}", "{}\u{0}", "//a\n1", "/*a*/1", "1//a", "[1/*a*/]", "#a\n1",
    "{\"a\":/*b*/1}", "[1,#\n2]", "<a>", "*", "[*]", "@", "~",
    "[\u{E9}]", "[a]", "[a,b]", "[True]", "['']", "[\"]", "[\"a]", "[\"a\\\"]", "{\"a\\\":1}", "{\"a\":\"b\\\"}", "[undefined]", "[1,2",
    "{\"a\":[1,{\"b\":2]}}", "{\"a\":{\"b\":1}", "\\u005B\\u005D",
    String(repeating: "[", count: 100_000),
    String(repeating: "{\"a\":", count: 100_000),
    String(repeating: "]", count: 1000), "[" + String(repeating: "1,", count: 200) + "]", "\"" + String(repeating: "a", count: 300),
    "\"" + String(repeating: "\\\"", count: 64),
]

private let invalidBytes: [[UInt8]] = [
    [0xFF], [0x22, 0xFF, 0x22], [0x22, 0x80, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xC3, 0x28, 0x22], [0x22, 0xC0, 0xAF, 0x22],
    [0x22, 0xC1, 0xBF, 0x22],
    [0x22, 0xE0, 0x80, 0xAF, 0x22], [0x22, 0xE2, 0x28, 0xA1, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xED, 0xBF, 0xBF, 0x22],
    [0x22, 0xF0, 0x80, 0x80, 0x80, 0x22],
    [0x22, 0xF0, 0x28, 0x8C, 0xBC, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22],
    [0x22, 0xF8, 0x88, 0x80, 0x80, 0x80, 0x22],
    [0x22, 0xFC, 0x84, 0x80, 0x80, 0x80, 0x80, 0x22], [0x22, 0xFE, 0x22], [0x22, 0xF0, 0x9F, 0x98, 0x22], [0xEF, 0xBB, 0xBF],
    [0xFE, 0xFF, 0x00, 0x31], [0x31, 0x00], [0x5B, 0x31, 0xE9, 0x5D],
    [0x5B, 0xFF, 0x5D], [0x7B, 0x22, 0xE9, 0x22, 0x3A, 0x31, 0x7D], [0x31, 0xC3],
]

private func isValidUTF8(_ text: [UInt8]) -> Bool { text.withUnsafeBytes { Core.isValidUTF8($0) } }

/// One text per value, so that two readers can be compared: kinds, number texts and the bytes of strings.
private func canonical(_ value: JSONValue) -> String {
    func hex(_ bytes: [UInt8]) -> String { bytes.map { String($0, radix: 16) }.joined(separator: ".") }
    switch value.kind {
    case .object: return "{" + value.members.map { "\(hex($0.keyBytes)):\(canonical($0.value))" }.joined(separator: ",") + "}"
    case .array: return "[" + value.elements.map(canonical).joined(separator: ",") + "]"
    case .string: return "s" + hex(value.bytes)
    case .number: return "n" + (value.numberText ?? "?")
    case .true: return "t"
    case .false: return "f"
    case .null: return "0"
    }
}

private func read(_ text: [UInt8], depth: Int = 64) -> String? {
    guard let document = try? JSONDocument(text, depth: depth) else { return nil }
    return canonical(document.root)
}

@Test func validDocumentsAreAccepted() {
    for text in valid { #expect(read(bytes(text)) != nil, "\(text.debugDescription.prefix(80))") }
}

@Test func invalidDocumentsAreRefused() {
    for text in invalid { #expect(read(bytes(text)) == nil, "\(text.debugDescription.prefix(80))") }
    for text in invalidBytes { #expect(read(text) == nil, "\(text)") }
}

@Test func everyProperPrefixOfAContainerIsRefused() {
    for text in valid where text.hasPrefix("{") || text.hasPrefix("[") || text.hasPrefix("\"") {
        let all = bytes(text.trimmingCharacters(in: .whitespacesAndNewlines))
        for length in 0..<all.count { #expect(read(Array(all[0..<length])) == nil, "\(text.prefix(60)) \(length)") }
    }
}

@Test(arguments: [1, 2, 15, 16, 17, 63, 64])
func depthIsCountedExactly(_ depth: Int) {
    let arrays = bytes(String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
    let objects = bytes(String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth))
    for text in [arrays, objects] {
        #expect(read(text, depth: depth) != nil)
        if depth > 1 { #expect(read(text, depth: depth - 1) == nil) }
    }
}

@Test func noDocumentIsDeeperThanSixtyFour() {
    let text = bytes(String(repeating: "[", count: 65) + String(repeating: "]", count: 65))
    #expect(read(text, depth: 1000) == nil)
}

@Test(arguments: 1...6)
func valuesAreCountedExactly(_ values: Int) {
    // An array of n numbers is n + 1 values.
    let text = bytes("[" + Array(repeating: "1", count: values).joined(separator: ",") + "]")
    #expect((try? JSONDocument(text, values: values + 1)) != nil)
    #expect((try? JSONDocument(text, values: values)) == nil)
}

@Test func faultsSayWhereTheyAre() {
    func offset(_ text: String) -> Int? {
        do {
            _ = try JSONDocument(bytes(text))
            return nil
        } catch { return error.offset }
    }
    #expect(offset("[1,]") == 3)
    #expect(offset("{\"a\":tru}") == 5)
    #expect(offset("[1,02]") == 3)
    #expect(offset("{} x") == 3)
    #expect(offset("[\"a\\x\"]") == 3)
    #expect(offset("[\"abc\"") == 6)
    #expect(offset("[\"a\nb\"]") == 3)
    #expect(offset("[1,\"abc") == 3)
    do {
        _ = try JSONDocument([0x5B, 0x22, 0x61, 0xFF, 0x22, 0x5D])
        Issue.record("accepted")
    } catch { #expect(error.offset == 3) }
}

@Test func badUTF8IsFoundWhereItStarts() {
    for text in invalidBytes where !isValidUTF8(text) {
        do {
            _ = try JSONDocument(bytes("[\"\u{E9}\u{20AC}\u{1F600}\",") + text)
            Issue.record("accepted")
        } catch {
            // Everything before the fault is valid, and the fault is where the rest stops being so.
            let all = bytes("[\"\u{E9}\u{20AC}\u{1F600}\",") + text
            let rest = Array(all[min(error.offset, all.count)...])
            #expect(isValidUTF8(Array(all[0..<min(error.offset, all.count)])), "\(text)")
            #expect(!isValidUTF8(Array(rest.prefix(1))) && !isValidUTF8(Array(rest.prefix(4))), "\(text)")
        }
    }
}

@Test func aDocumentIsWalkedByKeyAndInOrder() throws {
    let document = try JSONDocument(
        bytes(#"{"data":{"items":[{"id":"a\u0062","n":1.50},{"id":"c","n":"2"}],"next":null,"ok":true},"x":[],"t":"2026-08-06T00:00:00Z"}"#)
    )
    let root = document.root
    let items = try #require(root["data"]?["items"])
    #expect(items.elements.map { $0["id"]?.string } == ["ab", "c"])
    #expect(items.elements.map { $0["n"]?.numberText } == ["1.50", nil])
    #expect(items.elements.map { $0["n"]?.quantity } == [Quantity(millionths: 1_500_000), Quantity(millionths: 2_000_000)])
    #expect(items.elements.map { $0["n"]?.money } == [Money(picodollars: 1_500_000_000_000), Money(picodollars: 2_000_000_000_000)])
    #expect(root["data"]?["next"]?.isNull == true)
    #expect(root["data"]?["ok"]?.bool == true)
    #expect(root["missing"] == nil)
    #expect(root["x"]?["y"] == nil)
    #expect(root.members.map(\.key) == ["data", "x", "t"])
    #expect(root["t"]?.timestamp?.description == "2026-08-06T00:00:00Z")
    #expect(Array(root["x"]!.elements.map(\.kind)) == [])
    #expect(try JSONDocument(bytes("12")).root.integer == 12)
    #expect(try JSONDocument(bytes("1.5")).root.integer == nil)
}

// MARK: a second opinion

private let python = ["/usr/bin/python3", "/usr/local/bin/python3"].first { FileManager.default.isExecutableFile(atPath: $0) }

/// Reads a line of hexadecimal per document and answers with its canonical text, or `-`.
private let secondReader = """
    import json, sys
    sys.setrecursionlimit(10000)
    def refuse(text): raise ValueError(text)
    def hexed(s): return '.'.join('%x' % b for b in s.encode('utf-8'))
    def canonical(v):
        if isinstance(v, tuple): return v[0] + v[1]
        if isinstance(v, str): return 's' + hexed(v)
        if isinstance(v, Members): return '{' + ','.join(hexed(k) + ':' + canonical(x) for k, x in v.pairs) + '}'
        if isinstance(v, list): return '[' + ','.join(canonical(x) for x in v) + ']'
        return 't' if v is True else 'f' if v is False else '0'
    class Members:
        def __init__(self, pairs): self.pairs = pairs
    number = lambda text: ('n', text)
    for line in sys.stdin:
        try:
            text = bytes.fromhex(line.strip()).decode('utf-8')
            value = json.loads(text, object_pairs_hook=Members, parse_int=number, parse_float=number, parse_constant=refuse)
            print(canonical(value))
        except Exception:
            print('-')
    """

private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

@Test(.enabled(if: python != nil)) func pythonReadsTheSame() throws {
    var documents = valid.map(bytes) + invalid.filter { $0.utf8.count < 1000 }.map(bytes) + invalidBytes
    var random = Random(state: 0x5EED)
    let alphabet = bytes("{}[]:,\"\\ \n\tu0123456789abcdefDEt.+-\u{1}\u{C}\u{1A}\u{7F}") + [0x80, 0xC3, 0xA9, 0xED, 0xFF]
    let seeds = valid.filter { $0.utf8.count < 200 }.map(bytes)
    for _ in 0..<2000 {
        var text = seeds.randomElement(using: &random)!
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let at = Int.random(in: 0...text.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: text.insert(alphabet.randomElement(using: &random)!, at: at)
            case 1 where at < text.count: text.remove(at: at)
            default: if at < text.count { text[at] = alphabet.randomElement(using: &random)! }
            }
        }
        documents.append(text)
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(python))
    process.arguments = ["-c", secondReader]
    let input = FileManager.default.temporaryDirectory.appendingPathComponent("purser-json-\(UUID().uuidString)")
    let lines = documents.map { $0.map { String(format: "%02x", $0) }.joined() }.joined(separator: "\n") + "\n"
    try lines.write(to: input, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: input) }
    process.standardInput = try FileHandle(forReadingFrom: input)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let answers = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0 && answers.count == documents.count + 1)
    var accepted = 0
    for (document, answer) in zip(documents, answers) {
        let ours = read(document) ?? "-"
        if ours != "-" { accepted += 1 }
        #expect(ours == String(answer), "\(String(decoding: document, as: UTF8.self).debugDescription)")
    }
    #expect(accepted > 300 && accepted < documents.count - 300)
}

// MARK: memory

/// Bytes that end where a page begins that may not be touched.
private func atTheEndOfAPage(_ text: [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) {
    let page = 4096
    let pages = (text.count + page - 1) / page
    let size = (pages + 1) * page
    let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(memory != MAP_FAILED)
    mprotect(memory + pages * page, page, PROT_NONE)
    let start = memory + pages * page - text.count
    text.withUnsafeBytes { start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    body(UnsafeRawBufferPointer(start: start, count: text.count))
    munmap(memory, size)
}

@Test func nothingBehindTheTextIsRead() {
    var reader = EventJSON()
    var block = EventBlock()
    for text in (valid + invalid.filter { $0.utf8.count < 1000 }).map(bytes) where !text.isEmpty {
        atTheEndOfAPage(text) { text in
            block.reset()
            _ = reader.read(text, shape: .single, into: &block)
            _ = reader.read(text, shape: .array, into: &block)
            _ = reader.read(text, shape: .ndjson, into: &block)
        }
    }
    for text in acceptedHeads.map({ bytes($0.request) }) + refusedHeads.map(\.request) {
        for length in Set([1, text.count / 3 + 1, text.count / 2 + 1, text.count]) {
            atTheEndOfAPage(Array(text[0..<length])) { text in
                var scanned = 0
                _ = HTTPRequestHead.parse(text, scanned: &scanned)
                _ = HTTPRequestHead.parse(text, scanned: &scanned)
            }
        }
    }
}
