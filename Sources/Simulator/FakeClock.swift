// FakeClock: time as the daemon reads it. The monotonic clock only goes on; the wall clock is it plus an offset that anyone
// with the right to may change, and that batteries and time servers change without asking.

internal import Core
internal import Server

struct FakeClock {
    static let second: UInt64 = 1_000_000_000
    /// 2026-05-28, when all runs begin.
    private static let origin: Int64 = 1_780_000_000_000_000_000
    /// Nanoseconds since the machine started.
    private(set) var monotonic: UInt64 = 1_000 * FakeClock.second
    private var offset: Int64 = FakeClock.origin - 1_000_000_000_000

    var wall: Timestamp { Timestamp(nanoseconds: Int64(monotonic) + offset) }
    var instant: Instant { Instant(wall: wall, monotonic: monotonic) }

    mutating func pass(_ nanoseconds: UInt64) { monotonic += nanoseconds }

    /// Sets the wall clock to some other time; true when it is later than before.
    ///
    /// The times to jump to are few: a step ahead of all times before it counts for a 32nd of the window in which keys are
    /// remembered (protocol/dedup.md), and no key may leave that window in a run.
    mutating func jump(_ dice: inout Dice) -> Bool {
        let before = wall
        let hour: Int64 = 3_600_000_000_000
        let target =
            switch dice.below(8) {
            case 0: hour
            case 1: FakeClock.origin - hour
            case 2: FakeClock.origin + hour
            case 3: FakeClock.origin + 8766 * hour
            case 4: FakeClock.origin + 80 * 8766 * hour
            case 5: before.nanoseconds - 1_000_000_000
            default: FakeClock.origin + 600_000_000_000
            }
        offset = target - Int64(monotonic)
        return wall > before
    }
}
