// JournalReader: reads a journal that is being written to, or not: batch by batch for those who follow it, fact by fact
// for those who look something up.
//
// It never changes anything. Given `durableEnd`, what stands before it must check out. Without it (another process is the
// writer) a batch that does not check out and has nothing after it is in flight, and the journal ends before it.

public import Core

/// A segment that was begun.
public struct SegmentInfo: Equatable, Sendable {
    public var header: SegmentHeader
    /// Of the file, in bytes.
    public var fileBytes: Int
    public var number: UInt32 { header.number }
    public var firstSequence: UInt64 { header.firstSequence }
    /// Where its first batch is.
    public var start: JournalPosition { JournalPosition(segment: header.number, offset: UInt32(SegmentFormat.headerBytes)) }
}

public struct JournalReader<S: Storage>: Sendable {
    let storage: S
    /// The file last read, so that the next read in it makes no `String`.
    private var current: Place?
    /// The batch last read: what the next one must continue.
    private var last: BatchInfo?
    /// Name of the segment last looked into by `readFact`.
    private var factFile: (number: UInt32, file: String) = (0, "")

    public init(_ storage: S) { self.storage = storage }

    /// A segment, or a condensed file that stands for several.
    private struct Place {
        var number: UInt32
        var file: String
        var seed: UInt32
        var end: Int
        /// The number the journal goes on with.
        var next: UInt32
    }

    // MARK: - Segments

    /// The segments that were begun, lowest first.
    public func segments() throws(JournalError) -> [SegmentInfo] {
        do {
            var found: [SegmentInfo] = []
            for number in try storage.list().compactMap(SegmentFormat.number(ofFile:)).sorted() {
                let file = SegmentFormat.fileName(number)
                if let header = try readSegmentHeader(number) {
                    found.append(SegmentInfo(header: header, fileBytes: try storage.size(file)))
                }
            }
            return found
        } catch {
            throw JournalError(error)
        }
    }

    /// The header of the lowest segment; nil when none was begun.
    public func firstHeader() throws(JournalError) -> SegmentHeader? {
        do {
            guard let number = try storage.list().compactMap(SegmentFormat.number(ofFile:)).min() else { return nil }
            return try readSegmentHeader(number)
        } catch {
            throw JournalError(error)
        }
    }

