// HTTPConnection: one blocking connection to the daemon for queries: a request out, its reply in.
//
// A tool asks one thing at a time, so blocking calls with a deadline are enough. The connection is kept for the next
// question (`--follow` asks once a second) and made anew when the server closed it meanwhile.

import Client
import Glibc

/// A connected stream socket, closed when it goes out of scope.
struct Socket: ~Copyable {
    let descriptor: Int32

    /// Connects, or throws with status 3.
    init(_ target: Target, seconds: Int) throws {
        switch target {
        case .unix(let path): descriptor = try Socket.connect(unix: path)
        case .tcp(let host, let port): descriptor = try Socket.connect(host: host, port: port)
        }
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    }

    deinit { close(descriptor) }

    private static let stream = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    private static func connect(unix path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < Target.longestPath else { throw Failure.usage("the socket's path is too long: \(path.printable)") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, stream, 0)
        guard descriptor >= 0 else { throw Failure.unreachable("cannot open a socket: \(systemError())") }
        let result = withUnsafeBytes(of: &address) {
            Glibc.connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        guard result == 0 else {
            let reason = systemError()
            close(descriptor)
            throw Failure.unreachable("cannot reach purserd at unix:\(path.printable): \(reason)")
        }
        return descriptor
    }

    private static func connect(host: String, port: UInt16) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw Failure.unreachable("cannot find \(host.printable): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var reason = "no address"
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            let descriptor = socket(entry.pointee.ai_family, stream, 0)
            guard descriptor >= 0 else {
                reason = systemError()
                continue
            }
            if Glibc.connect(descriptor, entry.pointee.ai_addr, entry.pointee.ai_addrlen) == 0 {
                var yes: Int32 = 1
                setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
                return descriptor
            }
            reason = systemError()
            close(descriptor)
        }
        throw Failure.unreachable("cannot reach purserd at tcp:\(host.printable):\(port): \(reason)")
    }

    /// Writes everything; false with errno set when it cannot.
    func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }

    /// Up to `buffer.count` bytes; 0 at the end, -1 with errno set when it failed.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            return count
        }
    }
}

/// A connection that carries one request after the other.
struct HTTPConnection: ~Copyable {
    let target: Target
    private let key: APIKey?
    /// Longest wait for one read or write.
    private let seconds: Int
    private var socket: Socket?
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    /// Seconds. Long, because a query sees every event acknowledged before it: after a burst it waits for the rollups.
    static let patience = 120

    init(target: Target, key: APIKey?, seconds: Int = HTTPConnection.patience) {
        self.target = target
        self.key = key
        self.seconds = seconds
    }

    /// Sends a request and waits for its reply. A kept connection that the server closed before a byte of the reply came is
    /// made anew once, for requests that may be repeated.
    mutating func ask(_ request: HTTPRequest) throws -> HTTPReply {
        let isKept = socket != nil
        if !isKept { socket = try Socket(target, seconds: seconds) }
        do {
            return try exchange(request)
        } catch let lost as LostConnection {
            socket = nil
            guard isKept, !lost.hasBegun, request.method == "GET" else {
                throw Failure.unreachable("the connection to \(target) broke: \(lost.reason)")
            }
            socket = try Socket(target, seconds: seconds)
            do {
                return try exchange(request)
            } catch let again as LostConnection {
                socket = nil
                throw Failure.unreachable("the connection to \(target) broke: \(again.reason)")
            }
        }
    }

    private struct LostConnection: Error {
        var reason: String
        var hasBegun: Bool
    }

    private mutating func exchange(_ request: HTTPRequest) throws -> HTTPReply {
        let bytes = request.bytes(authority: target.authority, key: key)
        var reader = HTTPReplyReader()
        // A server that refuses a long body may answer and close while it is still being written: read before giving up.
        let isSent = bytes.withUnsafeBytes { socket!.send($0) }
        let sendError = errno
        do {
            while reader.reply == nil {
                let count = buffer.withUnsafeMutableBytes { socket!.receive($0) }
                if count < 0 {
                    let number = isSent ? errno : sendError
                    let reason = number == EAGAIN ? "no answer in time" : systemError(number)
                    throw LostConnection(reason: reason, hasBegun: reader.hasBegun)
                }
                if count == 0 {
                    guard reader.hasBegun else { throw LostConnection(reason: "the server closed it", hasBegun: false) }
                    try reader.close()
                } else {
                    try buffer.withUnsafeBytes { all in
                        try reader.feed(UnsafeRawBufferPointer(rebasing: all[..<count]))
                    }
                }
            }
        } catch let wrong as HTTPReplyError {
            throw LostConnection(reason: wrong.message, hasBegun: true)
        }
        let reply = reader.reply!
        if !reply.keepsAlive || !isSent { socket = nil }
        return reply
    }
}
