// JSONReader: the one door to CSimdjson. Everything else in this room sees nodes, offsets and StaticString messages.
//
// Guarantees: RFC 8259 exactly, every byte checked; numbers stay text; strings are unescaped and valid UTF-8. Refuses lone
// surrogates, a byte order mark, anything after the value, and nesting or counts beyond `Limits`.

import CSimdjson
import Core

/// Why a JSON text is refused.
struct JSONFault {
    var message: StaticString
    /// From the first byte of the text.
    var offset: Int
}

/// A reusable parser. The text handed to `index` must stay where it is until the last node has been read.
struct JSONReader: ~Copyable {
    typealias Node = purser_json_node

    private let handle: UnsafeMutablePointer<purser_json_reader>
    private(set) var text: UnsafeRawPointer
    /// Keys of one object, while they are compared.
    private var keys: [UnsafeRawBufferPointer] = []

    init() {
        guard let made = purser_json_create() else { preconditionFailure("no memory for a JSON reader") }
        handle = made
        text = UnsafeRawPointer(made)
    }

    deinit { purser_json_destroy(handle) }

    @inline(__always) var nodes: UnsafePointer<Node> { handle.pointee.nodes }
    @inline(__always) var nodeCount: Int { Int(handle.pointee.node_count) }

    /// Finds the tokens of `bytes`; 0 or a negative code for `fault`.
    @inline(__always) mutating func index(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        guard let base = bytes.baseAddress else { return Int32(purser_json_empty) }
        text = base
        return purser_json_index(handle, base.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    /// Finds the tokens of all lines of `bytes`; 0 or a negative code, for which one line may be to blame alone.
    @inline(__always) mutating func indexLines(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        guard let base = bytes.baseAddress else { return Int32(purser_json_empty) }
        text = base
        return purser_json_index_lines(handle, base.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    /// Goes on to the next line that is not blank, which is a document until the next call; false when there is none.
    @inline(__always) mutating func nextLine() -> Bool { purser_json_next_line(handle) != 0 }

    /// Flattens the next value into `nodes`.
    @inline(__always) mutating func flatten(depth: Int, values: Int) -> Int32 {
        purser_json_flatten(handle, UInt32(truncatingIfNeeded: depth), UInt32(truncatingIfNeeded: values))
    }

    @inline(__always) mutating func enterArray() -> Int32 { purser_json_enter_array(handle) }
    @inline(__always) mutating func nextElement() -> Int32 { purser_json_next_element(handle) }
    @inline(__always) mutating func finish() -> Int32 { purser_json_finish(handle) }

    /// A whole document in one: tokens, one value, nothing behind it.
    mutating func document(_ bytes: UnsafeRawBufferPointer, depth: Int, values: Int) -> Int32 {
        var code = index(bytes)
        if code == 0 { code = flatten(depth: depth, values: values) }
        if code == 0 { code = finish() }
        return code
    }

    /// Whether an object among the nodes from `first` up to `end` has a key twice, after unescaping (RFC 8259 section 4: which of
    /// the two counts is anyone's guess).
    mutating func repeatsKey(from first: Int = 0, to end: Int) -> Bool {
        for index in first..<end where nodes[index].kind == JSONNodeKind.object {
            keys.removeAll(keepingCapacity: true)
            var member = index + 1
            while member < Int(nodes[index].end) {
                keys.append(key(nodes[member]))
                member = Int(nodes[member].end)
            }
            if holdsRepeatedText(&keys) { return true }
        }
        return false
    }

    /// The text of a string, number or literal, or the source of an object or array.
    @inline(__always) func value(_ node: Node) -> UnsafeRawBufferPointer {
        let base = node.flags & 1 == 0 ? text : UnsafeRawPointer(handle.pointee.scratch!)
        return UnsafeRawBufferPointer(start: base + Int(node.value_offset), count: Int(node.value_length))
    }

    @inline(__always) func key(_ node: Node) -> UnsafeRawBufferPointer {
        let base = node.flags & 2 == 0 ? text : UnsafeRawPointer(handle.pointee.scratch!)
        return UnsafeRawBufferPointer(start: base + Int(node.key_offset), count: Int(node.key_length))
    }

    /// A code of this room's own, beside those of CSimdjson.
    static let repeatedKey: Int32 = -100

    /// What the last negative code means.
    func fault(_ code: Int32) -> JSONFault {
        let message: StaticString =
            switch code {
            case -1: "The JSON text is empty"
            case -3: "The text is not valid UTF-8"
            case -4: "A string is not closed"
            case -5: "A string holds a control character"
            case -6: "A string holds an invalid escape"
            case -7: "A number does not follow the JSON grammar"
            case -8: "The JSON is nested too deeply"
            case -9: "The JSON holds too many values"
            case -10: "There is something after the JSON value"
            case -11: "No memory for a text of this size"
            case -12: "The JSON text is too large"
            case -13: "The JSON value is not an array"
            case Self.repeatedKey: "An object holds a key twice"
            default: "The text does not follow the JSON grammar"
            }
        return JSONFault(message: message, offset: Int(handle.pointee.error_offset))
    }
}

/// Kinds of nodes, as bytes to compare with.
enum JSONNodeKind {
    static let object: UInt8 = 1
    static let array: UInt8 = 2
    static let string: UInt8 = 3
    static let number: UInt8 = 4
    static let `true`: UInt8 = 5
    static let `false`: UInt8 = 6
    static let null: UInt8 = 7
}
