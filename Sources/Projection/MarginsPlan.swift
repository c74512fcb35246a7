// MarginsPlan: which rollup rows and which hours of the journal together hold exactly the events of a range.
//
// Rollup rows cover whole UTC hours, days, months, or everything. The range is cut at its own edges and wherever the local
// date (or month) changes that is asked for. Hours that such a cut goes through cannot be taken from a row: their events
// are read from the journal. All other hours are taken from the coarsest rows that lie inside one piece. Where the range begins before the
// first event or ends after the last one, nothing stands beyond: a row may reach over that edge.

internal import Core

struct MarginsPlan {
    /// Rows of one span whose `start` lies in `from ..< to` (hours since 1970).
    struct Run: Equatable {
        var span: Schema.Span
        var from: Int32
        var to: Int32
    }

    private static let hour = Timestamp.nanosecondsPerHour

    private(set) var runs: [Run] = []
    /// Hours to take from the journal, ascending.
    private(set) var eventHours: [Int32] = []
    /// The whole range is taken from the journal.
    private(set) var readsEverything = false
    /// Exact range in nanoseconds; never wider than what there is, in whole hours.
    private(set) var from: Int64 = 0
    private(set) var to: Int64 = 0
    /// Local dates over the range, when days or months are asked for.
    private(set) var dates: LocalDates?

    /// `earliest` and `latest` are the times of the first and last event there is.
    init(_ filter: ResolvedFilter, groupBy: [Grouping], zone: TimeZoneRules?, earliest: Int64, latest: Int64) {
        guard earliest <= latest else { return }
        let firstHour = earliest / MarginsPlan.hour
        let endHour = latest / MarginsPlan.hour + 1
        from = max(filter.from, firstHour * MarginsPlan.hour)
        to = min(filter.to, endHour * MarginsPlan.hour)
        guard from < to else { return }
        if let zone { dates = LocalDates(from: from, to: to, in: zone) }
        if filter.needsEvents {
            readsEverything = true
            return
        }
        let hours = groupBy.contains(.hour)
        let coarsest: Schema.Span = hours ? .hour : groupBy.contains(.day) ? .day : .month
        if dates == nil, !hours, from == firstHour * MarginsPlan.hour, to == endHour * MarginsPlan.hour {
            runs = [Run(span: .all, from: 0, to: 1)]
            return
        }
        var pieces: [Int64] = [from]
        if let dates {
            let byMonth = !groupBy.contains(.day)
            for index in dates.starts.indices.dropFirst()
            where !byMonth || monthNumber(ofDay: dates.dates[index]) != monthNumber(ofDay: dates.dates[index - 1]) {
                pieces.append(dates.starts[index])
            }
        }
        pieces.append(to)
        let isOpen = (from == firstHour * MarginsPlan.hour, to == endHour * MarginsPlan.hour)
        for index in 1..<pieces.count {
            var (start, end) = (pieces[index - 1], pieces[index])
            if isOpen.0, index == 1 { start = MarginsPlan.begin(start, coarsest) }
            if isOpen.1, index == pieces.count - 1 { end = MarginsPlan.end(end, coarsest) }
            add(start, end, coarsest)
        }
    }

    /// The beginning of the row that a whole hour is in.
    private static func begin(_ time: Int64, _ span: Schema.Span) -> Int64 {
        let first = Int32(time / hour)
        return Int64(span == .hour ? first : span == .day ? first / 24 * 24 : Books.monthStart(first)) * hour
    }

    /// The end of the row that the hour before a whole hour is in.
    private static func end(_ time: Int64, _ span: Schema.Span) -> Int64 {
        let last = Int32(time / hour) - 1
        return Int64(span == .hour ? last + 1 : span == .day ? last / 24 * 24 + 24 : monthEnd(Books.monthStart(last))) * hour
    }

    /// Adds one piece of the range.
    private mutating func add(_ start: Int64, _ end: Int64, _ coarsest: Schema.Span) {
        let first = Int32((start + MarginsPlan.hour - 1) / MarginsPlan.hour)
        let last = Int32(end / MarginsPlan.hour)
        if start % MarginsPlan.hour != 0 { addEventHour(first - 1) }
        if end % MarginsPlan.hour != 0 { addEventHour(last) }
        var at = first
        while at < last {
            if coarsest != .hour, at % 24 == 0 {
                let month = MarginsPlan.monthEnd(at)
                if coarsest == .month, Books.monthStart(at) == at, month <= last {
                    addRun(.month, at, month)
                    at = month
                    continue
                }
                if at + 24 <= last {
                    addRun(.day, at, at + 24)
                    at += 24
                    continue
                }
            }
            let next = coarsest == .hour ? last : min(last, (at / 24 + 1) * 24)
            addRun(.hour, at, next)
            at = next
        }
    }

    private static func monthEnd(_ hour: Int32) -> Int32 {
        let date = CivilDate(daysSinceEpoch: Int(hour / 24))
        let next =
            date.month == 12 ? CivilDate(year: date.year + 1, month: 1, day: 1) : CivilDate(year: date.year, month: date.month + 1, day: 1)
        return Int32(next.daysSinceEpoch * 24)
    }

    private mutating func addEventHour(_ hour: Int32) {
        if eventHours.last != hour { eventHours.append(hour) }
    }

    /// Adds rows, joining them to the last run where they follow it.
    private mutating func addRun(_ span: Schema.Span, _ from: Int32, _ to: Int32) {
        if let last = runs.indices.last, runs[last].span == span, runs[last].to == from {
            runs[last].to = to
        } else {
            runs.append(Run(span: span, from: from, to: to))
        }
    }

    /// Whether the events of an hour are taken from the journal.
    func readsEvents(of hour: Int32) -> Bool {
        if readsEverything { return true }
        let index = firstIndex(notBefore: hour)
        return index < eventHours.count && eventHours[index] == hour
    }

    /// Whether any hour from the one of `earliest` to the one of `latest` is taken from the journal.
    func readsEvents(from earliest: Int64, to latest: Int64) -> Bool {
        if readsEverything { return earliest < to && latest >= from }
        let index = firstIndex(notBefore: Int32(clamping: earliest / MarginsPlan.hour))
        return index < eventHours.count && eventHours[index] <= Int32(clamping: latest / MarginsPlan.hour)
    }

    /// Whether an hour of the delta is in the range as a whole.
    func takesHour(_ hour: Int32) -> Bool {
        let start = Int64(hour) * MarginsPlan.hour
        return !readsEverything && start >= from && start + MarginsPlan.hour <= to && !readsEvents(of: hour)
    }

    private func firstIndex(notBefore hour: Int32) -> Int {
        var low = 0
        var high = eventHours.count
        while low < high {
            let middle = (low + high) / 2
            if eventHours[middle] < hour { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
