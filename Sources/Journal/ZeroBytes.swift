// ZeroBytes: where a run of zeros ends. A prepared segment is 64 MiB of them and recovery looks at every byte, so this
// goes by 64 bytes at a time.

/// Offset of the first byte that is not zero; nil when all are.
func firstNonZero(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let count = bytes.count
    guard let base = bytes.baseAddress else { return nil }
    var offset = 0
    while offset + 64 <= count {
        var seen: UInt64 = 0
        var word = 0
        while word < 64 {
            seen |= base.loadUnaligned(fromByteOffset: offset + word, as: UInt64.self)
            word += 8
        }
        if seen != 0 { break }
        offset += 64
    }
    while offset < count {
        if base.load(fromByteOffset: offset, as: UInt8.self) != 0 { return offset }
        offset += 1
    }
    return nil
}

/// Offset of the last byte that is not zero; nil when all are.
func lastNonZero(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let first = firstNonZero(bytes), let base = bytes.baseAddress else { return nil }
    var offset = bytes.count - 1
    while offset >= first {
        if base.load(fromByteOffset: offset, as: UInt8.self) != 0 { return offset }
        offset -= 1
    }
    return nil
}
