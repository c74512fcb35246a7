// UsageNormaliser: a provider's own usage object, brought to inclusive totals with parts.
//
// The caller walks the object and hands over every number and text with its path; only the answer's lines are allocated.
// Providers disagree on what their totals hold:
//
//     cached inside input?      OpenAI, Gemini, xAI, DeepSeek, OpenTelemetry: yes. Anthropic, Converse: no.
//     reasoning inside output?  all but Gemini and xAI chat (where `total_tokens`, if given, decides).
//
// A part larger than its total is refused, never clamped. Unknown keys are counted, not refused. An explicit 0 is a count.

public import Core

/// What a usage object says.
public struct NormalisedUsage: Sendable {
    public enum Refusal: Equatable, Sendable {
        /// No key of it is known, or none of those the named format needs.
        case unrecognised
        /// The format is not one that is known.
        case unknownFormat
        /// A count is negative, or a sum beyond Int64.
        case outOfRange
        /// A part is larger than the total it is inside.
        case inconsistent(part: UsageKind, total: UsageKind)
    }

    /// Nil when `lines` hold.
    public internal(set) var refusal: Refusal?
    public internal(set) var format: UsageFormat
    /// At most `Limits.usageLines`; each kind once; totals also when they are 0, parts only when they are not.
    public internal(set) var lines: [UsageLine]
    /// As served, where the object says it.
    public internal(set) var tier: ServiceTier?
    /// Cache writes came without their lifetime and count as five-minute ones.
    public internal(set) var lifetimeAssumed: Bool
    /// Keys with numbers that mean nothing here.
    public internal(set) var unknownKeys: Int
}

/// Collects the fields of one usage object. Reuse it: `reset` keeps nothing but memory.
public struct UsageNormaliser {
    var values = InlineArray<64, Int64>(repeating: -1)
    var lists = UsageLists()
    private var unknownKeys = 0
    private var negative = false
    private var tier: ServiceTier?

    public init() {}

    public mutating func reset() { self = UsageNormaliser() }

    /// A number, under its path: keys joined with dots, elements of arrays by their index.
    public mutating func add(path: UnsafeRawBufferPointer, quantity: Quantity) {
        let path = UsageNormaliser.unwrapped(path)
        if quantity.millionths < 0 { negative = true }
        if lists.add(path: path, quantity: quantity.millionths) { return }
        guard let field = UsageField.named(path) else {
            unknownKeys += 1
            return
        }
        if field != .ignored { values[Int(field.rawValue)] = quantity.millionths }
    }

    /// A text, under its path: service tiers and what the elements of lists count.
    public mutating func add(path: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer) {
        let path = UsageNormaliser.unwrapped(path)
        if lists.add(path: path, text: text) { return }
        if path.equals("speed") {
            // Anthropic's fast mode; every other speed says nothing about the tier.
            if ServiceTier(name: text) == .fast { tier = .fast }
        } else if path.equals("service_tier") || path.equals("serviceTier") || path.equals("trafficType") || path.equals("traffic_type")
            || path.equals("gen_ai.openai.response.service_tier") || path.equals("openai.response.service_tier")
        {
            if let named = ServiceTier(name: text), tier == nil { tier = named }
        }
    }

    /// The usage. `format` as `costInput.usageFormat` gives it, `provider` as `costInput.modelProvider` does; both may be empty.
    public func normalise(format: UnsafeRawBufferPointer, provider: UnsafeRawBufferPointer) -> NormalisedUsage {
        var result = NormalisedUsage(
            refusal: .unrecognised, format: .units, lines: [], tier: tier, lifetimeAssumed: false, unknownKeys: unknownKeys)
        guard !negative, lists.isSound else {
            result.refusal = .outOfRange
            return result
        }
        if format.count > 0 {
            guard let named = UsageFormat(name: format) else {
                result.refusal = .unknownFormat
                return result
            }
            result.format = named
            guard follows(named) else { return result }
        } else {
            guard let found = recognised(provider) else { return result }
            result.format = found
        }
        var totals = UsageSum()
        switch result.format {
        case .openAIChat, .mistral: chat(&totals, reasoningInside: true)
        case .xAIChat: chat(&totals, reasoningInside: false)
        case .deepSeek: chat(&totals, reasoningInside: true)
        case .openAIResponses: responses(&totals)
        case .anthropic: result.lifetimeAssumed = anthropic(&totals)
        case .bedrockConverse: converse(&totals)
        case .gemini: gemini(&totals)
        case .cohere: cohere(&totals)
        case .openTelemetry: openTelemetry(&totals)
        case .units: break
        }
        units(&totals)
        result.refusal = totals.failed ? .outOfRange : nil
        if totals.inconsistent >= 0 {
            let part = totals.inconsistent
            result.refusal = .inconsistent(part: Tags.kinds[part], total: Tags.kinds[max(0, CardStore.total(of: part))])
        }
        guard result.refusal == nil else { return result }
        result.lines = totals.lines
        if let part = result.lines.withUnsafeBufferPointer({ UsageRules.inconsistent($0) }) {
            result.refusal = .inconsistent(part: part, total: Tags.kinds[CardStore.total(of: part.tag)])
            result.lines = []
        }
        return result
    }

