// Recovery: reads a journal from its first segment to its end, hands every batch on, and leaves the files such that a
// writer can go on. One batch is in flight at a time, so a crash can tear the last batch only, or the header of a segment
// without batches. Anything else that does not check out is damage: it is refused with file and byte, and nothing is
// changed.
//
// The decision table. Rows are tried in order; the first that holds decides.
//
// Files
//   A  the name is not that of a segment or of a condensed file                       ignored
//   B  no segment and no condensed file                                               a new journal
//   C  a number from 1 to the highest has no segment and no condensed file            damage: missingSegment
//
// Condensed files, in order; each is written once and whole, so nothing in one is ever torn
//   a  a valid header of a newer version                                              unsupported
//   b  not a valid header, or not the range in the file's name                        damage: header, number
//   c  another journal id than the file before                                        damage: foreign
//   d  not the sequence or CRC at which the file before ended                         damage: missingBatches
//   e  the file is shorter or longer than the header says                             damage: shortSegment, longSegment
//   f  a batch that does not check out, or does not go on from the one before         damage: as in rows L to P
//   g  no batch that stands for what was dropped, or anything behind it               damage: missingBatch, residue
//   h  it checks out                                                                  visited
//   i  a segment whose number it covers, or the unfinished file                       removed after the end
//
// Header of the first, then of each next segment; one is begun when its header block is not all zeros
//   D  a valid header of a newer version                                              unsupported
//   E  not valid, and any byte after the header block or in a later segment           damage: header
//   F  not valid, and a condensed file stands before the first segment                damage: header
//   G  not valid otherwise                                                            not begun: set to zero, the end is before it
//   H  another number than the file's name                                            damage: number
//   I  another journal id than the segment or condensed file before                   damage: foreign
//   J  not the sequence or CRC at which what is before ended                          damage: missingBatches, there
//   K  the file is longer than the header says                                        damage: longSegment
//
// Place after the last good batch
//   L  a batch of a newer version                                                     unsupported
//   M  a batch that checks out with another CRC before it                             damage: chain
//   N  a batch that checks out with another first sequence                            damage: sequence
//   O  a batch that checks out                                                        visited; the place moves on
//   P  not a batch, and the header of one checks out later, or more follows than one  damage: batchHeader or batchBody
//   Q  not a batch, any byte to the end is not zero, and the next segment is begun    damage: batchHeader, batchBody or residue
//   R  zeros to the end, the file is short, and the next segment is begun             damage: shortSegment
//   S  zeros to the end, and the next segment has a valid header                      on with the next segment
//   T  not a batch, and any byte to the end is not zero                               torn: zeroed to the end, synced
//   U  zeros to the end                                                               the journal's end
//
// (More than one: a byte that is not zero, further on than the header says the batch reaches, where the header checks out, or
// than the longest batch would. One batch is in flight at a time and nothing but zeros stands after it, so whatever is there
// was written when this one was durable.)
//
// (The last batch may so far be in the kernel's cache only: the process may have been killed before its sync, or the sync
// failed and the kernel took the pages for clean. Visiting it makes it count, so it is written again as it stands, and
// synced. Identical bytes cannot tear. The same holds for the zeros after it, which an earlier recovery may have failed to
// make durable: as many as the next batch can cover are written with it.)
//
// After the end, and after the names of all files were synced
//   V  the last segment is short                                                      extended by zeros, synced
//   W  one blank segment of the right size follows                                    kept as the prepared one, synced
//   X  other blank segments follow                                                    removed, the highest first, each durably

internal import Core

public enum Recovery<S: Storage> {
    /// What the caller does with a batch: its header, and its facts without padding, valid until the closure returns.
    public typealias Visit = (BatchInfo, UnsafeRawBufferPointer) throws -> Void

