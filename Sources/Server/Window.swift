// Window: how long an idempotency key is remembered. Positions grow with time, so the window's start is a position, found from
// marks kept about every ten minutes of journal.

public import Core
internal import Journal
internal import Ledger

/// A time and the journal position reached then.
public struct WindowMark: Sendable {
    public var at: Timestamp
    public var position: JournalPosition

    static let spacing: Int64 = 600 * 1_000_000_000

    /// Adds a mark when the last one is old enough.
    public static func add(_ marks: inout [WindowMark], _ at: Timestamp, _ position: JournalPosition) {
        if let last = marks.last, at.nanoseconds - last.at.nanoseconds < spacing { return }
        marks.append(WindowMark(at: at, position: position))
    }
}

/// The key made at the first start, to be recorded with the first chance.
public struct FirstKey: Sendable {
    public var digest: Digest
    public var hint: [UInt8]

    public init(digest: Digest, hint: [UInt8]) {
        self.digest = digest
        self.hint = hint
    }
}

extension Server {
    /// What a reload may change.
    public mutating func reconfigure(corsOrigins: [String], dedupWindow: Int64) {
        options.corsOrigins = corsOrigins
        options.dedupWindow = dedupWindow
    }

    /// Moves the start of the dedup window; called about once a second. A key is forgotten between the window and one spacing of
    /// marks after it, never before.
    mutating func moveWindow() {
        WindowMark.add(&windowMarks, now.wall, pipelineBox.pointee.durableEnd)
        let start = now.wall.nanoseconds - options.dedupWindow
        var passed = 0
        while passed + 1 < windowMarks.count, windowMarks[passed + 1].at.nanoseconds <= start { passed += 1 }
        if passed > 0 { windowMarks.removeFirst(passed) }
        if let first = windowMarks.first, first.at.nanoseconds <= start { ledger.dedup.expiredBefore = first.position }
    }

    /// Records the first key, and the price book in force when the journal does not name it yet, as soon as there is a segment
    /// to record them in. Until then the key is compared directly.
    mutating func recordStart() {
        let announces = ledger.hasPricesToAnnounce()
        if !announces, !pricedAtStart {
            pricedAtStart = true
            priceUnpriced()
        }
        guard firstKey != nil || announces else { return }
        guard pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) == .ready else { return }
        if let key = firstKey {
            _ = ledger.createKey(
                digest: key.digest, hint: key.hint, name: Array("first".utf8), scopes: KeyScope.all, at: now.wall,
                into: &pipelineBox.pointee.openBatch().pointee)
            firstKey = nil
        }
        guard announces else { return }
        ledger.announcePrices(at: now.wall, into: &pipelineBox.pointee.openBatch().pointee)
        // What was looked up in vain may be found now.
        pricedAtStart = true
        priceUnpriced()
    }
}
