// Whose price a model has. Slow (it allocates, and tries patterns one by one): the caller keeps the answer.
//
// With a provider only its rows count, then those of the providers it falls back to. Without one, the name itself may name
// it (`groq/…`, `us.anthropic.…`); else the maker whose rows match; else the only host. Anything else is unpriced, with the
// reason: a wrong price is worse than none.

internal import Core

extension PriceBook {
    /// Resolves (provider, model, feature); an empty buffer means absent. Independent of time, usage, tier and region.
    public func resolve(
        provider: UnsafeRawBufferPointer, model: UnsafeRawBufferPointer, feature: UnsafeRawBufferPointer
    ) -> Resolution {
        let catalogue = resolveCatalogue(provider: PriceBook.trimmed(provider), model: PriceBook.trimmed(model))
        return tables.pointee.rules.isEmpty
            ? resolution(of: catalogue) : resolveOwn(provider: provider, model: model, feature: feature, catalogue: catalogue)
    }

    /// A row of the catalogue, or why there is none.
    struct CatalogueMatch: Equatable {
        var entry = -1
        var rule = MatchRule.none
        var unpriced = UnpricedReason.none
        /// The provider that was named or found, which for a fallback is not the row's.
        var provider = -1
        var viaFallback = false
    }

    func resolution(of match: CatalogueMatch) -> Resolution {
        let provider = match.provider >= 0 ? tables.pointee.providers[match.provider].id : Text(start: nil, count: 0)
        return Resolution(
            entry: Int32(match.entry), match: match.rule, unpriced: match.unpriced, viaFallback: match.viaFallback, provider: provider)
    }

    /// Without white space around it.
    static func trimmed(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        var bytes = [UInt8](text)[...]
        while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
        while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
        return Array(bytes)
    }

    func resolveCatalogue(provider: [UInt8], model: [UInt8]) -> CatalogueMatch {
        let named = provider.isEmpty || PriceBook.isGateway(provider) ? -1 : providerIndex(provider)
        if model.isEmpty { return CatalogueMatch(unpriced: .noModel, provider: named ?? -1) }
        guard let named else { return CatalogueMatch(unpriced: .unknownProvider) }
        if named < 0 { return findAnywhere(model) }
        if let match = find(model, with: named) { return match }
        return CatalogueMatch(unpriced: .unknownModel, provider: named)
    }

    /// Names that stand for "somebody else's price list": the model's name tells whose.
    private static func isGateway(_ provider: [UInt8]) -> Bool {
        let folded = provider.map { NameIndex.fold($0) }
        return ["litellm", "litellm_proxy", "litellm-proxy", "portkey", "helicone", "gateway"].contains { folded.elementsEqual($0.utf8) }
    }

    /// The provider of this name: identifier, then alias, then the catalogue's patterns.
    func providerIndex(_ name: [UInt8]) -> Int? {
        name.withUnsafeBytes { text in
            if let index = exactProvider(text) { return index }
            return tables.pointee.providers.firstIndex { provider in provider.aliasPatterns.contains { Glob.matches($0, text) } }
        }
    }

    private func exactProvider(_ text: Text) -> Int? {
        if let index = tables.pointee.providers.firstIndex(where: { NameIndex.sameFolded($0.id, text) }) { return index }
        return tables.pointee.providers.firstIndex { provider in provider.aliases.contains { NameIndex.sameFolded($0, text) } }
    }

    // One provider

    /// The row of a provider or of one it falls back to. A name that the other one has as it stands goes before a row of the
    /// provider's own that only fits when the date is cut off, and whose patterns do not know it.
    private func find(_ model: [UInt8], with provider: Int) -> CatalogueMatch? {
        let own = find(model, in: provider)
        if let own, own.rule != .dateSuffixStripped || liked(model, in: provider) == own.entry { return own }
        for other in tables.pointee.providers[provider].fallbacks {
            guard var match = find(model, in: other) else { continue }
            if own != nil, match.rule.rawValue >= MatchRule.dateSuffixStripped.rawValue { continue }
            match.provider = provider
            match.viaFallback = true
            return match
        }
        return own
    }

