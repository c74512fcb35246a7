// Exactness: for random usage over every card of the catalogue, the engine, the stored derivation and an independent judge
// (oracle.py, Python's decimal) agree to the picodollar.

import Core
import Foundation
import Pricing
import Testing

private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

/// Consistent usage of the kinds that a card prices, with counts around the thresholds and fractions now and then.
private func randomUsage(_ kinds: Set<String>, _ random: inout Random) -> [UsageLine] {
    func part(of whole: Int64) -> Int64 {
        guard whole > 0 else { return 0 }
        return Bool.random(using: &random) ? 0 : Int64.random(in: 0...whole, using: &random)
    }
    func count() -> Int64 {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: 0
        case 1: Int64.random(in: 0...9, using: &random) * 1_000_000
        case 2: [199_999, 200_000, 200_001, 272_000, 272_001, 128_000].randomElement(using: &random)! * 1_000_000
        case 3: Int64.random(in: 0...9_000_000_000, using: &random)
        default: Int64.random(in: 0...400_000, using: &random) * 1_000_000
        }
    }
    var usage: [UsageLine] = []
    func put(_ kind: UsageKind, _ millionths: Int64) { usage.append(UsageLine(kind: kind, quantity: Quantity(millionths: millionths))) }
    if kinds.contains("inputTokens") {
        let input = count()
        put(.inputTokens, input)
        let read = part(of: input)
        let short = part(of: input - read)
        let long = part(of: input - read - short)
        put(.cacheReadTokens, read)
        put(.cacheWriteTokens, short)
        put(.cacheWrite1hTokens, long)
        // What is neither cached nor written is left for the modalities, and part of what is cached is of theirs too.
        let audio = part(of: input - read - short - long)
        let image = part(of: input - read - short - long - audio)
        let cachedAudio = part(of: read)
        let cachedImage = part(of: read - cachedAudio)
        put(.inputAudioTokens, audio + cachedAudio)
        put(.cacheReadAudioTokens, cachedAudio)
        put(.inputImageTokens, image + cachedImage)
        put(.cacheReadImageTokens, cachedImage)
    }
    if kinds.contains("outputTokens") {
        let output = count()
        put(.outputTokens, output)
        let audio = part(of: output)
        let image = part(of: output - audio)
        put(.outputAudioTokens, audio)
        put(.outputImageTokens, image)
        put(.reasoningTokens, part(of: output - audio - image))
    }
    for kind in [UsageKind.seconds, .characters, .pages, .webSearches, .toolCalls] where kinds.contains("\(kind.name)") {
        put(kind, Int64.random(in: 0...90, using: &random) * 500_000)
    }
    if kinds.contains("requests"), Bool.random(using: &random) { put(.requests, 2_000_000) }
    return usage.shuffled(using: &random)
}

@Test func theEngineItsDerivationAndAnIndependentJudgeAgreeOnEveryRow() throws {
    let book = try PriceBook.builtIn()
    var random = Random(state: 20_261_123)
    var questions = ""
    var answers: [Money] = []
    let times = ["2024-03-01T00:00:00Z", "2026-08-20T02:00:00Z", october, "2026-10-24T02:30:00Z", "2027-06-01T12:00:00Z"]
    for row in book.rows() {
        guard let name = row.names.first else { continue }
        let resolution = book.resolve(row.provider, name)
        for round in 0..<3 {
            let tier = round == 0 ? .standard : ServiceTier.allCases.randomElement(using: &random)!
            let time = times.randomElement(using: &random)!
            let region = ["", "eu", "us", "us-central1"].randomElement(using: &random)!
            // The card depends on the input; its kinds do not, beyond what the row's first card tells.
            let kinds = Set(row.derivations[0].split(separator: "|").compactMap { $0.split(separator: "=").first.map(String.init) })
            let usage = randomUsage(kinds, &random)
            #expect(usage.withUnsafeBufferPointer { UsageRules.inconsistent($0) } == nil)
            let priced = book.price(resolution, usage, at: time, tier: tier, region: region)
            guard priced.unpriced == .none else {
                if !usage.isEmpty { Issue.record("\(row.provider)/\(row.id): \(priced.unpriced.name)") }
                continue
            }
            let text = Array(book.derivation(priced.card).utf8)
            let lines = try #require(text.withUnsafeBytes { PriceBook.lines(derivation: $0, usage: usage) })
            #expect(lines.allSatisfy { $0.count > .zero && $0.amount == Int128($0.count.millionths) * Int128($0.rate) })
            #expect(PriceBook.cost(of: lines) == priced.cost, "\(row.provider)/\(row.id)")
            questions += String(decoding: text, as: UTF8.self) + "\t"
            questions += usage.map { "\($0.kind.name)=\($0.quantity.millionths)" }.joined(separator: ",") + "\n"
            answers.append(priced.cost)
        }
    }
    #expect(answers.count > 5000)
    let verdicts = try judge(questions)
    #expect(verdicts.count == answers.count)
    for (index, verdict) in verdicts.enumerated() where index < answers.count && verdict != answers[index].picodollars {
        Issue.record("\(questions.split(separator: "\n")[index]): \(answers[index].picodollars), judged \(verdict)")
    }
}

/// Runs oracle.py beside this file.
private func judge(_ questions: String) throws -> [Int64] {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("oracle.py")
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("purser-oracle-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let input = folder.appendingPathComponent("questions")
    try Data(questions.utf8).write(to: input)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", script.path]
    process.standardInput = try FileHandle(forReadingFrom: input)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return String(decoding: data, as: UTF8.self).split(separator: "\n").compactMap { Int64($0) }
}

@Test func noFloatingPointComesNearAPrice() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let folder = root.appendingPathComponent("Sources/Pricing")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).filter {
        $0.pathExtension == "swift"
    }
    #expect(files.count > 20)
    for file in files {
        let text = try String(contentsOf: file, encoding: .utf8)
        for type in [/\bDouble\b/, /\bFloat(?:16|32|64|80)?\b/, /\bCGFloat\b/] where text.contains(type) {
            Issue.record("\(file.lastPathComponent) speaks of floating point")
        }
    }
}
