// Ledger: the books, a pure state machine. Facts in, state changed; no clock, no disk, no randomness of its own.
//
// It guarantees: an event is counted once per idempotency key within the window; its cost is what the price book said when
// it was admitted; what it writes into the batch is all that a replay needs to arrive at the same state. It refuses nothing by
// trapping: whatever a client sends ends in an `Outcome`.

public import Core
public import Journal
public import Pricing

/// Reads one fact that is already in the journal, whether durable or on its way.
public protocol FactSource {
    /// Appends the fact's payload to `buffer`; false when there is no event fact at `position`.
    func eventPayload(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Bool
    /// Returns when what is recorded around `position` is as it was written, and throws when it is not.
    func verify(_ position: JournalPosition) throws(StorageError)
}

/// What happened since the start of the process.
public struct LedgerCounters: Sendable {
    public var recorded: UInt64 = 0
    public var duplicates: UInt64 = 0
    public var conflicts: UInt64 = 0
    public var unpriced: UInt64 = 0
    /// By `Outcome.rawValue`, refusals only.
    public var rejected = [UInt64](repeating: 0, count: Outcome.allCases.count)
    public init() {}
}

public struct Ledger: ~Copyable {
    public private(set) var strings: StringTable
    public var dedup: DedupIndex
    public private(set) var accounts = Accounts()
    public private(set) var keys = KeyRing()
    public private(set) var responses = StoredResponses()
    public private(set) var counters = LedgerCounters()
    /// Sequence of the next event.
    public private(set) var nextSequence: UInt64 = 1
    /// Totals over all time, replay included.
    public internal(set) var totalCost = MoneyTotal.zero
    public internal(set) var totalRevenue = MoneyTotal.zero
    public internal(set) var totalEvents: UInt64 = 0
    public internal(set) var totalUnpriced: UInt64 = 0
    /// Where the prices in force come from.
    public internal(set) var shelf = PriceShelf()
    /// Nothing that has no cost would get one from the prices that the journal names last: it was looked for.
    public var hasPricedAll = false
    /// Runs of corrections, by number from 1.
    public internal(set) var runs: [CorrectionRun] = []

    private var book: PriceBook
    private var prices = PriceCache()
    private let seed: UInt64
    /// Room that a batch must have for one more event.
    private let eventBytes: Int
    private var random: UInt64
    private var hashes: UnsafeMutablePointer<UInt64>
    private var hashCapacity: Int
    /// Of the names of the current block; those that pricing adds to it have none.
    private var nameHashes: UnsafeMutablePointer<UInt64>
    private var nameCapacity = 1024
    private var hashedNames = 0
    private var scratch = ByteWriter(capacity: 1024)
    private var keyScratch = ByteWriter(capacity: 256)
    /// Segment the open batch belongs to, as far as the current block's name numbers are concerned.
    private var namesSegment: UInt32 = 0

    /// `seed` and `random` come from the kernel; tests give fixed ones. With `keys`, idempotency keys go to disk, and `seed` is theirs.
    public init(
        book: PriceBook, seed: UInt64, random: UInt64, keys: KeyStore? = nil, hotKeys: Int = Limits.dedupHotKeys,
        eventBytes: Int = Limits.largestEventBytes
    ) {
        self.book = book
        dedup = DedupIndex(store: keys, hotKeys: hotKeys)
        self.seed = seed
        self.eventBytes = eventBytes
        self.random = random
        strings = StringTable(seed: seed)
        hashCapacity = 1024
        hashes = .allocate(capacity: hashCapacity)
        nameHashes = .allocate(capacity: nameCapacity)
    }

    deinit {
        hashes.deallocate()
        nameHashes.deallocate()
    }

    /// Memory of what grows with the books: names, customers, idempotency keys and the places of kept replies.
    public var byteCount: Int { strings.byteCount + accounts.byteCount + dedup.byteCount + responses.byteCount }
    public var priceBookVersion: String { book.version }
    public var priceRowCount: Int { book.rowCount }
    /// Whether a file of `prices.d/` has a price of this identifier.
    public func isFilePrice(_ id: [UInt8]) -> Bool { book.hasOwnPrice(id: id) && !shelf.own.contains { $0.id == id } }

    /// Prices from now on; the past stays as it was.
    public mutating func use(_ book: PriceBook) {
        self.book = book
        prices.clear()
    }

    // MARK: Admission

