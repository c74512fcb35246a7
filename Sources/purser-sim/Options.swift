// Options: the command line of the simulator.

import Simulator

struct Options {
    var seeds: ClosedRange<UInt64> = 1...1
    var events = 2000
    var canary: Canary?
    var follows = false
    var checksDeterminism = false
    var keepsGoing = false
    /// Of so many processes that share the seeds, this one takes each so many-th.
    var stride: UInt64 = 1

    static let usage = """
        usage: purser-sim [--seed N | --seeds A..B] [--events N] [--canary NAME] [--stride N] [--check-determinism] [--keep-going]
                          [--verbose]

          --seed N             one run
          --seeds A..B         all runs from A to B; stops at the first that fails
          --stride N           every N-th of them
          --events N           events that clients make in a run (2000)
          --canary NAME        with a planted bug: \(Canary.allCases.map(\.rawValue).joined(separator: ", "))
          --check-determinism  each run twice; both must leave the same hash
          --keep-going         do not stop at the first that fails
          --verbose            print everything that happens
        """

    /// nil: the command line is wrong.
    init?(_ arguments: [String]) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            var name = word
            if let equals = word.firstIndex(of: "=") {
                name = String(word[..<equals])
                rest.insert(String(word[word.index(after: equals)...]), at: rest.startIndex)
            }
            switch name {
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
                seeds = seed...seed
            case "--seeds":
                guard let range = rest.popFirst().flatMap(Options.range) else { return nil }
                seeds = range
            case "--events":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else { return nil }
                events = count
            case "--stride":
                guard let step = rest.popFirst().flatMap({ UInt64($0) }), step > 0 else { return nil }
                stride = step
            case "--canary":
                guard let planted = rest.popFirst().flatMap({ Canary(rawValue: $0) }) else { return nil }
                canary = planted
            case "--check-determinism": checksDeterminism = true
            case "--keep-going": keepsGoing = true
            case "--verbose": follows = true
            default: return nil
            }
        }
    }

    private static func range(_ text: String) -> ClosedRange<UInt64>? {
        let ends = text.split(separator: ".", omittingEmptySubsequences: true).compactMap { UInt64($0) }
        return ends.count == 2 && ends[0] <= ends[1] ? ends[0]...ends[1] : nil
    }
}
