// Instants and dates. The oracle is Python's `datetime`.

import Core
import Testing

@Test func readingAnInstantAgreesWithPython() throws {
    var random = Seeded(3339)
    func pad(_ value: Int, _ width: Int) -> String { String(repeating: "0", count: max(0, width - String(value).count)) + String(value) }
    var questions: [String] = []
    for _ in 0..<20_000 {
        let year = Bool.random(using: &random) ? Int.random(in: 1970...2199, using: &random) : Int.random(in: 1...9999, using: &random)
        var text = pad(year, 4) + "-" + pad(Int.random(in: 0...13, using: &random), 2)
        text += "-" + pad(Int.random(in: 0...32, using: &random), 2)
        text += ["T", "T", "T", "t", " ", ""].randomElement(using: &random)!
        text += pad(Int.random(in: 0...24, using: &random), 2) + ":" + pad(Int.random(in: 0...60, using: &random), 2)
        text += ":" + pad(Int.random(in: 0...61, using: &random), 2)
        if Bool.random(using: &random) {
            text += "." + String((0..<Int.random(in: 0...12, using: &random)).map { _ in "0123456789".randomElement(using: &random)! })
        }
        switch Int.random(in: 0..<6, using: &random) {
        case 0, 1, 2: text += ["Z", "z"].randomElement(using: &random)!
        case 3, 4:
            text += ["+", "-"].randomElement(using: &random)! + pad(Int.random(in: 0...24, using: &random), 2) + ":"
            text += pad(Int.random(in: 0...60, using: &random), 2)
        default: text += ["", "+0100", "ZZ", "+1:00", "Z "].randomElement(using: &random)!
        }
        questions.append(text)
    }
    let answers = try Oracle.answers("instant", to: questions)
    var read = 0
    for (text, expected) in zip(questions, answers) {
        let got = Timestamp(rfc3339: text)
        switch expected {
        case "no": if got != nil { Issue.record("\(text) was read as \(got!.nanoseconds)") }
        case "saturated": if got?.nanoseconds != .max && got?.nanoseconds != .min { Issue.record("\(text) did not saturate") }
        default:
            read += 1
            if got.map({ String($0.nanoseconds) }) != expected {
                Issue.record("\(text): \(String(describing: got)), Python says \(expected)")
            }
        }
    }
    #expect(read > 3_000)
}

/// The hour decides the period an event is booked in. Ten years back and ahead, at the hour's edges, in every form a client may
/// write: offsets of zones in summer and winter, fractions of any length, leap seconds.
@Test func aHundredThousandInstantsFallIntoTheHourPythonSays() throws {
    var random = Seeded(5_5)
    func pad(_ value: Int, _ width: Int) -> String { String(repeating: "0", count: max(0, width - String(value).count)) + String(value) }
    var questions: [String] = []
    for _ in 0..<100_000 {
        let date = CivilDate(daysSinceEpoch: Int.random(in: 16_000...24_500, using: &random))
        var text = "\(date.year)-" + pad(date.month, 2) + "-" + pad(date.day, 2) + "T"
        let edge = Int.random(in: 0..<4, using: &random)
        let (minute, second) =
            switch edge {
            case 0: (0, 0)
            case 1: (59, 59)
            case 2: (59, 60)
            default: (Int.random(in: 0...59, using: &random), Int.random(in: 0...59, using: &random))
            }
        text += pad(Int.random(in: 0...23, using: &random), 2) + ":" + pad(minute, 2) + ":" + pad(second, 2)
        text += ["", ".000000000", ".000000001", ".999999999", ".9999999999", ".5"].randomElement(using: &random)!
        text += ["Z", "z", "+00:00", "-00:00", "+01:00", "+02:00", "-05:00", "-04:00", "+05:45", "+14:00", "-11:59"]
            .randomElement(using: &random)!
        questions.append(text)
    }
    let answers = try Oracle.answers("instant", to: questions)
    for (text, expected) in zip(questions, answers) {
        guard let nanoseconds = Int64(expected), let got = Timestamp(rfc3339: text) else {
            Issue.record("\(text): Python says \(expected)")
            continue
        }
        let hour = nanoseconds >= 0 ? nanoseconds / 3_600_000_000_000 : -((-nanoseconds + 3_599_999_999_999) / 3_600_000_000_000)
        if got.nanoseconds != nanoseconds || got.hour != hour { Issue.record("\(text): \(got.nanoseconds), hour \(got.hour)") }
    }
}

@Test func writingAnInstantAgreesWithPython() throws {
    var random = Seeded(1_970)
    var instants: [Int64] = [
        0, 1, -1, 999_999_999, 1_000_000_000, -1_000_000_000, Timestamp.end.nanoseconds, Timestamp.end.nanoseconds - 1,
    ]
    for _ in 0..<10_000 {
        let nanoseconds = Int64.random(in: 0..<Timestamp.end.nanoseconds, using: &random)
        instants.append(
            [nanoseconds, nanoseconds / 1_000_000 * 1_000_000, nanoseconds / 1_000_000_000 * 1_000_000_000].randomElement(using: &random)!)
    }
    let answers = try Oracle.answers("moment", to: instants.map(String.init))
    for (nanoseconds, expected) in zip(instants, answers) {
        let time = Timestamp(nanoseconds: nanoseconds)
        #expect(time.description == expected)
        #expect(Timestamp(rfc3339: expected) == time)
    }
}

@Test func acceptedInstantsEndWithTheYear2199() {
    #expect(Timestamp(rfc3339: "1970-01-01T00:00:00Z")?.isAccepted == true)
    #expect(Timestamp(rfc3339: "1969-12-31T23:59:59.999999999Z")?.isAccepted == false)
    #expect(Timestamp(rfc3339: "2199-12-31T23:59:59.999999999Z")?.isAccepted == true)
    #expect(Timestamp(rfc3339: "2200-01-01T00:00:00Z") == Timestamp.end)
    #expect(!Timestamp.end.isAccepted)
    #expect(Timestamp(rfc3339: "0000-01-01T00:00:00Z")?.nanoseconds == .min)
    #expect(Timestamp(rfc3339: "9999-12-31T23:59:59Z")?.nanoseconds == .max)
}

@Test func hoursAreRoundedDown() {
    #expect(Timestamp(nanoseconds: 0).hour == 0)
    #expect(Timestamp(nanoseconds: -1).hour == -1)
    #expect(Timestamp(nanoseconds: 3_599_999_999_999).hour == 0)
    #expect(Timestamp(nanoseconds: 3_600_000_000_000).hour == 1)
    #expect(Timestamp(nanoseconds: -3_600_000_000_000).hour == -1)
}

@Test func everyDayOfSixHundredYearsComesBack() {
    var last = CivilDate(daysSinceEpoch: -80_001)
    for days in -80_000...140_000 {
        let date = CivilDate(daysSinceEpoch: days)
        #expect(date.daysSinceEpoch == days)
        let inMonth = CivilDate.days(inMonth: last.month, year: last.year)
        let follows =
            date.day == last.day + 1 && date.month == last.month && date.year == last.year
            || date.day == 1 && last.day == inMonth && (date.month == last.month + 1 && date.year == last.year)
            || date.day == 1 && date.month == 1 && last.month == 12 && last.day == 31 && date.year == last.year + 1
        if !follows { Issue.record("\(last) is followed by \(date)") }
        last = date
    }
}
