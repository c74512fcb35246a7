import Testing

@testable import purser

@Suite struct TableTests {
    @Test func numbersStandOnTheirDecimalPoint() {
        var table = Table([Table.Column(title: "who", alignment: .left), Table.Column(title: "cost", alignment: .point)])
        table.rows = [
            [Table.Cell("a"), Table.Cell("1,234.50")], [Table.Cell("bb"), Table.Cell("-0.00000014")], [Table.Cell("c"), Table.Cell("-")],
        ]
        #expect(
            table.render(.plain) == """
                who            cost
                a    1,234.50
                bb      -0.00000014
                c        -
                """)
    }

    @Test func totalsStandUnderARule() {
        var table = Table([Table.Column(title: "who", alignment: .left), Table.Column(title: "n", alignment: .point)])
        table.rows = [[Table.Cell("a"), Table.Cell("5")]]
        table.totals = [Table.Cell("total"), Table.Cell("15")]
        #expect(table.render(.plain) == "who     n\na       5\n─────  ──\ntotal  15")
    }

    @Test func barsAreProportionalAndLossesLookDifferentWithoutColour() {
        var table = Table([Table.Column(title: "", alignment: .bar)])
        table.rows = [[Table.Cell("", share: 1000)], [Table.Cell("", isLoss: true, share: -500)], [Table.Cell("", share: 0)]]
        #expect(table.render(.plain).split(separator: "\n", omittingEmptySubsequences: false) == ["", "████████████████", "░░░░░░░░", ""])
        table.rows = [[Table.Cell("", isLoss: true, share: -1)]]
        let style = Style(color: true, unicode: true, width: 80)
        #expect(table.render(style).contains("\u{1B}[31m▏\u{1B}[0m"))
        #expect(!table.render(.plain).contains("\u{1B}"))
        table.rows = [[Table.Cell("", share: 500)]]
        #expect(table.render(Style(color: false, unicode: false)).hasSuffix("########"))
    }

    @Test func textOfOthersCannotSteerTheTerminal() {
        var table = Table([Table.Column(title: "name", alignment: .left)])
        table.rows = [[Table.Cell("evil\u{1B}[2Jname\u{202E}\u{9B}\n")]]
        let text = table.render(.plain)
        #expect(text == "name\nevil\\u{1b}[2Jname\\u{202e}\\u{9b}\\u{a}")
    }

    @Test func wideCharactersTakeTwoCells() {
        var table = Table([Table.Column(title: "name", alignment: .left), Table.Column(title: "n", alignment: .point)])
        table.rows = [[Table.Cell("日本"), Table.Cell("1")], [Table.Cell("e\u{301}te"), Table.Cell("2")]]
        #expect(table.render(.plain) == "name  n\n日本  1\ne\u{301}te   2")
    }

    @Test func longTextIsCutOnATerminalAndWholeInAPipe() {
        let long = String(repeating: "x", count: 60)
        var table = Table([Table.Column(title: "name", alignment: .left)])
        table.rows = [[Table.Cell(long)]]
        #expect(table.render(.plain).hasSuffix(long))
        #expect(table.render(Style(color: false, unicode: true, width: 80)).hasSuffix("\n" + String(repeating: "x", count: 39) + "…"))
    }
}

@Suite struct AmountTests {
    @Test func decimalsAreReadExactly() {
        #expect(Amount("0.00000014")?.scaled == 140_000)
        #expect(Amount("-12.5")?.scaled == -12_500_000_000_000)
        #expect(Amount("123456789012345678901234")?.exact == "123456789012345678901234")
        #expect(Amount("0.1000000000000000")?.exact == "0.1")
        for text in ["", "-", ".", "1.", ".5", "1e3", "+1", "0.0000000000001", "1.2.3", "--1", String(repeating: "9", count: 40)] {
            #expect(Amount(text) == nil, "\(text)")
        }
    }

    @Test func roundingIsHalfEvenAndThousandsAreApart() {
        #expect(Amount("1234567.125")?.fixed(2) == "1,234,567.12")
        #expect(Amount("0.135")?.fixed(2) == "0.14")
        #expect(Amount("-0.0050000001")?.fixed(2) == "-0.01")
        #expect(Amount("-0.001")?.fixed(2) == "0.00")
        #expect(Amount("999")?.fixed(0) == "999")
        #expect(Amount("0.64")?.percent == "64.0")
        #expect(Amount("-12.3456")?.percent == "-1,234.6")
    }

    @Test func aColumnIsExactWhereSixDigitsAreEnough() {
        func places(_ texts: String...) -> Int { Amount.places(for: texts.map { Amount($0)! }) }
        #expect(places() == 2)
        #expect(places("12", "0") == 2)
        #expect(places("0.5") == 2)
        #expect(places("12", "0.03705") == 5)
        #expect(places("0.000001") == 6)
    }

    @Test func elseAColumnShowsTwoSignificantDigitsOfItsSmallestAmount() {
        func places(_ texts: String...) -> Int { Amount.places(for: texts.map { Amount($0)! }) }
        #expect(places("12.0000001", "3") == 2)
        #expect(places("12.0000001", "0.05") == 3)
        #expect(places("-0.0049000001") == 4)
        #expect(places("0.00000014") == 6)
    }

    @Test func anAmountIsNeverShownAsZeroUnlessItIs() {
        #expect(Amount("0.00000014")?.shown(6) == "0.00000014")
        #expect(Amount("0.0000006")?.shown(6) == "0.000001")
        #expect(Amount("0")?.shown(2) == "0.00")
    }
}