    /// Takes events `range` of `block` in order: validates what only the books can know, finds duplicates, prices, counts,
    /// and writes event facts into `batch`. Results go into the events' records. Returns the index after the last event taken:
    /// less than the end of `range` when the batch has no room for one more of the largest size; open another and call again.
    ///
    /// A block is taken from its first event on: `range` starts at 0 or where the call before ended.
    public mutating func admit(
        _ block: inout EventBlock, _ range: Range<Int>, into batch: inout BatchBuilder, now: Timestamp, source: some FactSource
    ) throws(StorageError) -> Int {
        if range.lowerBound == 0 || namesSegment != batch.segment {
            for i in 0...block.nameCount { block.nameIDs[i] = noString }
            namesSegment = batch.segment
        }
        if range.lowerBound == 0 { hashNames(block) }
        hashKeys(&block, range)
        dedup.probe(hashes, count: range.count)
        var memo = PriceMemo()
        // The memory that an event will need is asked for some events ahead of it: one miss after another would take longer than all the
        // rest. A customer's is asked for in steps, because each says where the next is; and not for the whole block at once, because
        // the filters go through more than the cache holds in between.
        let (slotAhead, placeAhead, rowAhead) = (24, 16, 8)
        var i = range.lowerBound
        let end = range.upperBound
        for next in i..<min(i + slotAhead, end) { strings.prefetchSlot(customerHash(block, next)) }
        for next in i..<min(i + placeAhead, end) {
            accounts.prefetchPlace(strings.guess(customerHash(block, next)))
            dedup.prefetchSlot(hashes[next - range.lowerBound])
        }
        for next in i..<min(i + rowAhead, end) { accounts.prefetchRow(strings.guess(customerHash(block, next))) }
        while i < end {
            if i + slotAhead < end { strings.prefetchSlot(customerHash(block, i + slotAhead)) }
            if i + placeAhead < end {
                accounts.prefetchPlace(strings.guess(customerHash(block, i + placeAhead)))
                dedup.prefetchSlot(hashes[i + placeAhead - range.lowerBound])
            }
            if i + rowAhead < end { accounts.prefetchRow(strings.guess(customerHash(block, i + rowAhead))) }
            guard batch.hasRoom(for: eventBytes) else { return i }
            if block.events[i].outcome == .recorded {
                try admit(&block, i, key: i - range.lowerBound, into: &batch, now: now, source: source, memo: &memo)
            }
            if block.events[i].outcome != .recorded { countRefusal(block.events[i].outcome) }
            i += 1
        }
        return i
    }

    /// Keys and times that the client left out, then one hash per key.
    private mutating func hashKeys(_ block: inout EventBlock, _ range: Range<Int>) {
        if range.count > hashCapacity {
            hashes.deallocate()
            hashCapacity = range.count
            hashes = .allocate(capacity: hashCapacity)
        }
        for i in range {
            if block.events[i].key.isEmpty, block.events[i].outcome == .recorded {
                block.events[i].key = randomKey(&block.arena)
                block.events[i].flags |= EventRecord.keyGenerated
            }
        }
        var k = 0
        for i in range {
            hashes[k] = hashBytes(block.text(block.events[i].key), seed: seed)
            k += 1
        }
    }

    /// Counts an event that is not recorded; for those that never get here, whoever refuses them calls it.
    public mutating func countRefusal(_ outcome: Outcome) {
        switch outcome {
        case .duplicate: counters.duplicates += 1
        case .conflict: counters.conflicts += 1
        default: counters.rejected[Int(outcome.rawValue)] += 1
        }
    }

    private mutating func admit(
        _ block: inout EventBlock, _ i: Int, key: Int, into batch: inout BatchBuilder, now: Timestamp,
        source: some FactSource, memo: inout PriceMemo
    ) throws(StorageError) {
        if UsageRules.inconsistent(block.usage(of: block.events[i])) != nil {
            block.events[i].outcome = .usageInconsistent
            block.events[i].field = .usage
            return
        }
        let hash = hashes[key]
        var cursor = dedup.cursor(key)
        while let position = try dedup.candidate(hash, cursor: &cursor) {
            scratch.reset()
            if try read(position, batch, source), isOriginal(&block, i) { return }
            // Another key with the same 64 bits, or this one on a disk that no longer has it as it was: then it would count twice.
            if position.segment != batch.segment || position.offset < batch.offset { try source.verify(position) }
        }
        guard !strings.isFull else {
            block.events[i].outcome = .overloaded
            return
        }

        if block.events[i].flags & EventRecord.hasOccurredAt == 0 { block.events[i].occurredAt = now }
        price(&block, i, &memo, &batch)
        define(&block, i, &batch)

        block.events[i].sequence = nextSequence
        let offset = batch.writer.append(event: block.events[i], of: block, recordedAt: now)
        dedup.insert(hash, batch.position(of: offset), batch: JournalPosition(segment: batch.segment, offset: batch.offset))
        nextSequence += 1
        batch.eventCount += 1
        let occurredAt = block.events[i].occurredAt
        if occurredAt < batch.earliest { batch.earliest = occurredAt }
        if occurredAt > batch.latest { batch.latest = occurredAt }

        let event = block.events[i]
        counters.recorded += 1
        if event.unpriced != .none { counters.unpriced += 1 }
        count(
            customer: block.nameIDs[Int(event.customer)], cost: event.unpriced == .none ? event.cost : nil,
            revenue: event.flags & EventRecord.hasRevenue != 0 ? event.revenue : .zero)
    }

