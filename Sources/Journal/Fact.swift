// Fact: one entry of the journal. What is journaled are facts, not requests: replaying them is a fold that needs no
// pricing code and can refuse nothing.
//
//   offset  size    field
//   0       1       type (FactType)
//   1       varint  length of the payload
//   …               payload
//
// A reader skips types it does not know. Strings are named by number; a `string` fact gives number and text and stands in
// the same segment before the first use, so every segment can be read alone.

public import Core

@frozen
public enum FactType: UInt8, CaseIterable, Sendable {
    /// varint number, then the text to the end of the payload.
    case string = 1
    /// A priced event: `EventFact`.
    case event = 2
    /// A customer registered or changed: `CustomerFact`.
    case customer = 3
    /// An API key made or revoked: `KeyFact`.
    case key = 4
    /// A reply kept for an `Idempotency-Key`: `ResponseFact`.
    case response = 5
    /// The price catalogue in force from here on: version text to the end of the payload. Written by version 0.1 only;
    /// `priceBook` says more.
    case catalogue = 6
    /// What an event counts for from here on: `Correction`.
    case correction = 7
    /// A run of corrections begins or ends: `RunFact`.
    case run = 8
    /// A price of one's own set or removed: `OwnPriceFact`.
    case ownPrice = 9
    /// A stretch of a loaded catalogue: `CataloguePartFact`.
    case cataloguePart = 10
    /// The prices in force from here on: `PriceBookFact`.
    case priceBook = 11

    // In condensed files only, where segments were whose events are no longer kept.

    /// Where the fact behind it stood before: `PlaceFact`.
    case place = 12
    /// A customer was known from here on: `MetFact`.
    case met = 13
    /// What dropped events of one hour add up to: `SumsFact`.
    case sums = 14
    /// What dropped corrections add to their run: `RunSumsFact`.
    case runSums = 15
    /// Which events are no longer there: `DroppedFact`.
    case dropped = 16
}

/// A customer's details as they became known.
public struct CustomerFact: Sendable, Equatable {
    public enum Operation: UInt8, Sendable {
        case registered = 1
        case changed = 2
    }

    public var operation: Operation
    /// Interned reference; `noString` for a customer registered without one.
    public var reference: StringID
    public var at: Timestamp
    /// nil means unchanged (or never given).
    public var email: [UInt8]?
    public var firstName: [UInt8]?
    public var lastName: [UInt8]?
    public var phoneNumber: [UInt8]?

    public init(operation: Operation, reference: StringID, at: Timestamp) {
        self.operation = operation
        self.reference = reference
        self.at = at
    }
}

/// An API key. Only the SHA-256 of the key is kept.
public struct KeyFact: Sendable, Equatable {
    public enum Operation: UInt8, Sendable {
        case created = 1
        case revoked = 2
    }

    public var operation: Operation
    public var id: UInt32
    public var at: Timestamp
    /// Of the whole key; only for `created`.
    public var digest: [UInt8] = []
    /// `sk_live_…1ef4`: what may be shown; only for `created`.
    public var hint: [UInt8] = []
    /// Bits of `KeyScope`; only for `created`.
    public var scopes: UInt8 = 0
    public var name: [UInt8] = []

    public init(operation: Operation, id: UInt32, at: Timestamp) {
        self.operation = operation
        self.id = id
        self.at = at
    }
}

/// What a key may do.
public enum KeyScope {
    public static let ingest: UInt8 = 1
    public static let read: UInt8 = 2
    public static let admin: UInt8 = 4
    public static let all: UInt8 = 7
}

/// A reply kept for its `Idempotency-Key`. `body` points into the journal's bytes.
public struct ResponseFact {
    /// Hash of method, path and key.
    public var scope: UInt64
    /// SHA-256 of the key's scope text, then of the request's body: 64 bytes.
    public var digests: UnsafeRawBufferPointer
    public var at: Timestamp
    public var status: UInt16
    public var body: UnsafeRawBufferPointer

    public init(scope: UInt64, digests: UnsafeRawBufferPointer, at: Timestamp, status: UInt16, body: UnsafeRawBufferPointer) {
        self.scope = scope
        self.digests = digests
        self.at = at
        self.status = status
        self.body = body
    }
}

/// One fact as read: its type and its payload.
@frozen
public struct Fact {
    public var rawType: UInt8
    public var payload: UnsafeRawBufferPointer
    /// Byte offset of the fact from the start of what was read.
    public var offset: Int

    @inlinable public init(rawType: UInt8, payload: UnsafeRawBufferPointer, offset: Int) {
        self.rawType = rawType
        self.payload = payload
        self.offset = offset
    }

    @inlinable public var type: FactType? { FactType(rawValue: rawType) }
}

