// EventJSON: events from JSON into an `EventBlock`.
//
// Guarantees: every byte of an accepted request has been checked as JSON; an event is either read whole or carries the
// first line of the outcome ladder that holds for it and the field that is to blame; its neighbours are not affected.
// Nothing is allocated once the buffers have grown. Refuses, in an event: repeated fields, text that is too long or holds
// control characters, amounts below zero or beyond their range, identifiers that are not UUIDs. `null` means absent;
// fields that are not known are ignored.

import CSimdjson
public import Core

/// A reusable reader of event requests.
public struct EventJSON: ~Copyable {
    public enum Shape: Sendable {
        /// One object.
        case single
        /// One array of objects.
        case array
        /// One object a line.
        case ndjson
    }

    public enum Reading: Sendable {
        /// The events are in the block, those that are refused with their outcome.
        case ok
        /// The request as a whole is not what it should be; the block is as it was.
        case malformed(message: StaticString, offset: Int)
        /// More than `Limits.batchEvents`; the block is as it was.
        case tooManyEvents
    }

    var reader = JSONReader()
    /// Where the text of each rare field is, by tag; the bits of `EventScan.extras` tell which are set.
    let slots: UnsafeMutablePointer<UnsafeRawBufferPointer>
    /// Names that entered a block lately, by a few bits of their text: see `RecentNames`.
    let recent: UnsafeMutablePointer<UInt32>
    /// Keys that are not known, of the event in the first half and of its `costInput` in the second.
    let unknown: UnsafeMutablePointer<UnsafeRawBufferPointer>

    public init() {
        slots = .allocate(capacity: 16)
        unknown = .allocate(capacity: Limits.jsonUnknownFields * 2)
        recent = .allocate(capacity: RecentNames.count)
        recent.initialize(repeating: 0, count: RecentNames.count)
    }

    deinit {
        slots.deallocate()
        unknown.deallocate()
        recent.deallocate()
    }

    /// Reads the events of `body` and adds them to `block`, in order. With `ignoringKey` the events' own keys are neither read
    /// nor judged, because a header replaces them.
    public mutating func read(
        _ body: UnsafeRawBufferPointer, shape: Shape, ignoringKey: Bool = false, into block: inout EventBlock
    ) -> Reading {
        let before = BlockMark(block)
        let reading: Reading =
            switch shape {
            case .single: readSingle(body, ignoringKey, &block)
            case .array: readArray(body, ignoringKey, &block)
            case .ndjson: readLines(body, ignoringKey, &block)
            }
        if case .ok = reading { return reading }
        before.restore(&block)
        return reading
    }

    private mutating func readSingle(_ body: UnsafeRawBufferPointer, _ ignoringKey: Bool, _ block: inout EventBlock) -> Reading {
        let code = reader.document(body, depth: Limits.jsonDepth, values: Limits.jsonValues)
        guard code == 0 else { return malformed(code) }
        guard reader.nodes[0].kind == JSONNodeKind.object else { return .malformed(message: "The event is not an object", offset: 0) }
        readEvent(ignoringKey, &block)
        return .ok
    }

    private mutating func readArray(_ body: UnsafeRawBufferPointer, _ ignoringKey: Bool, _ block: inout EventBlock) -> Reading {
        var code = reader.index(body)
        guard code == 0 else { return malformed(code) }
        code = reader.enterArray()
        let first = block.count
        while code == 1 {
            code = reader.flatten(depth: Limits.jsonDepth, values: Limits.jsonValues)
            guard code == 0 else { break }
            if block.count - first >= Limits.batchEvents { return .tooManyEvents }
            readEvent(ignoringKey, &block)
            code = reader.nextElement()
        }
        if code == 0 { code = reader.finish() }
        return code == 0 ? .ok : malformed(code)
    }

    /// Tokens are looked for in about so many bytes of lines at a time: they stay in the first level of cache until they are read.
    private static let linesTogether = 16 * 1024