    private mutating func count(customer: StringID, cost: Money?, revenue: Money) {
        totalEvents += 1
        totalRevenue += revenue
        if let cost { totalCost += cost } else { totalUnpriced += 1 }
        guard customer != noString else { return }
        let row = accounts.row(customer)
        row.pointee.events += 1
        row.pointee.revenue += Int128(revenue.picodollars)
        if let cost { row.pointee.cost += Int128(cost.picodollars) } else { row.pointee.unpriced += 1 }
    }

    // MARK: Names

    /// Hashes the names of a block, so that nothing has to be worked out where they are looked up.
    private mutating func hashNames(_ block: borrowing EventBlock) {
        hashedNames = block.nameCount
        if hashedNames >= nameCapacity {
            nameHashes.deallocate()
            nameCapacity = hashedNames * 2
            nameHashes = .allocate(capacity: nameCapacity)
        }
        nameHashes[0] = 0
        guard hashedNames > 0 else { return }
        for i in 1...hashedNames { nameHashes[i] = strings.hash(of: block.name(UInt32(truncatingIfNeeded: i))) }
    }

    /// The hash of an event's customer; 0, which stands for nobody, when it has none.
    @inline(__always) private func customerHash(_ block: borrowing EventBlock, _ i: Int) -> UInt64 {
        let name = Int(block.events[i].customer)
        return name <= hashedNames ? nameHashes[name] : 0
    }

    /// The number of a name of the block, defined in the batch's segment.
    private mutating func resolve(_ block: inout EventBlock, _ name: UInt32, _ batch: inout BatchBuilder) -> StringID {
        if name == 0 { return noString }
        let known = block.nameIDs[Int(name)]
        if known != noString { return known }
        var defines = false
        let text = block.name(name)
        let hash = Int(name) <= hashedNames ? nameHashes[Int(name)] : strings.hash(of: text)
        let id = strings.intern(text, hash: hash, segment: batch.segment, defines: &defines)
        if defines { batch.writer.append(stringFact: id, text) }
        block.nameIDs[Int(name)] = id
        return id
    }

    private mutating func define(_ block: inout EventBlock, _ i: Int, _ batch: inout BatchBuilder) {
        let event = block.events[i]
        _ = resolve(&block, event.eventName, &batch)
        _ = resolve(&block, event.customer, &batch)
        _ = resolve(&block, event.feature, &batch)
        _ = resolve(&block, event.model, &batch)
        _ = resolve(&block, event.provider, &batch)
        _ = resolve(&block, event.region, &batch)
        if event.price != noString, strings.define(event.price, in: batch.segment) {
            batch.writer.append(stringFact: event.price, strings.text(of: event.price))
        }
    }

    // MARK: Price

    /// The last resolution of a run of events alike.
    private struct PriceMemo {
        var provider: StringID = .max
        var model: StringID = .max
        var feature: StringID = .max
        var resolution = Resolution()
        /// Block name that holds the provider the price book found; 0 when none was added.
        var providerName: UInt32 = 0
    }

    private mutating func price(_ block: inout EventBlock, _ i: Int, _ memo: inout PriceMemo, _ batch: inout BatchBuilder) {
        block.events[i].unpriced = .none
        let flags = block.events[i].flags
        let model = resolve(&block, block.events[i].model, &batch)
        let provider = resolve(&block, block.events[i].provider, &batch)
        let feature = book.hasOwnPrices ? resolve(&block, block.events[i].feature, &batch) : noString
        if memo.model != model || memo.provider != provider || memo.feature != feature {
            memo.resolution = resolution(provider, model, feature)
            memo.provider = provider
            memo.model = model
            memo.feature = feature
            memo.providerName = 0
            if provider == noString, !memo.resolution.provider.isEmpty {
                memo.providerName = block.add(name: memo.resolution.provider)
                block.nameIDs[Int(memo.providerName)] = noString
            }
        }
        if provider == noString, memo.providerName != 0 { block.events[i].provider = memo.providerName }
        if flags & EventRecord.hasCost != 0 { return }
        block.events[i].match = memo.resolution.match
        guard memo.resolution.entry >= 0 else {
            block.events[i].unpriced = memo.resolution.unpriced == .none ? .unknownModel : memo.resolution.unpriced
            return
        }
        let region = block.events[i].region
        let priced = book.price(
            memo.resolution, usage: block.usage(of: block.events[i]), at: block.events[i].occurredAt, tier: block.events[i].tier,
            region: region == 0 ? UnsafeRawBufferPointer(start: nil, count: 0) : block.name(region))
        block.events[i].unpriced = priced.unpriced
        guard priced.unpriced == .none else { return }
        block.events[i].cost = priced.cost
        block.events[i].price = derivation(priced.card, &batch)
    }

