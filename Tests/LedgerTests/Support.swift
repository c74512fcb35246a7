// What the ledger's tests share: events as text, a journal in memory, and books that can be closed and opened again.

import Core
import Journal
import Ledger
import Pricing
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed on every machine.
struct Dice {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// From 0 to `limit` - 1.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    mutating func oneIn(_ limit: Int) -> Bool { below(limit) == 0 }
    mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
}

/// An event as a client means it. Amounts in picodollars, counts in whole tokens.
struct Sent: Equatable {
    var key: String?
    var name = "call"
    var customer: String?
    var feature: String?
    var model: String?
    var provider: String?
    var region: String?
    var input: Int64?
    var output: Int64?
    var units: Int64?
    var cost: Int64?
    var revenue: Int64?
    var tier = ServiceTier.standard
    var flow: String?
    var meta: String?
    var occurredAt: Int64?
}

extension EventBlock {
    /// Adds an event the way a decoder does.
    mutating func add(_ sent: Sent) {
        var event = EventRecord()
        if let key = sent.key { event.key = add(string: key) }
        event.eventName = add(nameOf: sent.name)
        event.customer = add(nameOf: sent.customer)
        event.feature = add(nameOf: sent.feature)
        event.model = add(nameOf: sent.model)
        event.provider = add(nameOf: sent.provider)
        event.region = add(nameOf: sent.region)
        event.usageStart = UInt32(usageCount)
        for (kind, count) in [(UsageKind.inputTokens, sent.input), (.outputTokens, sent.output)] {
            guard let count, let quantity = Quantity(whole: count) else { continue }
            add(usage: UsageLine(kind: kind, quantity: quantity))
            event.usageCount += 1
        }
        if let units = sent.units, let quantity = Quantity(whole: units) {
            event.usageUnits = quantity
            event.flags |= EventRecord.hasUsageUnits
        }
        if let cost = sent.cost {
            event.cost = Money(picodollars: cost)
            event.flags |= EventRecord.hasCost
        }
        if let revenue = sent.revenue {
            event.revenue = Money(picodollars: revenue)
            event.flags |= EventRecord.hasRevenue
        }
        if let time = sent.occurredAt {
            event.occurredAt = Timestamp(nanoseconds: time)
            event.flags |= EventRecord.hasOccurredAt
        }
        event.tier = sent.tier
        var extras = ByteWriter(capacity: 64)
        for (tag, text) in [(EventExtra.flowId, sent.flow), (.meta, sent.meta)] {
            guard let text else { continue }
            extras.append(tag.rawValue)
            extras.append(varint: UInt64(text.utf8.count))
            extras.append(string: text)
        }
        if extras.count > 0 { event.extras = add(text: extras.bytes) }
        add(event)
    }

    private mutating func add(string: String) -> TextRef { Array(string.utf8).withUnsafeBytes { add(text: $0) } }

    private mutating func add(nameOf text: String?) -> UInt32 {
        guard let text, !text.isEmpty else { return 0 }
        // A name that the block has already is used again, as decoders do.
        let bytes = Array(text.utf8)
        for index in 0..<UInt32(nameCount) where bytes.withUnsafeBytes({ sameBytes($0, name(index + 1)) }) { return index + 1 }
        return add(name: add(string: text))
    }
}

/// Two rates that can be multiplied by hand: a token of `plain` costs 3 microdollars in and 7 microdollars out.
let ownPrices = """
    [[price]]
    id = "plain"
    model = "plain"
    rates = { input = "3/M", output = "7/M" }
    """

/// A book of these prices and no others, which is quickly made.
func book(_ text: String = ownPrices) throws -> PriceBook {
    try Array(text.utf8).withUnsafeBytes { try PriceBook(catalogue: [], own: [PriceBook.Source(name: "test.toml", bytes: $0)]) }
}

/// These prices and the built-in catalogue.
func wholeBook() throws -> PriceBook {
    try Array(ownPrices.utf8).withUnsafeBytes { try PriceBook.builtIn(own: [PriceBook.Source(name: "test.toml", bytes: $0)]) }
}

/// The facts of one batch, as they stand in the journal.
struct Page {
    var segment: UInt32
    /// Of the batch's header.
    var offset: UInt32
    var body: [UInt8]
}

/// The journal in memory: finds a fact by its position.
struct Pages: FactSource {
    var list: [Page] = []
    /// When set, every read fails.
    var failure: StorageError?

    func eventPayload(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Bool {
        if let failure { throw failure }
        for page in list where page.segment == position.segment {
            let start = Int(position.offset) - Int(page.offset) - BatchBuilder.headerBytes
            guard start >= 0, start < page.body.count else { continue }
            return page.body.withUnsafeBytes { bytes in
                var reader = FactReader(UnsafeRawBufferPointer(rebasing: bytes[start...]))
                guard let fact = reader.next(), fact.type == .event else { return false }
                buffer.append(bytes: fact.payload)
                return true
            }
        }
        return false
    }

    func verify(_ position: JournalPosition) throws(StorageError) {
        let isThere = list.contains { page in
            page.segment == position.segment && page.offset <= position.offset
                && Int(position.offset) < Int(page.offset) + BatchBuilder.headerBytes + page.body.count
        }
        guard isThere else { throw StorageError(operation: .read, errno: StorageError.badMessage, file: "pages") }
    }
}

/// What became of one event.
struct Result: Equatable {
    var outcome: Outcome
    var sequence: UInt64
    var cost: Int64
    var unpriced: UnpricedReason
    var field: EventField
}

/// A ledger with its journal. Batches are opened where the last one ended, as the commit pipeline does.
final class Books {
    static let now = Timestamp(nanoseconds: 1_780_000_000_000_000_000)
    static let segmentBytes = 1 << 20

