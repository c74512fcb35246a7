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

public struct DiskProbe: ~Copyable {
    public static let blockBytes = 4096
    private static let blocks = 256

    private let way: DurableWrite
    private let path: String
    private let descriptor: Int32
    private let buffer: UnsafeMutableRawPointer
    private var written = 0

    /// A file in `directory`, made and synced; nil where that, or this way of writing, is refused. It is removed by `deinit`.
    public init?(_ directory: String, by way: DurableWrite) {
        self.way = way
        path = directory + "/purser-bench-\(getpid()).probe"
        let made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard made >= 0 else { return nil }
        let block = UnsafeMutableRawPointer.allocate(byteCount: DiskProbe.blockBytes, alignment: DiskProbe.blockBytes)
        memset(block, 0, DiskProbe.blockBytes)
        var isMade = true
        for i in 0..<DiskProbe.blocks where isMade {
            isMade = pwrite(made, block, DiskProbe.blockBytes, i * DiskProbe.blockBytes) == DiskProbe.blockBytes
        }
        isMade = isMade && fsync(made) == 0
        let direct = isMade && way == .direct ? purser_open_direct(path) : -1
        guard isMade, way == .sync || direct >= 0 else {
            close(made)
            unlink(path)
            block.deallocate()
            return nil
        }
        if way == .direct { close(made) }
        descriptor = way == .direct ? direct : made
        buffer = block
    }

    deinit {
        close(descriptor)
        unlink(path)
        buffer.deallocate()
    }

    /// Makes one block durable; how long that took in nanoseconds, nil when the disk refused.
    public mutating func write() -> UInt64? {
        memset(buffer, Int32(truncatingIfNeeded: written), DiskProbe.blockBytes)
        let offset = written % DiskProbe.blocks * DiskProbe.blockBytes
        written += 1
        let begin = Clock.monotonic
        switch way {
        case .sync:
            guard pwrite(descriptor, buffer, DiskProbe.blockBytes, offset) == DiskProbe.blockBytes, fdatasync(descriptor) == 0 else {
                return nil
            }
        case .direct:
            guard purser_write_durable(descriptor, buffer, DiskProbe.blockBytes, Int64(offset)) == DiskProbe.blockBytes else { return nil }
        }
        return UInt64(max(0, Clock.monotonic - begin))
    }

    /// Times of single writes in `directory`, for about `nanoseconds` or `most` writes; nil where the file system refuses.
    public static func measure(_ directory: String, by way: DurableWrite, nanoseconds: Int64, most: Int = 4000) -> Histogram? {
        guard var probe = DiskProbe(directory, by: way) else { return nil }
        var histogram = Histogram()
        let end = Clock.monotonic + nanoseconds
        for _ in 0..<most where Clock.monotonic < end {
            guard let took = probe.write() else { return nil }
            histogram.record(took)
        }
        return histogram
    }
}
