// The members of one event: which field a key names, what its value may be, and what the event becomes.
//
// The outcome does not depend on the order of the members: the lowest line of the ladder wins, then the lowest field code.

import CSimdjson
import Core

/// What has been read of one event.
struct EventScan {
    var event = EventRecord()
    var ignoringKey = false
    /// `eventName` is there and not null.
    var isNamed = false
    /// A bit for each `EventField` that was there, by code.
    var seen: UInt32 = 0
    /// A bit for each rare field that has a value, by tag.
    var extras: UInt32 = 0
    var extrasBytes = 0
    var isBatch = false
    var hasTier = false
    // Millionths; -1 is absent.
    var inputTokens: Int64 = -1
    var outputTokens: Int64 = -1
    var costUnits: Int64 = -1
    var cacheReadTokens: Int64 = -1
    var cacheWriteTokens: Int64 = -1
    var cacheWrite1hTokens: Int64 = -1
    var reasoningTokens: Int64 = -1

    /// Keeps the outcome that comes first in the ladder, then the field that comes first.
    mutating func refuse(_ outcome: Outcome, _ field: EventField) {
        let worse = event.outcome != .recorded && outcome.rawValue > event.outcome.rawValue
        let later = outcome == event.outcome && field.rawValue >= event.field.rawValue
        if worse || later { return }
        event.outcome = outcome
        event.field = field
    }
}

extension EventJSON {
    mutating func readMembers(_ scan: inout EventScan, _ block: inout EventBlock) {
        let nodes = reader.nodes
        let end = Int(nodes[0].end)
        var i = 1
        var unknownCount = 0
        while i < end {
            let node = nodes[i]
            let key = reader.key(node)
            let field = EventKeys.top(key)
            if field == .none {
                if !noteUnknown(key, 0, &unknownCount) || repeatsKeyInside(i) { scan.refuse(.fieldInvalid, .none) }
            } else if once(&scan, field) {
                if field == .costInput {
                    readCostInput(i, &scan, &block)
                } else if node.kind != JSONNodeKind.null {
                    readTop(field, node, &scan, &block)
                    if field == .meta, repeatsKeyInside(i) { scan.refuse(.fieldInvalid, .meta) }
                }
            }
            i = Int(node.end)
        }
    }

    private mutating func readCostInput(_ index: Int, _ scan: inout EventScan, _ block: inout EventBlock) {
        let nodes = reader.nodes
        let object = nodes[index]
        if object.kind == JSONNodeKind.null { return }
        guard object.kind == JSONNodeKind.object else { return scan.refuse(.fieldInvalid, .costInput) }
        let end = Int(object.end)
        var i = index + 1
        var unknownCount = 0
        while i < end {
            let node = nodes[i]
            let key = reader.key(node)
            let field = EventKeys.costInput(key)
            if field == .none {
                if !noteUnknown(key, Limits.jsonUnknownFields, &unknownCount) || repeatsKeyInside(i) {
                    scan.refuse(.fieldInvalid, .costInput)
                }
            } else if once(&scan, field), node.kind != JSONNodeKind.null {
                readCost(field, node, &scan, &block)
            }
            i = Int(node.end)
        }
    }

    /// Whether an object at or below the node has a key twice.
    @inline(__always) private mutating func repeatsKeyInside(_ index: Int) -> Bool {
        let end = Int(reader.nodes[index].end)
        return end > index + 1 && reader.repeatsKey(from: index, to: end)
    }

    /// Notes that a field is there; false (and refused) when it was there before.
    @inline(__always) private func once(_ scan: inout EventScan, _ field: EventField) -> Bool {
        let bit = UInt32(1) << UInt32(field.rawValue)
        if scan.seen & bit != 0 {
            scan.refuse(.fieldInvalid, field)
            return false
        }
        scan.seen |= bit
        return true
    }

    /// False when the key was there before, or when there are too many to tell.
    private func noteUnknown(_ key: UnsafeRawBufferPointer, _ base: Int, _ count: inout Int) -> Bool {
        guard count < Limits.jsonUnknownFields else { return false }
        for i in base..<base + count where sameBytes(unknown[i], key) { return false }
        unknown[base + count] = key
        count += 1
        return true
    }

