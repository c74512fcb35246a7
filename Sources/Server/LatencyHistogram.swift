// LatencyHistogram: how long something took, in buckets that a page of metrics can show. Fixed size, nothing allocated.

internal import Core

public struct LatencyHistogram: Sendable {
    /// Upper bounds in nanoseconds: 1, 2 and 5 of every decade from a durable write on a good disk to the longest stall.
    static let bounds: [UInt64] = [
        50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000,
        200_000_000, 500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000, 10_000_000_000,
    ]

    /// By bound, those beyond the last one behind them.
    private(set) var counts: InlineArray<18, UInt64> = .init(repeating: 0)
    private(set) var count: UInt64 = 0
    private(set) var nanoseconds: UInt64 = 0

    init() {}

    mutating func observe(_ value: UInt64) {
        var index = 0
        while index < 17, value > LatencyHistogram.bounds[index] { index += 1 }
        counts[index] += 1
        count += 1
        nanoseconds &+= value
    }

    /// In the text format of Prometheus, without the lines of HELP and TYPE.
    func write(_ name: StaticString, to output: inout ByteWriter) {
        var below: UInt64 = 0
        for index in 0..<18 {
            below += counts[index]
            output.append(name)
            output.append("_bucket{le=\"")
            if index < 17 { output.appendDecimal(Int128(LatencyHistogram.bounds[index]), places: 9) } else { output.append("+Inf") }
            output.append("\"} ")
            output.append(unsigned: below)
            output.append("\n")
        }
        output.append(name)
        output.append("_sum ")
        output.appendDecimal(Int128(nanoseconds), places: 9)
        output.append("\n")
        output.append(name)
        output.append("_count ")
        output.append(unsigned: count)
        output.append("\n")
    }
}
