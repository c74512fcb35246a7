// HTTPResponse: the head of an answer, written straight into the connection's output.
//
// Two ways: `append(http:contentLength:)` when the body's length is known, `beginHTTP` and `endHTTP` when the body is
// written behind the head first; the length then goes into a field kept free for it, with spaces before it, which are
// optional white space to every reader (RFC 9110 section 5.5). Values that came from a request are written with every byte
// that may not stand in a header value replaced, so an answer cannot be split by what it echoes.

public import Core

/// What the answer says about the connection.
@frozen
public enum HTTPPersistence: UInt8, Sendable {
    /// Kept open, as HTTP/1.1 does unless told.
    case implicit
    case close
    /// Kept open, said aloud, for HTTP/1.0.
    case keepAlive
}

/// What kind of body follows.
@frozen
public enum HTTPContent: UInt8, Sendable {
    case json, text, html, javascript, css, svg, icon, png, font, prometheus, csv, ndjson, eventStream
    /// No body and no `content-type`.
    case none

    var field: StaticString {
        switch self {
        case .json: "content-type: application/json\r\n"
        case .text: "content-type: text/plain; charset=utf-8\r\n"
        case .html: "content-type: text/html; charset=utf-8\r\n"
        case .javascript: "content-type: text/javascript; charset=utf-8\r\n"
        case .css: "content-type: text/css; charset=utf-8\r\n"
        case .svg: "content-type: image/svg+xml\r\n"
        case .icon: "content-type: image/x-icon\r\n"
        case .png: "content-type: image/png\r\n"
        case .font: "content-type: font/woff2\r\n"
        case .csv: "content-type: text/csv; charset=utf-8; header=present\r\n"
        case .ndjson: "content-type: application/x-ndjson\r\n"
        case .eventStream: "content-type: text/event-stream\r\n"
        case .prometheus: "content-type: text/plain; version=0.0.4; charset=utf-8\r\n"
        case .none: ""
        }
    }
}

/// The head of one answer. The buffers are read while it is written and not kept.
public struct HTTPResponse {
    public var status: UInt16
    public var content = HTTPContent.json
    public var persistence = HTTPPersistence.implicit
    /// `date`, in the form of `append(httpDate:)`; left out when nil.
    public var date: UnsafeRawBufferPointer?
    /// `x-request-id`; left out when nil.
    public var requestID: UnsafeRawBufferPointer?
    /// `idempotency-key`, echoed; left out when nil.
    public var idempotencyKey: UnsafeRawBufferPointer?
    /// `access-control-allow-origin`; no CORS field is written when nil.
    public var allowOrigin: UnsafeRawBufferPointer?
    public var allowCredentials = false
    /// The answer to a preflight: adds the allowed methods and headers and how long they hold.
    public var isPreflight = false
    /// `retry-after` in seconds; 0 leaves it out.
    public var retryAfter: UInt32 = 0
    /// `allow`, the methods of the route, for 405.
    public var allow: StaticString?
    /// Further complete field lines, each with its CR LF.
    public var extra: StaticString?
    /// The same, made for this answer; nothing in them may come from a request as it is.
    public var lines: UnsafeRawBufferPointer?

    public init(status: UInt16) { self.status = status }
}

/// Where `endHTTP` puts the length.
@frozen
public struct HTTPBodyMark: Sendable {
    let lengthAt: Int
    let bodyAt: Int
}

extension ByteWriter {
    /// The digits kept free by `beginHTTP`; a body of 4 GB fits.
    private static var lengthDigits: Int { 10 }

    /// `HTTP/1.1 100 Continue`.
    public mutating func appendHTTPContinue() { append("HTTP/1.1 100 Continue\r\n\r\n") }

