// Queries: what is asked of the rollups and of the journal, as values. The server makes them from requests; the
// projection answers them with the JSON of `data`.

public struct EventFilter: Sendable {
    public var customer: [UInt8]?
    public var feature: [UInt8]?
    public var model: [UInt8]?
    public var provider: [UInt8]?
    public var eventName: [UInt8]?
    public var flowId: [UInt8]?
    /// Inclusive.
    public var from: Timestamp?
    /// Exclusive.
    public var to: Timestamp?
    public var unpriced: Bool?
    public init() {}
}

public enum Grouping: UInt8, CaseIterable, Sendable {
    case customer, feature, model, provider, eventName, hour, day, month
}

public struct MarginsQuery: Sendable {
    /// One or more, in the order asked.
    public var groupBy: [Grouping]
    public var filter: EventFilter
    /// IANA name for day and month; empty means UTC.
    public var timezone: [UInt8]
    public init(groupBy: [Grouping], filter: EventFilter, timezone: [UInt8]) {
        self.groupBy = groupBy
        self.filter = filter
        self.timezone = timezone
    }
}

public enum Query: Sendable {
    case margins(MarginsQuery)
    /// Newest first; `cursor` as an earlier reply gave it.
    case events(EventFilter, limit: Int, cursor: [UInt8]?)
    /// One event; `position` when the dedup index knows it, else the journal is searched for `key`.
    case event(key: [UInt8], position: JournalPosition?)
    case customers(search: [UInt8]?, limit: Int, offset: Int)
    case customer(reference: [UInt8])
}

/// The answer to a query.
public struct QueryAnswer: Sendable {
    /// 200, 400 or 404 (or 500 when the projection failed).
    public var status: UInt16
    /// The JSON of `data` when the status is 200.
    public var data: [UInt8]
    /// `code` and message of the error otherwise.
    public var code: String
    public var message: String

    public init(data: [UInt8]) {
        status = 200
        self.data = data
        code = ""
        message = ""
    }

    public init(status: UInt16, code: String, message: String) {
        self.status = status
        data = []
        self.code = code
        self.message = message
    }
}
