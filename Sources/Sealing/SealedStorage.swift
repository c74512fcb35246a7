// SealedStorage: the files of a journal, in which a sealed segment is read as if it were the segment it was.
//
// Names, sizes and bytes are those of segments, so who reads a journal need not know: recovery, followers, queries and tools check
// the same checksums over the same bytes. What cannot be restored is handed out as bytes that check out nowhere, so damage is
// found where it is always looked for, at its place in the segment. While both files are there the segment itself is read.
//
// Writing to a sealed segment is refused. Nothing is held locked while the disk is waited for or a frame is expanded.

public import Core
public import Journal
internal import Synchronization

public final class SealedStorage<Base: Storage, Codec: FrameCodec>: Storage {
    /// Frames kept expanded, 128 KiB each: a page of events comes from one or two.
    private static var keptFrames: Int { 8 }
    /// Indexes kept in memory, 25 KiB each.
    private static var keptIndexes: Int { 32 }
    private static var readOnly: Int32 { 30 }
    private static var missing: Int32 { 2 }
    private static var exists: Int32 { 17 }

    public let base: Base
    private let codec: Codec

    /// A sealed file whose header and index were read.
    private final class Sealed: Sendable {
        let number: UInt32
        let header: SealedHeader
        let frames: [SealedFrame]

        init(_ number: UInt32, _ header: SealedHeader, _ frames: [SealedFrame]) {
            self.number = number
            self.header = header
            self.frames = frames
        }
    }

    /// nil bytes: the frame is damaged.
    private final class Expanded: Sendable {
        let number: UInt32
        let frame: Int
        let bytes: [UInt8]?

        init(_ number: UInt32, _ frame: Int, _ bytes: [UInt8]?) {
            self.number = number
            self.frame = frame
            self.bytes = bytes
        }
    }

    private struct State {
        /// Those read from last, last used last. A file that is damaged in its header or index is none.
        var sealed: [Sealed] = []
        /// Bytes that each sealed segment saves, of those that were read from ever.
        var savings: [UInt32: Int] = [:]
        /// Last used last.
        var expanded: [Expanded] = []
        /// Segments that are removed, or about to be: nothing is sealed in their place any more.
        var removed: Set<UInt32> = []
    }

    private let state = Mutex(State())

    public init(_ base: Base, _ codec: Codec) {
        self.base = base
        self.codec = codec
    }

    // MARK: - Storage

    public func list() throws(StorageError) -> [String] {
        let names = try base.list()
        guard names.contains(where: { SealedFormat.number(ofFile: $0) != nil || SealedFormat.isUnfinished($0) }) else { return names }
        var seen = Set<String>()
        var result: [String] = []
        for name in names where !SealedFormat.isUnfinished(name) {
            let shown = SealedFormat.number(ofFile: name).map { SegmentFormat.fileName($0) } ?? name
            if seen.insert(shown).inserted { result.append(shown) }
        }
        return result
    }

    public func size(_ file: String) throws(StorageError) -> Int {
        guard let number = SegmentFormat.number(ofFile: file) else { return try base.size(file) }
        if let size = try unlessMissing({ () throws(StorageError) in try base.size(file) }) { return size }
        guard try isSealed(number) else { return try base.size(file) }
        if let found = try sealed(number) { return found.header.segment.segmentBytes }
        return try base.size(SealedFormat.fileName(number))
    }

    public func read(_ file: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let number = SegmentFormat.number(ofFile: file) else { return try base.read(file, at: offset, into: buffer) }
        if isKnown(number), let known = try sealed(number) { return try read(known, at: offset, into: buffer) }
        if let count = try unlessMissing({ () throws(StorageError) in try base.read(file, at: offset, into: buffer) }) { return count }
        guard try isSealed(number) else { return try base.read(file, at: offset, into: buffer) }
        if let found = try sealed(number) { return try read(found, at: offset, into: buffer) }
        buffer.initializeMemory(as: UInt8.self, repeating: 0xFF)
        return buffer.count
    }

    public func createZeroed(_ file: String, size: Int) throws(StorageError) {
        try refuse(.create, file, Self.exists)
        try base.createZeroed(file, size: size)
    }

    public func write(_ file: String, at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        if try unlessMissing({ () throws(StorageError) in try base.write(file, at: offset, bytes) }) != nil { return }
        try refuse(.write, file, Self.readOnly)
        try base.write(file, at: offset, bytes)
    }

    public func sync(_ file: String) throws(StorageError) { try base.sync(file) }

    public func truncate(_ file: String, to size: Int) throws(StorageError) {
        if try unlessMissing({ () throws(StorageError) in try base.truncate(file, to: size) }) != nil { return }
        try refuse(.truncate, file, Self.readOnly)
        try base.truncate(file, to: size)
    }

