// FactColumns: a stretch of a segment taken apart by field, so that what is alike stands together, and put together again.
//
// zstd alone leaves two thirds of a typical event, because a random key stands between any two numbers that are alike. By columns it
// leaves half, of which half is the key. Nothing is interpreted but where a field ends: fields go into their column as they are
// written, so what is put together is the same to the byte. What is no event goes into one column whole. Three things are
// written as differences from what is expected: the sequence (one more), the time (from the one before), and when it was recorded
// (when its batch was opened).
//
// Columns, in their order:
//    0  what comes: 0 an event, 1 the header of a batch, 2 another fact, 3 an event whose sequence is not one more, 4 padding
//    1  headers of batches                       2  other facts whole; such sequences; lengths of padding
//    3  occurredAt, difference (zigzag)          4  delay, difference (zigzag)
//    5  flags          6  keys of 16 bytes       7  other keys        8  event name     9  customer
//   10  feature       11  model                 12  provider         13  region        14  usage units
//   15  number of usage lines                   16  their kinds
//   17  input tokens  18  output tokens         19  tokens read from a cache           20  other quantities
//   21  cost          22  revenue               23  price derivation                   24  match rule and what follows it
//
// A frame: 8 bytes when the batch it begins in was opened; 1 byte the number of columns; for each column two varints, its length
// and its length as stored, 0 when it is stored as it is; then the columns.

internal import Core

struct FactColumns: ~Copyable {
    static let count = 25

    enum Item {
        static let event: UInt8 = 0
        static let header: UInt8 = 1
        static let other: UInt8 = 2
        static let jump: UInt8 = 3
        static let padding: UInt8 = 4
    }

    private let columns: UnsafeMutablePointer<ByteWriter>
    private var beganIn: Int64 = 0
    private var openedAt: Int64 = 0
    private var sequence: UInt64 = 0
    private var occurredAt: Int64 = 0
    /// Bytes taken apart.
    private(set) var bytes = 0

    init() {
        columns = .allocate(capacity: FactColumns.count)
        for i in 0..<FactColumns.count { (columns + i).initialize(to: ByteWriter(capacity: 4096)) }
    }

    deinit {
        columns.deinitialize(count: FactColumns.count)
        columns.deallocate()
    }

    /// Begins a frame.
    mutating func reset() {
        for i in 0..<FactColumns.count { columns[i].reset() }
        beganIn = openedAt
        sequence = 0
        occurredAt = 0
        bytes = 0
    }

    // MARK: - Taking apart

    mutating func add(header: UnsafeRawBufferPointer, openedAt time: Timestamp) {
        columns[0].append(Item.header)
        columns[1].append(bytes: header)
        openedAt = time.nanoseconds
        bytes += header.count
    }

    mutating func add(padding count: Int) {
        guard count > 0 else { return }
        columns[0].append(Item.padding)
        columns[2].append(UInt8(count))
        bytes += count
    }

    /// `whole` is the fact with its type and length, `payload` what follows them.
    mutating func add(fact whole: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        bytes += whole.count
        if whole[0] == FactType.event.rawValue, let event = EventFact(payload) { return add(event, payload) }
        columns[0].append(Item.other)
        columns[2].append(bytes: whole)
    }

    private mutating func add(_ event: borrowing EventFact, _ payload: UnsafeRawBufferPointer) {
        if event.sequence == sequence &+ 1 {
            columns[0].append(Item.event)
        } else {
            columns[0].append(Item.jump)
            columns[2].append(varint: event.sequence)
        }
        sequence = event.sequence
        // Everything was checked: from here on fields are only copied.
        var at = FactColumns.varintLength(payload, 0) + 8
        let time = event.occurredAt.nanoseconds
        columns[3].append(zigzag: time &- occurredAt)
        occurredAt = time
        var delay = ByteReader(UnsafeRawBufferPointer(rebasing: payload[at...]))
        columns[4].append(zigzag: delay.zigzag() &- (openedAt &- time) / 1000)
        at += delay.offset
        let flags = event.flags
        copy(payload, &at, to: 5)
        if flags & EventFlag.keyIsUUID != 0 {
            copy(payload, &at, 16, to: 6)
        } else {
            let length = FactColumns.varintLength(payload, at) + event.keyBytes.count
            copy(payload, &at, length, to: 7)
        }
        copy(payload, &at, to: 8)
        if flags & EventFlag.customer != 0 { copy(payload, &at, to: 9) }
        if flags & EventFlag.feature != 0 { copy(payload, &at, to: 10) }
        if flags & EventFlag.model != 0 { copy(payload, &at, to: 11) }
        if flags & EventFlag.provider != 0 { copy(payload, &at, to: 12) }
        if flags & EventFlag.region != 0 { copy(payload, &at, to: 13) }
        if flags & EventFlag.usageUnits != 0 { copy(payload, &at, to: 14) }
        copy(payload, &at, 1, to: 15)
        for _ in 0..<event.usageCount {
            let column = FactColumns.column(ofKind: payload[at])
            copy(payload, &at, 1, to: 16)
            copy(payload, &at, to: column)
        }
        if flags & EventFlag.priced != 0 { copy(payload, &at, to: 21) }
        if flags & EventFlag.revenue != 0 { copy(payload, &at, to: 22) }
        if flags & EventFlag.price != 0 { copy(payload, &at, to: 23) }
        copy(payload, &at, payload.count - at, to: 24)
    }

