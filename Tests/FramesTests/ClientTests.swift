// The client library against scripted servers: good ones, slow ones, and ones that break off.

import Client
import Core
import Foundation
import Frames
import Glibc
import Testing

@Suite struct ClientTests {
    private func options(window: Int = 4, milliseconds: Int = 5_000) -> PurserClient.Options {
        var options = PurserClient.Options()
        options.window = window
        options.timeoutMilliseconds = milliseconds
        return options
    }

    private func events(_ count: Int, from start: Int = 0) -> [UsageEvent] {
        (start..<start + count).map { UsageEvent(name: "event-\($0)", customer: "acme") }
    }

    @Test(arguments: [false, true]) func eventsAreRecordedOverEverySocket(tcp: Bool) throws {
        let server = ScriptedServer(tcp: tcp) { peer in
            peer.greet()
            while let (header, payload) = peer.frame() { peer.acknowledge(header, payload, firstSequence: 10) }
        }
        let client = Driver(try PurserClient(server.address, options: options()))
        #expect(client.server.server == "script/1" && client.server.version == 1)
        #expect(client.capacity == FrameCapacity())
        let reply = try client.record(events(3))
        #expect(reply.recorded == 3 && reply.firstSequence == 10 && reply.results.isEmpty)
        let detailed = try client.record(events(2), detail: true)
        #expect(detailed.results.map(\.sequence) == [10, 11])
        #expect(client.inFlight == 0)
        server.finish()
    }

    @Test func theKeyAndTheNameAreSent() throws {
        let server = ScriptedServer { peer in
            guard let (_, payload) = peer.frame() else { return }
            let text = payload.withUnsafeBytes { bytes in
                Hello.decode(bytes).map { hello in
                    [hello.key, hello.name].map { String(decoding: bytes[Int($0.offset)..<Int($0.offset + $0.length)], as: UTF8.self) }
                }
            }
            let right = text == ["sk_live_1", "app/2"]
            peer.write { $0.appendError(right ? .forbidden : .internalError, requestID: 1) }
        }
        var options = options()
        options.key = "sk_live_1"
        options.name = "app/2"
        do {
            _ = try PurserClient(server.address, options: options)
            Issue.record("connected")
        } catch ClientError.refused(let frame) {
            #expect(frame.error == .forbidden)
        }
        server.finish()
    }

    @Test func aFullWindowSendsNothingUntilAnAnswerIsTaken() throws {
        let server = ScriptedServer { peer in
            peer.greet()
            var waiting: [(FrameHeader, [UInt8])] = []
            while let frame = peer.frame() {
                waiting.append(frame)
                // Answers come in pairs, the later one first.
                if waiting.count == 2 {
                    for (header, payload) in waiting.reversed() {
                        peer.acknowledge(header, payload, firstSequence: header.requestID)
                    }
                    waiting.removeAll()
                }
            }
        }
        let client = Driver(try PurserClient(server.address, options: options(window: 2)))
        let first = try client.send(events(1))
        let second = try client.send(events(2))
        #expect(client.inFlight == 2)
        #expect(throws: ClientError.windowFull) { _ = try client.send(events(1)) }
        #expect(throws: ClientError.windowFull) { try client.ping() }
        #expect(client.inFlight == 2)
        let replies = [try client.receive(), try client.receive()]
        #expect(replies.map(\.requestID) == [second, first])
        guard case .events(let reply) = replies[0] else {
            Issue.record("no events reply")
            return
        }
        #expect(reply.recorded == 2 && reply.firstSequence == second)
        #expect(throws: ClientError.nothingPending) { _ = try client.receive() }
        server.finish()
    }

    @Test func twoSidesThatOnlyWriteDoNotWaitForEachOther() throws {
        // The server answers with detail before it reads on, so it stops reading when nobody reads its answers: each of
        // forty frames of 80 kB has an answer of 24 kB, and a socket holds about 200 kB.
        let server = ScriptedServer { peer in
            peer.greet()
            while let (header, payload) = peer.frame() { peer.acknowledge(header, payload, firstSequence: 1) }
        }
        let client = Driver(try PurserClient(server.address, options: options(window: 40)))
        let batch = events(4_000)
        for _ in 0..<40 { _ = try client.send(batch, detail: true) }
        var recorded = 0
        while client.inFlight > 0 {
            if case .events(let reply) = try client.receive() { recorded += reply.recorded }
        }
        #expect(recorded == 160_000)
        server.finish()
    }

