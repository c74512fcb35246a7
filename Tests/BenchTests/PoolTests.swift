// What is sent: every event with a key of its own, but for those that repeat an event byte for byte.

import Core
import Frames
import Testing

@testable import Bench

private func pool(_ encoding: Encoding, batch: Int, duplicates: Int) -> Pool {
    var options = MixOptions()
    options.duplicatesPerMille = duplicates
    let rates = [ModelRates?](repeating: ModelRates(input: 1000, cacheRead: 100, output: 3000), count: Business.all.count)
    let mix = Mix(options, rates: rates, eventName: "bench.test", baseTime: Timestamp(nanoseconds: 1_790_000_000_000_000_000))
    return Pool(mix, encoding: encoding, batch: batch, head: { "HEAD \($0)\r\n\r\n" }, salt: (7, 9))
}

/// The messages of one round, as they are sent.
private func round(_ pool: borrowing Pool, base: UInt64 = 0) -> [[UInt8]] {
    var messages: [[UInt8]] = []
    for index in 0..<pool.messages.count {
        let bytes = [UInt8](unsafeUninitializedCapacity: pool.messages[index].length) { buffer, count in
            count = pool.write(
                index, base: base + UInt64(index * pool.batch), requestID: UInt64(index), isFirst: true, to: buffer.baseAddress!)
        }
        messages.append(bytes)
    }
    return messages
}

/// Keys of a message, at the places where they are.
private func keys(_ message: [UInt8], _ pool: borrowing Pool, _ index: Int) -> [[UInt8]] {
    let size = pool.encoding == .binary ? 16 : 36
    var found: [[UInt8]] = []
    pool.eachKey(of: index) { found.append(Array(message[$0..<$0 + size])) }
    return found
}

@Test(arguments: [(Encoding.binary, 100), (.binary, 1), (.json, 100), (.json, 1), (.ndjson, 7)])
func keysAreDistinctButForTheShareThatIsRepeated(encoding: Encoding, batch: Int) {
    let pool = pool(encoding, batch: batch, duplicates: 50)
    var seen: Set<[UInt8]> = []
    var sent = 0
    var duplicates = 0
    // Twice around: a second round is of fresh keys too.
    for lap in 0..<2 {
        let messages = round(pool, base: UInt64(lap * pool.messages.count * batch))
        for (index, message) in messages.enumerated() {
            for key in keys(message, pool, index) {
                sent += 1
                if !seen.insert(key).inserted { duplicates += 1 }
            }
        }
    }
    #expect(seen.count + duplicates == sent)
    let claimed = (0..<pool.messages.count).reduce(0) { $0 + pool.messages[$1].duplicates } * 2
    #expect(duplicates == claimed, "\(duplicates) keys came again, the pool says \(claimed)")
    let share = Double(duplicates) / Double(sent)
    #expect(share > 0.03 && share < 0.06, "the share is \(share)")
}

@Test func withoutDuplicatesNoKeyComesTwice() {
    let pool = pool(.binary, batch: 1000, duplicates: 0)
    var seen: Set<[UInt8]> = []
    var sent = 0
    for (index, message) in round(pool).enumerated() {
        for key in keys(message, pool, index) {
            sent += 1
            seen.insert(key)
        }
    }
    #expect(seen.count == sent && sent > 10_000)
}

@Test func aMessageSentAgainIsTheSameToTheByte() {
    let pool = pool(.json, batch: 10, duplicates: 100)
    let first = round(pool, base: 500)
    for index in first.indices {
        let again = [UInt8](unsafeUninitializedCapacity: pool.messages[index].length) { buffer, count in
            count = pool.write(
                index, base: 500 + UInt64(index * pool.batch), requestID: 0, isFirst: false, to: buffer.baseAddress!)
        }
        #expect(again == first[index])
    }
}

@Test func everyMessageIsAFrameThatTheServerReads() throws {
    let pool = pool(.binary, batch: 100, duplicates: 30)
    var customers: Set<String> = []
    for (index, message) in round(pool).prefix(50).enumerated() {
        message.withUnsafeBytes { bytes in
            guard case .header(let header) = FrameHeader.parse(bytes) else {
                Issue.record("message \(index) is no frame")
                return
            }
            #expect(header.type == .events && header.requestID == UInt64(index) && header.frameSize == bytes.count)
            var block = EventBlock(events: 100)
            let payload = UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.size...])
            #expect(EventsDecoder.decode(payload: payload, into: &block) == .events(100), "message \(index)")
            #expect(block.count == 100)
            for event in block.events[0..<block.count] {
                #expect(event.outcome == .recorded)
                customers.insert(String(decoding: block.name(event.customer), as: UTF8.self))
            }
        }
    }
    // Names are drawn anew and stay names of customers there are.
    #expect(customers.count > 1000)
    #expect(customers.allSatisfy { $0.utf8.count == 13 && $0.hasPrefix("cust-") && (Int($0.dropFirst(5)) ?? .max) < 100_000 })
}

@Test(arguments: [(0, Int64(1_000_000_000)), (7, 86_400_000_000_000)]) func eventsOccurWithinASecondOrADay(daysAgo: Int, within: Int64) {
    var options = MixOptions()
    options.daysAgo = daysAgo
    var mix = Mix(
        options, rates: Array(repeating: nil, count: Business.all.count), eventName: "bench.test", baseTime: Timestamp(nanoseconds: 0))
    let offsets = (0..<4096).map { _ in mix.next().offset }
    #expect(offsets.allSatisfy { $0 >= 0 && $0 < within })
    #expect(offsets.max()! > within / 10 * 9 && offsets.min()! < within / 10)
}

@Test func costsAreRoundedOnceHalfToEven() {
    let rates = ModelRates(input: 1, cacheRead: 1, output: 1)
    #expect(rates.cost(input: 500, cached: 0, output: 0) == 0)
    #expect(rates.cost(input: 1500, cached: 0, output: 0) == 2)
    #expect(rates.cost(input: 2500, cached: 0, output: 0) == 2)
    #expect(rates.cost(input: 250, cached: 100, output: 251) == 1)
    #expect(ModelRates(input: 2000, cacheRead: 500, output: 8000).cost(input: 100, cached: 60, output: 10) == 190)
}
