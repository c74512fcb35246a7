// Alarm: wakes the loop at a moment, to the microsecond; libuv's own timers know whole milliseconds.

internal import CLinux
internal import CUV

final class Alarm {
    private var descriptor: Int32 = -1
    private let waker = Waker()
    /// The moment it is set to; 0 when it is not.
    private var moment: UInt64 = 0

    /// False when the system has no descriptor to give.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>) -> Bool {
        descriptor = purser_alarm_open()
        // Waking is all it is for: the turn that follows looks at what is due.
        return waker.start(loop, descriptor) { [unowned self] in moment = 0 }
    }

    /// Wakes the loop at `nanoseconds` of its clock.
    func set(_ nanoseconds: UInt64) {
        guard nanoseconds != moment else { return }
        moment = nanoseconds
        _ = purser_alarm_set(descriptor, nanoseconds)
    }
}
