// FuseFilter: says of most fingerprints that they are not in a set, in about 1.09 times its bits for each member.
//
// A binary fuse filter (Graf and Lemire, "Binary Fuse Filters", 2022) of arity four: a fingerprint is hashed to one slot in each of
// four neighbouring segments, and it may be a member when the four slots XORed together are its check value. A member always
// is; of the others one in 2^bits is. The set is fixed when the filter is made, which is what a sorted run needs, and four
// cache misses that do not wait for each other answer a look-up.
//
// Slots are packed: slot `i` is the `bits` bits from bit `i * bits` on, lowest first. Four bytes of zeros follow, so that a
// slot is always read as four bytes.

internal import Core

/// A filter over memory that somebody else owns.
struct FuseFilter: BitwiseCopyable {
    /// What a filter is besides its slots.
    struct Shape: Equatable {
        var seed: UInt64 = 0
        /// Places where the first of the four segments may be; 0 when the filter has no members.
        var segments: UInt32 = 0
        /// A segment has two to the power of this many slots.
        var segmentLog: UInt8 = 0
        /// Of a slot; 0 when the filter lets everything through.
        var bits: UInt8 = 0

        var slotCount: Int { segments == 0 ? 0 : (Int(segments) + 3) << Int(segmentLog) }
        var byteCount: Int { segments == 0 || bits == 0 ? 0 : (slotCount * Int(bits) + 7) / 8 + 4 }
        /// Whether reading by this shape stays inside `byteCount`, whatever the bytes are.
        var isValid: Bool { segmentLog <= 24 && bits <= 16 && segments <= 1 << 24 }
        static let passesAll = Shape(seed: 0, segments: 1, segmentLog: 0, bits: 0)
    }

    private let slots: UnsafeRawPointer?
    private let seed: UInt64
    private let span: UInt64
    private let segmentLog: UInt8
    private let bits: UInt8

    init(_ shape: Shape, slots: UnsafeRawPointer?) {
        self.slots = shape.byteCount == 0 ? nil : slots
        seed = shape.seed
        span = UInt64(shape.segments) << UInt64(shape.segmentLog)
        segmentLog = shape.segmentLog
        bits = shape.bits
    }

    /// A filter without members.
    static var none: FuseFilter { FuseFilter(Shape(), slots: nil) }

    @inline(__always) func mightContain(_ fingerprint: UInt64) -> Bool { probe(fingerprint).mightBeMember }

    /// Where the slots of a fingerprint are, worked out once: between asking for their memory and looking at it others have their turn.
    struct Probe: BitwiseCopyable {
        /// Nil when the filter has none, and `check` alone decides.
        fileprivate let slots: UnsafeRawPointer?
        /// Slots, when they have 16 bits; else the first bit of each.
        fileprivate let places: (UInt64, UInt64, UInt64, UInt64)
        fileprivate let check: UInt32
        fileprivate let bits: UInt32

        @inline(__always) var mightBeMember: Bool {
            guard let slots else { return check == 0 }
            if bits == 16 {
                func slot(_ place: UInt64) -> UInt32 {
                    let word = slots.loadUnaligned(fromByteOffset: Int(truncatingIfNeeded: place &* 2), as: UInt16.self)
                    return UInt32(UInt16(littleEndian: word))
                }
                return slot(places.0) ^ slot(places.1) ^ slot(places.2) ^ slot(places.3) == check
            }
            // In the low bits; what follows it above them.
            func slot(_ bit: UInt64) -> UInt32 {
                let word = slots.loadUnaligned(fromByteOffset: Int(truncatingIfNeeded: bit >> 3), as: UInt32.self)
                return UInt32(littleEndian: word) >> UInt32(truncatingIfNeeded: bit & 7)
            }
            let found = slot(places.0) ^ slot(places.1) ^ slot(places.2) ^ slot(places.3)
            return (found ^ check) & (1 << bits &- 1) == 0
        }
    }

