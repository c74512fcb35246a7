// ServiceNotifier: what the service manager is told (sd_notify(3)), as datagrams to the socket that NOTIFY_SOCKET names: ready,
// stopping, reloading, a line of status, more time while the journal is read, and a sign of life.
//
// Nothing here waits or fails: without the variable nothing is sent, and a datagram that cannot be sent is lost. WATCHDOG=1 is
// not sent from here on its own account: whoever calls `alive` has seen that the threads which matter get on.

internal import CUV
public import Core
internal import Glibc
internal import Server

public struct ServiceNotifier: Sendable {
    private let descriptor: Int32
    private let path: [UInt8]
    /// Nanoseconds between two signs of life: half of what the manager waits for; 0 when it does not ask for any.
    public let watchdogInterval: UInt64

    /// Takes the variables of the environment and removes them, so that no child believes that they are for it.
    public init() {
        func take(_ name: String) -> String? {
            guard let value = getenv(name) else { return nil }
            let text = String(cString: value)
            unsetenv(name)
            return text
        }
        let socket = take("NOTIFY_SOCKET")
        let microseconds = take("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0
        let process = take("WATCHDOG_PID").flatMap { Int32($0) }
        let isForUs = process == nil || process == getpid()
        watchdogInterval = isForUs && microseconds <= 3_600_000_000 ? microseconds * 500 : 0
        // `@name` is the abstract socket, whose first byte is 0.
        var bytes = Array((socket ?? "").utf8)
        if bytes.first == 0x40 { bytes[0] = 0 }
        path = bytes
        guard !bytes.isEmpty, bytes.count < 108, bytes[0] == 0 || bytes[0] == 0x2F else {
            descriptor = -1
            return
        }
        descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }

    public var isHeard: Bool { descriptor >= 0 }

    /// Sends lines of `NAME=value`.
    public func send(_ text: String) {
        guard descriptor >= 0 else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        // An abstract name is as long as it is said to be; a path ends with a zero.
        let length = MemoryLayout<sa_family_t>.size + path.count + (path[0] == 0 ? 0 : 1)
        let bytes = Array(text.utf8)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0, socklen_t(length))
            }
        }
    }

    public func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }
    public func status(_ text: String) { send("STATUS=\(text)") }
    public func stopping() { send("STOPPING=1\nSTATUS=stopping") }
    public func alive() { send("WATCHDOG=1") }

    /// A reload begins; `ready` ends it.
    public func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)\nSTATUS=reloading")
    }

    /// The start takes its time and is not stuck: it may take another while, counted from now.
    public func extend(_ status: String) { send("EXTEND_TIMEOUT_USEC=\(ServiceNotifier.extensionMicroseconds)\nSTATUS=\(status)") }

    private static let extensionMicroseconds = 30_000_000
}

/// Tells the service manager how far the start has come, about once a second.
public struct StartProgress {
    private let notifier: ServiceNotifier
    private var last: UInt64

    public init(_ notifier: ServiceNotifier) {
        self.notifier = notifier
        last = EventLoop.instant.monotonic
        notifier.extend("reading the journal")
    }

    /// Called for every batch that was read.
    public mutating func read(_ position: JournalPosition) {
        guard notifier.isHeard else { return }
        let now = EventLoop.instant.monotonic
        guard now &- last > 1_000_000_000 else { return }
        last = now
        notifier.extend("reading the journal: segment \(position.segment)")
    }
}
