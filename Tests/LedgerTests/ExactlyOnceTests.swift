// Exactly once: blocks of events with retries among them, against a dictionary that knows what should happen.

import Core
import Journal
import Ledger
import Pricing
import Testing

/// The judge: the first event of a key counts, everything after it does not.
private struct Model {
    var known: [String: (sent: Sent, sequence: UInt64, cost: Int64?)] = [:]
    var nextSequence: UInt64 = 1
    var cost: Int128 = 0
    var revenue: Int128 = 0
    var unpriced = 0
    var duplicates = 0
    var conflicts = 0
    var byCustomer: [String: (cost: Int128, revenue: Int128, events: UInt64, unpriced: UInt64)] = [:]

    /// Cost of an event: what the client says, or 3 and 7 microdollars a token of `plain`, or none.
    private func price(_ sent: Sent) -> Int64? {
        if let cost = sent.cost { return cost }
        guard sent.model == "plain", sent.input != nil || sent.output != nil else { return nil }
        return (sent.input ?? 0) * 3_000_000 + (sent.output ?? 0) * 7_000_000
    }

    /// Time and `meta` may differ in a retry.
    private func same(_ a: Sent, _ b: Sent) -> Bool {
        var (a, b) = (a, b)
        a.meta = nil
        b.meta = nil
        a.occurredAt = nil
        b.occurredAt = nil
        return a == b
    }

    mutating func expect(_ sent: Sent) -> (Outcome, UInt64, Int64?) {
        if let key = sent.key, let before = known[key] {
            let isSame = same(before.sent, sent)
            if isSame { duplicates += 1 } else { conflicts += 1 }
            return (isSame ? .duplicate : .conflict, before.sequence, before.cost)
        }
        let cost = price(sent)
        let sequence = nextSequence
        nextSequence += 1
        if let key = sent.key { known[key] = (sent, sequence, cost) }
        if let cost { self.cost += Int128(cost) } else { unpriced += 1 }
        revenue += Int128(sent.revenue ?? 0)
        if let customer = sent.customer {
            var row = byCustomer[customer] ?? (0, 0, 0, 0)
            row.events += 1
            row.revenue += Int128(sent.revenue ?? 0)
            if let cost { row.cost += Int128(cost) } else { row.unpriced += 1 }
            byCustomer[customer] = row
        }
        return (.recorded, sequence, cost)
    }
}

private func randomEvent(_ dice: inout Dice, keys: Int) -> Sent {
    var sent = Sent(key: dice.oneIn(12) ? nil : key(dice.below(keys)))
    sent.name = dice.pick(["call", "chat.completion", "embed"])
    sent.customer = dice.oneIn(6) ? nil : "customer-\(dice.below(40))"
    sent.feature = dice.oneIn(3) ? nil : dice.pick(["search", "summary"])
    sent.model = dice.oneIn(5) ? "no-such-model" : "plain"
    if !dice.oneIn(4) {
        sent.input = Int64(dice.below(1_000_000))
        sent.output = dice.oneIn(3) ? nil : Int64(dice.below(100_000))
    }
    if dice.oneIn(3) { sent.cost = Int64(dice.below(1_000_000_000)) * Int64(dice.below(1000) + 1) }
    if dice.oneIn(2) { sent.revenue = Int64(dice.below(1_000_000_000)) }
    if dice.oneIn(5) { sent.units = Int64(dice.below(50)) }
    if dice.oneIn(8) { sent.tier = .batch }
    if dice.oneIn(6) { sent.flow = "flow-\(dice.below(4))" }
    return sent
}

/// Some keys are UUIDs, which are kept as bytes, and some only look like them.
private func key(_ n: Int) -> String {
    let digits = String(n + 1_000_000, radix: 16)
    let tail = String(repeating: "0", count: 12 - digits.count) + digits
    return switch n % 3 {
    case 0: "k-\(n)"
    case 1: "0b1c2d3e-0000-4000-8000-\(tail)"
    default: "0B1C2D3E-0000-4000-8000-\(tail)"
    }
}

