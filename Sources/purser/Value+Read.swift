// Reading a Value from JSON text, by the strict reader that the daemon uses.

import Core
import Wire

extension Value {
    /// The value of a JSON text; nil when it is not one.
    init?(json: [UInt8]) {
        guard let document = try? JSONDocument(json, depth: 32) else { return nil }
        self.init(document.root)
    }

    init?(json: String) { self.init(json: Array(json.utf8)) }

    private init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number: self = .number(value.numberText ?? "0")
        case .string: self = .string(value.string ?? "")
        case .array: self = .array(value.elements.map { Value($0) })
        case .object: self = .object(value.members.map { Member(name: $0.key, value: Value($0.value)) })
        }
    }
}
