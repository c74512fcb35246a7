// KeyDisk: a disk for the key store's tests that forgets what was not synced, names included, and stops at any call.
//
// A write is seen at once and durable once its file was synced; a created, renamed or removed name is durable once the directory
// was synced. A crash keeps, of the rest, whatever `keeps` says. After call `stopAt` every call fails: that is where the crash is.

import Journal
import Ledger
import Synchronization

final class KeyDisk: Storage {
    private struct Node {
        var live: [UInt8] = []
        var durable: [UInt8] = []
    }

    private struct State {
        var nodes: [Int: Node] = [:]
        var next = 0
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var calls = 0
        var reads = 0
        var stopAt = Int.max
        /// The call that fails, once or for good.
        var failAt = Int.max
        var isPersistent = false
        var code: Int32 = 28
    }

    private let state = Mutex(State())

    init(_ files: [String: [UInt8]] = [:]) {
        state.withLock { state in
            for (name, bytes) in files {
                state.nodes[state.next] = Node(live: bytes, durable: bytes)
                state.names[name] = state.next
                state.durableNames[name] = state.next
                state.next += 1
            }
        }
    }

    // MARK: For tests

    var files: [String: [UInt8]] { state.withLock { state in state.names.mapValues { state.nodes[$0]!.live } } }
    var calls: Int { state.withLock { $0.calls } }
    /// Reads of files.
    var reads: Int { state.withLock { $0.reads } }
    func replace(_ file: String, _ bytes: [UInt8]) {
        state.withLock { state in
            if let node = state.names[file] { state.nodes[node] = Node(live: bytes, durable: bytes) }
        }
    }
    func stop(at call: Int) { state.withLock { $0.stopAt = $0.calls + call } }
    /// No more failures.
    func heal() { state.withLock { $0.failAt = .max } }
    func fail(at call: Int, code: Int32 = 28, persistent: Bool = false) {
        state.withLock { state in
            state.failAt = state.calls + call
            state.isPersistent = persistent
            state.code = code
        }
    }

    /// What is there after power was lost.
    func afterPowerLoss(_ keeps: () -> Bool) -> KeyDisk {
        state.withLock { state in
            var files: [String: [UInt8]] = [:]
            for name in Set(state.names.keys).union(state.durableNames.keys).sorted() {
                let (old, new) = (state.durableNames[name], state.names[name])
                guard let node = old == new || !keeps() ? old : new, let found = state.nodes[node] else { continue }
                var bytes = found.durable
                if found.live != bytes {
                    // Pieces of 512 bytes, each new or old.
                    let size = keeps() ? found.live.count : bytes.count
                    bytes += [UInt8](repeating: 0, count: max(0, size - bytes.count))
                    for start in stride(from: 0, to: min(size, found.live.count), by: 512) where keeps() {
                        let end = min(start + 512, found.live.count, size)
                        bytes.replaceSubrange(start..<end, with: found.live[start..<end])
                    }
                }
                files[name] = bytes
            }
            return KeyDisk(files)
        }
    }

    // MARK: Storage

    private static func count(_ state: inout State, _ operation: StorageError.Operation, _ file: String) throws(StorageError) {
        state.calls += 1
        if state.calls >= state.stopAt { throw StorageError(operation: operation, errno: 5, file: file) }
        let fails = state.isPersistent ? state.calls >= state.failAt : state.calls == state.failAt
        if fails { throw StorageError(operation: operation, errno: state.code, file: file) }
    }

    private static func node(_ state: State, _ operation: StorageError.Operation, _ file: String) throws(StorageError) -> Int {
        guard let node = state.names[file] else { throw StorageError(operation: operation, errno: 2, file: file) }
        return node
    }

    func list() throws(StorageError) -> [String] {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .list, "")
            return Array(state.names.keys)
        }
    }

    func size(_ file: String) throws(StorageError) -> Int {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .read, file)
            return state.nodes[try KeyDisk.node(state, .read, file)]!.live.count
        }
    }

    func createZeroed(_ file: String, size: Int) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .create, file)
            guard state.names[file] == nil else { throw StorageError(operation: .create, errno: 17, file: file) }
            let zeros = [UInt8](repeating: 0, count: size)
            state.nodes[state.next] = Node(live: zeros, durable: zeros)
            state.names[file] = state.next
            state.durableNames[file] = state.next
            state.next += 1
        }
    }

    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .read, file)
            state.reads += 1
            let bytes = state.nodes[try KeyDisk.node(state, .read, file)]!.live
            guard offset < bytes.count else { return 0 }
            let length = min(buffer.count, bytes.count - offset)
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + length]))
            }
            return length
        }
    }

    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            let node = try KeyDisk.node(state, .write, file)
            var written = Array(bytes)
            var failure: StorageError?
            do throws(StorageError) { try KeyDisk.count(&state, .write, file) } catch {
                // Half of it gets through.
                written.removeLast(written.count / 2)
                failure = error
            }
            let end = offset + written.count
            let there = state.nodes[node]!.live.count
            if there < end { state.nodes[node]!.live += [UInt8](repeating: 0, count: end - there) }
            state.nodes[node]!.live.replaceSubrange(offset..<end, with: written)
            if let failure { throw failure }
        }
    }

    func sync(_ file: String) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .sync, file)
            let node = try KeyDisk.node(state, .sync, file)
            state.nodes[node]!.durable = state.nodes[node]!.live
        }
    }

    func truncate(_ file: String, to size: Int) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .truncate, file)
            let node = try KeyDisk.node(state, .truncate, file)
            state.nodes[node]!.live = Array(state.nodes[node]!.live.prefix(size))
        }
    }

    func rename(_ from: String, to: String) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .rename, from)
            state.names[to] = try KeyDisk.node(state, .rename, from)
            state.names[from] = nil
        }
    }

    func remove(_ file: String) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .remove, file)
            _ = try KeyDisk.node(state, .remove, file)
            state.names[file] = nil
        }
    }

    func syncDirectory() throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try KeyDisk.count(&state, .syncDirectory, "")
            state.durableNames = state.names
        }
    }
}
