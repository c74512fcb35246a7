// Prices of one's own: which one applies, when, and what is refused.

import Core
import Pricing
import Testing

private func book(_ text: String, name: String = "acme.toml") throws -> PriceBook {
    try Array(text.utf8).withUnsafeBytes { try PriceBook.builtIn(own: [PriceBook.Source(name: name, bytes: $0)]) }
}

private func refusal(_ text: String) -> String {
    do {
        _ = try book(text)
        return "taken"
    } catch let error as PriceBookError {
        return error.description
    } catch {
        return "\(error)"
    }
}

private let million = [line(.inputTokens, 1_000_000), line(.outputTokens, 1_000_000)]

@Test func aRowOfRatesReplacesTheCatalogueForEveryNameOfTheModel() throws {
    let book = try book(
        """
        [[price]]
        id = "acme-4o"
        model = "gpt-4o"
        rates = { input = "2.00/M", output = 8e-6, cacheRead = "0.5/M" }
        """)
    for name in ["gpt-4o", "GPT-4o", "openai/gpt-4o", "gpt-4o-2024-08-06"] {
        let priced = book.price("openai", name, million)
        #expect(priced.cost == usd("10"), "\(name)")
        #expect(book.derivation(priced.card) == "custom:acme-4o|inputTokens=2000000000|outputTokens=8000000000|cacheReadTokens=500000000")
    }
    #expect(book.price("openai", "gpt-4o-mini", million).cost == usd("0.75"))
}

@Test func aDiscountTakesItsPercentOffEveryRateOfTheCatalogue() throws {
    let book = try book(
        """
        [[price]]
        id = "all"
        discount_percent = "12.5"
        """)
    // (2.50 + 10) x 0.875; gpt-5.5 above its threshold (10 + 45) x 0.875; its batch tier (5 + 22.5) x 0.875
    #expect(book.price("openai", "gpt-4o", million).cost == usd("10.9375"))
    #expect(book.price("openai", "gpt-5.5", million).cost == usd("48.125"))
    let batch = book.price("openai", "gpt-5.5", million, tier: .batch)
    #expect(batch.cost == usd("24.0625"))
    #expect(book.derivation(batch.card).hasPrefix("custom:all|discount:12.5%|base:openai/gpt-5.5|from:"))
    // The same row resolved again is the same entry, and no new cards.
    let cards = book.cardCount
    #expect(book.resolve("openai", "gpt-5.5").entry == book.resolve("openai", "openai/gpt-5.5").entry)
    #expect(book.cardCount == cards)
}

@Test func aFlatPriceIsPerUnitOfEveryTotal() throws {
    let book = try book(
        """
        [[price]]
        id = "flat"
        feature = "summaries"
        per_unit = "0.002"
        """)
    #expect(book.price("", "", [line(.inputTokens, 3), line(.cacheReadTokens, 1)], feature: "summaries").cost == usd("0.006"))
    #expect(book.price("", "", [line(.inputTokens, 3)], feature: "other").unpriced == .noModel)
}

@Test func theMoreParticularPriceGoesFirst() throws {
    let book = try book(
        """
        [[price]]
        id = "default"
        per_unit = "1"
        [[price]]
        id = "feature"
        feature = "chat"
        per_unit = "2"
        [[price]]
        id = "model"
        model = "gpt-4o*"
        per_unit = "3"
        [[price]]
        id = "exact"
        model = "gpt-4o"
        per_unit = "4"
        [[price]]
        id = "both"
        model = "gpt-4o"
        feature = "chat"
        per_unit = "5"
        """)
    let one = [line(.inputTokens, 1)]
    #expect(book.price("openai", "gpt-4o", one, feature: "chat").cost == usd("5"))
    #expect(book.price("openai", "gpt-4o", one).cost == usd("4"))
    #expect(book.price("openai", "gpt-4o-mini", one, feature: "chat").cost == usd("3"))
    #expect(book.price("openai", "gpt-5", one, feature: "chat").cost == usd("2"))
    #expect(book.price("nobody", "nothing", one).cost == usd("1"))
}

@Test func aPriceHoldsFromItsFirstMomentUntilItsLastOneExcluded() throws {
    let book = try book(
        """
        [[price]]
        id = "summer"
        model = "gpt-4o"
        from = 2026-06-01
        until = 2026-09-01T00:00:00Z
        rates = { input = "1/M", output = "1/M" }
        [[price]]
        id = "unknown"
        model = "in-house"
        until = 2026-09-01 00:00:00Z
        rates = { input = "3/M" }
        """)
    #expect(book.price("openai", "gpt-4o", million, at: "2026-05-31T23:59:59Z").cost == usd("12.5"))
    #expect(book.price("openai", "gpt-4o", million, at: "2026-06-01T00:00:00Z").cost == usd("2"))
    #expect(book.price("openai", "gpt-4o", million, at: "2026-08-31T23:59:59Z").cost == usd("2"))
    #expect(book.price("openai", "gpt-4o", million, at: "2026-09-01T00:00:00Z").cost == usd("12.5"))
    #expect(book.price("own-gpus", "in-house", [line(.inputTokens, 1)], at: "2026-08-01T00:00:00Z").cost == usd("0.000003"))
    #expect(book.price("own-gpus", "in-house", [line(.inputTokens, 1)], at: "2026-09-01T00:00:00Z").unpriced == .unknownProvider)
}

