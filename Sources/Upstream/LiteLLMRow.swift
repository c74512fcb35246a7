// LiteLLMRow: one entry of litellm's price file: its fields, with numbers as rates of 1e-15 USD a unit.

internal import Core
internal import Pricing
internal import Wire

struct LiteLLMRow {
    let key: String
    let litellmProvider: String
    let mode: String
    /// In the order of the file.
    let names: [String]
    private let fields: [String: JSONValue]

    /// nil for an entry that is not a model's.
    init?(key: String, _ value: JSONValue) {
        var names: [String] = []
        var fields: [String: JSONValue] = [:]
        for member in value.members {
            if fields.updateValue(member.value, forKey: member.key) == nil { names.append(member.key) }
        }
        guard value.kind == .object, let provider = fields["litellm_provider"]?.string, CatalogueWord.isIdentifier(provider) else {
            return nil
        }
        self.key = key
        self.names = names
        self.fields = fields
        litellmProvider = provider
        mode = fields["mode"]?.string ?? ""
    }

    subscript(_ name: String) -> JSONValue? {
        guard let value = fields[name], !value.isNull else { return nil }
        return value
    }

    func isNumber(_ name: String) -> Bool { fields[name]?.kind == .number }

    /// The rate of a field: without what is below 1e-15 USD a unit. nil for a field that is absent or no number.
    func rate(_ name: String) throws(UpstreamError) -> Int64? {
        guard let value = fields[name], value.kind == .number else { return nil }
        return try LiteLLMRow.rate(value, at: "\(key) \(name)")
    }

    /// The same, above 0.
    func price(_ name: String) throws(UpstreamError) -> Int64? {
        guard let rate = try rate(name), rate > 0 else { return nil }
        return rate
    }

    static func rate(_ value: JSONValue, at place: String) throws(UpstreamError) -> Int64 {
        let text = value.numberText ?? ""
        let shown = String(text.prefix(40))
        switch DecimalText.read(text, places: 15) {
        case .malformed: throw UpstreamError(place: place, message: "not a rate: \(shown)")
        case .outOfRange: throw UpstreamError(place: place, message: "a rate too large: \(shown)")
        case .value(let rate):
            guard rate >= 0 else { throw UpstreamError(place: place, message: "a negative rate: \(shown)") }
            guard rate <= CatalogueRate.largest else { throw UpstreamError(place: place, message: "a rate too large: \(shown)") }
            return rate
        }
    }

    /// Every number that is a cost, wherever it stands; whether it is 0.
    func costs() -> (any: Bool, allZero: Bool) {
        var numbers = names.compactMap { name in name.contains("cost") ? fields[name] : nil }.filter { $0.kind == .number }
        if let searches = self["search_context_cost_per_query"], searches.kind == .object {
            numbers += searches.members.map(\.value).filter { $0.kind == .number }
        }
        let zero = numbers.allSatisfy {
            $0.numberText?.utf8.prefix { $0 | 0x20 != 0x65 }.allSatisfy { !(0x31...0x39).contains($0) } == true
        }
        return (!numbers.isEmpty, zero)
    }
}

/// What litellm says about one model, in the kinds of usage there are here.
struct LiteLLMOffer {
    struct Card: Equatable {
        /// Empty for standard.
        var tier: String
        /// Input tokens above which it counts; nil for any.
        var above: Int64?
        /// By kind, in 1e-15 USD a unit.
        var rates: [String: Int64]
    }

    /// Rates in place of the standard ones at some hours.
    struct Window: Equatable {
        var hours: String
        var days: String
        /// Hours ahead of UTC.
        var zone: Int
        var rates: [String: Int64]
    }

    var row: LiteLLMRow
    /// The catalogue's provider.
    var provider: String
    var name: String
    var cards: [Card] = []
    var windows: [Window] = []
    var regions: [String] = []

    /// The standard rates below every threshold.
    var base: [String: Int64] { cards.first { $0.tier.isEmpty && $0.above == nil }?.rates ?? [:] }

    func isSame(_ other: LiteLLMOffer) -> Bool { cards == other.cards && windows == other.windows && regions == other.regions }

    /// The row of the catalogue under this name.
    func model(_ name: String) -> CatalogueModel {
        var model = CatalogueModel(id: name, source: LiteLLM.source)
        model.names = [name]
        // A fine-tuned model has the owner's part behind its name.
        if name.hasPrefix("ft:") { model.likes = [["\(name):*"]] }
        model.regions = regions
        for window in windows {
            var card = CatalogueCard()
            card.days = window.days
            card.hours = window.hours
            card.zone = window.zone == 0 ? "" : "+\(window.zone < 10 ? "0" : "")\(window.zone):00"
            card.rates = LiteLLMOffer.written(window.rates)
            model.cards.append(card)
        }
        for offered in cards {
            var card = CatalogueCard()
            card.tier = offered.tier
            // For one provider the threshold itself counts as above it.
            card.above = offered.above.map { $0 * 1_000_000 - (provider == "x-ai" ? 1 : 0) } ?? -1
            card.rates = LiteLLMOffer.written(offered.rates)
            model.cards.append(card)
        }
        return model
    }

    private static let thousands: Set<String> = ["pages", "webSearches", "toolCalls", "searchUnits"]
    private static let ones: Set<String> = ["seconds", "outputSeconds", "images", "inputImages", "requests"]

    static func written(_ rates: [String: Int64]) -> [CatalogueRate] {
        let sorted = rates.sorted { (CatalogueRate.order(of: $0.key) ?? 0) < (CatalogueRate.order(of: $1.key) ?? 0) }
        return sorted.map { kind, rate in
            let (places, unit) = thousands.contains(kind) ? (12, "/k") : ones.contains(kind) ? (15, "") : (9, "/M")
            return CatalogueRate(kind: kind, text: DecimalText.text(Int128(rate), places: places) + unit)
        }
    }
}
