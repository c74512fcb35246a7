// ByteWriter: one growable buffer that frames, facts, HTTP heads and JSON bodies are written into.
//
// Owned by one place, never copied; growth doubles. `reset` keeps the memory, so after warm-up nothing is allocated.

/// A growable byte buffer with little-endian, varint, decimal and JSON appenders. Not thread-safe.
@frozen
public struct ByteWriter: ~Copyable {
    @usableFromInline var storage: UnsafeMutableRawPointer
    @usableFromInline var used: Int
    @usableFromInline var size: Int
    @usableFromInline let alignment: Int

    /// Room for `capacity` bytes at an address that is a multiple of `alignment`.
    public init(capacity: Int = 256, alignment: Int = 16) {
        size = max(capacity, 16)
        self.alignment = alignment
        storage = .allocate(byteCount: size, alignment: alignment)
        used = 0
    }

    deinit { storage.deallocate() }

    @inlinable public var base: UnsafeMutableRawPointer { storage }
    @inlinable public var count: Int { used }
    @inlinable public var capacity: Int { size }

    /// The bytes written so far; valid until the next mutation.
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage, count: used) }

    public var array: [UInt8] { [UInt8](bytes) }
    public var string: String { String(decoding: bytes, as: UTF8.self) }

    @inlinable public mutating func reset() { used = 0 }
    /// Cuts back to `length` bytes, which must not be more than `count`.
    @inlinable public mutating func truncate(to length: Int) {
        precondition(length <= used && length >= 0)
        used = length
    }
    /// Drops the first `length` bytes, moving the rest to the front.
    @inlinable public mutating func removeFirst(_ length: Int) {
        precondition(length <= used && length >= 0)
        if length < used { memmoveBytes(storage, storage + length, used - length) }
        used -= length
    }

    /// Makes room for `extra` more bytes.
    @inlinable @inline(__always) public mutating func reserve(_ extra: Int) {
        if size - used < extra { grow(extra) }
    }

    @inline(never) @usableFromInline mutating func grow(_ extra: Int) {
        let wanted = max(size * 2, used + extra)
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: alignment)
        fresh.copyMemory(from: storage, byteCount: used)
        storage.deallocate()
        storage = fresh
        size = wanted
    }

    /// Reserves `length` bytes, hands them to the caller to fill, and counts them as written.
    @inlinable public mutating func appendUninitialized(_ length: Int) -> UnsafeMutableRawBufferPointer {
        reserve(length)
        let start = storage + used
        used += length
        return UnsafeMutableRawBufferPointer(start: start, count: length)
    }

    @inlinable public mutating func append(_ byte: UInt8) {
        reserve(1)
        storage.storeBytes(of: byte, toByteOffset: used, as: UInt8.self)
        used += 1
    }

    @inlinable public mutating func append(bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (storage + used).copyMemory(from: source, byteCount: bytes.count)
        used += bytes.count
    }

    @inlinable public mutating func append(_ array: [UInt8]) { array.withUnsafeBytes { append(bytes: $0) } }

    /// Appends a literal; no `String` is made.
    @inlinable public mutating func append(_ literal: StaticString) {
        append(bytes: UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    @inlinable public mutating func append(string: String) {
        var copy = string
        copy.withUTF8 { append(bytes: UnsafeRawBufferPointer($0)) }
    }

    @inlinable public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(littleEndian value: T) {
        reserve(MemoryLayout<T>.size)
        storage.storeBytes(of: value.littleEndian, toByteOffset: used, as: T.self)
        used += MemoryLayout<T>.size
    }

    /// Overwrites bytes written before.
    @inlinable public mutating func store<T: FixedWidthInteger & BitwiseCopyable>(littleEndian value: T, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= used)
        storage.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    /// LEB128: seven bits a byte, least significant first, high bit set on all but the last; at most ten bytes.
    @inlinable public mutating func append(varint value: UInt64) {
        reserve(10)
        var rest = value
        while rest >= 0x80 {
            storage.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: used, as: UInt8.self)
            used += 1
            rest >>= 7
        }
        storage.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: used, as: UInt8.self)
        used += 1
    }

    /// A signed number as a varint: 0, -1, 1, -2 … become 0, 1, 2, 3 …
    @inlinable public mutating func append(zigzag value: Int64) { append(varint: UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

    /// A quantity as a varint whose lowest bit tells the unit: 0 whole units, 1 millionths. Whole numbers must use 0.
    @inlinable public mutating func append(quantity: Quantity) {
        let magnitude = UInt64(bitPattern: quantity.millionths)
        let (whole, rest) = magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        append(varint: rest == 0 ? whole << 1 : magnitude << 1 | 1)
    }

    /// Decimal digits of an integer.
    @inlinable public mutating func append(integer value: Int64) {
        if value < 0 { append(0x2D) }
        append(unsigned: value.magnitude)
    }

    @inlinable public mutating func append(unsigned value: UInt64) {
        reserve(20)
        var rest = value
        var length = 1
        var probe = value
        while probe >= 10 {
            probe /= 10
            length += 1
        }
        var at = used + length
        repeat {
            at -= 1
            storage.storeBytes(of: 0x30 + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: at, as: UInt8.self)
            rest /= 10
        } while rest != 0
        used += length
    }

    /// The shortest exact decimal text of `scaled` / 10^`places`; `places` is at most 38.
    public mutating func appendDecimal(_ scaled: Int128, places: Int) {
        if scaled < 0 { append(0x2D) }
        let magnitude = scaled.magnitude
        // Almost every amount fits a word, and 128-bit division costs ten times as much.
        if magnitude <= UInt128(UInt64.max) {
            guard places <= 19 else {
                // 10^20 does not fit a word: there are no whole ones.
                append(0x30)
                appendFraction(UInt64(magnitude), digits: places)
                return
            }
            var power: UInt64 = 1
            for _ in 0..<places { power *= 10 }
            let (whole, fraction) = UInt64(magnitude).quotientAndRemainder(dividingBy: power)
            append(unsigned: whole)
            appendFraction(fraction, digits: places)
            return
        }
        var power: UInt128 = 1
        for _ in 0..<places { power *= 10 }
        let (whole, fraction) = magnitude.quotientAndRemainder(dividingBy: power)
        if whole <= UInt128(UInt64.max) {
            append(unsigned: UInt64(whole))
        } else {
            let (high, low) = whole.quotientAndRemainder(dividingBy: 10_000_000_000_000_000_000)
            appendDecimal(Int128(high), places: 0)
            appendPadded(UInt64(low), digits: 19)
        }
        guard fraction != 0 else { return }
        if places <= 19 {
            appendFraction(UInt64(fraction), digits: places)
            return
        }
        let (high, low) = fraction.quotientAndRemainder(dividingBy: 10_000_000_000_000_000_000)
        if low == 0 {
            appendFraction(UInt64(high), digits: places - 19)
        } else {
            append(0x2E)
            appendPadded(UInt64(high), digits: places - 19)
            appendTrimmed(UInt64(low), digits: 19)
        }
    }

    private mutating func appendFraction(_ fraction: UInt64, digits: Int) {
        guard fraction != 0 else { return }
        append(0x2E)
        appendTrimmed(fraction, digits: digits)
    }

    /// `digits` digits of `value`, which is not zero, without the zeros at the end.
    private mutating func appendTrimmed(_ value: UInt64, digits: Int) {
        var rest = value
        var digits = digits
        while rest % 10 == 0 {
            rest /= 10
            digits -= 1
        }
        appendPadded(rest, digits: digits)
    }

    /// Exactly `digits` decimal digits, zero-padded on the left.
    @inlinable public mutating func appendPadded(_ value: UInt64, digits: Int) {
        reserve(digits)
        var rest = value
        var at = used + digits
        while at > used {
            at -= 1
            storage.storeBytes(of: 0x30 + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: at, as: UInt8.self)
            rest /= 10
        }
        used += digits
    }

    @inlinable public mutating func append(money: Money) { appendDecimal(Int128(money.picodollars), places: Money.scale) }
    @inlinable public mutating func append(money: MoneyTotal) { appendDecimal(money.picodollars, places: Money.scale) }
    @inlinable public mutating func append(decimal: Quantity) { appendDecimal(Int128(decimal.millionths), places: Quantity.scale) }
    @inlinable public mutating func append(decimal: QuantityTotal) { appendDecimal(decimal.millionths, places: Quantity.scale) }

    /// A JSON string with its quotes.
    @inlinable public mutating func append(jsonString bytes: UnsafeRawBufferPointer) {
        append(0x22)
        append(jsonText: bytes)
        append(0x22)
    }

    /// The inside of a JSON string: `"`, `\` and control characters escaped, everything else as it is.
    @inlinable public mutating func append(jsonText bytes: UnsafeRawBufferPointer) {
        var plain = 0
        for at in 0..<bytes.count {
            let byte = bytes[at]
            // Runs of what needs no escape, which is nearly all of it, are copied whole.
            if byte >= 0x20, byte != 0x22, byte != 0x5C, byte != 0x7F { continue }
            append(bytes: UnsafeRawBufferPointer(rebasing: bytes[plain..<at]))
            plain = at + 1
            switch byte {
            case 0x22: append("\\\"")
            case 0x5C: append("\\\\")
            case 0x0A: append("\\n")
            case 0x0D: append("\\r")
            case 0x09: append("\\t")
            default:
                append("\\u00")
                append(hexDigit(byte >> 4))
                append(hexDigit(byte & 15))
            }
        }
        append(bytes: UnsafeRawBufferPointer(rebasing: bytes[plain...]))
    }

    @inlinable public mutating func append(jsonString array: [UInt8]) { array.withUnsafeBytes { append(jsonString: $0) } }
    @inlinable public mutating func append(jsonString string: String) {
        var copy = string
        copy.withUTF8 { append(jsonString: UnsafeRawBufferPointer($0)) }
    }

    /// Lower-case hexadecimal of `bytes`.
    @inlinable public mutating func append(hex bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            append(hexDigit(byte >> 4))
            append(hexDigit(byte & 15))
        }
    }
}

@inlinable public func hexDigit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
