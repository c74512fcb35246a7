// Outcome: what became of one event. The order of the cases is their precedence: an event's outcome is the first line of
// this ladder that holds. `protocol/outcomes.md` and `protocol/openapi.yaml` list the same codes in the same order, and a
// test compares the three.

/// What became of one event (or of a whole request, where no event could be read).
@frozen
public enum Outcome: UInt8, CaseIterable, Sendable {
    /// Priced, journaled, counted.
    case recorded = 0
    /// The bytes or the JSON of this event do not follow the format.
    case malformed = 1
    /// A required field is missing or null.
    case fieldMissing = 2
    /// A field is longer than its limit.
    case fieldTooLong = 3
    /// A field has the wrong type or holds what it may not hold.
    case fieldInvalid = 4
    /// An amount or quantity is negative or beyond its range.
    case amountOutOfRange = 5
    /// A part of the usage is larger than its total.
    case usageInconsistent = 6
    /// The same idempotency key and the same payload were recorded before.
    case duplicate = 7
    /// The same idempotency key was recorded before with another payload.
    case conflict = 8
    /// The state directory has no room. Nothing was recorded.
    case storageFull = 9
    /// Too much is pending. Nothing was recorded; try again.
    case overloaded = 10

    /// The `code` of the error object in HTTP replies.
    public var code: StaticString {
        switch self {
        case .recorded: "recorded"
        case .malformed, .fieldMissing, .fieldTooLong, .fieldInvalid: "validation_failed"
        case .amountOutOfRange: "amount_out_of_range"
        case .usageInconsistent: "usage_inconsistent"
        case .duplicate, .conflict: "duplicate_event"
        case .storageFull: "storage_full"
        case .overloaded: "overloaded"
        }
    }

    /// The name of the case in snake_case, as `protocol/outcomes.md` lists it.
    public var name: StaticString {
        switch self {
        case .recorded: "recorded"
        case .malformed: "malformed"
        case .fieldMissing: "field_missing"
        case .fieldTooLong: "field_too_long"
        case .fieldInvalid: "field_invalid"
        case .amountOutOfRange: "amount_out_of_range"
        case .usageInconsistent: "usage_inconsistent"
        case .duplicate: "duplicate"
        case .conflict: "conflict"
        case .storageFull: "storage_full"
        case .overloaded: "overloaded"
        }
    }

    /// The HTTP status of a single event with this outcome.
    public var httpStatus: UInt16 {
        switch self {
        case .recorded: 201
        case .malformed, .fieldMissing, .fieldTooLong, .fieldInvalid: 400
        case .amountOutOfRange, .usageInconsistent: 422
        case .duplicate, .conflict: 409
        case .storageFull: 507
        case .overloaded: 503
        }
    }
}

/// The field an outcome is about. Codes are part of the binary protocol.
@frozen
public enum EventField: UInt8, CaseIterable, Sendable {
    case none = 0
    case eventName = 1
    case eventIdempotencyKey = 2
    case customerReferenceId = 3
    case stripeCustomerId = 4
    case customerId = 5
    case featureKey = 6
    case featureId = 7
    case subscriptionId = 8
    case entitlementId = 9
    case invoiceId = 10
    case occurredAt = 11
    case flowId = 12
    case usageUnits = 13
    case costAmount = 14
    case revenueAmount = 15
    case costInput = 16
    case model = 17
    case modelProvider = 18
    case inputTokens = 19
    case outputTokens = 20
    case costUnits = 21
    case cacheReadTokens = 22
    case cacheWriteTokens = 23
    case cacheWrite1hTokens = 24
    case reasoningTokens = 25
    case usage = 26
    case usageFormat = 27
    case serviceTier = 28
    case batch = 29
    case region = 30
    case meta = 31

    /// The path of the field in the JSON of an event.
    public var name: StaticString {
        switch self {
        case .none: "event"
        case .eventName: "eventName"
        case .eventIdempotencyKey: "eventIdempotencyKey"
        case .customerReferenceId: "customerReferenceId"
        case .stripeCustomerId: "stripeCustomerId"
        case .customerId: "customerId"
        case .featureKey: "featureKey"
        case .featureId: "featureId"
        case .subscriptionId: "subscriptionId"
        case .entitlementId: "entitlementId"
        case .invoiceId: "invoiceId"
        case .occurredAt: "occurredAt"
        case .flowId: "flowId"
        case .usageUnits: "usageUnits"
        case .costAmount: "costAmount"
        case .revenueAmount: "revenueAmount"
        case .costInput: "costInput"
        case .model: "costInput.model"
        case .modelProvider: "costInput.modelProvider"
        case .inputTokens: "costInput.inputTokens"
        case .outputTokens: "costInput.outputTokens"
        case .costUnits: "costInput.costUnits"
        case .cacheReadTokens: "costInput.cacheReadTokens"
        case .cacheWriteTokens: "costInput.cacheWriteTokens"
        case .cacheWrite1hTokens: "costInput.cacheWrite1hTokens"
        case .reasoningTokens: "costInput.reasoningTokens"
        case .usage: "costInput.usage"
        case .usageFormat: "costInput.usageFormat"
        case .serviceTier: "costInput.serviceTier"
        case .batch: "costInput.batch"
        case .region: "costInput.region"
        case .meta: "meta"
        }
    }
}
