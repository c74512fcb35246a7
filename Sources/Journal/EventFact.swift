// EventFact: a priced event as the journal keeps it. It holds what was sent, what it cost, and why, so that history never
// depends on the prices or the code of a later day.
//
//   size    field
//   varint  sequence, from 1
//   8       occurredAt, nanoseconds since the epoch, little-endian
//   zigzag  recordedAt - occurredAt, microseconds
//   varint  flags (below)
//   …       idempotency key: 16 bytes when `keyIsUUID` (its text is the lower-case UUID), else varint length and text
//   varint  event name (string number)
//   varint  customer, feature, model, provider, region: string numbers, each when its flag is set, in this order
//   varint  usage units (quantity), when its flag is set
//   1       number of usage lines, then each: kind (1), quantity (varint)
//   varint  cost in picodollars, when `priced`
//   varint  revenue in picodollars, when its flag is set
//   varint  price derivation (string number), when its flag is set
//   1       match rule, when `matched`
//   1       unpriced reason, when not `priced`
//   1       service tier, when its flag is set
//   varint  length of extras, then extras (tag, varint length, bytes), when its flag is set

public import Core

/// Bits of `EventFact.flags`.
public enum EventFlag {
    public static let keyIsUUID: UInt32 = 1 << 0
    public static let customer: UInt32 = 1 << 1
    public static let feature: UInt32 = 1 << 2
    public static let model: UInt32 = 1 << 3
    public static let provider: UInt32 = 1 << 4
    public static let region: UInt32 = 1 << 5
    public static let usageUnits: UInt32 = 1 << 6
    /// There is a cost.
    public static let priced: UInt32 = 1 << 7
    /// The client gave the cost.
    public static let costGiven: UInt32 = 1 << 8
    public static let revenue: UInt32 = 1 << 9
    public static let price: UInt32 = 1 << 10
    public static let matched: UInt32 = 1 << 11
    public static let tier: UInt32 = 1 << 12
    public static let extras: UInt32 = 1 << 13
    /// The client gave the time.
    public static let timeGiven: UInt32 = 1 << 14
    /// The server made the key.
    public static let keyGenerated: UInt32 = 1 << 15
    /// The input-token line stands for `usageUnits`.
    public static let unitsAsInput: UInt32 = 1 << 16
}

extension ByteReader {
    /// A string number; fails beyond 32 bits.
    @inlinable mutating func stringID() -> StringID {
        let raw = varint()
        if raw > UInt64(StringID.max) { fail() }
        return StringID(truncatingIfNeeded: raw)
    }
}

/// An event as read from the journal. Pointers go into the bytes it was read from.
@frozen
public struct EventFact {
    public var sequence: UInt64 = 0
    public var occurredAt = Timestamp(nanoseconds: 0)
    public var recordedAt = Timestamp(nanoseconds: 0)
    public var flags: UInt32 = 0
    /// 16 raw bytes when `keyIsUUID`, else text; `appendKey` gives the text in both cases.
    public var keyBytes = UnsafeRawBufferPointer(start: nil, count: 0)
    public var eventName = noString
    public var customer = noString
    public var feature = noString
    public var model = noString
    public var provider = noString
    public var region = noString
    public var usageUnits = Quantity.zero
    /// Encoded usage lines; walk them with `UsageIterator`.
    public var usageBytes = UnsafeRawBufferPointer(start: nil, count: 0)
    public var usageCount: UInt8 = 0
    public var cost = Money.zero
    public var revenue = Money.zero
    public var price = noString
    public var match = MatchRule.none
    public var unpriced = UnpricedReason.none
    public var tier = ServiceTier.standard
    public var extras = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Sums the rollups keep, taken while the lines are walked.
    public var inputTokens = Quantity.zero
    public var outputTokens = Quantity.zero

    @inlinable public var isPriced: Bool { flags & EventFlag.priced != 0 }
    @inlinable public var hasRevenue: Bool { flags & EventFlag.revenue != 0 }

    @inlinable public init() {}

