// TimeZoneRules: the offset of local time from UTC at any instant, of a zone of the tz database, for days and months of a
// margins query.
//
// Reads TZif files (RFC 8536) of version 2 or later: the 64-bit transitions, then the rule of the footer (a POSIX TZ string with
// the extension to hours of -167 to 167), expanded into transitions up to the year 2200, where accepted instants end. So a
// lookup is one search in one sorted array, for far dates as for near ones.
//
// Guarantees: every read is inside the file's bytes; a file that does not add up is an unknown zone, never a guess. Refuses:
// names that are not made of letters, digits, `_`, `+`, `-` and single `/`, so that a name cannot become a path elsewhere;
// `right/` (leap seconds), `posix/` and `localtime`, which are not IANA names.

internal import Core
import Glibc

struct TimeZoneRules: Sendable {
    /// Seconds since the epoch, ascending; offset `i` holds from transition `i` on.
    private(set) var transitions: [Int64] = []
    /// Seconds east of UTC.
    private(set) var offsets: [Int32] = []
    /// Before the first transition.
    private(set) var initial: Int32 = 0

    static let utc = TimeZoneRules()
    static let directory = "/usr/share/zoneinfo/"
    private static let fileLimit = 64 * 1024
    private static let nameLimit = 64
    private static let lastYear = 2200

    private init() {}

    /// Loads a zone; nil when the name is not one or its file is missing or malformed. Empty means UTC.
    init?(name: [UInt8]) {
        if name.isEmpty || name == Array("UTC".utf8) { return }
        guard TimeZoneRules.isName(name) else { return nil }
        guard let bytes = TimeZoneRules.read(TimeZoneRules.directory + String(decoding: name, as: UTF8.self)) else { return nil }
        guard let rules = bytes.withUnsafeBytes({ TimeZoneRules(tzif: $0) }) else { return nil }
        self = rules
    }

    static func isName(_ name: [UInt8]) -> Bool {
        guard name.count <= nameLimit, let first = name.first, let last = name.last, first != 0x2F, last != 0x2F else { return false }
        var previous: UInt8 = 0
        for byte in name {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2B, 0x2D: break
            case 0x2F: if previous == 0x2F { return false }
            default: return false
            }
            previous = byte
        }
        return !name.starts(with: "right/".utf8) && !name.starts(with: "posix/".utf8) && name != Array("localtime".utf8)
            && name != Array("posixrules".utf8)
    }

    private static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: fileLimit + 1)
        var used = 0
        while used < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + used, $0.count - used) }
            if got < 0 {
                if errno == EINTR { continue }
                return nil
            }
            if got == 0 { break }
            used += got
        }
        guard used <= fileLimit else { return nil }
        bytes.removeLast(bytes.count - used)
        return bytes
    }

    /// Reads a TZif file.
    init?(tzif bytes: UnsafeRawBufferPointer) {
        var reader = TZifReader(bytes: bytes)
        guard let first = reader.header(), first.version >= 0x32 else { return nil }
        // The 32-bit block of version 1 is skipped.
        reader.skip(first.size(timeBytes: 4))
        guard let header = reader.header(), header.typeCount > 0, header.leapCount == 0 else { return nil }
        var times: [Int64] = []
        for _ in 0..<header.timeCount { times.append(reader.int64()) }
        var kinds: [Int] = []
        for _ in 0..<header.timeCount { kinds.append(Int(reader.byte())) }
        var types: [Int32] = []
        for _ in 0..<header.typeCount {
            types.append(reader.int32())
            reader.skip(2)
        }
        reader.skip(header.nameBytes + header.standardCount + header.utcCount)
        guard !reader.failed, types.allSatisfy({ abs(Int($0)) < 26 * 3600 }) else { return nil }
        initial = types[0]
        for (time, kind) in zip(times, kinds) {
            guard kind < types.count, transitions.last.map({ $0 < time }) ?? true else { return nil }
            append(time, types[kind])
        }
        guard reader.byte() == 0x0A, let footer = reader.line() else { return nil }
        if footer.isEmpty { return }
        guard let rule = PosixZone(footer) else { return nil }
        extend(by: rule)
    }

    private mutating func append(_ time: Int64, _ offset: Int32) {
        transitions.append(time)
        offsets.append(offset)
    }

    private mutating func extend(by rule: PosixZone) {
        let last = transitions.last ?? Int64.min
        guard let saving = rule.saving else {
            // No transition at all: the rule is the zone.
            if transitions.isEmpty { initial = rule.standard }
            return
        }
        let firstYear = last == .min ? 1970 : CivilDate(daysSinceEpoch: Int(last / 86_400)).year
        guard firstYear <= TimeZoneRules.lastYear else { return }
        for year in max(1900, firstYear)...TimeZoneRules.lastYear {
            let start = saving.start.second(in: year) - Int64(rule.standard)
            let end = saving.end.second(in: year) - Int64(saving.offset)
            for (time, offset) in start < end
                ? [(start, saving.offset), (end, rule.standard)] : [(end, rule.standard), (start, saving.offset)]
            where time > (transitions.last ?? .min) {
                append(time, offset)
            }
        }
    }

    /// The offset at an instant, in seconds east of UTC, and the first later instant where it may change.
    func offset(at second: Int64) -> (offset: Int32, until: Int64) {
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= second { low = middle + 1 } else { high = middle }
        }
        return (low == 0 ? initial : offsets[low - 1], low < transitions.count ? transitions[low] : .max)
    }
}

