// The `rate` lines of one model of genai-prices' list: periods by date, windows by hour, tiers, and bands by length of input.
//
// The list can say a start date or a time of day, not both, and no days of the week. Where the catalogue in force has days
// or a time zone with a row's hours, its dates, days and hours stay and the list gives the rates.

internal import Core
internal import Pricing
internal import Wire

/// The cards of a model, or why there are none.
struct PricedCards {
    var cards: [CatalogueCard]?
    var reason = ""
    /// Days, zones or dates of the hours are those of the catalogue in force.
    var keepsHours = false
}

/// One set of prices and when it counts.
private struct DatedPrices {
    /// nanoseconds since the epoch; nil for always.
    var from: Int64?
    /// Minutes of the day in UTC; nil for the whole day.
    var span: CatalogueWindow.Span?
    var prices: PriceSet
}

/// Prices of a tier, from a day on.
private struct TierPrices {
    var tier: String
    var from: Int64?
    var prices: PriceSet
}

extension GenaiPrices {
    /// The conditions of variants that are tiers here. The empty tier says again what the prices say.
    private static let tiers: [(key: String, value: String, tier: String)] = [
        ("processing", "batch", "batch"), ("service_tier", "flex", "flex"), ("service_tier", "priority", "priority"),
        ("service_tier", "fast", "fast"), ("speed", "fast", "fast"), ("service_tier", "default", ""),
    ]
    /// In the order of the catalogue.
    private static let tierOrder = ["", "batch", "flex", "priority", "fast"]

    mutating func cards(of model: JSONValue, place: String, base: CatalogueModel?) throws(UpstreamError) -> PricedCards {
        guard let value = model["prices"] else { throw UpstreamError(place: place, message: "no prices") }
        guard let dated = try dated(value, place: place) else { return PricedCards(reason: "hours that are not whole minutes") }
        guard let first = dated.first else { throw UpstreamError(place: "\(place) prices", message: "an empty list of prices") }
        if dated.contains(where: \.prices.isUnknown) { return PricedCards(reason: "no price that is metered here") }
        if dated.allSatisfy(\.prices.isEmpty), !GenaiPrices.isFree(place, base) {
            return PricedCards(reason: "no rates, and not said to be free")
        }
        let variants = try variants(model, place: place)
        for key in Set(dated.flatMap(\.prices.unknown) + variants.flatMap(\.prices.unknown)) { overlay.leave("\(place): \(key)") }

        let windows = GenaiPrices.windows(dated)
        let rule = WindowRule(base)
        var days = Set(dated.compactMap(\.from) + variants.filter { !$0.tier.isEmpty }.compactMap(\.from))
        if !windows.isEmpty { days.formUnion(rule.days) }
        let reaching = GenaiPrices.reaching(place, base)
        var cards: [CatalogueCard] = []
        var previous: [CatalogueCard]?
        var keepsHours = false
        for day in [nil] + days.sorted().map(Optional.init) {
            let standard = dated.last { $0.span == nil && ($0.from.map { from in day.map { $0 >= from } ?? false } ?? true) } ?? first
            var cases: [(CatalogueCard, PriceSet)] = []
            for (spans, prices) in windows {
                guard let words = rule.words(for: spans, at: day) else {
                    keepsHours = true
                    continue
                }
                cases.append((words, prices))
                if !words.days.isEmpty || !words.zone.isEmpty { keepsHours = true }
            }
            cases.append((CatalogueCard(), standard.prices))
            guard
                let block = GenaiPrices.block(
                    cases, reaching, variants.filter { $0.from.map { from in day.map { $0 >= from } ?? false } ?? true })
            else { return PricedCards(reason: "two rates for one kind of usage") }
            if block != previous {
                let from = day.map(GenaiPrices.dateText) ?? ""
                cards += block.map { card in
                    var dated = card
                    dated.from = from
                    return dated
                }
            }
            previous = block
        }
        return PricedCards(cards: cards, keepsHours: keepsHours && !windows.isEmpty)
    }

