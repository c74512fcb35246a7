// When messages are due, and who they are of.

import Testing

@testable import Bench

@Test func messagesAreDueAtEvenIntervalsThatDoNotDrift() {
    let schedule = Schedule(start: 1_000, rate: 3)
    #expect(schedule.due(0) == 1_000)
    #expect(schedule.due(1) == 1_000 + 333_333_333)
    #expect(schedule.due(3) == 1_000 + 1_000_000_000)
    // An hour on, the third part of a nanosecond that each interval lacks is not missing.
    #expect(schedule.due(3 * 3600) == 1_000 + 3_600_000_000_000)
}

@Test func aLateSenderFindsEveryMessageThatIsDueWithItsOwnTime() {
    var schedule = Schedule(start: 0, rate: 1000)
    // The sender slept for ten milliseconds.
    var due: [Int64] = []
    while let at = schedule.take(now: 10_000_000) { due.append(at) }
    #expect(due == (0...10).map { Int64($0) * 1_000_000 })
    #expect(schedule.nextDue == 11_000_000)
}

@Test func sharesFollowZipfsLaw() {
    let zipf = Zipf(count: 1000, exponent: 1)
    var chance = Chance(seed: 5)
    var counts = [Int](repeating: 0, count: 1000)
    let draws = 200_000
    for _ in 0..<draws { counts[zipf.rank(&chance)] += 1 }
    let harmonic = (1...1000).reduce(0.0) { $0 + 1 / Double($1) }
    for rank in [0, 1, 4, 9, 99] {
        let expected = Double(draws) / harmonic / Double(rank + 1)
        // Five standard deviations.
        #expect(abs(Double(counts[rank]) - expected) < 5 * expected.squareRoot(), "rank \(rank): \(counts[rank]), not \(expected)")
    }
    #expect(zipf.rank(at: 0) == 0 && zipf.rank(at: 0.999_999_999) == 999)
}

@Test func theFastTailHasTheShapeOfTheSlowOne() {
    let zipf = Zipf(count: 100_000, exponent: 1)
    let tail = ZipfTail(zipf, from: 256)
    var chance = Chance(seed: 9)
    var below: [Int: Int] = [1_000: 0, 10_000: 0, 50_000: 0]
    var drawn: Set<Int> = []
    let draws = 200_000
    for _ in 0..<draws {
        let rank = tail.rank(&chance)
        drawn.insert(rank)
        #expect(rank >= 256 && rank < 100_000)
        for limit in below.keys where rank < limit { below[limit]! += 1 }
    }
    func share(_ ranks: Int) -> Double { zipf.share(ofFirst: ranks) }
    for (limit, count) in below {
        let expected = (share(limit) - share(256)) / (1 - share(256))
        let found = Double(count) / Double(draws)
        #expect(abs(found - expected) < 0.01, "below \(limit): \(found), not \(expected)")
    }
    // By the law 55,878 of the hundred thousand turn up: nobody is left out because he is not the first of his stretch.
    #expect(drawn.count > 50_000)
}
