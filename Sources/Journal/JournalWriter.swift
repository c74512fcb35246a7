// JournalWriter: makes batches durable, one at a time. It lives on the journal thread.
//
// A commit writes the batch where it was opened and syncs, once. The first batch of a segment is preceded by the segment's
// header, with a sync of its own: a batch is never on disk before the header it depends on, which is what lets recovery
// tell a crash from damage. After any error the writer is finished: a sync that failed may have thrown pages away and
// report success the next time, so nothing is tried again and nothing is acknowledged again.

public import Core

public struct JournalWriter<S: Storage>: ~Copyable {
    let storage: S
    /// Where the next batch goes; everything before it is durable.
    public private(set) var tail: JournalTail
    /// The error that ended it.
    public private(set) var failure: StorageError?
    private let segmentBytes: Int
    private var file: String
    private var seed: UInt32
    private var block: ByteWriter

    /// Goes on at `tail`. `segmentBytes` is the size of the segments begun from here on.
    public init(storage: S, tail: JournalTail, segmentBytes: Int) {
        precondition(SegmentFormat.isValid(size: segmentBytes) && SegmentFormat.isValid(size: tail.segmentBytes))
        self.storage = storage
        self.tail = tail
        self.segmentBytes = segmentBytes
        file = SegmentFormat.fileName(tail.segment)
        seed = tail.id.seed(segment: tail.segment)
        block = ByteWriter(capacity: SegmentFormat.headerBytes, alignment: 4096)
    }

    /// Everything before this position is durable.
    public var durableEnd: JournalPosition { tail.position }

    /// Writes and syncs. When it returns, every fact of the batch is durable; when it throws, it may or may not be, and
    /// every later commit throws the same. A batch without facts is written as a mark.
    public mutating func commit(_ batch: inout BatchBuilder) throws(StorageError) {
        if let failure { throw failure }
        do {
            try write(&batch)
        } catch {
            failure = error
            throw error
        }
    }

    private mutating func write(_ batch: inout BatchBuilder) throws(StorageError) {
        let first = Int(batch.offset) == SegmentFormat.headerBytes
        if batch.segment != tail.segment {
            precondition(batch.segment == tail.segment + 1 && first, "a batch must continue the journal")
            tail.segment = batch.segment
            tail.offset = batch.offset
            tail.segmentBytes = segmentBytes
            file = SegmentFormat.fileName(batch.segment)
            seed = tail.id.seed(segment: batch.segment)
        }
        precondition(batch.offset == tail.offset && batch.firstSequence == tail.nextSequence, "a batch must continue the journal")
        precondition(batch.openedAt >= tail.lastTime, "time must not go back")
        if first {
            let header = SegmentHeader(
                id: tail.id, number: tail.segment, previousCRC: tail.lastCRC, firstSequence: tail.nextSequence,
                createdAt: batch.openedAt, segmentBytes: tail.segmentBytes)
            header.write(to: &block)
            try storage.write(file, at: 0, block.bytes)
            try storage.sync(file)
        }
        let crc = BatchHeader.seal(&batch, previousCRC: tail.lastCRC, seed: seed)
        let length = batch.writer.count
        precondition(Int(batch.offset) + length <= tail.segmentBytes, "a batch must not cross its segment's end")
        try storage.write(file, at: Int(batch.offset), batch.writer.bytes)
        try storage.sync(file)
        tail.offset += UInt32(truncatingIfNeeded: length)
        tail.nextSequence += UInt64(batch.eventCount)
        tail.lastCRC = crc
        tail.lastTime = batch.openedAt
    }
}
