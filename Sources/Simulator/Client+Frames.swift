// The binary protocol from a client's side.

internal import Core
internal import Frames

extension Client {
    func hello() -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        var key = plan.isRemote ? Daemon.apiKey : ""
        let name = UnsafeRawBufferPointer(start: nil, count: 0)
        key.withUTF8 { writer.appendHello(key: UnsafeRawBufferPointer($0), name: name, requestID: 0) }
        return writer.array
    }

    func greet(_ connection: FakeConnection) {
        isGreeted = true
        connection.toServer += hello()
    }

    func frame(_ events: [EventRef]) -> Request {
        let id = takeID()
        let detail = dice.flip()
        return Request(id: id, events: events, bytes: encode(events, id, detail), listsAll: detail)
    }

    private func encode(_ events: [EventRef], _ id: UInt64, _ detail: Bool) -> [UInt8] {
        var encoder = EventsEncoder()
        for event in events {
            let added = encoder.add(auditor.payload(event).event(key: auditor.keys[event.key].text))
            if added != .added { wrong("an event does not fit a frame: \(added)") }
        }
        var writer = ByteWriter(capacity: 4096)
        encoder.finish(requestID: id, detail: detail, into: &writer)
        return writer.array
    }

    /// A frame that is right up to its last record, which lacks its last byte or has one too many.
    func malformed(_ events: [EventRef]) -> Request {
        guard kind == .binary else { return malformedPost(events) }
        let id = takeID()
        var bytes = encode(events, id, false)
        if canary != .countBeforeParse {
            if dice.flip() { bytes.removeLast() } else { bytes.append(0) }
            let length = UInt32(bytes.count - FrameHeader.size)
            for i in 0..<4 { bytes[4 + i] = UInt8(truncatingIfNeeded: length >> UInt32(8 * i)) }
        }
        return Request(id: id, events: events, bytes: bytes, isMalformed: true)
    }

    // MARK: Replies

    func readFrames(_ now: UInt64) {
        var used = 0
        while connection != nil, record.failure == nil {
            let step = Array(inbox[used...]).withUnsafeBytes { rest -> Int in
                guard case .header(let header) = FrameHeader.parse(rest) else {
                    if case .refused = FrameHeader.parse(rest) { wrong("what came is no frame") }
                    return 0
                }
                guard rest.count >= header.frameSize else { return 0 }
                take(header, UnsafeRawBufferPointer(rebasing: rest[FrameHeader.size..<header.frameSize]), now)
                return header.frameSize
            }
            if step == 0 { break }
            used += step
        }
        if connection != nil { inbox.removeFirst(used) }
    }

    private func take(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        switch header.type {
        case .helloReply: return
        case .eventsReply:
            guard let reply = EventsReply.decode(header, payload) else { return wrong("a reply cannot be read") }
            guard let index = outstanding.firstIndex(where: { $0.id == reply.requestID }) else { return wrong("a reply to nothing") }
            if index != 0 { return wrong("replies are out of order") }
            let request = outstanding.remove(at: index)
            if request.isMalformed {
                if canary != .countBeforeParse { wrong("a frame that cannot be read was answered") }
                return
            }
            guard reply.count == request.events.count else { return wrong("a reply counts \(reply.count) of \(request.events.count)") }
            settle(reply, request, now)
        case .error:
            guard let error = ErrorFrame.decode(header, payload) else { return wrong("an error cannot be read") }
            refused(error.code, header, now)
        default: wrong("frame of type \(header.typeCode)")
        }
    }

    private func settle(_ reply: EventsReply, _ request: Request, _ now: UInt64) {
        var next = reply.firstSequence
        var listed = 0
        for (index, event) in request.events.enumerated() {
            if listed < reply.results.count, reply.results[listed].index == index {
                let result = reply.results[listed]
                listed += 1
                hear(event, result.outcome, result.sequence, request, now)
            } else {
                hear(event, .recorded, next, request, now)
                next += 1
            }
        }
    }

    private func refused(_ code: UInt16, _ header: FrameHeader, _ now: UInt64) {
        guard let error = FrameError(rawValue: code) else { return wrong("error \(code)") }
        switch error {
        case .shuttingDown, .timeout: return
        case .malformedFrame:
            guard let request = outstanding.first, request.isMalformed, request.id == header.requestID else {
                return wrong("a good frame was called malformed")
            }
            outstanding.removeFirst()
        case .overloaded, .storageFull:
            // The frame as a whole found no room.
            guard let request = outstanding.first, request.id == header.requestID else { return wrong("an error to nothing") }
            outstanding.removeFirst()
            if !request.isMalformed { notNow(request.events, error == .overloaded ? .overloaded : .storageFull, request, now) }
        default: wrong("error \(error.name)")
        }
    }
}
