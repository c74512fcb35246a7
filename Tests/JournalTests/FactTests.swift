// Facts, written and read back; and bytes that are none.

import Core
import Journal
import Testing

private func withPayload<R>(_ writer: borrowing ByteWriter, _ type: FactType, _ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
    var reader = FactReader(writer.bytes)
    let found = reader.next()
    let fact = try #require(found)
    #expect(fact.type == type && fact.offset == 0)
    let isAlone = reader.next() == nil && !reader.failed
    #expect(isAlone)
    return try body(fact.payload)
}

@Test func anEventWithEverythingComesBackAsItWas() throws {
    var block = EventBlock()
    func text(_ s: String) -> TextRef { Array(s.utf8).withUnsafeBytes { block.add(text: $0) } }
    var event = EventRecord()
    event.key = text("0190b5a2-7c3e-7aaa-8bbb-00112233ddee")
    let ids: [StringID] = [1, 127, 128, 20_000, 16_777_215, 4_294_967_295]
    for id in ids {
        let index = block.add(name: text("name-\(id)"))
        block.nameIDs[Int(index)] = id
    }
    (event.eventName, event.customer, event.feature, event.model, event.provider, event.region) = (1, 2, 3, 4, 5, 6)
    let extras = ByteWriterBox { writer in
        writer.append(EventExtra.flowId.rawValue)
        writer.append(varint: 3)
        writer.append("abc")
        writer.append(EventExtra.meta.rawValue)
        writer.append(varint: 7)
        writer.append("{\"a\":1}")
    }
    event.extras = extras.bytes.withUnsafeBytes { block.add(text: $0) }
    event.occurredAt = Timestamp(nanoseconds: 1_790_000_000_123_456_789)
    event.usageUnits = Quantity(millionths: 12_500_000)
    event.usageStart = 0
    for (n, kind) in UsageKind.allCases.enumerated() {
        block.add(usage: UsageLine(kind: kind, quantity: Quantity(millionths: Int64(n) * 1_500_001)))
    }
    event.usageCount = UInt8(UsageKind.allCases.count)
    event.cost = Money(picodollars: .max)
    event.revenue = Money(picodollars: 1)
    event.price = 77
    event.match = .dateSuffixStripped
    event.tier = .flex
    event.sequence = .max
    event.flags =
        EventRecord.hasOccurredAt | EventRecord.hasUsageUnits | EventRecord.hasCost | EventRecord.hasRevenue | EventRecord.unitsAsInput
    block.add(event)

    var writer = ByteWriter()
    let recordedAt = Timestamp(nanoseconds: event.occurredAt.nanoseconds - 3_600_000_000_000)
    #expect(writer.append(event: block.events[0], of: block, recordedAt: recordedAt) == 0)
    try withPayload(writer, .event) { payload in
        let read = try #require(EventFact(payload))
        #expect(read.sequence == .max && read.occurredAt == event.occurredAt && read.recordedAt == recordedAt)
        var key = ByteWriter()
        read.appendKey(to: &key)
        #expect(key.string == "0190b5a2-7c3e-7aaa-8bbb-00112233ddee" && read.keyBytes.count == 16)
        #expect([read.eventName, read.customer, read.feature, read.model, read.provider, read.region] == ids)
        #expect(read.usageUnits == event.usageUnits && read.cost == event.cost && read.revenue == event.revenue)
        #expect(read.price == 77 && read.match == .dateSuffixStripped && read.tier == .flex && read.unpriced == .none)
        #expect(Array(UsageIterator(read)) == Array(block.usage(of: event)))
        #expect(read.extra(.flowId).map { String(decoding: $0, as: UTF8.self) } == "abc")
        #expect(read.extra(.meta).map { String(decoding: $0, as: UTF8.self) } == "{\"a\":1}")
        #expect(read.extra(.invoiceId) == nil)
        #expect(read.flags & EventFlag.costGiven != 0 && read.flags & EventFlag.unitsAsInput != 0)
        #expect(read.flags & EventFlag.timeGiven != 0 && read.flags & EventFlag.keyGenerated == 0)
    }
}

