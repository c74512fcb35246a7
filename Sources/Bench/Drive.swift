// Drive: one run against one server: connections, messages, answers, and when each happened. One thread, one epoll.
//
// Closed loop: every connection keeps its number of messages waiting; the next is sent when one is answered. What it
// measures is how fast the server can be driven; its latencies are those of a client that waits. Open loop: messages are due at
// even intervals, and a latency counts from when its message was due (see Schedule.swift).
//
//   warm-up ──► window ──────────────► draining ──► end
//               measured               answers still counted, nothing sent
//
// Everything that was ever sent is counted for the verdict, the warm-up too.

import CLinux
public import Core
import Frames
import Glibc

/// What a run does.
public struct DriveOptions: Sendable {
    public var encoding = Encoding.binary
    public var batch = 1000
    public var connections = 1
    /// Messages that wait for an answer on each connection.
    public var inFlight = 8
    /// Events a second; nil for a closed loop.
    public var rate: Double?
    public var warmUp: Int64 = 500_000_000
    /// Of the window.
    public var nanoseconds: Int64 = 5_000_000_000
    /// All events of the run, repetitions included.
    public var eventsMost = 50_000_000
    /// Connections that ask for margins and events meanwhile.
    public var readers = 0
    /// Questions of each of them a second.
    public var readRate = 10.0
    public var mix = MixOptions()
    /// Directory where, after each answer, the disk itself makes a block durable: what a single event's answer is compared with was then
    /// measured under the same load. Only where one message waits at a time, because it holds everything up.
    public var probes: String?
    /// Until the last answer.
    public var patience: Int64 = 30_000_000_000
    public init() {}
}

/// What a run found.
public struct DriveResult: Sendable {
    public var sent = 0
    public var recorded = 0
    public var duplicates = 0
    public var rejected = 0
    /// Messages that were sent again because the server was overloaded.
    public var retries = 0
    /// Messages and events without an answer at the end.
    public var unansweredMessages = 0
    public var unansweredEvents = 0
    /// What the answered messages add to the books, by the run's own arithmetic.
    public var sums = Sums()

    public var windowNanoseconds: Int64 = 0
    public var windowEvents = 0
    public var windowMessages = 0
    public var windowBytes = 0
    public var clientCPU: Int64 = 0
    public var latency = Histogram()
    /// How late messages of an open loop were handed to their connection.
    public var lateness = Histogram()
    public var margins = Histogram()
    public var events = Histogram()
    public var readFailures = 0
    /// Of the disk itself, between the messages of the window.
    public var disk = Histogram()
    public var wasInterrupted = false
    /// Why it ended early; nil when it did not.
    public var failure: String?
    public var bytesPerMessage = 0

    public var eventsPerSecond: Double { windowNanoseconds > 0 ? Double(windowEvents) * 1e9 / Double(windowNanoseconds) : 0 }
    public var messagesPerSecond: Double { windowNanoseconds > 0 ? Double(windowMessages) * 1e9 / Double(windowNanoseconds) : 0 }
}

/// When something outside of the run is to be read.
public enum DriveEdge: Sendable { case windowBegins, windowEnds }

public struct Drive: ~Copyable {
    enum Phase { case warmUp, window, draining }

    let options: DriveOptions
    let target: BenchTarget
    private let pool: Pool
    private let lanes: UnsafeMutablePointer<Lane>
    private let laneCount: Int
    let epoll: Int32
    var readers: [Reader] = []
    private var phase = Phase.warmUp
    private var windowStart: Int64 = 0
    private var windowEnd = Int64.max
    private var schedule: Schedule?
    private var nextLane = 0
    private var nextMessage = 0
    /// Number of the next key.
    private var nextKey: UInt64 = 0
    private var waiting = 0
    /// Refused for now: when to send again, and what.
    private var delayed: [(at: Int64, lane: Int, place: Int)] = []
    private var cpuAtStart: Int64 = 0
    private var probe: DiskProbe?
    var result = DriveResult()

    /// Tokens of epoll from here on are readers.
    static let readerTokens: UInt64 = 1 << 32
    public static let mostConnections = 10_000
    public static let mostReaders = 256

