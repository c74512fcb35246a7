// EventSender: batches to the daemon over the binary protocol, several frames in flight, each counted once.
//
// Guarantees: an event counted as recorded or duplicate was answered for, which means it is on the daemon's disk. When the
// connection breaks, everything that was not answered for is sent again with the same keys over a new one; what had
// arrived the first time is then counted as a duplicate. Gives up, with status 3, when no connection can be had, or none
// brings an answer, for `patience` attempts on end.

import Client
import Core
import Frames
import Glibc

/// What became of the events of one `send`.
struct SendTally: Equatable {
    /// All that were read; the sum of recorded, duplicates and rejected once everything was answered for.
    var sent = 0
    var recorded = 0
    /// Conflicts included.
    var duplicates = 0
    var conflicts = 0
    var rejected = 0
    /// The first few that were not recorded, in the order of the answers.
    var first: [Rejection] = []
    /// The one event's answer, when detail was asked for.
    var detail: EventResult?

    static let shown = 10

    mutating func note(_ rejection: Rejection) {
        if first.count < SendTally.shown { first.append(rejection) }
    }

    mutating func reject(_ rejection: Rejection) {
        rejected += 1
        note(rejection)
    }
}

/// What the sender needs of a connection: the client library, or a fake in tests.
protocol EventChannel: ~Copyable {
    var inFlight: Int { get }
    mutating func add(_ event: borrowing UsageEvent) -> EventsEncoder.Addition
    mutating func submit(detail: Bool) throws(ClientError) -> UInt64
    mutating func receive() throws(ClientError) -> PurserClient.Reply
}

extension PurserClient: EventChannel {}

struct EventSender<Channel: EventChannel & ~Copyable>: ~Copyable {
    /// Frames sent and not answered, at most.
    static var window: Int { 8 }
    /// Attempts without an answer before giving up.
    static var patience: Int { 8 }

    private struct Frame {
        var id: UInt64 = 0
        var batch: EventBatch
    }

    private let connect: () throws(ClientError) -> Channel
    /// Waits so many milliseconds.
    private let pause: (Int) -> Void
    private var channel: Channel?
    private var unanswered: [Frame] = []
    /// Attempts since the last answer.
    private var failures = 0

    private(set) var tally = SendTally()
    /// Connections made after the first.
    private(set) var reconnections = 0
    var wantsDetail = false

    init(connect: @escaping () throws(ClientError) -> Channel, pause: @escaping (Int) -> Void) throws {
        self.connect = connect
        self.pause = pause
        do throws(ClientError) {
            channel = try connect()
        } catch {
            throw EventSender.failure(error)
        }
    }

    /// Counts events that were read but cannot be sent.
    mutating func reject(_ rejections: [Rejection]) {
        tally.sent += rejections.count
        for rejection in rejections { tally.reject(rejection) }
    }

    /// Sends a batch, waiting for answers only when the window is full.
    mutating func send(_ batch: EventBatch) throws {
        guard !batch.events.isEmpty else { return }
        tally.sent += batch.events.count
        try transmit([batch])
    }

    /// Waits for every answer.
    mutating func drain() throws {
        while !unanswered.isEmpty { try receive() }
    }

    // MARK: -

    /// Sends batches, making a new connection and starting over with everything unanswered when the old one breaks.
    private mutating func transmit(_ batches: [EventBatch]) throws {
        var waiting = batches
        while !waiting.isEmpty {
            while unanswered.count >= EventSender.window { try receive() }
            do throws(ClientError) {
                let rest = try submit(waiting[0])
                if let rest { waiting[0] = rest } else { waiting.removeFirst() }
            } catch {
                // What was being sent now stands with the unanswered.
                waiting.removeFirst()
                try recover(from: error)
            }
        }
    }

    /// Fills one frame and sends it; the result is what had no room in it.
    private mutating func submit(_ batch: EventBatch) throws(ClientError) -> EventBatch? {
        var carried = EventBatch()
        var rest: EventBatch?
        for index in batch.events.indices {
            switch channel!.add(batch.events[index]) {
            case .added:
                carried.events.append(batch.events[index])
                carried.lines.append(batch.lines[index])
                continue
            case .refused(let outcome, let field):
                tally.reject(Rejection(line: batch.lines[index], outcome: outcome, field: field))
                continue
            case .full:
                rest = EventBatch(events: Array(batch.events[index...]), lines: Array(batch.lines[index...]))
            }
            break
        }
        guard !carried.events.isEmpty else { return rest }
        let id: UInt64
        do throws(ClientError) {
            id = try channel!.submit(detail: wantsDetail)
        } catch {
            // Whether it arrived is unknown: it goes again with the others. What was refused here stays refused.
            unanswered.append(Frame(batch: carried))
            if let rest { unanswered.append(Frame(batch: rest)) }
            throw error
        }
        unanswered.append(Frame(id: id, batch: carried))
        return rest
    }

