// IdleThread: work that nobody waits for, at the lowest priority there is: it runs when nobody else would, and ends with the process.

import CLinux
import Glibc

enum IdleThread {
    private final class Work: Sendable {
        let name: StaticString
        let body: @Sendable () -> Void

        init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            purser_name_thread(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
            var parameters = sched_param()
            // SCHED_IDLE, which Glibc's module leaves out.
            if sched_setscheduler(0, 5, &parameters) != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19) }
            body()
        }
    }

    /// Runs `body` on a thread of this name. Where the system has no thread to give it is not run.
    static func start(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
        let context = Unmanaged.passRetained(Work(name, body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if status == 0 { pthread_detach(thread) } else { context.release() }
    }
}
