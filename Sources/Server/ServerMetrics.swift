// What the server counts besides the ledger.

public struct ServerMetrics: Sendable {
    public var connectionsAccepted: UInt64 = 0
    public var connectionsRefused: UInt64 = 0
    public var connectionsShed: UInt64 = 0
    public var acceptFailures: UInt64 = 0
    public var peersRefused: UInt64 = 0
    public var refusedForMemory: UInt64 = 0
    public var writeTimeouts: UInt64 = 0
    public var clockStepsBack: UInt64 = 0
    public var bytesReceived: UInt64 = 0
    public var requests: UInt64 = 0
    public var frames: UInt64 = 0
    public var commits: UInt64 = 0
    public var stalls: UInt64 = 0
    public var timeouts: UInt64 = 0
    public var badRequests: UInt64 = 0
    public var badFrames: UInt64 = 0
    public var refusedForRoom: UInt64 = 0
    public var unauthorized: UInt64 = 0
    public var commitNanoseconds: UInt64 { commitLatency.nanoseconds }
    /// Of each batch: writing and syncing.
    public var commitLatency = LatencyHistogram()
    /// From the last byte of a request until its answer may leave, for answers that wait for a batch: once for all that wait for
    /// the same one on a connection.
    public var answerLatency = LatencyHistogram()
    public var host = HostFigures()
    public var corrections: UInt64 = 0
    public init() {}
}
