// RepeatedText: whether one of several texts comes twice, for keys of objects that a stranger has chosen.
//
// Few are compared each with each. Many are sorted first, so that whoever sends thousands of keys buys no square of them, and
// no hash is there to be aimed at.

/// Whether two of `texts` are the same bytes. Their order afterwards means nothing.
public func holdsRepeatedText(_ texts: inout [UnsafeRawBufferPointer]) -> Bool {
    if texts.count <= 16 {
        for i in texts.indices.dropFirst() {
            for j in 0..<i where sameBytes(texts[i], texts[j]) { return true }
        }
        return false
    }
    texts.sort { a, b in
        if a.count != b.count { return a.count < b.count }
        return a.lexicographicallyPrecedes(b)
    }
    for i in 1..<texts.count where sameBytes(texts[i - 1], texts[i]) { return true }
    return false
}
