// Storage: the one door to the disk. The journal is written against this protocol, so the same code runs on real files
// (`FileStorage`) and on a simulated disk that forgets what was not synced.
//
// Every call either did what it says or throws; a short write is a failed write. Calls block: writing and syncing happen
// on the journal thread (a write that goes on beside the loop is not made through here), reading a record back may happen on the loop.

/// What failed, and the kernel's number for why.
public struct StorageError: Error, Equatable, Sendable {
    public enum Operation: String, Sendable {
        case open, create, list, read, write, sync, syncDirectory, truncate, rename, remove, lock
    }

    public var operation: Operation
    public var errno: Int32
    public var file: String

    public init(operation: Operation, errno: Int32, file: String) {
        self.operation = operation
        self.errno = errno
        self.file = file
    }
}

/// Files of one flat directory, by name.
public protocol Storage: Sendable {
    /// Names in the directory, in no order.
    func list() throws(StorageError) -> [String]
    /// Size in bytes.
    func size(_ file: String) throws(StorageError) -> Int
    /// Creates a file of `size` bytes of written (not sparse) zeros and makes file and directory entry durable.
    func createZeroed(_ file: String, size: Int) throws(StorageError)
    /// Reads up to `buffer.count` bytes at `offset`; fewer only at the end of the file. The result is the count.
    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int
    /// Writes all of `bytes` at `offset`. Not durable until `sync`.
    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError)
    /// Makes everything written to `file` durable.
    func sync(_ file: String) throws(StorageError)
    /// Writes all of `bytes` at `offset` and makes them durable, in one call where the disk can. Offset and length are multiples
    /// of 4096, and so is the address of `bytes`; the file is that long already. When it throws, any of the sectors may be new.
    func writeDurably(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError)
    func truncate(_ file: String, to size: Int) throws(StorageError)
    func rename(_ from: String, to: String) throws(StorageError)
    func remove(_ file: String) throws(StorageError)
    func syncDirectory() throws(StorageError)
}

extension Storage {
    public func writeDurably(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try write(file, at: offset, bytes)
        try sync(file)
    }
}
