// The examples of protocol/pricing.md are what the engine does.

import Core
import Foundation
import Pricing
import Testing

private func page() throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent("protocol/pricing.md"), encoding: .utf8)
}

@Test func theWorkedExampleOfThePageIsWhatIsStored() throws {
    let text = try page()
    let book = try PriceBook.builtIn()
    let usage = [line(.inputTokens, 2006), line(.cacheReadTokens, 1920), line(.outputTokens, 300)]
    let priced = book.price("openai", "gpt-4o-2024-08-06", usage)
    #expect(text.contains("\n    \(book.derivation(priced.card))\n"))
    #expect(text.contains("**\(priced.cost)**"))
    let derivation = Array(book.derivation(priced.card).utf8)
    let lines = try #require(derivation.withUnsafeBytes { PriceBook.lines(derivation: $0, usage: usage) })
    let rows = lines.map { "\($0.rate) | \(DecimalText.text($0.amount, places: 21)) |" }
    #expect(rows.count == 3)
    for row in rows { #expect(text.contains(row), "\(row)") }
}

@Test func theOwnPricesOfThePageAreTaken() throws {
    let text = try page()
    let toml = try #require(text.components(separatedBy: "```toml\n").last?.components(separatedBy: "```").first)
    let book = try Array(toml.utf8).withUnsafeBytes { try PriceBook.builtIn(own: [PriceBook.Source(name: "page", bytes: $0)]) }
    #expect(book.ownPriceCount == 3)
    let usage = [line(.inputTokens, 1_000_000), line(.outputTokens, 0)]
    #expect(book.price("openai", "gpt-5.5", usage, feature: "chat").cost == usd("4"))
    #expect(book.price("openai", "gpt-5.5", usage, tier: .batch, feature: "chat").cost == usd("2"))
    #expect(book.price("openai", "gpt-4o", usage, feature: "chat").cost == usd("2.1875"))
    #expect(book.price("", "", usage, feature: "lookup").cost == usd("2000"))
}
