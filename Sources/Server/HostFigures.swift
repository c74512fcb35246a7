// HostFigures: what the runtime sees of the process, the disk and the log, for the metrics. The server itself looks at nothing.

public import Core

public struct HostFigures: Sendable {
    public var residentBytes: UInt64 = 0
    public var cpuNanoseconds: UInt64 = 0
    public var startedAt = Timestamp(nanoseconds: 0)
    /// Of the file system of the state directory.
    public var diskBytes: UInt64 = 0
    public var diskFreeBytes: UInt64 = 0
    public var errors: UInt64 = 0
    public var warnings: UInt64 = 0
    /// What kind the last error or warning was, a word of this program; nil when there was none.
    public var lastKind: String?
    public var lastAt = Timestamp(nanoseconds: 0)
    /// Something before the checkpoint that the start began with does not check out.
    public var journalIsDamaged = false
    public init() {}
}
