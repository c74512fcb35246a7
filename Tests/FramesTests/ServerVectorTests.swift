// The frames a server sends: read back by the client's side, and written again by the server's.

import Core
import Frames
import Testing

@Suite struct ServerVectorTests {
    @Test(arguments: Vectors.server) func everyReplyIsReadAsTheVectorSays(_ vector: Vector) {
        var rest = vector.bytes[...]
        for frame in vector.frames ?? [] {
            guard case .header(let header) = rest.withUnsafeBytes({ FrameHeader.parse($0) }) else {
                Issue.record("no frame")
                return
            }
            #expect(header.requestID == frame.requestId)
            Array(rest.dropFirst(FrameHeader.size).prefix(Int(header.length))).withUnsafeBytes { check(frame, header, $0) }
            rest = rest.dropFirst(header.frameSize)
        }
    }

    private func check(_ frame: VectorFrame, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        switch frame.type {
        case "helloReply":
            let reply = HelloReply.decode(payload)
            #expect(reply?.version == frame.version && reply?.capabilities == frame.capabilities)
            #expect(reply?.principal == frame.principal && reply?.scopes == frame.scopes && reply?.server == frame.server)
            let known = (frame.limits ?? [:]).filter { name, _ in FrameLimit.allCases.contains { "\($0)" == name } }
            #expect(reply.map { Dictionary(uniqueKeysWithValues: $0.limits.map { ("\($0)", $1) }) } == known)
        case "eventsReply":
            let reply = EventsReply.decode(header, payload)
            #expect(reply?.recorded == frame.recorded && reply?.duplicates == frame.duplicates && reply?.rejected == frame.rejected)
            #expect(reply?.firstSequence == frame.firstSequence && reply?.detail == (frame.flags == 1))
            #expect(reply?.results == (frame.results ?? []).map(result))
        case "customerReply":
            let reply = CustomerReply.decode(payload)
            #expect(reply.map { "\($0.outcome.name)" } == frame.outcome && reply.map { "\($0.field.name)" } == frame.field)
        case "pong": #expect(Hex.text(payload) == frame.payload)
        default:
            let error = ErrorFrame.decode(header, payload)
            #expect(error?.error.map { "\($0.name)" } == frame.code?.name)
            if let number = frame.code?.number { #expect(error?.code == UInt16(number)) }
            #expect(error?.closes == (frame.flags == 1) && error?.message == frame.message)
            #expect(error?.retryAfterMilliseconds == frame.retryAfterMilliseconds)
        }
    }

    private func result(_ listed: VectorResult) -> EventResult {
        var result = EventResult(
            index: listed.index,
            outcome: outcome(listed.outcome) ?? .recorded,
            field: field(listed.field) ?? .none,
            sequence: listed.sequence
        )
        result.occurredAt = listed.occurredAt.map(Timestamp.init(nanoseconds:))
        result.cost = listed.cost.map(Money.init(picodollars:))
        result.revenue = listed.revenue.map(Money.init(picodollars:))
        return result
    }

    @Test(arguments: Vectors.server.filter { $0.canonical == true })
    func theServersSideWritesTheBytesOfTheVector(_ vector: Vector) {
        var writer = ByteWriter()
        for frame in vector.frames ?? [] {
            switch frame.type {
            case "helloReply":
                writer.appendHelloReply(
                    version: frame.version ?? 0,
                    principal: PrincipalKind(rawValue: frame.principal ?? 9) ?? .key,
                    scopes: frame.scopes ?? 0,
                    server: frame.server ?? "",
                    requestID: frame.requestId
                )
            case "eventsReply": write(frame, into: &writer)
            case "customerReply":
                let outcome = CustomerOutcome.allCases.first { "\($0.name)" == frame.outcome } ?? .created
                let field = CustomerField.allCases.first { "\($0.name)" == frame.field } ?? .none
                writer.appendCustomerReply(CustomerReply(outcome, field: field), requestID: frame.requestId)
            case "pong": Hex.bytes(frame.payload ?? "").withUnsafeBytes { writer.appendPong($0, requestID: frame.requestId) }
            default:
                let error = FrameError.allCases.first { "\($0.name)" == frame.code?.name } ?? .internalError
                let wait = frame.retryAfterMilliseconds ?? 0
                writer.appendError(error, requestID: frame.requestId, retryAfterMilliseconds: wait)
            }
        }
        #expect(Hex.text(writer.array) == vector.hex)
    }

    /// The records a ledger would have left, written as a reply.
    private func write(_ frame: VectorFrame, into writer: inout ByteWriter) {
        var reply = EventsReplyWriter(requestID: frame.requestId, detail: frame.flags == 1, into: &writer)
        let count = (frame.recorded ?? 0) + (frame.duplicates ?? 0) + (frame.rejected ?? 0)
        var next = frame.firstSequence ?? 0
        for index in 0..<count {
            var event = EventRecord()
            event.unpriced = .noModel
            if let listed = frame.results?.first(where: { $0.index == index }) {
                event.outcome = outcome(listed.outcome) ?? .recorded
                event.field = field(listed.field) ?? .none
                event.sequence = listed.sequence ?? 0
                event.occurredAt.nanoseconds = listed.occurredAt ?? 0
                if let cost = listed.cost {
                    event.cost.picodollars = cost
                    event.unpriced = .none
                }
                if let revenue = listed.revenue {
                    event.revenue.picodollars = revenue
                    event.flags |= EventRecord.hasRevenue
                }
            } else {
                event.sequence = next
                next += 1
            }
            reply.add(event, into: &writer)
        }
        reply.finish(into: &writer)
    }

    @Test func aReplyThatDoesNotAddUpIsNotRead() {
        let vector = Vectors.server.first { $0.name == "exceptions" }
        let bytes = vector?.bytes ?? []
        func decodes(_ bytes: [UInt8]) -> Bool {
            guard case .header(let header) = bytes.withUnsafeBytes({ FrameHeader.parse($0) }) else { return false }
            return bytes.dropFirst(FrameHeader.size).withUnsafeBytes { EventsReply.decode(header, $0) != nil }
        }
        #expect(decodes(bytes))
        // One more or less of any of the four counts.
        for offset in [0, 4, 8, 20] {
            for change: UInt8 in [1, 255] {
                var other = bytes
                other[FrameHeader.size + offset] &+= change
                #expect(!decodes(other) || (offset == 0 && change == 1), "count at \(offset) changed by \(change)")
            }
        }
        #expect(!decodes(bytes + [0]))
        #expect(!decodes(bytes.dropLast()))
    }
}