/// Walks the facts of a batch's body. The bytes were checked by CRC, yet nothing here trusts them.
@frozen
public struct FactReader {
    @usableFromInline var reader: ByteReader

    @inlinable public init(_ body: UnsafeRawBufferPointer) { reader = ByteReader(body) }

    /// The next fact; nil at the end, or when the bytes do not hold one (then `failed`).
    @inlinable public mutating func next() -> Fact? {
        guard !reader.atEnd else { return nil }
        let offset = reader.offset
        let type = reader.byte()
        let payload = reader.lengthPrefixed()
        guard !reader.failed else { return nil }
        return Fact(rawType: type, payload: payload, offset: offset)
    }

    @inlinable public var failed: Bool { reader.failed }
}

// MARK: - Writing and reading the small facts

extension ByteWriter {
    public mutating func append(stringFact id: StringID, _ text: UnsafeRawBufferPointer) {
        var probe = UInt64(id)
        var idLength = 1
        while probe >= 0x80 {
            probe >>= 7
            idLength += 1
        }
        append(FactType.string.rawValue)
        append(varint: UInt64(idLength + text.count))
        append(varint: UInt64(id))
        append(bytes: text)
    }

    public mutating func append(_ fact: CustomerFact) {
        appendFact(.customer) { writer in
            writer.append(fact.operation.rawValue)
            writer.append(varint: UInt64(fact.reference))
            writer.append(littleEndian: fact.at.nanoseconds)
            let fields = [fact.email, fact.firstName, fact.lastName, fact.phoneNumber]
            var mask: UInt8 = 0
            for (bit, field) in fields.enumerated() where field != nil { mask |= 1 << UInt8(bit) }
            writer.append(mask)
            for case .some(let field) in fields {
                writer.append(varint: UInt64(field.count))
                writer.append(field)
            }
        }
    }

    public mutating func append(_ fact: KeyFact) {
        appendFact(.key) { writer in
            writer.append(fact.operation.rawValue)
            writer.append(varint: UInt64(fact.id))
            writer.append(littleEndian: fact.at.nanoseconds)
            guard fact.operation == .created else { return }
            writer.append(fact.digest)
            writer.append(fact.scopes)
            writer.append(varint: UInt64(fact.hint.count))
            writer.append(fact.hint)
            writer.append(varint: UInt64(fact.name.count))
            writer.append(fact.name)
        }
    }

    public mutating func append(_ fact: ResponseFact) {
        appendFact(.response) { writer in
            writer.append(littleEndian: fact.scope)
            writer.append(bytes: fact.digests)
            writer.append(littleEndian: fact.at.nanoseconds)
            writer.append(littleEndian: fact.status)
            writer.append(bytes: fact.body)
        }
    }

    public mutating func append(catalogueFact version: String) {
        appendFact(.catalogue) { $0.append(string: version) }
    }

    mutating func appendFact(_ type: FactType, _ payload: (inout ByteWriter) -> Void) {
        var inner = ByteWriter(capacity: 256)
        payload(&inner)
        append(type.rawValue)
        append(varint: UInt64(inner.count))
        append(bytes: inner.bytes)
    }
}

extension CustomerFact {
    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let operation = Operation(rawValue: reader.byte()) else { return nil }
        let reference = reader.varint()
        let at = Timestamp(nanoseconds: reader.integer(Int64.self))
        guard reference <= UInt64(StringID.max) else { return nil }
        self.init(operation: operation, reference: StringID(reference), at: at)
        let mask = reader.byte()
        if mask & 1 != 0 { email = [UInt8](reader.lengthPrefixed()) }
        if mask & 2 != 0 { firstName = [UInt8](reader.lengthPrefixed()) }
        if mask & 4 != 0 { lastName = [UInt8](reader.lengthPrefixed()) }
        if mask & 8 != 0 { phoneNumber = [UInt8](reader.lengthPrefixed()) }
        if reader.failed || !reader.atEnd { return nil }
    }
}

extension KeyFact {
    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let operation = Operation(rawValue: reader.byte()) else { return nil }
        let id = reader.varint()
        let at = Timestamp(nanoseconds: reader.integer(Int64.self))
        guard id <= UInt64(UInt32.max) else { return nil }
        self.init(operation: operation, id: UInt32(id), at: at)
        if operation == .created {
            digest = [UInt8](reader.bytes(32))
            scopes = reader.byte()
            hint = [UInt8](reader.lengthPrefixed())
            name = [UInt8](reader.lengthPrefixed())
        }
        if reader.failed || !reader.atEnd { return nil }
    }
}

extension ResponseFact {
    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        scope = reader.integer(UInt64.self)
        digests = reader.bytes(64)
        at = Timestamp(nanoseconds: reader.integer(Int64.self))
        status = reader.integer(UInt16.self)
        body = reader.bytes(reader.remaining)
        if reader.failed { return nil }
    }
}
