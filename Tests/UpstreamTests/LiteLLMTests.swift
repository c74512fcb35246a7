import Pricing
import Testing

@testable import Upstream

@Suite struct LiteLLMTests {
    /// The lines of the rows that a list makes at a provider that nobody has yet.
    private func rows(_ entries: String, over base: String = "model z\nnames z\nrate input=1/M") throws -> [String] {
        let updated = try Base.update(Base.catalogue(base, provider: "aaa"), "{\(entries)}")
        let lines = String(decoding: updated.bundle, as: UTF8.self).split(separator: "\n").map(String.init)
        return Array(lines.drop { $0 != "provider acme" }.dropFirst())
    }

    private func leftOut(_ entry: String) throws -> [String] {
        let list = #"{"ok":{"litellm_provider":"acme","input_cost_per_token":1e-6},"m":{"litellm_provider":"acme",\#(entry)}}"#
        return try Base.update(Base.catalogue("model z\nnames z\nrate input=1/M"), list).leftOut
    }

    @Test func theFileThatTheCatalogueWasMadeFromChangesNothing() throws {
        let base = try Base.builtIn(["dashscope", "deepgram", "deepseek", "voyageai", "x-ai"])
        let updated = try Upstream.update(base: base.bundle, upstream: try Base.fixture("litellm-1.109.1.json"), day: "2026-11-23")
        #expect(updated.diff.isEmpty, "\(updated.diff.text())")
        #expect(updated.format == .litellm)
        #expect(base.rowCount > 200)
    }

