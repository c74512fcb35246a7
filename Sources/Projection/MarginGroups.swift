// MarginGroups: the groups of a margins query while they are being summed, and the rollup rows that go into them.

internal import CSQLite
internal import Core

struct MarginGroups: ~Copyable {
    let groupBy: [Grouping]
    private(set) var table = CellTable()
    private(set) var totals = Figures()
    /// There are more groups than may be. Totals go on being right; the table does not.
    private(set) var isFull = false
    /// Local dates of the range; needed when days or months are grouped by.
    var dates: LocalDates?

    private let customer: Bool
    private let feature: Bool
    private let model: Bool
    private let provider: Bool
    private let eventName: Bool
    private let hour: Bool
    private let day: Bool
    private let month: Bool

    init(_ groupBy: [Grouping]) {
        self.groupBy = groupBy
        customer = groupBy.contains(.customer)
        feature = groupBy.contains(.feature)
        model = groupBy.contains(.model)
        provider = groupBy.contains(.provider)
        eventName = groupBy.contains(.eventName)
        hour = groupBy.contains(.hour)
        day = groupBy.contains(.day)
        month = groupBy.contains(.month)
    }

    /// What a query is answered that makes more groups than may be.
    static let tooMany = QueryError.refused(
        status: 400, code: "validation_failed",
        message: "More than \(Limits.marginGroups) groups: ask for a shorter range or fewer groupings")

    /// Whether rows of all customers together will not do.
    var needsCustomers: Bool { customer }
    /// Whether rows of customers alone will not do.
    var needsOtherNames: Bool { feature || model || provider || eventName }

    /// Adds figures of events at `time` (nanoseconds): of one event its own, of a row the start of the row.
    /// The result is the number of the group; -1 when there are more than may be.
    @discardableResult
    @inline(__always) mutating func add(_ key: CellKey, at time: Int64, _ figures: borrowing Figures) -> Int {
        totals.add(figures)
        var group = CellKey()
        if customer { group.customer = key.customer }
        if feature { group.feature = key.feature }
        if model { group.model = key.model }
        if provider { group.provider = key.provider }
        if eventName { group.eventName = key.eventName }
        if hour { group.hour = key.hour }
        if day || month, let dates {
            let date = dates.date(at: time)
            if day { group.day = date }
            if month { group.month = monthNumber(ofDay: date) }
        }
        if table.count >= Limits.marginGroups, table.existing(group) == nil {
            isFull = true
            return -1
        }
        let number = table.find(group)
        table.add(figures, to: number)
        return number
    }

    /// Numbers of the groups in the order of the answer: by time where time is grouped by, then the most expensive first,
    /// then in the order their names first appeared in the journal.
    func sorted() -> [Int] {
        let cells = table.all
        // Where everything was taken out again there is nothing to show.
        return cells.indices.filter { cells[$0].figures.events != 0 }.sorted { a, b in
            let x = cells[a]
            let y = cells[b]
            if x.key.month != y.key.month { return x.key.month < y.key.month }
            if x.key.day != y.key.day { return x.key.day < y.key.day }
            if x.key.hour != y.key.hour { return x.key.hour < y.key.hour }
            if x.figures.cost != y.figures.cost { return x.figures.cost > y.figures.cost }
            if x.key.customer != y.key.customer { return x.key.customer < y.key.customer }
            return Bucket.isBefore(Bucket(x.key), Bucket(y.key))
        }
    }
}

extension Books {
    /// Adds the rows of a run that fit the filter.
    func read(_ run: MarginsPlan.Run, _ filter: ResolvedFilter, into groups: inout MarginGroups) throws(QueryError) {
        var rows = Schema.Rows.each
        if filter.customer == noString, !groups.needsCustomers {
            rows = .together
        } else if run.span != .hour, !groups.needsOtherNames, !filter.hasOtherNames {
            rows = .customers
        }
        do {
            try read(run.span, rows, Int64(run.from)..<Int64(run.to), filter, &groups)
        } catch {
            throw .sqlite(error)
        }
    }

    private func read(
        _ span: Schema.Span, _ rows: Schema.Rows, _ range: Range<Int64>, _ filter: ResolvedFilter, _ groups: inout MarginGroups
    ) throws(SQLiteError) {
        guard filter.customer != noString else {
            readRange.bind(1, span.code(rows))
            readRange.bind(2, range.lowerBound)
            readRange.bind(3, range.upperBound)
            return try add(readRange, filter, &groups)
        }
        // The customer stands behind the start in the key: from one start that exists to the next.
        var start = range.lowerBound
        while true {
            nextStart.bind(1, span.code(rows))
            nextStart.bind(2, start)
            nextStart.bind(3, range.upperBound)
            guard try nextStart.step() else { return }
            start = nextStart.integer(0)
            nextStart.reset()
            readCustomer.bind(1, span.code(rows))
            readCustomer.bind(2, start)
            readCustomer.bind(3, Int64(filter.customer))
            try add(readCustomer, filter, &groups)
            start += 1
        }
    }

    private func add(_ rows: Statement, _ filter: ResolvedFilter, _ groups: inout MarginGroups) throws(SQLiteError) {
        while try rows.step() {
            let key = Books.key(rows)
            guard filter.matches(key) else { continue }
            groups.add(key, at: Int64(key.hour) * Timestamp.nanosecondsPerHour, Books.figures(rows))
        }
    }

    /// Columns of `Schema.readRollups`.
    @inline(__always) static func key(_ row: Statement) -> CellKey {
        var key = CellKey()
        key.hour = Int32(truncatingIfNeeded: row.integer(0))
        key.customer = StringID(truncatingIfNeeded: row.integer(1))
        key.feature = StringID(truncatingIfNeeded: row.integer(2))
        key.model = StringID(truncatingIfNeeded: row.integer(3))
        key.provider = StringID(truncatingIfNeeded: row.integer(4))
        key.eventName = StringID(truncatingIfNeeded: row.integer(5))
        return key
    }

    /// From the column of the count of events on.
    @inline(__always) static func figures(_ row: Statement, at first: Int32 = 6) -> Figures {
        var figures = Figures()
        figures.events = row.integer(first)
        figures.unpriced = row.integer(first + 1)
        figures.usageUnits = SplitSum.joined(row.integer(first + 2), row.integer(first + 3))
        figures.inputTokens = SplitSum.joined(row.integer(first + 4), row.integer(first + 5))
        figures.outputTokens = SplitSum.joined(row.integer(first + 6), row.integer(first + 7))
        figures.cost = SplitSum.joined(row.integer(first + 8), row.integer(first + 9))
        figures.revenue = SplitSum.joined(row.integer(first + 10), row.integer(first + 11))
        return figures
    }

    /// All-time figures of a customer, as far as they are in the file.
    func totals(of customer: StringID) throws(SQLiteError) -> Figures {
        var sum = Figures()
        readCustomer.bind(1, Schema.Span.all.code(.customers))
        readCustomer.bind(2, 0)
        readCustomer.bind(3, Int64(customer))
        while try readCustomer.step() { sum.add(Books.figures(readCustomer)) }
        try readRecent(of: customer, where: { _ in true }) { sum.add($1) }
        return sum
    }
}
