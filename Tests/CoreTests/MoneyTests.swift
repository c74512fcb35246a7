// Money, quantities, totals and the one division there is.

import Core
import Testing

@Test func dividingHalfEvenAgreesWithPython() throws {
    var random = Seeded(11)
    var pairs: [(Int128, Int128)] = []
    for numerator in Int128(-12)...12 { for divisor in Int128(-8)...8 where divisor != 0 { pairs.append((numerator, divisor)) } }
    for _ in 0..<10_000 {
        let divisor = Int128(Int64.random(in: 1...Int64.max, using: &random) >> Int64.random(in: 0..<60, using: &random)) + 1
        let quotient = Int128(Int64.random(in: Int64.min...Int64.max, using: &random) >> Int64.random(in: 0..<60, using: &random))
        // Ties and their neighbours: an odd multiple of half the divisor, one less, one more.
        let tie = quotient * divisor + divisor / 2
        let sign: Int128 = Bool.random(using: &random) ? 1 : -1
        for offset in Int128(-1)...1 { pairs.append((tie + offset, divisor * sign)) }
    }
    let answers = try Oracle.answers("ratio", to: pairs.map { "\($0.0) \($0.1)" })
    for ((numerator, divisor), expected) in zip(pairs, answers) {
        let got = "\(divideHalfEven(numerator, by: divisor))"
        if got != expected { Issue.record("\(numerator) / \(divisor): \(got), Python says \(expected)") }
    }
}

@Test func aMarginRatioIsRoundedHalfEvenAndAbsentWithoutRevenue() {
    let cost = MoneyTotal(Money(picodollars: 370_500_000_000))
    #expect(MoneyTotal(Money(picodollars: 640)).ratio(to: MoneyTotal(Money(picodollars: 1000)), places: 4) == 6400)
    #expect(MoneyTotal(Money(picodollars: 1)).ratio(to: MoneyTotal(Money(picodollars: 3)), places: 6) == 333_333)
    #expect(MoneyTotal(Money(picodollars: -2)).ratio(to: MoneyTotal(Money(picodollars: 3)), places: 6) == -666_667)
    #expect(MoneyTotal(Money(picodollars: 1)).ratio(to: MoneyTotal(Money(picodollars: 2000)), places: 3) == 0)
    #expect(MoneyTotal(Money(picodollars: 3)).ratio(to: MoneyTotal(Money(picodollars: 2000)), places: 3) == 2)
    #expect(cost.ratio(to: .zero, places: 4) == nil)
}

@Test func sumsOfTheLargestAmountsAreExact() {
    var total = MoneyTotal.zero
    for _ in 0..<10_000 { total += Money(picodollars: .max) }
    #expect("\(total)" == "92233720368.54775807")
    for _ in 0..<10_000 { total += Money(picodollars: -.max) }
    #expect(total == .zero)
    var units = QuantityTotal.zero
    for _ in 0..<3 { units += Quantity(millionths: .max) }
    #expect("\(units)" == "27670116110564.327421")
}

@Test func theOrderOfAdditionNeverMatters() {
    var random = Seeded(5)
    var amounts = (0..<5_000).map { _ in Money(picodollars: Int64.random(in: Int64.min...Int64.max, using: &random)) }
    func sum() -> MoneyTotal { amounts.reduce(into: .zero) { $0 += $1 } }
    let first = sum()
    for _ in 0..<5 {
        amounts.shuffle(using: &random)
        #expect(sum() == first)
    }
}

@Test func wholeQuantitiesThatDoNotFitAreRefused() {
    #expect(Quantity(whole: 9_223_372_036_854)?.millionths == 9_223_372_036_854_000_000)
    #expect(Quantity(whole: 9_223_372_036_855) == nil)
    #expect(Quantity(whole: -9_223_372_036_854)?.millionths == -9_223_372_036_854_000_000)
    #expect(Quantity(whole: .min) == nil)
    #expect("\(Quantity(millionths: 1))" == "0.000001")
    #expect("\(Money(picodollars: 140_000))" == "0.00000014")
    #expect("\(Money(picodollars: -12_500_000_000_000))" == "-12.5")
}
