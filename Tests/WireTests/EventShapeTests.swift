// One event, an array of them, a line each: what a broken neighbour does, and what a broken request leaves behind.

import Core
import Testing
import Wire

@Test func aSingleEventMustBeAnObject() {
    for body in [
        "", " ", "[]", "[{\"eventName\":\"e\"}]", "1", "null", "\"x\"", "{", "{}x", "{\"eventName\":\"e\"}{}", "{\"eventName\":\"e\",}",
    ] {
        let block = read(body)
        #expect(block.status == "malformed" && block.events.isEmpty, "\(body)")
    }
}

@Test func eachEventOfAnArrayIsJudgedByItself() {
    let block = read(#"[{"eventName":"a"}, 7 ,{"eventName":"b"},null,[],{"eventName":7},{}, {"eventName":"c"} ]"#, .array)
    #expect(block.status == "ok")
    #expect(
        block.events.map(\.outcome) == [.recorded, .malformed, .recorded, .malformed, .malformed, .fieldInvalid, .fieldMissing, .recorded])
    #expect(read("[]", .array).status == "ok" && read(" [ ] ", .array).events.isEmpty)
}

@Test func aBrokenArrayIsRefusedAsAWhole() {
    let bodies = [
        "", "{}", "{\"eventName\":\"e\"}", "[{\"eventName\":\"e\"}", "[{\"eventName\":\"e\"},]", "[,{\"eventName\":\"e\"}]",
        "[{\"eventName\":\"e\"}]]",
        "[{\"eventName\":\"e\"}] x", "[{\"eventName\":\"e\"} {\"eventName\":\"e\"}]", "[{\"eventName\":\"e\"},{\"eventName\":\"e]",
        "[{\"eventName\":\"e\"},{\"eventName\":\"\\x\"}]",
        "[{\"eventName\":\"e\"},01]", "[{\"eventName\":\"e\"}}", "1", "\"x\"",
        "[{\"eventName\":\"e\"},{\"a\":" + String(repeating: "[", count: 16) + String(repeating: "]", count: 16) + "}]",
    ]
    for body in bodies {
        let block = read(body, .array)
        #expect(block.status == "malformed" && block.events.isEmpty && block.nameCount == 0, "\(body)")
    }
}

