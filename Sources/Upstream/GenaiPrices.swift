// GenaiPrices: the providers and models of genai-prices' price list as rows of the catalogue.
//
// Its format: an array of providers, each with `models`; a model has an `id`, a rule of names (`match`), `prices` (one set,
// or several with a start date or a time of day), and `price_variants` for tiers. What a set of prices says is in
// GenaiPrices+Rates.

internal import Pricing
internal import Wire

struct GenaiPrices {
    static let source = "genai-prices"

    /// Providers whose rows have their identifier for a name even where their own rules do not fit it.
    private static let identifiersAreNames: Set<String> = ["fireworks"]

    var overlay: Overlay

    static func lay(_ providers: JSONValue, over base: CatalogueDocument) throws(UpstreamError) -> LaidCatalogue {
        guard providers.kind == .array else { throw UpstreamError(place: "", message: "not a list of providers") }
        var list = GenaiPrices(overlay: Overlay(source: source, base: base))
        var seen: Set<String> = []
        for value in providers.elements {
            let id = try list.lay(value, number: seen.count + 1)
            guard seen.insert(id).inserted else { throw UpstreamError(place: id, message: "the provider is given twice") }
        }
        guard !seen.isEmpty else { throw UpstreamError(place: "", message: "a list without providers") }
        list.overlay.dropWhatIsGone()
        list.overlay.dropLooseFallbacks()
        return list.overlay.result(.genaiPrices)
    }

    /// Lays one provider; the result is its identifier.
    private mutating func lay(_ value: JSONValue, number: Int) throws(UpstreamError) -> String {
        let id = try GenaiPrices.identifier(value, at: "provider \(number)")
        guard let models = value["models"], models.kind == .array else { throw UpstreamError(place: id, message: "no list of models") }
        let base = overlay.provider(id)
        var rows: [CatalogueModel] = []
        var seen: Set<String> = []
        for model in models.elements {
            let name = try GenaiPrices.identifier(model, at: "\(id), model \(seen.count + 1)")
            guard seen.insert(name).inserted else { throw UpstreamError(place: "\(id)/\(name)", message: "the model is given twice") }
            let old = base?.models.first { $0.id == name && $0.source == GenaiPrices.source }
            if let row = try row(model, provider: id, name: name, base: old) { rows.append(row) }
        }
        GenaiPrices.nameAfterIdentifiers(&rows, always: GenaiPrices.identifiersAreNames.contains(id))
        overlay.lay(rows, of: try GenaiPrices.provider(value, id: id))
        return id
    }

    /// A word without what the catalogue's lines or a derivation use as a sign.
    private static func identifier(_ value: JSONValue, at place: String) throws(UpstreamError) -> String {
        guard value.kind == .object, let id = value["id"]?.string else { throw UpstreamError(place: place, message: "no id") }
        guard CatalogueWord.isIdentifier(id) else { throw UpstreamError(place: place, message: "an id that is no word") }
        return id
    }

    /// What a provider is like that the catalogue does not have yet. What it makes, and its other names, are not in the list.
    private static func provider(_ value: JSONValue, id: String) throws(UpstreamError) -> CatalogueProvider {
        let title = (value["name"]?.string ?? id).split { $0.isWhitespace || $0.unicodeScalars.contains { $0.value < 0x20 } }
        var provider = CatalogueProvider(id: id, title: title.isEmpty ? id : title.joined(separator: " "), source: source)
        if let rule = value["provider_match"], !rule.isNull {
            let words = try MatchRule.words(rule, at: "\(id) provider_match")
            provider.aliases = words.filter { !$0.contains("*") && !$0.contains("#") && $0 != id }
            provider.aliasPatterns = words.filter { $0.contains("*") || $0.contains("#") }
        }
        let fallbacks = value["fallback_model_providers"].map { Array($0.elements) } ?? []
        for fallback in fallbacks {
            guard let name = fallback.string, CatalogueWord.isIdentifier(name) else {
                throw UpstreamError(place: "\(id) fallback_model_providers", message: "not a provider")
            }
            provider.fallbacks.append(name)
        }
        return provider
    }

    /// An identifier is a name of its row, unless the rules give it to another one, or to none.
    private static func nameAfterIdentifiers(_ rows: inout [CatalogueModel], always: Bool) {
        let finder = RowFinder(rows)
        for index in rows.indices {
            let id = rows[index].id
            let found = finder.find(id)
            guard found == index || found == nil && always else { continue }
            rows[index].names.removeAll { $0 == id }
            rows[index].names.insert(id, at: 0)
        }
        for index in rows.indices {
            var seen: Set<String> = []
            rows[index].names.removeAll { !seen.insert($0).inserted }
        }
    }

    // A row

    /// The row of a model. What it cannot say is taken from `base`; nil when there is none and it cannot be said.
    private mutating func row(_ value: JSONValue, provider: String, name: String, base: CatalogueModel?) throws(UpstreamError)
        -> CatalogueModel?
    {
        let place = "\(provider)/\(name)"
        let id = CatalogueDiff.Row(provider: provider, model: name)
        guard let match = value["match"] else { throw UpstreamError(place: place, message: "no match") }
        let matched = try MatchRule.read(match, at: "\(place) match")
        let priced = try cards(of: value, place: place, base: base)
        var row = CatalogueModel(id: name, source: GenaiPrices.source)
        row.names = matched.names
        row.likes = matched.likes
        if !matched.unsaid.isEmpty {
            if let base {
                row.names = base.names
                row.likes = base.likes
                overlay.keep("names", of: id)
            } else {
                for rule in matched.unsaid { overlay.leave("\(place): \(rule)") }
            }
        }
        guard let cards = priced.cards else {
            overlay.leave("\(place): \(priced.reason)")
            guard let base else { return nil }
            overlay.keep("row", of: id)
            return base
        }
        row.cards = cards
        if priced.keepsHours { overlay.keep("hours", of: id) }
        if let base {
            // Neither is in the list's format.
            row.minimum = base.minimum
            row.regions = base.regions
            if !base.minimum.isEmpty { overlay.keep("minimum", of: id) }
            if !base.regions.isEmpty { overlay.keep("region", of: id) }
            if GenaiPrices.keepCalls(of: base, in: &row) { overlay.keep("calls", of: id) }
        }
        return row
    }

    /// Adds the rates that the row of the catalogue has from another list and that this list does not have.
    private static func keepCalls(of base: CatalogueModel, in row: inout CatalogueModel) -> Bool {
        guard let from = base.also.first else { return false }
        var kept: [String] = []
        for kind in base.also.dropFirst() {
            guard !row.cards.contains(where: { $0.rates.contains { $0.kind == kind } }),
                let rate = base.cards.lazy.flatMap(\.rates).first(where: { $0.kind == kind })
            else { continue }
            kept.append(kind)
            for index in row.cards.indices {
                let order = CatalogueRate.order(of: kind) ?? 0
                let at = row.cards[index].rates.firstIndex { CatalogueRate.order(of: $0.kind) ?? 0 > order }
                row.cards[index].rates.insert(rate, at: at ?? row.cards[index].rates.endIndex)
            }
        }
        if !kept.isEmpty { row.also = [from] + kept }
        return !kept.isEmpty
    }
}
