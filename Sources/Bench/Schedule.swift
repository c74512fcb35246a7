// Schedule: when each message of an open loop is to be sent, whatever became of those before it.
//
// The latency of a message counts from here, not from when it could be sent: a server that stalls for a second keeps every
// message of that second waiting, and each of them says so. Without it the stall would be one slow message and many that
// were never asked ("coordinated omission", Gil Tene).

/// Evenly spaced instants, without drift: the k-th is computed, not added up.
struct Schedule {
    /// Nanoseconds of the monotonic clock.
    let start: Int64
    /// Messages a second.
    let rate: Double
    private(set) var next = 0

    init(start: Int64, rate: Double) {
        self.start = start
        self.rate = rate
    }

    /// When message `index` is due.
    func due(_ index: Int) -> Int64 { start + Int64(Double(index) * 1e9 / rate) }

    /// When the next one is due.
    var nextDue: Int64 { due(next) }

    /// Takes the next one if it is due.
    mutating func take(now: Int64) -> Int64? {
        let at = nextDue
        guard at <= now else { return nil }
        next += 1
        return at
    }
}
