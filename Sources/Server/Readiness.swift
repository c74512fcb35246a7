// Readiness: why the daemon does not do all of its work, if so. What it says shows in `/readyz`, in a metric and to the service
// manager; a daemon that runs and does not record is never silent about it.

internal import Core
internal import Ledger

extension Server {
    /// The first reason there is, the gravest first; nil when all is well.
    public var unreadiness: StaticString? {
        if draining { return "stopping" }
        if failure != nil { return "storage_failed" }
        if pipelineBox.pointee.isFull || ledger.dedup.isFailing && !ledger.dedup.hasRoom { return "storage_full" }
        if lasts(commitSince) { return "journal_stalled" }
        if metrics.host.journalIsDamaged { return "journal_damaged" }
        if ledger.dedup.isFailing { return "keys_not_written" }
        if lasts(projectionSince) { return "projection_stalled" }
        return nil
    }

    private func lasts(_ since: UInt64) -> Bool { since != 0 && now.monotonic &- since > UInt64(Limits.stallSeconds) * 1_000_000_000 }
}
