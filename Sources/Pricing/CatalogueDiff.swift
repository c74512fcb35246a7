// CatalogueDiff: what a new catalogue says that the old one does not, row by row, card by card, rate by rate.
//
// Compared is what counts, not how it is written: `2.50/M` is `0.0000025`, and a window in Beijing time is the same hours in
// UTC. A refresh that would lose much is told from one that says more: see `refusal`.

internal import Core

public struct CatalogueDiff: Equatable, Sendable {
    /// A row by the names it has in a derivation.
    public struct Row: Equatable, Hashable, Comparable, Sendable {
        public var provider: String
        public var model: String

        public init(provider: String, model: String) {
            self.provider = provider
            self.model = model
        }

        public static func < (a: Row, b: Row) -> Bool { (a.provider, a.model) < (b.provider, b.model) }
    }

    /// One thing about a row that is another one now; nil is absent.
    public struct Change: Equatable, Sendable {
        /// When it counts, as the catalogue writes it: `from=2026-08-17 tier=batch`; empty for always.
        public var condition: String
        /// A kind of usage (`input`), or `names`, `like`, `minimum`, `region`.
        public var what: String
        public var old: String?
        public var new: String?

        public init(condition: String, what: String, old: String?, new: String?) {
            self.condition = condition
            self.what = what
            self.old = old
            self.new = new
        }
    }

    public struct Changed: Equatable, Sendable {
        public var row: Row
        public var changes: [Change]
    }

    /// What a row has from the old catalogue because the price list it was made from cannot say it.
    public struct Kept: Equatable, Sendable {
        public var row: Row
        public var what: String

        public init(row: Row, what: String) {
            self.row = row
            self.what = what
        }
    }

    public private(set) var added: [Row] = []
    public private(set) var removed: [Row] = []
    public private(set) var changed: [Changed] = []
    /// Filled in by whoever laid one catalogue over the other.
    public var kept: [Kept] = []
    /// Providers whose names, makes or fallbacks are others now.
    public private(set) var providersChanged: [String] = []
    /// Of providers with several rows that have none any more, with how many they had.
    public private(set) var providersGone: [(id: String, rows: Int)] = []
    /// Kinds of usage and tiers that rows have in the old catalogue and none has in the new one, with how many had them.
    public private(set) var unsaid: [(what: String, rows: Int)] = []
    public private(set) var rowsBefore = 0
    public private(set) var rowsAfter = 0
    /// Rates of added rows, for the text.
    private var addedRates: [Row: String] = [:]

    public static func == (a: CatalogueDiff, b: CatalogueDiff) -> Bool {
        a.added == b.added && a.removed == b.removed && a.changed == b.changed && a.kept == b.kept
            && a.providersChanged == b.providersChanged && a.rowsBefore == b.rowsBefore && a.rowsAfter == b.rowsAfter
    }

