// Sealer: writes the sealed file of one segment, in steps, in memory that does not grow with it.
//
// It guarantees: every byte of the segment was checked as recovery checks it, and every frame was read back in memory and was the
// same, before the file is handed on; and the file is durable then, under a name that nobody reads. Giving it its name and
// removing the segment is `SealedStorage`'s. A segment that does not check out stays as it is, and so does one that would not get
// smaller.

internal import Core

public enum SealerProgress: Equatable, Sendable {
    /// There is more to read.
    case goesOn
    /// The unfinished file is whole and durable.
    case written(events: UInt64, segmentBytes: Int, fileBytes: Int)
}

public final class Sealer<S: Storage, C: FrameCodec> {
    /// Of the segment, read in one step at least.
    static var stepBytes: Int { 1 << 20 }
    /// Written before it is synced, so that little of it is in the way of the journal.
    static var syncBytes: Int { 4 << 20 }

    private let storage: S
    private let codec: C
    public let number: UInt32
    private let file: String
    private let unfinished: String
    private let header: SegmentHeader
    private let next: SegmentHeader
    private let seed: UInt32
    private var window: SegmentWindow<S>
    private var place = SegmentFormat.headerBytes
    private var lastCRC: UInt32
    private var sequence: UInt64

    private var columns = FactColumns()
    /// The bytes of the frame that is being filled, as they stand in the segment.
    private var plain = ByteWriter(capacity: SealedFormat.frameBytes + 65536)
    private var frame = ByteWriter(capacity: SealedFormat.frameBytes)
    private var scratch = ByteWriter(capacity: SealedFormat.frameBytes)
    private var index = ByteWriter(capacity: 16384)
    private var check: [UInt8] = []
    private var frames = 0
    private var frameStart = SegmentFormat.headerBytes
    private var offset = SegmentFormat.headerBytes
    private var unsynced = 0

    /// Makes the unfinished file. The segment was left: `number + 1` is begun.
    public init(_ storage: S, _ codec: C, segment number: UInt32) throws(JournalError) {
        self.storage = storage
        self.codec = codec
        self.number = number
        file = SegmentFormat.fileName(number)
        unfinished = SealedFormat.unfinishedFile(number)
        header = try Sealer.header(storage, number)
        next = try Sealer.header(storage, number + 1)
        seed = header.id.seed(segment: number)
        lastCRC = header.previousCRC
        sequence = header.firstSequence
        window = SegmentWindow(storage)
        window.open(file)
        do throws(StorageError) {
            if try storage.list().contains(unfinished) { try storage.remove(unfinished) }
            try storage.createZeroed(unfinished, size: 0)
        } catch {
            throw .storage(error)
        }
    }

    private static func header(_ storage: S, _ number: UInt32) throws(JournalError) -> SegmentHeader {
        let file = SegmentFormat.fileName(number)
        var block = ByteWriter(capacity: SegmentFormat.headerBytes)
        do throws(StorageError) {
            let count = try storage.read(file, at: 0, into: block.appendUninitialized(SegmentFormat.headerBytes))
            block.truncate(to: count)
        } catch {
            throw .storage(error)
        }
        guard case .valid(let header) = SegmentHeader.read(block.bytes), header.number == number else {
            throw .damage(file: file, offset: 0, reason: .header)
        }
        // What is made of it again must be the same.
        var again = ByteWriter(capacity: SegmentFormat.headerBytes)
        header.write(to: &again)
        guard sameBytes(block.bytes, again.bytes) else { throw .damage(file: file, offset: 0, reason: .header) }
        return header
    }

    /// Reads on for a step. After an error there is nothing to go on with.
    public func step() throws(JournalError) -> SealerProgress {
        do {
            let enough = place + Sealer.stepBytes
            while place < enough {
                let (found, _) = try window.batch(at: place, segment: number, seed: seed, end: header.segmentBytes)
                guard case .good(let info) = found else { return try finish(found) }
                guard info.previousCRC == lastCRC else { throw damage(.chain) }
                guard info.firstSequence == sequence, !info.isCondensed else { throw damage(.sequence) }
                try take(info)
                lastCRC = info.chainCRC
                sequence = info.nextSequence
                place += info.paddedLength
            }
            return .goesOn
        } catch {
            throw JournalError(error)
        }
    }

    private func damage(_ reason: DamageReason) -> JournalError { .damage(file: file, offset: place, reason: reason) }

    // MARK: - Frames

