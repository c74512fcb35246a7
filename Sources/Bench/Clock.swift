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
    /// What this process has used of all processors.
    static var ownCPU: Int64 { read(CLOCK_PROCESS_CPUTIME_ID) }
    static var wall: Timestamp { Timestamp(nanoseconds: read(CLOCK_REALTIME)) }
}