@Test func whatWasInTheBlockBeforeStaysWhenARequestIsRefused() {
    var reader = EventJSON()
    var block = EventBlock()
    let good = bytes(#"{"eventName":"a","eventIdempotencyKey":"k","costInput":{"inputTokens":1}}"#)
    let bad = bytes(#"[{"eventName":"b","costInput":{"inputTokens":1}},{"eventName":"c"]"#)
    _ = good.withUnsafeBytes { reader.read($0, shape: .single, into: &block) }
    let arena = block.arena.count
    let reading = bad.withUnsafeBytes { reader.read($0, shape: .array, into: &block) }
    let after = copy(block, reading)
    #expect(
        after.status == "malformed" && after.events.count == 1 && after.nameCount == 1 && block.usageCount == 1
            && block.arena.count == arena)
    #expect(after.events[0].key == "k" && after.events[0].usage == ["inputTokens 1"])
    _ = good.withUnsafeBytes { reader.read($0, shape: .single, into: &block) }
    #expect(block.count == 2 && text(block.name(block.events[1].eventName)) == "a")
}

@Test func linesAreEventsOfTheirOwn() {
    let block = read(
        "{\"eventName\":\"a\"}\r\n\n  \t\r\n{\"eventName\":\"b\"}\nnot json\n"
            + "{\"eventName\":\"c\"} x\n[{\"eventName\":\"d\"}]\n7\n{\"eventName\":\"e\"",
        .ndjson)
    #expect(block.status == "ok")
    #expect(block.events.map(\.outcome) == [.recorded, .recorded, .malformed, .malformed, .malformed, .malformed, .malformed])
    #expect(block.events.filter { $0.outcome == .recorded }.map { $0.names[0] } == ["a", "b"])
    #expect(read("", .ndjson).status == "ok" && read("\n\r\n \n", .ndjson).events.isEmpty)
    #expect(read("{\"eventName\":\"a\"}", .ndjson).events.count == 1)
    #expect(read("{\"eventName\":\"a\"}\n", .ndjson).events.count == 1)
}

@Test func anEventOfABatchMayBeAsDeepAsASingleOne() {
    func event(_ depth: Int) -> String {
        // The event and meta are two of the levels.
        "{\"eventName\":\"e\",\"meta\":{\"a\":" + String(repeating: "[", count: depth - 2) + String(repeating: "]", count: depth - 2) + "}}"
    }
    #expect(read(event(Limits.jsonDepth)).status == "ok")
    #expect(read("[" + event(Limits.jsonDepth) + "]", .array).status == "ok")
    #expect(read(event(Limits.jsonDepth), .ndjson).events[0].outcome == .recorded)
    #expect(read(event(Limits.jsonDepth + 1)).status == "malformed")
    #expect(read("[" + event(Limits.jsonDepth + 1) + "]", .array).status == "malformed")
    #expect(read(event(Limits.jsonDepth + 1), .ndjson).events[0].outcome == .malformed)
}

@Test(arguments: -1...1)
func aBatchMayBeAsLongAsItsLimit(_ difference: Int) {
    let count = Limits.batchEvents + difference
    let events = Array(repeating: "{\"eventName\":\"e\"}", count: count)
    for (body, shape) in [("[" + events.joined(separator: ",") + "]", EventJSON.Shape.array), (events.joined(separator: "\n"), .ndjson)] {
        var reader = EventJSON()
        var block = EventBlock()
        let all = bytes(body)
        let reading = all.withUnsafeBytes { reader.read($0, shape: shape, into: &block) }
        switch reading {
        case .ok: #expect(difference <= 0 && block.count == count && block.nameCount == 1)
        case .tooManyEvents: #expect(difference > 0 && block.count == 0 && block.nameCount == 0)
        case .malformed(let message, let offset): Issue.record("\(message) at \(offset)")
        }
    }
}

@Test func equalNamesInARowEnterTheBlockOnce() {
    let block = read(
        #"[{"eventName":"e","customerReferenceId":"a","costInput":{"model":"m"}},"#
            + #"{"eventName":"e","customerReferenceId":"a","costInput":{"model":"m"}},"#
            + #"{"eventName":"e","customerReferenceId":"b","costInput":{"model":"m"}}]"#, .array)
    #expect(block.nameCount == 4)
    #expect(block.events.map { $0.names[1] } == ["a", "a", "b"])
}

@Test func aNameEntersTheBlockOnceWhicheverFieldsAndEventsHaveIt() {
    let line = #"{"eventName":"chat","customerReferenceId":"C","featureKey":"chat","costInput":{"model":"M","modelProvider":"a\u0063me"}}"#
    var body = ""
    for i in 0..<40 {
        body += line.replacing("C", with: i % 2 == 0 ? "customer-one" : "c2").replacing("M", with: "model-\(i % 3)-of-three") + "\n"
    }
    let block = read(Array(body.utf8), .ndjson)
    // chat, two customers, three models, one provider that is written with an escape.
    #expect(block.nameCount == 7)
    for (i, event) in block.events.enumerated() {
        let customer = i % 2 == 0 ? "customer-one" : "c2"
        #expect(event.names == ["chat", customer, "chat", "model-\(i % 3)-of-three", "acme", "-"])
    }
}

/// A reader remembers where it put a name; in another block, or after a refusal, something else is there.
@Test func namesOfEarlierRequestsAreNotTakenForThoseOfThisOne() {
    var reader = EventJSON()
    var block = EventBlock(events: 1)
    func read(_ body: String, _ shape: EventJSON.Shape) -> [String] {
        let bytes = Array(body.utf8)
        let reading = bytes.withUnsafeBytes { reader.read($0, shape: shape, into: &block) }
        return copy(block, reading).events.map { $0.names[0] + " " + $0.names[1] }
    }
    let first = read(#"[{"eventName":"one","customerReferenceId":"two"},{"eventName":"three"}]"#, .array)
    #expect(first == ["one two", "three -"])
    block.reset()
    let second = read(#"{"eventName":"three","customerReferenceId":"one"}"#, .single)
    #expect(second == ["three one"])
    _ = read(#"[{"eventName":"two"},{"eventName":"four"},{]"#, .array)
    let third = read(#"{"eventName":"four","customerReferenceId":"two"}"#, .single)
    #expect(third == ["three one", "four two"])
}

@Test func anEventIsTheSameInEveryShape() {
    let event =
        #"{"eventName":"chat","eventIdempotencyKey":"k\u0031","costInput":{"model":"m","inputTokens":10},"meta":{"a":[1,2]},"flowId":"f"}"#
    let single = read(event).events[0]
    #expect(read("[\(event)]", .array).events == [single])
    #expect(read("[\(event) , \(event)]", .array).events == [single, single])
    #expect(read(event + "\n" + event, .ndjson).events == [single, single])
}
