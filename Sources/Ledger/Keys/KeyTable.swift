// KeyTable: the newest keys, in memory.
//
// 256 shards by the fingerprint's top byte, each a power-of-two table with linear probing and a load of at most 3/4: a shard
// grows alone, so the loop never stops for the whole table. Entries older than the window count as absent: positions grow
// with time, so one comparison decides, and their slots are used again when a shard grows. A shard holds what becomes one
// section of a run (`RunFormat`), so writing a table down sorts one shard at a time and needs no memory for the whole.
//
// A table that was written down is used again: growing from nothing and touching fresh memory cost the loop 22 ns a key. Its shards
// keep their memory and look empty, through a mask of 0 and one entry of zeros; each is cleared when it gets its first key.

internal import Core

/// A key as the index knows it.
@frozen
public struct KeyEntry: Equatable, Sendable {
    public var fingerprint: UInt64
    /// Raw `JournalPosition` of its event; 0 marks an empty slot.
    public var position: UInt64

    @inlinable public init(fingerprint: UInt64, position: UInt64) {
        self.fingerprint = fingerprint
        self.position = position
    }
}

struct KeyTable: ~Copyable {
    struct Shard {
        var entries: UnsafeMutablePointer<KeyEntry>
        var mask: Int
        var used: Int
        /// Entries that there is memory for: more than `mask` says in a shard that is used again and has no key yet.
        var capacity: Int
    }

    static let shardCount = 256
    private let shards: UnsafeMutablePointer<Shard>
    private(set) var count = 0

    init() {
        shards = .allocate(capacity: KeyTable.shardCount)
        for i in 0..<KeyTable.shardCount { (shards + i).initialize(to: KeyTable.shard(capacity: 16)) }
    }

    deinit {
        for i in 0..<KeyTable.shardCount { shards[i].entries.deallocate() }
        shards.deallocate()
    }

    private static func shard(capacity: Int) -> Shard {
        let entries = UnsafeMutablePointer<KeyEntry>.allocate(capacity: capacity)
        entries.initialize(repeating: KeyEntry(fingerprint: 0, position: 0), count: capacity)
        return Shard(entries: entries, mask: capacity - 1, used: 0, capacity: capacity)
    }

    /// Bytes of all tables.
    var byteCount: Int {
        var total = 0
        for i in 0..<KeyTable.shardCount { total += shards[i].capacity * MemoryLayout<KeyEntry>.stride }
        return total
    }

    @inline(__always) func prefetchSlot(_ fingerprint: UInt64) {
        let shard = shards + Int(truncatingIfNeeded: fingerprint >> 56)
        let slot = shard.pointee.entries + (Int(truncatingIfNeeded: fingerprint) & shard.pointee.mask)
        prefetch(slot)
        // A walk over what does not match often ends in the next cache line.
        prefetch(slot + 3)
    }

    /// Walks the entries that carry `fingerprint` and stand at `expiredBefore` or later. Start with `cursor` 0; nil at the end.
    @inline(__always)
    func candidate(_ fingerprint: UInt64, cursor: inout Int, expiredBefore: UInt64) -> JournalPosition? {
        let shard = shards[Int(truncatingIfNeeded: fingerprint >> 56)]
        while cursor <= shard.mask {
            let entry = shard.entries[(Int(truncatingIfNeeded: fingerprint) &+ cursor) & shard.mask]
            cursor += 1
            if entry.position == 0 { return nil }
            if entry.fingerprint == fingerprint, entry.position >= expiredBefore { return JournalPosition(raw: entry.position) }
        }
        return nil
    }

    /// Notes which of a block of fingerprints stand in the table.
    func probe(_ fingerprints: UnsafePointer<UInt64>, count: Int, into hints: UnsafeMutablePointer<DedupHint>) {
        let ahead = 16
        for i in 0..<min(ahead, count) { prefetchSlot(fingerprints[i]) }
        for i in 0..<count {
            if i + ahead < count { prefetchSlot(fingerprints[i + ahead]) }
            let shard = shards + Int(truncatingIfNeeded: fingerprints[i] >> 56)
            let (entries, mask) = (shard.pointee.entries, shard.pointee.mask)
            var index = Int(truncatingIfNeeded: fingerprints[i]) & mask
            // A shard is never full.
            while entries[index].position != 0 {
                if entries[index].fingerprint == fingerprints[i] {
                    hints[i].isSealed = true
                    break
                }
                index = (index + 1) & mask
            }
        }
    }

