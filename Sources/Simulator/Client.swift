// Client: one application that sends events until each of its events has an answer. It pipelines, waits only so long, loses its
// connection, connects again and sends what was not answered again, with the same keys. An event without a key of its own is
// sent once and never again, unless its request carries an `Idempotency-Key`: such a request is repeated as it was.
//
// This file decides what to send and what a lost connection means; `Client+Frames` and `Client+HTTP` speak the two protocols.

internal import Core
internal import Frames

enum ClientKind: String, Sendable { case binary, single, array, lines, garbage }

/// One request as it was sent.
struct Request {
    var id: UInt64
    var events: [EventRef] = []
    var bytes: [UInt8]
    /// The value of its `Idempotency-Key`.
    var header: String?
    /// It cannot be read, on purpose: an error is the right answer, and it ends the connection.
    var isMalformed = false
    /// Every event is listed in the answer.
    var listsAll = true
    /// It was sent before, as it is.
    var isRepeat = false
    /// How many events were acknowledged when a query was asked; nil: it is no query.
    var acknowledged: Int?
    var sentAt: UInt64 = 0
}

final class Client {
    let number: Int
    let kind: ClientKind
    let plan: Plan
    let auditor: Auditor
    let record: Record
    var dice: Dice
    var connection: FakeConnection?
    var inbox: [UInt8] = []
    var outstanding: [Request] = []
    /// Requests that are repeated as they are.
    private var again: [Request] = []
    private var againFrom: UInt64 = 0
    /// Events that wait to be sent, or sent again.
    private var backlog: [EventRef] = []
    /// Requests and events that are to be sent again.
    var pending: Int { backlog.count + again.count }
    private var backlogFrom: UInt64 = 0
    /// When it does something next.
    private(set) var wakeAt: UInt64 = 0
    private var patience: UInt64 = 0
    private var nextID: UInt64 = 1
    private var readsFrom: UInt64 = 0
    var isGreeted = false
    /// No more faults of its own: no requests that are broken on purpose, no queries.
    var isCalm = false
    let canary: Canary?

    init(_ number: Int, _ kind: ClientKind, _ plan: Plan, _ dice: Dice, _ auditor: Auditor, _ record: Record, canary: Canary?) {
        self.number = number
        self.kind = kind
        self.plan = plan
        self.dice = dice
        self.auditor = auditor
        self.record = record
        self.canary = canary
    }

    /// Nothing is left to send or to hear.
    var isSettled: Bool { kind == .garbage || outstanding.isEmpty && backlog.isEmpty && again.isEmpty }
    var waits: String { "\(outstanding.count) requests, \(backlog.count) events, \(again.count) repeats" }

    /// When it next has a reason to do something.
    func nextDue(_ now: UInt64, _ workload: Workload) -> UInt64 {
        if let connection {
            if connection.isReset || !connection.toClient.isEmpty || connection.serverEnded {
                return max(now, readsFrom, connection.toClientFrom)
            }
            if !connection.toServer.isEmpty { return max(now, connection.toServerFrom) }
        }
        let wants = !again.isEmpty || !backlog.isEmpty || outstanding.isEmpty && workload.left > 0
        return wants || kind == .garbage && !isCalm ? wakeAt : .max
    }

    // MARK: A step

