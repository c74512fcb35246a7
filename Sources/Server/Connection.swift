// Connection: what the server keeps of one peer. No socket and no callback: bytes come in through `Server.received`, and what
// may go out is `output[written..<releasable]`.
//
// Replies are encoded at once and held back: a mark says "up to this byte once batch n is durable". Marks are in order, so the
// replies are. Buffers exist only while they hold something.

public import Core
internal import Wire

/// How a connection came in.
@frozen
public enum PeerKind: UInt8, Sendable {
    /// A Unix socket: its owner and group decide, a key is optional.
    case local
    /// TCP: a key is needed.
    case remote
}

struct Mark {
    var batch: UInt64
    var end: Int
    /// When the last of what it answers arrived.
    var since: UInt64
}

enum Dialect: UInt8 {
    case unknown
    case http
    case binary
}

public struct Connection: ~Copyable {
    public let peer: PeerKind
    /// Of a Unix socket: who is there, and what that peer may do without a key; nil for nothing at all.
    let credentials: PeerCredentials?
    var socketScopes: UInt8?
    /// No key was shown yet. Such a peer gets less room.
    private(set) var isStranger: Bool
    private let budgets: UnsafeMutablePointer<Budgets>
    /// Memory of `input` and `body`, and of `output`, as far as the budgets count it.
    private(set) var countedInput = 0
    private(set) var countedOutput = 0
    var dialect = Dialect.unknown
    /// Bytes not yet processed: an incomplete head, body or frame.
    public internal(set) var input = ByteWriter(capacity: 16)
    /// How far an incomplete HTTP head has been looked at.
    var scanned = 0
    /// The head whose body is awaited; offsets are into `input`.
    var head: HTTPRequestHead?
    var headBytes = 0
    var chunked: ChunkedBody?
    /// Bytes after the head that the chunked decoder has taken.
    var chunkedBytes = 0
    var body = ByteWriter(capacity: 16)
    var sentContinue = false

    public internal(set) var output = ByteWriter(capacity: 16)
    /// Bytes of `output` that were given to the kernel.
    public internal(set) var written = 0
    /// Bytes of `output` that may be given to the kernel.
    public internal(set) var releasable = 0
    var marks: [Mark] = []

    /// A query is being answered: no further request is read until it is.
    var awaitsAnswer = false
    var answerHead = false
    var answerKeepAlive = true
    var answerMinorVersion: UInt8 = 1
    var answerRequestId: [UInt8] = []
    var answerOrigin: [UInt8]?
    /// An answer that comes bit by bit; at most one of the two.
    var export: Export?
    var stream: EventStream?
    /// Where `Activity` keeps what it sends.
    var source: UInt8 = 0
    /// Nothing can be admitted now; the input waits.
    var stalled = false
    /// Memory that the request or frame which is being collected will need in the end; 0 when that is not known.
    var expected = 0
    /// Bytes still to come of a frame that was refused; they are thrown away.
    var skipping = 0
    /// The input is an incomplete request or frame: only more bytes help.
    var awaitsInputOnly = false
    /// No more input is wanted; close when all output is written.
    public internal(set) var closing = false
    /// The peer has ended its side.
    var ended = false
    var isWaiting = false
    var isDirty = false
    /// Binary: hello was accepted.
    var greeted = false
    /// What the key may do, or on a binary connection without one the socket.
    var scopes: UInt8 = 0
    /// The key that was shown last, the state of the books it was looked up in, and where its record is there.
    var key: Digest?
    var keyTag: SecretTag?
    var keyEpoch: UInt64 = 0
    var keyPlace: Int?

    /// When the first byte of the request being received came; 0 between requests. Nanoseconds, monotonic.
    var requestSince: UInt64 = 0
    var lastActivity: UInt64 = 0

    init(peer: PeerKind, credentials: PeerCredentials?, scopes: UInt8?, budgets: UnsafeMutablePointer<Budgets>) {
        self.peer = peer
        self.credentials = credentials
        self.budgets = budgets
        socketScopes = peer == .local ? scopes : nil
        isStranger = socketScopes == nil
    }

    deinit {
        // Through a pointer of its own here and below: Swift 6.3 cannot compile the other for ThreadSanitizer.
        let budgets = budgets
        budgets.pointee.input.change(by: -countedInput, stranger: isStranger)
        budgets.pointee.output.change(by: -countedOutput, stranger: isStranger)
    }