    private mutating func readTop(_ field: EventField, _ node: JSONReader.Node, _ scan: inout EventScan, _ block: inout EventBlock) {
        switch field {
        case .eventName:
            scan.isNamed = true
            guard let text = text(node, field, Limits.eventNameScalars, &scan) else { return }
            scan.event.eventName = Self.name(text, recent, &block)
        case .eventIdempotencyKey:
            if scan.ignoringKey { return }
            guard let text = text(node, field, Limits.idempotencyKeyScalars, &scan), !FieldText.isBlank(text) else { return }
            scan.event.key = block.add(text: text)
        case .customerReferenceId:
            guard let text = text(node, field, Limits.customerReferenceScalars, &scan), !text.isEmpty else { return }
            scan.event.customer = Self.name(text, recent, &block)
        case .featureKey:
            guard let text = text(node, field, Limits.featureKeyScalars, &scan), !text.isEmpty else { return }
            scan.event.feature = Self.name(text, recent, &block)
        case .stripeCustomerId:
            guard let text = text(node, field, Limits.identifierScalars, &scan) else { return }
            note(.stripeCustomerId, text, &scan)
        case .flowId:
            guard let text = text(node, field, Limits.flowIdScalars, &scan) else { return }
            note(.flowId, text, &scan)
        case .customerId: readUUID(node, field, .customerId, &scan)
        case .featureId: readUUID(node, field, .featureId, &scan)
        case .subscriptionId: readUUID(node, field, .subscriptionId, &scan)
        case .entitlementId: readUUID(node, field, .entitlementId, &scan)
        case .invoiceId: readUUID(node, field, .invoiceId, &scan)
        case .occurredAt:
            guard node.kind == JSONNodeKind.string, let time = Timestamp(rfc3339: reader.value(node)), time.isAccepted else {
                return scan.refuse(.fieldInvalid, field)
            }
            scan.event.occurredAt = time
            scan.event.flags |= EventRecord.hasOccurredAt
        case .usageUnits:
            guard let value = amount(node, field, Quantity.scale, &scan) else { return }
            scan.event.usageUnits = Quantity(millionths: value)
            scan.event.flags |= EventRecord.hasUsageUnits
        case .costAmount:
            guard let value = amount(node, field, Money.scale, &scan) else { return }
            scan.event.cost = Money(picodollars: value)
            scan.event.flags |= EventRecord.hasCost
        case .revenueAmount:
            guard let value = amount(node, field, Money.scale, &scan) else { return }
            scan.event.revenue = Money(picodollars: value)
            scan.event.flags |= EventRecord.hasRevenue
        case .meta:
            guard node.kind == JSONNodeKind.object else { return scan.refuse(.fieldInvalid, field) }
            let raw = reader.value(node)
            guard raw.count <= Limits.metaBytes else { return scan.refuse(.fieldTooLong, field) }
            note(.meta, raw, &scan)
        default: return
        }
    }

    private mutating func readCost(_ field: EventField, _ node: JSONReader.Node, _ scan: inout EventScan, _ block: inout EventBlock) {
        switch field {
        case .model:
            guard let text = text(node, field, Limits.modelScalars, &scan), !text.isEmpty else { return }
            scan.event.model = Self.name(text, recent, &block)
        case .modelProvider:
            guard let text = text(node, field, Limits.modelProviderScalars, &scan), !text.isEmpty else { return }
            scan.event.provider = Self.name(text, recent, &block)
        case .region:
            guard let text = text(node, field, Limits.regionScalars, &scan), !text.isEmpty else { return }
            scan.event.region = Self.name(text, recent, &block)
        case .inputTokens: scan.inputTokens = amount(node, field, Quantity.scale, &scan) ?? -1
        case .outputTokens: scan.outputTokens = amount(node, field, Quantity.scale, &scan) ?? -1
        case .costUnits: scan.costUnits = amount(node, field, Quantity.scale, &scan) ?? -1
        case .cacheReadTokens: scan.cacheReadTokens = amount(node, field, Quantity.scale, &scan) ?? -1
        case .cacheWriteTokens: scan.cacheWriteTokens = amount(node, field, Quantity.scale, &scan) ?? -1
        case .cacheWrite1hTokens: scan.cacheWrite1hTokens = amount(node, field, Quantity.scale, &scan) ?? -1
        case .reasoningTokens: scan.reasoningTokens = amount(node, field, Quantity.scale, &scan) ?? -1
        case .usage:
            guard node.kind == JSONNodeKind.object else { return scan.refuse(.fieldInvalid, field) }
            let raw = reader.value(node)
            guard raw.count <= Limits.usageObjectBytes else { return scan.refuse(.fieldTooLong, field) }
            note(.usage, raw, &scan)
        case .usageFormat:
            guard let text = text(node, field, Limits.identifierScalars, &scan) else { return }
            note(.usageFormat, text, &scan)
        case .serviceTier:
            guard let text = text(node, field, Limits.identifierScalars, &scan), !text.isEmpty else { return }
            guard let tier = EventKeys.tier(text) else { return scan.refuse(.fieldInvalid, field) }
            scan.event.tier = tier
            scan.hasTier = true
        case .batch:
            guard node.kind == JSONNodeKind.true || node.kind == JSONNodeKind.false else { return scan.refuse(.fieldInvalid, field) }
            scan.isBatch = node.kind == JSONNodeKind.true
        default: return
        }
    }

    /// The text of a string that may be a name; nil when it may not (and the event is refused).
    @inline(__always) private func text(
        _ node: JSONReader.Node, _ field: EventField, _ limit: Int, _ scan: inout EventScan
    ) -> UnsafeRawBufferPointer? {
        guard node.kind == JSONNodeKind.string else {
            scan.refuse(.fieldInvalid, field)
            return nil
        }
        let text = reader.value(node)
        if FieldText.isLonger(text, than: limit) {
            scan.refuse(.fieldTooLong, field)
            return nil
        }
        if FieldText.hasControl(text) {
            scan.refuse(.fieldInvalid, field)
            return nil
        }
        return text
    }