    /// Reads everything in order. Batches after damage are never visited. `segmentBytes` is the size of new segments;
    /// existing ones carry their own. With `repairs` false nothing is written, and a journal that is being written to may
    /// be read: what is in flight then counts as cut. `newID` names the journal when there is none yet. With `after`, a batch that
    /// the caller has seen there, what stands before its end is neither read nor visited: of the files before it only names and the
    /// headers of condensed ones are looked at.
    public static func run(
        _ storage: S, segmentBytes: Int, repairs: Bool = true, newID: JournalID = .random(), after place: JournalPlace? = nil,
        visit: Visit
    ) throws(JournalError) -> RecoveredJournal {
        precondition(SegmentFormat.isValid(size: segmentBytes))
        do {
            var pass = RecoveryPass(storage, segmentBytes: segmentBytes, repairs: repairs, newID: newID)
            return try pass.run(after: place, visit)
        } catch let error as JournalError {
            throw error
        } catch let error as StorageError {
            throw .storage(error)
        } catch {
            throw .visitor(error)
        }
    }
}

private struct RecoveryPass<S: Storage>: ~Copyable {
    let storage: S
    let segmentBytes: Int
    let repairs: Bool
    let newID: JournalID
    var window: SegmentWindow<S>
    var numbers: [UInt32] = []
    /// Segments that a condensed file stands for.
    var covered: [UInt32] = []
    var hasUnfinished = false
    var result: RecoveredJournal
    /// Ranges to overwrite with zeros once everything was looked at.
    var repairsDue: [(file: String, from: Int, to: Int)] = []
    /// The last batch visited.
    var last: BatchInfo?
    /// The batch that the start began with is the last one so far.
    private var isUntouched: Bool { begins && result.batches == 0 }
    private var begins = false
    /// What is looked at behind such a batch, and of a segment that is not begun: as far as the longest batch reaches. Were the journal to
    /// go on behind so many zeros, those would have been batches that were acknowledged; whoever reads the journal whole finds that.
    private var near: Int { SegmentFormat.headerBytes + Limits.batchBytes }

    init(_ storage: S, segmentBytes: Int, repairs: Bool, newID: JournalID) {
        self.storage = storage
        self.segmentBytes = segmentBytes
        self.repairs = repairs
        self.newID = newID
        window = SegmentWindow(storage, capacity: min(1 << 20, segmentBytes))
        result = RecoveredJournal(tail: JournalTail(new: newID, segmentBytes: segmentBytes))
    }

    mutating func run(after place: JournalPlace?, _ visit: Recovery<S>.Visit) throws -> RecoveredJournal {
        try listFiles()
        let first = if let place { try passCondensed(to: place) } else { try readCondensed(visit) }
        if numbers.isEmpty, first == 1 {
            if hasUnfinished { try removeLeftOver() }
            return result
        }
        for (index, number) in numbers.enumerated() where number != first + UInt32(index) {
            throw damage(first + UInt32(index), 0, .missingSegment)
        }
        if numbers.isEmpty { throw damage(first, 0, .missingSegment) }

        var index = 0
        var current: SegmentHeader?
        var reading: SegmentHeader.Reading?
        if let place {
            begins = true
            index = Int(place.batch.segment - first)
            guard index < numbers.count else { throw damage(place.batch.segment, 0, .missingSegment) }
            let header = try resume(after: place)
            current = header
            reading = try scan(header, at: index, visit)
            index += 1
        } else {
            reading = try header(first)
        }
        while let found = reading {
            let number = numbers[index]
            if case .valid(let header) = found {
                try admit(header, number: number, isFirst: number == 1)
                current = header
                reading = try scan(header, at: index, visit)
                index += 1
                continue
            }
            // Only segment 1 may lack a header while nothing stands before it.
            if index == 0, first != 1 { throw headerError(found, number) }
            if let error = try begunError(found, at: index) {
                // A journal in use moves on while it is read: the segment may have been begun a moment ago.
                guard !repairs, case .valid(let header) = try header(number) else { throw error }
                if let current { reading = try scan(current, at: index - 1, visit) } else { reading = .valid(header) }
                continue
            }
            try clearHeader(found, number)
            break
        }
        try settle(from: index)
        return result
    }

