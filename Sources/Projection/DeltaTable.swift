// DeltaTable: what is folded and not in the file yet, one cell for each hour, customer and shape.
//
// A shape is what else an event is counted by: feature, model, provider and event name. There are few shapes and many customers,
// so a cell names its shape by a number and takes one cache line with its sums. Sums of a cell are 64 bits wide; what does not
// fit (it takes amounts near the largest there are) goes to a table of wide cells beside it, so a key may have a cell in both and
// counts for their sum. No cell is ever removed.

internal import Core

/// What an event is counted by, but for its hour and its customer.
struct Shape: Equatable {
    var feature: StringID
    var model: StringID
    var provider: StringID
    var eventName: StringID
}

/// 64 bytes.
private struct DeltaCell {
    var customer: StringID
    var hour: Int32
    var shape: UInt32
    var events: Int32 = 0
    var unpriced: Int32 = 0
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
        guard !(a || b || c || d || e || events == .max) else { return false }
        events += 1
        unpriced += Int32(truncatingIfNeeded: event.unpriced)
        usageUnits = units
        inputTokens = input
        outputTokens = output
        self.cost = cost
        self.revenue = revenue
        return true
    }

    @inline(__always) var figures: Figures {
        var figures = Figures()
        figures.events = Int64(events)
        figures.unpriced = Int64(unpriced)
        figures.usageUnits = Int128(usageUnits)
        figures.inputTokens = Int128(inputTokens)
        figures.outputTokens = Int128(outputTokens)
        figures.cost = Int128(cost)
        figures.revenue = Int128(revenue)
        return figures
    }
}

/// The shapes met, numbered from 0.
struct ShapeTable: ~Copyable {
    private(set) var all: [Shape] = []
    /// Numbers plus one; 0 is empty. At most half are taken.
    private var slots = [UInt32](repeating: 0, count: 64)

    @inline(__always) private static func hash(_ shape: Shape) -> Int {
        var h = (UInt64(shape.feature) << 32 | UInt64(shape.model)) &* 0x9E37_79B9_7F4A_7C15
        h = (h ^ (h >> 32) ^ (UInt64(shape.provider) << 32 | UInt64(shape.eventName))) &* 0xD6E8_FEB8_6659_FD93
        return Int(truncatingIfNeeded: h >> 32)
    }

    @inline(__always) mutating func number(_ shape: Shape) -> UInt32 {
        var slot = ShapeTable.hash(shape) & (slots.count - 1)
        while slots[slot] != 0 {
            if all[Int(slots[slot]) - 1] == shape { return slots[slot] - 1 }
            slot = (slot + 1) & (slots.count - 1)
        }
        return add(shape)
    }

