// Commits: has batches made durable, one at a time. A small one is a write that the kernel is given by the loop itself; what is large, or
// takes more than one write, or came back undone, is the journal thread's. The batch and its writer belong to one of them at a time.

internal import CUV
internal import Core
internal import Glibc
public import Journal

/// A write for the kernel. Descriptor and bytes are good until the committer is told that it is over.
public struct KernelWrite {
    public var descriptor: Int32
    public var offset: Int
    public var bytes: UnsafeRawBufferPointer

    public init(descriptor: Int32, offset: Int, bytes: UnsafeRawBufferPointer) {
        self.descriptor = descriptor
        self.offset = offset
        self.bytes = bytes
    }
}

/// Writes batches; called by the loop, or by the journal thread while it has the batch.
public protocol BatchCommitter: AnyObject {
    /// Returns when the batch is durable. Goes on with one that was begun.
    func commit(_ batch: UnsafeMutablePointer<BatchBuilder>) throws(StorageError)
    /// The one write that the batch is, sealed; nil when it has to be committed.
    func begin(_ batch: UnsafeMutablePointer<BatchBuilder>) -> KernelWrite?
    /// That write is over: bytes written, or the negative number of why none were. False when the batch has to be committed after all.
    func end(_ written: Int) throws(StorageError) -> Bool
    /// The kernel gives no ring, or does without the one it gave, for this reason: told once.
    func announce(_ trouble: Int32)
}

/// What became of a batch: durable without an error, and how long that took, as far as the loop knows.
struct CommitResult {
    var error: StorageError?
    var nanoseconds: UInt64 = 0
}

final class Commits {
    /// A larger batch is the thread's: telling the device takes the loop 30 to 60 us, in which it does not read what comes, and a batch of
    /// hundreds of events means that much comes.
    private static let mostBytes = 4096

    private let committer: any BatchCommitter
    private let thread: JournalThread
    private let ring = WriteRing()
    private var begun: UnsafeMutablePointer<BatchBuilder>?
    private var began: UInt64 = 0

    init(committer: any BatchCommitter, bell: Bell) {
        self.committer = committer
        thread = JournalThread(committer: committer, bell: bell)
    }

    /// `done` is called on the loop when there may be a result, as is whoever listens to the bell. False when the system has no thread.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>, _ done: @escaping () -> Void) -> Bool {
        let trouble = ring.start(loop, done)
        if trouble != 0 { committer.announce(trouble) }
        return thread.start()
    }

    /// Begins a batch; the result of the one before was taken.
    func commit(_ batch: UnsafeMutablePointer<BatchBuilder>) {
        guard ring.isOpen, batch.pointee.writer.count <= Commits.mostBytes, let write = committer.begin(batch) else {
            return thread.commit(batch)
        }
        began = uv_hrtime()
        let trouble = ring.begin(write)
        guard trouble != 0 else {
            begun = batch
            return
        }
        committer.announce(trouble)
        _ = try? committer.end(-Int(EAGAIN))
        thread.commit(batch)
    }

    /// Whether the kernel has the batch.
    var isInRing: Bool { begun != nil }

    /// What became of the batch; nil while it is being written.
    func takeResult() -> CommitResult? {
        guard let batch = begun else { return thread.takeResult() }
        guard let written = ring.takeResult() else { return nil }
        begun = nil
        do throws(StorageError) {
            guard try committer.end(written) else {
                thread.commit(batch)
                return nil
            }
        } catch {
            return CommitResult(error: error, nanoseconds: uv_hrtime() - began)
        }
        return CommitResult(nanoseconds: uv_hrtime() - began)
    }

    /// Returns when nothing is being written any more.
    func stop() {
        ring.wait()
        thread.stop()
    }
}