    private mutating func resolution(_ provider: StringID, _ model: StringID, _ feature: StringID) -> Resolution {
        if let known = prices.find(provider, model, feature) { return known }
        let found = book.resolve(
            provider: strings.text(of: provider), model: strings.text(of: model), feature: strings.text(of: feature))
        prices.insert(provider, model, feature, found)
        return found
    }

    private mutating func derivation(_ card: Int32, _ batch: inout BatchBuilder) -> StringID {
        let known = prices.derivation(card)
        if known != noString { return known }
        var text = ByteWriter(capacity: 256)
        book.derivation(card: card, into: &text)
        var defines = false
        let id = strings.intern(text.bytes, segment: batch.segment, defines: &defines)
        if defines { batch.writer.append(stringFact: id, text.bytes) }
        prices.setDerivation(card, id)
        return id
    }

    // MARK: Duplicates

    private mutating func read(_ position: JournalPosition, _ batch: borrowing BatchBuilder, _ source: some FactSource) throws(StorageError)
        -> Bool
    {
        if position.segment == batch.segment, position.offset >= batch.offset {
            let start = Int(position.offset - batch.offset)
            guard start < batch.writer.count else { return false }
            var reader = FactReader(UnsafeRawBufferPointer(rebasing: batch.writer.bytes[start...]))
            guard let fact = reader.next(), fact.type == .event else { return false }
            scratch.append(bytes: fact.payload)
            return true
        }
        return try source.eventPayload(at: position, into: &scratch)
    }

    /// Whether the event in `scratch` has the key of event `i`. If so, the record gets the outcome and the original's figures.
    private mutating func isOriginal(_ block: inout EventBlock, _ i: Int) -> Bool {
        guard let original = EventFact(scratch.bytes) else { return false }
        keyScratch.reset()
        original.appendKey(to: &keyScratch)
        guard sameBytes(keyScratch.bytes, block.text(block.events[i].key)) else { return false }
        block.events[i].outcome = samePayload(block, i, original) ? .duplicate : .conflict
        block.events[i].field = .eventIdempotencyKey
        block.events[i].sequence = original.sequence
        block.events[i].occurredAt = original.occurredAt
        block.events[i].unpriced = original.unpriced
        block.events[i].cost = original.cost
        return true
    }

    /// Whether a retry says the same as the original in all that decides money and attribution. Its time and its `meta` may
    /// differ: clients stamp both anew on every attempt.
    private func samePayload(_ block: borrowing EventBlock, _ i: Int, _ original: EventFact) -> Bool {
        let event = block.events[i]
        func same(_ name: UInt32, _ id: StringID) -> Bool { name == 0 ? id == noString : sameBytes(block.name(name), strings.text(of: id)) }
        guard same(event.eventName, original.eventName), same(event.customer, original.customer), same(event.feature, original.feature),
            same(event.model, original.model), event.provider == 0 || same(event.provider, original.provider),
            same(event.region, original.region)
        else { return false }
        guard event.tier == original.tier, event.usageCount == original.usageCount else { return false }
        var given = UsageIterator(original)
        for line in block.usage(of: event) {
            guard let other = given.next(), other == line else { return false }
        }
        let hasUnits = event.flags & EventRecord.hasUsageUnits != 0
        guard hasUnits == (original.flags & EventFlag.usageUnits != 0), !hasUnits || event.usageUnits == original.usageUnits else {
            return false
        }
        let hasCost = event.flags & EventRecord.hasCost != 0
        guard hasCost == (original.flags & EventFlag.costGiven != 0), !hasCost || event.cost == original.cost else { return false }
        let hasRevenue = event.flags & EventRecord.hasRevenue != 0
        guard hasRevenue == original.hasRevenue, !hasRevenue || event.revenue == original.revenue else { return false }
        let extras = event.extras.isEmpty ? UnsafeRawBufferPointer(start: nil, count: 0) : block.text(event.extras)
        for tag in EventExtra.allCases where tag != .meta {
            switch (extraBytes(tag, in: extras), extraBytes(tag, in: original.extras)) {
            case (nil, nil): continue
            case (let a?, let b?) where sameBytes(a, b): continue
            default: return false
            }
        }
        return true
    }

