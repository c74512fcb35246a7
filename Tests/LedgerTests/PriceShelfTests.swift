// Which prices are in force, and that the journal tells.

import Core
import Journal
import Pricing
import Testing

@testable import Ledger

private func ownPrice(_ id: String, rate: String) -> [UInt8] {
    Array("[[price]]\nid = \"\(id)\"\nmodel = \"gpt-4o\"\nrates = { input = \"\(rate)\", output = \"1/M\" }\n".utf8)
}

/// A catalogue of one row, with a version of its own.
private func bundle(_ version: String, input: String) -> [UInt8] {
    Array("version \(version)\nprovider openai\ntitle OpenAI\nmaker *\nmodel gpt-4o\nnames gpt-4o\nrate input=\(input)/M output=1/M\n".utf8)
}

private func opened(_ files: [PriceTexts.Text] = []) throws -> Books {
    let builtIn = try PriceBook.builtIn()
    let books = Books(builtIn)
    try books.ledger.usePrices(files: files, builtIn: builtIn)
    return books
}

private func reopened(_ books: Books) throws -> Books {
    let builtIn = try PriceBook.builtIn()
    let fresh = try books.restarted(builtIn)
    try fresh.ledger.usePrices(files: books.ledger.shelf.files, builtIn: builtIn)
    return fresh
}

/// Cost of a million input tokens of gpt-4o, in picodollars.
private func cost(_ books: Books, _ key: String) throws -> Int64 {
    try books.admit([
        Sent(key: key, model: "gpt-4o", provider: "openai", input: 1_000_000)
    ])[0].cost
}

private func announces(_ books: Books) -> Bool { books.ledger.hasPricesToAnnounce() }

private func load(_ books: Books, _ text: [UInt8]) throws {
    let change = try books.ledger.prices(withCatalogue: text)
    text.withUnsafeBytes { bytes in
        let middle = bytes.count / 2
        for range in [0..<middle, middle..<bytes.count] {
            books.batch.writer.append(
                CataloguePartFact(offset: UInt64(range.lowerBound), text: UnsafeRawBufferPointer(rebasing: bytes[range])))
        }
    }
    books.ledger.apply(change, at: Books.now, into: &books.batch)
}

@Suite struct PriceShelfTests {
    @Test func theJournalNamesThePricesInForceOnce() throws {
        var books = try opened()
        #expect(announces(books))
        books.ledger.announcePrices(at: Books.now, into: &books.batch)
        #expect(!announces(books))
        books = try reopened(books)
        #expect(!announces(books))
        #expect(books.ledger.shelf.announced?.loadedBytes == 0)
    }

    @Test func aPriceSetThroughTheApiHoldsAtOnceAndAfterARestart() throws {
        var books = try opened()
        let before = try cost(books, "a")
        let text = ownPrice("deal", rate: "0.5/M")
        let change = try books.ledger.prices(with: Array("deal".utf8), text: text, at: Books.now)
        var fact = OwnPriceFact(operation: .set, at: Books.now, id: Array("deal".utf8))
        fact.text = text
        books.ledger.apply(change, fact, into: &books.batch)
        #expect(try cost(books, "b") == 500_000_000_000)
        books = try reopened(books)
        #expect(!announces(books))
        #expect(try cost(books, "c") == 500_000_000_000)
        let gone = try books.ledger.prices(with: Array("deal".utf8), text: nil, at: Books.now)
        books.ledger.apply(gone, OwnPriceFact(operation: .removed, at: Books.now, id: Array("deal".utf8)), into: &books.batch)
        #expect(try cost(books, "d") == before)
        #expect(try cost(try reopened(books), "e") == before)
    }

    @Test func aPriceThatIsWrongChangesNothing() throws {
        let books = try opened()
        #expect(throws: PriceBookError.self) {
            _ = try books.ledger.prices(
                with: Array("x".utf8), text: Array("[[price]]\nid = \"x\"\nrates = { inputs = \"1\" }".utf8), at: Books.now)
        }
        #expect(books.ledger.shelf.own.isEmpty)
    }

    @Test func aCatalogueThatIsNewerHoldsAfterARestartAndAnOlderOneDoesNot() throws {
        var books = try opened()
        let before = try cost(books, "a")
        try load(books, bundle("2999-01-01-00000000", input: "9"))
        #expect(try cost(books, "b") == 9_000_000_000_000)
        books = try reopened(books)
        #expect(books.ledger.shelf.usesLoaded && !announces(books))
        #expect(try cost(books, "c") == 9_000_000_000_000)

        let other = try opened()
        try load(other, bundle("2001-01-01-00000000", input: "9"))
        #expect(try cost(try reopened(other), "b") == before)
    }

    @Test func theCatalogueBuiltInCanBeHadBack() throws {
        let books = try opened()
        let before = try cost(books, "a")
        try load(books, bundle("2999-01-01-00000000", input: "9"))
        books.ledger.useBuiltIn(try books.ledger.pricesWithBuiltIn(), at: Books.now, into: &books.batch)
        #expect(try cost(books, "b") == before)
        let fresh = try reopened(books)
        #expect(!fresh.ledger.shelf.usesLoaded && !announces(fresh))
        #expect(try cost(fresh, "c") == before)
    }

    @Test func aCatalogueOfWhichOnlyAPartWasWrittenIsNone() throws {
        let books = try opened()
        let text = bundle("2999-01-01-00000000", input: "9")
        text.withUnsafeBytes { bytes in
            books.batch.writer.append(CataloguePartFact(offset: 0, text: UnsafeRawBufferPointer(rebasing: bytes[..<40])))
        }
        let fresh = try reopened(books)
        #expect(fresh.ledger.shelf.loaded == nil)
        // The next one is whole, whatever was left lying.
        try load(fresh, text)
        #expect(try cost(try reopened(fresh), "b") == 9_000_000_000_000)
    }

    @Test func theFilesComeBeforeTheApi() throws {
        let books = try opened([PriceTexts.Text(name: "a.toml", bytes: ownPrice("file", rate: "2/M"))])
        let text = ownPrice("deal", rate: "0.5/M")
        let change = try books.ledger.prices(with: Array("deal".utf8), text: text, at: Books.now)
        var fact = OwnPriceFact(operation: .set, at: Books.now, id: Array("deal".utf8))
        fact.text = text
        books.ledger.apply(change, fact, into: &books.batch)
        #expect(try cost(books, "a") == 2_000_000_000_000)
        #expect(books.ledger.isFilePrice(Array("file".utf8)) && !books.ledger.isFilePrice(Array("deal".utf8)))
    }
}
