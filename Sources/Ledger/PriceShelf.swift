// PriceShelf: the texts that the prices in force are made of, and what the journal last said of them.
//
// The catalogue is the one built into the program, or one that was loaded since and is newer by its version, which begins
// with its day: an upgraded program does not lose a catalogue that is newer than its own, and is not held back by an older
// one. Prices of one's own come from files first, then from the API in the order they were set.

public import Core
public import Journal
internal import Pricing

public struct PriceShelf: Sendable {
    /// A catalogue that was loaded, as the journal has it.
    public struct Loaded: Sendable {
        public var bundle: [UInt8]
        public var digest: Digest
        public var version: [UInt8]
    }

    /// A price set through the API.
    public struct OwnPrice: Sendable {
        public var id: [UInt8]
        public var text: [UInt8]
        public var at: Timestamp
    }

    public internal(set) var builtInVersion: [UInt8] = []
    public internal(set) var builtInDigest: Digest?
    public internal(set) var loaded: Loaded?
    /// Of `prices.d/`, in the order of their names.
    public internal(set) var files: [PriceTexts.Text] = [] {
        didSet { ownDigest = nil }
    }
    public internal(set) var own: [OwnPrice] = [] {
        didSet { ownDigest = nil }
    }
    /// Of all prices of one's own; nil until it is asked for.
    private var ownDigest: Digest?
    /// What the journal says is in force.
    public internal(set) var announced: PriceBookFact?
    /// The text that catalogue parts make up so far.
    var parts: [UInt8] = []

    /// Whether the loaded catalogue is in force rather than the one built in.
    public var usesLoaded: Bool {
        guard let loaded else { return false }
        return builtInVersion.lexicographicallyPrecedes(loaded.version)
    }

    public var builtInName: String { String(decoding: builtInVersion, as: UTF8.self) }

    /// The texts in force.
    public var texts: PriceTexts { texts(own: own) }

    mutating func digestOfOwn() -> Digest {
        if let ownDigest { return ownDigest }
        let digest = PriceBook.digest(own: texts.own)
        ownDigest = digest
        return digest
    }

    func texts(own: [OwnPrice]) -> PriceTexts {
        var texts = PriceTexts()
        if usesLoaded { texts.catalogue = loaded?.bundle }
        texts.own = files + own.map { PriceTexts.Text(name: PriceShelf.name(of: $0.id), bytes: $0.text) }
        return texts
    }

    /// What messages call a price that was set through the API.
    public static func name(of id: [UInt8]) -> String { PriceTexts.name(ofSet: id) }

    // MARK: Replay

    mutating func apply(_ part: CataloguePartFact) -> Bool {
        if part.offset == 0 { parts.removeAll(keepingCapacity: true) }
        guard part.offset == UInt64(parts.count), parts.count + part.text.count <= Limits.catalogueBytes else {
            // A text that was never finished.
            parts.removeAll()
            return true
        }
        parts.append(contentsOf: part.text)
        return true
    }

    mutating func apply(_ fact: PriceBookFact) {
        if fact.loadedBytes == UInt64(parts.count), !parts.isEmpty {
            let digest = parts.withUnsafeBytes { Digest(sha256: $0) }
            if digest == fact.catalogue { loaded = Loaded(bundle: parts, digest: digest, version: fact.version) }
            parts.removeAll()
        }
        if fact.loadedBytes == 0 { loaded = nil }
        announced = fact
    }

    mutating func apply(_ fact: OwnPriceFact) {
        own.removeAll { $0.id == fact.id }
        if fact.operation == .set { own.append(OwnPrice(id: fact.id, text: fact.text, at: fact.at)) }
    }
}
