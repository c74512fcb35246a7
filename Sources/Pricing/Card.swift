// Card: one set of rates in force, ready to be multiplied. One cache line.
//
//     offset  0  six factors, 1e-15 USD a unit: input, output, cache read, cache write 5m, 1h, reasoning
//            48  mask        tags that have a rate, their own or their total's
//            52  moreStart   first of this card's factors of other tags, in `more`
//            56  moreCount
//            57  traits
//
// A factor is what a line adds to the cost: for a total its rate, for a part its rate less that of the total it is inside
// (0 when it has none of its own). So cost = sum of count x factor, with no subtraction of counts and no branch per kind.

internal import Core

struct Card {
    static let hasMinimum: UInt8 = 1
    /// A rate per request: an event without a `requests` line is one request.
    static let hasRequests: UInt8 = 2
    /// The only rate is the one per request: an event without usage has a cost.
    static let onlyRequests: UInt8 = 4

    var factor0: Int64 = 0
    var factor1: Int64 = 0
    var factor2: Int64 = 0
    var factor3: Int64 = 0
    var factor4: Int64 = 0
    var factor5: Int64 = 0
    var mask: UInt32 = 0
    var moreStart: UInt32 = 0
    var moreCount: UInt8 = 0
    var traits: UInt8 = 0
    var padding: UInt16 = 0
    var padding2: UInt32 = 0
}

struct MoreFactor {
    var tag: Int64
    var factor: Int64
}

/// What a card is, for its derivation and for the exact path; not read per event in the common case.
struct CardNote {
    /// In `CardStore.rates`, sorted by tag.
    var rateStart: UInt32
    var rateCount: UInt8
    var minimumTag: Int8
    var minimum: Int64
    var entry: Int32
    /// In the book's selectors.
    var selector: Int32
    /// In the book's regions; -1 for none.
    var region: Int32
    /// In the book's own prices; -1 for the catalogue's.
    var rule: Int32
    /// For a discounted clone the rule's discount applies; the rates already hold it.
    var discounted: Bool
}

struct CardRate {
    var tag: Int64
    var rate: Int64
}

/// The cards, in flat growing buffers that the owner frees. Grows only when the catalogue is loaded and when a name is
/// resolved, never when an event is priced.
struct CardStore: ~Copyable {
    private(set) var cards = GrowingBuffer<Card>()
    private(set) var more = GrowingBuffer<MoreFactor>()
    private(set) var notes = GrowingBuffer<CardNote>()
    private(set) var rates = GrowingBuffer<CardRate>()

    var count: Int { cards.count }

    /// Adds a card; the result is its index.
    mutating func add(_ table: borrowing RateTable, note partial: CardNote) -> Int32 {
        var note = partial
        note.rateStart = UInt32(rates.count)
        var card = Card()
        var left = table.present
        while left != 0 {
            let tag = left.trailingZeroBitCount
            left &= left - 1
            rates.append(CardRate(tag: Int64(tag), rate: table[tag]))
        }
        let own = table.present.nonzeroBitCount
        note.rateCount = UInt8(own)
        card.moreStart = UInt32(more.count)
        // Without a rate for the total the parts cannot be priced by factors.
        card.mask = table.priced
        left = table.apart & card.mask
        while left != 0 {
            let tag = left.trailingZeroBitCount
            left &= left - 1
            let total = CardStore.total(of: tag)
            let factor = total < 0 ? table.effective(tag) : table.effective(tag) - table[total]
            if factor == 0 { continue }
            switch tag {
            case 0: card.factor0 = factor
            case 1: card.factor1 = factor
            case 2: card.factor2 = factor
            case 3: card.factor3 = factor
            case 4: card.factor4 = factor
            case 5: card.factor5 = factor
            default:
                more.append(MoreFactor(tag: Int64(tag), factor: factor))
                card.moreCount += 1
            }
        }
        if note.minimumTag >= 0 { card.traits |= Card.hasMinimum }
        if table.has(Tags.requests) {
            card.traits |= Card.hasRequests
            if own == 1 { card.traits |= Card.onlyRequests }
        }
        cards.append(card)
        notes.append(note)
        return Int32(cards.count - 1)
    }

    /// The rates a card was made of.
    func table(of card: Int) -> RateTable {
        var table = RateTable()
        let note = notes[card]
        for i in 0..<Int(note.rateCount) {
            let rate = rates[Int(note.rateStart) + i]
            table[Int(rate.tag)] = rate.rate
        }
        return table
    }

    /// The total a kind is inside; -1 for the totals themselves.
    static func total(of tag: Tag) -> Tag {
        switch tag {
        case Tags.cacheRead, Tags.cacheWrite, Tags.cacheWrite1h, Tags.inputAudio, Tags.inputImage, Tags.inputVideo, Tags.tool,
            Tags.cacheReadAudio, Tags.cacheReadImage, Tags.cacheReadVideo:
            Tags.input
        case Tags.reasoning, Tags.outputAudio, Tags.outputImage, Tags.outputVideo: Tags.output
        default: -1
        }
    }
}

/// A buffer of trivial values that doubles; its address changes when it grows.
struct GrowingBuffer<Element: BitwiseCopyable>: ~Copyable {
    private(set) var base: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int = 64) {
        base = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit { base.deallocate() }

    mutating func append(_ element: Element) {
        if count == capacity {
            let fresh = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
            fresh.initialize(from: base, count: count)
            base.deallocate()
            base = fresh
            capacity *= 2
        }
        (base + count).initialize(to: element)
        count += 1
    }

    subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count)
            return base[index]
        }
        set {
            precondition(index >= 0 && index < count)
            base[index] = newValue
        }
    }
}
