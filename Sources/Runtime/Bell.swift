// Bell: wakes the loop from another thread, as uv_async does, which may have the loop spin until the one who rang is back from the
// kernel: some microseconds for each commit.

internal import CLinux
internal import CUV

final class Bell {
    private var descriptor: Int32 = -1
    private let waker = Waker()

    /// `heard` is called on the loop, once for any number of rings. False when the system has no descriptor to give.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>, _ heard: @escaping () -> Void) -> Bool {
        descriptor = purser_bell_open()
        return waker.start(loop, descriptor, heard)
    }

    func ring() { purser_bell_ring(descriptor) }
}