    /// Asks for the memory of a fingerprint's slots.
    @inline(__always) func probe(_ fingerprint: UInt64) -> Probe {
        guard let slots else { return Probe(slots: nil, places: (0, 0, 0, 0), check: span == 0 ? 1 : 0, bits: 0) }
        let hash = FuseFilter.mix(fingerprint ^ seed)
        var (a, b, c, d) = FuseFilter.places(hash, span: span, segmentLog: segmentLog)
        // Small runs, and so most, have slots of 16 bits: for them it is a third less to do.
        if bits == 16 {
            prefetch(slots + Int(truncatingIfNeeded: a &* 2))
            prefetch(slots + Int(truncatingIfNeeded: b &* 2))
            prefetch(slots + Int(truncatingIfNeeded: c &* 2))
            prefetch(slots + Int(truncatingIfNeeded: d &* 2))
        } else {
            (a, b, c, d) = (a &* UInt64(bits), b &* UInt64(bits), c &* UInt64(bits), d &* UInt64(bits))
            prefetch(slots + Int(truncatingIfNeeded: a >> 3))
            prefetch(slots + Int(truncatingIfNeeded: b >> 3))
            prefetch(slots + Int(truncatingIfNeeded: c >> 3))
            prefetch(slots + Int(truncatingIfNeeded: d >> 3))
        }
        return Probe(slots: slots, places: (a, b, c, d), check: FuseFilter.check(hash, bits: bits), bits: UInt32(bits))
    }

    /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    @inline(__always) static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    @inline(__always) static func places(_ hash: UInt64, span: UInt64, segmentLog: UInt8) -> (UInt64, UInt64, UInt64, UInt64) {
        let length = UInt64(1) << UInt64(truncatingIfNeeded: segmentLog)
        let mask = length &- 1
        let first = hash.multipliedFullWidth(by: span).high
        return (
            first, (first &+ length) ^ (hash & mask), (first &+ 2 &* length) ^ ((hash >> 16) & mask),
            (first &+ 3 &* length) ^ ((hash >> 32) & mask)
        )
    }

    /// The upper bits of a product depend on all bits of the hash, so a check value says little about the places.
    @inline(__always) static func check(_ hash: UInt64, bits: UInt8) -> UInt32 {
        UInt32(truncatingIfNeeded: (hash &* 0x9E37_79B9_7F4A_7C15) >> (64 &- UInt64(truncatingIfNeeded: bits)))
    }
}

/// Makes filters; keeps its working memory (about 34 bytes a slot) from one to the next.
struct FuseBuilder: ~Copyable {
    private var capacity = 0
    private var keyCapacity = 0
    /// What is known of a slot while members are taken out: their hashes (XORed), and how many there are. Together, because
    /// they are always looked at together.
    private struct Use: BitwiseCopyable {
        var hashes: UInt64
        var count: UInt64
    }

    private var uses = UnsafeMutablePointer<Use>.allocate(capacity: 1)
    private var lonely = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    private var values = UnsafeMutablePointer<UInt16>.allocate(capacity: 1)
    /// Members in the order they were taken out, and at which slot.
    private var order = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    private var orderSlots = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

    init() {}

    deinit {
        uses.deallocate()
        lonely.deallocate()
        values.deallocate()
        order.deallocate()
        orderSlots.deallocate()
    }

    /// A filter of `bits` bits (1 to 16) over `members`, no two of which are equal; its slots go to the end of `output`. Work is
    /// in proportion to the members. A set that defies 64 seeds, which no set of distinct fingerprints does by chance, gets a
    /// filter that lets everything through.
    mutating func build(_ members: UnsafeBufferPointer<UInt64>, bits: Int, into output: inout ByteWriter) -> FuseFilter.Shape {
        guard !members.isEmpty else { return FuseFilter.Shape(bits: UInt8(bits)) }
        for attempt in 0..<64 {
            let shape = FuseBuilder.shape(members.count, bits: bits, attempt: attempt)
            reserve(slots: shape.slotCount, members: members.count)
            guard peel(members, shape) else { continue }
            assign(members.count, shape)
            pack(shape, into: &output)
            return shape
        }
        return .passesAll
    }

    /// Sizes for `count` members: segments as long, and slots as many, as the authors found to work, in integers. Each attempt
    /// has another seed, every fourth more room.
    static func shape(_ count: Int, bits: Int, attempt: Int) -> FuseFilter.Shape {
        // Sixteenths of the logarithm to base two, its fraction taken as linear.
        let whole = Int.bitWidth - 1 - max(count, 2).leadingZeroBitCount
        let log = whole * 16 + ((max(count, 2) << 4) >> whole) - 16
        let segmentLog = min(18, max(2, (log * 1000 / 1541 - 8) / 16))
        // 0.77 + 0.305 ln(600000) / ln(count), at least 1.075, in thousandths.
        let factor = max(1075, 770 + 93_670 / log) + attempt / 4 * 50
        let length = 1 << segmentLog
        let wanted = (count * factor / 1000 + length) / length
        let seed = FuseFilter.mix(UInt64(count) << 8 | UInt64(attempt))
        return FuseFilter.Shape(seed: seed, segments: UInt32(max(1, wanted - 3)), segmentLog: UInt8(segmentLog), bits: UInt8(bits))
    }

