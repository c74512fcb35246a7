// Metrics: the daemon's own counters, read from its page in the Prometheus text format. Only numbers are kept, by the name and the
// labels as they stand.

/// One reading of `/metrics`.
public struct Metrics: Equatable, Sendable {
    private var values: [String: String] = [:]

    public init(_ text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let blank = line.lastIndex(of: " ") else { continue }
            values[String(line[..<blank])] = String(line[line.index(after: blank)...])
        }
    }

    /// A counter or gauge; nil when it is not there or no whole number.
    public subscript(_ name: String) -> Int64? { values[name].flatMap { Int64($0) } }

    /// Events with an outcome, since the daemon started.
    public func events(_ outcome: String) -> Int64? { self["purser_events_total{outcome=\"\(outcome)\"}"] }

    /// Seconds as the page writes them.
    public func seconds(_ name: String) -> Double? { values[name].flatMap { Double($0) } }

    /// How much a counter grew; nil when it is missing in one of the two.
    public func growth(_ name: String, since earlier: Metrics) -> Int64? {
        guard let now = self[name], let before = earlier[name] else { return nil }
        return now - before
    }
}
