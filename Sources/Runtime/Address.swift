// Address: where to listen, as the command line and the configuration say it.

internal import CUV
internal import Glibc

/// `unix:PATH` or `tcp:HOST:PORT`; HOST is a numeric IPv4 or IPv6 address (in brackets) or `localhost`.
public enum Address: Sendable, Equatable {
    case unix(String)
    case tcp(host: String, port: Int)

    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count < 108, !path.utf8.contains(0) else { return nil }
            self = .unix(path)
            return
        }
        guard text.hasPrefix("tcp:") else { return nil }
        let rest = text.dropFirst(4)
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]), port >= 0, port <= 65_535 else {
            return nil
        }
        var host = String(rest[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host == "localhost" { host = "127.0.0.1" }
        self = .tcp(host: host, port: port)
        guard socketAddress != nil else { return nil }
    }

    /// Whether only this host can reach it.
    public var isLoopback: Bool {
        switch self {
        case .unix: true
        case .tcp(let host, _): host.hasPrefix("127.") || host == "::1"
        }
    }

    var socketAddress: sockaddr_storage? {
        guard case .tcp(let host, let port) = self else { return nil }
        var storage = sockaddr_storage()
        let made = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { uv_ip4_addr(host, Int32(port), $0) } == 0
                || pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { uv_ip6_addr(host, Int32(port), $0) } == 0
        }
        return made ? storage : nil
    }
}

extension Address: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp:[\(host)]:\(port)" : "tcp:\(host):\(port)"
        }
    }
}
