// PurserClient: the library an application sends its usage events with. Blocking, one connection, one thread at a time.
//
// Guarantees: an answer that came back means the events it counts are on disk; nothing is sent twice by the library itself;
// every wait has a deadline; no signal is raised. It does not reconnect: after an error that ends the connection the
// caller makes a new client and sends the unanswered events again with the same keys, which counts each of them once.
//
//     var client = try PurserClient("unix:/run/purser/purser.sock")
//     let reply = try client.record([UsageEvent(name: "chat", customer: "acme", model: "gpt-4.1", …)])
//
// For throughput keep several frames in flight: `send` until `inFlight` reaches `window`, then `receive` one and go on.

@_exported public import Core
@_exported public import Frames

/// A connection to purserd.
public struct PurserClient: ~Copyable {
    /// How a client connects and waits.
    public struct Options: Sendable {
        /// API key; empty where the Unix socket's permissions decide.
        public var key = ""
        /// Name and version of the application, for the daemon's log.
        public var name = ""
        /// Frames that may be sent and not received at a time; at least 1.
        public var window = 16
        /// Longest wait of one call, in milliseconds; nil waits for ever.
        public var timeoutMilliseconds: Int? = 30_000

        public init() {}
    }

    /// An answer to `send`, `customer` or `ping`, with the id that the call returned.
    public enum Reply: Equatable, Sendable {
        case events(EventsReply)
        case customer(requestID: UInt64, CustomerReply)
        case pong(requestID: UInt64, [UInt8])
        /// This request failed and none of it counts; the connection goes on.
        case refused(ErrorFrame)

        public var requestID: UInt64 {
            switch self {
            case .events(let reply): reply.requestID
            case .customer(let id, _), .pong(let id, _): id
            case .refused(let frame): frame.requestID
            }
        }
    }

    /// What the server said about itself and its limits.
    public let server: HelloReply
    /// Frames that may be sent and not received at a time.
    public let window: Int
    /// Frames sent whose answers were not received.
    public private(set) var inFlight = 0

    private var connection: Connection
    private let timeout: Int?
    private var encoder: EventsEncoder
    private var output = ByteWriter(capacity: 64 * 1024)
    private var lastRequestID: UInt64 = 1

    /// Connects to `unix:PATH` or `tcp:HOST:PORT` and says hello.
    public init(_ address: String, options: Options = Options()) throws(ClientError) {
        guard let parsed = ServerAddress(address) else { throw .badAddress(address) }
        try self.init(parsed, options: options)
    }

    /// Connects and says hello.
    public init(_ address: ServerAddress, options: Options = Options()) throws(ClientError) {
        let deadline = Deadline(milliseconds: options.timeoutMilliseconds)
        var connection = try Connection(address, deadline: deadline)
        var output = ByteWriter(capacity: 64 * 1024)
        var key = options.key
        var name = options.name
        key.withUTF8 { key in
            name.withUTF8 { name in
                output.appendHello(key: UnsafeRawBufferPointer(key), name: UnsafeRawBufferPointer(name), requestID: 1)
            }
        }
        try connection.write(output.bytes, deadline: deadline)
        output.reset()
        let header = try PurserClient.awaitFrame(&connection, deadline: deadline)
        let payload = PurserClient.payload(connection, header)
        switch header.type {
        case .helloReply:
            guard header.requestID == 1, let reply = HelloReply.decode(payload) else { throw .protocolViolation("a malformed hello reply") }
            guard (ProtocolVersion.lowest...ProtocolVersion.highest).contains(reply.version) else {
                throw .protocolViolation("protocol version \(reply.version)")
            }
            server = reply
        case .error:
            guard let frame = ErrorFrame.decode(header, payload) else { throw .protocolViolation("a malformed error") }
            throw .refused(frame)
        default: throw .protocolViolation("frame type \(header.typeCode) in answer to a hello")
        }
        connection.take(header.frameSize)
        encoder = EventsEncoder(capacity: FrameCapacity(server))
        window = max(options.window, 1)
        timeout = options.timeoutMilliseconds
        self.connection = connection
        self.output = output
    }

    /// Sends events and waits for their answer. No other request may be in flight.
    /// `detail` asks for sequence, cost and revenue of every event.
    public mutating func record(_ events: [UsageEvent], detail: Bool = false) throws(ClientError) -> EventsReply {
        guard inFlight == 0 else { throw .windowFull }
        let id = try send(events, detail: detail)
        switch try receive() {
        case .events(let reply) where reply.requestID == id: return reply
        case .refused(let frame): throw .refused(frame)
        default: throw .protocolViolation("an answer to another request")
        }
    }

    /// Sends 1 to `capacity.events` events as one frame, without waiting for the answer; the result is its request id.
    public mutating func send(_ events: [UsageEvent], detail: Bool = false) throws(ClientError) -> UInt64 {
        guard inFlight < window else { throw .windowFull }
        guard !events.isEmpty else { throw .nothingPending }
        encoder.reset()
        for index in events.indices {
            switch encoder.add(events[index]) {
            case .added: continue
            case .full: throw .tooManyEvents
            case .refused(let outcome, let field): throw .badEvent(index: index, outcome: outcome, field: field)
            }
        }
        return try submit(detail: detail)
    }

