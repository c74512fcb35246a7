// NumberSet: which interned strings have been met, one bit each.

internal import Core

struct NumberSet {
    private var words: [UInt64] = []

    /// Numbers the ledger may give; anything above is not a string of this journal.
    static func isNumber(_ id: StringID) -> Bool { id != noString && Int(id) <= Limits.internedStrings }

    @inline(__always) func contains(_ id: StringID) -> Bool {
        let word = Int(id >> 6)
        return word < words.count && words[word] >> UInt64(id & 63) & 1 != 0
    }

    /// `id` must be a number as `isNumber` says: that bounds the set to 2 MiB.
    mutating func insert(_ id: StringID) {
        let word = Int(id >> 6)
        if word >= words.count { words.append(contentsOf: repeatElement(0, count: max(word + 1, words.count * 2) - words.count)) }
        words[word] |= 1 << UInt64(id & 63)
    }

    mutating func removeAll() { words.removeAll() }
}