    /// Makes room in the shard of a fingerprint for so many entries, if it is empty: it then need not grow while they are added.
    mutating func reserve(_ count: Int, shardOf fingerprint: UInt64) {
        let shard = shards + Int(truncatingIfNeeded: fingerprint >> 56)
        guard shard.pointee.used == 0 else { return }
        var capacity = 16
        while capacity * 3 < (count + 1) * 4 { capacity *= 2 }
        guard capacity > shard.pointee.capacity else { return }
        shard.pointee.entries.deallocate()
        shard.pointee = KeyTable.shard(capacity: capacity)
    }

    /// Adds an entry; the caller has made sure that the key is not there.
    @inline(__always)
    mutating func insert(_ fingerprint: UInt64, _ position: JournalPosition, expiredBefore: UInt64) {
        let shard = shards + Int(truncatingIfNeeded: fingerprint >> 56)
        if (shard.pointee.used + 1) * 4 > (shard.pointee.mask + 1) * 3 { grow(shard, expiredBefore) }
        var index = Int(truncatingIfNeeded: fingerprint) & shard.pointee.mask
        while shard.pointee.entries[index].position != 0 { index = (index + 1) & shard.pointee.mask }
        shard.pointee.entries[index] = KeyEntry(fingerprint: fingerprint, position: position.raw)
        shard.pointee.used += 1
        count += 1
    }

    /// Rehashes a shard without its expired entries, into twice the room unless dropping them was enough.
    @inline(never) private mutating func grow(_ shard: UnsafeMutablePointer<Shard>, _ expiredBefore: UInt64) {
        let old = shard.pointee
        if old.capacity > old.mask + 1 {
            old.entries.update(repeating: KeyEntry(fingerprint: 0, position: 0), count: old.capacity)
            shard.pointee.mask = old.capacity - 1
            return
        }
        var live = 0
        for i in 0...old.mask where old.entries[i].position != 0 && old.entries[i].position >= expiredBefore { live += 1 }
        let capacity = live * 2 > old.mask ? (old.mask + 1) * 2 : old.mask + 1
        var fresh = KeyTable.shard(capacity: capacity)
        for i in 0...old.mask where old.entries[i].position != 0 && old.entries[i].position >= expiredBefore {
            var index = Int(truncatingIfNeeded: old.entries[i].fingerprint) & fresh.mask
            while fresh.entries[index].position != 0 { index = (index + 1) & fresh.mask }
            fresh.entries[index] = old.entries[i]
        }
        fresh.used = live
        count -= old.used - live
        old.entries.deallocate()
        shard.pointee = fresh
    }

    /// Forgets every key.
    mutating func reuse() {
        for i in 0..<KeyTable.shardCount {
            shards[i].entries[0] = KeyEntry(fingerprint: 0, position: 0)
            shards[i].mask = 0
            shards[i].used = 0
        }
        count = 0
    }

    /// Calls `body` with each entry of one shard, in no order.
    func forEach(inShard index: Int, _ body: (KeyEntry) -> Void) {
        let shard = shards[index]
        for i in 0...shard.mask where shard.entries[i].position != 0 { body(shard.entries[i]) }
    }
}

/// A table that takes no more keys and waits to become a run. It stays where it is, and is only read, until then.
public struct SealedKeys: @unchecked Sendable {
    let table: UnsafeMutablePointer<KeyTable>
    /// The events whose keys it holds stand from `from` on and before `to`.
    let from: JournalPosition
    let to: JournalPosition
    /// The batch its last event is in.
    let batch: JournalPosition
    let count: Int

    func free() {
        table.deinitialize(count: 1)
        table.deallocate()
    }
}
