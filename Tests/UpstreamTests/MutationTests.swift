import Pricing
import Testing

@testable import Upstream

/// The same numbers every time.
private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// Texts that are almost what they were: what a broken download, a careless edit or a hostile server could send. Nothing may
/// trap, and what is taken must be a catalogue.
@Suite struct MutationTests {
    /// Values in place of others.
    private static let values = [
        "null", "true", "{}", "[]", "0", "-0", "-1", "1e99", "-1e-99", "0.0000000000000000000001", "1e9", "9223372036854775807",
        "99999999999999999999999", "\"\"", "\" \"", "\"a b\"", "\"\\n\"", "\"|\"", "\"*\"", "\"#\"", "\"!x\"", "\"^(a|b)[\"", "\"\\u0000\"",
        "\"2026-13-01\"", "\"24:00:00\"", "[[]]", "{\"base\":1,\"tiers\":[{\"start\":9223372036854,\"price\":1}]}", "{\"or\":[]}",
        "{\"and\":[]}", "{\"regex\":\"^\\\\d{32}$\"}", "[{\"prices\":{}}]", "{\"windows\":[]}", "\"1-7\"",
    ]

    /// A text with one or a few of its values, pieces or bytes changed.
    private static func mutated(_ text: [UInt8], _ numbers: inout Numbers) -> [UInt8] {
        var result = text
        for _ in 0..<Int.random(in: 1...3, using: &numbers) {
            guard result.count > 8 else { break }
            let at = Int.random(in: 0..<result.count, using: &numbers)
            switch Int.random(in: 0..<8, using: &numbers) {
            case 0: result[at] = UInt8.random(in: 0...255, using: &numbers)
            case 1: result.remove(at: at)
            case 2: result.removeSubrange(at..<min(result.count, at + Int.random(in: 1...2000, using: &numbers)))
            case 3:
                let piece = result[at..<min(result.count, at + Int.random(in: 1...300, using: &numbers))]
                result.insert(contentsOf: piece, at: Int.random(in: 0..<result.count, using: &numbers))
            default:
                // The value after the next colon, up to what ends it at its own level.
                guard let colon = result[at...].firstIndex(of: 0x3A), colon + 1 < result.count else { continue }
                var end = colon + 1
                var depth = 0
                while end < result.count {
                    let byte = result[end]
                    if depth == 0, byte == 0x2C || byte == 0x7D || byte == 0x5D { break }
                    if byte == 0x7B || byte == 0x5B { depth += 1 }
                    if byte == 0x7D || byte == 0x5D { depth -= 1 }
                    end += 1
                }
                result.replaceSubrange((colon + 1)..<end, with: Array(values.randomElement(using: &numbers)!.utf8))
            }
        }
        return result
    }

    /// Every line of `list` that holds one of these words: a small list is mutated sooner in the places that count.
    private static func short(_ list: [UInt8], _ keep: [String]) -> [UInt8] {
        let lines = String(decoding: list, as: UTF8.self).split(separator: "\n")
        let kept = lines.filter { line in keep.contains { line.contains($0) } }.map { line in
            let bare = line.drop { $0 == "[" }
            return bare.hasSuffix("}]") || bare.hasSuffix(",") ? bare.dropLast() : bare
        }
        return Array("[\(kept.joined(separator: ",\n"))]".utf8)
    }

    private static func run(_ list: [UInt8], over base: [UInt8], rounds: Int, seed: UInt64) throws -> Int {
        var numbers = Numbers(state: seed)
        var taken = 0
        for _ in 0..<rounds {
            let text = mutated(list, &numbers)
            let updated: UpdatedCatalogue
            do throws(UpstreamError) {
                updated = try Upstream.update(base: base, upstream: text, day: "2026-11-24")
            } catch {
                #expect(!error.message.isEmpty)
                continue
            }
            taken += 1
            // What was taken is a catalogue, of as many rows as were said, and in its one form.
            let again = try CatalogueDocument(updated.bundle)
            #expect(again.rowCount == updated.diff.rowsAfter)
            #expect(updated.diff.isEmpty || again.bundle == updated.bundle)
        }
        return taken
    }

    static let rounds = 150

    @Test func noListOfGenaiPricesTraps() throws {
        let base = try Base.builtIn(["deepseek", "groq", "x-ai"]).bundle
        let list = MutationTests.short(try Base.fixture("genai-prices-0.2.3.json"), [#""id":"deepseek","#, #""id":"groq","#])
        #expect(try Upstream.update(base: base, upstream: list, day: "2026-11-24").diff.removed.allSatisfy { $0.provider == "x-ai" })
        #expect(try MutationTests.run(list, over: base, rounds: MutationTests.rounds, seed: 1) > 10)
    }

    @Test func noListOfLiteLLMTraps() throws {
        let base = try Base.builtIn(["dashscope", "deepgram", "deepseek", "voyageai", "x-ai"]).bundle
        let list = try Base.fixture("litellm-1.109.1.json")
        #expect(try MutationTests.run(list, over: base, rounds: MutationTests.rounds / 3, seed: 2) > 5)
    }

    @Test func noBundleTraps() throws {
        let base = try Base.builtIn(["deepseek", "groq", "x-ai"]).bundle
        #expect(try MutationTests.run(base, over: base, rounds: MutationTests.rounds, seed: 3) > 10)
        #expect(try MutationTests.run(Base.catalogue("model a\nnames a\nrate input=1/M"), over: base, rounds: 300, seed: 4) > 5)
    }
}
