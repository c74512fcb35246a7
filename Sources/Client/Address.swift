// Address: where a daemon listens, as people write it: `unix:PATH`, `tcp:HOST:PORT`, `tcp:[::1]:7787`.

/// Where to connect.
public enum ServerAddress: Equatable, Sendable, CustomStringConvertible {
    /// A path of at most 107 bytes.
    case unix(path: String)
    /// A name or a number, and a port.
    case tcp(host: String, port: UInt16)

    /// Reads `unix:PATH` or `tcp:HOST:PORT`; nil when the text is neither.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count <= 107, !path.utf8.contains(0) else { return nil }
            self = .unix(path: path)
            return
        }
        guard text.hasPrefix("tcp:") else { return nil }
        let rest = text.dropFirst(4)
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port > 0 else { return nil }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, !host.utf8.contains(0) else { return nil }
        self = .tcp(host: String(host), port: port)
    }

    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp:[\(host)]:\(port)" : "tcp:\(host):\(port)"
        }
    }
}
