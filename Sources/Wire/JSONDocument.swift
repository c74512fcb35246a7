// JSONDocument: any JSON text, to walk at leisure: replies in the tool, small bodies in the daemon.
//
// The document owns a copy of its text, so values may be kept for as long as one wishes. It is strict like everything that
// reads JSON here. Not for the path of an event: it allocates.

import CSimdjson
public import Core

/// Why a text is not a document.
public struct JSONError: Error, Sendable {
    public let message: StaticString
    /// From the first byte.
    public let offset: Int
}

/// A parsed JSON text.
public final class JSONDocument {
    private let copy: UnsafeMutableRawBufferPointer
    private var reader: JSONReader

    /// Parses `text`. Depth is `Limits.jsonDepth` unless said otherwise, at most 64; `values` bounds the memory. With `uniqueKeys` an
    /// object that has a key twice, at any depth, is refused.
    public init(
        _ text: UnsafeRawBufferPointer, depth: Int = Limits.jsonDepth, values: Int = 4_000_000, uniqueKeys: Bool = false
    ) throws(JSONError) {
        copy = .allocate(byteCount: max(text.count, 1), alignment: 8)
        copy.copyMemory(from: text)
        reader = JSONReader()
        var code = reader.document(UnsafeRawBufferPointer(rebasing: copy[0..<text.count]), depth: depth, values: values)
        if code == 0, uniqueKeys, reader.repeatsKey(to: reader.nodeCount) { code = JSONReader.repeatedKey }
        guard code == 0 else {
            let fault = reader.fault(code)
            throw JSONError(message: fault.message, offset: fault.offset)
        }
    }

    public convenience init(
        _ text: [UInt8], depth: Int = Limits.jsonDepth, values: Int = 4_000_000, uniqueKeys: Bool = false
    ) throws(JSONError) {
        // The closure of `withUnsafeBytes` could not throw a typed error out of an initialiser: copy, then parse.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(text.count, 1), alignment: 8)
        defer { copy.deallocate() }
        copy.copyBytes(from: text)
        try self.init(
            UnsafeRawBufferPointer(rebasing: copy[0..<text.count]), depth: depth, values: values, uniqueKeys: uniqueKeys)
    }

    deinit { copy.deallocate() }

    public var root: JSONValue { JSONValue(document: self, index: 0) }

    fileprivate func node(_ index: Int) -> JSONReader.Node { reader.nodes[index] }
    fileprivate func value(_ index: Int) -> UnsafeRawBufferPointer { reader.value(reader.nodes[index]) }
    fileprivate func key(_ index: Int) -> UnsafeRawBufferPointer { reader.key(reader.nodes[index]) }
}

public enum JSONKind: UInt8, Sendable {
    case object = 1, array, string, number, `true`, `false`, null
}

/// One value of a document, which it keeps alive.
public struct JSONValue {
    let document: JSONDocument
    let index: Int

    public var kind: JSONKind { JSONKind(rawValue: document.node(index).kind) ?? .null }
    public var isNull: Bool { kind == .null }

    /// The text of a string (unescaped) or a number (as written); the source of anything else.
    public var bytes: [UInt8] { [UInt8](document.value(index)) }

    /// The text of a string; nil for other kinds.
    public var string: String? { kind == .string ? String(decoding: document.value(index), as: UTF8.self) : nil }
    /// The text of a number as it was written; nil for other kinds.
    public var numberText: String? { kind == .number ? String(decoding: document.value(index), as: UTF8.self) : nil }
    public var bool: Bool? { kind == .true ? true : kind == .false ? false : nil }

    /// A number, or a string that holds one, scaled by 10^`places` and rounded half-even.
    public func decimal(places: Int) -> Int64? {
        guard kind == .number || kind == .string else { return nil }
        guard case .value(let value) = DecimalText.read(document.value(index), places: places) else { return nil }
        return value
    }

    /// A whole number; nil for fractions that are not zero.
    public var integer: Int64? {
        guard kind == .number, let text = numberText, let value = Int64(text) else { return nil }
        return value
    }

    public var money: Money? { decimal(places: Money.scale).map { Money(picodollars: $0) } }
    public var quantity: Quantity? { decimal(places: Quantity.scale).map { Quantity(millionths: $0) } }
    public var timestamp: Timestamp? { kind == .string ? Timestamp(rfc3339: document.value(index)) : nil }

    /// The first member of an object with this key; nil when there is none, or when this is no object.
    public subscript(key: String) -> JSONValue? {
        var copy = key
        return copy.withUTF8 { wanted in
            for member in members where sameBytes(document.key(member.value.index), UnsafeRawBufferPointer(wanted)) { return member.value }
            return nil
        }
    }

    /// The elements of an array, or the member values of an object; empty for other kinds.
    public var elements: JSONElements { JSONElements(document: document, at: index + 1, end: Int(document.node(index).end)) }

    /// The members of an object in order; empty for other kinds.
    public var members: JSONMembers {
        let end = kind == .object ? Int(document.node(index).end) : index + 1
        return JSONMembers(document: document, at: index + 1, end: end)
    }
}

public struct JSONMember {
    public let value: JSONValue
    public var keyBytes: [UInt8] { [UInt8](value.document.key(value.index)) }
    public var key: String { String(decoding: value.document.key(value.index), as: UTF8.self) }
}

public struct JSONElements: Sequence, IteratorProtocol {
    let document: JSONDocument
    var at: Int
    let end: Int

    public mutating func next() -> JSONValue? {
        guard at < end else { return nil }
        let value = JSONValue(document: document, index: at)
        at = Int(document.node(at).end)
        return value
    }
}

public struct JSONMembers: Sequence, IteratorProtocol {
    let document: JSONDocument
    var at: Int
    let end: Int

    public mutating func next() -> JSONMember? {
        guard at < end else { return nil }
        let value = JSONValue(document: document, index: at)
        at = Int(document.node(at).end)
        return JSONMember(value: value)
    }
}
