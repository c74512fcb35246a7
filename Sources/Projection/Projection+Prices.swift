// Prices for people: which models there are, what decides the price of one, models without a price, second opinions. From the price book
// that is in force, made of the same texts by the same code as the one that prices events.

internal import Core
internal import Pricing

extension Projection {
    // MARK: - All of them

    func models(_ query: ModelsQuery, at now: Timestamp) throws(QueryError) -> ByteWriter {
        let book = try priceBook(query.prices)
        let rows = matching(query, book)
        var json = ByteWriter(capacity: 16 * 1024)
        json.append("{\"catalogueVersion\":")
        json.append(jsonString: book.version)
        json.append(",\"own\":[")
        var isFirst = true
        for price in book.ownRows() where fits(price, query) {
            if !isFirst { json.append(0x2C) }
            isFirst = false
            json.append(price, at: now)
        }
        json.append("],\"items\":[")
        let page = rows.dropFirst(query.offset).prefix(query.limit)
        for (place, row) in page.enumerated() {
            if place > 0 { json.append(0x2C) }
            json.append(row.row, row.card(book, at: now), version: book.version)
        }
        json.append("],\"pagination\":")
        json.appendPagination(
            total: rows.count, limit: query.limit, offset: query.offset, count: page.count)
        json.append(0x7D)
        return json
    }

    /// A line for each standard rate of each model, in the order of the list; `place` is how many models were taken.
    func exportModels(_ query: ModelsQuery, _ export: ExportQuery) throws(QueryError) -> QueryAnswer {
        let book = try priceBook(query.prices)
        let matches = matching(query, book)
        var rows = ItemRows(
            export.format, columns: ["modelProvider", "model", "kind", "rate", "row", "source"],
            isFirst: export.place == nil)
        var next = Int(clamping: export.place ?? 0)
        while next < matches.count, rows.text.count < Limits.exportPageBytes {
            let row = matches[next]
            if let card = row.card(book, at: query.at) {
                for rate in card.rates {
                    try rows.add { (json) throws(QueryError) in
                        json.append("{\"modelProvider\":")
                        json.append(jsonString: row.row.provider)
                        json.append(",\"model\":")
                        json.append(jsonString: row.row.id)
                        json.append(",\"kind\":")
                        json.append(jsonString: rate.kind)
                        json.append(",\"rate\":")
                        json.appendDecimal(rate.rate, places: 15)
                        json.append(",\"row\":")
                        json.append(jsonString: card.row)
                        json.append(",\"source\":")
                        json.append(jsonString: row.row.source)
                        json.append(0x7D)
                    }
                }
            }
            next += 1
        }
        var answer = QueryAnswer(data: rows.text.array)
        if next < matches.count { answer.next = UInt64(next) }
        return answer
    }

    /// Prices of one's own, a line each; there are at most `Limits.ownPrices` and those of files.
    func exportOwn(_ query: ModelsQuery, _ export: ExportQuery) throws(QueryError) -> QueryAnswer {
        let book = try priceBook(query.prices)
        let columns = [
            "id", "source", "modelProvider", "model", "featureKey", "from", "until", "inForce", "discountPercent", "cards",
        ]
        return try pages(export, columns, of: book.ownRows().filter { fits($0, query) }) { (price, json) throws(QueryError) in
            json.append(price, at: query.at)
        }
    }

    /// The next page of a list that is worked out anew for each; `place` is how many were taken.
    private func pages<Item>(
        _ export: ExportQuery, _ columns: [String], of items: [Item], _ write: (Item, inout ByteWriter) throws(QueryError) -> Void
    ) throws(QueryError) -> QueryAnswer {
        var rows = ItemRows(export.format, columns: columns, isFirst: export.place == nil)
        var next = Int(clamping: export.place ?? 0)
        while next < items.count, rows.text.count < Limits.exportPageBytes {
            try rows.add { (json) throws(QueryError) in try write(items[next], &json) }
            next += 1
        }
        var answer = QueryAnswer(data: rows.text.array)
        if next < items.count { answer.next = UInt64(next) }
        return answer
    }

    private struct Match {
        var row: CatalogueRow
        var index: Int32

