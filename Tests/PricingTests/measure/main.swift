// What the price book costs in a release build: nanoseconds to load the catalogue, to find a name's row and to price an event,
// and how often pricing allocates. `.ci/measure-prices` builds and runs it. Exits with 1 when pricing has allocated at all, and
// when loading takes longer than its limit.

import Core
import Glibc
import Pricing

private func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func resolve(_ book: PriceBook, _ provider: StaticString, _ model: StaticString) -> Resolution {
    func bytes(_ text: StaticString) -> UnsafeRawBufferPointer { .init(start: text.utf8Start, count: text.utf8CodeUnitCount) }
    return book.resolve(provider: bytes(provider), model: bytes(model), feature: .init(start: nil, count: 0))
}

/// The best of several rounds, so that what else the machine does counts less.
private func best(_ rounds: Int, _ times: Int, _ body: () -> Void) -> Double {
    var least = UInt64.max
    for _ in 0..<rounds {
        let start = now()
        for _ in 0..<times { body() }
        least = min(least, now() - start)
    }
    return Double(least) / Double(times)
}

private func shown(_ nanoseconds: Double) -> String { String((nanoseconds * 10).rounded() / 10) }

var failed = false

let load = best(20, 1) { _ = try? PriceBook.builtIn() }
print("load: \(shown(load / 1000)) microseconds")
if load > 10_000_000 { failed = true }

let book = try PriceBook.builtIn()
print("rows: \(book.rowCount)")

private let names: [(provider: StaticString, model: StaticString, how: StaticString)] = [
    ("openai", "gpt-4o", "exact"), ("openai", "GPT-4o", "in another case"), ("", "gpt-4o", "exact, no provider"),
    ("openai", "openai/gpt-4o", "behind a gateway's name"), ("openai", "gpt-4o-2024-08-06", "with a date"),
    ("anthropic", "claude-sonnet-4-5-20250929", "with a date"), ("openai", "gpt-4o-ultra", "unknown"),
    ("azure", "gpt-5", "by a fallback"), ("bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0", "by a pattern"),
    ("", "llama-3.3-70b-versatile", "no maker, one host"),
]
for name in names {
    let time = best(20, 2000) { _ = resolve(book, name.provider, name.model) }
    print("resolve \(name.provider)/\(name.model), \(name.how): \(shown(time)) ns")
}

private func line(_ kind: UsageKind, _ count: Int64) -> UsageLine {
    UsageLine(kind: kind, quantity: Quantity(millionths: count * 1_000_000))
}
var allocations = 0
private let chat = [line(.inputTokens, 2006), line(.cacheReadTokens, 1920), line(.outputTokens, 300), line(.reasoningTokens, 200)]
private let audio = [line(.inputTokens, 900), line(.inputAudioTokens, 800), line(.cacheReadTokens, 100), line(.outputTokens, 50)]
private let events: [(provider: StaticString, model: StaticString, usage: [UsageLine], tier: ServiceTier, how: StaticString)] = [
    ("groq", "llama-3.3-70b-versatile", chat, .standard, "one card"), ("openai", "gpt-4o", chat, .standard, "dates"),
    ("openai", "gpt-5.5", chat, .flex, "dates, tier and threshold"), ("deepseek", "deepseek-v4-flash", chat, .standard, "hours"),
    ("openai", "gpt-realtime", audio, .standard, "parts that cross"),
]
for event in events {
    let row = resolve(book, event.provider, event.model)
    var sum: Int64 = 0
    var allocated = 0
    var time = 0.0
    // The second round counts: in the first one what is made once is made.
    for _ in 0..<2 {
        startCounting()
        time = event.usage.withUnsafeBufferPointer { usage in
            best(10, 50_000) {
                let at = Timestamp(nanoseconds: 1_792_000_000_000_000_000 &+ sum & 0xFFFF_FFFF)
                sum &+= book.price(row, usage: usage, at: at, tier: event.tier, region: .init(start: nil, count: 0)).cost.picodollars
            }
        }
        allocated = stopCounting()
    }
    allocations += allocated
    print("price \(event.provider)/\(event.model), \(event.how): \(shown(time)) ns")
}
print("allocations while pricing: \(allocations)")
if allocations != 0 { failed = true }
// The counter itself works: finding a row allocates.
startCounting()
_ = resolve(book, "openai", "gpt-4o")
if stopCounting() == 0 {
    print("the counter does not count")
    failed = true
}
exit(failed ? 1 : 0)
