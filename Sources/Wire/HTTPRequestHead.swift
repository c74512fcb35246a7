// HTTPRequestHead: what the server needs of an HTTP/1.1 request head, as offsets into the bytes it came in.
//
// Guarantees: a head that is accepted has exactly one reading: one method, one target, one length of body. Nothing is
// copied, allocated or kept; the offsets stay valid for as long as the caller keeps the same bytes at the same place.
// Refuses: everything RFC 9112 lets a server refuse and that two readers could read differently. `protocol/http.md` lists
// what, and why.

/// A part of a request head, from the first byte of the request.
@frozen
public struct HTTPRange: Equatable, Sendable {
    public var offset: UInt32
    public var length: UInt32

    @inlinable public init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }
    @inlinable init(from start: Int, to end: Int) {
        offset = UInt32(truncatingIfNeeded: start)
        length = UInt32(truncatingIfNeeded: end - start)
    }
    /// Not in the request. (No part of a head but its first byte is at offset 0, and that is the method's.)
    public static let absent = HTTPRange(offset: 0, length: 0)
    @inlinable public var isPresent: Bool { offset != 0 }
    @inlinable public var isEmpty: Bool { length == 0 }

    /// The bytes, where `request` starts where the parsed bytes started.
    @inlinable public func bytes(in request: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let start = Int(offset)
        return UnsafeRawBufferPointer(rebasing: request[start..<start + Int(length)])
    }
}

@frozen
public enum HTTPMethod: UInt8, CaseIterable, Sendable {
    case get, head, post, put, patch, delete, options
    /// Any other token.
    case other
}

/// Why a request is refused before it reaches a route. The connection is closed after the answer: where the next request
/// would start is not known.
@frozen
public struct HTTPRefusal: Sendable {
    public let status: UInt16
    /// The `code` of the error object.
    public let code: StaticString
    public let message: StaticString

    @inlinable public init(status: UInt16, code: StaticString, message: StaticString) {
        self.status = status
        self.code = code
        self.message = message
    }

    @inlinable static func bad(_ message: StaticString) -> HTTPRefusal {
        HTTPRefusal(status: 400, code: "validation_failed", message: message)
    }
}

@frozen
public enum HTTPHeadResult: Sendable {
    /// The head has not ended yet.
    case needMore
    /// `consumed` bytes of the input are the head; the body or the next request starts there.
    case head(HTTPRequestHead, consumed: Int)
    case refused(HTTPRefusal)
}

/// The head of one request.
@frozen
public struct HTTPRequestHead: Sendable {
    public var method = HTTPMethod.other
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public var minorVersion: UInt8 = 1
    /// The body comes in chunks (`ChunkedBody`); then there is no `contentLength`.
    public var chunked = false
    /// The client will send another request on this connection.
    public var keepAlive = true
    /// The client waits for `100 Continue` before it sends the body.
    public var expectContinue = false
    /// At most `Limits.httpBodyBytes`.
    public var contentLength: UInt64?
    /// The path as it came, percent-encoded, from its first slash and without the query; or `*` (with OPTIONS only).
    public var path = HTTPRange.absent
    /// What follows the first `?` of the target; present and empty for a bare `?`.
    public var query = HTTPRange.absent
    public var methodName = HTTPRange(offset: 0, length: 0)

    // Values of the headers that routes read, without the white space around them.
    public var host = HTTPRange.absent
    public var authorization = HTTPRange.absent
    public var apiKey = HTTPRange.absent
    public var contentType = HTTPRange.absent
    public var requestID = HTTPRange.absent
    public var idempotencyKey = HTTPRange.absent
    /// `X-Idempotency-Key`, which names the event.
    public var eventKey = HTTPRange.absent
    public var origin = HTTPRange.absent
    public var accessControlRequestMethod = HTTPRange.absent
    /// The first `Accept`, and the first of the others that come as lists.
    public var accept = HTTPRange.absent
    public var acceptEncoding = HTTPRange.absent
    public var ifNoneMatch = HTTPRange.absent
    public var cookie = HTTPRange.absent
    public var fetchSite = HTTPRange.absent
    public var lastEventID = HTTPRange.absent

    /// Whether a body follows the head.
    @inlinable public var hasBody: Bool { chunked || (contentLength ?? 0) != 0 }

    @inlinable init() {}
}
