// The engine's rules: what is missing, what overflows, what crosses, what is flagged.

import Core
import Testing

@testable import Pricing

@Test func usageThatIsMissingIsNotZero() throws {
    let book = try PriceBook.builtIn()
    #expect(book.price("openai", "gpt-4o", []).unpriced == .noUsage)
    let zero = book.price("openai", "gpt-4o", [line(.inputTokens, 0), line(.outputTokens, 0)])
    #expect(zero.unpriced == .none)
    #expect(zero.cost == .zero)
}

@Test func aKindWithoutARateLeavesTheEventUnpriced() throws {
    let book = try PriceBook.builtIn()
    #expect(book.price("openai", "text-embedding-3-small", [line(.inputTokens, 7), line(.outputTokens, 1)]).unpriced == .noRate)
    #expect(book.price("openai", "text-embedding-3-small", [line(.inputTokens, 7), line(.outputTokens, 0)]).cost == usd("0.00000014"))
    #expect(book.price("openai", "gpt-4o", [line(.inputTokens, 7), line(.seconds, 1)]).unpriced == .noRate)
}

@Test func aPartWithoutARateIsChargedWithItsTotal() throws {
    let book = try PriceBook.builtIn()
    // chatgpt-4o-latest has no cache rate; claude-3-haiku on Bedrock neither.
    let all = book.price("openai", "chatgpt-4o-latest", [line(.inputTokens, 100), line(.outputTokens, 10)]).cost
    let parts = [
        line(.inputTokens, 100), line(.cacheReadTokens, 60), line(.inputAudioTokens, 50), line(.outputTokens, 10),
        line(.reasoningTokens, 5),
    ]
    #expect(book.price("openai", "chatgpt-4o-latest", parts).cost == all)
}

@Test func anHourLongWriteWithoutARateCostsWhatAShortOneCosts() throws {
    let book = try custom("rate input=1/M output=1/M cacheWrite=2/M")
    let usage = [line(.inputTokens, 10_000_000), line(.cacheWriteTokens, 1_000_000), line(.cacheWrite1hTokens, 3_000_000)]
    // 6 at 1, 4 at 2
    #expect(book.price("p", "m", usage).cost == usd("14"))
}

@Test func cachedAudioIsTakenOutOfBothThatHoldIt() throws {
    let book = try custom("rate input=1/M output=1/M cacheRead=0.1/M inputAudio=10/M cacheReadAudio=3/M")
    // 10 million: 6 cached, of which 2 audio; 5 audio, of which 2 cached. 1 text at 1, 4 cached text at 0.1, 3 audio at 10, 2 at 3.
    let usage = [line(.inputTokens, 10e6), line(.cacheReadTokens, 6e6), line(.inputAudioTokens, 5e6), line(.cacheReadAudioTokens, 2e6)]
    #expect(book.price("p", "m", usage).cost == usd("37.4"))
    // Not reported, it is what must be both: 6 + 5 - 10 = 1. 0 text, 5 at 0.1, 4 at 10, 1 at 3.
    #expect(book.price("p", "m", Array(usage.dropLast())).cost == usd("43.5"))
}

@Test func amountsBeyondTheRangeAreUnpricedAndNeverTrap() throws {
    let book = try custom("rate input=1000 output=1000")
    let most = Quantity(millionths: .max)
    for kind in UsageKind.allCases {
        let usage = [UsageLine](repeating: UsageLine(kind: kind, quantity: most), count: Limits.usageLines)
        let priced = book.price("p", "m", usage)
        #expect(priced.unpriced == .outOfRange || priced.unpriced == .noRate, "\(kind)")
    }
    #expect(book.price("p", "m", [line(.inputTokens, 9223)]).cost == usd("9223000"))
    #expect(book.price("p", "m", [line(.inputTokens, 9224)]).unpriced == .outOfRange)
    #expect(book.price("p", "m", [line(.inputTokens, -1)]).unpriced == .outOfRange)
    let many = [UsageLine](repeating: line(.inputTokens, 1), count: Limits.usageLines + 1)
    #expect(book.price("p", "m", many).unpriced == .outOfRange)
}

@Test func halfAPicodollarGoesToTheEvenOne() throws {
    let book = try custom("rate input=0.0000000000005 output=0.0000000000015")
    #expect(book.price("p", "m", [line(.inputTokens, 1)]).cost == Money(picodollars: 0))
    #expect(book.price("p", "m", [line(.outputTokens, 1)]).cost == Money(picodollars: 2))
    // Rounded once, not line by line: 0.5 + 1.5
    #expect(book.price("p", "m", [line(.inputTokens, 1), line(.outputTokens, 1)]).cost == Money(picodollars: 2))
}

