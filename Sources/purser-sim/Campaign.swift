// Campaign: runs one world after the other, says which one broke a promise, and how often each fault came.

import Glibc
import Simulator

struct Campaign {
    let options: Options
    private var sum = Coverage()
    private var runs = 0
    private var tiny = 0
    private var failed: [UInt64] = []

    init(_ options: Options) { self.options = options }

    /// The exit status: 0 when all promises held.
    mutating func run() -> Int32 {
        let start = Campaign.now()
        for seed in stride(from: options.seeds.lowerBound, through: options.seeds.upperBound, by: Int(options.stride)) {
            if !holds(seed), !options.keepsGoing { break }
        }
        let milliseconds = max(1, Campaign.now() - start)
        for what in Occurrence.allCases { print("  \(what) \(sum[what])") }
        let speed = runs * 10_000 / milliseconds
        print("\(runs) runs, \(tiny) of them tiny, \(failed.count) failed; \(milliseconds) ms, \(speed) runs in 10 s")
        if failed.count > 1 { print("failed: " + failed.map(String.init).joined(separator: " ")) }
        return failed.isEmpty ? 0 : 1
    }

    private mutating func holds(_ seed: UInt64) -> Bool {
        var wanted = SimulationOptions(seed: seed, events: options.events, canary: options.canary)
        if options.follows { wanted.follow = { print($0) } }
        let result = Simulation(wanted).run()
        runs += 1
        if runs % 500 == 0 {
            print("… seed \(seed)")
            fflush(nil)
        }
        tiny += result.isTiny ? 1 : 0
        sum += result.coverage
        var failure = result.failure
        if options.checksDeterminism, Simulation(wanted).run().hash != result.hash { failure = "the same seed went two ways" }
        if options.seeds.count == 1 {
            let seconds = result.nanoseconds / 1_000_000_000
            print("seed \(seed): hash \(String(result.hash, radix: 16)), \(result.steps) steps, \(seconds) simulated seconds")
        }
        guard let failure else { return true }
        failed.append(seed)
        for line in result.trace { print(line) }
        print("purser-sim --seed=\(seed) --events=\(options.events)" + (options.canary.map { " --canary=\($0.rawValue)" } ?? ""))
        print("FAILED: \(failure)")
        fflush(nil)
        return false
    }

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