    /// Makes the messages and opens the connections. `rates` are those of `Business.all`, in its order; nil where a model has no price.
    public init(_ target: BenchTarget, _ options: DriveOptions, rates: [ModelRates?], eventName: String, baseTime: Timestamp)
        throws(BenchError)
    {
        self.options = options
        self.target = target
        let mix = Mix(options.mix, rates: rates, eventName: eventName, baseTime: baseTime)
        let path = "/api/v1/client/events" + (options.encoding == .ndjson || options.batch > 1 ? "/batch" : "")
        let type = options.encoding == .ndjson ? "application/x-ndjson" : "application/json"
        pool = Pool(
            mix, encoding: options.encoding, batch: options.batch, head: { target.head(path, type: type, length: $0) },
            salt: (SystemRandom.next(), SystemRandom.next()))
        epoll = purser_epoll_open()
        lanes = .allocate(capacity: options.connections)
        var opened = 0
        do throws(BenchError) {
            guard epoll >= 0 else { throw BenchError(.usage, "epoll: \(systemError())") }
            for number in 0..<options.connections {
                let descriptor = try Dial.open(target, greets: options.encoding == .binary)
                (lanes + number).initialize(to: Lane(descriptor, number: number, places: options.inFlight, longest: pool.longest))
                opened += 1
                _ = purser_epoll_add(epoll, descriptor, UInt64(number), 0)
            }
            for number in 0..<options.readers {
                let descriptor = try Dial.open(target, greets: false)
                readers.append(Reader(descriptor, number: number))
                _ = purser_epoll_add(epoll, descriptor, Drive.readerTokens + UInt64(number), 0)
            }
        } catch {
            for reader in readers { close(reader.descriptor) }
            for number in 0..<opened { lanes[number].deallocate() }
            lanes.deallocate()
            if epoll >= 0 { close(epoll) }
            throw error
        }
        laneCount = opened
        if options.connections == 1, options.inFlight == 1, options.rate == nil, let directory = options.probes {
            probe = DiskProbe(directory, by: .sync)
        }
        result.bytesPerMessage = pool.messages.reduce(0) { $0 + $1.length } / pool.messages.count
    }

    deinit {
        for reader in readers { close(reader.descriptor) }
        for number in 0..<laneCount { lanes[number].deallocate() }
        lanes.deallocate()
        close(epoll)
    }

    // MARK: - The loop

    /// Runs to the end. `edge` is called when the window begins and ends, `isInterrupted` a thousand times a second or less.
    public mutating func run(edge: (DriveEdge) -> Void, isInterrupted: () -> Bool) -> DriveResult {
        let start = Clock.monotonic
        windowStart = start + options.warmUp
        var drainEnd = Int64.max
        if let rate = options.rate { schedule = Schedule(start: start, rate: rate / Double(options.batch)) }
        startReaders(at: start)
        let ready = UnsafeMutablePointer<purser_ready>.allocate(capacity: Int(PURSER_READY_MOST))
        defer { ready.deallocate() }
        if schedule == nil { for lane in 0..<laneCount { refill(lane) } }
        while true {
            let now = Clock.monotonic
            // A tenth of the events is warm-up enough when there are few.
            if phase == .warmUp, now >= windowStart || result.sent >= options.eventsMost / 10 {
                phase = .window
                edge(.windowBegins)
                windowStart = Clock.monotonic
                cpuAtStart = Clock.threadCPU
            }
            let isDone = result.sent >= options.eventsMost && waiting == 0
            if phase == .window, now >= windowStart + options.nanoseconds || isDone { endWindow(edge) }
            if isInterrupted(), phase != .draining {
                result.wasInterrupted = true
                endWindow(edge)
            }
            if result.failure != nil {
                endWindow(edge)
                break
            }
            if phase == .draining {
                if waiting == 0, !readers.contains(where: \.isAsking) { break }
                drainEnd = min(drainEnd, now + options.patience)
                if now >= drainEnd { break }
            }
            issueDue(now)
            if phase != .draining { askDue(now) }
            if !delayed.isEmpty { resend(now) }
            let count = Int(purser_epoll_wait(epoll, ready, pause(Clock.monotonic)))
            if count < 0, errno != EINTR { fail("epoll: \(systemError())") }
            for i in 0..<max(0, count) { handle(ready[i]) }
        }
        for lane in 0..<laneCount { countUnanswered(lanes[lane]) }
        closeReaders()
        return result
    }