    // MARK: - Files

    private mutating func listFiles() throws(StorageError) {
        let names = try storage.list()
        result.condensed = CondensedRange.all(in: names)
        for name in names {
            if let number = SegmentFormat.number(ofFile: name) {
                if result.condensed.contains(where: { $0.covers(number) }) { covered.append(number) } else { numbers.append(number) }
            } else if name == CondensedRange.unfinishedFile {
                hasUnfinished = true
            } else if CondensedRange(file: name) == nil {
                result.ignored.append(name)
            }
        }
        numbers.sort()
        covered.sort()
        result.ignored.sort()
    }

    /// Rows a to h. The result is the number of the segment that must follow.
    private mutating func readCondensed(_ visit: Recovery<S>.Visit) throws -> UInt32 {
        var next: UInt32 = 1
        for range in result.condensed {
            guard range.first == next else { throw damage(next, 0, .missingSegment) }
            let header = try condensedHeader(range)
            if range.first == 1 {
                guard header.firstSequence == 1, header.previousCRC == 0 else { throw damage(range, 0, .missingBatches) }
                result.tail.id = header.id
            } else if header.id != result.tail.id {
                throw damage(range, 0, .foreign)
            } else if header.firstSequence != result.tail.nextSequence || header.previousCRC != result.tail.lastCRC {
                throw damage(range, 0, .missingBatches)
            }
            let size = try storage.size(range.fileName)
            guard size == header.fileBytes else {
                throw damage(range, min(size, header.fileBytes), size < header.fileBytes ? .shortSegment : .longSegment)
            }
            result.condensedBytes += size
            try visitCondensed(range, header, visit)
            next = range.last + 1
        }
        last = nil
        return next
    }

    /// The same without reading what is in them, for a start behind them.
    private mutating func passCondensed(to place: JournalPlace) throws -> UInt32 {
        var next: UInt32 = 1
        for range in result.condensed {
            guard range.first == next else { throw damage(next, 0, .missingSegment) }
            guard try condensedHeader(range).id == place.id else { throw damage(range, 0, .foreign) }
            result.condensedBytes += try storage.size(range.fileName)
            next = range.last + 1
        }
        guard place.batch.segment >= next else { throw damage(next, 0, .missingBatches) }
        return next
    }

    /// Makes the end of a batch the end so far.
    private mutating func resume(after place: JournalPlace) throws -> SegmentHeader {
        let number = place.batch.segment
        let found = try header(number)
        guard case .valid(let header) = found else { throw headerError(found, number) }
        guard header.number == number else { throw damage(number, 0, .number) }
        guard header.id == place.id else { throw damage(number, 0, .foreign) }
        let file = SegmentFormat.fileName(number)
        if try storage.size(file) > header.segmentBytes { throw damage(number, header.segmentBytes, .longSegment) }
        let offset = Int(place.batch.offset)
        window.open(file)
        let (check, _) = try window.batch(at: offset, segment: number, seed: header.id.seed(segment: number), end: header.segmentBytes)
        switch check {
        case .good(let info) where info.crc == place.crc:
            last = info
            result.events = max(info.nextSequence, 1) - 1
            result.tail = JournalTail(
                id: header.id, segment: number, offset: info.end.offset, segmentBytes: header.segmentBytes,
                nextSequence: info.nextSequence, lastCRC: info.chainCRC, lastTime: info.openedAt)
        case .good: throw damage(number, offset, .chain)
        case .unsupported(let version): throw JournalError.unsupported(file: file, offset: offset, version: version)
        case .badBody: throw damage(number, offset, .batchBody)
        case .none, .badHeader: throw damage(number, offset, .batchHeader)
        }
        if let first = numbers.first, !result.condensed.isEmpty {
            let found = try self.header(first)
            guard case .valid(let header) = found else { throw headerError(found, first) }
            result.droppedEvents = max(header.firstSequence, 1) - 1
        }
        return header
    }