    /// Looks at what came, and sends. `connect` gives a new connection, or nil when nobody listens.
    func step(_ now: UInt64, _ workload: inout Workload, connect: () -> FakeConnection?) {
        if let connection { receive(connection, now) }
        guard now >= wakeAt else { return }
        if kind == .garbage, isCalm {
            if let connection { leave(connection) }
            return
        }
        if connection == nil { open(now, connect) }
        guard let connection else { return }
        if kind == .garbage { return babble(connection, now) }
        if let oldest = outstanding.first, now - oldest.sentAt > patience {
            record.coverage[.abandoned] += 1
            record.note("gives up on", "connection \(connection.number)")
            if dice.flip() { connection.reset() } else { leave(connection) }
            lost(now)
            return
        }
        if dice.happens(plan.slowReaderRate), !isCalm {
            record.coverage[.slowReaders] += 1
            readsFrom = now + dice.duration(FakeClock.second...100 * FakeClock.second)
        }
        if kind == .binary, !isGreeted { greet(connection) }
        // All was said; what is owed is still read.
        if !isCalm, !outstanding.isEmpty, dice.happens(plan.halfCloseRate) {
            connection.clientEnded = true
            record.coverage[.halfCloses] += 1
        }
        var sent = 0
        while !connection.clientEnded, outstanding.count < plan.pipeline, sent < 4, let request = nextRequest(now, &workload) {
            send(request, connection, now)
            sent += 1
        }
        wakeAt = now + dice.duration(100_000...20_000_000)
    }

    private func open(_ now: UInt64, _ connect: () -> FakeConnection?) {
        // Nothing to say: no reason to call.
        guard let fresh = connect() else {
            wakeAt = now + dice.duration(10_000_000...2 * FakeClock.second)
            return
        }
        connection = fresh
        inbox = []
        isGreeted = false
        readsFrom = 0
        patience = isCalm ? 400 * FakeClock.second : dice.duration(FakeClock.second...120 * FakeClock.second)
        record.coverage[.connections] += 1
        record.note("connects", "client \(number) connection \(fresh.number)")
    }

    private func receive(_ connection: FakeConnection, _ now: UInt64) {
        if connection.isReset {
            lost(now)
            return
        }
        guard now >= readsFrom, now >= connection.toClientFrom else { return }
        if connection.toClient.isEmpty {
            if connection.serverEnded { lost(now) }
            return
        }
        let count = dice.happens(plan.wholeRate) ? connection.toClient.count : dice.within(1...connection.toClient.count)
        inbox += connection.toClient[..<count]
        connection.toClient.removeFirst(count)
        if dice.happens(plan.networkStallRate) {
            connection.toClientFrom = now + dice.duration(FakeClock.second...60 * FakeClock.second)
            record.coverage[.networkStalls] += 1
        }
        record.note("hears", "client \(number)", count)
        guard kind != .garbage else {
            inbox = []
            return
        }
        if kind == .binary { readFrames(now) } else { readResponses(now) }
    }

    /// Says goodbye in one of the ways there are.
    private func leave(_ connection: FakeConnection) {
        if dice.flip() { connection.clientEnded = true } else { connection.isAbandoned = true }
        self.connection = nil
    }

    /// The connection is gone, and what was not answered on it is unknown.
    func lost(_ now: UInt64) {
        if let connection, !connection.isReset, !connection.isAbandoned { connection.clientEnded = true }
        connection = nil
        for request in outstanding where !request.isMalformed && request.acknowledged == nil { unknown(request) }
        outstanding = []
        inbox = []
        wakeAt = now + dice.duration(5_000_000...FakeClock.second)
    }

    /// All of the request is answered. Whoever sent it with an `Idempotency-Key` may ask again.
    func settled(_ request: Request, completely: Bool) {
        if completely, request.header != nil, !isCalm, dice.below(4) == 0 { again.append(request) }
    }

    /// Whether the request counts is not known: it is sent again if that is safe.
    func unknown(_ request: Request) {
        if request.header != nil {
            again.append(request)
        } else {
            // Without a key an event may have counted or not, and must not be sent again.
            backlog += request.events.filter { auditor.keys[$0.key].text != nil }
        }
    }

    // MARK: Sending

    private func send(_ request: Request, _ connection: FakeConnection, _ now: UInt64) {
        var request = request
        request.sentAt = now
        for event in request.events where !request.isMalformed { auditor.sent(event) }
        connection.toServer += request.bytes
        outstanding.append(request)
        record.note("sends", "client \(number) request \(request.id)", request.events.count, request.bytes.count)
    }

