// The histogram against exact percentiles of the same values.

import Testing

@testable import Bench

private func exact(_ values: [UInt64], _ perMille: Double) -> UInt64 {
    let sorted = values.sorted()
    let rank = max(1, Int((perMille / 1000 * Double(values.count)).rounded(.up)))
    return sorted[rank - 1]
}

@Test func percentilesAreWithinAPartOfTheExactOnesAndNeverBelow() {
    var chance = Chance(seed: 1)
    for spread in [UInt64(10), 500, 100_000, 3_000_000_000] {
        var histogram = Histogram()
        var values: [UInt64] = []
        for _ in 0..<20_000 {
            // Skewed, as latencies are: the square of an even draw.
            let share = Double(chance.next() >> 11) * 0x1p-53
            let value = UInt64(share * share * Double(spread))
            values.append(value)
            histogram.record(value)
        }
        for perMille in [0, 1, 250, 500, 900, 990, 999, 999.9, 1000] {
            let (found, should) = (histogram.percentile(perMille), exact(values, perMille))
            #expect(
                found >= should && found <= should + should / 256 + 1, "\(perMille) of values below \(spread): \(found), exactly \(should)")
        }
        #expect(histogram.largest == values.max() && histogram.smallest == values.min() && histogram.count == 20_000)
        #expect(histogram.mean == values.reduce(0, +) / 20_000)
    }
}

@Test func everyValueHasAPartThatHoldsIt() {
    var values: [UInt64] = (0..<64).flatMap { shift in [UInt64(1) << UInt64(shift), UInt64(1) << UInt64(shift) &- 1] }
    values += [0, 511, 512, 513, 1023, 1024, 4095, 1_000_003, UInt64.max]
    var before = -1
    for value in values.sorted() {
        let part = Histogram.part(of: value)
        #expect(part >= before, "parts ascend with their values")
        before = part
        // Beyond 2^42 all values share the last part.
        if value < 1 << 42 {
            #expect(Histogram.highest(of: part) >= value)
            #expect(part == 0 || Histogram.highest(of: part - 1) < value)
        }
    }
}

@Test func anEmptyHistogramSaysZero() {
    #expect(Histogram().percentile(990) == 0)
    #expect(Latency(Histogram()) == Latency())
}

@Test func addingTwoIsRecordingBoth() {
    var (a, b, both) = (Histogram(), Histogram(), Histogram())
    for value in stride(from: UInt64(3), to: 90_000, by: 7) {
        if value % 2 == 0 { a.record(value) } else { b.record(value) }
        both.record(value)
    }
    a.add(b)
    #expect(Latency(a) == Latency(both) && a.mean == both.mean)
}
