// Histogram: latencies in nanoseconds, kept so that any percentile can be asked for afterwards.
//
// Log-linear, as HdrHistogram is (Gil Tene): every power of two is cut into 256 equal parts, so a value is known to within
// 1/256 of itself whatever its size, and recording is a shift and an increment. 73 KB hold everything up to 73 minutes.
// A percentile is the highest value of its part, never more than the largest value recorded: it errs upward.

/// Counts of values by size.
public struct Histogram: Sendable {
    /// Values below 512 have a part each; above, 256 parts an octave.
    private static let bits = 9
    private static let half = 1 << (bits - 1)
    /// 2^42 ns; what is longer is counted there, and `largest` still tells it.
    private static let largestBits = 42
    private static let parts = (largestBits - bits + 2) * half

    private var counts = [UInt64](repeating: 0, count: Histogram.parts)
    public private(set) var count: UInt64 = 0
    public private(set) var largest: UInt64 = 0
    public private(set) var smallest = UInt64.max
    private var total: UInt64 = 0

    public init() {}

    /// Counts one value; O(1).
    public mutating func record(_ value: UInt64) {
        counts[Histogram.part(of: value)] += 1
        count += 1
        total &+= value
        if value > largest { largest = value }
        if value < smallest { smallest = value }
    }

    /// Adds what another one counted.
    public mutating func add(_ other: Histogram) {
        for i in 0..<counts.count { counts[i] += other.counts[i] }
        count += other.count
        total &+= other.total
        largest = max(largest, other.largest)
        smallest = min(smallest, other.smallest)
    }

    /// The value that `perMille` of a thousand values do not exceed, 0...1000 (999.9 is 99.99 %); 0 when nothing was counted.
    public func percentile(_ perMille: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let wanted = max(1, UInt64((perMille / 1000 * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for i in 0..<counts.count where counts[i] > 0 {
            seen += counts[i]
            if seen >= wanted { return min(Histogram.highest(of: i), largest) }
        }
        return largest
    }

    public var mean: UInt64 { count == 0 ? 0 : total / count }

    static func part(of value: UInt64) -> Int {
        if value < UInt64(1 << bits) { return Int(value) }
        let length = UInt64.bitWidth - value.leadingZeroBitCount
        if length > largestBits { return parts - 1 }
        let shift = length - bits
        return shift * half + Int(value >> UInt64(shift))
    }

    /// The highest value that is counted in a part.
    static func highest(of part: Int) -> UInt64 {
        if part < 1 << bits { return UInt64(part) }
        let shift = part / half - 1
        let top = UInt64(part - shift * half)
        return ((top + 1) << UInt64(shift)) - 1
    }
}

/// What a report says of a histogram, in nanoseconds.
public struct Latency: Equatable, Sendable {
    public var count: UInt64 = 0
    public var p50: UInt64 = 0
    public var p90: UInt64 = 0
    public var p99: UInt64 = 0
    public var p999: UInt64 = 0
    public var largest: UInt64 = 0

    public init() {}

    public init(_ histogram: Histogram) {
        count = histogram.count
        p50 = histogram.percentile(500)
        p90 = histogram.percentile(900)
        p99 = histogram.percentile(990)
        p999 = histogram.percentile(999)
        largest = histogram.largest
    }
}
