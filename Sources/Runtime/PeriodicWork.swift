// PeriodicWork: something slow that has to be done now and then, such as fetching a price list. It begins and ends on the loop; the
// slow part in between runs on a thread of libuv's pool and has nothing but what it was given.

internal import CUV
internal import Core
public import Server

public struct PeriodicWork {
    /// Nanoseconds between the starts of two rounds.
    public var interval: UInt64
    /// Nanoseconds before the first one.
    public var delay: UInt64
    /// On the loop: what is to be done on the other thread.
    public var begin: (inout Server) -> @Sendable () -> Outcome
    /// On the loop again.
    public var end: (inout Server, Outcome, Instant) -> Void

    public enum Outcome: Sendable {
        case bytes([UInt8])
        /// There is nothing new.
        case nothing
        case failed(String)
    }

    public init(
        interval: UInt64, delay: UInt64, begin: @escaping (inout Server) -> @Sendable () -> Outcome,
        end: @escaping (inout Server, Outcome, Instant) -> Void
    ) {
        self.interval = interval
        self.delay = delay
        self.begin = begin
        self.end = end
    }
}

/// One round under way.
private struct Round {
    var loop: EventLoop
    var work: @Sendable () -> PeriodicWork.Outcome
    var outcome: PeriodicWork.Outcome?
}

extension EventLoop {
    /// Starts a round when it is due and none is under way; called about twice a second.
    func startPeriodic(_ now: Instant) {
        guard let periodic = options.periodic, !periodicIsRunning, drainDeadline == 0 else { return }
        if periodicDue == 0 { periodicDue = now.monotonic + periodic.delay }
        guard now.monotonic >= periodicDue else { return }
        periodicDue = now.monotonic + periodic.interval
        periodicIsRunning = true
        let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
        let round = UnsafeMutablePointer<Round>.allocate(capacity: 1)
        round.initialize(to: Round(loop: self, work: periodic.begin(&server.pointee), outcome: nil))
        request.pointee.data = UnsafeMutableRawPointer(round)
        uv_queue_work(
            loop, request,
            { request in
                let round = request!.pointee.data.assumingMemoryBound(to: Round.self)
                round.pointee.outcome = round.pointee.work()
            },
            { request, _ in
                let round = request!.pointee.data.assumingMemoryBound(to: Round.self)
                let loop = round.pointee.loop
                if let outcome = round.pointee.outcome { loop.options.periodic?.end(&loop.server.pointee, outcome, loop.instant) }
                loop.periodicIsRunning = false
                round.deinitialize(count: 1)
                round.deallocate()
                request!.deallocate()
            })
    }
}
