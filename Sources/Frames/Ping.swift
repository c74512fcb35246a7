// Ping and pong: up to `Limits.pingBytes` bytes that come back as they are. A pong says that the loop turns; it says nothing
// about events sent before it.

public import Core

public enum Ping {
    /// Whether a payload of this length is a ping.
    @inlinable public static func isAcceptable(_ payload: UnsafeRawBufferPointer) -> Bool { payload.count <= Limits.pingBytes }
}

extension ByteWriter {
    public mutating func appendPing(_ bytes: UnsafeRawBufferPointer, requestID: UInt64) { appendOpaque(.ping, bytes, requestID) }
    public mutating func appendPong(_ bytes: UnsafeRawBufferPointer, requestID: UInt64) { appendOpaque(.pong, bytes, requestID) }

    private mutating func appendOpaque(_ type: FrameType, _ bytes: UnsafeRawBufferPointer, _ requestID: UInt64) {
        let start = beginFrame(type, requestID: requestID)
        append(bytes: bytes)
        endFrame(start)
    }
}
