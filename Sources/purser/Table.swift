// Table: rows for a person to read, aligned.
//
// Text is left-aligned; numbers are aligned on their decimal point, so that columns can be compared by eye; a bar shows a
// signed share of the column's largest magnitude. Pure: the same rows and style give the same text.

/// A table of cells, rendered once.
struct Table {
    enum Alignment: Equatable {
        case left
        /// Numbers: the decimal points stand under each other.
        case point
        /// A bar; the cell's text is ignored, its `share` drawn.
        case bar
    }

    struct Column {
        var title: String
        var alignment: Alignment
    }

    struct Cell {
        var text: String
        /// Shown in red where there is colour.
        var isLoss = false
        /// Shown faintly: it does not count.
        var isFaint = false
        /// Of the bar column: -1...1 in thousandths.
        var share = 0

        init(_ text: String, isLoss: Bool = false, isFaint: Bool = false, share: Int = 0) {
            self.text = text
            self.isLoss = isLoss
            self.isFaint = isFaint
            self.share = share
        }
    }

    var columns: [Column]
    var rows: [[Cell]] = []
    /// Under a rule at the foot, above the totals.
    var subtotals: [Cell]?
    /// Under a rule at the foot.
    var totals: [Cell]?

    /// Cells of the widest bar.
    static let barCells = 16
    /// Cells of a text column on a terminal; longer text is cut.
    static let textCells = 40

    init(_ columns: [Column]) { self.columns = columns }

    /// Cells of the longest line.
    func width(_ style: Style) -> Int {
        var bare = style
        bare.color = false
        return render(bare).split(separator: "\n").map { String($0).cells }.max() ?? 0
    }

    /// The lines, without a trailing line feed.
    func render(_ style: Style) -> String {
        let foot = [subtotals, totals].compactMap(\.self)
        let everything = rows + foot
        var widths: [Int] = []
        var layouts: [PointLayout] = []
        for (index, column) in columns.enumerated() {
            var width = column.title.cells
            var layout = PointLayout()
            for row in everything where index < row.count {
                switch column.alignment {
                case .left: width = max(width, shown(row[index].text, style).cells)
                case .point: layout.include(row[index].text)
                case .bar: width = max(width, Table.barCells)
                }
            }
            widths.append(max(width, layout.width))
            layouts.append(layout)
        }

        var lines: [String] = []
        lines.append(
            joined(
                columns.enumerated().map { index, column in
                    let pad = String(repeating: " ", count: widths[index] - column.title.cells)
                    let title = column.title.isEmpty ? "" : style.bold(column.title)
                    return column.alignment == .point ? pad + title : title + pad
                }))
        for row in rows { lines.append(line(row, widths, layouts, style)) }
        if !foot.isEmpty {
            let rule = style.unicode ? "─" : "-"
            lines.append(style.dim(widths.map { String(repeating: rule, count: $0) }.joined(separator: "  ")))
            for row in foot { lines.append(line(row, widths, layouts, style)) }
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ row: [Cell], _ widths: [Int], _ layouts: [PointLayout], _ style: Style) -> String {
        joined(
            columns.enumerated().map { index, column in
                guard index < row.count else { return String(repeating: " ", count: widths[index]) }
                let cell = row[index]
                switch column.alignment {
                case .left:
                    let text = shown(cell.text, style)
                    return paint(cell, text, style) + String(repeating: " ", count: widths[index] - text.cells)
                case .point:
                    let text = layouts[index].place(cell.text, width: widths[index])
                    return paint(cell, text, style)
                case .bar:
                    let text = bar(cell.share, style)
                    return paint(cell, text, style) + String(repeating: " ", count: max(0, widths[index] - text.cells))
                }
            })
    }

    private func shown(_ text: String, _ style: Style) -> String {
        let safe = text.printable
        guard style.width != nil else { return safe }
        return safe.cut(toCells: Table.textCells, mark: style.unicode ? "…" : "~")
    }

    private func paint(_ cell: Cell, _ text: String, _ style: Style) -> String {
        cell.isFaint ? style.dim(text) : cell.isLoss ? style.red(text) : text
    }

    /// A magnitude in thousandths of the widest, at least one for anything that is not zero; its sign is kept.
    static func share(_ amount: Amount, of widest: UInt128) -> Int {
        guard widest > 0, amount.scaled != 0 else { return 0 }
        let (product, overflow) = amount.scaled.magnitude.multipliedReportingOverflow(by: 1000)
        let part = max(1, Int(overflow ? amount.scaled.magnitude / max(1, widest / 1000) : product / widest))
        return amount.scaled < 0 ? -part : part
    }

    /// Cells side by side, without blanks at the end of the line.
    private func joined(_ cells: [String]) -> String {
        var text = cells.joined(separator: "  ")
        while text.last == " " { text.removeLast() }
        return text
    }

    /// A bar of up to `barCells` cells in eighths. A loss is hatched, so that it shows without colour too.
    private func bar(_ share: Int, _ style: Style) -> String {
        let size = min(1000, share.magnitude)
        guard style.unicode else {
            let cells = (Int(size) * Table.barCells + 500) / 1000
            return String(repeating: share < 0 ? "-" : "#", count: size > 0 ? max(1, cells) : 0)
        }
        let eighths = (Int(size) * Table.barCells * 8 + 500) / 1000
        if share < 0, !style.color {
            return String(repeating: "░", count: size > 0 ? max(1, (eighths + 4) / 8) : 0)
        }
        let partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        let drawn = size > 0 ? max(1, eighths) : 0
        return String(repeating: "█", count: drawn / 8) + partial[drawn % 8]
    }
}

/// How wide the parts before and after the decimal point of one column are.
struct PointLayout: Equatable {
    var before = 0
    /// With the point.
    var after = 0

    var width: Int { before + after }

    mutating func include(_ text: String) {
        let (head, tail) = PointLayout.parts(text)
        before = max(before, head)
        after = max(after, tail)
    }

    /// The text padded on both sides to `width` cells (at least `self.width`).
    func place(_ text: String, width: Int) -> String {
        let (head, tail) = PointLayout.parts(text)
        let left = String(repeating: " ", count: max(0, width - after - head))
        let right = String(repeating: " ", count: max(0, after - tail))
        return left + text + right
    }

    /// Cells before the point, and from it on.
    private static func parts(_ text: String) -> (Int, Int) {
        guard let point = text.firstIndex(of: ".") else { return (text.cells, 0) }
        return (String(text[..<point]).cells, String(text[point...]).cells)
    }
}
