// DeltaTable: what is folded and not in the file yet, one cell for each customer and bucket.
//
// A bucket is what else an event is counted by: hour, feature, model, provider and event name. There are few buckets and many
// customers, so a cell names its bucket by a number and takes one cache line with its sums. Sums of a cell are 64 bits wide; what
// does not fit (it takes amounts near the largest there are) goes to a table of wide cells beside it, so a key may have a cell in
// both and counts for their sum. No cell is ever removed.
//
// A bucket has the sums of all its customers, too: a question that names none walks the buckets and not hundreds of thousands of
// cells, and a flush has the rows of all customers together as they are.
//
// Cells of customers that fall together in a small table are chained, so a question about one customer walks its cells and a few
// others, not all.

internal import Core

/// What an event is counted by, but for its customer.
struct Bucket: Hashable {
    var hour: Int32
    var feature: StringID
    var model: StringID
    var provider: StringID
    var eventName: StringID
}

/// 64 bytes: a cache line.
private struct DeltaCell {
    var customer: StringID
    var bucket: UInt32
    var events: Int64 = 0
    var unpriced: Int64 = 0
    var usageUnits: Int64 = 0
    var inputTokens: Int64 = 0
    var outputTokens: Int64 = 0
    var cost: Int64 = 0
    var revenue: Int64 = 0

    /// False when a sum does not fit; then nothing was added.
    @inline(__always) mutating func add(_ event: borrowing EventSums) -> Bool {
        let (units, a) = usageUnits.addingReportingOverflow(event.usageUnits)
        let (input, b) = inputTokens.addingReportingOverflow(event.inputTokens)
        let (output, c) = outputTokens.addingReportingOverflow(event.outputTokens)
        let (cost, d) = cost.addingReportingOverflow(event.cost)
        let (revenue, e) = revenue.addingReportingOverflow(event.revenue)
        guard !(a || b || c || d || e) else { return false }
        events += 1
        unpriced += event.unpriced
        usageUnits = units
        inputTokens = input
        outputTokens = output
        self.cost = cost
        self.revenue = revenue
        return true
    }

    @inline(__always) var figures: Figures {
        var figures = Figures()
        figures.events = events
        figures.unpriced = unpriced
        figures.usageUnits = Int128(usageUnits)
        figures.inputTokens = Int128(inputTokens)
        figures.outputTokens = Int128(outputTokens)
        figures.cost = Int128(cost)
        figures.revenue = Int128(revenue)
        return figures
    }
}

/// The buckets met, numbered from 0, with the sums of all their customers.
struct BucketTable: ~Copyable {
    private(set) var all: [Bucket] = []
    private var sums: UnsafeMutablePointer<Figures>
    private var capacity = 32
    /// Numbers plus one; 0 is empty. At most half are taken.
    private var slots = [UInt32](repeating: 0, count: 64)

    init() { sums = .allocate(capacity: capacity) }

    deinit { sums.deallocate() }

    @inline(__always) private static func hash(_ bucket: Bucket) -> Int {
        var h = (UInt64(bucket.feature) << 32 | UInt64(bucket.model)) &* 0x9E37_79B9_7F4A_7C15
        h = (h ^ (h >> 32) ^ (UInt64(bucket.provider) << 32 | UInt64(bucket.eventName))) &* 0xD6E8_FEB8_6659_FD93
        h = (h ^ (h >> 32) ^ UInt64(UInt32(bitPattern: bucket.hour))) &* 0xA076_1D64_78BD_642F
        return Int(truncatingIfNeeded: h >> 32)
    }

    @inline(__always) mutating func number(_ bucket: Bucket) -> UInt32 {
        var slot = BucketTable.hash(bucket) & (slots.count - 1)
        while slots[slot] != 0 {
            if all[Int(slots[slot]) - 1] == bucket { return slots[slot] - 1 }
            slot = (slot + 1) & (slots.count - 1)
        }
        return add(bucket)
    }

    @inline(__always) mutating func add(_ event: borrowing EventSums, to number: UInt32) { sums[Int(number)].add(event) }
    @inline(__always) mutating func add(_ figures: borrowing Figures, to number: UInt32) { sums[Int(number)].add(figures) }
    @inline(__always) func figures(_ number: Int) -> Figures { sums[number] }

