// CommitPipeline: group commit. While one batch is written and synced, the next one fills; what waits is bounded.
//
// Batches are numbered from 1 in the order they are opened. A reply carries the number of the batch that holds its facts and
// leaves when that number is durable. The place of a batch in the journal is fixed when it is opened, because its facts'
// positions go into the dedup index before it is written.
//
// A batch is opened only in a segment that has been zero-filled: so running out of disk space is noticed before anything is
// admitted, never after.

public import Core
public import Journal

/// Why nothing can be admitted right now.
@frozen
public enum AdmissionState: UInt8, Sendable {
    case ready
    /// The next segment is being prepared, or too much is pending: stop reading and go on later.
    case wait
    /// The next segment could not be prepared for lack of space.
    case storageFull
}

public struct CommitPipeline: ~Copyable {
    static let slotCount = 8

    private let slots: UnsafeMutablePointer<BatchBuilder>
    /// Bytes of each sealed batch. The journal thread pads the batch it has, so its own count is not looked at meanwhile.
    private var sealedBytes = [Int](repeating: 0, count: CommitPipeline.slotCount)
    private var free: [Int] = []
    /// Sealed batches, oldest first, then nothing. The batch being written is not among them.
    private var sealed: [Int] = []
    private var open: Int?
    public private(set) var inFlight: Int?

    private let segmentBytes: Int
    /// Size of the segment in use: one that an earlier version began may have another.
    private var currentBytes: Int
    private let batchBytes: Int
    /// What one fact may take, and what may wait for the disk; `Limits` unless the world is made small on purpose.
    private let eventBytes: Int
    private let pendingLimit: Int
    private var segment: UInt32
    private var offset: Int
    /// Highest segment that is zero-filled and may be written.
    private var prepared: UInt32
    private var preparing = false
    private var full = false
    private var clock = Timestamp(nanoseconds: 0)
    private var pace = CommitPace()
    /// When the batch that fills is to be asked for again, on the monotonic clock; nil: it waits for nothing but its turn.
    public private(set) var pacedUntil: UInt64?
    /// Nothing was committed since the last mark, or since recovery, which settles the last batch itself.
    private var lastWasMark = true

    /// Number of the batch that is open or will be opened next.
    public private(set) var openNumber: UInt64 = 1
    private var inFlightNumber: UInt64 = 0
    /// Highest number whose facts are on disk.
    public private(set) var durable: UInt64 = 0
    /// Bytes sealed or being written.
    public private(set) var pendingBytes = 0
    public private(set) var committedBytes: UInt64 = 0
    /// End of the last durable batch.
    public private(set) var durableEnd: JournalPosition
    /// The last durable batch; nil when there is none.
    public private(set) var last: JournalPlace?
    /// What became durable lately.
    private let recent: any JournalKeeper
    private let id: JournalID

    /// Continues at `tail`, where recovery found the end. `prepared` is the highest segment that exists zero-filled;
    /// `segmentBytes` is the size of those begun from here on; a batch holds more than two facts of `eventBytes`.
    public init(
        tail: JournalTail, last: JournalPlace? = nil, prepared: UInt32, segmentBytes: Int, batchBytes: Int,
        eventBytes: Int = Limits.largestEventBytes,
        pendingBytes: Int = Limits.pendingJournalBytes, recent: any JournalKeeper = RecentJournal(capacity: Limits.recentJournalBytes)
    ) {
        let segment = tail.segment
        let offset = Int(tail.offset)
        clock = tail.lastTime
        id = tail.id
        self.last = last
        self.recent = recent
        currentBytes = tail.segmentBytes
        self.segment = segment
        self.offset = offset
        self.prepared = prepared
        self.segmentBytes = segmentBytes
        self.batchBytes = min(batchBytes, segmentBytes)
        self.eventBytes = eventBytes
        pendingLimit = pendingBytes
        durableEnd = JournalPosition(segment: segment, offset: UInt32(offset))
        slots = .allocate(capacity: CommitPipeline.slotCount)
        for i in 0..<CommitPipeline.slotCount {
            // Capacity beyond the limit so that the writer's padding never makes the buffer grow.
            (slots + i).initialize(to: BatchBuilder(capacity: self.batchBytes + 4096))
            free.append(i)
        }
    }

