// FrameHeader: the 16 bytes in front of every frame, both ways.
//
//     0  u8   magic 0xF5
//     1  u8   type
//     2  u16  flags
//     4  u32  payload length
//     8  u64  request id
//    16       payload
//
// Little-endian. 0xF5 starts no HTTP method and no UTF-8 text, so the first byte of a connection tells its protocol.
// A header is judged as soon as it can be: a wrong first byte is refused before fifteen more have come, and a length
// beyond the limit before any of the payload is stored.

public import Core

/// What a frame is. The high bit tells the direction: clear from the client, set from the server.
@frozen
public enum FrameType: UInt8, CaseIterable, Sendable {
    case hello = 0x01
    case events = 0x02
    case customer = 0x03
    case ping = 0x04
    case helloReply = 0x81
    case eventsReply = 0x82
    case customerReply = 0x83
    case pong = 0x84
    case error = 0xFF

    /// Whether a client sends it.
    @inlinable public var isRequest: Bool { rawValue & 0x80 == 0 }

    /// The flag bits this version defines for the type.
    @inlinable public var knownFlags: UInt16 {
        switch self {
        case .events, .eventsReply: FrameHeader.detail
        case .error: FrameHeader.closing
        default: 0
        }
    }
}

/// The parsed head of a frame.
@frozen
public struct FrameHeader: Equatable, Sendable {
    public static let size = 16
    public static let magic: UInt8 = 0xF5
    /// On `events`: every event's result is wanted. On its reply: every event's result is there.
    public static let detail: UInt16 = 1
    /// On `error`: the sender closes the connection after this frame.
    public static let closing: UInt16 = 1

    /// The type byte as it came; `type` is nil when this version does not know it.
    public var typeCode: UInt8
    public var flags: UInt16
    /// Bytes after the header, at most the limit given to `parse`.
    public var length: UInt32
    /// Chosen by the client, echoed by the server; 0 in an error that answers no request.
    public var requestID: UInt64

    @inlinable public init(type: FrameType, flags: UInt16 = 0, length: UInt32, requestID: UInt64) {
        typeCode = type.rawValue
        self.flags = flags
        self.length = length
        self.requestID = requestID
    }

    @inlinable init(typeCode: UInt8, flags: UInt16, length: UInt32, requestID: UInt64) {
        self.typeCode = typeCode
        self.flags = flags
        self.length = length
        self.requestID = requestID
    }

    @inlinable public var type: FrameType? { FrameType(rawValue: typeCode) }
    @inlinable public var hasDetail: Bool { flags & FrameHeader.detail != 0 }
    /// Header and payload together, in bytes.
    @inlinable public var frameSize: Int { FrameHeader.size + Int(length) }

    /// What the bytes at the front of a stream are.
    @frozen
    public enum Parse: Equatable, Sendable {
        /// Nothing wrong so far; fewer than 16 bytes are there.
        case needMore
        /// A header. Its payload may not have come yet, and its type may be unknown.
        case header(FrameHeader)
        /// Not acceptable. The request id is 0 when it was not there yet. The connection closes.
        case refused(FrameError, requestID: UInt64)
    }

    /// Reads the header at the front of `bytes`. `payloadLimit` is `Limits.helloBytes` before the hello was accepted and
    /// `Limits.framePayloadBytes` after it. Unknown types pass, with any flags: their length is known, so they can be
    /// answered with `unknown_type` and skipped.
    @inlinable
    public static func parse(_ bytes: UnsafeRawBufferPointer, payloadLimit: Int = Limits.framePayloadBytes) -> Parse {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return .needMore }
        guard base.load(as: UInt8.self) == magic else { return .refused(.malformedFrame, requestID: 0) }
        guard bytes.count >= size else { return .needMore }
        let code = base.load(fromByteOffset: 1, as: UInt8.self)
        let flags = UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        let length = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        let requestID = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        if let type = FrameType(rawValue: code), flags & ~type.knownFlags != 0 {
            return .refused(.malformedFrame, requestID: requestID)
        }
        guard Int(length) <= payloadLimit else { return .refused(.frameTooLarge, requestID: requestID) }
        return .header(FrameHeader(typeCode: code, flags: flags, length: length, requestID: requestID))
    }
}

extension ByteWriter {
    /// Writes a header with a length of zero; the result goes to `endFrame`.
    @inlinable
    public mutating func beginFrame(_ type: FrameType, flags: UInt16 = 0, requestID: UInt64) -> Int {
        let start = count
        append(FrameHeader.magic)
        append(type.rawValue)
        append(littleEndian: flags)
        append(littleEndian: UInt32(0))
        append(littleEndian: requestID)
        return start
    }

    /// Sets the length of the frame begun at `start` to what was written since.
    @inlinable
    public mutating func endFrame(_ start: Int) {
        store(littleEndian: UInt32(truncatingIfNeeded: count - start - FrameHeader.size), at: start + 4)
    }

    /// A varint length and the bytes.
    @inlinable
    public mutating func append(lengthPrefixed bytes: UnsafeRawBufferPointer) {
        append(varint: UInt64(bytes.count))
        append(bytes: bytes)
    }
}
