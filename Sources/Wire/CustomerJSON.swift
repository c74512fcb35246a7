// CustomerJSON: the bodies that register and change a customer.
//
// A body that is not a JSON object, repeats a field or has a field of the wrong type is malformed as a whole; a field that
// holds what it may not hold is named in the message, in the words Tanso's clients know. `null` and absent are the same.

import CSimdjson
import Core

/// The fields of a customer; nil where none was given.
public struct CustomerInput: Equatable, Sendable {
    public var customerReferenceId: [UInt8]?
    public var email: [UInt8]?
    public var firstName: [UInt8]?
    public var lastName: [UInt8]?
    public var phoneNumber: [UInt8]?
    public init() {}
}

public enum CustomerReading: Equatable, Sendable {
    case ok(CustomerInput)
    /// The body is not JSON, not an object, or has a field of the wrong type: `Malformed request body`.
    case malformed
    /// `Validation failed: email: must not be blank, …`
    case invalid(message: String)
}

public enum CustomerJSON {
    /// Reads a body. Registering requires an e-mail address; changing leaves out what is not to change, and the reference
    /// is ignored there, because the path names the customer.
    public static func read(_ body: UnsafeRawBufferPointer, registering: Bool) -> CustomerReading {
        var reader = JSONReader()
        guard reader.document(body, depth: Limits.jsonDepth, values: Limits.jsonValues) == 0,
            reader.nodes[0].kind == JSONNodeKind.object, !reader.repeatsKey(to: reader.nodeCount)
        else { return .malformed }
        let fields = Field.allCases
        var values = [[UInt8]?](repeating: nil, count: fields.count)
        let end = Int(reader.nodes[0].end)
        var i = 1
        while i < end {
            let node = reader.nodes[i]
            i = Int(node.end)
            guard let field = Field(rawValue: String(decoding: reader.key(node), as: UTF8.self)) else { continue }
            // An address is accepted in any shape and not kept, as Tanso does.
            if field == .address || node.kind == JSONNodeKind.null { continue }
            guard node.kind == JSONNodeKind.string else { return .malformed }
            values[field.index] = [UInt8](reader.value(node))
        }
        var faults: [String] = []
        for field in fields where field != .address {
            if let fault = fault(field, values[field.index], registering) { faults.append("\(field.rawValue): \(fault)") }
        }
        guard faults.isEmpty else { return .invalid(message: "Validation failed: " + faults.joined(separator: ", ")) }
        var input = CustomerInput()
        if registering { input.customerReferenceId = values[Field.customerReferenceId.index] }
        input.email = values[Field.email.index]
        input.firstName = values[Field.firstName.index]
        input.lastName = values[Field.lastName.index]
        input.phoneNumber = values[Field.phoneNumber.index]
        return .ok(input)
    }

    private enum Field: String, CaseIterable {
        case email, customerReferenceId, firstName, lastName, phoneNumber, address

        var index: Int {
            switch self {
            case .email: 0
            case .customerReferenceId: 1
            case .firstName: 2
            case .lastName: 3
            case .phoneNumber: 4
            case .address: 5
            }
        }

        var limit: Int {
            switch self {
            case .email: Limits.emailScalars
            case .customerReferenceId: Limits.customerReferenceScalars
            default: Limits.customerFieldScalars
            }
        }
    }

    private static func fault(_ field: Field, _ value: [UInt8]?, _ registering: Bool) -> String? {
        guard let value else { return field == .email && registering ? "must not be blank" : nil }
        return value.withUnsafeBytes { text in
            if FieldText.isBlank(text) {
                switch field {
                case .email: return "must not be blank"
                case .customerReferenceId where registering: return "must not be blank"
                default: break
                }
            }
            if FieldText.isLonger(text, than: field.limit) { return "size must be between 0 and \(field.limit)" }
            return FieldText.hasControl(text) ? "must not contain control characters" : nil
        }
    }
}
