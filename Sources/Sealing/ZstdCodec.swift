// ZstdCodec: frames of sealed files by libzstd. Contexts are kept and lent: making one costs more than a small column does.

internal import CZstd
public import Core
public import Journal
internal import Synchronization

public final class ZstdCodec: FrameCodec {
    /// The fastest level: a typical column gains nothing from the next ones.
    private static let level: Int32 = 1

    /// Only ever used by who took it out.
    private struct Context: @unchecked Sendable {
        let pointer: OpaquePointer

        init?(_ pointer: OpaquePointer?) {
            guard let pointer else { return nil }
            self.pointer = pointer
        }
    }

    /// Contexts nobody uses.
    private struct Contexts: Sendable {
        var compressing: [Context] = []
        var expanding: [Context] = []
    }

    private let contexts = Mutex(Contexts())

    public init() {}

    deinit {
        contexts.withLock {
            for context in $0.compressing { ZSTD_freeCCtx(context.pointer) }
            for context in $0.expanding { ZSTD_freeDCtx(context.pointer) }
        }
    }

    public func compress(_ bytes: UnsafeRawBufferPointer, into output: inout ByteWriter) -> Bool {
        // A frame's own bytes are more than so few would save.
        guard bytes.count > 16, let context = contexts.withLock({ $0.compressing.popLast() }) ?? Context(ZSTD_createCCtx()) else {
            return false
        }
        defer { contexts.withLock { $0.compressing.append(context) } }
        let before = output.count
        let room = output.appendUninitialized(ZSTD_compressBound(bytes.count))
        let count = ZSTD_compressCCtx(context.pointer, room.baseAddress, room.count, bytes.baseAddress, bytes.count, ZstdCodec.level)
        let isShorter = ZSTD_isError(count) == 0 && count < bytes.count
        output.truncate(to: before + (isShorter ? count : 0))
        return isShorter
    }

    public func expand(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        guard let context = contexts.withLock({ $0.expanding.popLast() }) ?? Context(ZSTD_createDCtx()) else { return false }
        defer { contexts.withLock { $0.expanding.append(context) } }
        return ZSTD_decompressDCtx(context.pointer, output.baseAddress, output.count, bytes.baseAddress, bytes.count) == output.count
    }
}
