// The catalogue's text: reading it into a CatalogueDocument and writing it from one. The format is described in
// protocol/pricing.md.

public import Core

extension CatalogueDocument {
    /// Reads a bundle, or one provider's file. Throws with the provider's file and line of the first thing that is wrong.
    public init(_ bundle: [UInt8]) throws(PriceBookError) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bundle.count, 1), alignment: 8)
        defer { copy.deallocate() }
        copy.copyBytes(from: bundle)
        try self.init(files: CatalogueBundle.split(UnsafeRawBufferPointer(rebasing: copy[0..<bundle.count])))
    }

    /// Reads the files of a catalogue. The bytes are not kept.
    public init(files: [PriceBook.Source]) throws(PriceBookError) {
        // The book's reader says what is wrong and where; what follows reads a text that is right.
        let book = try PriceBook(catalogue: files)
        self.init(version: book.version, providers: [])
        for file in files {
            if let provider = CatalogueDocument.read(file.bytes) { providers.append(provider) }
        }
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) -> CatalogueProvider? {
        var provider: CatalogueProvider?
        var model = -1
        for line in bytes.split(separator: 0x0A) {
            var words = Words(UnsafeRawBufferPointer(rebasing: line))
            guard let first = words.next() else { continue }
            let word = string(first)
            switch word {
            case "provider":
                provider = words.next().map { CatalogueProvider(id: string($0), title: string($0), source: "") }
            case "title": provider?.title = string(words.rest)
            case "source":
                if model >= 0 {
                    provider?.models[model].source = words.next().map(string) ?? ""
                } else {
                    provider?.source = string(words.rest)
                }
            case "secondary": provider?.isSecondary = true
            case "maker": provider?.makes += list(&words)
            case "dotted": provider?.keepsDots = true
            case "alias": provider?.aliases += list(&words)
            case "aliaslike": provider?.aliasPatterns += list(&words)
            case "fallback": provider?.fallbacks += list(&words)
            case "model":
                guard let id = words.next(), let from = provider?.sourceName else { continue }
                provider?.models.append(CatalogueModel(id: string(id), source: from))
                model += 1
            case "also": if model >= 0 { provider?.models[model].also = list(&words) }
            case "names": if model >= 0 { provider?.models[model].names += list(&words) }
            case "like": if model >= 0 { provider?.models[model].likes.append(list(&words)) }
            case "minimum": if model >= 0 { provider?.models[model].minimum = words.next().map(string) ?? "" }
            case "region": if model >= 0 { provider?.models[model].regions += list(&words) }
            case "rate": if model >= 0 { provider?.models[model].cards.append(card(&words)) }
            default: continue
            }
        }
        return provider
    }

    private static func card(_ words: inout Words) -> CatalogueCard {
        var card = CatalogueCard()
        var rates: [(tag: Tag, rate: CatalogueRate)] = []
        while let word = words.next() {
            guard let pair = Words.split(word) else { continue }
            let value = string(pair.value)
            if let tag = Tags.named(pair.key) {
                rates.append((tag, CatalogueRate(kind: String(decoding: Tags.shortNames[tag], as: UTF8.self), text: value)))
                continue
            }
            switch string(pair.key) {
            case "from": card.from = value
            case "days": card.days = value
            case "hours": card.hours = value
            case "zone": card.zone = value
            case "tier": card.tier = value == "standard" ? "" : value
            case "above": card.above = tokens(pair.value)
            case "reaching": card.above = max(0, tokens(pair.value) - 1)
            default: continue
            }
        }
        card.rates = rates.sorted { $0.tag < $1.tag }.map(\.rate)
        return card
    }

    private static func tokens(_ text: UnsafeRawBufferPointer) -> Int64 {
        guard case .value(let tokens) = DecimalText.read(text, places: Quantity.scale) else { return 0 }
        return tokens
    }

    private static func string(_ text: UnsafeRawBufferPointer) -> String { String(decoding: text, as: UTF8.self) }

    private static func list(_ words: inout Words) -> [String] {
        var list: [String] = []
        while let word = words.next() { list.append(string(word)) }
        return list
    }

    // Writing

    /// The catalogue as a bundle.
    public var bundle: [UInt8] {
        var writer = ByteWriter(capacity: 1 << 20)
        for provider in providers { provider.write(version: version, to: &writer) }
        return writer.array
    }

    /// SHA-256 of the bundle without its `version` lines: equal for catalogues that say the same.
    public var contentHash: Digest {
        var writer = ByteWriter(capacity: 1 << 20)
        for provider in providers { provider.write(version: "", to: &writer) }
        return Digest(sha256: writer.bytes)
    }
}

extension CatalogueProvider {
    func write(version: String, to writer: inout ByteWriter) {
        func line(_ word: StaticString, _ values: [String], to writer: inout ByteWriter) {
            guard !values.isEmpty else { return }
            writer.append(word)
            for value in values {
                writer.append(UInt8(ascii: " "))
                writer.append(string: value)
            }
            writer.append(UInt8(ascii: "\n"))
        }
        if !version.isEmpty { line("version", [version], to: &writer) }
        line("provider", [id], to: &writer)
        line("title", title.isEmpty ? [] : [title], to: &writer)
        line("source", source.isEmpty ? [] : [source], to: &writer)
        line("maker", makes, to: &writer)
        if keepsDots { writer.append("dotted\n") }
        if isSecondary { writer.append("secondary\n") }
        line("alias", aliases, to: &writer)
        line("aliaslike", aliasPatterns, to: &writer)
        line("fallback", fallbacks, to: &writer)
        for model in models {
            line("\nmodel", [model.id], to: &writer)
            if model.source != sourceName { line("source", [model.source], to: &writer) }
            line("also", model.also, to: &writer)
            line("names", model.names, to: &writer)
            for like in model.likes { line("like", like, to: &writer) }
            line("minimum", model.minimum.isEmpty ? [] : [model.minimum], to: &writer)
            line("region", model.regions, to: &writer)
            for card in model.cards {
                let words = card.conditions + card.rates.map { "\($0.kind)=\($0.text)" }
                // A card may have neither conditions nor rates, and is one nevertheless.
                if words.isEmpty { writer.append("rate\n") }
                line("rate", words, to: &writer)
            }
        }
    }
}

extension CatalogueCard {
    /// The conditions as they are written, in one order.
    public var conditions: [String] {
        var words: [String] = []
        if !from.isEmpty { words.append("from=\(from)") }
        if !days.isEmpty { words.append("days=\(days)") }
        if !hours.isEmpty { words.append("hours=\(hours)") }
        if !zone.isEmpty { words.append("zone=\(zone)") }
        if !tier.isEmpty { words.append("tier=\(tier)") }
        if above >= 0 {
            let isReaching = above % 1_000_000 == 999_999
            let tokens = DecimalText.text(Int128(above) + (isReaching ? 1 : 0), places: Quantity.scale)
            words.append((isReaching ? "reaching=" : "above=") + tokens)
        }
        return words
    }
}