    private mutating func readLines(_ body: UnsafeRawBufferPointer, _ ignoringKey: Bool, _ block: inout EventBlock) -> Reading {
        let most = block.count + Limits.batchEvents
        var rest = body
        while !rest.isEmpty {
            let lines = Self.takeLines(&rest, atLeast: Self.linesTogether)
            if reader.indexLines(lines) == 0 {
                guard readIndexedLines(ignoringKey, most, &block) else { return .tooManyEvents }
                continue
            }
            // One that is no text, or a string that does not end, takes nothing away from its neighbours.
            var left = lines
            while !left.isEmpty {
                let code = reader.indexLines(Self.takeLines(&left, atLeast: 1))
                if code == 0 {
                    guard readIndexedLines(ignoringKey, most, &block) else { return .tooManyEvents }
                } else if code != Int32(purser_json_empty) {
                    guard block.count < most else { return .tooManyEvents }
                    addMalformed(&block)
                }
            }
        }
        return .ok
    }

    /// Reads the lines whose tokens were found last. False when the block would have more than `most` events.
    private mutating func readIndexedLines(_ ignoringKey: Bool, _ most: Int, _ block: inout EventBlock) -> Bool {
        while reader.nextLine() {
            guard block.count < most else { return false }
            if reader.flatten(depth: Limits.jsonDepth, values: Limits.jsonValues) == 0, reader.finish() == 0 {
                readEvent(ignoringKey, &block)
            } else {
                addMalformed(&block)
            }
        }
        return true
    }

    /// Takes as few lines off the front of `rest` as have `bytes` bytes together, or all there are. Blank ones before them are left
    /// out: to look for tokens in each of four million takes a tenth of a second.
    private static func takeLines(_ rest: inout UnsafeRawBufferPointer, atLeast bytes: Int) -> UnsafeRawBufferPointer {
        var start = 0
        while start < rest.count, isSpace(rest[start]) { start += 1 }
        var end = min(start + bytes, rest.count)
        while end < rest.count, rest[end - 1] != 0x0A { end += 1 }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[end...]) }
        return UnsafeRawBufferPointer(rebasing: rest[start..<end])
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private func malformed(_ code: Int32) -> Reading {
        let fault = reader.fault(code)
        return .malformed(message: fault.message, offset: fault.offset)
    }

    private func addMalformed(_ block: inout EventBlock) {
        var event = EventRecord()
        event.usageStart = UInt32(truncatingIfNeeded: block.usageCount)
        event.outcome = .malformed
        block.add(event)
    }

    /// Reads the event that was flattened last.
    private mutating func readEvent(_ ignoringKey: Bool, _ block: inout EventBlock) {
        guard reader.nodes[0].kind == JSONNodeKind.object else {
            addMalformed(&block)
            return
        }
        var scan = EventScan()
        scan.ignoringKey = ignoringKey
        readMembers(&scan, &block)
        finish(&scan, &block)
    }
}

/// How full a block was, to take back what a refused request added.
private struct BlockMark {
    let arena: Int
    let names: Int
    let events: Int
    let usage: Int

    init(_ block: borrowing EventBlock) {
        arena = block.arena.count
        names = block.nameCount
        events = block.count
        usage = block.usageCount
    }

    func restore(_ block: inout EventBlock) {
        block.arena.truncate(to: arena)
        block.nameCount = names
        block.count = events
        block.usageCount = usage
    }
}

/// Where `EventJSON.recent` keeps the place in the block of a name: that of the last one with the same few bits of a hash. It is never
/// cleared. What it says is believed only when the name at that place of this block has the same bytes; so whoever aims at its places
/// only loses what it saves.
enum RecentNames {
    static let count = 256

    @inline(__always) static func slot(_ text: UnsafeRawBufferPointer) -> Int {
        guard let base = text.baseAddress, text.count > 0 else { return 0 }
        var mixed = UInt64(truncatingIfNeeded: text.count)
        if text.count >= 8 {
            mixed ^= HTTPGrammar.word(base, 0) &* 0x9E37_79B9_7F4A_7C15
            mixed ^= HTTPGrammar.word(base, text.count - 8)
        } else {
            for i in 0..<text.count { mixed = mixed << 8 ^ UInt64(HTTPGrammar.byte(base, i)) }
        }
        return Int(truncatingIfNeeded: (mixed &* 0xD6E8_FEB8_6659_FD93) >> 56)
    }
}