@Test func anOwnPriceHasTiersAndThresholdsOfItsOwn() throws {
    let book = try book(
        """
        [[price]]
        id = "deal"
        provider = "openai"
        model = "gpt-5.5"
        rates = { input = "4/M", output = "20/M" }
        [[price.variant]]
        tier = "batch"
        rates = { input = "2/M", output = "10/M" }
        [[price.variant]]
        above = 272000
        rates = { input = "8/M", output = "30/M" }
        """)
    let small = [line(.inputTokens, 272_000), line(.outputTokens, 1000)]
    let large = [line(.inputTokens, 272_001), line(.outputTokens, 1000)]
    #expect(book.price("openai", "gpt-5.5", small).cost == usd("1.108"))
    #expect(book.price("openai", "gpt-5.5", large).cost == usd("2.206008"))
    #expect(book.price("openai", "gpt-5.5", large, tier: .batch).cost == usd("0.554002"))
    #expect(book.price("openai", "gpt-5.5", small, tier: .flex).flags == .tierNotPriced)
    #expect(book.price("azure", "gpt-5.5", small).cost != usd("1.108"))
}

@Test func aPricePerRequestCountsEveryEvent() throws {
    let book = try book(
        """
        [[price]]
        id = "calls"
        feature = "lookup"
        rates = { requests = "0.01" }
        """)
    #expect(book.price("", "", [], feature: "lookup").cost == usd("0.01"))
    #expect(book.price("", "", [line(.requests, 3)], feature: "lookup").cost == usd("0.03"))
}

@Test(arguments: [
    ("[[price]]\nid = \"a\"\nper_unit = 1\nmodle = \"x\"\n", "acme.toml:4: unknown key 'modle'"),
    ("[[price]]\nid = \"a\"\n", "acme.toml:2: a price has rates, a discount_percent or per_unit, and only one of them"),
    ("[[price]]\nper_unit = 1\n", "acme.toml:2: a price needs an id"),
    ("[[price]]\nid = \"a|b\"\nper_unit = 1\n", "acme.toml:2: an id has up to 64 letters, digits, '-', '_' and '.'"),
    ("[[price]]\nid = \"a\"\ndiscount_percent = 101\n", "acme.toml:3: a discount is 0 to 100 percent"),
    ("[[price]]\nid = \"a\"\nper_unit = -1\n", "acme.toml:3: per_unit: not a rate: '-1' (as in \"2.50/M\", \"0.36/h\", \"0.002\")"),
    ("[[price]]\nid = \"a\"\nrates = { tokens = 1 }\n", "acme.toml:3: rates: unknown kind of usage 'tokens'"),
    (
        "[[price]]\nid = \"a\"\nrates = { input = \"1/m\" }\n",
        "acme.toml:3: rates.input: not a rate: '1/m' (as in \"2.50/M\", \"0.36/h\", \"0.002\")"
    ),
    ("[[price]]\nid = \"a\"\nper_unit = 1\nfrom = 2026-02-01\nuntil = 2026-02-01\n", "acme.toml:2: until is not after from"),
    ("[[price]]\nid = \"a\"\nper_unit = 1\nfrom = 2026-02-30\n", "acme.toml:4: "),
    ("[[price]]\nid = \"a\"\nper_unit = 1\n[[price]]\nid = \"a\"\nper_unit = 1\n", "acme.toml: the id 'a' is given twice"),
    ("[prices]\nid = \"a\"\n", "acme.toml:2: expected [[price]], found 'prices.id'"),
    ("[[price]]\nid = \"a\"\nper_unit = \n", "acme.toml:3: "),
    (
        "[[price]]\nid = \"a\"\ndiscount_percent = 5\nper_unit = 1\n", "acme.toml:4: a discount has no price per unit"
    ),
    (
        "[[price]]\nid = \"a\"\nrates = { input = 1 }\n[[price.variant]]\nrates = { input = 1 }\n",
        "acme.toml:2: a variant needs a tier or a threshold"
    ),
])
func aWrongFileIsRefusedWithItsLine(_ text: String, _ message: String) {
    #expect(refusal(text).hasPrefix(message), "\(refusal(text))")
}
