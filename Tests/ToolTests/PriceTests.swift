import Core
import Pricing
import Testing

@testable import purser

@Suite struct PriceTests {
    private let at = Value.string("2026-10-20T12:00:00Z")

    private func costInput(_ json: String) throws -> Value { try #require(Value(json: json)) }

    @Test func aPriceIsShownLineByLine() throws {
        let input = try costInput(
            #"{"modelProvider":"openai","model":"gpt-4o-2024-08-06","inputTokens":2006,"outputTokens":300,"cacheReadTokens":1920}"#)
        let quote = try PriceQuote(input, at: at)
        #expect(quote.cost == Money(picodollars: 5_615_000_000))
        let table = PriceQuote.table(quote.lines, cost: try #require(quote.cost)).render(.plain)
        #expect(
            table == """
                usage            count   rate  per    amount
                inputTokens         86   2.5   1M   0.000215
                cacheReadTokens   1920   1.25  1M   0.0024
                outputTokens       300  10     1M   0.003
                ───────────────  ─────  ─────  ───  ────────
                cost in USD                         0.005615
                """)
        #expect(quote.json["costAmount"] == .number("0.005615"))
    }

    @Test func whatHasNoPriceSaysWhy() throws {
        let quote = try PriceQuote(try costInput(#"{"modelProvider":"openai","model":"no-such-model","inputTokens":1}"#), at: at)
        #expect(quote.cost == nil)
        #expect(quote.unpriced == .unknownModel)
        #expect(quote.text(.plain) == "no-such-model by openai: no price (unknown_model)")
    }

    @Test(arguments: [
        #"{"model":"gpt-4o","inputTokens":1,"cacheReadTokens":2}"#, #"{"model":"gpt-4o","inputTokens":-1}"#, #"{"model":7}"#,
        #"{"model":"gpt-4o","serviceTier":"gold"}"#,
    ])
    func whatCannotBeIsWrongUse(json: String) throws {
        let input = try costInput(json)
        let failure = #expect(throws: Failure.self) { try PriceQuote(input, at: at) }
        #expect(failure?.status == ExitStatus.usage)
    }

    @Test func aDerivationIsTakenApart() throws {
        let card = try #require(
            PriceCard(
                derivation: "catalogue:2026-11-23:aws/regional.m-v1:0|from:2026-10-12T00:00:00Z|tier:flex|inputTokens=5000000000|images=40")
        )
        #expect(card.names.provider == "aws")
        #expect(card.names.model == "regional.m-v1:0")
        #expect(card.conditions == ["from:2026-10-12T00:00:00Z", "tier:flex"])
        #expect(card.from == "from:2026-10-12T00:00:00Z")
        #expect(card.rate("inputTokens") == "5")
        #expect(card.rate("images") == "0.00000000000004")
        #expect(card.rate("outputTokens") == nil)
        #expect(PriceCard(derivation: "") == nil)
    }

    @Test func theListHoldsEveryRowOfTheCatalogue() throws {
        let book = try PriceList.builtIn()
        let list = PriceList(book, at: Timestamp(rfc3339: "2026-11-23T00:00:00Z")!)
        #expect(list.rows.count == book.rowCount)
        #expect(Set(list.rows.map { $0.provider + "/" + $0.model }).count == book.rowCount)
        #expect(list.rows.contains { $0.provider == "anthropic" && $0.model == "claude-opus-4-6" && $0.card.rate("inputTokens") == "5" })
        #expect(try list.canonical("bedrock", in: book) == "aws")
        #expect(throws: Failure.self) { try list.canonical("nobody", in: book) }
    }

    @Test func aModelsRatesAreListedWithTheirConditions() throws {
        let book = try PriceList.builtIn()
        let now = Timestamp(rfc3339: "2026-11-23T00:00:00Z")!
        let found = PriceRequest(provider: "openai", model: "gpt-5.5", at: now).resolve(in: book)
        let current = try #require(PriceCard.current(found, book, at: now))
        let cards = PriceCard.all(of: current.row, in: book)
        #expect(cards.contains(current))
        #expect(cards.contains { $0.conditions.contains("tier:flex") })
        #expect(cards.contains { $0.conditions.contains("above:272000") && $0.rate("inputTokens") == "10" })
        #expect(!cards.contains { $0.conditions.contains("beforeFirstRate") })
    }
}
