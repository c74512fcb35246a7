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
        var start = 0
        var end = text.count
        while end > start, text[end - 1] <= 0x20 { end -= 1 }
        while start < end, text[start] <= 0x20 { start += 1 }
        return [UInt8](text[start..<end])
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
        provider.withUnsafeBytes { text in gateways.contains { $0.withUnsafeBytes { NameIndex.sameFolded($0, text) } } }
    }

    private static let gateways = ["litellm", "litellm_proxy", "litellm-proxy", "portkey", "helicone", "gateway"].map { Array($0.utf8) }

    /// The provider of this name: identifier, then alias, then the catalogue's patterns.
    func providerIndex(_ name: [UInt8]) -> Int? {
        if let index = providerNamed(name) { return index }
        return name.withUnsafeBytes { text in
            tables.pointee.providers.firstIndex { provider in provider.aliasPatterns.contains { Glob.matches($0, text) } }
        }
    }

    /// The provider whose identifier or alias this is, in any case.
    private func providerNamed(_ name: [UInt8]) -> Int? {
        let at = name.withUnsafeBytes { tables.pointee.providerNames.first($0) }
        return at < 0 ? nil : Int(tables.pointee.providerNames.records[Int(at)].provider)
    }

    // One provider

    /// The row of a provider or of one it falls back to. A name that the other one has as it stands goes before a row of the
    /// provider's own that only fits when the date is cut off, and whose patterns do not know it.
    private func find(_ spellings: inout Spellings, with provider: Int) -> CatalogueMatch? {
        let own = find(&spellings, in: provider)
        let fallbacks = tables.pointee.providers[provider].fallbacks
        if fallbacks.isEmpty { return own }
        if let own, own.rule != .dateSuffixStripped || liked(spellings.model, in: provider) == own.entry { return own }
        for other in fallbacks {
            guard var match = find(&spellings, in: other) else { continue }
            if own != nil, match.rule.rawValue >= MatchRule.dateSuffixStripped.rawValue { continue }
            match.provider = provider
            match.viaFallback = true
            return match
        }
        return own
    }

    private func find(_ model: [UInt8], with provider: Int) -> CatalogueMatch? {
        var spellings = Spellings(model)
        return find(&spellings, with: provider)
    }

    /// The row among a provider's own, by the first rule that finds one.
    private func find(_ spellings: inout Spellings, in provider: Int) -> CatalogueMatch? {
        func match(_ entry: Int, _ rule: MatchRule) -> CatalogueMatch {
            CatalogueMatch(entry: entry, rule: rule, unpriced: .none, provider: provider)
        }
        if let (entry, exact) = named(spellings.model, in: provider) { return match(entry, exact ? .exact : .caseFolded) }
        let names = spellings.names(keepsDots: tables.pointee.providers[provider].keepsDots, isProvider: isProvider)
        for name in names.dropFirst() {
            if let (entry, _) = named(name, in: provider) { return match(entry, .prefixStripped) }
        }
        // A row from another source than the file's is none that the file's patterns know of: it comes after them.
        var other: Int?
        for shorter in spellings.shorter(keepsDots: tables.pointee.providers[provider].keepsDots, isProvider: isProvider) {
            guard let (entry, _) = named(shorter, in: provider) else { continue }
            if tables.pointee.entries[entry].source == 0 { return match(entry, .dateSuffixStripped) }
            if other == nil { other = entry }
        }
        for name in names {
            if let entry = liked(name, in: provider) { return match(entry, .catalogueRule) }
        }
        return other.map { match($0, .dateSuffixStripped) }
    }

    private func isProvider(_ head: [UInt8]) -> Bool { providerNamed(head) != nil }

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
            let first = tables.pointee.providers[provider].patternFirst
            let letters = Glob.letters(text)
            for i in first..<first + tables.pointee.providers[provider].patternCount {
                let pattern = tables.pointee.patterns[i]
                var found = false
                for index in Int(pattern.first)..<Int(pattern.first) + Int(pattern.count) {
                    if tables.pointee.globLetters[index] & ~letters != 0 { continue }
                    let glob = tables.pointee.globs[index]
                    if glob.first == 0x21 {
                        if Glob.matches(Text(rebasing: glob[1...]), text) {
                            found = false
                            break
                        }
                    } else if !found {
                        found = Glob.matches(glob, text)
                    }
                }
                if found { return Int(pattern.entry) }
            }
            return nil
        }
    }

    // No provider

    private func findAnywhere(_ model: [UInt8]) -> CatalogueMatch {
        var spellings = Spellings(model)
        if let (head, rest) = ModelName.head(of: spellings.folded), let provider = providerNamed(head),
            var match = find(rest, with: provider) ?? find(&spellings, with: provider)
        {
            match.rule = .prefixStripped
            return match
        }
        if ModelName.isDotted(spellings.folded) {
            for provider in tables.pointee.providers.indices where tables.pointee.providers[provider].keepsDots {
                if let match = find(&spellings, in: provider) { return match }
            }
        }
        let names = spellings.names(keepsDots: false, isProvider: isProvider)
        let makers = tables.pointee.providers.map { provider in
            !provider.makes.isEmpty && names.contains { $0.withUnsafeBytes { Glob.matches(any: provider.makes, $0) } }
        }
        for circle in [Circle.makers, .hosts, .secondary] {
            guard let found = strongest(&spellings, in: circle, makers) else { continue }
            // A host whose patterns fit gives way to one that has the name itself.
            if circle == .hosts, found.rule == .catalogueRule,
                let other = strongest(&spellings, in: .secondary, makers), other.entry >= 0,
                other.rule.rawValue < MatchRule.dateSuffixStripped.rawValue
            {
                return other
            }
            return found
        }
        return CatalogueMatch(unpriced: .unknownModel)
    }

    /// Who may own a name without a provider, the first circle that knows it.
    private enum Circle { case makers, hosts, secondary }

    private func circle(of provider: Int, row: Int32, _ makers: [Bool]) -> Circle {
        if makers[provider] { return .makers }
        return tables.pointee.providers[provider].isSecondary || tables.pointee.entries[Int(row)].source != 0 ? .secondary : .hosts
    }

    /// The only row of a circle; among several the one that the name fits best, if it is the only one that well.
    /// The same as asking each of them, by way of the names: most providers do not have most names.
    private func strongest(_ spellings: inout Spellings, in circle: Circle, _ makers: [Bool]) -> CatalogueMatch? {
        var best = Best()
        each(spellings.model) { record in
            guard self.circle(of: Int(record.provider), row: record.entry, makers) == circle else { return }
            let exact = spellings.model.withUnsafeBytes { sameBytes(record.text, $0) }
            best.offer(record, exact ? .exact : .caseFolded)
        }
        if let match = best.match { return match }
        let names = spellings.names(keepsDots: false, isProvider: isProvider)
        let dotted = spellings.names(keepsDots: true, isProvider: isProvider).count
        for (index, name) in names.enumerated().dropFirst() {
            each(name) { record in
                let provider = Int(record.provider)
                guard index < dotted || !tables.pointee.providers[provider].keepsDots,
                    self.circle(of: provider, row: record.entry, makers) == circle
                else { return }
                best.offer(record, .prefixStripped)
            }
        }
        if let match = best.match { return match }
        // From here on the order of the rules is not that of the names: the providers are asked one by one.
        for provider in tables.pointee.providers.indices where makers[provider] == (circle == .makers) {
            if circle == .hosts, tables.pointee.providers[provider].isSecondary { continue }
            guard let match = find(&spellings, in: provider) else { continue }
            if self.circle(of: provider, row: Int32(match.entry), makers) == circle { best.offer(match) }
        }
        return best.match
    }

    /// The best match so far, and whether another provider's fits as well.
    private struct Best {
        private var found: CatalogueMatch?
        private var tied = false

        mutating func offer(_ record: NameRecord, _ rule: MatchRule) {
            offer(CatalogueMatch(entry: Int(record.entry), rule: rule, unpriced: .none, provider: Int(record.provider)))
        }

        mutating func offer(_ match: CatalogueMatch) {
            if let current = found, current.rule.rawValue <= match.rule.rawValue {
                if current.rule == match.rule, current.provider != match.provider { tied = true }
            } else {
                found = match
                tied = false
            }
        }

        var match: CatalogueMatch? { tied ? CatalogueMatch(unpriced: .ambiguousModel) : found }
    }

    /// Every record of a name, in any case.
    private func each(_ name: [UInt8], _ body: (NameRecord) -> Void) {
        var at = name.withUnsafeBytes { tables.pointee.names.first($0) }
        while at >= 0 {
            let record = tables.pointee.names.records[Int(at)]
            body(record)
            at = record.next
        }
    }
}

