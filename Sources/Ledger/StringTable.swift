// StringTable: every name the books know (customers, features, events, models, providers, regions, price derivations), once,
// by number.
//
// One 32-byte slot a string, linear probing, load at most 3/4, hashes seeded at start. Numbers are given in order and kept by
// the journal, so they are the same after a restart. A slot remembers the segment that last defined its string: the first use
// in a new segment writes the definition again, which is what makes every segment readable alone.

public import Core

/// Interns strings. Not thread-safe; owned by the ledger.
public struct StringTable: ~Copyable {
    @usableFromInline struct Slot: BitwiseCopyable {
        @usableFromInline var hash: UInt64
        /// Where the text starts in `text`.
        @usableFromInline var offset: UInt64
        @usableFromInline var length: UInt32
        /// 0 marks an empty slot.
        @usableFromInline var id: StringID
        /// Segment that last defined this string.
        @usableFromInline var segment: UInt32
        @usableFromInline var unused: UInt32
    }

    @usableFromInline var slots: UnsafeMutablePointer<Slot>
    @usableFromInline var mask: Int
    @usableFromInline var used = 0
    /// Slot of each number; index 0 is unused.
    @usableFromInline var slotOf: UnsafeMutablePointer<UInt32>
    @usableFromInline var slotCapacity: Int
    @usableFromInline var text = ByteWriter(capacity: 4096)
    @usableFromInline let seed: UInt64
    /// The next number to give.
    public private(set) var nextID: StringID = 1

    public init(seed: UInt64) {
        self.seed = seed
        mask = 255
        slots = allocateLines(256, of: Slot.self)
        slots.initialize(repeating: Slot(hash: 0, offset: 0, length: 0, id: 0, segment: 0, unused: 0), count: 256)
        slotCapacity = 256
        slotOf = .allocate(capacity: 256)
        slotOf.initialize(repeating: .max, count: 256)
    }

    deinit {
        UnsafeMutableRawPointer(slots).deallocate()
        slotOf.deallocate()
    }

    public var count: Int { used }
    public var isFull: Bool { nextID >= UInt32(Limits.internedStrings) || text.count >= Limits.internedBytes }
    /// Memory, at most twice of it while it grows.
    public var byteCount: Int { text.capacity + (mask + 1) * MemoryLayout<Slot>.stride + slotCapacity * MemoryLayout<UInt32>.stride }

    /// The text of a number; empty for one that is not known. Valid until the next insertion.
    public func text(of id: StringID) -> UnsafeRawBufferPointer {
        guard id != noString, Int(id) < slotCapacity, slotOf[Int(id)] != .max else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let slot = slots[Int(slotOf[Int(id)])]
        return UnsafeRawBufferPointer(start: text.base + Int(slot.offset), count: Int(slot.length))
    }

    /// Hands out number, text and the segment that last defined it of each string, in the order of the slots: who goes through them by
    /// number, or makes a table from them in another order, waits for the memory at each.
    func forEach<E>(_ body: (StringID, UnsafeRawBufferPointer, UInt32) throws(E) -> Void) throws(E) {
        for index in 0...mask where slots[index].id != 0 {
            let slot = slots[index]
            let bytes = UnsafeRawBufferPointer(start: text.base + Int(slot.offset), count: Int(slot.length))
            try body(slot.id, bytes, slot.segment)
        }
    }

    /// The number of a string; `noString` when it is not known.
    public func find(_ bytes: UnsafeRawBufferPointer) -> StringID {
        let index = slot(for: bytes, hash: hashBytes(bytes, seed: seed))
        return slots[index].id
    }

    // MARK: In blocks

    /// What `intern` and `guess` know a string by.
    @inline(__always) func hash(of bytes: UnsafeRawBufferPointer) -> UInt64 { hashBytes(bytes, seed: seed) }

    /// Asks for the memory that `guess` will look at.
    @inline(__always) func prefetchSlot(_ hash: UInt64) { prefetch(slots + (Int(truncatingIfNeeded: hash) & mask)) }

    /// The number that a string of this hash most likely has, without a look at its text, which is asked for; `noString` when there
    /// is none.
    @inline(__always) func guess(_ hash: UInt64) -> StringID {
        var index = Int(truncatingIfNeeded: hash) & mask
        while slots[index].id != 0, slots[index].hash != hash { index = (index + 1) & mask }
        if slots[index].id != 0 { prefetch(text.base + Int(slots[index].offset)) }
        return slots[index].id
    }

