// EventKeys: from the text of a key to the field it names, by its length and then two or three words.

import Core

enum EventKeys {
    /// A member of an event; `.none` for one that is not known.
    @inline(__always) static func top(_ key: UnsafeRawBufferPointer) -> EventField {
        guard let p = key.baseAddress else { return .none }
        switch key.count {
        case 4: return short(p, 4, "meta") ? .meta : .none
        case 6: return short(p, 6, "flowId") ? .flowId : .none
        case 9:
            if long(p, 9, "eventName") { return .eventName }
            if long(p, 9, "costInput") { return .costInput }
            if long(p, 9, "featureId") { return .featureId }
            return long(p, 9, "invoiceId") ? .invoiceId : .none
        case 10:
            if long(p, 10, "occurredAt") { return .occurredAt }
            if long(p, 10, "featureKey") { return .featureKey }
            if long(p, 10, "usageUnits") { return .usageUnits }
            if long(p, 10, "costAmount") { return .costAmount }
            return long(p, 10, "customerId") ? .customerId : .none
        case 13:
            if long(p, 13, "revenueAmount") { return .revenueAmount }
            return long(p, 13, "entitlementId") ? .entitlementId : .none
        case 14: return long(p, 14, "subscriptionId") ? .subscriptionId : .none
        case 16: return long(p, 16, "stripeCustomerId") ? .stripeCustomerId : .none
        case 19:
            if long(p, 19, "eventIdempotencyKey") { return .eventIdempotencyKey }
            return long(p, 19, "customerReferenceId") ? .customerReferenceId : .none
        default: return .none
        }
    }

    /// A member of `costInput`.
    @inline(__always) static func costInput(_ key: UnsafeRawBufferPointer) -> EventField {
        guard let p = key.baseAddress else { return .none }
        switch key.count {
        case 5:
            if short(p, 5, "model") { return .model }
            if short(p, 5, "usage") { return .usage }
            return short(p, 5, "batch") ? .batch : .none
        case 6: return short(p, 6, "region") ? .region : .none
        case 9: return long(p, 9, "costUnits") ? .costUnits : .none
        case 11:
            if long(p, 11, "inputTokens") { return .inputTokens }
            if long(p, 11, "serviceTier") { return .serviceTier }
            return long(p, 11, "usageFormat") ? .usageFormat : .none
        case 12: return long(p, 12, "outputTokens") ? .outputTokens : .none
        case 13: return long(p, 13, "modelProvider") ? .modelProvider : .none
        case 15:
            if long(p, 15, "cacheReadTokens") { return .cacheReadTokens }
            return long(p, 15, "reasoningTokens") ? .reasoningTokens : .none
        case 16: return long(p, 16, "cacheWriteTokens") ? .cacheWriteTokens : .none
        case 18: return long(p, 18, "cacheWrite1hTokens") ? .cacheWrite1hTokens : .none
        default: return .none
        }
    }

    /// The tier a provider's word means, letters folded; nil for one that is not known, because a guess would be a price.
    static func tier(_ text: UnsafeRawBufferPointer) -> ServiceTier? {
        guard let p = text.baseAddress else { return nil }
        func isWord(_ word: StaticString) -> Bool { HTTPGrammar.isShort(p, text.count, word) }
        if isWord("standard") || isWord("default") || isWord("auto") || isWord("on_demand") || isWord("standard_only") { return .standard }
        if isWord("batch") { return .batch }
        if isWord("flex") { return .flex }
        if isWord("priority") { return .priority }
        return isWord("fast") ? .fast : nil
    }

    /// Whether the `length` bytes at `p` are `name`; `length` is at least 8 and the length of `name`.
    @inline(__always) private static func long(_ p: UnsafeRawPointer, _ length: Int, _ name: StaticString) -> Bool {
        let q = UnsafeRawPointer(name.utf8Start)
        var different = HTTPGrammar.word(p, 0) ^ HTTPGrammar.word(q, 0)
        if length > 16 { different |= HTTPGrammar.word(p, 8) ^ HTTPGrammar.word(q, 8) }
        return different | (HTTPGrammar.word(p, length - 8) ^ HTTPGrammar.word(q, length - 8)) == 0
    }

    /// The same for four to seven bytes.
    @inline(__always) private static func short(_ p: UnsafeRawPointer, _ length: Int, _ name: StaticString) -> Bool {
        let q = UnsafeRawPointer(name.utf8Start)
        func half(_ base: UnsafeRawPointer, _ offset: Int) -> UInt32 { base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        return (half(p, 0) ^ half(q, 0)) | (half(p, length - 4) ^ half(q, length - 4)) == 0
    }
}
