// The records of an `events` frame: the loop every event of the binary protocol goes through.
//
// Events are filled in place, in room reserved once a frame. Rare things (text keys, extras, the judging of long names)
// are calls that are never inlined, so that the common event stays in registers.

internal import Core

/// What the records of one frame share.
struct RecordScope {
    /// Names in the block before this frame's; index 1 of the frame is the next.
    var nameBase: UInt32
    var strings: UInt64
    var baseTime: Int64
    /// Every string of the table may stand in every field: no look at its length is needed where it is used.
    var allShort: Bool
    /// The highest index that five names read together may have; 0 when they may not be.
    var smallIndex: UInt64 { allShort ? min(strings, 0x7F) : 0 }
}

extension EventsDecoder {
    /// Fills `count` events behind the counted ones of the block; false when the layout is broken.
    static func decodeRecords(_ start: RecordCursor, count: Int, _ scope: RecordScope, into block: inout EventBlock) -> Bool {
        var cursor = start
        block.reserve(events: count, usage: 0)
        let first = block.events.baseAddress! + block.count
        var index = 0
        while index < count {
            let length = cursor.varint()
            guard length <= UInt64(cursor.remaining) else { return false }
            let end = cursor.at + Int(length)
            decodeRecord(&cursor, end: end, scope, first + index, &block)
            guard cursor.at == end, !cursor.failed else { return false }
            index += 1
        }
        return cursor.remaining == 0
    }

    @inline(__always)
    private static func decodeRecord(
        _ cursor: inout RecordCursor,
        end: UnsafeRawPointer,
        _ scope: RecordScope,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: inout EventBlock
    ) {
        event.initialize(to: EventRecord())
        let mask = cursor.varint()
        if mask & ~EventFieldMask.known != 0 {
            // A field this version does not know may change what the event means, so it is not counted without it. Its
            // record is skipped by its length.
            if cursor.at > end { cursor.fail() } else { cursor.move(to: end) }
            event.pointee.outcome = .malformed
            event.pointee.usageStart = UInt32(truncatingIfNeeded: block.usageCount)
            return
        }
        var flags: UInt16 = 0
        if mask & EventFieldMask.keyUUID != 0 {
            guard let raw = cursor.skip(16) else { return }
            event.pointee.key.offset = UInt32(truncatingIfNeeded: block.arena.count)
            event.pointee.key.length = 36
            writeUUID(raw, to: block.arena.appendUninitialized(36).baseAddress!)
        } else if mask & EventFieldMask.keyText == 0 {
            flags |= EventRecord.keyGenerated
        }
        if mask & EventFieldMask.keyText != 0 {
            judgeKey(readBytes(&cursor), both: mask & EventFieldMask.keyUUID != 0, event, &block)
        }
        if mask & EventFieldMask.fiveNames == EventFieldMask.fiveNames, let five = cursor.fiveSmall(highest: scope.smallIndex) {
            func name(_ place: UInt64) -> UInt32 { scope.nameBase &+ UInt32(truncatingIfNeeded: five >> (place * 8) & 0x7F) }
            event.pointee.eventName = name(0)
            event.pointee.customer = name(1)
            event.pointee.feature = name(2)
            event.pointee.model = name(3)
            event.pointee.provider = name(4)
        } else {
            readNames(&cursor, mask, scope, event, block)
        }
        if mask & EventFieldMask.occurredAt != 0 {
            let (time, overflow) = scope.baseTime.addingReportingOverflow(cursor.zigzag())
            event.pointee.occurredAt.nanoseconds = time
            flags |= EventRecord.hasOccurredAt
            if overflow || !Timestamp(nanoseconds: time).isAccepted { event.pointee.refuse(.fieldInvalid, .occurredAt) }
        }
        if mask & EventFieldMask.usageUnits != 0 {
            event.pointee.usageUnits = quantity(cursor.varint(), &cursor, event, .usageUnits)
            flags |= EventRecord.hasUsageUnits
        }
        if mask & EventFieldMask.cost != 0 {
            event.pointee.cost = readMoney(&cursor, event, .costAmount)
            flags |= EventRecord.hasCost
        }
        if mask & EventFieldMask.revenue != 0 {
            event.pointee.revenue = readMoney(&cursor, event, .revenueAmount)
            flags |= EventRecord.hasRevenue
        }
        event.pointee.flags = flags
        let usageStart = block.usageCount
        event.pointee.usageStart = UInt32(truncatingIfNeeded: usageStart)
        if mask & EventFieldMask.usage != 0 { readUsage(&cursor, event, &block) }
        var hasUsageObject = false
        if mask >= EventFieldMask.region { hasUsageObject = readRest(&cursor, mask, scope, event, &block) }
        guard event.pointee.outcome == .recorded else {
            block.usageCount = usageStart
            return
        }
        if hasUsageObject {
            // The provider's own object is what counts, as over HTTP; whoever reads it adds its lines.
            block.usageCount = usageStart
        } else if block.usageCount == usageStart, flags & EventRecord.hasUsageUnits != 0, event.pointee.model != 0 {
            // Without any count, the units of an event that names a model are its input tokens, as over HTTP.
            block.add(usage: UsageLine(kind: .inputTokens, quantity: event.pointee.usageUnits))
            event.pointee.flags |= EventRecord.unitsAsInput
        }
        event.pointee.usageCount = UInt8(truncatingIfNeeded: block.usageCount - usageStart)
    }

