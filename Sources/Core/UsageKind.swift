// UsageKind: what a provider meters. The code of a kind is part of the journal and of the binary protocol: codes are
// never reused and never renumbered.

/// One metered kind of usage. Token kinds marked "inside" are subsets of the total before them; the total includes them.
@frozen
public enum UsageKind: UInt8, CaseIterable, Sendable {
    /// All input tokens, cached, written, audio, image, video and tool tokens included.
    case inputTokens = 1
    /// All output tokens, reasoning, audio and image tokens included.
    case outputTokens = 2
    /// Inside input: read from a cache.
    case cacheReadTokens = 3
    /// Inside input: written to a cache that lives five minutes (or the provider's only lifetime). Without `cacheWrite1hTokens`.
    case cacheWriteTokens = 4
    /// Inside input: written to a cache that lives one hour. Not inside `cacheWriteTokens`.
    case cacheWrite1hTokens = 5
    /// Inside output.
    case reasoningTokens = 6
    /// Inside input.
    case inputAudioTokens = 7
    /// Inside input.
    case inputImageTokens = 8
    /// Inside input.
    case inputVideoTokens = 9
    /// Inside both `cacheReadTokens` and `inputAudioTokens`.
    case cacheReadAudioTokens = 10
    /// Inside input: the prompt of tools.
    case toolTokens = 11
    /// Inside output.
    case outputAudioTokens = 12
    /// Inside output.
    case outputImageTokens = 13
    /// Inside both `cacheReadTokens` and `inputImageTokens`.
    case cacheReadImageTokens = 14
    /// Inside both `cacheReadTokens` and `inputVideoTokens`.
    case cacheReadVideoTokens = 15
    /// Inside output.
    case outputVideoTokens = 16

    /// Seconds of audio or video taken in.
    case seconds = 24
    /// Seconds of audio or video made.
    case outputSeconds = 25
    /// Characters read.
    case characters = 26
    /// Images made.
    case images = 27
    /// Pages read.
    case pages = 28
    /// Web searches made by the provider's server.
    case webSearches = 29
    /// Requests.
    case requests = 30
    /// Other server-tool calls (file search, code execution, maps grounding).
    case toolCalls = 31
    /// Images taken in, where they are metered by the piece.
    case inputImages = 32
    /// Searches of a reranker or search model.
    case searchUnits = 33

    /// Highest code; tables indexed by kind have this many entries plus one.
    public static let maxCode = 33

    /// Whether a code is a kind: what `init(rawValue:)` finds out, for readers of many lines.
    @inlinable public static func isKnown(_ code: UInt8) -> Bool {
        // A bit for each of 1 to 16 and 24 to 33.
        let known: UInt64 = 0x0000_0003_FF01_FFFE
        return code < 64 && known >> UInt64(code) & 1 != 0
    }

    /// The name in JSON and in dumps.
    public var name: StaticString {
        switch self {
        case .inputTokens: "inputTokens"
        case .outputTokens: "outputTokens"
        case .cacheReadTokens: "cacheReadTokens"
        case .cacheWriteTokens: "cacheWriteTokens"
        case .cacheWrite1hTokens: "cacheWrite1hTokens"
        case .reasoningTokens: "reasoningTokens"
        case .inputAudioTokens: "inputAudioTokens"
        case .inputImageTokens: "inputImageTokens"
        case .inputVideoTokens: "inputVideoTokens"
        case .cacheReadAudioTokens: "cacheReadAudioTokens"
        case .toolTokens: "toolTokens"
        case .outputAudioTokens: "outputAudioTokens"
        case .outputImageTokens: "outputImageTokens"
        case .cacheReadImageTokens: "cacheReadImageTokens"
        case .cacheReadVideoTokens: "cacheReadVideoTokens"
        case .outputVideoTokens: "outputVideoTokens"
        case .seconds: "seconds"
        case .outputSeconds: "outputSeconds"
        case .characters: "characters"
        case .images: "images"
        case .pages: "pages"
        case .webSearches: "webSearches"
        case .requests: "requests"
        case .toolCalls: "toolCalls"
        case .inputImages: "inputImages"
        case .searchUnits: "searchUnits"
        }
    }
}

/// One metered count of an event.
@frozen
public struct UsageLine: Equatable, Sendable {
    public var kind: UsageKind
    public var quantity: Quantity

    @inlinable public init(kind: UsageKind, quantity: Quantity) {
        self.kind = kind
        self.quantity = quantity
    }
}

/// How the provider served the request, as served, not as asked. Part of the journal and the protocol.
@frozen
public enum ServiceTier: UInt8, CaseIterable, Sendable {
    case standard = 0
    case batch = 1
    case flex = 2
    case priority = 3
    case fast = 4

    public var name: StaticString {
        switch self {
        case .standard: "standard"
        case .batch: "batch"
        case .flex: "flex"
        case .priority: "priority"
        case .fast: "fast"
        }
    }
}

/// How a model name was matched to a price. Part of the journal.
@frozen
public enum MatchRule: UInt8, CaseIterable, Sendable {
    case none = 0
    case exact = 1
    case caseFolded = 2
    case prefixStripped = 3
    case dateSuffixStripped = 4
    case catalogueRule = 5

    public var name: StaticString {
        switch self {
        case .none: "none"
        case .exact: "exact"
        case .caseFolded: "case_folded"
        case .prefixStripped: "prefix_stripped"
        case .dateSuffixStripped: "date_suffix_stripped"
        case .catalogueRule: "catalogue_rule"
        }
    }
}

/// Why an event has no cost. Part of the journal.
@frozen
public enum UnpricedReason: UInt8, CaseIterable, Sendable {
    /// It has one.
    case none = 0
    /// No model was named.
    case noModel = 1
    /// The provider is known, the model is not among its rows.
    case unknownModel = 2
    /// The provider is not in the catalogue.
    case unknownProvider = 3
    /// Without a provider, several makers' rows match the name.
    case ambiguousModel = 4
    /// No usage was given.
    case noUsage = 5
    /// The row has no rate for a kind of usage that the event carries.
    case noRate = 6
    /// The computed cost is beyond `Money`.
    case outOfRange = 7

    public var name: StaticString {
        switch self {
        case .none: "none"
        case .noModel: "no_model"
        case .unknownModel: "unknown_model"
        case .unknownProvider: "unknown_provider"
        case .ambiguousModel: "ambiguous_model"
        case .noUsage: "no_usage"
        case .noRate: "no_rate"
        case .outOfRange: "out_of_range"
        }
    }
}
