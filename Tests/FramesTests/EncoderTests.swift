// The encoder: what it refuses, when a frame is full, and that a full frame loses nothing.

import Core
import Frames
import Testing

@Suite struct EncoderTests {
    /// Events and names of every frame that the encoder gave up as full, plus the last.
    private func frames(_ events: [UsageEvent], _ capacity: FrameCapacity) -> [[String]] {
        var encoder = EventsEncoder(capacity: capacity)
        var result: [[String]] = []
        func finish() {
            var writer = ByteWriter()
            encoder.finish(requestID: 1, into: &writer)
            let payload = payload(of: writer.array)
            #expect(payload.count <= capacity.payloadBytes)
            var block = EventBlock()
            guard case .events(let count) = decode(payload, into: &block) else {
                Issue.record("what the encoder wrote is refused")
                return
            }
            #expect(count <= capacity.events && block.nameCount <= capacity.strings)
            result.append((0..<count).map { String(decoding: block.name(block.events[$0].eventName), as: UTF8.self) })
        }
        for event in events {
            var addition = encoder.add(event)
            if addition == .full {
                finish()
                addition = encoder.add(event)
            }
            #expect(addition == .added)
        }
        finish()
        return result
    }

    @Test func anEventThatNoLongerFitsGoesToTheNextFrameWhole() {
        let events = (0..<300).map { UsageEvent(name: "event-\($0)", customer: "customer-\($0 / 2)") }
        for capacity in [
            FrameCapacity(payloadBytes: 300), FrameCapacity(events: 7), FrameCapacity(strings: 5),
            FrameCapacity(payloadBytes: 2000, events: 50, strings: 40), FrameCapacity(strings: 2),
        ] {
            let frames = frames(events, capacity)
            #expect(frames.count > 1)
            #expect(frames.flatMap { $0 } == events.map(\.name))
        }
        #expect(frames(events, FrameCapacity()).count == 1)
    }

    @Test func anEventLargerThanAnyFrameIsRefused() {
        var encoder = EventsEncoder(capacity: FrameCapacity(payloadBytes: 100))
        #expect(encoder.add(UsageEvent(name: String(repeating: "x", count: 100))) == .refused(.fieldTooLong, .none))
        #expect(encoder.count == 0)
        #expect(encoder.add(UsageEvent(name: "x")) == .added)
    }

    @Test func whatTheLayoutCannotSayIsRefusedBeforeItIsWritten() {
        var encoder = EventsEncoder()
        func refusal(_ change: (inout UsageEvent) -> Void) -> EventsEncoder.Addition {
            var event = UsageEvent(name: "x")
            change(&event)
            return encoder.add(event)
        }
        let less = Quantity(millionths: -1)
        #expect(refusal { $0.cost = Money(picodollars: -1) } == .refused(.amountOutOfRange, .costAmount))
        #expect(refusal { $0.revenue = Money(picodollars: .min) } == .refused(.amountOutOfRange, .revenueAmount))
        #expect(refusal { $0.usageUnits = less } == .refused(.amountOutOfRange, .usageUnits))
        #expect(refusal { $0.usage = [UsageLine(kind: .outputTokens, quantity: less)] } == .refused(.amountOutOfRange, .outputTokens))
        #expect(refusal { $0.occurredAt = Timestamp(nanoseconds: -1) } == .refused(.fieldInvalid, .occurredAt))
        #expect(refusal { $0.occurredAt = .end } == .refused(.fieldInvalid, .occurredAt))
        let line = UsageLine(kind: .seconds, quantity: .zero)
        #expect(refusal { $0.usage = Array(repeating: line, count: 33) } == .refused(.fieldInvalid, .usage))
        #expect(encoder.count == 0 && refusal { _ in } == .added)
    }

    @Test func recordsOfEverySizeGetTheRightLength() {
        // Lengths of one, two and three bytes, with masks of one, two and three.
        for size in Array(90...140) + [16_300, 16_380, 16_390] {
            for extra in [false, true] {
                var event = UsageEvent(key: .text("k"), name: "n", revenue: extra ? Money(picodollars: 1) : nil)
                event.extras[.meta] = "{\"a\":\"" + String(repeating: "x", count: size - 8) + "\"}"
                var block = EventBlock()
                #expect(decode(payload(of: frame(of: [event, event])), into: &block) == .events(2))
                #expect(block.events[0].outcome == (size <= Limits.metaBytes ? .recorded : .fieldTooLong))
                if size <= Limits.metaBytes { #expect(Int(block.events[1].extras.length) > size) }
            }
        }
    }

    @Test func manyStringsKeepTheirIndices() {
        let names = (0..<5000).map { "name-\($0 * 7919 % 3001)" }
        var block = EventBlock()
        #expect(decode(payload(of: frame(of: names.map { UsageEvent(name: $0) })), into: &block) == .events(5000))
        #expect(block.nameCount == 3001)
        for (index, name) in names.enumerated() {
            #expect(block.string(block.names[Int(block.events[index].eventName)]) == Array(name.utf8))
        }
    }

    @Test func keysAreDistinctUUIDsOfVersionEight() {
        var maker = KeyMaker()
        var seen: Set<EventKey> = []
        for _ in 0..<1000 {
            let key = maker.next()
            #expect(seen.insert(key).inserted)
            guard case .uuid(let high, let low) = key else {
                Issue.record("not a UUID")
                return
            }
            #expect(high >> 12 & 15 == 8 && low >> 62 == 2)
        }
        #expect(EventKey.unique() != EventKey.unique())
    }

    @Test func aUUIDAndItsTextAreTheSameKey() {
        let text = "00ff10a5-9bcd-4ef0-8123-456789abcdef"
        let raw = EventKey.uuid(high: 0x00ff_10a5_9bcd_4ef0, low: 0x8123_4567_89ab_cdef)
        #expect(frame(of: [UsageEvent(key: .text(text), name: "x")]) == frame(of: [UsageEvent(key: raw, name: "x")]))
        var block = EventBlock()
        _ = decode(payload(of: frame(of: [UsageEvent(key: raw, name: "x")])), into: &block)
        #expect(block.string(block.events[0].key) == Array(text.utf8))
    }
}
