// FrameLimit: the limits a hello reply carries, so that a client can obey a server that was built with other ones. Ids are
// part of the protocol; the values are those of `Limits`.

internal import Core

/// A limit named in a hello reply.
@frozen
public enum FrameLimit: UInt8, CaseIterable, Sendable {
    case framePayloadBytes = 1
    case frameEvents = 2
    case frameStrings = 3
    case eventNameScalars = 4
    case idempotencyKeyScalars = 5
    case customerReferenceScalars = 6
    case featureKeyScalars = 7
    case modelScalars = 8
    case modelProviderScalars = 9
    case regionScalars = 10
    case flowIdScalars = 11
    case identifierScalars = 12
    case metaBytes = 13
    case usageObjectBytes = 14
    case usageLines = 15
    case customerFieldScalars = 16
    case emailScalars = 17
    case pingBytes = 18
    case idleSeconds = 19

    /// What this build holds to.
    public var value: Int {
        switch self {
        case .framePayloadBytes: Limits.framePayloadBytes
        case .frameEvents: Limits.frameEvents
        case .frameStrings: Limits.frameStrings
        case .eventNameScalars: Limits.eventNameScalars
        case .idempotencyKeyScalars: Limits.idempotencyKeyScalars
        case .customerReferenceScalars: Limits.customerReferenceScalars
        case .featureKeyScalars: Limits.featureKeyScalars
        case .modelScalars: Limits.modelScalars
        case .modelProviderScalars: Limits.modelProviderScalars
        case .regionScalars: Limits.regionScalars
        case .flowIdScalars: Limits.flowIdScalars
        case .identifierScalars: Limits.identifierScalars
        case .metaBytes: Limits.metaBytes
        case .usageObjectBytes: Limits.usageObjectBytes
        case .usageLines: Limits.usageLines
        case .customerFieldScalars: Limits.customerFieldScalars
        case .emailScalars: Limits.emailScalars
        case .pingBytes: Limits.pingBytes
        case .idleSeconds: Limits.idleSeconds
        }
    }
}