        func card(_ book: PriceBook, at now: Timestamp) -> RateCard? {
            let nobody = UnsafeRawBufferPointer(start: nil, count: 0)
            return RateCard(
                Resolution(
                    entry: index, match: .exact, unpriced: .none, viaFallback: false, provider: nobody), book,
                at: now)
        }
    }

    private func matching(_ query: ModelsQuery, _ book: PriceBook) -> [Match] {
        let search = query.search.map { TextSearch($0) }
        return book.rows().enumerated().compactMap { (index, row) -> Match? in
            guard isSame(query.provider, row.provider, book) else { return nil }
            if let search, ![row.id, row.provider].contains(where: { text in search.isIn(text) }),
                !row.names.contains(where: { search.isIn($0) })
            {
                return nil
            }
            return Match(row: row, index: Int32(index))
        }.sorted { ($0.row.provider, $0.row.id) < ($1.row.provider, $1.row.id) }
    }

    private func isSame(_ wanted: [UInt8]?, _ provider: String, _ book: PriceBook) -> Bool {
        guard let wanted, !wanted.isEmpty else { return true }
        return wanted.withUnsafeBytes { a in
            Array(provider.utf8).withUnsafeBytes { book.isSameProvider(a, $0) }
        }
    }

    private func fits(_ price: OwnPriceRow, _ query: ModelsQuery) -> Bool {
        if let provider = query.provider, !provider.isEmpty, let own = price.provider,
            own != String(decoding: provider, as: UTF8.self).lowercased()
        {
            return false
        }
        guard let search = query.search else { return true }
        let text = TextSearch(search)
        return [price.id, price.model ?? "", price.provider ?? "", price.feature ?? ""].contains {
            text.isIn($0)
        }
    }

    // MARK: - One of them

    func model(_ query: ModelQuery) throws(QueryError) -> ByteWriter {
        let book = try priceBook(query.prices)
        let found = query.provider.withUnsafeBytes { provider in
            query.model.withUnsafeBytes { model in
                query.feature.withUnsafeBytes {
                    book.resolve(provider: provider, model: model, feature: $0)
                }
            }
        }
        let steps = changes(found, book)
        var json = ByteWriter(capacity: 4096)
        json.append("{\"model\":")
        json.append(jsonString: query.model)
        json.append(",\"modelProvider\":")
        if found.provider.count > 0 {
            json.append(jsonString: found.provider)
        } else if query.provider.isEmpty {
            json.append("null")
        } else {
            json.append(jsonString: query.provider)
        }
        json.append(",\"match\":\"")
        json.append(found.match.name)
        json.append("\",\"unpricedReason\":")
        append(reasonOf: found, to: &json)
        json.append(",\"changes\":[")
        for (place, change) in steps.enumerated() {
            if place > 0 { json.append(0x2C) }
            json.append("{\"from\":")
            json.append(instant: change.from)
            json.append(",\"source\":")
            if let card = change.card { json.append(jsonString: card.row) } else { json.append("null") }
            json.append(",\"rates\":")
            json.append(change.card?.rates ?? [])
            json.append(",\"cards\":[")
            for (number, card) in change.cards.enumerated() {
                if number > 0 { json.append(0x2C) }
                json.append(card)
            }
            json.append("]}")
        }
        json.append("]}")
        return json
    }

    private struct Change {
        /// nil: as far back as anybody knows.
        var from: Timestamp?
        /// nil: no price from here on.
        var card: RateCard?
        /// Every set of rates of the same row that begins with it.
        var cards: [RateCard] = []
    }

    private static let beginning = Timestamp(nanoseconds: 0)

    /// What a model's standard rates were, are and will be, oldest first: at every instant at which a price of one's own or a dated rate
    /// begins or ends.
    private func changes(_ found: Resolution, _ book: PriceBook) -> [Change] {
        guard found.entry >= 0 else { return [] }
        var instants = Set([Projection.beginning])
        for price in book.ownRows() {
            instants.formUnion([price.from, price.until].compactMap(\.self))
        }
        var cards: [String: [RateCard]] = [:]
        var todo = Array(instants)
        // A source that comes into force at one of them may have dates of its own.
        while let instant = todo.popLast() {
            guard let card = RateCard(found, book, at: instant), cards[card.row] == nil else { continue }
            let all = Projection.cards(of: card.row, book)
            cards[card.row] = all
            for from in all.compactMap(\.from) where instants.insert(from).inserted { todo.append(from) }
        }
        var changes: [Change] = []
        for instant in instants.sorted() {
            let card = RateCard(found, book, at: instant)
            if let last = changes.last, last.card == card { continue }
            if changes.isEmpty, card == nil { continue }
            let others =
                card.map { card in (cards[card.row] ?? []).filter { $0.from == card.from } } ?? []
            changes.append(
                Change(from: instant == Projection.beginning ? nil : instant, card: card, cards: others))
        }
        return changes
    }

