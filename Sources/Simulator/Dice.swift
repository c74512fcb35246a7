// Dice: the one source of chance. Every run has one seed, and every part of the world draws from dice of its own, so that a
// change in one part does not move what happens in all others.
//
// xoshiro256** (Blackman, Vigna 2018), its state filled by SplitMix64 (Steele, Lea, Flood 2014).

public struct Dice: Sendable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    public init(_ seed: UInt64) {
        var state = seed
        func fill() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        (a, b, c, d) = (fill(), fill(), fill(), fill())
    }

    public mutating func next() -> UInt64 {
        func rotated(_ x: UInt64, _ by: UInt64) -> UInt64 { x << by | x >> (64 - by) }
        let result = rotated(b &* 5, 7) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotated(d, 45)
        return result
    }

    /// Dice of one's own for a part of the world.
    mutating func fork() -> Dice { Dice(next()) }

    /// 0 up to and without `limit`, which is above 0.
    mutating func below(_ limit: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(limit)).high) }

    /// Both ends included.
    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.upperBound - range.lowerBound + 1) }

    /// True so many times in a million.
    mutating func happens(_ perMillion: Int) -> Bool { perMillion > 0 && below(1_000_000) < perMillion }

    mutating func flip() -> Bool { next() & 1 == 0 }

    mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

    /// Nanoseconds in this range, short ones more often: every power of two is as likely as the next.
    mutating func duration(_ range: ClosedRange<UInt64>) -> UInt64 {
        let low = 63 - max(range.lowerBound, 1).leadingZeroBitCount
        let high = 63 - max(range.upperBound, 1).leadingZeroBitCount
        let size = UInt64(1) << UInt64(within(low...high))
        return min(max(size + next() % size, range.lowerBound), range.upperBound)
    }
}
