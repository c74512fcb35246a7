// Prices of one's own, before the catalogue's: the more particular one first, within its dates.

internal import Core

extension PriceBook {
    /// Whether there are prices of one's own: only then can a price depend on the feature, or be there without a model.
    public var hasOwnPrices: Bool { !tables.pointee.rules.isEmpty }

    /// Whether there is a price of one's own with this identifier.
    public func hasOwnPrice(id: [UInt8]) -> Bool { tables.pointee.rules.contains { $0.id == id } }

    /// Own prices that were read.
    public var ownPriceCount: Int { tables.pointee.rules.count }

    func addOwnPrices(_ files: [Source]) throws(PriceBookError) {
        for file in files {
            var reader = OwnPriceReader(file: file.name)
            for (price, rates) in try reader.read([UInt8](file.bytes)) {
                guard !tables.pointee.rules.contains(where: { $0.id == price.id }) else {
                    let id = String(decoding: price.id, as: UTF8.self)
                    throw PriceBookError(file: file.name, line: 0, message: "the id '\(id)' is given twice")
                }
                add(price, rates)
            }
        }
    }

    private func add(_ price: OwnPrice, _ rates: [OwnRates]) {
        var rule = price
        let index = Int32(tables.pointee.rules.count)
        if !rule.provider.isEmpty { rule.providerIndex = providerIndex(rule.provider) ?? -1 }
        if !rule.model.isEmpty, !rule.modelIsPattern { rule.row = resolveCatalogue(provider: rule.provider, model: rule.model).entry }
        if !rates.isEmpty {
            rule.entry = tables.pointee.entries.count
            var entry = Entry()
            entry.first = Int32(tables.pointee.periods.count)
            entry.count = 1
            entry.cardFirst = Int32(tables.pointee.cards.count)
            entry.regionFirst = Int32(tables.pointee.regions.count)
            entry.rule = index
            // Highest threshold first, the first that holds counts.
            let sorted = rates.sorted { ($0.tier.rawValue, -$0.above) < ($1.tier.rawValue, -$1.above) }
            tables.pointee.periods.append(Period(from: .min, first: Int32(tables.pointee.selectors.count), count: Int32(sorted.count)))
            for set in sorted {
                let note = CardNote(
                    rateStart: 0, rateCount: 0, minimumTag: -1, minimum: 0, entry: Int32(rule.entry),
                    selector: Int32(tables.pointee.selectors.count), region: -1, rule: index, discounted: false)
                tables.pointee.selectors.append(
                    Selector(above: set.above, card: entry.cardCount, window: -1, tier: set.tier.rawValue, period: entry.first))
                _ = tables.pointee.cards.add(set.table, note: note)
                entry.cardCount += 1
            }
            tables.pointee.entries.append(entry)
            tables.pointee.finish(entry: rule.entry)
        }
        tables.pointee.rules.append(rule)
    }

    func resolveOwn(
        provider: UnsafeRawBufferPointer, model: UnsafeRawBufferPointer, feature: UnsafeRawBufferPointer, catalogue: CatalogueMatch
    ) -> Resolution {
        let providerName = PriceBook.trimmed(provider).map { NameIndex.fold($0) }
        let modelName = PriceBook.trimmed(model).map { NameIndex.fold($0) }
        let featureName = [UInt8](feature)
        let rules = tables.pointee.rules
        let applying = rules.indices.filter { index in
            let rule = rules[index]
            if !rule.feature.isEmpty, rule.feature != featureName { return false }
            if rule.entry < 0, catalogue.entry < 0 { return false }
            return fits(rule, provider: providerName, catalogue) && fits(rule, model: modelName, catalogue)
        }
        let ordered = applying.sorted { rules[$0].rank != rules[$1].rank ? rules[$0].rank > rules[$1].rank : $0 < $1 }
        guard !ordered.isEmpty else { return resolution(of: catalogue) }
        var chain: [Link] = []
        for index in ordered {
            let rule = rules[index]
            let entry = rule.entry >= 0 ? Int32(rule.entry) : discounted(catalogue.entry, Int32(index))
            chain.append(
                Link(
                    from: rule.from, until: rule.until, entry: entry, viaFallback: rule.entry < 0 && catalogue.viaFallback,
                    unpriced: .none))
            if rule.isUnbounded { break }
        }
        if let last = chain.last, last.from != .min || last.until != .max {
            chain.append(
                Link(
                    from: .min, until: .max, entry: Int32(catalogue.entry), viaFallback: catalogue.viaFallback,
                    unpriced: catalogue.unpriced))
        }
        var found = resolution(of: catalogue)
        found.entry = chain.count == 1 ? chain[0].entry : entry(of: chain)
        found.viaFallback = chain.count == 1 && chain[0].viaFallback
        found.unpriced = .none
        if found.match == .none { found.match = .exact }
        return found
    }

