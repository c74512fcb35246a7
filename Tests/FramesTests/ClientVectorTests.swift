// The frames a client sends: what the decoders make of every vector, and that the encoders write the same bytes.

import Core
import Frames
import Testing

@Suite struct ClientVectorTests {
    /// Each frame of a vector with its payload.
    private func frames(_ vector: Vector) -> [(VectorFrame, [UInt8])] {
        var rest = vector.bytes[...]
        return (vector.frames ?? []).map { frame in
            guard case .header(let header) = rest.withUnsafeBytes({ FrameHeader.parse($0) }) else { fatalError("no frame") }
            let payload = Array(rest.dropFirst(FrameHeader.size).prefix(Int(header.length)))
            rest = rest.dropFirst(header.frameSize)
            return (frame, payload)
        }
    }

    @Test(arguments: Vectors.client) func everyFrameIsDecodedAsTheVectorSays(_ vector: Vector) {
        for (frame, payload) in frames(vector) {
            switch frame.type {
            case "hello": checkHello(frame, payload)
            case "events": checkEvents(frame, payload)
            case "customer": checkCustomer(frame, payload)
            default: #expect(frame.payload == Hex.text(payload))
            }
        }
    }

    private func checkHello(_ frame: VectorFrame, _ payload: [UInt8]) {
        payload.withUnsafeBytes { bytes in
            guard let hello = Hello.decode(bytes) else {
                Issue.record("no hello")
                return
            }
            func text(_ ref: TextRef) -> [UInt8] { [UInt8](bytes[Int(ref.offset)..<Int(ref.offset + ref.length)]) }
            #expect(hello.lowest == frame.lowest && hello.highest == frame.highest && hello.capabilities == frame.capabilities)
            #expect(text(hello.key) == frame.key?.bytes && text(hello.name) == frame.name?.bytes)
        }
    }

    private func checkEvents(_ frame: VectorFrame, _ payload: [UInt8]) {
        // Once alone, once behind other events in the same block: nothing may depend on where the block stands.
        var block = EventBlock(events: 1)
        let expected = frame.events ?? []
        for start in [0, expected.count] {
            #expect(decode(payload, into: &block) == .events(expected.count))
            #expect(block.count == start + expected.count)
            for (index, event) in expected.enumerated() { check(block.events[start + index], event, frame, block) }
        }
    }

