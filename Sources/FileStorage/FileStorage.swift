// FileStorage: the journal's storage on real files of one directory.
//
// Calls block and may come from several threads at once: the journal thread writes while the loop reads a record back and
// a worker zero-fills the next segment. Descriptors are kept open in a small table, because opening costs more than the
// read. An interrupted call is made again; a short write is continued until the kernel says why it stopped. A sync is never
// made again, an interrupted one included: Linux hands a write-back error out once, and a sync that ends with EINTR takes it
// along unseen (`file_write_and_wait_range` reports the first of two errors and forgets both).
//
// Durable writes go past the page cache (`O_DIRECT`, `RWF_DSYNC`), and so do the zeros of a new segment: the pages would be
// copied, written back and thrown away for nothing, and on a machine whose memory is not in use yet each costs microseconds to get.
// Who reads the journal reads through the cache, which the kernel keeps in line with such writes. Where the file system
// refuses, before anything was written, it is a write through the cache and an `fdatasync`, from then on.

internal import CLinux
internal import Core
internal import Glibc
public import Journal
internal import Synchronization

public final class FileStorage: Storage {
    public enum Access: Sendable {
        /// For tools: nothing is ever changed.
        case readOnly
        case readWrite
    }

    public let directory: String
    public let access: Access
    private let table = Mutex(DescriptorTable())
    private let cannotWriteDirectly = Atomic<Bool>(false)

    /// Whether the file system takes durable writes past the page cache, as far as was tried.
    public var writesDirectly: Bool { !cannotWriteDirectly.load(ordering: .relaxed) }

    /// Works on an existing directory; `makeStateDirectory` makes one.
    public init(directory: String, access: Access = .readWrite) {
        self.directory = directory
        self.access = access
    }

    deinit { table.withLock { $0.closeAll() } }

    private func path(_ file: String) -> String { directory + "/" + file }

    private func error(_ operation: StorageError.Operation, _ file: String, _ code: Int32 = errno) -> StorageError {
        StorageError(operation: operation, errno: code, file: file)
    }

    // MARK: - Descriptors

    /// `body` gets -1 when `direct` is asked for and the file system has no way past the page cache.
    private func withDescriptor<R>(
        _ file: String, direct: Bool = false, _ body: (Int32) throws(StorageError) -> R
    ) throws(StorageError) -> R {
        if let slot = table.withLock({ $0.take(file, direct: direct) }) {
            defer { table.withLock { $0.give(slot) } }
            return try body(slot.descriptor)
        }
        let flags = access == .readOnly ? O_RDONLY : O_RDWR
        let descriptor = retrying { open(path(file), flags | O_CLOEXEC) }
        guard descriptor >= 0 else { throw error(.open, file) }
        if direct, purser_set_direct(descriptor, 1) != 0 {
            close(descriptor)
            return try body(-1)
        }
        guard let slot = table.withLock({ $0.insert(file, descriptor, direct: direct) }) else {
            // Every slot is in use: this descriptor lives for one call.
            defer { close(descriptor) }
            return try body(descriptor)
        }
        defer { table.withLock { $0.give(slot) } }
        return try body(slot.descriptor)
    }

    private func forget(_ file: String) { table.withLock { $0.forget(file) } }

    // MARK: - Storage

