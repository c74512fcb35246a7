// LiteLLM: litellm's price file as rows of the catalogue.
//
// Its format: an object of models, each with its provider and flat fields. It comes second: an entry becomes a row only where
// no other source has a row for its name, under its short name, or under litellm's own key where another entry of other
// rates has that. Rows of other sources have from litellm their multipliers by region, and the rates of calls that they lack.

internal import Core
internal import Pricing
internal import Wire

struct LiteLLM {
    static let source = "litellm"

    /// litellm's provider names and the catalogue's. What is not here is a provider of its own, of the same name. The order
    /// decides which of two entries with one name has it.
    private static let providers: [(name: String, provider: String)] = [
        ("anthropic", "anthropic"),
        ("openai", "openai"), ("text-completion-openai", "openai"), ("chatgpt", "openai"),
        ("azure", "azure"), ("azure_text", "azure"), ("azure_ai", "azure"),
        ("bedrock_converse", "aws"), ("bedrock", "aws"), ("bedrock_mantle", "aws"), ("amazon_nova", "aws"), ("sagemaker", "aws"),
        ("gemini", "google"), ("vertex_ai", "google"), ("vertex_ai-language-models", "google"), ("vertex_ai-text-models", "google"),
        ("vertex_ai-embedding-models", "google"), ("vertex_ai-video-models", "google"), ("vertex_ai-anthropic_models", "google"),
        ("vertex_ai-mistral_models", "google"), ("vertex_ai-llama_models", "google"), ("vertex_ai-ai21_models", "google"),
        ("vertex_ai-deepseek_models", "google"), ("vertex_ai-qwen_models", "google"), ("vertex_ai-zai_models", "google"),
        ("vertex_ai-openai_models", "google"), ("vertex_ai-minimax_models", "google"), ("vertex_ai-moonshot_models", "google"),
        ("xai", "x-ai"),
        ("mistral", "mistral"), ("codestral", "mistral"), ("text-completion-codestral", "mistral"),
        ("cohere", "cohere"), ("cohere_chat", "cohere"),
        ("together_ai", "together"),
        ("fireworks_ai", "fireworks"), ("fireworks_ai-embedding-models", "fireworks"),
        ("moonshot", "moonshotai"), ("voyage", "voyageai"), ("bigmodel", "zhipuai"), ("github_copilot", "github-copilot"),
        ("meta", "meta"), ("meta_llama", "meta"),
        ("dashscope", "dashscope"), ("qwen_ai_platform", "dashscope"), ("qwencloud", "dashscope"),
        ("inception", "inception"), ("text-completion-inception", "inception"),
    ]

    /// What stands before the name in litellm's key, beside the provider's own name.
    private static let prefixes: [String: [String]] = [
        "azure": ["azure_ai/", "azure/"], "google": ["vertex_ai/", "gemini/"], "aws": ["bedrock/", "amazon-nova/", "sagemaker/"],
        "mistral": ["text-completion-codestral/", "codestral/"], "dashscope": ["qwen_ai_platform/", "qwencloud/"],
        "inception": ["text-completion-inception/"],
    ]

    private static let notModels: Set<String> = ["sample_spec", "fallback_generalizations"]

    private var overlay: Overlay
    private let day: Int64

    /// `day` is when the rates count that decide whether two rows say the same.
    static func lay(_ root: JSONValue, over base: CatalogueDocument, day: Int64) throws(UpstreamError) -> LaidCatalogue {
        guard root.kind == .object else { throw UpstreamError(place: "", message: "not an object of models") }
        var list = LiteLLM(overlay: Overlay(source: source, base: base), day: day)
        let offers = try list.offers(root)
        guard !offers.isEmpty else { throw UpstreamError(place: "", message: "an object without a model of litellm's") }
        list.lay(offers)
        list.overlay.dropWhatIsGone()
        list.overlay.dropLooseFallbacks()
        return list.overlay.result(.litellm)
    }

