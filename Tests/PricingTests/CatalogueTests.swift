import Core
import Testing

@testable import Pricing

private func document(_ rows: String, head: String = "source genai-prices 1 (MIT)") throws -> CatalogueDocument {
    try CatalogueDocument(Array("version 2026-11-23\nprovider acme\n\(head)\n\(rows)\n".utf8))
}

private func files(_ bundle: [UInt8]) -> [String] {
    bundle.withUnsafeBytes { CatalogueBundle.split($0).map { "\($0.name) \($0.bytes.count)" } }
}

@Suite struct CatalogueBundleTests {
    @Test func theBuiltInCatalogueComesBackAsItIs() throws {
        let bundle = CatalogueBundle.builtIn()
        let document = try CatalogueDocument(bundle)
        #expect(document.bundle == bundle)
        let built = try PriceBook.builtIn()
        let read = try bundle.withUnsafeBytes { try PriceBook(catalogue: CatalogueBundle.split($0)) }
        #expect(read.version == built.version)
        #expect(read.cardCount == built.cardCount)
        let (a, b) = (built.rows(), read.rows())
        #expect(a.count == document.rowCount)
        for (one, other) in zip(a, b) where one.derivations != other.derivations {
            Issue.record("\(one.provider)/\(one.id): \(one.derivations) is \(other.derivations)")
        }
        #expect(a.map { $0.names.sorted() } == b.map { $0.names.sorted() })
        #expect(a.map { $0.source.prefix { $0 != " " } } == b.map { $0.source.prefix { $0 != " " } })
    }

    @Test func aVersionLineBeginsAFile() {
        #expect(files([]) == [])
        #expect(files(Array("\n# nothing\n".utf8)) == [])
        #expect(files(Array("version 1\nprovider a\nversion 1\nprovider b\n".utf8)) == ["a.txt 21", "b.txt 21"])
        #expect(files(Array("# comment\nversion 1\nprovider a".utf8)) == ["a.txt 20"])
        // What stands before the first one is no file, and is refused as such.
        #expect(files(Array("provider a\nversion 1\nprovider b\n".utf8)) == ["a.txt 11", "b.txt 21"])
        #expect(files(Array("version 1\nversion 1\n".utf8)) == ["the catalogue 10", "the catalogue 10"])
    }

    @Test func aBundleIsRefusedWithTheProviderAndTheLine() {
        func refusal(_ text: String) -> String {
            do throws(PriceBookError) {
                _ = try CatalogueDocument(Array(text.utf8))
                return "taken"
            } catch { return "\(error)" }
        }
        #expect(refusal("version 1\nprovider a\nversion 2\nprovider b\n") == "b.txt:1: files of two versions")
        #expect(refusal("version 1\nprovider a\nmodel m\nrate input=-1/M\n") == "a.txt:4: not a rate: input=-1/M")
        #expect(refusal("version 1\nprovider a\nfallback b\n") == "a: falls back to 'b', which is not in the catalogue")
    }

    @Test func aVersionNamesOneContent() throws {
        let one = try document("model m\nnames m\nrate input=1/M")
        var other = one
        other.version = "2027-01-01-01234567"
        #expect(one.contentHash == other.contentHash)
        other.providers[0].models[0].cards[0].rates[0].text = "2/M"
        #expect(one.contentHash != other.contentHash)
        let version = CatalogueBundle.version(day: "2026-11-24", content: one.contentHash)
        #expect(version.hasPrefix("2026-11-24-"))
        #expect(version.utf8.dropFirst(11).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        #expect(version.utf8.count == 19)
    }

    @Test func whatIsWrittenIsWhatWasRead() throws {
        let text = """
            version 1
            provider acme
            title Acme Inc
            source litellm
            maker a* !b*
            dotted
            secondary
            alias x y
            aliaslike *z*

            model m
            source genai-prices
            names m M2
            like m-* !m-*-tts
            like n
            minimum seconds=10
            region us=1.1 *=1
            rate days=1-5 hours=09:00-12:00 zone=+08:00 tier=batch above=5 input=1/M
            rate input=2/M output=0.36/h
            rate from=2026-12-01 input=3/M

            """
        #expect(String(decoding: try CatalogueDocument(Array(text.utf8)).bundle, as: UTF8.self) == text)
        let reaching = try document("model m\nnames m\nrate tier=standard reaching=200000 output=1/M inputTokens=2/M\nrate input=1/M")
        #expect(String(decoding: reaching.bundle, as: UTF8.self).contains("\nrate reaching=200000 input=2/M output=1/M\n"))
    }
}

@Suite struct CatalogueDiffTests {
    private func diff(_ old: String, _ new: String) throws -> CatalogueDiff {
        CatalogueDiff(from: try document(old), to: try document(new))
    }

    @Test func whatMeansTheSameIsNoDifference() throws {
        let same = try diff(
            "model m\nnames a b\nrate hours=09:00-12:00 zone=+08:00 input=2.50/M output=0.36/h\nrate input=1/M",
            "model m\nnames b a\nrate from=2000-01-01 hours=01:00-04:00 input=0.0000025 output=0.0001\nrate from=2000-01-01 input=1/M")
        #expect(same.changed.first?.changes.map(\.condition).contains("from=2000-01-01") == true)
        let zones = try diff(
            "model m\nnames a b\nrate hours=09:00-12:00 zone=+08:00 input=2.50/M output=0.36/h\nrate input=1/M",
            "model m\nnames b a\nrate hours=01:00-04:00 input=0.0000025 output=0.0001\nrate input=1/M")
        #expect(zones.isEmpty)
        #expect(try diff("model m\nnames m\nrate input=1/M", "model m\nnames m\nrate input=1/M").isEmpty)
        // On weekdays the zone decides when they begin.
        let days = try diff(
            "model m\nnames a\nrate days=1-5 hours=09:00-12:00 zone=+08:00 input=2/M\nrate input=1/M",
            "model m\nnames a\nrate days=1-5 hours=01:00-04:00 input=2/M\nrate input=1/M")
        #expect(!days.isEmpty)
    }

