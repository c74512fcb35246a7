// RowFinder: which row of a provider has a name, by the rule of genai-prices: the first row whose names or patterns fit, and
// when none does the name once more with its date spelled with dashes.

internal import Pricing

struct RowFinder {
    private var byName: [String: Int] = [:]
    private var patterns: [(row: Int, lines: CatalogueModel)] = []

    init(_ rows: [CatalogueModel]) {
        for (index, row) in rows.enumerated() {
            for name in row.names where byName[name.lowercased()] == nil { byName[name.lowercased()] = index }
            if row.likes.isEmpty { continue }
            var only = row
            only.names = []
            patterns.append((index, only))
        }
    }

    func find(_ name: String) -> Int? { first(name) ?? ModelDate.dashed(name).flatMap { first($0) } }

    private func first(_ name: String) -> Int? {
        let named = byName[name.lowercased()]
        for (row, lines) in patterns where row < named ?? Int.max { if lines.fits(name) { return row } }
        return named
    }
}
