// The engine against the packages that the catalogue was made from: in bulk, on request, by oracle/campaign.py; and a slice of
// what they said, recorded.

import Core
import Foundation
import Pricing
import Testing

/// A question as both files write it: provider, model, time, tier, region, `kind=count` pairs.
private struct Question {
    var provider: String
    var model: String
    var time: Timestamp
    var tier: ServiceTier
    var region: String
    var usage: [UsageLine]

    init?(_ words: ArraySlice<Substring>) {
        let words = words.map(String.init)
        guard words.count == 6, let time = Timestamp(rfc3339: words[2]),
            let tier = ServiceTier.allCases.first(where: { "\($0.name)" == words[3] })
        else { return nil }
        (provider, model, self.time, self.tier, region) = (words[0], words[1], time, tier, words[4])
        usage = []
        for pair in words[5].split(separator: ",") {
            let sides = pair.split(separator: "=")
            guard sides.count == 2, let kind = kinds[String(sides[0])],
                case .value(let millionths) = DecimalText.read(String(sides[1]), places: Quantity.scale)
            else { return nil }
            usage.append(UsageLine(kind: kind, quantity: Quantity(millionths: millionths)))
        }
    }
}

/// Kinds by the names that the catalogue gives them.
private let kinds: [String: UsageKind] = Dictionary(
    uniqueKeysWithValues: UsageKind.allCases.map { kind in
        let name = "\(kind.name)"
        return (name.hasSuffix("Tokens") ? String(name.dropLast("Tokens".count)) : name, kind)
    })

private struct Answer {
    var priced: Priced
    var row: String
    var rule: MatchRule
}

private func answer(_ question: Question, _ book: PriceBook) -> Answer {
    let resolution = book.resolve(question.provider, question.model)
    let priced = Array(question.region.utf8).withUnsafeBytes { region in
        question.usage.withUnsafeBufferPointer {
            book.price(resolution, usage: $0, at: question.time, tier: question.tier, region: region)
        }
    }
    let source = book.derivation(priced.card).split(separator: "|").first ?? ""
    return Answer(priced: priced, row: String(source.dropFirst("catalogue:\(book.version):".count)), rule: resolution.match)
}

private let environment = ProcessInfo.processInfo.environment

@Test(.enabled(if: environment["PURSER_ORACLE_QUESTIONS"] != nil))
func questionsOfAFileAreAnsweredInAnother() throws {
    let book = try PriceBook.builtIn()
    let text = try String(contentsOfFile: #require(environment["PURSER_ORACLE_QUESTIONS"]), encoding: .utf8)
    var answers = ""
    for line in text.split(separator: "\n") {
        let question = try #require(Question(line.split(separator: "\t", omittingEmptySubsequences: false)[...]), "\(line)")
        let found = answer(question, book)
        answers += "\(found.priced.cost.picodollars)\t\(found.priced.unpriced.name)\t\(found.row)\t\(found.rule.name)\n"
    }
    try Data(answers.utf8).write(to: URL(fileURLWithPath: #require(environment["PURSER_ORACLE_ANSWERS"])))
}

/// A line of oracle/recorded.tsv: what a package said, what ours is to it, and the question.
private func recorded() throws -> [[Substring]] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("oracle/recorded.tsv")
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
        $0.split(separator: "\t", omittingEmptySubsequences: false)
    }
}

@Test func recordedQuestionsCostWhatThePackagesSaidOrDifferAsRecorded() throws {
    let book = try PriceBook.builtIn()
    var counts = [0, 0, 0]
    for words in try recorded() {
        let question = try #require(Question(words.dropFirst(3)), "\(words)")
        let said = usd(String(words[1]))
        let found = answer(question, book)
        let cost = found.priced.cost
        switch words[2].first {
        case "=":
            counts[0] += 1
            #expect(found.priced.unpriced == .none && cost == said, "\(words): \(cost)")
        case "~":
            counts[1] += 1
            let apart = (cost.picodollars - said.picodollars).magnitude
            #expect(found.priced.unpriced == .none && apart <= usd(String(words[2].dropFirst())).picodollars.magnitude, "\(words): \(cost)")
        default:
            counts[2] += 1
            let ours = found.priced.unpriced == .none ? nil : "\(found.priced.unpriced.name)"
            #expect(ours.map { $0 == words[2] } ?? (cost == usd(String(words[2])) && cost != said), "\(words): \(cost)")
        }
    }
    #expect(counts[0] > 2000 && counts[1] > 10 && counts[2] > 500)
}

@Test func theRecordHoldsBothPackagesAndStaysSmall() throws {
    let lines = try recorded()
    #expect(lines.filter { $0[0] == "g" }.count == 2900)
    #expect(lines.filter { $0[0] == "l" }.count == 500)
    #expect(lines.map { $0.map(\.utf8.count).reduce($0.count, +) }.reduce(0, +) < 500_000)
}
