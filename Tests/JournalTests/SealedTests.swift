// Sealed segments: the same bytes, whoever reads them, at every crash; and every damage is found.

import Core
import Sealing
import Testing

@testable import Journal

private typealias Files = SealedStorage<MemoryStorage, ZstdCodec>

private func sealed(_ storage: MemoryStorage) -> Files { SealedStorage(storage, ZstdCodec()) }

private let later = Timestamp(nanoseconds: .max)

/// Seals one segment as the daemon does.
private func seal(_ files: Files, _ number: UInt32) throws {
    let sealer = try Sealer(files.base, ZstdCodec(), segment: number)
    while true {
        if case .written = try sealer.step() { break }
    }
    _ = try files.publish(number)
}

/// All that was left, lowest first.
private func sealAll(_ files: Files) throws {
    while let number = try files.nextToSeal(from: 1, leftBefore: later) { try seal(files, number) }
}

private func bytes(_ storage: some Storage, _ file: String, _ range: Range<Int>) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0x55, count: range.count)
    let count = try buffer.withUnsafeMutableBytes { try storage.read(file, at: range.lowerBound, into: $0) }
    return Array(buffer[0..<count])
}

/// A journal of segments with several frames each.
private func largeJournal() throws -> (files: [String: [UInt8]], batches: [SeenBatch]) {
    let storage = MemoryStorage()
    var scribe = try Scribe(storage, segmentBytes: 1 << 19, batchBytes: 1 << 16)
    var random = SeededRandom(4)
    var n = 0
    while scribe.builder.segment < 3 {
        let count = Int.random(in: 1...200, using: &random)
        try scribe.commitSamples(n..<n + count)
        n += count
        guard n % 3 == 0 else { continue }
        // What is no event, too.
        let text = [UInt8](repeating: UInt8(n & 255), count: Int.random(in: 1...9000, using: &random))
        try scribe.open()
        scribe.builder.writer.append(FactType.catalogue.rawValue)
        scribe.builder.writer.append(varint: UInt64(text.count))
        scribe.builder.writer.append(text)
        try scribe.commit()
    }
    return (storage.image, try recover(storage, segmentBytes: 1 << 19).batches)
}

@Suite struct SealedTests {
    @Test func aSealedSegmentIsReadAsTheSegmentItWas() throws {
        let (before, batches) = try largeJournal()
        let files = sealed(MemoryStorage(before))
        try sealAll(files)
        let left: Set = ["00000001.segment", "00000002.segment"]
        #expect(Set(files.base.image.keys) == Set(before.keys).subtracting(left).union(["00000001.sealed", "00000002.sealed"]))
        #expect(Set(try files.list()) == Set(before.keys))
        var random = SeededRandom(5)
        for (name, whole) in before {
            #expect(try files.size(name) == whole.count)
            #expect(try bytes(files, name, 0..<whole.count) == whole)
            for _ in 0..<300 {
                let from = Int.random(in: 0...whole.count, using: &random)
                let length = Int.random(in: 1...[3, 100, 5000, 300_000].randomElement(using: &random)!, using: &random)
                let expected = Array(whole[from..<min(whole.count, from + length)])
                try #require(try bytes(files, name, from..<from + length) == expected, "\(name) from \(from), \(length) bytes")
            }
        }
        for number in [1, 2] as [UInt32] {
            let small = try #require(files.base.image[SealedFormat.fileName(number)])
            #expect(small.count * 2 < before[SegmentFormat.fileName(number)]!.count)
        }
        // Opened anew, by those who read journals.
        let again = sealed(MemoryStorage(files.base.image))
        var seen: [SeenBatch] = []
        let recovered = try Recovery.run(again, segmentBytes: 1 << 19, newID: testID) {
            seen.append(SeenBatch(info: $0, body: [UInt8]($1)))
        }
        #expect(seen == batches && recovered.removed.isEmpty && recovered.cutBytes == 0)
        var reader = JournalReader(again)
        var followed: [SeenBatch] = []
        try reader.forEachBatch {
            followed.append(SeenBatch(info: $0, body: [UInt8]($1)))
            return true
        }
        #expect(followed == batches)
        #expect(JournalVerify.run(again).isGood)
        for batch in batches.shuffled(using: &random).prefix(50) {
            var buffer = ByteWriter()
            let place = batch.info.position(ofBodyOffset: 0)
            let fact = try #require(try reader.readFact(at: place, into: &buffer))
            #expect(batch.body.starts(with: [fact.rawType]))
        }
        #expect(again.savedBytes > 1 << 19)
    }

