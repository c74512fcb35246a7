// A copy of a journal that is written to meanwhile.

import Core
import Journal
import Testing

private func events(_ storage: MemoryStorage) throws -> UInt64 {
    let report = JournalVerify.run(storage, segmentBytes: 8192)
    if let problem = report.problem { throw problem }
    return report.events
}

@Test func aCopyHoldsWhatWasWholeWhenItBegan() throws {
    let source = MemoryStorage()
    var scribe = try Scribe(source)
    var written = 0
    for _ in 0..<20 {
        for _ in 0..<3 {
            try scribe.commitSamples(written..<written + 4)
            written += 4
        }
        let report = JournalVerify.run(source, segmentBytes: 8192)
        let found = try #require(report.recovered)
        let before = report.events
        // More is written between the look and the copy.
        try scribe.commitSamples(written..<written + 4)
        written += 4
        let copy = MemoryStorage()
        let bytes = try JournalCopy.run(source, to: copy, found)
        #expect(bytes > 0)
        #expect(try events(copy) == before)
        #expect(try events(copy.afterPowerLoss { false }) == before, "it is durable")
        #expect(try events(source) == UInt64(written))
    }
}

@Test func aCopyStopsAtTheFirstFailure() throws {
    let source = MemoryStorage()
    var scribe = try Scribe(source)
    try scribe.commitSamples(0..<40)
    let found = try #require(JournalVerify.run(source, segmentBytes: 8192).recovered)
    let whole = MemoryStorage()
    _ = try JournalCopy.run(source, to: whole, found)
    let calls = whole.calls
    #expect(calls >= 4)
    for call in 1...calls {
        let copy = MemoryStorage()
        copy.fail(at: call, code: 28)
        #expect(throws: StorageError.self) { _ = try JournalCopy.run(source, to: copy, found) }
    }
    // A directory that holds a segment already is not written to.
    #expect(throws: StorageError.self) { _ = try JournalCopy.run(source, to: whole, found) }
}
