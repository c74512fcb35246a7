// Canary: bugs that are planted to be caught. A harness that lets one live proves nothing about the bugs nobody knows of. All of
// them are planted from outside, in what stands around the daemon: nothing of them is in the daemon itself.

public enum Canary: String, CaseIterable, Sendable {
    /// One sync of the journal in four is left out.
    case skipSync = "skip-sync"
    /// The names of new segments are not synced.
    case skipDirectorySync = "skip-directory-sync"
    /// Replies go out before their batch is written.
    case acknowledgeEarly = "acknowledge-early"
    /// A batch that could not be written or synced is taken for durable.
    case ignoreFailure = "ignore-failure"
    /// A sync that failed is tried again, and what the kernel then says is believed.
    case retrySync = "retry-sync"
    /// Keys are forgotten when a segment is begun.
    case forgetAtRoll = "forget-at-roll"
    /// Recovery cuts the last good batch, too.
    case cutTooMuch = "cut-too-much"
    /// A checkpoint says that all keys have left the window.
    case forgetAtCheckpoint = "forget-at-checkpoint"
    /// Events of a request that cannot be read count.
    case countBeforeParse = "count-before-parse"
    /// The books fold again what they had folded before they were saved.
    case foldTwice = "fold-twice"
    /// The books add up in floating point.
    case roundSums = "round-sums"
    /// A query is answered before the books have caught up.
    case staleAnswer = "stale-answer"
}
