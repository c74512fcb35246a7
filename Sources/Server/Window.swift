// Window: what goes on with time besides connections: the start of the dedup window, and what is recorded with the first chance.

public import Core
internal import Journal
internal import Ledger

/// The key made at the first start, or one the operator brought, to be recorded with the first chance.
public struct FirstKey: Sendable {
    public var digest: Digest
    public var hint: [UInt8]
    public var name: String
    /// The next start may come without it: it is recorded before this one ends, however short it was.
    public var isLent: Bool

    public init(digest: Digest, hint: [UInt8], name: String = "first", isLent: Bool = false) {
        self.digest = digest
        self.hint = hint
        self.name = name
        self.isLent = isLent
    }
}

extension Server {
    /// What a reload may change.
    public mutating func reconfigure(
        corsOrigins: [String], dedupWindow: Int64, journalRetention: Int64? = nil, socketRules: SocketRules?,
        dashboardOrigins: [String] = []
    ) {
        options.corsOrigins = corsOrigins
        options.dashboardOrigins = dashboardOrigins
        options.dedupWindow = dedupWindow
        window.length = dedupWindow
        retention.length = journalRetention
        guard options.socketRules != socketRules else { return }
        options.socketRules = socketRules
        // Of open connections, too: one that is no longer named is told so when it next says something.
        for index in 0..<nextSlot where generations[Int(index)] & 1 == 1 && slots[Int(index)].peer == .local {
            slots[Int(index)].socketScopes = socketScopes(of: slots[Int(index)].credentials)
        }
    }

    /// Moves the start of the dedup window; called about once a second.
    mutating func moveWindow() {
        window.passed(now.monotonic, end: pipelineBox.pointee.durableEnd)
        retention.passed(now.monotonic, end: pipelineBox.pointee.durableEnd)
        ledger.dedup.expiredBefore = window.start()
    }

    /// Records the first key, and the price book in force when the journal does not name it yet, as soon as there is a segment
    /// to record them in. Until then the key is compared directly.
    mutating func recordStart() {
        let announces = ledger.hasPricesToAnnounce()
        if !announces, !pricedAtStart {
            pricedAtStart = true
            if !ledger.hasPricedAll { priceUnpriced() }
        }
        guard firstKey != nil || announces else { return }
        guard pipelineBox.pointee.makeRoom(firstSequence: ledger.nextSequence, now: now.wall) == .ready else { return }
        if let key = firstKey {
            _ = ledger.createKey(
                digest: key.digest, hint: key.hint, name: Array(key.name.utf8), scopes: KeyScope.all, at: now.wall,
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
