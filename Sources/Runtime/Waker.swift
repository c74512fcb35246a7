// Waker: has the loop wake up when a timer or a counter of the kernel can be read.

internal import CLinux
internal import CUV

final class Waker {
    private var descriptor: Int32 = -1
    private let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private var woke: () -> Void = {}

    /// `woke` is called on the loop each time `descriptor` could be read, after it was. False when the system has no descriptor to give.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>, _ descriptor: Int32, _ woke: @escaping () -> Void) -> Bool {
        self.descriptor = descriptor
        self.woke = woke
        guard descriptor >= 0, uv_poll_init(loop, poll, descriptor) == 0 else { return false }
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        return uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { poll, _, _ in
            let waker = Unmanaged<Waker>.fromOpaque(poll!.pointee.data).takeUnretainedValue()
            purser_heard(waker.descriptor)
            waker.woke()
        } == 0
    }
}