    private func take(_ info: BatchInfo) throws {
        let bytes = try window.bytes(at: place, atLeast: info.paddedLength)
        guard bytes.count >= info.paddedLength else { throw damage(.batchBody) }
        let header = UnsafeRawBufferPointer(rebasing: bytes[0..<BatchBuilder.headerBytes])
        columns.add(header: header, openedAt: info.openedAt)
        plain.append(bytes: header)
        let body = UnsafeRawBufferPointer(rebasing: bytes[BatchBuilder.headerBytes..<info.length])
        var facts = FactReader(body)
        var at = 0
        while let fact = facts.next() {
            let end = fact.offset + fact.headerBytes + fact.payload.count
            guard fact.offset == at, end <= body.count else { throw damage(.facts) }
            let whole = UnsafeRawBufferPointer(rebasing: body[at..<end])
            columns.add(fact: whole, payload: fact.payload)
            plain.append(bytes: whole)
            at = end
            if plain.count >= SealedFormat.frameBytes { try writeFrame() }
        }
        guard !facts.failed, at == body.count else { throw damage(.facts) }
        let padding = info.paddedLength - info.length
        columns.add(padding: padding)
        for _ in 0..<padding { plain.append(0) }
        if plain.count >= SealedFormat.frameBytes { try writeFrame() }
    }

    private func writeFrame() throws {
        guard plain.count > 0 else { return }
        var method = SealedFrame.Method.columns
        columns.write(to: &frame, codec, scratch: &scratch)
        if !isSame(method) {
            // Facts that this program would write otherwise: read as any bytes.
            method = .compressed
            frame.reset()
            if !codec.compress(plain.bytes, into: &frame) || !isSame(method) {
                method = .plain
                frame.reset()
                frame.append(bytes: plain.bytes)
            }
        }
        guard offset + frame.count <= SegmentFormat.largestSegment else {
            throw StorageError(operation: .write, errno: StorageError.noSpace, file: unfinished)
        }
        try storage.write(unfinished, at: offset, frame.bytes)
        described(method).append(to: &index)
        frames += 1
        offset += frame.count
        frameStart += plain.count
        unsynced += frame.count
        if unsynced >= Sealer.syncBytes {
            try storage.sync(unfinished)
            unsynced = 0
        }
        plain.reset()
        columns.reset()
    }

    private func described(_ method: SealedFrame.Method) -> SealedFrame {
        SealedFrame(
            start: frameStart, end: frameStart + plain.count, offset: offset, stored: frame.count, crc: crc32c(frame.bytes), method: method)
    }

    /// Whether the frame, read again, is what it was made from.
    private func isSame(_ method: SealedFrame.Method) -> Bool {
        if check.count < plain.count { check = [UInt8](repeating: 0, count: plain.count) }
        return check.withUnsafeMutableBytes { memory in
            let again = UnsafeMutableRawBufferPointer(rebasing: memory[0..<plain.count])
            return described(method).restore(frame.bytes, into: again, codec) && sameBytes(UnsafeRawBufferPointer(again), plain.bytes)
        }
    }

    // MARK: - The end

    private func finish(_ found: BatchHeader.Check) throws -> SealerProgress {
        // Only zeros may follow, and the next segment goes on from here.
        guard found == .none else { throw damage(.batchHeader) }
        let rest = try window.rest(after: place, segment: number, seed: seed, end: header.segmentBytes)
        if let byte = rest.lastNonZero { throw JournalError.damage(file: file, offset: byte, reason: .residue) }
        guard next.previousCRC == lastCRC, next.firstSequence == sequence, next.id == header.id else { throw damage(.missingBatches) }
        try writeFrame()
        let indexOffset = offset
        if index.count > 0 { try storage.write(unfinished, at: offset, index.bytes) }
        let events = sequence - header.firstSequence
        let sealed = SealedHeader(
            segment: header, fileBytes: offset + index.count, usedEnd: place, events: events, frames: frames, indexOffset: indexOffset,
            indexCRC: crc32c(index.bytes))
        guard sealed.fileBytes < header.segmentBytes else {
            throw StorageError(operation: .write, errno: StorageError.noSpace, file: unfinished)
        }
        var block = ByteWriter(capacity: SegmentFormat.headerBytes)
        sealed.write(to: &block)
        try storage.write(unfinished, at: 0, block.bytes)
        try storage.sync(unfinished)
        return .written(events: events, segmentBytes: header.segmentBytes, fileBytes: sealed.fileBytes)
    }

    /// Removes what is there of a file that will not be finished.
    public static func discard(_ storage: S, segment number: UInt32) {
        // What stays is removed by the next attempt, or at the next start.
        do throws(StorageError) { try storage.remove(SealedFormat.unfinishedFile(number)) } catch {}
    }
}
