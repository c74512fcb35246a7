// Events from JSON: every field with every kind of value, the limits, and the ladder of outcomes.

import Core
import Testing
import Wire

/// What became of one event, in values a test can compare.
struct ReadEvent: Equatable {
    var outcome = Outcome.recorded
    var field = EventField.none
    var key = ""
    var names: [String] = []
    var usage: [String] = []
    var flags: UInt16 = 0
    var tier = ServiceTier.standard
    var extras: [UInt8: String] = [:]
}

/// A copy of what a block holds, so that it can be looked at after the block is gone.
struct ReadBlock {
    var status = ""
    var events: [ReadEvent] = []
    var records: [EventRecord] = []
    var nameCount = 0
}

func read(_ body: [UInt8], _ shape: EventJSON.Shape = .single, ignoringKey: Bool = false) -> ReadBlock {
    var reader = EventJSON()
    var block = EventBlock(events: 1)
    let reading = body.withUnsafeBytes { reader.read($0, shape: shape, ignoringKey: ignoringKey, into: &block) }
    return copy(block, reading)
}

func copy(_ block: borrowing EventBlock, _ reading: EventJSON.Reading) -> ReadBlock {
    var result = ReadBlock()
    switch reading {
    case .ok: result.status = "ok"
    case .malformed: result.status = "malformed"
    case .tooManyEvents: result.status = "tooMany"
    }
    result.nameCount = block.nameCount
    for i in 0..<block.count {
        let record = block.events[i]
        var event = ReadEvent(outcome: record.outcome, field: record.field, key: text(block.text(record.key)), flags: record.flags)
        event.tier = record.tier
        for index in [record.eventName, record.customer, record.feature, record.model, record.provider, record.region] {
            event.names.append(index == 0 ? "-" : text(block.name(index)))
        }
        event.usage = block.usage(of: record).map { "\($0.kind) \($0.quantity)" }
        var extras = ByteReader(block.text(record.extras))
        var last: UInt8 = 0
        while !extras.atEnd {
            let tag = extras.byte()
            event.extras[tag] = text(extras.lengthPrefixed())
            #expect(!extras.failed && tag > last)
            last = tag
        }
        result.events.append(event)
        result.records.append(record)
    }
    return result
}

func read(_ body: String, _ shape: EventJSON.Shape = .single) -> ReadBlock { read(bytes(body), shape) }

/// The one event of a body.
private func one(_ body: String) -> ReadEvent {
    let block = read(body)
    #expect(block.status == "ok" && block.events.count == 1, "\(body.prefix(200))")
    return block.events.first ?? ReadEvent(outcome: .overloaded)
}

