// Events over HTTP: one, or a batch.

internal import Core
internal import Journal
internal import Ledger
internal import Pricing
internal import Wire

extension Server {
    mutating func postEvent(_ context: inout RequestContext, _ body: UnsafeRawBufferPointer, _ headerKey: UnsafeRawBufferPointer?) {
        block.reset()
        var key = UnsafeRawBufferPointer(start: nil, count: 0)
        if let headerKey {
            switch KeyHeader.event(headerKey) {
            case .recorded: key = headerKey
            case .fieldMissing: break
            default:
                fail(
                    &context, 400, "validation_failed",
                    "Constraint violation: eventIdempotencyKey: at most 64 characters, no control characters")
                return
            }
        }
        switch json.read(body, shape: .single, ignoringKey: !key.isEmpty, into: &block) {
        case .malformed(let message, let offset):
            malformed(&context, message, offset)
            return
        case .tooManyEvents:
            fail(&context, 413, "payload_too_large", "Too many events")
            return
        case .ok: break
        }
        if !key.isEmpty, block.events[0].outcome == .recorded { block.events[0].key = block.add(text: key) }
        nameKeys(context)
        normaliseUsage(from: 0)
        admitBlock(of: context.index, principal: context.principal)
        let event = block.events[0]
        switch event.outcome {
        case .recorded:
            answerRecorded(&context, event)
        case .duplicate, .conflict:
            answerDuplicate(&context, event)
        default:
            let status = event.outcome.httpStatus
            let why = Server.reason(event.outcome, event.field)
            fail(&context, status, event.outcome.code, explanation(event.outcome)) { output in
                output.append(event.field.name)
                output.append(why)
            }
        }
    }

    /// With an `Idempotency-Key`, events without a key of their own get one that follows from it: a retry whose kept reply is gone
    /// is then still a duplicate.
    private mutating func nameKeys(_ context: RequestContext) {
        guard let scope = context.scope else { return }
        for i in 0..<block.count where block.events[i].key.isEmpty && block.events[i].outcome == .recorded {
            var seed = (scope.words, UInt64(i))
            let digest = withUnsafeBytes(of: &seed) { Digest(sha256: $0) }
            // Version 8, variant 10 (RFC 9562 section 5.8).
            var words = (digest.words.0 & 0xFF0F_FFFF_FFFF_FFFF | 0x0080_0000_0000_0000, digest.words.1 & 0xFFFF_FFFF_FFFF_FF3F | 0x80)
            let offset = block.arena.count
            withUnsafeBytes(of: &words) { block.arena.append(uuid: $0) }
            block.events[i].key = TextRef(offset: UInt32(truncatingIfNeeded: offset), length: 36)
            block.events[i].flags |= EventRecord.keyGenerated
        }
    }

    private mutating func answerRecorded(_ context: inout RequestContext, _ event: EventRecord) {
        let connection = slots + Int(context.index)
        var response = HTTPResponse(status: 201)
        fill(&response, context)
        let mark = connection.pointee.output.beginHTTP(response)
        context.status = 201
        connection.pointee.output.append("{\"data\":{\"eventId\":\"")
        connection.pointee.output.append(unsigned: event.sequence)
        connection.pointee.output.append("\",\"sequence\":")
        connection.pointee.output.append(unsigned: event.sequence)
        connection.pointee.output.append(",\"eventIdempotencyKey\":")
        connection.pointee.output.append(jsonString: block.text(event.key))
        connection.pointee.output.append(",\"occurredAt\":\"")
        connection.pointee.output.append(rfc3339: event.occurredAt)
        connection.pointee.output.append("\"")
        appendAmounts(&connection.pointee.output, event)
        appendPriceSource(&connection.pointee.output, event)
        connection.pointee.output.append("},\"success\":true}")
        context.bodyStart = connection.pointee.output.endHTTP(mark)
        connection.pointee.hold(until: pipelineBox.pointee.waitNumber, durable: pipelineBox.pointee.durable)
    }

    private func appendAmounts(_ output: inout ByteWriter, _ event: EventRecord) {
        let hasRevenue = event.flags & EventRecord.hasRevenue != 0
        if event.unpriced == .none {
            output.append(",\"costAmount\":")
            output.append(money: event.cost)
        }
        if hasRevenue {
            output.append(",\"revenueAmount\":")
            output.append(money: event.revenue)
        }
        if event.unpriced == .none, hasRevenue {
            output.append(",\"marginAmount\":")
            output.append(money: MoneyTotal(event.revenue) - MoneyTotal(event.cost))
        }
    }

    private func appendPriceSource(_ output: inout ByteWriter, _ event: EventRecord) {
        if event.unpriced != .none {
            output.append(",\"priceSource\":\"none\",\"priceDetail\":{\"unpricedReason\":\"")
            output.append(event.unpriced.name)
            output.append("\"}")
            return
        }
        if event.flags & EventRecord.hasCost != 0 {
            output.append(",\"priceSource\":\"client\",\"priceDetail\":{}")
            return
        }
        PriceDetail.append(
            ledger.strings.text(of: event.price), match: event.match, usage: block.usage(of: event), to: &output)
    }

    /// Appends `"original":{…}`: what was recorded under the key before.
    private static func appendOriginal(_ output: inout ByteWriter, _ event: EventRecord) {
        output.append("\"original\":{\"sequence\":")
        output.append(unsigned: event.sequence)
        output.append(",\"occurredAt\":\"")
        output.append(rfc3339: event.occurredAt)
        output.append("\"")
        if event.unpriced == .none {
            output.append(",\"costAmount\":")
            output.append(money: event.cost)
        }
        output.append("}")
    }

