// PriceTables: everything a price book knows, in flat buffers.
//
// An entry is a row of the catalogue, a price of one's own, or a chain of those in order of precedence. A row has periods by
// date; a period has selectors in order of precedence; the first selector whose conditions all hold names the card. Cards of
// a row lie together, and once more for every region multiplier, so a region is an offset.

internal import Core

typealias Text = UnsafeRawBufferPointer

struct Entry {
    static let row: UInt8 = 0
    static let chain: UInt8 = 1

    /// The row's only card, when no condition can choose another one; else -1.
    var simpleCard: Int32 = -1
    /// Of a row: in `periods`. Of a chain: in `links`.
    var first: Int32 = 0
    var count: Int32 = 0
    var regionFirst: Int32 = 0
    var regionCount: Int32 = 0
    var cardFirst: Int32 = 0
    /// Cards without region multipliers.
    var cardCount: Int32 = 0
    /// Region variants beside the plain one.
    var variants: Int32 = 0
    var provider: Int32 = -1
    /// In the own prices; -1 for a row of the catalogue.
    var rule: Int32 = -1
    var kind: UInt8 = Entry.row
    /// One more than its index in `sources`; 0 for the source of the provider's file.
    var source: UInt8 = 0
    var id: Text = Text(start: nil, count: 0)
}

struct Period {
    /// Nanoseconds since the epoch; `Int64.min` for "always".
    var from: Int64
    var first: Int32
    var count: Int32
}

struct Selector {
    /// Input tokens must be above this many millionths; -1 for no condition.
    var above: Int64
    /// Relative to the row's first card.
    var card: Int32
    /// In `windows`; -1 for any time.
    var window: Int32
    var tier: UInt8
    var padding: UInt8 = 0
    var padding2: UInt16 = 0
    /// In `periods`, for the derivation.
    var period: Int32
}

struct Window {
    var zoneSeconds: Int32
    /// Bit 0 Monday … bit 6 Sunday.
    var days: UInt32
    var first: Int32
    var count: Int32
}

/// Minutes of the day, start included, end excluded; an end not after the start runs past midnight.
struct Span {
    var start: Int32
    var end: Int32
}

struct Region {
    var pattern: Text
    /// Millionths.
    var multiplier: Int64
    /// Which of the row's card sets: 0 is the plain one.
    var variant: Int32
}

/// One price of a chain.
struct Link {
    var from: Int64
    var until: Int64
    /// -1: nothing.
    var entry: Int32
    var viaFallback: Bool
    var unpriced: UnpricedReason
}

struct Provider {
    var id: Text
    var title: Text
    var aliases: [Text] = []
    var aliasPatterns: [Text] = []
    var fallbackNames: [Text] = []
    var fallbacks: [Int] = []
    var makes: [Text] = []
    var keepsDots = false
    /// A name without a provider belongs to it only when no other provider has it.
    var isSecondary = false
    var source: Text = Text(start: nil, count: 0)
    var patternFirst = 0
    var patternCount = 0
}

/// A `like` line: its globs in `globs`.
struct Pattern {
    var entry: Int32
    var first: Int32
    var count: Int32
}

struct PriceTables: ~Copyable {
    var cards = CardStore()
    var entries = GrowingBuffer<Entry>(capacity: 4096)
    var periods = GrowingBuffer<Period>(capacity: 4096)
    var selectors = GrowingBuffer<Selector>(capacity: 4096)
    var windows = GrowingBuffer<Window>()
    var spans = GrowingBuffer<Span>()
    var regions = GrowingBuffer<Region>()
    var links = GrowingBuffer<Link>()
    var patterns = GrowingBuffer<Pattern>()
    var globs = GrowingBuffer<Text>()
    /// Of each glob, which letters it asks for.
    var globLetters = GrowingBuffer<UInt64>()
    var names = NameIndex(capacity: 8192)
    /// Identifiers and aliases of the providers; the first one that has a name owns it.
    var providerNames = NameIndex(capacity: 512)
    var providers: [Provider] = []
    var sources: [Text] = []
    var rules: [OwnPrice] = []
    var version: [UInt8] = []
    /// Copies of text that nobody else keeps, freed with the tables.
    var owned: [UnsafeMutableRawPointer] = []

    init() {}

    deinit { for pointer in owned { pointer.deallocate() } }

    /// Keeps a copy of `bytes` as long as the tables live.
    mutating func keep(_ bytes: Text) -> Text {
        guard bytes.count > 0, let source = bytes.baseAddress else { return Text(start: nil, count: 0) }
        let copy = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyMemory(from: source, byteCount: bytes.count)
        owned.append(copy)
        return Text(start: copy, count: bytes.count)
    }

    mutating func keep(_ bytes: [UInt8]) -> Text { bytes.withUnsafeBytes { keep($0) } }
}
