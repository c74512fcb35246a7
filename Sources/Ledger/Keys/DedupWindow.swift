// DedupWindow: how long an idempotency key is remembered, whatever the wall clock does.
//
// The window is measured on a clock of its own. While the daemon runs it goes on with the monotonic clock, so a wall clock that
// jumps moves nothing. Over a replay it follows the times of the journal's batches, and from the last batch to the start it
// follows the wall clock; but no single step of these counts for more than a 32nd of the window. So a clock that jumps ahead by
// a year (once, while nothing was recorded or while the daemon was down) makes keys no more than that much older, and a
// key is kept for one such step longer than the window: it takes more than one jump to lose a key that is inside it.
//
// The price is that a pause without any event, longer than a step (26 hours for 35 days), counts as one step when the journal is
// read again: keys are then remembered longer than the window, never shorter. So they are when the wall clock is set back,
// because the journal's times wait for it.
//
// Positions grow with time, so the window's start is a position, found from marks kept about every ten minutes.

public import Core

public struct DedupWindow: Sendable {
    /// Everything before `position` was recorded at `at` or earlier, on this clock.
    struct Mark {
        var at: Int64
        var position: JournalPosition
    }

    /// In nanoseconds.
    public var length: Int64
    var clock: Int64 = 0
    var marks: [Mark] = []
    /// Time of the last batch replayed.
    var lastBatch: Timestamp?
    private var lastMonotonic: UInt64?
    var reached = JournalPosition.start

    /// `length` in nanoseconds, more than zero. Marks are kept `spacing` apart, or at a 64th of the window.
    public init(length: Int64, spacing: Int64 = 600 * 1_000_000_000) {
        self.length = max(length, 64)
        longestSpacing = spacing
    }

    /// What one gap between two batches counts for at most, and by how much longer a key is kept for that.
    public var step: Int64 { length / 32 }
    /// Time between two marks at least.
    private var spacing: Int64 { min(longestSpacing, max(1, length / 64)) }
    private let longestSpacing: Int64

    /// A batch of the journal, in order, while it is read at start.
    public mutating func replayed(_ openedAt: Timestamp, at position: JournalPosition) {
        if let lastBatch { move(openedAt.nanoseconds.subtractingReportingOverflow(lastBatch.nanoseconds)) }
        lastBatch = openedAt
        mark(position)
    }

    /// Events before this position are gone, whatever the window says.
    public mutating func forget(before position: JournalPosition) { reached = max(reached, position) }

    /// The journal was read to its end, `wall` is the time now.
    public mutating func started(_ wall: Timestamp) {
        if let lastBatch { move(wall.nanoseconds.subtractingReportingOverflow(lastBatch.nanoseconds)) }
        lastBatch = nil
    }

    /// Time goes on; everything before `end` was recorded by now. `monotonic` never goes back, in nanoseconds.
    public mutating func passed(_ monotonic: UInt64, end: JournalPosition) {
        if let lastMonotonic, monotonic > lastMonotonic {
            clock = clock.addingReportingOverflow(Int64(clamping: monotonic - lastMonotonic)).partialValue
        }
        lastMonotonic = monotonic
        mark(end)
    }

    private mutating func move(_ gap: (partialValue: Int64, overflow: Bool)) {
        // What overflows is a time out of a damaged clock.
        clock += gap.overflow ? step : max(0, min(gap.partialValue, step))
    }

    private mutating func mark(_ position: JournalPosition) {
        if let last = marks.last, clock - last.at < spacing { return }
        marks.append(Mark(at: clock, position: position))
    }

    /// Where the window starts: keys of events before this position are forgotten, between the window with its step and one
    /// spacing of marks after that. Moves on only.
    public mutating func start() -> JournalPosition {
        let edge = clock - length - step
        var gone = 0
        while gone + 1 < marks.count, marks[gone + 1].at <= edge { gone += 1 }
        if gone > 0 { marks.removeFirst(gone) }
        if let first = marks.first, first.at <= edge { reached = max(reached, first.position) }
        return reached
    }
}
