// Recovery over two segment files of any bytes. Whatever they hold, it ends; a journal that is refused stays as it is; one that is
// taken is taken again, with the same batches, and can be written to.

import Core

@testable import Journal

private let segmentBytes = 8192

/// The number in the name of a file.
private func number(_ index: Int, _ set: FileSet) -> UInt32 {
    UInt32(set.choices & 3) + 1 + UInt32(index) * (set.choices & 0x40 == 0 ? 1 : 2)
}

/// The first file may be a condensed one.
private func isCondensed(_ index: Int, _ set: FileSet) -> Bool { index == 0 && set.choices & 0x80 != 0 }

private func fileName(_ index: Int, _ set: FileSet) -> String {
    let number = number(index, set)
    return isCondensed(index, set) ? CondensedRange(first: number, last: number).fileName : SegmentFormat.fileName(number)
}

private func segments(_ set: FileSet) -> [String: FuzzDisk.File] {
    var files: [String: FuzzDisk.File] = [:]
    // Where the numbers begin, whether files have their full length, whether there is a gap.
    for (index, bytes) in set.files.enumerated() where index == 0 || !bytes.isEmpty {
        let isWhole = set.choices & (4 << UInt8(index)) == 0
        files[fileName(index, set)] = FuzzDisk.File(bytes, size: isWhole ? max(segmentBytes, bytes.count) : bytes.count)
    }
    if set.choices & 0x10 != 0 { files[SegmentFormat.fileName(number(0, set) + 2)] = FuzzDisk.File([], size: segmentBytes) }
    if set.choices & 0x20 != 0 { files["notes"] = FuzzDisk.File([1]) }
    return files
}

private struct Seen: Equatable {
    var info: BatchInfo
    var body: [UInt8]
}

private struct Outcome {
    var journal: RecoveredJournal?
    var problem: JournalError?
    var batches: [Seen] = []

    init(_ disk: FuzzDisk, repairs: Bool) {
        var seen: [Seen] = []
        do throws(JournalError) {
            journal = try Recovery.run(disk, segmentBytes: segmentBytes, repairs: repairs, newID: testJournal) { info, body in
                seen.append(Seen(info: info, body: [UInt8](body)))
            }
        } catch {
            problem = error
        }
        batches = seen
    }
}

let testJournal = JournalID(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF)

extension FuzzEntry {
    static let recovery = FuzzEntry("recovery", repair: repairSegments) { input in
        let files = segments(FileSet(input, count: 2))
        let disk = FuzzDisk(files)
        let before = disk.files
        // Looking changes nothing and comes to the same verdict.
        let look = Outcome(disk, repairs: false)
        try demand(disk.files == before, "recovery without repairs changed a file")
        let first = Outcome(disk, repairs: true)
        try demand("\(look.problem, default: "")" == "\(first.problem, default: "")", "\(look.problem, default: "good"), then not")
        try demand(look.batches == first.batches, "other batches with repairs than without")
        let report = JournalVerify.run(FuzzDisk(files), segmentBytes: segmentBytes)
        if first.problem != nil { try demand(report.problem != nil, "verify takes what recovery refuses") }
        guard let journal = first.journal else {
            try demand(disk.files == before, "a refused journal was changed")
            return
        }
        try demand(journal.batches == UInt64(first.batches.count), "\(journal.batches) batches, \(first.batches.count) visited")
        let repaired = disk.files
        let second = Outcome(disk, repairs: true)
        try demand(second.problem == nil, "refused after it was repaired: \(second.problem, default: "")")
        try demand(second.batches == first.batches && disk.files == repaired, "the second recovery changed something")
        try demand(second.journal?.cutBytes == 0 && second.journal?.tail == journal.tail, "the second recovery cut something")
        try readBack(disk, first.batches, durableEnd: journal.tail.position)
        try writeOn(disk, journal, first.batches.count)
    }

    /// Whoever follows the journal sees the same.
    private static func readBack(_ disk: FuzzDisk, _ batches: [Seen], durableEnd: JournalPosition) throws {
        var reader = JournalReader(disk)
        var seen = 0
        try reader.forEachBatch(durableEnd: durableEnd) { info, body in
            try demand(seen < batches.count && batches[seen] == Seen(info: info, body: [UInt8](body)), "the reader sees another batch")
            seen += 1
            return true
        }
        try demand(seen == batches.count, "the reader sees \(seen) of \(batches.count) batches")
    }

