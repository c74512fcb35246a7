// Bell: wakes the loop from another thread, as uv_async does, which may have the loop spin until the one who rang is back from the
// kernel: some microseconds for each commit.

internal import CLinux
internal import CUV

final class Bell {
    private var descriptor: Int32 = -1
    private let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private var heard: () -> Void = {}

    /// `heard` is called on the loop, once for any number of rings. False when the system has no descriptor to give.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>, _ heard: @escaping () -> Void) -> Bool {
        self.heard = heard
        descriptor = purser_bell_open()
        guard descriptor >= 0, uv_poll_init(loop, poll, descriptor) == 0 else { return false }
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        return uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { poll, _, _ in
            let bell = Unmanaged<Bell>.fromOpaque(poll!.pointee.data).takeUnretainedValue()
            purser_bell_heard(bell.descriptor)
            bell.heard()
        } == 0
    }

    func ring() { purser_bell_ring(descriptor) }
}
