// Decimal text: read exactly, rounded half-even once, written shortest. The oracle is Python's `decimal`.

import Core
import Testing

private func answer(_ reading: DecimalReading) -> String {
    switch reading {
    case .value(let value): String(value)
    case .malformed: "malformed"
    case .outOfRange: "range"
    }
}

private func digits(_ count: Int, _ random: inout Seeded) -> String {
    String((0..<count).map { _ in Character(String(Int.random(in: 0...9, using: &random))) })
}

/// Texts that look like numbers a client might send, and texts that nearly do.
private func decimalText(_ random: inout Seeded) -> String {
    var text = Int.random(in: 0..<4, using: &random) == 0 ? "-" : ""
    switch Int.random(in: 0..<12, using: &random) {
    case 0: text += "0"
    case 1: text += String(Int.random(in: 1...9, using: &random)) + digits(Int.random(in: 0...30, using: &random), &random)
    case 2: text += digits(Int.random(in: 0...4, using: &random), &random)
    case 3: text += ["9223372", "9223371", "9223373", "9223372036854", "9223372036855"].randomElement(using: &random)!
    default: text += String(Int.random(in: 0...99_999, using: &random))
    }
    switch Int.random(in: 0..<10, using: &random) {
    case 0: break
    case 1: text += "."
    case 2: text += "." + digits(Int.random(in: 5...11, using: &random), &random) + "5"
    case 3: text += "." + digits(12, &random) + "5" + String(repeating: "0", count: Int.random(in: 0...9, using: &random))
    case 4: text += "." + digits(12, &random) + "5" + String(repeating: "0", count: Int.random(in: 0...30, using: &random)) + "1"
    case 5: text += "." + digits(6, &random) + "5"
    case 6: text += "." + String(repeating: "9", count: Int.random(in: 1...25, using: &random))
    case 7: text += "." + digits(Int.random(in: 20...60, using: &random), &random)
    default: text += "." + digits(Int.random(in: 1...14, using: &random), &random)
    }
    switch Int.random(in: 0..<12, using: &random) {
    case 0: text += "e" + String(Int.random(in: -30...30, using: &random))
    case 1: text += "E+" + digits(Int.random(in: 1...2, using: &random), &random)
    case 2: text += "e-" + digits(Int.random(in: 1...9, using: &random), &random)
    case 3: text += "e" + digits(Int.random(in: 0...12, using: &random), &random)
    default: break
    }
    if Int.random(in: 0..<20, using: &random) == 0 {
        let at = Int.random(in: 0...text.count, using: &random)
        text.insert("+-.eE 0x_,nN".randomElement(using: &random)!, at: text.index(text.startIndex, offsetBy: at))
    }
    return text
}

@Test func readingADecimalAgreesWithPythonOnAHundredThousandTexts() throws {
    var random = Seeded(20_260_806)
    var questions: [String] = []
    for _ in 0..<100_000 { questions.append("\([0, 6, 12, 12, 12, 15].randomElement(using: &random)!) \(decimalText(&random))") }
    let answers = try Oracle.answers("reading", to: questions)
    var kinds: [String: Int] = [:]
    for (question, expected) in zip(questions, answers) {
        let parts = question.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let got = answer(DecimalText.read(String(parts[1]), places: Int(parts[0])!))
        kinds[Int64(expected) == nil ? expected : "value", default: 0] += 1
        if got != expected { Issue.record("\(question): \(got), Python says \(expected)") }
    }
    // The generator must keep reaching every verdict.
    for kind in ["value", "malformed", "range"] { #expect(kinds[kind, default: 0] > 2_000, "\(kind): \(kinds)") }
}

@Test(arguments: [
    ("0.0000000000005", "0"), ("0.0000000000015", "2"), ("0.0000000000025", "2"), ("0.0000000000035", "4"),
    ("-0.0000000000005", "0"), ("-0.0000000000015", "-2"), ("-0.0000000000025", "-2"),
    ("0.00000000000050000000000000000000000000000000000001", "1"), ("0.00000000000049999999999999999999999", "0"),
    ("0.037050000000000005", "37050000000"), ("0.1", "100000000000"), ("3e-5", "30000000"), ("1E-12", "1"), ("5e-13", "0"),
    ("9223372.036854775807", "9223372036854775807"), ("9223372.0368547758074", "9223372036854775807"),
    ("9223372.0368547758075", "range"), ("9223372.036854775808", "range"), ("-9223372.036854775807", "-9223372036854775807"),
    ("-9223372.036854775808", "range"), ("1e999999999999999999999", "range"), ("0e999999999999999999999", "0"),
    ("1e-999999999999999999999", "0"), ("18446744073709551616e-12", "range"), ("-0", "0"), ("-0.0e-3", "0"),
    ("", "malformed"), ("-", "malformed"), ("+1", "malformed"), ("01", "malformed"), ("-01", "malformed"), ("1.", "malformed"),
    (".5", "malformed"), ("1e", "malformed"), ("1e+", "malformed"), ("1.e5", "malformed"), ("0x10", "malformed"), (" 1", "malformed"),
    ("1 ", "malformed"), ("NaN", "malformed"), ("Infinity", "malformed"), ("-Infinity", "malformed"), ("1_000", "malformed"),
    ("1,5", "malformed"), ("1e5.0", "malformed"), ("\u{661}", "malformed"),
])
func amountsAtTheEdgeOfAPicodollar(_ text: String, _ expected: String) {
    #expect(answer(DecimalText.read(text, places: Money.scale)) == expected)
}

@Test func aLongTextTakesLinearTime() {
    let zeros = String(repeating: "0", count: 1_000_000)
    #expect(answer(DecimalText.read("0." + zeros + "1", places: 12)) == "0")
    #expect(answer(DecimalText.read("1" + zeros, places: 12)) == "range")
    #expect(answer(DecimalText.read("0." + zeros + "1e1000001", places: 12)) == "1000000000000")
    #expect(answer(DecimalText.read("1" + zeros + "e-1000000", places: 0)) == "1")
}

@Test func writingADecimalAgreesWithPython() throws {
    var random = Seeded(7)
    var questions: [String] = []
    var values: [(Int128, Int)] = [
        (0, 12), (1, 12), (-1, 12), (.max, 12), (.min + 1, 12), (Int128(Int64.max), 12), (Int128(Int64.min), 6), (10, 1), (-10, 1), (5, 0),
        (.max, 38), (.min + 1, 38), (1, 38), (Int128(UInt64.max), 0), (Int128(UInt64.max) + 1, 0),
    ]
    for _ in 0..<20_000 {
        let bits = Int.random(in: 1..<128, using: &random)
        let value = Int128(truncatingIfNeeded: UInt128.random(in: 0...(.max), using: &random) >> UInt128(128 - bits))
        values.append((Bool.random(using: &random) ? value : -value, [0, 4, 6, 12, 15, 20, 21, 30].randomElement(using: &random)!))
    }
    for (value, places) in values { questions.append("\(places) \(value)") }
    let answers = try Oracle.answers("writing", to: questions)
    for ((value, places), expected) in zip(values, answers) {
        let got = DecimalText.text(value, places: places)
        if got != expected { Issue.record("\(value) with \(places) places: \(got), Python says \(expected)") }
    }
}

@Test func whatIsWrittenReadsAsTheSame() {
    var random = Seeded(99)
    for _ in 0..<20_000 {
        let value = Int64.random(in: -Int64.max...Int64.max, using: &random) >> Int64.random(in: 0..<62, using: &random)
        let text = Money(picodollars: value).description
        #expect(DecimalText.read(text, places: Money.scale) == .value(value), "\(text)")
    }
}