    private mutating func endWindow(_ edge: (DriveEdge) -> Void) {
        guard phase != .draining else { return }
        if phase == .window {
            windowEnd = Clock.monotonic
            result.windowNanoseconds = windowEnd - windowStart
            result.clientCPU = Clock.threadCPU - cpuAtStart
            edge(.windowEnds)
        } else {
            // It never began: nothing is measured.
            windowEnd = windowStart
        }
        phase = .draining
    }

    /// Nanoseconds until something is due; never more than a tenth of a second, for the clock and for Ctrl-C.
    private func pause(_ now: Int64) -> Int64 {
        var until = now + 100_000_000
        if phase == .warmUp { until = min(until, windowStart) }
        if phase == .window { until = min(until, windowStart + options.nanoseconds) }
        if phase != .draining, let schedule, result.sent < options.eventsMost, waiting < laneCount * options.inFlight {
            until = min(until, schedule.nextDue)
        }
        for entry in delayed { until = min(until, entry.at) }
        if phase != .draining { for reader in readers where !reader.isAsking { until = min(until, reader.due) } }
        return max(0, until - now)
    }

    private mutating func handle(_ ready: purser_ready) {
        if ready.token >= Drive.readerTokens {
            readerIsReady(Int(ready.token - Drive.readerTokens))
            return
        }
        let number = Int(ready.token)
        if ready.flags & PURSER_WRITABLE != 0 { flush(number) }
        guard ready.flags & PURSER_READABLE != 0 else { return }
        // What came with the end of the stream is read first.
        let isOpen = lanes[number].fill()
        readReplies(number, now: Clock.monotonic)
        if phase == .window, waiting == 0, let took = probe?.write() { result.disk.record(took) }
        if !isOpen { fail("the server closed a connection") }
        if schedule == nil { refill(number) }
    }

    /// Whether what was due at an instant is measured.
    func isMeasured(due: Int64) -> Bool { phase != .warmUp && due >= windowStart && due < windowEnd }

    mutating func fail(_ why: String) { if result.failure == nil { result.failure = why } }

    // MARK: - Sending

    private var maySend: Bool { phase != .draining && result.sent < options.eventsMost && result.failure == nil }

    /// Closed loop: every free place of the connection gets a message.
    private mutating func refill(_ number: Int) {
        let isLong = pool.longest > 8192
        var now = Clock.monotonic
        while lanes[number].freeCount > 0, maySend {
            if isLong { now = Clock.monotonic }
            issue(number, due: now)
            if lanes[number].pendingOutput > 32 * 1024 { flush(number) }
        }
        flush(number)
    }

    /// Open loop: what is due goes to the next connection that has a place.
    private mutating func issueDue(_ now: Int64) {
        guard schedule != nil, maySend else { return }
        let total = laneCount * options.inFlight
        var first = -1
        while waiting < total, maySend, let due = schedule!.take(now: now) {
            while lanes[nextLane].freeCount == 0 { nextLane = nextLane + 1 == laneCount ? 0 : nextLane + 1 }
            issue(nextLane, due: due)
            result.lateness.record(UInt64(max(0, now - due)))
            if first < 0 { first = nextLane }
            if lanes[nextLane].pendingOutput > 32 * 1024 { flush(nextLane) }
            nextLane = nextLane + 1 == laneCount ? 0 : nextLane + 1
        }
        guard first >= 0 else { return }
        var number = first
        repeat {
            flush(number)
            number = number + 1 == laneCount ? 0 : number + 1
        } while number != nextLane && number != first
    }

