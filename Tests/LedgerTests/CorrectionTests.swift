// Corrections change totals by exactly what they say, live and in replay.

import Core
import Testing

@testable import Journal
@testable import Ledger

private func correction(_ books: Books, _ sequence: UInt64, from: Int64?, to: Int64?, kind: CorrectionKind = .reprice, run: UInt32)
    -> Correction
{
    var correction = Correction(
        kind: kind, run: run, at: Books.now, sequence: sequence, event: JournalPosition(segment: 1, offset: 4176))
    correction.occurredAt = Books.now
    correction.customer = Array("acme".utf8).withUnsafeBytes { books.ledger.strings.find($0) }
    correction.eventName = 1
    correction.before = CostState(cost: from.map { Money(picodollars: $0) }, unpriced: from == nil ? .unknownModel : .none)
    correction.after = CostState(cost: to.map { Money(picodollars: $0) }, unpriced: to == nil ? .unknownModel : .none)
    return correction
}

private struct Totals: Equatable {
    var cost: MoneyTotal
    var revenue: MoneyTotal
    var events: UInt64
    var unpriced: UInt64
    var accountCost: Int128
    var accountEvents: UInt64
    var accountUnpriced: UInt64

    init(_ books: Books) {
        cost = books.ledger.totalCost
        revenue = books.ledger.totalRevenue
        events = books.ledger.totalEvents
        unpriced = books.ledger.totalUnpriced
        let account = books.account("acme")
        accountCost = account?.cost ?? 0
        accountEvents = account?.events ?? 0
        accountUnpriced = account?.unpriced ?? 0
    }
}

private func replay(_ books: Books, _ body: UnsafeRawBufferPointer) -> Int? {
    books.ledger.replay(body, segment: 1, batchOffset: 4096, inWindow: true)
}

@Suite struct CorrectionTests {
    private func books() throws -> Books {
        let books = Books(try wholeBook())
        try books.admit([
            Sent(
                key: "1", customer: "acme", model: "no-such-model", input: 10),
            Sent(key: "2", customer: "acme", cost: 700, revenue: 1000),
        ])
        return books
    }

    @Test func aRunChangesTotalsByItsSumAndTakingItBackRestoresThem() throws {
        let books = try books()
        let before = Totals(books)
        #expect(before.unpriced == 1 && before.cost.picodollars == 700)
        let run = books.ledger.beginRun(.reprice, reverses: 0, filter: Array("{}".utf8), at: Books.now, into: &books.batch)
        books.ledger.correct(
            correction(books, 1, from: nil, to: 500, run: run), derivation: Array("custom:x|inputTokens=1".utf8), into: &books.batch)
        books.ledger.correct(correction(books, 2, from: 700, to: 650, run: run), derivation: nil, into: &books.batch)
        books.ledger.endRun(run, at: Books.now, into: &books.batch)
        #expect(books.ledger.totalCost.picodollars == 1150 && books.ledger.totalUnpriced == 0)
        let record = books.ledger.runs[0]
        #expect(record.events == 2 && record.newlyPriced == 1 && record.before.picodollars == 700 && record.after.picodollars == 1150)
        #expect(Totals(try books.restarted(try wholeBook())) == Totals(books))

        let back = books.ledger.beginRun(.reverse, reverses: run, filter: Array("{}".utf8), at: Books.now, into: &books.batch)
        books.ledger.correct(correction(books, 1, from: 500, to: nil, kind: .reverse, run: back), derivation: nil, into: &books.batch)
        books.ledger.correct(correction(books, 2, from: 650, to: 700, kind: .reverse, run: back), derivation: nil, into: &books.batch)
        books.ledger.endRun(back, at: Books.now, into: &books.batch)
        #expect(Totals(books) == before)
        #expect(books.ledger.runs[0].reversedBy == back)
        let again = try books.restarted(try wholeBook())
        #expect(Totals(again) == before)
        #expect(again.ledger.runs.map(\.reversedBy) == [2, 0] && again.ledger.runs.allSatisfy { $0.end != nil })
        _ = books.expectSegmentsStandAlone()
    }

    @Test func aVoidTakesOutWhatTheEventAdded() throws {
        let books = try books()
        var void = correction(books, 2, from: 700, to: 700, kind: .void, run: 0)
        void.counts.revenue = Money(picodollars: 1000)
        void.reason = Array("test".utf8)
        books.ledger.correct(void, derivation: nil, into: &books.batch)
        let after = Totals(books)
        #expect(after.cost == .zero && after.revenue == .zero && after.events == 1 && after.unpriced == 1 && after.accountEvents == 1)
        #expect(Totals(try books.restarted(try wholeBook())) == after)
    }

    @Test func namesAreDefinedAgainInTheSegmentThatCorrectsThem() throws {
        let books = try books()
        books.turnPage(newSegment: true)
        let run = books.ledger.beginRun(.reprice, reverses: 0, filter: Array("{}".utf8), at: Books.now, into: &books.batch)
        books.ledger.correct(
            correction(books, 1, from: nil, to: 5, run: run), derivation: Array("custom:x|inputTokens=1".utf8), into: &books.batch)
        books.turnPage()
        var strings = SegmentStrings()
        for page in books.pages.list where page.segment == 2 {
            strings.enter(segment: 2)
            var found = false
            page.body.forEachFact { fact in
                if fact.type == .string { _ = strings.add(fact.payload) }
                guard fact.type == .correction, let read = Correction(fact.payload) else { return }
                found = true
                let isDefined = strings.areDefined(read)
                #expect(isDefined)
            }
            #expect(found)
        }
    }

    @Test func aCorrectionOfAnEventThatIsNotThereIsRefusedInReplay() throws {
        let books = try books()
        var writer = ByteWriter()
        _ = writer.append(correction(books, 3, from: nil, to: 5, run: 0))
        #expect(replay(books, writer.bytes) == 0)
        writer.reset()
        _ = writer.append(correction(books, 1, from: nil, to: 5, run: 9))
        #expect(replay(books, writer.bytes) == 0)
        writer.reset()
        writer.append(RunFact(operation: .ended, id: 1, at: Books.now))
        #expect(replay(books, writer.bytes) == 0)
    }
}
