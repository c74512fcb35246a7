// Price texts: a catalogue, prices of one's own, the lists of others. What is taken can be written again and read as the same.

import Core
import Pricing
import Upstream

extension FuzzEntry {
    static let catalogue = FuzzEntry("catalogue") { input in
        var choices = Choices(input)
        let choice = choices.byte()
        let text = choices.data
        switch choice % 3 {
        case 0: try readCatalogue(text)
        case 1: try readOwn(text)
        default: try update(text)
        }
    }

    private static func readCatalogue(_ text: [UInt8]) throws {
        var texts = PriceTexts()
        texts.catalogue = text
        do {
            let book = try PriceBook.make(texts)
            try demand(book.rowCount > 0, "a catalogue without a row")
        } catch let error as PriceBookError {
            try demand(error.line >= 0 && !error.message.isEmpty, "\(error)")
        }
        guard let document = try? CatalogueDocument(text) else { return }
        let bundle = document.bundle
        guard let again = try? CatalogueDocument(bundle) else {
            throw Finding("what was written cannot be read: \(String(decoding: bundle, as: UTF8.self))")
        }
        try demand(again.bundle == bundle, "what is written changes when it is written again")
        try demand(CatalogueDiff(from: document, to: again).isEmpty, "what was written is another catalogue")
    }

    private static func readOwn(_ text: [UInt8]) throws {
        do {
            let book = try exactly(text) { try PriceBook(catalogue: [], own: [PriceBook.Source(name: "a", bytes: $0)]) }
            for row in book.ownRows() { try demand(!row.id.isEmpty, "a price without a name") }
        } catch let error as PriceBookError {
            let lines = text.count { $0 == 0x0A } + 1
            try demand(error.line >= 0 && error.line <= lines, "\(error) of \(lines) lines")
        }
    }

    private static let base = Array(
        """
        version 2026-01-01
        provider openai
        title OpenAI
        source genai-prices 0.2.3 (MIT)

        model gpt-4o
        names gpt-4o
        rate input=2.5/M output=10/M

        """.utf8)

    private static func update(_ text: [UInt8]) throws {
        let updated: UpdatedCatalogue
        do throws(UpstreamError) {
            updated = try Upstream.update(base: base, upstream: text, day: "2026-11-24")
        } catch {
            try demand(!error.description.isEmpty, "no reason")
            return
        }
        guard let first = try? CatalogueDocument(updated.bundle) else { throw Finding("an update that cannot be read") }
        try demand(first.bundle == updated.bundle || updated.bundle == base, "an update that is not written as catalogues are")
        let again: UpdatedCatalogue
        do throws(UpstreamError) {
            again = try Upstream.update(base: updated.bundle, upstream: text, day: "2026-11-25")
        } catch {
            throw Finding("the same list is refused the second time: \(error)")
        }
        try demand(
            again.bundle == updated.bundle && again.diff.isEmpty, "the same list changes the catalogue again:\n\(again.diff.text())")
    }
}