    public func list() throws(StorageError) -> [String] {
        guard let stream = opendir(directory) else { throw error(.list, directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw error(.list, directory) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    public func size(_ file: String) throws(StorageError) -> Int {
        try withDescriptor(file) { (descriptor) throws(StorageError) in
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw error(.read, file) }
            return Int(status.st_size)
        }
    }

    public func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return 0 }
        return try withDescriptor(file) { (descriptor) throws(StorageError) in
            var done = 0
            while done < buffer.count {
                let count = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw error(.read, file)
                }
                if count == 0 { break }
                done += count
            }
            return done
        }
    }

    public func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try withDescriptor(file) { (descriptor) throws(StorageError) in
            let code = writeAll(descriptor, bytes, at: offset)
            guard code == 0 else { throw error(.write, file, code) }
        }
    }

    public func sync(_ file: String) throws(StorageError) {
        try withDescriptor(file) { (descriptor) throws(StorageError) in
            guard fdatasync(descriptor) == 0 else { throw error(.sync, file) }
        }
    }

    public func writeDurably(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        if writesDirectly {
            if try writeDirectly(file, at: offset, bytes) { return }
            cannotWriteDirectly.store(true, ordering: .relaxed)
        }
        try write(file, at: offset, bytes)
        try sync(file)
    }

    /// False when the file system does not do this; then nothing was written.
    private func writeDirectly(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) -> Bool {
        try withDescriptor(file, direct: true) { (descriptor) throws(StorageError) in
            guard descriptor >= 0 else { return false }
            guard let base = bytes.baseAddress else { return true }
            var done = 0
            var pieces = 0
            while done < bytes.count {
                let count = Int(purser_write_durable(descriptor, base + done, bytes.count - done, Int64(offset + done)))
                if count < 0 {
                    if pieces == 0, errno == EINVAL || errno == EOPNOTSUPP { return false }
                    // An interrupted one too: its sync may have taken an error along.
                    throw error(.write, file)
                }
                // A short write ends at a sector; it goes on from the block that holds it.
                pieces += 1
                done = done + count == bytes.count ? bytes.count : (done + count) & ~(FileStorage.blockBytes - 1)
                guard pieces < FileStorage.mostPieces || done == bytes.count else { throw error(.write, file, EIO) }
            }
            return true
        }
    }

    /// A file opened for writing past the page cache, for whoever has the kernel write to it and goes on meanwhile. It stays open until
    /// it is given back.
    public struct LentFile {
        fileprivate let slot: DescriptorTable.Slot
        public var descriptor: Int32 { slot.descriptor }
    }

    /// Lends the file if a durable write has been made to it.
    public func lend(_ file: String) -> LentFile? {
        guard writesDirectly, let slot = table.withLock({ $0.take(file, direct: true) }) else { return nil }
        return LentFile(slot: slot)
    }

    public func giveBack(_ lent: LentFile) { table.withLock { $0.give(lent.slot) } }

    private static let blockBytes = 4096
    /// Pieces that the kernel may take one durable write in.
    private static let mostPieces = 64

    public func truncate(_ file: String, to size: Int) throws(StorageError) {
        try withDescriptor(file) { (descriptor) throws(StorageError) in
            guard retrying({ ftruncate(descriptor, off_t(size)) }) == 0 else { throw error(.truncate, file) }
        }
    }

    public func rename(_ from: String, to: String) throws(StorageError) {
        guard Glibc.rename(path(from), path(to)) == 0 else { throw error(.rename, from) }
        forget(from)
        forget(to)
    }

    public func remove(_ file: String) throws(StorageError) {
        guard unlink(path(file)) == 0 else { throw error(.remove, file) }
        forget(file)
    }

    public func syncDirectory() throws(StorageError) {
        let descriptor = retrying { open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw error(.syncDirectory, directory) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw error(.syncDirectory, directory) }
    }

    /// Writes the zeros in pieces of 1 MiB, past the page cache where that can be done. On failure the partial file is removed. An
    /// existing file is never touched.
    public func createZeroed(_ file: String, size: Int) throws(StorageError) {
        let descriptor = retrying { open(path(file), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600)) }
        guard descriptor >= 0 else { throw error(.create, file) }
        defer { close(descriptor) }
        var failure: StorageError?
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, min(size, 1 << 20)), alignment: 4096)
        piece.initializeMemory(as: UInt8.self, repeating: 0)
        defer { piece.deallocate() }
        var isDirect = size % FileStorage.blockBytes == 0 && purser_set_direct(descriptor, 1) == 0
        var offset = 0
        while offset < size, failure == nil {
            let length = min(piece.count, size - offset)
            let zeros = UnsafeRawBufferPointer(rebasing: piece[0..<length])
            var code = writeAll(descriptor, zeros, at: offset)
            if code == EINVAL, isDirect, purser_set_direct(descriptor, 0) == 0 {
                isDirect = false
                code = writeAll(descriptor, zeros, at: offset)
            }
            if code != 0 { failure = error(.create, file, code) }
            offset += length
        }
        if failure == nil, fsync(descriptor) != 0 { failure = error(.create, file) }
        if failure == nil {
            do { try syncDirectory() } catch { failure = error }
        }
        if let failure {
            unlink(path(file))
            throw failure
        }
    }
}

/// Makes a call again while it is interrupted.
@inline(__always)
func retrying(_ call: () -> Int32) -> Int32 {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// Writes all bytes; the result is 0 or the kernel's number for why it stopped.
private func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int32 {
    guard let base = bytes.baseAddress else { return 0 }
    var done = 0
    while done < bytes.count {
        let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
        if count < 0 {
            if errno == EINTR { continue }
            return errno
        }
        if count == 0 { return EIO }
        done += count
    }
    return 0
}
