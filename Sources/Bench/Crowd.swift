// Crowd: thousands of connections beside a run that are slow, or idle: what they cost the daemon, and everybody else.
//
// A slow peer is one of four, in turns: it sends a byte of a request's head every five seconds; or of a body; or of a frame; or it
// asks for pages that it takes a byte of every five seconds, through the smallest window there is. When the daemon ends it, and
// a reader after `readerSeconds` by itself, another takes its place. An idle one says nothing.
//
// The crowd shares the processors with what is measured, so it must cost next to nothing and come evenly: one thread at a low priority,
// a wheel of `slot`s of two milliseconds, one wake-up each; what is due in a slot is some four bytes, and connections are opened at
// an even pace. What the daemon sends or ends is looked at once a slot and not when it comes.

import CLinux
import Core
import Frames
import Glibc

/// Who is there beside a run.
public struct CrowdOptions: Sendable {
    public var slow = 0
    public var idle = 0
    /// Connections opened in a second, at an even pace.
    public var connects = 2000.0
    public init() {}
    public var count: Int { slow + idle }
}

/// What became of a crowd.
public struct CrowdResult: Equatable, Sendable {
    /// Connections that are there.
    public var open = 0
    /// Opened, those that took the place of others too.
    public var opened = 0
    /// Ended by the daemon; with an answer that says the request took too long, or that there is no room.
    public var ended = 0
    public var timedOut = 0
    public var refused = 0
    /// Attempts to connect that failed, and were made again.
    public var failed = 0
    /// Processor time, and since when it counts: nanoseconds.
    public var cpu: Int64 = 0
    public var elapsed: Int64 = 0

    public init() {}

    /// What happened since an earlier look at the same crowd.
    public func since(_ earlier: CrowdResult) -> CrowdResult {
        var part = self
        part.opened -= earlier.opened
        part.ended -= earlier.ended
        part.timedOut -= earlier.timedOut
        part.refused -= earlier.refused
        part.failed -= earlier.failed
        part.cpu -= earlier.cpu
        part.elapsed -= earlier.elapsed
        return part
    }

    /// Share of one processor that the crowd took.
    public var share: Double { elapsed > 0 ? Double(cpu) / Double(elapsed) : 0 }
}

/// A crowd on a thread of its own. Everything but `stopping` and `shown`, which the mutex guards, belongs to that thread once it runs.
public final class Crowd: @unchecked Sendable {
    public static let most = 20_000
    static let slot: Int64 = 2_000_000
    /// Slots between two bytes of a peer: five seconds; and before its first.
    static let pause = 2500
    static let firstPause = 50
    static let readerSeconds: Int64 = 65

    private let options: CrowdOptions
    private let destination: Destination
    private let epoll: Int32
    private let places: UnsafeMutablePointer<CrowdPeer>
    private let scripts: [CrowdScript]
    /// First peer of each slot, -1 for none; `pause` slots ahead is as far as it goes.
    private var wheel = [Int32](repeating: -1, count: Crowd.pause + 1)
    /// Places without a connection: a ring, the longest empty first.
    private var empty: [Int32]
    private var emptyStart = 0
    private var emptyCount: Int
    private var result = CrowdResult()
    private var thread = pthread_t()
    private var isRunning = false
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var stopping = false
    private var shown = CrowdResult()

