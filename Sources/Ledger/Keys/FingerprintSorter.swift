// FingerprintSorter: brings the entries of one shard in order. Fingerprints are a hash's, so those of a shard, which share their top
// byte, are spread evenly by their second: one pass puts each where it belongs but for its few neighbours, one more sets those right.
// A comparison sort took twice as long (41 ns a key against 20), and every key is sorted once.

struct FingerprintSorter {
    private var places = [Int](repeating: 0, count: 257)
    private var spread: [KeyEntry] = []

    /// By fingerprint, those alike in no order.
    mutating func sort(_ entries: inout [KeyEntry]) {
        for i in places.indices { places[i] = 0 }
        for entry in entries { places[FingerprintSorter.byte(entry) + 1] += 1 }
        for i in 1..<places.count { places[i] += places[i - 1] }
        spread.removeAll(keepingCapacity: true)
        spread.append(contentsOf: entries)
        for entry in entries {
            let byte = FingerprintSorter.byte(entry)
            spread[places[byte]] = entry
            places[byte] += 1
        }
        for i in spread.indices.dropFirst() where spread[i].fingerprint < spread[i - 1].fingerprint {
            let entry = spread[i]
            var at = i
            while at > 0, spread[at - 1].fingerprint > entry.fingerprint {
                spread[at] = spread[at - 1]
                at -= 1
            }
            spread[at] = entry
        }
        swap(&entries, &spread)
    }

    @inline(__always) private static func byte(_ entry: KeyEntry) -> Int { Int(truncatingIfNeeded: entry.fingerprint >> 48) & 0xFF }
}
