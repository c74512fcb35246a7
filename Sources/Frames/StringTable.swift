// StringTable: the distinct strings of one frame while it is being written, in the order of their first use.
//
// Open addressing over XXH3 hashes. A slot counts only in the generation it was filled in, so starting the next frame
// costs nothing; taking strings back is possible for the youngest only, which is what an event that no longer fits needs.

internal import Core

struct StringTable: ~Copyable {
    private struct Slot: BitwiseCopyable {
        var generation: UInt32
        /// 1-based.
        var index: UInt32
    }

    private struct Entry: BitwiseCopyable {
        var hash: UInt64
        /// Of the text, after its length.
        var offset: Int
        var length: Int
    }

    /// The strings as the frame has them: varint length, bytes.
    private(set) var bytes = ByteWriter(capacity: 1024)
    private(set) var count = 0
    private var slots: UnsafeMutableBufferPointer<Slot>
    private var entries: UnsafeMutableBufferPointer<Entry>
    private var generation: UInt32 = 1
    private let seed = SystemRandom.next()

    init() {
        slots = .allocate(capacity: 256)
        slots.initialize(repeating: Slot(generation: 0, index: 0))
        entries = .allocate(capacity: 128)
    }

    deinit {
        slots.deallocate()
        entries.deallocate()
    }

    mutating func reset() {
        bytes.reset()
        count = 0
        generation &+= 1
        if generation == 0 {
            slots.update(repeating: Slot(generation: 0, index: 0))
            generation = 1
        }
    }

    /// Back to an earlier `count`, with the length that `bytes` had then.
    mutating func truncate(count earlier: Int, bytes length: Int) {
        count = earlier
        bytes.truncate(to: length)
    }

    /// The 1-based index of `text`, which is added when it is new.
    mutating func index(of text: UnsafeRawBufferPointer) -> UInt32 {
        let hash = hashBytes(text, seed: seed)
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[at]
            // A slot whose string was taken back is free again: nothing younger stands behind it.
            guard slot.generation == generation, slot.index <= count else { break }
            let entry = entries[Int(slot.index) - 1]
            if entry.hash == hash, entry.length == text.count,
                sameBytes(UnsafeRawBufferPointer(start: bytes.base + entry.offset, count: entry.length), text)
            {
                return slot.index
            }
            at = (at + 1) & mask
        }
        bytes.append(varint: UInt64(text.count))
        entries[count] = Entry(hash: hash, offset: bytes.count, length: text.count)
        bytes.append(bytes: text)
        count += 1
        slots[at] = Slot(generation: generation, index: UInt32(count))
        if count == entries.count { grow() }
        return UInt32(count)
    }

    private mutating func grow() {
        let moreEntries = UnsafeMutableBufferPointer<Entry>.allocate(capacity: entries.count * 2)
        moreEntries.baseAddress!.initialize(from: entries.baseAddress!, count: count)
        entries.deallocate()
        entries = moreEntries
        let size = slots.count * 2
        slots.deallocate()
        slots = .allocate(capacity: size)
        slots.initialize(repeating: Slot(generation: 0, index: 0))
        for index in 0..<count {
            var at = Int(truncatingIfNeeded: entries[index].hash) & (size - 1)
            while slots[at].generation == generation { at = (at + 1) & (size - 1) }
            slots[at] = Slot(generation: generation, index: UInt32(index + 1))
        }
    }
}