    /// Reads the payload of an `event` fact; nil when it is not one.
    @inlinable public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        sequence = reader.varint()
        occurredAt = Timestamp(nanoseconds: reader.integer(Int64.self))
        let delay = reader.zigzag()
        recordedAt = Timestamp(nanoseconds: occurredAt.nanoseconds &+ delay &* 1000)
        let rawFlags = reader.varint()
        guard rawFlags < 1 << 32 else { return nil }
        flags = UInt32(rawFlags)
        keyBytes = flags & EventFlag.keyIsUUID != 0 ? reader.bytes(16) : reader.lengthPrefixed()
        eventName = reader.stringID()
        if flags & EventFlag.customer != 0 { customer = reader.stringID() }
        if flags & EventFlag.feature != 0 { feature = reader.stringID() }
        if flags & EventFlag.model != 0 { model = reader.stringID() }
        if flags & EventFlag.provider != 0 { provider = reader.stringID() }
        if flags & EventFlag.region != 0 { region = reader.stringID() }
        if flags & EventFlag.usageUnits != 0 { usageUnits = reader.quantity() }
        usageCount = reader.byte()
        let usageStart = reader.offset
        var line: UInt8 = 0
        while line < usageCount {
            let kind = reader.byte()
            let quantity = reader.quantity()
            // A kind from a later version: what its quantity counts is not known here, so neither is what the event costs.
            guard UsageKind.isKnown(kind) else { return nil }
            if kind == UsageKind.inputTokens.rawValue { inputTokens = quantity }
            if kind == UsageKind.outputTokens.rawValue { outputTokens = quantity }
            line += 1
        }
        if reader.failed { return nil }
        usageBytes = UnsafeRawBufferPointer(rebasing: payload[usageStart..<reader.offset])
        if flags & EventFlag.priced != 0 { cost = reader.money() }
        if flags & EventFlag.revenue != 0 { revenue = reader.money() }
        if flags & EventFlag.price != 0 { price = reader.stringID() }
        if flags & EventFlag.matched != 0 {
            guard let rule = MatchRule(rawValue: reader.byte()) else { return nil }
            match = rule
        }
        if flags & EventFlag.priced == 0 {
            guard let reason = UnpricedReason(rawValue: reader.byte()) else { return nil }
            unpriced = reason
        }
        if flags & EventFlag.tier != 0 {
            guard let served = ServiceTier(rawValue: reader.byte()) else { return nil }
            tier = served
        }
        if flags & EventFlag.extras != 0 { extras = reader.lengthPrefixed() }
        if reader.failed || !reader.atEnd { return nil }
    }

    /// Appends the idempotency key as text.
    public func appendKey(to writer: inout ByteWriter) {
        if flags & EventFlag.keyIsUUID != 0 { writer.append(uuid: keyBytes) } else { writer.append(bytes: keyBytes) }
    }

    /// The bytes of one rare field; nil when it is absent.
    public func extra(_ tag: EventExtra) -> UnsafeRawBufferPointer? { extraBytes(tag, in: extras) }
}

/// Finds one tag in encoded extras.
public func extraBytes(_ tag: EventExtra, in extras: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var reader = ByteReader(extras)
    while !reader.atEnd {
        let found = reader.byte()
        let bytes = reader.lengthPrefixed()
        if reader.failed { return nil }
        if found == tag.rawValue { return bytes }
    }
    return nil
}

/// Walks the usage lines of an event.
@frozen
public struct UsageIterator: IteratorProtocol, Sequence {
    @usableFromInline var reader: ByteReader

    @inlinable public init(_ event: EventFact) { reader = ByteReader(event.usageBytes) }

    @inlinable public mutating func next() -> UsageLine? {
        guard !reader.atEnd else { return nil }
        let code = reader.byte()
        let quantity = reader.quantity()
        guard !reader.failed, let kind = UsageKind(rawValue: code) else { return nil }
        return UsageLine(kind: kind, quantity: quantity)
    }
}

extension ByteWriter {
    /// Upper bound of what `append(event:)` writes, without the event's own text.
    public static let eventOverhead = 256

