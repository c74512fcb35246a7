// A million operations on amounts, each with the result that Python's decimal gives it: to the last digit, or the same refusal.
//
// `PURSER_DECIMAL_CASES` names a file of more of them, such as `.ci/decimal-cases` makes from CPython's own test data.

import Core
import Foundation
import Testing

/// Fields of a line of ASCII, split without making a String of each.
private struct Operation {
    var name: Substring
    var a: Substring
    var b: Substring
    var result: Substring

    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        guard fields.count == 4 else { return nil }
        (name, a, b, result) = (fields[0], fields[1], fields[2], fields[3])
    }

    private func amount(_ text: Substring) -> MoneyTotal? { Int64(text).map { MoneyTotal(Money(picodollars: $0)) } }

    private func amount(reading text: Substring) -> Money? {
        guard case .value(let value) = DecimalText.read(String(text), places: Money.scale) else { return nil }
        return Money(picodollars: value)
    }

    private func sum(_ x: Money?, _ y: Money?, _ sign: Int64) -> String? {
        guard let x, let y else { return nil }
        var total = MoneyTotal(x)
        total += Money(picodollars: sign * y.picodollars)
        return String(total.picodollars)
    }

    private func order(_ x: Money?, _ y: Money?) -> String? {
        guard let x, let y else { return nil }
        return x < y ? "-1" : x == y ? "0" : "1"
    }

    /// What Purser makes of it; nil for an operand that cannot be read.
    var answer: String? {
        switch name {
        case "add", "subtract":
            guard var total = amount(a), let other = amount(b) else { return nil }
            if name == "add" { total += other } else { total = total - other }
            return String(total.picodollars)
        case "compare": return order(Int64(a).map(Money.init(picodollars:)), Int64(b).map(Money.init(picodollars:)))
        case "multiply":
            guard let units = Int64(a), let rate = Int64(b) else { return nil }
            return String(divideHalfEven(Int128(units) * Int128(rate), by: 1_000_000_000))
        case "ratio":
            guard let numerator = amount(a), let divisor = amount(b) else { return nil }
            return numerator.ratio(to: divisor, places: 4).map { String($0) }
        case "read":
            guard let places = Int(a) else { return nil }
            switch DecimalText.read(String(b), places: places) {
            case .value(let value): return String(value)
            case .outOfRange: return "range"
            case .malformed: return "malformed"
            }
        case "write":
            guard let places = Int(a), let value = Int128(String(b)) else { return nil }
            return DecimalText.text(value, places: places)
        case "addText": return sum(amount(reading: a), amount(reading: b), 1)
        case "subtractText": return sum(amount(reading: a), amount(reading: b), -1)
        case "compareText": return order(amount(reading: a), amount(reading: b))
        default: return nil
        }
    }
}

/// Judges a file of operations; how many there were of each name.
private func judge(_ file: URL) throws -> [Substring: Int] {
    var counts: [Substring: Int] = [:]
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
        guard let operation = Operation(line), operation.answer == String(operation.result) else {
            Issue.record("\(line): \(Operation(line)?.answer ?? "no answer")")
            if counts.count > 20 { return counts }
            continue
        }
        counts[operation.name, default: 0] += 1
    }
    return counts
}

private func operations(_ arguments: [String]) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("purser-operations-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let out = folder.appendingPathComponent("operations")
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    let script = Oracle.script.deletingLastPathComponent().appendingPathComponent("operations.py").path
    python.arguments = ["-I", script, out.path] + arguments
    python.standardInput = FileHandle.nullDevice
    try python.run()
    python.waitUntilExit()
    guard python.terminationStatus == 0 else { throw Oracle.Failed(description: "python3 ended with \(python.terminationStatus)") }
    return out
}

/// Four parts, which run side by side.
@Test(arguments: [1, 2, 3, 4]) func aMillionOperationsAgreeWithPython(_ seed: Int) throws {
    let file = try operations(["\(20_261_126 + seed)", "250000"])
    defer { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }
    let counts = try judge(file)
    #expect(counts.values.reduce(0, +) == 250_000)
    for name in ["add", "subtract", "compare", "multiply", "ratio", "read", "write"] { #expect(counts[name[...], default: 0] > 20_000) }
}

@Test(.enabled(if: ProcessInfo.processInfo.environment["PURSER_DECIMAL_CASES"] != nil)) func casesOfOthersAgree() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["PURSER_DECIMAL_CASES"])
    let file = try operations(["decimaltestdata", folder])
    defer { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }
    let counts = try judge(file)
    print("decimaltestdata: \(counts.values.reduce(0, +)) rows: \(counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
    #expect(counts.values.reduce(0, +) > 1_000)
}
