// The verdict agrees with a true account and with no other.

import Core
import Testing

@testable import Bench

private func run() -> DriveResult {
    var run = DriveResult()
    run.sent = 1010
    run.recorded = 1000
    run.duplicates = 10
    run.sums = sums()
    return run
}

private func sums() -> Sums {
    var sums = Sums()
    sums.events = 1000
    sums.units = 1000
    sums.inputTokens = 4_200_000
    sums.outputTokens = 310_000
    sums.cost = 12_345_678_901_234_567
    sums.revenue = 20_000_000_000_000
    sums.unpriced = 30
    return sums
}

private func account() -> DaemonAccount { DaemonAccount(recorded: 1000, duplicates: 10, refused: 0, sums: sums()) }

@Test func aTrueAccountIsOK() {
    #expect(Verdict(run(), account()).mismatches == [])
    let others = DaemonAccount(recorded: nil, duplicates: nil, refused: nil, sums: sums())
    #expect(Verdict(run(), others).isOK)
}

@Test func everyFieldOfTheAccountCounts() {
    let changes: [(String, (inout DaemonAccount) -> Void)] = [
        ("recorded", { $0.recorded! -= 1 }), ("recorded", { $0.recorded! += 1 }), ("duplicates", { $0.duplicates! -= 1 }),
        ("refused", { $0.refused! += 1 }), ("margins", { $0.sums.events -= 1 }), ("units", { $0.sums.units += 1 }),
        ("input", { $0.sums.inputTokens += 1 }), ("output", { $0.sums.outputTokens -= 1 }), ("unpriced", { $0.sums.unpriced += 1 }),
        ("cost", { $0.sums.cost += 1 }), ("revenue", { $0.sums.revenue -= 1 }),
    ]
    for (name, change) in changes {
        var wrong = account()
        change(&wrong)
        let verdict = Verdict(run(), wrong)
        #expect(verdict.mismatches.count == 1, "\(name): \(verdict.mismatches)")
        #expect(verdict.mismatches.first?.contains(name) == true)
    }
}

@Test func aDifferenceOfTheLastDigitIsSaid() {
    var wrong = account()
    wrong.sums.cost -= 1
    #expect(
        Verdict(run(), wrong).mismatches == [
            "cost in USD: the daemon says 12345.678901234566, acknowledged was 12345.678901234567: 0.000000000001 too little"
        ])
}

@Test func whatWasNotAnsweredMayCountAndIsAFaultOfTheRun() {
    var cut = run()
    cut.unansweredEvents = 100
    var more = account()
    more.recorded! += 60
    more.sums.events += 60
    more.sums.cost += 7
    #expect(Verdict(cut, more).mismatches == ["100 events were not answered in time"])
    more.recorded! += 41
    #expect(Verdict(cut, more).mismatches.count == 2)
    var less = account()
    less.recorded! -= 1
    #expect(Verdict(cut, less).mismatches.count == 2)
}

@Test func aRunThatBrokeOffIsNotOK() {
    var broken = run()
    broken.failure = "the server closed a connection"
    #expect(!Verdict(broken, account()).isOK)
    var rejected = run()
    rejected.rejected = 1
    #expect(!Verdict(rejected, account()).isOK)
}
