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
    /// Further groupings of the same events at the same moment, at most `Limits.marginsAlso`.
    public var also: [[Grouping]] = []
    public init(groupBy: [Grouping], filter: EventFilter, timezone: [UInt8]) {
        self.groupBy = groupBy
        self.filter = filter
        self.timezone = timezone
    }
}

/// Past events, priced again.
public struct RepriceQuery: Sendable {
    public var prices: PriceTexts
    /// Which events; with `unpriced == true` only those that have no cost so far.
    public var filter: EventFilter
    /// Only events with a lower sequence: those that are recorded while a run goes on have newer prices than the run.
    public var below: UInt64 = .max
    /// Whether events that are no longer kept are passed over; otherwise a range that has any is refused.
    public var passesDropped = false
    public init(prices: PriceTexts, filter: EventFilter) {
        self.prices = prices
        self.filter = filter
    }
}

/// Past events at other prices, side by side with what they cost.
public struct SimulationQuery: Sendable {
    /// "As if this model were that one". Names are matched as the price book matches them, exactly after case folding first.
    public struct Substitution: Sendable, Equatable {
        public var model: [UInt8]
        /// nil: whatever the provider.
        public var provider: [UInt8]?
        public var asModel: [UInt8]
        /// nil: the event's provider when it has the model, else whoever makes it.
        public var asProvider: [UInt8]?
        public init(model: [UInt8], provider: [UInt8]?, asModel: [UInt8], asProvider: [UInt8]?) {
            self.model = model
            self.provider = provider
            self.asModel = asModel
            self.asProvider = asProvider
        }
    }

    /// What prices are in force in the simulation.
    public var prices: PriceTexts
    public var substitutions: [Substitution] = []
    public var filter: EventFilter
    public var groupBy: [Grouping]
    public var timezone: [UInt8] = []
    /// Costs that clients gave are worked out from the usage too; otherwise they stay.
    public var repricesGiven = false
    public init(prices: PriceTexts, filter: EventFilter, groupBy: [Grouping]) {
        self.prices = prices
        self.filter = filter
        self.groupBy = groupBy
    }
}

/// Rows of a list as text, for whoever takes them away.
public enum ExportFormat: UInt8, Sendable {
    case csv, ndjson
}

/// A page of all rows of a list.
public struct ExportQuery: Sendable {
    public enum Subject: Sendable {
        case margins(MarginsQuery)
        case events(EventFilter)
        case customers(search: [UInt8]?)
        /// A line for each rate; `limit` and `offset` do not matter.
        case models(ModelsQuery)
        /// Prices of one's own.
        case own(ModelsQuery)
        case unpriced(UnpricedQuery)
        case disagreements(ModelsQuery)
    }

    public var subject: Subject
    public var format: ExportFormat
    /// Names the export for as long as it is read.
    public var id: UInt64
    /// `next` of the page before; nil for the first.
    public var place: UInt64?
    public init(subject: Subject, format: ExportFormat, id: UInt64) {
        self.subject = subject
        self.format = format
        self.id = id
    }
}

/// What came since the last look.
public struct TailQuery: Sendable {
    public var filter: EventFilter
    /// Events up to this sequence were shown.
    public var after: UInt64
    /// Where to begin to read; nil for the first look.
    public var from: JournalPosition?
    /// The first look of somebody who was here before: it begins behind `after`, not now.
    public var isResumed = false
    /// The most events that are shown, the newest.
    public var limit = 1
    public init(filter: EventFilter, after: UInt64) {
        self.filter = filter
        self.after = after
    }
}

/// Where a look at what came last ended.
public struct TailMark: Sendable {
    public var position: JournalPosition
    public var sequence: UInt64
    /// Events that fit and were not shown, and those that were not looked at.
    public var skipped: UInt64
    public init(position: JournalPosition, sequence: UInt64, skipped: UInt64) {
        self.position = position
        self.sequence = sequence
        self.skipped = skipped
    }
}

/// Models of the catalogue, and prices of one's own.
public struct ModelsQuery: Sendable {
    public var prices: PriceTexts
    public var search: [UInt8]?
    public var provider: [UInt8]?
    public var limit = Limits.queryDefaultLimit
    public var offset = 0
    /// The instant whose rates are meant.
    public var at: Timestamp
    public init(prices: PriceTexts, at: Timestamp) {
        self.prices = prices
        self.at = at
    }
}

/// What decides the price of one model; empty texts for what is not said.
public struct ModelQuery: Sendable {
    public var prices: PriceTexts
    public var model: [UInt8]
    public var provider: [UInt8] = []
    public var feature: [UInt8] = []
    public init(prices: PriceTexts, model: [UInt8]) {
        self.prices = prices
        self.model = model
    }
}

/// Models whose events have no cost.
public struct UnpricedQuery: Sendable {
    public var prices: PriceTexts
    public var from: Timestamp?
    public var to: Timestamp?
    public init(prices: PriceTexts) { self.prices = prices }
}

public enum Query: Sendable {
    case margins(MarginsQuery)
    /// Newest first; `cursor` as an earlier reply gave it.
    case events(EventFilter, limit: Int, cursor: [UInt8]?)
    /// One event; `position` when the dedup index knows it, else the journal is searched for `key`.
    case event(key: [UInt8], position: JournalPosition?)
    case customers(search: [UInt8]?, limit: Int, offset: Int)
    case customer(reference: [UInt8])
    /// What pricing again would change, by customer and model: the JSON of `data`. Long: worked off in steps.
    case repricePreview(RepriceQuery)
    /// The next corrections that pricing again makes, at most `Limits.correctionBlock`: a `CorrectionBlock` without run and
    /// time. `from` is 0 at first, then `next` of the block before.
    case repriceBlock(RepriceQuery, from: UInt64)
    /// The next corrections that take a run back: of the corrections between these places, those that are still the last of
    /// their event. `from` is 0 at first, then `next` of the block before.
    case reverseBlock(run: UInt32, begin: JournalPosition, end: JournalPosition, from: UInt64)
    /// The correction that voids an event, or a refusal of status 404 or 409.
    case void(key: [UInt8], position: JournalPosition?, reason: [UInt8])
    /// Side by side: the JSON of `data`. Long: worked off in steps.
    case simulation(SimulationQuery)
    /// Whether a catalogue may follow the one in force (a bundle; nil for the built-in one): the JSON members of `data` that
    /// say what is different, or a refusal of status 400 or, unless `force`, 409.
    case catalogueCheck(current: [UInt8]?, bundle: [UInt8], force: Bool)
    /// A page of text, and `next` when there are more.
    case export(ExportQuery)
    /// Nobody reads an export any more.
    case endExport(UInt64)
    /// Server-sent events, and `tail`.
    case tail(TailQuery)
    case models(ModelsQuery)
    case model(ModelQuery)
    case unpriced(UnpricedQuery)
    /// Rates that the sources of the catalogue do not agree on.
    case disagreements(ModelsQuery)
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
    /// For queries that ask for corrections, with status 200.
    public var corrections: CorrectionBlock?
    /// For an export with more pages: where the next one begins.
    public var next: UInt64?
    /// For a look at what came last.
    public var tail: TailMark?

    public init(data: [UInt8]) {
        status = 200
        self.data = data
        code = ""
        message = ""
    }

    public init(corrections: CorrectionBlock) {
        self.init(data: [])
        self.corrections = corrections
    }

    public init(status: UInt16, code: String, message: String) {
        self.status = status
        data = []
        self.code = code
        self.message = message
    }
}
