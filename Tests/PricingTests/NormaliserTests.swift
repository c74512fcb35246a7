// Providers' own usage objects, as their APIs send them.

import Core
import Pricing
import Testing

/// Numbers and texts by path, `a.b = 1`, one a line.
private func normalise(_ fields: String, format: String = "", provider: String = "") -> NormalisedUsage {
    var normaliser = UsageNormaliser()
    for field in fields.split(whereSeparator: { $0 == "\n" || $0 == ";" }) {
        let pair = field.split(separator: "=", maxSplits: 1).map { String($0).trimmed }
        Array(pair[0].utf8).withUnsafeBytes { path in
            if case .value(let quantity) = DecimalText.read(pair[1], places: Quantity.scale) {
                normaliser.add(path: path, quantity: Quantity(millionths: quantity))
            } else {
                Array(pair[1].utf8).withUnsafeBytes { normaliser.add(path: path, text: $0) }
            }
        }
    }
    return Array(format.utf8).withUnsafeBytes { format in
        Array(provider.utf8).withUnsafeBytes { normaliser.normalise(format: format, provider: $0) }
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

private struct UsageCase {
    var format: UsageFormat
    var provider = ""
    var fields: String
    var lines: [UsageLine]
}

private let cases: [UsageCase] = [
    UsageCase(
        format: .openAIChat,
        fields: """
            prompt_tokens = 2006; completion_tokens = 300; total_tokens = 2306; prompt_tokens_details.cached_tokens = 1920
            prompt_tokens_details.audio_tokens = 0; completion_tokens_details.reasoning_tokens = 64
            """,
        lines: [line(.inputTokens, 2006), line(.outputTokens, 300), line(.cacheReadTokens, 1920), line(.reasoningTokens, 64)]),
    UsageCase(
        format: .openAIChat,
        fields: "usage.prompt_tokens = 100; usage.completion_tokens = 0; usage.prompt_tokens_details.cache_write_tokens = 40",
        lines: [line(.inputTokens, 100), line(.outputTokens, 0), line(.cacheWriteTokens, 40)]),
    UsageCase(
        format: .openAIChat,
        fields:
            """
            prompt_tokens = 90; completion_tokens = 50
            prompt_tokens_details.audio_tokens = 60; completion_tokens_details.audio_tokens = 40
            """,
        lines: [line(.inputTokens, 90), line(.outputTokens, 50), line(.inputAudioTokens, 60), line(.outputAudioTokens, 40)]),
    UsageCase(format: .openAIChat, fields: "prompt_tokens = 7; total_tokens = 7", lines: [line(.inputTokens, 7)]),
    UsageCase(format: .openAIChat, fields: "total_tokens = 12", lines: [line(.inputTokens, 12)]),
    UsageCase(
        format: .openAIResponses,
        fields: """
            input_tokens = 9126; input_tokens_details.cached_tokens = 4864; output_tokens = 3197
            output_tokens_details.reasoning_tokens = 2048; total_tokens = 12323
            """,
        lines: [line(.inputTokens, 9126), line(.outputTokens, 3197), line(.cacheReadTokens, 4864), line(.reasoningTokens, 2048)]),
    UsageCase(
        format: .openAIResponses,
        fields: """
            input_tokens = 300; output_tokens = 200; input_token_details.text_tokens = 100; input_token_details.audio_tokens = 200
            input_token_details.cached_tokens = 150; input_token_details.cached_tokens_details.audio_tokens = 120
            input_token_details.cached_tokens_details.text_tokens = 30; output_token_details.audio_tokens = 150
            """,
        lines: [
            line(.inputTokens, 300), line(.outputTokens, 200), line(.cacheReadTokens, 150), line(.inputAudioTokens, 200),
            line(.cacheReadAudioTokens, 120), line(.outputAudioTokens, 150),
        ]),
    UsageCase(
        format: .anthropic,
        fields: """
            input_tokens = 1200; cache_creation_input_tokens = 5000; cache_creation.ephemeral_5m_input_tokens = 3000
            cache_creation.ephemeral_1h_input_tokens = 2000; cache_read_input_tokens = 20000; output_tokens = 800
            server_tool_use.web_search_requests = 2
            """,
        lines: [
            line(.inputTokens, 26_200), line(.outputTokens, 800), line(.cacheReadTokens, 20_000), line(.cacheWriteTokens, 3000),
            line(.cacheWrite1hTokens, 2000), line(.webSearches, 2),
        ]),
    UsageCase(
        format: .bedrockConverse,
        fields: "inputTokens = 1000; outputTokens = 100; cacheReadInputTokens = 50; cacheWriteInputTokens = 30; totalTokens = 1180",
        lines: [line(.inputTokens, 1080), line(.outputTokens, 100), line(.cacheReadTokens, 50), line(.cacheWriteTokens, 30)]),
    UsageCase(
        format: .bedrockConverse,
        fields:
            """
            inputTokens = 10; outputTokens = 1; cacheWriteInputTokens = 30
            cacheDetails.0.ttl = 5m; cacheDetails.0.inputTokens = 10; cacheDetails.1.inputTokens = 20; cacheDetails.1.ttl = 1h
            """,
        lines: [line(.inputTokens, 40), line(.outputTokens, 1), line(.cacheWriteTokens, 10), line(.cacheWrite1hTokens, 20)]),
    UsageCase(
        format: .bedrockConverse, fields: "inputTokens = 100; outputTokens = 10; cachedInputTokens = 60; reasoningTokens = 4",
        lines: [line(.inputTokens, 100), line(.outputTokens, 10), line(.cacheReadTokens, 60), line(.reasoningTokens, 4)]),
    UsageCase(
        format: .gemini,
        fields: """
            usageMetadata.promptTokenCount = 210000; usageMetadata.cachedContentTokenCount = 50000
            usageMetadata.candidatesTokenCount = 1500; usageMetadata.thoughtsTokenCount = 4000; usageMetadata.totalTokenCount = 215500
            """,
        lines: [line(.inputTokens, 210_000), line(.outputTokens, 5500), line(.cacheReadTokens, 50_000), line(.reasoningTokens, 4000)]),
    UsageCase(
        format: .gemini,
        fields: """
            prompt_token_count = 500; candidates_token_count = 20; tool_use_prompt_token_count = 30
            prompt_tokens_details.0.modality = TEXT; prompt_tokens_details.0.token_count = 100
            prompt_tokens_details.1.token_count = 400; prompt_tokens_details.1.modality = AUDIO
            cached_content_token_count = 90; cache_tokens_details.0.modality = AUDIO; cache_tokens_details.0.token_count = 80
            """,
        lines: [
            line(.inputTokens, 530), line(.outputTokens, 20), line(.cacheReadTokens, 90), line(.inputAudioTokens, 400),
            line(.cacheReadAudioTokens, 80), line(.toolTokens, 30),
        ]),
    // Outside the completion by its provider, by its total, and inside by its total.
    UsageCase(
        format: .xAIChat, provider: "x-ai",
        fields: "prompt_tokens = 200; completion_tokens = 1000; completion_tokens_details.reasoning_tokens = 500",
        lines: [line(.inputTokens, 200), line(.outputTokens, 1500), line(.reasoningTokens, 500)]),
    UsageCase(
        format: .xAIChat,
        fields: "prompt_tokens = 200; completion_tokens = 10; total_tokens = 710; completion_tokens_details.reasoning_tokens = 500",
        lines: [line(.inputTokens, 200), line(.outputTokens, 510), line(.reasoningTokens, 500)]),
    UsageCase(
        format: .xAIChat, provider: "xai",
        fields: "prompt_tokens = 200; completion_tokens = 600; total_tokens = 800; completion_tokens_details.reasoning_tokens = 500",
        lines: [line(.inputTokens, 200), line(.outputTokens, 600), line(.reasoningTokens, 500)]),
    UsageCase(
        format: .deepSeek,
        fields: "prompt_tokens = 100; completion_tokens = 5; prompt_cache_hit_tokens = 60; prompt_cache_miss_tokens = 40",
        lines: [line(.inputTokens, 100), line(.outputTokens, 5), line(.cacheReadTokens, 60)]),
    UsageCase(
        format: .cohere, fields: "meta.billed_units.input_tokens = 3; meta.billed_units.output_tokens = 4; meta.tokens.input_tokens = 70",
        lines: [line(.inputTokens, 3), line(.outputTokens, 4)]),
    UsageCase(format: .cohere, fields: "billed_units.search_units = 1", lines: [line(.searchUnits, 1)]),
    UsageCase(
        format: .openTelemetry,
        fields:
            """
            gen_ai.usage.input_tokens = 10; gen_ai.usage.output_tokens = 2
            gen_ai.usage.cache_read.input_tokens = 4; gen_ai.usage.cache_creation.input_tokens = 3
            """,
        lines: [line(.inputTokens, 10), line(.outputTokens, 2), line(.cacheReadTokens, 4), line(.cacheWriteTokens, 3)]),
    UsageCase(format: .units, fields: "type = duration; seconds = 90.5", lines: [line(.seconds, 90.5)]),
    UsageCase(format: .units, fields: "usage_info.pages_processed = 12; usage_info.doc_size_bytes = 4000", lines: [line(.pages, 12)]),
]

@Test func aProvidersObjectBecomesInclusiveTotalsWithParts() {
    for entry in cases {
        let usage = normalise(entry.fields, provider: entry.provider)
        #expect(usage.refusal == nil, "\(entry.fields)")
        #expect(usage.format == entry.format, "\(entry.fields)")
        #expect(usage.lines == entry.lines, "\(entry.fields)")
        #expect(usage.unknownKeys == 0, "\(entry.fields)")
    }
}

@Test func cacheWritesWithoutALifetimeAreFiveMinuteOnesAndFlagged() {
    let usage = normalise("input_tokens = 1200; cache_creation_input_tokens = 5000; cache_read_input_tokens = 20000; output_tokens = 800")
    #expect(usage.lifetimeAssumed)
    #expect(usage.lines.contains(line(.cacheWriteTokens, 5000)))
    #expect(!normalise("input_tokens = 1; output_tokens = 1; cache_creation_input_tokens = 0; cache_read_input_tokens = 0").lifetimeAssumed)
}

@Test func aNamedFormatDecidesAndAWrongOneIsRefused() {
    let fields = "prompt_tokens = 200; completion_tokens = 1000; completion_tokens_details.reasoning_tokens = 500"
    #expect(normalise(fields, format: "xai-chat").lines.contains(line(.outputTokens, 1500)))
    #expect(normalise(fields, format: "OpenAI Chat", provider: "xai").lines.contains(line(.outputTokens, 1000)))
    #expect(normalise(fields, format: "anthropic").refusal == .unrecognised)
    #expect(normalise(fields, format: "telegraph").refusal == .unknownFormat)
}

@Test func theTierIsTakenFromTheObject() {
    #expect(normalise("input_tokens = 1; output_tokens = 1; service_tier = batch").tier == .batch)
    #expect(normalise("prompt_tokens = 1; service_tier = flex").tier == .flex)
    #expect(normalise("input_tokens = 1; output_tokens = 1; service_tier = standard; speed = fast").tier == .fast)
    #expect(normalise("promptTokenCount = 1; trafficType = ON_DEMAND_PRIORITY").tier == .priority)
    #expect(normalise("prompt_tokens = 1").tier == nil)
    #expect(normalise("prompt_tokens = 1; service_tier = platinum").tier == nil)
}

@Test func aPartLargerThanItsTotalIsRefusedWithBothNames() {
    #expect(
        normalise("prompt_tokens = 1000; completion_tokens = 10; prompt_tokens_details.cached_tokens = 2000").refusal
            == .inconsistent(part: .cacheReadTokens, total: .inputTokens))
    #expect(
        normalise("input_tokens = 5; output_tokens = 10; output_tokens_details.reasoning_tokens = 11").refusal
            == .inconsistent(part: .reasoningTokens, total: .outputTokens))
    #expect(
        normalise("input_tokens = 5; output_tokens = 1; cache_creation_input_tokens = 10; cache_creation.ephemeral_1h_input_tokens = 11")
            .refusal
            == .inconsistent(part: .cacheWrite1hTokens, total: .inputTokens))
    #expect(
        normalise("prompt_tokens = 10; prompt_cache_hit_tokens = 11").refusal
            == .inconsistent(part: .cacheReadTokens, total: .inputTokens))
}