    /// What one frame may hold, as the server said.
    public var capacity: FrameCapacity { encoder.capacity }

    /// Adds one event to the frame that `submit` sends; for callers who make events one by one.
    public mutating func add(_ event: borrowing UsageEvent) -> EventsEncoder.Addition { encoder.add(event) }

    /// Sends the events given to `add` as one frame, without waiting for the answer; the result is its request id.
    public mutating func submit(detail: Bool = false) throws(ClientError) -> UInt64 {
        guard inFlight < window else { throw .windowFull }
        guard encoder.count > 0 else { throw .nothingPending }
        let id = nextRequestID()
        encoder.finish(requestID: id, detail: detail, into: &output)
        return try flush(id)
    }

    /// Registers a customer, or changes one, without waiting for the answer; the result is the request id.
    public mutating func sendCustomer(_ operation: CustomerOperation, _ details: CustomerDetails) throws(ClientError) -> UInt64 {
        guard inFlight < window else { throw .windowFull }
        let id = nextRequestID()
        output.appendCustomer(operation, details, requestID: id)
        return try flush(id)
    }

    /// Registers a customer, or changes one. No other request may be in flight.
    public mutating func customer(_ operation: CustomerOperation, _ details: CustomerDetails) throws(ClientError) -> CustomerReply {
        guard inFlight == 0 else { throw .windowFull }
        let id = try sendCustomer(operation, details)
        switch try receive() {
        case .customer(let answered, let reply) where answered == id: return reply
        case .refused(let frame): throw .refused(frame)
        default: throw .protocolViolation("an answer to another request")
        }
    }

    /// Sends up to 64 bytes and waits for them to come back. No other request may be in flight.
    public mutating func ping(_ bytes: [UInt8] = []) throws(ClientError) {
        guard inFlight == 0 else { throw .windowFull }
        let id = nextRequestID()
        bytes.withUnsafeBytes { output.appendPing($0, requestID: id) }
        _ = try flush(id)
        switch try receive() {
        case .pong(let answered, let echo) where answered == id && echo == bytes: return
        case .refused(let frame): throw .refused(frame)
        default: throw .protocolViolation("another pong")
        }
    }

    /// Waits for the next answer. An error frame that ends the connection is thrown; one that does not is an answer.
    public mutating func receive() throws(ClientError) -> Reply {
        guard inFlight > 0 else { throw .nothingPending }
        let header = try PurserClient.awaitFrame(&connection, deadline: Deadline(milliseconds: timeout))
        let payload = PurserClient.payload(connection, header)
        let reply = try PurserClient.read(header, payload)
        connection.take(header.frameSize)
        inFlight -= 1
        return reply
    }

    /// Whether `receive` would return without waiting. Does not look at the socket.
    public var hasReply: Bool {
        guard case .header(let header) = FrameHeader.parse(connection.available) else { return false }
        return connection.available.count >= header.frameSize
    }

    /// Ends the connection. Unanswered frames may count or not.
    public consuming func close() {}

    // MARK: -

    private mutating func nextRequestID() -> UInt64 {
        lastRequestID &+= 1
        return lastRequestID
    }

    private mutating func flush(_ id: UInt64) throws(ClientError) -> UInt64 {
        defer { output.reset() }
        do throws(ClientError) {
            try connection.write(output.bytes, deadline: Deadline(milliseconds: timeout))
        } catch .closed {
            // The server may have said why before it closed.
            if let frame = closingError() { throw .refused(frame) }
            throw .closed
        }
        inFlight += 1
        return id
    }

    /// The error frame that ends what came, if one does.
    private mutating func closingError() -> ErrorFrame? {
        var rest = connection.available
        while case .header(let header) = FrameHeader.parse(rest), rest.count >= header.frameSize {
            if header.type == .error {
                let payload = UnsafeRawBufferPointer(rebasing: rest[FrameHeader.size..<header.frameSize])
                if let frame = ErrorFrame.decode(header, payload), frame.closes { return frame }
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[header.frameSize...])
        }
        return nil
    }

    /// Waits until a whole frame is available.
    private static func awaitFrame(_ connection: inout Connection, deadline: Deadline) throws(ClientError) -> FrameHeader {
        while true {
            switch FrameHeader.parse(connection.available) {
            case .needMore: try connection.read(deadline: deadline)
            case .refused: throw .protocolViolation("bytes that are no frame")
            case .header(let header):
                if connection.available.count >= header.frameSize { return header }
                try connection.read(deadline: deadline)
            }
        }
    }

    /// The payload of a frame that is available.
    private static func payload(_ connection: borrowing Connection, _ header: FrameHeader) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: connection.available[FrameHeader.size..<header.frameSize])
    }

    private static func read(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) throws(ClientError) -> Reply {
        switch header.type {
        case .eventsReply:
            if let reply = EventsReply.decode(header, payload) { return .events(reply) }
        case .customerReply:
            if let reply = CustomerReply.decode(payload) { return .customer(requestID: header.requestID, reply) }
        case .pong: return .pong(requestID: header.requestID, [UInt8](payload))
        case .error:
            if let frame = ErrorFrame.decode(header, payload) {
                if frame.closes { throw .refused(frame) }
                return .refused(frame)
            }
        default: break
        }
        throw .protocolViolation("frame type \(header.typeCode) that does not follow the format")
    }
}
