// Plan: everything that one seed decides before the run begins. Swarm testing (Groce and others, 2012): a run has some faults
// switched off and others turned up, because a bug that needs many of one kind seldom shows where all kinds are mixed evenly.

/// How hard one kind of fault is driven in a run.
enum Level: Int, CaseIterable {
    case off, usual, extreme

    /// One of three numbers.
    func of(_ usual: Int, _ extreme: Int) -> Int { self == .off ? 0 : self == .usual ? usual : extreme }
}

/// Numbers called rates are chances in a million.
struct Plan {
    // Sizes. `isTiny` makes them the smallest that are valid.
    var isTiny = false
    var segmentBytes = 0
    var batchBytes = 0
    var eventBytes = 0
    var pendingBytes = 0
    var hotKeys = 0
    var memoryKeys = 0
    /// Journal that a start reads before it writes a checkpoint.
    var checkpointBytes = 0
    var connections = 0
    /// Nanoseconds that keys are remembered; most runs are shorter.
    var window: UInt64 = 35 * 86_400 * FakeClock.second
    var isWindowed: Bool { window < 86_400 * FakeClock.second }
    /// A key is not used any more when it was first sent longer ago: whoever sends it later may find it forgotten.
    var freshness: UInt64 { isWindowed ? 300 * FakeClock.second : .max }

    // Clients.
    var clients: [ClientKind] = []
    var events = 0
    /// Steps over which the events are spread, for a hundred of them.
    var pace = 0
    var customers = 0
    var pipeline = 0
    var batch = 0
    var padding = 0
    var duplicateRate = 0
    var conflictRate = 0
    var invalidRate = 0
    var malformedRate = 0
    var keylessRate = 0
    var headerRate = 0
    var queryRate = 0

    /// Peers come over TCP and need a key.
    var isRemote = false

    // The network, each per connection and step.
    var wholeRate = 0
    var byteRate = 0
    var resetRate = 0
    var halfOpenRate = 0
    var halfCloseRate = 0
    var networkStallRate = 0
    var slowReaderRate = 0
    /// Bytes the kernel takes for a peer that does not read.
    var socketBytes = 0

    // The disk, each per call.
    var readErrorRate = 0
    var writeErrorRate = 0
    var syncErrorRate = 0
    var otherErrorRate = 0
    var persistentRate = 0
    var dropRate = 0
    var evictRate = 0
    /// Files that can be made again are changed or taken away between two lives: the keys' runs, the books.
    var harmRate = 0
    var diskStallRate = 0
    var fillRate = 0
    /// Directory entries survive a power loss in any combination, not only up to some point.
    var unorderedNames = false

    // The process, each per step.
    var killRate = 0
    var powerRate = 0
    /// The process dies inside a call to the disk, some calls after this was drawn.
    var deathInCallRate = 0
    var stopRate = 0
    var clockRate = 0
    /// The machine sleeps, or nobody has anything to do, for up to minutes.
    var sleepRate = 0

    init(seed: UInt64, events: Int) {
        var dice = Dice(seed ^ 0x5075_7273_6572_0001)
        func level() -> Level { dice.pick([.off, .usual, .usual, .extreme]) }
        self.events = events
        isTiny = dice.flip()
        if isTiny {
            eventBytes = 1024
            segmentBytes = dice.pick([8192, 8192, 12288, 16384])
            batchBytes = dice.pick([2176, 3072, 4096])
            pendingBytes = dice.pick([4096, 16384])
            hotKeys = dice.pick([4, 16, 64])
            memoryKeys = max(hotKeys * 3, dice.pick([24, 200]))
            connections = dice.pick([8, 16])
        } else {
            eventBytes = dice.pick([4096, 65536])
            segmentBytes = dice.pick([4 * eventBytes + 4096, 262_144, 524_288])
            batchBytes = dice.pick([3 * eventBytes, 4 * eventBytes])
            pendingBytes = dice.pick([1 << 20, 32 << 20])
            hotKeys = dice.pick([64, 1024, 360_000])
            memoryKeys = 8_000_000
            connections = 64
        }
        let count = dice.within(1...6)
        let isMixed = dice.flip()
        let favourite = dice.pick([ClientKind.binary, .single, .array, .lines])
        for _ in 0..<count { clients.append(isMixed ? dice.pick([.binary, .binary, .single, .array, .lines]) : favourite) }
        if dice.below(3) == 0 { clients.append(.garbage) }
        customers = dice.within(1...12)
        pace = dice.pick([150, 400, 800])
        pipeline = dice.pick([1, 2, 8])
        batch = dice.pick([1, 3, 12, 40])
        padding = isTiny ? dice.pick([0, 100, 300]) : dice.pick([0, 200, 1500])
        duplicateRate = level().of(80_000, 400_000)
        conflictRate = level().of(40_000, 250_000)
        invalidRate = level().of(20_000, 200_000)
        malformedRate = level().of(20_000, 150_000)
        keylessRate = level().of(50_000, 400_000)
        headerRate = level().of(100_000, 600_000)
        queryRate = level().of(20_000, 150_000)

        let cuts = level()
        wholeRate = dice.pick([900_000, 500_000, 100_000])
        byteRate = dice.pick([0, 50_000, 500_000])
        resetRate = cuts.of(1_500, 12_000)
        halfOpenRate = level().of(500, 4_000)
        halfCloseRate = level().of(2_000, 20_000)
        isRemote = dice.below(3) == 0
        networkStallRate = level().of(2_000, 20_000)
        slowReaderRate = level().of(1_000, 10_000)
        socketBytes = dice.pick([256, 4096, 65536])

        let media = level()
        readErrorRate = media.of(300, 3_000)
        writeErrorRate = level().of(1_000, 8_000)
        syncErrorRate = level().of(2_000, 12_000)
        otherErrorRate = level().of(500, 5_000)
        persistentRate = dice.pick([0, 200_000, 800_000])
        dropRate = dice.pick([0, 300_000, 1_000_000])
        evictRate = dice.pick([0, 300_000, 1_000_000])
        harmRate = level().of(100_000, 500_000)
        diskStallRate = level().of(5_000, 50_000)
        fillRate = level().of(500, 4_000)
        unorderedNames = dice.flip()

        let crashes = level()
        killRate = crashes.of(1_000, 5_000)
        powerRate = level().of(1_500, 6_000)
        deathInCallRate = level().of(1_500, 6_000)
        stopRate = level().of(500, 2_500)
        clockRate = level().of(1_000, 10_000)
        sleepRate = level().of(700, 5_000)
        if dice.below(5) == 0 {
            // Long sleeps, many of them, and a wall clock that stays: a key is remembered for half an hour.
            window = 1_800 * FakeClock.second
            sleepRate = 12_000
            clockRate = 0
        }
        checkpointBytes = dice.pick([0, 4_000, 40_000])
    }

    /// No more faults: what is left must come right by itself.
    mutating func calm() {
        resetRate = 0
        halfOpenRate = 0
        halfCloseRate = 0
        networkStallRate = 0
        slowReaderRate = 0
        readErrorRate = 0
        writeErrorRate = 0
        syncErrorRate = 0
        otherErrorRate = 0
        persistentRate = 0
        diskStallRate = 0
        fillRate = 0
        killRate = 0
        powerRate = 0
        deathInCallRate = 0
        stopRate = 0
        clockRate = 0
        sleepRate = 0
        malformedRate = 0
    }
}
