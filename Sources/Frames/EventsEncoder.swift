// EventsEncoder: events into one `events` frame. The layout stands in EventsDecoder.swift.
//
// Strings are interned inside the frame, in the order of their first use; a key that is the lower-case text of a UUID is
// written as sixteen bytes; fields that are absent or empty are left out; usage and extras are put in order. So two
// encoders of the same events write the same bytes. Memory is kept from frame to frame.

public import Core

/// The limits of one frame, as the hello reply told them.
public struct FrameCapacity: Equatable, Sendable {
    public var payloadBytes: Int
    public var events: Int
    public var strings: Int

    public init(
        payloadBytes: Int = Limits.framePayloadBytes,
        events: Int = Limits.frameEvents,
        strings: Int = Limits.frameStrings
    ) {
        self.payloadBytes = payloadBytes
        self.events = events
        self.strings = strings
    }

    /// What the server said, where it said something.
    public init(_ reply: HelloReply) {
        self.init()
        if let bytes = reply.limits[.framePayloadBytes] { payloadBytes = Int(clamping: bytes) }
        if let count = reply.limits[.frameEvents] { events = Int(clamping: count) }
        if let count = reply.limits[.frameStrings] { strings = Int(clamping: count) }
    }
}

/// Collects the events of one frame and writes it.
public struct EventsEncoder: ~Copyable {
    /// What became of an event given to `add`.
    public enum Addition: Equatable, Sendable {
        case added
        /// The frame has no room for it; `finish` this one and add it to the next.
        case full
        /// No frame can carry it: an amount below zero, a time outside 1970-2199, too many usage lines, or it is too large.
        case refused(Outcome, EventField)
    }

    /// Bytes of a payload that are neither strings nor records, at most: format, two counts, base time.
    private static let overhead = 1 + 5 + 8 + 5

    public var capacity: FrameCapacity
    /// Events added since the last `finish`.
    public private(set) var count = 0
    private var strings = StringTable()
    private var records = ByteWriter(capacity: 4096)
    private var baseTime: Int64?

    public init(capacity: FrameCapacity = FrameCapacity()) { self.capacity = capacity }

    /// Bytes the payload has so far, at most.
    public var payloadBytes: Int { EventsEncoder.overhead + strings.bytes.count + records.count }

    /// Drops what was added.
    public mutating func reset() {
        strings.reset()
        records.reset()
        count = 0
        baseTime = nil
    }

    /// Adds an event, or says why not. Nothing changes unless the result is `.added`.
    public mutating func add(_ event: borrowing UsageEvent) -> Addition {
        if let (outcome, field) = EventsEncoder.fault(in: event) { return .refused(outcome, field) }
        guard count < capacity.events else { return .full }
        let start = records.count
        let stringCount = strings.count
        let stringBytes = strings.bytes.count
        let timeBefore = baseTime
        write(event)
        guard payloadBytes <= capacity.payloadBytes, strings.count <= capacity.strings else {
            records.truncate(to: start)
            strings.truncate(count: stringCount, bytes: stringBytes)
            baseTime = timeBefore
            return count > 0 ? .full : .refused(.fieldTooLong, .none)
        }
        count += 1
        return .added
    }

    /// Writes the frame, header and all, and starts the next. There must be at least one event.
    public mutating func finish(requestID: UInt64, detail: Bool = false, into writer: inout ByteWriter) {
        precondition(count > 0, "an events frame has at least one event")
        writer.reserve(FrameHeader.size + payloadBytes)
        let start = writer.beginFrame(.events, flags: detail ? FrameHeader.detail : 0, requestID: requestID)
        writer.append(EventsDecoder.recordFormat)
        writer.append(varint: UInt64(strings.count))
        writer.append(bytes: strings.bytes.bytes)
        writer.append(littleEndian: baseTime ?? 0)
        writer.append(varint: UInt64(count))
        writer.append(bytes: records.bytes)
        writer.endFrame(start)
        reset()
    }

    /// What the layout cannot say. Everything else is for the server to judge.
    private static func fault(in event: borrowing UsageEvent) -> (Outcome, EventField)? {
        if let time = event.occurredAt, !time.isAccepted { return (.fieldInvalid, .occurredAt) }
        if event.usage.count > Limits.usageLines { return (.fieldInvalid, .usage) }
        if let units = event.usageUnits, units.millionths < 0 { return (.amountOutOfRange, .usageUnits) }
        if let cost = event.cost, cost.picodollars < 0 { return (.amountOutOfRange, .costAmount) }
        if let revenue = event.revenue, revenue.picodollars < 0 { return (.amountOutOfRange, .revenueAmount) }
        for line in event.usage where line.quantity.millionths < 0 { return (.amountOutOfRange, line.kind.field) }
        return nil
    }

