// The rare fields of an event, as they stand in the record and go on to the journal: tag, varint length, bytes.
//
// They are judged here and copied whole; nobody reads one before somebody asks for the event.

internal import Core

extension EventsDecoder {
    /// Judges the extras of a record and keeps them. The result is whether a provider's usage object is among them; nil when
    /// they do not fill their length exactly.
    @inline(never)
    static func readExtras(
        _ all: UnsafeRawBufferPointer,
        _ event: UnsafeMutablePointer<EventRecord>,
        _ block: inout EventBlock
    ) -> Bool? {
        var entries = ByteReader(all)
        var hasUsageObject = false
        var last: UInt8 = 0
        while !entries.atEnd {
            let tag = entries.byte()
            let value = entries.lengthPrefixed()
            if entries.failed { return nil }
            guard let extra = EventExtra(rawValue: tag) else {
                // From a later version: it may change what the event means.
                event.pointee.refuse(.malformed, .none)
                continue
            }
            if tag <= last { event.pointee.refuse(.fieldInvalid, extra.field) }
            last = tag
            if extra == .usage { hasUsageObject = true }
            judge(extra, value, &event.pointee)
        }
        if event.pointee.outcome == .recorded { event.pointee.extras = block.add(text: all) }
        return hasUsageObject
    }

    private static func judge(_ extra: EventExtra, _ value: UnsafeRawBufferPointer, _ event: inout EventRecord) {
        switch extra {
        case .meta, .usage:
            let limit = extra == .meta ? Limits.metaBytes : Limits.usageObjectBytes
            if value.count > limit { return event.refuse(.fieldTooLong, extra.field) }
            if !JSONObjectText.isObject(value) { event.refuse(.fieldInvalid, extra.field) }
        case .customerId, .featureId, .subscriptionId, .entitlementId, .invoiceId:
            if !FrameText.isUUID(value) { event.refuse(.fieldInvalid, extra.field) }
        case .stripeCustomerId, .flowId, .usageFormat:
            let limit = extra == .flowId ? Limits.flowIdScalars : Limits.identifierScalars
            if scalarCount(value) > limit { event.refuse(.fieldTooLong, extra.field) }
            if value.count == 0 || !FrameText.isClean(value) { event.refuse(.fieldInvalid, extra.field) }
        }
    }
}

extension EventExtra {
    var field: EventField {
        switch self {
        case .stripeCustomerId: .stripeCustomerId
        case .customerId: .customerId
        case .featureId: .featureId
        case .subscriptionId: .subscriptionId
        case .entitlementId: .entitlementId
        case .invoiceId: .invoiceId
        case .flowId: .flowId
        case .meta: .meta
        case .usage: .usage
        case .usageFormat: .usageFormat
        }
    }
}
