// DemoEvents: a made-up week at a company that resells AI features, the same on every run but for the clock.
//
// Seven providers, five customers, five features, each provider's usage in the provider's own shape. One customer pays a
// flat price for work that costs more than it brings; one model has no price anywhere, so that "unpriced" is seen.

import Core

/// One line of business: who uses what through which model, and what it earns.
private struct Business {
    enum Shape { case openAI, responses, anthropic, bedrock, gemini, plain, embedding }

    var customer: String
    var feature: String
    var event: String
    var provider: String
    var model: String
    var shape: Shape
    var input: ClosedRange<Int>
    var output: ClosedRange<Int>
    /// Percent of the input that a cache held.
    var cached = 0
    /// USD per event.
    var revenue: String
    /// Share of all events.
    var weight: Int
}

private let businesses: [Business] = [
    Business(
        customer: "acme-robotics", feature: "support-chat", event: "chat.reply", provider: "openai", model: "gpt-5-mini", shape: .openAI,
        input: 900...4200, output: 120...700, cached: 60, revenue: "0.02", weight: 14),
    Business(
        customer: "acme-robotics", feature: "code-review", event: "review.run", provider: "anthropic", model: "claude-sonnet-4-5-20250929",
        shape: .anthropic, input: 6000...24_000, output: 600...2400, cached: 70, revenue: "0.25", weight: 7),
    Business(
        customer: "acme-robotics", feature: "semantic-search", event: "search.embed", provider: "openai", model: "text-embedding-3-small",
        shape: .embedding, input: 7...900, output: 0...0, revenue: "0.0002", weight: 12),
    Business(
        customer: "lumen-health", feature: "summaries", event: "summary.write", provider: "google", model: "gemini-2.5-pro", shape: .gemini,
        input: 4000...30_000, output: 300...1500, cached: 20, revenue: "0.12", weight: 9),
    Business(
        customer: "lumen-health", feature: "support-chat", event: "chat.reply", provider: "bedrock",
        model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", shape: .bedrock, input: 1500...6000, output: 200...900, cached: 50,
        revenue: "0.06", weight: 8),
    Business(
        customer: "northwind-books", feature: "semantic-search", event: "search.answer", provider: "mistral", model: "mistral-small-latest",
        shape: .plain, input: 800...3000, output: 80...400, revenue: "0.004", weight: 12),
    Business(
        customer: "northwind-books", feature: "summaries", event: "summary.write", provider: "deepseek", model: "deepseek-chat",
        shape: .plain, input: 2000...9000, output: 200...900, revenue: "0.01", weight: 9),
    Business(
        customer: "quill-legal", feature: "contract-review", event: "review.run", provider: "anthropic", model: "claude-opus-4-6",
        shape: .anthropic, input: 18_000...60_000, output: 1500...5000, cached: 35, revenue: "0.15", weight: 6),
    Business(
        customer: "quill-legal", feature: "support-chat", event: "chat.reply", provider: "openai", model: "gpt-4.1", shape: .responses,
        input: 1500...5000, output: 200...800, cached: 40, revenue: "0.015", weight: 6),
    Business(
        customer: "tiny-tutor", feature: "support-chat", event: "chat.reply", provider: "groq", model: "llama-3.3-70b-versatile",
        shape: .plain, input: 500...2500, output: 100...600, revenue: "0.003", weight: 14),
    Business(
        customer: "tiny-tutor", feature: "summaries", event: "summary.write", provider: "own-gpu", model: "house-mix-22b", shape: .plain,
        input: 500...2500, output: 100...600, revenue: "0.003", weight: 3),
]

/// The events of the demonstration, one JSON object a line.
struct DemoEvents {
    /// Events the demonstration sends over the binary protocol.
    static let count = 360

    private var random: UInt64
    private let start: Timestamp
    private let step: Int64

    /// Events spread over the two days before `now`.
    init(now: Timestamp, seed: UInt64 = 7787) {
        random = seed
        let span: Int64 = 48 * Timestamp.nanosecondsPerHour
        start = Timestamp(nanoseconds: max(0, now.nanoseconds - span))
        step = span / Int64(DemoEvents.count + 1)
    }

    /// The lines, and the number of the first one that quill-legal's contract review sent (its derivation is shown).
    static func lines(now: Timestamp) -> [String] {
        var events = DemoEvents(now: now)
        return (0..<count).map { events.line($0) }
    }

    /// The key of event `index`.
    static func key(_ index: Int) -> String {
        let digits = String(index + 1)
        return "demo-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// The first event of a customer among `lines`, by its key.
    static func firstKey(of customer: String, in lines: [String]) -> String? {
        lines.firstIndex { $0.contains("\"\(customer)\"") }.map(key)
    }

    mutating func line(_ index: Int) -> String {
        let business = pick()
        let input = pick(business.input)
        let output = pick(business.output)
        let cached = input * business.cached / 100
        let seconds = (start.nanoseconds + Int64(index + 1) * step) / 1_000_000_000
        let time = Timestamp(nanoseconds: seconds * 1_000_000_000)
        return "{\"eventName\":\"\(business.event)\",\"eventIdempotencyKey\":\"\(DemoEvents.key(index))\","
            + "\"customerReferenceId\":\"\(business.customer)\",\"featureKey\":\"\(business.feature)\",\"occurredAt\":\"\(time)\","
            + "\"usageUnits\":1,\"revenueAmount\":\(business.revenue),\"costInput\":{\"modelProvider\":\"\(business.provider)\","
            + "\"model\":\"\(business.model)\"," + usage(business.shape, input: input, output: output, cached: cached) + "}}"
    }

    private func usage(_ shape: Business.Shape, input: Int, output: Int, cached: Int) -> String {
        switch shape {
        case .openAI:
            "\"usage\":{\"prompt_tokens\":\(input),\"completion_tokens\":\(output),\"total_tokens\":\(input + output),"
                + "\"prompt_tokens_details\":{\"cached_tokens\":\(cached)},"
                + "\"completion_tokens_details\":{\"reasoning_tokens\":\(output / 3)}}"
        case .responses:
            "\"usage\":{\"input_tokens\":\(input),\"input_tokens_details\":{\"cached_tokens\":\(cached)},\"output_tokens\":\(output),"
                + "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":\(input + output)}"
        case .anthropic:
            // The provider counts what the cache served outside of input_tokens.
            "\"usage\":{\"input_tokens\":\(input - cached),\"cache_creation_input_tokens\":\(cached / 4),"
                + "\"cache_read_input_tokens\":\(cached - cached / 4),\"output_tokens\":\(output)}"
        case .bedrock:
            "\"usage\":{\"inputTokens\":\(input - cached),\"outputTokens\":\(output),\"totalTokens\":\(input + output),"
                + "\"cacheReadInputTokens\":\(cached),\"cacheWriteInputTokens\":0}"
        case .gemini:
            "\"usage\":{\"promptTokenCount\":\(input),\"cachedContentTokenCount\":\(cached),\"candidatesTokenCount\":\(output),"
                + "\"thoughtsTokenCount\":\(output / 2),\"totalTokenCount\":\(input + output + output / 2)}"
        case .plain:
            "\"inputTokens\":\(input),\"outputTokens\":\(output)"
        case .embedding:
            "\"inputTokens\":\(input)"
        }
    }

    // MARK: - Chance, the same on every run

    /// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    private mutating func next() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var z = random
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    private mutating func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    private mutating func pick() -> Business {
        let total = businesses.reduce(0) { $0 + $1.weight }
        var left = pick(1...total)
        for business in businesses {
            left -= business.weight
            if left <= 0 { return business }
        }
        return businesses[0]
    }
}