    public init(_ target: BenchTarget, _ options: CrowdOptions) throws(BenchError) {
        self.options = options
        try Crowd.raiseLimit(to: options.count + 128 + Int(PURSER_READY_MOST))
        destination = try Destination(target.address)
        epoll = purser_epoll_open()
        guard epoll >= 0 else { throw BenchError(.usage, "epoll: \(systemError())") }
        scripts = CrowdScript.all(target)
        places = .allocate(capacity: options.count)
        for i in 0..<options.count {
            let manner = i < options.slow ? UInt8(i & 3) : CrowdScript.idle
            (places + i).initialize(to: CrowdPeer(manner: manner))
        }
        empty = (0..<options.count).map { Int32($0) }
        emptyCount = options.count
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        stop()
        for i in 0..<options.count where places[i].descriptor >= 0 { close(places[i].descriptor) }
        places.deallocate()
        close(epoll)
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Every connection is an open file, beside those of the run.
    private static func raiseLimit(to count: Int) throws(BenchError) {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < rlim_t(count) else { return }
        limit.rlim_cur = min(rlim_t(count), limit.rlim_max)
        guard limit.rlim_cur == rlim_t(count), setrlimit(resource, &limit) == 0 else {
            throw BenchError(.usage, "so many connections need \(count) open files, and the limit is \(limit.rlim_max) (ulimit -n)")
        }
    }

    // MARK: - From outside

    public func start() throws(BenchError) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Crowd>.fromOpaque(argument!).takeUnretainedValue().run()
                return nil
            }, context)
        guard status == 0 else { throw BenchError(.usage, "no thread for the crowd: \(systemError(status))") }
        isRunning = true
    }

    /// What it is like now.
    public var now: CrowdResult {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return shown
    }

    /// Waits until all are there and, when they are slow, until the first of them were ended for it: from then on they come and go at
    /// one pace.
    public func gather(isInterrupted: () -> Bool) throws(BenchError) {
        let start = Clock.monotonic
        let patience = Int64(2e9 * Double(options.count) / options.connects) + 10_000_000_000
        let settled = options.slow > 0 ? Int64(Limits.headSeconds + 2) * 1_000_000_000 : 0
        while now.opened < options.count || Clock.monotonic - start < settled {
            if isInterrupted() { return }
            if now.opened < options.count, Clock.monotonic - start > patience {
                throw BenchError(.unreachable, "only \(now.opened) of \(options.count) connections could be opened")
            }
            usleep(20_000)
        }
    }

    /// Ends the thread; the connections go with the object.
    public func stop() {
        guard isRunning else { return }
        isRunning = false
        pthread_mutex_lock(mutex)
        stopping = true
        pthread_mutex_unlock(mutex)
        pthread_join(thread, nil)
    }

    // MARK: - The thread

    private func run() {
        // Of this thread alone, as Linux has it.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
        let ready = UnsafeMutablePointer<purser_ready>.allocate(capacity: Int(PURSER_READY_MOST))
        let input = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 16)
        defer {
            ready.deallocate()
            input.deallocate()
        }
        let start = Clock.monotonic
        var slot: Int64 = 0
        var connects = Schedule(start: start, rate: options.connects)
        while true {
            let now = Clock.monotonic
            while start + slot * Crowd.slot <= now {
                step(Int(slot % Int64(wheel.count)), now)
                slot += 1
            }
            while connects.take(now: now) != nil {
                if emptyCount > 0 { connect(at: slot, now) }
            }
            while true {
                let count = Int(purser_epoll_wait(epoll, ready, 0))
                for i in 0..<max(0, count) { take(Int(ready[i].token), input) }
                if count < Int(PURSER_READY_MOST) { break }
            }
            result.cpu = Clock.threadCPU
            result.elapsed = now - start
            pthread_mutex_lock(mutex)
            shown = result
            let isOver = stopping
            pthread_mutex_unlock(mutex)
            if isOver { return }
            Clock.sleep(until: start + slot * Crowd.slot)
        }
    }

    private func connect(at slot: Int64, _ now: Int64) {
        let number = Int(empty[emptyStart])
        let manner = places[number].manner
        let descriptor = destination.open(smallWindow: manner == CrowdScript.reader)
        guard descriptor >= 0 else {
            result.failed += 1
            return
        }
        emptyStart = (emptyStart + 1) % empty.count
        emptyCount -= 1
        places[number].descriptor = descriptor
        places[number].sent = 0
        places[number].born = now
        result.opened += 1
        result.open += 1
        // A reader would be ready at every look: it finds out when it takes its next byte.
        if manner != CrowdScript.reader { _ = purser_epoll_add(epoll, descriptor, UInt64(number), 0) }
        if manner != CrowdScript.idle { put(number, in: Int((slot + Int64(Crowd.firstPause)) % Int64(wheel.count))) }
    }

    private func put(_ number: Int, in slot: Int) {
        places[number].next = wheel[slot]
        wheel[slot] = Int32(number)
        places[number].isOnWheel = true
    }

    /// Everyone whose turn it is says its byte.
    private func step(_ slot: Int, _ now: Int64) {
        var next = wheel[slot]
        wheel[slot] = -1
        while next >= 0 {
            let number = Int(next)
            next = places[number].next
            places[number].isOnWheel = false
            // It ended meanwhile, and its place waits for the next.
            guard places[number].descriptor >= 0 else {
                leave(number)
                continue
            }
            guard speak(number, now) else {
                end(number)
                continue
            }
            put(number, in: (slot + Crowd.pause) % wheel.count)
        }
    }

    /// False when the connection is gone, or was there long enough.
    private func speak(_ number: Int, _ now: Int64) -> Bool {
        let script = scripts[Int(places[number].manner)]
        let sent = places[number].sent
        let count = min(sent == 0 ? script.first : 1, script.count - sent)
        if count > 0 {
            let done = send(places[number].descriptor, script.bytes + sent, count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if done > 0 { places[number].sent += done } else if errno != EAGAIN, errno != EINTR { return false }
        }
        guard places[number].manner == CrowdScript.reader else { return true }
        if now - places[number].born > Crowd.readerSeconds * 1_000_000_000 { return false }
        var byte: UInt8 = 0
        let got = recv(places[number].descriptor, &byte, 1, Int32(MSG_DONTWAIT))
        return got > 0 || got < 0 && (errno == EAGAIN || errno == EINTR)
    }

    /// Something came, or the daemon ended the connection.
    private func take(_ number: Int, _ input: UnsafeMutableRawPointer) {
        while true {
            let got = recv(places[number].descriptor, input, 4096, Int32(MSG_DONTWAIT))
            if got > 0 {
                if CrowdScript.says(CrowdScript.tooLong, input, got) { result.timedOut += 1 }
                if CrowdScript.says(CrowdScript.noRoom, input, got) { result.refused += 1 }
                continue
            }
            if got < 0, errno == EAGAIN || errno == EINTR { return }
            return end(number)
        }
    }

    private func end(_ number: Int) {
        close(places[number].descriptor)
        places[number].descriptor = -1
        result.open -= 1
        result.ended += 1
        // On the wheel there may be no one twice: the place is free when its slot has come.
        if !places[number].isOnWheel { leave(number) }
    }

    private func leave(_ number: Int) {
        empty[(emptyStart + emptyCount) % empty.count] = Int32(number)
        emptyCount += 1
    }
}
