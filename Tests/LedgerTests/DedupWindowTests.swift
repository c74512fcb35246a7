// The window: it keeps to its length while clocks are sound, and to more than its length when they are not.

import Core
import Ledger
import Testing

private let second: Int64 = 1_000_000_000
private let day = 86_400 * second
private let window = 35 * day

private func at(_ number: UInt64) -> JournalPosition { JournalPosition(raw: number) }

/// A journal of one batch each six hours, whose place is its number from 1, and the time of its last.
private func replayed(_ times: [Int64]) -> DedupWindow {
    var made = DedupWindow(length: window)
    for (i, time) in times.enumerated() { made.replayed(Timestamp(nanoseconds: time), at: at(UInt64(i + 1))) }
    return made
}

@Test func aKeyLeavesAfterTheWindowAndOneStep() {
    var made = DedupWindow(length: window)
    var monotonic: UInt64 = 5
    let hour = UInt64(3_600 * second)
    for number in 1...UInt64(60 * 24) {
        made.passed(monotonic, end: at(number))
        monotonic += hour
        let start = made.start().raw
        // The mark of place n is of n - 1 hours. It left when that is 35 days and 26.25 hours ago.
        let age = Int64(number - 1) - (35 * 24 + 27) + 1
        #expect(start == UInt64(max(0, age)), "after \(number) hours")
    }
}

@Test func aReplayGoesByTheTimesOfTheJournal() {
    let times = (0..<60 * 4).map { Int64($0) * day / 4 }
    var made = replayed(times)
    made.started(Timestamp(nanoseconds: times.last! + day / 4))
    // 60 days, less 36.1, in quarters.
    #expect((94...97).contains(made.start().raw), "\(made.start().raw)")
    // From here on the monotonic clock counts.
    made.passed(77, end: at(1_000))
    made.passed(77 + UInt64(10 * day), end: at(1_000))
    #expect((134...137).contains(made.start().raw), "\(made.start().raw)")
}

@Test func aJumpOfTheClockCostsOneStepAtMost() {
    let year = 365 * day
    let times = (0..<34 * 4).map { Int64($0) * day / 4 }
    // The clock was a year ahead at the start, and had been set right before that.
    for wall in [times.last! + year, .max, times.last! - year, .min, times.last!] {
        var made = replayed(times)
        made.started(Timestamp(nanoseconds: wall))
        #expect(made.start() == .start, "started at \(wall)")
    }
    // The clock jumped while events were recorded, in either direction; times of batches never go back.
    for jump in [year, 40 * year, Int64.max / 2] {
        var made = replayed(times.enumerated().map { i, time in i < 100 ? time : time + jump })
        made.started(Timestamp(nanoseconds: times.last! + jump))
        #expect(made.start() == .start, "a jump by \(jump)")
    }
    var odd = replayed([.max, .min, .max, 0, .min])
    odd.started(Timestamp(nanoseconds: 0))
    odd.passed(.max, end: at(9))
    odd.passed(0, end: at(10))
    #expect(odd.start() == .start)
}

@Test func aShortWindowHasShortSteps() {
    var made = DedupWindow(length: 1_800 * second)
    for number in 0..<UInt64(100) { made.passed(number * UInt64(60 * second), end: at(number + 1)) }
    // 99 minutes have passed; the window is half an hour and a minute.
    #expect((66...69).contains(made.start().raw), "\(made.start().raw)")
    made.length = 3_600 * second
    #expect((66...69).contains(made.start().raw))
    made.length = 600 * second
    #expect((87...90).contains(made.start().raw), "\(made.start().raw)")
}
