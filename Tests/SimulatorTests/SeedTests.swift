// Worlds from seeds: two hundred of them on every push, those that once found something, and the same one twice.

import Simulator
import Testing

/// Events that clients make in one run. A debug build does some forty runs of this length in ten seconds.
private let events = 200

private func run(_ seed: UInt64, events: Int = events, canary: Canary? = nil) -> SimulationResult {
    Simulation(SimulationOptions(seed: seed, events: events, canary: canary)).run()
}

private func report(_ result: SimulationResult, _ events: Int = events) -> Comment {
    let last = result.trace.suffix(60).joined(separator: "\n")
    return "purser-sim --seed=\(result.seed) --events=\(events)\n\(result.failure ?? "")\n\(last)"
}

@Test(arguments: 0..<20) func everyWorldKeepsItsPromises(_ part: UInt64) {
    var tiny = 0
    for seed in (part * 10 + 1)...(part * 10 + 10) {
        let result = run(seed)
        #expect(result.failure == nil, report(result))
        tiny += result.isTiny ? 1 : 0
    }
    #expect(tiny < 10)
}

/// Seeds that found something, with the number of events they needed, and what it was.
private let keptSeeds: [(seed: UInt64, events: Int)] = []

@Test func whatWasFoundOnceStaysMended() {
    for kept in keptSeeds {
        let result = run(kept.seed, events: kept.events)
        #expect(result.failure == nil, report(result, kept.events))
    }
}

@Test(arguments: [3, 8, 21]) func theSameSeedGivesTheSameWorld(_ seed: UInt64) {
    let (first, second) = (run(seed), run(seed))
    #expect(first.hash == second.hash)
    #expect(first.coverage == second.coverage)
    #expect(first.hash != run(seed + 1).hash)
}

@Test(arguments: Canary.allCases) func plantedBugsAreCaught(_ canary: Canary) {
    var tried = 0
    for seed: UInt64 in 1...1000 {
        tried += 1
        if run(seed, canary: canary).failure != nil { return }
    }
    Issue.record("\(canary.rawValue) lived through \(tried) seeds")
}

/// A fault that never comes proves nothing.
@Test func faultsReallyHappen() {
    var sum = Coverage()
    for seed: UInt64 in 301...340 { sum += run(seed).coverage }
    let rare: Set<Occurrence> = [.extended, .cutHeaders, .evictedPages, .tornWrites, .timeouts, .deathsInStart, .replayed]
    for what in Occurrence.allCases where !rare.contains(what) { #expect(sum[what] > 0, "\(what) never happened") }
}