    /// The header of a segment; nil when it was not begun.
    private func readSegmentHeader(_ number: UInt32) throws -> SegmentHeader? {
        let file = SegmentFormat.fileName(number)
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: SegmentFormat.headerBytes, alignment: 4096)
        defer { block.deallocate() }
        let count = try storage.read(file, at: 0, into: block)
        switch SegmentHeader.read(UnsafeRawBufferPointer(rebasing: block[0..<count])) {
        case .valid(let header):
            guard header.number == number else { throw JournalError.damage(file: file, offset: 0, reason: .number) }
            return header
        case .unsupported(let version): throw JournalError.unsupported(file: file, offset: 0, version: version)
        case .blank, .broken: return nil
        }
    }

    /// Makes `number` the current segment; false when it was not begun or does not exist.
    private mutating func enter(_ number: UInt32) throws -> Bool {
        if let current, current.number == number { return true }
        let file = SegmentFormat.fileName(number)
        let names = try storage.list()
        if names.contains(file) {
            guard let header = try readSegmentHeader(number) else { return false }
            current = Place(
                number: number, file: file, seed: header.id.seed(segment: number), end: header.segmentBytes, next: number + 1)
            return true
        }
        guard let range = CondensedRange.all(in: names).first(where: { $0.first == number }) else { return false }
        let header = try readCondensedHeader(range)
        current = Place(
            number: number, file: range.fileName, seed: header.id.seed(condensedFrom: number), end: header.fileBytes, next: range.last + 1)
        return true
    }

    private func readCondensedHeader(_ range: CondensedRange) throws -> CondensedHeader {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: SegmentFormat.headerBytes, alignment: 4096)
        defer { block.deallocate() }
        let count = try storage.read(range.fileName, at: 0, into: block)
        return try CondensedHeader.read(UnsafeRawBufferPointer(rebasing: block[0..<count]), of: range)
    }

    /// The condensed files, lowest first, with their headers. The same segments may still be there.
    public func condensed() throws(JournalError) -> [CondensedHeader] {
        do {
            return try CondensedRange.all(in: try storage.list()).map { try readCondensedHeader($0) }
        } catch {
            throw JournalError(error)
        }
    }

    /// Hands on every batch of a condensed file, also while the segments it stands for are still there; stops early when `visit`
    /// returns false.
    public func forEachBatch(
        of file: CondensedHeader, _ visit: (BatchInfo, UnsafeRawBufferPointer) throws -> Bool
    ) throws(JournalError) {
        do {
            let (name, first) = (file.range.fileName, file.range.first)
            let seed = file.id.seed(condensedFrom: first)
            var window = SegmentWindow(storage)
            window.open(name)
            var offset = SegmentFormat.headerBytes
            while true {
                let (check, body) = try window.batch(at: offset, segment: first, seed: seed, end: file.fileBytes)
                guard case .good(let info) = check, info.isCondensed else {
                    throw JournalError.damage(file: name, offset: offset, reason: check == .none ? .missingBatch : .batchBody)
                }
                let goesOn: Bool
                do { goesOn = try visit(info, body) } catch { throw JournalError(error) }
                offset += info.paddedLength
                if !goesOn || info.endsCondensed { return }
            }
        } catch {
            throw JournalError(error)
        }
    }

    /// The segment after the condensed file that stands for `number` and is not called after it; nil when there is none.
    private func segment(afterCovered number: UInt32) throws(StorageError) -> UInt32? {
        CondensedRange.all(in: try storage.list()).first { $0.covers(number) }.map { $0.last + 1 }
    }

    // MARK: - Batches

    /// Reads the batch at `position` and replaces what `into` holds by its facts. `JournalPosition.start`, or offset 0 of a
    /// segment, means the first batch there; after the last batch of a segment comes the first of the next. nil at the end.
    /// The place after a batch is its `end`.
    public mutating func readBatch(
        at position: JournalPosition, durableEnd: JournalPosition? = nil, into body: inout ByteWriter
    ) throws(JournalError) -> BatchInfo? {
        body.reset()
        do {
            guard let (info, file) = try find(position, durableEnd) else { return nil }
            let wanted = info.paddedLength - BatchBuilder.headerBytes
            let place = Int(info.position.offset) + BatchBuilder.headerBytes
            let count = try storage.read(file, at: place, into: body.appendUninitialized(wanted))
            guard count == wanted, crc32c(body.bytes, continuing: info.headerCRC) == info.crc else {
                body.reset()
                if try durableEnd == nil && !hasLater(than: info) { return nil }
                throw JournalError.damage(file: file, offset: Int(info.position.offset), reason: .batchBody)
            }
            body.truncate(to: info.bodyLength)
            last = info
            return info
        } catch {
            throw JournalError(error)
        }
    }

    /// Reads only the header of the batch at `position` (see `readBatch`): a fast way to skip. Its body is not checked.
    public mutating func readHeader(
        at position: JournalPosition, durableEnd: JournalPosition? = nil
    ) throws(JournalError) -> BatchInfo? {
        do {
            guard let (info, _) = try find(position, durableEnd) else { return nil }
            last = info
            return info
        } catch {
            throw JournalError(error)
        }
    }

    /// Hands on every batch from `position` to the end, reading 1 MiB at a time; stops early when `visit` returns false.
    /// The result is the place after the last batch handed on. Facts are valid until `visit` returns.
    @discardableResult
    public mutating func forEachBatch(
        from position: JournalPosition = .start, durableEnd: JournalPosition? = nil,
        _ visit: (BatchInfo, UnsafeRawBufferPointer) throws -> Bool
    ) throws(JournalError) -> JournalPosition {
        do {
            var window = SegmentWindow(storage, capacity: windowBytes(from: position, to: durableEnd))
            var opened: UInt32 = 0
            var place = position
            while let (found, file) = try find(place, durableEnd) {
                if opened != found.position.segment {
                    window.open(file)
                    opened = found.position.segment
                    if let durableEnd, durableEnd.segment == opened { window.readLimit = Int(durableEnd.offset) }
                }
                guard try visitRun(&window, from: found, file: file, durableEnd: durableEnd, place: &place, visit) else { return place }
            }
            return place
        } catch {
            throw JournalError(error)
        }
    }

    /// 1 MiB, or less when there is less to read: a follower comes often and for little.
    private func windowBytes(from position: JournalPosition, to end: JournalPosition?) -> Int {
        guard let end, end.segment == position.segment, end > position else { return 1 << 20 }
        return min(1 << 20, max(4096, Int(end.offset) - Int(position.offset)))
    }

    /// Walks one segment inside the window, from a batch whose header was found; false when `visit` wants no more. Stops
    /// at the first place that is not a good batch, where `find` decides what that means.
    private mutating func visitRun(
        _ window: inout SegmentWindow<S>, from found: BatchInfo, file: String, durableEnd: JournalPosition?,
        place: inout JournalPosition, _ visit: (BatchInfo, UnsafeRawBufferPointer) throws -> Bool
    ) throws -> Bool {
        guard let current else { return false }
        var at = found.position
        var isFirst = true
        while durableEnd.map({ at < $0 }) ?? true {
            var (check, body) = try window.batch(at: Int(at.offset), segment: current.number, seed: current.seed, end: current.end)
            if isFirst, check != .good(found) {
                // The header was good a moment ago; what the window read ahead may be older.
                window.refresh()
                (check, body) = try window.batch(at: Int(at.offset), segment: current.number, seed: current.seed, end: current.end)
            }
            guard case .good(let info) = check else {
                guard isFirst else { return true }
                if try durableEnd == nil && !hasLater(than: found) { return false }
                throw JournalError.damage(file: file, offset: Int(at.offset), reason: .batchBody)
            }
            if !isFirst { try refuseBreak(info, file: file) }
            last = info
            isFirst = false
            let goesOn: Bool
            do { goesOn = try visit(info, body) } catch { throw JournalError(error) }
            at = info.end
            place = at
            if !goesOn { return false }
        }
        return true
    }

    /// The header of the batch at `position` or, past a segment's end, of the first one of the next segment. nil at the end.
    private mutating func find(_ position: JournalPosition, _ durableEnd: JournalPosition?) throws -> (BatchInfo, String)? {
        var at = position
        let isContinued = last?.end == position
        if at.segment == 0 {
            let names = try storage.list()
            let lowest = names.compactMap(SegmentFormat.number(ofFile:)).min()
            guard let first = [lowest, CondensedRange.all(in: names).first?.first].compactMap({ $0 }).min() else { return nil }
            at = JournalPosition(segment: first, offset: 0)
        }
        if at.offset < SegmentFormat.headerBytes { at = JournalPosition(segment: at.segment, offset: UInt32(SegmentFormat.headerBytes)) }
        while true {
            if let durableEnd, at >= durableEnd { return nil }
            guard try enter(at.segment), let here = current else {
                if let next = try segment(afterCovered: at.segment) {
                    at = JournalPosition(segment: next, offset: UInt32(SegmentFormat.headerBytes))
                    continue
                }
                guard durableEnd == nil, try !isBehind(at.segment) else {
                    throw JournalError.damage(file: SegmentFormat.fileName(at.segment), offset: 0, reason: .missingSegment)
                }
                return nil
            }
            var check = try header(at, here)
            let mayHop = durableEnd.map { $0.segment > at.segment } ?? true
            if check == .none, mayHop, try durableEnd != nil || enter(here.next) {
                // Zeros at the end of a segment that is not the last: but only if they are zeros still.
                check = try header(at, here)
                if check == .none {
                    at = JournalPosition(segment: here.next, offset: UInt32(SegmentFormat.headerBytes))
                    continue
                }
                _ = try enter(at.segment)
            }
            switch check {
            case .good(let info):
                if isContinued { try refuseBreak(info, file: here.file) }
                return (info, here.file)
            case .unsupported(let version):
                throw JournalError.unsupported(file: here.file, offset: Int(at.offset), version: version)
            case .none, .badHeader, .badBody:
                let nextExists = try durableEnd == nil && check != .none && isBegun(here.next)
                guard durableEnd == nil, !nextExists else {
                    throw JournalError.damage(
                        file: here.file, offset: Int(at.offset), reason: check == .none ? .missingBatch : .batchHeader)
                }
                return nil
            }
        }
    }

    private func header(
        _ at: JournalPosition, _ segment: Place
    ) throws(StorageError) -> BatchHeader.Check {
        var bytes: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        let offset = Int(at.offset)
        guard offset + BatchBuilder.headerBytes <= segment.end else { return .none }
        return try withUnsafeMutableBytes(of: &bytes) { (buffer) throws(StorageError) in
            let count = try storage.read(segment.file, at: offset, into: buffer)
            return BatchHeader.check(
                UnsafeRawBufferPointer(rebasing: buffer[0..<count]), seed: segment.seed, segment: segment.number, offset: offset,
                end: segment.end)
        }
    }

    /// Refuses a batch that was reached from the last one read but does not continue it.
    private func refuseBreak(_ info: BatchInfo, file: String) throws(JournalError) {
        guard let last else { return }
        if info.previousCRC != last.chainCRC { throw .damage(file: file, offset: Int(info.position.offset), reason: .chain) }
        if info.firstSequence != last.nextSequence { throw .damage(file: file, offset: Int(info.position.offset), reason: .sequence) }
    }

    /// Whether anything was written after this batch.
    private mutating func hasLater(than info: BatchInfo) throws -> Bool {
        guard let here = current else { return false }
        if case .good = try header(info.end, here) { return true }
        return try isBegun(here.next)
    }

    private func isBegun(_ number: UInt32) throws -> Bool {
        guard try storage.list().contains(SegmentFormat.fileName(number)) else { return false }
        return try readSegmentHeader(number) != nil
    }

    /// Whether a segment above `number` was begun: then `number` itself must be there.
    private func isBehind(_ number: UInt32) throws -> Bool {
        for other in try storage.list().compactMap(SegmentFormat.number(ofFile:)) where other > number {
            if try readSegmentHeader(other) != nil { return true }
        }
        return false
    }

    // MARK: - Facts

    /// Reads the one fact at `position`, usually with one system call, and replaces what `into` holds by it. The payload
    /// points into `into`. nil when no fact can stand there. One fact has no checksum of its own: compare what it says
    /// (key, sequence) with what was expected.
    public mutating func readFact(at position: JournalPosition, into buffer: inout ByteWriter) throws(StorageError) -> Fact? {
        if factFile.number != position.segment { factFile = (position.segment, SegmentFormat.fileName(position.segment)) }
        var wanted = 512
        while true {
            buffer.reset()
            let count = try storage.read(factFile.file, at: Int(position.offset), into: buffer.appendUninitialized(wanted))
            buffer.truncate(to: count)
            var reader = ByteReader(buffer.bytes)
            let type = reader.byte()
            let length = reader.varint()
            guard !reader.failed, type != 0, length <= UInt64(Limits.batchBytes) else { return nil }
            let whole = reader.offset + Int(length)
            if whole <= count {
                return Fact(rawType: type, payload: UnsafeRawBufferPointer(rebasing: buffer.bytes[reader.offset..<whole]), offset: 0)
            }
            guard count == wanted, whole > wanted else { return nil }
            wanted = whole
        }
    }
}

extension JournalError {
    /// Our own errors as they are, all others as the caller's.
    init(_ error: any Error) {
        if let error = error as? JournalError {
            self = error
        } else if let error = error as? StorageError {
            self = .storage(error)
        } else {
            self = .visitor(error)
        }
    }
}
