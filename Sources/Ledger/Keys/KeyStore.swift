// KeyStore: the runs on disk. It does what `DedupIndex` decided, one piece of work at a time, on a thread of its own; it
// decides nothing but whether a run may be trusted.
//
// At start a run is used when the manifest names it, every checksum in it is right, it is of this journal and this seed, and
// the journal still has the batch the run ends with, checksum included: the journal chains its batches' checksums, so all that
// came before is the same too. The first run that fails, and all later ones, are thrown away, and their keys come from the
// journal again. So a run is never needed, and never believed.

public import Core
public import Journal

/// What is known of a batch of the journal.
public protocol BatchSource: Sendable {
    /// The checksum of the batch at `position` and the place after it; nil when no batch stands there.
    func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)?
    /// Sequence of the first event after the batch at `position`; nil when that is not known.
    func nextSequence(after position: JournalPosition) -> UInt64?
}

extension BatchSource {
    public func nextSequence(after position: JournalPosition) -> UInt64? { nil }
}

/// The batches of a journal's segments.
public struct JournalBatches<S: Storage>: BatchSource {
    private let storage: S
    public init(_ storage: S) { self.storage = storage }

    public func batch(at position: JournalPosition) throws(StorageError) -> (crc: UInt32, end: JournalPosition)? {
        // A segment that is condensed and not removed yet is no part of the journal any more.
        guard try !CondensedRange.all(in: storage.list()).contains(where: { $0.covers(position.segment) }) else { return nil }
        var reader = JournalReader(storage)
        do throws(JournalError) {
            guard let info = try reader.readHeader(at: position), info.position == position else { return nil }
            return (info.crc, info.end)
        } catch {
            guard case .storage(let cause) = error, cause.errno != 2 else { return nil }
            throw cause
        }
    }
}

extension JournalBatches {
    public func nextSequence(after position: JournalPosition) -> UInt64? {
        var reader = JournalReader(storage)
        guard let info = try? reader.readHeader(at: position) else { return nil }
        return info.nextSequence
    }
}

/// One piece of work for the store.
public enum KeyWork: Sendable {
    /// Write a sealed table down. The events of its last batch are durable.
    case write(SealedKeys)
    /// Begin to merge neighbouring runs, leaving out what stands before `expiredBefore`.
    case merge([UInt32], expiredBefore: JournalPosition)
    /// Go on with the merge that was begun.
    case continueMerge
    /// Read the filters of some sections.
    case load(UInt32, Range<Int>)
    /// Remove runs that nobody reads any more.
    case retire([UInt32])

    /// Whether keys wait for it in memory.
    public var isUrgent: Bool { if case .write = self { true } else { false } }
}

/// The tails of some sections, in their order: freed with it, unless somebody takes them. One thread has it at a time.
public final class LoadedSections: @unchecked Sendable {
    private var list: [LoadedSection] = []

    var count: Int { list.count }

    func append(_ section: LoadedSection) { list.append(section) }

    /// Hands them over, to be freed by whoever asks.
    func take() -> [LoadedSection] {
        defer { list = [] }
        return list
    }

    deinit { for section in list { section.free() } }
}

public enum KeyResult: Sendable {
    case wrote(RunHeader, LoadedSections)
    /// There is more to merge.
    case merging
    /// The manifest names the new run in the place of those it was made from.
    case merged(RunHeader)
    case loaded(LoadedSections)
    case retired
    /// Nothing came of it; it may be tried again.
    case failed(StorageError)
    /// A run on disk is not what was written.
    case damaged(StorageError)
}

/// A run that was found good at start.
struct OpenedRun {
    var header: RunHeader
    var sections: LoadedSections
}

/// Not thread-safe: used at start by the thread that opens it, and then by one other.
public final class KeyStore: @unchecked Sendable {
    let storage: any Storage
    private let batches: any BatchSource
    private var manifest: KeyManifest
    private let seedMark: UInt64
    private var files: [UInt32: RunFile] = [:]
    private var merge: RunMerge?
    /// Files of runs that are not used, and whether the manifest on disk names some of them.
    private var leftOver: [UInt32] = []
    private var isManifestDue = false
    /// Runs found good at start, until the index takes them.
    var opened: [OpenedRun] = []
    /// What was wrong with runs that are not used, for the log.
    public private(set) var complaints: [String] = []

    /// Beyond it no start goes on counting, so that a process, which makes far fewer than the million left, never runs out. Runs
    /// that hold 360,000 keys each get here after 10^15 events; a file's name or a manifest may say so at once.
    static let lastNumber = UInt32.max - (1 << 20)