    @inline(never) private mutating func add(_ bucket: Bucket) -> UInt32 {
        if all.count == capacity {
            let grown = UnsafeMutablePointer<Figures>.allocate(capacity: capacity * 2)
            grown.moveInitialize(from: sums, count: all.count)
            sums.deallocate()
            sums = grown
            capacity *= 2
        }
        (sums + all.count).initialize(to: Figures())
        all.append(bucket)
        var from = all.count - 1
        if all.count * 2 > slots.count {
            slots = [UInt32](repeating: 0, count: slots.count * 2)
            from = 0
        }
        for number in from..<all.count {
            var slot = BucketTable.hash(all[number]) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(number + 1)
        }
        return UInt32(all.count - 1)
    }
}

struct DeltaTable: ~Copyable {
    private var cells: UnsafeMutablePointer<DeltaCell>
    private var capacity: Int
    private var narrowCount = 0
    /// Upper half: part of the hash; lower half: the cell's number plus one, 0 when empty.
    private var index: UnsafeMutablePointer<UInt64>
    private var mask: Int
    /// By customer: the number plus one of the newest cell of those that fall on it; 0 when there is none. One for eight slots.
    private var heads: UnsafeMutablePointer<UInt32>
    /// Of each cell: the number plus one of the one before it in its chain; 0 ends it.
    private var next: UnsafeMutablePointer<UInt32>
    private var buckets = BucketTable()
    private var wide = CellTable()

    init(capacity wanted: Int = 256) {
        capacity = max(64, wanted)
        var slots = 128
        while slots < capacity * 2 { slots *= 2 }
        cells = DeltaTable.allocate(capacity)
        index = .allocate(capacity: slots)
        index.initialize(repeating: 0, count: slots)
        mask = slots - 1
        next = .allocate(capacity: capacity)
        heads = .allocate(capacity: slots / 8)
        heads.initialize(repeating: 0, count: slots / 8)
    }

    deinit {
        cells.deallocate()
        index.deallocate()
        next.deallocate()
        heads.deallocate()
    }

    /// Cells, and buckets, each of which takes as much memory as one and a half and is counted as two.
    var count: Int { narrowCount + wide.count + 2 * buckets.all.count }

    // MARK: - Adding

    /// The number of a bucket, for `hash` and `add`.
    @inline(__always) mutating func bucket(_ bucket: Bucket) -> UInt32 { buckets.number(bucket) }

    /// Multiplies and folds: enough for numbers that the ledger gives from 1 on, which nobody outside can choose.
    @inline(__always) static func hash(_ customer: StringID, _ bucket: UInt32) -> UInt64 {
        let h = (UInt64(customer) << 32 | UInt64(bucket)) &* 0x9E37_79B9_7F4A_7C15
        let mixed = (h ^ (h >> 32)) &* 0xD6E8_FEB8_6659_FD93
        return mixed ^ (mixed >> 29)
    }

    /// Asks for the index slot of a hash, a few events before it is probed.
    @inline(__always) func prefetchSlot(_ hash: UInt64) {
        Core.prefetch(UnsafeRawPointer(index + (Int(truncatingIfNeeded: hash) & mask)))
    }

    /// Asks for the cell that the first slot of a hash names.
    @inline(__always) func prefetchCell(_ hash: UInt64) {
        let entry = index[Int(truncatingIfNeeded: hash) & mask]
        guard entry >> 32 == hash >> 32 else { return }
        Core.prefetch(UnsafeRawPointer(cells + (Int(entry & 0xFFFF_FFFF) - 1)))
    }

    /// Adds one event.
    @inline(__always)
    mutating func add(_ event: borrowing EventSums, customer: StringID, bucket: UInt32, hash: UInt64) {
        buckets.add(event, to: bucket)
        let number = find(customer, bucket, hash)
        if !cells[number].add(event) {
            var figures = Figures()
            figures.add(event)
            wide.add(figures, to: wide.find(key(number)))
        }
    }

