// Customers, API keys and stored replies: made, changed, folded again from the journal.

import Core
import Journal
import Ledger
import Testing

private func details(_ email: String = "a@b.example") -> CustomerFact {
    var fact = CustomerFact(operation: .registered, reference: noString, at: Books.now)
    fact.email = Array(email.utf8)
    return fact
}

private func changed() -> CustomerFact {
    var fact = CustomerFact(operation: .changed, reference: noString, at: Books.now)
    fact.firstName = Array("Ada".utf8)
    return fact
}

@Test func aCustomerIsRegisteredOnceAndEventsMayHaveMadeItBefore() throws {
    var books = Books(try book())
    try books.admit([Sent(key: "1", customer: "from-events", cost: 3)])
    #expect(books.account("from-events")?.registered == false)
    #expect(books.ledger.register(reference: Array("from-events".utf8), details(), into: &books.batch) == .created)
    #expect(books.ledger.register(reference: Array("from-events".utf8), details(), into: &books.batch) == .conflict)
    #expect(books.ledger.register(reference: Array("new".utf8), details(), into: &books.batch) == .created)
    #expect(books.ledger.register(reference: nil, details(), into: &books.batch) == .created)
    #expect(books.ledger.change(reference: Array("new".utf8), changed(), into: &books.batch) == .changed)
    #expect(books.ledger.change(reference: Array("nobody".utf8), changed(), into: &books.batch) == .notFound)
    books = try books.restarted(try book())
    #expect(books.account("from-events")?.registered == true && books.account("from-events")?.cost == 3)
    #expect(books.account("new")?.registered == true && books.account("nobody") == nil)
    #expect(books.ledger.register(reference: Array("new".utf8), details(), into: &books.batch) == .conflict)
    #expect(Array("new".utf8).withUnsafeBytes { books.ledger.knowsCustomer($0) })
    #expect(!Array("call".utf8).withUnsafeBytes { books.ledger.knowsCustomer($0) })
}

@Test func aNameThatIsNoCustomerCannotBeChanged() throws {
    let books = Books(try book())
    try books.admit([Sent(key: "1", name: "chat", customer: "c")])
    #expect(books.ledger.change(reference: Array("chat".utf8), changed(), into: &books.batch) == .notFound)
}

@Test func keysAreMadeRevokedAndReplayed() throws {
    var books = Books(try book())
    func digest(_ text: String) -> Digest { Array(text.utf8).withUnsafeBytes { Digest(sha256: $0) } }
    func make(_ text: String, _ scopes: UInt8) -> UInt32 {
        books.ledger.createKey(
            digest: digest(text), hint: Array("sk_…".utf8), name: Array(text.utf8), scopes: scopes, at: Books.now, into: &books.batch)
    }
    #expect(!books.ledger.keys.hasActive)
    #expect(make("one", KeyScope.all) == 1 && make("two", KeyScope.ingest) == 2)
    let epoch = books.ledger.keys.epoch
    let later = Timestamp(nanoseconds: Books.now.nanoseconds + 5)
    #expect(books.ledger.revokeKey(1, at: later, into: &books.batch))
    #expect(!books.ledger.revokeKey(1, at: later, into: &books.batch))
    #expect(!books.ledger.revokeKey(0, at: later, into: &books.batch) && !books.ledger.revokeKey(3, at: later, into: &books.batch))
    #expect(books.ledger.keys.epoch > epoch)
    for pass in 0..<2 {
        #expect(books.ledger.keys.scopes(of: digest("one")) == nil, "pass \(pass)")
        #expect(books.ledger.keys.scopes(of: digest("two")) == KeyScope.ingest)
        #expect(books.ledger.keys.scopes(of: digest("three")) == nil)
        #expect(books.ledger.keys.record(1)?.revokedAt == later && books.ledger.keys.record(2)?.revokedAt == nil)
        #expect(books.ledger.keys.record(2)?.name == Array("two".utf8) && books.ledger.keys.nextID == 3 && books.ledger.keys.hasActive)
        books = try books.restarted(try book())
    }
}

@Test func aStoredReplyIsFoundForADayAndAfterARestart() throws {
    var books = Books(try book())
    let digests = [UInt8](repeating: 7, count: 64)
    digests.withUnsafeBytes { digests in
        Array("body".utf8).withUnsafeBytes { body in
            books.ledger.store(ResponseFact(scope: 42, digests: digests, at: Books.now, status: 201, body: body), into: &books.batch)
        }
    }
    let position = try #require(books.ledger.responses.position(42, now: Books.now))
    books = try books.restarted(try book())
    #expect(books.ledger.responses.position(42, now: Books.now) == position)
    #expect(books.ledger.responses.position(43, now: Books.now) == nil)
    let day = StoredResponses.retention
    #expect(books.ledger.responses.position(42, now: Timestamp(nanoseconds: Books.now.nanoseconds + day - 1)) == position)
    #expect(books.ledger.responses.position(42, now: Timestamp(nanoseconds: Books.now.nanoseconds + day)) == nil)
    let page = try #require(books.pages.list.first { $0.segment == position.segment })
    try page.body.withUnsafeBytes { bytes in
        var reader = FactReader(
            UnsafeRawBufferPointer(rebasing: bytes[(Int(position.offset) - Int(page.offset) - BatchBuilder.headerBytes)...]))
        let kept = try #require(reader.next().flatMap { ResponseFact($0.payload) })
        #expect(kept.status == 201 && [UInt8](kept.body) == Array("body".utf8))
    }
}