    @Test func whatIsInUseIsNotSealed() throws {
        let golden = try goldenJournal(segments: 3, inLast: 1)
        let files = sealed(MemoryStorage(golden.files))
        try sealAll(files)
        #expect(files.base.image.keys.contains("00000003.segment") && !files.base.image.keys.contains("00000003.sealed"))
        // A segment that is begun and has no batch may be cut away again by a recovery.
        var blank = golden.files
        for at in SegmentFormat.headerBytes..<8192 { blank["00000003.segment"]![at] = 0 }
        let early = sealed(MemoryStorage(blank))
        #expect(try early.nextToSeal(from: 2, leftBefore: later) == nil)
    }

    @Test func aSealedSegmentIsNeverWritten() throws {
        let golden = try goldenJournal(segments: 2, inLast: 2)
        let files = sealed(MemoryStorage(golden.files))
        try sealAll(files)
        let image = files.base.image
        let byte = [UInt8](repeating: 1, count: 1)
        #expect(throws: StorageError.self) { try byte.withUnsafeBytes { try files.write("00000001.segment", at: 0, $0) } }
        #expect(throws: StorageError.self) { try files.truncate("00000001.segment", to: 4096) }
        #expect(throws: StorageError.self) { try files.createZeroed("00000001.segment", size: 4096) }
        #expect(files.base.image == image)
        try files.remove("00000001.segment")
        #expect(try files.list() == ["00000002.segment"])
    }

