// SegmentStrings: the strings a segment has defined so far. Every segment defines what it uses, so this starts over with
// each one and a journal can be read from any of its segments.

public import Core

public struct SegmentStrings: ~Copyable {
    private var arena = ByteWriter(capacity: 4096)
    private var places: [StringID: (offset: Int, length: Int)] = [:]
    private var segment: UInt32 = 0

    public init() {}

    /// Starts over when `number` is another segment than before.
    public mutating func enter(segment number: UInt32) {
        guard number != segment else { return }
        segment = number
        arena.reset()
        places.removeAll(keepingCapacity: true)
    }

    /// Takes the payload of a `string` fact; false when it is not one.
    public mutating func add(_ payload: UnsafeRawBufferPointer) -> Bool {
        var reader = ByteReader(payload)
        let id = reader.varint()
        guard !reader.failed, id != 0, id <= UInt64(StringID.max) else { return false }
        let offset = arena.count
        arena.append(bytes: reader.bytes(reader.remaining))
        places[StringID(id)] = (offset, arena.count - offset)
        return true
    }

    /// The text of a string; nil when this segment has not defined it. Valid until the next `add`.
    public func text(_ id: StringID) -> UnsafeRawBufferPointer? {
        guard let place = places[id] else { return nil }
        return UnsafeRawBufferPointer(rebasing: arena.bytes[place.offset..<place.offset + place.length])
    }

    public func isDefined(_ id: StringID) -> Bool { places[id] != nil }
}

extension SegmentStrings {
    /// Whether this segment has defined every name and derivation of a correction.
    func areDefined(_ correction: Correction) -> Bool {
        (correction.names + [correction.before.price, correction.after.price]).allSatisfy { $0 == noString || isDefined($0) }
    }
}