    /// Names one by one: some are missing, or the table is large or holds long strings.
    @inline(__always)
    private static func readNames(
        _ cursor: inout RecordCursor,
        _ mask: UInt64,
        _ scope: RecordScope,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: borrowing EventBlock
    ) {
        if mask & EventFieldMask.name != 0 {
            event.pointee.eventName = readName(&cursor, scope, event, block, limit: Limits.eventNameScalars, .eventName)
        } else {
            event.pointee.refuse(.fieldMissing, .eventName)
        }
        if mask & EventFieldMask.customer != 0 {
            let limit = Limits.customerReferenceScalars
            event.pointee.customer = readName(&cursor, scope, event, block, limit: limit, .customerReferenceId)
        }
        if mask & EventFieldMask.feature != 0 {
            event.pointee.feature = readName(&cursor, scope, event, block, limit: Limits.featureKeyScalars, .featureKey)
        }
        if mask & EventFieldMask.model != 0 {
            event.pointee.model = readName(&cursor, scope, event, block, limit: Limits.modelScalars, .model)
        }
        if mask & EventFieldMask.provider != 0 {
            event.pointee.provider = readName(&cursor, scope, event, block, limit: Limits.modelProviderScalars, .modelProvider)
        }
    }

    @inline(__always)
    private static func readName(
        _ cursor: inout RecordCursor,
        _ scope: RecordScope,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: borrowing EventBlock,
        limit: Int,
        _ field: EventField
    ) -> UInt32 {
        let index = cursor.varint()
        guard index &- 1 < scope.strings else {
            cursor.fail()
            return 0
        }
        let name = scope.nameBase &+ UInt32(truncatingIfNeeded: index)
        if !scope.allShort { judge(name, event, block, limit: limit, field) }
        return name
    }

    /// Refuses the event when the name may not stand in `field`.
    @inline(never)
    private static func judge(
        _ name: UInt32,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: borrowing EventBlock,
        limit: Int,
        _ field: EventField
    ) {
        let ref = block.names[Int(name)]
        if !ref.isEmpty {
            if ref.length > limit, scalarCount(block.text(ref)) > limit { event.pointee.refuse(.fieldTooLong, field) }
        } else if ref.offset >= unusable {
            if ref.offset & scalars > limit { event.pointee.refuse(.fieldTooLong, field) }
            if ref.offset & notText != 0 { event.pointee.refuse(.fieldInvalid, field) }
        } else if field != .eventName {
            event.pointee.refuse(.fieldInvalid, field)
        }
    }

    @inline(__always)
    private static func readMoney(
        _ cursor: inout RecordCursor,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ field: EventField
    ) -> Money {
        let raw = cursor.varint()
        guard raw <= UInt64(Int64.max) else {
            event.pointee.refuse(.amountOutOfRange, field)
            return .zero
        }
        return Money(picodollars: Int64(bitPattern: raw))
    }

    /// A quantity whose value may be beyond its range, which refuses the event; a form that is not the shortest breaks the frame.
    @inline(__always)
    private static func quantity(
        _ raw: UInt64,
        _ cursor: inout RecordCursor,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ field: @autoclosure () -> EventField
    ) -> Quantity {
        let value = raw >> 1
        if raw & 1 == 0 {
            guard value <= UInt64(Int64.max / Quantity.unit) else {
                event.pointee.refuse(.amountOutOfRange, field())
                return .zero
            }
            return Quantity(millionths: Int64(bitPattern: value) &* Quantity.unit)
        }
        if value % UInt64(Quantity.unit) == 0 { cursor.fail() }
        return Quantity(millionths: Int64(bitPattern: value))
    }