    /// Every byte of a sealed file is under a checksum, and where it stands for is where it is missed.
    @Test func everyFlippedByteIsFound() throws {
        let golden = try goldenJournal(segments: 3, inLast: 2)
        let files = sealed(MemoryStorage(golden.files))
        try sealAll(files)
        let image = files.base.image
        for name in ["00000001.sealed", "00000002.sealed"] {
            for at in stride(from: 0, to: image[name]!.count, by: 5) {
                var flipped = image
                flipped[name]![at] ^= 1 << UInt8(at & 7)
                let report = JournalVerify.run(sealed(MemoryStorage(flipped)))
                try #require(!report.isGood, "byte \(at) of \(name)")
                // And nothing is changed by who would start on it.
                guard at % 31 == 0 else { continue }
                let storage = MemoryStorage(flipped)
                #expect(throws: JournalError.self) {
                    _ = try Recovery.run(sealed(storage), segmentBytes: 8192, newID: testID) { _, _ in }
                }
                #expect(storage.image == flipped)
            }
        }
        var short = image
        short["00000001.sealed"]!.removeLast()
        #expect(!JournalVerify.run(sealed(MemoryStorage(short))).isGood)
        short["00000001.sealed"] = image["00000002.sealed"]
        #expect(!JournalVerify.run(sealed(MemoryStorage(short))).isGood)
    }

    /// A segment that does not check out stays as it is.
    @Test func aDamagedSegmentIsNotSealed() throws {
        let golden = try goldenJournal(segments: 2, inLast: 2)
        for at in [8, 40, 4096 + 5, 4096 + 300, 8191] {
            let storage = MemoryStorage(golden.files)
            storage.edit("00000001.segment") { $0[at] ^= 1 }
            let image = storage.image
            #expect(throws: JournalError.self) { try seal(sealed(storage), 1) }
            Sealer<MemoryStorage, ZstdCodec>.discard(storage, segment: 1)
            #expect(storage.image == image)
        }
    }

    /// Sealing fails, or the power goes, at every call of the disk: the journal reads the same, and sealing succeeds afterwards.
    @Test(arguments: [5, 28] as [Int32]) func anyFailureOrPowerLossLeavesTheJournalWhole(code: Int32) throws {
        let golden = try goldenJournal(segments: 3, inLast: 2)
        var random = SeededRandom(6)
        var call = 1
        while true {
            let storage = MemoryStorage(golden.files)
            let files = sealed(storage)
            storage.fail(at: call, code: code, shortWrite: 100)
            var failed = false
            do { try sealAll(files) } catch { failed = true }
            let hasFailed = storage.hasFailed
            storage.fail(at: 0, code: code)
            for keeps in [0, 30, 100] {
                let disk = storage.afterPowerLoss { Int.random(in: 0..<100, using: &random) < keeps }
                try check(disk, golden.batches, "call \(call), \(keeps) of 100 kept")
            }
            // The process goes on.
            try sealAll(files)
            try check(storage, golden.batches, "call \(call), going on")
            if !hasFailed {
                #expect(!failed && call > 20)
                return
            }
            call += 1
        }
    }

    private func check(_ disk: MemoryStorage, _ batches: [SeenBatch], _ what: String) throws {
        let files = sealed(disk)
        try files.removeUnfinished()
        var seen: [SeenBatch] = []
        _ = try Recovery.run(files, segmentBytes: 8192, newID: testID) { seen.append(SeenBatch(info: $0, body: [UInt8]($1))) }
        try #require(seen == batches, "\(what)")
        try sealAll(files)
        try #require(JournalVerify.run(files).isGood, "\(what), sealed again")
        try #require(!disk.image.keys.contains { SealedFormat.isUnfinished($0) }, "\(what)")
    }

    /// Retention takes the segment away while it is sealed: nothing of it comes back.
    @Test func whatIsRemovedMeanwhileDoesNotComeBack() throws {
        let golden = try goldenJournal(segments: 3, inLast: 2)
        let files = sealed(MemoryStorage(golden.files))
        let sealer = try Sealer(files.base, ZstdCodec(), segment: 1)
        while true {
            if case .written = try sealer.step() { break }
        }
        let condenser = try Condenser(files, from: 1, through: 2)
        var range: CondensedRange?
        while range == nil {
            if case .condensed(let found, _, _) = try condenser.step() { range = found }
        }
        try Condenser.removeCovered(files, try #require(range))
        #expect(try files.publish(1) == false)
        #expect(Set(files.base.image.keys) == [try #require(range).fileName, "00000003.segment"])
        #expect(try files.nextToSeal(from: 1, leftBefore: later) == nil)
    }

    /// Sealed segments are condensed like others.
    @Test func sealedSegmentsAreCondensed() throws {
        let golden = try goldenJournal(segments: 4, inLast: 2)
        let plain = MemoryStorage(golden.files)
        let range = try condense(plain, 1, 2)
        let files = sealed(MemoryStorage(golden.files))
        try sealAll(files)
        let condenser = try Condenser(files, from: 1, through: 2)
        while true {
            guard case .condensed(let found, _, _) = try condenser.step() else { continue }
            #expect(found == range)
            break
        }
        try Condenser.removeCovered(files, range)
        #expect(files.base.image[range.fileName] == plain.image[range.fileName])
        #expect(Set(files.base.image.keys) == [range.fileName, "00000003.sealed", "00000004.segment"])
    }

    /// Whatever a frame says, putting it together ends, within its bounds.
    @Test func framesOfAnyBytesAreHarmless() throws {
        let (before, _) = try largeJournal()
        let files = sealed(MemoryStorage(before))
        try seal(files, 1)
        let file = try #require(files.base.image["00000001.sealed"])
        let header = try #require(file.withUnsafeBytes { SealedHeader.read($0, number: 1) })
        let frames = try #require(
            file.withUnsafeBytes { SealedFrame.readIndex(UnsafeRawBufferPointer(rebasing: $0[header.indexOffset...]), of: header) })
        let first = try #require(frames.first { $0.method == .columns })
        let good = Array(file[first.offset..<first.offset + first.stored])
        var random = SeededRandom(7)
        let codec = ZstdCodec()
        var output = [UInt8](repeating: 0, count: first.end - first.start)
        for _ in 0..<3000 {
            var frame = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: frame[Int.random(in: 0..<min(90, frame.count), using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: frame[Int.random(in: 0..<frame.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 2: frame.removeLast(Int.random(in: 0..<min(200, frame.count), using: &random))
                default: frame.append(UInt8.random(in: 0...255, using: &random))
                }
                if frame.isEmpty { frame = good }
            }
            // The sum of what it does is not looked at: that it comes back is the promise.
            _ = frame.withUnsafeBytes { input in output.withUnsafeMutableBytes { FactColumns.join(input, into: $0, codec) } }
        }
        #expect(good.withUnsafeBytes { input in output.withUnsafeMutableBytes { FactColumns.join(input, into: $0, codec) } })
    }
}
