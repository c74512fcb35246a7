// RecentJournal: the last bytes of the journal that became durable, in memory.
//
// A retry mostly follows its original within a moment. What was written past the page cache is not in it until somebody has read
// it, so looking the original up on the disk would stop the loop for a read each time: a tenth of a millisecond, and the length
// of a stall when the disk stalls.
//
// A ring. Byte `n` of all that was ever added is at `n` modulo its size; stretches say which bytes of the journal these are.

internal import Core
internal import Journal

struct RecentJournal: ~Copyable {
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
    init(capacity: Int) { memory = .allocate(byteCount: capacity, alignment: 4096) }

    deinit { memory.deallocate() }

    /// Adds bytes that stand at a place of the journal behind all that were added before.
    mutating func add(_ bytes: UnsafeRawBufferPointer, segment: UInt32, offset: Int) {
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

    /// Copies what stands at `position` and behind it in the same segment, as far as it is here and `output` goes. The result is
    /// how many bytes that were; 0 when the first one is not here.
    func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int {
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

    /// Forgets everything and hands the memory out, to be given back.
    mutating func clear(_ body: (UnsafeMutableRawPointer, Int) -> Void) {
        stretches.removeAll()
        if let base = memory.baseAddress { body(base, memory.count) }
    }
}
