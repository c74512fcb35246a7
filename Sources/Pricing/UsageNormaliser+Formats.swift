// One function a format: what its totals hold, and how they become ours.

internal import Core

/// Totals by kind while they are put together.
struct UsageSum {
    private var totals = InlineArray<26, Int64>(repeating: -1)
    private(set) var failed = false
    /// A part that cannot be, as a tag; -1 for none.
    var inconsistent = -1

    mutating func add(_ tag: Tag, _ quantity: Int64) {
        let (sum, overflow) = max(0, totals[tag]).addingReportingOverflow(quantity)
        if overflow { failed = true } else { totals[tag] = sum }
    }

    /// A part: 0 adds no line.
    mutating func part(_ tag: Tag, _ quantity: Int64) { if quantity != 0 { add(tag, quantity) } }

    var lines: [UsageLine] {
        var lines: [UsageLine] = []
        for tag in 0..<Tags.count where totals[tag] >= 0 {
            lines.append(UsageLine(kind: Tags.kinds[tag], quantity: Quantity(millionths: totals[tag])))
        }
        return lines
    }
}

extension UsageNormaliser {
    func chat(_ totals: inout UsageSum, reasoningInside: Bool) {
        // DeepSeek reports hits and misses; embeddings report the total only.
        if has(.promptTokens) {
            totals.add(Tags.input, value(.promptTokens))
        } else if has(.cacheHit) || has(.cacheMiss) {
            totals.add(Tags.input, value(.cacheHit))
            totals.add(Tags.input, value(.cacheMiss))
        } else if !has(.completionTokens), has(.totalTokens) {
            totals.add(Tags.input, value(.totalTokens))
        }
        let reasoning = value(.completionReasoning)
        if has(.completionTokens) {
            totals.add(Tags.output, value(.completionTokens))
            if !reasoningInside, !totalIsWithoutReasoning { totals.add(Tags.output, reasoning) }
        }
        totals.part(Tags.reasoning, reasoning)
        let cached = has(.cacheHit) ? value(.cacheHit) : has(.promptCached) ? value(.promptCached) : value(.cacheRead)
        totals.part(Tags.cacheRead, cached)
        totals.part(Tags.cacheWrite, has(.promptCacheWrite) ? value(.promptCacheWrite) : value(.cacheCreation))
        totals.part(Tags.inputAudio, value(.promptAudio))
        totals.part(Tags.inputImage, value(.promptImage))
        totals.part(Tags.inputVideo, value(.promptVideo))
        totals.part(Tags.outputAudio, value(.completionAudio))
        totals.part(Tags.outputImage, value(.completionImage))
    }

    /// `total_tokens` says that completion tokens hold the reasoning.
    private var totalIsWithoutReasoning: Bool {
        guard has(.totalTokens) else { return false }
        let shown = value(.promptTokens).addingReportingOverflow(value(.completionTokens))
        return !shown.overflow && shown.partialValue == value(.totalTokens)
    }

    func responses(_ totals: inout UsageSum) {
        if has(.inputTokens) { totals.add(Tags.input, value(.inputTokens)) }
        if has(.outputTokens) { totals.add(Tags.output, value(.outputTokens)) }
        totals.part(Tags.cacheRead, has(.inputCached) ? value(.inputCached) : value(.cacheRead))
        totals.part(Tags.cacheWrite, has(.inputCacheWrite) ? value(.inputCacheWrite) : value(.cacheCreation))
        totals.part(Tags.inputAudio, value(.inputAudio))
        totals.part(Tags.inputImage, value(.inputImage))
        totals.part(Tags.cacheReadAudio, value(.inputCachedAudio))
        totals.part(Tags.cacheReadImage, value(.inputCachedImage))
        totals.part(Tags.reasoning, value(.outputReasoning))
        totals.part(Tags.outputAudio, value(.outputAudio))
        totals.part(Tags.outputImage, value(.outputImage))
    }

    /// Whether cache writes came without their lifetime.
    func anthropic(_ totals: inout UsageSum) -> Bool {
        let hour = value(.ephemeral1h)
        let (split, overflow) = value(.ephemeral5m).addingReportingOverflow(hour)
        let written = has(.cacheCreation) ? value(.cacheCreation) : split
        if overflow || split > written {
            totals.inconsistent = hour > written ? Tags.cacheWrite1h : Tags.cacheWrite
            return false
        }
        if has(.inputTokens) {
            totals.add(Tags.input, value(.inputTokens))
            totals.add(Tags.input, written)
            totals.add(Tags.input, value(.cacheRead))
        } else if written > 0 || value(.cacheRead) > 0 {
            totals.add(Tags.input, written)
            totals.add(Tags.input, value(.cacheRead))
        }
        if has(.outputTokens) { totals.add(Tags.output, value(.outputTokens)) }
        totals.part(Tags.cacheRead, value(.cacheRead))
        totals.part(Tags.cacheWrite, written - hour)
        totals.part(Tags.cacheWrite1h, hour)
        totals.part(Tags.reasoning, value(.outputReasoning))
        return written > split
    }