    /// The row among a provider's own, by the first rule that finds one.
    private func find(_ model: [UInt8], in provider: Int) -> CatalogueMatch? {
        func match(_ entry: Int, _ rule: MatchRule) -> CatalogueMatch {
            CatalogueMatch(entry: entry, rule: rule, unpriced: .none, provider: provider)
        }
        if let (entry, exact) = named(model, in: provider) { return match(entry, exact ? .exact : .caseFolded) }
        let folded = model.map { NameIndex.fold($0) }
        let keepsDots = tables.pointee.providers[provider].keepsDots
        let stripped = ModelName.withoutPrefixes(folded, keepsDots: keepsDots) { head in
            head.withUnsafeBytes { exactProvider($0) != nil }
        }
        for name in stripped {
            if let (entry, _) = named(name, in: provider) { return match(entry, .prefixStripped) }
        }
        // A row from another source than the file's is none that the file's patterns know of: it comes after them.
        var other: Int?
        for name in [folded] + stripped {
            for shorter in ModelName.withoutSuffixes(name) {
                guard let (entry, _) = named(shorter, in: provider) else { continue }
                if tables.pointee.entries[entry].source == 0 { return match(entry, .dateSuffixStripped) }
                if other == nil { other = entry }
            }
        }
        for name in [folded] + stripped {
            if let entry = liked(name, in: provider) { return match(entry, .catalogueRule) }
        }
        return other.map { match($0, .dateSuffixStripped) }
    }

    private func named(_ name: [UInt8], in provider: Int) -> (entry: Int, exact: Bool)? {
        name.withUnsafeBytes { text in
            var at = tables.pointee.names.first(text)
            var found: Int?
            while at >= 0 {
                let record = tables.pointee.names.records[Int(at)]
                if record.provider == Int32(provider) {
                    if sameBytes(record.text, text) { return (Int(record.entry), true) }
                    found = Int(record.entry)
                }
                at = record.next
            }
            return found.map { ($0, false) }
        }
    }

    /// The first row whose patterns match, in the catalogue's order.
    private func liked(_ name: [UInt8], in provider: Int) -> Int? {
        name.withUnsafeBytes { text in
            let list = tables.pointee.providers[provider]
            for i in list.patternFirst..<list.patternFirst + list.patternCount {
                let pattern = tables.pointee.patterns[i]
                let globs = (0..<Int(pattern.count)).lazy.map { self.tables.pointee.globs[Int(pattern.first) + $0] }
                if Glob.matches(any: globs, text) { return Int(pattern.entry) }
            }
            return nil
        }
    }

    // No provider

    private func findAnywhere(_ model: [UInt8]) -> CatalogueMatch {
        let folded = model.map { NameIndex.fold($0) }
        if let (head, rest) = ModelName.head(of: folded), let provider = providerNamed(head),
            var match = find(rest, with: provider) ?? find(model, with: provider)
        {
            match.rule = .prefixStripped
            return match
        }
        if ModelName.isDotted(folded) {
            for provider in tables.pointee.providers.indices where tables.pointee.providers[provider].keepsDots {
                if let match = find(model, in: provider) { return match }
            }
        }
        let spellings = [folded] + ModelName.withoutPrefixes(folded, keepsDots: false) { head in providerNamed(head) != nil }
        if let match = strongest({ provider in makes(provider, spellings) }, model) { return match }
        for secondary in [false, true] {
            let found = strongest(
                { provider in tables.pointee.providers[provider].isSecondary == secondary && !makes(provider, spellings) }, model)
            if let found { return found }
        }
        return CatalogueMatch(unpriced: .unknownModel)
    }

    private func providerNamed(_ head: [UInt8]) -> Int? { head.withUnsafeBytes { exactProvider($0) } }

    private func makes(_ provider: Int, _ spellings: [[UInt8]]) -> Bool {
        let patterns = tables.pointee.providers[provider].makes
        return !patterns.isEmpty && spellings.contains { $0.withUnsafeBytes { Glob.matches(any: patterns, $0) } }
    }

    /// The only row among these providers; among several the one that the name fits best, if it is the only one that well.
    private func strongest(_ counts: (Int) -> Bool, _ model: [UInt8]) -> CatalogueMatch? {
        var best: CatalogueMatch?
        var ties = 0
        for provider in tables.pointee.providers.indices where counts(provider) {
            guard let match = find(model, in: provider) else { continue }
            if let current = best, current.rule.rawValue <= match.rule.rawValue {
                if current.rule == match.rule { ties += 1 }
            } else {
                best = match
                ties = 0
            }
        }
        return ties == 0 ? best : CatalogueMatch(unpriced: .ambiguousModel)
    }
}
