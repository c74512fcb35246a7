// What a usage costs. Called per event: no allocation, no reference counting, no branch per kind in the common case.
//
// Cost = sum of count x factor in 128-bit integers at 1e-21 USD, rounded half-even once to picodollars.

public import Core

extension PriceBook {
    /// Prices one event. `resolution` is this book's. `region` is the provider's region or data residency, empty for none.
    /// The usage must be consistent (`UsageRules.inconsistent` is nil) and not negative; what is not is `outOfRange`.
    public func price(
        _ resolution: Resolution, usage: UnsafeBufferPointer<UsageLine>, at time: Timestamp, tier: ServiceTier,
        region: UnsafeRawBufferPointer
    ) -> Priced {
        guard resolution.entry >= 0 else {
            return Priced(cost: .zero, unpriced: resolution.unpriced, flags: [], card: -1)
        }
        let entry = tables.pointee.entries.base[Int(resolution.entry)]
        if entry.simpleCard >= 0 {
            var flags: PriceFlags = tier == .standard ? [] : .tierNotPriced
            if resolution.viaFallback { flags.insert(.providerFallback) }
            return evaluate(Int(entry.simpleCard), flags, usage)
        }
        return choose(resolution, usage, time, tier, region)
    }

    @inline(__always)
    private func evaluate(_ index: Int, _ flags: PriceFlags, _ usage: UnsafeBufferPointer<UsageLine>) -> Priced {
        let card = tables.pointee.cards.cards.base + index
        let number = Int32(truncatingIfNeeded: index << PriceBook.flagBits | Int(flags.rawValue))
        var sum: Int128 = 0
        var seen: UInt32 = 0
        var bits: Int64 = 0
        let factors = UnsafeRawPointer(card)
        for line in usage {
            let tag = line.kind.tag
            let quantity = line.quantity.millionths
            if quantity == 0 { continue }
            seen |= 1 << UInt32(truncatingIfNeeded: tag)
            bits |= quantity
            let factor: Int64
            if tag < Tags.direct {
                factor = factors.load(fromByteOffset: tag &* 8, as: Int64.self)
            } else {
                factor = moreFactor(card.pointee, tag)
            }
            // At most 32 lines of 59 by 60 bits (RateText.largest) count; what is larger goes the exact way below.
            sum &+= Int128(truncatingIfNeeded: quantity) &* Int128(truncatingIfNeeded: factor)
        }
        let mask = card.pointee.mask
        let traits = card.pointee.traits
        let crosses =
            seen & Tags.cacheMask != 0 && seen & Tags.inputModalityMask != 0 || seen & 1 << 5 != 0 && seen & Tags.outputModalityMask != 0
        let large = UInt64(bitPattern: bits) >> 59 != 0 || usage.count > Limits.usageLines
        if seen & ~mask != 0 || crosses || large || traits != 0 || usage.count == 0 {
            return evaluateExactly(index, number, flags, usage)
        }
        guard let cost = PriceBook.picodollars(sum) else { return Priced(cost: .zero, unpriced: .outOfRange, flags: flags, card: number) }
        return Priced(cost: cost, unpriced: .none, flags: flags, card: number)
    }

    @inline(__always)
    private func moreFactor(_ card: Card, _ tag: Tag) -> Int64 {
        let first = tables.pointee.cards.more.base + Int(card.moreStart)
        for i in 0..<Int(card.moreCount) where first[i].tag == Int64(tag) { return first[i].factor }
        return 0
    }