    /// The writer goes on where recovery says the end is.
    private static func writeOn(_ disk: FuzzDisk, _ journal: RecoveredJournal, _ count: Int) throws {
        var plan = SegmentPlan(journal, segmentBytes: segmentBytes, batchBytes: 2048, minimum: 3 << 20)
        var writer = JournalWriter(storage: disk, tail: journal.tail, segmentBytes: segmentBytes)
        var place = plan.nextPlace(after: 0)
        if case .needsSegment(let number) = place {
            plan.preparing(number)
            try SegmentPreparer.prepare(disk, number, size: segmentBytes)
            plan.prepared(number)
            place = plan.nextPlace(after: 0)
        }
        guard case .at(let segment, let offset, let limit) = place else { throw Finding("a prepared segment is not used") }
        var batch = BatchBuilder(capacity: 2048)
        let time = max(journal.tail.lastTime.nanoseconds, 0)
        batch.open(
            segment: segment, offset: offset, limit: limit, firstSequence: journal.tail.nextSequence,
            at: Timestamp(nanoseconds: time))
        batch.writer.append(catalogueFact: "one more")
        try writer.commit(&batch)
        let after = Outcome(disk, repairs: true)
        try demand(after.problem == nil && after.batches.count == count + 1, "what was written after recovery is not there: \(after)")
    }

    // MARK: Checksums

    /// Makes right what the set says: 1 checksum of the header block, 2 number and id, 4 chain, 8 place, 16 checksum of a batch's
    /// header, 32 checksum of a batch, 64 sequence.
    @Sendable private static func repairSegments(_ input: inout [UInt8]) {
        var set = FileSet(input, count: 2)
        var (lastCRC, sequence) = (UInt32(0), UInt64(1))
        for index in set.files.indices where set.files[index].count >= 64 {
            var file = set.files[index]
            if file.count < SegmentFormat.headerBytes { file += [UInt8](repeating: 0, count: SegmentFormat.headerBytes - file.count) }
            let number = number(index, set)
            if set.repairs & 2 != 0 {
                file.store(isCondensed(index, set) ? CondensedHeader.magic : SegmentHeader.magic, at: 0)
                if isCondensed(index, set) { file.store(number, at: 64) }
                file.store(SegmentFormat.version, at: 12)
                file.store(testJournal.high.bigEndian, at: 16)
                file.store(testJournal.low.bigEndian, at: 24)
                file.store(number, at: 32)
                file.store(UInt64(segmentBytes), at: 56)
            }
            if set.repairs & 4 != 0, index > 0 { file.store(lastCRC, at: 36) }
            if index == 0 { (lastCRC, sequence) = (file.integer(UInt32.self, at: 36), file.integer(UInt64.self, at: 40)) }
            if set.repairs & 64 != 0 { file.store(sequence, at: 40) }
            if set.repairs & 1 != 0 { file.store(file[12..<4096].withUnsafeBytes { crc32c($0) }, at: 8) }
            let id = JournalID(high: file.integer(UInt64.self, at: 16).bigEndian, low: file.integer(UInt64.self, at: 24).bigEndian)
            let seed = isCondensed(index, set) ? id.seed(condensedFrom: number) : id.seed(segment: number)
            repairBatches(&file, set.repairs, number, seed, &lastCRC, &sequence)
            set.files[index] = file
        }
        input = set.input
    }

    private static func repairBatches(
        _ file: inout [UInt8], _ repairs: UInt8, _ number: UInt32, _ seed: UInt32, _ lastCRC: inout UInt32, _ sequence: inout UInt64
    ) {
        var at = SegmentFormat.headerBytes
        while at + BatchBuilder.headerBytes <= file.count, file.integer(UInt32.self, at: at) == BatchHeader.magic {
            let length = Int(file.integer(UInt32.self, at: at + 8))
            guard length >= BatchBuilder.headerBytes, at + SegmentFormat.padded(length) <= segmentBytes else { return }
            let end = at + SegmentFormat.padded(length)
            if file.count < end { file += [UInt8](repeating: 0, count: end - file.count) }
            if repairs & 4 != 0 { file.store(lastCRC, at: at + 12) }
            if repairs & 8 != 0 {
                file.store(number, at: at + 16)
                file.store(UInt32(at), at: at + 20)
                file.store(BatchHeader.version, at: at + 36)
            }
            if repairs & 64 != 0 { file.store(sequence, at: at + 24) }
            sequence &+= UInt64(file.integer(UInt32.self, at: at + 32))
            if repairs & 16 != 0 { file.store(file[at..<at + 80].withUnsafeBytes { BatchHeader.headerCRC($0, seed: seed) }, at: at + 76) }
            if repairs & 32 != 0 {
                let header = file.integer(UInt32.self, at: at + 76)
                file.store(file[(at + 80)..<end].withUnsafeBytes { crc32c($0, continuing: header) }, at: at + 4)
            }
            lastCRC = file.integer(UInt32.self, at: at + 4)
            at = end
        }
    }
}
