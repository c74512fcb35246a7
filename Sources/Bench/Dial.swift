// Dial: a connection of the run: opened and greeted with blocking calls, then handed over not to block.

import CLinux
public import Client
import Core
import Frames
import Glibc

/// Where the server is and how it is spoken to.
public struct BenchTarget: Sendable {
    public var address: ServerAddress
    /// Text of the API key; empty where the socket's permissions decide.
    public var key: String

    public init(address: ServerAddress, key: String) {
        self.address = address
        self.key = key
    }

    /// The process that listens on a Unix socket; nil when that cannot be told.
    public static func process(behind address: ServerAddress) -> Int32? { Dial.process(behind: address) }

    /// The head of a request, but for its body's length.
    func head(_ path: String, type: String, length: Int) -> String {
        "POST \(path) HTTP/1.1\r\nHost: localhost\r\n\(authorization)Content-Type: \(type)\r\nContent-Length: \(length)\r\n\r\n"
    }

    func get(_ path: String) -> [UInt8] { Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(authorization)\r\n".utf8) }

    private var authorization: String { key.isEmpty ? "" : "Authorization: Bearer \(key)\r\n" }
}

enum Dial {
    /// Seconds that connecting and the greeting may take.
    static let patience = 10

    /// An open connection. Where frames are spoken, the hello was accepted.
    static func open(_ target: BenchTarget, greets: Bool) throws(BenchError) -> Int32 {
        let descriptor: Int32
        switch target.address {
        case .unix(let path): descriptor = try connect(unix: path)
        case .tcp(let host, let port): descriptor = try connect(host: host, port: port)
        }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        do throws(BenchError) {
            if greets { try greet(descriptor, target) }
        } catch {
            close(descriptor)
            throw error
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    private static func greet(_ descriptor: Int32, _ target: BenchTarget) throws(BenchError) {
        var writer = ByteWriter(capacity: 512)
        let key = Array(target.key.utf8)
        let name = Array("purser bench".utf8)
        key.withUnsafeBytes { key in
            name.withUnsafeBytes { writer.appendHello(key: key, name: $0, requestID: 1) }
        }
        guard send(descriptor, writer.base, writer.count, Int32(MSG_NOSIGNAL)) == writer.count else {
            throw BenchError(.unreachable, "cannot greet \(target.address): \(systemError())")
        }
        var buffer = [UInt8](repeating: 0, count: 8192)
        var have = 0
        while true {
            let parse = buffer[..<have].withUnsafeBytes { FrameHeader.parse($0) }
            if case .header(let header) = parse, have >= header.frameSize {
                if header.type == .helloReply { return }
                let reply = buffer[..<have].withUnsafeBytes { Reply.frame($0) }
                guard case .reply(let said, _) = reply, let failure = said.failure else { break }
                throw BenchError(.refused, "\(target.address) refused the hello: \(failure)")
            }
            let got = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, $0.count - have, 0) }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            have += got
        }
        throw BenchError(.unreachable, "\(target.address) does not answer as purserd does")
    }

    private static let stream = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    /// The address of a Unix socket.
    static func socketName(_ path: String) throws(BenchError) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { target in
            guard bytes.count < target.count else { return false }
            target.copyBytes(from: bytes)
            return true
        }
        guard fits else { throw BenchError(.usage, "the socket's path is too long: \(path)") }
        return address
    }

    private static func connect(unix path: String) throws(BenchError) -> Int32 {
        var address = try socketName(path)
        let descriptor = socket(AF_UNIX, stream, 0)
        guard descriptor >= 0 else { throw BenchError(.usage, "no socket: \(systemError())") }
        let result = withUnsafeBytes(of: &address) {
            Glibc.connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        guard result == 0 else {
            let why = systemError()
            close(descriptor)
            throw BenchError(.unreachable, "cannot reach purserd at unix:\(path): \(why)")
        }
        return descriptor
    }

    static func connect(host: String, port: UInt16) throws(BenchError) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { throw BenchError(.unreachable, "cannot find \(host): \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(list) }
        var why = "no address"
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            let descriptor = socket(entry.pointee.ai_family, stream, 0)
            guard descriptor >= 0 else {
                why = systemError()
                continue
            }
            if Glibc.connect(descriptor, entry.pointee.ai_addr, entry.pointee.ai_addrlen) == 0 {
                var yes: Int32 = 1
                setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
                return descriptor
            }
            why = systemError()
            close(descriptor)
        }
        throw BenchError(.unreachable, "cannot reach purserd at tcp:\(host):\(port): \(why)")
    }

    /// The process that listens on a Unix socket; nil when that cannot be told.
    static func process(behind address: ServerAddress) -> Int32? {
        guard case .unix(let path) = address, let descriptor = try? connect(unix: path) else { return nil }
        defer { close(descriptor) }
        let process = purser_peer_process(descriptor)
        return process > 0 ? process : nil
    }
}
