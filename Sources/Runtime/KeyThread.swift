// KeyThread: the thread that writes and merges the files of idempotency keys, and drops segments whose events are no longer kept.
// It does one piece of work at a time, at a low priority, and before what is not urgent it rests for as long as it had a processor
// for the last: it may take hours, and the journal and the loop are in a hurry. Nobody stops it: the process ends, and what is left is
// begun again after the next start.

internal import CLinux
internal import CUV
internal import Glibc
internal import Server

final class KeyThread {
    private var thread = uv_thread_t()
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<uv_cond_t>.allocate(capacity: 1)
    private let async: UnsafeMutablePointer<uv_async_t>

    // Under the mutex.
    private var given: (any BackgroundJob)?
    private var done: (any BackgroundJob)?

    /// `async` wakes the loop when a piece of work is done.
    init(async: UnsafeMutablePointer<uv_async_t>) {
        self.async = async
        uv_mutex_init(mutex)
        uv_cond_init(condition)
    }

    /// False when the system has no thread to give.
    func start() -> Bool {
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = uv_thread_create(
            &thread, { argument in Unmanaged<KeyThread>.fromOpaque(argument!).takeRetainedValue().run() }, context)
        return status == 0
    }

    /// Hands over a piece of work; the one before must have been taken back.
    func give(_ job: any BackgroundJob) {
        uv_mutex_lock(mutex)
        given = job
        uv_cond_signal(condition)
        uv_mutex_unlock(mutex)
    }

    /// The piece of work that was done, once.
    func takeDone() -> (any BackgroundJob)? {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        let job = done
        done = nil
        return job
    }

    private func run() {
        purser_name_thread("keys")
        // Of this thread alone, as Linux has it; without the permission nothing changes.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
        var rest: UInt64 = 0
        while true {
            let job = next()
            if !job.isUrgent { uv_sleep(UInt32(rest / 1_000_000)) }
            let start = KeyThread.processorTime
            job.perform()
            rest = min(KeyThread.processorTime - start, 1_000_000_000)
            uv_mutex_lock(mutex)
            done = job
            uv_mutex_unlock(mutex)
            uv_async_send(async)
        }
    }

    /// Of this thread, in nanoseconds.
    private static var processorTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Waits for work.
    private func next() -> any BackgroundJob {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        while true {
            if let job = given {
                given = nil
                return job
            }
            uv_cond_wait(condition, mutex)
        }
    }
}