    /// Makes what is in the directory usable. `id` is the journal's, `newSeed` the seed when there is none yet. Only
    /// a directory that cannot be read is an error.
    public init(_ storage: any Storage, journal id: JournalID, batches: any BatchSource, newSeed: UInt64) throws(StorageError) {
        self.storage = storage
        self.batches = batches
        let names = try storage.list()
        var found: KeyManifest?
        do throws(StorageError) { found = try KeyManifest.read(storage, names) } catch { complaints.append("the manifest cannot be read") }
        if found == nil, names.contains(KeyManifest.file), complaints.isEmpty { complaints.append("the manifest is damaged") }
        if let other = found, other.id != id {
            complaints.append("the manifest is of another journal")
            found = nil
        }
        if let other = found, other.nextNumber > KeyStore.lastNumber {
            complaints.append("the manifest leaves no number for a run")
            found = nil
        }
        manifest = found ?? KeyManifest(id: id, seed: newSeed)
        seedMark = RunFormat.mark(ofSeed: manifest.seed, id)
        let numbers = names.compactMap(RunFormat.number(ofFile:))
        // No number of a file that is there, whatever it is; of those beyond the last none is ever made.
        manifest.nextNumber = max(manifest.nextNumber, (numbers.filter { $0 < KeyStore.lastNumber }.max() ?? 0) + 1)
        openRuns()
        isManifestDue = !complaints.isEmpty && names.contains(KeyManifest.file)
        let kept = Set(manifest.runs.map(\.number))
        leftOver = numbers.filter { !kept.contains($0) }
    }

    /// Of the fingerprints. Secret, and the same for as long as the manifest lasts.
    public var seed: UInt64 { manifest.seed }

    // MARK: Start

    private func openRuns() {
        var end = manifest.start
        for (index, run) in manifest.runs.enumerated() {
            do {
                let file = try RunFile(storage, run.number, crc: run.crc, id: manifest.id, seedMark: seedMark)
                guard file.header.from == end else { throw RunFault(reason: "does not go on from the run before it") }
                guard let batch = try batches.batch(at: file.header.batch), batch.crc == file.header.batchCRC, batch.end >= file.header.to
                else { throw RunFault(reason: "is not of what the journal holds") }
                try file.verify(storage)
                let sections = try file.load(storage, file.sections.indices)
                opened.append(OpenedRun(header: file.header, sections: sections))
                files[run.number] = file
                end = file.header.to
            } catch {
                let reason = (error as? RunFault)?.reason ?? "cannot be read"
                let later = manifest.runs.count - index - 1
                let others = later > 0 ? ", nor are the \(later) after it" : ""
                complaints.append("\(RunFormat.fileName(run.number)) \(reason); it is not used\(others)")
                manifest.runs.removeSubrange(index...)
                return
            }
        }
    }

    /// Removes the files found at start that are not used. Called when the journal was read and found good: until then nothing is
    /// thrown away.
    public func removeLeftOver() {
        do throws(StorageError) {
            // The manifest goes first: a file that is gone must not be named.
            if isManifestDue { try manifest.save(storage) }
            for number in leftOver { try storage.remove(RunFormat.fileName(number)) }
            if !leftOver.isEmpty { try storage.syncDirectory() }
        } catch {
            // They are tried again at the next start, and their numbers are not used.
        }
        leftOver = []
    }

    // MARK: Work

    public func perform(_ work: KeyWork) -> KeyResult {
        do {
            switch work {
            case .write(let sealed): return try write(sealed)
            case .merge(let numbers, let expiredBefore): return try begin(numbers, expiredBefore)
            case .continueMerge: return try continueMerge()
            case .load(let number, let range):
                guard let file = files[number] else { throw RunFault(reason: "is not known") }
                return .loaded(try file.load(storage, range))
            case .retire(let numbers): return try retire(numbers)
            }
        } catch let error as StorageError {
            return .failed(error)
        } catch {
            return .damaged(StorageError(operation: .read, errno: StorageError.badMessage, file: "keys"))
        }
    }

    private func newHeader(from: JournalPosition, to: JournalPosition, batch: JournalPosition, crc: UInt32) -> RunHeader {
        defer { manifest.nextNumber += 1 }
        return RunHeader(
            id: manifest.id, number: manifest.nextNumber, seedMark: seedMark, from: from, to: to, batch: batch, batchCRC: crc)
    }

