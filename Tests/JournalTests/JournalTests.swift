import Core
import Journal
import Testing

@Test func whatWasCommittedIsRecoveredInOrder() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    for n in 0..<40 { try scribe.commitSamples(n * 4..<n * 4 + 4) }
    #expect(scribe.writer.tail.segment > 2)
    let tail = scribe.writer.tail

    let (journal, batches) = try recover(storage)
    #expect(journal.tail == tail)
    #expect(batches.count == 40)
    #expect(journal.events == 160)
    #expect(journal.cutBytes == 0 && journal.removed.isEmpty)
    var sequence: UInt64 = 1
    for batch in batches {
        var reader = batch.body.withUnsafeBytes { FactReader($0) }
        batch.body.withUnsafeBytes { bytes in
            reader = FactReader(bytes)
            while let fact = reader.next() {
                guard fact.type == .event else { continue }
                #expect(EventFact(fact.payload)?.sequence == sequence)
                sequence += 1
            }
        }
        #expect(!reader.failed)
    }
    #expect(sequence == 161)
}

@Test func aReaderSeesTheSameBatchesOneByOneAndInARow() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    var positions: [JournalPosition] = []
    for n in 0..<30 { positions += try scribe.commitSamples(n * 4..<n * 4 + 4) }
    let (_, expected) = try recover(storage)

    for end in [nil, scribe.writer.durableEnd] {
        var reader = JournalReader(storage)
        var body = ByteWriter()
        var place = JournalPosition.start
        var seen: [SeenBatch] = []
        while let info = try reader.readBatch(at: place, durableEnd: end, into: &body) {
            seen.append(SeenBatch(info: info, body: body.array))
            place = info.end
        }
        #expect(seen == expected)
        #expect(place == scribe.writer.durableEnd)

        var row: [SeenBatch] = []
        let last = try reader.forEachBatch(durableEnd: end) { info, body in
            row.append(SeenBatch(info: info, body: [UInt8](body)))
            return true
        }
        #expect(row == expected)
        #expect(last == place)

        var skipped: [BatchInfo] = []
        place = .start
        while let info = try reader.readHeader(at: place, durableEnd: end) {
            skipped.append(info)
            place = info.end
        }
        #expect(skipped == expected.map(\.info))
    }
    var reader = JournalReader(storage)
    var buffer = ByteWriter()
    for (n, position) in positions.enumerated() {
        let fact = try #require(try reader.readFact(at: position, into: &buffer))
        let event = try #require(EventFact(fact.payload))
        #expect(event.sequence == UInt64(n + 1))
        var key = ByteWriter()
        event.appendKey(to: &key)
        #expect(key.string == "key-\(n)")
    }
}