@Test func aTierThatTheRowDoesNotPriceIsStandardAndFlagged() throws {
    let book = try PriceBook.builtIn()
    let usage = [line(.inputTokens, 1000), line(.outputTokens, 100)]
    let standard = book.price("openai", "chatgpt-4o-latest", usage)
    let batch = book.price("openai", "chatgpt-4o-latest", usage, tier: .batch)
    #expect(batch.cost == standard.cost)
    #expect(batch.flags == .tierNotPriced)
    #expect(batch.card != standard.card)
    #expect(book.derivation(batch.card).contains("|tierNotPriced|"))
    #expect(standard.flags == [])
}

@Test func aProviderThatFallsBackHasTheMakersStandardRates() throws {
    let book = try PriceBook.builtIn()
    let usage = [line(.inputTokens, 1000), line(.outputTokens, 100)]
    let azure = book.price("azure", "gpt-5", usage, tier: .batch)
    #expect(azure.cost == book.price("openai", "gpt-5", usage).cost)
    #expect(azure.flags == [.providerFallback, .tierNotPriced])
    #expect(String(decoding: book.resolve("azure", "gpt-5").provider, as: UTF8.self) == "azure")
}

@Test func beforeItsFirstRateARowHasThatRateAndAFlag() throws {
    let book = try custom("rate from=2026-01-01 input=1/M output=1/M\nrate from=2026-02-01T12:00:00Z input=2/M output=2/M")
    let usage = [line(.inputTokens, 1_000_000)]
    let before = book.price("p", "m", usage, at: "2025-12-31T23:59:59Z")
    #expect(before.cost == usd("1"))
    #expect(before.flags == .beforeFirstRate)
    #expect(book.price("p", "m", usage, at: "2026-01-01T00:00:00Z").flags == [])
    #expect(book.price("p", "m", usage, at: "2026-02-01T11:59:59Z").cost == usd("1"))
    #expect(book.price("p", "m", usage, at: "2026-02-01T12:00:00Z").cost == usd("2"))
}

@Test func aWindowCombinesDaysHoursZoneAndDates() throws {
    let book = try custom(
        """
        rate input=1/M
        rate from=2026-03-01 days=1-5 hours=22:00-02:00 zone=+02:00 input=5/M
        rate from=2026-03-01 input=2/M
        """)
    func cost(_ time: String) -> Money { book.price("p", "m", [line(.inputTokens, 1_000_000)], at: time).cost }
    // 2026-03-06 is a Friday.
    #expect(cost("2026-02-27T20:30:00Z") == usd("1"))
    #expect(cost("2026-03-06T19:59:59Z") == usd("2"))
    #expect(cost("2026-03-06T20:00:00Z") == usd("5"))
    #expect(cost("2026-03-06T21:59:59Z") == usd("5"))
    // Midnight of Saturday there.
    #expect(cost("2026-03-06T22:00:00Z") == usd("2"))
    #expect(cost("2026-03-08T22:30:00Z") == usd("5"))
    #expect(cost("2026-03-09T00:00:00Z") == usd("2"))
}

@Test func thresholdsRegionsAndTiersMultiplyOut() throws {
    let book = try custom(
        """
        region global=1 *=1.1
        minimum seconds=10
        rate tier=batch input=1/M seconds=1
        rate above=100 input=4/M seconds=1
        rate input=2/M seconds=1
        """)
    func cost(_ tokens: Double, _ tier: ServiceTier, _ region: String) -> Money {
        book.price("p", "m", [line(.inputTokens, tokens)], tier: tier, region: region).cost
    }
    #expect(cost(100, .standard, "") == usd("0.0002"))
    #expect(cost(101, .standard, "") == usd("0.000404"))
    #expect(cost(101, .standard, "us-central1") == usd("0.0004444"))
    #expect(cost(101, .standard, "GLOBAL") == usd("0.000404"))
    #expect(cost(101, .batch, "us-central1") == usd("0.0001111"))
    #expect(book.price("p", "m", [line(.seconds, 0.5)], region: "eu").cost == usd("10"))
}

@Test func everyDerivationSaysWhereItComesFrom() throws {
    let book = try PriceBook.builtIn()
    let priced = book.price(
        "openai", "gpt-5.5", [line(.inputTokens, 300_000), line(.outputTokens, 10)], tier: .flex, region: "eu")
    #expect(
        book.derivation(priced.card)
            == "catalogue:\(book.version):openai/gpt-5.5|from:2026-10-14T00:00:00Z|tier:flex|above:272000|region:eu*1.1"
            + "|inputTokens=5500000000|outputTokens=24750000000|cacheReadTokens=550000000"
            + "|webSearches=10000000000000|toolCalls=2500000000000"
    )
    #expect(priced.card >= 0 && Int(priced.card) < book.cardCount)
    #expect(book.derivation(-1).isEmpty)
    #expect(book.derivation(.max).isEmpty)
}

