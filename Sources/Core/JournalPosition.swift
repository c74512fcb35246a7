/// A place in the journal: segment number in the upper half, byte offset inside the segment in the lower. Positions
/// compare in journal order.
@frozen
public struct JournalPosition: Equatable, Comparable, Hashable, Sendable {
    public var raw: UInt64

    @inlinable public init(raw: UInt64) { self.raw = raw }
    @inlinable public init(segment: UInt32, offset: UInt32) { raw = UInt64(segment) << 32 | UInt64(offset) }

    @inlinable public var segment: UInt32 { UInt32(truncatingIfNeeded: raw >> 32) }
    @inlinable public var offset: UInt32 { UInt32(truncatingIfNeeded: raw) }
    @inlinable public static func < (a: JournalPosition, b: JournalPosition) -> Bool { a.raw < b.raw }
    public static let start = JournalPosition(raw: 0)
}

/// An interned string: names of customers, features, events, models, providers, regions and price derivations.
public typealias StringID = UInt32

/// No string.
public let noString: StringID = 0
