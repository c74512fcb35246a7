// Every vector whole, split at every place, and byte by byte: the same frames, the same refusal, however the bytes come.

import Core
import Frames
import Testing

/// What a peer makes of a stream, fed in pieces.
private struct Receiver {
    enum Seen: Equatable {
        case frame(type: UInt8, flags: UInt16, requestID: UInt64, payload: [UInt8])
        case refused(FrameError)
    }

    let limit: Int
    var buffer: [UInt8] = []
    var seen: [Seen] = []
    var ended = false

    mutating func feed(_ bytes: some Sequence<UInt8>) {
        buffer += bytes
        while !ended {
            switch buffer.withUnsafeBytes({ FrameHeader.parse($0, payloadLimit: limit) }) {
            case .needMore: return
            case .refused(let error, _):
                seen.append(.refused(error))
                ended = true
            case .header(let header):
                guard buffer.count >= header.frameSize else { return }
                let payload = Array(buffer[FrameHeader.size..<header.frameSize])
                seen.append(.frame(type: header.typeCode, flags: header.flags, requestID: header.requestID, payload: payload))
                buffer.removeFirst(header.frameSize)
                if header.type == nil {
                    seen.append(.refused(.unknownType))
                    ended = true
                } else if let error = refusal(header, payload) {
                    seen.append(.refused(error))
                    ended = true
                }
            }
        }
    }

    private func refusal(_ header: FrameHeader, _ bytes: [UInt8]) -> FrameError? {
        bytes.withUnsafeBytes { payload in
            switch header.type {
            case .hello: return Hello.decode(payload) == nil ? .malformedFrame : nil
            case .events:
                var block = EventBlock()
                if case .refused(let error) = EventsDecoder.decode(payload: payload, into: &block) { return error }
                return nil
            case .customer:
                if case .refused(let error) = CustomerFrame.decode(payload) { return error }
                return nil
            case .ping, .pong: return Ping.isAcceptable(payload) ? nil : .malformedFrame
            case .helloReply: return HelloReply.decode(payload) == nil ? .malformedFrame : nil
            case .eventsReply: return EventsReply.decode(header, payload) == nil ? .malformedFrame : nil
            case .customerReply: return CustomerReply.decode(payload) == nil ? .malformedFrame : nil
            case .error: return ErrorFrame.decode(header, payload) == nil ? .malformedFrame : nil
            case nil: return .unknownType
            }
        }
    }
}

@Suite struct StreamTests {
    private func receive(_ vector: Vector, pieces: [ArraySlice<UInt8>]) -> Receiver {
        var receiver = Receiver(limit: vector.payloadLimit)
        for piece in pieces { receiver.feed(piece) }
        return receiver
    }

    @Test(arguments: Vectors.all) func everyVectorIsReadAsItSays(_ vector: Vector) {
        let receiver = receive(vector, pieces: [vector.bytes[...]])
        if let error = vector.error {
            if error == "cut_short" {
                #expect(!receiver.ended && !receiver.buffer.isEmpty)
            } else {
                guard case .refused(let refused) = receiver.seen.last else {
                    Issue.record("not refused")
                    return
                }
                #expect("\(refused.name)" == error)
            }
        } else {
            #expect(receiver.seen.count == vector.frames?.count)
            #expect(receiver.buffer.isEmpty && !receiver.ended)
        }
    }

    @Test(arguments: Vectors.all) func splittingAStreamChangesNothing(_ vector: Vector) {
        let bytes = vector.bytes
        let whole = receive(vector, pieces: [bytes[...]])
        // The vectors that are too large on purpose are split at a stride, and around the header.
        let step = bytes.count > 8_192 ? 997 : 1
        for at in Set(stride(from: 0, through: bytes.count, by: step)).union(0...min(32, bytes.count)) {
            let split = receive(vector, pieces: [bytes[..<at], bytes[at...]])
            #expect(split.seen == whole.seen, "split at \(at)")
        }
        if bytes.count <= 8_192 {
            let single = receive(vector, pieces: bytes.indices.map { bytes[$0...$0] })
            #expect(single.seen == whole.seen)
        }
    }

    @Test func aWrongFirstByteIsRefusedAlone() {
        for byte in UInt8.min...UInt8.max {
            let parse = withUnsafeBytes(of: byte) { FrameHeader.parse($0) }
            #expect(parse == (byte == FrameHeader.magic ? .needMore : .refused(.malformedFrame, requestID: 0)))
        }
        #expect(FrameHeader.parse(UnsafeRawBufferPointer(start: nil, count: 0)) == .needMore)
    }

    @Test func theDirectionIsTheHighBitOfTheType() {
        #expect(FrameType.allCases.filter(\.isRequest) == [.hello, .events, .customer, .ping])
    }
}