    public func rename(_ from: String, to: String) throws(StorageError) { try base.rename(from, to: to) }

    /// Removes a segment in whatever form it is there.
    public func remove(_ file: String) throws(StorageError) {
        guard let number = SegmentFormat.number(ofFile: file) else { return try base.remove(file) }
        state.withLock {
            $0.removed.insert(number)
            $0.sealed.removeAll { $0.number == number }
            $0.savings[number] = nil
            $0.expanded.removeAll { $0.number == number }
        }
        let names = try base.list()
        let sealed = SealedFormat.fileName(number)
        if names.contains(sealed) { try base.remove(sealed) }
        if names.contains(file) || !names.contains(sealed) { try base.remove(file) }
    }

    public func syncDirectory() throws(StorageError) { try base.syncDirectory() }

    /// nil when there is no such file.
    private func unlessMissing<R>(_ body: () throws(StorageError) -> R) throws(StorageError) -> R? {
        do throws(StorageError) {
            return try body()
        } catch {
            guard error.errno == Self.missing else { throw error }
            return nil
        }
    }

    private func refuse(_ operation: StorageError.Operation, _ file: String, _ errno: Int32) throws(StorageError) {
        guard let number = SegmentFormat.number(ofFile: file), try isSealed(number) else { return }
        throw StorageError(operation: operation, errno: errno, file: file)
    }

    // MARK: - Reading

    private func isKnown(_ number: UInt32) -> Bool { state.withLock { $0.savings[number] != nil } }

    private func isSealed(_ number: UInt32) throws(StorageError) -> Bool {
        if isKnown(number) { return true }
        return try base.list().contains(SealedFormat.fileName(number))
    }

    /// The sealed file with its index; nil when these do not check out.
    private func sealed(_ number: UInt32) throws(StorageError) -> Sealed? {
        let known = state.withLock { state -> Sealed? in
            guard let place = state.sealed.lastIndex(where: { $0.number == number }) else { return nil }
            let found = state.sealed[place]
            if place != state.sealed.count - 1 {
                state.sealed.remove(at: place)
                state.sealed.append(found)
            }
            return found
        }
        if let known { return known }
        let file = SealedFormat.fileName(number)
        var block = [UInt8](repeating: 0, count: SegmentFormat.headerBytes)
        let count = try fill(&block, from: file, at: 0)
        guard let header = block.withUnsafeBytes({ SealedHeader.read(UnsafeRawBufferPointer(rebasing: $0[0..<count]), number: number) }),
            header.fileBytes == (try base.size(file))
        else { return nil }
        var index = [UInt8](repeating: 0, count: header.fileBytes - header.indexOffset)
        let length = try fill(&index, from: file, at: header.indexOffset)
        guard length == index.count, let frames = index.withUnsafeBytes({ SealedFrame.readIndex($0, of: header) }) else { return nil }
        let found = Sealed(number, header, frames)
        state.withLock { state in
            guard !state.removed.contains(number) else { return }
            state.savings[number] = header.segment.segmentBytes - header.fileBytes
            state.sealed.append(found)
            if state.sealed.count > Self.keptIndexes { state.sealed.removeFirst() }
        }
        return found
    }

    private func fill(_ bytes: inout [UInt8], from file: String, at offset: Int) throws(StorageError) -> Int {
        var result: Result<Int, StorageError> = .success(0)
        bytes.withUnsafeMutableBytes { buffer in
            do throws(StorageError) { result = .success(try base.read(file, at: offset, into: buffer)) } catch { result = .failure(error) }
        }
        return try result.get()
    }