    @Test func ratesByTheTokenAreWrittenByTheMillion() throws {
        #expect(
            try rows(
                """
                "acme/m":{"litellm_provider":"acme","mode":"chat","input_cost_per_token":3.0000000000000004e-06,
                "output_cost_per_token":1.5e-05,"cache_read_input_token_cost":3e-07,"max_tokens":7,"search_context_cost_per_query":
                {"search_context_size_low":0.01,"search_context_size_high":0.01}}
                """)
                == [
                    "title acme", "source litellm", "secondary", "model m", "names m",
                    "rate input=3/M output=15/M cacheRead=0.3/M webSearches=10/k",
                ])
    }

    @Test func thresholdsAndTiersTakeWhatTheyDoNotSayFromBelow() throws {
        let lines = try rows(
            """
            "m":{"litellm_provider":"acme","mode":"chat","input_cost_per_token":1e-6,"output_cost_per_token":2e-6,
            "input_cost_per_token_above_200k_tokens":3e-6,"input_cost_per_token_priority":5e-6,
            "output_cost_per_token_above_200k_tokens_priority":9e-6,"input_cost_per_token_batches":5e-7}
            """)
        #expect(
            lines.suffix(6) == [
                "rate above=200000 input=3/M output=2/M", "rate input=1/M output=2/M",
                "rate tier=batch above=200000 input=0.5/M output=2/M", "rate tier=batch input=0.5/M output=2/M",
                "rate tier=priority above=200000 input=3/M output=9/M", "rate tier=priority input=5/M output=2/M",
            ])
    }

    @Test func fieldNamesComeApart() {
        func apart(_ name: String) -> String {
            let (base, above, tier) = LiteLLMReader.apart(name)
            return "\(base) \(above.map { "\($0)" } ?? "-") \(tier)"
        }
        #expect(apart("input_cost_per_token") == "input_cost_per_token - ")
        #expect(apart("input_cost_per_token_above_128k_tokens_flex") == "input_cost_per_token 128000 flex")
        #expect(apart("a_above_512_tokens") == "a 512 ")
        #expect(apart("a_above_1hr") == "a_above_1hr - ")
        #expect(apart("a_above_k_tokens") == "a_above_k_tokens - ")
        #expect(apart("a_above_99999999999999999999_tokens") == "a_above_99999999999999999999_tokens - ")
        #expect(apart("_above_1k_tokens") == " 1000 ")
        #expect(apart("_tokens") == "_tokens - ")
    }

    @Test func namesLoseTheirProviderAndComeSecond() throws {
        let lines = try rows(
            """
            "acme/a":{"litellm_provider":"acme","input_cost_per_token":1e-6},
            "a":{"litellm_provider":"acme","input_cost_per_token":1e-6},
            "a-b":{"litellm_provider":"acme","input_cost_per_token":1e-6},
            "acme/a-b":{"litellm_provider":"acme","input_cost_per_token":2e-6},
            "ft:a":{"litellm_provider":"acme","input_cost_per_token":4e-6}
            """
        ).filter { $0.hasPrefix("model") || $0.hasPrefix("like") }
        #expect(lines == ["model a", "model a-b", "model acme/a-b", "model ft:a", "like ft:a:*"])
    }

    @Test func rowsOfOtherSourcesGoFirst() throws {
        let base =
            "model a\nnames a\nlike a-*\nrate input=1/M\n\nmodel b\nnames b\nrate seconds=0.36/h\n\n"
            + "model o\nsource litellm\nnames o\nrate input=1/M"
        let updated = try Base.update(
            Base.catalogue(base),
            """
            {"a":{"litellm_provider":"acme","input_cost_per_token":9e-6},"a-mini":{"litellm_provider":"acme","input_cost_per_token":9e-6},
            "b-latest":{"litellm_provider":"acme","input_cost_per_token":9e-6},
            "c":{"litellm_provider":"acme","input_cost_per_token":9e-6}}
            """)
        #expect(updated.diff.added.map(\.model) == ["b-latest", "c"])
        #expect(updated.diff.removed.map(\.model) == ["o"])
        #expect(updated.diff.changed.isEmpty)
        #expect(String(decoding: updated.bundle, as: UTF8.self).contains("model c\nsource litellm\nnames c\nrate input=9/M\n"))
    }

    @Test func theSameRatesWithoutTheDateAreTheSameRow() throws {
        let updated = try Base.update(
            Base.catalogue("model a\nnames a\nrate input=1/M output=2/M\nrate from=2030-01-01 input=9/M"),
            """
            {"a-2026-01-02":{"litellm_provider":"acme","input_cost_per_token":1e-6},
            "a-20260102":{"litellm_provider":"acme","input_cost_per_token":2e-6}}
            """)
        #expect(updated.diff.added.map(\.model) == ["a-20260102"])
        #expect(LiteLLM.shorter("m-v1:0") == ["m"])
        #expect(LiteLLM.shorter("m-2026-01-02-latest") == ["m-2026-01-02", "m"])
        #expect(LiteLLM.shorter("m-0613") == ["m"])
        #expect(LiteLLM.shorter("m-7999") == [])
        #expect(LiteLLM.shorter("m@20260102") == ["m"])
        #expect(LiteLLM.shorter(":") == [])
        #expect(LiteLLM.shorter("-") == [])
    }

    @Test func regionsOfOtherRowsAreKeptUpToDate() throws {
        let base = Base.catalogue("model gpt\nnames gpt\nrate input=1/M", provider: "openai")
        let updated = try Base.update(
            base,
            """
            {"gpt":{"litellm_provider":"openai","input_cost_per_token":1e-6,"regional_processing_uplift_multiplier_eu":1.10}}
            """)
        #expect(updated.diff.changed.first?.changes == [CatalogueDiff.Change(condition: "", what: "region", old: nil, new: "eu=1.1")])
    }

    @Test func reasoningFollowsTheOutputUnlessItHasARateOfItsOwn() throws {
        func lines(_ more: String) throws -> [String] {
            let row = #""m":{"litellm_provider":"acme","input_cost_per_token":1e-6,"output_cost_per_token":2e-6,\#(more)}"#
            return try rows(row).filter { $0.hasPrefix("rate") }
        }
        #expect(try lines(#""output_cost_per_reasoning_token":2e-6"#) == ["rate input=1/M output=2/M"])
        #expect(try lines(#""output_cost_per_reasoning_token":3e-6"#) == ["rate input=1/M output=2/M reasoning=3/M"])
        #expect(
            try lines(#""output_cost_per_reasoning_token":3e-6,"output_cost_per_token_flex":1e-6,"cache_read_input_token_cost":1e-7"#)
                == ["rate input=1/M output=2/M cacheRead=0.1/M reasoning=3/M", "rate tier=flex input=1/M output=1/M cacheRead=0.1/M"])
        // A batch has nothing but the totals of the standard rates.
        #expect(
            try lines(#""output_cost_per_token_batches":1e-6,"cache_read_input_token_cost":1e-7"#)
                == ["rate input=1/M output=2/M cacheRead=0.1/M", "rate tier=batch input=1/M output=1/M"])
    }

    @Test func rowsOfOtherSourcesGetTheCallsThatTheyLack() throws {
        let context = #""search_context_cost_per_query":{"search_context_size_low":0.01}"#
        let base = Base.catalogue("model a\nnames a a-1\nrate tier=batch input=1/M\nrate input=2/M")
        let list = #"{"a":{"litellm_provider":"acme","input_cost_per_token":2e-6,\#(context)}}"#
        let updated = try Base.update(base, list)
        let text = String(decoding: updated.bundle, as: UTF8.self)
        #expect(
            text.contains(
                "model a\nalso litellm webSearches\nnames a a-1\n"
                    + "rate tier=batch input=1/M webSearches=10/k\nrate input=2/M webSearches=10/k"
            ))
        // The same again changes nothing, another rate is taken over, and none takes it away.
        #expect(try Base.update(updated.bundle, list).diff.isEmpty)
        let dearer = try Base.update(updated.bundle, list.replacing("0.01", with: "0.02"))
        #expect(dearer.diff.changed.first?.changes.map(\.new) == ["20/k", "20/k"])
        let without = try Base.update(updated.bundle, list.replacing(context, with: #""mode":"chat""#))
        #expect(without.diff.changed.first?.changes.map(\.new) == [nil, nil])
        // Two rates for one row are no answer.
        let two =
            #"{"a":{"litellm_provider":"acme",\#(context)},"a-1":{"litellm_provider":"acme",\#(context.replacing("0.01", with: "0.02"))}}"#
        let undecided = try Base.update(base, two)
        #expect(undecided.diff.isEmpty)
        #expect(undecided.leftOut == ["acme/a: webSearches at several rates, for a row that another source has without it"])
    }

    @Test func regionsInNamesAreTold() throws {
        for name in ["eu/gpt", "us-gov-east-1/x", "ap-south-1/meta.x", "global-standard/x"] { #expect(LiteLLM.isRegional(name), "\(name)") }
        for name in ["gpt", "eu", "europe/x", "a-b-1/x", "eu-west-10/x", "eu-WEST-1/x", "eu--1/x", "/x", "-/"] {
            #expect(!LiteLLM.isRegional(name), "\(name)")
        }
        let base = Base.catalogue("model gpt\nnames gpt\nlike *gpt*\nrate input=1/M")
        let updated = try Base.update(
            base,
            """
            {"eu/gpt":{"litellm_provider":"acme","input_cost_per_token":2e-6},
            "us/gpt":{"litellm_provider":"acme","input_cost_per_token":1e-6},
            "my-gpt":{"litellm_provider":"acme","input_cost_per_token":2e-6}}
            """)
        #expect(updated.diff.added.map(\.model) == ["eu/gpt"])
    }

    @Test func whatStandsForUnknownIsNoPrice() throws {
        #expect(
            try leftOut(#""input_cost_per_token":0,"output_cost_per_token":0.0"#)
                == ["m: all rates are 0, which stands for free and for unknown"])
        #expect(try leftOut(#""mode":"chat""#) == ["m: no rates"])
        #expect(
            try leftOut(#""input_cost_per_token":1e-6,"cache_creation_input_token_cost":0"#)
                == ["m: a cache write at 0, less than the same tokens not cached"])
        #expect(
            try leftOut(#""input_cost_per_token_priority":1e-6"#)
                == ["m: rates of a tier or a band without standard ones"])
        #expect(try leftOut(#""input_cost_per_token":1e-6,"input_cost_per_token_ultrafast":1e-6"#) == ["m: rates of the tier ultrafast"])
        #expect(
            try leftOut(#""output_cost_per_image":0.1,"output_cost_per_image_2K":0.2,"mode":"image_generation""#)
                == ["m: images by size"])
        #expect(try leftOut(#""input_cost_per_token":1e-6,"off_peak_pricing":{"hours_utc":"01:00-02:00"}"#) == ["m: off-peak hours"])
        #expect(
            try leftOut(#""input_cost_per_token":1e-6,"off_peak_pricing":{"windows":[{"hours_utc":"x-y","weekdays":[1]}]}"#)
                == ["m: off-peak hours"])
        #expect(try leftOut(#""tiered_pricing":[{"max_results":1}],"input_cost_per_query":1"#) == ["m: rates by the number of results"])
    }

    @Test func whatIsWrongIsRefusedWithItsPlace() {
        func refusal(_ list: String) -> String {
            do {
                _ = try Base.update(Base.catalogue("model a\nnames a\nrate input=1/M"), list)
                return "taken"
            } catch { return "\(error)" }
        }
        #expect(refusal("{}") == "an object without a model of litellm's")
        #expect(
            refusal(#"{"a":7,"b":{"litellm_provider":7},"sample_spec":{"litellm_provider":"x"}}"#)
                == "an object without a model of litellm's")
        #expect(
            refusal(#"{"a":{"litellm_provider":"x","input_cost_per_token":-1e-6}}"#)
                == "a input_cost_per_token: a negative rate: -1e-6")
        #expect(
            refusal(#"{"a":{"litellm_provider":"x","input_cost_per_token":1001}}"#)
                == "a input_cost_per_token: a rate too large: 1001")
        #expect(
            refusal(#"{"a":{"litellm_provider":"x","input_cost_per_token":1e30}}"#)
                == "a input_cost_per_token: a rate too large: 1e30")
        #expect(
            refusal(#"{"a":{"litellm_provider":"a b","input_cost_per_token":1}}"#)
                == "an object without a model of litellm's")
    }
}