    @inline(__always) private static func column(ofKind kind: UInt8) -> Int {
        switch kind {
        case UsageKind.inputTokens.rawValue: 17
        case UsageKind.outputTokens.rawValue: 18
        case UsageKind.cacheReadTokens.rawValue: 19
        default: 20
        }
    }

    @inline(__always) private static func varintLength(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
        var end = at
        while bytes[end] >= 0x80 { end += 1 }
        return end + 1 - at
    }

    @inline(__always) private func copy(_ payload: UnsafeRawBufferPointer, _ at: inout Int, to column: Int) {
        copy(payload, &at, FactColumns.varintLength(payload, at), to: column)
    }

    @inline(__always) private func copy(_ payload: UnsafeRawBufferPointer, _ at: inout Int, _ length: Int, to column: Int) {
        columns[column].append(bytes: UnsafeRawBufferPointer(rebasing: payload[at..<at + length]))
        at += length
    }

    /// Replaces what `frame` holds by the frame.
    func write(to frame: inout ByteWriter, _ codec: some FrameCodec, scratch: inout ByteWriter) {
        frame.reset()
        scratch.reset()
        frame.append(littleEndian: beganIn)
        frame.append(UInt8(FactColumns.count))
        for i in 0..<FactColumns.count {
            let before = scratch.count
            let isCompressed = codec.compress(columns[i].bytes, into: &scratch)
            if !isCompressed { scratch.append(bytes: columns[i].bytes) }
            frame.append(varint: UInt64(columns[i].count))
            frame.append(varint: isCompressed ? UInt64(scratch.count - before) : 0)
        }
        frame.append(bytes: scratch.bytes)
    }

    // MARK: - Putting together

