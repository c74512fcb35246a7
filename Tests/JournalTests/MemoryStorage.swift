// MemoryStorage: a disk for tests that forgets what was not synced.
//
// Fault model. A write is seen at once by readers, and is durable once its file was synced. A crash keeps, of the writes
// since the last sync, any subset of their 64-byte pieces, in any order. A removed name is gone for certain once the directory
// was synced (`createZeroed` does that itself); until then a crash may bring it back. The Nth call, of all or of one operation,
// may fail; a failed write may have written any prefix, and a failed sync leaves its writes undurable for ever: a later sync
// does not bring them back, as with real kernels.

import Journal
import Synchronization

final class MemoryStorage: Storage {
    struct Write {
        var offset: Int
        var bytes: [UInt8]
    }

    /// A durable write, and what readers saw in its place before.
    struct DurableWrite {
        var file: String
        var offset: Int
        var bytes: [UInt8]
        var before: [UInt8]
        var isAligned: Bool
    }

    struct File {
        /// What readers see.
        var live: [UInt8] = []
        /// What survives for certain.
        var durable: [UInt8] = []
        /// Written since, not synced.
        var pending: [Write] = []

        mutating func persist(_ bytes: ArraySlice<UInt8>, at offset: Int) {
            let end = offset + bytes.count
            if durable.count < end { durable.append(contentsOf: [UInt8](repeating: 0, count: end - durable.count)) }
            durable.replaceSubrange(offset..<end, with: bytes)
        }
    }

    struct State {
        var files: [String: File] = [:]
        /// Removed since the directory was synced.
        var removed: [String: File] = [:]
        var calls = 0
        /// Calls of each operation.
        var counts: [StorageError.Operation: Int] = [:]
        var syncs = 0
        var writes = 0
        /// The call that fails, counted from 1, and whether all later ones do too; of one operation, or of all.
        var failAt = 0
        var failing: StorageError.Operation?
        var persistent = false
        var code: Int32 = 5
        /// Of a failing write, how many bytes get through.
        var shortWrite = 0
        var failed = 0
        var durableWrites: [DurableWrite] = []
    }

    private let state = Mutex(State())

    init(_ files: [String: [UInt8]] = [:]) {
        state.withLock { state in
            for (name, bytes) in files { state.files[name] = File(live: bytes, durable: bytes) }
        }
    }

    // MARK: - For tests

    var calls: Int { state.withLock { $0.calls } }
    /// Calls of each operation since `fail`.
    var counts: [StorageError.Operation: Int] { state.withLock { $0.counts } }
    var syncs: Int { state.withLock { $0.syncs } }
    var writes: Int { state.withLock { $0.writes } }
    var durableWrites: [DurableWrite] { state.withLock { $0.durableWrites } }
    /// Whether the planned failure has happened.
    var hasFailed: Bool { state.withLock { $0.failed > 0 } }

    /// What readers see now.
    var image: [String: [UInt8]] { state.withLock { $0.files.mapValues(\.live) } }

    func edit(_ file: String, _ change: (inout [UInt8]) -> Void) {
        state.withLock { state in
            var bytes = state.files[file]!.live
            change(&bytes)
            state.files[file] = File(live: bytes, durable: bytes)
        }
    }

    /// Counts anew, and fails the call that is then the `call`th, of `operation` alone when one is given. 0: none.
    func fail(
        at call: Int, of operation: StorageError.Operation? = nil, code: Int32, persistent: Bool = false, shortWrite: Int = 0
    ) {
        state.withLock { state in
            state.calls = 0
            state.counts = [:]
            state.failing = operation
            state.failed = 0
            state.failAt = call
            state.code = code
            state.persistent = persistent
            state.shortWrite = shortWrite
        }
    }

    /// What a machine finds after power was lost: synced bytes, and of the rest what `keeps` says, 64 bytes at a time.
    func afterPowerLoss(_ keeps: () -> Bool) -> MemoryStorage {
        state.withLock { state in
            var survivors: [String: [UInt8]] = [:]
            for (name, file) in state.files {
                var survivor = file
                for write in file.pending {
                    for at in stride(from: 0, to: write.bytes.count, by: 64) where keeps() {
                        survivor.persist(write.bytes[at..<min(at + 64, write.bytes.count)], at: write.offset + at)
                    }
                }
                survivors[name] = survivor.durable
            }
            for (name, file) in state.removed where survivors[name] == nil && keeps() { survivors[name] = file.durable }
            return MemoryStorage(survivors)
        }
    }

    // MARK: - Storage