@Test func whatIsNoUsageIsRefused() {
    #expect(normalise("").refusal == .unrecognised)
    #expect(normalise("tokens = 7").refusal == .unrecognised)
    #expect(normalise("prompt_tokens = -1").refusal == .outOfRange)
    #expect(normalise("input_tokens = 9000000000000; output_tokens = 1; cache_read_input_tokens = 9000000000000").refusal == .outOfRange)
}

@Test func unknownKeysAreCountedAndAnExplicitZeroIsACount() {
    let usage = normalise("prompt_tokens = 0; completion_tokens = 0; sparkle_tokens = 4; total_tokens = 0")
    #expect(usage.unknownKeys == 1)
    #expect(usage.lines == [line(.inputTokens, 0), line(.outputTokens, 0)])
}

@Test func aTierHasTheNamesThatProvidersGiveIt() {
    func tier(_ name: String) -> ServiceTier? { Array(name.utf8).withUnsafeBytes { ServiceTier(name: $0) } }
    for name in ["", "default", "standard", "auto", "on_demand", "On-Demand"] { #expect(tier(name) == .standard, "\(name)") }
    #expect(tier("batch") == .batch)
    #expect(tier("FLEX") == .flex)
    #expect(tier("priority") == .priority)
    #expect(tier("fast") == .fast)
    #expect(tier("platinum") == nil)
    #expect(tier(String(repeating: "x", count: 100)) == nil)
}
