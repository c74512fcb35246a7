// FrameError: why a frame, or a whole connection, was refused. Codes are part of the protocol: never reused, never
// renumbered. An event that is refused while its neighbours count is an `Outcome`, not one of these.

public import Core

/// The code of an `error` frame.
@frozen
public enum FrameError: UInt16, CaseIterable, Error, Sendable {
    /// The bytes do not follow the format. Nothing of the frame counts.
    case malformedFrame = 1
    /// The payload is longer than the limit.
    case frameTooLarge = 2
    /// No protocol version in the client's range is spoken here.
    case unsupportedVersion = 3
    /// A key is needed here and none came, or it is unknown, expired or revoked.
    case unauthorized = 4
    /// The key is good, but not for this.
    case forbidden = 5
    /// The first frame was not a hello.
    case helloRequired = 6
    /// A frame type this version does not know, or one that only the server sends.
    case unknownType = 7
    /// Too much is pending. Nothing of the frame counts; send it again later.
    case overloaded = 8
    /// The state directory has no room. Nothing of the frame counts.
    case storageFull = 9
    /// A second hello on one connection.
    case unexpectedHello = 10
    /// The hello, or the rest of a frame, did not come in time; or nothing came for longer than the idle limit.
    case timeout = 11
    /// The daemon is stopping. Frames answered before count, this one does not.
    case shuttingDown = 12
    /// Something failed inside. Whether the frame counts is unknown: send it again with the same keys.
    case internalError = 13

    /// The name of the code in the protocol page and in messages.
    public var name: StaticString {
        switch self {
        case .malformedFrame: "malformed_frame"
        case .frameTooLarge: "frame_too_large"
        case .unsupportedVersion: "unsupported_version"
        case .unauthorized: "unauthorized"
        case .forbidden: "forbidden"
        case .helloRequired: "hello_required"
        case .unknownType: "unknown_type"
        case .overloaded: "overloaded"
        case .storageFull: "storage_full"
        case .unexpectedHello: "unexpected_hello"
        case .timeout: "timeout"
        case .shuttingDown: "shutting_down"
        case .internalError: "internal_error"
        }
    }

    /// What a person is told when nothing closer is known.
    public var message: StaticString {
        switch self {
        case .malformedFrame: "The frame does not follow the format"
        case .frameTooLarge: "The frame is longer than the limit"
        case .unsupportedVersion: "No common protocol version"
        case .unauthorized: "A valid API key is needed"
        case .forbidden: "The API key may not do this"
        case .helloRequired: "The first frame must be a hello"
        case .unknownType: "No such frame type"
        case .overloaded: "Too much is pending, try again"
        case .storageFull: "The state directory has no room"
        case .unexpectedHello: "The hello was said before"
        case .timeout: "Nothing came in time"
        case .shuttingDown: "The server is stopping"
        case .internalError: "Something failed inside the server"
        }
    }

    /// Whether the server closes the connection after an error of this code.
    @inlinable public var closes: Bool {
        switch self {
        case .forbidden, .unknownType, .overloaded, .storageFull: false
        default: true
        }
    }
}

/// An error frame.
///
///     0  u16     code
///     2  u32     milliseconds to wait before sending again; 0: no advice
///     6  varint  length of the message, then the message (UTF-8, for people)
public struct ErrorFrame: Equatable, Sendable {
    /// A code this version may not know; `error` is nil then.
    public var code: UInt16
    public var retryAfterMilliseconds: UInt32
    public var message: String
    /// The sender closes the connection after the frame.
    public var closes: Bool
    public var requestID: UInt64

    public var error: FrameError? { FrameError(rawValue: code) }

    /// Reads the payload of an error frame; nil when it is malformed. Bytes after the message are skipped: a later version may add fields.
    public static func decode(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> ErrorFrame? {
        var reader = ByteReader(payload)
        let code = reader.integer(UInt16.self)
        let wait = reader.integer(UInt32.self)
        let text = reader.lengthPrefixed()
        guard !reader.failed else { return nil }
        return ErrorFrame(
            code: code,
            retryAfterMilliseconds: wait,
            message: String(decoding: text, as: UTF8.self),
            closes: header.flags & FrameHeader.closing != 0,
            requestID: header.requestID
        )
    }
}

extension ByteWriter {
    /// Writes an error frame. The closing flag follows the code, and so does the message when none is given.
    public mutating func appendError(
        _ error: FrameError,
        requestID: UInt64,
        message given: StaticString? = nil,
        retryAfterMilliseconds: UInt32 = 0,
        closes: Bool? = nil
    ) {
        let message = given ?? error.message
        let text = UnsafeRawBufferPointer(start: message.utf8Start, count: message.utf8CodeUnitCount)
        let start = beginFrame(.error, flags: closes ?? error.closes ? FrameHeader.closing : 0, requestID: requestID)
        append(littleEndian: error.rawValue)
        append(littleEndian: retryAfterMilliseconds)
        append(lengthPrefixed: text)
        endFrame(start)
    }
}
