// RecentJournal: the last bytes of the journal that became durable, in memory.
//
// A retry mostly follows its original within a moment. What was written past the page cache is not in it until somebody has read
// it, so looking the original up on the disk would stop the loop for a read each time: a tenth of a millisecond, and the length
// of a stall when the disk stalls.
//
// The books follow the journal from here, too: they are seldom further behind than it reaches, and what they would read through the page
// cache the next write past it would first have to throw out.
//
// A ring. Byte `n` of all that was ever added is at `n` modulo its size; stretches say which bytes of the journal these are.

public import Core
public import Journal

/// Whoever keeps what became durable lately.
public protocol JournalKeeper: AnyObject {
    /// Adds bytes that stand at a place of the journal behind all that were added before.
    func add(_ bytes: UnsafeRawBufferPointer, segment: UInt32, offset: Int)
    /// Copies what stands at `position` and behind it in the same segment, as far as it is there and `output` goes. The result is
    /// how many bytes that were; 0 when the first one is not there.
    func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int
    /// Forgets everything and hands the memory out, to be given back.
    func clear(_ body: (UnsafeMutableRawPointer, Int) -> Void)
}

/// The journal's files, of which what became durable lately is read from memory.
public struct RecentStorage: Storage {
    private let base: any Storage
    private let recent: any JournalKeeper & Sendable

    /// `recent` is read on whatever thread reads here.
    public init(_ base: any Storage, _ recent: any JournalKeeper & Sendable) {
        self.base = base
        self.recent = recent
    }

    public func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let segment = SegmentFormat.number(ofFile: file), let place = UInt32(exactly: offset) else {
            return try base.read(file, at: offset, into: buffer)
        }
        let count = recent.read(JournalPosition(segment: segment, offset: place), into: buffer)
        if count == buffer.count { return count }
        return try count + base.read(file, at: offset + count, into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
    }

    public func list() throws(StorageError) -> [String] { try base.list() }
    public func size(_ file: String) throws(StorageError) -> Int { try base.size(file) }
    public func createZeroed(_ file: String, size: Int) throws(StorageError) { try base.createZeroed(file, size: size) }
    public func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try base.write(file, at: offset, bytes)
    }
    public func sync(_ file: String) throws(StorageError) { try base.sync(file) }
    public func truncate(_ file: String, to size: Int) throws(StorageError) { try base.truncate(file, to: size) }
    public func rename(_ from: String, to: String) throws(StorageError) { try base.rename(from, to: to) }
    public func remove(_ file: String) throws(StorageError) { try base.remove(file) }
    public func syncDirectory() throws(StorageError) { try base.syncDirectory() }
}

/// For one thread.
public final class RecentJournal: JournalKeeper {
    /// Bytes of one segment, without a gap.
    private struct Stretch {
        var segment: UInt32
        var offset: Int
        var count: Int
        /// Number of its first byte.
        var first: Int
    }

    private let memory: UnsafeMutableRawBufferPointer
    private var stretches: [Stretch] = []
    private var added = 0

    /// Keeps `capacity` bytes; none at all when it is 0.
    public init(capacity: Int) { memory = .allocate(byteCount: capacity, alignment: 4096) }

    deinit { memory.deallocate() }

    public func add(_ bytes: UnsafeRawBufferPointer, segment: UInt32, offset: Int) {
        // Of more than there is room for, the end.
        let skipped = max(0, bytes.count - memory.count)
        var rest = UnsafeRawBufferPointer(rebasing: bytes[skipped...])
        guard !rest.isEmpty else { return }
        let start = offset + skipped
        if let last = stretches.indices.last, stretches[last].segment == segment, stretches[last].offset + stretches[last].count == start {
            stretches[last].count += rest.count
        } else {
            stretches.append(Stretch(segment: segment, offset: start, count: rest.count, first: added))
        }
        while !rest.isEmpty {
            let place = added % memory.count
            let count = min(rest.count, memory.count - place)
            UnsafeMutableRawBufferPointer(rebasing: memory[place..<place + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            added += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        while let oldest = stretches.first, oldest.first + oldest.count + memory.count <= added { stretches.removeFirst() }
    }

    public func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int {
        guard let stretch = stretches.last(where: { $0.segment == position.segment && $0.offset <= position.offset }) else { return 0 }
        let skipped = Int(position.offset) - stretch.offset
        var at = stretch.first + skipped
        guard skipped < stretch.count, at + memory.count >= added else { return 0 }
        let count = min(output.count, stretch.count - skipped)
        var done = 0
        while done < count {
            let place = at % memory.count
            let part = min(count - done, memory.count - place)
            UnsafeMutableRawBufferPointer(rebasing: output[done..<done + part])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[place..<place + part]))
            done += part
            at += part
        }
        return count
    }

    public func clear(_ body: (UnsafeMutableRawPointer, Int) -> Void) {
        stretches.removeAll()
        if let base = memory.baseAddress { body(base, memory.count) }
    }
}