    private mutating func answerDuplicate(_ context: inout RequestContext, _ event: EventRecord) {
        let conflict = event.outcome == .conflict
        let requestID = context.requestID
        answer(&context, 409, wait: true) { output in
            output.append("{\"data\":{")
            Server.appendOriginal(&output, event)
            output.append(conflict ? ",\"conflict\":true}," : ",\"conflict\":false},")
            output.append("\"error\":{\"code\":\"duplicate_event\",\"message\":\"")
            output.append(
                conflict
                    ? "An event with this idempotency key was recorded before with another payload"
                    : "An event with this idempotency key was recorded before")
            output.append(" (errorId=")
            output.append(jsonText: requestID)
            output.append(")\",\"detail\":null},\"success\":false}")
        }
    }

    private mutating func malformed(_ context: inout RequestContext, _ message: StaticString, _ offset: Int) {
        fail(&context, 400, "validation_failed", "Malformed request body: ") { output in
            output.append(message)
            output.append(" at byte ")
            output.append(integer: Int64(offset))
        }
    }

    private func explanation(_ outcome: Outcome) -> StaticString {
        switch outcome {
        case .fieldTooLong: "Constraint violation: "
        case .storageFull: "No room on the disk of the daemon; nothing was recorded: "
        case .overloaded: "Too much is pending; nothing was recorded, try again: "
        default: "Validation failed: "
        }
    }

    /// What is wrong with a field, in words that follow its name.
    static func reason(_ outcome: Outcome, _ field: EventField) -> StaticString {
        switch outcome {
        case .malformed: ": is not a JSON object"
        case .fieldMissing: ": must not be null"
        case .fieldTooLong: ": is longer than its limit (protocol/limits.md)"
        case .fieldInvalid where field == .meta: ": must be an object, in which no key may come twice at any depth"
        case .fieldInvalid: ": has the wrong type, or holds what it may not hold"
        case .amountOutOfRange: ": must be a number from 0 to 9223372 (amounts) or to 9223372036854 (quantities)"
        case .usageInconsistent: ": a part of the usage is larger than its total"
        default: ""
        }
    }

    // MARK: Batch

    mutating func postBatch(
        _ context: inout RequestContext, _ query: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, _ shape: EventJSON.Shape
    ) {
        var all = false
        var parameters = HTTPQuery(query)
        while let pair = parameters.next() {
            guard pair.isNamed("results") else { continue }
            let wanted: StaticString = "all"
            all = sameBytes(pair.value, UnsafeRawBufferPointer(start: wanted.utf8Start, count: 3))
        }
        block.reset()
        switch json.read(body, shape: shape, into: &block) {
        case .malformed(let message, let offset):
            malformed(&context, message, offset)
            return
        case .tooManyEvents:
            fail(&context, 413, "payload_too_large", "A batch holds at most 10000 events")
            return
        case .ok: break
        }
        nameKeys(context)
        normaliseUsage(from: 0)
        admitBlock(of: context.index, principal: context.principal)
        var recorded = 0
        var duplicates = 0
        for i in 0..<block.count {
            switch block.events[i].outcome {
            case .recorded: recorded += 1
            case .duplicate, .conflict: duplicates += 1
            // "Try again" is not kept: the same request, sent again, records what found no room, under the keys that follow from it.
            case .storageFull, .overloaded: context.scope = nil
            default: break
            }
        }
        let connection = slots + Int(context.index)
        var response = HTTPResponse(status: 200)
        fill(&response, context)
        let mark = connection.pointee.output.beginHTTP(response)
        context.status = 200
        connection.pointee.output.append("{\"data\":{\"recorded\":")
        connection.pointee.output.append(integer: Int64(recorded))
        connection.pointee.output.append(",\"duplicates\":")
        connection.pointee.output.append(integer: Int64(duplicates))
        connection.pointee.output.append(",\"rejected\":")
        connection.pointee.output.append(integer: Int64(block.count - recorded - duplicates))
        connection.pointee.output.append(",\"results\":[")
        var first = true
        for i in 0..<block.count where all || block.events[i].outcome != .recorded {
            if !first { connection.pointee.output.append(0x2C) }
            first = false
            appendResult(i, &connection.pointee.output)
        }
        connection.pointee.output.append("]},\"success\":true}")
        context.bodyStart = connection.pointee.output.endHTTP(mark)
        connection.pointee.hold(until: pipelineBox.pointee.waitNumber, durable: pipelineBox.pointee.durable)
    }

    private func appendResult(_ i: Int, _ output: inout ByteWriter) {
        let event = block.events[i]
        output.append("{\"index\":")
        output.append(integer: Int64(i))
        output.append(",\"status\":\"")
        output.append(event.outcome.name)
        output.append("\"")
        switch event.outcome {
        case .recorded:
            output.append(",\"sequence\":")
            output.append(unsigned: event.sequence)
            appendAmounts(&output, event)
        case .duplicate, .conflict:
            output.append(0x2C)
            Server.appendOriginal(&output, event)
            fallthrough
        default:
            output.append(",\"error\":{\"code\":\"")
            output.append(event.outcome.code)
            output.append("\",\"field\":\"")
            output.append(event.field.name)
            output.append("\",\"message\":\"")
            output.append(event.outcome == .duplicate || event.outcome == .conflict ? "Recorded before: " : explanation(event.outcome))
            output.append(event.field.name)
            output.append(Server.reason(event.outcome, event.field))
            output.append("\"}")
        }
        output.append("}")
    }
}
