// Pool: the messages of a run, encoded once. Sending one copies it and writes over what must differ: the keys of its events,
// the names of customers that are drawn anew, the request id. That costs the client a few nanoseconds an event, so that
// on a shared machine it is the server that is measured.
//
// An event that is sent a second time is a byte-for-byte copy of an event of this message or of one of the seven before it in the
// pool, with the key that event was last sent with: a duplicate, never a conflict.

internal import CLinux
internal import Core
internal import Frames
internal import Glibc

/// How events travel.
public enum Encoding: String, CaseIterable, Sendable {
    case binary
    /// One event a request, or a JSON array of them.
    case json
    case ndjson
}

/// A key within a message.
struct KeyPlace {
    var offset: Int32
    /// Message whose event is repeated; -1 for an event of its own.
    var source: Int32
    /// Which event of that message.
    var sourceEvent: Int32
}

/// One encoded message and what it adds to the books.
struct Message {
    var start: Int
    var length: Int
    var keys: Range<Int>
    var names: Range<Int>
    /// Of its events that are not repetitions.
    var sums: Sums
    var events: Int
    var duplicates: Int
}

struct Pool: ~Copyable {
    let encoding: Encoding
    let batch: Int
    private(set) var messages: [Message] = []
    private let bytes: UnsafeMutableRawPointer
    private let keys: UnsafeMutablePointer<KeyPlace>
    private let names: UnsafeMutablePointer<Int32>
    /// The counter that each message was last sent with.
    private let lastBase: UnsafeMutablePointer<UInt64>
    private let tail: ZipfTail?
    /// "0000" to "9999".
    private let digits: UnsafeMutablePointer<UInt32>
    /// Sets the keys of this run apart from those of any other.
    private let salt: (UInt64, UInt64)
    private(set) var longest = 0

    /// About so many bytes of messages: they stay in a cache, and are thousands of different events.
    static let bytesWanted = 2 * 1024 * 1024
    static let messagesMost = 8192
    /// How many messages back a repeated event may be.
    static let reach = 8

    init(_ mix: consuming Mix, encoding: Encoding, batch: Int, head: (Int) -> String, salt: (UInt64, UInt64)) {
        self.encoding = encoding
        self.batch = batch
        self.salt = salt
        tail = mix.tail
        var writer = ByteWriter(capacity: Pool.bytesWanted * 2)
        var places: [KeyPlace] = []
        var nameOffsets: [Int32] = []
        var recent: [[PoolEvent]] = []
        // No small number: what follows it counts the events.
        let marker = Chance.mix(salt.0) | 1 << 63
        while messages.count < 2 || (writer.count < Pool.bytesWanted && messages.count < Pool.messagesMost) {
            let number = messages.count
            var events: [PoolEvent] = []
            var sources: [(Int32, Int32)] = []
            var sums = Sums()
            var duplicates = 0
            for _ in 0..<batch {
                if mix.chooses(perMille: mix.options.duplicatesPerMille),
                    let (back, event) = Pool.repeatable(recent, events, sources, &mix)
                {
                    sources.append((Int32(number - back), Int32(event)))
                    events.append(back == 0 ? events[event] : recent[recent.count - back][event])
                    duplicates += 1
                } else {
                    let event = mix.next()
                    sums += mix.sums(of: event)
                    sources.append((-1, 0))
                    events.append(event)
                }
            }
            let start = writer.count
            Pool.write(events, mix, encoding: encoding, marker: marker, head: head, to: &writer)
            let firstKey = places.count
            let firstName = nameOffsets.count
            let message = UnsafeRawBufferPointer(rebasing: writer.bytes[start...])
            Pool.findKeys(in: message, encoding: encoding, marker: marker) { offset in
                let source = sources[places.count - firstKey]
                places.append(KeyPlace(offset: Int32(offset), source: source.0, sourceEvent: source.1))
            }
            precondition(places.count - firstKey == batch, "every event of a message has a key that is found")
            Pool.findNames(in: message) { nameOffsets.append(Int32($0)) }
            messages.append(
                Message(
                    start: start, length: message.count, keys: firstKey..<places.count, names: firstName..<nameOffsets.count, sums: sums,
                    events: batch, duplicates: duplicates))
            longest = max(longest, message.count)
            // What is a repetition itself is not repeated: its key is another message's.
            recent.append(zip(events, sources).map { $0.1.0 < 0 ? $0.0 : PoolEvent.never })
            if recent.count >= Pool.reach { recent.removeFirst() }
        }
        bytes = .allocate(byteCount: writer.count, alignment: 64)
        bytes.copyMemory(from: writer.base, byteCount: writer.count)
        keys = .allocate(capacity: places.count)
        keys.initialize(from: places, count: places.count)
        names = .allocate(capacity: max(1, nameOffsets.count))
        names.initialize(from: nameOffsets, count: nameOffsets.count)
        lastBase = .allocate(capacity: messages.count)
        lastBase.initialize(repeating: 0, count: messages.count)
        digits = .allocate(capacity: 10_000)
        for value in 0..<10_000 {
            let (a, b, c, d) = (value / 1000, value / 100 % 10, value / 10 % 10, value % 10)
            digits[value] = (UInt32(0x3030_3030) + UInt32(a | b << 8 | c << 16 | d << 24)).littleEndian
        }
    }

