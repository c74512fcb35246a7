// Frames: the decoders of what a client sends and of what it gets, and a whole session of the binary protocol.

import Core
import Frames

extension FuzzEntry {
    static let frame = FuzzEntry("frame") { input in
        let arrival = Arrival(input)
        try decode(arrival.bytes)
        let host = try arrival.answers()
        guard arrival.bytes.first == 0xF5 else { return }
        try readReplies(host.received, requests: try requests(arrival.bytes))
    }

    /// The payload decoders, on the bytes as they are.
    private static func decode(_ bytes: [UInt8]) throws {
        try exactly(bytes) { payload in
            var block = EventBlock(events: 1)
            for _ in 0..<2 {
                let before = (block.count, block.nameCount, block.usageCount, block.arena.count)
                if case .events(let count) = EventsDecoder.decode(payload: payload, into: &block) {
                    try demand(block.count == before.0 + count, "\(count) events, \(block.count - before.0) in the block")
                } else {
                    let after = (block.count, block.nameCount, block.usageCount, block.arena.count)
                    try demand(before == after, "a refused frame left something behind")
                }
            }
            try check(block)
            if let hello = Hello.decode(payload) {
                try demand(Int(hello.key.offset) + Int(hello.key.length) <= bytes.count, "a key beyond the end")
                try demand(Int(hello.name.offset) + Int(hello.name.length) <= bytes.count, "a name beyond the end")
            }
            _ = CustomerFrame.decode(payload)
            // What a client reads; the server may be anybody.
            let header = FrameHeader(type: .eventsReply, flags: FrameHeader.detail, length: UInt32(bytes.count), requestID: 1)
            if let reply = EventsReply.decode(header, payload) {
                try demand(reply.results.count <= bytes.count, "more results than bytes")
            }
            _ = CustomerReply.decode(payload)
            _ = HelloReply.decode(payload)
            _ = ErrorFrame.decode(header, payload)
        }
    }

    static func check(_ block: borrowing EventBlock) throws {
        for i in 0..<block.count {
            let event = block.events[i]
            try demand(Int(event.usageStart) + Int(event.usageCount) <= block.usageCount, "usage lines beyond the end")
            try demand(Int(event.extras.offset) + Int(event.extras.length) <= block.arena.count, "extras beyond the end")
            try demand(Int(event.key.offset) + Int(event.key.length) <= block.arena.count, "a key beyond the end")
            for name in [event.eventName, event.customer, event.feature, event.model, event.provider, event.region] {
                try demand(name <= block.nameCount, "name \(name) of \(block.nameCount)")
            }
            guard event.outcome == .recorded else { continue }
            try demand(event.field == .none, "a recorded event with a field that is wrong")
            try demand(event.flags & EventRecord.hasOccurredAt == 0 || event.occurredAt.isAccepted, "a time out of range")
            try demand(event.cost.picodollars >= 0 && event.revenue.picodollars >= 0, "a negative amount")
        }
    }

    /// Frames that are there whole, walked in the simplest way.
    private static func requests(_ bytes: [UInt8]) throws -> Int {
        var at = 0
        var count = 0
        while at + FrameHeader.size <= bytes.count, bytes[at] == FrameHeader.magic {
            at += FrameHeader.size + Int(bytes.integer(UInt32.self, at: at + 4))
            if at > bytes.count { break }
            count += 1
        }
        return count
    }

    /// Replies are whole frames, of types that a server sends, and not more than were asked for but for one error at the end.
    private static func readReplies(_ bytes: [UInt8], requests: Int) throws {
        var at = 0
        var count = 0
        while at < bytes.count {
            try bytes[at...].withUnsafeBytes { rest in
                guard case .header(let header) = FrameHeader.parse(rest), rest.count >= header.frameSize else {
                    throw Finding("a reply that is cut short or broken")
                }
                let payload = UnsafeRawBufferPointer(rebasing: rest[FrameHeader.size..<header.frameSize])
                let isReadable =
                    switch header.type {
                    case .helloReply: HelloReply.decode(payload) != nil
                    case .eventsReply: EventsReply.decode(header, payload) != nil
                    case .customerReply: CustomerReply.decode(payload) != nil
                    case .pong: payload.count <= Limits.pingBytes
                    case .error: ErrorFrame.decode(header, payload) != nil
                    default: false
                    }
                try demand(isReadable, "a reply of type \(header.typeCode) that a client cannot read")
                at += header.frameSize
            }
            count += 1
        }
        try demand(count <= requests + 1, "\(count) replies to \(requests) frames")
    }
}
