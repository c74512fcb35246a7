// RunMerge: makes one run of several, a few megabytes a step, so that whoever runs it can do something more urgent between two
// steps. It reads forward and writes forward; its memory is 64 KiB an input and the filter of one section.

internal import Core
internal import Journal

final class RunMerge {
    let inputs: [UInt32]
    let number: UInt32
    private let expiredBefore: UInt64
    private var writer: RunWriter
    private let cursors: UnsafeMutablePointer<RunCursor>
    private let heads: UnsafeMutablePointer<KeyEntry>
    private var isLive: [Bool]

    /// What one step writes, about.
    static let stepBytes = 4 << 20

    init(_ storage: any Storage, _ runs: [RunFile], into header: RunHeader, expiredBefore: JournalPosition) throws {
        precondition(runs.count <= Limits.dedupMergeRuns)
        inputs = runs.map(\.header.number)
        number = header.number
        self.expiredBefore = expiredBefore.raw
        writer = try RunWriter(storage, header, expected: runs.reduce(0) { $0 + $1.header.entries })
        cursors = .allocate(capacity: runs.count)
        heads = .allocate(capacity: runs.count)
        isLive = [Bool](repeating: true, count: runs.count)
        for (i, run) in runs.enumerated() { (cursors + i).initialize(to: RunCursor(run, storage)) }
        heads.initialize(repeating: KeyEntry(fingerprint: 0, position: 0), count: runs.count)
        for i in runs.indices { try advance(i) }
    }

    deinit {
        cursors.deinitialize(count: inputs.count)
        cursors.deallocate()
        heads.deallocate()
    }

    private func advance(_ i: Int) throws {
        while let entry = try cursors[i].next() {
            guard entry.position >= expiredBefore else { continue }
            heads[i] = entry
            return
        }
        isLive[i] = false
        heads[i] = KeyEntry(fingerprint: .max, position: .max)
    }

    /// Merges on. The result is the finished run's header, or nil while there is more.
    func step() throws -> RunHeader? {
        let start = writer.bytesWritten
        // Reading what has expired takes time too, though nothing is written.
        var turns = 0
        while writer.bytesWritten - start < RunMerge.stepBytes, turns < RunMerge.stepBytes / 16 {
            turns += 1
            var least = 0
            for i in 1..<inputs.count where heads[i].fingerprint < heads[least].fingerprint { least = i }
            if !isLive[least] {
                guard let other = isLive.firstIndex(of: true) else { return try writer.finish() }
                least = other
            }
            try writer.append(heads[least])
            try advance(least)
        }
        return nil
    }
}
