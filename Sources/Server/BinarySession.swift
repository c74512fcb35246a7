// BinarySession: frames in, replies out. Pipelined event frames that arrived together are decoded into one block and admitted
// as one, so a burst of single events costs what a batch costs.

internal import Core
internal import Frames
internal import Journal
internal import Ledger

let binaryFirstByte = FrameHeader.magic

/// An events frame whose events are in the block and whose reply is not written yet.
struct PendingFrame {
    var requestID: UInt64
    var detail: Bool
    var start: Int
    var end: Int
}

extension Server {
    /// Events gathered before they are admitted together.
    private static let gather = 1024

    mutating func processFrames(_ index: UInt32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let connection = slots + Int(index)
        var consumed = 0
        connection.pointee.awaitsInputOnly = false
        connection.pointee.expected = 0
        block.reset()
        frames.removeAll(keepingCapacity: true)
        guard isStillAuthorized(index) else {
            metrics.unauthorized += 1
            refuseFrame(index, .unauthorized)
            return bytes.count
        }
        loop: while consumed < bytes.count, connection.pointee.wantsInput {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            let limit = connection.pointee.greeted ? Limits.framePayloadBytes : Limits.helloBytes
            switch FrameHeader.parse(rest, payloadLimit: limit) {
            case .needMore:
                connection.pointee.awaitsInputOnly = true
                break loop
            case .refused(let error, let requestID):
                admitFrames(index)
                refuseFrame(index, error, requestID: requestID)
                consumed = bytes.count
                break loop
            case .header(let header):
                let total = FrameHeader.size + Int(header.length)
                if rest.count < total {
                    guard mayCollect(index, total + Server.inputPadding) else {
                        admitFrames(index)
                        metrics.refusedForMemory += 1
                        reply(index) { $0.append(FrameError.overloaded, requestID: header.requestID) }
                        connection.pointee.skipping = total - rest.count
                        consumed = bytes.count
                        break loop
                    }
                    connection.pointee.expected = total + Server.inputPadding
                    connection.pointee.awaitsInputOnly = true
                    break loop
                }
                let payload = UnsafeRawBufferPointer(rebasing: rest[FrameHeader.size..<total])
                metrics.frames += 1
                if header.typeCode == FrameType.events.rawValue {
                    if !connection.pointee.greeted {
                        refuseFrame(index, .helloRequired, requestID: header.requestID)
                        consumed = bytes.count
                        break loop
                    }
                    if block.count == 0, !mayAdmit(index) { break loop }
                    guard mayAnswerAtLength(index) else {
                        admitFrames(index)
                        metrics.refusedForMemory += 1
                        consumed += total
                        reply(index) { $0.append(FrameError.overloaded, requestID: header.requestID) }
                        continue
                    }
                    if !gatherEvents(index, header, payload) {
                        consumed = bytes.count
                        break loop
                    }
                    consumed += total
                    if block.count >= Server.gather { admitFrames(index) }
                } else {
                    admitFrames(index)
                    if header.typeCode == FrameType.customer.rawValue, connection.pointee.greeted, !mayAdmit(index) { break loop }
                    consumed += total
                    processFrame(index, header, payload)
                    if connection.pointee.closing { consumed = bytes.count }
                }
            }
        }
        admitFrames(index)
        // What is left is another frame than the one that was awaited, and has its own time to arrive.
        if consumed > 0 { connection.pointee.requestSince = now.monotonic }
        return consumed
    }

    /// Looks the key up again when keys were made or revoked since: an open connection is no way around a revocation.
    private func isStillAuthorized(_ index: UInt32) -> Bool {
        let connection = slots + Int(index)
        guard let key = connection.pointee.key else {
            // Without a key it is the socket that lets it in, by rules that a reload may have changed.
            if connection.pointee.greeted { connection.pointee.scopes = connection.pointee.socketScopes ?? 0 }
            return true
        }
        guard connection.pointee.keyEpoch != ledger.keys.epoch else { return true }
        guard let scopes = scopes(of: key) else { return false }
        connection.pointee.scopes = scopes
        connection.pointee.keyEpoch = ledger.keys.epoch
        return true
    }

