// AnyStorage: the journal's files behind one concrete type, so that what reads them here need not be generic. One indirect
// call for each read of up to 4 MiB.

internal import Journal

struct AnyStorage: Storage {
    let base: any Storage

    init(_ base: any Storage) { self.base = base }

    func list() throws(StorageError) -> [String] { try base.list() }
    func size(_ file: String) throws(StorageError) -> Int { try base.size(file) }
    func createZeroed(_ file: String, size: Int) throws(StorageError) { try base.createZeroed(file, size: size) }
    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try base.read(file, at: offset, into: buffer)
    }
    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try base.write(file, at: offset, bytes)
    }
    func sync(_ file: String) throws(StorageError) { try base.sync(file) }
    func truncate(_ file: String, to size: Int) throws(StorageError) { try base.truncate(file, to: size) }
    func rename(_ from: String, to: String) throws(StorageError) { try base.rename(from, to: to) }
    func remove(_ file: String) throws(StorageError) { try base.remove(file) }
    func syncDirectory() throws(StorageError) { try base.syncDirectory() }
}
