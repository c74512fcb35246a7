// Following a journal while it is written, and what a reader says about bytes it cannot believe.

import Core
import Journal
import Testing

private let first = SegmentFormat.fileName(1)

@Test func aHalfWrittenBatchIsTheEndUntilItIsWhole() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    try scribe.commitSamples(0..<4)
    let end = scribe.writer.durableEnd
    try scribe.commitSamples(4..<8)
    let whole = storage.image[first]!
    let place = Int(end.offset)
    let length = Int(scribe.writer.durableEnd.offset) - place

    var reader = JournalReader(storage)
    var body = ByteWriter()
    for written in [0, 1, 79, 80, 81, length - 1] {
        storage.edit(first) { bytes in
            bytes.replaceSubrange(place..., with: [UInt8](repeating: 0, count: bytes.count - place))
            bytes.replaceSubrange(place..<place + written, with: whole[place..<place + written])
        }
        #expect(try reader.readBatch(at: end, into: &body) == nil && body.count == 0)
        var seen = 0
        let stopped = try reader.forEachBatch { _, _ in
            seen += 1
            return true
        }
        #expect(seen == 1 && stopped == end)
        // Told that it is durable, it must be there.
        let durable = JournalPosition(segment: 1, offset: UInt32(place + length))
        #expect(throws: JournalError.self) { try reader.readBatch(at: end, durableEnd: durable, into: &body) }
        #expect(throws: JournalError.self) { try reader.forEachBatch(durableEnd: durable) { _, _ in true } }
    }
    storage.edit(first) { $0 = whole }
    #expect(try reader.readBatch(at: end, into: &body)?.firstSequence == 5)
}

@Test func aFollowerCrossesSegmentsAsTheyAreBegun() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    var reader = JournalReader(storage)
    var body = ByteWriter()
    var place = JournalPosition.start
    var next: UInt64 = 1
    // A second follower reads in rows, now and then.
    var row = (reader: JournalReader(storage), place: JournalPosition.start, next: UInt64(1))
    #expect(try reader.readBatch(at: place, into: &body) == nil)
    #expect(try reader.readBatch(at: place, durableEnd: scribe.writer.durableEnd, into: &body) == nil)
    for n in 0..<40 {
        try scribe.commitSamples(n * 4..<n * 4 + 4)
        let end = n % 2 == 0 ? scribe.writer.durableEnd : nil
        while let info = try reader.readBatch(at: place, durableEnd: end, into: &body) {
            #expect(info.firstSequence == next && info.bodyLength == body.count)
            next = info.nextSequence
            place = info.end
        }
        #expect(place == scribe.writer.durableEnd)
        guard n % 3 == 0 || n == 39 else { continue }
        row.place = try row.reader.forEachBatch(from: row.place, durableEnd: end) { info, _ in
            #expect(info.firstSequence == row.next)
            row.next = info.nextSequence
            return true
        }
        #expect(row.place == place && row.next == next)
    }
    #expect(next == 161 && place.segment >= 3)
    let segments = try reader.segments()
    #expect(segments.map(\.number) == Array(1...place.segment))
    for segment in segments {
        #expect(try reader.readHeader(at: segment.start)?.firstSequence == segment.firstSequence)
        #expect(segment.header.id == testID && segment.fileBytes == 8192)
    }
}

@Test func aReaderRefusesWhatRecoveryWouldRefuse() throws {
    let golden = try goldenJournal(segments: 2, inLast: 3)
    for (index, batch) in golden.batches.dropLast().enumerated() {
        for offset in [0, 5, 30, 79, 80, batch.info.length - 1] {
            var files = golden.files
            files[SegmentFormat.fileName(batch.info.position.segment)]![Int(batch.info.position.offset) + offset] ^= 0x10
            var seen = 0
            var reader = JournalReader(MemoryStorage(files))
            let end = golden.batches.last!.info.end
            #expect(throws: JournalError.self) {
                try reader.forEachBatch(durableEnd: end) { _, _ in
                    seen += 1
                    return true
                }
            }
            #expect(seen == index)
        }
    }
}

@Test func aVisitorMayStopOrThrow() throws {
    struct Enough: Error {}
    let golden = try goldenJournal(segments: 2, inLast: 2)
    var reader = JournalReader(MemoryStorage(golden.files))
    var seen = 0
    let place = try reader.forEachBatch { _, _ in
        seen += 1
        return seen < 3
    }
    #expect(seen == 3 && place == golden.batches[2].info.end)
    do {
        try reader.forEachBatch { _, _ in throw Enough() }
        Issue.record("nothing was thrown")
    } catch {
        guard case .visitor(let inner) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(inner is Enough)
    }
}

@Test func aFactIsReadByItsPlaceAlone() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage, segmentBytes: 65536, batchBytes: 32768)
    try scribe.open()
    let small = scribe.builder.position(of: scribe.builder.writer.count)
    scribe.builder.writer.append(catalogueFact: "small")
    let large = scribe.builder.position(of: scribe.builder.writer.count)
    scribe.builder.writer.append(catalogueFact: String(repeating: "x", count: 5000))
    try scribe.commit()
    var reader = JournalReader(storage)
    var buffer = ByteWriter()
    #expect(try reader.readFact(at: small, into: &buffer)?.payload.count == 5)
    #expect(try reader.readFact(at: large, into: &buffer)?.payload.count == 5000)
    // Zeros, the last byte of the file, past the end: no fact.
    #expect(try reader.readFact(at: JournalPosition(segment: 1, offset: 60000), into: &buffer) == nil)
    #expect(try reader.readFact(at: JournalPosition(segment: 1, offset: 65535), into: &buffer) == nil)
    #expect(try reader.readFact(at: JournalPosition(segment: 1, offset: 70000), into: &buffer) == nil)
    #expect(throws: StorageError.self) { try reader.readFact(at: JournalPosition(segment: 9, offset: 4096), into: &buffer) }
}

@Test func aMissingSegmentIsNotTheEnd() throws {
    var golden = try goldenJournal(segments: 3, inLast: 2)
    golden.files[SegmentFormat.fileName(1)] = nil
    var reader = JournalReader(MemoryStorage(golden.files))
    var body = ByteWriter()
    #expect(throws: JournalError.self) { try reader.readBatch(at: JournalPosition(segment: 1, offset: 0), into: &body) }
    #expect(try reader.readBatch(at: .start, into: &body)?.position.segment == 2)
    #expect(try reader.readBatch(at: JournalPosition(segment: 4, offset: 0), into: &body) == nil)
}