    /// Whether both say the same.
    public var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty && providersChanged.isEmpty }

    public init(from old: CatalogueDocument, to new: CatalogueDocument) {
        rowsBefore = old.rowCount
        rowsAfter = new.rowCount
        let before = CatalogueDiff.rows(old)
        let after = CatalogueDiff.rows(new)
        for provider in new.providers {
            for model in provider.models {
                let row = Row(provider: provider.id, model: model.id)
                guard let other = before[row] else {
                    added.append(row)
                    addedRates[row] = model.cards.last { !$0.isWindowed && $0.tier.isEmpty && $0.above < 0 }?.shown
                    continue
                }
                let changes = CatalogueDiff.changes(other, model)
                if !changes.isEmpty { changed.append(Changed(row: row, changes: changes)) }
            }
        }
        var byId: [String: CatalogueProvider] = [:]
        for provider in new.providers { byId[provider.id] = provider }
        for provider in old.providers {
            let gone = provider.models.map { Row(provider: provider.id, model: $0.id) }.filter { after[$0] == nil }
            removed += gone
            if !gone.isEmpty, gone.count == provider.models.count { providersGone.append((provider.id, gone.count)) }
            let other = byId.removeValue(forKey: provider.id)
            if other.map({ !provider.isSameProvider($0) }) ?? provider.models.isEmpty { providersChanged.append(provider.id) }
        }
        // What is left is new; one with rows shows by them.
        providersChanged += byId.values.filter { $0.models.isEmpty }.map(\.id).sorted()
        let stays = CatalogueDiff.usage(new)
        for (what, rows) in CatalogueDiff.usage(old) where !stays.contains(where: { $0.what == what }) { unsaid.append((what, rows)) }
        added.sort()
        removed.sort()
        changed.sort { $0.row < $1.row }
    }

    /// The two bundles compared; throws when one of them is not a catalogue.
    public static func between(_ old: [UInt8], _ new: [UInt8]) throws(PriceBookError) -> CatalogueDiff {
        CatalogueDiff(from: try CatalogueDocument(old), to: try CatalogueDocument(new))
    }

    // The guard

    /// A provider with this many rows does not vanish unnoticed.
    private static let manyRows = 10

    /// Why a refresh with this difference is not taken unless forced: more than a tenth of the rows gone, a whole provider of
    /// ten rows or more, or a kind of usage or tier that ten rows or more had and none has any more (a price list of an older
    /// format does not say them). nil when it may be taken.
    public var refusal: String? {
        if removed.count * 10 > rowsBefore {
            return "\(removed.count) of \(rowsBefore) rows would go, more than a tenth"
        }
        if let gone = providersGone.first(where: { $0.rows >= CatalogueDiff.manyRows }) {
            return "all \(gone.rows) rows of \(gone.id) would go"
        }
        if let lost = unsaid.first(where: { $0.rows >= CatalogueDiff.manyRows }) {
            return "\(lost.rows) rows have \(lost.what) and none would any more"
        }
        return nil
    }

    // Comparing

    private static func rows(_ document: CatalogueDocument) -> [Row: CatalogueModel] {
        var rows: [Row: CatalogueModel] = [:]
        for provider in document.providers {
            for model in provider.models { rows[Row(provider: provider.id, model: model.id)] = model }
        }
        return rows
    }

    /// Kinds and tiers, with how many rows have them, in one order.
    private static func usage(_ document: CatalogueDocument) -> [(what: String, rows: Int)] {
        var counts: [String: Int] = [:]
        for provider in document.providers {
            for model in provider.models {
                var seen: Set<String> = []
                for card in model.cards {
                    for rate in card.rates { seen.insert("rates for \(rate.kind)") }
                    if !card.tier.isEmpty { seen.insert("\(card.tier) rates") }
                }
                for what in seen { counts[what, default: 0] += 1 }
            }
        }
        return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private static func changes(_ old: CatalogueModel, _ new: CatalogueModel) -> [Change] {
        // Most rows are the same letter by letter.
        if old == new { return [] }
        var changes: [Change] = []
        func compare(_ what: String, _ a: [String], _ b: [String]) {
            guard a != b else { return }
            let gone = a.filter { !b.contains($0) }.joined(separator: " ")
            let fresh = b.filter { !a.contains($0) }.joined(separator: " ")
            // Only the order is another one: where that decides, both are shown whole.
            if gone.isEmpty, fresh.isEmpty {
                changes.append(Change(condition: "", what: what, old: a.joined(separator: " "), new: b.joined(separator: " ")))
            } else {
                changes.append(Change(condition: "", what: what, old: gone.isEmpty ? nil : gone, new: fresh.isEmpty ? nil : fresh))
            }
        }
        compare("names", old.names.sorted(), new.names.sorted())
        compare("like", old.likes.map { $0.joined(separator: ",") }, new.likes.map { $0.joined(separator: ",") })
        compare("minimum", old.minimum.isEmpty ? [] : [old.minimum], new.minimum.isEmpty ? [] : [new.minimum])
        compare("region", old.regions, new.regions)
        let before = old.cards.map { ($0.meaning, $0) }
        let after = new.cards.map { ($0.meaning, $0) }
        for (meaning, card) in after {
            changes += rates(before.first { $0.0 == meaning }?.1, card)
        }
        for (meaning, card) in before where !after.contains(where: { $0.0 == meaning }) { changes += rates(card, nil) }
        if changes.isEmpty, before.map(\.0) != after.map(\.0) {
            // The first card whose conditions hold is taken, so their order counts.
            compare("order", old.cards.map { $0.conditions.joined(separator: " ") }, new.cards.map { $0.conditions.joined(separator: " ") })
        }
        return changes
    }

    private static func rates(_ old: CatalogueCard?, _ new: CatalogueCard?) -> [Change] {
        let condition = (new ?? old)?.conditions.joined(separator: " ") ?? ""
        var changes: [Change] = []
        for rate in new?.rates ?? [] {
            let other = old?.rates.first { $0.kind == rate.kind }
            if other?.value != rate.value {
                changes.append(Change(condition: condition, what: rate.kind, old: other?.text, new: rate.text))
            }
        }
        for rate in old?.rates ?? [] where new?.rates.contains(where: { $0.kind == rate.kind }) != true {
            changes.append(Change(condition: condition, what: rate.kind, old: rate.text, new: nil))
        }
        return changes
    }

    // The text

    /// The difference for a person to read: grouped by provider, one row a line or block; `limit` bounds the lines, and what is
    /// left out is counted. The summary is the last line.
    public func text(limit: Int = 500) -> String {
        var lines: [String] = []
        let providers = Set(added.map(\.provider) + removed.map(\.provider) + changed.map(\.row.provider) + providersChanged).sorted()
        for provider in providers {
            lines.append(provider)
            if providersChanged.contains(provider) { lines.append("  ~ its names, makes or fallbacks") }
            for row in added where row.provider == provider {
                lines.append("  + \(row.model)" + (addedRates[row].map { "  \($0)" } ?? ""))
            }
            for row in removed where row.provider == provider { lines.append("  - \(row.model)") }
            for change in changed where change.row.provider == provider { lines += CatalogueDiff.lines(change) }
        }
        if lines.count > limit {
            let left = lines.count - limit
            lines.removeLast(left)
            lines.append("and \(left) more lines")
        }
        if !lines.isEmpty { lines.append("") }
        return (lines + [summary]).joined(separator: "\n")
    }

    /// One line: how many rows were added, removed and changed, and what was kept.
    public var summary: String {
        var text = "\(added.count) added, \(removed.count) removed, \(changed.count) changed: "
        text += (rowsBefore == 1 ? "1 row" : "\(rowsBefore) rows") + ", then \(rowsAfter)"
        if !kept.isEmpty {
            var counts: [String: Int] = [:]
            for entry in kept { counts[entry.what, default: 0] += 1 }
            text += "; kept " + counts.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
        }
        return text
    }

    private static func lines(_ change: Changed) -> [String] {
        var lines: [String] = []
        var condition: String?
        for entry in change.changes {
            let what = "\(entry.what) \(entry.old ?? "none") -> \(entry.new ?? "none")"
            if entry.condition == condition, let last = lines.indices.last {
                lines[last] += ", " + what
                continue
            }
            condition = entry.condition
            lines.append("  ~ \(change.row.model)  " + (entry.condition.isEmpty ? "" : entry.condition + ": ") + what)
        }
        return lines
    }
}

extension CatalogueProvider {
    fileprivate func isSameProvider(_ other: CatalogueProvider) -> Bool {
        title == other.title && makes == other.makes && keepsDots == other.keepsDots && isSecondary == other.isSecondary
            && aliases == other.aliases
            && aliasPatterns == other.aliasPatterns && fallbacks == other.fallbacks
    }
}

extension CatalogueCard {
    fileprivate var shown: String { rates.map { "\($0.kind)=\($0.text)" }.joined(separator: " ") }

    /// When the card counts, in one form for one meaning.
    struct Meaning: Equatable {
        var from = Int64.min
        var tier = ""
        var above: Int64 = -1
        var window: CatalogueWindow?
    }

    var meaning: Meaning {
        var meaning = Meaning(tier: tier, above: above)
        var copy = from
        copy.withUTF8 { meaning.from = CatalogueReader.time(UnsafeRawBufferPointer($0)) ?? Int64.min }
        if isWindowed { meaning.window = CatalogueWindow(days: days, hours: hours, zone: zone) }
        return meaning
    }
}
