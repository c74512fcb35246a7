// SegmentWindow: a segment seen through one large buffer, so that reading a journal costs one system call per MiB and no
// allocation per batch. A larger buffer is not faster, and touching its fresh pages would show in the time to start.

internal import Core

/// A moving view of one file. Reads ahead; what it holds is as old as its last read.
struct SegmentWindow<S: Storage>: ~Copyable {
    let storage: S
    private(set) var file = ""
    private var memory: UnsafeMutableRawPointer
    private var capacity: Int
    /// File offset of the first byte held, and how many are.
    private var start = 0
    private var held = 0
    /// Nothing is read from here on: a follower has no use for what is not durable yet.
    var readLimit = Int.max

    init(_ storage: S, capacity: Int = 1 << 20) {
        self.storage = storage
        self.capacity = capacity
        memory = .allocate(byteCount: capacity, alignment: 4096)
    }

    deinit { memory.deallocate() }

    mutating func open(_ file: String) {
        self.file = file
        held = 0
        readLimit = .max
    }

    /// Forgets what was read ahead: the next call sees the file as it is now.
    mutating func refresh() { held = 0 }

    /// The bytes from `offset` on: at least `wanted`, fewer only at the end of the file, more when they are there. Valid
    /// until the next call.
    mutating func bytes(at offset: Int, atLeast wanted: Int) throws(StorageError) -> UnsafeRawBufferPointer {
        if offset < start || offset > start + held { held = 0 }
        if held == 0 { start = offset }
        let skipped = offset - start
        if held - skipped < wanted {
            if skipped > 0 {
                memmoveBytes(memory, memory + skipped, held - skipped)
                held -= skipped
                start = offset
            }
            if wanted > capacity { grow(to: wanted) }
            let room = min(capacity - held, readLimit - start - held)
            if room > 0 {
                held += try storage.read(file, at: start + held, into: UnsafeMutableRawBufferPointer(start: memory + held, count: room))
            }
        }
        let from = offset - start
        return UnsafeRawBufferPointer(start: memory + from, count: held - from)
    }

    private mutating func grow(to wanted: Int) {
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 4096)
        fresh.copyMemory(from: memory, byteCount: held)
        memory.deallocate()
        memory = fresh
        capacity = wanted
    }

    /// Checks the batch at `offset` and hands out its body. `end` is where the segment ends.
    mutating func batch(
        at offset: Int, segment: UInt32, seed: UInt32, end: Int
    ) throws(StorageError) -> (check: BatchHeader.Check, body: UnsafeRawBufferPointer) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        guard offset + BatchBuilder.headerBytes <= end else { return (.none, nothing) }
        var seen = try bytes(at: offset, atLeast: BatchBuilder.headerBytes)
        let check = BatchHeader.check(seen, seed: seed, segment: segment, offset: offset, end: end)
        guard case .good(let info) = check else { return (check, nothing) }
        if seen.count < info.paddedLength {
            seen = try bytes(at: offset, atLeast: info.paddedLength)
            guard seen.count >= info.paddedLength else { return (.badBody(info), nothing) }
        }
        let body = UnsafeRawBufferPointer(rebasing: seen[BatchBuilder.headerBytes..<info.paddedLength])
        guard crc32c(body, continuing: info.headerCRC) == info.crc else { return (.badBody(info), nothing) }
        return (.good(info), UnsafeRawBufferPointer(rebasing: body[0..<info.bodyLength]))
    }

    /// What stands between `offset` and the end of the file.
    struct Rest: Equatable {
        /// Offset of the last byte that is not zero.
        var lastNonZero: Int?
        /// Offset of a batch header that checks out, anywhere after `offset`.
        var laterBatch: Int?
    }

    /// Looks at every byte after `offset`, and for a batch at every place where one may start.
    mutating func rest(after offset: Int, segment: UInt32, seed: UInt32, end: Int) throws(StorageError) -> Rest {
        var result = Rest()
        var at = offset
        while at < end {
            let seen = try bytes(at: at, atLeast: BatchBuilder.headerBytes)
            guard !seen.isEmpty else { break }
            // Up to the last place whose whole header is in view; the remainder is looked at with the next read.
            let atEnd = seen.count < BatchBuilder.headerBytes
            let usable = atEnd ? seen.count : (seen.count - BatchBuilder.headerBytes + 8) & ~7
            let part = UnsafeRawBufferPointer(rebasing: seen[0..<usable])
            if let first = firstNonZero(part), let last = lastNonZero(part) {
                result.lastNonZero = at + last
                var place = first & ~7
                while place <= last, result.laterBatch == nil {
                    if place + 4 <= seen.count, at + place > offset,
                        seen.loadUnaligned(fromByteOffset: place, as: UInt32.self).littleEndian == BatchHeader.magic
                    {
                        let header = UnsafeRawBufferPointer(rebasing: seen[place...])
                        switch BatchHeader.check(header, seed: seed, segment: segment, offset: at + place, end: end) {
                        case .good, .unsupported: result.laterBatch = at + place
                        default: break
                        }
                    }
                    place += 8
                }
            }
            at += usable
        }
        return result
    }
}
