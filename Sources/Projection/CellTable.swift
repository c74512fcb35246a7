// CellTable: sums of events by a key of up to eight numbers; the delta between what is folded and what SQLite holds, and the
// groups of a margins query.
//
// Cells lie densely in the order they were made; a flat open-addressing index of 8-byte slots (half of the key's hash, then
// the cell's number) finds them. So a table of few cells is small, walking it touches nothing but cells, and growing moves
// the index only half as often as it would have to with the sums inside. No key is ever removed; `reset` empties the table
// and keeps its memory. Sums are Int128: 10^20 events of the largest amount would not overflow them.

internal import Core

/// What a cell stands for. In the delta: hour, customer, feature, model, provider, event name. In a query: what was grouped
/// by; the rest is zero. A plain tuple of words would hash slower: four 64-bit words do.
struct CellKey: Equatable {
    var customer: StringID = noString
    var feature: StringID = noString
    var model: StringID = noString
    var provider: StringID = noString
    var eventName: StringID = noString
    /// Hours since the epoch; start of the bucket in the delta.
    var hour: Int32 = 0
    /// Days since the epoch of a local date.
    var day: Int32 = 0
    /// Months since January of year 0.
    var month: Int32 = 0

    @inline(__always) static func == (a: CellKey, b: CellKey) -> Bool {
        a.customer == b.customer && a.hour == b.hour && a.feature == b.feature && a.model == b.model && a.provider == b.provider
            && a.eventName == b.eventName && a.day == b.day && a.month == b.month
    }

    /// Multiplies and folds: enough for identifiers that the ledger numbers from 1, which nobody outside can choose.
    @inline(__always) var hash: UInt64 {
        var h = (UInt64(customer) << 32 | UInt64(UInt32(bitPattern: hour))) &* 0x9E37_79B9_7F4A_7C15
        h = (h ^ (h >> 32) ^ (UInt64(feature) << 32 | UInt64(model))) &* 0xD6E8_FEB8_6659_FD93
        h = (h ^ (h >> 32) ^ (UInt64(provider) << 32 | UInt64(eventName))) &* 0xA076_1D64_78BD_642F
        h = (h ^ (h >> 32) ^ (UInt64(UInt32(bitPattern: day)) << 32 | UInt64(UInt32(bitPattern: month)))) &* 0xE703_7ED1_A0B4_28DB
        return h ^ (h >> 29)
    }
}

/// The sums of a cell.
struct Figures: Equatable {
    var events: Int64 = 0
    var unpriced: Int64 = 0
    /// Millionths.
    var usageUnits: Int128 = 0
    var inputTokens: Int128 = 0
    var outputTokens: Int128 = 0
    /// Picodollars.
    var cost: Int128 = 0
    var revenue: Int128 = 0

    @inline(__always) mutating func add(_ event: borrowing EventSums) {
        events += 1
        unpriced += event.unpriced
        usageUnits += Int128(event.usageUnits)
        inputTokens += Int128(event.inputTokens)
        outputTokens += Int128(event.outputTokens)
        cost += Int128(event.cost)
        revenue += Int128(event.revenue)
    }

    @inline(__always) mutating func add(_ other: borrowing Figures) {
        events += other.events
        unpriced += other.unpriced
        usageUnits += other.usageUnits
        inputTokens += other.inputTokens
        outputTokens += other.outputTokens
        cost += other.cost
        revenue += other.revenue
    }
}

/// What one event adds: millionths and picodollars.
struct EventSums {
    var unpriced: Int64
    var usageUnits: Int64
    var inputTokens: Int64
    var outputTokens: Int64
    var cost: Int64
    var revenue: Int64
}

struct Cell {
    var key: CellKey
    var figures: Figures
}

struct CellTable: ~Copyable {
    private var cells: UnsafeMutablePointer<Cell>
    private var capacity: Int
    private(set) var count = 0
    /// Upper half: part of the hash; lower half: the cell's number plus one, 0 when empty.
    private var index: UnsafeMutablePointer<UInt64>
    private var mask: Int

    init(capacity wanted: Int = 64) {
        capacity = max(64, wanted)
        var slots = 128
        while slots < capacity * 2 { slots *= 2 }
        cells = CellTable.allocate(capacity)
        index = .allocate(capacity: slots)
        index.initialize(repeating: 0, count: slots)
        mask = slots - 1
    }

