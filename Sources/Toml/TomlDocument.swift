// TomlDocument: a TOML file as a flat list of values, each with its path and line, so that whoever reads a configuration
// can name the line of what is wrong with it.
//
// Amounts are exact: a float's text is its own characters in the file, never a Double printed again. Values come in the
// order of their keys (sorted within a table), array elements in theirs. No I/O: the caller brings the bytes.

internal import CToml

/// One value of a document.
public struct TomlItem: Equatable, Sendable {
    public enum Kind: UInt8, Equatable, Sendable {
        case string = 0
        case integer = 1
        case float = 2
        case boolean = 3
        case datetime = 4
        case emptyArray = 5
        case emptyTable = 6
    }

    /// Keys from the root; the elements of arrays are numbered from "0".
    public var path: [String]
    public var kind: Kind
    /// A string's value; an integer in decimal; a float's and a date's characters as they stand in the file (a float without
    /// underscores and leading plus); `true` or `false`; empty for empty arrays and tables.
    public var text: String
    /// 1-based.
    public var line: Int

    public init(path: [String], kind: Kind, text: String, line: Int) {
        self.path = path
        self.kind = kind
        self.text = text
        self.line = line
    }

    /// The path as it is written, `listen.0.address`.
    public var dotted: String { path.joined(separator: ".") }
}

/// Why a file is not TOML, or not what was asked for.
public struct TomlError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The name the caller gave, usually the path.
    public var name: String
    public var message: String
    /// 1-based; 0 when it is about the whole file.
    public var line: Int
    public var column: Int

    public init(name: String, message: String, line: Int, column: Int = 0) {
        self.name = name
        self.message = message
        self.line = line
        self.column = column
    }

    public var description: String {
        line == 0 ? "\(name): \(message)" : column == 0 ? "\(name):\(line): \(message)" : "\(name):\(line):\(column): \(message)"
    }
}

public enum TomlDocument {
    /// Largest file that is read, in bytes. A configuration is a page, a price list a few; offsets stay far inside 32 bits.
    public static let largest = 4 * 1024 * 1024

    /// The values of a document, or the first thing that is wrong with it. `name` is for the error.
    public static func parse(_ bytes: [UInt8], name: String) throws(TomlError) -> [TomlItem] {
        guard bytes.count <= largest else { throw TomlError(name: name, message: "larger than \(largest) bytes", line: 0) }
        let parsed = bytes.withUnsafeBytes { purser_toml_parse($0.bindMemory(to: CChar.self).baseAddress, $0.count) }
        guard let document = parsed else { throw TomlError(name: name, message: "out of memory", line: 0) }
        defer { purser_toml_free(document) }
        var line: UInt32 = 0
        var column: UInt32 = 0
        if let message = purser_toml_error(document, &line, &column) {
            throw TomlError(name: name, message: String(cString: message), line: Int(line), column: Int(column))
        }
        let text = UnsafeRawPointer(purser_toml_text(document)!)
        var items: [TomlItem] = []
        for index in 0..<purser_toml_count(document) {
            let item = purser_toml_item(document, index)!.pointee
            items.append(
                TomlItem(
                    path: segments(text + Int(item.path_offset), Int(item.path_segments)), kind: TomlItem.Kind(rawValue: UInt8(item.kind))!,
                    text: string(text + Int(item.text_offset), Int(item.text_length)), line: Int(item.line)))
        }
        return items
    }

    private static func segments(_ start: UnsafeRawPointer, _ count: Int) -> [String] {
        var at = start
        var path: [String] = []
        for _ in 0..<count {
            let length = Int(UInt32(littleEndian: at.loadUnaligned(as: UInt32.self)))
            path.append(string(at + 4, length))
            at += 4 + length
        }
        return path
    }

    private static func string(_ start: UnsafeRawPointer, _ length: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
    }
}
