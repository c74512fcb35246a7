// Overlay: the rows of one price list laid over a catalogue.
//
// A row belongs to its source. The list replaces its own rows and takes away those it no longer has; rows of other sources
// stay as they are, with their names, and where the list has a row of that name too it is the list's that gives way.

internal import Pricing

struct Overlay {
    /// The list's name.
    let source: String
    private(set) var document: CatalogueDocument
    private(set) var kept: [CatalogueDiff.Kept] = []
    /// What the list says and the catalogue has no word for.
    private(set) var leftOut: Set<String> = []
    private var listed: Set<String> = []

    init(source: String, base: CatalogueDocument) {
        self.source = source
        document = base
    }

    func provider(_ id: String) -> CatalogueProvider? { document.providers.first { $0.id == id } }

    mutating func leave(_ what: String) { leftOut.insert(what) }

    mutating func keep(_ what: String, of row: CatalogueDiff.Row) { kept.append(CatalogueDiff.Kept(row: row, what: what)) }

    /// Lays the rows of one provider, in the list's order, over those of the catalogue. `fresh` is what the provider is like
    /// when the catalogue does not have it.
    mutating func lay(_ models: [CatalogueModel], of fresh: CatalogueProvider) {
        listed.insert(fresh.id)
        let index = document.providers.firstIndex { $0.id == fresh.id }
        let base = index.map { document.providers[$0] }
        var provider = base ?? fresh
        let others = provider.models.filter { $0.source != source }
        var claimed = Set(others.flatMap { $0.names.map { $0.lowercased() } })
        var rows: [CatalogueModel] = []
        for var model in models {
            if others.contains(where: { $0.id == model.id }) {
                keep("row of another source", of: CatalogueDiff.Row(provider: provider.id, model: model.id))
                continue
            }
            // The first row that has a name is the one it finds; one row may have it in several cases.
            model.names = model.names.filter { !claimed.contains($0.lowercased()) }
            claimed.formUnion(model.names.map { $0.lowercased() })
            rows.append(model)
        }
        provider.models = Overlay.interleave(rows, others, as: base?.models ?? [])
        if let index {
            // The version that its source's text names is not the one that these rows are of.
            if provider.sourceName == source, provider.models != base?.models { provider.source = source }
            document.providers[index] = provider
        } else if !rows.isEmpty {
            let at = document.providers.firstIndex { $0.id > provider.id } ?? document.providers.endIndex
            document.providers.insert(provider, at: at)
        }
    }

    /// Sets the multipliers of a row of another source, which has none of its own.
    mutating func setRegions(_ regions: [String], provider id: String, _ model: String) {
        guard let index = document.providers.firstIndex(where: { $0.id == id }),
            let row = document.providers[index].models.firstIndex(where: { $0.id == model && $0.source != source })
        else { return }
        document.providers[index].models[row].regions = regions
    }

    /// Sets the rates of calls that rows of other sources have from this list: `calls` gives them by kind for a provider's row.
    mutating func setCalls(_ calls: (String, String) -> [String: Int64]) {
        for index in document.providers.indices {
            let id = document.providers[index].id
            for row in document.providers[index].models.indices {
                let model = document.providers[index].models[row]
                if model.source == source { continue }
                let rates = LiteLLMOffer.written(calls(id, model.id))
                if rates.isEmpty, model.also.first != source { continue }
                var fresh = model.without(ratesOf: source)
                if !rates.isEmpty { fresh.also = [source] + rates.map(\.kind).sorted() }
                for card in fresh.cards.indices { fresh.cards[card].add(rates) }
                if fresh != model { document.providers[index].models[row] = fresh }
            }
        }
    }

    /// The rows of others behind the ones they stood behind.
    private static func interleave(_ rows: [CatalogueModel], _ others: [CatalogueModel], as base: [CatalogueModel]) -> [CatalogueModel] {
        guard !others.isEmpty else { return rows }
        var followers: [String: [CatalogueModel]] = [:]
        let present = Set(rows.map(\.id))
        let foreign = Set(others.map(\.id))
        var leader = ""
        for model in base {
            if foreign.contains(model.id) {
                followers[leader, default: []].append(model)
            } else if present.contains(model.id) {
                leader = model.id
            }
        }
        return (followers[""] ?? []) + rows.flatMap { [$0] + (followers[$0.id] ?? []) }
    }

    /// Takes away the list's rows at providers that it no longer has, and providers that have no rows by that.
    mutating func dropWhatIsGone() {
        for index in document.providers.indices.reversed() where !listed.contains(document.providers[index].id) {
            let before = document.providers[index].models.count
            document.providers[index].models.removeAll { $0.source == source }
            if before > 0, document.providers[index].models.isEmpty { document.providers.remove(at: index) }
        }
    }

    /// Fallbacks to providers that are not there lead nowhere.
    mutating func dropLooseFallbacks() {
        let known = Set(document.providers.map(\.id))
        for index in document.providers.indices {
            let id = document.providers[index].id
            for name in document.providers[index].fallbacks where !known.contains(name) { leave("\(id): falls back to \(name)") }
            document.providers[index].fallbacks.removeAll { !known.contains($0) }
        }
    }

    func result(_ format: UpstreamFormat) -> LaidCatalogue {
        LaidCatalogue(format: format, document: document, kept: kept, leftOut: leftOut.sorted())
    }
}

extension CatalogueModel {
    /// The row without the rates that it has from another list.
    func without(ratesOf list: String) -> CatalogueModel {
        guard also.first == list else { return self }
        var model = self
        for card in model.cards.indices { model.cards[card].rates.removeAll { also.dropFirst().contains($0.kind) } }
        model.also = []
        return model
    }
}

extension CatalogueCard {
    /// Adds rates, each in its place, where the card has none of the kind.
    mutating func add(_ more: [CatalogueRate]) {
        for rate in more where !rates.contains(where: { $0.kind == rate.kind }) {
            let order = CatalogueRate.order(of: rate.kind) ?? 0
            let at = rates.firstIndex { CatalogueRate.order(of: $0.kind) ?? 0 > order } ?? rates.endIndex
            rates.insert(rate, at: at)
        }
    }
}