    private func read(
        _ sealed: Sealed, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StorageError) -> Int {
        let end = min(offset + buffer.count, sealed.header.segment.segmentBytes)
        guard offset >= 0, offset < end else { return 0 }
        var at = offset
        func rest(to stop: Int) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: buffer[(at - offset)..<(min(stop, end) - offset)])
        }
        if at < SegmentFormat.headerBytes {
            let part = rest(to: SegmentFormat.headerBytes)
            sealed.header.segmentBlock().withUnsafeBytes {
                part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<at + part.count]))
            }
            at += part.count
        }
        var number = Self.frame(at, in: sealed.frames)
        while at < end, number < sealed.frames.count {
            let frame = sealed.frames[number]
            let part = rest(to: frame.end)
            if at == frame.start, part.count == frame.end - frame.start {
                if try !restore(sealed, frame, into: part) { part.initializeMemory(as: UInt8.self, repeating: 0xFF) }
            } else if let bytes = try expanded(sealed, number).bytes {
                let from = at - frame.start
                bytes.withUnsafeBytes { part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[from..<from + part.count])) }
            } else {
                part.initializeMemory(as: UInt8.self, repeating: 0xFF)
            }
            at += part.count
            number += 1
        }
        if at < end { rest(to: end).initializeMemory(as: UInt8.self, repeating: 0) }
        return end - offset
    }

    /// The first frame that ends behind `offset`.
    private static func frame(_ offset: Int, in frames: [SealedFrame]) -> Int {
        var (low, high) = (0, frames.count)
        while low < high {
            let middle = (low + high) / 2
            if frames[middle].end <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func expanded(_ sealed: Sealed, _ number: Int) throws(StorageError) -> Expanded {
        let known = state.withLock { state -> Expanded? in
            guard let place = state.expanded.lastIndex(where: { $0.number == sealed.number && $0.frame == number }) else { return nil }
            let found = state.expanded.remove(at: place)
            state.expanded.append(found)
            return found
        }
        if let known { return known }
        let frame = sealed.frames[number]
        var bytes = [UInt8](repeating: 0, count: frame.end - frame.start)
        var result: Result<Bool, StorageError> = .success(false)
        bytes.withUnsafeMutableBytes { buffer in
            do throws(StorageError) { result = .success(try restore(sealed, frame, into: buffer)) } catch { result = .failure(error) }
        }
        let found = Expanded(sealed.number, number, try result.get() ? bytes : nil)
        state.withLock { state in
            guard !state.removed.contains(sealed.number) else { return }
            state.expanded.append(found)
            if state.expanded.count > Self.keptFrames { state.expanded.removeFirst() }
        }
        return found
    }

    private func restore(
        _ sealed: Sealed, _ frame: SealedFrame, into output: UnsafeMutableRawBufferPointer
    ) throws(StorageError) -> Bool {
        let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: max(frame.stored, 1), alignment: 16)
        defer { stored.deallocate() }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: stored[0..<frame.stored])
        guard try base.read(SealedFormat.fileName(sealed.number), at: frame.offset, into: bytes) == frame.stored else { return false }
        return frame.restore(UnsafeRawBufferPointer(bytes), into: output, codec)
    }

    // MARK: - Sealing

    /// How much less the sealed segments take than segments do, of those that were read from.
    public var savedBytes: Int { state.withLock { $0.savings.values.reduce(0, +) } }

    /// The lowest segment from `number` on that was left by `time` and is not sealed; nil when there is none. One was left when a
    /// batch stands in the next: before that one was written its header was durable, so no recovery comes back to this one.
    public func nextToSeal(from number: UInt32, leftBefore time: Timestamp) throws(StorageError) -> UInt32? {
        let names = try base.list()
        let condensed = CondensedRange.all(in: names)
        let numbers = names.compactMap(SegmentFormat.number(ofFile:)).filter { found in
            found >= number && !condensed.contains { $0.covers(found) }
        }
        for found in numbers.sorted() {
            let next = SegmentFormat.fileName(found + 1)
            guard names.contains(next) else { continue }
            // When its first batch was opened, and the beginning of that.
            var (begun, batch) = ([UInt8](repeating: 0, count: 8), [UInt8](repeating: 0, count: 16))
            guard try fill(&begun, from: next, at: 48) == begun.count,
                try fill(&batch, from: next, at: SegmentFormat.headerBytes) == batch.count, batch.contains(where: { $0 != 0 })
            else { continue }
            if begun.withUnsafeBytes({ Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }) <= time.nanoseconds { return found }
        }
        return nil
    }

    /// Removes what an attempt that was cut short has left.
    public func removeUnfinished() throws(StorageError) {
        for name in try base.list() where SealedFormat.isUnfinished(name) { try base.remove(name) }
    }

    /// Gives the unfinished file of a segment its name, makes that durable, and removes the segment. False when the segment was
    /// removed meanwhile: then nothing is left of it.
    public func publish(_ number: UInt32) throws(StorageError) -> Bool {
        let unfinished = SealedFormat.unfinishedFile(number)
        guard !state.withLock({ $0.removed.contains(number) }) else {
            try base.remove(unfinished)
            return false
        }
        try base.rename(unfinished, to: SealedFormat.fileName(number))
        try base.syncDirectory()
        // Read once before the segment goes, so that who looks for it next finds it here.
        guard try sealed(number) != nil else {
            throw StorageError(operation: .read, errno: StorageError.inputOutput, file: SealedFormat.fileName(number))
        }
        // Removed since the first look: the file came too late to be removed along with it.
        guard !state.withLock({ $0.removed.contains(number) }) else {
            if try base.list().contains(SealedFormat.fileName(number)) { try base.remove(SealedFormat.fileName(number)) }
            return false
        }
        return try unlessMissing({ () throws(StorageError) in try base.remove(SegmentFormat.fileName(number)) }) != nil
    }
}