    /// Rows that the list leaves without rates and that are free of charge, as its comments on them say; and those that the
    /// catalogue has as free already. Without rates stands for unknown too, and no row is better than a silent 0.
    private static func isFree(_ row: String, _ base: CatalogueModel?) -> Bool {
        let patterns = ["*:free", "github-copilot/*", "google/gemma-*", "openai/moderation", "openrouter/*-exp", "openrouter/*-exp-##-##"]
        var copy = row
        if copy.withUTF8({ NamePattern.fits(any: patterns, UnsafeRawBufferPointer($0)) }) { return true }
        return base.map { $0.cards.allSatisfy { $0.rates.allSatisfy { $0.value == 0 } } } ?? false
    }

    /// Numbers of tokens that are above the threshold themselves. The list knows "more than" only and writes such a threshold
    /// one token early; for one provider that is known, and for rows of the catalogue that say so.
    private static func reaching(_ row: String, _ base: CatalogueModel?) -> Set<Int64> {
        let known: Set<Int64> = row.hasPrefix("x-ai/") ? [200_000] : []
        return known.union((base?.cards ?? []).filter { $0.above >= 0 && $0.above % 1_000_000 == 999_999 }.map { $0.above / 1_000_000 + 1 })
    }

    /// The cards of one period.
    private static func block(_ cases: [(CatalogueCard, PriceSet)], _ reaching: Set<Int64>, _ variants: [TierPrices]) -> [CatalogueCard]? {
        var block: [CatalogueCard] = []
        for (window, prices) in cases {
            for tier in tierOrder {
                var set = prices
                if !tier.isEmpty {
                    let own = variants.filter { $0.tier == tier }.map(\.prices)
                    guard let first = own.first else { continue }
                    // Of several variants the first that has a price for a key holds.
                    set = prices.overlaid(by: own.dropFirst().reduce(first) { $0.filled(from: $1) })
                }
                for start in set.bands {
                    guard let rates = set.rates(at: start + 1) else { return nil }
                    var card = window
                    card.tier = tier
                    card.above = start < 0 ? -1 : reaching.contains(start + 1) ? (start + 1) * 1_000_000 - 1 : start * 1_000_000
                    card.rates = rates
                    block.append(card)
                }
            }
        }
        return block
    }

    // Reading

    /// The sets of prices with their conditions; nil when a condition cannot be said.
    private func dated(_ value: JSONValue, place: String) throws(UpstreamError) -> [DatedPrices]? {
        guard value.kind == .array else { return [DatedPrices(prices: try PriceSet(value, at: place))] }
        var sets: [DatedPrices] = []
        var number = 0
        for element in value.elements {
            number += 1
            let place = "\(place) prices \(number)"
            guard let prices = element["prices"] else { throw UpstreamError(place: place, message: "no prices") }
            var set = DatedPrices(prices: try PriceSet(prices, at: place))
            if let constraint = element["constraint"], !constraint.isNull {
                if let date = constraint["start_date"] {
                    set.from = try GenaiPrices.day(date, at: place)
                } else if let start = constraint["start_time"], let end = constraint["end_time"] {
                    let (from, until) = (try GenaiPrices.minutes(start, at: place), try GenaiPrices.minutes(end, at: place))
                    guard let from, let until else { return nil }
                    set.span = CatalogueWindow.Span(start: from, end: until)
                } else {
                    throw UpstreamError(place: place, message: "a constraint has a start_date, or a start_time and an end_time")
                }
            }
            sets.append(set)
        }
        return sets
    }

    /// The variants that are tiers; the others are left out and listed.
    private mutating func variants(_ model: JSONValue, place: String) throws(UpstreamError) -> [TierPrices] {
        guard let list = model["price_variants"], !list.isNull else { return [] }
        guard list.kind == .array else { throw UpstreamError(place: "\(place) price_variants", message: "not a list") }
        var variants: [TierPrices] = []
        var number = 0
        for element in list.elements {
            number += 1
            let place = "\(place) variant \(number)"
            guard let when = element["when"], when.kind == .object, let prices = element["prices"] else {
                throw UpstreamError(place: place, message: "a variant has conditions and prices")
            }
            let set = try PriceSet(prices, at: place)
            let conditions = when.members.map { (key: $0.key, value: $0.value.string ?? "") }
            let shown = conditions.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            let tier = GenaiPrices.tiers.first { tier in
                conditions.count == 1 && conditions[0].key == tier.key && conditions[0].value == tier.value
            }
            guard let tier else {
                if !set.prices.isEmpty || !set.unknown.isEmpty { overlay.leave("\(variantOwner(place)): variant \(shown)") }
                continue
            }
            var from: Int64?
            if let constraint = element["constraint"], !constraint.isNull {
                guard let date = constraint["start_date"] else {
                    overlay.leave("\(variantOwner(place)): variant \(shown) by the hour")
                    continue
                }
                from = try GenaiPrices.day(date, at: place)
            }
            if !tier.tier.isEmpty { variants.append(TierPrices(tier: tier.tier, from: from, prices: set)) }
        }
        return variants
    }

