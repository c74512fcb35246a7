// FuzzDisk: files in memory that never fail. A file is its first bytes and a length: making a segment of zeros costs nothing.

import Journal
import Synchronization

final class FuzzDisk: Storage {
    struct File: Equatable, Sendable {
        var bytes: [UInt8]
        var size: Int

        init(_ bytes: [UInt8], size: Int? = nil) {
            self.bytes = bytes
            self.size = size ?? bytes.count
        }

        /// Without zeros at the end of what is kept: equal files are equal values.
        var trimmed: File {
            var copy = self
            while copy.bytes.last == 0 { copy.bytes.removeLast() }
            return copy
        }
    }

    private let state: Mutex<[String: File]>

    init(_ files: [String: File] = [:]) { state = Mutex(files) }

    var files: [String: File] { state.withLock { $0.mapValues(\.trimmed) } }

    private func change(
        _ file: String, _ operation: StorageError.Operation, _ body: (inout File) -> Void
    ) throws(StorageError) {
        let isThere = state.withLock { files in
            guard files[file] != nil else { return false }
            body(&files[file]!)
            return true
        }
        if !isThere { throw StorageError(operation: operation, errno: 2, file: file) }
    }

    func list() throws(StorageError) -> [String] { state.withLock { $0.keys.sorted() } }

    func size(_ file: String) throws(StorageError) -> Int {
        guard let size = state.withLock({ $0[file]?.size }) else { throw StorageError(operation: .read, errno: 2, file: file) }
        return size
    }

    func createZeroed(_ file: String, size: Int) throws(StorageError) {
        let isNew = state.withLock { files in
            guard files[file] == nil else { return false }
            files[file] = File([], size: size)
            return true
        }
        if !isNew { throw StorageError(operation: .create, errno: 17, file: file) }
    }

    func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        let count = state.withLock { files -> Int? in
            guard let found = files[file] else { return nil }
            let count = max(0, min(buffer.count, found.size - offset))
            let kept = max(0, min(count, found.bytes.count - offset))
            if kept > 0 { buffer.copyBytes(from: found.bytes[offset..<offset + kept]) }
            if count > kept {
                UnsafeMutableRawBufferPointer(rebasing: buffer[kept..<count]).initializeMemory(as: UInt8.self, repeating: 0)
            }
            return count
        }
        guard let count else { throw StorageError(operation: .read, errno: 2, file: file) }
        return count
    }

    func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try change(file, .write) { found in
            let end = offset + bytes.count
            if found.bytes.count < end { found.bytes += [UInt8](repeating: 0, count: end - found.bytes.count) }
            found.bytes.replaceSubrange(offset..<end, with: bytes)
            found.size = max(found.size, end)
        }
    }

    func sync(_ file: String) throws(StorageError) { try change(file, .sync) { _ in } }

    func truncate(_ file: String, to size: Int) throws(StorageError) {
        try change(file, .truncate) { found in
            found.bytes = Array(found.bytes.prefix(size))
            found.size = size
        }
    }

    func rename(_ from: String, to: String) throws(StorageError) {
        let isThere = state.withLock { files in
            guard let found = files.removeValue(forKey: from) else { return false }
            files[to] = found
            return true
        }
        if !isThere { throw StorageError(operation: .rename, errno: 2, file: from) }
    }

    func remove(_ file: String) throws(StorageError) {
        guard state.withLock({ $0.removeValue(forKey: file) }) != nil else {
            throw StorageError(operation: .remove, errno: 2, file: file)
        }
    }

    func syncDirectory() throws(StorageError) {}
}

/// Files with long stretches of zeros as short inputs: a zero is followed by two bytes that say how many more there are.
enum ZeroRuns {
    /// What an input may grow to.
    static let largest = 256 * 1024

    static func expand(_ input: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        var source = input.makeIterator()
        while let byte = source.next(), output.count < largest {
            output.append(byte)
            guard byte == 0 else { continue }
            let more = Int(source.next() ?? 0) | Int(source.next() ?? 0) << 8
            output += [UInt8](repeating: 0, count: min(more, largest - output.count))
        }
        return output
    }

    static func shrink(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        var zeros = 0
        func flush() {
            while zeros > 0 {
                let more = min(zeros - 1, 0xFFFF)
                output += [0, UInt8(more & 0xFF), UInt8(more >> 8)]
                zeros -= more + 1
            }
        }
        for byte in bytes {
            if byte == 0 {
                zeros += 1
            } else {
                flush()
                output.append(byte)
            }
        }
        flush()
        return output
    }
}

/// Several files in one input: a byte of choices, a byte that says which checksums are made right, then for each file but the last
/// two bytes of length, then the files with their zeros shrunk.
struct FileSet {
    var choices: UInt8
    var repairs: UInt8
    var files: [[UInt8]]

    init(choices: UInt8, repairs: UInt8 = 0xFF, files: [[UInt8]]) {
        self.choices = choices
        self.repairs = repairs
        self.files = files
    }

    init(_ input: [UInt8], count: Int) {
        var source = Choices(input)
        choices = source.byte()
        repairs = source.byte()
        let lengths = (1..<count).map { _ in source.short() }
        files = lengths.map { ZeroRuns.expand(source.take($0)) }
        files.append(ZeroRuns.expand(source.data))
    }

    var input: [UInt8] {
        let shrunk = files.map { ZeroRuns.shrink($0) }
        var input = [choices, repairs]
        for file in shrunk.dropLast() { input += [UInt8(file.count & 0xFF), UInt8(file.count >> 8 & 0xFF)] }
        for file in shrunk.dropLast() { input += file.prefix(0xFFFF) }
        return input + shrunk[shrunk.count - 1]
    }
}

/// Numbers in a file, little-endian; nothing happens beyond its end.
extension [UInt8] {
    func integer<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T {
        guard offset >= 0, offset + MemoryLayout<T>.size <= count else { return 0 }
        return (0..<MemoryLayout<T>.size).reduce(0) { $0 | T(truncatingIfNeeded: self[offset + $1]) << T($1 * 8) }
    }

    mutating func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        guard offset >= 0, offset + MemoryLayout<T>.size <= count else { return }
        for i in 0..<MemoryLayout<T>.size { self[offset + i] = UInt8(truncatingIfNeeded: value >> T(i * 8)) }
    }
}
