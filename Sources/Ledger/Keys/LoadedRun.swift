// LoadedRun: a run as look-ups see it: filters and the beginnings of blocks in memory, entries on disk.
//
// While a merged run takes the place of its inputs, section by section, a section that is not in memory lets nothing through:
// at any time each fingerprint is answered by the inputs or by the new run.

internal import Core
internal import Journal

struct LoadedRun {
    let header: RunHeader
    let file: String
    let seed: UInt32
    let sections: UnsafeMutablePointer<LoadedSection>
    private(set) var byteCount = 0

    /// Without any section.
    init(_ header: RunHeader) {
        self.header = header
        file = header.fileName
        seed = RunFormat.seed(header.id, header.number)
        sections = .allocate(capacity: RunFormat.sections)
        sections.initialize(repeating: .none, count: RunFormat.sections)
    }

    /// Takes the memory of a section over, or gives it up for `.none`.
    mutating func install(_ section: LoadedSection, at index: Int) {
        byteCount += section.byteCount - sections[index].byteCount
        sections[index].free()
        sections[index] = section
    }

    mutating func install(_ loaded: LoadedSections, from start: Int) {
        for (i, section) in loaded.take().enumerated() { install(section, at: start + i) }
    }

    /// Of filters and beginnings, with the table of sections.
    var memory: Int { byteCount + RunFormat.sections * MemoryLayout<LoadedSection>.stride }

    /// Notes which of a block of fingerprints the filters let through. Their slots are asked for so far ahead of the look at them that
    /// cache misses wait for each other as little as can be.
    func probe(_ fingerprints: UnsafePointer<UInt64>, count: Int, into hints: UnsafeMutablePointer<DedupHint>) {
        // A power of two.
        let ahead = 16
        @inline(__always) func ask(_ i: Int) -> FuseFilter.Probe {
            sections[Int(truncatingIfNeeded: fingerprints[i] >> 56)].filter.probe(fingerprints[i])
        }
        withUnsafeTemporaryAllocation(of: FuseFilter.Probe.self, capacity: ahead) { asked in
            for i in 0..<min(ahead, count) { asked[i] = ask(i) }
            for i in 0..<count {
                if asked[i & (ahead - 1)].mightBeMember { hints[i].isInRuns = true }
                if i + ahead < count { asked[i & (ahead - 1)] = ask(i + ahead) }
            }
        }
    }

    func free() {
        for i in 0..<RunFormat.sections { sections[i].free() }
        sections.deallocate()
    }
}

/// Where a fingerprint may be besides the open table.
struct DedupHint: BitwiseCopyable {
    /// It stands in a sealed table.
    var isSealed = false
    /// A run's filter lets it through.
    var isInRuns = false
    var isAnywhere: Bool { isSealed || isInRuns }
}

/// Where a walk over the candidates of one fingerprint is.
public struct DedupCursor {
    /// 0: the open table; then the sealed ones, newest first; then the runs, newest first.
    var stage = 0
    var slot = 0
    var hint = DedupHint(isSealed: true, isInRuns: true)
    /// In the run of this stage: the block, and the entry after the last one returned; -1 when the block is not read yet.
    var block = -1
    var entry = -1
    var entries = 0

    /// Looks everywhere.
    public init() {}
    init(_ hint: DedupHint) { self.hint = hint }
}