    private static func cards(of row: String, _ book: PriceBook) -> [RateCard] {
        var cards: [RateCard] = []
        var text = ByteWriter(capacity: 256)
        for number in book.plainCards {
            text.reset()
            book.derivation(card: Int32(number), into: &text)
            guard text.string.hasPrefix(row), let card = RateCard(text.string), card.row == row,
                !cards.contains(card)
            else { continue }
            cards.append(card)
        }
        return cards
    }

    // MARK: - Without a price

    func unpriced(_ query: UnpricedQuery, freshAsOf: Timestamp) throws(QueryError) -> ByteWriter {
        let book = try priceBook(query.prices)
        var json = ByteWriter(capacity: 4096)
        json.append("{\"items\":[")
        for (place, one) in try withoutPrice(query).prefix(Limits.marginItems).enumerated() where json.count < Limits.answerBytes {
            if place > 0 { json.append(0x2C) }
            try append(one, book, to: &json)
        }
        json.append("],\"freshAsOf\":\"")
        json.append(rfc3339: freshAsOf)
        json.append("\"}")
        return json
    }

    func exportUnpriced(_ query: UnpricedQuery, _ export: ExportQuery) throws(QueryError) -> QueryAnswer {
        let book = try priceBook(query.prices)
        let columns = ["modelProvider", "model", "events", "reason", "hasPrice"]
        return try pages(export, columns, of: withoutPrice(query)) { (one, json) throws(QueryError) in
            try append(one, book, to: &json)
        }
    }

    private typealias Unpriced = (key: CellKey, events: Int64)

    /// Providers and models with events that have no cost, the most events first.
    private func withoutPrice(_ query: UnpricedQuery) throws(QueryError) -> [Unpriced] {
        guard books != nil else { throw QueryError.unavailable }
        var filter = EventFilter()
        filter.from = query.from
        filter.to = query.to
        let groups = try marginGroups(
            MarginsQuery(groupBy: [.provider, .model], filter: filter, timezone: []))
        let without = groups.table.all.filter { $0.figures.unpriced > 0 }.map {
            (key: $0.key, events: $0.figures.unpriced)
        }
        return without.indices.sorted { a, b in
            without[a].events == without[b].events ? a < b : without[a].events > without[b].events
        }.map { without[$0] }
    }

    private func append(_ one: Unpriced, _ book: PriceBook, to json: inout ByteWriter) throws(QueryError) {
        guard let books else { throw QueryError.unavailable }
        let provider =
            try QueryError.wrap { () throws(SQLiteError) in try books.lookups.text(one.key.provider) } ?? []
        let model =
            try QueryError.wrap { () throws(SQLiteError) in try books.lookups.text(one.key.model) } ?? []
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        let found = provider.withUnsafeBytes { provider in
            model.withUnsafeBytes { book.resolve(provider: provider, model: $0, feature: none) }
        }
        json.append("{\"modelProvider\":")
        try books.lookups.append(name: one.key.provider, to: &json)
        json.append(",\"model\":")
        try books.lookups.append(name: one.key.model, to: &json)
        json.append(",\"events\":")
        json.append(integer: one.events)
        json.append(",\"reason\":")
        append(reasonOf: found, to: &json)
        json.append(",\"hasPrice\":")
        json.append(found.entry >= 0)
        json.append(0x7D)
    }

    /// Why nothing is priced by it; null when something is.
    private func append(reasonOf found: Resolution, to json: inout ByteWriter) {
        guard found.entry < 0 else { return json.append("null") }
        json.append(0x22)
        json.append(found.unpriced.name)
        json.append(0x22)
    }

    // MARK: - Second opinions

