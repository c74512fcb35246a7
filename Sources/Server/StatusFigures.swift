// StatusFigures: the line that the service manager shows of a running daemon: what it did since it was looked at last, and since its
// start.

internal import Core
internal import Ledger

public struct StatusFigures: Sendable {
    public private(set) var text = "ready"
    private var recorded: UInt64 = 0
    private var commits: UInt64 = 0
    private var nanoseconds: UInt64 = 0
    private var at: UInt64 = 0

    public init() {}

    public mutating func look(at server: borrowing Server, _ instant: Instant) {
        let (counters, metrics) = (server.ledger.counters, server.metrics)
        let elapsed = at == 0 ? 0 : instant.monotonic &- at
        var parts: [String] = []
        if let reason = server.unreadiness { parts.append("not ready: \(reason)") }
        if elapsed > 0 {
            let milliseconds = max(1, elapsed / 1_000_000)
            parts.append("\(((counters.recorded - recorded) * 1000 + milliseconds / 2) / milliseconds) events/s")
        }
        let refused = counters.rejected.reduce(0, +) + counters.conflicts
        parts.append("\(counters.recorded) recorded, \(counters.duplicates) duplicate, \(refused) refused since start")
        parts.append(server.connectionCount == 1 ? "1 connection" : "\(server.connectionCount) connections")
        if metrics.commits > commits {
            let tenths = ((metrics.commitNanoseconds - nanoseconds) / (metrics.commits - commits) + 50_000) / 100_000
            parts.append("\(metrics.commits - commits) commits of \(tenths / 10).\(tenths % 10) ms")
        }
        text = parts.joined(separator: "; ")
        (recorded, commits, nanoseconds, at) = (counters.recorded, metrics.commits, metrics.commitNanoseconds, instant.monotonic)
    }
}
