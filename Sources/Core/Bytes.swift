// The three byte primitives the pure rooms share: move, compare, hash.

// Public, so that what is one instruction or one call in C is that in every room, and not a call into this one around it.
public import CHash

@inlinable
public func memmoveBytes(_ to: UnsafeMutableRawPointer, _ from: UnsafeRawPointer, _ count: Int) {
    to.copyMemory(from: from, byteCount: count)
}

/// Whether two byte ranges are the same bytes.
@inlinable public func sameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    let n = a.count
    guard n == b.count else { return false }
    guard n > 0, let pa = a.baseAddress, let pb = b.baseAddress else { return true }
    if n >= 8 {
        // The last word may lie over the one before it.
        var i = 0
        while i < n - 8 {
            if pa.loadUnaligned(fromByteOffset: i, as: UInt64.self) != pb.loadUnaligned(fromByteOffset: i, as: UInt64.self) { return false }
            i += 8
        }
        return pa.loadUnaligned(fromByteOffset: n - 8, as: UInt64.self) == pb.loadUnaligned(fromByteOffset: n - 8, as: UInt64.self)
    }
    if n >= 4 {
        return pa.loadUnaligned(as: UInt32.self) == pb.loadUnaligned(as: UInt32.self)
            && pa.loadUnaligned(fromByteOffset: n - 4, as: UInt32.self) == pb.loadUnaligned(fromByteOffset: n - 4, as: UInt32.self)
    }
    for i in 0..<n where pa.load(fromByteOffset: i, as: UInt8.self) != pb.load(fromByteOffset: i, as: UInt8.self) { return false }
    return true
}

/// XXH3-64 under a secret seed. The seed is drawn at start, so that nobody outside can aim at one slot of a table.
@inlinable
public func hashBytes(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 { purser_xxh3(bytes.baseAddress, bytes.count, seed) }

/// CRC-32C (Castagnoli), continued from `crc`.
public func crc32c(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    purser_crc32c(crc, bytes.baseAddress, bytes.count)
}

/// Hint that the cache line at `address` will be used soon.
@inlinable @inline(__always)
public func prefetch(_ address: UnsafeRawPointer) { purser_prefetch(address) }

/// Unicode scalars in UTF-8 text that was validated before: every byte but continuation bytes.
public func scalarCount(_ text: UnsafeRawBufferPointer) -> Int {
    var count = 0
    for byte in text where byte & 0xC0 != 0x80 { count += 1 }
    return count
}

/// Whether the bytes are well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
public func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var i = 0
    let n = bytes.count
    while i < n {
        if i + 8 <= n, bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
            i += 8
            continue
        }
        let lead = bytes[i]
        if lead < 0x80 {
            i += 1
            continue
        }
        let length: Int
        let low: UInt8
        let high: UInt8
        switch lead {
        case 0xC2...0xDF: (length, low, high) = (2, 0x80, 0xBF)
        case 0xE0: (length, low, high) = (3, 0xA0, 0xBF)
        case 0xE1...0xEC, 0xEE...0xEF: (length, low, high) = (3, 0x80, 0xBF)
        case 0xED: (length, low, high) = (3, 0x80, 0x9F)
        case 0xF0: (length, low, high) = (4, 0x90, 0xBF)
        case 0xF1...0xF3: (length, low, high) = (4, 0x80, 0xBF)
        case 0xF4: (length, low, high) = (4, 0x80, 0x8F)
        default: return false
        }
        guard i + length <= n, bytes[i + 1] >= low, bytes[i + 1] <= high else { return false }
        var k = 2
        while k < length {
            guard bytes[i + k] & 0xC0 == 0x80 else { return false }
            k += 1
        }
        i += length
    }
    return true
}

/// Memory for `count` values, beginning with a cache line, so that a value of 32 or 64 bytes lies in one line and not across two.
/// Given back as a raw pointer.
@inlinable
public func allocateLines<T: BitwiseCopyable>(_ count: Int, of type: T.Type) -> UnsafeMutablePointer<T> {
    UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<T>.stride, alignment: 64).bindMemory(to: type, capacity: count)
}