    private mutating func write(_ event: borrowing UsageEvent) {
        let start = records.count
        // One byte for the length and two for the mask, which is what nearly every record needs.
        records.append(0)
        records.append(littleEndian: UInt16(0))
        var mask = writeKey(event.key)
        mask |= EventFieldMask.name
        records.append(varint: UInt64(index(of: event.name)))
        mask |= writeName(event.customer, EventFieldMask.customer)
        mask |= writeName(event.feature, EventFieldMask.feature)
        mask |= writeName(event.model, EventFieldMask.model)
        mask |= writeName(event.provider, EventFieldMask.provider)
        if let time = event.occurredAt {
            let base = baseTime ?? time.nanoseconds
            baseTime = base
            records.append(zigzag: time.nanoseconds &- base)
            mask |= EventFieldMask.occurredAt
        }
        if let units = event.usageUnits {
            records.append(quantity: units)
            mask |= EventFieldMask.usageUnits
        }
        if let cost = event.cost {
            records.append(varint: UInt64(cost.picodollars))
            mask |= EventFieldMask.cost
        }
        if let revenue = event.revenue {
            records.append(varint: UInt64(revenue.picodollars))
            mask |= EventFieldMask.revenue
        }
        if !event.usage.isEmpty {
            writeUsage(event.usage)
            mask |= EventFieldMask.usage
        }
        mask |= writeName(event.region, EventFieldMask.region)
        if let tier = event.tier {
            records.append(tier.rawValue)
            mask |= EventFieldMask.tier
        }
        if !event.extras.isEmpty {
            writeExtras(event.extras)
            mask |= EventFieldMask.extras
        }
        close(start, mask: mask)
    }

    /// Puts length and mask in front of the record whose three spare bytes begin at `start`.
    private mutating func close(_ start: Int, mask: UInt64) {
        let body = records.count - start - 3
        let maskBytes = mask < 1 << 7 ? 1 : mask < 1 << 14 ? 2 : 3
        let length = body + maskBytes
        let lengthBytes = length < 1 << 7 ? 1 : length < 1 << 14 ? 2 : length < 1 << 21 ? 3 : 4
        let shift = lengthBytes + maskBytes - 3
        if shift != 0 {
            if shift > 0 { _ = records.appendUninitialized(shift) }
            let from = records.base + start + 3
            memmoveBytes(from + shift, from, body)
            if shift < 0 { records.truncate(to: records.count + shift) }
        }
        store(UInt64(length), bytes: lengthBytes, at: start)
        store(mask, bytes: maskBytes, at: start + lengthBytes)
    }

    private mutating func store(_ value: UInt64, bytes count: Int, at offset: Int) {
        var rest = value
        for i in 0..<count {
            let more: UInt8 = i + 1 < count ? 0x80 : 0
            records.store(littleEndian: UInt8(truncatingIfNeeded: rest & 0x7F) | more, at: offset + i)
            rest >>= 7
        }
    }

    private mutating func writeKey(_ key: EventKey) -> UInt64 {
        switch key {
        case .none: return 0
        case .uuid(let high, let low):
            records.append(littleEndian: high.byteSwapped)
            records.append(littleEndian: low.byteSwapped)
            return EventFieldMask.keyUUID
        case .text(var text):
            return text.withUTF8 { bytes in
                let raw = UnsafeRawBufferPointer(bytes)
                var words: (UInt64, UInt64) = (0, 0)
                if parseUUID(raw, into: &words) {
                    withUnsafeBytes(of: &words) { records.append(bytes: $0) }
                    return EventFieldMask.keyUUID
                }
                records.append(lengthPrefixed: raw)
                return EventFieldMask.keyText
            }
        }
    }

    private mutating func writeName(_ text: String?, _ bit: UInt64) -> UInt64 {
        guard let text, !text.isEmpty else { return 0 }
        records.append(varint: UInt64(index(of: text)))
        return bit
    }

    private mutating func index(of text: String) -> UInt32 {
        var copy = text
        return copy.withUTF8 { strings.index(of: UnsafeRawBufferPointer($0)) }
    }

    private mutating func writeUsage(_ lines: [UsageLine]) {
        records.append(UInt8(lines.count))
        var ascending = true
        for i in 1..<max(lines.count, 1) where lines[i].kind.rawValue < lines[i - 1].kind.rawValue { ascending = false }
        for line in ascending ? lines : lines.sorted(by: { $0.kind.rawValue < $1.kind.rawValue }) {
            records.append(line.kind.rawValue)
            records.append(quantity: line.quantity)
        }
    }

    private mutating func writeExtras(_ extras: [EventExtra: String]) {
        var list = ByteWriter()
        for tag in EventExtra.allCases {
            guard var text = extras[tag], !text.isEmpty else { continue }
            list.append(tag.rawValue)
            text.withUTF8 { list.append(lengthPrefixed: UnsafeRawBufferPointer($0)) }
        }
        records.append(lengthPrefixed: list.bytes)
    }
}
