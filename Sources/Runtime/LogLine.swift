// LogLine: one happening, for people and for machines: a sentence, how bad it is, what kind of thing happened, and its facts as
// fields. Never a key, never a payload.

public struct LogLine: Sendable {
    /// As syslog(3) numbers them.
    public enum Level: Int, Sendable {
        case error = 3
        case warning = 4
        case notice = 5
        case info = 6
    }

    public var level: Level
    /// A word that stays the same for all lines of its kind: filters and the limit on repetitions go by it.
    public var kind: String
    public var text: String
    /// Names of upper-case letters and underscores, and their values.
    public var fields: [(name: String, value: String)]

    public init(_ level: Level, _ kind: String, _ text: String, _ fields: [(name: String, value: String)] = []) {
        self.level = level
        self.kind = kind
        self.text = text
        self.fields = fields
    }
}
