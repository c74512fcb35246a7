// Chance: pseudo-random numbers that are the same on every run with the same seed, and which customer an event is of.

import Glibc

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
@frozen
public struct Chance: Sendable {
    @usableFromInline var state: UInt64

    @inlinable public init(seed: UInt64) { state = seed }

    @inlinable public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Chance.mix(state)
    }

    /// Its finaliser: a bijection, so distinct numbers stay distinct.
    @inlinable public static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number below `bound`, which is above zero; the bias of the multiplication is below 2^-32 for bounds that fit 32 bits.
    @inlinable public mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    mutating func pick(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
}

/// Ranks by Zipf's law: rank r, from 0, has a weight of 1/(r+1)^exponent. A few customers make most of the traffic, and there is
/// always one more who has not been seen yet: what keeps tables of names honest.
public struct Zipf: Sendable {
    public let count: Int
    /// Shares up to and with each rank.
    private let cumulative: [Double]

    public init(count: Int, exponent: Double) {
        self.count = count
        var sums = [Double](repeating: 0, count: count)
        var sum = 0.0
        for rank in 0..<count {
            sum += pow(Double(rank + 1), -exponent)
            sums[rank] = sum
        }
        for rank in 0..<count { sums[rank] /= sum }
        cumulative = sums
    }

    /// The rank at the point `share` (0..<1) of all weight; O(log count).
    public func rank(at share: Double) -> Int {
        var low = 0
        var high = count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] <= share { low = middle + 1 } else { high = middle }
        }
        return low
    }

    public func rank(_ chance: inout Chance) -> Int { rank(at: Double(chance.next() >> 11) * 0x1p-53) }

    /// The share of the first `ranks` ranks.
    func share(ofFirst ranks: Int) -> Double { ranks <= 0 ? 0 : cumulative[min(ranks, count) - 1] }
}

/// The ranks from `first` on, drawn in two nanoseconds: 4,096 stretches of equal weight, evenly within each.
struct ZipfTail {
    static let stretches = 4096
    let first: Int
    private let starts: [UInt32]

    init(_ zipf: Zipf, from first: Int) {
        self.first = first
        let before = zipf.share(ofFirst: first)
        starts = (0...ZipfTail.stretches).map { i in
            i == ZipfTail.stretches
                ? UInt32(zipf.count) : UInt32(max(first, zipf.rank(at: before + (1 - before) * Double(i) / Double(ZipfTail.stretches))))
        }
    }

    @inline(__always) func rank(_ chance: inout Chance) -> Int {
        let random = chance.next()
        let stretch = Int(random >> 52)
        let start = starts[stretch]
        let width = UInt64(max(1, starts[stretch + 1] - start))
        // In brackets: in Swift a shift binds more tightly than a product, and a width shifted away leaves the first of the stretch.
        return Int(start) + Int(((random & 0xFFFF_FFFF) &* width) >> 32)
    }
}
