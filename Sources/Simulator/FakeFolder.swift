// FakeFolder: one directory of the fake disk, as the journal, the key store and the books see it.

internal import Core
internal import Journal

struct FakeFolder: Storage {
    let disk: FakeDisk
    let index: Int

    init(_ disk: FakeDisk, _ name: FakeDisk.FolderName) {
        self.disk = disk
        index = name.rawValue
    }

    private func error(_ operation: StorageError.Operation, _ errno: Int32, _ file: String) -> StorageError {
        StorageError(operation: operation, errno: errno, file: file)
    }

    private func find(_ operation: StorageError.Operation, _ file: String) throws(StorageError) -> FakeDisk.File {
        guard let found = disk.folders[index].files[file] else { throw error(operation, 2, file) }
        return found
    }

    /// For calls that do all or nothing: whether the process dies after it did its work.
    private func begin(_ operation: StorageError.Operation, _ file: String) throws(StorageError) -> Bool {
        switch disk.fate(operation, file) {
        case .happens: return false
        case .fails(let code): throw error(operation, code, file)
        case .dies(after: true): return true
        case .dies(after: false): throw error(operation, FakeDisk.inputOutput, file)
        }
    }

    private func end(_ dies: Bool, _ operation: StorageError.Operation, _ file: String) throws(StorageError) {
        if dies { throw error(operation, FakeDisk.inputOutput, file) }
    }

    // MARK: Storage

    func list() throws(StorageError) -> [String] {
        try end(try begin(.list, ""), .list, "")
        // In no order: a directory is a hash table.
        var names = disk.folders[index].files.keys.sorted()
        for i in stride(from: names.count - 1, to: 0, by: -1) { names.swapAt(i, disk.dice.below(i + 1)) }
        return names
    }

    func size(_ file: String) throws(StorageError) -> Int {
        try end(try begin(.read, file), .read, file)
        return try find(.read, file).live.count
    }

    func createZeroed(_ file: String, size: Int) throws(StorageError) {
        let dies = try begin(.create, file)
        guard disk.folders[index].files[file] == nil else { throw error(.create, 17, file) }
        let made = FakeDisk.File()
        disk.folders[index].files[file] = made
        disk.folders[index].changes.append(.made(file, made))
        disk.record.note("create", "\(disk.folders[index].name)/\(file)", size)
        if dies {
            // Some of the zeros, none of it synced.
            disk.lengthen(made, to: disk.dice.below(size + 1))
            throw error(.create, FakeDisk.inputOutput, file)
        }
        do throws(StorageError) {
            let room = max(0, disk.capacity - disk.usedBytes)
            if size > room {
                disk.lengthen(made, to: room)
                disk.record.coverage[.noSpace] += 1
                throw error(.create, FakeDisk.noSpace, file)
            }
            disk.lengthen(made, to: size)
            try synced(made, .create, file)
            try syncDirectory()
        } catch {
            // As on the real disk: what was made in part is taken away. A process that died takes nothing away.
            if !disk.isDead { unlink(file) }
            throw StorageError(operation: .create, errno: error.errno, file: file)
        }
    }

    private func synced(_ found: FakeDisk.File, _ operation: StorageError.Operation, _ file: String) throws(StorageError) {
        switch disk.fate(.sync, file) {
        case .happens: disk.persist(found)
        case .fails(let code):
            disk.persistPartly(found)
            throw error(operation, code, file)
        case .dies(let after):
            if after { disk.persist(found) }
            throw error(operation, FakeDisk.inputOutput, file)
        }
    }

    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try end(try begin(.read, file), .read, file)
        let found = try find(.read, file)
        guard offset < found.live.count, buffer.count > 0 else { return 0 }
        let length = min(buffer.count, found.live.count - offset)
        found.live.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(rebasing: buffer[0..<length])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + length]))
        }
        return length
    }

    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        let found = try find(.write, file)
        var through = bytes.count
        var code: Int32 = 0
        switch disk.fate(.write, file) {
        case .happens: break
        case .fails(let errno): (through, code) = (disk.dice.below(bytes.count + 1), errno)
        case .dies(let after): (through, code) = (after ? bytes.count : disk.dice.below(bytes.count + 1), FakeDisk.inputOutput)
        }
        let growth = offset + through - found.live.count
        let room = max(0, disk.capacity - disk.usedBytes)
        if growth > room {
            through = max(0, through - (growth - room))
            code = FakeDisk.noSpace
            disk.record.coverage[.noSpace] += 1
        }
        if through < bytes.count, through > 0 { disk.record.coverage[.shortWrites] += 1 }
        let part = UnsafeRawBufferPointer(rebasing: bytes[..<through])
        if through > 0 { disk.change(found, offset, part) }
        disk.record.note("write", "\(disk.folders[index].name)/\(file)", offset, Int(crc32c(part)))
        if code != 0 { throw error(.write, code, file) }
    }

    func sync(_ file: String) throws(StorageError) {
        let found = try find(.sync, file)
        disk.record.note("sync", "\(disk.folders[index].name)/\(file)")
        if disk.skipsSyncs > 0, index == FakeDisk.FolderName.journal.rawValue, disk.dice.below(disk.skipsSyncs) == 0 { return }
        try synced(found, .sync, file)
    }

    func truncate(_ file: String, to size: Int) throws(StorageError) {
        let dies = try begin(.truncate, file)
        let found = try find(.truncate, file)
        if size < found.live.count {
            // Simpler than the truth, and enough: the shorter length is durable at once.
            found.live.removeLast(found.live.count - size)
            found.durable.removeLast(max(0, found.durable.count - size))
            found.pages.removeLast(found.pages.count - (size + FakeDisk.page - 1) / FakeDisk.page)
        } else {
            disk.lengthen(found, to: size)
        }
        try end(dies, .truncate, file)
    }

    func rename(_ from: String, to: String) throws(StorageError) {
        let dies = try begin(.rename, from)
        let found = try find(.rename, from)
        disk.folders[index].files[from] = nil
        disk.folders[index].files[to] = found
        disk.folders[index].changes.append(.renamed(from, to, found))
        disk.record.note("rename", "\(disk.folders[index].name)/\(from)")
        try end(dies, .rename, from)
    }

    func remove(_ file: String) throws(StorageError) {
        let dies = try begin(.remove, file)
        _ = try find(.remove, file)
        unlink(file)
        try end(dies, .remove, file)
    }

    private func unlink(_ file: String) {
        disk.folders[index].files[file] = nil
        disk.folders[index].changes.append(.removed(file))
        disk.record.note("remove", "\(disk.folders[index].name)/\(file)")
    }

    func syncDirectory() throws(StorageError) {
        let dies = try begin(.syncDirectory, "")
        if disk.skipsDirectorySyncs, index == FakeDisk.FolderName.journal.rawValue { return }
        disk.folders[index].durable = disk.folders[index].files
        disk.folders[index].changes = []
        try end(dies, .syncDirectory, "")
    }
}
