// Requests in one line, and replies taken apart.

import Core
import Frames
import Testing

/// One HTTP answer.
struct Reply: Equatable {
    var status: Int
    var fields: [String: String]
    var body: String

    /// Takes answers off the front of what came back. `heads` are the answers that have no body although they name a length.
    static func all(_ bytes: [UInt8], heads: Set<Int> = []) -> [Reply] {
        var rest = bytes[...]
        var list: [Reply] = []
        while !rest.isEmpty {
            guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else {
                Issue.record("an answer without an end of its head: \(String(decoding: rest, as: UTF8.self))")
                return list
            }
            let lines = String(decoding: rest[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
            let words = lines[0].split(separator: " ")
            guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
                Issue.record("no status line: \(lines[0])")
                return list
            }
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                fields[String(parts[0])] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
            }
            rest = rest[end.upperBound...]
            let isHead = heads.contains(list.count)
            let length = isHead ? 0 : Int(fields["content-length"] ?? "0") ?? -1
            guard length >= 0, length <= rest.count else {
                Issue.record("a body of \(length) bytes, \(rest.count) came")
                return list
            }
            list.append(Reply(status: status, fields: fields, body: String(decoding: rest.prefix(length), as: UTF8.self)))
            rest = rest.dropFirst(length)
        }
        return list
    }

    /// The same without what differs from one request to the next by design.
    var plain: Reply {
        var copy = self
        copy.fields["x-request-id"] = nil
        return copy
    }
}

func statuses(_ bytes: [UInt8]) -> [Int] { Reply.all(bytes).map(\.status) }

/// A request with a body, if there is one.
func request(_ line: String, _ body: String = "", _ fields: [String] = []) -> String {
    var text = "\(line) HTTP/1.1\r\nHost: purser\r\n"
    for field in fields { text += field + "\r\n" }
    if !body.isEmpty || line.hasPrefix("POST") || line.hasPrefix("PATCH") { text += "Content-Length: \(body.utf8.count)\r\n" }
    return text + "\r\n" + body
}

let eventsPath = "POST /api/v1/client/events"

/// One event over HTTP.
func post(_ key: String, cost: String = "1", _ fields: [String] = []) -> String {
    request(
        eventsPath, "{\"eventName\":\"call\",\"eventIdempotencyKey\":\"\(key)\",\"customerReferenceId\":\"c\",\"costAmount\":\(cost)}",
        fields)
}

// MARK: - Frames

/// What came back over the binary protocol.
enum Answer: Equatable {
    case hello(scopes: UInt8)
    case events(EventsReply)
    case customer(CustomerReply)
    case pong(UInt64, [UInt8])
    case error(FrameError, UInt64)
    case other

    var recorded: Int? {
        if case .events(let reply) = self { return reply.recorded }
        return nil
    }

    static func all(_ bytes: [UInt8]) -> [Answer] {
        var list: [Answer] = []
        bytes.withUnsafeBytes { bytes in
            var at = 0
            while at < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
                guard case .header(let header) = FrameHeader.parse(rest), rest.count >= header.frameSize else {
                    Issue.record("a frame that is cut short or broken")
                    return
                }
                list.append(one(header, UnsafeRawBufferPointer(rebasing: rest[FrameHeader.size..<header.frameSize])))
                at += header.frameSize
            }
        }
        return list
    }

    private static func one(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> Answer {
        switch header.type {
        case .helloReply: HelloReply.decode(payload).map { .hello(scopes: $0.scopes) } ?? .other
        case .eventsReply: EventsReply.decode(header, payload).map { .events($0) } ?? .other
        case .customerReply: CustomerReply.decode(payload).map { .customer($0) } ?? .other
        case .pong: .pong(header.requestID, [UInt8](payload))
        case .error:
            ErrorFrame.decode(header, payload).flatMap { frame in frame.error.map { .error($0, header.requestID) } } ?? .other
        default: .other
        }
    }
}

/// Frames as a client writes them.
enum Frame {
    static func hello(key: String = "", requestID: UInt64 = 1) -> [UInt8] {
        var writer = ByteWriter()
        Array(key.utf8).withUnsafeBytes { key in
            Array("test".utf8).withUnsafeBytes { name in writer.appendHello(key: key, name: name, requestID: requestID) }
        }
        return writer.array
    }

    static func ping(_ text: String, requestID: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        Array(text.utf8).withUnsafeBytes { writer.appendPing($0, requestID: requestID) }
        return writer.array
    }

    static func events(_ events: [UsageEvent], requestID: UInt64, detail: Bool = false) -> [UInt8] {
        var encoder = EventsEncoder()
        for event in events { #expect(encoder.add(event) == .added) }
        var writer = ByteWriter()
        encoder.finish(requestID: requestID, detail: detail, into: &writer)
        return writer.array
    }

    static func events(_ keys: [String], requestID: UInt64) -> [UInt8] { events(keys.map { event($0) }, requestID: requestID) }

    static func event(_ key: String) -> UsageEvent {
        UsageEvent(key: .text(key), name: "call", customer: "c", cost: Money(picodollars: 1_000_000_000_000))
    }

    static func customer(_ operation: CustomerOperation, _ details: CustomerDetails, requestID: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.appendCustomer(operation, details, requestID: requestID)
        return writer.array
    }
}