    @inline(__always)
    private static func readUsage(_ cursor: inout RecordCursor, _ event: UnsafeMutablePointer<EventRecord>, _ block: inout EventBlock) {
        let count = Int(cursor.byte())
        if count > Limits.usageLines { event.pointee.refuse(.fieldInvalid, .usage) }
        if block.usage.count - block.usageCount < count { block.reserve(events: 0, usage: count) }
        let lines = block.usage.baseAddress! + block.usageCount
        var last: UInt8 = 0
        var filled = 0
        var index = 0
        while index < count {
            let (code, raw) = cursor.byteAndVarint()
            if let kind = kind(of: code) {
                if code <= last { event.pointee.refuse(.fieldInvalid, .usage) }
                last = code
                (lines + filled).initialize(to: UsageLine(kind: kind, quantity: quantity(raw, &cursor, event, kind.field)))
                filled += 1
            } else {
                event.pointee.refuse(.fieldInvalid, .usage)
                _ = quantity(raw, &cursor, event, .usage)
            }
            index += 1
        }
        block.usageCount += filled
    }

    /// The two that nearly every event carries are told without a call.
    @inline(__always)
    private static func kind(of code: UInt8) -> UsageKind? {
        switch code {
        case UsageKind.inputTokens.rawValue: .inputTokens
        case UsageKind.outputTokens.rawValue: .outputTokens
        default: UsageKind(rawValue: code)
        }
    }

    /// Region, tier and extras: few events have any. The result is whether a provider's usage object is there.
    @inline(__always)
    private static func readRest(
        _ cursor: inout RecordCursor,
        _ mask: UInt64,
        _ scope: RecordScope,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: inout EventBlock
    ) -> Bool {
        if mask & EventFieldMask.region != 0 {
            event.pointee.region = readName(&cursor, scope, event, block, limit: Limits.regionScalars, .region)
        }
        if mask & EventFieldMask.tier != 0 {
            if let tier = ServiceTier(rawValue: cursor.byte()) {
                event.pointee.tier = tier
            } else {
                event.pointee.refuse(.fieldInvalid, .serviceTier)
            }
        }
        guard mask & EventFieldMask.extras != 0 else { return false }
        let all = readBytes(&cursor)
        guard !cursor.failed else { return false }
        guard let hasUsageObject = readExtras(all, event, &block) else {
            cursor.fail()
            return false
        }
        return hasUsageObject
    }

    /// A varint length and that many bytes; failed and empty when there are fewer.
    @inline(__always)
    private static func readBytes(_ cursor: inout RecordCursor) -> UnsafeRawBufferPointer {
        let length = cursor.varint()
        guard length <= UInt64(cursor.remaining), let start = cursor.skip(Int(length)) else {
            cursor.fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: start, count: Int(length))
    }

    @inline(never)
    private static func judgeKey(
        _ text: UnsafeRawBufferPointer,
        both: Bool,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: inout EventBlock
    ) {
        if both || FrameText.isBlank(text) || !FrameText.isClean(text) { event.pointee.refuse(.fieldInvalid, .eventIdempotencyKey) }
        if scalarCount(text) > Limits.idempotencyKeyScalars { event.pointee.refuse(.fieldTooLong, .eventIdempotencyKey) }
        if event.pointee.outcome == .recorded { event.pointee.key = block.add(text: text) }
    }
}

extension EventRecord {
    /// Refuses the event. Of several reasons the one highest on the ladder of outcomes stands, and of those the one with the
    /// lowest field code.
    @inline(never)
    mutating func refuse(_ reason: Outcome, _ about: EventField) {
        if outcome == .recorded || (reason.rawValue, about.rawValue) < (outcome.rawValue, field.rawValue) {
            outcome = reason
            field = about
        }
    }
}

extension UsageKind {
    /// The field that an unacceptable quantity of this kind is reported under.
    var field: EventField {
        switch self {
        case .inputTokens: .inputTokens
        case .outputTokens: .outputTokens
        case .cacheReadTokens: .cacheReadTokens
        case .cacheWriteTokens: .cacheWriteTokens
        case .cacheWrite1hTokens: .cacheWrite1hTokens
        case .reasoningTokens: .reasoningTokens
        default: .usage
        }
    }
}