    /// Decodes an events frame into the block; false when the frame is broken and the connection ends.
    private mutating func gatherEvents(_ index: UInt32, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> Bool {
        guard slots[Int(index)].scopes & KeyScope.ingest != 0 else {
            admitFrames(index)
            reply(index) { $0.append(FrameError.forbidden, requestID: header.requestID) }
            return true
        }
        let start = block.count
        switch EventsDecoder.decode(payload: payload, into: &block) {
        case .events:
            normaliseUsage(from: start)
            frames.append(
                PendingFrame(
                    requestID: header.requestID, detail: header.flags & FrameHeader.detail != 0, start: start, end: block.count))
            return true
        case .refused(let error):
            block.count = start
            admitFrames(index)
            refuseFrame(index, error, requestID: header.requestID)
            return false
        }
    }

    /// Admits what was gathered and writes the replies.
    private mutating func admitFrames(_ index: UInt32) {
        guard !frames.isEmpty else { return }
        let connection = slots + Int(index)
        admitBlock(of: index, principal: connection.pointee.key?.words.0 ?? UInt64(connection.pointee.credentials?.user ?? 0))
        for frame in frames {
            var reply = EventsReplyWriter(requestID: frame.requestID, detail: frame.detail, into: &connection.pointee.output)
            for i in frame.start..<frame.end { reply.add(block.events[i], into: &connection.pointee.output) }
            reply.finish(into: &connection.pointee.output)
        }
        connection.pointee.hold(until: pipelineBox.pointee.waitNumber, durable: pipelineBox.pointee.durable)
        frames.removeAll(keepingCapacity: true)
        block.reset()
    }

    private mutating func processFrame(_ index: UInt32, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        let connection = slots + Int(index)
        if header.typeCode == FrameType.hello.rawValue {
            greet(index, header, payload)
            return
        }
        guard connection.pointee.greeted else {
            refuseFrame(index, .helloRequired, requestID: header.requestID)
            return
        }
        switch header.type {
        case .ping:
            guard payload.count <= Limits.pingBytes else {
                refuseFrame(index, .malformedFrame, requestID: header.requestID)
                return
            }
            reply(index) { $0.appendPong(payload, requestID: header.requestID) }
        case .customer:
            processCustomer(index, header, payload)
        default:
            reply(index) { $0.append(FrameError.unknownType, requestID: header.requestID) }
        }
    }

    private mutating func greet(_ index: UInt32, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        let connection = slots + Int(index)
        guard !connection.pointee.greeted else {
            refuseFrame(index, .unexpectedHello, requestID: header.requestID)
            return
        }
        guard let hello = Hello.decode(payload) else {
            refuseFrame(index, .malformedFrame, requestID: header.requestID)
            return
        }
        guard hello.lowest <= ProtocolVersion.highest, hello.highest >= ProtocolVersion.lowest else {
            refuseFrame(index, .unsupportedVersion, requestID: header.requestID)
            return
        }
        let key = UnsafeRawBufferPointer(rebasing: payload[Int(hello.key.offset)..<Int(hello.key.offset + hello.key.length)])
        var asker: UInt64 = 0
        guard let scopes = authorize(key, index, principal: &asker) else {
            metrics.unauthorized += 1
            refuseFrame(index, .unauthorized, requestID: header.requestID)
            return
        }
        connection.pointee.greeted = true
        connection.pointee.scopes = scopes
        let principal = key.isEmpty ? PrincipalKind.socket : PrincipalKind.key
        let name = "purserd/\(options.version)"
        reply(index) { output in
            output.appendHelloReply(
                version: ProtocolVersion.highest, principal: principal, scopes: scopes, server: name, requestID: header.requestID)
        }
    }

    private mutating func processCustomer(_ index: UInt32, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        guard slots[Int(index)].scopes & KeyScope.ingest != 0 else {
            reply(index) { $0.append(FrameError.forbidden, requestID: header.requestID) }
            return
        }
        switch CustomerFrame.decode(payload) {
        case .refused(let error):
            refuseFrame(index, error, requestID: header.requestID)
        case .invalid(let field):
            reply(index) { $0.appendCustomerReply(CustomerReply(.validationFailed, field: field), requestID: header.requestID) }
        case .customer(let frame):
            let room = pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall)
            guard room == .ready else {
                reply(index) { $0.append(room == .wait ? FrameError.overloaded : .storageFull, requestID: header.requestID) }
                return
            }
            func bytes(_ field: CustomerField, _ ref: TextRef) -> [UInt8]? {
                frame.has(field) ? [UInt8](payload[Int(ref.offset)..<Int(ref.offset + ref.length)]) : nil
            }
            var fact = CustomerFact(operation: frame.operation == .register ? .registered : .changed, reference: noString, at: now.wall)
            fact.email = bytes(.email, frame.email)
            fact.firstName = bytes(.firstName, frame.firstName)
            fact.lastName = bytes(.lastName, frame.lastName)
            fact.phoneNumber = bytes(.phoneNumber, frame.phoneNumber)
            let reference = bytes(.customerReferenceId, frame.reference)
            let change: CustomerChange
            if frame.operation == .register {
                change = ledger.register(reference: reference, fact, into: &pipelineBox.pointee.openBatch().pointee)
            } else {
                change = ledger.change(reference: reference ?? [], fact, into: &pipelineBox.pointee.openBatch().pointee)
            }
            let outcome: CustomerOutcome
            switch change {
            case .created: outcome = .created
            case .changed: outcome = .updated
            case .conflict: outcome = .conflict
            case .notFound: outcome = .notFound
            case .overloaded:
                reply(index) { $0.append(FrameError.overloaded, requestID: header.requestID) }
                return
            }
            reply(index, wait: true) { $0.appendCustomerReply(CustomerReply(outcome), requestID: header.requestID) }
        }
    }