    private static func count(_ state: inout State, _ operation: StorageError.Operation, _ file: String) throws(StorageError) {
        state.calls += 1
        state.counts[operation, default: 0] += 1
        let count = state.failing == nil ? state.calls : operation == state.failing ? state.counts[operation]! : 0
        if state.failAt > 0, count == state.failAt || (state.persistent && count > state.failAt) {
            state.failed += 1
            throw StorageError(operation: operation, errno: state.code, file: file)
        }
    }

    private static func missing(_ operation: StorageError.Operation, _ file: String) -> StorageError {
        StorageError(operation: operation, errno: 2, file: file)
    }

    func list() throws(StorageError) -> [String] {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .list, "")
            return Array(state.files.keys)
        }
    }

    func size(_ file: String) throws(StorageError) -> Int {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .read, file)
            guard let found = state.files[file] else { throw MemoryStorage.missing(.read, file) }
            return found.live.count
        }
    }

    func createZeroed(_ file: String, size: Int) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            guard state.files[file] == nil else { throw StorageError(operation: .create, errno: 17, file: file) }
            do throws(StorageError) {
                try MemoryStorage.count(&state, .create, file)
            } catch {
                // What a crash in the middle leaves; the caller cleans up, or recovery does.
                let partial = [UInt8](repeating: 0, count: size / 3)
                state.files[file] = File(live: partial, durable: partial)
                throw error
            }
            let zeros = [UInt8](repeating: 0, count: size)
            state.files[file] = File(live: zeros, durable: zeros)
            state.removed = [:]
        }
    }

    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .read, file)
            guard let found = state.files[file] else { throw MemoryStorage.missing(.read, file) }
            guard offset < found.live.count else { return 0 }
            let length = min(buffer.count, found.live.count - offset)
            found.live.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: buffer[0..<length])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + length]))
            }
            return length
        }
    }

    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            guard state.files[file] != nil else { throw MemoryStorage.missing(.write, file) }
            state.writes += 1
            var through = bytes.count
            var failure: StorageError?
            do throws(StorageError) { try MemoryStorage.count(&state, .write, file) } catch {
                through = min(through, state.shortWrite)
                failure = error
            }
            let written = Array(bytes.prefix(through))
            if !written.isEmpty {
                let end = offset + through
                let live = state.files[file]!.live.count
                if live < end { state.files[file]!.live.append(contentsOf: [UInt8](repeating: 0, count: end - live)) }
                state.files[file]!.live.replaceSubrange(offset..<end, with: written)
                state.files[file]!.pending.append(Write(offset: offset, bytes: written))
            }
            if let failure { throw failure }
        }
    }

    func sync(_ file: String) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            guard state.files[file] != nil else { throw MemoryStorage.missing(.sync, file) }
            state.syncs += 1
            do throws(StorageError) { try MemoryStorage.count(&state, .sync, file) } catch {
                // The pages are marked clean although they never reached the disk.
                state.files[file]!.pending = []
                throw error
            }
            for write in state.files[file]!.pending { state.files[file]!.persist(write.bytes[...], at: write.offset) }
            state.files[file]!.pending = []
        }
    }

    func writeDurably(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        state.withLock { state in
            let live = state.files[file]?.live ?? []
            state.durableWrites.append(
                DurableWrite(
                    file: file, offset: offset, bytes: Array(bytes), before: Array(live.dropFirst(offset).prefix(bytes.count)),
                    isAligned: UInt(bitPattern: bytes.baseAddress) % 4096 == 0))
        }
        try write(file, at: offset, bytes)
        try sync(file)
    }

    func truncate(_ file: String, to size: Int) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .truncate, file)
            guard var found = state.files[file] else { throw MemoryStorage.missing(.truncate, file) }
            if size < found.live.count {
                found.live.removeLast(found.live.count - size)
            } else {
                found.live.append(contentsOf: [UInt8](repeating: 0, count: size - found.live.count))
            }
            found.durable = found.live
            found.pending = []
            state.files[file] = found
        }
    }

    func rename(_ from: String, to: String) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .rename, from)
            guard let found = state.files.removeValue(forKey: from) else { throw MemoryStorage.missing(.rename, from) }
            state.files[to] = found
        }
    }

    func remove(_ file: String) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .remove, file)
            guard let found = state.files.removeValue(forKey: file) else { throw MemoryStorage.missing(.remove, file) }
            state.removed[file] = found
        }
    }

    func syncDirectory() throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            try MemoryStorage.count(&state, .syncDirectory, "")
            state.removed = [:]
        }
    }
}
