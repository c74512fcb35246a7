// EventBlock: events on their way from the wire to the journal, as flat arrays.
//
// A decoder (binary frame or JSON) fills a block; the ledger walks it pass by pass (hash, prefetch, probe, price, fold) and
// writes each event's result into the same record. Text lives in the block's arena and is named by offset and length, so
// nothing here points into a connection's buffer. A block is reused for ever: after warm-up nothing is allocated.

/// Text in a block's arena.
@frozen
public struct TextRef: Equatable, Sendable {
    public var offset: UInt32
    public var length: UInt32

    @inlinable public init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }
    @inlinable public static var empty: TextRef { TextRef(offset: 0, length: 0) }
    @inlinable public var isEmpty: Bool { length == 0 }
}

/// One event as it came, and what became of it.
@frozen
public struct EventRecord {
    /// Bits of `flags`.
    public static let hasOccurredAt: UInt16 = 1
    public static let hasUsageUnits: UInt16 = 2
    public static let hasCost: UInt16 = 4
    public static let hasRevenue: UInt16 = 8
    /// The application named no key; the server makes a random UUID.
    public static let keyGenerated: UInt16 = 16
    /// The one input-token line stands for `usageUnits`, because no token counts were given.
    public static let unitsAsInput: UInt16 = 32

    // What was sent. Names are 1-based indices into `EventBlock.names`; 0 means absent.
    public var key = TextRef.empty
    public var eventName: UInt32 = 0
    public var customer: UInt32 = 0
    public var feature: UInt32 = 0
    public var model: UInt32 = 0
    public var provider: UInt32 = 0
    public var region: UInt32 = 0
    /// Rare fields as tag-length-value (`EventExtra`), in the arena.
    public var extras = TextRef.empty
    public var occurredAt = Timestamp(nanoseconds: 0)
    public var usageUnits = Quantity.zero
    public var revenue = Money.zero
    /// Sent by the client when `hasCost`; otherwise computed by the ledger, valid when `unpriced` is `.none`.
    public var cost = Money.zero
    public var usageStart: UInt32 = 0
    public var usageCount: UInt8 = 0
    public var tier = ServiceTier.standard
    public var flags: UInt16 = 0

    // What became of it. A decoder sets `outcome` and `field` on an event it refuses; the ledger leaves those alone.
    public var outcome = Outcome.recorded
    public var field = EventField.none
    public var unpriced = UnpricedReason.none
    public var match = MatchRule.none
    /// The derivation of the cost, interned; 0 when the client gave the cost or there is none.
    public var price: StringID = noString
    /// Of this event, or for `duplicate` and `conflict` of the original.
    public var sequence: UInt64 = 0

    @inlinable public init() {}
}

/// Tags of the rare fields. Encoded as tag byte, varint length, bytes; tags ascend and do not repeat.
@frozen
public enum EventExtra: UInt8, CaseIterable, Sendable {
    case stripeCustomerId = 1
    case customerId = 2
    case featureId = 3
    case subscriptionId = 4
    case entitlementId = 5
    case invoiceId = 6
    case flowId = 7
    /// The JSON object as it came.
    case meta = 8
    /// The provider's usage object as it came.
    case usage = 9
    case usageFormat = 10
}

/// A reusable block of events.
public struct EventBlock: ~Copyable {
    public var arena: ByteWriter
    /// The distinct names the events refer to, 1-based: entry 0 is unused.
    public var names: UnsafeMutableBufferPointer<TextRef>
    public var nameCount: Int
    /// Filled by the ledger: the interned identifier of each name.
    public var nameIDs: UnsafeMutableBufferPointer<StringID>
    public var events: UnsafeMutableBufferPointer<EventRecord>
    public var count: Int
    public var usage: UnsafeMutableBufferPointer<UsageLine>
    public var usageCount: Int

    public init(events capacity: Int = 64) {
        arena = ByteWriter(capacity: 4096)
        names = .allocate(capacity: capacity * 4 + 1)
        nameIDs = .allocate(capacity: capacity * 4 + 1)
        events = .allocate(capacity: capacity)
        usage = .allocate(capacity: capacity * 4)
        nameCount = 0
        count = 0
        usageCount = 0
        names[0] = .empty
        nameIDs[0] = noString
    }

    deinit {
        names.deallocate()
        nameIDs.deallocate()
        events.deallocate()
        usage.deallocate()
    }

    @inlinable public mutating func reset() {
        arena.reset()
        nameCount = 0
        count = 0
        usageCount = 0
    }

    /// The bytes of a text; valid until the arena grows.
    @inlinable public func text(_ ref: TextRef) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: arena.base + Int(ref.offset), count: Int(ref.length))
    }

    @inlinable public func name(_ index: UInt32) -> UnsafeRawBufferPointer { text(names[Int(index)]) }

    /// Copies text into the arena.
    @inlinable public mutating func add(text: UnsafeRawBufferPointer) -> TextRef {
        let offset = arena.count
        arena.append(bytes: text)
        return TextRef(offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: text.count))
    }

    /// Adds a name that is already in the arena; the result is its 1-based index.
    @inlinable public mutating func add(name ref: TextRef) -> UInt32 {
        if nameCount + 1 >= names.count { growNames() }
        nameCount += 1
        names[nameCount] = ref
        return UInt32(truncatingIfNeeded: nameCount)
    }

    /// Copies a name into the arena; the result is its 1-based index.
    @inlinable public mutating func add(name text: UnsafeRawBufferPointer) -> UInt32 { add(name: add(text: text)) }

    /// Appends an event; the result is its index.
    @inlinable @discardableResult public mutating func add(_ event: EventRecord) -> Int {
        if count >= events.count { growEvents() }
        events.initializeElement(at: count, to: event)
        count += 1
        return count - 1
    }

    @inlinable public mutating func add(usage line: UsageLine) {
        if usageCount >= usage.count { growUsage() }
        usage.initializeElement(at: usageCount, to: line)
        usageCount += 1
    }

    /// The usage lines of an event.
    @inlinable public func usage(of event: EventRecord) -> UnsafeBufferPointer<UsageLine> {
        UnsafeBufferPointer(start: usage.baseAddress! + Int(event.usageStart), count: Int(event.usageCount))
    }

    /// Makes room for so many more events and usage lines, for a decoder that fills them in place.
    public mutating func reserve(events more: Int, usage lines: Int) {
        while events.count - count < more { growEvents() }
        while usage.count - usageCount < lines { growUsage() }
    }

    @usableFromInline mutating func growNames() {
        names = grown(names, used: nameCount + 1)
        nameIDs = grown(nameIDs, used: nameCount + 1)
    }
    @usableFromInline mutating func growEvents() { events = grown(events, used: count) }
    @usableFromInline mutating func growUsage() { usage = grown(usage, used: usageCount) }
}

private func grown<T: BitwiseCopyable>(_ old: UnsafeMutableBufferPointer<T>, used: Int) -> UnsafeMutableBufferPointer<T> {
    let fresh = UnsafeMutableBufferPointer<T>.allocate(capacity: old.count * 2)
    fresh.baseAddress!.initialize(from: old.baseAddress!, count: used)
    old.deallocate()
    return fresh
}