    deinit {
        bytes.deallocate()
        keys.deallocate()
        names.deallocate()
        lastBase.deallocate()
        digits.deallocate()
    }

    /// An event to send a second time: how many messages back, and which; nil when none offers itself.
    private static func repeatable(_ recent: [[PoolEvent]], _ events: [PoolEvent], _ sources: [(Int32, Int32)], _ mix: inout Mix) -> (
        Int, Int
    )? {
        for _ in 0..<64 {
            let back = mix.below(recent.count + 1)
            let candidates = back == 0 ? events : recent[recent.count - back]
            guard !candidates.isEmpty else { continue }
            let index = mix.below(candidates.count)
            if candidates[index].customer < Mix.fixedCustomers, back > 0 || sources[index].0 < 0 { return (back, index) }
        }
        return nil
    }

    // MARK: - Sending

    /// Writes message `index` to `target` with the keys that follow from `base`: its event i has key number `base + i`. The same
    /// index and base give the same events, so a message that was refused can be sent again. Returns its length.
    func write(_ index: Int, base: UInt64, requestID: UInt64, isFirst: Bool, to target: UnsafeMutableRawPointer) -> Int {
        let message = messages[index]
        if isFirst { lastBase[index] = base }
        target.copyMemory(from: bytes + message.start, byteCount: message.length)
        let isBinary = encoding == .binary
        if isBinary { target.storeBytes(of: requestID.littleEndian, toByteOffset: 8, as: UInt64.self) }
        var number = base
        for i in message.keys {
            let place = keys[i]
            let counter = place.source < 0 ? number : lastBase[Int(place.source)] &+ UInt64(place.sourceEvent)
            number &+= 1
            var words = key(counter)
            if isBinary {
                target.storeBytes(of: words.0, toByteOffset: Int(place.offset), as: UInt64.self)
                target.storeBytes(of: words.1, toByteOffset: Int(place.offset) + 8, as: UInt64.self)
            } else {
                withUnsafeBytes(of: &words) { writeUUID($0.baseAddress!, to: target + Int(place.offset)) }
            }
        }
        if let tail, !message.names.isEmpty {
            var chance = Chance(seed: base &+ salt.1)
            for i in message.names {
                let rank = tail.rank(&chance)
                let (high, low) = rank.quotientAndRemainder(dividingBy: 10_000)
                let at = Int(names[i])
                target.storeBytes(of: digits[high], toByteOffset: at, as: UInt32.self)
                target.storeBytes(of: digits[low], toByteOffset: at + 4, as: UInt32.self)
            }
        }
        return message.length
    }

    /// Calls with the offset of each key of a message.
    func eachKey(of index: Int, _ body: (Int) -> Void) { for i in messages[index].keys { body(Int(keys[i].offset)) } }

    /// Key number `counter` of this run: distinct numbers give distinct keys, because each step is a bijection of the first word.
    @inline(__always) private func key(_ counter: UInt64) -> (UInt64, UInt64) {
        let low = Chance.mix(counter &+ salt.0)
        return (low &* 0x9E37_79B9_7F4A_7C15 ^ salt.1, low)
    }

    // MARK: - Making

    private static func write(
        _ events: [PoolEvent], _ mix: borrowing Mix, encoding: Encoding, marker: UInt64, head: (Int) -> String, to writer: inout ByteWriter
    ) {
        if encoding == .binary {
            var encoder = EventsEncoder()
            for (index, event) in events.enumerated() {
                let added = encoder.add(mix.usageEvent(event, key: .uuid(high: marker, low: UInt64(index))))
                precondition(added == .added, "a batch fits a frame")
            }
            encoder.finish(requestID: 0, into: &writer)
            return
        }
        var body = ByteWriter(capacity: 512 * events.count)
        let isArray = encoding == .json && events.count > 1
        if isArray { body.append("[") }
        for (index, event) in events.enumerated() {
            if index > 0 { body.append(isArray ? "," : "\n") }
            mix.append(event, key: (marker, UInt64(index)), to: &body)
        }
        if isArray { body.append("]") }
        writer.append(string: head(body.count))
        writer.append(bytes: body.bytes)
    }

