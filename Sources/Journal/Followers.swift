// Followers: how far others have read the journal. Each puts its position into a file of its own; segments are kept until all
// are past them. A file that cannot be understood keeps everything: whoever wrote it may still need it.

public import Core

public struct Followers: Sendable {
    /// Why it is not known how far a follower is.
    public struct Unreadable: Error, Equatable {
        public var file: String
    }

    private let storage: any Storage
    /// `SEGMENT:OFFSET` and a line feed fit well.
    private static let longest = 64

    /// `storage` is the directory of the files; it need not exist.
    public init(_ storage: any Storage) { self.storage = storage }

    /// The lowest position on record and whose it is; nil when nobody follows.
    public func lowest() throws(Unreadable) -> (name: String, position: JournalPosition)? {
        let names: [String]
        do throws(StorageError) { names = try storage.list() } catch {
            // Without the directory there are no followers.
            if error.errno == 2 { return nil }
            throw Unreadable(file: error.file)
        }
        var lowest: (name: String, position: JournalPosition)?
        // What is being replaced by rename is written under a name with a dot.
        for name in names.sorted() where !name.contains(".") {
            guard let position = position(name) else { throw Unreadable(file: name) }
            if position < lowest?.position ?? JournalPosition(raw: .max) { lowest = (name, position) }
        }
        return lowest
    }

    private func position(_ name: String) -> JournalPosition? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Followers.longest, alignment: 8)
        defer { buffer.deallocate() }
        do throws(StorageError) {
            let count = try storage.read(name, at: 0, into: buffer)
            guard count < Followers.longest else { return nil }
            return Followers.parse(UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
        } catch {
            return nil
        }
    }

    static func parse(_ bytes: UnsafeRawBufferPointer) -> JournalPosition? {
        var line = bytes[...]
        if line.last == 0x0A { line.removeLast() }
        let parts = line.split(separator: 0x3A, omittingEmptySubsequences: false)
        guard parts.count == 2, let segment = number(parts[0]), let offset = number(parts[1]), segment > 0 else { return nil }
        return JournalPosition(segment: segment, offset: offset)
    }

    private static func number(_ digits: Slice<UnsafeRawBufferPointer>) -> UInt32? {
        guard !digits.isEmpty, digits.count <= 10 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + UInt64(digit - 0x30)
        }
        return UInt32(exactly: value)
    }
}