    private mutating func condensedHeader(_ range: CondensedRange) throws -> CondensedHeader {
        window.open(range.fileName)
        let block = try window.bytes(at: 0, atLeast: SegmentFormat.headerBytes)
        return try CondensedHeader.read(UnsafeRawBufferPointer(rebasing: block.prefix(SegmentFormat.headerBytes)), of: range)
    }

    private mutating func visitCondensed(_ range: CondensedRange, _ header: CondensedHeader, _ visit: Recovery<S>.Visit) throws {
        result.tail.segment = range.first
        result.tail.offset = UInt32(SegmentFormat.headerBytes)
        let seed = header.id.seed(condensedFrom: range.first)
        try visitBatches(range.fileName, range.first, seed: seed, end: header.fileBytes, isCondensed: true, visit)
        let place = Int(result.tail.offset)
        let (check, _) = try window.batch(at: place, segment: range.first, seed: seed, end: header.fileBytes)
        switch check {
        case .good, .none: break
        case .badBody: throw damage(range, place, .batchBody)
        case .badHeader, .unsupported: throw damage(range, place, .batchHeader)
        }
        guard let last, last.endsCondensed else { throw damage(range, place, .missingBatch) }
        let rest = try window.rest(after: place, segment: range.first, seed: seed, end: header.fileBytes)
        if let byte = rest.lastNonZero { throw damage(range, byte, .residue) }
        result.droppedEvents += UInt64(last.eventCount)
    }

    /// Row i.
    private mutating func removeLeftOver() throws(StorageError) {
        var files = covered.map { SegmentFormat.fileName($0) }
        if hasUnfinished { files.append(CondensedRange.unfinishedFile) }
        result.removed += files
        guard repairs, !files.isEmpty else { return }
        for file in files { try storage.remove(file) }
        try storage.syncDirectory()
    }

    // MARK: - Headers

    private mutating func header(_ number: UInt32) throws(StorageError) -> SegmentHeader.Reading {
        window.open(SegmentFormat.fileName(number))
        let block = try window.bytes(at: 0, atLeast: SegmentFormat.headerBytes)
        return SegmentHeader.read(UnsafeRawBufferPointer(rebasing: block.prefix(SegmentFormat.headerBytes)))
    }

    private func headerError(_ reading: SegmentHeader.Reading, _ number: UInt32) -> JournalError {
        if case .unsupported(let version) = reading {
            return .unsupported(file: SegmentFormat.fileName(number), offset: 0, version: version)
        }
        return damage(number, 0, .header)
    }

    /// Rows D and E: the header at `index` is not valid, so nothing may stand after it.
    private mutating func begunError(_ reading: SegmentHeader.Reading, at index: Int) throws(StorageError) -> JournalError? {
        let number = numbers[index]
        if case .unsupported = reading { return headerError(reading, number) }
        if try isBegun(number, from: SegmentFormat.headerBytes) { return damage(number, 0, .header) }
        for later in numbers[(index + 1)...] where try isBegun(later, from: 0) { return damage(number, 0, .header) }
        return nil
    }

    /// Whether any byte from `offset` on is not zero.
    private mutating func isBegun(_ number: UInt32, from offset: Int) throws(StorageError) -> Bool {
        let file = SegmentFormat.fileName(number)
        window.open(file)
        let size = try storage.size(file)
        return try window.rest(after: offset, segment: number, seed: 0, end: isUntouched ? min(size, near) : size).lastNonZero != nil
    }

    /// Row G: a header that was being written when the machine stopped.
    private mutating func clearHeader(_ reading: SegmentHeader.Reading, _ number: UInt32) throws(StorageError) {
        guard reading == .broken else { return }
        let file = SegmentFormat.fileName(number)
        window.open(file)
        let block = try window.bytes(at: 0, atLeast: SegmentFormat.headerBytes)
        let length = (lastNonZero(UnsafeRawBufferPointer(rebasing: block.prefix(SegmentFormat.headerBytes))) ?? -1) + 1
        result.cutBytes += length
        repairsDue.append((file, 0, length))
    }

