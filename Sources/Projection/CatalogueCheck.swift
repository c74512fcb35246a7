// CatalogueCheck: whether a catalogue may follow the one in force, and what it would change. Here because it takes some tens of
// milliseconds, which the loop has not got.

internal import Core
internal import Pricing

enum CatalogueCheck {
    /// `now` bounds the catalogue's day: one that is far ahead would hold against every later one.
    static func answer(current: [UInt8]?, bundle: [UInt8], force: Bool, now: Timestamp) -> QueryAnswer {
        do throws(PriceBookError) {
            var texts = PriceTexts()
            texts.catalogue = bundle
            let book = try PriceBook.make(texts)
            guard isVersion(Array(book.version.utf8), until: now) else {
                return QueryAnswer(
                    status: 400, code: "invalid_prices",
                    message: "The version is DAY or DAY-HASH (2026-11-23, 2026-11-23-0a1b2c3d), and the day not after tomorrow")
            }
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

    /// `2026-11-23`, or the same with `-` and eight hexadecimal digits.
    static func isVersion(_ version: [UInt8], until now: Timestamp) -> Bool {
        guard version.count == 10 || version.count == 19, version.count == 10 || version[10] == 0x2D else { return false }
        guard version.dropFirst(11).allSatisfy({ $0 &- 0x30 < 10 || $0 &- 0x61 < 6 }) else { return false }
        let midnight = Array(version.prefix(10)) + Array("T00:00:00Z".utf8)
        guard let day = midnight.withUnsafeBytes({ Timestamp(rfc3339: $0) }) else { return false }
        return day.nanoseconds <= now.nanoseconds + 24 * Timestamp.nanosecondsPerHour
    }
}
