// Verdict: whether the daemon's books say what the answers said. Two accounts are compared that share nothing but the wire: the
// run's own count of what was acknowledged and its own exact sums on one side, the daemon's counters and its margins on the
// other. A figure of a run whose verdict is not `ok` is worth nothing.

import Core

/// What the daemon says about the events of a run.
public struct DaemonAccount: Equatable, Sendable {
    /// Growth of its counters; nil when they are not compared, because others send too.
    public var recorded: Int64?
    public var duplicates: Int64?
    /// Events of any other outcome.
    public var refused: Int64?
    /// Its margins of the run's events.
    public var sums: Sums

    public init(recorded: Int64?, duplicates: Int64?, refused: Int64?, sums: Sums) {
        self.recorded = recorded
        self.duplicates = duplicates
        self.refused = refused
        self.sums = sums
    }
}

public struct Verdict: Equatable, Sendable {
    /// What does not agree, a sentence each; empty when all does.
    public var mismatches: [String]
    public var isOK: Bool { mismatches.isEmpty }

    /// Compares. Events without an answer may count or not: they widen what is accepted, and are themselves a fault of the run.
    public init(_ run: DriveResult, _ daemon: DaemonAccount) {
        var wrong: [String] = []
        if let failure = run.failure { wrong.append("the run broke off: \(failure)") }
        if run.rejected > 0 { wrong.append("\(run.rejected) events were rejected") }
        if run.unansweredEvents > 0 { wrong.append("\(run.unansweredEvents) events were not answered in time") }
        func text(_ value: Int128, _ places: Int) -> String { DecimalText.text(value, places: places) }
        func compare(_ what: String, _ said: Int128, _ expected: Int128, slack: Int128 = 0, places: Int = 0) {
            guard said < expected || said > expected + slack else { return }
            let by = said < expected ? "\(text(expected - said, places)) too little" : "\(text(said - expected - slack, places)) too much"
            wrong.append("\(what): the daemon says \(text(said, places)), acknowledged was \(text(expected, places)): \(by)")
        }
        let open = Int128(run.unansweredEvents)
        if let recorded = daemon.recorded { compare("events recorded", Int128(recorded), Int128(run.recorded), slack: open) }
        if let duplicates = daemon.duplicates { compare("duplicates", Int128(duplicates), Int128(run.duplicates), slack: open) }
        if let refused = daemon.refused { compare("events refused", Int128(refused), 0) }
        compare("events in the margins", daemon.sums.events, Int128(run.recorded), slack: open)
        // Sums can only be told when it is known which events count.
        if run.unansweredEvents == 0 {
            compare("distinct events sent", Int128(run.recorded), run.sums.events)
            compare("usage units", daemon.sums.units, run.sums.units)
            compare("input tokens", daemon.sums.inputTokens, run.sums.inputTokens)
            compare("output tokens", daemon.sums.outputTokens, run.sums.outputTokens)
            compare("unpriced events", daemon.sums.unpriced, run.sums.unpriced)
            compare("cost in USD", daemon.sums.cost, run.sums.cost, places: 12)
            compare("revenue in USD", daemon.sums.revenue, run.sums.revenue, places: 12)
        }
        mismatches = wrong
    }
}
