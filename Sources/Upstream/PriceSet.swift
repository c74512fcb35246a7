// PriceSet: one set of genai-prices' prices: `{"input_mtok": 2.5, "output_mtok": {"base": 10, "tiers": […]}}`.
//
// Prices are decimals from their text, brought to the catalogue's unit and rounded half-even at 1e-15 USD a unit, which
// takes the noise away that floating point leaves. Negative prices and ones beyond the largest rate are refused.

internal import Core
internal import Pricing
internal import Wire

/// How a price key of the list is metered here.
struct PriceKey {
    /// The short name of the kind of usage.
    var kind: String
    /// `/M`, `/k` or `/h`.
    var unit: String
    /// Digits after the point that make 1e-15 USD a unit; hours are divided when they are read.
    var places: Int

    private init(_ kind: String, _ unit: String, _ places: Int) {
        self.kind = kind
        self.unit = unit
        self.places = places
    }

    private static func millions(_ kind: String) -> PriceKey { PriceKey(kind, "/M", 9) }
    private static func thousands(_ kind: String) -> PriceKey { PriceKey(kind, "/k", 12) }

    /// The keys that a kind of usage of ours meters.
    static let known: [String: PriceKey] = [
        "input_mtok": millions("input"),
        "output_mtok": millions("output"),
        "cache_read_mtok": millions("cacheRead"),
        "cache_write_mtok": millions("cacheWrite"),
        "cache_write_1h_mtok": millions("cacheWrite1h"),
        "output_reasoning_mtok": millions("reasoning"),
        "input_audio_mtok": millions("inputAudio"),
        "input_image_mtok": millions("inputImage"),
        "input_video_mtok": millions("inputVideo"),
        "cache_audio_read_mtok": millions("cacheReadAudio"),
        "cache_image_read_mtok": millions("cacheReadImage"),
        "cache_video_read_mtok": millions("cacheReadVideo"),
        "output_audio_mtok": millions("outputAudio"),
        "output_image_mtok": millions("outputImage"),
        "output_video_mtok": millions("outputVideo"),
        "audio_hours": PriceKey("seconds", "/h", 15),
        "input_audio_hours": PriceKey("seconds", "/h", 15),
        "input_mchars": millions("characters"),
        "input_document_kpages": thousands("pages"),
        "web_searches_kcount": thousands("webSearches"),
        "storage_searches_kcount": thousands("toolCalls"),
        "requests_kcount": thousands("requests"),
    ]

    /// A price of this key as the catalogue writes it.
    func written(_ scaled: Int64) -> String { DecimalText.text(Int128(scaled), places: places) + unit }
}

/// One price, perhaps another one above some number of input tokens.
struct TieredPrice: Equatable {
    /// In the key's scale.
    var base: Int64
    /// Ascending by start.
    var tiers: [(start: Int64, price: Int64)] = []

    static func == (a: TieredPrice, b: TieredPrice) -> Bool { a.base == b.base && a.tiers.elementsEqual(b.tiers) { $0 == $1 } }

    /// The price of a request of so many input tokens.
    func price(at tokens: Int64) -> Int64 { tiers.last { tokens > $0.start }?.price ?? base }
}

struct PriceSet: Equatable {
    /// By the list's key.
    private(set) var prices: [String: TieredPrice] = [:]
    /// Keys that nothing here meters.
    private(set) var unknown: Set<String> = []

    /// Reads a set. Throws with the key of the first price that is none.
    init(_ value: JSONValue, at place: String) throws(UpstreamError) {
        guard value.kind == .object else { throw UpstreamError(place: place, message: "not a set of prices") }
        for member in value.members where !member.value.isNull {
            let name = member.key
            guard let key = PriceKey.known[name] else {
                unknown.insert(name)
                continue
            }
            prices[name] = try PriceSet.price(member.value, key, at: "\(place) \(name)")
        }
    }

    /// A billion tokens, in millionths.
    private static let largestStart: Int64 = 1_000_000_000_000_000

    private static func price(_ value: JSONValue, _ key: PriceKey, at place: String) throws(UpstreamError) -> TieredPrice {
        guard value.kind == .object else { return TieredPrice(base: try number(value, key, at: place)) }
        guard let base = value["base"], let tiers = value["tiers"], tiers.kind == .array else {
            throw UpstreamError(place: place, message: "a price in tiers has a base and tiers")
        }
        var price = TieredPrice(base: try number(base, key, at: "\(place) base"))
        for tier in tiers.elements {
            guard let start = tier["start"]?.decimal(places: 6), (0...largestStart).contains(start), start % 1_000_000 == 0,
                let amount = tier["price"]
            else {
                throw UpstreamError(place: place, message: "a tier has a start, in whole tokens, and a price")
            }
            price.tiers.append((start / 1_000_000, try number(amount, key, at: "\(place) tier")))
        }
        // Stable, as two tiers with one start are: the later one holds.
        price.tiers.sort { $0.start < $1.start }
        return price
    }

    private static func number(_ value: JSONValue, _ key: PriceKey, at place: String) throws(UpstreamError) -> Int64 {
        guard value.kind == .number || value.kind == .string else { throw UpstreamError(place: place, message: "not a price") }
        let text = String(decoding: value.bytes.prefix(40), as: UTF8.self)
        switch DecimalText.read(value.string ?? value.numberText ?? "", places: key.places) {
        case .malformed: throw UpstreamError(place: place, message: "not a price: \(text)")
        case .outOfRange: throw UpstreamError(place: place, message: "a price too large: \(text)")
        case .value(let scaled):
            guard scaled >= 0 else { throw UpstreamError(place: place, message: "a negative price: \(text)") }
            guard CatalogueRate.value(key.written(scaled)) != nil else {
                throw UpstreamError(place: place, message: "a price too large: \(text)")
            }
            return scaled
        }
    }

    /// This set with the prices of another one in place of its own.
    func overlaid(by other: PriceSet) -> PriceSet {
        var set = self
        for (key, price) in other.prices { set.prices[key] = price }
        set.unknown.formUnion(other.unknown)
        return set
    }

    /// This set with what another one has besides.
    func filled(from other: PriceSet) -> PriceSet { other.overlaid(by: self) }

    var isEmpty: Bool { prices.isEmpty && unknown.isEmpty }

    /// Whether it prices something, though nothing that is metered here.
    var isUnknown: Bool { prices.isEmpty && !unknown.isEmpty }

    /// The input totals above which a price is another one, descending, then -1 for the base.
    var bands: [Int64] { Set(prices.values.flatMap { $0.tiers.map(\.start) }).sorted(by: >) + [-1] }

    /// The rates of a request of so many input tokens; nil when two keys give one kind two rates. A set without any price
    /// says that tokens are free.
    func rates(at tokens: Int64) -> [CatalogueRate]? {
        var rates: [CatalogueRate] = []
        for (name, price) in prices.sorted(by: { $0.key < $1.key }) {
            guard let key = PriceKey.known[name] else { continue }
            let rate = CatalogueRate(kind: key.kind, text: key.written(price.price(at: tokens)))
            if let other = rates.first(where: { $0.kind == rate.kind }) {
                guard other == rate else { return nil }
            } else {
                rates.append(rate)
            }
        }
        if rates.isEmpty { rates = [CatalogueRate(kind: "input", text: "0/M"), CatalogueRate(kind: "output", text: "0/M")] }
        return rates.sorted { (CatalogueRate.order(of: $0.kind) ?? 0) < (CatalogueRate.order(of: $1.kind) ?? 0) }
    }
}
