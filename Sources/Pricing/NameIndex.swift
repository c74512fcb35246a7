// NameIndex: exact model names, found by their lower-case form, each with its provider and row.
//
// Used when the catalogue is read and when a name is resolved, never per event. Names of the same lower-case form are linked.

internal import Core

struct NameRecord {
    var text: Text
    var entry: Int32
    var provider: Int32
    var next: Int32
    var hash: UInt32
}

struct NameIndex: ~Copyable {
    private(set) var records: GrowingBuffer<NameRecord>
    private var slots: UnsafeMutablePointer<Int32>
    private var slotCount: Int

    /// `capacity` is a power of two: as many names before it grows.
    init(capacity: Int) {
        records = GrowingBuffer(capacity: capacity)
        slotCount = capacity * 2
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: -1, count: slotCount)
    }

    deinit { slots.deallocate() }

    /// Adds a name; false when the provider has it already. One row may have it in several cases.
    mutating func add(_ text: Text, provider: Int, entry: Int) -> Bool {
        if records.count * 2 >= slotCount { grow() }
        let hash = NameIndex.hash(text)
        let slot = find(text, hash)
        var at = slots[slot]
        while at >= 0 {
            let record = records[Int(at)]
            if record.provider == Int32(provider), record.entry != Int32(entry) || sameBytes(record.text, text) { return false }
            at = record.next
        }
        records.append(NameRecord(text: text, entry: Int32(entry), provider: Int32(provider), next: slots[slot], hash: hash))
        slots[slot] = Int32(records.count - 1)
        return true
    }

    /// The first record of this name, any provider; -1 when there is none. The others follow by `next`.
    func first(_ text: Text) -> Int32 { slots[find(text, NameIndex.hash(text))] }

    private func find(_ text: Text, _ hash: UInt32) -> Int {
        var slot = Int(hash) & (slotCount - 1)
        while slots[slot] >= 0 {
            let record = records[Int(slots[slot])]
            if record.hash == hash, NameIndex.sameFolded(record.text, text) { return slot }
            slot = (slot + 1) & (slotCount - 1)
        }
        return slot
    }

    private mutating func grow() {
        let old = slots
        let oldCount = slotCount
        slotCount *= 2
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: -1, count: slotCount)
        for i in 0..<oldCount where old[i] >= 0 {
            var slot = Int(records[Int(old[i])].hash) & (slotCount - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slotCount - 1) }
            slots[slot] = old[i]
        }
        old.deallocate()
    }

    @inline(__always) static func fold(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    static func hash(_ text: Text) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in text { hash = (hash ^ UInt32(fold(byte))) &* 16_777_619 }
        return hash ^ hash >> 15
    }

    static func sameFolded(_ a: Text, _ b: Text) -> Bool {
        guard a.count == b.count else { return false }
        for i in 0..<a.count where fold(a[i]) != fold(b[i]) { return false }
        return true
    }
}

/// Patterns: `*` is any run of bytes, `#` one decimal digit, everything else itself, letters in either case.
enum Glob {
    static func matches(_ pattern: Text, _ text: Text) -> Bool {
        var p = 0
        var t = 0
        var star = -1
        var mark = 0
        // Most patterns begin with a letter that most names do not begin with.
        if let first = pattern.first, first != 0x2A, first != 0x23, let other = text.first, NameIndex.fold(first) != NameIndex.fold(other) {
            return false
        }
        while t < text.count {
            if p < pattern.count, pattern[p] == 0x2A {
                star = p
                mark = t
                p += 1
            } else if p < pattern.count, one(pattern[p], text[t]) {
                p += 1
                t += 1
            } else if star >= 0 {
                p = star + 1
                mark += 1
                // On to the next place where what follows the star may begin.
                if p < pattern.count, pattern[p] != 0x23, pattern[p] != 0x2A {
                    let next = NameIndex.fold(pattern[p])
                    while mark < text.count, NameIndex.fold(text[mark]) != next { mark += 1 }
                }
                t = mark
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == 0x2A { p += 1 }
        return p == pattern.count
    }

    /// Whether one of the patterns matches and none of those that start with `!`.
    static func matches(any patterns: some Sequence<Text>, _ text: Text) -> Bool {
        var found = false
        for pattern in patterns {
            if pattern.first == 0x21 {
                if matches(Text(rebasing: pattern[1...]), text) { return false }
            } else if !found {
                found = matches(pattern, text)
            }
        }
        return found
    }

    /// One bit for every byte that is itself: a text without all the bits of a pattern does not match it.
    static func letters(_ text: Text) -> UInt64 {
        var mask: UInt64 = 0
        for (index, byte) in text.enumerated() where byte != 0x2A && byte != 0x23 && (byte != 0x21 || index > 0) {
            mask |= 1 << UInt64(NameIndex.fold(byte) & 63)
        }
        return mask
    }

    private static func one(_ pattern: UInt8, _ byte: UInt8) -> Bool {
        pattern == 0x23 ? byte &- 0x30 < 10 : NameIndex.fold(pattern) == NameIndex.fold(byte)
    }
}
