// CatalogueReader: the catalogue's text into tables. The format is described in protocol/pricing.md.
//
// Reads each byte about once and allocates nothing per row but the rows. A file is taken whole or refused with the line:
// an unknown word, a rate that is none, a row without a standard rate, dates out of order, a name given twice.

internal import Core

struct CatalogueReader: ~Copyable {
    private let file: String
    private let bytes: Text
    private var at = 0
    private var line = 0
    private var provider = -1
    private var entry = -1
    /// Of the current row.
    private var minimumTag: Int8 = -1
    private var minimum: Int64 = 0
    private var base = false

    /// `bytes` must live as long as the tables.
    init(file: String, bytes: Text) {
        self.file = file
        self.bytes = bytes
    }

    mutating func read(into tables: inout PriceTables) throws(PriceBookError) {
        while at < bytes.count, let base = bytes.baseAddress {
            line += 1
            var end = at
            // Inside by the loop's own condition.
            while end < bytes.count, base.load(fromByteOffset: end, as: UInt8.self) != 0x0A { end += 1 }
            var words = Words(Text(rebasing: bytes[at..<end]))
            at = end + 1
            guard let word = words.next(), word[0] != 0x23 else { continue }
            try directive(word, &words, &tables)
        }
        try finishRow(&tables)
        guard provider >= 0 else { throw error("no provider") }
        tables.providers[provider].patternCount = tables.patterns.count - tables.providers[provider].patternFirst
    }

    private func error(_ message: String) -> PriceBookError { PriceBookError(file: file, line: line, message: message) }

    private mutating func directive(_ word: Text, _ words: inout Words, _ tables: inout PriceTables) throws(PriceBookError) {
        if word.equals("rate") { return try rate(&words, &tables) }
        if word.equals("model") {
            try finishRow(&tables)
            return try model(&words, &tables)
        }
        if word.equals("names") { return try names(&words, &tables) }
        if word.equals("like") { return try like(&words, &tables) }
        if word.equals("version") {
            guard let version = words.next() else { throw error("version without a value") }
            let value = [UInt8](version)
            if tables.version.isEmpty { tables.version = value }
            guard tables.version == value else { throw error("files of two versions") }
            return
        }
        if word.equals("provider") {
            guard provider < 0, let id = words.next() else { throw error("one provider a file") }
            guard !tables.providers.contains(where: { sameBytes($0.id, id) }) else { throw error("a provider in two files") }
            provider = tables.providers.count
            tables.providers.append(Provider(id: id, title: id))
            tables.providers[provider].patternFirst = tables.patterns.count
            return
        }
        guard provider >= 0 else { throw error("no provider yet") }
        if word.equals("minimum") { return try minimum(&words) }
        if word.equals("region") { return try region(&words, &tables) }
        if word.equals("title") {
            tables.providers[provider].title = words.rest
        } else if word.equals("alias") {
            while let next = words.next() { tables.providers[provider].aliases.append(next) }
        } else if word.equals("aliaslike") {
            while let next = words.next() { tables.providers[provider].aliasPatterns.append(next) }
        } else if word.equals("fallback") {
            while let next = words.next() { tables.providers[provider].fallbackNames.append(next) }
        } else if word.equals("maker") {
            while let next = words.next() { tables.providers[provider].makes.append(next) }
        } else if word.equals("source") {
            try source(words.rest, &tables)
        } else if word.equals("also") {
            // Whence some of the row's rates are, for who reads the file.
            guard entry >= 0, words.next() != nil, let kind = words.next(), Tags.named(kind) != nil else { throw error("also whence what") }
        } else if word.equals("secondary") {
            tables.providers[provider].isSecondary = true
        } else if word.equals("dotted") {
            tables.providers[provider].keepsDots = true
        } else {
            throw error("unknown word '\(String(decoding: word, as: UTF8.self))'")
        }
    }

    private mutating func model(_ words: inout Words, _ tables: inout PriceTables) throws(PriceBookError) {
        guard provider >= 0, let id = words.next(), words.next() == nil else { throw error("a model has one identifier") }
        entry = tables.entries.count
        var row = Entry()
        row.first = Int32(tables.periods.count)
        row.regionFirst = Int32(tables.regions.count)
        row.cardFirst = Int32(tables.cards.count)
        row.provider = Int32(provider)
        row.id = id
        tables.entries.append(row)
        minimumTag = -1
        base = true
    }