    /// Appends an event fact for `event` of `block`; the result is the fact's offset in this buffer.
    ///
    /// `event.sequence`, `cost`, `price`, `match` and `unpriced` are filled in, its key is not empty, its time is set.
    @inlinable public mutating func append(event: EventRecord, of block: borrowing EventBlock, recordedAt: Timestamp) -> Int {
        let start = count
        let key = block.text(event.key)
        // Room for everything with fixed bounds; the key and the extras come on top. Asked for once: the parts are written without
        // looking whether there is room for each.
        let most = ByteWriter.eventOverhead + Int(event.usageCount) * 11 + key.count + Int(event.extras.length)
        let room = appendUninitialized(most)
        var out = FactCursor(room.baseAddress!)
        out.byte(FactType.event.rawValue)
        // The length is written as a two-byte varint where it fits, and patched; longer payloads shift by one.
        let lengthAt = start + 1
        out.store(UInt16(0))
        out.varint(event.sequence)
        out.store(event.occurredAt.nanoseconds)
        let delay = (recordedAt.nanoseconds - event.occurredAt.nanoseconds) / 1000
        out.varint(UInt64(bitPattern: (delay << 1) ^ (delay >> 63)))

        var flags: UInt32 = 0
        var uuid: (UInt64, UInt64) = (0, 0)
        if key.count == 36, parseUUID(key, into: &uuid) { flags |= EventFlag.keyIsUUID }
        if event.customer != 0 { flags |= EventFlag.customer }
        if event.feature != 0 { flags |= EventFlag.feature }
        if event.model != 0 { flags |= EventFlag.model }
        if event.provider != 0 { flags |= EventFlag.provider }
        if event.region != 0 { flags |= EventFlag.region }
        if event.flags & EventRecord.hasUsageUnits != 0 { flags |= EventFlag.usageUnits }
        if event.unpriced == .none { flags |= EventFlag.priced }
        if event.flags & EventRecord.hasCost != 0 { flags |= EventFlag.costGiven }
        if event.flags & EventRecord.hasRevenue != 0 { flags |= EventFlag.revenue }
        if event.price != noString { flags |= EventFlag.price }
        if event.match != .none { flags |= EventFlag.matched }
        if event.tier != .standard { flags |= EventFlag.tier }
        if !event.extras.isEmpty { flags |= EventFlag.extras }
        if event.flags & EventRecord.hasOccurredAt != 0 { flags |= EventFlag.timeGiven }
        if event.flags & EventRecord.keyGenerated != 0 { flags |= EventFlag.keyGenerated }
        if event.flags & EventRecord.unitsAsInput != 0 { flags |= EventFlag.unitsAsInput }
        out.varint(UInt64(flags))
        if flags & EventFlag.keyIsUUID != 0 {
            out.store(uuid.0)
            out.store(uuid.1)
        } else {
            out.varint(UInt64(key.count))
            out.bytes(key)
        }
        out.varint(UInt64(block.nameIDs[Int(event.eventName)]))
        if event.customer != 0 { out.varint(UInt64(block.nameIDs[Int(event.customer)])) }
        if event.feature != 0 { out.varint(UInt64(block.nameIDs[Int(event.feature)])) }
        if event.model != 0 { out.varint(UInt64(block.nameIDs[Int(event.model)])) }
        if event.provider != 0 { out.varint(UInt64(block.nameIDs[Int(event.provider)])) }
        if event.region != 0 { out.varint(UInt64(block.nameIDs[Int(event.region)])) }
        if flags & EventFlag.usageUnits != 0 { out.quantity(event.usageUnits) }
        out.byte(event.usageCount)
        for line in block.usage(of: event) {
            out.byte(line.kind.rawValue)
            out.quantity(line.quantity)
        }
        if flags & EventFlag.priced != 0 { out.varint(UInt64(bitPattern: event.cost.picodollars)) }
        if flags & EventFlag.revenue != 0 { out.varint(UInt64(bitPattern: event.revenue.picodollars)) }
        if flags & EventFlag.price != 0 { out.varint(UInt64(event.price)) }
        if flags & EventFlag.matched != 0 { out.byte(event.match.rawValue) }
        if flags & EventFlag.priced == 0 { out.byte(event.unpriced.rawValue) }
        if flags & EventFlag.tier != 0 { out.byte(event.tier.rawValue) }
        if flags & EventFlag.extras != 0 {
            out.varint(UInt64(event.extras.length))
            out.bytes(block.text(event.extras))
        }
        let length = out.at - UnsafeMutableRawPointer(room.baseAddress!)
        precondition(length <= most, "a fact is larger than its bound")
        truncate(to: start + length)
        patchLength(at: lengthAt)
        return start
    }

    /// Writes the varint length of what follows `at + 2`, moving it by up to one byte so that the varint is canonical.
    @inlinable mutating func patchLength(at: Int) {
        let length = count - at - 2
        if length >= 0x80, length < 0x4000 {
            store(littleEndian: UInt16(length & 0x7F | 0x80) | UInt16(length >> 7) << 8, at: at)
            return
        }
        if length < 0x80 {
            memmoveBytes(base + at + 1, base + at + 2, length)
            truncate(to: count - 1)
            store(littleEndian: UInt8(length), at: at)
            return
        }
        // Three bytes: payloads stay under 2 MiB (meta and usage objects are bounded).
        append(0)
        memmoveBytes(base + at + 3, base + at + 2, length)
        store(littleEndian: UInt8(truncatingIfNeeded: length) | 0x80, at: at)
        store(littleEndian: UInt8(truncatingIfNeeded: length >> 7) | 0x80, at: at + 1)
        store(littleEndian: UInt8(truncatingIfNeeded: length >> 14), at: at + 2)
    }
}

/// Writes the parts of a fact one behind the other, where somebody has made room for all of them.
@frozen @usableFromInline
struct FactCursor {
    @usableFromInline var at: UnsafeMutableRawPointer

    @inlinable @inline(__always) init(_ at: UnsafeMutableRawPointer) { self.at = at }

    @inlinable @inline(__always) mutating func byte(_ value: UInt8) {
        at.storeBytes(of: value, as: UInt8.self)
        at += 1
    }

    @inlinable @inline(__always) mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        at.storeBytes(of: value.littleEndian, as: T.self)
        at += MemoryLayout<T>.size
    }

    @inlinable @inline(__always) mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        at.copyMemory(from: source, byteCount: bytes.count)
        at += bytes.count
    }

    @inlinable @inline(__always) mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    /// As `ByteWriter.append(quantity:)` writes it.
    @inlinable @inline(__always) mutating func quantity(_ quantity: Quantity) {
        let magnitude = UInt64(bitPattern: quantity.millionths)
        let (whole, rest) = magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        varint(rest == 0 ? whole << 1 : magnitude << 1 | 1)
    }
}
