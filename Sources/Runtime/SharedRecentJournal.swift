// SharedRecentJournal: what became durable lately, added to by the loop and read by the books' thread, too.

internal import CUV
public import Core
public import Server

public final class SharedRecentJournal: JournalKeeper, @unchecked Sendable {
    private let recent: RecentJournal
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    /// Copied at a time, so that the loop waits some microseconds at most.
    private static let pieceBytes = 64 * 1024

    public init(capacity: Int = Limits.recentJournalBytes) {
        recent = RecentJournal(capacity: capacity)
        uv_mutex_init(mutex)
    }

    deinit {
        uv_mutex_destroy(mutex)
        mutex.deallocate()
    }

    public func add(_ bytes: UnsafeRawBufferPointer, segment: UInt32, offset: Int) {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        recent.add(bytes, segment: segment, offset: offset)
    }

    public func read(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int {
        var done = 0
        while done < output.count {
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: output[done..<min(output.count, done + SharedRecentJournal.pieceBytes)])
            let count = copy(JournalPosition(segment: position.segment, offset: position.offset + UInt32(truncatingIfNeeded: done)), piece)
            done += count
            if count < piece.count { break }
        }
        return done
    }

    private func copy(_ position: JournalPosition, _ output: UnsafeMutableRawBufferPointer) -> Int {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return recent.read(position, into: output)
    }

    public func clear(_ body: (UnsafeMutableRawPointer, Int) -> Void) {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        recent.clear(body)
    }
}