    /// Before the first row: of the whole file. Inside one: of that row, which the file's own source does not have.
    private func source(_ name: Text, _ tables: inout PriceTables) throws(PriceBookError) {
        guard name.count > 0 else { throw error("source without a name") }
        guard entry >= 0 else {
            tables.providers[provider].source = name
            return
        }
        let known = tables.sources.firstIndex { sameBytes($0, name) }
        guard known != nil || tables.sources.count < 255 else { throw error("too many sources") }
        if known == nil { tables.sources.append(name) }
        tables.entries[entry].source = UInt8((known ?? tables.sources.count - 1) + 1)
    }

    private func names(_ words: inout Words, _ tables: inout PriceTables) throws(PriceBookError) {
        guard entry >= 0 else { throw error("no model yet") }
        while let name = words.next() {
            guard tables.names.add(name, provider: provider, entry: entry) else {
                throw error("name '\(String(decoding: name, as: UTF8.self))' is given twice")
            }
        }
    }

    private func like(_ words: inout Words, _ tables: inout PriceTables) throws(PriceBookError) {
        guard entry >= 0 else { throw error("no model yet") }
        let first = tables.globs.count
        while let glob = words.next() {
            tables.globs.append(glob)
            tables.globLetters.append(Glob.letters(glob))
        }
        guard tables.globs.count > first else { throw error("like without a pattern") }
        tables.patterns.append(Pattern(entry: Int32(entry), first: Int32(first), count: Int32(tables.globs.count - first)))
    }

    private mutating func minimum(_ words: inout Words) throws(PriceBookError) {
        guard let word = words.next(), let pair = Words.split(word), let tag = Tags.named(pair.key), tag >= Tags.seconds,
            case .value(let quantity) = DecimalText.read(pair.value, places: Quantity.scale), quantity > 0
        else { throw error("a minimum is kind=quantity") }
        minimumTag = Int8(tag)
        minimum = quantity
    }

    private func region(_ words: inout Words, _ tables: inout PriceTables) throws(PriceBookError) {
        guard entry >= 0, tables.entries[entry].cardFirst == Int32(tables.cards.count) else { throw error("regions come before rates") }
        while let word = words.next() {
            guard let pair = Words.split(word), case .value(let multiplier) = DecimalText.read(pair.value, places: 6), multiplier > 0,
                multiplier <= 100_000_000
            else { throw error("a region is name=multiplier") }
            var variant: Int32 = 0
            if multiplier != 1_000_000 {
                tables.entries[entry].variants += 1
                variant = tables.entries[entry].variants
            }
            tables.regions.append(Region(pattern: pair.key, multiplier: multiplier, variant: variant))
            tables.entries[entry].regionCount += 1
        }
    }

    // `rate` lines