    /// Adds sums of any size.
    mutating func add(_ figures: borrowing Figures, _ key: CellKey) {
        let bucket = buckets.number(Bucket(key))
        buckets.add(figures, to: bucket)
        let number = find(key.customer, bucket, DeltaTable.hash(key.customer, bucket))
        var sum = cells[number].figures
        sum.add(figures)
        guard let units = Int64(exactly: sum.usageUnits), let input = Int64(exactly: sum.inputTokens),
            let output = Int64(exactly: sum.outputTokens), let cost = Int64(exactly: sum.cost), let revenue = Int64(exactly: sum.revenue)
        else { return wide.add(figures, to: wide.find(self.key(number))) }
        cells[number].events = sum.events
        cells[number].unpriced = sum.unpriced
        cells[number].usageUnits = units
        cells[number].inputTokens = input
        cells[number].outputTokens = output
        cells[number].cost = cost
        cells[number].revenue = revenue
    }

    @inline(__always) private mutating func find(_ customer: StringID, _ bucket: UInt32, _ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = index[slot]
            if entry == 0 { return insert(DeltaCell(customer: customer, bucket: bucket), hash) }
            if entry >> 32 == hash >> 32 {
                let number = Int(entry & 0xFFFF_FFFF) - 1
                if cells[number].customer == customer, cells[number].bucket == bucket { return number }
            }
            slot = (slot + 1) & mask
        }
    }

    @inline(never) private mutating func insert(_ cell: DeltaCell, _ hash: UInt64) -> Int {
        if narrowCount == capacity { growCells() }
        // At most half of the slots are taken, so probing ends.
        if (narrowCount + 1) * 2 > mask + 1 { growIndex() }
        cells.advanced(by: narrowCount).initialize(to: cell)
        place(narrowCount, hash)
        chain(narrowCount)
        narrowCount += 1
        return narrowCount - 1
    }

    @inline(__always) private func head(_ customer: StringID) -> Int {
        Int(truncatingIfNeeded: (UInt64(customer) &* 0x9E37_79B9_7F4A_7C15) >> 32) & (mask >> 3)
    }

    @inline(__always) private func chain(_ number: Int) {
        let head = heads + head(cells[number].customer)
        (next + number).initialize(to: head.pointee)
        head.pointee = UInt32(number + 1)
    }

    private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<DeltaCell> {
        UnsafeMutableRawPointer.allocate(byteCount: capacity * MemoryLayout<DeltaCell>.stride, alignment: 64)
            .assumingMemoryBound(to: DeltaCell.self)
    }

    private func place(_ number: Int, _ hash: UInt64) {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while index[slot] != 0 { slot = (slot + 1) & mask }
        index[slot] = (hash >> 32) << 32 | UInt64(number + 1)
    }

    private mutating func growCells() {
        let fresh = DeltaTable.allocate(capacity * 2)
        fresh.moveInitialize(from: cells, count: narrowCount)
        cells.deallocate()
        cells = fresh
        let links = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
        links.moveInitialize(from: next, count: narrowCount)
        next.deallocate()
        next = links
        capacity *= 2
    }

    private mutating func growIndex() {
        let slots = (mask + 1) * 2
        index.deallocate()
        index = .allocate(capacity: slots)
        index.initialize(repeating: 0, count: slots)
        mask = slots - 1
        heads.deallocate()
        heads = .allocate(capacity: slots / 8)
        heads.initialize(repeating: 0, count: slots / 8)
        for number in 0..<narrowCount {
            place(number, DeltaTable.hash(cells[number].customer, cells[number].bucket))
            chain(number)
        }
    }

    // MARK: - Reading

    @inline(__always) private func key(_ number: Int) -> CellKey {
        var key = CellKey(buckets.all[Int(cells[number].bucket)])
        key.customer = cells[number].customer
        return key
    }

    /// Hands on every cell; a key may come twice.
    @inline(__always) func forEach(_ visit: (CellKey, borrowing Figures) -> Void) {
        for number in 0..<narrowCount { visit(key(number), cells[number].figures) }
        for cell in wide.all { visit(cell.key, cell.figures) }
    }

    /// Hands on every cell of a customer; a key may come twice.
    @inline(__always) func forEach(of customer: StringID, _ visit: (CellKey, borrowing Figures) -> Void) {
        var link = heads[head(customer)]
        while link != 0 {
            let number = Int(link) - 1
            if cells[number].customer == customer { visit(key(number), cells[number].figures) }
            link = next[number]
        }
        for cell in wide.all where cell.key.customer == customer { visit(cell.key, cell.figures) }
    }

    /// Hands on the sums of all customers together, under no customer; a key comes once.
    func forEachTogether<E>(_ visit: (CellKey, borrowing Figures) throws(E) -> Void) throws(E) {
        for (number, bucket) in buckets.all.enumerated() { try visit(CellKey(bucket), buckets.figures(number)) }
    }

    /// The buckets, by their numbers.
    var allBuckets: [Bucket] { buckets.all }

    /// Hands on the cells of buckets that have a number among the recent ones (`numbers` has one for each bucket, or `none`), in the order
    /// of their keys.
    func forEachRecent<E>(_ numbers: [UInt32], _ visit: (Int64, borrowing Figures) throws(E) -> Void) throws(E) {
        var places: [Place] = []
        places.reserveCapacity(narrowCount)
        for number in 0..<narrowCount {
            let bucket = numbers[Int(cells[number].bucket)]
            guard bucket != RecentBuckets.none else { continue }
            places.append(Place(id: RecentKey.id(cells[number].customer, bucket), number: number))
        }
        Place.sort(&places)
        let ahead = 8
        for index in places.indices {
            if index + ahead < places.count { Core.prefetch(UnsafeRawPointer(cells + places[index + ahead].number)) }
            try visit(places[index].id, cells[places[index].number].figures)
        }
    }

    /// Hands on the cells of buckets that have no such number, in no order.
    func forEachLate<E>(_ numbers: [UInt32], _ visit: (CellKey, borrowing Figures) throws(E) -> Void) throws(E) {
        guard numbers.contains(RecentBuckets.none) else { return }
        for number in 0..<narrowCount where numbers[Int(cells[number].bucket)] == RecentBuckets.none {
            try visit(key(number), cells[number].figures)
        }
    }

    /// Hands on the cells whose sums do not fit into 64 bits.
    func forEachWide<E>(_ visit: (CellKey, borrowing Figures) throws(E) -> Void) throws(E) {
        for cell in wide.all { try visit(cell.key, cell.figures) }
    }
}

