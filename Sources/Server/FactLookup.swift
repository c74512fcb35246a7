// FactLookup: recorded facts, wherever they are: in a batch on its way, among those that became durable lately, or in a segment
// on disk.
//
// A fact on disk is read alone, without the batch whose checksum covers it. What it says is believed as far as it is confirmed by
// what the reader knows anyway, the key of an event. Where it is not, `verify` reads the whole batch: the bytes of a disk may
// turn, and a key that can no longer be read must not pass for one that was never there.

internal import Core
internal import Journal
internal import Ledger

struct FactLookup: FactSource {
    let pipeline: UnsafeMutablePointer<CommitPipeline>
    let storage: any Storage

    func eventPayload(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Bool {
        if let found = pipeline.pointee.pendingPayload(at: position, into: &buffer) { return found }
        return try factPayload(at: position, into: &buffer) { (memory) throws(StorageError) in
            let count = pipeline.pointee.readRecent(position, into: memory)
            return count > 0 ? count : try storage.read(SegmentFormat.fileName(position.segment), at: Int(position.offset), into: memory)
        }
    }

    func verify(_ position: JournalPosition) throws(StorageError) {
        var memory = ByteWriter(capacity: 512)
        if pipeline.pointee.pendingPayload(at: position, into: &memory) != nil { return }
        let isRecent = withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { pipeline.pointee.readRecent(position, into: $0) } > 0
        if isRecent { return }
        try verifyBatch(holding: position, of: storage, durableEnd: pipeline.pointee.durableEnd)
    }
}

/// Reads the batch that holds `position`, header by header from the start of its segment, and checks it.
private func verifyBatch(holding position: JournalPosition, of storage: some Storage, durableEnd: JournalPosition) throws(StorageError) {
    var reader = JournalReader(storage)
    do throws(JournalError) {
        var at = JournalPosition(segment: position.segment, offset: 0)
        while let info = try reader.readHeader(at: at, durableEnd: durableEnd), info.position <= position {
            at = info.end
            guard position < at else { continue }
            var body = ByteWriter(capacity: 4096)
            _ = try reader.readBatch(at: info.position, durableEnd: durableEnd, into: &body)
            return
        }
    } catch {
        if case .storage(let cause) = error { throw cause }
    }
    throw StorageError(operation: .read, errno: StorageError.badMessage, file: SegmentFormat.fileName(position.segment))
}

/// Reads the payload of one fact: 512 bytes from its place on, and once more when it is longer. `read` says how many bytes there were.
func factPayload(
    at position: JournalPosition, into buffer: inout ByteWriter,
    read: (UnsafeMutableRawBufferPointer) throws(StorageError) -> Int
) throws(StorageError) -> Bool {
    var length = 512
    while true {
        var failed: StorageError?
        let wanted = length
        let outcome = withUnsafeTemporaryAllocation(byteCount: wanted, alignment: 16) { memory -> Int in
            do throws(StorageError) {
                let count = try read(memory)
                var reader = ByteReader(UnsafeRawBufferPointer(rebasing: memory[..<count]))
                let type = reader.byte()
                let size = reader.varint()
                guard !reader.failed, type == FactType.event.rawValue || type == FactType.response.rawValue else { return -1 }
                guard size <= UInt64(Limits.largestEventBytes * 2) else { return -1 }
                let total = reader.offset + Int(size)
                if total > count { return count < wanted ? -1 : total }
                buffer.append(bytes: UnsafeRawBufferPointer(rebasing: memory[reader.offset..<total]))
                return 0
            } catch {
                failed = error
                return -1
            }
        }
        if let failed { throw failed }
        if outcome <= 0 { return outcome == 0 }
        length = outcome
    }
}
