// LocalDates: a stretch of time cut where the local date of a zone changes.
//
// Segments, not days: where clocks go back over midnight a date comes, goes and comes again (St. John's did at 00:01), and
// where a zone moved across the date line a date never comes. Finding the segment of an instant gives its date exactly.

internal import Core

struct LocalDates {
    private static let second: Int64 = 1_000_000_000
    /// First instant of each segment, nanoseconds, ascending; the first is the start of the stretch.
    private(set) var starts: [Int64] = []
    /// Its date, in days since 1970-01-01.
    private(set) var dates: [Int32] = []

    /// Cuts `from` (inclusive) to `to` (exclusive), nanoseconds, both from 1970 to 2200.
    init(from: Int64, to: Int64, in zone: TimeZoneRules) {
        guard from < to else { return }
        let last = (to - 1) / LocalDates.second
        var at = from / LocalDates.second
        while at <= last {
            let (offset, until) = zone.offset(at: at)
            let local = at + Int64(offset)
            var day = local / 86_400
            if local % 86_400 < 0 { day -= 1 }
            if dates.last != Int32(day) {
                starts.append(max(from, at * LocalDates.second))
                dates.append(Int32(day))
            }
            at = min((day + 1) * 86_400 - Int64(offset), until)
        }
    }

    /// The local date at an instant inside the stretch.
    func date(at nanoseconds: Int64) -> Int32 {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= nanoseconds { low = middle + 1 } else { high = middle }
        }
        return dates[max(0, low - 1)]
    }
}

/// Months since January of year 0.
func monthNumber(ofDay day: Int32) -> Int32 {
    let date = CivilDate(daysSinceEpoch: Int(day))
    return Int32(date.year * 12 + date.month - 1)
}