    deinit {
        slots.deinitialize(count: CommitPipeline.slotCount)
        slots.deallocate()
    }

    /// A segment with less room than this is left for the next one.
    private var smallestRest: Int { 3 * eventBytes }

    /// Makes sure that a batch is open with room for two facts of the largest size.
    public mutating func makeRoom(firstSequence: UInt64, now: Timestamp) -> AdmissionState {
        if let open {
            if slots[open].hasRoom(for: 2 * eventBytes) { return .ready }
            seal(open)
        }
        guard !free.isEmpty, pendingBytes < pendingLimit else { return .wait }
        if currentBytes - offset < smallestRest {
            guard prepared > segment else { return full ? .storageFull : .wait }
            segment += 1
            currentBytes = segmentBytes
            offset = SegmentFormat.headerBytes
        }
        guard prepared >= segment else { return full ? .storageFull : .wait }
        // The wall clock may go back; batch times may not.
        if now > clock { clock = now }
        let index = free.removeLast()
        slots[index].open(
            segment: segment, offset: UInt32(offset), limit: min(batchBytes, currentBytes - offset), firstSequence: firstSequence, at: clock
        )
        open = index
        return .ready
    }

    /// Whether a whole request of the largest size finds room from here on without waiting for a segment or a buffer. On a full
    /// disk there is nothing to wait for: `makeRoom` decides event by event.
    public var hasHeadroom: Bool {
        if full { return true }
        let rest = currentBytes - offset - (open.map { slots[$0].writer.count } ?? 0)
        return free.count >= 3 && pendingBytes < pendingLimit
            && (prepared > segment || prepared == segment && rest > 3 * batchBytes)
    }

    /// Nanoseconds by which the wall clock is behind the time of the newest batch; 0 when it is not.
    func clockBehind(_ now: Timestamp) -> Int64 { now < clock ? clock.nanoseconds &- now.nanoseconds : 0 }

    public var hasOpenBatch: Bool { open != nil }

    /// The open batch; only after `makeRoom` said ready.
    public func openBatch() -> UnsafeMutablePointer<BatchBuilder> { slots + open! }

    /// The number a reply must wait for, given everything admitted so far.
    public var waitNumber: UInt64 {
        if let open, !slots[open].isEmpty { return openNumber }
        return openNumber - 1
    }

    private mutating func seal(_ index: Int) {
        let length = SegmentFormat.padded(slots[index].writer.count)
        sealedBytes[index] = slots[index].writer.count
        offset += length
        pendingBytes += length
        sealed.append(index)
        open = nil
        openNumber += 1
    }

    /// Seals an empty batch. On disk it is a mark: it proves that the batch before it was durable, so that from then on damage to
    /// that batch cannot pass for a torn tail. True when there was reason and room for one.
    public mutating func sealMark(firstSequence: UInt64, now: Timestamp) -> Bool {
        guard isIdle, !lastWasMark, makeRoom(firstSequence: firstSequence, now: now) == .ready, let open else { return false }
        seal(open)
        return true
    }

    /// Takes the next batch to write, if nothing is being written; the pointer stays valid until `committed`. A batch that is not
    /// full may be left to fill until `pacedUntil`.
    public mutating func startCommit(at now: UInt64) -> UnsafeMutablePointer<BatchBuilder>? {
        pacedUntil = nil
        guard inFlight == nil else { return nil }
        if sealed.isEmpty, let open, !slots[open].isEmpty {
            pacedUntil = pace.waits(bytes: slots[open].writer.count, now: now)
            if pacedUntil != nil { return nil }
            seal(open)
        }
        guard !sealed.isEmpty else { return nil }
        let index = sealed.removeFirst()
        pace.begin(bytes: sealedBytes[index], now: now)
        inFlight = index
        inFlightNumber = openNumber - UInt64(sealed.count) - 1
        return slots + index
    }