    private func write(_ sealed: SealedKeys) throws -> KeyResult {
        guard let batch = try batches.batch(at: sealed.batch) else {
            throw StorageError(operation: .read, errno: StorageError.inputOutput, file: SegmentFormat.fileName(sealed.batch.segment))
        }
        guard manifest.runs.count < Limits.dedupRuns else {
            throw StorageError(operation: .create, errno: StorageError.inputOutput, file: KeyManifest.file)
        }
        let header = newHeader(from: sealed.from, to: sealed.to, batch: sealed.batch, crc: batch.crc)
        let finished = try making(header.number) {
            var writer = try RunWriter(storage, header, expected: sealed.count)
            var entries: [KeyEntry] = []
            var sorter = FingerprintSorter()
            for shard in 0..<KeyTable.shardCount {
                entries.removeAll(keepingCapacity: true)
                sealed.table.pointee.forEach(inShard: shard) { entries.append($0) }
                sorter.sort(&entries)
                for entry in entries { try writer.append(entry) }
            }
            return try writer.finish()
        }
        // Its filters are read before it counts: were it to fail after that, the table would be written twice.
        return try making(header.number) {
            let file = try RunFile(storage, header.number, crc: finished.crc, id: manifest.id, seedMark: seedMark)
            let loaded = try file.load(storage, file.sections.indices)
            try enlist(file, inPlaceOf: [])
            return .wrote(finished, loaded)
        }
    }

    /// Calls `body`; when it fails, what is there of the run is removed.
    private func making<R>(_ number: UInt32, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch {
            discard(number)
            throw error
        }
    }

    /// Best effort: what stays is removed at the next start.
    private func discard(_ number: UInt32) {
        files[number] = nil
        do throws(StorageError) { try storage.remove(RunFormat.fileName(number)) } catch {}
    }

    /// Makes the new run count instead of the old ones, which stay in the directory until they are retired.
    private func enlist(_ file: RunFile, inPlaceOf old: [UInt32]) throws(StorageError) {
        var next = manifest
        let place = next.runs.firstIndex { old.contains($0.number) } ?? next.runs.count
        next.runs.removeAll { old.contains($0.number) }
        next.runs.insert(KeyManifest.Run(number: file.header.number, crc: file.header.crc), at: place)
        if place == 0 { next.start = file.header.from }
        // Should the rename have happened before a failure, the manifest names a run that is removed: the next save mends
        // that, and a start before it takes the keys from the journal.
        try next.save(storage)
        isManifestDue = false
        manifest = next
        files[file.header.number] = file
    }

    private func retire(_ numbers: [UInt32]) throws -> KeyResult {
        if manifest.runs.contains(where: { numbers.contains($0.number) }) {
            var next = manifest
            next.runs.removeAll { numbers.contains($0.number) }
            next.start = next.runs.first.flatMap { files[$0.number]?.header.from } ?? .start
            try next.save(storage)
            manifest = next
        }
        for number in numbers {
            files[number] = nil
            // One that was removed by an attempt before is gone.
            do throws(StorageError) { try storage.remove(RunFormat.fileName(number)) } catch { if error.errno != 2 { throw error } }
        }
        return .retired
    }

    // MARK: Merging

    private func begin(_ numbers: [UInt32], _ expiredBefore: JournalPosition) throws -> KeyResult {
        let inputs = numbers.compactMap { files[$0] }
        guard inputs.count == numbers.count, let first = inputs.first, let last = inputs.last else {
            throw RunFault(reason: "is not known")
        }
        // What has expired is not in the new run; where it is the first, it need not be covered either.
        let isFirst = manifest.runs.first?.number == first.header.number
        let from = isFirst ? max(first.header.from, min(expiredBefore, last.header.to)) : first.header.from
        let header = newHeader(from: from, to: last.header.to, batch: last.header.batch, crc: last.header.batchCRC)
        merge = try making(header.number) { try RunMerge(storage, inputs, into: header, expiredBefore: expiredBefore) }
        return .merging
    }

    private func continueMerge() throws -> KeyResult {
        guard let merge else { throw RunFault(reason: "is not known") }
        do {
            guard let header = try making(merge.number, { try finish(merge) }) else { return .merging }
            self.merge = nil
            return .merged(header)
        } catch {
            self.merge = nil
            throw error
        }
    }

    private func finish(_ merge: RunMerge) throws -> RunHeader? {
        guard let header = try merge.step() else { return nil }
        try enlist(try RunFile(storage, header.number, crc: header.crc, id: manifest.id, seedMark: seedMark), inPlaceOf: merge.inputs)
        return header
    }
}
