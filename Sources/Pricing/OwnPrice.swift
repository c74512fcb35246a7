// OwnPrice: a price of one's own, from a file in `prices.d/`. The files' format is described in protocol/pricing.md.
//
// A price is for a model, a feature, a provider, any combination, or everything; it is a row of rates, a discount on the
// catalogue, or one rate for every unit. A file is taken whole or refused with the line of what is wrong.

internal import Core
internal import Toml

struct OwnPrice {
    var id: [UInt8] = []
    /// The text it was read from.
    var file = ""
    /// Lower case; empty for any.
    var model: [UInt8] = []
    var modelIsPattern = false
    /// The row that `model` names in the catalogue; -1 for none.
    var row = -1
    /// Lower case; empty for any.
    var provider: [UInt8] = []
    /// In the catalogue; -1 when it has none of that name.
    var providerIndex = -1
    /// Empty for any.
    var feature: [UInt8] = []
    var from = Int64.min
    var until = Int64.max
    /// Of a row of rates; -1 for a discount.
    var entry = -1
    /// Millionths that are taken off the catalogue's rates.
    var discountMillionths: Int64 = 0

    /// What is more particular goes first: the model, then the feature, then the provider.
    var rank: Int {
        (model.isEmpty ? 0 : modelIsPattern ? 4 : 8) + (feature.isEmpty ? 0 : 2) + (provider.isEmpty ? 0 : 1)
    }

    var isUnbounded: Bool { from == .min && until == .max }
}

/// The rates of one set of conditions of an own price.
struct OwnRates {
    var tier = ServiceTier.standard
    var above: Int64 = -1
    var table = RateTable()
    var isEmpty = true
}

/// Reads one file.
struct OwnPriceReader {
    private let file: String
    private var prices: [(price: OwnPrice, rates: [OwnRates])] = []
    private var line = 0
    private var kinds = 0

    init(file: String) { self.file = file }

    private func error(_ message: String, _ line: Int) -> PriceBookError { PriceBookError(file: file, line: line, message: message) }

    mutating func read(_ bytes: [UInt8]) throws(PriceBookError) -> [(price: OwnPrice, rates: [OwnRates])] {
        let items: [TomlItem]
        do {
            items = try TomlDocument.parse(bytes, name: file)
        } catch {
            throw PriceBookError(file: file, line: error.line, message: error.message)
        }
        var current = -1
        for item in items {
            guard item.path.count >= 3, item.path[0] == "price", let index = Int(item.path[1]) else {
                throw error("expected [[price]], found '\(item.dotted)'", item.line)
            }
            if index != current {
                try finish()
                guard index < Limits.ownPrices else { throw error("more than \(Limits.ownPrices) prices", item.line) }
                current = index
                prices.append((OwnPrice(file: file), [OwnRates()]))
                line = item.line
                kinds = 0
            }
            line = min(line, item.line)
            try field(item)
        }
        try finish()
        return prices
    }

    private mutating func field(_ item: TomlItem) throws(PriceBookError) {
        let last = prices.count - 1
        let path = item.path.dropFirst(2)
        switch (path[2], path.count) {
        case ("id", 1): prices[last].price.id = try identifier(item)
        case ("model", 1):
            prices[last].price.model = try text(item).map { NameIndex.fold($0) }
            prices[last].price.modelIsPattern = prices[last].price.model.contains(0x2A)
        case ("provider", 1): prices[last].price.provider = try text(item).map { NameIndex.fold($0) }
        case ("feature", 1): prices[last].price.feature = try text(item)
        case ("from", 1): prices[last].price.from = try time(item)
        case ("until", 1): prices[last].price.until = try time(item)
        case ("discount_percent", 1):
            guard number(item), case .value(let percent) = DecimalText.read(item.text, places: 4), (0...1_000_000).contains(percent) else {
                throw error("a discount is 0 to 100 percent", item.line)
            }
            prices[last].price.discountMillionths = percent
            prices[last].rates = []
            kinds += 1
        case ("per_unit", 1):
            guard !prices[last].rates.isEmpty else { throw error("a discount has no price per unit", item.line) }
            let rate = try rate(item)
            for tag in OwnPriceReader.totals { prices[last].rates[0].table[tag] = rate }
            prices[last].rates[0].isEmpty = false
            kinds += 1
        case ("rates", 2):
            guard !prices[last].rates.isEmpty else { throw error("a discount has no rates", item.line) }
            if prices[last].rates[0].isEmpty { kinds += 1 }
            try set(item, path[3], in: 0)
        case ("variant", 3...4): try variant(item)
        default: throw error("unknown key '\(path.joined(separator: "."))'", item.line)
        }
    }