    func disagreements(_ query: ModelsQuery) throws(QueryError) -> ByteWriter {
        let found = try differing(query)
        var json = ByteWriter(capacity: 8192)
        json.append("{\"items\":[")
        let page = found.dropFirst(query.offset).prefix(query.limit)
        for (place, one) in page.enumerated() {
            if place > 0 { json.append(0x2C) }
            json.append(one)
        }
        json.append("],\"pagination\":")
        json.appendPagination(
            total: found.count, limit: query.limit, offset: query.offset, count: page.count)
        json.append(0x7D)
        return json
    }

    func exportDisagreements(_ query: ModelsQuery, _ export: ExportQuery) throws(QueryError) -> QueryAnswer {
        let columns = ["modelProvider", "model", "kind", "chosenSource", "chosenRate", "otherSource", "otherRate"]
        return try pages(export, columns, of: differing(query)) { (one, json) throws(QueryError) in json.append(one) }
    }

    private func differing(_ query: ModelsQuery) throws(QueryError) -> [Disagreement] {
        let book = try priceBook(query.prices)
        let search = query.search.map { TextSearch($0) }
        return Disagreements.all().filter { one in
            isSame(query.provider, one.provider, book)
                && (search.map { $0.isIn(one.model) || $0.isIn(one.provider) } ?? true)
        }
    }
}

extension TextSearch {
    fileprivate func isIn(_ text: String) -> Bool { Array(text.utf8).withUnsafeBytes { isIn($0) } }
}

extension ByteWriter {
    fileprivate mutating func append(_ row: CatalogueRow, _ card: RateCard?, version: String) {
        append("{\"modelProvider\":")
        append(jsonString: row.provider)
        append(",\"model\":")
        append(jsonString: row.id)
        append(",\"names\":[")
        for (place, name) in row.names.enumerated() {
            if place > 0 { append(0x2C) }
            append(jsonString: name)
        }
        append("],\"row\":")
        append(jsonString: "catalogue:\(version):\(row.provider)/\(row.id)")
        append(",\"source\":")
        append(jsonString: row.source)
        append(",\"cards\":")
        append(integer: Int64(row.derivations.count))
        append(",\"rates\":")
        append(card?.rates ?? [])
        append(0x7D)
    }

    fileprivate mutating func append(_ one: Disagreement) {
        append("{\"modelProvider\":")
        append(jsonString: one.provider)
        append(",\"model\":")
        append(jsonString: one.model)
        append(",\"kind\":")
        append(jsonString: one.kind)
        append(",\"chosenSource\":")
        append(jsonString: one.chosenSource)
        append(",\"chosenRate\":")
        append(jsonString: one.chosenRate)
        append(",\"otherSource\":")
        append(jsonString: one.otherSource)
        append(",\"otherRate\":")
        append(jsonString: one.otherRate)
        append(0x7D)
    }

    fileprivate mutating func append(_ price: OwnPriceRow, at now: Timestamp) {
        append("{\"id\":")
        append(jsonString: price.id)
        for (label, text) in [
            ("modelProvider", price.provider), ("model", price.model), ("featureKey", price.feature),
        ] {
            guard let text else { continue }
            append(0x2C)
            append(jsonString: label)
            append(0x3A)
            append(jsonString: text)
        }
        for (label, instant) in [("from", price.from), ("until", price.until)] {
            guard let instant else { continue }
            append(0x2C)
            append(jsonString: label)
            append(0x3A)
            append(instant: instant)
        }
        append(",\"inForce\":")
        append(price.holds(at: now))
        append(",\"source\":\"")
        append(price.file == PriceTexts.name(ofSet: Array(price.id.utf8)) ? "api" : "file")
        append(0x22)
        if let discount = price.discount {
            append(",\"discountPercent\":")
            appendDecimal(Int128(discount), places: 4)
        } else {
            append(",\"cards\":[")
            for (place, card) in price.derivations.compactMap({ RateCard($0) }).enumerated() {
                if place > 0 { append(0x2C) }
                append(card)
            }
            append("]")
        }
        append(0x7D)
    }

    fileprivate mutating func appendPagination(total: Int, limit: Int, offset: Int, count: Int) {
        append("{\"total\":")
        append(integer: Int64(total))
        append(",\"limit\":")
        append(integer: Int64(limit))
        append(",\"offset\":")
        append(integer: Int64(offset))
        append(",\"hasMore\":")
        append(count > 0 && offset + count < total)
        append(0x7D)
    }
}
