// Events through the encoder and the decoder: what went in comes out, and at what size and speed.

import Core
import Foundation
import Frames
import Testing

/// A typical event: UUID key, four names and a region-less model call with tokens and revenue.
func typicalEvent(_ index: Int, maker: inout KeyMaker, withCost: Bool = false) -> UsageEvent {
    let models = ["gpt-4.1-mini", "claude-sonnet-4-5", "gemini-2.5-flash"]
    let providers = ["openai", "anthropic", "google"]
    return UsageEvent(
        key: maker.next(),
        name: "chat.completion",
        customer: "customer-\(index % 20)",
        feature: "ai.chat",
        model: models[index % 3],
        provider: providers[index % 3],
        occurredAt: Timestamp(nanoseconds: 1_785_974_400_000_000_000 + Int64(index) * 7_300_017),
        usageUnits: Quantity(millionths: 1_000_000),
        cost: withCost ? Money(picodollars: 310_000_000 + Int64(index)) : nil,
        revenue: Money(picodollars: 20_000_000_000),
        usage: [
            UsageLine(kind: .inputTokens, quantity: Quantity(millionths: Int64(800 + index) * 1_000_000)),
            UsageLine(kind: .outputTokens, quantity: Quantity(millionths: Int64(150 + index) * 1_000_000)),
        ]
    )
}

func frame(of events: [UsageEvent], detail: Bool = false, requestID: UInt64 = 7) -> [UInt8] {
    var encoder = EventsEncoder()
    for event in events { #expect(encoder.add(event) == .added) }
    var writer = ByteWriter()
    encoder.finish(requestID: requestID, detail: detail, into: &writer)
    return writer.array
}

func payload(of frame: [UInt8]) -> [UInt8] { Array(frame[FrameHeader.size...]) }

func decode(_ payload: [UInt8], into block: inout EventBlock) -> EventsDecoding {
    payload.withUnsafeBytes { EventsDecoder.decode(payload: $0, into: &block) }
}

@Suite struct EventsRoundTripTests {
    @Test func aTypicalEventInABatchOfAHundredTakesAtMost64Bytes() {
        var maker = KeyMaker()
        for withCost in [false, true] {
            let bytes = frame(of: (0..<100).map { typicalEvent($0, maker: &maker, withCost: withCost) })
            let size = Double(bytes.count) / 100
            print("typical event, batch of 100, \(withCost ? "with" : "without") cost: \(size) bytes")
            #expect(size <= 64)
        }
    }

    /// A bound for the order of magnitude, not for the target: a slow path on every event would pass it, on any machine.
    @Test func anEventTakesNanosecondsNotMicroseconds() {
        #if !DEBUG
            var maker = KeyMaker()
            let events = (0..<1000).map { typicalEvent($0, maker: &maker) }
            let bytes = payload(of: frame(of: events))
            var block = EventBlock(events: 1024)
            var encoder = EventsEncoder()
            var writer = ByteWriter()
            var (decoding, encoding) = (Duration.seconds(1), Duration.seconds(1))
            let clock = ContinuousClock()
            for _ in 0..<50 {
                block.reset()
                writer.reset()
                let decoded = clock.measure { _ = decode(bytes, into: &block) }
                let encoded = clock.measure {
                    for event in events { _ = encoder.add(event) }
                    encoder.finish(requestID: 1, into: &writer)
                }
                decoding = min(decoding, decoded)
                encoding = min(encoding, encoded)
            }
            print("an event of 1,000: decode \(decoding / 1000), encode \(encoding / 1000)")
            #expect(decoding < .microseconds(300))
            #expect(encoding < .microseconds(1500))
        #endif
    }

    @Test func decodingAgainNeedsNoMoreMemory() {
        var maker = KeyMaker()
        let bytes = payload(of: frame(of: (0..<1000).map { typicalEvent($0, maker: &maker) }))
        var block = EventBlock(events: 1)
        #expect(decode(bytes, into: &block) == .events(1000))
        let before = (block.arena.base, block.events.baseAddress, block.names.baseAddress, block.usage.baseAddress)
        block.reset()
        #expect(decode(bytes, into: &block) == .events(1000))
        #expect(before == (block.arena.base, block.events.baseAddress, block.names.baseAddress, block.usage.baseAddress))
    }
}