/// A model's name and its other spellings, each made when it is asked for.
private struct Spellings {
    let model: [UInt8]
    let folded: [UInt8]
    /// The folded name and what is left of it without prefixes; with dots kept, and without.
    private var lists: (kept: [[UInt8]]?, stripped: [[UInt8]]?) = (nil, nil)
    private var shorterLists: (kept: [[UInt8]]?, stripped: [[UInt8]]?) = (nil, nil)

    init(_ model: [UInt8]) {
        self.model = model
        folded = model.map { NameIndex.fold($0) }
    }

    /// The folded name first, then each step of taking off what gateways put before it.
    mutating func names(keepsDots: Bool, isProvider: ([UInt8]) -> Bool) -> [[UInt8]] {
        if let known = keepsDots ? lists.kept : lists.stripped { return known }
        let made = [folded] + ModelName.withoutPrefixes(folded, keepsDots: keepsDots, isProvider: isProvider)
        if keepsDots { lists.kept = made } else { lists.stripped = made }
        return made
    }

    /// Those names without date, version or alias at their end.
    mutating func shorter(keepsDots: Bool, isProvider: ([UInt8]) -> Bool) -> [[UInt8]] {
        if let known = keepsDots ? shorterLists.kept : shorterLists.stripped { return known }
        let made = names(keepsDots: keepsDots, isProvider: isProvider).flatMap { ModelName.withoutSuffixes($0) }
        if keepsDots { shorterLists.kept = made } else { shorterLists.stripped = made }
        return made
    }
}