    /// Every entry that says something, in the order of litellm's providers, then of the keys.
    private mutating func offers(_ root: JSONValue) throws(UpstreamError) -> [LiteLLMOffer] {
        var entries: [String: LiteLLMRow] = [:]
        for member in root.members where !LiteLLM.notModels.contains(member.key) {
            // Of an entry that stands there twice the last one holds, as everybody else reads it.
            entries[member.key] = LiteLLMRow(key: member.key, member.value)
        }
        var ranks: [String: (order: Int, provider: String)] = [:]
        for (order, entry) in LiteLLM.providers.enumerated() { ranks[entry.name] = (order, entry.provider) }
        let sorted = entries.values.sorted { a, b in
            let (x, y) = (ranks[a.litellmProvider]?.order ?? 99, ranks[b.litellmProvider]?.order ?? 99)
            return x != y ? x < y : a.key.utf8.lexicographicallyPrecedes(b.key.utf8)
        }
        var offers: [LiteLLMOffer] = []
        for row in sorted {
            let provider = ranks[row.litellmProvider]?.provider ?? row.litellmProvider
            var reader = LiteLLMReader(row, provider: provider, name: LiteLLM.name(row, provider))
            try reader.read()
            for reason in reader.reasons { overlay.leave("\(row.key): \(reason)") }
            if !reader.offer.cards.isEmpty {
                offers.append(reader.offer)
            } else if reader.reasons.isEmpty {
                overlay.leave("\(row.key): \(row.costs().any ? "no rate of a kind that is metered" : "no rates")")
            }
        }
        return offers
    }

    /// litellm's key without the name of the provider in front, and without what Fireworks puts before every model.
    private static func name(_ row: LiteLLMRow, _ provider: String) -> String {
        var name = Substring(row.key)
        let prefix = ([row.litellmProvider + "/"] + (prefixes[provider] ?? [])).first { row.key.hasPrefix($0) && row.key.count > $0.count }
        if let prefix { name = name.dropFirst(prefix.count) }
        if name.hasPrefix(fireworks) { name = name.dropFirst(fireworks.count) }
        return String(name)
    }

    private static let fireworks = "accounts/fireworks/models/"

    // Rows

    /// Calls beside tokens, which a row of another source gets from litellm where it has none.
    private static let calls: Set<String> = ["webSearches", "toolCalls"]

    /// The rows of other sources, by provider, without what they have from litellm.
    private struct Others {
        var finders: [String: (rows: [CatalogueModel], finder: RowFinder)] = [:]
        var fallbacks: [String: [String]] = [:]
        /// Provider and folded name.
        var names: [String: Set<String>] = [:]

        init(_ document: CatalogueDocument) {
            for provider in document.providers {
                let rows = provider.models.filter { $0.source != LiteLLM.source }.map { $0.without(ratesOf: LiteLLM.source) }
                guard !rows.isEmpty else { continue }
                finders[provider.id] = (rows, RowFinder(rows))
                fallbacks[provider.id] = provider.fallbacks
                names[provider.id] = Set(rows.flatMap { $0.names.map { $0.lowercased() } })
            }
        }

        func find(_ provider: String, _ name: String) -> CatalogueModel? {
            guard let entry = finders[provider] else { return nil }
            return entry.finder.find(name).map { entry.rows[$0] }
        }

        /// The row of a provider or of one it falls back to, and whose it is.
        func known(_ provider: String, _ name: String) -> (owner: String, model: CatalogueModel)? {
            guard finders[provider] != nil else { return nil }
            for other in [provider] + (fallbacks[provider] ?? []) { if let model = find(other, name) { return (other, model) } }
            return nil
        }
    }