@Test func aBareUnpricedEventComesBackAsItWas() throws {
    var block = EventBlock()
    var event = EventRecord()
    event.key = Array("k".utf8).withUnsafeBytes { block.add(text: $0) }
    event.eventName = block.add(name: event.key)
    block.nameIDs[1] = 9
    event.sequence = 1
    event.unpriced = .noModel
    event.flags = EventRecord.keyGenerated
    block.add(event)
    var writer = ByteWriter()
    _ = writer.append(event: block.events[0], of: block, recordedAt: Timestamp(nanoseconds: 0))
    // sequence, time, delay, three bytes of flags, key, name, no usage, reason
    #expect(writer.count == 2 + 1 + 8 + 1 + 3 + 2 + 1 + 1 + 1)
    try withPayload(writer, .event) { payload in
        let read = try #require(EventFact(payload))
        #expect(!read.isPriced && read.unpriced == .noModel && read.cost == .zero && !read.hasRevenue)
        #expect(read.flags == EventFlag.keyGenerated && read.eventName == 9 && read.customer == noString)
    }
}

/// Builds bytes inside a test.
private struct ByteWriterBox {
    var bytes: [UInt8]
    init(_ build: (inout ByteWriter) -> Void) {
        var writer = ByteWriter()
        build(&writer)
        bytes = writer.array
    }
}

@Test func theLengthOfAnEventTakesOneTwoOrThreeBytes() throws {
    // Around 128 and 16384 bytes of payload, one by one, after some bytes that must stay.
    for size in Array(90...130) + Array(16_330...16_390) + [40_000, 300_000] {
        var block = EventBlock()
        var event = EventRecord()
        event.key = Array("k".utf8).withUnsafeBytes { block.add(text: $0) }
        event.eventName = block.add(name: event.key)
        block.nameIDs[1] = 1
        event.sequence = 5
        event.extras = [UInt8](repeating: 0x78, count: size).withUnsafeBytes { block.add(text: $0) }
        block.add(event)
        var writer = ByteWriter()
        writer.append("before")
        let start = writer.append(event: block.events[0], of: block, recordedAt: Timestamp(nanoseconds: 0))
        #expect(start == 6)
        writer.append(catalogueFact: "after")
        #expect(writer.string.hasPrefix("before"))
        var reader = FactReader(UnsafeRawBufferPointer(rebasing: writer.bytes[6...]))
        let found = reader.next()
        let fact = try #require(found)
        let width = fact.payload.count < 128 ? 1 : fact.payload.count < 16_384 ? 2 : 3
        let next = reader.next()
        #expect(next?.offset == 1 + width + fact.payload.count)
        let read = try #require(EventFact(fact.payload))
        #expect(read.sequence == 5 && read.extras.count == size && read.extras.allSatisfy { $0 == 0x78 })
    }
}

@Test func smallFactsComeBackAsTheyWere() throws {
    var writer = ByteWriter()
    for id in [StringID(1), 127, 128, 16_384, .max] {
        writer.reset()
        Array("gpt-4o".utf8).withUnsafeBytes { writer.append(stringFact: id, $0) }
        try withPayload(writer, .string) { payload in
            var reader = ByteReader(payload)
            let number = reader.varint()
            let text = String(decoding: reader.bytes(reader.remaining), as: UTF8.self)
            #expect(number == UInt64(id) && text == "gpt-4o" && !reader.failed)
        }
    }
    for mask in 0..<16 {
        var customer = CustomerFact(operation: mask % 2 == 0 ? .registered : .changed, reference: UInt32(mask), at: testStart)
        if mask & 1 != 0 { customer.email = Array("a@b.c".utf8) }
        if mask & 2 != 0 { customer.firstName = [] }
        if mask & 4 != 0 { customer.lastName = [UInt8](repeating: 0x41, count: 200) }
        if mask & 8 != 0 { customer.phoneNumber = Array("+1".utf8) }
        writer.reset()
        writer.append(customer)
        #expect(try withPayload(writer, .customer) { CustomerFact($0) } == customer)
    }
    var key = KeyFact(operation: .created, id: 300, at: testStart)
    key.digest = [UInt8](0..<32)
    key.hint = Array("sk_live_…1ef4".utf8)
    key.scopes = KeyScope.ingest | KeyScope.read
    key.name = Array("app".utf8)
    writer.reset()
    writer.append(key)
    #expect(try withPayload(writer, .key) { KeyFact($0) } == key)
    let revoked = KeyFact(operation: .revoked, id: 300, at: testStart)
    writer.reset()
    writer.append(revoked)
    #expect(try withPayload(writer, .key) { KeyFact($0) } == revoked)
    writer.reset()
    let digests = [UInt8](0..<64)
    let body = Array("{\"ok\":true}".utf8)
    digests.withUnsafeBytes { digests in
        body.withUnsafeBytes { body in
            writer.append(ResponseFact(scope: 7, digests: digests, at: testStart, status: 201, body: body))
        }
    }
    try withPayload(writer, .response) { payload in
        let read = try #require(ResponseFact(payload))
        #expect(read.scope == 7 && read.status == 201 && read.at == testStart)
        #expect([UInt8](read.digests) == digests && [UInt8](read.body) == body)
    }
}