    private mutating func reserve(slots: Int, members: Int) {
        if slots > capacity {
            // One more than there are slots: `remove` writes behind what waits.
            capacity = slots + slots / 8 + 1
            uses.deallocate()
            lonely.deallocate()
            values.deallocate()
            uses = .allocate(capacity: capacity)
            lonely = .allocate(capacity: capacity)
            values = .allocate(capacity: capacity)
        }
        if members > keyCapacity {
            keyCapacity = members + members / 8
            order.deallocate()
            orderSlots.deallocate()
            order = .allocate(capacity: keyCapacity)
            orderSlots = .allocate(capacity: keyCapacity)
        }
    }

    /// Takes members out one by one, each when one of its slots is its alone. False when some are left that share all.
    private mutating func peel(_ members: UnsafeBufferPointer<UInt64>, _ shape: FuseFilter.Shape) -> Bool {
        let slots = shape.slotCount
        uses.initialize(repeating: Use(hashes: 0, count: 0), count: slots)
        let span = UInt64(shape.segments) << UInt64(shape.segmentLog)
        for member in members {
            let hash = FuseFilter.mix(member ^ shape.seed)
            let (a, b, c, d) = FuseFilter.places(hash, span: span, segmentLog: shape.segmentLog)
            add(a, hash)
            add(b, hash)
            add(c, hash)
            add(d, hash)
        }
        var waiting = 0
        for slot in 0..<slots where uses[slot].count == 1 {
            lonely[waiting] = UInt32(truncatingIfNeeded: slot)
            waiting += 1
        }
        var taken = 0
        while waiting > 0 {
            waiting -= 1
            let slot = lonely[waiting]
            // Its member may have been taken out at another of its slots.
            guard uses[Int(slot)].count == 1 else { continue }
            let hash = uses[Int(slot)].hashes
            order[taken] = hash
            orderSlots[taken] = slot
            taken += 1
            let (a, b, c, d) = FuseFilter.places(hash, span: span, segmentLog: shape.segmentLog)
            remove(a, hash, &waiting)
            remove(b, hash, &waiting)
            remove(c, hash, &waiting)
            remove(d, hash, &waiting)
        }
        return taken == members.count
    }

    @inline(__always) private func add(_ place: UInt64, _ hash: UInt64) {
        let use = uses + Int(truncatingIfNeeded: place)
        use.pointee.count &+= 1
        use.pointee.hashes ^= hash
    }

    @inline(__always) private func remove(_ place: UInt64, _ hash: UInt64, _ waiting: inout Int) {
        let use = uses + Int(truncatingIfNeeded: place)
        use.pointee.count &-= 1
        use.pointee.hashes ^= hash
        // Written in any case, and counted when it is so: no branch that nobody can foresee.
        lonely[waiting] = UInt32(truncatingIfNeeded: place)
        waiting &+= use.pointee.count == 1 ? 1 : 0
    }

    /// In the opposite order every member finds the slot it was taken out at still free to make its sum right.
    private mutating func assign(_ count: Int, _ shape: FuseFilter.Shape) {
        values.initialize(repeating: 0, count: shape.slotCount)
        let span = UInt64(shape.segments) << UInt64(shape.segmentLog)
        for k in stride(from: count - 1, through: 0, by: -1) {
            let hash = order[k]
            let (a, b, c, d) = FuseFilter.places(hash, span: span, segmentLog: shape.segmentLog)
            let sum = values[Int(a)] ^ values[Int(b)] ^ values[Int(c)] ^ values[Int(d)]
            values[Int(orderSlots[k])] ^= sum ^ UInt16(truncatingIfNeeded: FuseFilter.check(hash, bits: shape.bits))
        }
    }

    private func pack(_ shape: FuseFilter.Shape, into output: inout ByteWriter) {
        let memory = output.appendUninitialized(shape.byteCount)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        guard let base = memory.baseAddress else { return }
        if shape.bits == 16 {
            for slot in 0..<shape.slotCount { base.storeBytes(of: values[slot].littleEndian, toByteOffset: slot * 2, as: UInt16.self) }
            return
        }
        for slot in 0..<shape.slotCount {
            let bit = slot * Int(shape.bits)
            let word = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: bit >> 3, as: UInt32.self))
            let merged = word | UInt32(values[slot]) << UInt32(bit & 7)
            base.storeBytes(of: merged.littleEndian, toByteOffset: bit >> 3, as: UInt32.self)
        }
    }
}