    private mutating func lay(_ offers: [LiteLLMOffer]) {
        let others = Others(overlay.document)
        var rows: [String: [CatalogueModel]] = [:]
        var order: [String] = []
        var taken: [String: [String: LiteLLMOffer?]] = [:]
        /// By row: what litellm has for calls that the row does not price.
        var added: [CatalogueDiff.Row: [String: Set<Int64>]] = [:]
        for offer in offers {
            guard !isKnown(offer, others, &added) else { continue }
            let family = offer.row.litellmProvider.prefix { $0 != "-" }
            var isPlaced = false
            for name in [offer.name, offer.row.key, "\(family)/\(offer.name)"] where !isPlaced {
                let folded = name.lowercased()
                if others.names[offer.provider]?.contains(folded) == true { continue }
                if let holder = taken[offer.provider]?[folded] {
                    isPlaced = holder?.isSame(offer) ?? false
                    continue
                }
                let model = offer.model(name)
                if let trouble = model.unwritable {
                    overlay.leave("\(offer.row.key): \(trouble) cannot be written")
                    isPlaced = true
                    continue
                }
                if rows[offer.provider] == nil { order.append(offer.provider) }
                rows[offer.provider, default: []].append(model)
                taken[offer.provider, default: [:]][folded] = .some(offer)
                isPlaced = true
            }
            if !isPlaced { overlay.leave("\(offer.row.key): no name is left for it") }
        }
        for id in order {
            let fresh = CatalogueProvider(id: id, title: id, source: LiteLLM.source)
            var provider = fresh
            provider.isSecondary = true
            overlay.lay(rows[id] ?? [], of: provider)
        }
        addCalls(added)
        for offer in offers where !offer.regions.isEmpty && ["openai", "anthropic", "google"].contains(offer.provider) {
            if let model = others.find(offer.provider, offer.name) { overlay.setRegions(offer.regions, provider: offer.provider, model.id) }
        }
    }

    /// Whether another source has a row for this name, or the same rates for it without its date. `added` gets what litellm
    /// has for calls that such a row does not price.
    private mutating func isKnown(_ offer: LiteLLMOffer, _ others: Others, _ added: inout [CatalogueDiff.Row: [String: Set<Int64>]]) -> Bool
    {
        let theirs = offer.base
        let full = LiteLLM.fireworks + offer.name
        if let known = others.known(offer.provider, offer.name) ?? (offer.provider == "fireworks" ? others.known("fireworks", full) : nil) {
            let ours = rates(known.model)
            let names = known.model.names.map { $0.lowercased() }
            let isNamed = names.contains(offer.name.lowercased()) || names.contains(full.lowercased())
            if isNamed || !LiteLLM.isRegional(offer.name) || agree(ours, theirs) {
                for (kind, rate) in theirs where ours[kind] == nil {
                    if !LiteLLM.calls.contains(kind) {
                        guard !LiteLLM.shared.contains(kind) else { continue }
                        overlay.leave("\(offer.row.key): \(kind), for a row that another source has without it")
                    } else if known.owner == offer.provider {
                        let row = CatalogueDiff.Row(provider: known.owner, model: known.model.id)
                        added[row, default: [:]][kind, default: []].insert(rate)
                    }
                }
                return true
            }
        }
        return LiteLLM.shorter(offer.name).contains { name in
            others.find(offer.provider, name).map { agree(rates($0), theirs) } ?? false
        }
    }

    /// Kinds that every list has, and leaves out where they are not charged apart.
    private static let shared: Set<String> = ["input", "output", "cacheRead", "cacheWrite", "cacheWrite1h", "reasoning"]

    /// A region in front of a name, as litellm spells it: the patterns of others do not see it, and their rates are those of
    /// no region.
    static func isRegional(_ name: String) -> Bool {
        guard let slash = name.firstIndex(of: "/") else { return false }
        let region = name[..<slash]
        if ["us", "eu", "apac", "global", "global-standard"].contains(region) { return true }
        // `eu-west-1`, `us-gov-east-1`
        var parts = region.split(separator: "-", omittingEmptySubsequences: false)
        if parts.count == 4, parts[1] == "gov" { parts.remove(at: 1) }
        func isLetters(_ text: Substring) -> Bool { !text.isEmpty && text.utf8.allSatisfy { (0x61...0x7A).contains($0) } }
        return parts.count == 3 && parts[0].count == 2 && isLetters(parts[0]) && isLetters(parts[1]) && parts[2].count == 1
            && parts[2].utf8.allSatisfy { $0 &- 0x30 < 10 }
    }