    /// The index of a name in the block, which is one that stands there already if some field had it lately: so the ledger looks a
    /// name up once a request, not once an event.
    @inline(__always) private static func name(
        _ text: UnsafeRawBufferPointer, _ recent: UnsafeMutablePointer<UInt32>, _ block: inout EventBlock
    ) -> UInt32 {
        let slot = recent + RecentNames.slot(text)
        let last = slot.pointee
        if last != 0, last <= block.nameCount, sameBytes(block.name(last), text) { return last }
        let fresh = block.add(name: text)
        slot.pointee = fresh
        return fresh
    }

    private func readUUID(_ node: JSONReader.Node, _ field: EventField, _ tag: EventExtra, _ scan: inout EventScan) {
        guard node.kind == JSONNodeKind.string, FieldText.isUUID(reader.value(node)) else { return scan.refuse(.fieldInvalid, field) }
        note(tag, reader.value(node), &scan)
    }

    @inline(__always) private func note(_ tag: EventExtra, _ text: UnsafeRawBufferPointer, _ scan: inout EventScan) {
        if text.isEmpty { return }
        slots[Int(tag.rawValue)] = text
        scan.extras |= 1 << UInt32(tag.rawValue)
        scan.extrasBytes += text.count + 4
    }

    /// A number, or a string that holds one, scaled by 10^`places`; nil when it may not be (and the event is refused).
    @inline(__always) private func amount(
        _ node: JSONReader.Node, _ field: EventField, _ places: Int, _ scan: inout EventScan
    ) -> Int64? {
        guard node.kind == JSONNodeKind.number || node.kind == JSONNodeKind.string else {
            scan.refuse(.fieldInvalid, field)
            return nil
        }
        let text = reader.value(node)
        switch DecimalText.read(text, places: places) {
        case .value(let value) where value >= 0: return value
        case .value, .outOfRange: scan.refuse(.amountOutOfRange, field)
        case .malformed: scan.refuse(.fieldInvalid, field)
        }
        return nil
    }

    /// Adds the event with its usage lines and rare fields.
    mutating func finish(_ scan: inout EventScan, _ block: inout EventBlock) {
        scan.event.usageStart = UInt32(truncatingIfNeeded: block.usageCount)
        if scan.isBatch {
            if scan.hasTier, scan.event.tier != .standard, scan.event.tier != .batch { scan.refuse(.fieldInvalid, .batch) }
            scan.event.tier = .batch
        }
        if !scan.isNamed { scan.refuse(.fieldMissing, .eventName) }
        if scan.event.outcome != .recorded {
            block.add(scan.event)
            return
        }
        if scan.event.key.isEmpty { scan.event.flags |= EventRecord.keyGenerated }
        if scan.extras & (1 << UInt32(EventExtra.usage.rawValue)) == 0 { addUsage(&scan, &block) }
        if scan.extras != 0 { addExtras(&scan, &block) }
        block.add(scan.event)
    }

    private func addUsage(_ scan: inout EventScan, _ block: inout EventBlock) {
        let before = block.usageCount
        if scan.inputTokens >= 0 {
            add(.inputTokens, scan.inputTokens, &block)
        } else if scan.outputTokens < 0, scan.costUnits >= 0 {
            add(.inputTokens, scan.costUnits, &block)
        }
        if scan.outputTokens >= 0 { add(.outputTokens, scan.outputTokens, &block) }
        if scan.cacheReadTokens >= 0 { add(.cacheReadTokens, scan.cacheReadTokens, &block) }
        if scan.cacheWriteTokens >= 0 { add(.cacheWriteTokens, scan.cacheWriteTokens, &block) }
        if scan.cacheWrite1hTokens >= 0 { add(.cacheWrite1hTokens, scan.cacheWrite1hTokens, &block) }
        if scan.reasoningTokens >= 0 { add(.reasoningTokens, scan.reasoningTokens, &block) }
        if block.usageCount == before, scan.event.flags & EventRecord.hasUsageUnits != 0, scan.event.model != 0 {
            add(.inputTokens, scan.event.usageUnits.millionths, &block)
            scan.event.flags |= EventRecord.unitsAsInput
        }
        scan.event.usageCount = UInt8(truncatingIfNeeded: block.usageCount - before)
    }

    private func add(_ kind: UsageKind, _ millionths: Int64, _ block: inout EventBlock) {
        block.add(usage: UsageLine(kind: kind, quantity: Quantity(millionths: millionths)))
    }

    private func addExtras(_ scan: inout EventScan, _ block: inout EventBlock) {
        block.arena.reserve(scan.extrasBytes)
        let start = block.arena.count
        var rest = scan.extras
        while rest != 0 {
            let tag = rest.trailingZeroBitCount
            rest &= rest - 1
            block.arena.append(UInt8(truncatingIfNeeded: tag))
            block.arena.append(varint: UInt64(slots[tag].count))
            block.arena.append(bytes: slots[tag])
        }
        let length = block.arena.count - start
        scan.event.extras = TextRef(offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length))
    }
}