    var ledger: Ledger
    var pages = Pages()
    var batch: BatchBuilder
    var block = EventBlock()
    private var segment: UInt32 = 1
    private var offset = UInt32(SegmentFormat.headerBytes)
    private let limit: Int
    let seed: UInt64

    init(_ book: PriceBook, seed: UInt64 = 11, limit: Int = 256 * 1024) {
        self.seed = seed
        self.limit = limit
        ledger = Ledger(book: book, seed: seed, random: seed &* 3)
        batch = BatchBuilder(capacity: limit)
        open()
    }

    private func open() {
        batch.open(segment: segment, offset: offset, limit: limit, firstSequence: ledger.nextSequence, at: Books.now)
    }

    /// Ends the batch; the next one goes into a new segment when asked to or when this one has no room for it.
    func turnPage(newSegment: Bool = false) {
        let body = [UInt8](batch.writer.bytes[BatchBuilder.headerBytes...])
        if !body.isEmpty { pages.list.append(Page(segment: segment, offset: offset, body: body)) }
        offset += UInt32(SegmentFormat.padded(batch.writer.count))
        if newSegment || Int(offset) + limit > Books.segmentBytes {
            segment += 1
            offset = UInt32(SegmentFormat.headerBytes)
        }
        open()
    }

    /// Admits events as one block, turning pages as they fill.
    @discardableResult
    func admit(_ events: [Sent], at now: Timestamp = Books.now) throws -> [Result] {
        block.reset()
        for event in events { block.add(event) }
        var next = 0
        while next < block.count {
            let before = next
            next = try ledger.admit(&block, next..<block.count, into: &batch, now: now, source: pages)
            if next < block.count {
                guard next > before || batch.writer.count > BatchBuilder.headerBytes else { break }
                turnPage()
            }
        }
        return (0..<block.count).map { i in
            let event = block.events[i]
            return Result(
                outcome: event.outcome, sequence: event.sequence, cost: event.unpriced == .none ? event.cost.picodollars : 0,
                unpriced: event.unpriced, field: event.field)
        }
    }

    /// The same journal folded into new books, with another seed for every hash.
    func restarted(_ book: PriceBook, seed: UInt64 = 77) throws -> Books {
        turnPage()
        let fresh = Books(book, seed: seed, limit: limit)
        for page in pages.list {
            let bad = page.body.withUnsafeBytes {
                fresh.ledger.replay($0, segment: page.segment, batchOffset: page.offset, inWindow: true)
            }
            if let bad { throw Contradiction(offset: bad) }
        }
        fresh.pages = pages
        fresh.segment = segment
        fresh.offset = offset
        fresh.open()
        return fresh
    }

    struct Contradiction: Error { var offset: Int }

    func text(_ id: StringID) -> String { String(decoding: ledger.strings.text(of: id), as: UTF8.self) }

    func account(_ customer: String) -> Account? {
        let id = Array(customer.utf8).withUnsafeBytes { ledger.strings.find($0) }
        return id == noString ? nil : ledger.accounts.account(id)
    }

    /// Key of the event of a block, after admission.
    func key(_ i: Int) -> String { String(decoding: block.text(block.events[i].key), as: UTF8.self) }
}

extension [UInt8] {
    /// Walks the facts of a batch's body.
    func forEachFact(_ body: (Fact) throws -> Void) rethrows {
        try withUnsafeBytes { bytes in
            var reader = FactReader(bytes)
            while let fact = reader.next() { try body(fact) }
        }
    }
}

extension Books {
    /// Every segment defines every name it uses, once and before its first use. The result is how many segments and events there are.
    func expectSegmentsStandAlone() -> (segments: Int, events: Int) {
        var defined: [UInt32: [StringID: [UInt8]]] = [:]
        var events = 0
        var segments: Set<UInt32> = []
        for page in pages.list {
            segments.insert(page.segment)
            page.body.forEachFact { fact in
                switch fact.type {
                case .string:
                    var reader = ByteReader(fact.payload)
                    let id = StringID(reader.varint())
                    let text = [UInt8](reader.bytes(reader.remaining))
                    #expect(defined[page.segment]?[id] == nil, "defined twice in one segment")
                    #expect(text == Array(self.text(id).utf8))
                    defined[page.segment, default: [:]][id] = text
                case .event:
                    guard let event = EventFact(fact.payload) else {
                        Issue.record("an event that cannot be read")
                        return
                    }
                    events += 1
                    for id in [event.eventName, event.customer, event.feature, event.model, event.provider, event.region, event.price] {
                        #expect(id == noString || defined[page.segment]?[id] != nil)
                    }
                case .customer:
                    guard let customer = CustomerFact(fact.payload) else {
                        Issue.record("a customer that cannot be read")
                        return
                    }
                    #expect(defined[page.segment]?[customer.reference] != nil)
                default: break
                }
            }
        }
        return (segments.count, events)
    }
}
