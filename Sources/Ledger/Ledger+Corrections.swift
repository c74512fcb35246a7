// Corrections in the books: totals change by exactly what a correction says, and the runs that corrections come in are kept.

public import Core
public import Journal

/// A run of corrections, as far as the journal tells.
public struct CorrectionRun: Sendable {
    public var begun: RunFact
    public var begin: JournalPosition
    /// Where its last fact stands; nil while it goes on, or when it was cut short.
    public var end: JournalPosition?
    public var endedAt: Timestamp?
    /// The run that took this one back.
    public var reversedBy: UInt32 = 0
    /// Of the corrections written so far.
    public var events: UInt64 = 0
    public var newlyPriced: UInt64 = 0
    public var before = MoneyTotal.zero
    public var after = MoneyTotal.zero

    init(_ begun: RunFact, at begin: JournalPosition) {
        self.begun = begun
        self.begin = begin
    }

    mutating func add(_ correction: Correction) {
        events += 1
        if correction.before.cost == nil, correction.after.cost != nil { newlyPriced += 1 }
        if let cost = correction.before.cost { before += cost }
        if let cost = correction.after.cost { after += cost }
    }

    /// Corrections that are no longer kept.
    mutating func add(_ sums: RunSumsFact) {
        events += sums.events
        newlyPriced += sums.newlyPriced
        before += sums.before
        after += sums.after
    }
}

extension Ledger {
    public var nextRun: UInt32 { UInt32(runs.count) + 1 }

    /// Begins a run; the batch has room for it. The result is its number.
    public mutating func beginRun(
        _ kind: RunKind, reverses: UInt32, filter: [UInt8], at time: Timestamp, into batch: inout BatchBuilder
    ) -> UInt32 {
        var fact = RunFact(operation: .begun, id: nextRun, at: time)
        fact.kind = kind
        fact.reverses = reverses
        fact.filter = filter
        fact.prices = Array(priceBookVersion.utf8)
        let position = batch.position(of: batch.writer.count)
        batch.writer.append(fact)
        runs.append(CorrectionRun(fact, at: position))
        return fact.id
    }

    /// Ends a run with the figures of its corrections.
    public mutating func endRun(_ id: UInt32, at time: Timestamp, into batch: inout BatchBuilder) {
        let run = runs[Int(id) - 1]
        var fact = RunFact(operation: .ended, id: id, at: time)
        fact.events = run.events
        fact.newlyPriced = run.newlyPriced
        fact.before = run.before
        fact.after = run.after
        let position = batch.position(of: batch.writer.count)
        batch.writer.append(fact)
        end(fact, at: position)
    }

    private mutating func end(_ fact: RunFact, at position: JournalPosition) {
        let index = Int(fact.id) - 1
        runs[index].end = position
        runs[index].endedAt = fact.at
        let reversed = runs[index].begun.reverses
        if reversed > 0 { runs[Int(reversed) - 1].reversedBy = fact.id }
    }

    /// Writes a computed correction down and counts it. `derivation` is the text of the state after it where that has no number
    /// yet. The batch has room for the largest event.
    public mutating func correct(_ correction: Correction, derivation: [UInt8]?, into batch: inout BatchBuilder) {
        var correction = correction
        if let derivation { correction.after.price = derivation.withUnsafeBytes { internDefining($0, &batch) } }
        for id in correction.names { define(id, &batch) }
        define(correction.before.price, &batch)
        define(correction.after.price, &batch)
        _ = batch.writer.append(correction)
        count(correction)
    }

    /// Adds what a correction changes.
    private mutating func count(_ correction: Correction) {
        let cost = Int128(correction.costDelta)
        var unpriced = 0
        if correction.before.cost == nil { unpriced -= 1 }
        if correction.after.cost == nil, correction.kind != .void {
            unpriced += 1
            hasPricedAll = false
        }
        let isVoid = correction.kind == .void
        totalCost += MoneyTotal(picodollars: cost)
        totalUnpriced = UInt64(max(0, Int64(totalUnpriced) + Int64(unpriced)))
        if isVoid {
            totalEvents -= min(totalEvents, 1)
            totalRevenue += MoneyTotal(picodollars: -Int128(correction.counts.revenue.picodollars))
        }
        if correction.customer != noString {
            let row = row(of: correction.customer)
            row.pointee.cost += cost
            row.pointee.unpriced = UInt64(max(0, Int64(row.pointee.unpriced) + Int64(unpriced)))
            if isVoid {
                row.pointee.events -= min(row.pointee.events, 1)
                row.pointee.revenue -= Int128(correction.counts.revenue.picodollars)
            }
        }
        if correction.run > 0, Int(correction.run) <= runs.count { runs[Int(correction.run) - 1].add(correction) }
    }

    // MARK: Replay

    /// Adds what dropped events and corrections came to.
    mutating func count(_ sums: SumsFact) {
        func changed(_ count: UInt64, _ by: Int64) -> UInt64 { UInt64(max(0, Int64(clamping: count) &+ by)) }
        totalEvents = changed(totalEvents, sums.events)
        totalUnpriced = changed(totalUnpriced, sums.unpriced)
        totalCost += MoneyTotal(picodollars: sums.cost)
        totalRevenue += MoneyTotal(picodollars: sums.revenue)
        guard sums.customer != noString else { return }
        let row = row(of: sums.customer)
        row.pointee.events = changed(row.pointee.events, sums.events)
        row.pointee.unpriced = changed(row.pointee.unpriced, sums.unpriced)
        row.pointee.cost += sums.cost
        row.pointee.revenue += sums.revenue
    }

    mutating func replay(_ correction: Correction) -> Bool {
        guard correction.sequence < nextSequence, correction.names.allSatisfy({ isKnown($0) }), Int(correction.run) <= runs.count else {
            return false
        }
        count(correction)
        return true
    }

    mutating func replay(_ run: RunFact, at position: JournalPosition) -> Bool {
        switch run.operation {
        case .begun:
            guard run.id == nextRun, run.reverses < run.id else { return false }
            runs.append(CorrectionRun(run, at: position))
        case .ended:
            guard Int(run.id) <= runs.count, runs[Int(run.id) - 1].end == nil else { return false }
            end(run, at: position)
        }
        return true
    }
}
