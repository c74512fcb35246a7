// Chunk: about a mebibyte of journal, or ten thousand events, described so that a query can tell without reading whether it may hold
// what it looks for.
//
// A description is the range of times the chunk's events carry and a filter (Bloom) of 131,072 bits: five for each customer,
// feature, model, provider and event name that occurs, for each flow and for "something is unpriced", and three for each idempotency
// key. Keys are most of what is in it and the least asked for. Good for 10,000 events: with all keys and 3,000 customers distinct, one
// chunk in 400 is read in vain for a name, and one in 35 for a key; with 3,000 flows as well, one in 120 and one in 17. A filter never
// says no wrongly.

internal import Core
internal import Journal

/// What a filter can be asked for. The numbers are stored.
enum ChunkField: UInt64 {
    case customer = 1
    case feature = 2
    case model = 3
    case provider = 4
    case eventName = 5
    case flow = 6
    case key = 7
    case unpriced = 8

    /// How many bits a value has.
    @inline(__always) var bits: Int { self == .key ? 3 : 5 }
}

/// Where a value's bits are: one at `first`, each other `step` further, around the end.
struct ChunkProbe {
    static let filterBytes = 16 * 1024
    static let bitMask = filterBytes * 8 - 1
    var first: Int
    /// Odd, so no bit comes twice.
    var step: Int
    var count: Int

    @inline(__always) init(_ field: ChunkField, _ value: UInt64) {
        var h = (value ^ field.rawValue << 56) &* 0x9E37_79B9_7F4A_7C15
        h = (h ^ (h >> 32)) &* 0xD6E8_FEB8_6659_FD93
        first = Int(truncatingIfNeeded: h >> 47)
        step = Int(truncatingIfNeeded: h >> 20) & ChunkProbe.bitMask | 1
        count = field.bits
    }

    /// A text's value: not seeded, because it is stored; flooding a filter only makes a query slower.
    static func text(_ field: ChunkField, _ bytes: UnsafeRawBufferPointer) -> ChunkProbe { ChunkProbe(field, hashBytes(bytes, seed: 0)) }

    func isIn(_ filter: UnsafeRawBufferPointer) -> Bool {
        guard filter.count == ChunkProbe.filterBytes else { return true }
        var bit = first
        for _ in 0..<count {
            guard filter[bit >> 3] >> UInt8(bit & 7) & 1 != 0 else { return false }
            bit = (bit + step) & ChunkProbe.bitMask
        }
        return true
    }
}

/// A described stretch of journal. `filter` is empty for the chunk that is still being filled, and where it was asked already.
struct Chunk: Sendable {
    var position: JournalPosition
    var end: JournalPosition
    var firstSequence: UInt64
    var events: UInt64
    /// Of the events' own times, nanoseconds. `earliest` above `latest` when there is no event.
    var earliest: Int64
    var latest: Int64
    var filter: [UInt8]

    init(at position: JournalPosition, firstSequence: UInt64) {
        self.position = position
        end = position
        self.firstSequence = firstSequence
        events = 0
        earliest = .max
        latest = .min
        filter = []
    }

    /// Whether the next batch still belongs to it.
    var isUnfinished: Bool {
        end.segment == position.segment && end.raw - position.raw < ChunkLog.chunkBytes && events < ChunkLog.chunkEvents
    }

    /// About how much journal it is. The batch that ends it may stand in the next segment.
    var bytes: Int {
        guard end.segment == position.segment else { return Int(ChunkLog.chunkBytes) + Int(end.offset) }
        return Int(clamping: end.raw - position.raw)
    }

    func mayHold(_ probes: [ChunkProbe]) -> Bool { filter.withUnsafeBytes { bytes in probes.allSatisfy { $0.isIn(bytes) } } }
}

/// The chunks since the last flush, and the one being filled.
struct ChunkLog: ~Copyable {
    /// A chunk is closed when it is this long, or has as many events as its filter is good for.
    static let chunkBytes: UInt64 = 1024 * 1024
    static let chunkEvents: UInt64 = 10_000

    /// Closed, not stored yet, in journal order.
    private(set) var closed: [Chunk] = []
    private(set) var open: Chunk?
    var isOpen: Bool { open != nil }
    private let bits: UnsafeMutableRawPointer

    init() {
        bits = .allocate(byteCount: ChunkProbe.filterBytes, alignment: 64)
        bits.initializeMemory(as: UInt8.self, repeating: 0, count: ChunkProbe.filterBytes)
    }

    deinit { bits.deallocate() }

    /// Goes on with a chunk that was stored before it was full.
    mutating func resume(_ chunk: Chunk) {
        var copy = chunk
        chunk.filter.withUnsafeBytes { filter in
            guard filter.count == ChunkProbe.filterBytes, let start = filter.baseAddress else { return }
            bits.copyMemory(from: start, byteCount: filter.count)
        }
        copy.filter = []
        open = copy
    }

    /// A batch is about to be folded.
    mutating func begin(at position: JournalPosition, firstSequence: UInt64) {
        if open == nil { open = Chunk(at: position, firstSequence: firstSequence) }
    }

    /// A batch was folded.
    mutating func end(at end: JournalPosition, events: UInt64, earliest: Int64, latest: Int64) {
        guard var chunk = open else { return }
        chunk.end = end
        chunk.events += events
        chunk.earliest = min(chunk.earliest, earliest)
        chunk.latest = max(chunk.latest, latest)
        open = chunk
        guard !chunk.isUnfinished else { return }
        chunk.filter = currentFilter
        closed.append(chunk)
        open = nil
        bits.initializeMemory(as: UInt8.self, repeating: 0, count: ChunkProbe.filterBytes)
    }

    @inline(__always) mutating func insert(_ probe: ChunkProbe) {
        var bit = probe.first
        for _ in 0..<probe.count {
            mark(bit)
            bit = (bit + probe.step) & ChunkProbe.bitMask
        }
    }

    @inline(__always) private func mark(_ bit: Int) {
        let word = bits.assumingMemoryBound(to: UInt8.self)
        word[bit >> 3] |= 1 << UInt8(truncatingIfNeeded: bit & 7)
    }

    private var currentFilter: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: bits, count: ChunkProbe.filterBytes)) }

    /// What has to be stored: closed chunks and the open one as it is.
    var unstored: [Chunk] {
        guard var chunk = open else { return closed }
        chunk.filter = currentFilter
        return closed + [chunk]
    }

    /// The first so many closed chunks are in the file now.
    mutating func stored(_ count: Int) { closed.removeFirst(count) }

    mutating func reset() {
        closed = []
        open = nil
        bits.initializeMemory(as: UInt8.self, repeating: 0, count: ChunkProbe.filterBytes)
    }
}