@Test(arguments: [1, 2, 3, 4] as [UInt64])
func everyKeyCountsOnceWhateverTheBlocksBatchesAndRestarts(_ seed: UInt64) throws {
    var dice = Dice(seed)
    let prices = try book()
    var books = Books(prices, seed: seed)
    var model = Model()
    var sentBefore: [Sent] = []
    for round in 0..<60 {
        var events: [Sent] = []
        for _ in 0..<dice.below(120) + 1 {
            if !sentBefore.isEmpty, dice.oneIn(3) {
                // A retry: as it was, stamped anew, or with something else under the same key.
                var again = dice.pick(sentBefore)
                if dice.oneIn(2) { again.meta = "{\"attempt\":\(round)}" }
                if dice.oneIn(2) { again.occurredAt = Books.now.nanoseconds - Int64(dice.below(1000)) }
                if dice.oneIn(3) { again.revenue = (again.revenue ?? 0) + 1 }
                events.append(again)
            } else {
                events.append(randomEvent(&dice, keys: 700))
            }
        }
        sentBefore.append(contentsOf: events.filter { $0.key != nil })
        let results = try books.admit(events)
        for (event, result) in zip(events, results) {
            let (outcome, sequence, cost) = model.expect(event)
            #expect(result.outcome == outcome, "\(event)")
            #expect(result.sequence == sequence)
            #expect(result.cost == cost ?? 0)
            #expect((result.unpriced == .none) == (cost != nil))
        }
        if dice.oneIn(4) { books.turnPage(newSegment: dice.oneIn(3)) }
        if dice.oneIn(12) { books = try books.restarted(prices, seed: dice.next()) }
        check(books, model)
    }
    #expect(model.duplicates > 20 && model.conflicts > 20 && model.unpriced > 20)
    let again = try books.restarted(prices)
    check(again, model)
    for number in 1..<books.ledger.strings.nextID { #expect(again.text(number) == books.text(number)) }
    for (key, before) in model.known {
        var retry = before.sent
        retry.key = key
        let result = try again.admit([retry])[0]
        #expect(result.outcome == .duplicate && result.sequence == before.sequence && result.cost == before.cost ?? 0)
    }
}

private func check(_ books: Books, _ model: Model) {
    #expect(books.ledger.nextSequence == model.nextSequence)
    #expect(books.ledger.totalEvents == model.nextSequence - 1)
    #expect(books.ledger.totalCost.picodollars == model.cost)
    #expect(books.ledger.totalRevenue.picodollars == model.revenue)
    #expect(books.ledger.totalUnpriced == UInt64(model.unpriced))
    #expect(books.ledger.accounts.count == model.byCustomer.count)
    for (customer, row) in model.byCustomer {
        guard let account = books.account(customer) else {
            Issue.record("no account for \(customer)")
            continue
        }
        #expect(account.cost == row.cost && account.revenue == row.revenue)
        #expect(account.events == row.events && account.unpriced == row.unpriced)
    }
}

@Test func whatDecidesMoneyOrAttributionMakesARetryAConflict() throws {
    let original = Sent(
        key: "k", name: "call", customer: "c", feature: "f", model: "plain", provider: nil, region: "eu", input: 5, output: 6, units: 7,
        cost: nil, revenue: 9, tier: .standard, flow: "w", meta: "{}", occurredAt: Books.now.nanoseconds)
    func outcome(_ change: (inout Sent) -> Void) throws -> Outcome {
        let books = Books(try book())
        #expect(try books.admit([original])[0].outcome == .recorded)
        var retry = original
        change(&retry)
        return try books.admit([retry])[0].outcome
    }
    #expect(try outcome { _ in } == .duplicate)
    #expect(try outcome { $0.meta = "{\"try\":2}" } == .duplicate)
    #expect(try outcome { $0.meta = nil } == .duplicate)
    #expect(try outcome { $0.occurredAt = 5 } == .duplicate)
    #expect(try outcome { $0.occurredAt = nil } == .duplicate)
    #expect(try outcome { $0.name = "other" } == .conflict)
    #expect(try outcome { $0.customer = "d" } == .conflict)
    #expect(try outcome { $0.customer = nil } == .conflict)
    #expect(try outcome { $0.feature = "g" } == .conflict)
    #expect(try outcome { $0.model = "gpt-4o" } == .conflict)
    #expect(try outcome { $0.provider = "anthropic" } == .conflict)
    #expect(try outcome { $0.region = nil } == .conflict)
    #expect(try outcome { $0.input = 6 } == .conflict)
    #expect(try outcome { $0.output = nil } == .conflict)
    #expect(try outcome { $0.units = 8 } == .conflict)
    #expect(try outcome { $0.units = nil } == .conflict)
    #expect(try outcome { $0.cost = 57_000_000 } == .conflict)
    #expect(try outcome { $0.revenue = 10 } == .conflict)
    #expect(try outcome { $0.revenue = nil } == .conflict)
    #expect(try outcome { $0.tier = .batch } == .conflict)
    #expect(try outcome { $0.flow = "x" } == .conflict)
    #expect(try outcome { $0.flow = nil } == .conflict)
}

@Test func aProviderThatTheBookFoundIsNoConflictForARetryWithoutOne() throws {
    let books = Books(try wholeBook())
    let event = Sent(key: "k", model: "gpt-4o", input: 1000, output: 10)
    #expect(try books.admit([event])[0].outcome == .recorded)
    #expect(try books.admit([event])[0].outcome == .duplicate)
    var named = event
    named.provider = "openai"
    #expect(try books.admit([named])[0].outcome == .duplicate)
}

@Test func aDuplicateCarriesTheOriginalsFigures() throws {
    let books = Books(try book())
    let event = Sent(key: "k", model: "plain", input: 10, output: 1)
    try books.admit([Sent(key: "before")])
    let first = try books.admit([event, event])
    #expect(first[1] == Result(outcome: .duplicate, sequence: 2, cost: 37_000_000, unpriced: .none, field: .eventIdempotencyKey))
    #expect(first[0].sequence == 2 && first[0].cost == 37_000_000)
    var other = event
    other.input = 11
    let later = try books.admit([other], at: Timestamp(nanoseconds: Books.now.nanoseconds + 9))
    #expect(later[0].outcome == .conflict && later[0].cost == 37_000_000)
    #expect(books.block.events[0].occurredAt == Books.now)
    #expect(books.ledger.counters.duplicates == 1 && books.ledger.counters.conflicts == 1 && books.ledger.counters.recorded == 2)
}

@Test func aKeyThatTheClientLeftOutIsARandomUUIDAndIsRemembered() throws {
    let books = Books(try book())
    try books.admit(Array(repeating: Sent(customer: "c"), count: 500))
    var keys: Set<String> = []
    for i in 0..<500 {
        let key = books.key(i)
        var words: (UInt64, UInt64) = (0, 0)
        #expect(Array(key.utf8).withUnsafeBytes { parseUUID($0, into: &words) })
        #expect(Array(key)[14] == "4" && "89ab".contains(Array(key)[19]))
        keys.insert(key)
    }
    #expect(keys.count == 500)
    let again = try #require(keys.first)
    #expect(try books.admit([Sent(key: again, customer: "c")])[0].outcome == .duplicate)
}

@Test func aFailedReadOfTheOriginalStopsAdmissionInsteadOfGuessing() throws {
    let books = Books(try book())
    try books.admit([Sent(key: "k")])
    books.turnPage()
    books.pages.failure = StorageError(operation: .read, errno: 5, file: "x")
    #expect(throws: StorageError.self) { try books.admit([Sent(key: "fresh"), Sent(key: "k")]) }
    books.pages.failure = nil
    // The first of the two was taken before the read failed; nothing is counted twice.
    #expect(try books.admit([Sent(key: "fresh"), Sent(key: "k")]).map(\.outcome) == [.duplicate, .duplicate])
    #expect(books.ledger.totalEvents == 2)
}

@Test func aRefusedEventIsCountedNowhereAndItsNeighboursAre() throws {
    let books = Books(try book())
    books.block.reset()
    for i in 0..<3 { books.block.add(Sent(key: "k\(i)", customer: "c\(i)", cost: 5)) }
    books.block.events[1].outcome = .fieldInvalid
    books.block.events[1].field = .meta
    let taken = try books.ledger.admit(&books.block, 0..<3, into: &books.batch, now: Books.now, source: books.pages)
    #expect(taken == 3)
    #expect(books.block.events[1].outcome == .fieldInvalid && books.block.events[1].field == .meta)
    #expect(books.block.events[2].sequence == 2)
    #expect(books.account("c1") == nil)
    #expect(books.ledger.totalCost.picodollars == 10 && books.ledger.counters.rejected[Int(Outcome.fieldInvalid.rawValue)] == 1)
    #expect(try books.admit([Sent(key: "k1")])[0].outcome == .recorded)
}

@Test func aBatchWithoutRoomTakesWhatFitsAndTheNextGoesOn() throws {
    let books = Books(try book(), limit: 128 * 1024)
    let meta = "{\"text\":\"" + String(repeating: "m", count: 12_000) + "\"}"
    let events = (0..<40).map { Sent(key: "k\($0)", customer: "c\($0 % 3)", model: "plain", input: 2, meta: meta) }
    books.block.reset()
    for event in events { books.block.add(event) }
    let first = try books.ledger.admit(&books.block, 0..<40, into: &books.batch, now: Books.now, source: books.pages)
    #expect(first > 0 && first < 40)
    #expect(books.batch.writer.count <= books.batch.limit && Int(books.batch.eventCount) == first)
    books.turnPage(newSegment: true)
    var next = first
    while next < 40 {
        let before = next
        next = try books.ledger.admit(&books.block, next..<40, into: &books.batch, now: Books.now, source: books.pages)
        #expect(next > before)
        books.turnPage()
    }
    for i in 0..<40 { #expect(books.block.events[i].outcome == .recorded && books.block.events[i].sequence == UInt64(i + 1)) }
    #expect(books.ledger.totalCost.picodollars == 40 * 6_000_000)
    #expect(books.expectSegmentsStandAlone() == (2, 40))
    let again = try books.restarted(try book())
    #expect(again.ledger.totalEvents == 40 && again.ledger.totalCost.picodollars == 40 * 6_000_000)
}

@Test func whyAnEventHasNoCostIsSaidAndKept() throws {
    let books = Books(try wholeBook())
    let cases: [(Sent, UnpricedReason)] = [
        (Sent(key: "0", input: 1), .noModel),
        (Sent(key: "1", model: "never-heard-of-it", provider: "openai", input: 1), .unknownModel),
        (Sent(key: "2", model: "gpt-4o", provider: "nobody-sells-this", input: 1), .unknownProvider),
        (Sent(key: "3", model: "plain"), .noUsage),
        (Sent(key: "4", model: "plain", input: 9_000_000_000_000), .outOfRange),
        (Sent(key: "5", model: "plain", input: 1), .none),
        (Sent(key: "6", cost: 3), .none),
    ]
    let results = try books.admit(cases.map(\.0))
    for (result, (event, reason)) in zip(results, cases) {
        #expect(result.outcome == .recorded)
        #expect(result.unpriced == reason, "\(event)")
    }
    #expect(books.ledger.totalUnpriced == 5 && books.ledger.counters.unpriced == 5)
    books.turnPage()
    var kept: [UnpricedReason] = []
    for page in books.pages.list {
        page.body.forEachFact { fact in
            if fact.type == .event, let event = EventFact(fact.payload) { kept.append(event.isPriced ? .none : event.unpriced) }
        }
    }
    #expect(kept == cases.map(\.1))
}

@Test func newPricesAreForTheFutureOnly() throws {
    let books = Books(try book())
    try books.admit([Sent(key: "a", model: "plain", input: 1)])
    books.ledger.use(try book(ownPrices.replacing("3/M", with: "4/M")))
    let after = try books.admit([Sent(key: "b", model: "plain", input: 1), Sent(key: "a", model: "plain", input: 1)])
    #expect(after[0].cost == 4_000_000)
    #expect(after[1].outcome == .duplicate && after[1].cost == 3_000_000)
    #expect(books.ledger.totalCost.picodollars == 7_000_000)
}

extension String {
    fileprivate func replacing(_ old: String, with new: String) -> String {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: old) {
            parts.append(rest[..<range.lowerBound])
            parts.append(new[...])
            rest = rest[range.upperBound...]
        }
        parts.append(rest)
        return parts.joined()
    }
}