    // Which format

    func has(_ field: UsageField) -> Bool { values[Int(field.rawValue)] >= 0 }
    /// 0 when it is absent.
    func value(_ field: UsageField) -> Int64 { max(0, values[Int(field.rawValue)]) }

    private func any(_ fields: UsageField...) -> Bool { fields.contains { has($0) } }

    /// Whether the object has what a format cannot do without.
    private func follows(_ format: UsageFormat) -> Bool {
        switch format {
        case .openAIChat, .xAIChat, .mistral: any(.promptTokens, .completionTokens, .totalTokens) || hasUnits
        case .deepSeek: any(.promptTokens, .completionTokens, .cacheHit)
        case .openAIResponses: any(.inputTokens, .outputTokens) || hasUnits
        case .anthropic: any(.inputTokens, .outputTokens)
        case .bedrockConverse: any(.converseInput, .converseOutput)
        case .gemini: any(.geminiPrompt, .geminiCandidates)
        case .cohere: any(.billedInput, .billedOutput, .billedSearch, .cohereInput, .cohereOutput)
        case .openTelemetry: any(.otelInput, .otelOutput)
        case .units: hasUnits
        }
    }

    private var hasUnits: Bool { any(.seconds, .characters, .images, .pages, .webSearches) }

    private func recognised(_ provider: Text) -> UsageFormat? {
        if any(.otelInput, .otelOutput) { return .openTelemetry }
        if any(.geminiPrompt, .geminiCandidates) { return .gemini }
        if any(.converseInput, .converseOutput) { return .bedrockConverse }
        if any(.billedInput, .billedOutput, .billedSearch, .cohereInput, .cohereOutput) { return .cohere }
        if any(.cacheHit, .cacheMiss) { return .deepSeek }
        if any(.promptTokens, .completionTokens) {
            if UsageNormaliser.isXAI(provider) { return .xAIChat }
            // Whoever adds reasoning to the total besides prompt and completion counts it outside, whatever its name.
            let shown = value(.promptTokens).addingReportingOverflow(value(.completionTokens))
            let total = value(.totalTokens)
            let apart = value(.completionReasoning)
            if !shown.overflow, apart > 0, total > shown.partialValue, total - shown.partialValue == apart { return .xAIChat }
            return .openAIChat
        }
        if any(.inputTokens, .outputTokens) {
            let detailed = any(.inputCached, .inputAudio, .inputImage, .inputCacheWrite, .outputAudio, .outputImage)
            return !detailed && any(.cacheCreation, .cacheRead, .ephemeral5m, .ephemeral1h) ? .anthropic : .openAIResponses
        }
        if has(.totalTokens) { return .openAIChat }
        return hasUnits ? .units : nil
    }

    private static func isXAI(_ provider: Text) -> Bool {
        let plain = provider.filter { $0 != 0x2D && $0 != 0x5F && $0 != 0x2E }.map { NameIndex.fold($0) }
        return plain.elementsEqual("xai".utf8) || plain.elementsEqual("xaichat".utf8) || plain.elementsEqual("grok".utf8)
    }

    /// Without the wrappers around the whole object.
    private static func unwrapped(_ path: Text) -> Text {
        var rest = path
        var again = true
        while again {
            again = false
            for wrapper in UsageField.wrappers where rest.count > wrapper.utf8CodeUnitCount {
                if Text(rebasing: rest[..<wrapper.utf8CodeUnitCount]).equals(wrapper) {
                    rest = Text(rebasing: rest[wrapper.utf8CodeUnitCount...])
                    again = true
                }
            }
        }
        return rest
    }
}