    /// The whole head, for a body of `contentLength` bytes that follows (or would, for HEAD).
    public mutating func append(http response: HTTPResponse, contentLength: Int) {
        appendFields(response)
        // RFC 9110 section 8.6: neither has a body, and 304 would have to say the length of the one it stands for.
        if response.status != 204, response.status != 304 {
            append("content-length: ")
            append(unsigned: UInt64(contentLength.magnitude))
            append("\r\n")
        }
        append("\r\n")
    }

    /// The whole head, for a body whose length nobody knows yet: in chunks, or as long as the connection lasts.
    public mutating func append(http response: HTTPResponse, chunked: Bool) {
        appendFields(response)
        append(chunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n")
    }

    /// A chunk of such a body; never an empty one, which would end it.
    public mutating func append(chunk bytes: [UInt8]) {
        precondition(!bytes.isEmpty)
        var digits = 1
        while bytes.count >> (digits * 4) != 0 { digits += 1 }
        for place in stride(from: digits - 1, through: 0, by: -1) { append(hexDigit(UInt8(bytes.count >> (place * 4) & 15))) }
        append("\r\n")
        append(bytes)
        append("\r\n")
    }

    /// The head, for a body that is written next and ended with `endHTTP`.
    public mutating func beginHTTP(_ response: HTTPResponse) -> HTTPBodyMark {
        appendFields(response)
        append("content-length: ")
        let lengthAt = count
        append("          \r\n\r\n")
        return HTTPBodyMark(lengthAt: lengthAt, bodyAt: count)
    }

    /// Fills in the length of what was written since `beginHTTP`, and closes the gap that was kept for it. The result is where
    /// the body starts now.
    @discardableResult
    public mutating func endHTTP(_ mark: HTTPBodyMark) -> Int {
        let length = count - mark.bodyAt
        var digits = 1
        var probe = length
        while probe >= 10 {
            probe /= 10
            digits += 1
        }
        var rest = length
        for at in (mark.lengthAt..<mark.lengthAt + digits).reversed() {
            store(littleEndian: UInt8(truncatingIfNeeded: 0x30 + rest % 10), at: at)
            rest /= 10
        }
        let gap = Self.lengthDigits - digits
        guard gap > 0 else { return mark.bodyAt }
        let from = mark.lengthAt + Self.lengthDigits
        memmoveBytes(base + from - gap, base + from, count - from)
        truncate(to: count - gap)
        return mark.bodyAt - gap
    }

    private mutating func appendFields(_ response: HTTPResponse) {
        append(HTTPStatus.line(response.status))
        if let value = response.date { append(field: "date: ", value) }
        append(response.content.field)
        switch response.persistence {
        case .implicit: break
        case .close: append("connection: close\r\n")
        case .keepAlive: append("connection: keep-alive\r\n")
        }
        if let value = response.requestID { append(field: "x-request-id: ", value) }
        if let value = response.idempotencyKey { append(field: "idempotency-key: ", value) }
        if response.retryAfter > 0 {
            append("retry-after: ")
            append(unsigned: UInt64(response.retryAfter))
            append("\r\n")
        }
        if let methods = response.allow {
            append("allow: ")
            append(methods)
            append("\r\n")
        }
        if let origin = response.allowOrigin {
            append(field: "access-control-allow-origin: ", origin)
            append("vary: origin\r\n")
            if response.allowCredentials { append("access-control-allow-credentials: true\r\n") }
            append("access-control-expose-headers: Idempotency-Key, X-Request-ID, Retry-After\r\n")
            if response.isPreflight {
                append("access-control-allow-methods: GET, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
                append("access-control-allow-headers: Authorization, Content-Type, X-API-Key, X-Requested-With, ")
                append("Idempotency-Key, X-Idempotency-Key\r\n")
                append("access-control-max-age: 600\r\n")
            }
        }
        if let lines = response.extra { append(lines) }
        if let lines = response.lines { append(bytes: lines) }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7), 29 bytes from year 0 to 9999.
    public mutating func append(httpDate time: Timestamp) {
        let (seconds, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        let second = Int(rest < 0 ? seconds - 1 : seconds)
        let days = second >= 0 ? second / 86_400 : (second - 86_399) / 86_400
        let ofDay = second - days * 86_400
        let date = CivilDate(daysSinceEpoch: days)
        func appendTwo(_ number: Int) {
            append(UInt8(truncatingIfNeeded: 0x30 + number / 10))
            append(UInt8(truncatingIfNeeded: 0x30 + number % 10))
        }
        func appendName(_ names: StaticString, _ index: Int) {
            append(bytes: UnsafeRawBufferPointer(start: names.utf8Start + index * 3, count: 3))
        }
        // 1970-01-01 was a Thursday.
        appendName("ThuFriSatSunMonTueWed", ((days % 7) + 7) % 7)
        append(", ")
        appendTwo(date.day)
        append(" ")
        appendName("JanFebMarAprMayJunJulAugSepOctNovDec", date.month - 1)
        append(" ")
        appendTwo(date.year / 100)
        appendTwo(date.year % 100)
        append(" ")
        appendTwo(ofDay / 3600)
        append(":")
        appendTwo(ofDay / 60 % 60)
        append(":")
        appendTwo(ofDay % 60)
        append(" GMT")
    }

    /// A field line with a value that came from outside.
    private mutating func append(field name: StaticString, _ value: UnsafeRawBufferPointer) {
        append(name)
        let start = count
        append(bytes: value)
        for i in start..<count {
            let byte = bytes[i]
            if byte < 0x20 || byte >= 0x7F { store(littleEndian: UInt8(0x3F), at: i) }
        }
        append("\r\n")
    }
}

public enum HTTPStatus {
    /// The status line with its CR LF. A status that Purser never sends gives 500's.
    public static func line(_ status: UInt16) -> StaticString {
        switch status {
        case 200: "HTTP/1.1 200 OK\r\n"
        case 201: "HTTP/1.1 201 Created\r\n"
        case 202: "HTTP/1.1 202 Accepted\r\n"
        case 204: "HTTP/1.1 204 No Content\r\n"
        case 303: "HTTP/1.1 303 See Other\r\n"
        case 304: "HTTP/1.1 304 Not Modified\r\n"
        case 400: "HTTP/1.1 400 Bad Request\r\n"
        case 401: "HTTP/1.1 401 Unauthorized\r\n"
        case 402: "HTTP/1.1 402 Payment Required\r\n"
        case 403: "HTTP/1.1 403 Forbidden\r\n"
        case 404: "HTTP/1.1 404 Not Found\r\n"
        case 405: "HTTP/1.1 405 Method Not Allowed\r\n"
        case 406: "HTTP/1.1 406 Not Acceptable\r\n"
        case 408: "HTTP/1.1 408 Request Timeout\r\n"
        case 409: "HTTP/1.1 409 Conflict\r\n"
        case 411: "HTTP/1.1 411 Length Required\r\n"
        case 413: "HTTP/1.1 413 Content Too Large\r\n"
        case 414: "HTTP/1.1 414 URI Too Long\r\n"
        case 415: "HTTP/1.1 415 Unsupported Media Type\r\n"
        case 417: "HTTP/1.1 417 Expectation Failed\r\n"
        case 421: "HTTP/1.1 421 Misdirected Request\r\n"
        case 422: "HTTP/1.1 422 Unprocessable Content\r\n"
        case 429: "HTTP/1.1 429 Too Many Requests\r\n"
        case 431: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
        case 501: "HTTP/1.1 501 Not Implemented\r\n"
        case 503: "HTTP/1.1 503 Service Unavailable\r\n"
        case 505: "HTTP/1.1 505 HTTP Version Not Supported\r\n"
        case 507: "HTTP/1.1 507 Insufficient Storage\r\n"
        default: "HTTP/1.1 500 Internal Server Error\r\n"
        }
    }
}