    private func variantOwner(_ place: String) -> String { String(place.prefix { $0 != " " }) }

    /// Windows with the same prices together.
    private static func windows(_ dated: [DatedPrices]) -> [(spans: [CatalogueWindow.Span], prices: PriceSet)] {
        var found: [(spans: [CatalogueWindow.Span], prices: PriceSet)] = []
        for set in dated {
            guard let span = set.span else { continue }
            if let index = found.firstIndex(where: { $0.prices == set.prices }) {
                found[index].spans.append(span)
            } else {
                found.append(([span], set.prices))
            }
        }
        return found.map { ($0.spans.sorted(), $0.prices) }
    }

    private static func day(_ value: JSONValue, at place: String) throws(UpstreamError) -> Int64 {
        guard let text = value.string, let day = Timestamp(rfc3339: text.utf8.count == 10 ? text + "T00:00:00Z" : text) else {
            throw UpstreamError(place: place, message: "not a date")
        }
        return day.nanoseconds
    }

    /// Minutes of the day in UTC of `09:30`, `09:30:00`, `09:30:00Z` or `17:30:00+08:00`; nil for parts of a minute.
    private static func minutes(_ value: JSONValue, at place: String) throws(UpstreamError) -> Int? {
        var text = value.string ?? ""
        if text.utf8.count == 5 { text += ":00" }
        let zoned = text.utf8.count > 8 && text.contains { "Zz+-".contains($0) }
        guard let time = Timestamp(rfc3339: "2000-01-02T" + text + (zoned ? "" : "Z")) else {
            throw UpstreamError(place: place, message: "not a time of day")
        }
        let (minutes, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: 60_000_000_000)
        return rest == 0 ? Int(minutes % 1440) : nil
    }

    private static func dateText(_ nanoseconds: Int64) -> String {
        let text = Timestamp(nanoseconds: nanoseconds).description
        return text.hasSuffix("T00:00:00Z") ? String(text.prefix(10)) : text
    }
}

/// How the catalogue in force writes the hours of a row, where the list cannot.
private struct WindowRule {
    private var periods: [(from: Int64, cards: [CatalogueCard])] = []

    /// Empty unless the row has days or a zone.
    init(_ base: CatalogueModel?) {
        guard let base, base.cards.contains(where: { !$0.days.isEmpty || !$0.zone.isEmpty }) else { return }
        for card in base.cards {
            let from = Timestamp(rfc3339: card.from.utf8.count == 10 ? card.from + "T00:00:00Z" : card.from)?.nanoseconds ?? Int64.min
            if periods.last?.from != from { periods.append((from, [])) }
            periods[periods.count - 1].cards.append(card)
        }
    }

    /// The dates on which its hours may change.
    var days: [Int64] { periods.map(\.from).filter { $0 != Int64.min } }

    /// The hours that the list gives, in the words of the period that holds on a day; nil when the row had no hours then.
    func words(for spans: [CatalogueWindow.Span], at day: Int64?) -> CatalogueCard? {
        let period = periods.last { $0.from <= day ?? Int64.min } ?? periods.first
        let windows = period?.cards.filter(\.isWindowed) ?? []
        if period != nil, windows.isEmpty { return nil }
        var words = CatalogueCard()
        if let same = windows.first(where: { CatalogueWindow(days: $0.days, hours: $0.hours, zone: $0.zone).spans == spans }) {
            words.days = same.days
            words.hours = same.hours
            words.zone = same.zone
            return words
        }
        words.hours = spans.map { "\(WindowRule.clock($0.start))-\(WindowRule.clock($0.end))" }.joined(separator: ",")
        return words
    }

    private static func clock(_ minutes: Int) -> String {
        let (hour, minute) = minutes.quotientAndRemainder(dividingBy: 60)
        return "\(hour < 10 ? "0" : "")\(hour):\(minute < 10 ? "0" : "")\(minute)"
    }
}
