// Worlds from seeds: two hundred of them on every push, those that once found something, and the same one twice.

import Foundation
import Simulator
import Testing

/// Under a sanitizer one world of so many is enough (`.ci/sanitize`), and none that asks whether the simulator sees anything.
private let share = max(1, ProcessInfo.processInfo.environment["PURSER_TEST_SHARE"].flatMap { Int($0) } ?? 1)

/// Events that clients make in one run: about a sixth of a second of a debug build.
private let events = 300

private func run(_ seed: UInt64, events: Int = events, canary: Canary? = nil) -> SimulationResult {
    Simulation(SimulationOptions(seed: seed, events: events, canary: canary)).run()
}

private func report(_ result: SimulationResult, _ events: Int = events) -> Comment {
    let last = result.trace.suffix(60).joined(separator: "\n")
    return "purser-sim --seed=\(result.seed) --events=\(events)\n\(result.failure ?? "")\n\(last)"
}

@Test(arguments: stride(from: 0, to: 20, by: share).map { UInt64($0) }) func everyWorldKeepsItsPromises(_ part: UInt64) {
    var tiny = 0
    for seed in (part * 10 + 1)...(part * 10 + 10) {
        let result = run(seed)
        #expect(result.failure == nil, report(result))
        tiny += result.isTiny ? 1 : 0
    }
    #expect(tiny < 10)
}

/// Seeds that found something, with the number of events they needed, and what it was.
private let keptSeeds: [(seed: UInt64, events: Int)] = [
    // A batch under an `Idempotency-Key`, some of whose events found no room: its reply was kept, so that it could never be finished.
    (6, 200),
    // The same batch, finished by another request, and then a late copy of the first: events without keys counted twice.
    (253, 600),
    // Of several blank segments a middle one could not be removed at a start: the next one took the gap for damage.
    (3618, 200),
    // A process died after it made a segment and before the name was durable; the next one put batches into it, and power was lost.
    (4312, 200),
]

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

@Test(.enabled(if: share == 1), arguments: Canary.allCases) func plantedBugsAreCaught(_ canary: Canary) {
    var tried = 0
    for seed: UInt64 in 1...1000 {
        tried += 1
        if run(seed, events: 200, canary: canary).failure != nil { return }
    }
    Issue.record("\(canary.rawValue) lived through \(tried) seeds")
}

/// A fault that never comes proves nothing.
@Test(.enabled(if: share == 1)) func faultsReallyHappen() {
    var sum = Coverage()
    for seed: UInt64 in 301...340 { sum += run(seed, events: 200).coverage }
    let rare: Set<Occurrence> = [.extended, .cutHeaders, .evictedPages, .tornWrites, .timeouts, .deathsInStart, .keysExpired]
    for what in Occurrence.allCases where !rare.contains(what) { #expect(sum[what] > 0, "\(what) never happened") }
}
