// KeyWork: the idempotency keys' files are written and merged elsewhere; here is what is handed out and taken back. One piece of
// work is out at a time.

internal import Core
public import Journal
internal import Ledger

/// A piece of work on the files of keys.
public final class KeyJob: BackgroundJob, @unchecked Sendable {
    private let store: KeyStore
    private let work: KeyWork
    var result = KeyResult.retired

    init(_ store: KeyStore, _ work: KeyWork) {
        self.store = store
        self.work = work
    }

    /// Whether memory is waiting for it. What is not urgent may be done at leisure.
    public var isUrgent: Bool { work.isUrgent }

    /// Does the work. May take some tenths of a second.
    public func perform() { result = store.perform(work) }
}

extension Server {
    /// The next piece of work on the files of keys; nil when there is none or the last one is not back. Called once a turn.
    public mutating func startKeyJob(at instant: Instant) -> KeyJob? {
        guard let keys else { return nil }
        let end = pipelineBox.pointee.durableEnd
        return ledger.dedup.nextWork(durableEnd: end, now: instant.monotonic).map { KeyJob(keys, $0) }
    }

    /// Takes a piece of work back. The result is what failed and is tried again, for the log. When a file was found to be
    /// damaged, `failure` is set instead, and nothing is acknowledged any more.
    public mutating func finishKeyJob(_ job: KeyJob, at instant: Instant) -> StorageError? {
        let trouble = ledger.dedup.finished(job.result, now: instant.monotonic)
        resumeStalled(at: instant)
        guard let trouble else { return nil }
        if trouble.isFatal { failure = trouble.failure }
        return trouble.isFatal ? nil : trouble.failure
    }
}
