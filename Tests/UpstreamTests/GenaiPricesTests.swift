import Foundation
import Pricing
import Testing

@testable import Upstream

/// What the tests lay lists over: the built-in catalogue, or some of its providers.
enum Base {
    static func fixture(_ name: String) throws -> [UInt8] {
        let url = try #require(Bundle.module.url(forResource: "fixtures/" + name, withExtension: nil))
        return [UInt8](try Data(contentsOf: url))
    }

    static func builtIn(_ providers: Set<String>) throws -> CatalogueDocument {
        var document = try CatalogueDocument(CatalogueBundle.builtIn())
        document.providers.removeAll { !providers.contains($0.id) }
        return document
    }

    /// A catalogue of one provider.
    static func catalogue(_ rows: String, provider: String = "acme") -> [UInt8] {
        Array("version 2026-11-23\nprovider \(provider)\nsource genai-prices 0.2.3 (MIT)\nalias acme-ai\nmaker acme-*\n\(rows)\n".utf8)
    }

    static func update(_ base: [UInt8], _ list: String) throws -> UpdatedCatalogue {
        try Upstream.update(base: base, upstream: Array(list.utf8), day: "2026-11-24")
    }

    /// The list of one model, laid over a catalogue; the lines of its row.
    static func row(_ model: String, over base: [UInt8]) throws -> [String] {
        let list = #"[{"id":"acme","name":"Acme","api_pattern":"x","models":[\#(model)]}]"#
        let text = String(decoding: try update(base, list).bundle, as: UTF8.self)
        let lines = text.split(separator: "\n").map(String.init)
        return Array(lines.drop { !$0.hasPrefix("model ") })
    }

    static func row(_ model: String) throws -> [String] {
        Array(try row(model, over: catalogue("model z\nnames z\nrate input=1/M\n")))
    }
}

@Suite struct GenaiPricesTests {
    static let providers: Set<String> = ["anthropic", "deepseek", "groq", "perplexity", "x-ai"]