@Test func whatIsNoDerivationHasNoLines() {
    for text in ["", "x", "x|", "catalogue:v:p/m", "s|inputTokens=", "s|inputTokens=-1", "s|inputTokens=1|inputTokens=1", "|inputTokens=1"]
    {
        let lines = Array(text.utf8).withUnsafeBytes { PriceBook.lines(derivation: $0, usage: [line(.inputTokens, 1)]) }
        #expect(lines == nil, "\(text)")
    }
}

@Test func aWrongCatalogueIsRefusedWithItsLine() {
    let wrong: [(text: String, message: String)] = [
        ("provider p\nmodel m\nnames m\n", "c:3: the row before has no standard rate"),
        ("provider p\nmodel m\nrate tier=batch input=1\n", "c:3: the row before has no standard rate"),
        (
            "provider p\nmodel m\nrate input=1\nrate from=2026-01-01 tier=flex input=1\nrate from=2026-02-01 input=1\n",
            "c:5: the period before has no standard rate"
        ),
        ("provider p\nmodel m\nrate from=2026-02-01 input=1\nrate from=2026-01-01 input=1\n", "c:4: dates must ascend"),
        ("provider p\nmodel m\nrate input=1x\n", "c:3: not a rate: input=1x"),
        ("provider p\nmodel m\nrate input=1 input=1\n", "c:3: not a rate: input=1"),
        ("provider p\nmodel m\nrate inputs=1\n", "c:3: unknown condition 'inputs'"),
        ("provider p\nmodel m\nnames a\nrate input=1\nmodel n\nnames A\n", "c:6: name 'A' is given twice"),
        ("provider p\nmode m\n", "c:2: unknown word 'mode'"),
        ("rate input=1\n", "c:1: no model yet"),
        ("provider p\nfallback q\nmodel m\nrate input=1\n", "p: falls back to 'q', which is not in the catalogue"),
        ("", "c: no provider"),
    ]
    for (text, message) in wrong {
        do {
            _ = try catalogue(text)
            Issue.record("taken: \(text)")
        } catch let error as PriceBookError {
            #expect(error.description == message)
        } catch {
            Issue.record("\(error)")
        }
    }
}

@Test func everyKindHasTheTagOfItsPlaceAndEveryFieldAPlace() {
    for (index, kind) in UsageKind.allCases.enumerated() { #expect(kind.tag == index) }
    #expect(UsageKind.allCases.count == Tags.count)
    #expect(UsageKind.seconds.tag == Tags.seconds && UsageKind.requests.tag == Tags.requests)
    #expect(UsageKind.searchUnits.tag == Tags.searchUnits && UsageKind.pages.tag == Tags.pages)
    #expect(UsageField.allCases.count <= 64)
    #expect(MemoryLayout<Card>.stride == 64)
    for (path, field) in UsageField.paths {
        #expect(Array(path.utf8).withUnsafeBytes { UsageField.named($0) } == field, "\(path)")
    }
}

@Test(arguments: [
    ("2.5/M", 2_500_000_000), ("0.01", 10_000_000_000_000), ("10/k", 10_000_000_000_000), ("0.36/h", 100_000_000_000),
    ("0.04/h", 11_111_111_111), ("0.006/min", 100_000_000_000), ("0", 0), ("1e-15", 1), ("6e-16", 1), ("1000", 1_000_000_000_000_000_000),
])
func aRateIsReadExactly(_ text: String, _ rate: Int64) {
    #expect(Array(text.utf8).withUnsafeBytes { RateText.read($0) } == rate)
}

@Test(arguments: ["", "/M", "-1", "1/", "1/m", "1/G", "+1", "01", "1000.1", "1 /M", "nan", "inf", "9e99", "4e-16", "1e-400"])
func whatIsNoRateIsRefused(_ text: String) {
    #expect(Array(text.utf8).withUnsafeBytes { RateText.read($0) } == nil)
}

/// A catalogue of one file.
func catalogue(_ text: String) throws -> PriceBook {
    try Array(text.utf8).withUnsafeBytes { try PriceBook(catalogue: [PriceBook.Source(name: "c", bytes: $0)]) }
}

/// A catalogue of one row, `m` of provider `p`.
func custom(_ rates: String) throws -> PriceBook { try catalogue("version 1\nprovider p\nmodel m\nnames m\n\(rates)\n") }
