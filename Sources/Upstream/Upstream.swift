// Upstream: the price lists that others publish, as a new catalogue.
//
// A list is laid over the catalogue in force: it replaces the rows that came from it, drops those it no longer has, and
// leaves everything else as it is: rows of other sources, and what the list's format cannot say (days of the week, region
// multipliers, smallest billed quantities, whose models are whose). What was carried over is listed. A text that is not a
// price list, or says something that cannot be (a negative rate), is refused whole with the place; what merely has no word
// here is left out and listed. Pure: bytes and a day in, bytes out; the same input gives the same catalogue.

internal import Core
public import Pricing
internal import Wire

/// Why a price list is refused.
public struct UpstreamError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where: `openai/gpt-4o input_mtok`; empty for the whole text.
    public var place: String
    public var message: String

    public init(place: String, message: String) {
        self.place = place
        self.message = message
    }

    public var description: String { place.isEmpty ? message : "\(place): \(message)" }
}

/// The formats that are recognised.
public enum UpstreamFormat: String, Sendable, CaseIterable {
    /// The package genai-prices' `data.json`.
    case genaiPrices = "genai-prices"
    /// The package litellm's `model_prices_and_context_window.json`.
    case litellm
    /// A bundle of this catalogue's own text.
    case bundle

    /// Where the list is published; nil for the own format.
    public var address: String? {
        switch self {
        case .genaiPrices: "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json"
        case .litellm: "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
        case .bundle: nil
        }
    }
}

/// A new catalogue, and what became of the old one.
public struct UpdatedCatalogue: Sendable {
    public var format: UpstreamFormat
    /// The new catalogue's text. The old one's, to the byte, when nothing changed.
    public var bundle: [UInt8]
    public var version: String
    public var diff: CatalogueDiff
    /// What the list says and the catalogue has no word for, each with its place; in order, without repeats.
    public var leftOut: [String]
}

public enum Upstream {
    /// Lays a price list over the catalogue in force. `base` is a bundle, `day` the new version's first part
    /// (`2026-11-24`). A list that changes nothing gives the base's own version and bytes back.
    public static func update(base: [UInt8], upstream: [UInt8], day: String) throws(UpstreamError) -> UpdatedCatalogue {
        guard let time = Timestamp(rfc3339: day + "T00:00:00Z") else { throw UpstreamError(place: "", message: "not a day: \(day)") }
        guard upstream.count <= Limits.priceListBytes else {
            throw UpstreamError(place: "", message: "the price list is longer than \(Limits.priceListBytes) bytes")
        }
        let old = try catalogue(base, called: "the catalogue in force")
        let laid = try lay(upstream, over: old, day: time.nanoseconds)
        var diff = CatalogueDiff(from: old, to: laid.document)
        diff.kept = laid.kept
        var new = laid.document
        if diff.isEmpty {
            return UpdatedCatalogue(format: laid.format, bundle: base, version: old.version, diff: diff, leftOut: laid.leftOut)
        }
        new.version = version(of: new, day: day, isNamed: laid.format == .bundle)
        let bundle = new.bundle
        // What was put together here is read as any other text would be.
        let checked = try catalogue(bundle, called: "the new catalogue")
        diff = CatalogueDiff(from: old, to: checked)
        diff.kept = laid.kept
        return UpdatedCatalogue(format: laid.format, bundle: bundle, version: new.version, diff: diff, leftOut: laid.leftOut)
    }

    /// The format a text is in, told by its first characters; nil for none of them.
    static func format(of text: [UInt8]) -> UpstreamFormat? {
        guard let first = text.first(where: { $0 > 0x20 }) else { return nil }
        switch first {
        case UInt8(ascii: "["): return .genaiPrices
        case UInt8(ascii: "{"): return .litellm
        case UInt8(ascii: "v"), UInt8(ascii: "#"), UInt8(ascii: "p"): return .bundle
        default: return nil
        }
    }

    private static func lay(_ text: [UInt8], over base: CatalogueDocument, day: Int64) throws(UpstreamError) -> LaidCatalogue {
        guard let format = format(of: text) else {
            throw UpstreamError(place: "", message: "neither genai-prices' data.json, nor litellm's prices, nor a catalogue")
        }
        if format == .bundle {
            return LaidCatalogue(format: format, document: try catalogue(text, called: "the catalogue given"))
        }
        let document: JSONDocument
        do {
            document = try JSONDocument(text, depth: Limits.priceListDepth, values: Limits.priceListValues)
        } catch {
            throw UpstreamError(place: "byte \(error.offset)", message: "\(error.message)")
        }
        // The later format of genai-prices is an object that holds the providers beside the units they are priced in.
        if let providers = document.root["providers"], providers.kind == .array {
            return try GenaiPrices.lay(providers, over: base)
        }
        return format == .genaiPrices
            ? try GenaiPrices.lay(document.root, over: base) : try LiteLLM.lay(document.root, over: base, day: day)
    }

    private static func catalogue(_ text: [UInt8], called name: String) throws(UpstreamError) -> CatalogueDocument {
        do throws(PriceBookError) {
            return try CatalogueDocument(text)
        } catch {
            throw UpstreamError(place: name, message: error.description)
        }
    }

    /// A catalogue that comes with the right name keeps it: the one of its content, or the built-in one's.
    private static func version(of document: CatalogueDocument, day: String, isNamed: Bool) -> String {
        let hash = document.contentHash
        guard isNamed else { return CatalogueBundle.version(day: day, content: hash) }
        let named = CatalogueBundle.version(day: String(document.version.prefix(10)), content: hash)
        if document.version == named || document.bundle == CatalogueBundle.builtIn() { return document.version }
        return CatalogueBundle.version(day: day, content: hash)
    }
}

/// A price list laid over a catalogue, not yet named.
struct LaidCatalogue {
    var format: UpstreamFormat
    var document: CatalogueDocument
    var kept: [CatalogueDiff.Kept] = []
    var leftOut: [String] = []
}
