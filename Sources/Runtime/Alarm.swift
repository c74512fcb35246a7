// Alarm: wakes the loop at a moment, to the microsecond; libuv's own timers know whole milliseconds.

internal import CLinux
internal import CUV
internal import Glibc

final class Alarm {
    private var descriptor: Int32 = -1
    private let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    /// The moment it is set to; 0 when it is not.
    private var moment: UInt64 = 0

    /// False when the system has no descriptor to give.
    func start(_ loop: UnsafeMutablePointer<uv_loop_t>) -> Bool {
        descriptor = purser_alarm_open()
        guard descriptor >= 0, uv_poll_init(loop, poll, descriptor) == 0 else { return false }
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        // Waking is all it is for: the turn that follows looks at what is due.
        return uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { poll, _, _ in
            let alarm = Unmanaged<Alarm>.fromOpaque(poll!.pointee.data).takeUnretainedValue()
            alarm.moment = 0
            purser_alarm_heard(alarm.descriptor)
        } == 0
    }

    /// Wakes the loop at `nanoseconds` of its clock.
    func set(_ nanoseconds: UInt64) {
        guard nanoseconds != moment else { return }
        moment = nanoseconds
        _ = purser_alarm_set(descriptor, nanoseconds)
    }
}
