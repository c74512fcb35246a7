// The real disk: the same journal on files, the lock, and what the kernel refuses.

import Core
import FileStorage
import Foundation
import Journal
import Testing

/// A directory that goes away with the test.
private final class Scratch {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "purser-journal-\(UUID().uuidString)"
        try FileStorage.makeStateDirectory(path)
    }
    var journal: String { FileStorage.journalDirectory(of: path) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Test func aJournalOnFilesIsTheSameAsInMemory() throws {
    let scratch = try Scratch()
    let storage = FileStorage(directory: scratch.journal)
    let segmentBytes = 64 * 1024
    let recovered = try Recovery.run(storage, segmentBytes: segmentBytes, newID: testID) { _, _ in }
    var plan = SegmentPlan(recovered, segmentBytes: segmentBytes, batchBytes: 8192, minimum: 4096)
    var writer = JournalWriter(storage: storage, tail: recovered.tail, segmentBytes: segmentBytes)
    var builder = BatchBuilder(capacity: 8192)
    var place = plan.nextPlace(after: 0)
    for n in 0..<100 {
        if case .needsSegment(let number) = place {
            try SegmentPreparer.prepare(storage, number, size: segmentBytes)
            plan.prepared(number)
            place = plan.nextPlace(after: 0)
        }
        guard case .at(let segment, let offset, let limit) = place else {
            Issue.record("no place")
            return
        }
        builder.open(
            segment: segment, offset: offset, limit: limit, firstSequence: writer.tail.nextSequence,
            at: Timestamp(nanoseconds: testStart.nanoseconds + Int64(n)))
        builder.writer.append(catalogueFact: String(repeating: "x", count: n * 20))
        builder.eventCount = 1
        let length = builder.writer.count
        try writer.commit(&builder)
        place = plan.nextPlace(after: length)
    }
    #expect(writer.tail.segment >= 2)

    // Another process sees it, changes nothing, and finds the same end.
    let other = FileStorage(directory: scratch.journal, access: .readOnly)
    var lengths: [Int] = []
    let again = try Recovery.run(other, segmentBytes: segmentBytes, repairs: false) { info, body in
        #expect(info.bodyLength == body.count)
        lengths.append(body.count)
    }
    #expect(again.tail == writer.tail && lengths.count == 100 && again.lastPrepared >= writer.tail.segment)
    #expect(throws: StorageError(operation: .write, errno: EBADF, file: SegmentFormat.fileName(1))) {
        try withUnsafeBytes(of: 1) { try other.write(SegmentFormat.fileName(1), at: 0, $0) }
    }

    // Cut the last file in its last batch: recovery extends it back.
    let last = SegmentFormat.fileName(writer.tail.segment)
    try storage.truncate(last, to: Int(writer.tail.offset) - 16)
    let cut = try Recovery.run(storage, segmentBytes: segmentBytes) { _, _ in }
    #expect(cut.events == 99 && cut.cutBytes > 0 && cut.extendedBytes > 0)
    #expect(try storage.size(last) == segmentBytes)
}

@Test func segmentsAreWrittenZerosNotHoles() throws {
    let scratch = try Scratch()
    let storage = FileStorage(directory: scratch.journal)
    try storage.createZeroed("a", size: 3 << 20)
    var status = stat()
    #expect(stat(scratch.journal + "/a", &status) == 0)
    #expect(status.st_size == 3 << 20 && Int(status.st_blocks) * 512 >= 3 << 20)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(throws: StorageError(operation: .create, errno: EEXIST, file: "a")) { try storage.createZeroed("a", size: 4096) }
    #expect(try storage.size("a") == 3 << 20)
}

/// Runs a command; its exit status.
@discardableResult
private func run(_ command: String...) -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return -1 }
    process.waitUntilExit()
    return process.terminationStatus
}

/// A full disk needs a small file system, and mounting one needs root.
@Test(.enabled(if: geteuid() == 0)) func noRoomIsReportedAndLeavesNoPartialFile() throws {
    let scratch = try Scratch()
    guard run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", scratch.journal) == 0 else { return }
    defer { run("umount", scratch.journal) }
    let storage = FileStorage(directory: scratch.journal)
    let file = SegmentFormat.fileName(1)
    #expect(throws: StorageError(operation: .create, errno: ENOSPC, file: file)) {
        try SegmentPreparer.prepare(storage, 1, size: 2 << 20)
    }
    #expect(try storage.list().isEmpty)
    try SegmentPreparer.prepare(storage, 1, size: 1 << 19)
    #expect(try storage.size(file) == 1 << 19)
}