    @Test func answersMayComeByteByByte() throws {
        let server = ScriptedServer { peer in
            guard let (header, _) = peer.frame() else { return }
            var writer = ByteWriter()
            writer.appendHelloReply(version: 1, principal: .key, scopes: 1, server: "s", requestID: header.requestID)
            for byte in writer.array { peer.write([byte]) }
            guard let (ping, payload) = peer.frame() else { return }
            writer.reset()
            payload.withUnsafeBytes { writer.appendPong($0, requestID: ping.requestID) }
            for byte in writer.array { peer.write([byte]) }
        }
        let client = Driver(try PurserClient(server.address, options: options()))
        try client.ping([1, 2, 3])
        server.finish()
    }

    @Test func customersAreRegistered() throws {
        let server = ScriptedServer { peer in
            peer.greet()
            while let (header, payload) = peer.frame() {
                let answer: CustomerReply
                switch payload.withUnsafeBytes({ CustomerFrame.decode($0) }) {
                case .customer(let frame): answer = CustomerReply(frame.operation == .register ? .created : .notFound)
                case .invalid(let field): answer = CustomerReply(.validationFailed, field: field)
                case .refused: return
                }
                peer.write { $0.appendCustomerReply(answer, requestID: header.requestID) }
            }
        }
        let client = Driver(try PurserClient(server.address, options: options()))
        #expect(try client.customer(.register, CustomerDetails(reference: "a", email: "a@b.c")) == CustomerReply(.created))
        #expect(try client.customer(.change, CustomerDetails(reference: "a")) == CustomerReply(.notFound))
        let invalid = CustomerReply(.validationFailed, field: .email)
        #expect(try client.customer(.register, CustomerDetails(reference: "a")) == invalid)
        server.finish()
    }

    @Test func anErrorThatClosesIsThrownAndOneThatDoesNotIsAnAnswer() throws {
        let server = ScriptedServer { peer in
            peer.greet()
            guard let (first, _) = peer.frame(), let (second, _) = peer.frame() else { return }
            peer.write { $0.appendError(.storageFull, requestID: first.requestID, retryAfterMilliseconds: 9) }
            peer.write { $0.appendError(.malformedFrame, requestID: second.requestID) }
        }
        let client = Driver(try PurserClient(server.address, options: options()))
        let first = try client.send(events(1))
        _ = try client.send(events(1))
        guard case .refused(let frame) = try client.receive() else {
            Issue.record("no refusal")
            return
        }
        #expect(frame.error == .storageFull && frame.requestID == first && frame.retryAfterMilliseconds == 9 && !frame.closes)
        do {
            _ = try client.receive()
            Issue.record("no error")
        } catch ClientError.refused(let frame) {
            #expect(frame.error == .malformedFrame && frame.closes)
        }
        server.finish()
    }

    @Test func theReasonIsReadWhenTheServerClosesWhileTheClientWrites() throws {
        let server = ScriptedServer { peer in
            peer.greet()
            _ = peer.frame()
            peer.write { $0.appendError(.shuttingDown, requestID: 0) }
            shutdown(peer.descriptor, Int32(SHUT_RDWR))
        }
        let client = Driver(try PurserClient(server.address, options: options(window: 10_000)))
        do {
            while true { _ = try client.send(events(1_000)) }
        } catch ClientError.refused(let frame) {
            #expect(frame.error == .shuttingDown)
        }
        server.finish()
    }

