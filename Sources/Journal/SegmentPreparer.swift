// SegmentPreparer: zero-fills the next segment, on a worker thread. Overwriting written zeros in place costs a third of
// what a growing file does per commit, and it needs no room that is not already had.

public enum SegmentPreparer {
    /// Makes segment `number`: `size` bytes of zeros, durable. A blank file of the right size is synced and taken, a blank
    /// one of another size is made anew, one that holds anything is left alone (`create`, EEXIST). When it fails, no
    /// partial file stays behind, as far as the disk allows.
    public static func prepare<S: Storage>(_ storage: S, _ number: UInt32, size: Int) throws(StorageError) {
        let file = SegmentFormat.fileName(number)
        if try storage.list().contains(file) {
            let present = try storage.size(file)
            var window = SegmentWindow(storage, capacity: min(1 << 20, max(4096, present)))
            window.open(file)
            guard try window.rest(after: 0, segment: number, seed: 0, end: present).lastNonZero == nil else {
                throw StorageError(operation: .create, errno: StorageError.fileExists, file: file)
            }
            if present == size {
                // Whoever made it may have been stopped before it was durable.
                try storage.sync(file)
                try storage.syncDirectory()
                return
            }
            try storage.remove(file)
            try storage.syncDirectory()
        }
        do {
            try storage.createZeroed(file, size: size)
        } catch {
            // The first error is the one to report; what is left, if anything, is blank and recovery removes it.
            try? storage.remove(file)
            try? storage.syncDirectory()
            throw error
        }
    }
}

extension StorageError {
    /// Linux `EEXIST`.
    static let fileExists: Int32 = 17
    /// Linux `ENOSPC`.
    public static let noSpace: Int32 = 28
    /// Linux `EIO`.
    public static let inputOutput: Int32 = 5
    /// Linux `EBADMSG`: what was read is not what was written.
    public static let badMessage: Int32 = 74
}
