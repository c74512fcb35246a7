// Reply: what the server said to one message, read where it lies. No allocation unless something is wrong.

import CLinux
import Core
import Frames
import Glibc

/// The answer to one message of events.
struct Reply: Equatable {
    /// Of a frame, as it was sent; 0 over HTTP, where replies come in the order of requests.
    var requestID: UInt64 = 0
    var recorded = 0
    var duplicates = 0
    var rejected = 0
    /// Nothing of it counts; send it again after so many milliseconds.
    var retryAfter: Int?
    /// The run cannot go on.
    var failure: String?

    enum Parse: Equatable {
        case needMore
        /// And how many bytes it takes.
        case reply(Reply, length: Int)
        /// These bytes are no reply.
        case broken(String)
    }

    // MARK: - Frames

    static func frame(_ bytes: UnsafeRawBufferPointer) -> Parse {
        guard case .header(let header) = FrameHeader.parse(bytes) else {
            return bytes.count < FrameHeader.size ? .needMore : .broken("these bytes are no frame")
        }
        guard bytes.count >= header.frameSize else { return .needMore }
        var reply = Reply(requestID: header.requestID)
        let payload = bytes.baseAddress! + FrameHeader.size
        switch header.type {
        case .eventsReply where header.length >= 24:
            func count(_ offset: Int) -> Int { Int(UInt32(littleEndian: payload.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) }
            reply.recorded = count(0)
            reply.duplicates = count(4)
            reply.rejected = count(8)
        case .error where header.length >= 6:
            let code = UInt16(littleEndian: payload.loadUnaligned(as: UInt16.self))
            switch FrameError(rawValue: code) {
            case .overloaded:
                reply.retryAfter = Int(UInt32(littleEndian: payload.loadUnaligned(fromByteOffset: 2, as: UInt32.self)))
            case .some(let error): reply.failure = "\(error.name): \(error.message)"
            case nil: reply.failure = "an error frame with code \(code)"
            }
        default: return .broken("a frame of type \(header.typeCode) that answers nothing")
        }
        return .reply(reply, length: header.frameSize)
    }

    // MARK: - HTTP

    /// Status and extent of the HTTP response at the front of `bytes`.
    enum Extent: Equatable {
        case needMore
        case whole(status: Int, head: Int, length: Int)
        case broken(String)
    }

    static let headMost = 16 * 1024

    static func extent(_ bytes: UnsafeRawBufferPointer) -> Extent {
        guard let base = bytes.baseAddress, bytes.count >= 16 else { return .needMore }
        guard let end = purser_find(base, min(bytes.count, headMost), "\r\n\r\n", 4) else {
            return bytes.count < headMost ? .needMore : .broken("a response without an end of its head")
        }
        let head = UnsafeRawPointer(end) - base + 4
        guard memcmp(base, "HTTP/1.1 ", 9) == 0, let status = number(bytes, at: 9),
            let field = purser_find(base, head, "\r\ncontent-length: ", 18),
            let length = number(bytes, at: UnsafeRawPointer(field) - base + 18)
        else { return .broken("these bytes are no response of purserd") }
        return bytes.count < head + length ? .needMore : .whole(status: status, head: head, length: head + length)
    }

    /// The answer to a request with `events` events.
    static func response(_ bytes: UnsafeRawBufferPointer, events: Int) -> Parse {
        let (status, head, length): (Int, Int, Int)
        switch extent(bytes) {
        case .needMore: return .needMore
        case .broken(let why): return .broken(why)
        case .whole(let s, let h, let l): (status, head, length) = (s, h, l)
        }
        var reply = Reply()
        let body = UnsafeRawBufferPointer(rebasing: bytes[head..<length])
        switch status {
        case 201 where events == 1: reply.recorded = 1
        case 409 where events == 1:
            guard purser_find(body.baseAddress!, body.count, "\"conflict\":false", 16) != nil else {
                reply.failure = "a repeated event was a conflict: " + text(body)
                break
            }
            reply.duplicates = 1
        case 200:
            guard let recorded = number(body, after: "{\"data\":{\"recorded\":"), let duplicates = number(body, after: ",\"duplicates\":"),
                let rejected = number(body, after: ",\"rejected\":")
            else { return .broken("no counts in the answer to a batch: " + text(body)) }
            (reply.recorded, reply.duplicates, reply.rejected) = (recorded, duplicates, rejected)
        case 429, 503: reply.retryAfter = 100
        default: reply.failure = "HTTP status \(status): " + text(body)
        }
        return .reply(reply, length: length)
    }

    /// The number that stands after the first `name` in the first 256 bytes.
    private static func number(_ body: UnsafeRawBufferPointer, after name: StaticString) -> Int? {
        guard let base = body.baseAddress, let found = purser_find(base, min(256, body.count), name.utf8Start, name.utf8CodeUnitCount)
        else {
            return nil
        }
        return number(body, at: UnsafeRawPointer(found) - base + name.utf8CodeUnitCount)
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Int? {
        var at = start
        var value = 0
        while at < bytes.count, at - start < 15, bytes[at] &- 0x30 < 10 {
            value = value * 10 + Int(bytes[at] - 0x30)
            at += 1
        }
        return at > start ? value : nil
    }

    private static func text(_ body: UnsafeRawBufferPointer) -> String { String(decoding: body.prefix(300), as: UTF8.self) }
}
