// CommitPace: when the batch that fills goes to the disk.
//
// A commit costs some 60 us of processor time and a write of 4 KiB whatever is in it. So while applications keep sending, small
// commits begin `Limits.paceMicroseconds` apart and share that; a batch of `Limits.paceBytes` has company enough and goes at once.
//
// Waiting is worth it only for events that come meanwhile. An application that sends one event and waits for its answer sends
// nothing meanwhile, and neither do a hundred of them: their batch goes at once, too. What tells them apart is that somebody goes
// on sending while it is owed an answer. It may still have as much under way as it ever will: when nothing has come in the second
// half of a wait, the waits of the next `commitsUntilRetry` commits are left out.
//
// No clock of its own: it is told the time, and says until when to wait.

import Core

struct CommitPace {
    static let commitsUntilRetry = 64
    private static let commitsUntilCheck = 16
    private static let interval = UInt64(Limits.paceMicroseconds) * 1000

    /// When the last commit began, and what it carried.
    private var began: UInt64 = 0
    private var carried = Int.max
    /// Somebody sent more while it was owed an answer: since the last commit began, and in the time of the commit before.
    private var overlaps = false
    private var overlapped = false
    /// Bytes that waited when it was asked last, and when it first saw as many.
    private var waiting = 0
    private var grewAt: UInt64 = 0
    private var isWaiting = false
    /// Commits that do not wait because it was no use.
    private var skips = 0
    /// Commits since small ones are paced, up to `commitsUntilCheck`.
    private var round = 0

    /// A peer that is owed an answer asked for another one.
    mutating func sentMore() { overlaps = true }

    /// Whether small batches wait, as things are.
    var isInForce: Bool { carried < Limits.paceBytes && (overlaps || overlapped) && skips == 0 }

    /// When to look at those who go on sending, if they are looked at only now and then, last at `time`: when the batch goes. The first
    /// wait and every so many after it are looked at in the middle, too, to see whether events still come in its second half.
    func nextLook(after time: UInt64) -> UInt64 {
        let middle = began + CommitPace.interval / 2
        if round == 0, time < middle { return middle }
        let due = began + CommitPace.interval
        return time < due ? due : time + CommitPace.interval
    }

    /// Whether a batch of `bytes` goes now, or until when it waits for company. Asked once a turn while nothing is being written.
    mutating func waits(bytes: Int, now: UInt64) -> UInt64? {
        if bytes > waiting {
            waiting = bytes
            grewAt = now
        }
        guard bytes < Limits.paceBytes, isInForce else { return nil }
        let due = began + CommitPace.interval
        if now < due {
            isWaiting = true
            return due
        }
        if isWaiting, due > grewAt, due - grewAt > CommitPace.interval / 5 * 2 { skips = CommitPace.commitsUntilRetry + 1 }
        return nil
    }

    /// A batch of `bytes` goes.
    mutating func begin(bytes: Int, now: UInt64) {
        // What a wake-up was late is not added to the next pace.
        let due = began + CommitPace.interval
        began = isInForce && now >= due && now - due < CommitPace.interval / 4 ? due : now
        round = isInForce ? (round + 1) % CommitPace.commitsUntilCheck : 0
        carried = bytes
        overlapped = overlaps
        overlaps = false
        waiting = 0
        isWaiting = false
        if skips > 0 { skips -= 1 }
    }
}