    private mutating func reply(_ index: UInt32, wait: Bool = false, _ body: (inout ByteWriter) -> Void) {
        let connection = slots + Int(index)
        body(&connection.pointee.output)
        connection.pointee.hold(until: wait ? pipelineBox.pointee.waitNumber : 0, durable: pipelineBox.pointee.durable)
    }

    /// Tells a client that what was not answered before does not count.
    mutating func sayStopping(_ index: UInt32) { reply(index) { $0.append(FrameError.shuttingDown, requestID: 0) } }

    /// Says what is wrong and ends the connection.
    mutating func refuseFrame(_ index: UInt32, _ error: FrameError, requestID: UInt64 = 0, message: StaticString? = nil) {
        metrics.badFrames += 1
        reply(index) { $0.append(error, requestID: requestID, message: message, closes: true) }
        slots[Int(index)].closing = true
    }
}

extension ByteWriter {
    fileprivate mutating func append(_ error: FrameError, requestID: UInt64, message: StaticString? = nil, closes: Bool? = nil) {
        appendError(
            error, requestID: requestID, message: message ?? error.explanation, retryAfterMilliseconds: error == .overloaded ? 1000 : 0,
            closes: closes)
    }
}

extension FrameError {
    /// What the error frame says besides the code.
    fileprivate var explanation: StaticString {
        switch self {
        case .malformedFrame: "The frame does not follow the format; nothing of it was counted"
        case .frameTooLarge: "The payload is longer than the limit in the hello reply"
        case .unsupportedVersion: "The server speaks version 1"
        case .unauthorized: "A valid API key is needed"
        case .forbidden: "The API key lacks the scope for this"
        case .helloRequired: "The first frame must be hello"
        case .unknownType: "There is no such frame type"
        case .overloaded: "Too much is pending; nothing of the frame was recorded"
        case .storageFull: "No room on the disk; nothing of the frame was recorded"
        case .unexpectedHello: "Hello was said before"
        case .timeout: "The frame took too long to arrive"
        case .shuttingDown: "The server is stopping"
        case .internalError: "Internal error"
        }
    }
}
