// JournalWriter: makes batches durable, one at a time. It lives on the journal thread.
//
// A commit is one durable write of whole blocks: the block in which the batch before ended, its bytes unchanged, then the batch,
// then zeros to the end of its last block. So the disk may take it past the page cache. A crash leaves each sector as it was or as
// it was to be, and what is before the batch is the same in both. The first batch of a segment is preceded by the segment's
// header, with a durable write of its own: a batch is never on disk before the header it depends on, which is what lets recovery
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
    /// What is written next, in whole blocks. Between two commits its first `carried` bytes are those of the block at the tail
    /// before the tail; -1 when they have to be read first.
    private var blocks: ByteWriter
    private var carried = -1

    /// Goes on at `tail`. `segmentBytes` is the size of the segments begun from here on.
    public init(storage: S, tail: JournalTail, segmentBytes: Int) {
        precondition(SegmentFormat.isValid(size: segmentBytes) && SegmentFormat.isValid(size: tail.segmentBytes))
        self.storage = storage
        self.tail = tail
        self.segmentBytes = segmentBytes
        file = SegmentFormat.fileName(tail.segment)
        seed = tail.id.seed(segment: tail.segment)
        blocks = ByteWriter(capacity: 64 * 1024, alignment: JournalWriter.blockBytes)
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
            header.write(to: &blocks)
            try storage.writeDurably(file, at: 0, blocks.bytes)
            carried = 0
        }
        let crc = BatchHeader.seal(&batch, previousCRC: tail.lastCRC, seed: seed)
        let length = batch.writer.count
        precondition(Int(batch.offset) + length <= tail.segmentBytes, "a batch must not cross its segment's end")
        let end = Int(batch.offset) + length
        let start = try gather(batch)
        try storage.writeDurably(file, at: start, blocks.bytes)
        keep(end - start)
        tail.offset += UInt32(truncatingIfNeeded: length)
        tail.nextSequence += UInt64(batch.eventCount)
        tail.lastCRC = crc
        tail.lastTime = batch.openedAt
    }

    private static var blockBytes: Int { 4096 }

    /// Fills `blocks` with the batch and what shares its first and last block; the result is where they go.
    private mutating func gather(_ batch: borrowing BatchBuilder) throws(StorageError) -> Int {
        let lead = Int(batch.offset) % JournalWriter.blockBytes
        let start = Int(batch.offset) - lead
        if carried == lead {
            blocks.truncate(to: lead)
        } else {
            blocks.reset()
            let memory = blocks.appendUninitialized(lead)
            let count = try storage.read(file, at: start, into: memory)
            guard count == lead else {
                throw StorageError(operation: .read, errno: StorageError.badMessage, file: file)
            }
        }
        blocks.append(bytes: batch.writer.bytes)
        let rest = -blocks.count & (JournalWriter.blockBytes - 1)
        blocks.appendUninitialized(rest).initializeMemory(as: UInt8.self, repeating: 0)
        return start
    }

    /// Keeps what the next batch shares a block with, given how many bytes of `blocks` are in use.
    private mutating func keep(_ used: Int) {
        carried = used % JournalWriter.blockBytes
        blocks.truncate(to: used)
        blocks.removeFirst(used - carried)
    }
}
