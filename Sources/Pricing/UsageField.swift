// UsageField: the counts that providers report, by the path of their key, each with a slot.
//
// Nested keys are joined with dots; a wrapper around the whole (`usage.`, `usageMetadata.`) is dropped first. Elements of
// Gemini's and Converse's lists are not here: they carry what they count in a sibling key (`UsageNormaliser+Lists`).

internal import Core

enum UsageField: UInt8, CaseIterable {
    // OpenAI chat and whatever speaks it
    case promptTokens, completionTokens, totalTokens
    case promptCached, promptAudio, promptImage, promptVideo, promptCacheWrite
    case completionReasoning, completionAudio, completionImage
    case cacheHit, cacheMiss
    // OpenAI responses, realtime, images, transcription; Anthropic
    case inputTokens, outputTokens
    case inputCached, inputAudio, inputImage, inputCacheWrite, inputCachedAudio, inputCachedImage
    case outputReasoning, outputAudio, outputImage
    case cacheCreation, cacheRead, ephemeral5m, ephemeral1h
    // Bedrock Converse; the AI SDK
    case converseInput, converseOutput, converseCacheRead, converseCacheWrite, sdkCached, sdkReasoning
    // Gemini
    case geminiPrompt, geminiCached, geminiCandidates, geminiThoughts, geminiTool
    // Cohere
    case billedInput, billedOutput, billedSearch, cohereInput, cohereOutput, cohereCached
    // OpenTelemetry
    case otelInput, otelOutput, otelCacheRead, otelCacheWrite, otelReasoning
    // Units
    case seconds, characters, images, pages, webSearches
    /// Known, and of no use here: sums of the others, texts' shares, prices, times.
    case ignored

    static let paths: [(path: String, field: UsageField)] = [
        ("prompt_tokens", .promptTokens), ("completion_tokens", .completionTokens), ("total_tokens", .totalTokens),
        ("prompt_tokens_details.cached_tokens", .promptCached), ("prompt_tokens_details.audio_tokens", .promptAudio),
        ("prompt_tokens_details.image_tokens", .promptImage), ("prompt_tokens_details.video_tokens", .promptVideo),
        ("prompt_tokens_details.cache_write_tokens", .promptCacheWrite), ("prompt_tokens_details.text_tokens", .ignored),
        ("prompt_tokens_details.cache_creation_tokens", .promptCacheWrite), ("prompt_token_details.cached_tokens", .promptCached),
        ("num_cached_tokens", .promptCached),
        ("completion_tokens_details.reasoning_tokens", .completionReasoning), ("completion_tokens_details.audio_tokens", .completionAudio),
        ("completion_tokens_details.image_tokens", .completionImage), ("completion_tokens_details.text_tokens", .ignored),
        ("completion_tokens_details.accepted_prediction_tokens", .ignored),
        ("completion_tokens_details.rejected_prediction_tokens", .ignored), ("reasoning_tokens", .completionReasoning),
        ("prompt_cache_hit_tokens", .cacheHit), ("prompt_cache_miss_tokens", .cacheMiss),

        ("input_tokens", .inputTokens), ("output_tokens", .outputTokens),
        ("input_tokens_details.cached_tokens", .inputCached), ("input_token_details.cached_tokens", .inputCached),
        ("input_tokens_details.audio_tokens", .inputAudio), ("input_token_details.audio_tokens", .inputAudio),
        ("input_tokens_details.image_tokens", .inputImage), ("input_token_details.image_tokens", .inputImage),
        ("input_tokens_details.text_tokens", .ignored), ("input_token_details.text_tokens", .ignored),
        ("input_tokens_details.cache_write_tokens", .inputCacheWrite), ("input_token_details.cache_write_tokens", .inputCacheWrite),
        ("input_tokens_details.cached_tokens_details.audio_tokens", .inputCachedAudio),
        ("input_token_details.cached_tokens_details.audio_tokens", .inputCachedAudio),
        ("input_tokens_details.cached_tokens_details.image_tokens", .inputCachedImage),
        ("input_token_details.cached_tokens_details.image_tokens", .inputCachedImage),
        ("input_tokens_details.cached_tokens_details.text_tokens", .ignored),
        ("input_token_details.cached_tokens_details.text_tokens", .ignored),
        ("output_tokens_details.reasoning_tokens", .outputReasoning), ("output_token_details.reasoning_tokens", .outputReasoning),
        ("output_tokens_details.thinking_tokens", .outputReasoning),
        ("output_tokens_details.audio_tokens", .outputAudio), ("output_token_details.audio_tokens", .outputAudio),
        ("output_tokens_details.image_tokens", .outputImage), ("output_token_details.image_tokens", .outputImage),
        ("output_tokens_details.text_tokens", .ignored), ("output_token_details.text_tokens", .ignored),

        ("cache_creation_input_tokens", .cacheCreation), ("cache_read_input_tokens", .cacheRead),
        ("cache_creation.ephemeral_5m_input_tokens", .ephemeral5m), ("cache_creation.ephemeral_1h_input_tokens", .ephemeral1h),
        ("server_tool_use.web_search_requests", .webSearches), ("server_tool_use.web_fetch_requests", .ignored),
        ("server_tool_use_details.web_search_requests", .webSearches),

        ("inputTokens", .converseInput), ("outputTokens", .converseOutput), ("totalTokens", .ignored),
        ("cacheReadInputTokens", .converseCacheRead), ("cacheWriteInputTokens", .converseCacheWrite),
        ("cachedInputTokens", .sdkCached), ("reasoningTokens", .sdkReasoning),

        ("promptTokenCount", .geminiPrompt), ("prompt_token_count", .geminiPrompt),
        ("cachedContentTokenCount", .geminiCached), ("cached_content_token_count", .geminiCached),
        ("candidatesTokenCount", .geminiCandidates), ("candidates_token_count", .geminiCandidates),
        ("responseTokenCount", .geminiCandidates), ("response_token_count", .geminiCandidates),
        ("thoughtsTokenCount", .geminiThoughts), ("thoughts_token_count", .geminiThoughts),
        ("toolUsePromptTokenCount", .geminiTool), ("tool_use_prompt_token_count", .geminiTool),
        ("totalTokenCount", .ignored), ("total_token_count", .ignored),

        ("billed_units.input_tokens", .billedInput), ("billed_units.output_tokens", .billedOutput),
        ("billed_units.search_units", .billedSearch), ("billed_units.images", .ignored), ("billed_units.classifications", .ignored),
        ("tokens.input_tokens", .cohereInput), ("tokens.output_tokens", .cohereOutput), ("cached_tokens", .cohereCached),

        ("gen_ai.usage.input_tokens", .otelInput), ("gen_ai.usage.output_tokens", .otelOutput),
        ("gen_ai.usage.prompt_tokens", .otelInput), ("gen_ai.usage.completion_tokens", .otelOutput),
        ("gen_ai.usage.cache_read.input_tokens", .otelCacheRead), ("gen_ai.usage.cache_read_input_tokens", .otelCacheRead),
        ("gen_ai.usage.details.cache_read_tokens", .otelCacheRead), ("gen_ai.usage.details.cached_tokens", .otelCacheRead),
        ("gen_ai.usage.cache_creation.input_tokens", .otelCacheWrite), ("gen_ai.usage.cache_creation_input_tokens", .otelCacheWrite),
        ("gen_ai.usage.details.cache_write_tokens", .otelCacheWrite),
        ("gen_ai.usage.reasoning.output_tokens", .otelReasoning), ("gen_ai.usage.reasoning_tokens", .otelReasoning),
        ("gen_ai.usage.details.reasoning_tokens", .otelReasoning), ("gen_ai.usage.total_tokens", .ignored),

        ("seconds", .seconds), ("duration", .seconds), ("audio_seconds", .seconds), ("prompt_audio_seconds", .seconds),
        ("characters", .characters), ("character_count", .characters), ("images", .images), ("generated_images", .images),
        ("pages", .pages), ("pages_processed", .pages), ("doc_size_bytes", .ignored), ("num_search_queries", .webSearches),
        ("web_searches", .webSearches), ("cost", .ignored), ("is_byok", .ignored), ("queue_time", .ignored), ("prompt_time", .ignored),
        ("completion_time", .ignored), ("total_time", .ignored), ("num_sources_used", .ignored), ("cost_in_usd_ticks", .ignored),
    ]

