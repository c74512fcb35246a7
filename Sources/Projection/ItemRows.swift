// ItemRows: the items of a list as lines of their own, for exports: NDJSON, or the same members as rows of CSV.
//
// A row is made from the item's JSON, so the two can never say different things: numbers are copied digit by digit. RFC 4180: CR LF,
// fields with a comma, a quote or an end of line in quotes, quotes doubled. A text that a spreadsheet would take for a formula gets a `'`
// before it; numbers are never touched.

internal import Core

struct ItemRows: ~Copyable {
    let format: ExportFormat
    private let columns: [String]
    private var item = ByteWriter(capacity: 2048)
    private(set) var text = ByteWriter(capacity: 64 * 1024)
    private(set) var count = 0
    /// Of the item at hand: where each column's value is.
    private var found: [Range<Int>?]
    private var path: [UInt8] = []

    /// `columns`: members of an item, and of objects in it after a dot. `isFirst`: CSV begins with their names.
    init(_ format: ExportFormat, columns: [String], isFirst: Bool) {
        self.format = format
        self.columns = columns
        found = Array(repeating: nil, count: columns.count)
        guard format == .csv, isFirst else { return }
        for (index, name) in columns.enumerated() {
            if index > 0 { text.append(0x2C) }
            text.append(
                string: String(
                    name[(name.lastIndex(of: ".").map { name.index(after: $0) } ?? name.startIndex)...]))
        }
        text.append("\r\n")
    }

    mutating func add(_ write: (inout ByteWriter) throws(QueryError) -> Void) throws(QueryError) {
        item.reset()
        try write(&item)
        count += 1
        switch format {
        case .ndjson:
            text.appendLine(item.bytes)
            text.append(0x0A)
        case .csv: addRow()
        }
    }

    // MARK: - CSV

    private mutating func addRow() {
        for index in found.indices { found[index] = nil }
        path = []
        var at = 0
        members(&at)
        for (index, place) in found.enumerated() {
            if index > 0 { text.append(0x2C) }
            if let place { cell(place) }
        }
        text.append("\r\n")
    }

    /// Notes the members of the object at `at`, which is JSON of our own making, and goes behind it.
    private mutating func members(_ at: inout Int) {
        guard byte(at) == 0x7B else { return skip(&at) }
        at += 1
        while byte(at) != 0x7D, at < item.count {
            if byte(at) == 0x2C { at += 1 }
            let depth = path.count
            let start = at
            skip(&at)
            path += item.bytes[(start + 1)..<(at - 1)]
            at += 1
            let value = at
            // Objects in an item have columns of their own; what is in those has none.
            let isObject = byte(at) == 0x7B && depth == 0
            if isObject {
                path.append(0x2E)
                members(&at)
            } else {
                skip(&at)
            }
            let name = isObject ? path.dropLast() : path[...]
            if let column = columns.firstIndex(where: { $0.utf8.elementsEqual(name) }) {
                found[column] = value..<at
            }
            path.removeSubrange(depth...)
        }
        at += 1
    }

    private func byte(_ at: Int) -> UInt8 { at < item.count ? item.bytes[at] : 0 }

    /// Goes behind the value at `at`.
    private func skip(_ at: inout Int) {
        var depth = 0
        repeat {
            switch byte(at) {
            case 0x22:
                at += 1
                while at < item.count, byte(at) != 0x22 { at += byte(at) == 0x5C ? 2 : 1 }
                at += 1
            case 0x7B, 0x5B:
                depth += 1
                at += 1
            case 0x7D, 0x5D:
                depth -= 1
                at += 1
            case 0x2C, 0x3A, 0x20, 0x09, 0x0A, 0x0D: at += 1
            default:
                while at < item.count, ![0x2C, 0x7D, 0x5D, 0x20, 0x09, 0x0A, 0x0D].contains(byte(at)) {
                    at += 1
                }
            }
        } while depth > 0 && at < item.count
    }

    private mutating func cell(_ place: Range<Int>) {
        let first = byte(place.lowerBound)
        if first == 0x22 {
            let value = ItemRows.unescaped(
                UnsafeRawBufferPointer(
                    rebasing: item.bytes[(place.lowerBound + 1)..<(place.upperBound - 1)]))
            append(text: value)
        } else if first == 0x7B || first == 0x5B {
            append(text: [UInt8](item.bytes[place]))
        } else if !item.bytes[place].elementsEqual("null".utf8) {
            text.append(bytes: UnsafeRawBufferPointer(rebasing: item.bytes[place]))
        }
    }

    private mutating func append(text value: [UInt8]) {
        var value = value
        // What spreadsheets take for the beginning of a formula, or skip before one.
        if let first = value.first, [0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D].contains(first) {
            value.insert(0x27, at: 0)
        }
        guard value.contains(where: { [0x22, 0x2C, 0x0D, 0x0A].contains($0) }) else {
            text.append(value)
            return
        }
        text.append(0x22)
        for byte in value {
            if byte == 0x22 { text.append(0x22) }
            text.append(byte)
        }
        text.append(0x22)
    }

    /// The text of a JSON string without its quotes.
    static func unescaped(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        guard text.contains(0x5C) else { return [UInt8](text) }
        var out: [UInt8] = []
        var units: [UInt16] = []
        func hex(_ at: Int) -> UInt16 {
            var value: UInt16 = 0
            for i in at..<min(at + 4, text.count) {
                value = value << 4 | UInt16(Character(UnicodeScalar(text[i])).hexDigitValue ?? 0)
            }
            return value
        }
        func flush() {
            if !units.isEmpty { out += Array(String(decoding: units, as: UTF16.self).utf8) }
            units = []
        }
        var i = 0
        while i < text.count {
            guard text[i] == 0x5C, i + 1 < text.count else {
                flush()
                out.append(text[i])
                i += 1
                continue
            }
            let kind = text[i + 1]
            if kind == 0x75 {
                units.append(hex(i + 2))
                i += 6
                continue
            }
            flush()
            switch kind {
            case 0x62: out.append(0x08)
            case 0x66: out.append(0x0C)
            case 0x6E: out.append(0x0A)
            case 0x72: out.append(0x0D)
            case 0x74: out.append(0x09)
            default: out.append(kind)
            }
            i += 2
        }
        flush()
        return out
    }
}

extension ByteWriter {
    /// Appends JSON as one line: ends of lines stand only between values, where a space does as well.
    mutating func appendLine(_ json: UnsafeRawBufferPointer) {
        let start = count
        append(bytes: json)
        for at in start..<count where bytes[at] == 0x0A || bytes[at] == 0x0D {
            store(littleEndian: UInt8(0x20), at: at)
        }
    }
}