/// Big-endian reading inside bounds.
private struct TZifReader {
    struct Header {
        var version: UInt8
        var utcCount: Int
        var standardCount: Int
        var leapCount: Int
        var timeCount: Int
        var typeCount: Int
        var nameBytes: Int

        func size(timeBytes: Int) -> Int {
            timeCount * (timeBytes + 1) + typeCount * 6 + nameBytes + leapCount * (timeBytes + 4) + standardCount + utcCount
        }
    }

    let bytes: UnsafeRawBufferPointer
    var offset = 0
    var failed = false

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func byte() -> UInt8 {
        guard offset < bytes.count else {
            failed = true
            return 0
        }
        offset += 1
        return bytes[offset - 1]
    }

    mutating func skip(_ count: Int) {
        guard count <= bytes.count - offset else {
            failed = true
            offset = bytes.count
            return
        }
        offset += count
    }

    mutating func int32() -> Int32 {
        var value: UInt32 = 0
        for _ in 0..<4 { value = value << 8 | UInt32(byte()) }
        return Int32(bitPattern: value)
    }

    mutating func int64() -> Int64 {
        let high = UInt64(UInt32(bitPattern: int32()))
        return Int64(bitPattern: high << 32 | UInt64(UInt32(bitPattern: int32())))
    }

    mutating func header() -> Header? {
        guard int32() == 0x545A_6966 else { return nil }
        let version = byte()
        skip(15)
        var counts: [Int] = []
        for _ in 0..<6 { counts.append(Int(int32())) }
        // A count larger than the file cannot be true, and would be a long loop.
        guard !failed, counts.allSatisfy({ $0 >= 0 && $0 <= bytes.count }) else { return nil }
        return Header(
            version: version, utcCount: counts[0], standardCount: counts[1], leapCount: counts[2], timeCount: counts[3],
            typeCount: counts[4], nameBytes: counts[5])
    }

    /// The bytes up to the next newline.
    mutating func line() -> [UInt8]? {
        var line: [UInt8] = []
        while !failed {
            let next = byte()
            if next == 0x0A { return failed ? nil : line }
            line.append(next)
        }
        return nil
    }
}

/// A POSIX TZ string: `EST5EDT,M3.2.0,M11.1.0`, `<+0330>-3:30`, `IST-1GMT0,M10.5.0,M3.5.0/1`.
struct PosixZone {
    struct Saving {
        var offset: Int32
        var start: PosixDay
        var end: PosixDay
    }

    /// Seconds east of UTC: the sign of the text turned round.
    var standard: Int32
    var saving: Saving?

