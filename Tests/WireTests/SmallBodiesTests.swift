// Customers and usage objects.

import Core
import Testing
import Wire

private func register(_ body: String) -> CustomerReading { bytes(body).withUnsafeBytes { CustomerJSON.read($0, registering: true) } }
private func change(_ body: String) -> CustomerReading { bytes(body).withUnsafeBytes { CustomerJSON.read($0, registering: false) } }

private func input(_ change: (inout CustomerInput) -> Void) -> CustomerReading {
    var input = CustomerInput()
    change(&input)
    return .ok(input)
}

@Test func aCustomerIsReadWithAllItsFields() {
    let body =
        #"{"customerReferenceId":"c1","email":"a@b.c","firstName":"A","lastName":"B","phoneNumber":"+1","address":{"city":[1]},"other":7}"#
    let fields: (inout CustomerInput) -> Void = {
        $0.email = bytes("a@b.c")
        $0.firstName = bytes("A")
        $0.lastName = bytes("B")
        $0.phoneNumber = bytes("+1")
    }
    #expect(
        register(body)
            == input {
                fields(&$0)
                $0.customerReferenceId = bytes("c1")
            })
    #expect(change(body) == input(fields))
}

@Test func registeringWantsAnEmailAndChangingDoesNot() {
    for body in ["{}", #"{"email":null}"#, #"{"email":""}"#, #"{"email":"  "}"#] {
        #expect(register(body) == .invalid(message: "Validation failed: email: must not be blank"), "\(body)")
    }
    #expect(change("{}") == input { _ in })
    #expect(change(#"{"email":null,"firstName":""}"#) == input { $0.firstName = [] })
    #expect(change(#"{"email":""}"#) == .invalid(message: "Validation failed: email: must not be blank"))
}

@Test func everyFieldAtFaultIsNamed() {
    let long = String(repeating: "x", count: Limits.customerFieldScalars + 1)
    #expect(
        register(#"{"firstName":"\#(long)","lastName":"a\u0000b","customerReferenceId":" "}"#)
            == .invalid(
                message: "Validation failed: email: must not be blank, customerReferenceId: must not be blank, "
                    + "firstName: size must be between 0 and 100, lastName: must not contain control characters"))
}

@Test(arguments: -1...1)
func customerFieldsMayBeAsLongAsTheirLimit(_ difference: Int) {
    let rows = [
        ("customerReferenceId", Limits.customerReferenceScalars), ("firstName", Limits.customerFieldScalars),
        ("lastName", Limits.customerFieldScalars), ("phoneNumber", Limits.customerFieldScalars), ("email", Limits.emailScalars),
    ]
    for (field, limit) in rows {
        for scalar in ["a", "\u{1F600}"] {
            let value = String(repeating: scalar, count: limit + difference)
            let email = field == "email" ? "" : #""email":"a@b.c","#
            let reading = register("{\(email)\"\(field)\":\"\(value)\"}")
            if difference > 0 {
                #expect(reading == .invalid(message: "Validation failed: \(field): size must be between 0 and \(limit)"))
            } else {
                guard case .ok = reading else {
                    Issue.record("\(field) \(value.count)")
                    continue
                }
            }
        }
    }
}

@Test func anotherShapeIsMalformed() {
    for body in [
        "", "[]", "null", "7", "{", #"{"email":7}"#, #"{"email":["a"]}"#, #"{"firstName":true,"email":"a"}"#, #"{"phoneNumber":{}}"#,
    ] {
        #expect(register(body) == .malformed, "\(body)")
        #expect(change(body) == .malformed, "\(body)")
    }
    for field in ["email", "customerReferenceId", "firstName", "lastName", "phoneNumber", "address"] {
        #expect(register(#"{"\#(field)":"a","\#(field)":"a"}"#) == .malformed)
    }
}

// MARK: usage objects

private struct Usage: Equatable {
    var outcome: Outcome
    var numbers: [String]
    var texts: [String] = []
}

private func usage(_ body: String) -> Usage {
    var reader = UsageObject()
    var numbers: [String] = []
    var texts: [String] = []
    let outcome = bytes(body).withUnsafeBytes {
        reader.read(
            $0, number: { numbers.append("\(text($0))=\($1)") },
            text: { texts.append("\(text($0))=\(text($1))") })
    }
    return Usage(outcome: outcome, numbers: numbers, texts: texts)
}

@Test func nestedCountsGetPaths() {
    #expect(
        usage(
            #"{"prompt_tokens":9,"completion_tokens":2.5,"prompt_tokens_details":{"cached_tokens":4,"deep":{"er":1}},"x":null}"#
        )
            == Usage(
                outcome: .recorded,
                numbers: [
                    "prompt_tokens=9", "completion_tokens=2.5", "prompt_tokens_details.cached_tokens=4", "prompt_tokens_details.deep.er=1",
                ]))
    #expect(usage(#"{"gen_ai.usage.input_tokens":3}"#).numbers == ["gen_ai.usage.input_tokens=3"])
    #expect(usage("{}") == Usage(outcome: .recorded, numbers: []))
}

@Test func elementsOfListsGoByTheirIndex() {
    let lists = usage(#"{"details":[{"modality":"AUDIO","tokenCount":12},7,{"tokenCount":3,"modality":"TEXT"}],"a":[1,[3]],"b":1}"#)
    #expect(lists.numbers == ["details.0.tokenCount=12", "details.2.tokenCount=3", "b=1"])
    #expect(lists.texts == ["details.0.modality=AUDIO", "details.2.modality=TEXT"])
    #expect(usage(#"{"a":[{"b":1,"b":2}]}"#).outcome == .fieldInvalid)
}

@Test func textsAreHandedOutWithTheirPath() {
    #expect(
        usage(#"{"service_tier":"priority","speed":"fast","a":{"service_tier":"batch"},"n":1}"#).texts
            == ["service_tier=priority", "speed=fast", "a.service_tier=batch"])
}

@Test func usageThatCannotBeCountedOnceIsRefused() {
    #expect(usage(#"{"a":1,"a":2}"#).outcome == .fieldInvalid)
    #expect(usage(#"{"a":{"b":1,"\u0062":2}}"#).outcome == .fieldInvalid)
    #expect(usage(#"{"a":-1}"#).outcome == .amountOutOfRange)
    #expect(usage(#"{"a":1e999}"#).outcome == .amountOutOfRange)
    #expect(usage(#"{"a":[{"modality":"x","tokenCount":-1}]}"#).outcome == .amountOutOfRange)
    #expect(usage(#"[{"a":1}]"#).outcome == .malformed)
    #expect(usage("{").outcome == .malformed)
    #expect(usage(#"{"a":"# + String(repeating: "[", count: 16) + String(repeating: "]", count: 16) + "}").outcome == .malformed)
}

@Test(arguments: -1...1)
func anObjectOfUsageMayHaveAsManyKeysAsTheLimit(_ difference: Int) {
    let members = (0..<Limits.jsonUnknownFields + difference).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    #expect(usage("{\(members)}").outcome == (difference <= 0 ? .recorded : .fieldInvalid))
    #expect(usage("{\"a\":{\(members)}}").outcome == (difference <= 0 ? .recorded : .fieldInvalid))
}
