// PriceBook: the catalogue and the prices of one's own, ready to be asked.
//
// Two questions: whose price is this (`resolve`, slow, once per provider, model and feature) and what does this usage cost
// (`price`, per event, no allocation). What is read at start never changes; `resolve` may add entries for combinations of
// one's own prices with catalogue rows, never more than (own prices + 1) x rows in use. Not thread-safe: one owner, or one
// book each. A reload makes a new book; numbers of entries and cards mean nothing outside the book they came from.

internal import CCatalogue
internal import Core

public final class PriceBook {
    /// Freed in `deinit`; a pointer, so that reading it per event needs no exclusivity check.
    let tables: UnsafeMutablePointer<PriceTables>

    /// A file's name, for messages, and its bytes.
    public struct Source {
        public var name: String
        public var bytes: UnsafeRawBufferPointer

        public init(name: String, bytes: UnsafeRawBufferPointer) {
            self.name = name
            self.bytes = bytes
        }
    }

    /// The built-in catalogue, and the own prices of these files (`*.toml` of `prices.d/`, in the order of their names).
    /// Throws with the file and line of the first thing that is wrong.
    public static func builtIn(own: [Source] = []) throws(PriceBookError) -> PriceBook {
        try PriceBook(builtInFiles, keepsBytes: false, own: own)
    }

    /// The files of the built-in catalogue, which live as long as the process.
    static var builtInFiles: [Source] {
        (0..<purser_catalogue_count()).compactMap { index in
            guard let file = purser_catalogue_file(index) else { return nil }
            let bytes = UnsafeRawBufferPointer(start: file.pointee.bytes, count: file.pointee.length)
            return Source(name: String(cString: file.pointee.name), bytes: bytes)
        }
    }

    /// A catalogue from these files instead of the built-in one. The bytes are copied.
    public convenience init(catalogue: [Source], own: [Source] = []) throws(PriceBookError) {
        try self.init(catalogue, keepsBytes: true, own: own)
    }

    private init(_ files: [Source], keepsBytes: Bool, own: [Source]) throws(PriceBookError) {
        tables = .allocate(capacity: 1)
        tables.initialize(to: PriceTables())
        // All stored properties are set: from here a throw runs `deinit`.
        for file in files {
            var reader = CatalogueReader(file: file.name, bytes: keepsBytes ? tables.pointee.keep(file.bytes) : file.bytes)
            try reader.read(into: &tables.pointee)
        }
        try linkFallbacks()
        if !own.isEmpty { try addOwnPrices(own) }
    }

    deinit {
        tables.deinitialize(count: 1)
        tables.deallocate()
    }

    /// The day the built-in catalogue was made, such as `2026-11-23`.
    public var version: String { String(decoding: tables.pointee.version, as: UTF8.self) }

    /// Cards so far, flags included: every `Priced.card` is below this. Grows with `resolve`.
    public var cardCount: Int { tables.pointee.cards.count << PriceBook.flagBits }

    /// Rows of the catalogue.
    public private(set) var rowCount = 0

    static let flagBits = 3

    private func linkFallbacks() throws(PriceBookError) {
        rowCount = tables.pointee.entries.count
        for index in tables.pointee.providers.indices { call(tables.pointee.providers[index].id, index) }
        for index in tables.pointee.providers.indices {
            for alias in tables.pointee.providers[index].aliases { call(alias, index) }
        }
        for index in tables.pointee.providers.indices {
            for name in tables.pointee.providers[index].fallbackNames {
                guard let other = tables.pointee.providers.firstIndex(where: { sameBytes($0.id, name) }) else {
                    let provider = String(decoding: tables.pointee.providers[index].id, as: UTF8.self)
                    let fallback = String(decoding: name, as: UTF8.self)
                    throw PriceBookError(file: provider, line: 0, message: "falls back to '\(fallback)', which is not in the catalogue")
                }
                tables.pointee.providers[index].fallbacks.append(other)
            }
        }
    }

    /// Names a provider, unless another one has the name.
    private func call(_ name: UnsafeRawBufferPointer, _ provider: Int) {
        if tables.pointee.providerNames.first(name) < 0 { _ = tables.pointee.providerNames.add(name, provider: provider, entry: provider) }
    }
}
