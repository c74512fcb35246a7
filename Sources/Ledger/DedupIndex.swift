// DedupIndex: which idempotency keys were recorded, and where.
//
// An entry is a 64-bit fingerprint of the key and the journal position of its event: 16 bytes. A fingerprint that matches
// proves nothing; the caller reads the record at the position and compares the key. So the answer is exact, a retry gets the
// original back, and a different payload under the same key is seen.
//
// 256 shards by the fingerprint's top byte, each a power-of-two table with linear probing and a load of at most 3/4: a shard
// grows alone, so the loop never stops for the whole index. Entries older than the window count as absent: positions grow
// with time, so one comparison with `expiredBefore` decides, and their slots are reused when a shard grows.

public import Core

public struct DedupIndex: ~Copyable {
    @frozen
    public struct Entry {
        public var fingerprint: UInt64
        /// Raw `JournalPosition`; 0 marks an empty slot.
        public var position: UInt64

        @inlinable init(fingerprint: UInt64, position: UInt64) {
            self.fingerprint = fingerprint
            self.position = position
        }
    }

    @usableFromInline struct Shard {
        @usableFromInline var entries: UnsafeMutablePointer<Entry>
        @usableFromInline var mask: Int
        @usableFromInline var used: Int
    }

    public static let shardCount = 256
    @usableFromInline let shards: UnsafeMutablePointer<Shard>
    /// Entries before this position have left the window.
    public var expiredBefore = JournalPosition.start
    public private(set) var count = 0

    public init() {
        shards = .allocate(capacity: DedupIndex.shardCount)
        for i in 0..<DedupIndex.shardCount { (shards + i).initialize(to: DedupIndex.shard(capacity: 16)) }
    }

    deinit {
        for i in 0..<DedupIndex.shardCount { shards[i].entries.deallocate() }
        shards.deallocate()
    }

    private static func shard(capacity: Int) -> Shard {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        entries.initialize(repeating: Entry(fingerprint: 0, position: 0), count: capacity)
        return Shard(entries: entries, mask: capacity - 1, used: 0)
    }

    /// Bytes of all tables.
    public var byteCount: Int {
        var total = 0
        for i in 0..<DedupIndex.shardCount { total += (shards[i].mask + 1) * MemoryLayout<Entry>.stride }
        return total
    }

    @inlinable @inline(__always) public func prefetchSlot(_ fingerprint: UInt64) {
        let shard = shards + Int(truncatingIfNeeded: fingerprint >> 56)
        prefetch(shard.pointee.entries + (Int(truncatingIfNeeded: fingerprint) & shard.pointee.mask))
    }

    /// Walks the entries that carry `fingerprint` and are inside the window. Start with `cursor` 0; the result is the position
    /// of the next candidate, or nil when there is none.
    @inlinable public func candidate(_ fingerprint: UInt64, cursor: inout Int) -> JournalPosition? {
        let shard = shards[Int(truncatingIfNeeded: fingerprint >> 56)]
        while cursor <= shard.mask {
            let entry = shard.entries[(Int(truncatingIfNeeded: fingerprint) &+ cursor) & shard.mask]
            cursor += 1
            if entry.position == 0 { return nil }
            if entry.fingerprint == fingerprint, entry.position >= expiredBefore.raw { return JournalPosition(raw: entry.position) }
        }
        return nil
    }

    /// Adds an entry; the caller has made sure that the key is not there.
    @inlinable public mutating func insert(_ fingerprint: UInt64, _ position: JournalPosition) {
        let shard = shards + Int(truncatingIfNeeded: fingerprint >> 56)
        if (shard.pointee.used + 1) * 4 > (shard.pointee.mask + 1) * 3 { grow(shard) }
        var index = Int(truncatingIfNeeded: fingerprint) & shard.pointee.mask
        while shard.pointee.entries[index].position != 0 { index = (index + 1) & shard.pointee.mask }
        shard.pointee.entries[index] = Entry(fingerprint: fingerprint, position: position.raw)
        shard.pointee.used += 1
        added()
    }

    @usableFromInline mutating func added() { count += 1 }

    /// Rehashes a shard without its expired entries, into twice the room unless dropping them was enough.
    @usableFromInline @inline(never) mutating func grow(_ shard: UnsafeMutablePointer<Shard>) {
        let old = shard.pointee
        var live = 0
        for i in 0...old.mask where old.entries[i].position != 0 && old.entries[i].position >= expiredBefore.raw { live += 1 }
        let capacity = live * 2 > old.mask ? (old.mask + 1) * 2 : old.mask + 1
        var fresh = DedupIndex.shard(capacity: capacity)
        for i in 0...old.mask where old.entries[i].position != 0 && old.entries[i].position >= expiredBefore.raw {
            var index = Int(truncatingIfNeeded: old.entries[i].fingerprint) & fresh.mask
            while fresh.entries[index].position != 0 { index = (index + 1) & fresh.mask }
            fresh.entries[index] = old.entries[i]
        }
        fresh.used = live
        count -= old.used - live
        old.entries.deallocate()
        shard.pointee = fresh
    }
}
