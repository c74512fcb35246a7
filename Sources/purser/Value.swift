// Value: one JSON value of a reply, numbers kept as the text they came in, so that an amount stays exact from the server's
// book to the table, and `--json` prints what the server said.

import Core

indirect enum Value: Equatable {
    case null
    case bool(Bool)
    /// The number as it stood.
    case number(String)
    case string(String)
    case array([Value])
    /// In the order of the text.
    case object([Member])

    struct Member: Equatable {
        var name: String
        var value: Value
    }

    /// A member of an object; nil when there is none or it is null.
    subscript(_ name: String) -> Value? {
        guard case .object(let members) = self, let value = members.first(where: { $0.name == name })?.value, value != .null else {
            return nil
        }
        return value
    }

    /// The elements of an array; none for anything else.
    var elements: [Value] {
        guard case .array(let values) = self else { return [] }
        return values
    }

    var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// A number, exact; requests and replies may also carry it as a string.
    var amount: Amount? {
        switch self {
        case .number(let text), .string(let text): Amount(text)
        default: nil
        }
    }

    var integer: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text)
    }

    /// What a person reads: text without quotes, everything else as JSON.
    var shown: String {
        switch self {
        case .string(let text): text
        case .number(let text): text
        default: json
        }
    }

    /// The value as JSON on one line.
    var json: String {
        var writer = ByteWriter(capacity: 256)
        write(to: &writer)
        return writer.string
    }

    private func write(to writer: inout ByteWriter) {
        switch self {
        case .null: writer.append(string: "null")
        case .bool(let flag): writer.append(string: flag ? "true" : "false")
        case .number(let text): writer.append(string: text)
        case .string(let text): writer.append(jsonString: text)
        case .array(let values):
            writer.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { writer.append(UInt8(ascii: ",")) }
                value.write(to: &writer)
            }
            writer.append(UInt8(ascii: "]"))
        case .object(let members):
            writer.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { writer.append(UInt8(ascii: ",")) }
                writer.append(jsonString: member.name)
                writer.append(UInt8(ascii: ":"))
                member.value.write(to: &writer)
            }
            writer.append(UInt8(ascii: "}"))
        }
    }

    /// An object of the members that have a value.
    static func fields(_ members: (String, Value?)...) -> Value {
        .object(members.compactMap { name, value in value.map { Member(name: name, value: $0) } })
    }
}