    @inline(never) private mutating func add(_ shape: Shape) -> UInt32 {
        all.append(shape)
        var from = all.count - 1
        if all.count * 2 > slots.count {
            slots = [UInt32](repeating: 0, count: slots.count * 2)
            from = 0
        }
        for number in from..<all.count {
            var slot = ShapeTable.hash(all[number]) & (slots.count - 1)
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
    private var shapes = ShapeTable()
    private var wide = CellTable()

    init(capacity wanted: Int = 256) {
        capacity = max(64, wanted)
        var slots = 128
        while slots < capacity * 2 { slots *= 2 }
        cells = DeltaTable.allocate(capacity)
        index = .allocate(capacity: slots)
        index.initialize(repeating: 0, count: slots)
        mask = slots - 1
    }

    deinit {
        cells.deallocate()
        index.deallocate()
    }

    var count: Int { narrowCount + wide.count }
    var isEmpty: Bool { count == 0 }

    // MARK: - Adding

    /// The number of a shape, for `hash` and `find`.
    @inline(__always) mutating func shape(_ shape: Shape) -> UInt32 { shapes.number(shape) }

    /// Multiplies and folds: enough for numbers that the ledger gives from 1 on, which nobody outside can choose.
    @inline(__always) static func hash(_ customer: StringID, _ hour: Int32, _ shape: UInt32) -> UInt64 {
        var h = (UInt64(customer) << 32 | UInt64(shape)) &* 0x9E37_79B9_7F4A_7C15
        h = (h ^ (h >> 32) ^ UInt64(UInt32(bitPattern: hour))) &* 0xD6E8_FEB8_6659_FD93
        return h ^ (h >> 29)
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
    mutating func add(_ event: borrowing EventSums, customer: StringID, hour: Int32, shape: UInt32, hash: UInt64) {
        let number = find(customer, hour, shape, hash)
        if !cells[number].add(event) {
            var figures = Figures()
            figures.add(event)
            wide.add(figures, to: wide.find(key(number)))
        }
    }

    /// Adds sums of any size.
    mutating func add(_ figures: borrowing Figures, _ key: CellKey) {
        let shape = shapes.number(Shape(feature: key.feature, model: key.model, provider: key.provider, eventName: key.eventName))
        let number = find(key.customer, key.hour, shape, DeltaTable.hash(key.customer, key.hour, shape))
        var sum = cells[number].figures
        sum.add(figures)
        guard let events = Int32(exactly: sum.events), let unpriced = Int32(exactly: sum.unpriced),
            let units = Int64(exactly: sum.usageUnits), let input = Int64(exactly: sum.inputTokens),
            let output = Int64(exactly: sum.outputTokens), let cost = Int64(exactly: sum.cost), let revenue = Int64(exactly: sum.revenue)
        else { return wide.add(figures, to: wide.find(self.key(number))) }
        cells[number].events = events
        cells[number].unpriced = unpriced
        cells[number].usageUnits = units
        cells[number].inputTokens = input
        cells[number].outputTokens = output
        cells[number].cost = cost
        cells[number].revenue = revenue
    }

    @inline(__always) private mutating func find(_ customer: StringID, _ hour: Int32, _ shape: UInt32, _ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = index[slot]
            if entry == 0 { return insert(DeltaCell(customer: customer, hour: hour, shape: shape), hash) }
            if entry >> 32 == hash >> 32 {
                let number = Int(entry & 0xFFFF_FFFF) - 1
                if cells[number].customer == customer, cells[number].shape == shape, cells[number].hour == hour { return number }
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
        narrowCount += 1
        return narrowCount - 1
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
        capacity *= 2
    }

    private mutating func growIndex() {
        let slots = (mask + 1) * 2
        index.deallocate()
        index = .allocate(capacity: slots)
        index.initialize(repeating: 0, count: slots)
        mask = slots - 1
        for number in 0..<narrowCount {
            place(number, DeltaTable.hash(cells[number].customer, cells[number].hour, cells[number].shape))
        }
    }

    // MARK: - Reading

    @inline(__always) private func key(_ number: Int) -> CellKey {
        let cell = cells + number
        let shape = shapes.all[Int(cell.pointee.shape)]
        var key = CellKey()
        key.customer = cell.pointee.customer
        key.hour = cell.pointee.hour
        key.feature = shape.feature
        key.model = shape.model
        key.provider = shape.provider
        key.eventName = shape.eventName
        return key
    }

    /// Hands on every cell; a key may come twice.
    @inline(__always) func forEach(_ visit: (CellKey, borrowing Figures) -> Void) {
        for number in 0..<narrowCount { visit(key(number), cells[number].figures) }
        for cell in wide.all { visit(cell.key, cell.figures) }
    }

    /// Hands on every cell in the order of the rollups' key; the few wide ones last.
    func forEachSorted<E>(_ visit: (CellKey, borrowing Figures) throws(E) -> Void) throws(E) {
        // Two words compare faster than six numbers: shapes are numbered anew, in their order.
        let shapes = shapes.all
        var rank = [UInt32](repeating: 0, count: shapes.count)
        let order = shapes.indices.sorted { Shape.isBefore(shapes[$0], shapes[$1]) }
        for (place, number) in order.enumerated() { rank[number] = UInt32(place) }
        var places: [Place] = []
        places.reserveCapacity(count)
        func high(_ hour: Int32, _ customer: StringID) -> UInt64 { UInt64(UInt32(bitPattern: hour) ^ 0x8000_0000) << 32 | UInt64(customer) }
        for number in 0..<narrowCount {
            let cell = cells[number]
            places.append(
                Place(high: high(cell.hour, cell.customer), low: UInt64(rank[Int(cell.shape)]) << 32 | UInt64(number)))
        }
        places.sort { $0.high != $1.high ? $0.high < $1.high : $0.low < $1.low }
        for place in places {
            let number = Int(place.low & 0xFFFF_FFFF)
            try visit(key(number), cells[number].figures)
        }
        for number in wide.sortedByKey() { try visit(wide.all[number].key, wide.all[number].figures) }
    }
}

/// Where a cell comes in the order of the rollups' key, and its number.
private struct Place {
    var high: UInt64
    var low: UInt64
}

extension Shape {
    static func isBefore(_ x: Shape, _ y: Shape) -> Bool {
        if x.feature != y.feature { return x.feature < y.feature }
        if x.model != y.model { return x.model < y.model }
        if x.provider != y.provider { return x.provider < y.provider }
        return x.eventName < y.eventName
    }
}
