// Timestamp: an instant in nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
//
// Text is RFC 3339 with `Z` or a numeric offset and up to nine fraction digits; more digits are cut. Accepted instants run
// from 1970 to the end of 2199, so differences of any two fit Int64 and never trap.

/// An instant: nanoseconds since the Unix epoch, UTC.
@frozen
public struct Timestamp: Equatable, Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    @inlinable public static func < (a: Timestamp, b: Timestamp) -> Bool { a.nanoseconds < b.nanoseconds }

    public static let earliest = Timestamp(nanoseconds: 0)
    /// 2200-01-01T00:00:00Z, the first instant that is refused.
    public static let end = Timestamp(nanoseconds: 7_258_118_400 * 1_000_000_000)
    public static let nanosecondsPerHour: Int64 = 3_600_000_000_000

    /// Whether an event may carry this instant.
    @inlinable public var isAccepted: Bool { nanoseconds >= 0 && nanoseconds < 7_258_118_400 * 1_000_000_000 }
    /// Whole hours since the epoch, rounded down.
    @inlinable public var hour: Int64 {
        let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 3_600_000_000_000)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

/// A date of the proleptic Gregorian calendar.
@frozen
public struct CivilDate: Equatable, Hashable, Sendable {
    public var year: Int
    public var month: Int
    public var day: Int

    @inlinable public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date `days` after 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    public init(daysSinceEpoch days: Int) {
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let mp = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * mp + 2) / 5 + 1
        month = mp < 10 ? mp + 3 : mp - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01 (the same source, days_from_civil).
    public var daysSinceEpoch: Int {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    public static func days(inMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Timestamp {
    /// Reads RFC 3339 (`2026-08-06T00:00:00Z`, `…T02:00:00.25+02:00`); nil when the text is not one. Second 60 is read as
    /// the second after. Years 0000-9999; the caller checks `isAccepted`. Saturates at the ends of Int64.
    public init?(rfc3339 text: UnsafeRawBufferPointer) {
        let n = text.count
        guard n >= 20, n <= 64 else { return nil }
        func number(_ at: Int, _ digits: Int) -> Int? {
            var value = 0
            for k in at..<at + digits {
                let digit = text[k] &- 0x30
                guard digit < 10 else { return nil }
                value = value * 10 + Int(digit)
            }
            return value
        }
        // `2026-08-` and `00:00:00`: with the marks and the zeros of such a text taken away, digits are their values and marks are 0;
        // then each byte becomes ten times itself and the one behind it.
        func pairs(_ at: Int, marks: UInt64, most: UInt64) -> UInt64? {
            let values = UInt64(littleEndian: text.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ marks
            // 0x7F and 0x76 reach the highest bit from 1 and from 10 on.
            guard (values | (values &+ most)) & 0x8080_8080_8080_8080 == 0 else { return nil }
            return values &* 10 &+ (values >> 8)
        }
        func pair(_ pairs: UInt64, _ byte: UInt64) -> Int { Int(truncatingIfNeeded: (pairs >> (byte &* 8)) & 0xFF) }
        guard let date = pairs(0, marks: 0x2D30_302D_3030_3030, most: 0x7F76_767F_7676_7676), let day = number(8, 2),
            text[10] | 0x20 == 0x74, let clock = pairs(11, marks: 0x3030_3A30_303A_3030, most: 0x7676_7F76_767F_7676)
        else { return nil }
        let (year, month) = (pair(date, 0) * 100 + pair(date, 2), pair(date, 5))
        let (hour, minute, second) = (pair(clock, 0), pair(clock, 3), pair(clock, 6))
        guard (1...12).contains(month), day >= 1, day <= CivilDate.days(inMonth: month, year: year), hour < 24, minute < 60, second <= 60
        else { return nil }
        var i = 19
        var fraction: Int64 = 0
        if text[i] == 0x2E {
            i += 1
            let start = i
            while i < n, text[i] &- 0x30 < 10 {
                if i < start + 9 { fraction = fraction * 10 + Int64(text[i] &- 0x30) }
                i += 1
            }
            guard i > start else { return nil }
            if i < start + 9, let power = DecimalText.power(start + 9 - i) { fraction *= Int64(power) }
        }
        guard i < n else { return nil }
        var offset = 0
        if text[i] | 0x20 == 0x7A {
            guard i + 1 == n else { return nil }
        } else {
            guard text[i] == 0x2B || text[i] == 0x2D, i + 6 == n, let hours = number(i + 1, 2), text[i + 3] == 0x3A,
                let minutes = number(i + 4, 2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * 60
            if text[i] == 0x2D { offset = -offset }
        }
        let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
        let seconds = Int64(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = scaled.addingReportingOverflow(fraction)
        nanoseconds = overflow || carry ? (seconds < 0 ? .min : .max) : sum
    }

    public init?(rfc3339 text: String) {
        var copy = text
        guard let value = copy.withUTF8({ Timestamp(rfc3339: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = value
    }
}

extension ByteWriter {
    /// RFC 3339 in UTC with `Z`; a fraction only where there is one, without trailing zeros.
    public mutating func append(rfc3339 time: Timestamp) {
        var seconds = time.nanoseconds / 1_000_000_000
        var fraction = time.nanoseconds % 1_000_000_000
        if fraction < 0 {
            fraction += 1_000_000_000
            seconds -= 1
        }
        var days = seconds / 86_400
        var rest = seconds % 86_400
        if rest < 0 {
            rest += 86_400
            days -= 1
        }
        let date = CivilDate(daysSinceEpoch: Int(days))
        appendPadded(UInt64(max(0, date.year)), digits: 4)
        append(0x2D)
        appendPadded(UInt64(date.month), digits: 2)
        append(0x2D)
        appendPadded(UInt64(date.day), digits: 2)
        append(0x54)
        appendPadded(UInt64(rest / 3600), digits: 2)
        append(0x3A)
        appendPadded(UInt64(rest % 3600 / 60), digits: 2)
        append(0x3A)
        appendPadded(UInt64(rest % 60), digits: 2)
        if fraction != 0 {
            append(0x2E)
            var digits = 9
            while fraction % 10 == 0 {
                fraction /= 10
                digits -= 1
            }
            appendPadded(UInt64(fraction), digits: digits)
        }
        append(0x5A)
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String {
        var writer = ByteWriter(capacity: 40)
        writer.append(rfc3339: self)
        return writer.string
    }
}
