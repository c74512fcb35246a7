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
    /// Bytes of one segment, without a gap, up to where the next stretch begins.
    private struct Stretch {
        var start: JournalPosition
        /// Number of its first byte.
        var first: Int
    }

    private let memory: UnsafeMutableRawBufferPointer
    /// Oldest first. Of the first `gone` nothing is left: they are taken out when they are half of all, since there may be tens of
    /// thousands, and one goes with each batch.
    private var stretches: [Stretch] = []
    private var gone = 0
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
        let start = JournalPosition(segment: segment, offset: UInt32(offset + skipped))
        let next = stretches.last.map { JournalPosition(segment: $0.start.segment, offset: $0.start.offset + UInt32(added - $0.first)) }
        if start != next { stretches.append(Stretch(start: start, first: added)) }
        while !rest.isEmpty {
            let place = added % memory.count
            let count = min(rest.count, memory.count - place)
            UnsafeMutableRawBufferPointer(rebasing: memory[place..<place + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            added += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        while gone < stretches.count, end(gone) + memory.count <= added { gone += 1 }
        if gone * 2 > stretches.count {
            stretches.removeFirst(gone)
            gone = 0
        }
    }

    /// Number of the byte behind a stretch.
    private func end(_ index: Int) -> Int { index + 1 < stretches.count ? stretches[index + 1].first : added }

    /// Copies what stands at `position` and behind it in the same segment, as far as it is here and `output` goes. The result is
    /// how many bytes that were; 0 when the first one is not here.
    func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int {
        // The last one that does not begin behind it.
        var (low, high) = (gone, stretches.count)
        while low < high {
            let middle = (low + high) / 2
            if stretches[middle].start <= position { low = middle + 1 } else { high = middle }
        }
        guard low > gone, stretches[low - 1].start.segment == position.segment else { return 0 }
        let stretch = stretches[low - 1]
        var at = stretch.first + Int(position.offset - stretch.start.offset)
        let end = end(low - 1)
        guard at < end, at + memory.count >= added else { return 0 }
        let count = min(output.count, end - at)
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
        stretches = []
        gone = 0
        if let base = memory.baseAddress { body(base, memory.count) }
    }
}