    /// The number of a string, given now if it is new. `defines` says that `segment` does not define it yet: the caller writes
    /// the definition. The caller has checked `isFull`.
    public mutating func intern(_ bytes: UnsafeRawBufferPointer, segment: UInt32, defines: inout Bool) -> StringID {
        intern(bytes, hash: hash(of: bytes), segment: segment, defines: &defines)
    }

    mutating func intern(_ bytes: UnsafeRawBufferPointer, hash: UInt64, segment: UInt32, defines: inout Bool) -> StringID {
        var index = slot(for: bytes, hash: hash)
        if slots[index].id == 0 {
            index = insert(bytes, hash: hash, id: nextID, at: index)
            nextID += 1
        }
        defines = slots[index].segment != segment
        slots[index].segment = segment
        return slots[index].id
    }

    /// Marks a known string as defined in `segment`; the result says whether it was not.
    public mutating func define(_ id: StringID, in segment: UInt32) -> Bool {
        let index = Int(slotOf[Int(id)])
        defer { slots[index].segment = segment }
        return slots[index].segment != segment
    }

    /// Takes over a definition from the journal. False when number and text contradict what is known.
    public mutating func restore(_ id: StringID, _ bytes: UnsafeRawBufferPointer, segment: UInt32) -> Bool {
        guard id != noString, id < UInt32(Limits.internedStrings) else { return false }
        let hash = hashBytes(bytes, seed: seed)
        var index = slot(for: bytes, hash: hash)
        if slots[index].id == 0 {
            guard Int(id) >= slotCapacity || slotOf[Int(id)] == .max else { return false }
            index = insert(bytes, hash: hash, id: id, at: index)
            if id >= nextID { nextID = id + 1 }
        }
        slots[index].segment = segment
        return slots[index].id == id
    }

    private func slot(for bytes: UnsafeRawBufferPointer, hash: UInt64) -> Int {
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[index]
            if slot.id == 0 { return index }
            if slot.hash == hash, sameBytes(UnsafeRawBufferPointer(start: text.base + Int(slot.offset), count: Int(slot.length)), bytes) {
                return index
            }
            index = (index + 1) & mask
        }
    }

    private mutating func insert(_ bytes: UnsafeRawBufferPointer, hash: UInt64, id: StringID, at free: Int) -> Int {
        var index = free
        if (used + 1) * 4 > (mask + 1) * 3 {
            grow(to: (mask + 1) * 2)
            index = Int(truncatingIfNeeded: hash) & mask
            while slots[index].id != 0 { index = (index + 1) & mask }
        }
        let offset = text.count
        text.append(bytes: bytes)
        slots[index] = Slot(
            hash: hash, offset: UInt64(offset), length: UInt32(bytes.count), id: id, segment: 0, unused: 0)
        used += 1
        if Int(id) >= slotCapacity {
            growNumbers(to: max(slotCapacity * 2, Int(id) + 1))
        }
        slotOf[Int(id)] = UInt32(index)
        return index
    }

    /// Makes room for so many strings.
    mutating func reserve(_ count: Int) {
        let wanted = min(count, Limits.internedStrings)
        var slotCount = mask + 1
        while slotCount * 3 <= wanted * 4 { slotCount *= 2 }
        if slotCount > mask + 1 { grow(to: slotCount) }
        if wanted >= slotCapacity { growNumbers(to: wanted + 1) }
    }

    private mutating func growNumbers(to capacity: Int) {
        let fresh = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
        fresh.initialize(from: slotOf, count: slotCapacity)
        (fresh + slotCapacity).initialize(repeating: .max, count: capacity - slotCapacity)
        slotOf.deallocate()
        slotOf = fresh
        slotCapacity = capacity
    }

    private mutating func grow(to count: Int) {
        let old = slots
        let oldCount = mask + 1
        let fresh = allocateLines(count, of: Slot.self)
        fresh.initialize(repeating: Slot(hash: 0, offset: 0, length: 0, id: 0, segment: 0, unused: 0), count: count)
        mask = count - 1
        for i in 0..<oldCount where old[i].id != 0 {
            var index = Int(truncatingIfNeeded: old[i].hash) & mask
            while fresh[index].id != 0 { index = (index + 1) & mask }
            fresh[index] = old[i]
            slotOf[Int(old[i].id)] = UInt32(index)
        }
        UnsafeMutableRawPointer(old).deallocate()
        slots = fresh
    }
}
