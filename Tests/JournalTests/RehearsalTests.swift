// A rehearsed recovery says what a real one does, byte for byte, and changes nothing.

import Core
import FileStorage
import Journal
import Testing

/// The changes that make `after` of `before`, as a rehearsal names them.
private func apply(_ changes: [RehearsedChange], to files: [String: [UInt8]]) -> [String: [UInt8]] {
    var files = files
    for change in changes {
        switch change.kind {
        case .cut: for at in change.offset..<change.offset + change.bytes { files[change.file]![at] = 0 }
        case .extended:
            if files[change.file]!.count == change.offset { files[change.file]! += [UInt8](repeating: 0, count: change.bytes) }
        case .removed: files[change.file] = nil
        }
    }
    return files
}

@Test func aRehearsedRecoveryIsTheRealOne() throws {
    let golden = try goldenJournal(segments: 3, inLast: 3)
    let (second, third, fourth, fifth) = (
        SegmentFormat.fileName(2), SegmentFormat.fileName(3), SegmentFormat.fileName(4), SegmentFormat.fileName(5)
    )
    let last = try #require(golden.batches.last?.info)
    var random = SeededRandom(20_261_127)
    var kinds: Set<RehearsedChange.Kind> = []
    var refused = 0
    for round in 0..<400 {
        var files = golden.files
        // The third is the last; what an earlier one loses is damage.
        switch round % 8 {
        case 0: files[third] = Array(files[third]!.prefix(Int.random(in: 0...8192, using: &random)))
        case 1: files[third]![Int.random(in: Int(last.position.offset)..<Int(last.end.offset), using: &random)] ^= 0x10
        case 2:
            for at in 0..<Int.random(in: 1...500, using: &random) {
                files[third]![Int(last.end.offset) + at] = .random(in: 0...255, using: &random)
            }
        case 3: files[fourth] = [UInt8](repeating: 0, count: Bool.random(using: &random) ? 8192 : 4096)
        case 4: (files[fourth], files[fifth]) = ([UInt8](repeating: 0, count: 8192), [])
        case 5: (files[fourth], files["notes"]) = ([UInt8](repeating: 0x5A, count: Int.random(in: 1...4096, using: &random)), [1])
        case 6: files[second]![Int.random(in: 4096..<8192, using: &random)] ^= 1
        default: break
        }
        let untouched = MemoryStorage(files)
        let rehearsed = RehearsedStorage(untouched)
        let real = MemoryStorage(files)
        let expected = Result { () throws(JournalError) in try Recovery.run(real, segmentBytes: 8192, newID: testID) { _, _ in } }
        let said = Result { () throws(JournalError) in try Recovery.run(rehearsed, segmentBytes: 8192, newID: testID) { _, _ in } }
        switch (expected, said) {
        case (.success(let one), .success(let other)): #expect(one == other, "round \(round)")
        case (.failure(let one), .failure(let other)):
            #expect("\(one)" == "\(other)")
            refused += 1
        default: Issue.record("round \(round): \(expected) and \(said)")
        }
        #expect(untouched.image == files && untouched.writes == 0)
        #expect(apply(rehearsed.changes, to: files) == real.image, "round \(round): \(rehearsed.changes)")
        kinds.formUnion(rehearsed.changes.map(\.kind))
        // What was repaired needs nothing more.
        let again = RehearsedStorage(real)
        if case .success = expected {
            _ = try Recovery.run(again, segmentBytes: 8192, newID: testID) { _, _ in }
            #expect(again.changes.isEmpty, "round \(round): \(again.changes)")
        }
    }
    #expect(kinds == [.cut, .extended, .removed] && refused > 20)
}
