// SegmentSealer: the thread that seals segments that were left, at the lowest priority there is: it runs when nobody else would.
//
// It asks nobody and tells nobody: what was left shows in the files, and who reads a sealed segment does not notice. Nobody stops it: what
// it has begun when the process ends is begun again after the next start.

import Core
import FileStorage
import Glibc
import Journal
import Runtime
import Sealing

/// The journal's files as everybody but the writer sees them.
typealias JournalFiles = SealedStorage<FileStorage, ZstdCodec>

final class SegmentSealer: Sendable {
    private static let pauseSeconds = 2
    private static let retrySeconds = 60

    private let files: JournalFiles
    private let after: Int64

    /// A segment is sealed so many nanoseconds after it was left: what is asked for most is the newest, and sealing it costs time
    /// when the machine has most to do.
    init(_ files: JournalFiles, after: Int64) {
        self.files = files
        self.after = after
    }

    /// Without a thread nothing is sealed, and nothing else is different.
    func start() { IdleThread.start("seal") { self.run() } }

    private func run() {
        do throws(StorageError) { try files.removeUnfinished() } catch {}
        var from: UInt32 = 1
        var lastTrouble = ""
        while true {
            var pause = SegmentSealer.pauseSeconds
            do {
                if let number = try files.nextToSeal(from: from, leftBefore: Timestamp(nanoseconds: EventLoop.now.nanoseconds - after)) {
                    from = number
                    try seal(number)
                    from = number + 1
                    lastTrouble = ""
                    pause = 0
                }
            } catch {
                let trouble = "segment \(from) is not sealed: \(SegmentSealer.text(error))"
                if trouble != lastTrouble { Log.warning("sealing", "journal: \(trouble)") }
                lastTrouble = trouble
                // What does not check out will not do so later; what the disk refuses it may allow.
                if case JournalError.storage = error { pause = SegmentSealer.retrySeconds } else { from += 1 }
            }
            sleep(UInt32(pause))
        }
    }

    private func seal(_ number: UInt32) throws {
        // Read as the files are: the segment itself, and nothing of it in the descriptors and frames that others use.
        let sealer = try Sealer(files.base, ZstdCodec(), segment: number)
        do {
            while true {
                if case .written = try sealer.step() { break }
            }
            _ = try files.publish(number)
        } catch {
            Sealer<FileStorage, ZstdCodec>.discard(files.base, segment: number)
            if let error = error as? StorageError { throw JournalError.storage(error) }
            throw error
        }
    }

    private static func text(_ error: any Error) -> String {
        if let error = error as? JournalError { return error.description }
        if let error = error as? StorageError { return JournalError.storage(error).description }
        return "\(error)"
    }
}