    @Test func aServerThatSaysNothingMeetsTheDeadline() throws {
        let release = DispatchSemaphore(value: 0)
        let server = ScriptedServer { peer in
            peer.greet()
            release.wait()
        }
        let client = Driver(try PurserClient(server.address, options: options(milliseconds: 50)))
        _ = try client.send(events(1))
        #expect(throws: ClientError.deadline(operation: "receive")) { _ = try client.receive() }
        release.signal()
        server.finish()
    }

    @Test func aServerThatClosesOrTalksNonsenseIsNamed() throws {
        let closing = ScriptedServer { peer in
            peer.greet()
            _ = peer.frame()
        }
        let client = Driver(try PurserClient(closing.address, options: options()))
        #expect(throws: ClientError.closed) { _ = try client.record(events(1)) }
        closing.finish()
        let nonsense = ScriptedServer { peer in
            _ = peer.frame()
            peer.write(Array("HTTP/1.1 400 Bad Request\r\n".utf8))
        }
        #expect(throws: ClientError.protocolViolation("bytes that are no frame")) {
            _ = try PurserClient(nonsense.address, options: options())
        }
        nonsense.finish()
    }

    @Test func nobodyListeningIsASystemError() {
        #expect(throws: ClientError.system(errno: ENOENT, operation: "connect to unix:/nowhere/purser.sock")) {
            _ = try PurserClient("unix:/nowhere/purser.sock", options: options())
        }
        #expect(throws: ClientError.badAddress("http://localhost")) { _ = try PurserClient("http://localhost", options: options()) }
    }

    @Test func badBatchesAreRefusedBeforeAnythingIsSent() throws {
        let server = ScriptedServer { peer in
            peer.greet()
            while let (header, payload) = peer.frame() { peer.acknowledge(header, payload, firstSequence: 1) }
        }
        let client = Driver(try PurserClient(server.address, options: options()))
        var wrong = events(3)
        wrong[1].cost = Money(picodollars: -1)
        #expect(throws: ClientError.badEvent(index: 1, outcome: .amountOutOfRange, field: .costAmount)) { _ = try client.send(wrong) }
        #expect(throws: ClientError.tooManyEvents) { _ = try client.send(events(8_193)) }
        #expect(throws: ClientError.nothingPending) { _ = try client.send([]) }
        #expect(client.inFlight == 0)
        // What was refused left nothing behind.
        #expect(try client.record(events(1)).recorded == 1)
        server.finish()
    }

    @Test func addressesAreReadAsPeopleWriteThem() {
        #expect(ServerAddress("unix:/run/purser/purser.sock") == .unix(path: "/run/purser/purser.sock"))
        #expect(ServerAddress("tcp:localhost:7787") == .tcp(host: "localhost", port: 7787))
        #expect(ServerAddress("tcp:[::1]:7787") == .tcp(host: "::1", port: 7787))
        for address in ["unix:/a", "tcp:127.0.0.1:1", "tcp:[fe80::1]:65535"] { #expect(ServerAddress(address)?.description == address) }
        let wrong = [
            "", "unix:", "tcp:", "tcp:host", "tcp:host:", "tcp:host:0", "tcp:host:65536", "tcp:host:x", "tcp::7787", "tcp:::1:7787",
            "/run/purser.sock", "unix:" + String(repeating: "p", count: 108),
        ]
        for text in wrong { #expect(ServerAddress(text) == nil, "\(text)") }
    }
}

/// A client that closures may capture.
private final class Driver {
    private var client: PurserClient
    init(_ client: consuming PurserClient) { self.client = client }

    var server: HelloReply { client.server }
    var capacity: FrameCapacity { client.capacity }
    var inFlight: Int { client.inFlight }
    func record(_ events: [UsageEvent], detail: Bool = false) throws -> EventsReply { try client.record(events, detail: detail) }
    func send(_ events: [UsageEvent], detail: Bool = false) throws -> UInt64 { try client.send(events, detail: detail) }
    func receive() throws -> PurserClient.Reply { try client.receive() }
    func ping(_ bytes: [UInt8] = []) throws { try client.ping(bytes) }
    func customer(_ operation: CustomerOperation, _ details: CustomerDetails) throws -> CustomerReply {
        try client.customer(operation, details)
    }
}
