// Damage of every shape to a journal of three segments: blocks zeroed, doubled, swapped, taken from another place, another
// time or another journal, and random bits. What has anything intact after it is found; what has not may be cut, as a torn
// batch would be; nothing is guessed, nothing counts that was not written.
//
// `PURSER_FLIPS` raises the number of random runs, for a night.

import Core
import Foundation
import Journal
import Testing

private struct Campaign {
    let files: [String: [UInt8]]
    let batches: [SeenBatch]
    var refused = 0
    var cut = 0
    var harmless = 0
    /// Runs in which more than the last batch was cut: the headers of all that was cut were gone, so nothing told.
    var hidden = 0

    init() throws {
        (files, batches) = try goldenJournal(segments: 3, inLast: 4)
        #expect(batches.last?.info.position.segment == 3)
    }

    private func isChanged(_ changed: [String: [UInt8]], _ segment: UInt32, _ range: Range<Int>) -> Bool {
        let name = SegmentFormat.fileName(segment)
        return changed[name]![range] != files[name]![range]
    }

    /// Whether a journal of `kept` batches may be made of the changed files: every batch that is missing has lost its header, or,
    /// if it is the first that is missing, its body while nothing but zeros follows.
    private func isExcused(_ changed: [String: [UInt8]], kept: Int) -> Bool {
        if isChanged(changed, 1, 0..<8192) || isChanged(changed, 2, 0..<8192) || isChanged(changed, 3, 0..<4096) { return false }
        for (index, batch) in batches.enumerated() where batch.info.position.segment == 3 {
            let place = Int(batch.info.position.offset)
            let end = Int(batch.info.end.offset)
            if index < kept {
                if isChanged(changed, 3, place..<end) { return false }
            } else if !isChanged(changed, 3, place..<place + 80) {
                let isFollowed = changed[SegmentFormat.fileName(3)]![end...].contains { $0 != 0 }
                guard index == kept, isChanged(changed, 3, place..<end), !isFollowed else { return false }
            }
        }
        return true
    }

    /// Recovers what was made of the files; false, with an issue, when damage was not found or something was invented.
    mutating func judge(_ changed: [String: [UInt8]], _ what: @autoclosure () -> String) -> Bool {
        let storage = MemoryStorage(changed)
        do {
            let (journal, seen) = try recover(storage)
            guard seen == Array(batches.prefix(seen.count)), isExcused(changed, kept: seen.count) else {
                Issue.record("\(what()): \(seen.count) of \(batches.count) batches, not refused")
                return false
            }
            if seen.count < batches.count - 1 { hidden += 1 } else if journal.cutBytes > 0 { cut += 1 } else { harmless += 1 }
            // Recovering again changes nothing.
            let image = storage.image
            let again = try recover(storage)
            guard again.batches == seen, storage.image == image, again.journal.cutBytes == 0 else {
                Issue.record("\(what()): a second recovery changes something")
                return false
            }
        } catch let error as JournalError {
            guard changed != files, error.isDamage, storage.image == changed else {
                Issue.record("\(what()): \(error)")
                return false
            }
            refused += 1
        } catch {
            Issue.record("\(what()): \(error)")
            return false
        }
        return true
    }
}

@Test func randomBitsAnywhereAreFound() throws {
    var campaign = try Campaign()
    let runs = ProcessInfo.processInfo.environment["PURSER_FLIPS"].flatMap { Int($0) } ?? 10_000
    var random = SeededRandom(20_261_126)
    let names = campaign.files.keys.sorted().filter { $0 < SegmentFormat.fileName(4) }
    for run in 0..<runs {
        var files = campaign.files
        // In one place or all over, from the beginning to the last batch or anywhere.
        let name = names.randomElement(using: &random)!
        let start = Int.random(in: 0..<8192, using: &random)
        for _ in 0..<Int.random(in: 1...40, using: &random) {
            let at = run % 2 == 0 ? (start + Int.random(in: 0..<64, using: &random)) % 8192 : Int.random(in: 0..<8192, using: &random)
            files[run % 3 == 0 ? names.randomElement(using: &random)! : name]![at] ^= 1 << UInt8.random(in: 0...7, using: &random)
        }
        guard campaign.judge(files, "run \(run)") else { return }
    }
    print("random bits: \(runs) runs, \(campaign.refused) refused, \(campaign.cut) cut, \(campaign.hidden) cut more than one batch")
    #expect(campaign.refused > runs * 9 / 10 && campaign.cut > 0 && campaign.hidden < runs / 100)
}

