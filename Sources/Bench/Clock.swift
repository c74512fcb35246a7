// Clock: the clocks a run reads, in nanoseconds.

import Core
import Glibc

enum Clock {
    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    static var monotonic: Int64 { read(CLOCK_MONOTONIC) }
    /// What the calling thread has used: the run is one, its crowd another.
    static var threadCPU: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }
    static var wall: Timestamp { Timestamp(nanoseconds: read(CLOCK_REALTIME)) }

    /// Sleeps until an instant of the monotonic clock, or a signal.
    static func sleep(until time: Int64) {
        var time = timespec(tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
    }
}