    /// By cells: for parts that cross, rates that are missing, minimums and rates per request.
    @inline(never)
    private func evaluateExactly(
        _ index: Int, _ number: Int32, _ flags: PriceFlags, _ usage: UnsafeBufferPointer<UsageLine>
    ) -> Priced {
        let traits = tables.pointee.cards.cards[index].traits
        let note = tables.pointee.cards.notes[index]
        func unpriced(_ reason: UnpricedReason) -> Priced { Priced(cost: .zero, unpriced: reason, flags: flags, card: number) }
        if usage.count == 0, traits & Card.onlyRequests == 0 { return unpriced(.noUsage) }
        let table = tables.pointee.cards.table(of: index)
        var totals = InlineArray<26, Int64>(repeating: 0)
        guard UsageTotals.add(usage, into: &totals) else { return unpriced(.outOfRange) }
        if note.minimumTag >= 0 { UsageTotals.raise(Int(note.minimumTag), to: note.minimum, in: &totals) }
        if traits & Card.hasRequests != 0 { UsageTotals.countRequest(usage, in: &totals) }
        let cells = UsageCells(totals, rates: table)
        switch cells.failure {
        case .noRate: return unpriced(.noRate)
        case .outOfRange: return unpriced(.outOfRange)
        case nil: break
        }
        var sum: Int128 = 0
        for i in 0..<cells.count {
            let (next, overflow) = sum.addingReportingOverflow(Int128(cells[i].count) &* Int128(cells[i].rate))
            guard !overflow else { return unpriced(.outOfRange) }
            sum = next
        }
        guard let cost = PriceBook.picodollars(sum) else { return unpriced(.outOfRange) }
        return Priced(cost: cost, unpriced: .none, flags: flags, card: number)
    }

    /// 1e-21 USD to picodollars, half-even; nil when negative or beyond `Money`. Two 64-bit divisions by a constant instead
    /// of one 128-bit one.
    @inline(__always)
    static func picodollars(_ sum: Int128) -> Money? {
        let magnitude = UInt128(truncatingIfNeeded: sum)
        let high = UInt64(truncatingIfNeeded: magnitude >> 64)
        let low = UInt64(truncatingIfNeeded: magnitude)
        // 2^96 at 1e-21 is 7.9e7 USD, more than Money holds; a negative sum has the highest bit set.
        guard high < 1 << 32 else { return nil }
        let billion: UInt64 = 1_000_000_000
        let upper = high << 32 | low >> 32
        let upperQuotient = upper / billion
        let lower = (upper % billion) << 32 | low & 0xFFFF_FFFF
        guard upperQuotient < 1 << 31 else { return nil }
        var quotient = upperQuotient << 32 | lower / billion
        let remainder = lower % billion
        if remainder > billion / 2 || remainder == billion / 2 && quotient & 1 != 0 { quotient += 1 }
        guard quotient <= UInt64(Int64.max) else { return nil }
        return Money(picodollars: Int64(truncatingIfNeeded: quotient))
    }

    // Choosing the card

    @inline(never)
    private func choose(
        _ resolution: Resolution, _ usage: UnsafeBufferPointer<UsageLine>, _ time: Timestamp, _ tier: ServiceTier,
        _ region: UnsafeRawBufferPointer
    ) -> Priced {
        var entry = tables.pointee.entries[Int(resolution.entry)]
        var viaFallback = resolution.viaFallback
        if entry.kind == Entry.chain {
            var found: Link?
            for i in 0..<Int(entry.count) {
                let link = tables.pointee.links[Int(entry.first) + i]
                if time.nanoseconds >= link.from, time.nanoseconds < link.until {
                    found = link
                    break
                }
            }
            guard let found, found.entry >= 0 else {
                return Priced(cost: .zero, unpriced: found?.unpriced ?? .unknownModel, flags: [], card: -1)
            }
            entry = tables.pointee.entries[Int(found.entry)]
            viaFallback = found.viaFallback
        }
        var flags: PriceFlags = viaFallback ? .providerFallback : []

        var period = Int(entry.first)
        let lastPeriod = period + Int(entry.count) - 1
        if time.nanoseconds < tables.pointee.periods[period].from {
            flags.insert(.beforeFirstRate)
        } else {
            while period < lastPeriod, tables.pointee.periods[period + 1].from <= time.nanoseconds { period += 1 }
        }

        let input = PriceBook.inputTotal(usage)
        // A provider's tiers are not those of the maker whose rows it falls back to.
        var wanted = viaFallback ? ServiceTier.standard.rawValue : tier.rawValue
        if viaFallback, tier != .standard { flags.insert(.tierNotPriced) }
        var card = select(period, wanted, input, time)
        if card < 0, wanted != ServiceTier.standard.rawValue {
            wanted = ServiceTier.standard.rawValue
            flags.insert(.tierNotPriced)
            card = select(period, wanted, input, time)
        }
        guard card >= 0 else { return Priced(cost: .zero, unpriced: .noRate, flags: flags, card: -1) }
        var index = Int(entry.cardFirst) + Int(card)
        if region.count > 0, entry.regionCount > 0 {
            for i in 0..<Int(entry.regionCount) {
                let rule = tables.pointee.regions[Int(entry.regionFirst) + i]
                if Glob.matches(rule.pattern, region) {
                    index += Int(rule.variant) * Int(entry.cardCount)
                    break
                }
            }
        }
        return evaluate(index, flags, usage)
    }

