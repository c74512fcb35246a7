// JournalCopy: a journal as it is at one moment, taken while it is written to.
//
// Copying the files as they are would not do: a reader of the last segment may see zeros where a batch is about to be, and, a
// moment later and further on, the batch after it; to a recovery that is damage. So the end is fixed first, by reading: what
// checks out before it never changes again, and only that is copied. Behind the end the last segment of the copy is zeros.

internal import Core

public enum JournalCopy {
    private static let pieceBytes = 1 << 20

    /// Copies what `found`, an inspection of `source`, says is whole, into the empty directory of `copy`, durably. The result is how
    /// many bytes were copied. Segments that are condensed meanwhile make it fail: a second attempt finds what stands for them.
    public static func run<From: Storage, To: Storage>(
        _ source: From, to copy: To, _ found: RecoveredJournal
    ) throws(StorageError) -> Int {
        var total = 0
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 4096)
        defer { piece.deallocate() }
        for range in found.condensed { total += try file(range.fileName, nil, source, copy, piece) }
        guard found.firstSegment > 0 else { return total }
        for number in found.firstSegment...found.tail.segment {
            let end = number == found.tail.segment ? Int(found.tail.offset) : nil
            total += try file(SegmentFormat.fileName(number), end, source, copy, piece)
        }
        try copy.syncDirectory()
        return total
    }

    /// Copies one file; with `end`, as much of it, and zeros for the rest.
    private static func file<From: Storage, To: Storage>(
        _ name: String, _ end: Int?, _ source: From, _ copy: To, _ piece: UnsafeMutableRawBufferPointer
    ) throws(StorageError) -> Int {
        let size = try source.size(name)
        let end = min(end ?? size, size)
        try copy.createZeroed(name, size: end == size ? 0 : size)
        var offset = 0
        while offset < end {
            let wanted = min(piece.count, end - offset)
            let count = try source.read(name, at: offset, into: UnsafeMutableRawBufferPointer(rebasing: piece[..<wanted]))
            guard count > 0 else { throw StorageError(operation: .read, errno: 5, file: name) }
            try copy.write(name, at: offset, UnsafeRawBufferPointer(rebasing: piece[..<count]))
            offset += count
        }
        try copy.sync(name)
        return end
    }
}
