// Which row a name means. A row is written provider/identifier.

import Core
import Pricing
import Testing

private struct NameCase {
    var provider: String
    var model: String
    var row: String
    var rule: MatchRule
}

private func name(_ provider: String, _ model: String, _ row: String, _ rule: MatchRule) -> NameCase {
    NameCase(provider: provider, model: model, row: row, rule: rule)
}

private let table: [NameCase] = [
    // As they stand, and in other cases.
    name("openai", "gpt-4o", "openai/gpt-4o", .exact),
    name("openai", "gpt-4.1", "openai/gpt-4.1", .exact),
    name("openai", "gpt-4.1-mini", "openai/gpt-4.1-mini", .exact),
    name("openai", "gpt-5", "openai/gpt-5", .exact),
    name("openai", "o1-preview", "openai/o1-preview", .exact),
    name("openai", "o3-pro", "openai/o3-pro", .exact),
    name("google", "gemini-2.5-flash-lite", "google/gemini-2.5-flash-lite", .exact),
    name("openai", "GPT-4o", "openai/gpt-4o", .caseFolded),
    name("OpenAI", "Gpt-4O-Mini", "openai/gpt-4o-mini", .caseFolded),
    name("", "gpt-5", "openai/gpt-5", .exact),
    // What gateways put before them.
    name("openai", "openai/gpt-4o", "openai/gpt-4o", .prefixStripped),
    name("", "openai/gpt-4o", "openai/gpt-4o", .prefixStripped),
    name("litellm", "azure/gpt-4o", "openai/gpt-4o", .prefixStripped),
    name("google", "models/gemini-2.5-pro", "google/gemini-2.5-pro", .prefixStripped),
    name("", "models/gemini-2.5-pro", "google/gemini-2.5-pro", .prefixStripped),
    name("vertex_ai", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro", .prefixStripped),
    name("anthropic", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic/claude-3-5-sonnet", .dateSuffixStripped),
    name("", "xai/grok-4.20", "x-ai/grok-4.20", .prefixStripped),
    // Dates and versions behind them.
    name("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5", .dateSuffixStripped),
    name("anthropic", "claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet", .dateSuffixStripped),
    name("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", .exact),
    name("openai", "gpt-5.4-20260305", "openai/gpt-5.4", .dateSuffixStripped),
    name("openai", "gpt-4o-2031-01-01", "openai/gpt-4o", .dateSuffixStripped),
    name("google", "claude-haiku-4-5@20251001", "google/claude-haiku-4-5", .dateSuffixStripped),
    // The catalogue's own rules.
    name("deepseek", "deepseek-v4-flash-preview", "deepseek/deepseek-v4-flash", .catalogueRule),
    name("aws", "us.anthropic.claude-opus-4-5-20251101-v1:0", "aws/regional.anthropic.claude-opus-4-5-v1:0", .catalogueRule),
    name("aws", "global.anthropic.claude-opus-4-5-20251101-v1:0", "aws/global.anthropic.claude-opus-4-5-v1:0", .catalogueRule),
    name("", "us.anthropic.claude-opus-4-5-20251101-v1:0", "aws/regional.anthropic.claude-opus-4-5-v1:0", .catalogueRule),
    // Other names of providers, and whom they fall back to.
    name("bedrock", "amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0", .exact),
    name("aws.bedrock", "amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0", .exact),
    name("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro", .exact),
    name("google-vertex", "claude-3-opus@20240229", "google/claude-3-opus", .dateSuffixStripped),
    name("xai", "grok-4.20", "x-ai/grok-4.20", .exact),
    name("azure_openai", "gpt-4.1", "openai/gpt-4.1", .exact),
    name("azure", "grok-4.20", "x-ai/grok-4.20", .exact),
    // Without a provider the maker wins over those who host the model.
    name("", "claude-opus-4-6", "anthropic/claude-opus-4-6", .exact),
    name("", "deepseek-v4-pro", "deepseek/deepseek-v4-pro", .exact),
    name("", "grok-4.20", "x-ai/grok-4.20", .exact),
    name("", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile", .exact),
]

@Test func aNameMeansTheRowThatTheTableSays() throws {
    let book = try PriceBook.builtIn()
    for entry in table {
        let resolution = book.resolve(entry.provider, entry.model)
        let found = book.row(entry.provider, entry.model)
        #expect(found == entry.row, "\(entry.provider) \(entry.model)")
        #expect(resolution.match == entry.rule, "\(entry.provider) \(entry.model)")
    }
}

@Test func whatIsNotKnownIsUnpricedAndSaysWhy() throws {
    let book = try PriceBook.builtIn()
    let refused: [(provider: String, model: String, reason: UnpricedReason)] = [
        ("openai", "", .noModel), ("", "", .noModel), ("nobody", "", .noModel),
        ("openai", "claude-opus-4-6", .unknownModel), ("anthropic", "gpt-4o", .unknownModel), ("deepseek", "gpt-4o", .unknownModel),
        ("openai", "anthropic/claude-opus-4-6", .unknownModel), ("openai", "gpt-4o-ultra", .unknownModel),
        ("openai", "gpt-4.9", .unknownModel), ("openai", "gpt", .unknownModel), ("openai", "gpt-", .unknownModel),
        ("openai", "gpt-4.1x", .unknownModel), ("openai", "o3-max", .unknownModel), ("google", "gemini", .unknownModel),
        ("", "qwen/qwen3-32b", .ambiguousModel), ("", "my-own-model", .unknownModel), ("my-cloud", "gpt-4o", .unknownProvider),
        ("azure", "azure/mars/gpt-4o", .unknownModel),
        ("openai", "openai/", .unknownModel), ("", "/", .unknownModel), ("", "-", .unknownModel), ("", ":0", .unknownModel),
    ]
    for (provider, model, reason) in refused {
        let resolution = book.resolve(provider, model)
        #expect(resolution.unpriced == reason, "\(provider) \(model)")
        #expect(resolution.entry == -1)
        #expect(book.price(provider, model, [line(.inputTokens, 1)]).unpriced == reason)
    }
}

@Test func everyExactNameOfARowResolvesToItWithItsProvider() throws {
    let book = try PriceBook.builtIn()
    let rows = book.rows()
    #expect(rows.count == book.rowCount)
    var tried = 0
    for row in rows {
        for name in row.names {
            tried += 1
            let resolution = book.resolve(row.provider, name)
            guard resolution.match == .exact, String(decoding: resolution.provider, as: UTF8.self) == row.provider else {
                Issue.record("\(row.provider) \(name)")
                continue
            }
        }
        guard let first = row.names.first else { continue }
        #expect(book.row(row.provider, first) == "\(row.provider)/\(row.id)")
    }
    #expect(tried > 3000)
}

@Test func noBytesInANameCanTrap() throws {
    let book = try PriceBook.builtIn()
    var random = SystemRandomNumberGenerator()
    let pieces: [[UInt8]] =
        ["gpt-4o", "/", "-", "@", ":", ".", "models/", "us.", "arn:", "2025", "0101", "-v1", "é"].map { Array($0.utf8) } + [[0xFF], [0]]
    for _ in 0..<2000 {
        var name: [UInt8] = []
        for _ in 0..<Int.random(in: 0...6, using: &random) { name += pieces.randomElement(using: &random)! }
        let provider = Bool.random(using: &random) ? name : []
        let resolution = provider.withUnsafeBytes { p in
            name.withUnsafeBytes { m in book.resolve(provider: p, model: m, feature: UnsafeRawBufferPointer(start: nil, count: 0)) }
        }
        #expect((resolution.entry >= 0) == (resolution.unpriced == .none))
    }
}

/// Names that matching the longest prefix gets wrong, or not at all, with what 100,000 tokens in and as many out cost.
@Test(arguments: [
    ("openai", "gpt-4.1", "1"), ("openai", "gpt-4.1-mini", "0.2"), ("openai", "gpt-4.1-nano", "0.05"), ("openai", "gpt-5", "1.125"),
    ("openai", "gpt-5-mini", "0.225"), ("openai", "openai/gpt-4o", "1.25"), ("", "openai/gpt-4o", "1.25"), ("openai", "GPT-4o", "1.25"),
    ("openai", "gpt-4o-mini", "0.075"), ("openai", "gpt-4-turbo", "4"), ("openai", "o3", "1"), ("openai", "o4-mini", "0.55"),
    ("anthropic", "claude-3-5-sonnet-latest", "1.8"), ("anthropic", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "1.8"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "1.98"), ("", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "1.98"),
    ("google", "models/gemini-2.5-pro", "1.125"), ("", "models/gemini-2.5-flash", "0.28"), ("azure", "azure/gpt-4.1", "1"),
])
func aNameCostsWhatItsOwnRowSays(_ provider: String, _ model: String, _ cost: String) throws {
    let book = try PriceBook.builtIn()
    #expect(book.price(provider, model, [line(.inputTokens, 100_000), line(.outputTokens, 100_000)]).cost == usd(cost))
}

/// Rows that only the second source has, in every shape it gives them.
@Test(arguments: [
    ("anthropic", "claude-mythos-5", "anthropic/claude-mythos-5"),
    ("openai", "ft:gpt-4.1-2025-04-14:acme::a1b2", "openai/ft:gpt-4.1-2025-04-14"),
    ("azure", "azure/eu/gpt-4o-2024-08-06", "azure/eu/gpt-4o-2024-08-06"),
    ("bedrock", "bedrock/ap-south-1/meta.llama3-8b-instruct-v1:0", "aws/ap-south-1/meta.llama3-8b-instruct-v1:0"),
    ("bedrock", "meta.llama3-8b-instruct-v1:0", "aws/meta.llama3-8b-instruct-v1:0"),
    ("vertex_ai", "meta/llama-3.3-70b-instruct-maas", "google/meta/llama-3.3-70b-instruct-maas"),
    ("deepgram", "nova-3", "deepgram/nova-3"), ("watsonx", "ibm/granite-3-8b-instruct", "watsonx/ibm/granite-3-8b-instruct"),
    ("snowflake", "llama3.1-8b", "snowflake/llama3.1-8b"), ("cohere", "rerank-v3.5", "cohere/rerank-v3.5"),
    ("", "gpt-4o", "openai/gpt-4o"), ("", "mistral-large-2411", "mistral/mistral-large"), ("", "jamba-1.5-mini", "ai21/jamba-1.5-mini"),
    ("", "databricks-claude-opus-4-5", "databricks/databricks-claude-opus-4-5"),
    ("", "llama-3.1-8b-instruct", "ovhcloud/Llama-3.1-8B-Instruct"), ("anthropic", "claude-opus-4-1-20250805", "anthropic/claude-opus-4-1"),
])
func aRowOfTheSecondSourceIsFoundAndTakesNobodysName(_ provider: String, _ model: String, _ row: String) throws {
    #expect(try PriceBook.builtIn().row(provider, model) == row)
}

@Test func aRowFromAnotherSourceComesAfterTheFilesOwnPatterns() throws {
    let own = "version 1\nprovider p\nsource a\nmodel own\nnames own\nlike x-*\nrate input=1/M\n"
    let book = try catalogue(own + "model x\nsource b\nnames x\nrate input=2/M\nmodel y\nsource b\nnames y\nrate input=3/M\n")
    #expect(book.row("p", "x") == "p/x")
    #expect(book.row("p", "x-20250929") == "p/own")
    #expect(book.row("p", "y-20250929") == "p/y")
    #expect(book.rows().map(\.source) == ["a", "b", "b"])
}

@Test func aSecondaryProviderMakesNoNameAmbiguous() throws {
    let files = ["provider p\n", "provider q\nsecondary\n", "provider r\nsecondary\n"].map {
        Array(
            ("version 1\n" + $0 + "model m\nnames m\nrate input=1/M\n" + ($0.hasSuffix("p\n") ? "" : "model n\nnames n\nrate input=1/M\n"))
                .utf8)
    }
    let book = try files[0].withUnsafeBytes { p in
        try files[1].withUnsafeBytes { q in
            try files[2].withUnsafeBytes { r in
                try PriceBook(catalogue: [p, q, r].enumerated().map { PriceBook.Source(name: "\($0.offset)", bytes: $0.element) })
            }
        }
    }
    #expect(book.row("", "m") == "p/m")
    #expect(book.row("", "n") == "ambiguous_model")
}