    deinit {
        cells.deallocate()
        index.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    /// The cells in the order they were made.
    var all: UnsafeBufferPointer<Cell> { UnsafeBufferPointer(start: cells, count: count) }

    /// Asks for the index slot of a hash, a few events before it is probed.
    @inline(__always) func prefetchSlot(_ hash: UInt64) {
        Core.prefetch(UnsafeRawPointer(index + (Int(truncatingIfNeeded: hash) & mask)))
    }

    /// Asks for the cell that the first slot of a hash names.
    @inline(__always) func prefetchCell(_ hash: UInt64) {
        let entry = index[Int(truncatingIfNeeded: hash) & mask]
        guard entry >> 32 == hash >> 32 else { return }
        let cell = UnsafeRawPointer(cells + (Int(entry & 0xFFFF_FFFF) - 1))
        Core.prefetch(cell)
        Core.prefetch(cell + 64)
    }

    /// The number of the cell with this key, made when missing.
    @inline(__always) mutating func find(_ key: CellKey) -> Int { find(key, key.hash) }

    @inline(__always) mutating func find(_ key: CellKey, _ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = index[slot]
            if entry == 0 { return insert(key, hash) }
            if entry >> 32 == hash >> 32 {
                let number = Int(entry & 0xFFFF_FFFF) - 1
                if cells[number].key == key { return number }
            }
            slot = (slot + 1) & mask
        }
    }

    /// The number of the cell with this key; nil when there is none.
    func existing(_ key: CellKey) -> Int? {
        let hash = key.hash
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = index[slot]
            if entry == 0 { return nil }
            if entry >> 32 == hash >> 32 {
                let number = Int(entry & 0xFFFF_FFFF) - 1
                if cells[number].key == key { return number }
            }
            slot = (slot + 1) & mask
        }
    }

    @inline(__always) mutating func add(_ event: borrowing EventSums, to number: Int) { cells[number].figures.add(event) }
    @inline(__always) mutating func add(_ figures: borrowing Figures, to number: Int) { cells[number].figures.add(figures) }
    @inline(__always) func figures(_ number: Int) -> Figures { cells[number].figures }

    /// Empties the table; memory is kept unless it is much more than `keep` cells need.
    mutating func reset(keeping keep: Int = .max) {
        if capacity > keep {
            self = CellTable(capacity: 64)
            return
        }
        count = 0
        index.update(repeating: 0, count: mask + 1)
    }

    @inline(never) private mutating func insert(_ key: CellKey, _ hash: UInt64) -> Int {
        if count == capacity { growCells() }
        // At most half of the slots are taken, so probing ends.
        if (count + 1) * 2 > mask + 1 { growIndex() }
        cells.advanced(by: count).initialize(to: Cell(key: key, figures: Figures()))
        place(count, hash)
        count += 1
        return count - 1
    }

    /// A cell is 128 bytes: two cache lines, when it starts at one.
    private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Cell> {
        UnsafeMutableRawPointer.allocate(byteCount: capacity * MemoryLayout<Cell>.stride, alignment: 64).assumingMemoryBound(to: Cell.self)
    }

    private func place(_ number: Int, _ hash: UInt64) {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while index[slot] != 0 { slot = (slot + 1) & mask }
        index[slot] = (hash >> 32) << 32 | UInt64(number + 1)
    }

    private mutating func growCells() {
        let fresh = CellTable.allocate(capacity * 2)
        fresh.moveInitialize(from: cells, count: count)
        cells.deallocate()
        cells = fresh
        capacity *= 2
    }

    private mutating func growIndex() {
        let slots = (mask + 1) * 2
        index.deallocate()
        index = .allocate(capacity: slots)
        index.initialize(repeating: 0, count: slots)
        mask = slots - 1
        for number in 0..<count { place(number, cells[number].key.hash) }
    }
}

extension CellTable {
    /// Adds a cell under its own names and another hour.
    mutating func merge(_ cell: borrowing Cell, start: Int32) {
        var key = cell.key
        key.hour = start
        add(cell.figures, to: find(key))
    }

    /// Numbers of the cells, ordered by hour, customer, feature, model, provider and event name.
    func sortedByKey() -> [Int] {
        let cells = all
        return (0..<count).sorted { a, b in
            let x = cells[a].key
            let y = cells[b].key
            if x.hour != y.hour { return x.hour < y.hour }
            if x.customer != y.customer { return x.customer < y.customer }
            return Bucket.isBefore(Bucket(x), Bucket(y))
        }
    }
}
