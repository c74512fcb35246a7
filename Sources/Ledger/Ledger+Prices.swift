// Which prices are in force: a new price book, and the facts that say so.

public import Core
public import Journal
public import Pricing

extension Ledger {
    /// Takes the files of `prices.d/`: once after replay, and at every reload. Throws and changes nothing when the prices
    /// cannot be read as a whole. `builtIn` is the book of the built-in catalogue and these files.
    public mutating func usePrices(files: [PriceTexts.Text], builtIn: PriceBook) throws(PriceBookError) {
        var fresh = shelf
        fresh.builtInVersion = Array(builtIn.version.utf8)
        if fresh.builtInDigest == nil { fresh.builtInDigest = PriceBook.digest(catalogue: nil) }
        fresh.files = files
        let book = fresh.usesLoaded || !fresh.own.isEmpty ? try PriceBook.make(fresh.texts) : builtIn
        shelf = fresh
        use(book)
        if hasPricesToAnnounce() { hasPricedAll = false }
    }

    /// Whether the prices in force differ from those the journal names.
    public mutating func hasPricesToAnnounce() -> Bool {
        guard let now = priceFact(at: Timestamp(nanoseconds: 0)) else { return false }
        guard let announced = shelf.announced else { return true }
        return announced.catalogue != now.catalogue || announced.own != now.own || announced.version != now.version
    }

    /// Writes down which prices are in force from here on.
    public mutating func announcePrices(at time: Timestamp, into batch: inout BatchBuilder) {
        guard let fact = priceFact(at: time) else { return }
        batch.writer.append(fact)
        shelf.announced = fact
    }

    private mutating func priceFact(at time: Timestamp) -> PriceBookFact? {
        let own = shelf.digestOfOwn()
        if shelf.usesLoaded, let loaded = shelf.loaded {
            return PriceBookFact(
                at: time, loadedBytes: UInt64(loaded.bundle.count), catalogue: loaded.digest, own: own, version: loaded.version)
        }
        guard let builtIn = shelf.builtInDigest else { return nil }
        return PriceBookFact(at: time, loadedBytes: 0, catalogue: builtIn, own: own, version: shelf.builtInVersion)
    }

    // MARK: Prices of one's own

    /// The price book with a price set or, without text, removed; nothing changes yet.
    public func prices(with id: [UInt8], text: [UInt8]?, at time: Timestamp) throws(PriceBookError) -> PriceChange {
        var own = shelf.own.filter { $0.id != id }
        if let text { own.append(PriceShelf.OwnPrice(id: id, text: text, at: time)) }
        return PriceChange(own: own, book: try PriceBook.make(shelf.texts(own: own)))
    }

    /// Puts a change of a price into force and writes it down. The batch has room for the text and 1 KiB.
    public mutating func apply(_ change: PriceChange, _ fact: OwnPriceFact, into batch: inout BatchBuilder) {
        batch.writer.append(fact)
        shelf.own = change.own
        use(change.book)
        announcePrices(at: fact.at, into: &batch)
    }

    // MARK: Catalogues

    /// The price book with another catalogue; nothing changes yet.
    public func prices(withCatalogue bundle: [UInt8]) throws(PriceBookError) -> CatalogueChange {
        var texts = shelf.texts
        texts.catalogue = bundle
        let book = try PriceBook.make(texts)
        return CatalogueChange(
            loaded: PriceShelf.Loaded(bundle: bundle, digest: PriceBook.digest(catalogue: bundle), version: Array(book.version.utf8)),
            book: book)
    }

    /// The price book with the catalogue built in; nothing changes yet.
    public func pricesWithBuiltIn() throws(PriceBookError) -> PriceBook {
        var texts = shelf.texts
        texts.catalogue = nil
        return try PriceBook.make(texts)
    }

    /// Puts the catalogue built in into force again.
    public mutating func useBuiltIn(_ book: PriceBook, at time: Timestamp, into batch: inout BatchBuilder) {
        shelf.loaded = nil
        use(book)
        announcePrices(at: time, into: &batch)
    }

    /// Puts a catalogue into force whose parts have been written.
    public mutating func apply(_ change: CatalogueChange, at time: Timestamp, into batch: inout BatchBuilder) {
        shelf.loaded = change.loaded
        use(change.book)
        announcePrices(at: time, into: &batch)
    }
}

/// Prices that were read and are not in force yet.
public struct PriceChange {
    var own: [PriceShelf.OwnPrice]
    public var book: PriceBook
}

/// A catalogue that was read and is not in force yet.
public struct CatalogueChange {
    public var loaded: PriceShelf.Loaded
    public var book: PriceBook
}
