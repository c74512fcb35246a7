// WriteRing: durable writes that the kernel does while the loop goes on (io_uring, through liburing), one at a time. No thread has to be
// woken to begin one, and none to tell that it is over: of what a small commit costs that is more than half.

internal import CRing
internal import CUV
internal import Glibc

final class WriteRing {
    private var ring: OpaquePointer?
    private let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private var over: () -> Void = {}
    private(set) var isBusy = false

    /// `over` is called on the loop when a write is over and nobody has asked yet. The result is 0, or the number of why there is no ring.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>, _ over: @escaping () -> Void) -> Int32 {
        self.over = over
        guard let ring = purser_ring_open() else { return errno }
        guard uv_poll_init(loop, poll, purser_ring_descriptor(ring)) == 0 else {
            purser_ring_close(ring)
            return ENOTSUP
        }
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { poll, _, _ in
            Unmanaged<WriteRing>.fromOpaque(poll!.pointee.data).takeUnretainedValue().over()
        }
        self.ring = ring
        return 0
    }

    var isOpen: Bool { ring != nil }

    /// Begins a write. The result is 0, or why the kernel did not take it; then there is no ring from here on.
    func begin(_ write: KernelWrite) -> Int32 {
        guard let ring else { return EBADF }
        if purser_ring_write(ring, write.descriptor, write.bytes.baseAddress, write.bytes.count, Int64(write.offset)) == 0 {
            isBusy = true
            return 0
        }
        let trouble = errno
        uv_poll_stop(poll)
        purser_ring_close(ring)
        self.ring = nil
        return trouble
    }

    /// What became of the write: the bytes written, or the negative number of why none were. nil while it goes on.
    func takeResult() -> Int? {
        var result: Int64 = 0
        guard isBusy, let ring, purser_ring_result(ring, &result) != 0 else { return nil }
        isBusy = false
        return Int(result)
    }

    /// Returns when the write that goes on, if any, is over.
    func wait() {
        if isBusy, let ring { purser_ring_wait(ring) }
    }
}