    private mutating func issue(_ number: Int, due: Int64) {
        let place = lanes[number].takePlace()
        let message = nextMessage
        nextMessage = nextMessage + 1 == pool.messages.count ? 0 : nextMessage + 1
        lanes[number].places[place].due = due
        lanes[number].places[place].base = nextKey
        lanes[number].places[place].message = Int32(message)
        nextKey &+= UInt64(options.batch)
        result.sent += options.batch
        waiting += 1
        put(number, place, isFirst: true)
    }

    private mutating func put(_ number: Int, _ place: Int, isFirst: Bool) {
        let entry = lanes[number].places[place]
        let message = Int(entry.message)
        let id = UInt64(entry.generation) << 32 | UInt64(place)
        let room = lanes[number].room(pool.messages[message].length)
        lanes[number].outputEnd += pool.write(message, base: entry.base, requestID: id, isFirst: isFirst, to: room)
        if pool.encoding != .binary { lanes[number].queue(place) }
    }

    private mutating func resend(_ now: Int64) {
        var i = 0
        while i < delayed.count {
            guard delayed[i].at <= now else {
                i += 1
                continue
            }
            let entry = delayed.remove(at: i)
            put(entry.lane, entry.place, isFirst: false)
            flush(entry.lane)
        }
    }

    private mutating func flush(_ number: Int) {
        guard lanes[number].pendingOutput > 0 else { return }
        // The server's last words come before the end of its stream; a closed connection is noticed where it is read.
        _ = lanes[number].flush()
        let isBlocked = lanes[number].pendingOutput > 0
        guard isBlocked != lanes[number].isBlocked else { return }
        lanes[number].isBlocked = isBlocked
        _ = purser_epoll_change(epoll, lanes[number].descriptor, UInt64(number), isBlocked ? 1 : 0)
    }

    // MARK: - Answers

    private mutating func readReplies(_ number: Int, now: Int64) {
        let isBinary = pool.encoding == .binary
        while lanes[number].inputStart < lanes[number].inputEnd {
            let bytes = UnsafeRawBufferPointer(
                start: lanes[number].input + lanes[number].inputStart, count: lanes[number].inputEnd - lanes[number].inputStart)
            switch isBinary ? Reply.frame(bytes) : Reply.response(bytes, events: pool.encoding == .ndjson ? 0 : options.batch) {
            case .needMore: return
            case .broken(let why): return fail(why)
            case .reply(let reply, let length):
                lanes[number].inputStart += length
                answered(number, reply, now: now)
                if result.failure != nil { return }
            }
        }
    }

    private mutating func answered(_ number: Int, _ reply: Reply, now: Int64) {
        if let failure = reply.failure { return fail(failure) }
        let place: Int
        if pool.encoding == .binary {
            place = Int(reply.requestID & 0xFFFF_FFFF)
            guard place < lanes[number].placeCount, lanes[number].places[place].message >= 0,
                lanes[number].places[place].generation == UInt32(truncatingIfNeeded: reply.requestID >> 32)
            else { return fail("an answer to request \(reply.requestID), which was not asked") }
        } else {
            guard let oldest = lanes[number].oldest() else { return fail("a response without a request") }
            place = oldest
        }
        if let pause = reply.retryAfter {
            result.retries += 1
            delayed.append((now + Int64(max(1, min(pause, 10_000))) * 1_000_000, number, place))
            return
        }
        let entry = lanes[number].places[place]
        let events = reply.recorded + reply.duplicates + reply.rejected
        guard events == options.batch else { return fail("an answer counts \(events) events where \(options.batch) were sent") }
        result.recorded += reply.recorded
        result.duplicates += reply.duplicates
        result.rejected += reply.rejected
        result.sums += pool.messages[Int(entry.message)].sums
        if phase == .window {
            result.windowEvents += events
            result.windowMessages += 1
            result.windowBytes += pool.messages[Int(entry.message)].length
        }
        if isMeasured(due: entry.due) { result.latency.record(UInt64(max(0, now - entry.due))) }
        lanes[number].release(place)
        waiting -= 1
    }

    private mutating func countUnanswered(_ lane: Lane) {
        result.unansweredMessages += lane.waiting
        result.unansweredEvents += lane.waiting * options.batch
    }
}