    init?(_ text: [UInt8]) {
        var rest = text[...]
        guard PosixZone.skipName(&rest), let offset = PosixZone.time(&rest, hours: 24) else { return nil }
        standard = -offset
        if rest.isEmpty { return }
        guard PosixZone.skipName(&rest) else { return nil }
        var savingOffset = standard + 3600
        if rest.first != 0x2C {
            guard let given = PosixZone.time(&rest, hours: 24) else { return nil }
            savingOffset = -given
        }
        guard PosixZone.take(0x2C, &rest), let start = PosixDay(&rest), PosixZone.take(0x2C, &rest), let end = PosixDay(&rest), rest.isEmpty
        else { return nil }
        saving = Saving(offset: savingOffset, start: start, end: end)
    }

    static func take(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    static func number(_ rest: inout ArraySlice<UInt8>, upTo limit: Int) -> Int? {
        var value = 0
        var digits = 0
        while let digit = rest.first, digit &- 0x30 < 10, digits < 4 {
            value = value * 10 + Int(digit - 0x30)
            digits += 1
            rest.removeFirst()
        }
        return digits > 0 && value <= limit ? value : nil
    }

    private static func skipName(_ rest: inout ArraySlice<UInt8>) -> Bool {
        if take(0x3C, &rest) {
            guard let close = rest.firstIndex(of: 0x3E) else { return false }
            rest = rest[(close + 1)...]
            return true
        }
        let name = rest.prefix { ($0 | 0x20) &- 0x61 < 26 }
        rest = rest.dropFirst(name.count)
        return name.count >= 3
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    static func time(_ rest: inout ArraySlice<UInt8>, hours limit: Int) -> Int32? {
        let negative = rest.first == 0x2D
        if negative || rest.first == 0x2B { rest.removeFirst() }
        guard let hours = number(&rest, upTo: limit) else { return nil }
        var seconds = hours * 3600
        if take(0x3A, &rest) {
            guard let minutes = number(&rest, upTo: 59) else { return nil }
            seconds += minutes * 60
            if take(0x3A, &rest) {
                guard let more = number(&rest, upTo: 59) else { return nil }
                seconds += more
            }
        }
        return Int32(negative ? -seconds : seconds)
    }
}

/// The day and time of a change: `M3.2.0/2`, `J365/25`, `59`.
struct PosixDay {
    private enum Day {
        /// Day 1-365, the 29th of February never counted.
        case julian(Int)
        /// Day 0-365, the 29th of February counted.
        case zeroBased(Int)
        /// Month, week (5 is the last), weekday (0 is Sunday).
        case weekday(Int, Int, Int)
    }

    private var day: Day
    private var time: Int32 = 7200

    init?(_ rest: inout ArraySlice<UInt8>) {
        if PosixZone.take(0x4D, &rest) {
            guard let month = PosixZone.number(&rest, upTo: 12), month >= 1, PosixZone.take(0x2E, &rest),
                let week = PosixZone.number(&rest, upTo: 5), week >= 1, PosixZone.take(0x2E, &rest),
                let weekday = PosixZone.number(&rest, upTo: 6)
            else { return nil }
            day = .weekday(month, week, weekday)
        } else if PosixZone.take(0x4A, &rest) {
            guard let number = PosixZone.number(&rest, upTo: 365), number >= 1 else { return nil }
            day = .julian(number)
        } else {
            guard let number = PosixZone.number(&rest, upTo: 365) else { return nil }
            day = .zeroBased(number)
        }
        if PosixZone.take(0x2F, &rest) {
            guard let given = PosixZone.time(&rest, hours: 167) else { return nil }
            time = given
        }
    }

    /// Local seconds since the epoch, as a clock set to the time before the change shows them.
    func second(in year: Int) -> Int64 {
        let newYear = CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
        let date: Int
        switch day {
        case .zeroBased(let number): date = newYear + number
        case .julian(let number):
            let leap = CivilDate.days(inMonth: 2, year: year) == 29
            date = newYear + number - 1 + (leap && number >= 60 ? 1 : 0)
        case .weekday(let month, let week, let weekday):
            let first = CivilDate(year: year, month: month, day: 1).daysSinceEpoch
            // 1970-01-01 was a Thursday.
            let firstWeekday = ((first + 4) % 7 + 7) % 7
            var number = 1 + (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
            while number > CivilDate.days(inMonth: month, year: year) { number -= 7 }
            date = first + number - 1
        }
        return Int64(date) * 86_400 + Int64(time)
    }
}
