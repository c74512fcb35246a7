// DeadlineWheel: which connections to look at now, because their time may be up.
//
// Looking at all of them once a second took milliseconds with ten thousand, in one piece, and ended hundreds at once: everybody
// else waited for it. Here each connection has one place in a ring of slots of 50 ms, and what a tick looks at is what is due.
//
// Nothing is moved when a request begins or ends, which would cost every request a cache line or two. It need not be: no deadline
// is shorter than `horizon`, so a connection that is looked at every `horizon` at the latest, and then goes to the place of its
// deadline when that is nearer, is never looked at too late.

internal import Core

struct DeadlineWheel {
    /// Nanoseconds.
    static let slot: UInt64 = 50_000_000
    /// The shortest of the times that are watched: how long a connection may go without being looked at.
    static let horizon = UInt64(min(Limits.headSeconds, Limits.bodySeconds, Limits.idleSeconds)) * 1_000_000_000
    private static let none = UInt32.max
    private static let slots = Int(horizon / slot) + 2

    /// First connection of each slot, and the one behind each connection.
    private var first = [UInt32](repeating: DeadlineWheel.none, count: DeadlineWheel.slots)
    private var next: [UInt32] = []
    /// Whether a connection has a place, in the ring or among those that are due.
    private var hasPlace: [Bool] = []
    /// What is due and not taken yet, from `dueStart` on.
    private var due: [UInt32] = []
    private var dueStart = 0
    /// Number of the last slot that was taken, counted from the clock's zero; nil before the first.
    private var passed: UInt64?

    var hasDue: Bool { dueStart < due.count }

    /// A connection came at `now`: it is looked at within `horizon`. Where one that is gone has left a place, that one serves.
    mutating func arrive(_ index: UInt32, at now: UInt64) {
        while next.count <= Int(index) {
            next.append(DeadlineWheel.none)
            hasPlace.append(false)
        }
        guard !hasPlace[Int(index)] else { return }
        put(index, at: now + DeadlineWheel.horizon, now: now)
    }

    /// Looks at a connection again just after `time`, and within `horizon`; O(1).
    mutating func put(_ index: UInt32, at time: UInt64, now: UInt64) {
        let last = passed ?? now / DeadlineWheel.slot
        if passed == nil { passed = last }
        let wanted = min(time, now + DeadlineWheel.horizon) / DeadlineWheel.slot + 1
        // Of a ring that stood still for long, the farthest slot: sooner than asked for does no harm.
        let number = min(max(wanted, last + 1), last + UInt64(DeadlineWheel.slots) - 1)
        let place = Int(number % UInt64(DeadlineWheel.slots))
        next[Int(index)] = first[place]
        first[place] = index
        hasPlace[Int(index)] = true
    }

    /// Everything up to `now` is due.
    mutating func advance(to now: UInt64) {
        let end = now / DeadlineWheel.slot
        guard var number = passed, end > number else { return }
        passed = end
        number = max(number, end - min(end, UInt64(DeadlineWheel.slots)))
        while number < end {
            number += 1
            let place = Int(number % UInt64(DeadlineWheel.slots))
            var index = first[place]
            first[place] = DeadlineWheel.none
            while index != DeadlineWheel.none {
                due.append(index)
                index = next[Int(index)]
            }
        }
    }

    /// The next one that is due; it has no place any more.
    mutating func take() -> UInt32? {
        guard dueStart < due.count else { return nil }
        let index = due[dueStart]
        dueStart += 1
        if dueStart == due.count {
            due.removeAll(keepingCapacity: true)
            dueStart = 0
        }
        hasPlace[Int(index)] = false
        return index
    }
}