    /// Wrappers around the whole object.
    static let wrappers: [StaticString] = ["usage.", "usageMetadata.", "usage_metadata.", "usage_info.", "response.", "meta.", "message."]

    private static let table: [[(path: [UInt8], field: UsageField)]] = {
        var buckets = [[(path: [UInt8], field: UsageField)]](repeating: [], count: 256)
        for (path, field) in paths {
            let bytes = Array(path.utf8)
            buckets[bytes.withUnsafeBytes { Int(NameIndex.hash($0) & 255) }].append((bytes, field))
        }
        return buckets
    }()

    /// The field of a path without wrappers.
    static func named(_ path: Text) -> UsageField? {
        for (known, field) in table[Int(NameIndex.hash(path) & 255)] where known.withUnsafeBytes({ sameBytes($0, path) }) { return field }
        return nil
    }
}

/// Whose way of counting a usage object follows.
public enum UsageFormat: UInt8, CaseIterable, Sendable {
    case openAIChat, openAIResponses, anthropic, bedrockConverse, gemini, xAIChat, deepSeek, mistral, cohere, openTelemetry, units

    /// The format of a name as `costInput.usageFormat` may give it; nil for an unknown one. Case, `-`, `_`, `.` and spaces do
    /// not matter.
    public init?(name: UnsafeRawBufferPointer) {
        guard name.count <= 40 else { return nil }
        let plain = name.filter { ![0x2D, 0x5F, 0x2E, 0x20, 0x2F].contains($0) }.map { NameIndex.fold($0) }
        guard let format = UsageFormat.names.first(where: { plain.elementsEqual($0.name.utf8) })?.format else { return nil }
        self = format
    }

    private static let names: [(name: String, format: UsageFormat)] = [
        ("openaichat", .openAIChat), ("chat", .openAIChat), ("chatcompletions", .openAIChat), ("openai", .openAIChat),
        ("openrouter", .openAIChat), ("groq", .openAIChat), ("perplexity", .openAIChat), ("openaiembeddings", .openAIChat),
        ("openairesponses", .openAIResponses), ("responses", .openAIResponses), ("openairealtime", .openAIResponses),
        ("realtime", .openAIResponses), ("openaiimages", .openAIResponses), ("openaitranscription", .openAIResponses),
        ("xairesponses", .openAIResponses), ("anthropic", .anthropic), ("anthropicmessages", .anthropic), ("messages", .anthropic),
        ("claude", .anthropic), ("bedrockconverse", .bedrockConverse), ("converse", .bedrockConverse), ("bedrock", .bedrockConverse),
        ("awsbedrock", .bedrockConverse), ("gemini", .gemini), ("google", .gemini), ("vertex", .gemini), ("vertexai", .gemini),
        ("geminilive", .gemini), ("xaichat", .xAIChat), ("xai", .xAIChat), ("grok", .xAIChat), ("deepseek", .deepSeek),
        ("mistral", .mistral), ("cohere", .cohere), ("opentelemetry", .openTelemetry), ("otel", .openTelemetry), ("genai", .openTelemetry),
        ("units", .units),
    ]
}
