// CustomerFrame: registers a customer or changes one, with the meaning of POST and PATCH on `/api/v1/client/customers`.
//
//     0  u8      operation: 1 register, 2 change
//     1  varint  field mask, then for each bit set: varint length, text
//
// A text that is not acceptable is answered with `validationFailed` and its field. An unknown operation or bit, or bytes
// that do not follow the layout, are a malformed frame.

public import Core

@frozen
public enum CustomerOperation: UInt8, CaseIterable, Sendable {
    /// A new customer, or the details of one that events created. `conflict` when registered before.
    case register = 1
    /// Sets the fields that are there; the others stay. `notFound` when there is no such customer.
    case change = 2
}

/// A field of a customer; the code is its bit in the mask plus one.
@frozen
public enum CustomerField: UInt8, CaseIterable, Sendable {
    case none = 0
    /// Required to change, not blank; a customer registered without one cannot be reached by events.
    case customerReferenceId = 1
    /// Required to register; not blank.
    case email = 2
    case firstName = 3
    case lastName = 4
    case phoneNumber = 5

    /// The name of the field in JSON.
    public var name: StaticString {
        switch self {
        case .none: "customer"
        case .customerReferenceId: "customerReferenceId"
        case .email: "email"
        case .firstName: "firstName"
        case .lastName: "lastName"
        case .phoneNumber: "phoneNumber"
        }
    }

    /// Most Unicode scalars.
    public var limit: Int {
        switch self {
        case .none: 0
        case .customerReferenceId: Limits.customerReferenceScalars
        case .email: Limits.emailScalars
        case .firstName, .lastName, .phoneNumber: Limits.customerFieldScalars
        }
    }

    @inlinable var bit: UInt64 { self == .none ? 0 : 1 << UInt64(rawValue - 1) }
}

/// A customer request. Text is named by offset and length in the payload it was read from.
public struct CustomerFrame: Equatable, Sendable {
    public var operation: CustomerOperation
    /// Bit n: the field with code n + 1 is there.
    public var mask: UInt64
    public var reference = TextRef.empty
    public var email = TextRef.empty
    public var firstName = TextRef.empty
    public var lastName = TextRef.empty
    public var phoneNumber = TextRef.empty

    public enum Decoding: Equatable, Sendable {
        case customer(CustomerFrame)
        /// Answer `validationFailed` with this field; the connection goes on.
        case invalid(CustomerField)
        case refused(FrameError)
    }

    public func has(_ field: CustomerField) -> Bool { mask & field.bit != 0 }

    public static func decode(_ payload: UnsafeRawBufferPointer) -> Decoding {
        var reader = ByteReader(payload)
        let operation = CustomerOperation(rawValue: reader.byte())
        let mask = reader.varint()
        guard let operation, mask < 1 << UInt64(CustomerField.allCases.count - 1) else { return .refused(.malformedFrame) }
        var frame = CustomerFrame(operation: operation, mask: mask)
        var wrong = CustomerField.none
        for field in CustomerField.allCases where mask & field.bit != 0 {
            let ref = reader.textRef()
            let text = reader.range(Int(ref.offset), Int(ref.offset) + Int(ref.length))
            let mayBeBlank = field != .email && field != .customerReferenceId
            let isWrong = !FrameText.isClean(text) || scalarCount(text) > field.limit || (!mayBeBlank && FrameText.isBlank(text))
            if wrong == .none, isWrong { wrong = field }
            frame.set(field, ref)
        }
        guard !reader.failed, reader.atEnd else { return .refused(.malformedFrame) }
        if wrong != .none { return .invalid(wrong) }
        switch operation {
        case .register where !frame.has(.email): return .invalid(.email)
        case .change where !frame.has(.customerReferenceId): return .invalid(.customerReferenceId)
        default: return .customer(frame)
        }
    }

    private mutating func set(_ field: CustomerField, _ ref: TextRef) {
        switch field {
        case .none: break
        case .customerReferenceId: reference = ref
        case .email: email = ref
        case .firstName: firstName = ref
        case .lastName: lastName = ref
        case .phoneNumber: phoneNumber = ref
        }
    }
}

/// What became of a customer request.
@frozen
public enum CustomerOutcome: UInt8, CaseIterable, Sendable {
    case created = 1
    case updated = 2
    /// Registered before.
    case conflict = 3
    case notFound = 4
    case validationFailed = 5

    public var name: StaticString {
        switch self {
        case .created: "created"
        case .updated: "updated"
        case .conflict: "conflict"
        case .notFound: "not_found"
        case .validationFailed: "validation_failed"
        }
    }
}

/// The answer to a customer request.
///
///     0  u8  outcome
///     1  u8  field it is about; 0: none
public struct CustomerReply: Equatable, Sendable {
    public var outcome: CustomerOutcome
    public var field: CustomerField

    public init(_ outcome: CustomerOutcome, field: CustomerField = .none) {
        self.outcome = outcome
        self.field = field
    }

    /// Reads a customer reply; nil when it is malformed.
    public static func decode(_ payload: UnsafeRawBufferPointer) -> CustomerReply? {
        guard payload.count == 2, let outcome = CustomerOutcome(rawValue: payload[0]), let field = CustomerField(rawValue: payload[1])
        else { return nil }
        return CustomerReply(outcome, field: field)
    }
}

/// The details of a customer as an application gives them; nil leaves a field as it is.
public struct CustomerDetails: Equatable, Sendable {
    public var reference: String?
    public var email: String?
    public var firstName: String?
    public var lastName: String?
    public var phoneNumber: String?

    public init(
        reference: String? = nil,
        email: String? = nil,
        firstName: String? = nil,
        lastName: String? = nil,
        phoneNumber: String? = nil
    ) {
        self.reference = reference
        self.email = email
        self.firstName = firstName
        self.lastName = lastName
        self.phoneNumber = phoneNumber
    }
}

extension ByteWriter {
    /// Writes a customer request.
    public mutating func appendCustomer(_ operation: CustomerOperation, _ details: CustomerDetails, requestID: UInt64) {
        let start = beginFrame(.customer, requestID: requestID)
        append(operation.rawValue)
        let fields = [details.reference, details.email, details.firstName, details.lastName, details.phoneNumber]
        var mask: UInt64 = 0
        for (bit, field) in fields.enumerated() where field != nil { mask |= 1 << UInt64(bit) }
        append(varint: mask)
        for case .some(var text) in fields { text.withUTF8 { append(lengthPrefixed: UnsafeRawBufferPointer($0)) } }
        endFrame(start)
    }

    /// Writes a customer reply.
    public mutating func appendCustomerReply(_ reply: CustomerReply, requestID: UInt64) {
        let start = beginFrame(.customerReply, requestID: requestID)
        append(reply.outcome.rawValue)
        append(reply.field.rawValue)
        endFrame(start)
    }
}
