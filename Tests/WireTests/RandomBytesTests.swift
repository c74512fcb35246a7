// No input traps a decoder, and whatever is read stays within its bounds. Bounded: a fuzzer goes further.

import Core
import Testing
import Wire

private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

/// Seeds with a few bytes changed, cut, doubled or crossed with another.
private func mutated(_ seeds: [[UInt8]], _ random: inout Random) -> [UInt8] {
    var text = seeds.randomElement(using: &random)!
    for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0...text.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: text.insert(UInt8.random(in: 0...255, using: &random), at: at)
        case 1 where at < text.count: text.remove(at: at)
        case 2 where at < text.count: text[at] = UInt8.random(in: 0...255, using: &random)
        case 3: text.insert(contentsOf: text[0..<at], at: at)
        case 4: text = Array(text[0..<at]) + seeds.randomElement(using: &random)!.suffix(at)
        default: text.insert(contentsOf: [0x0D, 0x0A], at: at)
        }
        if text.count > 4000 { text.removeLast(text.count - 4000) }
    }
    return text
}

@Test func randomHeadsNeverTrapAndNeverDependOnArrival() {
    var random = Random(state: 0xB0A7)
    let valid = acceptedHeads.map { bytes($0.request) }
    let seeds = valid + valid + valid + refusedHeads.map(\.request)
    var accepted = 0
    for _ in 0..<4000 {
        let request = mutated(seeds, &random)
        let whole = parse(request)
        if whole.fields != nil { accepted += 1 }
        // A head that never ends may be refused at its first wrong byte or wait: it is refused or waiting either way.
        let split = parse(request, cuts: [Int.random(in: 0...request.count, using: &random), request.count].sorted())
        #expect(split == whole || (split == .needMore && whole.status != nil))
        if case .head(_, let consumed) = whole { #expect(consumed <= request.count) }
    }
    #expect(accepted > 100)
}

@Test func randomChunksNeverTrap() {
    var random = Random(state: 0xC0DE)
    let seeds = ["5\r\nhello\r\n0\r\n\r\n", "5;a=\"b\"\r\nhello\r\n0\r\nx: y\r\n\r\n", "FFFFFFFFFFFFFFFF\r\n", "0\r\n\r\n"].map(bytes)
    for _ in 0..<4000 {
        let input = mutated(seeds, &random)
        var decoder = ChunkedBody()
        var body = ByteWriter()
        let (consumed, _) = input.withUnsafeBytes { decoder.feed($0, into: &body) }
        #expect(consumed <= input.count && body.count <= input.count)
    }
}

@Test func randomBodiesNeverTrap() {
    var random = Random(state: 0xE7E7)
    let event =
        #"{"eventName":"chat","eventIdempotencyKey":"k\u0031","customerId":"0b0d7d0e-7b1f-4a51-9d3c-1f2e3d4c5b6a","#
        + #""occurredAt":"2026-08-06T00:00:00Z","usageUnits":1e3,"costAmount":"0.5","costInput":{"model":"m","inputTokens":10,"#
        + #""usage":{"a":{"b":1}},"batch":true},"meta":{"a":[1,2]}}"#
    let seeds = [
        event, "[\(event),\(event)]", "\(event)\n\(event)\n", "{\"email\":\"a@b.c\",\"firstName\":\"x\"}",
        "{\"a\":[{\"modality\":\"X\",\"tokenCount\":1}]}",
    ]
    .map(bytes)
    var reader = EventJSON()
    var block = EventBlock(events: 1)
    var usage = UsageObject()
    var recorded = 0
    for _ in 0..<4000 {
        let body = mutated(seeds, &random)
        body.withUnsafeBytes { body in
            block.reset()
            for shape in [EventJSON.Shape.single, .array, .ndjson] { _ = reader.read(body, shape: shape, into: &block) }
            _ = CustomerJSON.read(body, registering: true)
            _ = usage.read(body, number: { path, _ in #expect(path.count <= body.count) }, text: { _, _ in })
        }
        for i in 0..<block.count {
            let record = block.events[i]
            #expect(Int(record.usageStart) + Int(record.usageCount) <= block.usageCount)
            #expect(Int(record.extras.offset) + Int(record.extras.length) <= block.arena.count)
            #expect(record.eventName <= block.nameCount && record.region <= block.nameCount)
            #expect(record.outcome != .recorded || record.field == .none)
            if record.outcome == .recorded { recorded += 1 }
        }
    }
    #expect(recorded > 200)
}

@Test func pureNoiseNeverTraps() {
    var random = Random(state: 0x0153)
    var reader = EventJSON()
    var block = EventBlock()
    for length in 0..<600 {
        let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
        noise.withUnsafeBytes { noise in
            block.reset()
            for shape in [EventJSON.Shape.single, .array, .ndjson] { _ = reader.read(noise, shape: shape, into: &block) }
            var scanned = 0
            _ = HTTPRequestHead.parse(noise, scanned: &scanned)
            var decoder = ChunkedBody()
            var body = ByteWriter()
            _ = decoder.feed(noise, into: &body)
            var out = ByteWriter()
            _ = HTTPTarget.decode(noise, plusIsSpace: true, into: &out)
            #expect(out.count <= noise.count)
        }
    }
}

/// Tokens are looked for in many lines at once. What becomes of a line has nothing to do with those around it.
@Test(arguments: [0, 1, 50])
func aLineIsReadAsIfItWereAlone(oddPerHundred: Int) {
    var random = Random(state: 0x0156)
    let good = [
        #"{"eventName":"chat","eventIdempotencyKey":"K","customerReferenceId":"c","costInput":{"model":"m","inputTokens":12}}"#,
        #"  {"eventName":"a\u0063me","costAmount":1.25,"meta":{"a":[1,{"b":null}]},"flowId":"K"} "#,
        #"{"eventName":"K","revenueAmount":-1}"#,
        "", " \t\r", "{}", #"{"eventName":"e","occurredAt":"2026-11-27T08:00:00.25Z","usageUnits":"7"}"# + "\r",
    ]
    .map(bytes)
    // No text, a string without an end, control characters; values over two lines; marks that a line ends with.
    let odd =
        [
            #"{"eventName":"e"#, #""}"#, "\"", "\\", "\\\"", #"{"eventName":"e\"#, #"{"eventName":"e","a":["#, "]}", #"{"eventName":"#,
            #""e"}"#, "{", "}",
            "{}{}", "{} x", "7", "tru", "e", ",", "\u{0C}", "\u{0}", "{\"eventName\":\"a\u{1}\"}", String(repeating: " ", count: 40_000),
            #"{"eventName":"e","meta":{"a":""# + String(repeating: "x", count: 40_000) + #""}}"#,
        ]
        .map(bytes) + [[0xFF], bytes(#"{"eventName":""#) + [0xC3], [0xA9] + bytes(#""}"#)]
    for _ in 0..<10 {
        var lines: [[UInt8]] = []
        for number in 0..<400 {
            var line = (Int.random(in: 0..<100, using: &random) < oddPerHundred ? odd : good).randomElement(using: &random)!
            if let place = line.firstIndex(of: 0x4B) { line.replaceSubrange(place...place, with: bytes("key-\(number)")) }
            lines.append(line)
        }
        let together = read(Array(lines.joined(separator: [0x0A])), .ndjson)
        let alone = lines.flatMap { read($0, .ndjson).events }
        #expect(together.status == "ok" && together.events == alone)
    }
}
