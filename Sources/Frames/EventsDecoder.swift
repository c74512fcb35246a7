// EventsDecoder: the payload of an `events` frame into an `EventBlock`.
//
//     u8      record format (1)
//     varint  number of strings, then for each: varint length, bytes
//     i64     base time, nanoseconds since 1970
//     varint  number of events, at least 1
//     then for each event: varint length of the record, varint field mask, the fields in the order of their bits
//
// Two kinds of wrong. A value that is not acceptable (an amount beyond its range, a text too long or not text, an unknown
// kind of usage, a field from a later version) refuses its event by `outcome` and `field`; the others go on. Bytes that do
// not follow the layout (a read past the end, an overlong varint, an index beyond the table, a record shorter or longer
// than it says, bytes left over) refuse the frame: the block is put back as it was, because a writer that lost its place
// cannot be trusted about the events before it either.
//
// The hot path: no allocation once the block has grown, no `String`, no closure. The string table is copied into the
// arena once and named by offset; a UUID key is written there as text.

public import Core

/// Bits of the field mask, in the order in which the fields follow.
public enum EventFieldMask {
    /// 16 bytes: the key is a UUID.
    public static let keyUUID: UInt64 = 1 << 0
    /// varint length, bytes: the key is other text.
    public static let keyText: UInt64 = 1 << 1
    /// varint: 1-based index into the string table; so are the next four.
    public static let name: UInt64 = 1 << 2
    public static let customer: UInt64 = 1 << 3
    public static let feature: UInt64 = 1 << 4
    public static let model: UInt64 = 1 << 5
    public static let provider: UInt64 = 1 << 6
    /// zigzag varint: nanoseconds after the base time.
    public static let occurredAt: UInt64 = 1 << 7
    /// quantity.
    public static let usageUnits: UInt64 = 1 << 8
    /// varint: picodollars.
    public static let cost: UInt64 = 1 << 9
    /// varint: picodollars.
    public static let revenue: UInt64 = 1 << 10
    /// u8 count, then for each: u8 kind, quantity; kinds ascend.
    public static let usage: UInt64 = 1 << 11
    /// varint: 1-based index into the string table.
    public static let region: UInt64 = 1 << 12
    /// u8.
    public static let tier: UInt64 = 1 << 13
    /// varint length, then tag, varint length and bytes for each; tags ascend.
    public static let extras: UInt64 = 1 << 14

    public static let known: UInt64 = (1 << 15) - 1
    static let fiveNames = name | customer | feature | model | provider
}

/// What decoding an events payload gave.
@frozen
public enum EventsDecoding: Equatable, Sendable {
    /// So many events were appended to the block, in the order of the frame. Some may carry an outcome already.
    case events(Int)
    /// The frame does not count; the block is as it was.
    case refused(FrameError)
}

public enum EventsDecoder {
    /// The only record format there is.
    public static let recordFormat: UInt8 = 1
    /// Bytes the smallest event takes: a length and a mask.
    static let smallestRecord = 2

    // What stands in `EventBlock.names` for a string that no field may hold: a length of zero, so that nobody sees its
    // bytes, and an offset beyond every arena that keeps its number of scalars and whether it is text at all.
    static let unusable: UInt32 = 0xFFFF_0000
    static let notText: UInt32 = 0x8000
    static let scalars: UInt32 = 0x7FFF

    /// Appends the events of `payload` to `block`, which may hold those of earlier frames.
    ///
    /// A refused event has `outcome` and `field` set, keeps its place, and has no usage lines. A missing time, a missing key
    /// (`keyGenerated`) and `sequence` are left for the caller to fill in. Every string of the frame gets a name in the
    /// block, used or not; one that is not acceptable anywhere has a length of zero.
    public static func decode(payload: UnsafeRawBufferPointer, into block: inout EventBlock) -> EventsDecoding {
        let names = block.nameCount
        let usage = block.usageCount
        let arena = block.arena.count
        // Offsets in the arena are 32 bits wide. A frame adds less than this, and whoever owns the block resets it long before.
        guard arena <= Int(UInt32.max) - 4 * Limits.framePayloadBytes else { return .refused(.overloaded) }
        let count = decodeFrame(payload, into: &block)
        if count > 0 {
            block.count += count
            return .events(count)
        }
        block.nameCount = names
        block.usageCount = usage
        block.arena.truncate(to: arena)
        return .refused(.malformedFrame)
    }

    /// The number of events, which stand after the counted ones of the block; 0 when the layout is broken.
    private static func decodeFrame(_ payload: UnsafeRawBufferPointer, into block: inout EventBlock) -> Int {
        var reader = ByteReader(payload)
        guard reader.byte() == recordFormat else { return 0 }
        let nameBase = block.nameCount
        let strings = reader.varint()
        guard strings <= UInt64(Limits.frameStrings), strings <= UInt64(reader.remaining) else { return 0 }
        let allShort = addStrings(&reader, count: Int(strings), to: &block)
        let baseTime = reader.integer(Int64.self)
        let count = reader.varint()
        guard !reader.failed, count >= 1, count <= UInt64(Limits.frameEvents), count <= UInt64(reader.remaining / smallestRecord)
        else { return 0 }
        let scope = RecordScope(nameBase: UInt32(truncatingIfNeeded: nameBase), strings: strings, baseTime: baseTime, allShort: allShort)
        let cursor = RecordCursor(payload, from: reader.offset)
        return decodeRecords(cursor, count: Int(count), scope, into: &block) ? Int(count) : 0
    }

    /// The lowest limit of the fields that hold names; so many bytes cannot be more scalars than any of them allows.
    @inline(__always) private static var shortName: UInt64 { UInt64(min(Limits.modelProviderScalars, Limits.regionScalars)) }

    /// Reads the string table, copies it into the arena whole, and gives every string its name in the block. The result is
    /// whether all of them may stand in any field.
    private static func addStrings(_ reader: inout ByteReader, count: Int, to block: inout EventBlock) -> Bool {
        var allShort = true
        let start = reader.offset
        let arena = block.arena.count
        var index = 0
        while index < count {
            let length = reader.varint()
            guard length <= UInt64(reader.remaining) else {
                reader.fail()
                return false
            }
            let offset = reader.offset
            let text = reader.bytes(Int(length))
            var ref = TextRef.empty
            let isClean = FrameText.isClean(text)
            // No field holds more scalars than a customer reference may have.
            let fits = text.count <= Limits.customerReferenceScalars || scalarCount(text) <= Limits.customerReferenceScalars
            if !isClean || !fits {
                ref.offset = unusable | (isClean ? 0 : notText) | UInt32(min(scalarCount(text), Int(scalars)))
                allShort = false
            } else {
                ref.offset = UInt32(truncatingIfNeeded: arena + offset - start)
                ref.length = UInt32(truncatingIfNeeded: length)
            }
            if length &- 1 >= shortName { allShort = false }
            _ = block.add(name: ref)
            index += 1
        }
        guard !reader.failed else { return false }
        block.arena.append(bytes: reader.range(start, reader.offset))
        return allShort
    }
}

extension ByteReader {
    /// Bytes that were read before.
    func range(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        var copy = self
        copy.offset = start
        return copy.bytes(end - start)
    }
}
