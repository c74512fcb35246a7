// JournalWriter: makes batches durable, one at a time. Whoever has the batch has the writer.
//
// Most commits are one write, which the kernel can do while the loop goes on: `begin` has everything ready for it, `end` is told that
// it is over. `commit` does all that is missing and returns when the batch is durable, also of a batch that was begun.
//
// A commit is one durable write of whole blocks: the block in which the batch before ended, its bytes unchanged, then the batch,
// then zeros to the end of its last block. So the disk may take it past the page cache. A crash leaves each sector as it was or as
// it was to be, and what is before the batch is the same in both. The first batch of a segment is preceded by the segment's
// header, with a durable write of its own: a batch is never on disk before the header it depends on, which is what lets recovery
// tell a crash from damage. After any error the writer is finished: a sync that failed may have thrown pages away and
// report success the next time, so nothing is tried again and nothing is acknowledged again.

public import Core

/// One durable write of whole blocks. The bytes stay where they are until the writer is told that it is over.
public struct DurableWrite {
    public var file: String
    public var offset: Int
    public var bytes: UnsafeRawBufferPointer
}

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
    /// The batch that `blocks` hold, until it is durable.
    private var begun: Begun?

    private struct Begun {
        /// Of the blocks and of the batch in them, in the segment.
        var start: Int
        var end: Int
        var events: UInt32
        var crc: UInt32
        var openedAt: Timestamp
    }

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
            if begun == nil { try ready(&batch) }
            try storage.writeDurably(file, at: begun!.start, blocks.bytes)
        } catch {
            failure = error
            throw error
        }
        advance()
    }

    /// The write that this batch is; nil when it takes more than that, or the writer is finished: then `commit` it. What is begun is
    /// ended by `end`, or by `commit`, which writes it again.
    public mutating func begin(_ batch: inout BatchBuilder) -> DurableWrite? {
        guard failure == nil, batch.segment == tail.segment, carried == Int(batch.offset) % JournalWriter.blockBytes else { return nil }
        do throws(StorageError) {
            try ready(&batch)
        } catch {
            failure = error
            return nil
        }
        return DurableWrite(file: file, offset: begun!.start, bytes: blocks.bytes)
    }

    /// The write that was begun is over: without an error every fact of the batch is durable; with one it is as with `commit`.
    public mutating func end(_ error: StorageError?) throws(StorageError) {
        if let error {
            failure = error
            throw error
        }
        advance()
    }

    /// Seals the batch and fills `blocks`; writes the header of the segment that it is the first of.
    private mutating func ready(_ batch: inout BatchBuilder) throws(StorageError) {
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
        let end = Int(batch.offset) + batch.writer.count
        precondition(end <= tail.segmentBytes, "a batch must not cross its segment's end")
        let start = try gather(batch)
        begun = Begun(start: start, end: end, events: batch.eventCount, crc: crc, openedAt: batch.openedAt)
    }

    /// The batch is durable.
    private mutating func advance() {
        guard let batch = begun else { return }
        begun = nil
        keep(batch.end - batch.start)
        tail.offset = UInt32(truncatingIfNeeded: batch.end)
        tail.nextSequence += UInt64(batch.events)
        tail.lastCRC = batch.crc
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