/// A cell by its key among the recent rows.
private struct Place: BitwiseCopyable {
    var id: Int64
    var number: Int

    /// Sorts by digits of eleven bits, the lowest first, leaving out bits that are the same in all: for some hundred thousand customers
    /// and some thousand buckets three passes, where comparing takes twenty.
    static func sort(_ places: inout [Place]) {
        guard let first = places.first else { return }
        var differing: UInt64 = 0
        for place in places { differing |= UInt64(bitPattern: place.id ^ first.id) }
        var sorted = places
        while differing != 0 {
            let shift = UInt64(differing.trailingZeroBitCount)
            var starts = [Int](repeating: 0, count: 2048)
            for place in places { starts[Int(UInt64(bitPattern: place.id) >> shift & 2047)] += 1 }
            var sum = 0
            for digit in 0..<2048 {
                let count = starts[digit]
                starts[digit] = sum
                sum += count
            }
            for place in places {
                let digit = Int(UInt64(bitPattern: place.id) >> shift & 2047)
                sorted[starts[digit]] = place
                starts[digit] += 1
            }
            swap(&places, &sorted)
            differing &= ~(2047 << shift)
        }
    }
}

extension Bucket {
    init(_ key: CellKey) {
        self.init(hour: key.hour, feature: key.feature, model: key.model, provider: key.provider, eventName: key.eventName)
    }

    /// By hour, then in the order of the names.
    @inline(__always) static func isBefore(_ x: Bucket, _ y: Bucket) -> Bool {
        if x.hour != y.hour { return x.hour < y.hour }
        if x.feature != y.feature { return x.feature < y.feature }
        if x.model != y.model { return x.model < y.model }
        if x.provider != y.provider { return x.provider < y.provider }
        return x.eventName < y.eventName
    }
}

extension CellKey {
    /// Of all customers.
    @inline(__always) init(_ bucket: Bucket) {
        self.init()
        hour = bucket.hour
        feature = bucket.feature
        model = bucket.model
        provider = bucket.provider
        eventName = bucket.eventName
    }
}
