// FilterInput: the events that a request's body asks for, and the other fields of such a body.

internal import Core
internal import Wire

struct FilterInput {
    var filter = EventFilter()
    /// As JSON, with the fields that were given, in a fixed order; what a run records.
    var text: [UInt8] = []
    private(set) var others: [String: JSONValue] = [:]
    /// What is wrong, naming the field; nil when nothing is.
    private(set) var refusal: String?

    /// Reads a body; fields that are neither a filter nor in `taking` are refused.
    init(_ body: UnsafeRawBufferPointer, taking known: Set<String>) {
        var json = ByteWriter(capacity: 256)
        json.append(0x7B)
        defer {
            json.append(0x7D)
            text = json.array
        }
        guard !body.isEmpty else { return }
        guard let document = try? JSONDocument(body, uniqueKeys: true), document.root.kind == .object else {
            refusal = "Malformed request body"
            return
        }
        for name in FilterInput.names {
            guard let value = document.root[name], !value.isNull else { continue }
            read(name, value)
            if json.count > 1 { json.append(0x2C) }
            json.append(jsonString: name)
            json.append(0x3A)
            if let flag = value.bool { json.append(flag ? "true" : "false") } else { json.append(jsonString: value.bytes) }
        }
        for member in document.root.members where !FilterInput.names.contains(member.key) {
            guard known.contains(member.key) else {
                refusal = refusal ?? "Unknown field: \(member.key)"
                return
            }
            if !member.value.isNull { others[member.key] = member.value }
        }
    }

    private static let names = [
        "customerReferenceId", "featureKey", "model", "modelProvider", "eventName", "flowId", "from", "to", "unpriced",
    ]

    private mutating func read(_ name: String, _ value: JSONValue) {
        switch name {
        case "unpriced":
            filter.unpriced = value.bool
            if filter.unpriced == nil { refuse(name) }
        case "from":
            filter.from = value.timestamp
            if filter.from == nil { refuse(name) }
        case "to":
            filter.to = value.timestamp
            if filter.to == nil { refuse(name) }
        default:
            guard value.kind == .string, value.bytes.count <= 4 * Limits.customerReferenceScalars else { return refuse(name) }
            switch name {
            case "customerReferenceId": filter.customer = value.bytes
            case "featureKey": filter.feature = value.bytes
            case "model": filter.model = value.bytes
            case "modelProvider": filter.provider = value.bytes
            case "eventName": filter.eventName = value.bytes
            default: filter.flowId = value.bytes
            }
        }
    }

    private mutating func refuse(_ name: String) { refusal = refusal ?? "Invalid value for field: \(name)" }

    /// A flag among the other fields; false when it is absent.
    mutating func flag(_ name: String) -> Bool {
        guard let value = others[name] else { return false }
        guard let flag = value.bool else {
            refuse(name)
            return false
        }
        return flag
    }
}