    func converse(_ totals: inout UsageSum) {
        // The AI SDK uses the same two names with the cached tokens inside.
        let inside = has(.sdkCached)
        let written = value(.converseCacheWrite)
        let hour = lists.converseHour
        if has(.converseInput) {
            totals.add(Tags.input, value(.converseInput))
            if !inside {
                totals.add(Tags.input, value(.converseCacheRead))
                totals.add(Tags.input, written)
            }
        }
        if hour > written {
            totals.inconsistent = Tags.cacheWrite1h
            return
        }
        if has(.converseOutput) { totals.add(Tags.output, value(.converseOutput)) }
        totals.part(Tags.cacheRead, inside ? value(.sdkCached) : value(.converseCacheRead))
        totals.part(Tags.cacheWrite, written - hour)
        totals.part(Tags.cacheWrite1h, hour)
        totals.part(Tags.reasoning, value(.sdkReasoning))
    }

    func gemini(_ totals: inout UsageSum) {
        // The prompt of tools is counted beside the prompt, thoughts beside the candidates.
        if has(.geminiPrompt) || has(.geminiTool) {
            totals.add(Tags.input, value(.geminiPrompt))
            totals.add(Tags.input, value(.geminiTool))
        }
        if has(.geminiCandidates) || has(.geminiThoughts) {
            totals.add(Tags.output, value(.geminiCandidates))
            totals.add(Tags.output, value(.geminiThoughts))
        }
        totals.part(Tags.cacheRead, value(.geminiCached))
        totals.part(Tags.tool, value(.geminiTool))
        totals.part(Tags.reasoning, value(.geminiThoughts))
        totals.part(Tags.inputAudio, lists.count(.prompt, .audio))
        totals.part(Tags.inputAudio, lists.count(.tool, .audio))
        totals.part(Tags.inputImage, lists.count(.prompt, .image))
        totals.part(Tags.inputImage, lists.count(.tool, .image))
        totals.part(Tags.inputVideo, lists.count(.prompt, .video))
        totals.part(Tags.inputVideo, lists.count(.tool, .video))
        totals.part(Tags.cacheReadAudio, lists.count(.cache, .audio))
        totals.part(Tags.cacheReadImage, lists.count(.cache, .image))
        totals.part(Tags.cacheReadVideo, lists.count(.cache, .video))
        totals.part(Tags.outputAudio, lists.count(.candidates, .audio))
        totals.part(Tags.outputImage, lists.count(.candidates, .image))
        totals.part(Tags.outputVideo, lists.count(.candidates, .video))
    }

    func cohere(_ totals: inout UsageSum) {
        // What is billed, not what was tokenised, where both are given.
        let billed = has(.billedInput) || has(.billedOutput) || has(.billedSearch)
        let input: UsageField = billed ? .billedInput : .cohereInput
        let output: UsageField = billed ? .billedOutput : .cohereOutput
        if has(input) { totals.add(Tags.input, value(input)) }
        if has(output) { totals.add(Tags.output, value(output)) }
        if has(.billedSearch) { totals.add(Tags.searchUnits, value(.billedSearch)) }
        if value(.cohereCached) <= value(input) { totals.part(Tags.cacheRead, value(.cohereCached)) }
    }

    func openTelemetry(_ totals: inout UsageSum) {
        if has(.otelInput) { totals.add(Tags.input, value(.otelInput)) }
        if has(.otelOutput) { totals.add(Tags.output, value(.otelOutput)) }
        totals.part(Tags.cacheRead, value(.otelCacheRead))
        totals.part(Tags.cacheWrite, value(.otelCacheWrite))
        totals.part(Tags.reasoning, value(.otelReasoning))
    }

    func units(_ totals: inout UsageSum) {
        if has(.seconds) { totals.add(Tags.seconds, value(.seconds)) }
        if has(.characters) { totals.add(Tags.characters, value(.characters)) }
        if has(.images) { totals.add(Tags.images, value(.images)) }
        if has(.pages) { totals.add(Tags.pages, value(.pages)) }
        totals.part(Tags.webSearches, value(.webSearches))
    }
}
