// JournalThread: the thread that writes and syncs what the kernel is not left alone with. It is handed one batch at a time and says when
// that batch is durable; after a failure it says so once and takes no more.

internal import CLinux
internal import CUV
internal import Core
internal import Glibc
internal import Journal
internal import Synchronization

/// What the two threads share. The semaphore orders the loop's writes before the thread's reads, `done` the other way.
final class JournalThread {
    private var thread = uv_thread_t()
    private let work = UnsafeMutablePointer<uv_sem_t>.allocate(capacity: 1)
    private let committer: any BatchCommitter
    private let bell: Bell
    private var batch: UnsafeMutablePointer<BatchBuilder>?
    private var result = CommitResult()
    private let done = Atomic<Bool>(false)

    /// `bell` wakes the loop when a batch is done.
    init(committer: any BatchCommitter, bell: Bell) {
        self.committer = committer
        self.bell = bell
        uv_sem_init(work, 0)
    }

    /// False when the system has no thread to give.
    func start() -> Bool {
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = uv_thread_create(
            &thread, { argument in Unmanaged<JournalThread>.fromOpaque(argument!).takeRetainedValue().run() }, context)
        return status == 0
    }

    /// Hands over a batch; the one before must have been taken back.
    func commit(_ batch: UnsafeMutablePointer<BatchBuilder>) {
        self.batch = batch
        uv_sem_post(work)
    }

    /// What became of the batch handed over; nil while it is being written.
    func takeResult() -> CommitResult? { done.exchange(false, ordering: .acquiring) ? result : nil }

    /// Ends the thread after the batch it has: woken with no batch, it returns.
    func stop() {
        uv_sem_post(work)
        uv_thread_join(&thread)
        uv_sem_destroy(work)
        work.deallocate()
    }

    private func run() {
        purser_name_thread("journal")
        while true {
            uv_sem_wait(work)
            guard let batch else { return }
            self.batch = nil
            let start = uv_hrtime()
            do throws(StorageError) {
                try committer.commit(batch)
            } catch {
                result.error = error
            }
            result.nanoseconds = uv_hrtime() - start
            done.store(true, ordering: .releasing)
            bell.ring()
        }
    }
}