    /// What `per_unit` is charged for: every total, but not calls and searches beside them.
    private static let totals: [Tag] = [0, 1, 16, 17, 18, 19, 20, 24, 25]

    private mutating func variant(_ item: TomlItem) throws(PriceBookError) {
        let last = prices.count - 1
        guard let index = Int(item.path[3]), index < Limits.ownPriceVariants else { throw error("expected [[price.variant]]", item.line) }
        guard !prices[last].rates.isEmpty else { throw error("a discount has no variants", item.line) }
        while prices[last].rates.count <= index + 1 { prices[last].rates.append(OwnRates()) }
        switch (item.path[4], item.path.count) {
        case ("tier", 5):
            guard let tier = ServiceTier.allCases.first(where: { Array(item.text.utf8).elementsEqual($0.bytes) }) else {
                throw error("unknown tier '\(item.text)'", item.line)
            }
            prices[last].rates[index + 1].tier = tier
        case ("above", 5):
            guard item.kind == .integer, case .value(let tokens) = DecimalText.read(item.text, places: Quantity.scale), tokens >= 0 else {
                throw error("above is a whole number of input tokens", item.line)
            }
            prices[last].rates[index + 1].above = tokens
        case ("rates", 6): try set(item, item.path[5], in: index + 1)
        default: throw error("unknown key '\(item.path.dropFirst(2).joined(separator: "."))'", item.line)
        }
    }

    private mutating func set(_ item: TomlItem, _ name: String, in index: Int) throws(PriceBookError) {
        guard let tag = Array(name.utf8).withUnsafeBytes({ Tags.named($0) }) else {
            throw error("rates: unknown kind of usage '\(name)'", item.line)
        }
        let last = prices.count - 1
        prices[last].rates[index].table[tag] = try rate(item)
        prices[last].rates[index].isEmpty = false
    }

    private func finish() throws(PriceBookError) {
        guard let last = prices.last else { return }
        if last.price.id.isEmpty { throw error("a price needs an id", line) }
        guard kinds == 1 else { throw error("a price has rates, a discount_percent or per_unit, and only one of them", line) }
        if last.rates.contains(where: \.isEmpty) { throw error("a variant without rates", line) }
        for variant in last.rates.dropFirst() where variant.tier == .standard && variant.above < 0 {
            throw error("a variant needs a tier or a threshold", line)
        }
        guard last.price.from < last.price.until else { throw error("until is not after from", line) }
    }

    // Values

    /// The key as it stands in the price, without the table around it.
    private func name(_ item: TomlItem) -> String { item.path.dropFirst(2).joined(separator: ".") }

    private func number(_ item: TomlItem) -> Bool { item.kind == .string || item.kind == .integer || item.kind == .float }

    private func rate(_ item: TomlItem) throws(PriceBookError) -> Int64 {
        guard number(item), let rate = Array(item.text.utf8).withUnsafeBytes({ RateText.read($0) }) else {
            throw error("\(name(item)): not a rate: '\(item.text)' (as in \"2.50/M\", \"0.36/h\", \"0.002\")", item.line)
        }
        return rate
    }

    private func text(_ item: TomlItem) throws(PriceBookError) -> [UInt8] {
        let bytes = Array(item.text.utf8)
        guard item.kind == .string, !bytes.isEmpty, bytes.count <= 4 * Limits.modelScalars, !bytes.contains(where: { $0 < 0x20 }) else {
            throw error("'\(item.dotted)' is a text", item.line)
        }
        return bytes
    }

    private func identifier(_ item: TomlItem) throws(PriceBookError) -> [UInt8] {
        let bytes = try text(item)
        let plain = bytes.allSatisfy { byte in
            NameIndex.fold(byte) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2D || byte == 0x5F || byte == 0x2E
        }
        guard plain, bytes.count <= 64 else { throw error("an id has up to 64 letters, digits, '-', '_' and '.'", item.line) }
        return bytes
    }

    private func time(_ item: TomlItem) throws(PriceBookError) -> Int64 {
        var bytes = Array(item.text.utf8)
        if bytes.count > 10, bytes[10] == 0x20 { bytes[10] = 0x54 }
        guard item.kind == .datetime || item.kind == .string, let time = bytes.withUnsafeBytes({ CatalogueReader.time($0) }) else {
            throw error("\(name(item)): not a date or a time with its zone: '\(item.text)'", item.line)
        }
        return time
    }
}

extension ServiceTier {
    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount) }
}
