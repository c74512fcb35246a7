// Customers, API keys and stored replies: the facts besides events. Each is checked, written into the open batch and applied.

public import Core
public import Journal

/// What became of a customer request.
public enum CustomerChange: Sendable, Equatable {
    case created
    case changed
    /// Registered before.
    case conflict
    case notFound
    case overloaded
}

extension Ledger {
    /// Registers a customer, or fills in the details of one that events created.
    public mutating func register(
        reference: [UInt8]?, _ details: CustomerFact, into batch: inout BatchBuilder
    ) -> CustomerChange {
        var fact = details
        if let reference {
            guard !strings.isFull else { return .overloaded }
            fact.reference = intern(reference, &batch)
            let row = row(of: fact.reference)
            guard !row.pointee.registered else { return .conflict }
            row.pointee.registered = true
        }
        batch.writer.append(fact)
        return .created
    }

    /// Changes details of a customer that is known, registered or from events.
    public mutating func change(reference: [UInt8], _ details: CustomerFact, into batch: inout BatchBuilder) -> CustomerChange {
        let id = reference.withUnsafeBytes { strings.find($0) }
        guard id != noString, accounts.account(id) != nil else { return .notFound }
        var fact = details
        fact.reference = intern(reference, &batch)
        batch.writer.append(fact)
        return .changed
    }

    /// Whether events or a registration made this customer known.
    public func knowsCustomer(_ reference: UnsafeRawBufferPointer) -> Bool {
        let id = strings.find(reference)
        return id != noString && accounts.account(id) != nil
    }

    private mutating func intern(_ text: [UInt8], _ batch: inout BatchBuilder) -> StringID {
        text.withUnsafeBytes { internDefining($0, &batch) }
    }
}

/// An API key as the books know it. The key itself is not kept.
public struct KeyRecord: Sendable {
    public var id: UInt32
    public var digest: Digest
    public var hint: [UInt8]
    public var name: [UInt8]
    public var scopes: UInt8
    public var createdAt: Timestamp
    public var revokedAt: Timestamp?
}

/// The API keys, by the digest of the key.
public struct KeyRing: Sendable {
    public private(set) var records: [KeyRecord] = []
    /// Changes with every key made or revoked, so that a connection can keep what it found.
    public private(set) var epoch: UInt64 = 1

    public init() {}

    public var nextID: UInt32 { UInt32(records.count) + 1 }
    public var hasActive: Bool { records.contains { $0.revokedAt == nil } }

    /// The scopes of a key; nil when it is unknown or revoked. Every record is compared, in constant time each.
    public func scopes(of digest: Digest) -> UInt8? {
        var found: UInt8?
        for record in records where record.digest == digest && record.revokedAt == nil { found = record.scopes }
        return found
    }

    /// Where the record of a key is; nil when it is unknown. Every record is compared, as above.
    public func place(of digest: Digest) -> Int? {
        var found: Int?
        for (place, record) in records.enumerated() where record.digest == digest { found = place }
        return found
    }

    public func record(_ id: UInt32) -> KeyRecord? { id >= 1 && id <= UInt32(records.count) ? records[Int(id) - 1] : nil }

    /// False when the fact does not follow from what is known.
    public mutating func apply(_ fact: KeyFact) -> Bool {
        epoch += 1
        switch fact.operation {
        case .created:
            guard fact.id == nextID, let digest = fact.digest.withUnsafeBytes({ Digest(bytes: $0) }) else { return false }
            records.append(
                KeyRecord(
                    id: fact.id, digest: digest, hint: fact.hint, name: fact.name, scopes: fact.scopes, createdAt: fact.at, revokedAt: nil))
        case .revoked:
            guard record(fact.id) != nil else { return false }
            records[Int(fact.id) - 1].revokedAt = fact.at
        }
        return true
    }
}

/// Where replies to keyed requests are in the journal. Bounded: the oldest is forgotten first.
public struct StoredResponses: Sendable {
    struct Entry: Sendable {
        var position: JournalPosition
        var at: Timestamp
    }

    private var entries: [UInt64: Entry] = [:]
    private var order: [UInt64] = []
    private var head = 0
    /// Replies before it are gone.
    private var keptFrom = JournalPosition.start
    public static let retention: Int64 = 24 * Timestamp.nanosecondsPerHour

    public init() {}

    public var count: Int { entries.count }
    /// Memory: a slot of the dictionary and one of the list, each up to half empty.
    var byteCount: Int { 2 * entries.capacity * 32 + order.capacity * 8 }

    /// Position of the reply kept for a scope, if it is younger than a day.
    public func position(_ scope: UInt64, now: Timestamp) -> JournalPosition? {
        guard let entry = entries[scope], !StoredResponses.isOld(entry.at, now: now), entry.position >= keptFrom
        else { return nil }
        return entry.position
    }

    /// A journal may say any time: two of them may be further apart than an age can be.
    private static func isOld(_ at: Timestamp, now: Timestamp) -> Bool {
        let (age, overflow) = now.nanoseconds.subtractingReportingOverflow(at.nanoseconds)
        return overflow ? now > at : age >= retention
    }

    mutating func forget(before position: JournalPosition) { keptFrom = position }

    /// The replies that are there, oldest first.
    func forEach<E>(_ body: (UInt64, JournalPosition, Timestamp) throws(E) -> Void) throws(E) {
        for scope in order[head...] {
            if let entry = entries[scope], entry.position >= keptFrom { try body(scope, entry.position, entry.at) }
        }
    }

    mutating func insert(_ scope: UInt64, _ position: JournalPosition, at: Timestamp) {
        if entries.updateValue(Entry(position: position, at: at), forKey: scope) == nil { order.append(scope) }
        while head < order.count, entries.count > Limits.storedResponses || isExpired(order[head], now: at) {
            entries[order[head]] = nil
            head += 1
        }
        if head > 1024, head * 2 > order.count {
            order.removeFirst(head)
            head = 0
        }
    }

    private func isExpired(_ scope: UInt64, now: Timestamp) -> Bool {
        guard let entry = entries[scope] else { return true }
        return StoredResponses.isOld(entry.at, now: now)
    }
}

extension Ledger {
    /// Makes an API key known by its digest.
    public mutating func createKey(
        digest: Digest, hint: [UInt8], name: [UInt8], scopes: UInt8, at: Timestamp, into batch: inout BatchBuilder
    )
        -> UInt32
    {
        var fact = KeyFact(operation: .created, id: keys.nextID, at: at)
        fact.digest = digest.bytes
        fact.hint = hint
        fact.name = name
        fact.scopes = scopes
        batch.writer.append(fact)
        _ = applyKey(fact)
        return fact.id
    }

    /// False when there is no such key, or it is revoked already.
    public mutating func revokeKey(_ id: UInt32, at: Timestamp, into batch: inout BatchBuilder) -> Bool {
        guard let record = keys.record(id), record.revokedAt == nil else { return false }
        let fact = KeyFact(operation: .revoked, id: id, at: at)
        batch.writer.append(fact)
        return applyKey(fact)
    }

    /// Segments before this position are condensed: no reply is read there any more.
    public mutating func forgetResponses(before position: JournalPosition) { dropResponses(before: position) }

    /// Keeps a reply for its `Idempotency-Key`.
    public mutating func store(_ response: ResponseFact, into batch: inout BatchBuilder) {
        let position = batch.position(of: batch.writer.count)
        batch.writer.append(response)
        storeResponse(response.scope, position, at: response.at)
    }
}
