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
    private let reads: Bool
    private let checkpoints: FileStorage
    private let segmentBytes: Int
    private let isDamaged = Atomic<Bool>(false)

    /// Whether damage was found.
    var found: Bool { isDamaged.load(ordering: .acquiring) }

    /// `reads`: the journal was not read by the start. Otherwise only the next checkpoint's file is made ready.
    init(_ files: JournalFiles, reads: Bool, checkpoints: FileStorage, segmentBytes: Int) {
        self.files = files
        self.reads = reads
        self.checkpoints = checkpoints
        self.segmentBytes = segmentBytes
    }

    /// Without a thread nothing is looked at, and nothing else is different.
    func start() { IdleThread.start("check") { self.run() } }

    private func run() {
        Checkpoint.prepare(checkpoints)
        guard reads else { return }
        for _ in 0..<100 {
            do throws(JournalError) {
                _ = try Recovery.run(files, segmentBytes: segmentBytes, repairs: false) { _, _ in }
                return
            } catch {
                switch error {
                case .storage(let cause) where cause.errno == ENOENT:
                    // Segments were dropped or sealed meanwhile.
                    sleep(3)
                case .storage(let cause):
                    return Log.warning("check", "journal: \(cause.file) cannot be read: \(String(cString: strerror(cause.errno)))")
                case .damage, .unsupported, .visitor: return tell(error)
                }
            }
        }
        Log.warning("check", "journal: what was written before the start could not be looked at: its files change too often")
    }

    private func tell(_ error: JournalError) {
        isDamaged.store(true, ordering: .releasing)
        Checkpoint.remove(checkpoints)
        let place = FileStorage.journalDirectory(of: checkpoints.directory)
        Log.error("damaged", "purserd: journal damaged: \(place)/\(error); events are recorded as before, the next start will refuse it")
        Log.error("damaged", "purserd: `purser journal verify --state \(checkpoints.directory)` tells more")
    }
}