    private func check(_ record: EventRecord, _ event: VectorEvent, _ frame: VectorFrame, _ block: borrowing EventBlock) {
        guard event.outcome == nil else {
            #expect(record.outcome == outcome(event.outcome ?? ""))
            #expect(record.field == field(event.field ?? ""))
            #expect(record.usageCount == 0)
            return
        }
        #expect(record.outcome == .recorded && record.field == .none)
        #expect(block.string(record.key) == event.keyUUID.map { Array($0.utf8) } ?? event.keyText?.bytes ?? [])
        #expect((record.flags & EventRecord.keyGenerated != 0) == (event.keyUUID == nil && event.keyText == nil))
        let names = [
            (record.eventName, event.name), (record.customer, event.customer), (record.feature, event.feature),
            (record.model, event.model), (record.provider, event.provider), (record.region, event.region),
        ]
        for (name, index) in names {
            #expect((name == 0) == (index == nil))
            if let index { #expect([UInt8](block.name(name)) == frame.strings?[index - 1].bytes) }
        }
        #expect((record.flags & EventRecord.hasOccurredAt != 0) == (event.occurredAt != nil))
        if let delta = event.occurredAt { #expect(record.occurredAt.nanoseconds == (frame.baseTime ?? 0) + delta) }
        #expect((record.flags & EventRecord.hasUsageUnits != 0) == (event.usageUnits != nil))
        #expect(record.usageUnits == event.usageUnits.flatMap(units) ?? .zero)
        #expect((record.flags & EventRecord.hasCost != 0) == (event.cost != nil))
        #expect(record.cost.picodollars == event.cost.map(Int64.init) ?? 0)
        #expect((record.flags & EventRecord.hasRevenue != 0) == (event.revenue != nil))
        #expect(record.revenue.picodollars == event.revenue.map(Int64.init) ?? 0)
        #expect("\(record.tier.name)" == event.tier?.name ?? "standard")
        var extras: [UInt8] = []
        for extra in event.extras ?? [] {
            let tag = EventExtra.allCases.first { "\($0)" == extra.tag.name }
            var writer = ByteWriter()
            writer.append(tag?.rawValue ?? 0)
            extra.text.bytes.withUnsafeBytes { writer.append(lengthPrefixed: $0) }
            extras += writer.array
        }
        #expect(block.string(record.extras) == extras)
        checkUsage(record, event, block)
    }

    private func checkUsage(_ record: EventRecord, _ event: VectorEvent, _ block: borrowing EventBlock) {
        var lines = (event.usage ?? []).compactMap(\.line)
        let hasObject = (event.extras ?? []).contains { $0.tag.name == "usage" }
        if hasObject { lines = [] }
        let unitsCount = !hasObject && lines.isEmpty && event.model != nil && event.usageUnits != nil
        if unitsCount { lines = [UsageLine(kind: .inputTokens, quantity: record.usageUnits)] }
        #expect((record.flags & EventRecord.unitsAsInput != 0) == unitsCount)
        #expect(Array(block.usage(of: record)) == lines)
    }

    private func checkCustomer(_ frame: VectorFrame, _ payload: [UInt8]) {
        payload.withUnsafeBytes { bytes in
            switch CustomerFrame.decode(bytes) {
            case .refused: Issue.record("refused")
            case .invalid(let field): #expect("\(field.name)" == frame.invalid)
            case .customer(let customer):
                #expect(frame.invalid == nil)
                #expect("\(customer.operation)" == frame.operation)
                let fields: [(CustomerField, TextRef, VectorText?)] = [
                    (.customerReferenceId, customer.reference, frame.customerReferenceId), (.email, customer.email, frame.email),
                    (.firstName, customer.firstName, frame.firstName), (.lastName, customer.lastName, frame.lastName),
                    (.phoneNumber, customer.phoneNumber, frame.phoneNumber),
                ]
                for (field, ref, text) in fields {
                    #expect(customer.has(field) == (text != nil))
                    if let text { #expect([UInt8](bytes[Int(ref.offset)..<Int(ref.offset + ref.length)]) == text.bytes) }
                }
            }
        }
    }

    @Test(arguments: Vectors.client.filter { $0.canonical == true })
    func theEncodersWriteTheBytesOfTheVector(_ vector: Vector) {
        var writer = ByteWriter()
        for frame in vector.frames ?? [] {
            switch frame.type {
            case "hello":
                var key = frame.key?.string ?? ""
                var name = frame.name?.string ?? ""
                key.withUTF8 { key in
                    name.withUTF8 { name in
                        let (key, name) = (UnsafeRawBufferPointer(key), UnsafeRawBufferPointer(name))
                        writer.appendHello(key: key, name: name, requestID: frame.requestId)
                    }
                }
            case "events":
                var encoder = EventsEncoder()
                for event in frame.events ?? [] { #expect(encoder.add(usageEvent(event, frame)) == .added) }
                encoder.finish(requestID: frame.requestId, detail: frame.flags == 1, into: &writer)
            case "customer":
                let details = CustomerDetails(
                    reference: frame.customerReferenceId?.string,
                    email: frame.email?.string,
                    firstName: frame.firstName?.string,
                    lastName: frame.lastName?.string,
                    phoneNumber: frame.phoneNumber?.string
                )
                writer.appendCustomer(frame.operation == "register" ? .register : .change, details, requestID: frame.requestId)
            default: Hex.bytes(frame.payload ?? "").withUnsafeBytes { writer.appendPing($0, requestID: frame.requestId) }
            }
        }
        #expect(Hex.text(writer.array) == vector.hex)
    }

    private func usageEvent(_ event: VectorEvent, _ frame: VectorFrame) -> UsageEvent {
        func name(_ index: Int?) -> String? { index.flatMap { frame.strings?[$0 - 1].string } }
        var extras: [EventExtra: String] = [:]
        for extra in event.extras ?? [] {
            if let tag = EventExtra.allCases.first(where: { "\($0)" == extra.tag.name }) { extras[tag] = extra.text.string }
        }
        return UsageEvent(
            key: (event.keyUUID ?? event.keyText?.string).map(EventKey.text) ?? .none,
            name: name(event.name) ?? "",
            customer: name(event.customer),
            feature: name(event.feature),
            model: name(event.model),
            provider: name(event.provider),
            region: name(event.region),
            occurredAt: event.occurredAt.map { Timestamp(nanoseconds: (frame.baseTime ?? 0) + $0) },
            usageUnits: event.usageUnits.flatMap(units),
            cost: event.cost.map { Money(picodollars: Int64($0)) },
            revenue: event.revenue.map { Money(picodollars: Int64($0)) },
            // Given in reverse: the encoder puts them in order.
            usage: (event.usage ?? []).compactMap(\.line).reversed(),
            tier: ServiceTier.allCases.first { "\($0.name)" == event.tier?.name },
            extras: extras
        )
    }
}