    /// The first selector of a period whose conditions all hold; -1 when none does.
    private func select(_ period: Int, _ tier: UInt8, _ input: Int64, _ time: Timestamp) -> Int32 {
        let at = tables.pointee.periods[period]
        for i in Int(at.first)..<Int(at.first) + Int(at.count) {
            let selector = tables.pointee.selectors[i]
            if selector.tier != tier || input <= selector.above { continue }
            if selector.window >= 0, !inside(tables.pointee.windows[Int(selector.window)], time) { continue }
            return selector.card
        }
        return -1
    }

    private func inside(_ window: Window, _ time: Timestamp) -> Bool {
        let (local, overflow) = (time.nanoseconds / 60_000_000_000).addingReportingOverflow(Int64(window.zoneSeconds / 60))
        guard !overflow, local >= 0 else { return false }
        let minute = Int32(local % 1440)
        // 1970-01-01 was a Thursday.
        let weekday = (local / 1440 + 3) % 7
        guard window.days >> UInt32(weekday) & 1 != 0 else { return false }
        if window.count == 0 { return true }
        for i in 0..<Int(window.count) {
            let span = tables.pointee.spans[Int(window.first) + i]
            if span.end > span.start {
                if minute >= span.start, minute < span.end { return true }
            } else if minute >= span.start || minute < span.end {
                return true
            }
        }
        return false
    }

    private static func inputTotal(_ usage: UnsafeBufferPointer<UsageLine>) -> Int64 {
        var total: Int64 = 0
        for line in usage where line.kind == .inputTokens {
            let (sum, overflow) = total.addingReportingOverflow(line.quantity.millionths)
            total = overflow ? .max : sum
        }
        return total
    }
}

/// Usage lines summed by kind.
enum UsageTotals {
    /// False on a negative quantity, a sum beyond Int64 or too many lines.
    static func add(_ usage: UnsafeBufferPointer<UsageLine>, into totals: inout InlineArray<26, Int64>) -> Bool {
        guard usage.count <= Limits.usageLines else { return false }
        for line in usage {
            let (sum, overflow) = totals[line.kind.tag].addingReportingOverflow(line.quantity.millionths)
            guard !overflow, line.quantity.millionths >= 0 else { return false }
            totals[line.kind.tag] = sum
        }
        return true
    }

    /// A minimum that is billed: nothing stays nothing.
    static func raise(_ tag: Tag, to minimum: Int64, in totals: inout InlineArray<26, Int64>) {
        if totals[tag] > 0, totals[tag] < minimum { totals[tag] = minimum }
    }

    /// Where requests have a rate, an event that does not count them is one.
    static func countRequest(_ usage: UnsafeBufferPointer<UsageLine>, in totals: inout InlineArray<26, Int64>) {
        for line in usage where line.kind == .requests { return }
        totals[Tags.requests] = Quantity.unit
    }
}
