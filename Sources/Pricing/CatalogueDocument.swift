// CatalogueDocument: the catalogue's text as values that can be compared, changed and written again.
//
// A `PriceBook` is made to be asked; this is made to be edited: it keeps what the text says, in its order, with rates as
// decimals. Reading is as strict as the book's; writing gives one form for one content, so that two catalogues that say
// the same are the same bytes. Not for the path of an event: it allocates.

internal import Core

/// A whole catalogue.
public struct CatalogueDocument: Equatable, Sendable {
    /// The day it was made, or a day and the first digits of its content's hash.
    public var version: String
    public var providers: [CatalogueProvider]

    public init(version: String, providers: [CatalogueProvider]) {
        self.version = version
        self.providers = providers
    }

    public var rowCount: Int { providers.reduce(0) { $0 + $1.models.count } }
}

/// One provider: who it is, and its rows.
public struct CatalogueProvider: Equatable, Sendable {
    public var id: String
    public var title: String
    /// Where its rows come from, unless one says otherwise: the name of a price list, and what is to be said about it.
    public var source: String
    public var makes: [String] = []
    public var keepsDots = false
    /// A name without a provider belongs to it only when no other provider has it.
    public var isSecondary = false
    public var aliases: [String] = []
    public var aliasPatterns: [String] = []
    public var fallbacks: [String] = []
    public var models: [CatalogueModel] = []

    public init(id: String, title: String, source: String) {
        self.id = id
        self.title = title
        self.source = source
    }

    /// The name of the price list.
    public var sourceName: String { String(source.prefix { $0 != " " }) }
}

/// One row.
public struct CatalogueModel: Equatable, Sendable {
    public var id: String
    /// The name of the price list that the row comes from; empty for nobody's.
    public var source: String
    /// A price list and the kinds whose rates come from it instead; empty for none.
    public var also: [String] = []
    public var names: [String] = []
    /// Lines of patterns; one that begins with `!` excludes.
    public var likes: [[String]] = []
    /// `seconds=10`; empty for none.
    public var minimum = ""
    /// `us=1.1`, in the order in which they are tried.
    public var regions: [String] = []
    public var cards: [CatalogueCard] = []

    public init(id: String, source: String) {
        self.id = id
        self.source = source
    }
}

/// One `rate` line: when it counts, and its rates.
public struct CatalogueCard: Equatable, Sendable {
    /// A date or a time; empty for always.
    public var from = ""
    /// `1-5`; empty for every day.
    public var days = ""
    /// `09:00-12:00,14:00-18:00`; empty for the whole day.
    public var hours = ""
    /// `+08:00`; empty for UTC.
    public var zone = ""
    /// The service tier's name; empty for standard.
    public var tier = ""
    /// Millionths of an input token above which it counts; -1 for any. One below a whole token is written as reaching it.
    public var above: Int64 = -1
    /// In the order of the kinds.
    public var rates: [CatalogueRate] = []

    public init() {}

    public var isWindowed: Bool { !days.isEmpty || !hours.isEmpty || !zone.isEmpty }
}

/// One rate as it is written.
public struct CatalogueRate: Equatable, Sendable {
    /// The kind's short name: `cacheRead`.
    public var kind: String
    /// A decimal in USD with its unit: `2.5/M`.
    public var text: String

    public init(kind: String, text: String) {
        self.kind = kind
        self.text = text
    }

    /// The largest rate there is, in 1e-15 USD a unit.
    public static let largest = RateText.largest

    /// 1e-15 USD a unit; nil when the text is not a rate.
    public var value: Int64? { CatalogueRate.value(text) }

    /// The rate a text says, in 1e-15 USD a unit; nil for anything else, and above 1,000 USD.
    public static func value(_ text: String) -> Int64? {
        var copy = text
        return copy.withUTF8 { RateText.read(UnsafeRawBufferPointer($0)) }
    }

    /// Where a kind stands among the rates of a card; nil for a name that is none.
    public static func order(of kind: String) -> Int? {
        var copy = kind
        return copy.withUTF8 { Tags.named(UnsafeRawBufferPointer($0)) }
    }
}

extension CatalogueModel {
    /// The first thing about this row that a catalogue's line cannot hold; nil when all is well.
    public var unwritable: String? {
        if !CatalogueWord.isIdentifier(id) { return "its identifier" }
        if !names.allSatisfy(CatalogueWord.isWord) { return "a name" }
        if !likes.allSatisfy({ !$0.isEmpty && $0.allSatisfy(CatalogueWord.isWord) }) { return "a pattern" }
        return nil
    }

    /// Whether one of the names, or one of the lines of patterns, fits; letters in either case.
    public func fits(_ name: String) -> Bool {
        var copy = name
        return copy.withUTF8 { bytes in
            let text = UnsafeRawBufferPointer(bytes)
            return names.contains { NamePattern.isSame($0, text) } || likes.contains { NamePattern.fits(any: $0, text) }
        }
    }
}

/// What may stand in a line of the catalogue.
public enum CatalogueWord {
    /// A word: no blanks, no control characters.
    public static func isWord(_ text: String) -> Bool {
        !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && !(0x80...0x9F).contains($0.value) }
    }

    /// The identifier of a provider or a row: a word that a derivation can hold.
    public static func isIdentifier(_ text: String) -> Bool { isWord(text) && text.utf8.count <= 400 && !text.contains("|") }
}

/// The patterns of names: `*` is any run of characters, `#` one digit, letters fit in either case.
public enum NamePattern {
    /// Whether one of the patterns fits the name, and none of those that begin with `!`.
    public static func fits(any patterns: [String], _ name: UnsafeRawBufferPointer) -> Bool {
        var found = false
        for pattern in patterns {
            var copy = pattern
            let fits = copy.withUTF8 { bytes in
                let text = UnsafeRawBufferPointer(bytes)
                return Glob.matches(text.first == 0x21 ? UnsafeRawBufferPointer(rebasing: text[1...]) : text, name)
            }
            guard fits else { continue }
            if pattern.utf8.first == 0x21 { return false }
            found = true
        }
        return found
    }

    static func isSame(_ a: String, _ b: UnsafeRawBufferPointer) -> Bool {
        var copy = a
        return copy.withUTF8 { NameIndex.sameFolded(UnsafeRawBufferPointer($0), b) }
    }
}