    private func nextRequest(_ now: UInt64, _ workload: inout Workload) -> Request? {
        forgetStale()
        if !again.isEmpty, now >= againFrom {
            var repeated = again.removeFirst()
            repeated.isRepeat = true
            return repeated
        }
        if !isCalm, kind != .binary, dice.happens(plan.queryRate) { return query() }
        if !isCalm, dice.happens(plan.malformedRate) {
            record.coverage[.malformedRequests] += 1
            let events = (0..<dice.within(1...3)).map { _ in workload.doomed(auditor) }
            return malformed(events)
        }
        var events: [EventRef] = []
        let wanted = kind == .single ? 1 : dice.within(1...plan.batch)
        var bytes = 0
        while events.count < wanted {
            if now >= backlogFrom, !backlog.isEmpty {
                events.append(backlog.removeFirst())
            } else if let fresh = workload.next(auditor) {
                events.append(fresh)
            } else {
                break
            }
            bytes += 200 + auditor.payload(events[events.count - 1]).padding
            if bytes > 200_000 { break }
        }
        guard !events.isEmpty else { return nil }
        return kind == .binary ? frame(events) : post(events)
    }

    /// What is too old to be sent again is not.
    private func forgetStale() {
        guard plan.isWindowed else { return }
        func isStale(_ event: EventRef) -> Bool { auditor.age(event.key) >= plan.freshness }
        for event in backlog where isStale(event) { auditor.forsake(event) }
        backlog.removeAll(where: isStale)
        for request in again where request.events.contains(where: isStale) { request.events.forEach(auditor.forsake) }
        again.removeAll { $0.events.contains(where: isStale) }
    }

    func takeID() -> UInt64 {
        defer { nextID += 1 }
        return nextID
    }

    /// Bytes that mean nothing, or nearly something.
    private func babble(_ connection: FakeConnection, _ now: UInt64) {
        record.coverage[.garbage] += 1
        var bytes: [UInt8] = (0..<dice.within(1...60)).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
        switch dice.below(6) {
        case 0: bytes = hello() + bytes
        case 1: bytes = Array("POST /api/v1/client/events HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n{\"eventName\"".utf8)
        case 2: bytes = Array("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        case 3: bytes = Array("GET /".utf8) + bytes
        case 4: bytes[0] = FrameHeader.magic
        default: break
        }
        connection.toServer += bytes
        wakeAt = now + dice.duration(10_000_000...40 * FakeClock.second)
        if dice.below(3) == 0 { leave(connection) }
    }

    // MARK: Hearing

    /// What became of one event of a request.
    func hear(_ event: EventRef, _ outcome: Outcome, _ sequence: UInt64?, _ request: Request, _ now: UInt64) {
        switch outcome {
        case .recorded:
            if request.isRepeat { record.coverage[.replayed] += 1 }
            auditor.recorded(event, sequence, mayRepeat: request.header != nil)
        case .duplicate: auditor.duplicate(event, sequence)
        case .conflict: auditor.conflict(event, sequence)
        case .storageFull, .overloaded: notNow([event], outcome, request, now)
        default: auditor.refused(event, outcome)
        }
    }

    /// Events of a request were not recorded for want of room: later again. Under an `Idempotency-Key` nothing but the same
    /// request will do: a copy of it may still be on its way, and events without keys are known by the request.
    func notNow(_ events: [EventRef], _ outcome: Outcome, _ request: Request, _ now: UInt64) {
        record.coverage[outcome == .storageFull ? .storageFull : .overloaded] += 1
        let later = now + dice.duration(10_000_000...2 * FakeClock.second)
        if request.header != nil {
            if again.last?.id != request.id { again.append(request) }
            againFrom = later
        } else {
            backlog += events
            backlogFrom = later
        }
    }

    /// The daemon said something that it must not say.
    func wrong(_ what: String) { record.fail("client \(number), \(kind.rawValue): \(what)") }
}