    private mutating func receive() throws {
        let reply: PurserClient.Reply
        do throws(ClientError) {
            reply = try channel!.receive()
        } catch {
            return try recover(from: error)
        }
        guard let index = unanswered.firstIndex(where: { $0.id == reply.requestID }) else {
            throw Failure.unreachable("the server answered a request that was not made")
        }
        let frame = unanswered.remove(at: index)
        switch reply {
        case .events(let answer): try count(answer, frame.batch)
        case .refused(let error): try again(frame.batch, after: error)
        default: throw Failure.unreachable("the server answered something else than was asked")
        }
    }

    private mutating func count(_ reply: EventsReply, _ batch: EventBatch) throws {
        guard reply.count == batch.events.count else { throw Failure.unreachable("the server answered for other events than were sent") }
        var later = EventBatch()
        tally.recorded += reply.recorded
        tally.duplicates += reply.duplicates
        for result in reply.results {
            switch result.outcome {
            case .recorded, .duplicate: break
            case .conflict:
                tally.conflicts += 1
                tally.note(Rejection(line: batch.lines[result.index], outcome: .conflict, field: result.field))
            case .overloaded:
                later.events.append(batch.events[result.index])
                later.lines.append(batch.lines[result.index])
            default:
                tally.reject(Rejection(line: batch.lines[result.index], outcome: result.outcome, field: result.field))
            }
            if wantsDetail { tally.detail = result }
        }
        if later.events.isEmpty {
            failures = 0
            return
        }
        // Too much was pending: these were not recorded, and are welcome a little later.
        try endure("the server is overloaded")
        try transmit([later])
    }

    /// A frame that was refused as a whole, over a connection that goes on.
    private mutating func again(_ batch: EventBatch, after error: ErrorFrame) throws {
        switch error.error {
        case .overloaded:
            try endure("the server is overloaded", milliseconds: Int(min(error.retryAfterMilliseconds, 5_000)))
            try transmit([batch])
        case .storageFull:
            for line in batch.lines { tally.reject(Rejection(line: line, outcome: .storageFull, field: .none)) }
        default:
            throw EventSender.failure(.refused(error))
        }
    }

    // MARK: - Lost connections

    private mutating func recover(from error: ClientError) throws {
        var reason = error
        channel = nil
        while true {
            guard EventSender.mayPass(reason) else { throw EventSender.failure(reason) }
            try endure("\(reason)")
            do throws(ClientError) {
                channel = try connect()
                reconnections += 1
                break
            } catch {
                reason = error
            }
        }
        let lost = unanswered.map(\.batch)
        unanswered = []
        try transmit(lost)
    }

    /// Waits longer each time; gives up when patience is at its end.
    private mutating func endure(_ reason: String, milliseconds: Int = 0) throws {
        failures += 1
        guard failures <= EventSender.patience else {
            let lines = unanswered.flatMap(\.batch.lines)
            let unknown = lines.isEmpty ? "" : "; whether \(lines.count) events from line \(lines.min() ?? 0) on were recorded is unknown"
            throw Failure.unreachable("gave up after \(EventSender.patience) attempts: \(reason.printable)\(unknown)")
        }
        pause(max(milliseconds, min(50 << failures, 3_000)))
    }

    /// Whether a new connection may help.
    private static func mayPass(_ error: ClientError) -> Bool {
        switch error {
        case .system, .deadline, .closed: true
        case .refused(let frame): frame.error == .shuttingDown || frame.error == .timeout || frame.error == .overloaded
        default: false
        }
    }

    static func failure(_ error: ClientError) -> Failure {
        switch error {
        case .refused(let frame) where frame.error == .unauthorized:
            Failure.refused("the server refused: \(frame.message.printable); give the API key with --key-file FILE or PURSER_API_KEY")
        case .refused(let frame):
            Failure.refused("the server refused: \(frame.message.printable)")
        default: Failure.unreachable("\(error)".printable)
        }
    }
}
