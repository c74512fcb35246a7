// What the two sources of the catalogue do not agree on, kept beside it.

import Core
import Testing

@testable import Pricing

@Test func everyDisagreementIsAboutARateThatTheCatalogueHas() throws {
    let book = try PriceBook.builtIn()
    let all = Disagreements.all()
    #expect(all.count > 100)
    var seen: Set<String> = []
    for each in all {
        #expect(seen.insert("\(each.provider) \(each.model) \(each.kind)").inserted, "\(each) twice")
        #expect(each.chosenSource == "genai-prices" && each.otherSource == "litellm")
        let chosen = try #require(Array(each.chosenRate.utf8).withUnsafeBytes { RateText.read($0) })
        let other = try #require(Array(each.otherRate.utf8).withUnsafeBytes { RateText.read($0) })
        #expect(chosen != other, "\(each)")
        // The name leads to a row whose standard rate is the chosen one, on the day the catalogue was made.
        let kind = try #require(UsageKind.allCases.first { "\($0.name)" == each.kind + "Tokens" })
        let priced = book.price(each.provider, each.model, [line(.inputTokens, 0)], at: book.version + "T00:00:00Z")
        #expect(book.derivation(priced.card).contains("|\(kind.name)=\(chosen)"), "\(each): \(book.derivation(priced.card))")
    }
}

@Test func aLineThatIsNoDisagreementIsSkipped() {
    let text = "# p m input a 1/M b 2/M\np m input a 1/M b\n\np m input a 1/M b 2/M\np m n input a 1/M b 2/M\n"
    #expect(
        Array(text.utf8).withUnsafeBytes { Disagreements.read($0) }
            == [
                Disagreement(
                    provider: "p", model: "m", kind: "input", chosenSource: "a", chosenRate: "1/M", otherSource: "b", otherRate: "2/M")
            ])
}