    /// Whether the batch after the one that was handed out last is going to wait for company, if it is small, too.
    public var isPaced: Bool { pace.isInForce }

    /// When to look at those who go on sending, who were looked at last at `time`.
    public func nextLook(after time: UInt64) -> UInt64 { pace.nextLook(after: time) }

    /// A peer that is owed an answer asked for another one: more may come while the batch waits.
    mutating func peerSentMore() { pace.sentMore() }

    /// The batch being written is durable. The result is its number.
    public mutating func committed() -> UInt64 {
        guard let index = inFlight else { return durable }
        let length = SegmentFormat.padded(sealedBytes[index])
        durableEnd = JournalPosition(segment: slots[index].segment, offset: slots[index].offset + UInt32(length))
        lastWasMark = slots[index].isEmpty
        last = JournalPlace(
            id: id, batch: JournalPosition(segment: slots[index].segment, offset: slots[index].offset), crc: slots[index].sealedCRC)
        // With its padding: what follows it is then the same stretch.
        recent.add(
            UnsafeRawBufferPointer(start: slots[index].writer.base, count: length), segment: slots[index].segment,
            offset: Int(slots[index].offset))
        pendingBytes -= length
        committedBytes += UInt64(length)
        inFlight = nil
        free.append(index)
        durable = inFlightNumber
        return durable
    }

    /// Hands out the memory of buffers that hold nothing, and what is kept of the journal, to be given back: after a burst each buffer
    /// has the size of the largest batch.
    mutating func giveBack(_ body: (UnsafeMutableRawPointer, Int) -> Void) {
        for index in free { body(slots[index].writer.base, slots[index].writer.capacity) }
        recent.clear(body)
    }

    public var isIdle: Bool {
        guard inFlight == nil, sealed.isEmpty else { return false }
        guard let open else { return true }
        return slots[open].isEmpty
    }

    // MARK: Segments

    /// The segment that should be zero-filled now: one ahead of the one in use. nil when there is nothing to do.
    public mutating func segmentToPrepare() -> UInt32? {
        guard !preparing, !full, prepared < segment + 1 else { return nil }
        preparing = true
        return prepared + 1
    }

    /// What became of it. After a lack of space, `retryPreparing` tries again.
    public mutating func prepared(_ number: UInt32, succeeded: Bool) {
        preparing = false
        if succeeded { prepared = max(prepared, number) }
        full = !succeeded
    }

    /// Asks for the missing segment again; called by a timer while the disk is full.
    public mutating func retryPreparing() { full = false }
    public var isFull: Bool { full }
    public var currentSegment: UInt32 { segment }

    // MARK: Facts in memory

    /// Copies the journal at `position` and behind it from what became durable lately; 0 bytes when it is not there any more.
    func readRecent(_ position: JournalPosition, into output: UnsafeMutableRawBufferPointer) -> Int { recent.read(position, into: output) }

    /// Appends the payload of the event fact at `position` when it is on its way. nil when it is not.
    func pendingPayload(at position: JournalPosition, into buffer: inout ByteWriter) -> Bool? {
        var found: Int?
        var count = 0
        func look(_ index: Int, _ bytes: Int) {
            guard position.segment == slots[index].segment, position.offset >= slots[index].offset,
                Int(position.offset) < Int(slots[index].offset) + bytes
            else { return }
            found = index
            count = bytes
        }
        for index in sealed { look(index, sealedBytes[index]) }
        if let inFlight { look(inFlight, sealedBytes[inFlight]) }
        if let open { look(open, slots[open].writer.count) }
        guard let found else { return nil }
        let start = Int(position.offset - slots[found].offset)
        var reader = FactReader(UnsafeRawBufferPointer(start: slots[found].writer.base + start, count: count - start))
        guard let fact = reader.next(), fact.type == .event || fact.type == .response else { return false }
        buffer.append(bytes: fact.payload)
        return true
    }
}
