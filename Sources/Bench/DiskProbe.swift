// DiskProbe: what the disk itself takes to make 4 KiB durable, measured beside the server's files in the same run: no promise about
// an answer can be better than this. A file is written with zeros, synced, and then overwritten in place, as the journal
// would at best: no block is allocated and no size changes while it is measured.

import CLinux
import Glibc

/// How a write was made durable.
public enum DurableWrite: String, CaseIterable, Sendable {
    /// write, then fdatasync.
    case sync
    /// Past the page cache, the write itself durable (O_DIRECT and RWF_DSYNC).
    case direct
}

public struct DiskProbe: Sendable {
    public static let blockBytes = 4096
    private static let blocks = 256

    /// Times of single writes in `directory`, for about `nanoseconds` or `most` writes; nil where the file system refuses.
    public static func measure(_ directory: String, by way: DurableWrite, nanoseconds: Int64, most: Int = 4000) -> Histogram? {
        let path = directory + "/purser-bench-\(getpid()).probe"
        let made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard made >= 0 else { return nil }
        defer { unlink(path) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: blockBytes, alignment: blockBytes)
        defer { buffer.deallocate() }
        memset(buffer, 0, blockBytes)
        for i in 0..<blocks where pwrite(made, buffer, blockBytes, i * blockBytes) != blockBytes {
            close(made)
            return nil
        }
        guard fsync(made) == 0 else {
            close(made)
            return nil
        }
        var descriptor = made
        if way == .direct {
            close(made)
            descriptor = purser_open_direct(path)
            guard descriptor >= 0 else { return nil }
        }
        defer { close(descriptor) }
        var histogram = Histogram()
        let end = Clock.monotonic + nanoseconds
        var now = Clock.monotonic
        for i in 0..<most where now < end {
            memset(buffer, Int32(truncatingIfNeeded: i), blockBytes)
            let offset = i % blocks * blockBytes
            switch way {
            case .sync: guard pwrite(descriptor, buffer, blockBytes, offset) == blockBytes, fdatasync(descriptor) == 0 else { return nil }
            case .direct: guard purser_write_durable(descriptor, buffer, blockBytes, Int64(offset)) == blockBytes else { return nil }
            }
            let after = Clock.monotonic
            histogram.record(UInt64(after - now))
            now = after
        }
        return histogram
    }
}
