// FairQueue: queries in the order in which they are worked on. Each principal has a line of its own and the lines take turns, so
// that whoever asks one waits for at most one of everybody else's, however many those have asked.

public struct FairQueue: Sendable {
    private var lines: [(principal: UInt64, queries: [PendingQuery])] = []
    /// The line whose turn it is.
    private var next = 0
    public private(set) var count = 0

    public init() {}

    public var isEmpty: Bool { count == 0 }

    /// Bounded by `Limits.pendingQueries`, which the server keeps.
    public mutating func append(_ query: PendingQuery) {
        count += 1
        if let line = lines.firstIndex(where: { $0.principal == query.principal }) {
            lines[line].queries.append(query)
        } else {
            // Behind everybody who is waiting: before the line whose turn it is.
            lines.insert((query.principal, [query]), at: next)
            if lines.count > 1 { next += 1 }
        }
    }

    /// Takes the next one.
    public mutating func popFirst() -> PendingQuery? {
        guard count > 0 else { return nil }
        if next >= lines.count { next = 0 }
        count -= 1
        let query = lines[next].queries.removeFirst()
        if lines[next].queries.isEmpty {
            lines.remove(at: next)
        } else {
            next += 1
        }
        if next >= lines.count { next = 0 }
        return query
    }
}