    /// Gives rows of other sources the calls that litellm has one rate for.
    private mutating func addCalls(_ added: [CatalogueDiff.Row: [String: Set<Int64>]]) {
        for (row, calls) in added.sorted(by: { $0.key < $1.key }) {
            for (kind, rates) in calls where rates.count > 1 {
                overlay.leave("\(row.provider)/\(row.model): \(kind) at several rates, for a row that another source has without it")
            }
        }
        overlay.setCalls { provider, model in
            let calls = added[CatalogueDiff.Row(provider: provider, model: model)] ?? [:]
            return calls.compactMapValues { $0.count == 1 ? $0.first : nil }
        }
    }

    private func agree(_ ours: [String: Int64], _ theirs: [String: Int64]) -> Bool {
        let both = ["input", "output", "cacheRead", "cacheWrite"].filter { ours[$0] != nil && theirs[$0] != nil }
        return !both.isEmpty && both.allSatisfy { ours[$0] == theirs[$0] }
    }

    /// A row's standard rates of the day below every threshold, without its hours.
    private func rates(_ model: CatalogueModel) -> [String: Int64] {
        var found: CatalogueCard?
        for card in model.cards where card.tier.isEmpty && card.above < 0 && !card.isWindowed {
            let text = card.from.utf8.count == 10 ? card.from + "T00:00:00Z" : card.from
            let from = Timestamp(rfc3339: text)?.nanoseconds ?? Int64.min
            if found == nil || from <= day { found = card }
        }
        var rates: [String: Int64] = [:]
        for rate in found?.rates ?? [] { rates[rate.kind] = rate.value }
        return rates
    }

    /// The name without version, date or alias at its end: what the engine tries when it does not know the name.
    static func shorter(_ name: String) -> [String] {
        func ends(_ text: String, _ pattern: String) -> Bool {
            var copy = text
            return copy.withUTF8 { NamePattern.fits(any: ["*" + pattern], UnsafeRawBufferPointer($0)) }
        }
        var found: [String] = []
        var base = Substring(name)
        if let colon = base.lastIndex(of: ":") {
            let digits = base[base.index(after: colon)...]
            if !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }) {
                base = base[..<colon]
                if let dash = base.lastIndex(of: "-") {
                    let version = base[base.index(after: dash)...]
                    let number = version.dropFirst()
                    if version.first == "v", !number.isEmpty, number.utf8.allSatisfy({ $0 &- 0x30 < 10 }) { base = base[..<dash] }
                }
                found.append(String(base))
            }
        }
        for _ in 0..<2 {
            let text = String(base)
            // The longest that fits: a date with its year goes before a month and a day.
            let suffix = LiteLLM.suffixes.first { suffix in
                ends(text, suffix.pattern)
                    && suffix.bounds.allSatisfy { bound in
                        let bytes = Array(text.utf8)
                        return bytes[bytes.count - bound.fromEnd] <= bound.most
                    }
            }
            guard let suffix else { break }
            base = base.dropLast(suffix.pattern.count)
            found.append(String(base))
        }
        return found
    }

    /// Longest first. A digit so many places from the end is at most this one.
    private static let suffixes: [(pattern: String, bounds: [(fromEnd: Int, most: UInt8)])] = [
        ("-20##-##-##", [(5, 0x31), (2, 0x33)]),
        ("-20######", [(4, 0x31), (2, 0x33)]), ("@20######", [(4, 0x31), (2, 0x33)]),
        ("@default", []), ("-latest", []), ("@latest", []),
        ("-##-##", [(5, 0x31), (2, 0x33)]), ("-####", [(4, 0x34), (2, 0x33)]), ("-00#", []),
    ]
}