@Test func durableWritesAreReadBackAndWhatIsRefusedGoesThroughTheCache() throws {
    let scratch = try Scratch()
    let storage = FileStorage(directory: scratch.journal)
    try storage.createZeroed("a", size: 64 * 1024)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 8192, alignment: 4096)
    defer { block.deallocate() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 8)
    defer { buffer.deallocate() }
    func expect(_ byte: UInt8, at place: Int) throws {
        #expect(try storage.read("a", at: 0, into: buffer) == 64 * 1024)
        #expect(buffer[place] == byte && buffer[place + 8191] == byte)
        #expect(buffer[0..<place].allSatisfy { $0 == 0 } && buffer[(place + 8192)...].allSatisfy { $0 == 0 })
    }
    // Read in between, so that the cache has the pages that the next write goes past.
    for byte in 1...3 as ClosedRange<UInt8> {
        block.initializeMemory(as: UInt8.self, repeating: byte)
        try storage.writeDurably("a", at: 8192, UnsafeRawBufferPointer(block))
        try expect(byte, at: 8192)
    }
    // What no file system takes directly, because it begins inside a sector, is the same to whoever reads.
    block.initializeMemory(as: UInt8.self, repeating: 0)
    try storage.writeDurably("a", at: 8192, UnsafeRawBufferPointer(block))
    block.initializeMemory(as: UInt8.self, repeating: 9)
    try storage.writeDurably("a", at: 8200, UnsafeRawBufferPointer(block))
    #expect(!storage.writesDirectly)
    try expect(9, at: 8200)
    #expect(throws: StorageError(operation: .open, errno: ENOENT, file: "b")) {
        try storage.writeDurably("b", at: 0, UnsafeRawBufferPointer(block))
    }
}

@Test func readsStopAtTheEndAndMissingFilesAreErrors() throws {
    let scratch = try Scratch()
    let storage = FileStorage(directory: scratch.journal)
    try storage.createZeroed("a", size: 100)
    try withUnsafeBytes(of: UInt64(7).littleEndian) { try storage.write("a", at: 96, $0) }
    try storage.sync("a")
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
    defer { buffer.deallocate() }
    #expect(try storage.read("a", at: 90, into: buffer) == 14 && buffer[6] == 7)
    #expect(try storage.read("a", at: 104, into: buffer) == 0)
    #expect(throws: StorageError(operation: .open, errno: ENOENT, file: "b")) { try storage.read("b", at: 0, into: buffer) }
    try storage.rename("a", to: "b")
    #expect(try storage.read("b", at: 90, into: buffer) == 14)
    #expect(throws: StorageError(operation: .open, errno: ENOENT, file: "a")) { try storage.read("a", at: 0, into: buffer) }
    try storage.remove("b")
    #expect(throws: StorageError(operation: .open, errno: ENOENT, file: "b")) { try storage.size("b") }
    #expect(throws: StorageError.self) { try FileStorage(directory: scratch.path + "/none").list() }
}

@Test func manyFilesAndThreadsShareAFewDescriptors() async throws {
    let scratch = try Scratch()
    let storage = FileStorage(directory: scratch.journal)
    for n in 0..<20 {
        try storage.createZeroed("f\(n)", size: 64)
        try withUnsafeBytes(of: UInt64(n).littleEndian) { try storage.write("f\(n)", at: 8, $0) }
    }
    let wrong = await withTaskGroup(of: Int.self) { group in
        for task in 0..<8 {
            group.addTask {
                var wrong = 0
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
                defer { buffer.deallocate() }
                for round in 0..<400 {
                    let n = (round * 7 + task * 3) % 20
                    let count = (try? storage.read("f\(n)", at: 8, into: buffer)) ?? 0
                    if count != 8 || buffer.load(as: UInt64.self) != UInt64(n) { wrong += 1 }
                }
                return wrong
            }
        }
        return await group.reduce(0, +)
    }
    #expect(wrong == 0)
    let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter { name in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)"))?.hasPrefix(scratch.journal) ?? false
    }
    #expect(open.count <= 8)
}

@Test func aSecondDaemonIsRefusedUntilTheFirstIsGone() throws {
    let scratch = try Scratch()
    let lock = try DirectoryLock(scratch.path)
    do {
        let second = try DirectoryLock(scratch.path)
        second.unlock()
        Issue.record("locked twice")
    } catch {
        #expect(error == .held(by: getpid()))
    }
    lock.unlock()
    let next = try DirectoryLock(scratch.path)
    next.unlock()
    do {
        let none = try DirectoryLock(scratch.path + "/none")
        none.unlock()
        Issue.record("locked nothing")
    } catch {
        #expect(error == .storage(StorageError(operation: .lock, errno: ENOENT, file: scratch.path + "/none/lock")))
    }
}

@Test func theStateDirectoryIsPrivateAndAFileInItsPlaceIsAnError() throws {
    let scratch = try Scratch()
    var status = stat()
    for path in [scratch.path, scratch.journal] {
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
    }
    try FileStorage.makeStateDirectory(scratch.path)
    try FileStorage.makeStateDirectory(scratch.path + "/a/b/c")
    #expect(FileManager.default.fileExists(atPath: scratch.path + "/a/b/c/journal"))
    _ = FileManager.default.createFile(atPath: scratch.path + "/file", contents: Data())
    #expect(throws: StorageError(operation: .create, errno: ENOTDIR, file: scratch.path + "/file")) {
        try FileStorage.makeStateDirectory(scratch.path + "/file")
    }
    #expect(throws: StorageError.self) { try FileStorage.makeStateDirectory(scratch.path + "/file/below") }
}