    private func fits(_ rule: OwnPrice, provider: [UInt8], _ catalogue: CatalogueMatch) -> Bool {
        if rule.provider.isEmpty || rule.provider == provider { return true }
        return rule.providerIndex >= 0 && rule.providerIndex == catalogue.provider
    }

    /// A name fits by itself, without its gateway's prefix, or because it names the same row.
    private func fits(_ rule: OwnPrice, model: [UInt8], _ catalogue: CatalogueMatch) -> Bool {
        if rule.model.isEmpty { return true }
        if model.isEmpty { return false }
        if rule.row >= 0, rule.row == catalogue.entry { return true }
        let spellings =
            [model] + ModelName.withoutPrefixes(model, keepsDots: false) { head in providerIndex(head) != nil }
        return spellings.contains { name in
            rule.modelIsPattern
                ? rule.model.withUnsafeBytes { glob in name.withUnsafeBytes { Glob.matches(glob, $0) } } : rule.model == name
        }
    }

    /// The row with a rule's discount on every rate, made when it is first needed.
    private func discounted(_ entry: Int, _ rule: Int32) -> Int32 {
        for index in rowCount..<tables.pointee.entries.count {
            let known = tables.pointee.entries[index]
            if known.rule == rule, known.kind == Entry.row, tables.pointee.sameRow(known, tables.pointee.entries[entry]) {
                return Int32(index)
            }
        }
        var clone = tables.pointee.entries[entry]
        let source = Int(clone.cardFirst)
        clone.cardFirst = Int32(tables.pointee.cards.count)
        clone.rule = rule
        if clone.simpleCard >= 0 { clone.simpleCard = clone.cardFirst }
        let share = 1_000_000 - tables.pointee.rules[Int(rule)].discountMillionths
        for i in 0..<Int(clone.cardCount) * (1 + Int(clone.variants)) {
            var table = tables.pointee.cards.table(of: source + i)
            for tag in 0..<Tags.count where table.has(tag) {
                table[tag] = RateText.scaled(table[tag], byMillionths: share) ?? table[tag]
            }
            var note = tables.pointee.cards.notes[source + i]
            note.rule = rule
            note.discounted = true
            note.entry = Int32(tables.pointee.entries.count)
            _ = tables.pointee.cards.add(table, note: note)
        }
        tables.pointee.entries.append(clone)
        return Int32(tables.pointee.entries.count - 1)
    }

    /// The entry of a chain, made once.
    private func entry(of chain: [Link]) -> Int32 {
        for index in rowCount..<tables.pointee.entries.count {
            let known = tables.pointee.entries[index]
            guard known.kind == Entry.chain, Int(known.count) == chain.count else { continue }
            let same = chain.indices.allSatisfy { i in
                let link = tables.pointee.links[Int(known.first) + i]
                return link.entry == chain[i].entry && link.from == chain[i].from && link.until == chain[i].until
                    && link.viaFallback == chain[i].viaFallback && link.unpriced == chain[i].unpriced
            }
            if same { return Int32(index) }
        }
        var made = Entry()
        made.kind = Entry.chain
        made.first = Int32(tables.pointee.links.count)
        made.count = Int32(chain.count)
        for link in chain { tables.pointee.links.append(link) }
        tables.pointee.entries.append(made)
        return Int32(tables.pointee.entries.count - 1)
    }
}

extension PriceTables {
    func sameRow(_ a: Entry, _ b: Entry) -> Bool { a.first == b.first && a.provider == b.provider && a.id.baseAddress == b.id.baseAddress }
}
