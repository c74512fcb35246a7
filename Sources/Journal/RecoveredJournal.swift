// RecoveredJournal: what recovery found, and the place from which it may begin.

public import Core

/// A batch of a journal, and with its checksum all that came before it.
public struct JournalPlace: Equatable, Sendable {
    public var id: JournalID
    /// Of its header.
    public var batch: JournalPosition
    public var crc: UInt32

    public init(id: JournalID, batch: JournalPosition, crc: UInt32) {
        self.id = id
        self.batch = batch
        self.crc = crc
    }
}

/// What recovery found.
public struct RecoveredJournal: Equatable, Sendable {
    public var tail: JournalTail
    /// The lowest segment there is; 0 when there was none.
    public var firstSegment: UInt32 = 0
    /// Files that stand for segments before it, lowest first.
    public var condensed: [CondensedRange] = []
    public var condensedBytes: Int = 0
    /// Events that are no longer kept. They are among `events`.
    public var droppedEvents: UInt64 = 0
    /// The highest segment that exists, prepared or in use; 0 when there is none.
    public var lastPrepared: UInt32 = 0
    /// Batches that were visited.
    public var batches: UInt64 = 0
    /// Events of the whole journal.
    public var events: UInt64 = 0
    /// Bytes of batches that were visited, padding included.
    public var bytes: UInt64 = 0
    /// Bytes of a torn batch or header that were (or, when inspecting, would be) set to zero.
    public var cutBytes: Int = 0
    /// Bytes by which the last segment was (or would be) extended.
    public var extendedBytes: Int = 0
    /// Blank files that were (or would be) removed.
    public var removed: [String] = []
    /// Names that are not segments.
    public var ignored: [String] = []
    /// The last batch; nil when the journal has none, or a condensed file ends it.
    public var last: JournalPlace?

    init(tail: JournalTail) { self.tail = tail }
}