@Test func storedRepliesAreBoundedAndTheOldestGoesFirst() throws {
    let books = Books(try book())
    let digests = [UInt8](repeating: 7, count: 64)
    digests.withUnsafeBytes { digests in
        for scope in 1...UInt64(Limits.storedResponses) + 10 {
            if !books.batch.hasRoom(for: 4096) { books.turnPage() }
            let fact = ResponseFact(
                scope: scope, digests: digests, at: Timestamp(nanoseconds: Books.now.nanoseconds + Int64(scope)), status: 200,
                body: UnsafeRawBufferPointer(start: nil, count: 0))
            books.ledger.store(fact, into: &books.batch)
        }
    }
    #expect(books.ledger.responses.count == Limits.storedResponses)
    #expect(books.ledger.responses.position(10, now: Books.now) == nil)
    #expect(books.ledger.responses.position(11, now: Books.now) != nil)
    // A day later one more reply empties the rest.
    let later = Timestamp(nanoseconds: Books.now.nanoseconds + StoredResponses.retention + 1_000_000)
    digests.withUnsafeBytes { digests in
        let fact = ResponseFact(scope: 1, digests: digests, at: later, status: 200, body: UnsafeRawBufferPointer(start: nil, count: 0))
        books.ledger.store(fact, into: &books.batch)
    }
    #expect(books.ledger.responses.count == 1)
}

// MARK: - Replay of what cannot be

private func replay(_ books: Books, _ facts: (inout ByteWriter) -> Void) -> Int? {
    var writer = ByteWriter(capacity: 256)
    facts(&writer)
    return books.ledger.replay(writer.bytes, segment: 1, batchOffset: 4096, inWindow: true)
}

/// The payload of an event fact with no field but the ones that must be there.
private func event(_ writer: inout ByteWriter, sequence: UInt64, customer: UInt64? = nil) {
    var payload = ByteWriter(capacity: 64)
    payload.append(varint: sequence)
    payload.append(littleEndian: Int64(5))
    payload.append(zigzag: 0)
    payload.append(varint: customer == nil ? 0 : UInt64(EventFlag.customer))
    payload.append(varint: 1)
    payload.append(0x6B)
    payload.append(varint: 1)
    if let customer { payload.append(varint: customer) }
    payload.append(0)
    payload.append(UnpricedReason.noModel.rawValue)
    writer.append(FactType.event.rawValue)
    writer.append(varint: UInt64(payload.count))
    writer.append(bytes: payload.bytes)
}

private func define(_ writer: inout ByteWriter, _ id: StringID, _ text: String) {
    Array(text.utf8).withUnsafeBytes { writer.append(stringFact: id, $0) }
}

@Test func replayRefusesWhatDoesNotFollow() throws {
    func refused(_ facts: (inout ByteWriter) -> Void) throws -> Bool {
        let books = Books(try book())
        return replay(books, facts) != nil
    }
    #expect(
        try !refused {
            define(&$0, 1, "call"); event(&$0, sequence: 1)
        })
    #expect(
        try !refused {
            define(&$0, 1, "call"); event(&$0, sequence: 1); event(&$0, sequence: 2)
        })
    #expect(
        try refused {
            define(&$0, 1, "call"); event(&$0, sequence: 1); event(&$0, sequence: 3)
        })
    #expect(
        try refused {
            define(&$0, 1, "call"); event(&$0, sequence: 0)
        })
    #expect(
        try refused {
            define(&$0, 1, "call"); event(&$0, sequence: .max)
        })
    #expect(
        try refused {
            define(&$0, 1, "call"); define(&$0, 1, "other")
        })
    #expect(
        try refused {
            define(&$0, 1, "call"); event(&$0, sequence: 1, customer: 2)
        })
    #expect(
        try refused {
            define(&$0, 1, "call"); event(&$0, sequence: 1, customer: 0xFFFF_FFFF)
        })
    #expect(try refused { $0.append(CustomerFact(operation: .registered, reference: 9, at: Books.now)) })
    #expect(try refused { $0.append(KeyFact(operation: .revoked, id: 1, at: Books.now)) })
    #expect(try refused { $0.append(KeyFact(operation: .created, id: 2, at: Books.now)) })
    #expect(
        try refused {
            $0.append(FactType.event.rawValue); $0.append(3); $0.append(1)
        })
    #expect(
        try refused {
            $0.append(FactType.event.rawValue); $0.append(1); $0.append(1)
        })
    // A type of a later version is skipped.
    #expect(
        try !refused {
            $0.append(200); $0.append(1); $0.append(1)
        })
}

@Test func replayOfAnyBytesEnds() throws {
    var dice = Dice(31)
    let prices = try book()
    let books = Books(try wholeBook())
    try books.admit((0..<30).map { Sent(key: "k\($0)", customer: "c\($0 % 4)", model: "gpt-4o", input: 3) })
    _ = books.ledger.register(reference: Array("c1".utf8), details(), into: &books.batch)
    books.turnPage()
    let good = books.pages.list[0].body
    for _ in 0..<400 {
        var bad = good
        for _ in 0...dice.below(3) { bad[dice.below(bad.count)] = UInt8(truncatingIfNeeded: dice.next()) }
        let fresh = Books(prices)
        // Whether it is refused depends on the byte; the process is still here and the sequences still follow.
        let offset = bad.withUnsafeBytes { fresh.ledger.replay($0, segment: 1, batchOffset: 4096, inWindow: true) }
        #expect(offset.map { $0 >= 0 && $0 <= bad.count } ?? true)
        #expect(fresh.ledger.totalEvents <= 31)
    }
}