    /// Fills all of `output` with what was taken apart; false when `frame` is not such. Any bytes may be given.
    static func join(_ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, _ codec: some FrameCodec) -> Bool {
        var head = ByteReader(frame)
        let openedAt = head.integer(Int64.self)
        guard head.byte() == UInt8(count), !head.failed else { return false }
        var lengths = [(raw: Int, stored: Int)](repeating: (0, 0), count: count)
        var all = 0
        for i in 0..<count {
            // No column is longer than all of it by more than a control byte and a number for each item.
            let raw = head.varint()
            let stored = head.varint()
            guard raw <= UInt64(output.count) * 4 + 64, stored <= UInt64(frame.count) else { return false }
            lengths[i] = (Int(raw), Int(stored))
            if stored > 0 { all += Int(raw) }
        }
        guard !head.failed else { return false }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(all, 1), alignment: 16)
        defer { memory.deallocate() }
        let columns = UnsafeMutablePointer<Column>.allocate(capacity: count)
        defer { columns.deallocate() }
        var (at, used) = (head.offset, 0)
        for i in 0..<count {
            let (raw, stored) = lengths[i]
            let length = stored == 0 ? raw : stored
            guard at + length <= frame.count else { return false }
            let bytes = UnsafeRawBufferPointer(rebasing: frame[at..<at + length])
            at += length
            if stored == 0 {
                (columns + i).initialize(to: Column(bytes))
                continue
            }
            let place = UnsafeMutableRawBufferPointer(rebasing: memory[used..<used + raw])
            guard codec.expand(bytes, into: place) else { return false }
            used += raw
            (columns + i).initialize(to: Column(UnsafeRawBufferPointer(place)))
        }
        guard at == frame.count else { return false }
        var joiner = Joiner(columns: columns, output: output, openedAt: openedAt)
        return joiner.run()
    }

    /// A column being read. Past its end it yields zeros and has failed.
    private struct Column {
        let base: UnsafeRawPointer
        let end: Int
        var at = 0
        var failed = false

        init(_ bytes: UnsafeRawBufferPointer) {
            base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
            end = bytes.count
        }

        var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + at, count: end - at) }

        @inline(__always) mutating func byte() -> UInt8 {
            guard at < end else {
                failed = true
                return 0
            }
            at += 1
            return base.load(fromByteOffset: at - 1, as: UInt8.self)
        }

        mutating func varint() -> UInt64 {
            var reader = ByteReader(rest)
            let value = reader.varint()
            failed = failed || reader.failed
            at += reader.offset
            return value
        }

        @inline(__always) mutating func zigzag() -> Int64 {
            let raw = varint()
            return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
        }
    }

    private struct Joiner {
        let columns: UnsafeMutablePointer<Column>
        let base: UnsafeMutableRawPointer
        let end: Int
        var at = 0
        var openedAt: Int64
        var sequence: UInt64 = 0
        var occurredAt: Int64 = 0
        var failed = false

        init(columns: UnsafeMutablePointer<Column>, output: UnsafeMutableRawBufferPointer, openedAt: Int64) {
            self.columns = columns
            base = output.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 8)!
            end = output.count
            self.openedAt = openedAt
        }

        mutating func run() -> Bool {
            while columns[0].at < columns[0].end, !failed {
                switch columns[0].byte() {
                case Item.event: event(sequence &+ 1)
                case Item.jump: event(columns[2].varint())
                case Item.header:
                    copy(1, BatchBuilder.headerBytes)
                    if !failed { openedAt = Int64(littleEndian: base.loadUnaligned(fromByteOffset: at - 40, as: Int64.self)) }
                case Item.other: other()
                case Item.padding:
                    for _ in 0..<columns[2].byte() { put(0) }
                default: failed = true
                }
            }
            guard !failed, at == end else { return false }
            return (0..<FactColumns.count).allSatisfy { !columns[$0].failed && columns[$0].at == columns[$0].end }
        }

        @inline(__always) private mutating func put(_ byte: UInt8) {
            guard at < end else {
                failed = true
                return
            }
            base.storeBytes(of: byte, toByteOffset: at, as: UInt8.self)
            at += 1
        }

        private mutating func put(varint value: UInt64) {
            var left = value
            while left >= 0x80 {
                put(UInt8(truncatingIfNeeded: left) | 0x80)
                left >>= 7
            }
            put(UInt8(left))
        }

        /// Copies a varint as it is.
        @inline(__always) private mutating func copy(_ column: Int) {
            var byte: UInt8
            var left = 10
            repeat {
                byte = columns[column].byte()
                put(byte)
                left -= 1
            } while byte >= 0x80 && left > 0 && !failed
        }

        @inline(__always) private mutating func copy(_ column: Int, _ length: Int) {
            guard length >= 0, columns[column].end - columns[column].at >= length, end - at >= length else {
                failed = true
                return
            }
            (base + at).copyMemory(from: columns[column].base + columns[column].at, byteCount: length)
            columns[column].at += length
            at += length
        }

        private mutating func other() {
            var reader = ByteReader(columns[2].rest)
            _ = reader.byte()
            let length = reader.varint()
            guard !reader.failed, length <= UInt64(reader.remaining) else {
                failed = true
                return
            }
            copy(2, reader.offset + Int(length))
        }

        private mutating func event(_ number: UInt64) {
            sequence = number
            put(FactType.event.rawValue)
            let lengthAt = at
            // One byte of length is the rule; the payload is moved where it takes more.
            put(0)
            put(varint: number)
            occurredAt = occurredAt &+ columns[3].zigzag()
            guard end - at >= 8 else {
                failed = true
                return
            }
            base.storeBytes(of: occurredAt.littleEndian, toByteOffset: at, as: Int64.self)
            at += 8
            let delay = columns[4].zigzag() &+ (openedAt &- occurredAt) / 1000
            put(varint: UInt64(bitPattern: delay << 1 ^ delay >> 63))
            let flags = UInt32(truncatingIfNeeded: columns[5].varint())
            put(varint: UInt64(flags))
            if flags & EventFlag.keyIsUUID != 0 { copy(6, 16) } else { text(7) }
            copy(8)
            if flags & EventFlag.customer != 0 { copy(9) }
            if flags & EventFlag.feature != 0 { copy(10) }
            if flags & EventFlag.model != 0 { copy(11) }
            if flags & EventFlag.provider != 0 { copy(12) }
            if flags & EventFlag.region != 0 { copy(13) }
            if flags & EventFlag.usageUnits != 0 { copy(14) }
            let lines = columns[15].byte()
            put(lines)
            for _ in 0..<lines {
                let kind = columns[16].byte()
                put(kind)
                copy(FactColumns.column(ofKind: kind))
            }
            if flags & EventFlag.priced != 0 { copy(21) }
            if flags & EventFlag.revenue != 0 { copy(22) }
            if flags & EventFlag.price != 0 { copy(23) }
            if flags & EventFlag.matched != 0 { copy(24, 1) }
            if flags & EventFlag.priced == 0 { copy(24, 1) }
            if flags & EventFlag.tier != 0 { copy(24, 1) }
            if flags & EventFlag.extras != 0 { text(24) }
            patch(lengthAt)
        }

        /// A length and as many bytes.
        private mutating func text(_ column: Int) {
            var reader = ByteReader(columns[column].rest)
            let length = reader.varint()
            guard !reader.failed, length <= UInt64(reader.remaining) else {
                failed = true
                return
            }
            copy(column, reader.offset + Int(length))
        }

        private mutating func patch(_ lengthAt: Int) {
            let length = at - lengthAt - 1
            guard !failed else { return }
            if length < 0x80 { return base.storeBytes(of: UInt8(length), toByteOffset: lengthAt, as: UInt8.self) }
            let more = length < 0x4000 ? 1 : 2
            guard length < 0x20_0000, end - at >= more else {
                failed = true
                return
            }
            memmoveBytes(base + lengthAt + 1 + more, base + lengthAt + 1, length)
            at = lengthAt
            put(varint: UInt64(length))
            at += length
        }
    }
}