    /// Rows H to K.
    private mutating func admit(_ header: SegmentHeader, number: UInt32, isFirst: Bool) throws {
        if header.number != number { throw damage(number, 0, .number) }
        if isFirst {
            result.tail.id = header.id
            result.tail.nextSequence = header.firstSequence
            result.tail.lastCRC = header.previousCRC
        } else if header.id != result.tail.id {
            throw damage(number, 0, .foreign)
        } else if header.firstSequence != result.tail.nextSequence || header.previousCRC != result.tail.lastCRC {
            throw damage(result.tail.segment, Int(result.tail.offset), .missingBatches)
        }
        if try storage.size(SegmentFormat.fileName(number)) > header.segmentBytes {
            throw damage(number, header.segmentBytes, .longSegment)
        }
        result.tail.segment = number
        result.tail.offset = UInt32(SegmentFormat.headerBytes)
        result.tail.segmentBytes = header.segmentBytes
        result.tail.lastTime = max(result.tail.lastTime, header.createdAt)
    }

    // MARK: - Batches

    /// Visits the batches of a segment. The result is the reading of the next segment's header when the journal goes on
    /// (or could go on) there, nil when this segment is the last file.
    private mutating func scan(
        _ header: SegmentHeader, at index: Int, _ visit: Recovery<S>.Visit
    ) throws -> SegmentHeader.Reading? {
        let number = numbers[index]
        let file = SegmentFormat.fileName(number)
        let seed = header.id.seed(segment: number)
        let end = header.segmentBytes
        window.open(file)
        while true {
            try visitBatches(file, number, seed: seed, end: end, isCondensed: false, visit)
            let place = Int(result.tail.offset)
            let (check, _) = try window.batch(at: place, segment: number, seed: seed, end: end)
            let rest = try window.rest(after: place, segment: number, seed: seed, end: isUntouched ? min(end, place + near) : end)
            var next: SegmentHeader.Reading?
            if index + 1 < numbers.count { next = try self.header(numbers[index + 1]) }
            let nextIsBegun = next != nil && next != .blank
            if rest.lastNonZero != nil || nextIsBegun {
                // The same as above, for batches: what was in flight may be durable by now.
                window.open(file)
                if case .good = try window.batch(at: place, segment: number, seed: seed, end: end).check { continue }
            }
            let reason: DamageReason = if case .badBody = check { .batchBody } else { .batchHeader }
            if rest.laterBatch != nil { throw damage(number, place, reason) }
            if let nonZero = rest.lastNonZero, nonZero >= place + longest(check) { throw damage(number, place, reason) }
            if let nonZero = rest.lastNonZero {
                if nextIsBegun { throw damage(number, place, check == .none ? .residue : reason) }
                result.cutBytes += nonZero + 1 - place
                repairsDue.append((file, place, nonZero + 1))
            }
            let size = try storage.size(file)
            if size < end {
                if nextIsBegun { throw damage(number, size, .shortSegment) }
                result.extendedBytes += end - size
                repairsDue.append((file, size, end))
            }
            return next
        }
    }

    /// How far a torn batch reaches.
    private func longest(_ check: BatchHeader.Check) -> Int {
        if case .badBody(let info) = check { info.paddedLength } else { Limits.batchBytes }
    }

    /// Rows L to O, from the tail on.
    private mutating func visitBatches(
        _ file: String, _ number: UInt32, seed: UInt32, end: Int, isCondensed: Bool, _ visit: Recovery<S>.Visit
    ) throws {
        while true {
            let place = Int(result.tail.offset)
            let (check, body) = try window.batch(at: place, segment: number, seed: seed, end: end)
            if case .unsupported(let version) = check { throw JournalError.unsupported(file: file, offset: place, version: version) }
            guard case .good(let info) = check else { return }
            if info.previousCRC != result.tail.lastCRC { throw JournalError.damage(file: file, offset: place, reason: .chain) }
            if info.firstSequence != result.tail.nextSequence { throw JournalError.damage(file: file, offset: place, reason: .sequence) }
            if info.isCondensed != isCondensed { throw JournalError.damage(file: file, offset: place, reason: .batchHeader) }
            do { try visit(info, body) } catch { throw error as? JournalError ?? JournalError.visitor(error) }
            last = info
            result.tail.offset = info.end.offset
            result.tail.nextSequence = info.nextSequence
            result.tail.lastCRC = info.chainCRC
            result.tail.lastTime = max(result.tail.lastTime, info.openedAt)
            result.batches += 1
            result.events += UInt64(info.eventCount)
            result.bytes += UInt64(info.paddedLength)
            if info.endsCondensed { return }
        }
    }

