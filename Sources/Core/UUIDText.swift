// UUIDText: the canonical lower-case text of a UUID and its sixteen bytes (RFC 9562 section 4). Most idempotency keys are
// UUIDs: kept as bytes they take 16 instead of 36.

internal import CHash

/// Reads the canonical text (36 bytes, lower case) into sixteen bytes laid out in memory order; false when it is not one.
///
/// Eight digits at a time inside one word: digits become nibbles, the nibbles are written back as text, and only text that
/// comes out the same was canonical.
@inlinable
public func parseUUID(_ text: UnsafeRawBufferPointer, into words: inout (UInt64, UInt64)) -> Bool {
    guard text.count == 36, text[8] == 0x2D, text[13] == 0x2D, text[18] == 0x2D, text[23] == 0x2D else { return false }
    func eight(_ offset: Int) -> UInt64 { UInt64(littleEndian: text.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    func four(_ offset: Int) -> UInt64 { UInt64(UInt32(littleEndian: text.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) }
    var bad: UInt64 = 0
    func bytes(_ digits: UInt64) -> UInt64 {
        let nibbles = (digits & 0x0F0F_0F0F_0F0F_0F0F) &+ 9 &* (digits >> 6 & 0x0101_0101_0101_0101)
        let letters = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        // `g` and beyond make nibbles above fifteen.
        bad |= nibbles & 0xF0F0_F0F0_F0F0_F0F0
        bad |= digits ^ (nibbles &+ 0x3030_3030_3030_3030 &+ 39 &* letters)
        var packed = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF
        packed = (packed | packed >> 8) & 0x0000_FFFF_0000_FFFF
        return (packed | packed >> 16) & 0xFFFF_FFFF
    }
    let first = bytes(eight(0))
    let second = bytes(four(9) | four(14) << 32)
    let third = bytes(four(19) | four(24) << 32)
    let fourth = bytes(eight(28))
    words = ((first | second << 32).littleEndian, (third | fourth << 32).littleEndian)
    return bad == 0
}

/// Writes the canonical text of the sixteen bytes at `raw` to the 36 bytes at `text`.
public func writeUUID(_ raw: UnsafeRawPointer, to text: UnsafeMutableRawPointer) { purser_uuid_text(raw, text) }

extension ByteWriter {
    /// Appends the canonical text of sixteen bytes.
    public mutating func append(uuid bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == 16)
        writeUUID(bytes.baseAddress!, to: appendUninitialized(36).baseAddress!)
    }
}