    /// Whether the transport should read from the peer.
    public var wantsInput: Bool {
        guard !closing, !awaitsAnswer, !stalled else { return false }
        let owed = output.count - written
        if owed <= Limits.connectionBufferBytes { return true }
        let highWater = isStranger ? Limits.strangerHighWater : Limits.outputHighWater
        return owed < highWater && !budgets.pointee.output.isFull(stranger: isStranger)
    }

    // MARK: Memory

    /// A key was shown, or the socket vouches for the peer.
    mutating func becomeKnown() {
        guard isStranger else { return }
        let budgets = budgets
        budgets.pointee.input.change(by: -countedInput, stranger: true)
        budgets.pointee.output.change(by: -countedOutput, stranger: true)
        isStranger = false
        budgets.pointee.input.change(by: countedInput, stranger: false)
        budgets.pointee.output.change(by: countedOutput, stranger: false)
    }

    /// Tells the budgets what is held now.
    mutating func tally() {
        func held(_ capacity: Int) -> Int { capacity > Limits.connectionBufferBytes ? capacity : 0 }
        let inNow = held(input.capacity) + held(body.capacity)
        let outNow = held(output.capacity)
        let budgets = budgets
        if inNow != countedInput {
            budgets.pointee.input.change(by: inNow - countedInput, stranger: isStranger)
            countedInput = inNow
        }
        if outNow != countedOutput {
            budgets.pointee.output.change(by: outNow - countedOutput, stranger: isStranger)
            countedOutput = outNow
        }
    }

    /// Throws away what came in and gives its memory back.
    mutating func dropInput() {
        input.reset()
        body.reset()
        head = nil
        chunked = nil
        scanned = 0
        giveBack()
    }

    /// Makes the input's buffer this large, and no larger.
    mutating func growInput(to size: Int) {
        var fresh = ByteWriter(capacity: size)
        fresh.append(bytes: input.bytes)
        input = fresh
    }

    /// Gives back the memory of buffers that hold nothing.
    mutating func giveBack() {
        if input.count == 0, input.capacity > Limits.connectionBufferBytes { input = ByteWriter(capacity: 16) }
        if chunked == nil, body.capacity > Limits.connectionBufferBytes { body = ByteWriter(capacity: 16) }
    }

    /// Whether an export has more to send once what waits was taken.
    public var hasMore: Bool { export != nil }

    /// Whether there is input that was put aside and might be processed now.
    public var hasUnreadInput: Bool { input.count > 0 && !awaitsInputOnly }
    public var hasReleasable: Bool { written < releasable }
    /// Everything was said and written.
    public var isFinished: Bool { closing && written == output.count && marks.isEmpty && !awaitsAnswer }

    /// Whether an answer waits for a batch.
    public var isOwed: Bool { !marks.isEmpty }

    /// Holds what was appended to `output` until `batch` is durable. A mark always holds at least one byte: an empty one would
    /// outlive the bytes before it, whose memory is used again once they are written.
    mutating func hold(until batch: UInt64, durable: UInt64) {
        guard output.count > marks.last?.end ?? releasable else { return }
        if marks.isEmpty, batch <= durable {
            releasable = output.count
        } else if let last = marks.last, last.batch >= batch {
            marks[marks.count - 1].end = output.count
        } else {
            marks.append(Mark(batch: batch, end: output.count, since: lastActivity))
        }
    }

    /// Holds what begins at `start` of `output`, released or waiting for an earlier batch by now, until `batch` is durable. Nothing
    /// from `start` on may have been written.
    mutating func holdBack(from start: Int, until batch: UInt64, durable: UInt64) {
        releasable = min(releasable, start)
        for i in marks.indices where marks[i].end > start { marks[i].end = start }
        hold(until: batch, durable: durable)
    }

    /// Releases what waited for batches up to `batch`.
    mutating func release(through batch: UInt64, at now: UInt64, _ latency: inout LatencyHistogram) {
        var done = 0
        while done < marks.count, marks[done].batch <= batch {
            releasable = marks[done].end
            latency.observe(now &- marks[done].since)
            done += 1
        }
        if done > 0 { marks.removeFirst(done) }
    }

    /// The transport wrote `count` bytes of `output`.
    public mutating func didWrite(_ count: Int) {
        written += count
        if written == output.count {
            output.reset()
            written = 0
            releasable = 0
            if output.capacity > Limits.connectionBufferBytes { output = ByteWriter(capacity: 16) }
            tally()
        } else if written > 262_144 {
            output.removeFirst(written)
            releasable -= written
            for i in marks.indices { marks[i].end -= written }
            written = 0
        }
    }
}
