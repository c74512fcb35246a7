// Prices in the journal: prices of one's own set through the API, catalogues loaded into the daemon, and which prices are in
// force from where on. With them the journal alone tells every price list there ever was.

public import Core

/// A price of one's own, set or removed through the API.
///
///     1       operation (1 set, 2 removed)
///     8       when
///     varint  length, then the identifier
///     …       when set: the price as TOML, one `[[price]]`, to the end
public struct OwnPriceFact: Sendable, Equatable {
    public enum Operation: UInt8, Sendable {
        case set = 1
        case removed = 2
    }

    public var operation: Operation
    public var at: Timestamp
    public var id: [UInt8]
    public var text: [UInt8] = []

    public init(operation: Operation, at: Timestamp, id: [UInt8]) {
        self.operation = operation
        self.at = at
        self.id = id
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let operation = Operation(rawValue: reader.byte()) else { return nil }
        let at = Timestamp(nanoseconds: reader.integer(Int64.self))
        self.init(operation: operation, at: at, id: [UInt8](reader.lengthPrefixed()))
        text = [UInt8](reader.bytes(reader.remaining))
        if reader.failed || id.isEmpty || operation == .removed && !text.isEmpty { return nil }
    }
}

/// A stretch of the text of a catalogue that is being loaded; a catalogue is larger than a fact may be. A part at offset 0
/// begins a new text.
///
///     varint  offset of the part in the text
///     …       the part, to the end
public struct CataloguePartFact {
    public var offset: UInt64
    /// Points into what it was read from.
    public var text: UnsafeRawBufferPointer

    public init(offset: UInt64, text: UnsafeRawBufferPointer) {
        self.offset = offset
        self.text = text
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        offset = reader.varint()
        text = reader.bytes(reader.remaining)
        if reader.failed { return nil }
    }
}

/// The prices in force from here on.
///
///     8       when
///     varint  bytes of the catalogue's text in the parts before it; 0 for a catalogue that is built into the program
///     32      SHA-256 of the catalogue
///     32      SHA-256 of all prices of one's own
///     …       version, to the end
public struct PriceBookFact: Sendable, Equatable {
    public var at: Timestamp
    public var loadedBytes: UInt64
    public var catalogue: Digest
    public var own: Digest
    public var version: [UInt8]

    public init(at: Timestamp, loadedBytes: UInt64, catalogue: Digest, own: Digest, version: [UInt8]) {
        self.at = at
        self.loadedBytes = loadedBytes
        self.catalogue = catalogue
        self.own = own
        self.version = version
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        at = Timestamp(nanoseconds: reader.integer(Int64.self))
        loadedBytes = reader.varint()
        guard let catalogue = Digest(bytes: reader.bytes(32)), let own = Digest(bytes: reader.bytes(32)) else { return nil }
        self.catalogue = catalogue
        self.own = own
        version = [UInt8](reader.bytes(reader.remaining))
        if reader.failed { return nil }
    }
}

extension ByteWriter {
    public mutating func append(_ fact: OwnPriceFact) {
        appendFact(.ownPrice) { writer in
            writer.append(fact.operation.rawValue)
            writer.append(littleEndian: fact.at.nanoseconds)
            writer.append(varint: UInt64(fact.id.count))
            writer.append(fact.id)
            writer.append(fact.text)
        }
    }

    public mutating func append(_ fact: CataloguePartFact) {
        appendFact(.cataloguePart) { writer in
            writer.append(varint: fact.offset)
            writer.append(bytes: fact.text)
        }
    }

    public mutating func append(_ fact: PriceBookFact) {
        appendFact(.priceBook) { writer in
            writer.append(littleEndian: fact.at.nanoseconds)
            writer.append(varint: fact.loadedBytes)
            writer.append(fact.catalogue.bytes)
            writer.append(fact.own.bytes)
            writer.append(fact.version)
        }
    }
}