    // MARK: - After the end

    /// Rows T, V, W and X: everything was looked at, so the files may be changed now. Those from `index` on are not begun.
    private mutating func settle(from index: Int) throws(StorageError) {
        // A process that was killed may have made a file, or put a condensed one in the place of others, and not made that durable.
        // From here on it counts, and others are removed because of it.
        if repairs { try storage.syncDirectory() }
        for repair in repairsDue {
            try zero(repair.file, from: repair.from, to: repair.to)
            if repairs { try storage.sync(repair.file) }
        }
        if index > 0 { try rewriteEnd() }
        result.lastPrepared = index > 0 ? numbers[index - 1] : 0
        var blank = numbers[index...]
        if let number = blank.first, try storage.size(SegmentFormat.fileName(number)) == segmentBytes {
            result.lastPrepared = number
            blank = blank.dropFirst()
            // Batches behind it would stand in a file that is short.
            if repairs { try storage.sync(SegmentFormat.fileName(number)) }
        }
        result.removed = blank.map { SegmentFormat.fileName($0) }
        // From the highest down, each durably: those that a failure or a crash leaves have no gap before them, which would be damage.
        if repairs {
            for file in result.removed.reversed() {
                try storage.remove(file)
                try storage.syncDirectory()
            }
        }
        try removeLeftOver()
        if result.lastPrepared > 0 { result.firstSegment = numbers[0] }
        if let last { result.last = JournalPlace(id: result.tail.id, batch: last.position, crc: last.crc) }
    }

    // MARK: - Changing files

    /// Writes the last batch again, and zeros after it. A batch in an earlier segment was durable before the tail's segment was
    /// begun.
    private mutating func rewriteEnd() throws(StorageError) {
        guard repairs else { return }
        let file = SegmentFormat.fileName(result.tail.segment)
        if let last, last.position.segment == result.tail.segment {
            let place = Int(last.position.offset)
            window.open(file)
            let bytes = try window.bytes(at: place, atLeast: last.paddedLength)
            guard bytes.count >= last.paddedLength else {
                throw StorageError(operation: .read, errno: StorageError.inputOutput, file: file)
            }
            try storage.write(file, at: place, UnsafeRawBufferPointer(rebasing: bytes[0..<last.paddedLength]))
        }
        let end = Int(result.tail.offset)
        try zero(file, from: end, to: min(end + Limits.batchBytes, result.tail.segmentBytes))
        try storage.sync(file)
    }

    /// Overwrites a range with zeros, extending the file where it ends before `to`. Not durable before a sync.
    private func zero(_ file: String, from: Int, to: Int) throws(StorageError) {
        guard repairs, to > from else { return }
        let chunk = min(to - from, 1 << 20)
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk, alignment: 4096)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var at = from
        while at < to {
            let length = min(chunk, to - at)
            try storage.write(file, at: at, UnsafeRawBufferPointer(rebasing: zeros[0..<length]))
            at += length
        }
    }

    private func damage(_ number: UInt32, _ offset: Int, _ reason: DamageReason) -> JournalError {
        .damage(file: SegmentFormat.fileName(number), offset: offset, reason: reason)
    }

    private func damage(_ range: CondensedRange, _ offset: Int, _ reason: DamageReason) -> JournalError {
        .damage(file: range.fileName, offset: offset, reason: reason)
    }
}