    private mutating func rate(_ words: inout Words, _ tables: inout PriceTables) throws(PriceBookError) {
        guard entry >= 0 else { throw error("no model yet") }
        var table = RateTable()
        var selector = Selector(above: -1, card: 0, window: -1, tier: 0, period: 0)
        var from = Int64.min
        var window = Window(zoneSeconds: 0, days: 0x7F, first: Int32(tables.spans.count), count: 0)
        var windowed = false
        while let word = words.next() {
            guard let pair = Words.split(word) else { throw error("expected key=value") }
            if let tag = Tags.named(pair.key) {
                guard !table.has(tag), let rate = RateText.read(pair.value) else { throw error("not a rate: \(string(word))") }
                table[tag] = rate
            } else if pair.key.equals("from") {
                guard let time = CatalogueReader.time(pair.value) else { throw error("not a date: \(string(word))") }
                from = time
            } else if pair.key.equals("tier") {
                guard let tier = ServiceTier.allCases.first(where: { pair.value.equals($0.name) }) else { throw error("not a tier") }
                selector.tier = tier.rawValue
            } else if pair.key.equals("above") || pair.key.equals("reaching") {
                guard case .value(let tokens) = DecimalText.read(pair.value, places: Quantity.scale), tokens >= 0 else {
                    throw error("not a threshold: \(string(word))")
                }
                selector.above = pair.key.equals("above") ? tokens : max(0, tokens - 1)
            } else if pair.key.equals("days") {
                guard let days = CatalogueReader.days(pair.value) else { throw error("not days: \(string(word))") }
                window.days = days
                windowed = true
            } else if pair.key.equals("hours") {
                guard CatalogueReader.hours(pair.value, into: &tables.spans) else { throw error("not hours: \(string(word))") }
                windowed = true
            } else if pair.key.equals("zone") {
                guard let zone = CatalogueReader.zone(pair.value) else { throw error("not a zone: \(string(word))") }
                window.zoneSeconds = zone
            } else {
                throw error("unknown condition '\(string(pair.key))'")
            }
        }
        if windowed {
            window.count = Int32(tables.spans.count) - window.first
            selector.window = Int32(tables.windows.count)
            tables.windows.append(window)
        }
        try openPeriod(from, &tables)
        if selector.tier == 0, selector.above < 0, selector.window < 0 { base = true }
        selector.period = Int32(tables.periods.count - 1)
        selector.card = Int32(tables.cards.count) - tables.entries[entry].cardFirst
        let note = CardNote(
            rateStart: 0, rateCount: 0, minimumTag: minimumTag, minimum: minimum, entry: Int32(entry),
            selector: Int32(tables.selectors.count), region: -1, rule: tables.entries[entry].rule, discounted: false)
        tables.selectors.append(selector)
        _ = tables.cards.add(table, note: note)
        tables.periods[tables.periods.count - 1].count += 1
        tables.entries[entry].cardCount += 1
    }

    private mutating func openPeriod(_ from: Int64, _ tables: inout PriceTables) throws(PriceBookError) {
        if tables.entries[entry].count > 0 {
            let last = tables.periods[tables.periods.count - 1].from
            if last == from { return }
            guard from > last else { throw error("dates must ascend") }
            guard base else { throw error("the period before has no standard rate") }
        }
        tables.periods.append(Period(from: from, first: Int32(tables.selectors.count), count: 0))
        tables.entries[entry].count += 1
        base = false
    }

    private mutating func finishRow(_ tables: inout PriceTables) throws(PriceBookError) {
        guard entry >= 0 else { return }
        guard base, tables.entries[entry].count > 0 else { throw error("the row before has no standard rate") }
        // A line of regions multiplies the cards of its row: the text does not bound them.
        let (cards, variants) = (Int(tables.entries[entry].cardCount), Int(tables.entries[entry].variants))
        guard tables.cards.count + cards * variants <= Limits.catalogueCards else {
            throw error("more than \(Limits.catalogueCards) cards")
        }
        tables.finish(entry: entry)
        entry = -1
    }

    private func string(_ text: Text) -> String { String(decoding: text, as: UTF8.self) }
}

extension PriceTables {
    /// Adds the cards of a row's regions and finds out whether the row has one card only.
    mutating func finish(entry index: Int) {
        let row = entries[index]
        for variant in 0..<Int(row.variants) {
            var region = 0
            for i in 0..<Int(row.regionCount) where regions[Int(row.regionFirst) + i].variant == Int32(variant + 1) {
                region = Int(row.regionFirst) + i
            }
            for i in 0..<Int(row.cardCount) {
                var table = cards.table(of: Int(row.cardFirst) + i)
                // Tokens only: searches and other calls cost the same everywhere.
                for tag in 0..<Tags.seconds where table.has(tag) {
                    table[tag] = RateText.scaled(table[tag], byMillionths: regions[region].multiplier) ?? table[tag]
                }
                var note = cards.notes[Int(row.cardFirst) + i]
                note.region = Int32(region)
                _ = cards.add(table, note: note)
            }
        }
        let only = row.cardCount == 1 && row.variants == 0 && selectors[Int(periods[Int(row.first)].first)].window < 0
        if only, periods[Int(row.first)].from == .min { entries[index].simpleCard = row.cardFirst }
    }
}
