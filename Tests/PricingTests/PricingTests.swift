// Worked cases: a provider, a model, a time, a usage, and the exact dollars, with the arithmetic beside them.

import Core
import Pricing
import Testing

struct WorkedCase: Sendable, CustomTestStringConvertible {
    var title: String
    var provider: String
    var model: String
    var time = october
    var tier = ServiceTier.standard
    var region = ""
    var usage: [UsageLine]
    var cost: String

    var testDescription: String { title }
}

private let cases: [WorkedCase] = [
    // 86 x 2.50 + 1920 x 1.25 + 300 x 10, per million
    WorkedCase(
        title: "cached tokens are inside the prompt", provider: "openai", model: "gpt-4o-2024-08-06",
        usage: [line(.inputTokens, 2006), line(.outputTokens, 300), line(.cacheReadTokens, 1920), line(.reasoningTokens, 0)],
        cost: "0.005615"),
    // 4262 x 0.625 + 4864 x 0.0625 + 3197 x 5
    WorkedCase(
        title: "the flex tier has its own rates", provider: "openai", model: "gpt-5", tier: .flex,
        usage: [line(.inputTokens, 9126), line(.cacheReadTokens, 4864), line(.outputTokens, 3197), line(.reasoningTokens, 2048)],
        cost: "0.01895275"),
    // 272000 x 5 + 1000 x 30
    WorkedCase(
        title: "at the long-context threshold the base rates hold", provider: "openai", model: "gpt-5.5",
        usage: [line(.inputTokens, 272_000), line(.outputTokens, 1000)], cost: "1.39"),
    // 272001 x 10 + 1000 x 45
    WorkedCase(
        title: "one token more prices the whole request anew", provider: "openai", model: "gpt-5.5",
        usage: [line(.inputTokens, 272_001), line(.outputTokens, 1000)], cost: "2.76501"),
    // 1200 x 3 + 20000 x 0.30 + 3000 x 3.75 + 2000 x 6 + 800 x 15, per million, + 2 x 0.01
    WorkedCase(
        title: "five-minute and one-hour cache writes and web searches", provider: "anthropic", model: "claude-sonnet-4-5-20250929",
        usage: [
            line(.inputTokens, 26_200), line(.cacheReadTokens, 20_000), line(.cacheWriteTokens, 3000), line(.cacheWrite1hTokens, 2000),
            line(.outputTokens, 800), line(.webSearches, 2),
        ], cost: "0.06485"),
    // 1200 x 3 + 20000 x 0.30 + 5000 x 3.75 + 800 x 15
    WorkedCase(
        title: "cache writes without a lifetime are five-minute ones", provider: "anthropic", model: "claude-sonnet-4-5-20250929",
        usage: [line(.inputTokens, 26_200), line(.cacheReadTokens, 20_000), line(.cacheWriteTokens, 5000), line(.outputTokens, 800)],
        cost: "0.04035"),
    // 250000 x 10 + 1000 x 37.5
    WorkedCase(
        title: "the second before a dated change", provider: "anthropic", model: "claude-opus-4-6", time: "2026-03-12T23:59:59Z",
        usage: [line(.inputTokens, 250_000), line(.outputTokens, 1000)], cost: "2.5375"),
    // 250000 x 5 + 1000 x 25
    WorkedCase(
        title: "the second of a dated change", provider: "anthropic", model: "claude-opus-4-6", time: "2026-03-13T00:00:00Z",
        usage: [line(.inputTokens, 250_000), line(.outputTokens, 1000)], cost: "1.275"),
    // 10000 x 10 + 2000 x 40
    WorkedCase(
        title: "o3 before its price was cut", provider: "openai", model: "o3", time: "2025-06-09T23:59:59Z",
        usage: [line(.inputTokens, 10_000), line(.outputTokens, 2000)], cost: "0.18"),
    // 160000 x 2.50 + 50000 x 0.25 + 5500 x 15
    WorkedCase(
        title: "gemini above 200k, cached tokens counted", provider: "google", model: "gemini-2.5-pro",
        usage: [line(.inputTokens, 210_000), line(.cacheReadTokens, 50_000), line(.outputTokens, 5500), line(.reasoningTokens, 4000)],
        cost: "0.495"),
    // 40000 x 0.30 + 60000 x 0.006 + 5000 x 1.20
    WorkedCase(
        title: "deepseek in the peak of a working day", provider: "deepseek", model: "deepseek-v4-flash", time: "2026-10-20T02:30:00Z",
        usage: [line(.inputTokens, 100_000), line(.cacheReadTokens, 60_000), line(.outputTokens, 5000)], cost: "0.01836"),
    // 40000 x 0.15 + 60000 x 0.003 + 5000 x 0.60
    WorkedCase(
        title: "deepseek at the same hour of a Saturday", provider: "deepseek", model: "deepseek-v4-flash", time: "2026-10-24T02:30:00Z",
        usage: [line(.inputTokens, 100_000), line(.cacheReadTokens, 60_000), line(.outputTokens, 5000)], cost: "0.00918"),
    // the same rates
    WorkedCase(
        title: "deepseek between its peaks", provider: "deepseek", model: "deepseek-v4-flash", time: "2026-10-20T04:00:00Z",
        usage: [line(.inputTokens, 100_000), line(.cacheReadTokens, 60_000), line(.outputTokens, 5000)], cost: "0.00918"),
    // 40000 x 0.14 + 60000 x 0.0028 + 5000 x 0.28
    WorkedCase(
        title: "deepseek before peaks existed", provider: "deepseek", model: "deepseek-v4-flash", time: "2026-07-01T02:30:00Z",
        usage: [line(.inputTokens, 100_000), line(.cacheReadTokens, 60_000), line(.outputTokens, 5000)], cost: "0.007168"),
    // 1000 x 3.30 + 100 x 16.50
    WorkedCase(
        title: "a regional inference profile costs a tenth more", provider: "aws",
        model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", usage: [line(.inputTokens, 1000), line(.outputTokens, 100)],
        cost: "0.00495"),
    // 1000 x 3 + 100 x 15
    WorkedCase(
        title: "the global inference profile does not", provider: "bedrock",
        model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0", usage: [line(.inputTokens, 1000), line(.outputTokens, 100)],
        cost: "0.0045"),
    // 1000000 x 0.075 + 100000 x 0.30
    WorkedCase(
        title: "the batch tier has its own rates", provider: "openai", model: "gpt-4o-mini", tier: .batch,
        usage: [line(.inputTokens, 1_000_000), line(.outputTokens, 100_000)], cost: "0.105"),
    // 200000 x 2.50 + 1500 x 5
    WorkedCase(
        title: "the threshold of grok is inclusive", provider: "x-ai", model: "grok-4.20", time: "2026-05-01T00:00:00Z",
        usage: [line(.inputTokens, 200_000), line(.outputTokens, 1500), line(.reasoningTokens, 500)], cost: "0.5075"),
    // 199999 x 1.25 + 1500 x 2.50
    WorkedCase(
        title: "below the threshold of grok", provider: "x-ai", model: "grok-4.20", time: "2026-05-01T00:00:00Z",
        usage: [line(.inputTokens, 199_999), line(.outputTokens, 1500)], cost: "0.25374875"),
    // 90 x 0.36 / 3600
    WorkedCase(title: "whisper by the second", provider: "openai", model: "whisper-1", usage: [line(.seconds, 90)], cost: "0.009"),
    // 10 x 0.04 / 3600, the rate being 0.000011111111111 a second
    WorkedCase(
        title: "groq bills ten seconds at least", provider: "groq", model: "whisper-large-v3-turbo", usage: [line(.seconds, 3)],
        cost: "0.000111111111"),
    WorkedCase(
        title: "groq bills nothing for nothing", provider: "groq", model: "whisper-large-v3-turbo", usage: [line(.seconds, 0)], cost: "0"),
    // 7 x 0.02
    WorkedCase(
        title: "less than a millionth of a dollar", provider: "openai", model: "text-embedding-3-small", usage: [line(.inputTokens, 7)],
        cost: "0.00000014"),
    // 32000 x 1.2 + 1000 x 6
    WorkedCase(
        title: "qwen's ranges include their upper end", provider: "dashscope", model: "qwen3-max",
        usage: [line(.inputTokens, 32_000), line(.outputTokens, 1000)], cost: "0.0444"),
    // 32001 x 2.4 + 1000 x 12
    WorkedCase(
        title: "qwen's second range", provider: "dashscope", model: "qwen3-max",
        usage: [line(.inputTokens, 32_001), line(.outputTokens, 1000)], cost: "0.0888024"),
    // (10000 x 2.5 + 1000 x 15) x 1.1
    WorkedCase(
        title: "data residency costs a tenth more", provider: "openai", model: "gpt-5.4", region: "eu",
        usage: [line(.inputTokens, 10_000), line(.outputTokens, 1000)], cost: "0.044"),
    // 10000 x 2.5 + 1000 x 15
    WorkedCase(
        title: "a region without a multiplier costs the same", provider: "openai", model: "gpt-5.4", region: "japan",
        usage: [line(.inputTokens, 10_000), line(.outputTokens, 1000)], cost: "0.04"),
]

@Test(arguments: cases)
func aWorkedCaseCostsWhatItsArithmeticSays(_ worked: WorkedCase) throws {
    let book = try PriceBook.builtIn()
    let priced = book.price(worked.provider, worked.model, worked.usage, at: worked.time, tier: worked.tier, region: worked.region)
    #expect(priced.unpriced == .none)
    #expect(priced.cost == usd(worked.cost))
    let text = Array(book.derivation(priced.card).utf8)
    let lines = text.withUnsafeBytes { PriceBook.lines(derivation: $0, usage: worked.usage) }
    #expect(lines.flatMap(PriceBook.cost) == usd(worked.cost), "from \(String(decoding: text, as: UTF8.self))")
}

@Test func aCachedPartLargerThanThePromptIsInconsistent() {
    let usage = [line(.inputTokens, 1000), line(.outputTokens, 10), line(.cacheReadTokens, 2000)]
    #expect(usage.withUnsafeBufferPointer { UsageRules.inconsistent($0) } == .cacheReadTokens)
}
