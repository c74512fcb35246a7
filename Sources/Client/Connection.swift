// Connection: one non-blocking socket with deadlines. It owns the descriptor: closed once, by `deinit` at the latest.
//
// While it waits to write it also reads, because a server whose answers are not taken stops reading, and two sides that
// only write wait for each other for ever.

internal import Core
internal import Glibc

func systemMessage(_ number: Int32) -> String { String(cString: strerror(number)) }

struct Connection: ~Copyable {
    private let descriptor: Int32
    /// Bytes that came and were not taken yet.
    private var input = ByteWriter(capacity: 64 * 1024)
    private var taken = 0

    deinit { _ = Glibc.close(descriptor) }

    /// Connects before `deadline`.
    init(_ address: ServerAddress, deadline: Deadline) throws(ClientError) {
        switch address {
        case .unix(let path): descriptor = try Connection.open(unix: path, deadline: deadline)
        case .tcp(let host, let port): descriptor = try Connection.open(host: host, port: port, deadline: deadline)
        }
    }

    /// The bytes that came and were not taken; valid until the next call.
    var available: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: input.base + taken, count: input.count - taken) }

    /// Counts the first `count` available bytes as taken.
    mutating func take(_ count: Int) {
        taken += count
        if taken == input.count {
            input.reset()
            taken = 0
        }
    }

    /// Writes all of `bytes`, reading what comes meanwhile.
    mutating func write(_ bytes: UnsafeRawBufferPointer, deadline: Deadline) throws(ClientError) {
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            let written = send(descriptor, base + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            if written >= 0 {
                done += written
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                let ready = try Connection.wait(descriptor, for: Int16(POLLIN | POLLOUT), deadline: deadline, operation: "send")
                // The peer's last words, an error frame perhaps, come before the end of its stream: keep them for `receive`.
                if ready & Int16(POLLIN) != 0, try fill() == false { throw .closed }
            case EPIPE, ECONNRESET:
                try drain()
                throw .closed
            default: throw .system(errno: errno, operation: "send")
            }
        }
    }

    /// Waits until more bytes came.
    mutating func read(deadline: Deadline) throws(ClientError) {
        while true {
            _ = try Connection.wait(descriptor, for: Int16(POLLIN), deadline: deadline, operation: "receive")
            let before = input.count - taken
            guard try fill() else { throw .closed }
            if input.count - taken > before { return }
        }
    }

    /// Reads what the peer left behind before it closed.
    private mutating func drain() throws(ClientError) {
        var before = -1
        while input.count - taken > before {
            before = input.count - taken
            guard try fill() else { return }
        }
    }

    /// Reads what is there without waiting, at most 64 KiB; false at the end of the stream.
    private mutating func fill() throws(ClientError) -> Bool {
        if taken > 0 {
            input.removeFirst(taken)
            taken = 0
        }
        let chunk = 64 * 1024
        let before = input.count
        let room = input.appendUninitialized(chunk)
        let got = recv(descriptor, room.baseAddress!, chunk, 0)
        input.truncate(to: before + max(got, 0))
        if got > 0 { return true }
        if got == 0 { return false }
        switch errno {
        case EAGAIN, EINTR: return true
        case ECONNRESET: return false
        default: throw .system(errno: errno, operation: "recv")
        }
    }

    /// Waits for any of `events`; the result holds those that are there, hang-ups as readable.
    private static func wait(_ descriptor: Int32, for events: Int16, deadline: Deadline, operation: String) throws(ClientError) -> Int16 {
        while true {
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            let count = poll(&entry, 1, deadline.pollMilliseconds)
            if count > 0 {
                let gone = entry.revents & Int16(POLLHUP | POLLERR) != 0
                return gone ? entry.revents | Int16(POLLIN) : entry.revents
            }
            if count == 0 {
                if deadline.passed { throw .deadline(operation: operation) }
            } else if errno != EINTR {
                throw .system(errno: errno, operation: "poll")
            }
        }
    }

    private static func open(unix path: String, deadline: Deadline) throws(ClientError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { target in
            guard path.utf8.count < target.count else { return false }
            target.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { throw .badAddress("unix:\(path)") }
        return try withUnsafeBytes(of: &address) { (raw) throws(ClientError) in
            try open(domain: AF_UNIX, raw, operation: "connect to unix:\(path)", deadline: deadline)
        }
    }

    private static func open(host: String, port: UInt16, deadline: Deadline) throws(ClientError) -> Int32 {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, let first = list else { throw .badAddress("\(host): \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(first) }
        var failure = ClientError.badAddress(host)
        var next: UnsafeMutablePointer<addrinfo>? = first
        while let entry = next {
            do throws(ClientError) {
                let raw = UnsafeRawBufferPointer(start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
                let fd = try open(domain: entry.pointee.ai_family, raw, operation: "connect to tcp:\(host):\(port)", deadline: deadline)
                var on: Int32 = 1
                _ = setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                return fd
            } catch {
                failure = error
            }
            next = entry.pointee.ai_next
        }
        throw failure
    }

    private static func open(domain: Int32, _ address: UnsafeRawBufferPointer, operation: String, deadline: Deadline) throws(ClientError)
        -> Int32
    {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let fd = socket(domain, type, 0)
        guard fd >= 0 else { throw .system(errno: errno, operation: "socket") }
        do throws(ClientError) {
            let target = address.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            while connect(fd, target, socklen_t(address.count)) != 0 {
                switch errno {
                case EINTR: continue
                // A Unix listener with a full queue says EAGAIN and there is nothing to poll for: try again shortly.
                case EAGAIN where domain == AF_UNIX:
                    if deadline.passed { throw ClientError.deadline(operation: operation) }
                    usleep(1_000)
                    continue
                case EINPROGRESS, EALREADY:
                    _ = try wait(fd, for: Int16(POLLOUT), deadline: deadline, operation: operation)
                    var failure: Int32 = 0
                    var size = socklen_t(MemoryLayout<Int32>.size)
                    guard getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 else {
                        throw ClientError.system(errno: errno, operation: "getsockopt")
                    }
                    if failure != 0 { throw ClientError.system(errno: failure, operation: operation) }
                    return fd
                case EISCONN: return fd
                default: throw ClientError.system(errno: errno, operation: operation)
                }
            }
            return fd
        } catch {
            _ = Glibc.close(fd)
            throw error
        }
    }
}

/// A point on the monotonic clock.
struct Deadline {
    private let at: UInt64?

    /// `milliseconds` from now; nil waits for ever.
    init(milliseconds: Int?) { at = milliseconds.map { Deadline.now() &+ UInt64(max($0, 0)) } }

    var passed: Bool { at.map { Deadline.now() >= $0 } ?? false }

    /// What `poll` takes.
    var pollMilliseconds: Int32 {
        guard let at else { return -1 }
        let now = Deadline.now()
        return at > now ? Int32(clamping: at - now) : 0
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