    @Test func everyRateThatChangesIsNamedWithItsCondition() throws {
        let diff = try diff(
            """
            model gone
            names gone
            rate input=1/M

            model m
            names m old
            region us=1.1
            rate tier=batch input=1/M
            rate input=2/M output=3/M
            """,
            """
            model fresh
            names fresh
            rate hours=01:00-02:00 input=1/M
            rate input=7/M output=8/M

            model m
            names m new
            rate tier=flex input=1/M
            rate input=2/M output=4/M cacheRead=0.1/M
            """)
        #expect(
            diff.text() == """
                acme
                  + fresh  input=7/M output=8/M
                  - gone
                  ~ m  names old -> new, region us=1.1 -> none
                  ~ m  tier=flex: input none -> 1/M
                  ~ m  output 3/M -> 4/M, cacheRead none -> 0.1/M
                  ~ m  tier=batch: input 1/M -> none

                1 added, 1 removed, 1 changed: 2 rows, then 2
                """)
        #expect(
            diff.text(limit: 2)
                == "acme\n  + fresh  input=7/M output=8/M\nand 5 more lines\n\n1 added, 1 removed, 1 changed: 2 rows, then 2")
    }

    @Test func theOrderOfCardsAndPatternsCounts() throws {
        let cards = try diff(
            "model m\nnames m\nrate hours=01:00-05:00 input=1/M\nrate hours=02:00-03:00 input=3/M\nrate input=2/M",
            "model m\nnames m\nrate hours=02:00-03:00 input=3/M\nrate hours=01:00-05:00 input=1/M\nrate input=2/M")
        #expect(cards.changed.first?.changes.map(\.what) == ["order"])
        let patterns = try diff("model m\nnames m\nlike a*\nlike b*\nrate input=1/M", "model m\nnames m\nlike b*\nlike a*\nrate input=1/M")
        #expect(patterns.changed.first?.changes == [CatalogueDiff.Change(condition: "", what: "like", old: "a* b*", new: "b* a*")])
    }

    @Test func providersAreComparedToo() throws {
        let rows = "model m\nnames m\nrate input=1/M"
        let old = try document(rows, head: "alias a b")
        let new = try document(rows, head: "alias a c")
        let diff = CatalogueDiff(from: old, to: new)
        #expect(diff.providersChanged == ["acme"])
        #expect(!diff.isEmpty)
        #expect(diff.text().hasPrefix("acme\n  ~ its names, makes or fallbacks\n"))
    }

    /// Catalogues of so many rows at each provider.
    private func catalogue(_ counts: [(String, Int)], rates: (Int) -> String = { _ in "input=1/M" }) throws -> CatalogueDocument {
        var text = ""
        for (provider, count) in counts {
            text += "version 1\nprovider \(provider)\n"
            for row in 0..<count { text += "model m\(row)\nnames m\(row)\nrate \(rates(row))\n" }
        }
        return try CatalogueDocument(Array(text.utf8))
    }

    @Test func aTenthMayGoAndNoMore() throws {
        let old = try catalogue([("a", 100)])
        #expect(CatalogueDiff(from: old, to: try catalogue([("a", 90)])).refusal == nil)
        #expect(CatalogueDiff(from: old, to: try catalogue([("a", 89)])).refusal == "11 of 100 rows would go, more than a tenth")
        // Rows that come do not make up for rows that go.
        #expect(CatalogueDiff(from: old, to: try catalogue([("a", 89), ("b", 50)])).refusal != nil)
        #expect(CatalogueDiff(from: try catalogue([]), to: old).refusal == nil)
    }

    @Test func aProviderDoesNotVanishUnnoticed() throws {
        let old = try catalogue([("a", 300), ("b", 10), ("c", 9)])
        #expect(CatalogueDiff(from: old, to: try catalogue([("a", 300), ("c", 9)])).refusal == "all 10 rows of b would go")
        #expect(CatalogueDiff(from: old, to: try catalogue([("a", 300), ("b", 10)])).refusal == nil)
        #expect(CatalogueDiff(from: old, to: try catalogue([("a", 300), ("b", 1), ("c", 9)])).refusal == nil)
    }

    @Test func aKindOfUsageDoesNotVanishUnnoticed() throws {
        func rates(_ with: Int) -> (Int) -> String { { $0 < with ? "input=1/M cacheWrite1h=2/M" : "input=1/M" } }
        let plain = try catalogue([("a", 40)])
        #expect(
            CatalogueDiff(from: try catalogue([("a", 40)], rates: rates(10)), to: plain).refusal
                == "10 rows have rates for cacheWrite1h and none would any more")
        #expect(CatalogueDiff(from: try catalogue([("a", 40)], rates: rates(9)), to: plain).refusal == nil)
        #expect(
            CatalogueDiff(from: try catalogue([("a", 40)], rates: rates(10)), to: try catalogue([("a", 40)], rates: rates(1))).refusal
                == nil)
    }
}