private func top(_ member: String) -> ReadEvent { one(#"{"eventName":"e",\#(member)}"#) }
private func cost(_ member: String) -> ReadEvent { one(#"{"eventName":"e","costInput":{\#(member)}}"#) }
private let uuid = "0b0d7d0e-7b1f-4a51-9d3c-1f2e3d4c5b6a"

// MARK: a whole event

@Test func everyFieldOfAnEventIsRead() {
    let body = """
        {"eventName":"chat","eventIdempotencyKey":"k1","customerReferenceId":"c1","stripeCustomerId":"cus_1","customerId":"\(uuid)",
        "featureKey":"f1","featureId":"\(uuid)","subscriptionId":"\(uuid)","entitlementId":"\(uuid)","invoiceId":"\(uuid.uppercased())",
        "occurredAt":"2026-08-06T02:00:00.25+02:00","flowId":"fl","usageUnits":2.5,"costAmount":0.037050000000000005,"revenueAmount":"0.02",
        "costInput":{"model":"gpt-4.1","modelProvider":"openai","inputTokens":10,"outputTokens":"3",
        "cacheReadTokens":4,"cacheWriteTokens":2,
        "cacheWrite1hTokens":1,"reasoningTokens":1.5,"costUnits":99,"serviceTier":"FLEX","batch":false,"region":"eu","unknown":{"a":1}},
        "meta":{"a": [1, "\\u0062"] },"properties":{"x":1},"context":null}
        """
    let block = read(body)
    let event = one(body)
    #expect(event.outcome == .recorded && event.field == .none)
    #expect(event.key == "k1")
    #expect(event.names == ["chat", "c1", "f1", "gpt-4.1", "openai", "eu"])
    #expect(
        event.usage == [
            "inputTokens 10", "outputTokens 3", "cacheReadTokens 4", "cacheWriteTokens 2", "cacheWrite1hTokens 1", "reasoningTokens 1.5",
        ])
    #expect(event.tier == .flex)
    #expect(
        event.extras == [
            1: "cus_1", 2: uuid, 3: uuid, 4: uuid, 5: uuid, 6: uuid.uppercased(), 7: "fl", 8: #"{"a": [1, "\u0062"] }"#,
        ])
    let record = block.records[0]
    #expect(record.occurredAt.description == "2026-08-06T00:00:00.25Z")
    #expect(record.usageUnits.description == "2.5")
    #expect(record.cost.description == "0.03705")
    #expect(record.revenue.description == "0.02")
    #expect(
        record.flags == EventRecord.hasOccurredAt | EventRecord.hasUsageUnits | EventRecord.hasCost | EventRecord.hasRevenue)
    #expect(block.nameCount == 6)
}

@Test func theLeastEventHasOnlyAName() {
    let event = one(#"{"eventName":"e"}"#)
    #expect(event.outcome == .recorded)
    #expect(event.names == ["e", "-", "-", "-", "-", "-"])
    #expect(event.flags == EventRecord.keyGenerated)
    #expect(event.usage == [] && event.extras == [:] && event.key == "")
}

@Test func anEmptyEventNamePassesAsInTanso() {
    #expect(one(#"{"eventName":""}"#).names[0] == "")
    #expect(one(#"{"eventName":""}"#).outcome == .recorded)
}

@Test func aMissingEventNameIsMissing() {
    for body in ["{}", #"{"eventName":null}"#, #"{"eventname":"e"}"#, #"{"eventName ":"e"}"#, #"{"usageUnits":1}"#] {
        let event = one(body)
        #expect(event.outcome == .fieldMissing && event.field == .eventName, "\(body)")
    }
}

@Test func escapedKeysAndValuesAreTheirText() {
    let event = one(#"{"\u0065ventName":"a\"\u00e9\uD83D\uDE00","costInput":{"mod\u0065l":"m\/1"}}"#)
    #expect(event.outcome == .recorded)
    #expect(event.names[0] == "a\"\u{E9}\u{1F600}" && event.names[3] == "m/1")
}

// MARK: every field with every kind of value

private enum Taste { case name, id, time, amount, object, flag }

private let topFields: [(EventField, Taste)] = [
    (.eventName, .name), (.eventIdempotencyKey, .name), (.customerReferenceId, .name), (.stripeCustomerId, .name), (.featureKey, .name),
    (.flowId, .name), (.customerId, .id), (.featureId, .id), (.subscriptionId, .id), (.entitlementId, .id), (.invoiceId, .id),
    (.occurredAt, .time), (.usageUnits, .amount), (.costAmount, .amount), (.revenueAmount, .amount), (.meta, .object),
    (.costInput, .object),
]
private let costFields: [(EventField, Taste)] = [
    (.model, .name), (.modelProvider, .name), (.region, .name), (.usageFormat, .name), (.serviceTier, .name), (.inputTokens, .amount),
    (.outputTokens, .amount), (.costUnits, .amount), (.cacheReadTokens, .amount), (.cacheWriteTokens, .amount),
    (.cacheWrite1hTokens, .amount), (.reasoningTokens, .amount), (.usage, .object), (.batch, .flag),
]

/// A value and what it is: for which tastes it is right, and for which it is wrong in another way than by its type.
private let values: [(json: String, right: [Taste], range: [Taste])] = [
    ("null", [.name, .id, .time, .amount, .object, .flag], []),
    ("true", [.flag], []),
    ("false", [.flag], []),
    ("0", [.amount], []),
    ("1.5", [.amount], []),
    ("-0", [.amount], []),
    ("1e-400", [.amount], []),
    ("-1", [], [.amount]),
    ("1e999", [], [.amount]),
    ("9223372036854775808", [], [.amount]),
    ("1e400000000000000000000", [], [.amount]),
    ("\"\"", [.name], []),
    ("\"NaN\"", [.name], []),
    ("\"Infinity\"", [.name], []),
    ("\" 1\"", [.name], []),
    ("\"1 \"", [.name], []),
    ("\"+1\"", [.name], []),
    ("\"0x1\"", [.name], []),
    ("\"01\"", [.name], []),
    ("\"1,5\"", [.name], []),
    ("\"x\"", [.name], []),
    ("\"1\"", [.name, .amount], []),
    ("\"-1\"", [.name], [.amount]),
    ("\"1e999\"", [.name], [.amount]),
    ("\"\\u0000\"", [], []),
    ("\"a\\nb\"", [], []),
    ("\"a\\u007fb\"", [], []),
    ("\"\(uuid)\"", [.name, .id], []),
    ("\"2026-08-06T00:00:00Z\"", [.name, .time], []),
    ("[]", [], []),
    ("[1]", [], []),
    ("[\"x\"]", [], []),
    ("{}", [.object], []),
    ("{\"a\":{\"b\":[]}}", [.object], []),
]

private func expected(_ field: EventField, _ taste: Taste, _ value: (json: String, right: [Taste], range: [Taste])) -> Outcome {
    if field == .eventName, value.json == "null" { return .fieldMissing }
    // A tier is a word out of a list.
    if field == .serviceTier, value.json != "null", value.json != "\"\"" { return .fieldInvalid }
    return value.right.contains(taste) ? .recorded : value.range.contains(taste) ? .amountOutOfRange : .fieldInvalid
}

private func leaf(_ field: EventField) -> String { "\(field.name)".split(separator: ".").last.map(String.init) ?? "" }

@Test func everyFieldJudgesEveryKindOfValue() {
    var cases = 0
    for value in values {
        for (field, taste) in topFields {
            let name = field == .eventName ? "" : #""eventName":"e","#
            let event = one("{\(name)\"\(leaf(field))\":\(value.json)}")
            let outcome = expected(field, taste, value)
            #expect(event.outcome == outcome, "\(field) \(value.json)")
            #expect(event.field == (outcome == .recorded ? .none : field), "\(field) \(value.json)")
            cases += 1
        }
        for (field, taste) in costFields {
            let event = cost("\"\(leaf(field))\":\(value.json)")
            let outcome = expected(field, taste, value)
            #expect(event.outcome == outcome, "\(field) \(value.json)")
            #expect(event.field == (outcome == .recorded ? .none : field), "\(field) \(value.json)")
            cases += 1
        }
    }
    #expect(cases == values.count * (topFields.count + costFields.count))
    #expect(Set(topFields.map(\.0) + costFields.map(\.0) + [.none]) == Set(EventField.allCases))
}

@Test func everyFieldMayComeOnce() {
    for (field, taste) in topFields {
        let value =
            taste == .amount
            ? "1" : taste == .object ? "{}" : taste == .id ? "\"\(uuid)\"" : taste == .time ? "\"2026-08-06T00:00:00Z\"" : "\"x\""
        let name = field == .eventName ? "" : #""eventName":"e","#
        let key = leaf(field)
        let escaped = "\\u00" + String(key.utf8.first!, radix: 16) + key.dropFirst()
        for second in [key, escaped] {
            for other in [value, "null"] {
                let event = one("{\(name)\"\(key)\":\(value),\"a\":1,\"\(second)\":\(other)}")
                #expect(event.outcome == .fieldInvalid && event.field == field, "\(key)")
            }
        }
    }
    for (field, taste) in costFields {
        let value = taste == .amount ? "1" : taste == .object ? "{}" : taste == .flag ? "true" : "\"batch\""
        let event = cost("\"\(leaf(field))\":\(value),\"\(leaf(field))\":\(value)")
        #expect(event.outcome == .fieldInvalid && event.field == field, "\(field)")
    }
    #expect(top(#""zzz":1,"yyy":2"#).outcome == .recorded)
    #expect(top(#""zzz":1,"zzz":2"#).outcome == .fieldInvalid)
    #expect(top(#""zzz":1,"zz\u007a":2"#).outcome == .fieldInvalid)
    #expect(cost(#""zzz":1,"zzz":2"#).field == .costInput)
    #expect(top(#""zzz":1,"costInput":{"zzz":1}"#).outcome == .recorded)
    #expect(top(#""meta":{"a":1,"a":2}"#).outcome == .fieldInvalid)
    #expect(top(#""meta":{"a":[{"b":1},{"b":2}],"b":{"a":1}}"#).outcome == .recorded)
    #expect(top(#""meta":{"a":[{"b":1,"\u0062":2}]}"#).field == .meta)
    #expect(top(#""unknown":{"a":1,"a":2}"#).outcome == .fieldInvalid)
}

@Test(arguments: -1...1)
func unknownFieldsAreIgnoredUpToALimit(_ difference: Int) {
    let members = (0..<Limits.jsonUnknownFields + difference).map { "\"u\($0)\":\($0)" }.joined(separator: ",")
    #expect(top(members).outcome == (difference <= 0 ? .recorded : .fieldInvalid))
    #expect(cost(members).outcome == (difference <= 0 ? .recorded : .fieldInvalid))
}

// MARK: limits

@Test(arguments: -1...1)
func textMayBeAsLongAsItsLimit(_ difference: Int) {
    let rows: [(EventField, Int)] = [
        (.eventIdempotencyKey, Limits.idempotencyKeyScalars), (.customerReferenceId, Limits.customerReferenceScalars),
        (.stripeCustomerId, Limits.identifierScalars), (.featureKey, Limits.featureKeyScalars), (.flowId, Limits.flowIdScalars),
        (.model, Limits.modelScalars), (.modelProvider, Limits.modelProviderScalars), (.region, Limits.regionScalars),
        (.usageFormat, Limits.identifierScalars), (.eventName, Limits.eventNameScalars),
    ]
    for (field, limit) in rows {
        for scalar in ["a", "\u{E9}", "\u{20AC}", "\u{1F600}", "\\u00e9", "\\n".replacing("\\n", with: "b")] {
            let member = "\"\(leaf(field))\":\"\(String(repeating: scalar, count: limit + difference))\""
            let event = "\(field.name)".contains(".") ? cost(member) : field == .eventName ? one("{\(member)}") : top(member)
            #expect(event.outcome == (difference <= 0 ? .recorded : .fieldTooLong), "\(field) \(scalar)")
            #expect(event.field == (difference <= 0 ? .none : field))
        }
    }
}

@Test(arguments: -1...1)
func objectsMayBeAsLongAsTheirLimit(_ difference: Int) {
    func object(_ size: Int) -> String { "{\"a\":\"" + String(repeating: "x", count: size - 8) + "\"}" }
    let meta = top("\"meta\":" + object(Limits.metaBytes + difference))
    #expect(meta.outcome == (difference <= 0 ? .recorded : .fieldTooLong))
    #expect(meta.field == (difference <= 0 ? .none : .meta))
    let usage = cost("\"usage\":" + object(Limits.usageObjectBytes + difference))
    #expect(usage.outcome == (difference <= 0 ? .recorded : .fieldTooLong))
    if difference <= 0 { #expect(usage.extras[9]?.utf8.count == Limits.usageObjectBytes + difference) }
}

@Test func amountsAreExactToTheirLastPlace() {
    func cost(_ text: String) -> String? {
        let block = read("{\"eventName\":\"e\",\"costAmount\":\(text)}")
        return block.records[0].outcome == .recorded ? block.records[0].cost.description : nil
    }
    #expect(cost("0.00000014") == "0.00000014")
    #expect(cost("1.4e-7") == "0.00000014")
    #expect(cost("9223372.036854775807") == "9223372.036854775807")
    #expect(cost("9223372.036854775808") == nil)
    #expect(cost("9223372.0368547758074") == "9223372.036854775807")
    #expect(cost("9223372.0368547758076") == nil)
    #expect(cost("0.0000000000005") == "0")
    #expect(cost("0.0000000000015") == "0.000000000002")
    #expect(cost("\"12.50\"") == "12.5")
    #expect(cost("-0.0") == "0")
    func units(_ text: String) -> String? {
        let block = read("{\"eventName\":\"e\",\"usageUnits\":\(text)}")
        return block.records[0].outcome == .recorded ? block.records[0].usageUnits.description : nil
    }
    #expect(units("999999999999") == "999999999999")
    #expect(units("1000000000000") == "1000000000000")
    #expect(units("9223372036854.775807") == "9223372036854.775807")
    #expect(units("9223372036854.775808") == nil)
    #expect(units("0.0000005") == "0")
    #expect(units("\"7\"") == "7")
    #expect(units("7.0") == "7")
    #expect(units("1e3") == "1000")
}

@Test func timesAreWithinTheAcceptedRange() {
    func time(_ text: String) -> Outcome { top("\"occurredAt\":\"\(text)\"").outcome }
    #expect(time("1970-01-01T00:00:00Z") == .recorded)
    #expect(time("1969-12-31T23:59:59.999999999Z") == .fieldInvalid)
    #expect(time("2199-12-31T23:59:59.999999999Z") == .recorded)
    #expect(time("2200-01-01T00:00:00Z") == .fieldInvalid)
    #expect(time("2026-02-29T00:00:00Z") == .fieldInvalid)
    #expect(time("2026-08-06") == .fieldInvalid)
    #expect(time("2026-08-06T00:00:00") == .fieldInvalid)
    #expect(time("1754438400") == .fieldInvalid)
    #expect(top("\"occurredAt\":1754438400").outcome == .fieldInvalid)
}

@Test func identifiersMustBeUUIDs() {
    for bad in [
        uuid + "0", String(uuid.dropLast()), uuid.replacing("-", with: ""), uuid.replacing("0b", with: "0g"), "{\(uuid)}",
        uuid.replacing("-", with: "_"),
    ] {
        #expect(top("\"customerId\":\"\(bad)\"").outcome == .fieldInvalid, "\(bad)")
    }
}

@Test func tiersAreWordsThatAreKnown() {
    let rows: [(String, ServiceTier)] = [
        ("standard", .standard), ("default", .standard), ("auto", .standard), ("on_demand", .standard), ("batch", .batch), ("flex", .flex),
        ("priority", .priority), ("fast", .fast), ("PRIORITY", .priority),
    ]
    for (word, tier) in rows { #expect(cost("\"serviceTier\":\"\(word)\"").tier == tier) }
    #expect(cost("\"serviceTier\":\"turbo\"").outcome == .fieldInvalid)
    #expect(cost("\"batch\":true").tier == .batch)
    #expect(cost("\"batch\":true,\"serviceTier\":\"default\"").tier == .batch)
    #expect(cost("\"batch\":true,\"serviceTier\":\"batch\"").outcome == .recorded)
    #expect(cost("\"serviceTier\":\"flex\",\"batch\":true").field == .batch)
    #expect(cost("\"serviceTier\":\"flex\",\"batch\":false").tier == .flex)
}

// MARK: keys

@Test func aBlankKeyIsMadeByTheServer() {
    for key in ["null", "\"\"", "\"  \""] {
        let event = top("\"eventIdempotencyKey\":\(key)")
        #expect(event.outcome == .recorded && event.key == "" && event.flags & EventRecord.keyGenerated != 0)
    }
    let event = top("\"eventIdempotencyKey\":\" k \"")
    #expect(event.key == " k " && event.flags & EventRecord.keyGenerated == 0)
}

@Test func aHeaderKeyMakesTheBodysKeyIrrelevant() {
    for key in ["\"k\"", "7", "\"\(String(repeating: "k", count: 100))\""] {
        let block = read(bytes("{\"eventName\":\"e\",\"eventIdempotencyKey\":\(key)}"), ignoringKey: true)
        #expect(block.events[0].outcome == .recorded && block.events[0].key == "")
    }
}

// MARK: usage

@Test func tokensBecomeUsageLines() {
    func lines(_ cost: String, _ rest: String = "") -> [String] { one("{\"eventName\":\"e\",\"costInput\":{\(cost)}\(rest)}").usage }
    #expect(lines("\"inputTokens\":5") == ["inputTokens 5"])
    #expect(lines("\"outputTokens\":5") == ["outputTokens 5"])
    #expect(lines("\"inputTokens\":0,\"outputTokens\":0") == ["inputTokens 0", "outputTokens 0"])
    #expect(lines("\"costUnits\":7") == ["inputTokens 7"])
    #expect(lines("\"costUnits\":7,\"inputTokens\":5") == ["inputTokens 5"])
    #expect(lines("\"costUnits\":7,\"outputTokens\":5") == ["outputTokens 5"])
    #expect(lines("\"costUnits\":7,\"cacheReadTokens\":2") == ["inputTokens 7", "cacheReadTokens 2"])
    #expect(lines("\"cacheReadTokens\":2") == ["cacheReadTokens 2"])
    #expect(lines("\"model\":\"m\"", ",\"usageUnits\":3") == ["inputTokens 3"])
    #expect(lines("\"model\":\"m\",\"outputTokens\":1", ",\"usageUnits\":3") == ["outputTokens 1"])
    #expect(lines("\"model\":\"m\",\"reasoningTokens\":1", ",\"usageUnits\":3") == ["reasoningTokens 1"])
    #expect(lines("\"modelProvider\":\"p\"", ",\"usageUnits\":3") == [])
    #expect(lines("\"model\":\"m\"") == [])
    let units = one("{\"eventName\":\"e\",\"costInput\":{\"model\":\"m\"},\"usageUnits\":3}")
    #expect(units.flags & EventRecord.unitsAsInput != 0)
    #expect(
        one("{\"eventName\":\"e\",\"costInput\":{\"costUnits\":3,\"model\":\"m\"},\"usageUnits\":3}").flags & EventRecord.unitsAsInput == 0)
}

@Test func aProvidersUsageObjectIsKeptAsItCame() {
    let event = one(
        #"{"eventName":"e","usageUnits":3,"costInput":{"model":"m","inputTokens":5,"usage":{"prompt_tokens": 9},"usageFormat":"openai"}}"#)
    #expect(event.usage == [])
    #expect(event.extras == [9: #"{"prompt_tokens": 9}"#, 10: "openai"])
    #expect(event.flags & EventRecord.unitsAsInput == 0)
}

// MARK: the ladder

@Test func theFirstOutcomeOfTheLadderWinsWhateverTheOrder() {
    let long = "\"flowId\":\"\(String(repeating: "x", count: 65))\""
    let members = [long, "\"customerId\":7", "\"usageUnits\":-1", "\"featureKey\":false"]
    func outcome(_ parts: [String]) -> ReadEvent { one("{\(parts.joined(separator: ","))}") }
    for order in [members, members.reversed(), [members[2], members[0], members[3], members[1]]] {
        #expect(outcome(order + ["\"eventName\":null"]).outcome == .fieldMissing)
        #expect(outcome(["\"eventName\":\"e\""] + order).outcome == .fieldTooLong)
        let invalid = outcome(["\"eventName\":\"e\""] + order.filter { $0 != long })
        #expect(invalid.outcome == .fieldInvalid && invalid.field == .customerId)
    }
    #expect(one("{\"eventName\":7,\"flowId\":\"\(String(repeating: "x", count: 65))\"}").outcome == .fieldTooLong)
}

@Test func aRefusedEventLeavesNoUsageBehind() {
    let block = read(
        #"[{"eventName":"e","costInput":{"inputTokens":1},"usageUnits":-1},{"eventName":"e","costInput":{"inputTokens":2}}]"#, .array)
    #expect(block.events.map(\.outcome) == [.amountOutOfRange, .recorded])
    #expect(block.events[1].usage == ["inputTokens 2"])
    #expect(block.events[0].usage == [])
}
