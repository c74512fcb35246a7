// CatalogueCheck: whether a catalogue may follow the one in force, and what it would change. Here because it takes some tens of
// milliseconds, which the loop has not got.

internal import Core
internal import Pricing

enum CatalogueCheck {
    static func answer(current: [UInt8]?, bundle: [UInt8], force: Bool) -> QueryAnswer {
        do throws(PriceBookError) {
            var texts = PriceTexts()
            texts.catalogue = bundle
            let book = try PriceBook.make(texts)
            let old = current ?? CatalogueBundle.builtIn()
            let diff = try CatalogueDiff.between(old, bundle)
            if !force, let refusal = diff.refusal {
                return QueryAnswer(status: 409, code: "catalogue_shrinks", message: refusal)
            }
            var before = PriceTexts()
            before.catalogue = current
            var json = ByteWriter(capacity: 256)
            json.append("\"version\":")
            json.append(jsonString: book.version)
            json.append(",\"sha256\":\"")
            PriceBook.digest(catalogue: bundle).bytes.withUnsafeBytes { json.append(hex: $0) }
            json.append("\",\"rows\":")
            json.append(unsigned: UInt64(book.rowCount))
            json.append(",\"added\":")
            json.append(unsigned: UInt64(diff.added.count))
            json.append(",\"removed\":")
            json.append(unsigned: UInt64(diff.removed.count))
            json.append(",\"changed\":")
            json.append(unsigned: UInt64(diff.changed.count))
            json.append(",\"catalogueBefore\":")
            json.append(jsonString: try PriceBook.make(before).version)
            return QueryAnswer(data: json.array)
        } catch {
            return QueryAnswer(status: 400, code: "invalid_prices", message: error.description)
        }
    }
}
