// InheritedSocket: the listening sockets that the service manager passed (sd_listen_fds(3)). They are the manager's: it keeps them
// while the daemon starts again, so whoever connects meanwhile waits instead of being refused.

internal import CUV
internal import Glibc

public struct InheritedSocket: Sendable {
    public var descriptor: Int32
    /// What the manager calls it (`FileDescriptorName=`).
    public var name: String

    /// More than a unit has reason for.
    private static let most: Int32 = 16

    /// Descriptors from 3 on, if they are meant for this process. The variables are removed, so that no child believes in them.
    public static func take() -> [InheritedSocket] {
        func take(_ name: String) -> String? {
            defer { unsetenv(name) }
            return getenv(name).map { String(cString: $0) }
        }
        let process = take("LISTEN_PID").flatMap { Int32($0) }
        let count = take("LISTEN_FDS").flatMap { Int32($0) } ?? 0
        let names = (take("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard process == getpid(), count > 0, count <= most else { return [] }
        return (0..<count).map { index in
            _ = fcntl(3 + index, F_SETFD, FD_CLOEXEC)
            return InheritedSocket(descriptor: 3 + index, name: Int(index) < names.count ? names[Int(index)] : "")
        }
    }

    /// Where it listens; nil when it is no stream socket that listens, or of a family nobody here speaks.
    var address: Address? {
        guard option(SO_TYPE) == Int32(SOCK_STREAM.rawValue), option(SO_ACCEPTCONN) == 1 else { return nil }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let known = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard known == 0 else { return nil }
        var text = [CChar](repeating: 0, count: 128)
        switch Int32(storage.ss_family) {
        case AF_UNIX:
            let path = withUnsafeBytes(of: &storage) { bytes in
                bytes[MemoryLayout<sa_family_t>.size..<Int(length)].prefix { $0 != 0 }
            }
            return .unix(String(decoding: path, as: UTF8.self))
        case AF_INET:
            _ = withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { uv_ip4_name($0, &text, text.count) }
            }
        case AF_INET6:
            _ = withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { uv_ip6_name($0, &text, text.count) }
            }
        default: return nil
        }
        // The port is at the same place in both families' addresses.
        let port = withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        let host = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return .tcp(host: String(decoding: host, as: UTF8.self), port: Int(port))
    }

    private func option(_ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -1
    }
}
