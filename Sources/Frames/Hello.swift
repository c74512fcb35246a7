// Hello: the first frame each way. The client offers a range of versions, its key and its name; the server answers with the
// version it chose, what the client may do, and the limits it holds.
//
// The two layouts are the same in every protocol version, and what a later version adds comes at their end, so each side
// skips bytes it does not know there. Everywhere else trailing bytes are malformed.

public import Core

/// The versions of the protocol.
public enum ProtocolVersion {
    public static let lowest: UInt16 = 1
    public static let highest: UInt16 = 1

    /// The highest version both sides speak; nil when there is none.
    @inlinable public static func choose(lowest low: UInt16, highest high: UInt16) -> UInt16? {
        guard low <= high, low <= highest, high >= lowest else { return nil }
        return min(high, highest)
    }
}

/// A client's hello. Text is named by offset and length in the payload it was read from.
///
///     0  u16     lowest protocol version
///     2  u16     highest
///     4  u32     capabilities
///     8  varint  length of the key, then the key; may be empty
///        varint  length of the client's name and version, then the text; may be empty
@frozen
public struct Hello: Equatable, Sendable {
    public var lowest: UInt16
    public var highest: UInt16
    /// Bits the client offers. This version defines none; unknown ones are ignored.
    public var capabilities: UInt32
    public var key: TextRef
    public var name: TextRef

    /// Reads a hello; nil when it is malformed: cut short, a key or name beyond its limit, or a name that is not text.
    public static func decode(_ payload: UnsafeRawBufferPointer) -> Hello? {
        var reader = ByteReader(payload)
        let lowest = reader.integer(UInt16.self)
        let highest = reader.integer(UInt16.self)
        let capabilities = reader.integer(UInt32.self)
        let key = reader.textRef()
        let name = reader.textRef()
        guard !reader.failed, key.length <= Limits.helloKeyBytes, name.length <= Limits.helloNameBytes else { return nil }
        let text = UnsafeRawBufferPointer(rebasing: payload[Int(name.offset)..<Int(name.offset) + Int(name.length)])
        guard FrameText.isClean(text) else { return nil }
        return Hello(lowest: lowest, highest: highest, capabilities: capabilities, key: key, name: name)
    }
}

/// Who the server takes the client for.
@frozen
public enum PrincipalKind: UInt8, CaseIterable, Sendable {
    /// No key: the permissions of the Unix socket decided.
    case socket = 0
    /// A key of the tenant.
    case key = 1
}

/// The server's answer to a hello.
///
///     0  u16     version chosen
///     2  u32     capabilities both sides have
///     6  u8      principal kind
///     7  u8      what it may do: bit 0 send, bit 1 read, bit 2 administer
///     8  varint  length of the server's name and version, then the text
///        varint  number of limits, then for each: u8 id, varint value
public struct HelloReply: Equatable, Sendable {
    public var version: UInt16
    public var capabilities: UInt32
    /// A kind this version may not know.
    public var principal: UInt8
    public var scopes: UInt8
    public var server: String
    public var limits: [FrameLimit: UInt64]

    /// Reads a hello reply; nil when it is malformed. Limits with unknown ids are skipped.
    public static func decode(_ payload: UnsafeRawBufferPointer) -> HelloReply? {
        var reader = ByteReader(payload)
        let version = reader.integer(UInt16.self)
        let capabilities = reader.integer(UInt32.self)
        let principal = reader.byte()
        let scopes = reader.byte()
        let server = reader.lengthPrefixed()
        let count = reader.varint()
        guard !reader.failed, count <= UInt64(reader.remaining / 2) else { return nil }
        var limits: [FrameLimit: UInt64] = [:]
        for _ in 0..<Int(count) {
            let id = reader.byte()
            let value = reader.varint()
            if let limit = FrameLimit(rawValue: id) { limits[limit] = value }
        }
        guard !reader.failed else { return nil }
        return HelloReply(
            version: version,
            capabilities: capabilities,
            principal: principal,
            scopes: scopes,
            server: String(decoding: server, as: UTF8.self),
            limits: limits
        )
    }
}

extension ByteWriter {
    /// Writes a hello.
    public mutating func appendHello(
        lowest: UInt16 = ProtocolVersion.lowest,
        highest: UInt16 = ProtocolVersion.highest,
        capabilities: UInt32 = 0,
        key: UnsafeRawBufferPointer,
        name: UnsafeRawBufferPointer,
        requestID: UInt64
    ) {
        let start = beginFrame(.hello, requestID: requestID)
        append(littleEndian: lowest)
        append(littleEndian: highest)
        append(littleEndian: capabilities)
        append(lengthPrefixed: key)
        append(lengthPrefixed: name)
        endFrame(start)
    }

    /// Writes a hello reply with every limit of this build.
    public mutating func appendHelloReply(
        version: UInt16,
        capabilities: UInt32 = 0,
        principal: PrincipalKind,
        scopes: UInt8,
        server: String,
        requestID: UInt64
    ) {
        var server = server
        let start = beginFrame(.helloReply, requestID: requestID)
        append(littleEndian: version)
        append(littleEndian: capabilities)
        append(principal.rawValue)
        append(scopes)
        server.withUTF8 { append(lengthPrefixed: UnsafeRawBufferPointer($0)) }
        append(varint: UInt64(FrameLimit.allCases.count))
        for limit in FrameLimit.allCases {
            append(limit.rawValue)
            append(varint: UInt64(limit.value))
        }
        endFrame(start)
    }
}

extension ByteReader {
    /// A varint length and that many bytes, as offset and length into what this reader was made over.
    @inlinable mutating func textRef() -> TextRef {
        let length = varint()
        guard length <= UInt64(remaining) else {
            fail()
            return .empty
        }
        let start = skip(Int(length))
        return TextRef(offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length))
    }
}
