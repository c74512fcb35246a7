// ByteReader: bounds-checked reading of untrusted bytes.
//
// Every read is checked; a read past the end or a malformed varint sets `failed` and yields zero, so a decoder reads a
// whole record straight through and asks once at the end. Nothing here can trap on any input.

/// A cursor over bytes it does not own. The owner keeps them alive.
@frozen
public struct ByteReader {
    @usableFromInline let base: UnsafeRawPointer
    public let end: Int
    public var offset: Int
    public var failed = false

    @inlinable public init(_ bytes: UnsafeRawBufferPointer) {
        base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
        end = bytes.count
        offset = 0
    }

    @inlinable public var remaining: Int { end - offset }
    @inlinable public var atEnd: Bool { offset == end }

    @inlinable public mutating func fail() {
        failed = true
        offset = end
    }

    @inlinable public mutating func byte() -> UInt8 {
        guard offset < end else {
            fail()
            return 0
        }
        let value = base.load(fromByteOffset: offset, as: UInt8.self)
        offset += 1
        return value
    }

    @inlinable public mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T {
        guard end - offset >= MemoryLayout<T>.size else {
            fail()
            return 0
        }
        let value = base.loadUnaligned(fromByteOffset: offset, as: T.self)
        offset += MemoryLayout<T>.size
        return T(littleEndian: value)
    }

    /// LEB128 of at most ten bytes; a longer one, or one beyond 64 bits, fails. Overlong forms (a last byte of zero) fail
    /// too, so that every number has one encoding.
    @inlinable public mutating func varint() -> UInt64 {
        guard offset < end else {
            fail()
            return 0
        }
        let first = base.load(fromByteOffset: offset, as: UInt8.self)
        if first < 0x80 {
            offset += 1
            return UInt64(first)
        }
        return longVarint()
    }

    @inlinable mutating func longVarint() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < end {
            let byte = base.load(fromByteOffset: offset, as: UInt8.self)
            offset += 1
            if shift == 63 && byte > 1 { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 {
                if byte == 0 { break }
                return value
            }
            shift += 7
            if shift > 63 { break }
        }
        fail()
        return 0
    }

    @inlinable public mutating func zigzag() -> Int64 {
        let raw = varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    /// A quantity as `ByteWriter.append(quantity:)` writes it; fails beyond `Int64.max` millionths and on a whole number
    /// written in millionths.
    @inlinable public mutating func quantity() -> Quantity {
        let raw = varint()
        if raw & 1 == 0 {
            let (value, overflow) = (raw >> 1).multipliedReportingOverflow(by: 1_000_000)
            if overflow || value > UInt64(Int64.max) {
                fail()
                return .zero
            }
            return Quantity(millionths: Int64(value))
        }
        let value = raw >> 1
        if value % 1_000_000 == 0 { fail() }
        return Quantity(millionths: Int64(value))
    }

    /// An amount written as a varint of picodollars; fails beyond Int64.
    @inlinable public mutating func money() -> Money {
        let raw = varint()
        if raw > UInt64(Int64.max) {
            fail()
            return .zero
        }
        return Money(picodollars: Int64(raw))
    }

    /// The next `count` bytes, as offset and length into what this reader was made over.
    @inlinable public mutating func skip(_ count: Int) -> Int {
        guard count >= 0, end - offset >= count else {
            fail()
            return 0
        }
        let start = offset
        offset += count
        return start
    }

    /// The next `count` bytes.
    @inlinable public mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer {
        guard count >= 0, end - offset >= count else {
            fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        let start = offset
        offset += count
        return UnsafeRawBufferPointer(start: base + start, count: count)
    }

    /// A varint length and that many bytes.
    @inlinable public mutating func lengthPrefixed() -> UnsafeRawBufferPointer {
        let length = varint()
        guard length <= UInt64(remaining) else {
            fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return bytes(Int(length))
    }
}
