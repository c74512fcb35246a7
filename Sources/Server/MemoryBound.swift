// MemoryBound: the most memory that the daemon should take as things are, by the formula in `protocol/limits.md`. It shows as
// `purser_memory_bound_bytes`, so that anyone can hold the resident size against it.

internal import Core
internal import Journal
internal import Ledger

struct MemoryBound {
    var connections: Int
    /// Names, customers and idempotency keys, which grow with the books and have limits of their own.
    var books: Int

    var bytes: UInt64 {
        let peers = connections * Limits.connectionBytes + Limits.inputBytes + Limits.outputBytes + 2 * Limits.turnBytes
        let queries = Limits.pendingQueryBytes + Limits.answersWaitingBytes + 3 * Limits.answerBytes
        let journal = CommitPipeline.slotCount * Limits.batchBytes + Limits.recentJournalBytes
        // The last one is the groups of a margins export.
        let projection = Limits.projectionBytes + (Limits.longQueries + 1) * Limits.longQueryBytes
        // What the allocator keeps between blocks that are in use.
        return UInt64((Limits.baseBytes + peers + queries + journal + projection + books) * 9 / 8)
    }
}