    @Test func theListThatTheCatalogueWasMadeFromChangesNothing() throws {
        let base = try Base.builtIn(GenaiPricesTests.providers)
        let updated = try Upstream.update(
            base: base.bundle, upstream: try Base.fixture("genai-prices-0.2.3.json"), day: "2026-11-24")
        #expect(updated.diff.isEmpty, "\(updated.diff.text())")
        #expect(updated.version == base.version)
        #expect(updated.bundle == base.bundle)
        // The decisions that the list cannot express are there, and are told.
        let kept = Set(updated.diff.kept.map { "\($0.row.provider)/\($0.row.model) \($0.what)" })
        #expect(
            kept.isSuperset(of: [
                "deepseek/deepseek-flash hours", "groq/whisper-large-v3 minimum", "anthropic/claude-opus-5 region",
                "groq/openai/gpt-oss-120b calls",
            ]))
    }

    @Test func aChangedRateIsTheOnlyChange() throws {
        let base = try Base.builtIn(GenaiPricesTests.providers)
        let list = String(decoding: try Base.fixture("genai-prices-0.2.3.json"), as: UTF8.self)
        let changed = list.replacingOccurrences(of: #"{"id":"claude-2","#, with: #"{"id":"claude-2.9","#)
        let updated = try Base.update(base.bundle, changed)
        #expect(updated.diff.added == [CatalogueDiff.Row(provider: "anthropic", model: "claude-2.9")])
        #expect(updated.diff.removed == [CatalogueDiff.Row(provider: "anthropic", model: "claude-2")])
        #expect(updated.diff.changed.isEmpty)
        #expect(updated.version.hasPrefix("2026-11-24-"))
        #expect(updated.version.count == 19)
        // The same content has the same name, whatever the version it came with.
        let again = try CatalogueDocument(updated.bundle)
        #expect(CatalogueBundle.version(day: "2026-11-24", content: again.contentHash) == updated.version)
    }

    @Test func theHoursOfTheCatalogueKeepTheirDaysWhenTheirRatesChange() throws {
        let base = try Base.builtIn(["deepseek"])
        let list = String(decoding: try Base.fixture("genai-prices-0.2.3.json"), as: UTF8.self)
        let line = try #require(list.split(separator: "\n").first { $0.contains(#""id":"deepseek""#) })
        let only = "[" + line.drop { $0 == "[" }.drop { $0 == "," }
        let changed =
            String(only.last == "," ? only.dropLast() : only[...])
            .replacingOccurrences(of: #""input_mtok":0.3,"#, with: #""input_mtok":0.33,"#) + "]"
        let updated = try Base.update(base.bundle, changed)
        let lines = updated.diff.text().split(separator: "\n").map(String.init)
        #expect(lines.contains("  ~ deepseek-flash  days=1-5 hours=09:00-12:00,14:00-18:00 zone=+08:00: input 0.3/M -> 0.33/M"))
        #expect(updated.diff.changed.map(\.row.model) == ["deepseek-flash", "deepseek-v4-flash"])
        #expect(updated.diff.added.isEmpty && updated.diff.removed.isEmpty)
    }

    @Test func ratesAreWrittenInTheOrderAndUnitsOfTheCatalogue() throws {
        let lines = try Base.row(
            """
            {"id":"a","match":{"equals":"a"},"prices":{"output_mtok":{"base":10,"tiers":[{"start":272000,"price":15}]},
            "input_mtok":2.50,"web_searches_kcount":10,"audio_hours":0.36,"cache_read_mtok":1.25e-1,"requests_kcount":null}}
            """)
        #expect(
            lines.prefix(4) == [
                "model a", "names a", "rate above=272000 input=2.5/M output=15/M cacheRead=0.125/M seconds=0.36/h webSearches=10/k",
                "rate input=2.5/M output=10/M cacheRead=0.125/M seconds=0.36/h webSearches=10/k",
            ])
    }

    @Test func floatingPointNoiseIsRoundedAwayAtFifteenPlaces() throws {
        let lines = try Base.row(
            #"{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":0.30000000000000004,"output_mtok":0.0000000005}}"#)
        #expect(lines.contains("rate input=0.3/M output=0/M"))
        let half = try Base.row(#"{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":0.0000000015,"output_mtok":0.0000000025}}"#)
        #expect(half.contains("rate input=0.000000002/M output=0.000000002/M"))
    }

    @Test func datesTiersAndHoursBecomeConditions() throws {
        let lines = try Base.row(
            """
            {"id":"a","match":{"equals":"a"},"prices":[{"prices":{"input_mtok":2}},
            {"constraint":{"start_date":"2026-12-01"},"prices":{"input_mtok":1}},
            {"constraint":{"start_time":"17:30:00+08:00","end_time":"00:30:00Z"},"prices":{"input_mtok":0.5}}],
            "price_variants":[{"when":{"processing":"batch"},"constraint":{"start_date":"2026-12-05"},"prices":{"input_mtok":0.7}},
            {"when":{"service_tier":"default"},"prices":{"input_mtok":9}},
            {"when":{"route":"eu"},"prices":{"input_mtok":9}}]}
            """)
        #expect(
            lines.prefix(10) == [
                "model a", "names a", "rate hours=09:30-00:30 input=0.5/M", "rate input=2/M",
                "rate from=2026-12-01 hours=09:30-00:30 input=0.5/M", "rate from=2026-12-01 input=1/M",
                "rate from=2026-12-05 hours=09:30-00:30 input=0.5/M",
                "rate from=2026-12-05 hours=09:30-00:30 tier=batch input=0.7/M",
                "rate from=2026-12-05 input=1/M", "rate from=2026-12-05 tier=batch input=0.7/M",
            ])
    }

    @Test func whatHasNoWordHereIsLeftOutAndNamed() throws {
        let list = """
            [{"id":"acme","name":"A","api_pattern":"x","models":[
            {"id":"a","match":{"or":[{"equals":"a"},{"regex":"^a-[a-z]+$"}]},"prices":{"input_mtok":1,"smell_mtok":2},
             "price_variants":[{"when":{"route":"eu"},"prices":{"input_mtok":9}}]},
            {"id":"b","match":{"equals":"b"},"prices":{"smell_mtok":2}},
            {"id":"c","match":{"equals":"c"},"prices":{}},
            {"id":"d:free","match":{"equals":"d:free"},"prices":{}},
            {"id":"e","match":{"equals":"e"},"prices":{"audio_hours":1,"input_audio_hours":2}}]}]
            """
        let updated = try Base.update(Base.catalogue("model z\nnames z\nrate input=1/M"), list)
        #expect(updated.diff.added.map(\.model) == ["a", "d:free"])
        #expect(
            updated.leftOut == [
                "acme/a: regex ^a-[a-z]+$", "acme/a: smell_mtok", "acme/a: variant route=eu", "acme/b: no price that is metered here",
                "acme/c: no rates, and not said to be free", "acme/e: two rates for one kind of usage",
            ])
    }

    @Test func aRowThatCannotBeSaidStaysAsItWas() throws {
        let base = Base.catalogue("model e\nnames e\nlike e-*\nregion us=1.1\nrate input=1/M")
        let rule = #"{"id":"e","match":{"regex":"^e-.*x"},"prices":{"input_mtok":2}}"#
        #expect(try Base.row(rule, over: base) == ["model e", "names e", "like e-*", "region us=1.1", "rate input=2/M"])
        let prices = #"{"id":"e","match":{"equals":"e"},"prices":{"audio_hours":1,"input_audio_hours":2}}"#
        #expect(try Base.row(prices, over: base) == ["model e", "names e", "like e-*", "region us=1.1", "rate input=1/M"])
        // Nothing says that a row without rates is free now.
        let silent = #"{"id":"e","match":{"equals":"e"},"prices":{}}"#
        #expect(try Base.row(silent, over: base).last == "rate input=1/M")
    }

    @Test func rowsOfOtherSourcesAreLeftAlone() throws {
        let base = Base.catalogue(
            "model a\nnames a\nrate input=1/M\n\nmodel b\nsource litellm\nnames b B2\nrate input=3/M\n\nmodel c\nnames c\nrate input=1/M")
        let updated = try Base.update(
            base,
            """
            [{"id":"acme","name":"A","api_pattern":"x","models":[{"id":"b","match":{"equals":"b"},"prices":{"input_mtok":9}},
            {"id":"d","match":{"or":[{"equals":"d"},{"equals":"b2"}]},"prices":{"input_mtok":1}}]}]
            """)
        let text = String(decoding: updated.bundle, as: UTF8.self)
        #expect(text.contains("model b\nsource litellm\nnames b B2\nrate input=3/M"))
        #expect(text.contains("model d\nnames d\n"))
        #expect(updated.diff.removed.map(\.model) == ["a", "c"])
        #expect(updated.diff.kept.map(\.what) == ["row of another source"])
        #expect(text.contains("alias acme-ai\n") && text.contains("maker acme-*\n"))
    }

    @Test func aBundleIsTakenAsItIsUnderItsOwnName() throws {
        let base = Base.catalogue("model a\nnames a\nrate input=1/M")
        let builtIn = CatalogueBundle.builtIn()
        let back = try Upstream.update(base: base, upstream: builtIn, day: "2030-01-01")
        #expect(back.bundle == builtIn)
        #expect(try back.version == PriceBook.builtIn().version)
        // One that says something else than its version stands for gets a version of its own.
        let edited = Base.catalogue("model a\nnames a\nrate input=2/M")
        let taken = try Upstream.update(base: base, upstream: edited, day: "2030-01-01")
        #expect(taken.format == .bundle)
        #expect(taken.version.hasPrefix("2030-01-01-"))
        #expect(try Upstream.update(base: base, upstream: taken.bundle, day: "2031-01-01").version == taken.version)
    }

    @Test func providersComeAndGo() throws {
        let base = Base.catalogue("model a\nnames a\nrate input=1/M")
        let updated = try Base.update(
            base,
            """
            [{"id":"zeta","name":" Zeta\\n Inc ","api_pattern":"x","provider_match":{"or":[{"equals":"zeta-ai"},{"contains":"zeta"}]},
            "fallback_model_providers":["nobody"],"models":[{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":1}}]}]
            """)
        #expect(
            String(decoding: updated.bundle, as: UTF8.self)
                == """
                version \(updated.version)
                provider zeta
                title Zeta Inc
                source genai-prices
                alias zeta-ai
                aliaslike *zeta*

                model a
                names a
                rate input=1/M

                """)
        #expect(updated.leftOut == ["zeta: falls back to nobody"])
        #expect(updated.diff.refusal == "1 of 1 rows would go, more than a tenth")
    }

    @Test func whatIsWrongIsRefusedWithItsPlace() {
        func refusal(_ list: String) -> String {
            do {
                _ = try Base.update(Base.catalogue("model a\nnames a\nrate input=1/M"), list)
                return "taken"
            } catch { return "\(error)" }
        }
        func model(_ text: String) -> String { refusal(#"[{"id":"acme","name":"A","models":[{"id":"a",\#(text)}]}]"#) }
        let rule = #""match":{"equals":"a"},"#
        #expect(refusal("[]") == "a list without providers")
        #expect(refusal("hello") == "neither genai-prices' data.json, nor litellm's prices, nor a catalogue")
        #expect(refusal("[{]").hasPrefix("byte 2: "))
        #expect(refusal(#"[{"name":"A"}]"#) == "provider 1: no id")
        #expect(refusal(#"[{"id":"a b","models":[]}]"#) == "provider 1: an id that is no word")
        #expect(refusal(#"[{"id":"a"}]"#) == "a: no list of models")
        #expect(refusal(#"[{"id":"a","models":[]},{"id":"a","models":[]}]"#) == "a: the provider is given twice")
        #expect(model(rule + #""prices":{"input_mtok":-1}"#) == "acme/a input_mtok: a negative price: -1")
        #expect(model(rule + #""prices":{"input_mtok":1e10}"#) == "acme/a input_mtok: a price too large: 1e10")
        #expect(model(rule + #""prices":{"input_mtok":1e99}"#) == "acme/a input_mtok: a price too large: 1e99")
        #expect(model(rule + #""prices":{"input_mtok":true}"#) == "acme/a input_mtok: not a price")
        #expect(model(rule + #""prices":{"input_mtok":"x"}"#) == "acme/a input_mtok: not a price: x")
        #expect(model(rule + #""prices":{"input_mtok":{"base":1}}"#) == "acme/a input_mtok: a price in tiers has a base and tiers")
        #expect(
            model(rule + #""prices":{"input_mtok":{"base":1,"tiers":[{"start":0.5,"price":1}]}}"#)
                == "acme/a input_mtok: a tier has a start, in whole tokens, and a price")
        #expect(model(rule + #""prices":[]"#) == "acme/a prices: an empty list of prices")
        #expect(model(rule + #""prices":[{"constraint":{"start_date":"soon"},"prices":{}}]"#) == "acme/a prices 1: not a date")
        #expect(model(rule + #""prices":7"#) == "acme/a: not a set of prices")
        #expect(model(rule + #""x":1"#) == "acme/a: no prices")
        #expect(model(#""prices":{}"#) == "acme/a: no match")
        #expect(model(#""match":7,"prices":{}"#) == "acme/a match: a rule is an object with one key")
        #expect(model(#""match":{"equals":7},"prices":{}"#) == "acme/a match: a rule takes a text")
    }
}

@Suite struct MatchRuleTests {
    private func patterns(_ regex: String) -> [String]? { MatchRule.expression(Array(regex.utf8)[...]) }

    @Test func expressionsBecomePatternsOrNothing() {
        #expect(patterns(#"^gpt-5\.6-sol-\d{4}-\d{2}$"#) == ["gpt-5.6-sol-####-##"])
        #expect(patterns(#"^o[134]"#) == ["o1*", "o3*", "o4*"])
        #expect(
            patterns(#"^(typesafe/)?jev-1\.14(-\d{8})?$"#)
                == ["typesafe/jev-1.14-########", "typesafe/jev-1.14", "jev-1.14-########", "jev-1.14"])
        #expect(patterns(#"^grok\[fast=true\]$"#) == ["grok[fast=true]"])
        #expect(patterns(#"^a[-@]b$"#) == ["a-b", "a@b"])
        #expect(patterns("A.1") == nil)
        for regex in [
            #"a+"#, #"a|b"#, #"[a-z]"#, #"[^a]"#, #"\w"#, #"(?=a)"#, #"\d{2,3}"#, #"\d{999}"#, #"(a"#, #"[a"#, #"a\"#, "a b",
            "a*", "x#", "(a|b)", "(ab)+", #"\d+"#, "[ab]?", "a{3}", "^^",
        ] {
            #expect(patterns(regex) == nil, "\(regex)")
        }
        #expect(patterns(String(repeating: "[ab]", count: 6))?.count == 64)
        #expect(patterns(String(repeating: "[ab]", count: 7)) == nil)
    }

    @Test func datesAtTheEndAreSpelledWithDashes() {
        #expect(ModelDate.dashed("gpt-5.2-20251211") == "gpt-5.2-2025-12-11")
        #expect(ModelDate.dashed("gpt-20251211:free") == "gpt-2025-12-11:free")
        for name in ["gpt-20251311", "gpt-2025121", "20251211", "gpt-19991211", "gpt-202512111", ""] {
            #expect(ModelDate.dashed(name) == nil, "\(name)")
        }
    }
}
