// RehearsedStorage: files that are read as they are, while what is written to them goes no further than a list. A recovery on it
// is the recovery of a start, and changes nothing.

public import Journal
internal import Synchronization

/// One change to one file.
public struct RehearsedChange: Equatable, Sendable {
    public enum Kind: String, Sendable {
        /// Bytes that are there are set to others: of a recovery, to zero.
        case cut
        /// Zeros are added at the end.
        case extended
        case removed
    }

    public var kind: Kind
    public var file: String
    /// The first byte that changes, and how many do. Of a removed file, all.
    public var offset: Int
    public var bytes: Int

    public init(kind: Kind, file: String, offset: Int, bytes: Int) {
        self.kind = kind
        self.file = file
        self.offset = offset
        self.bytes = bytes
    }
}

public final class RehearsedStorage<Base: Storage>: Storage {
    private struct State {
        var changes: [RehearsedChange] = []
        /// Of files that were extended.
        var sizes: [String: Int] = [:]
        var removed: Set<String> = []
    }

    private static var readOnly: Int32 { 30 }

    private let base: Base
    private let state = Mutex(State())

    public init(_ base: Base) { self.base = base }

    /// What was changed, in order; what was written as it stood already is not among it.
    public var changes: [RehearsedChange] { state.withLock { $0.changes } }

    public func list() throws(StorageError) -> [String] {
        let removed = state.withLock { $0.removed }
        return try base.list().filter { !removed.contains($0) }
    }

    public func size(_ file: String) throws(StorageError) -> Int {
        if let known = state.withLock({ $0.sizes[file] }) { return known }
        return try base.size(file)
    }

    /// Bytes of the file as it is: a recovery never reads what it wrote.
    public func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try base.read(file, at: offset, into: buffer)
    }

    public func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        let size = try size(file)
        let before = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
        defer { before.deallocate() }
        before.initializeMemory(as: UInt8.self, repeating: 0)
        var count = 0
        while count < bytes.count {
            let read = try base.read(file, at: offset + count, into: UnsafeMutableRawBufferPointer(rebasing: before[count...]))
            if read == 0 { break }
            count += read
        }
        let there = 0..<min(bytes.count, max(0, size - offset))
        if let first = there.first(where: { before[$0] != bytes[$0] }), let last = there.last(where: { before[$0] != bytes[$0] }) {
            note(RehearsedChange(kind: .cut, file: file, offset: offset + first, bytes: last + 1 - first))
        }
        if offset + bytes.count > size {
            note(RehearsedChange(kind: .extended, file: file, offset: size, bytes: offset + bytes.count - size))
            state.withLock { $0.sizes[file] = offset + bytes.count }
        }
    }

    /// Long stretches are written in pieces: they are one change.
    private func note(_ change: RehearsedChange) {
        state.withLock { state in
            if let last = state.changes.last, last.kind == change.kind, last.file == change.file, last.offset + last.bytes == change.offset
            {
                state.changes[state.changes.count - 1].bytes += change.bytes
            } else {
                state.changes.append(change)
            }
        }
    }

    public func remove(_ file: String) throws(StorageError) {
        let size = try size(file)
        state.withLock { state in
            state.changes.append(RehearsedChange(kind: .removed, file: file, offset: 0, bytes: size))
            state.removed.insert(file)
        }
    }

    public func sync(_ file: String) throws(StorageError) {}
    public func syncDirectory() throws(StorageError) {}

    // No part of a recovery.

    public func createZeroed(_ file: String, size: Int) throws(StorageError) { throw Self.refusal(.create, file) }
    public func truncate(_ file: String, to size: Int) throws(StorageError) { throw Self.refusal(.truncate, file) }
    public func rename(_ from: String, to: String) throws(StorageError) { throw Self.refusal(.rename, from) }

    private static func refusal(_ operation: StorageError.Operation, _ file: String) -> StorageError {
        StorageError(operation: operation, errno: readOnly, file: file)
    }
}
