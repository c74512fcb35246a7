// Margins against an independent sum of the same events, over random facts, ranges, groupings, zones and filters.

import Core
import Foundation
import Journal
import Testing

@testable import Projection

/// Opens the projection of a test journal.
func openProjection(_ journal: TestJournal) throws -> Projection {
    try Projection(path: journal.books, storage: journal.storage, journal: journal.id)
}

extension Projection {
    /// Asks until there is an answer.
    func answer(_ query: Query, now: Timestamp) -> QueryAnswer {
        while true {
            if let answer = answer(query, token: 0, now: now) { return answer }
        }
    }
}

/// Names that would do harm where they are not data.
let hostileNames = [
    "acme", "o'brien", "'; DROP TABLE rollups; --", "\" OR 1=1", "näme\u{1F600}", "tab\tnew\nline\u{1}\u{7F}", "back\\slash", "%_", "x",
]

func randomEvent(_ random: inout Seeded, _ number: Int, around times: [Int64]) -> TestEvent {
    var event = TestEvent()
    event.key = number % 3 == 0 ? UUID().uuidString.lowercased() : "key-\(number)"
    event.eventName = ["call", "embed", hostileNames[2]].randomElement(using: &random)!
    if Int.random(in: 0..<10, using: &random) > 0 { event.customer = hostileNames.randomElement(using: &random) }
    if Int.random(in: 0..<3, using: &random) > 0 { event.feature = ["chat", "search", hostileNames[3]].randomElement(using: &random) }
    if Int.random(in: 0..<5, using: &random) > 0 { event.model = ["gpt-5.5", "claude", "x"].randomElement(using: &random) }
    if event.model != nil { event.provider = ["openai", "anthropic"].randomElement(using: &random) }
    let around = times.randomElement(using: &random)!
    let spread: Int64 = Int.random(in: 0..<8, using: &random) == 0 ? 40 * 86_400 : 3 * 86_400
    var time = around + Int64.random(in: -spread...spread, using: &random) * 1_000_000_000
    // Often exactly at an edge or a nanosecond beside it.
    switch Int.random(in: 0..<6, using: &random) {
    case 0: time = time / Timestamp.nanosecondsPerHour * Timestamp.nanosecondsPerHour
    case 1: time = time / 1_800_000_000_000 * 1_800_000_000_000 - 1
    case 2: time += Int64.random(in: 0..<1_000_000_000, using: &random)
    default: break
    }
    event.occurredAt = min(max(0, time), Timestamp.end.nanoseconds - 1)
    if Bool.random(using: &random) { event.usageUnits = Int64.random(in: 0...5_000_000, using: &random) }
    if Bool.random(using: &random) { event.inputTokens = Int64.random(in: 0...9_000, using: &random) * 1_000_000 }
    if Bool.random(using: &random) { event.outputTokens = Int64.random(in: 0...9_000, using: &random) * 1_000_000 }
    if Int.random(in: 0..<5, using: &random) > 0 { event.cost = Int64.random(in: 0...5_000_000_000_000, using: &random) }
    if Bool.random(using: &random) { event.revenue = Int64.random(in: 0...9_000_000_000_000, using: &random) }
    if Int.random(in: 0..<4, using: &random) == 0 { event.flow = "flow-\(Int.random(in: 0..<20, using: &random))" }
    if Int.random(in: 0..<8, using: &random) == 0 { event.meta = "{\"n\":\(number),\"s\":\"\\\"}\"}" }
    return event
}

let interestingTimes = [
    "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T10:00:00Z", "2026-07-01T00:00:00Z", "2024-02-29T12:00:00Z",
    "1970-01-02T00:00:00Z", "2011-12-30T10:00:00Z", "2150-06-01T00:00:00Z",
].map(instant)

let interestingZones = [
    "", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns",
    "Pacific/Apia", "Pacific/Chatham", "Africa/Casablanca", "Europe/Dublin", "America/Sao_Paulo", "Etc/GMT+12", "Africa/Monrovia",
]

func randomFilter(_ random: inout Seeded) -> EventFilter {
    var filter = EventFilter()
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    if Int.random(in: 0..<4, using: &random) == 0 { filter.customer = bytes((hostileNames + ["nobody"]).randomElement(using: &random)!) }
    if Int.random(in: 0..<6, using: &random) == 0 { filter.feature = bytes(["chat", hostileNames[3]].randomElement(using: &random)!) }
    if Int.random(in: 0..<6, using: &random) == 0 { filter.model = bytes("gpt-5.5") }
    if Int.random(in: 0..<8, using: &random) == 0 { filter.provider = bytes("openai") }
    if Int.random(in: 0..<8, using: &random) == 0 { filter.eventName = bytes(hostileNames[2]) }
    if Int.random(in: 0..<8, using: &random) == 0 { filter.flowId = bytes("flow-\(Int.random(in: 0..<20, using: &random))") }
    if Int.random(in: 0..<8, using: &random) == 0 { filter.unpriced = Bool.random(using: &random) }
    func edge(_ random: inout Seeded) -> Timestamp {
        var time =
            interestingTimes.randomElement(using: &random)! + Int64.random(in: -4 * 86_400...4 * 86_400, using: &random) * 1_000_000_000
        switch Int.random(in: 0..<4, using: &random) {
        case 0: time = time / Timestamp.nanosecondsPerHour * Timestamp.nanosecondsPerHour
        case 1: time = time / 86_400_000_000_000 * 86_400_000_000_000
        case 2: time = time / 1_800_000_000_000 * 1_800_000_000_000
        default: break
        }
        return Timestamp(nanoseconds: max(0, time))
    }
    if Int.random(in: 0..<3, using: &random) > 0 { filter.from = edge(&random) }
    if Int.random(in: 0..<3, using: &random) > 0 { filter.to = edge(&random) }
    return filter
}

@Suite struct MarginsTests {
    @Test(arguments: [1, 2, 3]) func randomMarginsAgreeWithAnIndependentSum(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let journal = try TestJournal()
        var projection = try openProjection(journal)
        var number = 0
        for round in 0..<40 {
            var batch: [TestEvent] = []
            for _ in 0..<Int.random(in: 1...80, using: &random) {
                batch.append(randomEvent(&random, number, around: interestingTimes))
                number += 1
            }
            try journal.commit(batch)
            switch round % 5 {
            case 0: #expect(projection.catchUp(through: journal.end))
            case 1: #expect(projection.catchUp(through: journal.end) && projection.flush())
            // What was not flushed is forgotten and read again.
            case 2: projection = try openProjection(journal)
            default: break
            }
        }
        #expect(projection.catchUp(through: journal.end))
        let judge = Judge()
        for _ in 0..<120 {
            let groupings = Grouping.allCases.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
            judge.margins(
                projection, groupBy: Array(groupings), filter: randomFilter(&random),
                timezone: interestingZones.randomElement(using: &random)!)
        }
        for _ in 0..<20 { judge.events(projection, filter: randomFilter(&random), limit: Int.random(in: 1...300, using: &random)) }
        try judge.verdict(on: journal)
        #expect(projection.flush())
        #expect(projection.stats().rebuilds == 0)
    }
}
