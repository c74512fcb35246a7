// Activity: what the daemon did in the last minutes, for whoever looks: rates, waiting times, who sent what, what was refused. Of fixed
// size, kept beside the data path: a block of events costs a few nanoseconds here, not an event.

internal import Core
internal import Journal
internal import Ledger

struct Activity {
    // MARK: Who sends

    struct Source {
        var listener: PeerKind
        var isBinary: Bool
        var principal: UInt64
        var events: UInt64 = 0
        var duplicates: UInt64 = 0
        var rejected: UInt64 = 0
        var firstSeen: Timestamp
        var lastSeen: Timestamp
        var lastMonotonic: UInt64
    }

    private(set) var sources: [Source] = []

    /// The number of a source, `known` if it is that one; a new one takes the place of the one seen longest ago.
    mutating func source(
        _ listener: PeerKind, isBinary: Bool, principal: UInt64, known: Int, at now: Instant
    ) -> Int {
        func isIt(_ source: Source) -> Bool {
            source.principal == principal && source.listener == listener && source.isBinary == isBinary
        }
        if known < sources.count, isIt(sources[known]) { return known }
        if let found = sources.firstIndex(where: isIt) { return found }
        let fresh = Source(
            listener: listener, isBinary: isBinary, principal: principal, firstSeen: now.wall,
            lastSeen: now.wall,
            lastMonotonic: now.monotonic)
        guard sources.count >= Limits.sources else {
            sources.append(fresh)
            return sources.count - 1
        }
        let oldest = sources.indices.min { sources[$0].lastMonotonic < sources[$1].lastMonotonic } ?? 0
        sources[oldest] = fresh
        return oldest
    }

    mutating func add(_ number: Int, recorded: Int, duplicates: Int, rejected: Int, at now: Instant) {
        sources[number].events += UInt64(recorded)
        sources[number].duplicates += UInt64(duplicates)
        sources[number].rejected += UInt64(rejected)
        sources[number].lastSeen = now.wall
        sources[number].lastMonotonic = now.monotonic
    }

    // MARK: What was refused

    struct Rejection {
        var at: Timestamp
        var field: EventField
        var listener: PeerKind
        var isBinary: Bool
        var principal: UInt64
    }

    /// By outcome, the newest last.
    private(set) var rejections: [[Rejection]] = Array(repeating: [], count: Outcome.allCases.count)

    mutating func refused(_ outcome: Outcome, _ rejection: Rejection) {
        let number = Int(outcome.rawValue)
        if rejections[number].count >= Limits.rejectionExamples { rejections[number].removeFirst() }
        rejections[number].append(rejection)
    }

    // MARK: How many a second

    private var samples: [(at: UInt64, recorded: UInt64)] = []

    /// About once a second.
    mutating func sample(recorded: UInt64, at now: UInt64) {
        samples.append((now, recorded))
        if samples.count > 75 { samples.removeFirst() }
    }

    /// Events a second over the last so many seconds, in tenths; as far back as is known.
    func rate(seconds: UInt64, recorded: UInt64, at now: UInt64) -> UInt64 {
        guard
            let sample = samples.last(where: { now &- $0.at >= seconds * 1_000_000_000 })
                ?? samples.first, now > sample.at
        else { return 0 }
        let span = Int128(now - sample.at)
        return UInt64((Int128(recorded - sample.recorded) * 10_000_000_000 + span / 2) / span)
    }

    // MARK: How long answers took

    /// A second or so of waiting times, weighted by events: four buckets for every doubling from 1 us to over a minute.
    private struct Slot {
        var begun: UInt64 = 0
        var counts = [UInt64](repeating: 0, count: Activity.buckets)
    }

    private static let buckets = 112
    private var minutes: [Slot] = Array(repeating: Slot(), count: 60)
    private var current = 0

    /// A batch of so many events is on disk, so long after its first one came.
    mutating func committed(events: UInt64, after nanoseconds: UInt64, at now: UInt64) {
        if minutes[current].begun == 0 || now &- minutes[current].begun >= 1_000_000_000 {
            if minutes[current].begun != 0 { current = (current + 1) % minutes.count }
            minutes[current] = Slot(begun: now)
        }
        minutes[current].counts[Activity.bucket(nanoseconds)] += events
    }

    static func bucket(_ nanoseconds: UInt64) -> Int {
        let value = max(nanoseconds / 1000, 1)
        let octave = 63 - value.leadingZeroBitCount
        let quarter =
            octave >= 2 ? Int(value >> UInt64(octave - 2)) & 3 : Int(value << UInt64(2 - octave)) & 3
        return min(octave * 4 + quarter, buckets - 1)
    }

    /// The longest time, in nanoseconds, that falls into a bucket.
    static func top(_ bucket: Int) -> UInt64 {
        let (octave, quarter) = bucket.quotientAndRemainder(dividingBy: 4)
        return (UInt64(4 + quarter + 1) << UInt64(octave)) * 250
    }

    /// How many events of the last minute there are, and the time within which so many hundredths of them were answered, at most.
    func waits(_ hundredths: [UInt64], at now: UInt64) -> (count: UInt64, nanoseconds: [UInt64]) {
        var all = [UInt64](repeating: 0, count: Activity.buckets)
        for slot in minutes where slot.begun != 0 && now &- slot.begun <= 60_000_000_000 {
            for number in all.indices { all[number] += slot.counts[number] }
        }
        let count = all.reduce(0, +)
        return (
            count,
            hundredths.map { (part) -> UInt64 in
                var left = max((count * part + 99) / 100, 1)
                for (bucket, events) in all.enumerated() {
                    if events >= left { return Activity.top(bucket) }
                    left -= events
                }
                return 0
            }
        )
    }

    // MARK: The disk

    /// Bytes of the file system that holds the state; nil when nobody said.
    var disk: (free: UInt64, total: UInt64)?
}

extension Server {
    /// Admits the block for a peer, and notes what became of it.
    mutating func admitBlock(of index: UInt32, principal: UInt64) {
        let before = ledger.counters.recorded
        admitBlock()
        guard block.count > 0 else { return }
        let connection = slots + Int(index)
        let isBinary = connection.pointee.dialect == .binary
        let number = activity.source(
            connection.pointee.peer, isBinary: isBinary, principal: principal,
            known: Int(connection.pointee.source), at: now)
        connection.pointee.source = UInt8(number)
        let recorded = Int(ledger.counters.recorded - before)
        var duplicates = 0
        if recorded < block.count {
            for i in 0..<block.count {
                switch block.events[i].outcome {
                case .recorded: break
                case .duplicate, .conflict: duplicates += 1
                default:
                    activity.refused(
                        block.events[i].outcome,
                        Activity.Rejection(
                            at: now.wall, field: block.events[i].field, listener: connection.pointee.peer,
                            isBinary: isBinary,
                            principal: principal))
                }
            }
        }
        activity.add(
            number, recorded: recorded, duplicates: duplicates,
            rejected: block.count - recorded - duplicates, at: now)
    }

    /// How much room the file system of the state has.
    public mutating func recordDisk(free: UInt64, total: UInt64) { activity.disk = (free, total) }
}
