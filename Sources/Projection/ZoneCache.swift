// ZoneCache: the time zones asked for last. A zone's file is read once; the cache is small because few zones are in use.

internal import Core

struct ZoneCache {
    private static let capacity = 16
    private var entries: [(name: [UInt8], rules: TimeZoneRules)] = []

    /// The rules of a zone; nil when the name is none.
    mutating func rules(_ name: [UInt8]) -> TimeZoneRules? {
        if let found = entries.first(where: { $0.name == name }) { return found.rules }
        guard let rules = TimeZoneRules(name: name) else { return nil }
        if entries.count == ZoneCache.capacity { entries.removeFirst() }
        entries.append((name, rules))
        return rules
    }
}
