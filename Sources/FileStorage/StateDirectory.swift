// StateDirectory: makes the directory a daemon keeps its state in, and holds the lock that keeps a second daemon out.

internal import Glibc
public import Journal

extension FileStorage {
    /// Where the journal is inside a state directory.
    public static func journalDirectory(of state: String) -> String { state + "/journal" }

    /// Where the files of idempotency keys are.
    public static func keysDirectory(of state: String) -> String { state + "/keys" }

    /// Where others that read the journal keep their positions; need not exist.
    public static func followersDirectory(of state: String) -> String { state + "/followers" }

    /// Makes the state directory with its parents, and the directories of journal and keys in it, each readable by their owner only,
    /// and makes their names durable. Existing directories stay as they are; one that cannot be written, or a file in its
    /// place, is an error (`create`, with EACCES, ENOTDIR, …).
    public static func makeStateDirectory(_ state: String) throws(StorageError) {
        try makeDirectory(state, withParents: true)
        try makeDirectory(journalDirectory(of: state), withParents: false)
        try makeDirectory(keysDirectory(of: state), withParents: false)
    }

    private static func makeDirectory(_ path: String, withParents: Bool) throws(StorageError) {
        if mkdir(path, mode_t(0o700)) != 0 {
            let code = errno
            if code == ENOENT, withParents, let parent = parent(of: path) {
                try makeDirectory(parent, withParents: true)
                guard mkdir(path, mode_t(0o700)) == 0 || errno == EEXIST else {
                    throw StorageError(operation: .create, errno: errno, file: path)
                }
            } else if code != EEXIST {
                throw StorageError(operation: .create, errno: code, file: path)
            }
        } else {
            try FileStorage(directory: parent(of: path) ?? ".").syncDirectory()
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw StorageError(operation: .create, errno: errno, file: path) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw StorageError(operation: .create, errno: ENOTDIR, file: path) }
        guard Glibc.access(path, R_OK | W_OK | X_OK) == 0 else { throw StorageError(operation: .create, errno: errno, file: path) }
    }

    private static func parent(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// Why a state directory could not be locked.
public enum LockError: Error, Equatable, Sendable {
    /// Another process holds it; its id when it could be read.
    case held(by: Int32?)
    case storage(StorageError)
}

/// The lock of a state directory. The kernel gives it up with the process, however that ends, so no stale lock is left.
public struct DirectoryLock: ~Copyable {
    private let descriptor: Int32

    /// Locks `STATE/lock` and writes this process's id into it.
    public init(_ state: String) throws(LockError) {
        let path = state + "/lock"
        let descriptor = retrying { open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600)) }
        guard descriptor >= 0 else { throw .storage(StorageError(operation: .lock, errno: errno, file: path)) }
        guard retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            let holder = DirectoryLock.holder(descriptor)
            close(descriptor)
            throw code == EWOULDBLOCK ? .held(by: holder) : .storage(StorageError(operation: .lock, errno: code, file: path))
        }
        self.descriptor = descriptor
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
    }

    deinit { close(descriptor) }

    /// Keeps it until the process has ended, with all its threads.
    public consuming func keep() { discard self }

    /// Gives the lock up.
    public consuming func unlock() {}

    /// The process id that the holder wrote.
    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 1 else { return nil }
        return Int32(String(decoding: bytes[0..<count], as: UTF8.self).prefix { $0 != "\n" })
    }
}