@Test func unknownFactTypesAreStepsNotErrors() throws {
    var writer = ByteWriter()
    writer.append(200)
    writer.append(varint: 3)
    writer.append("abc")
    writer.append(catalogueFact: "2026-09-01")
    var reader = FactReader(writer.bytes)
    let (first, second, third) = (reader.next(), reader.next(), reader.next())
    #expect(first?.rawType == 200 && first?.type == nil)
    #expect(second?.type == .catalogue && third == nil && !reader.failed)
}

@Test func aStringNumberBeyondItsRangeIsNoEvent() throws {
    // An unpriced event without anything but a name; the name's number is the last but two bytes.
    func event(_ name: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.append([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x6B])
        writer.append(varint: name)
        writer.append([0, UnpricedReason.noModel.rawValue])
        return writer.array
    }
    event(UInt64(StringID.max)).withUnsafeBytes { #expect(EventFact($0)?.eventName == .max) }
    event(UInt64(StringID.max) + 1).withUnsafeBytes { #expect(EventFact($0) == nil) }
}

@Test func aKindOfUsageThatIsNotKnownIsNoEvent() throws {
    // Two lines: one of the kind, one of input tokens. A reader of lines would stop at the first and a reader of sums would not.
    func event(_ kind: UInt8) -> [UInt8] {
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x6B, 1, 2, kind, 2, UsageKind.inputTokens.rawValue, 4, UnpricedReason.noModel.rawValue]
    }
    for kind in UInt8.min...UInt8.max {
        try event(kind).withUnsafeBytes { bytes in
            guard UsageKind(rawValue: kind) != nil else {
                #expect(EventFact(bytes) == nil)
                return
            }
            let read = try #require(EventFact(bytes))
            #expect(Array(UsageIterator(read)).count == 2 && read.inputTokens == Quantity(millionths: 2_000_000))
        }
    }
}

@Test func truncatedAndFlippedFactsAreRefusedOrReadButNeverTrap() throws {
    var block = EventBlock()
    sampleEvent(3, in: &block)
    block.events[0].sequence = 4
    var writer = ByteWriter()
    _ = writer.append(event: block.events[0], of: block, recordedAt: testStart)
    let whole = writer.array
    for cut in 0..<whole.count {
        whole[0..<cut].withUnsafeBytes { bytes in
            var reader = FactReader(bytes)
            let fact = reader.next()
            #expect(fact == nil && reader.failed == (cut > 0))
        }
    }
    // Every prefix of the payload is no event either: an event ends where its bytes end.
    for cut in 2..<whole.count { whole[2..<cut].withUnsafeBytes { #expect(EventFact($0) == nil) } }
    var read = 0
    for byte in whole.indices {
        for bit in 0..<8 {
            var bytes = whole
            bytes[byte] ^= 1 << UInt8(bit)
            read += walk(bytes)
        }
    }
    #expect(read > 0)
}

@Test func randomBytesNeverTrapInAnyDecoder() {
    var random = SeededRandom(11)
    var facts = 0
    for _ in 0..<60_000 {
        let size = Int.random(in: 0..<80, using: &random)
        var bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        if size > 2, Bool.random(using: &random) {
            bytes[0] = UInt8.random(in: 0...7, using: &random)
            bytes[1] = UInt8(size - 2)
        }
        facts += walk(bytes)
    }
    #expect(facts > 1000)
}

/// Reads bytes as facts, and every payload as every kind of fact; the result is how many facts there were.
private func walk(_ bytes: [UInt8]) -> Int {
    bytes.withUnsafeBytes { bytes in
        var reader = FactReader(bytes)
        var count = 0
        while let fact = reader.next() {
            count += 1
            if let event = EventFact(fact.payload) {
                for line in UsageIterator(event) { _ = line.quantity }
                for tag in EventExtra.allCases { _ = event.extra(tag) }
                var key = ByteWriter()
                event.appendKey(to: &key)
            }
            _ = CustomerFact(fact.payload)
            _ = KeyFact(fact.payload)
            _ = ResponseFact(fact.payload)
        }
        return count
    }
}

@Test func correctionsComeBackAsTheyWereWritten() throws {
    var correction = Correction(
        kind: .reprice, run: 7, at: testStart, sequence: 99, event: JournalPosition(segment: 3, offset: 8192))
    correction.previous = JournalPosition(segment: 4, offset: 4176)
    correction.occurredAt = testStart
    correction.eventName = 1
    correction.customer = 300
    correction.model = 5
    correction.before = CostState(cost: nil, match: .none, unpriced: .unknownModel)
    correction.after = CostState(cost: Money(picodollars: 123_456_789_012), price: 17, match: .catalogueRule)
    var writer = ByteWriter()
    #expect(writer.append(correction) == 0)
    #expect(try withPayload(writer, .correction) { Correction($0) } == correction)
    #expect(correction.costDelta == 123_456_789_012)

    var void = correction
    void.kind = .void
    void.run = 0
    void.before = correction.after
    void.counts.usageUnits = Quantity(millionths: 1_500_000)
    void.counts.inputTokens = Quantity(millionths: 2_000_000)
    void.counts.revenue = Money(picodollars: 5)
    void.reason = Array("sent twice".utf8)
    writer.reset()
    _ = writer.append(void)
    #expect(try withPayload(writer, .correction) { Correction($0) } == void)
    #expect(void.costDelta == -123_456_789_012)
}

@Test func aCorrectionCutAnywhereIsNone() throws {
    var correction = Correction(kind: .void, run: 0, at: testStart, sequence: 1, event: JournalPosition(segment: 1, offset: 4176))
    correction.occurredAt = testStart
    correction.reason = Array("why".utf8)
    var writer = ByteWriter()
    _ = writer.append(correction)
    try withPayload(writer, .correction) { payload in
        for length in 0..<payload.count { #expect(Correction(UnsafeRawBufferPointer(rebasing: payload[..<length])) == nil) }
    }
}

@Test func runsAndPricesComeBackAsTheyWereWritten() throws {
    var writer = ByteWriter()
    var begun = RunFact(operation: .begun, id: 2, at: testStart)
    begun.kind = .reverse
    begun.reverses = 1
    begun.filter = Array("{}".utf8)
    begun.prices = Array("2026-11-23".utf8)
    writer.append(begun)
    #expect(try withPayload(writer, .run) { RunFact($0) } == begun)
    writer.reset()
    var ended = RunFact(operation: .ended, id: 2, at: testStart)
    ended.events = 1000
    ended.newlyPriced = 3
    ended.before = MoneyTotal(picodollars: -5)
    ended.after = MoneyTotal(picodollars: Int128(Int64.max) * 1000)
    writer.append(ended)
    #expect(try withPayload(writer, .run) { RunFact($0) } == ended)
    writer.reset()
    var price = OwnPriceFact(operation: .set, at: testStart, id: Array("acme".utf8))
    price.text = Array("[[price]]".utf8)
    writer.append(price)
    #expect(try withPayload(writer, .ownPrice) { OwnPriceFact($0) } == price)
    writer.reset()
    let text = Array("version 2026-11-24\n".utf8)
    text.withUnsafeBytes { writer.append(CataloguePartFact(offset: 70_000, text: $0)) }
    try withPayload(writer, .cataloguePart) { payload in
        let part = try #require(CataloguePartFact(payload))
        #expect(part.offset == 70_000 && [UInt8](part.text) == text)
    }
    writer.reset()
    let digest = text.withUnsafeBytes { Digest(sha256: $0) }
    let book = PriceBookFact(at: testStart, loadedBytes: 19, catalogue: digest, own: digest, version: Array("2026-11-24-1".utf8))
    writer.append(book)
    #expect(try withPayload(writer, .priceBook) { PriceBookFact($0) } == book)
}
