// JournalChecker: reads what a start was spared by a checkpoint, at the lowest priority there is: damage to what was written long ago is
// found within minutes of each start, as it would be by a start that reads everything.
//
// What it finds does no harm to what is recorded now: the books are right, events are taken. So the daemon goes on, says so in its log and
// in `/readyz`, and takes the checkpoint away: the next start reads the whole journal and refuses it, with file and byte.

import Core
import FileStorage
import Glibc
import Journal
import Ledger
import Synchronization

final class JournalChecker: Sendable {
    private let files: JournalFiles
    private let checkpoints: FileStorage
    private let segmentBytes: Int
    private let isDamaged = Atomic<Bool>(false)

    /// Whether damage was found.
    var found: Bool { isDamaged.load(ordering: .acquiring) }

    init(_ files: JournalFiles, checkpoints: FileStorage, segmentBytes: Int) {
        self.files = files
        self.checkpoints = checkpoints
        self.segmentBytes = segmentBytes
    }

    /// Without a thread nothing is looked at, and nothing else is different.
    func start() {
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<JournalChecker>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if status == 0 { pthread_detach(thread) } else { context.release() }
    }

    private func run() {
        SegmentSealer.beIdle("check")
        for _ in 0..<3 {
            do throws(JournalError) {
                _ = try Recovery.run(files, segmentBytes: segmentBytes, repairs: false) { _, _ in }
                return
            } catch {
                switch error {
                case .storage(let cause) where cause.errno == ENOENT:
                    // Segments were dropped or sealed meanwhile.
                    sleep(1)
                case .storage(let cause):
                    return Log.warning("check", "journal: \(cause.file) cannot be read: \(String(cString: strerror(cause.errno)))")
                case .damage, .unsupported, .visitor: return tell(error)
                }
            }
        }
    }

    private func tell(_ error: JournalError) {
        isDamaged.store(true, ordering: .releasing)
        Checkpoint.remove(checkpoints)
        let place = FileStorage.journalDirectory(of: checkpoints.directory)
        Log.error("damaged", "purserd: journal damaged: \(place)/\(error); events are recorded as before, the next start will refuse it")
        Log.error("damaged", "purserd: `purser journal verify --state \(checkpoints.directory)` tells more")
    }
}
