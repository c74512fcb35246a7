// JournalError: why a journal is not read on. Damage names the file, the byte and the reason; it is never repaired by
// guessing, because what stands after it may have been acknowledged.

/// Why bytes of a journal cannot be what was written.
public enum DamageReason: String, Sendable, Equatable, CaseIterable {
    /// A segment's header is not there or does not check out, yet something was written after it.
    case header
    /// The header's number is not the one in the file's name.
    case number
    /// The segment belongs to another journal.
    case foreign
    /// A segment between two others is missing.
    case missingSegment
    /// The file is shorter than its header says, and a later segment was begun.
    case shortSegment
    /// The file is longer than its header says.
    case longSegment
    /// A batch's header does not check out, yet a later batch was begun.
    case batchHeader
    /// A batch's contents do not check out, yet a later batch was begun.
    case batchBody
    /// A batch that checks out does not go on from the one before it.
    case chain
    /// A batch that checks out does not go on with the next sequence.
    case sequence
    /// The next segment goes on from another batch than the last one of this segment.
    case missingBatches
    /// Bytes that are not zero where nothing was written.
    case residue
    /// A batch that is known to be durable is not there.
    case missingBatch
    /// The facts of a batch that checks out cannot be read.
    case facts
    /// An event's sequence is not the one that its place gives.
    case eventSequence
    /// A fact names a string that its segment has not defined.
    case string
    /// The header's count or times are not those of the batch's events.
    case summary
    /// The batch was opened before the one before it.
    case time

    public var text: String {
        switch self {
        case .header: "the segment's header is damaged"
        case .number: "the segment's header carries another number than the file's name"
        case .foreign: "the segment belongs to another journal"
        case .missingSegment: "the segment is missing"
        case .shortSegment: "the segment is shorter than its header says"
        case .longSegment: "the segment is longer than its header says"
        case .batchHeader: "a batch's header is damaged, and a later batch exists"
        case .batchBody: "a batch's contents are damaged, and a later batch exists"
        case .chain: "the batch does not continue the one before it"
        case .sequence: "the batch does not continue the sequence"
        case .missingBatches: "batches are missing before the next segment"
        case .residue: "there are bytes where nothing was written"
        case .missingBatch: "a batch that was made durable is missing"
        case .facts: "the batch's facts cannot be read"
        case .eventSequence: "the event's sequence is not the one its place gives"
        case .string: "a string is used that the segment has not defined"
        case .summary: "the batch's header does not agree with its events"
        case .time: "the batch was opened before the one before it"
        }
    }
}

public enum JournalError: Error, CustomStringConvertible {
    /// The bytes at `offset` of `file` cannot be what was written.
    case damage(file: String, offset: Int, reason: DamageReason)
    /// Written by a newer version of the program.
    case unsupported(file: String, offset: Int, version: UInt32)
    case storage(StorageError)
    /// What the caller's closure threw.
    case visitor(any Error)

    public var description: String {
        switch self {
        case .damage(let file, let offset, let reason): "\(file) is damaged at byte \(offset): \(reason.text)"
        case .unsupported(let file, let offset, let version):
            "\(file) at byte \(offset) has format version \(version); this program reads version \(SegmentFormat.version)"
        case .storage(let error): "\(error.operation.rawValue) of \(error.file) failed with errno \(error.errno)"
        case .visitor(let error): "\(error)"
        }
    }

    /// Whether the journal itself is at fault.
    public var isDamage: Bool {
        if case .damage = self { return true }
        return false
    }
}
