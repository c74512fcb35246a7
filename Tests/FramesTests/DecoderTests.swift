// The decoder against bytes nobody meant: it neither traps nor leaves anything behind.

import Core
import Frames
import Testing

/// xorshift64*: the same bytes every time.
private struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

@Suite struct DecoderTests {
    /// Decodes into a block that holds an event already, with the payload at the very end of its allocation.
    private func outcome(of payload: [UInt8]) -> EventsDecoding {
        var block = EventBlock(events: 1)
        _ = decode(DecoderTests.marker, into: &block)
        let before = (block.count, block.nameCount, block.usageCount, block.arena.count)
        let decoding = decode(payload, into: &block)
        switch decoding {
        case .refused(let error):
            #expect(error == .malformedFrame)
            #expect(before == (block.count, block.nameCount, block.usageCount, block.arena.count))
        case .events(let count):
            #expect(block.count == before.0 + count)
            for index in before.0..<block.count { check(block.events[index], block) }
        }
        #expect(block.string(block.names[Int(block.events[0].eventName)]) == [0x6D])
        return decoding
    }

    /// Whatever came in, what stands in the block can be read without harm.
    private func check(_ event: EventRecord, _ block: borrowing EventBlock) {
        for ref in [event.key, event.extras] { #expect(Int(ref.offset) + Int(ref.length) <= block.arena.count) }
        for name in [event.eventName, event.customer, event.feature, event.model, event.provider, event.region] {
            #expect(Int(name) <= block.nameCount)
            let ref = block.names[Int(name)]
            #expect(ref.isEmpty || Int(ref.offset) + Int(ref.length) <= block.arena.count)
        }
        #expect(Int(event.usageStart) + Int(event.usageCount) <= block.usageCount)
        if event.outcome == .recorded {
            #expect(event.eventName != 0 && event.occurredAt.isAccepted && event.field == .none)
            #expect(event.cost >= .zero && event.revenue >= .zero && event.usageUnits >= .zero)
            for line in block.usage(of: event) { #expect(line.quantity >= .zero) }
        }
    }

    private static let marker = payload(of: frame(of: [UsageEvent(key: .none, name: "m")]))
    private static let samples = Vectors.client.filter { $0.frames?.first?.type == "events" && $0.hex.utf8.count < 4_000 }
        .map { payload(of: $0.bytes) }

    @Test func everyShorterPayloadIsRefused() {
        for sample in DecoderTests.samples {
            for length in 0..<sample.count { #expect(outcome(of: Array(sample[..<length])) == .refused(.malformedFrame)) }
            #expect(outcome(of: sample + [0]) == .refused(.malformedFrame))
        }
    }

    @Test func everySingleByteChangeIsReadOrRefused() {
        var refused = 0
        var read = 0
        for sample in DecoderTests.samples where sample.count < 400 {
            for at in sample.indices {
                for change: UInt8 in [1, 0x7F, 0x80, 0xFF] {
                    var other = sample
                    other[at] ^= change
                    if case .events = outcome(of: other) { read += 1 } else { refused += 1 }
                }
            }
        }
        #expect(refused > 500 && read > 500)
    }

    @Test func randomBytesAreReadOrRefused() {
        var generator = Generator(state: 42)
        for _ in 0..<3000 {
            let length = Int.random(in: 0...120, using: &generator)
            var bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if length > 2 { (bytes[0], bytes[1]) = (1, UInt8.random(in: 0...2, using: &generator)) }
            _ = outcome(of: bytes)
        }
    }

    @Test func aFewBytesCannotMakeTheBlockLarge() {
        // 8,192 events and as many strings announced, with next to nothing behind them.
        let promise: [UInt8] = [1, 0x80, 0x40] + Array(repeating: 0, count: 60)
        var block = EventBlock(events: 1)
        #expect(decode(promise, into: &block) == .refused(.malformedFrame))
        #expect(block.events.count < 64 && block.names.count < 256)
    }

    @Test func namesReadTogetherAndOneByOneAreJudgedAlike() {
        // The same five names as a table of short strings, and with a long one beside them that nobody uses.
        let names = ["n", "customer", "feature", "model", "provider"]
        let event = UsageEvent(
            key: .uuid(high: 1, low: 2),
            name: names[0],
            customer: names[1],
            feature: names[2],
            model: names[3],
            provider: names[4],
            usageUnits: Quantity(millionths: 5_000_000)
        )
        let long = UsageEvent(key: .uuid(high: 3, low: 4), name: String(repeating: "é", count: 100))
        var short = EventBlock()
        var mixed = EventBlock()
        #expect(decode(payload(of: frame(of: [event])), into: &short) == .events(1))
        #expect(decode(payload(of: frame(of: [event, long])), into: &mixed) == .events(2))
        let (a, b) = (short.events[0], mixed.events[0])
        #expect(a.outcome == b.outcome && a.flags == b.flags && a.usageCount == 1 && b.usageCount == 1)
        for (x, y) in [(a.eventName, b.eventName), (a.customer, b.customer), (a.provider, b.provider), (a.model, b.model)] {
            #expect([UInt8](short.name(x)) == [UInt8](mixed.name(y)))
        }
        #expect(mixed.events[1].outcome == .recorded)
    }

    @Test func versionsAreChosenFromTheOverlap() {
        #expect(ProtocolVersion.choose(lowest: 1, highest: 9) == 1)
        #expect(ProtocolVersion.choose(lowest: 1, highest: 1) == 1)
        #expect(ProtocolVersion.choose(lowest: 0, highest: 0) == nil)
        #expect(ProtocolVersion.choose(lowest: 2, highest: 3) == nil)
        #expect(ProtocolVersion.choose(lowest: 2, highest: 1) == nil)
    }
}
