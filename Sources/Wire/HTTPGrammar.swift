// HTTPGrammar: the character classes of RFC 9110 and 9112, eight bytes at a time where it pays.
//
// The word tests flag a byte by its high bit; the lowest flagged byte is always right, flags above it may be wrong (a
// borrow can run upwards), so callers look at the lowest one only.

import CSimdjson

enum HTTPGrammar {
    @inline(__always) static func word(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @inline(__always) static func byte(_ base: UnsafeRawPointer, _ offset: Int) -> UInt8 {
        base.load(fromByteOffset: offset, as: UInt8.self)
    }

    /// `byte` in every lane.
    @inline(__always) static func lanes(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

    /// Flags bytes below 0x20 and 0x7F. Bytes from 0x80 on are not flagged.
    @inline(__always) static func controls(_ word: UInt64) -> UInt64 {
        let low = (word &- lanes(0x20)) & ~word
        let flipped = word ^ lanes(0x7F)
        let delete = (flipped &- lanes(0x01)) & ~flipped
        return (low | delete) & lanes(0x80)
    }

    /// RFC 9110 section 5.6.2: a character of a token.
    @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
        // Bits of the 128 ASCII characters that may be in a token.
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        if byte < 64 { return low >> UInt64(byte) & 1 != 0 }
        if byte < 128 { return high >> UInt64(byte &- 64) & 1 != 0 }
        return false
    }

    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The value of a hexadecimal digit; nil for anything else.
    @inline(__always) static func hexValue(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    /// Whether `length` bytes at `start`, letters folded, are `name`, which is in lower case and `length` long. For names of
    /// eight characters and more.
    @inline(__always) static func isLong(_ start: UnsafeRawPointer, _ length: Int, _ name: StaticString) -> Bool {
        let other = UnsafeRawPointer(name.utf8Start)
        let fold = lanes(0x20)
        var different = (word(start, 0) | fold) ^ word(other, 0)
        var offset = 8
        while offset + 8 < length {
            different |= (word(start, offset) | fold) ^ word(other, offset)
            offset += 8
        }
        different |= (word(start, length - 8) | fold) ^ word(other, length - 8)
        return different == 0
    }

    /// The same for names of four to seven characters.
    @inline(__always) static func isMiddle(_ start: UnsafeRawPointer, _ length: Int, _ name: StaticString) -> Bool {
        let other = UnsafeRawPointer(name.utf8Start)
        func half(_ base: UnsafeRawPointer, _ offset: Int) -> UInt32 { base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        let fold: UInt32 = 0x2020_2020
        return ((half(start, 0) | fold) ^ half(other, 0)) | ((half(start, length - 4) | fold) ^ half(other, length - 4)) == 0
    }

    /// The same for any length, and for tokens inside values.
    @inline(__always) static func isShort(_ start: UnsafeRawPointer, _ length: Int, _ name: StaticString) -> Bool {
        guard length == name.utf8CodeUnitCount else { return false }
        let other = UnsafeRawPointer(name.utf8Start)
        var different: UInt8 = 0
        for i in 0..<length {
            let byte = byte(start, i)
            let folded = byte &- 0x41 < 26 ? byte | 0x20 : byte
            different |= folded ^ HTTPGrammar.byte(other, i)
        }
        return different == 0
    }

    /// RFC 9110 section 7.2: `uri-host [ ":" port ]`, not empty. A comma is refused although a registered name may hold
    /// one: two readers could see two hosts. Bytes up to `readable` may be read.
    static func isHost(_ base: UnsafeRawPointer, _ start: Int, _ length: Int, readable: Int) -> Bool {
        let end = start + length
        var i = start
        guard length > 0 else { return false }
        if byte(base, i) == 0x5B {
            i += 1
            let first = i
            while i < end, byte(base, i) != 0x5D { i += 1 }
            guard i < end, isIPv6(base, first, i) else { return false }
            i += 1
        } else {
            // Letters, digits and - . _ ~ ! $ & ' ( ) * + ; = %
            let low: UInt64 = 0x2BFF_6FF2_0000_0000
            let high: UInt64 = 0x47FF_FFFE_87FF_FFFE
            while true {
                i = min(purser_scan_name(base, i, readable), end)
                guard i < end else { break }
                let c = byte(base, i)
                let known = c < 64 ? low >> UInt64(c) & 1 != 0 : c < 128 && high >> UInt64(c &- 64) & 1 != 0
                guard known else { break }
                if c == 0x25 {
                    guard i + 2 < end, hexValue(byte(base, i + 1)) != nil, hexValue(byte(base, i + 2)) != nil else { return false }
                }
                i += 1
            }
            guard i > start else { return false }
        }
        if i == end { return true }
        guard byte(base, i) == 0x3A else { return false }
        i += 1
        let port = i
        while i < end, isDigit(byte(base, i)) { i += 1 }
        // More digits than any port has: a reader that wraps around sees another one.
        return i == end && i - port <= 5
    }

    /// RFC 3986 section 3.2.2: an IPv6 address, from `start` to `end`. Eight groups of one to four hexadecimal digits, of which
    /// one `::` stands for one or more; the last two may be an IPv4 address. No zone, no address of a later version.
    private static func isIPv6(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var groups = 0
        var shortened = false
        var i = start
        if i + 1 < end, byte(base, i) == 0x3A, byte(base, i + 1) == 0x3A {
            shortened = true
            i += 2
        }
        while i < end {
            let group = i
            while i < end, hexValue(byte(base, i)) != nil { i += 1 }
            if i < end, byte(base, i) == 0x2E {
                guard isIPv4(base, group, end) else { return false }
                groups += 2
                i = end
                break
            }
            guard i > group, i - group <= 4 else { return false }
            groups += 1
            guard i < end else { break }
            guard byte(base, i) == 0x3A, i + 1 < end else { return false }
            i += 1
            if byte(base, i) == 0x3A {
                if shortened { return false }
                shortened = true
                i += 1
            }
        }
        return shortened ? groups < 8 : groups == 8
    }

    private static func isIPv4(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var i = start
        for part in 0..<4 {
            if part > 0 {
                guard i < end, byte(base, i) == 0x2E else { return false }
                i += 1
            }
            let first = i
            var value = 0
            while i < end, i - first < 3, isDigit(byte(base, i)) {
                value = value * 10 + Int(byte(base, i) &- 0x30)
                i += 1
            }
            guard i > first, value <= 255, i - first == 1 || byte(base, first) != 0x30 else { return false }
        }
        return i == end
    }
}