@Test(arguments: [64, 512, 4096])
func blocksThatAreNotWhatWasWrittenAreFound(_ size: Int) throws {
    var campaign = try Campaign()
    let names = [SegmentFormat.fileName(1), SegmentFormat.fileName(2), SegmentFormat.fileName(3)]
    let other = MemoryStorage()
    var scribe = try Scribe(other, id: JournalID(high: 1, low: 2))
    var n = 0
    while scribe.builder.segment < 4 {
        try scribe.commitSamples(n..<n + 4)
        n += 4
    }
    let foreign = other.image
    func block(_ files: [String: [UInt8]], _ name: String, _ at: Int) -> ArraySlice<UInt8> { files[name]![at..<at + size] }
    for (index, name) in names.enumerated() {
        for at in stride(from: 0, to: 8192, by: size) {
            var files = campaign.files
            files[name]!.replaceSubrange(at..<at + size, with: [UInt8](repeating: 0, count: size))
            guard campaign.judge(files, "\(size) bytes at \(at) of \(name) zeroed") else { return }
            files = campaign.files
            files[name]!.replaceSubrange(at..<at + size, with: [UInt8](repeating: 0xFF, count: size))
            guard campaign.judge(files, "\(size) bytes at \(at) of \(name) set") else { return }
            // The same place of another segment, of another journal; another place, and the two swapped.
            files = campaign.files
            let neighbour = names[(index + 1) % 3]
            files[name]!.replaceSubrange(at..<at + size, with: block(campaign.files, neighbour, at))
            guard campaign.judge(files, "\(size) bytes at \(at) of \(name) taken from \(neighbour)") else { return }
            files = campaign.files
            files[name]!.replaceSubrange(at..<at + size, with: block(foreign, name, at))
            guard campaign.judge(files, "\(size) bytes at \(at) of \(name) of another journal") else { return }
            for from in [0, 4096, (at + size) % 8192, (at + 3 * size) % 8192] where from != at {
                files = campaign.files
                files[name]!.replaceSubrange(at..<at + size, with: block(campaign.files, name, from))
                guard campaign.judge(files, "\(size) bytes at \(at) of \(name) doubled from \(from)") else { return }
                files[name]!.replaceSubrange(from..<from + size, with: block(campaign.files, name, at))
                guard campaign.judge(files, "\(size) bytes at \(at) and \(from) of \(name) swapped") else { return }
            }
        }
    }
    print("blocks of \(size): \(campaign.refused) refused, \(campaign.cut) cut, \(campaign.hidden) cut more, \(campaign.harmless) alike")
    #expect(campaign.refused > 2 * 8192 / size)
}

/// A block that is as it was some batches ago: a write that never arrived although a later one did.
@Test func blocksFromBeforeAreFoundWhereSomethingWasWrittenAfterThem() throws {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage)
    var past: [[String: [UInt8]]] = []
    while scribe.builder.segment < 3 || past.count % 12 != 0 {
        try scribe.commitSamples(past.count * 4..<past.count * 4 + 4)
        past.append(storage.image)
    }
    let present = storage.image
    let batches = try recover(storage).batches
    let end = Int(scribe.writer.tail.offset)
    var (refused, shorter) = (0, 0)
    for (age, before) in past.enumerated() {
        for name in [SegmentFormat.fileName(1), SegmentFormat.fileName(2), SegmentFormat.fileName(3)] {
            for size in [512, 4096, 8192] {
                for at in stride(from: 0, to: 8192, by: size) {
                    var files = present
                    let old = before[name].map { Array($0[at..<at + size]) } ?? [UInt8](repeating: 0, count: size)
                    guard files[name]![at..<at + size] != old[...] else { continue }
                    files[name]!.replaceSubrange(at..<at + size, with: old)
                    let changed = MemoryStorage(files)
                    do {
                        // What one disk cannot tell: the end of the journal is as it was, and nothing after it says otherwise.
                        let seen = try recover(changed).batches
                        let isAtEnd = name == SegmentFormat.fileName(3) && at + size >= end
                        guard isAtEnd, seen == Array(batches.prefix(seen.count)) else {
                            Issue.record("\(size) bytes at \(at) of \(name) as after batch \(age + 1): not refused")
                            return
                        }
                        shorter += 1
                    } catch let error as JournalError {
                        guard error.isDamage, changed.image == files else {
                            Issue.record("\(error)")
                            return
                        }
                        refused += 1
                    }
                }
            }
        }
    }
    print("blocks from before: \(refused) refused, \(shorter) of the journal's end not told from a shorter journal")
    #expect(refused > 400 && shorter > 0)
}