    /// Calls with the offset of each key, in order.
    private static func findKeys(in message: UnsafeRawBufferPointer, encoding: Encoding, marker: UInt64, _ found: (Int) -> Void) {
        var pattern = ByteWriter(capacity: 64)
        var words = (marker.bigEndian, UInt64(0))
        withUnsafeBytes(of: &words) { encoding == .binary ? pattern.append(bytes: $0) : pattern.append(uuid: $0) }
        // The first eight bytes, which are the first 18 characters and the dash after them.
        pattern.truncate(to: encoding == .binary ? 8 : 19)
        find(pattern.bytes, in: message, found)
    }

    /// Calls with the offset of the digits of each customer that is drawn anew.
    private static func findNames(in message: UnsafeRawBufferPointer, _ found: (Int) -> Void) {
        var pattern = ByteWriter(capacity: 16)
        pattern.append("cust-")
        find(pattern.bytes, in: message) { offset in
            let at = offset + pattern.count
            var rank = 0
            for i in 0..<8 { rank = rank * 10 + Int(message[at + i] &- 0x30) }
            if rank >= Mix.fixedCustomers { found(at) }
        }
    }

    private static func find(_ pattern: UnsafeRawBufferPointer, in message: UnsafeRawBufferPointer, _ found: (Int) -> Void) {
        guard let base = message.baseAddress else { return }
        var at = 0
        while let hit = purser_find(base + at, message.count - at, pattern.baseAddress!, pattern.count) {
            let offset = UnsafeRawPointer(hit) - base
            found(offset)
            at = offset + pattern.count
        }
    }
}

extension PoolEvent {
    /// Stands for an event that may not be repeated.
    static let never = PoolEvent(business: 0, customer: .max, input: 0, cached: 0, output: 0, givenCost: nil, offset: 0)
}

extension Mix {
    func usageEvent(_ event: PoolEvent, key: EventKey) -> UsageEvent {
        let business = Business.all[event.business]
        var usage = [UsageLine(kind: .inputTokens, quantity: Quantity(millionths: Int64(event.input) * Quantity.unit))]
        if event.output > 0 {
            usage.append(UsageLine(kind: .outputTokens, quantity: Quantity(millionths: Int64(event.output) * Quantity.unit)))
        }
        if event.cached > 0 {
            usage.append(UsageLine(kind: .cacheReadTokens, quantity: Quantity(millionths: Int64(event.cached) * Quantity.unit)))
        }
        return UsageEvent(
            key: key, name: eventName, customer: Mix.customerName(event.customer), feature: business.feature, model: business.model,
            provider: business.provider, occurredAt: Timestamp(nanoseconds: baseTime.nanoseconds + event.offset),
            usageUnits: Quantity(millionths: Quantity.unit), cost: event.givenCost.map { Money(picodollars: $0) },
            revenue: Money(picodollars: business.revenue), usage: usage)
    }

    /// The same event as JSON.
    func append(_ event: PoolEvent, key: (UInt64, UInt64), to body: inout ByteWriter) {
        let business = Business.all[event.business]
        body.append("{\"eventName\":")
        body.append(jsonString: eventName)
        body.append(",\"eventIdempotencyKey\":\"")
        var words = (key.0.bigEndian, key.1.bigEndian)
        withUnsafeBytes(of: &words) { body.append(uuid: $0) }
        body.append("\",\"customerReferenceId\":\"")
        body.append(string: Mix.customerName(event.customer))
        body.append("\",\"featureKey\":\"")
        body.append(string: business.feature)
        body.append("\",\"occurredAt\":\"")
        body.append(rfc3339: Timestamp(nanoseconds: baseTime.nanoseconds + event.offset))
        body.append("\",\"usageUnits\":1,")
        if let cost = event.givenCost {
            body.append("\"costAmount\":")
            body.append(money: Money(picodollars: cost))
            body.append(",")
        }
        body.append("\"revenueAmount\":")
        body.append(money: Money(picodollars: business.revenue))
        body.append(",\"costInput\":{\"modelProvider\":\"")
        body.append(string: business.provider)
        body.append("\",\"model\":\"")
        body.append(string: business.model)
        body.append("\",\"inputTokens\":")
        body.append(unsigned: UInt64(event.input))
        if event.output > 0 {
            body.append(",\"outputTokens\":")
            body.append(unsigned: UInt64(event.output))
        }
        if event.cached > 0 {
            body.append(",\"cacheReadTokens\":")
            body.append(unsigned: UInt64(event.cached))
        }
        body.append("}}")
    }
}
