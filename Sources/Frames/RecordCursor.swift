// RecordCursor: reading the records of a frame with everything in registers.
//
// `ByteReader` is for headers and rare fields; this is for the ten numbers of every event. The rules are the same: every
// read is checked, a failed one sets `failed` and gives zero, an overlong varint fails. What differs is that a varint is
// taken from one eight-byte load, without a branch on its length, where eight bytes are left in the payload.

internal import Core

struct RecordCursor {
    private(set) var at: UnsafeRawPointer
    private let end: UnsafeRawPointer
    private(set) var failed = false

    /// Over `bytes` from `offset` on. The bytes must not be empty.
    init(_ bytes: UnsafeRawBufferPointer, from offset: Int) {
        at = bytes.baseAddress! + offset
        end = bytes.baseAddress! + bytes.count
    }

    @inline(__always) var remaining: Int { end - at }

    @inline(__always) mutating func fail() {
        failed = true
        at = end
    }

    /// Goes to a place that `remaining` allows.
    @inline(__always) mutating func move(to place: UnsafeRawPointer) { at = place }

    @inline(__always) mutating func byte() -> UInt8 {
        guard at < end else {
            failed = true
            return 0
        }
        let value = at.load(as: UInt8.self)
        at += 1
        return value
    }

    /// The address of the next `count` bytes, which are skipped; nil, and failed, when there are fewer.
    @inline(__always) mutating func skip(_ count: Int) -> UnsafeRawPointer? {
        guard end - at >= count else {
            fail()
            return nil
        }
        let start = at
        at += count
        return start
    }

    @inline(__always) mutating func varint() -> UInt64 {
        guard end - at >= 8 else { return slowVarint() }
        let word = UInt64(littleEndian: at.loadUnaligned(as: UInt64.self))
        if word & 0x80 == 0 {
            at += 1
            return word & 0x7F
        }
        if word & 0x8000 == 0 {
            if word & 0x7F00 == 0 { failed = true }
            at += 2
            return RecordCursor.twoBytes(word)
        }
        // The lowest byte without its high bit ends the number.
        let stops = ~word & 0x8080_8080_8080_8080
        guard stops != 0 else { return slowVarint() }
        let lastBit = stops.trailingZeroBitCount
        var value = word & (stops ^ (stops &- 1)) & 0x7F7F_7F7F_7F7F_7F7F
        if value >> UInt64(truncatingIfNeeded: lastBit &- 7) == 0 { failed = true }
        value = (value & 0x007F_007F_007F_007F) | (value & 0x7F00_7F00_7F00_7F00) >> 1
        value = (value & 0x0000_3FFF_0000_3FFF) | (value & 0x3FFF_0000_3FFF_0000) >> 2
        value = (value & 0x0FFF_FFFF) | (value & 0x0FFF_FFFF_0000_0000) >> 4
        at += (lastBit &+ 1) >> 3
        return value
    }

    /// The number in the two lowest bytes of `word`, the second of which ends it.
    @inline(__always) private static func twoBytes(_ word: UInt64) -> UInt64 { word & 0x7F | (word >> 1) & 0x3F80 }

    /// A byte and the varint behind it, from one load where that is enough.
    @inline(__always) mutating func byteAndVarint() -> (UInt8, UInt64) {
        if end - at >= 8 {
            let word = UInt64(littleEndian: at.loadUnaligned(as: UInt64.self))
            let first = UInt8(truncatingIfNeeded: word)
            if word & 0x8000 == 0 {
                at += 2
                return (first, (word >> 8) & 0x7F)
            }
            if word & 0x80_0000 == 0 {
                if word & 0x7F_0000 == 0 { failed = true }
                at += 3
                return (first, RecordCursor.twoBytes(word >> 8))
            }
        }
        return (byte(), varint())
    }

    /// Five varints of one byte each, as they stand, when all are in 1...`highest` (itself at most 127); nil, and nothing is
    /// read, when they are not.
    @inline(__always) mutating func fiveSmall(highest: UInt64) -> UInt64? {
        guard end - at >= 8 else { return nil }
        let ones: UInt64 = 0x01_0101_0101
        let word = UInt64(littleEndian: at.loadUnaligned(as: UInt64.self)) & (0xFF &* ones)
        // The high bit of a byte: set in `word` above 127, in `atLeastOne` from 1 on, in `beyond` above `highest`.
        let atLeastOne = word &+ 0x7F &* ones
        let beyond = word &+ (0x7F &- highest) &* ones
        guard (word | ~atLeastOne | beyond) & (0x80 &* ones) == 0 else { return nil }
        at += 5
        return word
    }

    @inline(__always) mutating func zigzag() -> Int64 {
        let raw = varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    /// Near the end of the payload, or longer than eight bytes.
    @inline(__always) private mutating func slowVarint() -> UInt64 {
        let (value, length) = RecordCursor.readVarint(at, end)
        if length == 0 { failed = true }
        at += length
        return value
    }

    /// Value and length; a length of zero when it is cut short, overlong or beyond 64 bits.
    @inline(never) private static func readVarint(_ at: UnsafeRawPointer, _ end: UnsafeRawPointer) -> (UInt64, Int) {
        var reader = ByteReader(UnsafeRawBufferPointer(start: at, count: end - at))
        let value = reader.varint()
        return reader.failed ? (0, 0) : (value, reader.offset)
    }
}