    /// The position of a recorded key's event, exact; nil when it is not within the window.
    public mutating func position(ofKey key: UnsafeRawBufferPointer, source: some FactSource) throws(StorageError) -> JournalPosition? {
        let hash = hashBytes(key, seed: seed)
        var cursor = DedupCursor()
        while let position = try dedup.candidate(hash, cursor: &cursor) {
            scratch.reset()
            if try source.eventPayload(at: position, into: &scratch), let event = EventFact(scratch.bytes) {
                keyScratch.reset()
                event.appendKey(to: &keyScratch)
                if sameBytes(keyScratch.bytes, key) { return position }
            }
            try source.verify(position)
        }
        return nil
    }

    /// A random UUID (version 4) as text in the arena.
    private mutating func randomKey(_ arena: inout ByteWriter) -> TextRef {
        var words: (UInt64, UInt64) = (nextRandom(), nextRandom())
        words.0 = (words.0 & 0xFF0F_FFFF_FFFF_FFFF) | 0x0040_0000_0000_0000
        words.1 = (words.1 & 0xFFFF_FFFF_FFFF_FF3F) | 0x0000_0000_0000_0080
        let offset = arena.count
        withUnsafeBytes(of: &words) { arena.append(uuid: $0) }
        return TextRef(offset: UInt32(truncatingIfNeeded: offset), length: 36)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), seeded from the kernel.
    private mutating func nextRandom() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var z = random
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    // MARK: Parts for the other files of this room

    mutating func internDefining(_ text: UnsafeRawBufferPointer, _ batch: inout BatchBuilder) -> StringID {
        var defines = false
        let id = strings.intern(text, segment: batch.segment, defines: &defines)
        if defines { batch.writer.append(stringFact: id, text) }
        return id
    }

    mutating func row(of reference: StringID) -> UnsafeMutablePointer<Account> { accounts.row(reference) }
    mutating func continueSequences(at sequence: UInt64) { nextSequence = sequence }
    mutating func reserveStrings(_ count: Int) { strings.reserve(count) }
    mutating func reserveAccounts(_ count: Int) { accounts.reserve(count, strings: strings.count + count) }
    mutating func applyKey(_ fact: KeyFact) -> Bool { keys.apply(fact) }
    mutating func storeResponse(_ scope: UInt64, _ position: JournalPosition, at: Timestamp) { responses.insert(scope, position, at: at) }
    mutating func dropResponses(before position: JournalPosition) { responses.forget(before: position) }
    mutating func restoreString(_ id: StringID, _ text: UnsafeRawBufferPointer, segment: UInt32) -> Bool {
        strings.restore(id, text, segment: segment)
    }

    /// Defines a known string in the batch's segment, unless it is already.
    mutating func define(_ id: StringID, _ batch: inout BatchBuilder) {
        guard id != noString, isKnown(id), strings.define(id, in: batch.segment) else { return }
        batch.writer.append(stringFact: id, strings.text(of: id))
    }

    /// Whether a number was given to a string, or stands for none. What the journal says is not trusted: a number out of
    /// thin air would make a table of that size.
    func isKnown(_ id: StringID) -> Bool { id < strings.nextID }

    /// Events that are no longer kept: what they were is counted by their sums.
    mutating func skip(_ dropped: DroppedFact) -> Bool {
        guard dropped.firstSequence == nextSequence, dropped.nextSequence < .max else { return false }
        nextSequence = dropped.nextSequence
        return true
    }

    /// Sequences must continue; every event counts as it was recorded.
    mutating func replay(_ event: EventFact, at position: JournalPosition, batch: JournalPosition, inWindow: Bool) -> Bool {
        guard event.sequence == nextSequence || nextSequence == 1, event.sequence > 0, event.sequence < .max, isKnown(event.customer)
        else { return false }
        nextSequence = event.sequence + 1
        if inWindow, !dedup.covers(position) {
            keyScratch.reset()
            event.appendKey(to: &keyScratch)
            dedup.insert(hashBytes(keyScratch.bytes, seed: seed), position, batch: batch)
        }
        count(customer: event.customer, cost: event.isPriced ? event.cost : nil, revenue: event.hasRevenue ? event.revenue : .zero)
        return true
    }
}
