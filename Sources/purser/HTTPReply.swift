// HTTPReply: reading one HTTP/1.1 response from the bytes of a connection (RFC 9112), and writing one request.
//
// Sans-io: bytes go in as they arrive, cut anywhere; the reply comes out whole. Understands content-length, chunked and
// read-until-close bodies; skips interim (1xx) responses; refuses anything beyond its limits.

import Core

struct HTTPReply: Equatable {
    var status = 0
    var reason = ""
    /// Names in lower case.
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Whether another request may follow on the connection.
    var keepsAlive = true

    static func == (a: HTTPReply, b: HTTPReply) -> Bool {
        a.status == b.status && a.reason == b.reason && a.body == b.body && a.keepsAlive == b.keepsAlive
            && a.headers.elementsEqual(b.headers) { $0.name == $1.name && $0.value == $1.value }
    }

    subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

struct HTTPReplyError: Error, Equatable {
    var message: String
}

/// Reads one reply. Feed until `reply` is there; bytes after it are an error, because requests are not pipelined.
struct HTTPReplyReader {
    private enum State: Equatable {
        case head
        case fixed(Int)
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailers
        case untilClose
        case done
    }

    static let headBytes = 64 * 1024
    static let bodyBytes = 256 * 1024 * 1024
    static let lineBytes = 8 * 1024

    private var state = State.head
    private var line: [UInt8] = []
    private var lines: [[UInt8]] = []
    private var headSize = 0
    private var current = HTTPReply()

    /// The reply, once it is whole.
    var reply: HTTPReply? { state == .done ? current : nil }
    /// Whether anything has arrived.
    private(set) var hasBegun = false

    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
        var i = 0
        if !bytes.isEmpty { hasBegun = true }
        while i < bytes.count {
            switch state {
            case .head, .chunkSize, .chunkEnd, .trailers:
                let byte = bytes[i]
                i += 1
                headSize += 1
                if byte != 0x0A {
                    guard line.count < HTTPReplyReader.lineBytes, headSize <= HTTPReplyReader.headBytes else {
                        throw HTTPReplyError(message: "the reply's head is too long")
                    }
                    line.append(byte)
                    continue
                }
                if line.last == 0x0D { line.removeLast() }
                let whole = line
                line.removeAll(keepingCapacity: true)
                try end(of: whole)
            case .fixed(let left):
                let count = try take(bytes, from: i, atMost: left)
                i += count
                state = left == count ? .done : .fixed(left - count)
            case .chunk(let left):
                let count = try take(bytes, from: i, atMost: left)
                i += count
                state = left == count ? .chunkEnd : .chunk(left - count)
            case .untilClose:
                i += try take(bytes, from: i, atMost: bytes.count - i)
            case .done:
                throw HTTPReplyError(message: "the server sent more than one reply")
            }
        }
    }

    /// The server closed the connection.
    mutating func close() throws {
        if state == .untilClose { state = .done }
        guard state == .done else { throw HTTPReplyError(message: "the connection closed in the middle of a reply") }
        current.keepsAlive = false
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, from start: Int, atMost limit: Int) throws -> Int {
        let count = min(limit, bytes.count - start)
        guard current.body.count + count <= HTTPReplyReader.bodyBytes else { throw HTTPReplyError(message: "the reply is too long") }
        current.body.append(contentsOf: bytes[start..<start + count])
        return count
    }

    private mutating func end(of text: [UInt8]) throws {
        switch state {
        case .head:
            if !text.isEmpty {
                lines.append(text)
                return
            }
            if lines.isEmpty { return }
            try endOfHead()
        case .chunkSize:
            headSize = 0
            let digits = text.prefix { $0 != 0x3B && $0 != 0x20 }
            guard !digits.isEmpty, digits.count <= 15, let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else {
                throw HTTPReplyError(message: "the reply has a bad chunk")
            }
            state = size == 0 ? .trailers : .chunk(size)
        case .chunkEnd:
            guard text.isEmpty else { throw HTTPReplyError(message: "the reply has a bad chunk") }
            state = .chunkSize
        case .trailers:
            if text.isEmpty { state = .done }
        default:
            break
        }
    }

    private mutating func endOfHead() throws {
        headSize = 0
        let first = String(decoding: lines[0], as: UTF8.self)
        guard first.hasPrefix("HTTP/1."), first.utf8.count >= 12, let status = Int(first.dropFirst(9).prefix(3)), status >= 100 else {
            throw HTTPReplyError(message: "this is not an HTTP reply")
        }
        current = HTTPReply(status: status, reason: String(first.dropFirst(13)))
        for text in lines.dropFirst() {
            guard let colon = text.firstIndex(of: 0x3A), colon > 0 else { throw HTTPReplyError(message: "the reply has a bad header") }
            let name = String(decoding: text[..<colon], as: UTF8.self).lowercased()
            var value = text[(colon + 1)...]
            while value.first == 0x20 || value.first == 0x09 { value.removeFirst() }
            while value.last == 0x20 || value.last == 0x09 { value.removeLast() }
            current.headers.append((name, String(decoding: value, as: UTF8.self)))
        }
        lines = []
        if status < 200 { return }
        let connection = current["connection"]?.lowercased() ?? ""
        current.keepsAlive = first.hasPrefix("HTTP/1.0") ? connection == "keep-alive" : connection != "close"
        if status == 204 || status == 304 {
            state = .done
        } else if let coding = current["transfer-encoding"] {
            guard coding.lowercased() == "chunked" else { throw HTTPReplyError(message: "the reply has an unknown transfer coding") }
            state = .chunkSize
        } else if let length = current["content-length"] {
            guard let count = Int(length), count >= 0 else { throw HTTPReplyError(message: "the reply has a bad length") }
            guard count <= HTTPReplyReader.bodyBytes else { throw HTTPReplyError(message: "the reply is too long") }
            current.body.reserveCapacity(count)
            state = count == 0 ? .done : .fixed(count)
        } else {
            state = .untilClose
        }
    }
}

/// One request to be written.
struct HTTPRequest {
    var method = "GET"
    /// Starts with a slash; already encoded.
    var path: String
    /// Encoded when written.
    var query: [(name: String, value: String)] = []
    var body: [UInt8]?
    var bodyType = "application/json"
    var accepts = "application/json"

    init(_ method: String = "GET", _ path: String, body: [UInt8]? = nil) {
        self.method = method
        self.path = path
        self.body = body
    }

    var target: String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { percentEncoded($0.name) + "=" + percentEncoded($0.value) }.joined(separator: "&")
    }

    /// The bytes on the wire.
    func bytes(authority: String, key: APIKey?) -> [UInt8] {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: \(authority)\r\nAccept: \(accepts)\r\nUser-Agent: purser\r\n"
        if let key { head += "Authorization: Bearer \(key.text)\r\n" }
        if let body { head += "Content-Type: \(bodyType)\r\nContent-Length: \(body.count)\r\n" }
        return Array((head + "\r\n").utf8) + (body ?? [])
    }
}

/// Everything but RFC 3986's unreserved characters as %XX, so that the text can stand in a path segment or a query.
func percentEncoded(_ text: String) -> String {
    var result: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: result.append(byte)
        default:
            let upper: (UInt8) -> UInt8 = { $0 < 10 ? 0x30 + $0 : 0x37 + $0 }
            result += [0x25, upper(byte >> 4), upper(byte & 15)]
        }
    }
    return String(decoding: result, as: UTF8.self)
}
